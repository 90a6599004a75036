//! Training on movies whose parts are known.

use tandem_compile::{DType, Tensor, Tree, number, scan, tree_map, value_and_grad, zeros};

use super::{Corona, GroupWeights, Parts};
use crate::Adam;

/// How the network is trained: Adam on half the mean squared error of L plus half that of S.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trainer {
    /// The learning rate.
    pub rate: f64,
    /// Adam's other numbers.
    pub adam: Adam,
}

impl Default for Trainer {
    /// The published rate, 0.002.
    fn default() -> Self {
        Self { rate: 2e-3, adam: Adam::default() }
    }
}

/// A training under way.
#[derive(Debug, Clone)]
pub struct State {
    /// Steps so far, i32.
    pub steps: Tensor,
    /// What is learned, Adam's means of the gradients and those of their squares, one after the other; groups stand last
    /// in a tree, which their number does not follow from.
    pub weights: [Vec<GroupWeights>; 3],
}

impl Tree for State {
    fn collect(&self, leaves: &mut Vec<Tensor>) {
        self.steps.collect(leaves);
        self.weights.collect(leaves);
    }

    /// Three lists of equal length.
    fn build(leaves: &mut dyn Iterator<Item = Tensor>) -> Option<Self> {
        let steps = Tensor::build(leaves)?;
        let all: Vec<GroupWeights> = Tree::build(leaves)?;
        let count = all.len() / 3;
        let third = |i: usize| all[i * count..(i + 1) * count].to_vec();
        Some(State { steps, weights: [third(0), third(1), third(2)] })
    }

    fn rebuild(&self, leaves: &mut dyn Iterator<Item = Tensor>) -> Option<Self> {
        Some(State { steps: self.steps.rebuild(leaves)?, weights: self.weights.rebuild(leaves)? })
    }
}

impl Trainer {
    /// The state before the first step.
    #[track_caller]
    pub fn start(&self, weights: Vec<GroupWeights>) -> State {
        let nothing = tree_map(&weights, |w| zeros(w.shape(), w.dtype()));
        State { steps: number(0.0, DType::I32), weights: [weights, nothing.clone(), nothing] }
    }

    /// The loss of the network on the movies `d` whose parts are known, all `[N, 2, H, W, T]`.
    #[track_caller]
    pub fn loss(&self, network: &Corona, weights: &[GroupWeights], d: &Tensor, parts: &Parts) -> Tensor {
        let found = network.trace(d, weights);
        let half = |found: &Tensor, known: &Tensor| (found - known).square().mean() * 0.5;
        half(&found.low, &parts.low) + half(&found.sparse, &parts.sparse)
    }

    /// Traces a step on a batch: the next state, and the loss before it.
    #[track_caller]
    pub fn step(&self, network: &Corona, state: State, d: &Tensor, parts: &Parts) -> (State, Tensor) {
        let State { steps, weights: [weights, m, v] } = state;
        let loss = |weights: Vec<GroupWeights>| self.loss(network, &weights, d, parts);
        let (loss, gradient) = value_and_grad(loss)(weights.clone());
        let (steps, rate) = (steps + 1, number(self.rate, d.dtype()));
        let (weights, m, v) = self.adam.step(&rate, &steps, (&weights, &m, &v), &gradient);
        (State { steps, weights: [weights, m, v] }, loss)
    }

    /// Traces a pass over batches, `[count, N, 2, H, W, T]` each: the state after it, and the losses before every step,
    /// `[count]`.
    #[track_caller]
    pub fn pass(&self, network: &Corona, state: State, d: &Tensor, parts: &Parts) -> (State, Tensor) {
        scan(state, (d.clone(), parts.clone()), |state, (d, parts)| self.step(network, state, &d, &parts))
    }
}
