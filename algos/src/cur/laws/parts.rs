//! What the laws compute with: the factors in one unit, singular values by faer in f64, and what rounding may do.

use faer::{Mat, MatRef};
use tandem_verify::{Matrix, Outcome, Trial};

use super::super::Core;
use super::super::subject::Case;

/// The parts of a result that the laws speak of, all in units of the power of two next to the largest |a|.
pub(super) struct Parts {
    pub a: Mat<f64>,
    pub c: Mat<f64>,
    pub u: Mat<f64>,
    pub r: Mat<f64>,
    pub rows: Vec<usize>,
    pub cols: Vec<usize>,
    pub error: f64,
    pub spectrum: Spectrum,
    /// What rounding may do to C U R, in units of |A|.
    pub slack: f64,
    /// The relative size up to which singular values count as zero.
    pub limit: f64,
}

/// A thin singular value decomposition.
pub(super) struct Spectrum {
    pub u: Mat<f64>,
    pub s: Vec<f64>,
    pub v: Mat<f64>,
}

impl Spectrum {
    pub fn of(a: &Mat<f64>) -> Result<Self, String> {
        let svd = a.thin_svd().map_err(|e| format!("{e:?}"))?;
        let s = (0..a.nrows().min(a.ncols())).map(|i| svd.S()[i]).collect();
        Ok(Self { u: svd.U().to_owned(), s, v: svd.V().to_owned() })
    }

    /// The largest singular value over the smallest of those above `limit` of it; 1 of a zero matrix.
    pub fn condition(&self, limit: f64) -> f64 {
        let kept = self.s.iter().take_while(|&&s| s > limit * self.s[0]);
        kept.last().map_or(1.0, |least| self.s[0] / least)
    }

    /// The left singular vectors of singular values above `limit` of the largest.
    pub fn range(&self, limit: f64) -> Mat<f64> {
        let rank = self.s.iter().take_while(|&&s| s > limit * self.s[0]).count();
        self.u.subcols(0, rank).to_owned()
    }

    /// The norm of what the first k singular values leave.
    pub fn tail(&self, k: usize) -> f64 {
        self.s.iter().skip(k).map(|s| s * s).sum::<f64>().sqrt()
    }
}

impl Parts {
    /// `None` where the laws on numbers say nothing: not finite.
    pub fn of(trial: &Trial<Case>) -> Result<Option<Self>, String> {
        if !trial.finite() {
            return Ok(None);
        }
        let a = Matrix::from_array(&trial.inputs[0]).ok_or("the input is no matrix")?;
        let unit = match a.max_abs() {
            0.0 => 1.0,
            most => 2f64.powi(most.log2().floor() as i32),
        };
        let (rows, cols) = (indices(trial.outcome, "row_index"), indices(trial.outcome, "col_index"));
        let (m, n) = (a.rows, a.cols);
        let output = |name: &str, rows: usize, cols: usize, factor: f64| {
            let values = trial.outcome.reals(name);
            match values.len() == rows * cols {
                true => Ok(Mat::from_fn(rows, cols, |i, j| values[i * cols + j] * factor)),
                false => Err(format!("{name} has {} elements, expected [{rows}, {cols}]", values.len())),
            }
        };
        let a = Mat::from_fn(m, n, |i, j| a.at(i, j) / unit);
        let c = output("c", m, cols.len(), 1.0 / unit)?;
        let u = output("u", cols.len(), rows.len(), unit)?;
        let r = output("r", rows.len(), n, 1.0 / unit)?;
        let error = trial.outcome.reals("relative_error").first().copied().ok_or("there is no relative_error")?;
        let limit = m.max(n) as f64 * 2.0 * trial.u();
        let condition = |x: &Mat<f64>| Spectrum::of(x).map(|spectrum| spectrum.condition(limit));
        let amplified = match trial.case.cur.core {
            Core::Optimal => condition(&c)? * condition(&r.transpose().to_owned())?,
            _ => {
                let inner = Spectrum::of(&Mat::from_fn(rows.len(), cols.len(), |i, j| a[(rows[i], cols[j])]))?;
                let least = inner.s.iter().copied().take_while(|&s| s > limit * inner.s[0]).last().unwrap_or(1.0);
                // A and its inverse on the submatrix, and C and R on either side.
                inner.condition(limit) * norm(c.as_ref()) * norm(r.as_ref()) / (least * norm(a.as_ref()).max(least))
            }
        };
        let slack = 16.0 * (m + n) as f64 * trial.u() * (1.0 + amplified);
        let spectrum = Spectrum::of(&a)?;
        Ok(Some(Self { a, c, u, r, rows, cols, error, spectrum, slack, limit }))
    }

    pub fn residual(&self) -> Mat<f64> {
        &self.a - &self.c * &self.u * &self.r
    }

    pub fn size(&self) -> f64 {
        norm(self.a.as_ref())
    }

    /// Row and column growth ||U_k(p, :)^-1|| and ||V_k(q, :)^-1||; `None` unless k rows and columns below full rank
    /// are chosen and the submatrices are regular.
    pub fn growth(&self) -> Result<Option<[f64; 2]>, String> {
        let k = self.rows.len();
        let regular = k == self.cols.len() && self.spectrum.s[k - 1] > 1e3 * self.limit * self.spectrum.s[0];
        if !regular {
            return Ok(None);
        }
        let least = |v: &Mat<f64>, at: &[usize]| {
            Spectrum::of(&Mat::from_fn(k, k, |i, j| v[(at[i], j)])).map(|spectrum| spectrum.s[k - 1])
        };
        let (rows, cols) = (least(&self.spectrum.u, &self.rows)?, least(&self.spectrum.v, &self.cols)?);
        Ok((rows.min(cols) > 1e-12).then(|| [1.0 / rows, 1.0 / cols]))
    }

    /// Whether s_k and s_{k+1} are far enough apart for the leading vectors' space to be known.
    pub fn separated(&self, u: f64) -> bool {
        let (k, s) = (self.rows.len(), &self.spectrum.s);
        k == self.cols.len() && s[k - 1] - s.get(k).copied().unwrap_or(0.0) > 1e4 * u * s[0]
    }
}

pub(super) fn norm(x: MatRef<'_, f64>) -> f64 {
    x.norm_l2()
}

/// Non-negative indices; what is negative becomes too large.
pub(super) fn indices(outcome: &Outcome<f64>, name: &str) -> Vec<usize> {
    outcome.indices(name).into_iter().map(|i| usize::try_from(i).unwrap_or(usize::MAX)).collect()
}
