//! The stages one after the other: a `scan` over their stacked weights.

use tandem_compile::{DType, Tensor, checkpoint, iota, refuse, scan, zeros};

use super::Network;
use super::layers::Mode;

/// What a network makes of frames `[n, 1, h, w]`.
#[derive(Debug, Clone)]
pub struct Output {
    /// The last stage's background B_K, `[n, 1, h, w]`.
    pub background: Tensor,
    /// The last stage's target T_K, `[n, 1, h, w]`: the mask is where it is positive.
    pub target: Tensor,
    /// The last stage's image D_K, `[n, 1, h, w]`.
    pub image: Tensor,
    /// Every stage's background, `[stages, n, 1, h, w]`.
    pub backgrounds: Tensor,
    /// Every stage's target, `[stages, n, 1, h, w]`.
    pub targets: Tensor,
}
tandem_compile::tree!(Output { background, target, image, backgrounds, targets });

impl Output {
    /// What stands for the results after an error of the trace.
    pub(super) fn nothing(like: &Tensor) -> Self {
        let one = || like.clone();
        Self { background: one(), target: one(), image: one(), backgrounds: one(), targets: one() }
    }
}

/// What a stage hands to the next one.
#[derive(Debug, Clone)]
pub struct Carried<M> {
    /// The image D, `[n, h, w, 1]`.
    pub image: Tensor,
    /// The target T, `[n, h, w, 1]`.
    pub target: Tensor,
    /// What else there is.
    pub memory: M,
}

/// What a stage computes.
#[derive(Debug, Clone)]
pub struct Done<M, R> {
    /// The background B, `[n, h, w, 1]`.
    pub background: Tensor,
    /// For the next stage.
    pub carried: Carried<M>,
    /// The stage's running moments afterwards.
    pub running: R,
}

/// Image, target, memory.
type Carry<N> = (Tensor, Tensor, <N as Network>::Memory);
/// A stage's weights, moments and number.
type Slices<N> = (<N as Network>::Weights, <N as Network>::Running, Tensor);

#[track_caller]
pub(super) fn eval<N: Network>(net: &N, weights: &N::Weights, running: &N::Running, frames: &Tensor) -> Output {
    if let Some(refused) = refused(frames) {
        return refused;
    }
    let (slices, init) = operands(net, weights, running, frames);
    let step = |carry, slices| {
        let (next, (background, target, _)) = stage(net, Mode::Eval, carry, slices);
        (next, (background, target))
    };
    let ((image, target, _), (backgrounds, targets)) = scan(init, slices, step);
    output(frames, &image, &target, &backgrounds, &targets)
}

#[track_caller]
pub(super) fn train<N: Network>(
    net: &N,
    weights: &N::Weights,
    running: &N::Running,
    frames: &Tensor,
) -> (Output, N::Running) {
    if let Some(refused) = refused(frames) {
        return (refused, running.clone());
    }
    let (slices, init) = operands(net, weights, running, frames);
    let step = |(carry, slices): (Carry<N>, Slices<N>)| stage(net, Mode::Train, carry, slices);
    let again = checkpoint(step);
    let ((image, target, _), (backgrounds, targets, running)) = match net.rematerialises() {
        true => scan(init, slices, |carry, slices| again((carry, slices))),
        false => scan(init, slices, |carry, slices| step((carry, slices))),
    };
    (output(frames, &image, &target, &backgrounds, &targets), running)
}

/// What the loop takes slice by slice, and what it starts from.
fn operands<N: Network>(net: &N, weights: &N::Weights, running: &N::Running, frames: &Tensor) -> (Slices<N>, Carry<N>) {
    let image = frames.reshape([frames.dim(0), frames.dim(2), frames.dim(3), 1]);
    let target = zeros(image.shape(), image.dtype());
    let memory = net.memory(&image);
    ((weights.clone(), running.clone(), iota([net.stages()], 0, DType::I32)), (image, target, memory))
}

/// One trip of the loop: what is carried on, and background, target and running moments.
fn stage<N: Network>(
    net: &N,
    mode: Mode,
    (image, target, memory): Carry<N>,
    (weights, running, number): Slices<N>,
) -> (Carry<N>, (Tensor, Tensor, N::Running)) {
    let done = net.stage(&weights, &running, &number.eq(0), mode, Carried { image, target, memory });
    let Carried { image, target, memory } = done.carried;
    ((image, target.clone(), memory), (done.background, target, done.running))
}

/// The results with the axes of the frames: moving an axis of size 1 moves nothing.
fn output(frames: &Tensor, image: &Tensor, target: &Tensor, backgrounds: &Tensor, targets: &Tensor) -> Output {
    let all = [&[backgrounds.dim(0)], frames.shape()].concat();
    let backgrounds = backgrounds.reshape(all.clone());
    Output {
        background: backgrounds.at_index(0, -1),
        target: target.reshape(frames.shape()),
        image: image.reshape(frames.shape()),
        backgrounds,
        targets: targets.reshape(all),
    }
}

/// An error of the trace where the frames are none.
#[track_caller]
fn refused(frames: &Tensor) -> Option<Output> {
    let floats = matches!(frames.dtype(), DType::F32 | DType::F64);
    if frames.ndim() == 4 && frames.dim(1) == 1 && floats {
        return None;
    }
    Some(Output::nothing(&refuse(format!("frames [n, 1, h, w] of f32 or f64 expected, got {}", frames.ty()))))
}
