//! The column-row approximation on faer: term by term.

use faer::Mat;
use tandem_compile::HostArray;
use tandem_verify::status::Status;
use tandem_verify::{Decision, Outcome, Output, Real, Values};

use super::{Cr, OUTPUTS};
use crate::cur::reference::middle::norm;
use crate::cur::reference::{largest, matrix, power_of_two, random, row_major};

/// The approximation of `a b`.
pub(super) fn multiply<R: Real>(cr: &Cr, a: &HostArray, b: &HostArray) -> Outcome<R> {
    let (m, n, count) = (a.shape()[0], b.shape()[1], cr.count);
    if a.first_nonfinite().or(b.first_nonfinite()).is_some() {
        let nan = |len: usize| Values::Real(vec![R::from_f64(f64::NAN); len]);
        let values = [Values::Index(vec![-1; count]), nan(count), nan(m * n)];
        return outcome([m, n, count], values, 0.0, Status::NONFINITE_INPUT, Vec::new());
    }
    let (a, b) = (matrix::<R>(a), matrix::<R>(b));
    let units = [power_of_two(largest(a.as_ref())), power_of_two(largest(b.as_ref()))];
    let a = Mat::from_fn(m, a.ncols(), |i, j| a[(i, j)] / units[0]);
    let b = Mat::from_fn(b.nrows(), n, |i, j| b[(i, j)] / units[1]);
    let size = |t: usize| norm(a.subcols(t, 1)) * norm(b.subrows(t, 1));
    let sizes: Vec<R> = (0..a.ncols()).map(size).collect();
    let zero = sizes.iter().all(|&x| x == R::zero());
    let mut decisions = Vec::new();
    let (index, weight) = match cr.sampled {
        false => (biggest(&sizes, count, &mut decisions), vec![R::one(); count]),
        true if zero => ((0..count).map(|i| i.min(sizes.len() - 1)).collect(), vec![R::one(); count]),
        true => drawn(&sizes, cr, &mut decisions),
    };
    let mut product = Mat::<R>::zeros(m, n);
    for (&t, &w) in index.iter().zip(&weight) {
        let term = a.subcols(t, 1) * b.subrows(t, 1);
        product = Mat::from_fn(m, n, |i, j| product[(i, j)] + term[(i, j)] * w);
    }
    let product = Mat::from_fn(m, n, |i, j| product[(i, j)] * units[0] * units[1]);
    let sum = index.iter().zip(&weight).fold(R::zero(), |sum, (&t, &w)| sum + sizes[t] * w) * units[0] * units[1];
    let index = Values::Index(index.into_iter().map(|t| t as i32).collect());
    let status = Status::default().with(Status::DEGENERATE, zero);
    let values = [index, Values::Real(weight), Values::Real(row_major(product.as_ref()))];
    outcome([m, n, count], values, sum.to_f64(), status, decisions)
}

fn biggest<R: Real>(sizes: &[R], count: usize, decisions: &mut Vec<Decision>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by(|&i, &j| sizes[j].to_f64().total_cmp(&sizes[i].to_f64()));
    let most = sizes[order[0]].to_f64().max(f64::MIN_POSITIVE);
    for pair in order.windows(2).take(count) {
        let margin = (sizes[pair[0]] - sizes[pair[1]]).to_f64() / most;
        decisions.push(Decision { kind: "size", margin, choice: pair[0] as u64 });
    }
    order.truncate(count);
    order
}

/// For each draw the first term by which the partial sums have passed a uniform part of the whole.
fn drawn<R: Real>(sizes: &[R], cr: &Cr, decisions: &mut Vec<Decision>) -> (Vec<usize>, Vec<R>) {
    let mut sums = Vec::with_capacity(sizes.len());
    let mut sum = R::zero();
    for &size in sizes {
        sum = sum + size;
        sums.push(sum);
    }
    let count = R::from_f64(cr.count as f64);
    let draw = |word: u32| {
        let at = sum * R::from_f64(f64::from(word >> 8) / f64::from(1 << 24));
        let last = sizes.iter().rposition(|&size| size > R::zero()).unwrap_or(0);
        let t = sums.iter().position(|&partial| partial > at).unwrap_or(last).min(last);
        let gaps = sums.iter().map(|&partial| ((partial - at) / sum).to_f64().abs());
        decisions.push(Decision { kind: "draw", margin: gaps.fold(1.0, f64::min), choice: t as u64 });
        t
    };
    let index: Vec<usize> = random::plain_words(cr.seed, cr.count).into_iter().map(draw).collect();
    let weight = index.iter().map(|&t| sum / (sizes[t] * count)).collect();
    (index, weight)
}

fn outcome<R>(
    [m, n, count]: [usize; 3],
    values: [Values<R>; 3],
    scale: f64,
    status: Status,
    decisions: Vec<Decision>,
) -> Outcome<R> {
    let shapes = [vec![count], vec![count], vec![m, n]];
    let output = |((&name, shape), values): ((&&'static str, Vec<usize>), Values<R>)| {
        // A sum of terms that may cancel.
        let scale = if name == "product" { scale } else { 0.0 };
        Output { name, shape, values, scale, free: false }
    };
    let outputs = OUTPUTS.iter().zip(shapes).zip(values).map(output).collect();
    Outcome { outputs, status: status.0, decisions }
}
