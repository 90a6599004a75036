//! Records of what arranges elements anew without looking at them.

use tandem_compile::ops::Kind;
use tandem_compile::{DType, Tensor, TensorType, concatenate, stack};

use crate::record::{Argument, Budget, Case, Derivative, Record, Refusal, Values, classes};

pub fn records() -> Vec<Record> {
    vec![reshape(), transpose(), broadcast(), slice(), concatenated(), reverse(), pad()]
}

/// Every dtype, and the shapes that matter: all of them in f64, where derivatives are judged.
pub fn types() -> Vec<TensorType> {
    let all: [&[usize]; 7] = [&[], &[0, 3], &[1], &[3, 5], &[2, 1, 4], &[2, 0, 3], &[37, 29]];
    let few: [&[usize]; 3] = [&[0, 3], &[3, 5], &[4]];
    let shapes = |dtype: DType| if dtype == DType::F64 { all.to_vec() } else { few.to_vec() };
    let of = |dtype: DType| shapes(dtype).into_iter().map(move |shape| TensorType::new(dtype, shape));
    DType::ALL.into_iter().flat_map(of).collect()
}

/// All these operations are linear; their sums in reverse mode are exact enough to compare in f64 and f32.
pub fn linear(dtype: DType) -> Derivative {
    match dtype {
        DType::F64 | DType::F32 => Derivative::Quadratic,
        _ => Derivative::None,
    }
}

