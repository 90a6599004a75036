//! Numbers kept between two bounds.

use std::panic::Location;

use crate::dtype::DType;
use crate::graph::{Graph, TensorType};
use crate::host::HostArray;
use crate::ops::binary::Operator;
use crate::ops::elementwise::{exact_integers, larger, smaller, spread_beside, wrapped, zip_floats};
use crate::ops::shape::broadcast_together;
use crate::ops::{Cost, Kind, Primitive, Role, Tangent, again, constant_jvp, not_linear, types};
use crate::stablehlo::{Emitter, Operand, names, signature, tensor};
use crate::trace::{Tensor, bind1};
use crate::transform::add;

/// Elementwise, of (low, x, high), the smaller of `high` and the larger of `low` and x; NaN where one of them is. Each
/// bound is a scalar or of x's shape.
#[derive(Debug, Clone, Copy)]
pub struct Clamp;

impl Primitive for Clamp {
    fn kind(&self) -> Kind {
        Kind::Clamp
    }

    fn attributes(&self) -> String {
        String::new()
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        let [low, x, high] = inputs else { return Err(format!("three operands expected, got {}", inputs.len())) };
        if !x.dtype.is_float() && !x.dtype.is_integer() {
            return Err(format!("defined for numbers, got {x}"));
        }
        let fits = |bound: &TensorType| bound.dtype == x.dtype && (bound.ndim() == 0 || bound.shape == x.shape);
        match fits(low) && fits(high) {
            true => Ok(vec![x.clone()]),
            false => Err(format!(
                "bounds of the dtype of {x}, scalars or of shapes that broadcast to it, expected, got {}",
                types(&[low.clone(), high.clone()])
            )),
        }
    }

    fn eval(&self, inputs: &[&HostArray], outputs: &[TensorType]) -> Vec<HostArray> {
        let x = inputs[1];
        let full = |bound: &HostArray| bound.pick(x.shape(), |i| if bound.shape().is_empty() { 0 } else { i });
        let [low, high] = [full(inputs[0]), full(inputs[2])];
        if x.dtype().is_float() {
            return vec![zip_floats(&zip_floats(x, &low, larger), &high, smaller)];
        }
        let bounds = exact_integers(&low).into_iter().zip(exact_integers(&high));
        let kept = exact_integers(x).into_iter().zip(bounds).map(|(x, (low, high))| x.max(low).min(high));
        vec![wrapped(&outputs[0], kept.collect())]
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let y = &outputs[0];
        let mut kept = emitter.op(&format!("stablehlo.clamp {} : {}", names(inputs), signature(inputs, outputs)));
        if y.dtype.is_float() {
            // The compiler computes a clamp of constants without regard to NaN (`docs/notes/clamp-between-nan.md`); where the
            // bounds are constants and numbers, nothing of this is left.
            for operand in inputs {
                let x = emitter.spread(operand, y);
                let (truth, shown) = (tensor(&y.with_dtype(DType::Bool)), tensor(y));
                let bad = emitter.op(&format!("stablehlo.compare NE, {x}, {x}, FLOAT : ({shown}, {shown}) -> {truth}"));
                kept = emitter.op(&format!("stablehlo.select {bad}, {x}, {kept} : {truth}, {shown}"));
            }
        }
        vec![kept]
    }

    fn jvp(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        let [low, x, high] = [&primals[0], &primals[1], &primals[2]];
        if !x.dtype().is_float() {
            return constant_jvp(self, primals);
        }
        let y = again(self, primals);
        let part = |tangent: &Tangent, chosen: &dyn Fn() -> Tensor| {
            tangent.as_ref().map(|t| chosen().select(t.broadcast_to(x.shape()), 0.0))
        };
        let from_low = part(&tangents[0], &|| low.gt(x) & low.lt(high));
        let from_x = part(&tangents[1], &|| x.gt(low) & x.lt(high));
        // Bounds that have crossed leave `high`, also for an x below it.
        let from_high = part(&tangents[2], &|| x.gt(high) | low.gt(high));
        (y, vec![add(add(from_low, from_x), from_high)])
    }

    fn transpose(&self, inputs: &[Role], _: &[Tangent]) -> Vec<Tangent> {
        not_linear(self, inputs)
    }

    fn batch(&self, inputs: &[Tensor], batched: &[bool], size: usize) -> Vec<Tensor> {
        let shape = &inputs[1].shape()[usize::from(batched[1])..];
        again(self, &spread_beside(inputs, batched, size, shape, [true, false, true]))
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        // One comparison with each bound.
        Cost::flops(2 * outputs[0].len(), inputs, outputs)
    }
}

impl Tensor {
    /// self kept between two bounds, elementwise: the smaller of `high` and the larger of `low` and self, of numbers.
    /// NaN stays NaN, and is what a bound that is NaN gives. The bounds broadcast to self's shape. The derivative is 1
    /// strictly between the bounds, and at a bound 0.
    #[track_caller]
    pub fn clamp(&self, low: impl Operator, high: impl Operator) -> Tensor {
        let location = Location::caller();
        let (low, high) = (low.tensor(self), high.tensor(self));
        let low = beside(self, low, location);
        let high = beside(self, high, location);
        bind1(Clamp, &[&low, self, &high], location)
    }
}

/// The bound as the primitive wants it; one that does not broadcast stays as it is, for the type rule to report.
fn beside(x: &Tensor, bound: Tensor, location: &'static Location<'static>) -> Tensor {
    if bound.ndim() == 0 || bound.dtype() != x.dtype() {
        return bound;
    }
    let (_, full) = broadcast_together(x, &bound, location);
    if full.shape() == x.shape() { full } else { bound }
}
