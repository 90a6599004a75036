//! Methods that see a matrix only by its products with vectors: a function that is traced, so that the matrix may be
//! sparse, a convolution or the derivative of something.

use tandem_compile::random;
use tandem_compile::{
    DType, Tensor, concatenate, cond, fori_loop, linear_solve, number, refuse, scalar, stop_gradient, while_loop, zeros,
};

use crate::norm::length;
use crate::operand::{all_finite, or_nan};
use crate::scale::power_of_two;

/// X with A x = b for a symmetric positive definite A, by conjugate gradients: x, the number of iterations (i32) and
/// the residual ||b - A x|| / ||b||, computed anew from x.
///
/// matvec: from a vector `[n]` to A's product with it; b: `[n]`, f32 or f64. Ends where the residual that is carried
/// along is at most `tol`, after `max_iters` iterations, or where A turns out not to be positive definite (then the
/// residual says so). NaN everywhere, and no more iterations, where something is not finite. Of b = 0, x = 0. The
/// derivative, forward and reverse, is the solution of another system by the same method (`linear_solve`); the number of
/// iterations and the residual have none.
///
/// M. Hestenes and E. Stiefel, "Methods of conjugate gradients for solving linear systems", J. Res. Nat. Bur. Standards
/// 49, 1952.
///
/// ```
/// use ndarray::{Array1, array};
/// use tandem_compile::{Tensor, jit};
///
/// let solve = jit(|(a, b): (Tensor, Tensor)| tandem_linalg::cg(|x| a.dot(x), &b, 1e-12, 10));
/// let (x, iterations, _): (Array1<f64>, i32, f64) = solve.call((&array![[4.0, 2.0], [2.0, 5.0]], &array![8.0, 8.0]))?;
/// assert!((&x - &array![1.5, 1.0]).iter().all(|e| e.abs() < 1e-12));
/// assert_eq!(iterations, 2);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn cg(matvec: impl Fn(&Tensor) -> Tensor, b: &Tensor, tol: f64, max_iters: usize) -> (Tensor, Tensor, Tensor) {
    if !is_vector("cg", b) {
        return (b.clone(), b.clone(), b.clone());
    }
    let (x, (iterations, residual)) = linear_solve(&matvec, b, |b| iterate(&matvec, b, tol, max_iters));
    (x, iterations, residual)
}

/// The solution, with the number of iterations and the residual.
fn iterate(matvec: impl Fn(&Tensor) -> Tensor, b: &Tensor, tol: f64, max_iters: usize) -> (Tensor, (Tensor, Tensor)) {
    let dtype = b.dtype();
    // In units of ||b||, so that no square of it overflows.
    let size = length(b);
    let nothing = size.eq(0.0);
    let unit = b / nothing.select(number(1.0, dtype), &size);
    let most = scalar(i32::try_from(max_iters).unwrap_or(i32::MAX));
    let square = |r: &Tensor| r.square().sum();
    let start = (zeros(b.shape(), dtype), unit.clone(), unit.clone(), square(&unit), scalar(true), scalar(0i32));
    let end = while_loop(
        start,
        |(_, _, _, rr, definite, k)| rr.gt(tol * tol) & definite & k.lt(&most),
        |(x, r, p, rr, _, k)| {
            let ap = matvec(&p);
            let curvature = (&p * &ap).sum();
            let definite = curvature.gt(0.0);
            let step = &rr / definite.select(&curvature, number(1.0, dtype));
            let next = &r - &step * &ap;
            let length = square(&next);
            let direction = &next + &p * (&length / &rr);
            let kept = |new: Tensor, old: Tensor| definite.select(new, old);
            (
                kept(&x + step * &p, x),
                kept(next, r),
                kept(direction, p),
                kept(length, rr),
                definite.clone(),
                k + definite.convert(DType::I32),
            )
        },
    );
    let (x, iterations) = (end.0, end.5);
    let residual = length(&(unit - matvec(&x)));
    let good = all_finite(&x) & all_finite(&residual);
    (or_nan(&good, &(x * size)), (iterations, or_nan(&good, &residual)))
}

