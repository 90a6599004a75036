//! Retrieval with an expensive score as one call: an index on a device, a black box on the host.

use ndarray::ArrayView2;
use tandem_algos::retrieval::{CurIndex, Plan, Scored, Search, complete, scores, search};
use tandem_compile::pjrt::{Buffer, Device};
use tandem_compile::{DType, Element, Error, HostArray, Jit, Result, Tensor, jit};
use tandem_verify::status::Status;

/// A program of one result, kept for every shape of its arguments.
type Program<I> = Jit<Traced<I>, I, Tensor>;
type Traced<I> = Box<dyn Fn(I) -> Tensor + Send + Sync>;

/// An index on a device: the anchor rows and what completes new ones ([`tandem_algos::retrieval`]).
///
/// ```
/// use tandem::prelude::*;
///
/// # fn main() -> tandem::Result<()> {
/// // The expensive score: in truth a function of few features of query and item.
/// let score = |query: usize, item: usize| ((query * 7 % 11) * (item * 5 % 13)) as f64 - (query * item % 3) as f64;
/// let items = 50;
/// // Offline: 20 queries are scored against all items. Of those, 10 are anchors for everyone.
/// let rows = ndarray::Array2::from_shape_fn((20, items), |(query, item)| score(query, item));
/// let retriever = Retriever::new(&Device::default()?, rows.view(), &uniform_anchors(1, items, 10), 0.0)?;
/// // Online: the 3 best items of two new queries, 16 of 50 scores each.
/// let found = retriever.search(&Plan::new(3, 16).anchors(10), 2, |query, item| score(20 + query, item))?;
/// assert_eq!((found[0].items.len(), found[1].items.len()), (3, 3));
/// let best = (0..items).map(|item| score(20, item)).fold(f64::NEG_INFINITY, f64::max);
/// assert_eq!(found[0].scores[0], best);
/// # Ok(())
/// # }
/// ```
pub struct Retriever {
    rows: Buffer,
    e: Buffer,
    anchors: Vec<usize>,
    items: usize,
    dtype: DType,
    status: Status,
    /// c E.
    same_anchors: Program<(Tensor, Tensor)>,
    /// Every query from anchors of its own.
    own_anchors: Program<(Tensor, Tensor, Tensor, Tensor)>,
}

impl Retriever {
    /// Builds the index on `device`: `rows` are the anchor queries' scores against all items, `[p, items]`, f32 or f64;
    /// `anchors` the items that every query is scored against first. `rcond` as in
    /// [`Search`], 0 for what is rounding.
    ///
    /// # Errors
    /// Shapes and positions that do not fit, in one line, or what the device reports.
    pub fn new<T: Element>(device: &Device, rows: ArrayView2<'_, T>, anchors: &[usize], rcond: f64) -> Result<Self> {
        let search = Search::new(1).rcond(rcond);
        let (items, q) = (rows.ncols(), anchors.len());
        search.check(rows.shape(), &[q], &[1, q]).map_err(Error::Host)?;
        let index: Vec<i32> = anchors.iter().map(|&item| i32::try_from(item).unwrap_or(i32::MAX)).collect();
        Search::check_anchors(&index, items).map_err(Error::Host)?;
        let rows = device.upload(&HostArray::new(rows.shape(), rows.iter().copied().collect::<Vec<T>>())?)?;
        let rcond = (rcond > 0.0).then_some(rcond);
        let build = |(rows, index): (Tensor, Tensor)| {
            let CurIndex { e, status, .. } = CurIndex::build(&rows, &index, rcond);
            (e, status)
        };
        let (e, status): (Buffer, i32) = jit(build).on(device).call((&rows, &index[..]))?;
        let same: Traced<(Tensor, Tensor)> = Box::new(|(e, known)| scores(&e, &known));
        let own: Traced<(Tensor, Tensor, Tensor, Tensor)> =
            Box::new(move |(rows, items, known, count)| complete(&rows, &items, &known, &count, rcond));
        Ok(Self {
            rows,
            e,
            anchors: anchors.to_vec(),
            items,
            dtype: T::DTYPE,
            status: Status(status),
            same_anchors: jit(same).on(device),
            own_anchors: jit(own).on(device),
        })
    }

    /// What the index says about itself: a rank below what p and q allow, for example.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The best items of `queries` new queries within the plan's budget, by exact scores. `score(query, item)` is the black
    /// box: called `plan.budget` times per query, never twice for the same item.
    ///
    /// # Errors
    /// A plan that cannot be, in one line, or what the device reports.
    pub fn search(&self, plan: &Plan, queries: usize, score: impl FnMut(usize, usize) -> f64) -> Result<Vec<Scored>> {
        self.search_from(plan, &vec![self.anchors.clone(); queries], score)
    }

    /// As [`search`](Self::search), from each query's own anchors, such as the first of a cheap retriever's list: `first`
    /// holds `plan.anchors` items for every query.
    ///
    /// # Errors
    /// As [`search`](Self::search), or anchors that are no items or stand twice.
    pub fn search_from(
        &self,
        plan: &Plan,
        first: &[Vec<usize>],
        score: impl FnMut(usize, usize) -> f64,
    ) -> Result<Vec<Scored>> {
        plan.check(self.items).map_err(Error::Host)?;
        for anchors in first {
            if anchors.len() != plan.anchors {
                let (given, planned) = (anchors.len(), plan.anchors);
                return Err(Error::Host(format!("there are {given} anchors for a query and {planned} in the plan")));
            }
            let index: Vec<i32> = anchors.iter().map(|&item| i32::try_from(item).unwrap_or(i32::MAX)).collect();
            Search::check_anchors(&index, self.items).map_err(Error::Host)?;
        }
        // As many as the last round starts from: one program for all rounds.
        let width = plan.budget - plan.steps().last().copied().unwrap_or(0);
        search(plan, self.items, first, |known| self.complete(known, width), score)
    }

    /// The completed rows of queries of which equally many scores are known, at most `width`.
    fn complete(&self, known: &[Scored], width: usize) -> Result<Vec<Vec<f64>>> {
        let (queries, count) = (known.len(), known.first().map_or(0, |known| known.items.len()));
        if queries == 0 {
            return Ok(Vec::new());
        }
        let completed: HostArray = if known.iter().all(|known| known.items == self.anchors) {
            let scores = HostArray::from_fn([queries, count], |at| known[at / count].scores[at % count]);
            self.same_anchors.call((&self.e, &scores.cast(self.dtype)?))?
        } else {
            let there = |at: usize| (at % width < count).then_some((at / width, at % width));
            let items =
                HostArray::from_fn([queries, width], |at| there(at).map_or(0, |(i, j)| known[i].items[j] as i32));
            let scores = HostArray::from_fn([queries, width], |at| there(at).map_or(0.0, |(i, j)| known[i].scores[j]));
            self.own_anchors.call((&self.rows, &items, &scores.cast(self.dtype)?, count as i32))?
        };
        Ok(completed.to_f64().chunks(self.items).map(<[f64]>::to_vec).collect())
    }
}
