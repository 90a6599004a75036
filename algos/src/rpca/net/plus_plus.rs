//! The stages of RPCANet++.

use tandem_compile::{Tensor, concatenate, tree, zeros};

use super::graph::{Carried, Done};
use super::init::Leaf;
use super::layers::{
    BatchNorm, Conv2d, Mode, Moments, conv, conv_of_points, correlate, joined, joined_biases, leaky_relu, norm, relu,
};
use super::plain::{Normed, normed, normed_leaves, normed_moments, shrunk, target_leaves};
use super::{Network, RpcaNetPlusPlus, SURROUND, check};

/// f_B of RPCANet++, with the memory.
#[derive(Debug, Clone)]
pub struct Memory {
    /// From 1 channel to c.
    pub first: Conv2d,
    /// The batch norm behind it.
    pub norm: BatchNorm,
    /// The residual block before the memory: y + conv(ReLU(conv y)).
    pub before: [Conv2d; 2],
    /// The residual block behind the memory.
    pub behind: [Conv2d; 2],
    /// From c channels to 1.
    pub last: Conv2d,
    /// The gates' convolutions of what comes in: f (forget), i (input), o (output), j (the new content).
    pub of_input: [Conv2d; 4],
    /// The gates' convolutions of the memory, in the same order; unused in the first stage.
    pub of_memory: [Conv2d; 4],
}
tree!(Memory { first, norm, before, behind, last, of_input, of_memory });

/// The deep contrast prior w.
#[derive(Debug, Clone)]
pub struct Contrast {
    /// From 1 channel to c.
    pub first: Conv2d,
    /// W, `[c, c, 17, 17]`; it has no bias.
    pub surround: Tensor,
    /// The attention's convolution of the channels' means, from c to c/4.
    pub squeeze: Conv2d,
    /// The batch norm behind it.
    pub squeeze_norm: BatchNorm,
    /// The attention's second convolution, from c/4 to c.
    pub excite: Conv2d,
    /// The batch norm behind it.
    pub excite_norm: BatchNorm,
    /// The batch norm of the contrast.
    pub norm: BatchNorm,
    /// From c channels to 1.
    pub last: Conv2d,
}
tree!(Contrast { first, surround, squeeze, squeeze_norm, excite, excite_norm, norm, last });

/// What RPCANet++ learns.
#[derive(Debug, Clone)]
pub struct RpcaNetPlusPlusWeights {
    /// f_B.
    pub lowrank: Memory,
    /// The step e, `[1]` in a stage.
    pub epsilon: Tensor,
    /// f_T: from 1 channel to c, six from c to c, from c to 1.
    pub sparse: [Conv2d; 8],
    /// w.
    pub contrast: Contrast,
    /// f_D.
    pub merge: Normed,
}
tree!(RpcaNetPlusPlusWeights { lowrank, epsilon, sparse, contrast, merge });

/// The running moments of RPCANet++.
#[derive(Debug, Clone)]
pub struct RpcaNetPlusPlusRunning {
    /// Of f_B.
    pub lowrank: Moments,
    /// Of the attention's first batch norm.
    pub squeeze: Moments,
    /// Of its second.
    pub excite: Moments,
    /// Of the contrast.
    pub contrast: Moments,
    /// Of f_D.
    pub merge: [Moments; 4],
}
tree!(RpcaNetPlusPlusRunning { lowrank, squeeze, excite, contrast, merge });

impl Network for RpcaNetPlusPlus {
    type Weights = RpcaNetPlusPlusWeights;
    type Running = RpcaNetPlusPlusRunning;
    /// What the memory gives out and its cell, `[n, h, w, c]` each.
    type Memory = [Tensor; 2];

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
        check(self.stages, self.channels, 4)
    }

    fn weights_of_stage(&self) -> Vec<Leaf> {
        let c = self.channels;
        [memory_leaves(c), target_leaves(c), contrast_leaves(c), normed_leaves("merge.mapping", c)].concat()
    }

    fn moments_of_stage(&self) -> Vec<Leaf> {
        let c = self.channels;
        let single = [
            Leaf::moments("lowrank.conv1_C.1", c),
            Leaf::moments("sparse.contrast.2.attn.avg_channel.2", c / 4),
            Leaf::moments("sparse.contrast.2.attn.avg_channel.5", c),
            Leaf::moments("sparse.contrast.3", c),
        ];
        [single.concat(), normed_moments("merge.mapping", c)].concat()
    }

    fn memory(&self, image: &Tensor) -> [Tensor; 2] {
        let nothing = zeros([image.dim(0), image.dim(1), image.dim(2), self.channels], image.dtype());
        [nothing.clone(), nothing]
    }

    fn stage(
        &self,
        weights: &RpcaNetPlusPlusWeights,
        running: &RpcaNetPlusPlusRunning,
        first: &Tensor,
        mode: Mode,
        carried: Carried<[Tensor; 2]>,
    ) -> Done<[Tensor; 2], RpcaNetPlusPlusRunning> {
        let Carried { image, target, memory } = carried;
        let x = &image - &target;
        let (change, memory, lowrank) = remembered(&x, &weights.lowrank, &running.lowrank, first, mode, &memory);
        let background = x + change;
        let x = target + image - &background;
        let (prior, contrast) = contrasted(&x, &weights.contrast, running, mode);
        let target = &x - &weights.epsilon * shrunk(&(&x + prior), &weights.sparse);
        let (image, merge) = normed(&(&background + &target), &weights.merge, &running.merge, mode);
        let [squeeze, excite, contrast] = contrast;
        let running = RpcaNetPlusPlusRunning { lowrank, squeeze, excite, contrast, merge };
        Done { background, carried: Carried { image, target, memory }, running }
    }
}

