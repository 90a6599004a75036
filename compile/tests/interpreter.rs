//! The interpreter: what `Graph::eval` asks of its arguments, and that it follows a graph wherever it goes.

use tandem_compile::{
    DType, HostArray, Tensor, TensorType, cond, constant, fori_loop, jit, ones, optimization_barrier, trace, while_loop,
};

fn vector(values: &[f64]) -> HostArray {
    HostArray::from_fn([values.len()], |i| values[i])
}

fn types(arguments: &[HostArray]) -> Vec<TensorType> {
    arguments.iter().map(HostArray::ty).collect()
}

fn eval(arguments: &[HostArray], f: impl Fn(&[Tensor]) -> Vec<Tensor>) -> Vec<HostArray> {
    let graph = trace(|x: Vec<Tensor>| f(&x), &types(arguments)).unwrap();
    graph.eval(arguments).unwrap()
}

fn eval1(arguments: &[HostArray], f: impl Fn(&[Tensor]) -> Tensor) -> HostArray {
    eval(arguments, |x| vec![f(x)]).remove(0)
}

#[test]
fn arguments_of_other_types_are_refused_in_words() {
    let graph = trace(|(x, y): (Tensor, Tensor)| &x + &y, &vec![TensorType::new(DType::F64, [2]); 2]).unwrap();
    let words = |arguments: &[HostArray]| graph.eval(arguments).unwrap_err().to_string();
    let x = vector(&[1.0, 2.0]);
    assert_eq!(words(&[]), "the graph takes (f64[2], f64[2]), the arguments are ()");
    assert_eq!(words(std::slice::from_ref(&x)), "the graph takes (f64[2], f64[2]), the arguments are (f64[2])");
    assert_eq!(
        words(&[x.clone(), vector(&[1.0])]),
        "the graph takes (f64[2], f64[2]), the arguments are (f64[2], f64[1])"
    );
    let single = x.cast(DType::F32).unwrap();
    assert_eq!(words(&[x.clone(), single]), "the graph takes (f64[2], f64[2]), the arguments are (f64[2], f32[2])");
    assert_eq!(
        words(&[x.clone(), x.clone(), x]),
        "the graph takes (f64[2], f64[2]), the arguments are (f64[2], f64[2], f64[2])"
    );
}

#[test]
fn parameters_and_values_come_back_as_often_as_they_are_returned() {
    let x = vector(&[1.0, -2.0]);
    let found = eval(&[x.clone(), HostArray::scalar(3i32)], |x| {
        let y = -&x[0];
        vec![y.clone(), x[1].clone(), y.clone(), x[0].clone(), -&y]
    });
    let y = vector(&[-1.0, 2.0]);
    assert_eq!(found, [y.clone(), HostArray::scalar(3i32), y, x.clone(), x]);
    assert_eq!(eval(&[], |_| Vec::new()), []);
}

#[test]
fn a_value_that_nothing_needs_does_no_harm() {
    let x = vector(&[1.0, 4.0]);
    let found = eval1(std::slice::from_ref(&x), |x| {
        let _dead = (&x[0] * 2.0).sqrt();
        let used_twice = -&x[0];
        &used_twice + &used_twice
    });
    assert_eq!(found, vector(&[-2.0, -8.0]));
}

#[test]
fn an_operand_may_be_named_twice() {
    let x = vector(&[3.0, -5.0]);
    assert_eq!(eval1(std::slice::from_ref(&x), |x| &x[0] * &x[0]), vector(&[9.0, 25.0]));
}

#[test]
fn captured_constants_and_empty_arrays_are_values_as_any_other() {
    let table = vector(&[10.0, 20.0]);
    assert_eq!(eval1(&[vector(&[1.0, 2.0])], |x| &x[0] + &constant(&table)), vector(&[11.0, 22.0]));
    let empty = HostArray::from_fn([0, 3], |_| 0.0);
    assert_eq!(eval1(std::slice::from_ref(&empty), |x| &x[0] + 1.0), empty);
    assert_eq!(eval1(&[], |_| ones([2], DType::I32)), HostArray::from_fn([2], |_| 1i32));
}

#[test]
fn loops_run_until_their_condition_fails_also_when_they_never_start() {
    let halve = |x: &[Tensor]| while_loop(x[0].clone(), |x| x.ge(1.0), |x| x * 0.5);
    assert_eq!(eval1(&[HostArray::scalar(20.0)], halve), HostArray::scalar(0.625));
    assert_eq!(eval1(&[HostArray::scalar(0.5)], halve), HostArray::scalar(0.5));
    let powers = |x: &[Tensor]| fori_loop(0, 10, ones([], DType::F64), |_, y| y * &x[0]);
    assert_eq!(eval1(&[HostArray::scalar(2.0)], powers), HostArray::scalar(1024.0));
}

#[test]
fn a_loop_inside_of_a_loop_sees_what_both_capture() {
    let x = [HostArray::scalar(2.0), HostArray::scalar(100.0)];
    let found = eval1(&x, |x| {
        fori_loop(0, 3, x[1].clone(), |i, sum| {
            let rows = i.convert(DType::F64);
            fori_loop(0, 2, sum, |_, sum| sum + &x[0] * &rows)
        })
    });
    assert_eq!(found, HostArray::scalar(112.0));
}

#[test]
fn only_the_chosen_branch_counts_and_captures_reach_it() {
    let choose = |x: &[Tensor]| cond(&x[0].gt(0.0), || &x[0] + &x[1], || &x[1] * 10.0);
    let run = |x: f64| eval1(&[HostArray::scalar(x), HostArray::scalar(3.0)], choose);
    assert_eq!((run(1.0), run(-1.0)), (HostArray::scalar(4.0), HostArray::scalar(30.0)));
    assert_eq!(run(f64::NAN), HostArray::scalar(30.0));
}

#[test]
fn a_whole_function_gives_what_the_device_gives() {
    let f = |(a, x): (Tensor, Tensor)| {
        let x = optimization_barrier(&x);
        let y = fori_loop(0, 4, x, |_, x| (a.dot(&x) * 0.125).maximum(-1.0));
        (y.sum(), y)
    };
    let a = HostArray::from_fn([3, 3], |i| i as f64 - 3.0);
    let x = vector(&[1.0, -2.0, 0.5]);
    let graph = trace(f, &types(&[a.clone(), x.clone()])).unwrap();
    // Every number on the way is a multiple of a power of two: nothing is rounded, whatever the order.
    let device: Vec<HostArray> = jit(f).call((&a, &x)).unwrap();
    assert_eq!(graph.eval(&[a, x]).unwrap(), device);
}

#[test]
fn a_graph_may_be_run_again_and_by_many_threads() {
    let graph = trace(|x: Tensor| (&x * &x).sum(), &[TensorType::new(DType::F64, [100])]).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let graph = &graph;
            scope.spawn(move || {
                for _ in 0..3 {
                    let x = HostArray::from_fn([100], |_| f64::from(thread));
                    assert_eq!(graph.eval(&[x]).unwrap(), [HostArray::scalar(100.0 * f64::from(thread * thread))]);
                }
            });
        }
    });
}
