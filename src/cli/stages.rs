//! Runs in stages: a checkpoint after each, and going on from one.

use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};
use tandem_compile::pjrt::{Buffer, Device, Executable};
use tandem_compile::{HostArray, TensorType};

use super::run::{Times, milliseconds};
use super::{Failure, output};
use crate::files::{Checkpoint, fingerprint};
use crate::registry::{Algorithm, Part, Settings, Stages, part};

/// The name of the stages' records in a checkpoint.
const RECORDS: &str = "records";

/// What a run in stages is made of, besides its data.
pub struct Staged<'a> {
    pub algorithm: &'a dyn Algorithm,
    pub settings: &'a Settings,
    pub stages: &'a dyn Stages,
    /// Where checkpoints go.
    pub out: &'a Path,
}

impl Staged<'_> {
    /// What the checkpoint `from` has, refused where it is of another run.
    pub fn resume(&self, from: &Path, inputs: &[HostArray]) -> Result<Progress, Failure> {
        let checkpoint = Checkpoint::read(from).map_err(Failure::usage)?;
        self.check(&checkpoint.run, &self.description(inputs)).map_err(Failure::usage)?;
        let wrong = || Failure::usage(format!("--resume {}: the checkpoint is damaged", from.display()));
        let types = start_types(self.stages, inputs)?;
        let names = self.stages.state();
        let state: Option<Vec<HostArray>> = names.iter().map(|name| checkpoint.array(name).cloned()).collect();
        let state = state.filter(|state| state.iter().map(HostArray::ty).eq(types)).ok_or_else(wrong)?;
        let records = checkpoint.array(RECORDS).ok_or_else(wrong)?.to_f64();
        let (done, count, counter) = (records.len(), self.stages.count(), self.stages.counted_by());
        match done <= count {
            true => Ok(Progress { state, records }),
            false => Err(Failure::usage(format!(
                "--resume {}: the run has done {done} {counter} already; --set {counter} to at least that",
                from.display()
            ))),
        }
    }

    /// Runs the stages that are left, with a checkpoint after each.
    pub fn run(
        &self,
        inputs: Vec<HostArray>,
        device: Option<&Device>,
        progress: Option<Progress>,
    ) -> Result<(Vec<HostArray>, Times), Failure> {
        let spinner = output::spinner("preparing");
        let description = self.description(&inputs);
        let real = self.settings.precision();
        let mut parts = Parts::new(self.stages, device, inputs)?;
        let Progress { mut state, mut records } = match progress {
            Some(progress) => progress,
            None => Progress { state: parts.run(Part::Start, Vec::new())?, records: Vec::new() },
        };
        let (count, counter) = (self.stages.count(), self.stages.counted_by());
        let packed = |records: &[f64]| {
            let array = HostArray::from_fn([records.len()], |i| records[i]);
            // The records were read from arrays of that type.
            array.cast(real).unwrap_or(array)
        };
        while records.len() < count {
            spinner.set_message(format!("{counter}: {} of {count}", records.len()));
            state = parts.run(Part::Stage, state)?;
            let record = state.pop().and_then(|record| record.to_f64().first().copied());
            records.push(record.unwrap_or(f64::NAN));
            let names = self.stages.state().iter().map(|name| (*name).to_owned());
            let mut arrays: Vec<(String, HostArray)> = names.zip(state.iter().cloned()).collect();
            arrays.push((RECORDS.to_owned(), packed(&records)));
            Checkpoint { run: description.clone(), arrays }.write(self.out).map_err(Failure::usage)?;
        }
        state.push(packed(&records));
        let results = parts.run(Part::Finish, state)?;
        Ok((results, parts.times))
    }

    /// What must be the same in a run that goes on.
    fn description(&self, inputs: &[HostArray]) -> Value {
        let types: Vec<String> = inputs.iter().map(|input| input.ty().to_string()).collect();
        json!({
            "algorithm": self.algorithm.name(),
            "inputs": types,
            "sha256": fingerprint(inputs),
            "parameters": self.settings.to_json(),
        })
    }

    /// Checks that the run `began` may go on as the run `now`.
    fn check(&self, began: &Value, now: &Value) -> Result<(), String> {
        if began["algorithm"] != now["algorithm"] {
            let (own, other) = (&now["algorithm"], &began["algorithm"]);
            return Err(format!("--resume: the checkpoint is of a run of {other}, not of {own}"));
        }
        for parameter in self.algorithm.parameters() {
            let (name, counter) = (parameter.name, self.stages.counted_by());
            let (began, now) = (&began["parameters"][name], &now["parameters"][name]);
            if name != counter && began != now {
                return Err(format!(
                    "--resume: the run began with {name} = {began}, now it is {now}; only {counter} may differ"
                ));
            }
        }
        if began["inputs"] != now["inputs"] {
            let (began, now) = (&began["inputs"], &now["inputs"]);
            return Err(format!("--resume: the run began with inputs {began}, now they are {now}"));
        }
        match began["sha256"] == now["sha256"] {
            true => Ok(()),
            false => Err("--resume: the inputs hold other numbers than those that the run began with".into()),
        }
    }
}

