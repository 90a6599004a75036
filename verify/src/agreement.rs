//! The yardstick: how far a device's result may be from the oracle.

use std::collections::HashMap;

use crate::outcome::{Decision, Outcome, Values};
use crate::real::Real;

/// The device's error against what is allowed, for one output of one case.
#[derive(Debug, Clone, PartialEq)]
pub struct Ratio {
    /// The output's name.
    pub output: &'static str,
    /// The device's error over the yardstick.
    pub ratio: f64,
    /// The device's largest error, relative to the output's scale.
    pub error: f64,
    /// What the error is measured by: the reference's own error, or the floor where that is smaller.
    pub yardstick: f64,
    /// The position of the largest error, one index per axis.
    pub at: Vec<usize>,
    /// The device's number there.
    pub device: f64,
    /// The reference's number there, in the device's precision.
    pub reference: f64,
    /// The oracle's number there, rounded to f64.
    pub oracle: f64,
}

/// How a case came out.
#[derive(Debug, Clone, PartialEq)]
pub enum Comparison {
    /// Every output compared; indices were equal.
    Ratios(Vec<Ratio>),
    /// A discrete step was within rounding of going another way: nothing can be compared.
    Tie,
    /// The outputs differ in kind: a name, a shape, an index.
    Different(String),
}

/// The rounding units, at the output's scale, below which an error is not looked at: the yardstick is one sample of
/// the rounding error and can be small by luck.
pub const FLOOR: f64 = 8.0;

/// Compares a device's outcome with the oracle's, measured by the reference's, which ran in the device's precision
/// with unit roundoff `u`. `factor` is the multiple of the yardstick that is allowed; it decides ties here and
/// errors at the caller.
pub fn compare<R: Real, O: Real>(
    device: &Outcome<f64>,
    reference: &Outcome<R>,
    oracle: &Outcome<O>,
    u: f64,
    factor: f64,
) -> Comparison {
    let shared = |decision: &Decision| oracle.output(decision.kind).is_none();
    if tied(&reference.decisions, &oracle.decisions, shared, u, factor) || reference.status != oracle.status {
        return Comparison::Tie;
    }
    if device.status != reference.status {
        return Comparison::Different(format!("status is {}, the reference's {}", device.status, reference.status));
    }
    let mut ratios = Vec::new();
    for (i, truth) in oracle.outputs.iter().enumerate() {
        let (Some(found), Some(own)) = (device.outputs.get(i), reference.outputs.get(i)) else {
            return Comparison::Different(format!("the output {} is missing", truth.name));
        };
        if found.shape != truth.shape {
            let name = truth.name;
            return Comparison::Different(format!("{name} has shape {:?}, expected {:?}", found.shape, truth.shape));
        }
        if truth.free {
            continue;
        }
        match (&found.values, &own.values, &truth.values) {
            (Values::Real(found), Values::Real(own), Values::Real(truth_values)) => {
                let mut ratio = ratio(truth.name, found, own, truth_values, truth.scale, u);
                ratio.at = position(ratio.at[0], &truth.shape);
                ratios.push(ratio);
            }
            (Values::Index(found), Values::Index(own_values), Values::Index(truth_values)) => {
                let own = |decision: &Decision| decision.kind == truth.name;
                if tied(&reference.decisions, &oracle.decisions, own, u, factor) {
                    continue;
                }
                if let Some(at) = (0..found.len()).find(|&j| found[j] != truth_values[j]) {
                    let (name, a, b, c) = (truth.name, found[at], own_values[at], truth_values[at]);
                    let at = position(at, &truth.shape);
                    return Comparison::Different(format!(
                        "{name}{at:?} is {a} on the device, {b} by the reference, {c} by the oracle; positions must be equal"
                    ));
                }
            }
            _ => return Comparison::Different(format!("{} is numbers here and indices there", truth.name)),
        }
    }
    Comparison::Ratios(ratios)
}

/// Whether some step that is concerned may go either way: the two runs of the reference took it differently, or its margin is within
/// what rounding has done to the margins of its kind up to there.
fn tied(
    reference: &[Decision],
    oracle: &[Decision],
    concerned: impl Fn(&Decision) -> bool,
    u: f64,
    factor: f64,
) -> bool {
    let mut deviations: HashMap<&'static str, f64> = HashMap::new();
    reference.len() != oracle.len()
        || reference.iter().zip(oracle).filter(|(_, truth)| concerned(truth)).any(|(own, truth)| {
            let deviation = deviations.entry(truth.kind).or_insert(FLOOR * u);
            *deviation = deviation.max((own.margin - truth.margin).abs());
            own.choice != truth.choice || truth.margin <= factor * *deviation
        })
}

