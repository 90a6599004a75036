//! Both methods on faer, as the papers write them: every thresholding of singular values by a decomposition, every one of elements
//! as what a projection onto a box leaves.

use faer::Mat;
use tandem_compile::{DType, HostArray};
use tandem_verify::status::Status;
use tandem_verify::{Decision, Outcome, Output, Real, Values};

use super::subject::OUTPUTS;
use super::{Pcp, Solver};
use crate::rpca::matrix::{
    Svd, is_finite, largest, map, matrix, norm, power_of_two, row_major, stops, sum_of_magnitudes,
};

/// The separation of `m` (`[m, n]`), of which only elements with a `mask` that is not zero are observed.
pub fn separate<R: Real>(pcp: &Pcp, m: &HostArray, mask: Option<&HostArray>) -> Outcome<R> {
    let (rows, cols) = (m.shape()[0], m.shape()[1]);
    let mask = mask.map(HostArray::to_f64);
    let seen = |i: usize, j: usize| mask.as_ref().is_none_or(|mask| mask[i * cols + j] != 0.0);
    let all: Mat<R> = matrix(m);
    let m_seen = Mat::from_fn(rows, cols, |i, j| if seen(i, j) { all[(i, j)] } else { R::zero() });
    let known = is_finite(&m_seen) && mask.iter().flatten().all(|x| x.is_finite());
    let run = known.then(|| Run::new(pcp, m.dtype(), &m_seen, &seen).finish()).flatten();
    run.unwrap_or_else(|| {
        let nan = |len: usize| Values::Real(vec![R::from_f64(f64::NAN); len]);
        let values = [nan(rows * cols), nan(rows * cols), nan(rows * cols), nan(1), nan(1)];
        outcome((rows, cols), values, (0, 0), Status::NONFINITE_INPUT, Vec::new())
    })
}

/// l, s, y, residual, gap; rank and iterations.
fn outcome<R>(
    (rows, cols): (usize, usize),
    [l, s, y, residual, gap]: [Values<R>; 5],
    (rank, iterations): (usize, usize),
    status: Status,
    decisions: Vec<Decision>,
) -> Outcome<R> {
    let index = |x: usize| Values::Index(vec![x as i32]);
    let whole = vec![rows, cols];
    let parts = [
        (whole.clone(), l, 0.0),
        (whole.clone(), s, 0.0),
        (vec![], index(rank), 0.0),
        (vec![], index(iterations), 0.0),
        // Both are small differences of numbers of size 1.
        (vec![], residual, 1.0),
        (vec![], gap, 1.0),
        (whole, y, 0.0),
    ];
    let output = |(name, (shape, values, scale))| Output { name, shape, values, scale, free: false };
    Outcome { outputs: OUTPUTS.into_iter().zip(parts).map(output).collect(), status: status.0, decisions }
}

struct Run<'a, R: Real> {
    pcp: &'a Pcp,
    dtype: DType,
    /// M in units of `unit`.
    m: Mat<R>,
    unit: R,
    seen: &'a dyn Fn(usize, usize) -> bool,
    lambda: R,
    l: Mat<R>,
    s: Mat<R>,
    y: Mat<R>,
    rank: usize,
    iterations: usize,
    residual: R,
    change: R,
    decisions: Vec<Decision>,
}

impl<'a, R: Real> Run<'a, R> {
    fn new(pcp: &'a Pcp, dtype: DType, m: &Mat<R>, seen: &'a dyn Fn(usize, usize) -> bool) -> Self {
        let unit = power_of_two(largest(m));
        let zero = Mat::zeros(m.nrows(), m.ncols());
        Self {
            pcp,
            dtype,
            m: map(m, |x| x / unit),
            unit,
            seen,
            lambda: R::from_f64(lambda(pcp, m, dtype)),
            l: zero.clone(),
            s: zero.clone(),
            y: zero,
            rank: 0,
            iterations: 0,
            residual: R::zero(),
            change: R::zero(),
            decisions: Vec::new(),
        }
    }

    fn tol(&self) -> f64 {
        // The number that the precision under test compares with.
        let tol = self.pcp.tolerance(self.dtype);
        if self.dtype == DType::F64 { tol } else { f64::from(tol as f32) }
    }

    /// `None` where a decomposition does not converge.
    fn finish(mut self) -> Option<Outcome<R>> {
        let size = norm(&self.m);
        let zero = size == R::zero();
        let met = zero || self.iterate(size)?;
        let gap = self.gap()?;
        let Self { unit, rank, iterations, residual, .. } = self;
        let (l, s) = (map(&self.l, |x| x * unit), map(&self.observed(&self.s), |x| x * unit));
        let sound = is_finite(&l) && is_finite(&s) && residual.to_f64().is_finite();
        let status = Status::default()
            .with(Status::NOT_CONVERGED, !met)
            .with(Status::DEGENERATE, zero)
            .with(Status::BREAKDOWN, !sound);
        let whole = |x: &Mat<R>| Values::Real(row_major(x));
        let number = |x: R| Values::Real(vec![x]);
        let values = [whole(&l), whole(&s), whole(&self.y), number(residual), number(gap)];
        Some(outcome((l.nrows(), l.ncols()), values, (rank, iterations), status, self.decisions))
    }

