//! The laws of the nearest projector.

use faer::Mat;
use tandem_verify::status::Status;
use tandem_verify::{Law, Matrix, Outcome, Trial, Verdict};

use super::{Judged, identity, matrix, output, reflected, times, within};
use crate::householder::subject::{ProjectorCase, Twist};

/// The laws by name.
pub fn laws() -> Vec<Law<ProjectorCase>> {
    vec![
        Law::poison(),
        Law { name: "p_is_a_partial_isometry_of_rank_n", judge: p_is_a_partial_isometry },
        Law { name: "s_holds_signs", judge: s_holds_signs },
        Law { name: "reflectors_make_the_projector", judge: reflectors_make_the_projector },
        Law { name: "directions_are_orthonormal_and_all_that_p_sees", judge: directions_are_all_that_p_sees },
        Law { name: "distance_is_that_of_the_projector", judge: distance_is_that_of_the_projector },
        Law { name: "distance_is_the_smallest_there_is", judge: distance_is_the_smallest },
        Law { name: "orthogonal_changes_of_w_change_p_alike", judge: orthogonal_changes_change_p_alike },
        Law { name: "zero_gives_the_identity", judge: zero_gives_the_identity },
        Law { name: "status_tells_rank_and_zero", judge: status_tells_rank_and_zero },
    ]
}

struct Parts {
    w: Matrix,
    u: Matrix,
    v: Matrix,
    s: Matrix,
    p: Matrix,
    directions: Matrix,
    distance: f64,
    rank: usize,
    /// Rounding of numbers of size 1.
    slack: f64,
}

impl Parts {
    fn of(trial: &Trial<ProjectorCase>) -> Result<Option<Self>, String> {
        if !trial.finite() {
            return Ok(None);
        }
        let get = |name: &str| output(trial.outcome, name);
        let w = matrix(&trial.inputs[0])?;
        let slack = 50.0 * trial.u() * (w.rows.max(w.cols) as f64).sqrt();
        let distance = trial.outcome.reals("distance").first().copied().ok_or("there is no distance")?;
        Ok(Some(Self {
            u: get("u_vectors")?,
            v: get("v_vectors")?,
            s: get("s")?,
            p: get("projector")?,
            directions: get("directions")?,
            distance,
            rank: trial.case.projector.rank,
            slack,
            w,
        }))
    }

    /// The rounding of a distance: of W and of P.
    fn size(&self) -> f64 {
        norm(&self.w) + (self.rank as f64).sqrt()
    }

    fn sigma(&self) -> Result<Vec<f64>, String> {
        let scale = if self.w.max_abs() == 0.0 { 1.0 } else { self.w.max_abs() };
        let w = Mat::from_fn(self.w.rows, self.w.cols, |i, j| self.w.at(i, j) / scale);
        let svd = w.thin_svd().map_err(|e| format!("{e:?}"))?;
        Ok((0..w.nrows().min(w.ncols())).map(|i| svd.S()[i] * scale).collect())
    }
}

/// The Frobenius norm, without overflow.
fn norm(x: &Matrix) -> f64 {
    let largest = x.max_abs();
    match largest > 0.0 {
        true => Matrix::from_fn(x.rows, x.cols, |i, j| x.at(i, j) / largest).squared_norm().sqrt() * largest,
        false => largest,
    }
}

fn p_is_a_partial_isometry(trial: &Trial<ProjectorCase>) -> Judged {
    let Some(Parts { p, rank, slack, .. }) = Parts::of(trial)? else { return Ok(Verdict::Idle) };
    let cube = p.dot(&p.t()).dot(&p).minus(&p).max_abs();
    match within(cube, slack, "|P P'P - P|") {
        Verdict::Holds => Ok(within((p.squared_norm() - rank as f64).abs(), slack * rank as f64, "||P|^2 - N|")),
        broken => Ok(broken),
    }
}

fn s_holds_signs(trial: &Trial<ProjectorCase>) -> Judged {
    let Some(Parts { s, rank, .. }) = Parts::of(trial)? else { return Ok(Verdict::Idle) };
    let right = s.values.len() == rank && s.values.iter().all(|x| x.abs() == 1.0);
    Ok(Verdict::of(right, || format!("s is {:?}", s.values)))
}

fn reflectors_make_the_projector(trial: &Trial<ProjectorCase>) -> Judged {
    let Some(Parts { u, v, s, p, rank, slack, .. }) = Parts::of(trial)? else { return Ok(Verdict::Idle) };
    let left = reflected(&u, rank);
    let signed = Matrix::from_fn(left.rows, rank, |i, j| left.at(i, j) * s.at(0, j));
    let found = signed.dot(&reflected(&v, rank).t()).minus(&p).max_abs();
    Ok(within(found, slack, "|Q(U) S Q(V)' - P|"))
}

