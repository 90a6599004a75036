//! Reduction by a function that the user writes.

use std::panic::Location;

use crate::concatenate;
use crate::graph::{Graph, TensorType};
use crate::host::HostArray;
use crate::ops::binary::Operator;
use crate::ops::expand::tangents_through;
use crate::ops::reduce::{kept, offsets, without};
use crate::ops::shape::shifted;
use crate::ops::slice::Slice;
use crate::ops::{Cost, Kind, Primitive, Role, Tangent, again, check_axes, join, not_linear, types};
use crate::stablehlo::{Emitter, Operand, tensor};
use crate::trace::{Tensor, bind1, fail, region};
use crate::transform::{repeated, spread};

/// Combines the elements along some axes by a function of two. Operands: the array, and the scalar to begin with.
#[derive(Debug, Clone)]
pub struct Fold {
    /// From two scalars to one, associative and commutative, with the second operand as its identity.
    pub body: Graph,
    /// The axes that vanish.
    pub axes: Vec<usize>,
}

impl Fold {
    /// The body on all elements of two arrays.
    fn elementwise(&self, x: &Tensor, y: &Tensor) -> Tensor {
        let len = x.ty().len();
        let flat = [x.reshape([len]), y.reshape([len])];
        let (mut z, batched) = spread(&self.body, &flat, &[true, true], len);
        let z = z.swap_remove(0);
        let z = if batched == [true] { z } else { repeated(&z, len) };
        z.reshape(x.shape().to_vec())
    }

    /// The same function as a tree of pairs, in operations that have rules where this one has none. `init` is a scalar
    /// or of the result's shape, and enters once, at the end.
    fn expanded(&self, x: &Tensor, init: &Tensor) -> Tensor {
        let mut shape = without(x.ty(), &self.axes);
        let out = shape.clone();
        let (last, mut len) = (shape.len(), self.axes.iter().map(|&axis| x.shape()[axis]).product::<usize>());
        let init = init.broadcast_to(out.clone());
        if len == 0 {
            return init;
        }
        shape.push(len);
        let mut x = x.transpose([kept(x.ndim(), &self.axes), self.axes.clone()].concat()).reshape(shape);
        while len > 1 {
            let pairs = self.elementwise(&every_second(&x, 0, len / 2 * 2), &every_second(&x, 1, len));
            x = match len % 2 {
                0 => pairs,
                _ => concatenate(&[&pairs, &x.slice(last, len - 1, len)], last),
            };
            len = len.div_ceil(2);
        }
        self.elementwise(&init, &x.reshape(out))
    }
}

fn every_second(x: &Tensor, start: usize, limit: usize) -> Tensor {
    let last = x.ndim() - 1;
    let mut slice = Slice { start: vec![0; x.ndim()], limit: x.shape().to_vec(), stride: vec![1; x.ndim()] };
    (slice.start[last], slice.limit[last], slice.stride[last]) = (start, limit, 2);
    bind1(slice, &[x], Location::caller())
}

impl Primitive for Fold {
    fn kind(&self) -> Kind {
        Kind::Reduce
    }

    fn attributes(&self) -> String {
        format!("axes [{}]", join(&self.axes))
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        vec![&self.body]
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        let (x, init) = super::two(inputs)?;
        check_axes(x, &self.axes)?;
        let scalar = TensorType::scalar(x.dtype);
        if *init != scalar {
            return Err(format!("{scalar} expected to begin with, got {init}"));
        }
        let (taken, given) = (self.body.param_types(), self.body.result_types());
        if taken != [scalar.clone(), scalar.clone()] || given != [scalar.clone()] {
            let (taken, given) = (types(&taken), types(&given));
            return Err(format!("the function must make one {scalar} of two, it makes {given} of {taken}"));
        }
        Ok(vec![x.with_shape(without(x, &self.axes))])
    }

