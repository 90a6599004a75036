//! What a compiled function may be called with and return to, and when it is compiled anew.

use faer::Mat;
use ndarray::{Array0, Array1, Array2, Array3, ArrayD, ShapeBuilder, array, s};
use tandem_compile::pjrt::{Buffer, Device};
use tandem_compile::{HostArray, Jit, Tensor, Tree, jit};

fn cpu() -> Device {
    Device::cpu().unwrap_or_else(|error| panic!("{error}"))
}

fn on_cpu<I: Tree, O: Tree, F: Fn(I) -> O>(f: F) -> Jit<F, I, O> {
    jit(f).on(&cpu())
}

#[test]
fn only_a_new_signature_is_compiled() {
    let double = on_cpu(|x: Tensor| &x + &x);
    for (expected, shape) in [(1, vec![2, 3]), (1, vec![2, 3]), (2, vec![3, 2]), (3, vec![6]), (3, vec![2, 3])] {
        let x = HostArray::from_fn(shape, |i| i as f64);
        let y: HostArray = double.call(&x).unwrap();
        assert_eq!(y, HostArray::from_fn(x.shape(), |i| 2.0 * i as f64));
        assert_eq!(double.compilations(), expected);
    }
    let y: HostArray = double.call(&HostArray::from_fn([2, 3], |i| i as i32)).unwrap();
    assert_eq!((y, double.compilations()), (HostArray::from_fn([2, 3], |i| 2 * i as i32), 4));
    // The same signature from another kind of container.
    let y: Array2<f64> = double.call(&Array2::<f64>::ones((2, 3))).unwrap();
    assert_eq!((y, double.compilations()), (Array2::from_elem((2, 3), 2.0), 4));
}

#[test]
fn a_function_that_fails_to_trace_is_not_counted_and_fails_again() {
    let bad = on_cpu(|x: Tensor| x.dot(&x));
    for _ in 0..2 {
        let error = bad.call::<f64>(&array![[1.0, 2.0]]).unwrap_err().to_string();
        assert!(error.ends_with("dot: contracting sizes differ, f64[1,2] . f64[1,2]"), "{error}");
    }
    assert_eq!(bad.compilations(), 0);
    assert_eq!(bad.call::<f64>(&[3.0, 4.0][..]).unwrap(), 25.0);
}

#[test]
fn threads_that_call_at_once_share_one_compilation() {
    let dot = on_cpu(|(x, y): (Tensor, Tensor)| x.dot(&y));
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let dot = &dot;
            scope.spawn(move || {
                for trip in 0..20 {
                    let (x, y) = (vec![f64::from(thread); 100], vec![f64::from(trip); 100]);
                    let found: f64 = dot.call((&x, &y)).unwrap();
                    assert_eq!(found, f64::from(thread * trip) * 100.0);
                }
            });
        }
    });
    assert_eq!(dot.compilations(), 1);
}

#[test]
fn a_panic_while_tracing_leaves_the_function_usable() {
    let picky = on_cpu(|x: Tensor| if x.ndim() == 0 { panic!("no scalars") } else { x });
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| picky.call::<f64>(1.0).map(drop)));
    assert!(panicked.is_err());
    assert_eq!(picky.call::<Vec<f64>>(&[1.0][..]).unwrap(), [1.0]);
}

