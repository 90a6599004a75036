//! Cholesky's factor and its inverse: faer's up to rounding, on every size around the boring ones.

use faer::Mat;
use proptest::prelude::*;
use tandem_compile::pjrt::Device;
use tandem_compile::{DType, HostArray, Tensor, jit};
use tandem_linalg::gram::{cholesky, cholesky_solve, inverse_of_transpose};
use tandem_verify::Matrix;
use tandem_verify::rng::normal;

/// A positive definite matrix with a condition of about 10^`decades`.
fn definite(seed: u64, n: usize, decades: f64) -> Matrix {
    let g = Matrix { rows: n, cols: n, values: normal(seed, n * n) };
    let q = Mat::from_fn(n, n, |i, j| g.at(i, j)).qr().compute_Q();
    let weight = |l: usize| 10f64.powf(-decades * l as f64 / n.max(2) as f64);
    let entry = |i: usize, j: usize| (0..n).map(|l| weight(l) * q[(i, l)] * q[(j, l)]).sum();
    let a = Matrix::from_fn(n, n, entry);
    Matrix::from_fn(n, n, |i, j| (a.at(i, j) + a.at(j, i)) / 2.0)
}

fn host(m: &Matrix, dtype: DType) -> HostArray {
    HostArray::new([m.rows, m.cols], m.values.clone()).unwrap().cast(dtype).unwrap()
}

fn run(f: impl Fn(Tensor) -> Tensor, a: &HostArray) -> Matrix {
    let out: HostArray = jit(f).on(&Device::cpu().unwrap()).call(a).unwrap();
    Matrix::from_array(&out).unwrap()
}

fn identity_error(x: &Matrix) -> f64 {
    x.minus(&Matrix::from_fn(x.rows, x.rows, |i, j| f64::from(u8::from(i == j)))).max_abs()
}

/// |U'U - A| <= c n u |A|, U is upper triangular with a positive diagonal, and equals faer's factor up to the condition.
fn check(n: usize, seed: u64, decades: f64, dtype: DType) {
    let a = host(&definite(seed, n, decades), dtype);
    let exact = Matrix::from_array(&a).unwrap();
    let u = run(|a| cholesky(&a), &a);
    let unit = dtype.unit_roundoff();
    let residual = u.t().dot(&u).minus(&exact).max_abs();
    assert!(residual <= 4.0 * (n as f64 + 4.0) * unit * exact.max_abs(), "n = {n}: residual {residual:e}");
    for i in 0..n {
        assert!(u.at(i, i) > 0.0 && (0..i).all(|j| u.at(i, j) == 0.0));
    }
    let theirs = Mat::from_fn(n, n, |i, j| exact.at(i, j)).llt(faer::Side::Lower).unwrap();
    let theirs = Matrix::from_fn(n, n, |i, j| theirs.L()[(j, i)]);
    let allowed = 8.0 * (n as f64 + 4.0) * unit * 10f64.powf(decades);
    assert!(u.minus(&theirs).max_abs() <= allowed * theirs.max_abs(), "n = {n}: far from faer's factor");

    let inverse = run(|a| inverse_of_transpose(&cholesky(&a)), &a);
    let error = identity_error(&u.t().dot(&inverse));
    assert!(error <= 8.0 * (n as f64 + 4.0) * unit * 10f64.powf(decades / 2.0), "n = {n}: inverse off by {error:e}");
    let solved = run(|a| cholesky_solve(&cholesky(&a), &a), &a);
    let error = identity_error(&solved);
    assert!(error <= 8.0 * (n as f64 + 4.0) * unit * 10f64.powf(decades), "n = {n}: solution off by {error:e}");
}

#[test]
fn small_and_odd_sizes_are_factored() {
    for n in [1, 2, 3, 5, 10, 31, 64, 100] {
        check(n, n as u64, 2.0, DType::F64);
        check(n, n as u64, 2.0, DType::F32);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn random_matrices_are_factored(seed in 0..1000u64, n in 1..24usize, decades in 0.0..6.0f64) {
        check(n, seed, decades, DType::F64);
    }
}

#[test]
fn a_matrix_that_is_not_definite_is_not_factored_silently() {
    let a = HostArray::new([3, 3], vec![1.0, 2.0, 0.0, 2.0, 1.0, 0.0, 0.0, 0.0, 1.0]).unwrap();
    assert!(run(|a| cholesky(&a), &a).values.iter().any(|x| x.is_nan()));
    let zero = HostArray::new([2, 2], vec![0.0; 4]).unwrap();
    assert!(run(|a| cholesky(&a), &zero).values.iter().any(|x| !x.is_finite()));
}

#[test]
fn nan_reaches_the_factor() {
    let a = HostArray::new([2, 2], vec![1.0, f64::NAN, f64::NAN, 1.0]).unwrap();
    assert!(run(|a| cholesky(&a), &a).values.iter().any(|x| x.is_nan()));
}
