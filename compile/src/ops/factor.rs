//! The two factorization steps that StableHLO itself has: Cholesky and triangular substitution.

use std::panic::Location;

use crate::dtype::DType;
use crate::graph::{Graph, TensorType};
use crate::host::HostArray;
use crate::ops::constant::{full, iota, zeros};
use crate::ops::dot::DotGeneral;
use crate::ops::wide::rounded;
use crate::ops::{Cost, Kind, Primitive, Role, Tangent, again, not_linear, types};
use crate::stablehlo::{Emitter, Operand, names, signature, tensor};
use crate::trace::{Tensor, bind1};
use crate::transform::{add, move_axis, repeated};

/// The lower triangular L with L L' = A, for symmetric positive definite matrices in the last two axes.
/// Where A is not positive definite, NaN everywhere.
///
/// Only the lower half of A is read, and so the derivative is that of a function of the lower half: what stands above
/// the diagonal has the gradient zero, and each element below the diagonal that of both its places.
#[derive(Debug, Clone, Copy)]
pub struct Cholesky;

impl Primitive for Cholesky {
    fn kind(&self) -> Kind {
        Kind::Cholesky
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
        let [a] = inputs else { return Vec::new() };
        if a.ty.shape.ends_with(&[1]) {
            return vec![root(emitter, a)];
        }
        vec![emitter.op(&format!("\"stablehlo.cholesky\"({}) <{{lower = true}}> : {types}", inputs[0].name))]
    }

    fn eval(&self, inputs: &[&HostArray], outputs: &[TensorType]) -> Vec<HostArray> {
        let mut values = inputs[0].to_f64();
        let n = outputs[0].shape.last().copied().unwrap_or(1);
        values.chunks_mut((n * n).max(1)).for_each(|a| factorize(a, n));
        vec![rounded(&values, &outputs[0])]
    }

    /// From A = L L': with P the lower half (its diagonal halved) of L^-1 dA L^-T, dL = L P.
    fn jvp(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        let outputs = again(self, primals);
        let l = &outputs[0];
        let da = tangents[0].as_ref().map(|da| {
            let half = halved_lower(da);
            let symmetric = &half + transposed(&half);
            let left = TriangularSolve { left: true, lower: true, transpose: false, unit_diagonal: false };
            let right = TriangularSolve { left: false, transpose: true, ..left };
            let p = halved_lower(&l.triangular_solve(&l.triangular_solve(&symmetric, left), right));
            product(l, &p)
        });
        (outputs, vec![da])
    }

    fn transpose(&self, inputs: &[Role], _: &[Tangent]) -> Vec<Tangent> {
        not_linear(self, inputs)
    }

    fn batch(&self, inputs: &[Tensor], _: &[bool], _: usize) -> Vec<Tensor> {
        again(self, inputs)
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        Cost::flops(inputs[0].len() * inputs[0].shape.last().unwrap_or(&1) / 3, inputs, outputs)
    }
}

/// The factors of matrices of one element: XLA takes the root of zero for one, but zero is not positive definite.
fn root(emitter: &mut Emitter, a: &Operand) -> String {
    let ty = tensor(&a.ty);
    let fill = |value: f64| rounded(&vec![value; a.ty.len()], &a.ty);
    let zero = emitter.constant(&fill(0.0));
    let nan = emitter.constant(&fill(f64::NAN));
    let which = tensor(&a.ty.with_dtype(DType::Bool));
    let positive = emitter.op(&format!("stablehlo.compare GT, {}, {zero}, FLOAT : ({ty}, {ty}) -> {which}", a.name));
    let root = emitter.op(&format!("stablehlo.sqrt {} : {ty}", a.name));
    emitter.op(&format!("stablehlo.select {positive}, {root}, {nan} : {which}, {ty}"))
}

