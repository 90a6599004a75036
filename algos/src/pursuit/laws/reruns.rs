//! Laws that run the computation once more, on changed inputs.

use tandem_compile::HostArray;
use tandem_verify::{Trial, Verdict};

use super::parts::{Parts, Signal, norm};
use super::{Judged, parts};
use crate::pursuit::replay::dot;
use crate::pursuit::subject::{Case, Data, Twist};
use crate::pursuit::{Method, Pursuit, Route, Selection};

/// The array with every element changed.
fn mapped(array: &HostArray, change: impl Fn(usize, f64) -> f64) -> Result<HostArray, String> {
    let values = array.to_f64();
    HostArray::from_fn(array.shape(), |at| change(at, values[at])).cast(array.dtype()).map_err(|e| e.to_string())
}

/// The array with its rows in another order.
fn ordered(array: &HostArray, order: &[usize]) -> Result<HostArray, String> {
    let (values, width) = (array.to_f64(), array.shape()[1]);
    mapped(array, |at, _| values[order[at / width] * width + at % width])
}

/// Whether the case is one of moderate numbers all of which are finite, so that it can be changed and run again.
fn moderate(trial: &Trial<Case>) -> bool {
    let far =
        matches!(&trial.case.data, Data::Random(draw, twist) if draw.exponent.abs() > 40 || *twist == Twist::Graded);
    trial.inputs.iter().all(|input| input.first_nonfinite().is_none()) && !far
}

pub(super) fn scaling_by_powers_of_two_is_exact(trial: &Trial<Case>) -> Judged {
    if !moderate(trial) {
        return Ok(Verdict::Idle);
    }
    let d = trial.inputs[0].shape()[1];
    let factor = |j: usize| 2f64.powi(j as i32 % 3 - 1);
    let inputs = [mapped(&trial.inputs[0], |_, x| 8.0 * x)?, mapped(&trial.inputs[1], |at, a| factor(at / d) * a)?];
    let other = Parts::of(&inputs, &(trial.rerun)(trial.case, &inputs)?, trial.case.pursuit.k)?;
    let found = parts(trial)?;
    let exact = found.signals.iter().zip(&other.signals).all(|(x, y)| {
        x.support == y.support
            && x.norms.iter().zip(&y.norms).all(|(x, y)| 8.0 * x == *y)
            && x.codes.iter().zip(&y.codes).enumerate().all(|(j, (x, y))| 8.0 * x / factor(j) == *y)
    });
    Ok(Verdict::of(exact, || "8 x and atoms times powers of two do not give 8 z over these powers".into()))
}

/// Atoms times -1 have codes times -1: to the last bit but for a QR factorization, which may turn its vectors.
fn turned(x: &Signal, y: &Signal, sign: impl Fn(usize) -> f64, slack: f64) -> bool {
    let codes: Vec<f64> = y.codes.iter().enumerate().map(|(j, z)| sign(j) * z).collect();
    x.support == y.support && close(&x.norms, &y.norms, slack) && close(&x.codes, &codes, slack)
}

pub(super) fn turning_atoms_turns_codes(trial: &Trial<Case>) -> Judged {
    let pursuit = &trial.case.pursuit;
    if !moderate(trial) || pursuit.selection != Selection::Abs {
        return Ok(Verdict::Idle);
    }
    let d = trial.inputs[0].shape()[1];
    let sign = |j: usize| if j % 3 == 1 { -1.0 } else { 1.0 };
    let inputs = [trial.inputs[0].clone(), mapped(&trial.inputs[1], |at, a| sign(at / d) * a)?];
    let other = Parts::of(&inputs, &(trial.rerun)(trial.case, &inputs)?, pursuit.k)?;
    let found = parts(trial)?;
    let within = |slack| found.signals.iter().zip(&other.signals).all(|(x, y)| turned(x, y, sign, slack));
    if pursuit.method == Method::Omp && !within(0.0) {
        return match decided(trial)? {
            false => Ok(Verdict::Idle),
            true => Ok(Verdict::of(within(1e4 * trial.u()), || "atoms times -1 do not have codes times -1".into())),
        };
    }
    Ok(Verdict::of(within(0.0), || "atoms times -1 do not have codes times -1".into()))
}

/// The smallest lead of a choice over the next atom, relative to the signal; `None` where the choices alone do not tell.
fn smallest_lead(trial: &Trial<Case>, parts: &Parts) -> Option<f64> {
    let pursuit = &trial.case.pursuit;
    let mut least = f64::INFINITY;
    for signal in parts.coded() {
        let run = signal.replay(trial.case, parts)?;
        // The step after the last one may be decided by a hair as well.
        for (n, residual) in run.residuals.iter().enumerate() {
            let steps = signal.steps();
            let allowed =
                |j: &usize| parts.sizes[*j] > 0.0 && !(pursuit.method == Method::Omp && steps[..n].contains(j));
            let score = |j: usize| match pursuit.selection {
                Selection::Abs => dot(&parts.atoms[j], residual).abs(),
                Selection::Signed | Selection::Relu => dot(&parts.atoms[j], residual),
            };
            let mut scores: Vec<f64> = (0..parts.atoms.len()).filter(allowed).map(score).collect();
            scores.sort_by(|x, y| y.total_cmp(x));
            let size = norm(&signal.x);
            let lead = scores.windows(2).next().map_or(1.0, |pair| (pair[0] - pair[1]) / size);
            least = least.min(lead).min(scores.first().map_or(1.0, |best| best.abs() / size)).min(run.distance);
        }
    }
    Some(least)
}

