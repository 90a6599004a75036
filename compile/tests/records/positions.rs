//! Records of what reads and writes at positions that the program computes.

use tandem_compile::ops::Kind;
use tandem_compile::ops::gather::Gather;
use tandem_compile::ops::scatter::{Combiner, Scatter};
use tandem_compile::ops::windows::Windows;
use tandem_compile::{DType, Tensor, TensorType};

use crate::arrangement::{self, linear, refusal, ty};
use crate::record::{Argument, Budget, Case, Record, Values, classes};

pub fn records() -> Vec<Record> {
    vec![dynamic_slice(), dynamic_update_slice(), gather(), scatter()]
}

const POSITIONS: [DType; 3] = [DType::I32, DType::I64, DType::U32];

fn case(name: &str, arguments: Vec<Argument>, f: impl Fn(&[Tensor]) -> Tensor + 'static) -> Case {
    let types: Vec<String> = arguments.iter().map(|argument| argument.ty.to_string()).collect();
    Case {
        label: format!("{} {name}", types.join(" ")),
        f: Box::new(move |x| vec![f(x)]),
        budget: Budget::Exact,
        derivative: linear(arguments[0].ty.dtype),
        arguments,
    }
}

/// Positions inside and a little outside of an axis of `size`.
fn positions(dtype: DType, shape: &[usize], size: usize) -> Argument {
    let low = if dtype == DType::U32 { 0 } else { -2 };
    Argument { ty: ty(dtype, shape), values: Values::Integers(low, size as i64 + 2) }
}

/// These positions.
fn given(dtype: DType, shape: &[usize], values: &[i64]) -> Argument {
    Argument { ty: ty(dtype, shape), values: Values::Given(values.iter().map(|&i| i as f64).collect()) }
}

/// Positions at the ends of their type, and one inside.
fn extreme(dtype: DType, shape: &[usize]) -> Argument {
    match dtype {
        DType::I32 => given(dtype, shape, &[i32::MIN.into(), 1, i32::MAX.into(), -1]),
        DType::U32 => given(dtype, shape, &[u32::MAX.into(), 1, 1 << 31, 0]),
        _ => given(dtype, shape, &[i64::MIN, 1, 1 << 40, -(1 << 33), 1 << 62, (1 << 32) + 1, -1]),
    }
}

/// Of most dtypes one shape will do, as elements are only moved.
fn types() -> Vec<TensorType> {
    let needed = |ty: &TensorType| match ty.dtype {
        DType::F64 => ty.shape != [2, 0, 3],
        DType::F32 => ty.ndim() == 2,
        _ => ty.shape == [3, 5],
    };
    arrangement::types().into_iter().filter(needed).collect()
}

/// The first and the last axis, in f64.
fn ends(ty: &TensorType) -> Vec<usize> {
    match ty.dtype {
        DType::F64 if ty.ndim() > 1 => vec![0, ty.ndim() - 1],
        _ => vec![0],
    }
}

/// Half of every axis, at least one where there is one.
fn half(shape: &[usize]) -> Vec<usize> {
    shape.iter().map(|size| size.div_ceil(2)).collect()
}

/// The starts of every axis: near it, and of every integer type far from it.
fn starts(ty: &TensorType) -> Vec<Vec<Argument>> {
    let mut all: Vec<Vec<Argument>> = vec![ty.shape.iter().map(|&size| positions(DType::I32, &[], size)).collect()];
    if ty.dtype == DType::F32 {
        all.extend(POSITIONS.map(|dtype| ty.shape.iter().map(|_| extreme(dtype, &[])).collect::<Vec<_>>()));
    }
    all
}

