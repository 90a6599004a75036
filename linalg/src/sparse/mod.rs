//! Sparse matrices in traced programs: products with vectors and matrices, transposed ones too, and their derivatives.
//!
//! The pattern is data, not part of the program: one compiled program serves every matrix of the same shape and number of
//! entries. A product gathers from the dense operand at the columns and adds into the rows, so that jvp and vjp with respect
//! to the values and to the dense operand come from those two operations' own rules.
//!
//! ```
//! use tandem_compile::{HostArray, Tensor, grad, jit};
//! use tandem_linalg::sparse::Sparse;
//!
//! // [[1, 0, 2], [0, 0, 3]] times [1, 10, 100], and the gradient of the sum by the entries.
//! let f = jit(|(values, rows, columns, x): (Tensor, Tensor, Tensor, Tensor)| {
//!     let a = Sparse::coo(&values, &rows, &columns, [2, 3]);
//!     let slope = grad(|v: Tensor| a.with_values(&v).dot(&x).sum())(values);
//!     (a.dot(&x), slope)
//! });
//! let (values, rows, columns) = (vec![1.0, 2.0, 3.0], vec![0, 0, 1], vec![0, 2, 2]);
//! let (y, slope): (Vec<f64>, Vec<f64>) = f.call((&values, &rows, &columns, &vec![1.0, 10.0, 100.0]))?;
//! assert_eq!(y, [201.0, 300.0]);
//! assert_eq!(slope, [1.0, 100.0, 100.0]);
//! # Ok::<(), tandem_compile::Error>(())
//! ```
//!
//! With the feature `sprs` a `sprs::CsMat` or `sprs::TriMat` is an argument of a compiled function, and comes back as one.

use tandem_compile::{DType, Tensor, number, refuse, tree, zeros};

/// A sparse matrix by its entries (COO). Entries at the same place are added; any order will do, though sums run fastest
/// where the rows are sorted.
///
/// As an argument of a compiled function it is four arrays in the order of the fields; `&sprs::CsMat` gives them.
#[derive(Debug, Clone)]
pub struct Sparse {
    /// The entries, `[nnz]`.
    pub values: Tensor,
    /// The row of each entry, integers `[nnz]`, inside the matrix.
    pub rows: Tensor,
    /// The column of each entry, integers `[nnz]`, inside the matrix.
    pub columns: Tensor,
    /// The shape of the matrix as the shape of a tensor without elements, `[m, n, 0]`: it costs nothing and takes the
    /// shape through every call and loop.
    pub extent: Tensor,
}
tree!(Sparse { values, rows, columns, extent });

impl Sparse {
    /// A matrix from its entries. values: `[nnz]`; rows, columns: integers `[nnz]`.
    #[track_caller]
    pub fn coo(values: &Tensor, rows: &Tensor, columns: &Tensor, shape: [usize; 2]) -> Self {
        check(values, rows, columns);
        Self { values: values.clone(), rows: rows.clone(), columns: columns.clone(), extent: extent(shape) }
    }

    /// A matrix from its entries row by row. values: `[nnz]`; columns: integers `[nnz]`; starts: integers `[m + 1]`, where
    /// each row begins, and nnz.
    #[track_caller]
    pub fn csr(values: &Tensor, columns: &Tensor, starts: &Tensor, shape: [usize; 2]) -> Self {
        let rows = outer(starts, shape[0], columns);
        Self::coo(values, &rows, columns, shape)
    }

    /// A matrix from its entries column by column. values: `[nnz]`; rows: integers `[nnz]`; starts: integers `[n + 1]`, where
    /// each column begins, and nnz.
    #[track_caller]
    pub fn csc(values: &Tensor, rows: &Tensor, starts: &Tensor, shape: [usize; 2]) -> Self {
        let columns = outer(starts, shape[1], rows);
        Self::coo(values, rows, &columns, shape)
    }

    /// Rows and columns of the matrix.
    pub fn shape(&self) -> [usize; 2] {
        match self.extent.shape() {
            &[m, n, 0] => [m, n],
            // Only an argument of other types than those that a sparse matrix has.
            other => {
                refuse(format!("a sparse matrix's extent has the shape [m, n, 0], got {other:?}"));
                [0, 0]
            }
        }
    }

    /// The number of entries.
    pub fn nnz(&self) -> usize {
        self.values.ty().len()
    }

    /// The same pattern with other entries, `[nnz]`: what derivatives with respect to the entries are taken of.
    #[track_caller]
    pub fn with_values(&self, values: &Tensor) -> Self {
        check(values, &self.rows, &self.columns);
        Self { values: values.clone(), ..self.clone() }
    }

