//! The network as something to be verified: random movies and weights, and degenerate ones.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::BoxedStrategy;
use tandem_compile::{DType, Graph, HostArray, Result, Tensor, TensorType, trace};
use tandem_verify::{Law, Outcome, Real, Subject, rng};

use super::{Corona, Group, GroupWeights, Shrinkage, Teacher, graph, laws, reference};

/// The outputs in the order in which users know them.
pub const OUTPUTS: [&str; 2] = ["low", "sparse"];

/// A problem: a movie of normal numbers, and a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Of the movie and the weights.
    pub seed: u64,
    /// H, W and T.
    pub size: [usize; 3],
    /// The network.
    pub network: Corona,
    /// The movie is multiplied by two to this power.
    pub exponent: i32,
    /// What is done to movie and weights.
    pub twist: Twist,
}

/// How a case departs from random movies and kernels near the teacher's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twist {
    /// Nothing.
    None,
    /// The weights are the teacher's, exactly.
    Teacher,
    /// The movie is zero.
    Zero,
    /// Half of the pixels are.
    Dark,
    /// All frames are equal.
    Still,
    /// One number of the movie is NaN.
    Nan,
    /// One number of the movie is infinite.
    Infinite,
    /// A threshold is NaN.
    NanThreshold,
}

/// The network and its reference.
#[derive(Debug, Clone, Copy)]
pub struct CoronaSubject;

/// Sizes and networks of the random cases: few, for each is compiled.
fn programs() -> Vec<([usize; 3], Corona)> {
    let group = |layers, kernel| Group { layers, kernel };
    let network = |groups: &[Group]| Corona::new().groups(groups.to_vec());
    vec![
        ([3, 4, 3], network(&[group(2, [3, 3, 1])])),
        ([5, 4, 2], network(&[group(1, [5, 5, 1]), group(2, [3, 3, 1])])),
        ([1, 3, 5], network(&[group(3, [1, 3, 3])]).shrinkage(Shrinkage::Proximal)),
    ]
}

/// The teacher of cases with proximal shrinkage, for movies of size 1.
pub fn teacher(case: &Case) -> Teacher {
    let unit = 2f64.powi(case.exponent);
    Teacher::new(unit, 0.5 * unit).steps(case.network.layers()).accelerated(false)
}

impl Subject for CoronaSubject {
    type Case = Case;

    fn name(&self) -> &'static str {
        "corona"
    }

    fn factor(&self) -> f64 {
        32.0
    }

    fn outputs(&self) -> &'static [&'static str] {
        &OUTPUTS
    }

    fn strategy(&self) -> BoxedStrategy<Case> {
        let twist = prop_oneof![3 => Just(Twist::None), 1 => Just(Twist::Teacher)];
        (0..1u64 << 32, select(programs()), -30..=30i32, twist)
            .prop_map(|(seed, (size, network), exponent, twist)| Case { seed, size, network, exponent, twist })
            .boxed()
    }

    fn special(&self) -> Vec<(&'static str, Case)> {
        let of = |at: usize, twist| {
            let (size, network) = programs().swap_remove(at);
            Case { seed: 5, size, network, exponent: 0, twist }
        };
        vec![
            ("zero", of(0, Twist::Zero)),
            ("zero, proximal", of(2, Twist::Zero)),
            ("dark pixels", of(0, Twist::Dark)),
            ("still", of(1, Twist::Still)),
            ("NaN", of(0, Twist::Nan)),
            ("infinity", of(2, Twist::Infinite)),
            ("a threshold of NaN", of(2, Twist::NanThreshold)),
            ("large numbers", Case { exponent: 110, ..of(0, Twist::None) }),
            ("small numbers", Case { exponent: -90, ..of(2, Twist::None) }),
            ("one pixel, one frame", Case { size: [1, 1, 1], ..of(0, Twist::None) }),
        ]
    }

    fn inputs(&self, case: &Case, dtype: DType) -> Vec<HostArray> {
        let movie = std::iter::once(case.movie());
        let weights = case.network.groups.iter().enumerate().flat_map(|(at, group)| case.weights(at, group));
        // The cases stay inside of f32's range: the conversion only rounds.
        movie.chain(weights).map(|input| input.cast(dtype).unwrap_or(input)).collect()
    }

    fn graph(&self, case: &Case, inputs: &[TensorType]) -> Result<Graph> {
        trace(
            |(d, weights): (Tensor, Vec<GroupWeights>)| {
                graph::separate(case.network.shrinkage, &d, &weights).into_vec()
            },
            inputs,
        )
    }

    fn reference<R: Real>(&self, case: &Case, inputs: &[HostArray], _: f64) -> Outcome<R> {
        reference::separate(&case.network, inputs)
    }

    fn laws(&self) -> Vec<Law<Case>> {
        laws::laws()
    }
}

impl Case {
    fn movie(&self) -> HostArray {
        let [h, w, t] = self.size;
        let (shape, unit) = ([1, 2, h, w, t], 2f64.powi(self.exponent));
        let values = rng::normal(self.seed, 2 * h * w * t);
        HostArray::from_fn(shape, |at| match self.twist {
            Twist::Zero => 0.0,
            Twist::Dark if (at / t).is_multiple_of(2) => 0.0,
            Twist::Still => values[at / t * t] * unit,
            Twist::Nan if at == 1 => f64::NAN,
            Twist::Infinite if at == 1 => f64::INFINITY,
            _ => values[at] * unit,
        })
    }

    /// Kernels and thresholds: the teacher's plus a tenth of normal numbers; thresholds from -1 to 1 where they are relative.
    fn weights(&self, at: usize, group: &Group) -> [HostArray; 2] {
        let [h, w, t] = group.kernel;
        let (taps, exact) = (h * w * t, self.twist == Twist::Teacher);
        let shape = [group.layers, 6, 2, h, w, t];
        let noise = rng::normal(self.seed ^ (77 + at as u64), shape.iter().product());
        let signs = [0.5, 0.5, -0.5, -0.5, 0.5, 0.5];
        let kernels = HostArray::from_fn(shape, |at| {
            let middle = at % taps == taps / 2 && (at / taps).is_multiple_of(2);
            let step = if middle { signs[at / (2 * taps) % 6] } else { 0.0 };
            if exact { step } else { step + 0.1 * noise[at] }
        });
        let chance = rng::uniform(self.seed ^ (99 + at as u64), 2 * group.layers);
        let teacher = teacher(self);
        let thresholds = HostArray::from_fn([group.layers, 2], |at| {
            let half = if at.is_multiple_of(2) { teacher.low } else { teacher.sparse } / 2.0;
            match (self.twist, self.network.shrinkage) {
                (Twist::NanThreshold, _) if at == 1 => f64::NAN,
                (_, Shrinkage::Relative { .. }) => 2.0 * chance[at] - 1.0,
                (Twist::Teacher, Shrinkage::Proximal) => half,
                (_, Shrinkage::Proximal) => half * (0.5 + chance[at]),
            }
        });
        [kernels, thresholds]
    }
}
