//! Eigenvalues, singular values and what comes with them.

use faer::Mat;
use tandem_compile::HostArray;

use super::dense::{
    exponent, increasing, norm, normalised, orthogonality, ratio, rounding, scaled, symmetric, vector, worse, worst,
};

/// A = V W V': ||A - VWV'|| / (n ||A|| eps) and ||I - V'V|| / (n eps) in the 1-norm (DSYT21); the eigenvalues increase. Of A
/// only the lower triangle is read.
///
/// a: `[n, n]`; w: `[n]`; v: `[n, n]`, an eigenvector per column.
pub fn eigh(a: &HostArray, w: &HostArray, v: &HostArray) -> f64 {
    let ratios = || {
        let eps = a.dtype().unit_roundoff();
        let (dtype, (a, e)) = (a.dtype(), normalised(a)?);
        exponent(v)?;
        let (w, v) = (vector(w, e)?, scaled(v, 0)?);
        let n = a.nrows();
        if a.ncols() != n || w.len() != n || (v.nrows(), v.ncols()) != (n, n) || !increasing(&w) {
            return None;
        }
        let a = symmetric(a.as_ref());
        let vw = Mat::from_fn(n, n, |i, j| v[(i, j)] * w[j]);
        let residual = norm((&a - vw * v.transpose()).as_ref());
        Some([ratio(residual, norm(a.as_ref()), n, rounding(dtype, e)), orthogonality(v.as_ref(), eps)])
    };
    worst(ratios())
}

/// A = U S V': ||A - USV'|| / (max(m, n) ||A|| eps) (DBDT01), ||I - U'U|| / (m eps) and ||I - V'V|| / (n eps) (DORT01) in the
/// 1-norm; the singular values decrease and none is negative.
///
/// a: `[m, n]`; u: `[m, k]`; s: `[min(m, n)]`; vh: `[l, n]`; k = m and l = n (full) or min(m, n) (thin).
pub fn svd(a: &HostArray, u: &HostArray, s: &HostArray, vh: &HostArray) -> f64 {
    let ratios = || {
        let eps = a.dtype().unit_roundoff();
        let (dtype, (a, e)) = (a.dtype(), normalised(a)?);
        exponent(u).and(exponent(vh))?;
        let (u, s, vh) = (scaled(u, 0)?, vector(s, e)?, scaled(vh, 0)?);
        let (m, n) = (a.nrows(), a.ncols());
        let k = m.min(n);
        let fits = u.nrows() == m && vh.ncols() == n && s.len() == k;
        let sizes = (u.ncols() == m || u.ncols() == k) && (vh.nrows() == n || vh.nrows() == k);
        let ordered = s.windows(2).all(|pair| pair[0] >= pair[1]) && s.iter().all(|&x| x >= 0.0);
        if !fits || !sizes || !ordered {
            return None;
        }
        let us = Mat::from_fn(m, k, |i, j| u[(i, j)] * s[j]);
        let residual = norm((&a - us * vh.as_ref().subrows(0, k)).as_ref());
        Some([
            ratio(residual, norm(a.as_ref()), m.max(n), rounding(dtype, e)),
            orthogonality(u.as_ref(), eps),
            orthogonality(vh.transpose(), eps),
        ])
    };
    worst(ratios())
}

/// Values against those that are known: the largest difference / (the largest value * eps), without the size.
///
/// found: `[k]` in its own dtype, whose eps is meant; known: `[k]`, both in the same order.
pub fn values(found: &HostArray, known: &HostArray) -> f64 {
    let ratios = || {
        let largest = known.to_f64().iter().fold(0.0, |m: f64, x| worse(m, x.abs()));
        let e = exponent(&HostArray::new([1, 1], vec![largest]).ok()?)?;
        let (x, y) = (vector(found, e)?, vector(known, e)?);
        let scale = y.iter().fold(0.0, |m, y| worse(m, y.abs()));
        let error = x.iter().zip(&y).fold(0.0, |m, (x, y)| worse(m, (x - y).abs()));
        (x.len() == y.len()).then(|| [ratio(error, scale, 1, found.dtype().unit_roundoff())])
    };
    worst(ratios())
}

/// A = U P: ||A - UP|| / (max(m, n) ||A|| eps), the shorter side of U orthonormal, P symmetric to ||P - P'|| / (n ||A|| eps) and
/// positive semidefinite: its most negative eigenvalue / (n ||A|| eps).
///
/// a, u: `[m, n]`; p: `[n, n]`.
pub fn polar(a: &HostArray, u: &HostArray, p: &HostArray) -> f64 {
    let ratios = || {
        let eps = a.dtype().unit_roundoff();
        let (dtype, (a, e)) = (a.dtype(), normalised(a)?);
        exponent(u).and(exponent(p))?;
        let (u, p) = (scaled(u, 0)?, scaled(p, e)?);
        let (m, n) = (a.nrows(), a.ncols());
        if (u.nrows(), u.ncols()) != (m, n) || (p.nrows(), p.ncols()) != (n, n) {
            return None;
        }
        let (scale, grain) = (norm(a.as_ref()), rounding(dtype, e));
        let orthonormal = if m >= n { orthogonality(u.as_ref(), eps) } else { orthogonality(u.transpose(), eps) };
        let eigenvalues = match n {
            0 => Vec::new(),
            _ => p.self_adjoint_eigenvalues(faer::Side::Lower).ok()?,
        };
        let below = eigenvalues.iter().fold(0.0, |m, w| worse(m, -w));
        Some([
            ratio(norm((&a - &u * &p).as_ref()), scale, m.max(n), grain),
            orthonormal,
            ratio(norm((&p - p.transpose()).as_ref()), scale, n, grain),
            ratio(below, scale, n, grain),
        ])
    };
    worst(ratios())
}
