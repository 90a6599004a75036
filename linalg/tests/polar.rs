//! The polar decomposition: its law over the gallery with both lowerings, batches, empty and bad matrices, derivatives.

mod judge;

use judge::{Program, Worst, assert_all_nan, check_derivatives, host, random};
use tandem_compile::{DType, HostArray, Lowering, Tensor, jvp};
use tandem_linalg::{laws, polar};
use tandem_verify::gallery;

fn parts(x: Vec<Tensor>) -> Vec<Tensor> {
    let (u, p) = polar(&x[0]);
    vec![u, p]
}

#[test]
fn matrices_of_the_gallery_are_decomposed() {
    for lowering in [Lowering::Portable, Lowering::Native] {
        let mut worst = Worst::new();
        let program = Program::lowered(parts, lowering);
        for (dtype, m, n) in [(DType::F64, 1, 1), (DType::F64, 12, 8), (DType::F64, 8, 12), (DType::F32, 12, 12)] {
            for (kind, a) in gallery::matrices(m, n, dtype) {
                let found = program.arrays(std::slice::from_ref(&a));
                let ratio = laws::polar(&a, &found[0], &found[1]);
                worst.check(ratio, || format!("{} {dtype} {m} x {n}, {lowering:?}", kind.name));
            }
        }
    }
}

#[test]
fn batches_empty_and_bad_matrices() {
    let program = Program::new(parts);
    let (good, mut values) = (random(1, 4, 3), random(1, 8, 3).values);
    values[..12].copy_from_slice(&good.values);
    values[20] = f64::NAN;
    let found = program.arrays(&[HostArray::new([2, 1, 4, 3], values).unwrap()]);
    assert_eq!((found[0].shape(), found[1].shape()), (&[2, 1, 4, 3][..], &[2, 1, 3, 3][..]));
    let alone = program.arrays(&[host(&good, DType::F64)]);
    for (all, alone) in found.iter().zip(&alone) {
        let (first, second) = (&all.to_f64()[..alone.len()], &all.to_f64()[alone.len()..]);
        assert!(first.iter().zip(alone.to_f64()).all(|(x, y)| (x - y).abs() < 1e-13));
        assert!(second.iter().all(|x| x.is_nan()));
    }
    for (m, n) in [(0, 0), (0, 3), (3, 0)] {
        let found = program.arrays(&[HostArray::new([m, n], Vec::<f64>::new()).unwrap()]);
        assert_eq!((found[0].shape(), found[1].shape()), (&[m, n][..], &[n, n][..]));
        assert!(found[1].to_f64().iter().all(|&x| x == 0.0));
    }
    assert_all_nan(&program.arrays(&[HostArray::new([1, 2], vec![f64::INFINITY, 1.0]).unwrap()]), "infinity");
}

#[test]
fn derivatives_are_those_of_differences() {
    for (m, n) in [(4, 4), (5, 3), (3, 5)] {
        check_derivatives(parts, &[random(2, m, n)], false, 1e-7);
    }
}

/// At the identity dU is the skew and dP the symmetric half of dA.
#[test]
fn equal_singular_values_do_no_harm() {
    let moved = Program::new(|x: Vec<Tensor>| jvp(parts, vec![x[0].clone()], vec![x[1].clone()]).1);
    let da = random(3, 5, 5);
    let found = moved.run(&[host(&judge::identity(5), DType::F64), host(&da, DType::F64)]);
    assert!(found[0].minus(&found[1]).max_abs() > 0.1);
    let halves = |i: usize, j: usize| (0.5 * (da.at(i, j) - da.at(j, i)), 0.5 * (da.at(i, j) + da.at(j, i)));
    for i in 0..5 {
        for j in 0..5 {
            let (skew, even) = halves(i, j);
            assert!((found[0].at(i, j) - skew).abs() < 1e-14 && (found[1].at(i, j) - even).abs() < 1e-14);
        }
    }
}
