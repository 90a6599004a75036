//! Which rows and columns, candidate by candidate.

use faer::Mat;
use faer::linalg::solvers::Solve;
use tandem_verify::{Decision, Real};

use super::{columns, exceeds, largest, random, transposed};
use crate::cur::{Cur, Select};

/// The chosen rows and columns.
pub(super) struct Picks {
    pub rows: Vec<usize>,
    pub cols: Vec<usize>,
    /// Whether some were chosen only because nothing was left.
    pub deficient: bool,
    /// Whether the search ended before its limit.
    pub settled: bool,
}

pub(super) fn picks<R: Real>(cur: &Cur, a: &Mat<R>, u: f64, decisions: &mut Vec<Decision>) -> Picks {
    let mut search = Search { cur, u, decisions, deficient: false, settled: true };
    let (rows, cols) = search.run(a);
    Picks { rows, cols, deficient: search.deficient, settled: search.settled }
}

/// The `count` columns of `x` that are farthest from the span of those before them, and whether some were fills.
pub(in crate::cur) fn farthest<R: Real>(
    x: &Mat<R>,
    count: usize,
    floor: f64,
    u: f64,
    decisions: &mut Vec<Decision>,
) -> (Vec<usize>, bool) {
    let mut search = Search { cur: &Cur::new(count), u, decisions, deficient: false, settled: true };
    let chosen = search.longest(x, count, floor);
    (chosen, search.deficient)
}

const COLS: u32 = 0;
const ROWS: u32 = 1;

struct Search<'a> {
    cur: &'a Cur,
    u: f64,
    decisions: &'a mut Vec<Decision>,
    deficient: bool,
    settled: bool,
}

