//! A user's mistake is an error that `trace` returns, with the line of the first one, what was expected and what came.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tandem_compile::DType::{Bool, F16, F32, F64, I32, U32};
use tandem_compile::ops::dot::DotGeneral;
use tandem_compile::ops::factor::TriangularSolve;
use tandem_compile::{
    DType, Tensor, TensorType, concatenate, cond, fori_loop, full, iota, number, optimization_barrier, random, scalar,
    sort_by_key, trace, while_loop,
};

fn ty(dtype: DType, shape: &[usize]) -> TensorType {
    TensorType::new(dtype, shape)
}

/// The error that tracing `f` on `arguments` ends in has to be at `line` of this file, with these words.
#[track_caller]
fn refused(line: u32, arguments: impl AsRef<[TensorType]>, words: &str, f: impl FnOnce(Vec<Tensor>) -> Tensor) {
    let error = trace(f, arguments.as_ref()).expect_err("the trace should fail").to_string();
    assert_eq!(error, format!("{}:{line}: {words}", file!()));
}

/// One mistake on one line: the types of `t`, what is to be said, and what is done with `t`.
macro_rules! refused {
    ([$($arg:expr),*] $words:expr, $t:ident => $mistake:expr) => {
        refused(line!(), [$($arg),*], $words, |$t: Vec<Tensor>| $mistake)
    };
}

#[test]
#[rustfmt::skip] // Each mistake stays on the line of its macro.
fn operands_that_do_not_fit_each_other_are_refused() {
    let (x, y, i) = (ty(F32, &[3]), ty(F64, &[3]), ty(I32, &[2, 3]));
    refused!([x.clone(), y.clone()] "add: dtypes differ, f32[3] and f64[3]; convert one of them", t => &t[0] + &t[1]);
    refused!([i.clone(), y.clone()] "mul: dtypes differ, i32[2,3] and f64[3]; convert one of them", t => &t[0] * &t[1]);
    refused!([i.clone(), y.clone()] "lt: dtypes differ, i32[2,3] and f64[3]; convert one of them", t => t[0].lt(&t[1]));
    refused!([x.clone(), ty(F32, &[4])] "sub: shapes do not broadcast, f32[3] and f32[4]", t => &t[0] - &t[1]);
    refused!([x.clone(), ty(F32, &[4])] "ge: shapes do not broadcast, f32[3] and f32[4]", t => t[0].ge(&t[1]));
    refused!([x.clone(), x.clone()] "select: a bool and two operands of one type expected, got f32[3] and f32[3] and f32[3]", t => t[0].select(&t[0], &t[1]));
    refused!([ty(Bool, &[3])] "select: both choices are plain numbers; make one a tensor, with its dtype", t => t[0].select(1.0, 0.0));
    refused!([ty(F32, &[8, 4]), ty(F32, &[5, 2])] "dot: contracting sizes differ, f32[8,4] . f32[5,2]", t => t[0].dot(&t[1]));
    refused!([x.clone(), y.clone()] "dot: dtypes differ, f32[3] . f64[3]; convert one of them", t => t[0].dot(&t[1]));
    refused!([ty(F32, &[])] "dot: axis 0 does not exist in f32[], which has 0 axes", t => t[0].dot(&t[0]));
    refused!([x.clone()] "dot: contracting sizes differ, f32[3] . f32[3]", t => t[0].dot_general(&t[0], DotGeneral { lhs_contracting: vec![0], ..DotGeneral::default() }));
    refused!([x.clone(), y.clone()] "concatenate: f64[3] does not continue f32[3] along axis 0", t => concatenate(&[&t[0], &t[1]], 0));
    refused!([i, ty(I32, &[])] "concatenate: i32[] does not continue i32[2,3] along axis 1", t => concatenate(&[&t[0], &t[1]], 1));
    refused!([] "concatenate: at least one operand expected", _t => concatenate(&[], 0));
    refused!([x, ty(F32, &[2])] "sort: shapes differ, f32[3] and f32[2]", t => sort_by_key(&[&t[0], &t[1]], 0, false).remove(1));
}

