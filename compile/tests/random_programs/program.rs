//! What a random program is made of. Everything is numbers that mean something whatever they are (an operand is that
//! one of those that fit which the number likes best), so that every program is well typed, and every smaller one too.

use proptest::collection::vec;
use proptest::prelude::*;
use tandem_compile::{DType, TensorType};

/// A program and what it is run on.
#[derive(Debug, Clone)]
pub struct Program {
    pub inputs: Vec<TensorType>,
    pub steps: Vec<Step>,
    /// What the inputs, directions and perturbations are drawn from.
    pub seed: u64,
    /// Inputs of few different numbers, zeros among them.
    pub ties: bool,
    /// The one result that is left of a program that failed.
    pub only: Option<usize>,
}

impl Program {
    /// Whether all its floats are f64.
    pub fn is_wide(&self) -> bool {
        self.inputs.iter().all(|ty| ty.dtype != DType::F32)
    }
}

/// One operation.
#[derive(Debug, Clone)]
pub struct Step {
    /// Which family of operations.
    pub op: u16,
    /// Which operands, among those that fit.
    pub operands: [u16; 3],
    /// Which operation of the family, which axis, how wide...
    pub numbers: [u16; 4],
    /// What a loop repeats, or what a branch does.
    pub body: Vec<Step>,
}

impl Step {
    /// A number below `bound`, which is at least 1.
    pub fn below(&self, number: usize, bound: usize) -> usize {
        usize::from(self.numbers[number]) % bound.max(1)
    }

    /// A number of its own.
    pub fn id(&self) -> u64 {
        let words = self.operands.iter().chain(&self.numbers);
        words.fold(u64::from(self.op), |id, &word| mixed(id, u64::from(word)))
    }

    /// Further numbers, for those that need more than four.
    pub fn more(&self, salt: usize, bound: usize) -> usize {
        let word = self.numbers.iter().fold(salt, |word, &n| (word ^ usize::from(n)).wrapping_mul(0x9E37_79B9) >> 3);
        word % bound.max(1)
    }
}

/// One number from two, like none of them.
pub fn mixed(x: u64, y: u64) -> u64 {
    let z = (x ^ y.wrapping_add(0x9E37_79B9_7F4A_7C15)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z ^ (z >> 29)
}

pub fn programs() -> impl Strategy<Value = Program> {
    let inputs = (vec(input(), 1..=6), prop::bool::weighted(0.25)).prop_map(|(inputs, wide)| {
        let widened = |ty: TensorType| match ty.dtype {
            DType::F32 if wide => ty.with_dtype(DType::F64),
            _ => ty,
        };
        inputs.into_iter().map(widened).collect::<Vec<_>>()
    });
    let steps = vec(outer_step(), 1..=60);
    (inputs, steps, any::<u64>().no_shrink(), prop::bool::weighted(0.3))
        .prop_map(|(inputs, steps, seed, ties)| Program { inputs, steps, seed, ties, only: None })
}

fn input() -> impl Strategy<Value = TensorType> {
    use DType::{Bool, F32, F64, I32, I64, U32};
    let dtype =
        prop_oneof![6 => Just(F32), 6 => Just(F64), 3 => Just(I32), 1 => Just(U32), 1 => Just(I64), 1 => Just(Bool)];
    let size = prop_oneof![4 => Just(1usize), 8 => Just(2), 10 => Just(3), 6 => Just(5), 1 => Just(0)];
    let ndim = prop_oneof![2 => Just(0usize), 5 => Just(1), 6 => Just(2), 3 => Just(3), 1 => Just(4)];
    (dtype, ndim.prop_flat_map(move |ndim| vec(size.clone(), ndim)))
        .prop_map(|(dtype, shape)| TensorType::new(dtype, shape))
}

fn step(body: impl Strategy<Value = Vec<Step>>) -> impl Strategy<Value = Step> {
    // Another operation or operand is no smaller a program: only steps are left out.
    let numbers = (any::<u16>(), any::<[u16; 3]>(), any::<[u16; 4]>()).no_shrink();
    (numbers, body).prop_map(|((op, operands, numbers), body)| Step { op, operands, numbers, body })
}

/// A step with a body is a loop or a conditional, one without is anything else.
fn outer_step() -> impl Strategy<Value = Step> {
    let plain = || step(Just(Vec::new()));
    let inner = prop_oneof![10 => plain().boxed(), 1 => step(vec(plain(), 1..=4)).boxed()];
    prop_oneof![9 => plain().boxed(), 1 => step(vec(inner, 1..=6)).boxed()]
}
