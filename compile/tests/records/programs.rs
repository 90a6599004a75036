//! Graphs of cases, alone and many in one, and what can be said of them without running them.

use std::ops::Range;

use tandem_compile::ops::{Cost, Kind};
use tandem_compile::{Graph, HostArray, Tensor, TensorType, trace};

use crate::record::{Case, Record};
use crate::report::{Failures, attempt, each_case};

/// The graph of a case.
pub fn graph(case: &Case) -> Result<Graph, String> {
    let types: Vec<TensorType> = case.arguments.iter().map(|argument| argument.ty.clone()).collect();
    traced(&types, |x| (case.f)(x))
}

/// The graph of a function of a list.
pub fn traced(types: &[TensorType], f: impl Fn(&[Tensor]) -> Vec<Tensor>) -> Result<Graph, String> {
    trace(|x: Vec<Tensor>| f(&x), types).map_err(|error| error.to_string())
}

/// The longest program that is printed beside a failure.
const SHOWN: usize = 6000;

/// The graph and its StableHLO text, unless they are long.
pub fn shown(graph: &Graph) -> String {
    let text = format!("{graph}{}", graph.stablehlo());
    match text.len() <= SHOWN {
        true => text,
        false => format!("(its program has {} characters)\n", text.len()),
    }
}

/// The graph run by the interpreter.
pub fn eval(graph: &Graph, arguments: &[HostArray]) -> Result<Vec<HostArray>, String> {
    graph.eval(arguments).map_err(|error| error.to_string())
}

/// A function of a case, to be traced: the case itself, its derivative, ...
pub type Rule<'a> = dyn Fn(&[Tensor]) -> Vec<Tensor> + 'a;

/// A part of a program that stands for one case: its position in the record, its function and argument types.
pub struct Part<'a> {
    pub case: usize,
    pub f: Box<Rule<'a>>,
    pub types: Vec<TensorType>,
    /// The part alone.
    pub graph: Graph,
}

/// One program of many parts: compiling has a price per program.
pub struct Merged {
    pub graph: Graph,
    /// Which results belong to each part.
    pub results: Vec<Range<usize>>,
}

pub fn merged(parts: &[Part]) -> Result<Merged, String> {
    let types: Vec<TensorType> = parts.iter().flat_map(|part| part.types.clone()).collect();
    let graph = traced(&types, |mut x| {
        let mut results = Vec::new();
        for part in parts {
            let (own, rest) = x.split_at(part.types.len());
            results.extend((part.f)(own));
            x = rest;
        }
        results
    })?;
    let mut end = 0;
    let results = parts
        .iter()
        .map(|part| {
            let start = end;
            end += part.graph.results().len();
            start..end
        })
        .collect();
    Ok(Merged { graph, results })
}

pub fn uses_the_primitive(record: &Record) -> Failures {
    let mut failures = each_case(record, |case| {
        let graph = graph(case)?;
        graph.check()?;
        if !uses(&graph, record.kind) {
            return Err(format!("there is no {} in its graph", record.kind));
        }
        lines_are_the_users(&graph)
    });
    if record.cases.is_empty() {
        failures.push((None, "the record has no cases".into()));
    }
    for (at, case) in record.cases.iter().enumerate() {
        if record.cases[..at].iter().any(|other| other.label == case.label) {
            failures.push((Some(at), "two cases have this label".into()));
        }
    }
    failures
}

fn uses(graph: &Graph, kind: Kind) -> bool {
    graph.nodes().iter().any(|node| node.op.kind() == kind || node.op.subgraphs().iter().any(|g| uses(g, kind)))
}

/// Every operation is laid to a line of the tests, not to one of the library.
pub fn lines_are_the_users(graph: &Graph) -> Result<(), String> {
    for node in graph.nodes() {
        let file = node.location.file();
        if !file.contains("tests/records/") {
            return Err(format!("{} is laid to {}, not to the line that wrote it", node.op.kind(), node.location));
        }
        node.op.subgraphs().into_iter().try_for_each(lines_are_the_users)?;
    }
    Ok(())
}

pub fn refusals(record: &Record) -> Failures {
    let check = |at: usize| {
        let refusal = &record.refusals[at];
        let refused = attempt(|| {
            traced(&refusal.arguments, |x| {
                (refusal.f)(x);
                Vec::new()
            })
        });
        let wanted = refusal.message;
        match refused {
            Ok(graph) => Err(format!("refusal {at}, \"{wanted}\": it was accepted\n{graph}")),
            Err(error) if !error.contains(wanted) => Err(format!("refusal {at}, \"{wanted}\": instead {error}")),
            Err(error) if !error.contains("tests/records/") || error.contains("programs.rs") => {
                Err(format!("refusal {at}: the message does not name the line that is wrong: {error}"))
            }
            Err(_) => Ok(()),
        }
    };
    (0..record.refusals.len()).filter_map(|at| check(at).err().map(|error| (None, error))).collect()
}

pub fn cost(record: &Record) -> Failures {
    each_case(record, |case| {
        let graph = graph(case)?;
        for node in graph.nodes().iter().filter(|node| node.op.kind() == record.kind) {
            let types = |values: &[_]| values.iter().map(|&v| graph.ty(v).clone()).collect::<Vec<_>>();
            let (inputs, outputs) = (types(&node.inputs), types(&node.outputs));
            let cost = node.op.cost(&inputs, &outputs);
            let Cost { flops, transcendentals, bytes } = cost;
            let sound = [flops, transcendentals, bytes].into_iter().all(|x| x.is_finite() && x >= 0.0);
            let free = matches!(record.kind, Kind::Barrier | Kind::StopGradient)
                || node.op.attributes().starts_with("length 0,")
                || outputs.iter().all(TensorType::is_empty);
            if !sound || (bytes == 0.0 && !free) {
                return Err(format!("the cost is {cost:?}"));
            }
        }
        Ok(())
    })
}
