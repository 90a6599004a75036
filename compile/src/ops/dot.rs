//! Products that contract axes: `dot_general`, and the matrix product on top of it.

use std::fmt;
use std::panic::Location;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

use crate::dtype::DType;
use crate::eval::{ravel, unravel};
use crate::graph::{Graph, TensorType};
use crate::host::HostArray;
use crate::native::product;
use crate::ops::shape::{Broadcast, broadcast_shapes};
use crate::ops::wide::Wide;
use crate::ops::{Cost, Kind, Primitive, Role, Tangent, again, check_axes, join, not_linear};
use crate::stablehlo::{Emitter, Operand, names, signature};
use crate::trace::{Tensor, bind1, fail, void};
use crate::transform::move_axis;

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
    fn kind(&self) -> Kind {
        Kind::DotGeneral
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
        check_axes(lhs, &[self.lhs_batch.as_slice(), &self.lhs_contracting].concat())?;
        check_axes(rhs, &[self.rhs_batch.as_slice(), &self.rhs_contracting].concat())?;
        pairs_match("batch", (lhs, &self.lhs_batch), (rhs, &self.rhs_batch))?;
        pairs_match("contracting", (lhs, &self.lhs_contracting), (rhs, &self.rhs_contracting))?;
        let batch = sizes(&lhs.shape, &self.lhs_batch);
        let lhs_free = sizes(&lhs.shape, &self.lhs_free(lhs.ndim()));
        let rhs_free = sizes(&rhs.shape, &self.rhs_free(rhs.ndim()));
        Ok(vec![lhs.with_shape([batch, lhs_free, rhs_free].concat())])
    }

    fn eval(&self, inputs: &[&HostArray], outputs: &[TensorType]) -> Vec<HostArray> {
        let [lhs, rhs] = inputs else { return Vec::new() };
        let (lhs_free, rhs_free) = (self.lhs_free(lhs.shape().len()), self.rhs_free(rhs.shape().len()));
        let count = |x: &HostArray, axes: &[usize]| sizes(x.shape(), axes).into_iter().product::<usize>();
        let [m, k, n] = [count(lhs, &lhs_free), count(lhs, &self.lhs_contracting), count(rhs, &rhs_free)];
        let lhs = ordered(lhs, &[&self.lhs_batch, &lhs_free, &self.lhs_contracting]);
        let rhs = ordered(rhs, &[&self.rhs_batch, &self.rhs_contracting, &rhs_free]);
        let out = match (Wide::from(&lhs), Wide::from(&rhs)) {
            (Wide::Float(x), Wide::Float(y)) => {
                Wide::Float(products(&x, &y, [m, k, n], outputs[0].len(), float_matmul))
            }
            (x, y) => {
                Wide::Integer(products(&x.integers(), &y.integers(), [m, k, n], outputs[0].len(), integer_matmul))
            }
        };
        vec![out.narrow(&outputs[0])]
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        if let Some(name) = product::lowered(self, emitter, [&inputs[0], &inputs[1]], &outputs[0]) {
            return vec![name];
        }
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

    fn jvp(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        bilinear_jvp(self, primals, tangents)
    }

    fn transpose(&self, inputs: &[Role], cotangents: &[Tangent]) -> Vec<Tangent> {
        match (inputs, cotangents) {
            ([Role::Linear(lhs), Role::Known(rhs)], [Some(ct)]) => vec![Some(self.transpose_lhs(lhs, rhs, ct)), None],
            ([Role::Known(lhs), Role::Linear(rhs)], [Some(ct)]) => vec![None, Some(self.transpose_rhs(lhs, rhs, ct))],
            _ => not_linear(self, inputs),
        }
    }

    fn batch(&self, inputs: &[Tensor], batched: &[bool], _: usize) -> Vec<Tensor> {
        let shift =
            |axes: &[usize], by: bool| -> Vec<usize> { axes.iter().map(|axis| axis + usize::from(by)).collect() };
        let mut op = Self {
            lhs_contracting: shift(&self.lhs_contracting, batched[0]),
            rhs_contracting: shift(&self.rhs_contracting, batched[1]),
            lhs_batch: shift(&self.lhs_batch, batched[0]),
            rhs_batch: shift(&self.rhs_batch, batched[1]),
            precision: self.precision,
        };
        if batched[0] && batched[1] {
            op.lhs_batch.insert(0, 0);
            op.rhs_batch.insert(0, 0);
            return again(&op, inputs);
        }
        // The problem is one more free axis, the first of its operand's.
        let before = match batched[0] {
            true => 0,
            false => self.lhs_free(inputs[0].ndim()).len(),
        };
        again(&op, inputs).iter().map(|y| move_axis(y, self.lhs_batch.len() + before, 0)).collect()
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        let terms: usize = sizes(&inputs[0].shape, &self.lhs_contracting).into_iter().product();
        Cost::flops(2 * terms * outputs[0].len(), inputs, outputs)
    }
}

