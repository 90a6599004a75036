//! The network of the modular-addition experiment: one layer of attention and an MLP, no normalisation; the tokens are a, b
//! and "=", and the output is read at the last one.

use tandem::algos::interaction::mlp::relu;
use tandem::algos::interaction::{Section, with_constant};
use tandem::prelude::*;

/// Sizes of the paper: width 128, 4 heads, 512 hidden units.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    pub p: usize,
    pub width: usize,
    pub heads: usize,
    pub hidden: usize,
}

impl Sizes {
    /// Those of the paper, for modulus p.
    pub fn of(p: usize) -> Self {
        Self { p, width: 128, heads: 4, hidden: 512 }
    }

    /// The shapes of the weights, in order.
    pub fn shapes(&self) -> [Vec<usize>; 11] {
        let Sizes { p, width, hidden, .. } = *self;
        let square = vec![width, width];
        [
            vec![p + 1, width],
            vec![3, width],
            square.clone(),
            square.clone(),
            square.clone(),
            square,
            vec![width, hidden],
            vec![hidden],
            vec![hidden, width],
            vec![width],
            vec![width, p],
        ]
    }
}

/// What is learned.
#[derive(Debug, Clone)]
pub struct Weights {
    /// Of a, b and "=", `[p + 1, width]`.
    pub embedding: Tensor,
    /// Of the three positions, `[3, width]`.
    pub position: Tensor,
    /// Queries, keys and values, all heads side by side, and what gathers these, `[width, width]`.
    pub query: Tensor,
    pub key: Tensor,
    pub value: Tensor,
    pub gather: Tensor,
    /// The MLP, `[width, hidden]` and back.
    pub enter: Tensor,
    pub enter_bias: Tensor,
    pub leave: Tensor,
    pub leave_bias: Tensor,
    /// `[width, p]`
    pub unembedding: Tensor,
}
tree!(Weights { embedding, position, query, key, value, gather, enter, enter_bias, leave, leave_bias, unembedding });

impl Weights {
    /// Normal numbers, by the root of the inputs of each map; biases of zero.
    pub fn start(sizes: &Sizes, seed: u64, dtype: DType) -> Self {
        let shapes = sizes.shapes();
        let mut at = 0;
        let mut next = || {
            let shape = shapes[at].clone();
            at += 1;
            if shape.len() == 1 {
                return zeros(shape, dtype);
            }
            let scale = if at <= 2 { sizes.width } else { shape[0] };
            random::normal(random::fold_in(random::key(seed), &number(at as f64, DType::I32)), shape, dtype)
                / (scale as f64).sqrt()
        };
        Weights {
            embedding: next(),
            position: next(),
            query: next(),
            key: next(),
            value: next(),
            gather: next(),
            enter: next(),
            enter_bias: next(),
            leave: next(),
            leave_bias: next(),
            unembedding: next(),
        }
    }

    /// The first node layer: embedded tokens `[n, 3, width]` of pairs `[n, 2]` of numbers below p.
    pub fn embedded(&self, pairs: &Tensor) -> Tensor {
        let (n, p) = (pairs.dim(0), self.embedding.dim(0) - 1);
        let equals = zeros([n, 1], DType::I32) + p as i32;
        self.embedding.take(&concatenate(&[pairs, &equals], 1), 0) + &self.position
    }

    /// The residual stream at the last token after attention, `[n, width]`, from `[n, 3, width]`.
    fn attended(&self, r: &Tensor, heads: usize) -> Tensor {
        let (n, width) = (r.dim(0), r.dim(2));
        let each = width / heads;
        let last = r.at_index(1, 2);
        let query = last.dot(&self.query).reshape([n, heads, each]);
        let key = r.dot(&self.key).reshape([n, 3, heads, each]);
        let value = r.dot(&self.value).reshape([n, 3, heads, each]);
        let scores = einsum("nhe,nshe->nhs", &[&query, &key]) / (each as f64).sqrt();
        let mixed = einsum("nhs,nshe->nhe", &[&scores.softmax(2), &value]).reshape([n, width]);
        last + mixed.dot(&self.gather)
    }

    fn logits(&self, r: &Tensor) -> Tensor {
        r.dot(&self.unembedding)
    }

    /// The logits `[n, p]` of pairs `[n, 2]`.
    pub fn output(&self, pairs: &Tensor, heads: usize) -> Tensor {
        let r = self.attended(&self.embedded(pairs), heads);
        let hidden = relu(&(r.dot(&self.enter) + &self.enter_bias));
        self.logits(&(r + hidden.dot(&self.leave) + &self.leave_bias))
    }

    /// The sections between the node layers "before attention" `[n, 3, width + 1]`, "before the MLP" `[n, width + 1]`, "before
    /// the unembedding" `[n, width + 1]` and "output" `[n, p]`.
    pub fn sections(&self, heads: usize) -> Vec<Section<'_>> {
        let parts = |f: &Tensor| {
            let (last, width) = (f.ndim() - 1, f.dim(f.ndim() - 1) - 1);
            (f.slice(last, 0, width), f.slice(last, width, width + 1))
        };
        vec![
            Box::new(move |f: &Tensor| {
                let (r, one) = parts(f);
                concatenate(&[&self.attended(&r, heads), &one.at_index(1, 2)], 1)
            }),
            Box::new(move |f: &Tensor| {
                let (r, one) = parts(f);
                let hidden = relu(&(r.dot(&self.enter) + &one * &self.enter_bias));
                let r = r + hidden.dot(&self.leave) + &one * &self.leave_bias;
                concatenate(&[&r, &one], 1)
            }),
            Box::new(move |f: &Tensor| self.logits(&parts(f).0)),
        ]
    }

    /// The first node layer of pairs, with its constant coordinate, `[n, 3, width + 1]`.
    pub fn input(&self, pairs: &Tensor) -> Tensor {
        with_constant(&self.embedded(pairs))
    }
}

/// All p^2 pairs, i32 `[p^2, 2]`, and their sums modulo p, i32 `[p^2]`.
pub fn all_pairs(p: usize) -> (HostArray, HostArray) {
    let pairs = HostArray::from_fn([p * p, 2], |at| (if at % 2 == 0 { at / 2 / p } else { at / 2 % p }) as i32);
    (pairs, HostArray::from_fn([p * p], |at| ((at / p + at % p) % p) as i32))
}
