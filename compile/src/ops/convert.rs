//! Between element types: conversion of the number, and reinterpretation of its bits.

use std::panic::Location;

use half::{bf16, f16};

use crate::dtype::{DType, Element};
use crate::graph::{Graph, TensorType};
use crate::host::{HostArray, HostData};
use crate::ops::elementwise::{Float, exact_integers, per_element, wrapped};
use crate::ops::{Cost, Kind, Primitive, Role, Tangent, again, constant_jvp, linear_jvp, not_linear};
use crate::stablehlo::{Emitter, Operand, signature, tensor};
use crate::trace::{Tensor, bind1};

/// The same number in another element type: rounded to nearest between floats, towards zero to an integer,
/// "not zero" to bool. XLA's CPU rounds twice from f64 to f16 and bf16, by way of f32, so that a number beside a tie
/// may go to the wrong side of it.
#[derive(Debug, Clone, Copy)]
pub struct Convert(pub DType);

impl Primitive for Convert {
    fn kind(&self) -> Kind {
        Kind::Convert
    }

    fn attributes(&self) -> String {
        String::new()
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        Ok(vec![super::one(inputs)?.with_dtype(self.0)])
    }

    fn eval(&self, inputs: &[&HostArray], outputs: &[TensorType]) -> Vec<HostArray> {
        vec![converted(inputs[0], &outputs[0])]
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        if inputs[0].ty.dtype == DType::Bool && outputs[0].dtype.is_float() {
            return vec![chosen(emitter, &inputs[0], &outputs[0])];
        }
        vec![emitter.op(&format!("stablehlo.convert {} : {}", inputs[0].name, signature(inputs, outputs)))]
    }

    fn jvp(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        match self.0.is_float() {
            true => linear_jvp(self, primals, tangents),
            false => constant_jvp(self, primals),
        }
    }

    fn transpose(&self, inputs: &[Role], cotangents: &[Tangent]) -> Vec<Tangent> {
        vec![cotangents[0].as_ref().map(|ct| ct.convert(inputs[0].ty().dtype))]
    }

    fn batch(&self, inputs: &[Tensor], _: &[bool], _: usize) -> Vec<Tensor> {
        again(self, inputs)
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        per_element(false, inputs, outputs)
    }
}

/// The same bits read as another element type of the same width.
#[derive(Debug, Clone, Copy)]
pub struct Bitcast(pub DType);

impl Primitive for Bitcast {
    fn kind(&self) -> Kind {
        Kind::Bitcast
    }

    fn attributes(&self) -> String {
        String::new()
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        let x = super::one(inputs)?;
        match x.dtype.size() == self.0.size() && (x.dtype == DType::Bool) == (self.0 == DType::Bool) {
            true => Ok(vec![x.with_dtype(self.0)]),
            false => Err(format!("{x} and {} differ in width", self.0)),
        }
    }

