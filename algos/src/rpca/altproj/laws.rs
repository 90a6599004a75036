//! What must hold of every split, whatever the rounding.

use faer::Mat;
use tandem_verify::status::Status;
use tandem_verify::{Law, Matrix, Trial, Verdict};

use super::subject::Case;
use crate::rpca::data::changed;

type Judged = Result<Verdict, String>;

/// The laws by name.
pub fn laws() -> Vec<Law<Case>> {
    vec![
        Law::poison(),
        Law { name: "outputs_of_finite_inputs_are_finite", judge: outputs_are_finite },
        Law { name: "residual_is_that_of_the_parts", judge: residual_is_that_of_the_parts },
        Law { name: "status_tells_convergence_and_zero", judge: status_tells_convergence_and_zero },
        Law { name: "l_has_the_rank_that_is_asked_for", judge: l_has_the_rank_that_is_asked_for },
        Law { name: "s_holds_the_largest_elements_of_what_l_leaves", judge: s_holds_the_largest_elements },
        Law { name: "scaling_by_powers_of_two_is_exact", judge: scaling_by_powers_of_two_is_exact },
        Law { name: "negation_negates_the_parts", judge: negation_negates_the_parts },
    ]
}

/// The parts of a result, in units of the data.
struct Parts {
    m: Matrix,
    l: Matrix,
    s: Matrix,
    iterations: usize,
    residual: f64,
    /// Rounding of numbers of size 1.
    slack: f64,
}

impl Parts {
    fn of(trial: &Trial<Case>) -> Result<Option<Self>, String> {
        if !trial.finite() {
            return Ok(None);
        }
        let m = Matrix::from_array(&trial.inputs[0]).ok_or("m is no matrix")?;
        let unit = if m.max_abs() == 0.0 { 1.0 } else { m.max_abs() };
        let get = |name: &str| {
            let values = trial.outcome.reals(name);
            match values.len() == m.values.len() {
                true => {
                    Ok(Matrix { rows: m.rows, cols: m.cols, values: values.into_iter().map(|x| x / unit).collect() })
                }
                false => Err(format!("{name} has {} numbers, m {}", values.len(), m.values.len())),
            }
        };
        let iterations = trial.outcome.indices("iterations").first().copied().ok_or("there is no count")? as usize;
        let residual = trial.outcome.reals("residual").first().copied().ok_or("there is no residual")?;
        let slack = 50.0 * trial.u() * (m.rows.max(m.cols) as f64).sqrt();
        let (l, s) = (get("l")?, get("s")?);
        let m = Matrix::from_fn(m.rows, m.cols, |i, j| m.at(i, j) / unit);
        Ok(Some(Self { l, s, iterations, residual, slack, m }))
    }
}

/// A law about finite inputs.
fn judged(trial: &Trial<Case>, law: impl FnOnce(&Parts) -> Verdict) -> Judged {
    Ok(Parts::of(trial)?.map_or(Verdict::Idle, |parts| law(&parts)))
}

fn status(trial: &Trial<Case>) -> Status {
    Status(trial.outcome.status)
}

fn outputs_are_finite(trial: &Trial<Case>) -> Judged {
    if !trial.finite() {
        return Ok(Verdict::Idle);
    }
    let sound = ["l", "s", "residual"].iter().all(|name| trial.outcome.reals(name).iter().all(|x| x.is_finite()));
    Ok(Verdict::of(sound && !status(trial).has(Status::BREAKDOWN), || "NaN or infinity in an output".into()))
}

fn residual_is_that_of_the_parts(trial: &Trial<Case>) -> Judged {
    judged(trial, |parts| {
        let size = parts.m.squared_norm().sqrt();
        let left = parts.m.minus(&parts.l).minus(&parts.s).squared_norm().sqrt();
        let found = if size == 0.0 { left } else { left / size };
        let close = (found - parts.residual).abs() <= parts.slack * (1.0 + parts.residual);
        Verdict::of(close, || format!("||M - L - S|| / ||M|| is {found:e}, the residual {:e}", parts.residual))
    })
}

fn status_tells_convergence_and_zero(trial: &Trial<Case>) -> Judged {
    judged(trial, |parts| {
        let (method, found) = (&trial.case.method, status(trial));
        let zero = parts.m.max_abs() == 0.0;
        let tol = method.tol();
        let converged = !found.has(Status::NOT_CONVERGED);
        // The program compares in its own precision.
        let (low, high) = (tol * (1.0 - 4.0 * trial.u()), tol * (1.0 + 4.0 * trial.u()));
        let met = if converged { parts.residual <= high } else { parts.residual >= low };
        let counted = if zero { parts.iterations == 0 } else { (1..=method.limit()).contains(&parts.iterations) };
        Verdict::of(found.has(Status::DEGENERATE) == zero && met && counted, || {
            format!("status {found} after {} iterations with residual {:e}", parts.iterations, parts.residual)
        })
    })
}

