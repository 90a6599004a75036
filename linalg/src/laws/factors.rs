//! Factorizations with triangles.

use faer::Mat;
use tandem_compile::HostArray;

use super::dense::{
    exponent, identity, norm, normalised, orthogonality, ratio, rounding, scaled, symmetric, vector, worst, zero_where,
};

/// A = Q R: ||A - QR|| / (max(m, n) ||A|| eps) and ||I - Q'Q|| / (m eps) in the 1-norm (DQRT01); R is upper triangular.
///
/// a: `[m, n]`; q: `[m, k]`; r: `[k, n]`, k = m (full) or min(m, n) (reduced).
pub fn qr(a: &HostArray, q: &HostArray, r: &HostArray) -> f64 {
    let ratios = || {
        let eps = a.dtype().unit_roundoff();
        let (dtype, (a, e)) = (a.dtype(), normalised(a)?);
        exponent(q).and(exponent(r))?;
        let (q, r) = (scaled(q, 0)?, scaled(r, e)?);
        let (m, n, k) = (a.nrows(), a.ncols(), q.ncols());
        let fits = q.nrows() == m && (r.nrows(), r.ncols()) == (k, n) && (k == m || k == m.min(n));
        if !fits || !zero_where(r.as_ref(), |i, j| i > j) {
            return None;
        }
        let residual = norm((&a - &q * &r).as_ref());
        Some([ratio(residual, norm(a.as_ref()), m.max(n), rounding(dtype, e)), orthogonality(q.as_ref(), eps)])
    };
    worst(ratios())
}

/// A P = Q R with pivoting: [`qr`] of the permuted columns (DQPT01), and the pivots do not grow: the diagonal of R decreases
/// in magnitude up to rounding.
///
/// a, q, r as in [`qr`]; p: integers `[n]`, the column of A that became each column, as scipy's `P`.
pub fn qr_pivoted(a: &HostArray, q: &HostArray, r: &HostArray, p: &HostArray) -> f64 {
    let permuted = || {
        let &[m, n] = a.shape() else { return None };
        let order: Vec<usize> = p.to_f64().iter().map(|&j| j as usize).collect();
        let mut sorted = order.clone();
        sorted.sort_unstable();
        if p.shape() != [n] || sorted.into_iter().ne(0..n) {
            return None;
        }
        let values = a.to_f64();
        HostArray::from_fn([m, n], |at| values[at / n * n + order[at % n]]).cast(a.dtype()).ok()
    };
    let grows = || {
        let (r, _) = normalised(r)?;
        let slack = 1.0 + 100.0 * r.ncols() as f64 * a.dtype().unit_roundoff();
        let tiny = norm(r.as_ref()) * (slack - 1.0);
        let d = |i: usize| r[(i, i)].abs();
        Some((1..r.nrows().min(r.ncols())).any(|i| d(i) > d(i - 1) * slack + tiny))
    };
    match (permuted(), grows()) {
        (Some(permuted), Some(false)) => qr(&permuted, q, r),
        _ => f64::INFINITY,
    }
}

/// ||I - Q'Q|| / (m eps) in the 1-norm (DORT01).
///
/// q: `[m, k]`.
pub fn orthonormal_columns(q: &HostArray) -> f64 {
    let ratios = || {
        exponent(q)?;
        Some([orthogonality(scaled(q, 0)?.as_ref(), q.dtype().unit_roundoff())])
    };
    worst(ratios())
}

