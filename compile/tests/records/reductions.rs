//! From many elements to one, and running.

use num_complex::Complex64;
use tandem_compile::ops::Kind;
use tandem_compile::ops::reduce::Combine;
use tandem_compile::{DType, Tensor, TensorType, number};

use crate::record::{Argument, Budget, Case, Derivative, Record, Refusal, Values, classes};

const FLOATS: [DType; 4] = [DType::F64, DType::F32, DType::F16, DType::BF16];
const NUMBERS: [DType; 7] = [DType::F64, DType::F32, DType::F16, DType::BF16, DType::I64, DType::I32, DType::U32];

/// Shapes and the axes that vanish: no axis, empty ones, one element, odd sizes, axes out of order.
const REDUCED: [(&[usize], &[usize]); 11] = [
    (&[], &[]),
    (&[3, 5], &[]),
    (&[0], &[0]),
    (&[3, 0], &[1]),
    (&[0, 3], &[1]),
    (&[1], &[0]),
    (&[3, 5], &[0]),
    (&[3, 5], &[1]),
    (&[2, 3, 4], &[2, 0]),
    (&[37, 29], &[1]),
    (&[37, 29], &[0, 1]),
];

const SUM: &str = "the device adds in some order, in the element type; the reference rounds once";
const PRODUCT: &str = "every multiplication rounds to half a unit; the reference rounds once";
const EXTREME: &str = "of zeros of both signs either is taken";

pub fn records() -> Vec<Record> {
    vec![
        sum(),
        product(),
        extreme(Kind::ReduceMax),
        extreme(Kind::ReduceMin),
        truth(Kind::ReduceAny),
        truth(Kind::ReduceAll),
        fold(),
        position(Kind::ArgMax),
        position(Kind::ArgMin),
        cumulative_sum(),
        cumulative_product(),
        cumulative_extreme(Kind::CumulativeMax),
        cumulative_extreme(Kind::CumulativeMin),
    ]
}

/// All of the cases for f64; for every other type a third of them, each type another, as programs of many cases take
/// long to compile.
pub fn portion<T>(dtype: DType, all: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
    let at = DType::ALL.iter().position(|&other| other == dtype).unwrap_or(0);
    all.into_iter().enumerate().filter(move |(i, _)| at == 0 || i % 3 == at % 3).map(|(_, case)| case)
}

fn label(dtype: DType, shape: &[usize], more: &str) -> String {
    format!("{} {more}", TensorType::new(dtype, shape))
}

/// What `yes` says for floats, nothing for others.
fn if_float(dtype: DType, yes: Derivative) -> Derivative {
    if dtype.is_float() { yes } else { Derivative::None }
}

fn between(dtype: DType, shape: &[usize], low: f64, high: f64) -> Argument {
    Argument { ty: TensorType::new(dtype, shape), values: Values::Between(low, high) }
}

fn refusal(f: impl Fn(&[Tensor]) + 'static, types: &[(DType, &[usize])], message: &'static str) -> Refusal {
    let arguments = types.iter().map(|&(dtype, shape)| TensorType::new(dtype, shape)).collect();
    Refusal { f: Box::new(f), arguments, message }
}

fn sum() -> Record {
    let mut cases = Vec::new();
    for dtype in NUMBERS {
        for (shape, axes) in portion(dtype, REDUCED) {
            let terms = axes.iter().map(|&axis| shape[axis]).product::<usize>() as f64;
            cases.push(Case {
                label: label(dtype, shape, &format!("axes {axes:?}")),
                f: Box::new(move |x| vec![x[0].sum_axes(axes)]),
                arguments: vec![classes(dtype, shape)],
                budget: Budget::OfMagnitude(terms / 2.0, SUM),
                derivative: if_float(dtype, Derivative::Quadratic),
            });
        }
    }
    let refusals = vec![
        refusal(|x| drop(x[0].sum()), &[(DType::Bool, &[2])], "sum: defined for numbers, got bool[2]"),
        refusal(|x| drop(x[0].sum_axes([1])), &[(DType::F32, &[2])], "axis 1 does not exist in f32[2]"),
        refusal(|x| drop(x[0].sum_axes([0, 0])), &[(DType::F32, &[2])], "axis 0 is named twice"),
    ];
    Record { kind: Kind::ReduceSum, cases, refusals }
}

/// For every element of an array without `axes`: the row-major positions of those that are combined in it.
fn groups(shape: &[usize], axes: &[usize]) -> Vec<Vec<usize>> {
    let kept: Vec<usize> = (0..shape.len()).filter(|axis| !axes.contains(axis)).collect();
    let mut groups = vec![Vec::new(); kept.iter().map(|&axis| shape[axis]).product()];
    for at in 0..shape.iter().product() {
        let index = |axis: usize| at / shape[axis + 1..].iter().product::<usize>() % shape[axis];
        groups[kept.iter().fold(0, |group, &axis| group * shape[axis] + index(axis))].push(at);
    }
    groups
}

