//! How far a separation is at most from the optimum: weak duality.

use tandem_compile::{Tensor, number, tree};
use tandem_linalg::scale::{max_abs, power_of_two};
use tandem_linalg::svdvals;

use super::graph::spectral_norm;

/// An objective that is reached, and one that cannot be fallen short of.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// ||L||_* + lambda ||M - L||_1, in the units of M: the objective of L and the S that fits it exactly.
    pub primal: Tensor,
    /// <Y, M> for the Y that is scaled to be feasible, at least 0: no separation has a smaller objective.
    pub dual: Tensor,
    /// (primal - dual) / primal, 0 where both are zero: the objective is at most this part above the smallest. Rounding of the
    /// two can leave a few u sqrt(m n) below zero.
    pub gap: Tensor,
}
tree!(Certificate { primal, dual, gap });

/// Bounds the objective of L from both sides.
///
/// m, l, y: `[m, n]`, f32 or f64; mask as in [`Pcp::trace`](super::Pcp::trace); lambda: a number `[]`. Any Y gives a true bound, for it is
/// divided by max(||Y||_2, ||Y||_inf / lambda) first; the multiplier of ADMM gives a gap that goes to zero. S does not
/// matter: the S that counts is M - L, with whatever is left of the residual.
///
/// ```
/// use ndarray::{Array2, array};
/// use tandem_algos::rpca::pcp::{Pcp, Solver, certificate};
/// use tandem_compile::{Tensor, full, jit};
///
/// let m = Array2::from_shape_fn((6, 6), |(i, j)| if i == j { 1.0 } else { 0.0 });
/// let bounded = jit(|m: Tensor| {
///     let pcp = Pcp::new().solver(Solver::Admm);
///     let found = pcp.trace(&m, None);
///     let bound = certificate(&m, None, &found.l, &found.y, &full([], pcp.weight(6, 6), m.dtype()));
///     (bound.primal, bound.gap)
/// });
/// // The identity is sparse: lambda n = sqrt(n), where its nuclear norm is n.
/// let (primal, gap): (f64, f64) = bounded.call(&m)?;
/// assert!((primal - 6f64.sqrt()).abs() < 1e-6 && gap.abs() < 1e-6);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn certificate(m: &Tensor, mask: Option<&Tensor>, l: &Tensor, y: &Tensor, lambda: &Tensor) -> Certificate {
    let observed = |x: &Tensor| mask.map_or(x.clone(), |mask| mask.ne(0.0).select(x, 0.0));
    // In units that keep the sums in range.
    let m = observed(m);
    let unit = power_of_two(&max_abs(&m));
    let (m, l, y) = (m / &unit, l / &unit, observed(y));
    let sum = |x: &Tensor| x.sum_axes([0]).sum();
    let primal = svdvals(&l).sum() + lambda * sum(&observed(&(&m - &l)).abs());
    let (norm, largest) = (spectral_norm(&y), max_abs(&y) / lambda);
    let scale = norm.lt(&largest).select(&largest, &norm);
    let scale = scale.eq(0.0).select(1.0, &scale);
    let bound = sum(&(y * m)) / scale;
    let dual = bound.lt(0.0).select(0.0, &bound);
    let one = number(1.0, primal.dtype());
    let gap = (&primal - &dual) / primal.eq(0.0).select(&one, &primal);
    Certificate { primal: primal * &unit, dual: dual * unit, gap }
}
