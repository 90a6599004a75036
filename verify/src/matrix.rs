//! Dense matrices in plain f64, row-major: what laws compute with. Slow and obvious on purpose.

use tandem_compile::HostArray;

/// A row-major matrix of f64.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// Row-major elements.
    pub values: Vec<f64>,
}

impl Matrix {
    /// A matrix from its elements by position.
    pub fn from_fn(rows: usize, cols: usize, mut element: impl FnMut(usize, usize) -> f64) -> Self {
        let values = (0..rows * cols).map(|i| element(i / cols, i % cols)).collect();
        Self { rows, cols, values }
    }

    /// The numbers of a host array of two axes.
    pub fn from_array(array: &HostArray) -> Option<Self> {
        match array.shape() {
            &[rows, cols] => Some(Self { rows, cols, values: array.to_f64() }),
            _ => None,
        }
    }

    /// The element at a position.
    pub fn at(&self, i: usize, j: usize) -> f64 {
        self.values[i * self.cols + j]
    }

    /// Rows and columns exchanged.
    pub fn t(&self) -> Self {
        Self::from_fn(self.cols, self.rows, |i, j| self.at(j, i))
    }

    /// The matrix product.
    pub fn dot(&self, other: &Self) -> Self {
        let mut product = Self { rows: self.rows, cols: other.cols, values: vec![0.0; self.rows * other.cols] };
        for i in 0..self.rows {
            let row = &mut product.values[i * other.cols..(i + 1) * other.cols];
            for l in 0..self.cols {
                let factor = self.at(i, l);
                row.iter_mut().zip(&other.values[l * other.cols..]).for_each(|(sum, x)| *sum += factor * x);
            }
        }
        product
    }

    /// The difference.
    pub fn minus(&self, other: &Self) -> Self {
        Self::from_fn(self.rows, self.cols, |i, j| self.at(i, j) - other.at(i, j))
    }

    /// The sum of the squares.
    pub fn squared_norm(&self) -> f64 {
        self.values.iter().map(|x| x * x).sum()
    }

    /// The largest magnitude; 0 of nothing.
    pub fn max_abs(&self) -> f64 {
        self.values.iter().fold(0.0, |m, x| m.max(x.abs()))
    }
}
