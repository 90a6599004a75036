//! The laws of Q(V).

use faer::Mat;
use tandem_verify::status::Status;
use tandem_verify::{Law, Matrix, Trial, Verdict};

use super::{Judged, identity, matrix, output, reflected, times, within};
use crate::householder::subject::{ProductCase, Twist};

/// The laws by name.
pub fn laws() -> Vec<Law<ProductCase>> {
    vec![
        Law::poison(),
        Law { name: "columns_are_orthonormal", judge: columns_are_orthonormal },
        Law { name: "q_is_the_product_of_the_reflections", judge: q_is_the_product_of_the_reflections },
        Law { name: "determinant_is_the_parity_of_the_reflections", judge: determinant_is_the_parity },
        Law { name: "q_differs_from_the_identity_by_rank_k", judge: q_differs_from_the_identity_by_rank_k },
        Law { name: "trace_is_at_least_d_less_2k", judge: trace_is_at_least_d_less_2k },
        Law { name: "scaling_the_vectors_changes_nothing", judge: scaling_the_vectors_changes_nothing },
        Law { name: "equal_neighbours_cancel", judge: equal_neighbours_cancel },
        Law { name: "zero_vectors_are_said", judge: zero_vectors_are_said },
    ]
}

/// Rounding of k reflections.
fn slack(trial: &Trial<ProductCase>, v: &Matrix) -> f64 {
    50.0 * trial.u() * (v.cols.max(1) as f64).sqrt()
}

/// V and Q, or nothing to judge.
fn parts(trial: &Trial<ProductCase>) -> Result<Option<(Matrix, Matrix)>, String> {
    match trial.finite() {
        true => Ok(Some((matrix(&trial.inputs[0])?, output(trial.outcome, "q")?))),
        false => Ok(None),
    }
}

/// The vectors that are not zero.
fn count(v: &Matrix) -> usize {
    (0..v.cols).filter(|&j| (0..v.rows).any(|i| v.at(i, j) != 0.0)).count()
}

fn columns_are_orthonormal(trial: &Trial<ProductCase>) -> Judged {
    let Some((v, q)) = parts(trial)? else { return Ok(Verdict::Idle) };
    let found = q.t().dot(&q).minus(&identity(q.cols, q.cols)).max_abs();
    Ok(within(found, slack(trial, &v), "|Q'Q - I|"))
}

fn q_is_the_product_of_the_reflections(trial: &Trial<ProductCase>) -> Judged {
    let Some((v, q)) = parts(trial)? else { return Ok(Verdict::Idle) };
    let found = reflected(&v, q.cols).minus(&q).max_abs();
    Ok(within(found, slack(trial, &v), "|Q - H_1 ... H_k|"))
}

fn determinant_is_the_parity(trial: &Trial<ProductCase>) -> Judged {
    let Some((v, q)) = parts(trial)?.filter(|(_, q)| q.rows == q.cols) else { return Ok(Verdict::Idle) };
    let expected = if count(&v).is_multiple_of(2) { 1.0 } else { -1.0 };
    Ok(within((determinant(&q) - expected).abs(), 10.0 * slack(trial, &v) * q.rows as f64, "|det Q - (-1)^k|"))
}

/// By elimination with row exchanges.
fn determinant(q: &Matrix) -> f64 {
    let mut rows: Vec<Vec<f64>> = q.values.chunks(q.cols).map(<[f64]>::to_vec).collect();
    let mut product = 1.0;
    for j in 0..q.cols {
        let pivot = (j + 1..q.rows).fold(j, |best, i| if rows[i][j].abs() > rows[best][j].abs() { i } else { best });
        if pivot != j {
            rows.swap(pivot, j);
            product = -product;
        }
        let top = rows[j].clone();
        product *= top[j];
        for row in &mut rows[j + 1..] {
            let factor = row[j] / top[j];
            row.iter_mut().zip(&top).skip(j).for_each(|(x, t)| *x -= factor * t);
        }
    }
    product
}

fn q_differs_from_the_identity_by_rank_k(trial: &Trial<ProductCase>) -> Judged {
    let Some((v, q)) = parts(trial)?.filter(|(v, q)| q.rows == q.cols && count(v) < v.rows) else {
        return Ok(Verdict::Idle);
    };
    let difference = q.minus(&identity(q.rows, q.rows));
    let svd = Mat::from_fn(q.rows, q.rows, |i, j| difference.at(i, j)).thin_svd().map_err(|e| format!("{e:?}"))?;
    Ok(within(svd.S()[count(&v)], q.rows as f64 * slack(trial, &v), "the singular value of Q - I after the k-th"))
}

fn trace_is_at_least_d_less_2k(trial: &Trial<ProductCase>) -> Judged {
    let Some((v, q)) = parts(trial)?.filter(|(_, q)| q.rows == q.cols) else { return Ok(Verdict::Idle) };
    let found: f64 = (0..q.rows).map(|i| q.at(i, i)).sum();
    let least = q.rows as f64 - 2.0 * count(&v) as f64;
    Ok(within(least - found, q.rows as f64 * slack(trial, &v), "d - 2 k - tr Q"))
}

/// By powers of two and signs to the bit, by other numbers up to rounding.
fn scaling_the_vectors_changes_nothing(trial: &Trial<ProductCase>) -> Judged {
    // Not where scaling leaves the range of the dtype.
    let Some((v, q)) = parts(trial)?.filter(|_| trial.case.data.matrix.exponent.abs() <= 40) else {
        return Ok(Verdict::Idle);
    };
    if trial.case.data.twist == Twist::GradedColumns || trial.case.data.twist == Twist::GradedRows {
        return Ok(Verdict::Idle);
    }
    let again = |factor: &dyn Fn(usize) -> f64| -> Result<Matrix, String> {
        let scaled = times(&trial.inputs[0], |at| factor(at % v.cols));
        output(&(trial.rerun)(trial.case, &[scaled])?, "q")
    };
    let exact = again(&|j| [0.25, -8.0, 1.0, -1.0][j % 4])?;
    let near = again(&|j| [3.0, -0.7, 1e3][j % 3])?.minus(&q).max_abs();
    Ok(match exact == q {
        false => Verdict::Broken("Q(V diag(c)) differs from Q(V) for powers of two".into()),
        true => within(near, slack(trial, &v), "|Q(V diag(c)) - Q(V)|"),
    })
}

fn equal_neighbours_cancel(trial: &Trial<ProductCase>) -> Judged {
    let Some((v, q)) = parts(trial)?.filter(|(v, _)| trial.case.data.twist == Twist::Twins && v.cols % 2 == 0) else {
        return Ok(Verdict::Idle);
    };
    Ok(within(q.minus(&identity(q.rows, q.cols)).max_abs(), slack(trial, &v), "|Q - I| of pairs of equal vectors"))
}

fn zero_vectors_are_said(trial: &Trial<ProductCase>) -> Judged {
    let Some((v, _)) = parts(trial)? else { return Ok(Verdict::Idle) };
    let expected = Status::default().with(Status::DEGENERATE, count(&v) < v.cols);
    let found = Status(trial.outcome.status);
    Ok(Verdict::of(found == expected, || format!("status {found:?} instead of {expected:?}")))
}
