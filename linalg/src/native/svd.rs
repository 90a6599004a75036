//! A = U diag(s) V'.

use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::svd::{ComputeSvdVectors, svd as decomposed, svd_scratch};
use faer::{Mat, Par};
use tandem_compile::native::{Call, HostKernel};

use super::layout::write;
use super::problems::{Problem, Size, each, scaled};
use super::{Number, by_dtype};

/// Thin, or with square U and V.
pub(super) struct Svd<const FULL: bool>;
/// Singular values alone.
pub(super) struct Svdvals;

impl<const FULL: bool> HostKernel for Svd<FULL> {
    const NAME: &'static str = if FULL { "tandem_svd_full" } else { "tandem_svd" };

    fn run(call: &mut Call<'_>) -> Result<(), String> {
        by_dtype!(call, svd::<FULL>)
    }
}

impl HostKernel for Svdvals {
    const NAME: &'static str = "tandem_svdvals";

    fn run(call: &mut Call<'_>) -> Result<(), String> {
        by_dtype!(call, svdvals)
    }
}

fn svd<T: Number, const FULL: bool>(call: &mut Call<'_>) -> Result<(), String> {
    let size = Size::of(call, 0)?;
    let results = [call.result(0)?, call.result(1)?, call.result(2)?];
    each(
        call.argument::<T>(0)?,
        size,
        results,
        |_, _| true,
        |Problem { matrix, results: [u, s, vh], par }| {
            let (m, n, k) = (size.m, size.n, size.m.min(size.n));
            let (rows, cols) = if FULL { (m, n) } else { (k, k) };
            let (mut left, mut right) = (Mat::identity(m, rows), Mat::identity(n, cols));
            if k > 0 && !decompose(matrix, s, Some((&mut left, &mut right)), par) {
                [u, vh].into_iter().for_each(|result| result.fill(T::nan_impl()));
                return;
            }
            write(u, left.as_ref());
            write(vh, right.transpose());
        },
    );
    Ok(())
}

fn svdvals<T: Number>(call: &mut Call<'_>) -> Result<(), String> {
    let size = Size::of(call, 0)?;
    let results = [call.result(0)?];
    each(
        call.argument::<T>(0)?,
        size,
        results,
        |_, _| true,
        |Problem { matrix, results: [s], par }| {
            decompose(matrix, s, None, par);
        },
    );
    Ok(())
}

/// Whether it converged; else the values are NaN.
pub(super) fn decompose<T: Number>(
    mut matrix: Mat<T>,
    s: &mut [T],
    vectors: Option<(&mut Mat<T>, &mut Mat<T>)>,
    par: Par,
) -> bool {
    let (m, n) = (matrix.nrows(), matrix.ncols());
    let scale = scaled(&mut matrix, |_, _| true);
    let mut values = Diag::<T>::zeros(m.min(n));
    let wanted = |columns: usize, size: usize| match columns == size {
        true => ComputeSvdVectors::Full,
        false => ComputeSvdVectors::Thin,
    };
    let (compute_u, compute_v) = match &vectors {
        Some((u, v)) => (wanted(u.ncols(), m), wanted(v.ncols(), n)),
        None => (ComputeSvdVectors::No, ComputeSvdVectors::No),
    };
    let mut buffer = MemBuffer::new(svd_scratch::<T>(m, n, compute_u, compute_v, par, Default::default()));
    let stack = MemStack::new(&mut buffer);
    let (u, v) = vectors.map(|(u, v)| (u.as_mut(), v.as_mut())).unzip();
    let outcome = decomposed(matrix.as_ref(), values.as_mut(), u, v, par, stack, Default::default());
    for (at, s) in s.iter_mut().enumerate() {
        *s = if outcome.is_ok() { values[at] * scale } else { T::nan_impl() };
    }
    outcome.is_ok()
}
