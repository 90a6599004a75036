//! RPCANet (Wu, Zhang, Li, Huang, Peng, "RPCANet: deep unfolding RPCA based infrared small target detection", WACV 2024)
//! and RPCANet++ (2025): stages that take an image D apart into a background B and a target T, and put it together
//! again, with small convolutional networks in the place of the proximal operators.
//!
//! With T_0 = 0 and D_0 the frames, stage k computes
//!
//! - the background: x = D - T, B = x + f_B(x);
//! - the target: x = T + D - B, T+ = x - e f_T(x), where e is learned; RPCANet++ has f_T(x + w(x)), with w a deep
//!   contrast prior;
//! - the image: D+ = f_D(B + T+).
//!
//! In RPCANet ([`RpcaNet`]) f_B and f_D are `conv BN ReLU` four times and a last convolution, f_T the same without batch
//! norm and with seven. In RPCANet++ ([`RpcaNetPlusPlus`]) f_B has two residual blocks and between them a convolutional
//! LSTM whose memory runs *across the stages* (the first stage has none: its cell is i j, and its output o cell, without
//! tanh); and w compares a 17 x 17 convolution W with its own sum of taps, so that what is constant leaves nothing:
//! theta(z) (Wbar z) - W z, with theta an attention to channels.
//!
//! All stages have weights of their own of equal shapes: they are stacked, `[stages, ...]`, and the stages are one `scan` on
//! the device. Convolutions have PyTorch's kernels, `[out, in, height, width]`; names are those of the authors' code
//! (fengyiwu98/RPCANet), so that its state dictionaries can be read: see [`Leaf`].
//!
//! Reading [`RpcaNet::remat`]: reverse mode keeps of each stage only what the stage got, and computes the rest once more.

mod graph;
mod init;
pub mod laws;
mod layers;
mod loss;
mod measure;
mod model;
mod plain;
mod plus_plus;
pub mod reference;
mod separate;
mod spectral;
pub mod subject;
mod train;

pub use graph::{Carried, Done, Output};
pub use init::{Leaf, Start};
pub use layers::{BatchNorm, Conv2d, Mode, Moments};
pub use loss::{loss, mean_square, soft_iou};
pub use measure::{low_rankness, sparsity};
pub use model::Model;
pub use plain::{Normed, RpcaNetRunning, RpcaNetWeights};
pub use plus_plus::{Contrast, Memory, RpcaNetPlusPlusRunning, RpcaNetPlusPlusWeights, contrast};
pub use separate::Separated;
pub use train::{Source, State, StateOf, Trained, Trainer};

use tandem_compile::random::Key;
use tandem_compile::{DType, Tensor, Tree};

/// Rows and columns of the kernel that the deep contrast prior compares with its centre.
pub const SURROUND: usize = 17;

/// RPCANet.
///
/// ```
/// use tandem_algos::rpca::net::{Network, RpcaNet};
///
/// // The published size.
/// let net = RpcaNet::new(6, 32);
/// assert_eq!(net.parameters(), 679_896);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RpcaNet {
    /// The number of stages K, at least 1.
    pub stages: usize,
    /// The number of channels c of all inner convolutions, at least 1.
    pub channels: usize,
    /// Whether reverse mode computes the inside of a stage again instead of keeping it.
    pub remat: bool,
}

/// RPCANet++.
///
/// ```
/// use tandem_algos::rpca::net::{Network, RpcaNetPlusPlus};
///
/// assert_eq!(RpcaNetPlusPlus::new(3, 32).parameters(), 1_480_791);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RpcaNetPlusPlus {
    /// The number of stages K, at least 1.
    pub stages: usize,
    /// The number of channels c of all inner convolutions, at least 4: the attention has a quarter of them.
    pub channels: usize,
    /// Whether reverse mode computes the inside of a stage again instead of keeping it.
    pub remat: bool,
}

impl RpcaNet {
    /// A network of so many stages and channels that keeps what reverse mode needs.
    pub fn new(stages: usize, channels: usize) -> Self {
        Self { stages, channels, remat: false }
    }

    /// Sets whether reverse mode computes the inside of a stage again instead of keeping it.
    pub fn remat(self, remat: bool) -> Self {
        Self { remat, ..self }
    }
}

impl RpcaNetPlusPlus {
    /// A network of so many stages and channels that keeps what reverse mode needs.
    pub fn new(stages: usize, channels: usize) -> Self {
        Self { stages, channels, remat: false }
    }

    /// Sets whether reverse mode computes the inside of a stage again instead of keeping it.
    pub fn remat(self, remat: bool) -> Self {
        Self { remat, ..self }
    }
}

