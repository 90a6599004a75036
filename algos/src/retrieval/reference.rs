//! Retrieval on faer, from the mathematics in [`super`]: a query's row is a combination x of the anchor queries' rows,
//! x = sum over the singular triplets (s, u, v) of A(P, Q) that count of (c v / s) u', and its scores are x R.

use std::cmp::Ordering;

use faer::Mat;
use tandem_compile::HostArray;
use tandem_verify::status::Status;
use tandem_verify::{Decision, Outcome, Output, Real, Values};

use super::Search;
use super::subject::OUTPUTS;

/// The completion and the best items of queries whose scores against the anchor items `index` are `known`
/// (`[queries, q]`), from the anchor rows `rows` (`[p, items]`), with decisions made as in arithmetic of unit roundoff
/// `u`. The shapes must have passed [`Search::check`].
pub fn find<R: Real>(search: &Search, rows: &HostArray, index: &HostArray, known: &HostArray, u: f64) -> Outcome<R> {
    let (items, queries) = (rows.shape()[1], known.shape()[0]);
    let anchors = positions(index, items);
    let bad_rows = rows.first_nonfinite().is_some();
    let (Some(anchors), false) = (anchors, bad_rows) else {
        let bad_query = known.first_nonfinite().is_some();
        let status =
            Status::default().with(Status::NONFINITE_INPUT, bad_rows || bad_query).with(Status::BREAKDOWN, !bad_rows);
        return Ranking::new(search, queries, items).finish(status);
    };
    let rows = matrix::<R>(rows);
    let core = Core::of(&rows, &anchors, search, u);
    let known = matrix::<R>(known);
    let mut ranking = Ranking::new(search, queries, items);
    let mut status = core.status;
    if status.has(Status::BREAKDOWN) {
        return ranking.finish(status);
    }
    ranking.decisions = core.decisions.clone();
    for query in 0..queries {
        let c: Vec<R> = (0..anchors.len()).map(|j| known[(query, j)]).collect();
        if c.iter().any(|x| !x.to_f64().is_finite()) {
            status = status.with(Status::NONFINITE_INPUT, true);
            continue;
        }
        let scores = core.complete(&rows, &c);
        if scores.iter().any(|x| !x.to_f64().is_finite()) {
            status = status.with(Status::BREAKDOWN, true);
        }
        ranking.add(query, scores);
    }
    ranking.finish(status)
}

/// The positions, if all of them are those of items.
fn positions(index: &HostArray, items: usize) -> Option<Vec<usize>> {
    index.to_f64().into_iter().map(|at| (at >= 0.0 && at < items as f64).then_some(at as usize)).collect()
}

/// The singular triplets of the intersection that count.
struct Core<R> {
    left: Mat<R>,
    values: Vec<R>,
    right: Mat<R>,
    /// The power of two that all of R is divided by.
    unit: R,
    status: Status,
    decisions: Vec<Decision>,
}

impl<R: Real> Core<R> {
    fn of(rows: &Mat<R>, anchors: &[usize], search: &Search, u: f64) -> Self {
        let (p, q) = (rows.nrows(), anchors.len());
        let unit = power_of_two((0..rows.ncols()).map(|j| largest(rows, j)).fold(R::zero(), R::max));
        let intersection = Mat::from_fn(p, q, |i, j| rows[(i, anchors[j])] / unit);
        let zero = (0..q).all(|j| largest(&intersection, j) == R::zero());
        let mut core = Self {
            left: Mat::zeros(p, 0),
            values: Vec::new(),
            right: Mat::zeros(q, 0),
            unit,
            status: Status::default().with(Status::DEGENERATE, zero).with(Status::RANK_DEFICIENT, zero),
            decisions: Vec::new(),
        };
        if zero {
            return core;
        }
        let Ok(svd) = intersection.thin_svd() else {
            core.status = core.status.with(Status::BREAKDOWN, true);
            return core;
        };
        let cut = search.cut().unwrap_or(2.0 * u * p.max(q) as f64);
        let most = svd.S()[0];
        for i in 0..p.min(q) {
            let (share, counts) = (svd.S()[i] / most, svd.S()[i] > most * R::from_f64(cut));
            core.decisions.push(Decision {
                kind: "rank",
                margin: (share - R::from_f64(cut)).abs().to_f64(),
                choice: u64::from(counts),
            });
            if counts {
                core.values.push(svd.S()[i]);
            }
        }
        let rank = core.values.len();
        core.left = svd.U().subcols(0, rank).to_owned();
        core.right = svd.V().subcols(0, rank).to_owned();
        core.status = core.status.with(Status::RANK_DEFICIENT, rank < p.min(q));
        core
    }

