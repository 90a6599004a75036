//! `checkpoint`: for the backward pass, compute again instead of remembering.

use std::panic::Location;

use crate::graph::{Graph, TensorType};
use crate::host::HostArray;
use crate::ops::{Cost, Kind, Primitive, Role, Tangent, again, not_linear};
use crate::stablehlo::{Emitter, Operand};
use crate::trace::{Tensor, bind, is_linearizing, region};
use crate::transform::{capture, linear_half, pull, push, rebuilt, spread};
use crate::tree::Tree;

use super::barrier::Barrier;
use super::repeat::active_results;
use super::wrapped::Wrapped;
use super::{marked, scattered};

/// A function that is computed again when its derivative is needed. Operands: the function's parameters.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// The function.
    pub graph: Graph,
}

impl Wrapped for Checkpoint {
    const KIND: Kind = Kind::Checkpoint;

    fn graph(&self) -> &Graph {
        &self.graph
    }

    fn push(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        if !is_linearizing() {
            return push(&self.graph, primals, tangents);
        }
        let location = Location::caller();
        let active: Vec<bool> = tangents.iter().map(Option::is_some).collect();
        let live: Vec<Tensor> = tangents.iter().flatten().cloned().collect();
        let Some(op) = CheckpointTangent::new(&self.graph, active, location) else {
            return (again(self, primals), vec![None; self.graph.results().len()]);
        };
        let mask = op.mask.clone();
        let operands: Vec<&Tensor> = primals.iter().chain(&live).collect();
        (again(self, primals), scattered(bind(op, &operands, location), &mask))
    }

    fn spread(&self, inputs: &[Tensor], batched: &[bool], size: usize) -> Vec<Tensor> {
        let location = Location::caller();
        let (outputs, captured) =
            capture(|x: Vec<Tensor>| spread(&self.graph, &x, batched, size).0, &inputs.to_vec(), location);
        match captured {
            Some((graph, inputs)) => again(&Checkpoint { graph }, &inputs),
            None => outputs,
        }
    }
}

/// The derivative of a checkpointed function, a linear function of the tangents. Operands: the function's parameters,
/// then the tangents of the active ones.
#[derive(Debug, Clone)]
pub struct CheckpointTangent {
    /// The function.
    graph: Graph,
    /// Which of its parameters have a tangent.
    active: Vec<bool>,
    /// Which of its results have one.
    mask: Vec<bool>,
    /// The derivative as a graph of the operands.
    tangent: Graph,
}

impl CheckpointTangent {
    fn new(graph: &Graph, active: Vec<bool>, location: &'static Location<'static>) -> Option<Self> {
        let mask = active_results(graph, &active, location);
        let types = [graph.param_types(), marked(&graph.param_types(), &active)].concat();
        let (_, tangent) = region(&types, location, |mut params| {
            let tangents = scattered(params.split_off(active.len()), &active);
            push(graph, &params, &tangents).1.into_iter().flatten().collect::<Vec<Tensor>>()
        });
        let tangent = tangent?.graph.without_dead_code();
        Some(Self { graph: graph.clone(), active, mask, tangent })
    }
}

impl Primitive for CheckpointTangent {
    fn kind(&self) -> Kind {
        Kind::Checkpoint
    }

    fn attributes(&self) -> String {
        "tangent".into()
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        vec![&self.graph, &self.tangent]
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        super::expect("the arguments", &self.tangent.param_types(), inputs)?;
        Ok(self.tangent.result_types())
    }

    fn eval(&self, inputs: &[&HostArray], _: &[TensorType]) -> Vec<HostArray> {
        self.tangent.interpret(inputs)
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], _: &[TensorType]) -> Vec<String> {
        emitter.inline(&self.tangent, &inputs.iter().map(|o| o.name.clone()).collect::<Vec<_>>())
    }

    fn jvp(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        push(&self.tangent, primals, tangents)
    }

    /// The function runs once more, behind a barrier: else the compiler would find that it has run already, and keep
    /// what it computed.
    fn transpose(&self, inputs: &[Role], cotangents: &[Tangent]) -> Vec<Tangent> {
        let primals: Option<Vec<Tensor>> = inputs[..self.active.len()].iter().map(|x| x.known().cloned()).collect();
        let Some(primals) = primals else { return not_linear(self, inputs) };
        let live: Vec<Tensor> = cotangents.iter().flatten().cloned().collect();
        let mut guarded = again(&Barrier, &[primals.as_slice(), &live].concat());
        let given: Vec<bool> = cotangents.iter().map(Option::is_some).collect();
        let cotangents = scattered(guarded.split_off(primals.len()), &given);
        let Some((_, linear, _)) = linear_half(&self.graph, &guarded, &self.active, Location::caller()) else {
            return vec![None; inputs.len()];
        };
        let own = linear.graph.params().len() - linear.captures.len();
        let known = vec![None; own].into_iter().chain(linear.captures.into_iter().map(Some)).collect::<Vec<_>>();
        let mut found = pull(&linear.graph, &known, &cotangents);
        found.truncate(own);
        [vec![None; primals.len()], found].concat()
    }

    fn batch(&self, inputs: &[Tensor], batched: &[bool], size: usize) -> Vec<Tensor> {
        spread(&self.tangent, inputs, batched, size).0
    }

    fn cost(&self, _: &[TensorType], _: &[TensorType]) -> Cost {
        self.tangent.cost()
    }
}

/// The function itself, but its gradient computes its intermediate values once more instead of keeping them in memory.
#[track_caller]
pub fn checkpoint<I: Tree + Clone, O: Tree + Clone>(f: impl Fn(I) -> O) -> impl Fn(I) -> O {
    let location = Location::caller();
    move |x| {
        let (like, captured) = capture(&f, &x, location);
        let Some((graph, inputs)) = captured else { return like };
        rebuilt(&like, bind(Checkpoint { graph }, &inputs.iter().collect::<Vec<_>>(), location))
    }
}
