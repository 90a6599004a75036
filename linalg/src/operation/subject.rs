//! The operations as something to be verified: random problems, hard matrices, LAPACK's ratios as laws.

use proptest::prelude::*;
use proptest::strategy::BoxedStrategy;
use tandem_compile::{DType, Graph, HostArray, Result, Tensor, TensorType, trace};
use tandem_verify::status::Status;
use tandem_verify::strategy::{MatrixCase, matrices};
use tandem_verify::{Law, Outcome, Real, Subject, Trial, Verdict, gallery};

use super::Operation;
use crate::laws;

/// LAPACK's limit for normalised ratios.
const LIMIT: f64 = 30.0;

/// A problem.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    operation: Operation,
    matrix: Source,
}

#[derive(Debug, Clone, PartialEq)]
enum Source {
    /// A random matrix; what is to be positive definite is made so.
    Random(MatrixCase),
    /// One of the gallery.
    Hard(&'static str, usize, usize),
    /// A random one with a bad number in its first row.
    Bad(f64),
}

/// An operation and its reference.
#[derive(Debug, Clone, Copy)]
pub struct OperationSubject(pub Operation);

impl Subject for OperationSubject {
    type Case = Case;

    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn factor(&self) -> f64 {
        32.0
    }

    fn outputs(&self) -> &'static [&'static str] {
        self.0.outputs()
    }

    fn strategy(&self) -> BoxedStrategy<Case> {
        let operation = self.0;
        // Few shapes, for each is compiled; of full rank and well conditioned, so that what is compared is determined.
        let shapes = prop_oneof![Just((1, 1)), Just((4, 4)), Just((9, 9)), Just((11, 6)), Just((5, 12))];
        (matrices(12, 12, 1, 20), shapes)
            .prop_map(move |(mut a, (rows, cols))| {
                (a.rows, a.cols) = if operation.is_square() { (rows.max(cols), rows.max(cols)) } else { (rows, cols) };
                a.rank = a.rows.min(a.cols);
                Case { operation, matrix: Source::Random(a) }
            })
            .boxed()
    }

    fn special(&self) -> Vec<(&'static str, Case)> {
        let operation = self.0;
        let shapes: &[(usize, usize)] = if operation.is_square() { &[(9, 9)] } else { &[(9, 9), (11, 6), (5, 12)] };
        let hard = shapes.iter().flat_map(|&(m, n)| {
            let exists = move |kind: &&gallery::Kind| kind.array(m, n, DType::F32).is_some();
            let fits = move |kind: &&gallery::Kind| match operation {
                Operation::Cholesky => kind.definite,
                Operation::Eigh => kind.symmetric,
                _ => true,
            };
            gallery::KINDS
                .iter()
                .chain(gallery::SUBNORMAL)
                .filter(exists)
                .filter(fits)
                .map(move |kind| (kind.name, Case { operation, matrix: Source::Hard(kind.name, m, n) }))
        });
        let bad = [("NaN", f64::NAN), ("infinity", f64::INFINITY)];
        let bad = bad.into_iter().map(|(name, x)| (name, Case { operation, matrix: Source::Bad(x) }));
        hard.chain(bad).collect()
    }

    fn inputs(&self, case: &Case, dtype: DType) -> Vec<HostArray> {
        let a = case.matrix(dtype);
        let m = a.shape()[0];
        // The first of them is hit by the identity as well as by the ones.
        let b = HostArray::from_fn([m, 2], |i| 1.0 + (i % 5) as f64);
        let b = b.cast(dtype).unwrap_or(b);
        if self.0.takes_b() { vec![a, b] } else { vec![a] }
    }

    fn graph(&self, _: &Case, inputs: &[TensorType]) -> Result<Graph> {
        let program = |inputs: Vec<Tensor>| inputs.first().map_or(Vec::new(), |a| self.0.trace(a, inputs.get(1)));
        trace(program, inputs)
    }

    fn reference<R: Real>(&self, _: &Case, inputs: &[HostArray], u: f64) -> Outcome<R> {
        self.0.reference(&inputs[0], inputs.get(1), u)
    }

    fn laws(&self) -> Vec<Law<Case>> {
        vec![Law::poison(), Law { name: "lapack_ratio_is_below_thirty", judge: ratio }]
    }

    /// The largest singular value over the smallest.
    fn condition(&self, _: &Case, inputs: &[HostArray]) -> Option<f64> {
        let s = Operation::Svd.reference::<f64>(&inputs[0], None, f64::EPSILON / 2.0).reals("s");
        Some(s.first()? / s.last()?).filter(|condition| condition.is_finite())
    }
}