    /// x R with x = sum_k (c v_k / s_k) u_k'.
    fn complete(&self, rows: &Mat<R>, c: &[R]) -> Vec<R> {
        let query_unit = power_of_two(c.iter().map(|x| x.abs()).fold(R::zero(), R::max));
        let mut x = vec![R::zero(); rows.nrows()];
        for (k, &value) in self.values.iter().enumerate() {
            let along = c.iter().enumerate().fold(R::zero(), |sum, (j, &c)| sum + c / query_unit * self.right[(j, k)]);
            for (i, x) in x.iter_mut().enumerate() {
                *x = *x + along / value * self.left[(i, k)];
            }
        }
        let score = |item: usize| {
            let terms = x.iter().enumerate().map(|(i, &x)| x * (rows[(i, item)] / self.unit));
            terms.fold(R::zero(), |sum, term| sum + term) * query_unit
        };
        (0..rows.ncols()).map(score).collect()
    }
}

/// The outputs while they are filled, one query after another; NaN and -1 for queries that never are.
struct Ranking<R> {
    topk: usize,
    items: usize,
    scores: Vec<R>,
    top_index: Vec<i32>,
    top_score: Vec<R>,
    decisions: Vec<Decision>,
}

impl<R: Real> Ranking<R> {
    fn new(search: &Search, queries: usize, items: usize) -> Self {
        let (topk, nan) = (search.topk, R::from_f64(f64::NAN));
        Self {
            topk,
            items,
            scores: vec![nan; queries * items],
            top_index: vec![-1; queries * topk],
            top_score: vec![nan; queries * topk],
            decisions: Vec::new(),
        }
    }

    fn add(&mut self, query: usize, scores: Vec<R>) {
        let mut order: Vec<usize> = (0..self.items).collect();
        order.sort_by(|&i, &j| scores[j].partial_cmp(&scores[i]).unwrap_or(Ordering::Equal));
        let most = scores.iter().map(|x| x.abs()).fold(R::zero(), R::max);
        for rank in 0..self.topk {
            let item = order[rank];
            self.top_index[query * self.topk + rank] = item as i32;
            self.top_score[query * self.topk + rank] = scores[item];
            let Some(&next) = order.get(rank + 1) else { continue };
            // Equal scores are no decision: the lower index stands first.
            let gap = (scores[item] - scores[next]) / most;
            let margin = if scores[item] == scores[next] { 1.0 } else { gap.to_f64() };
            self.decisions.push(Decision { kind: "top_index", margin, choice: item as u64 });
        }
        self.scores[query * self.items..][..self.items].copy_from_slice(&scores);
    }

    fn finish(self, status: Status) -> Outcome<R> {
        let queries = self.scores.len() / self.items;
        let values = [
            (vec![queries, self.items], Values::Real(self.scores)),
            (vec![queries, self.topk], Values::Index(self.top_index)),
            (vec![queries, self.topk], Values::Real(self.top_score)),
        ];
        let outputs = OUTPUTS.iter().zip(values);
        let outputs = outputs.map(|(&name, (shape, values))| Output { name, shape, values, scale: 0.0, free: false });
        Outcome { outputs: outputs.collect(), status: status.0, decisions: self.decisions }
    }
}

/// E of the best core, `[q, items]`: pinv(C) A pinv(R) R for C = A(:, items) and R = A(queries, :), with singular values up
/// to `cut` of the largest as zero.
pub fn optimal<R: Real>(a: &HostArray, queries: &[usize], items: &[usize], cut: f64) -> Option<Mat<R>> {
    let a = matrix::<R>(a);
    let c = Mat::from_fn(a.nrows(), items.len(), |i, j| a[(i, items[j])]);
    let r = Mat::from_fn(queries.len(), a.ncols(), |i, j| a[(queries[i], j)]);
    let inverse = |m: &Mat<R>| {
        let svd = m.thin_svd().ok()?;
        let counts = |&k: &usize| svd.S()[k] > svd.S()[0] * R::from_f64(cut);
        let rank = (0..m.nrows().min(m.ncols())).take_while(counts).count();
        let right = Mat::from_fn(m.ncols(), rank, |i, k| svd.V()[(i, k)] / svd.S()[k]);
        Some(&right * svd.U().subcols(0, rank).transpose())
    };
    Some(inverse(&c)? * &a * inverse(&r)? * &r)
}

fn largest<R: Real>(m: &Mat<R>, column: usize) -> R {
    (0..m.nrows()).map(|i| m[(i, column)].abs()).fold(R::zero(), R::max)
}

/// A power of two of the size of x > 0, 1 for 0 and what is next to it: a unit that divides exactly.
fn power_of_two<R: Real>(x: R) -> R {
    let exponent = x.to_f64().to_bits() & 0x7ff0_0000_0000_0000;
    match f64::from_bits(exponent) {
        power if power > 0.0 && power.is_finite() => R::from_f64(power),
        _ => R::one(),
    }
}

fn matrix<R: Real>(a: &HostArray) -> Mat<R> {
    let values = a.to_f64();
    let cols = a.shape()[1];
    Mat::from_fn(a.shape()[0], cols, |i, j| R::from_f64(values[i * cols + j]))
}
