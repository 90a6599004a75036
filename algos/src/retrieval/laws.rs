//! What must hold of every search, whatever the rounding.

use tandem_compile::{DType, HostArray};
use tandem_linalg::operation::Operation;
use tandem_verify::status::Status;
use tandem_verify::{Law, Matrix, Outcome, Trial, Verdict};

use super::subject::{Case, Twist};

type Judged = Result<Verdict, String>;

/// The laws by name.
pub fn laws() -> Vec<Law<Case>> {
    vec![
        Law { name: "bad_numbers_poison_what_they_reach_and_no_more", judge: bad_numbers_poison_what_they_reach },
        Law { name: "anchors_that_are_no_items_poison_everything", judge: anchors_that_are_no_items },
        Law { name: "top_names_the_largest_scores_in_order", judge: top_names_the_largest_scores_in_order },
        Law { name: "scores_are_exact_where_the_intersection_has_the_rank", judge: scores_are_exact },
        Law { name: "anchor_items_are_reproduced", judge: anchor_items_are_reproduced },
        Law { name: "anchor_queries_are_reproduced", judge: anchor_queries_are_reproduced },
        Law { name: "row_of_the_completion_is_the_completion_of_the_row", judge: a_row_is_completed_alone },
        Law { name: "permuting_items_permutes_their_scores", judge: permuting_items_permutes_their_scores },
        Law { name: "order_of_the_anchors_does_not_matter", judge: order_of_the_anchors_does_not_matter },
        Law { name: "scaling_by_powers_of_two_is_exact", judge: scaling_by_powers_of_two_is_exact },
        Law { name: "status_tells_the_rank", judge: status_tells_the_rank },
    ]
}

/// What the laws compute with, in f64.
struct Parts {
    rows: Matrix,
    items: Vec<usize>,
    known: Matrix,
    scores: Matrix,
    /// The singular values of the intersection.
    values: Vec<f64>,
    /// How many of them count.
    rank: usize,
    /// How far the singular values that count are from the others and from the cut, in units of the largest; 0 where
    /// rounding may decide which ones do.
    gap: f64,
}

impl Parts {
    fn of(trial: &Trial<Case>) -> Result<Self, String> {
        let [rows, index, known] = trial.inputs else {
            return Err("three inputs are expected".into());
        };
        let matrix = |array: &HostArray| Matrix::from_array(array).ok_or("an input is no matrix");
        let (rows, known) = (matrix(rows)?, matrix(known)?);
        let items: Vec<usize> = index.to_f64().into_iter().map(|item| item as usize).collect();
        let (p, q) = (rows.rows, items.len());
        let intersection = HostArray::from_fn([p, q], |at| rows.at(at / q, items[at % q]));
        let values = Operation::Svd.reference::<f64>(&intersection, None, f64::EPSILON / 2.0).reals("s");
        let most = values.first().copied().unwrap_or(0.0);
        let cut = trial.case.search.cut().unwrap_or(2.0 * trial.u() * p.max(q) as f64);
        let rank = values.iter().take_while(|&&s| s > cut * most).count();
        let (least, next) = (if rank > 0 { values[rank - 1] } else { 0.0 }, values.get(rank).copied().unwrap_or(0.0));
        // A singular value next to the cut may count or not.
        let undecided = most == 0.0 || next > 0.5 * cut * most;
        let gap = if undecided { 0.0 } else { (least - next.max(cut * most)) / most };
        let scores = Matrix { rows: known.rows, cols: rows.cols, values: trial.outcome.reals("scores") };
        Ok(Self { rows, items, known, scores, values, rank, gap })
    }

    /// What rounding may do to a query's scores: the pseudoinverse is that of an intersection off by a few units of its
    /// norm, which moves x by cond |x| of those, and what is cut off lies the gap away. `None` where that may be anything.
    fn slack(&self, trial: &Trial<Case>, query: usize) -> Option<f64> {
        if self.rank == 0 {
            return Some(0.0);
        }
        let (most, least) = (self.values[0], self.values[self.rank - 1]);
        let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
        let known = norm(&mut (0..self.known.cols).map(|j| self.known.at(query, j)));
        let rows = norm(&mut self.rows.values.iter().copied());
        let rounding = 32.0 * trial.u() * (self.rows.rows + self.items.len()) as f64;
        let condition = most / least + 1.0 / self.gap;
        (rounding * condition < 0.1).then(|| rounding * condition * known * rows / least)
    }

