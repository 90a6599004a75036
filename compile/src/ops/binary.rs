//! Elementwise functions of two operands.

use crate::dtype::DType;
use crate::graph::{Graph, TensorType};
use crate::host::HostArray;
use crate::ops::compare::compare_type;
use crate::ops::elementwise::{
    exact_integers, functions, larger, per_element, smaller, spread_all, wrapped, zip_floats,
};
use crate::ops::{Cost, Kind, Primitive, Role, Tangent, again, constant_jvp, not_linear};
use crate::stablehlo::{Emitter, Operand, names, tensor};
use crate::trace::Tensor;
use crate::transform::add;

pub use crate::ops::operator::Operator;
pub(crate) use crate::ops::operator::operands;

functions! {
    /// Which function; see the operators and methods of [`Tensor`].
    #[expect(missing_docs, reason = "the operators and methods of Tensor say what each does")]
    Binary {
        Add => "stablehlo.add",
        Sub => "stablehlo.subtract",
        Mul => "stablehlo.multiply",
        Div => "stablehlo.divide",
        Rem => "stablehlo.remainder",
        Pow => "stablehlo.power",
        Max => "stablehlo.maximum",
        Min => "stablehlo.minimum",
        Atan2 => "stablehlo.atan2",
        And => "stablehlo.and",
        Or => "stablehlo.or",
        Xor => "stablehlo.xor",
        ShiftLeft => "stablehlo.shift_left",
        ShiftRight => "stablehlo.shift_right_logical",
        ShiftRightArithmetic => "stablehlo.shift_right_arithmetic",
    }
}

impl Binary {
    fn accepts(self, dtype: DType) -> Result<(), &'static str> {
        let (accepted, wanted) = match self {
            Binary::And | Binary::Or | Binary::Xor => (!dtype.is_float(), "bool or integers"),
            Binary::ShiftLeft | Binary::ShiftRight | Binary::ShiftRightArithmetic => (dtype.is_integer(), "integers"),
            Binary::Pow | Binary::Atan2 => (dtype.is_float(), "floating-point numbers"),
            _ => (dtype != DType::Bool, "numbers"),
        };
        if accepted { Ok(()) } else { Err(wanted) }
    }

    /// The function of real numbers.
    fn float(self, x: f64, y: f64) -> f64 {
        match self {
            Binary::Add => x + y,
            Binary::Sub => x - y,
            Binary::Mul => x * y,
            Binary::Div => x / y,
            Binary::Rem => x % y,
            Binary::Pow => x.powf(y),
            Binary::Max => larger(x, y),
            Binary::Min => smaller(x, y),
            Binary::Atan2 => x.atan2(y),
            // Of integers and truth values alone.
            _ => x,
        }
    }

    /// The function of integers of `bits` bits, before it wraps. There is no quotient by zero: StableHLO leaves it
    /// open, and XLA gives all ones.
    fn integer(self, x: i128, y: i128, bits: u32) -> i128 {
        let mask = (1i128 << bits) - 1;
        // As an unsigned number, so that a negative distance is one beyond all bits.
        let distance = (y & mask).min(bits.into());
        match self {
            Binary::Add => x + y,
            Binary::Sub => x - y,
            Binary::Mul => x * y,
            Binary::Div if y == 0 => -1,
            Binary::Div => x / y,
            Binary::Rem if y == 0 => x,
            Binary::Rem => x % y,
            Binary::Max => x.max(y),
            Binary::Min => x.min(y),
            Binary::And => x & y,
            Binary::Or => x | y,
            Binary::Xor => x ^ y,
            Binary::ShiftLeft if distance == bits.into() => 0,
            Binary::ShiftLeft => x << distance,
            Binary::ShiftRight => (x & mask) >> distance,
            Binary::ShiftRightArithmetic => ((x << (128 - bits)) >> (128 - bits)) >> distance,
            // Of floats alone.
            Binary::Pow | Binary::Atan2 => x,
        }
    }

    /// The parts of the tangent that stem from the tangents of the two operands; `z` is the function's value.
    fn tangents(self, [x, y]: [&Tensor; 2], z: &Tensor, dx: Option<&Tensor>, dy: Option<&Tensor>) -> [Tangent; 2] {
        let scaled = |d: Option<&Tensor>, slope: &dyn Fn() -> Tensor| d.map(|d| d * slope());
        match self {
            Binary::Add => [dx.cloned(), dy.cloned()],
            Binary::Sub => [dx.cloned(), dy.map(|dy| -dy)],
            Binary::Mul => [dx.map(|dx| dx * y), dy.map(|dy| x * dy)],
            Binary::Div => [dx.map(|dx| dx / y), scaled(dy, &|| -(z / y))],
            Binary::Rem => [dx.cloned(), scaled(dy, &|| -whole(&(x / y)))],
            Binary::Pow => [scaled(dx, &|| power_by_base(x, y)), scaled(dy, &|| power_by_exponent(x, z))],
            Binary::Max | Binary::Min => [scaled(dx, &|| share(x, y, z)), scaled(dy, &|| share(y, x, z))],
            Binary::Atan2 => {
                let square = || x.square() + y.square();
                [scaled(dx, &|| y / square()), scaled(dy, &|| -x / square())]
            }
            // Integers and truth values have no tangents.
            _ => [None, None],
        }
    }
}

