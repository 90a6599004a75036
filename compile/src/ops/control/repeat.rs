//! `while_loop`: repetition for as long as the data says.

use std::panic::Location;

use crate::dtype::DType;
use crate::graph::{Graph, TensorType};
use crate::host::HostArray;
use crate::ops::compare::Select;
use crate::ops::reduce::{Combine, Reduce};
use crate::ops::shape::Broadcast;
use crate::ops::{Cost, Kind, Primitive, Role, Tangent, again, not_linear};
use crate::stablehlo::{Emitter, Operand, tensors};
use crate::trace::{Tensor, bind, bind1, fail, is_linearizing, leaves, region};
use crate::transform::{inline, instantiate, linear_half, push, rebuilt, repeated, spread};
use crate::tree::Tree;

use super::{expect, marked, scattered, types_of};

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

impl While {
    /// The operands: the carry, the condition's captures, the body's captures.
    fn parts<'a, T>(&self, inputs: &'a [T]) -> (&'a [T], &'a [T], &'a [T]) {
        let (carry, captures) = inputs.split_at(self.carry);
        let (for_cond, for_body) = captures.split_at(self.cond.params().len() - self.carry);
        (carry, for_cond, for_body)
    }

    /// Which carried values get a tangent, given those of the operands that have one.
    fn active_carry(&self, tangents: &[Tangent], location: &'static Location<'static>) -> Vec<bool> {
        let (carry, _, for_body) = self.parts(tangents);
        let mut active: Vec<bool> = carry.iter().chain(for_body).map(Option::is_some).collect();
        loop {
            let found = active_results(&self.body, &active, location);
            let grown = (0..self.carry).any(|i| found[i] && !active[i]);
            if !grown {
                active.truncate(self.carry);
                return active;
            }
            (0..self.carry).for_each(|i| active[i] |= found[i]);
        }
    }
}

/// Which results of `graph` have a tangent when those of its parameters that are `active` have one. What is traced to
/// find out is dropped.
pub(super) fn active_results(graph: &Graph, active: &[bool], location: &'static Location<'static>) -> Vec<bool> {
    let mut mask = vec![false; graph.results().len()];
    if is_linearizing() {
        region(&graph.param_types(), location, |params| {
            if let Some((_, _, found)) = linear_half(graph, &params, active, location) {
                mask = found;
            }
        });
        return mask;
    }
    let types = [graph.param_types(), marked(&graph.param_types(), active)].concat();
    region(&types, location, |mut params| {
        let tangents = scattered(params.split_off(active.len()), active);
        mask = push(graph, &params, &tangents).1.iter().map(Option::is_some).collect();
    });
    mask
}

impl Primitive for While {
    fn kind(&self) -> Kind {
        Kind::While
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
        let (carry, for_cond, for_body) = self.parts(inputs);
        expect("the condition's arguments", &[carry, for_cond].concat(), &self.cond.param_types())?;
        expect("the body's arguments", &[carry, for_body].concat(), &self.body.param_types())?;
        expect("the condition's result", &[TensorType::scalar(DType::Bool)], &self.cond.result_types())?;
        expect("the next carry", carry, &self.body.result_types())?;
        Ok(carry.to_vec())
    }

