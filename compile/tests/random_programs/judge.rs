//! How far apart two results may be: as far as rounding errors put into the interpreter move them, times a few.

use tandem_compile::{DType, Graph, HostArray, HostData};

use crate::noise::Noise;

/// How many times the distance that small errors make is allowed.
const TIMES: f64 = 16.0;

/// What no error moved may still be off by so many units in the last place.
const FLOOR: f64 = 4.0;

/// Where small errors make so much of a difference (relative to the number itself, or absolutely near zero), nothing
/// is judged.
const LOOSE: f64 = 0.05;

/// How much was looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    pub judged: usize,
    /// Elements that small errors change beyond judgement: a decision falls otherwise, a number loses all its digits.
    pub skipped: usize,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.judged += other.judged;
        self.skipped += other.skipped;
    }
}

/// The interpreter's results, and how far small errors move each element.
pub struct Yardstick {
    pub values: Vec<HostArray>,
    /// Per result, per element; NaN where nothing can be said.
    pub spread: Vec<Vec<f64>>,
}

impl Yardstick {
    /// From `runs` runs with errors of up to `units` units in the last place, and one in which near numbers are equal.
    pub fn new(graph: &Graph, arguments: &[HostArray], runs: u64, units: f64) -> Result<Self, String> {
        let values = graph.eval(arguments).map_err(|error| error.to_string())?;
        let mut spread: Vec<Vec<f64>> = values.iter().map(|v| vec![0.0; v.len()]).collect();
        for noise in (0..runs).map(|run| Noise::new(run + 1, units)).chain([Noise::coarse()]) {
            let disturbed = { noise }.eval(graph, arguments);
            for ((spread, value), other) in spread.iter_mut().zip(&values).zip(&disturbed) {
                widen(spread, value, other);
            }
        }
        Ok(Self { values, spread })
    }

    /// Allows for the errors of another way to the same results, too.
    pub fn add(&mut self, other: &Self) {
        for (result, (spread, others)) in self.spread.iter_mut().zip(&other.spread).enumerate() {
            // What lies in sight of the largest element may have come from sums of such.
            let largest = self.values[result].to_f64().iter().fold(0.0f64, |a, b| a.max(b.abs()));
            let floor = 2.0 * self.values[result].dtype().unit_roundoff() * largest;
            spread.iter_mut().zip(others).for_each(|(spread, other)| *spread += other + floor);
            let values = self.values[result].to_f64();
            spread.iter_mut().zip(values).filter(|(_, x)| !x.is_finite()).for_each(|(s, _)| *s = f64::NAN);
        }
    }

    /// Compares what was found with the interpreter's results; the first difference in words.
    pub fn judge(&self, found: &[HostArray]) -> Result<Tally, String> {
        let mut tally = Tally::default();
        if found.len() != self.values.len() {
            return Err(format!("{} results, expected {}", found.len(), self.values.len()));
        }
        for (at, ((found, value), spread)) in found.iter().zip(&self.values).zip(&self.spread).enumerate() {
            if found.ty() != value.ty() {
                return Err(format!("result {at} is {}, expected {}", found.ty(), value.ty()));
            }
            tally += compare(found, value, spread).map_err(|error| format!("result {at}, {}: {error}", found.ty()))?;
        }
        Ok(tally)
    }
}

fn widen(spread: &mut [f64], value: &HostArray, other: &HostArray) {
    let (x, y) = (value.to_f64(), other.to_f64());
    for (i, spread) in spread.iter_mut().enumerate() {
        let distance = if x[i] == y[i] || (x[i].is_nan() && y[i].is_nan()) { 0.0 } else { (x[i] - y[i]).abs() };
        let unclear = !distance.is_finite() || (!value.dtype().is_float() && distance > 0.0);
        *spread = if unclear || spread.is_nan() { f64::NAN } else { spread.max(distance) };
    }
}

fn compare(found: &HostArray, value: &HostArray, spread: &[f64]) -> Result<Tally, String> {
    let mut tally = Tally::default();
    let (x, y) = (found.to_f64(), value.to_f64());
    let exact = integers(found).zip(integers(value));
    let wrong = |i: usize, tolerance: f64| {
        Err(format!("element {i} is {:?}, expected {:?} within {tolerance:.1e}", x[i], y[i]))
    };
    for i in 0..x.len() {
        if spread[i].is_nan() || spread[i] * TIMES > LOOSE * y[i].abs().max(1e-3) {
            tally.skipped += 1;
            continue;
        }
        tally.judged += 1;
        let same = match exact {
            Some((x, y)) => x[i] == y[i],
            None => x[i] == y[i] || (x[i].is_nan() && y[i].is_nan()),
        };
        let tolerance = tolerance(y[i], spread[i], found.dtype());
        let near = found.dtype().is_float() && (x[i] - y[i]).abs() <= tolerance;
        if !same && !near {
            return wrong(i, tolerance);
        }
    }
    Ok(tally)
}

fn integers(array: &HostArray) -> Option<&[i64]> {
    match array.data() {
        HostData::I64(v) => Some(v),
        _ => None,
    }
}

/// How far from `value` a number may be.
pub fn tolerance(value: f64, spread: f64, dtype: DType) -> f64 {
    let smallest = if dtype == DType::F64 { f64::MIN_POSITIVE } else { f64::from(f32::MIN_POSITIVE) };
    TIMES * spread + FLOOR * 2.0 * dtype.unit_roundoff() * value.abs() + FLOOR * smallest
}

/// The first difference that remains when the errors are larger and more.
pub fn judged(
    graph: &Graph,
    arguments: &[HostArray],
    yardstick: &Yardstick,
    found: &[HostArray],
) -> Result<Tally, String> {
    yardstick.judge(found).or_else(|_| Yardstick::new(graph, arguments, 40, 8.0)?.judge(found))
}
