//! CUR on faer, from the mathematics in [`super`]: slow and obvious, in any precision.

pub(super) mod middle;
pub(super) mod random;
pub(super) mod selection;

use faer::{Mat, MatRef};
use tandem_compile::HostArray;
use tandem_verify::status::Status;
use tandem_verify::{Decision, Outcome, Output, Real, Values};

use self::middle::Found;
use super::Cur;
use super::subject::OUTPUTS;
use selection::Picks;

/// The decomposition of `a` (`[m, n]`), with decisions made as in arithmetic of unit roundoff `u` (see [`Cur::check`]
/// for the parameters' ranges).
pub fn decompose<R: Real>(cur: &Cur, a: &HostArray, u: f64) -> Outcome<R> {
    let (m, n) = (a.shape()[0], a.shape()[1]);
    if a.first_nonfinite().is_some() {
        return nothing(cur, m, n);
    }
    let a = matrix::<R>(a);
    let unit = power_of_two(largest(a.as_ref()));
    let scaled = Mat::from_fn(m, n, |i, j| a[(i, j)] / unit);
    let mut decisions = Vec::new();
    let picks = selection::picks(cur, &scaled, u, &mut decisions);
    let found = middle::core(cur, &scaled, &picks, u, &mut decisions);
    finish(&a, unit, picks, found, decisions)
}

fn finish<R: Real>(a: &Mat<R>, unit: R, picks: Picks, found: Found<R>, decisions: Vec<Decision>) -> Outcome<R> {
    let (m, n) = (a.nrows(), a.ncols());
    let (rows, cols) = (&picks.rows, &picks.cols);
    let u: Vec<R> = row_major(found.u.as_ref()).into_iter().map(|x| x / unit).collect();
    let norm = found.norm / unit;
    let sound = u.iter().chain([&norm, &found.error]).all(|x| x.to_f64().is_finite());
    let status = Status::default()
        .with(Status::NOT_CONVERGED, !picks.settled)
        .with(Status::RANK_DEFICIENT, picks.deficient || found.deficient)
        .with(Status::DEGENERATE, largest(a.as_ref()) == R::zero())
        .with(Status::BREAKDOWN, !sound);
    let index = |at: &[usize]| (vec![at.len()], Values::Index(at.iter().map(|&i| i as i32).collect()));
    let values = [
        index(rows),
        index(cols),
        (vec![m, cols.len()], Values::Real(row_major(columns(a, cols).as_ref()))),
        (vec![cols.len(), rows.len()], Values::Real(u)),
        (vec![rows.len(), n], Values::Real(row_major(columns(&transposed(a), rows).transpose()))),
        (vec![], Values::Real(vec![found.error])),
        (vec![], Values::Real(vec![norm])),
    ];
    outcome(values, status, decisions)
}

/// What a NaN or an infinity in A gives.
fn nothing<R: Real>(cur: &Cur, m: usize, n: usize) -> Outcome<R> {
    let nan = |shape: &[usize]| (shape.to_vec(), Values::Real(vec![R::from_f64(f64::NAN); shape.iter().product()]));
    let none = |len: usize| (vec![len], Values::Index(vec![-1; len]));
    let (r, c) = (cur.rows, cur.cols);
    let values = [none(r), none(c), nan(&[m, c]), nan(&[c, r]), nan(&[r, n]), nan(&[]), nan(&[])];
    outcome(values, Status::NONFINITE_INPUT, Vec::new())
}

fn outcome<R>(values: [(Vec<usize>, Values<R>); 7], status: Status, decisions: Vec<Decision>) -> Outcome<R> {
    let output = |(&name, (shape, values)): (&&'static str, (Vec<usize>, Values<R>))| {
        // The error is a difference of numbers of the size of 1.
        let scale = if name == "relative_error" { 1.0 } else { 0.0 };
        Output { name, shape, values, scale, free: false }
    };
    Outcome { outputs: OUTPUTS.iter().zip(values).map(output).collect(), status: status.0, decisions }
}

/// A decision by a quantity and its bound, on the scale of `scale`.
pub(super) fn exceeds(
    kind: &'static str,
    quantity: f64,
    bound: f64,
    scale: f64,
    decisions: &mut Vec<Decision>,
) -> bool {
    let choice = quantity > bound;
    let gap = (quantity - bound).abs();
    let margin = if gap == 0.0 || scale == 0.0 { 0.0 } else { (gap / scale).min(1.0) };
    decisions.push(Decision { kind, margin, choice: u64::from(choice) });
    choice
}

/// The largest power of two that is at most x > 0, 1 for 0 and subnormal numbers: a unit that divides exactly.
pub(super) fn power_of_two<R: Real>(x: R) -> R {
    match f64::from_bits(x.to_f64().to_bits() & 0x7ff0_0000_0000_0000) {
        power if power > 0.0 && power.is_finite() => R::from_f64(power),
        _ => R::one(),
    }
}

pub(super) fn largest<R: Real>(m: MatRef<'_, R>) -> R {
    row_major(m).into_iter().fold(R::zero(), |most, x| most.max(x.abs()))
}

pub(super) fn matrix<R: Real>(a: &HostArray) -> Mat<R> {
    let values = a.to_f64();
    let (rows, cols) = (a.shape()[0], a.shape()[1]);
    Mat::from_fn(rows, cols, |i, j| R::from_f64(values[i * cols + j]))
}

pub(super) fn transposed<R: Real>(a: &Mat<R>) -> Mat<R> {
    a.transpose().to_owned()
}

/// The columns of `a` at these positions.
pub(super) fn columns<R: Real>(a: &Mat<R>, at: &[usize]) -> Mat<R> {
    Mat::from_fn(a.nrows(), at.len(), |i, j| a[(i, at[j])])
}

pub(super) fn row_major<R: Real>(m: MatRef<'_, R>) -> Vec<R> {
    (0..m.nrows()).flat_map(|i| (0..m.ncols()).map(move |j| m[(i, j)])).collect()
}
