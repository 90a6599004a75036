//! The factorizations as programs: as long for large matrices as for small ones, and the same when interpreted.

mod judge;

use judge::{host, random};
use tandem_compile::pjrt::Device;
use tandem_compile::{DType, Graph, Tensor, TensorType, trace};
use tandem_linalg as linalg;

/// A function of one square matrix.
type Function = fn(Tensor) -> Vec<Tensor>;

const FACTORIZATIONS: &[(&str, Function)] = &[
    ("qr", |a| <[Tensor; 2]>::from(linalg::qr(&a)).to_vec()),
    ("qr_full", |a| <[Tensor; 2]>::from(linalg::qr_full(&a)).to_vec()),
    ("qr_raw", |a| <[Tensor; 2]>::from(linalg::qr_raw(&a)).to_vec()),
    ("qr_pivoted", |a| <[Tensor; 3]>::from(linalg::qr_pivoted(&a)).to_vec()),
    ("cholesky", |a| vec![linalg::cholesky(&(a.dot(&a.t()) + tandem_compile::eye(a.dim(0), a.dtype())))]),
    ("lu", |a| <[Tensor; 3]>::from(linalg::lu(&a)).to_vec()),
    ("ldl", |a| <[Tensor; 3]>::from(linalg::ldl(&a)).to_vec()),
    ("solve_triangular", |a| vec![linalg::solve_triangular(&(&a + 9.0), &a, false, true, false)]),
];

fn traced(f: Function, n: usize) -> Graph {
    trace(f, &[TensorType::new(DType::F64, [n, n])]).unwrap()
}

#[test]
fn programs_do_not_grow_with_the_matrix() {
    for (name, f) in FACTORIZATIONS {
        let lines = |n: usize| traced(*f, n).stablehlo().lines().count();
        // From 256 on strips have a loop of their own, and from there on nothing changes.
        let [small, middle, large] = [64, 512, 2048].map(lines);
        println!("{name}: {small}, {middle}, {large} lines");
        assert!(large == middle && large <= 2 * small, "{name}: {small}, {middle}, {large} lines at 64, 512, 2048");
    }
}

#[test]
fn interpreted_is_compiled() {
    let device = Device::cpu().unwrap().with_lowering(tandem_compile::Lowering::Portable).unwrap();
    let a = host(&random(3, 7, 7), DType::F64);
    for (name, f) in FACTORIZATIONS {
        let graph = traced(*f, 7);
        let interpreted = graph.eval(std::slice::from_ref(&a)).unwrap();
        let compiled = graph.compile(&device).unwrap().run(&device, std::slice::from_ref(&a)).unwrap();
        for (x, y) in interpreted.iter().zip(&compiled) {
            let far = x.to_f64().iter().zip(y.to_f64()).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
            assert!(far < 1e-11, "{name}: {far:e}");
        }
    }
}
