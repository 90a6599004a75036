//! Reverse mode of a linear graph: cotangents flow from its results back to its parameters.

use crate::graph::Graph;
use crate::ops::{Role, Tangent};
use crate::trace::{Region, Tensor, at, bind_shared};
use crate::transform::add;

/// The transpose of a linear graph: the cotangents of the parameters that are linear, from those of the results. A
/// parameter that is `known` is a coefficient, and so is what is computed from coefficients alone; every other
/// operation is linear in those of its operands that are none.
pub(crate) fn pull(graph: &Graph, known: &[Option<Tensor>], cotangents: &[Tangent]) -> Vec<Tangent> {
    let mut coefficients: Vec<Option<Tensor>> = vec![None; graph.value_count()];
    for (param, tensor) in graph.params().iter().zip(known) {
        coefficients[param.index()] = tensor.clone();
    }
    for node in graph.nodes() {
        let inputs: Option<Vec<&Tensor>> = node.inputs.iter().map(|i| coefficients[i.index()].as_ref()).collect();
        if let Some(inputs) = inputs {
            let outputs = at(Some(node.location), || bind_shared(&node.op, &inputs, node.location));
            for (output, tensor) in node.outputs.iter().zip(outputs) {
                coefficients[output.index()] = Some(tensor);
            }
        }
    }
    let mut sums: Vec<Tangent> = vec![None; graph.value_count()];
    for (result, cotangent) in graph.results().iter().zip(cotangents) {
        let sum = sums[result.index()].take();
        sums[result.index()] = add(sum, cotangent.clone());
    }
    for node in graph.nodes().iter().rev() {
        let cotangents: Vec<Tangent> = node.outputs.iter().map(|o| sums[o.index()].take()).collect();
        let known = node.outputs.iter().all(|o| coefficients[o.index()].is_some());
        if known || cotangents.iter().all(Option::is_none) {
            continue;
        }
        let roles: Vec<Role> = node
            .inputs
            .iter()
            .map(|i| match &coefficients[i.index()] {
                Some(tensor) => Role::Known(tensor.clone()),
                None => Role::Linear(graph.ty(*i).clone()),
            })
            .collect();
        at(Some(node.location), || {
            for (input, cotangent) in node.inputs.iter().zip(node.op.transpose(&roles, &cotangents)) {
                let sum = sums[input.index()].take();
                sums[input.index()] = add(sum, cotangent);
            }
        });
    }
    graph.params().iter().map(|p| sums[p.index()].clone()).collect()
}

impl Region {
    /// The cotangents of a linear half's own parameters; what it captured are its coefficients.
    pub(crate) fn pull(&self, cotangents: &[Tangent]) -> Vec<Tangent> {
        let own = self.graph.params().len() - self.captures.len();
        let known: Vec<Option<Tensor>> =
            vec![None; own].into_iter().chain(self.captures.iter().cloned().map(Some)).collect();
        let mut found = pull(&self.graph, &known, cotangents);
        found.truncate(own);
        found
    }
}
