//! The derivatives of the QR factorizations.

use tandem_compile::{Tensor, jvp, refuse};

use super::graph::{householder_product_unblocked, qr_raw_unblocked};
use crate::triangular::{Triangle, substitute};

/// The tangents (dQ, dR) of A = Q R with Q `[m, k]`, R `[k, n]`, k = min(m, n), whose first k columns are independent.
///
/// With A1, R1 the first k columns, X = Q'dA1 R1^-1 and the antisymmetric W that has X's strict lower triangle:
/// dQ = Q (W - X) + dA1 R1^-1 and dR = Q'dA - W R (Walter and Lehmann, "Algorithmic differentiation of linear algebra
/// functions with application in optimum experimental design", 2010). JAX has the same for m >= n, and none for
/// m < n. Where a diagonal element of R1 is zero the factors are not differentiable: infinities or NaN.
#[track_caller]
pub(crate) fn qr_rule(_a: &Tensor, (q, r): (&Tensor, &Tensor), da: &Tensor) -> (Tensor, Tensor) {
    let k = q.dim(1);
    // X R1 = dA1 is R1'X' = dA1'.
    let upper = Triangle { lower: false, transpose: true, unit_diagonal: false };
    let moved = substitute(&r.slice(1, 0, k), &da.slice(1, 0, k).t(), upper).t();
    let x = q.contract(&moved, 0, 0);
    let below = x.tril(-1);
    let w = &below - below.t();
    let dq = q.dot(&(&w - x)) + moved;
    let dr = (q.contract(da, 0, 0) - w.dot(r)).triu(0);
    (dq, dr)
}

/// The tangents of the full factorization, where it is differentiable: those of [`qr_rule`] where Q is square anyway.
#[track_caller]
pub(crate) fn qr_full_rule(a: &Tensor, (q, r): (&Tensor, &Tensor), da: &Tensor) -> (Tensor, Tensor) {
    let (m, n) = (a.dim(0), a.dim(1));
    if m > n {
        let nothing = refuse(format!(
            "qr_full: the last {} columns of Q of {} have no derivative; use qr, whose Q is [{m}, {n}]",
            m - n,
            a.ty(),
        ));
        return (nothing.clone(), nothing);
    }
    qr_rule(a, (q, r), da)
}

/// The tangents of the pivoted factorization where the permutation stays: those of [`qr_rule`] on the permuted columns.
#[track_caller]
pub(crate) fn qr_pivoted_rule(a: &Tensor, (q, r, p): (&Tensor, &Tensor, &Tensor), da: &Tensor) -> (Tensor, Tensor) {
    match a.shape().contains(&0) {
        true => (q.clone(), r.clone()),
        false => qr_rule(a, (q, r), &da.take(p, 1)),
    }
}

/// The tangents of the raw form, by the unblocked method's own derivative: the reflectors are smooth functions of A while
/// no tail below the diagonal vanishes (there LAPACK's choice of no reflector is a jump).
#[track_caller]
pub(crate) fn qr_raw_rule(a: &Tensor, _outputs: (&Tensor, &Tensor), da: &Tensor) -> (Tensor, Tensor) {
    jvp(|a| qr_raw_unblocked(&a), a.clone(), da.clone()).1
}

/// The tangent of a product of reflectors, by the unblocked method's own derivative.
#[track_caller]
pub(crate) fn householder_product_rule(
    (h, taus): (&Tensor, &Tensor),
    _q: &Tensor,
    (dh, dtaus): (&Tensor, &Tensor),
) -> Tensor {
    let (primals, tangents) = ((h.clone(), taus.clone()), (dh.clone(), dtaus.clone()));
    jvp(|(h, taus): (Tensor, Tensor)| householder_product_unblocked(&h, &taus), primals, tangents).1
}