fn l_has_the_rank_that_is_asked_for(trial: &Trial<Case>) -> Judged {
    judged(trial, |parts| {
        let l = Mat::from_fn(parts.l.rows, parts.l.cols, |i, j| parts.l.at(i, j));
        let sigma = l.singular_values().unwrap_or_default();
        let next = sigma.get(trial.case.method.rank()).copied().unwrap_or(0.0);
        Verdict::of(next <= parts.slack * sigma[0], || format!("the singular values of L are {sigma:?}"))
    })
}

/// S is M - L where it is not zero, and there is a threshold: what is kept is larger than what is not.
fn s_holds_the_largest_elements(trial: &Trial<Case>) -> Judged {
    judged(trial, |parts| {
        let rest = parts.m.minus(&parts.l);
        let size = 1.0 + parts.l.max_abs();
        let pairs = || rest.values.iter().zip(&parts.s.values);
        let far = pairs().filter(|(_, s)| **s != 0.0).map(|(rest, s)| (rest - s).abs()).fold(0.0, f64::max);
        let least = pairs().filter(|(_, s)| **s != 0.0).map(|(rest, _)| rest.abs()).fold(f64::INFINITY, f64::min);
        let most = pairs().filter(|(_, s)| **s == 0.0).map(|(rest, _)| rest.abs()).fold(0.0, f64::max);
        Verdict::of(far <= parts.slack * size && most <= least + parts.slack * size, || {
            format!("S is {far:e} off; the least kept element is {least:e}, the largest dropped one {most:e}")
        })
    })
}

fn scaled(trial: &Trial<Case>, factor: f64) -> Judged {
    if !trial.finite() || trial.case.data.matrix.exponent.abs() > 100 {
        return Ok(Verdict::Idle);
    }
    let shape = [trial.inputs[0].shape()[0], trial.inputs[0].shape()[1]];
    let input = changed(&trial.inputs[0], shape, |values, i| factor * values[i]);
    let other = (trial.rerun)(trial.case, &[input])?;
    let times = |name: &str, factor: f64| {
        let (before, after) = (trial.outcome.reals(name), other.reals(name));
        before.len() == after.len() && before.iter().zip(&after).all(|(x, y)| x * factor == *y)
    };
    let counts = trial.outcome.indices("iterations") == other.indices("iterations");
    let exact = times("l", factor) && times("s", factor) && times("residual", 1.0) && counts;
    Ok(Verdict::of(exact, || format!("{factor} M does not give {factor} L and {factor} S")))
}

fn scaling_by_powers_of_two_is_exact(trial: &Trial<Case>) -> Judged {
    scaled(trial, 8.0)
}

/// Up to rounding: a decomposition need not treat signs alike.
fn negation_negates_the_parts(trial: &Trial<Case>) -> Judged {
    let Some(parts) = Parts::of(trial)? else {
        return Ok(Verdict::Idle);
    };
    // Where the rank is not that of the data, L is arbitrary; elements at the threshold may go either way.
    if status(trial).has(Status::RANK_DEFICIENT) || trial.case.data.twist != crate::rpca::data::Twist::None {
        return Ok(Verdict::Idle);
    }
    let shape = [parts.m.rows, parts.m.cols];
    let input = changed(&trial.inputs[0], shape, |values, i| -values[i]);
    let other = (trial.rerun)(trial.case, &[input])?;
    let unit = Matrix::from_array(&trial.inputs[0]).map_or(1.0, |m| m.max_abs());
    let pairs = |name: &str| trial.outcome.reals(name).into_iter().zip(other.reals(name)).collect::<Vec<_>>();
    // A threshold met within rounding, or another count: nothing can be said.
    if pairs("s").iter().any(|(x, y)| (*x != 0.0) != (*y != 0.0))
        || other.indices("iterations") != trial.outcome.indices("iterations")
    {
        return Ok(Verdict::Idle);
    }
    let far = |name: &str| pairs(name).iter().fold(0.0, |most: f64, (x, y)| most.max((x + y).abs() / unit));
    let slack = 1e3 * parts.slack * parts.iterations.max(1) as f64 * (1.0 + parts.l.max_abs());
    let (l, s) = (far("l"), far("s"));
    Ok(Verdict::of(l <= slack && s <= slack, || format!("L is {l:e} and S {s:e} off, {slack:e} is allowed")))
}
