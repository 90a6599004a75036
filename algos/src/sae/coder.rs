//! SAEs with an encoder of one product: x is encoded as z = keep((x - b) E' + o) >= 0 and decoded as z W + b, W the
//! dictionary with unit rows. They differ in which codes are kept.

use tandem_compile::{DType, Tensor, tree, zeros};

use super::graph::mean_square;
use super::pursuit::unit_rows;
use super::train::Model;

/// Which codes are kept.
pub trait Allocation {
    /// Which of the codes `a` >= 0, `[b, p]`, are kept, bool `[b, p]`.
    fn kept(&self, a: &Tensor) -> Tensor;

    /// What the mean over the samples of the sum of the codes costs.
    fn price(&self) -> f64 {
        0.0
    }
}

/// An SAE that keeps those of its codes that `A` says.
///
/// It starts with the dictionary as its encoder. A revived atom gets itself, at the mean norm of all encoder rows, as its
/// encoder, and no offset.
#[derive(Debug, Clone, PartialEq)]
pub struct Coder<A> {
    /// The number of atoms p.
    pub atoms: usize,
    /// Which codes are kept.
    pub allocation: A,
}

/// What is learned.
#[derive(Debug, Clone)]
pub struct Weights {
    /// The atoms before they are normalised, `[p, d]`.
    pub dictionary: Tensor,
    /// The bias, `[d]`.
    pub bias: Tensor,
    /// The encoder E, `[p, d]`.
    pub encoder: Tensor,
    /// What is added to the codes, o, `[p]`.
    pub offset: Tensor,
}
tree!(Weights { dictionary, bias, encoder, offset });

impl<A: Allocation> Coder<A> {
    /// Traces the codes of the samples `x` (`[b, d]`), `[b, p]`.
    ///
    /// Which are kept is a constant for every derivative. For allocations over a batch, `x` is the batch.
    #[track_caller]
    pub fn codes(&self, weights: &Weights, x: &Tensor) -> Tensor {
        let a = (x - &weights.bias).contract(&weights.encoder, 1, 1) + &weights.offset;
        // A choice, and no maximum, which has half a slope at 0: there relu has none. NaN stays.
        let a = a.le(0.0).select(0.0, &a);
        (self.allocation.kept(&a) | a.is_nan()).select(&a, 0.0)
    }

    /// Traces the samples that codes `z` (`[b, p]`) stand for, `[b, d]`.
    #[track_caller]
    pub fn decode(&self, weights: &Weights, z: &Tensor) -> Tensor {
        z.dot(&unit_rows(&weights.dictionary)) + &weights.bias
    }
}

impl<A: Allocation> Model for Coder<A> {
    type Weights = Weights;

    fn atoms(&self) -> usize {
        self.atoms
    }

    fn start(&self, dictionary: Tensor, bias: Tensor) -> Weights {
        let offset = zeros([dictionary.dim(0)], dictionary.dtype());
        Weights { encoder: dictionary.clone(), dictionary, bias, offset }
    }

    fn loss(&self, weights: &Weights, x: &Tensor) -> (Tensor, Tensor) {
        let z = self.codes(weights, x);
        let error = mean_square(&(x - self.decode(weights, &z)));
        let uses = z.gt(0.0).convert(DType::I32).sum_axes([0]);
        match self.allocation.price() {
            0.0 => (error, uses),
            price => (error + z.sum_axes([1]).mean() * price, uses),
        }
    }

    fn residual(&self, weights: &Weights, x: &Tensor) -> Tensor {
        x - self.decode(weights, &self.codes(weights, x))
    }

    fn replaced(&self, weights: &Weights, which: &Tensor, atoms: &Tensor) -> Weights {
        let size = weights.encoder.square().sum_axes([1]).mean().sqrt();
        Weights {
            dictionary: which.select(atoms, &weights.dictionary),
            bias: weights.bias.clone(),
            encoder: which.select(atoms * size, &weights.encoder),
            offset: which.squeeze(1).select(0.0, &weights.offset),
        }
    }

    fn learned(&self, weights: &Weights) -> (Tensor, Tensor) {
        (unit_rows(&weights.dictionary), weights.bias.clone())
    }
}
