//! Elements picked, written and moved about.

use tandem_compile::ops::gather::Gather;
use tandem_compile::ops::windows::Windows;
use tandem_compile::{DType, Tensor, concatenate, kron, stack};

use crate::function::{Argument, Function, given, real, whole};

pub fn functions() -> Vec<Function> {
    [picked(), written(), dynamic(), moved(), patterns()].concat()
}

fn picked() -> Vec<Function> {
    vec![
        Function::new("take", [real([4, 3]), whole([5], &[0, 2, 2, 3, 1])], |x| x[0].take(&x[1], 0)),
        Function::new("take_outside", [real([4, 3]), whole([2, 2], &[-1, 7, 2, 0])], |x| x[0].take(&x[1], 0)),
        Function::new("take_columns", [real([2, 4]), whole([2, 2], &[1, 1, 3, 0])], |x| x[0].sin().take(&x[1], 1)),
        Function::new("take_along", [real([3, 4]), whole([3, 2], &[0, 3, 2, 2, 1, 9])], |x| x[0].take_along(&x[1], 1)),
        Function::new("gather", [real([4, 5]), whole([3, 2], &[0, 0, 2, 3, 9, 1])], |x| {
            let windows = Windows { window_axes: vec![1, 2], start_axes: vec![0, 1], ..Windows::default() };
            x[0].gather(&x[1], Gather { windows, sizes: vec![2, 3] })
        }),
        Function::new("at_index", [real([3, 4])], |x| x[0].at_index(1, -2).sin()),
        Function::new("index", [real([3, 4]), whole([], &[2])], |x| x[0].index(1, &x[1]).sin()),
    ]
}

fn written() -> Vec<Function> {
    let unique = || whole([3], &[3, 0, 7]);
    let repeated = || whole([4], &[1, 1, 3, 1]);
    vec![
        Function::new("scatter_add", [real([4, 3]), repeated(), real([4, 3])], |x| x[0].scatter_add(&x[1], &x[2], 0)),
        Function::new("scatter_set", [real([4, 3]), unique(), real([3, 3])], |x| x[0].scatter_set(&x[1], &x[2], 0)),
        Function::new("scatter_set_number", [real([4]), unique()], |x| x[0].sin().scatter_set(&x[1], 2.0, 0)),
        Function::new("scatter_max", [real([4, 3]), repeated(), real([4, 3])], |x| x[0].scatter_max(&x[1], &x[2], 0)),
        Function::new("scatter_min", [real([4, 3]), unique(), real([3, 3])], |x| x[0].scatter_min(&x[1], &x[2], 0)),
        Function::new(
            "scatter_max_ties",
            [given([4], &[1.0, 2.0, 0.0, 5.0]), repeated(), given([4], &[2.0, 1.0, 5.0, 2.0])],
            |x| x[0].scatter_max(&x[1], &x[2], 0),
        ),
    ]
}

fn dynamic() -> Vec<Function> {
    let starts = || [whole([], &[1]), whole([], &[9])];
    let with = |x: Argument, more: &[Argument]| [&[x], &starts()[..], more].concat();
    vec![
        Function::new("dynamic_slice", with(real([3, 4]), &[]), |x| x[0].sin().dynamic_slice(&[&x[1], &x[2]], [2, 2])),
        Function::new("dynamic_update_slice", with(real([3, 4]), &[real([2, 2])]), |x| {
            x[0].sin().dynamic_update_slice(&x[3], &[&x[1], &x[2]])
        }),
    ]
}

fn moved() -> Vec<Function> {
    vec![
        Function::new("slice_strided", [real([7, 3])], |x| x[0].sin().slice_strided([1, 0], [6, 3], [2, 2])),
        Function::new("pad", [real([2, 3]), real([])], |x| x[0].sin().pad(&x[1], &[(1, -1, 2), (-1, 2, 0)])),
        Function::new("reverse", [real([2, 3])], |x| x[0].sin().reverse([1])),
        Function::new("concatenate", [real([2, 3]), real([2, 1])], |x| concatenate(&[&x[0].sin(), &x[1], &x[0]], 1)),
        Function::new("stack", [real([3]), real([3])], |x| stack(&[&x[0].sin(), &x[1]], 1)),
        Function::new("reshape", [real([2, 6])], |x| x[0].sin().reshape([3, 4]).t()),
        Function::new("transpose", [real([2, 3, 2])], |x| x[0].sin().transpose([2, 0, 1])),
        Function::new("broadcast", [real([2, 1])], |x| x[0].sin().broadcast_to([3, 2, 4])),
        Function::new("split", [real([6])], |x| x[0].sin().split(0, 3)),
    ]
}

fn patterns() -> Vec<Function> {
    let of = |name, argument: Argument, f: fn(&Tensor) -> Tensor| Function::new(name, [argument], move |x| f(&x[0]));
    vec![
        of("tril", real([3, 4]), |x| x.sin().tril(0)),
        of("triu", real([3, 4]), |x| x.sin().triu(1)),
        of("diag", real([3]), |x| x.sin().diag()),
        of("diagonal", real([3, 4]), |x| x.sin().diag()),
        of("trace", real([3, 4]), |x| x.sin().trace()),
        Function::new("kron", [real([2, 3]), real([3, 2])], |x| kron(&x[0], &x[1])),
        Function::new("outer", [real([3]), real([4])], |x| x[0].outer(&x[1])),
        Function::new("one_hot", [whole([4], &[0, 2, 5, -1]), real([3])], |x| x[0].one_hot(3, DType::F64) * x[1].sin()),
    ]
}
