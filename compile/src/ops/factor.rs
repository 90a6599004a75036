//! The two factorization steps that StableHLO itself has: Cholesky and triangular substitution.

use std::panic::Location;

use crate::graph::{Graph, TensorType};
use crate::ops::{Primitive, types};
use crate::stablehlo::{Emitter, Operand, names, signature};
use crate::trace::{Tensor, bind1};

/// The lower triangular L with L L' = A, for symmetric positive definite matrices in the last two axes.
/// Where A is not positive definite, NaN.
#[derive(Debug, Clone, Copy)]
pub struct Cholesky;

impl Primitive for Cholesky {
    fn name(&self) -> &'static str {
        "cholesky"
    }

    fn attributes(&self) -> String {
        String::new()
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        let a = super::one(inputs)?;
        square(a)?;
        Ok(vec![a.clone()])
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let types = signature(inputs, outputs);
        vec![emitter.op(&format!("\"stablehlo.cholesky\"({}) <{{lower = true}}> : {types}", inputs[0].name))]
    }
}

/// Substitution: X with T X = B, or T' X = B, or X T = B, or X T' = B, for triangular T in the last two axes.
#[derive(Debug, Clone, Copy)]
pub struct TriangularSolve {
    /// T stands left of X.
    pub left: bool,
    /// T is lower triangular; the other half is not read.
    pub lower: bool,
    /// T is transposed.
    pub transpose: bool,
}

impl Primitive for TriangularSolve {
    fn name(&self) -> &'static str {
        "triangular_solve"
    }

    fn attributes(&self) -> String {
        let side = if self.left { "left" } else { "right" };
        let triangle = if self.lower { "lower" } else { "upper" };
        format!("{side}, {triangle}{}", if self.transpose { ", transposed" } else { "" })
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        let (t, b) = super::two(inputs)?;
        square(t)?;
        let n = t.shape[t.ndim() - 1];
        let batch = t.ndim() - 2;
        let fits = b.dtype == t.dtype
            && b.ndim() == t.ndim()
            && b.shape[..batch] == t.shape[..batch]
            && b.shape[if self.left { batch } else { batch + 1 }] == n;
        if fits { Ok(vec![b.clone()]) } else { Err(format!("sizes do not fit, {}", types(inputs))) }
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let transpose = if self.transpose { "TRANSPOSE" } else { "NO_TRANSPOSE" };
        vec![emitter.op(&format!(
            "\"stablehlo.triangular_solve\"({}) <{{left_side = {}, lower = {}, unit_diagonal = false, \
             transpose_a = #stablehlo<transpose {transpose}>}}> : {}",
            names(inputs),
            self.left,
            self.lower,
            signature(inputs, outputs),
        ))]
    }
}

fn square(a: &TensorType) -> Result<(), String> {
    match a.shape.as_slice() {
        [.., m, n] if m == n && a.dtype.is_float() => Ok(()),
        _ => Err(format!("square matrices of floating-point numbers expected, got {a}")),
    }
}

impl Tensor {
    /// The lower triangular L with L L' = self, for symmetric positive definite `[..., n, n]`; NaN where it is not
    /// positive definite. The compiler's own expansion, which reads the lower half.
    #[track_caller]
    pub fn cholesky(&self) -> Tensor {
        bind1(Cholesky, &[self], Location::caller())
    }

    /// Substitution with self triangular; see [`TriangularSolve`].
    #[track_caller]
    pub fn triangular_solve(&self, b: &Tensor, solve: TriangularSolve) -> Tensor {
        bind1(solve, &[self, b], Location::caller())
    }
}