impl DotGeneral {
    /// The left operand's axes that go into the result, apart from batch axes.
    fn lhs_free(&self, ndim: usize) -> Vec<usize> {
        others(ndim, &self.lhs_batch, &self.lhs_contracting)
    }

    fn rhs_free(&self, ndim: usize) -> Vec<usize> {
        others(ndim, &self.rhs_batch, &self.rhs_contracting)
    }

    fn transpose_lhs(&self, lhs: &TensorType, rhs: &Tensor, ct: &Tensor) -> Tensor {
        let (free, rhs_free) = (self.lhs_free(lhs.ndim()), self.rhs_free(rhs.ndim()));
        let batch = self.lhs_batch.len();
        let op = Self {
            lhs_batch: (0..batch).collect(),
            lhs_contracting: (batch + free.len()..ct.ndim()).collect(),
            rhs_batch: self.rhs_batch.clone(),
            rhs_contracting: rhs_free,
            precision: self.precision,
        };
        let contracted = beside_sorted(&self.rhs_contracting, &self.lhs_contracting);
        placed(&bind1(op, &[ct, rhs], Location::caller()), &[&self.lhs_batch, &free, &contracted])
    }

    fn transpose_rhs(&self, lhs: &Tensor, rhs: &TensorType, ct: &Tensor) -> Tensor {
        let (lhs_free, free) = (self.lhs_free(lhs.ndim()), self.rhs_free(rhs.ndim()));
        let batch = self.lhs_batch.len();
        let op = Self {
            lhs_batch: self.lhs_batch.clone(),
            rhs_contracting: (batch..batch + lhs_free.len()).collect(),
            lhs_contracting: lhs_free,
            rhs_batch: (0..batch).collect(),
            precision: self.precision,
        };
        let contracted = beside_sorted(&self.lhs_contracting, &self.rhs_contracting);
        placed(&bind1(op, &[lhs, ct], Location::caller()), &[&self.rhs_batch, &contracted, &free])
    }
}

/// The jvp rule of a product: linear in either operand alone.
pub(super) fn bilinear_jvp<P: Primitive + Clone>(
    op: &P,
    primals: &[Tensor],
    tangents: &[Tangent],
) -> (Vec<Tensor>, Vec<Tangent>) {
    let outputs = again(op, primals);
    let product = |x: &Tensor, y: &Tensor| again(op, &[x.clone(), y.clone()]).swap_remove(0);
    let left = tangents[0].as_ref().map(|dx| product(dx, &primals[1]));
    let right = tangents[1].as_ref().map(|dy| product(&primals[0], dy));
    (outputs, vec![crate::transform::add(left, right)])
}

fn sizes(shape: &[usize], axes: &[usize]) -> Vec<usize> {
    axes.iter().map(|&axis| shape[axis]).collect()
}

fn others(ndim: usize, batch: &[usize], contracting: &[usize]) -> Vec<usize> {
    (0..ndim).filter(|axis| !batch.contains(axis) && !contracting.contains(axis)).collect()
}

/// `values` in the order in which their `keys` are sorted.
fn beside_sorted(keys: &[usize], values: &[usize]) -> Vec<usize> {
    let mut pairs: Vec<(usize, usize)> = keys.iter().copied().zip(values.iter().copied()).collect();
    pairs.sort_unstable();
    pairs.into_iter().map(|(_, value)| value).collect()
}

/// `x`, whose axes are those of the wanted result in the order of `groups`, with each axis at its place.
fn placed(x: &Tensor, groups: &[&[usize]]) -> Tensor {
    let axes = groups.concat();
    match axes.is_sorted() {
        true => x.clone(),
        false => x.transpose(beside_sorted(&axes, &(0..axes.len()).collect::<Vec<_>>())),
    }
}

/// The array with its axes in the order of `groups`.
fn ordered(x: &HostArray, groups: &[&[usize]]) -> HostArray {
    let order = groups.concat();
    let shape = sizes(x.shape(), &order);
    x.pick(&shape, |at| {
        let mut source = vec![0; order.len()];
        for (&axis, position) in order.iter().zip(unravel(at, &shape)) {
            source[axis] = position;
        }
        ravel(&source, x.shape())
    })
}

/// Writes the product of an `m` x `k` and a `k` x `n` matrix, all row-major.
type Multiply<T> = fn(&mut [T], &[T], &[T], [usize; 3]);

