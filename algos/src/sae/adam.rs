//! Adam (Kingma and Ba 2015, algorithm 1) on a tree of tensors.

use tandem_compile::{Tensor, Tree, tree_map2};

/// The decay of the mean of the gradients.
pub(super) const BETA1: f64 = 0.9;
/// The decay of the mean of their squares.
pub(super) const BETA2: f64 = 0.999;
/// What is added to the root of the latter.
pub(super) const EPSILON: f64 = 1e-8;

/// Weights, means of the gradients, and means of their squares after step `t` (i32, from 1) with gradients `g`.
pub(super) fn adam<W: Tree + Clone>(lr: f64, t: &Tensor, (w, m, v): (&W, &W, &W), g: &W) -> (W, W, W) {
    let m = tree_map2(m, g, |m, g| m * BETA1 + g * (1.0 - BETA1));
    let v = tree_map2(v, g, |v, g| v * BETA2 + g.square() * (1.0 - BETA2));
    let change = tree_map2(&m, &v, |m, v| {
        // 1 - beta^t without cancellation.
        let t = t.convert(m.dtype());
        let weight = |beta: f64| -(&t * beta.ln()).expm1();
        m / weight(BETA1) * lr / ((v / weight(BETA2)).sqrt() + EPSILON)
    });
    (tree_map2(w, &change, |w, change| w - change), m, v)
}
