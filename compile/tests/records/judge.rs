//! Whether a result is near enough to what was expected.

use tandem_compile::{DType, HostArray};

use crate::arrays::{largest, map_floats, maximum, smallest, to_i64, ulp};
use crate::record::Budget;
use crate::values::Class;

/// What a result may be.
pub struct Expected {
    /// The reference's result.
    pub value: HostArray,
    /// Its result with subnormal arguments taken for zeros. XLA's CPU does so in most operations, not in all.
    pub flushed: Option<HostArray>,
    /// Its result for the absolute values of the arguments, where the budget needs it.
    pub magnitude: Option<HostArray>,
}

/// Subnormal numbers replaced by zeros.
pub fn flushed(x: &HostArray) -> HostArray {
    map_floats(x, |v| if is_subnormal(v, x.dtype()) { 0.0f64.copysign(v) } else { v })
}

fn is_subnormal(x: f64, dtype: DType) -> bool {
    x != 0.0 && x.abs() < smallest(dtype).0
}

/// Compares one result, or says what differs.
pub fn judge(found: &HostArray, expected: &Expected, budget: Budget, class: Class) -> Result<(), String> {
    let value = &expected.value;
    if found.ty() != value.ty() {
        return Err(format!("the result is {}, expected {}", found.ty(), value.ty()));
    }
    if !found.dtype().is_float() {
        return judge_integers(found, expected);
    }
    let (x, y) = (found.to_f64(), value.to_f64());
    let flushed = expected.flushed.as_ref().map(HostArray::to_f64);
    let scales = expected.magnitude.as_ref().map(HostArray::to_f64);
    let dtype = found.dtype();
    let largest = largest(value);
    // A sum of huge numbers may overflow or not, as its order has it.
    let overflows = matches!(class, Class::Huge | Class::Mixed);
    let mut wrong = Vec::new();
    for i in 0..x.len() {
        let scale = match (budget, &scales) {
            (Budget::OfMagnitude(..), Some(scales)) => scales[i],
            (Budget::OfLargest(..), _) => largest,
            _ => y[i],
        };
        if matches!(budget, Budget::OfMagnitude(..)) && overflows && !scale.is_finite() && !scale.is_nan() {
            continue;
        }
        let fits = |y: f64, scale: f64| match budget {
            Budget::Exact => same(x[i], y, dtype),
            Budget::Ulps(n, _) | Budget::OfMagnitude(n, _) | Budget::OfLargest(n, _) => {
                near(x[i], y, n, if scale.is_finite() { scale } else { y }, dtype)
            }
        };
        let also = flushed.as_ref().is_some_and(|flushed| {
            let scale = if matches!(budget, Budget::Ulps(..)) { flushed[i] } else { scale };
            fits(flushed[i], scale)
        });
        if !fits(y[i], scale) && !also {
            wrong.push((i, x[i], y[i], scale));
        }
    }
    match wrong.first() {
        None => Ok(()),
        Some(&(i, x, y, scale)) => {
            let units = (x - y).abs() / ulp(scale, dtype);
            let (count, len) = (wrong.len(), found.len());
            let allowed = allowed(budget);
            Err(format!(
                "in {}, {count} of {len} elements differ; element {i} is {x:e}, expected {y:e}, {units:.1} units of {scale:e} \
                 off ({allowed})",
                found.ty()
            ))
        }
    }
}

fn allowed(budget: Budget) -> String {
    match budget {
        Budget::Exact => "exact".into(),
        Budget::Ulps(n, why) => format!("{n} of its own allowed: {why}"),
        Budget::OfMagnitude(n, why) => format!("{n} of the magnitude allowed: {why}"),
        Budget::OfLargest(n, why) => format!("{n} of the largest allowed: {why}"),
    }
}

fn judge_integers(found: &HostArray, expected: &Expected) -> Result<(), String> {
    let (x, y) = (to_i64(found), to_i64(&expected.value));
    let flushed = expected.flushed.as_ref().map(to_i64);
    let wrong = (0..x.len()).find(|&i| x[i] != y[i] && flushed.as_ref().is_none_or(|flushed| x[i] != flushed[i]));
    match wrong {
        None => Ok(()),
        Some(i) => Err(format!("in {}, element {i} is {}, expected {}", found.ty(), x[i], y[i])),
    }
}

/// The same bits; any NaN is as good as another, and a subnormal number may have become zero.
fn same(x: f64, y: f64, dtype: DType) -> bool {
    let flushed = is_subnormal(y, dtype) && x.to_bits() == 0.0f64.copysign(y).to_bits();
    x.to_bits() == y.to_bits() || (x.is_nan() && y.is_nan()) || flushed
}

/// Within `units` units in the last place of `scale`.
pub fn near(x: f64, y: f64, units: f64, scale: f64, dtype: DType) -> bool {
    if x.is_nan() || y.is_nan() {
        return x.is_nan() && y.is_nan();
    }
    if x == y || (is_subnormal(y, dtype) && x == 0.0) {
        return true;
    }
    // The number that an infinity stands for where a result is at the end of the range.
    let end = |v: f64| if v.is_infinite() { maximum(dtype).copysign(v) } else { v };
    if x.is_infinite() || y.is_infinite() {
        return (end(x) - end(y)).abs() <= (units - 1.0) * ulp(maximum(dtype), dtype) && units >= 1.0;
    }
    (x - y).abs() <= units * ulp(scale, dtype)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(found: f64, expected: f64, budget: Budget) -> bool {
        let expected = Expected { value: HostArray::scalar(expected), flushed: None, magnitude: None };
        judge(&HostArray::scalar(found), &expected, budget, Class::Ordinary).is_ok()
    }

    #[test]
    fn a_unit_in_the_last_place_is_that_of_the_dtype() {
        assert_eq!(ulp(1.0, DType::F64), f64::EPSILON);
        assert_eq!(ulp(-1.999, DType::F32), f64::from(f32::EPSILON));
        assert_eq!(ulp(0.0, DType::F64), 5e-324);
        assert_eq!(ulp(f64::MIN_POSITIVE, DType::F64), 5e-324);
        assert_eq!(ulp(1.0, DType::BF16), 2f64.powi(-7));
        assert_eq!(ulp(6e-8, DType::F16), 2f64.powi(-24));
    }

    #[test]
    fn budgets_are_kept_and_no_more() {
        let one_up = 1.0 + f64::EPSILON;
        assert!(judged(1.0, 1.0, Budget::Exact) && judged(f64::NAN, -f64::NAN, Budget::Exact));
        assert!(!judged(0.0, -0.0, Budget::Exact) && judged(0.0, -0.0, Budget::Ulps(0.5, "")));
        assert!(judged(one_up, 1.0, Budget::Ulps(1.0, "")) && !judged(one_up, 1.0, Budget::Ulps(0.5, "")));
        assert!(!judged(1.0, f64::NAN, Budget::Ulps(9.0, "")) && !judged(f64::NAN, 1.0, Budget::Ulps(9.0, "")));
        assert!(!judged(f64::INFINITY, f64::NEG_INFINITY, Budget::Ulps(9.0, "")));
        assert!(judged(f64::INFINITY, f64::MAX, Budget::Ulps(1.0, "")));
        assert!(!judged(f64::INFINITY, 1e300, Budget::Ulps(9.0, "")));
        assert!(judged(-0.0, -1e-310, Budget::Exact) && !judged(-0.0, 1e-310, Budget::Exact));
    }
}
