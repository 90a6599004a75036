//! The local interaction basis of a ReLU network as something to be verified: random problems, ties and degenerate inputs.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::strategy::BoxedStrategy;
use tandem_compile::{DType, Graph, HostArray, Result, Tensor, TensorType, trace};
use tandem_verify::{Law, Outcome, Real, Subject, rng};

use super::{Edges, Lib, Mlp, laws, reference};

/// The most layers of weights that have names.
pub const MOST_LAYERS: usize = 64;

/// What is known of a node layer, in order.
pub const PARTS: [&str; 5] = ["c", "c_pinv", "lambda", "edges", "rank"];

/// The names of the outputs of a network with so many layers of weights: `c0`, `c0_pinv`, `lambda0`, `edges0`, `rank0`,
/// `c1`, ...; at most [`MOST_LAYERS`].
pub fn names(layers: usize) -> &'static [&'static str] {
    static ALL: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
        let name = |l: usize, part: &str| match part {
            "c_pinv" => format!("c{l}_pinv"),
            part => format!("{part}{l}"),
        };
        let all = (0..MOST_LAYERS).flat_map(|l| PARTS.map(|part| name(l, part)));
        all.map(|name| &*Box::leak(name.into_boxed_str())).collect()
    });
    &ALL[..PARTS.len() * layers.min(MOST_LAYERS)]
}

/// How a special case departs from random data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twist {
    /// Nothing.
    None,
    /// All samples are 0.
    Zero,
    /// All samples are the first one.
    Constant,
    /// Inputs, weights and biases rounded to -1, 0 or 1.
    Ternary,
    /// The first hidden unit never opens.
    DeadUnit,
    /// No hidden unit opens.
    Dead,
    /// The last layer's weights are 0.
    Ignored,
    /// The last layer's weights and biases are 0.
    IgnoredWithoutBias,
    /// The last two units of the first hidden layer are one.
    Twins,
    /// The first input never changes.
    ConstantInput,
    /// Inputs of sizes 10^8, 1 and 10^-8, and weights that undo it.
    Graded,
    /// A sample holds NaN.
    Nan,
    /// A sample holds infinity.
    Infinite,
    /// A weight of the last layer holds NaN.
    NanWeight,
    /// A bias holds infinity.
    InfiniteBias,
}

/// A problem: a network and data made of a seed, and the parameters.
#[derive(Debug, Clone)]
pub struct Case {
    /// Stream of the random numbers.
    pub seed: u64,
    /// The number of samples.
    pub n: usize,
    /// The widths of the node layers, without constants.
    pub widths: Vec<usize>,
    /// The inputs are multiplied by two to this power, the first weights divided by it.
    pub exponent: i32,
    /// What is done to the network.
    pub twist: Twist,
    /// The parameters.
    pub lib: Lib,
}

impl Case {
    /// x, w0, b0, w1, b1, ...
    fn arrays(&self, dtype: DType) -> Vec<HostArray> {
        let (scale, last) = (2f64.powi(self.exponent), self.widths.len() - 2);
        let stream = |which: usize, len: usize| rng::normal(self.seed.wrapping_mul(64).wrapping_add(which as u64), len);
        let ternary = |x: f64| if self.twist == Twist::Ternary { x.clamp(-1.0, 1.0).round() } else { x };
        let grade = |j: usize| if self.twist == Twist::Graded { [1e8, 1.0, 1e-8][j % 3] } else { 1.0 };
        let d = self.widths[0];
        let x = stream(0, self.n * d);
        let input = |at: usize| match self.twist {
            Twist::Zero => 0.0,
            Twist::Constant => x[at % d] * scale,
            Twist::ConstantInput if at.is_multiple_of(d) => 0.1 * scale,
            Twist::Nan if at == 1 => f64::NAN,
            Twist::Infinite if at == 1 => f64::INFINITY,
            _ => ternary(x[at]) * scale * grade(at % d),
        };
        let mut arrays = vec![HostArray::from_fn([self.n, d], input)];
        for (l, sizes) in self.widths.windows(2).enumerate() {
            let (into, out) = (sizes[0], sizes[1]);
            let (w, b) = (stream(1 + 2 * l, out * into), stream(2 + 2 * l, out));
            let norm = (2.0 / into as f64).sqrt();
            let ignored = matches!(self.twist, Twist::Ignored | Twist::IgnoredWithoutBias) && l == last;
            let weight = |at: usize| {
                let (i, j) = (at / into, at % into);
                let twin = self.twist == Twist::Twins && l == 0 && i + 1 == out && out > 1;
                let own = ternary(w[if twin { at - into } else { at }]) * norm;
                match l {
                    _ if ignored => 0.0,
                    _ if self.twist == Twist::NanWeight && l == last && at == 0 => f64::NAN,
                    0 => own / (scale * grade(j)),
                    _ => own,
                }
            };
            let bias = |i: usize| {
                let dead = l < last && (self.twist == Twist::Dead || self.twist == Twist::DeadUnit && i == 0);
                let twin = self.twist == Twist::Twins && l == 0 && i + 1 == out && out > 1;
                match self.twist {
                    _ if dead => -1e3,
                    Twist::IgnoredWithoutBias if ignored => 0.0,
                    Twist::InfiniteBias if l == 0 && i == 0 => f64::INFINITY,
                    _ => ternary(0.3 * b[if twin { i - 1 } else { i }]),
                }
            };
            arrays.extend([HostArray::from_fn([out, into], weight), HostArray::from_fn([out], bias)]);
        }
        // All cases stay inside of f32's range: the conversion only rounds.
        arrays.into_iter().map(|array| array.cast(dtype).unwrap_or(array)).collect()
    }
}

