//! The derivative of the LDL' factorization.

use tandem_compile::{DType, Tensor, concatenate, iota, zeros};

use crate::triangular::{Triangle, substitute};

/// The tangents of P'AP = L D L' where the permutation and the blocks of D stay: with S = L^-1 P'dA P L^-T, dD is S's part in D's
/// blocks and dL = L K for K D = what S has below the blocks. Where D is singular dL is not finite.
///
/// Only the lower triangle of A is read, and so the derivative is that of a function of the lower triangle.
#[track_caller]
pub(crate) fn ldl_rule(_a: &Tensor, (l, d, permutation): (&Tensor, &Tensor, &Tensor), da: &Tensor) -> (Tensor, Tensor) {
    let n = d.dim(0);
    if n == 0 {
        return (da.clone(), da.clone());
    }
    let how = Triangle { lower: true, transpose: false, unit_diagonal: true };
    let triangular = l.take(permutation, 0);
    let symmetric = (da.tril(0) + da.tril(-1).t()).take(permutation, 0).take(permutation, 1);
    let s = substitute(&triangular, &substitute(&triangular, &symmetric, how).t(), how);
    let (row, column) = (iota([n, n], 0, DType::I32), iota([n, n], 1, DType::I32));
    let blocks = d.ne(0.0) | row.eq(&column);
    let k = (row.gt(&column) & !&blocks).select(&s, 0.0).dot(&inverse(d));
    (l.dot(&k), blocks.select(&s, 0.0))
}

/// The inverse of a block diagonal matrix with blocks of one and two, scaled by the element off the diagonal as LAPACK does.
#[track_caller]
fn inverse(d: &Tensor) -> Tensor {
    let n = d.dim(0);
    let zero = zeros([1], d.dtype());
    let diagonal = d.diag();
    // Element j couples j with j + 1, or j with j - 1; of a block of two each has one.
    let after = concatenate(&[&d.slice(0, 1, n).slice(1, 0, n - 1).diag(), &zero], 0);
    let before = concatenate(&[&zero, &after.slice(0, 0, n - 1)], 0);
    let single = after.eq(0.0) & before.eq(0.0);
    let off = single.select(1.0, &after + &before);
    let up = concatenate(&[&diagonal.slice(0, 1, n), &zero], 0);
    let down = concatenate(&[&zero, &diagonal.slice(0, 0, n - 1)], 0);
    let partner = after.ne(0.0).select(up, down) / &off;
    let weight = 1.0 / ((&diagonal / &off * &partner - 1.0) * &off);
    let own = single.select(1.0 / &diagonal, &partner * &weight);
    let shape = [n, n];
    let same = iota(shape, 0, DType::I32).eq(iota(shape, 1, DType::I32));
    let beside = d.ne(0.0).select(-weight.broadcast_in_dim(shape, [0]), 0.0);
    same.select(own.broadcast_in_dim(shape, [0]), beside)
}
