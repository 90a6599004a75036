//! Column-pivoted QR: LAPACK's ratios, its pivots, and what the diagonal of R says about the rank.

mod judge;

use judge::{Program, Worst, assert_all_nan, check_derivatives, hard, host, norm1, orthogonality, random, ratio};
use tandem_compile::{DType, HostArray, Tensor, vmap};
use tandem_linalg::qr_pivoted;
use tandem_verify::Matrix;

fn factor(x: Vec<Tensor>) -> Vec<Tensor> {
    let (q, r, p) = qr_pivoted(&x[0]);
    vec![q, r, p]
}

fn permuted(a: &Matrix, p: &Matrix) -> Matrix {
    Matrix::from_fn(a.rows, a.cols, |i, j| a.at(i, p.values[j] as usize))
}

#[test]
fn hard_matrices_are_factored() {
    let mut worst = Worst::new();
    let program = Program::new(factor);
    let shapes = |dtype| match dtype {
        DType::F64 => vec![(1, 4), (7, 1), (33, 33), (65, 20), (20, 65)],
        _ => vec![(33, 33)],
    };
    for dtype in [DType::F64, DType::F32] {
        let eps = 2.0 * dtype.unit_roundoff();
        for (m, n) in shapes(dtype) {
            for (name, a) in hard(m, n, dtype) {
                let what = || format!("{name} {dtype:?} {m} x {n}");
                let found = program.run(&[host(&a, dtype)]);
                let [q, r, p] = found.as_slice() else { panic!() };
                let residual = ratio(&permuted(&a, p).minus(&q.dot(r)), norm1(&a), m.max(n), dtype);
                worst.check(residual.max(orthogonality(q, dtype)), what);
                let mut seen: Vec<f64> = p.values.clone();
                seen.sort_by(f64::total_cmp);
                assert!(seen.iter().enumerate().all(|(j, &p)| p == j as f64), "{}: not a permutation", what());
                // No diagonal element is larger than one before it, nor smaller than any later column below it.
                let size = |j: usize| r.at(j, j).abs();
                let slack = |j: usize| size(j) * (1.0 + 1e3 * eps) + 30.0 * n as f64 * eps * norm1(&a);
                for j in 0..r.rows {
                    for c in j + 1..n {
                        let below =
                            (j..=c.min(r.rows - 1)).map(|i| (r.at(i, c) / norm1(&a)).powi(2)).sum::<f64>().sqrt();
                        assert!(norm1(&a) == 0.0 || below * norm1(&a) <= slack(j), "{}: column {c} at {j}", what());
                    }
                }
                if name == "rank two" && r.rows > 2 {
                    assert!(size(2) <= 100.0 * n as f64 * eps * size(0), "{}: rank {:e}", what(), size(2) / size(0));
                }
            }
        }
    }
}

/// By exact norms of what is left: Gram and Schmidt, twice.
#[test]
fn the_longest_column_comes_first() {
    let program = Program::new(factor);
    for (m, n) in [(50, 40), (40, 60)] {
        let a = random(17, m, n);
        let p = &program.run(&[host(&a, DType::F64)])[2];
        let mut left = a.clone();
        for step in 0..m.min(n) {
            let norm = |left: &Matrix, j: usize| (0..m).map(|i| left.at(i, j).powi(2)).sum::<f64>();
            let next = p.values[step] as usize;
            let rest = p.values[step..].iter().map(|&j| norm(&left, j as usize)).fold(0.0, f64::max);
            assert!(norm(&left, next) >= rest * (1.0 - 1e-9), "{m} x {n}: step {step}");
            let size = norm(&left, next);
            let q: Vec<f64> = (0..m).map(|i| left.at(i, next) / size.sqrt()).collect();
            for _ in 0..2 {
                for j in 0..n {
                    let dot: f64 = (0..m).map(|i| q[i] * left.at(i, j)).sum();
                    (0..m).for_each(|i| left.values[i * n + j] -= dot * q[i]);
                }
            }
        }
    }
    // Ties: in order.
    let ties = program.run(&[host(&Matrix::from_fn(6, 6, |i, j| f64::from(u8::from(i == j))), DType::F64)]);
    assert_eq!(ties[2].values, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
}

#[test]
fn bad_numbers_make_everything_nan() {
    let program = Program::new(factor);
    for (at, bad) in [(0, f64::NAN), (17, f64::INFINITY), (29, f64::NEG_INFINITY)] {
        let mut a = random(4, 6, 5);
        a.values[at] = bad;
        let found = program.arrays(&[host(&a, DType::F64)]);
        assert_all_nan(&found, "factors");
        assert_eq!(found[2].to_f64(), [0.0, 1.0, 2.0, 3.0, 4.0]);
    }
    for (m, n) in [(0, 3), (3, 0)] {
        let found = program.arrays(&[HostArray::new([m, n], Vec::<f64>::new()).unwrap()]);
        assert_eq!((found[0].shape(), found[1].shape(), found[2].shape()), (&[m, 0][..], &[0, n][..], &[n][..]));
    }
}

#[test]
fn mapped_is_one_by_one() {
    let batch = HostArray::new([3, 9, 7], random(8, 27, 7).values).unwrap();
    let mapped = Program::new(|x: Vec<Tensor>| vmap(factor)(x)).arrays(std::slice::from_ref(&batch));
    let one = Program::new(factor);
    for (k, values) in batch.to_f64().chunks(63).enumerate() {
        let alone = one.arrays(&[HostArray::new([9, 7], values.to_vec()).unwrap()]);
        for (all, alone) in mapped.iter().zip(&alone) {
            let size = alone.len();
            let part = &all.to_f64()[k * size..(k + 1) * size];
            assert!(part.iter().zip(alone.to_f64()).all(|(x, y)| (x - y).abs() < 1e-12));
        }
    }
}

#[test]
fn derivatives_are_those_of_differences() {
    let factors = |x: Vec<Tensor>| factor(x)[..2].to_vec();
    for (m, n) in [(6, 5), (3, 5)] {
        check_derivatives(factors, &[random(21, m, n)], false, 1e-7);
    }
}
