//! What a test record of a primitive says. The records themselves stand in the files beside this one, one per family;
//! what is done with them, in `main.rs`.

use num_complex::Complex64;
use tandem_compile::ops::Kind;
use tandem_compile::{DType, Tensor, TensorType};

/// A function to be traced.
pub type Traced = dyn Fn(&[Tensor]) -> Vec<Tensor>;
/// A function of complex arrays, each row-major.
pub type Holomorphic = dyn Fn(&[Vec<Complex64>]) -> Vec<Vec<Complex64>>;
/// A function to be refused, whose results do not matter.
pub type Refused = dyn Fn(&[Tensor]);

/// Everything that is tested of one primitive.
pub struct Record {
    pub kind: Kind,
    /// Uses of the primitive: every one has a node of this kind in its graph.
    pub cases: Vec<Case>,
    /// Uses that the type rule refuses, with a part of the message.
    pub refusals: Vec<Refusal>,
}

/// One use of a primitive, with one dtype and shape.
pub struct Case {
    /// What tells it from the record's other cases: `f32[3,0] axis 1`.
    pub label: String,
    pub f: Box<Traced>,
    pub arguments: Vec<Argument>,
    /// How far the device may be from the interpreter, and why.
    pub budget: Budget,
    pub derivative: Derivative,
}

pub struct Argument {
    pub ty: TensorType,
    pub values: Values,
}

/// What an argument is filled with. Each case runs several times: once with ordinary numbers, and once for each class
/// of special ones where an argument says `Classes`.
pub enum Values {
    /// Ordinary numbers (about [-3, 3], distinct), and in further runs NaN, infinities, zeros of both signs,
    /// denormals, huge and tiny numbers, and ties; for integers small, zero, negative and extreme ones.
    Classes,
    /// Ordinary numbers between two bounds, in every run.
    Between(f64, f64),
    /// Integers from the first bound up to, not including, the second, in every run.
    Integers(i64, i64),
    /// These numbers, repeated as often as the shape needs.
    Given(Vec<f64>),
    /// Symmetric positive definite, well conditioned matrices in the last two axes.
    PositiveDefinite,
}

/// How far an element of the device's result may be from the interpreter's. NaN must meet NaN, an infinity the same
/// infinity.
#[derive(Clone, Copy)]
pub enum Budget {
    /// The same bits (the sign of a zero included). In every budget a subnormal result may come as zero, and as what
    /// it were if subnormal arguments were zeros: XLA's CPU flushes them in most operations, not in all.
    Exact,
    /// Units in the last place of the element itself; the sign of zero is free. The reason says why more than half.
    Ulps(f64, &'static str),
    /// Units in the last place of what the same function gives for the absolute values of its arguments: for sums of
    /// products, whose terms cancel.
    OfMagnitude(f64, &'static str),
    /// Units in the last place of the largest element of the result.
    OfLargest(f64, &'static str),
}

/// How the derivative is judged, in f64 at ordinary numbers. All but `None` also stand up to the inner-product test
/// (transpose against jvp), the symmetry of second derivatives, and both modes on the device.
pub enum Derivative {
    /// There is none: integers, truth values, or zero everywhere.
    None,
    /// Piecewise polynomial of degree at most two in all arguments together: central differences are exact but for
    /// rounding.
    Quadratic,
    /// The same function of complex numbers, row-major: its imaginary part after a step of 1e-20 i is the derivative.
    /// It takes all arguments (integers as real numbers) and gives all results in order (empty for such as are no
    /// floats).
    Complex(Box<Holomorphic>),
    /// Forward mode alone, judged so; reverse mode is refused with words that contain the second.
    ForwardOnly(Box<Derivative>, &'static str),
}

/// A use that is refused when it is traced.
pub struct Refusal {
    pub f: Box<Refused>,
    pub arguments: Vec<TensorType>,
    /// A part of the message.
    pub message: &'static str,
}

/// `Argument`s of ordinary and special numbers.
pub fn classes(dtype: DType, shape: &[usize]) -> Argument {
    Argument { ty: TensorType::new(dtype, shape), values: Values::Classes }
}
