//! `tandem run`: an algorithm on files, its outputs into a folder.

use std::time::Instant;

use clap::Args;
use serde_json::{Map, Value, json};
use tandem_compile::pjrt::{Buffer, Device};
use tandem_compile::{HostArray, TensorType};
use tandem_verify::status::Status;

use super::inputs::Source;
use super::stages::Staged;
use super::{Failure, Place, Precision, Target, inputs, output};
use crate::files::{Content, check_writable, write_all};
use crate::registry::{Algorithm, Elements, Input, Output, Problem, Settings, Signature, graph};

/// What `tandem run` takes.
#[derive(Debug, Args)]
pub struct Run {
    /// The algorithm; `tandem list` names them
    algorithm: String,
    /// An input: a .npy file, an array of a .npz (FILE.npz:KEY) or .safetensors (FILE.safetensors:TENSOR) file; a
    /// trailing ^T transposes; further ones may follow the first
    #[arg(long = "input", value_name = "NAME=FILE")]
    inputs: Vec<String>,
    /// A parameter
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    #[command(flatten)]
    place: Place,
    /// The precision of the computation
    #[arg(long, value_enum, default_value = "f32")]
    dtype: Precision,
    /// The folder for OUTPUT.npy and run.json
    #[arg(long, value_name = "DIR")]
    out: Target,
    /// Prints run.json to stdout
    #[arg(long)]
    json: bool,
    /// Lets NaN and infinity pass in the inputs
    #[arg(long)]
    allow_nonfinite: bool,
    /// Fails (exit code 1) when the iteration did not converge
    #[arg(long)]
    strict: bool,
    /// The folder of an earlier run of an algorithm that leaves checkpoints: goes on from its last one
    #[arg(long, value_name = "DIR")]
    resume: Option<Target>,
}

/// What a run gave.
struct Computation {
    /// The outputs, and the status last.
    results: Vec<HostArray>,
    /// How many numbers of each input the device takes for zeros, because they are subnormal.
    flushed: Vec<usize>,
    times: Times,
}

/// What a run took, in milliseconds.
pub struct Times {
    pub trace: f64,
    pub compile: f64,
    pub run: f64,
}

impl Run {
    /// Runs the command.
    pub fn run(self) -> Result<(), Failure> {
        let algorithm = inputs::algorithm(&self.algorithm)?;
        let settings = Settings::parse(algorithm.parameters(), &self.settings).map_err(Failure::usage)?;
        let settings = settings.in_precision(self.dtype.dtype());
        let (signature, sources) = inputs::assign(algorithm, &self.inputs)?;
        check_writable(&self.out).map_err(Failure::usage)?;
        let arrays = self.read(signature.inputs, &sources)?;
        let types: Vec<Option<TensorType>> = arrays.iter().map(|a| a.as_ref().map(HostArray::ty)).collect();
        let problem = algorithm.problem(&settings, &types).map_err(Failure::usage)?;
        problem.check(&arrays).map_err(Failure::usage)?;
        inputs::check_memory(problem.bytes())?;
        let (device, computation) = self.compute(algorithm, &settings, &*problem, arrays)?;
        let tensors = problem.tensors();
        self.finish((algorithm.name(), signature, tensors), &settings, &types, device.as_ref(), computation)
    }

    fn compute(
        &self,
        algorithm: &dyn Algorithm,
        settings: &Settings,
        problem: &dyn Problem,
        arrays: Vec<Option<HostArray>>,
    ) -> Result<(Option<Device>, Computation), Failure> {
        let open = || self.place.open_as(problem.lowering());
        let Some(stages) = problem.stages() else {
            if self.resume.is_some() {
                let name = algorithm.name();
                let reason = format!("--resume: {name} runs in one piece and leaves no checkpoint; run it without");
                return Err(Failure::usage(reason));
            }
            let device = open()?;
            let computation = compute(problem, arrays, device.as_ref())?;
            return Ok((device, computation));
        };
        let device = open()?;
        let flushed = device.as_ref().map(|device| flushed(&arrays, device)).transpose().map_err(Failure::usage)?;
        let staged = Staged { algorithm, settings, stages, out: &self.out };
        let arrays: Vec<HostArray> = arrays.into_iter().flatten().collect();
        let progress = self.resume.as_ref().map(|from| staged.resume(from, &arrays)).transpose()?;
        if let Some(progress) = &progress {
            output::remark(&format!("going on after {} {}", progress.done(), stages.counted_by()));
        }
        let (results, times) = staged.run(arrays, device.as_ref(), progress)?;
        let computation = Computation { results, flushed: flushed.unwrap_or_default(), times };
        Ok((device, computation))
    }