/// The whole part of a quotient, towards zero.
fn whole(quotient: &Tensor) -> Tensor {
    quotient.sign() * quotient.abs().floor()
}

/// y x^(y-1), and zero where y is, since x^0 is 1 also for x = 0. Where 1/x overflows, y = 0 would be multiplied with
/// infinity, and another power of x takes its place; elsewhere the formula stands as it is, because its own derivative
/// by y is not zero for y = 0.
fn power_by_base(x: &Tensor, y: &Tensor) -> Tensor {
    let pole = y.eq(0.0) & !(1.0 / x).is_finite();
    y * x.pow(pole.select(1.0, y - 1.0))
}

/// log(x) x^y, and zero where x is: 0^y is constant for all positive y.
fn power_by_exponent(x: &Tensor, z: &Tensor) -> Tensor {
    x.eq(0.0).select(1.0, x).log() * z
}

/// 1 where `x` alone was chosen as `z`, a half where `other` is equal to it, else 0.
fn share(x: &Tensor, other: &Tensor, z: &Tensor) -> Tensor {
    x.eq(z).convert(z.dtype()) / (other.eq(z).convert(z.dtype()) + 1.0)
}

impl Binary {
    /// Integer division and its remainder, with a divisor of zero taken out: when XLA folds one at compile time, it takes
    /// the process with it. What comes in its place is what XLA gives at run time: -1 (all bits set), and the dividend.
    fn guarded_division(self, emitter: &mut Emitter, inputs: &[Operand], ty: &TensorType) -> String {
        let (x, y) = (&inputs[0].name, &inputs[1].name);
        let (whole, flags) = (tensor(ty), tensor(&ty.with_dtype(DType::Bool)));
        let splat =
            |emitter: &mut Emitter, text: &str| emitter.op(&format!("stablehlo.constant dense<{text}> : {whole}"));
        let (zero, one) = (splat(emitter, "0"), splat(emitter, "1"));
        let kind = compare_type(ty.dtype);
        let is_zero = emitter.op(&format!("stablehlo.compare EQ, {y}, {zero}, {kind} : ({whole}, {whole}) -> {flags}"));
        let divisor = emitter.op(&format!("stablehlo.select {is_zero}, {one}, {y} : {flags}, {whole}"));
        let quotient = emitter.op(&format!("{} {x}, {divisor} : {whole}", self.operation()));
        let instead = match self {
            Binary::Rem => x.clone(),
            _ if ty.dtype == DType::U32 => splat(emitter, "4294967295"),
            _ => splat(emitter, "-1"),
        };
        emitter.op(&format!("stablehlo.select {is_zero}, {instead}, {quotient} : {flags}, {whole}"))
    }
}

impl Primitive for Binary {
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

    fn eval(&self, inputs: &[&HostArray], outputs: &[TensorType]) -> Vec<HostArray> {
        let [x, y] = [inputs[0], inputs[1]];
        if x.dtype().is_float() {
            return vec![zip_floats(x, y, |x, y| self.float(x, y))];
        }
        let bits = 8 * x.dtype().size() as u32;
        let pairs = exact_integers(x).into_iter().zip(exact_integers(y));
        vec![wrapped(&outputs[0], pairs.map(|(x, y)| self.integer(x, y, bits)).collect())]
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        if matches!(self, Binary::Div | Binary::Rem) && outputs[0].dtype.is_integer() {
            return vec![self.guarded_division(emitter, inputs, &outputs[0])];
        }
        vec![emitter.op(&format!("{} {} : {}", self.operation(), names(inputs), tensor(&outputs[0])))]
    }

    fn jvp(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        let [x, y] = [&primals[0], &primals[1]];
        if !x.dtype().is_float() {
            return constant_jvp(self, primals);
        }
        let z = again(self, primals);
        let [dx, dy] = self.tangents([x, y], &z[0], tangents[0].as_ref(), tangents[1].as_ref());
        (z, vec![add(dx, dy)])
    }

    fn transpose(&self, inputs: &[Role], cotangents: &[Tangent]) -> Vec<Tangent> {
        let [x, y] = [&inputs[0], &inputs[1]];
        let ct = cotangents[0].as_ref();
        let linear = |role: &Role| ct.filter(|_| role.is_linear());
        match (self, x.known(), y.known()) {
            (Binary::Add, _, _) => vec![linear(x).cloned(), linear(y).cloned()],
            (Binary::Sub, _, _) => vec![linear(x).cloned(), linear(y).map(|ct| -ct)],
            (Binary::Mul, None, Some(y)) => vec![ct.map(|ct| ct * y), None],
            (Binary::Mul, Some(x), None) => vec![None, ct.map(|ct| x * ct)],
            (Binary::Div, None, Some(y)) => vec![ct.map(|ct| ct / y), None],
            _ => not_linear(self, inputs),
        }
    }

    fn batch(&self, inputs: &[Tensor], batched: &[bool], size: usize) -> Vec<Tensor> {
        again(self, &spread_all(inputs, batched, size))
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        per_element(matches!(self, Binary::Pow | Binary::Atan2), inputs, outputs)
    }
}
