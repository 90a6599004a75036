//! Many problems at once: a function of single arrays becomes one of stacks of arrays.

use std::panic::Location;

use crate::graph::{Graph, TensorType};
use crate::ops::shape::{Broadcast, Transpose};
use crate::trace::{Tensor, at, bind_shared, bind1, fail, leaves, region};
use crate::transform::{rebuilt, replay};
use crate::tree::Tree;

/// Applies `f` to every slice along the first axis of its arguments, and stacks the results along theirs: one program,
/// with no loop in it.
///
/// ```
/// use tandem_compile::{Tensor, jit, vmap};
///
/// let dots = jit(vmap(|(x, y): (Tensor, Tensor)| x.dot(&y)));
/// let (x, y) = (ndarray::array![[1.0, 2.0], [3.0, 4.0]], ndarray::array![[1.0, 1.0], [2.0, 2.0]]);
/// let d: Vec<f64> = dots.call((&x, &y))?;
/// assert_eq!(d, [3.0, 14.0]);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
///
/// What `f` captures is the same for every slice.
#[track_caller]
pub fn vmap<I: Tree + Clone, O: Tree + Clone>(f: impl Fn(I) -> O) -> impl Fn(I) -> O {
    let location = Location::caller();
    move |x| {
        let axes = vec![Some(0); leaves(&x).len()];
        mapped(&f, x, &axes, &[], location)
    }
}

/// [`vmap`] along other axes: one entry of `in_axes` per array of the argument (`None`: the same for every slice), and
/// one of `out_axes` per array of the result: where the new axis stands.
#[track_caller]
pub fn vmap_axes<I: Tree + Clone, O: Tree + Clone>(
    f: impl Fn(I) -> O,
    in_axes: impl Into<Vec<Option<usize>>>,
    out_axes: impl Into<Vec<usize>>,
) -> impl Fn(I) -> O {
    let location = Location::caller();
    let (in_axes, out_axes) = (in_axes.into(), out_axes.into());
    move |x| mapped(&f, x, &in_axes, &out_axes, location)
}

/// [`vmap_axes`] at a given line.
pub(super) fn mapped<I: Tree + Clone, O: Tree + Clone>(
    f: impl Fn(I) -> O,
    x: I,
    in_axes: &[Option<usize>],
    out_axes: &[usize],
    location: &'static Location<'static>,
) -> O {
    let mut tensors = leaves(&x);
    let size = match mapped_size(&tensors, in_axes) {
        Ok(size) => size,
        Err(message) => {
            fail(location, format!("vmap: {message}"));
            return f(x);
        }
    };
    let types: Vec<TensorType> = tensors.iter().zip(in_axes).map(|(t, axis)| slice_type(t.ty(), *axis)).collect();
    let (like, region) = at(None, || region(&types, location, |args| f(rebuilt(&x, args))));
    let Some(region) = region else { return like };
    for (tensor, axis) in tensors.iter_mut().zip(in_axes) {
        *tensor = at(Some(location), || axis.map_or(tensor.clone(), |axis| move_axis(tensor, axis, 0)));
    }
    tensors.extend(region.captures);
    let batched: Vec<bool> = (0..tensors.len()).map(|i| in_axes.get(i).is_some_and(Option::is_some)).collect();
    let (outputs, flags) = spread(&region.graph, &tensors, &batched, size);
    let mut results = Vec::new();
    for (place, (output, batched)) in outputs.into_iter().zip(flags).enumerate() {
        let stacked = if batched { output } else { at(Some(location), || repeated(&output, size)) };
        let axis = out_axes.get(place).copied().unwrap_or(0);
        if axis >= stacked.ndim() {
            fail(location, format!("vmap: result {place}, {}, has no axis {axis}", stacked.ty()));
            return like;
        }
        results.push(at(Some(location), || move_axis(&stacked, 0, axis)));
    }
    rebuilt(&like, results)
}

/// How many problems there are, or what is wrong with the axes.
fn mapped_size(tensors: &[Tensor], axes: &[Option<usize>]) -> Result<usize, String> {
    if tensors.len() != axes.len() {
        return Err(format!("{} axes given for {} arguments", axes.len(), tensors.len()));
    }
    let mut first: Option<(usize, usize)> = None;
    for (at, (tensor, axis)) in tensors.iter().zip(axes).enumerate() {
        let Some(axis) = axis else { continue };
        let Some(&size) = tensor.shape().get(*axis) else {
            return Err(format!("argument {at}, {}, has no axis {axis} to map over", tensor.ty()));
        };
        let (other, wanted) = *first.get_or_insert((at, size));
        if size != wanted {
            return Err(format!(
                "sizes of the mapped axes differ: {wanted} of argument {other} and {size} of argument {at}, {}",
                tensor.ty()
            ));
        }
    }
    first.map(|(_, size)| size).ok_or("no argument is mapped".into())
}

fn slice_type(ty: &TensorType, axis: Option<usize>) -> TensorType {
    let mut slice = ty.clone();
    if let Some(axis) = axis {
        slice.shape.remove(axis);
    }
    slice
}

/// Runs a graph on `size` problems at once. Parameters that are `batched` have the problem as their first axis; so
/// have the results that are said to be.
pub(crate) fn spread(graph: &Graph, params: &[Tensor], batched: &[bool], size: usize) -> (Vec<Tensor>, Vec<bool>) {
    let pairs: Vec<(Tensor, bool)> = params.iter().cloned().zip(batched.iter().copied()).collect();
    let results = replay(graph, &pairs, |node, inputs| {
        let (x, batched): (Vec<Tensor>, Vec<bool>) = inputs.into_iter().unzip();
        if batched.iter().all(|batched| !batched) {
            let y = bind_shared(&node.op, &x.iter().collect::<Vec<_>>(), node.location);
            return y.into_iter().map(|y| (y, false)).collect();
        }
        let outputs = node.op.batch(&x, &batched, size);
        let single = node.outputs.iter().map(|&o| graph.ty(o).ndim());
        outputs
            .into_iter()
            .zip(single)
            .map(|(y, ndim)| {
                let batched = y.ndim() > ndim;
                (y, batched)
            })
            .collect()
    });
    results.into_iter().unzip()
}

/// The same array for each of `size` problems.
pub(crate) fn repeated(x: &Tensor, size: usize) -> Tensor {
    let op = Broadcast { shape: [&[size], x.shape()].concat(), axes: (1..=x.ndim()).collect() };
    bind1(op, &[x], Location::caller())
}

/// One axis moved to another place, the others keeping their order.
pub(crate) fn move_axis(x: &Tensor, from: usize, to: usize) -> Tensor {
    if from == to {
        return x.clone();
    }
    let mut order: Vec<usize> = (0..x.ndim()).filter(|&axis| axis != from).collect();
    order.insert(to, from);
    bind1(Transpose(order), &[x], Location::caller())
}
