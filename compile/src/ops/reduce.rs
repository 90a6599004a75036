//! From many elements to one: sums, products, extremes, truth, and the positions of extremes.

use std::panic::Location;

use half::{bf16, f16};

use crate::dtype::DType;
use crate::graph::{Graph, TensorType};
use crate::host::HostArray;
use crate::ops::compare::compare_type;
use crate::ops::{Primitive, check_axes, check_axis, join};
use crate::stablehlo::{Emitter, Operand, tensor};
use crate::trace::{Tensor, bind, bind1};

/// What the elements are combined by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the methods of Tensor say what each does")]
pub enum Combine {
    Sum,
    Product,
    Max,
    Min,
    Any,
    All,
}

/// Combines the elements along some axes, in no particular order.
#[derive(Debug, Clone)]
pub struct Reduce {
    /// By what.
    pub combine: Combine,
    /// The axes that vanish.
    pub axes: Vec<usize>,
}

impl Combine {
    fn operation(self) -> &'static str {
        match self {
            Combine::Sum => "add",
            Combine::Product => "multiply",
            Combine::Max => "maximum",
            Combine::Min => "minimum",
            Combine::Any => "or",
            Combine::All => "and",
        }
    }

    /// The number that changes nothing: what an empty reduction gives.
    fn identity(self, dtype: DType) -> HostArray {
        let value = match self {
            Combine::Sum | Combine::Any => 0.0,
            Combine::Product | Combine::All => 1.0,
            Combine::Max => f64::NEG_INFINITY,
            Combine::Min => f64::INFINITY,
        };
        nearest(value, dtype)
    }
}

/// The element nearest to `value`: an infinity becomes the last number of a type that has none.
fn nearest(value: f64, dtype: DType) -> HostArray {
    match dtype {
        DType::F64 => HostArray::scalar(value),
        DType::F32 => HostArray::scalar(value as f32),
        DType::F16 => HostArray::scalar(f16::from_f64(value)),
        DType::BF16 => HostArray::scalar(bf16::from_f64(value)),
        DType::I64 => HostArray::scalar(value as i64),
        DType::I32 => HostArray::scalar(value as i32),
        DType::U32 => HostArray::scalar(value as u32),
        DType::Bool => HostArray::scalar(value > 0.0),
    }
}

fn without(x: &TensorType, axes: &[usize]) -> Vec<usize> {
    (0..x.ndim()).filter(|axis| !axes.contains(axis)).map(|axis| x.shape[axis]).collect()
}

impl Primitive for Reduce {
    fn name(&self) -> &'static str {
        match self.combine {
            Combine::Sum => "sum",
            Combine::Product => "product",
            Combine::Max => "max",
            Combine::Min => "min",
            Combine::Any => "any",
            Combine::All => "all",
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
        let logical = matches!(self.combine, Combine::Any | Combine::All);
        if logical != (x.dtype == DType::Bool) {
            return Err(format!("defined for {}, got {x}", if logical { "bool" } else { "numbers" }));
        }
        Ok(vec![x.with_shape(without(x, &self.axes))])
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
}

/// The extreme along one axis and its position (i32); of equal elements the first. NaN comes before every number,
/// so that the extreme is the one that [`Combine::Max`] or [`Combine::Min`] gives.
#[derive(Debug, Clone, Copy)]
pub struct ArgReduce {
    /// Whether the largest is looked for, else the smallest.
    pub largest: bool,
    /// The axis that vanishes.
    pub axis: usize,
}

impl Primitive for ArgReduce {
    fn name(&self) -> &'static str {
        if self.largest { "argmax" } else { "argmin" }
    }

