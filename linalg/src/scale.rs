//! Scaling by powers of two: exact in binary floating point, so that an algorithm can keep its squares in range
//! and give them back without a rounding error.

use tandem_compile::{DType, Tensor, number, scalar};

/// The largest power of two that is at most |x|, elementwise; 1 where x is zero, subnormal, infinite or NaN.
///
/// x: f32 or f64 of any shape. `x / power_of_two(x)` is exact and lies in `[1, 2)` in magnitude.
#[track_caller]
pub fn power_of_two(x: &Tensor) -> Tensor {
    // The exponent's bits alone are the bits of a power of two (0 for zero and subnormal numbers).
    let exponent = match x.dtype() {
        DType::F64 => x.bitcast(DType::I64) & scalar(0x7ff0_0000_0000_0000_i64),
        _ => x.bitcast(DType::I32) & scalar(0x7f80_0000_i32),
    };
    let power = exponent.bitcast(x.dtype());
    (power.is_finite() & power.gt(0.0)).select(&power, number(1.0, x.dtype()))
}
