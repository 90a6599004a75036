//! What the arrays of a stage are called, how large they are, and what they start from.

use tandem_compile::random::{self, Key};
use tandem_compile::{DType, Tensor, Tree, full, number};

/// One array of one stage.
///
/// In a file it is called `decos.K.NAME`, K the stage's number from 0, as in the authors' state dictionaries.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    /// Its name within the stage, such as `lowrank.convs.0.weight`.
    pub name: String,
    /// Its shape in one stage.
    pub shape: Vec<usize>,
    /// What its numbers are at first.
    pub start: Start,
}

/// What numbers are at first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Start {
    /// All the same.
    Constant(f64),
    /// Normal with mean 0 and this deviation.
    Normal(f64),
    /// Uniform between the number and its negative.
    Uniform(f64),
}

impl Leaf {
    /// Named `name`, in the shape `shape`, starting from `start`.
    pub(super) fn new(name: impl Into<String>, shape: impl Into<Vec<usize>>, start: Start) -> Self {
        Self { name: name.into(), shape: shape.into(), start }
    }

    /// A kernel `[out, in, size, size]`.
    pub(super) fn kernel(name: impl Into<String>, [out, into]: [usize; 2], size: usize) -> Self {
        let fans = (size * size * (out + into)) as f64;
        Self::new(name, [out, into, size, size], Start::Normal((2.0 / fans).sqrt()))
    }

    /// A convolution: kernel and bias.
    pub(super) fn conv(name: &str, [out, into]: [usize; 2], size: usize) -> [Self; 2] {
        let bound = 1.0 / ((size * size * into) as f64).sqrt();
        let bias = Self::new(format!("{name}.bias"), [out], Start::Uniform(bound));
        [Self::kernel(format!("{name}.weight"), [out, into], size), bias]
    }

    /// A batch norm: scale and shift.
    pub(super) fn norm(name: &str, channels: usize) -> [Self; 2] {
        let part = |part: &str, value| Self::new(format!("{name}.{part}"), [channels], Start::Constant(value));
        [part("weight", 1.0), part("bias", 0.0)]
    }

    /// A batch norm's running moments: means and variances.
    pub(super) fn moments(name: &str, channels: usize) -> [Self; 2] {
        let part = |part: &str, value| Self::new(format!("{name}.{part}"), [channels], Start::Constant(value));
        [part("running_mean", 0.0), part("running_var", 1.0)]
    }
}

/// The arrays of all stages as they start, each from a key of its own.
#[track_caller]
pub(super) fn start<T: Tree>(leaves: &[Leaf], stages: usize, key: impl Key, dtype: DType) -> T {
    let draw = |(i, leaf): (usize, &Leaf)| -> Tensor {
        let shape = [&[stages], leaf.shape.as_slice()].concat();
        let key = || random::fold_in(&key, &number(i as f64, DType::I32));
        match leaf.start {
            Start::Constant(value) => full(shape, value, dtype),
            Start::Normal(deviation) => random::normal(key(), shape, dtype) * deviation,
            Start::Uniform(bound) => (random::uniform(key(), shape, dtype) * 2.0 - 1.0) * bound,
        }
    };
    let tensors: Vec<Tensor> = leaves.iter().enumerate().map(draw).collect();
    match T::build(&mut tensors.into_iter()) {
        Some(tree) => tree,
        None => unreachable!("the leaves of a stage are those of its tree"),
    }
}
