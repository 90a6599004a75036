//! What the references here compute with: matrices of faer's, norms, thresholds, singular values.

use faer::Mat;
use tandem_compile::HostArray;
use tandem_verify::{Decision, Real};

pub(super) fn matrix<R: Real>(array: &HostArray) -> Mat<R> {
    let (values, cols) = (array.to_f64(), array.shape()[1]);
    Mat::from_fn(array.shape()[0], cols, |i, j| R::from_f64(values[i * cols + j]))
}

pub(super) fn row_major<R: Real>(x: &Mat<R>) -> Vec<R> {
    (0..x.nrows()).flat_map(|i| (0..x.ncols()).map(move |j| x[(i, j)])).collect()
}

/// Element by element.
pub(super) fn map<R: Real>(x: &Mat<R>, f: impl Fn(R) -> R) -> Mat<R> {
    Mat::from_fn(x.nrows(), x.ncols(), |i, j| f(x[(i, j)]))
}

fn elements<R: Real>(x: &Mat<R>) -> impl Iterator<Item = R> + '_ {
    (0..x.ncols()).flat_map(move |j| (0..x.nrows()).map(move |i| x[(i, j)]))
}

pub(super) fn largest<R: Real>(x: &Mat<R>) -> R {
    elements(x).fold(R::zero(), |most, x| most.max(x.abs()))
}

/// The sum of the magnitudes.
pub(super) fn sum_of_magnitudes<R: Real>(x: &Mat<R>) -> R {
    elements(x).fold(R::zero(), |sum, x| sum + x.abs())
}

/// The Frobenius norm.
pub(super) fn norm<R: Real>(x: &Mat<R>) -> R {
    let unit = largest(x);
    if unit == R::zero() {
        return unit;
    }
    elements(x).fold(R::zero(), |sum, x| sum + (x / unit) * (x / unit)).sqrt() * unit
}

pub(super) fn is_finite<R: Real>(x: &Mat<R>) -> bool {
    elements(x).all(|x| x.to_f64().is_finite())
}

/// A thin singular value decomposition.
pub(super) struct Svd<R> {
    pub u: Mat<R>,
    pub sigma: Vec<R>,
    pub v: Mat<R>,
}

impl<R: Real> Svd<R> {
    /// `None` where it does not converge.
    pub(super) fn of(x: &Mat<R>) -> Option<Self> {
        let largest = largest(x);
        let unit = if largest == R::zero() { R::one() } else { largest };
        let svd = map(x, |x| x / unit).thin_svd().ok()?;
        let sigma = (0..x.nrows().min(x.ncols())).map(|i| svd.S()[i] * unit).collect();
        Some(Self { u: svd.U().to_owned(), sigma, v: svd.V().to_owned() })
    }

    /// U diag(weights) V', from the first vectors, as many as there are weights.
    pub(super) fn weighted(&self, weights: &[R]) -> Mat<R> {
        let left = Mat::from_fn(self.u.nrows(), weights.len(), |i, j| self.u[(i, j)] * weights[j]);
        left * self.v.subcols(0, weights.len()).transpose()
    }
}

/// The decision whether a relative residual is still above `tol`, with how far it is from it, in powers of e.
pub(super) fn stops<R: Real>(residual: R, tol: f64) -> Decision {
    let ratio = residual.to_f64() / tol;
    let margin = if ratio > 0.0 && ratio.is_finite() { ratio.ln().abs().min(1.0) } else { 1.0 };
    Decision { kind: "stop", margin, choice: u64::from(residual.to_f64() > tol) }
}

/// The largest power of two that is at most x > 0, 1 for 0 and subnormal numbers: a unit that divides exactly.
pub(super) fn power_of_two<R: Real>(x: R) -> R {
    let exponent = x.to_f64().to_bits() & 0x7ff0_0000_0000_0000;
    match f64::from_bits(exponent) {
        power if power > 0.0 && power.is_finite() => R::from_f64(power),
        _ => R::one(),
    }
}
