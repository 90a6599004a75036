//! `scan`, and `fori_loop` and `map` on top of it: repetition whose number of trips is fixed, so that it has every
//! derivative.

use std::panic::Location;

use crate::dtype::DType;
use crate::graph::{Graph, TensorType};
use crate::host::HostArray;
use crate::ops::binary::Binary;
use crate::ops::constant::Constant;
use crate::ops::{Cost, Kind, Primitive, Role, Tangent, again};
use crate::stablehlo::{Emitter, Operand, tensor, tensors};
use crate::trace::{Tensor, bind, bind1, fail, is_linearizing, leaves, region};
use crate::transform::{instantiate, move_axis, push, rebuilt, spread};
use crate::tree::Tree;

use super::repeat::{active_results, batched_results, stacked};
use super::{expect, marked, scattered, types_of};

/// Runs `body` a fixed number of times. Operands: the carry, then arrays of which every trip takes one slice along
/// the first axis, then what the body captured. Results: the last carry, then the trips' further results, stacked
/// along a new first axis.
#[derive(Debug, Clone)]
pub struct Scan {
    /// From the trip's number (i32), the carry, the slices and the captures to the next carry and the further results.
    pub body: Graph,
    /// How many trips.
    pub length: usize,
    /// From the last slice to the first; the trip's number counts down too.
    pub reverse: bool,
    /// How many operands are carried.
    pub carry: usize,
    /// How many operands are taken slice by slice.
    pub sliced: usize,
}

impl Scan {
    /// The operands: carry, slices, captures.
    pub(super) fn parts<'a, T>(&self, inputs: &'a [T]) -> (&'a [T], &'a [T], &'a [T]) {
        let (carry, rest) = inputs.split_at(self.carry);
        let (sliced, captures) = rest.split_at(self.sliced);
        (carry, sliced, captures)
    }

    /// Flags of the body's parameters from flags of the operands and of the carry.
    pub(super) fn body_flags(&self, carry: &[bool], inputs: &[bool]) -> Vec<bool> {
        [&[false], carry, &inputs[self.carry..]].concat()
    }

    /// Which operands of the carry become like those that are flagged, when every trip passes the flag on by `results`.
    pub(super) fn closure(&self, inputs: &[bool], results: impl Fn(&[bool]) -> Vec<bool>) -> (Vec<bool>, Vec<bool>) {
        let mut carry = inputs[..self.carry].to_vec();
        loop {
            let found = results(&self.body_flags(&carry, inputs));
            let grown: Vec<bool> = carry.iter().zip(&found).map(|(&flag, &found)| flag || found).collect();
            if grown == carry {
                return (carry, found[self.carry..].to_vec());
            }
            carry = grown;
        }
    }

    /// Forward mode: the tangents are carried, sliced and stacked beside the values.
    fn push(
        &self,
        primals: &[Tensor],
        tangents: &[Tangent],
        active: &[bool],
        active_stacked: &[bool],
        location: &'static Location<'static>,
    ) -> Option<(Vec<Tensor>, Vec<Tangent>)> {
        let (carry, sliced, captures) = self.parts(primals);
        let (dcarry, dsliced, dcaptures) = self.parts(tangents);
        let dinit: Vec<Tensor> = dcarry.iter().zip(carry).map(|(dx, x)| instantiate(dx.clone(), x.ty())).collect();
        let sliced_mask: Vec<bool> = dsliced.iter().map(Option::is_some).collect();
        let xs = [sliced.to_vec(), dsliced.iter().flatten().cloned().collect()].concat();
        let init = [carry, &marked(&dinit, active)].concat();
        let wanted = [active, active_stacked].concat();
        let mut out = scan_at(location, self.length, self.reverse, init, xs, |i, values, slices| {
            let (x, dx) = values.split_at(self.carry);
            let (xs, dxs) = slices.split_at(self.sliced);
            let dx = [vec![None], scattered(dx.to_vec(), active), scattered(dxs.to_vec(), &sliced_mask)].concat();
            let (mut y, dy) = push(&self.body, &[&[i], x, xs, captures].concat(), &[&dx, dcaptures].concat());
            let dy: Vec<Tensor> = dy.into_iter().zip(&y).map(|(dy, y)| instantiate(dy, y.ty())).collect();
            let ys = y.split_off(self.carry);
            let next = [y, marked(&dy[..self.carry], &wanted[..self.carry])].concat();
            (next, [ys, marked(&dy[self.carry..], &wanted[self.carry..])].concat())
        })?;
        let mut stacks = out.split_off(self.carry + active.iter().filter(|a| **a).count());
        let dcarry = out.split_off(self.carry);
        let dstacks = stacks.split_off(active_stacked.len());
        let tangents = [scattered(dcarry, active), scattered(dstacks, active_stacked)].concat();
        Some(([out, stacks].concat(), tangents))
    }
}

