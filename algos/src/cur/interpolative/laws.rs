//! What must hold of every interpolative decomposition, whatever the rounding.

use faer::Mat;
use tandem_verify::status::Status;
use tandem_verify::{Law, Matrix, Trial, Verdict};

use super::Case;

type Judged = Result<Verdict, String>;

/// The laws by name.
pub fn laws() -> Vec<Law<Case>> {
    vec![
        Law::poison(),
        Law { name: "columns_are_distinct_and_of_a", judge: columns_are_distinct_and_of_a },
        Law { name: "x_is_the_identity_at_the_columns", judge: x_is_the_identity_at_the_columns },
        Law { name: "entries_of_x_are_bounded", judge: entries_of_x_are_bounded },
        Law { name: "error_is_reported_and_between_its_bounds", judge: error_is_reported_and_between_its_bounds },
    ]
}

/// A, C, X in one unit, and the chosen columns.
struct Parts {
    a: Mat<f64>,
    c: Mat<f64>,
    x: Mat<f64>,
    index: Vec<usize>,
    error: f64,
    slack: f64,
}

impl Parts {
    fn of(trial: &Trial<Case>) -> Result<Option<Self>, String> {
        let a = Matrix::from_array(&trial.inputs[0]).ok_or("the input is no matrix")?;
        if trial.inputs[0].first_nonfinite().is_some() || a.max_abs() == 0.0 {
            return Ok(None);
        }
        let unit = 2f64.powi(a.max_abs().log2().floor() as i32);
        let (m, n, k) = (a.rows, a.cols, trial.case.k);
        let index: Vec<usize> = trial.outcome.indices("col_index").iter().map(|&i| i as usize).collect();
        let (c, x) = (trial.outcome.reals("c"), trial.outcome.reals("x"));
        if (c.len(), x.len(), index.len()) != (m * k, k * n, k) {
            return Err("an output has the wrong size".into());
        }
        let c = Mat::from_fn(m, k, |i, j| c[i * k + j] / unit);
        let s = c.thin_svd().map_err(|e| format!("{e:?}"))?;
        let limit = m.max(n) as f64 * 2.0 * trial.u() * s.S()[0];
        let least = (0..k).map(|i| s.S()[i]).take_while(|&s| s > limit).last().unwrap_or(1.0);
        Ok(Some(Self {
            a: Mat::from_fn(m, n, |i, j| a.at(i, j) / unit),
            slack: 16.0 * (m + n) as f64 * trial.u() * s.S()[0] / least,
            c,
            x: Mat::from_fn(k, n, |i, j| x[i * n + j]),
            index,
            error: trial.outcome.reals("relative_error").first().copied().unwrap_or(f64::NAN),
        }))
    }
}

fn columns_are_distinct_and_of_a(trial: &Trial<Case>) -> Judged {
    let Some(Parts { a, c, index, .. }) = Parts::of(trial)? else {
        return Ok(Verdict::Idle);
    };
    let distinct = index.iter().enumerate().all(|(i, at)| *at < a.ncols() && !index[..i].contains(at));
    let same = distinct && index.iter().enumerate().all(|(j, &at)| (0..a.nrows()).all(|i| c[(i, j)] == a[(i, at)]));
    Ok(Verdict::of(same, || format!("columns {index:?} do not make c")))
}

fn x_is_the_identity_at_the_columns(trial: &Trial<Case>) -> Judged {
    let complete = !Status(trial.outcome.status).has(Status::RANK_DEFICIENT);
    let Some(Parts { x, index, slack, .. }) = Parts::of(trial)?.filter(|_| complete) else {
        return Ok(Verdict::Idle);
    };
    let off = |i: usize, j: usize| (x[(i, index[j])] - f64::from(u8::from(i == j))).abs();
    let worst = (0..index.len()).flat_map(|i| (0..index.len()).map(move |j| (i, j))).map(|(i, j)| off(i, j));
    let worst = worst.fold(0.0, f64::max);
    Ok(Verdict::of(worst <= slack, || format!("x(:, q) is {worst:e} off the identity; {slack:e} is allowed")))
}

fn entries_of_x_are_bounded(trial: &Trial<Case>) -> Judged {
    let complete = !Status(trial.outcome.status).has(Status::RANK_DEFICIENT);
    let Some(Parts { x, slack, .. }) = Parts::of(trial)?.filter(|_| complete) else {
        return Ok(Verdict::Idle);
    };
    let (most, bound) = (x.norm_max(), 2f64.powi(trial.case.k as i32 - 1));
    Ok(Verdict::of(most <= bound * (1.0 + slack), || format!("an entry of x is {most}, the bound {bound}")))
}

/// The reported error is that of C X; it is at least the SVD's, and ||A - C X|| at most 2^k sqrt(n - k) s_{k+1} (the
/// bound of pivoted QR on ||R_22||, with its factor of order 1).
fn error_is_reported_and_between_its_bounds(trial: &Trial<Case>) -> Judged {
    let Some(Parts { a, c, x, error, slack, .. }) = Parts::of(trial)? else {
        return Ok(Verdict::Idle);
    };
    let size = a.norm_l2();
    let residual = &a - c * x;
    let found = residual.norm_l2() / size;
    let s = a.thin_svd().map_err(|e| format!("{e:?}"))?;
    let (k, count) = (trial.case.k, a.nrows().min(a.ncols()));
    let tail = (k..count).map(|i| s.S()[i].powi(2)).sum::<f64>().sqrt() / size;
    let next = if k < count { s.S()[k] } else { 0.0 };
    let spectral = residual.thin_svd().map_err(|e| format!("{e:?}"))?.S()[0];
    let bound = 2f64.powi(k as i32) * ((a.ncols() - k).max(1) as f64).sqrt() * next + slack * size;
    let holds = (found - error).abs() <= slack && error >= tail - slack && spectral <= bound;
    Ok(Verdict::of(holds, || {
        format!("error {found:e}, reported {error:e}, the SVD's {tail:e}; ||A - C X|| {spectral:e}, bound {bound:e}")
    }))
}