impl Search<'_> {
    fn run<R: Real>(&mut self, a: &Mat<R>) -> (Vec<usize>, Vec<usize>) {
        let (m, n, r, c) = (a.nrows(), a.ncols(), self.cur.rows, self.cur.cols);
        if largest(a.as_ref()) == R::zero() && self.cur.select != Select::LeverageSampled {
            self.deficient = self.cur.select != Select::Uniform;
            return ((0..r).collect(), (0..c).collect());
        }
        let floor = m.max(n) as f64 * 2.0 * self.u;
        match self.cur.select {
            Select::Uniform => (self.shuffled(m, r, ROWS), self.shuffled(n, c, COLS)),
            Select::Qr => {
                let cols = self.longest(a, c, floor);
                let rows = if r <= c { transposed(&columns(a, &cols)) } else { transposed(a) };
                (self.longest(&rows, r, floor), cols)
            }
            Select::Lu => {
                // The candidates' sketches are rows.
                let sketched = transposed(&(self.sketch::<R>(c, m, COLS) * a));
                let cols = self.interpolated(&sketched, floor);
                let rows = match r <= c {
                    true => columns(a, &cols[..r]),
                    false => transposed(&(self.sketch::<R>(r, n, ROWS) * a.transpose())),
                };
                (self.interpolated(&rows, floor), cols)
            }
            _ => self.by_vectors(a),
        }
    }

    fn by_vectors<R: Real>(&mut self, a: &Mat<R>) -> (Vec<usize>, Vec<usize>) {
        let (m, n, r, c) = (a.nrows(), a.ncols(), self.cur.rows, self.cur.cols);
        let k = r.max(c);
        // Not of a finite matrix.
        let Ok(svd) = a.thin_svd() else {
            self.settled = false;
            return ((0..r).collect(), (0..c).collect());
        };
        let s: Vec<f64> = (0..m.min(n)).map(|i| svd.S()[i].to_f64()).collect();
        let limit = s[0] * m.max(n) as f64 * 2.0 * self.u;
        let rank = (0..k).take_while(|&i| exceeds("rank", s[i], limit, s[0], self.decisions)).count();
        self.deficient = rank < k;
        // Within a cluster of singular values the vectors are undetermined.
        for i in 0..rank.min(s.len() - 1) {
            self.decisions.push(Decision { kind: "gap", margin: (s[i] - s[i + 1]) / s[0], choice: i as u64 });
        }
        let cut = |v: faer::MatRef<'_, R>, count: usize| Mat::from_fn(v.nrows(), count.min(rank), |i, j| v[(i, j)]);
        let (left, right) = (cut(svd.U(), r), cut(svd.V(), c));
        (self.choose(&left, r, ROWS), self.choose(&right, c, COLS))
    }

    /// `count` candidates, the rows of V, of which there may be fewer independent ones.
    fn choose<R: Real>(&mut self, v: &Mat<R>, count: usize, stream: u32) -> Vec<usize> {
        let floor = count as f64 * 2.0 * self.u;
        let mut chosen = match self.cur.select {
            Select::Qdeim => self.longest(&transposed(v), v.ncols(), floor),
            Select::Leverage | Select::LeverageSampled => return self.by_leverage(v, count, stream),
            Select::Maxvol => {
                let start = self.interpolated(v, floor);
                self.swapped(v, start, count)
            }
            _ => self.interpolated(v, floor),
        };
        fill(&mut chosen, count);
        chosen
    }

    /// DEIM: the candidate at which a vector is worst interpolated by those before it from the chosen ones.
    fn interpolated<R: Real>(&mut self, v: &Mat<R>, floor: f64) -> Vec<usize> {
        let scale = largest(v.as_ref()).to_f64();
        let (mut chosen, mut points, mut vectors) = (Vec::new(), Vec::new(), Vec::new());
        for j in 0..v.ncols() {
            let mut residual = columns(v, &[j]);
            if !points.is_empty() {
                let inner = Mat::from_fn(points.len(), points.len(), |a, b| v[(points[a], vectors[b])]);
                let values = Mat::from_fn(points.len(), 1, |a, _| v[(points[a], j)]);
                residual = &residual - columns(v, &vectors) * inner.partial_piv_lu().solve(&values);
            }
            let sizes: Vec<f64> = (0..v.nrows()).map(|i| residual[(i, 0)].to_f64().abs()).collect();
            let best = self.best("pivot", &sizes, &chosen, scale);
            if exceeds("pivot", sizes[best], floor * scale, scale, self.decisions) {
                points.push(best);
                vectors.push(j);
                chosen.push(best);
            } else {
                self.deficient = true;
                let next = chosen.len() + 1;
                fill(&mut chosen, next);
            }
        }
        chosen
    }

    /// Pivoted QR: the column of `x` that is farthest from the span of the chosen ones.
    fn longest<R: Real>(&mut self, x: &Mat<R>, count: usize, floor: f64) -> Vec<usize> {
        let (mut chosen, mut basis): (Vec<usize>, Vec<Mat<R>>) = (Vec::new(), Vec::new());
        let mut scale = 0.0;
        for step in 0..count {
            let rest = |j: usize| {
                let mut rest = columns(x, &[j]);
                // Twice is enough (Kahan and Parlett).
                for q in basis.iter().chain(&basis) {
                    rest = &rest - q * (q.transpose() * &rest);
                }
                rest
            };
            let sizes: Vec<f64> = (0..x.ncols()).map(|j| length(&rest(j)).to_f64()).collect();
            let best = self.best("pivot", &sizes, &chosen, if step == 0 { 0.0 } else { scale });
            scale = if step == 0 { sizes[best] } else { scale };
            if exceeds("pivot", sizes[best], floor * scale, scale, self.decisions) {
                let (rest, size) = (rest(best), length(&rest(best)));
                basis.push(Mat::from_fn(rest.nrows(), 1, |i, _| rest[(i, 0)] / size));
                chosen.push(best);
            } else {
                self.deficient = true;
                fill(&mut chosen, step + 1);
            }
        }
        chosen
    }

    fn by_leverage<R: Real>(&mut self, v: &Mat<R>, count: usize, stream: u32) -> Vec<usize> {
        let rank = self.cur.rank().min(v.ncols());
        let score = |i: usize| (0..rank).fold(R::zero(), |sum, j| sum + v[(i, j)] * v[(i, j)]);
        let scores: Vec<R> = (0..v.nrows()).map(score).collect();
        let keys: Vec<f64> = match self.cur.select {
            Select::Leverage => scores.iter().map(|x| -x.to_f64()).collect(),
            _ => {
                let all_zero = scores.iter().all(|&x| x == R::zero());
                let uniform = random::uniform(self.cur.seed, stream, v.nrows());
                let clock = |(&score, u): (&R, f64)| {
                    let rate = if all_zero { 1.0 } else { score.to_f64() / rank as f64 };
                    if rate > 0.0 { -(1.0 - u).ln() / rate } else { f64::INFINITY }
                };
                scores.iter().zip(uniform).map(clock).collect()
            }
        };
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_by(|&i, &j| keys[i].total_cmp(&keys[j]));
        for pair in order.windows(2).take(count) {
            let (first, next) = (keys[pair[0]], keys[pair[1]]);
            // Scores are known to a part of the largest one, the clocks to a part of themselves.
            let scale = if first < 0.0 { -keys[order[0]] } else { next };
            let margin = if next.is_infinite() { 1.0 } else { (next - first) / scale.max(f64::MIN_POSITIVE) };
            self.decisions.push(Decision { kind: "score", margin, choice: pair[0] as u64 });
        }
        order.truncate(count);
        order
    }

    /// Maxvol: the largest entry of V V(q, :)^-1 moves in for the index of its column, as long as it is large. Of
    /// `count` indices those beyond V's columns are yet to be filled.
    fn swapped<R: Real>(&mut self, v: &Mat<R>, start: Vec<usize>, count: usize) -> Vec<usize> {
        let mut chosen = start;
        let mut filled = chosen.clone();
        fill(&mut filled, count);
        let fills: Vec<usize> = filled[chosen.len()..].to_vec();
        for swap in 0.. {
            let inner = transposed(&Mat::from_fn(chosen.len(), v.ncols(), |a, b| v[(chosen[a], b)]));
            let weights = inner.partial_piv_lu().solve(v.transpose());
            let at = |flat: usize| (flat / v.nrows(), flat % v.nrows());
            // A fill belongs to a column of its own.
            let size = |flat: usize| if fills.contains(&at(flat).1) { 0.0 } else { weights[at(flat)].to_f64().abs() };
            let sizes: Vec<f64> = (0..v.ncols() * v.nrows()).map(size).collect();
            let Some(most) = (0..sizes.len()).max_by(|&x, &y| sizes[x].total_cmp(&sizes[y]).then(y.cmp(&x))) else {
                break;
            };
            if !exceeds("swap", sizes[most], Select::DOMINANCE, 1.0, self.decisions) {
                break;
            }
            if swap == Select::SWAPS * count {
                self.settled = false;
                break;
            }
            self.best("swap", &sizes, &[], sizes[most]);
            let (slot, candidate) = at(most);
            chosen[slot] = candidate;
        }
        chosen.extend(fills);
        chosen
    }

    /// The largest of those that are not taken, the first of equals, with its lead over the next relative to `scale`
    /// (to itself where that is 0).
    fn best(&mut self, kind: &'static str, sizes: &[f64], taken: &[usize], scale: f64) -> usize {
        let mut order: Vec<usize> = (0..sizes.len()).filter(|i| !taken.contains(i)).collect();
        order.sort_by(|&i, &j| sizes[j].total_cmp(&sizes[i]));
        let first = order[0];
        let scale = if scale == 0.0 { sizes[first] } else { scale };
        let margin = match order.get(1) {
            Some(&next) if scale > 0.0 => ((sizes[first] - sizes[next]) / scale).min(1.0),
            _ => 1.0,
        };
        self.decisions.push(Decision { kind, margin, choice: first as u64 });
        first
    }

    /// The first positions in the order of random words.
    fn shuffled(&self, size: usize, count: usize, stream: u32) -> Vec<usize> {
        let words = random::words(self.cur.seed, stream, size);
        let mut order: Vec<usize> = (0..size).collect();
        order.sort_by_key(|&i| words[i]);
        order.truncate(count);
        order
    }

    /// Numbers in (-1/2, 1/2) that every precision holds.
    fn sketch<R: Real>(&self, rows: usize, cols: usize, stream: u32) -> Mat<R> {
        let numbers = random::uniform(self.cur.seed, stream, rows * cols);
        Mat::from_fn(rows, cols, |i, j| R::from_f64(numbers[i * cols + j] - 0.5 + 2f64.powi(-25)))
    }
}

/// The lowest candidates that are not there, until there are `count`.
fn fill(chosen: &mut Vec<usize>, count: usize) {
    for candidate in 0.. {
        if chosen.len() >= count {
            break;
        }
        if !chosen.contains(&candidate) {
            chosen.push(candidate);
        }
    }
}

fn length<R: Real>(x: &Mat<R>) -> R {
    (0..x.nrows()).fold(R::zero(), |sum, i| sum + x[(i, 0)] * x[(i, 0)]).sqrt()
}