/// Replaces a matrix by its lower factor, column after column; by NaN where a pivot is not positive.
fn factorize(a: &mut [f64], n: usize) {
    let mut definite = true;
    for j in 0..n {
        for i in j..n {
            let known: f64 = (0..j).map(|k| a[i * n + k] * a[j * n + k]).sum();
            let rest = a[i * n + j] - known;
            definite &= i > j || rest > 0.0;
            a[i * n + j] = if i == j { rest.sqrt() } else { rest / a[j * n + j] };
        }
    }
    for (at, l) in a.iter_mut().enumerate() {
        match definite {
            true if at % n > at / n => *l = 0.0,
            true => {}
            false => *l = f64::NAN,
        }
    }
}

/// True on and below the diagonal of matrices of `x`'s shape; moved `down` so many diagonals.
fn lower_half(x: &Tensor, down: i32) -> Tensor {
    let (row, column) = (x.ndim() - 2, x.ndim() - 1);
    iota(x.shape(), row, DType::I32).ge(iota(x.shape(), column, DType::I32) + down)
}

/// The lower half of matrices, with their diagonal halved: what, added to its transpose, gives a symmetric matrix.
fn halved_lower(x: &Tensor) -> Tensor {
    let weight = lower_half(x, 1).select(full(x.shape(), 1.0, x.dtype()), full(x.shape(), 0.5, x.dtype()));
    // Chosen, not weighed by zero: the other half may hold infinities.
    lower_half(x, 0).select(x * weight, zeros(x.shape(), x.dtype()))
}

/// Every matrix transposed.
fn transposed(x: &Tensor) -> Tensor {
    move_axis(x, x.ndim() - 1, x.ndim() - 2)
}

/// The matrix products over the last two axes.
fn product(x: &Tensor, y: &Tensor) -> Tensor {
    let batch: Vec<usize> = (0..x.ndim() - 2).collect();
    let op = DotGeneral {
        lhs_contracting: vec![x.ndim() - 1],
        rhs_contracting: vec![x.ndim() - 2],
        lhs_batch: batch.clone(),
        rhs_batch: batch,
        ..DotGeneral::default()
    };
    x.dot_general(y, op)
}

/// Substitution: X with T X = B, or T' X = B, or X T = B, or X T' = B, for triangular T in the last two axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TriangularSolve {
    /// T stands left of X.
    pub left: bool,
    /// T is lower triangular; the other half is not read.
    pub lower: bool,
    /// T is transposed.
    pub transpose: bool,
    /// The diagonal of T counts as ones, whatever stands there.
    pub unit_diagonal: bool,
}

impl Primitive for TriangularSolve {
    fn kind(&self) -> Kind {
        Kind::TriangularSolve
    }

    fn attributes(&self) -> String {
        let side = if self.left { "left" } else { "right" };
        let triangle = if self.lower { "lower" } else { "upper" };
        let transposed = if self.transpose { ", transposed" } else { "" };
        format!("{side}, {triangle}{transposed}{}", if self.unit_diagonal { ", unit diagonal" } else { "" })
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
            "\"stablehlo.triangular_solve\"({}) <{{left_side = {}, lower = {}, unit_diagonal = {}, \
             transpose_a = #stablehlo<transpose {transpose}>}}> : {}",
            names(inputs),
            self.left,
            self.lower,
            self.unit_diagonal,
            signature(inputs, outputs),
        ))]
    }

    fn eval(&self, inputs: &[&HostArray], outputs: &[TensorType]) -> Vec<HostArray> {
        let (t, mut x) = (inputs[0].to_f64(), inputs[1].to_f64());
        let n = inputs[0].shape().last().copied().unwrap_or(1);
        let &[rows, columns] = outputs[0].shape.last_chunk::<2>().unwrap_or(&[1, 1]);
        if !x.is_empty() {
            for (t, x) in t.chunks(n * n).zip(x.chunks_mut(rows * columns)) {
                for vector in 0..rows * columns / n {
                    // From the right, the unknowns are the rows of X; from the left, its columns.
                    let (start, step) = if self.left { (vector, columns) } else { (vector * columns, 1) };
                    self.substitute(t, n, |i| start + i * step, x);
                }
            }
        }
        vec![rounded(&x, &outputs[0])]
    }

    /// From T X = B: dX = T^-1 (dB - dT X), and likewise for the other three.
    fn jvp(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        let outputs = again(self, primals);
        let by_t = tangents[0].as_ref().map(|dt| {
            let dt = self.triangle(dt);
            let dt = if self.transpose { transposed(&dt) } else { dt };
            let moved = if self.left { product(&dt, &outputs[0]) } else { product(&outputs[0], &dt) };
            -moved
        });
        let tangent = add(tangents[1].clone(), by_t).map(|db| primals[0].triangular_solve(&db, *self));
        (outputs, vec![tangent])
    }

    fn transpose(&self, inputs: &[Role], cotangents: &[Tangent]) -> Vec<Tangent> {
        match (inputs, cotangents) {
            ([Role::Known(t), Role::Linear(_)], [Some(ct)]) => {
                vec![None, Some(t.triangular_solve(ct, Self { transpose: !self.transpose, ..*self }))]
            }
            _ => not_linear(self, inputs),
        }
    }

    fn batch(&self, inputs: &[Tensor], batched: &[bool], size: usize) -> Vec<Tensor> {
        match batched {
            [true, false] => again(self, &[inputs[0].clone(), repeated(&inputs[1], size)]),
            [false, true] => vec![self.side_by_side(&inputs[0], &inputs[1])],
            _ => again(self, inputs),
        }
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        Cost::flops(outputs[0].len() * inputs[0].shape.last().unwrap_or(&1), inputs, outputs)
    }
}

