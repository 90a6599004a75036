//! What `checkpoint`, `custom_jvp`, `custom_vjp`, `kernel` and `linear_solve` share: a function whose derivative is found in a way of its
//! own, and which otherwise runs as it is.

use std::fmt;

use crate::graph::{Graph, TensorType};
use crate::host::HostArray;
use crate::ops::{Cost, Kind, Primitive, Role, Tangent};
use crate::stablehlo::{Emitter, Operand};
use crate::trace::Tensor;
use crate::transform::pull;

use super::expect;

/// A function with a derivative of its own. Operands: the function's parameters.
pub(super) trait Wrapped: fmt::Debug + Send + Sync + 'static {
    const KIND: Kind;

    /// The function.
    fn graph(&self) -> &Graph;

    /// What a printed graph says beside the function.
    fn described(&self) -> String {
        String::new()
    }

    /// Writes the function in another way than operation by operation, where there is one for the platform.
    fn lower(&self, _: &mut Emitter, _: &[Operand], _: &[TensorType]) -> Option<Vec<String>> {
        None
    }

    /// The jvp rule.
    fn push(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>);

    /// The transpose rule: that of the function, where it is linear itself.
    fn pull(&self, inputs: &[Role], cotangents: &[Tangent]) -> Vec<Tangent> {
        let known: Vec<Option<Tensor>> = inputs.iter().map(|role| role.known().cloned()).collect();
        pull(self.graph(), &known, cotangents)
    }

    /// The batch rule.
    fn spread(&self, inputs: &[Tensor], batched: &[bool], size: usize) -> Vec<Tensor>;
}

impl<W: Wrapped> Primitive for W {
    fn kind(&self) -> Kind {
        W::KIND
    }

    fn attributes(&self) -> String {
        self.described()
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        vec![self.graph()]
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        expect("the arguments", &self.graph().param_types(), inputs)?;
        Ok(self.graph().result_types())
    }

    fn eval(&self, inputs: &[&HostArray], _: &[TensorType]) -> Vec<HostArray> {
        self.graph().interpret(inputs)
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        match self.lower(emitter, inputs, outputs) {
            Some(names) => names,
            None => emitter.inline(self.graph(), &inputs.iter().map(|o| o.name.clone()).collect::<Vec<_>>()),
        }
    }

    fn jvp(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        self.push(primals, tangents)
    }

    fn transpose(&self, inputs: &[Role], cotangents: &[Tangent]) -> Vec<Tangent> {
        self.pull(inputs, cotangents)
    }

    fn batch(&self, inputs: &[Tensor], batched: &[bool], size: usize) -> Vec<Tensor> {
        self.spread(inputs, batched, size)
    }

    fn cost(&self, _: &[TensorType], _: &[TensorType]) -> Cost {
        self.graph().cost()
    }
}
