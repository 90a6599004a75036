//! Solutions of linear systems and inverses.

use faer::{Mat, MatRef};
use tandem_compile::HostArray;

use super::dense::{exponent, identity, ldexp, norm, normalised, orthogonality, ratio, scaled, worse, worst};

/// A X = B: the largest over the columns of ||b - Ax|| / (n ||A|| ||x|| eps) in the 1-norm (DGET02). For a triangular A zero
/// the triangle that is not read.
///
/// a: `[n, n]`; x, b: `[n]` or `[n, k]`.
pub fn solve(a: &HostArray, x: &HostArray, b: &HostArray) -> f64 {
    let ratios = || {
        let eps = a.dtype().unit_roundoff();
        let (a, e) = normalised(a)?;
        let (x, b) = (columns(x)?, columns(b)?);
        let n = a.nrows();
        if a.ncols() != n || x.shape() != b.shape() || x.shape()[0] != n {
            return None;
        }
        let scale = norm(a.as_ref());
        let one = |j: usize| {
            let (x, f) = normalised(&column(&x, j)?)?;
            let b = scaled(&column(&b, j)?, 0).map(|b| times(b.as_ref(), -e - f))?;
            Some(ratio(norm((b - &a * &x).as_ref()), scale * norm(x.as_ref()), n, eps))
        };
        exponent(&b)?;
        (0..x.shape()[1]).try_fold(0.0, |m, j| Some(worse(m, one(j)?))).map(|m| [m])
    };
    worst(ratios())
}

/// X minimizes ||AX - B||: the normal equations' residual, the largest over the columns of
/// ||A'(b - Ax)|| / (max(m, n) ||A|| (||A|| ||x|| + ||b||) eps) in the 1-norm. DQRT17 divides by ||A|| ||b|| alone, which a
/// backward stable method may exceed where A is ill-conditioned.
///
/// a: `[m, n]`; x: `[n]` or `[n, k]`; b: `[m]` or `[m, k]`.
pub fn lstsq(a: &HostArray, x: &HostArray, b: &HostArray) -> f64 {
    let ratios = || {
        let eps = a.dtype().unit_roundoff();
        let (a, e) = normalised(a)?;
        let (x, b) = (columns(x)?, columns(b)?);
        let (m, n) = (a.nrows(), a.ncols());
        if x.shape()[0] != n || b.shape()[0] != m || x.shape()[1] != b.shape()[1] {
            return None;
        }
        exponent(&x).and(exponent(&b))?;
        // In the norms of A and of its transpose, whichever is larger.
        let scale = worse(norm(a.as_ref()), norm(a.transpose()));
        let one = |j: usize| {
            let (x, b) = (column(&x, j)?, column(&b, j)?);
            let f = exponent(&b)?.max(exponent(&x)? + e);
            let (x, b) = (scaled(&x, 0)?, scaled(&b, f)?);
            let x = times(x.as_ref(), e - f);
            let residual = norm((a.transpose() * (&b - &a * &x)).as_ref());
            Some(ratio(residual, scale * (scale * norm(x.as_ref()) + norm(b.as_ref())), m.max(n), eps))
        };
        (0..x.shape()[1]).try_fold(0.0, |m, j| Some(worse(m, one(j)?))).map(|m| [m])
    };
    worst(ratios())
}

/// X is the shortest solution: its part in the null space of A, over (n ||x|| eps s_1 / s_r) in the 2-norm, A being of rank r.
/// The singular vectors, from faer's SVD of A, are known to eps s_1 / s_r and no better.
///
/// a: `[m, n]`; x: `[n]` or `[n, k]`.
pub fn minimum_norm(a: &HostArray, x: &HostArray, rank: usize) -> f64 {
    let ratios = || {
        let eps = a.dtype().unit_roundoff();
        let (a, _) = normalised(a)?;
        let (m, n) = (a.nrows(), a.ncols());
        let x = columns(x)?;
        if x.shape()[0] != n || rank > m.min(n) {
            return None;
        }
        let (x, _) = normalised(&x)?;
        if rank == 0 || x.ncols() == 0 {
            return Some([ratio(norm(x.as_ref()), 0.0, n, eps)]);
        }
        let svd = a.svd().ok()?;
        let null = svd.V().subcols(rank, n - rank);
        let s = svd.S().column_vector();
        let condition = s[0] / s[rank - 1];
        let one = |j: usize| {
            let x = x.as_ref().subcols(j, 1);
            ratio((null.transpose() * x).norm_l2(), x.norm_l2() * condition, n, eps)
        };
        Some([(0..x.ncols()).map(one).fold(0.0, worse)])
    };
    worst(ratios())
}

