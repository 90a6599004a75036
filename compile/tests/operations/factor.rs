//! The factorization steps that StableHLO itself has.

use tandem_compile::ops::factor::TriangularSolve;
use tandem_compile::{DType, HostArray};

use crate::{array, assert_near, assert_same, rounded, run1};

/// L L' for a lower triangular L of small whole numbers, which a Cholesky factorization finds exactly.
const L: [f64; 9] = [2.0, 0.0, 0.0, -1.0, 3.0, 0.0, 4.0, 5.0, 1.0];

fn matmul(a: &[f64], b: &[f64], m: usize, k: usize, n: usize) -> Vec<f64> {
    (0..m * n).map(|i| (0..k).map(|j| a[i / n * k + j] * b[j * n + i % n]).sum()).collect()
}

fn transposed(a: &[f64], m: usize, n: usize) -> Vec<f64> {
    (0..m * n).map(|i| a[(i % m) * n + i / m]).collect()
}

#[test]
fn cholesky_finds_the_lower_factor_and_reads_only_the_lower_half() {
    for dtype in [DType::F64, DType::F32] {
        let mut a = matmul(&L, &transposed(&L, 3, 3), 3, 3, 3);
        for above in [1, 2, 5] {
            a[above] = 1e6;
        }
        let found = run1(&[rounded(dtype, &[3, 3], &a)], |t| t[0].cholesky());
        assert_near("cholesky", &found, &rounded(dtype, &[3, 3], &L), 4.0);
        let batch = run1(&[rounded(dtype, &[2, 3, 3], &[a.clone(), a].concat())], |t| t[0].cholesky());
        assert_near("a batch", &batch, &rounded(dtype, &[2, 3, 3], &[L, L].concat()), 4.0);
    }
}

#[test]
fn cholesky_is_nan_where_there_is_no_factor() {
    let found = run1(&[array(&[2, 2], &[1.0, 2.0, 2.0, 1.0])], |t| t[0].cholesky());
    assert!(found.to_f64()[3].is_nan(), "{found:?}");
}

#[test]
fn factors_of_nothing_are_nothing() {
    let nothing = array::<f64>(&[0, 0], &[]);
    assert_same("cholesky", &run1(std::slice::from_ref(&nothing), |t| t[0].cholesky()), &nothing);
    let solve = TriangularSolve { left: true, lower: true, transpose: false, unit_diagonal: false };
    let b = array::<f64>(&[0, 4], &[]);
    assert_same("solve", &run1(&[nothing, b.clone()], |t| t[0].triangular_solve(&t[1], solve)), &b);
    let (t, b) = (array(&[3, 3], &L), array::<f64>(&[3, 0], &[]));
    assert_same("no columns", &run1(&[t, b.clone()], |t| t[0].triangular_solve(&t[1], solve)), &b);
}

#[test]
fn substitution_solves_on_either_side_with_either_triangle_and_its_transpose() {
    for dtype in [DType::F64, DType::F32] {
        for which in 0..8 {
            let solve = TriangularSolve {
                left: which & 1 > 0,
                lower: which & 2 > 0,
                transpose: which & 4 > 0,
                unit_diagonal: false,
            };
            let mut t = if solve.lower { L.to_vec() } else { transposed(&L, 3, 3) };
            let applied = if solve.transpose { transposed(&t, 3, 3) } else { t.clone() };
            let x = [1.0, -2.0, 3.0, 0.5, 7.0, -1.0];
            let (shape, b) = match solve.left {
                true => ([3, 2], matmul(&applied, &x, 3, 3, 2)),
                false => ([2, 3], matmul(&x, &applied, 2, 3, 3)),
            };
            // The other half is not read.
            t[if solve.lower { 2 } else { 6 }] = f64::NAN;
            let arguments: [HostArray; 2] = [rounded(dtype, &[3, 3], &t), rounded(dtype, &shape, &b)];
            let found = run1(&arguments, |a| a[0].triangular_solve(&a[1], solve));
            assert_near(&format!("{solve:?}"), &found, &rounded(dtype, &shape, &x), 64.0);
        }
    }
}
