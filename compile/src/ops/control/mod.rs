//! Loops and branches that run on the device, one program with what is around them; and what steers the compiler and
//! the transforms: barriers, checkpoints, derivatives of the user's own.

mod barrier;
mod case;
mod checkpoint;
mod custom_jvp;
mod custom_vjp;
mod kernel;
mod linear_solve;
mod repeat;
mod scan;
mod scan_linear;
mod unknown;
mod wrapped;

pub use barrier::{Barrier, StopGradient, optimization_barrier, stop_gradient};
pub use case::{Case, cond, switch};
pub use checkpoint::{Checkpoint, checkpoint};
pub use custom_jvp::{CustomJvp, custom_jvp};
pub use custom_vjp::{CustomVjp, Pullback, custom_vjp};
pub use kernel::{Kernel, kernel};
pub use linear_solve::{LinearSolve, linear_solve};
pub use repeat::{While, while_loop};
pub use scan::{Scan, fori_loop, map, scan, scan_reversed};

use std::panic::Location;

use crate::graph::TensorType;
use crate::ops::{Tangent, types};
use crate::trace::{Tensor, region};
use crate::transform::spread;

fn expect(what: &str, expected: &[TensorType], found: &[TensorType]) -> Result<(), String> {
    match expected == found {
        true => Ok(()),
        false => Err(format!("{what} must be {}, got {}", types(expected), types(found))),
    }
}

fn types_of(tensors: &[Tensor]) -> Vec<TensorType> {
    tensors.iter().map(|t| t.ty().clone()).collect()
}

/// The values that a mask marks.
fn marked<T: Clone>(values: &[T], mask: &[bool]) -> Vec<T> {
    values.iter().zip(mask).filter(|(_, marked)| **marked).map(|(value, _)| value.clone()).collect()
}

/// The tangents again at the places that a mask marks, zeros elsewhere.
fn scattered(tangents: impl IntoIterator<Item = Tensor>, mask: &[bool]) -> Vec<Tangent> {
    let mut tangents = tangents.into_iter();
    mask.iter().map(|&marked| if marked { tangents.next() } else { None }).collect()
}

/// All results of many problems with the problem as their first axis.
fn all_stacked((values, have): (Vec<Tensor>, Vec<bool>), size: usize) -> Vec<Tensor> {
    repeat::stacked(&values, &have, &vec![true; have.len()], size)
}

/// A rule of the user's on many problems at once: it is traced for one, and its graph run on all of them.
fn stacked_rule(
    inputs: &[Tensor],
    batched: &[bool],
    size: usize,
    location: &'static Location<'static>,
    rule: impl FnOnce(&[Tensor]) -> Vec<Tensor>,
) -> Vec<Tensor> {
    let single = |(x, &batched): (&Tensor, &bool)| match batched {
        true => x.ty().with_shape(&x.shape()[1..]),
        false => x.ty().clone(),
    };
    let types: Vec<TensorType> = inputs.iter().zip(batched).map(single).collect();
    let (like, region) = region(&types, location, |x| rule(&x));
    let Some(region) = region else { return like };
    let flags = [batched, &vec![false; region.captures.len()]].concat();
    all_stacked(spread(&region.graph, &[inputs, &region.captures].concat(), &flags, size), size)
}
