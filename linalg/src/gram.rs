//! Small systems with the Gram matrix of a few vectors: its factorization A = U'U and what is solved with it.
//!
//! For n up to some hundreds this is faster than the blocked [`cholesky`](crate::cholesky()), whose factor is U'.
//!
//! The graph is the left-looking method, one row of U per trip: n small matrix-vector products in one loop, so that
//! compile time does not depend on n. The compiler's own `stablehlo.cholesky` takes 10 to 40 times as long on the
//! CPU (see `docs/notes/cholesky-expansion.md`).

use tandem_compile::{DType, Tensor, eye, fori_loop, iota, scalar, zeros};

/// The upper triangular U with U'U = A.
///
/// a: `[n, n]` symmetric positive definite, f32 or f64; only its upper half is read. Where A is not positive
/// definite, rows of NaN from the first negative pivot on, or of infinities after a zero one.
///
/// The matrix-vector (gaxpy) form of Golub and Van Loan, Matrix Computations, section 4.2, read by rows.
#[track_caller]
pub fn cholesky(a: &Tensor) -> Tensor {
    let n = a.dim(0);
    let position = iota([n], 0, DType::I32);
    fori_loop(0, n as i32, zeros([n, n], a.dtype()), |j, u| {
        // What the rows above leave of row j: those of U from j on are still zero and contribute nothing.
        let row = a.index(0, &j) - u.index(1, &j).dot(&u);
        let pivot = row.index(0, &j).sqrt();
        let row = position.ge(&j).select(row / pivot, 0.0);
        u.dynamic_update_slice(&row.reshape([1, n]), &[&j, &scalar(0i32)])
    })
}

/// The inverse of L = U', from the upper triangular U, by substitution on the identity.
///
/// u: `[n, n]` upper triangular, f32 or f64. Result: `[n, n]` lower triangular.
#[track_caller]
pub fn inverse_of_transpose(u: &Tensor) -> Tensor {
    let n = u.dim(0);
    let identity = eye(n, u.dtype());
    fori_loop(0, n as i32, zeros([n, n], u.dtype()), |j, x| {
        // Row j of L is column j of U; rows of X from j on are still zero.
        let column = u.index(1, &j);
        let row = (identity.index(0, &j) - column.dot(&x)) / column.index(0, &j);
        x.dynamic_update_slice(&row.reshape([1, n]), &[&j, &scalar(0i32)])
    })
}

/// X with U'U X = B, as two products with the inverse of the small factor.
///
/// u: `[n, n]` upper triangular; b: `[n, m]`. For n much smaller than m the two products cost little more than
/// two substitutions and run at the speed of a matrix product; the error keeps substitution's order, cond(U)^2 u
/// (Du Croz and Higham, "Stability of methods for matrix inversion", IMA J. Numer. Anal. 12, 1992).
#[track_caller]
pub fn cholesky_solve(u: &Tensor, b: &Tensor) -> Tensor {
    let inverse = inverse_of_transpose(u);
    inverse.contract(&inverse.dot(b), 0, 0)
}
