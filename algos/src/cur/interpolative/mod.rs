//! The interpolative decomposition: A ~ C X, where C holds k columns of A itself and X the identity at their places.
//!
//! A is `[m, n]`, C = A(:, q) `[m, k]`, X `[k, n]`. The columns are the pivots of QR with column pivoting, and X = C+
//! A, so that C X is the projection of A on the span of C: |A - C X| is at most 2^k sqrt(n - k) times more than
//! s_{k+1}, in practice a few times, and no entry of X exceeds 2^(k - 1) (Cheng, Gimbutas, Martinsson and Rokhlin, "On
//! the compression of low rank matrices", SIAM J. Sci. Comput. 26, 2005; Golub and Van Loan, section 5.4).
//!
//! Cost: 4 m n k flops for the pivots, 4 m n k for X and the error. Where A has a lower rank than k the rest are the
//! lowest unselected columns and the pseudoinverse takes the place of the inverse ([`Status::RANK_DEFICIENT`]).

pub mod laws;
mod reference;

use proptest::prelude::*;
use proptest::strategy::BoxedStrategy;
use tandem_compile::{DType, Graph, HostArray, Result, Tensor, TensorType, number, trace};
use tandem_linalg::scale::{max_abs, power_of_two};
use tandem_linalg::svd;
use tandem_verify::status::Status;
use tandem_verify::strategy::{MatrixCase, matrices};
use tandem_verify::{Law, Outcome, Real, Subject};

use super::graph::middle::{Reduced, relative};
use super::graph::{negligible, selection::pivots};

/// The problem's parameter: how many columns.
///
/// ```
/// use ndarray::{Array2, array};
/// use tandem_algos::cur::interpolative::Interpolative;
/// use tandem_compile::{Tensor, jit};
///
/// let x = jit(|a: Tensor| Interpolative { k: 1 }.trace(&a).x);
/// let x: Array2<f64> = x.call(&array![[1.0, 2.0, 4.0], [2.0, 4.0, 8.0]])?;
/// assert!((&x - &array![[0.25, 0.5, 1.0]]).iter().all(|e| e.abs() < 1e-15));
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interpolative {
    /// The number of columns, at least 1 and at most min(m, n).
    pub k: usize,
}

/// The traced outputs of [`Interpolative::trace`].
#[derive(Debug, Clone)]
pub struct Interpolated {
    /// The chosen columns q in the order of their selection, i32 `[k]`.
    pub col_index: Tensor,
    /// C = A(:, q), `[m, k]`.
    pub c: Tensor,
    /// X, `[k, n]`.
    pub x: Tensor,
    /// |A - C X| / |A| in the Frobenius norm; 0 for A = 0.
    pub relative_error: Tensor,
    /// The bits of [`Status`], i32.
    pub status: Tensor,
}

impl Interpolated {
    /// The outputs in the order in which they are listed to users, the status last.
    pub fn into_vec(self) -> Vec<Tensor> {
        vec![self.col_index, self.c, self.x, self.relative_error, self.status]
    }
}

impl Interpolative {
    /// Checks the parameter against a matrix of shape `[m, n]`.
    ///
    /// # Errors
    /// What is out of range, and what the range is.
    pub fn check(&self, shape: &[usize]) -> std::result::Result<(), String> {
        super::Cur::new(self.k).check(shape)
    }

