//! From many elements to one: sums, products, extremes and truth.

use std::panic::Location;

use crate::dtype::DType;
use crate::eval::unravel;
use crate::graph::{Graph, TensorType};
use crate::host::HostArray;
use crate::ops::cumulative::Cumulative;
use crate::ops::shape::{Broadcast, shifted};
use crate::ops::{Cost, Kind, Primitive, Role, Tangent, again, check_axes, constant_jvp, join, linear_jvp, not_linear};
use crate::stablehlo::{Emitter, Operand, tensor};
use crate::trace::{Tensor, bind1};

pub use crate::ops::arg_reduce::ArgReduce;
pub use crate::ops::combine::Combine;

/// Combines the elements along some axes, in no particular order.
#[derive(Debug, Clone)]
pub struct Reduce {
    /// By what.
    pub combine: Combine,
    /// The axes that vanish.
    pub axes: Vec<usize>,
}

/// The axes of an array of `ndim` that are not among `axes`.
pub(crate) fn kept(ndim: usize, axes: &[usize]) -> Vec<usize> {
    (0..ndim).filter(|axis| !axes.contains(axis)).collect()
}

/// The shape that is left without `axes`.
pub(crate) fn without(x: &TensorType, axes: &[usize]) -> Vec<usize> {
    kept(x.ndim(), axes).iter().map(|&axis| x.shape[axis]).collect()
}

/// How far apart in row-major order the elements are that differ along `axes` only: all of them, the last axis first.
pub(crate) fn offsets(shape: &[usize], axes: &[usize]) -> Vec<usize> {
    let sizes: Vec<usize> = axes.iter().map(|&axis| shape[axis]).collect();
    let strides: Vec<usize> = axes.iter().map(|&axis| shape[axis + 1..].iter().product()).collect();
    let offset = |at| unravel(at, &sizes).iter().zip(&strides).map(|(i, stride)| i * stride).sum();
    (0..sizes.iter().product()).map(offset).collect()
}

impl Reduce {
    /// What a reduced array is repeated by to have its axes back.
    fn spread(&self, x: &TensorType) -> Broadcast {
        Broadcast { shape: x.shape.clone(), axes: kept(x.ndim(), &self.axes) }
    }

    /// The tangent of an extreme: shared equally among the elements that reach it.
    fn extreme_tangent(&self, x: &Tensor, dx: &Tensor, y: &Tensor) -> Tensor {
        let whole = |t: &Tensor| bind1(self.spread(&x.ty().with_dtype(t.dtype())), &[t], Location::caller());
        let reached = x.eq(whole(y));
        // Counted in integers: a narrow float loses count.
        let share = 1.0 / reached.convert(DType::I32).sum_axes(self.axes.clone()).convert(x.dtype());
        // NaN is reached by none, and has no derivative: 0 / 0. That is written out, as XLA takes the product with a
        // truth value for a choice between the number and 0, whatever the number.
        let rest = y.ne(y).select(crate::full(y.shape(), f64::NAN, y.dtype()), 0.0);
        (dx * reached.select(whole(&share), whole(&rest))).sum_axes(self.axes.clone())
    }

    /// The tangent of a product: every element's tangent times the product of the others, which is right also where
    /// elements are zero. `None` for the product of nothing.
    fn product_tangent(&self, x: &Tensor, dx: &Tensor) -> Tangent {
        let kept = kept(x.ndim(), &self.axes);
        let mut shape = without(x.ty(), &self.axes);
        let (last, len) = (shape.len(), self.axes.iter().map(|&axis| x.shape()[axis]).product());
        shape.push(len);
        if len == 0 {
            return None;
        }
        let order = [kept, self.axes.clone()].concat();
        let lines = |t: &Tensor| t.transpose(order.clone()).reshape(shape.clone());
        let (x, dx) = (lines(x), lines(dx));
        let others = product_before(&x, last, false) * product_before(&x, last, true);
        Some((dx * others).sum_axes([last]))
    }
}

/// At every position along `axis` the product of what stands before it, or of what stands after.
fn product_before(x: &Tensor, axis: usize, reverse: bool) -> Tensor {
    let len = x.shape()[axis];
    let op = Cumulative { combine: Combine::Product, axis, reverse };
    let products = bind1(op, &[x], Location::caller());
    let mut one = x.shape().to_vec();
    one[axis] = 1;
    let one = crate::ops::constant::ones(one, x.dtype());
    match reverse {
        true => crate::concatenate(&[&products.slice(axis, 1, len), &one], axis),
        false => crate::concatenate(&[&one, &products.slice(axis, 0, len - 1)], axis),
    }
}

