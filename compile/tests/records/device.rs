//! The device against the interpreter: results, derivatives and stacks of problems. All cases of a record make one
//! program.

use tandem_compile::pjrt::{Device, Executable};
use tandem_compile::{DType, Graph, HostArray, Tensor};

use crate::arrays::largest;
use crate::derivatives::Smooth;
use crate::judge::{Expected, judge};
use crate::loops::{Mapped, expectations};
use crate::programs::{Merged, Part, eval, graph, merged, shown, traced};
use crate::record::{Budget, Case, Derivative, Record};
use crate::report::{Failures, attempt};
use crate::values::{Class, arguments, directions, has_classes};

/// Units in the last place of the largest number involved, for derivatives: they are sums of a few products of what
/// the primitive itself computes, each within its budget.
const DERIVATIVE_UNITS: f64 = 64.0;

fn cpu() -> Device {
    Device::cpu().unwrap_or_else(|error| panic!("{error}"))
}

/// Which cases stand for all, where compiling all of them would take long: of those that differ in dtype alone a third,
/// other dtypes from group to group.
fn sample(record: &Record, eligible: impl Fn(&Case) -> bool) -> Vec<bool> {
    let mut groups: Vec<(String, Vec<usize>)> = Vec::new();
    for (at, case) in record.cases.iter().enumerate().filter(|(_, case)| eligible(case)) {
        let key = attempt(|| graph(case).map(|graph| without_dtypes(&graph))).unwrap_or_default();
        match groups.iter_mut().find(|(other, _)| *other == key) {
            Some((_, group)) => group.push(at),
            None => groups.push((key, vec![at])),
        }
    }
    let mut chosen = vec![false; record.cases.len()];
    for (turn, (_, group)) in groups.iter().enumerate() {
        group.iter().enumerate().filter(|(i, _)| (i + turn) % group.len().min(3) == 0).for_each(|(_, &at)| {
            chosen[at] = true;
        });
    }
    chosen
}

/// The graph's text without dtypes and lines.
fn without_dtypes(graph: &Graph) -> String {
    let mut text: String = graph.to_string().lines().map(|line| line.split("//").next().unwrap_or(line)).collect();
    for dtype in [DType::BF16].into_iter().chain(DType::ALL) {
        text = text.replace(&format!("{dtype}["), "[");
    }
    text
}

/// The parts that can be made, and what is wrong with the others.
fn parts<'a>(
    record: &'a Record,
    failures: &mut Failures,
    part: impl Fn(usize, &'a Case) -> Result<Option<Part<'a>>, String>,
) -> Vec<Part<'a>> {
    let mut parts = Vec::new();
    for (at, case) in record.cases.iter().enumerate() {
        match attempt(|| part(at, case)) {
            Ok(part) => parts.extend(part),
            Err(error) => failures.push((Some(at), error)),
        }
    }
    parts
}

/// One program of all the parts. Where that does not compile, says which of them do not.
fn compiled(parts: &[Part], failures: &mut Failures) -> Option<(Executable, Merged)> {
    if parts.is_empty() {
        return None;
    }
    let program = attempt(|| {
        let merged = merged(parts)?;
        let executable = merged.graph.compile(&cpu()).map_err(|error| error.to_string())?;
        Ok((executable, merged))
    });
    program
        .map_err(|error| {
            let before = failures.len();
            for part in parts {
                if let Err(error) = part.graph.compile(&cpu()) {
                    failures.push((Some(part.case), format!("{error}\n{}", shown(&part.graph))));
                }
            }
            if failures.len() == before {
                failures.push((None, format!("all cases in one program: {error}")));
            }
        })
        .ok()
}

/// Runs a program of many parts, and judges those results of each part that `expected` gives.
fn run(
    parts: &[Part],
    (executable, merged): &(Executable, Merged),
    inputs: &[Vec<HostArray>],
    failures: &mut Failures,
    judge: impl Fn(&Part, &[HostArray], &[HostArray]) -> Result<(), String>,
) {
    let found = match executable.run(&cpu(), &inputs.concat()) {
        Ok(found) => found,
        Err(error) => return failures.push((None, error.to_string())),
    };
    for ((part, x), range) in parts.iter().zip(inputs).zip(&merged.results) {
        if let Err(error) = attempt(|| judge(part, x, &found[range.clone()])) {
            failures.push((Some(part.case), error));
        }
    }
}

/// Every result against its expectation.
fn judge_all(found: &[HostArray], expected: &[Expected], budget: Budget, class: Class) -> Result<(), String> {
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        judge(found, expected, budget, class).map_err(|error| format!("{class:?} values: result {at}: {error}"))?;
    }
    Ok(())
}

