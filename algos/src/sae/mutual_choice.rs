//! The SAE in which samples and features share one budget (Ayonrinde, "Adaptive sparse allocation with mutual choice and
//! feature choice sparse autoencoders", 2024; BatchTopK of Bussmann et al. 2024).

use tandem_compile::Tensor;
use tandem_linalg::select::largest;

use super::coder::{Allocation, Coder};

/// The `b k` largest codes of the whole batch are kept, of equal ones the first in row-major order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MutualChoice {
    /// The mean number of codes per sample.
    pub k: usize,
}

impl Allocation for MutualChoice {
    fn kept(&self, a: &Tensor) -> Tensor {
        let (b, p) = (a.dim(0), a.dim(1));
        largest(&a.reshape([1, b * p]), (b * self.k).clamp(1, b * p)).reshape([b, p])
    }
}

/// The mutual-choice SAE.
pub type MutualChoiceSae = Coder<MutualChoice>;

impl MutualChoiceSae {
    /// `atoms` atoms, of which the samples of a batch use `k` on average.
    pub fn new(atoms: usize, k: usize) -> Self {
        Coder { atoms, allocation: MutualChoice { k } }
    }
}
