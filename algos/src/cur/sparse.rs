//! CUR of a sparse matrix, by products with it alone: A is never dense.
//!
//! The singular vectors that DEIM, Q-DEIM, leverage scores and maxvol read are those of a randomised decomposition
//! (Halko, Martinsson and Tropp, SIAM Review 53, 2011, algorithm 4.4) with [`OVERSAMPLING`] more columns than are asked
//! for and [`POWERS`] power iterations; with as many columns as min(m, n) it is exact. Pivoted QR and LU work on a
//! sketch of as many rows (LU: of k rows), and on C. C and R are gathered as dense matrices.
//!
//! With C = Q_C T_C, R' = Q_R T_R, M = Q_C' A Q_R and G = T_C U T_R', |A - C U R|^2 = |A|^2 - |M|^2 + |M - G|^2: no
//! residual is formed, at the price that relative errors below the square root of the precision's eps drown in
//! rounding.
//!
//! Cost: 2 (POWERS + 1) products of A with k + OVERSAMPLING vectors, and dense work on `[m, k]` and `[n, k]`. Memory:
//! nnz (k + OVERSAMPLING) numbers during a product.

use tandem_compile::{Tensor, fori_loop, number, random, scalar};
use tandem_linalg::scale::{max_abs, power_of_two, sum_of_squares};
use tandem_linalg::sparse::Sparse;
use tandem_linalg::{qr, svd, svdvals};
use tandem_verify::status::Status;

use super::graph::middle::{Reduced, both};
use super::graph::negligible;
use super::graph::selection::{Picks, Stream, eliminate, pivots};
use super::{Core, Cur, Factors, Select};

/// How many more columns than are asked for the randomised decomposition has.
pub const OVERSAMPLING: usize = 10;
/// The power iterations of the randomised decomposition.
pub const POWERS: usize = 2;

impl Cur {
    /// Traces the decomposition of a sparse `a`, whose entries are at different places. The parameters must have passed
    /// [`Cur::check`].
    ///
    /// ```
    /// use ndarray::array;
    /// use tandem_algos::cur::Cur;
    /// use tandem_compile::{Tensor, jit};
    /// use tandem_linalg::sparse::Sparse;
    ///
    /// // diag(1, 3, 2): the two largest are chosen.
    /// let rows = jit(|values: Tensor| {
    ///     let place = tandem_compile::iota([3], 0, tandem_compile::DType::I32);
    ///     Cur::new(2).trace_sparse(&Sparse::coo(&values, &place, &place, [3, 3])).row_index
    /// });
    /// assert_eq!(rows.call::<Vec<i32>>(&array![1.0, 3.0, 2.0])?, [1, 2]);
    /// # Ok::<(), tandem_compile::Error>(())
    /// ```
    #[track_caller]
    pub fn trace_sparse(&self, a: &Sparse) -> Factors {
        if let Err(message) = self.check(&a.shape()) {
            return Factors::refused(&message);
        }
        let nan = number(f64::NAN, a.values.dtype());
        let none = a.nnz() == 0;
        let most = if none { number(0.0, a.values.dtype()) } else { a.values.abs().max() };
        let (finite, zero) = (most.is_finite(), most.eq(0.0));
        let unit = power_of_two(&most);
        let scaled = a.with_values(&finite.select(&a.values / &unit, 0.0));
        let picks = self.sparse_picks(&scaled, &zero);
        // Dense C and R by products with columns of the identity: exact.
        let gather = |a: &Sparse, at: &Tensor| a.dot(&at.one_hot(a.shape()[1], a.values.dtype()).t());
        let (c, rt) = (gather(&scaled, &picks.cols), gather(&scaled.t(), &picks.rows));
        let (u, norm, error, deficient) = self.sparse_core(&scaled, &c, &rt, &picks.rows);
        let outputs = [u / &unit, norm / &unit, zero.select(0.0, error)];
        let sound = max_abs(&outputs[0]).is_finite() & outputs[1].is_finite() & outputs[2].is_finite();
        let status = Status::traced(
            &finite,
            &[
                (Status::NOT_CONVERGED, &!&picks.settled),
                (Status::RANK_DEFICIENT, &(&picks.deficient | deficient)),
                (Status::DEGENERATE, &zero),
                (Status::BREAKDOWN, &!sound),
            ],
        );
        let [u, core_norm, relative_error] = outputs.map(|x| finite.select(x, &nan));
        Factors {
            row_index: finite.select(&picks.rows, -1),
            col_index: finite.select(&picks.cols, -1),
            c: finite.select(c * &unit, &nan),
            r: finite.select(rt.t() * &unit, &nan),
            u,
            relative_error,
            core_norm,
            status,
        }
    }

