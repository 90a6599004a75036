//! Functions of one and of two numbers, element by element.

use num_complex::Complex64;
use tandem_compile::ops::Kind;
use tandem_compile::{DType, Tensor, TensorType};

use crate::arrays::{maximum, smallest};
use crate::record::{Argument, Budget, Case, Derivative, Record, Refusal, Values, classes};
use crate::special::{erf, erf_inv};
use Where::{Everywhere, EverywhereAndOn, NotSubnormal};

pub const SHAPES: [&[usize]; 5] = [&[], &[0, 3], &[1], &[3, 5], &[37, 29]];
pub const FLOATS: [DType; 4] = [DType::F64, DType::F32, DType::F16, DType::BF16];
pub const INTEGERS: [DType; 3] = [DType::I64, DType::I32, DType::U32];

type One = fn(&Tensor) -> Tensor;
type Two = fn(&Tensor, &Tensor) -> Tensor;

/// How the derivative of an elementwise function of one or two numbers is judged.
#[derive(Clone, Copy)]
enum Slope {
    Pieces,
    Complex1(fn(Complex64) -> Complex64),
    Complex2(fn(Complex64, Complex64) -> Complex64),
}

impl Slope {
    fn derivative(self) -> Derivative {
        match self {
            Slope::Pieces => Derivative::Quadratic,
            Slope::Complex1(f) => Derivative::Complex(Box::new(move |z| vec![z[0].iter().map(|&z| f(z)).collect()])),
            Slope::Complex2(f) => {
                Derivative::Complex(Box::new(move |z| vec![z[0].iter().zip(&z[1]).map(|(&z, &w)| f(z, w)).collect()]))
            }
        }
    }
}

/// A function of floats: how far from the interpreter the device was seen to be.
///
/// Measured over 3 million numbers each: ordinary ones, both ends of the range, near 0 and near 1. The budget is the
/// largest distance seen, of half a unit (which is none) where it was 0. The interpreter is right to within one unit in
/// f64, and to within half of one in the other types.
struct Accuracy {
    /// In f64, f32, f16 and bf16; 0 for the same bits.
    units: [f64; 4],
    why: &'static str,
}

impl Accuracy {
    fn budget(&self, dtype: DType) -> Budget {
        let at = FLOATS.iter().position(|&other| other == dtype);
        match at.map(|at| self.units[at]) {
            Some(units) if units > 0.0 => Budget::Ulps(units, self.why),
            _ => Budget::Exact,
        }
    }
}

const EXACT: Accuracy = Accuracy { units: [0.0; 4], why: "" };

/// An interval of arguments.
type Domain = (f64, f64);
const REALS: Domain = (-3.0, 3.0);

/// Where a function is tested.
#[derive(Clone, Copy)]
enum Where {
    /// On all floats, and its derivative at ordinary numbers.
    Everywhere,
    /// On all floats, and its derivative on these domains of its arguments: elsewhere it is not real, or has a kink.
    EverywhereAndOn([Domain; 2]),
    /// At special numbers, none of them subnormal, and, with its derivative, on these domains.
    NotSubnormal([Domain; 2]),
}

/// Special numbers for one of two arguments, none of them subnormal. The two lists' lengths have no common factor, so
/// that an array has all the pairs.
fn specials(at: usize, dtype: DType) -> Values {
    let (max, normal) = (maximum(dtype), smallest(dtype).0);
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    Values::Given(match at {
        0 => vec![1.0, -0.0, 0.0, inf, -1.0, nan, -inf, 2.5, 1e-4, -6e4, 0.5, max, -normal],
        _ => vec![0.5, 1.0, -0.0, 0.0, inf, -1.0, -2.0, nan, -1e-4, -inf, -0.5, 6e4, 3.0, -max, normal],
    })
}

impl Where {
    /// The arguments, what tells them from others, and whether the derivative is judged at them.
    fn arguments(self, count: usize, dtype: DType, shape: &[usize]) -> Vec<(&'static str, Vec<Argument>, bool)> {
        let all = || (0..count).map(|_| classes(dtype, shape)).collect();
        let on = |domains: [Domain; 2]| domains[..count].iter().map(|&domain| between(dtype, shape, domain)).collect();
        match self {
            Where::Everywhere => vec![("", all(), true)],
            Where::EverywhereAndOn(domains) => vec![("", all(), false), (" within", on(domains), true)],
            Where::NotSubnormal(domains) => {
                let ty = TensorType::new(dtype, shape);
                let specials = (0..count).map(|at| Argument { ty: ty.clone(), values: specials(at, dtype) }).collect();
                vec![(" special", specials, false), (" within", on(domains), true)]
            }
        }
    }
}

fn label(dtype: DType, shape: &[usize], note: &str) -> String {
    format!("{}{note}", TensorType::new(dtype, shape))
}

