//! The iteration on faer, by its definition: S and E are formed, and the r by r systems solved by LU.

use faer::Mat;
use faer::linalg::solvers::Solve;
use tandem_compile::HostArray;
use tandem_verify::status::Status;
use tandem_verify::{Decision, Outcome, Output, Real, Values};

use super::RIDGE;
use super::subject::OUTPUTS;

/// The factors of X = L R'.
#[derive(Debug, Clone)]
pub struct Pair<R: Real> {
    /// L, `[m, r]`.
    pub left: Mat<R>,
    /// R, `[n, r]`.
    pub right: Mat<R>,
}

impl<R: Real> Pair<R> {
    /// X.
    pub fn product(&self) -> Mat<R> {
        &self.left * self.right.transpose()
    }
}

/// The separation of `m` (`[m, n]`) with the thresholds `zeta` (`[T + 1]`) and steps `eta` (`[T]`), with decisions as in
/// arithmetic of unit roundoff `u`.
pub fn separate<R: Real>(rank: usize, m: &HostArray, zeta: &HostArray, eta: &HostArray, u: f64) -> Outcome<R> {
    let (rows, cols) = (m.shape()[0], m.shape()[1]);
    if [m, zeta, eta].iter().any(|input| input.first_nonfinite().is_some()) {
        let nan = || vec![R::from_f64(f64::NAN); rows * cols];
        return outcome(rows, cols, [nan(), nan()], 0, Status::NONFINITE_INPUT, Vec::new(), 0.0);
    }
    let (m, zeta, eta) = (matrix::<R>(m), vector::<R>(zeta), vector::<R>(eta));
    let unit = power_of_two(largest(&m));
    let m = Mat::from_fn(rows, cols, |i, j| m[(i, j)] / unit);
    let zeta: Vec<R> = zeta.into_iter().map(|zeta| (zeta / unit).max(R::zero())).collect();
    let zero = largest(&m) == R::zero();
    let (mut pair, deficient, decisions) = start(&m, rank, zeta[0], u);
    for (&zeta, &eta) in zeta[1..].iter().zip(&eta) {
        pair = layer(&m, &pair, zeta, eta, u);
    }
    let x = pair.product();
    let s = soft(&(&m - &x), *zeta.last().unwrap_or(&R::zero()));
    let sound = largest(&x).to_f64().is_finite();
    let status = Status::default()
        .with(Status::RANK_DEFICIENT, deficient)
        .with(Status::DEGENERATE, zero)
        .with(Status::BREAKDOWN, !sound);
    let back = |x: &Mat<R>| row_major(x).into_iter().map(|x| x * unit).collect();
    let layers = if zero { 0 } else { eta.len() as i32 };
    // What S and X are differences of.
    let scale = largest(&m).max(largest(&x)).to_f64() * unit.to_f64();
    outcome(rows, cols, [back(&x), back(&s)], layers, status, decisions, scale)
}

/// |X_t - X*| / |X*| after the start and after each layer, for a known `truth` X* (`[m, n]`).
pub fn errors<R: Real>(rank: usize, m: &HostArray, truth: &HostArray, zeta: &[f64], eta: &[f64]) -> Vec<f64> {
    let (m, truth) = (matrix::<R>(m), matrix::<R>(truth));
    let size = truth.norm_l2();
    let error = |pair: &Pair<R>| ((pair.product() - &truth).norm_l2() / size).to_f64();
    let (mut pair, ..) = start(&m, rank, R::from_f64(zeta[0]), R::UNIT_ROUNDOFF);
    let mut found = vec![error(&pair)];
    for (&zeta, &eta) in zeta[1..].iter().zip(eta) {
        pair = layer(&m, &pair, R::from_f64(zeta), R::from_f64(eta), R::UNIT_ROUNDOFF);
        found.push(error(&pair));
    }
    found
}

