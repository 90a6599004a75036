//! Functions of single elements, and their special points.

use tandem_compile::{DType, Tensor, stop_gradient, where_};

use crate::function::Transform::{GradGrad, Hessian};
use crate::function::{Argument, Function, given, real, whole, within};

pub fn functions() -> Vec<Function> {
    [unary(), binary(), special_points(), choices(), integers()].concat()
}

fn unary() -> Vec<Function> {
    let one = |name, argument: Argument, f: fn(&Tensor) -> Tensor| Function::new(name, [argument], move |x| f(&x[0]));
    let positive = || within([5], 0.1, 3.0);
    vec![
        one("abs", real([5]), Tensor::abs),
        one("sign", real([5]), Tensor::sign),
        one("neg", real([5]), |x| -x),
        one("square", real([5]), Tensor::square),
        one("exp", real([5]), Tensor::exp),
        one("expm1", real([5]), Tensor::expm1),
        one("log", positive(), Tensor::log),
        one("log1p", within([5], -0.9, 3.0), Tensor::log1p),
        one("sqrt", positive(), Tensor::sqrt),
        one("rsqrt", positive(), Tensor::rsqrt),
        one("cbrt", real([5]), Tensor::cbrt),
        one("sin", real([5]), Tensor::sin),
        one("cos", real([5]), Tensor::cos),
        one("tan", within([5], -1.5, 1.5), Tensor::tan),
        one("tanh", real([5]), Tensor::tanh),
        one("logistic", real([5]), Tensor::logistic),
        one("erf", real([5]), Tensor::erf),
        one("erf_inv", within([5], -0.99, 0.99), Tensor::erf_inv),
        one("floor", real([5]), Tensor::floor),
        one("ceil", real([5]), Tensor::ceil),
        one("round", given([5], &[-1.5, -0.5, 0.5, 2.5, 0.7]), Tensor::round),
        one("round_away", given([5], &[-1.5, -0.5, 0.5, 2.5, 0.7]), Tensor::round_away),
        one("through_f32", real([5]), |x| x.convert(DType::F32).sin().convert(DType::F64)),
        one("stop_gradient", real([5]), |x| stop_gradient(&x.sin()) * x),
    ]
}

fn binary() -> Vec<Function> {
    let two = |name, arguments: [Argument; 2], f: fn(&Tensor, &Tensor) -> Tensor| {
        Function::new(name, arguments, move |x| f(&x[0], &x[1]))
    };
    let broadcast = || [real([3, 4]), within([4], 0.5, 2.0)];
    vec![
        two("add", broadcast(), |x, y| x + y),
        two("sub", broadcast(), |x, y| x - y),
        two("mul", broadcast(), |x, y| x * y),
        two("div", broadcast(), |x, y| x / y),
        two("rem", broadcast(), |x, y| x % y),
        two("pow", [within([3, 4], 0.1, 3.0), real([4])], |x, y| x.pow(y)),
        two("atan2", [real([3, 4]), real([4])], |x, y| x.atan2(y)),
        two("maximum", broadcast(), |x, y| x.maximum(y)),
        two("minimum", broadcast(), |x, y| x.minimum(y)),
        Function::new("pow_number", [real([5])], |x| (x[0].pow(2.0), x[0].abs().pow(0.5), x[0].pow(-3.0))),
        Function::new("pow_whole", [real([5]), whole([5], &[0, 1, 2, 3, -2])], |x| x[0].pow(x[1].convert(DType::F64))),
    ]
}

