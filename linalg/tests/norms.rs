//! Norms against plain sums and faer's singular values; the exponential against closed forms and series; derivatives.

mod judge;

use judge::{Program, assert_all_nan, check_derivatives, host, identity, matrix, random};
use tandem_compile::{DType, HostArray, Lowering, Tensor, grad, jit};
use tandem_linalg::{Norm, expm, matrix_norm, vector_norm};
use tandem_verify::{Matrix, gallery};

const OF_MATRICES: [Norm; 8] = [
    Norm::Frobenius,
    Norm::Nuclear,
    Norm::One,
    Norm::MinusOne,
    Norm::Infinity,
    Norm::MinusInfinity,
    Norm::Two,
    Norm::MinusTwo,
];

fn of_matrix(x: Vec<Tensor>) -> Vec<Tensor> {
    OF_MATRICES.map(|ord| matrix_norm(&x[0], ord)).to_vec()
}

fn of_vector(x: Vec<Tensor>) -> Vec<Tensor> {
    let powers = [0.0, 0.5, 1.0, 3.0, -1.0].map(Norm::Power);
    let rest = [Norm::One, Norm::MinusOne, Norm::Two, Norm::MinusTwo, Norm::Infinity, Norm::MinusInfinity];
    powers.into_iter().chain(rest).map(|ord| vector_norm(&x[0], ord)).collect()
}

/// In the order of `OF_MATRICES`, of a matrix divided by `scale`, times `scale`.
fn known(a: &Matrix) -> [f64; 8] {
    let size = a.max_abs();
    let scale = if size == 0.0 { 1.0 } else { size };
    let faer = faer::Mat::from_fn(a.rows, a.cols, |i, j| a.at(i, j) / scale);
    let s = faer.singular_values().unwrap();
    let columns: Vec<f64> = (0..a.cols).map(|j| (0..a.rows).map(|i| faer[(i, j)].abs()).sum()).collect();
    let rows: Vec<f64> = (0..a.rows).map(|i| (0..a.cols).map(|j| faer[(i, j)].abs()).sum()).collect();
    let most = |x: &[f64]| x.iter().fold(0.0, |m: f64, x| m.max(*x));
    let least = |x: &[f64]| x.iter().fold(f64::INFINITY, |m: f64, x| m.min(*x));
    let all = [
        faer.norm_l2(),
        s.iter().sum(),
        most(&columns),
        least(&columns),
        most(&rows),
        least(&rows),
        most(&s),
        least(&s),
    ];
    all.map(|x| x * scale)
}

#[test]
fn norms_of_the_gallery() {
    for lowering in [Lowering::Portable, Lowering::Native] {
        let program = Program::lowered(of_matrix, lowering);
        for (m, n, dtype) in [(8, 5, DType::F64), (5, 8, DType::F32)] {
            for (kind, a) in gallery::matrices(m, n, dtype) {
                let found: Vec<f64> = program.arrays(std::slice::from_ref(&a)).iter().map(|x| x.to_f64()[0]).collect();
                let known = known(&matrix(&a));
                let largest = known.iter().fold(0.0, |m: f64, x| m.max(*x));
                for ((x, y), ord) in found.iter().zip(&known).zip(OF_MATRICES) {
                    let error = (x - y).abs();
                    assert!(error <= 30.0 * dtype.unit_roundoff() * largest, "{} {dtype} {ord:?}: {x} {y}", kind.name);
                }
            }
        }
    }
}

#[test]
fn norms_of_vectors() {
    let program = Program::new(of_vector);
    for scale in [1.0, 1e150, 1e-150] {
        let x: Vec<f64> = [3.0, -4.0, 1.0, 0.5, -2.0].iter().map(|x| x * scale).collect();
        let found = program.arrays(&[HostArray::new([5], x).unwrap()]);
        let power = |p: f64| [3.0f64, 4.0, 1.0, 0.5, 2.0].iter().map(|x| x.powf(p)).sum::<f64>().powf(1.0 / p);
        let known =
            [power(0.5), power(1.0), power(3.0), power(-1.0), 10.5, power(-1.0), power(2.0), power(-2.0), 4.0, 0.5];
        assert_eq!(found[0].to_f64(), [5.0]);
        for (i, (x, y)) in found[1..].iter().zip(known).enumerate() {
            assert!((x.to_f64()[0] / scale - y).abs() < 1e-14 * y, "{i} at {scale}: {} {y}", x.to_f64()[0]);
        }
    }
    let zero = program.arrays(&[HostArray::new([5], vec![0.0; 5]).unwrap()]);
    assert!(zero.iter().all(|x| x.to_f64() == [0.0]));
}

