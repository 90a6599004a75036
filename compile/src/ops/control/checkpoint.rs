//! `checkpoint`: for the backward pass, compute again instead of remembering.

use std::panic::Location;

use crate::graph::{Graph, TensorType};
use crate::host::HostArray;
use crate::ops::{Cost, Kind, Primitive, Role, Tangent, again, not_linear};
use crate::stablehlo::{Emitter, Operand};
use crate::trace::{Tensor, bind, is_linearizing, region, trace};
use crate::transform::{capture, instantiate, linear_half, push, rebuilt, spread};
use crate::tree::Tree;

use super::barrier::Barrier;
use super::repeat::active_results;
use super::unknown;
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
        let mask = active_results(&self.graph, &active, location);
        let op = CheckpointTangent { graph: self.graph.clone(), active, mask: mask.clone() };
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
}

impl CheckpointTangent {
    /// The derivative written out, from the operands: what forward mode needs, and reverse mode does not.
    fn push(&self, inputs: &[Tensor]) -> Vec<Tensor> {
        let (x, dx) = inputs.split_at(self.active.len());
        let (y, dy) = push(&self.graph, x, &scattered(dx.to_vec(), &self.active));
        let dy: Vec<Tensor> = dy.into_iter().zip(&y).map(|(dy, y)| instantiate(dy, y.ty())).collect();
        marked(&dy, &self.mask)
    }

    /// [`push`](Self::push) as a graph; `None` where the function has no forward mode.
    fn pushed(&self) -> Option<Graph> {
        let types = [self.graph.param_types(), marked(&self.graph.param_types(), &self.active)].concat();
        trace(|inputs: Vec<Tensor>| self.push(&inputs), &types).ok()
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
        vec![&self.graph]
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        let params = self.graph.param_types();
        super::expect("the arguments", &[params.clone(), marked(&params, &self.active)].concat(), inputs)?;
        Ok(marked(&self.graph.result_types(), &self.mask))
    }

    fn eval(&self, inputs: &[&HostArray], outputs: &[TensorType]) -> Vec<HostArray> {
        match self.pushed() {
            Some(graph) => graph.interpret(inputs),
            None => unknown::eval(outputs),
        }
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        match self.pushed() {
            Some(graph) => emitter.inline(&graph, &inputs.iter().map(|o| o.name.clone()).collect::<Vec<_>>()),
            None => unknown::stablehlo(emitter, outputs),
        }
    }

    fn jvp(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        let location = Location::caller();
        let (outputs, captured) = capture(|x: Vec<Tensor>| self.push(&x), &primals.to_vec(), location);
        match captured {
            Some((graph, _)) => push(&graph, primals, tangents),
            None => (outputs.clone(), vec![None; outputs.len()]),
        }
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
        [vec![None; primals.len()], linear.pull(&cotangents)].concat()
    }

    fn batch(&self, inputs: &[Tensor], batched: &[bool], size: usize) -> Vec<Tensor> {
        let location = Location::caller();
        let single = |(x, &batched): (&Tensor, &bool)| match batched {
            true => x.ty().with_shape(&x.shape()[1..]),
            false => x.ty().clone(),
        };
        let types: Vec<TensorType> = inputs.iter().zip(batched).map(single).collect();
        match region(&types, location, |x| self.push(&x)) {
            (_, Some(region)) => spread(&region.graph, inputs, batched, size).0,
            (outputs, None) => outputs,
        }
    }

    fn cost(&self, _: &[TensorType], _: &[TensorType]) -> Cost {
        self.graph.cost() * 2.0
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
