//! Products that contract axes.

use tandem_compile::ops::dot::{DotGeneral, Precision};
use tandem_compile::{DType, HostArray};

use crate::{NUMBERS, array, assert_same, rounded, run, run1};

/// Whole numbers between -4 and 4, so that sums of products are exact in every type (in u32, modulo 2^32).
fn small(dtype: DType, shape: &[usize], salt: usize) -> HostArray {
    let values: Vec<f64> = (0..shape.iter().product())
        .map(|i: usize| ((i * 7 + salt * 3) % 9) as f64 - if dtype == DType::U32 { 0.0 } else { 4.0 })
        .collect();
    rounded(dtype, shape, &values)
}

fn matmul(a: &HostArray, b: &HostArray) -> Vec<f64> {
    let (&[m, k], &[_, n]) = (a.shape(), b.shape()) else { unreachable!() };
    let (x, y) = (a.to_f64(), b.to_f64());
    let mut out = vec![0.0; m * n];
    for i in 0..m {
        for j in 0..n {
            for l in 0..k {
                out[i * n + j] += x[i * k + l] * y[l * n + j];
            }
        }
    }
    out
}

#[test]
fn the_matrix_product_is_the_sum_of_products() {
    for dtype in NUMBERS {
        for (m, k, n) in [(1, 1, 1), (2, 3, 4), (5, 0, 2), (0, 3, 2), (3, 2, 0), (7, 17, 5)] {
            let (a, b) = (small(dtype, &[m, k], 0), small(dtype, &[k, n], 1));
            let expected = rounded(dtype, &[m, n], &matmul(&a, &b));
            let turned = |t: &HostArray| t.transposed().unwrap();
            let found = run(&[a.clone(), b.clone(), turned(&a), turned(&b)], |t| {
                vec![t[0].dot(&t[1]), t[0].contract(&t[3], 1, 1), t[2].contract(&t[1], 0, 0)]
            });
            for (found, name) in found.iter().zip(["a b", "a (b')'", "(a')' b"]) {
                assert_same(name, found, &expected);
            }
        }
    }
}

#[test]
fn vectors_and_matrices_multiply_in_every_combination() {
    let (a, x) = (small(DType::F64, &[3, 3], 0), small(DType::F64, &[3], 2));
    let row = HostArray::new([1, 3], x.to_f64()).unwrap();
    let column = HostArray::new([3, 1], x.to_f64()).unwrap();
    let found = run(&[a.clone(), x.clone()], |t| vec![t[0].dot(&t[1]), t[1].dot(&t[0]), t[1].dot(&t[1])]);
    assert_same("a x", &found[0], &array(&[3], &matmul(&a, &column)));
    assert_same("x a", &found[1], &array(&[3], &matmul(&row, &a)));
    assert_same("x . x", &found[2], &array(&[], &matmul(&row, &column)));
}

#[test]
fn batch_axes_run_in_step_and_come_first() {
    let (x, y) = (small(DType::F32, &[4, 2, 3], 0), small(DType::F32, &[2, 3, 5], 1));
    for precision in [Precision::Highest, Precision::High, Precision::Default] {
        let dot = DotGeneral {
            lhs_contracting: vec![2],
            rhs_contracting: vec![1],
            lhs_batch: vec![1],
            rhs_batch: vec![0],
            precision,
        };
        let found = run1(&[x.clone(), y.clone()], |t| t[0].dot_general(&t[1], dot.clone()));
        let (x, y) = (x.to_f64(), y.to_f64());
        let mut expected = Vec::new();
        for batch in 0..2 {
            for i in 0..4 {
                for j in 0..5 {
                    expected.push((0..3).map(|k| x[(i * 2 + batch) * 3 + k] * y[(batch * 3 + k) * 5 + j]).sum());
                }
            }
        }
        assert_same("batched", &found, &rounded(DType::F32, &[2, 4, 5], &expected));
    }
}

#[test]
fn no_contracting_axis_gives_the_outer_product_and_two_give_the_inner_one() {
    let (x, y) = (small(DType::I32, &[2, 3], 0), small(DType::I32, &[2, 3], 5));
    let both = DotGeneral { lhs_contracting: vec![0, 1], rhs_contracting: vec![0, 1], ..DotGeneral::default() };
    let found = run(&[x.clone(), y.clone()], |t| {
        vec![t[0].dot_general(&t[1], DotGeneral::default()), t[0].dot_general(&t[1], both.clone())]
    });
    let (x, y) = (x.to_f64(), y.to_f64());
    let outer: Vec<f64> = x.iter().flat_map(|x| y.iter().map(move |y| x * y)).collect();
    assert_same("outer", &found[0], &rounded(DType::I32, &[2, 3, 2, 3], &outer));
    let inner = x.iter().zip(&y).map(|(x, y)| x * y).sum();
    assert_same("inner", &found[1], &rounded(DType::I32, &[], &[inner]));
}
