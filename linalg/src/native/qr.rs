//! A = Q R.

use faer::Mat;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch as apply_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj as apply,
};
use faer::linalg::qr::no_pivoting::factor::{qr_in_place, qr_in_place_scratch, recommended_block_size};
use tandem_compile::native::{Call, HostKernel};

use super::layout::write;
use super::problems::{Problem, Size, each};
use super::{Number, by_dtype};

/// Reduced, or with a square Q.
pub(super) struct Qr<const FULL: bool>;

impl<const FULL: bool> HostKernel for Qr<FULL> {
    const NAME: &'static str = if FULL { "tandem_qr_full" } else { "tandem_qr" };

    fn run(call: &mut Call<'_>) -> Result<(), String> {
        by_dtype!(call, qr::<FULL>)
    }
}

fn qr<T: Number, const FULL: bool>(call: &mut Call<'_>) -> Result<(), String> {
    let size = Size::of(call, 0)?;
    let results = [call.result(0)?, call.result(1)?];
    each(call.argument::<T>(0)?, size, results, |_, _| true, factor::<T, FULL>);
    Ok(())
}

fn factor<T: Number, const FULL: bool>(Problem { mut matrix, results: [q, r], par }: Problem<'_, T, 2>) {
    let (m, n) = (matrix.nrows(), matrix.ncols());
    let k = m.min(n);
    let columns = if FULL { m } else { k };
    let mut basis = Mat::<T>::identity(m, columns);
    if k > 0 {
        let block = recommended_block_size::<T>(m, n);
        let mut taus = Mat::<T>::zeros(block, k);
        let needed =
            qr_in_place_scratch::<T>(m, n, block, par, Default::default()).or(apply_scratch::<T>(m, block, columns));
        let mut buffer = MemBuffer::new(needed);
        let stack = MemStack::new(&mut buffer);
        qr_in_place(matrix.as_mut(), taus.as_mut(), par, stack, Default::default());
        let reflectors = matrix.as_ref().subcols(0, k);
        apply(reflectors, taus.as_ref(), faer::Conj::No, basis.as_mut(), par, stack);
    }
    write(q, basis.as_ref());
    let rows = if FULL { m } else { k };
    for i in 0..rows {
        for j in 0..n {
            r[i * n + j] = if i <= j { matrix[(i, j)] } else { T::zero_impl() };
        }
    }
}
