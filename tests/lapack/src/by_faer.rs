//! faer's factorizations. faer does not scale, so its matrices are divided by a power of two first, as tandem's are.

use faer::Mat;
use faer::linalg::solvers::Solve as _;
use faer::traits::RealField;
use tandem_compile::{DType, Element, HostArray};

use crate::Contestant;

/// faer.
pub const FAER: Contestant = Contestant {
    name: "faer",
    qr: Some(|a| either(a, qr::<f64>, qr::<f32>)),
    lu: Some(|a| either(a, lu::<f64>, lu::<f32>)),
    cholesky: Some(|a| either(a, cholesky::<f64>, cholesky::<f32>)),
    eigh: Some(|a| either(a, eigh::<f64>, eigh::<f32>)),
    svd: Some(|a| either(a, svd::<f64>, svd::<f32>)),
    solve: Some(|a, b| either(a, |a| solve::<f64>(a, b), |a| solve::<f32>(a, b))),
    lstsq: None,
};

fn either<R>(
    a: &HostArray,
    double: impl FnOnce(&HostArray) -> Option<R>,
    single: impl FnOnce(&HostArray) -> Option<R>,
) -> Option<R> {
    if a.dtype() == DType::F64 { double(a) } else { single(a) }
}

/// A real number of faer's.
trait Real: Element + RealField + Copy {
    /// The nearest number of this type.
    fn round(x: f64) -> Self;
}
impl Real for f32 {
    fn round(x: f64) -> Self {
        x as f32
    }
}
impl Real for f64 {
    fn round(x: f64) -> Self {
        x
    }
}

/// The matrix divided by the power of two below its largest magnitude, and that power.
fn scaled<T: Real>(a: &HostArray) -> Option<(Mat<T>, T)> {
    let &[m, n] = a.shape() else { return None };
    let values = a.to_f64();
    let largest = values.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    let s = if largest > 0.0 { 2f64.powi(largest.log2().floor() as i32) } else { 1.0 };
    Some((Mat::from_fn(m, n, |i, j| T::round(values[i * n + j] / s)), T::round(s)))
}

fn host<T: Real>(m: usize, n: usize, element: impl Fn(usize, usize) -> T) -> HostArray {
    HostArray::from_fn([m, n], |at| element(at / n, at % n))
}

fn list<T: Real>(n: usize, element: impl Fn(usize) -> T) -> HostArray {
    HostArray::from_fn([n], element)
}

fn qr<T: Real>(a: &HostArray) -> Option<[HostArray; 2]> {
    let (a, s) = scaled::<T>(a)?;
    let f = a.qr();
    let (q, r) = (f.compute_thin_Q(), f.thin_R());
    Some([host(q.nrows(), q.ncols(), |i, j| q[(i, j)]), host(r.nrows(), r.ncols(), |i, j| r[(i, j)] * s)])
}

fn lu<T: Real>(a: &HostArray) -> Option<[HostArray; 3]> {
    let (a, s) = scaled::<T>(a)?;
    let (m, n) = (a.nrows(), a.ncols());
    let k = m.min(n);
    let f = a.partial_piv_lu();
    // An exactly singular matrix has been divided by its zero pivot.
    if !f.L().is_all_finite() {
        return None;
    }
    let order = f.P().arrays().0;
    let one = |holds: bool| if holds { T::round(1.0) } else { T::round(0.0) };
    let p = host(m, m, |i, j| one(order[j] == i));
    let l = host(m, k, |i, j| if i > j { f.L()[(i, j)] } else { one(i == j) });
    let u = host(k, n, |i, j| if i <= j { f.U()[(i, j)] * s } else { one(false) });
    Some([p, l, u])
}

fn cholesky<T: Real>(a: &HostArray) -> Option<[HostArray; 1]> {
    let &[m, n] = a.shape() else { return None };
    let values = a.to_f64();
    let largest = values.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    // A power of four, of which the factor has the root.
    let root = 2f64.powi((largest.log2() / 2.0).floor() as i32);
    let a = Mat::from_fn(m, n, |i, j| T::round(values[i * n + j] / root / root));
    let f = a.llt(faer::Side::Lower).ok()?;
    Some([host(n, n, |i, j| if i >= j { f.L()[(i, j)] * T::round(root) } else { T::round(0.0) })])
}

fn eigh<T: Real>(a: &HostArray) -> Option<[HostArray; 2]> {
    let (a, s) = scaled::<T>(a)?;
    let f = a.self_adjoint_eigen(faer::Side::Lower).ok()?;
    let w = f.S().column_vector();
    Some([list(w.nrows(), |i| w[i] * s), host(a.nrows(), a.nrows(), |i, j| f.U()[(i, j)])])
}

fn svd<T: Real>(a: &HostArray) -> Option<[HostArray; 3]> {
    let (a, s) = scaled::<T>(a)?;
    let f = a.thin_svd().ok()?;
    let sigma = f.S().column_vector();
    let k = sigma.nrows();
    let (u, v) = (f.U(), f.V());
    Some([host(u.nrows(), k, |i, j| u[(i, j)]), list(k, |i| sigma[i] * s), host(k, v.nrows(), |i, j| v[(j, i)])])
}

fn solve<T: Real>(a: &HostArray, b: &HostArray) -> Option<HostArray> {
    let (a, s) = scaled::<T>(a)?;
    let values = b.values::<T>().ok()?;
    let columns = b.shape()[1];
    let b = Mat::from_fn(a.nrows(), columns, |i, j| values[i * columns + j]);
    let x = a.partial_piv_lu().solve(&b);
    let x = host(a.nrows(), columns, |i, j| x[(i, j)] / s);
    x.first_nonfinite().is_none().then_some(x)
}