impl Primitive for Scan {
    fn kind(&self) -> Kind {
        Kind::Scan
    }

    fn attributes(&self) -> String {
        let reverse = if self.reverse { ", reverse" } else { "" };
        format!("length {}, carry {}, sliced {}{reverse}", self.length, self.carry, self.sliced)
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        vec![&self.body]
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        if inputs.len() + 1 != self.body.params().len() || self.carry + self.sliced > inputs.len() {
            return Err(format!("{} operands given", inputs.len()));
        }
        if i32::try_from(self.length).is_err() {
            return Err(format!("{} trips are more than an i32 counts", self.length));
        }
        let (carry, sliced, captures) = self.parts(inputs);
        if let Some(x) = sliced.iter().find(|x| x.shape.first() != Some(&self.length)) {
            return Err(format!("{x} has not the {} slices that the loop takes", self.length));
        }
        let slices: Vec<TensorType> = sliced.iter().map(|x| x.with_shape(&x.shape[1..])).collect();
        let arguments = [&[TensorType::scalar(DType::I32)], carry, &slices, captures].concat();
        expect("the body's arguments", &arguments, &self.body.param_types())?;
        let results = self.body.result_types();
        let Some((next, stacked)) = results.split_at_checked(self.carry) else {
            return Err(format!("the body gives {} results, {} are carried", results.len(), self.carry));
        };
        expect("the next carry", carry, next)?;
        let stacks = stacked.iter().map(|y| y.with_shape([&[self.length], y.shape.as_slice()].concat()));
        Ok(carry.iter().cloned().chain(stacks).collect())
    }

