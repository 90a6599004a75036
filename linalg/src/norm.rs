//! Norms of matrices and of vectors.

use tandem_compile::{Tensor, kernel, number, refuse, stop_gradient, zeros};

use crate::batch::{leading, over_leading};
use crate::operand::{all_finite, is_matrix, or_nan};
use crate::scale::power_of_two;
use crate::svd::svdvals;

/// Which norm: `ord` of numpy's `norm`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Norm {
    /// The root of the sum of squares; of a vector the same as [`Norm::Two`].
    Frobenius,
    /// The sum of the singular values; of matrices only.
    Nuclear,
    /// The largest sum of magnitudes in a column; of a vector the sum of magnitudes.
    One,
    /// The smallest sum of magnitudes in a column; of a vector [`Norm::Power`] of -1.
    MinusOne,
    /// The largest singular value; of a vector its length.
    Two,
    /// The smallest singular value; of a vector [`Norm::Power`] of -2.
    MinusTwo,
    /// The largest sum of magnitudes in a row; of a vector the largest magnitude.
    Infinity,
    /// The smallest sum of magnitudes in a row; of a vector the smallest magnitude.
    MinusInfinity,
    /// The p-th root of the sum of p-th powers of magnitudes, the number of elements that are not zero for p = 0; of
    /// vectors only.
    Power(f64),
}

/// The norm of matrices, `[...]`.
///
/// a: `[..., m, n]`, f32 or f64. NaN where the matrix is not finite. Of an empty matrix 0; a smallest one there is not,
/// and such a trace is refused. No square overflows. Where a norm is not smooth its derivative is one of several, as in
/// JAX; that of the zero matrix's Frobenius norm is zero.
///
/// ```
/// use ndarray::array;
/// use tandem_compile::{Tensor, jit};
/// use tandem_linalg::{Norm, matrix_norm};
///
/// let norms = jit(|a: Tensor| (matrix_norm(&a, Norm::One), matrix_norm(&a, Norm::Two)));
/// let (one, two): (f64, f64) = norms.call(&array![[3.0, 0.0], [4.0, 0.0]])?;
/// assert_eq!(one, 7.0);
/// assert!((two - 5.0).abs() < 1e-14);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn matrix_norm(a: &Tensor, ord: Norm) -> Tensor {
    if !is_matrix("matrix_norm", a) {
        return a.clone();
    }
    let axes = a.ndim() - 2;
    let (m, n) = (a.dim(axes), a.dim(axes + 1));
    let smallest = matches!(ord, Norm::MinusOne | Norm::MinusTwo | Norm::MinusInfinity);
    if matches!(ord, Norm::Power(_)) {
        return refuse(format!("matrix_norm: {ord:?} is a norm of vectors only; use vector_norm, or another norm"));
    }
    if m == 0 || n == 0 {
        return match smallest {
            true => refuse(format!("matrix_norm: {ord:?} of {} is the smallest of nothing", a.ty())),
            false => zeros(leading(a), a.dtype()),
        };
    }
    over_leading(&leading(a), a.clone(), |a| {
        let sums = |axis: usize| a.abs().sum_axes([axis]);
        let norm = match ord {
            Norm::Nuclear => svdvals(&a).sum(),
            Norm::Two => svdvals(&a).at_index(0, 0),
            Norm::MinusTwo => svdvals(&a).at_index(0, -1),
            Norm::One => sums(0).max(),
            Norm::MinusOne => sums(0).min(),
            Norm::Infinity => sums(1).max(),
            Norm::MinusInfinity => sums(1).min(),
            Norm::Frobenius | Norm::Power(_) => length(&a),
        };
        or_nan(&all_finite(&a), &norm)
    })
}

/// The norm of vectors along the last axis, `[...]`.
///
/// x: `[..., n]`, f32 or f64. NaN where the vector is not finite. Of an empty vector 0, except for the smallest
/// magnitude, where the trace is refused. No square or power overflows. Derivatives as in [`matrix_norm`].
///
/// ```
/// use ndarray::array;
/// use tandem_compile::{Tensor, jit};
/// use tandem_linalg::{Norm, vector_norm};
///
/// let length: f64 = jit(|x: Tensor| vector_norm(&x, Norm::Two)).call(&array![3e200, 4e200])?;
/// assert!((length / 5e200 - 1.0).abs() < 1e-15);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn vector_norm(x: &Tensor, ord: Norm) -> Tensor {
    if x.ndim() == 0 || !x.dtype().is_float() {
        return refuse(format!("vector_norm: a vector [..., n] of f32 or f64 expected, got {}", x.ty()));
    }
    if ord == Norm::Nuclear {
        return refuse("vector_norm: the nuclear norm is one of matrices only; use matrix_norm, or another norm");
    }
    let leading = &x.shape()[..x.ndim() - 1];
    if x.dim(leading.len()) == 0 {
        return match ord {
            Norm::MinusInfinity => refuse(format!("vector_norm: {ord:?} of {} is the smallest of nothing", x.ty())),
            _ => zeros(leading, x.dtype()),
        };
    }
    over_leading(leading, x.clone(), |x| {
        let norm = match ord {
            Norm::One => x.abs().sum(),
            Norm::Infinity => x.abs().max(),
            Norm::MinusInfinity => x.abs().min(),
            Norm::MinusOne => of_powers(&x, -1.0),
            Norm::MinusTwo => of_powers(&x, -2.0),
            Norm::Power(p) => of_powers(&x, p),
            Norm::Frobenius | Norm::Two | Norm::Nuclear => length(&x),
        };
        or_nan(&all_finite(&x), &norm)
    })
}

/// The root of the sum of squares, scaled by a power of two. Its derivative is x / |x|, and zero at zero.
#[track_caller]
pub(crate) fn length(x: &Tensor) -> Tensor {
    let length = kernel(
        None,
        |x: Tensor| {
            let scale = power_of_two(&x.abs().max());
            (&x / &scale).square().sum().sqrt() * scale
        },
        |x: &Tensor, length: &Tensor, dx: &Tensor| {
            let nothing = length.eq(0.0);
            let divisor = nothing.select(number(1.0, x.dtype()), length);
            (x / divisor * dx).sum()
        },
    );
    length(x.clone())
}

fn of_powers(x: &Tensor, p: f64) -> Tensor {
    let size = x.abs();
    if p == 0.0 {
        return size.ne(0.0).convert(x.dtype()).sum();
    }
    let of = if p > 0.0 { size.max() } else { size.min() };
    let scale = power_of_two(&stop_gradient(&of));
    let sum = (size / &scale).pow(p).sum();
    // A root of zero has no derivative.
    let nothing = sum.eq(0.0);
    let root = nothing.select(number(1.0, x.dtype()), &sum).pow(1.0 / p);
    nothing.select(0.0, root) * scale
}
