//! The matching-pursuit SAE gives the numbers that an independent implementation in NumPy gave on inputs that anybody can
//! make again, and its reverse mode is what it claims to be.

mod golden;

use faer::Mat;
use golden::{COEFFICIENTS, D, K, LOSS, P, SELECTIONS, atoms, signal};
use tandem_algos::sae::pursuit::{Steps, pursue, unit_rows, unrolled};
use tandem_algos::sae::{MpSae, Selection, reference};
use tandem_compile::pjrt::Device;
use tandem_compile::{DType, Graph, HostArray, Tensor, TensorType, grad, jvp, trace, vjp};
use tandem_verify::rng::normal;

/// |dL/dw|, |dL/dx|, and dL/dw at atom 87, coordinate 0; by unit atoms.
const GRADIENT: [f64; 3] = [22.996762843972, 3.738118899698, 2.100734937606];
/// The same through the normalisation of the atoms as they are drawn, scaled to norm 1 before.
const THROUGH_THE_NORM: [f64; 2] = [22.07560661617706, 1.8290112884523428];

fn near(found: f64, expected: f64, digits: f64) {
    assert!((found - expected).abs() <= digits * expected.abs().max(1.0), "{found} instead of {expected}");
}

fn length(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn run(graph: &Graph, inputs: &[HostArray]) -> Vec<HostArray> {
    let device = Device::cpu().unwrap();
    graph.compile(&device).unwrap().run(&device, inputs).unwrap()
}

fn types(inputs: &[HostArray]) -> Vec<TensorType> {
    inputs.iter().map(HostArray::ty).collect()
}

/// Selections, coefficients, loss and gradients of the published problem.
fn published(support: &[i32], values: &[f64], loss: f64, by_atom: &[f64], by_signal: &[f64]) {
    assert_eq!(support, SELECTIONS);
    values.iter().zip(COEFFICIENTS).for_each(|(&c, expected)| near(c, expected, 1e-9));
    near(loss, LOSS, 1e-12);
    near(length(by_atom), GRADIENT[0], 1e-12);
    near(length(by_signal), GRADIENT[1], 1e-12);
    near(by_atom[87 * D], GRADIENT[2], 1e-12);
}

#[test]
fn selections_and_gradients_of_the_device_are_the_published_ones() {
    let inputs = [atoms(), signal()];
    type Way = fn(&Tensor, &Tensor, usize, Selection) -> Steps;
    for way in [pursue as Way, unrolled] {
        let program = |(w, x): (Tensor, Tensor)| {
            let steps = way(&w, &x, K, Selection::Abs);
            let loss = |(w, x): (Tensor, Tensor)| way(&w, &x, K, Selection::Abs).residual.square().sum();
            let (by_atom, by_signal) = grad(loss)((w, x));
            [steps.index, steps.value, steps.residual.square().sum(), by_atom, by_signal]
        };
        let found = run(&trace(program, &types(&inputs)).unwrap(), &inputs);
        let reals: Vec<Vec<f64>> = found.iter().map(HostArray::to_f64).collect();
        published(found[0].values::<i32>().unwrap(), &reals[1], reals[2][0], &reals[3], &reals[4]);
    }
}

#[test]
fn selections_and_gradients_of_the_reference_are_the_published_ones() {
    let (values, x) = (atoms().to_f64(), signal().to_f64());
    let w = Mat::from_fn(P, D, |j, at| values[j * D + at]);
    let sae = MpSae::new(P, K).selection(Selection::Abs);
    let found = reference::pursue(&sae, &w, x, &mut Vec::new());
    let mut by_atom = Mat::<f64>::zeros(P, D);
    let by_signal = reference::gradient(&w, &found, 2.0, 1.0, &mut by_atom);
    let by_atom: Vec<f64> = (0..P).flat_map(|j| (0..D).map(move |at| (j, at))).map(|at| by_atom[at]).collect();
    let support: Vec<i32> = found.support.iter().map(|&j| j as i32).collect();
    let loss = found.residual().iter().map(|r| r * r).sum();
    published(&support, &found.values, loss, &by_atom, &by_signal);
}

#[test]
fn the_gradient_passes_through_the_normalisation() {
    let sae = MpSae::new(P, K).selection(Selection::Abs);
    let inputs = [signal(), atoms(), HostArray::new([D], vec![0.0; D]).unwrap()];
    let explain = |(x, w, b): (Tensor, Tensor, Tensor)| sae.explain(&x, &w, &b).into_vec();
    let device = run(&trace(explain, &types(&inputs)).unwrap(), &inputs);
    let reference = reference::explain::<f64>(&sae, &inputs[0], &inputs[1], &inputs[2]);
    for (loss, by_atom) in
        [(device[3].to_f64(), device[4].to_f64()), (reference.reals("loss"), reference.reals("dictionary_gradient"))]
    {
        near(loss[0], LOSS, 1e-12);
        near(length(&by_atom), THROUGH_THE_NORM[0], 1e-12);
        near(by_atom[87 * D], THROUGH_THE_NORM[1], 1e-12);
    }
}

/// A smaller problem with several signals; every selection is far from another.
fn problem() -> [HostArray; 2] {
    let (w, x) = (normal(5, 20 * 6), normal(6, 4 * 6));
    [HostArray::new([20, 6], w).unwrap(), HostArray::new([4, 6], x).unwrap()]
}

/// <ct, J dx> = <J' ct, dx>, the left side by forward mode through the plain scan, the right by the rebuilt residuals.
#[test]
fn reverse_mode_is_the_transpose_of_forward_mode() {
    let [w, x] = problem();
    let k = 4;
    let random = |seed, shape: &[usize]| HostArray::new(shape, normal(seed, shape.iter().product())).unwrap();
    let inputs = [w, x, random(7, &[20, 6]), random(8, &[4, 6]), random(9, &[k, 4]), random(10, &[4, 6])];
    for selection in [Selection::Relu, Selection::Abs, Selection::Signed] {
        let forward = |(w, x): (Tensor, Tensor)| {
            let steps = unrolled(&unit_rows(&w), &x, k, selection);
            (steps.value, steps.residual)
        };
        let backward = |(w, x): (Tensor, Tensor)| {
            let steps = pursue(&unit_rows(&w), &x, k, selection);
            (steps.value, steps.residual)
        };
        let program = |(w, x, dw, dx, cv, cr): (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)| {
            let (_, (dv, dr)) = jvp(forward, (w.clone(), x.clone()), (dw.clone(), dx.clone()));
            let left = (dv * &cv).sum() + (dr * &cr).sum();
            let (_, back) = vjp(backward, (w.clone(), x.clone()));
            let (bw, bx) = back((cv.clone(), cr.clone()));
            let (_, plain) = vjp(forward, (w, x));
            let (pw, px) = plain((cv, cr));
            let right = (&bw * dw).sum() + (&bx * dx).sum();
            [left, right, (bw - pw).abs().max(), (bx - px).abs().max()]
        };
        let found = run(&trace(program, &types(&inputs)).unwrap(), &inputs);
        let [left, right, atoms, signals] = [0, 1, 2, 3].map(|i: usize| found[i].to_f64()[0]);
        near(left, right, 1e-12);
        assert!(atoms < 1e-13 && signals < 1e-13, "{selection:?}: {atoms:e}, {signals:e} from the plain reverse mode");
    }
}

#[test]
fn the_gradient_is_that_of_central_differences() {
    let [w, x] = problem();
    let bias = HostArray::new([6], normal(11, 6)).unwrap();
    let sae = MpSae::new(20, 3);
    let loss =
        |inputs: &[HostArray; 3]| reference::explain::<f64>(&sae, &inputs[0], &inputs[1], &inputs[2]).reals("loss")[0];
    let inputs = [x, w, bias];
    let explain = |(x, w, b): (Tensor, Tensor, Tensor)| sae.explain(&x, &w, &b).into_vec();
    let device = run(&trace(explain, &types(&inputs)).unwrap(), &inputs);
    for (input, output) in [(0, 6), (1, 4), (2, 5)] {
        let gradient = device[output].to_f64();
        for (at, expected) in gradient.iter().enumerate() {
            let moved = |h: f64| {
                let mut inputs = inputs.clone();
                inputs[input].values_mut::<f64>().unwrap()[at] += h;
                loss(&inputs)
            };
            let slope = (moved(1e-6) - moved(-1e-6)) / 2e-6;
            assert!((slope - expected).abs() < 1e-7, "input {input}, element {at}: {slope}, not {expected}");
        }
    }
}

/// The elements of the largest array in a graph, loops' bodies included.
fn largest(graph: &Graph) -> usize {
    let own = graph.params().iter().chain(graph.nodes().iter().flat_map(|node| &node.outputs));
    let own = own.map(|&value| graph.ty(value).len()).max().unwrap_or(0);
    graph.nodes().iter().flat_map(|node| node.op.subgraphs()).map(largest).fold(own, usize::max)
}

#[test]
fn reverse_mode_holds_the_coefficients_of_the_steps_and_nothing_else_of_them() {
    let (b, p, d, k) = (16, 24, 20, 64);
    let inputs = [TensorType::new(DType::F32, [p, d]), TensorType::new(DType::F32, [b, d])];
    let gradient = |way: fn(&Tensor, &Tensor, usize, Selection) -> Steps| {
        let loss = move |(w, x): (Tensor, Tensor)| way(&w, &x, k, Selection::Relu).residual.square().sum();
        trace(grad(loss), &inputs).unwrap()
    };
    // Of everything that grows with k, the coefficients' [k, b] is the largest.
    let most = [p * d, b * p, b * d, k * b].into_iter().max().unwrap();
    assert_eq!(largest(&gradient(pursue)), most);
    assert!(largest(&gradient(unrolled)) >= k * b * d, "the plain way should store every residual");
}

#[test]
fn codes_add_up_repeated_atoms_and_reconstruct() {
    let [w, x] = problem();
    let bias = HostArray::new([6], normal(11, 6)).unwrap();
    let sae = MpSae::new(20, 9).selection(Selection::Abs);
    let program = |(x, w, b): (Tensor, Tensor, Tensor)| {
        let encoded = sae.encode(&x, &w, &b);
        let codes = encoded.codes(20);
        let repeated = (codes.ne(0.0).convert(DType::I32).sum_axes([1])).min();
        [(codes.dot(&unit_rows(&w)) + &b - encoded.reconstruction).abs().max(), repeated]
    };
    let inputs = [x, w, bias];
    let found = run(&trace(program, &types(&inputs)).unwrap(), &inputs);
    assert!(found[0].to_f64()[0] < 1e-14);
    assert!(found[1].to_f64()[0] < 9.0, "no atom is taken twice: the problem proves too little");
}
