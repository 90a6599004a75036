//! The networks as something to be verified: at work, and a batch of training, on random weights and on degenerate frames.

use proptest::prelude::*;
use proptest::strategy::BoxedStrategy;
use tandem_compile::{DType, Graph, HostArray, Result, Tensor, TensorType, concatenate, number, scalar, trace};
use tandem_verify::status::Status;
use tandem_verify::{Decision, Law, Outcome, Output, Real, Subject, Values, rng};

use super::reference::{self, Found};
use super::{Mode, Model, RpcaNet, RpcaNetPlusPlus, laws};

/// The outputs of a network at work, in the order in which users know them.
pub const SEPARATED: [&str; 6] = ["background", "target", "mask", "image", "backgrounds", "targets"];
/// The outputs of a batch of training.
pub const TRAINING: [&str; 5] = ["loss", "background", "target", "image", "moments"];

/// How a special case departs from random data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twist {
    /// Nothing.
    None,
    /// All frames are 0.
    Zero,
    /// All pixels are the same.
    Constant,
    /// All frames are the first one.
    Twins,
    /// All kernels and biases are 0.
    NoWeights,
    /// The second frame holds NaN.
    Nan,
    /// The second frame holds infinity.
    Infinite,
    /// A kernel holds NaN.
    NanWeight,
    /// A bias holds infinity.
    InfiniteBias,
}

/// A problem: frames, masks and a network made of a seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Stream of the random numbers.
    pub seed: u64,
    /// The network.
    pub model: Model,
    /// Frames, rows, columns.
    pub sizes: [usize; 3],
    /// What is done to it.
    pub twist: Twist,
}

impl Case {
    /// Whether all frames are so alike that a batch has hardly any variance: then rounding is magnified.
    pub fn is_flat(&self) -> bool {
        matches!(self.twist, Twist::Zero | Twist::Constant | Twist::Twins)
    }

    fn frames(&self) -> HostArray {
        let [n, h, w] = self.sizes;
        let values = rng::uniform(self.seed.wrapping_mul(256), n * h * w);
        // The first element of the last frame.
        let bad = (n - 1) * h * w;
        HostArray::from_fn(self.sizes, |at| match self.twist {
            Twist::Zero => 0.0,
            Twist::Constant => 0.7,
            Twist::Twins => values[at % (h * w)],
            Twist::Nan if at == bad => f64::NAN,
            Twist::Infinite if at == bad => f64::INFINITY,
            _ => values[at],
        })
    }

    fn masks(&self) -> HostArray {
        let values = rng::uniform(self.seed.wrapping_mul(256).wrapping_add(1), self.sizes.iter().product());
        HostArray::from_fn(self.sizes, |at| f64::from(u8::from(values[at] < 0.2)))
    }

    /// The network's arrays: numbers of the sizes that training begins with, and none of them 0 or 1 by custom.
    fn arrays(&self) -> Vec<HostArray> {
        let names = self.model.names();
        let array = |(i, (name, shape)): (usize, &(String, Vec<usize>))| {
            let len = shape.iter().product();
            let values = rng::normal(self.seed.wrapping_mul(256).wrapping_add(2 + i as u64), len);
            let learned = name.ends_with(".weight") && shape.len() == 5 || name.ends_with(".bias");
            let zero = self.twist == Twist::NoWeights && learned;
            let nan = self.twist == Twist::NanWeight && name.ends_with("convs.0.weight");
            let infinite = self.twist == Twist::InfiniteBias && name.ends_with("mapping.12.bias");
            HostArray::from_fn(shape.clone(), |at| match shape.as_slice() {
                _ if zero => 0.0,
                _ if nan && at == 0 => f64::NAN,
                _ if infinite && at == 0 => f64::INFINITY,
                &[_, out, into, kh, kw] => values[at] * (2.0 / ((out + into) * kh * kw) as f64).sqrt(),
                _ if name.ends_with("running_var") => 0.5 + values[at].abs(),
                _ if name.ends_with(".weight") => 1.0 + 0.2 * values[at],
                _ if name.ends_with("epsilon") => 0.1 + 0.01 * values[at],
                _ => 0.1 * values[at],
            })
        };
        names.iter().enumerate().map(array).collect()
    }
}

/// Frames, then what is between, then the arrays, in a dtype.
fn cast(arrays: impl IntoIterator<Item = HostArray>, dtype: DType) -> Vec<HostArray> {
    // All cases stay inside of f32's range: the conversion only rounds.
    arrays.into_iter().map(|array| array.cast(dtype).unwrap_or(array)).collect()
}

/// Random cases of few shapes, for each is compiled.
fn cases() -> BoxedStrategy<Case> {
    let shape = prop_oneof![
        Just((Model::Plain(RpcaNet::new(2, 3)), [2, 5, 6])),
        Just((Model::PlusPlus(RpcaNetPlusPlus::new(2, 4)), [3, 6, 4])),
    ];
    (0..1u64 << 32, shape).prop_map(|(seed, (model, sizes))| Case { seed, model, sizes, twist: Twist::None }).boxed()
}