fn ratio<R: Real, O: Real>(
    name: &'static str,
    device: &[f64],
    own: &[R],
    oracle: &[O],
    natural_scale: f64,
    u: f64,
) -> Ratio {
    let scale = oracle.iter().map(|x| x.to_f64().abs()).fold(natural_scale, f64::max);
    let relative = |difference: f64| if difference == 0.0 { 0.0 } else { difference / scale };
    let distances: Vec<f64> = device.iter().zip(oracle).map(|(&x, &truth)| relative(distance(x, truth))).collect();
    let own_error = own.iter().zip(oracle).map(|(x, &truth)| relative(distance(x.to_f64(), truth))).fold(0.0, f64::max);
    // NaN counts as the largest error of all.
    let index = (0..distances.len())
        .max_by(|&i, &j| rank(distances[i]).total_cmp(&rank(distances[j])).then(j.cmp(&i)))
        .unwrap_or(0);
    let error = distances.get(index).map_or(0.0, |&d| rank(d));
    let yardstick = own_error.max(FLOOR * u);
    Ratio {
        output: name,
        ratio: error / yardstick,
        error,
        yardstick,
        at: vec![index],
        device: device.get(index).copied().unwrap_or(0.0),
        reference: own.get(index).map_or(0.0, |x| x.to_f64()),
        oracle: oracle.get(index).map_or(0.0, |x| x.to_f64()),
    }
}

/// A row-major position as one index per axis.
fn position(mut at: usize, shape: &[usize]) -> Vec<usize> {
    let mut indices: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&size| {
            let index = at % size.max(1);
            at /= size.max(1);
            index
        })
        .collect();
    indices.reverse();
    indices
}

fn rank(error: f64) -> f64 {
    if error.is_nan() { f64::INFINITY } else { error }
}

/// |x - truth| without the rounding of `truth` to f64; equal infinities and NaN with NaN are at distance 0.
fn distance<O: Real>(x: f64, truth: O) -> f64 {
    let (high, low) = truth.parts();
    if x == high && !x.is_finite() || x.is_nan() && high.is_nan() {
        return 0.0;
    }
    ((x - high) - low).abs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Output;

    fn outcome<R: Real>(values: Vec<R>, decisions: Vec<Decision>) -> Outcome<R> {
        let shape = vec![values.len()];
        Outcome {
            outputs: vec![Output { name: "x", shape, values: Values::Real(values), scale: 0.0, free: false }],
            status: 0,
            decisions,
        }
    }

    const U: f64 = f32::UNIT_ROUNDOFF;

    fn worst(device: f64, own: f32, truth: f64) -> f64 {
        let device = outcome(vec![1.0, device], vec![]);
        match compare(&device, &outcome(vec![1.0, own], vec![]), &outcome(vec![1.0, truth], vec![]), U, 4.0) {
            Comparison::Ratios(ratios) => ratios[0].ratio,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_error_is_measured_by_the_references_own() {
        assert!((worst(0.5 + 3e-4, 0.5 + 1e-4, 0.5) - 3.0).abs() < 0.01);
        assert_eq!(worst(0.5, 0.5, 0.5), 0.0);
    }

    #[test]
    fn a_reference_that_is_exact_by_luck_does_not_condemn_a_rounding_error() {
        assert!(worst(0.5 + U, 0.5, 0.5) < 1.0);
        assert!(worst(0.5 + 1000.0 * U, 0.5, 0.5) > 100.0);
    }

    #[test]
    fn a_position_has_an_index_per_axis() {
        assert_eq!((position(7, &[2, 5]), position(0, &[]), position(3, &[4])), (vec![1, 2], vec![], vec![3]));
    }

    #[test]
    fn nan_is_infinitely_wrong() {
        assert_eq!(worst(f64::NAN, 0.5, 0.5), f64::INFINITY);
    }

    #[test]
    fn a_margin_within_rounding_is_a_tie() {
        let decide = |margin, choice| vec![Decision { kind: "step", margin, choice }];
        let compared = |own, truth| {
            let device = outcome(vec![1.0], vec![]);
            compare(&device, &outcome(vec![1f32], own), &outcome(vec![1.0], truth), U, 4.0)
        };
        assert_eq!(compared(decide(1e-8, 1), decide(1e-8, 1)), Comparison::Tie);
        assert_eq!(compared(decide(0.5, 1), decide(0.5, 2)), Comparison::Tie);
        assert_eq!(compared(decide(0.3, 1), decide(0.2, 1)), Comparison::Tie);
        assert!(matches!(compared(decide(0.5, 1), decide(0.5, 1)), Comparison::Ratios(_)));
    }
}