/// X = A^-1: ||I - AX|| / (n ||A|| ||X|| eps) in the 1-norm (DGET03).
///
/// a, x: `[n, n]`.
pub fn inv(a: &HostArray, x: &HostArray) -> f64 {
    let ratios = || {
        let eps = a.dtype().unit_roundoff();
        let (a, e) = normalised(a)?;
        let (x, f) = normalised(x)?;
        let n = a.nrows();
        if a.ncols() != n || (x.nrows(), x.ncols()) != (n, n) {
            return None;
        }
        let one = times(identity(n).as_ref(), -e - f);
        Some([ratio(norm((one - &a * &x).as_ref()), norm(a.as_ref()) * norm(x.as_ref()), n, eps)])
    };
    worst(ratios())
}

/// X is the pseudoinverse of A: the four conditions of Moore and Penrose, AXA = A and XAX = X, AX and XA symmetric, in the
/// 1-norm and in units of max(m, n) eps times what a product with X may lose: ||A|| ||X||.
///
/// a: `[m, n]`; x: `[n, m]`.
pub fn pinv(a: &HostArray, x: &HostArray) -> f64 {
    let ratios = || {
        let eps = a.dtype().unit_roundoff();
        let (a, e) = normalised(a)?;
        let (x, f) = normalised(x)?;
        let (m, n) = (a.nrows(), a.ncols());
        if (x.nrows(), x.ncols()) != (n, m) {
            return None;
        }
        let (ax, xa) = (&a * &x, &x * &a);
        // 1 in the units of AX.
        let unit = -e - f;
        let (na, nx) = (norm(a.as_ref()), norm(x.as_ref()));
        let lost = na * nx;
        let size = m.max(n);
        let same = |product: Mat<f64>, of: MatRef<'_, f64>, scale: f64| {
            ratio(norm((product - times(of, unit)).as_ref()), scale * lost, size, eps)
        };
        let even = |p: &Mat<f64>| ratio(norm((p - p.transpose()).as_ref()), lost, size, eps);
        Some([same(&ax * &a, a.as_ref(), na), same(&xa * &x, x.as_ref(), nx), even(&ax), even(&xa)])
    };
    worst(ratios())
}

/// N spans (part of) the null space of A: ||AN|| / (max(m, n) ||A|| eps) and ||I - N'N|| / (n eps) in the 1-norm.
///
/// a: `[m, n]`; null: `[n, k]`.
pub fn null_space(a: &HostArray, null: &HostArray) -> f64 {
    let ratios = || {
        let eps = a.dtype().unit_roundoff();
        let (a, _) = normalised(a)?;
        exponent(null)?;
        let null = scaled(null, 0)?;
        if null.nrows() != a.ncols() {
            return None;
        }
        let size = a.nrows().max(a.ncols());
        let residual = norm((&a * &null).as_ref());
        Some([ratio(residual, norm(a.as_ref()), size, eps), orthogonality(null.as_ref(), eps)])
    };
    worst(ratios())
}

/// A vector as a matrix of one column; a matrix as it is.
fn columns(x: &HostArray) -> Option<HostArray> {
    match *x.shape() {
        [n] => HostArray::new([n, 1], x.to_f64()).ok(),
        [m, n] => HostArray::new([m, n], x.to_f64()).ok(),
        _ => None,
    }
}

fn column(x: &HostArray, j: usize) -> Option<HostArray> {
    let &[m, n] = x.shape() else { return None };
    let values = x.to_f64();
    Some(HostArray::from_fn([m, 1], |i| values[i * n + j]))
}

/// The matrix times two to the power e.
fn times(a: MatRef<'_, f64>, e: i32) -> Mat<f64> {
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| ldexp(a[(i, j)], e))
}
