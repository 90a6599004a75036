//! QR with column pivoting as a graph: LAPACK's laqps.
//!
//! Quintana-Orti, Sun and Bischof, "A BLAS-3 version of the QR factorization with column pivoting", SIAM J. Sci. Comput. 19,
//! 1998; the safeguard of the norms is Drmac and Bujanovic's (LAPACK Working Note 176). The matrix is held transposed, and its
//! columns (rows in memory) never move: each has its *slot*, its place in A P so far, and one whose slot is less than the step is
//! done. A panel's reflectors reach the other columns only at its end, as one product; a panel ends early where a norm has
//! lost its digits, because it is then computed anew.

use tandem_compile::{DType, Tensor, concatenate, full, iota, number, scalar, tree, while_loop, zeros};

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
    let width = panel_width(k);
    let start = Outer {
        step: scalar(0i32),
        at,
        slots: columns.clone(),
        norms: norms.clone(),
        exact: norms,
        // A panel writes all of its rows, also where it ends early.
        done: zeros([k + width, m], a.dtype()),
        taus: zeros([k + width], a.dtype()),
    };
    let end = k as i32;
    let Outer { at, slots, done, taus, .. } = while_loop(start, |s| s.step.lt(end), |s| factor_panel(&s, width, end));
    let permutation = zeros([n], DType::I32).scatter_set(&slots, &columns, 0);
    let others = at.take(&permutation, 0).slice(0, k, n);
    let h = concatenate(&[&done.slice(0, 0, k), &others], 0).t();
    let q = householder_product_portable(&h.slice(1, 0, k), &taus.slice(0, 0, k));
    let r = h.slice(0, 0, k).triu(0) * scale;
    (or_nan(&good, &q), or_nan(&good, &r), permutation)
}

/// Between panels.
#[derive(Clone)]
struct Outer {
    /// How many columns are done.
    step: Tensor,
    /// The columns that are not done, with all reflectors so far applied.
    at: Tensor,
    slots: Tensor,
    /// The norms of the columns' parts below the rows that are done, as they are downdated.
    norms: Tensor,
    /// The same where they were last computed.
    exact: Tensor,
    /// The columns that are done, in their order: R and the reflectors.
    done: Tensor,
    taus: Tensor,
}

tree!(Outer { step, at, slots, norms, exact, done, taus });

/// Inside of a panel: by now the columns that are not done should be A' - F' V. (A' is not written here: the loop would copy it.)
#[derive(Clone)]
struct Inner {
    /// The column of the panel.
    j: Tensor,
    slots: Tensor,
    norms: Tensor,
    /// The columns done in this panel, `[b, m]`, and their tau, `[b]`.
    done: Tensor,
    taus: Tensor,
    /// V', `[b, m]`.
    vt: Tensor,
    /// F', `[b, n]`.
    f: Tensor,
    /// Which norms have lost their digits, `[n]`.
    lost: Tensor,
}

tree!(Inner { j, slots, norms, done, taus, vt, f, lost });

/// As many columns as a panel has, or fewer.
#[track_caller]
fn factor_panel(s: &Outer, width: usize, end: i32) -> Outer {
    let (n, m) = (s.at.dim(0), s.at.dim(1));
    let dtype = s.at.dtype();
    let start = Inner {
        j: scalar(0i32),
        slots: s.slots.clone(),
        norms: s.norms.clone(),
        done: zeros([width, m], dtype),
        taus: zeros([width], dtype),
        vt: zeros([width, m], dtype),
        f: zeros([width, n], dtype),
        lost: full([n], 0.0, DType::Bool),
    };
    let goes_on = |p: Inner| p.j.lt(width as i32) & (&s.step + &p.j).lt(end) & !p.lost.any();
    let Inner { j, slots, norms, done, taus, vt, f, lost } = while_loop(start, goes_on, |p| factor_column(s, &p));
    let step = &s.step + j;
    let left = slots.ge(&step);
    let at = &s.at - left.select(f, 0.0).contract(&vt, 0, 0);
    let below = iota([m], 0, DType::I32).ge(&step);
    let anew = below.select(&at, 0.0).square().sum_axes([1]).sqrt();
    Outer {
        at,
        slots,
        norms: lost.select(&anew, norms),
        exact: lost.select(&anew, &s.exact),
        done: s.done.dynamic_update_slice(&done, &[&s.step, &scalar(0i32)]),
        taus: s.taus.dynamic_update_slice(&taus, &[&s.step]),
        step,
    }
}

/// One pivot and its reflector.
#[track_caller]
fn factor_column(s: &Outer, p: &Inner) -> Inner {
    let (n, m) = (s.at.dim(0), s.at.dim(1));
    let position = iota([m], 0, DType::I32);
    let step = &s.step + &p.j;
    let (slots, column) = exchange(&step, &p.slots, &p.norms);
    let x = s.at.index(0, &column) - p.f.index(1, &column).dot(&p.vt);
    let tail = position.gt(&step);
    let Reflector { beta, tau, divisor } = reflector(&x.index(0, &step), &tail.select(&x, 0.0).square().sum());
    let on = position.eq(&step);
    let v = tail.select(&x / divisor, on.convert(x.dtype()));
    let own = tail.select(&v, on.select(&beta, &x));
    let left = slots.gt(&step);
    let row = left.select(s.at.dot(&v) - p.vt.dot(&v).dot(&p.f), 0.0) * &tau;
    let zero = scalar(0i32);
    let vt = p.vt.dynamic_update_slice(&v.reshape([1, m]), &[&p.j, &zero]);
    let f = p.f.dynamic_update_slice(&row.reshape([1, n]), &[&p.j, &zero]);
    // The new row of R, and what it takes from the norms.
    let r = s.at.index(1, &step) - vt.index(1, &step).dot(&f);
    let (norms, lost) = downdate(&p.norms, &s.exact, &r, &left);
    Inner {
        slots,
        norms,
        done: p.done.dynamic_update_slice(&own.reshape([1, m]), &[&p.j, &zero]),
        taus: p.taus.dynamic_update_slice(&tau.reshape([1]), &[&p.j]),
        vt,
        f,
        lost,
        j: &p.j + 1,
    }
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
