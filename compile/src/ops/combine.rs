//! What many elements are combined by: one table for reductions, cumulative ones and windows, with the arithmetic of
//! the reference interpreter.

use half::{bf16, f16};

use crate::dtype::{DType, Element};
use crate::graph::TensorType;
use crate::host::{HostArray, HostData, each_dtype, to_odd};
use crate::stablehlo::{Emitter, Operand, tensor};

/// What the elements are combined by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the methods of Tensor say what each does")]
pub enum Combine {
    Sum,
    Product,
    Max,
    Min,
    Any,
    All,
}

impl Combine {
    /// The operation of StableHLO that combines two.
    pub(crate) fn operation(self) -> &'static str {
        match self {
            Combine::Sum => "add",
            Combine::Product => "multiply",
            Combine::Max => "maximum",
            Combine::Min => "minimum",
            Combine::Any => "or",
            Combine::All => "and",
        }
    }

    /// The number that changes nothing: what combining no elements gives.
    pub(crate) fn identity(self, dtype: DType) -> HostArray {
        let value = self.neutral();
        match dtype {
            DType::F64 => HostArray::scalar(value),
            DType::F32 => HostArray::scalar(value as f32),
            DType::F16 => HostArray::scalar(f16::from_f64(value)),
            DType::BF16 => HostArray::scalar(bf16::from_f64(value)),
            // Rust's conversion gives the last number of a type that has no infinity.
            DType::I64 => HostArray::scalar(value as i64),
            DType::I32 => HostArray::scalar(value as i32),
            DType::U32 => HostArray::scalar(value as u32),
            DType::Bool => HostArray::scalar(value > 0.0),
        }
    }

    fn neutral(self) -> f64 {
        match self {
            Combine::Sum | Combine::Any => 0.0,
            Combine::Product | Combine::All => 1.0,
            Combine::Max => f64::NEG_INFINITY,
            Combine::Min => f64::INFINITY,
        }
    }

    /// Checks that elements of this type are combined this way.
    pub(crate) fn check(self, x: &TensorType) -> Result<(), String> {
        let logical = matches!(self, Combine::Any | Combine::All);
        match logical == (x.dtype == DType::Bool) {
            true => Ok(()),
            false => Err(format!("defined for {}, got {x}", if logical { "bool" } else { "numbers" })),
        }
    }

    /// Writes the identity for the elements of `x`, and the region that combines two of them.
    pub(crate) fn region(self, emitter: &mut Emitter, x: &Operand) -> (String, String) {
        let init = emitter.constant(&self.identity(x.ty.dtype));
        let scalar = TensorType::scalar(x.ty.dtype);
        let (a, b, t) = (emitter.fresh(), emitter.fresh(), tensor(&scalar));
        let region = emitter.block(&format!("^bb0({a}: {t}, {b}: {t}):"), |e| {
            (vec![e.op(&format!("stablehlo.{} {a}, {b} : {t}", self.operation()))], vec![scalar])
        });
        (init, region)
    }

    /// The reference: an array of `shape` whose element `i` (row-major) combines those of `x` at the row-major
    /// positions `members(i)`, in their order.
    pub(crate) fn groups<I: IntoIterator<Item = usize>>(
        self,
        x: &HostArray,
        shape: &[usize],
        members: impl Fn(usize) -> I,
    ) -> HostArray {
        let len = shape.iter().product();
        let data = each_dtype!(x.data(), values => grouped(self, values, len, members));
        HostArray::from_data(shape, data)
    }

    /// The reference: `x` with every element combined with those before it on its line. A line is a list of row-major
    /// positions.
    pub(crate) fn running(self, x: &HostArray, lines: impl Iterator<Item = Vec<usize>>) -> HostArray {
        let data = each_dtype!(x.data(), values => cumulated(self, values, lines));
        HostArray::from_data(x.shape(), data)
    }
}

