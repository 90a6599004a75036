//! Runs in stages: an algorithm that takes long leaves a checkpoint after each, from which a later run goes on.

use tandem_compile::{Graph, HostArray, Result, Tensor, TensorType, trace};

/// A program of a run in stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// From the inputs to the state before the first stage.
    Start,
    /// From the inputs and the state to the next state and one number, the stage's record.
    Stage,
    /// From the inputs, the state and the records of all stages (`[count]`) to the outputs and the status.
    Finish,
}

/// A problem whose run is a sequence of equal stages.
pub trait Stages {
    /// The number of stages.
    fn count(&self) -> usize;

    /// The parameter that says so: the only one in which a run that goes on may differ from the one that began.
    fn counted_by(&self) -> &'static str;

    /// The names of the state's arrays.
    fn state(&self) -> &'static [&'static str];

    /// Traces a part, for the arguments that [`Part`] says.
    fn trace(&self, part: Part, arguments: &[Tensor]) -> Vec<Tensor>;

    /// A part by the reference.
    fn reference(&self, part: Part, arguments: &[HostArray]) -> Vec<HostArray>;
}

/// The program of a part, for arguments of these types.
///
/// # Errors
/// What tracing reports.
pub fn part(stages: &dyn Stages, part: Part, arguments: &[TensorType]) -> Result<Graph> {
    trace(|tensors: Vec<Tensor>| stages.trace(part, &tensors), arguments)
}
