//! Elementwise functions of one operand.

use std::f64::consts::{FRAC_2_SQRT_PI, PI};
use std::ops::{Neg, Not};
use std::panic::Location;

use crate::dtype::DType;
use crate::graph::{Graph, TensorType};
use crate::host::{HostArray, HostData};
use crate::ops::elementwise::{exact_integers, functions, map_floats, per_element, with_values, wrapped};
use crate::ops::{Cost, Kind, Primitive, Role, Tangent, again, constant_jvp, linear_jvp, not_linear, special};
use crate::stablehlo::{Emitter, Operand, signature, tensor};
use crate::trace::{Tensor, bind1};

functions! {
    /// Which function; see the methods of [`Tensor`] of the same names.
    #[expect(missing_docs, reason = "the methods of Tensor say what each does")]
    Unary {
        Neg => "stablehlo.negate",
        Abs => "stablehlo.abs",
        Sign => "stablehlo.sign",
        Not => "stablehlo.not",
        Exp => "stablehlo.exponential",
        Expm1 => "stablehlo.exponential_minus_one",
        Log => "stablehlo.log",
        Log1p => "stablehlo.log_plus_one",
        Sqrt => "stablehlo.sqrt",
        Rsqrt => "stablehlo.rsqrt",
        Cbrt => "stablehlo.cbrt",
        Sin => "stablehlo.sine",
        Cos => "stablehlo.cosine",
        Tan => "stablehlo.tan",
        Tanh => "stablehlo.tanh",
        Logistic => "stablehlo.logistic",
        Erf => "chlo.erf",
        ErfInv => "chlo.erf_inv",
        Floor => "stablehlo.floor",
        Ceil => "stablehlo.ceil",
        RoundEven => "stablehlo.round_nearest_even",
        RoundAway => "stablehlo.round_nearest_afz",
        IsFinite => "stablehlo.is_finite",
        PopulationCount => "stablehlo.popcnt",
        CountLeadingZeros => "stablehlo.count_leading_zeros",
    }
}

impl Unary {
    /// Whether the function is defined on `dtype`, else which dtypes it is for.
    fn accepts(self, dtype: DType) -> Result<(), &'static str> {
        let (accepted, wanted) = match self {
            Unary::Neg => (dtype != DType::Bool, "numbers"),
            Unary::Abs | Unary::Sign => (!matches!(dtype, DType::Bool | DType::U32), "numbers with a sign"),
            Unary::Not => (dtype.is_integer() || dtype == DType::Bool, "bool or integers"),
            Unary::PopulationCount | Unary::CountLeadingZeros => (dtype.is_integer(), "integers"),
            _ => (dtype.is_float(), "floating-point numbers"),
        };
        if accepted { Ok(()) } else { Err(wanted) }
    }

    /// Whether the function is constant wherever it is continuous, so that its derivative is zero.
    fn is_step(self) -> bool {
        use Unary::{Ceil, CountLeadingZeros, Floor, IsFinite, Not, PopulationCount, RoundAway, RoundEven, Sign};
        matches!(
            self,
            Sign | Not | Floor | Ceil | RoundEven | RoundAway | IsFinite | PopulationCount | CountLeadingZeros
        )
    }

    /// The function of a real number.
    fn float(self, x: f64) -> f64 {
        match self {
            Unary::Neg => -x,
            Unary::Abs => x.abs(),
            Unary::Sign => {
                if x == 0.0 || x.is_nan() {
                    x
                } else {
                    x.signum()
                }
            }
            Unary::Exp => x.exp(),
            Unary::Expm1 => x.exp_m1(),
            Unary::Log => x.ln(),
            Unary::Log1p => x.ln_1p(),
            Unary::Sqrt => x.sqrt(),
            Unary::Rsqrt => 1.0 / x.sqrt(),
            Unary::Cbrt => x.cbrt(),
            Unary::Sin => x.sin(),
            Unary::Cos => x.cos(),
            Unary::Tan => x.tan(),
            Unary::Tanh => x.tanh(),
            Unary::Logistic => special::logistic(x),
            Unary::Erf => libm::erf(x),
            Unary::ErfInv => special::erf_inv(x),
            Unary::Floor => x.floor(),
            Unary::Ceil => x.ceil(),
            Unary::RoundEven => x.round_ties_even(),
            Unary::RoundAway => x.round(),
            // Of integers and truth values alone, or with such a result.
            Unary::Not | Unary::IsFinite | Unary::PopulationCount | Unary::CountLeadingZeros => x,
        }
    }

    /// The function of an integer, of which the lowest `bits` count.
    fn integer(self, x: i128, bits: u32) -> i128 {
        let unsigned = x & ((1 << bits) - 1);
        match self {
            Unary::Neg => -x,
            Unary::Abs => x.abs(),
            Unary::Sign => x.signum(),
            Unary::Not => !x,
            Unary::PopulationCount => unsigned.count_ones().into(),
            Unary::CountLeadingZeros => (unsigned.leading_zeros() - (i128::BITS - bits)).into(),
            _ => x,
        }
    }

    /// The derivative at `x`, where the function is `y`.
    fn slope(self, x: &Tensor, y: &Tensor) -> Tensor {
        match self {
            Unary::Abs => x.sign(),
            Unary::Exp => y.clone(),
            Unary::Expm1 => y + 1.0,
            Unary::Sqrt => 0.5 / y,
            Unary::Rsqrt => -0.5 * (y / x),
            // Not y / (3 x), which is NaN at zero.
            Unary::Cbrt => (1.0 / 3.0) / y.square(),
            Unary::Sin => x.cos(),
            Unary::Cos => -x.sin(),
            Unary::Tan => 1.0 + y.square(),
            Unary::Tanh => (1.0 - y) * (1.0 + y),
            Unary::Logistic => y * (1.0 - y),
            Unary::Erf => FRAC_2_SQRT_PI * (-x.square()).exp(),
            Unary::ErfInv => (PI.sqrt() / 2.0) * y.square().exp(),
            // The other rules do not ask.
            _ => x.clone(),
        }
    }
}