fn product() -> Record {
    let mut cases = Vec::new();
    for dtype in NUMBERS {
        for (shape, axes) in portion(dtype, REDUCED) {
            let factors = axes.iter().map(|&axis| shape[axis]).product::<usize>() as f64;
            let groups = groups(shape, axes);
            let f =
                move |x: &[Vec<Complex64>]| vec![groups.iter().map(|g| g.iter().map(|&i| x[0][i]).product()).collect()];
            cases.push(Case {
                label: label(dtype, shape, &format!("axes {axes:?}")),
                f: Box::new(move |x| vec![x[0].product_axes(axes)]),
                // About 1, so that no order of many overflows.
                arguments: vec![if dtype.is_float() { between(dtype, shape, 0.9, 1.1) } else { classes(dtype, shape) }],
                budget: Budget::Ulps(factors, PRODUCT),
                derivative: if_float(dtype, Derivative::Complex(Box::new(f))),
            });
        }
        cases.push(Case {
            label: label(dtype, &[2, 37], "of two"),
            f: Box::new(|x| vec![x[0].product_axes([0])]),
            arguments: vec![classes(dtype, &[2, 37])],
            budget: Budget::Ulps(0.5, "one rounding"),
            derivative: Derivative::None,
        });
    }
    for zeros in [1, 2, 5] {
        let f = |x: &[Vec<Complex64>]| vec![x[0].chunks(5).map(|line| settled(line.iter().product())).collect()];
        let values = (0..10).map(|i| if i % 5 < zeros { 0.0 } else { i as f64 - 4.5 }).collect();
        cases.push(Case {
            label: format!("{zeros} zeros"),
            f: Box::new(|x| vec![x[0].product_axes([1])]),
            arguments: vec![Argument { ty: TensorType::new(DType::F64, [2, 5]), values: Values::Given(values) }],
            budget: Budget::Ulps(5.0, PRODUCT),
            derivative: Derivative::Complex(Box::new(f)),
        });
    }
    let refusals =
        vec![refusal(|x| drop(x[0].product()), &[(DType::Bool, &[2])], "product: defined for numbers, got bool[2]")];
    Record { kind: Kind::ReduceProduct, cases, refusals }
}

/// The extreme of every group of row-major positions, by real parts.
pub fn chosen(groups: Vec<Vec<usize>>, largest: bool) -> Derivative {
    Derivative::Complex(Box::new(move |x| {
        let better = |a: Complex64, b: Complex64| if (a.re > b.re) == largest { a } else { b };
        let nothing = Complex64::new(if largest { f64::NEG_INFINITY } else { f64::INFINITY }, 0.0);
        vec![groups.iter().map(|group| group.iter().map(|&i| x[0][i]).reduce(better).unwrap_or(nothing)).collect()]
    }))
}

fn extreme(kind: Kind) -> Record {
    let combine = if kind == Kind::ReduceMax { Combine::Max } else { Combine::Min };
    let reduce = move |x: &Tensor, axes: &[usize]| match combine {
        Combine::Max => x.max_axes(axes),
        _ => x.min_axes(axes),
    };
    let mut cases = Vec::new();
    for dtype in NUMBERS {
        for (shape, axes) in portion(dtype, REDUCED) {
            cases.push(Case {
                label: label(dtype, shape, &format!("axes {axes:?}")),
                f: Box::new(move |x| vec![reduce(&x[0], axes)]),
                arguments: vec![classes(dtype, shape)],
                budget: Budget::Ulps(0.0, EXTREME),
                derivative: if_float(dtype, chosen(groups(shape, axes), kind == Kind::ReduceMax)),
            });
        }
    }
    let refusals = vec![
        refusal(move |x| drop(reduce(&x[0], &[0])), &[(DType::Bool, &[2])], "defined for numbers, got bool[2]"),
        refusal(move |x| drop(reduce(&x[0], &[3])), &[(DType::F32, &[2])], "axis 3 does not exist"),
    ];
    Record { kind, cases, refusals }
}

fn truth(kind: Kind) -> Record {
    let any = kind == Kind::ReduceAny;
    let reduce = move |x: &Tensor, axes: &[usize]| if any { x.any_axes(axes) } else { x.all_axes(axes) };
    let cases = REDUCED
        .into_iter()
        .map(|(shape, axes)| Case {
            label: label(DType::Bool, shape, &format!("axes {axes:?}")),
            f: Box::new(move |x| vec![reduce(&x[0], axes)]),
            arguments: vec![classes(DType::Bool, shape)],
            budget: Budget::Exact,
            derivative: Derivative::None,
        })
        .collect();
    let refusals =
        vec![refusal(move |x| drop(reduce(&x[0], &[0])), &[(DType::F32, &[2])], "defined for bool, got f32[2]")];
    Record { kind, cases, refusals }
}

