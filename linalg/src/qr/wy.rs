//! The compact WY form of products of reflectors, and its application to the columns of a matrix.
//!
//! H_1 H_2 ... H_b = I - V T V', with V = [v_1 ... v_b] and T upper triangular (Schreiber and Van Loan, "A
//! storage-efficient WY representation for products of Householder transformations", SIAM J. Sci. Stat. Comput. 10,
//! 1989). Everything here is transposed: a column of the matrix is a row in memory, so that what belongs to one
//! reflector lies side by side.

use tandem_compile::{DType, DotGeneral, Tensor, fori_loop, iota, scalar};

use crate::panel::{padded, panel_width, update_from};

/// T of I - V T V', for many panels at once.
///
/// gram: `[..., b, b]` whose strict upper triangle holds V'V; taus: `[..., b]`. Result: `[..., b, b]`, upper triangular.
///
/// Two neighbouring blocks of reflectors, (V1, T1) and (V2, T2), have the product with T = [T1, -T1 V1'V2 T2; 0, T2];
/// starting from single reflectors the blocks double until one is left.
#[track_caller]
pub(crate) fn triangular_factor(gram: &Tensor, taus: &Tensor) -> Tensor {
    let shape = gram.shape().to_vec();
    let (row, column) = (shape.len() - 2, shape.len() - 1);
    let (i, j) = (iota(shape.clone(), row, DType::I32), iota(shape.clone(), column, DType::I32));
    let leading: Vec<usize> = (0..row).chain([column]).collect();
    let start = i.eq(&j).select(taus.broadcast_in_dim(shape.clone(), leading), 0.0);
    let levels = shape[column].next_power_of_two().ilog2();
    (0..levels).fold(start, |t, level| {
        let (block_i, block_j) = (i.shift_right(level as i32), j.shift_right(level as i32));
        let joined = (block_i.clone() & scalar(1i32)).eq(0) & block_j.eq(block_i + 1);
        let between = joined.select(gram, 0.0);
        &t - product(&product(&t, &between), &t)
    })
}

/// The product of matrices in the last two axes.
#[track_caller]
fn product(x: &Tensor, y: &Tensor) -> Tensor {
    let batch: Vec<usize> = (0..x.ndim() - 2).collect();
    x.dot_general(
        y,
        DotGeneral {
            lhs_contracting: vec![x.ndim() - 1],
            rhs_contracting: vec![y.ndim() - 2],
            lhs_batch: batch.clone(),
            rhs_batch: batch,
            ..DotGeneral::default()
        },
    )
}

/// C' <- C' - (C' V) T V' for the rows of C' from `first` on (an i32 scalar): (I - V T' V') applied to columns of C.
///
/// ct: `[columns, m]`; vt: `[b, m]`, V'; t: `[b, b]` (its transpose applies I - V T V').
#[track_caller]
pub(crate) fn reflect_columns(ct: &Tensor, first: &Tensor, vt: &Tensor, t: &Tensor) -> Tensor {
    update_from(ct, first, |strip| strip - strip.contract(vt, 1, 1).dot(t).dot(vt))
}

/// Q' of Q = H_1 H_2 ... H_k applied to the first columns of the identity.
///
/// vt: `[kp, m]`, the reflectors as rows, with their ones; taus: `[kp]`; kp a multiple of [`panel_width`]. Result:
/// `[columns, m]`, the first `columns` columns of Q as rows.
///
/// The last panel comes first: so the columns before a panel's first are untouched by it and those after.
#[track_caller]
pub(crate) fn product_of_reflectors(vt: &Tensor, taus: &Tensor, columns: usize) -> Tensor {
    let (count, m) = (vt.dim(0), vt.dim(1));
    let width = panel_width(count);
    let panels = count / width;
    let blocks = vt.reshape([panels, width, m]);
    let pairs = DotGeneral {
        lhs_contracting: vec![2],
        rhs_contracting: vec![2],
        lhs_batch: vec![0],
        rhs_batch: vec![0],
        ..DotGeneral::default()
    };
    let gram = blocks.dot_general(&blocks, pairs);
    let factors = triangular_factor(&gram, &taus.reshape([panels, width]));
    let rows = padded(columns, count);
    let shape = [rows, m];
    let same = iota(shape, 0, DType::I32).eq(iota(shape, 1, DType::I32));
    let start = same.convert(vt.dtype());
    let zero = scalar(0i32);
    let qt = fori_loop(0, panels as i32, start, |done, qt| {
        let panel = scalar(panels as i32 - 1) - done;
        let first = &panel * scalar(width as i32);
        let vt = vt.dynamic_slice(&[&first, &zero], [width, m]);
        reflect_columns(&qt, &first, &vt, &factors.index(0, &panel).t())
    });
    qt.slice(0, 0, columns)
}