/// The factors of the start, whether M - S has a lower rank than asked for, and what that hangs on.
pub fn start<R: Real>(m: &Mat<R>, rank: usize, zeta: R, u: f64) -> (Pair<R>, bool, Vec<Decision>) {
    let (rows, cols) = (m.nrows(), m.ncols());
    let difference = m - soft(m, zeta);
    let nothing = Pair { left: Mat::zeros(rows, rank), right: Mat::zeros(cols, rank) };
    let first = largest(&difference);
    if first == R::zero() {
        return (nothing, true, Vec::new());
    }
    let Ok(svd) = difference.thin_svd() else {
        let nan = |rows: usize| Mat::from_fn(rows, rank, |_, _| R::from_f64(f64::NAN));
        return (Pair { left: nan(rows), right: nan(cols) }, false, Vec::new());
    };
    let sigma: Vec<R> = (0..rows.min(cols)).map(|i| svd.S()[i]).collect();
    let value = |i: usize| sigma.get(i).map_or(0.0, |s| s.to_f64() / sigma[0].to_f64());
    let floor = 2.0 * u * rows.max(cols) as f64;
    let kept = |i: usize| value(i) > floor;
    let root = |i: usize| if kept(i) { sigma[i].sqrt() } else { R::zero() };
    let mut decisions: Vec<Decision> = (0..rank)
        .map(|i| Decision { kind: "rank", margin: (value(i) - floor).abs(), choice: u64::from(kept(i)) })
        .collect();
    // Which vectors belong to the r largest values, unless all that there are do.
    if rank < sigma.len() && kept(rank - 1) {
        decisions.push(Decision { kind: "gap", margin: value(rank - 1) - value(rank), choice: 0 });
    }
    let pair = Pair {
        left: Mat::from_fn(rows, rank, |i, j| svd.U()[(i, j)] * root(j)),
        right: Mat::from_fn(cols, rank, |i, j| svd.V()[(i, j)] * root(j)),
    };
    (pair, !kept(rank - 1), decisions)
}

/// One layer.
pub fn layer<R: Real>(m: &Mat<R>, pair: &Pair<R>, zeta: R, eta: R, u: f64) -> Pair<R> {
    let x = pair.product();
    let s = soft(&(m - &x), zeta);
    let e = x + s - m;
    let step = |own: &Mat<R>, slope: Mat<R>, other: &Mat<R>| {
        let moved = right_divided(&slope, other, u);
        Mat::from_fn(own.nrows(), own.ncols(), |i, j| own[(i, j)] - eta * moved[(i, j)])
    };
    Pair {
        left: step(&pair.left, &e * &pair.right, &pair.right),
        right: step(&pair.right, e.transpose() * &pair.left, &pair.left),
    }
}

/// B (F'F + a little)^-1.
fn right_divided<R: Real>(b: &Mat<R>, f: &Mat<R>, u: f64) -> Mat<R> {
    let system = regularised(f, u);
    system.partial_piv_lu().solve(b.transpose()).transpose().to_owned()
}

fn regularised<R: Real>(f: &Mat<R>, u: f64) -> Mat<R> {
    let gram = f.transpose() * f;
    let r = gram.nrows();
    let trace = (0..r).fold(R::zero(), |sum, i| sum + gram[(i, i)]);
    let ridge = if trace > R::zero() { trace * R::from_f64(RIDGE * u) } else { R::one() };
    Mat::from_fn(r, r, |i, j| if i == j { gram[(i, j)] + ridge } else { gram[(i, j)] })
}

/// sign(x) max(|x| - zeta, 0), elementwise.
pub fn soft<R: Real>(x: &Mat<R>, zeta: R) -> Mat<R> {
    Mat::from_fn(x.nrows(), x.ncols(), |i, j| {
        let x = x[(i, j)];
        let size = (x.abs() - zeta).max(R::zero());
        if x < R::zero() { -size } else { size }
    })
}

/// The derivatives of a layer's <Y, X+>, for Y `[m, n]` and the layer's product X+.
#[derive(Debug, Clone)]
pub struct Gradients<R: Real> {
    /// By the matrix M, `[m, n]`.
    pub m: Mat<R>,
    /// By the factors before the layer.
    pub factors: Pair<R>,
    /// By the threshold.
    pub zeta: R,
    /// By the step.
    pub eta: R,
}