/// Sums by a function of the test's own; the same with a maximum; truth values that differ.
fn fold() -> Record {
    let mut cases = Vec::new();
    for dtype in NUMBERS {
        for (shape, axes) in portion(dtype, REDUCED) {
            let terms = axes.iter().map(|&axis| shape[axis]).product::<usize>() as f64;
            cases.push(Case {
                label: label(dtype, shape, &format!("sum of axes {axes:?}")),
                f: Box::new(move |x| vec![x[0].reduce(0, axes, |a, b| a + b)]),
                arguments: vec![classes(dtype, shape)],
                budget: Budget::OfMagnitude(terms, "device and reference add in the element type, each in its order"),
                derivative: if_float(dtype, Derivative::Quadratic),
            });
        }
    }
    for dtype in FLOATS {
        cases.push(Case {
            label: label(dtype, &[4, 5], "largest, beginning with an operand"),
            f: Box::new(|x| vec![x[0].reduce(&x[1], [1], |a, b| a.maximum(&b))]),
            arguments: vec![classes(dtype, &[4, 5]), between(dtype, &[], -9.0, -8.0)],
            budget: Budget::Ulps(0.0, EXTREME),
            derivative: Derivative::Quadratic,
        });
    }
    cases.push(Case {
        label: "parity".into(),
        f: Box::new(|x| vec![x[0].reduce(number(0.0, DType::Bool), [0], |a, b| a ^ b)]),
        arguments: vec![classes(DType::Bool, &[5, 3])],
        budget: Budget::Exact,
        derivative: Derivative::None,
    });
    let refusals = vec![
        refusal(
            |x| drop(x[0].reduce(0.0, [0], |a, b| a + b * &x[1])),
            &[(DType::F32, &[2]), (DType::F32, &[])],
            "reduce: the function may use nothing but its two arguments, it uses f32[] from outside",
        ),
        refusal(|x| drop(x[0].reduce(0.0, [1], |a, b| a + b)), &[(DType::F32, &[2])], "axis 1 does not exist"),
        refusal(
            |x| drop(x[0].reduce(&x[0], [0], |a, b| a + b)),
            &[(DType::F32, &[2])],
            "f32[] expected to begin with, got f32[2]",
        ),
        refusal(
            |x| drop(x[0].reduce(0.0, [0], |a, b| a.lt(&b))),
            &[(DType::F32, &[2])],
            "the function must make one f32[] of two, it makes bool[] of f32[] and f32[]",
        ),
    ];
    Record { kind: Kind::Reduce, cases, refusals }
}

fn position(kind: Kind) -> Record {
    let largest = kind == Kind::ArgMax;
    let find = move |x: &Tensor, axis: usize| if largest { x.argmax(axis) } else { x.argmin(axis) };
    let shapes: [(&[usize], usize); 7] =
        [(&[1], 0), (&[7], 0), (&[3, 5], 0), (&[3, 5], 1), (&[0, 3], 1), (&[2, 3, 4], 1), (&[37, 29], 1)];
    let mut cases = Vec::new();
    for dtype in DType::ALL {
        for (shape, axis) in portion(dtype, shapes) {
            cases.push(Case {
                label: label(dtype, shape, &format!("axis {axis}")),
                f: Box::new(move |x| vec![find(&x[0], axis)]),
                arguments: vec![classes(dtype, shape)],
                budget: Budget::Exact,
                derivative: Derivative::None,
            });
        }
    }
    let refusals = vec![
        refusal(move |x| drop(find(&x[0], 1)), &[(DType::F32, &[3, 0])], "axis 1 of f32[3,0] is empty"),
        refusal(move |x| drop(find(&x[0], 1)), &[(DType::F32, &[3])], "axis 1 does not exist"),
    ];
    Record { kind, cases, refusals }
}

/// Shapes and the axis that is run along.
const RUN: [(&[usize], usize); 8] =
    [(&[0], 0), (&[3, 0], 0), (&[1], 0), (&[2], 0), (&[3, 5], 0), (&[3, 5], 1), (&[2, 6, 3], 1), (&[37, 29], 1)];

fn direction(axis: usize, reverse: bool) -> String {
    format!("axis {axis}{}", if reverse { " reverse" } else { "" })
}

