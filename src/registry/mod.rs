//! Every algorithm under its name, with what it takes and gives: what the command line and other programs drive.

mod cur;
mod example;
mod householder;
mod interaction;
mod lrpca;
mod mpsae;
mod operation;
mod parameters;
mod pursuit;
mod rpca;
mod rpcanet;
mod rpcanet_train;
mod search;
mod snmf;
mod stages;

use tandem_algos::pursuit::Method;
use tandem_compile::{DType, Element, Graph, HostArray, Lowering, Result, Tensor, TensorType, trace};
use tandem_linalg::operation::Operation;
use tandem_verify::{Backend, Certificate, Options, Outcome, Real, Values};

pub use example::Example;
pub use parameters::{Kind, Parameter, Settings};
pub use stages::{Part, Stages, part};

/// The elements that an input or output holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Elements {
    /// Numbers in the precision of the run, f32 or f64.
    Real,
    /// Positions or counts, i32.
    Index,
    /// Named tensors in the precision of the run, which a `.safetensors` file holds: an output of several arrays, whose names
    /// [`Problem::tensors`] tells, or an input that [`Algorithm::unpack`] makes the problem's arrays of.
    Tensors,
}

impl Elements {
    /// The dtype in a run of precision `real`.
    pub fn dtype(self, real: DType) -> DType {
        match self {
            Elements::Real | Elements::Tensors => real,
            Elements::Index => DType::I32,
        }
    }
}

/// An input of an algorithm.
#[derive(Debug, Clone, Copy)]
pub struct Input {
    /// The name.
    pub name: &'static str,
    /// The shape in terms of other shapes and parameters: `[d, n]`.
    pub shape: &'static str,
    /// What it holds.
    pub elements: Elements,
    /// Whether the algorithm runs without it.
    pub optional: bool,
    /// What it is, in a sentence.
    pub about: &'static str,
}

/// An output of an algorithm.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// The name.
    pub name: &'static str,
    /// The shape in terms of other shapes and parameters: `[d, k]`.
    pub shape: &'static str,
    /// What it holds.
    pub elements: Elements,
    /// What it is, in a sentence.
    pub about: &'static str,
}

/// What a run takes and gives.
#[derive(Debug, Clone, Copy)]
pub struct Signature {
    /// The inputs, in order.
    pub inputs: &'static [Input],
    /// The outputs, in order.
    pub outputs: &'static [Output],
}

/// An algorithm by name.
pub trait Algorithm: Sync {
    /// The name.
    fn name(&self) -> &'static str;

    /// What it does, in a sentence.
    fn about(&self) -> &'static str;

    /// What it takes, in the order of an exported program's arguments.
    fn inputs(&self) -> &'static [Input];

    /// What it gives, in the order of an exported program's results.
    fn outputs(&self) -> &'static [Output];

    /// Inputs and outputs of a run in which the inputs of these names are given: [`inputs`](Self::inputs) and
    /// [`outputs`](Self::outputs), or more of them where their number is free.
    fn signature(&self, _given: &[&str]) -> Signature {
        Signature { inputs: self.inputs(), outputs: self.outputs() }
    }

    /// The arrays that stand in the place of an input of [`Elements::Tensors`], in the order of the program's arguments, made
    /// of all that its file holds.
    ///
    /// # Errors
    /// Which array is missing, or too many, in one line.
    fn unpack(&self, _set: &[(String, HostArray)]) -> std::result::Result<Vec<(String, HostArray)>, String> {
        Err(format!("{} takes no set of arrays", self.name()))
    }

    /// The parameters with their defaults.
    fn parameters(&self) -> &'static [Parameter];

    /// A representative run: what is compiled for hardware that is not there.
    fn example(&self) -> Example;

    /// The shapes of the arrays in the file that the example gives, for an algorithm with an input of
    /// [`Elements::Tensors`].
    fn arrays_of_example(&self) -> Vec<Vec<usize>> {
        Vec::new()
    }

    /// The problem that the settings pose for inputs of these types, `None` where an optional input is absent.
    ///
    /// # Errors
    /// What is out of range or does not fit together, in one line.
    fn problem(
        &self,
        settings: &Settings,
        inputs: &[Option<TensorType>],
    ) -> std::result::Result<Box<dyn Problem>, String>;

    /// Compares the graph with the reference on random problems; without a backend, the reference with its oracle.
    fn check(&self, backend: Option<&dyn Backend>, options: &Options) -> Certificate;
}

