//! The derivative of the LU factorization.

use tandem_compile::{DType, Tensor, eye, iota};

use crate::triangular::{Triangle, substitute};

/// The tangent of L + U - I where P'A = L U and P stays: with X = L^-1 P'dA U^-1, dL = L tril(X, -1) and dU = triu(X) U, for L and
/// U made square by columns and rows of the identity (as JAX has it). Where U is singular it is not finite.
#[track_caller]
pub(crate) fn lu_pivoted_rule(_a: &Tensor, (lu, permutation): (&Tensor, &Tensor), da: &Tensor) -> Tensor {
    let (m, n) = (lu.dim(0), lu.dim(1));
    let k = m.min(n);
    if k == 0 {
        return da.clone();
    }
    let dtype = lu.dtype();
    let more = |size: usize| (0, (size - k) as i64, 0);
    let l = lu.slice(1, 0, k).tril(-1).pad(0.0, &[(0, 0, 0), more(m)]) + eye(m, dtype);
    let beyond = iota([n], 0, DType::I32).ge(k as i32).convert(dtype).diag();
    let u = lu.slice(0, 0, k).triu(0).pad(0.0, &[more(n), (0, 0, 0)]) + beyond;
    let left =
        substitute(&l, &da.take(permutation, 0), Triangle { lower: true, transpose: false, unit_diagonal: true });
    // X U = left is U'X' = left'.
    let x = substitute(&u, &left.t(), Triangle { lower: false, transpose: true, unit_diagonal: false }).t();
    l.dot(&x.tril(-1)) + x.triu(0).dot(&u)
}
