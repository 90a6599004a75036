//! What holds for every program.

use tandem_compile::pjrt::Device;
use tandem_compile::{Graph, HostArray, Tensor, TensorType, trace};

use crate::judge::{Tally, Yardstick, judged};
use crate::program::Program;
use crate::steps::apply;
use crate::values::arrays;

/// A graph, or what is wrong with it.
pub fn traced(types: &[TensorType], f: impl FnOnce(Vec<Tensor>) -> Vec<Tensor>) -> Result<Graph, String> {
    let graph = trace(f, types).map_err(|error| error.to_string())?;
    graph.check()?;
    Ok(graph)
}

pub fn eval(graph: &Graph, arguments: &[HostArray]) -> Result<Vec<HostArray>, String> {
    graph.eval(arguments).map_err(|error| error.to_string())
}

pub fn run(graph: &Graph, arguments: &[HostArray]) -> Result<Vec<HostArray>, String> {
    let device = Device::cpu().map_err(|error| error.to_string())?;
    let executable = graph.compile(&device).map_err(|error| error.to_string())?;
    executable.run(&device, arguments).map_err(|error| error.to_string())
}

/// A failure with the program that it is about.
pub fn about<T>(what: &str, graph: &Graph, result: Result<T, String>) -> Result<T, String> {
    result.map_err(|error| format!("{what}: {error}\n{}", graph.stablehlo()))
}

/// What of a program is compiled: compiling takes a hundred times as long as everything else.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Compiled {
    Values,
    Derivatives,
    Stacks,
    Nothing,
}

impl Compiled {
    fn of(program: &Program, every: u64) -> Self {
        match (program.seed >> 8) % every {
            0 => [Self::Values, Self::Values, Self::Derivatives, Self::Stacks][program.seed as usize % 4],
            _ => Self::Nothing,
        }
    }
}

/// A program's graph, and what is asked of it.
pub struct Subject<'a> {
    pub program: &'a Program,
    pub graph: Graph,
    /// How many loops there are without a reverse mode.
    pub whiles: usize,
    pub compiled: Compiled,
    /// Which results are floats without infinity and NaN: those that have a derivative.
    pub smooth: Vec<bool>,
}

/// The program as Rust, or as far as it came.
pub fn text(program: &Program) -> String {
    let mut text = String::new();
    let _ = trace(
        |x: Vec<Tensor>| {
            let traced = apply(program, &x);
            text = traced.text;
            traced.results
        },
        &program.inputs,
    );
    text
}

/// Checks a program; the device has a part in it for one of `every`.
pub fn check(program: &Program, every: u64) -> Result<Tally, String> {
    let mut whiles = 0;
    let graph = traced(&program.inputs, |x| {
        let traced = apply(program, &x);
        whiles = traced.whiles;
        traced.results
    })?;
    let mut subject = Subject { program, graph, whiles, compiled: Compiled::of(program, every), smooth: Vec::new() };
    let values = eval(&subject.graph, &subject.arguments(0))?;
    subject.smooth = values.iter().map(|y| y.dtype().is_float() && y.first_nonfinite().is_none()).collect();
    let mut tally = subject.values()?;
    tally += subject.derivatives()?;
    tally += subject.stacks()?;
    Ok(tally)
}

impl Subject<'_> {
    pub fn arguments(&self, salt: u64) -> Vec<HostArray> {
        arrays(&self.program.inputs, self.program.seed ^ (salt << 17), self.program.ties)
    }

    /// The device against the interpreter.
    pub fn compared(&self, what: &str, graph: &Graph, arguments: &[HostArray]) -> Result<Tally, String> {
        let yardstick = Yardstick::new(graph, arguments, 4, 2.0)?;
        let found = about(what, graph, run(graph, arguments))?;
        about(what, graph, judged(graph, arguments, &yardstick, &found))
    }

    fn values(&self) -> Result<Tally, String> {
        if self.compiled != Compiled::Values {
            return Ok(Tally::default());
        }
        self.compared("device against interpreter", &self.graph, &self.arguments(0))
    }
}
