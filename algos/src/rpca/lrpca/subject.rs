//! Learned robust PCA as something to be verified: random problems, and degenerate ones.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::BoxedStrategy;
use tandem_compile::{DType, Graph, HostArray, Result, Tensor, TensorType, trace};
use tandem_verify::strategy::MatrixCase;
use tandem_verify::{Law, Outcome, Real, Subject, rng};

use super::graph::{Weights, separate};
use super::{laws, reference};

/// The outputs in the order in which users know them.
pub const OUTPUTS: [&str; 3] = ["l", "s", "iterations"];

/// A problem: X* + S*, thresholds that fall by 0.6 per layer from the largest entry of X* on, and steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Case {
    /// X*.
    pub low: MatrixCase,
    /// The rank that is asked for.
    pub rank: usize,
    /// The number of layers.
    pub layers: usize,
    /// The share of outliers.
    pub share: f64,
    /// What is done to it before it is used.
    pub twist: Twist,
}

/// How a special case departs from random data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twist {
    /// Nothing.
    None,
    /// M = 0.
    Zero,
    /// All entries of M are 1.
    Constant,
    /// Ones on the diagonal: all singular values are equal.
    Identity,
    /// Entries rounded to -1, 0 or 1 times the scale.
    Ternary,
    /// Every second column is the one before it.
    Twins,
    /// One entry of M is NaN.
    Nan,
    /// One entry of M is infinite.
    Infinite,
    /// A threshold is NaN.
    NanThreshold,
    /// All thresholds are below zero.
    Negative,
    /// All thresholds are zero: S is M.
    NoThreshold,
    /// The thresholds are above everything: S is zero.
    Loose,
}

/// Learned robust PCA and its reference.
#[derive(Debug, Clone, Copy)]
pub struct LrpcaSubject;

/// Shapes, rank and layers of the random cases: few, for each is compiled.
const PROGRAMS: [(usize, usize, usize, usize); 4] = [(12, 9, 2, 4), (9, 14, 3, 6), (6, 5, 5, 2), (8, 8, 2, 1)];

impl Subject for LrpcaSubject {
    type Case = Case;

