//! Which rows and columns, as traced loops of a static number of steps: masks instead of exchanges.

use tandem_compile::{DType, Tensor, fori_loop, full, iota, number, random, scalar, while_loop, zeros};
use tandem_linalg::scale::max_abs;
use tandem_linalg::{solve, svd};

use super::negligible;
use crate::cur::{Cur, Select};

/// The chosen rows and columns.
pub(in crate::cur) struct Picks {
    /// i32 `[r]`.
    pub rows: Tensor,
    /// i32 `[c]`.
    pub cols: Tensor,
    /// Whether some were chosen only because nothing was left, bool.
    pub deficient: Tensor,
    /// Whether the search ended before its limit, bool.
    pub settled: Tensor,
}

/// Candidates chosen one after the other: which, i32 `[k]`, and whether some were fills.
pub(in crate::cur) struct Chosen {
    /// i32 `[k]`.
    pub index: Tensor,
    /// Whether there was nothing left to choose by, bool.
    pub deficient: Tensor,
}

impl Cur {
    /// The rows and columns of `a` (`[m, n]`, finite, scaled).
    #[track_caller]
    pub(in crate::cur) fn picks(&self, a: &Tensor) -> Picks {
        match self.select {
            Select::Qr => self.by_pivoted_qr(a),
            Select::Lu => self.by_sketch(a),
            Select::Uniform => self.uniform([a.dim(0), a.dim(1)], &max_abs(a).eq(0.0)),
            _ => {
                let (u, s, vh) = svd(a);
                self.by_vectors([a.dim(0), a.dim(1)], &u, &s, &vh)
            }
        }
    }

    /// From leading singular vectors of a `[m, n]` matrix, the left ones in columns and the right ones in rows.
    #[track_caller]
    pub(in crate::cur) fn by_vectors(&self, [m, n]: [usize; 2], u: &Tensor, s: &Tensor, vh: &Tensor) -> Picks {
        let kept = s.gt(s.slice(0, 0, 1) * negligible(m, n, s.dtype()));
        let (kept_rows, kept_cols) = (kept.slice(0, 0, self.rows), kept.slice(0, 0, self.cols));
        let deficient = !kept.slice(0, 0, self.rows.max(self.cols)).all();
        let rows = self.choose(&u.slice(1, 0, self.rows).t(), &kept_rows, Stream::Rows);
        let cols = self.choose(&vh.slice(0, 0, self.cols), &kept_cols, Stream::Cols);
        let settled = rows.1 & cols.1;
        Picks {
            rows: rows.0.index,
            cols: cols.0.index,
            deficient: deficient | rows.0.deficient | cols.0.deficient,
            settled,
        }
    }

    /// From singular vectors in rows, `[k, n]`, of which the `kept` ones count; and whether the search has settled.
    #[track_caller]
    fn choose(&self, vt: &Tensor, kept: &Tensor, stream: Stream) -> (Chosen, Tensor) {
        let vt = kept.reshape([vt.dim(0), 1]).select(vt, 0.0);
        let count = vt.dim(0);
        let chosen = match self.select {
            Select::Qdeim => pivots(&vt, count, rounding(count, vt.dtype())),
            Select::Leverage | Select::LeverageSampled => {
                let scores = leverage_scores(&vt.slice(0, 0, self.rank()));
                let index = match self.select {
                    Select::Leverage => scores.argsort(0, true).slice(0, 0, count),
                    _ => self.sample(&scores, count, stream),
                };
                Chosen { index, deficient: scalar(false) }
            }
            Select::Maxvol => return maxvol(&vt, kept),
            _ => eliminate(&vt, rounding(count, vt.dtype())),
        };
        (chosen, scalar(true))
    }

    /// The first `count` of exponential clocks that run at the rates `scores`: a sample without replacement, the same
    /// as the largest of log(score) + Gumbel noise.
    #[track_caller]
    fn sample(&self, scores: &Tensor, count: usize, stream: Stream) -> Tensor {
        let none = scores.max().eq(0.0);
        let rate = none.select(1.0, scores);
        // 1 - u is in (0, 1] and exact in either precision.
        let waiting = -(1.0 - random::uniform(self.key(stream), [scores.dim(0)], scores.dtype())).log();
        let clock = rate.gt(0.0).select(waiting / &rate, f64::INFINITY);
        clock.argsort(0, false).slice(0, 0, count)
    }