    /// Traces the decomposition of `a` (`[m, n]`, f32 or f64). The parameter must have passed [`Interpolative::check`].
    #[track_caller]
    pub fn trace(&self, a: &Tensor) -> Interpolated {
        let nan = number(f64::NAN, a.dtype());
        let most = max_abs(a);
        let (finite, zero) = (most.is_finite(), most.eq(0.0));
        let scaled = finite.select(a / power_of_two(&most), 0.0);
        let chosen = pivots(&scaled, self.k, negligible(a.dim(0), a.dim(1), a.dtype()));
        let reduced = Reduced::of(&scaled.take(&chosen.index, 1));
        let span = reduced.span(svd(&reduced.t));
        let middle = span.basis.contract(&scaled, 0, 0);
        let x = finite.select(span.inverse.dot(&middle), &nan);
        let error = zero.select(0.0, relative(&scaled, &span.basis.dot(&middle)));
        let sound = max_abs(&x).is_finite() & error.is_finite();
        let status = Status::traced(
            &finite,
            &[
                (Status::RANK_DEFICIENT, &(chosen.deficient | span.deficient)),
                (Status::DEGENERATE, &zero),
                (Status::BREAKDOWN, &!sound),
            ],
        );
        Interpolated {
            c: finite.select(a.take(&chosen.index, 1), &nan),
            col_index: finite.select(chosen.index, -1),
            x,
            relative_error: finite.select(error, &nan),
            status,
        }
    }
}

/// The outputs in the order in which users know them.
pub const OUTPUTS: [&str; 4] = ["col_index", "c", "x", "relative_error"];

/// A problem: the matrix, what its entries are multiplied by, and how many columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// A, `[m, n]`.
    pub a: MatrixCase,
    /// 0 for a zero matrix, NaN for a poisoned one.
    pub factor: f64,
    /// The number of columns.
    pub k: usize,
}

/// The interpolative decomposition and its reference.
#[derive(Debug, Clone, Copy)]
pub struct InterpolativeSubject;

impl Subject for InterpolativeSubject {
    type Case = Case;

    fn name(&self) -> &'static str {
        "interpolative"
    }

    fn factor(&self) -> f64 {
        32.0
    }

    fn outputs(&self) -> &'static [&'static str] {
        &OUTPUTS
    }

    fn strategy(&self) -> BoxedStrategy<Case> {
        let program = prop_oneof![Just((9, 12, 4)), Just((12, 8, 3)), Just((7, 7, 1))];
        (matrices(12, 12, 1, 20), program)
            .prop_map(|(mut a, (rows, cols, k))| {
                (a.rows, a.cols) = (rows, cols);
                a.rank = a.rank.clamp(k, rows.min(cols));
                Case { a, factor: 1.0, k }
            })
            .boxed()
    }

    fn special(&self) -> Vec<(&'static str, Case)> {
        let a = MatrixCase { seed: 3, rows: 9, cols: 12, rank: 9, decades: 1, exponent: 0 };
        let case = Case { a, factor: 1.0, k: 4 };
        vec![
            ("zero", Case { factor: 0.0, ..case.clone() }),
            ("NaN", Case { factor: f64::NAN, ..case.clone() }),
            ("lower rank", Case { a: MatrixCase { rank: 2, ..a }, ..case.clone() }),
            ("all that there are", Case { k: 9, ..case.clone() }),
            ("one by one", Case { a: MatrixCase { rows: 1, cols: 1, rank: 1, ..a }, k: 1, ..case.clone() }),
            ("large numbers", Case { factor: 2f64.powi(110), ..case.clone() }),
            ("small numbers", Case { factor: 2f64.powi(-80), ..case }),
        ]
    }

    fn inputs(&self, case: &Case, dtype: DType) -> Vec<HostArray> {
        let values = case.a.matrix(DType::F64).to_f64();
        let a = HostArray::from_fn([case.a.rows, case.a.cols], |i| values[i] * case.factor);
        // The cases stay inside of f32's range: the conversion only rounds.
        vec![a.cast(dtype).unwrap_or(a)]
    }

    fn graph(&self, case: &Case, inputs: &[TensorType]) -> Result<Graph> {
        let problem = Interpolative { k: case.k };
        trace(|a: Tensor| problem.trace(&a).into_vec(), inputs)
    }

    fn reference<R: Real>(&self, case: &Case, inputs: &[HostArray], u: f64) -> Outcome<R> {
        reference::decompose(case.k, &inputs[0], u)
    }

    fn laws(&self) -> Vec<Law<Case>> {
        laws::laws()
    }
}
