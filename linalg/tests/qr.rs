//! QR: LAPACK's ratios over hard matrices of every kind of shape, LAPACK's own reflectors, derivatives.

mod judge;

use judge::{
    LIMIT, Program, Worst, assert_all_nan, check_derivatives, hard, host, identity, matrix, norm1, orthogonality,
};
use judge::{random, ratio};
use tandem_compile::{DType, HostArray, Tensor, vmap};
use tandem_linalg::{householder_product, qr, qr_full, qr_raw};
use tandem_verify::Matrix;

fn reduced(x: Vec<Tensor>) -> Vec<Tensor> {
    let (q, r) = qr(&x[0]);
    vec![q, r]
}

fn full(x: Vec<Tensor>) -> Vec<Tensor> {
    let (q, r) = qr_full(&x[0]);
    vec![q, r]
}

fn raw(x: Vec<Tensor>) -> Vec<Tensor> {
    let (h, taus) = qr_raw(&x[0]);
    vec![h, taus]
}

/// |A - QR| / (max(m, n) |A| eps) and |I - Q'Q| / (m eps).
fn judge_factors(a: &Matrix, q: &Matrix, r: &Matrix, dtype: DType) -> f64 {
    for i in 0..r.rows {
        assert!((0..i.min(r.cols)).all(|j| r.at(i, j) == 0.0), "R is not upper triangular");
    }
    let residual = ratio(&a.minus(&q.dot(r)), norm1(a), a.rows.max(a.cols), dtype);
    residual.max(orthogonality(q, dtype))
}

#[test]
fn hard_matrices_are_factored() {
    let mut worst = Worst::new();
    let programs = (Program::new(reduced), Program::new(full));
    let shapes = |dtype| match dtype {
        DType::F64 => vec![(1, 1), (1, 4), (5, 5), (33, 33), (65, 20), (20, 65), (100, 97)],
        _ => vec![(7, 1), (33, 33), (65, 20), (290, 300)],
    };
    for dtype in [DType::F64, DType::F32] {
        for (m, n) in shapes(dtype) {
            // Of the large ones, every fourth.
            let stride = if m > 200 { 4 } else { 1 };
            for (name, a) in hard(m, n, dtype).into_iter().step_by(stride) {
                let what = || format!("{name} {dtype:?} {m} x {n}");
                let factors = programs.0.run(&[host(&a, dtype)]);
                worst.check(judge_factors(&a, &factors[0], &factors[1], dtype), what);
                assert_eq!((factors[0].cols, factors[1].rows), (m.min(n), m.min(n)));
                if (m, n) == (65, 20) {
                    let factors = programs.1.run(&[host(&a, dtype)]);
                    worst.check(judge_factors(&a, &factors[0], &factors[1], dtype), || format!("full, {}", what()));
                    assert_eq!((factors[0].cols, factors[1].rows), (m, m));
                }
            }
        }
    }
}

/// Column by column: also a small column's error is small beside that column.
#[test]
fn columns_of_all_sizes_keep_their_digits() {
    let scale = |j: usize| 10f64.powi(20 * (j as i32 % 5) - 40);
    let g = random(3, 30, 20);
    let a = Matrix::from_fn(30, 20, |i, j| g.at(i, j) * scale(j));
    let factors = Program::new(reduced).run(&[host(&a, DType::F64)]);
    let error = a.minus(&factors[0].dot(&factors[1]));
    let unscaled = Matrix::from_fn(30, 20, |i, j| error.at(i, j) / scale(j));
    assert!(ratio(&unscaled, norm1(&g), 30, DType::F64) < LIMIT);
}

/// LAPACK's geqr2 in plain arithmetic.
fn geqr2(a: &Matrix) -> (Matrix, Vec<f64>) {
    let mut h = a.clone();
    let mut taus = Vec::new();
    for k in 0..a.rows.min(a.cols) {
        let alpha = h.at(k, k);
        let tail: f64 = (k + 1..a.rows).map(|i| h.at(i, k).powi(2)).sum();
        let beta = if tail == 0.0 { alpha } else { -(alpha * alpha + tail).sqrt().copysign(alpha) };
        let tau = if tail == 0.0 { 0.0 } else { (beta - alpha) / beta };
        let v = |h: &Matrix, i: usize| if i == k { 1.0 } else { h.at(i, k) / (alpha - beta) };
        for j in k + 1..a.cols {
            let dot: f64 = if tau == 0.0 { 0.0 } else { (k..a.rows).map(|i| v(&h, i) * h.at(i, j)).sum() };
            for i in k..a.rows {
                let moved = if tau == 0.0 { 0.0 } else { tau * dot * v(&h, i) };
                h.values[i * a.cols + j] -= moved;
            }
        }
        for i in k + 1..a.rows {
            h.values[i * a.cols + k] = if tau == 0.0 { 0.0 } else { v(&h, i) };
        }
        h.values[k * a.cols + k] = beta;
        taus.push(tau);
    }
    (h, taus)
}

