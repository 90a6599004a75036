//! Convolutions that XLA's CPU plugin gets wrong, written in another way.

use super::Convolution;
use crate::dtype::DType;
use crate::graph::TensorType;
use crate::ops::Primitive;
use crate::ops::pad::{Pad, Width};
use crate::stablehlo::{Emitter, Operand};

const NOTHING: Width = Width { low: 0, high: 0, interior: 0 };

/// The same convolution of an input that is cropped beforehand, where the padding is negative: the plugin reads beyond the
/// input's end there (`docs/notes/negative-padding.md`).
pub(super) fn cropped(conv: &Convolution, emitter: &mut Emitter, lhs: &Operand) -> Option<(Convolution, Operand)> {
    if conv.padding.iter().all(|&(low, high)| low >= 0 && high >= 0) {
        return None;
    }
    let mut widths = vec![NOTHING; lhs.ty.ndim()];
    let mut cropped = conv.clone();
    for (axis, &at) in conv.lhs_axes.spatial.iter().enumerate() {
        let (low, high) = std::mem::take(&mut cropped.padding[axis]);
        widths[at] = Width { low, high, interior: std::mem::replace(&mut cropped.lhs_dilation[axis], 1) - 1 };
    }
    Some((cropped, padded(emitter, lhs, widths)?))
}

/// The operands with a second feature of zeros in every group, where each has one in f64: the plugin computes those groups
/// as one, times zero where they do not belong together, and NaN times zero is NaN
/// (`docs/notes/groups-of-one-feature.md`).
pub(super) fn widened(conv: &Convolution, emitter: &mut Emitter, lhs: &Operand, rhs: &Operand) -> Option<[Operand; 2]> {
    let feature = conv.rhs_axes.feature;
    if lhs.ty.dtype != DType::F64 || conv.feature_groups == 1 || rhs.ty.shape[feature] != 1 {
        return None;
    }
    let widen = |ty: &TensorType, axis: usize, interior: usize| {
        let mut widths = vec![NOTHING; ty.ndim()];
        widths[axis] = Width { low: 0, high: 1, interior };
        widths
    };
    let between = widen(&lhs.ty, conv.lhs_axes.feature, 1);
    let behind = widen(&rhs.ty, feature, 0);
    Some([padded(emitter, lhs, between)?, padded(emitter, rhs, behind)?])
}

fn padded(emitter: &mut Emitter, x: &Operand, widths: Vec<Width>) -> Option<Operand> {
    let pad = Pad(widths);
    let scalar = TensorType::scalar(x.ty.dtype);
    let ty = pad.infer(&[x.ty.clone(), scalar.clone()]).ok()?.swap_remove(0);
    let zero = Operand { name: emitter.zeros(&scalar), ty: scalar };
    let name = pad.stablehlo(emitter, &[x.clone(), zero], std::slice::from_ref(&ty)).swap_remove(0);
    Some(Operand { name, ty })
}
