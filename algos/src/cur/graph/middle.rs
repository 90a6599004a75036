//! What stands between C and R, and how far C U R is from A.

use tandem_compile::{Tensor, number, stack};
use tandem_linalg::scale::sum_of_squares;
use tandem_linalg::{qr, svd, svdvals};

use super::negligible;
use super::selection::Picks;
use crate::cur::{Core, Cur};

/// The core of a scaled matrix.
pub(super) struct Found {
    /// U, `[c, r]`.
    pub u: Tensor,
    /// ||A - C U R|| / ||A||; NaN for A = 0.
    pub error: Tensor,
    /// ||U||_2.
    pub norm: Tensor,
    /// Whether singular values were left out.
    pub deficient: Tensor,
}

#[track_caller]
pub(super) fn core(cur: &Cur, a: &Tensor, picks: &Picks) -> Found {
    let (c, r) = (a.take(&picks.cols, 1), a.take(&picks.rows, 0));
    match cur.core {
        Core::Optimal => optimal(a, &c, &r),
        Core::Cross | Core::Stabilised => {
            let inverse = cur.inverse(&c.take(&picks.rows, 0));
            // Half of the inverse stands with C: C U R = (C Z S^-1) (W' R).
            let error = relative(a, &c.dot(&inverse.left).dot(&inverse.right.dot(&r)));
            Found { u: inverse.u, error, norm: inverse.norm, deficient: inverse.deficient }
        }
    }
}

/// U = C+ A R+ with C = Q_C T_C, R' = Q_R T_R and the singular value decompositions of the small T: what is near to A
/// is Q_C W_C (W_C' Q_C' A Q_R W_R) W_R' Q_R', in which no small singular value is divided by.
#[track_caller]
fn optimal(a: &Tensor, c: &Tensor, r: &Tensor) -> Found {
    let (left, right) = both(&Reduced::of(c), &Reduced::of(&r.t()));
    let middle = left.basis.contract(a, 0, 0).dot(&right.basis);
    let u = left.inverse.dot(&middle).dot(&right.inverse.t());
    let error = relative(a, &left.basis.dot(&middle).dot(&right.basis.t()));
    Found { error, norm: svdvals(&u).max(), u, deficient: left.deficient | right.deficient }
}

/// What the columns of a tall matrix span.
pub(in crate::cur) struct Span {
    /// Orthonormal columns, with zeros in those beyond the rank, `[m, k]`.
    pub basis: Tensor,
    /// With basis' it makes the pseudoinverse: `[k, k]`.
    pub inverse: Tensor,
    /// Whether the rank is less than k.
    pub deficient: Tensor,
}

/// A tall matrix as Q T, and the limit below which its singular values count as zero.
pub(in crate::cur) struct Reduced {
    pub q: Tensor,
    pub t: Tensor,
    limit: f64,
}

impl Reduced {
    #[track_caller]
    pub fn of(x: &Tensor) -> Self {
        let (q, t) = qr(x);
        Self { q, t, limit: negligible(x.dim(0), x.dim(1), x.dtype()) }
    }

    /// By the singular value decomposition of T.
    #[track_caller]
    pub fn span(&self, (w, s, zt): (Tensor, Tensor, Tensor)) -> Span {
        let k = s.dim(0);
        let kept = s.gt(s.slice(0, 0, 1) * self.limit);
        let across = kept.reshape([1, k]);
        let basis = across.select(self.q.dot(&w), 0.0);
        let inverse = across.select(zt.t() / across.select(s.reshape([1, k]), 1.0), 0.0);
        Span { basis, inverse, deficient: !kept.all() }
    }
}

/// Both spans; two small matrices of one size are decomposed as one batch.
#[track_caller]
pub(in crate::cur) fn both(x: &Reduced, y: &Reduced) -> (Span, Span) {
    if x.t.shape() != y.t.shape() {
        return (x.span(svd(&x.t)), y.span(svd(&y.t)));
    }
    let (w, s, zt) = svd(&stack(&[&x.t, &y.t], 0));
    let at = |i| (w.at_index(0, i), s.at_index(0, i), zt.at_index(0, i));
    (x.span(at(0)), y.span(at(1)))
}

/// The pseudoinverse of A(p, q).
pub(in crate::cur) struct Inverse {
    /// Z S^-1, `[c, k]`.
    left: Tensor,
    /// W', `[k, r]`.
    right: Tensor,
    /// Their product, `[c, r]`.
    pub u: Tensor,
    /// ||U||_2.
    pub norm: Tensor,
    /// Whether singular values were left out.
    pub deficient: Tensor,
}

impl Cur {
    /// Without the singular values that the core discards; for [`Core::Cross`] those that are rounding.
    #[track_caller]
    pub(in crate::cur) fn inverse(&self, inner: &Tensor) -> Inverse {
        let dtype = inner.dtype();
        let epsilon = match self.core {
            Core::Stabilised => self.epsilon.unwrap_or((2.0 * dtype.unit_roundoff()).sqrt()),
            _ => 0.0,
        };
        let (w, s, zt) = svd(inner);
        let limit = epsilon.max(negligible(inner.dim(0), inner.dim(1), dtype));
        let kept = s.gt(s.slice(0, 0, 1) * limit);
        let inverse = kept.select(1.0 / kept.select(&s, 1.0), 0.0);
        let (left, right) = (zt.t() * inverse.reshape([1, s.dim(0)]), w.t());
        Inverse { u: left.dot(&right), left, right, norm: inverse.max(), deficient: !kept.all() }
    }
}

/// ||A - B|| / ||A|| in the Frobenius norm.
#[track_caller]
pub(in crate::cur) fn relative(a: &Tensor, b: &Tensor) -> Tensor {
    let size = sum_of_squares(a);
    let nonzero = size.eq(0.0).select(number(1.0, a.dtype()), &size);
    (sum_of_squares(&(a - b)) / nonzero).sqrt()
}
