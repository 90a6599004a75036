//! Many problems in one call: which belong together, and which threads work on what.

use faer::{Mat, MatRef, Par};
use rayon::prelude::*;
use tandem_compile::native::{Call, parallelism};

use super::Number;

/// One problem: the matrix, column-major as faer's algorithms want it, and the places of its `N` results.
pub(super) struct Problem<'a, T, const N: usize> {
    pub matrix: Mat<T>,
    pub results: [&'a mut [T]; N],
    /// The threads to be used.
    pub par: Par,
}

/// How many matrices of which size.
#[derive(Clone, Copy)]
pub(super) struct Size {
    pub problems: usize,
    pub m: usize,
    pub n: usize,
}

impl Size {
    /// That of argument `at`, `[..., m, n]`.
    pub fn of(call: &Call<'_>, at: usize) -> Result<Self, String> {
        match &call.argument_type(at).shape[..] {
            [leading @ .., m, n] => Ok(Self { problems: leading.iter().product(), m: *m, n: *n }),
            _ => Err(format!("a matrix expected, got {}", call.argument_type(at))),
        }
    }
}

/// Calls `solve` for each matrix in `arguments`, with the corresponding pieces of the results. Many small problems are
/// distributed over the threads; a large one gets all of them. A matrix with NaN or infinity in what
/// `is_read(row, column)` says is not solved: its results are NaN. Subnormal numbers are read as zeros, as by the rest of a
/// program.
pub(super) fn each<T: Number, const N: usize>(
    arguments: &[T],
    Size { problems, m, n }: Size,
    results: [&mut [T]; N],
    is_read: impl Fn(usize, usize) -> bool + Sync,
    solve: impl Fn(Problem<'_, T, N>) + Sync,
) {
    let one = |at: usize, mut results: [&mut [T]; N], par: Par| {
        let matrix = MatRef::from_row_major_slice(&arguments[at * m * n..][..m * n], m, n);
        let good = (0..m).all(|i| (0..n).all(|j| !is_read(i, j) || matrix[(i, j)].is_number()));
        match good {
            true => solve(Problem { matrix: flushed(matrix), results, par }),
            false => results.iter_mut().for_each(|result| result.fill(T::nan_impl())),
        }
    };
    let pieces = split(results, problems).enumerate();
    match parallelism(m * n * m.min(n)) {
        // Where a problem is worth one thread, many problems are worth several.
        Par::Seq if !matches!(parallelism(problems * m * n * m.min(n)), Par::Seq) => {
            let pieces: Vec<_> = pieces.collect();
            pieces.into_par_iter().for_each(|(at, results)| one(at, results, Par::Seq));
        }
        par => pieces.for_each(|(at, results)| one(at, results, par)),
    }
}

fn flushed<T: Number>(matrix: MatRef<'_, T>) -> Mat<T> {
    let mut flushed = matrix.to_owned();
    for j in 0..flushed.ncols() {
        flushed.col_as_slice_mut(j).iter_mut().for_each(|x| *x = x.flushed());
    }
    flushed
}

/// The results of each problem.
fn split<T, const N: usize>(results: [&mut [T]; N], problems: usize) -> impl Iterator<Item = [&mut [T]; N]> {
    let mut rest = results;
    (0..problems).map(move |at| {
        let left = problems - at;
        std::array::from_fn(|which| {
            let all = std::mem::take(&mut rest[which]);
            let (first, others) = all.split_at_mut(all.len() / left);
            rest[which] = others;
            first
        })
    })
}

/// Writes a matrix row by row.
pub(super) fn write<T: Number>(result: &mut [T], matrix: MatRef<'_, T>) {
    let (rows, cols) = (matrix.nrows(), matrix.ncols());
    faer::MatMut::from_row_major_slice_mut(result, rows, cols).copy_from(matrix);
}

/// Divides the matrix by a power of two that brings its largest element to [1, 2), so that no square of an element
/// overflows or vanishes, and returns it. Where `is_read` says no, nothing is looked at.
pub(super) fn scaled<T: Number>(matrix: &mut Mat<T>, is_read: impl Fn(usize, usize) -> bool) -> T {
    let (m, n) = (matrix.nrows(), matrix.ncols());
    let mut largest = 0f64;
    for j in 0..n {
        for i in (0..m).filter(|&i| is_read(i, j)) {
            largest = largest.max(matrix[(i, j)].wide().abs());
        }
    }
    if largest == 0.0 {
        return T::one_impl();
    }
    // Two factors, for the inverse of the smallest numbers is out of range.
    let exponent = largest.log2().floor() as i32;
    let (half, rest) = (exponent / 2, exponent - exponent / 2);
    let (down, further) = (T::power_of_two(-half), T::power_of_two(-rest));
    for j in 0..n {
        for i in 0..m {
            matrix[(i, j)] = matrix[(i, j)] * down * further;
        }
    }
    T::power_of_two(exponent)
}
