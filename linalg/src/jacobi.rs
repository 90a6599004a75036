//! The singular value decomposition by one-sided Jacobi rotations: for matrices of few columns, many at a time.
//!
//! M. Hestenes, "Inversion of matrices by biorthogonalization and related results", J. Soc. Indust. Appl. Math. 6, 1958. Pairs of columns
//! are rotated until all are orthogonal; half of the columns meet the other half in every round, and in n - 1 rounds
//! everyone has met everyone (a round robin tournament).

use tandem_compile::DType;
use tandem_compile::{Tensor, concatenate, eye, fori_loop, iota, number, scalar, sort_by_key, while_loop, zeros};

use crate::qr::qr_portable;
use crate::svd::tree::Factors;

/// The sweeps after which the iteration stops whatever it has: hard matrices take up to 12.
const SWEEPS: i32 = 20;

/// The decomposition of `[m, n]`, m >= n >= 1, whose largest element is about 1; the left vectors `[n, m]`.
#[track_caller]
pub(crate) fn jacobi_svd(a: &Tensor) -> Factors {
    let (m, n) = (a.dim(0), a.dim(1));
    if 6 * m >= 11 * n && m >= 32 {
        let (q, r) = qr_portable(a);
        let factors = jacobi_svd(&r);
        return Factors { left: factors.left.contract(&q, 1, 1), ..factors };
    }
    let dtype = a.dtype();
    // A zero column makes the number of columns even: it is orthogonal to all others, and never rotated.
    let even = n.next_multiple_of(2);
    let columns = a.t().pad(0.0, &[(0, (even - n) as i64, 0), (0, 0, 0)]);
    let rows = orthogonalized(&concatenate(&[&columns, &eye(even, dtype)], 1), m).slice(0, 0, n);
    let (x, v) = (rows.slice(1, 0, m), rows.slice(1, m, m + n));
    // By decreasing norm, so that the small ones are made orthogonal to the large ones below.
    let norms = x.square().sum_axes([1]).sqrt();
    let sorted = sort_by_key(&[&norms, &iota([n], 0, DType::I32)], 0, true);
    let (values, order) = (&sorted[0], &sorted[1]);
    // The columns are orthogonal, but some may be zero: Q is a whole basis, and R is diagonal with signs.
    let (q, r) = qr_portable(&x.take(order, 0).t());
    let sign = r.diag().lt(0.0).select(number(-1.0, dtype), 1.0);
    Factors { values: values.clone(), left: (q * sign).t(), right: v.take(order, 0) }
}

/// Rows of which the first m elements are orthogonal, by rotations; an even number of them.
fn orthogonalized(rows: &Tensor, m: usize) -> Tensor {
    let count = rows.dim(0);
    let dtype = rows.dtype();
    let unit = 2.0 * dtype.unit_roundoff();
    let enough = unit * count as f64;
    let (_, rows, _) = while_loop(
        (scalar(0i32), rows.clone(), number(1.0, dtype)),
        |(sweep, _, cosine)| sweep.lt(SWEEPS) & cosine.gt(enough),
        |(sweep, rows, _)| {
            let rounds = (count - 1) as i32;
            let start = (rows, zeros([], dtype));
            let (rows, cosine) = fori_loop(0, rounds, start, |_, (rows, cosine)| round(&rows, &cosine, m, unit));
            (sweep + 1, rows, cosine)
        },
    );
    rows
}

/// The first half of the rows rotated against the other half, then moved on; the largest cosine of an angle so far.
fn round(rows: &Tensor, cosine: &Tensor, m: usize, unit: f64) -> (Tensor, Tensor) {
    let (count, width) = (rows.dim(0), rows.dim(1));
    let half = count / 2;
    let (p, q) = (rows.slice(0, 0, half), rows.slice(0, half, count));
    let (x, y) = (p.slice(1, 0, m), q.slice(1, 0, m));
    let (a, b) = (x.square().sum_axes([1]), y.square().sum_axes([1]));
    let g = (x * y).sum_axes([1]);
    let size = a.sqrt() * b.sqrt();
    let rotated = g.abs().gt(&size * unit);
    let angle = rotated.select(g.abs() / rotated.select(&size, 1.0), 0.0);
    let cot = (b - a) / (rotated.select(&g, 1.0) * 2.0);
    let magnitude = 1.0 / (cot.abs() + (cot.square() + 1.0).sqrt());
    let tangent = rotated.select(cot.lt(0.0).select(-&magnitude, &magnitude), 0.0);
    let c = (1.0 / (tangent.square() + 1.0).sqrt()).reshape([half, 1]);
    let s = tangent.reshape([half, 1]) * &c;
    let (p, q) = ((&c * &p - &s * &q), (s * p + c * q));
    let rows = if half == 1 {
        concatenate(&[&p, &q], 0)
    } else {
        let top = [&p.slice(0, 0, 1), &q.slice(0, 0, 1), &p.slice(0, 1, half - 1)];
        let bottom = [&q.slice(0, 1, half), &p.slice(0, half - 1, half)];
        concatenate(&[&top[..], &bottom[..]].concat(), 0)
    };
    debug_assert_eq!(rows.shape().last(), Some(&width));
    (rows, cosine.maximum(angle.max()))
}