fn dynamic_slice() -> Record {
    let mut cases = Vec::new();
    for ty in types() {
        for (name, sizes) in
            [("half", half(&ty.shape)), ("all of it", ty.shape.clone()), ("nothing", vec![0; ty.ndim()])]
        {
            for starts in starts(&ty) {
                let sizes = sizes.clone();
                let mut arguments = vec![classes(ty.dtype, &ty.shape)];
                arguments.extend(starts);
                let starts = types_of(&arguments[1..]);
                cases.push(case(&format!("{name} {starts}"), arguments, move |x| {
                    x[0].dynamic_slice(&x[1..].iter().collect::<Vec<_>>(), sizes.clone())
                }));
            }
        }
    }
    let (matrix, at) = (ty(DType::F32, &[2, 3]), ty(DType::I32, &[]));
    let refusals = vec![
        refusal(&[matrix.clone(), at.clone()], "dynamic_slice: 1 starts given for f32[2,3]", |x| {
            drop(x[0].dynamic_slice(&[&x[1]], [1, 1]));
        }),
        refusal(&[matrix.clone(), at.clone()], "dynamic_slice: a window of [1, 4] does not fit into f32[2,3]", |x| {
            drop(x[0].dynamic_slice(&[&x[1], &x[1]], [1, 4]));
        }),
        refusal(&[matrix.clone(), at, ty(DType::I64, &[])], "starts must be integer scalars of one dtype", |x| {
            drop(x[0].dynamic_slice(&[&x[1], &x[2]], [1, 1]));
        }),
        refusal(&[matrix, ty(DType::F32, &[])], "starts must be integer scalars of one dtype", |x| {
            drop(x[0].index(0, &x[1]));
        }),
    ];
    Record { kind: Kind::DynamicSlice, cases, refusals }
}

fn types_of(arguments: &[Argument]) -> String {
    match arguments.first() {
        Some(Argument { values: Values::Given(values), .. }) => format!("far, such as {}", values[0]),
        _ => "near".into(),
    }
}

fn dynamic_update_slice() -> Record {
    let mut cases = Vec::new();
    for ty in types() {
        for (name, sizes) in
            [("half", half(&ty.shape)), ("all of it", ty.shape.clone()), ("nothing", vec![0; ty.ndim()])]
        {
            for starts in starts(&ty) {
                let mut arguments = vec![classes(ty.dtype, &ty.shape), classes(ty.dtype, &sizes)];
                arguments.extend(starts);
                let starts = types_of(&arguments[2..]);
                cases.push(case(&format!("{name} {starts}"), arguments, |x| {
                    x[0].dynamic_update_slice(&x[1], &x[2..].iter().collect::<Vec<_>>())
                }));
            }
        }
    }
    let (vector, at) = (ty(DType::F32, &[3]), ty(DType::I32, &[]));
    let refusals = vec![
        refusal(
            &[vector.clone(), ty(DType::F32, &[4]), at.clone()],
            "an update f32[4] does not fit into f32[3]",
            |x| {
                drop(x[0].dynamic_update_slice(&x[1], &[&x[2]]));
            },
        ),
        refusal(&[vector.clone(), ty(DType::F64, &[2]), at], "an update f64[2] does not fit into f32[3]", |x| {
            drop(x[0].dynamic_update_slice(&x[1], &[&x[2]]));
        }),
        refusal(&[vector], "dynamic_update_slice: 0 starts given for f32[3]", |x| {
            drop(x[0].dynamic_update_slice(&x[0], &[]));
        }),
    ];
    Record { kind: Kind::DynamicUpdateSlice, cases, refusals }
}

/// Positions of an axis of `size`, in several shapes: near it, and in f32 far from it; none where there is nothing.
fn indices(dtype: DType, size: usize) -> Vec<Argument> {
    let shapes: [&[usize]; 4] = [&[4], &[], &[2, 3], &[0]];
    let mut all: Vec<Argument> = match size {
        _ if !matches!(dtype, DType::F64 | DType::F32) => vec![positions(DType::I32, &[2, 3], size)],
        0 => vec![positions(DType::I32, &[0], size), positions(DType::I64, &[2, 0], size)],
        _ => shapes.map(|shape| positions(DType::I32, shape, size)).into(),
    };
    if dtype == DType::F32 && size > 0 {
        all.extend(POSITIONS.map(|dtype| extreme(dtype, &[7])));
    }
    all
}

