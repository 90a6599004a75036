//! Loops, branches, barriers and derivatives of the user's own.

use num_complex::Complex64;
use tandem_compile::native::{Call, Handler, HostKernel};
use tandem_compile::ops::Kind;
use tandem_compile::{
    DType, Element, Tensor, TensorType, checkpoint, cond, custom_jvp, custom_vjp, fori_loop, kernel, linear_solve,
    number, optimization_barrier, scan, scan_reversed, stop_gradient, switch, while_loop,
};

use crate::record::{Argument, Budget, Case, Derivative, Record, Refusal, Values, classes};

const ROUNDING: &str = "sums and products alone, which XLA may contract to fused ones";

pub fn record(kind: Kind) -> Record {
    let (cases, refusals) = match kind {
        Kind::While => (repetitions(), while_refusals()),
        Kind::Scan => (scans(), scan_refusals()),
        Kind::Case => (branches(), case_refusals()),
        Kind::Barrier => (barriers(), Vec::new()),
        Kind::StopGradient => (stops(), Vec::new()),
        Kind::CustomJvp => (customs(), custom_refusals()),
        Kind::CustomVjp => (custom_reverses(), Vec::new()),
        Kind::Checkpoint => (checkpoints(), Vec::new()),
        Kind::Kernel => (kernels(), kernel_refusals()),
        Kind::LinearSolve => (linear_solves(), linear_solve_refusals()),
        other => unreachable!("{other} is no control primitive"),
    };
    Record { kind, cases, refusals }
}

fn between(dtype: DType, shape: &[usize], low: f64, high: f64) -> Argument {
    Argument { ty: TensorType::new(dtype, shape), values: Values::Between(low, high) }
}

fn integers(shape: &[usize], low: i64, high: i64) -> Argument {
    Argument { ty: TensorType::new(DType::I32, shape), values: Values::Integers(low, high) }
}

fn case(
    label: impl Into<String>,
    f: impl Fn(&[Tensor]) -> Vec<Tensor> + 'static,
    arguments: Vec<Argument>,
    budget: Budget,
    derivative: Derivative,
) -> Case {
    Case { label: label.into(), f: Box::new(f), arguments, budget, derivative }
}

fn complex(f: impl Fn(&[Vec<Complex64>]) -> Vec<Vec<Complex64>> + 'static) -> Derivative {
    Derivative::Complex(Box::new(f))
}

fn repetitions() -> Vec<Case> {
    let halve = |x: &[Tensor]| vec![while_loop(x[0].clone(), |x| x.abs().max().gt(1.0), |x| x * 0.5)];
    let collatz = |x: &[Tensor]| {
        let body = |(n, steps): (Tensor, Tensor)| {
            let even = (&n & 1).eq(0);
            (even.select(&n / 2, &n * 3 + 1), steps + 1)
        };
        let (n, steps) = while_loop((x[0].clone(), number(0.0, DType::I32)), |(n, _)| n.gt(1), body);
        vec![n, steps]
    };
    let captured = |x: &[Tensor]| {
        let (limit, rate) = (&x[1], &x[2]);
        let body = |(x, n): (Tensor, Tensor)| (x * rate, n + 1);
        let zero = (&x[0] * 0.0).sum().convert(DType::I32);
        let (x, n) = while_loop((x[0].clone(), zero), |(x, n)| x.square().sum().lt(limit) & n.lt(40), body);
        vec![x, n]
    };
    let mut cases = Vec::new();
    for dtype in [DType::F64, DType::F32] {
        for shape in [&[] as &[usize], &[1], &[3, 5], &[0, 3]] {
            let arguments = vec![between(dtype, shape, -90.0, 90.0)];
            let derivative =
                Derivative::ForwardOnly(Box::new(Derivative::Quadratic), "while: no reverse-mode derivative");
            cases.push(case(format!("halve {dtype}{shape:?}"), halve, arguments, Budget::Exact, derivative));
        }
        let arguments =
            vec![between(dtype, &[3], 0.5, 1.0), between(dtype, &[], 5.0, 90.0), between(dtype, &[], 1.1, 2.0)];
        let budget = Budget::Ulps(8.0, ROUNDING);
        cases.push(case(format!("captured {dtype}"), captured, arguments, budget, Derivative::None));
    }
    cases.push(case("collatz", collatz, vec![integers(&[], 1, 60)], Budget::Exact, Derivative::None));
    cases
}

fn while_refusals() -> Vec<Refusal> {
    vec![
        Refusal {
            f: Box::new(|x| drop(while_loop(x[0].clone(), |x| x.lt(1.0), |x| x * 2.0))),
            arguments: vec![TensorType::new(DType::F32, [2])],
            message: "while: the condition's result must be bool[], got bool[2]",
        },
        Refusal {
            f: Box::new(|x| drop(while_loop(x[0].clone(), |x| x.sum().lt(1.0), |x| x.sum()))),
            arguments: vec![TensorType::new(DType::F32, [2])],
            message: "while: the next carry must be f32[2], got f32[]",
        },
    ]
}

