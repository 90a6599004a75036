//! The symmetric eigensolver on the gallery's matrices, by LAPACK's ratios and against faer.

use std::sync::Mutex;

use tandem_compile::pjrt::Device;
use tandem_compile::{DType, HostArray, Lowering, Tensor, grad, jit, jvp, stack, vmap};
use tandem_linalg::laws;
use tandem_linalg::{eigh, eigvalsh};
use tandem_verify::rng::normal;
use tandem_verify::{Matrix, gallery};

/// What a set of matrices has come to.
#[derive(Default, Debug)]
struct Worst {
    law: (f64, &'static str),
    values: (f64, &'static str),
    alone: (f64, &'static str),
}

fn keep(worst: &mut (f64, &'static str), ratio: f64, name: &'static str) {
    // What is not a number is the worst of all.
    if !(ratio <= worst.0) {
        *worst = (ratio, name);
    }
}

/// faer's eigenvalues of the matrix that was given, in f64.
fn reference(a: &HostArray) -> HostArray {
    let m = Matrix::from_array(a).unwrap();
    let scale = if m.max_abs() == 0.0 { 1.0 } else { m.max_abs() };
    let mat = faer::Mat::from_fn(m.rows, m.rows, |i, j| m.at(i, j) / scale);
    let values = mat.self_adjoint_eigenvalues(faer::Side::Lower).unwrap();
    HostArray::new([m.rows], values.iter().map(|w| w * scale).collect::<Vec<f64>>()).unwrap()
}

/// Every symmetric matrix of the gallery of one size, through one program.
fn judge(n: usize, dtype: DType) {
    let both = jit(|a: Tensor| {
        let (w, v) = eigh(&a);
        (w, v, eigvalsh(&a))
    })
    .on(&Device::cpu().unwrap().with_lowering(Lowering::Portable).unwrap());
    let mut worst = Worst::default();
    for (kind, a) in gallery::matrices(n, n, dtype).filter(|(kind, _)| kind.symmetric) {
        let (w, v, alone): (HostArray, HostArray, HostArray) = both.call(&a).unwrap();
        let known = reference(&a);
        keep(&mut worst.law, laws::eigh(&a, &w, &v), kind.name);
        keep(&mut worst.values, laws::values(&w, &known), kind.name);
        keep(&mut worst.alone, laws::values(&alone, &known), kind.name);
    }
    println!("n = {n}, {dtype:?}: {worst:?}");
    assert!(worst.law.0 <= laws::THRESHOLD, "n = {n} {dtype:?}: {worst:?}");
    // Both solvers are off by some units in the norm of the matrix, growing slowly with n.
    let allowed = 10.0 + 2.0 * (n as f64);
    assert!(worst.values.0 <= allowed && worst.alone.0 <= allowed, "n = {n} {dtype:?}: {worst:?}");
}

#[test]
fn smallest() {
    for n in [0, 1, 2, 3] {
        judge(n, DType::F64);
    }
}

#[test]
fn n5() {
    judge(5, DType::F64);
    judge(5, DType::F32);
}
#[test]
fn n21() {
    judge(21, DType::F64);
    judge(21, DType::F32);
}
#[test]
fn n64() {
    judge(64, DType::F64);
    judge(64, DType::F32);
}
#[test]
fn n100() {
    judge(100, DType::F64);
    judge(100, DType::F32);
}