impl Primitive for Reduce {
    fn kind(&self) -> Kind {
        match self.combine {
            Combine::Sum => Kind::ReduceSum,
            Combine::Product => Kind::ReduceProduct,
            Combine::Max => Kind::ReduceMax,
            Combine::Min => Kind::ReduceMin,
            Combine::Any => Kind::ReduceAny,
            Combine::All => Kind::ReduceAll,
        }
    }

    fn attributes(&self) -> String {
        format!("axes [{}]", join(&self.axes))
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        let x = super::one(inputs)?;
        check_axes(x, &self.axes)?;
        self.combine.check(x)?;
        Ok(vec![x.with_shape(without(x, &self.axes))])
    }

    fn eval(&self, inputs: &[&HostArray], outputs: &[TensorType]) -> Vec<HostArray> {
        let shape = inputs[0].shape();
        let starts = offsets(shape, &kept(shape.len(), &self.axes));
        let steps = offsets(shape, &self.axes);
        let members = |i: usize| steps.iter().map(|step| starts[i] + step).collect::<Vec<_>>();
        vec![self.combine.groups(inputs[0], &outputs[0].shape, members)]
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let x = &inputs[0];
        let init = emitter.constant(&self.combine.identity(x.ty.dtype));
        vec![emitter.op(&format!(
            "stablehlo.reduce({} init: {init}) applies stablehlo.{} across dimensions = [{}] : ({}, {}) -> {}",
            x.name,
            self.combine.operation(),
            join(&self.axes),
            tensor(&x.ty),
            tensor(&TensorType::scalar(x.ty.dtype)),
            tensor(&outputs[0]),
        ))]
    }

    fn jvp(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        let Some(dx) = &tangents[0] else { return constant_jvp(self, primals) };
        let x = &primals[0];
        match self.combine {
            Combine::Sum => linear_jvp(self, primals, tangents),
            Combine::Product => (again(self, primals), vec![self.product_tangent(x, dx)]),
            Combine::Max | Combine::Min => {
                let y = again(self, primals);
                let dy = self.extreme_tangent(x, dx, &y[0]);
                (y, vec![Some(dy)])
            }
            Combine::Any | Combine::All => constant_jvp(self, primals),
        }
    }

    fn transpose(&self, inputs: &[Role], cotangents: &[Tangent]) -> Vec<Tangent> {
        match (self.combine, &cotangents[0]) {
            (Combine::Sum, Some(ct)) => vec![Some(bind1(self.spread(inputs[0].ty()), &[ct], Location::caller()))],
            (Combine::Sum, None) => vec![None],
            _ => not_linear(self, inputs),
        }
    }

    fn batch(&self, inputs: &[Tensor], _: &[bool], _: usize) -> Vec<Tensor> {
        again(&Self { axes: shifted(&self.axes), ..*self }, inputs)
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        Cost::flops(inputs[0].len(), inputs, outputs)
    }
}

macro_rules! methods {
    ($($(#[$doc:meta])* $axes:ident, $whole:ident => $combine:ident),* $(,)?) => {
        impl Tensor {$(
            $(#[$doc])*
            /// Along `axes`, which vanish.
            #[track_caller]
            pub fn $axes(&self, axes: impl Into<Vec<usize>>) -> Tensor {
                bind1(Reduce { combine: Combine::$combine, axes: axes.into() }, &[self], Location::caller())
            }

            $(#[$doc])*
            /// Over all axes.
            #[track_caller]
            pub fn $whole(&self) -> Tensor {
                let axes = (0..self.ndim()).collect();
                bind1(Reduce { combine: Combine::$combine, axes }, &[self], Location::caller())
            }
        )*}
    };
}

methods! {
    /// The sum; 0 of nothing.
    sum_axes, sum => Sum,
    /// The product; 1 of nothing. Its derivative is right where elements are zero.
    product_axes, product => Product,
    /// The largest element, NaN if there is one; -inf of nothing. Elements that tie share its derivative.
    max_axes, max => Max,
    /// The smallest element, NaN if there is one; +inf of nothing. Elements that tie share its derivative.
    min_axes, min => Min,
    /// Whether any element (bool) is true; false of nothing.
    any_axes, any => Any,
    /// Whether every element (bool) is true; true of nothing.
    all_axes, all => All,
}
