//! The products that contract axes: `dot_general` and convolution.

use tandem_compile::ops::Kind;
use tandem_compile::ops::convolution::{Conv, ConvAxes, Convolution, Padding};
use tandem_compile::ops::dot::{DotGeneral, Precision};
use tandem_compile::{DType, Tensor, TensorType};

use crate::record::{Argument, Budget, Case, Derivative, Record, Refusal, Values};

const NUMBERS: [DType; 7] = [DType::F64, DType::F32, DType::F16, DType::BF16, DType::I64, DType::I32, DType::U32];

/// Integers of every size, as they wrap; floats without special numbers, as sums that overflow or lose a denormal
/// depend on their order.
fn argument(dtype: DType, shape: &[usize]) -> Argument {
    let values = if dtype.is_float() { Values::Between(-3.0, 3.0) } else { Values::Classes };
    Argument { ty: TensorType::new(dtype, shape), values }
}

/// For sums of `terms` products.
fn budget(dtype: DType, terms: usize) -> Budget {
    match dtype {
        DType::F64 => Budget::OfMagnitude(0.5 * terms as f64 + 1.0, "one rounding per product and sum, on both sides"),
        DType::F32 => Budget::OfMagnitude(0.5 * terms as f64 + 1.0, "one rounding per product and sum, on the device"),
        DType::F16 | DType::BF16 => Budget::OfMagnitude(1.0, "summed in f32 and rounded twice"),
        _ => Budget::Exact,
    }
}

fn product(
    label: String,
    lhs: Argument,
    rhs: Argument,
    terms: usize,
    f: impl Fn(&Tensor, &Tensor) -> Tensor + 'static,
) -> Case {
    let derivative = match lhs.ty.dtype {
        DType::F64 | DType::F32 => Derivative::Quadratic,
        _ => Derivative::None,
    };
    Case {
        label,
        f: Box::new(move |x| vec![f(&x[0], &x[1])]),
        budget: budget(lhs.ty.dtype, terms),
        arguments: vec![lhs, rhs],
        derivative,
    }
}

fn general(
    lhs_batch: &[usize],
    rhs_batch: &[usize],
    lhs_contracting: &[usize],
    rhs_contracting: &[usize],
) -> DotGeneral {
    DotGeneral {
        lhs_contracting: lhs_contracting.to_vec(),
        rhs_contracting: rhs_contracting.to_vec(),
        lhs_batch: lhs_batch.to_vec(),
        rhs_batch: rhs_batch.to_vec(),
        precision: Precision::Highest,
    }
}

/// Operand shapes, and what is contracted.
fn dots() -> Vec<(&'static [usize], &'static [usize], DotGeneral)> {
    vec![
        (&[2, 3], &[3, 4], general(&[], &[], &[1], &[0])),
        (&[1, 1], &[1, 1], general(&[], &[], &[1], &[0])),
        (&[37, 29], &[29, 5], general(&[], &[], &[1], &[0])),
        (&[3], &[3], general(&[], &[], &[0], &[0])),
        (&[3, 5], &[5], general(&[], &[], &[1], &[0])),
        (&[5], &[5, 3], general(&[], &[], &[0], &[0])),
        (&[2, 0], &[0, 3], general(&[], &[], &[1], &[0])),
        (&[0, 3], &[3, 2], general(&[], &[], &[1], &[0])),
        (&[], &[], general(&[], &[], &[], &[])),
        (&[2], &[3], general(&[], &[], &[], &[])),
        (&[3, 2], &[4, 3], general(&[], &[], &[0], &[1])),
        (&[4, 2, 3], &[2, 3, 5], general(&[1], &[0], &[2], &[1])),
        (&[2, 3, 4], &[4, 2, 3], general(&[], &[], &[0, 2], &[1, 0])),
        (&[2, 3, 4, 5], &[5, 6, 3, 2], general(&[1, 0], &[2, 3], &[3], &[0])),
        (&[3, 2], &[2, 3], general(&[0, 1], &[1, 0], &[], &[])),
    ]
}