/// Windows of two axes of a matrix, each with a start, and the sizes of two by one.
fn blocks() -> Windows {
    Windows { window_axes: vec![1, 2], start_axes: vec![1, 0], ..Windows::default() }
}

/// Windows of [2] in f[3,5,4]: axis 0 counts problems, axis 1 is dropped, and positions are [4,3,1 or 2].
fn several(start_axes: &[usize]) -> Windows {
    Windows {
        window_axes: vec![0],
        dropped_axes: vec![1],
        batch_axes: vec![0],
        index_batch_axes: vec![1],
        start_axes: start_axes.to_vec(),
    }
}

fn gather() -> Record {
    let mut cases = Vec::new();
    for ty in types().into_iter().filter(|ty| ty.ndim() > 0) {
        for axis in ends(&ty) {
            for indices in indices(ty.dtype, ty.shape[axis]) {
                let name = format!("taken along axis {axis}, {}", types_of(std::slice::from_ref(&indices)));
                let arguments = vec![classes(ty.dtype, &ty.shape), indices];
                cases.push(case(&name, arguments, move |x| x[0].take(&x[1], axis)));
            }
            let mut shape = ty.shape.clone();
            shape[axis] = shape[axis].min(2);
            let arguments = vec![classes(ty.dtype, &ty.shape), positions(DType::I64, &shape, ty.shape[axis])];
            cases.push(case(&format!("along axis {axis}"), arguments, move |x| x[0].take_along(&x[1], axis)));
        }
    }
    for dtype in DType::ALL {
        let arguments = || vec![classes(dtype, &[3, 5]), positions(DType::I32, &[4, 2], 4)];
        cases
            .push(case("blocks", arguments(), |x| x[0].gather(&x[1], Gather { windows: blocks(), sizes: vec![2, 1] })));
        cases.push(case("empty blocks", arguments(), |x| {
            x[0].gather(&x[1], Gather { windows: blocks(), sizes: vec![2, 0] })
        }));
        let arguments = vec![classes(dtype, &[3, 5, 4]), positions(DType::I64, &[4, 3, 2], 4)];
        cases.push(case("several problems", arguments, |x| {
            x[0].gather(&x[1], Gather { windows: several(&[2, 1]), sizes: vec![1, 1, 2] })
        }));
        let arguments = vec![classes(dtype, &[3, 5, 4]), positions(DType::I64, &[4, 3, 0], 4)];
        cases.push(case("no starts", arguments, |x| {
            x[0].gather(&x[1], Gather { windows: several(&[]), sizes: vec![1, 1, 2] })
        }));
    }
    Record { kind: Kind::Gather, cases, refusals: gather_refusals() }
}

fn gather_refusals() -> Vec<crate::record::Refusal> {
    let matrix = || ty(DType::F32, &[2, 3]);
    vec![
        refusal(&[matrix(), ty(DType::F32, &[2])], "take: integers expected as positions, got f32[2]", |x| {
            drop(x[0].take(&x[1], 0));
        }),
        refusal(&[matrix(), ty(DType::I32, &[2])], "take: axis 2 does not exist in f32[2,3]", |x| {
            drop(x[0].take(&x[1], 2));
        }),
        refusal(&[ty(DType::F32, &[0]), ty(DType::I32, &[])], "take: axis 0 of f32[0] is empty", |x| {
            drop(x[0].take(&x[1], 0));
        }),
        refusal(&[matrix(), ty(DType::I32, &[2, 4])], "do not have the shape of f32[2,3] but for axis 0", |x| {
            drop(x[0].take_along(&x[1], 0));
        }),
        refusal(&[matrix(), ty(DType::I32, &[2])], "take_along: positions i32[2] do not have the shape", |x| {
            drop(x[0].take_along(&x[1], 0));
        }),
        refusal(&[matrix(), ty(DType::I32, &[4, 2])], "gather: windows of [2, 4] do not fit into f32[2,3]", |x| {
            drop(x[0].gather(&x[1], Gather { windows: blocks(), sizes: vec![2, 4] }));
        }),
        refusal(&[matrix(), ty(DType::I32, &[4, 3])], "with a last axis of 2 starts expected, got i32[4,3]", |x| {
            drop(x[0].gather(&x[1], Gather { windows: blocks(), sizes: vec![1, 1] }));
        }),
        refusal(&[matrix(), ty(DType::I32, &[4, 1])], "lack axis 0, where their size is not 1", |x| {
            let windows =
                Windows { window_axes: vec![1], dropped_axes: vec![0], start_axes: vec![0], ..Windows::default() };
            drop(x[0].gather(&x[1], Gather { windows, sizes: vec![2, 3] }));
        }),
        refusal(&[matrix(), ty(DType::I32, &[4, 2])], "2 different axes expected, each below 3", |x| {
            let windows = Windows { window_axes: vec![1, 3], ..blocks() };
            drop(x[0].gather(&x[1], Gather { windows, sizes: vec![1, 1] }));
        }),
        refusal(&[matrix(), ty(DType::I32, &[4, 1])], "do not belong together", |x| {
            let windows = Windows {
                batch_axes: vec![0],
                index_batch_axes: vec![0],
                window_axes: vec![1],
                start_axes: vec![1],
                ..Windows::default()
            };
            drop(x[0].gather(&x[1], Gather { windows, sizes: vec![1, 1] }));
        }),
    ]
}

