//! Blocked Householder QR as a graph: one loop over panels, in it one over the columns of a panel.
//!
//! Golub and Van Loan, Matrix Computations, sections 5.1 and 5.2. The matrix is held transposed (a column is a row in
//! memory), so that a panel is a contiguous window and every step runs along the processor's vectors.

use tandem_compile::{DType, Tensor, eye, fori_loop, iota, number, scalar, stop_gradient, zeros};

use super::wy::{product_of_reflectors, reflect_columns, triangular_factor};
use crate::operand::{all_finite, or_nan};
use crate::panel::{padded, panel_width};
use crate::scale::power_of_two;

/// LAPACK's geqrf: `[m, n]` with R on and above the diagonal and the reflectors below it (without their leading ones),
/// and tau `[min(m, n)]`.
#[track_caller]
pub(crate) fn qr_raw_portable(a: &Tensor) -> (Tensor, Tensor) {
    scaled(a, factor)
}

/// The same with one trip per column and no blocks: all of it is a loop with a fixed number of trips, and so has a derivative
/// of its own in both modes.
#[track_caller]
pub(crate) fn qr_raw_unblocked(a: &Tensor) -> (Tensor, Tensor) {
    scaled(a, |a| {
        let (ht, taus, _) = factor_panel(&a.t(), &scalar(0i32));
        (ht.t(), taus.slice(0, 0, a.dim(0).min(a.dim(1))))
    })
}

/// `factor` of the matrix with its columns scaled to [1, 2) by powers of two, which is exact and changes nothing but R's
/// columns: no square overflows, and those that underflow are negligible beside their column.
#[track_caller]
fn scaled(a: &Tensor, factor: impl FnOnce(&Tensor) -> (Tensor, Tensor)) -> (Tensor, Tensor) {
    let (m, n) = (a.dim(0), a.dim(1));
    if m.min(n) == 0 {
        return (a.clone(), zeros([0], a.dtype()));
    }
    let size = stop_gradient(&a.abs().max_axes([0]));
    let good = all_finite(&size);
    let scale = power_of_two(&size);
    let (h, taus) = factor(&(a / scale.reshape([1, n])));
    let upper = iota([m, n], 0, DType::I32).le(iota([m, n], 1, DType::I32));
    let h = upper.select(&h * scale.reshape([1, n]), &h);
    (or_nan(&good, &h), or_nan(&good, &taus))
}

/// [`qr_raw_portable`] of a matrix whose squares are in range.
#[track_caller]
fn factor(a: &Tensor) -> (Tensor, Tensor) {
    let (m, n) = (a.dim(0), a.dim(1));
    let k = m.min(n);
    let width = panel_width(k);
    let rows = padded(n, k);
    let panels = k.div_ceil(width);
    let zero = scalar(0i32);
    let at = a.t().pad(0.0, &[(0, (rows - n) as i64, 0), (0, 0, 0)]);
    let start = (at, zeros([panels * width], a.dtype()));
    let (ht, taus) = fori_loop(0, panels as i32, start, |panel, (at, all_taus)| {
        let first = panel * scalar(width as i32);
        let (h, taus, gram) = factor_panel(&at.dynamic_slice(&[&first, &zero], [width, m]), &first);
        let at = at.dynamic_update_slice(&h, &[&first, &zero]);
        let all_taus = all_taus.dynamic_update_slice(&taus, &[&first]);
        if panels == 1 && rows == width {
            return (at, all_taus);
        }
        let t = triangular_factor(&gram, &taus);
        (reflect_columns(&at, &(&first + scalar(width as i32)), &reflectors(&h, &first), &t), all_taus)
    });
    (ht.slice(0, 0, n).t(), taus.slice(0, 0, k))
}

/// One panel, right-looking.
///
/// p: `[b, m]`, whose row j is column `first + j` of the matrix. Results: the rows of R and the reflectors in its place,
/// tau `[b]`, and `[b, b]` with V'V in its strict upper triangle.
#[track_caller]
fn factor_panel(p: &Tensor, first: &Tensor) -> (Tensor, Tensor, Tensor) {
    let (width, m) = (p.dim(0), p.dim(1));
    let dtype = p.dtype();
    let position = iota([m], 0, DType::I32);
    let member = iota([width], 0, DType::I32);
    let start = (p.clone(), zeros([width], dtype), zeros([width, width], dtype));
    fori_loop(0, width as i32, start, |j, (p, taus, gram)| {
        let at = first + &j;
        let tail = position.gt(&at);
        let x = p.index(0, &j);
        let Reflector { beta, tau, divisor } = reflector(&x.index(0, &at), &tail.select(&x, 0.0).square().sum());
        let v = tail.select(&x / divisor, position.eq(&at).convert(dtype));
        // Rows before j hold R up to their diagonal and v_i after it, where v_j is not zero: their products are v_i'v_j.
        let products = p.dot(&v);
        let below = member.gt(&j).select(&products * &tau, 0.0);
        let own = tail.select(&v, position.eq(&at).select(&beta, &x));
        let swept = &p - below.outer(&v);
        let p = member.eq(&j).reshape([width, 1]).select(own.reshape([1, m]), swept);
        let taus = taus.dynamic_update_slice(&tau.reshape([1]), &[&j]);
        let gram = gram.dynamic_update_slice(&products.reshape([width, 1]), &[&scalar(0i32), &j]);
        (p, taus, gram)
    })
}

