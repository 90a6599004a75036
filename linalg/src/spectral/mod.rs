//! Functions of the singular values: Y = U h(S) V' of X = U S V'.
//!
//! Each has a derivative of its own, made from divided differences of h instead of from singular vectors: it is finite
//! where singular values are equal, and its own transpose, so that reverse mode applies the same formula. A derivative of the
//! derivative goes through that of singular vectors and asks for different singular values.

mod rule;
mod threshold;

use tandem_compile::{Tensor, kernel, number, refuse, zeros};

use crate::batch::{leading, over_leading};
use crate::operand::{all_finite, is_matrix, or_nan};
use crate::svd::svd;
use rule::{Profile, Shrink, Smooth, Truncate, spectral_rule};
pub use threshold::{Route, thresholded};

/// Singular value thresholding: U diag(max(s - tau, 0)) V', the X-like matrix Y that minimizes tau ||Y||_* + ||Y - X||_F^2 / 2.
///
/// x: `[..., m, n]`, f32 or f64, any shape; tau: a number `[]`, or one per problem `[...]`, of the same dtype; below zero it
/// counts as zero. NaN in x makes that problem's result NaN everywhere, and so does NaN in tau.
///
/// Differentiable in both, in either mode, also where singular values are equal: the derivative by tau is minus the sum of
/// u_i v_i' over the singular values above tau. At s_i = tau the value counts as below it.
///
/// J.-F. Cai, E. Candes and Z. Shen, "A singular value thresholding algorithm for matrix completion", SIAM J. Optim. 20, 2010.
///
/// ```
/// use ndarray::{Array2, array};
/// use tandem_compile::{Tensor, jit};
///
/// let shrunk = jit(|(x, tau): (Tensor, Tensor)| tandem_linalg::spectral::svt(&x, &tau));
/// let y: Array2<f64> = shrunk.call((&array![[3.0, 0.0], [0.0, -1.0]], 1.5))?;
/// assert!((&y - &array![[1.5, 0.0], [0.0, 0.0]]).iter().all(|e| e.abs() < 1e-15));
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn svt(x: &Tensor, tau: &Tensor) -> Tensor {
    if !is_matrix("spectral::svt", x) || !is_parameter("spectral::svt", "tau", x, tau) {
        return x.clone();
    }
    let tau = tau.lt(0.0).select(0.0, tau);
    applied(x, &tau, Shrink).0
}

/// The nearest matrix of rank at most r: the first r terms of the singular value decomposition.
///
/// x: `[..., m, n]`, f32 or f64; r: any number, 0 gives zeros and min(m, n) or more gives x. NaN in x makes that problem's
/// result NaN everywhere. Where s_r = s_(r+1), which of the equal ones are kept is the decomposition's choice.
///
/// Differentiable in either mode. What a tangent turns between a kept and a dropped direction is divided by the difference of
/// their singular values, which where s_r = s_(r+1) has no limit: differences below 8 max(m, n) u s_1, what rounding leaves
/// uncertain, count as that much, and the derivative stays finite. [`truncated`] also gives the gap.
///
/// ```
/// use ndarray::{Array2, array};
/// use tandem_compile::{Tensor, jit};
///
/// let first: Array2<f64> = jit(|x: Tensor| tandem_linalg::spectral::truncate(&x, 1)).call(&array![[3.0, 0.0], [0.0, -1.0]])?;
/// assert!((&first - &array![[3.0, 0.0], [0.0, 0.0]]).iter().all(|e| e.abs() < 1e-15));
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn truncate(x: &Tensor, r: usize) -> Tensor {
    if !is_matrix("spectral::truncate", x) {
        return x.clone();
    }
    if r >= width(x) {
        return over_leading(&leading(x), x.clone(), |x| or_nan(&all_finite(&x), &x));
    }
    truncated(x, r).0
}

/// [`truncate`], and how far the last kept singular value is above the first dropped one, (s_r - s_(r+1)) / s_1, `[...]`: where that
/// is not much more than max(m, n) u, the result and its derivative are not determined by x. Of r = 0 or r >= min(m, n), and of a
/// zero matrix, 1.
#[track_caller]
pub fn truncated(x: &Tensor, r: usize) -> (Tensor, Tensor) {
    if !is_matrix("spectral::truncated", x) {
        return (x.clone(), x.clone());
    }
    let (leading, dtype, r) = (leading(x), x.dtype(), r.min(width(x)));
    let (y, s) = applied(x, &zeros(leading.clone(), dtype), Truncate(r));
    let one = number(1.0, dtype);
    if r == 0 || r == width(x) {
        return (y, one.broadcast_to(leading));
    }
    let (axis, at) = (leading.len(), r as i64);
    let first = s.at_index(axis, 0);
    let nothing = first.eq(0.0);
    let gap = (s.at_index(axis, at - 1) - s.at_index(axis, at)) / nothing.select(&one, &first);
    (y, nothing.select(&one, gap))
}