/// A run under way.
pub struct Progress {
    state: Vec<HostArray>,
    records: Vec<f64>,
}

impl Progress {
    /// How many stages are done.
    pub fn done(&self) -> usize {
        self.records.len()
    }
}

/// The types of the state's arrays.
fn start_types(stages: &dyn Stages, inputs: &[HostArray]) -> Result<Vec<TensorType>, Failure> {
    let types: Vec<TensorType> = inputs.iter().map(HostArray::ty).collect();
    Ok(part(stages, Part::Start, &types).map_err(Failure::usage)?.result_types())
}

/// The programs of a run, each compiled when it is first needed.
struct Parts<'a> {
    stages: &'a dyn Stages,
    device: Option<&'a Device>,
    inputs: Vec<HostArray>,
    /// The inputs, on the device.
    placed: Vec<Buffer>,
    compiled: Vec<(Part, Executable)>,
    times: Times,
}

impl<'a> Parts<'a> {
    fn new(stages: &'a dyn Stages, device: Option<&'a Device>, inputs: Vec<HostArray>) -> Result<Self, Failure> {
        let upload = |device: &Device| inputs.iter().map(|input| device.upload(input)).collect::<Result<_, _>>();
        let placed = device.map(upload).transpose().map_err(Failure::usage)?.unwrap_or_default();
        let times = Times { trace: 0.0, compile: 0.0, run: 0.0 };
        Ok(Self { stages, device, inputs, placed, compiled: Vec::new(), times })
    }

    /// The results of a part for further arguments after the inputs.
    fn run(&mut self, which: Part, further: Vec<HostArray>) -> Result<Vec<HostArray>, Failure> {
        let Some(device) = self.device else {
            let start = Instant::now();
            let results = self.stages.reference(which, &[self.inputs.clone(), further].concat());
            self.times.run += milliseconds(start);
            return Ok(results);
        };
        let program = self.program(device, which, &further)?;
        let further: Vec<Buffer> =
            further.iter().map(|array| device.upload(array)).collect::<Result<_, _>>().map_err(Failure::usage)?;
        for buffer in self.placed.iter().chain(&further) {
            buffer.wait().map_err(Failure::usage)?;
        }
        let start = Instant::now();
        let results = program.execute(self.placed.iter().chain(&further)).map_err(Failure::usage)?;
        for result in &results {
            result.wait().map_err(Failure::usage)?;
        }
        self.times.run += milliseconds(start);
        results.iter().map(Buffer::to_host).collect::<Result<_, _>>().map_err(Failure::usage)
    }

    fn program(&mut self, device: &Device, which: Part, further: &[HostArray]) -> Result<Executable, Failure> {
        if let Some((_, program)) = self.compiled.iter().find(|(known, _)| *known == which) {
            return Ok(program.clone());
        }
        let types: Vec<TensorType> = self.inputs.iter().chain(further).map(HostArray::ty).collect();
        let start = Instant::now();
        let graph = part(self.stages, which, &types).map_err(Failure::usage)?;
        self.times.trace += milliseconds(start);
        let start = Instant::now();
        let program = graph.compile(device).map_err(Failure::usage)?;
        self.times.compile += milliseconds(start);
        self.compiled.push((which, program.clone()));
        Ok(program)
    }
}