    #[track_caller]
    fn by_pivoted_qr(&self, a: &Tensor) -> Picks {
        let floor = negligible(a.dim(0), a.dim(1), a.dtype());
        let cols = pivots(a, self.cols, floor);
        // C has no more than c independent rows.
        let rows = match self.rows <= self.cols {
            true => pivots(&a.take(&cols.index, 1).t(), self.rows, floor),
            false => pivots(&a.t(), self.rows, floor),
        };
        Picks::of(rows, cols)
    }

    #[track_caller]
    fn by_sketch(&self, a: &Tensor) -> Picks {
        let (m, n) = (a.dim(0), a.dim(1));
        let floor = negligible(m, n, a.dtype());
        let cols = eliminate(&self.sketch(self.cols, m, Stream::Cols, a.dtype()).dot(a), floor);
        let rows = match self.rows <= self.cols {
            true => eliminate(&a.take(&cols.index.slice(0, 0, self.rows), 1).t(), floor),
            false => eliminate(&self.sketch(self.rows, n, Stream::Rows, a.dtype()).dot(&a.t()), floor),
        };
        Picks::of(rows, cols)
    }

    /// Uniform in (-1/2, 1/2), odd multiples of 2^-25: the same numbers in every precision.
    #[track_caller]
    pub(in crate::cur) fn sketch(&self, rows: usize, cols: usize, stream: Stream, dtype: DType) -> Tensor {
        random::uniform(self.key(stream), [rows, cols], dtype) - (0.5 - 2f64.powi(-25))
    }

    #[track_caller]
    pub(in crate::cur) fn uniform(&self, [m, n]: [usize; 2], zero: &Tensor) -> Picks {
        let sample = |size: usize, count: usize, stream| {
            let order = random::permutation(self.key(stream), size).slice(0, 0, count);
            // Of a zero matrix the first ones, as by every other rule.
            zero.select(iota([count], 0, DType::I32), order)
        };
        Picks {
            rows: sample(m, self.rows, Stream::Rows),
            cols: sample(n, self.cols, Stream::Cols),
            deficient: scalar(false),
            settled: scalar(true),
        }
    }

    #[track_caller]
    fn key(&self, stream: Stream) -> Tensor {
        random::fold_in(random::key(self.seed), &scalar(stream as i32))
    }
}

/// Rows and columns draw from streams of their own.
#[derive(Debug, Clone, Copy)]
pub(in crate::cur) enum Stream {
    Cols = 0,
    Rows = 1,
}

impl Picks {
    #[track_caller]
    pub(in crate::cur) fn of(rows: Chosen, cols: Chosen) -> Self {
        let deficient = rows.deficient | cols.deficient;
        Picks { rows: rows.index, cols: cols.index, deficient, settled: scalar(true) }
    }
}

/// The leverage scores of singular vectors in rows, `[k, n]`: `[n]`, between 0 and 1/k, of sum 1 (k being the number of
/// rows that are not zero); 0 where all rows are zero.
///
/// ```
/// use tandem_algos::cur::graph::selection::leverage_scores;
/// use tandem_compile::{Tensor, jit};
///
/// let scores = jit(|v: Tensor| leverage_scores(&v));
/// let l: Vec<f64> = scores.call(&ndarray::array![[0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])?;
/// assert!((l[0] - 0.18).abs() < 1e-15 && (l[2] - 0.5).abs() < 1e-15);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn leverage_scores(vt: &Tensor) -> Tensor {
    let count = vt.ne(0.0).any_axes([1]).convert(vt.dtype()).sum();
    vt.square().sum_axes([0]) / count.maximum(1.0)
}

/// LU with partial pivoting by masked elimination: the pivots of the candidates in the columns of `vt` (`[k, n]`, k <=
/// n), one row after the other. A row whose largest entry is at most `floor` of all takes the lowest candidate that is
/// left.
#[track_caller]
pub(in crate::cur) fn eliminate(vt: &Tensor, floor: f64) -> Chosen {
    let (k, n) = (vt.dim(0), vt.dim(1));
    let floor = max_abs(vt) * floor;
    let step = iota([k], 0, DType::I32);
    let start = (vt.clone(), full([n], 0.0, DType::Bool), zeros([k], DType::I32), scalar(false));
    let (.., index, deficient) = fori_loop(0, k as i32, start, |j, (e, used, index, deficient)| {
        let row = e.index(0, &j);
        let best = used.select(-1.0, row.abs()).argmax(0);
        let pivot = row.index(0, &best);
        let found = pivot.abs().gt(&floor);
        let i = found.select(best, lowest_unused(&used));
        let factor = found.select(&row / found.select(pivot, 1.0), 0.0);
        let below = step.gt(&j).select(e.index(1, &i), 0.0);
        let e = e - below.outer(&factor);
        (e, mark(&used, &i), index.dynamic_update_slice(&i.reshape([1]), &[&j]), deficient | !found)
    });
    Chosen { index, deficient }
}

