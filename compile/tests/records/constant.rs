//! Constants and counters.

use tandem_compile::ops::Kind;
use tandem_compile::{DType, HostArray, TensorType, constant as constant_of, iota as iota_of, number};

use crate::arrays::{from_f64, from_i64, maximum, smallest};
use crate::elementwise::{FLOATS, INTEGERS, SHAPES};
use crate::record::{Budget, Case, Derivative, Record, Refusal};

/// Numbers that are easily lost on the way through text.
fn specials(ty: &TensorType) -> HostArray {
    let extreme = match ty.dtype {
        DType::I64 => vec![i64::MIN, i64::MAX, (1 << 53) + 1],
        DType::I32 => vec![i32::MIN.into(), i32::MAX.into()],
        DType::U32 => vec![u32::MAX.into(), 1 << 31],
        _ => vec![1, 0, 0],
    };
    if !ty.dtype.is_float() {
        return from_i64(ty, &(0..ty.len()).map(|i| extreme[i % extreme.len()]).collect::<Vec<_>>());
    }
    let (normal, least) = smallest(ty.dtype);
    let values =
        [0.1, -0.0, 1.0 / 3.0, f64::NAN, f64::INFINITY, -f64::INFINITY, normal, -least, maximum(ty.dtype), 1e-3, 7e4];
    from_f64(ty, &(0..ty.len()).map(|i| values[i % values.len()]).collect::<Vec<_>>())
}

pub fn constant() -> Record {
    let case = |dtype: DType, shape: &[usize], value: HostArray, note: &str| Case {
        label: format!("{}{note}", TensorType::new(dtype, shape)),
        f: Box::new(move |_| vec![constant_of(&value)]),
        arguments: Vec::new(),
        budget: Budget::Exact,
        derivative: Derivative::None,
    };
    let mut cases = Vec::new();
    for dtype in DType::ALL {
        for shape in SHAPES {
            let ty = TensorType::new(dtype, shape);
            cases.push(case(dtype, shape, specials(&ty), ""));
            cases.push(case(dtype, shape, HostArray::zeros(&ty), " of zeros"));
        }
    }
    let refusal = |value: f64, dtype: DType, message| Refusal {
        f: Box::new(move |_| drop(number(value, dtype))),
        arguments: Vec::new(),
        message,
    };
    let refusals = vec![
        refusal(1e300, DType::F32, "number: 1e300 overflows f32"),
        refusal(1.5, DType::I32, "number: 1.5 is not a whole number and cannot become i32"),
        refusal(-1.0, DType::U32, "number: -1 overflows u32"),
    ];
    Record { kind: Kind::Constant, cases, refusals }
}

pub fn iota() -> Record {
    let mut cases = Vec::new();
    let shapes: [&[usize]; 6] = [&[0, 3], &[1], &[3, 5], &[37, 29], &[2, 3, 4], &[3000]];
    for &dtype in FLOATS.iter().chain(&INTEGERS) {
        for shape in shapes {
            for axis in 0..shape.len() {
                cases.push(Case {
                    label: format!("{} axis {axis}", TensorType::new(dtype, shape)),
                    f: Box::new(move |_| vec![iota_of(shape, axis, dtype)]),
                    arguments: Vec::new(),
                    budget: Budget::Exact,
                    derivative: Derivative::None,
                });
            }
        }
    }
    let refusal = |shape: &'static [usize], dtype: DType, message| Refusal {
        f: Box::new(move |_| drop(iota_of(shape, 1, dtype))),
        arguments: Vec::new(),
        message,
    };
    let refusals = vec![
        refusal(&[3], DType::F32, "iota: axis 1 does not exist in f32[3], which has 1 axes"),
        refusal(&[], DType::I32, "iota: axis 1 does not exist in i32[]"),
        refusal(&[2, 3], DType::Bool, "iota: bool cannot count"),
    ];
    Record { kind: Kind::Iota, cases, refusals }
}
