//! The value of a derivative that nobody can compute: should a mistake bring one into a program, it must not look like a
//! number.

use crate::graph::TensorType;
use crate::host::HostArray;
use crate::stablehlo::{Emitter, tensor};

/// NaN; nothing else but a float has a derivative.
pub(super) fn eval(outputs: &[TensorType]) -> Vec<HostArray> {
    let nan = |ty: &TensorType| match HostArray::scalar(f64::NAN).cast(ty.dtype) {
        Ok(nan) => nan.pick(&ty.shape, |_| 0),
        Err(_) => HostArray::zeros(ty),
    };
    outputs.iter().map(nan).collect()
}

/// A call of what does not exist: the compiler refuses it by its name.
pub(super) fn stablehlo(emitter: &mut Emitter, outputs: &[TensorType]) -> Vec<String> {
    let call = |ty| format!("stablehlo.custom_call @this_function_has_no_forward_mode() : () -> {}", tensor(ty));
    outputs.iter().map(|ty| emitter.op(&call(ty))).collect()
}
