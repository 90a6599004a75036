//! `cond` and `switch`: one of several branches, of which only the chosen one runs.

use std::panic::Location;

use crate::dtype::DType;
use crate::graph::{Graph, TensorType};
use crate::host::{HostArray, HostData};
use crate::ops::binary::Binary;
use crate::ops::compare::{Compare, Select};
use crate::ops::constant::Constant;
use crate::ops::convert::Convert;
use crate::ops::shape::Broadcast;
use crate::ops::{Cost, Kind, Primitive, Role, Tangent, again};
use crate::stablehlo::{Emitter, Operand, signature};
use crate::trace::{Region, Tensor, bind, bind1, fail, is_linearizing, region};
use crate::transform::{Split, inline, instantiate, pull, push, split, spread, zeros};
use crate::tree::Tree;

use super::repeat::{active_results, batched_results, stacked};
use super::{expect, marked, scattered};

/// Runs one of several branches. Operands: the branch's number (i32; out of range means the last), then what each
/// branch captured.
#[derive(Debug, Clone)]
pub struct Case {
    /// The branches, all of the same result types; their parameters are their captures.
    pub branches: Vec<Graph>,
}

impl Case {
    /// The operands by branch.
    fn by_branch<'a, T>(&self, mut captures: &'a [T]) -> Vec<&'a [T]> {
        let mut parts = Vec::new();
        for branch in &self.branches {
            let (own, rest) = captures.split_at(branch.params().len());
            parts.push(own);
            captures = rest;
        }
        parts
    }

    /// Which results have a tangent in some branch.
    fn active(&self, tangents: &[Tangent], location: &'static Location<'static>) -> Vec<bool> {
        let mut any = vec![false; self.branches[0].results().len()];
        for (branch, tangents) in self.branches.iter().zip(self.by_branch(tangents)) {
            let active: Vec<bool> = tangents.iter().map(Option::is_some).collect();
            let found = active_results(branch, &active, location);
            any.iter_mut().zip(found).for_each(|(any, found)| *any |= found);
        }
        any
    }

    /// Reverse mode's first half: the branch runs and leaves its residuals in slots that the branches share; a second
    /// conditional, on the tangents alone, reads them.
    fn linearize(
        &self,
        primals: &[Tensor],
        tangents: &[Tangent],
        wanted: &[bool],
        location: &'static Location<'static>,
    ) -> Option<(Vec<Tensor>, Vec<Tangent>)> {
        let (which, captures) = (&primals[0], self.by_branch(&primals[1..]));
        let tangents = self.by_branch(&tangents[1..]);
        let mut halves: Vec<Split> = Vec::new();
        for (branch, tangents) in self.branches.iter().zip(&tangents) {
            let active: Vec<bool> = tangents.iter().map(Option::is_some).collect();
            halves.push(split(branch, &active, wanted, location)?);
        }
        let results = self.branches[0].results().len();
        // What a branch was given, its second half is given too: only what it computed goes through a slot.
        let own: Vec<Vec<Option<usize>>> = halves.iter().map(|half| given(&half.known, results)).collect();
        let computed: Vec<Graph> = halves.iter().zip(&own).map(|(half, own)| without_given(&half.known, own)).collect();
        let slots = Slots::new(computed.iter().map(|known| known.result_types().split_off(results)));
        let known = computed.iter().zip(&captures).enumerate().map(|(at, (known, captures))| {
            let slots = &slots;
            move || {
                let mut outputs = inline(known, captures);
                let residuals = outputs.split_off(results);
                outputs.extend(slots.fill(at, residuals));
                outputs
            }
        });
        let mut outputs = switch_at(location, which, known.collect())?;
        let residuals = outputs.split_off(results);
        let linear = halves.iter().zip(&tangents).enumerate().map(|(at, (half, tangents))| {
            let (slots, residuals, own, captures) = (&slots, &residuals, &own[at], captures[at]);
            move || {
                let live = tangents.iter().flatten().cloned();
                let mut computed = slots.read(at, residuals).into_iter();
                let found =
                    own.iter().filter_map(|own| own.map_or_else(|| computed.next(), |at| Some(captures[at].clone())));
                inline(&half.linear, &live.chain(found).collect::<Vec<Tensor>>())
            }
        });
        let dy = switch_at(location, which, linear.collect())?;
        Some((outputs, scattered(dy, wanted)))
    }
}

