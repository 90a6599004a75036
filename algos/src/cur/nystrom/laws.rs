//! What must hold of every Nystrom approximation, whatever the rounding.

use faer::{Mat, Side};
use tandem_verify::status::Status;
use tandem_verify::{Law, Matrix, Trial, Verdict};

use super::Case;

type Judged = Result<Verdict, String>;

/// The laws by name.
pub fn laws() -> Vec<Law<Case>> {
    vec![
        Law::poison(),
        Law { name: "indices_are_distinct_and_in_range", judge: indices_are_distinct_and_in_range },
        Law { name: "chosen_columns_are_represented", judge: chosen_columns_are_represented },
        Law { name: "what_is_left_is_semidefinite", judge: what_is_left_is_semidefinite },
        Law { name: "error_is_the_trace_that_is_left", judge: error_is_the_trace_that_is_left },
        Law { name: "missing_rank_is_reported", judge: missing_rank_is_reported },
    ]
}

/// A and F in units of A's largest entry (and of its root).
struct Parts {
    a: Mat<f64>,
    f: Mat<f64>,
    index: Vec<usize>,
    slack: f64,
}

impl Parts {
    fn of(trial: &Trial<Case>) -> Result<Option<Self>, String> {
        let a = Matrix::from_array(&trial.inputs[0]).ok_or("the input is no matrix")?;
        let (n, k, unit) = (a.rows, trial.case.nystrom.k, a.max_abs());
        if trial.inputs[0].first_nonfinite().is_some() || unit == 0.0 {
            return Ok(None);
        }
        let f = trial.outcome.reals("factor");
        let index: Vec<usize> = trial.outcome.indices("index").iter().map(|&i| i as usize).collect();
        if (f.len(), index.len()) != (n * k, k) {
            return Err("an output has the wrong size".into());
        }
        Ok(Some(Self {
            a: Mat::from_fn(n, n, |i, j| a.at(i, j) / unit),
            f: Mat::from_fn(n, k, |i, j| f[i * k + j] / unit.sqrt()),
            index,
            slack: 32.0 * n as f64 * trial.u(),
        }))
    }

    fn left(&self) -> Mat<f64> {
        &self.a - &self.f * self.f.transpose()
    }
}

fn indices_are_distinct_and_in_range(trial: &Trial<Case>) -> Judged {
    let Some(Parts { a, index, .. }) = Parts::of(trial)? else {
        return Ok(Verdict::Idle);
    };
    let sound = index.iter().enumerate().all(|(i, at)| *at < a.ncols() && !index[..i].contains(at));
    Ok(Verdict::of(sound, || format!("{index:?}")))
}

/// (A - F F')(:, q) = 0 for the columns that are no fills; what rounding leaves of a pivot is divided by.
fn chosen_columns_are_represented(trial: &Trial<Case>) -> Judged {
    let Some(parts) = Parts::of(trial)? else {
        return Ok(Verdict::Idle);
    };
    let left = parts.left();
    let pivots = (0..parts.index.len()).map(|j| parts.f[(parts.index[j], j)]);
    for (j, pivot) in pivots.enumerate().filter(|(_, pivot)| *pivot > 0.0) {
        let worst = (0..left.nrows()).map(|i| left[(i, parts.index[j])].abs()).fold(0.0, f64::max);
        let allowed = parts.slack / pivot;
        if worst > allowed {
            return Ok(Verdict::Broken(format!(
                "column {} is off by {worst:e}; {allowed:e} is allowed",
                parts.index[j]
            )));
        }
    }
    Ok(Verdict::Holds)
}

fn what_is_left_is_semidefinite(trial: &Trial<Case>) -> Judged {
    let Some(parts) = Parts::of(trial)? else {
        return Ok(Verdict::Idle);
    };
    let values = parts.left().self_adjoint_eigenvalues(Side::Lower).map_err(|e| format!("{e:?}"))?;
    let least = values.into_iter().fold(f64::INFINITY, f64::min);
    let smallest = (0..parts.index.len()).map(|j| parts.f[(parts.index[j], j)]).filter(|&x| x > 0.0);
    let allowed = parts.slack / smallest.fold(1.0, f64::min);
    Ok(Verdict::of(least >= -allowed, || format!("an eigenvalue of A - F F' is {least:e}")))
}

/// The reported error is the trace of A - F F' and at least that of the eigenvalues that k columns must leave.
fn error_is_the_trace_that_is_left(trial: &Trial<Case>) -> Judged {
    let Some(parts) = Parts::of(trial)? else {
        return Ok(Verdict::Idle);
    };
    let trace = |m: &Mat<f64>| (0..m.nrows()).map(|i| m[(i, i)]).sum::<f64>();
    let size = trace(&parts.a);
    let (found, reported) = (trace(&parts.left()) / size, trial.outcome.reals("relative_error")[0]);
    let mut values = parts.a.self_adjoint_eigenvalues(Side::Lower).map_err(|e| format!("{e:?}"))?;
    values.sort_by(|x, y| y.total_cmp(x));
    let least = values.iter().skip(trial.case.nystrom.k).sum::<f64>() / size;
    let holds = (found - reported).abs() <= parts.slack && reported >= least - parts.slack;
    Ok(Verdict::of(holds, || format!("the trace left is {found:e}, reported {reported:e}, at least {least:e}")))
}

fn missing_rank_is_reported(trial: &Trial<Case>) -> Judged {
    let (rank, k) = (trial.case.root.rank, trial.case.nystrom.k);
    let zero = trial.case.factor == 0.0;
    if trial.inputs[0].first_nonfinite().is_some() || !(rank < k || zero) {
        return Ok(Verdict::Idle);
    }
    let status = Status(trial.outcome.status);
    let right = status.has(Status::RANK_DEFICIENT) && status.has(Status::DEGENERATE) == zero;
    Ok(Verdict::of(right, || format!("rank {rank}, {k} columns, status {status}")))
}
