//! `tandem export`: an algorithm as a program of its inputs, parameters and seed being constants, at any stage on the
//! way from the trace to the device.

use clap::{Args, ValueEnum};
use tandem_compile::pjrt::Device;
use tandem_compile::{DType, Graph, TensorType};

use super::inputs::Source;
use super::{Failure, Precision, Target, inputs, output};
use crate::files::{FileRef, check_text, write_text};
use crate::registry::{Elements, Input, Settings, graph};

/// What `tandem export` takes.
#[derive(Debug, Args)]
pub struct Export {
    /// The algorithm; `tandem list` names them
    algorithm: String,
    /// An input's shape: a file whose shape it is, or the type itself, such as a=f32[768,512]
    #[arg(long = "input", value_name = "NAME=FILE|TYPE")]
    inputs: Vec<String>,
    /// A parameter
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// The precision of the computation
    #[arg(long, value_enum, default_value = "f32")]
    dtype: Precision,
    /// The stage: the traced graph, the StableHLO module that a compiler is given, or what the device's compiler
    /// makes of it (HLO)
    #[arg(long, value_enum, default_value = "stablehlo")]
    emit: Stage,
    /// The device whose compiler optimizes: `cpu`, `cuda`, `tpu`, or a plugin's path
    #[arg(long, value_name = "DEV", default_value = "cpu")]
    device: String,
    /// The program's text
    #[arg(long, value_name = "FILE")]
    out: Target,
}

/// How far a program has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stage {
    Graph,
    Stablehlo,
    Optimized,
}

impl Export {
    /// Runs the command.
    pub fn run(self) -> Result<(), Failure> {
        let algorithm = inputs::algorithm(&self.algorithm)?;
        let settings = Settings::parse(algorithm.parameters(), &self.settings).map_err(Failure::usage)?;
        let settings = settings.in_precision(self.dtype.dtype());
        let (signature, sources) = inputs::assign(algorithm, &self.inputs)?;
        check_text(&self.out).map_err(Failure::usage)?;
        let real = self.dtype.dtype();
        let types: Vec<Option<TensorType>> = signature
            .inputs
            .iter()
            .zip(&sources)
            .map(|(input, source)| source.as_ref().map(|source| argument(input, source, real)).transpose())
            .collect::<Result<_, _>>()?;
        let problem = algorithm.problem(&settings, &types).map_err(Failure::usage)?;
        if let Some(reason) = problem.needs_host(&types) {
            return Err(Failure::usage(reason));
        }
        let graph = graph(&*problem, &types).map_err(Failure::usage)?;
        // A set of tensors is as many results as it has tensors.
        let sets = signature.outputs.iter().filter(|output| output.elements == Elements::Tensors).count();
        let outputs = signature.outputs.len() - sets + sets * problem.tensors().len();
        // The status stands after the outputs, of which an algorithm may leave out the last ones.
        let outputs = graph.results().len().saturating_sub(1).min(outputs);
        let graph = graph.with_leading_results(outputs);
        write_text(&self.out, self.text(&graph)?).map_err(Failure::usage)?;
        output::say(&format!("{}: {} operations in {}", algorithm.name(), graph.nodes().len(), self.out.display()));
        Ok(())
    }
}

impl Export {
    fn text(&self, graph: &Graph) -> Result<String, Failure> {
        match self.emit {
            Stage::Graph => Ok(graph.to_string()),
            Stage::Stablehlo => Ok(graph.stablehlo()),
            Stage::Optimized => {
                let device = Device::named(&self.device).map_err(Failure::usage)?;
                device.optimized(&graph.stablehlo()).map_err(Failure::usage)
            }
        }
    }
}

/// The type of an input, from a type or from a file's array.
fn argument(input: &Input, source: &Source, real: DType) -> Result<TensorType, Failure> {
    let wanted = input.elements.dtype(real);
    let name = input.name;
    let text = match source {
        Source::Text(text) => text,
        Source::Array(array) => return Ok(array.ty().with_dtype(wanted)),
    };
    if let Some(ty) = inputs::tensor_type(text) {
        return match ty.dtype == wanted {
            true => Ok(ty),
            false => Err(Failure::usage(format!(
                "input {name}: {ty} is given, but the run computes in {wanted}; write {}, or choose --dtype",
                ty.with_dtype(wanted)
            ))),
        };
    }
    let about = |reason: String| Failure::usage(format!("input {name}: {reason}"));
    let file = FileRef::parse(text).map_err(|e| about(format!("{e}; a type is written f32[768,512]")))?;
    Ok(inputs::load(input, &file)?.ty().with_dtype(wanted))
}
