//! Both on faer, from their definitions: projections onto matrices of low rank by a decomposition of the whole matrix, also
//! after the projection onto the tangent space, which is written out.

use faer::Mat;
use tandem_compile::HostArray;
use tandem_verify::status::Status;
use tandem_verify::{Decision, Outcome, Output, Real, Values};

use super::subject::OUTPUTS;
use super::{AccAltProj, AltProj};
use crate::rpca::matrix::{Svd, is_finite, largest, map, matrix, norm, power_of_two, row_major, stops};

/// L, S and how they came about.
struct Found<R> {
    l: Mat<R>,
    s: Mat<R>,
    iterations: usize,
    residual: R,
    met: bool,
    deficient: bool,
}

/// The accelerated iteration on `m` (`[m, n]`), with decisions as in arithmetic of unit roundoff `u`.
pub fn accelerated<R: Real>(parameters: &AccAltProj, m: &HostArray, u: f64) -> Outcome<R> {
    run(m, u, |run: &mut Run<R>| run.accelerated(parameters))
}

/// The iteration in stages, likewise.
pub fn staged<R: Real>(parameters: &AltProj, m: &HostArray, u: f64) -> Outcome<R> {
    run(m, u, |run: &mut Run<R>| run.staged(parameters))
}

struct Run<R> {
    /// M in units of its own.
    m: Mat<R>,
    size: R,
    u: f64,
    decisions: Vec<Decision>,
}

fn run<R: Real>(array: &HostArray, u: f64, iterate: impl FnOnce(&mut Run<R>) -> Option<Found<R>>) -> Outcome<R> {
    let (rows, cols) = (array.shape()[0], array.shape()[1]);
    let m: Mat<R> = matrix(array);
    let unit = power_of_two(largest(&m));
    let known = is_finite(&m);
    let m = map(&m, |x| x / unit);
    let mut run = Run { size: norm(&m), m, u, decisions: Vec::new() };
    let zero = known && run.size == R::zero();
    let found = match zero {
        true => {
            let nothing = Mat::zeros(rows, cols);
            let (l, s) = (nothing.clone(), nothing);
            Some(Found { l, s, iterations: 0, residual: R::zero(), met: true, deficient: false })
        }
        false => known.then(|| iterate(&mut run)).flatten(),
    };
    let Some(Found { l, s, iterations, residual, met, deficient }) = found else {
        let nan = |len: usize| vec![R::from_f64(f64::NAN); len];
        return outcome((rows, cols), [nan(rows * cols), nan(rows * cols), nan(1)], 0, Status::NONFINITE_INPUT, vec![]);
    };
    let (l, s) = (map(&l, |x| x * unit), map(&s, |x| x * unit));
    let sound = is_finite(&l) && is_finite(&s) && residual.to_f64().is_finite();
    let status = Status::default()
        .with(Status::NOT_CONVERGED, !met)
        .with(Status::RANK_DEFICIENT, deficient)
        .with(Status::DEGENERATE, zero)
        .with(Status::BREAKDOWN, !sound);
    let values = [row_major(&l), row_major(&s), vec![residual]];
    outcome((rows, cols), values, iterations, status, run.decisions)
}

fn outcome<R>(
    (rows, cols): (usize, usize),
    [l, s, residual]: [Vec<R>; 3],
    iterations: usize,
    status: Status,
    decisions: Vec<Decision>,
) -> Outcome<R> {
    let whole = vec![rows, cols];
    let parts = [
        (whole.clone(), Values::Real(l), 0.0),
        (whole, Values::Real(s), 0.0),
        (vec![], Values::Index(vec![iterations as i32]), 0.0),
        // A small difference of numbers of size 1.
        (vec![], Values::Real(residual), 1.0),
    ];
    let output = |(name, (shape, values, scale))| Output { name, shape, values, scale, free: false };
    Outcome { outputs: OUTPUTS.into_iter().zip(parts).map(output).collect(), status: status.0, decisions }
}

impl<R: Real> Run<R> {
    /// The elements of x above z, with how close the closest one is to it.
    fn cut(&mut self, x: &Mat<R>, z: R) -> Mat<R> {
        let scale = largest(&self.m).to_f64();
        let (mut margin, mut choice) = (1.0, 0u64);
        for j in 0..x.ncols() {
            for i in 0..x.nrows() {
                let size = x[(i, j)].abs();
                margin = f64::min(margin, (size - z).abs().to_f64() / scale);
                choice = choice.wrapping_mul(31).wrapping_add(u64::from(size > z) + 1);
            }
        }
        self.decisions.push(Decision { kind: "cut", margin, choice });
        map(x, |x| if x.abs() > z { x } else { R::zero() })
    }

    /// The nearest matrix of rank r and the singular values, with how well it is determined.
    fn project(&mut self, x: &Mat<R>, r: usize) -> Option<(Svd<R>, Mat<R>)> {
        let svd = Svd::of(x)?;
        let sigma = |i: usize| svd.sigma.get(i).map_or(0.0, |s| s.to_f64());
        let margin = if sigma(0) == 0.0 { 1.0 } else { (sigma(r - 1) - sigma(r)) / sigma(0) };
        self.decisions.push(Decision { kind: "gap", margin, choice: 0 });
        let l = svd.weighted(&svd.sigma[..r]);
        Some((svd, l))
    }

