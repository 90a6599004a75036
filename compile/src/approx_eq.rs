//! Comparison of host arrays through the traits of crate `approx`: absolute, relative, and in units in the last place.
//!
//! Arrays of different dtype or shape are never close; integers and truth values must be equal; NaN is close to nothing.
//!
//! ```
//! use approx::assert_ulps_eq;
//! use tandem_compile::HostArray;
//!
//! let x = HostArray::new([2], vec![0.1f32 + 0.2, 1.0])?;
//! let y = HostArray::new([2], vec![0.3f32, 1.0])?;
//! assert_ulps_eq!(x, y, epsilon = 0.0, max_ulps = 1);
//! # Ok::<(), tandem_compile::Error>(())
//! ```

use approx::{AbsDiffEq, RelativeEq, UlpsEq};

use crate::host::{HostArray, HostData};

/// Whether all pairs of elements are close: `wide` judges f64 and the 16-bit floats, `single` judges f32.
fn all(x: &HostArray, y: &HostArray, wide: impl Fn(&f64, &f64) -> bool, single: impl Fn(&f32, &f32) -> bool) -> bool {
    if x.shape() != y.shape() {
        return false;
    }
    match (x.data(), y.data()) {
        (HostData::F64(x), HostData::F64(y)) => x.iter().zip(y).all(|(x, y)| wide(x, y)),
        (HostData::F32(x), HostData::F32(y)) => x.iter().zip(y).all(|(x, y)| single(x, y)),
        (HostData::F16(_), HostData::F16(_)) | (HostData::BF16(_), HostData::BF16(_)) => {
            x.to_f64().iter().zip(&y.to_f64()).all(|(x, y)| wide(x, y))
        }
        (x, y) => x == y,
    }
}

impl AbsDiffEq for HostArray {
    type Epsilon = f64;

    fn default_epsilon() -> f64 {
        f64::EPSILON
    }

    fn abs_diff_eq(&self, other: &Self, epsilon: f64) -> bool {
        all(self, other, |x, y| x.abs_diff_eq(y, epsilon), |&x, &y| f64::from(x).abs_diff_eq(&f64::from(y), epsilon))
    }
}

impl RelativeEq for HostArray {
    fn default_max_relative() -> f64 {
        f64::EPSILON
    }

    fn relative_eq(&self, other: &Self, epsilon: f64, max_relative: f64) -> bool {
        all(
            self,
            other,
            |x, y| x.relative_eq(y, epsilon, max_relative),
            |&x, &y| f64::from(x).relative_eq(&f64::from(y), epsilon, max_relative),
        )
    }
}

impl UlpsEq for HostArray {
    fn default_max_ulps() -> u32 {
        f64::default_max_ulps()
    }

    /// The units in the last place are those of the arrays' own precision; for f16 and bf16 those of f64.
    fn ulps_eq(&self, other: &Self, epsilon: f64, max_ulps: u32) -> bool {
        all(self, other, |x, y| x.ulps_eq(y, epsilon, max_ulps), |x, y| x.ulps_eq(y, epsilon as f32, max_ulps))
    }
}

#[cfg(test)]
mod tests {
    use approx::{assert_abs_diff_eq, assert_relative_eq, assert_ulps_eq};

    use super::*;
    use crate::DType;

    fn f64s(values: &[f64]) -> HostArray {
        HostArray::new([values.len()], values.to_vec()).unwrap()
    }

    #[test]
    fn closeness_is_absolute_relative_or_in_units_in_the_last_place() {
        assert_abs_diff_eq!(f64s(&[1.0, 0.0]), f64s(&[1.0, 1e-9]), epsilon = 1e-8);
        assert_relative_eq!(f64s(&[1e300]), f64s(&[1e300 * (1.0 + 1e-10)]), max_relative = 1e-9);
        assert_ulps_eq!(f64s(&[1.0]), f64s(&[1.0 + f64::EPSILON]), epsilon = 0.0, max_ulps = 1);
        assert!(!f64s(&[1.0]).ulps_eq(&f64s(&[1.0 + 2.0 * f64::EPSILON]), 0.0, 1));
        let narrow = |x: f64| f64s(&[x]).cast(DType::F32).unwrap();
        assert!(narrow(1.0).ulps_eq(&narrow(1.0 + 1.2e-7), 0.0, 1));
    }

    #[test]
    fn nothing_is_close_to_nan_to_another_shape_or_to_another_dtype() {
        assert!(!f64s(&[f64::NAN]).abs_diff_eq(&f64s(&[f64::NAN]), 1.0));
        assert!(!f64s(&[1.0]).abs_diff_eq(&f64s(&[1.0, 1.0]), 1.0));
        assert!(!f64s(&[1.0]).abs_diff_eq(&f64s(&[1.0]).cast(DType::F32).unwrap(), 1.0));
        let whole = |x: i32| HostArray::scalar(x);
        assert!(whole(3).abs_diff_eq(&whole(3), 0.0) && !whole(3).abs_diff_eq(&whole(4), 9.0));
    }
}