/// A = P L U: ||A - PLU|| / (max(m, n) ||A|| eps) in the 1-norm (DGET01). P is a permutation, L has ones on its diagonal and
/// no magnitude above 1 beyond rounding (partial pivoting), U is upper triangular.
///
/// a: `[m, n]`; p: `[m, m]`; l: `[m, k]`; u: `[k, n]`, k = min(m, n), as scipy's `lu`.
pub fn lu(a: &HostArray, p: &HostArray, l: &HostArray, u: &HostArray) -> f64 {
    let ratios = || {
        let eps = a.dtype().unit_roundoff();
        let (dtype, (a, e)) = (a.dtype(), normalised(a)?);
        exponent(p).and(exponent(l)).and(exponent(u))?;
        let (p, l, u) = (scaled(p, 0)?, scaled(l, 0)?, scaled(u, e)?);
        let (m, n) = (a.nrows(), a.ncols());
        let k = m.min(n);
        let fits = [(p.nrows(), p.ncols()), (l.nrows(), l.ncols()), (u.nrows(), u.ncols())] == [(m, m), (m, k), (k, n)];
        let pivoted = |l: &Mat<f64>| (0..m).all(|i| (0..k).all(|j| l[(i, j)].abs() <= 1.0 + 4.0 * eps));
        let triangles = zero_where(u.as_ref(), |i, j| i > j) && zero_where(l.as_ref(), |i, j| i < j);
        if !fits || !triangles || !(0..k).all(|i| l[(i, i)] == 1.0) || !pivoted(&l) || !is_permutation(&p) {
            return None;
        }
        let residual = norm((&a - &p * (&l * &u)).as_ref());
        Some([ratio(residual, norm(a.as_ref()), m.max(n), rounding(dtype, e))])
    };
    worst(ratios())
}

/// Zeros and ones, and inverse to its transpose.
fn is_permutation(p: &Mat<f64>) -> bool {
    let n = p.nrows();
    let bits = (0..n).all(|i| (0..n).all(|j| p[(i, j)] == 0.0 || p[(i, j)] == 1.0));
    bits && p.transpose() * p == identity(n)
}

/// A = L L': ||A - LL'|| / (n ||A|| eps) in the 1-norm (DPOT01); L is lower triangular with a positive diagonal. Of A only
/// the lower triangle is read.
///
/// a, l: `[n, n]`.
pub fn cholesky(a: &HostArray, l: &HostArray) -> f64 {
    let ratios = || {
        // An even power, of which the factor has the root.
        let e = exponent(a)? & !1;
        let eps = rounding(a.dtype(), e);
        exponent(l)?;
        let (a, l) = (scaled(a, e)?, scaled(l, e / 2)?);
        let n = a.nrows();
        let fits = a.ncols() == n && (l.nrows(), l.ncols()) == (n, n);
        if !fits || !zero_where(l.as_ref(), |i, j| i < j) || !(0..n).all(|i| l[(i, i)] > 0.0) {
            return None;
        }
        let a = symmetric(a.as_ref());
        Some([ratio(norm((&a - &l * l.transpose()).as_ref()), norm(a.as_ref()), n, eps)])
    };
    worst(ratios())
}

/// A = L D L': ||A - LDL'|| / (n ||A|| eps) in the 1-norm (DSYT01); D is diagonal, or block diagonal with symmetric blocks of
/// at most two. Of A only the lower triangle is read. L may be a triangle with its rows permuted, as scipy's `ldl`.
///
/// a, l: `[n, n]`; d: `[n]` or `[n, n]`.
pub fn ldl(a: &HostArray, l: &HostArray, d: &HostArray) -> f64 {
    let ratios = || {
        let (dtype, (a, e)) = (a.dtype(), normalised(a)?);
        exponent(l)?;
        let l = scaled(l, 0)?;
        let d = match d.shape().len() {
            1 => diagonal(&vector(d, e)?),
            _ => exponent(d).and(scaled(d, e))?,
        };
        let n = a.nrows();
        let fits = a.ncols() == n && (l.nrows(), l.ncols()) == (n, n) && (d.nrows(), d.ncols()) == (n, n);
        if !fits || !in_blocks_of_two(&d) {
            return None;
        }
        let a = symmetric(a.as_ref());
        let residual = norm((&a - &l * &d * l.transpose()).as_ref());
        Some([ratio(residual, norm(a.as_ref()), n, rounding(dtype, e))])
    };
    worst(ratios())
}

fn diagonal(d: &[f64]) -> Mat<f64> {
    Mat::from_fn(d.len(), d.len(), |i, j| if i == j { d[i] } else { 0.0 })
}

fn in_blocks_of_two(d: &Mat<f64>) -> bool {
    let coupled = |i: usize| d[(i + 1, i)] != 0.0;
    let last = d.nrows().saturating_sub(1);
    zero_where(d.as_ref(), |i, j| i.abs_diff(j) > 1)
        && (0..last).all(|i| d[(i + 1, i)] == d[(i, i + 1)])
        && (1..last).all(|i| !(coupled(i - 1) && coupled(i)))
}
