//! What must hold of a separation, whatever the rounding.

use faer::Mat;
use tandem_compile::{DType, HostArray};
use tandem_verify::status::Status;
use tandem_verify::{Law, Matrix, Outcome, Trial, Verdict};

use super::subject::{Case, Twist};

type Judged = Result<Verdict, String>;

/// The laws by name.
pub fn laws() -> Vec<Law<Case>> {
    vec![
        Law::poison(),
        Law { name: "l_has_at_most_the_rank_asked_for", judge: l_has_at_most_the_rank },
        Law { name: "s_is_what_the_last_threshold_leaves", judge: s_is_what_the_last_threshold_leaves },
        Law { name: "a_threshold_above_the_error_finds_true_outliers_alone", judge: true_outliers_alone },
        Law { name: "the_last_layer_is_the_closed_form", judge: the_last_layer_is_the_closed_form },
        Law { name: "scaling_m_and_thresholds_is_exact", judge: scaling_is_exact },
        Law { name: "transposing_m_transposes_the_start", judge: transposing_transposes },
        Law { name: "zero_gives_zeros_in_no_layer", judge: zero_gives_zeros },
        Law { name: "status_tells_rank_and_zero", judge: status_tells_rank_and_zero },
    ]
}

struct Parts {
    m: Matrix,
    l: Matrix,
    s: Matrix,
    /// Thresholds, those below zero as zero.
    zeta: Vec<f64>,
    eta: Vec<f64>,
    rank: usize,
    /// What rounding does to an entry of the size of M or L.
    slack: f64,
}

impl Parts {
    fn of(trial: &Trial<Case>) -> Result<Option<Self>, String> {
        if !trial.finite() || Status(trial.outcome.status).has(Status::BREAKDOWN) {
            return Ok(None);
        }
        let m = matrix(&trial.inputs[0])?;
        let (l, s) = (output(trial.outcome, "l", &m), output(trial.outcome, "s", &m));
        let zeta = trial.inputs[1].to_f64().into_iter().map(|zeta| zeta.max(0.0)).collect();
        let slack = 4.0 * trial.u() * (m.max_abs() + l.max_abs());
        Ok(Some(Self { l, s, zeta, eta: trial.inputs[2].to_f64(), rank: trial.case.rank, slack, m }))
    }

    fn last(&self) -> f64 {
        self.zeta.last().copied().unwrap_or(0.0)
    }
}

fn matrix(array: &HostArray) -> Result<Matrix, String> {
    Matrix::from_array(array).ok_or("the input is no matrix".into())
}

fn output(outcome: &Outcome<f64>, name: &str, like: &Matrix) -> Matrix {
    Matrix { rows: like.rows, cols: like.cols, values: outcome.reals(name) }
}

fn soft(x: f64, zeta: f64) -> f64 {
    x.signum() * (x.abs() - zeta).max(0.0)
}

/// U, the singular values, V.
type Svd = (Mat<f64>, Vec<f64>, Mat<f64>);

/// Singular values and vectors of a matrix scaled near 1; the values are in its own units again.
fn singular(a: &Matrix) -> Result<Svd, String> {
    let unit = if a.max_abs() == 0.0 { 1.0 } else { a.max_abs() };
    let svd = Mat::from_fn(a.rows, a.cols, |i, j| a.at(i, j) / unit).thin_svd().map_err(|e| format!("{e:?}"))?;
    let sigma = (0..a.rows.min(a.cols)).map(|i| svd.S()[i] * unit).collect();
    Ok((svd.U().to_owned(), sigma, svd.V().to_owned()))
}

fn l_has_at_most_the_rank(trial: &Trial<Case>) -> Judged {
    let Some(parts) = Parts::of(trial)? else { return Ok(Verdict::Idle) };
    let (_, sigma, _) = singular(&parts.l)?;
    let next = sigma.get(parts.rank).copied().unwrap_or(0.0);
    // Each entry is a sum of r products, rounded.
    let size = (parts.l.rows * parts.l.cols) as f64;
    let allowed = parts.slack * parts.rank as f64 * size.sqrt();
    Ok(Verdict::of(next <= allowed, || format!("singular value {} of l is {next:e}", parts.rank + 1)))
}