    fn read(&self, takes: &[Input], sources: &[Option<Source>]) -> Result<Vec<Option<HostArray>>, Failure> {
        let real = self.dtype.dtype();
        let read = |(input, source): (&Input, &Option<Source>)| {
            source.as_ref().map(|source| inputs::read(input, source, real, self.allow_nonfinite)).transpose()
        };
        takes.iter().zip(sources).map(read).collect()
    }

    fn finish(
        &self,
        (algorithm, Signature { inputs: takes, outputs: gives }, tensors): (&str, Signature, Vec<String>),
        settings: &Settings,
        types: &[Option<TensorType>],
        device: Option<&Device>,
        Computation { mut results, flushed, times }: Computation,
    ) -> Result<(), Failure> {
        let status = results.pop().and_then(|s| s.values::<i32>().ok()?.first().copied()).unwrap_or(0);
        let status = Status(status);
        let contents = gathered(gives, &tensors, results);
        let given = takes.iter().zip(types).filter_map(|(input, ty)| Some((input.name.to_owned(), ty.clone()?)));
        let inputs: Vec<(String, TensorType)> = given.collect();
        let outputs: Vec<(String, TensorType)> =
            contents.iter().flat_map(|(name, content)| named(name, content)).collect();
        let all = inputs.iter().chain(&outputs);
        let shapes: Map<String, Value> = all.map(|(name, ty)| (name.clone(), json!(ty.shape))).collect();
        let flushed = takes.iter().zip(flushed).filter(|(_, count)| *count > 0);
        let flushed: Map<String, Value> =
            flushed.map(|(input, count)| (input.name.to_string(), json!(count))).collect();
        let words = |types: &[(String, TensorType)]| -> Map<String, Value> {
            types.iter().map(|(name, ty)| (name.clone(), json!(ty.to_string()))).collect()
        };
        let record = json!({
            "algorithm": algorithm,
            "parameters": settings.to_json(),
            "device": device.map_or("reference", Device::name),
            "lowering": device.map(|device| device.lowering().to_string()),
            "dtype": self.dtype.dtype().name(),
            "inputs": words(&inputs),
            "outputs": words(&outputs),
            "shapes": shapes,
            "versions": versions(device),
            "status": status.words(),
            "subnormals_read_as_zero": flushed,
            "trace_ms": times.trace,
            "compile_ms": times.compile,
            "run_ms": times.run,
        });
        let text = serde_json::to_string_pretty(&record).unwrap_or_default();
        let sound: Vec<(&str, bool)> = contents.iter().map(|(name, content)| (*name, content.is_finite())).collect();
        let files = contents.into_iter().map(|(name, content)| (format!("{name}.{}", content.extension()), content));
        let mut files: Vec<(String, Content)> = files.collect();
        files.push(("run.json".into(), Content::Text(text.clone() + "\n")));
        write_all(&self.out, &files).map_err(Failure::usage)?;

        if self.json {
            output::say(&text);
        } else {
            let (out, run) = (self.out.display(), times.run);
            output::say(&format!("{algorithm}: {} files in {out}, computed in {run:.1} ms", files.len()));
        }
        for (name, count) in &flushed {
            output::remark(&format!("{name}: the device reads its {count} subnormal numbers as zeros"));
        }
        if status != Status::default() {
            output::remark(&format!("status: {status}"));
        }
        self.verdict(status, &sound)
    }

    fn verdict(&self, status: Status, sound: &[(&str, bool)]) -> Result<(), Failure> {
        let unsound: Vec<&str> = sound.iter().filter(|(_, sound)| !sound).map(|&(name, _)| name).collect();
        if !unsound.is_empty() {
            let out = self.out.display();
            return Err(Failure::Computed(format!(
                "NaN or infinity in {}; all is written to {out}",
                unsound.join(", ")
            )));
        }
        if self.strict && status.has(Status::NOT_CONVERGED) {
            return Err(Failure::Computed("the iteration limit came before convergence (--strict)".into()));
        }
        Ok(())
    }
}

