//! Exponential functions in every precision.

use std::f64::consts::LN_2;

use tandem_verify::Real;

/// What ln 2 is more than the nearest f64.
const LN_2_REST: f64 = 2.3190468138462996e-17;

/// e^x.
pub fn exp<R: Real>(x: R) -> R {
    let near = x.to_f64();
    // In f32 and f64, the standard library's.
    if R::UNIT_ROUNDOFF >= f64::EPSILON / 2.0 || !near.is_finite() || near.abs() > 700.0 {
        return R::from_f64(near.exp());
    }
    // x = k ln 2 + r with |r| <= ln 2 / 2, and the series of e^r.
    let k = (near / LN_2).round();
    let r = x - R::from_f64(k) * (R::from_f64(LN_2) + R::from_f64(LN_2_REST));
    let (mut term, mut sum, mut n) = (R::one(), R::one(), 0.0);
    while term.to_f64().abs() > 1e-36 && n < 60.0 {
        n += 1.0;
        term = term * r / R::from_f64(n);
        sum = sum + term;
    }
    sum * R::from_f64(2f64.powi(k as i32))
}

/// (e^x - e^-x) / (e^x + e^-x).
pub fn tanh<R: Real>(x: R) -> R {
    if R::UNIT_ROUNDOFF >= f64::EPSILON / 2.0 {
        return R::from_f64(x.to_f64().tanh());
    }
    let fall = exp(-x.abs() - x.abs());
    let size = (R::one() - fall) / (R::one() + fall);
    if x < R::zero() { -size } else { size }
}

#[cfg(test)]
mod tests {
    use faer::fx128;

    use super::*;

    #[test]
    fn in_double_double_exponentials_multiply() {
        for (a, b) in [(0.25, 0.5), (-7.25, 3.5), (12.0, -11.75), (0.0, 1e-9)] {
            let [x, y, both] = [a, b, a + b].map(|v| exp(<fx128 as Real>::from_f64(v)));
            let (error, _) = ((x * y - both) / both).parts();
            assert!(error.abs() < 1e-29, "{a} {b}: {error:e}");
            assert!((x.to_f64() - a.exp()).abs() <= 1e-15 * a.exp());
            assert!((tanh(<fx128 as Real>::from_f64(a)).to_f64() - a.tanh()).abs() < 1e-15);
        }
        let e = exp(<fx128 as Real>::from_f64(1.0));
        let (high, low) = e.parts();
        assert_eq!(high, std::f64::consts::E);
        assert!((low - 1.4456468917292502e-16).abs() < 1e-29, "{low:e}");
    }
}