/// An algorithm with its parameters, for inputs of known types.
pub trait Problem {
    /// A lower estimate of the memory that a run needs, in bytes.
    fn bytes(&self) -> f64;

    /// Checks the numbers in the inputs beyond their being finite.
    ///
    /// # Errors
    /// Which input holds what it must not, in one line.
    fn check(&self, _: &[Option<HostArray>]) -> std::result::Result<(), String> {
        Ok(())
    }

    /// The lowering that the settings ask for; `None` leaves it to the device.
    fn lowering(&self) -> Option<Lowering> {
        None
    }

    /// The inputs with what the host computes before the program runs.
    fn prepare(&self, inputs: Vec<Option<HostArray>>) -> Vec<Option<HostArray>> {
        inputs
    }

    /// Why the problem cannot become a program of its inputs alone, if it cannot.
    fn needs_host(&self, _: &[Option<TensorType>]) -> Option<String> {
        None
    }

    /// The problem as a sequence of programs, for an algorithm whose runs can be interrupted and continued.
    fn stages(&self) -> Option<&dyn Stages> {
        None
    }

    /// The names of the tensors of the output that is a set of them ([`Elements::Tensors`]), of which there is one at most.
    fn tensors(&self) -> Vec<String> {
        Vec::new()
    }

    /// The traced outputs, and the status last; a set of tensors stands there tensor by tensor.
    fn trace(&self, inputs: &[Option<Tensor>]) -> Vec<Tensor>;

    /// The outputs and the status by the reference, in the precision of the inputs.
    fn reference(&self, inputs: &[Option<HostArray>]) -> Vec<HostArray>;
}

/// Traces a problem for inputs of these types: the graph's parameters are the inputs that are there, its results the
/// outputs and the status.
///
/// # Errors
/// What tracing reports.
pub fn graph(problem: &dyn Problem, inputs: &[Option<TensorType>]) -> Result<Graph> {
    let present: Vec<TensorType> = inputs.iter().flatten().cloned().collect();
    trace(
        |tensors: Vec<Tensor>| {
            let mut tensors = tensors.into_iter();
            let all: Vec<Option<Tensor>> =
                inputs.iter().map(|input| input.as_ref().and_then(|_| tensors.next())).collect();
            problem.trace(&all)
        },
        &present,
    )
}

/// All algorithms.
pub fn algorithms() -> &'static [&'static dyn Algorithm] {
    use operation::Linear;
    &[
        &snmf::Factorize,
        &snmf::Transform,
        &pursuit::Pursue(Method::Mp),
        &pursuit::Pursue(Method::Omp),
        &pursuit::Pursue(Method::Gp),
        &mpsae::Train,
        &cur::Decompose,
        &search::CurSearch,
        &householder::Product,
        &householder::Nearest,
        &interaction::Interact,
        &rpca::Pursuit,
        &rpca::Projections,
        &lrpca::Separate,
        &rpcanet::Separate,
        &rpcanet_train::Train,
        &Linear(Operation::Qr),
        &Linear(Operation::Lu),
        &Linear(Operation::Cholesky),
        &Linear(Operation::Eigh),
        &Linear(Operation::Svd),
        &Linear(Operation::Polar),
        &Linear(Operation::Pinv),
        &Linear(Operation::Lstsq),
        &Linear(Operation::Solve),
    ]
}

/// The algorithm of that name.
pub fn find(name: &str) -> Option<&'static dyn Algorithm> {
    algorithms().iter().copied().find(|algorithm| algorithm.name() == name)
}

fn required<'a>(
    inputs: &'a [Option<TensorType>],
    at: usize,
    name: &str,
) -> std::result::Result<&'a TensorType, String> {
    inputs.get(at).and_then(Option::as_ref).ok_or_else(|| format!("the input {name} is missing"))
}

/// A reference's outcome as arrays, the status last.
fn arrays<R: Real, T: Element>(outcome: Outcome<R>, element: fn(R) -> T) -> Vec<HostArray> {
    let status = HostArray::scalar(outcome.status);
    outcome
        .outputs
        .into_iter()
        .map(|output| match output.values {
            Values::Real(values) => {
                let values: Vec<T> = values.into_iter().map(element).collect();
                HostArray::from_fn(output.shape, |i| values[i])
            }
            Values::Index(values) => HostArray::from_fn(output.shape, |i| values[i]),
        })
        .chain([status])
        .collect()
}
