//! Search as something to be verified: its random problems, its ties and degenerate inputs.

use proptest::prelude::*;
use proptest::strategy::BoxedStrategy;
use tandem_compile::{DType, Graph, HostArray, Result, Tensor, TensorType, trace};
use tandem_verify::strategy::{MatrixCase, matrices};
use tandem_verify::{Batch, Law, Matrix, Outcome, Real, Subject};

use super::{Search, laws, reference, uniform_anchors};

/// The outputs in the order in which users know them.
pub const OUTPUTS: [&str; 3] = ["scores", "top_index", "top_score"];

/// A problem: a whole score matrix, of which the search is given a part.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// A, `[p + queries, items]`: the anchor queries, then those that are searched for.
    pub scores: MatrixCase,
    /// The number of queries that are searched for.
    pub queries: usize,
    /// The number of anchor items, which are uniform with the matrix's seed.
    pub anchors: usize,
    /// The parameters.
    pub search: Search,
    /// What is done to the problem before it is used.
    pub twist: Twist,
}

/// How a special case departs from random data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twist {
    /// Nothing.
    None,
    /// A = 0.
    Zero,
    /// Entries rounded to -1, 0 or 1 times the scale: many ties.
    Ternary,
    /// The second anchor query is the first, and the second anchor item too.
    Twins,
    /// All items have the scores of the first.
    EqualItems,
    /// The anchors' columns are zero, and no others.
    BlindAnchors,
    /// The first anchor item is an anchor twice.
    RepeatedAnchor,
    /// One entry of the anchor rows is NaN.
    NanInRows,
    /// One entry of the anchor rows is infinite, outside of the intersection.
    InfinityInRows,
    /// One score of the first query is NaN.
    NanInQuery,
    /// One score of the last query is infinite, and the first query's are zero.
    InfinityInQuery,
    /// An anchor is the item after the last.
    AnchorOutside,
    /// An anchor is item -1.
    NegativeAnchor,
}

impl Case {
    /// The number of anchor queries.
    pub fn p(&self) -> usize {
        self.scores.rows - self.queries
    }

    /// The anchor items.
    pub fn items(&self) -> Vec<i32> {
        let mut items: Vec<i32> =
            uniform_anchors(self.scores.seed, self.scores.cols, self.anchors).into_iter().map(|i| i as i32).collect();
        match self.twist {
            Twist::RepeatedAnchor => items[1] = items[0],
            Twist::AnchorOutside => items[0] = self.scores.cols as i32,
            Twist::NegativeAnchor => items[0] = -1,
            _ => {}
        }
        items
    }

    /// A in the precision under test, before bad numbers come in.
    pub fn whole(&self, dtype: DType) -> Matrix {
        let (rows, cols, scale) = (self.scores.rows, self.scores.cols, 2f64.powi(self.scores.exponent));
        let values = self.scores.matrix(dtype).to_f64();
        let plain = |i: usize, j: usize| values[i * cols + j];
        let items = self.items();
        Matrix::from_fn(rows, cols, |i, j| match self.twist {
            Twist::Zero => 0.0,
            Twist::Ternary => (plain(i, j) / scale).clamp(-1.0, 1.0).round() * scale,
            Twist::Twins => {
                let twin = if items.get(1) == Some(&(j as i32)) { items[0] as usize } else { j };
                plain(if i == 1 { 0 } else { i }, twin)
            }
            Twist::EqualItems => plain(i, 0),
            Twist::BlindAnchors if items.contains(&(j as i32)) => 0.0,
            Twist::InfinityInQuery if i == self.p() => 0.0,
            _ => plain(i, j),
        })
    }
}

/// Search and its reference.
#[derive(Debug, Clone, Copy)]
pub struct SearchSubject;

impl Subject for SearchSubject {
    type Case = Case;

