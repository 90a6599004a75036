//! Arrays put together, and turned round.

use std::panic::Location;

use crate::dtype::Element;
use crate::eval::{ravel, unravel};
use crate::graph::{Graph, TensorType};
use crate::host::{HostArray, each_dtype};
use crate::ops::shape::shifted;
use crate::ops::{Cost, Kind, Primitive, Role, Tangent, again, check_axes, check_axis, join, linear_jvp};
use crate::stablehlo::{Emitter, Operand, array_i64, names, signature};
use crate::trace::{Tensor, bind1, fail, void};
use crate::transform::{instantiate, repeated};

/// Several tensors one after the other along one axis.
#[derive(Debug, Clone)]
pub struct Concatenate(pub usize);

impl Primitive for Concatenate {
    fn kind(&self) -> Kind {
        Kind::Concatenate
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

    fn eval(&self, inputs: &[&HostArray], outputs: &[TensorType]) -> Vec<HostArray> {
        let (axis, shape) = (self.0, &outputs[0].shape);
        let source = |at| {
            let mut position = unravel(at, shape);
            let (mut part, mut before) = (0, 0);
            while position[axis] >= inputs[part].shape()[axis] {
                position[axis] -= inputs[part].shape()[axis];
                before += inputs[part].len();
                part += 1;
            }
            before + ravel(&position, inputs[part].shape())
        };
        vec![chained(inputs).pick(shape, source)]
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let types = signature(inputs, outputs);
        vec![emitter.op(&format!("stablehlo.concatenate {}, dim = {} : {types}", names(inputs), self.0))]
    }

    fn jvp(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        let dx: Vec<Tensor> = primals.iter().zip(tangents).map(|(x, dx)| instantiate(dx.clone(), x.ty())).collect();
        (again(self, primals), again(self, &dx).into_iter().map(Some).collect())
    }

    fn transpose(&self, inputs: &[Role], cotangents: &[Tangent]) -> Vec<Tangent> {
        let mut end = 0;
        let part = |input: &Role| {
            let start = end;
            end += input.ty().shape[self.0];
            cotangents[0].as_ref().filter(|_| input.is_linear()).map(|ct| ct.slice(self.0, start, end))
        };
        inputs.iter().map(part).collect()
    }

    fn batch(&self, inputs: &[Tensor], batched: &[bool], size: usize) -> Vec<Tensor> {
        let parts: Vec<Tensor> = inputs.iter().zip(batched).map(|(x, &batched)| spread(x, batched, size)).collect();
        again(&Self(self.0 + 1), &parts)
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        Cost::moving(inputs, outputs)
    }
}

/// The operand with the problem as its first axis.
pub(crate) fn spread(x: &Tensor, batched: bool, size: usize) -> Tensor {
    if batched { x.clone() } else { repeated(x, size) }
}

/// The elements of all arrays (of one dtype), one array after the other, as a vector.
pub(crate) fn chained(arrays: &[&HostArray]) -> HostArray {
    fn chain<T: Element>(_: &[T], arrays: &[&HostArray]) -> HostArray {
        let all: Vec<T> = arrays.iter().flat_map(|a| a.values::<T>().unwrap_or_default()).copied().collect();
        HostArray::from_fn([all.len()], |at| all[at])
    }
    each_dtype!(arrays[0].data(), values => chain(values, arrays))
}

/// The elements in opposite order along the given axes.
#[derive(Debug, Clone)]
pub struct Reverse(pub Vec<usize>);

impl Primitive for Reverse {
    fn kind(&self) -> Kind {
        Kind::Reverse
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

    fn eval(&self, inputs: &[&HostArray], _: &[TensorType]) -> Vec<HostArray> {
        let (x, shape) = (inputs[0], inputs[0].shape());
        let source = |at| {
            let mut position = unravel(at, shape);
            self.0.iter().for_each(|&axis| position[axis] = shape[axis] - 1 - position[axis]);
            ravel(&position, shape)
        };
        vec![x.pick(shape, source)]
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let axes = array_i64(&self.0);
        let types = signature(inputs, outputs);
        vec![emitter.op(&format!("\"stablehlo.reverse\"({}) <{{dimensions = {axes}}}> : {types}", inputs[0].name))]
    }

    fn jvp(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        linear_jvp(self, primals, tangents)
    }

    fn transpose(&self, _: &[Role], cotangents: &[Tangent]) -> Vec<Tangent> {
        vec![cotangents[0].as_ref().map(|ct| ct.reverse(&*self.0))]
    }

    fn batch(&self, inputs: &[Tensor], _: &[bool], _: usize) -> Vec<Tensor> {
        vec![inputs[0].reverse(shifted(&self.0))]
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        Cost::moving(inputs, outputs)
    }
}

impl Tensor {
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

/// Several tensors of one type side by side along a new axis: `axis` of the result.
#[track_caller]
pub fn stack(parts: &[&Tensor], axis: usize) -> Tensor {
    let Some(first) = parts.first() else {
        return crate::trace::refuse("stack: at least one tensor expected");
    };
    let message = match parts.iter().find(|part| part.ty() != first.ty()) {
        Some(other) => format!("tensors of one type expected, got {} and {}", first.ty(), other.ty()),
        None if axis > first.ndim() => {
            format!("a new axis of {} stands at 0 to {}, not at {axis}", first.ty(), first.ndim())
        }
        None => {
            let mut wide = Vec::new();
            for part in parts {
                wide.push(part.expand_dims(axis));
            }
            return concatenate(&wide.iter().collect::<Vec<_>>(), axis);
        }
    };
    fail(Location::caller(), format!("stack: {message}"));
    void(first.ty().clone())
}