/// The zeros above the highest one of an i32, counted in a u32: among constants XLA's compiler counts those of negative
/// numbers wrong (docs/notes/leading-zeros-of-negative-constants.md).
fn count_as_unsigned(emitter: &mut Emitter, x: &str, ty: &TensorType) -> String {
    let (signed, unsigned) = (tensor(ty), tensor(&ty.with_dtype(DType::U32)));
    let bits = emitter.op(&format!("stablehlo.bitcast_convert {x} : ({signed}) -> {unsigned}"));
    let count = emitter.op(&format!("stablehlo.count_leading_zeros {bits} : {unsigned}"));
    emitter.op(&format!("stablehlo.bitcast_convert {count} : ({unsigned}) -> {signed}"))
}

impl Primitive for Unary {
    fn kind(&self) -> Kind {
        self.kind_of()
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

    fn eval(&self, inputs: &[&HostArray], outputs: &[TensorType]) -> Vec<HostArray> {
        let x = inputs[0];
        let bits = 8 * x.dtype().size() as u32;
        vec![match x.data() {
            _ if *self == Unary::IsFinite => with_values(x, x.to_f64().into_iter().map(f64::is_finite).collect()),
            HostData::F64(_) | HostData::F32(_) | HostData::F16(_) | HostData::BF16(_) => {
                map_floats(x, |x| self.float(x))
            }
            _ => wrapped(&outputs[0], exact_integers(x).into_iter().map(|x| self.integer(x, bits)).collect()),
        }]
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let x = &inputs[0];
        let operation = self.operation();
        if *self == Unary::CountLeadingZeros && x.ty.dtype == DType::I32 {
            return vec![count_as_unsigned(emitter, &x.name, &x.ty)];
        }
        if *self == Unary::Abs && x.ty.dtype.is_integer() {
            return vec![magnitude(emitter, &x.name, &x.ty)];
        }
        let ty = match self {
            Unary::IsFinite => signature(inputs, outputs),
            Unary::Erf | Unary::ErfInv => format!("{0} -> {0}", tensor(&outputs[0])),
            _ => tensor(&outputs[0]),
        };
        vec![emitter.op(&format!("{operation} {} : {ty}", x.name))]
    }

    fn jvp(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        if self.is_step() {
            return constant_jvp(self, primals);
        }
        if *self == Unary::Neg {
            return linear_jvp(self, primals, tangents);
        }
        let y = again(self, primals);
        let x = &primals[0];
        let dy = tangents[0].as_ref().map(|dx| match self {
            Unary::Log => dx / x,
            Unary::Log1p => dx / (x + 1.0),
            _ => dx * self.slope(x, &y[0]),
        });
        (y, vec![dy])
    }

    fn transpose(&self, inputs: &[Role], cotangents: &[Tangent]) -> Vec<Tangent> {
        match self {
            Unary::Neg => vec![cotangents[0].as_ref().map(|ct| -ct)],
            _ => not_linear(self, inputs),
        }
    }

    fn batch(&self, inputs: &[Tensor], _: &[bool], _: usize) -> Vec<Tensor> {
        again(self, inputs)
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        use Unary::{Abs, Neg};
        per_element(!self.is_step() && !matches!(self, Abs | Neg), inputs, outputs)
    }
}

/// The larger of an integer and its negative, written out: XLA takes what `stablehlo.abs` gives for non-negative, which the
/// magnitude of the smallest integer is not, and then leaves out the clamping of positions (`docs/notes/negative-magnitude.md`).
fn magnitude(emitter: &mut Emitter, x: &str, ty: &TensorType) -> String {
    let zero = emitter.zeros(ty);
    let shown = tensor(ty);
    let negated = emitter.op(&format!("stablehlo.negate {x} : {shown}"));
    let truth = tensor(&ty.with_dtype(DType::Bool));
    let below = emitter.op(&format!("stablehlo.compare LT, {x}, {zero}, SIGNED : ({shown}, {shown}) -> {truth}"));
    emitter.op(&format!("stablehlo.select {below}, {negated}, {x} : {truth}, {shown}"))
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
    /// |x|, elementwise, of numbers with a sign; the derivative at 0 is taken to be 0.
    abs => Abs,
    /// -1, 0 or 1, elementwise, of numbers with a sign; the sign of a zero is that zero, of NaN NaN.
    sign => Sign,
    /// e to the x, elementwise, of floats.
    exp => Exp,
    /// e to the x less 1, elementwise, of floats: exact also where x is small.
    expm1 => Expm1,
    /// The natural logarithm, elementwise, of floats; NaN for negative numbers.
    log => Log,
    /// The natural logarithm of 1 + x, elementwise, of floats: exact also where x is small.
    log1p => Log1p,
    /// The square root, elementwise, of floats; NaN for negative numbers.
    sqrt => Sqrt,
    /// 1/sqrt(x), elementwise, of floats.
    rsqrt => Rsqrt,
    /// The cube root, elementwise, of floats; of a negative number the negative root.
    cbrt => Cbrt,
    /// The sine of an angle in radians, elementwise, of floats.
    sin => Sin,
    /// The cosine of an angle in radians, elementwise, of floats.
    cos => Cos,
    /// The tangent of an angle in radians, elementwise, of floats.
    tan => Tan,
    /// The hyperbolic tangent, elementwise, of floats.
    tanh => Tanh,
    /// 1 / (1 + exp(-x)), elementwise, of floats.
    logistic => Logistic,
    /// The error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x, elementwise, of floats.
    erf => Erf,
    /// The inverse of the error function, elementwise, of floats: infinite for -1 and 1, NaN beyond.
    erf_inv => ErfInv,
    /// The largest whole number not above x, elementwise, of floats.
    floor => Floor,
    /// The smallest whole number not below x, elementwise, of floats.
    ceil => Ceil,
    /// The nearest whole number, elementwise, of floats; of two equally near the even one, as in numpy and IEEE 754.
    round => RoundEven,
    /// The nearest whole number, elementwise, of floats; of two equally near the one farther from zero, as in Rust.
    round_away => RoundAway,
    /// Neither NaN nor infinite, elementwise, of floats, as bool.
    is_finite => IsFinite,
    /// The number of bits that are 1, elementwise, of integers, in the same dtype.
    population_count => PopulationCount,
    /// The number of zeros above the highest bit that is 1 (all bits, for 0), elementwise, of integers, in the same
    /// dtype.
    count_leading_zeros => CountLeadingZeros,
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
