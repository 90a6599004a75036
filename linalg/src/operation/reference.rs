//! The operations on faer, in any precision: what the graphs are compared with.

use faer::{Mat, MatRef, Side};
use tandem_compile::HostArray;
use tandem_verify::status::Status;
use tandem_verify::{Outcome, Output, Real, Values};

use super::Operation;

impl Operation {
    /// The outputs and the status for A and b, computed in `R`. `u` is the unit roundoff of the precision whose rank decisions
    /// are made.
    pub fn reference<R: Real>(self, a: &HostArray, b: Option<&HostArray>, u: f64) -> Outcome<R> {
        let (a, bad) = matrix::<R>(a, self.reads_lower());
        let right = b.map(|b| matrix::<R>(b, false));
        let bad = bad || right.as_ref().is_some_and(|(_, bad)| *bad);
        let columns = right.map_or_else(|| Mat::zeros(a.nrows(), 0), |(b, _)| b);
        let shapes = self.shapes(a.nrows(), a.ncols(), b.map_or(&[][..], |b| &b.shape()[1..]));
        let found = if bad { None } else { self.compute(&a, &columns, u) };
        let finite = |found: &Vec<Vec<R>>| found.iter().flatten().all(|x| x.to_f64().is_finite());
        let broken = !bad && !found.as_ref().is_some_and(finite);
        let values = found.unwrap_or_else(|| {
            let nan = |shape: &Vec<usize>| vec![R::from_f64(f64::NAN); shape.iter().product()];
            shapes.iter().map(nan).collect()
        });
        let outputs = self.outputs().iter().zip(shapes).zip(values);
        let outputs = outputs.map(|((&name, shape), values)| {
            let free = self.is_free(name);
            Output { name, shape, values: Values::Real(values), scale: 0.0, free }
        });
        let status = Status::default().with(Status::NONFINITE_INPUT, bad).with(Status::BREAKDOWN, broken);
        Outcome { outputs: outputs.collect(), status: status.0, decisions: Vec::new() }
    }

    /// Whether an output is defined only up to signs, or up to a rotation.
    fn is_free(self, name: &str) -> bool {
        match self {
            Self::Qr => true,
            Self::Eigh => name == "v",
            Self::Svd => name != "s",
            _ => false,
        }
    }

    fn shapes(self, m: usize, n: usize, columns: &[usize]) -> Vec<Vec<usize>> {
        let k = m.min(n);
        match self {
            Self::Qr => vec![vec![m, k], vec![k, n]],
            Self::Lu => vec![vec![m, m], vec![m, k], vec![k, n]],
            Self::Cholesky => vec![vec![n, n]],
            Self::Eigh => vec![vec![n], vec![n, n]],
            Self::Svd => vec![vec![m, k], vec![k], vec![k, n]],
            Self::Polar => vec![vec![m, n], vec![n, n]],
            Self::Pinv => vec![vec![n, m]],
            Self::Lstsq | Self::Solve => vec![[&[n], columns].concat()],
        }
    }

    /// The outputs' elements, row by row; `None` where the operation is not defined.
    fn compute<R: Real>(self, a: &Mat<R>, b: &Mat<R>, u: f64) -> Option<Vec<Vec<R>>> {
        match self {
            Self::Qr => {
                let (scaled, scale) = scaled(a);
                let qr = scaled.qr();
                let r = rows(qr.thin_R()).into_iter().map(|x| scale.back(x)).collect();
                Some(vec![rows(qr.compute_thin_Q().as_ref()), r])
            }
            Self::Lu => Some(lu(a)),
            Self::Cholesky => cholesky(a).map(|l| vec![rows(l.as_ref())]),
            Self::Eigh => {
                let (scaled, scale) = scaled(a);
                let eigen = scaled.self_adjoint_eigen(Side::Lower).ok()?;
                let values = (0..a.ncols()).map(|i| scale.back(eigen.S()[i])).collect();
                Some(vec![values, rows(eigen.U())])
            }
            Self::Svd => {
                let Svd { u, s, v } = Svd::of(a)?;
                Some(vec![rows(u.as_ref()), s, rows(v.transpose())])
            }
            Self::Polar => {
                let Svd { u, s, v } = Svd::of(a)?;
                let unitary = &u * v.transpose();
                let stretched = Mat::from_fn(v.nrows(), s.len(), |i, j| v[(i, j)] * s[j]);
                Some(vec![rows(unitary.as_ref()), rows((&stretched * v.transpose()).as_ref())])
            }
            Self::Pinv => Some(vec![rows((pseudoinverse(a, u)?).as_ref())]),
            Self::Lstsq => Some(vec![rows((pseudoinverse(a, u)? * b).as_ref())]),
            Self::Solve => {
                let factors = lu(a);
                let n = a.nrows();
                // A zero on U's diagonal.
                if (0..n).any(|i| factors[2][i * n + i] == R::from_f64(0.0)) {
                    return None;
                }
                Some(vec![rows(faer::linalg::solvers::Solve::solve(&a.partial_piv_lu(), b).as_ref())])
            }
        }
    }
}