/// What the two networks have in common: a trainer, a file, a measurement is written for any of them.
///
/// Frames are `[n, 1, h, w]` of f32 or f64; weights and running moments have the frames' dtype.
///
/// ```
/// use tandem_algos::rpca::net::{Network, RpcaNetPlusPlus, loss};
/// use tandem_compile::{DType, HostArray, Tensor, jit, random};
///
/// let net = RpcaNetPlusPlus::new(2, 4);
/// let first_loss = jit(|(frames, masks): (Tensor, Tensor)| {
///     let weights = net.init(random::key(1), DType::F32);
///     let (output, _moments) = net.train(&weights, &net.moments(DType::F32), &frames);
///     loss(&output, &frames, &masks)
/// });
/// let frames = HostArray::from_fn([2, 1, 6, 5], |i| (i % 7) as f32 / 7.0);
/// let masks = HostArray::from_fn([2, 1, 6, 5], |i| (i % 11 == 0) as u8 as f32);
/// let loss: f32 = first_loss.call((&frames, &masks))?;
/// assert!(loss > 0.0);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
pub trait Network {
    /// What is learned, every tensor stacked along a first axis of stages.
    type Weights: Tree + Clone;
    /// The running moments of the batch norms, stacked alike.
    type Running: Tree + Clone;
    /// What runs across the stages beside image and target.
    type Memory: Tree + Clone;

    /// The number of stages K.
    fn stages(&self) -> usize;

    /// The number of channels c.
    fn channels(&self) -> usize;

    /// Whether reverse mode computes the inside of a stage again instead of keeping it.
    fn rematerialises(&self) -> bool;

    /// Checks the parameters.
    ///
    /// # Errors
    /// Which one is out of range, and what the range is.
    fn check(&self) -> Result<(), String>;

    /// Name, shape and start of what one stage learns, in the order of the tree.
    fn weights_of_stage(&self) -> Vec<Leaf>;

    /// Name, shape and start of one stage's running moments, in the order of the tree.
    fn moments_of_stage(&self) -> Vec<Leaf>;

    /// What the first stage finds as memory, for an image `[n, h, w, 1]`.
    #[track_caller]
    fn memory(&self, image: &Tensor) -> Self::Memory;

    /// Traces one stage from its own weights and moments. `first` (bool) is true in the first stage.
    #[track_caller]
    fn stage(
        &self,
        weights: &Self::Weights,
        running: &Self::Running,
        first: &Tensor,
        mode: Mode,
        carried: Carried<Self::Memory>,
    ) -> Done<Self::Memory, Self::Running>;

    /// How many numbers are learned.
    fn parameters(&self) -> usize {
        self.stages() * self.weights_of_stage().iter().map(|leaf| leaf.shape.iter().product::<usize>()).sum::<usize>()
    }

    /// Names and shapes of the tensors of the tree of weights, in its order, the stages stacked.
    fn names(&self) -> Vec<(String, Vec<usize>)> {
        stacked(&self.weights_of_stage(), self.stages())
    }

    /// Names and shapes of the tensors of the tree of running moments, in its order, the stages stacked.
    fn moment_names(&self) -> Vec<(String, Vec<usize>)> {
        stacked(&self.moments_of_stage(), self.stages())
    }

    /// Traces the weights to start from: kernels normal of variance 2 / (fan in + fan out) (Glorot), biases uniform in
    /// +-1 / sqrt(fan in), scales 1, shifts 0, epsilon 0.01.
    #[track_caller]
    fn init(&self, key: impl Key, dtype: DType) -> Self::Weights {
        init::start(&self.weights_of_stage(), self.stages(), key, dtype)
    }

    /// Traces the running moments to start from: means 0 and variances 1.
    #[track_caller]
    fn moments(&self, dtype: DType) -> Self::Running {
        init::start(&self.moments_of_stage(), self.stages(), tandem_compile::random::key(0), dtype)
    }

    /// Traces the network with the running moments in its batch norms.
    #[track_caller]
    fn eval(&self, weights: &Self::Weights, running: &Self::Running, frames: &Tensor) -> Output
    where
        Self: Sized,
    {
        graph::eval(self, weights, running, frames)
    }

    /// Traces the network at work on frames `[n, h, w]`: background, mask and image, with NaN for what cannot be told.
    #[track_caller]
    fn separate(&self, weights: &Self::Weights, running: &Self::Running, frames: &Tensor) -> Separated
    where
        Self: Sized,
    {
        separate::separate(self, weights, running, frames)
    }

    /// Traces the network with the moments of the batch in its batch norms; the running moments come back moved a tenth of
    /// the way to those of the batch (no derivative goes through them).
    #[track_caller]
    fn train(&self, weights: &Self::Weights, running: &Self::Running, frames: &Tensor) -> (Output, Self::Running)
    where
        Self: Sized,
    {
        graph::train(self, weights, running, frames)
    }
}

/// Names with the shapes of all stages together.
fn stacked(leaves: &[Leaf], stages: usize) -> Vec<(String, Vec<usize>)> {
    leaves.iter().map(|leaf| (leaf.name.clone(), [&[stages], leaf.shape.as_slice()].concat())).collect()
}

/// What both networks ask of their parameters.
fn check(stages: usize, channels: usize, fewest: usize) -> Result<(), String> {
    if stages == 0 || stages > 1000 {
        return Err(format!("stages = {stages}: it must be from 1 to 1000"));
    }
    if channels < fewest || channels > 4096 {
        return Err(format!("channels = {channels}: it must be from {fewest} to 4096"));
    }
    Ok(())
}
