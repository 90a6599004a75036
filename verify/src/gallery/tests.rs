use std::collections::HashSet;

use faer::Mat;

use super::*;

fn faer(a: &Matrix) -> Mat<f64> {
    Mat::from_fn(a.rows, a.cols, |i, j| a.at(i, j))
}

#[test]
fn every_kind_has_its_own_name_and_the_shape_that_was_asked_for() {
    let names: HashSet<_> = KINDS.iter().chain(SUBNORMAL).map(|kind| kind.name).collect();
    assert_eq!(names.len(), KINDS.len() + SUBNORMAL.len());
    for &(m, n) in SHAPES {
        for dtype in [DType::F64, DType::F32] {
            for (kind, a) in matrices(m, n, dtype) {
                assert_eq!((a.shape(), a.dtype()), ([m, n].as_slice(), dtype), "{}", kind.name);
                assert_eq!(a.first_nonfinite(), None, "{}", kind.name);
            }
        }
    }
}

#[test]
fn the_same_numbers_come_twice_and_kinds_differ() {
    let all = || matrices(7, 7, DType::F64).map(|(_, a)| a).collect::<Vec<_>>();
    assert_eq!(all(), all());
    let graded = |name| named(name).unwrap().matrix(6, 6).unwrap();
    assert_ne!(graded("clustered"), graded("repeated"));
    assert!(named("random, 1e150").unwrap().array(3, 3, DType::F32).is_none());
    assert!(named("Frank").unwrap().matrix(3, 4).is_none());
}

#[test]
fn symmetric_kinds_are_symmetric_and_definite_ones_definite_in_f32_too() {
    for n in [1, 2, 7, 40, 100] {
        for (kind, a) in matrices(n, n, DType::F32).filter(|(kind, _)| kind.symmetric) {
            let a = Matrix::from_array(&a).unwrap();
            assert_eq!(a, a.t(), "{}", kind.name);
            if kind.definite {
                let scale = a.max_abs();
                let scaled = Mat::<f32>::from_fn(n, n, |i, j| (a.at(i, j) / scale) as f32);
                assert!(scaled.llt(faer::Side::Lower).is_ok(), "{} {n}", kind.name);
            }
        }
    }
}

#[test]
fn prescribed_values_are_those_of_the_matrix() {
    for kind in KINDS {
        for (m, n) in [(12, 12), (20, 9), (9, 20)] {
            let (Some(a), Some(values)) = (kind.matrix(m, n), kind.prescribed(m, n)) else { continue };
            let found = match kind.symmetric {
                true => faer(&a).self_adjoint_eigenvalues(faer::Side::Lower).unwrap(),
                false => faer(&a).singular_values().unwrap(),
            };
            let largest = values.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
            for (x, y) in values.iter().zip(&found) {
                assert!((x - y).abs() <= 100.0 * f64::EPSILON * largest, "{} {m} x {n}: {x:e} {y:e}", kind.name);
            }
        }
    }
}

#[test]
fn classical_matrices_are_themselves() {
    let matrix = |name: &str, n| named(name).unwrap().matrix(n, n).unwrap();
    assert_eq!(matrix("Frank", 3).values, [3.0, 2.0, 1.0, 2.0, 2.0, 1.0, 0.0, 1.0, 1.0]);
    assert_eq!(matrix("Vandermonde", 2).values, [1.0, 0.5, 1.0, 1.0]);
    let w = faer(&matrix("Wilkinson", 21)).self_adjoint_eigenvalues(faer::Side::Lower).unwrap();
    assert!((w[20] - 10.746_194_182_903_39).abs() < 1e-13, "{}", w[20]);
    assert!((w[20] - w[19]).abs() < 1e-13);
    let p = matrix("permutation", 9);
    assert_eq!(p.dot(&p.t()), matrix("identity", 9));
}

#[test]
fn subnormal_kinds_hold_subnormal_numbers_in_one_of_the_dtypes() {
    for kind in SUBNORMAL {
        let held = [DType::F32, DType::F64].map(|dtype| kind.array(9, 9, dtype).map_or(0, |a| a.subnormals()));
        assert!(held.iter().any(|&count| count > 0), "{}: {held:?}", kind.name);
    }
}
