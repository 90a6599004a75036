//! Random matrices from a few numbers, so that a failing case shrinks to something a person can think about.

use std::ops::Range;

use proptest::prelude::*;
use tandem_compile::{DType, HostArray};

use crate::rng;

/// A matrix described by a few numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MatrixCase {
    /// Stream of the random numbers.
    pub seed: u64,
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// Rank, at most the smaller size.
    pub rank: usize,
    /// Decades from the largest to the smallest of the weights of the `rank` terms.
    pub decades: u32,
    /// The whole matrix is multiplied by two to this power.
    pub exponent: i32,
}

impl MatrixCase {
    /// The matrix: a sum of `rank` products of normal vectors with weights that fall geometrically, rounded to
    /// `dtype` (f32 or f64).
    pub fn matrix(&self, dtype: DType) -> HostArray {
        let Self { rows, cols, rank, .. } = *self;
        let left = rng::normal(self.seed.wrapping_mul(2), rows * rank);
        let right = rng::normal(self.seed.wrapping_mul(2).wrapping_add(1), rank * cols);
        let scale = 2f64.powi(self.exponent);
        let weight = |r: usize| match rank {
            0 | 1 => 1.0,
            _ => 10f64.powf(-f64::from(self.decades) * r as f64 / (rank - 1) as f64),
        };
        let element = |i: usize| -> f64 {
            let (row, col) = (i / cols, i % cols);
            (0..rank).map(|r| weight(r) * left[row * rank + r] * right[r * cols + col]).sum::<f64>() * scale
        };
        match dtype {
            DType::F64 => HostArray::from_fn([rows, cols], element),
            _ => HostArray::from_fn([rows, cols], |i| element(i) as f32),
        }
    }
}

/// Matrices of up to `rows` x `cols`, any rank from 1, weights over up to `decades`, scaled by up to 2^(+-`exponent`).
pub fn matrices(rows: usize, cols: usize, decades: u32, exponent: i32) -> impl Strategy<Value = MatrixCase> {
    (0..1u64 << 32, 1..=rows, 1..=cols, 0.0..1.0f64, 0..=decades, -exponent..=exponent).prop_map(
        |(seed, rows, cols, fraction, decades, exponent)| {
            let full = rows.min(cols);
            // Half of the cases have full rank.
            let rank = ((2.0 * fraction * full as f64) as usize).clamp(1, full);
            MatrixCase { seed, rows, cols, rank, decades, exponent }
        },
    )
}

/// Matrices of full rank whose singular values differ by less than a factor of 10 or so beyond that of random ones, with so many
/// rows and columns: what is computed from them is determined by them.
pub fn well_conditioned(rows: Range<usize>, cols: Range<usize>) -> impl Strategy<Value = MatrixCase> {
    (0..1u64 << 32, rows, cols, 0..=1u32).prop_map(|(seed, rows, cols, decades)| {
        let rank = rows.min(cols);
        MatrixCase { seed, rows, cols, rank, decades, exponent: 0 }
    })
}

/// An array of uniform numbers, described by a few of them.
#[derive(Debug, Clone, PartialEq)]
pub struct ArrayCase {
    /// Stream of the random numbers.
    pub seed: u64,
    /// The size of every axis.
    pub shape: Vec<usize>,
    /// The least number.
    pub low: f64,
    /// What no number reaches, but by rounding.
    pub high: f64,
}

impl ArrayCase {
    /// The array, rounded to `dtype` (f32 or f64).
    pub fn array(&self, dtype: DType) -> HostArray {
        let values = rng::uniform(self.seed, self.shape.iter().product());
        let element = |i: usize| self.low + (self.high - self.low) * values[i];
        match dtype {
            DType::F64 => HostArray::from_fn(self.shape.as_slice(), element),
            _ => HostArray::from_fn(self.shape.as_slice(), |i| element(i) as f32),
        }
    }
}

/// Arrays of uniform numbers between two numbers, of one shape: one program for many values.
pub fn uniform(shape: impl Into<Vec<usize>>, numbers: Range<f64>) -> impl Strategy<Value = ArrayCase> {
    let shape = shape.into();
    (0..1u64 << 32).prop_map(move |seed| ArrayCase {
        seed,
        shape: shape.clone(),
        low: numbers.start,
        high: numbers.end,
    })
}