#[test]
#[rustfmt::skip]
fn operations_refuse_the_dtypes_that_they_are_not_for() {
    refused!([ty(Bool, &[2])] "add: defined for numbers, got bool[2]", t => &t[0] + &t[0]);
    refused!([ty(Bool, &[2])] "add: defined for numbers, got bool[2]", t => &t[0] + 1.0);
    refused!([ty(Bool, &[2])] "neg: defined for numbers, got bool[2]", t => -&t[0]);
    refused!([ty(U32, &[2])] "abs: defined for numbers with a sign, got u32[2]", t => t[0].abs());
    refused!([ty(U32, &[2])] "sign: defined for numbers with a sign, got u32[2]", t => t[0].sign());
    refused!([ty(F32, &[2])] "and: defined for bool or integers, got f32[2]", t => &t[0] & &t[0]);
    refused!([ty(F32, &[2])] "not: defined for bool or integers, got f32[2]", t => !&t[0]);
    refused!([ty(Bool, &[2])] "shift_left: defined for integers, got bool[2]", t => t[0].shift_left(1));
    refused!([ty(I32, &[2])] "exp: defined for floating-point numbers, got i32[2]", t => t[0].exp());
    refused!([ty(I32, &[2])] "pow: defined for floating-point numbers, got i32[2]", t => t[0].pow(2));
    refused!([ty(Bool, &[2])] "sum: defined for numbers, got bool[2]", t => t[0].sum());
    refused!([ty(I32, &[2])] "any: defined for bool, got i32[2]", t => t[0].any());
    refused!([ty(Bool, &[2])] "dot: defined for numbers, got bool[2] . bool[2]", t => t[0].dot(&t[0]));
    refused!([ty(F16, &[2])] "bitcast: f16[2] and i32 differ in width", t => t[0].bitcast(I32));
    refused!([] "iota: bool cannot count", _t => iota([2], 0, Bool));
    refused!([ty(F32, &[2, 3])] "cholesky: square matrices of f64 or f32 expected, got f32[2,3]", t => t[0].cholesky());
    refused!([ty(F32, &[3])] "triangular_solve: square matrices of f64 or f32 expected, got f32[3]", t => t[0].triangular_solve(&t[0], TriangularSolve { left: true, lower: true, transpose: false, unit_diagonal: false }));
    refused!([ty(F32, &[2, 2]), ty(F32, &[2])] "triangular_solve: sizes do not fit, f32[2,2] and f32[2]", t => t[0].triangular_solve(&t[1], TriangularSolve { left: false, lower: true, transpose: false, unit_diagonal: false }));
}

