//! What changes no number: the barrier that keeps the compiler from looking across, and the end of differentiation.

use std::panic::Location;

use crate::graph::{Graph, TensorType};
use crate::host::HostArray;
use crate::ops::{Cost, Kind, Primitive, Role, Tangent, again, constant_jvp, not_linear};
use crate::stablehlo::{Emitter, Operand, names, tensors};
use crate::trace::{Tensor, bind, bind1, leaves};
use crate::transform::rebuilt;
use crate::tree::Tree;

/// The operands unchanged, but computed as they are written: nothing is moved, merged or rewritten across.
#[derive(Debug, Clone, Copy)]
pub struct Barrier;

impl Primitive for Barrier {
    fn kind(&self) -> Kind {
        Kind::Barrier
    }

    fn attributes(&self) -> String {
        String::new()
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        Ok(inputs.to_vec())
    }

    fn eval(&self, inputs: &[&HostArray], _: &[TensorType]) -> Vec<HostArray> {
        inputs.iter().copied().cloned().collect()
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let types = tensors(outputs);
        emitter.ops(outputs.len(), &format!("stablehlo.optimization_barrier {} : {types}", names(inputs)))
    }

    /// The tangents pass a barrier of their own: those that are zero need none.
    fn jvp(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        (again(self, primals), guarded(tangents))
    }

    fn transpose(&self, _: &[Role], cotangents: &[Tangent]) -> Vec<Tangent> {
        guarded(cotangents)
    }

    fn batch(&self, inputs: &[Tensor], _: &[bool], _: usize) -> Vec<Tensor> {
        again(self, inputs)
    }

    fn cost(&self, _: &[TensorType], _: &[TensorType]) -> Cost {
        Cost::default()
    }
}

/// Those of the tangents that are not zero, behind one barrier.
fn guarded(tangents: &[Tangent]) -> Vec<Tangent> {
    let mask: Vec<bool> = tangents.iter().map(Option::is_some).collect();
    let live: Vec<Tensor> = tangents.iter().flatten().cloned().collect();
    super::scattered(again(&Barrier, &live), &mask)
}

/// The operand unchanged, as a constant for every derivative.
#[derive(Debug, Clone, Copy)]
pub struct StopGradient;

impl Primitive for StopGradient {
    fn kind(&self) -> Kind {
        Kind::StopGradient
    }

    fn attributes(&self) -> String {
        String::new()
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        Ok(vec![crate::ops::one(inputs)?.clone()])
    }

    fn eval(&self, inputs: &[&HostArray], _: &[TensorType]) -> Vec<HostArray> {
        vec![inputs[0].clone()]
    }

    /// Nothing at all: the result is the operand.
    fn stablehlo(&self, _: &mut Emitter, inputs: &[Operand], _: &[TensorType]) -> Vec<String> {
        vec![inputs[0].name.clone()]
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

    fn cost(&self, _: &[TensorType], _: &[TensorType]) -> Cost {
        Cost::default()
    }
}

/// The tensors unchanged, but computed as they are written: the compiler moves and merges nothing across.
#[track_caller]
pub fn optimization_barrier<T: Tree + Clone>(tree: &T) -> T {
    let tensors = leaves(tree);
    if tensors.is_empty() {
        return tree.clone();
    }
    let operands: Vec<&Tensor> = tensors.iter().collect();
    rebuilt(tree, bind(Barrier, &operands, Location::caller()))
}

/// The tensors unchanged, as constants for every derivative.
#[track_caller]
pub fn stop_gradient<T: Tree + Clone>(tree: &T) -> T {
    let location = Location::caller();
    rebuilt(tree, leaves(tree).iter().map(|t| bind1(StopGradient, &[t], location)).collect())
}
