//! The primitives: one file per family, and in it everything there is to know about each.
//!
//! A primitive is a type that implements [`Primitive`]. The trait has no default methods, so that a primitive
//! which lacks a rule does not compile. The methods on [`Tensor`](crate::Tensor) that users call stand in the
//! same file, after the rules.

use std::fmt;

use crate::graph::{Graph, TensorType};
use crate::stablehlo::{Emitter, Operand};

pub mod binary;
pub mod compare;
pub mod constant;
pub mod control;
pub mod convert;
pub mod dot;
pub mod factor;
pub mod index;
pub mod reduce;
pub mod shape;
pub mod sort;
pub mod unary;

/// The rules of one primitive operation.
pub trait Primitive: fmt::Debug + Send + Sync + 'static {
    /// The name in printed graphs and messages.
    fn name(&self) -> &'static str;

    /// Whatever is not an operand, as printed graphs show it; empty where there is nothing.
    fn attributes(&self) -> String;

    /// The graphs that the operation runs: the condition and body of a loop, the branches of a conditional.
    fn subgraphs(&self) -> Vec<&Graph>;

    /// The type rule: output types from input types, or what is wrong with the inputs.
    ///
    /// # Errors
    /// What was expected and what came, without the primitive's name.
    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String>;

    /// Writes the operation as StableHLO and returns the names of its results.
    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String>;
}

/// `f32[3] and f64[3]`: the operands' types, for messages.
pub(crate) fn types(inputs: &[TensorType]) -> String {
    inputs.iter().map(TensorType::to_string).collect::<Vec<_>>().join(" and ")
}

/// The one input of a primitive that takes one.
pub(crate) fn one(inputs: &[TensorType]) -> Result<&TensorType, String> {
    match inputs {
        [x] => Ok(x),
        _ => Err(format!("one operand expected, got {}", inputs.len())),
    }
}

/// The two inputs of a primitive that takes two.
pub(crate) fn two(inputs: &[TensorType]) -> Result<(&TensorType, &TensorType), String> {
    match inputs {
        [x, y] => Ok((x, y)),
        _ => Err(format!("two operands expected, got {}", inputs.len())),
    }
}

/// Checks that `axis` is one of `ty`'s.
pub(crate) fn check_axis(ty: &TensorType, axis: usize) -> Result<(), String> {
    match axis < ty.ndim() {
        true => Ok(()),
        false => Err(format!("axis {axis} does not exist in {ty}, which has {} axes", ty.ndim())),
    }
}

/// Checks that `axes` are axes of `ty`, each named once.
pub(crate) fn check_axes(ty: &TensorType, axes: &[usize]) -> Result<(), String> {
    for (i, &axis) in axes.iter().enumerate() {
        check_axis(ty, axis)?;
        if axes[..i].contains(&axis) {
            return Err(format!("axis {axis} is named twice"));
        }
    }
    Ok(())
}

/// `0, 2, 1`: a list as MLIR attributes and printed graphs write it.
pub(crate) fn join<T: fmt::Display>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}
