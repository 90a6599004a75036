//! The baselines as something to be verified: codes, loss and gradient of the SAEs with an encoder of one product.

use proptest::prelude::*;
use proptest::strategy::BoxedStrategy;
use tandem_compile::{DType, Graph, HostArray, Result, Tensor, TensorType, trace, value_and_grad};
use tandem_verify::{Law, Outcome, Real, Subject, rng};

use super::coder::{Allocation, Weights};
use super::reference::coder::explain;
use super::{Coder, FeatureChoiceSae, MutualChoiceSae, ReluSae, TopKSae, laws};

/// The outputs of [`BaselineSubject`] in order.
pub const OUTPUTS: [&str; 6] =
    ["codes", "loss", "dictionary_gradient", "bias_gradient", "encoder_gradient", "offset_gradient"];

/// One of the SAEs with an encoder of one product.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Baseline {
    /// All positive codes, at a price.
    Relu {
        /// The price of a code of 1.
        l1: f64,
    },
    /// The largest codes of every sample.
    TopK {
        /// How many.
        k: usize,
    },
    /// The largest codes of every feature.
    FeatureChoice {
        /// The mean number per sample.
        k: usize,
    },
    /// The largest codes of the batch.
    MutualChoice {
        /// The mean number per sample.
        k: usize,
    },
}

impl Baseline {
    /// What the mean over the samples of the sum of the codes costs.
    pub fn price(&self) -> f64 {
        if let Baseline::Relu { l1 } = self { *l1 } else { 0.0 }
    }

    /// The most codes that one of `n` samples can have, of `p`.
    pub fn most_codes(&self, n: usize, p: usize) -> usize {
        match *self {
            Baseline::Relu { .. } | Baseline::FeatureChoice { .. } => p,
            Baseline::TopK { k } => k.clamp(1, p),
            Baseline::MutualChoice { k } => (n * k).clamp(1, p),
        }
    }

    fn trace(&self, p: usize, x: &Tensor, weights: &Weights) -> Vec<Tensor> {
        match *self {
            Baseline::Relu { l1 } => explained(&ReluSae::new(p, l1), x, weights),
            Baseline::TopK { k } => explained(&TopKSae::new(p, k), x, weights),
            Baseline::FeatureChoice { k } => explained(&FeatureChoiceSae::new(p, k), x, weights),
            Baseline::MutualChoice { k } => explained(&MutualChoiceSae::new(p, k), x, weights),
        }
    }
}

fn explained<A: Allocation>(coder: &Coder<A>, x: &Tensor, weights: &Weights) -> Vec<Tensor> {
    let loss = |weights: Weights| super::Model::loss(coder, &weights, x).0;
    let (loss, slopes) = value_and_grad(loss)(weights.clone());
    vec![coder.codes(weights, x), loss, slopes.dictionary, slopes.bias, slopes.encoder, slopes.offset]
}

/// How a special case departs from random data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twist {
    /// Nothing.
    None,
    /// The samples and the bias are zero.
    Zero,
    /// Whole numbers: many ties.
    Whole,
    /// The offset lets no code through.
    Silent,
    /// The first atom is zero.
    ZeroAtom,
}

/// A problem: data and weights made of a seed, and the SAE.
#[derive(Debug, Clone)]
pub struct Case {
    /// Stream of the random numbers.
    pub seed: u64,
    /// The number of samples.
    pub n: usize,
    /// Their dimensions.
    pub d: usize,
    /// The number of atoms.
    pub p: usize,
    /// What is done to the data.
    pub twist: Twist,
    /// The SAE.
    pub baseline: Baseline,
}

/// The baselines and their reference.
#[derive(Debug, Clone, Copy)]
pub struct BaselineSubject;

impl Subject for BaselineSubject {
    type Case = Case;

    fn name(&self) -> &'static str {
        "sae-baselines"
    }

    fn factor(&self) -> f64 {
        16.0
    }

    fn outputs(&self) -> &'static [&'static str] {
        &OUTPUTS
    }

    fn strategy(&self) -> BoxedStrategy<Case> {
        // Few, for each is compiled.
        let programs = vec![
            (5, 4, 12, Baseline::Relu { l1: 0.3 }),
            (5, 4, 12, Baseline::TopK { k: 2 }),
            (8, 6, 15, Baseline::FeatureChoice { k: 4 }),
            (6, 5, 14, Baseline::MutualChoice { k: 3 }),
        ];
        (0..1u64 << 32, prop::sample::select(programs))
            .prop_map(|(seed, (n, d, p, baseline))| Case { seed, n, d, p, twist: Twist::None, baseline })
            .boxed()
    }

    fn special(&self) -> Vec<(&'static str, Case)> {
        let case = |n, d, p, twist, baseline| Case { seed: 3, n, d, p, twist, baseline };
        let baselines = [
            Baseline::Relu { l1: 0.3 },
            Baseline::TopK { k: 2 },
            Baseline::FeatureChoice { k: 4 },
            Baseline::MutualChoice { k: 3 },
        ];
        let twists =
            [("zero", Twist::Zero), ("ties", Twist::Whole), ("no code", Twist::Silent), ("zero atom", Twist::ZeroAtom)];
        let twisted = |(name, twist)| baselines.map(|baseline| (name, case(5, 4, 12, twist, baseline)));
        let mut cases: Vec<_> = twists.into_iter().flat_map(twisted).collect();
        cases.extend(baselines.map(|baseline| ("one by one", case(1, 1, 1, Twist::None, baseline))));
        cases
    }

    fn inputs(&self, case: &Case, dtype: DType) -> Vec<HostArray> {
        let Case { n, d, p, twist, .. } = *case;
        let shapes: [(u64, &[usize]); 5] = [(0, &[n, d]), (1, &[p, d]), (2, &[d]), (3, &[p, d]), (4, &[p])];
        let drawn = |(which, shape): (u64, &[usize])| {
            let values = rng::normal(case.seed.wrapping_mul(8).wrapping_add(which), shape.iter().product());
            let array = HostArray::from_fn(shape, |i| match (twist, which) {
                (Twist::Zero, 0 | 2) => 0.0,
                (Twist::Silent, 4) => -100.0,
                (Twist::ZeroAtom, 1) if i < d => 0.0,
                (Twist::Whole, _) => values[i].round(),
                _ => values[i],
            });
            array.cast(dtype).unwrap_or(array)
        };
        shapes.map(drawn).to_vec()
    }

    fn graph(&self, case: &Case, inputs: &[TensorType]) -> Result<Graph> {
        let program = |t: Vec<Tensor>| match t.as_slice() {
            [x, dictionary, bias, encoder, offset] => {
                let [dictionary, bias, encoder, offset] = [dictionary, bias, encoder, offset].map(Tensor::clone);
                case.baseline.trace(case.p, x, &Weights { dictionary, bias, encoder, offset })
            }
            _ => Vec::new(),
        };
        trace(program, inputs)
    }

    fn reference<R: Real>(&self, case: &Case, inputs: &[HostArray], _: f64) -> Outcome<R> {
        explain(&case.baseline, inputs)
    }

    fn laws(&self) -> Vec<Law<Case>> {
        laws::of_a_baseline()
    }
}
