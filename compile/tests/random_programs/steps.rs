//! Which operation a step is.

use tandem_compile::{Tensor, TensorType};

use crate::program::{Program, Step};
use crate::writer::Writer;
use crate::{arrange, control, elementwise, index, products, reductions};

/// Appends one operation, if there are operands for it.
type Operation = fn(&Writer, &Step) -> Option<()>;

const PLAIN: &[Operation] = &[
    elementwise::smooth,
    elementwise::float_pair,
    elementwise::float_pair,
    arrange::reshape,
    elementwise::smooth,
    reductions::reduce,
    arrange::transpose,
    arrange::broadcast,
    arrange::slice,
    arrange::reverse,
    arrange::pad,
    arrange::join,
    arrange::pattern,
    arrange::constants,
    elementwise::rough,
    elementwise::integers,
    elementwise::integer_pair,
    elementwise::truth,
    elementwise::comparison,
    elementwise::choice,
    elementwise::clamp,
    elementwise::convert,
    reductions::reduce_truth,
    reductions::statistics,
    reductions::running,
    reductions::positions,
    reductions::order,
    reductions::windows,
    products::dot,
    products::matmul,
    products::outer,
    products::convolution,
    products::factor,
    index::take,
    index::take_along,
    index::scatter,
    index::scatter_set,
    index::dynamic,
];

const WITH_BODY: &[Operation] = &[
    control::conditional,
    control::fori,
    control::scanned,
    control::whiled,
    control::switched,
    control::transformed,
    control::scanned,
    control::fori,
];

/// Appends the operations of the steps.
pub fn run(w: &Writer, steps: &[Step]) {
    for step in steps {
        let operations = if step.body.is_empty() { PLAIN } else { WITH_BODY };
        // One without operands at hand is left out.
        let _ = w.step(step.id(), || operations[usize::from(step.op) % operations.len()](w, step));
    }
}

/// A program's results, and how many loops without a reverse mode it has.
pub struct Traced {
    pub results: Vec<Tensor>,
    pub whiles: usize,
    pub text: String,
}

/// The program as a function of its inputs.
pub fn apply(program: &Program, inputs: &[Tensor]) -> Traced {
    let w = Writer::new(program.is_wide());
    for (at, tensor) in inputs.iter().enumerate() {
        w.step(at as u64, || w.name(tensor.clone(), 4.0));
    }
    run(&w, &program.steps);
    let mut results = w.unused(inputs.len());
    if let Some(only) = program.only {
        results = vec![results.swap_remove(only.min(results.len() - 1))];
    }
    let names = |values: Vec<String>| values.join(", ");
    let types: Vec<String> = inputs.iter().map(|x| shown(x.ty())).collect();
    let text = format!(
        "let graph = trace(\n    |[{}]: [Tensor; {}]| {{\n{}\n        [{}]\n    }},\n    &[{}],\n)?;",
        names((0..inputs.len()).map(|at| format!("v{at}")).collect()),
        inputs.len(),
        w.text(&results),
        names(results.iter().map(|v| v.name.clone()).collect()),
        types.join(", "),
    );
    Traced { results: results.into_iter().map(|v| v.tensor).collect(), whiles: w.whiles(), text }
}

fn shown(ty: &TensorType) -> String {
    format!("TensorType::new(DType::{:?}, {:?})", ty.dtype, ty.shape)
}