/// For each residual of a known half (they stand after its own results): which parameter it is, if it is one.
fn given(known: &Graph, results: usize) -> Vec<Option<usize>> {
    known.results()[results..].iter().map(|r| known.params().iter().position(|p| p == r)).collect()
}

/// The known half without those residuals that are parameters.
fn without_given(known: &Graph, given: &[Option<usize>]) -> Graph {
    let (own, residuals) = known.results().split_at(known.results().len() - given.len());
    let computed = residuals.iter().zip(given).filter(|(_, given)| given.is_none()).map(|(&r, _)| r);
    known.clone().with_results(own.iter().copied().chain(computed).collect())
}

/// Which of the conditional's residuals belongs to which branch: one slot serves several branches where the types
/// are the same, since only one of them runs.
struct Slots {
    types: Vec<TensorType>,
    /// For each branch and residual, its slot.
    of: Vec<Vec<usize>>,
}

impl Slots {
    fn new(branches: impl Iterator<Item = Vec<TensorType>>) -> Self {
        let mut types: Vec<TensorType> = Vec::new();
        let mut of = Vec::new();
        for residuals in branches {
            let mut taken = vec![false; types.len()];
            let mut own = Vec::new();
            for ty in residuals {
                let free = (0..types.len()).find(|&slot| !taken[slot] && types[slot] == ty);
                let slot = free.unwrap_or_else(|| {
                    types.push(ty);
                    taken.push(false);
                    types.len() - 1
                });
                taken[slot] = true;
                own.push(slot);
            }
            of.push(own);
        }
        Self { types, of }
    }

    /// All slots, with one branch's residuals in them and zeros elsewhere.
    fn fill(&self, branch: usize, residuals: Vec<Tensor>) -> Vec<Tensor> {
        let mut slots: Vec<Option<Tensor>> = vec![None; self.types.len()];
        for (&slot, residual) in self.of[branch].iter().zip(residuals) {
            slots[slot] = Some(residual);
        }
        slots.into_iter().zip(&self.types).map(|(slot, ty)| instantiate(slot, ty)).collect()
    }

    fn read(&self, branch: usize, slots: &[Tensor]) -> Vec<Tensor> {
        self.of[branch].iter().map(|&slot| slots[slot].clone()).collect()
    }
}

