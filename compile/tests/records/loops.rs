//! vmap against a loop: the same numbers as slice by slice.

use tandem_compile::ops::Kind;
use tandem_compile::{Graph, HostArray, Tensor, TensorType, vmap_axes};

use crate::arrays::{map_floats, slice, stack};
use crate::judge::{Expected, judge};
use crate::programs::{eval, graph, lines_are_the_users, shown, traced};
use crate::record::{Budget, Case, Record};
use crate::report::{Failures, each_case};
use crate::values::{Class, arguments};

/// A case mapped over some of its arguments.
pub struct Mapped<'a> {
    pub case: &'a Case,
    pub mapped: Vec<bool>,
    pub size: usize,
}

impl Mapped<'_> {
    pub fn types(&self) -> Vec<TensorType> {
        let types = self.case.arguments.iter().map(|argument| &argument.ty).zip(&self.mapped);
        types.map(|(ty, &mapped)| if mapped { stacked(ty, self.size) } else { ty.clone() }).collect()
    }

    pub fn apply(&self, x: &[Tensor]) -> Vec<Tensor> {
        let axes: Vec<Option<usize>> = self.mapped.iter().map(|&mapped| mapped.then_some(0)).collect();
        vmap_axes(|x: Vec<Tensor>| (self.case.f)(&x), axes, [])(x.to_vec())
    }

    /// The arguments of every slice: those that are not mapped are the same in all.
    pub fn slices(&self, kind: Kind) -> Vec<Vec<HostArray>> {
        let first = arguments(kind, self.case, Class::Ordinary, "slice 0");
        (0..self.size)
            .map(|at| {
                let own = arguments(kind, self.case, Class::Ordinary, &format!("slice {at}"));
                let choose = |(i, own): (usize, HostArray)| if self.mapped[i] { own } else { first[i].clone() };
                own.into_iter().enumerate().map(choose).collect()
            })
            .collect()
    }

    /// The arguments of all slices at once.
    pub fn stacked(&self, kind: Kind) -> Vec<HostArray> {
        let slices = self.slices(kind);
        let first = arguments(kind, self.case, Class::Ordinary, "slice 0");
        let whole = |(i, first): (usize, HostArray)| match self.mapped[i] {
            true => stack(&first.ty(), &slices.iter().map(|slice| slice[i].clone()).collect::<Vec<_>>()),
            false => first,
        };
        first.into_iter().enumerate().map(whole).collect()
    }
}

fn stacked(ty: &TensorType, size: usize) -> TensorType {
    ty.with_shape([&[size], ty.shape.as_slice()].concat())
}

pub fn vmap_is_a_loop(record: &Record) -> Failures {
    each_case(record, |case| {
        let count = case.arguments.len();
        if count == 0 {
            return Ok(());
        }
        let single = graph(case)?;
        let all = vec![true; count];
        for size in [3, 1, 0] {
            let what = format!("vmap of all arguments, {size} slices");
            one(record.kind, &single, &Mapped { case, mapped: all.clone(), size })
                .map_err(|error| format!("{what}: {error}"))?;
        }
        for alone in (0..count).filter(|_| count > 1) {
            let mapped = (0..count).map(|i| i == alone).collect();
            one(record.kind, &single, &Mapped { case, mapped, size: 3 })
                .map_err(|error| format!("vmap of argument {alone} alone: {error}"))?;
        }
        twice(record.kind, &single, case).map_err(|error| format!("vmap of vmap: {error}"))
    })
}

fn one(kind: Kind, single: &Graph, mapped: &Mapped) -> Result<(), String> {
    let program = traced(&mapped.types(), |x| mapped.apply(x))?;
    program.check()?;
    lines_are_the_users(&program)?;
    let found = eval(&program, &mapped.stacked(kind))?;
    let types: Vec<TensorType> = single.result_types().iter().map(|ty| stacked(ty, mapped.size)).collect();
    same_types(&found, &types)?;
    for (at, x) in mapped.slices(kind).iter().enumerate() {
        let results: Vec<HostArray> = found.iter().map(|found| slice(found, at)).collect();
        compare(single, mapped.case, x, &results)
            .map_err(|error| format!("slice {at}: {error}\n{}", shown(&program)))?;
    }
    Ok(())
}

