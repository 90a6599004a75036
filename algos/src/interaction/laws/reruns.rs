//! Laws of what must not matter.

use tandem_compile::{DType, HostArray};
use tandem_verify::{Outcome, Trial, Verdict};

use super::Judged;
use super::parts::Parts;
use crate::interaction::subject::{Case, Twist};

/// A second run is made of one case in four, and of no deliberate tie: there rounding decides.
fn rerun_is_due(trial: &Trial<Case>, quarter: u64) -> bool {
    trial.finite() && trial.case.twist == Twist::None && trial.case.n > 8 && trial.case.seed % 4 == quarter
}

fn rounded(array: HostArray, dtype: DType) -> Result<HostArray, String> {
    array.cast(dtype).map_err(|e| e.to_string())
}

/// Whether lambda and edges are the same within `slack` of the largest.
fn same(before: &Outcome<f64>, after: &Outcome<f64>, layers: usize, slack: f64) -> Result<(), String> {
    for name in (0..layers).flat_map(|l| [format!("lambda{l}"), format!("edges{l}")]) {
        let (x, y) = (before.reals(&name), after.reals(&name));
        let most = x.iter().copied().fold(0.0, f64::max);
        let off = x.iter().zip(&y).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
        if x.len() != y.len() || !(off <= slack * most) {
            return Err(format!(
                "{name} is {x:?} and becomes {y:?}; a difference of {slack:e} of the largest is allowed"
            ));
        }
    }
    Ok(())
}

fn verdict(outcome: Result<(), String>) -> Judged {
    Ok(outcome.map_or_else(Verdict::Broken, |()| Verdict::Holds))
}

/// What whitening and close eigenvalues make of rounding; `None` where a unit or a direction may go either way.
fn slack(parts: &Parts) -> Option<f64> {
    let clear = (0..parts.layers.len()).all(|l| parts.switches_are_clear(l, &parts.layers[l].f));
    let each = |layer: &super::Layer| {
        let kept = &layer.lambda[parts.apart.min(layer.rank)..layer.rank];
        let largest = kept.first().copied().unwrap_or(1.0);
        let gap = kept.windows(2).map(|pair| pair[0] - pair[1]).fold(f64::INFINITY, f64::min);
        let whole = layer.rank == layer.c.rows;
        let free = !whole || kept.last().is_some_and(|&last| last > 1e-3 * largest) && layer.spread < 1e3;
        free.then(|| parts.slack(layer) * layer.spread * (largest / gap).max(1.0))
    };
    let slacks: Option<Vec<f64>> = parts.layers.iter().map(each).collect();
    slacks.filter(|_| clear).map(|slacks| slacks.into_iter().fold(0.0, f64::max))
}

pub(super) fn order_of_samples(trial: &Trial<Case>) -> Judged {
    if !rerun_is_due(trial, 0) {
        return Ok(Verdict::Idle);
    }
    let Some(parts) = Parts::of(trial)? else { return Ok(Verdict::Idle) };
    let Some(slack) = slack(&parts) else { return Ok(Verdict::Idle) };
    let (x, shape) = (trial.inputs[0].to_f64(), trial.inputs[0].shape());
    let (n, d) = (shape[0], shape[1]);
    let turned = HostArray::from_fn([n, d], |at| x[(n - 1 - at / d) * d + at % d]);
    let inputs = [&[rounded(turned, trial.dtype)?], &trial.inputs[1..]].concat();
    let other = (trial.rerun)(trial.case, &inputs)?;
    verdict(same(trial.outcome, &other, parts.layers.len(), slack))
}

/// x in another unit, and weights that undo it: powers of two are exact.
pub(super) fn scaling_is_exact(trial: &Trial<Case>) -> Judged {
    if !rerun_is_due(trial, 1) || !trial.case.lib.center {
        return Ok(Verdict::Idle);
    }
    let factor = 32.0;
    let times = |array: &HostArray, factor: f64| {
        let values = array.to_f64();
        rounded(HostArray::from_fn(array.shape(), |at| values[at] * factor), trial.dtype)
    };
    let mut inputs = trial.inputs.to_vec();
    inputs[0] = times(&inputs[0], factor)?;
    inputs[1] = times(&inputs[1], 1.0 / factor)?;
    let other = (trial.rerun)(trial.case, &inputs)?;
    let exact = same(trial.outcome, &other, trial.case.widths.len() - 1, 0.0).and_then(|()| {
        let (before, after, d) = (trial.outcome.reals("c0"), other.reals("c0"), trial.case.widths[0] + 1);
        // The constant coordinate keeps its unit; which entry is the largest, and so a column's sign, depends on units.
        let right = |at: usize| (after[at] * if at / d + 1 < d { factor } else { 1.0 }).abs() == before[at].abs();
        match (0..before.len()).all(right) {
            true => Ok(()),
            false => Err(format!("c0 is {before:?} and becomes {after:?}")),
        }
    });
    verdict(exact)
}

/// The hidden units in the opposite order, each in a unit of its own.
pub(super) fn hidden_units(trial: &Trial<Case>) -> Judged {
    if !rerun_is_due(trial, 2) || !trial.case.lib.center {
        return Ok(Verdict::Idle);
    }
    let Some(parts) = Parts::of(trial)? else { return Ok(Verdict::Idle) };
    let Some(slack) = slack(&parts) else { return Ok(Verdict::Idle) };
    let unit = |i: usize| [1.0, 2.0, 0.5][i % 3];
    let (w, b, next) = (trial.inputs[1].to_f64(), trial.inputs[2].to_f64(), trial.inputs[3].to_f64());
    let (hidden, into) = (trial.case.widths[1], trial.case.widths[0]);
    let from = |i: usize| hidden - 1 - i;
    let first = HostArray::from_fn([hidden, into], |at| w[from(at / into) * into + at % into] * unit(at / into));
    let bias = HostArray::from_fn([hidden], |i| b[from(i)] * unit(i));
    let out = trial.case.widths[2];
    let second =
        HostArray::from_fn([out, hidden], |at| next[at / hidden * hidden + from(at % hidden)] / unit(at % hidden));
    let mut inputs = trial.inputs.to_vec();
    for (at, array) in [(1, first), (2, bias), (3, second)] {
        inputs[at] = rounded(array, trial.dtype)?;
    }
    let other = (trial.rerun)(trial.case, &inputs)?;
    // Units change what counts as small: by up to the square of their ratio.
    verdict(same(trial.outcome, &other, parts.layers.len(), 16.0 * slack))
}