#[test]
#[rustfmt::skip]
fn axes_sizes_and_positions_that_do_not_exist_are_refused() {
    let x = ty(F32, &[2, 3]);
    refused!([x.clone()] "dim: axis 2 does not exist in f32[2,3]", t => full([t[0].dim(2)], 1.0, F32));
    refused!([x.clone()] "sum: axis 2 does not exist in f32[2,3], which has 2 axes", t => t[0].sum_axes([0, 2]));
    refused!([x.clone()] "max: axis 1 is named twice", t => t[0].max_axes([1, 1]));
    refused!([x.clone()] "argmax: axis 5 does not exist in f32[2,3], which has 2 axes", t => t[0].argmax(5));
    refused!([ty(F32, &[0])] "argmin: axis 0 of f32[0] is empty", t => t[0].argmin(0));
    refused!([x.clone()] "sort: axis 2 does not exist in f32[2,3], which has 2 axes", t => t[0].sort(2));
    refused!([x.clone()] "argsort: axis 2 does not exist in f32[2,3], which has 2 axes", t => t[0].argsort(2, true));
    refused!([x.clone()] "reshape: f32[2,3] has 6 elements, f32[5] has 5", t => t[0].reshape([5]));
    refused!([ty(F32, &[0])] "reshape: f32[0] has 0 elements, f32[4294967296,4294967296] has 18446744073709551615", t => t[0].reshape([1 << 32, 1 << 32]));
    refused!([x.clone()] "transpose: the order [1] does not name every axis of f32[2,3]", t => t[0].transpose([1]));
    refused!([x.clone()] "transpose: axis 1 is named twice", t => t[0].transpose([1, 1]));
    refused!([ty(F32, &[3])] "t: a matrix expected, got f32[3]; name the order with transpose", t => t[0].t());
    refused!([x.clone()] "broadcast: f32[2,3] does not broadcast to f32[3,2]", t => t[0].broadcast_to([3, 2]));
    refused!([x.clone()] "broadcast: f32[2,3] does not broadcast to f32[3]", t => t[0].broadcast_to([3]));
    refused!([x.clone()] "broadcast: f32[2,3] does not broadcast to f32[2,3]", t => t[0].broadcast_in_dim([2, 3], [1, 0]));
    refused!([x.clone()] "broadcast: axis 7 does not exist in f32[2,3], which has 2 axes", t => t[0].broadcast_in_dim([2, 3], [0, 7]));
    refused!([x.clone()] "slice: axis 2 does not exist in f32[2,3]", t => t[0].slice(2, 0, 1));
    refused!([x.clone()] "slice: 2:4 lies outside axis 1 of f32[2,3]", t => t[0].slice(1, 2, 4));
    refused!([x.clone()] "slice: 2:1 lies outside axis 1 of f32[2,3]", t => t[0].slice(1, 2, 1));
    refused!([x.clone()] "reverse: axis 2 does not exist in f32[2,3], which has 2 axes", t => t[0].reverse([2]));
    refused!([x.clone()] "concatenate: axis 2 does not exist in f32[2,3], which has 2 axes", t => concatenate(&[&t[0]], 2));
    refused!([x.clone(), ty(I32, &[])] "dynamic_slice: 1 starts given for f32[2,3]", t => t[0].dynamic_slice(&[&t[1]], [1, 1]));
    refused!([x.clone(), ty(I32, &[])] "dynamic_slice: a window of [1, 4] does not fit into f32[2,3]", t => t[0].dynamic_slice(&[&t[1], &t[1]], [1, 4]));
    refused!([x.clone(), ty(I32, &[])] "dynamic_update_slice: an update f32[2,3] does not fit into f32[3]", t => t[0].sum_axes([0]).dynamic_update_slice(&t[0], &[&t[1]]));
    refused!([x.clone(), ty(F32, &[])] "dynamic_slice: starts must be integer scalars of one dtype, got f32[] and f32[]", t => t[0].index(0, &t[1]));
    refused!([x.clone(), ty(I32, &[])] "index: axis 2 does not exist in f32[2,3], which has 2 axes", t => t[0].index(2, &t[1]));
    refused!([x.clone(), ty(I32, &[])] "take: integers expected as positions, got f32[2,3]", t => t[0].take(&t[0], 0));
    refused!([ty(F32, &[0]), ty(I32, &[2])] "take: axis 0 of f32[0] is empty, nothing can be taken", t => t[0].take(&t[1], 0));
    refused!([x, ty(I32, &[2])] "take: axis 2 does not exist in f32[2,3], which has 2 axes", t => t[0].take(&t[1], 2));
    refused!([] "iota: axis 0 does not exist in f32[], which has 0 axes", _t => iota([], 0, F32));
}