impl TriangularSolve {
    /// Solves for one vector, whose element `i` is at `x[at(i)]`, in place.
    fn substitute(&self, t: &[f64], n: usize, at: impl Fn(usize) -> usize, x: &mut [f64]) {
        // X T = B is T' X' = B'.
        let by_columns = self.transpose == self.left;
        let element = |i: usize, j: usize| if by_columns { t[j * n + i] } else { t[i * n + j] };
        let forward = self.lower != by_columns;
        for step in 0..n {
            let i = if forward { step } else { n - 1 - step };
            let solved = if forward { 0..i } else { i + 1..n };
            let known: f64 = solved.map(|j| element(i, j) * x[at(j)]).sum();
            let rest = x[at(i)] - known;
            x[at(i)] = if self.unit_diagonal { rest } else { rest / element(i, i) };
        }
    }

    /// What of T is read, with zeros elsewhere.
    fn triangle(&self, t: &Tensor) -> Tensor {
        let outside = zeros(t.shape(), t.dtype());
        match (self.lower, self.unit_diagonal) {
            (true, unit) => lower_half(t, i32::from(unit)).select(t, outside),
            (false, unit) => lower_half(t, i32::from(!unit)).select(outside, t),
        }
    }

    /// Many problems with one T: they stand side by side in one B.
    fn side_by_side(&self, t: &Tensor, b: &Tensor) -> Tensor {
        let vectors = if self.left { b.ndim() - 1 } else { b.ndim() - 2 };
        let stacked = move_axis(b, 0, vectors - 1);
        let mut merged = stacked.shape().to_vec();
        let size = merged.remove(vectors - 1);
        merged[vectors - 1] *= size;
        let x = t.triangular_solve(&stacked.reshape(merged), *self);
        move_axis(&x.reshape(stacked.shape()), vectors - 1, 0)
    }
}

fn square(a: &TensorType) -> Result<(), String> {
    match a.shape.as_slice() {
        [.., m, n] if m == n && matches!(a.dtype, DType::F64 | DType::F32) => Ok(()),
        _ => Err(format!("square matrices of f64 or f32 expected, got {a}")),
    }
}

impl Tensor {
    /// The lower triangular L with L L' = self, for symmetric positive definite `[..., n, n]` of f64 or f32; NaN where
    /// it is not positive definite. Reads the lower half alone, also where it is differentiated; see [`Cholesky`].
    #[track_caller]
    pub fn cholesky(&self) -> Tensor {
        bind1(Cholesky, &[self], Location::caller())
    }

    /// Substitution with self triangular, `[..., n, n]` of f64 or f32; see [`TriangularSolve`].
    #[track_caller]
    pub fn triangular_solve(&self, b: &Tensor, solve: TriangularSolve) -> Tensor {
        bind1(solve, &[self, b], Location::caller())
    }
}