    fn name(&self) -> &'static str {
        "lrpca"
    }

    fn factor(&self) -> f64 {
        32.0
    }

    fn outputs(&self) -> &'static [&'static str] {
        &OUTPUTS
    }

    fn strategy(&self) -> BoxedStrategy<Case> {
        let share = prop_oneof![Just(0.0), Just(0.05), Just(0.15)];
        (0..1u64 << 32, select(PROGRAMS.to_vec()), 0..=1u32, -20..=20i32, share)
            .prop_map(|(seed, (rows, cols, rank, layers), decades, exponent, share)| {
                // Without outliers, or with few, M may be of X*'s rank: that must be enough.
                let low = MatrixCase { seed, rows, cols, rank, decades, exponent };
                Case { low, rank, layers, share, twist: Twist::None }
            })
            .boxed()
    }

    fn special(&self) -> Vec<(&'static str, Case)> {
        let (rows, cols, rank, layers) = PROGRAMS[0];
        let low = MatrixCase { seed: 4, rows, cols, rank, decades: 0, exponent: 0 };
        let case = Case { low, rank, layers, share: 0.1, twist: Twist::None };
        let twisted = |twist| Case { twist, ..case };
        let sized = |rows, cols| Case { low: MatrixCase { rows, cols, rank: 1, ..low }, rank: 1, layers: 3, ..case };
        let scaled = |exponent| Case { low: MatrixCase { exponent, ..low }, ..case };
        vec![
            ("zero", twisted(Twist::Zero)),
            ("constant", twisted(Twist::Constant)),
            ("equal singular values", twisted(Twist::Identity)),
            ("ternary", twisted(Twist::Ternary)),
            ("twins", twisted(Twist::Twins)),
            ("NaN", twisted(Twist::Nan)),
            ("infinity", twisted(Twist::Infinite)),
            ("a threshold of NaN", twisted(Twist::NanThreshold)),
            ("thresholds below zero", twisted(Twist::Negative)),
            ("thresholds of zero", twisted(Twist::NoThreshold)),
            ("thresholds above everything", twisted(Twist::Loose)),
            ("lower rank", Case { low: MatrixCase { rank: 1, ..low }, share: 0.0, ..twisted(Twist::Loose) }),
            ("no layer", Case { layers: 0, ..case }),
            ("large numbers", scaled(110)),
            ("small numbers", scaled(-90)),
            ("one by one", sized(1, 1)),
            ("one row", sized(1, 7)),
            ("one column", sized(7, 1)),
        ]
    }

    fn inputs(&self, case: &Case, dtype: DType) -> Vec<HostArray> {
        let thresholds: Vec<f64> = (0..=case.layers).map(|t| case.threshold(t)).collect();
        let entries = case.entries();
        let inputs = [
            HostArray::from_fn([case.low.rows, case.low.cols], |at| entries[at]),
            HostArray::from_fn([case.layers + 1], |t| thresholds[t]),
            HostArray::from_fn([case.layers], |t| if t == 0 { 0.8 } else { 0.5 }),
        ];
        // The cases stay inside of f32's range: the conversion only rounds.
        inputs.map(|input| input.cast(dtype).unwrap_or(input)).to_vec()
    }

    fn graph(&self, case: &Case, inputs: &[TensorType]) -> Result<Graph> {
        trace(
            |(m, zeta, eta): (Tensor, Tensor, Tensor)| separate(&m, case.rank, &Weights { zeta, eta }).into_vec(),
            inputs,
        )
    }

    fn reference<R: Real>(&self, case: &Case, inputs: &[HostArray], u: f64) -> Outcome<R> {
        reference::separate(case.rank, &inputs[0], &inputs[1], &inputs[2], u)
    }

    fn laws(&self) -> Vec<Law<Case>> {
        laws::laws()
    }
}

impl Case {
    /// X*, row-major.
    pub fn truth(&self) -> Vec<f64> {
        self.low.matrix(DType::F64).to_f64()
    }

    /// S*, row-major: outliers of either sign, up to three times the largest entry of X*.
    pub fn outliers(&self) -> Vec<f64> {
        let count = self.low.rows * self.low.cols;
        let (chance, value) = (rng::uniform(self.low.seed ^ 0x51, count), rng::uniform(self.low.seed ^ 0xa7, count));
        let size = 6.0 * self.largest();
        (0..count).map(|at| if chance[at] < self.share { size * (value[at] - 0.5) } else { 0.0 }).collect()
    }

    /// The largest entry of X*.
    pub fn largest(&self) -> f64 {
        self.truth().iter().fold(0.0, |most, x| most.max(x.abs()))
    }

    fn entries(&self) -> Vec<f64> {
        let (truth, outliers) = (self.truth(), self.outliers());
        let (cols, scale) = (self.low.cols, 2f64.powi(self.low.exponent));
        let entry = |at: usize| truth[at] + outliers[at];
        let twisted = |at: usize| match self.twist {
            Twist::Zero => 0.0,
            Twist::Constant => 1.0,
            Twist::Identity => f64::from(u8::from(at / cols == at % cols)),
            Twist::Ternary => (entry(at) / scale).clamp(-1.0, 1.0).round() * scale,
            Twist::Twins => entry(at / cols * cols + at % cols / 2 * 2),
            Twist::Nan if at == 1 => f64::NAN,
            Twist::Infinite if at == 1 => f64::NEG_INFINITY,
            _ => entry(at),
        };
        (0..truth.len()).map(twisted).collect()
    }

    fn threshold(&self, layer: usize) -> f64 {
        let falling = self.largest() * 0.6f64.powi(layer as i32);
        match self.twist {
            Twist::NanThreshold if layer == self.layers => f64::NAN,
            Twist::Negative => -falling,
            Twist::NoThreshold => 0.0,
            Twist::Loose => 8.0 * self.largest(),
            _ => falling,
        }
    }
}
