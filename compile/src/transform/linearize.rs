//! A function in two halves: what can be computed from its arguments, and the linear map from their tangents to those
//! of its results, with coefficients from the first half. The second half is what reverse mode transposes.

use std::panic::Location;

use crate::graph::{Graph, TensorType};
use crate::ops::Tangent;
use crate::trace::{Region, Tensor, at, leaves, linear_region, region};
use crate::transform::{capture, inline, instantiate, push, rebuilt, same_types};
use crate::tree::Tree;

/// The value of `f` at `primals`, and the derivative there as a linear function from tangents to tangents. Where many
/// tangents are pushed forward, the function itself is computed once. A `while` that a tangent passes through has no
/// linear half; [`jvp`](crate::jvp) goes through it.
#[track_caller]
pub fn linearize<I: Tree + Clone, O: Tree + Clone>(f: impl FnOnce(I) -> O, primals: I) -> (O, impl Fn(I) -> O) {
    let location = Location::caller();
    let (like, captured) = capture(f, &primals, location);
    let types: Vec<TensorType> = leaves(&like).iter().map(|t| t.ty().clone()).collect();
    let halves = captured.and_then(|(graph, x)| {
        let active: Vec<bool> = (0..x.len()).map(|i| i < leaves(&primals).len()).collect();
        check_forward_mode(&graph, &x, &active, location);
        linear_half(&graph, &x, &active, location)
    });
    let outputs = match &halves {
        Some((y, ..)) => rebuilt(&like, y.clone()),
        None => like.clone(),
    };
    let map = move |tangents: I| {
        let dx = leaves(&tangents);
        let Some((_, linear, mask)) = &halves else { return like.clone() };
        if !same_types("linearize: tangents", &leaves(&primals), &dx, location) {
            return like.clone();
        }
        let inputs: Vec<Tensor> =
            dx.into_iter().filter(|t| t.dtype().is_float()).chain(linear.captures.iter().cloned()).collect();
        let mut dy = inline(&linear.graph, &inputs).into_iter();
        let written = |(ty, &live): (&TensorType, &bool)| instantiate(if live { dy.next() } else { None }, ty);
        rebuilt(&like, at(Some(location), || types.iter().zip(mask).map(written).collect()))
    };
    (outputs, map)
}

/// A linear half may hold what only reverse mode can use. Whatever has no forward mode says so here; what is traced to
/// find out is dropped.
fn check_forward_mode(graph: &Graph, x: &[Tensor], active: &[bool], location: &'static Location<'static>) {
    let tangent = |(x, &active): (&Tensor, &bool)| (active && x.dtype().is_float()).then(|| x.clone());
    let tangents: Vec<Tangent> = x.iter().zip(active).map(tangent).collect();
    region(&[], location, |_| push(graph, x, &tangents).0);
}

/// Runs `graph` on tensors of the current scope and records apart what depends on the tangents of the `active` ones
/// (those of them that are floats). Gives the outputs, the linear half (from tangents and captured coefficients to
/// those tangents that are not zero), and which outputs have such a tangent.
pub(crate) fn linear_half(
    graph: &Graph,
    primals: &[Tensor],
    active: &[bool],
    location: &'static Location<'static>,
) -> Option<(Vec<Tensor>, Region, Vec<bool>)> {
    let active: Vec<bool> = primals.iter().zip(active).map(|(x, &active)| active && x.dtype().is_float()).collect();
    let types: Vec<TensorType> =
        primals.iter().zip(&active).filter(|(_, active)| **active).map(|(x, _)| x.ty().clone()).collect();
    let mut outputs = Vec::new();
    let mut mask = Vec::new();
    let (_, linear) = linear_region(&types, location, |tangents| {
        let mut tangents = tangents.into_iter();
        let dx: Vec<Tangent> = active.iter().map(|&active| if active { tangents.next() } else { None }).collect();
        let (y, dy) = push(graph, primals, &dx);
        outputs = y;
        mask = dy.iter().map(Option::is_some).collect();
        dy.into_iter().flatten().collect::<Vec<Tensor>>()
    });
    Some((outputs, linear?.simplified(), mask))
}

/// A graph in two halves, each of them a graph.
pub(crate) struct Split {
    /// From the parameters to the results and then the residuals.
    pub known: Graph,
    /// From the tangents of the active parameters and the residuals to the tangents of the active results.
    pub linear: Graph,
    /// How many residuals there are.
    pub residuals: usize,
}

/// Splits `graph` for the tangents of its `active` parameters. Results that are `wanted` get a tangent in any case.
pub(crate) fn split(
    graph: &Graph,
    active: &[bool],
    wanted: &[bool],
    location: &'static Location<'static>,
) -> Option<Split> {
    let mut halves = None;
    let (_, known) = region(&graph.param_types(), location, |params| {
        let Some((mut outputs, linear, mask)) = linear_half(graph, &params, active, location) else {
            return params;
        };
        outputs.extend(linear.captures.iter().cloned());
        halves = Some((linear, mask));
        outputs
    });
    let (linear, mask) = halves?;
    let residuals = linear.captures.len();
    let linear = with_zeros(linear.graph, &graph.result_types(), &mask, wanted, location)?;
    Some(Split { known: known?.graph, linear, residuals })
}

/// The linear half with a zero for every result that is wanted and has no tangent.
fn with_zeros(
    linear: Graph,
    results: &[TensorType],
    mask: &[bool],
    wanted: &[bool],
    location: &'static Location<'static>,
) -> Option<Graph> {
    if mask.iter().zip(wanted).all(|(&has, &wanted)| has || !wanted) {
        return Some(linear);
    }
    let (_, padded) = region(&linear.param_types(), location, |params| {
        let mut tangents = inline(&linear, &params).into_iter();
        let rows = results.iter().zip(mask).zip(wanted);
        rows.filter_map(|((ty, &has), &wanted)| match has {
            true => tangents.next(),
            false => wanted.then(|| instantiate(None, ty)),
        })
        .collect::<Vec<Tensor>>()
    });
    Some(padded?.graph)
}
