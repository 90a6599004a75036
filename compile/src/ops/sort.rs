//! Stable sorting along one axis, carrying further arrays with the keys.

use std::panic::Location;

use crate::dtype::DType;
use crate::graph::{Graph, TensorType};
use crate::ops::compare::compare_type;
use crate::ops::constant::iota;
use crate::ops::{Primitive, check_axis, types};
use crate::stablehlo::{Emitter, Operand, names, signature, tensor};
use crate::trace::{Tensor, bind};

/// Sorts by the first operand along `axis` and moves the others with it. Equal keys keep their order; -0 equals +0;
/// NaN comes last.
#[derive(Debug, Clone, Copy)]
pub struct Sort {
    /// The axis along which elements move.
    pub axis: usize,
    /// From the largest to the smallest.
    pub descending: bool,
}

impl Primitive for Sort {
    fn name(&self) -> &'static str {
        "sort"
    }

    fn attributes(&self) -> String {
        format!("axis {}{}", self.axis, if self.descending { ", descending" } else { "" })
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        let key = inputs.first().ok_or("at least one operand expected")?;
        check_axis(key, self.axis)?;
        match inputs.iter().all(|x| x.shape == key.shape) {
            true => Ok(inputs.to_vec()),
            false => Err(format!("shapes differ, {}", types(inputs))),
        }
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let scalars: Vec<TensorType> = inputs.iter().map(|x| TensorType::scalar(x.ty.dtype)).collect();
        let pairs: Vec<(String, String)> = inputs.iter().map(|_| (emitter.fresh(), emitter.fresh())).collect();
        let arguments: Vec<String> =
            pairs.iter().zip(&scalars).map(|((a, b), ty)| format!("{a}: {t}, {b}: {t}", t = tensor(ty))).collect();
        let (a, b) = pairs[0].clone();
        let dtype = scalars[0].dtype;
        let region = emitter.block(&format!("^bb0({}):", arguments.join(", ")), |e| {
            let before = precedes(e, &a, &b, dtype, self.descending);
            (vec![before], vec![TensorType::scalar(DType::Bool)])
        });
        emitter.ops(
            inputs.len(),
            &format!(
                "\"stablehlo.sort\"({}) <{{dimension = {} : i64, is_stable = true}}> ({region}) : {}",
                names(inputs),
                self.axis,
                signature(inputs, outputs),
            ),
        )
    }
}

/// Whether `a` sorts before `b`: NaN after everything else.
fn precedes(e: &mut Emitter, a: &str, b: &str, dtype: DType, descending: bool) -> String {
    let value = tensor(&TensorType::scalar(dtype));
    let kind = compare_type(dtype);
    let compare = |e: &mut Emitter, relation: &str, x: &str, y: &str| {
        e.op(&format!("stablehlo.compare {relation}, {x}, {y}, {kind} : ({value}, {value}) -> tensor<i1>"))
    };
    let ordered = compare(e, if descending { "GT" } else { "LT" }, a, b);
    if !dtype.is_float() {
        return ordered;
    }
    let a_is_number = compare(e, "EQ", a, a);
    let b_is_nan = compare(e, "NE", b, b);
    let nan_last = e.op(&format!("stablehlo.and {a_is_number}, {b_is_nan} : tensor<i1>"));
    e.op(&format!("stablehlo.or {ordered}, {nan_last} : tensor<i1>"))
}

/// Sorts by the first array along `axis` and moves the others with it; stable, NaN last.
#[track_caller]
pub fn sort_by_key(arrays: &[&Tensor], axis: usize, descending: bool) -> Vec<Tensor> {
    let mut sorted = bind(Sort { axis, descending }, arrays, Location::caller());
    // After an error there is one void tensor: keep as many as the caller expects.
    while sorted.len() < arrays.len() {
        sorted.push(arrays[sorted.len()].clone());
    }
    sorted
}

impl Tensor {
    /// The elements in increasing order along `axis`; NaN last.
    #[track_caller]
    pub fn sort(&self, axis: usize) -> Tensor {
        sort_by_key(&[self], axis, false).swap_remove(0)
    }

    /// The positions (i32) that would sort the array along `axis`; equal elements keep their order, NaN last.
    #[track_caller]
    pub fn argsort(&self, axis: usize, descending: bool) -> Tensor {
        if axis >= self.ndim() {
            return sort_by_key(&[self], axis, descending).swap_remove(0);
        }
        sort_by_key(&[self, &iota(self.shape(), axis, DType::I32)], axis, descending).swap_remove(1)
    }
}
