//! Retrieval with an expensive score: the score matrix A (queries x items) is completed from a few of its entries by a
//! CUR decomposition (Yadav, Monath, Angell, Zaheer and McCallum, "Efficient nearest neighbor search for cross-encoder
//! models using matrix factorization", EMNLP 2022: ANNCUR).
//!
//! A is a black box, and every entry costs a call: a cross-encoder, a simulation, a person. Offline, the *anchor
//! queries* P are scored against all items, R = A(P, :) `[p, items]`. A new query is scored against the *anchor items*
//! Q alone, c `[q]`, and its whole row is completed:
//!
//! - index: U = pinv(A(P, Q)) `[q, p]`, singular values up to `rcond` of the largest as zero, and E = U R `[q, items]`;
//! - query: scores = c E, and of these the k largest.
//!
//! In other words, the query's row is that combination of the anchor queries' rows, of the smallest norm, which comes
//! closest to what is known of it. Where all of A is at hand, U = pinv(C) A pinv(R) with C = A(:, Q) is the best core in
//! the Frobenius norm ([`CurIndex::optimal`]).
//!
//! What is completed serves to choose which entries to pay for: within a *budget* of score calls per query, the anchors'
//! calls included, the best of the completed items are scored exactly, and what is found is ranked by exact scores
//! ([`Plan`], [`search`]). Done in rounds that complete anew from all that is known so far, this is ADACUR (Yadav et al.,
//! "Adaptive retrieval and scalable indexing for k-NN search with cross-encoders", ICLR 2024).
//!
//! Exact (up to rounding times the condition of the intersection) where rank A(P, Q) = rank A. Where the intersection
//! has independent columns (rows), the completion reproduces what was given at the anchor items (the anchor queries'
//! rows), whatever A is. It fails where A is far from low rank on the scale of p and q, and where the intersection is ill
//! conditioned: a square one is the worst choice, and `rcond` or more anchor queries than anchor items help.
//!
//! Cost: offline one singular value decomposition of `[p, q]`, 2 p q items flops, and memory for E, q items numbers; a
//! query 2 q items flops. With anchors of its own, a query costs a decomposition of `[q, p]` and 2 p items flops.
//!
//! Degenerate inputs: where A(P, Q) = 0 all scores are 0 ([`Status::DEGENERATE`]); where fewer than min(p, q) singular
//! values count, an item stands twice among the anchors for example, the rest is completed from those that do
//! ([`Status::RANK_DEFICIENT`]). A bad number in R, or an anchor that is no item, poisons everything; one among a query's
//! scores that query alone.
//!
//! ```
//! use faer::{Mat, mat};
//! use tandem_algos::retrieval::CurIndex;
//! use tandem_compile::{Tensor, jit};
//!
//! // Every row of the score matrix is a combination of two.
//! let anchor_rows = mat![[1.0, 0.0, 2.0, 3.0], [0.0, 1.0, 1.0, -1.0]];
//! let index = jit(|(rows, items): (Tensor, Tensor)| CurIndex::build(&rows, &items, None));
//! let (u, e, rank, status): (Mat<f64>, Mat<f64>, i32, i32) = index.call((&anchor_rows, &[0i32, 3][..]))?;
//! assert_eq!((u.nrows(), u.ncols(), rank, status), (2, 2, 2, 0));
//! // Of a new query only the scores against items 0 and 3 are known: it is twice the first row and once the second.
//! let scores = mat![[2.0, 5.0]] * &e;
//! let expected = [2.0, 1.0, 5.0, 5.0];
//! assert!((0..4).all(|item| (scores[(0, item)] - expected[item]).abs() < 1e-12));
//! # Ok::<(), tandem_compile::Error>(())
//! ```
//!
//! [`Status::DEGENERATE`]: tandem_verify::status::Status::DEGENERATE
//! [`Status::RANK_DEFICIENT`]: tandem_verify::status::Status::RANK_DEFICIENT

