//! Scaling by powers of two: exact in binary floating point, so that an algorithm can keep its squares in range
//! and give them back without a rounding error.

use tandem_compile::{DType, Tensor, number, optimization_barrier, scalar};

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

/// The largest |x| of a matrix, a scalar: NaN if there is one, so that its being finite says that all of x is.
///
/// The columns come first: a reduction along rows of memory runs along the processor's vectors, and one over both axes
/// at once takes several times as long on the CPU. The barrier keeps the compiler from merging the two.
#[track_caller]
pub fn max_abs(x: &Tensor) -> Tensor {
    optimization_barrier(&x.abs().max_axes([0])).max()
}

/// The sum of the squares of a matrix, a scalar; columns first, as in [`max_abs`], which also keeps partial sums short.
#[track_caller]
pub fn sum_of_squares(x: &Tensor) -> Tensor {
    optimization_barrier(&x.square().sum_axes([0])).sum()
}
