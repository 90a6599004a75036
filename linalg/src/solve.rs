//! Systems of linear equations, inverses and determinants.
//!
//! The derivative of a solution is a solution again, by the factors that are there: with A X = B, A dX = dB - dA X.
//! That of the factorization is not computed, unless a derivative of a derivative asks for it.

use tandem_compile::{DType, Tensor, eye, kernel, refuse, scalar, stop_gradient, zeros};

use crate::batch::{factors, leading, over_leading};
use crate::cholesky::cholesky;
use crate::lu::lu_pivoted;
use crate::operand::{all_finite, is_square, or_nan};
use crate::qr::qr_pivoted;
use crate::triangular::{Triangle, substitute};

const UNIT_LOWER: Triangle = Triangle { lower: true, transpose: false, unit_diagonal: true };
const LOWER: Triangle = Triangle { lower: true, transpose: false, unit_diagonal: false };
const UPPER: Triangle = Triangle { lower: false, transpose: false, unit_diagonal: false };

/// X with A X = B, by LU factorization with partial pivoting.
///
/// a: `[..., n, n]`, f32 or f64; b: `[..., n]` or `[..., n, r]`, of the same dtype and leading axes (one axis less than
/// `a` makes a vector); so is X. NaN everywhere in a problem whose matrix is singular (a pivot is exactly zero) or
/// which holds NaN or infinity. Backward stable but for the growth of partial pivoting. The derivative solves with the
/// same factors.
///
/// LAPACK's `gesv`; Golub and Van Loan, Matrix Computations, section 3.4.
///
/// ```
/// use ndarray::{Array1, array};
/// use tandem_compile::{Tensor, jit};
///
/// let solve = jit(|(a, b): (Tensor, Tensor)| tandem_linalg::solve(&a, &b));
/// let x: Array1<f64> = solve.call((&array![[0.0, 2.0], [1.0, 4.0]], &array![2.0, 9.0]))?;
/// assert_eq!(x, array![5.0, 1.0]);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn solve(a: &Tensor, b: &Tensor) -> Tensor {
    systems("solve", a, b, solve_one)
}

/// X with A X = B for symmetric positive definite matrices A, by Cholesky's factorization: half the work of [`solve`].
///
/// a: `[..., n, n]`, f32 or f64, the matrix itself and not its factor, of which only the lower triangle is read (also
/// where it is differentiated); b: `[..., n]` or `[..., n, r]`, as in [`solve`]. NaN everywhere in a problem whose
/// matrix is not positive definite or which holds NaN or infinity. The derivative solves with the same factor.
///
/// ```
/// use ndarray::{Array1, array};
/// use tandem_compile::{Tensor, jit};
///
/// let solve = jit(|(a, b): (Tensor, Tensor)| tandem_linalg::cholesky_solve(&a, &b));
/// let x: Array1<f64> = solve.call((&array![[4.0, 2.0], [2.0, 5.0]], &array![8.0, 8.0]))?;
/// assert_eq!(x, array![1.5, 1.0]);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn cholesky_solve(a: &Tensor, b: &Tensor) -> Tensor {
    systems("cholesky_solve", a, b, cholesky_solve_one)
}

/// The inverse, `[..., n, n]`: [`solve`] with the identity.
///
/// a: `[..., n, n]`, f32 or f64. NaN everywhere where the matrix is singular or not finite. What is wanted is mostly
/// the solution of a system: [`solve`] is cheaper and more accurate than a product with the inverse.
///
/// ```
/// use ndarray::{Array2, array};
/// use tandem_compile::{Tensor, jit};
///
/// let x: Array2<f64> = jit(|a: Tensor| tandem_linalg::inv(&a)).call(&array![[0.0, 2.0], [4.0, 0.0]])?;
/// assert_eq!(x, array![[0.0, 0.25], [0.5, 0.0]]);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn inv(a: &Tensor) -> Tensor {
    if !is_square("inv", a) {
        return a.clone();
    }
    over_leading(&leading(a), a.clone(), |a| solve_one(&a, &eye(a.dim(0), a.dtype())))
}

