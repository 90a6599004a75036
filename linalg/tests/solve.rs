//! Systems, inverses and determinants: LAPACK's ratios over the gallery with both lowerings, singular and bad matrices,
//! batches, derivatives against differences.

mod judge;

use judge::{Program, Worst, assert_all_nan, check_derivatives, host, matrix, random};
use tandem_compile::{DType, HostArray, Lowering, Tensor, grad, hessian, vmap};
use tandem_linalg::{cholesky_solve, det, inv, laws, slogdet, solve};
use tandem_verify::{Matrix, gallery};

const BOTH: [Lowering; 2] = [Lowering::Portable, Lowering::Native];

fn solved(x: Vec<Tensor>) -> Vec<Tensor> {
    vec![solve(&x[0], &x[1]), inv(&x[0])]
}

fn definite(x: Vec<Tensor>) -> Vec<Tensor> {
    vec![cholesky_solve(&x[0], &x[1])]
}

fn determinants(x: Vec<Tensor>) -> Vec<Tensor> {
    let (sign, log) = slogdet(&x[0]);
    vec![det(&x[0]), sign, log]
}

fn positive(seed: u64, n: usize) -> Matrix {
    let g = random(seed, n, n);
    Matrix::from_fn(n, n, |i, j| g.t().dot(&g).at(i, j) + f64::from(u8::from(i == j)))
}

/// faer's sign and logarithm of the magnitude of the determinant.
fn known(a: &Matrix) -> (f64, f64) {
    let lu = faer::Mat::from_fn(a.rows, a.cols, |i, j| a.at(i, j)).partial_piv_lu();
    let pivots: Vec<f64> = (0..a.rows).map(|i| lu.U()[(i, i)]).collect();
    let (exchanges, _) = lu.P().arrays();
    let mut seen = vec![false; a.rows];
    let mut sign = 1.0;
    for start in 0..a.rows {
        let (mut at, mut length) = (start, 0);
        while !seen[at] {
            (seen[at], at, length) = (true, exchanges[at], length + 1);
        }
        sign *= if length > 0 && length % 2 == 0 { -1.0 } else { 1.0 };
    }
    (pivots.iter().fold(sign, |sign, p| sign * p.signum()), pivots.iter().map(|p| p.abs().ln()).sum())
}

#[test]
fn systems_of_the_gallery_are_solved() {
    for lowering in BOTH {
        let mut worst = Worst::new();
        let program = Program::lowered(solved, lowering);
        for (dtype, n) in [(DType::F64, 1), (DType::F64, 12), (DType::F64, 40), (DType::F32, 21)] {
            let b = host(&random(3, n, 3), dtype);
            for (kind, a) in gallery::matrices(n, n, dtype) {
                let found = program.arrays(&[a.clone(), b.clone()]);
                // Singular exactly, or beyond the range of numbers: everything or nothing.
                if found.iter().any(|x| x.to_f64().iter().any(|x| x.is_nan())) {
                    assert_all_nan(&found, kind.name);
                    continue;
                }
                if found.iter().any(|x| x.to_f64().iter().any(|x| x.is_infinite())) {
                    continue;
                }
                let what = || format!("{} {dtype} {n}, {lowering:?}", kind.name);
                worst.check(laws::solve(&a, &found[0], &b), what);
                // The law multiplies with the inverse from the right, where the condition comes in.
                worst.check(laws::inv(&a, &found[1]), what);
            }
        }
    }
}

#[test]
fn definite_systems_of_the_gallery_are_solved() {
    for lowering in BOTH {
        let mut worst = Worst::new();
        let program = Program::lowered(definite, lowering);
        for (dtype, n) in [(DType::F64, 12), (DType::F32, 33)] {
            let b = host(&random(3, n, 2), dtype);
            for (kind, a) in gallery::matrices(n, n, dtype).filter(|(kind, _)| kind.definite) {
                let found = program.arrays(&[a.clone(), b.clone()]);
                worst.check(laws::solve(&a, &found[0], &b), || format!("{} {dtype} {n}, {lowering:?}", kind.name));
            }
        }
    }
}

#[test]
fn only_the_lower_triangle_of_a_definite_matrix_is_read() {
    let a = positive(5, 6);
    let upper = Matrix::from_fn(6, 6, |i, j| if j > i { f64::NAN } else { a.at(i, j) });
    let program = Program::new(definite);
    let b = host(&random(1, 6, 2), DType::F64);
    let [whole, half] = [a, upper].map(|a| program.arrays(&[host(&a, DType::F64), b.clone()]));
    assert_eq!(whole[0].to_f64(), half[0].to_f64());
}

