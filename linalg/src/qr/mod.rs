//! QR factorization by Householder reflections: reduced, full, raw.
//!
//! A = Q R with orthonormal columns in Q and R upper triangular. The diagonal of R has LAPACK's signs: each element is
//! minus the sign of what it replaces, or that element itself where nothing but zeros stands below it.

mod graph;
mod pivoted;
mod rule;
pub(crate) mod wy;

use tandem_compile::{DType, Tensor, kernel, refuse, zeros};

use crate::batch::{factors, leading, over_leading};
use crate::native;
use crate::operand::is_matrix;
pub(crate) use graph::{householder_product_portable, qr_full_portable, qr_portable, qr_raw_portable};
pub(crate) use pivoted::qr_pivoted_portable;
pub(crate) use rule::{householder_product_rule, qr_full_rule, qr_pivoted_rule, qr_raw_rule, qr_rule};

/// The reduced factorization A = Q R: Q `[..., m, k]` with orthonormal columns, R `[..., k, n]` upper triangular, k = min(m, n).
///
/// a: `[..., m, n]`, f32 or f64. NaN or infinity in it makes everything NaN. Of an empty matrix the factors are empty. Its
/// derivative is that of the first k columns' factorization, and not finite where those are dependent.
///
/// Golub and Van Loan, Matrix Computations, section 5.2 (blocked, compact WY). The columns are scaled by powers of two
/// first, so that no square overflows.
///
/// ```
/// use ndarray::{Array2, array};
/// use tandem_compile::{Tensor, jit};
///
/// let a = array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
/// let (q, r): (Array2<f64>, Array2<f64>) = jit(|a: Tensor| tandem_linalg::qr(&a)).call(&a)?;
/// assert!((q.dot(&r) - &a).iter().all(|e| e.abs() < 1e-14));
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn qr(a: &Tensor) -> (Tensor, Tensor) {
    if !is_matrix("qr", a) {
        return (a.clone(), a.clone());
    }
    factors(a, Some(native::QR), qr_portable, |a, (q, r), da| qr_rule(a, (q, r), da))
}

/// The full factorization A = Q R: Q `[m, m]` orthogonal, R `[m, n]` upper triangular.
///
/// a: `[m, n]`, f32 or f64, as in [`qr`]. For m > n its last columns of Q span what A does not reach; no one basis of it is
/// a smooth function of A, and a derivative is refused.
#[track_caller]
pub fn qr_full(a: &Tensor) -> (Tensor, Tensor) {
    if !is_matrix("qr_full", a) {
        return (a.clone(), a.clone());
    }
    factors(a, Some(native::QR_FULL), qr_full_portable, |a, (q, r), da| qr_full_rule(a, (q, r), da))
}

/// LAPACK's `geqrf`: `h` `[m, n]` with R on and above its diagonal, and below it the reflectors H_j = I - tau_j v_j v_j'
/// (v_j has zeros above the diagonal, a one on it and column j's elements below it), and `taus` `[min(m, n)]`.
///
/// a: `[m, n]`, f32 or f64, as in [`qr`]. A tail below the diagonal whose norm is less than 1e-12 (f32) or 1e-138 (f64) of its
/// column's largest element counts as zero: its tau is zero.
#[track_caller]
pub fn qr_raw(a: &Tensor) -> (Tensor, Tensor) {
    if !is_matrix("qr_raw", a) {
        return (a.clone(), a.clone());
    }
    factors(a, None, qr_raw_portable, |a, (h, taus), da| qr_raw_rule(a, (h, taus), da))
}

/// LAPACK's `orgqr`: the first n columns of H_1 H_2 ... H_k, `[m, n]`.
///
/// h: `[m, n]` with n <= m, the reflectors below its diagonal as [`qr_raw`] leaves them (what stands elsewhere is not
/// read); taus: `[k]` with k <= n. f32 or f64, both the same. NaN or infinity in what is read makes everything NaN.
#[track_caller]
pub fn householder_product(h: &Tensor, taus: &Tensor) -> Tensor {
    if !is_matrix("householder_product", h) {
        return h.clone();
    }
    let leading = leading(h);
    let (m, n) = (h.dim(leading.len()), h.dim(leading.len() + 1));
    let ones = taus.ndim() == leading.len() + 1 && taus.shape()[..leading.len()] == leading[..];
    if !ones || taus.dtype() != h.dtype() || n > m || taus.dim(leading.len()) > n {
        return refuse(format!(
            "householder_product: reflectors [..., m, n] with n <= m and taus [..., k] with k <= n of one dtype expected, \
             got {} and {}",
            h.ty(),
            taus.ty()
        ));
    }
    type Reflectors = (Tensor, Tensor);
    let product = kernel(
        None,
        |(h, taus): Reflectors| householder_product_portable(&h, &taus),
        |(h, taus): &Reflectors, q: &Tensor, (dh, dtaus): &Reflectors| {
            householder_product_rule((h, taus), q, (dh, dtaus))
        },
    );
    over_leading(&leading, (h.clone(), taus.clone()), product)
}

/// QR with column pivoting, LAPACK's `geqp3`: A[:, p] = Q R, with Q `[m, k]`, R `[k, n]`, k = min(m, n), and the permutation
/// p `[n]` (i32). The magnitudes on the diagonal of R do not grow, and tell the rank.
///
/// a: `[m, n]`, f32 or f64. In each step the column comes whose part below the rows that are done is the longest, of
/// equal ones the first as the exchanges have ordered them. NaN or infinity in `a` makes Q and R NaN everywhere and
/// leaves the columns in order. What is less than 1e-12 (f32) or 1e-138 (f64) of A's largest element counts as zero. The
/// derivative takes the permutation as it is, and is that of [`qr`] on the permuted columns.
///
/// ```
/// use ndarray::{Array1, Array2, array};
/// use tandem_compile::{Tensor, jit};
///
/// let a = array![[1.0, 0.0, 3.0], [0.0, 2.0, 0.0]];
/// let (_, r, p): (Array2<f64>, Array2<f64>, Array1<i32>) = jit(|a: Tensor| tandem_linalg::qr_pivoted(&a)).call(&a)?;
/// assert_eq!(p, array![2, 1, 0]);
/// assert_eq!(r[[0, 0]].abs(), 3.0);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn qr_pivoted(a: &Tensor) -> (Tensor, Tensor, Tensor) {
    if !is_matrix("qr_pivoted", a) {
        return (a.clone(), a.clone(), a.clone());
    }
    factors(a, None, qr_pivoted_portable, |a, (q, r, p), da| {
        let (dq, dr) = qr_pivoted_rule(a, (q, r, p), da);
        (dq, dr, zeros(p.shape(), DType::I32))
    })
}