/// The basis of networks with two layers of weights, and its reference.
#[derive(Debug, Clone, Copy)]
pub struct LibSubject;

/// The layers of weights of every case.
const LAYERS: usize = 2;

impl Subject for LibSubject {
    type Case = Case;

    fn name(&self) -> &'static str {
        "lib"
    }

    fn factor(&self) -> f64 {
        16.0
    }

    fn outputs(&self) -> &'static [&'static str] {
        names(LAYERS)
    }

    fn strategy(&self) -> BoxedStrategy<Case> {
        let lib = Lib::new().batch(8);
        // Few programs, for each is compiled. Few units and samples, so that hardly any unit is about to switch; no fewer
        // outputs than units, so that no eigenvalue is zero but by chance.
        let program = prop_oneof![
            Just((20, vec![3, 4, 4], lib)),
            Just((16, vec![2, 3, 3], lib.edges(Edges::GaussLegendre(2)))),
            Just((18, vec![3, 3, 5], lib.center(false))),
        ];
        (0..1u64 << 32, program, -20..20i32)
            .prop_map(|(seed, (n, widths, lib), exponent)| {
                // Uncentered, the constant 1 is a coordinate like the others, of the same size.
                let exponent = if lib.center { exponent } else { 0 };
                Case { seed, n, widths, exponent, twist: Twist::None, lib }
            })
            .boxed()
    }

    fn special(&self) -> Vec<(&'static str, Case)> {
        let lib = Lib::new().batch(8);
        let case = Case { seed: 5, n: 20, widths: vec![3, 4, 4], exponent: 0, twist: Twist::None, lib };
        let twisted = |twist| Case { twist, ..case.clone() };
        let plain = |case: Case| Case { lib: case.lib.center(false), widths: vec![3, 3, 5], n: 18, ..case };
        let sized = |n, widths: [usize; 3]| Case { n, widths: widths.to_vec(), ..case.clone() };
        vec![
            ("zero inputs", twisted(Twist::Zero)),
            ("zero inputs, uncentered", plain(twisted(Twist::Zero))),
            ("constant inputs", twisted(Twist::Constant)),
            ("constant inputs, uncentered", plain(twisted(Twist::Constant))),
            ("ties", twisted(Twist::Ternary)),
            ("ties, uncentered", plain(twisted(Twist::Ternary))),
            ("dead unit", twisted(Twist::DeadUnit)),
            ("dead units", twisted(Twist::Dead)),
            ("dead units, uncentered", plain(twisted(Twist::Dead))),
            ("ignored layer", twisted(Twist::Ignored)),
            ("ignored layer, no bias", twisted(Twist::IgnoredWithoutBias)),
            ("ignored layer, uncentered", plain(twisted(Twist::IgnoredWithoutBias))),
            ("twins", twisted(Twist::Twins)),
            ("constant coordinate", twisted(Twist::ConstantInput)),
            ("graded inputs", twisted(Twist::Graded)),
            ("NaN", twisted(Twist::Nan)),
            ("infinity", twisted(Twist::Infinite)),
            ("NaN in a weight", twisted(Twist::NanWeight)),
            ("infinity in a bias", twisted(Twist::InfiniteBias)),
            ("one by one", sized(1, [1, 1, 1])),
            ("fewer samples than coordinates", sized(3, [3, 4, 4])),
            ("large inputs", Case { exponent: 60, ..case.clone() }),
            ("small inputs", Case { exponent: -60, ..case.clone() }),
        ]
    }

    fn inputs(&self, case: &Case, dtype: DType) -> Vec<HostArray> {
        case.arrays(dtype)
    }

    fn graph(&self, case: &Case, inputs: &[TensorType]) -> Result<Graph> {
        trace(|inputs: Vec<Tensor>| program(&case.lib, &inputs), inputs)
    }

    fn reference<R: Real>(&self, case: &Case, inputs: &[HostArray], u: f64) -> Outcome<R> {
        reference::interaction(&case.lib, inputs, u)
    }

    fn laws(&self) -> Vec<Law<Case>> {
        laws::laws()
    }
}

/// The traced outputs for x, w0, b0, w1, b1, ..., the status last.
#[track_caller]
pub fn program(lib: &Lib, inputs: &[Tensor]) -> Vec<Tensor> {
    let layers = inputs[1..].chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
    Mlp::new(layers).interaction(lib, &inputs[0]).into_vec()
}