    /// The transposed matrix: rows and columns exchanged, nothing moved.
    #[must_use]
    pub fn t(&self) -> Self {
        let [m, n] = self.shape();
        let (rows, columns) = (self.columns.clone(), self.rows.clone());
        Self { values: self.values.clone(), rows, columns, extent: extent([n, m]) }
    }

    /// The product with a dense vector `[n]` or matrix `[n, k]` of the entries' dtype: [`spmv`] or [`spmm`].
    #[track_caller]
    pub fn dot(&self, dense: &Tensor) -> Tensor {
        if dense.ndim() == 2 { spmm(self, dense) } else { spmv(self, dense) }
    }

    /// The dense matrix, `[m, n]`.
    #[track_caller]
    pub fn to_dense(&self) -> Tensor {
        let [m, n] = self.shape();
        let dense = zeros([m * n], self.values.dtype());
        if self.nnz() == 0 || m * n == 0 {
            return dense.reshape([m, n]);
        }
        let places = self.rows.convert(wide(m * n)) * n as f64 + self.columns.convert(wide(m * n));
        dense.scatter_add(&places, &self.values, 0).reshape([m, n])
    }
}

/// A x, `[m]`, of a sparse matrix `[m, n]` and a vector `[n]`; for A' x give `a.t()`.
#[track_caller]
pub fn spmv(a: &Sparse, x: &Tensor) -> Tensor {
    product("spmv", a, x, 1, |values, picked| values * picked)
}

/// A B, `[m, k]`, of a sparse matrix `[m, n]` and a dense one `[n, k]`; for A' B give `a.t()`. It holds one row of B per
/// entry while it runs: nnz k numbers.
#[track_caller]
pub fn spmm(a: &Sparse, b: &Tensor) -> Tensor {
    product("spmm", a, b, 2, |values, picked| values.reshape([values.dim(0), 1]) * picked)
}

/// `terms` from the entries and what `dense` has in their columns, added up along the rows.
#[track_caller]
fn product(
    name: &str,
    a: &Sparse,
    dense: &Tensor,
    ndim: usize,
    terms: impl FnOnce(&Tensor, Tensor) -> Tensor,
) -> Tensor {
    let [m, n] = a.shape();
    if dense.ndim() != ndim || dense.shape().first() != Some(&n) || dense.dtype() != a.values.dtype() {
        let wanted = if ndim == 1 { format!("[{n}]") } else { format!("[{n}, k]") };
        let dtype = a.values.dtype();
        return refuse(format!(
            "{name}: the matrix is {dtype}[{m},{n}], so {dtype}{wanted} expected, got {}",
            dense.ty()
        ));
    }
    let sum = zeros([&[m], &dense.shape()[1..]].concat(), dense.dtype());
    if a.nnz() == 0 || sum.ty().is_empty() || n == 0 {
        return sum;
    }
    sum.scatter_add(&a.rows, terms(&a.values, dense.take(&a.columns, 0)), 0)
}

/// Which row each entry is in, from where the rows start: how many of the rows but the first have begun by then.
#[track_caller]
fn outer(starts: &Tensor, count: usize, like: &Tensor) -> Tensor {
    if starts.shape() != [count + 1] || !starts.dtype().is_integer() {
        return refuse(format!(
            "{} starts (integers) expected, one more than rows or columns, got {}",
            count + 1,
            starts.ty()
        ));
    }
    let nnz = like.ty().len();
    let none = zeros([nnz], like.dtype());
    if nnz == 0 || count < 2 {
        return none;
    }
    // A row that begins behind the last entry is empty, and its mark is dropped.
    none.scatter_add(&starts.slice(0, 1, count), number(1.0, like.dtype()), 0).cumsum(0)
}

#[track_caller]
fn check(values: &Tensor, rows: &Tensor, columns: &Tensor) {
    let integers = rows.dtype().is_integer() && columns.dtype().is_integer();
    let same = values.ndim() == 1 && rows.shape() == values.shape() && columns.shape() == values.shape();
    if !same || !integers {
        refuse(format!(
            "a sparse matrix has as many rows and columns (integers) as values; got values {}, rows {}, columns {}",
            values.ty(),
            rows.ty(),
            columns.ty()
        ));
    }
}

fn extent([m, n]: [usize; 2]) -> Tensor {
    zeros([m, n, 0], DType::I32)
}

/// An integer type for positions among so many elements.
fn wide(len: usize) -> DType {
    if i32::try_from(len).is_ok() { DType::I32 } else { DType::I64 }
}
