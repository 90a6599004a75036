//! Triangles, diagonals and products of all pairs against their definitions.

use tandem_compile::{DType, HostArray, Tensor, TensorType, eye, kron, number, trace, where_};

use crate::{run, vector};

fn counting(rows: usize, cols: usize) -> HostArray {
    HostArray::from_fn([rows, cols], |i| i as f64 + 1.0)
}

/// The elements of a counting matrix for which `keep(row, column)` holds, zeros elsewhere.
fn kept(rows: usize, cols: usize, keep: impl Fn(i32, i32) -> bool) -> Vec<f64> {
    let value = |i: usize| if keep((i / cols) as i32, (i % cols) as i32) { i as f64 + 1.0 } else { 0.0 };
    (0..rows * cols).map(value).collect()
}

#[test]
fn triangles_end_at_their_diagonal() {
    for (rows, cols) in [(3, 3), (2, 4), (4, 2), (1, 1), (0, 3)] {
        for k in -4..5 {
            let x = [counting(rows, cols)];
            assert_eq!(run(|x| x[0].tril(k), &x), kept(rows, cols, |i, j| j <= i + k), "tril {rows} {cols} {k}");
            assert_eq!(run(|x| x[0].triu(k), &x), kept(rows, cols, |i, j| j >= i + k), "triu {rows} {cols} {k}");
        }
    }
    let stacked = HostArray::from_fn([2, 2, 2], |i| i as i32 + 1);
    assert_eq!(run(|x| x[0].tril(0), &[stacked]), [1.0, 0.0, 3.0, 4.0, 5.0, 0.0, 7.0, 8.0]);
}

#[test]
fn diagonals_go_both_ways() {
    assert_eq!(run(|x| x[0].diag(), &[vector(&[1.0, 2.0])]), [1.0, 0.0, 0.0, 2.0]);
    assert_eq!(run(|x| x[0].diag(), &[counting(2, 3)]), [1.0, 5.0]);
    assert_eq!(run(|x| x[0].diag(), &[counting(3, 2)]), [1.0, 4.0]);
    assert_eq!(run(|x| x[0].trace(), &[counting(3, 3)]), [15.0]);
    // What is not on the diagonal does not touch it.
    let infinite = HostArray::new([2, 2], vec![1.0, f64::INFINITY, f64::NAN, 2.0]).unwrap();
    assert_eq!(run(|x| x[0].diag(), &[infinite]), [1.0, 2.0]);
}

#[test]
fn products_of_all_pairs() {
    let (x, y) = (vector(&[1.0, 2.0]), vector(&[3.0, 4.0, 5.0]));
    assert_eq!(run(|x| x[0].outer(&x[1]), &[x, y]), [3.0, 4.0, 5.0, 6.0, 8.0, 10.0]);
    let product = run(|x| kron(&x[0], &x[1]), &[counting(2, 2), counting(1, 2)]);
    assert_eq!(product, [1.0, 2.0, 2.0, 4.0, 3.0, 6.0, 4.0, 8.0]);
    let identity = run(|x| kron(&eye(2, DType::F64), &x[0]), &[counting(1, 1)]);
    assert_eq!(identity, [1.0, 0.0, 0.0, 1.0]);
}

#[test]
fn classes_become_unit_vectors() {
    let labels = HostArray::new([3], vec![2i32, 0, 7]).unwrap();
    assert_eq!(run(|x| x[0].one_hot(3, DType::F32), &[labels]), [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(run(|x| x[0].one_hot(2, DType::Bool), &[HostArray::scalar(1i64)]), [0.0, 1.0]);
}

#[test]
fn a_choice_broadcasts() {
    let f = |x: &[Tensor]| where_(&x[0].gt(0.0), &x[0], number(-1.0, DType::F64));
    assert_eq!(run(f, &[vector(&[2.0, -3.0])]), [2.0, -1.0]);
}

#[test]
fn what_is_no_matrix_is_refused() {
    let message = |f: fn(Tensor) -> Tensor, dtype: DType, shape: &[usize]| {
        trace(f, &[TensorType::new(dtype, shape)]).unwrap_err().to_string()
    };
    assert!(message(|x| x.tril(0), DType::F32, &[3]).contains("tril: at least two axes expected, got f32[3]"));
    assert!(message(|x| x.triu(0), DType::F32, &[]).contains("triu: at least two axes expected, got f32[]"));
    assert!(message(|x| x.diag(), DType::F32, &[1, 1, 1]).contains("diag: a vector or a matrix expected"));
    assert!(message(|x| x.outer(&x), DType::F32, &[1, 1]).contains("outer: two vectors expected"));
    assert!(message(|x| kron(&x, &x), DType::F32, &[2]).contains("kron: two matrices expected"));
    assert!(message(|x| x.one_hot(2, DType::F32), DType::F32, &[2]).contains("one_hot: integers expected, got f32[2]"));
}