/// Whether another order of the sums cannot change what is chosen, nor more than the last digits.
fn decided(trial: &Trial<Case>) -> Result<bool, String> {
    let random = matches!(trial.case.data, Data::Random(_, Twist::None)) && moderate(trial);
    let found = parts(trial)?;
    let goal = trial.case.pursuit.goal(trial.u());
    let near = |signal: &Signal| signal.norms.iter().any(|x| (x / signal.norms[0] / goal - 1.0).abs() < 1e-3);
    let clear = smallest_lead(trial, &found).is_some_and(|lead| lead > 1e4 * trial.u());
    Ok(random && clear && !found.coded().any(near))
}

fn close(x: &[f64], y: &[f64], slack: f64) -> bool {
    let scale = x.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    x.len() == y.len() && x.iter().zip(y).all(|(x, y)| (x - y).abs() <= slack * scale)
}

pub(super) fn permuting_atoms_permutes_codes(trial: &Trial<Case>) -> Judged {
    if !decided(trial)? {
        return Ok(Verdict::Idle);
    }
    let p = trial.inputs[1].shape()[0];
    let order: Vec<usize> = (0..p).rev().collect();
    let inputs = [trial.inputs[0].clone(), ordered(&trial.inputs[1], &order)?];
    let other = Parts::of(&inputs, &(trial.rerun)(trial.case, &inputs)?, trial.case.pursuit.k)?;
    let found = parts(trial)?;
    let place = |j: i32| if j < 0 { j } else { p as i32 - 1 - j };
    let same = found.signals.iter().zip(&other.signals).all(|(x, y)| {
        let codes: Vec<f64> = order.iter().map(|&j| y.codes[j]).collect();
        x.support.iter().map(|&j| place(j)).eq(y.support.iter().copied()) && close(&x.codes, &codes, 1e4 * trial.u())
    });
    Ok(Verdict::of(same, || "atoms in reverse order have other codes".into()))
}

pub(super) fn permuting_signals_permutes_codes(trial: &Trial<Case>) -> Judged {
    if !decided(trial)? {
        return Ok(Verdict::Idle);
    }
    let batch = trial.inputs[0].shape()[0];
    let order: Vec<usize> = (0..batch).rev().collect();
    let inputs = [ordered(&trial.inputs[0], &order)?, trial.inputs[1].clone()];
    let other = Parts::of(&inputs, &(trial.rerun)(trial.case, &inputs)?, trial.case.pursuit.k)?;
    let found = parts(trial)?;
    let same = found
        .signals
        .iter()
        .zip(other.signals.iter().rev())
        .all(|(x, y)| x.support == y.support && close(&x.codes, &y.codes, 1e4 * trial.u()));
    Ok(Verdict::of(same, || "signals in reverse order have other codes".into()))
}

pub(super) fn fewer_steps_are_the_first_ones(trial: &Trial<Case>) -> Judged {
    let pursuit = &trial.case.pursuit;
    // A second program: few cases suffice. The route may depend on k.
    let chosen = matches!(&trial.case.data, Data::Random(draw, Twist::None) if draw.seed % 4 == 1);
    if !chosen || pursuit.k < 2 || pursuit.route == Route::Auto || !decided(trial)? {
        return Ok(Verdict::Idle);
    }
    let k = pursuit.k / 2;
    let case = Case { pursuit: Pursuit { k, ..pursuit.clone() }, ..trial.case.clone() };
    let other = Parts::of(trial.inputs, &(trial.rerun)(&case, trial.inputs)?, k)?;
    let found = parts(trial)?;
    let same = |(x, y): (&Signal, &Signal)| {
        x.support[..k] == y.support[..] && close(&x.norms[..=k], &y.norms, 1e4 * trial.u())
    };
    let first = found.signals.iter().zip(&other.signals).all(same);
    Ok(Verdict::of(first, || format!("{k} of {} steps are not the first {k}", pursuit.k)))
}

/// With zeros in the place of the signals that are not finite, all others are the same to the last bit.
pub(super) fn nonfinite_signals_spoil_no_other(trial: &Trial<Case>) -> Judged {
    let found = parts(trial)?;
    if !found.sound || found.signals.iter().all(|signal| signal.finite) {
        return Ok(Verdict::Idle);
    }
    let d = trial.inputs[0].shape()[1];
    let mut inputs = trial.inputs.to_vec();
    inputs[0] = mapped(&inputs[0], |at, x| if found.signals[at / d].finite { x } else { 0.0 })?;
    let other = Parts::of(&inputs, &(trial.rerun)(trial.case, &inputs)?, trial.case.pursuit.k)?;
    let same = found
        .signals
        .iter()
        .zip(&other.signals)
        .filter(|(signal, _)| signal.finite)
        .all(|(x, y)| x.codes == y.codes && x.support == y.support && x.norms == y.norms && x.count == y.count);
    Ok(Verdict::of(same, || "a signal that is not finite changes another one's codes".into()))
}
