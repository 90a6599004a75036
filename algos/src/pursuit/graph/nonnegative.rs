//! Orthogonal matching pursuit with codes that are not negative: non-negative least squares on the chosen atoms.

use tandem_compile::{DType, Tensor, fori_loop, iota, number, scalar, tree, while_loop, zeros};

use super::{Choice, Problem, State, accumulate, looked_up, row, row_products};

/// What the active set method carries for every signal; all of `[k, batch]` but for the last two.
#[derive(Clone)]
struct Active {
    /// Which of the chosen atoms are in use.
    used: Tensor,
    /// The codes, zero where not in use.
    codes: Tensor,
    /// The products of the atoms with the residual.
    gradient: Tensor,
    /// Which signals are not solved yet, `[batch]`.
    open: Tensor,
    /// The trips so far.
    trips: Tensor,
}
tree!(Active { used, codes, gradient, open, trips });

impl Problem<'_> {
    /// Which atoms may still be chosen, `[batch, p]`; the products of the chosen ones, `[k, k, batch]`, zeros where nothing is
    /// chosen; and which of them are in use, `[k, batch]`.
    pub(super) fn nonnegative_start(&self) -> Vec<Tensor> {
        let (k, batch) = (self.pursuit.k, self.signals.dim(0));
        vec![self.all_free(), zeros([k, k, batch], self.signals.dtype()), zeros([k, batch], DType::I32).ne(0)]
    }

    pub(super) fn nonnegative_move(&self, s: State, choice: Choice) -> State {
        let Choice { at, moves, correlations } = choice;
        let (k, batch) = (self.pursuit.k, self.signals.dim(0));
        let (free, gram, used) = (&s.own[0], &s.own[1], &s.own[2]);
        let atom = self.atoms.take(&at, 0);
        let square = row_products(&atom, &atom);
        let g = s.support.ge(0).select(self.with_chosen(&s, &at, &atom), 0.0);
        let in_use = used.select(&g, 0.0);
        let pivot = &square - (&in_use * solve(gram, used, &in_use)).sum_axes([0]);
        let (moves, refused) = self.refuse(&moves, &pivot, &square);

        let new = iota([k, batch], 0, DType::I32).eq(&s.n);
        let line = row(&moves).select(new.select(row(&square), &g), 0.0);
        let zero = scalar(0i32);
        let gram = gram.dynamic_update_slice(&line.reshape([1, k, batch]), &[&s.n, &zero, &zero]);
        let gram = gram.dynamic_update_slice(&line.reshape([k, 1, batch]), &[&zero, &s.n, &zero]);
        let (support, steps) = (s.with(&at, &moves), &s.n + 1);
        let start = Active {
            used: used | (new & row(&moves)),
            codes: s.weights.clone(),
            gradient: looked_up(&correlations, &support),
            open: moves.clone(),
            trips: scalar(0i32),
        };
        // What rounding makes of a gradient of 0.
        let slack = s.norms.at_index(0, 0) * self.pursuit.least_pivot(gram.dtype().unit_roundoff());
        let solved = solve_nonnegative(&gram, &support, &slack, start);
        let change = row(&moves).select(&solved.codes - &s.weights, 0.0);
        State {
            residual: accumulate(s.residual.clone(), &self.atoms, &support, &-&change, &steps),
            correlations: self.moved(s.correlations.clone(), &support, &change, &steps),
            weights: row(&moves).select(&solved.codes, &s.weights),
            refused: &s.refused | refused,
            own: vec![self.still_free(free, &at), gram, row(&moves).select(&solved.used, used)],
            support,
            going: moves,
            ..s
        }
    }

    /// The codes after the loop, those in use once more corrected by the residual that they leave.
    pub(super) fn refine_nonnegative(&self, s: State) -> State {
        let (gram, used) = (&s.own[1], &s.own[2]);
        let correction = solve(gram, used, &used.select(self.gradient(&s), 0.0));
        State { weights: used.select((&s.weights + correction).maximum(0.0), 0.0), ..s }
    }
}