fn scans() -> Vec<Case> {
    let horner = |x: &[Tensor]| {
        let at = x[0].clone();
        let (value, partial) = scan(x[1].clone(), x[2].clone(), |sum, c| (&sum * &at + c, sum * &at));
        vec![value, partial]
    };
    let backwards = |x: &[Tensor]| {
        let at = x[0].clone();
        let (value, partial) = scan_reversed(x[1].clone(), x[2].clone(), |sum, c| (&sum * &at + c, sum * &at));
        vec![value, partial]
    };
    let plain = |reverse: bool| {
        move |x: &[Vec<Complex64>]| {
            let (at, mut sum) = (x[0][0], x[1][0]);
            let mut partial = vec![Complex64::default(); x[2].len()];
            let mut order: Vec<usize> = (0..partial.len()).collect();
            if reverse {
                order.reverse();
            }
            for i in order {
                partial[i] = sum * at;
                sum = sum * at + x[2][i];
            }
            vec![vec![sum], partial]
        }
    };
    let indexed = |x: &[Tensor]| {
        let dtype = x[0].dtype();
        vec![fori_loop(2, 5, x[0].clone(), |i, x| x.sin() * i.convert(dtype))]
    };
    let plain_indexed =
        |x: &[Vec<Complex64>]| vec![x[0].iter().map(|&x| (2..5).fold(x, |x, i| x.sin() * f64::from(i))).collect()];
    let nested = |x: &[Tensor]| {
        let inner = |row: Tensor| scan(row.clone().sum_axes([0]), row, |c, x| (&c * x.cos() + &x, c)).0;
        vec![scan(x[0].slice(0, 0, 1).sum(), x[0].clone(), |c, row| (&c * 0.5 + inner(row), c)).1]
    };
    let plain_nested = |x: &[Vec<Complex64>]| {
        let (mut c, mut stacked) = (x[0][..4].iter().sum::<Complex64>(), Vec::new());
        for row in x[0].chunks(4) {
            let inner = row.iter().fold(row.iter().sum(), |c: Complex64, x| c * x.cos() + x);
            stacked.push(c);
            c = c * 0.5 + inner;
        }
        vec![stacked]
    };
    let mut cases = Vec::new();
    let budget = Budget::OfMagnitude(16.0, ROUNDING);
    for dtype in [DType::F64, DType::F32] {
        for length in [0, 1, 5, 37] {
            let arguments = || {
                vec![
                    between(dtype, &[], -0.9, 0.9),
                    between(dtype, &[], -2.0, 2.0),
                    between(dtype, &[length], -2.0, 2.0),
                ]
            };
            let label = format!("horner {dtype}[{length}]");
            cases.push(case(format!("{label} reversed"), backwards, arguments(), budget, complex(plain(true))));
            cases.push(case(label, horner, arguments(), budget, complex(plain(false))));
        }
        let largest = Budget::OfLargest(64.0, "three sines and cosines of one another amplify their roundings");
        let arguments = vec![between(dtype, &[3], -1.0, 1.0)];
        cases.push(case(format!("indexed {dtype}"), indexed, arguments, largest, complex(plain_indexed)));
        let arguments = vec![between(dtype, &[3, 4], -1.0, 1.0)];
        cases.push(case(format!("nested {dtype}"), nested, arguments, largest, complex(plain_nested)));
    }
    let counts = |x: &[Tensor]| vec![fori_loop(0, 6, x[0].clone(), |i, x| x * 3 + i)];
    cases.push(case("integers", counts, vec![classes(DType::I32, &[3])], Budget::Exact, Derivative::None));
    cases
}

fn scan_refusals() -> Vec<Refusal> {
    let two = |shapes: [&[usize]; 2]| shapes.map(|shape| TensorType::new(DType::F64, shape)).to_vec();
    vec![
        Refusal {
            f: Box::new(|x| drop(scan(x[0].clone(), x[1].clone(), |c, x| (c + &x, x)))),
            arguments: two([&[], &[3, 2]]),
            message: "scan: the next carry must be f64[], got f64[2]",
        },
        Refusal {
            f: Box::new(|x| drop(scan(x[0].sum(), (x[0].clone(), x[1].clone()), |c, x| (c, x.0)))),
            arguments: two([&[3], &[2]]),
            message: "scan: f64[2] has not the 3 slices that the loop takes",
        },
        Refusal {
            f: Box::new(|x| drop(scan(x[0].clone(), x[1].clone(), |c, x| (c, x)))),
            arguments: two([&[3], &[]]),
            message: "scan: an array expected to take slices of",
        },
    ]
}

