//! What must hold of every separation, whatever the rounding.

use faer::Mat;
use tandem_verify::status::Status;
use tandem_verify::{Law, Matrix, Outcome, Trial, Verdict};

use super::Solver;
use super::subject::Case;
use crate::rpca::data::{Twist, changed};

type Judged = Result<Verdict, String>;

/// The laws by name.
pub fn laws() -> Vec<Law<Case>> {
    vec![
        Law::poison(),
        Law { name: "outputs_of_finite_inputs_are_finite", judge: outputs_are_finite },
        Law { name: "residual_is_that_of_the_parts", judge: residual_is_that_of_the_parts },
        Law { name: "status_tells_convergence_and_zero", judge: status_tells_convergence_and_zero },
        Law { name: "l_has_no_larger_rank_than_said", judge: l_has_no_larger_rank_than_said },
        Law { name: "s_is_zero_where_an_element_is_missing", judge: s_is_zero_where_an_element_is_missing },
        Law { name: "multiplier_is_dual_feasible", judge: multiplier_is_dual_feasible },
        Law { name: "dual_objective_is_below_the_primal", judge: dual_objective_is_below_the_primal },
        Law { name: "objective_of_admm_is_the_smallest", judge: objective_of_admm_is_the_smallest },
        Law { name: "known_splits_are_found", judge: known_splits_are_found },
        Law { name: "scaling_by_powers_of_two_is_exact", judge: scaling_by_powers_of_two_is_exact },
        Law { name: "moved_and_negated_rows_move_alike", judge: moved_rows_move_alike },
        Law { name: "transposition_transposes_the_parts", judge: transposition_transposes_the_parts },
    ]
}

/// The parts of a result that the laws speak of, in units of the data.
struct Parts {
    m: Matrix,
    mask: Option<Matrix>,
    l: Matrix,
    s: Matrix,
    y: Matrix,
    rank: usize,
    iterations: i32,
    residual: f64,
    gap: f64,
    lambda: f64,
    /// What the parts are divided by: the largest magnitude of M.
    unit: f64,
    /// Rounding of numbers of size 1.
    slack: f64,
}

impl Parts {
    fn of(trial: &Trial<Case>) -> Result<Option<Self>, String> {
        if !trial.finite() {
            return Ok(None);
        }
        let whole = Matrix::from_array(&trial.inputs[0]).ok_or("m is no matrix")?;
        let mask = trial.inputs.get(1).and_then(Matrix::from_array);
        let (rows, cols) = (whole.rows, whole.cols);
        let seen = |i: usize, j: usize| mask.as_ref().is_none_or(|mask| mask.at(i, j) != 0.0);
        let m = Matrix::from_fn(rows, cols, |i, j| if seen(i, j) { whole.at(i, j) } else { 0.0 });
        let unit = if m.max_abs() == 0.0 { 1.0 } else { m.max_abs() };
        let get = |name: &str, unit: f64| {
            let values = trial.outcome.reals(name);
            match values.len() == rows * cols {
                true => Ok(Matrix { rows, cols, values: values.into_iter().map(|x| x / unit).collect() }),
                false => Err(format!("{name} has {} numbers, m {}", values.len(), rows * cols)),
            }
        };
        let one = |name: &str| trial.outcome.reals(name).first().copied().ok_or(format!("there is no {name}"));
        let count = |name: &str| trial.outcome.indices(name).first().copied().ok_or(format!("there is no {name}"));
        Ok(Some(Self {
            l: get("l", unit)?,
            s: get("s", unit)?,
            y: get("y", 1.0)?,
            rank: count("rank")? as usize,
            iterations: count("iterations")?,
            residual: one("residual")?,
            gap: one("gap")?,
            lambda: trial.case.pcp.weight(rows, cols),
            slack: 50.0 * trial.u() * (rows.max(cols) as f64).sqrt(),
            m: Matrix::from_fn(rows, cols, |i, j| m.at(i, j) / unit),
            mask,
            unit,
        }))
    }