/// One matrix product after the other; `len` is the number of elements of all results together.
fn products<T: Copy + Default>(x: &[T], y: &[T], [m, k, n]: [usize; 3], len: usize, multiply: Multiply<T>) -> Vec<T> {
    let mut out = vec![T::default(); len];
    if len > 0 && k > 0 {
        for ((out, x), y) in out.chunks_mut(m * n).zip(x.chunks(m * k)).zip(y.chunks(k * n)) {
            multiply(out, x, y, [m, k, n]);
        }
    }
    out
}

fn float_matmul(out: &mut [f64], x: &[f64], y: &[f64], [m, k, n]: [usize; 3]) {
    let (x, y) = (MatRef::from_row_major_slice(x, m, k), MatRef::from_row_major_slice(y, k, n));
    matmul(MatMut::from_row_major_slice_mut(out, m, n), Accum::Replace, x, y, 1.0, Par::Seq);
}

fn integer_matmul(out: &mut [i64], x: &[i64], y: &[i64], [_, k, n]: [usize; 3]) {
    for (out, x) in out.chunks_mut(n).zip(x.chunks(k)) {
        for (&x, y) in x.iter().zip(y.chunks(n)) {
            out.iter_mut().zip(y).for_each(|(out, y)| *out = out.wrapping_add(x.wrapping_mul(*y)));
        }
    }
}

fn pairs_match(what: &str, lhs: (&TensorType, &[usize]), rhs: (&TensorType, &[usize])) -> Result<(), String> {
    match sizes(&lhs.0.shape, lhs.1) == sizes(&rhs.0.shape, rhs.1) {
        true => Ok(()),
        false => Err(format!("{what} sizes differ, {} . {}", lhs.0, rhs.0)),
    }
}

impl Tensor {
    /// The matrix product, in full precision: contracts the last axis of self with the only or second-to-last one of
    /// `other`, as numpy does (`[m, k] . [k, n] -> [m, n]`, `[k] . [k] -> []`).
    #[track_caller]
    pub fn dot(&self, other: &Tensor) -> Tensor {
        let last = self.ndim().saturating_sub(1);
        self.contract(other, last, other.ndim().saturating_sub(2))
    }

    /// Sums of products over one axis of each operand, in full precision. `a.contract(&b, 1, 1)` is the product
    /// of `a` with the transpose of `b`, without forming the transpose.
    #[track_caller]
    pub fn contract(&self, other: &Tensor, lhs_axis: usize, rhs_axis: usize) -> Tensor {
        let op =
            DotGeneral { lhs_contracting: vec![lhs_axis], rhs_contracting: vec![rhs_axis], ..DotGeneral::default() };
        bind1(op, &[self, other], Location::caller())
    }

    /// The matrix product as numpy's `matmul`: of the last two axes, `[..., m, k] @ [..., k, n] -> [..., m, n]`, for
    /// every matrix of the leading axes, which broadcast. A vector on the left is a row, one on the right a column,
    /// and that axis of size 1 vanishes from the result.
    #[track_caller]
    pub fn matmul(&self, other: &Tensor) -> Tensor {
        let location = Location::caller();
        if self.ndim() == 0 || other.ndim() == 0 {
            fail(location, format!("matmul: vectors or matrices expected, got {} and {}", self.ty(), other.ty()));
            return void(self.ty().clone());
        }
        // Of vectors and single matrices on the right there is one for all on the left.
        if other.ndim() <= 2 {
            return self.contract(other, self.ndim() - 1, 0);
        }
        let leading = |x: &Tensor| x.ndim().saturating_sub(2);
        let Some(shape) = broadcast_shapes(&self.shape()[..leading(self)], &other.shape()[..leading(other)]) else {
            fail(location, format!("matmul: leading axes do not broadcast, {} and {}", self.ty(), other.ty()));
            return void(self.ty().clone());
        };
        let spread = |x: &Tensor| {
            let shape = [&shape, &x.shape()[leading(x)..]].concat();
            let axes = (shape.len() - x.ndim()..shape.len()).collect();
            if x.shape() == shape { x.clone() } else { bind1(Broadcast { shape, axes }, &[x], location) }
        };
        let (lhs, rhs) = (spread(self), spread(other));
        let op = DotGeneral {
            lhs_contracting: vec![lhs.ndim() - 1],
            rhs_contracting: vec![shape.len()],
            lhs_batch: (0..shape.len()).collect(),
            rhs_batch: (0..shape.len()).collect(),
            precision: Precision::Highest,
        };
        bind1(op, &[&lhs, &rhs], location)
    }

    /// The general product; see [`DotGeneral`].
    #[track_caller]
    pub fn dot_general(&self, other: &Tensor, dot: DotGeneral) -> Tensor {
        bind1(dot, &[self, other], Location::caller())
    }
}
