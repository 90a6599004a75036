//! Symmetric matrices by formula.

use super::{random, spectra};
use crate::matrix::Matrix;

type Made = Option<Matrix>;

/// Wilkinson's W+: the distance from the middle on the diagonal, ones beside it. Its largest eigenvalues come in pairs that
/// agree to 14 digits at n = 21.
pub fn wilkinson(m: usize, n: usize) -> Made {
    tridiagonal(m, n, |i| (i as f64 - (n as f64 - 1.0) / 2.0).abs(), |_| 1.0)
}

/// Copies of W21+ (the last one cut off), coupled by 1e-8.
pub fn glued_wilkinson_loose(m: usize, n: usize) -> Made {
    glued(m, n, 1e-8)
}

/// Copies of W21+ (the last one cut off), coupled by 1e-14.
pub fn glued_wilkinson_tight(m: usize, n: usize) -> Made {
    glued(m, n, 1e-14)
}

fn glued(m: usize, n: usize, glue: f64) -> Made {
    let diagonal = |i: usize| ((i % 21) as f64 - 10.0).abs();
    tridiagonal(m, n, diagonal, |i| if i % 21 == 20 { glue } else { 1.0 }).filter(|_| n > 21)
}

pub fn diagonal(m: usize, n: usize) -> Made {
    let d = random::normal("diagonal", 1, n);
    tridiagonal(m, n, |i| d.values[i], |_| 0.0)
}

pub fn positive_diagonal(m: usize, n: usize) -> Made {
    // Neither sorted nor of one scale: from 1e-3 to 1e3, 7 being prime to most n.
    tridiagonal(m, n, |i| 10f64.powi((7 * i % 13) as i32 - 6).sqrt(), |_| 0.0)
}

pub fn zero(m: usize, n: usize) -> Made {
    made(m, n, |_, _| 0.0)
}

pub fn identity(m: usize, n: usize) -> Made {
    made(m, n, |i, j| f64::from(u8::from(i == j)))
}

pub fn ones(m: usize, n: usize) -> Made {
    made(m, n, |_, _| 1.0)
}

/// Ones along the other diagonal.
pub fn exchange(m: usize, n: usize) -> Made {
    made(m, n, |i, j| f64::from(u8::from(i + j + 1 == n)))
}

pub fn hilbert(m: usize, n: usize) -> Made {
    made(m, n, |i, j| 1.0 / (i + j + 1) as f64)
}

/// The identity plus a matrix of ones: n - 1 equal eigenvalues.
pub fn identity_and_ones(m: usize, n: usize) -> Made {
    made(m, n, |i, j| if i == j { 2.0 } else { 1.0 })
}

/// Tridiagonal with entries from 1 down to 1e-14.
pub fn graded_tridiagonal(m: usize, n: usize) -> Made {
    let d = spectra::graded(n);
    tridiagonal(m, n, |i| d[i], |i| 0.5 * (d[i] * d[i + 1]).sqrt())
}

/// Normal numbers with 1e12 in one corner.
pub fn arrow(m: usize, n: usize) -> Made {
    let g = random::normal("huge entry", n, n);
    made(m, n, |i, j| if i + j == 0 { 1e12 } else { g.at(i.max(j), i.min(j)) })
}

/// The second difference: 2 on the diagonal, -1 beside it; condition about (2 n / pi)^2.
pub fn second_difference(m: usize, n: usize) -> Made {
    tridiagonal(m, n, |_| 2.0, |_| -1.0)
}

/// Lehmer's min(i, j) / max(i, j): condition at most 4 n^2.
pub fn lehmer(m: usize, n: usize) -> Made {
    made(m, n, |i, j| (i.min(j) + 1) as f64 / (i.max(j) + 1) as f64)
}

/// D A D with A of condition 3 and D from 1 down to 1e-7: an enormous condition, but Cholesky's method succeeds wherever
/// A's does (Demmel, LAPACK Working Note 14).
pub fn scaled(m: usize, n: usize) -> Made {
    let d = spectra::list(n, |t| 10f64.powf(-7.0 * t));
    made(m, n, |i, j| d[i] * d[j] * if i == j { 1.0 } else { 0.5 / n as f64 })
}

fn tridiagonal(m: usize, n: usize, diagonal: impl Fn(usize) -> f64, beside: impl Fn(usize) -> f64) -> Made {
    made(m, n, |i, j| match i.abs_diff(j) {
        0 => diagonal(i),
        1 => beside(i.min(j)),
        _ => 0.0,
    })
}

fn made(m: usize, n: usize, element: impl FnMut(usize, usize) -> f64) -> Made {
    (m == n).then(|| Matrix::from_fn(n, n, element))
}
