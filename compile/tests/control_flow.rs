//! Loops and branches on the device do what Rust's own would.

use tandem_compile::pjrt::Device;
use tandem_compile::{
    Arguments, DType, Element, Results, Tensor, TensorType, Tree, cond, fori_loop, full, iota, jit,
    optimization_barrier, scalar, trace, while_loop, zeros,
};

/// Runs `f` on the CPU, by way of a graph that holds up to its own check.
fn run<'a, I: Tree, O: Tree, R: Results>(f: impl Fn(I) -> O, arguments: impl Arguments<'a> + Copy) -> R {
    let device = Device::cpu().unwrap_or_else(|error| panic!("{error}"));
    let program = jit(f).on(&device);
    let lowered = program.lower(arguments).unwrap_or_else(|error| panic!("{error}"));
    lowered.graph().check().unwrap_or_else(|error| panic!("{error}\n{}", lowered.graph()));
    program.call(arguments).unwrap_or_else(|error| panic!("{error}\n{}", lowered.stablehlo()))
}

fn one<T: Element>(f: impl Fn(Tensor) -> Tensor, argument: f64) -> T {
    let values: Vec<T> = run(f, argument);
    values[0]
}

#[test]
fn a_while_loop_ends_when_its_condition_says_so() {
    // The Collatz sequence of 27 takes 111 steps to reach 1.
    let steps = |n: Tensor| {
        let start = (n, scalar(0i32));
        let (_, steps) = while_loop(
            start,
            |(n, _)| n.ne(1),
            |(n, steps)| ((&n & 1).eq(1).select(&n * 3 + 1, n.shift_right(1)), steps + 1),
        );
        steps
    };
    assert_eq!(run::<_, _, i32>(steps, 27i64), 111);
    assert_eq!(run::<_, _, i32>(steps, 1i64), 0);
}

#[test]
fn a_fori_loop_counts_from_start_up_to_end() {
    for (start, end) in [(0, 5), (-3, 4), (2, 3), (0, 0), (5, 2), (i32::MAX - 2, i32::MAX)] {
        let digits = |x: Tensor| fori_loop(start, end, x, |i, x| x * 3.0 + i.convert(DType::F64));
        let expected = (start..end).fold(1.0, |x, i| x * 3.0 + f64::from(i));
        assert_eq!(one::<f64>(digits, 1.0), expected, "{start}..{end}");
    }
}

#[test]
fn loops_nest_and_see_the_tensors_of_every_level() {
    let f = |outermost: Tensor| {
        let doubled = &outermost * 2.0;
        fori_loop(0, 3, zeros([], DType::F64), |i, sum| {
            let i = i.convert(DType::F64);
            let shifted = &i + &doubled;
            fori_loop(0, 2, sum, |j, sum| {
                // From one level up, from two, and from outside of both loops.
                sum + &shifted * j.convert(DType::F64) + &i * &outermost
            })
        })
    };
    let mut expected = 0.0;
    for i in 0..3 {
        for j in 0..2 {
            expected += (f64::from(i) + 14.0) * f64::from(j) + f64::from(i) * 7.0;
        }
    }
    assert_eq!(one::<f64>(f, 7.0), expected);
}

#[test]
fn a_condition_may_use_tensors_from_outside_of_its_loop() {
    let f = |limit: Tensor| while_loop(full([], 1.0, DType::F64), |x| x.lt(&limit), |x| &x + &x * &limit);
    assert_eq!(one::<f64>(f, 10.0), 11.0);
    assert_eq!(one::<f64>(f, 0.5), 1.0);
}

#[test]
fn the_carry_keeps_its_structure_vectors_included() {
    type Carry = (Vec<Tensor>, Vec<Vec<Tensor>>, [Tensor; 2]);
    let f = |x: Tensor| {
        let start: Carry =
            (vec![x.clone(), &x + 1.0], vec![vec![], vec![&x + 2.0], vec![&x + 3.0]], [&x + 4.0, &x + 5.0]);
        let (a, b, c) = fori_loop(0, 3, start, |_, (a, b, c): Carry| {
            let [c0, c1] = c;
            let (a, b) = (vec![a[1].clone(), a[0].clone()], vec![vec![], vec![b[2][0].clone()], vec![b[1][0].clone()]]);
            (a, b, [c1, c0])
        });
        vec![a[0].clone(), a[1].clone(), b[1][0].clone(), b[2][0].clone(), c[0].clone(), c[1].clone()]
    };
    let found: Vec<tandem_compile::HostArray> = run(f, 10.0);
    assert_eq!(found.iter().map(|x| x.to_f64()[0]).collect::<Vec<_>>(), [11.0, 10.0, 13.0, 12.0, 15.0, 14.0]);
}