/// `steps` steps of Lanczos' method with a symmetric A: the tridiagonal T = Q'A Q by its `diagonal` `[steps]` and
/// `beside` `[steps]`, and Q `[n, steps]` with orthonormal columns, of which the first is `start` made a unit vector. T
/// has `beside[j]` in row j + 1 of column j; the last of them couples to what is not in Q any more: A Q = Q T +
/// beside[steps - 1] q e', so that an eigenvalue of T, with an eigenvector that ends in y, is within beside[steps - 1]
/// |y| of one of A.
///
/// matvec: as in [`cg`]; start: `[n]`, not zero; steps: from 1 to n. Every vector is made orthogonal to all before it,
/// twice. Where they span an invariant subspace, `beside` is zero and a new direction is drawn, from the same random
/// numbers in every run: T falls into blocks, and its eigenvalues are A's all the same. NaN everywhere where something
/// is not finite.
///
/// Golub and Van Loan, Matrix Computations, section 10.1; twice is enough: B. Parlett, The Symmetric Eigenvalue
/// Problem, section 6.9.
///
/// ```
/// use ndarray::{Array1, Array2, array};
/// use tandem_compile::{Tensor, jit};
///
/// let run = jit(|(a, v): (Tensor, Tensor)| tandem_linalg::lanczos(|x| a.dot(x), &v, 2));
/// let (diagonal, beside, _): (Array1<f64>, Array1<f64>, Array2<f64>) =
///     run.call((&array![[1.0, 3.0], [3.0, 2.0]], &array![1.0, 0.0]))?;
/// assert!((&diagonal - &array![1.0, 2.0]).iter().all(|e| e.abs() < 1e-14));
/// assert!((beside[0] - 3.0).abs() < 1e-14 && beside[1].abs() < 1e-14);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn lanczos(matvec: impl Fn(&Tensor) -> Tensor, start: &Tensor, steps: usize) -> (Tensor, Tensor, Tensor) {
    if !is_vector("lanczos", start) {
        return (start.clone(), start.clone(), start.clone());
    }
    let (n, dtype) = (start.dim(0), start.dtype());
    if steps == 0 || steps > n {
        let nothing = refuse(format!("lanczos: from 1 to {n} steps expected with vectors {}, got {steps}", start.ty()));
        return (nothing.clone(), nothing.clone(), nothing);
    }
    let eps = 2.0 * dtype.unit_roundoff();
    let zero = scalar(0i32);
    let first = (start / power_of_two(&stop_gradient(&start.abs().max()))).reshape([1, n]);
    let first = &first / length(&first);
    // Rows of Q', those to come zero: nothing is subtracted for them.
    let rows = if steps == 1 { first } else { concatenate(&[&first, &zeros([steps - 1, n], dtype)], 0) };
    let carry = (rows, zeros([steps], dtype), zeros([steps], dtype), number(0.0, dtype));
    let (rows, diagonal, beside, _) = fori_loop(0, steps as i32, carry, |j, (rows, diagonal, beside, scale)| {
        let q = rows.index(0, &j);
        let image = matvec(&q);
        let scale = scale.maximum(length(&image));
        let alpha = (&q * &image).sum();
        let rest = beside_all(&rows, &image);
        let beta = length(&rest);
        let on = beta.gt(&scale * (eps * n as f64));
        let beta = on.select(beta, 0.0);
        let next = cond(
            &on,
            || &rest / &beta,
            || {
                let drawn = beside_all(&rows, &random::normal(random::fold_in(random::key(0), &j), [n], dtype));
                &drawn / length(&drawn)
            },
        );
        let last = j.eq(steps as i32 - 1);
        let at = &j + scalar(1i32);
        // After the last step there is no row for it: the last row is written as it is.
        let row = last.select(&q, &next).reshape([1, n]);
        let rows = rows.dynamic_update_slice(&row, &[&last.select(&j, &at), &zero]);
        let put = |list: Tensor, x: &Tensor| list.dynamic_update_slice(&x.reshape([1]), &[&j]);
        (rows, put(diagonal, &alpha), put(beside, &beta), scale)
    });
    let good = all_finite(&rows) & all_finite(&diagonal) & all_finite(&beside);
    (or_nan(&good, &diagonal), or_nan(&good, &beside), or_nan(&good, &rows.t()))
}