pub fn between(dtype: DType, shape: &[usize], (low, high): (f64, f64)) -> Argument {
    Argument { ty: TensorType::new(dtype, shape), values: Values::Between(low, high) }
}

/// A function of floats: its cases on every dtype.
fn real(
    f: impl Fn(&[Tensor]) -> Tensor + Copy + 'static,
    count: usize,
    accuracy: &Accuracy,
    place: Where,
    slope: Slope,
) -> Vec<Case> {
    let mut cases = Vec::new();
    for dtype in FLOATS {
        for shape in SHAPES {
            for (note, arguments, differentiated) in place.arguments(count, dtype, shape) {
                cases.push(Case {
                    label: label(dtype, shape, note),
                    f: Box::new(move |x| vec![f(x)]),
                    arguments,
                    budget: accuracy.budget(dtype),
                    derivative: if differentiated { slope.derivative() } else { Derivative::None },
                });
            }
        }
    }
    cases
}

fn real1(kind: Kind, f: One, accuracy: &Accuracy, place: Where, slope: Slope) -> Record {
    let cases = real(move |x| f(&x[0]), 1, accuracy, place, slope);
    Record { kind, cases, refusals: vec![refused(f, DType::I32, "defined for floating-point numbers, got i32[2]")] }
}

/// Cases of a function of one integer or truth value.
fn integers(f: One, dtypes: &[DType]) -> Vec<Case> {
    let case = |dtype: DType, shape: &[usize]| Case {
        label: label(dtype, shape, ""),
        f: Box::new(move |x| vec![f(&x[0])]),
        arguments: vec![classes(dtype, shape)],
        budget: Budget::Exact,
        derivative: Derivative::None,
    };
    dtypes.iter().flat_map(|&dtype| SHAPES.map(|shape| case(dtype, shape))).collect()
}

fn refused(f: One, dtype: DType, message: &'static str) -> Refusal {
    Refusal { f: Box::new(move |x| drop(f(&x[0]))), arguments: vec![TensorType::new(dtype, [2])], message }
}

/// A function of one float that is exact, also of signed integers.
fn signed(kind: Kind, f: One, more: &[DType], refusal: DType, message: &'static str) -> Record {
    let mut record = real1(kind, f, &EXACT, Everywhere, Slope::Pieces);
    record.cases.extend(integers(f, more));
    record.refusals = vec![refused(f, refusal, message)];
    record
}

fn cube_root(z: Complex64) -> Complex64 {
    if z.re < 0.0 { -(-z).cbrt() } else { z.cbrt() }
}

/// The record of a function of one number.
pub fn unary(kind: Kind) -> Record {
    use Slope::{Complex1, Pieces};
    let on = |domain| EverywhereAndOn([domain; 2]);
    match kind {
        Kind::Neg => signed(kind, |x| -x, &INTEGERS, DType::Bool, "neg: defined for numbers, got bool[2]"),
        Kind::Abs => signed(kind, |x| x.abs(), &[DType::I64, DType::I32], DType::U32, "numbers with a sign, got u32"),
        Kind::Sign => signed(kind, |x| x.sign(), &[DType::I64, DType::I32], DType::Bool, "numbers with a sign"),
        Kind::Exp => real1(kind, |x| x.exp(), &EXP, Everywhere, Complex1(|z| z.exp())),
        Kind::Expm1 => real1(kind, |x| x.expm1(), &EXPM1, Everywhere, Complex1(|z| z.exp() - 1.0)),
        Kind::Log => real1(kind, |x| x.log(), &LOG, on((0.1, 3.0)), Complex1(|z| z.ln())),
        Kind::Log1p => real1(kind, |x| x.log1p(), &LOG1P, on((-0.9, 3.0)), Complex1(|z| (z + 1.0).ln())),
        Kind::Sqrt => real1(kind, |x| x.sqrt(), &EXACT, on((0.1, 3.0)), Complex1(|z| z.sqrt())),
        Kind::Rsqrt => real1(kind, |x| x.rsqrt(), &RSQRT, on((0.1, 3.0)), Complex1(|z| z.sqrt().inv())),
        // Of a subnormal number the device's root is neither right nor zero: 1.35e-108 of 5e-324 in f64, not 1.70e-108.
        Kind::Cbrt => real1(kind, |x| x.cbrt(), &CBRT, NotSubnormal([(0.1, 3.0); 2]), Complex1(cube_root)),
        Kind::Sin => real1(kind, |x| x.sin(), &SIN, Everywhere, Complex1(|z| z.sin())),
        Kind::Cos => real1(kind, |x| x.cos(), &COS, Everywhere, Complex1(|z| z.cos())),
        Kind::Tan => real1(kind, |x| x.tan(), &TAN, on((-1.5, 1.5)), Complex1(|z| z.tan())),
        Kind::Tanh => real1(kind, |x| x.tanh(), &TANH, Everywhere, Complex1(|z| z.tanh())),
        Kind::Logistic => real1(kind, |x| x.logistic(), &LOGISTIC, Everywhere, Complex1(|z| (1.0 + (-z).exp()).inv())),
        Kind::Erf => real1(kind, |x| x.erf(), &ERF, Everywhere, Complex1(erf)),
        Kind::ErfInv => real1(kind, |x| x.erf_inv(), &ERF_INV, NotSubnormal([(-0.95, 0.95); 2]), Complex1(erf_inv)),
        Kind::Floor => real1(kind, |x| x.floor(), &EXACT, Everywhere, Pieces),
        Kind::Ceil => real1(kind, |x| x.ceil(), &EXACT, Everywhere, Pieces),
        Kind::RoundEven => real1(kind, |x| x.round(), &EXACT, Everywhere, Pieces),
        Kind::RoundAway => real1(kind, |x| x.round_away(), &EXACT, Everywhere, Pieces),
        Kind::IsFinite => {
            let f: One = |x| x.is_finite();
            let refusal = refused(f, DType::I32, "is_finite: defined for floating-point numbers, got i32[2]");
            Record { kind, cases: integers(f, &FLOATS), refusals: vec![refusal] }
        }
        Kind::Not => bits(kind, |x| !x, &[&INTEGERS[..], &[DType::Bool]].concat(), "bool or integers, got f32[2]"),
        Kind::PopulationCount => bits(kind, |x| x.population_count(), &INTEGERS, "integers, got f32[2]"),
        Kind::CountLeadingZeros => bits(kind, |x| x.count_leading_zeros(), &INTEGERS, "integers, got f32[2]"),
        _ => panic!("{kind} is no function of one number"),
    }
}

