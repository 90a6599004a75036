//! The compact WY form of products of reflectors, and its application to the columns of a matrix.
//!
//! H_1 H_2 ... H_b = I - V T V', with V = [v_1 ... v_b] and T upper triangular (Schreiber and Van Loan, "A
//! storage-efficient WY representation for products of Householder transformations", SIAM J. Sci. Stat. Comput. 10,
//! 1989). Everything here is transposed: a column of the matrix is a row in memory, so that what belongs to one
//! reflector lies side by side.

use tandem_compile::{DType, DotGeneral, Tensor, fori_loop, iota, number, scalar, while_loop};

/// Columns that are updated together.
const STRIP: usize = 128;

/// The width of a panel for `k` reflectors in all.
pub(crate) fn panel_width(k: usize) -> usize {
    k.next_power_of_two().min(32)
}

/// The number of rows that a transposed matrix of `columns` columns is padded to, so that panels and strips tile it.
pub(crate) fn padded(columns: usize, k: usize) -> usize {
    let tile = if columns <= STRIP { panel_width(k) } else { STRIP };
    columns.next_multiple_of(tile)
}

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
/// ct: `[columns, m]`; vt: `[b, m]`, V'; t: `[b, b]` (its transpose applies I - V T V'). Strips of columns in a loop,
/// so that no work is done on those before `first`'s strip.
#[track_caller]
pub(crate) fn reflect_columns(ct: &Tensor, first: &Tensor, vt: &Tensor, t: &Tensor) -> Tensor {
    let (columns, m) = (ct.dim(0), ct.dim(1));
    let reflected = |strip: &Tensor, start: &Tensor| {
        let moved = strip.contract(vt, 1, 1).dot(t).dot(vt);
        let here = iota(strip.shape(), 0, DType::I32) + start;
        here.ge(first).select(strip - moved, strip)
    };
    if columns <= 2 * STRIP {
        return reflected(ct, &scalar(0i32));
    }
    let zero = scalar(0i32);
    let strip_size = scalar(STRIP as i32);
    let last = number(columns as f64, DType::I32);
    let (_, ct) = while_loop(
        ((first / &strip_size) * &strip_size, ct.clone()),
        |(start, _)| start.lt(&last),
        |(start, ct)| {
            let strip = ct.dynamic_slice(&[&start, &zero], [STRIP, m]);
            let ct = ct.dynamic_update_slice(&reflected(&strip, &start), &[&start, &zero]);
            (start + &strip_size, ct)
        },
    );
    ct
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
