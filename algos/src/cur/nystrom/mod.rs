//! Nystrom's approximation of a positive semidefinite matrix from some of its columns: A ~ C W+ C'.
//!
//! A is `[n, n]`, symmetric, C = A(:, q) `[n, k]` and W = A(q, q). It is a CUR decomposition whose rows are its columns
//! and whose core is the cross, and for such matrices stable: A - C W+ C' is the Schur complement, positive
//! semidefinite itself. The result is the factor F `[n, k]` with F F' = C W+ C', by Cholesky's factorization with
//! diagonal pivoting that stops after k columns; only these k columns and the diagonal are read. The pivot is the
//! largest entry that is left of the diagonal, or drawn with probability proportional to it (randomly pivoted Cholesky:
//! Chen, Epperly, Tropp and Webber, arXiv 2207.06503), which does not chase outliers and is near to the best in
//! expectation.
//!
//! Cost: 2 n k^2 flops. The error in the trace norm is what is left of the diagonal. Where nothing is left but
//! rounding, the remaining columns are the lowest unselected ones with zeros in F ([`Status::RANK_DEFICIENT`]). That A
//! is semidefinite is not checked: of a matrix that is not, F F' is an approximation of nothing.

pub mod laws;
mod reference;

use proptest::prelude::*;
use proptest::strategy::BoxedStrategy;
use tandem_compile::{DType, Graph, HostArray, Result, Tensor, TensorType, fori_loop, full, iota, number, random};
use tandem_compile::{scalar, trace, zeros};
use tandem_linalg::scale::{max_abs, power_of_two};
use tandem_verify::status::Status;
use tandem_verify::strategy::{MatrixCase, matrices};
use tandem_verify::{Law, Outcome, Real, Subject};

use super::graph::negligible;

/// The problem's parameters.
///
/// ```
/// use ndarray::{Array2, array};
/// use tandem_algos::cur::nystrom::Nystrom;
/// use tandem_compile::{Tensor, jit};
///
/// let f = jit(|a: Tensor| Nystrom { k: 1, sampled: false, seed: 0 }.trace(&a).factor);
/// let f: Array2<f64> = f.call(&array![[1.0, 2.0], [2.0, 4.0]])?;
/// assert_eq!(f, array![[1.0], [2.0]]);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Nystrom {
    /// The number of columns, at least 1 and at most n.
    pub k: usize,
    /// Whether pivots are drawn by the diagonal instead of being its largest entries.
    pub sampled: bool,
    /// The seed of the draws.
    pub seed: u64,
}

/// The traced outputs of [`Nystrom::trace`].
#[derive(Debug, Clone)]
pub struct Approximated {
    /// The chosen columns q in the order of their selection, i32 `[k]`.
    pub index: Tensor,
    /// F, `[n, k]`: F F' ~ A, and F(q, :) is lower triangular.
    pub factor: Tensor,
    /// trace(A - F F') / trace(A): the error in the trace norm; 0 for A = 0.
    pub relative_error: Tensor,
    /// The bits of [`Status`], i32.
    pub status: Tensor,
}

impl Approximated {
    /// The outputs in the order in which they are listed to users, the status last.
    pub fn into_vec(self) -> Vec<Tensor> {
        vec![self.index, self.factor, self.relative_error, self.status]
    }
}

impl Nystrom {
    /// Checks the parameters against a matrix of shape `[n, n]`.
    ///
    /// # Errors
    /// What is out of range, and what the range is.
    pub fn check(&self, shape: &[usize]) -> std::result::Result<(), String> {
        match shape {
            &[m, n] if m == n && n > 0 => match (1..=n).contains(&self.k) {
                true => Ok(()),
                false => Err(format!("k = {}: from 1 to {n} columns of a [{n}, {n}] can be chosen", self.k)),
            },
            _ => Err(format!("a must be a square matrix [n, n], got shape {shape:?}")),
        }
    }

    /// Traces the approximation of `a` (`[n, n]`, f32 or f64, symmetric positive semidefinite; its columns are read).
    /// The parameters must have passed [`Nystrom::check`].
    #[track_caller]
    pub fn trace(&self, a: &Tensor) -> Approximated {
        let (n, k, dtype) = (a.dim(0), self.k, a.dtype());
        let nan = number(f64::NAN, dtype);
        let most = max_abs(a);
        let (finite, zero) = (most.is_finite(), most.eq(0.0));
        // An even power, of which the factor gets the root.
        let root = power_of_two(&most.sqrt());
        let scaled = finite.select(a / &root / &root, 0.0);
        let diagonal = scaled.diag();
        let floor = diagonal.max() * negligible(n, k, dtype);
        let place = iota([n], 0, DType::I32);
        let start = (
            zeros([n, k], dtype),
            diagonal.clone(),
            full([n], 0.0, DType::Bool),
            zeros([k], DType::I32),
            scalar(false),
        );
        let (f, left, _, index, deficient) = fori_loop(0, k as i32, start, |j, (f, left, used, index, deficient)| {
            let open = used.select(0.0, left.gt(&floor).select(&left, 0.0));
            let found = open.max().gt(0.0);
            let i = found.select(self.pivot(&open, &j), used.convert(DType::I32).argmin(0));
            let column = scaled.index(1, &i) - f.dot(&f.index(0, &i));
            let pivot = found.select(left.index(0, &i), 1.0);
            // What was chosen before is represented exactly.
            let own = found.select(used.select(0.0, column / pivot.sqrt()), 0.0);
            let used = used | place.eq(&i);
            let left = used.select(0.0, (left - own.square()).maximum(0.0));
            let f = f.dynamic_update_slice(&own.reshape([n, 1]), &[&scalar(0i32), &j]);
            (f, left, used, index.dynamic_update_slice(&i.reshape([1]), &[&j]), deficient | !found)
        });
        let size = diagonal.sum();
        let error = left.sum() / size.eq(0.0).select(1.0, &size);
        let factor = finite.select(f * root, &nan);
        let sound = max_abs(&factor).is_finite() & error.is_finite();
        let status = Status::traced(
            &finite,
            &[(Status::RANK_DEFICIENT, &deficient), (Status::DEGENERATE, &zero), (Status::BREAKDOWN, &!sound)],
        );
        let relative_error = finite.select(error, nan);
        Approximated { index: finite.select(index, -1), factor, relative_error, status }
    }

