//! The numbers in which the interpreter adds up products.

use half::{bf16, f16};

use crate::dtype::DType;
use crate::graph::TensorType;
use crate::host::{HostArray, HostData, to_odd};

/// The elements of an array in the widest type of their kind: f64, or i64 modulo 2^64 (in which all narrower integers
/// wrap as they should once they are cut).
pub(super) enum Wide {
    Float(Vec<f64>),
    Integer(Vec<i64>),
}

impl Wide {
    pub fn from(x: &HostArray) -> Self {
        match x.data() {
            HostData::I64(v) => Wide::Integer(v.clone()),
            HostData::I32(v) => Wide::Integer(v.iter().map(|&x| i64::from(x)).collect()),
            HostData::U32(v) => Wide::Integer(v.iter().map(|&x| i64::from(x)).collect()),
            HostData::Bool(v) => Wide::Integer(v.iter().map(|&x| i64::from(x)).collect()),
            _ => Wide::Float(x.to_f64()),
        }
    }

    /// The elements as integers, which they are where this is called.
    pub fn integers(self) -> Vec<i64> {
        match self {
            Wide::Integer(values) => values,
            Wide::Float(values) => values.into_iter().map(|x| x as i64).collect(),
        }
    }

    /// An array of the given type: floats rounded once (to infinity where they are too large), integers cut.
    pub fn narrow(self, ty: &TensorType) -> HostArray {
        match self {
            Wide::Float(values) => rounded(&values, ty),
            Wide::Integer(values) => match ty.dtype {
                DType::I32 => HostArray::from_fn(ty.shape.clone(), |i| values[i] as i32),
                DType::U32 => HostArray::from_fn(ty.shape.clone(), |i| values[i] as u32),
                _ => HostArray::from_fn(ty.shape.clone(), |i| values[i]),
            },
        }
    }
}

/// An array of floats from numbers in row-major order, each rounded once.
pub(super) fn rounded(values: &[f64], ty: &TensorType) -> HostArray {
    let shape = ty.shape.clone();
    match ty.dtype {
        DType::F32 => HostArray::from_fn(shape, |i| values[i] as f32),
        DType::F16 => HostArray::from_fn(shape, |i| f16::from_f32(to_odd(values[i]))),
        DType::BF16 => HostArray::from_fn(shape, |i| bf16::from_f32(to_odd(values[i]))),
        _ => HostArray::from_fn(shape, |i| values[i]),
    }
}