/// Which kind of scatter, and how its result is judged.
const COMBINERS: [(&str, Combiner); 4] =
    [("add", Combiner::Add), ("set", Combiner::Set), ("max", Combiner::Max), ("min", Combiner::Min)];

fn along(combine: Combiner, x: &[Tensor], axis: usize) -> Tensor {
    match combine {
        Combiner::Add => x[0].scatter_add(&x[1], &x[2], axis),
        Combiner::Set => x[0].scatter_set(&x[1], &x[2], axis),
        Combiner::Max => x[0].scatter_max(&x[1], &x[2], axis),
        Combiner::Min => x[0].scatter_min(&x[1], &x[2], axis),
    }
}

fn scatter_case(
    name: &str,
    combine: Combiner,
    arguments: Vec<Argument>,
    f: impl Fn(&[Tensor]) -> Tensor + 'static,
) -> Case {
    let mut case = case(name, arguments, f);
    if combine == Combiner::Add && case.arguments[0].ty.dtype.is_float() {
        let most = 1.0 + case.arguments[1].ty.len() as f64;
        case.budget = Budget::OfMagnitude(most, "updates that meet are added in an order that is the device's own");
    }
    case
}

/// Whether a combination is defined for a dtype.
fn defined(combine: Combiner, dtype: DType) -> bool {
    dtype != DType::Bool || combine == Combiner::Set
}

fn scatter() -> Record {
    let mut cases = Vec::new();
    for (name, combine) in COMBINERS {
        for ty in types().into_iter().filter(|ty| ty.ndim() > 0 && defined(combine, ty.dtype)) {
            for axis in ends(&ty) {
                cases.extend(scatters_along(name, combine, &ty, axis));
            }
        }
        for dtype in DType::ALL.into_iter().filter(|&dtype| defined(combine, dtype)) {
            cases.extend(general_scatters(name, combine, dtype));
        }
    }
    Record { kind: Kind::Scatter, cases, refusals: scatter_refusals() }
}

fn scatters_along(name: &str, combine: Combiner, ty: &TensorType, axis: usize) -> Vec<Case> {
    let size = ty.shape[axis];
    let mut positions = indices(ty.dtype, size);
    // All updates of an empty axis are dropped.
    positions.push(given(DType::I32, &[2], &[0, -1]));
    if combine == Combiner::Set {
        // Each position at most once, as the order of updates is not defined.
        positions = vec![
            given(DType::I32, &[3], &[2, -1, 0]),
            given(DType::I64, &[], &[1]),
            given(DType::I64, &[2, 2], &[1 << 32, 0, 3, -(1 << 33)]),
            given(DType::U32, &[2], &[u32::MAX.into(), 1]),
            given(DType::U32, &[0], &[0]),
        ];
    }
    let one = |indices: Argument| {
        let updates = [&ty.shape[..axis], &indices.ty.shape, &ty.shape[axis + 1..]].concat();
        let far = if matches!(indices.values, Values::Given(_)) { " given" } else { "" };
        let arguments = vec![classes(ty.dtype, &ty.shape), indices, classes(ty.dtype, &updates)];
        scatter_case(&format!("{name} along axis {axis}{far}"), combine, arguments, move |x| along(combine, x, axis))
    };
    positions.into_iter().map(one).collect()
}

