//! Least squares of any rank, and what else the singular values tell: pseudoinverse, rank, null space, range,
//! condition.
//!
//! Singular values of at most `rcond` times the largest one count as zero; without a number, `rcond` is max(m, n) eps
//! with the eps of numpy, the distance from 1 to the next number. The derivatives are those at fixed rank (Golub and
//! Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems whose variables separate",
//! SIAM J. Numer. Anal. 10, 1973), in terms of the pseudoinverse alone and not of singular vectors: equal singular
//! values do no harm, in derivatives of any order. Where the rank changes there is none.

use tandem_compile::{DType, Tensor, full, kernel, number, refuse, scalar, stop_gradient};

use crate::batch::{leading, over_leading};
use crate::operand::{all_finite, is_matrix, or_nan};
use crate::solve::right_hand_sides;
use crate::svd::{svd, svd_full, svdvals};

/// The shortest X of those that minimize ||A X - B|| in the 2-norm, column by column.
///
/// a: `[..., m, n]` of any rank, f32 or f64; b: `[..., m]` or `[..., m, r]`, of the same dtype and leading axes (one
/// axis less than `a` makes a vector). X is `[..., n]` or `[..., n, r]`. `rcond`: singular values of at most `rcond`
/// times the largest count as zero; by default max(m, n) eps. NaN everywhere in a problem that holds NaN or infinity.
/// Of an empty matrix, zeros. The derivative is that at fixed rank, also where singular values are equal.
///
/// By the singular value decomposition, as LAPACK's `gelsd`; Golub and Van Loan, Matrix Computations, section 5.5.
///
/// ```
/// use ndarray::{Array1, array};
/// use tandem_compile::{Tensor, jit};
///
/// let line = jit(|(a, b): (Tensor, Tensor)| tandem_linalg::lstsq(&a, &b, None));
/// let x: Array1<f64> = line.call((&array![[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]], &array![1.0, 3.0, 5.0]))?;
/// assert!((&x - &array![1.0, 2.0]).iter().all(|e| e.abs() < 1e-14));
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn lstsq(a: &Tensor, b: &Tensor, rcond: Option<f64>) -> Tensor {
    if !is_matrix("lstsq", a) {
        return b.clone();
    }
    let Some(columns) = right_hand_sides("lstsq", a, b) else { return b.clone() };
    let leading = leading(a);
    let n = a.dim(leading.len() + 1);
    let right = &b.shape()[leading.len() + 1..];
    let x = over_leading(&leading, (a.clone(), columns), |(a, b)| lstsq_one(&a, &b, rcond));
    x.reshape([&leading, &[n][..], right].concat())
}

/// The pseudoinverse of Moore and Penrose, `[..., n, m]`.
///
/// a: `[..., m, n]`, f32 or f64; `rcond` as in [`lstsq`]. NaN everywhere where the matrix is not finite.
///
/// ```
/// use ndarray::{Array2, array};
/// use tandem_compile::{Tensor, jit};
///
/// let x: Array2<f64> = jit(|a: Tensor| tandem_linalg::pinv(&a, None)).call(&array![[0.0, 4.0], [0.0, 0.0]])?;
/// assert!((&x - &array![[0.0, 0.0], [0.25, 0.0]]).iter().all(|e| e.abs() < 1e-15));
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn pinv(a: &Tensor, rcond: Option<f64>) -> Tensor {
    if !is_matrix("pinv", a) {
        return a.clone();
    }
    over_leading(&leading(a), a.clone(), |a| pinv_from(&a, &Truncated::new(&a, rcond)))
}

/// How many singular values are larger than `rcond` times the largest one, `[...]` (i32): 0 of an empty matrix, -1 of
/// one that is not finite.
///
/// a: `[..., m, n]`, f32 or f64; `rcond` as in [`lstsq`].
///
/// ```
/// use ndarray::array;
/// use tandem_compile::{Tensor, jit};
///
/// let rank: i32 = jit(|a: Tensor| tandem_linalg::matrix_rank(&a, None)).call(&array![[1.0, 2.0], [2.0, 4.0]])?;
/// assert_eq!(rank, 1);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn matrix_rank(a: &Tensor, rcond: Option<f64>) -> Tensor {
    if !is_matrix("matrix_rank", a) {
        return a.clone();
    }
    over_leading(&leading(a), a.clone(), |a| {
        let a = stop_gradient(&a);
        rank_of(&svdvals(&a), &a, rcond)
    })
}

