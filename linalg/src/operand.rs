//! What the functions here accept: checked once, with messages that say what was expected, what came and what to do.

use tandem_compile::{DType, Tensor, number, refuse};

/// Whether `a` is a matrix of floats, or many of one size along leading axes; otherwise the trace is refused at the caller's line.
#[track_caller]
pub(crate) fn is_matrix(name: &str, a: &Tensor) -> bool {
    let fits = a.ndim() >= 2 && matches!(a.dtype(), DType::F32 | DType::F64);
    if !fits {
        refuse(format!("{name}: a matrix [..., m, n] of f32 or f64 expected, got {}; convert or reshape it", a.ty()));
    }
    fits
}

/// Whether `a` is a square matrix of floats, or many of one size; otherwise the trace is refused at the caller's line.
#[track_caller]
pub(crate) fn is_square(name: &str, a: &Tensor) -> bool {
    if !is_matrix(name, a) {
        return false;
    }
    let fits = a.dim(a.ndim() - 2) == a.dim(a.ndim() - 1);
    if !fits {
        refuse(format!("{name}: a square matrix [..., n, n] expected, got {}", a.ty()));
    }
    fits
}

/// `x` where the scalar `good` is true, NaN everywhere where it is not.
#[track_caller]
pub(crate) fn or_nan(good: &Tensor, x: &Tensor) -> Tensor {
    good.select(x, number(f64::NAN, x.dtype()))
}

/// Whether all of `x` is finite, as a bool scalar.
#[track_caller]
pub(crate) fn all_finite(x: &Tensor) -> Tensor {
    x.is_finite().all()
}
