//! Functions of single elements: of floats, integers, truth values; comparison, choice, conversion.

use tandem_compile::{DType, TensorType, optimization_barrier};

use crate::program::Step;
use crate::writer::{LARGEST, Value, Writer, emit};

pub fn is_float(ty: &TensorType) -> bool {
    ty.dtype.is_float()
}

pub fn is_integer(ty: &TensorType) -> bool {
    ty.dtype.is_integer()
}

fn is_signed(ty: &TensorType) -> bool {
    ty.dtype.is_float() || matches!(ty.dtype, DType::I32 | DType::I64)
}

pub fn is_bool(ty: &TensorType) -> bool {
    ty.dtype == DType::Bool
}

pub fn is_number(ty: &TensorType) -> bool {
    !is_bool(ty)
}

/// The shape that two broadcast to, if they do and it is not large.
fn together(x: &[usize], y: &[usize]) -> Option<Vec<usize>> {
    let ndim = x.len().max(y.len());
    let size = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(ndim).map_or(1, |own| shape[own]);
    let join = |axis| match (size(x, axis), size(y, axis)) {
        (a, b) if a == b || b == 1 => Some(a),
        (1, b) => Some(b),
        _ => None,
    };
    let shape: Option<Vec<usize>> = (0..ndim).map(join).collect();
    shape.filter(|shape| shape.iter().product::<usize>() <= LARGEST)
}

/// A second operand beside `a`: of its dtype, of a shape that broadcasts.
fn beside(w: &Writer, selector: u16, a: &Value) -> Option<Value> {
    w.pick(selector, |ty| ty.dtype == a.ty().dtype && together(&ty.shape, a.shape()).is_some())
}

/// Functions of a float that are tame everywhere.
pub fn smooth(w: &Writer, s: &Step) -> Option<()> {
    let a = w.pick(s.operands[0], is_float)?;
    let b = a.bound;
    match s.below(0, 19) {
        0 => emit!(w, b; [a] -&a),
        1 => emit!(w, 1.0; [a] a.sin()),
        2 => emit!(w, 1.0; [a] a.cos()),
        3 => emit!(w, 1.0; [a] a.tanh()),
        4 => emit!(w, 1.0; [a] a.logistic()),
        5 => emit!(w, 1.0; [a] a.erf()),
        6 => emit!(w, 20.1; [a] a.clamp(-4.0, 3.0).exp()),
        7 => emit!(w, 19.1; [a] a.clamp(-4.0, 3.0).expm1()),
        8 => emit!(w, b.ln_1p(); [a] a.square().log1p()),
        9 => emit!(w, (b * b + 0.5).ln().max(1.0); [a] (a.square() + 0.5).log()),
        10 => emit!(w, b + 1.0; [a] (a.square() + 0.25).sqrt()),
        11 => emit!(w, 2.0; [a] (a.square() + 0.25).rsqrt()),
        12 => emit!(w, b.cbrt().max(1.0); [a] a.cbrt()),
        13 => emit!(w, 1.2; [a] (a.tanh() * 0.9).erf_inv()),
        14 => emit!(w, 1.6; [a] a.sin().tan()),
        15 => emit!(w, b * b; [a] a.square()),
        16 => emit!(w, b + 1.5; [a] &a * 0.5 + 1.5),
        17 => emit!(w, b; [a] optimization_barrier(&a)),
        _ => emit!(w, b; [a] a.abs()),
    };
    Some(())
}

/// Functions of a float that jump, or leave the numbers for infinity and NaN.
pub fn rough(w: &Writer, s: &Step) -> Option<()> {
    let a = w.pick(s.operands[0], is_float)?;
    let b = a.bound;
    match s.below(0, 12) {
        0 => emit!(w, b + 1.0; [a] a.floor()),
        1 => emit!(w, b + 1.0; [a] a.ceil()),
        2 => emit!(w, b + 1.0; [a] a.round()),
        3 => emit!(w, b + 1.0; [a] a.round_away()),
        4 => emit!(w, 1.0; [a] a.sign()),
        5 => emit!(w, f64::INFINITY; [a] a.log()),
        6 => emit!(w, b + 1.0; [a] a.sqrt()),
        7 => emit!(w, f64::INFINITY; [a] a.rsqrt()),
        8 => emit!(w, f64::INFINITY; [a] a.tan()),
        9 => emit!(w, f64::INFINITY; [a] a.log1p()),
        10 => emit!(w, 1.0; [a] a.is_finite()),
        _ => emit!(w, 1.0; [a] a.is_nan()),
    };
    Some(())
}

