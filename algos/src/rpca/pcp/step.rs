//! One iteration of each method, as a function: differentiable in everything, also where singular values are equal.

use tandem_compile::{Tensor, tree};
use tandem_linalg::spectral::{Route, thresholded};

/// Every element moved by t towards zero, and zero if it is closer: sign(x) max(|x| - t, 0).
///
/// x: any shape, f32 or f64; t: not negative, of a shape that broadcasts. Exact up to the one rounding of the difference. The
/// derivative is that by x where |x| > t, and 0 elsewhere.
///
/// ```
/// use tandem_algos::rpca::pcp::soft;
/// use tandem_compile::{Tensor, jit};
///
/// let y: Vec<f64> = jit(|(x, t): (Tensor, Tensor)| soft(&x, &t)).call((&vec![3.0, -0.5, -2.0], 1.0))?;
/// assert_eq!(y, [2.0, 0.0, -1.0]);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn soft(x: &Tensor, t: &Tensor) -> Tensor {
    // NaN is on neither side and passes by the difference.
    let beyond = x.lt(0.0).select(x + t, x - t);
    x.abs().le(t).select(0.0, beyond)
}

/// What inexact ALM carries from one iteration to the next, beside its penalty.
#[derive(Debug, Clone)]
pub struct IalmState {
    /// The part of low rank, `[m, n]`.
    pub l: Tensor,
    /// The multiplier, `[m, n]`.
    pub y: Tensor,
}
tree!(IalmState { l, y });

/// What ADMM carries from one iteration to the next.
#[derive(Debug, Clone)]
pub struct AdmmState {
    /// The sparse part, `[m, n]`.
    pub s: Tensor,
    /// The multiplier, `[m, n]`.
    pub y: Tensor,
}
tree!(AdmmState { s, y });

/// What one iteration finds beside its next state.
pub(super) struct Found {
    /// L, `[m, n]`.
    pub l: Tensor,
    /// S, `[m, n]`.
    pub s: Tensor,
    /// M - L - S, `[m, n]`.
    pub left: Tensor,
    /// The singular values above 1 / mu, i32.
    pub rank: Tensor,
}

/// One iteration of inexact ALM on `m` (`[m, n]`): S, then L, then Y. The next state, and S.
///
/// `weight`: lambda, a number `[]` or one per element `[m, n]` (zero for a missing one); `mu`: the penalty, a number `[]`, in
/// inverse units of `m`. All are of one dtype, and all may be traced and differentiated.
#[track_caller]
pub fn ialm_step(m: &Tensor, weight: &Tensor, state: &IalmState, mu: &Tensor, route: Route) -> (IalmState, Tensor) {
    let (state, found) = ialm(m, weight, state, mu, route);
    (state, found.s)
}

pub(super) fn ialm(m: &Tensor, weight: &Tensor, state: &IalmState, mu: &Tensor, route: Route) -> (IalmState, Found) {
    let pull = &state.y / mu;
    let s = soft(&(m - &state.l + &pull), &(weight / mu));
    let (l, rank) = thresholded(&(m - &s + pull), &(1.0 / mu), route);
    let left = m - &l - &s;
    let y = &state.y + mu * &left;
    (IalmState { l: l.clone(), y }, Found { l, s, left, rank })
}

/// One iteration of ADMM on `m` (`[m, n]`): L, then S, then Y. The next state, and L. Arguments as in [`ialm_step`].
#[track_caller]
pub fn admm_step(m: &Tensor, weight: &Tensor, state: &AdmmState, mu: &Tensor, route: Route) -> (AdmmState, Tensor) {
    let (state, found) = admm(m, weight, state, mu, route);
    (state, found.l)
}

pub(super) fn admm(m: &Tensor, weight: &Tensor, state: &AdmmState, mu: &Tensor, route: Route) -> (AdmmState, Found) {
    let pull = &state.y / mu;
    let (l, rank) = thresholded(&(m - &state.s + &pull), &(1.0 / mu), route);
    let s = soft(&(m - &l + pull), &(weight / mu));
    let left = m - &l - &s;
    let y = &state.y + mu * &left;
    (AdmmState { s: s.clone(), y }, Found { l, s, left, rank })
}
