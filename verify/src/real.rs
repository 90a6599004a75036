//! The numbers that references compute in.

use faer::fx128;
use faer::traits::RealField;

/// A real number type of faer's with what references need beyond its field operations. The same text of a reference
/// runs in f32, in f64 and in double-double.
pub trait Real: RealField + Copy + Send + Sync + 'static {
    /// Half the distance from 1 to the next number.
    const UNIT_ROUNDOFF: f64;

    /// The nearest number to `value`; exact in f64 and above.
    fn from_f64(value: f64) -> Self;

    /// The number as a sum of two f64, the first its nearest f64: exact for every type here.
    fn parts(self) -> (f64, f64);

    /// The square root; NaN of a negative number.
    fn sqrt(self) -> Self;

    /// The nearest f64.
    fn to_f64(self) -> f64 {
        self.parts().0
    }

    /// Positive infinity.
    fn infinity() -> Self {
        Self::infinity_impl()
    }

    /// The smallest positive normal number.
    fn min_positive() -> Self {
        Self::min_positive_impl()
    }

    /// The magnitude.
    fn abs(self) -> Self {
        if self < Self::zero() { -self } else { self }
    }

    /// The larger of two numbers.
    fn max(self, other: Self) -> Self {
        if self < other { other } else { self }
    }
}

impl Real for f32 {
    const UNIT_ROUNDOFF: f64 = (f32::EPSILON / 2.0) as f64;

    fn from_f64(value: f64) -> Self {
        value as f32
    }

    fn parts(self) -> (f64, f64) {
        (f64::from(self), 0.0)
    }

    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }
}

impl Real for f64 {
    const UNIT_ROUNDOFF: f64 = f64::EPSILON / 2.0;

    fn from_f64(value: f64) -> Self {
        value
    }

    fn parts(self) -> (f64, f64) {
        (self, 0.0)
    }

    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }
}

impl Real for fx128 {
    /// 2^-104: the sum of two f64 carries at least 105 bits through faer's operations.
    const UNIT_ROUNDOFF: f64 = 1.0 / (1u128 << 104) as f64;

    fn from_f64(value: f64) -> Self {
        fx128::from_f64(value)
    }

    fn parts(self) -> (f64, f64) {
        (self.0, self.1)
    }

    fn sqrt(self) -> Self {
        fx128::sqrt(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn double_double_knows_thirty_digits_of_the_root_of_two() {
        let root = Real::sqrt(fx128::from_f64(2.0));
        let (error, _) = (root * root - fx128::from_f64(2.0)).parts();
        assert!(error.abs() < 1e-30, "{error:e}");
        assert_eq!(Real::sqrt(fx128::from_f64(0.0)).to_f64(), 0.0);
    }
}
