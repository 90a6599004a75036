//! The column-row approximation of a product: A B ~ sum over few t of w_t A(:, t) B(t, :).
//!
//! A is `[m, l]`, B `[l, n]`. The terms are those of the largest |A(:, t)| |B(t, :)|, with weight 1; or `count` draws
//! with replacement with probability p_t proportional to that, with weight 1 / (count p_t), which is right in
//! expectation: E|A B - C R|^2 = ((sum_t |A(:, t)| |B(t, :)|)^2 - |A B|^2) / count, the least of all such sampling
//! (Drineas, Kannan and Mahoney, "Fast Monte Carlo algorithms for matrices I", SIAM J. Comput. 36, 2006).
//!
//! Cost: 2 (m + n) l for the norms, 2 m n count for the product. Where all norms are zero the terms are the first ones,
//! of weight 1 ([`Status::DEGENERATE`]).

pub mod laws;
mod reference;

use proptest::prelude::*;
use proptest::strategy::BoxedStrategy;
use tandem_compile::{DType, Graph, HostArray, Result, Tensor, TensorType, iota, number, ones, random, trace};
use tandem_linalg::scale::{max_abs, power_of_two};
use tandem_verify::status::Status;
use tandem_verify::strategy::{MatrixCase, matrices};
use tandem_verify::{Law, Outcome, Real, Subject};

/// The problem's parameters.
///
/// ```
/// use ndarray::{Array2, array};
/// use tandem_algos::cur::cr::Cr;
/// use tandem_compile::{Tensor, jit};
///
/// let product = jit(|(a, b): (Tensor, Tensor)| Cr { count: 1, sampled: false, seed: 0 }.trace(&a, &b).product);
/// let ab: Array2<f64> = product.call((&array![[3.0, 0.1]], &array![[2.0], [0.5]]))?;
/// assert_eq!(ab, array![[6.0]]);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Cr {
    /// The number of terms, at least 1; at most l unless they are sampled.
    pub count: usize,
    /// Whether terms are drawn instead of being the largest.
    pub sampled: bool,
    /// The seed of the draws.
    pub seed: u64,
}

/// The traced outputs of [`Cr::trace`].
#[derive(Debug, Clone)]
pub struct Product {
    /// The chosen terms, i32 `[count]`: by falling size, or in the order of the draws.
    pub index: Tensor,
    /// Their weights, `[count]`.
    pub weight: Tensor,
    /// The sum of the weighted terms, `[m, n]`.
    pub product: Tensor,
    /// The bits of [`Status`], i32.
    pub status: Tensor,
}

impl Product {
    /// The outputs in the order in which they are listed to users, the status last.
    pub fn into_vec(self) -> Vec<Tensor> {
        vec![self.index, self.weight, self.product, self.status]
    }
}

impl Cr {
    /// Checks the parameters and the shapes of `a` (`[m, l]`) and `b` (`[l, n]`).
    ///
    /// # Errors
    /// What does not fit, in one line.
    pub fn check(&self, a: &[usize], b: &[usize]) -> std::result::Result<(), String> {
        let (&[m, l], &[rows, n]) = (a, b) else {
            return Err(format!("a and b must be matrices, got shapes {a:?} and {b:?}"));
        };
        if rows != l {
            return Err(format!("a has {l} columns and b has {rows} rows; they must be as many"));
        }
        if m == 0 || n == 0 || l == 0 {
            return Err(format!("a is {a:?} and b is {b:?}; every size must be at least 1"));
        }
        match self.count >= 1 && (self.sampled || self.count <= l) {
            true => Ok(()),
            false => Err(format!("count = {}: from 1 to {l} terms can be chosen", self.count)),
        }
    }

    /// Traces the approximation of `a b` (`[m, l]` and `[l, n]`, f32 or f64, one dtype). The parameters must have
    /// passed [`Cr::check`].
    #[track_caller]
    pub fn trace(&self, a: &Tensor, b: &Tensor) -> Product {
        let dtype = a.dtype();
        let nan = number(f64::NAN, dtype);
        let most = (max_abs(a), max_abs(b));
        let finite = most.0.is_finite() & most.1.is_finite();
        let (left, right) = (power_of_two(&most.0), power_of_two(&most.1));
        let (a, b) = (finite.select(a / &left, 0.0), finite.select(b / &right, 0.0));
        let sizes = a.square().sum_axes([0]).sqrt() * b.square().sum_axes([1]).sqrt();
        let zero = sizes.max().eq(0.0);
        let (index, weight) = match self.sampled {
            false => (sizes.argsort(0, true).slice(0, 0, self.count), ones([self.count], dtype)),
            true => self.draw(&sizes, &zero),
        };
        let weighted = a.take(&index, 1) * weight.reshape([1, self.count]);
        // The units one after the other: their product may be out of range where the result is not.
        let product = weighted.dot(&b.take(&index, 0)) * left * right;
        let product = finite.select(product, &nan);
        let sound = max_abs(&product).is_finite();
        let status = Status::traced(&finite, &[(Status::DEGENERATE, &zero), (Status::BREAKDOWN, &!sound)]);
        Product { index: finite.select(index, -1), weight: finite.select(weight, &nan), product, status }
    }