/// What the outputs hold, by name: an array each, or as many as there are `tensors`.
fn gathered(gives: &[Output], tensors: &[String], results: Vec<HostArray>) -> Vec<(&'static str, Content)> {
    let mut results = results.into_iter();
    let one = |output: &Output| match output.elements {
        Elements::Tensors => {
            let set = tensors.iter().cloned().zip(results.by_ref()).collect();
            Some((output.name, Content::Tensors(set)))
        }
        _ => Some((output.name, Content::Npy(results.next()?))),
    };
    gives.iter().filter_map(one).collect()
}

/// The types of the arrays in an output, those of a set as `OUTPUT:TENSOR`.
fn named(name: &str, content: &Content) -> Vec<(String, TensorType)> {
    match content {
        Content::Npy(array) => vec![(name.to_owned(), array.ty())],
        Content::Tensors(set) => set.iter().map(|(own, array)| (format!("{name}:{own}"), array.ty())).collect(),
        Content::Text(_) => Vec::new(),
    }
}

fn compute(
    problem: &dyn Problem,
    arrays: Vec<Option<HostArray>>,
    device: Option<&Device>,
) -> Result<Computation, Failure> {
    let spinner = output::spinner("preparing");
    let arrays = problem.prepare(arrays);
    let Some(device) = device else {
        spinner.set_message("running the reference");
        let start = Instant::now();
        let results = problem.reference(&arrays);
        let times = Times { trace: 0.0, compile: 0.0, run: milliseconds(start) };
        return Ok(Computation { results, flushed: Vec::new(), times });
    };
    let flushed = flushed(&arrays, device).map_err(Failure::usage)?;
    let types: Vec<Option<TensorType>> = arrays.iter().map(|a| a.as_ref().map(HostArray::ty)).collect();
    let start = Instant::now();
    let graph = graph(problem, &types).map_err(Failure::usage)?;
    let trace = milliseconds(start);

    spinner.set_message("compiling");
    let start = Instant::now();
    let executable = graph.compile(device).map_err(Failure::usage)?;
    let compile = milliseconds(start);

    spinner.set_message("running");
    let buffers: Vec<Buffer> =
        arrays.iter().flatten().map(|a| device.upload(a)).collect::<Result<_, _>>().map_err(Failure::usage)?;
    for buffer in &buffers {
        buffer.wait().map_err(Failure::usage)?;
    }
    let start = Instant::now();
    let results = executable.execute(&buffers).map_err(Failure::usage)?;
    for result in &results {
        result.wait().map_err(Failure::usage)?;
    }
    let run = milliseconds(start);
    let results = results.iter().map(Buffer::to_host).collect::<Result<_, _>>().map_err(Failure::usage)?;
    Ok(Computation { results, flushed, times: Times { trace, compile, run } })
}

/// The number of subnormal numbers in each array, if the device takes them for zeros.
fn flushed(arrays: &[Option<HostArray>], device: &Device) -> tandem_compile::Result<Vec<usize>> {
    let count = |array: &Option<HostArray>| array.as_ref().map_or(0, HostArray::subnormals);
    let first = arrays.iter().flatten().find(|array| array.subnormals() > 0);
    match first {
        Some(array) if device.flushes_subnormals(array.dtype())? => Ok(arrays.iter().map(count).collect()),
        _ => Ok(Vec::new()),
    }
}

pub fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

/// The versions of everything that had a part in a result.
pub fn versions(device: Option<&Device>) -> Value {
    let mut versions = json!({ "tandem": env!("CARGO_PKG_VERSION") });
    if let Some(device) = device {
        let (major, minor) = device.plugin().api_version();
        versions["pjrt"] = json!(format!("{major}.{minor}"));
        versions["platform"] = json!(output::one_line(device.platform_version()));
        for (name, value) in device.plugin().attributes() {
            versions[name] = json!(value);
        }
    }
    versions
}