/// Non-negative least squares by the active set method of Lawson and Hanson ("Solving least squares problems", 1974, chapter
/// 23), for all signals at once: a trip solves for the atoms in use; where a code would not be positive it goes as far as all
/// are, and drops those that have come to 0; else it takes up the unused atom of the largest gradient, until none is positive.
fn solve_nonnegative(gram: &Tensor, support: &Tensor, slack: &Tensor, start: Active) -> Active {
    let (k, batch) = (support.dim(0), support.dim(1));
    let dtype = gram.dtype();
    let infinity = number(f64::INFINITY, dtype);
    let tiny = if dtype == DType::F64 { f64::MIN_POSITIVE } else { f64::from(f32::MIN_POSITIVE) };
    let position = iota([k, batch], 0, DType::I32);
    // In exact arithmetic no set of atoms comes twice, and in practice few trips per atom suffice.
    let most = 4 * k as i32 + 8;
    while_loop(
        start,
        |a| a.open.any() & a.trips.lt(most),
        |a| {
            let step = solve(gram, &a.used, &a.used.select(&a.gradient, 0.0));
            let goal = &a.codes + &step;
            let falls = &a.used & goal.le(0.0) & row(&a.open);
            // A code of 0 that does not rise has no room at all.
            let room = falls.select(&a.codes / (-&step).maximum(tiny), &infinity);
            let blocked = falls.any_axes([0]);
            let amount = a.open.select(blocked.select(room.min_axes([0]).maximum(0.0), 1.0), 0.0);
            let dropped = &falls & room.le(row(&amount));
            let codes = dropped.select(0.0, &a.codes + row(&amount) * &step);
            let change = &codes - &a.codes;
            let gradient = &a.gradient - (gram * change.reshape([1, k, batch])).sum_axes([1]);
            let kept = &a.used & !&dropped;

            let wants = support.ge(0) & !&kept;
            let score = wants.select(&gradient, &-&infinity);
            let best = score.max_axes([0]);
            let takes = &a.open & !&blocked & best.gt(slack);
            let taken = position.eq(row(&score.argmax(0))) & row(&takes);
            Active { used: &kept | &taken, open: &a.open & (&blocked | &takes), codes, gradient, trips: a.trips + 1 }
        },
    )
}

/// `[k, batch]`: the solutions of the systems of the rows and columns of `gram` (`[k, k, batch]`) that are `used`
/// (`[k, batch]`), zeros elsewhere; `right` is zero there.
///
/// Elimination of all other rows by one row after the other, which needs no pivoting for positive definite matrices.
fn solve(gram: &Tensor, used: &Tensor, right: &Tensor) -> Tensor {
    let (k, batch) = (used.dim(0), used.dim(1));
    let both = used.reshape([k, 1, batch]) & used.reshape([1, k, batch]);
    let own = iota([k, k, batch], 0, DType::I32).eq(iota([k, k, batch], 1, DType::I32));
    let matrix = both.select(gram, own.select(number(1.0, gram.dtype()), number(0.0, gram.dtype())));
    let position = iota([k, batch], 0, DType::I32);
    let (_, solution) = fori_loop(0, k as i32, (matrix, right.clone()), |j, (matrix, right)| {
        let pivot_row = matrix.index(0, &j);
        let pivot = pivot_row.index(0, &j);
        let pivot_row = pivot_row / row(&pivot);
        let pivot_right = right.index(0, &j) / &pivot;
        let (here, factor) = (position.eq(&j), matrix.index(1, &j));
        let next = &matrix - factor.reshape([k, 1, batch]) * pivot_row.reshape([1, k, batch]);
        let matrix = here.reshape([k, 1, batch]).select(pivot_row.reshape([1, k, batch]), next);
        (matrix, here.select(row(&pivot_right), &right - factor * row(&pivot_right)))
    });
    solution
}