fn special_points() -> Vec<Function> {
    let zeros = || given([6], &[-2.0, -0.0, 0.0, 1.0, 0.5, f64::MIN_POSITIVE]);
    let ties = || [given([6], &[1.0, 2.0, 3.0, 0.0, -0.0, 1.0]), given([6], &[1.0, 3.0, 2.0, -0.0, 0.0, 1.0])];
    let bases = [0.0, 0.0, 0.0, 0.0, 2.0, -2.0, -2.0, -2.0, 1.0, 0.0];
    let exponents = [0.0, 1.0, 2.0, 0.5, 0.0, 3.0, 2.0, 0.0, 0.0, 3.0];
    vec![
        Function::new("abs_at_zero", [zeros()], |x| x[0].abs()),
        Function::new("sign_at_zero", [zeros()], |x| x[0].sign()),
        Function::new("roots_at_zero", [given([3], &[0.0, 1.0, 4.0])], |x| (x[0].sqrt(), x[0].cbrt()))
            .without(&[GradGrad, Hessian]),
        Function::new("maximum_ties", ties(), |x| x[0].maximum(&x[1])),
        Function::new("minimum_ties", ties(), |x| x[0].minimum(&x[1])),
        Function::new("relu", [zeros()], |x| x[0].maximum(0.0)),
        Function::new("pow_edges", [given([10], &bases), given([10], &exponents)], |x| x[0].pow(&x[1]))
            .without(&[GradGrad, Hessian]),
        // Without the root at 0: its second derivative is infinite, zero times which is NaN in our Hessian and 0 in JAX's, whose
        // zeros XLA takes for truth values (`docs/notes/false-times-nan.md`).
        Function::new("pow_curved", [given([4], &[0.0, 2.0, -2.0, -2.0]), given([4], &[2.0, 0.0, 3.0, 2.0])], |x| {
            x[0].pow(&x[1])
        }),
        Function::new("square_by_pow", [zeros()], |x| x[0].pow(2.0)),
        Function::new("atan2_axes", [given([4], &[1.0, -1.0, 0.0, 0.0]), given([4], &[0.0, 0.0, 1.0, -1.0])], |x| {
            x[0].atan2(&x[1])
        }),
        Function::new("clamp_at_bounds", [given([5], &[-1.0, 0.0, 0.5, 1.0, 2.0])], |x| x[0].clamp(0.0, 1.0)),
        Function::new(
            "clamp_bounds",
            [
                given([7], &[-3.0, 0.0, 0.5, 1.0, 2.0, 1.5, 0.0]),
                given([7], &[-1.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0]),
                given([7], &[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0]),
            ],
            |x| x[0].clamp(&x[1], &x[2]),
        ),
        Function::new("clamp_scalar_bounds", [real([5]), given([], &[-0.5]), given([], &[0.5])], |x| {
            x[0].clamp(&x[1], &x[2])
        }),
        Function::new("large", [given([4], &[-800.0, -30.0, 30.0, 800.0])], |x| {
            (x[0].tanh(), x[0].logistic(), x[0].erf(), x[0].exp().log1p())
        })
        .without(&[GradGrad, Hessian]),
    ]
}

fn choices() -> Vec<Function> {
    vec![
        Function::new("select", [real([3, 4]), real([3, 4])], |x| x[0].gt(&x[1]).select(x[0].sin(), x[1].cos())),
        Function::new("where", [whole([4], &[0, 1, 0, 1]), real([3, 4]), real([])], |x| {
            where_(&x[0].ne(0), &x[1], &x[2])
        }),
        Function::new("softplus", [real([5])], |x| x[0].maximum(0.0) + (-x[0].abs()).exp().log1p()),
        Function::new("gelu", [real([5])], |x| 0.5 * &x[0] * (1.0 + (&x[0] * 0.5f64.sqrt()).erf())),
    ]
}

fn integers() -> Vec<Function> {
    let x = || whole([6], &[7, -7, 5, 0, i32::MIN, 12]);
    let y = || whole([6], &[2, 2, -3, 4, 3, 31]);
    vec![
        Function::new("integers", [x(), y()], |x| {
            let (x, y) = (&x[0], &x[1]);
            vec![x + y, x * y, x / y, x % y, x & y, x | y, x ^ y, x.maximum(y), x.abs(), x.sign(), x.population_count()]
        })
        .values_alone(),
        Function::new("shifts", [x(), whole([6], &[0, 1, 5, 31, 7, 3])], |x| {
            vec![x[0].shift_left(&x[1]), x[0].shift_right(&x[1]), x[0].shift_right_arithmetic(&x[1])]
        })
        .values_alone(),
        Function::new("mixed", [real([4]), whole([4], &[1, 2, 0, 3]), real([])], |x| {
            let n = x[1].convert(DType::F64);
            (&x[0] * &n + &x[2], x[0].take(&x[1], 0).sin() * n, &x[1] + 1)
        }),
    ]
}
