//! What a network is made of.

use tandem_compile::{Tensor, concatenate, ones, refuse};

/// A section: from activations `[batch, positions..., d]` of a node layer to those of the next, `[batch, positions...,
/// d']`, every sample by itself. Where biases are folded in, the last coordinate is the constant 1, which the section turns
/// into a last coordinate of 1.
pub type Section<'a> = Box<dyn Fn(&Tensor) -> Tensor + 'a>;

/// The activations with a last coordinate of 1: `[..., d]` becomes `[..., d + 1]`.
#[track_caller]
pub fn with_constant(f: &Tensor) -> Tensor {
    let mut shape = f.shape().to_vec();
    let Some(width) = shape.last_mut() else {
        return refuse(format!("with_constant: activations [..., d] expected, got {}", f.ty()));
    };
    *width = 1;
    let last = f.ndim() - 1;
    concatenate(&[f, &ones(shape, f.dtype())], last)
}

/// The positions per sample, and the width, of activations.
#[track_caller]
pub(super) fn positions(f: &Tensor) -> (usize, usize) {
    let [_, inner @ .., width] = f.shape() else {
        refuse(format!("activations [batch, positions..., d] expected of every section, got {}", f.ty()));
        return (1, 1);
    };
    (inner.iter().product(), *width)
}

/// Activations of all positions of all samples as rows.
#[track_caller]
pub(super) fn rows(f: &Tensor) -> Tensor {
    let (positions, width) = positions(f);
    // What has fewer axes was refused.
    if f.ndim() < 2 { f.clone() } else { f.reshape([f.dim(0) * positions, width]) }
}

/// One number per sample, to multiply activations of `ndim` axes.
#[track_caller]
pub(super) fn per_sample(weight: &Tensor, ndim: usize) -> Tensor {
    let mut shape = vec![1; ndim.max(1)];
    shape[0] = weight.dim(0);
    weight.reshape(shape)
}

/// The activations after these sections.
pub(super) fn through(sections: &[Section<'_>], f: Tensor) -> Tensor {
    sections.iter().fold(f, |f, section| section(&f))
}
