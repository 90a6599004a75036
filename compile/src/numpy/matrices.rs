//! Matrices by pattern: triangles, diagonals, products of all pairs.

use std::panic::Location;

use crate::dtype::DType;
use crate::ops::binary::Operator;
use crate::ops::constant::iota;
use crate::trace::{Tensor, fail};

/// `x` where `which` (bool) is true, else `y`; the three broadcast together.
#[track_caller]
pub fn where_(which: &Tensor, x: impl Operator, y: impl Operator) -> Tensor {
    which.select(x, y)
}

/// The Kronecker product of two matrices, `[m, n]` and `[p, q]`: `[m p, n q]`, every element of the first times the
/// whole second.
#[track_caller]
pub fn kron(a: &Tensor, b: &Tensor) -> Tensor {
    let (&[m, n], &[p, q]) = (a.shape(), b.shape()) else {
        fail(Location::caller(), format!("kron: two matrices expected, got {} and {}", a.ty(), b.ty()));
        return a.clone();
    };
    let product = a.broadcast_in_dim([m, p, n, q], [0, 2]) * b.broadcast_in_dim([m, p, n, q], [1, 3]);
    product.reshape([m * p, n * q])
}

impl Tensor {
    /// Every product of an element of self with one of `other`, two vectors: `[m], [n] -> [m, n]`.
    #[track_caller]
    pub fn outer(&self, other: &Tensor) -> Tensor {
        let (&[m], &[n]) = (self.shape(), other.shape()) else {
            let message = format!("outer: two vectors expected, got {} and {}", self.ty(), other.ty());
            fail(Location::caller(), message);
            return self.clone();
        };
        self.broadcast_in_dim([m, n], [0]) * other.broadcast_in_dim([m, n], [1])
    }

    /// The elements on and below diagonal `k` of matrices in the last two axes, zeros above. Diagonal 0 is the main
    /// one, 1 the one above it, -1 the one below.
    #[track_caller]
    pub fn tril(&self, k: i32) -> Tensor {
        match self.column_less_row("tril") {
            Some(difference) => difference.le(k).select(self, 0.0),
            None => self.clone(),
        }
    }

    /// The elements on and above diagonal `k` of matrices in the last two axes, zeros below. See [`tril`](Self::tril).
    #[track_caller]
    pub fn triu(&self, k: i32) -> Tensor {
        match self.column_less_row("triu") {
            Some(difference) => difference.ge(k).select(self, 0.0),
            None => self.clone(),
        }
    }

    /// For each element of matrices in the last two axes: its column's number less its row's (i32).
    #[track_caller]
    fn column_less_row(&self, name: &str) -> Option<Tensor> {
        let Some(row) = self.ndim().checked_sub(2) else {
            fail(Location::caller(), format!("{name}: at least two axes expected, got {}", self.ty()));
            return None;
        };
        Some(iota(self.shape(), row + 1, DType::I32) - iota(self.shape(), row, DType::I32))
    }

    /// Of a vector `[n]`: the matrix `[n, n]` with it on the diagonal. Of a matrix `[m, n]`: its diagonal,
    /// `[min(m, n)]`.
    #[track_caller]
    pub fn diag(&self) -> Tensor {
        match *self.shape() {
            [n] => {
                let same = iota([n, n], 0, DType::I32).eq(iota([n, n], 1, DType::I32));
                same.select(self.broadcast_in_dim([n, n], [0]), 0.0)
            }
            [m, n] => {
                let size = m.min(n);
                let square = self.slice(0, 0, size).slice(1, 0, size);
                let same = iota([size, size], 0, DType::I32).eq(iota([size, size], 1, DType::I32));
                same.select(square, 0.0).sum_axes([1])
            }
            _ => {
                fail(Location::caller(), format!("diag: a vector or a matrix expected, got {}", self.ty()));
                self.clone()
            }
        }
    }

    /// The sum of a matrix's diagonal.
    #[track_caller]
    pub fn trace(&self) -> Tensor {
        self.diag().sum()
    }

    /// For integers `[...]`: `[..., classes]` with 1 at each one's place and 0 elsewhere (everywhere, where the integer
    /// is no class).
    #[track_caller]
    pub fn one_hot(&self, classes: usize, dtype: DType) -> Tensor {
        if !self.dtype().is_integer() {
            fail(Location::caller(), format!("one_hot: integers expected, got {}", self.ty()));
            return self.clone();
        }
        let shape = [self.shape(), &[classes]].concat();
        let own = self.broadcast_in_dim(shape.clone(), (0..self.ndim()).collect::<Vec<_>>());
        own.eq(iota(shape, self.ndim(), self.dtype())).convert(dtype)
    }
}
