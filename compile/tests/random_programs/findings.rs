//! What random programs have found in XLA, each as the smallest program that shows it.

use tandem_compile::pjrt::Device;
use tandem_compile::{Conv, HostArray, Padding, Tensor, Window, concatenate, jit, scalar};

/// XLA's compiler divides constants by themselves, and zero by zero ended the process (SIGFPE): see
/// `docs/notes/constant-division-by-zero.md`. The lowering of integer division takes a zero out of its way.
#[test]
fn zero_divided_by_zero_when_the_program_is_compiled_is_what_it_is_when_it_runs() {
    let device = Device::cpu().unwrap_or_else(|error| panic!("{error}"));
    let f = |x: Tensor, y: Tensor| (&x / &y, x % y);
    let constant = jit(move |()| f(scalar(0i32), scalar(0i32))).on(&device);
    let folded: (i32, i32) = constant.call(()).unwrap_or_else(|error| panic!("{error}"));
    let running = jit(move |(x, y): (Tensor, Tensor)| f(x, y)).on(&device);
    let run: (i32, i32) = running.call((0, 0)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((folded, run), ((-1, 0), (-1, 0)));
}

/// XLA's compiler counts -32 zeros above the highest one of the constant -1: see
/// `docs/notes/leading-zeros-of-negative-constants.md`. The lowering counts in u32.
#[test]
fn leading_zeros_of_a_constant_are_those_of_an_argument() {
    let device = Device::cpu().unwrap_or_else(|error| panic!("{error}"));
    let constant = jit(|()| scalar(-1i32).count_leading_zeros()).on(&device);
    let folded: i32 = constant.call(()).unwrap_or_else(|error| panic!("{error}"));
    let running = jit(|x: Tensor| x.count_leading_zeros()).on(&device);
    let run: i32 = running.call(-1).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((folded, run), (0, 0));
}

/// XLA's CPU plugin reads beyond an input that negative padding crops: see `docs/notes/negative-padding.md`. The lowering
/// crops it in an operation of its own.
#[test]
fn a_convolution_with_negative_padding_reads_its_input_alone() {
    let device = Device::cpu().unwrap_or_else(|error| panic!("{error}"));
    let conv = |padding: (i64, i64), stride: usize, dilation: usize| {
        let how = Conv {
            strides: vec![stride],
            padding: Padding::Explicit(vec![padding]),
            lhs_dilation: vec![dilation],
            ..Conv::default()
        };
        move |(x, w): (Tensor, Tensor)| x.conv(&w, how.clone())
    };
    // In f64 another kernel is at work, which does not.
    let x = HostArray::from_fn([3, 3, 7], |i| (i % 11) as f32 - 4.0);
    let w = HostArray::from_fn([1, 3, 3], |i| (i % 5) as f32 - 2.0);
    for (padding, stride, dilation) in
        [((-1, 1), 2, 1), ((-2, 3), 1, 1), ((1, -2), 2, 1), ((-1, 0), 2, 3), ((-3, -2), 3, 2), ((-9, 12), 1, 1)]
    {
        let f = conv(padding, stride, dilation);
        let traced = jit(f).on(&device).lower((&x, &w)).unwrap_or_else(|error| panic!("{error}"));
        let graph = traced.graph();
        let arguments = [x.clone(), w.clone()];
        let expected = graph.eval(&arguments).unwrap_or_else(|error| panic!("{error}"));
        let executable = graph.compile(&device).unwrap_or_else(|error| panic!("{error}"));
        let found = executable.run(&device, &arguments).unwrap_or_else(|error| panic!("{error}"));
        // Small whole numbers: every sum is exact.
        assert_eq!(found, expected, "padding {padding:?}, stride {stride}, dilation {dilation}");
    }
}

/// XLA leaves out the clamping of positions that are magnitudes, and the smallest integer's is negative: see
/// `docs/notes/negative-magnitude.md`. The lowering writes an integer's magnitude as a choice. (Broken, this test ends the
/// process.)
#[test]
fn a_negative_magnitude_is_a_position_like_any_other() {
    let device = Device::cpu().unwrap_or_else(|error| panic!("{error}"));
    let taken = jit(|(x, i): (Tensor, Tensor)| x.take(&i.abs(), 0)).on(&device);
    let x = HostArray::from_fn([3], |i| i as f32);
    let i = HostArray::from_fn([2], |at| [i32::MIN, -1][at]);
    let found: HostArray = taken.call((&x, &i)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(found.to_f64(), [0.0, 1.0]);
}

/// XLA's CPU plugin multiplies what other groups of a convolution hold by zero: see `docs/notes/groups-of-one-feature.md`. The
/// lowering widens the groups.
#[test]
fn nan_stays_in_its_group() {
    let device = Device::cpu().unwrap_or_else(|error| panic!("{error}"));
    let depthwise = jit(|(x, w): (Tensor, Tensor)| x.conv(&w, Conv { groups: 3, ..Conv::default() })).on(&device);
    let x = HostArray::from_fn([2, 3, 4], |i| if i / 4 % 3 == 0 { f64::NAN } else { 1.0 });
    let w = HostArray::from_fn([9, 1, 2], |i| i as f64);
    let found: HostArray = depthwise.call((&x, &w)).unwrap_or_else(|error| panic!("{error}"));
    for (at, y) in found.to_f64().into_iter().enumerate() {
        let output = at / 3 % 9;
        // Kernel 2k + (2k + 1) of output k; the first three outputs are the first group's.
        let expected = if output < 3 { f64::NAN } else { 4.0 * output as f64 + 1.0 };
        assert!(y == expected || y.is_nan() && expected.is_nan(), "{at}: {y}, expected {expected}");
    }
}

/// XLA makes a choice of the product of a converted truth value with a number, and loses NaN: see
/// `docs/notes/false-times-nan.md`. The lowering of the conversion is a choice itself.
#[test]
fn false_times_nan_is_nan() {
    let device = Device::cpu().unwrap_or_else(|error| panic!("{error}"));
    let f = |(which, x, y): (Tensor, Tensor, Tensor)| {
        let truth = which.lt(0.0).convert(tandem_compile::DType::F64);
        (&truth * &x, &truth / y)
    };
    let program = jit(f).on(&device);
    let x = [f64::NAN, f64::INFINITY, 3.0];
    let results = program.call((&[0.0, 0.0, 0.0][..], &x[..], 0.0)).unwrap_or_else(|error| panic!("{error}"));
    let (product, quotient): (Vec<f64>, Vec<f64>) = results;
    assert!(product[0].is_nan() && product[1].is_nan() && product[2] == 0.0, "{product:?}");
    assert!(quotient.iter().all(|x| x.is_nan()), "{quotient:?}");
}

/// XLA's compiler keeps a constant between bounds that are NaN as it is: see `docs/notes/clamp-between-nan.md`. The lowering
/// looks for NaN itself.
#[test]
fn a_constant_between_nan_is_nan() {
    let device = Device::cpu().unwrap_or_else(|error| panic!("{error}"));
    let program = jit(|()| {
        let nan = scalar(0.0) / scalar(0.0);
        (scalar(0.5).clamp(&nan, &nan), scalar(0.5).clamp(&nan, 1.0), scalar(0.5).clamp(0.0, &nan))
    });
    let found: (f64, f64, f64) = program.on(&device).call(()).unwrap_or_else(|error| panic!("{error}"));
    assert!(found.0.is_nan() && found.1.is_nan() && found.2.is_nan(), "{found:?}");
}

/// XLA's compiler takes a constant position above i32::MAX for a negative one: see
/// `docs/notes/large-unsigned-positions.md`. The lowering widens positions in u32.
#[test]
fn a_large_unsigned_position_is_beyond_the_end() {
    let device = Device::cpu().unwrap_or_else(|error| panic!("{error}"));
    let x = HostArray::new([3], vec![1f32, 2.0, 3.0]).unwrap_or_else(|error| panic!("{error}"));
    let all = |x: &Tensor, at: &Tensor| {
        let one = scalar(9f32).reshape([1]);
        let places = at.reshape([1]);
        concatenate(
            &[
                &x.dynamic_slice(&[at], [1]),
                &x.dynamic_update_slice(&one, &[at]),
                &x.take(&places, 0),
                &x.scatter_add(&places, &one, 0),
            ],
            0,
        )
    };
    let constant = jit(move |x: Tensor| all(&x, &scalar(u32::MAX))).on(&device);
    let running = jit(move |(x, at): (Tensor, Tensor)| all(&x, &at)).on(&device);
    let lowered = running.lower((&x, u32::MAX)).unwrap_or_else(|error| panic!("{error}"));
    let expected = lowered.graph().eval(&[x.clone(), HostArray::scalar(u32::MAX)]);
    let expected = expected.unwrap_or_else(|error| panic!("{error}")).swap_remove(0);
    let found: HostArray = constant.call(&x).unwrap_or_else(|error| panic!("{error}"));
    let run: HostArray = running.call((&x, u32::MAX)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((&found.to_f64(), &run.to_f64()), (&expected.to_f64(), &expected.to_f64()));
    assert_eq!(expected.to_f64()[..4], [3.0, 1.0, 2.0, 9.0]);
}

/// XLA's CPU plugin reads positions from the array that it adds to, where the two are one: see
/// `docs/notes/positions-that-are-the-array.md`. The lowering keeps them apart.
#[test]
fn positions_that_are_the_array_are_those_before_the_first_addition() {
    let device = Device::cpu().unwrap_or_else(|error| panic!("{error}"));
    let added = jit(|x: Tensor| x.scatter_add(&x, &x, 1)).on(&device);
    let x = HostArray::new([1, 5], vec![1, 2, 1 << 20, 3, 2]).unwrap_or_else(|error| panic!("{error}"));
    let found: HostArray = added.call(&x).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(found.to_f64(), [1.0, 3.0, 1048580.0, 6.0, 2.0]);
}

/// XLA's CPU plugin sums what padding has cut off: see `docs/notes/padding-under-windows.md`. The lowering cuts off in an
/// operation of its own.
#[test]
fn a_window_does_not_see_what_padding_has_cut_off() {
    let device = Device::cpu().unwrap_or_else(|error| panic!("{error}"));
    let sums = |x: Tensor| {
        let padded = x.pad(0.0, &[(0, 2, 0), (2, -1, 1)]);
        padded.window_sums(Window { dilation: vec![2, 2], ..Window::new([3, 3], [1, 2], [(2, 2), (2, 2)]) })
    };
    let x = HostArray::new([1, 1], vec![7.0]).unwrap_or_else(|error| panic!("{error}"));
    let found: HostArray = jit(sums).on(&device).call(&x).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((found.shape(), found.to_f64()), (&[3, 1][..], vec![0.0; 3]));
}

/// XLA makes one window of a window at the sum of their positions, which is not moved inside where either leaves its array: see
/// `docs/notes/windows-of-windows.md`. The lowering keeps them apart.
#[test]
fn a_window_of_a_window_is_moved_inside_it() {
    let device = Device::cpu().unwrap_or_else(|error| panic!("{error}"));
    let zero = || scalar(0i32);
    let window = move |(x, i, j): (Tensor, Tensor, Tensor)| {
        let outer = x.dynamic_slice(&[&zero(), &i], [4, 3]);
        (outer.dynamic_slice(&[&zero(), &j], [1, 1]), outer.t().index(0, &j))
    };
    let x = HostArray::from_fn([4, 5], |at| at as f32);
    let program = jit(window).on(&device);
    for (i, j) in [(-3, 3), (4, 1), (9, 0), (2, -77), (1, 1)] {
        let lowered = program.lower((&x, i, j)).unwrap_or_else(|error| panic!("{error}"));
        let expected = lowered.graph().eval(&[x.clone(), HostArray::scalar(i), HostArray::scalar(j)]);
        let expected = expected.unwrap_or_else(|error| panic!("{error}"));
        let (one, column): (HostArray, HostArray) = program.call((&x, i, j)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!([one, column], expected[..], "{i}, {j}");
    }
}
