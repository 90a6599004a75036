//! Matrices that the laws compute with: f64, scaled by a power of two.

use faer::{Mat, MatRef};
use tandem_compile::{DType, HostArray};

/// The largest power of two that a matrix is at least: log2 of its largest magnitude, rounded down; 0 of a zero matrix.
/// `None` of a matrix that is none, or holds a number that is not finite.
pub fn exponent(a: &HostArray) -> Option<i32> {
    if a.shape().len() != 2 || a.first_nonfinite().is_some() {
        return None;
    }
    let largest = a.to_f64().iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    Some(if largest == 0.0 { 0 } else { log2(largest) })
}

/// The integer part of the binary logarithm of a positive number.
fn log2(x: f64) -> i32 {
    match (x.to_bits() >> 52) as i32 {
        0 => log2(x * 2f64.powi(64)) - 64,
        biased => biased - 1023,
    }
}

/// x times two to the power e, in steps that are in range themselves.
pub fn ldexp(x: f64, e: i32) -> f64 {
    let step = e.clamp(-1000, 1000);
    if e == step { x * 2f64.powi(e) } else { ldexp(x * 2f64.powi(step), e - step) }
}

/// The matrix divided by two to the power e.
pub fn scaled(a: &HostArray, e: i32) -> Option<Mat<f64>> {
    let &[m, n] = a.shape() else { return None };
    let values = a.to_f64();
    Some(Mat::from_fn(m, n, |i, j| ldexp(values[i * n + j], -e)))
}

/// The relative rounding of numbers of the size of two to the power e: the unit roundoff, or among the subnormal ones their
/// spacing.
pub fn rounding(dtype: DType, e: i32) -> f64 {
    let smallest = if dtype == DType::F64 { -1074 } else { -149 };
    dtype.unit_roundoff().max(ldexp(1.0, smallest - e))
}

/// The matrix divided by its power of two, and that power's exponent.
pub fn normalised(a: &HostArray) -> Option<(Mat<f64>, i32)> {
    let e = exponent(a)?;
    Some((scaled(a, e)?, e))
}

/// The numbers of an array of one axis, divided by two to the power e; `None` where one is not finite.
pub fn vector(a: &HostArray, e: i32) -> Option<Vec<f64>> {
    let fine = a.shape().len() == 1 && a.first_nonfinite().is_none();
    fine.then(|| a.to_f64().into_iter().map(|x| ldexp(x, -e)).collect())
}

/// The largest sum of magnitudes of a column; NaN if there is one.
pub fn norm(a: MatRef<'_, f64>) -> f64 {
    let column = |j: usize| (0..a.nrows()).map(|i| a[(i, j)].abs()).sum::<f64>();
    (0..a.ncols()).map(column).fold(0.0, worse)
}

/// The larger one; NaN if there is one.
pub fn worse(x: f64, y: f64) -> f64 {
    if x.is_nan() || x > y { x } else { y }
}

/// residual / (size * scale * eps): 0 for no residual, infinity for NaN or for a residual of what has no scale.
pub fn ratio(residual: f64, scale: f64, size: usize, eps: f64) -> f64 {
    let ratio = residual / (size.max(1) as f64 * scale * eps);
    match residual {
        0.0 => 0.0,
        _ if ratio.is_nan() => f64::INFINITY,
        _ => ratio,
    }
}

/// The worst of some ratios; infinity where there are none to speak of.
pub fn worst<const N: usize>(ratios: Option<[f64; N]>) -> f64 {
    ratios.map_or(f64::INFINITY, |all| all.into_iter().fold(0.0, worse))
}

/// The identity.
pub fn identity(n: usize) -> Mat<f64> {
    Mat::identity(n, n)
}

/// Whether all elements at positions for which `outside` holds are exactly zero.
pub fn zero_where(a: MatRef<'_, f64>, outside: impl Fn(usize, usize) -> bool) -> bool {
    (0..a.nrows()).all(|i| (0..a.ncols()).all(|j| !outside(i, j) || a[(i, j)] == 0.0))
}

/// Whether a vector is sorted, each number at most the next.
pub fn increasing(values: &[f64]) -> bool {
    values.windows(2).all(|pair| pair[0] <= pair[1])
}

/// The symmetric matrix of a lower triangle.
pub fn symmetric(a: MatRef<'_, f64>) -> Mat<f64> {
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i.max(j), i.min(j))])
}

/// The ratio of I - Q'Q, with the length of the columns as the size.
pub fn orthogonality(q: MatRef<'_, f64>, eps: f64) -> f64 {
    ratio(norm((q.transpose() * q - identity(q.ncols())).as_ref()), 1.0, q.nrows(), eps)
}