/// U diag(h(s)) V' for a smooth function h with h(0) = 0.
///
/// x: `[..., m, n]`, f32 or f64; `parameter`: a number `[]`, or one per problem `[...]`, of the same dtype. `h` gets the
/// singular values `[min(m, n)]` and the parameter `[]`, works on each of them alone and gives `[min(m, n)]`; it may use no other
/// tensor. NaN in x makes that problem's result NaN everywhere.
///
/// Differentiable in x and the parameter, in either mode, also where singular values are equal: two that differ by less than
/// the cube root of u times s_1 have the mean of the two slopes of h instead of the divided difference. If h(0) is not 0, the
/// derivative is that of a matrix of full rank.
///
/// ```
/// use ndarray::{Array2, array};
/// use tandem_compile::{Tensor, jit};
///
/// // Wiener's weights, s^2 / (s^2 + noise).
/// let shrunk = jit(|(x, noise): (Tensor, Tensor)| {
///     tandem_linalg::spectral::apply(&x, &noise, |s, noise| s * s.square() / (s.square() + noise))
/// });
/// let y: Array2<f64> = shrunk.call((&array![[3.0, 0.0], [0.0, -1.0]], 1.0))?;
/// assert!((&y - &array![[2.7, 0.0], [0.0, -0.5]]).iter().all(|e| e.abs() < 1e-15));
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn apply<H>(x: &Tensor, parameter: &Tensor, h: H) -> Tensor
where
    H: Fn(&Tensor, &Tensor) -> Tensor + Clone + Send + Sync + 'static,
{
    if !is_matrix("spectral::apply", x) || !is_parameter("spectral::apply", "the parameter", x, parameter) {
        return x.clone();
    }
    applied(x, parameter, Smooth(h)).0
}

/// The function of the matrices and their singular values `[..., min(m, n)]`.
#[track_caller]
fn applied(x: &Tensor, parameter: &Tensor, profile: impl Profile) -> (Tensor, Tensor) {
    let leading = leading(x);
    let parameter = parameter.broadcast_to(leading.clone());
    over_leading(&leading, (x.clone(), parameter), |(x, parameter)| one(&x, &parameter, &profile))
}

fn one(x: &Tensor, parameter: &Tensor, profile: &impl Profile) -> (Tensor, Tensor) {
    if width(x) == 0 {
        return (x.clone(), zeros([0], x.dtype()));
    }
    type Parts = (Tensor, Tensor, Tensor, Tensor, Tensor);
    let (u, s, vh) = svd(x);
    let (f, g) = (profile.clone(), profile.clone());
    let y = kernel(
        None,
        move |(_, u, s, vh, parameter): Parts| {
            let kept = f.kept(s.dim(0));
            if kept == 0 {
                // NaN where the matrix is not finite.
                return zeros([u.dim(0), vh.dim(1)], s.dtype()) + s.sum() * 0.0;
            }
            let first = |a: &Tensor, axis: usize| a.slice(axis, 0, kept);
            let h = first(&f.values(&s, &parameter), 0);
            (first(&u, 1) * h.expand_dims(0)).dot(&first(&vh, 0))
        },
        move |(_, u, s, vh, parameter): &Parts, _: &Tensor, (dx, .., dparameter): &Parts| {
            spectral_rule(&g, (u, s, vh), parameter, dx, dparameter)
        },
    );
    (y((x.clone(), u, s.clone(), vh, parameter.clone())), s)
}

/// min(m, n).
fn width(x: &Tensor) -> usize {
    let axes = x.ndim() - 2;
    x.dim(axes).min(x.dim(axes + 1))
}

#[track_caller]
fn is_parameter(name: &str, what: &str, x: &Tensor, parameter: &Tensor) -> bool {
    let fits = parameter.dtype() == x.dtype() && (parameter.ndim() == 0 || parameter.shape() == leading(x));
    if !fits {
        refuse(format!(
            "{name}: {what} is a number of {}'s dtype, or one per problem along its leading axes, got {}; convert or reshape it",
            x.ty(),
            parameter.ty()
        ));
    }
    fits
}