/// The first `count` pivots of QR with column pivoting of `x` (`[d, n]`): the column of what is left that is the
/// longest. Where nothing is left that is longer than `floor` of the first one, the lowest candidate.
///
/// What is left is kept explicitly, and its norms are computed anew in every step: no downdating to lose digits by.
#[track_caller]
pub(in crate::cur) fn pivots(x: &Tensor, count: usize, floor: f64) -> Chosen {
    let n = x.dim(1);
    let squares = |x: &Tensor| x.square().sum_axes([0]);
    let norms = squares(x);
    let floor = norms.max() * floor.powi(2);
    let start = (x.clone(), norms, full([n], 0.0, DType::Bool), zeros([count], DType::I32), scalar(false));
    let (.., index, deficient) = fori_loop(0, count as i32, start, |j, (left, norms, used, index, deficient)| {
        let best = used.select(-1.0, &norms).argmax(0);
        let size = norms.index(0, &best);
        let found = size.gt(&floor);
        let i = found.select(best, lowest_unused(&used));
        let q = found.select(left.index(1, &i) / found.select(size.sqrt(), 1.0), 0.0);
        let left = &left - q.outer(&q.dot(&left));
        let norms = squares(&left);
        (left, norms, mark(&used, &i), index.dynamic_update_slice(&i.reshape([1]), &[&j]), deficient | !found)
    });
    Chosen { index, deficient }
}

/// Swaps until no entry of V V(q, :)^-1 exceeds [`Select::DOMINANCE`], from the pivots of [`eliminate`] on. vt: V',
/// `[k, n]`, with zeros in the rows that are not `kept`, whose indices stay. Also whether it came to that before the
/// limit.
#[track_caller]
fn maxvol(vt: &Tensor, kept: &Tensor) -> (Chosen, Tensor) {
    let (k, n) = (vt.dim(0), vt.dim(1));
    let dtype = vt.dtype();
    let Chosen { index, deficient } = eliminate(vt, rounding(k, dtype));
    let mine = kept.reshape([k, 1]);
    // A row that is missing becomes the indicator of its index: that submatrix has an inverse.
    let whole = mine.select(vt, index.one_hot(n, dtype));
    let solved = solve(&whole.take(&index, 1), &whole);
    let sizes = |b: &Tensor| mine.select(b.abs(), 0.0).reshape([k * n]);
    let limit = (Select::SWAPS * k) as i32;
    let start = (scalar(0i32), solved, index);
    let (_, b, index) = while_loop(
        start,
        |(count, b, _)| count.lt(limit) & sizes(&b).max().gt(Select::DOMINANCE),
        |(count, b, index)| {
            let at = sizes(&b).argmax(0);
            let (slot, i) = (&at / n as i32, &at % n as i32);
            let row = b.index(0, &slot);
            let unit = iota([k], 0, DType::I32).eq(&slot).convert(dtype);
            let change = (b.index(1, &i) - unit) / row.index(0, &i);
            let b = &b - change.outer(&row);
            (count + 1, b, index.dynamic_update_slice(&i.reshape([1]), &[&slot]))
        },
    );
    let settled = sizes(&b).max().le(number(Select::DOMINANCE, dtype));
    (Chosen { index, deficient }, settled)
}

/// What rounding leaves of orthonormal vectors of which `k` are eliminated.
fn rounding(k: usize, dtype: DType) -> f64 {
    k as f64 * 2.0 * dtype.unit_roundoff()
}

#[track_caller]
fn lowest_unused(used: &Tensor) -> Tensor {
    used.convert(DType::I32).argmin(0)
}

#[track_caller]
fn mark(used: &Tensor, i: &Tensor) -> Tensor {
    used | iota([used.dim(0)], 0, DType::I32).eq(i)
}

#[cfg(test)]
mod tests {
    use tandem_compile::{HostArray, trace};
    use tandem_verify::rng::normal;

    use super::*;

    const K: usize = 4;
    const N: usize = 15;

