//! Semi-NMF as something to be verified: its random problems, its ties and degenerate inputs.

use std::fmt;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::BoxedStrategy;
use tandem_compile::{DType, Graph, HostArray, Result, Tensor, TensorType, trace};
use tandem_verify::strategy::{MatrixCase, matrices};
use tandem_verify::{Law, Outcome, Real, Subject};

use super::{Init, Snmf, laws, reference};

/// The outputs in the order in which users know them.
pub const OUTPUTS: [&str; 5] = ["z", "y", "loss", "iterations", "top_index"];

/// A problem: the data and the parameters.
#[derive(Debug, Clone)]
pub struct Case {
    /// A, `[d, n]`.
    pub data: Data,
    /// The parameters.
    pub snmf: Snmf,
}

/// Where A comes from.
#[derive(Clone)]
pub enum Data {
    /// A random matrix, and what is done to it before it is used.
    Random(MatrixCase, Twist),
    /// Somebody's matrix.
    Given(Arc<HostArray>),
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Data::Random(matrix, Twist::None) => write!(f, "{matrix:?}"),
            Data::Random(matrix, twist) => write!(f, "{twist:?} {matrix:?}"),
            Data::Given(array) => write!(f, "{}", array.ty()),
        }
    }
}

/// Sizes (d, n) and parameters of the random cases: few, for each is compiled, and seeds are part of a program.
///
/// There are few features per sample: else G'G is ill-conditioned whatever A is.
fn programs() -> Vec<((usize, usize), Snmf)> {
    let program = |size, k, iters, seed| (size, Snmf::new(k).iters(iters).seed(seed).top(3));
    let with = |(size, snmf): ((usize, usize), Snmf), change: fn(Snmf) -> Snmf| (size, change(snmf));
    vec![
        program((12, 15), 3, 5, 1),
        program((16, 23), 5, 2, 2),
        program((2, 4), 1, 5, 3),
        with(program((10, 12), 4, 0, 4), |snmf| snmf.top(0)),
        with(program((8, 24), 2, 5, 5), |snmf| snmf.stop_after(2, 0.02).top(40)),
        with(program((20, 9), 3, 3, 6), |snmf| snmf.init(Init::Kmeans)),
        with(program((24, 20), 4, 4, 7), |snmf| snmf.init(Init::Kmeans).sparsity(0.5).top(6)),
        with(program((24, 24), 1, 5, 8), |snmf| snmf.init(Init::Kmeans).stop_after(1, 0.0)),
        with(program((16, 16), 5, 4, 9), |snmf| snmf.sparsity(0.5).stop_after(3, 0.2)),
    ]
}

/// How a special case departs from random data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twist {
    /// Nothing.
    None,
    /// A = 0.
    Zero,
    /// Entries rounded to -1, 0 or 1 times the scale: many ties.
    Ternary,
    /// The first row and the first column are zero.
    ZeroLines,
    /// One entry is NaN.
    Nan,
    /// One entry is infinite.
    Infinite,
    /// All entries are 1.
    Constant,
    /// A thousand is added everywhere.
    Offset,
}

/// Semi-NMF and its reference.
#[derive(Debug, Clone, Copy)]
pub struct SnmfSubject;

impl Subject for SnmfSubject {
    type Case = Case;

