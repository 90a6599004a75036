//! Elementwise functions of two operands, and Rust's operators.
//!
//! The primitive wants equal types; the methods and operators broadcast as numpy does. A Rust number beside a
//! tensor takes the tensor's dtype.

use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Rem, Sub};
use std::panic::Location;

use crate::dtype::DType;
use crate::graph::{Graph, TensorType};
use crate::ops::Primitive;
use crate::ops::constant::number;
use crate::ops::shape::broadcast_together;
use crate::stablehlo::{Emitter, Operand, names, tensor};
use crate::trace::{Tensor, bind1};

/// Which function; see the operators and methods of [`Tensor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the operators and methods of Tensor say what each does")]
pub enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    Pow,
    Max,
    Min,
    And,
    Or,
    Xor,
    ShiftLeft,
    ShiftRight,
}

impl Binary {
    fn operation(self) -> &'static str {
        match self {
            Binary::Add => "add",
            Binary::Sub => "subtract",
            Binary::Mul => "multiply",
            Binary::Div => "divide",
            Binary::Rem => "remainder",
            Binary::Pow => "power",
            Binary::Max => "maximum",
            Binary::Min => "minimum",
            Binary::And => "and",
            Binary::Or => "or",
            Binary::Xor => "xor",
            Binary::ShiftLeft => "shift_left",
            Binary::ShiftRight => "shift_right_logical",
        }
    }

    fn accepts(self, dtype: DType) -> Result<(), &'static str> {
        let (accepted, wanted) = match self {
            Binary::And | Binary::Or | Binary::Xor => (!dtype.is_float(), "bool or integers"),
            Binary::ShiftLeft | Binary::ShiftRight => (dtype.is_integer(), "integers"),
            Binary::Pow => (dtype.is_float(), "floating-point numbers"),
            _ => (dtype != DType::Bool, "numbers"),
        };
        if accepted { Ok(()) } else { Err(wanted) }
    }
}

impl Primitive for Binary {
    fn name(&self) -> &'static str {
        match self {
            Binary::Sub => "sub",
            Binary::Mul => "mul",
            Binary::Div => "div",
            Binary::Rem => "rem",
            Binary::Pow => "pow",
            Binary::Max => "max",
            Binary::Min => "min",
            other => other.operation(),
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
        if x.shape != y.shape {
            return Err(format!("shapes do not broadcast, {x} and {y}"));
        }
        self.accepts(x.dtype).map_err(|wanted| format!("defined for {wanted}, got {x}"))?;
        Ok(vec![x.clone()])
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let operation = self.operation();
        vec![emitter.op(&format!("stablehlo.{operation} {} : {}", names(inputs), tensor(&outputs[0])))]
    }
}

#[track_caller]
fn binary(kind: Binary, x: &Tensor, y: &Tensor) -> Tensor {
    let location = Location::caller();
    let (x, y) = operands(x, y, location);
    bind1(kind, &[&x, &y], location)
}

/// Both operands as the primitive wants them. Those of different dtypes stay as they are, so that the error shows
/// the types that the user knows.
pub(crate) fn operands(x: &Tensor, y: &Tensor, location: &'static Location<'static>) -> (Tensor, Tensor) {
    match x.dtype() == y.dtype() {
        true => broadcast_together(x, y, location),
        false => (x.clone(), y.clone()),
    }
}

/// The right-hand side of an operator: a tensor, or a number that takes the dtype of the tensor beside it.
pub trait Operator {
    /// The operand as a tensor that fits `beside`.
    #[track_caller]
    fn tensor(&self, beside: &Tensor) -> Tensor;

    /// The operand itself where it is a tensor, `None` where it is a number.
    fn as_tensor(&self) -> Option<&Tensor>;
}

impl Operator for Tensor {
    #[track_caller]
    fn tensor(&self, _: &Tensor) -> Tensor {
        self.clone()
    }

    fn as_tensor(&self) -> Option<&Tensor> {
        Some(self)
    }
}

impl Operator for &Tensor {
    #[track_caller]
    fn tensor(&self, _: &Tensor) -> Tensor {
        (*self).clone()
    }

    fn as_tensor(&self) -> Option<&Tensor> {
        Some(self)
    }
}

impl Operator for f64 {
    #[track_caller]
    fn tensor(&self, beside: &Tensor) -> Tensor {
        number(*self, beside.dtype())
    }

    fn as_tensor(&self) -> Option<&Tensor> {
        None
    }
}

impl Operator for i32 {
    #[track_caller]
    fn tensor(&self, beside: &Tensor) -> Tensor {
        number(f64::from(*self), beside.dtype())
    }

    fn as_tensor(&self) -> Option<&Tensor> {
        None
    }
}

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident => $kind:ident),* $(,)?) => {
        impl Tensor {$(
            $(#[$doc])*
            #[track_caller]
            pub fn $name(&self, other: impl Operator) -> Tensor {
                binary(Binary::$kind, self, &other.tensor(self))
            }
        )*}
    };
}

methods! {
    /// self to the power of `other`, elementwise.
    pow => Pow,
    /// The larger of the two, elementwise; NaN where either is NaN.
    maximum => Max,
    /// The smaller of the two, elementwise; NaN where either is NaN.
    minimum => Min,
    /// The bits moved `other` places up, zeros coming in.
    shift_left => ShiftLeft,
    /// The bits moved `other` places down, zeros coming in (also for signed integers).
    shift_right => ShiftRight,
}

macro_rules! operators {
    ($($trait:ident $method:ident $kind:ident),*) => {$(
        impl<R: Operator> $trait<R> for &Tensor {
            type Output = Tensor;

            #[track_caller]
            fn $method(self, other: R) -> Tensor {
                binary(Binary::$kind, self, &other.tensor(self))
            }
        }

        impl<R: Operator> $trait<R> for Tensor {
            type Output = Tensor;

            #[track_caller]
            fn $method(self, other: R) -> Tensor {
                binary(Binary::$kind, &self, &other.tensor(&self))
            }
        }

        operators!(@number $trait $method $kind f64);
        operators!(@number $trait $method $kind i32);
    )*};
    (@number $trait:ident $method:ident $kind:ident $number:ty) => {
        impl $trait<Tensor> for $number {
            type Output = Tensor;

            #[track_caller]
            fn $method(self, other: Tensor) -> Tensor {
                binary(Binary::$kind, &self.tensor(&other), &other)
            }
        }

        impl $trait<&Tensor> for $number {
            type Output = Tensor;

            #[track_caller]
            fn $method(self, other: &Tensor) -> Tensor {
                binary(Binary::$kind, &self.tensor(other), other)
            }
        }
    };
}

operators!(
    Add add Add, Sub sub Sub, Mul mul Mul, Div div Div, Rem rem Rem, BitAnd bitand And, BitOr bitor Or,
    BitXor bitxor Xor
);