/// A function of the bits of one number.
fn bits(kind: Kind, f: One, dtypes: &[DType], message: &'static str) -> Record {
    Record { kind, cases: integers(f, dtypes), refusals: vec![refused(f, DType::F32, message)] }
}

const EXP: Accuracy = Accuracy {
    units: [2.0, 5.0, 1.0, 0.5],
    why: "a polynomial, of 1 unit in f32 but near the overflow at 88.7; f16 and bf16 are rounded from f32's",
};
const EXPM1: Accuracy = Accuracy {
    units: [4.0, 5.0, 2.0, 0.5],
    why: "tanh(x/2) (exp(x) + 1) for small x, three roundings; bf16 is rounded from f32's",
};
const LOG: Accuracy = Accuracy {
    units: [0.5, 1.0, 1.0, 0.5],
    why: "f64 is the C library's, as in the interpreter; f32 a polynomial, and the others rounded from it",
};
const LOG1P: Accuracy = Accuracy {
    units: [129.0, 2.0, 2.0, 0.5],
    why: "128 units in f64 near -0.41, where it goes from a polynomial to log(1 + x), and 1 elsewhere; f16 is computed in f16",
};
const RSQRT: Accuracy =
    Accuracy { units: [2.0, 2.0, 1.0, 0.5], why: "a reciprocal of a root, and both round, in the interpreter as well" };
const CBRT: Accuracy = Accuracy {
    units: [120.0, 16.0, 3.0, 0.5],
    why: "the power 1/3, whose rounding counts by log(x): 2 units from 0.001 to 1000, and more at the ends of the range",
};
const SIN: Accuracy = LOG;
const COS: Accuracy = LOG;
const TAN: Accuracy = LOG;
const TANH: Accuracy = Accuracy { units: [6.0, 4.0, 0.5, 0.5], why: "a quotient of polynomials" };
const LOGISTIC: Accuracy =
    Accuracy { units: [3.0, 2.0, 2.0, 0.5], why: "an exponential, a sum and a reciprocal, each rounded" };
const ERF: Accuracy = Accuracy { units: [1.0, 5.0, 1.0, 0.5], why: "a quotient of polynomials" };
const ERF_INV: Accuracy = Accuracy {
    units: [23.0, 6.0, 1.0, 0.5],
    why: "polynomials in log(1 - x^2), which loses digits as x nears 1: 500 units at 0.9999 in f64, 500000 at 1 - 1e-9",
};
const POW: Accuracy = Accuracy { units: [0.5, 1.0, 1.0, 1.0], why: LOG.why };
const ATAN2: Accuracy = POW;
/// What IEEE 754 demands, and XLA does.
const IEEE: Accuracy = EXACT;

/// Cases of a function of two integers or truth values.
pub fn integers2(f: Two, dtypes: &[DType]) -> Vec<Case> {
    let case = |dtype: DType, shape: &[usize]| Case {
        label: label(dtype, shape, ""),
        f: Box::new(move |x| vec![f(&x[0], &x[1])]),
        arguments: vec![classes(dtype, shape), classes(dtype, shape)],
        budget: Budget::Exact,
        derivative: Derivative::None,
    };
    dtypes.iter().flat_map(|&dtype| SHAPES.map(|shape| case(dtype, shape))).collect()
}