pub fn float_pair(w: &Writer, s: &Step) -> Option<()> {
    let a = w.pick(s.operands[0], is_float)?;
    let b = beside(w, s.operands[1], &a)?;
    let (m, n) = (a.bound, b.bound);
    match s.below(0, 14) {
        0 | 1 => emit!(w, m + n; [a, b] &a + &b),
        2 | 3 => emit!(w, m + n; [a, b] &a - &b),
        4..=6 => emit!(w, m * n; [a, b] &a * &b),
        7 => emit!(w, m * 2.0; [a, b] &a / (b.abs() + 0.5)),
        8 => emit!(w, m.max(n); [a, b] a.maximum(&b)),
        9 => emit!(w, m.max(n); [a, b] a.minimum(&b)),
        10 => emit!(w, 3.2; [a, b] a.atan2(&b)),
        11 => emit!(w, m.max(10.0) + 0.1; [a, b] (a.abs() + 0.1).pow(b.tanh())),
        12 => emit!(w, f64::INFINITY; [a, b] &a / &b),
        // Between two jumps a remainder goes at most as far as its modulus: near zero differences see nothing but jumps.
        _ => emit!(w, m; [a, b] &a % (b.abs() + 0.5)),
    };
    Some(())
}

pub fn integers(w: &Writer, s: &Step) -> Option<()> {
    let a = w.pick(s.operands[0], is_integer)?;
    match s.below(0, 6) {
        0 => emit!(w, 0.0; [a] a.population_count()),
        1 => emit!(w, 0.0; [a] a.count_leading_zeros()),
        2 => emit!(w, 0.0; [a] !&a),
        3 => emit!(w, 0.0; [a] &a * 3 + 1),
        4 => emit!(w, 0.0; [a] a.clamp(1, 5)),
        _ => emit!(w, 0.0; [a] -&a),
    };
    let c = w.pick(s.operands[1], |ty| is_integer(ty) && is_signed(ty))?;
    match s.below(1, 3) {
        0 => emit!(w, 0.0; [c] c.abs()),
        1 => emit!(w, 0.0; [c] c.sign()),
        _ => return Some(()),
    };
    Some(())
}

pub fn integer_pair(w: &Writer, s: &Step) -> Option<()> {
    let a = w.pick(s.operands[0], is_integer)?;
    let b = beside(w, s.operands[1], &a)?;
    match s.below(0, 13) {
        0 => emit!(w, 0.0; [a, b] &a + &b),
        1 => emit!(w, 0.0; [a, b] &a - &b),
        2 => emit!(w, 0.0; [a, b] &a * &b),
        3 => emit!(w, 0.0; [a, b] &a / &b),
        4 => emit!(w, 0.0; [a, b] &a % &b),
        5 => emit!(w, 0.0; [a, b] a.maximum(&b)),
        6 => emit!(w, 0.0; [a, b] a.minimum(&b)),
        7 => emit!(w, 0.0; [a, b] &a & &b),
        8 => emit!(w, 0.0; [a, b] &a | &b),
        9 => emit!(w, 0.0; [a, b] &a ^ &b),
        10 => emit!(w, 0.0; [a, b] a.shift_left(&b)),
        11 => emit!(w, 0.0; [a, b] a.shift_right(&b)),
        _ => emit!(w, 0.0; [a, b] a.shift_right_arithmetic(&b)),
    };
    Some(())
}

