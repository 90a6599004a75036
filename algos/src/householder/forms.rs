//! The other forms of Q X and Q'X: forward alone, for their derivative is that of [`super::compact`].

use tandem_compile::{Tensor, fori_loop, scalar, stack, vmap, zeros};

use super::compact::{Operand, half_gram, upper_inverse};

/// 2 / |v_j|^2 of the rows of V' `[k, d]`; 0 where the vector is zero.
fn factors(vt: &Tensor) -> Tensor {
    let squares = vt.square().sum_axes([1]);
    let zero = squares.eq(0.0);
    zero.select(0.0, 2.0 / zero.select(1.0, &squares))
}

/// One reflection after the other, X <- X - (2 / |v|^2) v (v'X); in the order of the product from the right, for Q'
/// from the left.
pub(super) fn sequential(v: &Tensor, x: &Operand, transpose: bool) -> Tensor {
    let (d, k) = (v.dim(0), v.dim(1));
    let vt = v.t();
    let factors = factors(&vt);
    fori_loop(0, k as i32, x.matrix(d, v.dtype()), |done, x| {
        let j = if transpose { done } else { scalar(k as i32 - 1) - done };
        let vector = vt.index(0, &j);
        &x - (&vector * factors.index(0, &j)).outer(&vector.dot(&x))
    })
}

/// The accumulated WY form: Q = I - W V' with w_j = (2 / |v_j|^2) Q_{<j} v_j (Bischof and Van Loan, SIAM J. Sci. Stat.
/// Comput. 8, 1987).
pub(super) fn accumulated(v: &Tensor, x: &Operand, transpose: bool) -> Tensor {
    let (d, k) = (v.dim(0), v.dim(1));
    let vt = v.t();
    let factors = factors(&vt);
    let wt = fori_loop(0, k as i32, zeros([k, d], v.dtype()), |j, wt| {
        let vector = vt.index(0, &j);
        // The rows of W' from j on are still zero.
        let reflected = &vector - vt.dot(&vector).dot(&wt);
        wt.dynamic_update_slice(&(reflected * factors.index(0, &j)).reshape([1, d]), &[&j, &scalar(0i32)])
    });
    reflect(&wt, &vt, x, transpose)
}

/// X - W V'X, or X - V W'X where `transpose`, from W' and V' `[k, d]`.
fn reflect(wt: &Tensor, vt: &Tensor, x: &Operand, transpose: bool) -> Tensor {
    let (left, right) = if transpose { (vt, wt) } else { (wt, vt) };
    let x = x.matrix(vt.dim(1), vt.dtype());
    &x - left.contract(&right.dot(&x), 0, 0)
}

/// V' with rows of zeros, whose reflections are the identity, up to `count`.
fn padded(vt: &Tensor, count: usize) -> Tensor {
    vt.pad(0.0, &[(0, (count - vt.dim(0)) as i64, 0), (0, 0, 0)])
}

/// Blocks of `width` reflections, each in its compact form, one block after the other (Mathiasen, Hvilshoj, Jorgensen,
/// Nasery and Mottin, "What if neural networks had SVDs?", NeurIPS 2020).
pub(super) fn blocked(v: &Tensor, x: &Operand, transpose: bool, width: usize) -> Tensor {
    let (d, k) = (v.dim(0), v.dim(1));
    let width = width.clamp(1, k);
    let count = k.div_ceil(width);
    let blocks = padded(&v.t(), count * width).reshape([count, width, d]);
    let inverses = vmap(|vt: Tensor| upper_inverse(&half_gram(&vt.t())))(blocks.clone());
    fori_loop(0, count as i32, x.matrix(d, v.dtype()), |done, x| {
        let at = if transpose { done } else { scalar(count as i32 - 1) - done };
        let (vt, t) = (blocks.index(0, &at), inverses.index(0, &at));
        let seen = vt.dot(&x);
        let z = if transpose { t.contract(&seen, 0, 0) } else { t.dot(&seen) };
        &x - vt.contract(&z, 0, 0)
    })
}

/// Neighbours merge until one pair (W, V) is left: (I - W1 V1')(I - W2 V2') = I - [W1, W2 - W1 V1'W2] [V1, V2]'. Any
/// number of reflections: identities make it a power of two.
pub(super) fn tree(v: &Tensor, x: &Operand, transpose: bool) -> Tensor {
    let (d, k) = (v.dim(0), v.dim(1));
    let count = k.next_power_of_two();
    let vt = padded(&v.t(), count);
    let mut wt = (&vt * factors(&vt).reshape([count, 1])).reshape([count, 1, d]);
    while wt.dim(0) > 1 {
        let (pairs, width) = (wt.dim(0) / 2, wt.dim(1));
        let half =
            |t: &Tensor, at: usize| t.reshape([pairs, 2, width, d]).slice(1, at, at + 1).reshape([pairs, width, d]);
        let (w1, w2, v1) = (half(&wt, 0), half(&wt, 1), half(&vt, 0));
        // The transpose of W2 - W1 (V1'W2).
        let inner = w2.matmul(&v1.transpose([0, 2, 1]));
        let merged = &w2 - inner.matmul(&w1);
        wt = stack(&[&w1, &merged], 1).reshape([pairs, 2 * width, d]);
    }
    reflect(&wt.reshape([count, d]), &vt, x, transpose)
}