    fn name(&self) -> &'static str {
        "cur-search"
    }

    fn factor(&self) -> f64 {
        16.0
    }

    fn outputs(&self) -> &'static [&'static str] {
        &OUTPUTS
    }

    fn strategy(&self) -> BoxedStrategy<Case> {
        // Few shapes, for each is compiled: p, items, queries, q, topk.
        let shapes = prop_oneof![Just((8, 15, 3, 4, 3)), Just((4, 15, 3, 7, 15)), Just((5, 12, 2, 5, 1)),];
        // Of full rank with nothing cut off but rounding, or of a low rank that is far from the cut on both sides:
        // what is within rounding of the cut is decided by rounding alone.
        (matrices(16, 24, 0, 40), shapes, 1..4usize, any::<bool>())
            .prop_map(|(mut scores, (p, items, queries, anchors, topk), rank, low)| {
                (scores.rows, scores.cols) = (p + queries, items);
                let full = p.min(anchors);
                scores.rank = if low { rank.min(full) } else { (p + queries).min(items) };
                let search = Search::new(topk).rcond(if low { 1e-3 } else { 0.0 });
                Case { scores, queries, anchors, search, twist: Twist::None }
            })
            .boxed()
    }

    fn special(&self) -> Vec<(&'static str, Case)> {
        let scores = MatrixCase { seed: 5, rows: 9, cols: 15, rank: 9, decades: 1, exponent: 0 };
        let plain = Case { scores, queries: 3, anchors: 4, search: Search::new(5), twist: Twist::None };
        let twisted = |twist| Case { twist, ..plain.clone() };
        let sized = |rows, cols, queries, anchors, topk| Case {
            scores: MatrixCase { rows, cols, rank: rows.min(cols), ..scores },
            queries,
            anchors,
            search: Search::new(topk),
            twist: Twist::None,
        };
        let matrix = |scores: MatrixCase| Case { scores, ..plain.clone() };
        vec![
            ("zero", twisted(Twist::Zero)),
            ("ties", twisted(Twist::Ternary)),
            ("two equal anchor queries and anchor items", twisted(Twist::Twins)),
            ("equal items", twisted(Twist::EqualItems)),
            ("anchors that see nothing", twisted(Twist::BlindAnchors)),
            ("an anchor twice", twisted(Twist::RepeatedAnchor)),
            ("NaN in the anchor rows", twisted(Twist::NanInRows)),
            ("infinity in the anchor rows", twisted(Twist::InfinityInRows)),
            ("NaN in a query", twisted(Twist::NanInQuery)),
            ("infinity in a query, and zeros in another", twisted(Twist::InfinityInQuery)),
            ("an anchor outside", twisted(Twist::AnchorOutside)),
            ("a negative anchor", twisted(Twist::NegativeAnchor)),
            ("rank one", matrix(MatrixCase { rank: 1, ..scores })),
            (
                "rank below the anchors",
                Case { search: Search::new(5).rcond(1e-4), ..matrix(MatrixCase { rank: 3, ..scores }) },
            ),
            ("an ill conditioned intersection", matrix(MatrixCase { decades: 7, ..scores })),
            ("large numbers", matrix(MatrixCase { exponent: 56, ..scores })),
            ("small numbers", matrix(MatrixCase { exponent: -60, ..scores })),
            ("one anchor item", sized(9, 15, 3, 1, 5)),
            ("one anchor query", sized(4, 15, 3, 4, 5)),
            ("a square intersection", sized(7, 15, 3, 4, 5)),
            ("more anchor items than anchor queries", sized(6, 15, 3, 8, 5)),
            ("every item an anchor", sized(20, 6, 2, 6, 6)),
            ("one of everything", sized(2, 1, 1, 1, 1)),
        ]
    }

    fn inputs(&self, case: &Case, dtype: DType) -> Vec<HostArray> {
        let (whole, p, items) = (case.whole(dtype), case.p(), case.items());
        let mut rows = Matrix::from_fn(p, whole.cols, |i, j| whole.at(i, j));
        // An anchor outside of the items has no column; what is known of it is whatever the first one says.
        let column = |item: i32| usize::try_from(item).ok().filter(|&item| item < whole.cols).unwrap_or(0);
        let mut known = Matrix::from_fn(case.queries, items.len(), |i, j| whole.at(p + i, column(items[j])));
        let last = known.values.len() - 1;
        match case.twist {
            Twist::NanInRows => rows.values[1] = f64::NAN,
            Twist::InfinityInRows => {
                let outside = (0..whole.cols).find(|&item| !items.contains(&(item as i32))).unwrap_or(0);
                rows.values[outside] = f64::INFINITY;
            }
            Twist::NanInQuery => known.values[0] = f64::NAN,
            Twist::InfinityInQuery => known.values[last] = f64::INFINITY,
            _ => {}
        }
        let rounded = |m: Matrix| match dtype {
            DType::F64 => HostArray::from_fn([m.rows, m.cols], |i| m.values[i]),
            _ => HostArray::from_fn([m.rows, m.cols], |i| m.values[i] as f32),
        };
        vec![rounded(rows), HostArray::from_fn([items.len()], |i| items[i]), rounded(known)]
    }

    fn graph(&self, case: &Case, inputs: &[TensorType]) -> Result<Graph> {
        let search =
            |(rows, items, known): (Tensor, Tensor, Tensor)| case.search.trace(&rows, &items, &known).into_vec();
        trace(search, inputs)
    }

    fn reference<R: Real>(&self, case: &Case, inputs: &[HostArray], u: f64) -> Outcome<R> {
        reference::find(&case.search, &inputs[0], &inputs[1], &inputs[2], u)
    }

    fn laws(&self) -> Vec<Law<Case>> {
        laws::laws()
    }

    /// The queries.
    fn batch(&self) -> Option<Batch> {
        Some(Batch { input: 2, axis: 0, outputs: &[Some(0); OUTPUTS.len()] })
    }
}