    fn name(&self) -> &'static str {
        "snmf"
    }

    fn factor(&self) -> f64 {
        16.0
    }

    fn outputs(&self) -> &'static [&'static str] {
        &OUTPUTS
    }

    fn strategy(&self) -> BoxedStrategy<Case> {
        (matrices(24, 24, 3, 40), 0.0..1.0f64, prop::sample::select(programs()))
            .prop_map(|(mut a, fraction, ((rows, cols), snmf))| {
                (a.rows, a.cols) = (rows, cols);
                // Fewer features than the rank, so that there is an error to lower: where nothing is left, which iterate
                // is the best is mere rounding. Half of the cases have full rank.
                let full = rows.min(cols);
                a.rank = ((2.0 * fraction * full as f64) as usize).clamp(snmf.k + 1, full);
                Case { data: Data::Random(a, Twist::None), snmf }
            })
            .boxed()
    }

    fn special(&self) -> Vec<(&'static str, Case)> {
        let a = MatrixCase { seed: 5, rows: 12, cols: 15, rank: 6, decades: 1, exponent: 0 };
        let snmf = Snmf::new(4).iters(12).top(3);
        let case = |a: MatrixCase, twist, snmf: &Snmf| Case { data: Data::Random(a, twist), snmf: snmf.clone() };
        let sized = |rows, cols| MatrixCase { rows, cols, rank: 1, ..a };
        let huge = MatrixCase { exponent: 56, ..a };
        let tiny = MatrixCase { exponent: -60, ..a };
        vec![
            ("zero", case(a, Twist::Zero, &snmf)),
            ("ties", case(a, Twist::Ternary, &snmf.clone().sparsity(0.25))),
            ("ties in the clusters", case(a, Twist::Ternary, &snmf.clone().init(Init::Kmeans))),
            ("zero row and column", case(a, Twist::ZeroLines, &snmf)),
            ("NaN", case(a, Twist::Nan, &snmf)),
            ("infinity", case(a, Twist::Infinite, &snmf)),
            ("constant", case(a, Twist::Constant, &snmf)),
            ("more features than samples", case(a, Twist::None, &Snmf::new(20).iters(12).top(3))),
            ("as many features as samples", case(a, Twist::None, &Snmf::new(15).iters(12).top(3))),
            ("one by one", case(sized(1, 1), Twist::None, &Snmf::new(1).iters(5).top(3))),
            ("one row", case(sized(1, 9), Twist::None, &Snmf::new(2).iters(12).top(3))),
            ("one column", case(sized(9, 1), Twist::None, &Snmf::new(2).iters(12).top(3))),
            ("one feature", case(a, Twist::None, &Snmf::new(1).iters(12).top(3))),
            ("large numbers", case(huge, Twist::None, &snmf)),
            ("small numbers", case(tiny, Twist::None, &snmf)),
            ("many iterations", case(a, Twist::None, &Snmf::new(4).iters(300).top(3))),
            ("early stop", case(a, Twist::None, &Snmf::new(4).iters(300).stop_after(3, 1e-2).top(3))),
            ("from the singular vectors", case(a, Twist::None, &snmf.clone().init(Init::Svd))),
            ("no leaders", case(a, Twist::None, &snmf.clone().top(0))),
            ("clusters far from the origin", case(a, Twist::Offset, &snmf.clone().init(Init::Kmeans))),
            ("no iteration", case(a, Twist::None, &Snmf::new(4).iters(0).top(3))),
            ("sparse", case(a, Twist::None, &Snmf::new(4).iters(40).sparsity(0.1).top(3))),
        ]
    }

    fn inputs(&self, case: &Case, dtype: DType) -> Vec<HostArray> {
        let a = match &case.data {
            Data::Random(matrix, twist) => twisted(matrix, *twist),
            Data::Given(array) => HostArray::clone(array),
        };
        // The random cases stay far inside of f32's range: the conversion only rounds.
        let a = a.cast(dtype).unwrap_or(a);
        match case.snmf.init {
            Init::Svd => {
                let y0 = super::start_input(&a, case.snmf.k);
                vec![a, y0]
            }
            _ => vec![a],
        }
    }

    fn graph(&self, case: &Case, inputs: &[TensorType]) -> Result<Graph> {
        trace(
            |inputs: Vec<Tensor>| match inputs.first() {
                Some(a) => case.snmf.trace(a, inputs.get(1)).into_vec(),
                None => Vec::new(),
            },
            inputs,
        )
    }

    fn reference<R: Real>(&self, case: &Case, inputs: &[HostArray], u: f64) -> Outcome<R> {
        reference::factorize(&case.snmf, &inputs[0], inputs.get(1), u)
    }

    fn laws(&self) -> Vec<Law<Case>> {
        laws::laws()
    }
}

fn twisted(matrix: &MatrixCase, twist: Twist) -> HostArray {
    let a = matrix.matrix(DType::F64);
    let scale = 2f64.powi(matrix.exponent);
    let (values, cols) = (a.to_f64(), matrix.cols);
    HostArray::from_fn([matrix.rows, cols], |i| match twist {
        Twist::Zero => 0.0,
        Twist::Ternary => (values[i] / scale).clamp(-1.0, 1.0).round() * scale,
        Twist::ZeroLines if i < cols || i % cols == 0 => 0.0,
        Twist::Nan if i == 1 => f64::NAN,
        Twist::Infinite if i == 1 => f64::INFINITY,
        Twist::Constant => 1.0,
        Twist::Offset => values[i] + 1000.0 * scale,
        Twist::None | Twist::ZeroLines | Twist::Nan | Twist::Infinite => values[i],
    })
}
