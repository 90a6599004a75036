//! The same elements in another arrangement: reshape, transpose, broadcast, slice, concatenate.

use std::panic::Location;

use crate::graph::{Graph, TensorType};
use crate::ops::{Primitive, check_axes, check_axis, join};
use crate::stablehlo::{Emitter, Operand, array_i64, names, signature};
use crate::trace::{Tensor, bind1, fail};

/// The elements in row-major order under another shape.
#[derive(Debug, Clone)]
pub struct Reshape(pub Vec<usize>);

impl Primitive for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn attributes(&self) -> String {
        String::new()
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        let x = super::one(inputs)?;
        let y = x.with_shape(self.0.clone());
        match x.len() == y.len() {
            true => Ok(vec![y]),
            false => Err(format!("{x} has {} elements, {y} has {}", x.len(), y.len())),
        }
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        vec![emitter.op(&format!("stablehlo.reshape {} : {}", inputs[0].name, signature(inputs, outputs)))]
    }
}

/// The axes in another order: axis `i` of the result is axis `permutation[i]` of the operand.
#[derive(Debug, Clone)]
pub struct Transpose(pub Vec<usize>);

impl Primitive for Transpose {
    fn name(&self) -> &'static str {
        "transpose"
    }

    fn attributes(&self) -> String {
        join(&self.0)
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        let x = super::one(inputs)?;
        check_axes(x, &self.0)?;
        match self.0.len() == x.ndim() {
            true => Ok(vec![x.with_shape(self.0.iter().map(|&axis| x.shape[axis]).collect::<Vec<_>>())]),
            false => Err(format!("the order [{}] does not name every axis of {x}", join(&self.0))),
        }
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let order = join(&self.0);
        let types = signature(inputs, outputs);
        vec![emitter.op(&format!("stablehlo.transpose {}, dims = [{order}] : {types}", inputs[0].name))]
    }
}

/// Repetition along new axes and along axes of size 1: axis `i` of the operand becomes axis `axes[i]`.
#[derive(Debug, Clone)]
pub struct Broadcast {
    /// The shape of the result.
    pub shape: Vec<usize>,
    /// Where each axis of the operand goes, in increasing order.
    pub axes: Vec<usize>,
}

impl Primitive for Broadcast {
    fn name(&self) -> &'static str {
        "broadcast"
    }

    fn attributes(&self) -> String {
        format!("axes [{}]", join(&self.axes))
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        let x = super::one(inputs)?;
        let y = x.with_shape(self.shape.clone());
        check_axes(&y, &self.axes)?;
        let fits = self.axes.len() == x.ndim()
            && self.axes.is_sorted()
            && self.axes.iter().zip(&x.shape).all(|(&axis, &size)| size == 1 || size == y.shape[axis]);
        if fits { Ok(vec![y]) } else { Err(format!("{x} does not broadcast to {y}")) }
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let axes = join(&self.axes);
        let types = signature(inputs, outputs);
        vec![emitter.op(&format!("stablehlo.broadcast_in_dim {}, dims = [{axes}] : {types}", inputs[0].name))]
    }
}

/// Every `stride`-th element from `start` up to (not including) `limit`, per axis.
#[derive(Debug, Clone)]
pub struct Slice {
    /// First position per axis.
    pub start: Vec<usize>,
    /// One past the last position per axis.
    pub limit: Vec<usize>,
    /// Step per axis, at least 1.
    pub stride: Vec<usize>,
}

impl Primitive for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn attributes(&self) -> String {
        self.ranges().join(", ")
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        let x = super::one(inputs)?;
        let lengths = [self.start.len(), self.limit.len(), self.stride.len()];
        if lengths != [x.ndim(); 3] {
            return Err(format!("{} ranges given for {x}", self.start.len()));
        }
        for (axis, &size) in x.shape.iter().enumerate() {
            if self.start[axis] > self.limit[axis] || self.limit[axis] > size || self.stride[axis] == 0 {
                return Err(format!("{} lies outside axis {axis} of {x}", self.ranges()[axis]));
            }
        }
        let shape: Vec<usize> =
            (0..x.ndim()).map(|axis| (self.limit[axis] - self.start[axis]).div_ceil(self.stride[axis])).collect();
        Ok(vec![x.with_shape(shape)])
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let ranges = self.ranges().join(", ");
        vec![emitter.op(&format!("stablehlo.slice {} [{ranges}] : {}", inputs[0].name, signature(inputs, outputs)))]
    }
}

impl Slice {
    fn ranges(&self) -> Vec<String> {
        let bounds = self.start.iter().zip(&self.limit).zip(&self.stride);
        bounds
            .map(|((start, limit), stride)| match stride {
                1 => format!("{start}:{limit}"),
                _ => format!("{start}:{limit}:{stride}"),
            })
            .collect()
    }
}

/// Several tensors one after the other along one axis.
#[derive(Debug, Clone)]
pub struct Concatenate(pub usize);