/// The determinant, `[...]`: 1 of a `[0, 0]` matrix.
///
/// a: `[..., n, n]`, f32 or f64. The product of the pivots of [`lu_pivoted`], which overflows and underflows easily:
/// see [`slogdet`]. NaN where the matrix is not finite. The derivative is the adjugate matrix, also of singular ones:
/// it comes from a QR factorization with column pivoting, which leaves what is (nearly) zero to the last pivot.
///
/// ```
/// use ndarray::array;
/// use tandem_compile::{Tensor, grad, jit};
///
/// let singular = array![[0.0, 0.0], [0.0, 3.0]];
/// let (d, slope): (f64, Vec<f64>) = jit(|a: Tensor| {
///     let slope = grad(|a: Tensor| tandem_linalg::det(&a))(a.clone());
///     (tandem_linalg::det(&a), slope.flatten())
/// })
/// .call(&singular)?;
/// assert_eq!(d, 0.0);
/// assert!((slope[0] - 3.0).abs() < 1e-14);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn det(a: &Tensor) -> Tensor {
    if !is_square("det", a) {
        return a.clone();
    }
    factors(a, None, det_one, |a, _, da| det_rule(a, da))
}

/// The sign of the determinant (1, -1, or 0 where a pivot is zero) and the logarithm of its magnitude, both `[...]`.
///
/// a: `[..., n, n]`, f32 or f64. (0, -infinity) of a singular matrix, (1, 0) of a `[0, 0]` matrix, NaN of one that is
/// not finite. The derivative of the logarithm is the trace of A^-1 dA, not finite where A is singular; the sign's is
/// zero.
///
/// ```
/// use ndarray::array;
/// use tandem_compile::{Tensor, jit};
///
/// let (sign, log): (f64, f64) = jit(|a: Tensor| tandem_linalg::slogdet(&a)).call(&array![[0.0, 1e200], [1e200, 0.0]])?;
/// assert_eq!(sign, -1.0);
/// assert!((log - 400.0 * 10f64.ln()).abs() < 1e-12);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn slogdet(a: &Tensor) -> (Tensor, Tensor) {
    if !is_square("slogdet", a) {
        return (a.clone(), a.clone());
    }
    over_leading(&leading(a), a.clone(), |a| slogdet_one(&a))
}

/// `one`, a function of `[n, n]` and `[n, r]`, of matrices and right-hand sides with leading axes, once they fit
/// together.
#[track_caller]
fn systems(name: &str, a: &Tensor, b: &Tensor, one: impl Fn(&Tensor, &Tensor) -> Tensor) -> Tensor {
    if !is_square(name, a) {
        return b.clone();
    }
    let leading = leading(a);
    let Some(columns) = right_hand_sides(name, a, b) else { return b.clone() };
    over_leading(&leading, (a.clone(), columns), |(a, b)| one(&a, &b)).reshape(b.shape())
}

/// Right-hand sides `[..., m]` or `[..., m, r]` of systems with matrices `[..., m, n]`, as columns `[..., m, r]`.
/// `None` where they do not fit; then the trace is refused.
#[track_caller]
pub(crate) fn right_hand_sides(name: &str, a: &Tensor, b: &Tensor) -> Option<Tensor> {
    let leading = leading(a);
    let (m, axes) = (a.dim(leading.len()), leading.len());
    let vector = b.ndim() == axes + 1;
    let shape = vector || b.ndim() == axes + 2;
    if !shape || b.dtype() != a.dtype() || b.shape()[..axes] != leading[..] || b.dim(axes) != m {
        let message = format!(
            "{name}: with a matrix {} a right-hand side [..., {m}] or [..., {m}, r] of its dtype and its leading axes \
             expected, got {}",
            a.ty(),
            b.ty()
        );
        refuse(message);
        return None;
    }
    Some(b.reshape([&b.shape()[..=axes], &[if vector { 1 } else { b.dim(axes + 1) }]].concat()))
}

fn solve_one(a: &Tensor, b: &Tensor) -> Tensor {
    let (lu, permutation) = lu_pivoted(a);
    let good = regular(&lu) & all_finite(b);
    or_nan(&good, &by_lu(a, &lu, &permutation, b))
}

/// Whether there are factors, and no pivot is zero.
fn regular(lu: &Tensor) -> Tensor {
    let pivots = lu.diag();
    (pivots.is_finite() & pivots.ne(0.0)).all()
}

/// A^-1 B from A's factors.
fn by_lu(a: &Tensor, lu: &Tensor, permutation: &Tensor, b: &Tensor) -> Tensor {
    type System = (Tensor, Tensor, Tensor, Tensor);
    let solved = kernel(
        None,
        |(_, lu, permutation, b): System| substituted(&lu, &permutation, &b),
        |(_, lu, permutation, _): &System, x: &Tensor, (da, _, _, db): &System| {
            substituted(lu, permutation, &(db - da.dot(x)))
        },
    );
    solved((a.clone(), lu.clone(), permutation.clone(), b.clone()))
}

