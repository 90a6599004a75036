//! Learned robust PCA: M as a matrix of rank r plus a sparse one, by an iteration whose thresholds and steps are learned.
//!
//! M is `[m, n]`, X = L R' with L `[m, r]` and R `[n, r]` is the matrix of low rank. (Cai, Liu and Yin, "Learned robust
//! PCA: a scalable deep unfolding approach for high-dimensional outlier detection", NeurIPS 2021.) With
//! soft_z(x) = sign(x) max(|x| - z, 0):
//!
//! - start: S = soft_{zeta_0}(M), and the factors U Sigma^{1/2} and V Sigma^{1/2} of the best approximation of M - S of
//!   rank r;
//! - layer t: S = soft_{zeta_t}(M - L R'), E = L R' + S - M, and at once L <- L - eta_t E R (R'R)^-1 and
//!   R <- R - eta_t E'L (L'L)^-1: gradient steps whose metric makes them independent of which factors of X they start
//!   from. X^+ = X - eta (E P_R + P_L E) + eta^2 E X^+ E for the projections P_L and P_R on the ranges of L and R and the
//!   pseudoinverse X^+.
//!
//! Only thresholds and steps are learned: 2 T + 1 numbers, which carry over to other sizes ([`Parameters::carried`]) and,
//! as a recurrent network, to any depth ([`Parameters::recurrent`]). The published ones are [`Preset`]s; [`train`] learns
//! them here.
//!
//! Cost: a singular value decomposition for the start, then 8 m n r flops per layer. Memory: M and a few arrays of its
//! size; the reverse mode keeps the factors of every layer alone, for a layer is computed again when its derivative is
//! needed. The derivative goes through the start as well, by the rule for the projection on matrices of rank r
//! ([`graph::leading`]).
//!
//! To R'R and L'L is added 16 u times their trace (u the unit roundoff), which makes them invertible. Where M - S has fewer than r
//! singular values above 2 max(m, n) u sigma_1, the other columns of the factors are zero and stay so
//! ([`Status::RANK_DEFICIENT`]). M = 0 gives zeros and 0 iterations ([`Status::DEGENERATE`]). Thresholds below 0 count as
//! 0. Where sigma_r = sigma_{r+1}, the start is the decomposition's choice.
//!
//! [`Status::DEGENERATE`]: tandem_verify::status::Status::DEGENERATE
//! [`Status::RANK_DEFICIENT`]: tandem_verify::status::Status::RANK_DEFICIENT

pub mod graph;
pub mod laws;
mod parameters;
pub mod reference;
pub mod subject;
pub mod train;

use tandem_compile::{DType, Tensor};

pub use graph::{Factors, Separated, Weights};
pub use parameters::{Parameters, Preset};
pub use train::Trainer;

/// What is added to a Gram matrix, in units of the unit roundoff times its trace.
pub const RIDGE: f64 = 16.0;

/// Learned robust PCA with given parameters; a builder.
///
/// ```
/// use ndarray::Array2;
/// use tandem_algos::rpca::lrpca::Lrpca;
/// use tandem_compile::{Tensor, jit};
///
/// // Rank 1 and one outlier, in the units that the published thresholds are for.
/// let mut m = Array2::from_shape_fn((40, 40), |(i, j)| (1.0 + 0.1 * (i % 3) as f64) * (1.0 - 0.1 * (j % 5) as f64) / 40.0);
/// m[[3, 7]] += 0.1;
/// let lrpca = Lrpca::new(1).threshold_scale(3.0);
/// lrpca.check(&[40, 40])?;
/// let (l, s): (Array2<f64>, Array2<f64>) = jit(|m: Tensor| {
///     let found = lrpca.trace(&m);
///     (found.l, found.s)
/// })
/// .call(&m)?;
/// assert!((s[[3, 7]] - 0.1).abs() < 1e-4);
/// assert!(((l + s) - m).iter().all(|gap| gap.abs() < 1e-4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Lrpca {
    /// The rank r, from 1 to min(m, n).
    pub rank: usize,
    /// Thresholds and steps, carried over to the shape of the matrix and to `rank`.
    pub parameters: Parameters,
    /// What the thresholds are multiplied by then: the ratio of the matrix's unit to theirs.
    pub threshold_scale: f64,
}

