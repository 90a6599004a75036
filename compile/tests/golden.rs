//! What a program looks like in print, as a graph and as StableHLO.

use tandem_compile::{DType, HostArray, Tensor, TensorType, cond, constant, fori_loop, trace};

/// Power iteration: a product in a loop, and a branch that keeps zero from being divided by.
fn dominant(a: Tensor, start: Tensor) -> (Tensor, Tensor) {
    let shift = constant(&HostArray::from_fn([3], |i| i as f32 - 1.0));
    let x = fori_loop(0, 10, start + shift, |_, x| {
        let y = a.dot(&x);
        let norm = y.square().sum().sqrt();
        cond(&norm.gt(0.0), || &y / &norm, || y.clone())
    });
    let eigenvalue = x.dot(&a.dot(&x));
    (eigenvalue, x)
}

#[test]
fn a_program_prints_as_its_snapshots() {
    let types = [TensorType::new(DType::F32, [3, 3]), TensorType::new(DType::F32, [3])];
    let graph = trace(|(a, start)| dominant(a, start), &types).unwrap();
    graph.check().unwrap();
    insta::assert_snapshot!("graph", graph.to_string());
    insta::assert_snapshot!("stablehlo", graph.stablehlo());
}
