//! The SAE whose sparsity a price on the codes brings about (Cunningham et al. 2023, Bricken et al. 2023).

use tandem_compile::Tensor;

use super::coder::{Allocation, Coder};

/// Every code is kept, and the mean over the samples of their sum is added to the loss, times `l1`.
///
/// The price is in units of the scaled data ([`Trainer`](super::Trainer)): it means the same for any unit of the data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Relu {
    /// The price of a code of 1.
    pub l1: f64,
}

impl Allocation for Relu {
    fn kept(&self, a: &Tensor) -> Tensor {
        a.gt(0.0)
    }

    fn price(&self) -> f64 {
        self.l1
    }
}

/// The ReLU SAE.
pub type ReluSae = Coder<Relu>;

impl ReluSae {
    /// `atoms` atoms and a price `l1` on their codes.
    pub fn new(atoms: usize, l1: f64) -> Self {
        Coder { atoms, allocation: Relu { l1 } }
    }
}
