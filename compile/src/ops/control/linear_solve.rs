//! `linear_solve`: the solution of a linear system by any method, with the derivative that every method has.

use std::panic::Location;

use crate::graph::Graph;
use crate::ops::{Kind, Role, Tangent, again, not_linear};
use crate::trace::{Tensor, bind, fail};
use crate::transform::{add, capture, push, rebuilt, spread};
use crate::tree::Tree;

use super::all_stacked;
use super::repeat::stacked;
use super::wrapped::Wrapped;

/// The x with A x = b for a symmetric A, first of the results. Operands: b, what A is made of, what else the solver uses.
#[derive(Debug, Clone)]
pub struct LinearSolve {
    /// The solver; its parameters are the operands.
    graph: Graph,
    /// From x and what A is made of to A x.
    apply: Graph,
}

impl LinearSolve {
    /// How many operands A is made of.
    fn coefficients(&self) -> usize {
        self.apply.params().len() - 1
    }
}

impl Wrapped for LinearSolve {
    const KIND: Kind = Kind::LinearSolve;

    fn graph(&self) -> &Graph {
        &self.graph
    }

    /// A dx = db - dA x, by the same solver.
    fn push(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        let outputs = again(self, primals);
        let Some(x) = outputs.first() else { return (outputs, Vec::new()) };
        let made_of = 1..=self.coefficients();
        let known = [std::slice::from_ref(x), &primals[made_of.clone()]].concat();
        let moved = match tangents[made_of.clone()].iter().any(Option::is_some) {
            true => push(&self.apply, &known, &[&[None], &tangents[made_of]].concat()).1.swap_remove(0),
            false => None,
        };
        let right = add(tangents[0].clone(), moved.map(|moved| -moved));
        let dx = right.map(|right| again(self, &[&[right], &primals[1..]].concat()).swap_remove(0));
        let others = vec![None; outputs.len() - 1];
        (outputs, [vec![dx], others].concat())
    }

    /// A is its own transpose, and so is its inverse.
    fn pull(&self, inputs: &[Role], cotangents: &[Tangent]) -> Vec<Tangent> {
        let known: Option<Vec<Tensor>> = inputs[1..].iter().map(|role| role.known().cloned()).collect();
        let Some(known) = known else { return not_linear(self, inputs) };
        let of_right = cotangents[0]
            .as_ref()
            .map(|ct| again(self, &[std::slice::from_ref(ct), &known[..]].concat()).swap_remove(0));
        std::iter::once(of_right).chain(known.iter().map(|_| None)).collect()
    }

    fn spread(&self, inputs: &[Tensor], batched: &[bool], size: usize) -> Vec<Tensor> {
        let location = Location::caller();
        // The solution depends on everything; what only A and the solver use may stay single.
        let flags = [&[true], &batched[1..]].concat();
        let inputs = stacked(inputs, batched, &flags, size);
        let whole = |graph: &Graph, operands: &[Tensor]| {
            let flags = &flags[..operands.len()];
            capture(|x: Vec<Tensor>| all_stacked(spread(graph, &x, flags, size), size), &operands.to_vec(), location)
        };
        let (outputs, solver) = whole(&self.graph, &inputs);
        let (_, apply) = whole(&self.apply, &inputs[..=self.coefficients()]);
        match (solver, apply) {
            (Some((graph, _)), Some((apply, _))) => again(&LinearSolve { graph, apply }, &inputs),
            _ => outputs,
        }
    }
}

/// The x with A x = b that `solve` computes from b, and what else it gives. A, which `apply` multiplies by, must be symmetric.
///
/// b: `[..]`, floating; `apply` gives the same shape and dtype. The derivative does not go through `solve`, but solves
/// A dx = db - dA x the same way, in forward mode as in reverse mode: so the solver may be a `while_loop`, and the derivative is as
/// accurate as the solver. What comes beside the solution has no derivative. Both closures may use tensors from outside, and the
/// derivative with respect to those that `apply` uses is part of it.
///
/// ```
/// use tandem_compile::{Tensor, fori_loop, grad, jit, linear_solve};
///
/// // Richardson's iteration for a x = b, with 0 < a < 2.
/// let solve = |a: Tensor, b: &Tensor| {
///     let step = |_: Tensor, x: Tensor| &x + b - &a * x;
///     linear_solve(|x| &a * x, b, |b| (fori_loop(0, 60, b.clone(), |_, x| &x + b - &a * x), ())).0
/// };
/// let slope: f64 = jit(|(a, b): (Tensor, Tensor)| grad(|a| solve(a, &b))(a)).call((0.5, 3.0))?;
/// assert!((slope + 12.0).abs() < 1e-12); // -b / a^2
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn linear_solve<O: Tree + Clone>(
    apply: impl Fn(&Tensor) -> Tensor,
    b: &Tensor,
    solve: impl Fn(&Tensor) -> (Tensor, O),
) -> (Tensor, O) {
    let location = Location::caller();
    let (product, applied) = capture(|x: Tensor| apply(&x), b, location);
    let made_of = applied.as_ref().map_or(&[][..], |(_, operands)| &operands[1..]).to_vec();
    let (like, solved) = capture(|(b, _): (Tensor, Vec<Tensor>)| solve(&b), &(b.clone(), made_of), location);
    let (Some((apply, _)), Some((graph, operands))) = (applied, solved) else { return like };
    if product.ty() != b.ty() || like.0.ty() != b.ty() {
        let (product, x) = (product.ty(), like.0.ty());
        fail(location, format!("linear_solve: A x and x must be {} like b, they are {product} and {x}", b.ty()));
        return like;
    }
    rebuilt(&like, bind(LinearSolve { graph, apply }, &operands.iter().collect::<Vec<_>>(), location))
}
