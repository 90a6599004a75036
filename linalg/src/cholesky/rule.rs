//! The derivative of the Cholesky factorization.

use tandem_compile::Tensor;

use crate::triangular::{Triangle, substitute};

/// The tangent of A = L L': dL = L P, with P the lower triangle, its diagonal halved, of L^-1 dA L^-T (Smith, "Differentiation of
/// the Cholesky algorithm", J. Comput. Graph. Stat. 4, 1995; JAX has the same).
///
/// Only the lower triangle of A is read, and so the derivative is that of a function of the lower triangle.
#[track_caller]
pub(crate) fn cholesky_rule(_a: &Tensor, l: &Tensor, da: &Tensor) -> Tensor {
    let half = halved(da);
    let how = Triangle { lower: true, transpose: false, unit_diagonal: false };
    let left = substitute(l, &(&half + half.t()), how);
    l.dot(&halved(&substitute(l, &left.t(), how).t()))
}

/// The lower triangle with its diagonal halved: added to its transpose it gives the symmetric matrix.
#[track_caller]
fn halved(x: &Tensor) -> Tensor {
    (x.tril(0) + x.tril(-1)) * 0.5
}
