//! The transposes of a convolution, which are convolutions again.
//!
//! Per spatial axis the sum runs over all `o`, `k`, `i` with `i * lhs_dilation = o * stride + k * rhs_dilation - low`.
//! Solved for another of the three, with `o` or `i` spread out by what was the step of the other, it is the equation
//! of a convolution whose result is the input's, or the kernel's, cotangent.

use super::{ConvAxes, Convolution, dilated};
use crate::graph::TensorType;
use crate::ops::Tangent;
use crate::trace::Tensor;

impl Convolution {
    /// The input's cotangent: the result's, spread out by the stride, with the kernel turned round.
    pub(super) fn transpose_lhs(&self, lhs: &TensorType, rhs: &Tensor, ct: &Tensor) -> Tangent {
        if lhs.is_empty() || rhs.ty().is_empty() || ct.ty().is_empty() {
            return None;
        }
        let groups = self.feature_groups * self.batch_groups;
        let (kernel, kernel_axes) = self.kernel_by_inputs(rhs, groups);
        let op = Convolution {
            lhs_axes: self.out_axes.clone(),
            out_axes: self.lhs_axes.clone(),
            strides: self.lhs_dilation.clone(),
            lhs_dilation: self.strides.clone(),
            padding: self.padding_lhs(&lhs.shape, rhs.shape(), ct.shape()),
            feature_groups: groups,
            batch_groups: 1,
            rhs_axes: kernel_axes.clone(),
            ..self.clone()
        };
        let found = ct.convolution(&kernel.reverse(kernel_axes.spatial), op);
        Some(match self.batch_groups {
            1 => found,
            groups => moved(&found, self.lhs_axes.feature, self.lhs_axes.outer, groups),
        })
    }

    /// The kernel with the features of input and result exchanged, within every group.
    fn kernel_by_inputs(&self, rhs: &Tensor, groups: usize) -> (Tensor, ConvAxes) {
        let kernel = match groups {
            1 => rhs.clone(),
            _ => moved(rhs, self.rhs_axes.outer, self.rhs_axes.feature, groups),
        };
        (kernel, self.rhs_axes.exchanged())
    }

    /// The kernel's cotangent: the input convolved with the result's cotangent, problems and features exchanged.
    pub(super) fn transpose_rhs(&self, lhs: &Tensor, rhs: &TensorType, ct: &Tensor) -> Tangent {
        if lhs.ty().is_empty() || rhs.is_empty() || ct.ty().is_empty() {
            return None;
        }
        let op = Convolution {
            lhs_axes: self.lhs_axes.exchanged(),
            rhs_axes: self.out_axes.exchanged(),
            out_axes: self.rhs_axes.exchanged(),
            strides: self.rhs_dilation.clone(),
            rhs_dilation: self.strides.clone(),
            padding: self.padding_rhs(lhs.shape(), &rhs.shape, ct.shape()),
            feature_groups: self.batch_groups,
            batch_groups: self.feature_groups,
            ..self.clone()
        };
        Some(lhs.convolution(ct, op))
    }

    /// Padding with which the transposed window has as many places as the input has elements.
    fn padding_lhs(&self, lhs: &[usize], rhs: &[usize], out: &[usize]) -> Vec<(i64, i64)> {
        let [n, k, m] = self.extents(lhs, rhs, out);
        (0..n.len())
            .map(|axis| {
                let low = k[axis] - 1 - self.padding[axis].0;
                (low, n[axis] + k[axis] - 1 - m[axis] - low)
            })
            .collect()
    }

    /// Padding with which the cotangent has as many places on the input as the kernel has elements.
    fn padding_rhs(&self, lhs: &[usize], rhs: &[usize], out: &[usize]) -> Vec<(i64, i64)> {
        let [n, k, m] = self.extents(lhs, rhs, out);
        (0..n.len())
            .map(|axis| {
                let low = self.padding[axis].0;
                (low, k[axis] + m[axis] - 1 - n[axis] - low)
            })
            .collect()
    }

    /// The extents of the spread out input, kernel and result, per spatial axis.
    fn extents(&self, lhs: &[usize], rhs: &[usize], out: &[usize]) -> [Vec<i64>; 3] {
        let extent = |axes: &ConvAxes, shape: &[usize], steps: &[usize]| -> Vec<i64> {
            axes.spatial.iter().zip(steps).map(|(&axis, &step)| dilated(shape[axis], step) as i64).collect()
        };
        [
            extent(&self.lhs_axes, lhs, &self.lhs_dilation),
            extent(&self.rhs_axes, rhs, &self.rhs_dilation),
            extent(&self.out_axes, out, &self.strides),
        ]
    }
}

/// `x` with the outer part of axis `from`, which counts `groups`, made the outer part of axis `to`.
fn moved(x: &Tensor, from: usize, to: usize, groups: usize) -> Tensor {
    let mut split = x.shape().to_vec();
    split[from] /= groups;
    let mut merged = split.clone();
    merged[to] *= groups;
    split.insert(from, groups);
    // Axis `from` of the split array is the groups; all later axes are one further.
    let mut order: Vec<usize> = (0..split.len()).filter(|&axis| axis != from).collect();
    order.insert(to, from);
    x.reshape(split).transpose(order).reshape(merged)
}
