//! Between element types.

use tandem_compile::ops::Kind;
use tandem_compile::{DType, TensorType};

use crate::elementwise::SHAPES;
use crate::record::{Budget, Case, Derivative, Record, Refusal, classes};

pub fn convert() -> Record {
    let mut cases = Vec::new();
    for from in DType::ALL {
        for to in DType::ALL.into_iter().filter(|&to| to != from) {
            for shape in SHAPES {
                cases.push(Case {
                    label: format!("{} to {to}", TensorType::new(from, shape)),
                    f: Box::new(move |x| vec![x[0].convert(to)]),
                    arguments: vec![classes(from, shape)],
                    budget: rounding(from, to),
                    derivative: match from.is_float() && to.is_float() {
                        true => Derivative::Quadratic,
                        false => Derivative::None,
                    },
                });
            }
        }
    }
    // Every conversion is defined; nothing is refused.
    Record { kind: Kind::Convert, cases, refusals: Vec::new() }
}

fn rounding(from: DType, to: DType) -> Budget {
    match (from, to) {
        (DType::F64 | DType::I64 | DType::I32 | DType::U32, DType::F16 | DType::BF16) => {
            Budget::Ulps(1.0, "rounded twice, by way of f32, which matters beside a tie; the interpreter rounds once")
        }
        _ => Budget::Exact,
    }
}

pub fn bitcast() -> Record {
    let pairs = [
        (DType::F64, DType::I64),
        (DType::F32, DType::I32),
        (DType::F32, DType::U32),
        (DType::I32, DType::U32),
        (DType::F16, DType::BF16),
    ];
    let mut cases = Vec::new();
    for (from, to) in pairs.into_iter().flat_map(|(x, y)| [(x, y), (y, x)]) {
        for shape in SHAPES {
            cases.push(Case {
                label: format!("{} as {to}", TensorType::new(from, shape)),
                f: Box::new(move |x| vec![x[0].bitcast(to)]),
                arguments: vec![classes(from, shape)],
                budget: Budget::Exact,
                derivative: Derivative::None,
            });
        }
    }
    let refusal = |from: DType, to: DType, message| Refusal {
        f: Box::new(move |x| drop(x[0].bitcast(to))),
        arguments: vec![TensorType::new(from, [3])],
        message,
    };
    let refusals = vec![
        refusal(DType::F64, DType::I32, "bitcast: f64[3] and i32 differ in width"),
        refusal(DType::Bool, DType::F16, "bitcast: bool[3] and f16 differ in width"),
    ];
    Record { kind: Kind::Bitcast, cases, refusals }
}
