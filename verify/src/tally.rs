//! What is counted while cases are judged.

use std::fmt::Debug;

use crate::agreement::Ratio;
use crate::certificate::{BitCount, Bits, CaseRecord, Certificate, LawCount, Named, OutputRecord, Slow, Times};

/// The first cases, of which it is looked whether the device repeats itself to the bit.
const BIT_CASES: u32 = 8;

/// The counts of a check.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub cases: u32,
    pub special: u32,
    pub ties: u32,
    pub outputs: Vec<OutputRecord>,
    pub laws: Vec<LawCount>,
    pub bits: Bits,
    pub records: Vec<CaseRecord>,
    pub worst: Vec<Named>,
    pub times: Times,
    /// Shrinking runs further cases, which are not counted.
    pub failed: bool,
}

/// A random case that has been compared.
pub(crate) struct Judged<'a> {
    pub size: usize,
    pub condition: Option<f64>,
    /// Whether it was a tie.
    pub tie: bool,
    /// `None` where nothing could be compared.
    pub ratios: Option<&'a [Ratio]>,
}

impl Tally {
    /// Counts a random case.
    pub fn case(&mut self, judged: &Judged<'_>, case: &impl Debug) {
        let number = self.cases;
        self.cases += 1;
        self.ties += u32::from(judged.tie);
        let most = |of: fn(&Ratio) -> f64| judged.ratios.map(|r| r.iter().map(of).fold(0.0, f64::max));
        if self.records.len() < Certificate::MOST_RECORDS {
            let (ratio, error) = (most(|r| r.ratio), most(|r| r.error));
            self.records.push(CaseRecord { size: judged.size, condition: judged.condition, ratio, error });
        }
        for ratio in judged.ratios.unwrap_or_default() {
            match self.outputs.iter_mut().find(|record| record.name == ratio.output) {
                Some(record) => record.add(ratio),
                None => self.outputs.push(OutputRecord::new(ratio)),
            }
        }
        let largest = judged.ratios.unwrap_or_default().iter().max_by(|x, y| x.ratio.total_cmp(&y.ratio));
        let Some(Ratio { output, ratio, .. }) = largest else { return };
        let named = |parameters| Named { case: number, output: (*output).into(), ratio: *ratio, parameters };
        keep(&mut self.worst, |known| known.ratio, *ratio, || named(format!("{case:?}")));
    }

    /// Notes what the case that was just counted took.
    pub fn took(&mut self, seconds: f64, case: &impl Debug) {
        let number = self.cases.saturating_sub(1);
        if self.times.cases.len() < Certificate::MOST_RECORDS {
            self.times.cases.push(seconds);
        }
        let slow = || Slow { case: number, seconds, parameters: format!("{case:?}") };
        keep(&mut self.times.slowest, |known| known.seconds, seconds, slow);
    }

    /// Whether the case that was just counted is one of the first.
    pub fn looks_at_bits(&self) -> bool {
        !self.failed && self.cases <= BIT_CASES
    }

    /// Counts a case whose bits were compared.
    pub fn bits(&mut self, repeated: bool, permuted: Option<bool>) {
        self.bits.repeated.count(repeated);
        if let Some(same) = permuted {
            self.bits.permuted.get_or_insert(BitCount::default()).count(same);
        }
    }
}

/// Keeps the few items of the largest size, in order; of equal ones the first.
fn keep<T>(items: &mut Vec<T>, size_of: impl Fn(&T) -> f64, size: f64, item: impl FnOnce() -> T) {
    let at = items.iter().position(|known| size_of(known) < size).unwrap_or(items.len());
    if at < Certificate::MOST_NAMED {
        items.insert(at, item());
        items.truncate(Certificate::MOST_NAMED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_few_are_kept_in_order_and_the_first_of_equals() {
        let mut kept = Vec::new();
        for (name, size) in [("a", 1.0), ("b", 3.0), ("c", 2.0), ("d", 3.0), ("e", 0.0), ("f", 5.0), ("g", 0.5)] {
            keep(&mut kept, |(_, known)| *known, size, || (name, size));
        }
        assert_eq!(kept.iter().map(|(name, _)| *name).collect::<String>(), "fbdca");
    }
}
