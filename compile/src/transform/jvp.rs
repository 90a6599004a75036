//! Forward mode: the derivative of a function along a direction.

use std::panic::Location;

use crate::graph::Graph;
use crate::ops::Tangent;
use crate::trace::{Region, Tensor, at, bind_shared, depends_on_tangents, is_linearizing, leaves, region};
use crate::transform::{capture, inline, instantiate, rebuilt, replay, same_types};
use crate::tree::Tree;

/// The value of `f` at `primals`, and its derivative there along `tangents`: how the outputs change per unit of a step
/// in that direction. Tangents of integers and truth values are not read, and those of such outputs are zero.
///
/// ```
/// use tandem_compile::{Tensor, jit, jvp};
///
/// let slope = jit(|(x, dx): (Tensor, Tensor)| jvp(|x: Tensor| x.sin(), x, dx));
/// let (y, dy): (f64, f64) = slope.call((0.0, 2.0))?;
/// assert_eq!((y, dy), (0.0, 2.0));
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn jvp<I: Tree + Clone, O: Tree + Clone>(f: impl FnOnce(I) -> O, primals: I, tangents: I) -> (O, O) {
    jvp_at(f, primals, tangents, Location::caller())
}

/// [`jvp`] at a given line.
pub(super) fn jvp_at<I: Tree + Clone, O: Tree + Clone>(
    f: impl FnOnce(I) -> O,
    primals: I,
    tangents: I,
    location: &'static Location<'static>,
) -> (O, O) {
    let dx = leaves(&tangents);
    let same = same_types("jvp: tangents", &leaves(&primals), &dx, location);
    let (like, captured) = capture(f, &primals, location);
    let Some((graph, x)) = captured.filter(|_| same) else { return (like.clone(), like) };
    let tangents = dx.clone();
    let mut dx: Vec<Tangent> = dx.into_iter().map(differentiable).collect();
    dx.resize(x.len(), None);
    let pushed = |x: &[Tensor], dx: &[Tangent]| {
        let (y, dy) = push(&graph, x, dx);
        let dy: Vec<Tensor> = dy.into_iter().zip(&y).map(|(dy, y)| instantiate(dy, y.ty())).collect();
        [y, dy].concat()
    };
    let mut y = at(Some(location), || match is_linearizing() && !depends_on_tangents(&tangents) {
        // A derivative for its own sake, in a rule of the user's: none of it is a half of the function around it.
        true => apart(location, || pushed(&x, &dx)),
        false => pushed(&x, &dx),
    });
    let dy = y.split_off(y.len() / 2);
    (rebuilt(&like, y), rebuilt(&like, dy))
}

/// What `f` binds, in a scope of its own first and then in the current one.
fn apart(location: &'static Location<'static>, f: impl FnOnce() -> Vec<Tensor>) -> Vec<Tensor> {
    let (like, region) = region(&[], location, |_| f());
    region.map_or(like, |Region { graph, captures }| inline(&graph, &captures))
}

/// The tensor as a tangent: integers and truth values have none.
fn differentiable(tensor: Tensor) -> Tangent {
    tensor.dtype().is_float().then_some(tensor)
}

/// Runs a graph on pairs of a value and its tangent.
pub(crate) fn push(graph: &Graph, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
    let pairs: Vec<(Tensor, Tangent)> = primals.iter().cloned().zip(tangents.iter().cloned()).collect();
    let results = replay(graph, &pairs, |node, inputs| {
        let (x, dx): (Vec<Tensor>, Vec<Tangent>) = inputs.into_iter().unzip();
        if dx.iter().all(Option::is_none) {
            let y = bind_shared(&node.op, &x.iter().collect::<Vec<_>>(), node.location);
            return y.into_iter().map(|y| (y, None)).collect();
        }
        let (y, dy) = node.op.jvp(&x, &dx);
        y.into_iter().zip(dy).collect()
    });
    results.into_iter().unzip()
}
