//! Comparison, and choosing by it.

use tandem_compile::ops::Kind;
use tandem_compile::{DType, Tensor, TensorType};

use crate::elementwise::{FLOATS, INTEGERS, SHAPES, between, integers2};
use crate::record::{Argument, Budget, Case, Derivative, Record, Refusal, classes};

pub fn compare(kind: Kind) -> Record {
    let f: fn(&Tensor, &Tensor) -> Tensor = match kind {
        Kind::Eq => |x, y| x.eq(y),
        Kind::Ne => |x, y| x.ne(y),
        Kind::Lt => |x, y| x.lt(y),
        Kind::Le => |x, y| x.le(y),
        Kind::Gt => |x, y| x.gt(y),
        _ => |x, y| x.ge(y),
    };
    let refusal = |x: DType, columns: usize, message| Refusal {
        f: Box::new(move |x| drop(f(&x[0], &x[1]))),
        arguments: vec![TensorType::new(x, [2]), TensorType::new(DType::F32, [columns])],
        message,
    };
    Record {
        kind,
        cases: integers2(f, &DType::ALL),
        refusals: vec![
            refusal(DType::F64, 2, "dtypes differ, f64[2] and f32[2]; convert one of them"),
            refusal(DType::F32, 3, "shapes do not broadcast, f32[2] and f32[3]"),
        ],
    }
}

/// Of degree one in the choices; there is none of integers.
fn pieces(dtype: DType) -> Derivative {
    if dtype.is_float() { Derivative::Quadratic } else { Derivative::None }
}

pub fn select() -> Record {
    let mut cases = Vec::new();
    for dtype in DType::ALL {
        for shape in SHAPES {
            let case = |note: &str, condition: &[usize]| Case {
                label: format!("{}{note}", TensorType::new(dtype, shape)),
                f: Box::new(|x| vec![x[0].select(&x[1], &x[2])]),
                arguments: vec![classes(DType::Bool, condition), classes(dtype, shape), classes(dtype, shape)],
                budget: Budget::Exact,
                derivative: pieces(dtype),
            };
            cases.push(case("", shape));
            if !shape.is_empty() {
                cases.push(case(" by a scalar", &[]));
            }
        }
    }
    Record { kind: Kind::Select, cases, refusals: select_refusals() }
}

fn select_refusals() -> Vec<Refusal> {
    let refusal = |types: [TensorType; 3], message| Refusal {
        f: Box::new(|x| drop(x[0].select(&x[1], &x[2]))),
        arguments: types.into(),
        message,
    };
    let float = |n: usize| TensorType::new(DType::F32, [n]);
    let truth = TensorType::new(DType::Bool, [2]);
    vec![
        refusal([float(2), float(2), float(2)], "a bool and two operands of one type expected, got f32[2]"),
        refusal([truth.clone(), float(2), float(3)], "a bool and two operands of one type expected"),
        refusal([truth.clone(), float(2), TensorType::new(DType::F64, [2])], "a bool and two operands of one type"),
        Refusal {
            f: Box::new(|x| drop(x[0].select(1.0, 2.0))),
            arguments: vec![truth],
            message: "select: both choices are plain numbers",
        },
    ]
}

pub fn clamp() -> Record {
    let mut cases = Vec::new();
    for &dtype in FLOATS.iter().chain(&INTEGERS) {
        for shape in SHAPES {
            let case = |note: &str, low: &[usize], high: &[usize]| Case {
                label: format!("{}{note}", TensorType::new(dtype, shape)),
                f: Box::new(|x| vec![x[1].clamp(&x[0], &x[2])]),
                arguments: vec![classes(dtype, low), classes(dtype, shape), classes(dtype, high)],
                budget: Budget::Exact,
                derivative: Derivative::None,
            };
            // Where the bounds are in the wrong order, the derivative is JAX's, which is not that of the result.
            let ordered = |note: &str, low: &[usize], high: &[usize]| Case {
                label: format!("{}{note}, in order", TensorType::new(dtype, shape)),
                arguments: vec![
                    between(dtype, low, (-2.0, -0.5)),
                    between(dtype, shape, (-3.0, 3.0)),
                    between(dtype, high, (0.5, 2.0)),
                ],
                derivative: Derivative::Quadratic,
                ..case(note, low, high)
            };
            cases.push(case("", shape, shape));
            if dtype.is_float() {
                cases.push(ordered("", shape, shape));
            }
            if dtype.is_float() && shape.len() == 2 {
                cases.push(ordered(" between scalars", &[], &[]));
                cases.push(ordered(" between a row and a column", &shape[1..], &[shape[0], 1]));
            }
            if shape.len() == 2 {
                cases.push(case(" between scalars", &[], &[]));
                cases.push(case(" above a scalar", &[], shape));
                cases.push(case(" between a row and a column", &shape[1..], &[shape[0], 1]));
                cases.push(numbers(dtype, shape));
            }
        }
    }
    Record { kind: Kind::Clamp, cases, refusals: clamp_refusals() }
}

fn numbers(dtype: DType, shape: &[usize]) -> Case {
    Case {
        label: format!("{} between numbers", TensorType::new(dtype, shape)),
        f: Box::new(|x| vec![x[0].clamp(1, 2)]),
        arguments: vec![classes(dtype, shape)],
        budget: Budget::Exact,
        derivative: pieces(dtype),
    }
}

fn clamp_refusals() -> Vec<Refusal> {
    let refusal = |x: (DType, usize), low: (DType, usize), message| Refusal {
        f: Box::new(|x| drop(x[0].clamp(&x[1], 1))),
        arguments: [x, low].map(|(dtype, n)| TensorType::new(dtype, [n])).into(),
        message,
    };
    let truth: Argument = classes(DType::Bool, &[2]);
    vec![
        refusal((DType::F32, 2), (DType::F64, 2), "bounds of the dtype of f32[2]"),
        refusal((DType::F32, 2), (DType::F32, 3), "expected, got f32[3] and f32[]"),
        refusal((DType::F32, 1), (DType::F32, 3), "shapes that broadcast to it"),
        Refusal {
            f: Box::new(|x| drop(x[0].clamp(&x[0], &x[0]))),
            arguments: vec![truth.ty],
            message: "clamp: defined for numbers, got bool[2]",
        },
    ]
}
