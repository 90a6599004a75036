//! Matrices of any shape, by formula.

use super::random;
use crate::matrix::Matrix;

type Made = Option<Matrix>;

pub fn random(m: usize, n: usize) -> Made {
    Some(random::normal("random", m, n))
}

pub fn diagonal(m: usize, n: usize) -> Made {
    // Neither sorted nor of one sign.
    let d = random::normal("diagonal", 1, m.min(n));
    made(m, n, |i, j| if i == j { d.values[i] } else { 0.0 })
}

pub fn upper_triangular(m: usize, n: usize) -> Made {
    let g = random::normal("upper", m, n);
    made(m, n, |i, j| if i <= j { g.at(i, j) } else { 0.0 })
}

pub fn lower_triangular(m: usize, n: usize) -> Made {
    let g = random::normal("lower", m, n);
    made(m, n, |i, j| if i >= j { g.at(i, j) } else { 0.0 })
}

/// Half of the entries subnormal, or zero, in f32 (1e-40) and in f64 (1e-310).
pub fn subnormal_entries(m: usize, n: usize) -> Made {
    let g = random::normal("subnormal", m, n);
    made(m, n, |i, j| {
        g.at(i, j)
            * match (i + 2 * j) % 4 {
                1 => 1e-40,
                2 => 1e-310,
                _ => 1.0,
            }
    })
}

/// A product of rank about a third of the smaller size.
pub fn low_rank(m: usize, n: usize) -> Made {
    let rank = m.min(n).div_ceil(3);
    Some(random::normal("left", m, rank).dot(&random::normal("right", rank, n)))
}

/// Columns j and j + 2 are the same bits.
pub fn equal_columns(m: usize, n: usize) -> Made {
    let g = random::normal("columns", m, 2);
    made(m, n, |i, j| g.at(i, j % 2))
}

/// The middle row and the middle column zero.
pub fn zero_row_and_column(m: usize, n: usize) -> Made {
    let g = random::normal("holes", m, n);
    made(m, n, |i, j| if i == m / 2 || j == n / 2 { 0.0 } else { g.at(i, j) })
}

pub fn last_column_zero(m: usize, n: usize) -> Made {
    let g = random::normal("last", m, n);
    made(m, n, |i, j| if j + 1 == n { 0.0 } else { g.at(i, j) })
}

/// Rows from 1 down to 1e-14.
pub fn graded_rows(m: usize, n: usize) -> Made {
    let g = random::normal("rows", m, n);
    made(m, n, |i, j| g.at(i, j) * decline(i, m))
}

/// Columns from 1e-14 up to 1: the small ones come first, where unpivoted methods meet them.
pub fn graded_columns(m: usize, n: usize) -> Made {
    let g = random::normal("cols", m, n);
    made(m, n, |i, j| g.at(i, j) * decline(n - 1 - j, n))
}

fn decline(i: usize, n: usize) -> f64 {
    10f64.powf(-14.0 * i as f64 / n.saturating_sub(1).max(1) as f64)
}

pub fn hilbert(m: usize, n: usize) -> Made {
    made(m, n, |i, j| 1.0 / (i + j + 1) as f64)
}

/// Kahan's triangle, on which pivoted QR sees the rank wrongly (theta = 1.2).
pub fn kahan(m: usize, n: usize) -> Made {
    let (s, c) = 1.2f64.sin_cos();
    made(m, n, |i, j| match i.cmp(&j) {
        std::cmp::Ordering::Less => -c * s.powi(i as i32),
        // The perturbation that keeps the pivots in place.
        std::cmp::Ordering::Equal => s.powi(i as i32) * (1.0 + 25.0 * f64::EPSILON * (n - i) as f64),
        std::cmp::Ordering::Greater => 0.0,
    })
}

/// Frank's Hessenberg matrix: determinant 1, small eigenvalues of large condition.
pub fn frank(m: usize, n: usize) -> Made {
    (m == n).then(|| Matrix::from_fn(n, n, |i, j| if j + 1 >= i { (n - i.max(j)) as f64 } else { 0.0 }))
}

/// Powers of the points 1/m, 2/m, ..., 1.
pub fn vandermonde(m: usize, n: usize) -> Made {
    made(m, n, |i, j| ((i + 1) as f64 / m as f64).powi(j as i32))
}

/// One Jordan block of the eigenvalue 1/2.
pub fn jordan(m: usize, n: usize) -> Made {
    made(m, n, |i, j| if i == j { 0.5 } else { one(i + 1 == j) })
}

pub fn shift(m: usize, n: usize) -> Made {
    made(m, n, |i, j| one(i + 1 == j))
}

/// Ones on and above the diagonal.
pub fn ones_above(m: usize, n: usize) -> Made {
    made(m, n, |i, j| one(i <= j))
}

pub fn zero(m: usize, n: usize) -> Made {
    made(m, n, |_, _| 0.0)
}

pub fn identity(m: usize, n: usize) -> Made {
    made(m, n, |i, j| one(i == j))
}

/// At most one 1 per row and column, as many as there is room for.
pub fn permutation(m: usize, n: usize) -> Made {
    let keys = random::normal("permutation", 1, m.max(n)).values;
    let mut order: Vec<usize> = (0..m.max(n)).collect();
    order.sort_by(|&i, &j| keys[i].total_cmp(&keys[j]));
    made(m, n, |i, j| one(if m >= n { order[i] == j } else { order[j] == i }))
}

pub fn ones(m: usize, n: usize) -> Made {
    made(m, n, |_, _| 1.0)
}

fn one(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

fn made(m: usize, n: usize, element: impl FnMut(usize, usize) -> f64) -> Made {
    Some(if n == 0 { Matrix { rows: m, cols: 0, values: Vec::new() } } else { Matrix::from_fn(m, n, element) })
}