    fn eval(&self, inputs: &[&HostArray], outputs: &[TensorType]) -> Vec<HostArray> {
        let (x, init) = (inputs[0], inputs[1]);
        let starts = offsets(x.shape(), &kept(x.shape().len(), &self.axes));
        let steps = offsets(x.shape(), &self.axes);
        let combine = |so_far: HostArray, at: usize| {
            let element = x.pick(&[], |_| at);
            self.body.interpret(&[&so_far, &element]).swap_remove(0)
        };
        let folded = starts.iter().map(|start| steps.iter().fold(init.clone(), |y, step| combine(y, start + step)));
        vec![HostArray::stacked(&folded.collect::<Vec<_>>(), &outputs[0])]
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let (x, init) = (&inputs[0], &inputs[1]);
        let scalar = tensor(&init.ty);
        let (a, b) = (emitter.fresh(), emitter.fresh());
        let region = emitter.region(&self.body, &[a.clone(), b.clone()]);
        vec![emitter.op(&format!(
            "stablehlo.reduce({} init: {}) across dimensions = [{}] : ({}, {scalar}) -> {}\n    \
             reducer({a}: {scalar}, {b}: {scalar}) {region}",
            x.name,
            init.name,
            join(&self.axes),
            tensor(&x.ty),
            tensor(&outputs[0]),
        ))]
    }

    fn jvp(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        let tangents = tangents_through(primals, tangents, |x| vec![self.expanded(&x[0], &x[1])]);
        (again(self, primals), tangents)
    }

    fn transpose(&self, inputs: &[Role], _: &[Tangent]) -> Vec<Tangent> {
        not_linear(self, inputs)
    }

    fn batch(&self, inputs: &[Tensor], batched: &[bool], size: usize) -> Vec<Tensor> {
        let many = Self { body: self.body.clone(), axes: shifted(&self.axes) };
        if !batched[1] {
            return again(&many, inputs);
        }
        // A beginning of its own for every problem is what the operation cannot have.
        let x = if batched[0] { inputs[0].clone() } else { repeated(&inputs[0], size) };
        let out = without(x.ty(), &many.axes);
        vec![many.expanded(&x, &inputs[1].broadcast_in_dim(out, [0]))]
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        Cost::flops(inputs[0].len() * self.body.nodes().len(), inputs, outputs)
    }
}

impl Tensor {
    /// The elements along `axes`, which vanish, combined by a function of two scalars, beginning with `init` (a scalar
    /// or a number). In what order is the compiler's choice, and it may put in `init` more than once: `combine` must be
    /// associative and commutative, and `init` must change nothing. It uses nothing but its arguments.
    ///
    /// [`sum_axes`](Self::sum_axes) and its kin are faster to differentiate: the derivative of this one is that of a
    /// tree of pairs.
    ///
    /// ```
    /// use tandem_compile::{Tensor, jit};
    ///
    /// // The logarithm of the sum of exponentials.
    /// let lse = jit(|x: Tensor| x.reduce(f64::NEG_INFINITY, [0], |a, b| a.maximum(&b) + (-(&a - &b).abs()).exp().log1p()));
    /// let y: f64 = lse.call(&[0.0, 0.0][..])?;
    /// assert!((y - 2f64.ln()).abs() < 1e-15);
    /// # Ok::<(), tandem_compile::Error>(())
    /// ```
    #[track_caller]
    pub fn reduce(
        &self,
        init: impl Operator,
        axes: impl Into<Vec<usize>>,
        combine: impl FnOnce(Tensor, Tensor) -> Tensor,
    ) -> Tensor {
        let location = Location::caller();
        let init = init.tensor(self);
        let scalar = TensorType::scalar(self.dtype());
        let (_, body) = region(&[scalar.clone(), scalar], location, |mut arguments| {
            let element = arguments.swap_remove(1);
            combine(arguments.swap_remove(0), element)
        });
        let Some(body) = body else { return crate::trace::void(self.ty().clone()) };
        if let Some(captured) = body.captures.first() {
            let message = "reduce: the function may use nothing but its two arguments, it uses";
            fail(location, format!("{message} {} from outside; make constants inside of it", captured.ty()));
            return crate::trace::void(self.ty().clone());
        }
        bind1(Fold { body: body.graph, axes: axes.into() }, &[self, &init], location)
    }
}