impl Case {
    fn matrix(&self, dtype: DType) -> HostArray {
        let plain = |case: MatrixCase| {
            let a = case.matrix(DType::F64);
            let made = match self.operation {
                Operation::Cholesky | Operation::Eigh => symmetric(&a, self.operation == Operation::Cholesky),
                _ => a,
            };
            made.cast(dtype).unwrap_or(made)
        };
        match self.matrix {
            Source::Random(case) => plain(case),
            Source::Hard(name, m, n) => gallery::named(name)
                .and_then(|kind| kind.array(m, n, dtype))
                .unwrap_or_else(|| HostArray::zeros(&TensorType::new(dtype, [m, n]))),
            Source::Bad(x) => {
                let case = MatrixCase { seed: 7, rows: 9, cols: 9, rank: 9, decades: 1, exponent: 0 };
                let values = plain(case).to_f64();
                let a = HostArray::from_fn([9, 9], |i| if i == 0 { x } else { values[i] });
                a.cast(dtype).unwrap_or(a)
            }
        }
    }
}

/// A + A', or A A' + |A|^2 I.
fn symmetric(a: &HostArray, definite: bool) -> HostArray {
    let (n, x) = (a.shape()[0], a.to_f64());
    let product = |i: usize, j: usize| (0..n).map(|k| x[i * n + k] * x[j * n + k]).sum::<f64>();
    let size = x.iter().map(|x| x * x).sum::<f64>() / n.max(1) as f64;
    HostArray::from_fn([n, n], |at| {
        let (i, j) = (at / n, at % n);
        match definite {
            true => product(i, j) + if i == j { size } else { 0.0 },
            false => x[i * n + j] + x[j * n + i],
        }
    })
}

/// Whether an operation may give no result: a system or a definite matrix that is singular to the precision under test, and
/// what needs the inverse of a matrix so small that it is out of range.
fn may_break(trial: &Trial<'_, Case>) -> bool {
    let a = &trial.inputs[0];
    let s = Operation::Svd.reference::<f64>(a, None, f64::EPSILON / 2.0).reals("s");
    let [Some(largest), Some(smallest)] = [s.first(), s.last()] else { return true };
    let singular = *smallest <= 8.0 * trial.u() * a.shape()[0] as f64 * largest;
    let out_of_range = *largest * range(trial.dtype) < 8.0;
    match trial.case.operation {
        Operation::Solve => singular || out_of_range,
        Operation::Cholesky => singular,
        Operation::Pinv | Operation::Lstsq => out_of_range,
        _ => false,
    }
}

/// The largest number.
fn range(dtype: DType) -> f64 {
    if dtype == DType::F64 { f64::MAX } else { f64::from(f32::MAX) }
}

/// LAPACK's normalised ratio of the operation.
fn ratio(trial: &Trial<'_, Case>) -> std::result::Result<Verdict, String> {
    let operation = trial.case.operation;
    let broken = Status(trial.outcome.status).has(Status::BREAKDOWN);
    if !trial.finite() || broken && may_break(trial) {
        return Ok(Verdict::Idle);
    }
    let output = |name: &str| {
        let shape = trial.outcome.output(name).map(|output| output.shape.clone()).unwrap_or_default();
        let array = HostArray::new(shape, trial.outcome.reals(name)).map_err(|error| error.to_string())?;
        array.cast(trial.dtype).map_err(|error| error.to_string())
    };
    let a = &trial.inputs[0];
    let found = operation.outputs().iter().map(|name| output(name)).collect::<std::result::Result<Vec<_>, String>>()?;
    let ratio = match operation {
        Operation::Qr => laws::qr(a, &found[0], &found[1]),
        Operation::Lu => laws::lu(a, &found[0], &found[1], &found[2]),
        Operation::Cholesky => laws::cholesky(a, &found[0]),
        Operation::Eigh => laws::eigh(a, &found[0], &found[1]),
        Operation::Svd => laws::svd(a, &found[0], &found[1], &found[2]),
        Operation::Polar => laws::polar(a, &found[0], &found[1]),
        Operation::Pinv => laws::pinv(a, &found[0]),
        Operation::Lstsq => laws::lstsq(a, &found[0], &trial.inputs[1]),
        Operation::Solve => laws::solve(a, &found[0], &trial.inputs[1]),
    };
    Ok(Verdict::of(ratio < LIMIT, || format!("{} of {:?} has the ratio {ratio}", operation.name(), trial.case)))
}
