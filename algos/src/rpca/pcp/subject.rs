//! Principal component pursuit as something to be verified: its random problems, its ties and degenerate inputs.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::BoxedStrategy;
use tandem_compile::{DType, Graph, HostArray, Result, Tensor, TensorType, number, trace};
use tandem_verify::strategy::{MatrixCase, matrices};
use tandem_verify::{Law, Outcome, Real, Subject};

use super::{Pcp, Solver, certificate, laws, reference};
use crate::rpca::data::{Data, Twist};

/// The outputs: those that users are given, and the multiplier.
pub const OUTPUTS: [&str; 7] = ["l", "s", "rank", "iterations", "residual", "gap", "y"];

/// A problem: the data and the parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// M, `[m, n]`.
    pub data: Data,
    /// Whether some elements are missing.
    pub masked: bool,
    /// The parameters.
    pub pcp: Pcp,
}

/// Principal component pursuit and its reference.
#[derive(Debug, Clone, Copy)]
pub struct PcpSubject;

/// m, n, whether elements are missing, the method, its tolerance and its limit: few, for each is compiled. Without a tolerance the
/// iterations are as many as the limit says; where the stop is the tolerance's, it is one that f32 tells apart.
const PROGRAMS: [(usize, usize, bool, Solver, f64, usize); 6] = [
    (9, 6, false, Solver::Ialm, 1e-2, 60),
    (9, 6, false, Solver::Admm, 0.0, 8),
    (6, 11, true, Solver::Ialm, 0.0, 7),
    (8, 8, false, Solver::Ialm, 0.0, 10),
    (8, 8, false, Solver::Admm, 3e-2, 100),
    (7, 10, true, Solver::Admm, 3e-2, 100),
];

impl Subject for PcpSubject {
    type Case = Case;

    fn name(&self) -> &'static str {
        "pcp"
    }

    fn factor(&self) -> f64 {
        32.0
    }

    fn outputs(&self) -> &'static [&'static str] {
        &OUTPUTS
    }

    fn strategy(&self) -> BoxedStrategy<Case> {
        (matrices(12, 12, 1, 20), select(PROGRAMS.to_vec()), 0..30u32)
            .prop_map(|(mut matrix, (rows, cols, masked, solver, tol, limit), outliers)| {
                (matrix.rows, matrix.cols) = (rows, cols);
                matrix.rank = matrix.rank.clamp(1, rows.min(cols));
                let pcp = Pcp::new().solver(solver).tol(tol).max_iters(limit);
                Case { data: Data { matrix, outliers, twist: Twist::None }, masked, pcp }
            })
            .boxed()
    }

    fn special(&self) -> Vec<(&'static str, Case)> {
        let matrix = MatrixCase { seed: 3, rows: 8, cols: 8, rank: 2, decades: 0, exponent: 0 };
        let solvers = [Pcp::new().tol(1e-5).max_iters(60), Pcp::new().solver(Solver::Admm).tol(1e-5).max_iters(500)];
        let sized = |rows, cols| MatrixCase { rows, cols, rank: 1, ..matrix };
        let kinds = [
            ("zero", matrix, Twist::Zero),
            ("identity", matrix, Twist::Identity),
            ("constant", matrix, Twist::Constant),
            ("single", matrix, Twist::Single),
            ("ternary", matrix, Twist::Ternary),
            ("NaN", matrix, Twist::Nan),
            ("infinity", matrix, Twist::Infinite),
            ("plain", matrix, Twist::None),
            ("large numbers", MatrixCase { exponent: 110, ..matrix }, Twist::None),
            ("small numbers", MatrixCase { exponent: -110, ..matrix }, Twist::None),
            ("one by one", sized(1, 1), Twist::Single),
            ("one row", sized(1, 7), Twist::None),
            ("one column", sized(7, 1), Twist::None),
        ];
        let case = |pcp: Pcp, masked: bool| {
            move |(name, matrix, twist)| (name, Case { data: Data { matrix, outliers: 8, twist }, masked, pcp })
        };
        let mut cases: Vec<_> = solvers.iter().flat_map(|&pcp| kinds.into_iter().map(case(pcp, false))).collect();
        let missing = [("zero, some missing", matrix, Twist::Zero), ("some missing", matrix, Twist::None)];
        cases.extend(solvers.iter().flat_map(|&pcp| missing.into_iter().map(case(pcp, true))));
        cases
    }

    fn inputs(&self, case: &Case, dtype: DType) -> Vec<HostArray> {
        let mask = case.masked.then(|| case.data.mask(dtype));
        [case.data.array(dtype)].into_iter().chain(mask).collect()
    }

    fn graph(&self, case: &Case, inputs: &[TensorType]) -> Result<Graph> {
        trace(|inputs: Vec<Tensor>| program(&case.pcp, &inputs), inputs)
    }

    fn reference<R: Real>(&self, case: &Case, inputs: &[HostArray], _: f64) -> Outcome<R> {
        reference::separate(&case.pcp, &inputs[0], inputs.get(1))
    }

    fn laws(&self) -> Vec<Law<Case>> {
        laws::laws()
    }
}

/// [`OUTPUTS`] and the status, of m and maybe a mask.
fn program(pcp: &Pcp, inputs: &[Tensor]) -> Vec<Tensor> {
    let [m, rest @ ..] = inputs else {
        return Vec::new();
    };
    let mask = rest.first();
    let found = pcp.trace(m, mask);
    let lambda = number(pcp.weight(m.dim(0), m.dim(1)), m.dtype());
    let gap = certificate(m, mask, &found.l, &found.y, &lambda).gap;
    let y = found.y.clone();
    let mut outputs = found.into_vec();
    let status = outputs.pop();
    outputs.into_iter().chain([gap, y]).chain(status).collect()
}
