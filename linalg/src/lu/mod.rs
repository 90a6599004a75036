//! LU factorization with partial pivoting.

mod graph;
mod rule;

use tandem_compile::{DType, Tensor, eye, iota, zeros};

use crate::batch::{factors, leading, over_leading};
use crate::native;
use crate::operand::{is_matrix, or_nan};
pub(crate) use graph::lu_pivoted_portable;
pub(crate) use rule::lu_pivoted_rule;

/// LAPACK's `getrf`: both factors in one matrix `lu` `[m, n]` (U on and above the diagonal, L below it without its ones), and the
/// `permutation` `[m]` (i32) of rows: `A[permutation] = L U`.
///
/// a: `[..., m, n]`, f32 or f64. Each pivot is the largest of what is left of its column, of equal ones the first as LAPACK's row
/// exchanges have ordered them; a zero pivot is passed over, and U is singular. NaN or infinity in `a` makes `lu` NaN
/// everywhere and leaves the rows in order. The derivative takes the permutation as it is.
#[track_caller]
pub fn lu_pivoted(a: &Tensor) -> (Tensor, Tensor) {
    if !is_matrix("lu_pivoted", a) {
        return (a.clone(), a.clone());
    }
    factors(a, Some(native::LU), lu_pivoted_portable, |a, (lu, permutation), da| {
        let tangent = lu_pivoted_rule(a, (lu, permutation), da);
        (tangent, zeros(permutation.shape(), DType::I32))
    })
}

/// A = P L U, as scipy's `lu`: P `[m, m]` a permutation matrix, L `[m, k]` unit lower triangular with no element above 1
/// in magnitude, U `[k, n]` upper triangular, k = min(m, n).
///
/// a: `[..., m, n]`, f32 or f64, of any rank; see [`lu_pivoted`]. NaN or infinity in it makes everything NaN.
///
/// ```
/// use ndarray::{Array2, array};
/// use tandem_compile::{Tensor, jit};
///
/// let a = array![[1.0, 2.0], [3.0, 4.0], [5.0, 8.0]];
/// let (p, l, u): (Array2<f64>, Array2<f64>, Array2<f64>) = jit(|a: Tensor| tandem_linalg::lu(&a)).call(&a)?;
/// assert!((p.dot(&l).dot(&u) - &a).iter().all(|e| e.abs() < 1e-14));
/// assert_eq!(u[[0, 0]], 5.0);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn lu(a: &Tensor) -> (Tensor, Tensor, Tensor) {
    if !is_matrix("lu", a) {
        return (a.clone(), a.clone(), a.clone());
    }
    over_leading(&leading(a), a.clone(), |a| lu_of_one(&a))
}

fn lu_of_one(a: &Tensor) -> (Tensor, Tensor, Tensor) {
    let (m, n) = (a.dim(0), a.dim(1));
    let k = m.min(n);
    let (lu, permutation) = lu_pivoted(a);
    let columns = permutation.broadcast_in_dim([m, m], [1]);
    let p = columns.eq(iota([m, m], 0, DType::I32)).convert(a.dtype());
    let l = lu.slice(1, 0, k).tril(-1) + eye(m, a.dtype()).slice(1, 0, k);
    let u = lu.slice(0, 0, k).triu(0);
    if k == 0 {
        return (p, l, u);
    }
    // The first pivot is NaN where everything is, and never otherwise.
    let pivot = lu.slice(0, 0, 1).slice(1, 0, 1).reshape([]);
    let good = pivot.eq(&pivot);
    (or_nan(&good, &p), or_nan(&good, &l), or_nan(&good, &u))
}