    fn attributes(&self) -> String {
        format!("axis {}", self.axis)
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        let x = super::one(inputs)?;
        check_axis(x, self.axis)?;
        if x.shape[self.axis] == 0 {
            return Err(format!("axis {} of {x} is empty", self.axis));
        }
        let shape = without(x, &[self.axis]);
        Ok(vec![x.with_shape(shape.clone()), TensorType::new(DType::I32, shape)])
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let x = &inputs[0];
        let dtype = x.ty.dtype;
        let value = tensor(&TensorType::scalar(dtype));
        let positions = tensor(&x.ty.with_dtype(DType::I32));
        let iota = emitter.op(&format!("stablehlo.iota dim = {} : {positions}", self.axis));
        let worst = emitter.constant(&if self.largest { Combine::Max } else { Combine::Min }.identity(dtype));
        let last = emitter.constant(&HostArray::scalar(i32::MAX));
        let (a, b, i, j) = (emitter.fresh(), emitter.fresh(), emitter.fresh(), emitter.fresh());
        let direction = if self.largest { "GT" } else { "LT" };
        let kind = compare_type(dtype);
        let region = emitter.block("", |e| {
            let compare = |e: &mut Emitter, relation: &str, x: &str, y: &str| {
                e.op(&format!("stablehlo.compare {relation}, {x}, {y}, {kind} : ({value}, {value}) -> tensor<i1>"))
            };
            let logic =
                |e: &mut Emitter, op: &str, x: &str, y: &str| e.op(&format!("stablehlo.{op} {x}, {y} : tensor<i1>"));
            let mut better = compare(e, direction, &a, &b);
            let mut equal = compare(e, "EQ", &a, &b);
            if dtype.is_float() {
                // A total order, as the elements are combined in no particular one.
                let (a_is_nan, b_is_nan) = (compare(e, "NE", &a, &a), compare(e, "NE", &b, &b));
                let b_is_number = compare(e, "EQ", &b, &b);
                let only_a = logic(e, "and", &a_is_nan, &b_is_number);
                let both = logic(e, "and", &a_is_nan, &b_is_nan);
                better = logic(e, "or", &better, &only_a);
                equal = logic(e, "or", &equal, &both);
            }
            let sooner =
                e.op(&format!("stablehlo.compare LT, {i}, {j}, SIGNED : (tensor<i32>, tensor<i32>) -> tensor<i1>"));
            let tie = logic(e, "and", &equal, &sooner);
            let first = logic(e, "or", &better, &tie);
            let best = e.op(&format!("stablehlo.select {first}, {a}, {b} : tensor<i1>, {value}"));
            let at = e.op(&format!("stablehlo.select {first}, {i}, {j} : tensor<i1>, tensor<i32>"));
            (vec![best, at], vec![TensorType::scalar(dtype), TensorType::scalar(DType::I32)])
        });
        emitter.ops(
            2,
            &format!(
                "stablehlo.reduce({} init: {worst}), ({iota} init: {last}) across dimensions = [{}] : \
                 ({}, {positions}, {value}, tensor<i32>) -> ({}, {})\n    reducer({a}: {value}, {b}: {value}) \
                 ({i}: tensor<i32>, {j}: tensor<i32>) {region}",
                x.name,
                self.axis,
                tensor(&x.ty),
                tensor(&outputs[0]),
                tensor(&outputs[1]),
            ),
        )
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
    /// The product; 1 of nothing.
    product_axes, product => Product,
    /// The largest element, NaN if there is one; -inf of nothing.
    max_axes, max => Max,
    /// The smallest element, NaN if there is one; +inf of nothing.
    min_axes, min => Min,
    /// Whether any element (bool) is true; false of nothing.
    any_axes, any => Any,
    /// Whether every element (bool) is true; true of nothing.
    all_axes, all => All,
}

impl Tensor {
    /// The position (i32) of the largest element along `axis`, the first of equals; of the first NaN if there is one.
    #[track_caller]
    pub fn argmax(&self, axis: usize) -> Tensor {
        let mut outputs = bind(ArgReduce { largest: true, axis }, &[self], Location::caller());
        outputs.pop().unwrap_or_else(|| self.clone())
    }

    /// The position (i32) of the smallest element along `axis`, the first of equals; of the first NaN if there is one.
    #[track_caller]
    pub fn argmin(&self, axis: usize) -> Tensor {
        let mut outputs = bind(ArgReduce { largest: false, axis }, &[self], Location::caller());
        outputs.pop().unwrap_or_else(|| self.clone())
    }
}
