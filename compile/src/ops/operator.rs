//! Rust's operators and the methods for functions of two tensors.
//!
//! The primitive wants equal types; the methods and operators broadcast as numpy does. A Rust number beside a
//! tensor takes the tensor's dtype.

use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Rem, Sub};
use std::panic::Location;

use crate::ops::binary::Binary;
use crate::ops::constant::number;
use crate::ops::shape::broadcast_together;
use crate::trace::{Tensor, bind1};

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
    /// self to the power of `other`, elementwise, of floats; NaN for a negative number to a power that is not whole.
    /// The derivative by self is taken to be 0 where `other` is 0, and that by `other` where self is 0.
    pow => Pow,
    /// The larger of the two, elementwise; NaN where either is NaN. Where they are equal, each has half the derivative.
    maximum => Max,
    /// The smaller of the two, elementwise; NaN where either is NaN. Where they are equal, each has half the derivative.
    minimum => Min,
    /// The angle in radians, in [-pi, pi], of the point with ordinate self and abscissa `other`, elementwise, of floats.
    atan2 => Atan2,
    /// The bits moved `other` places up, zeros coming in.
    shift_left => ShiftLeft,
    /// The bits moved `other` places down, zeros coming in (also for signed integers).
    shift_right => ShiftRight,
    /// The bits moved `other` places down, copies of the highest bit coming in: division by a power of two, rounded
    /// down.
    shift_right_arithmetic => ShiftRightArithmetic,
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
