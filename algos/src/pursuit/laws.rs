//! What must hold of every pursuit, whatever the rounding.

mod parts;
mod reruns;

use tandem_verify::status::Status;
use tandem_verify::{Law, Trial, Verdict};

use super::replay::dot;
use super::subject::Case;
use super::{Method, Selection};
use parts::{Parts, Signal, norm};

type Judged = Result<Verdict, String>;

/// The laws by name.
pub fn laws() -> Vec<Law<Case>> {
    vec![
        Law { name: "nonfinite_signals_are_poisoned", judge: nonfinite_signals_are_poisoned },
        Law { name: "nonfinite_signals_spoil_no_other", judge: reruns::nonfinite_signals_spoil_no_other },
        Law { name: "outputs_of_finite_inputs_are_finite", judge: outputs_of_finite_inputs_are_finite },
        Law { name: "counts_supports_and_norms_fit_together", judge: counts_supports_and_norms_fit_together },
        Law { name: "codes_are_zero_off_the_support", judge: codes_are_zero_off_the_support },
        Law { name: "signals_stop_when_they_are_done_and_say_why", judge: signals_stop_when_they_are_done },
        Law { name: "norms_never_increase", judge: norms_never_increase },
        Law { name: "last_norm_is_that_of_what_the_codes_leave", judge: last_norm_is_that_of_what_the_codes_leave },
        Law { name: "norms_are_those_that_the_choices_imply", judge: norms_are_those_that_the_choices_imply },
        Law { name: "every_choice_is_the_best", judge: every_choice_is_the_best },
        Law { name: "mp_shares_out_the_energy", judge: mp_shares_out_the_energy },
        Law { name: "last_atom_is_orthogonal_to_the_residual", judge: last_atom_is_orthogonal_to_the_residual },
        Law { name: "omp_is_orthogonal_to_its_support", judge: omp_is_orthogonal_to_its_support },
        Law { name: "omp_chooses_no_atom_twice", judge: omp_chooses_no_atom_twice },
        Law { name: "relu_codes_are_not_negative", judge: relu_codes_are_not_negative },
        Law { name: "relu_stops_where_nothing_is_positive", judge: relu_stops_where_nothing_is_positive },
        Law { name: "scaling_by_powers_of_two_is_exact", judge: reruns::scaling_by_powers_of_two_is_exact },
        Law { name: "turning_atoms_turns_codes", judge: reruns::turning_atoms_turns_codes },
        Law { name: "permuting_atoms_permutes_codes", judge: reruns::permuting_atoms_permutes_codes },
        Law { name: "permuting_signals_permutes_codes", judge: reruns::permuting_signals_permutes_codes },
        Law { name: "fewer_steps_are_the_first_ones", judge: reruns::fewer_steps_are_the_first_ones },
    ]
}

fn parts(trial: &Trial<Case>) -> Result<Parts, String> {
    Parts::of(trial.inputs, trial.outcome, trial.case.pursuit.k)
}

/// What rounding may do, in units of what it is relative to: a product of d terms and a few corrections per step.
fn rounding(trial: &Trial<Case>) -> f64 {
    let d = trial.inputs[0].shape()[1];
    4.0 * trial.u() * (d + 4 * trial.case.pursuit.k + 8) as f64
}

/// Judges every coded signal; idle where `judge` says nothing of any.
fn each(trial: &Trial<Case>, judge: impl Fn(&Parts, &Signal) -> Option<Result<(), String>>) -> Judged {
    let parts = parts(trial)?;
    let mut verdict = Verdict::Idle;
    for (b, signal) in parts.signals.iter().enumerate().filter(|(_, signal)| signal.finite && parts.sound) {
        match judge(&parts, signal) {
            None => {}
            Some(Ok(())) => verdict = Verdict::Holds,
            Some(Err(how)) => return Ok(Verdict::Broken(format!("signal {b}: {how}"))),
        }
    }
    Ok(verdict)
}

