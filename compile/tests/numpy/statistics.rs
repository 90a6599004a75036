//! Means, norms and softmax against their formulas in plain loops, interpreted and compiled.

use tandem_compile::{DType, HostArray, Tensor, TensorType, grad, trace};

use crate::{near, run, vector};

const X: [f64; 6] = [0.5, -1.25, 3.0, 2.0, -0.75, 0.125];

/// Two rows of three.
fn rows() -> HostArray {
    HostArray::new([2, 3], X.to_vec()).unwrap()
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

fn variance(x: &[f64]) -> f64 {
    mean(&x.iter().map(|y| (y - mean(x)).powi(2)).collect::<Vec<_>>())
}

fn log_sum(x: &[f64]) -> f64 {
    x.iter().map(|x| x.exp()).sum::<f64>().ln()
}

/// Of every row, and of all elements.
fn check(name: &str, f: fn(&Tensor) -> Tensor, whole: fn(&Tensor) -> Tensor, plain: fn(&[f64]) -> f64) {
    near(name, &run(|x| f(&x[0]), &[rows()]), &[plain(&X[..3]), plain(&X[3..])]);
    near(name, &run(|x| whole(&x[0]), &[rows()]), &[plain(&X)]);
}

#[test]
fn each_is_its_formula_along_an_axis_and_over_all() {
    check("mean", |x| x.mean_axes([1]), |x| x.mean(), mean);
    check("var", |x| x.var_axes([1]), |x| x.var(), variance);
    check("std", |x| x.std_axes([1]), |x| x.std(), |x| variance(x).sqrt());
    check("norm", |x| x.norm_axes([1]), |x| x.norm(), |x| x.iter().map(|x| x * x).sum::<f64>().sqrt());
    check("logsumexp", |x| x.logsumexp_axes([1]), |x| x.logsumexp(), log_sum);
}

#[test]
fn softmax_and_its_logarithm_are_shares() {
    let share = |i: usize| (X[i] - log_sum(if i < 3 { &X[..3] } else { &X[3..] })).exp();
    let expected: Vec<f64> = (0..6).map(share).collect();
    near("softmax", &run(|x| x[0].softmax(1), &[rows()]), &expected);
    let logs: Vec<f64> = expected.iter().map(|x| x.ln()).collect();
    near("log_softmax", &run(|x| x[0].log_softmax(1), &[rows()]), &logs);
    near("along the first axis", &run(|x| x[0].t().softmax(0).t(), &[rows()]), &expected);
}

#[test]
fn neither_overflow_nor_infinities_spoil_the_sum_of_exponentials() {
    let of = |values: &[f64]| run(|x| x[0].logsumexp(), &[vector(values)])[0];
    assert_eq!(of(&[1000.0, 1000.0]), 1000.0 + 2f64.ln());
    assert_eq!(of(&[-1000.0, f64::NEG_INFINITY]), -1000.0);
    assert_eq!(of(&[f64::NEG_INFINITY; 2]), f64::NEG_INFINITY);
    assert_eq!(of(&[]), f64::NEG_INFINITY);
    assert_eq!(of(&[f64::INFINITY, 1.0]), f64::INFINITY);
    assert!(of(&[f64::NAN, 1.0]).is_nan());
    let shares = run(|x| x[0].softmax(0), &[vector(&[1000.0, 0.0])]);
    assert_eq!(shares, [1.0, 0.0]);
    assert_eq!(run(|x| x[0].log_softmax(0), &[vector(&[1000.0, 0.0])]), [0.0, -1000.0]);
}

#[test]
fn the_gradient_of_logsumexp_is_softmax() {
    let x = vector(&X);
    near(
        "gradient",
        &run(|x| grad(|x: Tensor| x.logsumexp())(x[0].clone()), std::slice::from_ref(&x)),
        &run(|x| x[0].softmax(0), std::slice::from_ref(&x)),
    );
}

#[test]
fn nothing_has_no_mean_and_constants_no_variance() {
    assert!(run(|x| x[0].mean(), &[vector(&[])])[0].is_nan());
    assert_eq!(run(|x| x[0].var(), &[vector(&[3.0; 4])]), [0.0]);
}

#[test]
fn narrow_types_neither_overflow_nor_lose_count() {
    let many = HostArray::from_fn([70_000], |_| half::f16::from_f32(100.0));
    assert_eq!(run(|x| x[0].mean(), &[many]), [100.0]);
    let bf16 = HostArray::from_fn([257], |i| half::bf16::from_f32((i % 2) as f32));
    assert_eq!(run(|x| x[0].var(), &[bf16]), [0.25]);
}

#[test]
fn the_median_is_the_middle() {
    let of = |values: &[f64]| run(|x| x[0].median(0), &[vector(values)])[0];
    assert_eq!(of(&[3.0, 1.0, 2.0]), 2.0);
    assert_eq!(of(&[3.0, 1.0, 2.0, 10.0]), 2.5);
    assert_eq!(of(&[7.0]), 7.0);
    assert!(of(&[1.0, f64::NAN, 2.0]).is_nan());
    assert_eq!(of(&[1.0, f64::INFINITY, f64::NEG_INFINITY]), 1.0);
    let rows = HostArray::new([2, 3], vec![3f32, 1.0, 2.0, 5.0, 6.0, 4.0]).unwrap();
    assert_eq!(run(|x| x[0].median(1), &[rows]), [2.0, 5.0]);
}

#[test]
fn what_has_no_answer_is_refused() {
    let message = |f: fn(Tensor) -> Tensor, shape: &[usize]| {
        let ty = TensorType::new(DType::F32, shape);
        trace(f, &[ty]).unwrap_err().to_string()
    };
    assert!(
        message(|x| x.median(0), &[0]).contains("median: a nonempty axis of floats expected, got axis 0 of f32[0]")
    );
    let whole = trace(|x: Tensor| x.mean(), &[TensorType::new(DType::I32, [2])]).unwrap_err().to_string();
    assert!(whole.contains("mean: floating-point numbers expected, got i32[2]; convert them"), "{whole}");
    assert!(message(|x| x.mean_axes([2]), &[3]).contains("sum: axis 2 does not exist in f32[3]"));
}
