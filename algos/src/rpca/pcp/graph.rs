//! Principal component pursuit as a traced program: one `while` on the device. M is scaled by a power of two, exactly.

use tandem_compile::{Tensor, number, scalar, tree, while_loop, zeros};
use tandem_linalg::eigvalsh;
use tandem_linalg::scale::{max_abs, power_of_two, sum_of_squares};
use tandem_verify::status::Status;

use super::step::{AdmmState, Found, IalmState, admm, ialm};
use super::{Pcp, Solver};

/// The traced outputs of [`Pcp::trace`].
#[derive(Debug, Clone)]
pub struct Separation {
    /// L, `[m, n]`, of low rank.
    pub l: Tensor,
    /// S, `[m, n]`, with exact zeros; zero where an element is missing.
    pub s: Tensor,
    /// The multiplier Y, `[m, n]`: what [`certificate`](super::certificate()) makes a bound of, and a later run starts from.
    pub y: Tensor,
    /// The rank of L, i32: how many singular values were above the last threshold.
    pub rank: Tensor,
    /// The number of iterations run, i32.
    pub iterations: Tensor,
    /// ||M - L - S||_F / ||M||_F of the last iteration, a scalar. With missing elements, those count too, before S is set to
    /// zero there.
    pub residual: Tensor,
    /// The bits of [`Status`], i32.
    pub status: Tensor,
}

impl Separation {
    /// What users are given, in the order in which it is listed, the status last.
    pub fn into_vec(self) -> Vec<Tensor> {
        vec![self.l, self.s, self.rank, self.iterations, self.residual, self.status]
    }
}

/// Where to start from: the result of an earlier run, say of the frames up to now.
#[derive(Debug, Clone)]
pub struct Start {
    /// L, `[m, n]`, which inexact ALM starts from.
    pub l: Tensor,
    /// S, `[m, n]`, which ADMM starts from.
    pub s: Tensor,
    /// Y, `[m, n]`.
    pub y: Tensor,
}
tree!(Start { l, s, y });

impl From<Separation> for Start {
    fn from(found: Separation) -> Self {
        Self { l: found.l, s: found.s, y: found.y }
    }
}

/// What the loop carries.
#[derive(Clone)]
struct State {
    it: Tensor,
    l: Tensor,
    s: Tensor,
    y: Tensor,
    mu: Tensor,
    rank: Tensor,
    residual: Tensor,
    change: Tensor,
}
tree!(State { it, l, s, y, mu, rank, residual, change });

/// A problem in units of the data.
pub(super) struct Scaled {
    /// M, zero where an element is missing.
    pub m: Tensor,
    /// lambda, of each element where some are missing.
    pub weight: Tensor,
    /// ||M||_F, and 1 where that is zero.
    pub norm: Tensor,
    /// Where an element is observed, if some are missing.
    pub seen: Option<Tensor>,
}

impl Scaled {
    /// The problem of `m`, which is in the units that it should have.
    pub(super) fn new(pcp: &Pcp, m: &Tensor, seen: Option<Tensor>) -> Self {
        let lambda = number(pcp.weight(m.dim(0), m.dim(1)), m.dtype());
        let weight = seen.as_ref().map_or(lambda.clone(), |seen| seen.select(&lambda, 0.0));
        let norm = sum_of_squares(m).sqrt();
        Self { weight, norm: norm.eq(0.0).select(1.0, norm), m: m.clone(), seen }
    }

    /// The first penalty of the method, in inverse units of M, and the first Y.
    pub(super) fn first(&self, pcp: &Pcp, lambda: &Tensor) -> (Tensor, Tensor) {
        let or_one = |x: Tensor| x.eq(0.0).select(1.0, &x);
        let dtype = self.m.dtype();
        match pcp.solver {
            Solver::Ialm => {
                let norm = or_one(spectral_norm(&self.m));
                let largest = max_abs(&self.m) / lambda;
                let larger = norm.lt(&largest).select(&largest, &norm);
                (1.25 * pcp.penalty / norm, &self.m / larger)
            }
            Solver::Admm => {
                let count = match &self.seen {
                    Some(seen) => seen.convert(dtype).sum_axes([0]).sum(),
                    None => number((self.m.dim(0) * self.m.dim(1)) as f64, dtype),
                };
                let sum = or_one(self.m.abs().sum_axes([0]).sum());
                (count * (0.25 * pcp.penalty) / sum, zeros(self.m.shape(), dtype))
            }
        }
    }
}

/// The largest singular value, from the eigenvalues of the smaller Gram matrix: exact to a few u.
pub(super) fn spectral_norm(x: &Tensor) -> Tensor {
    let inner = if x.dim(0) < x.dim(1) { 1 } else { 0 };
    let largest = eigvalsh(&x.contract(x, inner, inner)).at_index(0, -1);
    largest.lt(0.0).select(0.0, &largest).sqrt()
}

impl Pcp {
    /// What the penalty does not exceed, as a multiple of the first.
    pub(super) const LARGEST_PENALTY: f64 = 1e7;

