//! The stages of RPCANet.

use tandem_compile::{Tensor, tree};

use super::graph::{Carried, Done};
use super::init::{Leaf, Start};
use super::layers::{BatchNorm, Conv2d, Mode, Moments, conv, norm, relu};
use super::{Network, RpcaNet, check};

/// `conv BN ReLU` four times, and a last convolution: f_B of RPCANet, and f_D of both networks.
#[derive(Debug, Clone)]
pub struct Normed {
    /// From 1 channel to c, then from c to c, with their batch norms.
    pub hidden: [(Conv2d, BatchNorm); 4],
    /// From c channels to 1.
    pub last: Conv2d,
}
tree!(Normed { hidden, last });

/// What RPCANet learns.
#[derive(Debug, Clone)]
pub struct RpcaNetWeights {
    /// f_B.
    pub lowrank: Normed,
    /// The step e, `[1]` in a stage.
    pub epsilon: Tensor,
    /// f_T: from 1 channel to c, six from c to c, from c to 1.
    pub sparse: [Conv2d; 8],
    /// f_D.
    pub merge: Normed,
}
tree!(RpcaNetWeights { lowrank, epsilon, sparse, merge });

/// The running moments of RPCANet.
#[derive(Debug, Clone)]
pub struct RpcaNetRunning {
    /// Of f_B.
    pub lowrank: [Moments; 4],
    /// Of f_D.
    pub merge: [Moments; 4],
}
tree!(RpcaNetRunning { lowrank, merge });

impl Network for RpcaNet {
    type Weights = RpcaNetWeights;
    type Running = RpcaNetRunning;
    type Memory = ();

    fn stages(&self) -> usize {
        self.stages
    }

    fn channels(&self) -> usize {
        self.channels
    }

    fn rematerialises(&self) -> bool {
        self.remat
    }

    fn check(&self) -> Result<(), String> {
        check(self.stages, self.channels, 1)
    }

    fn weights_of_stage(&self) -> Vec<Leaf> {
        let c = self.channels;
        [normed_leaves("lowrank.convs", c), target_leaves(c), normed_leaves("merge.mapping", c)].concat()
    }

    fn moments_of_stage(&self) -> Vec<Leaf> {
        [normed_moments("lowrank.convs", self.channels), normed_moments("merge.mapping", self.channels)].concat()
    }

    fn memory(&self, _: &Tensor) {}

    fn stage(
        &self,
        weights: &RpcaNetWeights,
        running: &RpcaNetRunning,
        _: &Tensor,
        mode: Mode,
        carried: Carried<()>,
    ) -> Done<(), RpcaNetRunning> {
        let Carried { image, target, memory } = carried;
        let x = &image - &target;
        let (change, lowrank) = normed(&x, &weights.lowrank, &running.lowrank, mode);
        let background = x + change;
        let x = target + image - &background;
        let target = &x - &weights.epsilon * shrunk(&x, &weights.sparse);
        let (image, merge) = normed(&(&background + &target), &weights.merge, &running.merge, mode);
        Done { background, carried: Carried { image, target, memory }, running: RpcaNetRunning { lowrank, merge } }
    }
}

/// Applies [`Normed`] to an image `[n, h, w, 1]`.
pub(super) fn normed(x: &Tensor, weights: &Normed, running: &[Moments; 4], mode: Mode) -> (Tensor, [Moments; 4]) {
    let mut moved = running.clone();
    let mut y = x.clone();
    for ((layer, scale), moments) in weights.hidden.iter().zip(&mut moved) {
        let (normed, after) = norm(&conv(&y, layer), scale, moments, mode);
        y = relu(&normed);
        *moments = after;
    }
    (conv(&y, &weights.last), moved)
}

/// Applies f_T to an image `[n, h, w, 1]`.
pub(super) fn shrunk(x: &Tensor, weights: &[Conv2d; 8]) -> Tensor {
    let [hidden @ .., last] = weights;
    let y = hidden.iter().fold(x.clone(), |y, layer| relu(&conv(&y, layer)));
    conv(&y, last)
}

/// The arrays of [`Normed`], which PyTorch counts in steps of convolution, norm and ReLU.
pub(super) fn normed_leaves(name: &str, c: usize) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    for layer in 0..4 {
        let into = if layer == 0 { 1 } else { c };
        leaves.extend(Leaf::conv(&format!("{name}.{}", 3 * layer), [c, into], 3));
        leaves.extend(Leaf::norm(&format!("{name}.{}", 3 * layer + 1), c));
    }
    leaves.extend(Leaf::conv(&format!("{name}.12"), [1, c], 3));
    leaves
}

pub(super) fn normed_moments(name: &str, c: usize) -> Vec<Leaf> {
    (0..4).flat_map(|layer| Leaf::moments(&format!("{name}.{}", 3 * layer + 1), c)).collect()
}

/// The arrays of epsilon and f_T.
pub(super) fn target_leaves(c: usize) -> Vec<Leaf> {
    let mut leaves = vec![Leaf::new("sparse.epsilon", [1], Start::Constant(0.01))];
    for layer in 0..8 {
        let channels = [if layer == 7 { 1 } else { c }, if layer == 0 { 1 } else { c }];
        leaves.extend(Leaf::conv(&format!("sparse.convs.{}", 2 * layer), channels, 3));
    }
    leaves
}