impl Primitive for Concatenate {
    fn name(&self) -> &'static str {
        "concatenate"
    }

    fn attributes(&self) -> String {
        format!("axis {}", self.0)
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        let first = inputs.first().ok_or("at least one operand expected")?;
        check_axis(first, self.0)?;
        let mut out = first.clone();
        out.shape[self.0] = 0;
        for x in inputs {
            let mut fits = x.clone();
            if let Some(size) = fits.shape.get_mut(self.0) {
                *size = first.shape[self.0];
            }
            if fits != *first {
                return Err(format!("{x} does not continue {first} along axis {}", self.0));
            }
            out.shape[self.0] += x.shape[self.0];
        }
        Ok(vec![out])
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let types = signature(inputs, outputs);
        vec![emitter.op(&format!("stablehlo.concatenate {}, dim = {} : {types}", names(inputs), self.0))]
    }
}

/// The elements in opposite order along the given axes.
#[derive(Debug, Clone)]
pub struct Reverse(pub Vec<usize>);

impl Primitive for Reverse {
    fn name(&self) -> &'static str {
        "reverse"
    }

    fn attributes(&self) -> String {
        join(&self.0)
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        let x = super::one(inputs)?;
        check_axes(x, &self.0)?;
        Ok(vec![x.clone()])
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let axes = array_i64(&self.0);
        let types = signature(inputs, outputs);
        vec![emitter.op(&format!("\"stablehlo.reverse\"({}) <{{dimensions = {axes}}}> : {types}", inputs[0].name))]
    }
}

/// Both operands under their common shape, as numpy broadcasts: aligned at the last axis, sizes equal or 1.
pub(crate) fn broadcast_together(x: &Tensor, y: &Tensor, location: &'static Location<'static>) -> (Tensor, Tensor) {
    if x.shape() == y.shape() {
        return (x.clone(), y.clone());
    }
    let ndim = x.ndim().max(y.ndim());
    let size = |t: &Tensor, axis: usize| match (axis + t.ndim()).checked_sub(ndim) {
        Some(own) => t.shape()[own],
        None => 1,
    };
    let common: Option<Vec<usize>> = (0..ndim)
        .map(|axis| match (size(x, axis), size(y, axis)) {
            (a, b) if a == b => Some(a),
            (1, b) => Some(b),
            (a, 1) => Some(a),
            _ => None,
        })
        .collect();
    match common {
        Some(shape) => (broadcast(x, &shape, location), broadcast(y, &shape, location)),
        // The operation's own type rule reports it, with its name.
        None => (x.clone(), y.clone()),
    }
}

fn broadcast(x: &Tensor, shape: &[usize], location: &'static Location<'static>) -> Tensor {
    if x.shape() == shape {
        return x.clone();
    }
    let axes = (shape.len().saturating_sub(x.ndim())..shape.len()).collect();
    bind1(Broadcast { shape: shape.to_vec(), axes }, &[x], location)
}

impl Tensor {
    /// The elements in row-major order under another shape of the same size.
    #[track_caller]
    pub fn reshape(&self, shape: impl Into<Vec<usize>>) -> Tensor {
        bind1(Reshape(shape.into()), &[self], Location::caller())
    }

    /// The axes in another order: axis `i` of the result is axis `order[i]` of self.
    #[track_caller]
    pub fn transpose(&self, order: impl Into<Vec<usize>>) -> Tensor {
        bind1(Transpose(order.into()), &[self], Location::caller())
    }

    /// The transpose of a matrix.
    #[track_caller]
    pub fn t(&self) -> Tensor {
        if self.ndim() != 2 {
            fail(Location::caller(), format!("t: a matrix expected, got {}; name the order with transpose", self.ty()));
            return crate::trace::void(self.ty().clone());
        }
        self.transpose([1, 0])
    }

    /// Repeated to `shape`, aligned at the last axis as numpy does.
    #[track_caller]
    pub fn broadcast_to(&self, shape: impl Into<Vec<usize>>) -> Tensor {
        broadcast(self, &shape.into(), Location::caller())
    }

    /// Repeated to `shape`, where axis `i` of self becomes axis `axes[i]` of the result.
    #[track_caller]
    pub fn broadcast_in_dim(&self, shape: impl Into<Vec<usize>>, axes: impl Into<Vec<usize>>) -> Tensor {
        bind1(Broadcast { shape: shape.into(), axes: axes.into() }, &[self], Location::caller())
    }

    /// The positions `start..limit` of one axis.
    #[track_caller]
    pub fn slice(&self, axis: usize, start: usize, limit: usize) -> Tensor {
        let mut slice =
            Slice { start: vec![0; self.ndim()], limit: self.shape().to_vec(), stride: vec![1; self.ndim()] };
        if axis < self.ndim() {
            (slice.start[axis], slice.limit[axis]) = (start, limit);
        } else {
            fail(Location::caller(), format!("slice: axis {axis} does not exist in {}", self.ty()));
        }
        bind1(slice, &[self], Location::caller())
    }

    /// The elements in opposite order along `axes`.
    #[track_caller]
    pub fn reverse(&self, axes: impl Into<Vec<usize>>) -> Tensor {
        bind1(Reverse(axes.into()), &[self], Location::caller())
    }
}

/// Several tensors one after the other along `axis`.
#[track_caller]
pub fn concatenate(parts: &[&Tensor], axis: usize) -> Tensor {
    bind1(Concatenate(axis), parts, Location::caller())
}