    /// Traces the separation of `m` (`[m, n]`, f32 or f64), of which only the elements with a `mask` (`[m, n]`, the same dtype) that
    /// is not zero are observed. The parameters must have passed [`Pcp::check`].
    #[track_caller]
    pub fn trace(&self, m: &Tensor, mask: Option<&Tensor>) -> Separation {
        self.run(m, mask, None)
    }

    /// [`Pcp::trace`], starting from an earlier result.
    #[track_caller]
    pub fn trace_from(&self, m: &Tensor, mask: Option<&Tensor>, start: &Start) -> Separation {
        self.run(m, mask, Some(start))
    }

    #[track_caller]
    fn run(&self, m: &Tensor, mask: Option<&Tensor>, start: Option<&Start>) -> Separation {
        let seen = mask.map(|mask| mask.ne(0.0));
        let m = seen.as_ref().map_or(m.clone(), |seen| seen.select(m, 0.0));
        let most = max_abs(&m);
        let unit = power_of_two(&most);
        let start = start.map(|start| Start { l: &start.l / &unit, s: &start.s / &unit, y: start.y.clone() });
        let mut finite = most.is_finite();
        let given = start.iter().flat_map(|start| [&start.l, &start.s, &start.y]).chain(mask);
        for x in given {
            finite = finite & max_abs(x).is_finite();
        }
        let last = self.iterate(&Scaled::new(self, &(&m / &unit), seen.clone()), start, &most.eq(0.0));
        self.finish(last, &finite, &most, seen.as_ref())
    }

    fn iterate(&self, problem: &Scaled, start: Option<Start>, zero: &Tensor) -> State {
        let (m, dtype) = (&problem.m, problem.m.dtype());
        let lambda = number(self.weight(m.dim(0), m.dim(1)), dtype);
        let (mu, y) = problem.first(self, &lambda);
        let nothing = zeros(m.shape(), dtype);
        let start = start.unwrap_or(Start { l: nothing.clone(), s: nothing, y });
        // Of a zero matrix everything is known.
        let far = zero.select(0.0, number(f64::INFINITY, dtype));
        let init = State {
            it: scalar(0i32),
            l: start.l,
            s: start.s,
            y: start.y,
            mu: mu.clone(),
            rank: scalar(0i32),
            residual: far.clone(),
            change: far,
        };
        let tol = self.tolerance(dtype);
        let limit = &mu * Self::LARGEST_PENALTY;
        while_loop(
            init,
            // NaN is not above the tolerance, and stops.
            |state| {
                let open = match self.solver {
                    Solver::Ialm => state.residual.gt(tol),
                    Solver::Admm => state.residual.gt(tol) | state.change.gt(tol),
                };
                open & state.it.lt(self.max_iters as i32)
            },
            |state| self.step(problem, state, &limit),
        )
    }

    fn step(&self, Scaled { m, weight, norm, .. }: &Scaled, state: State, limit: &Tensor) -> State {
        let size = |x: &Tensor| sum_of_squares(x).sqrt() / norm;
        let State { it, l, s, y, mu, change, .. } = state;
        let (y, Found { l, s, left, rank }, change, next) = match self.solver {
            Solver::Ialm => {
                let (state, found) = ialm(m, weight, &IalmState { l, y }, &mu, self.route);
                let grown = &mu * self.growth;
                (state.y, found, change, grown.gt(limit).select(limit, grown))
            }
            Solver::Admm => {
                let before = s.clone();
                let (state, found) = admm(m, weight, &AdmmState { s, y }, &mu, self.route);
                let change = size(&(&found.s - before));
                (state.y, found, change, mu.clone())
            }
        };
        State { it: it + 1, residual: size(&left), l, s, y, mu: next, rank, change }
    }

    fn finish(&self, last: State, finite: &Tensor, most: &Tensor, seen: Option<&Tensor>) -> Separation {
        let nan = number(f64::NAN, most.dtype());
        let unit = power_of_two(most);
        let (l, s) = (last.l * &unit, last.s * &unit);
        let s = seen.map_or(s.clone(), |seen| seen.select(&s, 0.0));
        let tol = self.tolerance(most.dtype());
        let met = match self.solver {
            Solver::Ialm => last.residual.le(tol),
            Solver::Admm => last.residual.le(tol) & last.change.le(tol),
        };
        let sound = max_abs(&l).is_finite() & max_abs(&s).is_finite() & last.residual.is_finite();
        let status = Status::traced(
            finite,
            &[(Status::NOT_CONVERGED, &!met), (Status::DEGENERATE, &most.eq(0.0)), (Status::BREAKDOWN, &!sound)],
        );
        Separation {
            l: finite.select(l, &nan),
            s: finite.select(s, &nan),
            y: finite.select(last.y, &nan),
            rank: finite.select(&last.rank, 0),
            iterations: finite.select(&last.it, 0),
            residual: finite.select(&last.residual, &nan),
            status,
        }
    }
}