pub fn truth(w: &Writer, s: &Step) -> Option<()> {
    let a = w.pick(s.operands[0], is_bool)?;
    let b = beside(w, s.operands[1], &a)?;
    match s.below(0, 5) {
        0 => emit!(w, 0.0; [a] !&a),
        1 => emit!(w, 0.0; [a, b] &a & &b),
        2 => emit!(w, 0.0; [a, b] &a | &b),
        3 => emit!(w, 0.0; [a, b] a.eq(&b)),
        _ => emit!(w, 0.0; [a, b] &a ^ &b),
    };
    Some(())
}

pub fn comparison(w: &Writer, s: &Step) -> Option<()> {
    let a = w.pick(s.operands[0], is_number)?;
    let b = beside(w, s.operands[1], &a)?;
    match s.below(0, 8) {
        0 => emit!(w, 0.0; [a, b] a.eq(&b)),
        1 => emit!(w, 0.0; [a, b] a.ne(&b)),
        2 => emit!(w, 0.0; [a, b] a.lt(&b)),
        3 => emit!(w, 0.0; [a, b] a.le(&b)),
        4 => emit!(w, 0.0; [a, b] a.gt(&b)),
        5 => emit!(w, 0.0; [a, b] a.ge(&b)),
        6 => emit!(w, 0.0; [a] a.gt(0)),
        _ => emit!(w, 0.0; [a] a.lt(1)),
    };
    Some(())
}

pub fn choice(w: &Writer, s: &Step) -> Option<()> {
    let a = w.pick(s.operands[0], |_| true)?;
    let b = beside(w, s.operands[1], &a)?;
    let shape = together(a.shape(), b.shape())?;
    let fits = |ty: &TensorType| is_bool(ty) && together(&ty.shape, &shape).is_some();
    let bound = a.bound.max(b.bound);
    match w.pick(s.operands[2], fits) {
        Some(c) => emit!(w, bound; [a, b, c] c.select(&a, &b)),
        None => emit!(w, bound; [a, b] a.lt(&b).select(&a, &b)),
    };
    Some(())
}

pub fn clamp(w: &Writer, s: &Step) -> Option<()> {
    let a = w.pick(s.operands[0], is_number)?;
    let within = |ty: &TensorType| {
        ty.dtype == a.ty().dtype && together(&ty.shape, a.shape()).is_some_and(|shape| shape == a.shape())
    };
    let (b, c) = (w.pick(s.operands[1], within)?, w.pick(s.operands[2], within)?);
    let bound = a.bound.max(b.bound).max(c.bound);
    match s.below(0, 3) {
        // At a bound the derivative is zero by convention: floats do not meet theirs by construction.
        0 if is_float(a.ty()) => emit!(w, bound + 1.0; [a, b, c] (&a * 0.9).clamp(&b - 0.37, &c + 0.71)),
        1 if is_float(a.ty()) => emit!(w, bound + 1.0; [a, b] (&a * 0.9).clamp(&b - 0.53, 1.0)),
        0 | 1 => emit!(w, bound; [a, b, c] a.clamp(&b, &c)),
        _ => emit!(w, a.bound.max(1.0); [a] a.clamp(0, 1)),
    };
    Some(())
}

pub fn convert(w: &Writer, s: &Step) -> Option<()> {
    use DType::{Bool, F32, F64, I32, I64, U32};
    let a = w.pick(s.operands[0], |_| true)?;
    let dtype = w.dtype([F32, F64, F32, F64, I32, U32, I64, Bool][s.below(0, 8)]);
    let bound = match a.ty().dtype {
        Bool => 1.0,
        I32 | U32 => 4.3e9,
        I64 => 9.3e18,
        _ => a.bound,
    };
    match s.below(1, 6) {
        // Which of its many bit patterns NaN has means nothing.
        0 if is_float(a.ty()) && a.ty().dtype == F32 => {
            emit!(w, 0.0; [a] a.is_nan().select(0.0, a).bitcast(DType::I32))
        }
        1 if is_number(a.ty()) && dtype != Bool => emit!(w, 40.0; [a, dtype] a.clamp(0, 5).convert(dtype)),
        _ => emit!(w, bound; [a, dtype] a.convert(dtype)),
    };
    Some(())
}
