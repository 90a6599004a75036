//! Sorting, and the largest elements.

use tandem_compile::ops::Kind;
use tandem_compile::{DType, Tensor, TensorType, sort_by_key, sort_by_keys};

use crate::arrays::smallest;
use crate::record::{Budget, Case, Derivative, Record, Refusal, classes};
use crate::reductions::portion;

pub fn records() -> Vec<Record> {
    vec![sort(), top_k()]
}

fn case(label: String, types: &[(DType, &[usize])], f: impl Fn(&[Tensor]) -> Vec<Tensor> + 'static) -> Case {
    let float = types.iter().any(|(dtype, _)| dtype.is_float());
    Case {
        label,
        f: Box::new(move |x| f(&x.iter().map(normal).collect::<Vec<_>>())),
        arguments: types.iter().map(|&(dtype, shape)| classes(dtype, shape)).collect(),
        budget: Budget::Exact,
        derivative: if float { Derivative::Quadratic } else { Derivative::None },
    }
}

/// Subnormal numbers as zeros of their sign. XLA's CPU compares them as zeros but moves them as they are, so that they
/// stand among zeros in any order.
fn normal(x: &Tensor) -> Tensor {
    match x.dtype().is_float() {
        true => x.abs().lt(smallest(x.dtype()).0).select(&(x * 0.0), x),
        false => x.clone(),
    }
}

fn refusal(f: impl Fn(&[Tensor]) + 'static, types: &[(DType, &[usize])], message: &'static str) -> Refusal {
    let arguments = types.iter().map(|&(dtype, shape)| TensorType::new(dtype, shape)).collect();
    Refusal { f: Box::new(f), arguments, message }
}

fn sort() -> Record {
    let shapes: [(&[usize], usize); 7] =
        [(&[0], 0), (&[3, 0], 0), (&[1], 0), (&[3, 5], 0), (&[3, 5], 1), (&[2, 6, 3], 1), (&[37, 29], 0)];
    let mut cases = Vec::new();
    for dtype in DType::ALL {
        for (shape, axis) in portion(dtype, shapes) {
            for descending in [false, true] {
                let label = format!("{} axis {axis} {descending}", TensorType::new(dtype, shape));
                cases.push(case(label, &[(dtype, shape)], move |x| {
                    vec![sort_by_key(&[&x[0]], axis, descending).remove(0), x[0].argsort(axis, descending)]
                }));
            }
        }
    }
    let carried: [(DType, &[usize]); 4] =
        [(DType::F64, &[4, 9]), (DType::F64, &[4, 9]), (DType::I32, &[4, 9]), (DType::Bool, &[4, 9])];
    cases.push(case("carrying".into(), &carried, |x| sort_by_key(&[&x[0], &x[1], &x[2], &x[3]], 1, false)));
    let by_integer: [(DType, &[usize]); 2] = [(DType::I32, &[9]), (DType::F32, &[9])];
    cases.push(case("floats by integers".into(), &by_integer, |x| sort_by_key(&[&x[0], &x[1]], 0, false)));
    for (keys, descending) in [(2, false), (2, true), (3, false)] {
        let types: [(DType, &[usize]); 3] = [(DType::Bool, &[40]), (DType::F64, &[40]), (DType::I32, &[40])];
        cases.push(case(format!("{keys} keys {descending}"), &types, move |x| {
            sort_by_keys(&[&x[0], &x[1], &x[2]], keys, 0, descending)
        }));
    }
    let refusals = vec![
        refusal(|x| drop(x[0].sort(1)), &[(DType::F32, &[2])], "axis 1 does not exist in f32[2]"),
        refusal(|x| drop(x[0].argsort(0, true)), &[(DType::F32, &[])], "axis 0 does not exist in f32[]"),
        refusal(
            |x| drop(sort_by_key(&[&x[0], &x[1]], 0, true)),
            &[(DType::F32, &[2]), (DType::F32, &[3])],
            "shapes differ, f32[2] and f32[3]",
        ),
        refusal(|x| drop(sort_by_keys(&[&x[0]], 2, 0, true)), &[(DType::F32, &[2])], "2 keys expected of 1 operands"),
        refusal(|x| drop(sort_by_keys(&[&x[0]], 0, 0, true)), &[(DType::F32, &[2])], "0 keys expected of 1 operands"),
        refusal(|_| drop(sort_by_key(&[], 0, true)), &[], "at least one operand expected"),
    ];
    Record { kind: Kind::Sort, cases, refusals }
}

fn top_k() -> Record {
    let shapes: [(&[usize], usize); 9] = [
        (&[1], 1),
        (&[7], 3),
        (&[7], 0),
        (&[3, 5], 5),
        (&[0, 5], 2),
        (&[2, 0], 0),
        (&[2, 3, 6], 2),
        (&[37, 29], 16),
        (&[2, 300], 20),
    ];
    let mut cases = Vec::new();
    for dtype in DType::ALL {
        for (shape, k) in portion(dtype, shapes) {
            let label = format!("{} {k}", TensorType::new(dtype, shape));
            cases.push(case(label, &[(dtype, shape)], move |x| {
                let (values, positions) = x[0].top_k(k);
                vec![values, positions]
            }));
        }
    }
    let refusals = vec![
        refusal(|x| drop(x[0].top_k(1)), &[(DType::F32, &[])], "an axis expected to look along, got f32[]"),
        refusal(|x| drop(x[0].top_k(4)), &[(DType::F32, &[2, 3])], "4 elements wanted of the 3"),
    ];
    Record { kind: Kind::TopK, cases, refusals }
}
