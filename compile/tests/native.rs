//! Native kernels: the same results as the portable lowering, and errors that arrive.

use tandem_compile::native::{Call, Handler, HostKernel};
use tandem_compile::pjrt::Device;
use tandem_compile::{DotGeneral, Graph, HostArray, Lowering, Tensor, TensorType, jit, kernel, trace, vmap};

fn device(lowering: Lowering) -> Device {
    Device::cpu().and_then(|device| device.with_lowering(lowering)).unwrap_or_else(|error| panic!("{error}"))
}

fn graph(f: impl FnOnce(Vec<Tensor>) -> Vec<Tensor>, arguments: &[HostArray]) -> Graph {
    let types: Vec<TensorType> = arguments.iter().map(HostArray::ty).collect();
    trace(f, &types).unwrap_or_else(|error| panic!("{error}"))
}

fn run(graph: &Graph, lowering: Lowering, arguments: &[HostArray]) -> HostArray {
    let device = device(lowering);
    let results = graph.compile(&device).and_then(|executable| executable.run(&device, arguments));
    results.unwrap_or_else(|error| panic!("{error}")).swap_remove(0)
}

/// Whole numbers, so that the order of the sums does not matter.
fn whole(shape: &[usize], salt: usize) -> HostArray {
    HostArray::from_fn(shape, |at| ((at * 31 + salt) % 17) as f64 - 8.0)
}

#[test]
fn a_product_is_the_same_natively_whichever_axes_it_contracts() {
    let (m, k, n, b) = (72, 65, 80, 3);
    let plain = |lhs, rhs| DotGeneral { lhs_contracting: vec![lhs], rhs_contracting: vec![rhs], ..Default::default() };
    let stacked = |lhs, rhs, batch| DotGeneral {
        lhs_contracting: vec![lhs],
        rhs_contracting: vec![rhs],
        lhs_batch: vec![batch],
        rhs_batch: vec![batch],
        ..Default::default()
    };
    let several = DotGeneral { lhs_contracting: vec![0, 2], rhs_contracting: vec![1, 0], ..Default::default() };
    let cases = [
        (vec![m, k], vec![k, n], plain(1, 0)),
        (vec![k, m], vec![k, n], plain(0, 0)),
        (vec![m, k], vec![n, k], plain(1, 1)),
        (vec![k, m], vec![n, k], plain(0, 1)),
        (vec![b, m, k], vec![b, k, n], stacked(2, 1, 0)),
        (vec![b, k, m], vec![b, n, k], stacked(1, 2, 0)),
        (vec![m, b, k], vec![n, b, k], stacked(2, 2, 1)),
        (vec![9, m, 8], vec![8, 9, n], several),
    ];
    for (lhs, rhs, dot) in cases {
        let arguments = [whole(&lhs, 3), whole(&rhs, 5)];
        let graph = graph(|x| vec![x[0].dot_general(&x[1], dot.clone())], &arguments);
        assert!(!graph.stablehlo().contains("custom_call"));
        let (portable, native) =
            (run(&graph, Lowering::Portable, &arguments), run(&graph, Lowering::Native, &arguments));
        assert_eq!(native, portable, "{lhs:?} {rhs:?} {dot:?}");
        assert_eq!(native.shape().len(), lhs.len() + rhs.len() - 2 * dot.lhs_contracting.len() - dot.lhs_batch.len());
    }
}

#[test]
fn large_f64_products_are_native_and_others_are_not() {
    let text = |shape: [usize; 2], like: fn(&[usize]) -> HostArray| {
        let device = device(Lowering::Native);
        let square = jit(|x: Tensor| x.dot(&x.t())).on(&device);
        let lowered = square.lower(&like(&shape)).unwrap_or_else(|error| panic!("{error}"));
        lowered.module(device.lowering()).text
    };
    let wide = |shape: &[usize]| whole(shape, 0);
    let narrow = |shape: &[usize]| HostArray::from_fn(shape, |_| 1f32);
    assert!(text([128, 128], wide).contains("@tandem_product"));
    assert!(!text([128, 128], narrow).contains("custom_call"), "f32");
    assert!(!text([8, 8], wide).contains("custom_call"), "small");
    assert!(!text([1, 1 << 20], wide).contains("custom_call"), "a product of vectors");
}

struct Halves;

impl HostKernel for Halves {
    const NAME: &'static str = "test_halves";

    fn run(call: &mut Call<'_>) -> Result<(), String> {
        let (x, y) = (call.argument::<f64>(0)?, call.result::<f64>(0)?);
        assert!(!x.contains(&99.0), "ninety-nine");
        if x.contains(&-1.0) {
            return Err("-1 cannot be halved".into());
        }
        x.iter().zip(y).for_each(|(x, y)| *y = x / 2.0);
        Ok(())
    }
}

fn halved(x: Tensor) -> Tensor {
    let rule = |_: &Tensor, _: &Tensor, dx: &Tensor| dx * 0.5;
    kernel(Some(Handler::of::<Halves>()), |x: Tensor| x * 0.5, rule)(x)
}

#[test]
fn what_a_kernel_reports_is_the_error_of_the_run_and_a_panic_too() {
    let f = jit(halved).on(&device(Lowering::Native));
    let halves: Vec<f64> = f.call(&[4.0, 5.0][..]).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(halves, [2.0, 2.5]);
    let refused = f.call::<Vec<f64>>(&[4.0, -1.0][..]);
    let message = refused.map_err(|error| error.to_string()).err().unwrap_or_default();
    assert!(message.contains("test_halves: -1 cannot be halved"), "{message}");
    let panicked = f.call::<Vec<f64>>(&[99.0, 1.0][..]);
    let message = panicked.map_err(|error| error.to_string()).err().unwrap_or_default();
    assert!(message.contains("test_halves: it panicked"), "{message}");
    let empty: Vec<f64> = f.call(&[0.0; 0][..]).unwrap_or_else(|error| panic!("{error}"));
    assert!(empty.is_empty());
}

#[test]
fn many_problems_are_one_call() {
    let f = jit(vmap(vmap(halved))).on(&device(Lowering::Native));
    let x = HostArray::from_fn([2, 3, 4], |at| at as f64);
    let y: HostArray = f.call(&x).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(y, HostArray::from_fn([2, 3, 4], |at| at as f64 / 2.0));
    let lowered = f.lower(&x).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(lowered.module(Lowering::Native).text.matches("@test_halves").count(), 1);
}
