//! The record of a check: what agreed, how well, and what did not.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::agreement::Ratio;
use crate::law::Verdict;

/// One algorithm, dtype and device, checked. The same numbers come out of the same seed, versions and device, but for the
/// [times](Certificate::times), which are written apart.
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
    /// Whether the device repeats itself to the bit.
    pub bits: Bits,
    /// The first random cases, at most [`MOST_RECORDS`](Self::MOST_RECORDS) of them, in the order in which they came.
    pub records: Vec<CaseRecord>,
    /// The cases nearest to disagreement, the nearest first, at most [`MOST_NAMED`](Self::MOST_NAMED).
    pub worst: Vec<Named>,
    /// Whether everything held.
    pub agreed: bool,
    /// The smallest failing case found.
    pub counterexample: Option<Counterexample>,
    /// How long it took; no part of the certificate, for it is never the same.
    #[serde(skip)]
    pub times: Times,
}

impl Certificate {
    /// The version of the JSON format: 2 has bits, records, worst, and a counterexample's programs.
    pub const SCHEMA: u32 = 2;

    /// The most cases that are recorded one by one.
    pub const MOST_RECORDS: usize = 512;

    /// The most cases that are recorded with their parameters.
    pub const MOST_NAMED: usize = 5;

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

/// Whether the device gives the same bits again: recorded, not required.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Bits {
    /// The same program on the same inputs once more.
    pub repeated: BitCount,
    /// The same program on a batch in reverse order, whose results are put in order again; none where the algorithm takes no batch.
    pub permuted: Option<BitCount>,
}

/// How often bits were compared, and how often they were the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct BitCount {
    /// Cases compared.
    pub cases: u32,
    /// Cases with equal bits in all results.
    pub same: u32,
}

impl BitCount {
    pub(crate) fn count(&mut self, same: bool) {
        self.cases += 1;
        self.same += u32::from(same);
    }
}

/// What is recorded of every random case.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CaseRecord {
    /// The number of elements of the inputs.
    pub size: usize,
    /// The condition number, where the algorithm has one.
    pub condition: Option<f64>,
    /// The worst ratio of any output, `None` for a tie.
    pub ratio: Option<f64>,
    /// The worst error of any output relative to its scale, `None` for a tie.
    pub error: Option<f64>,
}

/// A case with its parameters.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Named {
    /// Which of the random cases, from 0.
    pub case: u32,
    /// The output concerned.
    pub output: String,
    /// Its ratio.
    pub ratio: f64,
    /// The parameters from which the inputs are made.
    pub parameters: String,
}

/// How long a check took.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Times {
    /// Seconds for everything.
    pub seconds: f64,
    /// Seconds of these for compiling.
    pub compile_seconds: f64,
    /// Programs compiled.
    pub programs: usize,
    /// Seconds of each random case, in the order of [`Certificate::records`].
    pub cases: Vec<f64>,
    /// The random cases that took longest, the longest first, with their parameters.
    pub slowest: Vec<Slow>,
}

/// A random case that took long.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Slow {
    /// Which of the random cases, from 0.
    pub case: u32,
    /// Seconds for device, reference, oracle and laws.
    pub seconds: f64,
    /// The parameters from which the inputs are made.
    pub parameters: String,
}

/// A failing case, shrunk.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Counterexample {
    /// The case.
    pub case: String,
    /// What is wrong with it.
    pub reason: String,
    /// A Rust program that runs it, without its StableHLO; none where the inputs are many.
    pub rust: Option<String>,
    /// The StableHLO of its program; none where it is long, or the failure is no single case.
    pub stablehlo: Option<String>,
}
