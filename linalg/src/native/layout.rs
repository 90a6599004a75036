//! Matrices row by row, as programs hold them, and column by column, as faer wants them.
//!
//! In tiles: of a large matrix, a row and a column are never in the cache together.

use faer::{Mat, MatRef};

use super::Number;

/// The size of a tile: as many rows as a line of the cache has numbers, and not more than it has ways.
const ROWS: usize = 8;
const COLUMNS: usize = 16;

/// The matrix `[m, n]` that lies there row by row, with zeros for its subnormal numbers.
pub(super) fn columns_of<T: Number>(rows: &[T], m: usize, n: usize) -> Mat<T> {
    let mut matrix = Mat::zeros(m, n);
    in_tiles(m, n, |i, to, j| {
        let column = &mut matrix.col_as_slice_mut(j)[i..to];
        for (x, i) in column.iter_mut().zip(i..) {
            *x = rows[i * n + j].flushed();
        }
    });
    matrix
}

/// Writes a matrix row by row.
pub(super) fn write<T: Number>(rows: &mut [T], matrix: MatRef<'_, T>) {
    let n = matrix.ncols();
    in_tiles(matrix.nrows(), n, |i, to, j| {
        let column = matrix.col(j).subrows(i, to - i);
        for (x, i) in column.iter().zip(i..) {
            rows[i * n + j] = *x;
        }
    });
}

/// Calls `copy(i, to, j)` for rows i..to of column j, tile by tile.
fn in_tiles(m: usize, n: usize, mut copy: impl FnMut(usize, usize, usize)) {
    for i in (0..m).step_by(ROWS) {
        for first in (0..n).step_by(COLUMNS) {
            (first..n.min(first + COLUMNS)).for_each(|j| copy(i, m.min(i + ROWS), j));
        }
    }
}