#[test]
fn arrays_are_updated_in_a_loop() {
    let squares = |_: ()| {
        fori_loop(0, 6, zeros([6], DType::I32), |i, table| table.dynamic_update_slice(&(&i * &i).reshape([1]), &[&i]))
    };
    assert_eq!(run::<_, _, Vec<i32>>(squares, ()), [0, 1, 4, 9, 16, 25]);
}

#[test]
fn a_loop_without_a_carry_of_its_own_still_compiles() {
    let f = |x: Tensor| {
        fori_loop(0, 3, (), |_, ()| ());
        x
    };
    assert_eq!(one::<f64>(f, 2.0), 2.0);
}

#[test]
fn cond_takes_the_branch_that_its_condition_names() {
    let f = |x: Tensor| {
        let outside = &x * 10.0;
        cond(&x.gt(0.0), || (&outside + 1.0, x.clone()), || (-&x, outside.clone()))
    };
    assert_eq!(run::<_, _, (f64, f64)>(f, 2.0), (21.0, 2.0));
    assert_eq!(run::<_, _, (f64, f64)>(f, -2.0), (2.0, -20.0));
    assert_eq!(run::<_, _, (f64, f64)>(f, f64::NAN).1.to_bits() << 1, f64::NAN.to_bits() << 1);
}

#[test]
fn branches_keep_the_structure_of_what_they_return() {
    let f = |x: Tensor| {
        let (a, b) = cond(&x.gt(0.0), || (vec![x.clone(), -&x], &x * 2.0), || (vec![-&x, x.clone()], &x * 3.0));
        vec![a[0].clone(), a[1].clone(), b]
    };
    let found: Vec<tandem_compile::HostArray> = run(f, -1.0);
    assert_eq!(found.iter().map(|x| x.to_f64()[0]).collect::<Vec<_>>(), [1.0, -1.0, -3.0]);
}

#[test]
fn branches_nest_in_loops_and_loops_in_branches() {
    let f = |x: Tensor| {
        fori_loop(0, 4, x.clone(), |i, sum| {
            let even = (&i & 1).eq(0);
            let longer = || fori_loop(0, 2, sum.clone(), |j, sum| sum + (&i + j).convert(DType::F64) * &x);
            cond(&even, longer, || &sum - &x)
        })
    };
    let x = 3.0;
    let mut expected = x;
    for i in 0..4 {
        match i % 2 {
            0 => (0..2).for_each(|j| expected += f64::from(i + j) * x),
            _ => expected -= x,
        }
    }
    assert_eq!(one::<f64>(f, x), expected);
}

#[test]
fn a_branch_that_returns_nothing_compiles() {
    let f = |x: Tensor| {
        cond(&x.gt(0.0), || (), || ());
        x
    };
    assert_eq!(one::<f64>(f, 4.0), 4.0);
}

#[test]
fn a_barrier_changes_nothing() {
    let f = |(a, b): (Tensor, Tensor)| {
        optimization_barrier(&());
        let alone = optimization_barrier(&a);
        let (both, b) = optimization_barrier(&(vec![alone, &a + 1.0], b));
        (&both[0] + &both[1], b)
    };
    assert_eq!(run::<_, _, (Vec<f64>, i32)>(f, (&[1.0, 2.0][..], 3i32)), (vec![3.0, 5.0], 3));
}

#[test]
fn a_carry_that_changes_its_type_is_an_error_at_the_loop() {
    let grow = |x: Tensor| while_loop(x, |x| x.sum().lt(1.0), |x| x.convert(DType::F32));
    let line = line!() - 1;
    let error = trace(grow, &[TensorType::new(DType::F64, [2])]).unwrap_err().to_string();
    assert_eq!(error, format!("{}:{line}: while: the next carry must be f64[2], got f32[2]", file!()));
    let count = |x: Tensor| fori_loop(0, 2, x, |_, x| x.reshape([2, 1]));
    let line = line!() - 1;
    let error = trace(count, &[TensorType::new(DType::F64, [2])]).unwrap_err().to_string();
    assert_eq!(error, format!("{}:{line}: scan: the next carry must be f64[2], got f64[2,1]", file!()));
}

#[test]
fn every_operation_of_a_loop_is_located_in_the_users_file() {
    let graph = trace(
        |x: Tensor| fori_loop(0, 3, x, |i, x| x + iota([4], 0, DType::I32) * i),
        &[TensorType::new(DType::I32, [4])],
    )
    .unwrap();
    assert!(!graph.to_string().contains("src/ops"), "{graph}");
}
