//! What stands between C and R, by singular value decompositions of C, R and A(p, q).

use faer::{Mat, MatRef};
use tandem_verify::{Decision, Real};

use super::selection::Picks;
use super::{columns, exceeds, largest, power_of_two, row_major, transposed};
use crate::cur::{Core, Cur};

/// The core of a scaled matrix.
pub(super) struct Found<R: Real> {
    pub u: Mat<R>,
    /// ||A - C U R|| / ||A||; 0 for A = 0.
    pub error: R,
    /// ||U||_2.
    pub norm: R,
    /// Whether singular values were left out.
    pub deficient: bool,
}

pub(super) fn core<R: Real>(cur: &Cur, a: &Mat<R>, picks: &Picks, u: f64, decisions: &mut Vec<Decision>) -> Found<R> {
    let c = columns(a, &picks.cols);
    let r = columns(&transposed(a), &picks.rows);
    let (core, fitted, deficient) = match cur.core {
        Core::Optimal => {
            let (left, right) = (Spectrum::of(&c, 0.0, u, decisions), Spectrum::of(&r, 0.0, u, decisions));
            let middle = left.u.transpose() * a * &right.u;
            let fitted = &left.u * &middle * right.u.transpose();
            let core = left.divided() * &middle * transposed(&right.divided());
            (core, fitted, left.deficient || right.deficient)
        }
        Core::Cross | Core::Stabilised => {
            let epsilon = if cur.core == Core::Cross { 0.0 } else { cur.epsilon.unwrap_or((2.0 * u).sqrt()) };
            let inner =
                Spectrum::of(&columns(&transposed(&c), &picks.rows).transpose().to_owned(), epsilon, u, decisions);
            let divided = inner.divided();
            let fitted = (&c * &divided) * (inner.u.transpose() * r.transpose());
            (&divided * inner.u.transpose(), fitted, inner.deficient)
        }
    };
    let size = norm(a.as_ref());
    let error = if size == R::zero() { R::zero() } else { norm((a - &fitted).as_ref()) / size };
    Found { error, norm: spectral_norm(&core), u: core, deficient }
}

/// The singular values of a matrix that count, with their vectors.
pub(in crate::cur) struct Spectrum<R: Real> {
    pub u: Mat<R>,
    s: Vec<R>,
    v: Mat<R>,
    pub deficient: bool,
}

impl<R: Real> Spectrum<R> {
    /// Those above max(m, n) eps and `epsilon` of the largest.
    pub fn of(x: &Mat<R>, epsilon: f64, unit: f64, decisions: &mut Vec<Decision>) -> Self {
        let (m, n) = (x.nrows(), x.ncols());
        let found = x.thin_svd().ok().filter(|_| largest(x.as_ref()) > R::zero());
        let Some(svd) = found else {
            return Self { u: Mat::zeros(m, 0), s: Vec::new(), v: Mat::zeros(n, 0), deficient: true };
        };
        let top = svd.S()[0].to_f64();
        let limit = top * epsilon.max(m.max(n) as f64 * 2.0 * unit);
        let count = m.min(n);
        let rank = (0..count).take_while(|&i| exceeds("truncate", svd.S()[i].to_f64(), limit, top, decisions)).count();
        let cut = |v: MatRef<'_, R>| Mat::from_fn(v.nrows(), rank, |i, j| v[(i, j)]);
        Self { u: cut(svd.U()), s: (0..rank).map(|i| svd.S()[i]).collect(), v: cut(svd.V()), deficient: rank < count }
    }

    /// V S^-1.
    pub fn divided(&self) -> Mat<R> {
        Mat::from_fn(self.v.nrows(), self.s.len(), |i, j| self.v[(i, j)] / self.s[j])
    }
}

pub(in crate::cur) fn norm<R: Real>(x: MatRef<'_, R>) -> R {
    row_major(x).into_iter().fold(R::zero(), |sum, x| sum + x * x).sqrt()
}

fn spectral_norm<R: Real>(x: &Mat<R>) -> R {
    let most = largest(x.as_ref());
    if most == R::zero() {
        return R::zero();
    }
    let unit = power_of_two(most);
    let scaled = Mat::from_fn(x.nrows(), x.ncols(), |i, j| x[(i, j)] / unit);
    match scaled.thin_svd() {
        Ok(svd) => svd.S()[0] * unit,
        Err(_) => R::from_f64(f64::NAN),
    }
}
