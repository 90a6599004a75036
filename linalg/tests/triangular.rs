//! Triangular systems: small residuals whatever the matrix, every way round, derivatives.

mod judge;

use judge::{Program, Worst, assert_all_nan, check_derivatives, hard, host, norm1, random, ratio};
use tandem_compile::{DType, HostArray, Tensor, vmap};
use tandem_linalg::solve_triangular;
use tandem_verify::Matrix;

/// Which triangle, transposed or not, with a unit diagonal or not.
type How = (bool, bool, bool);

fn solve(how: How) -> impl Fn(Vec<Tensor>) -> Vec<Tensor> {
    move |x| vec![solve_triangular(&x[0], &x[1], how.0, how.1, how.2)]
}

/// The matrix of the system.
fn system(a: &Matrix, (lower, transpose, unit): How) -> Matrix {
    let element = |i: usize, j: usize| match (i == j, (i > j) == lower) {
        (true, _) => {
            if unit {
                1.0
            } else {
                a.at(i, j)
            }
        }
        (false, true) => a.at(i, j),
        (false, false) => 0.0,
    };
    let t = Matrix::from_fn(a.rows, a.cols, element);
    if transpose { t.t() } else { t }
}

/// The largest number on the way through plain substitution.
fn reach(t: &Matrix, b: &Matrix) -> f64 {
    let forward = (0..t.rows).all(|i| (i + 1..t.rows).all(|j| t.at(i, j) == 0.0));
    let mut x = Matrix::from_fn(b.rows, b.cols, |_, _| 0.0);
    let mut most: f64 = 0.0;
    for step in 0..t.rows {
        let i = if forward { step } else { t.rows - 1 - step };
        for c in 0..b.cols {
            let known: f64 = (0..t.rows).map(|j| t.at(i, j) * x.at(j, c)).sum();
            let found = (b.at(i, c) - known) / t.at(i, i);
            x.values[i * b.cols + c] = found;
            most = [known.abs(), found.abs()]
                .into_iter()
                .fold(most, |m, v| if v.is_finite() { m.max(v) } else { f64::INFINITY });
        }
    }
    most
}

/// |T X - B| / (n |T| |X| eps), LAPACK's ratio, wherever X exists and does not overflow.
fn check(worst: &mut Worst, program: &Program<impl Fn(Vec<Tensor>) -> Vec<Tensor>>, how: How, n: usize, dtype: DType) {
    let largest = if dtype == DType::F64 { f64::MAX } else { f64::from(f32::MAX) };
    let stride = if n == 300 { 5 } else { 1 };
    for (name, a) in hard(n, n, dtype).into_iter().step_by(stride) {
        let t = system(&a, how);
        let columns = if n == 300 { 257 } else { 5 };
        let b = judge::matrix(&host(&random(3, n, columns), dtype));
        if (0..n).any(|i| t.at(i, i) == 0.0) || reach(&t, &b) > largest / 1e4 {
            continue;
        }
        let x = program.run(&[host(&a, dtype), host(&b, dtype)]).remove(0);
        let scale = norm1(&t) * norm1(&x);
        worst.check(ratio(&t.dot(&x).minus(&b), scale, n, dtype), || format!("{name} {dtype:?} {n} {how:?}"));
    }
}

#[test]
fn residuals_are_small_whatever_the_matrix() {
    let mut worst = Worst::new();
    for bits in 0..8 {
        let how = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
        let program = Program::new(solve(how));
        check(&mut worst, &program, how, 41, DType::F64);
        if matches!(bits, 0 | 1) {
            for n in [1, 2, 32, 300] {
                check(&mut worst, &program, how, n, DType::F64);
            }
            check(&mut worst, &program, how, 41, DType::F32);
        }
    }
}

#[test]
fn the_other_triangle_is_not_read() {
    for how in [(true, false, true), (false, true, true)] {
        let program = Program::new(solve(how));
        let (a, b) = (random(1, 40, 40), random(2, 40, 3));
        // Small, so that the solution is of moderate size.
        let a = Matrix::from_fn(40, 40, |i, j| a.at(i, j) / 10.0);
        let spoilt = Matrix::from_fn(40, 40, |i, j| if i == j || (i > j) != how.0 { f64::NAN } else { a.at(i, j) });
        let [found, clean] = [&spoilt, &a].map(|a| program.run(&[host(a, DType::F64), host(&b, DType::F64)]).remove(0));
        assert_eq!(found, clean);
    }
}

#[test]
fn vectors_and_empty_systems_are_solved() {
    let program = Program::new(solve((true, false, false)));
    let a = host(&Matrix::from_fn(3, 3, |i, j| (1 + i + j) as f64), DType::F64);
    let x = program.arrays(&[a, HostArray::new([3], vec![1.0, 8.0, 13.0]).unwrap()]).remove(0);
    assert_eq!((x.shape(), x.to_f64()), (&[3][..], vec![1.0, 2.0, 0.4]));
    for (n, r) in [(0, 3), (3, 0)] {
        let empty = |m: usize, n: usize| HostArray::new([m, n], vec![1.0; m * n]).unwrap();
        assert_eq!(program.arrays(&[empty(n, n), empty(n, r)])[0].shape(), [n, r]);
    }
}

#[test]
fn bad_numbers_make_everything_nan() {
    let program = Program::new(solve((true, false, false)));
    let (good, b) = (random(1, 6, 6), random(2, 6, 2));
    for bad in [f64::NAN, f64::INFINITY] {
        let mut spoilt = good.clone();
        spoilt.values[30] = bad;
        assert_all_nan(&program.arrays(&[host(&spoilt, DType::F64), host(&b, DType::F64)]), "matrix");
        let mut right = b.clone();
        right.values[11] = bad;
        assert_all_nan(&program.arrays(&[host(&good, DType::F64), host(&right, DType::F64)]), "right-hand side");
    }
}

#[test]
fn mapped_is_one_by_one() {
    let (a, b) = (random(1, 3 * 9, 9), random(2, 3 * 9, 4));
    let array = |x: &Matrix, shape: [usize; 3]| HostArray::new(shape, x.values.clone()).unwrap();
    let how = (false, false, false);
    let mapped =
        Program::new(|x: Vec<Tensor>| vmap(solve(how))(x)).arrays(&[array(&a, [3, 9, 9]), array(&b, [3, 9, 4])]);
    let one = Program::new(solve(how));
    for k in 0..3 {
        let part = |x: &Matrix| Matrix::from_fn(9, x.cols, |i, j| x.at(k * 9 + i, j));
        let alone = one.run(&[host(&part(&a), DType::F64), host(&part(&b), DType::F64)]).remove(0);
        let all = &mapped[0].to_f64()[k * 36..(k + 1) * 36];
        assert!(all.iter().zip(&alone.values).all(|(x, y)| (x - y).abs() <= 1e-12 * alone.max_abs()));
    }
}

#[test]
fn derivatives_are_those_of_differences() {
    let a = random(5, 5, 5);
    let a = Matrix::from_fn(5, 5, |i, j| a.at(i, j) + if i == j { 4.0 } else { 0.0 });
    for how in [(true, false, false), (false, true, false), (true, true, true), (false, false, true)] {
        check_derivatives(solve(how), &[a.clone(), random(6, 5, 3)], false, 1e-7);
    }
}