    /// By the inverse of the distribution: how many partial sums a uniform part of the whole has passed.
    #[track_caller]
    fn draw(&self, sizes: &Tensor, zero: &Tensor) -> (Tensor, Tensor) {
        let (l, dtype) = (sizes.dim(0), sizes.dtype());
        let sums = sizes.cumsum(0);
        let whole = sums.slice(0, l - 1, l);
        let at = random::uniform(random::key(self.seed), [self.count], dtype) * &whole;
        let passed = sums.reshape([1, l]).le(at.reshape([self.count, 1]));
        // The last term that has a size takes what rounding leaves beyond all sums.
        let last = sizes.gt(0.0).select(iota([l], 0, DType::I32), 0i32).max();
        let index = passed.convert(DType::I32).sum_axes([1]).minimum(last);
        let index = zero.select(iota([self.count], 0, DType::I32).minimum(l as i32 - 1), index);
        let drawn = sizes.take(&index, 0);
        let weight = whole / (zero.select(1.0, drawn) * self.count as f64);
        (index, zero.select(1.0, weight))
    }
}

/// The outputs in the order in which users know them.
pub const OUTPUTS: [&str; 3] = ["index", "weight", "product"];

/// A problem: A, B of the same seed, what they are multiplied by, the parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// A, `[m, l]`.
    pub a: MatrixCase,
    /// The columns of B.
    pub n: usize,
    /// 0 for a degenerate problem, NaN for a poisoned one.
    pub factors: (f64, f64),
    /// The parameters.
    pub cr: Cr,
}

/// The column-row approximation and its reference.
#[derive(Debug, Clone, Copy)]
pub struct CrSubject;

impl Subject for CrSubject {
    type Case = Case;

    fn name(&self) -> &'static str {
        "cr"
    }

    fn factor(&self) -> f64 {
        16.0
    }

    fn outputs(&self) -> &'static [&'static str] {
        &OUTPUTS
    }

    fn strategy(&self) -> BoxedStrategy<Case> {
        let program = prop_oneof![Just((9, 12, 5, 4, false)), Just((6, 9, 7, 20, true)), Just((1, 4, 3, 4, false))];
        (matrices(12, 12, 1, 20), program)
            .prop_map(|(mut a, (rows, cols, n, count, sampled))| {
                (a.rows, a.cols) = (rows, cols);
                a.rank = a.rank.clamp(1, rows.min(cols));
                Case { a, n, factors: (1.0, 1.0), cr: Cr { count, sampled, seed: 3 } }
            })
            .boxed()
    }

    fn special(&self) -> Vec<(&'static str, Case)> {
        let a = MatrixCase { seed: 3, rows: 7, cols: 11, rank: 5, decades: 1, exponent: 0 };
        let case = Case { a, n: 4, factors: (1.0, 1.0), cr: Cr { count: 3, sampled: false, seed: 0 } };
        let sampled = Case { cr: Cr { count: 30, sampled: true, seed: 1 }, ..case.clone() };
        let one = MatrixCase { rows: 1, cols: 1, rank: 1, ..a };
        vec![
            ("zero", Case { factors: (0.0, 1.0), ..case.clone() }),
            ("sampled of zero", Case { factors: (1.0, 0.0), ..sampled.clone() }),
            ("NaN in a", Case { factors: (f64::NAN, 1.0), ..case.clone() }),
            ("NaN in b", Case { factors: (1.0, f64::NAN), ..sampled.clone() }),
            ("all terms", Case { cr: Cr { count: 11, ..case.cr.clone() }, ..case.clone() }),
            ("one by one", Case { a: one, n: 1, cr: Cr { count: 1, ..case.cr.clone() }, ..case.clone() }),
            ("large and small numbers", Case { factors: (2f64.powi(100), 2f64.powi(-90)), ..case }),
            ("sampled", sampled),
        ]
    }

    fn inputs(&self, case: &Case, dtype: DType) -> Vec<HostArray> {
        let (l, n) = (case.a.cols, case.n);
        let b = MatrixCase { seed: case.a.seed + 1, rows: l, cols: n, rank: l.min(n), ..case.a };
        let times = |matrix: MatrixCase, factor: f64| {
            let values = matrix.matrix(DType::F64).to_f64();
            let array = HostArray::from_fn([matrix.rows, matrix.cols], |i| values[i] * factor);
            // The cases stay inside of f32's range: the conversion only rounds.
            array.cast(dtype).unwrap_or(array)
        };
        vec![times(case.a, case.factors.0), times(b, case.factors.1)]
    }

    fn graph(&self, case: &Case, inputs: &[TensorType]) -> Result<Graph> {
        trace(|(a, b): (Tensor, Tensor)| case.cr.trace(&a, &b).into_vec(), inputs)
    }

    fn reference<R: Real>(&self, case: &Case, inputs: &[HostArray], _: f64) -> Outcome<R> {
        reference::multiply(&case.cr, &inputs[0], &inputs[1])
    }

    fn laws(&self) -> Vec<Law<Case>> {
        laws::laws()
    }
}