/// The matrix in `R`, a vector as a column; and whether what is read of it holds NaN or infinity.
fn matrix<R: Real>(array: &HostArray, lower: bool) -> (Mat<R>, bool) {
    let m = array.shape()[0];
    let n = array.shape().get(1).copied().unwrap_or(1);
    let values = array.to_f64();
    let is_read = |i: usize, j: usize| !lower || i >= j;
    let bad = (0..m).any(|i| (0..n).any(|j| is_read(i, j) && !values[i * n + j].is_finite()));
    (Mat::from_fn(m, n, |i, j| R::from_f64(if is_read(i, j) { values[i * n + j] } else { 0.0 })), bad)
}

fn rows<R: Real>(matrix: MatRef<'_, R>) -> Vec<R> {
    (0..matrix.nrows()).flat_map(|i| (0..matrix.ncols()).map(move |j| matrix[(i, j)])).collect()
}

/// A power of two in two factors: the inverse of the smallest is out of range.
#[derive(Clone, Copy)]
struct Scale(i32, i32);

impl Scale {
    /// x divided by it.
    fn off<R: Real>(self, x: R) -> R {
        x * R::from_f64(2f64.powi(-self.0)) * R::from_f64(2f64.powi(-self.1))
    }

    /// x multiplied by it.
    fn back<R: Real>(self, x: R) -> R {
        x * R::from_f64(2f64.powi(self.0)) * R::from_f64(2f64.powi(self.1))
    }
}

/// The matrix divided by a power of two that brings it to the size of 1, and that power.
fn scaled<R: Real>(a: &Mat<R>) -> (Mat<R>, Scale) {
    let largest = rows(a.as_ref()).into_iter().fold(0.0, |largest, x| x.to_f64().abs().max(largest));
    let exponent = if largest == 0.0 { 0 } else { largest.log2().floor() as i32 };
    let scale = Scale(exponent / 2, exponent - exponent / 2);
    (Mat::from_fn(a.nrows(), a.ncols(), |i, j| scale.off(a[(i, j)])), scale)
}

/// A thin singular value decomposition.
struct Svd<R> {
    u: Mat<R>,
    s: Vec<R>,
    v: Mat<R>,
}

impl<R: Real> Svd<R> {
    fn of(a: &Mat<R>) -> Option<Self> {
        let k = a.nrows().min(a.ncols());
        if k == 0 {
            return Some(Self { u: Mat::zeros(a.nrows(), 0), s: Vec::new(), v: Mat::zeros(a.ncols(), 0) });
        }
        let (scaled, scale) = scaled(a);
        let svd = scaled.thin_svd().ok()?;
        let s = (0..k).map(|i| scale.back(svd.S()[i])).collect();
        Some(Self { u: svd.U().to_owned(), s, v: svd.V().to_owned() })
    }
}

/// V diag(1 / s) U' over the singular values above max(m, n) eps times the largest.
fn pseudoinverse<R: Real>(a: &Mat<R>, u: f64) -> Option<Mat<R>> {
    let svd = Svd::of(a)?;
    let least = 2.0 * u * a.nrows().max(a.ncols()) as f64;
    let limit = svd.s.first().map_or(0.0, |s| s.to_f64() * least);
    let kept = svd.s.iter().take_while(|s| s.to_f64() > limit).count();
    let scaled = Mat::from_fn(a.ncols(), kept, |i, j| svd.v[(i, j)] / svd.s[j]);
    Some(&scaled * svd.u.subcols(0, kept).transpose())
}

/// P, L and U by elimination with row exchanges; a column without a pivot stays as it is.
fn lu<R: Real>(a: &Mat<R>) -> Vec<Vec<R>> {
    let (m, n) = (a.nrows(), a.ncols());
    let k = m.min(n);
    let zero = R::from_f64(0.0);
    let mut u = a.clone();
    let mut order: Vec<usize> = (0..m).collect();
    for step in 0..k {
        let pivot =
            (step + 1..m).fold(step, |best, i| if u[(i, step)].abs() > u[(best, step)].abs() { i } else { best });
        if u[(pivot, step)] == zero {
            continue;
        }
        order.swap(step, pivot);
        for j in 0..n {
            (u[(step, j)], u[(pivot, j)]) = (u[(pivot, j)], u[(step, j)]);
        }
        for i in step + 1..m {
            u[(i, step)] = u[(i, step)] / u[(step, step)];
            for j in step + 1..n {
                u[(i, j)] = u[(i, j)] - u[(i, step)] * u[(step, j)];
            }
        }
    }
    let one = |yes: bool| R::from_f64(f64::from(u8::from(yes)));
    let p = Mat::from_fn(m, m, |i, j| one(order[j] == i));
    let l = Mat::from_fn(m, k, |i, j| if i > j { u[(i, j)] } else { one(i == j) });
    let upper = Mat::from_fn(k, n, |i, j| if i <= j { u[(i, j)] } else { zero });
    vec![rows(p.as_ref()), rows(l.as_ref()), rows(upper.as_ref())]
}

/// L with A = L L', `None` where A is not positive definite.
fn cholesky<R: Real>(a: &Mat<R>) -> Option<Mat<R>> {
    let factor = a.llt(Side::Lower).ok()?;
    let l = factor.L();
    let n = a.nrows();
    Some(Mat::from_fn(n, n, |i, j| if i >= j { l[(i, j)] } else { R::from_f64(0.0) }))
}
