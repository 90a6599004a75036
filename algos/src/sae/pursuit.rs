//! The matching pursuit of a batch of signals, and its reverse mode in memory of order k.
//!
//! [`crate::pursuit`] codes signals with a dictionary that is given: it stops signal by signal, at a tolerance, and tells
//! why. Here there is no tolerance, and a step that takes nothing is the identity, so that the steps can be undone.

use tandem_compile::{DType, Tensor, custom_vjp, iota, scan, scan_reversed, stop_gradient, tree, zeros};
use tandem_linalg::scale::power_of_two;

use super::Selection;

/// The steps of a pursuit of b signals in d dimensions.
#[derive(Debug, Clone)]
pub struct Steps {
    /// The atom of every step, i32 `[k, b]`; -1 where a step took none, and so from there on.
    pub index: Tensor,
    /// Its coefficient, `[k, b]`; 0 where a step took none.
    pub value: Tensor,
    /// What is left after the last step, `[b, d]`.
    pub residual: Tensor,
}
tree!(Steps { index, value, residual });

/// The rows of `d` (`[p, d]`) divided by their norms. A row of zeros stays one, and its derivative is the identity's.
///
/// Rows are brought near 1 by powers of two first, so that no square leaves the range and scaling a row by a power of two
/// changes no bit of the result.
#[track_caller]
pub fn unit_rows(d: &Tensor) -> Tensor {
    let size = stop_gradient(&power_of_two(&d.abs().max_axes([1])));
    let rows = d / size.expand_dims(1);
    let square = rows.square().sum_axes([1]);
    // Of the norm of zeros there is no derivative: it is taken of the constant 1 instead.
    let norm = square.gt(0.0).select(&square, 1.0).sqrt();
    rows / norm.expand_dims(1)
}

/// `k` steps of matching pursuit of the signals `r` (`[b, d]`) on unit atoms `w` (`[p, d]`, rows), f32 or f64.
///
/// One `scan`: a step costs a product of `[b, d]` with `[d, p]`, and holds `[b, p]` numbers. Differentiated as it stands,
/// reverse mode would keep every step's residual and correlations; [`pursue`] does not.
#[track_caller]
pub fn unrolled(w: &Tensor, r: &Tensor, k: usize, selection: Selection) -> Steps {
    let b = r.dim(0);
    if k == 0 {
        return Steps { index: zeros([0, b], DType::I32), value: zeros([0, b], r.dtype()), residual: r.clone() };
    }
    let (residual, (index, value)) = scan(r.clone(), iota([k], 0, DType::I32), |r, _| {
        let correlation = r.contract(w, 1, 1);
        let index = match selection {
            Selection::Abs => correlation.abs().argmax(1),
            Selection::Relu | Selection::Signed => correlation.argmax(1),
        };
        let value = correlation.take_along(&index.expand_dims(1), 1);
        let value = if selection == Selection::Relu { value.maximum(0.0) } else { value };
        let next = r - &value * w.take(&index, 0);
        let value = value.reshape([b]);
        (next, (value.eq(0.0).select(-1, &index), value))
    });
    Steps { index, value, residual }
}

/// [`unrolled`] with a reverse mode of its own: selections are constants, and the residuals are rebuilt from the last one
/// backwards, so that only the steps' indices and coefficients are kept. There is no forward mode.
///
/// With the cotangents g of the residual and v of the coefficients, for t = k..1, w the step's atom and c its coefficient:
/// r_{t-1} = r_t + c w; s = v_t - <w, g>; the atom's cotangent grows by s r_{t-1} - c g; g <- g + s w. A step that took
/// no atom is the identity.
#[track_caller]
pub fn pursue(w: &Tensor, r: &Tensor, k: usize, selection: Selection) -> Steps {
    let forward = move |(w, r): (Tensor, Tensor)| {
        let steps = unrolled(&w, &r, k, selection);
        (steps.clone(), (w, steps))
    };
    let plain = move |(w, r): (Tensor, Tensor)| unrolled(&w, &r, k, selection);
    let backward = |(w, steps): (Tensor, Steps), cotangents: Steps| rewound(&w, &steps, &cotangents);
    custom_vjp(plain, forward, backward)((w.clone(), r.clone()))
}

/// The cotangents of the atoms and of the signals.
fn rewound(w: &Tensor, steps: &Steps, cotangents: &Steps) -> (Tensor, Tensor) {
    let nothing = zeros(w.shape(), w.dtype());
    if steps.index.dim(0) == 0 {
        return (nothing, cotangents.residual.clone());
    }
    let start = (steps.residual.clone(), cotangents.residual.clone(), nothing);
    let slices = (steps.index.clone(), steps.value.clone(), cotangents.value.clone());
    let ((_, signals, atoms), ()) = scan_reversed(start, slices, |(r, g, atoms), (index, value, ct)| {
        // A position of -1 reads the first atom, which counts for nothing, and writes nowhere.
        let atom = w.take(&index, 0);
        let value = value.expand_dims(1);
        let before = r + &value * &atom;
        let slope = ct.expand_dims(1) - (&g * &atom).sum_axes([1]).expand_dims(1);
        let slope = value.eq(0.0).select(0.0, slope);
        let atoms = atoms.scatter_add(&index, &slope * &before - &value * &g, 0);
        ((before, g + slope * atom, atoms), ())
    });
    (atoms, signals)
}
