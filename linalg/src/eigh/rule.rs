//! The derivative of the symmetric eigendecomposition.

use tandem_compile::{Tensor, eye};

/// From A = V W V' and a tangent of A: the tangents of w and V.
///
/// dw_i = (V' dA V)_ii, and dV = V (F o (V' dA V)) with F_ij = 1 / (w_j - w_i) beside the diagonal and 0 on it. dA counts as
/// symmetric: like A, it is read from its lower triangle. Where two eigenvalues are equal, the eigenvectors have no
/// derivative; the division then gives infinities or NaN, as in JAX. Of the eigenvalues each tangent is that of the
/// computed basis.
pub(crate) fn eigh_rule(w: &Tensor, v: &Tensor, da: &Tensor) -> (Tensor, Tensor) {
    let (turned, identity) = (turned(v, da), eye(w.dim(0), w.dtype()));
    let difference = w.expand_dims(0) - w.expand_dims(1);
    let f = 1.0 / (difference + &identity) - identity;
    (turned.diag(), v.dot(&(f * turned)))
}

/// The tangent of the eigenvalues alone.
pub(crate) fn eigvalsh_rule(v: &Tensor, da: &Tensor) -> Tensor {
    // diag(V' dA V), without the elements beside the diagonal.
    (v * symmetric(da).dot(v)).sum_axes([0])
}

fn turned(v: &Tensor, da: &Tensor) -> Tensor {
    v.contract(&symmetric(da).dot(v), 0, 0)
}

fn symmetric(da: &Tensor) -> Tensor {
    da.tril(0) + da.tril(-1).t()
}
