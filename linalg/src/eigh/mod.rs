//! Eigenvalues and eigenvectors of symmetric matrices by divide and conquer, in a form that an accelerator can run: static
//! shapes, no scan over elements but the reduction's columns.
//!
//! The matrix is scaled by a power of two, reduced to tridiagonal form ([`tridiagonal`]), torn into single elements and put
//! together again level by level ([`tree`], [`merge`]), each level by the roots of secular equations, all found at once
//! ([`secular`]); then the eigenvectors are turned back ([`back`]). The promise is that of LAPACK's `syevd`: backward
//! stability in the norm of the matrix, and eigenvectors that are orthogonal to working precision whatever the spectrum.
//!
//! The work is 4/3 n^3 for the reduction, which static shapes make about twice that, and at most 4/3 n^3 + 2 n^3 for the
//! vectors. Compile time grows by one loop body per doubling of n.

mod back;
mod graph;
mod merge;
mod rule;
pub(crate) mod secular;
mod tree;
mod tridiagonal;

use tandem_compile::Tensor;

use crate::batch::factors;
use crate::native;
use crate::operand::is_square;
use graph::{eigh_portable, eigvalsh_portable};
use rule::{eigh_rule, eigvalsh_rule};

/// The eigenvalues w `[..., n]` in increasing order and eigenvectors v `[..., n, n]`, a column each, of a symmetric matrix:
/// A v_i = w_i v_i, V'V = I.
///
/// a: `[..., n, n]`, f32 or f64, any n; only its lower triangle is read. NaN or an infinity in it makes every output NaN. Errors
/// are bounded by a small multiple of n ||A|| eps, so that eigenvalues much smaller than the largest one need not have a
/// correct digit. An eigenvector is defined up to its sign, those of close eigenvalues up to a rotation.
///
/// The derivative of the eigenvectors divides by differences of eigenvalues: where two are equal it is infinite or NaN, as
/// in JAX, while that of the eigenvalues stays finite.
///
/// Divide and conquer with the modified problem of M. Gu and S. Eisenstat (SIAM J. Matrix Anal. Appl. 16, 1995), after
/// blocked Householder reduction.
///
/// ```
/// use tandem_compile::jit;
/// use tandem_linalg::eigh;
///
/// let (w, v): (Vec<f64>, tandem_compile::HostArray) =
///     jit(|a| eigh(&a)).call(&tandem_compile::HostArray::new([2, 2], vec![2.0, 1.0, 1.0, 2.0])?)?;
/// assert!((w[0] - 1.0).abs() < 1e-15 && (w[1] - 3.0).abs() < 1e-15);
/// assert_eq!(v.shape(), [2, 2]);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn eigh(a: &Tensor) -> (Tensor, Tensor) {
    if !is_square("eigh", a) {
        return (a.clone(), a.clone());
    }
    factors(a, Some(native::EIGH), eigh_portable, |_, (w, v), da| eigh_rule(w, v, da))
}

/// The eigenvalues `[..., n]` of a symmetric matrix, in increasing order.
///
/// As [`eigh`], but after the reduction no step takes n^3 operations, and the derivative is finite whatever the spectrum (it
/// computes the eigenvectors).
///
/// ```
/// use tandem_compile::{HostArray, jit};
/// use tandem_linalg::eigvalsh;
///
/// let w: Vec<f64> = jit(|a| eigvalsh(&a)).call(&HostArray::new([2, 2], vec![2.0, 1.0, 1.0, 2.0])?)?;
/// assert!((w[0] - 1.0).abs() < 1e-15 && (w[1] - 3.0).abs() < 1e-15);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn eigvalsh(a: &Tensor) -> Tensor {
    if !is_square("eigvalsh", a) {
        return a.clone();
    }
    factors(a, Some(native::EIGVALSH), eigvalsh_portable, |a, _, da| eigvalsh_rule(&eigh(a).1, da))
}
