//! Special functions of complex numbers, from their definitions: slow, and good to some digits less than f64 has.

use std::f64::consts::FRAC_2_SQRT_PI;

use num_complex::Complex64;

/// The error function for arguments of size up to about 5, by the series with terms of one sign
/// (Abramowitz and Stegun, 7.1.6).
pub fn erf(z: Complex64) -> Complex64 {
    let mut term = z;
    let mut sum = z;
    for n in 1..200 {
        term *= 2.0 * z * z / f64::from(2 * n + 1);
        sum += term;
    }
    FRAC_2_SQRT_PI * (-z * z).exp() * sum
}

/// The inverse of the error function near the real axis: bisection there, and then Newton's method.
pub fn erf_inv(z: Complex64) -> Complex64 {
    let (mut low, mut high) = (-4.0, 4.0);
    for _ in 0..30 {
        let middle = f64::midpoint(low, high);
        if erf(middle.into()).re < z.re { low = middle } else { high = middle }
    }
    (0..4).fold(Complex64::from(low), |y, _| y - (erf(y) - z) / (FRAC_2_SQRT_PI * (-y * y).exp()))
}
