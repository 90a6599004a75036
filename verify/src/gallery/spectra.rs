//! Singular values and eigenvalues to make matrices from; the first six are the modes of LAPACK's DLATM1.

use super::random::seed;
use crate::rng;

/// From 1 down to 1/100 in equal steps.
pub fn arithmetic(n: usize) -> Vec<f64> {
    list(n, |t| 1.0 - 0.99 * t)
}

/// From 1 down to 1e-4 in equal ratios.
pub fn mild(n: usize) -> Vec<f64> {
    list(n, |t| 10f64.powf(-4.0 * t))
}

/// From 1 down to 1e-14 in equal ratios.
pub fn graded(n: usize) -> Vec<f64> {
    list(n, |t| 10f64.powf(-14.0 * t))
}

/// From 1 down to 1e-30 in equal ratios: most are below the rounding of the matrix.
pub fn steep(n: usize) -> Vec<f64> {
    list(n, |t| 10f64.powf(-30.0 * t))
}

/// One 1, all others 1e-12.
pub fn one_large(n: usize) -> Vec<f64> {
    (0..n).map(|i| if i == 0 { 1.0 } else { 1e-12 }).collect()
}

/// One 1e-12, all others 1.
pub fn one_small(n: usize) -> Vec<f64> {
    (0..n).map(|i| if i + 1 == n { 1e-12 } else { 1.0 }).collect()
}

/// Four clusters, at 1, 0.7, 0.3 and 1e-4, of values 1e-13 apart.
pub fn clusters(n: usize) -> Vec<f64> {
    (0..n).map(|i| [1.0, 0.7, 0.3, 1e-4][4 * i / n] + 1e-13 * i as f64).collect()
}

/// Three values: 3, 2, 1.
pub fn repeated(n: usize) -> Vec<f64> {
    (0..n).map(|i| 3.0 - (3 * i / n) as f64).collect()
}

/// The second half zero.
pub fn half_zero(n: usize) -> Vec<f64> {
    (0..n).map(|i| if 2 * i < n { 1.0 / (1 + i) as f64 } else { 0.0 }).collect()
}

/// All 1.
pub fn all_one(n: usize) -> Vec<f64> {
    vec![1.0; n]
}

/// One 1, all others 0.
pub fn rank_one(n: usize) -> Vec<f64> {
    (0..n).map(|i| f64::from(u8::from(i == 0))).collect()
}

/// At most seven that are not zero, of both signs.
pub fn rank_seven(n: usize) -> Vec<f64> {
    (0..n).map(|i| if i < 7 { 1.0 - 0.3 * i as f64 } else { 0.0 }).collect()
}

/// Normal numbers.
pub fn normal(n: usize) -> Vec<f64> {
    rng::normal(seed("eigenvalues"), n)
}

/// As [`graded`] with alternating signs.
pub fn graded_signs(n: usize) -> Vec<f64> {
    alternating(graded(n))
}

/// As [`clusters`] with alternating signs.
pub fn clusters_signs(n: usize) -> Vec<f64> {
    alternating(clusters(n))
}

/// 1 and 1e-15 more each time.
pub fn one_cluster(n: usize) -> Vec<f64> {
    (0..n).map(|i| 1.0 + 1e-15 * i as f64).collect()
}

/// 1 and -1 in turn.
pub fn plus_minus(n: usize) -> Vec<f64> {
    alternating(all_one(n))
}

fn alternating(mut values: Vec<f64>) -> Vec<f64> {
    values.iter_mut().skip(1).step_by(2).for_each(|x| *x = -*x);
    values
}

/// `value` at n points from 0 to 1.
pub fn list(n: usize, value: impl Fn(f64) -> f64) -> Vec<f64> {
    (0..n).map(|i| value(i as f64 / n.saturating_sub(1).max(1) as f64)).collect()
}
