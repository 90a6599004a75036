//! The matching-pursuit SAE as something to be verified: random problems, ties and degenerate inputs. One subject for an
//! encoding with its loss and gradient, one for a short training.

use proptest::prelude::*;
use proptest::strategy::BoxedStrategy;
use tandem_compile::{DType, Graph, HostArray, Result, Tensor, TensorType, trace};
use tandem_verify::{Law, Outcome, Real, Subject, rng};

use super::{MpSae, Selection, Trainer, laws, reference};

/// The outputs of [`StepSubject`] in order.
pub const OUTPUTS: [&str; 7] =
    ["values", "support", "reconstruction", "loss", "dictionary_gradient", "bias_gradient", "x_gradient"];

/// The outputs of [`TrainSubject`] in the order in which users know them.
pub const TRAINED: [&str; 3] = ["dictionary", "bias", "loss"];

/// How a special case departs from random data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twist {
    /// Nothing.
    None,
    /// The samples are zero, and so is the bias.
    Zero,
    /// The first sample is the bias.
    Explained,
    /// Entries rounded to -1, 0 or 1: many ties.
    Ternary,
    /// The first atom is zero.
    ZeroAtom,
    /// The second atom is the first.
    Twins,
    /// The atoms are orthonormal.
    Orthonormal,
    /// The first sample holds NaN.
    Nan,
    /// The first sample holds infinity.
    Infinite,
    /// An atom holds NaN.
    NanAtom,
}

/// A problem: data, dictionary and bias made of a seed, and the parameters.
#[derive(Debug, Clone)]
pub struct Case {
    /// Stream of the random numbers.
    pub seed: u64,
    /// The number of samples.
    pub n: usize,
    /// Their dimensions.
    pub d: usize,
    /// All samples and the bias are multiplied by two to this power.
    pub exponent: i32,
    /// What is done to the data.
    pub twist: Twist,
    /// The parameters.
    pub sae: MpSae,
    /// For a training, how.
    pub trainer: Trainer,
}

/// Sizes (n, d) and SAEs whose single steps are compared: few, for each is compiled.
///
/// More atoms than three per dimension: else the relu pursuit often ends where rounding decides whether the last atom is
/// taken once more. And fewer steps than dimensions, so that something is left.
fn steps() -> Vec<(usize, usize, MpSae)> {
    vec![
        (1, 3, MpSae::new(9, 2)),
        (3, 4, MpSae::new(16, 1).selection(Selection::Signed)),
        (4, 5, MpSae::new(16, 3).selection(Selection::Abs)),
        (4, 5, MpSae::new(16, 3).selection(Selection::Signed)),
        (3, 7, MpSae::new(29, 5)),
    ]
}

/// The same with the trainings that are compared.
fn trainings() -> Vec<(usize, usize, MpSae, Trainer)> {
    vec![
        (4, 3, MpSae::new(9, 1).selection(Selection::Signed), Trainer::new(3).batch(2)),
        (8, 5, MpSae::new(18, 2), Trainer::new(2).batch(3).seed(1)),
        (7, 6, MpSae::new(18, 3).selection(Selection::Abs), Trainer::new(2).batch(4).revive(false).seed(2)),
    ]
}

