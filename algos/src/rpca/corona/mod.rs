//! CORONA: the separation of a complex movie into one of low rank and one that is sparse, by layers of convolutions.
//!
//! A movie D has H x W pixels and T frames; as a Casorati matrix, a row per pixel and a column per frame, it is the sum of
//! L of low rank (what moves together) and S of few rows (the pixels where something else happens). (Solomon et al., "Deep
//! unfolded robust PCA with application to clutter suppression in ultrasound", IEEE Trans. Medical Imaging 39, 2020.) With
//! six complex convolutions P_1 ... P_6 per layer:
//!
//!   L+ = SVT(P_5 L + P_3 S + P_1 D),   S+ = shrink(P_6 S + P_4 L + P_2 D),
//!
//! from L = S = 0. SVT thresholds the singular values of the Casorati matrix; the shrinkage makes a pixel's whole course in
//! time shorter, to nothing where it is short. [`Shrinkage`] says by how much: relative to the data, with learned shares as
//! in the published network, or as the proximal maps of the nuclear norm and of the sum of the rows' lengths. With the
//! latter and [`Teacher::weights`] a layer is a step of proximal gradients for
//! |D - L - S|^2 / 2 + lambda_1 ||L||_* + lambda_2 sum |rows of S|: the iteration that it is unrolled from.
//!
//! A complex array is a real one with an axis of 2, the real and the imaginary part: movies are `[N, 2, H, W, T]`. The
//! singular values of A + iB are those of the real matrix (A -B; B A), each twice, and thresholding the one is thresholding
//! the other: so a complex SVT is a real one of twice the rows and columns, with its accuracy and its derivative, which is
//! finite where singular values are equal, as all are here. It costs twice the operations of complex arithmetic. The
//! Hermitian Gram matrix would be cheaper by what separates 2 H W from 2 T, but loses singular values below the root of the
//! unit roundoff, and gives the largest one alone here, for the relative threshold.
//!
//! All six convolutions are one real convolution from 6 to 4 channels; layers with kernels of one size are one `scan`.

pub mod graph;
pub mod laws;
pub mod reference;
pub mod subject;
mod teacher;
mod train;

use tandem_compile::{DType, HostArray, Tensor, constant, random, scalar, tree};

pub use graph::{Parts, Separated};
pub use teacher::Teacher;
pub use train::{State, Trainer};

/// By how much a layer shrinks, from its two learned numbers a and b.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shrinkage {
    /// Singular values by `low` sigmoid(a) times the largest one, and a row of squared length q, of the mean q_m over the
    /// pixels, by the factor max(1 - `sparse` sigmoid(b) q_m / q, 0). The published network has 0.4 and 1.8.
    Relative {
        /// The largest share of the largest singular value.
        low: f64,
        /// The largest share of the mean squared length.
        sparse: f64,
    },
    /// Singular values by a, and a row of length l by the factor max(1 - b / l, 0), in the units of the movie; below 0, a and b
    /// count as 0.
    Proximal,
}

/// Layers with kernels of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// How many layers, at least 1.
    pub layers: usize,
    /// The kernels' sizes along height, width and time, odd.
    pub kernel: [usize; 3],
}

/// The network; a builder.
///
/// ```
/// use tandem_algos::rpca::corona::Corona;
///
/// let network = Corona::new();
/// assert_eq!(network.layers(), 10);
/// assert!(network.check(&[1, 2, 32, 32, 20]).is_ok());
/// assert!(network.check(&[1, 3, 32, 32, 20]).unwrap_err().contains("real and imaginary"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Corona {
    /// The layers, in groups.
    pub groups: Vec<Group>,
    /// By how much they shrink.
    pub shrinkage: Shrinkage,
}

/// What a group of K layers has learned.
#[derive(Debug, Clone)]
pub struct GroupWeights {
    /// P_1, ..., P_6 with their real and imaginary parts, `[K, 6, 2, height, width, time]`.
    pub kernels: Tensor,
    /// a and b, `[K, 2]`.
    pub thresholds: Tensor,
}
tree!(GroupWeights { kernels, thresholds });

