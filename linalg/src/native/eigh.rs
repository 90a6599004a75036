//! A V = V diag(w), of a symmetric A.

use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::{Mat, Par};
use tandem_compile::native::{Call, HostKernel};

use super::layout::write;
use super::problems::{Problem, Size, each, scaled};
use super::{Number, by_dtype};

/// Eigenvalues and eigenvectors.
pub(super) struct Eigh;
/// Eigenvalues alone.
pub(super) struct Eigvalsh;

impl HostKernel for Eigh {
    const NAME: &'static str = "tandem_eigh";

    fn run(call: &mut Call<'_>) -> Result<(), String> {
        by_dtype!(call, eigh)
    }
}

impl HostKernel for Eigvalsh {
    const NAME: &'static str = "tandem_eigvalsh";

    fn run(call: &mut Call<'_>) -> Result<(), String> {
        by_dtype!(call, eigvalsh)
    }
}

fn eigh<T: Number>(call: &mut Call<'_>) -> Result<(), String> {
    let size = Size::of(call, 0)?;
    let results = [call.result(0)?, call.result(1)?];
    each(
        call.argument::<T>(0)?,
        size,
        results,
        |i, j| i >= j,
        |Problem { matrix, results: [w, v], par }| {
            let mut vectors = Mat::zeros(size.n, size.n);
            if decompose(matrix, w, Some(&mut vectors), par) {
                write(v, vectors.as_ref());
            } else {
                v.fill(T::nan_impl());
            }
        },
    );
    Ok(())
}

fn eigvalsh<T: Number>(call: &mut Call<'_>) -> Result<(), String> {
    let size = Size::of(call, 0)?;
    let results = [call.result(0)?];
    each(
        call.argument::<T>(0)?,
        size,
        results,
        |i, j| i >= j,
        |Problem { matrix, results: [w], par }| {
            decompose(matrix, w, None, par);
        },
    );
    Ok(())
}

/// Whether it converged; else the values are NaN.
pub(super) fn decompose<T: Number>(mut matrix: Mat<T>, w: &mut [T], vectors: Option<&mut Mat<T>>, par: Par) -> bool {
    let n = matrix.nrows();
    let scale = scaled(&mut matrix, |i, j| i >= j);
    let mut values = Diag::<T>::zeros(n);
    let wanted = if vectors.is_some() { ComputeEigenvectors::Yes } else { ComputeEigenvectors::No };
    let mut buffer = MemBuffer::new(self_adjoint_evd_scratch::<T>(n, wanted, par, Default::default()));
    let stack = MemStack::new(&mut buffer);
    let vectors = vectors.map(|vectors| vectors.as_mut());
    let outcome = self_adjoint_evd(matrix.as_ref(), values.as_mut(), vectors, par, stack, Default::default());
    for (at, w) in w.iter_mut().enumerate() {
        *w = if outcome.is_ok() { values[at] * scale } else { T::nan_impl() };
    }
    outcome.is_ok()
}
