//! How much new samples use known features: semi-NMF with Z fixed, as a traced program, and what it is verified by.

use proptest::prelude::*;
use proptest::strategy::BoxedStrategy;
use tandem_compile::{DType, Graph, HostArray, Result, Tensor, TensorType, fori_loop, number, ones, trace, zeros};
use tandem_linalg::scale::{max_abs, power_of_two};
use tandem_verify::strategy::{MatrixCase, matrices};
use tandem_verify::{Batch, Law, Matrix, Outcome, Real, Subject, Trial, Verdict};

use super::graph::{column, multiply, squared_error};
use super::reference;
use tandem_verify::status::Status;

/// The use that new samples make of fixed features: Y for given Z by the multiplicative update alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Transform {
    /// The iteration count; 0 returns the start.
    pub iters: usize,
}

/// The traced outputs of [`Transform::trace`].
#[derive(Debug, Clone)]
pub struct Uses {
    /// Y >= 0, `[k, n]`.
    pub y: Tensor,
    /// J after each iteration, `[iters]`.
    pub loss: Tensor,
    /// The bits of [`Status`], i32.
    pub status: Tensor,
}

impl Uses {
    /// The outputs in the order in which they are listed to users, the status last.
    pub fn into_vec(self) -> Vec<Tensor> {
        vec![self.y, self.loss, self.status]
    }
}

impl Transform {
    /// Checks the parameters and the shapes of `a` (`[d, n]`) and `z` (`[d, k]`).
    ///
    /// # Errors
    /// What does not fit, in one line.
    pub fn check(&self, a: &[usize], z: &[usize]) -> std::result::Result<(), String> {
        let (&[d, n], &[rows, k]) = (a, z) else {
            return Err(format!("a and z must be matrices, got shapes {a:?} and {z:?}"));
        };
        if rows != d {
            return Err(format!("z has {rows} rows and a has {d}; they must have the same"));
        }
        if d == 0 || n == 0 || k == 0 {
            return Err(format!("a is {a:?} and z is {z:?}; every size must be at least 1"));
        }
        match self.iters <= i32::MAX as usize {
            true => Ok(()),
            false => Err(format!("iters = {}: at most {} is supported", self.iters, i32::MAX)),
        }
    }

    /// Traces Y for `a` (`[d, n]`) and fixed features `z` (`[d, k]`), from a start of ones.
    #[track_caller]
    pub fn trace(&self, a: &Tensor, z: &Tensor) -> Uses {
        let dtype = a.dtype();
        let (n, k) = (a.dim(1), z.dim(1));
        let most = (max_abs(a), max_abs(z));
        let unit = power_of_two(&most.0);
        let feature_unit = power_of_two(&z.abs().max_axes([0]));
        let scaled = a / &unit;
        let ft = (z / feature_unit.reshape([1, k])).t();
        let mut state = (ones([k, n], dtype), zeros([self.iters], dtype));
        if self.iters > 0 {
            state = fori_loop(0, self.iters as i32, state, |i, (y, loss)| {
                let y = multiply(&scaled, &ft, &y);
                let error = squared_error(&scaled, &ft, &y);
                (y, loss.dynamic_update_slice(&error.reshape([1]), &[&i]))
            });
        }
        let (y, loss) = state;
        let y = y * &unit / column(&feature_unit);
        let loss = loss * &unit * &unit;
        let finite = most.0.is_finite() & most.1.is_finite();
        let sound = max_abs(&y).is_finite() & loss.is_finite().all();
        let zero = most.0.eq(0.0) | most.1.eq(0.0);
        let status = Status::traced(&finite, &[(Status::DEGENERATE, &zero), (Status::BREAKDOWN, &!sound)]);
        let nan = number(f64::NAN, dtype);
        Uses { y: finite.select(y, &nan), loss: finite.select(loss, &nan), status }
    }
}

/// The outputs in the order in which users know them.
pub const OUTPUTS: [&str; 2] = ["y", "loss"];

/// A problem: samples, features, iterations.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// A, `[d, n]`.
    pub a: MatrixCase,
    /// The number of features; Z is made from the same seed.
    pub k: usize,
    /// The iterations.
    pub iters: usize,
    /// What A and Z are multiplied by: 0 for a degenerate problem, NaN for a poisoned one.
    pub factors: (f64, f64),
}

/// The transform and its reference.
#[derive(Debug, Clone, Copy)]
pub struct TransformSubject;

impl Subject for TransformSubject {
    type Case = Case;

