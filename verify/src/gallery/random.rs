//! Random matrices with prescribed singular values or eigenvalues.

use crate::matrix::Matrix;
use crate::rng;

/// A stream of random numbers from a name (FNV-1a), so that a kind keeps its numbers when others come before it.
pub fn seed(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Normal numbers.
pub fn normal(name: &str, m: usize, n: usize) -> Matrix {
    Matrix { rows: m, cols: n, values: rng::normal(seed(name), m * n) }
}

/// U S V' with random orthogonal U and V.
pub fn with_singular_values(seed: u64, m: usize, n: usize, values: &[f64]) -> Matrix {
    let s = Matrix::from_fn(m, n, |i, j| if i == j { values[i] } else { 0.0 });
    let us = rotated(seed, s);
    rotated(seed.wrapping_add(1), us.t()).t()
}

/// Q W Q' with a random orthogonal Q, symmetric bit by bit.
pub fn with_eigenvalues(seed: u64, values: &[f64]) -> Matrix {
    let n = values.len();
    let w = Matrix::from_fn(n, n, |i, j| if i == j { values[i] } else { 0.0 });
    let qw = rotated(seed, w);
    let a = rotated(seed, qw.t());
    Matrix::from_fn(n, n, |i, j| 0.5 * (a.at(i, j) + a.at(j, i)))
}

/// Q A with Q a product of reflections along normal vectors of lengths 2, 3, ..., m, which is distributed uniformly over
/// the orthogonal group up to signs (Stewart 1980).
fn rotated(seed: u64, mut a: Matrix) -> Matrix {
    for length in 2..=a.rows {
        let v = rng::normal(seed.wrapping_add((length as u64) << 32), length);
        reflect(&v, &mut a);
    }
    a
}

/// The last rows of A reflected: (I - 2 v v' / v'v) A.
fn reflect(v: &[f64], a: &mut Matrix) {
    if a.cols == 0 {
        return;
    }
    let first = (a.rows - v.len()) * a.cols;
    let rows = &mut a.values[first..];
    let beta = 2.0 / v.iter().map(|x| x * x).sum::<f64>();
    let mut w = vec![0.0; a.cols];
    for (x, row) in v.iter().zip(rows.chunks(a.cols)) {
        w.iter_mut().zip(row).for_each(|(sum, y)| *sum += x * y);
    }
    for (x, row) in v.iter().zip(rows.chunks_mut(a.cols)) {
        let factor = beta * x;
        row.iter_mut().zip(&w).for_each(|(y, sum)| *y -= factor * sum);
    }
}
