//! U diag(max(s - tau, 0)) V', from as many singular vectors as there are singular values above tau.

use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack, StackReq};
use faer::linalg::evd::tridiag::tridiag_in_place;
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd_scratch, tridiagonal_self_adjoint_evd};
use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch as turn_back_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj as turn_back,
};
use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::linalg::qr::no_pivoting::factor::recommended_block_size;
use faer::{Accum, Conj, Mat, MatMut, MatRef, Par};
use tandem_compile::native::{Call, HostKernel, parallelism};

use super::problems::{Problem, Size, each_at, scaled};
use super::{Number, by_dtype, eigh, svd};
use crate::spectral::Route;

/// [`crate::spectral::thresholded`] by the route of this number in [`Route::NAMES`].
pub(super) struct Threshold<const ROUTE: usize>;

impl<const ROUTE: usize> HostKernel for Threshold<ROUTE> {
    const NAME: &'static str = ["tandem_threshold", "tandem_threshold_gram", "tandem_threshold_svd"][ROUTE];

    fn run(call: &mut Call<'_>) -> Result<(), String> {
        by_dtype!(call, threshold::<ROUTE>)
    }
}

fn threshold<T: Number, const ROUTE: usize>(call: &mut Call<'_>) -> Result<(), String> {
    let size = Size::of(call, 0)?;
    let taus = call.argument::<T>(1)?;
    let results = [call.result(0)?, call.result(1)?];
    each_at(
        call.argument::<T>(0)?,
        size,
        results,
        |_, _| true,
        |at, Problem { matrix, results: [y, count], par }| {
            let tau = taus[at];
            let kept = if tau.wide().is_nan() { None } else { shrink(matrix, tau, Route::NAMES[ROUTE].1, y, par) };
            match kept {
                Some(kept) => count.fill(number(kept as f64)),
                None => [y, count].into_iter().for_each(|result| result.fill(T::nan_impl())),
            }
        },
    );
    Ok(())
}

fn number<T: Number>(x: f64) -> T {
    T::from_f64_impl(x)
}

/// Writes the result and says how many singular values are above tau; `None` where an iteration did not converge.
fn shrink<T: Number>(mut matrix: Mat<T>, tau: T, route: Route, y: &mut [T], par: Par) -> Option<usize> {
    let scale = scaled(&mut matrix, |_, _| true);
    let tau = tau / scale;
    let clear = || {
        let squares: f64 = (0..matrix.ncols()).flat_map(|j| matrix.col(j).iter()).map(|x| x.wide() * x.wide()).sum();
        tau.wide() * tau.wide() >= Route::least(T::DTYPE) * squares
    };
    let gram = match route {
        Route::Auto => clear(),
        Route::Gram => true,
        Route::Svd => false,
    };
    let y = MatMut::from_row_major_slice_mut(y, matrix.nrows(), matrix.ncols());
    if gram { by_gram(&matrix, tau, scale, y, par) } else { by_svd(matrix, tau, scale, y, par) }
}

/// Products of this many multiplications get the threads that they are worth.
fn product<T: Number>(y: MatMut<'_, T>, a: MatRef<'_, T>, b: MatRef<'_, T>) {
    let par = parallelism(a.nrows() * a.ncols() * b.ncols());
    matmul(y, Accum::Replace, a, b, T::one_impl(), par);
}

fn by_gram<T: Number>(x: &Mat<T>, tau: T, scale: T, mut y: MatMut<'_, T>, par: Par) -> Option<usize> {
    let (m, n) = (x.nrows(), x.ncols());
    let tall = if m < n { x.transpose() } else { x.as_ref() };
    let k = tall.ncols();
    let mut gram = Mat::zeros(k, k);
    triangular::matmul(
        gram.as_mut(),
        BlockStructure::TriangularLower,
        Accum::Replace,
        tall.transpose(),
        BlockStructure::Rectangular,
        tall,
        BlockStructure::Rectangular,
        T::one_impl(),
        parallelism(m * n * k),
    );
    let (values, vectors) = above(gram, tau, par)?;
    let kept = values.len();
    if kept == 0 {
        y.fill(T::zero_impl());
        return Some(0);
    }
    let mut left = Mat::zeros(tall.nrows(), kept);
    product(left.as_mut(), tall, vectors.as_ref());
    for (j, &s) in values.iter().enumerate() {
        let weight = (T::one_impl() - tau / s) * scale;
        left.col_as_slice_mut(j).iter_mut().for_each(|x| *x = *x * weight);
    }
    match m < n {
        true => product(y, vectors.as_ref(), left.transpose()),
        false => product(y, left.as_ref(), vectors.transpose()),
    }
    Some(kept)
}

