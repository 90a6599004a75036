//! The SAE in which every feature picks its samples (Ayonrinde, "Adaptive sparse allocation with mutual choice and feature
//! choice sparse autoencoders", 2024).

use tandem_compile::Tensor;
use tandem_linalg::select::largest;

use super::coder::{Allocation, Coder};

/// Every feature keeps its `m` largest codes of the batch, of equal ones those of the first samples: all features are used
/// equally often, and a sample gets as many as want it. m is the `b k / p` that gives a sample k on average, rounded, at
/// least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeatureChoice {
    /// The mean number of codes per sample.
    pub k: usize,
}

impl FeatureChoice {
    /// m, for a batch of `b` samples and `p` features.
    pub fn picks(&self, b: usize, p: usize) -> usize {
        ((2 * b * self.k + p) / (2 * p)).clamp(1, b)
    }
}

impl Allocation for FeatureChoice {
    fn kept(&self, a: &Tensor) -> Tensor {
        largest(&a.t(), self.picks(a.dim(0), a.dim(1))).t()
    }
}

/// The feature-choice SAE.
pub type FeatureChoiceSae = Coder<FeatureChoice>;

impl FeatureChoiceSae {
    /// `atoms` atoms that pick so many samples that these use `k` on average.
    pub fn new(atoms: usize, k: usize) -> Self {
        Coder { atoms, allocation: FeatureChoice { k } }
    }
}
