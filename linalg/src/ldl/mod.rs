//! LDL' factorization of symmetric indefinite matrices.

mod graph;
mod rule;

use tandem_compile::{DType, Tensor, zeros};

use crate::batch::factors;
use crate::operand::is_square;
pub(crate) use graph::ldl_portable;
pub(crate) use rule::ldl_rule;

/// A = L D L', as scipy's `ldl`: `l` `[n, n]`, whose rows in the order of `permutation` `[n]` (i32) make it unit lower triangular,
/// and `d` `[n, n]`, block diagonal with blocks of one and of two.
///
/// a: `[..., n, n]` symmetric, f32 or f64; only its lower triangle is read, also where it is differentiated. Pivots are chosen as
/// LAPACK's `sytrf` does (Bunch and Kaufman). NaN or infinity in what is read makes `l` and `d` NaN everywhere. The derivative
/// takes the permutation and the blocks as they are. One pass over the matrix per column: for definite matrices
/// [`cholesky`](crate::cholesky()) is much faster.
///
/// ```
/// use ndarray::{Array1, Array2, array};
/// use tandem_compile::{Tensor, jit};
///
/// let a = array![[0.0, 1.0], [1.0, 0.0]];
/// let (l, d, _): (Array2<f64>, Array2<f64>, Array1<i32>) = jit(|a: Tensor| tandem_linalg::ldl(&a)).call(&a)?;
/// assert_eq!(l.dot(&d).dot(&l.t()), a);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn ldl(a: &Tensor) -> (Tensor, Tensor, Tensor) {
    if !is_square("ldl", a) {
        return (a.clone(), a.clone(), a.clone());
    }
    factors(a, None, ldl_portable, |a, (l, d, permutation), da| {
        let (dl, dd) = ldl_rule(a, (l, d, permutation), da);
        (dl, dd, zeros(permutation.shape(), DType::I32))
    })
}
