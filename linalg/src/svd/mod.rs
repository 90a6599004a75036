//! The singular value decomposition A = U diag(s) V', in a form that an accelerator can run: static shapes, no scan over
//! elements but the reduction's columns.
//!
//! The matrix is scaled by a power of two, reduced to bidiagonal form ([`bidiagonal`]; where it has many more rows than columns, its
//! R factor is), torn into single rows and put together again level by level ([`tree`], [`merge`]), each level by the
//! roots of secular equations, all found at once; then the vectors are turned back. Narrow ones are decomposed by Jacobi's
//! method ([`crate::jacobi`]). The promise is that of LAPACK's `gesdd`: backward stability in the norm of the matrix, and
//! singular vectors that are orthogonal to working precision whatever the singular values.

mod bidiagonal;
mod graph;
mod merge;
mod rule;
pub(crate) mod tree;

use tandem_compile::Tensor;

use crate::batch::factors;
use crate::native;
use crate::operand::is_matrix;
pub(crate) use graph::{svd_full_portable, svd_portable, svdvals_portable};
pub(crate) use rule::{svd_full_rule, svd_rule, svdvals_rule};

/// The thin singular value decomposition A = U diag(s) V': u `[..., m, k]` and vh `[..., k, n]`, which is V', with
/// orthonormal columns and rows, s `[..., k]` decreasing and not negative; k = min(m, n).
///
/// a: `[..., m, n]`, f32 or f64, any shape. NaN or an infinity in it makes every output NaN. Errors are bounded by a small multiple of
/// max(m, n) ||A|| eps, so that singular values much smaller than the largest one need not have a correct digit. The signs of
/// a pair of vectors are free, and so is the basis where singular values are equal.
///
/// The derivative of the vectors divides by differences of squared singular values, and of a matrix that is not square by
/// the singular values: where two are equal, or one is zero, it is infinite or NaN, as in JAX. That of the singular values
/// stays finite; see also [`svdvals`].
///
/// Divide and conquer: M. Gu and S. Eisenstat, SIAM J. Matrix Anal. Appl. 16, 1995, after blocked Householder reduction.
///
/// ```
/// use ndarray::{Array1, Array2, array};
/// use tandem_compile::{Tensor, jit};
///
/// let a = array![[3.0, 0.0], [0.0, 4.0], [0.0, 0.0]];
/// let (u, s, vh): (Array2<f64>, Array1<f64>, Array2<f64>) = jit(|a: Tensor| tandem_linalg::svd(&a)).call(&a)?;
/// assert!((&s - &array![4.0, 3.0]).iter().all(|e| e.abs() < 1e-14));
/// assert!(((&u * &s).dot(&vh) - &a).iter().all(|e| e.abs() < 1e-14));
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn svd(a: &Tensor) -> (Tensor, Tensor, Tensor) {
    if !is_matrix("svd", a) {
        return (a.clone(), a.clone(), a.clone());
    }
    factors(a, Some(native::SVD), svd_portable, |_, (u, s, vh), da| svd_rule((u, s, vh), da))
}

/// The full decomposition: u `[..., m, m]` and vh `[..., n, n]` orthogonal, s `[..., min(m, n)]`.
///
/// a: `[..., m, n]`, f32 or f64, as in [`svd`]. No one basis of the space that A does not reach is a smooth function of A: of a
/// matrix that is not square a derivative is refused.
///
/// ```
/// use ndarray::{Array1, Array2, array};
/// use tandem_compile::{Tensor, jit};
///
/// let a = array![[3.0], [4.0]];
/// let (u, s, _): (Array2<f64>, Array1<f64>, Array2<f64>) = jit(|a: Tensor| tandem_linalg::svd_full(&a)).call(&a)?;
/// assert_eq!(u.dim(), (2, 2));
/// assert!((s[0] - 5.0).abs() < 1e-14);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn svd_full(a: &Tensor) -> (Tensor, Tensor, Tensor) {
    if !is_matrix("svd_full", a) {
        return (a.clone(), a.clone(), a.clone());
    }
    factors(a, Some(native::SVD_FULL), svd_full_portable, |_, (u, s, vh), da| svd_full_rule((u, s, vh), da))
}

/// The singular values `[..., min(m, n)]`, decreasing.
///
/// a: `[..., m, n]`, f32 or f64, as in [`svd`]. The derivative (which computes the vectors) is finite wherever A is: where singular
/// values are equal it is that of some order of them.
///
/// ```
/// use ndarray::array;
/// use tandem_compile::{Tensor, jit};
///
/// let s: Vec<f64> = jit(|a: Tensor| tandem_linalg::svdvals(&a)).call(&array![[0.0, 2.0], [1.0, 0.0]])?;
/// assert!((s[0] - 2.0).abs() < 1e-15 && (s[1] - 1.0).abs() < 1e-15);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn svdvals(a: &Tensor) -> Tensor {
    if !is_matrix("svdvals", a) {
        return a.clone();
    }
    factors(a, Some(native::SVDVALS), svdvals_portable, |a, _, da| {
        let (u, _, vh) = svd(a);
        svdvals_rule((&u, &vh), da)
    })
}
