//! The SAE that keeps the largest codes of every sample (Gao et al., "Scaling and evaluating sparse autoencoders", 2024).

use tandem_compile::Tensor;
use tandem_linalg::select::largest;

use super::coder::{Allocation, Coder};

/// The `k` largest codes of every sample are kept, of equal ones those of the lowest index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopK {
    /// How many, at least 1; all where there are fewer.
    pub k: usize,
}

impl Allocation for TopK {
    fn kept(&self, a: &Tensor) -> Tensor {
        largest(a, self.k.clamp(1, a.dim(1)))
    }
}

/// The TopK SAE.
pub type TopKSae = Coder<TopK>;

impl TopKSae {
    /// `atoms` atoms, of which every sample uses at most `k`.
    pub fn new(atoms: usize, k: usize) -> Self {
        Coder { atoms, allocation: TopK { k } }
    }
}