fn branches() -> Vec<Case> {
    let either = |x: &[Tensor]| vec![cond(&x[0].sum().gt(0.0), || &x[0] * &x[1], || x[0].square() - &x[1])];
    let chosen = |x: &[Tensor]| {
        let branch = |n: usize| (&x[1] * (n as f64 + 1.0), x[1].square().sum());
        let (a, b) = switch(&x[0], 3, branch);
        vec![a, b]
    };
    let mut cases = Vec::new();
    for dtype in [DType::F64, DType::F32] {
        for (low, high) in [(0.5, 2.0), (-2.0, -0.5)] {
            let label = format!("either {dtype} {low}");
            let arguments = vec![between(dtype, &[3], low, high), between(dtype, &[3], -1.0, 1.0)];
            cases.push(case(label, either, arguments, Budget::OfMagnitude(2.0, ROUNDING), Derivative::Quadratic));
        }
        for n in [-5, 0, 1, 2, 7] {
            let which = Argument { ty: TensorType::scalar(DType::I32), values: Values::Given(vec![f64::from(n)]) };
            let arguments = vec![which, between(dtype, &[2, 2], -2.0, 2.0)];
            let budget = Budget::OfMagnitude(4.0, ROUNDING);
            cases.push(case(format!("switch {n} {dtype}"), chosen, arguments, budget, Derivative::Quadratic));
        }
    }
    cases
}

fn case_refusals() -> Vec<Refusal> {
    vec![
        Refusal {
            f: Box::new(|x| drop(cond(&x[0].gt(0.0), || x[0].clone(), || x[0].clone()))),
            arguments: vec![TensorType::new(DType::F32, [2])],
            message: "cond: a bool scalar expected to choose by, got bool[2]",
        },
        Refusal {
            f: Box::new(|x| drop(switch(&x[0], 2, |_| x[0].clone()))),
            arguments: vec![TensorType::scalar(DType::I64)],
            message: "switch: an i32 scalar expected to choose by, got i64[]",
        },
        Refusal {
            f: Box::new(|x| drop(cond(&x[0].gt(0.0), || x[0].clone(), || x[0].convert(DType::F64)))),
            arguments: vec![TensorType::scalar(DType::F32)],
            message: "cond: the branches' results must be f64[], got f32[]",
        },
    ]
}

fn barriers() -> Vec<Case> {
    let behind = |x: &[Tensor]| {
        let (a, b) = optimization_barrier(&(x[0].clone(), x[1].clone()));
        vec![a, b]
    };
    let dtypes = [DType::F64, DType::F32, DType::BF16, DType::I32, DType::Bool];
    let case_of = |dtype: DType| {
        let derivative = if dtype == DType::F64 { Derivative::Quadratic } else { Derivative::None };
        let arguments = vec![classes(dtype, &[3, 5]), classes(dtype, &[])];
        case(format!("{dtype}"), behind, arguments, Budget::Exact, derivative)
    };
    dtypes.into_iter().map(case_of).collect()
}

fn stops() -> Vec<Case> {
    let stopped = |x: &[Tensor]| vec![stop_gradient(&x[0])];
    let case_of = |dtype: DType| {
        case(format!("{dtype}"), stopped, vec![classes(dtype, &[3, 5])], Budget::Exact, Derivative::None)
    };
    [DType::F64, DType::F32, DType::I64, DType::Bool].into_iter().map(case_of).collect()
}

fn customs() -> Vec<Case> {
    let product = |x: &[Tensor]| {
        let f = custom_jvp(|(x, y): (Tensor, Tensor)| x * y, |(x, y), (dx, dy)| (&x * &y, dx * &y + x * dy));
        vec![f((x[0].clone(), x[1].clone()))]
    };
    let case_of = |dtype: DType| {
        let arguments = vec![between(dtype, &[3], -2.0, 2.0), between(dtype, &[3], -2.0, 2.0)];
        case(format!("{dtype}"), product, arguments, Budget::Ulps(0.5, "one product"), Derivative::Quadratic)
    };
    [DType::F64, DType::F32].into_iter().map(case_of).collect()
}

fn custom_refusals() -> Vec<Refusal> {
    vec![Refusal {
        f: Box::new(|x| {
            let f = custom_jvp(|y: Tensor| y * &x[0], |y: Tensor, dy: Tensor| (y, dy));
            drop(f(x[0].clone()));
        }),
        arguments: vec![TensorType::scalar(DType::F64)],
        message: "custom_jvp: the function uses a tensor from outside; pass it as an argument",
    }]
}

/// The product of two arrays, of however many axes.
struct Products;

