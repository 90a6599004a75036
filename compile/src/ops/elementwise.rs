//! What the elementwise primitives share: their lists, their reference and their batching.

use half::{bf16, f16};

use crate::dtype::{DType, Element};
use crate::graph::TensorType;
use crate::host::{HostArray, HostData, to_odd};
use crate::ops::Cost;
use crate::trace::Tensor;
use crate::transform::repeated;

/// Declares an enum of primitives, whose variants are named as their [`Kind`](crate::ops::Kind)s, with the name that
/// StableHLO has for each.
macro_rules! functions {
    ($(#[$meta:meta])* $name:ident { $($variant:ident => $operation:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($variant),*
        }

        impl $name {
            /// The name in StableHLO.
            fn operation(self) -> &'static str {
                match self {
                    $($name::$variant => $operation),*
                }
            }

            fn kind_of(self) -> $crate::ops::Kind {
                match self {
                    $($name::$variant => $crate::ops::Kind::$variant),*
                }
            }
        }
    };
}

pub(crate) use functions;

/// A float type of the reference: it computes in f64 and rounds once.
pub(crate) trait Float: Element {
    /// The number in f64, which holds it exactly.
    fn wide(self) -> f64;
    /// The nearest number of this type, infinity beyond the largest.
    fn nearest(x: f64) -> Self;
}

impl Float for f64 {
    fn wide(self) -> f64 {
        self
    }

    fn nearest(x: f64) -> Self {
        x
    }
}

impl Float for f32 {
    fn wide(self) -> f64 {
        f64::from(self)
    }

    fn nearest(x: f64) -> Self {
        x as f32
    }
}

impl Float for f16 {
    fn wide(self) -> f64 {
        f64::from(self)
    }

    fn nearest(x: f64) -> Self {
        f16::from_f32(to_odd(x))
    }
}

impl Float for bf16 {
    fn wide(self) -> f64 {
        f64::from(self)
    }

    fn nearest(x: f64) -> Self {
        bf16::from_f32(to_odd(x))
    }
}

/// The array with its elements replaced.
pub(crate) fn with_values<T: Element>(like: &HostArray, values: Vec<T>) -> HostArray {
    let mut values = values.into_iter();
    HostArray::from_fn(like.shape(), |_| values.next().unwrap_or_default())
}

/// A float array, element by element; any other array is returned as it is.
pub(crate) fn map_floats(x: &HostArray, f: impl Fn(f64) -> f64) -> HostArray {
    fn map<T: Float>(x: &HostArray, values: &[T], f: impl Fn(f64) -> f64) -> HostArray {
        with_values(x, values.iter().map(|&x| T::nearest(f(x.wide()))).collect())
    }
    match x.data() {
        HostData::F64(v) => map(x, v, f),
        HostData::F32(v) => map(x, v, f),
        HostData::F16(v) => map(x, v, f),
        HostData::BF16(v) => map(x, v, f),
        _ => x.clone(),
    }
}

/// Two float arrays of one type, element by element; any other first array is returned as it is.
pub(crate) fn zip_floats(x: &HostArray, y: &HostArray, f: impl Fn(f64, f64) -> f64) -> HostArray {
    fn zip<T: Float>(like: &HostArray, x: &[T], y: &[T], f: impl Fn(f64, f64) -> f64) -> HostArray {
        with_values(like, x.iter().zip(y).map(|(&x, &y)| T::nearest(f(x.wide(), y.wide()))).collect())
    }
    match (x.data(), y.data()) {
        (HostData::F64(v), HostData::F64(w)) => zip(x, v, w, f),
        (HostData::F32(v), HostData::F32(w)) => zip(x, v, w, f),
        (HostData::F16(v), HostData::F16(w)) => zip(x, v, w, f),
        (HostData::BF16(v), HostData::BF16(w)) => zip(x, v, w, f),
        _ => x.clone(),
    }
}

/// The larger of two, NaN where either is; of two zeros the positive one.
pub(crate) fn larger(x: f64, y: f64) -> f64 {
    if x.is_nan() || x > y || (x == y && y.is_sign_negative()) { x } else { y }
}

/// The smaller of two, NaN where either is; of two zeros the negative one.
pub(crate) fn smaller(x: f64, y: f64) -> f64 {
    -larger(-x, -y)
}

/// Integers as i128 hold them: what has an order and no surprises.
pub(crate) fn exact_integers(x: &HostArray) -> Vec<i128> {
    match x.data() {
        HostData::I64(v) => v.iter().map(|&x| x.into()).collect(),
        HostData::I32(v) => v.iter().map(|&x| x.into()).collect(),
        HostData::U32(v) => v.iter().map(|&x| x.into()).collect(),
        HostData::Bool(v) => v.iter().map(|&x| x.into()).collect(),
        _ => Vec::new(),
    }
}

/// An integer or bool array of the lowest bits of exact integers: how arithmetic wraps.
pub(crate) fn wrapped(ty: &TensorType, values: Vec<i128>) -> HostArray {
    fn fill<T: Element>(ty: &TensorType, values: &[i128], wrap: impl Fn(i128) -> T) -> HostArray {
        HostArray::from_fn(ty.shape.clone(), |i| values.get(i).map_or(T::default(), |&x| wrap(x)))
    }
    match ty.dtype {
        DType::I64 => fill(ty, &values, |x| x as i64),
        DType::I32 => fill(ty, &values, |x| x as i32),
        DType::U32 => fill(ty, &values, |x| x as u32),
        DType::Bool => fill(ty, &values, |x| x & 1 == 1),
        _ => HostArray::zeros(ty),
    }
}

/// The operands of an elementwise operation, each with the problem as its first axis.
pub(crate) fn spread_all(inputs: &[Tensor], batched: &[bool], size: usize) -> Vec<Tensor> {
    inputs.iter().zip(batched).map(|(x, &batched)| if batched { x.clone() } else { repeated(x, size) }).collect()
}

/// The operands of an elementwise operation some of which may be scalars beside the others, of shape `shape` for one
/// problem. An operand that `may_stay` a scalar does so where it is the same for all problems; every other one becomes
/// one number per element.
pub(crate) fn spread_beside(
    inputs: &[Tensor],
    batched: &[bool],
    size: usize,
    shape: &[usize],
    may_stay: [bool; 3],
) -> Vec<Tensor> {
    let full = [&[size], shape].concat();
    let spread = |i: usize| match (&inputs[i], batched[i]) {
        (x, false) if x.ndim() > 0 => repeated(x, size),
        (x, false) if may_stay[i] => x.clone(),
        (x, false) => x.broadcast_to(full.clone()),
        (x, true) if x.ndim() == full.len() => x.clone(),
        (x, true) => x.broadcast_in_dim(full.clone(), [0]),
    };
    (0..inputs.len()).map(spread).collect()
}

/// The work of one operation per element.
pub(crate) fn per_element(transcendental: bool, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
    let len = outputs[0].len();
    match transcendental {
        true => Cost { transcendentals: len as f64, ..Cost::moving(inputs, outputs) },
        false => Cost::flops(len, inputs, outputs),
    }
}
