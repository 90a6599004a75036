//! The positions of extremes.

use std::panic::Location;

use crate::dtype::DType;
use crate::graph::{Graph, TensorType};
use crate::host::{HostArray, each_dtype};
use crate::ops::combine::Combine;
use crate::ops::compare::compare_type;
use crate::ops::reduce::{kept, offsets, without};
use crate::ops::{Cost, Kind, Primitive, Role, Tangent, again, check_axis, constant_jvp, not_linear};
use crate::stablehlo::{Emitter, Operand, tensor};
use crate::trace::{Tensor, bind1};

/// The position (i32) of the extreme along one axis; of equal elements the first. NaN comes before every number,
/// so that the extreme is the one that [`Combine::Max`] or [`Combine::Min`] gives.
#[derive(Debug, Clone, Copy)]
pub struct ArgReduce {
    /// Whether the largest is looked for, else the smallest.
    pub largest: bool,
    /// The axis that vanishes.
    pub axis: usize,
}

/// The reduction that finds the extreme itself.
pub(crate) fn extreme(largest: bool) -> Combine {
    if largest { Combine::Max } else { Combine::Min }
}

/// The reference: which of the row-major positions `members` holds the extreme, the first of equals and NaN before
/// all others; `None` where there are none.
pub(crate) fn first_extreme(x: &HostArray, largest: bool, members: &[usize]) -> Option<usize> {
    fn first<T: PartialOrd>(values: &[T], largest: bool, members: &[usize]) -> Option<usize> {
        let is_nan = |x: &T| x.partial_cmp(x).is_none();
        let better = |x: &T, y: &T| match (is_nan(x), is_nan(y)) {
            (false, false) if largest => x > y,
            (false, false) => x < y,
            (x, y) => x && !y,
        };
        members.iter().copied().reduce(|best, at| if better(&values[at], &values[best]) { at } else { best })
    }
    each_dtype!(x.data(), values => first(values, largest, members))
}

/// Writes the choice between two elements, given with their positions: the better one, of equals the one with the
/// lower position. It is a total order, as a device combines elements in any.
pub(crate) fn choose(
    e: &mut Emitter,
    dtype: DType,
    largest: bool,
    (a, i): (&str, &str),
    (b, j): (&str, &str),
) -> (Vec<String>, Vec<TensorType>) {
    let value = tensor(&TensorType::scalar(dtype));
    let kind = compare_type(dtype);
    let compare = |e: &mut Emitter, relation: &str, x: &str, y: &str| {
        e.op(&format!("stablehlo.compare {relation}, {x}, {y}, {kind} : ({value}, {value}) -> tensor<i1>"))
    };
    let logic = |e: &mut Emitter, op: &str, x: &str, y: &str| e.op(&format!("stablehlo.{op} {x}, {y} : tensor<i1>"));
    let mut better = compare(e, if largest { "GT" } else { "LT" }, a, b);
    let mut equal = compare(e, "EQ", a, b);
    if dtype.is_float() {
        let (a_is_nan, b_is_nan) = (compare(e, "NE", a, a), compare(e, "NE", b, b));
        let b_is_number = compare(e, "EQ", b, b);
        let only_a = logic(e, "and", &a_is_nan, &b_is_number);
        let both = logic(e, "and", &a_is_nan, &b_is_nan);
        better = logic(e, "or", &better, &only_a);
        equal = logic(e, "or", &equal, &both);
    }
    let sooner = e.op(&format!("stablehlo.compare LT, {i}, {j}, SIGNED : (tensor<i32>, tensor<i32>) -> tensor<i1>"));
    let tie = logic(e, "and", &equal, &sooner);
    let first = logic(e, "or", &better, &tie);
    let best = e.op(&format!("stablehlo.select {first}, {a}, {b} : tensor<i1>, {value}"));
    let at = e.op(&format!("stablehlo.select {first}, {i}, {j} : tensor<i1>, tensor<i32>"));
    (vec![best, at], vec![TensorType::scalar(dtype), TensorType::scalar(DType::I32)])
}

impl Primitive for ArgReduce {
    fn kind(&self) -> Kind {
        if self.largest { Kind::ArgMax } else { Kind::ArgMin }
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
        Ok(vec![TensorType::new(DType::I32, without(x, &[self.axis]))])
    }

    fn eval(&self, inputs: &[&HostArray], outputs: &[TensorType]) -> Vec<HostArray> {
        let shape = inputs[0].shape();
        let starts = offsets(shape, &kept(shape.len(), &[self.axis]));
        let steps = offsets(shape, &[self.axis]);
        let position = |i: usize| {
            let line: Vec<usize> = steps.iter().map(|step| starts[i] + step).collect();
            let best = first_extreme(inputs[0], self.largest, &line);
            best.and_then(|best| line.iter().position(|&at| at == best)).map_or(0, |at| at as i32)
        };
        vec![HostArray::from_fn(outputs[0].shape.clone(), position)]
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let x = &inputs[0];
        let dtype = x.ty.dtype;
        let value = tensor(&TensorType::scalar(dtype));
        let positions = tensor(&x.ty.with_dtype(DType::I32));
        let iota = emitter.op(&format!("stablehlo.iota dim = {} : {positions}", self.axis));
        let worst = emitter.constant(&extreme(self.largest).identity(dtype));
        let last = emitter.constant(&HostArray::scalar(i32::MAX));
        let (a, b, i, j) = (emitter.fresh(), emitter.fresh(), emitter.fresh(), emitter.fresh());
        let region = emitter.block("", |e| choose(e, dtype, self.largest, (&a, &i), (&b, &j)));
        let mut found = emitter.ops(
            2,
            &format!(
                "stablehlo.reduce({} init: {worst}), ({iota} init: {last}) across dimensions = [{}] : \
                 ({}, {positions}, {value}, tensor<i32>) -> ({}, {})\n    reducer({a}: {value}, {b}: {value}) \
                 ({i}: tensor<i32>, {j}: tensor<i32>) {region}",
                x.name,
                self.axis,
                tensor(&x.ty),
                tensor(&outputs[0].with_dtype(dtype)),
                tensor(&outputs[0]),
            ),
        );
        found.split_off(1)
    }

    fn jvp(&self, primals: &[Tensor], _: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        constant_jvp(self, primals)
    }

    fn transpose(&self, inputs: &[Role], _: &[Tangent]) -> Vec<Tangent> {
        not_linear(self, inputs)
    }

    fn batch(&self, inputs: &[Tensor], _: &[bool], _: usize) -> Vec<Tensor> {
        again(&Self { axis: self.axis + 1, ..*self }, inputs)
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        Cost::flops(inputs[0].len(), inputs, outputs)
    }
}

impl Tensor {
    /// The position (i32) of the largest element along `axis`, the first of equals; of the first NaN if there is one.
    #[track_caller]
    pub fn argmax(&self, axis: usize) -> Tensor {
        bind1(ArgReduce { largest: true, axis }, &[self], Location::caller())
    }

    /// The position (i32) of the smallest element along `axis`, the first of equals; of the first NaN if there is one.
    #[track_caller]
    pub fn argmin(&self, axis: usize) -> Tensor {
        bind1(ArgReduce { largest: false, axis }, &[self], Location::caller())
    }
}