    #[track_caller]
    fn sparse_picks(&self, a: &Sparse, zero: &Tensor) -> Picks {
        let [m, n] = a.shape();
        let dtype = a.values.dtype();
        let floor = negligible(m, n, dtype);
        let wide = (self.rows.max(self.cols) + OVERSAMPLING).min(m.min(n));
        match self.select {
            Select::Uniform => self.uniform([m, n], zero),
            Select::Qr => {
                let cols = pivots(&self.sparse_sketch(&a.t(), wide, Stream::Cols), self.cols, floor);
                let rows = pivots(&self.sparse_sketch(a, wide, Stream::Rows), self.rows, floor);
                Picks::of(rows, cols)
            }
            Select::Lu => {
                let cols = eliminate(&self.sparse_sketch(&a.t(), self.cols, Stream::Cols), floor);
                let rows = eliminate(&self.sparse_sketch(a, self.rows, Stream::Rows), floor);
                Picks::of(rows, cols)
            }
            _ => {
                let q = self.sparse_range(a, wide);
                // Q'A, by products from the other side.
                let (u, s, vh) = svd(&a.t().dot(&q).t());
                self.by_vectors([m, n], &q.dot(&u), &s, &vh)
            }
        }
    }

    /// Random combinations of the columns of `a`, in rows: `[count, m]`.
    #[track_caller]
    fn sparse_sketch(&self, a: &Sparse, count: usize, stream: Stream) -> Tensor {
        a.dot(&self.sketch(count, a.shape()[1], stream, a.values.dtype()).t()).t()
    }

    /// Orthonormal columns that nearly span what A does to its largest singular vectors, `[m, size]`.
    #[track_caller]
    fn sparse_range(&self, a: &Sparse, size: usize) -> Tensor {
        let key = random::fold_in(random::key(self.seed), &scalar(Stream::Cols as i32));
        let sketch = a.dot(&random::normal(key, [a.shape()[1], size], a.values.dtype()));
        fori_loop(0, POWERS as i32, qr(&sketch).0, |_, q| qr(&a.dot(&qr(&a.t().dot(&q)).0)).0)
    }

    /// U, its norm, the relative error, and whether singular values were left out.
    #[track_caller]
    fn sparse_core(&self, a: &Sparse, c: &Tensor, rt: &Tensor, rows: &Tensor) -> (Tensor, Tensor, Tensor, Tensor) {
        let size = sum_of_squares(&a.values.reshape([1, a.nnz()]));
        let (left, right) = (Reduced::of(c), Reduced::of(rt));
        let middle = a.dot(&right.q).contract(&left.q, 0, 0).t();
        let outside = |size: &Tensor| (size - sum_of_squares(&middle)).maximum(0.0);
        let (u, norm, miss, deficient) = match self.core {
            Core::Optimal => {
                let (columns, lines) = both(&left, &right);
                let u = columns.inverse.dot(&columns.basis.contract(&left.q, 0, 0).dot(&middle));
                let u = u.dot(&right.q.contract(&lines.basis, 0, 0)).dot(&lines.inverse.t());
                // Q' P Q for the projection P on a span.
                let inside = |span: &Tensor, q: &Tensor| {
                    let part = span.contract(q, 0, 0);
                    part.contract(&part, 0, 0)
                };
                let fitted = inside(&columns.basis, &left.q).dot(&middle).dot(&inside(&lines.basis, &right.q));
                let norm = svdvals(&u).max();
                (u, norm, sum_of_squares(&(&middle - fitted)), columns.deficient | lines.deficient)
            }
            _ => {
                let inverse = self.inverse(&c.take(rows, 0));
                let fitted = left.t.dot(&inverse.u).dot(&right.t.t());
                (inverse.u, inverse.norm, sum_of_squares(&(&middle - fitted)), inverse.deficient)
            }
        };
        let nonzero = size.eq(0.0).select(1.0, &size);
        (u, norm, ((outside(&size) + miss) / nonzero).sqrt(), deficient)
    }
}
