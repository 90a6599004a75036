//! Stable sorting along one axis, carrying further arrays with the keys.

use std::cmp::Ordering;
use std::panic::Location;

use crate::dtype::DType;
use crate::graph::{Graph, TensorType};
use crate::host::{HostArray, each_dtype};
use crate::ops::compare::compare_type;
use crate::ops::constant::iota;
use crate::ops::reduce::{kept, offsets};
use crate::ops::{Cost, Kind, Primitive, Role, Tangent, again, check_axis, constant_jvp, not_linear, types};
use crate::stablehlo::{Emitter, Operand, names, signature, tensor};
use crate::trace::{Tensor, bind, fail};
use crate::transform::repeated;

/// Sorts by the first operand along `axis`, by the second where the first is equal, and so on for all that are keys,
/// and moves the others with them. Equal keys keep their order; -0 equals +0; NaN comes last.
#[derive(Debug, Clone, Copy)]
pub struct Sort {
    /// The axis along which elements move.
    pub axis: usize,
    /// From the largest to the smallest.
    pub descending: bool,
    /// How many of the operands are keys, at least 1.
    pub keys: usize,
}

impl Primitive for Sort {
    fn kind(&self) -> Kind {
        Kind::Sort
    }

    fn attributes(&self) -> String {
        let keys = if self.keys == 1 { String::new() } else { format!(", {} keys", self.keys) };
        format!("axis {}{}{keys}", self.axis, if self.descending { ", descending" } else { "" })
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        let key = inputs.first().ok_or("at least one operand expected")?;
        if self.keys == 0 || self.keys > inputs.len() {
            return Err(format!("{} keys expected of {} operands", self.keys, inputs.len()));
        }
        check_axis(key, self.axis)?;
        match inputs.iter().all(|x| x.shape == key.shape) {
            true => Ok(inputs.to_vec()),
            false => Err(format!("shapes differ, {}", types(inputs))),
        }
    }

    fn eval(&self, inputs: &[&HostArray], _: &[TensorType]) -> Vec<HostArray> {
        let shape = inputs[0].shape();
        let steps = offsets(shape, &[self.axis]);
        let mut source: Vec<usize> = (0..inputs[0].len()).collect();
        for start in offsets(shape, &kept(shape.len(), &[self.axis])) {
            let line: Vec<usize> = steps.iter().map(|step| start + step).collect();
            let mut sorted = line.clone();
            sorted.sort_by(|&i, &j| {
                let by = |key: &&HostArray| order(key, i, j, self.descending);
                inputs[..self.keys].iter().map(by).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
            });
            line.iter().zip(sorted).for_each(|(&to, from)| source[to] = from);
        }
        inputs.iter().map(|x| x.pick(shape, |i| source[i])).collect()
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let scalars: Vec<TensorType> = inputs.iter().map(|x| TensorType::scalar(x.ty.dtype)).collect();
        let pairs: Vec<(String, String)> = inputs.iter().map(|_| (emitter.fresh(), emitter.fresh())).collect();
        let arguments: Vec<String> =
            pairs.iter().zip(&scalars).map(|((a, b), ty)| format!("{a}: {t}, {b}: {t}", t = tensor(ty))).collect();
        let region = emitter.block(&format!("^bb0({}):", arguments.join(", ")), |e| {
            let (a, b) = &pairs[self.keys - 1];
            let mut before = precedes(e, a, b, scalars[self.keys - 1].dtype, self.descending);
            for ((a, b), key) in pairs.iter().zip(&scalars).take(self.keys - 1).rev() {
                let (here, there) =
                    (precedes(e, a, b, key.dtype, self.descending), precedes(e, b, a, key.dtype, self.descending));
                let behind = e.op(&format!("stablehlo.not {there} : tensor<i1>"));
                let tie = e.op(&format!("stablehlo.and {behind}, {before} : tensor<i1>"));
                before = e.op(&format!("stablehlo.or {here}, {tie} : tensor<i1>"));
            }
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

    fn jvp(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        if tangents.iter().all(Option::is_none) {
            return constant_jvp(self, primals);
        }
        // Where every element came from is sorted along.
        let positions = iota(primals[0].shape(), self.axis, DType::I32);
        let mut outputs = again(self, &[primals, &[positions]].concat());
        let source = outputs.split_off(primals.len()).swap_remove(0);
        let moved = |dx: &Tangent| dx.as_ref().map(|dx| dx.take_along(&source, self.axis));
        (outputs, tangents.iter().map(moved).collect())
    }

    fn transpose(&self, inputs: &[Role], _: &[Tangent]) -> Vec<Tangent> {
        not_linear(self, inputs)
    }

    fn batch(&self, inputs: &[Tensor], batched: &[bool], size: usize) -> Vec<Tensor> {
        let whole = |(x, &batched): (&Tensor, &bool)| if batched { x.clone() } else { repeated(x, size) };
        let inputs: Vec<Tensor> = inputs.iter().zip(batched).map(whole).collect();
        again(&Self { axis: self.axis + 1, ..*self }, &inputs)
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        let comparisons = f64::from(u32::try_from(inputs[0].shape[self.axis].max(1)).unwrap_or(u32::MAX)).log2().ceil();
        Cost::flops(inputs[0].len() * comparisons as usize, inputs, outputs)
    }
}

/// The reference: how the elements at two positions compare, NaN after everything else.
fn order(key: &HostArray, i: usize, j: usize, descending: bool) -> Ordering {
    fn of<T: PartialOrd>(x: &T, y: &T, descending: bool) -> Ordering {
        let by_value = if descending { y.partial_cmp(x) } else { x.partial_cmp(y) };
        let is_nan = |x: &T| x.partial_cmp(x).is_none();
        by_value.unwrap_or_else(|| is_nan(x).cmp(&is_nan(y)))
    }
    each_dtype!(key.data(), values => of(&values[i], &values[j], descending))
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
    sort_by_keys(arrays, 1, axis, descending)
}

/// Sorts by the first of the arrays along `axis`, by the second where elements of the first are equal, and so on for
/// the first `keys` of them, and moves the others along; stable, NaN last.
#[track_caller]
pub fn sort_by_keys(arrays: &[&Tensor], keys: usize, axis: usize, descending: bool) -> Vec<Tensor> {
    let mut sorted = bind(Sort { axis, descending, keys }, arrays, Location::caller());
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
        if let Err(message) = check_axis(self.ty(), axis) {
            fail(Location::caller(), format!("argsort: {message}"));
            return crate::trace::void(self.ty().with_dtype(DType::I32));
        }
        sort_by_key(&[self, &iota(self.shape(), axis, DType::I32)], axis, descending).swap_remove(1)
    }
}
