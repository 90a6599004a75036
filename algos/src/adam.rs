//! Adam on a tree of tensors: the step that every training here takes.

use tandem_compile::{Tensor, Tree, tree_map2};

/// Adam (Kingma and Ba 2015, algorithm 1), with decoupled decay of the weights (Loshchilov and Hutter 2019) where that is
/// not 0.
///
/// ```
/// use tandem_algos::Adam;
/// use tandem_compile::{Tensor, fori_loop, grad, jit, pjrt::Device};
///
/// // The minimum of (w - 3)^2.
/// let f = jit(|(w, rate): (Tensor, Tensor)| {
///     let nothing = &w * 0.0;
///     let state = (w, nothing.clone(), nothing);
///     fori_loop(0, 500, state, move |t, (w, m, v)| {
///         let g = grad(|w: Tensor| (w - 3.0).square())(w.clone());
///         Adam::default().step(&rate, &(t + 1), (&w, &m, &v), &g)
///     })
///     .0
/// });
/// let w: f64 = f.on(&Device::cpu()?).call((0.0f64, 0.1f64))?;
/// assert!((w - 3.0).abs() < 1e-3);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adam {
    /// The decay of the mean of the gradients, beta_1.
    pub mean: f64,
    /// The decay of the mean of their squares, beta_2.
    pub square: f64,
    /// What is added to the root of the latter.
    pub epsilon: f64,
    /// The share of a weight that a step of rate 1 takes away.
    pub decay: f64,
}

impl Default for Adam {
    fn default() -> Self {
        Self { mean: 0.9, square: 0.999, epsilon: 1e-8, decay: 0.0 }
    }
}

impl Adam {
    /// Weights, means of the gradients, and means of their squares after step `t` (a scalar from 1) of learning rate `rate`
    /// (a scalar) with gradients `g`.
    #[track_caller]
    pub fn step<W: Tree + Clone>(&self, rate: &Tensor, t: &Tensor, (w, m, v): (&W, &W, &W), g: &W) -> (W, W, W) {
        let m = tree_map2(m, g, |m, g| m * self.mean + g * (1.0 - self.mean));
        let v = tree_map2(v, g, |v, g| v * self.square + g.square() * (1.0 - self.square));
        let change = tree_map2(&m, &v, |m, v| {
            // 1 - beta^t without cancellation.
            let t = t.convert(m.dtype());
            let weight = |beta: f64| -(&t * beta.ln()).expm1();
            m / weight(self.mean) * rate.convert(m.dtype()) / ((v / weight(self.square)).sqrt() + self.epsilon)
        });
        let kept = |w: &Tensor| match self.decay {
            0.0 => w.clone(),
            decay => w * (1.0 - rate.convert(w.dtype()) * decay),
        };
        (tree_map2(w, &change, |w, change| kept(w) - change), m, v)
    }
}