    /// The verdict on rows that should be those of `expected`, up to what rounding may do to each; idle where that is more
    /// than the scores themselves.
    fn near(&self, trial: &Trial<Case>, found: &Matrix, expected: &Matrix, what: &str) -> Judged {
        let mut judged = false;
        for query in 0..found.rows {
            let Some(slack) = self.slack(trial, query) else { continue };
            judged = true;
            let mut pairs = (0..found.cols).map(|j| (found.at(query, j), expected.at(query, j)));
            // Not `>`: NaN is too far as well.
            if let Some((x, y)) = pairs.find(|(x, y)| !((x - y).abs() <= slack)) {
                return Ok(Verdict::Broken(format!("{what}: query {query} has {x:e}, expected {y:e} up to {slack:e}")));
            }
        }
        Ok(if judged { Verdict::Holds } else { Verdict::Idle })
    }
}

/// Whether the problem has nothing wrong with it.
fn sound(trial: &Trial<Case>) -> bool {
    trial.finite() && !matches!(trial.case.twist, Twist::AnchorOutside | Twist::NegativeAnchor)
}

fn status(trial: &Trial<Case>) -> Status {
    Status(trial.outcome.status)
}

/// Whether a query's outputs are all NaN and -1, or all of them numbers and items.
fn poisoned(outcome: &Outcome<f64>, query: usize, queries: usize, poisoned: bool) -> bool {
    let part = |len: usize| query * len / queries..(query + 1) * len / queries;
    let reals = ["scores", "top_score"].iter().all(|name| {
        let values = outcome.reals(name);
        values[part(values.len())].iter().all(|x| if poisoned { x.is_nan() } else { x.is_finite() })
    });
    let items = outcome.indices("top_index");
    reals && items[part(items.len())].iter().all(|&item| (item == -1) == poisoned)
}

fn bad_numbers_poison_what_they_reach(trial: &Trial<Case>) -> Judged {
    if matches!(trial.case.twist, Twist::AnchorOutside | Twist::NegativeAnchor) {
        return Ok(Verdict::Idle);
    }
    let bad_rows = trial.inputs[0].first_nonfinite().is_some();
    let (known, queries) = (trial.inputs[2].to_f64(), trial.inputs[2].shape()[0]);
    let q = known.len() / queries;
    let bad = |query: usize| bad_rows || known[query * q..][..q].iter().any(|x| !x.is_finite());
    let right = (0..queries).all(|query| poisoned(trial.outcome, query, queries, bad(query)));
    let flagged = status(trial).has(Status::NONFINITE_INPUT) != trial.finite();
    let unbroken = !status(trial).has(Status::BREAKDOWN);
    Ok(Verdict::of(right && flagged && unbroken, || format!("status {}, {:?}", status(trial), trial.outcome.outputs)))
}

fn anchors_that_are_no_items(trial: &Trial<Case>) -> Judged {
    if sound(trial) || !trial.finite() {
        return Ok(Verdict::Idle);
    }
    let queries = trial.case.queries;
    let right = (0..queries).all(|query| poisoned(trial.outcome, query, queries, true));
    let said = status(trial) == Status::BREAKDOWN;
    Ok(Verdict::of(right && said, || format!("status {}, {:?}", status(trial), trial.outcome.outputs)))
}