#[test]
#[rustfmt::skip]
fn numbers_that_their_dtype_cannot_hold_are_refused() {
    refused!([ty(F32, &[2])] "number: 1e300 overflows f32", t => &t[0] + 1e300);
    refused!([ty(F16, &[2])] "number: 7e4 overflows f16", t => 7e4 - &t[0]);
    refused!([ty(I32, &[2])] "number: 1.5 is not a whole number and cannot become i32", t => &t[0] * 1.5);
    refused!([ty(U32, &[2])] "number: -1 overflows u32", t => t[0].maximum(-1));
    refused!([ty(I32, &[2])] "number: 0.5 is not a whole number and cannot become i32", t => t[0].lt(0.5));
    refused!([ty(Bool, &[2]), ty(I32, &[])] "number: NaN is not a whole number and cannot become i32", t => t[0].select(&t[1], f64::NAN));
    refused!([] "number: 2 overflows bool", _t => full([3], 2.0, Bool));
    refused!([] "number: 3000000000 overflows i32", _t => number(3e9, I32));
    refused!([] "uniform: floating-point numbers only, i32 asked for", _t => random::uniform(random::key(1), [3], I32));
}

#[test]
fn the_first_mistake_is_reported_and_not_what_follows_from_it() {
    let line = line!() + 2;
    refused(line, [ty(F32, &[2, 3])], "dot: contracting sizes differ, f32[2,3] . f32[2,3]", |t| {
        let product = t[0].dot(&t[0]);
        let wrong_too = product.reshape([17]).argmax(4) + scalar(1u32);
        let sorted = sort_by_key(&[&wrong_too, &product, &t[0]], 9, false);
        let unrelated = t[0].t().t().slice(0, 5, 1);
        optimization_barrier(&(sorted[2].clone(), unrelated.index(3, &product))).1.sum_axes([8])
    });
}

#[test]
fn mistakes_inside_loops_and_branches_are_reported_at_their_own_line() {
    let x = [ty(F32, &[2])];
    let line = line!() + 2;
    refused(line, &x, "exp: defined for floating-point numbers, got i32[]", |t| {
        fori_loop(0, 3, t[0].clone(), |i, x| x + i.exp())
    });
    let line = line!() + 3;
    refused(line, &x, "while: the condition's result must be bool[], got bool[2]", |t| {
        // Reported where the loop stands, as its parts are fine by themselves.
        while_loop(t[0].clone(), |x| x.lt(1.0), |x| x * 2.0)
    });
    let line = line!() + 4;
    refused(line, &x, "add: shapes do not broadcast, f32[2] and f32[3]", |t| {
        fori_loop(0, 3, t[0].clone(), |_, x| {
            let positive = x.sum().gt(0.0);
            cond(&positive, || &x + full([3], 1.0, F32), || x.reshape([5]))
        })
    });
    let line = line!() + 2;
    refused(line, &x, "cond: the branches' results must be f32[2], got f32[]", |t| {
        cond(&t[0].sum().gt(0.0), || t[0].sum(), || t[0].clone())
    });
    let line = line!() + 2;
    refused(line, &x, "cond: a bool scalar expected to choose by, got f32[2]", |t| {
        cond(&t[0], || t[0].clone(), || t[0].clone())
    });
}

#[test]
fn tensors_from_elsewhere_are_refused() {
    let outside = full([2], 1.0, F32);
    let outside_words = "an operand was made outside of any trace; make it inside";
    refused(line!(), [ty(F32, &[2])], &format!("add: {outside_words}"), |t| &t[0] + &outside);
    refused(line!(), [ty(F32, &[3])], &format!("add: {outside_words}"), |t| &t[0] + &outside);
    refused(line!(), [ty(F32, &[3])], &format!("reshape: {outside_words}"), |_| outside.reshape([9]));

    let elsewhere = "an operand belongs to another trace, or to a loop's body or a branch that has ended; \
                     pass it as an argument, or return it from there";
    let mut kept = None;
    trace(|x: Tensor| kept.insert(x).clone(), &[ty(F32, &[2])]).unwrap();
    let kept = kept.unwrap();
    refused(line!(), [ty(F32, &[2])], &format!("add: {elsewhere}"), |t| &t[0] + &kept);

    let inner = trace(|x: Tensor| x + &kept, &[ty(F32, &[2])]);
    assert!(inner.is_err());
    trace(
        |x: Tensor| {
            let (line, words) = (line!() + 1, format!("neg: {elsewhere}"));
            refused(line, [], &words, |_| -&x);
            // The outer trace goes on as if nothing had happened.
            -&x
        },
        &[ty(F32, &[2])],
    )
    .unwrap();

    let line = line!() + 7;
    refused(line, [ty(F32, &[2])], &format!("neg: {elsewhere}"), |t| {
        let mut leaked = None;
        fori_loop(0, 3, t[0].clone(), |_, x| {
            leaked = Some(x.clone());
            x
        });
        -leaked.unwrap()
    });

    let x = trace_on_another_thread();
    refused(line!(), [ty(F32, &[2])], &format!("add: {elsewhere}"), |t| &t[0] + &x);
}

