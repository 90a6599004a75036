//! QR with column pivoting as a graph: LAPACK's laqps.
//!
//! Quintana-Orti, Sun and Bischof, "A BLAS-3 version of the QR factorization with column pivoting", SIAM J. Sci. Comput. 19,
//! 1998; the safeguard of the norms is Drmac and Bujanovic's (LAPACK Working Note 176). The matrix is held transposed, and its
//! columns (rows in memory) never move: each has its *slot*, its place in A P so far, and one whose slot is less than the step is
//! done. A panel's reflectors reach the other columns only at its end, as one product; a panel ends early where a norm has
//! lost its digits, because it is then computed anew.

use tandem_compile::{DType, Tensor, full, iota, number, scalar, tree, while_loop, zeros};

use super::graph::{Reflector, householder_product_portable, reflector};
use crate::operand::or_nan;
use crate::panel::panel_width;
use crate::scale::{max_abs, power_of_two};

/// Q `[m, k]`, R `[k, n]` and the permutation `[n]` (i32) with A[:, permutation] = Q R, k = min(m, n).
#[track_caller]
pub(crate) fn qr_pivoted_portable(a: &Tensor) -> (Tensor, Tensor, Tensor) {
    let (m, n) = (a.dim(0), a.dim(1));
    let k = m.min(n);
    let columns = iota([n], 0, DType::I32);
    if k == 0 {
        return (zeros([m, 0], a.dtype()), zeros([0, n], a.dtype()), columns);
    }
    let size = max_abs(a);
    let good = size.is_finite();
    let scale = power_of_two(&size);
    let at = good.select(a / &scale, 0.0).t();
    let norms = at.square().sum_axes([1]).sqrt();
    let start = Outer {
        step: scalar(0i32),
        at,
        slots: columns.clone(),
        norms: norms.clone(),
        exact: norms,
        taus: zeros([k], a.dtype()),
    };
    let end = k as i32;
    let Outer { at, slots, taus, .. } =
        while_loop(start, |s| s.step.lt(end), |s| factor_panel(&s, panel_width(k), end));
    let permutation = zeros([n], DType::I32).scatter_set(&slots, &columns, 0);
    let h = at.take(&permutation, 0).t();
    let q = householder_product_portable(&h.slice(1, 0, k), &taus);
    let r = h.slice(0, 0, k).triu(0) * scale;
    (or_nan(&good, &q), or_nan(&good, &r), permutation)
}

/// Between panels.
#[derive(Clone)]
struct Outer {
    /// How many columns are done.
    step: Tensor,
    at: Tensor,
    slots: Tensor,
    /// The norms of the columns' parts below the rows that are done, as they are downdated.
    norms: Tensor,
    /// The same where they were last computed.
    exact: Tensor,
    taus: Tensor,
}

tree!(Outer { step, at, slots, norms, exact, taus });

/// Inside of a panel: what it should be is A' - F' V, by now, in the columns that are not done.
#[derive(Clone)]
struct Inner {
    /// The column of the panel.
    j: Tensor,
    outer: Outer,
    /// V', `[b, m]`.
    vt: Tensor,
    /// F', `[b, n]`.
    f: Tensor,
    /// Which norms have lost their digits, `[n]`.
    lost: Tensor,
}

tree!(Inner { j, outer, vt, f, lost });

/// As many columns as a panel has, or fewer.
#[track_caller]
fn factor_panel(s: &Outer, width: usize, end: i32) -> Outer {
    let (n, m) = (s.at.dim(0), s.at.dim(1));
    let dtype = s.at.dtype();
    let start = Inner {
        j: scalar(0i32),
        outer: s.clone(),
        vt: zeros([width, m], dtype),
        f: zeros([width, n], dtype),
        lost: full([n], 0.0, DType::Bool),
    };
    let goes_on = |s: Inner| s.j.lt(width as i32) & s.outer.step.lt(end) & !s.lost.any();
    let Inner { outer, vt, f, lost, .. } = while_loop(start, goes_on, |s| factor_column(&s));
    let left = outer.slots.ge(&outer.step);
    let at = &outer.at - left.select(f, 0.0).contract(&vt, 0, 0);
    let below = iota([m], 0, DType::I32).ge(&outer.step);
    let anew = below.select(&at, 0.0).square().sum_axes([1]).sqrt();
    let norms = lost.select(&anew, &outer.norms);
    let exact = lost.select(&anew, &outer.exact);
    Outer { at, norms, exact, ..outer }
}

/// One pivot and its reflector.
#[track_caller]
fn factor_column(s: &Inner) -> Inner {
    let Outer { step, at, slots, norms, exact, taus } = &s.outer;
    let (n, m) = (at.dim(0), at.dim(1));
    let position = iota([m], 0, DType::I32);
    let (slots, column) = exchange(step, slots, norms);
    let x = at.index(0, &column) - s.f.index(1, &column).dot(&s.vt);
    let tail = position.gt(step);
    let Reflector { beta, tau, divisor } = reflector(&x.index(0, step), &tail.select(&x, 0.0).square().sum());
    let on = position.eq(step);
    let v = tail.select(&x / divisor, on.convert(x.dtype()));
    let zero = scalar(0i32);
    // Written first: what is read of it from here on belongs to other columns, and so nothing is copied.
    let own = tail.select(&v, on.select(&beta, &x));
    let at = at.dynamic_update_slice(&own.reshape([1, m]), &[&column, &zero]);
    let left = slots.gt(step);
    let row = left.select(at.dot(&v) - s.vt.dot(&v).dot(&s.f), 0.0) * &tau;
    let vt = s.vt.dynamic_update_slice(&v.reshape([1, m]), &[&s.j, &zero]);
    let f = s.f.dynamic_update_slice(&row.reshape([1, n]), &[&s.j, &zero]);
    // The new row of R, and what it takes from the norms.
    let r = at.index(1, step) - vt.index(1, step).dot(&f);
    let (norms, lost) = downdate(norms, exact, &r, &left);
    let taus = taus.dynamic_update_slice(&tau.reshape([1]), &[step]);
    let outer = Outer { step: step + 1, at, slots, norms, exact: exact.clone(), taus };
    Inner { j: &s.j + 1, outer, vt, f, lost }
}

/// The slots after the exchange, and the column of the largest norm; of equal ones the one in the first slot.
#[track_caller]
fn exchange(step: &Tensor, slots: &Tensor, norms: &Tensor) -> (Tensor, Tensor) {
    let n = slots.dim(0);
    let size = slots.ge(step).select(norms, -1.0);
    let largest = size.eq(size.max());
    let slot = largest.select(slots, n as i32 - 1).min();
    let chosen = slots.eq(&slot);
    let column = chosen.select(iota([n], 0, DType::I32), 0i32).max();
    (chosen.select(step, slots.eq(step).select(&slot, slots)), column)
}

/// The norms without the new row of R, and which of them have lost too many digits to be trusted.
#[track_caller]
fn downdate(norms: &Tensor, exact: &Tensor, r: &Tensor, left: &Tensor) -> (Tensor, Tensor) {
    let dtype = norms.dtype();
    let limit = number((2.0 * dtype.unit_roundoff()).sqrt(), dtype);
    let nonzero = |x: &Tensor| x.eq(0.0).select(1.0, x);
    let ratio = r.abs() / nonzero(norms);
    let kept = ((1.0 - &ratio) * (1.0 + ratio)).maximum(0.0);
    let trust = &kept * (norms / nonzero(exact)).square();
    let lost = left & norms.gt(0.0) & trust.le(limit);
    (left.select(norms * kept.sqrt(), norms), lost)
}
