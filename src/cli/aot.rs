//! `tandem aot`: every algorithm compiled for hardware that is not there, and what its compiler says of the program.
//!
//! A compiler may take long, or end the process: each program is compiled in a process of its own, with a time limit.

use std::time::{Duration, Instant};

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::{Value, json};
use tandem_compile::DType;
use tandem_compile::pjrt::{Environment, Hardware, Topology};

use super::{Failure, Precision, apart, inputs, output};
use crate::registry::{Algorithm, Elements, Input, algorithms, graph};

const TARGETS: [&str; 3] = [Hardware::NAMES[0].0, Hardware::NAMES[1].0, Hardware::NAMES[2].0];

/// What `tandem aot` takes.
#[derive(Debug, Args)]
pub struct Aot {
    /// The algorithms; all of them when none is named
    algorithms: Vec<String>,
    /// The hardware; several are given one after the other
    #[arg(long = "target", value_name = "TARGET", required = true, value_parser = PossibleValuesParser::new(TARGETS))]
    targets: Vec<String>,
    /// One precision instead of both
    #[arg(long, value_enum)]
    dtype: Option<Precision>,
    /// A parameter of the one algorithm that is named, instead of its example's
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Seconds after which a compiler counts as hanging
    #[arg(long, value_name = "S", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// Prints a JSON array, one object per algorithm, precision and target
    #[arg(long)]
    json: bool,
}

impl Aot {
    /// Runs the command.
    pub fn run(self) -> Result<(), Failure> {
        let chosen = match self.algorithms.as_slice() {
            [] => algorithms().to_vec(),
            names => names.iter().map(|name| inputs::algorithm(name)).collect::<Result<_, _>>()?,
        };
        if !self.settings.is_empty() {
            let [algorithm] = chosen.as_slice() else {
                return Err(Failure::usage("--set goes with one algorithm: name it"));
            };
            algorithm.example().resolve(*algorithm, &self.settings, DType::F32).map_err(Failure::usage)?;
        }
        let targets: Vec<Hardware> = self.targets.iter().filter_map(|name| Hardware::named(name)).collect();
        for target in &targets {
            Environment::current().locate(target.device()).map_err(Failure::usage)?;
        }
        let dtypes = self.dtype.map_or(vec![Precision::F32, Precision::F64], |one| vec![one]);
        let mut programs = Vec::new();
        for &target in &targets {
            for algorithm in &chosen {
                programs.extend(dtypes.iter().map(|&dtype| self.compile(*algorithm, target, dtype)));
            }
        }
        match self.json {
            true => output::say(&serde_json::to_string_pretty(&programs).unwrap_or_default()),
            false => output::say(&format!("{}\n{}", table(&programs), remarks(&targets))),
        }
        verdict(&programs)
    }

    /// The record of one program, compiled in a process of its own.
    fn compile(&self, algorithm: &dyn Algorithm, target: Hardware, dtype: Precision) -> Value {
        let (name, dtype) = (algorithm.name(), dtype.dtype().name());
        let spinner = output::spinner(&format!("{name} in {dtype} for {}", target.name()));
        let mut arguments = vec!["aot-one", name, target.name(), dtype];
        arguments.extend(self.settings.iter().flat_map(|setting| ["--set", setting.as_str()]));
        let found = apart::answer(&arguments, Duration::from_secs(self.limit));
        spinner.finish_and_clear();
        found.unwrap_or_else(|error| {
            let mut record = head(name, target, dtype);
            record["error"] = json!(error);
            record
        })
    }
}

/// A record of a program that is not compiled.
fn head(algorithm: &str, target: Hardware, dtype: &str) -> Value {
    json!({
        "algorithm": algorithm, "dtype": dtype, "target": target.name(), "parameters": null, "inputs": null, "flops": null,
        "bytes_accessed": null, "peak_memory": null, "code_size": null, "trace_seconds": null, "compile_seconds": null,
        "counted_by": null, "roofline_seconds": null, "bound": null, "error": null,
    })
}

/// What the hidden `tandem aot-one` takes.
#[derive(Debug, Args)]
pub struct One {
    algorithm: String,
    target: String,
    #[arg(value_enum)]
    dtype: Precision,
    #[arg(long = "set")]
    settings: Vec<String>,
}

impl One {
    /// Runs the command: prints the program's record, with the error in it where there is one.
    pub fn run(self) -> Result<(), Failure> {
        let algorithm = inputs::algorithm(&self.algorithm)?;
        let target = Hardware::named(&self.target).ok_or_else(|| Failure::usage("there is no such target"))?;
        let mut record = head(algorithm.name(), target, self.dtype.dtype().name());
        if let Err(error) = self.fill(algorithm, target, &mut record) {
            record["error"] = json!(output::one_line(&error));
        }
        output::say(&record.to_string());
        Ok(())
    }