fn general_scatters(name: &str, combine: Combiner, dtype: DType) -> Vec<Case> {
    let (blocks_at, several_at) = match combine {
        Combiner::Set => (
            given(DType::I32, &[4, 2], &[0, 0, 2, 0, 4, 1, 3, 2]),
            given(DType::I64, &[2, 3, 2], &[0, 0, 1, 2, -1, 2, 2, 0, 0, 4, 0, 0]),
        ),
        _ => (positions(DType::I32, &[4, 2], 4), positions(DType::I64, &[2, 3, 2], 4)),
    };
    let scatter = move |windows| Scatter { windows, combine, unique: combine == Combiner::Set };
    let blocks_of = vec![classes(dtype, &[3, 5]), blocks_at, classes(dtype, &[4, 2, 1])];
    let several_of = vec![classes(dtype, &[3, 5, 4]), several_at, classes(dtype, &[2, 2, 3])];
    let empty = vec![classes(dtype, &[3, 5]), positions(DType::I32, &[4, 2], 4), classes(dtype, &[4, 2, 0])];
    vec![
        scatter_case(&format!("{name} blocks"), combine, blocks_of, move |x| {
            x[0].scatter(&x[1], &x[2], scatter(blocks()))
        }),
        scatter_case(&format!("{name} empty blocks"), combine, empty, move |x| {
            x[0].scatter(&x[1], &x[2], scatter(blocks()))
        }),
        scatter_case(&format!("{name} several problems"), combine, several_of, move |x| {
            x[0].scatter(&x[1], &x[2], scatter(several(&[2, 1])))
        }),
    ]
}

fn scatter_refusals() -> Vec<crate::record::Refusal> {
    let arguments = |x: DType, indices: DType, updates: TensorType| [ty(x, &[2, 3]), ty(indices, &[4]), updates];
    vec![
        refusal(&arguments(DType::F32, DType::F32, ty(DType::F32, &[4, 3])), "scatter_add: integers expected", |x| {
            drop(x[0].scatter_add(&x[1], &x[2], 0));
        }),
        refusal(
            &arguments(DType::F32, DType::I32, ty(DType::F32, &[4, 2])),
            "scatter_set: updates that fit f32[4,3] expected, got f32[4,2]",
            |x| drop(x[0].scatter_set(&x[1], &x[2], 0)),
        ),
        refusal(
            &arguments(DType::F32, DType::I32, ty(DType::F64, &[4, 3])),
            "scatter_max: updates that fit f32[4,3] expected, got f64[4,3]",
            |x| drop(x[0].scatter_max(&x[1], &x[2], 0)),
        ),
        refusal(&arguments(DType::F32, DType::I32, ty(DType::F32, &[])), "scatter_min: axis 2 does not exist", |x| {
            drop(x[0].scatter_min(&x[1], &x[2], 2));
        }),
        refusal(&arguments(DType::Bool, DType::I32, ty(DType::Bool, &[4, 3])), "scatter: defined for numbers", |x| {
            drop(x[0].scatter_add(&x[1], &x[2], 0));
        }),
        refusal(
            &[ty(DType::F32, &[2, 3]), ty(DType::I32, &[4, 2]), ty(DType::F32, &[4, 3, 1])],
            "scatter: updates f32[4,3,1] do not fit positions i32[4,2] and f32[2,3]",
            |x| drop(x[0].scatter(&x[1], &x[2], Scatter { windows: blocks(), combine: Combiner::Add, unique: false })),
        ),
    ]
}