    /// The largest that is left, or the first of exponential clocks that run at those rates.
    #[track_caller]
    fn pivot(&self, open: &Tensor, step: &Tensor) -> Tensor {
        if !self.sampled {
            return open.argmax(0);
        }
        let uniform = random::uniform(random::fold_in(random::key(self.seed), step), open.shape(), open.dtype());
        let runs = open.gt(0.0);
        let waiting = -(1.0 - uniform).log() / runs.select(open, 1.0);
        runs.select(waiting, f64::INFINITY).argmin(0)
    }
}

/// The outputs in the order in which users know them.
pub const OUTPUTS: [&str; 3] = ["index", "factor", "relative_error"];

/// A problem: A = B B' times a factor, and the parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// B, `[n, rank]` of its own rank.
    pub root: MatrixCase,
    /// 0 for a zero matrix, NaN for a poisoned one.
    pub factor: f64,
    /// The parameters.
    pub nystrom: Nystrom,
}

/// Nystrom's approximation and its reference.
#[derive(Debug, Clone, Copy)]
pub struct NystromSubject;

impl Subject for NystromSubject {
    type Case = Case;

    fn name(&self) -> &'static str {
        "nystrom"
    }

    fn factor(&self) -> f64 {
        32.0
    }

    fn outputs(&self) -> &'static [&'static str] {
        &OUTPUTS
    }

    fn strategy(&self) -> BoxedStrategy<Case> {
        let program = prop_oneof![Just((12, 4, false)), Just((12, 4, true)), Just((7, 1, false))];
        (matrices(12, 12, 1, 10), program)
            .prop_map(|(mut root, (n, k, sampled))| {
                (root.rows, root.cols) = (n, n);
                root.rank = root.rank.clamp(k + 1, n);
                Case { root, factor: 1.0, nystrom: Nystrom { k, sampled, seed: 3 } }
            })
            .boxed()
    }

    fn special(&self) -> Vec<(&'static str, Case)> {
        let root = MatrixCase { seed: 3, rows: 9, cols: 9, rank: 9, decades: 1, exponent: 0 };
        let nystrom = Nystrom { k: 4, sampled: false, seed: 1 };
        let sampled = Nystrom { sampled: true, ..nystrom.clone() };
        let case = Case { root, factor: 1.0, nystrom };
        let low = MatrixCase { rank: 2, ..root };
        vec![
            ("zero", Case { factor: 0.0, ..case.clone() }),
            ("NaN", Case { factor: f64::NAN, ..case.clone() }),
            ("lower rank", Case { root: low, ..case.clone() }),
            ("sampled of lower rank", Case { root: low, nystrom: sampled.clone(), ..case.clone() }),
            ("sampled of zero", Case { factor: 0.0, nystrom: sampled, ..case.clone() }),
            ("all that there are", Case { nystrom: Nystrom { k: 9, ..case.nystrom.clone() }, ..case.clone() }),
            ("large numbers", Case { factor: 2f64.powi(110), ..case.clone() }),
            ("small numbers", Case { factor: 2f64.powi(-80), ..case }),
        ]
    }

    fn inputs(&self, case: &Case, dtype: DType) -> Vec<HostArray> {
        let b = case.root.matrix(DType::F64).to_f64();
        let (n, l) = (case.root.rows, case.root.cols);
        let entry = |i: usize, j: usize| (0..l).map(|t| b[i * l + t] * b[j * l + t]).sum::<f64>() * case.factor;
        let a = HostArray::from_fn([n, n], |at| entry(at / n, at % n));
        // The cases stay inside of f32's range: the conversion only rounds.
        vec![a.cast(dtype).unwrap_or(a)]
    }

    fn graph(&self, case: &Case, inputs: &[TensorType]) -> Result<Graph> {
        trace(|a: Tensor| case.nystrom.trace(&a).into_vec(), inputs)
    }

    fn reference<R: Real>(&self, case: &Case, inputs: &[HostArray], u: f64) -> Outcome<R> {
        reference::approximate(&case.nystrom, &inputs[0], u)
    }

    fn laws(&self) -> Vec<Law<Case>> {
        laws::laws()
    }
}
