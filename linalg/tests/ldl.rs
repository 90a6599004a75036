//! LDL': LAPACK's ratio over symmetric matrices of every kind, the form of its factors, derivatives.

mod judge;

use judge::{Program, Worst, assert_all_nan, check_derivatives, hard, host, matrix, norm1, random, ratio};
use tandem_compile::{DType, HostArray, Tensor, vmap};
use tandem_linalg::ldl;
use tandem_verify::Matrix;

fn factor(x: Vec<Tensor>) -> Vec<Tensor> {
    let (l, d, permutation) = ldl(&x[0]);
    vec![l, d, permutation]
}

/// The symmetric matrix with the lower triangle of `a`.
fn symmetric(a: &Matrix) -> Matrix {
    Matrix::from_fn(a.rows, a.rows, |i, j| a.at(i.max(j), i.min(j)))
}

#[test]
fn hard_matrices_are_factored() {
    let mut worst = Worst::new();
    let program = Program::new(factor);
    for (dtype, sizes) in [(DType::F64, vec![1, 2, 3, 33, 80]), (DType::F32, vec![2, 33])] {
        for n in sizes {
            for (name, a) in hard(n, n, dtype) {
                let what = || format!("{name} {dtype:?} {n}");
                let spoilt = Matrix::from_fn(n, n, |i, j| if i < j { f64::NAN } else { a.at(i, j) });
                let found = program.run(&[host(&spoilt, dtype)]);
                let a = symmetric(&a);
                let [l, d, permutation] = found.as_slice() else { panic!() };
                worst.check(ratio(&a.minus(&l.dot(d).dot(&l.t())), norm1(&a), n, dtype), what);
                let row = |i: usize| permutation.values[i] as usize;
                let triangular = Matrix::from_fn(n, n, |i, j| l.at(row(i), j));
                assert!((0..n).all(|i| triangular.at(i, i) == 1.0 && (i + 1..n).all(|j| triangular.at(i, j) == 0.0)));
                for i in 0..n {
                    let off: Vec<usize> = (0..n).filter(|&j| j != i && d.at(i, j) != 0.0).collect();
                    assert!(
                        off.len() <= 1 && off.iter().all(|&j| j.abs_diff(i) == 1),
                        "{}: D is not of blocks",
                        what()
                    );
                    // Inside of a block of two, L is the identity; and such a block is indefinite.
                    for &j in &off {
                        assert_eq!(triangular.at(i.max(j), i.min(j)), 0.0);
                        assert!(d.at(i, i) * d.at(j, j) / d.at(i, j) < d.at(i, j) || d.at(i, j) < 0.0);
                    }
                }
            }
        }
    }
}

#[test]
fn pivots_are_bunch_and_kaufmans() {
    let a = Matrix { rows: 3, cols: 3, values: vec![2.0, -1.0, 3.0, -1.0, 2.0, 0.0, 3.0, 0.0, 1.0] };
    let found = Program::new(factor).run(&[host(&a, DType::F64)]);
    // |2| >= 0.64 * 3: the first pivot stays; then [1.5, 1.5; 1.5, -3.5] takes its own as well.
    assert_eq!(found[2].values, [0.0, 1.0, 2.0]);
    assert_eq!(found[1].values, [2.0, 0.0, 0.0, 0.0, 1.5, 0.0, 0.0, 0.0, -5.0]);
    let kron = Matrix::from_fn(4, 4, |i, j| if i.abs_diff(j) == 2 { 1.0 } else { 0.0 });
    let found = Program::new(factor).run(&[host(&kron, DType::F64)]);
    // Zero diagonals: two blocks of two, rows 0 and 2, then 1 and 3.
    assert_eq!(found[2].values, [0.0, 2.0, 1.0, 3.0]);
}

#[test]
fn bad_numbers_make_everything_nan() {
    let program = Program::new(factor);
    for (at, bad) in [(0, f64::NAN), (12, f64::INFINITY), (24, f64::NEG_INFINITY), (20, f64::NAN)] {
        let mut a = random(4, 5, 5);
        a.values[at] = bad;
        assert_all_nan(&program.arrays(&[host(&a, DType::F64)]), "factors");
    }
    let empty = program.arrays(&[HostArray::new([0, 0], Vec::<f64>::new()).unwrap()]);
    assert_eq!((empty[0].shape(), empty[1].shape(), empty[2].shape()), (&[0, 0][..], &[0, 0][..], &[0][..]));
}

#[test]
fn mapped_is_one_by_one() {
    let batch = HostArray::new([3, 8, 8], random(8, 24, 8).values).unwrap();
    let mapped = Program::new(|x: Vec<Tensor>| vmap(factor)(x)).arrays(std::slice::from_ref(&batch));
    let one = Program::new(factor);
    for (k, values) in batch.to_f64().chunks(64).enumerate() {
        let alone = one.arrays(&[HostArray::new([8, 8], values.to_vec()).unwrap()]);
        for (all, alone) in mapped.iter().zip(&alone) {
            let size = alone.len();
            let part = &all.to_f64()[k * size..(k + 1) * size];
            assert!(part.iter().zip(&matrix(alone).values).all(|(x, y)| (x - y).abs() < 1e-12));
        }
    }
}

#[test]
fn derivatives_are_those_of_differences() {
    let factors = |x: Vec<Tensor>| factor(x)[..2].to_vec();
    // Symmetric ones with small diagonals, so that there are blocks of two.
    for n in [1, 2, 7] {
        let g = random(31, n, n);
        let a = Matrix::from_fn(n, n, |i, j| if i == j { 0.1 * g.at(i, i) } else { g.at(i, j) });
        check_derivatives(factors, &[a], false, 1e-6);
    }
}
