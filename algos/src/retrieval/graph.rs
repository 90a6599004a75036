//! Completion and search as traced programs.
//!
//! The anchor rows are divided by one power of two and every query's scores by one of their own, so that products stay
//! in range; both are undone exactly.

use tandem_compile::{DType, Tensor, iota, number, scalar, tree};
use tandem_linalg::scale::{max_abs, power_of_two};
use tandem_linalg::{lstsq, svd};
use tandem_verify::status::Status;

use super::Search;

/// What the offline phase leaves behind: the program of a query needs E alone.
#[derive(Debug, Clone)]
pub struct CurIndex {
    /// U `[q, p]`, the core. The status speaks of E alone.
    pub u: Tensor,
    /// E = U R `[q, items]`: what a score against each anchor item says of every item.
    pub e: Tensor,
    /// How many singular values of the intersection count (i32), -1 where there is no index.
    pub rank: Tensor,
    /// The bits of [`Status`], i32.
    pub status: Tensor,
}
tree!(CurIndex { u, e, rank, status });

impl CurIndex {
    /// The index of the anchor rows R = A(P, :), `[p, items]`, and the anchor items Q, positions i32 `[q]`:
    /// U = pinv(A(P, Q)), E = U R.
    ///
    /// `rcond`: singular values of the intersection of at most `rcond` times the largest count as zero; by default
    /// max(p, q) eps. An anchor that is no item makes everything NaN, with [`Status::BREAKDOWN`].
    #[track_caller]
    pub fn build(rows: &Tensor, items: &Tensor, rcond: Option<f64>) -> Self {
        let most = max_abs(rows);
        let unit = power_of_two(&most);
        let scaled = rows / &unit;
        let intersection = scaled.take(items, 1);
        let inverse = Pseudoinverse::of(&intersection, rcond);
        let (u, e) = (inverse.matrix() / &unit, inverse.times(&scaled));
        let full = intersection.dim(0).min(intersection.dim(1)) as i32;
        let within = within(items, rows.dim(1));
        finish((u, e, inverse.rank), &most.is_finite(), &within, full, &max_abs(&intersection).eq(0.0))
    }

    /// The index of the best core, U = pinv(C) A pinv(R), where all of `a` (A, `[m, items]`) is at hand: `queries`
    /// (i32 `[p]`) are the rows of R, `items` (i32 `[q]`) the columns of C = A(:, Q). Then C E is the best approximation
    /// of A that columns of C and rows of R span, and its error does not grow with either.
    ///
    /// `rcond` as in [`CurIndex::build`], of C and of R. `rank` is the smaller of theirs.
    #[track_caller]
    pub fn optimal(a: &Tensor, queries: &Tensor, items: &Tensor, rcond: Option<f64>) -> Self {
        let most = max_abs(a);
        let unit = power_of_two(&most);
        let a = a / &unit;
        let (c, r) = (a.take(items, 1), a.take(queries, 0));
        let (left, right) = (Pseudoinverse::of(&c, rcond), Pseudoinverse::of(&r.t(), rcond));
        let u = right.times(&left.times(&a).t()).t();
        let e = u.dot(&r);
        let rank = left.rank.minimum(&right.rank);
        let within = within(items, a.dim(1)) & within(queries, a.dim(0));
        let full = c.dim(0).min(c.dim(1)).min(r.dim(0)).min(r.dim(1)) as i32;
        let zero = max_abs(&c).eq(0.0) | max_abs(&r).eq(0.0);
        finish((u / &unit, e, rank), &most.is_finite(), &within, full, &zero)
    }
}

/// The completed rows c E, `[queries, items]`, of queries whose scores c against the anchor items are `known`, `[queries, q]`,
/// from the E of a [`CurIndex`]. A query with a bad number among its scores has NaN in its row alone.
#[track_caller]
pub fn scores(e: &Tensor, known: &Tensor) -> Tensor {
    let most = known.abs().max_axes([1]).reshape([known.dim(0), 1]);
    let (unit, good) = (power_of_two(&most), most.is_finite());
    // Zeros instead of bad numbers: what a product makes of those is not for one row alone.
    let completed = good.select(known / &unit, 0.0).dot(e) * &unit;
    good.select(completed, number(f64::NAN, e.dtype()))
}

/// A pseudoinverse by the singular values that count, in factors, so that it need not be formed to be applied.
struct Pseudoinverse {
    u: Tensor,
    /// Inverse singular values, zeros for those that do not count, `[k, 1]`.
    inverse: Tensor,
    vh: Tensor,
    /// How many count, i32.
    rank: Tensor,
}

impl Pseudoinverse {
    #[track_caller]
    fn of(m: &Tensor, rcond: Option<f64>) -> Self {
        let (u, s, vh) = svd(m);
        let rounding = 2.0 * m.dtype().unit_roundoff() * m.dim(0).max(m.dim(1)) as f64;
        let counts = s.gt(s.slice(0, 0, 1) * rcond.unwrap_or(rounding));
        let inverse = counts.select(1.0 / &s, 0.0).reshape([s.dim(0), 1]);
        Self { u, inverse, vh, rank: counts.convert(DType::I32).sum() }
    }