fn s_is_what_the_last_threshold_leaves(trial: &Trial<Case>) -> Judged {
    let Some(parts) = Parts::of(trial)? else { return Ok(Verdict::Idle) };
    for at in 0..parts.m.values.len() {
        let left = parts.m.values[at] - parts.l.values[at];
        let (found, expected) = (parts.s.values[at], soft(left, parts.last()));
        let outside = found == 0.0 || left.abs() > parts.last() - parts.slack;
        if !((found - expected).abs() <= parts.slack && outside) {
            return Ok(Verdict::Broken(format!(
                "s[{at}] is {found:e}; m - l is {left:e}, the threshold {:e}",
                parts.last()
            )));
        }
    }
    Ok(Verdict::Holds)
}

/// With zeta >= |X - X*| entrywise, supp S lies in supp S* and |S - S*| <= 2 zeta.
fn true_outliers_alone(trial: &Trial<Case>) -> Judged {
    let Some(parts) = Parts::of(trial)?.filter(|_| trial.case.twist == Twist::None) else { return Ok(Verdict::Idle) };
    let (truth, outliers) = (trial.case.truth(), trial.case.outliers());
    let error = truth.iter().zip(&parts.l.values).fold(0.0, |most: f64, (x, l)| most.max((x - l).abs()));
    if error + parts.slack > parts.last() {
        return Ok(Verdict::Idle);
    }
    let wrong = (0..outliers.len()).find(|&at| {
        let (found, true_one) = (parts.s.values[at], outliers[at]);
        (found != 0.0 && true_one == 0.0) || !((found - true_one).abs() <= 2.0 * parts.last() + parts.slack)
    });
    Ok(Verdict::of(wrong.is_none(), || format!("s at {wrong:?} is no true outlier, or too far from it")))
}

/// X+ = X - eta (E P_R + P_L E) + eta^2 E X^+ E, with X from one layer less.
fn the_last_layer_is_the_closed_form(trial: &Trial<Case>) -> Judged {
    let Some(parts) = Parts::of(trial)? else { return Ok(Verdict::Idle) };
    let layers = parts.eta.len();
    // A second program for each shape: two of them, of which one has one layer, suffice.
    let some = matches!(parts.m.rows, 8 | 12) && trial.case.low.seed % 3 == 1 && trial.case.twist == Twist::None;
    if layers == 0 || !some || Status(trial.outcome.status).has(Status::RANK_DEFICIENT) {
        return Ok(Verdict::Idle);
    }
    let cut = |input: &HostArray, len: usize| {
        let values = input.to_f64();
        HostArray::from_fn([len], |i| values[i]).cast(trial.dtype).map_err(|e| e.to_string())
    };
    let inputs = [trial.inputs[0].clone(), cut(&trial.inputs[1], layers)?, cut(&trial.inputs[2], layers - 1)?];
    let before = (trial.rerun)(&Case { layers: layers - 1, ..*trial.case }, &inputs)?;
    let x = output(&before, "l", &parts.m);
    let (u, sigma, v) = singular(&x)?;
    let (m, n, r) = (x.rows, x.cols, parts.rank);
    let basis = |q: &Mat<f64>, rows: usize| Matrix::from_fn(rows, r, |i, j| q[(i, j)]);
    let (u, v) = (basis(&u, m), basis(&v, n));
    let zeta = parts.last();
    let e = Matrix::from_fn(m, n, |i, j| (x.at(i, j) - parts.m.at(i, j)).clamp(-zeta, zeta));
    let (ev, ue) = (e.dot(&v), u.t().dot(&e));
    let (by_right, by_left) = (ev.dot(&v.t()), u.dot(&ue));
    let inverse = Matrix::from_fn(m, r, |i, j| ev.at(i, j) / sigma[j]);
    let curved = inverse.dot(&ue);
    let eta = parts.eta[layers - 1];
    let expected = Matrix::from_fn(m, n, |i, j| {
        x.at(i, j) - eta * (by_right.at(i, j) + by_left.at(i, j)) + eta * eta * curved.at(i, j)
    });
    let gap = expected.minus(&parts.l).max_abs();
    // The pseudoinverse is known to a part u kappa, and E to the rounding of X.
    let kappa = sigma[0] / sigma[r - 1];
    let size = parts.m.max_abs() + parts.l.max_abs() + x.max_abs() + curved.max_abs();
    let allowed = 50.0 * trial.u() * kappa * kappa * size * (m + n) as f64;
    Ok(Verdict::of(gap <= allowed, || format!("l is {gap:e} from the closed form; {allowed:e} is allowed")))
}

/// The inputs with matrix and thresholds multiplied by a power of two.
fn scaled(trial: &Trial<Case>, factor: f64) -> [HostArray; 3] {
    let times = |input: &HostArray| {
        let values = input.to_f64();
        match trial.dtype {
            DType::F64 => HostArray::from_fn(input.shape(), |i| values[i] * factor),
            _ => HostArray::from_fn(input.shape(), |i| (values[i] * factor) as f32),
        }
    };
    [times(&trial.inputs[0]), times(&trial.inputs[1]), trial.inputs[2].clone()]
}