    /// Whether the tolerance was met.
    fn iterate(&mut self, size: R) -> Option<bool> {
        let top = Svd::of(&self.m)?.sigma[0];
        let scale = R::from_f64(self.pcp.penalty);
        let mut mu = match self.pcp.solver {
            Solver::Ialm => {
                let dual_norm = top.max(largest(&self.m) / self.lambda);
                self.y = map(&self.m, |x| x / dual_norm);
                R::from_f64(1.25) * scale / top
            }
            Solver::Admm => {
                let observed = (0..self.m.nrows())
                    .flat_map(|i| (0..self.m.ncols()).map(move |j| (i, j)))
                    .filter(|&(i, j)| (self.seen)(i, j))
                    .count();
                R::from_f64(observed as f64) * scale / (R::from_f64(4.0) * sum_of_magnitudes(&self.m))
            }
        };
        let most = mu * R::from_f64(1e7);
        while self.iterations < self.pcp.max_iters {
            self.iterations += 1;
            let before = self.s.clone();
            let sigma = match self.pcp.solver {
                Solver::Ialm => {
                    self.update_s(mu);
                    self.update_l(mu)?
                }
                Solver::Admm => {
                    let sigma = self.update_l(mu)?;
                    self.update_s(mu);
                    sigma
                }
            };
            let left = &self.m - &self.l - &self.s;
            self.y = &self.y + map(&left, |x| x * mu);
            self.residual = norm(&left) / size;
            self.change = norm(&(&self.s - before)) / size;
            self.decisions.push(stops(self.residual, self.tol()));
            let mut met = self.residual.to_f64() <= self.tol();
            if self.pcp.solver == Solver::Admm {
                self.decisions.push(stops(self.change, self.tol()));
                met &= self.change.to_f64() <= self.tol();
            } else {
                let tau = R::one() / mu;
                mu = mu * R::from_f64(self.pcp.growth);
                mu = if mu > most { most } else { mu };
                if met || self.iterations == self.pcp.max_iters {
                    self.note_rank(&sigma, tau);
                }
            }
            if self.pcp.solver == Solver::Admm && (met || self.iterations == self.pcp.max_iters) {
                self.note_rank(&sigma, R::one() / mu);
            }
            if met {
                return Some(true);
            }
        }
        Some(false)
    }

    /// How close the last rank was to another.
    fn note_rank(&mut self, sigma: &[R], tau: R) {
        let top = sigma[0].max(tau);
        let gaps = sigma.iter().map(|&s| ((s - tau).abs() / top).to_f64());
        let margin = gaps.fold(1.0, f64::min);
        self.decisions.push(Decision { kind: "rank", margin, choice: self.rank as u64 });
    }

    /// L from S and Y; the singular values that it was made from.
    fn update_l(&mut self, mu: R) -> Option<Vec<R>> {
        let x = &self.m - &self.s + map(&self.y, |y| y / mu);
        let svd = Svd::of(&x)?;
        let tau = R::one() / mu;
        let kept: Vec<R> = svd.sigma.iter().filter(|&&s| s > tau).map(|&s| s - tau).collect();
        self.l = svd.weighted(&kept);
        self.rank = kept.len();
        Some(svd.sigma)
    }

    /// S from L and Y: x less its projection onto [-lambda / mu, lambda / mu], and x itself where M is not known.
    fn update_s(&mut self, mu: R) {
        let half = self.lambda / mu;
        let x = &self.m - &self.l + map(&self.y, |y| y / mu);
        self.s = Mat::from_fn(x.nrows(), x.ncols(), |i, j| {
            let x = x[(i, j)];
            let inside = if x > half {
                half
            } else if x < -half {
                -half
            } else {
                x
            };
            if (self.seen)(i, j) { x - inside } else { x }
        });
    }

    fn observed(&self, x: &Mat<R>) -> Mat<R> {
        Mat::from_fn(x.nrows(), x.ncols(), |i, j| if (self.seen)(i, j) { x[(i, j)] } else { R::zero() })
    }

    /// The relative duality gap of L, by Y made feasible.
    fn gap(&self) -> Option<R> {
        let y = self.observed(&self.y);
        let (nuclear, spectral) = (Svd::of(&self.l)?.sigma, Svd::of(&y)?.sigma[0]);
        let rest = sum_of_magnitudes(&self.observed(&(&self.m - &self.l)));
        let primal = nuclear.into_iter().fold(R::zero(), |sum, s| sum + s) + self.lambda * rest;
        let infeasible = spectral.max(largest(&y) / self.lambda);
        let inner = (0..y.ncols())
            .flat_map(|j| (0..y.nrows()).map(move |i| (i, j)))
            .fold(R::zero(), |sum, at| sum + y[at] * self.m[at]);
        let dual = if inner > R::zero() { inner / infeasible } else { R::zero() };
        Some(if primal == R::zero() { primal } else { (primal - dual) / primal })
    }
}

/// The weight as the precision under test holds it.
fn lambda<R: Real>(pcp: &Pcp, m: &Mat<R>, dtype: DType) -> f64 {
    let lambda = pcp.weight(m.nrows(), m.ncols());
    if dtype == DType::F64 { lambda } else { f64::from(lambda as f32) }
}