fn terms(lhs: &[usize], dot: &DotGeneral) -> usize {
    dot.lhs_contracting.iter().map(|&axis| lhs[axis]).product()
}

pub fn dot_general() -> Record {
    let mut cases = Vec::new();
    for dtype in NUMBERS {
        for (lhs, rhs, dot) in dots() {
            let label = format!("{dtype}{lhs:?} . {rhs:?}, {:?} x {:?}", dot.lhs_contracting, dot.rhs_contracting);
            let terms = terms(lhs, &dot);
            let f = move |x: &Tensor, y: &Tensor| x.dot_general(y, dot.clone());
            cases.push(product(label, argument(dtype, lhs), argument(dtype, rhs), terms, f));
        }
    }
    let matmuls: [(&[usize], &[usize], usize); 5] = [
        (&[2, 1, 3, 4], &[5, 4, 2], 4),
        (&[3], &[2, 3, 4], 3),
        (&[2, 4, 3], &[3], 3),
        (&[2, 4, 3], &[3, 2], 3),
        (&[3, 4], &[2, 4, 2], 4),
    ];
    for (lhs, rhs, terms) in matmuls {
        let label = format!("matmul {lhs:?} @ {rhs:?}");
        cases.push(product(label, argument(DType::F64, lhs), argument(DType::F64, rhs), terms, |x, y| x.matmul(y)));
    }
    cases.push(infinities(|x, y| x.dot(y)));
    Record { kind: Kind::DotGeneral, cases, refusals: dot_refusals() }
}

/// Infinities and NaN in a product of matrices, where no sum overflows.
fn infinities(f: impl Fn(&Tensor, &Tensor) -> Tensor + 'static) -> Case {
    let given = |values: &[f64], shape: [usize; 2]| Argument {
        ty: TensorType::new(DType::F64, shape),
        values: Values::Given(values.to_vec()),
    };
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    let lhs = given(&[1.0, inf, 2.0, 0.5, -3.0, 1.0, nan, 1.0, 2.0, -inf, inf, 1.0], [4, 3]);
    let rhs = given(&[1.0, 2.0, -1.0, 0.0, 1.0, 1.0], [3, 2]);
    Case { derivative: Derivative::None, ..product("with infinities and NaN".into(), lhs, rhs, 3, f) }
}

fn refusal(
    message: &'static str,
    types: [(DType, &[usize]); 2],
    f: impl Fn(&Tensor, &Tensor) -> Tensor + 'static,
) -> Refusal {
    Refusal {
        f: Box::new(move |x| drop(f(&x[0], &x[1]))),
        arguments: types.iter().map(|&(dtype, shape)| TensorType::new(dtype, shape)).collect(),
        message,
    }
}

fn dot_refusals() -> Vec<Refusal> {
    use DType::{Bool, F32, F64};
    vec![
        refusal("dot: dtypes differ, f32[2] . f64[2]", [(F32, &[2]), (F64, &[2])], |x, y| x.dot(y)),
        refusal("dot: defined for numbers, got bool[2]", [(Bool, &[2]), (Bool, &[2])], |x, y| x.dot(y)),
        refusal("contracting sizes differ, f32[2] . f32[3]", [(F32, &[2]), (F32, &[3])], |x, y| x.dot(y)),
        refusal("axis 0 does not exist in f32[]", [(F32, &[]), (F32, &[3])], |x, y| x.dot(y)),
        refusal("batch sizes differ", [(F32, &[2, 3]), (F32, &[3, 3])], |x, y| {
            x.dot_general(y, general(&[0], &[0], &[1], &[1]))
        }),
        refusal("axis 1 is named twice", [(F32, &[2, 3]), (F32, &[2, 3])], |x, y| {
            x.dot_general(y, general(&[1], &[0], &[1], &[1]))
        }),
        refusal("matmul: leading axes do not broadcast", [(F32, &[2, 3, 4]), (F32, &[3, 4, 5])], |x, y| x.matmul(y)),
        refusal("matmul: vectors or matrices expected", [(F32, &[]), (F32, &[3])], |x, y| x.matmul(y)),
    ]
}

