//! The polar decomposition.

use tandem_compile::{Tensor, eye, kernel, zeros};

use crate::batch::{leading, over_leading};
use crate::operand::is_matrix;
use crate::svd::svd;

/// A = U P, as scipy's `polar`: P `[..., n, n]` symmetric and positive semidefinite, U `[..., m, n]` with orthonormal
/// columns, or orthonormal rows where m < n.
///
/// a: `[..., m, n]`, f32 or f64. U = W V' and P = V diag(s) V' of the singular value decomposition A = W diag(s) V'; U
/// is the orthonormal matrix that is closest to A. NaN everywhere where the matrix is not finite. Of an empty matrix U
/// is empty and P zero.
///
/// The derivative comes from Sylvester equations in the basis of the singular vectors, and divides by sums of singular
/// values: equal ones do no harm. Where two of them are zero, and of a matrix that is not square where one is, there is
/// none: not finite. A derivative of the derivative goes through that of singular vectors and asks for different
/// values.
///
/// N. J. Higham, Functions of Matrices, chapter 8, 2008.
///
/// ```
/// use ndarray::{Array2, array};
/// use tandem_compile::{Tensor, jit};
///
/// let (u, p): (Array2<f64>, Array2<f64>) = jit(|a: Tensor| tandem_linalg::polar(&a)).call(&array![[0.0, -2.0], [3.0, 0.0]])?;
/// assert!((&u - &array![[0.0, -1.0], [1.0, 0.0]]).iter().all(|e| e.abs() < 1e-15));
/// assert!((&p - &array![[3.0, 0.0], [0.0, 2.0]]).iter().all(|e| e.abs() < 1e-14));
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn polar(a: &Tensor) -> (Tensor, Tensor) {
    if !is_matrix("polar", a) {
        return (a.clone(), a.clone());
    }
    over_leading(&leading(a), a.clone(), |a| polar_one(&a))
}

fn polar_one(a: &Tensor) -> (Tensor, Tensor) {
    let (m, n, dtype) = (a.dim(0), a.dim(1), a.dtype());
    if m == 0 || n == 0 {
        return (a.clone(), zeros([n, n], dtype));
    }
    let (w, s, vh) = svd(a);
    type Parts = (Tensor, Tensor, Tensor, Tensor);
    let parts = kernel(
        None,
        |(_, w, s, vh): Parts| {
            let p = (&vh * s.expand_dims(1)).contract(&vh, 0, 0);
            // Symmetric also where the product rounds differently on both sides.
            (w.dot(&vh), (&p + p.t()) * 0.5)
        },
        |(_, w, s, vh): &Parts, _: &(Tensor, Tensor), (da, ..): &Parts| polar_rule(w, s, vh, da),
    );
    parts((a.clone(), w, s, vh))
}

/// The tangents (dU, dP), from A = W S V' and C = W'dA V. P P = A'A gives V'dP V = (S C + C'S)_ij / (s_i + s_j), and
/// U'dA = U'dU P + dP with a skew U'dU gives W'dU V = (C - C')_ij / (s_i + s_j); what lies beside the range of W (m >
/// n) or V (m < n) divides by S.
fn polar_rule(w: &Tensor, s: &Tensor, vh: &Tensor, da: &Tensor) -> (Tensor, Tensor) {
    let (m, n) = (da.dim(0), da.dim(1));
    let (down, across) = (s.expand_dims(1), s.expand_dims(0));
    let dav = da.contract(vh, 1, 1);
    let c = w.contract(&dav, 0, 0);
    let diagonal = eye(s.dim(0), s.dtype());
    // On the diagonal, where both may be zero, the numerators are known: 0 and 2 s_i C_ii.
    let off = 1.0 - &diagonal;
    let sums = (&down + &across) * &off + &diagonal;
    let skew = (&c - c.t()) / &sums;
    let even = (&down * &c + (&down * &c).t()) * &off / sums + &c * diagonal;
    let mut du = w.dot(&skew).dot(vh);
    let mut dp = vh.contract(&even, 0, 0).dot(vh);
    if m > n {
        du = du + ((dav - w.dot(&c)) / across).dot(vh);
    }
    if m < n {
        let beside = w.contract(da, 0, 0) - c.dot(vh);
        let cross = vh.contract(&beside, 0, 0);
        du = du + w.dot(&(beside / down));
        dp = dp + &cross + cross.t();
    }
    (du, dp)
}