fn check(holds: bool, message: impl FnOnce() -> String) -> Option<Result<(), String>> {
    Some(if holds { Ok(()) } else { Err(message()) })
}

fn nonfinite_signals_are_poisoned(trial: &Trial<Case>) -> Judged {
    let parts = parts(trial)?;
    let flagged = Status(trial.outcome.status).has(Status::NONFINITE_INPUT);
    let bad: Vec<&Signal> = parts.signals.iter().filter(|signal| !signal.finite || !parts.sound).collect();
    if bad.is_empty() {
        return Ok(Verdict::of(!flagged, || "finite inputs are flagged as not finite".into()));
    }
    let poisoned = bad.iter().all(|signal| {
        let numbers = signal.codes.iter().chain(&signal.norms).all(|x| x.is_nan());
        numbers && signal.support.iter().all(|&j| j == -1) && signal.count == 0
    });
    let alone = parts.sound || Status(trial.outcome.status) == Status::NONFINITE_INPUT;
    Ok(Verdict::of(poisoned && flagged && alone, || format!("{:?}", trial.outcome)))
}

fn outputs_of_finite_inputs_are_finite(trial: &Trial<Case>) -> Judged {
    let broken = Status(trial.outcome.status).has(Status::BREAKDOWN);
    each(trial, |_, signal| {
        let finite = signal.codes.iter().chain(&signal.norms).all(|x| x.is_finite());
        check(finite && !broken, || "NaN or infinity in an output".into())
    })
}

fn counts_supports_and_norms_fit_together(trial: &Trial<Case>) -> Judged {
    each(trial, |parts, signal| {
        let Signal { support, norms, count, .. } = signal;
        let p = parts.atoms.len() as i32;
        let fits = *count <= support.len()
            && support[..*count].iter().all(|&j| (0..p).contains(&j) && parts.sizes[j as usize] > 0.0)
            && support[*count..].iter().all(|&j| j == -1)
            && norms[*count..].iter().all(|x| *x == norms[*count]);
        check(fits, || format!("count {count}, support {support:?}, norms {norms:?}"))
    })
}

fn codes_are_zero_off_the_support(trial: &Trial<Case>) -> Judged {
    each(trial, |_, signal| {
        let off = |(j, z): (usize, &f64)| *z != 0.0 && !signal.support.contains(&(j as i32));
        let stray = signal.codes.iter().enumerate().position(off);
        check(stray.is_none(), || format!("the code of atom {stray:?} is not 0; the support is {:?}", signal.support))
    })
}

/// Before the last step no signal was done; after it, a signal with steps to go is done, has nothing to gain, or was refused an
/// atom.
fn signals_stop_when_they_are_done(trial: &Trial<Case>) -> Judged {
    let pursuit = &trial.case.pursuit;
    let status = Status(trial.outcome.status);
    let goal = pursuit.goal(trial.u());
    let mut open = false;
    let verdict = each(trial, |parts, signal| {
        let (first, last) = (signal.norms[0], signal.norms[signal.count]);
        // Both sides of the comparison are rounded.
        let slack = goal * first * 8.0 * trial.u();
        let early = signal.count > 0 && signal.norms[..signal.count].iter().any(|&norm| norm <= goal * first - slack);
        let late = signal.count < pursuit.k && last > goal * first + slack;
        let left = parts.left(signal);
        let gain = |j: usize| match pursuit.selection {
            Selection::Abs => dot(&parts.atoms[j], &left).abs(),
            Selection::Signed | Selection::Relu => dot(&parts.atoms[j], &left),
        };
        let taken = |j: &usize| pursuit.method == Method::Omp && signal.support.contains(&(*j as i32));
        let free: Vec<usize> = (0..parts.atoms.len()).filter(|j| parts.sizes[*j] > 0.0 && !taken(j)).collect();
        let best = free.iter().map(|&j| gain(j)).fold(f64::NEG_INFINITY, f64::max);
        let slack = rounding(trial) * parts.scale(signal);
        let nothing = match pursuit.selection {
            Selection::Abs | Selection::Relu => best <= slack,
            Selection::Signed => best.abs() <= slack || free.is_empty(),
        };
        let refused = pursuit.method == Method::Omp && status.has(Status::RANK_DEFICIENT);
        check(!early && (!late || nothing || refused), || {
            format!("{} steps, norms {:?}, goal {:e}, best gain {best:e}", signal.count, signal.norms, goal * first)
        })
    })?;
    let found = parts(trial)?;
    for signal in found.coded() {
        let margin = (signal.norms[signal.count] - goal * signal.norms[0]) / signal.norms[0].max(f64::MIN_POSITIVE);
        if margin.abs() <= 8.0 * trial.u() * goal {
            return Ok(verdict);
        }
        open |= margin > 0.0;
    }
    let flagged = status.has(Status::NOT_CONVERGED) == (open && pursuit.tol > 0.0);
    Ok(if flagged { verdict } else { Verdict::Broken(format!("open: {open}, but the status is {status:?}")) })
}

