//! Comparison, and choosing by it.

use std::panic::Location;

use crate::dtype::DType;
use crate::graph::{Graph, TensorType};
use crate::ops::binary::{Operator, operands};
use crate::ops::shape::broadcast_together;
use crate::ops::{Primitive, types};
use crate::stablehlo::{Emitter, Operand, names, signature, tensor};
use crate::trace::{Tensor, bind1, fail, void};

/// An ordering relation, elementwise; every one but `Ne` is false where an operand is NaN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Rust's own")]
pub enum Compare {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Compare {
    fn direction(self) -> &'static str {
        match self {
            Compare::Eq => "EQ",
            Compare::Ne => "NE",
            Compare::Lt => "LT",
            Compare::Le => "LE",
            Compare::Gt => "GT",
            Compare::Ge => "GE",
        }
    }
}

impl Primitive for Compare {
    fn name(&self) -> &'static str {
        match self {
            Compare::Eq => "eq",
            Compare::Ne => "ne",
            Compare::Lt => "lt",
            Compare::Le => "le",
            Compare::Gt => "gt",
            Compare::Ge => "ge",
        }
    }

    fn attributes(&self) -> String {
        String::new()
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        let (x, y) = super::two(inputs)?;
        if x.dtype != y.dtype {
            return Err(format!("dtypes differ, {x} and {y}; convert one of them"));
        }
        match x.shape == y.shape {
            true => Ok(vec![x.with_dtype(DType::Bool)]),
            false => Err(format!("shapes do not broadcast, {x} and {y}")),
        }
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let kind = compare_type(inputs[0].ty.dtype);
        let direction = self.direction();
        let types = signature(inputs, outputs);
        vec![emitter.op(&format!("stablehlo.compare {direction}, {}, {kind} : {types}", names(inputs)))]
    }
}

/// How StableHLO wants values of `dtype` compared.
pub(crate) fn compare_type(dtype: DType) -> &'static str {
    match dtype {
        DType::U32 | DType::Bool => "UNSIGNED",
        DType::I64 | DType::I32 => "SIGNED",
        _ => "FLOAT",
    }
}

/// Elementwise choice: the second operand where the first is true, else the third.
#[derive(Debug, Clone, Copy)]
pub struct Select;

impl Primitive for Select {
    fn name(&self) -> &'static str {
        "select"
    }

    fn attributes(&self) -> String {
        String::new()
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        match inputs {
            [which, yes, no]
                if which.dtype == DType::Bool && yes == no && (which.ndim() == 0 || which.shape == yes.shape) =>
            {
                Ok(vec![yes.clone()])
            }
            _ => Err(format!("a bool and two operands of one type expected, got {}", types(inputs))),
        }
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let which = tensor(&inputs[0].ty);
        vec![emitter.op(&format!("stablehlo.select {} : {which}, {}", names(inputs), tensor(&outputs[0])))]
    }
}

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident => $kind:ident),* $(,)?) => {
        impl Tensor {$(
            $(#[$doc])*
            #[track_caller]
            pub fn $name(&self, other: impl Operator) -> Tensor {
                let location = Location::caller();
                let (x, y) = operands(self, &other.tensor(self), location);
                bind1(Compare::$kind, &[&x, &y], location)
            }
        )*}
    };
}

methods! {
    /// Where the two are equal, as bool.
    eq => Eq,
    /// Where the two differ (or either is NaN), as bool.
    ne => Ne,
    /// Where self is smaller, as bool.
    lt => Lt,
    /// Where self is not larger, as bool.
    le => Le,
    /// Where self is larger, as bool.
    gt => Gt,
    /// Where self is not smaller, as bool.
    ge => Ge,
}

impl Tensor {
    /// `yes` where self (bool) is true, else `no`; the three broadcast together.
    #[track_caller]
    pub fn select(&self, yes: impl Operator, no: impl Operator) -> Tensor {
        let location = Location::caller();
        // A number takes the dtype of the tensor on the other side; two numbers have none.
        let Some(beside) = yes.as_tensor().or(no.as_tensor()).cloned() else {
            fail(location, "select: both choices are plain numbers; make one a tensor, with its dtype");
            return void(self.ty().clone());
        };
        let (yes, no) = (yes.tensor(&beside), no.tensor(&beside));
        let (yes, no) = broadcast_together(&yes, &no, location);
        let (which, yes) = broadcast_together(self, &yes, location);
        let (_, no) = broadcast_together(&which, &no, location);
        bind1(Select, &[&which, &yes, &no], location)
    }

    /// True where NaN.
    #[track_caller]
    pub fn is_nan(&self) -> Tensor {
        self.ne(self)
    }
}
