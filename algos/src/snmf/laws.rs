//! What must hold of every semi-NMF, whatever the rounding.

use tandem_compile::{DType, HostArray};
use tandem_verify::{Law, Matrix, Outcome, Trial, Verdict};

use super::subject::{Case, Data, Twist};
use super::{Init, Snmf};
use tandem_verify::status::Status;

type Judged = Result<Verdict, String>;

/// The laws by name.
pub fn laws() -> Vec<Law<Case>> {
    vec![
        Law::poison(),
        Law { name: "outputs_of_finite_inputs_are_finite", judge: outputs_of_finite_inputs_are_finite },
        Law { name: "y_is_nonnegative", judge: y_is_nonnegative },
        Law { name: "loss_is_that_of_the_returned_factors", judge: loss_is_that_of_the_returned_factors },
        Law { name: "loss_never_increases_without_sparsity", judge: loss_never_increases_without_sparsity },
        Law { name: "last_loss_is_repeated_after_an_early_stop", judge: last_loss_is_repeated_after_an_early_stop },
        Law { name: "iteration_stops_when_patience_ends_and_not_before", judge: iteration_stops_when_patience_ends },
        Law { name: "features_keep_the_asked_number_of_entries", judge: features_keep_the_asked_number_of_entries },
        Law { name: "top_index_names_the_largest_uses_in_order", judge: top_index_names_the_largest_uses_in_order },
        Law { name: "first_z_is_the_least_squares_partner", judge: first_z_is_the_least_squares_partner },
        Law { name: "scaling_by_powers_of_two_is_exact", judge: scaling_by_powers_of_two_is_exact },
        Law { name: "scaling_a_feature_of_the_start_is_exact", judge: scaling_a_feature_of_the_start_is_exact },
        Law { name: "zeros_of_the_start_stay", judge: zeros_of_the_start_stay },
        Law { name: "equal_features_stay_equal", judge: equal_features_stay_equal },
    ]
}

/// The parts of a result that the laws speak of.
struct Parts {
    a: Matrix,
    z: Matrix,
    y: Matrix,
    loss: Vec<f64>,
    iterations: usize,
}

impl Parts {
    fn of(inputs: &[HostArray], outcome: &Outcome<f64>) -> Result<Self, String> {
        let a = inputs.first().and_then(Matrix::from_array).ok_or("the input is no matrix")?;
        let matrix = |name: &str| {
            let output = outcome.output(name).ok_or(format!("there is no output {name}"))?;
            let &[rows, cols] = output.shape.as_slice() else {
                return Err(format!("{name} has shape {:?}", output.shape));
            };
            Ok(Matrix { rows, cols, values: outcome.reals(name) })
        };
        let iterations = outcome.indices("iterations").first().copied().unwrap_or(-1);
        Ok(Self { z: matrix("z")?, y: matrix("y")?, loss: outcome.reals("loss"), iterations: iterations as usize, a })
    }

    /// |A - Z Y|^2 in f64.
    fn squared_error(&self) -> f64 {
        self.a.minus(&self.z.dot(&self.y)).squared_norm()
    }
}

/// The rows of A.
fn rows(trial: &Trial<Case>) -> usize {
    trial.inputs[0].shape()[0]
}

fn status(trial: &Trial<Case>) -> Status {
    Status(trial.outcome.status)
}

fn outputs_of_finite_inputs_are_finite(trial: &Trial<Case>) -> Judged {
    if !trial.finite() {
        return Ok(Verdict::Idle);
    }
    let sound = ["z", "y", "loss"].iter().all(|name| trial.outcome.reals(name).iter().all(|x| x.is_finite()));
    Ok(Verdict::of(sound && !status(trial).has(Status::BREAKDOWN), || "NaN or infinity in an output".into()))
}

fn y_is_nonnegative(trial: &Trial<Case>) -> Judged {
    if !trial.finite() {
        return Ok(Verdict::Idle);
    }
    let least = trial.outcome.reals("y").into_iter().fold(f64::INFINITY, f64::min);
    Ok(Verdict::of(least >= 0.0, || format!("the smallest entry of y is {least:e}")))
}