    /// Zero where an element is missing.
    fn observed(&self, x: &Matrix) -> Matrix {
        let seen = |i: usize, j: usize| self.mask.as_ref().is_none_or(|mask| mask.at(i, j) != 0.0);
        Matrix::from_fn(x.rows, x.cols, |i, j| if seen(i, j) { x.at(i, j) } else { 0.0 })
    }

    /// The largest penalty of the run, in inverse units of the data: Y is the sum of residuals times it.
    fn last_penalty(&self, trial: &Trial<Case>) -> f64 {
        let pcp = &trial.case.pcp;
        match pcp.solver {
            Solver::Ialm => {
                let first = 1.25 * pcp.penalty / singular_values(&self.m)[0];
                (first * pcp.growth.powi(self.iterations)).min(1e7 * first)
            }
            Solver::Admm => {
                let sum: f64 = self.m.values.iter().map(|x| x.abs()).sum();
                0.25 * pcp.penalty * self.m.values.len() as f64 / sum
            }
        }
    }
}

fn singular_values(x: &Matrix) -> Vec<f64> {
    let x = Mat::from_fn(x.rows, x.cols, |i, j| x.at(i, j));
    x.singular_values().unwrap_or_default()
}

fn norm(x: &Matrix) -> f64 {
    x.squared_norm().sqrt()
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
    let names = ["l", "s", "y", "residual", "gap"];
    let sound = names.iter().all(|name| trial.outcome.reals(name).iter().all(|x| x.is_finite()));
    Ok(Verdict::of(sound && !status(trial).has(Status::BREAKDOWN), || "NaN or infinity in an output".into()))
}

/// ||M - L - S||_F / ||M||_F; where elements are missing, the residual counts those too.
fn residual_is_that_of_the_parts(trial: &Trial<Case>) -> Judged {
    judged(trial, |parts| {
        let size = norm(&parts.m);
        let left = norm(&parts.observed(&parts.m.minus(&parts.l).minus(&parts.s)));
        let found = if size == 0.0 { left } else { left / size };
        let high = found <= parts.residual * (1.0 + parts.slack) + parts.slack;
        let low = parts.mask.is_some() || found >= parts.residual * (1.0 - parts.slack) - parts.slack;
        Verdict::of(high && low, || format!("||M - L - S|| / ||M|| is {found:e}, the residual {:e}", parts.residual))
    })
}

fn status_tells_convergence_and_zero(trial: &Trial<Case>) -> Judged {
    judged(trial, |parts| {
        let (pcp, found) = (&trial.case.pcp, status(trial));
        let zero = parts.m.max_abs() == 0.0;
        let converged = !found.has(Status::NOT_CONVERGED);
        // The program compares in its own precision.
        let tol = pcp.tolerance(trial.dtype) * (1.0 + 4.0 * trial.u());
        let iterations = parts.iterations as usize;
        let counted = if zero { iterations == 0 } else { (1..=pcp.max_iters).contains(&iterations) };
        let ended = if converged { parts.residual <= tol } else { iterations == pcp.max_iters };
        Verdict::of(found.has(Status::DEGENERATE) == zero && counted && ended, || {
            format!("status {found} after {iterations} iterations with residual {:e}", parts.residual)
        })
    })
}

fn l_has_no_larger_rank_than_said(trial: &Trial<Case>) -> Judged {
    judged(trial, |parts| {
        let sigma = singular_values(&parts.l);
        let next = sigma.get(parts.rank).copied().unwrap_or(0.0);
        let within = parts.rank <= sigma.len() && next <= parts.slack * sigma[0];
        Verdict::of(within, || format!("rank {} is said, the singular values are {sigma:?}", parts.rank))
    })
}

fn s_is_zero_where_an_element_is_missing(trial: &Trial<Case>) -> Judged {
    judged(trial, |parts| {
        if parts.mask.is_none() {
            return Verdict::Idle;
        }
        let outside = parts.s.minus(&parts.observed(&parts.s)).max_abs();
        Verdict::of(outside == 0.0, || format!("s is {outside:e} at a missing element"))
    })
}

