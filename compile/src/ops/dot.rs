//! Products that contract axes: `dot_general`, and the matrix product on top of it.

use std::fmt;
use std::panic::Location;

use crate::dtype::DType;
use crate::graph::{Graph, TensorType};
use crate::ops::{Primitive, check_axes, join};
use crate::stablehlo::{Emitter, Operand, names, signature};
use crate::trace::{Tensor, bind1};

/// How exactly a product of f32 numbers is computed on hardware with narrower multipliers.
///
/// On CPUs, and in f64, all three are the same. On recent NVIDIA cards `Default` means TF32 (10 bits of mantissa),
/// on TPUs one bf16 pass (7 bits).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// Full precision of the element type.
    #[default]
    Highest,
    /// Three bf16 passes on TPU.
    High,
    /// Whatever the platform does fastest.
    Default,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Precision::Highest => "HIGHEST",
            Precision::High => "HIGH",
            Precision::Default => "DEFAULT",
        })
    }
}

/// Sums of products over the contracting axes, for every combination of the others; batch axes run in step.
/// The result's axes: batch, then the remaining ones of the left operand, then those of the right.
#[derive(Debug, Clone, Default)]
pub struct DotGeneral {
    /// The left operand's axes that are summed over.
    pub lhs_contracting: Vec<usize>,
    /// The right operand's axes that are summed over, in the same order.
    pub rhs_contracting: Vec<usize>,
    /// The left operand's axes that run in step with the right's.
    pub lhs_batch: Vec<usize>,
    /// The right operand's axes that run in step with the left's.
    pub rhs_batch: Vec<usize>,
    /// How exactly.
    pub precision: Precision,
}

impl Primitive for DotGeneral {
    fn name(&self) -> &'static str {
        "dot_general"
    }

    fn attributes(&self) -> String {
        let mut text = format!("contracting [{}] x [{}]", join(&self.lhs_contracting), join(&self.rhs_contracting));
        if !self.lhs_batch.is_empty() {
            text += &format!(", batch [{}] x [{}]", join(&self.lhs_batch), join(&self.rhs_batch));
        }
        if self.precision != Precision::Highest {
            text += &format!(", precision {}", self.precision);
        }
        text
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        let (lhs, rhs) = super::two(inputs)?;
        if lhs.dtype != rhs.dtype {
            return Err(format!("dtypes differ, {lhs} . {rhs}; convert one of them"));
        }
        if lhs.dtype == DType::Bool {
            return Err(format!("defined for numbers, got {lhs} . {rhs}"));
        }
        let lhs_axes = [self.lhs_batch.as_slice(), &self.lhs_contracting].concat();
        let rhs_axes = [self.rhs_batch.as_slice(), &self.rhs_contracting].concat();
        check_axes(lhs, &lhs_axes)?;
        check_axes(rhs, &rhs_axes)?;
        pairs_match("batch", (lhs, &self.lhs_batch), (rhs, &self.rhs_batch))?;
        pairs_match("contracting", (lhs, &self.lhs_contracting), (rhs, &self.rhs_contracting))?;
        let rest = |ty: &TensorType, used: &[usize]| -> Vec<usize> {
            (0..ty.ndim()).filter(|axis| !used.contains(axis)).map(|axis| ty.shape[axis]).collect()
        };
        let batch: Vec<usize> = self.lhs_batch.iter().map(|&axis| lhs.shape[axis]).collect();
        Ok(vec![lhs.with_shape([batch, rest(lhs, &lhs_axes), rest(rhs, &rhs_axes)].concat())])
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let batch = match self.lhs_batch.is_empty() {
            true => String::new(),
            false => format!("batching_dims = [{}] x [{}], ", join(&self.lhs_batch), join(&self.rhs_batch)),
        };
        vec![emitter.op(&format!(
            "stablehlo.dot_general {}, {batch}contracting_dims = [{}] x [{}], precision = [{p}, {p}] : {}",
            names(inputs),
            join(&self.lhs_contracting),
            join(&self.rhs_contracting),
            signature(inputs, outputs),
            p = self.precision,
        ))]
    }
}

fn pairs_match(what: &str, lhs: (&TensorType, &[usize]), rhs: (&TensorType, &[usize])) -> Result<(), String> {
    let sizes = |(ty, axes): (&TensorType, &[usize])| axes.iter().map(|&a| ty.shape[a]).collect::<Vec<_>>();
    match sizes(lhs) == sizes(rhs) {
        true => Ok(()),
        false => Err(format!("{what} sizes differ, {} . {}", lhs.0, rhs.0)),
    }
}

impl Tensor {
    /// The matrix product: contracts the last axis of self with the first of `other`
    /// (`[m, k] . [k, n] -> [m, n]`, `[k] . [k] -> []`), in full precision.
    #[track_caller]
    pub fn dot(&self, other: &Tensor) -> Tensor {
        let last = self.ndim().saturating_sub(1);
        self.contract(other, last, 0)
    }

    /// Sums of products over one axis of each operand, in full precision. `a.contract(&b, 1, 1)` is the product
    /// of `a` with the transpose of `b`, without forming the transpose.
    #[track_caller]
    pub fn contract(&self, other: &Tensor, lhs_axis: usize, rhs_axis: usize) -> Tensor {
        let op =
            DotGeneral { lhs_contracting: vec![lhs_axis], rhs_contracting: vec![rhs_axis], ..DotGeneral::default() };
        bind1(op, &[self, other], Location::caller())
    }

    /// The general product; see [`DotGeneral`].
    #[track_caller]
    pub fn dot_general(&self, other: &Tensor, dot: DotGeneral) -> Tensor {
        bind1(dot, &[self, other], Location::caller())
    }
}