fn loss_is_that_of_the_returned_factors(trial: &Trial<Case>) -> Judged {
    if !trial.finite() || trial.case.snmf.iters == 0 {
        return Ok(Verdict::Idle);
    }
    let parts = Parts::of(trial.inputs, trial.outcome)?;
    let least = parts.loss.iter().copied().fold(f64::INFINITY, f64::min);
    let found = parts.squared_error();
    // The residual's entries carry the rounding of a product of k terms and of the factors' own entries.
    let size = parts.a.squared_norm() + product_of_magnitudes(&parts).squared_norm();
    let slack = 16.0 * (parts.z.cols as f64 + 8.0) * trial.u() * size + underflow(trial, &parts.a);
    Ok(Verdict::of((found - least).abs() <= slack, || {
        format!("|A - Z Y|^2 is {found:e}, the smallest loss {least:e}; a difference of {slack:e} is allowed")
    }))
}

/// |Z| |Y|, entries by magnitude.
fn product_of_magnitudes(parts: &Parts) -> Matrix {
    let magnitudes = |m: &Matrix| Matrix::from_fn(m.rows, m.cols, |i, j| m.at(i, j).abs());
    magnitudes(&parts.z).dot(&magnitudes(&parts.y))
}

/// What a loss may lose because its square is below the smallest number of the precision.
fn underflow(trial: &Trial<Case>, a: &Matrix) -> f64 {
    let smallest = if trial.dtype == DType::F64 { f64::MIN_POSITIVE } else { f64::from(f32::MIN_POSITIVE) };
    smallest * a.values.len() as f64
}

fn loss_never_increases_without_sparsity(trial: &Trial<Case>) -> Judged {
    let deficient = status(trial).has(Status::RANK_DEFICIENT);
    if !trial.finite() || trial.case.snmf.sparsity < 1.0 || deficient {
        return Ok(Verdict::Idle);
    }
    let parts = Parts::of(trial.inputs, trial.outcome)?;
    let slack = 32.0 * trial.u() * (parts.a.squared_norm() + product_of_magnitudes(&parts).squared_norm())
        + underflow(trial, &parts.a);
    let rise = parts.loss.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
    Ok(Verdict::of(rise <= slack, || format!("the loss rises by {rise:e}; {slack:e} is allowed")))
}

fn last_loss_is_repeated_after_an_early_stop(trial: &Trial<Case>) -> Judged {
    let Snmf { iters, patience, .. } = trial.case.snmf;
    if !trial.finite() || iters == 0 {
        return Ok(Verdict::Idle);
    }
    let parts = Parts::of(trial.inputs, trial.outcome)?;
    if patience == 0 {
        return Ok(Verdict::of(parts.iterations == iters, || format!("{} of {iters} iterations", parts.iterations)));
    }
    let after = parts.loss.get(parts.iterations.saturating_sub(1)..).unwrap_or(&[]);
    let repeated = !after.is_empty() && after.iter().all(|&loss| loss == after[0]);
    Ok(Verdict::of(repeated, || format!("after {} iterations the loss goes on as {after:?}", parts.iterations)))
}

/// Counts improvements in the losses themselves, and finds the same number of iterations.
fn iteration_stops_when_patience_ends(trial: &Trial<Case>) -> Judged {
    let Snmf { iters, patience, tol, .. } = trial.case.snmf;
    if !trial.finite() || patience == 0 || iters == 0 {
        return Ok(Verdict::Idle);
    }
    let parts = Parts::of(trial.inputs, trial.outcome)?;
    let (mut bar, mut stale, mut expected) = (f64::INFINITY, 0, 0);
    for &loss in &parts.loss {
        expected += 1;
        let target = bar * (1.0 - tol);
        // The program compares in its own precision: next to the bar both answers are right.
        if (loss - target).abs() <= 8.0 * trial.u() * target.abs() {
            return Ok(Verdict::Idle);
        }
        (bar, stale) = if loss < target { (loss, 0) } else { (bar, stale + 1) };
        if stale == patience {
            break;
        }
    }
    let converged = stale == patience;
    let flagged = status(trial).has(Status::NOT_CONVERGED);
    let (found, right) = (parts.iterations, parts.iterations == expected && flagged != converged);
    Ok(Verdict::of(right, || format!("{found} iterations, {expected} expected; flagged as not converged: {flagged}")))
}

