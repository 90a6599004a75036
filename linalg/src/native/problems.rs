//! Many problems in one call: which belong together, and which threads work on what.

use faer::{Mat, Par};
use rayon::prelude::*;
use tandem_compile::native::{Call, parallelism};

use super::Number;
use super::layout::columns_of;

/// The multiplications from which on one factorization is worth several threads: faer's wait for each other at every column or
/// panel. On 2 cores, qr of 256 x 256 takes a quarter of the time on one of them, svd and eigh of 512 x 512 as long.
const LARGE: usize = 1 << 28;

/// One problem: the matrix, column-major as faer's algorithms want it, and the places of its `N` results.
pub(super) struct Problem<'a, T, const N: usize> {
    pub matrix: Mat<T>,
    pub results: [&'a mut [T]; N],
    /// The threads to be used.
    pub par: Par,
}

/// The threads for one factorization of so many multiplications.
pub(super) fn threads(work: usize) -> Par {
    if work < LARGE { Par::Seq } else { parallelism(work) }
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
    size: Size,
    results: [&mut [T]; N],
    is_read: impl Fn(usize, usize) -> bool + Sync,
    solve: impl Fn(Problem<'_, T, N>) + Sync,
) {
    each_at(arguments, size, results, is_read, |_, problem| solve(problem));
}

/// [`each`], and which problem it is.
pub(super) fn each_at<T: Number, const N: usize>(
    arguments: &[T],
    Size { problems, m, n }: Size,
    results: [&mut [T]; N],
    is_read: impl Fn(usize, usize) -> bool + Sync,
    solve: impl Fn(usize, Problem<'_, T, N>) + Sync,
) {
    let one = |at: usize, mut results: [&mut [T]; N], par: Par| {
        let rows = &arguments[at * m * n..][..m * n];
        let is_good = |(i, row): (usize, &[T])| row.iter().enumerate().all(|(j, x)| !is_read(i, j) || x.is_number());
        match rows.chunks(n.max(1)).enumerate().all(is_good) {
            true => solve(at, Problem { matrix: columns_of(rows, m, n), results, par }),
            false => results.iter_mut().for_each(|result| result.fill(T::nan_impl())),
        }
    };
    let pieces = split(results, problems).enumerate();
    let work = m * n * m.min(n);
    let par = threads(work);
    // Where a problem is worth one thread, many problems are worth several.
    if problems > 1 && matches!(par, Par::Seq) && !matches!(parallelism(problems * work), Par::Seq) {
        let pieces: Vec<_> = pieces.collect();
        pieces.into_par_iter().for_each(|(at, results)| one(at, results, Par::Seq));
    } else {
        pieces.for_each(|(at, results)| one(at, results, par));
    }
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