/// An orthonormal basis of the space that A maps to zero, and the rank: V `[..., n, n]`, orthogonal, whose last n -
/// rank columns are the basis, and the rank `[...]` (i32). How many columns there are depends on numbers, which a shape
/// cannot; the first rank ones span the rows of A.
///
/// a: `[..., m, n]`, f32 or f64; `rcond` as in [`lstsq`]. Of a matrix that is not finite, NaN and -1. No basis of the
/// null space is a smooth function of A, and a derivative is refused where m and n differ: I - pinv(A) A, the
/// projection, has one.
///
/// ```
/// use ndarray::{Array2, array, s};
/// use tandem_compile::{Tensor, jit};
///
/// let null = jit(|a: Tensor| tandem_linalg::null_space(&a, None));
/// let (v, rank): (Array2<f64>, i32) = null.call(&array![[1.0, 1.0]])?;
/// let basis = v.slice(s![.., rank..]);
/// assert!((basis[[0, 0]] + basis[[1, 0]]).abs() < 1e-15);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn null_space(a: &Tensor, rcond: Option<f64>) -> (Tensor, Tensor) {
    if !is_matrix("null_space", a) {
        return (a.clone(), a.clone());
    }
    over_leading(&leading(a), a.clone(), |a| {
        let (_, s, vh) = svd_full(&a);
        (vh.t(), rank_of(&s, &a, rcond))
    })
}

/// An orthonormal basis of what A reaches, and the rank: U `[..., m, min(m, n)]` with orthonormal columns, whose first
/// rank ones are the basis, and the rank `[...]` (i32).
///
/// a: `[..., m, n]`, f32 or f64; `rcond` as in [`lstsq`]. Of a matrix that is not finite, NaN and -1. The derivative
/// is that of singular vectors, see [`svd`]; the projection A pinv(A) has one at fixed rank.
#[track_caller]
pub fn orth(a: &Tensor, rcond: Option<f64>) -> (Tensor, Tensor) {
    if !is_matrix("orth", a) {
        return (a.clone(), a.clone());
    }
    over_leading(&leading(a), a.clone(), |a| {
        let (u, s, _) = svd(&a);
        (u, rank_of(&s, &a, rcond))
    })
}

/// The condition in the 2-norm, the largest singular value by the smallest, `[...]`: infinite where the smallest is
/// zero, NaN where the matrix is not finite.
///
/// a: `[..., m, n]`, not empty, f32 or f64.
///
/// ```
/// use ndarray::array;
/// use tandem_compile::{Tensor, jit};
///
/// let c: f64 = jit(|a: Tensor| tandem_linalg::cond(&a)).call(&array![[0.0, 2.0], [8.0, 0.0]])?;
/// assert!((c - 4.0).abs() < 1e-14);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn cond(a: &Tensor) -> Tensor {
    if !is_matrix("cond", a) {
        return a.clone();
    }
    let axes = a.ndim() - 2;
    if a.dim(axes) == 0 || a.dim(axes + 1) == 0 {
        return refuse(format!(
            "cond: a matrix [..., m, n] with elements expected, got {}; it has no condition",
            a.ty()
        ));
    }
    over_leading(&leading(a), a.clone(), |a| {
        let s = svdvals(&a);
        let (most, least) = (s.at_index(0, 0), s.at_index(0, -1));
        least.eq(0.0).select(number(f64::INFINITY, s.dtype()), most / least)
    })
}

/// The singular value decomposition with inverse singular values, zeros for those that count as zero. Constants: what
/// is differentiated is made from the pseudoinverse.
pub(crate) struct Truncated {
    u: Tensor,
    inverse: Tensor,
    vh: Tensor,
}