#[test]
fn the_raw_form_is_lapacks() {
    for (m, n) in [(6, 4), (4, 6), (40, 40), (70, 33)] {
        let mut a = random(11, m, n);
        // One column that ends at the diagonal: no reflector, and the sign stays.
        (0..m).for_each(|i| a.values[i * n] = f64::from(u8::from(i == 0)));
        let found = Program::new(raw).run(&[host(&a, DType::F64)]);
        let (h, taus) = geqr2(&a);
        assert!(found[0].minus(&h).max_abs() < 1e-11, "{m} x {n}");
        assert!(found[1].values.iter().zip(&taus).all(|(x, y)| (x - y).abs() < 1e-11));
        assert_eq!(found[1].values[0], 0.0);
    }
}

#[test]
fn reflectors_multiply_to_q() {
    let program = Program::new(|x: Vec<Tensor>| {
        let (h, taus) = qr_raw(&x[0]);
        let fewer = taus.slice(0, 0, 3);
        vec![householder_product(&h, &taus), qr(&x[0]).0, householder_product(&h, &fewer)]
    });
    for dtype in [DType::F64, DType::F32] {
        let found = program.run(&[host(&random(2, 50, 40), dtype)]);
        assert_eq!(found[0], found[1]);
        assert!(orthogonality(&found[2], dtype) < LIMIT);
        // Reflectors after the third begin below: the first three columns are the same.
        assert!((0..3).all(|j| (0..50).all(|i| (found[0].at(i, j) - found[2].at(i, j)).abs() < 1e-5)));
    }
}

#[test]
fn empty_matrices_have_empty_factors() {
    for (m, n) in [(0, 0), (0, 5), (5, 0)] {
        let a = HostArray::new([m, n], Vec::<f64>::new()).unwrap();
        let shapes = |x: Vec<HostArray>| x.iter().map(|x| x.shape().to_vec()).collect::<Vec<_>>();
        let one = std::slice::from_ref(&a);
        assert_eq!(shapes(Program::new(reduced).arrays(one)), [vec![m, 0], vec![0, n]]);
        let found = Program::new(full).arrays(one);
        assert_eq!(matrix(&found[0]), identity(m));
        assert_eq!(found[1].shape(), [m, n]);
        assert_eq!(shapes(Program::new(raw).arrays(one)), [vec![m, n], vec![0]]);
    }
}

#[test]
fn bad_numbers_make_everything_nan() {
    let programs = (Program::new(reduced), Program::new(full), Program::new(raw));
    for (at, bad) in [(0, f64::NAN), (17, f64::INFINITY), (29, f64::NAN), (29, f64::NEG_INFINITY)] {
        let mut a = random(4, 6, 5);
        a.values[at] = bad;
        let a = [host(&a, DType::F64)];
        assert_all_nan(&programs.0.arrays(&a), "reduced");
        assert_all_nan(&programs.1.arrays(&a), "full");
        assert_all_nan(&programs.2.arrays(&a), "raw");
    }
}

#[test]
fn mapped_is_one_by_one() {
    let batch = HostArray::new([3, 9, 7], random(8, 27, 7).values).unwrap();
    let mapped = Program::new(|x: Vec<Tensor>| vmap(reduced)(x)).arrays(std::slice::from_ref(&batch));
    let one = Program::new(reduced);
    for (k, values) in batch.to_f64().chunks(63).enumerate() {
        let alone = one.arrays(&[HostArray::new([9, 7], values.to_vec()).unwrap()]);
        for (all, alone) in mapped.iter().zip(&alone) {
            let size = alone.len();
            let part = &all.to_f64()[k * size..(k + 1) * size];
            assert!(part.iter().zip(alone.to_f64()).all(|(x, y)| (x - y).abs() < 1e-13));
        }
    }
}

#[test]
fn derivatives_are_those_of_differences() {
    for (m, n) in [(6, 6), (9, 4), (4, 7)] {
        check_derivatives(reduced, &[random(21, m, n)], false, 1e-7);
    }
    for (m, n) in [(6, 4), (3, 4)] {
        check_derivatives(raw, &[random(22, m, n)], false, 1e-7);
    }
    check_derivatives(full, &[random(23, 3, 5)], false, 1e-7);
    let product = |x: Vec<Tensor>| vec![householder_product(&x[0], &x[1])];
    check_derivatives(product, &[random(24, 7, 5), random(25, 4, 1)], true, 1e-7);
}

#[test]
fn what_cannot_be_differentiated_is_refused() {
    let sum = |x: Vec<Tensor>| vec![tandem_compile::grad(|a: Tensor| qr_full(&a).0.sum())(x[0].clone())];
    let program = tandem_compile::jit(sum)
        .on(&tandem_compile::pjrt::Device::cpu().unwrap().with_lowering(tandem_compile::Lowering::Portable).unwrap());
    let refused = program.call::<Vec<HostArray>>(&[host(&random(1, 5, 3), DType::F64)][..]).unwrap_err().to_string();
    assert!(refused.contains("use qr, whose Q is [5, 3]"), "{refused}");
}
