//! Functions of one real number that the standard library lacks, in f64.

use std::f64::consts::{FRAC_2_SQRT_PI, PI};

/// The number whose error function is `x`: infinite for -1 and 1, NaN beyond.
pub(crate) fn erf_inv(x: f64) -> f64 {
    let size = x.abs();
    match size {
        // The next term of the series is below a rounding error.
        _ if size < 1e-8 => x / FRAC_2_SQRT_PI,
        _ if size < 1.0 => (0..3).fold(near_erf_inv(size), |y, _| halley(y, size)).copysign(x),
        1.0 => f64::INFINITY.copysign(x),
        _ => f64::NAN,
    }
}

/// The inverse to two digits (Winitzki, "A handy approximation for the error function and its inverse", 2008).
fn near_erf_inv(x: f64) -> f64 {
    const A: f64 = 0.147;
    if x < 1e-3 {
        return x / FRAC_2_SQRT_PI;
    }
    let log = (1.0 - x).ln() + x.ln_1p();
    let half = 2.0 / (PI * A) + log / 2.0;
    ((half * half - log / A).sqrt() - half).sqrt()
}

/// One step of Halley's method for erf(y) = x, which triples the number of correct digits.
fn halley(y: f64, x: f64) -> f64 {
    // Near 1 the complements keep the digits that erf has lost; there 1 - x is exact.
    let error = if x < 0.5 { libm::erf(y) - x } else { (1.0 - x) - libm::erfc(y) };
    let newton = error / (FRAC_2_SQRT_PI * (-y * y).exp());
    y - newton / (1.0 + y * newton)
}

/// 1 / (1 + e^-x), by the formula that does not overflow.
pub(crate) fn logistic(x: f64) -> f64 {
    let small = (-x.abs()).exp();
    if x < 0.0 { small / (1.0 + small) } else { 1.0 / (1.0 + small) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverse_of_erf_is_taken_back_by_erf() {
        for i in 1..2000 {
            let y = f64::from(i) * 0.0025;
            let (x, rest) = (libm::erf(y), libm::erfc(y));
            // What a rounding error of erf(y) makes of y, beside one of y itself.
            let slope = FRAC_2_SQRT_PI * (-y * y).exp();
            let unit = f64::EPSILON * (y + x / slope);
            assert!((erf_inv(x) - y).abs() <= unit, "{y}: {} (complement {rest:e})", erf_inv(x));
            assert_eq!(erf_inv(-x), -erf_inv(x));
        }
    }

    #[test]
    fn the_inverse_of_erf_at_its_ends() {
        assert_eq!(erf_inv(0.0).to_bits(), 0.0f64.to_bits());
        assert_eq!(erf_inv(-0.0).to_bits(), (-0.0f64).to_bits());
        assert_eq!((erf_inv(1.0), erf_inv(-1.0)), (f64::INFINITY, f64::NEG_INFINITY));
        assert!(erf_inv(1.0 + f64::EPSILON).is_nan() && erf_inv(f64::NAN).is_nan());
        // Abramowitz and Stegun, table 7.1: erf(0.5) = 0.5204998778.
        assert!((erf_inv(0.520_499_877_8) - 0.5).abs() < 1e-10);
    }
}
