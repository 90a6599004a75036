//! How the blocked factorizations cut a matrix: it is held transposed, so that a panel (columns that are factored together) and a
//! strip (columns that are updated together) are contiguous rows in memory.

use tandem_compile::{DType, Tensor, iota, number, scalar, while_loop};

/// Columns that are updated together.
const STRIP: usize = 128;

/// The width of a panel where `k` columns are factored in all.
pub(crate) fn panel_width(k: usize) -> usize {
    k.next_power_of_two().min(32)
}

/// The number of rows that a transposed matrix of `columns` columns is padded to, so that panels and strips tile it.
pub(crate) fn padded(columns: usize, k: usize) -> usize {
    let tile = if columns <= 2 * STRIP { panel_width(k) } else { STRIP };
    columns.next_multiple_of(tile)
}

/// `at` with `update` applied to its rows from `first` (an i32 scalar) on: strip by strip, without work on strips before.
///
/// at: `[padded, m]`; `update` gets `[rows, m]` of it and gives as much back.
#[track_caller]
pub(crate) fn update_from(at: &Tensor, first: &Tensor, update: impl Fn(&Tensor) -> Tensor) -> Tensor {
    let (rows, m) = (at.dim(0), at.dim(1));
    let updated = |strip: &Tensor, start: &Tensor| {
        let here = iota(strip.shape(), 0, DType::I32) + start;
        here.ge(first).select(update(strip), strip)
    };
    if rows <= 2 * STRIP {
        return updated(at, &scalar(0i32));
    }
    let (zero, size) = (scalar(0i32), scalar(STRIP as i32));
    let last = number(rows as f64, DType::I32);
    let (_, at) = while_loop(
        ((first / &size) * &size, at.clone()),
        |(start, _)| start.lt(&last),
        |(start, at)| {
            let strip = at.dynamic_slice(&[&start, &zero], [STRIP, m]);
            let at = at.dynamic_update_slice(&updated(&strip, &start), &[&start, &zero]);
            (start + &size, at)
        },
    );
    at
}