impl Truncated {
    pub(crate) fn new(a: &Tensor, rcond: Option<f64>) -> Self {
        let a = &stop_gradient(a);
        let (u, s, vh) = svd(a);
        let inverse = larger(&s, a, rcond).select(1.0 / &s, 0.0);
        Self { u, inverse, vh }
    }

    fn times(&self, b: &Tensor) -> Tensor {
        let (k, n) = (self.vh.dim(0), self.vh.dim(1));
        if k == 0 {
            return full([n, b.dim(1)], 0.0, b.dtype());
        }
        self.vh.contract(&(self.u.contract(b, 0, 0) * self.inverse.reshape([k, 1])), 0, 0)
    }
}

/// Which singular values of `a` do not count as zero.
fn larger(s: &Tensor, a: &Tensor, rcond: Option<f64>) -> Tensor {
    let size = a.dim(0).max(a.dim(1)) as f64;
    let rcond = rcond.unwrap_or(size * 2.0 * a.dtype().unit_roundoff());
    if s.dim(0) == 0 {
        return s.gt(0.0);
    }
    s.gt(s.slice(0, 0, 1) * rcond)
}

fn rank_of(s: &Tensor, a: &Tensor, rcond: Option<f64>) -> Tensor {
    let count = larger(s, a, rcond).convert(DType::I32).sum();
    all_finite(s).select(count, scalar(-1i32))
}

fn lstsq_one(a: &Tensor, b: &Tensor, rcond: Option<f64>) -> Tensor {
    let parts = Truncated::new(a, rcond);
    type Problem = (Tensor, Tensor, Tensor, Tensor, Tensor);
    let solved = kernel(
        None,
        |(_, b, u, inverse, vh): Problem| Truncated { u, inverse, vh }.times(&b),
        |(a, b, u, inverse, vh): &Problem, x: &Tensor, (da, db, ..): &Problem| {
            let parts = Truncated { u: u.clone(), inverse: inverse.clone(), vh: vh.clone() };
            let p = pinv_from(a, &parts);
            let residual = b - a.dot(x);
            // dA' P' X, of which the part in the null space of A counts, and dA' (B - A X).
            let (bend, push) = (da.contract(&p.contract(x, 0, 0), 0, 0), da.contract(&residual, 0, 0));
            p.dot(&(db - da.dot(x) + p.contract(&push, 0, 0))) + (&bend - p.dot(&a.dot(&bend)))
        },
    );
    or_nan(&all_finite(b), &solved((a.clone(), b.clone(), parts.u, parts.inverse, parts.vh)))
}

/// The pseudoinverse as a function of A, though it is computed from what is at hand.
fn pinv_from(a: &Tensor, parts: &Truncated) -> Tensor {
    type Problem = (Tensor, Tensor, Tensor, Tensor);
    let inverse = kernel(
        None,
        |(_, u, inverse, vh): Problem| {
            let (k, n) = (vh.dim(0), vh.dim(1));
            if k == 0 {
                return full([n, u.dim(0)], 0.0, u.dtype());
            }
            (vh * inverse.reshape([k, 1])).contract(&u, 0, 1)
        },
        |(a, ..): &Problem, p: &Tensor, (da, ..): &Problem| pinv_rule(a, p, da),
    );
    inverse((a.clone(), parts.u.clone(), parts.inverse.clone(), parts.vh.clone()))
}

/// dP = -P dA P + P P' dA' (I - A P) + (I - P A) dA' P' P, with products of the shorter size between.
fn pinv_rule(a: &Tensor, p: &Tensor, da: &Tensor) -> Tensor {
    if a.dim(0) < a.dim(1) {
        return pinv_rule(&a.t(), &p.t(), &da.t()).t();
    }
    let turned = p.dot(da);
    let left = da.t() - da.contract(a, 0, 0).dot(p);
    let right = turned.t() - p.dot(a).contract(&turned, 1, 1);
    p.contract(p, 1, 1).dot(&left) + (right - turned).dot(p)
}
