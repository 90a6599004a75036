//! Nystrom's approximation on faer, by its definition: after each choice the Schur complement A - C W^-1 C' is formed
//! anew.

use faer::Mat;
use faer::linalg::solvers::Solve;
use tandem_compile::HostArray;
use tandem_verify::status::Status;
use tandem_verify::{Decision, Outcome, Output, Real, Values};

use super::{Nystrom, OUTPUTS};
use crate::cur::reference::{columns, exceeds, largest, matrix, power_of_two, random, row_major};

/// The approximation of `a`, with decisions made as in arithmetic of unit roundoff `u`.
pub(super) fn approximate<R: Real>(nystrom: &Nystrom, a: &HostArray, u: f64) -> Outcome<R> {
    let (n, k) = (a.shape()[0], nystrom.k);
    if a.first_nonfinite().is_some() {
        let nan = |len: usize| Values::Real(vec![R::from_f64(f64::NAN); len]);
        return outcome(n, k, [Values::Index(vec![-1; k]), nan(n * k), nan(1)], Status::NONFINITE_INPUT, Vec::new());
    }
    let a = matrix::<R>(a);
    let most = largest(a.as_ref());
    let root = power_of_two(most.sqrt());
    let a = Mat::from_fn(n, n, |i, j| a[(i, j)] / root / root);
    let diagonal = (0..n).map(|i| a[(i, i)]).fold(R::zero(), R::max).to_f64();
    let floor = diagonal * n as f64 * 2.0 * u;
    let mut decisions = Vec::new();
    // All choices in their order, and those of them that are no fills.
    let (mut chosen, mut points): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
    for step in 0..k {
        let left = schur_diagonal(&a, &points);
        let open =
            |i: &usize| !chosen.contains(i) && exceeds("floor", left[*i].to_f64(), floor, diagonal, &mut decisions);
        let candidates: Vec<usize> = (0..n).filter(open).collect();
        match choose(nystrom, &candidates, &left, step, diagonal, &mut decisions) {
            Some(best) => {
                points.push(best);
                chosen.push(best);
            }
            None => chosen.extend((0..n).find(|i| !chosen.contains(i))),
        }
    }
    let left = schur_diagonal(&a, &points);
    let trace = |values: &[R]| values.iter().fold(R::zero(), |sum, &x| sum + x);
    let size = trace(&(0..n).map(|i| a[(i, i)]).collect::<Vec<R>>());
    let rest: Vec<R> = (0..n).map(|i| if chosen.contains(&i) { R::zero() } else { left[i].max(R::zero()) }).collect();
    let error = if size == R::zero() { size } else { trace(&rest) / size };
    let f = factor(&a, &chosen, &points, root);
    let status =
        Status::default().with(Status::RANK_DEFICIENT, points.len() < k).with(Status::DEGENERATE, most == R::zero());
    let index = Values::Index(chosen.iter().map(|&i| i as i32).collect());
    outcome(n, k, [index, Values::Real(row_major(f.as_ref())), Values::Real(vec![error])], status, decisions)
}

/// The diagonal of A - C W^-1 C'.
fn schur_diagonal<R: Real>(a: &Mat<R>, points: &[usize]) -> Vec<R> {
    let n = a.nrows();
    if points.is_empty() {
        return (0..n).map(|i| a[(i, i)]).collect();
    }
    let c = columns(a, points);
    let w = Mat::from_fn(points.len(), points.len(), |i, j| c[(points[i], j)]);
    let solved = w.partial_piv_lu().solve(c.transpose());
    (0..n).map(|i| (0..points.len()).fold(a[(i, i)], |sum, j| sum - c[(i, j)] * solved[(j, i)])).collect()
}

fn choose<R: Real>(
    nystrom: &Nystrom,
    candidates: &[usize],
    left: &[R],
    step: usize,
    diagonal: f64,
    decisions: &mut Vec<Decision>,
) -> Option<usize> {
    // The smallest key first.
    let uniform = random::uniform(nystrom.seed, step as u32, left.len());
    let key = |i: usize| match nystrom.sampled {
        true => -(1.0 - uniform[i]).ln() / left[i].to_f64(),
        false => -left[i].to_f64(),
    };
    let mut order = candidates.to_vec();
    order.sort_by(|&i, &j| key(i).total_cmp(&key(j)));
    let first = *order.first()?;
    let margin = order.get(1).map_or(1.0, |&next| {
        // The diagonal is known to a part of its largest entry, a clock to that part of its rate.
        let scale = if nystrom.sampled { key(next) * diagonal / left[next].to_f64() } else { diagonal };
        (key(next) - key(first)) / scale
    });
    decisions.push(Decision { kind: "pivot", margin, choice: first as u64 });
    Some(first)
}

/// F = C L^-T with W = L L': lower triangular where the chosen rows are; zeros for fills.
fn factor<R: Real>(a: &Mat<R>, chosen: &[usize], points: &[usize], root: R) -> Mat<R> {
    let n = a.nrows();
    let k = points.len();
    let mut l = Mat::<R>::zeros(k, k);
    for j in 0..k {
        for i in j..k {
            let inner = (0..j).fold(a[(points[i], points[j])], |sum, t| sum - l[(i, t)] * l[(j, t)]);
            l[(i, j)] = if i == j { inner.max(R::zero()).sqrt() } else { inner / l[(j, j)] };
        }
    }
    let mut f = Mat::<R>::zeros(n, chosen.len());
    for i in 0..n {
        let mut row: Vec<R> = Vec::with_capacity(k);
        for j in 0..k {
            let inner = (0..j).fold(a[(i, points[j])], |sum, t| sum - row[t] * l[(j, t)]);
            row.push(inner / l[(j, j)]);
        }
        for (at, choice) in chosen.iter().enumerate() {
            let point = points.iter().position(|p| p == choice);
            // A chosen row ends with its own pivot.
            let own = points.iter().position(|&p| p == i);
            if let Some(j) = point.filter(|&j| own.is_none_or(|own| j <= own)) {
                f[(i, at)] = row[j] * root;
            }
        }
    }
    f
}

fn outcome<R>(n: usize, k: usize, values: [Values<R>; 3], status: Status, decisions: Vec<Decision>) -> Outcome<R> {
    let shapes = [vec![k], vec![n, k], vec![]];
    let output = |((&name, shape), values): ((&&'static str, Vec<usize>), Values<R>)| {
        // The error is a difference of numbers of the size of 1.
        let scale = if name == "relative_error" { 1.0 } else { 0.0 };
        Output { name, shape, values, scale, free: false }
    };
    let outputs = OUTPUTS.iter().zip(shapes).zip(values).map(output).collect();
    Outcome { outputs, status: status.0, decisions }
}