    /// V diag(1 / s) (U' b).
    fn times(&self, b: &Tensor) -> Tensor {
        self.vh.contract(&(self.u.contract(b, 0, 0) * &self.inverse), 0, 0)
    }

    fn matrix(&self) -> Tensor {
        (&self.vh * &self.inverse).contract(&self.u, 0, 1)
    }
}

/// Whether all of the positions are those of `size` elements.
fn within(positions: &Tensor, size: usize) -> Tensor {
    (positions.ge(0) & positions.lt(size as i32)).all()
}

/// The index with its status; NaN, and -1 for the rank, where the input is not `finite` or a position not `within`.
fn finish(
    (u, e, rank): (Tensor, Tensor, Tensor),
    finite: &Tensor,
    within: &Tensor,
    full: i32,
    zero: &Tensor,
) -> CurIndex {
    let good = finite & within;
    let nan = number(f64::NAN, e.dtype());
    let sound = max_abs(&e).is_finite();
    let status = Status::traced(
        finite,
        &[
            (Status::RANK_DEFICIENT, &(rank.lt(full) & within)),
            (Status::DEGENERATE, &(zero & within)),
            (Status::BREAKDOWN, &!(&sound & within)),
        ],
    );
    CurIndex { u: good.select(u, &nan), e: good.select(e, &nan), rank: good.select(rank, scalar(-1i32)), status }
}

/// The traced outputs of [`Search::trace`].
#[derive(Debug, Clone)]
pub struct Found {
    /// The completed scores, `[queries, items]`.
    pub scores: Tensor,
    /// The items of the largest completed scores, the largest first and of equals the one that stands first, i32
    /// `[queries, topk]`.
    pub top_index: Tensor,
    /// Their completed scores, `[queries, topk]`.
    pub top_score: Tensor,
    /// The bits of [`Status`], i32.
    pub status: Tensor,
}

impl Found {
    /// The outputs in the order in which they are listed to users, the status last.
    pub fn into_vec(self) -> Vec<Tensor> {
        vec![self.scores, self.top_index, self.top_score, self.status]
    }
}

impl Search {
    /// Traces the completion of queries whose scores against the anchor items `items` (i32 `[q]`) are `known`
    /// (`[queries, q]`), from the anchor rows `rows` (`[p, items]`, f32 or f64).
    ///
    /// The shapes must have passed [`Search::check`]. A query with a bad number among its scores has NaN and -1 in its
    /// own rows, and the status says so.
    #[track_caller]
    pub fn trace(&self, rows: &Tensor, items: &Tensor, known: &Tensor) -> Found {
        let index = CurIndex::build(rows, items, self.cut());
        let scores = scores(&index.e, known);
        let queries = known.dim(0);
        let given = known.is_finite().all_axes([1]).reshape([queries, 1]);
        let (top_score, top_index) = scores.top_k(self.topk);
        // What is NaN though its inputs are finite is not ranked either.
        let ranked = scores.is_nan().any_axes([1]).reshape([queries, 1]);
        let top_index = ranked.select(scalar(-1i32), top_index);
        let broken = (!scores.is_finite() & &given).any() & index.rank.ge(0);
        let own = [(Status::NONFINITE_INPUT, &!given.all()), (Status::BREAKDOWN, &broken)];
        let status = index.status | Status::traced(&scalar(true), &own);
        Found { scores, top_index, top_score, status }
    }
}

/// Completed rows, `[queries, items]`, of queries that have anchors of their own: `items` (i32 `[queries, b]`) are each
/// query's, `known` (`[queries, b]`) their scores, of which the first `count` (i32, a scalar) are there; what stands
/// after them is not read. From the anchor rows `rows`, `[p, items]`.
///
/// One program for every round of an adaptive search: x = c pinv(A(P, Q)), the combination of anchor rows that comes
/// closest to the known scores, and scores = x R. `rcond` as in [`CurIndex::build`]. NaN in a query's scores makes its
/// own row NaN. With the same anchors for all queries this is [`scores()`], at the cost of a singular value
/// decomposition per query.
#[track_caller]
pub fn complete(rows: &Tensor, items: &Tensor, known: &Tensor, count: &Tensor, rcond: Option<f64>) -> Tensor {
    let (queries, b) = (items.dim(0), items.dim(1));
    let there = iota([queries, b], 1, DType::I32).lt(count);
    let known = there.select(known, 0.0);
    let unit = power_of_two(&max_abs(rows));
    let query_unit = power_of_two(&known.abs().max_axes([1])).reshape([queries, 1]);
    let rows = rows / &unit;
    // Rows of zeros for anchors that are not there: they ask for nothing, and the least squares are the same.
    let columns = there.reshape([queries, b, 1]).select(rows.t().take(items, 0), 0.0);
    let x = lstsq(&columns, &(known / &query_unit), rcond);
    x.dot(&rows) * query_unit
}