fn top_names_the_largest_scores_in_order(trial: &Trial<Case>) -> Judged {
    if !sound(trial) {
        return Ok(Verdict::Idle);
    }
    let (scores, topk) = (trial.outcome.reals("scores"), trial.case.search.topk);
    let items = scores.len() / trial.case.queries;
    let (mut index, mut best) = (Vec::new(), Vec::new());
    for row in scores.chunks(items) {
        let mut order: Vec<usize> = (0..items).collect();
        order.sort_by(|&i, &j| row[j].partial_cmp(&row[i]).unwrap_or(std::cmp::Ordering::Equal));
        index.extend(order[..topk].iter().map(|&item| item as i32));
        best.extend(order[..topk].iter().map(|&item| row[item]));
    }
    let found = (trial.outcome.indices("top_index"), trial.outcome.reals("top_score"));
    let right = found.0 == index && found.1 == best;
    Ok(Verdict::of(right, || format!("{found:?} instead of {index:?} with {best:?}")))
}

/// Where the intersection has the rank that A was made with, and all of its singular values count.
fn scores_are_exact(trial: &Trial<Case>) -> Judged {
    // What is done to A after it is made does not leave it at its rank.
    if !sound(trial) || trial.case.twist != Twist::None {
        return Ok(Verdict::Idle);
    }
    let (case, parts) = (trial.case, Parts::of(trial)?);
    if parts.rank != case.scores.rank {
        return Ok(Verdict::Idle);
    }
    // The entries themselves are rounded, and the completion passes that on as it does its own rounding.
    let whole = case.whole(trial.dtype);
    let truth = Matrix::from_fn(case.queries, whole.cols, |i, j| whole.at(case.p() + i, j));
    parts.near(trial, &parts.scores, &truth, "the completed scores")
}

/// Independent columns of the intersection: what is known of a query comes out again.
fn anchor_items_are_reproduced(trial: &Trial<Case>) -> Judged {
    if !sound(trial) {
        return Ok(Verdict::Idle);
    }
    let parts = Parts::of(trial)?;
    if parts.rank != parts.items.len() {
        return Ok(Verdict::Idle);
    }
    let found = Matrix::from_fn(parts.known.rows, parts.known.cols, |i, j| parts.scores.at(i, parts.items[j]));
    parts.near(trial, &found, &parts.known, "the scores of the anchor items")
}

/// Independent rows of the intersection: an anchor query's row is completed to itself.
fn anchor_queries_are_reproduced(trial: &Trial<Case>) -> Judged {
    if !sound(trial) {
        return Ok(Verdict::Idle);
    }
    let parts = Parts::of(trial)?;
    let (p, queries) = (parts.rows.rows, parts.known.rows);
    if parts.rank != p {
        return Ok(Verdict::Idle);
    }
    let asked = Matrix::from_fn(queries, parts.items.len(), |i, j| parts.rows.at(i % p, parts.items[j]));
    let inputs = [trial.inputs[0].clone(), trial.inputs[1].clone(), array(&asked, trial.dtype)];
    let other = (trial.rerun)(trial.case, &inputs)?;
    let found = Matrix { values: other.reals("scores"), ..parts.scores.clone() };
    let expected = Matrix::from_fn(queries, parts.rows.cols, |i, j| parts.rows.at(i % p, j));
    Parts { known: asked, ..parts }.near(trial, &found, &expected, "the anchor queries' rows")
}

fn a_row_is_completed_alone(trial: &Trial<Case>) -> Judged {
    if !sound(trial) {
        return Ok(Verdict::Idle);
    }
    let parts = Parts::of(trial)?;
    let queries = parts.known.rows;
    // Every query in another one's place.
    let moved = Matrix::from_fn(queries, parts.known.cols, |i, j| parts.known.at(queries - 1 - i, j));
    let inputs = [trial.inputs[0].clone(), trial.inputs[1].clone(), array(&moved, trial.dtype)];
    let other = (trial.rerun)(trial.case, &inputs)?.reals("scores");
    let items = parts.rows.cols;
    let found = Matrix::from_fn(queries, items, |i, j| other[(queries - 1 - i) * items + j]);
    parts.near(trial, &found, &parts.scores, "completed in another place")
}