/// By ADMM, whose last step is that of S, |Y| <= lambda, and 0 where an element is missing; by inexact ALM, whose last step is
/// that of L, ||Y||_2 <= 1 and <Y, L> = ||L||_*.
fn multiplier_is_dual_feasible(trial: &Trial<Case>) -> Judged {
    judged(trial, |parts| {
        if parts.iterations == 0 {
            return Verdict::Idle;
        }
        // Y is a product with the penalty of what rounding leaves of M - L - S.
        let slack = parts.slack * (1.0 + parts.last_penalty(trial));
        match trial.case.pcp.solver {
            Solver::Admm => {
                let most = parts.y.max_abs();
                let outside = parts.y.minus(&parts.observed(&parts.y)).max_abs();
                let within = most <= parts.lambda + slack && outside <= slack;
                Verdict::of(within, || format!("|Y| reaches {most}, lambda is {}, outside {outside:e}", parts.lambda))
            }
            Solver::Ialm => {
                let norm = singular_values(&parts.y)[0];
                let inner: f64 = parts.y.values.iter().zip(&parts.l.values).map(|(y, l)| y * l).sum();
                let nuclear: f64 = singular_values(&parts.l).iter().sum();
                let equal = (inner - nuclear).abs() <= slack * (1.0 + nuclear) * (parts.m.values.len() as f64).sqrt();
                Verdict::of(norm <= 1.0 + slack && equal, || {
                    format!("||Y||_2 is {norm}, <Y, L> {inner}, ||L||_* {nuclear}")
                })
            }
        }
    })
}

/// Weak duality: no Y bounds the objective from above.
fn dual_objective_is_below_the_primal(trial: &Trial<Case>) -> Judged {
    judged(trial, |parts| {
        let slack = parts.slack * (parts.m.values.len() as f64).sqrt();
        Verdict::of((-slack..=1.0 + slack).contains(&parts.gap), || format!("the relative gap is {:e}", parts.gap))
    })
}

/// Where ADMM has converged, its gap is what its tolerance leaves.
fn objective_of_admm_is_the_smallest(trial: &Trial<Case>) -> Judged {
    judged(trial, |parts| {
        let pcp = &trial.case.pcp;
        if pcp.solver != Solver::Admm || status(trial) != Status::default() {
            return Verdict::Idle;
        }
        // Both residuals, in the norms of the objective; the multiplier's infeasibility is of the order of mu times them.
        let size = norm(&parts.m) * (parts.m.values.len() as f64).sqrt() * (1.0 + parts.last_penalty(trial));
        let slack = 10.0 * (pcp.tolerance(trial.dtype) + parts.slack) * size;
        Verdict::of(parts.gap <= slack, || format!("the relative gap is {:e}, more than {slack:e}", parts.gap))
    })
}

/// Identity and a single element are sparse, a constant matrix is of rank 1; of a number both. A vector a has the objective
/// ||a||_1 / sqrt(n), of many splits: what is of one magnitude c, at most the smallest of |a|, costs sqrt(n) c in either part.
fn known_splits_are_found(trial: &Trial<Case>) -> Judged {
    judged(trial, |parts| {
        let (rows, cols) = (parts.m.rows, parts.m.cols);
        if rows * cols == 1 || status(trial) != Status::default() || parts.mask.is_some() {
            return Verdict::Idle;
        }
        let slack = 10.0 * trial.case.pcp.tolerance(trial.dtype) * norm(&parts.m) + parts.slack;
        let sum = |x: &Matrix| x.values.iter().map(|x| x.abs()).sum::<f64>();
        if rows.min(cols) == 1 {
            let (found, least) = (norm(&parts.l) + parts.lambda * sum(&parts.s), parts.lambda * sum(&parts.m));
            let size = (rows * cols) as f64;
            return Verdict::of((found - least).abs() <= slack * size.sqrt(), || {
                format!("the objective of a vector is {found}, not {least}")
            });
        }
        let sparse = match trial.case.data.twist {
            Twist::Identity | Twist::Single => true,
            Twist::Constant => false,
            _ => return Verdict::Idle,
        };
        let rest = if sparse { parts.m.minus(&parts.s) } else { parts.m.minus(&parts.l) };
        let far = rest.max_abs();
        Verdict::of(far <= slack, || format!("sparse: {sparse}, but what is left of that part is {far:e}"))
    })
}

