//! The derivatives of the singular value decomposition.

use tandem_compile::{Tensor, eye, refuse, zeros};

/// The tangents (dU, ds, dV') of A = U diag(s) V', U `[m, k]`, V' `[k, n]`, k = min(m, n).
///
/// With C = U'dA V: ds = diag(C), dU = U (F * (C S + S C')) + (I - UU') dA V / S, and likewise dV, where
/// F_ij = 1 / (s_j^2 - s_i^2) off the diagonal (M. Giles, "An extended collection of matrix derivative results", 2008). As in JAX:
/// where two singular values are equal, or one of a matrix that is not square is zero, dU and dV are infinite or NaN, as
/// they are not differentiable there; ds is finite everywhere.
#[track_caller]
pub(crate) fn svd_rule((u, s, vh): (&Tensor, &Tensor, &Tensor), da: &Tensor) -> (Tensor, Tensor, Tensor) {
    let (m, n, k) = (u.dim(0), vh.dim(1), s.dim(0));
    let dtype = s.dtype();
    if k == 0 {
        return (zeros([m, 0], dtype), zeros([0], dtype), zeros([0, n], dtype));
    }
    let dav = da.contract(vh, 1, 1);
    let c = u.contract(&dav, 0, 0);
    let (across, down) = (s.reshape([1, k]), s.reshape([k, 1]));
    let diagonal = eye(k, dtype);
    let f = 1.0 / ((&across + &down) * (&across - &down) + &diagonal) - diagonal;
    let left = &f * (&c * &across + (&c * &across).t());
    let right = f * (&down * &c + (&down * &c).t());
    let mut du = u.dot(&left);
    let mut dvh = right.contract(vh, 0, 0);
    if m > n {
        du = du + (&dav - u.dot(&c)) / &across;
    }
    if n > m {
        let uda = u.contract(da, 0, 0);
        dvh = dvh + (&uda - c.dot(vh)) / down;
    }
    (du, c.diag(), dvh)
}

/// The tangents of the full decomposition, where it is differentiable: of a square matrix.
#[track_caller]
pub(crate) fn svd_full_rule(outputs: (&Tensor, &Tensor, &Tensor), da: &Tensor) -> (Tensor, Tensor, Tensor) {
    let (m, n) = (da.dim(0), da.dim(1));
    if m != n {
        let nothing = refuse(format!(
            "svd_full: of {} the vectors of the null space have no derivative; use svd, or svdvals for the values",
            da.ty(),
        ));
        return (nothing.clone(), nothing.clone(), nothing);
    }
    svd_rule(outputs, da)
}

/// The tangent of the singular values alone, u_i' dA v_i: finite everywhere.
#[track_caller]
pub(crate) fn svdvals_rule((u, vh): (&Tensor, &Tensor), da: &Tensor) -> Tensor {
    (u.contract(da, 0, 0) * vh).sum_axes([1])
}
