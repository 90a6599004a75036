//! Loops and branches that run on the device, and the barrier that keeps the compiler from looking across.

use std::panic::Location;

use crate::dtype::DType;
use crate::graph::{Graph, TensorType};
use crate::host::HostArray;
use crate::ops::binary::Binary;
use crate::ops::compare::Compare;
use crate::ops::constant::Constant;
use crate::ops::convert::Convert;
use crate::ops::{Primitive, types};
use crate::stablehlo::{Emitter, Operand, names, signature, tensors};
use crate::trace::{Tensor, bind, bind1, fail, leaves, region};
use crate::tree::Tree;

/// Repeats `body` on the carried values while `cond` holds. Operands: the carry, then what `cond` captured, then
/// what `body` captured.
#[derive(Debug, Clone)]
pub struct While {
    /// From the carry (and its captures) to one bool.
    pub cond: Graph,
    /// From the carry (and its captures) to the next carry.
    pub body: Graph,
    /// How many operands are carried.
    pub carry: usize,
}

impl Primitive for While {
    fn name(&self) -> &'static str {
        "while"
    }

    fn attributes(&self) -> String {
        format!("carry {}", self.carry)
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        vec![&self.cond, &self.body]
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        let cond_captures = self.cond.params().len().saturating_sub(self.carry);
        let body_captures = self.body.params().len().saturating_sub(self.carry);
        if inputs.len() != self.carry + cond_captures + body_captures {
            return Err(format!("{} operands given", inputs.len()));
        }
        let (carry, captures) = inputs.split_at(self.carry);
        let (for_cond, for_body) = captures.split_at(cond_captures);
        expect("the condition's arguments", &[carry, for_cond].concat(), &self.cond.param_types())?;
        expect("the body's arguments", &[carry, for_body].concat(), &self.body.param_types())?;
        expect("the condition's result", &[TensorType::scalar(DType::Bool)], &self.cond.result_types())?;
        expect("the next carry", carry, &self.body.result_types())?;
        Ok(carry.to_vec())
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let (carry, captures) = inputs.split_at(self.carry);
        let (for_cond, for_body) = captures.split_at(self.cond.params().len() - self.carry);
        let inner: Vec<String> = carry.iter().map(|_| emitter.fresh()).collect();
        let params = |captured: &[Operand]| -> Vec<String> {
            inner.iter().cloned().chain(captured.iter().map(|o| o.name.clone())).collect()
        };
        let bindings: Vec<String> = inner.iter().zip(carry).map(|(name, o)| format!("{name} = {}", o.name)).collect();
        let cond = emitter.region(&self.cond, &params(for_cond));
        let body = emitter.region(&self.body, &params(for_body));
        let (bindings, types) = (bindings.join(", "), tensors(outputs));
        emitter.ops(outputs.len(), &format!("stablehlo.while({bindings}) : {types} cond {cond} do {body}"))
    }
}

/// Runs one of several branches. Operands: the branch's number (i32; out of range means the last), then the
/// arguments of all branches, then what each captured.
#[derive(Debug, Clone)]
pub struct Case {
    /// The branches, all of the same argument and result types up to their captures.
    pub branches: Vec<Graph>,
}

impl Primitive for Case {
    fn name(&self) -> &'static str {
        "case"
    }

    fn attributes(&self) -> String {
        format!("{} branches", self.branches.len())
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        self.branches.iter().collect()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        let (which, mut captures) = inputs.split_first().ok_or("a branch number expected")?;
        expect("the branch number", &[TensorType::scalar(DType::I32)], std::slice::from_ref(which))?;
        let first = self.branches.first().ok_or("at least one branch expected")?;
        for branch in &self.branches {
            let count = branch.params().len();
            let own = captures.get(..count).ok_or(format!("{} operands given", inputs.len()))?;
            expect("a branch's captures", own, &branch.param_types())?;
            expect("the branches' results", &first.result_types(), &branch.result_types())?;
            captures = &captures[count..];
        }
        Ok(first.result_types())
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let (which, mut captures) = (&inputs[..1], &inputs[1..]);
        let mut regions = Vec::new();
        for branch in &self.branches {
            let (own, rest) = captures.split_at(branch.params().len());
            let params: Vec<String> = own.iter().map(|o| o.name.clone()).collect();
            regions.push(emitter.region(branch, &params));
            captures = rest;
        }
        let (regions, types) = (regions.join(", "), signature(which, outputs));
        emitter.ops(outputs.len(), &format!("\"stablehlo.case\"({}) ({regions}) : {types}", which[0].name))
    }
}