#[test]
fn ndarray_arrays_arrive_in_their_own_order_whatever_their_strides() {
    let same = on_cpu(|x: Tensor| x);
    let plain = Array2::from_shape_fn((4, 6), |(i, j)| (10 * i + j) as f32);
    let column_major = Array2::from_shape_fn((4, 6).f(), |(i, j)| (10 * i + j) as f32);
    assert_eq!(same.call::<Array2<f32>>(&plain).unwrap(), plain);
    assert_eq!(same.call::<Array2<f32>>(&column_major).unwrap(), plain);
    let views = [
        plain.t(),
        plain.slice(s![..;-1, ..]),
        plain.slice(s![..;-1, ..;-1]),
        plain.slice(s![1..3, 1..6;2]),
        plain.slice(s![3..;-2, 5..;-3]),
        plain.slice(s![2..2, ..]),
        column_major.slice(s![..;2, ..;-1]),
    ];
    for view in views {
        assert_eq!(same.call::<Array2<f32>>(&view).unwrap(), view);
        assert_eq!(same.call::<ArrayD<f32>>(&view).unwrap(), view.into_dyn());
    }
    let repeated = array![1i64, 2];
    let repeated = repeated.broadcast((3, 2)).unwrap();
    assert_eq!(same.call::<Array2<i64>>(&repeated).unwrap(), repeated);
    let cube = Array3::from_shape_fn((2, 3, 4), |(i, j, k)| i + 2 * j > k);
    let turned = cube.view().permuted_axes([2, 0, 1]);
    assert_eq!(same.call::<Array3<bool>>(&turned).unwrap(), turned);
    assert_eq!(same.call::<Array0<f64>>(&ndarray::arr0(2.5)).unwrap(), ndarray::arr0(2.5));
}