impl Case {
    /// x, dictionary and bias.
    fn arrays(&self, dtype: DType) -> Vec<HostArray> {
        let (n, d, p) = (self.n, self.d, self.sae.atoms);
        let scale = 2f64.powi(self.exponent);
        let stream = |which: u64, len: usize| rng::normal(self.seed.wrapping_mul(8).wrapping_add(which), len);
        let (x, atoms, bias) = (stream(0, n * d), stream(1, p * d), stream(2, d));
        let sizes = rng::uniform(self.seed.wrapping_mul(8).wrapping_add(3), p);
        let ternary = |x: f64| x.clamp(-1.0, 1.0).round();
        let x = |i: usize| match self.twist {
            Twist::Zero => 0.0,
            Twist::Explained if i < d => bias[i] * 0.25 * scale,
            Twist::Ternary => ternary(x[i]) * scale,
            Twist::Nan if i == 1 => f64::NAN,
            Twist::Infinite if i == 1 => f64::INFINITY,
            _ => x[i] * scale,
        };
        let atom = |i: usize| match self.twist {
            Twist::ZeroAtom if i < d => 0.0,
            Twist::Twins if i < 2 * d => atoms[i % d],
            Twist::Ternary => ternary(atoms[i]),
            Twist::Orthonormal => f64::from(u8::from(i / d == i % d)),
            Twist::NanAtom if i == 1 => f64::NAN,
            // Norms that differ by up to a factor of four.
            _ => atoms[i] * (0.5 + 1.5 * sizes[i / d]),
        };
        let bias = |i: usize| match self.twist {
            Twist::Zero | Twist::Ternary => 0.0,
            _ => bias[i] * 0.25 * scale,
        };
        let arrays = [HostArray::from_fn([n, d], x), HostArray::from_fn([p, d], atom), HostArray::from_fn([d], bias)];
        // All cases stay inside of f32's range: the conversion only rounds.
        arrays.into_iter().map(|array| array.cast(dtype).unwrap_or(array)).collect()
    }
}

/// An encoding, its loss and its gradient.
#[derive(Debug, Clone, Copy)]
pub struct StepSubject;

impl Subject for StepSubject {
    type Case = Case;

    fn name(&self) -> &'static str {
        "mpsae-step"
    }

    fn factor(&self) -> f64 {
        16.0
    }

    fn outputs(&self) -> &'static [&'static str] {
        &OUTPUTS
    }

    fn strategy(&self) -> BoxedStrategy<Case> {
        (0..1u64 << 32, prop::sample::select(steps()), -30..30i32)
            .prop_map(|(seed, (n, d, sae), exponent)| Case {
                seed,
                n,
                d,
                exponent,
                twist: Twist::None,
                sae,
                trainer: Trainer::new(0),
            })
            .boxed()
    }

    fn special(&self) -> Vec<(&'static str, Case)> {
        let sae = MpSae::new(12, 3).selection(Selection::Abs);
        let case = Case { seed: 7, n: 4, d: 5, exponent: 0, twist: Twist::None, sae, trainer: Trainer::new(0) };
        let twisted = |twist| Case { twist, ..case.clone() };
        let relu = |case: Case| Case { sae: case.sae.selection(Selection::Relu), ..case };
        let signed = |case: Case| Case { sae: case.sae.selection(Selection::Signed), ..case };
        let sized = |n, d, p, k| Case { n, d, sae: MpSae::new(p, k), ..case.clone() };
        vec![
            ("zero", twisted(Twist::Zero)),
            ("zero, relu", relu(twisted(Twist::Zero))),
            ("a sample that is the bias", relu(twisted(Twist::Explained))),
            ("ties", twisted(Twist::Ternary)),
            ("ties, relu", relu(twisted(Twist::Ternary))),
            ("ties, signed", signed(twisted(Twist::Ternary))),
            ("zero atom", twisted(Twist::ZeroAtom)),
            ("equal atoms", twisted(Twist::Twins)),
            ("orthonormal atoms", Case { sae: MpSae { atoms: 5, k: 5, ..sae }, ..twisted(Twist::Orthonormal) }),
            ("NaN in a sample", twisted(Twist::Nan)),
            ("infinity in a sample", twisted(Twist::Infinite)),
            ("NaN in an atom", twisted(Twist::NanAtom)),
            ("one by one", sized(1, 1, 1, 1)),
            ("one sample", sized(1, 6, 20, 4)),
            ("one dimension", sized(5, 1, 3, 2)),
            ("one atom", sized(5, 4, 1, 3)),
            ("no step", sized(3, 4, 6, 0)),
            ("more steps than dimensions", sized(3, 4, 16, 12)),
            ("more steps than atoms", signed(sized(3, 6, 2, 9))),
            ("large numbers", Case { exponent: 50, ..case.clone() }),
            ("small numbers", Case { exponent: -50, ..case.clone() }),
        ]
    }

    fn inputs(&self, case: &Case, dtype: DType) -> Vec<HostArray> {
        case.arrays(dtype)
    }

    fn graph(&self, case: &Case, inputs: &[TensorType]) -> Result<Graph> {
        trace(|(x, w, b): (Tensor, Tensor, Tensor)| case.sae.explain(&x, &w, &b).into_vec(), inputs)
    }

    fn reference<R: Real>(&self, case: &Case, inputs: &[HostArray], _: f64) -> Outcome<R> {
        reference::explain(&case.sae, &inputs[0], &inputs[1], &inputs[2])
    }

    fn laws(&self) -> Vec<Law<Case>> {
        laws::of_a_step()
    }
}