/// What is left of x beside all `rows`, which are orthonormal: twice, as the first time leaves rounding errors of what
/// it takes away.
fn beside_all(rows: &Tensor, x: &Tensor) -> Tensor {
    let once = x - rows.dot(x).dot(rows);
    &once - rows.dot(&once).dot(rows)
}

/// The eigenvalue of the largest magnitude and its vector, by powers: the value v'A v, v `[n]` of length 1, the number
/// of iterations (i32) and the residual ||A v - value v||.
///
/// matvec: as in [`cg`], of any square matrix that has such an eigenvalue; start: `[n]`, not zero and not orthogonal to
/// the vector. Ends where the residual is at most `tol` times the value, or after `max_iters` iterations. Of a
/// symmetric matrix there is an eigenvalue within the residual. NaN everywhere where something is not finite. Reverse
/// mode does not pass through.
///
/// Golub and Van Loan, Matrix Computations, section 7.3.1.
///
/// ```
/// use ndarray::{Array1, array};
/// use tandem_compile::{Tensor, jit};
///
/// let largest = jit(|(a, v): (Tensor, Tensor)| tandem_linalg::power_iteration(|x| a.dot(x), &v, 1e-12, 100));
/// let (value, _, _, residual): (f64, Array1<f64>, i32, f64) =
///     largest.call((&array![[2.0, 1.0], [1.0, 2.0]], &array![1.0, 0.0]))?;
/// assert!((value - 3.0).abs() < 1e-12 && residual < 1e-11);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn power_iteration(
    matvec: impl Fn(&Tensor) -> Tensor,
    start: &Tensor,
    tol: f64,
    max_iters: usize,
) -> (Tensor, Tensor, Tensor, Tensor) {
    if !is_vector("power_iteration", start) {
        return (start.clone(), start.clone(), start.clone(), start.clone());
    }
    let most = scalar(i32::try_from(max_iters).unwrap_or(i32::MAX));
    let unit = |x: &Tensor| {
        let x = x / power_of_two(&stop_gradient(&x.abs().max()));
        let size = length(&x);
        &x / size.eq(0.0).select(number(1.0, x.dtype()), &size)
    };
    let judged = |v: &Tensor| {
        let image = matvec(v);
        let value = (v * &image).sum();
        let residual = length(&(&image - v * &value));
        (image, value, residual)
    };
    let v = unit(start);
    let (image, value, residual) = judged(&v);
    let (v, _, value, residual, iterations) = while_loop(
        (v, image, value, residual, scalar(0i32)),
        |(_, _, value, residual, k)| residual.gt(value.abs() * tol) & k.lt(&most),
        |(_, image, _, _, k)| {
            let v = unit(&image);
            let (image, value, residual) = judged(&v);
            (v, image, value, residual, k + scalar(1i32))
        },
    );
    let good = all_finite(&v) & all_finite(&value) & all_finite(&residual);
    (or_nan(&good, &value), or_nan(&good, &v), iterations, or_nan(&good, &residual))
}

#[track_caller]
fn is_vector(name: &str, x: &Tensor) -> bool {
    let fits = x.ndim() == 1 && matches!(x.dtype(), DType::F32 | DType::F64);
    if !fits {
        refuse(format!("{name}: a vector [n] of f32 or f64 expected, got {}; map over further axes with vmap", x.ty()));
    }
    fits
}