    fn eval(&self, inputs: &[&HostArray], outputs: &[TensorType]) -> Vec<HostArray> {
        let (carry, sliced, captures) = self.parts(inputs);
        let mut carry: Vec<HostArray> = carry.iter().copied().cloned().collect();
        let mut trips: Vec<Vec<HostArray>> = Vec::new();
        for trip in 0..self.length {
            let at = if self.reverse { self.length - 1 - trip } else { trip };
            let i = HostArray::scalar(at as i32);
            let slices: Vec<HostArray> = sliced.iter().map(|x| slice(x, at)).collect();
            let arguments: Vec<&HostArray> =
                [&i].into_iter().chain(&carry).chain(&slices).chain(captures.iter().copied()).collect();
            let mut results = self.body.interpret(&arguments);
            trips.push(results.split_off(self.carry));
            carry = results;
        }
        if self.reverse {
            trips.reverse();
        }
        let stacks = outputs[self.carry..].iter().enumerate();
        let stacks: Vec<HostArray> = stacks.map(|(y, ty)| stack(trips.iter().map(|trip| &trip[y]), ty)).collect();
        [carry, stacks].concat()
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let (carry, sliced, captures) = self.parts(inputs);
        let stacks = &outputs[self.carry..];
        let zero = emitter.constant(&HostArray::scalar(0i32));
        let empty: Vec<String> = stacks.iter().map(|ty| emitter.zeros(ty)).collect();
        if self.length == 0 {
            return carry.iter().map(|o| o.name.clone()).chain(empty).collect();
        }
        let names: Vec<String> = (0..1 + outputs.len()).map(|_| emitter.fresh()).collect();
        let (count, values, written) = (&names[0], &names[1..1 + self.carry], &names[1 + self.carry..]);
        let init = std::iter::once(zero).chain(carry.iter().map(|o| o.name.clone())).chain(empty);
        let bindings: Vec<String> = names.iter().zip(init).map(|(name, init)| format!("{name} = {init}")).collect();
        let counter = TensorType::scalar(DType::I32);
        let types = [std::slice::from_ref(&counter), outputs].concat();
        let cond = emitter.block("", |e| {
            let length = e.constant(&HostArray::scalar(self.length as i32));
            let test = format!("stablehlo.compare LT, {count}, {length}, SIGNED");
            (
                vec![e.op(&format!("{test} : (tensor<i32>, tensor<i32>) -> tensor<i1>"))],
                vec![counter.with_dtype(DType::Bool)],
            )
        });
        let body = emitter.block("", |e| {
            let one = e.constant(&HostArray::scalar(1i32));
            let next = e.op(&format!("stablehlo.add {count}, {one} : tensor<i32>"));
            let at = match self.reverse {
                false => count.clone(),
                true => {
                    let length = e.constant(&HostArray::scalar(self.length as i32));
                    e.op(&format!("stablehlo.subtract {length}, {next} : tensor<i32>"))
                }
            };
            let slices: Vec<String> = sliced.iter().map(|x| read_slice(e, x, &at)).collect();
            let captured = captures.iter().map(|o| o.name.clone());
            let params: Vec<String> = [&at].into_iter().chain(values).chain(&slices).cloned().chain(captured).collect();
            let mut results = e.inline(&self.body, &params);
            let rows = results.split_off(self.carry);
            let rows = rows.iter().zip(written).zip(stacks);
            let stacked: Vec<String> = rows.map(|((row, whole), ty)| write_slice(e, row, whole, ty, &at)).collect();
            (std::iter::once(next).chain(results).chain(stacked).collect(), types.clone())
        });
        let (bindings, types_text) = (bindings.join(", "), tensors(&types));
        let text = format!("stablehlo.while({bindings}) : {types_text} cond {cond} do {body}");
        emitter.ops(types.len(), &text).split_off(1)
    }

    fn jvp(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        let location = Location::caller();
        let given: Vec<bool> = tangents.iter().map(Option::is_some).collect();
        let (active, stacked) = self.closure(&given, |flags| active_results(&self.body, flags, location));
        let results = match is_linearizing() {
            true => self.linearize(primals, tangents, &active, &stacked, location),
            false => self.push(primals, tangents, &active, &stacked, location),
        };
        results.unwrap_or_else(|| (again(self, primals), vec![None; self.body.results().len()]))
    }

    fn transpose(&self, inputs: &[Role], cotangents: &[Tangent]) -> Vec<Tangent> {
        self.pull(inputs, cotangents, Location::caller())
    }

    fn batch(&self, inputs: &[Tensor], batched: &[bool], size: usize) -> Vec<Tensor> {
        let location = Location::caller();
        let (carry, sliced, captures) = self.parts(inputs);
        let (flags, stacked_flags) = self.closure(batched, |flags| batched_results(&self.body, flags, size, location));
        let init = stacked(carry, &batched[..self.carry], &flags, size);
        // A slice has the problem as its first axis, so in the whole array the problem comes second.
        let slice_flags = &batched[self.carry..self.carry + self.sliced];
        let xs = sliced.iter().zip(slice_flags).map(|(x, &b)| if b { move_axis(x, 0, 1) } else { x.clone() }).collect();
        let body_flags = self.body_flags(&flags, batched);
        let wanted = [flags, stacked_flags.clone()].concat();
        let out = scan_at(location, self.length, self.reverse, init, xs, |i, values, slices| {
            let arguments = [&[i], values.as_slice(), &slices, captures].concat();
            let (y, found) = spread(&self.body, &arguments, &body_flags, size);
            let mut y = stacked(&y, &found, &wanted, size);
            let ys = y.split_off(self.carry);
            (y, ys)
        });
        let Some(mut out) = out else { return again(self, inputs) };
        let stacks = out.split_off(self.carry);
        let stacks = stacks.iter().zip(stacked_flags).map(|(y, b)| if b { move_axis(y, 1, 0) } else { y.clone() });
        out.into_iter().chain(stacks).collect()
    }

