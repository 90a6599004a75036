//! Laws: what must hold whatever the rounding. A law is written once and runs on a device's result, on a
//! reference's, or on somebody's published numbers.

use tandem_compile::{DType, HostArray};

use crate::outcome::{Outcome, Output, Values};
use crate::status::Status;

/// Runs the computation again on other inputs, or with the case changed: what equivariance laws need.
pub type Rerun<'a, C> = &'a dyn Fn(&C, &[HostArray]) -> Result<Outcome<f64>, String>;

/// One result to be judged.
pub struct Trial<'a, C> {
    /// The parameters.
    pub case: &'a C,
    /// The inputs, in the precision under test.
    pub inputs: &'a [HostArray],
    /// What came out.
    pub outcome: &'a Outcome<f64>,
    /// The precision in which it was computed.
    pub dtype: DType,
    /// The same computation once more.
    pub rerun: Rerun<'a, C>,
}

impl<C> Trial<'_, C> {
    /// The unit roundoff of the precision under test.
    pub fn u(&self) -> f64 {
        self.dtype.unit_roundoff()
    }

    /// Whether no input has a NaN or an infinity.
    pub fn finite(&self) -> bool {
        self.inputs.iter().all(|input| input.first_nonfinite().is_none())
    }
}

/// Whether a law holds, or does not concern this case.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It holds.
    Holds,
    /// It says nothing about this case.
    Idle,
    /// It is broken; how.
    Broken(String),
}

impl Verdict {
    /// `Holds`, or broken with a message.
    pub fn of(holds: bool, message: impl FnOnce() -> String) -> Self {
        if holds { Verdict::Holds } else { Verdict::Broken(message()) }
    }
}

/// A law by name.
pub struct Law<C> {
    /// A sentence in snake case: `loss_never_increases`.
    pub name: &'static str,
    /// Judges one result.
    pub judge: fn(&Trial<C>) -> Result<Verdict, String>,
}

impl<C> Law<C> {
    /// NaN and infinity in an input reach every output: numbers are NaN, positions -1, a count 0, and the status says why
    /// and nothing else.
    pub fn poison() -> Self {
        Law { name: "nonfinite_inputs_poison_every_output", judge: nonfinite_inputs_poison_every_output }
    }
}

fn nonfinite_inputs_poison_every_output<C>(trial: &Trial<C>) -> Result<Verdict, String> {
    if trial.finite() {
        return Ok(Verdict::Idle);
    }
    let Outcome { outputs, status, .. } = trial.outcome;
    let all = outputs.iter().all(is_poisoned) && Status(*status) == Status::NONFINITE_INPUT;
    Ok(Verdict::of(all, || format!("status {}, outputs {outputs:?}", Status(*status))))
}

fn is_poisoned(output: &Output<f64>) -> bool {
    match &output.values {
        Values::Real(values) => values.iter().all(|x| x.is_nan()),
        Values::Index(values) => {
            let expected = if output.shape.is_empty() { 0 } else { -1 };
            values.iter().all(|&i| i == expected)
        }
    }
}
