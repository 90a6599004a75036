//! Search within a budget of score calls: which entries of a black box to pay for, on the host. What completes rows is a
//! function of the caller's, as the programs of [`super::graph`] on a device are.

use std::cmp::Ordering;
use std::collections::HashSet;

use tandem_verify::rng;

/// `count` different items of `items`, uniformly: the positions of the smallest of `items` uniform numbers of `seed`'s
/// stream ([`tandem_verify::rng`]), the smallest first.
///
/// ```
/// assert_eq!(tandem_algos::retrieval::uniform_anchors(3, 10, 4), [3, 0, 6, 4]);
/// ```
pub fn uniform_anchors(seed: u64, items: usize, count: usize) -> Vec<usize> {
    let chance = rng::uniform(seed, items);
    let mut order: Vec<usize> = (0..items).collect();
    order.sort_by(|&i, &j| chance[i].total_cmp(&chance[j]));
    order.truncate(count);
    order
}

/// How the score calls of one query are spent; a builder.
///
/// First the anchors, then `rounds` rounds, each of which completes the row from everything that has been scored and scores
/// the best of the items that have not. One round is ANNCUR with an exact re-ranking, more are ADACUR.
///
/// ```
/// use tandem_algos::retrieval::Plan;
///
/// let plan = Plan::new(10, 100).anchors(20).rounds(3);
/// assert_eq!(plan.steps(), [27, 27, 26]);
/// assert!(plan.check(800).is_ok());
/// let error = plan.check(90).unwrap_err();
/// assert_eq!(error, "budget = 100 score calls per query: there are only 90 items, score them all");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// How many items are to be found.
    pub topk: usize,
    /// The score calls per query, those for the anchors included.
    pub budget: usize,
    /// How many items are scored before anything is completed.
    pub anchors: usize,
    /// In how many rounds the rest of the budget is spent.
    pub rounds: usize,
}

impl Plan {
    /// The `topk` best items within `budget` score calls: half of them for the anchors, the rest in one round.
    pub fn new(topk: usize, budget: usize) -> Self {
        Self { topk, budget, anchors: budget / 2, rounds: 1 }
    }

    /// Sets how many items are scored before anything is completed.
    pub fn anchors(self, anchors: usize) -> Self {
        Self { anchors, ..self }
    }

    /// Sets in how many rounds the rest of the budget is spent.
    pub fn rounds(self, rounds: usize) -> Self {
        Self { rounds, ..self }
    }

    /// Checks the plan for a number of items.
    ///
    /// # Errors
    /// What does not fit, in one line.
    pub fn check(&self, items: usize) -> Result<(), String> {
        let Self { topk, budget, anchors, rounds } = *self;
        if budget > items {
            return Err(format!(
                "budget = {budget} score calls per query: there are only {items} items, score them all"
            ));
        }
        if topk == 0 || topk > budget {
            return Err(format!("topk = {topk}: between 1 and the budget, {budget}, is supported"));
        }
        if anchors == 0 || anchors >= budget {
            return Err(format!("anchors = {anchors}: between 1 and {} of {budget} score calls", budget - 1));
        }
        match rounds >= 1 && rounds <= budget - anchors {
            true => Ok(()),
            false => Err(format!(
                "rounds = {rounds}: between 1 and {}, the score calls that the anchors leave",
                budget - anchors
            )),
        }
    }

    /// How many items each round scores: as equally many as possible.
    pub fn steps(&self) -> Vec<usize> {
        let (left, rounds) = (self.budget - self.anchors, self.rounds);
        (0..rounds).map(|round| left / rounds + usize::from(round < left % rounds)).collect()
    }
}

/// The items of a query that have been scored, and their scores.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scored {
    /// The items, none twice.
    pub items: Vec<usize>,
    /// What the black box said of each.
    pub scores: Vec<f64>,
}

impl Scored {
    fn add(&mut self, items: &[usize], mut score: impl FnMut(usize) -> f64) {
        self.items.extend(items);
        self.scores.extend(items.iter().map(|&item| score(item)));
    }

    /// The `count` best of them by their exact scores, of equals the item that stands first; NaN comes last.
    pub fn best(&self, count: usize) -> Scored {
        let mut order: Vec<usize> = (0..self.items.len()).collect();
        let key = |at: usize| if self.scores[at].is_nan() { f64::NEG_INFINITY } else { self.scores[at] };
        let by_score = |a: usize, b: usize| key(b).partial_cmp(&key(a)).unwrap_or(Ordering::Equal);
        order.sort_by(|&a, &b| by_score(a, b).then(self.items[a].cmp(&self.items[b])));
        order.truncate(count);
        Scored {
            items: order.iter().map(|&at| self.items[at]).collect(),
            scores: order.iter().map(|&at| self.scores[at]).collect(),
        }
    }
}

