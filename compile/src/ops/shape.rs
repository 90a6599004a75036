//! The same elements under other axes: reshape, transpose, broadcast.

use std::panic::Location;

use crate::eval::{ravel, unravel};
use crate::graph::{Graph, TensorType};
use crate::host::HostArray;
use crate::ops::{Cost, Kind, Primitive, Role, Tangent, check_axes, check_axis, join, linear_jvp};
use crate::stablehlo::{Emitter, Operand, signature};
use crate::trace::{Tensor, bind1, fail, void};

/// The elements in row-major order under another shape.
#[derive(Debug, Clone)]
pub struct Reshape(pub Vec<usize>);

impl Primitive for Reshape {
    fn kind(&self) -> Kind {
        Kind::Reshape
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

    fn eval(&self, inputs: &[&HostArray], _: &[TensorType]) -> Vec<HostArray> {
        vec![inputs[0].pick(&self.0, |at| at)]
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let moved = emitter.op(&format!("stablehlo.reshape {} : {}", inputs[0].name, signature(inputs, outputs)));
        emitter.reshapes(&moved, &inputs[0]);
        vec![moved]
    }

    fn jvp(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        linear_jvp(self, primals, tangents)
    }

    fn transpose(&self, inputs: &[Role], cotangents: &[Tangent]) -> Vec<Tangent> {
        vec![cotangents[0].as_ref().map(|ct| ct.reshape(&*inputs[0].ty().shape))]
    }

    fn batch(&self, inputs: &[Tensor], _: &[bool], size: usize) -> Vec<Tensor> {
        vec![inputs[0].reshape([&[size], &*self.0].concat())]
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        Cost::moving(inputs, outputs)
    }
}

/// The axes in another order: axis `i` of the result is axis `permutation[i]` of the operand.
#[derive(Debug, Clone)]
pub struct Transpose(pub Vec<usize>);

impl Primitive for Transpose {
    fn kind(&self) -> Kind {
        Kind::Transpose
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

    fn eval(&self, inputs: &[&HostArray], outputs: &[TensorType]) -> Vec<HostArray> {
        let (x, shape) = (inputs[0], &outputs[0].shape);
        let source = |at| {
            let mut position = vec![0; x.shape().len()];
            self.0.iter().zip(unravel(at, shape)).for_each(|(&axis, i)| position[axis] = i);
            ravel(&position, x.shape())
        };
        vec![x.pick(shape, source)]
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let order = join(&self.0);
        let types = signature(inputs, outputs);
        let moved = emitter.op(&format!("stablehlo.transpose {}, dims = [{order}] : {types}", inputs[0].name));
        emitter.reshapes(&moved, &inputs[0]);
        vec![moved]
    }

    fn jvp(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        linear_jvp(self, primals, tangents)
    }

    fn transpose(&self, _: &[Role], cotangents: &[Tangent]) -> Vec<Tangent> {
        let mut inverse = vec![0; self.0.len()];
        self.0.iter().enumerate().for_each(|(i, &axis)| inverse[axis] = i);
        vec![cotangents[0].as_ref().map(|ct| ct.transpose(inverse))]
    }

    fn batch(&self, inputs: &[Tensor], _: &[bool], _: usize) -> Vec<Tensor> {
        vec![inputs[0].transpose([vec![0], shifted(&self.0)].concat())]
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        Cost::moving(inputs, outputs)
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
    fn kind(&self) -> Kind {
        Kind::Broadcast
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

    fn eval(&self, inputs: &[&HostArray], _: &[TensorType]) -> Vec<HostArray> {
        let x = inputs[0];
        let source = |at| {
            let position = unravel(at, &self.shape);
            let own = self.axes.iter().zip(x.shape()).map(|(&axis, &size)| if size == 1 { 0 } else { position[axis] });
            ravel(&own.collect::<Vec<_>>(), x.shape())
        };
        vec![x.pick(&self.shape, source)]
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let axes = join(&self.axes);
        let types = signature(inputs, outputs);
        let moved = emitter.op(&format!("stablehlo.broadcast_in_dim {}, dims = [{axes}] : {types}", inputs[0].name));
        emitter.reshapes(&moved, &inputs[0]);
        vec![moved]
    }

    fn jvp(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        linear_jvp(self, primals, tangents)
    }

    fn transpose(&self, inputs: &[Role], cotangents: &[Tangent]) -> Vec<Tangent> {
        let shape = &inputs[0].ty().shape;
        let repeated = |axis: &usize| match self.axes.iter().position(|own| own == axis) {
            Some(own) => shape[own] != self.shape[*axis],
            None => true,
        };
        let axes: Vec<usize> = (0..self.shape.len()).filter(repeated).collect();
        let sum = |ct: &Tensor| match axes.is_empty() {
            true => ct.clone(),
            false => ct.sum_axes(axes).reshape(&**shape),
        };
        vec![cotangents[0].as_ref().map(sum)]
    }

    fn batch(&self, inputs: &[Tensor], _: &[bool], size: usize) -> Vec<Tensor> {
        vec![inputs[0].broadcast_in_dim([&[size], &*self.shape].concat(), [vec![0], shifted(&self.axes)].concat())]
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        Cost::moving(inputs, outputs)
    }
}

/// The same axes where a new one stands in front of all.
pub(crate) fn shifted(axes: &[usize]) -> Vec<usize> {
    axes.iter().map(|axis| axis + 1).collect()
}

/// Both operands under their common shape, as numpy broadcasts: aligned at the last axis, sizes equal or 1.
pub(crate) fn broadcast_together(x: &Tensor, y: &Tensor, location: &'static Location<'static>) -> (Tensor, Tensor) {
    if x.shape() == y.shape() {
        return (x.clone(), y.clone());
    }
    match broadcast_shapes(x.shape(), y.shape()) {
        Some(shape) => (broadcast(x, &shape, location), broadcast(y, &shape, location)),
        // The operation's own type rule reports it, with its name.
        None => (x.clone(), y.clone()),
    }
}

/// The shape that both shapes broadcast to, aligned at the last axis.
pub(crate) fn broadcast_shapes(x: &[usize], y: &[usize]) -> Option<Vec<usize>> {
    let ndim = x.len().max(y.len());
    let size = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(ndim).map_or(1, |own| shape[own]);
    (0..ndim)
        .map(|axis| match (size(x, axis), size(y, axis)) {
            (a, b) if a == b || b == 1 => Some(a),
            (1, b) => Some(b),
            _ => None,
        })
        .collect()
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

    /// All elements in row-major order, as a vector.
    #[track_caller]
    pub fn flatten(&self) -> Tensor {
        self.reshape([self.ty().len()])
    }

    /// With a new axis of size 1 at position `axis` of the result: `f32[2,3]` becomes `f32[2,1,3]` for axis 1.
    #[track_caller]
    pub fn expand_dims(&self, axis: usize) -> Tensor {
        if axis > self.ndim() {
            let message =
                format!("expand_dims: a new axis of {} stands at 0 to {}, not at {axis}", self.ty(), self.ndim());
            fail(Location::caller(), message);
            return void(self.ty().clone());
        }
        let mut shape = self.shape().to_vec();
        shape.insert(axis, 1);
        self.reshape(shape)
    }

    /// Without `axis`, which has size 1.
    #[track_caller]
    pub fn squeeze(&self, axis: usize) -> Tensor {
        let size = check_axis(self.ty(), axis).map(|()| self.shape()[axis]);
        let message = match size {
            Ok(1) => {
                let mut shape = self.shape().to_vec();
                shape.remove(axis);
                return self.reshape(shape);
            }
            Ok(size) => format!("axis {axis} of {} has size {size}, only an axis of size 1 can go", self.ty()),
            Err(message) => message,
        };
        fail(Location::caller(), format!("squeeze: {message}"));
        void(self.ty().clone())
    }

    /// With axis `from` at position `to` of the result, the others keeping their order.
    #[track_caller]
    pub fn move_axis(&self, from: usize, to: usize) -> Tensor {
        if let Err(message) = check_axis(self.ty(), from).and_then(|()| check_axis(self.ty(), to)) {
            fail(Location::caller(), format!("move_axis: {message}"));
            return void(self.ty().clone());
        }
        let mut order: Vec<usize> = (0..self.ndim()).filter(|&axis| axis != from).collect();
        order.insert(to, from);
        self.transpose(order)
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
            return void(self.ty().clone());
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
}