pub fn agrees(record: &Record) -> Failures {
    let mut failures = Failures::new();
    let parts = parts(record, &mut failures, |at, case| {
        let graph = graph(case)?;
        let types = graph.param_types();
        Ok(Some(Part { case: at, f: Box::new(|x| (case.f)(x)), types, graph }))
    });
    let Some(program) = compiled(&parts, &mut failures) else { return failures };
    let special = record.cases.iter().any(has_classes);
    for class in Class::ALL.into_iter().filter(|&class| class == Class::Ordinary || special) {
        let inputs: Vec<Vec<HostArray>> =
            parts.iter().map(|part| arguments(record.kind, &record.cases[part.case], class, "")).collect();
        run(&parts, &program, &inputs, &mut failures, |part, x, found| {
            let case = &record.cases[part.case];
            if class != Class::Ordinary && !has_classes(case) {
                return Ok(());
            }
            let expected = expectations(&part.graph, case.budget, x, class)?;
            judge_all(found, &expected, case.budget, class)
        });
    }
    failures
}

pub fn vmap_agrees(record: &Record) -> Failures {
    let mut failures = Failures::new();
    let chosen = sample(record, |case| !case.arguments.is_empty());
    let all = |case| Mapped { case, mapped: vec![true; case.arguments.len()], size: 3 };
    let parts = parts(record, &mut failures, |at, case| {
        if !chosen[at] {
            return Ok(None);
        }
        let mapped = all(case);
        let types = mapped.types();
        let graph = traced(&types, |x| mapped.apply(x))?;
        Ok(Some(Part { case: at, f: Box::new(move |x| mapped.apply(x)), types, graph }))
    });
    let Some(program) = compiled(&parts, &mut failures) else { return failures };
    let inputs: Vec<Vec<HostArray>> =
        parts.iter().map(|part| all(&record.cases[part.case]).stacked(record.kind)).collect();
    run(&parts, &program, &inputs, &mut failures, |part, x, found| {
        let budget = record.cases[part.case].budget;
        judge_all(found, &expectations(&part.graph, budget, x, Class::Ordinary)?, budget, Class::Ordinary)
    });
    failures
}

/// Forward and reverse mode of every case, side by side.
pub fn derivatives_agree(record: &Record) -> Failures {
    let mut failures = Failures::new();
    let chosen = sample(record, |case| !matches!(case.derivative, Derivative::None));
    let parts = parts(record, &mut failures, |at, case| {
        if !chosen[at] {
            return Ok(None);
        }
        let Some(smooth) = Smooth::new(case)? else { return Ok(None) };
        let reverse = smooth.irreversible().is_none();
        let (tangents, cotangents) = (smooth.float_types(), smooth.results.clone());
        let types = [smooth.types.clone(), tangents.clone(), cotangents].concat();
        let (arguments, pushed) = (smooth.types.len(), smooth.types.len() + tangents.len());
        let both = move |x: &[Tensor]| {
            let ct = [&x[..arguments], &x[pushed..]].concat();
            let pulled = if reverse { smooth.pull(&ct) } else { Vec::new() };
            [smooth.push(&x[..pushed]), pulled].concat()
        };
        let graph = traced(&types, &both)?;
        Ok(Some(Part { case: at, f: Box::new(both), types, graph }))
    });
    let Some(program) = compiled(&parts, &mut failures) else { return failures };
    let inputs: Vec<Vec<HostArray>> = parts
        .iter()
        .map(|part| {
            let case = &record.cases[part.case];
            let x = arguments(record.kind, case, Class::Ordinary, "");
            let directions = directions(record.kind, case, &part.types[x.len()..], "device");
            [x, directions].concat()
        })
        .collect();
    run(&parts, &program, &inputs, &mut failures, |part, x, found| {
        let expected = eval(&part.graph, x)?;
        let own = match record.cases[part.case].budget {
            Budget::Exact => 0.0,
            Budget::Ulps(n, _) | Budget::OfMagnitude(n, _) | Budget::OfLargest(n, _) => n,
        };
        for (at, (found, value)) in found.iter().zip(expected).enumerate() {
            within(found, &value, x, DERIVATIVE_UNITS * (own + 1.0)).map_err(|error| {
                format!("result {at} of the tangents and then the cotangents: {error}\n{}", shown(&part.graph))
            })?;
        }
        Ok(())
    });
    failures
}

/// Within so many units in the last place of the largest number among the arguments and in the result.
fn within(found: &HostArray, value: &HostArray, x: &[HostArray], units: f64) -> Result<(), String> {
    let dtype = value.dtype();
    let scale = x.iter().filter(|x| x.dtype().is_float()).map(largest).fold(largest(value), f64::max);
    let (found, expected) = (found.to_f64(), value.to_f64());
    let wrong = (0..found.len()).find(|&i| !crate::judge::near(found[i], expected[i], units, scale, dtype));
    match wrong {
        None => Ok(()),
        Some(i) => Err(format!(
            "in {}, element {i} is {:e}, expected {:e} (to {units} units of {scale:e})",
            value.ty(),
            found[i],
            expected[i]
        )),
    }
}
