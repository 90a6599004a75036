//! The file that says what the modules compute.

use crate::function::{Argument, Function, Transform, Values};

/// One function's entry, in JSON.
pub fn entry(function: &Function, results: &[(Transform, usize)]) -> String {
    let arguments: Vec<String> = function.arguments.iter().map(argument).collect();
    let results: Vec<String> = results.iter().map(|(t, count)| format!("[\"{}\", {count}]", name(*t))).collect();
    format!(
        "{{\"name\": \"{}\", \"arguments\": [{}], \"results\": [{}]}}",
        function.name,
        arguments.join(", "),
        results.join(", ")
    )
}

/// The whole file.
pub fn file(entries: &[String]) -> String {
    format!("[\n{}\n]\n", entries.join(",\n"))
}

fn argument(argument: &Argument) -> String {
    let values = match &argument.values {
        Values::Within(low, high) => format!("\"within\": [{low}, {high}]"),
        // Python's JSON has infinity, by its whole name.
        Values::Given(values) => format!("\"given\": {values:?}").replace("inf", "Infinity"),
        Values::Any => "\"any\": true".into(),
    };
    let ty = &argument.ty;
    format!("{{\"dtype\": \"{}\", \"shape\": {:?}, {values}}}", ty.dtype, ty.shape)
}

fn name(transform: Transform) -> &'static str {
    match transform {
        Transform::Value => "value",
        Transform::Grad => "grad",
        Transform::Jvp => "jvp",
        Transform::Vmap => "vmap",
        Transform::VmapFirst => "vmap_first",
        Transform::VmapGrad => "vmap_grad",
        Transform::GradGrad => "grad_grad",
        Transform::Hessian => "hessian",
    }
}
