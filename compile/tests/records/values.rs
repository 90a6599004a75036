//! What the arguments of a test are filled with: the same numbers in every run.

use tandem_compile::ops::Kind;
use tandem_compile::{DType, HostArray, TensorType};

use crate::arrays::{from_f64, from_i64, maximum, smallest};
use crate::record::{Argument, Case, Values};

/// Which numbers a run is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Ordinary,
    /// Few different numbers, halves and zeros of both signs among them.
    Ties,
    /// Ordinary numbers, with an infinity here and there; integers at the ends of their range.
    Infinite,
    /// Ordinary numbers, with a NaN here and there.
    NotANumber,
    /// Subnormal numbers and the smallest normal ones.
    Tiny,
    /// Numbers whose products and sums overflow.
    Huge,
    /// All of these but the subnormal ones.
    Mixed,
}

impl Class {
    pub const ALL: [Class; 7] =
        [Class::Ordinary, Class::Ties, Class::Infinite, Class::NotANumber, Class::Tiny, Class::Huge, Class::Mixed];
}

/// A stream of random numbers: splitmix64.
pub struct Stream(u64);

impl Stream {
    /// The stream of a name.
    pub fn of(name: &str) -> Self {
        // FNV-1a.
        Self(name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, byte| (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)))
    }

    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// In [0, 1).
    fn unit(&mut self) -> f64 {
        (self.word() >> 11) as f64 * 2f64.powi(-53)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.word() % bound.max(1) as u64) as usize
    }

    /// 0, 1, ... below `len` in random order.
    fn permutation(&mut self, len: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..len).collect();
        (1..len).rev().for_each(|i| order.swap(i, self.below(i + 1)));
        order
    }
}

/// Whether a case has anything to fill with special numbers.
pub fn has_classes(case: &Case) -> bool {
    case.arguments.iter().any(|argument| matches!(argument.values, Values::Classes))
}

/// The arguments of a case in one run. `salt` tells one draw from another.
pub fn arguments(kind: Kind, case: &Case, class: Class, salt: &str) -> Vec<HostArray> {
    let count = case.arguments.len();
    let fill = |(at, argument): (usize, &Argument)| {
        let mut stream = Stream::of(&format!("{kind} {} {at} {class:?} {salt}", case.label));
        let ty = &argument.ty;
        match &argument.values {
            Values::Classes => classed(&mut stream, ty, class, at, count),
            Values::Between(low, high) => from_f64(ty, &spread(&mut stream, ty.len(), *low, *high, at, count)),
            Values::Integers(low, high) => {
                let span = (high - low).max(1) as usize;
                from_i64(ty, &(0..ty.len()).map(|_| low + stream.below(span) as i64).collect::<Vec<_>>())
            }
            Values::Given(values) => from_f64(ty, &(0..ty.len()).map(|i| values[i % values.len()]).collect::<Vec<_>>()),
            Values::PositiveDefinite => positive_definite(&mut stream, ty),
        }
    };
    case.arguments.iter().enumerate().map(fill).collect()
}

/// Numbers of size about 1 of the given types, zeros where they are no floats: tangents and cotangents.
pub fn directions(kind: Kind, case: &Case, types: &[TensorType], salt: &str) -> Vec<HostArray> {
    let draw = |(at, ty): (usize, &TensorType)| {
        let mut stream = Stream::of(&format!("{kind} {} {at} {salt}", case.label));
        match ty.dtype.is_float() {
            // Not around 0, so that no term of an inner product vanishes.
            true => from_f64(
                ty,
                &(0..ty.len()).map(|_| (0.25 + stream.unit()) * [-1.0, 1.0][stream.below(2)]).collect::<Vec<_>>(),
            ),
            false => HostArray::zeros(ty),
        }
    };
    types.iter().enumerate().map(draw).collect()
}

fn classed(stream: &mut Stream, ty: &TensorType, class: Class, at: usize, count: usize) -> HostArray {
    if !ty.dtype.is_float() {
        return from_i64(ty, &integers(stream, ty, class));
    }
    let ordinary = clear_of_halves(spread(stream, ty.len(), -3.0, 3.0, at, count));
    let special = specials(ty.dtype, class);
    let mut pick = |i: usize| match special.len().pow(at as u32 + 1) <= ty.len() {
        // Every combination of the arguments' numbers, where there is room for them.
        true => special[i / special.len().pow(at as u32) % special.len()],
        false => special[stream.below(special.len())],
    };
    let values: Vec<f64> = match class {
        Class::Ordinary => ordinary,
        Class::Infinite | Class::NotANumber => {
            ordinary.into_iter().enumerate().map(|(i, x)| if i % 7 == 3 * at % 7 { pick(i) } else { x }).collect()
        }
        _ => (0..ty.len()).map(&mut pick).collect(),
    };
    from_f64(ty, &values)
}