    fn cost(&self, _: &[TensorType], _: &[TensorType]) -> Cost {
        self.body.cost() * self.length as f64
    }
}

/// One slice along the first axis.
fn slice(x: &HostArray, at: usize) -> HostArray {
    let shape = &x.shape()[1..];
    let len: usize = shape.iter().product();
    x.pick(shape, |i| at * len + i)
}

/// Arrays of one type along a new first axis.
fn stack<'a>(rows: impl Iterator<Item = &'a HostArray>, ty: &TensorType) -> HostArray {
    let mut whole = HostArray::zeros(ty);
    rows.enumerate().for_each(|(at, row)| whole.copy_from(at * row.len(), row));
    whole
}

fn read_slice(e: &mut Emitter, x: &Operand, at: &str) -> String {
    let starts = starts(e, at, x.ty.ndim());
    let mut sizes = x.ty.shape.clone();
    sizes[0] = 1;
    let row = x.ty.with_shape(sizes.clone());
    let counters = vec!["tensor<i32>"; sizes.len()].join(", ");
    let sizes = crate::ops::join(&sizes);
    let types = format!("({}, {counters}) -> {}", tensor(&x.ty), tensor(&row));
    let slice = e.op(&format!("stablehlo.dynamic_slice {}, {starts}, sizes = [{sizes}] : {types}", x.name));
    let ty = row.with_shape(&row.shape[1..]);
    e.op(&format!("stablehlo.reshape {slice} : ({}) -> {}", tensor(&row), tensor(&ty)))
}

fn write_slice(e: &mut Emitter, row: &str, whole: &str, ty: &TensorType, at: &str) -> String {
    let starts = starts(e, at, ty.ndim());
    let mut sizes = ty.shape.clone();
    sizes[0] = 1;
    let (row_ty, one) = (ty.with_shape(&ty.shape[1..]), ty.with_shape(sizes));
    let slice = e.op(&format!("stablehlo.reshape {row} : ({}) -> {}", tensor(&row_ty), tensor(&one)));
    let counters = vec!["tensor<i32>"; ty.ndim()].join(", ");
    let types = format!("({}, {}, {counters}) -> {}", tensor(ty), tensor(&one), tensor(ty));
    e.op(&format!("stablehlo.dynamic_update_slice {whole}, {slice}, {starts} : {types}"))
}

fn starts(e: &mut Emitter, at: &str, ndim: usize) -> String {
    let zero = e.constant(&HostArray::scalar(0i32));
    [vec![at; 1], vec![zero.as_str(); ndim - 1]].concat().join(", ")
}

/// Runs `step(carry, x)` for every slice `x` of `xs` along the first axis, on the device. Gives the last carry, and the
/// steps' further results stacked along a new first axis. All arrays of `xs` have the same number of slices, and the
/// carry's types do not change.
///
/// ```
/// use tandem_compile::{Tensor, jit, scan};
///
/// // Every partial sum, and the whole.
/// let sums = jit(|(start, xs): (Tensor, Tensor)| scan(start, xs, |sum, x| (&sum + &x, sum + x)));
/// let (total, partial): (f64, Vec<f64>) = sums.call((0.0, &[1.0, 2.0, 3.0][..]))?;
/// assert_eq!((total, partial), (6.0, vec![1.0, 3.0, 6.0]));
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn scan<C: Tree + Clone, X: Tree + Clone, Y: Tree + Clone>(
    init: C,
    xs: X,
    step: impl FnOnce(C, X) -> (C, Y),
) -> (C, Y) {
    scan_tree(Location::caller(), false, init, xs, step)
}

/// [`scan`] from the last slice to the first; the further results stand where their slices stood.
#[track_caller]
pub fn scan_reversed<C: Tree + Clone, X: Tree + Clone, Y: Tree + Clone>(
    init: C,
    xs: X,
    step: impl FnOnce(C, X) -> (C, Y),
) -> (C, Y) {
    scan_tree(Location::caller(), true, init, xs, step)
}

