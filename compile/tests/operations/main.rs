//! Every method of `Tensor` and every free function, run on the device and compared with obvious loops in plain Rust.

mod arithmetic;
mod choice;
mod constants;
mod convert;
mod factor;
mod index;
mod integers;
mod product;
mod reduce;
mod shapes;
mod sort;

use half::{bf16, f16};
use tandem_compile::pjrt::Device;
use tandem_compile::{DType, Element, HostArray, Tensor, jit};

const FLOATS: [DType; 4] = [DType::F64, DType::F32, DType::F16, DType::BF16];
const NUMBERS: [DType; 7] = [DType::F64, DType::F32, DType::F16, DType::BF16, DType::I64, DType::I32, DType::U32];

/// Runs `f` on the CPU, by way of a graph that holds up to its own check.
fn run(arguments: &[HostArray], f: impl Fn(&[Tensor]) -> Vec<Tensor>) -> Vec<HostArray> {
    let device = Device::cpu().unwrap_or_else(|error| panic!("{error}"));
    let program = jit(|tensors: Vec<Tensor>| f(&tensors)).on(&device);
    let lowered = program.lower(arguments).unwrap_or_else(|error| panic!("{error}"));
    lowered.graph().check().unwrap_or_else(|error| panic!("{error}\n{}", lowered.graph()));
    program.call(arguments).unwrap_or_else(|error| panic!("{error}\n{}", lowered.stablehlo()))
}

fn run1(arguments: &[HostArray], f: impl Fn(&[Tensor]) -> Tensor) -> HostArray {
    run(arguments, |tensors| vec![f(tensors)]).remove(0)
}

fn array<T: Element>(shape: &[usize], values: &[T]) -> HostArray {
    HostArray::new(shape, values.to_vec()).unwrap_or_else(|error| panic!("{error}"))
}

fn vector<T: Element>(values: &[T]) -> HostArray {
    array(&[values.len()], values)
}

/// `values` in `dtype` by Rust's own conversions.
fn rounded(dtype: DType, shape: &[usize], values: &[f64]) -> HostArray {
    fn fill<T: Element>(shape: &[usize], values: &[f64], convert: fn(f64) -> T) -> HostArray {
        array(shape, &values.iter().map(|&x| convert(x)).collect::<Vec<T>>())
    }
    match dtype {
        DType::F64 => fill(shape, values, |x| x),
        DType::F32 => fill(shape, values, |x| x as f32),
        DType::F16 => fill(shape, values, f16::from_f64),
        DType::BF16 => fill(shape, values, bf16::from_f64),
        DType::I64 => fill(shape, values, |x| x as i64),
        DType::I32 => fill(shape, values, |x| x as i32),
        DType::U32 => fill(shape, values, |x| x as u32),
        DType::Bool => fill(shape, values, |x| x != 0.0),
    }
}

/// 0, 1, 2, ... in `dtype`, as an array of `shape`.
fn counting(dtype: DType, shape: &[usize]) -> HostArray {
    let values: Vec<f64> = (0..shape.iter().product()).map(|i: usize| i as f64).collect();
    rounded(dtype, shape, &values)
}

/// The same bits, where any NaN is as good as another.
#[track_caller]
fn assert_same(what: &str, found: &HostArray, expected: &HostArray) {
    assert_near(what, found, expected, 0.0);
}

/// The same type, and floats at most `ulps` units in the last place apart; for 0 the sign of zero counts too.
#[track_caller]
fn assert_near(what: &str, found: &HostArray, expected: &HostArray, ulps: f64) {
    assert_eq!(found.ty(), expected.ty(), "{what}");
    if !found.dtype().is_float() {
        assert_eq!(found, expected, "{what}");
        return;
    }
    let unit = 2.0 * found.dtype().unit_roundoff();
    for (i, (&x, &y)) in found.to_f64().iter().zip(&expected.to_f64()).enumerate() {
        let near = (x.is_nan() && y.is_nan())
            || x.to_bits() == y.to_bits()
            || (x.is_finite() && ulps > 0.0 && (x - y).abs() <= ulps * unit * y.abs());
        assert!(near, "{what} in {}: element {i} is {x:e}, expected {y:e}", found.ty());
    }
}