    fn eval(&self, inputs: &[&HostArray], outputs: &[TensorType]) -> Vec<HostArray> {
        vec![with_bits(&outputs[0], &bits(inputs[0]))]
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        vec![emitter.op(&format!("stablehlo.bitcast_convert {} : {}", inputs[0].name, signature(inputs, outputs)))]
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

/// The numbers in another element type, as [`Convert`] says; what an integer type cannot hold becomes its nearest
/// end, and NaN 0, where it was a float, and wraps, where it was an integer.
pub(crate) fn converted(x: &HostArray, ty: &TensorType) -> HostArray {
    fn fill<X: Copy, T: Element>(ty: &TensorType, x: &[X], convert: impl Fn(X) -> T) -> HostArray {
        HostArray::from_fn(ty.shape.clone(), |i| convert(x[i]))
    }
    if !x.dtype().is_float() && !ty.dtype.is_float() && ty.dtype != DType::Bool {
        return wrapped(ty, exact_integers(x));
    }
    let x: Vec<f64> = match ty.dtype {
        _ if x.dtype().is_float() => x.to_f64(),
        DType::F64 => exact_integers(x).into_iter().map(|x| x as f64).collect(),
        _ => exact_integers(x).into_iter().map(to_odd).collect(),
    };
    match ty.dtype {
        DType::F64 => fill(ty, &x, f64::nearest),
        DType::F32 => fill(ty, &x, f32::nearest),
        DType::F16 => fill(ty, &x, f16::nearest),
        DType::BF16 => fill(ty, &x, bf16::nearest),
        DType::I64 => fill(ty, &x, |x| x as i64),
        DType::I32 => fill(ty, &x, |x| x as i32),
        DType::U32 => fill(ty, &x, |x| x as u32),
        DType::Bool => fill(ty, &x, |x| x != 0.0),
    }
}

/// Rounds to odd: an integer that f64 does not hold becomes its neighbour with the last bit set, so that rounding once
/// more, to fewer bits, sees on which side of a tie it was.
fn to_odd(x: i128) -> f64 {
    let y = x as f64;
    if y as i128 == x {
        return y;
    }
    let toward_zero = y.to_bits() - u64::from((y as i128).abs() > x.abs());
    f64::from_bits(toward_zero | 1)
}

fn bits(x: &HostArray) -> Vec<u64> {
    match x.data() {
        HostData::F64(v) => v.iter().map(|x| x.to_bits()).collect(),
        HostData::F32(v) => v.iter().map(|x| x.to_bits().into()).collect(),
        HostData::F16(v) => v.iter().map(|x| x.to_bits().into()).collect(),
        HostData::BF16(v) => v.iter().map(|x| x.to_bits().into()).collect(),
        HostData::I64(v) => v.iter().map(|&x| x as u64).collect(),
        HostData::I32(v) => v.iter().map(|&x| (x as u32).into()).collect(),
        HostData::U32(v) => v.iter().map(|&x| x.into()).collect(),
        HostData::Bool(v) => v.iter().map(|&x| x.into()).collect(),
    }
}

fn with_bits(ty: &TensorType, bits: &[u64]) -> HostArray {
    fn fill<T: Element>(ty: &TensorType, bits: &[u64], read: impl Fn(u64) -> T) -> HostArray {
        HostArray::from_fn(ty.shape.clone(), |i| read(bits[i]))
    }
    match ty.dtype {
        DType::F64 => fill(ty, bits, f64::from_bits),
        DType::F32 => fill(ty, bits, |x| f32::from_bits(x as u32)),
        DType::F16 => fill(ty, bits, |x| f16::from_bits(x as u16)),
        DType::BF16 => fill(ty, bits, |x| bf16::from_bits(x as u16)),
        DType::I64 => fill(ty, bits, |x| x as i64),
        DType::I32 => fill(ty, bits, |x| x as i32),
        DType::U32 => fill(ty, bits, |x| x as u32),
        DType::Bool => fill(ty, bits, |x| x == 1),
    }
}

impl Tensor {
    /// The same numbers in another element type: rounded to nearest between floats, towards zero to an integer,
    /// "not zero" to bool.
    #[track_caller]
    pub fn convert(&self, dtype: DType) -> Tensor {
        match dtype == self.dtype() {
            true => self.clone(),
            false => bind1(Convert(dtype), &[self], Location::caller()),
        }
    }

    /// The same bits read as another element type of the same width, such as f32 as i32.
    #[track_caller]
    pub fn bitcast(&self, dtype: DType) -> Tensor {
        bind1(Bitcast(dtype), &[self], Location::caller())
    }
}

/// A truth value as one or zero, by a choice: of the product of a converted one with a number XLA makes a choice between the
/// number and zero, in which false times NaN is zero (`docs/notes/false-times-nan.md`).
fn chosen(emitter: &mut Emitter, which: &Operand, ty: &TensorType) -> String {
    let scalar = TensorType::scalar(ty.dtype);
    let mut filled = |x: f64| {
        let value = HostArray::scalar(x).cast(ty.dtype).unwrap_or_else(|_| HostArray::zeros(&scalar));
        let operand = Operand { name: emitter.constant(&value), ty: scalar.clone() };
        emitter.spread(&operand, ty)
    };
    let (one, zero) = (filled(1.0), filled(0.0));
    emitter.op(&format!("stablehlo.select {}, {one}, {zero} : {}, {}", which.name, tensor(&which.ty), tensor(ty)))
}
