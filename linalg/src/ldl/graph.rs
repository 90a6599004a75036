//! Bunch and Kaufman's factorization as a graph: one loop, whose trips take one or two columns.
//!
//! Bunch and Kaufman, "Some stable methods for calculating inertia and solving symmetric linear systems", Math. Comp. 31,
//! 1977; the choices and the formulas are those of LAPACK's sytf2. Rows and columns never move: each has its *slot*, its
//! place in P'AP so far, and one whose slot is less than the step is done.

use tandem_compile::{DType, Tensor, concatenate, iota, scalar, stack, while_loop, zeros};

use crate::operand::{all_finite, or_nan};

/// L in the order of A's rows, D as its diagonal and the diagonal below, and the permutation that makes L triangular.
#[track_caller]
pub(crate) fn ldl_portable(a: &Tensor) -> (Tensor, Tensor, Tensor) {
    let n = a.dim(0);
    let dtype = a.dtype();
    let rows = iota([n], 0, DType::I32);
    if n == 0 {
        return (a.clone(), a.clone(), rows);
    }
    let lower = a.tril(0);
    let good = all_finite(&lower);
    let w = good.select(&lower + a.tril(-1).t(), 0.0);
    // One row more than needed, because every trip writes two.
    let start = State {
        step: scalar(0i32),
        w,
        slots: rows.clone(),
        lt: zeros([n + 1, n], dtype),
        diagonal: zeros([n + 1], dtype),
        below: zeros([n + 1], dtype),
    };
    let State { slots, lt, diagonal, below, .. } = while_loop(start, |s| s.step.lt(n as i32), |s| eliminate(&s));
    let permutation = zeros([n], DType::I32).scatter_set(&slots, &rows, 0);
    let off = below.slice(0, 0, n).diag();
    let zero = zeros([1, n], dtype);
    // Element j of the diagonal below stands in row j + 1.
    let off = concatenate(&[&zero, &off.slice(0, 0, n - 1)], 0);
    let d = diagonal.slice(0, 0, n).diag() + &off + off.t();
    (or_nan(&good, &lt.slice(0, 0, n).t()), or_nan(&good, &d), permutation)
}

#[derive(Clone)]
struct State {
    /// How many columns are done.
    step: Tensor,
    /// What is left of A: rows and columns whose slot is not done.
    w: Tensor,
    slots: Tensor,
    /// L', its rows the steps.
    lt: Tensor,
    diagonal: Tensor,
    below: Tensor,
}

tandem_compile::tree!(State { step, w, slots, lt, diagonal, below });

/// One pivot, of one column or of two.
#[track_caller]
fn eliminate(s: &State) -> State {
    let n = s.slots.dim(0);
    let position = iota([n], 0, DType::I32);
    let Pivot { first, second, double, slots } = choose(s);
    let next = &s.step + double.convert(DType::I32);
    let active = slots.gt(&next);
    let (x, y) = (s.w.index(0, &first), s.w.index(0, &second));
    let (d11, d21, d22) = (x.index(0, &first), x.index(0, &second), y.index(0, &second));
    // [l1 l2] D = [x y], by LAPACK's formulas, which do not square.
    let nonzero = |d: &Tensor| d.eq(0.0).select(1.0, d);
    let off = double.select(&d21, 1.0);
    let (p, q) = (&d22 / &off, &d11 / &off);
    let weight = double.select(1.0 / ((&p * &q - 1.0) * &off), 0.0);
    let one = active.select(&x / nonzero(&d11), 0.0);
    let l1 = double.select(active.select((&x * &p - &y) * &weight, 0.0), one);
    let l2 = active.select((&y * &q - &x) * &weight, 0.0);
    let (x, y) = (active.select(x, 0.0), active.select(y, 0.0));
    let w = &s.w - l1.outer(&x) - l2.outer(&y);
    let unit = |at: &Tensor| position.eq(at).convert(w.dtype());
    let two = stack(&[&(&l1 + unit(&first)), &(&l2 + unit(&second))], 0);
    let at = &s.step;
    let zero = scalar(0i32);
    State {
        lt: s.lt.dynamic_update_slice(&two, &[at, &zero]),
        diagonal: s.diagonal.dynamic_update_slice(&stack(&[&d11, &d22], 0), &[at]),
        below: s.below.dynamic_update_slice(&double.select(&d21, 0.0).reshape([1]), &[at]),
        step: next + 1,
        w,
        slots,
    }
}

/// The row of a pivot, or the two of a double one, and the slots after the exchange.
struct Pivot {
    first: Tensor,
    second: Tensor,
    double: Tensor,
    slots: Tensor,
}

/// Bunch and Kaufman's partial pivoting: growth is bounded by 2.57^(n - 1), and two columns are looked at.
#[track_caller]
fn choose(s: &State) -> Pivot {
    let n = s.slots.dim(0);
    let alpha = (1.0 + 17f64.sqrt()) / 8.0;
    let (step, slots) = (&s.step, &s.slots);
    let position = iota([n], 0, DType::I32);
    let row_of = |slot: &Tensor| slots.eq(slot).select(&position, 0i32).max();
    let own = row_of(step);
    let x = s.w.index(0, &own);
    let pivot = x.index(0, &own).abs();
    let size = slots.gt(step).select(x.abs(), 0.0);
    let column = size.max();
    // Of the largest the one in the first slot.
    let largest = slots.gt(step) & size.eq(&column);
    let slot = largest.select(slots, n as i32 - 1).min();
    let other = row_of(&slot);
    let y = s.w.index(0, &other).abs();
    let row = (slots.ge(step) & position.ne(&other)).select(&y, 0.0).max();
    let safe = row.eq(0.0).select(1.0, &row);
    let stay = pivot.ge(&column * alpha) | pivot.ge(&column * alpha * (&column / safe));
    let swap = y.index(0, &other).ge(&row * alpha);
    let double = !(&stay | &swap);
    // The slot that `other` goes to; its owner so far goes where `other` was.
    let target = step + double.convert(DType::I32);
    let exchanged = slots.eq(&slot).select(&target, slots.eq(&target).select(&slot, slots));
    Pivot {
        first: (&stay | &double).select(&own, &other),
        second: other.clone(),
        slots: stay.select(slots, exchanged),
        double,
    }
}