#[test]
fn batches_empty_and_bad_arrays() {
    let program = Program::new(|x: Vec<Tensor>| [of_matrix(x.clone()), of_vector(x)].concat());
    let mut values = random(1, 6, 4).values;
    let good = program.arrays(&[HostArray::new([3, 4], values[..12].to_vec()).unwrap()]);
    values[17] = f64::NEG_INFINITY;
    let found = program.arrays(&[HostArray::new([2, 3, 4], values).unwrap()]);
    for (at, (all, one)) in found.iter().zip(&good).enumerate() {
        let (all, one) = (all.to_f64(), one.to_f64());
        assert!(all.iter().zip(&one).all(|(x, y)| (x - y).abs() < 1e-14 * y.abs()), "{at}");
        // One matrix is bad, and of its rows the second.
        let bad: Vec<bool> = all[one.len()..].iter().map(|x| x.is_nan()).collect();
        assert_eq!(bad, if at < 8 { vec![true] } else { vec![false, true, false] }, "{at}");
    }
    let empty = Program::new(|x| vec![matrix_norm(&x[0], Norm::One), matrix_norm(&x[0], Norm::Nuclear), expm(&x[1])]);
    let array = |m, n| HostArray::new([m, n], Vec::<f64>::new()).unwrap();
    let found = empty.arrays(&[array(0, 3), array(0, 0)]);
    assert_eq!((found[0].to_f64(), found[1].to_f64(), found[2].len()), (vec![0.0], vec![0.0], 0));
    let refused = |ord| jit(move |a: Tensor| matrix_norm(&a, ord)).lower(&array(0, 3)).err().unwrap().to_string();
    assert!(refused(Norm::MinusTwo).contains("smallest of nothing"));
    assert!(refused(Norm::Power(3.0)).contains("use vector_norm"));
}

#[test]
fn derivatives_are_those_of_differences() {
    check_derivatives(of_matrix, &[random(1, 5, 4)], false, 1e-7);
    check_derivatives(of_vector, &[random(1, 5, 1)], true, 1e-7);
    check_derivatives(|x| vec![expm(&x[0])], &[random(2, 5, 5)], false, 1e-7);
    let far = |x: Vec<Tensor>| vec![expm(&(&x[0] * 10.0)) * 1e-8];
    check_derivatives(far, &[random(3, 3, 3)], false, 1e-5);
    check_derivatives(|x| vec![grad(|a: Tensor| expm(&a).sum())(x[0].clone())], &[random(2, 3, 3)], false, 1e-7);
    let zero = Program::new(|x: Vec<Tensor>| vec![grad(|a: Tensor| matrix_norm(&a, Norm::Frobenius))(x[0].clone())]);
    let found = zero.arrays(&[HostArray::new([2, 2], vec![0.0; 4]).unwrap()]);
    assert_eq!(found[0].to_f64(), [0.0; 4]);
}

#[test]
fn exponentials_are_known() {
    let program = Program::new(|x| vec![expm(&x[0])]);
    let of =
        |values: [f64; 4], dtype| program.run(&[host(&Matrix { rows: 2, cols: 2, values: values.to_vec() }, dtype)]);
    for (dtype, eps) in [(DType::F64, 2.2e-16), (DType::F32, 1.2e-7)] {
        for t in [0.0f64, 1e-3, 1.0, 7.0, 100.0] {
            let found = &of([0.0, -t, t, 0.0], dtype)[0];
            let error = (found.at(0, 0) - t.cos()).abs().max((found.at(1, 0) - t.sin()).abs());
            assert!(error <= 20.0 * eps * (1.0 + t), "rotation by {t}: {error:e}");
        }
        // Moler and Van Loan's example, in which the series of Taylor loses everything.
        let found = &of([-49.0, 24.0, -64.0, 31.0], dtype)[0];
        let (one, many) = ((-1.0f64).exp(), (-17.0f64).exp());
        let known = [-2.0 * one + 3.0 * many, 1.5 * (one - many), -4.0 * (one - many), 3.0 * one - 2.0 * many];
        let error = found.values.iter().zip(known).fold(0.0, |m: f64, (x, y)| m.max((x - y).abs()));
        assert!(error <= 1000.0 * eps, "{dtype}: {error:e}");
    }
    // A small one by its series, a large symmetric one by its eigenvalues.
    let a = random(4, 6, 6);
    let small = Matrix::from_fn(6, 6, |i, j| a.at(i, j) / 16.0);
    let (mut sum, mut term) = (identity(6), identity(6));
    for k in 1..30 {
        term = term.dot(&small);
        term.values.iter_mut().for_each(|x| *x /= f64::from(k));
        sum = sum.minus(&Matrix::from_fn(6, 6, |i, j| -term.at(i, j)));
    }
    assert!(program.run(&[host(&small, DType::F64)])[0].minus(&sum).max_abs() < 1e-14);
    let symmetric = faer::Mat::from_fn(6, 6, |i, j| 5.0 * (a.at(i, j) + a.at(j, i)));
    let eigen = symmetric.self_adjoint_eigen(faer::Side::Lower).unwrap();
    let (v, w) = (eigen.U(), eigen.S().column_vector());
    let known = Matrix::from_fn(6, 6, |i, j| (0..6).map(|k| v[(i, k)] * w[k].exp() * v[(j, k)]).sum());
    let found = &program.run(&[host(&Matrix::from_fn(6, 6, |i, j| symmetric[(i, j)]), DType::F64)])[0];
    assert!(found.minus(&known).max_abs() < 1e-12 * known.max_abs());
}

#[test]
fn exponentials_of_batches_and_of_what_has_none() {
    let program = Program::new(|x| vec![expm(&x[0])]);
    let one = [0.0, 1.0, 0.0, 0.0];
    // Other numbers of squarings, NaN, and beyond the bound.
    let all = [one, one.map(|x| x * 1e6), [f64::NAN; 4], one.map(|x| x * 1e12)].concat();
    let found = program.arrays(&[HostArray::new([4, 2, 2], all).unwrap()])[0].to_f64();
    assert_eq!(found[..4], [1.0, 1.0, 0.0, 1.0]);
    assert!((found[5] / 1e6 - 1.0).abs() < 1e-14);
    let bad = HostArray::new([8], found[8..].to_vec()).unwrap();
    assert_all_nan(&[bad], "NaN, and a norm of 10^12");
}