fn norms_never_increase(trial: &Trial<Case>) -> Judged {
    each(trial, |parts, signal| {
        // What omp and gp do to many codes at once is rounded on their scale.
        let scale = if trial.case.pursuit.method == Method::Mp { 0.0 } else { parts.scale(signal) };
        let slack = |norm: f64| rounding(trial) * (norm + scale);
        let rises = signal.norms.windows(2).find(|pair| pair[1] > pair[0] + slack(pair[0]));
        check(rises.is_none(), || format!("the norm rises: {rises:?}"))
    })
}

fn last_norm_is_that_of_what_the_codes_leave(trial: &Trial<Case>) -> Judged {
    each(trial, |parts, signal| {
        let (found, last) = (norm(&parts.left(signal)), signal.norms[trial.case.pursuit.k]);
        let slack = 2.0 * rounding(trial) * parts.scale(signal);
        check((found - last).abs() <= slack, || {
            format!("|x - z D| is {found:e}, the last norm {last:e}; a difference of {slack:e} is allowed")
        })
    })
}

fn norms_are_those_that_the_choices_imply(trial: &Trial<Case>) -> Judged {
    each(trial, |parts, signal| {
        let run = signal.replay(trial.case, parts)?;
        let slack = 2.0 * rounding(trial) * (norm(&signal.x) + parts.scale(signal) / run.distance);
        let implied: Vec<f64> = run.residuals.iter().map(|r| norm(r)).collect();
        let off = implied.iter().zip(&signal.norms).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
        check(off <= slack, || format!("{implied:?} instead of {:?}; {slack:e} is allowed", signal.norms))
    })
}

/// No atom was a better choice than the one chosen, and of equally good ones, to the last bit, the first was chosen.
fn every_choice_is_the_best(trial: &Trial<Case>) -> Judged {
    let pursuit = &trial.case.pursuit;
    each(trial, |parts, signal| {
        let run = signal.replay(trial.case, parts)?;
        let slack = 2.0 * rounding(trial) * parts.scale(signal) / run.distance;
        let steps = signal.steps();
        for (n, &chosen) in steps.iter().enumerate() {
            let score = |j: usize| match pursuit.selection {
                Selection::Abs => dot(&parts.atoms[j], &run.residuals[n]).abs(),
                Selection::Signed | Selection::Relu => dot(&parts.atoms[j], &run.residuals[n]),
            };
            let allowed =
                |j: &usize| parts.sizes[*j] > 0.0 && !(pursuit.method == Method::Omp && steps[..n].contains(j));
            let best = (0..parts.atoms.len()).filter(allowed).map(score).fold(f64::NEG_INFINITY, f64::max);
            if score(chosen) < best - slack {
                return Some(Err(format!("step {n} takes atom {chosen}: {:e}, the best is {best:e}", score(chosen))));
            }
            let twin = (0..chosen).find(|&j| allowed(&j) && parts.atoms[j] == parts.atoms[chosen]);
            if let Some(twin) = twin {
                return Some(Err(format!("step {n} takes atom {chosen} though {twin} is the same")));
            }
        }
        (!steps.is_empty()).then_some(Ok(()))
    })
}

