//! Matching pursuit: the chosen atom alone.

use super::{Choice, Problem, State, column, put, row_products};
use crate::pursuit::Selection;

impl Problem<'_> {
    /// z_j += <d_j, r>, r -= <d_j, r> d_j.
    pub(super) fn matching_move(&self, s: State, choice: Choice) -> State {
        let Choice { at, mut moves, .. } = choice;
        let atom = self.atoms.take(&at, 0);
        // From the residual itself: what is carried along on the Gram route only chooses.
        let amount = row_products(&s.residual, &atom);
        if self.pursuit.selection == Selection::Relu {
            moves = moves & amount.gt(0.0);
        }
        let amount = moves.select(amount, 0.0);
        let pairs = self.gram.iter().zip(&s.correlations);
        let correlations = pairs.map(|(gram, old)| old - column(&amount) * gram.take(&at, 0)).collect();
        State {
            residual: &s.residual - column(&amount) * atom,
            correlations,
            support: s.with(&at, &moves),
            weights: put(&s.weights, &amount, &s.n),
            going: moves,
            ..s
        }
    }
}
