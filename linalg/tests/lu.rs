//! LU: LAPACK's ratio over hard matrices of every kind of shape, scipy's pivots, derivatives.

mod judge;

use judge::{Program, Worst, assert_all_nan, check_derivatives, hard, host, identity, matrix, norm1, random, ratio};
use tandem_compile::{DType, HostArray, Tensor, vmap};
use tandem_linalg::{lu, lu_pivoted};
use tandem_verify::Matrix;

fn factor(x: Vec<Tensor>) -> Vec<Tensor> {
    let (p, l, u) = lu(&x[0]);
    vec![p, l, u]
}

fn pivoted(x: Vec<Tensor>) -> Vec<Tensor> {
    let (lu, permutation) = lu_pivoted(&x[0]);
    vec![lu, permutation]
}

#[test]
fn hard_matrices_are_factored() {
    let mut worst = Worst::new();
    let program = Program::new(factor);
    let shapes = |dtype| match dtype {
        DType::F64 => vec![(1, 1), (1, 4), (7, 1), (5, 5), (33, 33), (65, 20), (20, 65), (100, 97)],
        _ => vec![(5, 7), (33, 33), (65, 20), (290, 300)],
    };
    for dtype in [DType::F64, DType::F32] {
        for (m, n) in shapes(dtype) {
            // Of the large ones, every fourth.
            let stride = if m > 200 { 4 } else { 1 };
            for (name, a) in hard(m, n, dtype).into_iter().step_by(stride) {
                let factors = program.run(&[host(&a, dtype)]);
                let [p, l, u] = factors.as_slice() else { panic!() };
                let residual = ratio(&p.t().dot(&a).minus(&l.dot(u)), norm1(&a), m.max(n), dtype);
                // "growth" makes whole numbers up to 2^n: exact while they fit, and beyond no law for partial pivoting.
                if name != "growth" || n <= if dtype == DType::F64 { 53 } else { 24 } {
                    worst.check(residual, || format!("{name} {dtype:?} {m} x {n}"));
                }
                assert_eq!(p.t().dot(p), identity(m), "{name}: not a permutation");
                let k = m.min(n);
                assert_eq!((l.rows, l.cols, u.rows, u.cols), (m, k, k, n));
                assert!((0..k).all(|j| l.at(j, j) == 1.0 && (0..j).all(|i| l.at(i, j) == 0.0 && u.at(j, i) == 0.0)));
                assert!(l.max_abs() <= 1.0, "{name}: L has {}", l.max_abs());
            }
        }
    }
}

/// LAPACK's getf2 in plain arithmetic.
fn getf2(a: &Matrix) -> (Matrix, Vec<f64>) {
    let (mut a, mut rows) = (a.clone(), (0..a.rows).map(|i| i as f64).collect::<Vec<_>>());
    for c in 0..a.rows.min(a.cols) {
        let best = (c..a.rows).fold(c, |best, i| if a.at(i, c).abs() > a.at(best, c).abs() { i } else { best });
        rows.swap(c, best);
        (0..a.cols).for_each(|j| a.values.swap(c * a.cols + j, best * a.cols + j));
        let pivot = a.at(c, c);
        for i in (c + 1..a.rows).filter(|_| pivot != 0.0) {
            let l = a.at(i, c) / pivot;
            a.values[i * a.cols + c] = l;
            for j in c + 1..a.cols {
                let moved = l * a.at(c, j);
                a.values[i * a.cols + j] -= moved;
            }
        }
    }
    (a, rows)
}

/// Also the choice among equals: with small whole numbers there are many.
#[test]
fn pivots_are_lapacks() {
    let program = Program::new(pivoted);
    for (m, n) in [(50, 50), (70, 34), (34, 70)] {
        let g = random(9, m, n);
        let whole = Matrix::from_fn(m, n, |i, j| (g.at(i, j) * 1.5).round());
        for a in [
            g,
            Matrix::from_fn(m, n, |i, j| f64::from(u8::from((i * 5 + 3) % m == j))),
            Matrix::from_fn(m, n, |_, _| 2.0),
        ] {
            let found = program.run(&[host(&a, DType::F64)]);
            let (lu, rows) = getf2(&a);
            assert_eq!(found[1].values, rows, "{m} x {n}");
            assert!(found[0].minus(&lu).max_abs() < 1e-11 * (1.0 + lu.max_abs()), "{m} x {n}");
        }
        // One column: all ties are of the input.
        let column = Matrix::from_fn(m, 1, |i, _| whole.at(i, 0));
        assert_eq!(program.run(&[host(&column, DType::F64)])[1].values, getf2(&column).1);
    }
}

#[test]
fn empty_matrices_have_empty_factors() {
    for (m, n) in [(0, 0), (0, 5), (5, 0)] {
        let a = HostArray::new([m, n], Vec::<f64>::new()).unwrap();
        let found = Program::new(factor).arrays(std::slice::from_ref(&a));
        assert_eq!(matrix(&found[0]), identity(m));
        assert_eq!((found[1].shape(), found[2].shape()), (&[m, 0][..], &[0, n][..]));
    }
}

#[test]
fn bad_numbers_make_everything_nan() {
    let programs = (Program::new(factor), Program::new(pivoted));
    for (at, bad) in [(0, f64::NAN), (17, f64::INFINITY), (29, f64::NAN), (29, f64::NEG_INFINITY)] {
        let mut a = random(4, 6, 5);
        a.values[at] = bad;
        assert_all_nan(&programs.0.arrays(&[host(&a, DType::F64)]), "factors");
        let found = programs.1.arrays(&[host(&a, DType::F64)]);
        assert_all_nan(&found, "both in one");
        assert_eq!(found[1].to_f64(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
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
    let factors = |x: Vec<Tensor>| factor(x).split_off(1);
    for (m, n) in [(6, 6), (7, 4), (4, 7)] {
        check_derivatives(factors, &[random(21, m, n)], false, 1e-6);
    }
}
