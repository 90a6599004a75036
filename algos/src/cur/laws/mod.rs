//! What must hold of every CUR decomposition, whatever the rounding: the bounds of the literature, computed in f64.

mod bounds;
mod parts;

use faer::Mat;
use tandem_compile::HostArray;
use tandem_verify::status::Status;
use tandem_verify::{Law, Trial, Verdict};

use self::bounds::{
    error_is_that_of_both_projections, error_is_within_the_interpolation_bounds, growth_of_deim_and_qdeim_is_bounded,
    leverage_takes_the_largest_scores, matrices_of_that_rank_are_reproduced, maxvol_is_dominant,
    no_rank_is_better_than_the_svd,
};
use self::parts::{Parts, Spectrum, indices, norm};
use super::subject::{Case, Twist};
use super::{Core, Select};

type Judged = Result<Verdict, String>;

/// The laws by name.
pub fn laws() -> Vec<Law<Case>> {
    vec![
        Law::poison(),
        Law { name: "outputs_of_finite_inputs_are_finite", judge: outputs_of_finite_inputs_are_finite },
        Law { name: "indices_are_distinct_and_in_range", judge: indices_are_distinct_and_in_range },
        Law { name: "c_and_r_are_columns_and_rows_of_a", judge: c_and_r_are_columns_and_rows_of_a },
        Law { name: "error_is_that_of_the_returned_factors", judge: error_is_that_of_the_returned_factors },
        Law { name: "core_norm_is_that_of_the_core", judge: core_norm_is_that_of_the_core },
        Law { name: "error_is_that_of_both_projections", judge: error_is_that_of_both_projections },
        Law { name: "residual_is_normal_to_columns_and_rows", judge: residual_is_normal_to_columns_and_rows },
        Law { name: "no_perturbed_core_is_better", judge: no_perturbed_core_is_better },
        Law { name: "error_is_within_the_interpolation_bounds", judge: error_is_within_the_interpolation_bounds },
        Law { name: "growth_of_deim_and_qdeim_is_bounded", judge: growth_of_deim_and_qdeim_is_bounded },
        Law { name: "no_rank_is_better_than_the_svd", judge: no_rank_is_better_than_the_svd },
        Law { name: "matrices_of_that_rank_are_reproduced", judge: matrices_of_that_rank_are_reproduced },
        Law { name: "cross_core_interpolates", judge: cross_core_interpolates },
        Law { name: "leverage_takes_the_largest_scores", judge: leverage_takes_the_largest_scores },
        Law { name: "maxvol_is_dominant", judge: maxvol_is_dominant },
        Law { name: "scaling_by_powers_of_two_is_exact", judge: scaling_by_powers_of_two_is_exact },
        Law { name: "zero_takes_the_first_indices", judge: zero_takes_the_first_indices },
        Law { name: "missing_rank_is_reported", judge: missing_rank_is_reported },
        Law { name: "of_twins_only_one_is_chosen", judge: of_twins_only_one_is_chosen },
    ]
}

fn status(trial: &Trial<Case>) -> Status {
    Status(trial.outcome.status)
}

fn is(trial: &Trial<Case>, core: Core) -> bool {
    trial.case.cur.core == core
}

fn outputs_of_finite_inputs_are_finite(trial: &Trial<Case>) -> Judged {
    if !trial.finite() {
        return Ok(Verdict::Idle);
    }
    let names = ["c", "u", "r", "relative_error", "core_norm"];
    let sound = names.iter().all(|name| trial.outcome.reals(name).iter().all(|x| x.is_finite()));
    Ok(Verdict::of(sound && !status(trial).has(Status::BREAKDOWN), || "NaN or infinity in an output".into()))
}

fn indices_are_distinct_and_in_range(trial: &Trial<Case>) -> Judged {
    if !trial.finite() {
        return Ok(Verdict::Idle);
    }
    let shape = trial.inputs[0].shape();
    let counts = [trial.case.cur.rows, trial.case.cur.cols];
    for (axis, name) in ["row_index", "col_index"].into_iter().enumerate() {
        let found = indices(trial.outcome, name);
        let distinct = found.iter().enumerate().all(|(i, x)| !found[..i].contains(x));
        if found.len() != counts[axis] || !distinct || found.iter().any(|&i| i >= shape[axis]) {
            return Ok(Verdict::Broken(format!("{name} is {found:?} of {}", shape[axis])));
        }
    }
    Ok(Verdict::Holds)
}

