//! Derivatives by way of an expansion: an operation whose derivative is that of the same function written in simpler
//! ones.

use std::panic::Location;

use crate::ops::Tangent;
use crate::trace::{Tensor, region};
use crate::transform::push;

/// The tangents of `f(primals)`, where `f` uses nothing but its arguments.
pub(crate) fn tangents_through(
    primals: &[Tensor],
    tangents: &[Tangent],
    f: impl FnOnce(&[Tensor]) -> Vec<Tensor>,
) -> Vec<Tangent> {
    let types: Vec<_> = primals.iter().map(|x| x.ty().clone()).collect();
    let (like, expansion) = region(&types, Location::caller(), |arguments| f(&arguments));
    match expansion {
        Some(expansion) => push(&expansion.graph, primals, tangents).1,
        None => like.iter().map(|_| None).collect(),
    }
}
