//! Blocked LU factorization with partial pivoting as a graph.
//!
//! Golub and Van Loan, Matrix Computations, section 3.4. Rows never move while it runs: each row knows its *slot*, the row of
//! P'A that it stands for so far, and a row whose slot is less than the column's number is done. So a pivot costs no pass
//! over the matrix. The matrix is held transposed: a column is a row in memory.

use tandem_compile::{DType, Tensor, fori_loop, iota, ones, scalar, zeros};

use crate::operand::{all_finite, or_nan};
use crate::panel::{padded, panel_width, update_from};
use crate::qr::wy::triangular_factor;

/// LAPACK's getrf: `[m, n]` with U on and above the diagonal and L below it (without its ones), and the permutation
/// `[m]` (i32) with A[permutation] = L U.
#[track_caller]
pub(crate) fn lu_pivoted_portable(a: &Tensor) -> (Tensor, Tensor) {
    let (m, n) = (a.dim(0), a.dim(1));
    let k = m.min(n);
    let rows = iota([m], 0, DType::I32);
    if k == 0 {
        return (a.clone(), rows);
    }
    let good = all_finite(a);
    let width = panel_width(k);
    let at = good.select(a, 0.0).t().pad(0.0, &[(0, (padded(n, k) - n) as i64, 0), (0, 0, 0)]);
    let zero = scalar(0i32);
    let (at, slots) = fori_loop(0, k.div_ceil(width) as i32, (at, rows.clone()), |panel, (at, slots)| {
        let first = panel * scalar(width as i32);
        let (p, slots, pivots) = factor_panel(&at.dynamic_slice(&[&first, &zero], [width, m]), &slots, &first);
        let at = at.dynamic_update_slice(&p, &[&first, &zero]);
        (eliminate(&at, &p, &slots, &pivots, &first), slots)
    });
    let permutation = zeros([m], DType::I32).scatter_set(&slots, &rows, 0);
    let lu = at.slice(0, 0, n).t().take(&permutation, 0);
    (or_nan(&good, &lu), permutation)
}

/// One panel, right-looking.
///
/// p: `[b, m]`, whose row j is column `first + j` of the matrix; slots: `[m]`. Results: U's columns and L's in its place, the
/// new slots, and the pivot rows `[b]`.
#[track_caller]
fn factor_panel(p: &Tensor, slots: &Tensor, first: &Tensor) -> (Tensor, Tensor, Tensor) {
    let (width, m) = (p.dim(0), p.dim(1));
    let position = iota([m], 0, DType::I32);
    let member = iota([width], 0, DType::I32);
    let start = (p.clone(), slots.clone(), zeros([width], DType::I32));
    fori_loop(0, width as i32, start, |j, (p, slots, pivots)| {
        let step = first + &j;
        let x = p.index(0, &j);
        // Of the largest the one in the first slot, as LAPACK takes it; after the last row there is none.
        let size = slots.ge(&step).select(x.abs(), -1.0);
        let largest = slots.ge(&step) & size.eq(size.max());
        let slot = largest.select(&slots, i32::MAX).min();
        let chosen = slots.eq(&slot);
        let row = chosen.select(&position, 0i32).max();
        let slot = slot.eq(i32::MAX).select(&step, &slot);
        let slots = chosen.select(&step, slots.eq(&step).select(&slot, &slots));
        // Where the pivot is zero, so is everything below it.
        let pivot = x.index(0, &row);
        let below = slots.gt(&step);
        let l = below.select(&x / pivot.eq(0.0).select(1.0, &pivot), 0.0);
        let u = member.gt(&j).select(p.index(1, &row), 0.0);
        let own = below.select(&l, &x).reshape([1, m]);
        let p = member.eq(&j).reshape([width, 1]).select(own, &p - u.outer(&l));
        (p, slots, pivots.dynamic_update_slice(&row.reshape([1]), &[&j]))
    })
}

/// The columns after a panel less what it eliminates; with L1 its pivot rows and A2 those of a later column, U2 = L1^-1 A2.
///
/// U2 is corrected once by its residual, because a product with the inverse alone loses the condition of L1.
#[track_caller]
fn eliminate(at: &Tensor, p: &Tensor, slots: &Tensor, pivots: &Tensor, first: &Tensor) -> Tensor {
    let (width, m) = (p.dim(0), p.dim(1));
    if at.dim(0) == width {
        return at.clone();
    }
    let step = iota([width, m], 0, DType::I32) + first;
    let below = slots.broadcast_in_dim([width, m], [1]).gt(&step);
    let lt = below.select(p, 0.0);
    // L1' is unit upper triangular, and its inverse T with taus of one.
    let strict = lt.take(pivots, 1).triu(1);
    let inverse = triangular_factor(&strict, &ones([width], p.dtype()));
    update_from(at, &(first + scalar(width as i32)), |strip| {
        let a2 = strip.take(pivots, 1);
        let u2 = a2.dot(&inverse);
        let rest = &a2 - &u2 - u2.dot(&strict);
        strip - (u2 + rest.dot(&inverse)).dot(&lt)
    })
}