    fn eval(&self, inputs: &[&HostArray], _: &[TensorType]) -> Vec<HostArray> {
        let (carry, for_cond, for_body) = self.parts(inputs);
        let mut carry: Vec<HostArray> = carry.iter().copied().cloned().collect();
        let holds = |carry: &[HostArray]| {
            let arguments: Vec<&HostArray> = carry.iter().chain(for_cond.iter().copied()).collect();
            self.cond.interpret(&arguments)[0].to_f64() == [1.0]
        };
        while holds(&carry) {
            let arguments: Vec<&HostArray> = carry.iter().chain(for_body.iter().copied()).collect();
            carry = self.body.interpret(&arguments);
        }
        carry
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let (carry, for_cond, for_body) = self.parts(inputs);
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

    /// The tangents are carried beside the values. There is no reverse mode: nobody knows how many trips to remember.
    fn jvp(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        let location = Location::caller();
        let active = self.active_carry(tangents, location);
        if !active.contains(&true) {
            return (again(self, primals), vec![None; self.carry]);
        }
        if is_linearizing() {
            let message = "while: no reverse-mode derivative, because the number of trips is known only when it runs; \
                           use fori_loop or scan, whose number of trips is fixed, or forward mode (jvp, jacfwd)";
            fail(location, message);
            return (again(self, primals), vec![None; self.carry]);
        }
        let (carry, for_cond, for_body) = self.parts(primals);
        let (dcarry, _, dbody) = self.parts(tangents);
        let dinit = dcarry.iter().zip(carry).map(|(dx, x)| instantiate(dx.clone(), x.ty())).collect::<Vec<_>>();
        let init = [carry, &marked(&dinit, &active)].concat();
        let out = while_loop_at(
            location,
            init,
            |values| inline(&self.cond, &[&values[..self.carry], for_cond].concat()),
            |values| {
                let (x, dx) = values.split_at(self.carry);
                let dx = scattered(dx.to_vec(), &active);
                let (y, dy) = push(&self.body, &[x, for_body].concat(), &[&dx, dbody].concat());
                let dy = dy.into_iter().zip(&y).map(|(dy, y)| instantiate(dy, y.ty())).collect::<Vec<_>>();
                [y, marked(&dy, &active)].concat()
            },
        );
        let (y, dy) = out.split_at(self.carry);
        (y.to_vec(), scattered(dy.to_vec(), &active))
    }

    fn transpose(&self, inputs: &[Role], _: &[Tangent]) -> Vec<Tangent> {
        not_linear(self, inputs)
    }

    /// Where the problems agree on the number of trips, the loop runs on all of them. Else it runs until the last one
    /// has ended, and those that have ended stay as they are.
    fn batch(&self, inputs: &[Tensor], batched: &[bool], size: usize) -> Vec<Tensor> {
        let location = Location::caller();
        let (carry, for_cond, for_body) = self.parts(inputs);
        let (carry_flags, cond_flags, body_flags) = self.parts(batched);
        let mut flags = carry_flags.to_vec();
        let apart = loop {
            let apart = batched_results(&self.cond, &[&flags, cond_flags].concat(), size, location)[0];
            let found = batched_results(&self.body, &[&flags, body_flags].concat(), size, location);
            let next: Vec<bool> = flags.iter().zip(found).map(|(&flag, found)| flag || found || apart).collect();
            if next == flags {
                break apart;
            }
            flags = next;
        };
        let init = stacked(carry, carry_flags, &flags, size);
        let holds = |values: &[Tensor]| {
            spread(&self.cond, &[values, for_cond].concat(), &[&flags, cond_flags].concat(), size).0
        };
        while_loop_at(
            location,
            init,
            |values| match apart {
                true => again(&Reduce { combine: Combine::Any, axes: vec![0] }, &holds(&values)),
                false => holds(&values),
            },
            |values| {
                let arguments = [&values, for_body].concat();
                let (next, found) = spread(&self.body, &arguments, &[&flags, body_flags].concat(), size);
                let next = stacked(&next, &found, &flags, size);
                if !apart {
                    return next;
                }
                let running = &holds(&values)[0];
                next.iter().zip(&values).map(|(next, last)| choose(running, next, last)).collect()
            },
        )
    }

    /// The work of one trip: how many there are is known only when it runs.
    fn cost(&self, _: &[TensorType], _: &[TensorType]) -> Cost {
        self.cond.cost() + self.body.cost()
    }
}

/// `yes` for the problems where `which` holds, else `no`.
fn choose(which: &Tensor, yes: &Tensor, no: &Tensor) -> Tensor {
    let which = again(&Broadcast { shape: yes.shape().to_vec(), axes: vec![0] }, std::slice::from_ref(which));
    bind1(Select, &[&which[0], yes, no], Location::caller())
}

/// Which results of `graph` differ from problem to problem, when the parameters that are `batched` do.
pub(super) fn batched_results(
    graph: &Graph,
    batched: &[bool],
    size: usize,
    location: &'static Location<'static>,
) -> Vec<bool> {
    let with_axis = |(ty, &batched): (TensorType, &bool)| match batched {
        true => ty.with_shape([&[size], ty.shape.as_slice()].concat()),
        false => ty,
    };
    let types: Vec<TensorType> = graph.param_types().into_iter().zip(batched).map(with_axis).collect();
    let mut flags = vec![false; graph.results().len()];
    region(&types, location, |params| {
        let (outputs, found) = spread(graph, &params, batched, size);
        flags = found;
        outputs
    });
    flags
}

/// The values with a problem axis wherever one is `wanted`.
pub(super) fn stacked(values: &[Tensor], have: &[bool], wanted: &[bool], size: usize) -> Vec<Tensor> {
    let rows = values.iter().zip(have).zip(wanted);
    rows.map(|((x, &have), &wanted)| if wanted && !have { repeated(x, size) } else { x.clone() }).collect()
}

/// Repeats `body` on the carried tensors while `cond` holds, on the device. Both may use tensors from outside.
///
/// The carry's types must not change from trip to trip. Forward mode passes through; for reverse mode use
/// [`fori_loop`](crate::fori_loop) or [`scan`](crate::scan), whose number of trips is fixed.
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
    let inner = |args| rebuilt(&init, args);
    let carry = leaves(&init);
    let out = while_loop_at(location, carry, |args| vec![cond(inner(args))], |args| leaves(&body(inner(args))));
    rebuilt(&init, out)
}

/// [`while_loop`] on leaves.
fn while_loop_at(
    location: &'static Location<'static>,
    init: Vec<Tensor>,
    cond: impl FnOnce(Vec<Tensor>) -> Vec<Tensor>,
    body: impl FnOnce(Vec<Tensor>) -> Vec<Tensor>,
) -> Vec<Tensor> {
    let types = types_of(&init);
    let (_, test) = region(&types, location, cond);
    let (_, step) = region(&types, location, body);
    let (Some(test), Some(step)) = (test, step) else {
        return init;
    };
    let op = While { cond: test.graph, body: step.graph, carry: init.len() };
    let operands: Vec<&Tensor> = init.iter().chain(&test.captures).chain(&step.captures).collect();
    bind(op, &operands, location)
}