fn special() -> Vec<(&'static str, Case)> {
    let plain = Case { seed: 3, model: Model::Plain(RpcaNet::new(2, 3)), sizes: [2, 5, 6], twist: Twist::None };
    let plus_plus = Case { model: Model::PlusPlus(RpcaNetPlusPlus::new(2, 4)), sizes: [3, 6, 4], ..plain.clone() };
    let twisted = |case: &Case, twist| Case { twist, ..case.clone() };
    let one = Case { model: Model::PlusPlus(RpcaNetPlusPlus::new(1, 4)), sizes: [1, 1, 1], ..plain.clone() };
    vec![
        ("zero", twisted(&plain, Twist::Zero)),
        ("zero, ++", twisted(&plus_plus, Twist::Zero)),
        ("constant", twisted(&plain, Twist::Constant)),
        ("constant, ++", twisted(&plus_plus, Twist::Constant)),
        ("equal frames, ++", twisted(&plus_plus, Twist::Twins)),
        ("no weights", twisted(&plain, Twist::NoWeights)),
        ("no weights, ++", twisted(&plus_plus, Twist::NoWeights)),
        ("NaN in a frame", twisted(&plain, Twist::Nan)),
        ("NaN in a frame, ++", twisted(&plus_plus, Twist::Nan)),
        ("infinity in a frame, ++", twisted(&plus_plus, Twist::Infinite)),
        ("NaN in a weight", twisted(&plain, Twist::NanWeight)),
        ("infinity in a bias, ++", twisted(&plus_plus, Twist::InfiniteBias)),
        ("one pixel, ++", one),
        ("one channel, one row", Case { model: Model::Plain(RpcaNet::new(1, 1)), sizes: [1, 1, 4], ..plain }),
    ]
}

/// A network at work, and its reference.
#[derive(Debug, Clone, Copy)]
pub struct SeparateSubject;

impl Subject for SeparateSubject {
    type Case = Case;

    fn name(&self) -> &'static str {
        "rpcanet"
    }

    fn factor(&self) -> f64 {
        16.0
    }

    fn outputs(&self) -> &'static [&'static str] {
        &SEPARATED
    }

    fn strategy(&self) -> BoxedStrategy<Case> {
        cases()
    }

    fn special(&self) -> Vec<(&'static str, Case)> {
        special()
    }

    fn inputs(&self, case: &Case, dtype: DType) -> Vec<HostArray> {
        cast([case.frames()].into_iter().chain(case.arrays()), dtype)
    }

    fn graph(&self, case: &Case, inputs: &[TensorType]) -> Result<Graph> {
        trace(|inputs: Vec<Tensor>| case.model.separate(&inputs[0], &inputs[1..]).into_vec(), inputs)
    }

    fn reference<R: Real>(&self, case: &Case, inputs: &[HostArray], _: f64) -> Outcome<R> {
        separated(&case.model, &inputs[0], &inputs[1..])
    }

    fn laws(&self) -> Vec<Law<Case>> {
        laws::of_separating()
    }
}

/// What the reference makes of frames `[n, h, w]`, as [`Separated`](super::Separated) does.
pub fn separated<R: Real>(model: &Model, frames: &HostArray, arrays: &[HostArray]) -> Outcome<R> {
    let &[n, h, w] = frames.shape() else {
        return Outcome { outputs: Vec::new(), status: Status::NONFINITE_INPUT.0, decisions: Vec::new() };
    };
    let (numbers, len) = (frames.to_f64(), h * w);
    let whole = arrays.iter().all(|array| array.first_nonfinite().is_none());
    let sound: Vec<bool> =
        (0..n).map(|i| whole && numbers[i * len..(i + 1) * len].iter().all(|x| x.is_finite())).collect();
    let Found { backgrounds, targets, image, .. } = reference::forward::<R>(model, Mode::Eval, frames, arrays);
    let kept = |values: &[R]| -> Vec<R> {
        let poisoned = |at: usize| !sound[at / len.max(1) % n];
        values.iter().enumerate().map(|(at, &x)| if poisoned(at) { R::from_f64(f64::NAN) } else { x }).collect()
    };
    let (image, backgrounds, targets) = (kept(&image), kept(&backgrounds.concat()), kept(&targets.concat()));
    let last = (model.stages() - 1) * n * len;
    let (background, target) = (backgrounds[last..].to_vec(), targets[last..].to_vec());
    let mask = target.iter().map(|&x| if is_nan(x) { -1 } else { i32::from(x > R::zero()) }).collect();
    let all_sound = sound.iter().all(|&sound| sound);
    let broken = [&image, &backgrounds, &targets].iter().any(|x| x.iter().any(|x| !x.to_f64().is_finite()));
    let status = if all_sound { Status::default().with(Status::BREAKDOWN, broken) } else { Status::NONFINITE_INPUT };
    let decisions = vec![mask_decision(&target)];
    let (one, all) = (vec![n, h, w], vec![model.stages(), n, h, w]);
    let real = |values| Values::Real(values);
    let outputs = [
        (one.clone(), real(background)),
        (one.clone(), real(target)),
        (one.clone(), Values::Index(mask)),
        (one, real(image)),
        (all.clone(), real(backgrounds)),
        (all, real(targets)),
    ];
    Outcome { outputs: outcome(&SEPARATED, outputs), status: status.0, decisions }
}

