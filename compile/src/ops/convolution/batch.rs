//! Many convolutions at once as one convolution: the problems become more of the input's problems, more features of
//! the result, or groups.

use super::Convolution;
use crate::ops::constant::zeros;
use crate::ops::{Primitive, again};
use crate::trace::Tensor;
use crate::transform::move_axis;

impl Convolution {
    pub(super) fn spread(&self, inputs: &[Tensor], batched: &[bool], size: usize) -> Tensor {
        if size == 0 {
            return self.none_at_all(inputs, batched);
        }
        match batched {
            [true, false] => self.spread_lhs(inputs, size),
            [false, true] => self.spread_rhs(inputs, size),
            _ => self.spread_both(inputs, size),
        }
    }

    /// The result for no problem, which no number of groups could tell the shape of.
    fn none_at_all(&self, inputs: &[Tensor], batched: &[bool]) -> Tensor {
        let single = |(x, &batched): (&Tensor, &bool)| x.ty().with_shape(&x.shape()[usize::from(batched)..]);
        let one: Vec<_> = inputs.iter().zip(batched).map(single).collect();
        let shape = self.infer(&one).ok().and_then(|outputs| outputs.into_iter().next()).map(|y| y.shape);
        zeros([vec![0], shape.unwrap_or_default()].concat(), inputs[0].dtype())
    }

    fn spread_lhs(&self, inputs: &[Tensor], size: usize) -> Tensor {
        let axis = self.lhs_axes.outer;
        // Within each of the batch groups, so that those stay outermost.
        let x = folded(&inputs[0], axis, self.batch_groups);
        let y = again(self, &[x, inputs[1].clone()]).swap_remove(0);
        unfolded(&y, self.out_axes.outer, 1, size)
    }

    fn spread_rhs(&self, inputs: &[Tensor], size: usize) -> Tensor {
        let groups = self.feature_groups * self.batch_groups;
        let w = folded(&inputs[1], self.rhs_axes.outer, groups);
        let y = again(self, &[inputs[0].clone(), w]).swap_remove(0);
        unfolded(&y, self.out_axes.feature, groups, size)
    }

    fn spread_both(&self, inputs: &[Tensor], size: usize) -> Tensor {
        let (by_batch, lhs_axis) = match self.batch_groups {
            1 => (false, self.lhs_axes.feature),
            _ => (true, self.lhs_axes.outer),
        };
        let mut op = self.clone();
        match by_batch {
            true => op.batch_groups *= size,
            false => op.feature_groups *= size,
        }
        let (x, w) = (folded(&inputs[0], lhs_axis, 1), folded(&inputs[1], self.rhs_axes.outer, 1));
        let y = again(&op, &[x, w]).swap_remove(0);
        unfolded(&y, self.out_axes.feature, 1, size)
    }
}

/// The first axis made part of axis `axis` of the rest: inside of its outermost part, which counts `groups`.
fn folded(x: &Tensor, axis: usize, groups: usize) -> Tensor {
    let size = x.shape()[0];
    let mut split = x.shape().to_vec();
    split[axis + 1] /= groups;
    split.insert(axis + 1, groups);
    let mut merged = x.shape()[1..].to_vec();
    merged[axis] *= size;
    move_axis(&x.reshape(split), 0, axis + 1).reshape(merged)
}

/// The reverse: `size` problems out of axis `axis`, as the first axis.
fn unfolded(x: &Tensor, axis: usize, groups: usize, size: usize) -> Tensor {
    let mut split = x.shape().to_vec();
    let inner = split[axis].checked_div(groups * size).unwrap_or(0);
    split.splice(axis..=axis, [groups, size, inner]);
    let mut merged = x.shape().to_vec();
    merged[axis] = groups * inner;
    merged.insert(0, size);
    move_axis(&x.reshape(split), axis + 1, 0).reshape(merged)
}