#[test]
fn vectors_and_batches_are_solved_one_by_one() {
    let (a, b) = (random(1, 18, 6), random(2, 18, 1));
    let stacked = HostArray::new([3, 1, 6, 6], random(1, 18, 6).values).unwrap();
    let right = HostArray::new([3, 1, 6], random(2, 18, 1).values).unwrap();
    for lowering in BOTH {
        let program =
            Program::lowered(|x: Vec<Tensor>| [vec![solve(&x[0], &x[1])], determinants(x)].concat(), lowering);
        let all = program.arrays(&[stacked.clone(), right.clone()]);
        let shapes: Vec<&[usize]> = all.iter().map(HostArray::shape).collect();
        assert_eq!(shapes, [&[3, 1, 6][..], &[3, 1], &[3, 1], &[3, 1]]);
        for k in 0..3 {
            let one = HostArray::new([6, 6], a.values[k * 36..(k + 1) * 36].to_vec()).unwrap();
            let alone = program.arrays(&[one, HostArray::new([6], b.values[k * 6..(k + 1) * 6].to_vec()).unwrap()]);
            for (all, alone) in all.iter().zip(&alone) {
                let size = alone.len();
                let part = &all.to_f64()[k * size..(k + 1) * size];
                assert!(part.iter().zip(alone.to_f64()).all(|(x, y)| (x - y).abs() <= 1e-12 * (1.0 + y.abs())));
            }
        }
    }
}

#[test]
fn singular_and_bad_problems_are_nan_alone() {
    let mut a = random(1, 18, 6).values;
    // The second is singular exactly, the third holds a NaN.
    (0..6).for_each(|i| a[36 + 6 * i + 2] = 0.0);
    a[72 + 7] = f64::NAN;
    let b = random(2, 18, 2).values;
    let inputs = [HostArray::new([3, 6, 6], a).unwrap(), HostArray::new([3, 6, 2], b).unwrap()];
    for lowering in BOTH {
        let found =
            Program::lowered(|x: Vec<Tensor>| [solved(x.clone()), definite(x)].concat(), lowering).arrays(&inputs);
        for x in &found[..2] {
            let values = x.to_f64();
            let size = values.len() / 3;
            assert!(values[..size].iter().all(|x| x.is_finite()) && values[size..].iter().all(|x| x.is_nan()));
        }
        // None of them is definite.
        assert_all_nan(&found[2..], "cholesky_solve");
        let found = Program::lowered(determinants, lowering).arrays(&inputs[..1]);
        let [det, sign, log] = [0, 1, 2].map(|i| found[i].to_f64());
        assert_eq!((det[1], sign[1], log[1]), (0.0, 0.0, f64::NEG_INFINITY));
        assert!(det[2].is_nan() && sign[2].is_nan() && log[2].is_nan() && det[0].is_finite() && log[0].is_finite());
    }
    let bad = HostArray::new([2], vec![1.0, f64::INFINITY]).unwrap();
    let identity = HostArray::new([2, 2], vec![1.0, 0.0, 0.0, 1.0]).unwrap();
    let both = Program::new(|x: Vec<Tensor>| vec![solve(&x[0], &x[1]), cholesky_solve(&x[0], &x[1])]);
    assert_all_nan(&both.arrays(&[identity, bad]), "right-hand side");
}

#[test]
fn empty_systems_have_empty_solutions() {
    let program = Program::new(|x: Vec<Tensor>| [solved(x.clone()), definite(x.clone()), determinants(x)].concat());
    let array = |shape: &[usize]| HostArray::new(shape.to_vec(), vec![0.0; shape.iter().product()]).unwrap();
    let found = program.arrays(&[array(&[0, 0]), array(&[0, 3])]);
    assert_eq!((found[0].shape(), found[1].shape(), found[2].shape()), (&[0, 3][..], &[0, 0][..], &[0, 3][..]));
    let rest: Vec<f64> = found[3..].iter().map(|x| x.to_f64()[0]).collect();
    assert_eq!(rest, [1.0, 1.0, 0.0]);
    let found = program.arrays(&[array(&[2, 0, 4, 4]), array(&[2, 0, 4])]);
    assert_eq!((found[0].shape(), found[5].shape()), (&[2, 0, 4][..], &[2, 0][..]));
}

