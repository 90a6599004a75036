//! Scaling by powers of two: exact in binary floating point, so that an algorithm can keep its squares in range
//! and give them back without a rounding error.

use tandem_compile::{DType, Tensor, number, optimization_barrier};

/// The largest power of two that is at most |x|, elementwise; 1 where x is zero, subnormal, infinite or NaN.
///
/// x: f32 or f64 of any shape. `x / power_of_two(x)` is exact and lies in `[1, 2)` in magnitude.
///
/// By comparisons and exact products, and not by the bits of x: where f64 is made of two f32, as on TPUs, there are no such
/// bits (`docs/notes/bits-of-f64-on-tpu.md`).
#[track_caller]
pub fn power_of_two(x: &Tensor) -> Tensor {
    let dtype = x.dtype();
    // The exponent in binary digits, from the highest down: 1023 or 127 are all of them.
    let (digits, least) = if dtype == DType::F64 { (10, f64::MIN_POSITIVE) } else { (7, f32::MIN_POSITIVE.into()) };
    let size = x.abs();
    let normal = size.is_finite() & size.ge(number(least, dtype));
    // Twice the inverse of the power: in range for every power.
    let (mut left, mut inverse) = (normal.select(&size, 1.0), number(2.0, dtype).broadcast_to(x.shape()));
    for digit in (0..digits).rev() {
        let factor = 2f64.powi(1 << digit);
        let (large, small) = (left.ge(number(factor, dtype)), left.lt(number(2.0 / factor, dtype)));
        let apply = |value: &Tensor, up: f64, down: f64| {
            large.select(value * number(up, dtype), small.select(value * number(down, dtype), value))
        };
        (left, inverse) = (apply(&left, 1.0 / factor, factor), apply(&inverse, 1.0 / factor, factor));
    }
    // What is left is in [1/2, 2).
    // A division is dear enough for XLA's CPU compiler that it keeps the result; a chain of cheap operations it would repeat for
    // every element that is divided by it (`docs/notes/cheap-chains-are-repeated.md`).
    2.0 / left.lt(1.0).select(&inverse * 2.0, &inverse)
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