fn scaling_is_exact(trial: &Trial<Case>) -> Judged {
    if !trial.finite() || trial.case.low.exponent.abs() > 40 {
        return Ok(Verdict::Idle);
    }
    let other = (trial.rerun)(trial.case, &scaled(trial, 32.0))?;
    let wrong = ["l", "s"].into_iter().find(|name| {
        let (x, y) = (trial.outcome.reals(name), other.reals(name));
        x.len() != y.len() || !x.iter().zip(&y).all(|(x, y)| x * 32.0 == *y)
    });
    let same = trial.outcome.indices("iterations") == other.indices("iterations");
    Ok(Verdict::of(wrong.is_none() && same, || format!("32 M with 32 times the thresholds has another {wrong:?}")))
}

/// Without a layer, where what rounding does is known.
fn transposing_transposes(trial: &Trial<Case>) -> Judged {
    let Some(parts) = Parts::of(trial)? else { return Ok(Verdict::Idle) };
    if parts.m.rows != parts.m.cols || trial.case.twist != Twist::None {
        return Ok(Verdict::Idle);
    }
    let start =
        Matrix::from_fn(parts.m.rows, parts.m.cols, |i, j| parts.m.at(i, j).clamp(-parts.zeta[0], parts.zeta[0]));
    let (_, sigma, _) = singular(&start)?;
    let gap = sigma[parts.rank - 1] - sigma.get(parts.rank).copied().unwrap_or(0.0);
    if gap < 1e-2 * sigma[0] {
        return Ok(Verdict::Idle);
    }
    let none = HostArray::from_fn([0], |_| 0.0).cast(trial.dtype).map_err(|e| e.to_string())?;
    let first = parts.zeta[0];
    let zeta = HostArray::from_fn([1], |_| first).cast(trial.dtype).map_err(|e| e.to_string())?;
    let turned = trial.inputs[0].transposed().map_err(|e| e.to_string())?;
    let case = Case { layers: 0, ..*trial.case };
    let run = |m: &HostArray| (trial.rerun)(&case, &[m.clone(), zeta.clone(), none.clone()]);
    let (one, other) = (run(&trial.inputs[0])?, run(&turned)?);
    let (l, turned) = (output(&one, "l", &parts.m), output(&other, "l", &parts.m));
    let far = l.minus(&turned.t()).max_abs();
    let allowed = 50.0 * trial.u() * parts.m.rows as f64 * sigma[0] * (sigma[0] / gap);
    Ok(Verdict::of(far <= allowed, || {
        format!("the start of M' is {far:e} from the transposed one; {allowed:e} is allowed")
    }))
}

fn zero_gives_zeros(trial: &Trial<Case>) -> Judged {
    let Some(parts) = Parts::of(trial)?.filter(|parts| parts.m.max_abs() == 0.0) else { return Ok(Verdict::Idle) };
    let zeros = parts.l.max_abs() == 0.0 && parts.s.max_abs() == 0.0;
    Ok(Verdict::of(zeros && trial.outcome.indices("iterations") == [0], || format!("{:?}", trial.outcome)))
}

fn status_tells_rank_and_zero(trial: &Trial<Case>) -> Judged {
    let Some(parts) = Parts::of(trial)? else { return Ok(Verdict::Idle) };
    let first = parts.zeta[0];
    let start = Matrix::from_fn(parts.m.rows, parts.m.cols, |i, j| parts.m.at(i, j).clamp(-first, first));
    let (_, sigma, _) = singular(&start)?;
    let (smallest, zero) = (sigma[parts.rank - 1], parts.m.max_abs() == 0.0);
    let limit = 2.0 * trial.u() * parts.m.rows.max(parts.m.cols) as f64 * sigma[0];
    let status = Status(trial.outcome.status);
    // Around the limit rounding decides.
    let open = smallest > limit / 50.0 && smallest < limit * 50.0;
    let deficient = if open { status.has(Status::RANK_DEFICIENT) } else { !(smallest > limit) };
    let expected = Status::default().with(Status::RANK_DEFICIENT, deficient).with(Status::DEGENERATE, zero);
    let count = trial.outcome.indices("iterations") == [if zero { 0 } else { parts.eta.len() as i32 }];
    Ok(Verdict::of(status == expected && count, || format!("status {status} instead of {expected}, or a wrong count")))
}
