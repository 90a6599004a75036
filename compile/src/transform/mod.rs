//! Transforms: functions to functions. Each traces what it is given into a graph and runs that graph once more on
//! values of another kind (pairs of a number and its tangent, a batch of numbers), by the rules of the primitives.
//! No primitive is named here.

mod grad;
mod jacobian;
mod jvp;
mod linearize;
mod simplify;
mod transpose;
mod vmap;

pub use grad::{grad, value_and_grad, vjp};
pub use jacobian::{hessian, hvp, jacfwd, jacrev};
pub use jvp::jvp;
pub(crate) use jvp::push;
pub use linearize::linearize;
pub(crate) use linearize::{Split, linear_half, split};
pub(crate) use transpose::pull;
pub(crate) use vmap::{move_axis, repeated, spread};
pub use vmap::{vmap, vmap_axes};

use std::panic::Location;

use crate::graph::{Graph, Node, TensorType};
use crate::host::HostArray;
use crate::ops::Tangent;
use crate::ops::constant::Constant;
use crate::ops::shape::Broadcast;
use crate::trace::{Region, Tensor, at, bind_shared, bind1, fail, leaves, region};
use crate::tree::Tree;

/// Runs the nodes of `graph` on values of another kind: `rule` makes a node's outputs from its inputs. What `rule`
/// binds is laid to the line that wrote the node.
pub(crate) fn replay<V: Clone>(graph: &Graph, params: &[V], mut rule: impl FnMut(&Node, Vec<V>) -> Vec<V>) -> Vec<V> {
    let mut values: Vec<Option<V>> = vec![None; graph.value_count()];
    for (param, value) in graph.params().iter().zip(params) {
        values[param.index()] = Some(value.clone());
    }
    for node in graph.nodes() {
        let inputs: Vec<V> = node.inputs.iter().filter_map(|i| values[i.index()].clone()).collect();
        let outputs = at(Some(node.location), || rule(node, inputs));
        for (output, value) in node.outputs.iter().zip(outputs) {
            values[output.index()] = Some(value);
        }
    }
    graph.results().iter().filter_map(|r| values[r.index()].clone()).collect()
}

/// The operations of `graph` once more, in the current scope.
pub(crate) fn inline(graph: &Graph, params: &[Tensor]) -> Vec<Tensor> {
    replay(graph, params, |node, inputs| bind_shared(&node.op, &inputs.iter().collect::<Vec<_>>(), node.location))
}

/// Zeros of the given type.
pub(crate) fn zeros(ty: &TensorType) -> Tensor {
    let location = Location::caller();
    let zero = Constant(HostArray::zeros(&TensorType::scalar(ty.dtype)));
    let zero = bind1(zero, &[], location);
    match ty.shape.is_empty() {
        true => zero,
        false => bind1(Broadcast { shape: ty.shape.clone(), axes: Vec::new() }, &[&zero], location),
    }
}

/// A tangent written out.
pub(crate) fn instantiate(tangent: Tangent, ty: &TensorType) -> Tensor {
    tangent.unwrap_or_else(|| zeros(ty))
}

/// The sum of two cotangents.
pub(crate) fn add(x: Tangent, y: Tangent) -> Tangent {
    match (x, y) {
        (Some(x), Some(y)) => Some(x + y),
        (x, y) => x.or(y),
    }
}

/// Traces a user's function on tensors of the current scope: its graph, whose parameters are the leaves of `input`
/// and then what the function captured, with all those tensors; `None` after an error. Beside it what the function
/// returned, whose tensors are good for their structure alone.
pub(crate) fn capture<I: Tree + Clone, O: Tree>(
    f: impl FnOnce(I) -> O,
    input: &I,
    location: &'static Location<'static>,
) -> (O, Option<(Graph, Vec<Tensor>)>) {
    let mut tensors = leaves(input);
    let types: Vec<TensorType> = tensors.iter().map(|t| t.ty().clone()).collect();
    // What the user's function binds is laid to its own lines.
    let (like, region) = at(None, || region(&types, location, |args| f(rebuilt(input, args))));
    let captured = region.map(|Region { graph, captures }| {
        tensors.extend(captures);
        (graph, tensors)
    });
    (like, captured)
}

/// Checks that two lists of tensors agree in type; keeps an error where they do not.
pub(crate) fn same_types(
    what: &str,
    wanted: &[Tensor],
    found: &[Tensor],
    location: &'static Location<'static>,
) -> bool {
    let list = |tensors: &[Tensor]| tensors.iter().map(|t| t.ty().to_string()).collect::<Vec<_>>().join(", ");
    let same = wanted.len() == found.len() && wanted.iter().zip(found).all(|(x, y)| x.ty() == y.ty());
    if !same {
        fail(location, format!("{what} of the types ({}) expected, got ({})", list(wanted), list(found)));
    }
    same
}

/// The structure of `like` with other tensors; after an error there may be too few of them, and `like` does as well.
pub(crate) fn rebuilt<T: Tree + Clone>(like: &T, tensors: Vec<Tensor>) -> T {
    like.rebuild(&mut tensors.into_iter()).unwrap_or_else(|| like.clone())
}
