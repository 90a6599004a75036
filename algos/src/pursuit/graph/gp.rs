//! Gradient pursuit: all chosen atoms along the gradient.

use tandem_compile::{DType, Tensor, number, zeros};

use super::{Choice, Problem, State, accumulate, column, looked_up, put, row, row_products};
use crate::pursuit::Selection;

impl Problem<'_> {
    /// Which steps chose an atom for the first time, `[k, batch]`: these hold its code.
    pub(super) fn gradient_start(&self) -> Vec<Tensor> {
        vec![zeros([self.pursuit.k, self.signals.dim(0)], DType::I32).ne(0)]
    }

    /// z_S += a g with g = D_S r, r -= a c with c = g D_S and a = <r, c> / |c|^2.
    pub(super) fn gradient_move(&self, s: State, choice: Choice) -> State {
        let Choice { at, moves, correlations } = choice;
        let known = s.support.eq(row(&at)).any_axes([0]);
        let first = put(&s.own[0], &(&moves & !known), &s.n);
        let (support, used) = (s.with(&at, &moves), &s.n + 1);
        let mut gradient = (&first & row(&moves)).select(looked_up(&correlations, &support), 0.0);
        let nonnegative = self.pursuit.selection == Selection::Relu;
        if nonnegative {
            gradient = (s.weights.gt(0.0) | gradient.gt(0.0)).select(&gradient, 0.0);
        }
        let nothing = zeros(self.signals.shape(), self.signals.dtype());
        let direction = accumulate(nothing, &self.atoms, &support, &gradient, &used);
        let square = row_products(&direction, &direction);
        let moves = moves & square.gt(0.0);
        let amount = row_products(&s.residual, &direction) / moves.select(&square, 1.0);
        let (amount, weights) = match nonnegative {
            false => (amount.clone(), &s.weights + row(&moves.select(amount, 0.0)) * &gradient),
            true => within(&s.weights, &gradient, &moves.select(amount, 0.0)),
        };
        let amount = moves.select(amount, 0.0);
        State {
            residual: &s.residual - column(&amount) * direction,
            correlations: self.moved(s.correlations.clone(), &support, &(row(&amount) * gradient), &used),
            support: s.with(&at, &moves),
            weights,
            going: moves,
            own: vec![first],
            ..s
        }
    }

    /// The correlations after the codes have changed; none where none are carried.
    pub(super) fn moved(&self, old: Vec<Tensor>, support: &Tensor, change: &Tensor, used: &Tensor) -> Vec<Tensor> {
        let pairs = old.into_iter().zip(&self.gram);
        pairs.map(|(old, gram)| accumulate(old, gram, support, &-change, used)).collect()
    }
}

/// How far along the gradient no weight becomes negative, at most `amount`, and the weights there; the first to reach 0 is 0.
fn within(weights: &Tensor, gradient: &Tensor, amount: &Tensor) -> (Tensor, Tensor) {
    let infinity = number(f64::INFINITY, weights.dtype());
    let room = gradient.lt(0.0).select(weights / -gradient, &infinity);
    let amount = amount.maximum(0.0).minimum(room.min_axes([0]));
    let moved = room.le(row(&amount)).select(0.0, weights + row(&amount) * gradient);
    (amount, moved)
}
