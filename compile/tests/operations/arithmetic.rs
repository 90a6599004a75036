//! Elementwise functions of floating-point numbers, and broadcasting.

use tandem_compile::{DType, Tensor};

use crate::{FLOATS, array, assert_near, assert_same, rounded, run, run1, vector};

const SAMPLE: [f64; 19] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    2.5,
    -2.5,
    1.5,
    3.75,
    -7.25,
    0.1,
    -0.3,
    12.0,
    1000.0,
    1e-4,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];

/// The method, the function on f64, and how many units in the last place they may differ by.
type Unary = (&'static str, fn(&Tensor) -> Tensor, fn(f64) -> f64, f64);

const UNARY: [Unary; 13] = [
    ("neg", |x| -x, |x| -x, 0.0),
    ("abs", |x| x.abs(), f64::abs, 0.0),
    ("sign", |x| x.sign(), |x| if x == 0.0 { x } else { x.signum() }, 0.0),
    ("floor", |x| x.floor(), f64::floor, 0.0),
    ("ceil", |x| x.ceil(), f64::ceil, 0.0),
    ("sqrt", |x| x.sqrt(), f64::sqrt, 0.0),
    ("square", |x| x.square(), |x| x * x, 0.0),
    ("rsqrt", |x| x.rsqrt(), |x| 1.0 / x.sqrt(), 2.0),
    ("exp", |x| x.exp(), f64::exp, 4.0),
    ("log", |x| x.log(), f64::ln, 4.0),
    ("sin", |x| x.sin(), f64::sin, 4.0),
    ("cos", |x| x.cos(), f64::cos, 4.0),
    ("tanh", |x| x.tanh(), f64::tanh, 4.0),
];

#[test]
fn functions_of_one_number_agree_with_rusts() {
    for dtype in FLOATS {
        for shape in [&[] as &[usize], &[0, 3], &[1], &[SAMPLE.len()]] {
            let x = rounded(dtype, shape, &SAMPLE[..shape.iter().product()]);
            let found = run(std::slice::from_ref(&x), |x| UNARY.iter().map(|row| row.1(&x[0])).collect());
            for ((name, _, function, ulps), found) in UNARY.iter().zip(found) {
                let expected: Vec<f64> = x.to_f64().into_iter().map(function).collect();
                assert_near(name, &found, &rounded(dtype, shape, &expected), *ulps);
            }
        }
    }
}

/// NaN where either is NaN, unlike `f64::max`; of two zeros the positive one is the larger.
fn larger(x: f64, y: f64) -> f64 {
    if x.is_nan() || x > y || (x == y && y.is_sign_negative()) { x } else { y }
}

fn smaller(x: f64, y: f64) -> f64 {
    -larger(-x, -y)
}

/// The operator, the function on f64, and how many units in the last place they may differ by.
type Binary = (&'static str, fn(&Tensor, &Tensor) -> Tensor, fn(f64, f64) -> f64, f64);

const BINARY: [Binary; 8] = [
    ("add", |x, y| x + y, |x, y| x + y, 0.0),
    ("sub", |x, y| x - y, |x, y| x - y, 0.0),
    ("mul", |x, y| x * y, |x, y| x * y, 0.0),
    ("div", |x, y| x / y, |x, y| x / y, 0.0),
    ("rem", |x, y| x % y, |x, y| x % y, 0.0),
    ("pow", |x, y| x.pow(y), f64::powf, 4.0),
    ("maximum", |x, y| x.maximum(y), larger, 0.0),
    ("minimum", |x, y| x.minimum(y), smaller, 0.0),
];

#[test]
fn functions_of_two_numbers_agree_with_rusts() {
    let pairs: Vec<(f64, f64)> = SAMPLE.iter().flat_map(|&x| SAMPLE.map(|y| (x, y))).collect();
    let (left, right): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
    let shape = [SAMPLE.len(), SAMPLE.len()];
    for dtype in FLOATS {
        let (x, y) = (rounded(dtype, &shape, &left), rounded(dtype, &shape, &right));
        let found = run(&[x.clone(), y.clone()], |t| BINARY.iter().map(|row| row.1(&t[0], &t[1])).collect());
        for ((name, _, function, ulps), found) in BINARY.iter().zip(found) {
            let expected: Vec<f64> = x.to_f64().into_iter().zip(y.to_f64()).map(|(x, y)| function(x, y)).collect();
            assert_near(name, &found, &rounded(dtype, &shape, &expected), *ulps);
        }
    }
}

#[test]
fn the_larger_and_the_smaller_are_nan_where_either_is() {
    let (x, y) = (vector(&[f32::NAN, 1.0, f32::INFINITY]), vector(&[1.0, f32::NAN, f32::NAN]));
    for found in run(&[x, y], |t| vec![t[0].maximum(&t[1]), t[0].minimum(&t[1])]) {
        assert!(found.to_f64().iter().all(|x| x.is_nan()), "{found:?}");
    }
}

#[test]
fn numbers_stand_on_either_side_and_take_the_tensors_dtype() {
    for dtype in FLOATS {
        let x = rounded(dtype, &[2], &[3.0, -4.0]);
        let found = run(&[x], |t| vec![2.0 - &t[0], &t[0] - 2, 1 / t[0].clone(), t[0].clone() * 0.5, t[0].maximum(0)]);
        let expected = [[-1.0, 6.0], [1.0, -6.0], [1.0 / 3.0, -0.25], [1.5, -2.0], [3.0, 0.0]];
        for (found, expected) in found.iter().zip(expected) {
            assert_same("a number beside a tensor", found, &rounded(dtype, &[2], &expected));
        }
    }
}

#[test]
fn operands_broadcast_as_in_numpy() {
    let cases: [(&[usize], &[usize], &[usize]); 7] = [
        (&[], &[3], &[3]),
        (&[2, 3], &[3], &[2, 3]),
        (&[2, 1], &[1, 3], &[2, 3]),
        (&[1], &[0], &[0]),
        (&[4, 1, 2], &[3, 1], &[4, 3, 2]),
        (&[0, 3], &[], &[0, 3]),
        (&[1, 1], &[], &[1, 1]),
    ];
    for (left, right, shape) in cases {
        let fill = |shape: &[usize], step: f64| -> Vec<f64> {
            (0..shape.iter().product()).map(|i: usize| i as f64 * step).collect()
        };
        let (x, y) = (fill(left, 1.0), fill(right, 100.0));
        // The position in an operand is that in the result, with 0 where the operand has size 1.
        let at = |own: &[usize], mut i: usize| {
            let (mut position, mut step) = (0, 1);
            for (back, &size) in shape.iter().rev().enumerate() {
                if let Some(&size) = own.len().checked_sub(back + 1).map(|axis| &own[axis]) {
                    position += if size == 1 { 0 } else { i % shape[shape.len() - 1 - back] * step };
                    step *= size;
                }
                i /= size;
            }
            position
        };
        let sums: Vec<f64> = (0..shape.iter().product()).map(|i| x[at(left, i)] + y[at(right, i)]).collect();
        let found = run1(&[array(left, &x), array(right, &y)], |t| &t[0] + &t[1]);
        assert_same("sum", &found, &array(shape, &sums));
    }
}

#[test]
fn truth_of_being_finite_and_of_being_nan() {
    for dtype in FLOATS {
        let found = run(&[rounded(dtype, &[SAMPLE.len()], &SAMPLE)], |t| vec![t[0].is_finite(), t[0].is_nan()]);
        assert_same("is_finite", &found[0], &vector(&SAMPLE.map(f64::is_finite)));
        assert_same("is_nan", &found[1], &vector(&SAMPLE.map(f64::is_nan)));
        assert_eq!(found[0].dtype(), DType::Bool);
    }
}
