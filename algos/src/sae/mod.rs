//! Sparse autoencoders: a dictionary of p unit atoms and a bias, learned so that every sample is the bias and a sum of few
//! atoms.
//!
//! The matching-pursuit SAE (Costa, Fel, Lubana, Tolooshams, Ba, "From flat to hierarchical: extracting sparse
//! representations with matching pursuit", 2025) encodes a sample x by k steps of matching pursuit on what is left of it:
//! r_0 = x - b; in step t the atom w_j that explains r_{t-1} best is taken with the coefficient c_t = <w_j, r_{t-1}>, and
//! r_t = r_{t-1} - c_t w_j. Then x = b + sum_t c_t w_{j_t} + r_k, and the loss is the mean of |r_k|^2 over the samples.
//! Encoder and decoder are the same dictionary, whose rows are normalised inside the graph. Codes are nested: the first
//! steps of a longer pursuit are the shorter one, so that one dictionary serves any k.
//!
//! Reverse mode holds the selections fixed and runs the pursuit backwards: r_{t-1} = r_t + c_t w is rebuilt, so that only
//! the k coefficients and indices are stored, no residual but the last and no array of `[batch, atoms, k]`
//! ([`pursuit`]).
//!
//! The baselines share trainer and layout: [`ReluSae`] (L1), [`TopKSae`], [`FeatureChoiceSae`], [`MutualChoiceSae`].
//!
//! Degenerate inputs: a sample that equals the bias, or a zero atom, has codes 0 and sets [`Status::DEGENERATE`]. NaN or
//! infinity in a sample poisons its own row of an encoding; in dictionary or bias, all of it; losses and gradients, which
//! are of all samples, always.
//!
//! [`Status::DEGENERATE`]: tandem_verify::status::Status::DEGENERATE

pub mod baselines;
pub mod coder;
pub mod feature_choice;
pub mod graph;
pub mod laws;
pub mod mutual_choice;
pub mod pursuit;
pub mod reference;
pub mod relu;
pub mod subject;
pub mod topk;
pub mod train;

pub use coder::Coder;
pub use feature_choice::{FeatureChoice, FeatureChoiceSae};
pub use graph::{Encoded, Explained, Weights};
pub use mutual_choice::{MutualChoice, MutualChoiceSae};
pub use relu::{Relu, ReluSae};
pub use topk::{TopK, TopKSae};
pub use train::{Model, State, Trained, Trainer};

pub use crate::pursuit::Selection;

/// The matching-pursuit SAE; a builder.
///
/// ```
/// use tandem_algos::sae::{MpSae, Selection};
///
/// let sae = MpSae::new(4096, 32).selection(Selection::Abs);
/// assert!(sae.check(512).is_ok());
/// // The same dictionary, read more sparsely.
/// assert_eq!(sae.k(8).k, 8);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MpSae {
    /// The number of atoms p, at least 1.
    pub atoms: usize,
    /// The steps of matching pursuit per sample. An encoding may have none; training needs one. More than there are
    /// dimensions, or atoms, is allowed: an atom may be taken again.
    pub k: usize,
    /// Which atom a step takes.
    pub selection: Selection,
}

impl MpSae {
    /// `atoms` atoms and `k` steps, selecting by [`Selection::Relu`].
    pub fn new(atoms: usize, k: usize) -> Self {
        Self { atoms, k, selection: Selection::Relu }
    }

    /// Sets the number of steps: an encoding with the same dictionary may have any.
    pub fn k(self, k: usize) -> Self {
        Self { k, ..self }
    }

    /// Sets which atom a step takes.
    pub fn selection(self, selection: Selection) -> Self {
        Self { selection, ..self }
    }

    /// Checks the parameters for samples of `d` numbers.
    ///
    /// # Errors
    /// Which parameter is out of range, and what the range is.
    pub fn check(&self, d: usize) -> Result<(), String> {
        let limit = i32::MAX as usize;
        for (name, value) in [("atoms", self.atoms), ("d", d)] {
            if value == 0 || value > limit {
                return Err(format!("{name} = {value}: it must be from 1 to {limit}"));
            }
        }
        if self.k > limit {
            return Err(format!("k = {}: at most {limit} steps are supported", self.k));
        }
        if self.atoms.saturating_mul(d) > u32::MAX as usize {
            let atoms = self.atoms;
            return Err(format!("atoms x d = {atoms} x {d}: a dictionary of at most 2^32 - 1 numbers is supported"));
        }
        Ok(())
    }
}
