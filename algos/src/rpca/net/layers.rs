//! Layers over images `[n, h, w, channels]`.

use tandem_compile::ops::convolution::{ConvAxes, Convolution};
use tandem_compile::{Precision, Tensor, concatenate, stop_gradient, tree};

/// What is added to a variance before its root is taken.
pub(super) const EPSILON: f64 = 1e-5;
/// How far the running moments move to those of the batch.
pub(super) const MOMENTUM: f64 = 0.1;

/// Which moments the batch norms take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The running ones.
    Eval,
    /// Those of the batch; the running ones follow.
    Train,
}

/// A convolution.
#[derive(Debug, Clone)]
pub struct Conv2d {
    /// The kernel, `[out, in, height, width]`; not turned round.
    pub weight: Tensor,
    /// What is added, `[out]`.
    pub bias: Tensor,
}
tree!(Conv2d { weight, bias });

/// A batch norm's learned part.
#[derive(Debug, Clone)]
pub struct BatchNorm {
    /// The scale gamma, `[channels]`.
    pub weight: Tensor,
    /// The shift beta, `[channels]`.
    pub bias: Tensor,
}
tree!(BatchNorm { weight, bias });

/// A batch norm's running moments.
#[derive(Debug, Clone)]
pub struct Moments {
    /// The mean, `[channels]`.
    pub mean: Tensor,
    /// The variance, `[channels]`.
    pub var: Tensor,
}
tree!(Moments { mean, var });

/// The convolution of `x` (`[n, h, w, in]`) with a kernel `[out, in, kh, kw]` of odd sizes, zeros around the image:
/// `[n, h, w, out]`.
pub(super) fn correlate(x: &Tensor, kernel: &Tensor) -> Tensor {
    let axes = ConvAxes { outer: 0, feature: 3, spatial: vec![1, 2] };
    let around = |axis| {
        let half = (kernel.dim(axis) / 2) as i64;
        (half, half)
    };
    x.convolution(
        kernel,
        Convolution {
            lhs_axes: axes.clone(),
            rhs_axes: ConvAxes::standard(2),
            out_axes: axes,
            strides: vec![1, 1],
            padding: vec![around(2), around(3)],
            lhs_dilation: vec![1, 1],
            rhs_dilation: vec![1, 1],
            feature_groups: 1,
            batch_groups: 1,
            precision: Precision::Highest,
        },
    )
}

pub(super) fn conv(x: &Tensor, layer: &Conv2d) -> Tensor {
    correlate(x, &layer.weight) + &layer.bias
}

/// Of a 1 x 1 convolution of an image of one point each: `x` is `[n, in]`, the result `[n, out]`.
pub(super) fn conv_of_points(x: &Tensor, layer: &Conv2d) -> Tensor {
    let [out, into] = [0, 1].map(|axis| layer.weight.dim(axis));
    x.contract(&layer.weight.reshape([out, into]), 1, 1) + &layer.bias
}

/// Batch norm over all axes but the last one, and the running moments as they are afterwards.
pub(super) fn norm(x: &Tensor, layer: &BatchNorm, running: &Moments, mode: Mode) -> (Tensor, Moments) {
    match mode {
        Mode::Eval => {
            let scale = &layer.weight / (&running.var + EPSILON).sqrt();
            ((x - &running.mean) * scale + &layer.bias, running.clone())
        }
        Mode::Train => {
            let axes: Vec<usize> = (0..x.ndim() - 1).collect();
            let count: usize = x.shape()[..x.ndim() - 1].iter().product();
            let mean = x.mean_axes(axes.clone());
            let centred = x - &mean;
            let var = centred.square().mean_axes(axes);
            let scale = &layer.weight / (&var + EPSILON).sqrt();
            (centred * scale + &layer.bias, moved(running, &mean, &var, count))
        }
    }
}

/// The running moments moved to those of `count` numbers per channel.
fn moved(running: &Moments, mean: &Tensor, var: &Tensor, count: usize) -> Moments {
    let step = |old: &Tensor, new: Tensor| old * (1.0 - MOMENTUM) + new * MOMENTUM;
    let mean = step(&running.mean, stop_gradient(mean));
    // A single number says nothing about the variance.
    let var = match count {
        0 | 1 => running.var.clone(),
        _ => step(&running.var, stop_gradient(var) * (count as f64 / (count - 1) as f64)),
    };
    Moments { mean, var }
}

/// The larger of x and 0; NaN stays. A choice, and no maximum, which has half a slope at 0: there PyTorch has none.
pub(super) fn relu(x: &Tensor) -> Tensor {
    x.le(0.0).select(0.0, x)
}

/// x where it is positive, else a tenth of it.
pub(super) fn leaky_relu(x: &Tensor) -> Tensor {
    x.gt(0.0).select(x, x * 0.1)
}

/// Kernels along an axis, in one.
pub(super) fn joined(layers: &[Conv2d], axis: usize) -> Tensor {
    concatenate(&layers.iter().map(|layer| &layer.weight).collect::<Vec<_>>(), axis)
}

/// Biases one after the other.
pub(super) fn joined_biases(layers: &[Conv2d]) -> Tensor {
    concatenate(&layers.iter().map(|layer| &layer.bias).collect::<Vec<_>>(), 0)
}