fn cumulative_sum() -> Record {
    let mut cases = Vec::new();
    for dtype in NUMBERS {
        for (shape, axis) in portion(dtype, RUN) {
            for reverse in [false, true] {
                cases.push(Case {
                    label: label(dtype, shape, &direction(axis, reverse)),
                    f: Box::new(move |x| vec![if reverse { x[0].cumsum_reverse(axis) } else { x[0].cumsum(axis) }]),
                    arguments: vec![classes(dtype, shape)],
                    budget: Budget::OfMagnitude(shape[axis] as f64 / 2.0, SUM),
                    derivative: if_float(dtype, Derivative::Quadratic),
                });
            }
        }
    }
    Record { kind: Kind::CumulativeSum, cases, refusals: cumulative_refusals(|x, axis| drop(x.cumsum(axis))) }
}

fn cumulative_refusals(run: fn(&Tensor, usize)) -> Vec<Refusal> {
    vec![
        refusal(move |x| run(&x[0], 0), &[(DType::Bool, &[2])], "defined for numbers, got bool[2]"),
        refusal(move |x| run(&x[0], 1), &[(DType::F32, &[2])], "axis 1 does not exist in f32[2]"),
    ]
}

fn cumulative_product() -> Record {
    let mut cases = Vec::new();
    let run = |x: &Tensor, axis, reverse| if reverse { x.cumprod_reverse(axis) } else { x.cumprod(axis) };
    for dtype in NUMBERS {
        for (shape, axis) in portion(dtype, RUN) {
            for reverse in [false, true] {
                let products = products(shape, axis, reverse);
                cases.push(Case {
                    label: label(dtype, shape, &direction(axis, reverse)),
                    f: Box::new(move |x| vec![run(&x[0], axis, reverse)]),
                    // About 1, so that no order of many overflows.
                    arguments: vec![match dtype.is_float() {
                        true => between(dtype, shape, 0.9, 1.1),
                        false => classes(dtype, shape),
                    }],
                    budget: Budget::Ulps(shape[axis] as f64, PRODUCT),
                    derivative: if_float(dtype, products),
                });
            }
        }
        cases.push(Case {
            label: label(dtype, &[2, 37], "of two"),
            f: Box::new(move |x| vec![run(&x[0], 0, false)]),
            arguments: vec![classes(dtype, &[2, 37])],
            budget: Budget::Ulps(0.5, "one rounding"),
            derivative: Derivative::None,
        });
    }
    for zeros in [1, 3] {
        let values = (0..7).map(|i| if i % 3 < zeros { 0.0 } else { i as f64 - 2.5 }).collect();
        cases.push(Case {
            label: format!("zeros at {zeros} of three"),
            f: Box::new(move |x| vec![run(&x[0], 0, false)]),
            arguments: vec![Argument { ty: TensorType::new(DType::F64, [7]), values: Values::Given(values) }],
            budget: Budget::Ulps(7.0, PRODUCT),
            derivative: products(&[7], 0, false),
        });
    }
    let refusals = cumulative_refusals(|x, axis| drop(x.cumprod(axis)));
    Record { kind: Kind::CumulativeProduct, cases, refusals }
}

/// The number without what the square of a complex step leaves, where zeros are multiplied.
fn settled(z: Complex64) -> Complex64 {
    let part = |x: f64| if x.abs() < 1e-30 { 0.0 } else { x };
    Complex64::new(part(z.re), part(z.im))
}

/// The running product of complex numbers.
fn products(shape: &[usize], axis: usize, reverse: bool) -> Derivative {
    let lines = groups(shape, &[axis]);
    Derivative::Complex(Box::new(move |x| {
        let mut out = x[0].clone();
        for line in &lines {
            let mut product = Complex64::ONE;
            let ordered: Vec<usize> = if reverse { line.iter().rev().copied().collect() } else { line.clone() };
            for at in ordered {
                product *= x[0][at];
                out[at] = settled(product);
            }
        }
        vec![out]
    }))
}

fn cumulative_extreme(kind: Kind) -> Record {
    let largest = kind == Kind::CumulativeMax;
    let run = move |x: &Tensor, axis, reverse| match (largest, reverse) {
        (true, false) => x.cummax(axis),
        (true, true) => x.cummax_reverse(axis),
        (false, false) => x.cummin(axis),
        (false, true) => x.cummin_reverse(axis),
    };
    let mut cases = Vec::new();
    for dtype in NUMBERS {
        for (shape, axis) in portion(dtype, RUN) {
            for reverse in [false, true] {
                cases.push(Case {
                    label: label(dtype, shape, &direction(axis, reverse)),
                    f: Box::new(move |x| vec![run(&x[0], axis, reverse)]),
                    arguments: vec![classes(dtype, shape)],
                    budget: Budget::Ulps(0.0, EXTREME),
                    derivative: if_float(dtype, Derivative::Quadratic),
                });
            }
        }
    }
    let refused =
        if largest { |x: &Tensor, axis| drop(x.cummax(axis)) } else { |x: &Tensor, axis| drop(x.cummin(axis)) };
    Record { kind, cases, refusals: cumulative_refusals(refused) }
}
