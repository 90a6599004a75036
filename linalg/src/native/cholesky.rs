//! A = L L'.

use faer::Mat;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{cholesky_in_place, cholesky_in_place_scratch};
use tandem_compile::native::{Call, HostKernel};

use super::layout::write;
use super::problems::{Problem, Size, each};
use super::{Number, by_dtype};

pub(super) struct Cholesky;

impl HostKernel for Cholesky {
    const NAME: &'static str = "tandem_cholesky";

    fn run(call: &mut Call<'_>) -> Result<(), String> {
        by_dtype!(call, cholesky)
    }
}

fn cholesky<T: Number>(call: &mut Call<'_>) -> Result<(), String> {
    let size = Size::of(call, 0)?;
    each(call.argument::<T>(0)?, size, [call.result(0)?], |i, j| i >= j, factor);
    Ok(())
}

fn factor<T: Number>(Problem { mut matrix, results: [l], par }: Problem<'_, T, 1>) {
    let n = matrix.nrows();
    let mut buffer = MemBuffer::new(cholesky_in_place_scratch::<T>(n, par, Default::default()));
    let stack = MemStack::new(&mut buffer);
    match cholesky_in_place(matrix.as_mut(), Default::default(), par, stack, Default::default()) {
        Ok(_) => {
            zero_above(&mut matrix);
            write(l, matrix.as_ref());
        }
        // Not positive definite.
        Err(_) => l.fill(T::nan_impl()),
    }
}

fn zero_above<T: Number>(matrix: &mut Mat<T>) {
    for j in 1..matrix.ncols() {
        let above = j.min(matrix.nrows());
        matrix.as_mut().col_mut(j).subrows_mut(0, above).fill(T::zero_impl());
    }
}