/// Mapped over all arguments, and that over all once more.
fn twice(kind: Kind, single: &Graph, case: &Case) -> Result<(), String> {
    let (outer, inner) = (2, 3);
    let rows: Vec<Vec<Vec<HostArray>>> = (0..outer)
        .map(|i| (0..inner).map(|j| arguments(kind, case, Class::Ordinary, &format!("slice {i} {j}"))).collect())
        .collect();
    let types: Vec<TensorType> = case.arguments.iter().map(|argument| argument.ty.clone()).collect();
    let whole: Vec<HostArray> = types
        .iter()
        .enumerate()
        .map(|(i, ty)| {
            let row = |row: &Vec<Vec<HostArray>>| stack(ty, &row.iter().map(|x| x[i].clone()).collect::<Vec<_>>());
            stack(&stacked(ty, inner), &rows.iter().map(row).collect::<Vec<_>>())
        })
        .collect();
    let wide: Vec<TensorType> = types.iter().map(|ty| stacked(&stacked(ty, inner), outer)).collect();
    let axes = vec![Some(0); types.len()];
    let program = traced(&wide, |x| {
        let within = vmap_axes(|x: Vec<Tensor>| (case.f)(&x), axes.clone(), []);
        vmap_axes(within, axes.clone(), [])(x.to_vec())
    })?;
    program.check()?;
    let found = eval(&program, &whole)?;
    for (i, row) in rows.iter().enumerate() {
        for (j, x) in row.iter().enumerate() {
            let results: Vec<HostArray> = found.iter().map(|found| slice(&slice(found, i), j)).collect();
            compare(single, case, x, &results).map_err(|error| format!("slice {i}, {j}: {error}"))?;
        }
    }
    Ok(())
}

fn same_types(found: &[HostArray], expected: &[TensorType]) -> Result<(), String> {
    let list = |types: &[TensorType]| types.iter().map(TensorType::to_string).collect::<Vec<_>>().join(", ");
    let found: Vec<TensorType> = found.iter().map(HostArray::ty).collect();
    match found == expected {
        true => Ok(()),
        false => Err(format!("the results are {}, expected {}", list(&found), list(expected))),
    }
}

/// The results of one slice against the function of that slice.
fn compare(single: &Graph, case: &Case, x: &[HostArray], found: &[HostArray]) -> Result<(), String> {
    for (found, expected) in found.iter().zip(expectations(single, case.budget, x, Class::Ordinary)?) {
        judge(found, &expected, case.budget, Class::Ordinary)?;
    }
    Ok(())
}

/// What the interpreter says of a program: values, and what the budget needs beside them.
pub fn expectations(graph: &Graph, budget: Budget, x: &[HostArray], class: Class) -> Result<Vec<Expected>, String> {
    let values = eval(graph, x)?;
    let some = |wanted: bool, f: &dyn Fn(&HostArray) -> HostArray| match wanted {
        true => eval(graph, &x.iter().map(f).collect::<Vec<_>>()).map(Some),
        false => Ok(None),
    };
    let flushed = some(class == Class::Tiny, &crate::judge::flushed)?;
    let magnitude = some(matches!(budget, Budget::OfMagnitude(..)), &|x| map_floats(x, f64::abs))?;
    let at = |arrays: &Option<Vec<HostArray>>, i: usize| arrays.as_ref().map(|arrays| arrays[i].clone());
    Ok(values
        .into_iter()
        .enumerate()
        .map(|(i, value)| Expected { value, flushed: at(&flushed, i), magnitude: at(&magnitude, i) })
        .collect())
}