type Use = (&'static str, fn(&[Tensor]) -> Tensor);

fn case((name, f): Use, arguments: Vec<Argument>) -> Case {
    let ty = &arguments[0].ty;
    Case {
        label: format!("{ty} {name}"),
        f: Box::new(move |x| vec![f(x)]),
        budget: Budget::Exact,
        derivative: linear(ty.dtype),
        arguments,
    }
}

/// Every use with one array of every type.
fn unary(uses: &[Use], fits: fn(&TensorType) -> bool) -> Vec<Case> {
    let all = types().into_iter().filter(fits);
    all.flat_map(|ty| uses.iter().map(move |&u| case(u, vec![classes(ty.dtype, &ty.shape)]))).collect()
}

pub fn refusal(arguments: &[TensorType], message: &'static str, f: fn(&[Tensor])) -> Refusal {
    Refusal { f: Box::new(f), arguments: arguments.to_vec(), message }
}

pub fn ty(dtype: DType, shape: &[usize]) -> TensorType {
    TensorType::new(dtype, shape)
}

fn matrix() -> [TensorType; 1] {
    [ty(DType::F32, &[2, 3])]
}

fn reversed<T: Copy>(items: &[T]) -> Vec<T> {
    items.iter().rev().copied().collect()
}

fn reshape() -> Record {
    let uses: [Use; 4] = [
        ("with its sizes in opposite order", |x| x[0].reshape(reversed(x[0].shape()))),
        ("as a vector", |x| x[0].flatten()),
        ("with a new axis", |x| x[0].expand_dims(x[0].ndim())),
        ("with and without a new axis", |x| x[0].expand_dims(0).squeeze(0)),
    ];
    let refusals = vec![
        refusal(&matrix(), "reshape: f32[2,3] has 6 elements, f32[4] has 4", |x| drop(x[0].reshape([4]))),
        refusal(&matrix(), "squeeze: axis 1 of f32[2,3] has size 3, only an axis of size 1 can go", |x| {
            drop(x[0].squeeze(1));
        }),
        refusal(&matrix(), "squeeze: axis 2 does not exist in f32[2,3]", |x| drop(x[0].squeeze(2))),
        refusal(&matrix(), "expand_dims: a new axis of f32[2,3] stands at 0 to 2, not at 3", |x| {
            drop(x[0].expand_dims(3));
        }),
    ];
    Record { kind: Kind::Reshape, cases: unary(&uses, |_| true), refusals }
}

fn transpose() -> Record {
    let uses: [Use; 2] = [
        ("all axes", |x| x[0].transpose((0..x[0].ndim()).rev().collect::<Vec<_>>())),
        ("first axis last", |x| match x[0].ndim() {
            0 => x[0].transpose([]),
            // Nothing is moved where there is one axis.
            n => x[0].expand_dims(n).move_axis(0, n),
        }),
    ];
    let refusals = vec![
        refusal(&matrix(), "transpose: axis 0 is named twice", |x| drop(x[0].transpose([0, 0]))),
        refusal(&matrix(), "transpose: the order [0] does not name every axis of f32[2,3]", |x| {
            drop(x[0].transpose([0]));
        }),
        refusal(&matrix(), "move_axis: axis 2 does not exist in f32[2,3]", |x| drop(x[0].move_axis(0, 2))),
    ];
    Record { kind: Kind::Transpose, cases: unary(&uses, |_| true), refusals }
}

fn broadcast() -> Record {
    let uses: [Use; 4] = [
        ("along a new first axis", |x| x[0].broadcast_to([&[2], x[0].shape()].concat())),
        ("along a new last axis", |x| {
            x[0].broadcast_in_dim([x[0].shape(), &[3]].concat(), (0..x[0].ndim()).collect::<Vec<_>>())
        }),
        ("along an axis of size 1", |x| x[0].expand_dims(0).broadcast_to([&[4], x[0].shape()].concat())),
        ("to nothing", |x| x[0].broadcast_to([&[0], x[0].shape()].concat())),
    ];
    let refusals = vec![
        refusal(&matrix(), "broadcast: f32[2,3] does not broadcast to f32[4,3]", |x| drop(x[0].broadcast_to([4, 3]))),
        refusal(&matrix(), "broadcast: f32[2,3] does not broadcast to f32[3,2]", |x| {
            drop(x[0].broadcast_in_dim([3, 2], [1, 0]));
        }),
    ];
    Record { kind: Kind::Broadcast, cases: unary(&uses, |_| true), refusals }
}

fn slice() -> Record {
    let uses: [Use; 4] = [
        ("every second of the middle", |x| {
            let shape = x[0].shape();
            let part = |f: fn(usize) -> usize| shape.iter().map(|&size| f(size)).collect::<Vec<_>>();
            x[0].slice_strided(part(|n| n / 3), part(|n| n - n / 4), part(|n| n.min(1) + 1))
        }),
        ("with strides beyond the end", |x| {
            let n = x[0].ndim();
            x[0].slice_strided(vec![0; n], x[0].shape(), vec![100; n])
        }),
        ("nothing", |x| match x[0].ndim() {
            0 => x[0].slice_strided([], [], []),
            n => x[0].slice(n - 1, x[0].shape()[n - 1], x[0].shape()[n - 1]),
        }),
        ("in halves", |x| match x[0].shape().first() {
            Some(&size) if size % 2 == 0 => x[0].split(0, 2).swap_remove(1),
            Some(&size) => x[0].at_index(0, -(size as i64)),
            None => x[0].slice_strided([], [], []),
        }),
    ];
    let refusals = vec![
        refusal(&matrix(), "slice: 0:4 lies outside axis 1 of f32[2,3]", |x| drop(x[0].slice(1, 0, 4))),
        refusal(&matrix(), "slice: 0:3:0 lies outside axis 1", |x| drop(x[0].slice_strided([0, 0], [2, 3], [1, 0]))),
        refusal(&matrix(), "slice: 1 ranges given for f32[2,3]", |x| drop(x[0].slice_strided([0], [2], [1]))),
        refusal(&matrix(), "at_index: position 2 does not exist on axis 0 of f32[2,3], whose size is 2", |x| {
            drop(x[0].at_index(0, 2));
        }),
        refusal(&matrix(), "at_index: position -4 does not exist on axis 1", |x| drop(x[0].at_index(1, -4))),
        refusal(&matrix(), "split: axis 1 of f32[2,3] has size 3, which is no multiple of 2 parts", |x| {
            drop(x[0].split(1, 2));
        }),
        refusal(&matrix(), "split: axis 0 of f32[2,3] has size 2, which is no multiple of 0 parts", |x| {
            drop(x[0].split(0, 0));
        }),
    ];
    Record { kind: Kind::Slice, cases: unary(&uses, |_| true), refusals }
}

fn concatenated() -> Record {
    let uses: [Use; 3] = [
        ("to itself along the last axis", |x| concatenate(&[&x[0], &x[0]], x[0].ndim() - 1)),
        ("alone", |x| concatenate(&[&x[0]], 0)),
        ("side by side", |x| stack(&[&x[0], &x[0], &x[0]], x[0].ndim())),
    ];
    let two: Use = ("to another", |x| concatenate(&[&x[0], &x[1], &x[0]], x[0].ndim() - 1));
    let mut cases = unary(&uses, |ty| ty.ndim() > 0);
    for ty in types().into_iter().filter(|ty| ty.ndim() > 0) {
        let mut other = ty.clone();
        other.shape[ty.ndim() - 1] = 2;
        cases.push(case(two, vec![classes(ty.dtype, &ty.shape), classes(ty.dtype, &other.shape)]));
    }
    let refusals = vec![
        refusal(&[ty(DType::F32, &[2, 3]), ty(DType::F32, &[3, 3])], "does not continue f32[2,3] along axis 1", |x| {
            drop(concatenate(&[&x[0], &x[1]], 1));
        }),
        refusal(&[ty(DType::F32, &[2]), ty(DType::F64, &[2])], "f64[2] does not continue f32[2]", |x| {
            drop(concatenate(&[&x[0], &x[1]], 0));
        }),
        refusal(&[], "concatenate: at least one operand expected", |_| drop(concatenate(&[], 0))),
        refusal(&[], "stack: at least one tensor expected", |_| drop(stack(&[], 0))),
        refusal(&matrix(), "stack: a new axis of f32[2,3] stands at 0 to 2, not at 3", |x| drop(stack(&[&x[0]], 3))),
        refusal(&[ty(DType::F32, &[2]), ty(DType::F32, &[3])], "stack: tensors of one type expected", |x| {
            drop(stack(&[&x[0], &x[1]], 0));
        }),
    ];
    Record { kind: Kind::Concatenate, cases, refusals }
}

fn reverse() -> Record {
    let uses: [Use; 3] = [
        ("all axes", |x| x[0].reverse((0..x[0].ndim()).collect::<Vec<_>>())),
        ("the last axis", |x| x[0].reverse(x[0].ndim().checked_sub(1).map_or(vec![], |last| vec![last]))),
        ("nothing", |x| x[0].reverse([])),
    ];
    let refusals = vec![refusal(&matrix(), "reverse: axis 2 does not exist", |x| drop(x[0].reverse([2])))];
    Record { kind: Kind::Reverse, cases: unary(&uses, |_| true), refusals }
}

fn pad() -> Record {
    let uses: [Use; 5] = [
        ("around", |x| x[0].pad(&x[1], &vec![(1, 2, 0); x[0].ndim()])),
        ("between", |x| x[0].pad(&x[1], &vec![(0, 0, 2); x[0].ndim()])),
        ("before, but cut off after", |x| x[0].pad(&x[1], &vec![(3, -1, 1); x[0].ndim()])),
        ("after, but cut off before, beyond the end", |x| x[0].pad(&x[1], &vec![(-2, 5, 1); x[0].ndim()])),
        ("not at all", |x| x[0].pad(&x[1], &vec![(0, 0, 0); x[0].ndim()])),
    ];
    let mut cases = Vec::new();
    for ty in types() {
        let value = || Argument { ty: ty.with_shape([]), values: Values::Given(vec![1.0]) };
        cases.extend(uses.map(|u| case(u, vec![classes(ty.dtype, &ty.shape), value()])));
    }
    cases.push(case(
        ("with zeros, cut off on both sides", |x| x[0].pad(0.0, &[(-1, -1, 0), (-2, -2, 1)])),
        vec![classes(DType::F64, &[3, 5])],
    ));
    let refusals = vec![
        refusal(&matrix(), "pad: 1 widths given for f32[2,3], which has 2 axes", |x| drop(x[0].pad(0, &[(0, 0, 0)]))),
        refusal(&matrix(), "pad: more is cut off axis 1 of f32[2,3] than there is", |x| {
            drop(x[0].pad(0, &[(0, 0, 0), (-2, -2, 0)]));
        }),
        refusal(&[ty(DType::F32, &[2]), ty(DType::F64, &[])], "pad: one number of the array's dtype expected", |x| {
            drop(x[0].pad(&x[1], &[(0, 0, 0)]));
        }),
        refusal(&[ty(DType::F32, &[2])], "pad: one number of the array's dtype expected", |x| {
            drop(x[0].pad(&x[0], &[(0, 0, 0)]));
        }),
    ];
    Record { kind: Kind::Pad, cases, refusals }
}
