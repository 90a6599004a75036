//! Cholesky: LAPACK's ratio over positive definite matrices, NaN for all others, derivatives.

mod judge;

use judge::{Program, Worst, assert_all_nan, check_derivatives, extreme, hard, host, matrix, norm1, random, ratio};
use tandem_compile::{DType, HostArray, Tensor, vmap};
use tandem_linalg::cholesky;
use tandem_verify::Matrix;

fn factor(x: Vec<Tensor>) -> Vec<Tensor> {
    vec![cholesky(&x[0])]
}

/// Positive definite matrices from matrices of every kind: G G' + shift.
fn definite(n: usize, dtype: DType) -> Vec<(&'static str, Matrix)> {
    let eps = 2.0 * dtype.unit_roundoff();
    let mut all: Vec<_> = hard(n, n, dtype)
        .into_iter()
        .filter(|(name, _)| !name.starts_with("near"))
        .map(|(name, g)| {
            let square = g.dot(&g.t());
            let size = if square.max_abs() == 0.0 { 1.0 } else { norm1(&square) };
            let shift = 4.0 * n as f64 * eps * size;
            let a = Matrix::from_fn(n, n, |i, j| square.at(i, j) + if i == j { shift } else { 0.0 });
            (name, matrix(&host(&a, dtype)))
        })
        .collect();
    let g = random(7, n, n);
    let square = g.dot(&g.t());
    for (name, size) in [("near overflow", extreme(dtype)), ("near underflow", 1.0 / extreme(dtype))] {
        let element = |i: usize, j: usize| (square.at(i, j) + f64::from(u8::from(i == j))) * size;
        all.push((name, matrix(&host(&Matrix::from_fn(n, n, element), dtype))));
    }
    all
}

#[test]
fn positive_definite_matrices_are_factored() {
    let mut worst = Worst::new();
    let program = Program::new(factor);
    for (dtype, sizes) in [(DType::F64, vec![1, 2, 5, 32, 33, 100]), (DType::F32, vec![3, 33, 270])] {
        for n in sizes {
            let stride = if n > 200 { 4 } else { 1 };
            for (name, a) in definite(n, dtype).into_iter().step_by(stride) {
                // Only the lower triangle is read.
                let spoilt = Matrix::from_fn(n, n, |i, j| if i < j { f64::NAN } else { a.at(i, j) });
                let l = program.run(&[host(&spoilt, dtype)]).remove(0);
                let residual = ratio(&a.minus(&l.dot(&l.t())), norm1(&a), n, dtype);
                worst.check(residual, || format!("{name} {dtype:?} {n}"));
                assert!((0..n).all(|i| l.at(i, i) > 0.0 && (i + 1..n).all(|j| l.at(i, j) == 0.0)));
            }
        }
    }
}

#[test]
fn what_is_not_positive_definite_gives_nan() {
    let program = Program::new(factor);
    let good = |n: usize| Matrix::from_fn(n, n, |i, j| 1.0 / (1 + i.abs_diff(j)) as f64);
    for n in [1, 2, 40] {
        for at in [0, n / 2, n - 1] {
            for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                let mut a = good(n);
                a.values[at * n + at] = bad;
                assert_all_nan(&program.arrays(&[host(&a, DType::F64)]), "diagonal");
                if at > 0 && bad != 0.0 {
                    let mut a = good(n);
                    a.values[at * n] = bad * 2.0;
                    assert_all_nan(&program.arrays(&[host(&a, DType::F64)]), "below the diagonal");
                }
            }
        }
        // Semidefinite: a zero pivot, exactly.
        if n > 1 {
            assert_all_nan(&program.arrays(&[host(&Matrix::from_fn(n, n, |_, _| 1.0), DType::F64)]), "ones");
        }
    }
    let empty = program.arrays(&[HostArray::new([0, 0], Vec::<f64>::new()).unwrap()]).remove(0);
    assert_eq!(empty.shape(), [0, 0]);
}

#[test]
fn mapped_is_one_by_one() {
    let g = random(1, 3 * 9, 9);
    let parts: Vec<Matrix> = (0..3)
        .map(|k| Matrix::from_fn(9, 9, |i, j| g.at(k * 9 + i, j)))
        // The second is not positive definite; the others must not notice.
        .enumerate()
        .map(|(k, g)| if k == 1 { g.clone() } else { g.dot(&g.t()) })
        .collect();
    let values = parts.iter().flat_map(|a| a.values.clone()).collect::<Vec<_>>();
    let batch = HostArray::new([3, 9, 9], values).unwrap();
    let mapped = Program::new(|x: Vec<Tensor>| vmap(factor)(x)).arrays(std::slice::from_ref(&batch));
    let one = Program::new(factor);
    for (k, a) in parts.iter().enumerate() {
        let alone = one.run(&[host(a, DType::F64)]).remove(0);
        let all = &mapped[0].to_f64()[k * 81..(k + 1) * 81];
        let same = |(x, y): (&f64, &f64)| (x - y).abs() < 1e-12 || (x.is_nan() && y.is_nan() && k == 1);
        assert!(all.iter().zip(&alone.values).all(same));
    }
}

#[test]
fn derivatives_are_those_of_differences() {
    let g = random(5, 6, 6);
    let a = g.dot(&g.t());
    let a = Matrix::from_fn(6, 6, |i, j| a.at(i, j) + if i == j { 1.0 } else { 0.0 });
    check_derivatives(factor, &[a], false, 1e-6);
}