fn c_and_r_are_columns_and_rows_of_a(trial: &Trial<Case>) -> Judged {
    let Some(Parts { a, c, r, rows, cols, .. }) = Parts::of(trial)? else {
        return Ok(Verdict::Idle);
    };
    let columns = (0..c.nrows()).all(|i| (0..cols.len()).all(|j| c[(i, j)] == a[(i, cols[j])]));
    let lines = (0..rows.len()).all(|i| (0..r.ncols()).all(|j| r[(i, j)] == a[(rows[i], j)]));
    Ok(Verdict::of(columns && lines, || "c or r is not a part of a".into()))
}

fn error_is_that_of_the_returned_factors(trial: &Trial<Case>) -> Judged {
    let Some(parts) = Parts::of(trial)?.filter(|parts| parts.size() > 0.0) else {
        return Ok(Verdict::Idle);
    };
    let found = norm(parts.residual().as_ref()) / parts.size();
    Ok(Verdict::of((found - parts.error).abs() <= parts.slack * (1.0 + found), || {
        format!("the error of c u r is {found:e}, {:e} is reported; {:e} is allowed", parts.error, parts.slack)
    }))
}

fn core_norm_is_that_of_the_core(trial: &Trial<Case>) -> Judged {
    let Some(parts) = Parts::of(trial)? else {
        return Ok(Verdict::Idle);
    };
    let unit = trial.outcome.reals("u").iter().fold(0.0f64, |most, x| most.max(x.abs())).max(f64::MIN_POSITIVE);
    let u = trial.outcome.reals("u");
    let columns = parts.rows.len();
    let found = Spectrum::of(&Mat::from_fn(parts.cols.len(), columns, |i, j| u[i * columns + j] / unit))?.s[0] * unit;
    let reported = trial.outcome.reals("core_norm")[0];
    // The core itself is off by rounding where the norm comes from singular values of another matrix.
    let allowed = parts.slack.min(1.0) * found;
    Ok(Verdict::of((found - reported).abs() <= allowed, || format!("||u|| is {found:e}, reported {reported:e}")))
}

/// C' (A - C U R) R' = 0.
fn residual_is_normal_to_columns_and_rows(trial: &Trial<Case>) -> Judged {
    let Some(parts) = Parts::of(trial)?.filter(|_| is(trial, Core::Optimal)) else {
        return Ok(Verdict::Idle);
    };
    let found = norm((parts.c.transpose() * parts.residual() * parts.r.transpose()).as_ref());
    let allowed = parts.slack * parts.size() * norm(parts.c.as_ref()) * norm(parts.r.as_ref());
    Ok(Verdict::of(found <= allowed, || format!("|C' (A - C U R) R'| is {found:e}; {allowed:e} is allowed")))
}

fn no_perturbed_core_is_better(trial: &Trial<Case>) -> Judged {
    let Some(parts) = Parts::of(trial)?.filter(|_| is(trial, Core::Optimal)) else {
        return Ok(Verdict::Idle);
    };
    let own = norm(parts.residual().as_ref());
    for seed in 0..4 {
        let noise = tandem_verify::rng::normal(seed, parts.cols.len() * parts.rows.len());
        let part = 0.01 * norm(parts.u.as_ref());
        let u = Mat::from_fn(parts.cols.len(), parts.rows.len(), |i, j| {
            parts.u[(i, j)] + part * noise[i * parts.rows.len() + j]
        });
        let other = norm((&parts.a - &parts.c * u * &parts.r).as_ref());
        if other < own - parts.slack * parts.size() {
            return Ok(Verdict::Broken(format!("another core has an error of {other:e}, this one {own:e}")));
        }
    }
    Ok(Verdict::Holds)
}

/// (A - C U R)(p, :) = 0 and (A - C U R)(:, q) = 0.
fn cross_core_interpolates(trial: &Trial<Case>) -> Judged {
    let square = trial.case.cur.rows == trial.case.cur.cols && is(trial, Core::Cross);
    let parts = Parts::of(trial)?.filter(|_| square && !status(trial).has(Status::RANK_DEFICIENT));
    let Some(parts) = parts else {
        return Ok(Verdict::Idle);
    };
    let residual = parts.residual();
    let lines = parts.rows.iter().flat_map(|&i| (0..residual.ncols()).map(move |j| (i, j)));
    let columns = parts.cols.iter().flat_map(|&j| (0..residual.nrows()).map(move |i| (i, j)));
    let worst = lines.chain(columns).map(|at| residual[at].abs()).fold(0.0, f64::max);
    let allowed = parts.slack * parts.size();
    Ok(Verdict::of(worst <= allowed, || format!("a chosen entry is off by {worst:e}; {allowed:e} is allowed")))
}

