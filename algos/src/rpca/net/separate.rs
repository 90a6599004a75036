//! A trained network at work: frames in, background, mask and image out, and what is wrong with them.

use tandem_compile::{DType, Tensor, concatenate, number, tree};
use tandem_verify::status::Status;

use super::{Network, Output};

/// Frames taken apart by a network in [`Mode::Eval`](super::Mode::Eval).
///
/// A frame with NaN or infinity has NaN for numbers and -1 in its mask, and no other frame is touched; with NaN or infinity in
/// the weights, all have. Either sets [`Status::NONFINITE_INPUT`].
#[derive(Debug, Clone)]
pub struct Separated {
    /// The last stage's background, `[n, h, w]`.
    pub background: Tensor,
    /// The last stage's target, `[n, h, w]`.
    pub target: Tensor,
    /// 1 where the target is positive, else 0; i32 `[n, h, w]`.
    pub mask: Tensor,
    /// The last stage's image, `[n, h, w]`.
    pub image: Tensor,
    /// Every stage's background, `[stages, n, h, w]`.
    pub backgrounds: Tensor,
    /// Every stage's target, `[stages, n, h, w]`.
    pub targets: Tensor,
    /// The bits of [`Status`], i32.
    pub status: Tensor,
}
tree!(Separated { background, target, mask, image, backgrounds, targets, status });

impl Separated {
    /// What stands for the results after an error of the trace.
    pub(super) fn nothing(like: &Tensor) -> Self {
        let one = || like.clone();
        let (background, target, mask, image) = (one(), one(), one(), one());
        Self { background, target, mask, image, backgrounds: one(), targets: one(), status: one() }
    }

    /// In the order of the fields.
    pub fn into_vec(self) -> Vec<Tensor> {
        let Self { background, target, mask, image, backgrounds, targets, status } = self;
        vec![background, target, mask, image, backgrounds, targets, status]
    }
}

#[track_caller]
pub(super) fn separate<N: Network>(net: &N, weights: &N::Weights, running: &N::Running, frames: &Tensor) -> Separated {
    if frames.ndim() != 3 {
        let message = format!("frames [n, h, w] expected, got {}", frames.ty());
        return Separated::nothing(&tandem_compile::refuse(message));
    }
    let Output { background, target, image, backgrounds, targets } = net.eval(weights, running, &frames.expand_dims(1));
    let sound = frames.is_finite().all_axes([1, 2]) & numbers(weights, running).is_finite().all();
    let (each, nan) = (sound.reshape([frames.dim(0), 1, 1]), number(f64::NAN, frames.dtype()));
    let kept = |x: &Tensor| each.select(x.squeeze(x.ndim() - 3), &nan);
    let (target, backgrounds, targets) = (kept(&target), kept(&backgrounds), kept(&targets));
    let (background, image) = (kept(&background), kept(&image));
    let computed = [&image, &backgrounds, &targets].map(|x| x.is_finite().all());
    let broken = !(&computed[0] & &computed[1] & &computed[2]);
    Separated {
        mask: each.select(target.gt(0.0).convert(DType::I32), -1),
        status: Status::traced(&sound.all(), &[(Status::BREAKDOWN, &broken)]),
        background,
        target,
        image,
        backgrounds,
        targets,
    }
}

/// All weights and moments, one after the other.
pub(super) fn numbers(weights: &impl tandem_compile::Tree, running: &impl tandem_compile::Tree) -> Tensor {
    let mut leaves = Vec::new();
    weights.collect(&mut leaves);
    running.collect(&mut leaves);
    let flat: Vec<Tensor> = leaves.iter().map(Tensor::flatten).collect();
    concatenate(&flat.iter().collect::<Vec<_>>(), 0)
}