/// A tensor of another thread's first trace, which must not be taken for one of this thread's.
fn trace_on_another_thread() -> Tensor {
    let mut sent = None;
    std::thread::scope(|scope| {
        scope.spawn(|| trace(|x: Tensor| sent.insert(x).exp(), &[ty(F32, &[2])]).map(drop));
    });
    sent.unwrap()
}

#[test]
fn results_from_elsewhere_are_refused_where_the_trace_or_the_loop_stands() {
    let outside = full([2], 1.0, F32);
    let words = "a result was made outside of this trace, or in a loop's body or a branch that has ended; \
                 make it inside, or return it from there";
    refused(line!(), [], words, |_| outside.clone());
    let words = "a region returns a tensor that does not belong to this trace; make it inside";
    refused(line!(), [ty(F32, &[2])], words, |t| fori_loop(0, 3, t[0].clone(), |_, _| outside.clone()));
}

#[test]
fn arguments_that_do_not_fill_the_functions_parameters_are_refused() {
    let x = ty(F32, &[2]);
    let error = trace(|(a, b): (Tensor, Tensor)| a + b, std::slice::from_ref(&x)).unwrap_err().to_string();
    let words = "the function takes other arguments than the 1 given (f32[2])";
    assert_eq!(error, format!("{}:{}: {words}", file!(), line!() - 2));
    let error = trace(|a: Tensor| a, &[x.clone(), x]).unwrap_err().to_string();
    assert!(error.ends_with("the function takes other arguments than the 2 given (f32[2], f32[2])"), "{error}");
}

#[test]
fn mistakes_outside_of_any_trace_do_nothing_until_a_trace_meets_them() {
    let x = full([2, 2], 1.0, F32);
    let nothing =
        [x.dot(&x).reshape([9]), x.index(7, &x), concatenate(&[], 3), fori_loop(0, 2, x.clone(), |_, x| x.t())];
    assert_eq!(nothing[3].shape(), [2, 2]);
    assert_eq!(x.dim(5), 1);
    assert!(trace(|x: Tensor| x, &[ty(F32, &[2])]).is_ok());
}

/// A trace with a loop in it, as it should be.
fn sound() -> usize {
    let graph = trace(|x: Tensor| fori_loop(0, 3, x, |_, x| x * 2.0), &[ty(F64, &[3])]).unwrap();
    graph.check().unwrap();
    graph.nodes().len()
}

#[test]
fn after_an_error_or_a_panic_the_thread_traces_as_before() {
    let before = sound();
    let bad = |x: Tensor| fori_loop(0, 3, x, |_, x| cond(&x, || x.clone(), || x.t()));
    assert!(trace(bad, &[ty(F64, &[3])]).is_err());
    assert_eq!(sound(), before);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        trace(
            |x: Tensor| fori_loop(0, 3, x, |_, x| if x.ndim() == 1 { panic!("in a loop") } else { x }),
            &[ty(F64, &[3])],
        )
    }));
    assert!(panicked.is_err());
    assert_eq!(sound(), before);
    refused(line!(), [ty(I32, &[])], "exp: defined for floating-point numbers, got i32[]", |t| t[0].exp());
}
