//! Orthogonal matching pursuit: all chosen atoms to the least squares solution.

use tandem_compile::{DType, Tensor, iota, scalar, zeros};

use super::{Choice, Problem, State, accumulate, column, products, row, row_products};

impl Problem<'_> {
    /// Which atoms may still be chosen, `[batch, p]`, and L^-1, `[k, k, batch]`, zeros where it is not known yet.
    pub(super) fn orthogonal_start(&self) -> Vec<Tensor> {
        let (k, batch) = (self.pursuit.k, self.signals.dim(0));
        vec![self.all_free(), zeros([k, k, batch], self.signals.dtype())]
    }

    pub(super) fn all_free(&self) -> Tensor {
        zeros([self.signals.dim(0), self.atoms.dim(0)], DType::I32).eq(0)
    }

    /// The atoms that may be chosen after this step.
    pub(super) fn still_free(&self, free: &Tensor, at: &Tensor) -> Tensor {
        free & iota(free.shape(), 1, DType::I32).ne(column(at))
    }

    /// With g the products of the new atom and the chosen ones, the new row of L is (w, l) with w = L^-1 g and
    /// l^2 = <d, d> - |w|^2, and that of L^-1 is (-w L^-1, 1) / l: the weights of the unit direction q, orthogonal to the
    /// chosen atoms, along which the residual moves by <q, r>.
    pub(super) fn orthogonal_move(&self, s: State, choice: Choice) -> State {
        let Choice { at, moves, .. } = choice;
        let (k, batch) = (self.pursuit.k, self.signals.dim(0));
        let (free, inverse) = (&s.own[0], &s.own[1]);
        let atom = self.atoms.take(&at, 0);
        let square = row_products(&atom, &atom);
        let w = (inverse * self.with_chosen(&s, &at, &atom).reshape([1, k, batch])).sum_axes([1]);
        let pivot = &square - w.square().sum_axes([0]);
        let (moves, refused) = self.refuse(&moves, &pivot, &square);
        let l = moves.select(pivot, 1.0).sqrt();

        let new =
            iota([k, batch], 0, DType::I32).eq(&s.n).select(1.0, -(inverse * w.reshape([k, 1, batch])).sum_axes([0]));
        let new = row(&moves).select(new / row(&l), 0.0);
        let (support, used) = (s.with(&at, &moves), &s.n + 1);
        let nothing = zeros(self.signals.shape(), self.signals.dtype());
        let q = accumulate(nothing, &self.atoms, &support, &new, &used);
        // Divided by <q, q>, which is 1 but for rounding, so that what is left is orthogonal to q whatever q is.
        let amount = row_products(&s.residual, &q) / moves.select(row_products(&q, &q), 1.0);
        let amount = moves.select(amount, 0.0);
        let change = row(&amount) * &new;
        let zero = scalar(0i32);
        State {
            residual: &s.residual - column(&amount) * q,
            correlations: self.moved(s.correlations.clone(), &support, &change, &used),
            weights: &s.weights + change,
            refused: &s.refused | refused,
            own: vec![
                self.still_free(free, &at),
                inverse.dynamic_update_slice(&new.reshape([1, k, batch]), &[&s.n, &zero, &zero]),
            ],
            support,
            going: moves,
            ..s
        }
    }

    /// The products of the new atom and the chosen ones, `[k, batch]`; from the new one on any finite numbers, which L^-1 does
    /// not see. (With zeros chosen for them inside of its sums the compiler's loop is four times as slow for k = 31 and 32.)
    pub(super) fn with_chosen(&self, s: &State, at: &Tensor, atom: &Tensor) -> Tensor {
        let Some(gram) = &self.gram else {
            return products(&self.atoms, &s.support, atom, &s.n);
        };
        let p = gram.dim(0);
        let position = s.support.maximum(0) * p as i32 + row(at);
        gram.reshape([p * p]).take(&position, 0)
    }

    /// Which signals move on, and whether any was refused its atom for lying in the span of those that it has.
    pub(super) fn refuse(&self, moves: &Tensor, pivot: &Tensor, square: &Tensor) -> (Tensor, Tensor) {
        let least = self.pursuit.least_pivot(pivot.dtype().unit_roundoff());
        let independent = pivot.gt(square * least);
        (moves & &independent, (moves & !independent).any())
    }

    /// The codes after the loop, once more corrected by the residual that they leave.
    pub(super) fn refine(&self, s: State) -> State {
        let (k, batch) = (self.pursuit.k, self.signals.dim(0));
        let inverse = &s.own[1];
        let w = self.gradient(&s);
        let t = (inverse * w.reshape([1, k, batch])).sum_axes([1]);
        let correction = (inverse * t.reshape([k, 1, batch])).sum_axes([0]);
        State { weights: &s.weights + correction, ..s }
    }

    /// The products of the chosen atoms and x - z D, `[k, batch]`.
    pub(super) fn gradient(&self, s: &State) -> Tensor {
        let residual = accumulate(self.signals.clone(), &self.atoms, &s.support, &-&s.weights, &s.n);
        s.support.ge(0).select(products(&self.atoms, &s.support, &residual, &s.n), 0.0)
    }
}