/// Applies `f` to every slice of `xs` along the first axis, one after the other on the device, and stacks the results.
/// Where there is memory for all of them at once, [`vmap`](crate::vmap) is faster.
#[track_caller]
pub fn map<X: Tree + Clone, Y: Tree + Clone>(xs: X, f: impl FnOnce(X) -> Y) -> Y {
    scan_tree(Location::caller(), false, (), xs, |(), x| ((), f(x))).1
}

/// Runs `body(i, carry)` for i (i32) in `start..end`, on the device, with a trip count known to the compiler.
#[track_caller]
pub fn fori_loop<C: Tree + Clone>(start: i32, end: i32, init: C, body: impl FnOnce(Tensor, C) -> C) -> C {
    let location = Location::caller();
    let length = usize::try_from(i64::from(end) - i64::from(start)).unwrap_or(0);
    let out = scan_at(location, length, false, leaves(&init), Vec::new(), |i, carry, _| {
        let i = match start {
            0 => i,
            // Written out, because inside of a closure the operators would name this file as the user's line.
            _ => bind1(Binary::Add, &[&i, &bind1(Constant(HostArray::scalar(start)), &[], location)], location),
        };
        (leaves(&body(i, rebuilt(&init, carry))), Vec::new())
    });
    out.map_or_else(|| init.clone(), |out| rebuilt(&init, out))
}

fn scan_tree<C: Tree + Clone, X: Tree + Clone, Y: Tree + Clone>(
    location: &'static Location<'static>,
    reverse: bool,
    init: C,
    xs: X,
    step: impl FnOnce(C, X) -> (C, Y),
) -> (C, Y) {
    let (carry, slices) = (leaves(&init), leaves(&xs));
    let length = slices.first().and_then(|x| x.shape().first()).copied();
    if length.is_none() {
        fail(location, "scan: an array expected to take slices of; for a fixed number of trips use fori_loop");
    }
    let mut like = None;
    let out = scan_at(location, length.unwrap_or(0), reverse, carry, slices, |_, carry, slices| {
        let (next, y) = step(rebuilt(&init, carry), rebuilt(&xs, slices));
        let (next, ys) = (leaves(&next), leaves(&y));
        like = Some(y);
        (next, ys)
    });
    let count = leaves(&init).len();
    match (out, like) {
        (Some(mut out), Some(like)) if out.len() >= count => {
            let stacks = out.split_off(count);
            (rebuilt(&init, out), rebuilt(&like, stacks))
        }
        (_, Some(like)) => (init, like),
        (_, None) => unreachable!("the step has run once, to be traced"),
    }
}

/// The loop on leaves; `None` after an error.
pub(super) fn scan_at(
    location: &'static Location<'static>,
    length: usize,
    reverse: bool,
    init: Vec<Tensor>,
    xs: Vec<Tensor>,
    step: impl FnOnce(Tensor, Vec<Tensor>, Vec<Tensor>) -> (Vec<Tensor>, Vec<Tensor>),
) -> Option<Vec<Tensor>> {
    let slice = |x: &Tensor| x.ty().with_shape(x.shape().get(1..).unwrap_or_default());
    let slices: Vec<TensorType> = xs.iter().map(slice).collect();
    let types = [vec![TensorType::scalar(DType::I32)], types_of(&init), slices].concat();
    let (_, body) = region(&types, location, |mut params| {
        let slices = params.split_off(1 + init.len());
        let carry = params.split_off(1);
        let (next, stacked) = step(params.swap_remove(0), carry, slices);
        if next.len() != init.len() {
            let message = format!("scan: {} tensors are carried, the step returns {}", init.len(), next.len());
            fail(location, message);
        }
        [next, stacked].concat()
    });
    let body = body?;
    let op = Scan { body: body.graph, length, reverse, carry: init.len(), sliced: xs.len() };
    let operands: Vec<&Tensor> = init.iter().chain(&xs).chain(&body.captures).collect();
    Some(bind(op, &operands, location))
}
