//! The record of a check: what agreed, how well, and what did not.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::agreement::Ratio;
use crate::law::Verdict;

/// One algorithm, dtype and device, checked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Certificate {
    /// The version of this format.
    pub schema: u32,
    /// What was checked.
    pub algorithm: String,
    /// In which precision.
    pub dtype: String,
    /// On what.
    pub device: String,
    /// Versions of the library and of what ran the programs.
    pub versions: BTreeMap<String, String>,
    /// The seed of the random cases.
    pub seed: u64,
    /// Random cases checked.
    pub cases: u32,
    /// Deliberate ties and degenerate inputs, judged by the laws alone.
    pub special_cases: u32,
    /// Random cases that were within rounding of a discrete step and judged by the laws alone.
    pub ties: u32,
    /// The multiple of the yardstick that is allowed.
    pub factor: f64,
    /// The worst of each output.
    pub outputs: Vec<OutputRecord>,
    /// How often each law was judged; each result of the device and of the reference counts.
    pub laws: Vec<LawCount>,
    /// Whether everything held.
    pub agreed: bool,
    /// The smallest failing case found.
    pub counterexample: Option<Counterexample>,
}

impl Certificate {
    /// The version of the JSON format.
    pub const SCHEMA: u32 = 1;

    /// The worst ratio of any output; 0 where none was compared.
    pub fn worst_ratio(&self) -> f64 {
        self.outputs.iter().map(|output| output.worst_ratio).fold(0.0, f64::max)
    }

    /// How many judgements of laws held.
    pub fn laws_held(&self) -> u32 {
        self.laws.iter().map(|law| law.held).sum()
    }
}

/// The worst that was seen of one output.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutputRecord {
    /// The output's name.
    pub name: String,
    /// The device's error over the yardstick, at worst.
    pub worst_ratio: f64,
    /// The device's error relative to the output's scale, at worst.
    pub worst_error: f64,
    /// Cases compared.
    pub cases: u32,
}

impl OutputRecord {
    pub(crate) fn new(ratio: &Ratio) -> Self {
        Self { name: ratio.output.into(), worst_ratio: ratio.ratio, worst_error: ratio.error, cases: 1 }
    }

    pub(crate) fn add(&mut self, ratio: &Ratio) {
        self.worst_ratio = self.worst_ratio.max(ratio.ratio);
        self.worst_error = self.worst_error.max(ratio.error);
        self.cases += 1;
    }
}

/// How often a law was judged, and how it came out.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct LawCount {
    /// The law.
    pub name: String,
    /// Times it held.
    pub held: u32,
    /// Times it said nothing about the case.
    pub idle: u32,
    /// Times it was broken.
    pub broken: u32,
}

impl LawCount {
    pub(crate) fn count(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Holds => self.held += 1,
            Verdict::Idle => self.idle += 1,
            Verdict::Broken(_) => self.broken += 1,
        }
    }
}

/// A failing case, shrunk.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Counterexample {
    /// The case.
    pub case: String,
    /// What is wrong with it.
    pub reason: String,
}
