//! Windows that move over an array.

use tandem_compile::ops::Kind;
use tandem_compile::{DType, Tensor, TensorType, Window};

use crate::record::{Budget, Case, Derivative, Record, Refusal, classes};
use crate::reductions::{chosen, portion};

const NUMBERS: [DType; 7] = [DType::F64, DType::F32, DType::F16, DType::BF16, DType::I64, DType::I32, DType::U32];

const SUM: &str = "the device adds in some order, in the element type; the reference rounds once";
const EXTREME: &str = "of zeros of both signs either is taken";

/// Arrays and windows over them.
fn windows() -> Vec<(&'static str, &'static [usize], Window)> {
    let line = |size: usize, stride: usize, padding: (i64, i64)| Window::new([size], [stride], [padding]);
    vec![
        ("scalar", &[], Window::new([], [], [])),
        ("of one", &[5], line(1, 1, (0, 0))),
        ("sliding", &[7], line(3, 1, (0, 0))),
        ("apart", &[7], line(2, 3, (0, 0))),
        ("whole", &[5], line(5, 1, (4, 0))),
        ("padded", &[4], line(3, 2, (2, 5))),
        ("left out", &[9], line(2, 1, (-2, -1))),
        ("too large", &[2], line(3, 1, (0, 0))),
        ("padding alone", &[3], line(2, 1, (4, 4))),
        ("empty", &[0], line(2, 1, (1, 2))),
        ("dilated", &[8], Window { dilation: vec![3], ..line(2, 1, (1, 1)) }),
        ("with holes", &[4], Window { base_dilation: vec![3], ..line(2, 1, (1, 1)) }),
        ("all at once", &[6], Window { dilation: vec![3], base_dilation: vec![2], ..line(3, 2, (3, -1)) }),
        ("pooling", &[2, 6, 7], Window::new([1, 2, 3], [1, 2, 3], [(0, 0), (0, 0), (1, 1)])),
        ("none", &[0, 4], Window::new([1, 2], [1, 1], [(0, 0), (0, 0)])),
        ("large", &[37, 29], Window::new([5, 3], [2, 2], [(2, 2), (1, 1)])),
    ]
}

/// For every window, row-major: the positions in the array of the elements in it. One axis after the other.
fn members(shape: &[usize], window: &Window) -> Vec<Vec<usize>> {
    let mut windows = vec![vec![0]];
    for (axis, &len) in shape.iter().enumerate() {
        let (size, stride, dilation) = (window.sizes[axis], window.strides[axis], window.dilation[axis]);
        let (low, high) = window.padding[axis];
        let mut spaced: Vec<Option<usize>> = Vec::new();
        for element in 0..len {
            let holes = if element == 0 { 0 } else { window.base_dilation[axis] - 1 };
            spaced.extend(vec![None; holes]);
            spaced.push(Some(element));
        }
        let skipped = usize::try_from(-low).unwrap_or(0);
        let mut places = vec![None; usize::try_from(low).unwrap_or(0)];
        places.extend(spaced.into_iter().skip(skipped));
        places.resize((places.len() as i64 + high) as usize, None);
        let starts = (0..places.len()).step_by(stride).filter(|start| start + (size - 1) * dilation < places.len());
        let along: Vec<Vec<usize>> =
            starts.map(|start| (0..size).filter_map(|i| places[start + i * dilation]).collect()).collect();
        let both = |outer: &Vec<usize>, inner: &Vec<usize>| -> Vec<usize> {
            outer.iter().flat_map(|o| inner.iter().map(move |i| o * len + i)).collect()
        };
        windows = windows.iter().flat_map(|outer| along.iter().map(move |inner| both(outer, inner))).collect();
    }
    windows
}

type Apply = fn(&Tensor, Window) -> Tensor;

pub fn records() -> Vec<Record> {
    vec![
        record(Kind::WindowSum, |x, window| x.window_sums(window)),
        record(Kind::WindowMax, |x, window| x.window_maxima(window)),
        record(Kind::WindowMin, |x, window| x.window_minima(window)),
        positions(),
    ]
}

fn record(kind: Kind, apply: Apply) -> Record {
    let mut cases = Vec::new();
    for dtype in NUMBERS {
        for (name, shape, window) in portion(dtype, windows()) {
            let derivative = match (kind, dtype.is_float()) {
                (_, false) => Derivative::None,
                (Kind::WindowSum, _) => Derivative::Quadratic,
                _ => chosen(members(shape, &window), kind == Kind::WindowMax),
            };
            let terms = window.sizes.iter().product::<usize>() as f64;
            cases.push(Case {
                label: format!("{} {name}", TensorType::new(dtype, shape)),
                f: Box::new(move |x| vec![apply(&x[0], window.clone())]),
                arguments: vec![classes(dtype, shape)],
                budget: match kind {
                    Kind::WindowSum => Budget::OfMagnitude(terms / 2.0, SUM),
                    _ => Budget::Ulps(0.0, EXTREME),
                },
                derivative,
            });
        }
    }
    cases.push(Case {
        label: "by the short method".into(),
        f: Box::new(move |x| {
            let (sizes, strides, padding) = ([2, 2], [2, 1], [(0, 1), (1, 0)]);
            vec![match kind {
                Kind::WindowSum => x[0].window_sum(sizes, strides, padding),
                Kind::WindowMax => x[0].window_max(sizes, strides, padding),
                _ => x[0].window_min(sizes, strides, padding),
            }]
        }),
        arguments: vec![classes(DType::F32, &[3, 4])],
        budget: Budget::OfMagnitude(2.0, SUM),
        derivative: Derivative::Quadratic,
    });
    let mut refusals = refusals(apply);
    refusals.push(Refusal {
        f: Box::new(move |x| drop(apply(&x[0], Window::new([1], [1], [(0, 0)])))),
        arguments: vec![TensorType::new(DType::Bool, [2])],
        message: "defined for numbers, got bool[2]",
    });
    Record { kind, cases, refusals }
}

fn positions() -> Record {
    let mut cases = Vec::new();
    for dtype in NUMBERS {
        for (name, shape, window) in portion(dtype, windows()) {
            cases.push(Case {
                label: format!("{} {name}", TensorType::new(dtype, shape)),
                f: Box::new(move |x| vec![x[0].window_argmax(window.clone()), x[0].window_argmin(window.clone())]),
                arguments: vec![classes(dtype, shape)],
                budget: Budget::Exact,
                derivative: Derivative::None,
            });
        }
    }
    Record { kind: Kind::ArgWindow, cases, refusals: refusals(|x, window| x.window_argmax(window)) }
}

fn refusals(apply: Apply) -> Vec<Refusal> {
    let refused = |window: Window, message| Refusal {
        f: Box::new(move |x| drop(apply(&x[0], window.clone()))),
        arguments: vec![TensorType::new(DType::F32, [4])],
        message,
    };
    let one = || Window::new([1], [1], [(0, 0)]);
    vec![
        refused(Window::new([1, 1], [1, 1], [(0, 0), (0, 0)]), "one entry per axis expected for f32[4]"),
        refused(Window::new([1], [1], []), "one entry per axis expected for f32[4]"),
        refused(Window { sizes: vec![0], ..one() }, "sizes, strides and dilations between 1 and"),
        refused(Window { strides: vec![0], ..one() }, "sizes, strides and dilations between 1 and"),
        refused(Window { base_dilation: vec![usize::MAX], ..one() }, "sizes, strides and dilations between 1 and"),
        refused(Window { padding: vec![(i64::MAX, 0)], ..one() }, "padding of at most"),
    ]
}
