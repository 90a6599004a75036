//! What training minimises.

use tandem_compile::Tensor;

use super::Output;

/// What the reconstruction weighs in the loss.
const RECONSTRUCTION: f64 = 0.01;

/// The loss of both networks: [`soft_iou`] of the targets with the masks, and a hundredth of the [`mean_square`] of the
/// images with the frames. Frames and masks are `[n, 1, h, w]`, a mask 1 where the target is and 0 elsewhere.
#[track_caller]
pub fn loss(output: &Output, frames: &Tensor, masks: &Tensor) -> Tensor {
    soft_iou(&output.target, masks) + mean_square(&output.image, frames) * RECONSTRUCTION
}

/// 1 less the mean over the frames of (sum p t + 1) / (sum p + sum t - sum p t + 1), with p the logistic of the target and
/// t the mask, both `[n, 1, h, w]`.
#[track_caller]
pub fn soft_iou(target: &Tensor, masks: &Tensor) -> Tensor {
    let p = target.logistic();
    let sums = |x: &Tensor| x.sum_axes((1..x.ndim()).collect::<Vec<_>>());
    let common = sums(&(&p * masks));
    let all = sums(&p) + sums(masks) - &common;
    1.0 - ((common + 1.0) / (all + 1.0)).mean()
}

/// The mean of the squared differences.
#[track_caller]
pub fn mean_square(x: &Tensor, y: &Tensor) -> Tensor {
    (x - y).square().mean()
}