impl Default for Corona {
    fn default() -> Self {
        Self::new()
    }
}

impl Corona {
    /// The published network: 3 layers with kernels of 5 x 5 x 1 and 7 with 3 x 3 x 1.
    pub fn new() -> Self {
        Self {
            groups: vec![Group { layers: 3, kernel: [5, 5, 1] }, Group { layers: 7, kernel: [3, 3, 1] }],
            shrinkage: Shrinkage::Relative { low: 0.4, sparse: 1.8 },
        }
    }

    /// Sets the layers.
    pub fn groups(self, groups: Vec<Group>) -> Self {
        Self { groups, ..self }
    }

    /// Sets by how much they shrink.
    pub fn shrinkage(self, shrinkage: Shrinkage) -> Self {
        Self { shrinkage, ..self }
    }

    /// The number of layers.
    pub fn layers(&self) -> usize {
        self.groups.iter().map(|group| group.layers).sum()
    }

    /// Checks the network against movies of shape `[N, 2, H, W, T]`.
    ///
    /// # Errors
    /// What does not fit, in one line.
    pub fn check(&self, shape: &[usize]) -> Result<(), String> {
        let &[_, parts, h, w, t] = shape else {
            return Err(format!("movies must be [N, 2, H, W, T], got shape {shape:?}"));
        };
        if parts != 2 {
            return Err(format!("movies must be [N, 2, H, W, T] with real and imaginary parts, got shape {shape:?}"));
        }
        if h * w * t == 0 {
            return Err(format!("movies of shape {shape:?} are empty; at least 1 pixel and 1 frame are expected"));
        }
        for Group { layers, kernel } in &self.groups {
            if *layers == 0 || kernel.iter().any(|size| size.is_multiple_of(2)) {
                return Err(format!(
                    "a group of {layers} layers with kernels {kernel:?}: at least 1 and odd sizes expected"
                ));
            }
        }
        match self.shrinkage {
            Shrinkage::Relative { low, sparse } if !(low >= 0.0 && sparse >= 0.0 && (low + sparse).is_finite()) => {
                Err(format!("shrinkage by {low} and {sparse}: numbers from 0 on are expected"))
            }
            _ => Ok(()),
        }
    }

    /// Weights to start a training from: the kernels of [`Teacher::weights`] plus normal numbers, which a key of
    /// [`random`] determines, of deviation 0.05 / sqrt(taps), and thresholds of 0, which a relative shrinkage takes for half of the
    /// largest.
    #[track_caller]
    pub fn start(&self, key: &Tensor, dtype: DType) -> Vec<GroupWeights> {
        let steps = Teacher::new(0.0, 0.0).weights(self, dtype);
        let noisy = |(index, weights): (usize, GroupWeights)| {
            let key = random::fold_in(key, &scalar(index as i32));
            let taps: usize = self.groups[index].kernel.iter().product();
            let noise = random::normal(key, weights.kernels.shape(), dtype) * (0.05 / (taps as f64).sqrt());
            GroupWeights { kernels: weights.kernels + noise, thresholds: weights.thresholds }
        };
        steps.into_iter().enumerate().map(noisy).collect()
    }

    /// Traces the layers on the movies `d` (`[N, 2, H, W, T]`, f32 or f64), which must have passed [`Corona::check`].
    /// Differentiable in the movies and the weights; no status: see [`graph::separate`].
    #[track_caller]
    pub fn trace(&self, d: &Tensor, weights: &[GroupWeights]) -> Parts {
        graph::unrolled(self.shrinkage, d, weights)
    }
}

/// An array as a constant of a traced program.
#[track_caller]
fn given(shape: &[usize], dtype: DType, value: impl Fn(usize) -> f64) -> Tensor {
    match dtype {
        DType::F64 => constant(&HostArray::from_fn(shape, value)),
        _ => constant(&HostArray::from_fn(shape, |at| value(at) as f32)),
    }
}