impl Primitive for Case {
    fn kind(&self) -> Kind {
        Kind::Case
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

    fn eval(&self, inputs: &[&HostArray], _: &[TensorType]) -> Vec<HostArray> {
        let last = self.branches.len() - 1;
        let chosen = match inputs[0].data() {
            HostData::I32(which) => usize::try_from(which[0]).unwrap_or(last).min(last),
            _ => last,
        };
        self.branches[chosen].interpret(self.by_branch(&inputs[1..])[chosen])
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let (which, captures) = (&inputs[..1], &inputs[1..]);
        let mut regions = Vec::new();
        for (branch, own) in self.branches.iter().zip(self.by_branch(captures)) {
            let params: Vec<String> = own.iter().map(|o| o.name.clone()).collect();
            regions.push(emitter.region(branch, &params));
        }
        let (regions, types) = (regions.join(", "), signature(which, outputs));
        emitter.ops(outputs.len(), &format!("\"stablehlo.case\"({}) ({regions}) : {types}", which[0].name))
    }

    fn jvp(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        let location = Location::caller();
        let active = self.active(&tangents[1..], location);
        let nothing = || (again(self, primals), vec![None; active.len()]);
        if !active.contains(&true) {
            return nothing();
        }
        if is_linearizing() {
            return self.linearize(primals, tangents, &active, location).unwrap_or_else(nothing);
        }
        let parts = self.by_branch(&primals[1..]).into_iter().zip(self.by_branch(&tangents[1..]));
        let branches = self.branches.iter().zip(parts).map(|(branch, (x, dx))| {
            let active = &active;
            move || {
                let (y, dy) = push(branch, x, dx);
                let dy: Vec<Tensor> = dy.into_iter().zip(&y).map(|(dy, y)| instantiate(dy, y.ty())).collect();
                [y, marked(&dy, active)].concat()
            }
        });
        let Some(mut y) = switch_at(location, &primals[0], branches.collect()) else { return nothing() };
        let dy = y.split_off(active.len());
        (y, scattered(dy, &active))
    }

    fn transpose(&self, inputs: &[Role], cotangents: &[Tangent]) -> Vec<Tangent> {
        let location = Location::caller();
        let Some(which) = inputs[0].known() else { return super::super::not_linear(self, inputs) };
        let roles = self.by_branch(&inputs[1..]);
        let linear: Vec<TensorType> =
            inputs[1..].iter().filter(|role| role.is_linear()).map(|r| r.ty().clone()).collect();
        let mut before = 0;
        let mut branches: Vec<Box<dyn FnOnce() -> Vec<Tensor> + '_>> = Vec::new();
        for (branch, roles) in self.branches.iter().zip(&roles) {
            let first = before;
            before += roles.iter().filter(|role| role.is_linear()).count();
            let linear = &linear;
            branches.push(Box::new(move || {
                let known: Vec<Option<Tensor>> = roles.iter().map(|role| role.known().cloned()).collect();
                let found = pull(branch, &known, cotangents);
                let mut all: Vec<Tensor> = linear.iter().map(zeros).collect();
                for (at, (ct, _)) in found.into_iter().zip(*roles).filter(|(_, role)| role.is_linear()).enumerate() {
                    all[first + at] = instantiate(ct, &linear[first + at]);
                }
                all
            }));
        }
        let found = switch_at(location, which, branches).unwrap_or_default();
        let mask: Vec<bool> = inputs.iter().map(Role::is_linear).collect();
        scattered(found, &mask)
    }

    /// Where every problem takes the same branch, it runs on all of them. Else all branches run, and every problem
    /// picks its own.
    fn batch(&self, inputs: &[Tensor], batched: &[bool], size: usize) -> Vec<Tensor> {
        let location = Location::caller();
        let parts: Vec<(&[Tensor], &[bool])> =
            self.by_branch(&inputs[1..]).into_iter().zip(self.by_branch(&batched[1..])).collect();
        if batched[0] {
            let all = vec![true; self.branches[0].results().len()];
            let results = self.branches.iter().zip(parts).map(|(branch, (x, flags))| {
                let (y, found) = spread(branch, x, flags, size);
                stacked(&y, &found, &all, size)
            });
            return choose(&inputs[0], results.collect());
        }
        let mut flags = vec![false; self.branches[0].results().len()];
        for (branch, (_, batched)) in self.branches.iter().zip(&parts) {
            let found = batched_results(branch, batched, size, location);
            flags.iter_mut().zip(found).for_each(|(flag, found)| *flag |= found);
        }
        let branches = self.branches.iter().zip(parts).map(|(branch, (x, batched))| {
            let flags = &flags;
            move || {
                let (y, found) = spread(branch, x, batched, size);
                stacked(&y, &found, flags, size)
            }
        });
        switch_at(location, &inputs[0], branches.collect()).unwrap_or_else(|| again(self, inputs))
    }

    /// The work of the dearest branch.
    fn cost(&self, _: &[TensorType], _: &[TensorType]) -> Cost {
        let costs = self.branches.iter().map(Graph::cost);
        costs.reduce(|x, y| if y.flops + y.bytes > x.flops + x.bytes { y } else { x }).unwrap_or_default()
    }
}

/// For every problem the results of the branch whose number it has.
fn choose(which: &Tensor, results: Vec<Vec<Tensor>>) -> Vec<Tensor> {
    let location = Location::caller();
    let mut results = results.into_iter().enumerate().rev();
    // A number out of range means the last branch.
    let Some((last, mut chosen)) = results.next() else { return Vec::new() };
    for (at, candidates) in results {
        let number = |value: usize| {
            let number = bind1(Constant(HostArray::scalar(value as i32)), &[], location);
            again(&Broadcast { shape: which.shape().to_vec(), axes: Vec::new() }, &[number]).swap_remove(0)
        };
        debug_assert!(at < last);
        let here = bind1(Compare::Eq, &[which, &number(at)], location);
        let pick = |(candidate, other): (Tensor, Tensor)| {
            let shape = candidate.shape().to_vec();
            let here = again(&Broadcast { shape, axes: vec![0] }, std::slice::from_ref(&here)).swap_remove(0);
            bind1(Select, &[&here, &candidate, &other], location)
        };
        chosen = candidates.into_iter().zip(chosen).map(pick).collect();
    }
    chosen
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
    let outputs = bind_case(&number, vec![no, yes], location);
    like.rebuild(&mut outputs.into_iter()).unwrap_or(like)
}

/// One of several results, of which only the chosen one is computed: `branch(n)` is traced for every n below `count`,
/// and `which` (an i32 scalar) names the one that runs. A number below 0 means the first branch, one of `count` or
/// more the last.
///
/// ```
/// use tandem_compile::{Tensor, jit, switch};
///
/// let power = jit(|(n, x): (Tensor, Tensor)| switch(&n, 3, |n| (0..n).fold(&x * 0.0 + 1.0, |y, _| y * &x)));
/// let (a, b): (f64, f64) = (power.call((2, 3.0))?, power.call((7, 3.0))?);
/// assert_eq!((a, b), (9.0, 9.0));
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn switch<O: Tree>(which: &Tensor, count: usize, branch: impl Fn(usize) -> O) -> O {
    let location = Location::caller();
    if *which.ty() != TensorType::scalar(DType::I32) {
        fail(location, format!("switch: an i32 scalar expected to choose by, got {}", which.ty()));
    }
    if count == 0 {
        fail(location, "switch: at least one branch expected");
    }
    let (like, first) = region(&[], location, |_| branch(0));
    let rest = (1..count).map(|n| region(&[], location, |_| branch(n)).1);
    let Some(branches) = std::iter::once(first).chain(rest).collect::<Option<Vec<Region>>>() else {
        return like;
    };
    let zero = bind1(Constant(HostArray::scalar(0i32)), &[], location);
    let number = bind1(Binary::Max, &[which, &zero], location);
    let outputs = bind_case(&number, branches, location);
    like.rebuild(&mut outputs.into_iter()).unwrap_or(like)
}

/// The conditional over branches that give leaves; `None` after an error.
fn switch_at<F: FnOnce() -> Vec<Tensor>>(
    location: &'static Location<'static>,
    which: &Tensor,
    branches: Vec<F>,
) -> Option<Vec<Tensor>> {
    let regions = branches.into_iter().map(|branch| region(&[], location, |_| branch()).1);
    Some(bind_case(which, regions.collect::<Option<Vec<Region>>>()?, location))
}

fn bind_case(which: &Tensor, branches: Vec<Region>, location: &'static Location<'static>) -> Vec<Tensor> {
    let captures: Vec<Tensor> = branches.iter().flat_map(|branch| branch.captures.iter().cloned()).collect();
    let operands: Vec<&Tensor> = std::iter::once(which).chain(&captures).collect();
    bind(Case { branches: branches.into_iter().map(|branch| branch.graph).collect() }, &operands, location)
}