fn scaling_by_powers_of_two_is_exact(trial: &Trial<Case>) -> Judged {
    // Beyond, the scaled outputs would leave f32's range.
    if !trial.finite() || status(trial).has(Status::DEGENERATE) || trial.case.matrix.exponent.abs() > 40 {
        return Ok(Verdict::Idle);
    }
    if matches!(trial.case.twist, Twist::GradedRows | Twist::GradedColumns) {
        return Ok(Verdict::Idle);
    }
    let values = trial.inputs[0].to_f64();
    let a = HostArray::from_fn(trial.inputs[0].shape(), |i| values[i] * 8.0);
    let a = a.cast(trial.dtype).map_err(|e| e.to_string())?;
    let other = (trial.rerun)(trial.case, &[a])?;
    let times = |name: &str, factor: f64| -> bool {
        let (before, after) = (trial.outcome.reals(name), other.reals(name));
        before.len() == after.len() && before.iter().zip(&after).all(|(x, y)| x * factor == *y)
    };
    let indices = ["row_index", "col_index"].iter().all(|name| trial.outcome.indices(name) == other.indices(name));
    let exact = times("c", 8.0) && times("r", 8.0) && times("u", 0.125) && times("relative_error", 1.0);
    Ok(Verdict::of(indices && exact && times("core_norm", 0.125), || {
        "8 A does not give the same indices, 8 C, U / 8 and 8 R".into()
    }))
}

fn zero_takes_the_first_indices(trial: &Trial<Case>) -> Judged {
    if !trial.finite() || trial.inputs[0].to_f64().iter().any(|&x| x != 0.0) {
        return Ok(Verdict::Idle);
    }
    let ordered = trial.case.cur.select == Select::LeverageSampled
        || ["row_index", "col_index"].iter().all(|name| {
            let found = indices(trial.outcome, name);
            found.iter().enumerate().all(|(i, &at)| i == at)
        });
    let zeros = ["u", "relative_error", "core_norm"].iter().all(|n| trial.outcome.reals(n).iter().all(|&x| x == 0.0));
    let flagged = status(trial).has(Status::DEGENERATE);
    Ok(Verdict::of(ordered && zeros && flagged, || format!("status {}, {:?}", status(trial), trial.outcome)))
}

fn missing_rank_is_reported(trial: &Trial<Case>) -> Judged {
    let Some(parts) = Parts::of(trial)?.filter(|parts| parts.size() > 0.0) else {
        return Ok(Verdict::Idle);
    };
    let s = &parts.spectrum.s;
    let k = parts.rows.len().max(parts.cols.len());
    let reported = status(trial).has(Status::RANK_DEFICIENT);
    // What is rounding to f64 is zero to every algorithm; a cross core of that rank cannot be complete either.
    match s[k - 1] < 0.1 * parts.limit * s[0] {
        true => Ok(Verdict::of(reported, || format!("singular value {k} is {:e} and nothing is said", s[k - 1]))),
        false => Ok(Verdict::Idle),
    }
}

fn of_twins_only_one_is_chosen(trial: &Trial<Case>) -> Judged {
    let careful = matches!(trial.case.cur.select, Select::Deim | Select::Qdeim | Select::Qr | Select::Maxvol);
    let Some(parts) = Parts::of(trial)?.filter(|_| careful && trial.case.twist == Twist::Twins) else {
        return Ok(Verdict::Idle);
    };
    let apart = |at: &[usize], size: usize| {
        let pairs = size.div_ceil(2);
        // As long as there are others.
        let limit = at.len().min(pairs).min(parts.a.nrows().min(parts.a.ncols()).div_ceil(2));
        (0..limit).all(|i| !at[..i].iter().any(|&other| other / 2 == at[i] / 2))
    };
    let holds = apart(&parts.rows, parts.a.nrows()) && apart(&parts.cols, parts.a.ncols());
    Ok(Verdict::of(holds, || format!("rows {:?}, columns {:?}", parts.rows, parts.cols)))
}