/// The `topk` best items that each query's budget finds, by exact scores.
///
/// `first`: each query's anchors, all different, `plan.anchors` of them. `score(query, item)` is the black box; it is called
/// `plan.budget` times per query and never twice for an item. `complete` is given what has been scored of every query, the
/// same number of items for each, and returns their completed rows, `items` numbers each; where one is NaN or missing, the item
/// is taken last. The plan must have passed [`Plan::check`].
///
/// # Errors
/// What `complete` reports.
pub fn search<E>(
    plan: &Plan,
    items: usize,
    first: &[Vec<usize>],
    mut complete: impl FnMut(&[Scored]) -> Result<Vec<Vec<f64>>, E>,
    mut score: impl FnMut(usize, usize) -> f64,
) -> Result<Vec<Scored>, E> {
    let mut known = vec![Scored::default(); first.len()];
    for (query, (known, anchors)) in known.iter_mut().zip(first).enumerate() {
        known.add(anchors, |item| score(query, item));
    }
    for step in plan.steps() {
        let completed = complete(&known)?;
        for (query, (known, completed)) in known.iter_mut().zip(&completed).enumerate() {
            let mut rest = Scored::default();
            let taken: HashSet<usize> = known.items.iter().copied().collect();
            let open: Vec<usize> = (0..items).filter(|item| !taken.contains(item)).collect();
            rest.add(&open, |item| completed.get(item).copied().unwrap_or(f64::NAN));
            known.add(&rest.best(step).items, |item| score(query, item));
        }
    }
    Ok(known.iter().map(|known| known.best(plan.topk)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_budget_is_spent_to_the_last_call_and_no_item_is_paid_twice() {
        for (budget, anchors, rounds) in [(2, 1, 1), (7, 3, 2), (10, 1, 9), (10, 9, 1), (12, 4, 3)] {
            let plan = Plan::new(1, budget).anchors(anchors).rounds(rounds);
            plan.check(12).unwrap();
            let mut calls = vec![[0; 12]; 2];
            let first = vec![uniform_anchors(1, 12, anchors), uniform_anchors(2, 12, anchors)];
            let complete = |known: &[Scored]| Ok::<_, ()>(vec![vec![0.0; 12]; known.len()]);
            let score = |query: usize, item: usize| {
                calls[query][item] += 1;
                item as f64
            };
            search(&plan, 12, &first, complete, score).unwrap();
            for calls in calls {
                assert!(calls.iter().all(|&calls| calls <= 1));
                assert_eq!(calls.iter().sum::<usize>(), budget);
            }
        }
    }

    #[test]
    fn a_perfect_completion_finds_the_best_items_with_their_exact_scores() {
        let scores = [3.0, -1.0, 7.0, 7.0, 0.5, 6.0];
        let plan = Plan::new(3, 4).anchors(1);
        let complete = |_: &[Scored]| Ok::<_, ()>(vec![scores.to_vec()]);
        let found = search(&plan, 6, &[vec![1]], complete, |_, item| scores[item]).unwrap();
        assert_eq!(found, [Scored { items: vec![2, 3, 5], scores: vec![7.0, 7.0, 6.0] }]);
    }

    #[test]
    fn nan_from_the_black_box_or_the_completion_comes_last() {
        let plan = Plan::new(3, 3).anchors(1);
        let complete = |_: &[Scored]| Ok::<_, ()>(vec![vec![f64::NAN, 1.0, f64::NAN, -5.0]]);
        let score = |_, item: usize| if item == 1 { f64::NAN } else { item as f64 };
        let found = search(&plan, 4, &[vec![0]], complete, score).unwrap();
        assert_eq!(found[0].items, [3, 0, 1]);
    }

    #[test]
    fn a_plan_that_cannot_be_is_refused() {
        let refused = |plan: Plan, says: &str| {
            let error = plan.check(20).unwrap_err();
            assert!(error.contains(says) && error.lines().count() == 1, "{error}");
        };
        refused(Plan::new(1, 21), "only 20 items");
        refused(Plan::new(0, 10), "topk = 0");
        refused(Plan::new(11, 10), "topk = 11");
        refused(Plan::new(1, 1), "anchors = 0");
        refused(Plan::new(5, 10).anchors(10), "anchors = 10");
        refused(Plan::new(5, 10).rounds(6), "rounds = 6");
        refused(Plan::new(5, 10).rounds(0), "rounds = 0");
        refused(Plan::new(1, 0), "topk = 1");
    }
}