    /// ||M - L - S||_F / ||M||_F.
    fn residual(&mut self, l: &Mat<R>, s: &Mat<R>, tol: f64) -> R {
        let residual = norm(&(&self.m - l - s)) / self.size;
        self.decisions.push(stops(residual, tol));
        residual
    }

    fn deficient(&mut self, own: R, top: R) -> bool {
        let size = self.m.nrows().max(self.m.ncols()) as f64;
        let limit = 8.0 * self.u * size * top.to_f64();
        let margin = if top == R::zero() { 1.0 } else { (own.to_f64() - limit).abs() / top.to_f64() };
        let deficient = own.to_f64() <= limit;
        self.decisions.push(Decision { kind: "rank", margin, choice: u64::from(deficient) });
        deficient
    }

    fn accelerated(&mut self, parameters: &AccAltProj) -> Option<Found<R>> {
        let r = parameters.rank;
        let b = R::from_f64(parameters.weight(self.m.nrows(), self.m.ncols()));
        let m = self.m.clone();
        let top = Svd::of(&m)?.sigma[0];
        let start = self.cut(&m, top * b * R::from_f64(parameters.first));
        let (mut svd, mut l) = self.project(&(&m - start), r)?;
        let mut s = self.cut(&(&m - &l), svd.sigma[0] * b);
        let (mut iterations, mut fall, mut residual) = (0, R::one(), R::infinity());
        let mut met = false;
        while iterations < parameters.max_iters && !met {
            iterations += 1;
            fall = fall * R::from_f64(parameters.gamma);
            let (u, v) = match parameters.trim {
                Some(trim) => trimmed(&svd, r, trim)?,
                None => (columns(&svd.u, r), columns(&svd.v, r)),
            };
            // P_T(Z) = UU'Z + ZVV' - UU'ZVV'.
            let z = &m - &s;
            let on_u = &u * (u.transpose() * &z);
            let tangent = &on_u + (&z - &on_u) * &v * v.transpose();
            (svd, l) = self.project(&tangent, r)?;
            let next = svd.sigma.get(r).copied().unwrap_or(R::zero());
            s = self.cut(&(&m - &l), b * (next + fall * svd.sigma[0]));
            residual = self.residual(&l, &s, parameters.tol);
            met = residual.to_f64() <= parameters.tol;
        }
        let deficient = self.deficient(svd.sigma[r - 1], svd.sigma[0]);
        Some(Found { l, s, iterations, residual, met, deficient })
    }

    fn staged(&mut self, parameters: &AltProj) -> Option<Found<R>> {
        let (rows, cols) = (self.m.nrows(), self.m.ncols());
        let b = R::from_f64(parameters.weight(rows, cols));
        let m = self.m.clone();
        let top = Svd::of(&m)?.sigma[0];
        let mut s = self.cut(&m, b * top);
        let mut iterations = 0;
        let mut j = 1;
        loop {
            let (mut t, mut power) = (0, R::one());
            let (l, residual, own, next, first) = loop {
                let (svd, l) = self.project(&(&m - &s), j)?;
                let (own, next) = (svd.sigma[j - 1], svd.sigma.get(j).copied().unwrap_or(R::zero()));
                s = self.cut(&(&m - &l), b * (next + power * own));
                let residual = self.residual(&l, &s, parameters.tol);
                iterations += 1;
                t += 1;
                power = power / R::from_f64(2.0);
                if residual.to_f64() <= parameters.tol || t == parameters.stage_iters {
                    break (l, residual, own, next, svd.sigma[0]);
                }
            };
            let reach = (next * b / self.size).to_f64();
            let limit = parameters.tol / (2.0 * rows.max(cols) as f64);
            if j < parameters.rank {
                let margin = if reach > 0.0 && limit > 0.0 { (reach / limit).ln().abs().min(1.0) } else { 1.0 };
                self.decisions.push(Decision { kind: "stage", margin, choice: u64::from(reach <= limit) });
            }
            if j == parameters.rank || reach <= limit {
                let met = residual.to_f64() <= parameters.tol;
                let deficient = self.deficient(own, first);
                return Some(Found { l, s, iterations, residual, met, deficient });
            }
            j += 1;
        }
    }
}

fn columns<R: Real>(x: &Mat<R>, r: usize) -> Mat<R> {
    x.subcols(0, r).to_owned()
}

/// The singular vectors of L with the rows of U and V cut to the length that the incoherence allows.
fn trimmed<R: Real>(svd: &Svd<R>, r: usize, trim: f64) -> Option<(Mat<R>, Mat<R>)> {
    let short = |x: &Mat<R>| {
        let most = R::from_f64((trim * r as f64 / x.nrows() as f64).sqrt());
        let length = |i: usize| (0..r).fold(R::zero(), |sum, j| sum + x[(i, j)] * x[(i, j)]).sqrt();
        let factors: Vec<R> =
            (0..x.nrows()).map(|i| if length(i) > most { most / length(i) } else { R::one() }).collect();
        Mat::from_fn(x.nrows(), r, |i, j| x[(i, j)] * factors[i])
    };
    let (u, v) = (short(&svd.u), short(&svd.v));
    let cut = Svd::of(&(Mat::from_fn(u.nrows(), r, |i, j| u[(i, j)] * svd.sigma[j]) * v.transpose()))?;
    Some((columns(&cut.u, r), columns(&cut.v, r)))
}
