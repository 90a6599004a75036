//! What the arrays of a stage are called, how large they are, and what they start from.

use tandem_compile::random::{self, Key};
use tandem_compile::{DType, Tensor, Tree, full, number, optimization_barrier};

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

/// The arrays of all stages as they start: normal numbers from one key and uniform ones from another, dealt out in order. (A draw
/// for every array would be as many programs to compile.)
#[track_caller]
pub(super) fn start<T: Tree>(leaves: &[Leaf], stages: usize, key: impl Key, dtype: DType) -> T {
    let len = |leaf: &Leaf| stages * leaf.shape.iter().product::<usize>();
    let total = |counts: fn(&Start) -> bool| leaves.iter().filter(|leaf| counts(&leaf.start)).map(len).sum::<usize>();
    let [normals, uniforms] =
        [total(|start| matches!(start, Start::Normal(_))), total(|start| matches!(start, Start::Uniform(_)))];
    let own = |which: f64| random::fold_in(&key, &number(which, DType::I32));
    let mut normal = Deck::new(normals, || random::normal(own(0.0), [normals], dtype));
    let mut uniform = Deck::new(uniforms, || random::uniform(own(1.0), [uniforms], dtype) * 2.0 - 1.0);
    let tensors: Vec<Tensor> = leaves
        .iter()
        .map(|leaf| {
            let shape = [&[stages], leaf.shape.as_slice()].concat();
            match leaf.start {
                Start::Constant(value) => full(shape, value, dtype),
                Start::Normal(deviation) => normal.deal(len(leaf)).reshape(shape) * deviation,
                Start::Uniform(bound) => uniform.deal(len(leaf)).reshape(shape) * bound,
            }
        })
        .collect();
    match T::build(&mut tensors.into_iter()) {
        Some(tree) => tree,
        None => unreachable!("the leaves of a stage are those of its tree"),
    }
}

/// Numbers to be taken from the top.
struct Deck {
    numbers: Option<Tensor>,
    taken: usize,
}

impl Deck {
    fn new(len: usize, draw: impl FnOnce() -> Tensor) -> Self {
        // Behind a barrier they are computed once, and not once for each array.
        Self { numbers: (len > 0).then(|| optimization_barrier(&draw())), taken: 0 }
    }

    fn deal(&mut self, len: usize) -> Tensor {
        let from = self.taken;
        self.taken += len;
        match &self.numbers {
            Some(numbers) => numbers.slice(0, from, from + len),
            None => unreachable!("a deck has as many numbers as are dealt"),
        }
    }
}