#[test]
fn faer_matrices_slices_vectors_and_numbers_go_in_and_out() {
    let same = on_cpu(|x: Tensor| x);
    let matrix = Mat::from_fn(3, 2, |i, j| (i * 2 + j) as f64);
    assert_eq!(same.call::<Mat<f64>>(&matrix).unwrap(), matrix);
    assert_eq!(same.call::<Vec<f64>>(&matrix).unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(same.call::<Mat<f64>>(matrix.transpose()).unwrap(), matrix.transpose());
    assert_eq!(same.call::<Mat<f64>>(matrix.as_ref().reverse_rows()).unwrap(), matrix.reverse_rows());
    assert_eq!(same.call::<Mat<f64>>(matrix.submatrix(1, 1, 2, 1)).unwrap(), matrix.submatrix(1, 1, 2, 1));
    assert_eq!(same.call::<Mat<f32>>(&Mat::<f32>::zeros(0, 3)).unwrap(), Mat::<f32>::zeros(0, 3));
    assert_eq!(same.call::<Vec<i32>>(&[1, 2, 3][..]).unwrap(), [1, 2, 3]);
    assert_eq!(same.call::<Vec<u32>>(&vec![7u32]).unwrap(), [7]);
    assert_eq!(same.call::<Array1<bool>>(&vec![true, false]).unwrap(), array![true, false]);
    assert_eq!(same.call::<f64>(0.5).unwrap(), 0.5);
    assert_eq!(same.call::<f32>(0.5f32).unwrap(), 0.5);
    assert_eq!(same.call::<i64>(i64::MIN).unwrap(), i64::MIN);
    assert_eq!(same.call::<i32>(-1).unwrap(), -1);
    assert_eq!(same.call::<u32>(u32::MAX).unwrap(), u32::MAX);
    assert!(same.call::<bool>(true).unwrap());
}

#[test]
fn arguments_and_results_come_in_tuples_and_lists() {
    let turned = on_cpu(|(a, b, c): (Tensor, Tensor, Tensor)| (c, a, b));
    let found: (bool, Vec<f64>, Array1<i32>) = turned.call((&[1.0, 2.0][..], &array![3, 4], true)).unwrap();
    assert_eq!(found, (true, vec![1.0, 2.0], array![3, 4]));
    let all = [HostArray::scalar(1.0), HostArray::scalar(2i32), HostArray::scalar(false)];
    let found: Vec<HostArray> = turned.call(&all[..]).unwrap();
    assert_eq!(found, [all[2].clone(), all[0].clone(), all[1].clone()]);
    let buffers: Vec<Buffer> = all.iter().map(|x| cpu().upload(x).unwrap()).collect();
    let found: Vec<Buffer> = turned.call(&buffers[..]).unwrap();
    assert_eq!(found[0].to_host().unwrap(), all[2]);
    assert_eq!(on_cpu(|(x,): (Tensor,)| (x,)).call::<(f64,)>((1.5,)).unwrap(), (1.5,));
    assert_eq!(
        on_cpu(|(x, y): (Tensor, [Tensor; 2])| [x + &y[0], y[1].clone()]).call::<(f64, f64)>((1.0, 2.0, 3.0)).unwrap(),
        (3.0, 3.0)
    );
    assert_eq!(on_cpu(|_: ()| ()).call::<Vec<HostArray>>(()).unwrap(), []);
}

#[test]
fn a_buffer_is_lent_by_reference_and_given_up_by_value() {
    let device = cpu();
    let next = on_cpu(|x: Tensor| x * 2.0 + 1.0);
    let start = device.upload_slice(&[0.0, 1.0], &[2]).unwrap();
    let lent: Buffer = next.call(&start).unwrap();
    let again: Buffer = next.call(&start).unwrap();
    assert_eq!(next.compilations(), 1);
    assert_eq!(lent.to_host().unwrap(), again.to_host().unwrap());
    let given: Buffer = next.call(lent).unwrap();
    assert_eq!(next.compilations(), 2, "the program that may reuse its argument's memory is another");
    assert_eq!(given.to_host().unwrap().to_f64(), [3.0, 7.0]);
    let mut state = start;
    for _ in 0..10 {
        state = next.call(state).unwrap();
    }
    assert_eq!(state.to_host().unwrap().to_f64(), [1023.0, 2047.0]);
    assert_eq!(next.compilations(), 2);
}

#[test]
fn results_that_the_callers_type_cannot_hold_are_an_error_in_words() {
    let pair = on_cpu(|x: Tensor| (x.clone(), x.sum()));
    let words = |error: tandem_compile::Error| error.to_string();
    let x = [1.0, 2.0];
    let error = words(pair.call::<Vec<f64>>(&x[..]).unwrap_err());
    assert_eq!(error, "the function returns 2 results, the caller asks for 1");
    let error = words(pair.call::<(f64, f64)>(&x[..]).unwrap_err());
    assert_eq!(error, "the result f64[2] is no single f64");
    let error = words(pair.call::<(Vec<f32>, f64)>(&x[..]).unwrap_err());
    assert_eq!(error, "the array holds f64, not f32; convert it with `cast`");
    let error = words(pair.call::<(Array2<f64>, f64)>(&x[..]).unwrap_err());
    assert_eq!(error, "the result f64[2] has 1 axes, the caller's array 2");
    let error = words(pair.call::<(Mat<f64>, f64)>(&x[..]).unwrap_err());
    assert_eq!(error, "the result f64[2] is no matrix");
    let error = words(pair.call::<Vec<HostArray>>((&x[..], 1.0)).unwrap_err());
    let words = "the function takes other arguments than the 2 given (f64[2], f64[])";
    assert_eq!(error, format!("{}:{}: {words}", file!(), line!() - 2));
}

#[test]
fn every_stage_can_be_read_without_running() {
    let f = on_cpu(|x: Tensor| x.exp());
    let lowered = f.lower(&[1.0, 2.0][..]).unwrap();
    assert_eq!(lowered.graph().result_types(), lowered.graph().param_types());
    assert!(lowered.stablehlo().contains("stablehlo.exponential %arg0 : tensor<2xf64>"));
    let donated = f.lower(cpu().upload_slice(&[1.0, 2.0], &[2]).unwrap()).unwrap();
    assert!(donated.stablehlo().contains("%arg0: tensor<2xf64> {jax.buffer_donor = true}"));
    assert_eq!(f.compilations(), 0);
    let executable = lowered.graph().compile(&cpu()).unwrap();
    let found = executable.run(&cpu(), &[HostArray::from_fn([2], |_| 0.0)]).unwrap();
    assert_eq!(found, [HostArray::from_fn([2], |_| 1.0)]);
}

#[test]
fn every_stage_of_a_function_can_be_read() {
    let device = Device::cpu().unwrap();
    let double = jit(|x: Tensor| (&x + &x).sin()).on(&device);
    let lowered = double.lower(&[1.0, 2.0][..]).unwrap();
    assert!(lowered.graph().to_string().contains("= add %0, %0"), "{}", lowered.graph());
    assert!(lowered.stablehlo().contains("stablehlo.add"));
    let optimized = device.optimized(&lowered.stablehlo()).unwrap();
    assert!(optimized.contains("HloModule") && optimized.contains("f64[2]"), "{optimized}");
}
