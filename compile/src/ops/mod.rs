//! The primitives: one file per family, and in it everything there is to know about each.
//!
//! A primitive is a type that implements [`Primitive`]. The trait has no default methods, so that a primitive
//! which lacks a rule does not compile. The methods on [`Tensor`] that users call stand in the
//! same file, after the rules.

use std::fmt;
use std::panic::Location;

use crate::graph::{Graph, TensorType};
use crate::host::HostArray;
use crate::stablehlo::{Emitter, Operand};
use crate::trace::{Tensor, bind, fail};

pub use kind::Kind;

pub mod arg_reduce;
pub mod arg_window;
pub mod binary;
pub mod clamp;
mod combine;
pub mod compare;
pub mod constant;
pub mod control;
pub mod convert;
pub mod convolution;
pub mod cumulative;
pub mod dot;
pub(crate) mod elementwise;
mod expand;
pub mod factor;
pub mod fold;
pub mod gather;
pub mod index;
pub mod join;
mod kind;
mod operator;
pub mod pad;
pub mod reduce;
pub mod reduce_window;
pub mod scatter;
pub mod shape;
pub mod slice;
pub mod sort;
mod special;
pub mod top_k;
pub mod unary;
mod wide;
pub mod windows;

/// A tangent or a cotangent; `None` is zero, and what an integer or a truth value has.
pub type Tangent = Option<Tensor>;

/// What a transpose rule is told of an operand.
#[derive(Debug, Clone)]
pub enum Role {
    /// The operation is a linear function of this operand, of which only the type is known.
    Linear(TensorType),
    /// A coefficient.
    Known(Tensor),
}

impl Role {
    /// Element type and shape.
    pub fn ty(&self) -> &TensorType {
        match self {
            Role::Linear(ty) => ty,
            Role::Known(tensor) => tensor.ty(),
        }
    }

    /// Whether the operation is linear in this operand.
    pub fn is_linear(&self) -> bool {
        matches!(self, Role::Linear(_))
    }

    /// The tensor, where it is a coefficient.
    pub fn known(&self) -> Option<&Tensor> {
        match self {
            Role::Linear(_) => None,
            Role::Known(tensor) => Some(tensor),
        }
    }
}

/// The rules of one primitive operation.
pub trait Primitive: fmt::Debug + Send + Sync + 'static {
    /// Which primitive this is; its name is what printed graphs and messages show.
    fn kind(&self) -> Kind;

    /// Whatever is not an operand, as printed graphs show it; empty where there is nothing.
    fn attributes(&self) -> String;

    /// The graphs that the operation runs: the condition and body of a loop, the branches of a conditional.
    fn subgraphs(&self) -> Vec<&Graph>;

    /// The type rule: output types from input types, or what is wrong with the inputs.
    ///
    /// # Errors
    /// What was expected and what came, without the primitive's name.
    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String>;

    /// The reference: the outputs (of the given types) from the inputs, in plain Rust.
    fn eval(&self, inputs: &[&HostArray], outputs: &[TensorType]) -> Vec<HostArray>;

    /// Writes the operation as StableHLO and returns the names of its results.
    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String>;

    /// Forward mode: computes the outputs, and their tangents from those of the inputs, of which at least one is not
    /// zero. Everything that depends on a tangent must be linear in it: while a function is being linearized, it is
    /// recorded apart from the rest, and transposed afterwards.
    fn jvp(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>);

    /// Reverse mode of a linear function: from the outputs' cotangents, of which at least one is not zero, the
    /// cotangents of the operands in which it is linear (`None` for the coefficients).
    fn transpose(&self, inputs: &[Role], cotangents: &[Tangent]) -> Vec<Tangent>;

    /// The operation on `size` problems at once. Inputs that are `batched` (at least one is) have the problem as
    /// their first axis, and so have the outputs; one that depends on no batched input may come without.
    fn batch(&self, inputs: &[Tensor], batched: &[bool], size: usize) -> Vec<Tensor>;

    /// The work of one execution.
    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost;
}

/// The work that an operation does, as its formula says, whatever a compiler makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Cost {
    /// Additions, multiplications, comparisons and the like.
    pub flops: f64,
    /// Evaluations of exp, log, sin and the like.
    pub transcendentals: f64,
    /// Bytes read and written, if nothing were fused.
    pub bytes: f64,
}

impl Cost {
    /// Work of `flops` that reads and writes its operands once.
    pub(crate) fn flops(flops: usize, inputs: &[TensorType], outputs: &[TensorType]) -> Self {
        Self { flops: flops as f64, ..Self::moving(inputs, outputs) }
    }

    /// No arithmetic: operands are read and results written.
    pub(crate) fn moving(inputs: &[TensorType], outputs: &[TensorType]) -> Self {
        let bytes = |types: &[TensorType]| types.iter().map(|ty| ty.len() as f64 * ty.dtype.size() as f64).sum::<f64>();
        Self { bytes: bytes(inputs) + bytes(outputs), ..Self::default() }
    }
}

impl std::ops::Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            flops: self.flops + other.flops,
            transcendentals: self.transcendentals + other.transcendentals,
            bytes: self.bytes + other.bytes,
        }
    }
}

impl std::ops::Mul<f64> for Cost {
    type Output = Self;

    fn mul(self, times: f64) -> Self {
        Self { flops: self.flops * times, transcendentals: self.transcendentals * times, bytes: self.bytes * times }
    }
}

/// Appends `op` itself to the current scope: what a rule does for its outputs.
pub(crate) fn again<P: Primitive + Clone>(op: &P, inputs: &[Tensor]) -> Vec<Tensor> {
    bind(op.clone(), &inputs.iter().collect::<Vec<_>>(), Location::caller())
}

/// The jvp rule of what has no derivative, or a derivative that is zero wherever there is one.
pub(crate) fn constant_jvp<P: Primitive + Clone>(op: &P, primals: &[Tensor]) -> (Vec<Tensor>, Vec<Tangent>) {
    let outputs = again(op, primals);
    let tangents = outputs.iter().map(|_| None).collect();
    (outputs, tangents)
}

/// The jvp rule of a function of one operand that is linear in it: its tangent is the function of the tangent.
pub(crate) fn linear_jvp<P: Primitive + Clone>(
    op: &P,
    primals: &[Tensor],
    tangents: &[Tangent],
) -> (Vec<Tensor>, Vec<Tangent>) {
    let outputs = again(op, primals);
    let tangents = match &tangents[0] {
        Some(dx) => again(op, std::slice::from_ref(dx)).into_iter().map(Some).collect(),
        None => outputs.iter().map(|_| None).collect(),
    };
    (outputs, tangents)
}

/// The transpose rule of what is linear in no operand: reached by no correct jvp rule.
#[track_caller]
pub(crate) fn not_linear(op: &impl Primitive, inputs: &[Role]) -> Vec<Tangent> {
    fail(Location::caller(), format!("{}: not a linear function of its tangent, so it has no reverse mode", op.kind()));
    inputs.iter().map(|_| None).collect()
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
