//! The bounds of the literature.

use faer::Mat;
use faer::linalg::solvers::Solve;
use tandem_verify::status::Status;
use tandem_verify::{Trial, Verdict};

use super::parts::{Parts, Spectrum, norm};
use super::{Judged, is, status};
use crate::cur::subject::Case;
use crate::cur::{Core, Select};

/// |A - C U R|^2 = |(I - P_C) A|^2 + |P_C A (I - P_R)|^2.
pub(super) fn error_is_that_of_both_projections(trial: &Trial<Case>) -> Judged {
    let parts = Parts::of(trial)?.filter(|parts| is(trial, Core::Optimal) && parts.size() > 0.0);
    let Some(parts) = parts else {
        return Ok(Verdict::Idle);
    };
    let (q, z) = (Spectrum::of(&parts.c)?, Spectrum::of(&parts.r.transpose().to_owned())?);
    // Where a singular value is near to the limit, either may leave it out.
    let close = |s: &Spectrum| s.s.iter().any(|&x| x > 0.0 && (0.02..50.0).contains(&(x / (parts.limit * s.s[0]))));
    if close(&q) || close(&z) {
        return Ok(Verdict::Idle);
    }
    let (q, z) = (q.range(parts.limit), z.range(parts.limit));
    let inside = &q * (q.transpose() * &parts.a);
    let columns = norm((&parts.a - &inside).as_ref());
    let rows = norm((&inside - &inside * &z * z.transpose()).as_ref());
    let size = parts.size();
    let expected = (columns / size).powi(2) + (rows / size).powi(2);
    let allowed = 64.0 * trial.u() * (parts.a.nrows() + parts.a.ncols()) as f64;
    let found = parts.error.powi(2);
    Ok(Verdict::of((found - expected).abs() <= allowed, || {
        format!("the squared error is {found:e}, the projections leave {expected:e}")
    }))
}

/// ||A - C U R||_2 <= (growth of rows + growth of columns) s_{k+1}, and |A - C U R| <= the same times the tail in the
/// Frobenius norm.
pub(super) fn error_is_within_the_interpolation_bounds(trial: &Trial<Case>) -> Judged {
    let Some(parts) = Parts::of(trial)?.filter(|_| is(trial, Core::Optimal)) else {
        return Ok(Verdict::Idle);
    };
    let Some([rows, cols]) = parts.growth()? else {
        return Ok(Verdict::Idle);
    };
    let (k, floor) = (parts.rows.len(), parts.slack * parts.size());
    let residual = parts.residual();
    let spectral = Spectrum::of(&residual)?.s[0];
    let bound = (rows + cols) * parts.spectrum.s.get(k).copied().unwrap_or(0.0);
    if spectral > bound * (1.0 + 1e-8) + floor {
        return Ok(Verdict::Broken(format!("||A - C U R|| is {spectral:e}, its bound {bound:e}")));
    }
    let (found, bound) = (norm(residual.as_ref()), (rows + cols) * parts.spectrum.tail(k));
    Ok(Verdict::of(found <= bound * (1.0 + 1e-8) + floor, || format!("|A - C U R| is {found:e}, its bound {bound:e}")))
}

/// DEIM: sqrt(m k / 3) 2^k; Q-DEIM: sqrt(m - k + 1) sqrt(4^k + 6 k - 1) / 3.
pub(super) fn growth_of_deim_and_qdeim_is_bounded(trial: &Trial<Case>) -> Judged {
    let select = trial.case.cur.select;
    let chosen = matches!(select, Select::Deim | Select::Qdeim);
    let Some(parts) = Parts::of(trial)?.filter(|parts| chosen && parts.separated(trial.u())) else {
        return Ok(Verdict::Idle);
    };
    let Some(growths) = parts.growth()? else {
        return Ok(Verdict::Idle);
    };
    let k = parts.rows.len() as f64;
    for (growth, size) in growths.into_iter().zip([parts.a.nrows(), parts.a.ncols()]) {
        let bound = match select {
            Select::Deim => (size as f64 * k / 3.0).sqrt() * 2f64.powf(k),
            _ => (size as f64 - k + 1.0).sqrt() * (4f64.powf(k) + 6.0 * k - 1.0).sqrt() / 3.0,
        };
        // Of one vector the inverse of its largest entry, at most sqrt(m): the published form is for k > 1.
        if growth > bound.max((size as f64).sqrt()) * (1.0 + 1e-3) {
            return Ok(Verdict::Broken(format!("the growth is {growth:e}, its bound {bound:e}")));
        }
    }
    Ok(Verdict::Holds)
}