fn directions_are_all_that_p_sees(trial: &Trial<ProjectorCase>) -> Judged {
    let Some(Parts { v, p, directions, rank, slack, .. }) = Parts::of(trial)? else { return Ok(Verdict::Idle) };
    let gram = directions.dot(&directions.t()).minus(&identity(rank, rank)).max_abs();
    let own = reflected(&v, rank).t().minus(&directions).max_abs();
    let rest = p.minus(&p.dot(&directions.t()).dot(&directions)).max_abs();
    Ok(within(gram.max(own).max(rest), slack, "|D D' - I|, |D - Q(V)'| or |P - P D'D|"))
}

fn distance_is_that_of_the_projector(trial: &Trial<ProjectorCase>) -> Judged {
    let Some(parts) = Parts::of(trial)? else { return Ok(Verdict::Idle) };
    let found = norm(&parts.w.minus(&parts.p));
    Ok(within((found - parts.distance).abs(), parts.slack * parts.size(), "the difference of |W - P| and the distance"))
}

/// Against the formula for the smallest of all distances, from singular values in f64.
fn distance_is_the_smallest(trial: &Trial<ProjectorCase>) -> Judged {
    let Some(parts) = Parts::of(trial)? else { return Ok(Verdict::Idle) };
    let off: Vec<f64> =
        parts.sigma()?.iter().enumerate().map(|(i, s)| if i < parts.rank { s - 1.0 } else { *s }).collect();
    let smallest = norm(&Matrix { rows: 1, cols: off.len(), values: off });
    let above = norm(&parts.w.minus(&parts.p)) - smallest;
    Ok(within(above, parts.slack * parts.size(), "|W - P| above the smallest distance"))
}

/// Rows exchanged and turned to their negatives: the same exchange of P, where P is determined.
fn orthogonal_changes_change_p_alike(trial: &Trial<ProjectorCase>) -> Judged {
    let Some(parts) = Parts::of(trial)?.filter(|_| trial.case.data.twist == Twist::None) else {
        return Ok(Verdict::Idle);
    };
    let sigma = parts.sigma()?;
    let gap = sigma[parts.rank - 1] - sigma.get(parts.rank).copied().unwrap_or(0.0);
    if gap < 1e-3 * sigma[0] {
        return Ok(Verdict::Idle);
    }
    let (m, n) = (parts.w.rows, parts.w.cols);
    let sign = |i: usize| if i.is_multiple_of(3) { -1.0 } else { 1.0 };
    let values = trial.inputs[0].to_f64();
    let reversed = tandem_compile::HostArray::from_fn([m, n], |at| values[(m - 1 - at / n) * n + at % n]);
    let changed = times(&reversed.cast(trial.dtype).map_err(|e| e.to_string())?, |at| sign(at / n));
    let other: Outcome<f64> = (trial.rerun)(trial.case, &[changed])?;
    let p = output(&other, "projector")?;
    let expected = Matrix::from_fn(m, n, |i, j| sign(i) * parts.p.at(m - 1 - i, j));
    Ok(within(p.minus(&expected).max_abs(), 4.0 * parts.slack * sigma[0] / gap, "|P(Q W) - Q P(W)|"))
}

fn zero_gives_the_identity(trial: &Trial<ProjectorCase>) -> Judged {
    let Some(parts) = Parts::of(trial)?.filter(|parts| parts.w.max_abs() == 0.0) else { return Ok(Verdict::Idle) };
    let (m, n, rank) = (parts.w.rows, parts.w.cols, parts.rank);
    let expected = Matrix::from_fn(m, n, |i, j| f64::from(u8::from(i == j && i < rank)));
    Ok(Verdict::of(parts.p == expected, || format!("P of zero is {:?}", parts.p.values)))
}

fn status_tells_rank_and_zero(trial: &Trial<ProjectorCase>) -> Judged {
    let Some(parts) = Parts::of(trial)? else { return Ok(Verdict::Idle) };
    let (sigma, status) = (parts.sigma()?, Status(trial.outcome.status));
    let (smallest, limit) = (sigma[parts.rank - 1], 2.0 * trial.u() * parts.w.rows.max(parts.w.cols) as f64 * sigma[0]);
    let zero = sigma[0] == 0.0;
    // Around the limit rounding decides.
    let open = !zero && smallest > limit / 50.0 && smallest < limit * 50.0;
    let deficient = if open { status.has(Status::RANK_DEFICIENT) } else { !(smallest > limit) };
    let expected = Status::default().with(Status::RANK_DEFICIENT, deficient).with(Status::DEGENERATE, zero);
    Ok(Verdict::of(status == expected, || format!("status {status:?} instead of {expected:?}")))
}