#[test]
fn determinants_are_known() {
    let program = Program::new(determinants);
    for n in [1, 2, 5, 12] {
        for seed in 0..6 {
            let a = random(seed, n, n);
            let (sign, log) = known(&a);
            let found: Vec<f64> = program.arrays(&[host(&a, DType::F64)]).iter().map(|x| x.to_f64()[0]).collect();
            assert_eq!(found[1], sign, "{n}, seed {seed}");
            assert!((found[2] - log).abs() < 1e-12);
            assert!((found[0] - sign * log.exp()).abs() < 1e-12 * log.exp());
        }
    }
}

#[test]
fn derivatives_are_those_of_differences() {
    check_derivatives(solved, &[random(1, 5, 5), random(2, 5, 2)], false, 1e-6);
    check_derivatives(definite, &[positive(3, 5), random(2, 5, 2)], false, 1e-7);
    for n in [1, 2, 5] {
        check_derivatives(|x| vec![det(&x[0]), slogdet(&x[0]).1], &[random(4, n, n)], false, 1e-7);
    }
    let several = |x: Vec<Tensor>| vmap(|a: Tensor| solve(&a, &a.slice(1, 0, 1)) + det(&a))(x[0].reshape([2, 3, 3]));
    check_derivatives(|x| vec![several(x)], &[random(4, 6, 3)], false, 1e-6);
}

/// Second derivatives, whose factors are constants of the first ones.
#[test]
fn second_derivatives_are_those_of_differences() {
    let of: [fn(&Tensor, &Tensor) -> Tensor; 4] = [
        |a, b| solve(a, b).square().sum(),
        |a, b| cholesky_solve(a, b).square().sum(),
        |a, _| slogdet(a).1,
        |a, _| det(a),
    ];
    for (i, f) in of.into_iter().enumerate() {
        println!("{i}");
        let first = |x: Vec<Tensor>| vec![grad(|a: Tensor| f(&a, &x[1]))(x[0].clone())];
        check_derivatives(first, &[positive(6, 4), random(2, 4, 1)], false, 1e-7);
    }
    // log det has the hessian -(A^-1)_jk (A^-1)_li.
    let program = Program::new(|x: Vec<Tensor>| vec![hessian(|a: Tensor| slogdet(&a).1)(x[0].clone()), inv(&x[0])]);
    let found = program.arrays(&[host(&random(7, 3, 3), DType::F64)]);
    let (h, x) = (found[0].to_f64(), matrix(&found[1]));
    for (at, value) in h.iter().enumerate() {
        let (i, j, k, l) = (at / 27, at / 9 % 3, at / 3 % 3, at % 3);
        assert!((value + x.at(j, k) * x.at(l, i)).abs() < 1e-10);
    }
}

#[test]
fn the_derivative_of_a_determinant_is_the_adjugate_of_singular_matrices_too() {
    let slope = Program::new(|x: Vec<Tensor>| vec![grad(|a: Tensor| det(&a))(x[0].clone())]);
    let cofactors = |a: &Matrix| {
        Matrix::from_fn(4, 4, |r, c| {
            let minor = Matrix::from_fn(3, 3, |i, j| a.at(i + usize::from(i >= r), j + usize::from(j >= c)));
            let m = |i, j| minor.at(i, j);
            let value = m(0, 0) * (m(1, 1) * m(2, 2) - m(1, 2) * m(2, 1))
                - m(0, 1) * (m(1, 0) * m(2, 2) - m(1, 2) * m(2, 0))
                + m(0, 2) * (m(1, 0) * m(2, 1) - m(1, 1) * m(2, 0));
            if (r + c) % 2 == 0 { value } else { -value }
        })
    };
    for (kind, a) in gallery::matrices(4, 4, DType::F64) {
        let a = matrix(&a);
        if !(1e-10..1e10).contains(&a.max_abs()) && a.max_abs() != 0.0 {
            continue;
        }
        let found = matrix(&slope.arrays(&[host(&a, DType::F64)])[0]);
        let error = found.minus(&cofactors(&a)).max_abs();
        assert!(error <= 1e-14 * (1e-3 + a.max_abs().powi(3)) * 30.0, "{}: {error:e}", kind.name);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let message = |a: [usize; 2], b: &[usize]| {
        let array = |shape: &[usize]| HostArray::new(shape.to_vec(), vec![1.0; shape.iter().product()]).unwrap();
        let program = tandem_compile::jit(|(a, b): (Tensor, Tensor)| solve(&a, &b));
        program.lower((&array(&a), &array(b))).err().unwrap().to_string()
    };
    assert!(message([2, 3], &[2]).contains("a square matrix"));
    let text = message([3, 3], &[2, 1]);
    assert!(text.contains("right-hand side [..., 3]") && text.contains("solve.rs"), "{text}");
}
