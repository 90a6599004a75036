//! The singular value decomposition as a graph: which way for which shape.

use tandem_compile::{Tensor, concatenate, zeros};

use super::bidiagonal::bidiagonalize;
use super::tree::{Factors, bidiagonal_svd, bidiagonal_svdvals};
use crate::jacobi::jacobi_svd;
use crate::operand::or_nan;
use crate::qr::{qr_full_portable, qr_portable, qr_raw_portable};
use crate::scale::{max_abs, power_of_two};

/// Of at most so many columns the decomposition is by Jacobi's method: in batches it is faster there (1000 of 16 x 8 in 18 ms
/// against 42 by divide and conquer, 200 of 16 x 16 in 21 against 29, 100 of 32 x 32 no longer).
const JACOBI: usize = 16;

/// U `[m, k]`, s `[k]` and V' `[k, n]`, k = min(m, n).
#[track_caller]
pub(crate) fn svd_portable(a: &Tensor) -> (Tensor, Tensor, Tensor) {
    let (m, n) = (a.dim(0), a.dim(1));
    let dtype = a.dtype();
    if m < n {
        let (u, s, vh) = svd_portable(&a.t());
        return (vh.t(), s, u.t());
    }
    if n == 0 {
        return (zeros([m, 0], dtype), zeros([0], dtype), zeros([0, 0], dtype));
    }
    let size = max_abs(a);
    let good = size.is_finite();
    let scale = power_of_two(&size);
    let factors = tall(&good.select(a / &scale, 0.0));
    (or_nan(&good, &factors.left.t()), or_nan(&good, &(factors.values * scale)), or_nan(&good, &factors.right))
}

/// The decomposition of `[m, n]`, m >= n >= 1, whose largest element is about 1; the left vectors `[n, m]`.
fn tall(a: &Tensor) -> Factors {
    let (m, n) = (a.dim(0), a.dim(1));
    if n <= JACOBI {
        return jacobi_svd(a);
    }
    if much_taller(a) {
        let (q, r) = qr_portable(a);
        let factors = tall(&r);
        return Factors { left: factors.left.contract(&q, 1, 1), ..factors };
    }
    let reduced = bidiagonalize(a);
    let Factors { values, left, right } = bidiagonal_svd(&reduced.diagonal, &reduced.above);
    let (left, right) = (reduced.left.turn(&left).slice(1, 0, m), reduced.right.turn(&right).slice(1, 0, n));
    Factors { values, left, right }
}

/// U `[m, m]`, s `[k]` and V' `[n, n]`, k = min(m, n).
#[track_caller]
pub(crate) fn svd_full_portable(a: &Tensor) -> (Tensor, Tensor, Tensor) {
    let (m, n) = (a.dim(0), a.dim(1));
    let (u, s, vh) = svd_portable(a);
    match m.cmp(&n) {
        std::cmp::Ordering::Less => (u, s, completed(&vh.t()).t()),
        std::cmp::Ordering::Equal => (u, s, vh),
        std::cmp::Ordering::Greater => (completed(&u), s, vh),
    }
}

/// Orthonormal columns and further ones, to a square.
fn completed(q: &Tensor) -> Tensor {
    let (m, n) = (q.dim(0), q.dim(1));
    let (all, _) = qr_full_portable(q);
    concatenate(&[q, &all.slice(1, n, m)], 1)
}

/// s alone, `[k]`.
#[track_caller]
pub(crate) fn svdvals_portable(a: &Tensor) -> Tensor {
    let (m, n) = (a.dim(0), a.dim(1));
    if m < n {
        return svdvals_portable(&a.t());
    }
    if n == 0 {
        return zeros([0], a.dtype());
    }
    let size = max_abs(a);
    let good = size.is_finite();
    let scale = power_of_two(&size);
    or_nan(&good, &(tall_values(&good.select(a / &scale, 0.0)) * scale))
}

fn tall_values(a: &Tensor) -> Tensor {
    if a.dim(1) <= JACOBI {
        return tall(a).values;
    }
    if much_taller(a) {
        let (h, _) = qr_raw_portable(a);
        return tall_values(&h.slice(0, 0, a.dim(1)).triu(0));
    }
    let reduced = bidiagonalize(a);
    bidiagonal_svdvals(&reduced.diagonal, &reduced.above)
}

/// Whether the reduction is cheaper after a QR factorization: LAPACK's crossover.
fn much_taller(a: &Tensor) -> bool {
    6 * a.dim(0) >= 11 * a.dim(1)
}