impl Lrpca {
    /// Of rank `rank`, with the first [`Preset`].
    pub fn new(rank: usize) -> Self {
        Self { rank, parameters: Parameters::published(Preset::default()), threshold_scale: 1.0 }
    }

    /// Sets published parameters.
    pub fn preset(self, preset: Preset) -> Self {
        self.parameters(Parameters::published(preset))
    }

    /// Sets parameters of one's own.
    pub fn parameters(self, parameters: Parameters) -> Self {
        Self { parameters, ..self }
    }

    /// Sets what the thresholds are multiplied by.
    pub fn threshold_scale(self, threshold_scale: f64) -> Self {
        Self { threshold_scale, ..self }
    }

    /// Sets the number of layers: the first ones, or further ones by [`Parameters::recurrent`] with
    /// [`Parameters::RATIO`].
    pub fn layers(self, layers: usize) -> Self {
        Self { parameters: self.parameters.recurrent(layers, Parameters::RATIO), ..self }
    }

    /// Checks the parameters against a matrix of shape `[m, n]`.
    ///
    /// # Errors
    /// What is out of range, and what the range is, in one line.
    pub fn check(&self, shape: &[usize]) -> Result<(), String> {
        let &[m, n] = shape else {
            return Err(format!("m must be a matrix [m, n], got shape {shape:?}"));
        };
        let most = m.min(n);
        if most == 0 {
            return Err(format!("m is empty, its shape is [{m}, {n}]; both sizes must be at least 1"));
        }
        if !(1..=most).contains(&self.rank) {
            return Err(format!("rank = {}: from 1 to min(m, n) = {most} for m [{m}, {n}]", self.rank));
        }
        if !(self.threshold_scale >= 0.0 && self.threshold_scale.is_finite()) {
            let scale = self.threshold_scale;
            return Err(format!("threshold_scale = {scale}: a number from 0 on is expected; 1 leaves the thresholds"));
        }
        let Parameters { zeta, eta, size, rank } = &self.parameters;
        if zeta.len() != eta.len() + 1 {
            let (thresholds, steps) = (zeta.len(), eta.len());
            return Err(format!(
                "{thresholds} thresholds and {steps} steps: one threshold more than steps is expected"
            ));
        }
        let sound = zeta.iter().chain(eta).all(|x| x.is_finite()) && *size > 0.0 && size.is_finite() && *rank > 0;
        match sound && eta.len() <= i32::MAX as usize {
            true => Ok(()),
            false => Err("the parameters hold NaN, infinity, or a size of 0: finite ones are expected".into()),
        }
    }

    /// Thresholds and steps for a matrix of shape `[m, n]`, in its units.
    pub fn resolved(&self, shape: [usize; 2]) -> Parameters {
        let carried = self.parameters.carried(shape, self.rank);
        Parameters { zeta: carried.zeta.iter().map(|zeta| zeta * self.threshold_scale).collect(), ..carried }
    }

    /// [`resolved`](Self::resolved) as constants of a traced program.
    #[track_caller]
    pub fn weights(&self, shape: [usize; 2], dtype: DType) -> Weights {
        Weights::constant(&self.resolved(shape), dtype)
    }

    /// Traces the separation of `m` (`[m, n]`, f32 or f64). The parameters must have passed [`Lrpca::check`].
    #[track_caller]
    pub fn trace(&self, m: &Tensor) -> Separated {
        let weights = self.weights([m.dim(0), m.dim(1)], m.dtype());
        graph::separate(m, self.rank, &weights)
    }
}
