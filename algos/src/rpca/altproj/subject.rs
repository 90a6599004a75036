//! Alternating projections as something to be verified: random problems, ties and degenerate inputs.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::BoxedStrategy;
use tandem_compile::{DType, Graph, HostArray, Result, Tensor, TensorType, trace};
use tandem_verify::strategy::{MatrixCase, matrices};
use tandem_verify::{Law, Outcome, Real, Subject};

use super::{AccAltProj, AltProj, laws, reference};
use crate::rpca::data::{Data, Twist};

/// The outputs in the order of the traced ones.
pub const OUTPUTS: [&str; 4] = ["l", "s", "iterations", "residual"];

/// Which iteration, with its parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// On tangent spaces.
    Accelerated(AccAltProj),
    /// In stages.
    Staged(AltProj),
}

impl Method {
    /// r.
    pub fn rank(&self) -> usize {
        match self {
            Method::Accelerated(parameters) => parameters.rank,
            Method::Staged(parameters) => parameters.rank,
        }
    }

    /// The relative residual at which it stops.
    pub fn tol(&self) -> f64 {
        match self {
            Method::Accelerated(parameters) => parameters.tol,
            Method::Staged(parameters) => parameters.tol,
        }
    }

    /// The most iterations.
    pub fn limit(&self) -> usize {
        match self {
            Method::Accelerated(parameters) => parameters.max_iters,
            Method::Staged(parameters) => parameters.rank * parameters.stage_iters,
        }
    }
}

/// A problem: the data and the parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// M, `[m, n]`.
    pub data: Data,
    /// The parameters.
    pub method: Method,
}

/// Both iterations and their references.
#[derive(Debug, Clone, Copy)]
pub struct AltProjSubject;

/// m, n and the parameters: few, for each is compiled.
fn programs() -> Vec<(usize, usize, Method)> {
    let accelerated = |rank: usize, tol: f64, limit: usize| AccAltProj::new(rank).tol(tol).max_iters(limit);
    vec![
        (14, 10, Method::Accelerated(accelerated(2, 0.0, 6))),
        (10, 10, Method::Accelerated(accelerated(1, 1e-2, 30))),
        (9, 16, Method::Accelerated(accelerated(2, 0.0, 5).trim(2.0))),
        (14, 10, Method::Staged(AltProj::new(2).tol(0.0).stage_iters(3))),
        (10, 10, Method::Staged(AltProj::new(1).tol(1e-2).stage_iters(20))),
    ]
}

impl Subject for AltProjSubject {
    type Case = Case;

    fn name(&self) -> &'static str {
        "accaltproj"
    }

    fn factor(&self) -> f64 {
        32.0
    }

    fn outputs(&self) -> &'static [&'static str] {
        &OUTPUTS
    }

    fn strategy(&self) -> BoxedStrategy<Case> {
        (matrices(16, 16, 0, 20), select(programs()), 2..12u32)
            .prop_map(|(mut matrix, (rows, cols, method), outliers)| {
                // Of the rank that is asked for: beyond it L is arbitrary.
                (matrix.rows, matrix.cols, matrix.rank) = (rows, cols, method.rank());
                Case { data: Data { matrix, outliers, twist: Twist::None }, method }
            })
            .boxed()
    }

    fn special(&self) -> Vec<(&'static str, Case)> {
        let matrix = MatrixCase { seed: 3, rows: 12, cols: 12, rank: 2, decades: 0, exponent: 0 };
        let methods = |rank| [Method::Accelerated(AccAltProj::new(rank)), Method::Staged(AltProj::new(rank))];
        let sized = |rows, cols| MatrixCase { rows, cols, rank: 1, ..matrix };
        let kinds = [
            ("zero", matrix, Twist::Zero, 2),
            ("identity", matrix, Twist::Identity, 2),
            ("constant", matrix, Twist::Constant, 1),
            ("more than the rank", matrix, Twist::Constant, 3),
            ("single", matrix, Twist::Single, 2),
            ("ternary", matrix, Twist::Ternary, 2),
            ("NaN", matrix, Twist::Nan, 2),
            ("infinity", matrix, Twist::Infinite, 2),
            ("large numbers", MatrixCase { exponent: 110, ..matrix }, Twist::None, 2),
            ("small numbers", MatrixCase { exponent: -110, ..matrix }, Twist::None, 2),
            ("one by one", sized(1, 1), Twist::Single, 1),
            ("one row", sized(1, 7), Twist::None, 1),
            ("full rank", MatrixCase { rank: 3, ..sized(5, 3) }, Twist::None, 3),
        ];
        let case = |(name, matrix, twist, rank)| {
            methods(rank).map(|method| (name, Case { data: Data { matrix, outliers: 6, twist }, method }))
        };
        kinds.into_iter().flat_map(case).collect()
    }

    fn inputs(&self, case: &Case, dtype: DType) -> Vec<HostArray> {
        vec![case.data.array(dtype)]
    }

    fn graph(&self, case: &Case, inputs: &[TensorType]) -> Result<Graph> {
        let program = |m: Tensor| match case.method {
            Method::Accelerated(parameters) => parameters.trace(&m).into_vec(),
            Method::Staged(parameters) => parameters.trace(&m).into_vec(),
        };
        trace(program, inputs)
    }

    fn reference<R: Real>(&self, case: &Case, inputs: &[HostArray], u: f64) -> Outcome<R> {
        match case.method {
            Method::Accelerated(parameters) => reference::accelerated(&parameters, &inputs[0], u),
            Method::Staged(parameters) => reference::staged(&parameters, &inputs[0], u),
        }
    }

    fn laws(&self) -> Vec<Law<Case>> {
        laws::laws()
    }
}
