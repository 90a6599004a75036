//! What must hold of a training, whatever the rounding.

use tandem_verify::status::Status;
use tandem_verify::{Law, Trial, Verdict};

use super::{Judged, length, moderate, scaled, times};
use crate::sae::subject::{Case, TRAINED};

/// The laws of a training.
pub fn of_a_training() -> Vec<Law<Case>> {
    vec![
        Law::poison(),
        Law { name: "atoms_have_norm_one", judge: atoms_have_norm_one },
        Law { name: "losses_are_finite_and_not_negative", judge: losses_are_finite_and_not_negative },
        Law { name: "scaling_the_data_by_powers_of_two_is_exact", judge: scaling_scales_a_training },
        Law { name: "the_same_seed_trains_the_same", judge: the_same_seed_trains_the_same },
    ]
}

fn atoms_have_norm_one(trial: &Trial<Case>) -> Judged {
    if !trial.finite() {
        return Ok(Verdict::Idle);
    }
    let d = trial.case.d;
    let worst = trial.outcome.reals("dictionary").chunks(d).map(|atom| (length(atom) - 1.0).abs()).fold(0.0, f64::max);
    Ok(Verdict::of(worst <= (d + 8) as f64 * trial.u(), || format!("a norm is off by {worst:e}")))
}

fn losses_are_finite_and_not_negative(trial: &Trial<Case>) -> Judged {
    if !trial.finite() {
        return Ok(Verdict::Idle);
    }
    let losses = trial.outcome.reals("loss");
    let sound = losses.iter().all(|x| x.is_finite() && *x >= 0.0);
    Ok(Verdict::of(sound && !Status(trial.outcome.status).has(Status::BREAKDOWN), || format!("losses {losses:?}")))
}

fn scaling_scales_a_training(trial: &Trial<Case>) -> Judged {
    if !moderate(trial) {
        return Ok(Verdict::Idle);
    }
    let other = (trial.rerun)(trial.case, &[scaled(&trial.inputs[0], |_| 8.0)])?;
    let factors = [("dictionary", 1.0), ("bias", 8.0), ("loss", 64.0)];
    Ok(times(trial.outcome, &other, &factors).map_or_else(Verdict::Broken, |()| Verdict::Holds))
}

fn the_same_seed_trains_the_same(trial: &Trial<Case>) -> Judged {
    if !trial.finite() {
        return Ok(Verdict::Idle);
    }
    let other = (trial.rerun)(trial.case, trial.inputs)?;
    let factors = TRAINED.map(|name| (name, 1.0));
    Ok(times(trial.outcome, &other, &factors).map_or_else(Verdict::Broken, |()| Verdict::Holds))
}