/// A short training, compared entry by entry: selections that rounding may change are ties.
#[derive(Debug, Clone, Copy)]
pub struct TrainSubject;

impl Subject for TrainSubject {
    type Case = Case;

    fn name(&self) -> &'static str {
        "mpsae-train"
    }

    fn factor(&self) -> f64 {
        16.0
    }

    fn outputs(&self) -> &'static [&'static str] {
        &TRAINED
    }

    fn strategy(&self) -> BoxedStrategy<Case> {
        (0..1u64 << 32, prop::sample::select(trainings()), -30..30i32)
            .prop_map(|(seed, (n, d, sae, trainer), exponent)| Case {
                seed,
                n,
                d,
                exponent,
                twist: Twist::None,
                sae,
                trainer: trainer.lr(0.02),
            })
            .boxed()
    }

    fn special(&self) -> Vec<(&'static str, Case)> {
        let sae = MpSae::new(12, 2);
        let trainer = Trainer::new(3).batch(4).lr(0.05);
        let case = Case { seed: 11, n: 10, d: 5, exponent: 0, twist: Twist::None, sae, trainer };
        let twisted = |twist| Case { twist, ..case.clone() };
        let trained = |trainer| Case { trainer, ..case.clone() };
        vec![
            ("zero", twisted(Twist::Zero)),
            ("ties", twisted(Twist::Ternary)),
            ("NaN", twisted(Twist::Nan)),
            ("infinity", twisted(Twist::Infinite)),
            ("one by one", Case { n: 1, d: 1, sae: MpSae::new(1, 1), ..case.clone() }),
            ("no epoch", trained(Trainer::new(0))),
            ("larger minibatches than there are samples", trained(Trainer::new(2).batch(64))),
            ("minibatches of one", trained(Trainer::new(2).batch(1))),
            ("more dead atoms than samples", Case { sae: MpSae::new(60, 1), ..case.clone() }),
            ("large numbers", Case { exponent: 50, ..case.clone() }),
            ("small numbers", Case { exponent: -50, ..case.clone() }),
        ]
    }

    fn inputs(&self, case: &Case, dtype: DType) -> Vec<HostArray> {
        case.arrays(dtype).into_iter().take(1).collect()
    }

    fn graph(&self, case: &Case, inputs: &[TensorType]) -> Result<Graph> {
        let train = |x: Tensor| {
            let (trained, loss) = case.trainer.train(&case.sae, &x);
            [trained.dictionary, trained.bias, loss, trained.status]
        };
        trace(train, inputs)
    }

    fn reference<R: Real>(&self, case: &Case, inputs: &[HostArray], _: f64) -> Outcome<R> {
        reference::train::train(&case.sae, &case.trainer, &inputs[0])
    }

    fn laws(&self) -> Vec<Law<Case>> {
        laws::of_a_training()
    }
}
