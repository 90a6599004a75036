//! Random problems of separation: a matrix of low rank, and large numbers at random places.

use tandem_compile::{DType, HostArray};
use tandem_verify::rng::uniform;
use tandem_verify::strategy::MatrixCase;

/// A problem described by a few numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Data {
    /// The part of low rank.
    pub matrix: MatrixCase,
    /// How many of a hundred elements are outliers.
    pub outliers: u32,
    /// How it departs from that.
    pub twist: Twist,
}

/// How a special case departs from random data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twist {
    /// Nothing.
    None,
    /// M = 0.
    Zero,
    /// Ones on the diagonal.
    Identity,
    /// All elements are 1.
    Constant,
    /// One element is 3, the others 0.
    Single,
    /// Elements rounded to -1, 0 or 1 times the scale: many ties.
    Ternary,
    /// The second element is NaN.
    Nan,
    /// The second element is infinite.
    Infinite,
}

impl Data {
    /// The matrix in a precision.
    pub fn array(&self, dtype: DType) -> HostArray {
        let Self { matrix, outliers, twist } = *self;
        let (rows, cols) = (matrix.rows, matrix.cols);
        let smooth = matrix.matrix(DType::F64).to_f64();
        let scale = 2f64.powi(matrix.exponent);
        let (chance, sign) = (uniform(matrix.seed ^ 0x51, rows * cols), uniform(matrix.seed ^ 0x52, rows * cols));
        let spike = |i: usize| match chance[i] * 100.0 < f64::from(outliers) {
            true if sign[i] < 0.5 => -4.0 * scale * (1.0 + sign[i]),
            true => 4.0 * scale * sign[i] + 2.0 * scale,
            false => 0.0,
        };
        let values = HostArray::from_fn([rows, cols], |i| match twist {
            Twist::Zero => 0.0,
            Twist::Identity => f64::from(u8::from(i / cols == i % cols)),
            Twist::Constant => 1.0,
            Twist::Single if i == cols + 1 || rows * cols == 1 => 3.0,
            Twist::Single => 0.0,
            Twist::Ternary => (smooth[i] / scale).clamp(-1.0, 1.0).round() * scale,
            Twist::Nan if i == 1 => f64::NAN,
            Twist::Infinite if i == 1 => f64::INFINITY,
            Twist::None | Twist::Nan | Twist::Infinite => smooth[i] + spike(i),
        });
        // The random cases stay far inside of f32's range: the conversion only rounds.
        values.cast(dtype).unwrap_or(values)
    }

    /// Ones where an element is observed, which about four of five are.
    pub fn mask(&self, dtype: DType) -> HostArray {
        let chance = uniform(self.matrix.seed ^ 0x53, self.matrix.rows * self.matrix.cols);
        let seen = |i: usize| f64::from(u8::from(chance[i] < 0.8));
        let mask = HostArray::from_fn([self.matrix.rows, self.matrix.cols], seen);
        mask.cast(dtype).unwrap_or(mask)
    }
}

/// An array with its elements moved and multiplied.
pub(super) fn changed(array: &HostArray, shape: [usize; 2], element: impl Fn(&[f64], usize) -> f64) -> HostArray {
    let values = array.to_f64();
    match array.dtype() {
        DType::F64 => HostArray::from_fn(shape, |i| element(&values, i)),
        _ => HostArray::from_fn(shape, |i| element(&values, i) as f32),
    }
}