fn permuting_items_permutes_their_scores(trial: &Trial<Case>) -> Judged {
    if !sound(trial) {
        return Ok(Verdict::Idle);
    }
    let parts = Parts::of(trial)?;
    let items = parts.rows.cols;
    let source = |j: usize| (j + 1) % items;
    let rows = Matrix::from_fn(parts.rows.rows, items, |i, j| parts.rows.at(i, source(j)));
    let place = |item: usize| ((item + items - 1) % items) as i32;
    let index = HostArray::from_fn([parts.items.len()], |i| place(parts.items[i]));
    let inputs = [array(&rows, trial.dtype), index, trial.inputs[2].clone()];
    let other = (trial.rerun)(trial.case, &inputs)?.reals("scores");
    let expected = Matrix::from_fn(parts.known.rows, items, |i, j| parts.scores.at(i, source(j)));
    parts.near(trial, &Matrix { values: other, ..parts.scores.clone() }, &expected, "the items in another order")
}

fn order_of_the_anchors_does_not_matter(trial: &Trial<Case>) -> Judged {
    if !sound(trial) {
        return Ok(Verdict::Idle);
    }
    let parts = Parts::of(trial)?;
    let (p, q) = (parts.rows.rows, parts.items.len());
    let known = Matrix::from_fn(parts.known.rows, q, |i, j| parts.known.at(i, q - 1 - j));
    let rows = Matrix::from_fn(p, parts.rows.cols, |i, j| parts.rows.at(p - 1 - i, j));
    let index = HostArray::from_fn([q], |i| parts.items[q - 1 - i] as i32);
    let inputs = [array(&rows, trial.dtype), index, array(&known, trial.dtype)];
    let other = (trial.rerun)(trial.case, &inputs)?.reals("scores");
    parts.near(trial, &Matrix { values: other, ..parts.scores.clone() }, &parts.scores, "the anchors in another order")
}

/// Of the anchor rows it changes nothing, of a query it scales its own scores.
fn scaling_by_powers_of_two_is_exact(trial: &Trial<Case>) -> Judged {
    if !sound(trial) {
        return Ok(Verdict::Idle);
    }
    let parts = Parts::of(trial)?;
    let unit = |query: usize| 2f64.powi(query as i32 % 3 * 5 - 5);
    let rows = Matrix::from_fn(parts.rows.rows, parts.rows.cols, |i, j| parts.rows.at(i, j) * 8.0);
    let known = Matrix::from_fn(parts.known.rows, parts.known.cols, |i, j| parts.known.at(i, j) * unit(i));
    let inputs = [array(&rows, trial.dtype), trial.inputs[1].clone(), array(&known, trial.dtype)];
    let other = (trial.rerun)(trial.case, &inputs)?;
    let scores = other.reals("scores");
    let exact = (0..scores.len()).all(|at| scores[at] == parts.scores.values[at] * unit(at / parts.rows.cols));
    let same = other.indices("top_index") == trial.outcome.indices("top_index");
    Ok(Verdict::of(exact && same, || format!("{scores:?} instead of powers of two times {:?}", parts.scores.values)))
}

/// Away from the cut.
fn status_tells_the_rank(trial: &Trial<Case>) -> Judged {
    if !sound(trial) {
        return Ok(Verdict::Idle);
    }
    let parts = Parts::of(trial)?;
    let rounding = 32.0 * trial.u() * (parts.rows.rows + parts.items.len()) as f64;
    if parts.rank > 0 && parts.gap <= rounding {
        return Ok(Verdict::Idle);
    }
    let (deficient, zero) = (parts.rank < parts.values.len(), parts.values.iter().all(|&s| s == 0.0));
    let said = (status(trial).has(Status::RANK_DEFICIENT), status(trial).has(Status::DEGENERATE));
    Ok(Verdict::of(said == (deficient, zero), || format!("rank {} and the status {}", parts.rank, status(trial))))
}

fn array(m: &Matrix, dtype: DType) -> HostArray {
    match dtype {
        DType::F64 => HostArray::from_fn([m.rows, m.cols], |i| m.values[i]),
        _ => HostArray::from_fn([m.rows, m.cols], |i| m.values[i] as f32),
    }
}
