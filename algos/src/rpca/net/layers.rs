//! Layers over images `[n, h, w, channels]`.

use tandem_compile::{Tensor, concatenate, stop_gradient, tree};

use super::spectral;

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
///
/// It is written as matrix products: XLA's own convolution takes ten times as long in the body of a loop as outside of one on
/// the CPU (`docs/notes/convolutions-in-loops.md`), and these networks are loops.
pub(super) fn correlate(x: &Tensor, kernel: &Tensor) -> Tensor {
    match spectral::is_cheaper(x.shape(), kernel.shape()) {
        true => spectral::correlate(x, kernel),
        false => unfolded(x, kernel),
    }
}

/// [`correlate`] as one product: what the kernel's columns see stands side by side, its rows become results of their own, which are
/// shifted and added up.
fn unfolded(x: &Tensor, kernel: &Tensor) -> Tensor {
    let [h, w] = [1, 2].map(|axis| x.dim(axis));
    let [out, into, kh, kw] = [0, 1, 2, 3].map(|axis| kernel.dim(axis));
    let around = |k: usize| ((k / 2) as i64, (k / 2) as i64, 0);
    let padded = x.pad(0.0, &[(0, 0, 0), around(kh), around(kw), (0, 0, 0)]);
    let seen: Vec<Tensor> = (0..kw).map(|b| padded.slice(2, b, b + w)).collect();
    let seen = concatenate(&seen.iter().collect::<Vec<_>>(), 3);
    let matrix = kernel.transpose([3, 1, 2, 0]).reshape([kw * into, kh * out]);
    let rows = seen.contract(&matrix, 3, 0);
    let row = |a: usize| rows.slice(1, a, a + h).slice(3, a * out, (a + 1) * out);
    (1..kh).fold(row(0), |sum, a| sum + row(a))
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

#[cfg(test)]
mod tests {
    use tandem_compile::{Conv, HostArray, Padding, jit, vjp};
    use tandem_verify::rng::normal;

    use super::*;

    /// Both ways give what a convolution gives, and its derivatives.
    #[test]
    fn products_are_the_convolution() {
        let shapes = [([2, 7, 5, 3], [4, 3, 3, 3]), ([1, 2, 3, 1], [2, 1, 5, 3]), ([2, 20, 17, 2], [3, 2, 9, 17])];
        for (image, kernel) in shapes {
            let array = |seed, shape: &[usize]| HostArray::new(shape, normal(seed, shape.iter().product())).unwrap();
            let result = [image[0], image[1], image[2], kernel[0]];
            let (x, w, ct) = (array(1, &image), array(2, &kernel), array(3, &result));
            let direct = |(x, w): (Tensor, Tensor)| {
                let conv = Conv { padding: Padding::Same, ..Conv::default() };
                x.transpose([0, 3, 1, 2]).conv(&w, conv).transpose([0, 2, 3, 1])
            };
            for way in [unfolded as fn(&Tensor, &Tensor) -> Tensor, spectral::correlate] {
                let program = jit(|(x, w, ct): (Tensor, Tensor, Tensor)| {
                    let (y, back) = vjp(|(x, w): (Tensor, Tensor)| way(&x, &w), (x.clone(), w.clone()));
                    let (expected, known) = vjp(direct, (x, w));
                    let ((dx, dw), (kx, kw)) = (back(ct.clone()), known(ct));
                    [y - &expected, dx - &kx, dw - &kw, expected, kx, kw].map(|x| x.abs().max())
                });
                let found: Vec<HostArray> = program.call((&x, &w, &ct)).unwrap();
                let found: Vec<f64> = found.iter().map(|x| x.to_f64()[0]).collect();
                for (off, size) in found[..3].iter().zip(&found[3..]) {
                    assert!(*off <= 1e-13 * size && *size > 0.0, "{image:?} {kernel:?}: {found:?}");
                }
            }
        }
    }
}