    /// Orthonormal rows, `[K, N]`: Gram and Schmidt on random ones.
    fn vectors(seed: u64) -> Vec<Vec<f64>> {
        let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(a, b)| a * b).sum::<f64>();
        let mut rows: Vec<Vec<f64>> = Vec::new();
        for row in normal(seed, K * N).chunks(N) {
            let mut row = row.to_vec();
            for _ in 0..2 {
                for q in &rows {
                    let part = dot(&row, q);
                    row.iter_mut().zip(q).for_each(|(x, y)| *x -= part * y);
                }
            }
            let norm = dot(&row, &row).sqrt();
            rows.push(row.into_iter().map(|x| x / norm).collect());
        }
        rows
    }

    fn array(rows: &[Vec<f64>]) -> HostArray {
        HostArray::new([rows.len(), N], rows.concat()).unwrap()
    }

    fn index(rows: &[Vec<f64>], choose: impl Fn(&Tensor) -> Chosen) -> Vec<i32> {
        let graph = trace(|v: Tensor| choose(&v).index, &[array(rows).ty()]).unwrap();
        graph.eval(&[array(rows)]).unwrap()[0].values::<i32>().unwrap().to_vec()
    }

    fn scores(rows: &[Vec<f64>]) -> Vec<f64> {
        let graph = trace(|v: Tensor| leverage_scores(&v), &[array(rows).ty()]).unwrap();
        graph.eval(&[array(rows)]).unwrap()[0].to_f64()
    }

    /// The first two rows turned into each other by an angle whose cosine is 0.6.
    fn rotated(rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let mut turned = rows.to_vec();
        for i in 0..N {
            let (x, y) = (rows[0][i], rows[1][i]);
            (turned[0][i], turned[1][i]) = (0.6 * x + 0.8 * y, 0.6 * y - 0.8 * x);
        }
        turned
    }

    #[test]
    fn signs_of_vectors_do_not_matter_and_rotations_only_to_deim() {
        let mut differ = 0;
        for seed in 0..20 {
            let rows = vectors(seed);
            let flipped: Vec<Vec<f64>> = rows
                .iter()
                .enumerate()
                .map(|(j, row)| row.iter().map(|x| if j % 2 == 0 { -x } else { *x }).collect())
                .collect();
            let deim = |rows: &[Vec<f64>]| index(rows, |v| eliminate(v, 1e-15));
            let qdeim = |rows: &[Vec<f64>]| index(rows, |v| pivots(v, K, 1e-15));
            assert_eq!(deim(&rows), deim(&flipped));
            assert_eq!(qdeim(&rows), qdeim(&flipped));
            assert_eq!(qdeim(&rows), qdeim(&rotated(&rows)));
            differ += usize::from(deim(&rows) != deim(&rotated(&rows)));
            assert_eq!(deim(&rows)[..K - 1], deim(&rows[..K - 1]));
        }
        assert!(differ > 0);
    }

    #[test]
    fn leverage_scores_are_shares_that_rotations_leave() {
        for seed in 0..20 {
            let rows = vectors(seed);
            let (found, turned) = (scores(&rows), scores(&rotated(&rows)));
            assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-14);
            assert!(found.iter().all(|x| (0.0..=1.0 / K as f64 + 1e-14).contains(x)));
            assert!(found.iter().zip(&turned).all(|(x, y)| (x - y).abs() < 1e-15));
        }
    }

    #[test]
    fn of_equal_candidates_the_first_is_chosen_and_the_second_only_when_nothing_else_is_left() {
        // Candidates 1 and 2 are equal, 0 is zero.
        let rows = [vec![0.0, 2.0, 2.0, 1.0], vec![0.0, 1.0, 1.0, 3.0], vec![0.0, 1.0, 1.0, 1.0]];
        let array = HostArray::new([3, 4], rows.concat()).unwrap();
        for choose in [|v: &Tensor| eliminate(v, 1e-12), |v: &Tensor| pivots(v, 3, 1e-12)] {
            let graph = trace(|v: Tensor| (choose(&v).index, choose(&v).deficient), &[array.ty()]).unwrap();
            let out = graph.eval(std::slice::from_ref(&array)).unwrap();
            let index = out[0].values::<i32>().unwrap();
            assert!(index[..2].contains(&1) && index[..2].contains(&3) && index[2] == 0, "{index:?}");
            assert_eq!(out[1].to_f64(), [1.0]);
        }
    }
}
