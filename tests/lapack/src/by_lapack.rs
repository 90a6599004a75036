//! LAPACK's drivers through ndarray-linalg: GEQRF, GETRF, POTRF, SYEV, GESDD, GESV, GELSD.

use ndarray::{Array2, ShapeBuilder};
use ndarray_linalg::layout::MatrixLayout;
use ndarray_linalg::{Cholesky, Eigh, JobSvd, LeastSquaresSvd, QR, SVDDC, UPLO};
use ndarray_linalg::{Lapack, Scalar};
use tandem_compile::{DType, Element, HostArray};

use crate::Contestant;

/// LAPACK, as the system's OpenBLAS has it.
pub const LAPACK: Contestant = Contestant {
    name: "LAPACK",
    qr: Some(|a| either(a, qr::<f64>, qr::<f32>)),
    lu: Some(|a| either(a, lu::<f64>, lu::<f32>)),
    cholesky: Some(|a| either(a, cholesky::<f64>, cholesky::<f32>)),
    eigh: Some(|a| either(a, eigh::<f64>, eigh::<f32>)),
    svd: Some(|a| either(a, svd::<f64>, svd::<f32>)),
    solve: Some(|a, b| either(a, |a| solve::<f64>(a, b), |a| solve::<f32>(a, b))),
    lstsq: Some(|a, b| either(a, |a| lstsq::<f64>(a, b), |a| lstsq::<f32>(a, b))),
};

fn either<R>(
    a: &HostArray,
    double: impl FnOnce(&HostArray) -> Option<R>,
    single: impl FnOnce(&HostArray) -> Option<R>,
) -> Option<R> {
    if a.dtype() == DType::F64 { double(a) } else { single(a) }
}

/// A real number of LAPACK's.
trait Real: Element + Lapack + Scalar<Real = Self> {}
impl Real for f32 {}
impl Real for f64 {}

/// The matrix in column-major order, which is LAPACK's own.
fn matrix<T: Element>(a: &HostArray) -> Option<Array2<T>> {
    let &[m, n] = a.shape() else { return None };
    let values = a.values::<T>().ok()?;
    Some(Array2::from_shape_fn((m, n).f(), |(i, j)| values[i * n + j]))
}

fn host<T: Element>(a: &Array2<T>) -> HostArray {
    let n = a.ncols();
    HostArray::from_fn([a.nrows(), n], |at| a[(at / n, at % n)])
}

fn qr<T: Real>(a: &HostArray) -> Option<[HostArray; 2]> {
    let (q, r) = matrix::<T>(a)?.qr().ok()?;
    Some([host(&q), host(&r)])
}

fn lu<T: Real>(a: &HostArray) -> Option<[HostArray; 3]> {
    let mut lu = matrix::<T>(a)?;
    let (m, n) = lu.dim();
    let k = m.min(n);
    let layout = MatrixLayout::F { col: n as i32, lda: m as i32 };
    let pivots = T::lu(layout, lu.as_slice_memory_order_mut()?).ok()?;
    // Row i was exchanged with row pivots[i], in this order, which count from 1.
    let mut order: Vec<usize> = (0..m).collect();
    pivots.iter().enumerate().for_each(|(i, &pivot)| order.swap(i, pivot as usize - 1));
    let p = Array2::from_shape_fn((m, m), |(i, j)| if order[j] == i { T::one() } else { T::zero() });
    let l = Array2::from_shape_fn((m, k), |(i, j)| match i.cmp(&j) {
        std::cmp::Ordering::Less => T::zero(),
        std::cmp::Ordering::Equal => T::one(),
        std::cmp::Ordering::Greater => lu[(i, j)],
    });
    let u = Array2::from_shape_fn((k, n), |(i, j)| if i <= j { lu[(i, j)] } else { T::zero() });
    Some([host(&p), host(&l), host(&u)])
}

fn cholesky<T: Real>(a: &HostArray) -> Option<[HostArray; 1]> {
    Some([host(&matrix::<T>(a)?.cholesky(UPLO::Lower).ok()?)])
}

fn eigh<T: Real>(a: &HostArray) -> Option<[HostArray; 2]> {
    let (w, v) = matrix::<T>(a)?.eigh(UPLO::Lower).ok()?;
    Some([HostArray::new([w.len()], w.to_vec()).ok()?, host(&v)])
}

fn svd<T: Real>(a: &HostArray) -> Option<[HostArray; 3]> {
    let (u, s, vh) = matrix::<T>(a)?.svddc(JobSvd::Some).ok()?;
    Some([host(&u?), HostArray::new([s.len()], s.to_vec()).ok()?, host(&vh?)])
}

fn solve<T: Real>(a: &HostArray, b: &HostArray) -> Option<HostArray> {
    use ndarray_linalg::{Factorize, Solve};
    let f = matrix::<T>(a)?.factorize().ok()?;
    let mut x = matrix::<T>(b)?;
    for mut column in x.columns_mut() {
        let solved = f.solve(&column.to_owned()).ok()?;
        column.assign(&solved);
    }
    Some(host(&x))
}

fn lstsq<T: Real>(a: &HostArray, b: &HostArray) -> Option<HostArray> {
    let mut x = Array2::<T>::zeros((a.shape()[1], b.shape()[1]));
    let (a, b) = (matrix::<T>(a)?, matrix::<T>(b)?);
    for (mut x, b) in x.columns_mut().into_iter().zip(b.columns()) {
        x.assign(&a.least_squares(&b.to_owned()).ok()?.solution);
    }
    Some(host(&x))
}