impl HostKernel for Products {
    const NAME: &'static str = "records_products";

    fn run(call: &mut Call<'_>) -> Result<(), String> {
        fn fill<T: Element + std::ops::Mul<Output = T>>(call: &mut Call<'_>) -> Result<(), String> {
            let (x, y, z) = (call.argument::<T>(0)?, call.argument::<T>(1)?, call.result::<T>(0)?);
            x.iter().zip(y).zip(z).for_each(|((x, y), z)| *z = *x * *y);
            Ok(())
        }
        if call.argument_type(0).dtype == DType::F64 { fill::<f64>(call) } else { fill::<f32>(call) }
    }
}

fn kernels() -> Vec<Case> {
    let product = |x: &[Tensor]| {
        let rule = |(x, y): &(Tensor, Tensor), _: &Tensor, (dx, dy): &(Tensor, Tensor)| dx * y + x * dy;
        let f = kernel(Some(Handler::of::<Products>()), |(x, y): (Tensor, Tensor)| x * y, rule);
        vec![f((x[0].clone(), x[1].clone()))]
    };
    let case_of = |dtype: DType| {
        let arguments = vec![between(dtype, &[3], -2.0, 2.0), between(dtype, &[3], -2.0, 2.0)];
        case(format!("{dtype}"), product, arguments, Budget::Ulps(0.5, "one product"), Derivative::Quadratic)
    };
    [DType::F64, DType::F32].into_iter().map(case_of).collect()
}

fn kernel_refusals() -> Vec<Refusal> {
    vec![Refusal {
        f: Box::new(|x| {
            let f = kernel(None, |y: Tensor| y * &x[0], |_: &Tensor, _: &Tensor, dy: &Tensor| dy.clone());
            drop(f(x[0].clone()));
        }),
        arguments: vec![TensorType::scalar(DType::F64)],
        message: "kernel: the function uses a tensor from outside; pass it as an argument",
    }]
}

/// Division, as the solution of a diagonal system: whose derivatives are known.
fn linear_solves() -> Vec<Case> {
    let quotient = |x: &[Tensor]| vec![linear_solve(|v| &x[0] * v, &x[1], |b| (b / &x[0], ())).0];
    let plain = |x: &[Vec<Complex64>]| vec![x[0].iter().zip(&x[1]).map(|(a, b)| b / a).collect::<Vec<Complex64>>()];
    let case_of = |dtype: DType| {
        let arguments = vec![between(dtype, &[3], 0.5, 2.0), between(dtype, &[3], -2.0, 2.0)];
        case(format!("{dtype}"), quotient, arguments, Budget::Ulps(0.5, "one division"), complex(plain))
    };
    [DType::F64, DType::F32].into_iter().map(case_of).collect()
}

fn linear_solve_refusals() -> Vec<Refusal> {
    vec![Refusal {
        f: Box::new(|x| drop(linear_solve(|v| v.sum(), &x[0], |b| (b.clone(), ())))),
        arguments: vec![TensorType::new(DType::F64, [3])],
        message: "linear_solve: A x and x must be f64[3] like b, they are f64[] and f64[3]",
    }]
}

/// There is no forward mode, so the derivative is tested elsewhere, with the other transforms.
fn custom_reverses() -> Vec<Case> {
    let square = |x: &[Tensor]| {
        let f = custom_vjp(|x: Tensor| x.square(), |x: Tensor| (x.square(), x), |x: Tensor, ct: Tensor| ct * x * 2.0);
        vec![f(x[0].clone())]
    };
    let case_of = |dtype: DType| {
        let arguments = vec![between(dtype, &[3], -2.0, 2.0)];
        case(format!("{dtype}"), square, arguments, Budget::Ulps(0.5, "one product"), Derivative::None)
    };
    [DType::F64, DType::F32].into_iter().map(case_of).collect()
}

fn checkpoints() -> Vec<Case> {
    let saved = |x: &[Tensor]| {
        let f = checkpoint(|(x, y): (Tensor, Tensor)| (x.sin() * y.exp(), x.square()));
        let (a, b) = f((x[0].clone(), x[1].clone()));
        vec![a, b]
    };
    let plain = |x: &[Vec<Complex64>]| {
        let product = x[0].iter().zip(&x[1]).map(|(x, y)| x.sin() * y.exp()).collect();
        vec![product, x[0].iter().map(|x| x * x).collect()]
    };
    let case_of = |dtype: DType| {
        let arguments = vec![between(dtype, &[5], -2.0, 2.0), between(dtype, &[5], -2.0, 2.0)];
        case(format!("{dtype}"), saved, arguments, Budget::Ulps(8.0, "a sine times an exponential"), complex(plain))
    };
    [DType::F64, DType::F32].into_iter().map(case_of).collect()
}
