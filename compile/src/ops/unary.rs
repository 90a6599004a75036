//! Elementwise functions of one operand.

use std::ops::{Neg, Not};
use std::panic::Location;

use crate::dtype::DType;
use crate::graph::{Graph, TensorType};
use crate::ops::Primitive;
use crate::stablehlo::{Emitter, Operand, signature, tensor};
use crate::trace::{Tensor, bind1};

/// Which function; see the methods of [`Tensor`] of the same names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the methods of Tensor say what each does")]
pub enum Unary {
    Neg,
    Abs,
    Sign,
    Not,
    Exp,
    Log,
    Sqrt,
    Rsqrt,
    Sin,
    Cos,
    Tanh,
    Floor,
    Ceil,
    IsFinite,
}

impl Unary {
    fn operation(self) -> &'static str {
        match self {
            Unary::Neg => "negate",
            Unary::Abs => "abs",
            Unary::Sign => "sign",
            Unary::Not => "not",
            Unary::Exp => "exponential",
            Unary::Log => "log",
            Unary::Sqrt => "sqrt",
            Unary::Rsqrt => "rsqrt",
            Unary::Sin => "sine",
            Unary::Cos => "cosine",
            Unary::Tanh => "tanh",
            Unary::Floor => "floor",
            Unary::Ceil => "ceil",
            Unary::IsFinite => "is_finite",
        }
    }

    /// Whether the function is defined on `dtype`, else which dtypes it is for.
    fn accepts(self, dtype: DType) -> Result<(), &'static str> {
        let (accepted, wanted) = match self {
            Unary::Neg => (dtype != DType::Bool, "numbers"),
            Unary::Abs | Unary::Sign => (!matches!(dtype, DType::Bool | DType::U32), "numbers with a sign"),
            Unary::Not => (dtype.is_integer() || dtype == DType::Bool, "bool or integers"),
            _ => (dtype.is_float(), "floating-point numbers"),
        };
        if accepted { Ok(()) } else { Err(wanted) }
    }
}

impl Primitive for Unary {
    fn name(&self) -> &'static str {
        match self {
            Unary::Neg => "neg",
            Unary::Exp => "exp",
            Unary::Sin => "sin",
            Unary::Cos => "cos",
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
        let x = super::one(inputs)?;
        self.accepts(x.dtype).map_err(|wanted| format!("defined for {wanted}, got {x}"))?;
        Ok(vec![if *self == Unary::IsFinite { x.with_dtype(DType::Bool) } else { x.clone() }])
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let x = &inputs[0];
        let operation = self.operation();
        let ty = match self {
            Unary::IsFinite => signature(inputs, outputs),
            _ => tensor(&outputs[0]),
        };
        vec![emitter.op(&format!("stablehlo.{operation} {} : {ty}", x.name))]
    }
}

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident => $kind:ident),* $(,)?) => {
        impl Tensor {$(
            $(#[$doc])*
            #[track_caller]
            pub fn $name(&self) -> Tensor {
                bind1(Unary::$kind, &[self], Location::caller())
            }
        )*}
    };
}

methods! {
    /// |x|, elementwise.
    abs => Abs,
    /// -1, 0 or 1, elementwise; the sign of a zero is that zero.
    sign => Sign,
    /// e to the x, elementwise.
    exp => Exp,
    /// The natural logarithm, elementwise.
    log => Log,
    /// The square root, elementwise; NaN for negative numbers.
    sqrt => Sqrt,
    /// 1/sqrt(x), elementwise.
    rsqrt => Rsqrt,
    /// The sine of an angle in radians, elementwise.
    sin => Sin,
    /// The cosine of an angle in radians, elementwise.
    cos => Cos,
    /// The hyperbolic tangent, elementwise.
    tanh => Tanh,
    /// The largest whole number not above x, elementwise.
    floor => Floor,
    /// The smallest whole number not below x, elementwise.
    ceil => Ceil,
    /// Neither NaN nor infinite, elementwise, as bool.
    is_finite => IsFinite,
}

impl Tensor {
    /// x squared, elementwise.
    #[track_caller]
    pub fn square(&self) -> Tensor {
        self * self
    }
}

impl Neg for &Tensor {
    type Output = Tensor;

    #[track_caller]
    fn neg(self) -> Tensor {
        bind1(Unary::Neg, &[self], Location::caller())
    }
}

impl Neg for Tensor {
    type Output = Tensor;

    #[track_caller]
    fn neg(self) -> Tensor {
        -&self
    }
}

impl Not for &Tensor {
    type Output = Tensor;

    /// The logical complement of bool, the bitwise one of integers.
    #[track_caller]
    fn not(self) -> Tensor {
        bind1(Unary::Not, &[self], Location::caller())
    }
}

impl Not for Tensor {
    type Output = Tensor;

    #[track_caller]
    fn not(self) -> Tensor {
        !&self
    }
}