fn grouped<T: Accumulate, I: IntoIterator<Item = usize>>(
    combine: Combine,
    values: &[T],
    len: usize,
    members: impl Fn(usize) -> I,
) -> HostData {
    let one = |i| {
        let mut state = T::start(combine);
        members(i).into_iter().for_each(|at| values[at].push(combine, &mut state));
        T::value(&state)
    };
    T::wrap((0..len).map(one).collect())
}

fn cumulated<T: Accumulate>(combine: Combine, values: &[T], lines: impl Iterator<Item = Vec<usize>>) -> HostData {
    let mut out = vec![T::default(); values.len()];
    for line in lines {
        let mut state = T::start(combine);
        for at in line {
            values[at].push(combine, &mut state);
            out[at] = T::value(&state);
        }
    }
    T::wrap(out)
}

/// An element type with the arithmetic of the reference: better than any order of additions on a device, so that the
/// difference is the device's.
trait Accumulate: Element {
    type State;
    fn start(combine: Combine) -> Self::State;
    fn push(self, combine: Combine, state: &mut Self::State);
    fn value(state: &Self::State) -> Self;
}

/// What has been combined so far, in f64, and for a sum what its roundings have lost (Neumaier's summation).
struct Float {
    value: f64,
    lost: f64,
}

impl Float {
    fn push(&mut self, combine: Combine, x: f64) {
        let y = self.value;
        self.value = match combine {
            Combine::Sum => y + x,
            Combine::Product => y * x,
            Combine::Max | Combine::Any => extreme(y, x, y > x),
            Combine::Min | Combine::All => extreme(y, x, y < x),
        };
        if combine == Combine::Sum {
            self.lost += if y.abs() >= x.abs() { (y - self.value) + x } else { (x - self.value) + y };
        }
    }

    fn value(&self) -> f64 {
        // After an overflow the loss is NaN, and the sum is what it is.
        if self.lost == 0.0 || !self.value.is_finite() { self.value } else { self.value + self.lost }
    }
}

/// One of two numbers, NaN if one is.
fn extreme(x: f64, y: f64, first: bool) -> f64 {
    if x.is_nan() || (first && !y.is_nan()) { x } else { y }
}

macro_rules! accumulate_floats {
    ($($ty:ty, $round:expr);*) => {$(
        impl Accumulate for $ty {
            type State = Float;

            fn start(combine: Combine) -> Float {
                Float { value: combine.neutral(), lost: 0.0 }
            }

            fn push(self, combine: Combine, state: &mut Float) {
                state.push(combine, f64::from(self));
            }

            fn value(state: &Float) -> Self {
                $round(state.value())
            }
        }
    )*};
}

accumulate_floats!(f64, |x| x; f32, |x| x as f32; f16, |x| f16::from_f32(to_odd(x)); bf16, |x| bf16::from_f32(to_odd(x)));

macro_rules! accumulate_integers {
    ($($ty:ty),*) => {$(
        impl Accumulate for $ty {
            type State = Self;

            fn start(combine: Combine) -> Self {
                combine.neutral() as Self
            }

            fn push(self, combine: Combine, state: &mut Self) {
                *state = match combine {
                    Combine::Sum => state.wrapping_add(self),
                    Combine::Product => state.wrapping_mul(self),
                    Combine::Max => self.max(*state),
                    Combine::Min => self.min(*state),
                    Combine::Any => self | *state,
                    Combine::All => self & *state,
                };
            }

            fn value(state: &Self) -> Self {
                *state
            }
        }
    )*};
}

accumulate_integers!(i64, i32, u32);

impl Accumulate for bool {
    type State = Self;

    fn start(combine: Combine) -> Self {
        combine.neutral() > 0.0
    }

    fn push(self, combine: Combine, state: &mut Self) {
        *state = match combine {
            Combine::Product | Combine::Min | Combine::All => self && *state,
            Combine::Sum | Combine::Max | Combine::Any => self || *state,
        };
    }

    fn value(state: &Self) -> Self {
        *state
    }
}