fn scaling_by_powers_of_two_is_exact(trial: &Trial<Case>) -> Judged {
    let exponent = trial.case.data.matrix.exponent;
    if !trial.finite() || exponent.abs() > 100 {
        return Ok(Verdict::Idle);
    }
    let mut inputs = trial.inputs.to_vec();
    let shape = [inputs[0].shape()[0], inputs[0].shape()[1]];
    inputs[0] = changed(&inputs[0], shape, |values, i| 8.0 * values[i]);
    let other = (trial.rerun)(trial.case, &inputs)?;
    let times = |name: &str, factor: f64| {
        let (before, after) = (trial.outcome.reals(name), other.reals(name));
        before.len() == after.len() && before.iter().zip(&after).all(|(x, y)| x * factor == *y)
    };
    let counts = ["rank", "iterations"].iter().all(|name| trial.outcome.indices(name) == other.indices(name));
    let exact = times("l", 8.0) && times("s", 8.0) && times("y", 1.0) && times("residual", 1.0) && counts;
    Ok(Verdict::of(exact, || "8 M does not give 8 L, 8 S and the same Y".into()))
}

/// The same problem with its elements in other places: the parts must move alike, as far as rounding lets them.
fn moves_alike(
    trial: &Trial<Case>,
    shape: [usize; 2],
    from: impl Fn(usize) -> (usize, f64) + Copy,
) -> Result<Verdict, String> {
    let Some(parts) = Parts::of(trial)? else {
        return Ok(Verdict::Idle);
    };
    let mut inputs = trial.inputs.to_vec();
    inputs[0] = changed(&inputs[0], shape, |values, i| values[from(i).0] * from(i).1);
    if let Some(mask) = inputs.get_mut(1) {
        *mask = changed(mask, shape, |values, i| values[from(i).0]);
    }
    let other = (trial.rerun)(trial.case, &inputs)?;
    // A stop within rounding of its tolerance: nothing can be said.
    if other.indices("iterations") != trial.outcome.indices("iterations") {
        return Ok(Verdict::Idle);
    }
    // Rounding is carried on by every iteration.
    let size = parts.l.max_abs().max(parts.s.max_abs()).max(1.0);
    let slack = 20.0 * parts.slack * f64::from(parts.iterations.max(1)) * size;
    let far = |outcome: &Outcome<f64>, name: &str, mine: &Matrix| {
        let values = outcome.reals(name);
        let gap = |i: usize| (values[i] / parts.unit - mine.values[from(i).0] * from(i).1).abs();
        (0..values.len()).map(gap).fold(0.0, f64::max)
    };
    let (l, s) = (far(&other, "l", &parts.l), far(&other, "s", &parts.s));
    Ok(Verdict::of(l <= slack && s <= slack, || format!("L is {l:e} and S {s:e} off, {slack:e} is allowed")))
}

/// The rows in another order, every second one negated.
fn moved_rows_move_alike(trial: &Trial<Case>) -> Judged {
    let shape = [trial.inputs[0].shape()[0], trial.inputs[0].shape()[1]];
    moves_alike(trial, shape, move |i| {
        let (row, column) = (i / shape[1], i % shape[1]);
        let from = shape[0] - 1 - row;
        (from * shape[1] + column, if from.is_multiple_of(2) { -1.0 } else { 1.0 })
    })
}

/// Of square ones, which take the same program.
fn transposition_transposes_the_parts(trial: &Trial<Case>) -> Judged {
    let [rows, cols] = [trial.inputs[0].shape()[0], trial.inputs[0].shape()[1]];
    match rows == cols {
        true => moves_alike(trial, [cols, rows], move |i| (i % rows * cols + i / rows, 1.0)),
        false => Ok(Verdict::Idle),
    }
}