    fn name(&self) -> &'static str {
        "snmf-transform"
    }

    fn factor(&self) -> f64 {
        16.0
    }

    fn outputs(&self) -> &'static [&'static str] {
        &OUTPUTS
    }

    fn strategy(&self) -> BoxedStrategy<Case> {
        // Few sizes (d, n), k and iterations, for each is compiled.
        let programs =
            [((7, 11), 3, 5), ((20, 20), 5, 3), ((1, 1), 1, 2), ((13, 4), 2, 0), ((5, 18), 4, 4), ((20, 3), 1, 5)];
        (matrices(20, 20, 3, 40), prop::sample::select(programs.to_vec()))
            .prop_map(|(mut a, ((rows, cols), k, iters))| {
                (a.rows, a.cols) = (rows, cols);
                a.rank = a.rank.min(rows.min(cols));
                Case { a, k, iters, factors: (1.0, 1.0) }
            })
            .boxed()
    }

    fn special(&self) -> Vec<(&'static str, Case)> {
        let a = MatrixCase { seed: 3, rows: 7, cols: 11, rank: 5, decades: 1, exponent: 0 };
        let case = Case { a, k: 3, iters: 20, factors: (1.0, 1.0) };
        vec![
            ("no samples' content", Case { factors: (0.0, 1.0), ..case.clone() }),
            ("no features' content", Case { factors: (1.0, 0.0), ..case.clone() }),
            ("NaN in the samples", Case { factors: (f64::NAN, 1.0), ..case.clone() }),
            ("NaN in the features", Case { factors: (1.0, f64::NAN), ..case.clone() }),
            ("more features than rows", Case { k: 12, ..case.clone() }),
            ("one by one", Case { a: MatrixCase { rows: 1, cols: 1, rank: 1, ..a }, k: 1, ..case.clone() }),
            ("large numbers", Case { factors: (2f64.powi(50), 2f64.powi(-50)), ..case.clone() }),
            ("many iterations", Case { iters: 300, ..case }),
        ]
    }

    fn inputs(&self, case: &Case, dtype: DType) -> Vec<HostArray> {
        let z = MatrixCase { seed: case.a.seed + 1, cols: case.k, rank: case.a.rows.min(case.k), ..case.a };
        let times = |matrix: MatrixCase, factor: f64| {
            let values = matrix.matrix(DType::F64).to_f64();
            let array = HostArray::from_fn([matrix.rows, matrix.cols], |i| values[i] * factor);
            // The cases stay far inside of f32's range: the conversion only rounds.
            array.cast(dtype).unwrap_or(array)
        };
        vec![times(case.a, case.factors.0), times(z, case.factors.1)]
    }

    fn graph(&self, case: &Case, inputs: &[TensorType]) -> Result<Graph> {
        let transform = Transform { iters: case.iters };
        trace(|(a, z): (Tensor, Tensor)| transform.trace(&a, &z).into_vec(), inputs)
    }

    fn reference<R: Real>(&self, case: &Case, inputs: &[HostArray], _: f64) -> Outcome<R> {
        reference::transform(&Transform { iters: case.iters }, &inputs[0], &inputs[1])
    }

    fn laws(&self) -> Vec<Law<Case>> {
        vec![
            Law::poison(),
            Law { name: "y_is_nonnegative_and_finite", judge: y_is_nonnegative_and_finite },
            Law { name: "loss_never_increases", judge: loss_never_increases },
            Law { name: "last_loss_is_that_of_y", judge: last_loss_is_that_of_y },
        ]
    }

    /// The samples; the loss is of all of them.
    fn batch(&self) -> Option<Batch> {
        Some(Batch { input: 0, axis: 1, outputs: &[Some(1), None] })
    }
}

type Judged = std::result::Result<Verdict, String>;

fn y_is_nonnegative_and_finite(trial: &Trial<Case>) -> Judged {
    if !trial.finite() {
        return Ok(Verdict::Idle);
    }
    let y = trial.outcome.reals("y");
    Ok(Verdict::of(y.iter().all(|x| *x >= 0.0 && x.is_finite()), || format!("y is {y:?}")))
}

/// What the sum of squares may be off by, for numbers of the size of A and |Z| |Y|.
fn slack(trial: &Trial<Case>) -> Option<(Matrix, Matrix, Matrix, f64)> {
    let (a, z) = (Matrix::from_array(&trial.inputs[0])?, Matrix::from_array(&trial.inputs[1])?);
    let y = Matrix { rows: z.cols, cols: a.cols, values: trial.outcome.reals("y") };
    let magnitudes = Matrix::from_fn(z.rows, z.cols, |i, j| z.at(i, j).abs()).dot(&y);
    let size = a.squared_norm() + magnitudes.squared_norm();
    let slack = 16.0 * (z.cols as f64 + 8.0) * trial.u() * size;
    Some((a, z, y, slack))
}

fn loss_never_increases(trial: &Trial<Case>) -> Judged {
    let Some((.., slack)) = slack(trial).filter(|_| trial.finite()) else {
        return Ok(Verdict::Idle);
    };
    let rise = trial.outcome.reals("loss").windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
    Ok(Verdict::of(rise <= slack, || format!("the loss rises by {rise:e}; {slack:e} is allowed")))
}

fn last_loss_is_that_of_y(trial: &Trial<Case>) -> Judged {
    let (Some((a, z, y, slack)), Some(last)) = (slack(trial), trial.outcome.reals("loss").last().copied()) else {
        return Ok(Verdict::Idle);
    };
    if !trial.finite() {
        return Ok(Verdict::Idle);
    }
    let found = a.minus(&z.dot(&y)).squared_norm();
    Ok(Verdict::of((found - last).abs() <= slack, || {
        format!("|A - Z Y|^2 is {found:e}, the last loss {last:e}; a difference of {slack:e} is allowed")
    }))
}