/// Eckart and Young: no matrix of that rank is nearer to A than its leading singular values are.
pub(super) fn no_rank_is_better_than_the_svd(trial: &Trial<Case>) -> Judged {
    let Some(parts) = Parts::of(trial)?.filter(|parts| parts.size() > 0.0) else {
        return Ok(Verdict::Idle);
    };
    let least = parts.spectrum.tail(parts.rows.len().min(parts.cols.len())) / parts.size();
    // The factors' own error in f64, and the reported one up to its rounding.
    let found = norm(parts.residual().as_ref()) / parts.size();
    let holds = found >= least * (1.0 - 1e-12) - 1e-13 && parts.error >= least - 64.0 * parts.slack;
    Ok(Verdict::of(holds, || format!("the error {found:e} (reported {:e}) is below {least:e}", parts.error)))
}

pub(super) fn matrices_of_that_rank_are_reproduced(trial: &Trial<Case>) -> Judged {
    let Some(parts) = Parts::of(trial)?.filter(|parts| parts.size() > 0.0) else {
        return Ok(Verdict::Idle);
    };
    let (s, k) = (&parts.spectrum.s, parts.rows.len().min(parts.cols.len()));
    let rank = s.iter().take_while(|&&s| s > parts.limit * parts.spectrum.s[0]).count();
    let inner = Mat::from_fn(parts.rows.len(), parts.cols.len(), |i, j| parts.a[(parts.rows[i], parts.cols[j])]);
    let inner = Spectrum::of(&inner)?;
    // A submatrix of the same rank, far from losing it; where it has lost it there is nothing to reproduce A from.
    let regular = rank >= 1 && rank <= k && inner.s[rank - 1] > 1e3 * parts.limit * s[0];
    let stabilised = is(trial, Core::Stabilised) && inner.s[rank.clamp(1, k) - 1] < 0.01 * inner.s[0];
    if !regular || stabilised || s[rank - 1] < 1e3 * parts.limit * s[0] {
        return Ok(Verdict::Idle);
    }
    Ok(Verdict::of(parts.error <= parts.slack, || {
        format!("the rank is {rank} and the error {:e}; {:e} is allowed", parts.error, parts.slack)
    }))
}

pub(super) fn leverage_takes_the_largest_scores(trial: &Trial<Case>) -> Judged {
    let wanted = trial.case.cur.select == Select::Leverage;
    let Some(parts) = Parts::of(trial)?.filter(|parts| wanted && parts.separated(trial.u())) else {
        return Ok(Verdict::Idle);
    };
    let k = trial.case.cur.rank();
    let gap = parts.spectrum.s[k - 1] - parts.spectrum.s.get(k).copied().unwrap_or(0.0);
    let slack = 1e3 * trial.u() * parts.spectrum.s[0] / gap;
    for (v, chosen) in [(&parts.spectrum.u, &parts.rows), (&parts.spectrum.v, &parts.cols)] {
        let score = |i: usize| (0..k).map(|j| v[(i, j)] * v[(i, j)]).sum::<f64>() / k as f64;
        let falls = chosen.windows(2).all(|pair| score(pair[0]) >= score(pair[1]) - slack);
        let least = chosen.iter().map(|&i| score(i)).fold(f64::INFINITY, f64::min);
        let left = (0..v.nrows()).filter(|i| !chosen.contains(i)).map(score).fold(0.0, f64::max);
        if !falls || left > least + slack {
            return Ok(Verdict::Broken(format!("{chosen:?} leaves a score of {left:e} and takes one of {least:e}")));
        }
    }
    Ok(Verdict::Holds)
}

pub(super) fn maxvol_is_dominant(trial: &Trial<Case>) -> Judged {
    let wanted = trial.case.cur.select == Select::Maxvol && !status(trial).has(Status::NOT_CONVERGED);
    let Some(parts) = Parts::of(trial)?.filter(|parts| wanted && parts.separated(trial.u())) else {
        return Ok(Verdict::Idle);
    };
    if parts.growth()?.is_none() {
        return Ok(Verdict::Idle);
    }
    let k = parts.rows.len();
    for (v, at) in [(&parts.spectrum.u, &parts.rows), (&parts.spectrum.v, &parts.cols)] {
        let inner = Mat::from_fn(k, k, |i, j| v[(at[j], i)]);
        let weights = inner.partial_piv_lu().solve(v.subcols(0, k).transpose());
        let most = weights.norm_max();
        if most > Select::DOMINANCE + 1e4 * trial.u() * parts.spectrum.s[0] / parts.spectrum.s[k - 1] {
            return Ok(Verdict::Broken(format!("an entry of V V(q, :)^-1 is {most}")));
        }
    }
    Ok(Verdict::Holds)
}
