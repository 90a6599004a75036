//! Between element types: conversion of the number, and reinterpretation of its bits.

use std::panic::Location;

use crate::dtype::DType;
use crate::graph::{Graph, TensorType};
use crate::ops::Primitive;
use crate::stablehlo::{Emitter, Operand, signature};
use crate::trace::{Tensor, bind1};

/// The same number in another element type: rounded to nearest between floats, towards zero to an integer,
/// "not zero" to bool. XLA's CPU rounds twice from f64 to f16 and bf16, by way of f32, so that a number beside a tie
/// may go to the wrong side of it.
#[derive(Debug, Clone, Copy)]
pub struct Convert(pub DType);

impl Primitive for Convert {
    fn name(&self) -> &'static str {
        "convert"
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

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        vec![emitter.op(&format!("stablehlo.convert {} : {}", inputs[0].name, signature(inputs, outputs)))]
    }
}

/// The same bits read as another element type of the same width.
#[derive(Debug, Clone, Copy)]
pub struct Bitcast(pub DType);

impl Primitive for Bitcast {
    fn name(&self) -> &'static str {
        "bitcast"
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

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        vec![emitter.op(&format!("stablehlo.bitcast_convert {} : {}", inputs[0].name, signature(inputs, outputs)))]
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
