//! What a computation hands over to be compared: its outputs by name, and the discrete steps it took.

use tandem_compile::HostArray;

use crate::real::Real;

/// The elements of an output.
#[derive(Debug, Clone, PartialEq)]
pub enum Values<R> {
    /// Numbers, compared by the yardstick.
    Real(Vec<R>),
    /// Positions and counts, compared for equality.
    Index(Vec<i32>),
}

/// One named output, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Output<R> {
    /// The name that users know it by.
    pub name: &'static str,
    /// The size of every axis.
    pub shape: Vec<usize>,
    /// The elements.
    pub values: Values<R>,
    /// The size of what the elements are computed from, where that can exceed their own (a small difference of large
    /// numbers); errors are relative to the larger of the two. 0 where the elements speak for themselves.
    pub scale: f64,
    /// Whether the elements are defined up to a choice, such as the sign of an eigenvector: then they are not compared, and
    /// the laws alone judge them.
    pub free: bool,
}

/// A discrete step: which way it went, and how close it was to going another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision {
    /// What is decided; only margins of one kind are measured alike. A kind that is an output's name concerns that
    /// output alone: its ties excuse no other.
    pub kind: &'static str,
    /// The gap between the chosen and the next, relative to the scale of the quantities compared; 0 is a tie.
    pub margin: f64,
    /// A number that tells the choice from every other.
    pub choice: u64,
}

/// Everything a computation gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome<R> {
    /// The outputs in the order in which users know them.
    pub outputs: Vec<Output<R>>,
    /// What the computation says about its own result, as bits.
    pub status: i32,
    /// The discrete steps, in the order in which they were taken. Empty for a device, which does not report them.
    pub decisions: Vec<Decision>,
}

impl<R: Real> Outcome<R> {
    /// The output of that name, if there is one.
    pub fn output(&self, name: &str) -> Option<&Output<R>> {
        self.outputs.iter().find(|output| output.name == name)
    }

    /// The numbers of the output `name`, rounded to f64; empty where there is no such output of numbers.
    pub fn reals(&self, name: &str) -> Vec<f64> {
        match self.output(name).map(|output| &output.values) {
            Some(Values::Real(values)) => values.iter().map(|x| x.to_f64()).collect(),
            _ => Vec::new(),
        }
    }

    /// The indices of the output `name`; empty where there is no such output of indices.
    pub fn indices(&self, name: &str) -> Vec<i32> {
        match self.output(name).map(|output| &output.values) {
            Some(Values::Index(values)) => values.clone(),
            _ => Vec::new(),
        }
    }

    /// The same outcome with its numbers rounded to f64.
    pub fn to_f64(&self) -> Outcome<f64> {
        let outputs = self
            .outputs
            .iter()
            .map(|output| Output {
                name: output.name,
                shape: output.shape.clone(),
                scale: output.scale,
                free: output.free,
                values: match &output.values {
                    Values::Real(values) => Values::Real(values.iter().map(|x| x.to_f64()).collect()),
                    Values::Index(values) => Values::Index(values.clone()),
                },
            })
            .collect();
        Outcome { outputs, status: self.status, decisions: self.decisions.clone() }
    }
}

impl Outcome<f64> {
    /// The outcome of a device: its arrays under the given names, the status last.
    pub fn from_arrays(names: &[&'static str], arrays: &[HostArray]) -> Self {
        let outputs = names
            .iter()
            .zip(arrays)
            .map(|(&name, array)| Output {
                name,
                shape: array.shape().to_vec(),
                scale: 0.0,
                free: false,
                values: match array.values::<i32>() {
                    Ok(values) => Values::Index(values.to_vec()),
                    Err(_) => Values::Real(array.to_f64()),
                },
            })
            .collect();
        let status = arrays.get(names.len()).and_then(|s| s.values::<i32>().ok()?.first().copied()).unwrap_or(0);
        Self { outputs, status, decisions: Vec::new() }
    }
}