fn features_keep_the_asked_number_of_entries(trial: &Trial<Case>) -> Judged {
    let snmf = &trial.case.snmf;
    let kept = snmf.kept(rows(trial));
    if !trial.finite() || snmf.iters == 0 || kept == rows(trial) {
        return Ok(Verdict::Idle);
    }
    let z = Parts::of(trial.inputs, trial.outcome)?.z;
    let counts: Vec<usize> = (0..z.cols).map(|j| (0..z.rows).filter(|&i| z.at(i, j) != 0.0).count()).collect();
    // Fewer than asked for only where the column had zeros already: random data has none.
    let random = matches!(trial.case.data, Data::Random(_, Twist::None)) && !status(trial).has(Status::RANK_DEFICIENT);
    let right = counts.iter().all(|&count| count == kept || (count < kept && !random));
    Ok(Verdict::of(right, || format!("the columns of z have {counts:?} entries, {kept} were asked for")))
}

fn top_index_names_the_largest_uses_in_order(trial: &Trial<Case>) -> Judged {
    if !trial.finite() {
        return Ok(Verdict::Idle);
    }
    let y = Parts::of(trial.inputs, trial.outcome)?.y;
    let top = trial.case.snmf.top;
    let found = trial.outcome.indices("top_index");
    let expected: Vec<i32> = (0..y.rows)
        .flat_map(|j| {
            let mut order: Vec<usize> = (0..y.cols).collect();
            order.sort_by(|&p, &q| y.at(j, q).total_cmp(&y.at(j, p)));
            (0..top).map(move |rank| order.get(rank).map_or(-1, |&i| i as i32)).collect::<Vec<_>>()
        })
        .collect();
    Ok(Verdict::of(found == expected, || format!("{found:?} instead of {expected:?}")))
}

/// (A - Z Y) Y' = 0 for the start, up to rounding on the scale of (|A| + |Z| |Y|) |Y'|, entry by entry.
fn first_z_is_the_least_squares_partner(trial: &Trial<Case>) -> Judged {
    if !trial.finite() || trial.case.snmf.iters > 0 || status(trial).has(Status::RANK_DEFICIENT) {
        return Ok(Verdict::Idle);
    }
    let parts = Parts::of(trial.inputs, trial.outcome)?;
    let residual = parts.a.minus(&parts.z.dot(&parts.y));
    let found = residual.dot(&parts.y.t()).max_abs();
    let fitted = product_of_magnitudes(&parts);
    let sizes = Matrix::from_fn(fitted.rows, fitted.cols, |i, j| fitted.at(i, j) + parts.a.at(i, j).abs());
    let slack = 64.0 * trial.u() * sizes.dot(&parts.y.t()).max_abs();
    Ok(Verdict::of(found <= slack, || format!("|(A - Z Y) Y'| is {found:e}; {slack:e} is allowed")))
}

/// The input with every number multiplied by `factor`, a power of two.
fn scaled(array: &HostArray, factor: impl Fn(usize) -> f64) -> HostArray {
    let values = array.to_f64();
    match array.dtype() {
        DType::F64 => HostArray::from_fn(array.shape(), |i| values[i] * factor(i)),
        _ => HostArray::from_fn(array.shape(), |i| (values[i] * factor(i)) as f32),
    }
}

fn scaling_by_powers_of_two_is_exact(trial: &Trial<Case>) -> Judged {
    // Beyond, the scaled loss would leave f32's range.
    let extreme = matches!(trial.case.data, Data::Random(matrix, _) if matrix.exponent.abs() > 40);
    if !trial.finite() || status(trial).has(Status::DEGENERATE) || extreme {
        return Ok(Verdict::Idle);
    }
    let mut inputs = trial.inputs.to_vec();
    inputs[0] = scaled(&inputs[0], |_| 8.0);
    let other = (trial.rerun)(trial.case, &inputs)?;
    let times = |name: &str, factor: f64| -> bool {
        let (before, after) = (trial.outcome.reals(name), other.reals(name));
        before.len() == after.len() && before.iter().zip(&after).all(|(x, y)| x * factor == *y)
    };
    let exact = times("z", 8.0) && times("y", 1.0) && times("loss", 64.0);
    Ok(Verdict::of(exact, || "8 A does not give 8 Z, Y and 64 J".into()))
}