pub mod budget;
pub mod graph;
pub mod laws;
pub mod reference;
pub mod subject;

pub use budget::{Plan, Scored, search, uniform_anchors};
pub use graph::{CurIndex, Found, complete, scores};

/// The parameters of a search; a builder.
///
/// ```
/// use tandem_algos::retrieval::Search;
///
/// let search = Search::new(10).rcond(0.05);
/// assert!(search.check(&[100, 800], &[50], &[60, 50]).is_ok());
/// let error = search.check(&[100, 800], &[50], &[60, 40]).unwrap_err();
/// assert_eq!(error, "query_scores has shape [60, 40], expected [queries, 50]: one score per anchor item");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// How many items are named per query, at least 1 and at most all.
    pub topk: usize,
    /// Singular values of the intersection of at most `rcond` times the largest count as zero; 0 stands for
    /// max(p, q) eps, in `[0, 1)`.
    pub rcond: f64,
}

impl Search {
    /// The `topk` best items per query, and nothing cut off but what is rounding.
    pub fn new(topk: usize) -> Self {
        Self { topk, rcond: 0.0 }
    }

    /// Sets which singular values of the intersection count as zero.
    pub fn rcond(self, rcond: f64) -> Self {
        Self { rcond, ..self }
    }

    /// What [`CurIndex::build`] is told.
    pub(crate) fn cut(&self) -> Option<f64> {
        (self.rcond > 0.0).then_some(self.rcond)
    }

    /// Checks the parameters against the shapes of the anchor rows `[p, items]`, of the anchor items `[q]` and of the
    /// queries' scores `[queries, q]`.
    ///
    /// # Errors
    /// What does not fit or is out of range, in one line.
    pub fn check(&self, rows: &[usize], index: &[usize], scores: &[usize]) -> Result<(), String> {
        let &[p, items] = rows else {
            return Err(format!("anchor_rows must be a matrix [p, items], it has shape {rows:?}"));
        };
        let &[q] = index else {
            return Err(format!("item_index must be a vector [q] of positions of items, it has shape {index:?}"));
        };
        let &[queries, known] = scores else {
            return Err(format!("query_scores must be a matrix [queries, q], it has shape {scores:?}"));
        };
        if known != q {
            return Err(format!(
                "query_scores has shape {scores:?}, expected [queries, {q}]: one score per anchor item"
            ));
        }
        if p == 0 || items == 0 || q == 0 || queries == 0 {
            return Err(format!(
                "anchor_rows is {rows:?}, item_index {index:?} and query_scores {scores:?}; every size must be at least 1"
            ));
        }
        if self.topk == 0 || self.topk > items {
            return Err(format!("topk = {}: between 1 and the number of items, {items}, is supported", self.topk));
        }
        if !(self.rcond >= 0.0 && self.rcond < 1.0) {
            return Err(format!("rcond = {}: the cut of the singular values must be in [0, 1)", self.rcond));
        }
        match items <= i32::MAX as usize {
            true => Ok(()),
            false => Err(format!("there are {items} items; at most {} are supported", i32::MAX)),
        }
    }

    /// Checks that the anchors are items, and each only once: a second score of the same item would be paid for
    /// nothing.
    ///
    /// # Errors
    /// Which anchor is wrong, in one line.
    pub fn check_anchors(index: &[i32], items: usize) -> Result<(), String> {
        let mut seen = std::collections::HashMap::new();
        for (at, &item) in index.iter().enumerate() {
            if usize::try_from(item).map_or(true, |item| item >= items) {
                return Err(format!("item_index[{at}] is {item}; the items are 0 to {}", items.saturating_sub(1)));
            }
            if let Some(first) = seen.insert(item, at) {
                return Err(format!("item_index[{at}] is {item}, and so is item_index[{first}]; anchors must differ"));
            }
        }
        Ok(())
    }
}
