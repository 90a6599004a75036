//! Derivatives where there is a choice: at kinks, ties and poles. The numbers are those of `jax.grad` (JAX 0.10.2, in
//! f64) but where a line says otherwise.

use std::f64::consts::{FRAC_2_SQRT_PI, LN_2};

use tandem_compile::{DType, HostArray, Tensor, TensorType, grad, trace};

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

/// The gradient of `f` at `x`, by the interpreter.
fn gradient(f: impl Fn(&[Tensor]) -> Tensor, x: &[f64]) -> Vec<f64> {
    let types = vec![TensorType::scalar(DType::F64); x.len()];
    let graph = trace(|x: Vec<Tensor>| grad(|x: Vec<Tensor>| f(&x))(x), &types).unwrap();
    let x: Vec<HostArray> = x.iter().map(|&x| HostArray::scalar(x)).collect();
    graph.eval(&x).unwrap().iter().map(|dx| dx.to_f64()[0]).collect()
}

#[track_caller]
fn check<const N: usize>(name: &str, f: impl Fn(&[Tensor]) -> Tensor, rows: &[([f64; N], [f64; N])]) {
    for (x, expected) in rows {
        let found = gradient(&f, x);
        let near = |(x, y): (&f64, &f64)| x == y || (x.is_nan() && y.is_nan()) || (x - y).abs() <= 1e-14 * y.abs();
        assert!(found.iter().zip(expected).all(near), "{name} at {x:?}: {found:?}, expected {expected:?}");
    }
}

#[test]
fn functions_of_one_number() {
    // JAX says 1 at zero.
    check("abs", |x| x[0].abs(), &[([0.0], [0.0]), ([-0.0], [0.0]), ([-2.0], [-1.0])]);
    check("sqrt", |x| x[0].sqrt(), &[([0.0], [INF]), ([1.0], [0.5]), ([-2.0], [NAN]), ([INF], [0.0])]);
    check("rsqrt", |x| x[0].rsqrt(), &[([0.0], [-INF]), ([1.0], [-0.5]), ([-2.0], [NAN])]);
    check("cbrt", |x| x[0].cbrt(), &[([0.0], [INF]), ([1.0], [1.0 / 3.0]), ([INF], [0.0]), ([-8.0], [1.0 / 12.0])]);
    check("log", |x| x[0].log(), &[([0.0], [INF]), ([-2.0], [-0.5]), ([INF], [0.0])]);
    check("log1p", |x| x[0].log1p(), &[([-1.0], [INF]), ([-2.0], [-1.0]), ([0.0], [1.0])]);
    check("tanh", |x| x[0].tanh(), &[([0.0], [1.0]), ([800.0], [0.0]), ([-INF], [0.0])]);
    check("logistic", |x| x[0].logistic(), &[([0.0], [0.25]), ([800.0], [0.0]), ([-800.0], [0.0]), ([INF], [0.0])]);
    check("erf", |x| x[0].erf(), &[([0.0], [FRAC_2_SQRT_PI]), ([800.0], [0.0]), ([INF], [0.0])]);
    check("erf_inv", |x| x[0].erf_inv(), &[([0.0], [1.0 / FRAC_2_SQRT_PI]), ([1.0], [INF]), ([-2.0], [NAN])]);
}

#[test]
fn steps_are_flat_also_where_they_step() {
    for x in [0.0, 0.5, 1.0, -1.5] {
        check("sign", |x| x[0].sign(), &[([x], [0.0])]);
        check("floor", |x| x[0].floor(), &[([x], [0.0])]);
        check("ceil", |x| x[0].ceil(), &[([x], [0.0])]);
        check("round", |x| x[0].round(), &[([x], [0.0])]);
        check("round_away", |x| x[0].round_away(), &[([x], [0.0])]);
        check("by way of an integer", |x| x[0].convert(DType::I32).convert(DType::F64), &[([x], [0.0])]);
    }
}

#[test]
fn powers() {
    let rows = [
        // JAX says NaN for the first derivative at (0, 0): 0 times 0^-1.
        ([0.0, 0.0], [0.0, 0.0]),
        ([0.0, 1.0], [1.0, 0.0]),
        ([0.0, 2.0], [0.0, 0.0]),
        ([0.0, -1.0], [-INF, NAN]),
        ([0.0, 0.5], [INF, 0.0]),
        ([-2.0, 3.0], [12.0, NAN]),
        ([2.0, 0.0], [0.0, LN_2]),
        ([INF, 2.0], [INF, INF]),
    ];
    check("pow", |x| x[0].pow(&x[1]), &rows);
}

#[test]
fn the_larger_and_the_smaller_share_at_ties() {
    let rows =
        [([1.0, 1.0], [0.5, 0.5]), ([0.0, -0.0], [0.5, 0.5]), ([NAN, 1.0], [0.0, 0.0]), ([1.0, NAN], [0.0, 0.0])];
    check("maximum", |x| x[0].maximum(&x[1]), &rows);
    check("minimum", |x| x[0].minimum(&x[1]), &rows);
    check("maximum", |x| x[0].maximum(&x[1]), &[([1.0, 2.0], [0.0, 1.0])]);
    check("minimum", |x| x[0].minimum(&x[1]), &[([1.0, 2.0], [1.0, 0.0])]);
}

#[test]
fn quotients_and_angles() {
    check("div", |x| &x[0] / &x[1], &[([5.0, 0.0], [INF, -INF]), ([5.0, 1e200], [1e-200, -0.0])]);
    let rows =
        [([5.0, 3.0], [1.0, -1.0]), ([-5.0, 3.0], [1.0, 1.0]), ([6.0, 3.0], [1.0, -2.0]), ([5.0, 0.0], [1.0, -INF])];
    check("rem", |x| &x[0] % &x[1], &rows);
    let rows = [([0.0, 0.0], [NAN, NAN]), ([1.0, 0.0], [0.0, -1.0]), ([0.0, -1.0], [-1.0, 0.0])];
    check("atan2", |x| x[0].atan2(&x[1]), &rows);
}

#[test]
fn bounds() {
    // (low, x, high).
    let rows = [
        ([0.0, 0.0, 1.0], [0.0, 0.0, 0.0]),
        ([0.0, 0.5, 1.0], [0.0, 1.0, 0.0]),
        ([0.0, 2.0, 1.0], [0.0, 0.0, 1.0]),
        ([0.0, 1.0, 1.0], [0.0, 0.0, 0.0]),
        ([0.0, -1.0, 1.0], [1.0, 0.0, 0.0]),
        ([1.0, 0.5, 0.0], [0.0, 0.0, 1.0]),
        ([1.0, 2.0, 0.0], [0.0, 0.0, 1.0]),
        // JAX says 0 everywhere, though the value is the upper bound.
        ([1.0, -1.0, 0.0], [0.0, 0.0, 1.0]),
        ([1.0, 1.0, 1.0], [0.0, 0.0, 0.0]),
        ([0.0, NAN, 1.0], [0.0, 0.0, 0.0]),
    ];
    check("clamp", |x| x[1].clamp(&x[0], &x[2]), &rows);
}

#[test]
fn narrower_floats_and_back_are_linear() {
    for dtype in [DType::F32, DType::F16, DType::BF16] {
        check("there and back", |x| x[0].convert(dtype).convert(DType::F64), &[([0.1], [1.0])]);
    }
}