/// The case from an explicit start, so that the start can be changed; the start itself comes from no iteration.
fn from_start(trial: &Trial<Case>) -> Result<Option<(Case, HostArray)>, String> {
    let snmf = &trial.case.snmf;
    // A second and a third program for each of these: few cases suffice.
    let Data::Random(matrix, _) = &trial.case.data else {
        return Ok(None);
    };
    let chosen = matrix.seed % 8 == 5 && snmf.sparsity == 1.0 && snmf.init == Init::Random;
    let usable = trial.finite() && !status(trial).has(Status::DEGENERATE) && snmf.patience == 0 && snmf.iters <= 12;
    if !(chosen && usable) {
        return Ok(None);
    }
    let n = matrix.cols;
    let y0 = super::start::random::<f64>(snmf.k, n, snmf.seed);
    let y0 = HostArray::from_fn([snmf.k, n], |i| y0[(i % n, i / n)]).cast(trial.dtype).map_err(|e| e.to_string())?;
    Ok(Some((trial.case.clone(), y0)))
}

fn scaling_a_feature_of_the_start_is_exact(trial: &Trial<Case>) -> Judged {
    let Some((case, y0)) = from_start(trial)? else {
        return Ok(Verdict::Idle);
    };
    let n = y0.shape()[1];
    let unit = |feature: usize| 2f64.powi(feature as i32 % 3 * 7 - 7);
    let plain = (trial.rerun)(&case, &[trial.inputs[0].clone(), y0.clone()])?;
    let other = (trial.rerun)(&case, &[trial.inputs[0].clone(), scaled(&y0, |i| unit(i / n))])?;
    let (y, scaled_y) = (plain.reals("y"), other.reals("y"));
    let (z, scaled_z) = (plain.reals("z"), other.reals("z"));
    let exact = y.iter().zip(&scaled_y).enumerate().all(|(i, (x, s))| x * unit(i / n) == *s)
        && z.iter().zip(&scaled_z).enumerate().all(|(i, (x, s))| x / unit(i % case.snmf.k) == *s)
        && plain.reals("loss") == other.reals("loss");
    Ok(Verdict::of(exact, || "scaling the rows of y0 does not scale those of y and the columns of z inversely".into()))
}

fn zeros_of_the_start_stay(trial: &Trial<Case>) -> Judged {
    let Some((case, y0)) = from_start(trial)? else {
        return Ok(Verdict::Idle);
    };
    let y0 = scaled(&y0, |i| if i % 3 == 0 { 0.0 } else { 1.0 });
    let other = (trial.rerun)(&case, &[trial.inputs[0].clone(), y0.clone()])?;
    let stay = y0.to_f64().iter().zip(other.reals("y")).all(|(&start, end)| start != 0.0 || end == 0.0);
    Ok(Verdict::of(stay, || "a zero of y0 has become something else in y".into()))
}

/// Two equal rows of the start make G'G singular; their features must stay equal up to rounding.
fn equal_features_stay_equal(trial: &Trial<Case>) -> Judged {
    let Some((case, y0)) = from_start(trial)?.filter(|(case, _)| case.snmf.k >= 2) else {
        return Ok(Verdict::Idle);
    };
    let (n, k) = (y0.shape()[1], case.snmf.k);
    let mut values = y0.to_f64();
    values.copy_within(0..n, n);
    let y0 = HostArray::new([k, n], values).and_then(|y0| y0.cast(trial.dtype)).map_err(|e| e.to_string())?;
    let other = (trial.rerun)(&case, &[trial.inputs[0].clone(), y0])?;
    let (z, y) = (other.reals("z"), other.reals("y"));
    let slack = 1e3 * trial.u();
    let close = |x: f64, y: f64, scale: f64| (x - y).abs() <= slack * scale;
    let (z_scale, y_scale) = (largest(&z), largest(&y));
    let equal = z.chunks(k).all(|row| close(row[0], row[1], z_scale)) && (0..n).all(|i| close(y[i], y[n + i], y_scale));
    let flagged = Status(other.status).has(Status::RANK_DEFICIENT);
    Ok(Verdict::of(equal && flagged, || format!("equal rows of y0 give different features, flagged: {flagged}")))
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |m, x| m.max(x.abs()))
}