pub fn refusals2(f: Two, refused: DType, message: &'static str) -> Vec<Refusal> {
    let refusal = |x: TensorType, y: TensorType, message| Refusal {
        f: Box::new(move |x| drop(f(&x[0], &x[1]))),
        arguments: vec![x, y],
        message,
    };
    let right = if refused == DType::F32 { DType::I32 } else { DType::F32 };
    vec![
        refusal(TensorType::new(refused, [2]), TensorType::new(refused, [2]), message),
        refusal(TensorType::new(right, [2, 3]), TensorType::new(right, [3, 2]), "shapes do not broadcast"),
        refusal(TensorType::new(right, [2]), TensorType::new(DType::I64, [2]), "dtypes differ"),
    ]
}

/// Arithmetic of floats and of integers.
fn arithmetic(kind: Kind, f: Two, accuracy: &Accuracy, slope: Slope) -> Record {
    let mut cases = real(move |x| f(&x[0], &x[1]), 2, accuracy, Everywhere, slope);
    cases.extend(integers2(f, &INTEGERS));
    Record { kind, cases, refusals: refusals2(f, DType::Bool, "defined for numbers, got bool[2]") }
}

fn floats2(kind: Kind, f: Two, accuracy: &Accuracy, place: Where, slope: Slope) -> Record {
    let cases = real(move |x| f(&x[0], &x[1]), 2, accuracy, place, slope);
    Record { kind, cases, refusals: refusals2(f, DType::I32, "defined for floating-point numbers, got i32[2]") }
}

fn bits2(kind: Kind, f: Two, dtypes: &[DType], message: &'static str) -> Record {
    Record { kind, cases: integers2(f, dtypes), refusals: refusals2(f, DType::F32, message) }
}

/// The record of a function of two numbers.
pub fn binary(kind: Kind) -> Record {
    use Slope::{Complex2, Pieces};
    let logic = [&INTEGERS[..], &[DType::Bool]].concat();
    match kind {
        Kind::Add => arithmetic(kind, |x, y| x + y, &IEEE, Pieces),
        Kind::Sub => arithmetic(kind, |x, y| x - y, &IEEE, Pieces),
        Kind::Mul => arithmetic(kind, |x, y| x * y, &IEEE, Pieces),
        Kind::Div => arithmetic(kind, |x, y| x / y, &IEEE, Complex2(|z, w| z / w)),
        Kind::Rem => arithmetic(kind, |x, y| x % y, &IEEE, Complex2(|z, w| z - w * (z.re / w.re).trunc())),
        Kind::Max => arithmetic(kind, |x, y| x.maximum(y), &EXACT, Pieces),
        Kind::Min => arithmetic(kind, |x, y| x.minimum(y), &EXACT, Pieces),
        Kind::Pow => floats2(
            kind,
            |x, y| x.pow(y),
            &POW,
            EverywhereAndOn([(0.1, 3.0), REALS]),
            Complex2(|z, w| (w * z.ln()).exp()),
        ),
        // Where a coordinate is subnormal, the device's angle has nothing to do with the right one, nor with that of
        // a zero: atan2(-5e-324, 2.3e-308) is -pi/2 in f64, and NaN in f32 where both are subnormal.
        Kind::Atan2 => floats2(kind, |y, x| y.atan2(x), &ATAN2, NotSubnormal([REALS; 2]), Complex2(angle)),
        Kind::And => bits2(kind, |x, y| x & y, &logic, "bool or integers, got f32[2]"),
        Kind::Or => bits2(kind, |x, y| x | y, &logic, "bool or integers, got f32[2]"),
        Kind::Xor => bits2(kind, |x, y| x ^ y, &logic, "bool or integers, got f32[2]"),
        Kind::ShiftLeft => bits2(kind, |x, y| x.shift_left(y), &INTEGERS, "integers, got f32[2]"),
        Kind::ShiftRight => bits2(kind, |x, y| x.shift_right(y), &INTEGERS, "integers, got f32[2]"),
        Kind::ShiftRightArithmetic => {
            bits2(kind, |x, y| x.shift_right_arithmetic(y), &INTEGERS, "integers, got f32[2]")
        }
        _ => panic!("{kind} is no function of two numbers"),
    }
}

/// The angle of the point (x, y), with its first-order change: the change across the radius, by the radius.
fn angle(y: Complex64, x: Complex64) -> Complex64 {
    let radius = x.re.hypot(y.re);
    let across = (x.re / radius) * y.im - (y.re / radius) * x.im;
    Complex64::new(y.re.atan2(x.re), across / radius)
}