/// The gradients of <Y, X+> by everything that a layer takes, by the rules for its steps: for N = B K with
/// K = (F'F + a I)^-1, the cotangent of B is N' K, and of F, through Gamma = -K B'N' K, F (Gamma + Gamma').
pub fn gradients<R: Real>(y: &Mat<R>, m: &Mat<R>, pair: &Pair<R>, zeta: R, eta: R, u: f64) -> Gradients<R> {
    let Pair { left, right } = pair;
    let next = layer(m, pair, zeta, eta, u);
    let difference = m - pair.product();
    let e = soft(&difference, zeta) - &difference;
    let scaled = |x: &Mat<R>, by: R| Mat::from_fn(x.nrows(), x.ncols(), |i, j| x[(i, j)] * by);
    // X+ = L+ R+'.
    let (to_left, to_right) = (y * &next.right, y.transpose() * &next.left);
    let half = |slope: &Mat<R>, other: &Mat<R>, cotangent: &Mat<R>| {
        let system = regularised(other, u);
        let moved = right_divided(slope, other, u);
        let to_moved = scaled(cotangent, -eta);
        let to_slope = right_divided(&to_moved, other, u);
        let inner = system.partial_piv_lu().solve(slope.transpose() * &to_slope);
        // The ridge grows with the trace: its share is u times the rest.
        let gamma = Mat::from_fn(inner.nrows(), inner.ncols(), |i, j| -(inner[(i, j)] + inner[(j, i)]));
        let trace = (0..inner.nrows()).fold(R::zero(), |sum, i| sum + gamma[(i, i)]) * R::from_f64(RIDGE * u);
        let to_other = other * gamma + scaled(other, trace);
        let to_eta = inner_product(&scaled(cotangent, -R::one()), &moved);
        (to_slope, to_other, to_eta)
    };
    let (slope_left, own_right, eta_left) = half(&(&e * right), right, &to_left);
    let (slope_right, own_left, eta_right) = half(&(e.transpose() * left), left, &to_right);
    // The slopes are E R and E'L.
    let to_e = &slope_left * right.transpose() + left * slope_right.transpose();
    // E = -clip(M - X, zeta).
    let inside = |i: usize, j: usize| !(difference[(i, j)].abs() > zeta);
    let to_x = Mat::from_fn(m.nrows(), m.ncols(), |i, j| if inside(i, j) { to_e[(i, j)] } else { R::zero() });
    let mut to_zeta = R::zero();
    for (i, j) in (0..m.nrows()).flat_map(|i| (0..m.ncols()).map(move |j| (i, j))).filter(|&(i, j)| !inside(i, j)) {
        let slope = to_e[(i, j)];
        to_zeta = if difference[(i, j)] < R::zero() { to_zeta + slope } else { to_zeta - slope };
    }
    Gradients {
        factors: Pair {
            left: to_left + own_left + &e * &slope_right + &to_x * right,
            right: to_right + own_right + e.transpose() * &slope_left + to_x.transpose() * left,
        },
        m: scaled(&to_x, -R::one()),
        zeta: to_zeta,
        eta: eta_left + eta_right,
    }
}

fn inner_product<R: Real>(x: &Mat<R>, y: &Mat<R>) -> R {
    row_major(x).into_iter().zip(row_major(y)).fold(R::zero(), |sum, (x, y)| sum + x * y)
}

fn outcome<R>(
    rows: usize,
    cols: usize,
    [l, s]: [Vec<R>; 2],
    layers: i32,
    status: Status,
    decisions: Vec<Decision>,
    scale: f64,
) -> Outcome<R> {
    let real =
        |name, values| Output { name, shape: vec![rows, cols], values: Values::Real(values), scale, free: false };
    let count =
        Output { name: OUTPUTS[2], shape: vec![], values: Values::Index(vec![layers]), scale: 0.0, free: false };
    Outcome { outputs: vec![real(OUTPUTS[0], l), real(OUTPUTS[1], s), count], status: status.0, decisions }
}

/// The largest power of two that is at most x > 0, 1 for 0 and subnormal numbers.
fn power_of_two<R: Real>(x: R) -> R {
    match f64::from_bits(x.to_f64().to_bits() & 0x7ff0_0000_0000_0000) {
        power if power > 0.0 && power.is_finite() => R::from_f64(power),
        _ => R::one(),
    }
}

fn largest<R: Real>(x: &Mat<R>) -> R {
    row_major(x).into_iter().fold(R::zero(), |most, x| most.max(x.abs()))
}

/// The matrix of a host array.
pub fn matrix<R: Real>(array: &HostArray) -> Mat<R> {
    let (values, cols) = (array.to_f64(), array.shape()[1]);
    Mat::from_fn(array.shape()[0], cols, |i, j| R::from_f64(values[i * cols + j]))
}

fn vector<R: Real>(array: &HostArray) -> Vec<R> {
    array.to_f64().into_iter().map(R::from_f64).collect()
}

/// The elements, row by row.
pub fn row_major<R: Real>(x: &Mat<R>) -> Vec<R> {
    (0..x.nrows()).flat_map(|i| (0..x.ncols()).map(move |j| x[(i, j)])).collect()
}