/// The operands unchanged, but computed as they are written: nothing is moved, merged or rewritten across.
#[derive(Debug, Clone, Copy)]
pub struct Barrier;

impl Primitive for Barrier {
    fn name(&self) -> &'static str {
        "optimization_barrier"
    }

    fn attributes(&self) -> String {
        String::new()
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        Ok(inputs.to_vec())
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let types = tensors(outputs);
        emitter.ops(outputs.len(), &format!("stablehlo.optimization_barrier {} : {types}", names(inputs)))
    }
}

fn expect(what: &str, expected: &[TensorType], found: &[TensorType]) -> Result<(), String> {
    match expected == found {
        true => Ok(()),
        false => Err(format!("{what} must be {}, got {}", types(expected), types(found))),
    }
}

/// Repeats `body` on the carried tensors while `cond` holds, on the device. Both may use tensors from outside.
///
/// The carry's types must not change from trip to trip.
///
/// ```
/// use tandem_compile::{DType, Tensor, TensorType, trace, while_loop};
///
/// // Halve x until it is below 1.
/// let halve = |x: Tensor| while_loop(x, |x| x.ge(1.0), |x| x * 0.5);
/// let graph = trace(halve, &[TensorType::scalar(DType::F64)])?;
/// assert!(graph.check().is_ok());
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn while_loop<C: Tree + Clone>(init: C, cond: impl FnOnce(C) -> Tensor, body: impl FnOnce(C) -> C) -> C {
    let location = Location::caller();
    let carry = leaves(&init);
    let carry_types: Vec<TensorType> = carry.iter().map(|t| t.ty().clone()).collect();
    let inner = |args| rebuilt(&init, args);
    let (_, test) = region(&carry_types, location, |args| cond(inner(args)));
    let (_, step) = region(&carry_types, location, |args| body(inner(args)));
    let (Some(test), Some(step)) = (test, step) else {
        return init;
    };
    let op = While { cond: test.graph, body: step.graph, carry: carry.len() };
    let operands: Vec<&Tensor> = carry.iter().chain(&test.captures).chain(&step.captures).collect();
    rebuilt(&init, bind(op, &operands, location))
}

/// The structure of `like` with other tensors; after an error there may be too few of them, and `like` does as well.
fn rebuilt<T: Tree + Clone>(like: &T, tensors: Vec<Tensor>) -> T {
    like.rebuild(&mut tensors.into_iter()).unwrap_or_else(|| like.clone())
}

/// Runs `body(i, carry)` for i (i32) in `start..end`, on the device, with a trip count known to the compiler.
#[track_caller]
pub fn fori_loop<C: Tree + Clone>(start: i32, end: i32, init: C, body: impl FnOnce(Tensor, C) -> C) -> C {
    let location = Location::caller();
    // Written out, because inside of closures the operators would name this file as the user's line.
    let count = |value: i32| bind1(Constant(HostArray::scalar(value)), &[], location);
    let (_, out) = while_loop(
        (count(start), init),
        |(i, _)| bind1(Compare::Lt, &[&i, &count(end)], location),
        |(i, carry)| (bind1(Binary::Add, &[&i, &count(1)], location), body(i, carry)),
    );
    out
}

/// One of two results, of which only the chosen one is computed. `which` is a bool scalar.
#[track_caller]
pub fn cond<O: Tree>(which: &Tensor, yes: impl FnOnce() -> O, no: impl FnOnce() -> O) -> O {
    let location = Location::caller();
    if *which.ty() != TensorType::scalar(DType::Bool) {
        fail(location, format!("cond: a bool scalar expected to choose by, got {}", which.ty()));
    }
    let (like, yes) = region(&[], location, |_| yes());
    let (_, no) = region(&[], location, |_| no());
    let (Some(yes), Some(no)) = (yes, no) else {
        return like;
    };
    // `case` takes branch 0 first: the number is 1 where `which` is true.
    let number = bind1(Convert(DType::I32), &[which], location);
    let operands: Vec<&Tensor> = [&number].into_iter().chain(&no.captures).chain(&yes.captures).collect();
    let outputs = bind(Case { branches: vec![no.graph, yes.graph] }, &operands, location);
    like.rebuild(&mut outputs.into_iter()).unwrap_or(like)
}

/// The tensors unchanged, but computed as they are written: the compiler moves and merges nothing across.
#[track_caller]
pub fn optimization_barrier<T: Tree + Clone>(tree: &T) -> T {
    let tensors = leaves(tree);
    if tensors.is_empty() {
        return tree.clone();
    }
    let operands: Vec<&Tensor> = tensors.iter().collect();
    rebuilt(tree, bind(Barrier, &operands, Location::caller()))
}