/// What makes H = I - tau v v', v = [1; x / divisor], take [alpha; x] to [beta; 0].
pub(super) struct Reflector {
    pub beta: Tensor,
    pub tau: Tensor,
    pub divisor: Tensor,
}

/// LAPACK's larfg, from alpha and the sum of squares of x, for columns of magnitude 1: a tail too small for its squares
/// counts as zero (below 1e-12 in f32, 1e-138 in f64), because a reflector whose norm lost digits is not orthogonal.
#[track_caller]
pub(super) fn reflector(alpha: &Tensor, squares: &Tensor) -> Reflector {
    let dtype = alpha.dtype();
    let negligible = number(if dtype == DType::F64 { 1e-276 } else { 3e-24 }, dtype);
    let flat = squares.le(&negligible);
    // Not the root of zero, which has no derivative.
    let norm = flat.select(1.0, alpha.square() + squares).sqrt();
    let signed = alpha.lt(0.0).select(&norm, -&norm);
    let beta = flat.select(alpha, &signed);
    let tau = flat.select(0.0, (&beta - alpha) / &signed);
    // With a zero tail the reflector is I; infinity makes the stored tail zero.
    let divisor = flat.select(number(f64::INFINITY, dtype), alpha - &beta);
    Reflector { beta, tau, divisor }
}

/// The reflectors' vectors as rows, ones at `first + j`, from rows that hold R in front of them.
#[track_caller]
fn reflectors(h: &Tensor, first: &Tensor) -> Tensor {
    let shape = h.shape();
    let place = iota(shape, 1, DType::I32);
    let diagonal = iota(shape, 0, DType::I32) + first;
    place.gt(&diagonal).select(h, place.eq(&diagonal).convert(h.dtype()))
}

/// LAPACK's orgqr: the first n columns of H_1 H_2 ... H_k, from h `[m, n]` with n <= m and taus `[k]` with k <= n.
#[track_caller]
pub(crate) fn householder_product_portable(h: &Tensor, taus: &Tensor) -> Tensor {
    let (m, n, k) = (h.dim(0), h.dim(1), taus.dim(0));
    let dtype = h.dtype();
    if k == 0 {
        return eye(m, dtype).slice(1, 0, n);
    }
    let count = k.next_multiple_of(panel_width(k));
    let more = (count - k) as i64;
    let ht = h.slice(1, 0, k).t().pad(0.0, &[(0, more, 0), (0, 0, 0)]);
    let vt = reflectors(&ht, &scalar(0i32));
    let good = all_finite(&vt) & all_finite(taus);
    or_nan(&good, &product_of_reflectors(&vt, &taus.pad(0.0, &[(0, more, 0)]), n).t())
}

/// The same, one reflector per trip: a loop with a derivative of its own in both modes.
#[track_caller]
pub(crate) fn householder_product_unblocked(h: &Tensor, taus: &Tensor) -> Tensor {
    let (m, n, k) = (h.dim(0), h.dim(1), taus.dim(0));
    let position = iota([m], 0, DType::I32);
    let last = scalar(k as i32 - 1);
    fori_loop(0, k as i32, eye(m, h.dtype()).slice(1, 0, n), |done, q| {
        let j = &last - done;
        let v = position.gt(&j).select(h.index(1, &j), position.eq(&j).convert(h.dtype()));
        &q - (&v * taus.index(0, &j)).outer(&v.dot(&q))
    })
}

/// Q `[m, k]` and R `[k, n]`, k = min(m, n).
#[track_caller]
pub(crate) fn qr_portable(a: &Tensor) -> (Tensor, Tensor) {
    let k = a.dim(0).min(a.dim(1));
    with_columns(a, k)
}

/// Q `[m, m]` and R `[m, n]`.
#[track_caller]
pub(crate) fn qr_full_portable(a: &Tensor) -> (Tensor, Tensor) {
    with_columns(a, a.dim(0))
}

/// The first `columns` columns of Q and rows of R; `columns` is at least min(m, n).
#[track_caller]
fn with_columns(a: &Tensor, columns: usize) -> (Tensor, Tensor) {
    let (m, n) = (a.dim(0), a.dim(1));
    let (h, taus) = qr_raw_portable(a);
    let k = m.min(n);
    let more = (columns - k) as i64;
    let basis = h.slice(1, 0, k).pad(0.0, &[(0, 0, 0), (0, more, 0)]);
    let q = householder_product_portable(&basis, &taus);
    let r = h.slice(0, 0, columns).triu(0);
    match k {
        0 => (q, r),
        // NaN also below the diagonal, where the whole is.
        _ => (q, or_nan(&all_finite(&taus), &r)),
    }
}
