//! A fixed number of iterations as the layers of a network, whose penalties and weights may be learned.

use tandem_compile::{Tensor, fori_loop, number, scan, tree, zeros};

use super::graph::Scaled;
use super::step::{AdmmState, IalmState, admm, ialm};
use super::{Pcp, Solver};

/// The parameters of every layer.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// The penalties, `[layers]`, in inverse units of the data: a layer cuts singular values at 1 / mu.
    pub mu: Tensor,
    /// The weights of the sparse part, `[layers]`: a layer cuts elements at lambda / mu.
    pub lambda: Tensor,
}
tree!(Schedule { mu, lambda });

/// What the last layer gives.
#[derive(Debug, Clone)]
pub struct Layers {
    /// L, `[m, n]`.
    pub l: Tensor,
    /// S, `[m, n]`; zero where an element is missing.
    pub s: Tensor,
    /// The multiplier, `[m, n]`.
    pub y: Tensor,
}
tree!(Layers { l, s, y });

/// So many iterations of a method without a stop, as one `scan`: differentiable in the data and in the [`Schedule`], in either
/// mode, and never NaN because singular values are equal.
///
/// With the schedule of [`Unrolled::classical`] the layers are the iterations of [`Pcp::trace`].
///
/// ```
/// use ndarray::Array2;
/// use tandem_algos::rpca::pcp::{Pcp, Schedule};
/// use tandem_compile::{Tensor, jit, value_and_grad};
///
/// // How the error of three layers changes with each layer's parameters.
/// let net = Pcp::new().unrolled(3);
/// let step = jit(|(m, truth): (Tensor, Tensor)| {
///     let schedule = net.classical(&m, None);
///     let loss = |schedule: Schedule| (net.trace(&m, None, &schedule).l - &truth).square().sum();
///     let (loss, slope) = value_and_grad(loss)(schedule);
///     (loss, slope.mu, slope.lambda)
/// });
/// let truth = Array2::from_elem((5, 4), 1.0);
/// let mut m = truth.clone();
/// m[[1, 2]] = 9.0;
/// let (loss, mu, lambda): (f64, Vec<f64>, Vec<f64>) = step.call((&m, &truth))?;
/// assert!(loss.is_finite() && mu.len() == 3 && lambda.iter().all(|slope| slope.is_finite()));
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unrolled {
    /// The method and its parameters; its tolerance and iteration limit do not matter.
    pub pcp: Pcp,
    /// The number of layers, at least 1.
    pub layers: usize,
}

impl Pcp {
    /// The method's iterations as this many layers.
    pub fn unrolled(self, layers: usize) -> Unrolled {
        Unrolled { pcp: self, layers }
    }
}

impl Unrolled {
    /// The parameters of the iterations: mu = min(first growth^t, 1e7 first) by inexact ALM, mu = first by ADMM, and one lambda.
    #[track_caller]
    pub fn classical(&self, m: &Tensor, mask: Option<&Tensor>) -> Schedule {
        let (problem, lambda) = self.problem(m, mask);
        let (first, _) = problem.first(&self.pcp, &lambda);
        let lambda = lambda.broadcast_to([self.layers]);
        if self.pcp.solver == Solver::Admm {
            return Schedule { mu: first.broadcast_to([self.layers]), lambda };
        }
        let limit = &first * Pcp::LARGEST_PENALTY;
        let start = (first, zeros([self.layers], m.dtype()));
        // As the iteration multiplies it, to the last bit.
        let (_, mu) = fori_loop(0, self.layers as i32, start, |layer, (mu, all)| {
            let grown = &mu * self.pcp.growth;
            (grown.gt(&limit).select(&limit, grown), all.dynamic_update_slice(&mu.reshape([1]), &[&layer]))
        });
        Schedule { mu, lambda }
    }

    /// The layers on `m` (`[m, n]`, f32 or f64), of which the elements with a `mask` that is not zero are observed.
    ///
    /// The data is not scaled: its squares and those of the penalties must be in range.
    #[track_caller]
    pub fn trace(&self, m: &Tensor, mask: Option<&Tensor>, schedule: &Schedule) -> Layers {
        let (problem, _) = self.problem(m, mask);
        let (m, seen, route) = (&problem.m, &problem.seen, self.pcp.route);
        let nothing = zeros(m.shape(), m.dtype());
        let start = match self.pcp.solver {
            Solver::Ialm => problem.first(&self.pcp, &schedule.lambda.at_index(0, 0)).1,
            Solver::Admm => nothing.clone(),
        };
        let weight = |lambda: &Tensor| seen.as_ref().map_or(lambda.clone(), |seen| seen.select(lambda, 0.0));
        let init = Layers { l: nothing.clone(), s: nothing, y: start };
        let layers = (schedule.mu.clone(), schedule.lambda.clone());
        let (last, ()) = scan(init, layers, |Layers { l, s, y }, (mu, lambda)| {
            let found = match self.pcp.solver {
                Solver::Ialm => {
                    let (state, found) = ialm(m, &weight(&lambda), &IalmState { l, y }, &mu, route);
                    Layers { l: found.l, s: found.s, y: state.y }
                }
                Solver::Admm => {
                    let (state, found) = admm(m, &weight(&lambda), &AdmmState { s, y }, &mu, route);
                    Layers { l: found.l, s: found.s, y: state.y }
                }
            };
            (found, ())
        });
        let s = seen.as_ref().map_or(last.s.clone(), |seen| seen.select(&last.s, 0.0));
        Layers { s, ..last }
    }

    fn problem(&self, m: &Tensor, mask: Option<&Tensor>) -> (Scaled, Tensor) {
        let seen = mask.map(|mask| mask.ne(0.0));
        let m = seen.as_ref().map_or(m.clone(), |seen| seen.select(m, 0.0));
        let lambda = number(self.pcp.weight(m.dim(0), m.dim(1)), m.dtype());
        (Scaled::new(&self.pcp, &m, seen), lambda)
    }
}