/// Distinct numbers between two bounds, in random order, also distinct from those of the `count - 1` other arguments.
fn spread(stream: &mut Stream, len: usize, low: f64, high: f64, at: usize, count: usize) -> Vec<f64> {
    let cell = 1.0 / (len.max(1) * count) as f64;
    let order = stream.permutation(len);
    order
        .into_iter()
        .map(|place| low + (high - low) * cell * ((place * count + at) as f64 + 0.25 + 0.5 * stream.unit()))
        .collect()
}

/// The same order of numbers, none within 0.001 of a multiple of 1/2: where functions have kinks and jumps.
fn clear_of_halves(values: Vec<f64>) -> Vec<f64> {
    let clear = |x: f64| {
        let half = (2.0 * x).floor() / 2.0;
        half + 0.002 + (x - half) * (1.0 - 0.008)
    };
    values.into_iter().map(clear).collect()
}

fn specials(dtype: DType, class: Class) -> Vec<f64> {
    let (normal, least) = smallest(dtype);
    let max = maximum(dtype);
    let ties = [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 1.5, -1.5, 2.0, 2.5, -2.5, 3.0];
    let tiny = [0.0, -0.0, least, -least, 3.0 * least, normal - least, least - normal, normal, -normal, 1.0, -1.0];
    let huge = [max, -max, max / 2.0, -max / 3.0, max.sqrt(), -2.0 * max.sqrt(), 1.0, -0.5, 0.0];
    let both = |x: f64| [x, -x];
    match class {
        Class::Ordinary => vec![1.0],
        Class::Ties => ties.to_vec(),
        Class::Infinite => both(f64::INFINITY).to_vec(),
        Class::NotANumber => vec![f64::NAN],
        Class::Tiny => tiny.to_vec(),
        Class::Huge => huge.to_vec(),
        Class::Mixed => {
            let all =
                [both(f64::INFINITY), both(0.0), both(1.0), both(normal), both(max), [f64::NAN, 2.5], [0.5, -3.0]];
            all.concat()
        }
    }
}

fn integers(stream: &mut Stream, ty: &TensorType, class: Class) -> Vec<i64> {
    let (min, max) = match ty.dtype {
        DType::I64 => (i64::MIN, i64::MAX),
        DType::I32 => (i64::from(i32::MIN), i64::from(i32::MAX)),
        DType::U32 => (0, i64::from(u32::MAX)),
        _ => (0, 1),
    };
    let extreme =
        [min, min.saturating_add(1), max / 2, max - 1, max, 0, 1, -1, 2, -2, 7, 31, 32, 33, 63, 64, 65, 1 << 20];
    let extreme: Vec<i64> = extreme.into_iter().filter(|x| (min..=max).contains(x)).collect();
    let few = [0, 1, 2, 3];
    (0..ty.len())
        .map(|_| match (ty.dtype, class) {
            (DType::Bool, _) => stream.below(2) as i64,
            (_, Class::Ordinary) => (stream.below(101) as i64 - 50).max(min),
            (_, Class::Ties) => few[stream.below(few.len())],
            _ => extreme[stream.below(extreme.len())],
        })
        .collect()
}

/// A A^T / n + I for random A: eigenvalues between 1 and about 5.
fn positive_definite(stream: &mut Stream, ty: &TensorType) -> HostArray {
    let n = ty.shape.last().copied().unwrap_or(1);
    let matrices = if n == 0 { 0 } else { ty.len() / (n * n) };
    let mut values = Vec::with_capacity(ty.len());
    for _ in 0..matrices {
        let a: Vec<f64> = (0..n * n).map(|_| 2.0 * stream.unit() - 1.0).collect();
        for i in 0..n {
            for j in 0..n {
                let dot: f64 = (0..n).map(|k| a[i * n + k] * a[j * n + k]).sum();
                values.push(dot / n as f64 + if i == j { 1.0 } else { 0.0 });
            }
        }
    }
    from_f64(ty, &values)
}