/// (L U)^-1 times the permuted rows: linear in `b`, also as a graph.
fn substituted(lu: &Tensor, permutation: &Tensor, b: &Tensor) -> Tensor {
    substitute(lu, &substitute(lu, &b.take(permutation, 0), UNIT_LOWER), UPPER)
}

fn cholesky_solve_one(a: &Tensor, b: &Tensor) -> Tensor {
    let l = cholesky(a);
    let good = all_finite(&l.diag()) & all_finite(b);
    or_nan(&good, &by_cholesky(a, &l, b))
}

/// A^-1 B from A's factor L; of A the lower triangle counts.
fn by_cholesky(a: &Tensor, l: &Tensor, b: &Tensor) -> Tensor {
    let back_and_forth =
        |l: &Tensor, b: &Tensor| substitute(l, &substitute(l, b, LOWER), Triangle { transpose: true, ..LOWER });
    type System = (Tensor, Tensor, Tensor);
    let solved = kernel(
        None,
        move |(_, l, b): System| back_and_forth(&l, &b),
        move |(_, l, _): &System, x: &Tensor, (da, _, db): &System| {
            let da = da.tril(0) + da.tril(-1).t();
            back_and_forth(l, &(db - da.dot(x)))
        },
    );
    solved((a.clone(), l.clone(), b.clone()))
}

fn det_one(a: &Tensor) -> Tensor {
    let (lu, permutation) = lu_pivoted(a);
    lu.diag().product() * parity(&permutation, a)
}

/// 1 for an even permutation, -1 for an odd one: by the number of pairs that are out of order.
fn parity(permutation: &Tensor, like: &Tensor) -> Tensor {
    let n = permutation.dim(0);
    let (above, left) = (permutation.broadcast_in_dim([n, n], [0]), permutation.broadcast_in_dim([n, n], [1]));
    let pairs = above.gt(left).convert(DType::I32).triu(1).sum();
    let odd = (pairs & scalar(1i32)).convert(like.dtype());
    1.0 - odd * 2.0
}

/// tr(adj(A) dA), with A[:, p] = Q R and R = (R1 r; 0 rho), all of A that may be zero in rho: adj(R) = det(R1) (rho
/// R1^-1, -R1^-1 r; 0 1), and zero where R1 is singular too.
#[track_caller]
fn det_rule(a: &Tensor, da: &Tensor) -> Tensor {
    let n = a.dim(0);
    if n == 0 {
        return zeros([], a.dtype());
    }
    let (q, r, p) = qr_pivoted(a);
    // The sign of det(Q) and of the permutation, which are orthogonal: not differentiated.
    let sign = det_one(&stop_gradient(&q)).sign() * parity(&p, a);
    let moved = q.contract(&da.take(&p, 1), 0, 0);
    let last = |x: &Tensor| x.slice(0, n - 1, n);
    let corner = last(&moved).slice(1, n - 1, n).reshape([]);
    if n == 1 {
        return sign * corner;
    }
    let leading = |x: &Tensor| x.slice(0, 0, n - 1).slice(1, 0, n - 1);
    let (r1, rho) = (leading(&r), last(&r).slice(1, n - 1, n).reshape([]));
    let pivots = r1.diag();
    let full = pivots.ne(0.0).all();
    // A matrix that can be solved with also where what comes out is not used.
    let safe = full.select(&r1, eye(n - 1, a.dtype()));
    let column = r.slice(0, 0, n - 1).slice(1, n - 1, n);
    let trace = substitute(&safe, &leading(&moved), UPPER).trace();
    let border = last(&moved).slice(1, 0, n - 1).dot(&substitute(&safe, &column, UPPER)).reshape([]);
    let adjugate = pivots.product() * (rho * trace - border + corner);
    full.select(sign * adjugate, 0.0)
}

fn slogdet_one(a: &Tensor) -> (Tensor, Tensor) {
    let (lu, permutation) = lu_pivoted(a);
    type Factors = (Tensor, Tensor, Tensor);
    let found = kernel(
        None,
        |(a, lu, permutation): Factors| {
            let pivots = lu.diag();
            (pivots.sign().product() * parity(&permutation, &a), pivots.abs().log().sum())
        },
        |(_, lu, permutation): &Factors, (sign, _): &(Tensor, Tensor), (da, _, _): &Factors| {
            (zeros([], sign.dtype()), substituted(lu, permutation, da).trace())
        },
    );
    found((a.clone(), lu, permutation))
}
