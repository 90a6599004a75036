//! `tandem list`: every algorithm with its inputs, outputs and parameters.

use clap::Args;
use serde_json::{Value, json};

use super::{Failure, output};
use crate::registry::{Algorithm, Elements, algorithms};

/// What `tandem list` takes.
#[derive(Debug, Args)]
pub struct List {
    /// Prints a JSON array
    #[arg(long)]
    json: bool,
}

impl List {
    /// Runs the command.
    pub fn run(self) -> Result<(), Failure> {
        if self.json {
            let all: Vec<Value> = algorithms().iter().map(|a| to_json(*a)).collect();
            output::say(&serde_json::to_string_pretty(&all).unwrap_or_default());
        } else {
            let all: Vec<String> = algorithms().iter().map(|a| describe(*a)).collect();
            output::say(&all.join("\n"));
        }
        Ok(())
    }
}

fn elements(elements: Elements) -> &'static str {
    match elements {
        Elements::Real => "real",
        Elements::Index => "i32",
        Elements::Tensors => "tensors",
    }
}

fn to_json(algorithm: &dyn Algorithm) -> Value {
    let inputs: Vec<Value> = algorithm
        .inputs()
        .iter()
        .map(|input| {
            json!({
                "name": input.name,
                "shape": input.shape,
                "dtype": elements(input.elements),
                "optional": input.optional,
                "about": input.about,
            })
        })
        .collect();
    let outputs: Vec<Value> = algorithm
        .outputs()
        .iter()
        .map(|output| {
            json!({
                "name": output.name,
                "shape": output.shape,
                "dtype": elements(output.elements),
                "about": output.about,
            })
        })
        .collect();
    let parameters: Vec<Value> = algorithm.parameters().iter().map(|p| p.to_json()).collect();
    let example = algorithm.example();
    let mut shapes: serde_json::Map<String, Value> =
        example.inputs.iter().map(|(name, shape)| ((*name).to_owned(), json!(shape))).collect();
    for input in algorithm.inputs().iter().filter(|input| input.elements == Elements::Tensors) {
        shapes.insert(input.name.to_owned(), json!(algorithm.arrays_of_example()));
    }
    json!({
        "name": algorithm.name(),
        "about": algorithm.about(),
        "inputs": inputs,
        "outputs": outputs,
        "parameters": parameters,
        "example": { "settings": example.settings, "inputs": shapes },
    })
}

fn describe(algorithm: &dyn Algorithm) -> String {
    let mut rows = Vec::new();
    for input in algorithm.inputs() {
        let kind = match (input.elements, input.optional) {
            (Elements::Tensors, _) => "input, .safetensors",
            (_, true) => "input, optional",
            (_, false) => "input",
        };
        rows.push(["", input.name, input.shape, kind, input.about].map(String::from).to_vec());
    }
    for output in algorithm.outputs() {
        let kind = match output.elements {
            Elements::Real => "output",
            Elements::Index => "output, i32",
            Elements::Tensors => "output, .safetensors",
        };
        rows.push(["", output.name, output.shape, kind, output.about].map(String::from).to_vec());
    }
    for parameter in algorithm.parameters() {
        let default = parameter.default.unwrap_or("required");
        rows.push(["", parameter.name, default, "parameter", parameter.about].map(String::from).to_vec());
    }
    format!("{}: {}\n{}", algorithm.name(), algorithm.about(), output::table(&rows))
}