type ConvCase = (&'static str, &'static [usize], &'static [usize], Conv);

fn convolutions() -> Vec<ConvCase> {
    let plain = Conv::default;
    let pad = |padding: &[(i64, i64)]| Padding::Explicit(padding.to_vec());
    let ones = |spatial: usize| vec![1; spatial];
    vec![
        ("no spatial axis", &[2, 3], &[4, 3], plain()),
        ("1-D", &[2, 3, 7], &[4, 3, 3], plain()),
        ("1-D, ones", &[1, 1, 1], &[1, 1, 1], plain()),
        ("1-D, same", &[1, 2, 7], &[2, 2, 4], Conv { padding: Padding::Same, ..plain() }),
        ("1-D, same, strides", &[1, 2, 8], &[2, 2, 3], Conv { padding: Padding::Same, strides: vec![3], ..plain() }),
        (
            "1-D, same, all steps",
            &[1, 1, 6],
            &[2, 1, 3],
            Conv { padding: Padding::Same, strides: vec![2], lhs_dilation: vec![3], rhs_dilation: vec![2], ..plain() },
        ),
        ("1-D, window too large", &[2, 1, 2], &[1, 1, 3], plain()),
        ("1-D, no problem", &[0, 2, 5], &[3, 2, 2], plain()),
        ("1-D, no input feature", &[2, 0, 5], &[3, 0, 2], plain()),
        ("1-D, no input", &[2, 1, 0], &[3, 1, 2], Conv { padding: pad(&[(2, 1)]), ..plain() }),
        ("1-D, cut off", &[2, 2, 9], &[1, 2, 2], Conv { padding: pad(&[(-2, -1)]), strides: vec![2], ..plain() }),
        (
            "1-D, cut and padded",
            &[1, 1, 4],
            &[2, 1, 3],
            Conv { padding: pad(&[(-1, 4)]), lhs_dilation: vec![2], ..plain() },
        ),
        ("2-D", &[2, 3, 5, 4], &[2, 3, 3, 2], plain()),
        (
            "2-D, strides and padding",
            &[1, 2, 6, 5],
            &[3, 2, 3, 3],
            Conv { strides: vec![2, 3], padding: pad(&[(1, 2), (0, 1)]), ..plain() },
        ),
        (
            "2-D, dilations",
            &[1, 2, 5, 3],
            &[2, 2, 2, 3],
            Conv { lhs_dilation: vec![1, 3], rhs_dilation: vec![3, 2], ..plain() },
        ),
        ("2-D, groups", &[2, 4, 4, 3], &[6, 2, 2, 2], Conv { groups: 2, strides: vec![2, 1], ..plain() }),
        (
            "2-D, each feature alone",
            &[1, 3, 4, 4],
            &[6, 1, 3, 3],
            Conv { groups: 3, padding: Padding::Same, ..plain() },
        ),
        ("3-D", &[1, 2, 3, 4, 3], &[2, 2, 2, 2, 2], Conv { strides: ones(3), ..plain() }),
        (
            "3-D, everything",
            &[2, 4, 3, 4, 2],
            &[4, 2, 2, 2, 1],
            Conv {
                strides: vec![2, 1, 1],
                padding: pad(&[(1, 0), (-1, 2), (0, 3)]),
                lhs_dilation: vec![2, 1, 2],
                rhs_dilation: vec![1, 2, 1],
                groups: 2,
            },
        ),
    ]
}

/// With the problems in groups, and axes in other orders than the usual.
fn by_problems() -> Convolution {
    Convolution {
        lhs_axes: ConvAxes { outer: 2, feature: 1, spatial: vec![0] },
        rhs_axes: ConvAxes { outer: 1, feature: 2, spatial: vec![0] },
        out_axes: ConvAxes { outer: 1, feature: 0, spatial: vec![2] },
        strides: vec![2],
        padding: vec![(1, 0)],
        lhs_dilation: vec![1],
        rhs_dilation: vec![2],
        feature_groups: 1,
        batch_groups: 2,
        precision: Precision::Highest,
    }
}

pub fn convolution() -> Record {
    let mut cases = Vec::new();
    for dtype in NUMBERS {
        for (label, lhs, rhs, conv) in convolutions() {
            let terms = rhs[1..].iter().product();
            let f = move |x: &Tensor, w: &Tensor| x.conv(w, conv.clone());
            cases.push(product(format!("{dtype}, {label}"), argument(dtype, lhs), argument(dtype, rhs), terms, f));
        }
        let f = |x: &Tensor, w: &Tensor| x.convolution(w, by_problems());
        let (lhs, rhs) = (argument(dtype, &[7, 3, 4]), argument(dtype, &[3, 6, 3]));
        cases.push(product(format!("{dtype}, batch groups"), lhs, rhs, 9, f));
    }
    Record { kind: Kind::Convolution, cases, refusals: convolution_refusals() }
}

fn convolution_refusals() -> Vec<Refusal> {
    use DType::{Bool, F32, F64};
    let conv = |conv: Conv| move |x: &Tensor, w: &Tensor| x.conv(w, conv.clone());
    let line: [(DType, &[usize]); 2] = [(F32, &[1, 4, 5]), (F32, &[2, 4, 3])];
    vec![
        refusal("convolution: dtypes differ", [(F32, &[1, 1, 3]), (F64, &[1, 1, 2])], conv(Conv::default())),
        refusal("convolution: defined for numbers", [(Bool, &[1, 1, 3]), (Bool, &[1, 1, 2])], conv(Conv::default())),
        refusal(
            "axes [N, C, spatial...] expected, got f32[3]",
            [(F32, &[3]), (F32, &[1, 1, 2])],
            conv(Conv::default()),
        ),
        refusal(
            "1 spatial axes and two more expected, got f32[1,1]",
            [(F32, &[1, 1, 3]), (F32, &[1, 1])],
            conv(Conv::default()),
        ),
        refusal(
            "3 input features, but a kernel of 1 groups of 2",
            [(F32, &[1, 3, 5]), (F32, &[1, 2, 2])],
            conv(Conv::default()),
        ),
        refusal(
            "3 output features do not divide into 2 groups",
            [(F32, &[1, 4, 5]), (F32, &[3, 2, 2])],
            conv(Conv { groups: 2, ..Conv::default() }),
        ),
        refusal("one of them must be 1", line, conv(Conv { groups: 0, ..Conv::default() })),
        refusal("strides and dilations are at least 1", line, conv(Conv { strides: vec![0], ..Conv::default() })),
        refusal(
            "2 strides, 1 paddings, 1 and 1 dilations given for 1 spatial axes",
            line,
            conv(Conv { strides: vec![1, 1], ..Conv::default() }),
        ),
        refusal("3 problems do not divide into 2 groups", [(F32, &[7, 3, 3]), (F32, &[3, 6, 3])], |x, w| {
            x.convolution(w, by_problems())
        }),
        refusal("axis 1 is named twice", line, |x, w| {
            let axes = ConvAxes::standard(1);
            let twice = ConvAxes { outer: 1, ..ConvAxes::standard(1) };
            let op = Convolution {
                lhs_axes: twice,
                rhs_axes: axes.clone(),
                out_axes: axes,
                batch_groups: 1,
                ..by_problems()
            };
            x.convolution(w, op)
        }),
    ]
}