/// f_B of an image `[n, h, w, 1]`, the memory and the moments afterwards.
fn remembered(
    x: &Tensor,
    weights: &Memory,
    running: &Moments,
    first: &Tensor,
    mode: Mode,
    memory: &[Tensor; 2],
) -> (Tensor, [Tensor; 2], Moments) {
    let (y, running) = norm(&conv(x, &weights.first), &weights.norm, running, mode);
    let y = residual(&relu(&y), &weights.before);
    let [y, cell] = gated(&y, weights, first, memory);
    (conv(&residual(&y, &weights.behind), &weights.last), [y, cell], running)
}

/// The convolutional LSTM: what it gives out, and its cell.
///
/// All gates are one convolution of input and memory together. The first stage finds a memory of zeros: what is left to
/// take away there are the biases of the memory's convolutions, and the tanh of what is given out.
fn gated(y: &Tensor, weights: &Memory, first: &Tensor, [h, cell]: &[Tensor; 2]) -> [Tensor; 2] {
    let c = y.dim(3);
    let kernel = concatenate(&[&joined(&weights.of_input, 0), &joined(&weights.of_memory, 0)], 1);
    let biases = joined_biases(&weights.of_input) + first.select(0.0, joined_biases(&weights.of_memory));
    let gates = correlate(&concatenate(&[y, h], 3), &kernel) + biases;
    let open = gates.slice(3, 0, 3 * c).logistic();
    let [forget, input, output] = [0, 1, 2].map(|gate| open.slice(3, gate * c, (gate + 1) * c));
    let cell = forget * cell + input * gates.slice(3, 3 * c, 4 * c).tanh();
    let shown = first.select(&cell, cell.tanh());
    [output * shown, cell]
}

fn residual(y: &Tensor, [first, second]: &[Conv2d; 2]) -> Tensor {
    y + conv(&relu(&conv(y, first)), second)
}

/// The deep contrast prior of an image `[n, h, w, 1]`, and the moments of attention (two) and contrast afterwards.
fn contrasted(x: &Tensor, weights: &Contrast, running: &RpcaNetPlusPlusRunning, mode: Mode) -> (Tensor, [Moments; 3]) {
    let z = relu(&conv(x, &weights.first));
    let means = z.mean_axes([1, 2]);
    let (y, squeeze) = norm(&conv_of_points(&means, &weights.squeeze), &weights.squeeze_norm, &running.squeeze, mode);
    let excited = conv_of_points(&relu(&y), &weights.excite);
    let (y, excite) = norm(&excited, &weights.excite_norm, &running.excite, mode);
    let contrast = contrast(&z, &weights.surround, &y.logistic());
    let (y, contrast) = norm(&contrast, &weights.norm, &running.contrast, mode);
    (conv(&leaky_relu(&y), &weights.last), [squeeze, excite, contrast])
}

/// theta (Wbar z) - W z: how much more a kernel W (`[out, c, 17, 17]`) finds in features z (`[n, h, w, c]`) than it would find
/// if they were everywhere what they are in its centre, which is weighted by `theta` (`[n, out]`). Wbar is the sum of the
/// kernel's taps; around the image z is 0.
#[track_caller]
pub fn contrast(z: &Tensor, kernel: &Tensor, theta: &Tensor) -> Tensor {
    let centre = z.contract(&kernel.sum_axes([2, 3]), 3, 1);
    theta.expand_dims(1).expand_dims(1) * centre - correlate(z, kernel)
}

fn memory_leaves(c: usize) -> Vec<Leaf> {
    let mut leaves = Leaf::conv("lowrank.conv1_C.0", [c, 1], 3).to_vec();
    leaves.extend(Leaf::norm("lowrank.conv1_C.1", c));
    for name in ["RB_1.conv1", "RB_1.conv2", "RB_2.conv1", "RB_2.conv2"] {
        leaves.extend(Leaf::conv(&format!("lowrank.{name}"), [c, c], 3));
    }
    leaves.extend(Leaf::conv("lowrank.convC_1", [1, c], 3));
    for gate in ["xf", "xi", "xo", "xj", "hf", "hi", "ho", "hj"] {
        leaves.extend(Leaf::conv(&format!("lowrank.ConvLSTM.conv_{gate}"), [c, c], 3));
    }
    leaves
}

fn contrast_leaves(c: usize) -> Vec<Leaf> {
    let mut leaves = Leaf::conv("sparse.contrast.0", [c, 1], 3).to_vec();
    leaves.push(Leaf::kernel("sparse.contrast.2.conv.weight", [c, c], SURROUND));
    for (at, channels) in [(1, [c / 4, c]), (4, [c, c / 4])] {
        let name = "sparse.contrast.2.attn.avg_channel";
        leaves.extend(Leaf::conv(&format!("{name}.{at}"), channels, 1));
        leaves.extend(Leaf::norm(&format!("{name}.{}", at + 1), channels[0]));
    }
    leaves.extend(Leaf::norm("sparse.contrast.3", c));
    leaves.extend(Leaf::conv("sparse.contrast.5", [1, c], 3));
    leaves
}