fn is_nan<R: Real>(x: R) -> bool {
    x.to_f64().is_nan()
}

/// Which pixels are in the mask, and how close to the other side the closest one is.
fn mask_decision<R: Real>(target: &[R]) -> Decision {
    let sizes = || target.iter().map(|x| x.abs().to_f64()).filter(|x| x.is_finite());
    let largest = sizes().fold(0.0, f64::max);
    let closest = sizes().fold(f64::INFINITY, f64::min);
    // Zeros everywhere are exact.
    let margin = if largest == 0.0 { 1.0 } else { closest / largest };
    let fold = |hash: u64, x: &R| (hash ^ u64::from(*x > R::zero())).wrapping_mul(0x100_0000_01b3);
    Decision { kind: "mask", margin, choice: target.iter().fold(0xcbf2_9ce4_8422_2325, fold) }
}

fn outcome<R, const N: usize>(names: &[&'static str; N], all: [(Vec<usize>, Values<R>); N]) -> Vec<Output<R>> {
    let named = names.iter().zip(all);
    named.map(|(&name, (shape, values))| Output { name, shape, values, scale: 0.0, free: false }).collect()
}

/// A batch of training without its gradient, and its reference.
#[derive(Debug, Clone, Copy)]
pub struct BatchSubject;

impl Subject for BatchSubject {
    type Case = Case;

    fn name(&self) -> &'static str {
        "rpcanet-batch"
    }

    fn factor(&self) -> f64 {
        16.0
    }

    fn outputs(&self) -> &'static [&'static str] {
        &TRAINING
    }

    fn strategy(&self) -> BoxedStrategy<Case> {
        cases()
    }

    fn special(&self) -> Vec<(&'static str, Case)> {
        special()
    }

    fn inputs(&self, case: &Case, dtype: DType) -> Vec<HostArray> {
        cast([case.frames(), case.masks()].into_iter().chain(case.arrays()), dtype)
    }

    fn graph(&self, case: &Case, inputs: &[TensorType]) -> Result<Graph> {
        trace(|inputs: Vec<Tensor>| batch(&case.model, &inputs), inputs)
    }

    fn reference<R: Real>(&self, case: &Case, inputs: &[HostArray], _: f64) -> Outcome<R> {
        let (frames, masks, arrays) = (&inputs[0], &inputs[1], &inputs[2..]);
        let found = reference::forward::<R>(&case.model, Mode::Train, frames, arrays);
        let loss = vec![reference::loss(&found, frames, masks)];
        let finite = inputs.iter().all(|input| input.first_nonfinite().is_none());
        let values = [loss, found.background().to_vec(), found.target().to_vec(), found.image, found.moments];
        let kept = |x: Vec<R>| if finite { x } else { vec![R::from_f64(f64::NAN); x.len()] };
        let moments = values[4].len();
        let shape = frames.shape().to_vec();
        let shapes = [vec![], shape.clone(), shape.clone(), shape, vec![moments]];
        let mut shapes = shapes.into_iter();
        let outputs = values.map(|x| (shapes.next().unwrap_or_default(), Values::Real(kept(x))));
        let status = if finite { Status::default() } else { Status::NONFINITE_INPUT };
        Outcome { outputs: outcome(&TRAINING, outputs), status: status.0, decisions: Vec::new() }
    }

    fn laws(&self) -> Vec<Law<Case>> {
        laws::of_a_batch()
    }
}

/// Loss, background, target, image, running moments and status for frames and masks `[n, h, w]` and a network's arrays.
#[track_caller]
fn batch(model: &Model, inputs: &[Tensor]) -> Vec<Tensor> {
    let [frames, masks] = [0, 1].map(|at: usize| inputs[at].expand_dims(1));
    let (output, moments) = model.train(&frames, &inputs[2..]);
    let moments: Vec<Tensor> = moments.iter().map(Tensor::flatten).collect();
    let finite = inputs.iter().fold(scalar(true), |finite, x| finite & x.is_finite().all());
    let nan = number(f64::NAN, frames.dtype());
    let images = [&output.background, &output.target, &output.image].map(|x| x.squeeze(1));
    let [background, target, image] = images;
    let moments = concatenate(&moments.iter().collect::<Vec<_>>(), 0);
    let results = [super::loss(&output, &frames, &masks), background, target, image, moments];
    results.iter().map(|x| finite.select(x, &nan)).chain([Status::traced(&finite, &[])]).collect()
}
