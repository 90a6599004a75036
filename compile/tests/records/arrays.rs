//! Arithmetic on host arrays.

use half::{bf16, f16};
use tandem_compile::{DType, Element, HostArray, HostData, TensorType};

/// An array of whatever element type, from f64 by Rust's `as`.
pub fn from_f64(ty: &TensorType, values: &[f64]) -> HostArray {
    match ty.dtype {
        DType::F64 => filled(ty, values.to_vec()),
        DType::F32 => filled(ty, values.iter().map(|&x| x as f32).collect()),
        DType::F16 => filled(ty, values.iter().map(|&x| f16::from_f64(x)).collect()),
        DType::BF16 => filled(ty, values.iter().map(|&x| bf16::from_f64(x)).collect()),
        DType::Bool => filled(ty, values.iter().map(|&x| x != 0.0).collect()),
        DType::I64 | DType::I32 | DType::U32 => from_i64(ty, &values.iter().map(|&x| x as i64).collect::<Vec<_>>()),
    }
}

/// An array of whatever element type, from i64 by Rust's `as`.
pub fn from_i64(ty: &TensorType, values: &[i64]) -> HostArray {
    match ty.dtype {
        DType::I64 => filled(ty, values.to_vec()),
        DType::I32 => filled(ty, values.iter().map(|&x| x as i32).collect()),
        DType::U32 => filled(ty, values.iter().map(|&x| x as u32).collect()),
        DType::Bool => filled(ty, values.iter().map(|&x| x != 0).collect()),
        _ => from_f64(ty, &values.iter().map(|&x| x as f64).collect::<Vec<_>>()),
    }
}

fn filled<T: Element>(ty: &TensorType, values: Vec<T>) -> HostArray {
    HostArray::new(ty.shape.clone(), values).unwrap_or_else(|error| panic!("{error}"))
}

/// The elements of an array of integers or truth values.
pub fn to_i64(x: &HostArray) -> Vec<i64> {
    match x.data() {
        HostData::I64(v) => v.clone(),
        HostData::I32(v) => v.iter().map(|&x| i64::from(x)).collect(),
        HostData::U32(v) => v.iter().map(|&x| i64::from(x)).collect(),
        HostData::Bool(v) => v.iter().map(|&x| i64::from(x)).collect(),
        _ => panic!("{} is no array of integers", x.ty()),
    }
}

/// `f` of every element of a float array; other arrays unchanged.
pub fn map_floats(x: &HostArray, f: impl Fn(f64) -> f64) -> HostArray {
    match x.dtype().is_float() {
        true => from_f64(&x.ty(), &x.to_f64().into_iter().map(f).collect::<Vec<_>>()),
        false => x.clone(),
    }
}

/// `x + step * direction`.
pub fn moved(x: &HostArray, direction: &HostArray, step: f64) -> HostArray {
    let (x64, d) = (x.to_f64(), direction.to_f64());
    from_f64(&x.ty(), &x64.iter().zip(&d).map(|(x, d)| x + step * d).collect::<Vec<_>>())
}

/// The sum of products over all arrays, and the sum of the products' absolute values.
pub fn inner(x: &[HostArray], y: &[HostArray]) -> (f64, f64) {
    let products: Vec<f64> = x
        .iter()
        .zip(y)
        .flat_map(|(x, y)| x.to_f64().into_iter().zip(y.to_f64()).map(|(x, y)| x * y).collect::<Vec<_>>())
        .collect();
    (products.iter().sum(), products.iter().map(|p| p.abs()).sum())
}

/// The largest absolute value of a finite element; 0 for none.
pub fn largest(x: &HostArray) -> f64 {
    x.to_f64().into_iter().map(f64::abs).filter(|x| x.is_finite()).fold(0.0, f64::max)
}

/// Arrays of one type along a new first axis.
pub fn stack(ty: &TensorType, parts: &[HostArray]) -> HostArray {
    let stacked = ty.with_shape([&[parts.len()], ty.shape.as_slice()].concat());
    match ty.dtype.is_float() {
        true => from_f64(&stacked, &parts.iter().flat_map(HostArray::to_f64).collect::<Vec<_>>()),
        false => from_i64(&stacked, &parts.iter().flat_map(to_i64).collect::<Vec<_>>()),
    }
}

/// The part of an array at one position of its first axis.
pub fn slice(x: &HostArray, at: usize) -> HostArray {
    let ty = TensorType::new(x.dtype(), &x.shape()[1..]);
    let range = at * ty.len()..(at + 1) * ty.len();
    match ty.dtype.is_float() {
        true => from_f64(&ty, &x.to_f64()[range]),
        false => from_i64(&ty, &to_i64(x)[range]),
    }
}

/// The smallest normal number, and the smallest of all, of a float type.
pub fn smallest(dtype: DType) -> (f64, f64) {
    let (exponent, bits) = match dtype {
        DType::F64 => (-1022, 53),
        DType::F32 => (-126, 24),
        DType::BF16 => (-126, 8),
        DType::F16 => (-14, 11),
        _ => panic!("{dtype} is no float"),
    };
    (power(exponent), power(exponent - bits + 1))
}

/// The largest finite number of a float type.
pub fn maximum(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => f64::MAX,
        DType::F32 => f64::from(f32::MAX),
        DType::BF16 => bf16::MAX.to_f64(),
        DType::F16 => f16::MAX.to_f64(),
        _ => panic!("{dtype} is no float"),
    }
}

/// 2 to the power of `exponent`, subnormal numbers included.
fn power(exponent: i32) -> f64 {
    // `powi` may take the reciprocal of an overflow.
    match exponent < -1022 {
        true => f64::from_bits(1 << (exponent + 1074)),
        false => 2f64.powi(exponent),
    }
}

/// The unit in the last place of a number of type `dtype`.
pub fn ulp(x: f64, dtype: DType) -> f64 {
    let (normal, least) = smallest(dtype);
    match x.abs() < normal {
        true => least,
        false => {
            let exponent = ((x.abs().to_bits() >> 52) as i32) - 1023;
            power(exponent).max(normal) * (least / normal)
        }
    }
}
