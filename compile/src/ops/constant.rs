//! Values that depend on no input: constants and counters.

use std::panic::Location;

use crate::dtype::{DType, Element};
use crate::eval::unravel;
use crate::graph::{Graph, TensorType};
use crate::host::HostArray;
use crate::ops::convert::converted;
use crate::ops::{Cost, Kind, Primitive, Role, Tangent, again, constant_jvp, not_linear};
use crate::stablehlo::{Emitter, Operand, tensor};
use crate::trace::{Tensor, bind1, fail};

/// An array known when the program is traced.
#[derive(Debug, Clone)]
pub struct Constant(pub HostArray);

impl Primitive for Constant {
    fn kind(&self) -> Kind {
        Kind::Constant
    }

    fn attributes(&self) -> String {
        match self.0.len() {
            1 => self.0.element_text(0),
            n => format!("{n} elements"),
        }
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, _: &[TensorType]) -> Result<Vec<TensorType>, String> {
        Ok(vec![self.0.ty()])
    }

    fn eval(&self, _: &[&HostArray], _: &[TensorType]) -> Vec<HostArray> {
        vec![self.0.clone()]
    }

    fn stablehlo(&self, emitter: &mut Emitter, _: &[Operand], _: &[TensorType]) -> Vec<String> {
        vec![emitter.constant(&self.0)]
    }

    fn jvp(&self, primals: &[Tensor], _: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        constant_jvp(self, primals)
    }

    fn transpose(&self, inputs: &[Role], _: &[Tangent]) -> Vec<Tangent> {
        not_linear(self, inputs)
    }

    fn batch(&self, inputs: &[Tensor], _: &[bool], _: usize) -> Vec<Tensor> {
        again(self, inputs)
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        Cost::moving(inputs, outputs)
    }
}

/// The position along one axis: `iota[i, j] = i` for axis 0.
#[derive(Debug, Clone)]
pub struct Iota {
    /// Element type (a number type) and shape.
    pub ty: TensorType,
    /// The axis that is counted.
    pub axis: usize,
}

impl Primitive for Iota {
    fn kind(&self) -> Kind {
        Kind::Iota
    }

    fn attributes(&self) -> String {
        format!("axis {}", self.axis)
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, _: &[TensorType]) -> Result<Vec<TensorType>, String> {
        super::check_axis(&self.ty, self.axis)?;
        match self.ty.dtype {
            DType::Bool => Err("bool cannot count".into()),
            _ => Ok(vec![self.ty.clone()]),
        }
    }

    fn eval(&self, _: &[&HostArray], outputs: &[TensorType]) -> Vec<HostArray> {
        let ty = &outputs[0];
        let position = HostArray::from_fn(ty.shape.clone(), |at| unravel(at, &ty.shape)[self.axis] as i64);
        vec![converted(&position, ty)]
    }

    fn stablehlo(&self, emitter: &mut Emitter, _: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        vec![emitter.op(&format!("stablehlo.iota dim = {} : {}", self.axis, tensor(&outputs[0])))]
    }

    fn jvp(&self, primals: &[Tensor], _: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        constant_jvp(self, primals)
    }

    fn transpose(&self, inputs: &[Role], _: &[Tangent]) -> Vec<Tangent> {
        not_linear(self, inputs)
    }

    fn batch(&self, inputs: &[Tensor], _: &[bool], _: usize) -> Vec<Tensor> {
        again(self, inputs)
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        Cost::moving(inputs, outputs)
    }
}

/// An array known when the program is traced.
#[track_caller]
pub fn constant(value: &HostArray) -> Tensor {
    bind1(Constant(value.clone()), &[], Location::caller())
}

/// A single number of the Rust type's dtype.
#[track_caller]
pub fn scalar<T: Element>(value: T) -> Tensor {
    constant(&HostArray::scalar(value))
}

/// A single number of the given dtype, rounded to it.
///
/// A number that does not fit (1e300 in f32, 1.5 in i32) is an error of the trace.
#[track_caller]
pub fn number(value: f64, dtype: DType) -> Tensor {
    match HostArray::scalar(value).cast(dtype) {
        Ok(value) => constant(&value),
        Err(e) => {
            fail(Location::caller(), format!("number: {e}"));
            crate::trace::void(TensorType::scalar(dtype))
        }
    }
}

/// `shape` filled with one number, rounded to `dtype`.
#[track_caller]
pub fn full(shape: impl Into<Vec<usize>>, value: f64, dtype: DType) -> Tensor {
    number(value, dtype).broadcast_to(shape)
}

/// `shape` filled with zeros.
#[track_caller]
pub fn zeros(shape: impl Into<Vec<usize>>, dtype: DType) -> Tensor {
    full(shape, 0.0, dtype)
}

/// `shape` filled with ones.
#[track_caller]
pub fn ones(shape: impl Into<Vec<usize>>, dtype: DType) -> Tensor {
    full(shape, 1.0, dtype)
}

/// An array of `shape` that holds each element's position along `axis`.
#[track_caller]
pub fn iota(shape: impl Into<Vec<usize>>, axis: usize, dtype: DType) -> Tensor {
    bind1(Iota { ty: TensorType::new(dtype, shape), axis }, &[], Location::caller())
}

/// The `n` x `n` identity matrix.
#[track_caller]
pub fn eye(n: usize, dtype: DType) -> Tensor {
    iota([n, n], 0, DType::I32).eq(iota([n, n], 1, DType::I32)).convert(dtype)
}
