//! The functions after numpy's, against their definitions.

mod einsum;
mod matrices;
mod statistics;

use tandem_compile::pjrt::Device;
use tandem_compile::{HostArray, Tensor, TensorType, trace};

/// Runs a function interpreted and compiled, and checks that the two agree.
#[track_caller]
fn run(f: impl Fn(&[Tensor]) -> Tensor, arguments: &[HostArray]) -> Vec<f64> {
    let types: Vec<TensorType> = arguments.iter().map(HostArray::ty).collect();
    let graph = trace(|x: Vec<Tensor>| f(&x), &types).unwrap_or_else(|e| panic!("{e}"));
    let interpreted = graph.eval(arguments).unwrap_or_else(|e| panic!("{e}")).remove(0);
    let device = Device::cpu().unwrap_or_else(|e| panic!("{e}"));
    let program = graph.compile(&device).unwrap_or_else(|e| panic!("{e}\n{}", graph.stablehlo()));
    let compiled = program.run(&device, arguments).unwrap_or_else(|e| panic!("{e}")).remove(0);
    assert_eq!(interpreted.ty(), compiled.ty());
    near("compiled", &compiled.to_f64(), &interpreted.to_f64());
    interpreted.to_f64()
}

/// The same to a few roundings, NaN and infinities included.
#[track_caller]
fn near(what: &str, found: &[f64], expected: &[f64]) {
    let close =
        |(x, y): (&f64, &f64)| x == y || (x.is_nan() && y.is_nan()) || (x - y).abs() <= 1e-14 * y.abs().max(1.0);
    let same = found.len() == expected.len() && found.iter().zip(expected).all(close);
    assert!(same, "{what}: {found:?}, expected {expected:?}");
}

fn vector(values: &[f64]) -> HostArray {
    HostArray::new([values.len()], values.to_vec()).unwrap()
}