    fn fill(&self, algorithm: &dyn Algorithm, target: Hardware, record: &mut Value) -> Result<(), String> {
        let real = self.dtype.dtype();
        let (settings, types) = algorithm.example().resolve(algorithm, &self.settings, real)?;
        record["parameters"] = settings.to_json();
        let given: Vec<&str> = algorithm.example().inputs.iter().map(|(name, _)| *name).collect();
        let single = |input: &&Input| input.elements != Elements::Tensors;
        let named = algorithm.signature(&given).inputs.iter().filter(single).zip(&types);
        let shown = named.filter_map(|(input, ty)| Some((input.name.to_owned(), json!(ty.as_ref()?.to_string()))));
        record["inputs"] = Value::Object(shown.collect());
        let problem = algorithm.problem(&settings, &types)?;
        let start = Instant::now();
        let graph = graph(&*problem, &types).map_err(|e| e.to_string())?;
        let text = graph.stablehlo();
        record["trace_seconds"] = json!(start.elapsed().as_secs_f64());
        prepare_libtpu();
        let topology = Topology::of(target).map_err(|e| e.to_string())?;
        let start = Instant::now();
        let analysis = topology.compile(&text).map_err(|e| e.to_string())?;
        record["compile_seconds"] = json!(start.elapsed().as_secs_f64());
        let (flops, bytes, counted_by) = match (analysis.flops, analysis.bytes_accessed) {
            (Some(flops), Some(bytes)) => (flops, bytes, "compiler"),
            _ => (graph.cost().flops, graph.cost().bytes, "graph"),
        };
        record["flops"] = json!(flops);
        record["bytes_accessed"] = json!(bytes);
        record["counted_by"] = json!(counted_by);
        record["peak_memory"] = json!(analysis.peak_memory);
        record["code_size"] = json!(analysis.code);
        let peak = target.peak();
        let rate = if real == DType::F64 { peak.f64 } else { Some(peak.f32) };
        let roofline = peak.roofline(rate, flops, bytes);
        record["roofline_seconds"] = json!(roofline.seconds);
        record["bound"] = json!(if roofline.by_arithmetic { "arithmetic" } else { "memory" });
        Ok(())
    }
}

/// libtpu asks the network which machine this is, and lets one process at a time have it, unless told not to: a compiler needs no TPU.
fn prepare_libtpu() {
    for variable in ["TPU_SKIP_MDS_QUERY", "ALLOW_MULTIPLE_LIBTPU_LOAD"] {
        if std::env::var_os(variable).is_none() {
            // SAFETY: this process has one thread until a plugin is opened, which comes after.
            unsafe { std::env::set_var(variable, "1") }
        }
    }
}

fn table(programs: &[Value]) -> String {
    let header = ["algorithm", "dtype", "target", "flops", "bytes", "peak memory", "code", "compile s", "roofline us"];
    let mut rows = vec![header.map(String::from).to_vec()];
    for program in programs {
        let word = |key: &str| program[key].as_str().unwrap_or("?").to_owned();
        let mut row = vec![word("algorithm"), word("dtype"), word("target")];
        match program["error"].as_str() {
            Some(_) => row.push("FAILED".into()),
            None => {
                row.extend(["flops", "bytes_accessed", "peak_memory", "code_size"].map(|key| size(&program[key])));
                row.push(program["compile_seconds"].as_f64().map_or("?".into(), |s| format!("{s:.1}")));
                let bound = program["bound"].as_str().unwrap_or("");
                let time = program["roofline_seconds"].as_f64();
                row.push(time.map_or("?".into(), |s| format!("{:.2} {bound}", s * 1e6)));
            }
        }
        rows.push(row);
    }
    output::table(&rows)
}

/// A number of things by thousands.
fn size(value: &Value) -> String {
    let Some(mut number) = value.as_f64() else { return "?".into() };
    for unit in ["", " k", " M", " G"] {
        if number < 1000.0 {
            return if unit.is_empty() { format!("{number:.0}") } else { format!("{number:.1}{unit}") };
        }
        number /= 1000.0;
    }
    format!("{number:.1} T")
}

/// What the numbers of the table are.
fn remarks(targets: &[Hardware]) -> String {
    let mut lines = vec![
        "For TPUs flops and bytes are the compiler's count, in which a loop's body counts once. The one for CUDA does not count: there \
         they are those of the traced graph, with nothing fused, every trip of a counted loop and one of any other; and code is the \
         stored executable. The roofline time is what these flops and bytes take at the target's peak."
            .to_owned(),
    ];
    for target in targets {
        let peak = target.peak();
        let f64 = peak.f64.map_or(" (f64: memory alone, for no rate is published)", |_| "");
        lines.push(format!("{}: {}{f64}", target.name(), peak.source));
    }
    lines.join("\n")
}

fn verdict(programs: &[Value]) -> Result<(), Failure> {
    let failed: Vec<String> = programs
        .iter()
        .filter_map(|program| {
            let error = program["error"].as_str()?;
            let word = |key: &str| program[key].as_str().unwrap_or_default();
            Some(format!("{} in {} for {}: {error}", word("algorithm"), word("dtype"), word("target")))
        })
        .collect();
    if failed.is_empty() { Ok(()) } else { Err(Failure::Computed(output::one_line(&failed.join("; ")))) }
}
