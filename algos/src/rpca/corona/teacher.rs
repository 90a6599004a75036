//! The convex iteration that the network is unrolled from, and that its training data may come from.

use tandem_compile::{DType, Tensor, fori_loop, ones, zeros};

use super::graph::{Parts, shorter_by, svt_of_movies};
use super::{Corona, GroupWeights, given};

/// Proximal gradients for |D - L - S|^2 / 2 + low ||L||_* + sparse sum |rows of S|, with steps of 1/2 (the slope of the first
/// term has the Lipschitz constant 2), from L = S = 0; a builder.
///
/// Accelerated it is FISTA (Beck and Teboulle 2009), whose distance from the minimum falls with the square of the number of
/// steps.
///
/// ```
/// use tandem_algos::rpca::corona::Teacher;
/// use tandem_compile::{HostArray, Tensor, jit};
///
/// // One pixel that is bright all the time and one that lights up once: 0.5 of each row's length is shrinkage.
/// let teacher = Teacher::new(4.0, 0.5).steps(200);
/// let d = HostArray::new([1, 2, 1, 2, 2], vec![3.0, 3.0, 0.0, 4.0, 0.0, 0.0, 0.0, 0.0])?;
/// let sparse: Vec<f64> = jit(|d: Tensor| teacher.trace(&d).sparse.flatten()).call(&d)?;
/// assert!((sparse[3] - 3.5).abs() < 0.01);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Teacher {
    /// lambda_1, from 0 on, in the units of the movie.
    pub low: f64,
    /// lambda_2, likewise.
    pub sparse: f64,
    /// The number of steps.
    pub steps: usize,
    /// Whether they are accelerated.
    pub accelerated: bool,
}

impl Teacher {
    /// 100 accelerated steps.
    pub fn new(low: f64, sparse: f64) -> Self {
        Self { low, sparse, steps: 100, accelerated: true }
    }

    /// Sets the number of steps.
    pub fn steps(self, steps: usize) -> Self {
        Self { steps, ..self }
    }

    /// Sets whether they are accelerated.
    pub fn accelerated(self, accelerated: bool) -> Self {
        Self { accelerated, ..self }
    }

    /// Traces the iteration on the movies `d` (`[N, 2, H, W, T]`, f32 or f64).
    #[track_caller]
    pub fn trace(&self, d: &Tensor) -> Parts {
        let dtype = d.dtype();
        let nothing = || Parts { low: zeros(d.shape(), dtype), sparse: zeros(d.shape(), dtype) };
        let half = |lambda: f64| ones([d.dim(0)], dtype) * (lambda / 2.0);
        let (tau, shorter) = (half(self.low), half(self.sparse));
        let start = (nothing(), nothing(), ones([], dtype));
        fori_loop(0, self.steps as i32, start, |_, (now, ahead, weight)| {
            let slope = (&ahead.low + &ahead.sparse - d) * 0.5;
            let next = Parts {
                low: svt_of_movies(&(&ahead.low - &slope), &tau),
                sparse: shorter_by(&(&ahead.sparse - &slope), &shorter),
            };
            if !self.accelerated {
                return (next.clone(), next, weight);
            }
            let grown = ((weight.square() * 4.0 + 1.0).sqrt() + 1.0) * 0.5;
            let momentum = (weight - 1.0) / &grown;
            let further = |next: &Tensor, now: &Tensor| next + (next - now) * &momentum;
            let ahead = Parts { low: further(&next.low, &now.low), sparse: further(&next.sparse, &now.sparse) };
            (next, ahead, grown)
        })
        .0
    }

    /// The weights with which the layers of a network with proximal shrinkage are the steps that are not accelerated: at the
    /// middle of every kernel 1/2 or -1/2, and thresholds of half the lambdas.
    #[track_caller]
    pub fn weights(&self, network: &Corona, dtype: DType) -> Vec<GroupWeights> {
        // P_1 ... P_6 at D, D, S, L, L, S.
        let signs = [0.5, 0.5, -0.5, -0.5, 0.5, 0.5];
        let halves = [self.low / 2.0, self.sparse / 2.0];
        let of = |group: &super::Group| {
            let [h, w, t] = group.kernel;
            let taps = h * w * t;
            let shape = [group.layers, 6, 2, h, w, t];
            let kernel = |at: usize| {
                let (tap, part, p) = (at % taps, at / taps % 2, at / (2 * taps) % 6);
                // Sizes are odd: the middle tap is the middle along every axis.
                if tap == taps / 2 && part == 0 { signs[p] } else { 0.0 }
            };
            GroupWeights {
                kernels: given(&shape, dtype, kernel),
                thresholds: given(&[group.layers, 2], dtype, |at| halves[at % 2]),
            }
        };
        network.groups.iter().map(of).collect()
    }
}
