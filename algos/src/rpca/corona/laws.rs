//! What must hold of a separation, whatever the rounding.

use tandem_compile::{DType, HostArray};
use tandem_verify::status::Status;
use tandem_verify::{Law, Outcome, Trial, Verdict};

use super::subject::{Case, OUTPUTS, Twist, teacher};
use super::{Shrinkage, reference};

type Judged = Result<Verdict, String>;

/// The laws by name.
pub fn laws() -> Vec<Law<Case>> {
    vec![
        Law::poison(),
        Law { name: "layers_with_the_teachers_weights_are_its_steps", judge: layers_are_steps },
        Law { name: "a_phase_passes_through", judge: a_phase_passes_through },
        Law { name: "scaling_is_exact", judge: scaling_is_exact },
        Law { name: "zero_gives_zeros_and_says_so", judge: zero_gives_zeros },
        Law { name: "outputs_of_finite_inputs_are_finite", judge: outputs_are_finite },
    ]
}

fn largest(x: &[f64]) -> f64 {
    x.iter().fold(0.0, |most, x| most.max(x.abs()))
}

/// What rounding does to an entry over all layers, of which each mixes no more than doubles.
fn slack(trial: &Trial<Case>) -> f64 {
    let (layers, count) = (trial.case.network.layers(), trial.inputs[0].len());
    50.0 * trial.u() * layers as f64 * (count as f64).sqrt() * largest(&trial.inputs[0].to_f64())
}

fn near(found: &Outcome<f64>, expected: &[Vec<f64>; 2], allowed: f64) -> Verdict {
    for (name, expected) in OUTPUTS.iter().zip(expected) {
        let found = found.reals(name);
        let far = found.iter().zip(expected).fold(0.0, |most: f64, (x, y)| most.max((x - y).abs()));
        if found.len() != expected.len() || !(far <= allowed) {
            return Verdict::Broken(format!("{name} is {far:e} off; {allowed:e} is allowed"));
        }
    }
    Verdict::Holds
}

fn layers_are_steps(trial: &Trial<Case>) -> Judged {
    if trial.case.twist != Twist::Teacher || trial.case.network.shrinkage != Shrinkage::Proximal {
        return Ok(Verdict::Idle);
    }
    let steps = reference::teach::<f64>(&teacher(trial.case), &trial.inputs[0]);
    Ok(near(trial.outcome, &steps, slack(trial)))
}

/// Convolutions are complex linear, and shrinkages see magnitudes alone: i D gives i L and i S.
fn a_phase_passes_through(trial: &Trial<Case>) -> Judged {
    // A second run for each of these: some cases suffice.
    if !trial.finite() || !trial.case.seed.is_multiple_of(3) || trial.case.exponent.abs() > 60 {
        return Ok(Verdict::Idle);
    }
    let turned = |x: &[f64]| -> Vec<f64> {
        let half = x.len() / 2;
        x[half..].iter().map(|x| -x).chain(x[..half].iter().copied()).collect()
    };
    let values = turned(&trial.inputs[0].to_f64());
    let d =
        HostArray::from_fn(trial.inputs[0].shape(), |at| values[at]).cast(trial.dtype).map_err(|e| e.to_string())?;
    let inputs: Vec<HostArray> = std::iter::once(d).chain(trial.inputs[1..].iter().cloned()).collect();
    let other = (trial.rerun)(trial.case, &inputs)?;
    Ok(near(&other, &OUTPUTS.map(|name| turned(&trial.outcome.reals(name))), slack(trial)))
}

fn scaling_is_exact(trial: &Trial<Case>) -> Judged {
    if !trial.finite() || trial.case.exponent.abs() > 60 {
        return Ok(Verdict::Idle);
    }
    let times = |input: &HostArray| {
        let values = input.to_f64();
        match trial.dtype {
            DType::F64 => HostArray::from_fn(input.shape(), |i| values[i] * 8.0),
            _ => HostArray::from_fn(input.shape(), |i| (values[i] * 8.0) as f32),
        }
    };
    let absolute = trial.case.network.shrinkage == Shrinkage::Proximal;
    let scaled = |(at, input): (usize, &HostArray)| match at {
        0 => times(input),
        // Thresholds carry the movie's unit where they are no shares.
        _ if absolute && at.is_multiple_of(2) => times(input),
        _ => input.clone(),
    };
    let inputs: Vec<HostArray> = trial.inputs.iter().enumerate().map(scaled).collect();
    let other = (trial.rerun)(trial.case, &inputs)?;
    let exact = |name: &&str| {
        let (x, y) = (trial.outcome.reals(name), other.reals(name));
        x.len() == y.len() && x.iter().zip(&y).all(|(x, y)| x * 8.0 == *y)
    };
    Ok(Verdict::of(OUTPUTS.iter().all(exact), || "eight times the movie is not eight times its parts".into()))
}

fn zero_gives_zeros(trial: &Trial<Case>) -> Judged {
    if !trial.finite() {
        return Ok(Verdict::Idle);
    }
    let zero = largest(&trial.inputs[0].to_f64()) == 0.0;
    let flagged = Status(trial.outcome.status).has(Status::DEGENERATE);
    let nothing = OUTPUTS.iter().all(|name| largest(&trial.outcome.reals(name)) == 0.0);
    Ok(Verdict::of(flagged == zero && (nothing || !zero), || format!("{:?}", trial.outcome)))
}

fn outputs_are_finite(trial: &Trial<Case>) -> Judged {
    if !trial.finite() {
        return Ok(Verdict::Idle);
    }
    let finite = OUTPUTS.iter().all(|name| trial.outcome.reals(name).iter().all(|x| x.is_finite()));
    let flagged = Status(trial.outcome.status).has(Status::BREAKDOWN);
    Ok(Verdict::of(finite && !flagged, || format!("{:?}", trial.outcome)))
}