/// The roots above tau of a positive semidefinite matrix's eigenvalues, and their vectors in columns.
fn above<T: Number>(gram: Mat<T>, tau: T, par: Par) -> Option<(Vec<T>, Mat<T>)> {
    let k = gram.nrows();
    let mut vectors = Mat::zeros(k, k);
    let mut squares = vec![T::zero_impl(); k];
    let root = |square: T| if square > T::zero_impl() { T::sqrt_impl(&square) } else { T::zero_impl() };
    let first = |squares: &[T]| squares.iter().position(|&square| root(square) > tau).unwrap_or(k);
    // Small ones are not worth the care.
    if k < 64 {
        if !eigh::decompose(gram, &mut squares, Some(&mut vectors), par) {
            return None;
        }
        let from = first(&squares);
        return Some((squares[from..].iter().map(|&s| root(s)).collect(), vectors.subcols(from, k - from).to_owned()));
    }
    let block = recommended_block_size::<T>(k, k);
    let (mut tridiagonal, mut reflectors) = (gram, Mat::zeros(block, k - 1));
    let scratch = StackReq::any_of(&[
        self_adjoint_evd_scratch::<T>(k, ComputeEigenvectors::Yes, par, Default::default()),
        turn_back_scratch::<T>(k - 1, block, k),
    ]);
    let mut buffer = MemBuffer::new(scratch);
    let stack = MemStack::new(&mut buffer);
    tridiag_in_place(tridiagonal.as_mut(), reflectors.as_mut(), par, stack, Default::default());
    let (mut diagonal, mut beside, mut values) = (Diag::zeros(k), Diag::zeros(k), Diag::zeros(k));
    for i in 0..k {
        diagonal[i] = tridiagonal[(i, i)];
        if i + 1 < k {
            beside[i] = tridiagonal[(i + 1, i)];
        }
    }
    let outcome = tridiagonal_self_adjoint_evd(
        diagonal.as_ref(),
        beside.as_ref(),
        values.as_mut(),
        Some(vectors.as_mut()),
        par,
        stack,
        Default::default(),
    );
    outcome.ok()?;
    squares.iter_mut().enumerate().for_each(|(i, square)| *square = values[i]);
    let from = first(&squares);
    let mut kept = vectors.subcols(from, k - from).to_owned();
    if from < k {
        let basis = tridiagonal.as_ref().submatrix(1, 0, k - 1, k - 1);
        turn_back(basis, reflectors.as_ref(), Conj::No, kept.as_mut().subrows_mut(1, k - 1), par, stack);
    }
    Some((squares[from..].iter().map(|&s| root(s)).collect(), kept))
}

fn by_svd<T: Number>(matrix: Mat<T>, tau: T, scale: T, mut y: MatMut<'_, T>, par: Par) -> Option<usize> {
    let (m, n) = (matrix.nrows(), matrix.ncols());
    let k = m.min(n);
    let (mut u, mut v, mut s) = (Mat::identity(m, k), Mat::identity(n, k), vec![T::zero_impl(); k]);
    if !svd::decompose(matrix, &mut s, Some((&mut u, &mut v)), par) {
        return None;
    }
    let kept = s.iter().take_while(|&&s| s > tau).count();
    if kept == 0 {
        y.fill(T::zero_impl());
        return Some(0);
    }
    for (j, &s) in s.iter().take(kept).enumerate() {
        let weight = (s - tau) * scale;
        u.col_as_slice_mut(j).iter_mut().for_each(|x| *x = *x * weight);
    }
    product(y, u.as_ref().subcols(0, kept), v.as_ref().subcols(0, kept).transpose());
    Some(kept)
}
