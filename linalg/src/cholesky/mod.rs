//! Cholesky factorization of symmetric positive definite matrices.

mod graph;
mod rule;

use tandem_compile::Tensor;

use crate::batch::factors;
use crate::native;
use crate::operand::is_square;
pub(crate) use graph::cholesky_portable;
pub(crate) use rule::cholesky_rule;

/// The lower triangular L with a positive diagonal and L L' = A.
///
/// a: `[..., n, n]` symmetric positive definite, f32 or f64. Only its lower triangle is read, also where it is differentiated:
/// an element below the diagonal has the gradient of both its places, one above it zero. Where A is not positive definite
/// or what is read is not finite, NaN everywhere. A `[0, 0]` matrix has an empty factor.
///
/// ```
/// use ndarray::{Array2, array};
/// use tandem_compile::{Tensor, jit};
///
/// let l: Array2<f64> = jit(|a: Tensor| tandem_linalg::cholesky(&a)).call(&array![[4.0, 2.0], [2.0, 5.0]])?;
/// assert_eq!(l, array![[2.0, 0.0], [1.0, 2.0]]);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn cholesky(a: &Tensor) -> Tensor {
    if !is_square("cholesky", a) {
        return a.clone();
    }
    factors(a, Some(native::CHOLESKY), cholesky_portable, cholesky_rule)
}