/// |x|^2 = sum c^2 + |r|^2.
fn mp_shares_out_the_energy(trial: &Trial<Case>) -> Judged {
    each(trial, |parts, signal| {
        let run = signal.replay(trial.case, parts).filter(|_| trial.case.pursuit.method == Method::Mp)?;
        let (whole, last) = (norm(&signal.x).powi(2), signal.norms[trial.case.pursuit.k].powi(2));
        let shared = run.moves.iter().map(|c| c * c).sum::<f64>() + last;
        let slack = 2.0 * rounding(trial) * whole;
        check((whole - shared).abs() <= slack, || format!("|x|^2 is {whole:e}, the shares' sum {shared:e}"))
    })
}

fn last_atom_is_orthogonal_to_the_residual(trial: &Trial<Case>) -> Judged {
    let pursuit = &trial.case.pursuit;
    each(trial, |parts, signal| {
        // A non-negative code of 0 does not bind its atom.
        let last =
            signal.steps().last().copied().filter(|&j| pursuit.method != Method::Gp && signal.codes[j] != 0.0)?;
        let product = dot(&parts.atoms[last], &parts.left(signal)).abs();
        let slack = 2.0 * rounding(trial) * parts.scale(signal);
        check(product <= slack, || format!("<d, r> is {product:e} for the last atom {last}; {slack:e} is allowed"))
    })
}

fn omp_is_orthogonal_to_its_support(trial: &Trial<Case>) -> Judged {
    let pursuit = &trial.case.pursuit;
    each(trial, |parts, signal| {
        if pursuit.method != Method::Omp || signal.count == 0 {
            return None;
        }
        let left = parts.left(signal);
        let slack = 2.0 * rounding(trial) * parts.scale(signal);
        let relu = pursuit.selection == Selection::Relu;
        for j in signal.steps() {
            let product = dot(&parts.atoms[j], &left);
            let out = if relu && signal.codes[j] == 0.0 { product } else { product.abs() };
            if out > slack {
                return Some(Err(format!("<d, r> is {product:e} for atom {j}; {slack:e} is allowed")));
            }
        }
        Some(Ok(()))
    })
}

fn omp_chooses_no_atom_twice(trial: &Trial<Case>) -> Judged {
    each(trial, |_, signal| {
        let mut steps = signal.steps();
        steps.sort_unstable();
        let repeated = steps.windows(2).any(|pair| pair[0] == pair[1]);
        (trial.case.pursuit.method == Method::Omp)
            .then(|| if repeated { Err(format!("support {:?}", signal.support)) } else { Ok(()) })
    })
}

fn relu_codes_are_not_negative(trial: &Trial<Case>) -> Judged {
    each(trial, |_, signal| {
        let least = signal.codes.iter().copied().fold(f64::INFINITY, f64::min);
        let concerned = trial.case.pursuit.selection == Selection::Relu;
        if concerned { check(least >= 0.0, || format!("the smallest code is {least:e}")) } else { None }
    })
}

fn relu_stops_where_nothing_is_positive(trial: &Trial<Case>) -> Judged {
    let pursuit = &trial.case.pursuit;
    let refused = Status(trial.outcome.status).has(Status::RANK_DEFICIENT);
    each(trial, |parts, signal| {
        let goal = pursuit.goal(trial.u()) * signal.norms[0];
        let stopped = signal.count < pursuit.k && signal.norms[signal.count] > goal * (1.0 + 8.0 * trial.u());
        if pursuit.selection != Selection::Relu || !stopped || refused {
            return None;
        }
        let left = parts.left(signal);
        let best = parts.atoms.iter().map(|atom| dot(atom, &left)).fold(f64::NEG_INFINITY, f64::max);
        let slack = 2.0 * rounding(trial) * parts.scale(signal);
        check(best <= slack, || format!("it stops at a correlation of {best:e}; {slack:e} counts as none"))
    })
}
