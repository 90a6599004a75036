//! The singular value decomposition: LAPACK's ratios over hard matrices of every kind of shape, values against faer's,
//! derivatives against differences.

mod judge;

use judge::{Program, assert_all_nan, check_derivatives, host, matrix, random};
use tandem_compile::{DType, HostArray, Tensor, grad, vmap};
use tandem_linalg::laws::{self, THRESHOLD};
use tandem_linalg::{svd, svd_full, svdvals};
use tandem_verify::{Matrix, gallery};

fn thin(x: Vec<Tensor>) -> Vec<Tensor> {
    let (u, s, vh) = svd(&x[0]);
    vec![u, s, vh]
}

fn full(x: Vec<Tensor>) -> Vec<Tensor> {
    let (u, s, vh) = svd_full(&x[0]);
    vec![u, s, vh]
}

fn values(x: Vec<Tensor>) -> Vec<Tensor> {
    vec![svdvals(&x[0])]
}

/// faer's singular values of a matrix that is scaled, so that squares are in range.
fn known(a: &HostArray) -> HostArray {
    let (m, n) = (a.shape()[0], a.shape()[1]);
    let x = a.to_f64();
    let size = x.iter().fold(0.0, |size: f64, x| size.max(x.abs()));
    let scale = if size == 0.0 { 1.0 } else { size };
    let a = faer::Mat::from_fn(m, n, |i, j| x[i * n + j] / scale);
    let s: Vec<f64> = a.singular_values().unwrap().into_iter().map(|s| s * scale).collect();
    HostArray::new([s.len()], s).unwrap()
}

/// The ratios of one program's outputs, with the name of the worst matrix.
struct Worst(f64, String);

impl Worst {
    fn check(&mut self, ratio: f64, limit: f64, what: impl Fn() -> String) {
        assert!(ratio < limit, "{}: ratio {ratio:.3e}", what());
        if ratio > self.0 {
            (self.0, self.1) = (ratio, what());
        }
    }
}

impl Drop for Worst {
    fn drop(&mut self) {
        println!("worst ratio {:.3}: {}", self.0, self.1);
    }
}

#[test]
fn hard_matrices_are_decomposed() {
    let mut worst = (Worst(0.0, String::new()), Worst(0.0, String::new()));
    let program = Program::new(thin);
    let shapes = |dtype| match dtype {
        DType::F64 => vec![(1, 1), (2, 2), (1, 5), (3, 3), (64, 64), (300, 31), (31, 64), (150, 150)],
        _ => vec![(5, 5), (40, 33)],
    };
    for dtype in [DType::F64, DType::F32] {
        for (m, n) in shapes(dtype) {
            for (kind, a) in gallery::matrices(m, n, dtype) {
                let what = || format!("{} {dtype:?} {m} x {n}", kind.name);
                let found = program.arrays(std::slice::from_ref(&a));
                worst.0.check(laws::svd(&a, &found[0], &found[1], &found[2]), THRESHOLD, what);
                // In units of the largest value's rounding: 1e-13 of it in f64.
                worst.1.check(laws::values(&found[1], &known(&a)), 900.0, what);
            }
        }
    }
}

#[test]
fn full_bases_are_orthogonal() {
    let program = Program::new(full);
    for (m, n) in [(5, 0), (0, 3), (4, 2), (2, 4), (40, 15), (15, 40), (20, 20)] {
        for (kind, a) in gallery::matrices(m, n, DType::F64).step_by(3) {
            let found = program.arrays(std::slice::from_ref(&a));
            assert_eq!((found[0].shape(), found[2].shape()), (&[m, m][..], &[n, n][..]));
            let ratio = laws::svd(&a, &found[0], &found[1], &found[2]);
            assert!(ratio < THRESHOLD, "{} {m} x {n}: {ratio}", kind.name);
        }
    }
}

#[test]
fn empty_matrices_have_empty_factors() {
    for (m, n) in [(0, 0), (0, 3), (3, 0)] {
        let empty = HostArray::new([m, n], Vec::<f64>::new()).unwrap();
        let found = Program::new(thin).arrays(std::slice::from_ref(&empty));
        assert_eq!((found[0].shape(), found[1].shape(), found[2].shape()), (&[m, 0][..], &[0][..], &[0, n][..]));
        assert_eq!(Program::new(values).arrays(&[empty])[0].len(), 0);
    }
}

#[test]
fn zeros_and_diagonals_are_exact() {
    let program = Program::new(values);
    let zero = Matrix::from_fn(20, 20, |_, _| 0.0);
    assert!(program.arrays(&[host(&zero, DType::F64)])[0].to_f64().iter().all(|&s| s == 0.0));
    let diagonal = Matrix::from_fn(20, 20, |i, j| if i == j { (i % 3) as f64 } else { 0.0 });
    let found = program.arrays(&[host(&diagonal, DType::F64)])[0].to_f64();
    assert_eq!(found.iter().filter(|&&s| s == 0.0).count(), 7);
    assert!(found.iter().take(6).all(|&s| (s - 2.0).abs() < 1e-15));
}

#[test]
fn bad_numbers_make_everything_nan() {
    let program = Program::new(thin);
    for (m, n) in [(20, 20), (4, 9)] {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut a = random(1, m, n);
            a.values[m * n / 2] = bad;
            assert_all_nan(&program.arrays(&[host(&a, DType::F64)]), &format!("{bad} in {m} x {n}"));
        }
    }
}

#[test]
fn a_batch_is_the_same_as_one_by_one() {
    for (m, n) in [(6, 4), (20, 18)] {
        // Among ordinary ones the zero matrix and one with equal singular values, which take other branches.
        let kinds = ["random", "zero", "orthogonal", "graded to 1e-14", "half of the singular values zero"];
        let all: Vec<HostArray> =
            kinds.iter().map(|name| gallery::named(name).unwrap().array(m, n, DType::F64).unwrap()).collect();
        let stacked = all.iter().flat_map(HostArray::to_f64).collect::<Vec<f64>>();
        let many = Program::new(|x: Vec<Tensor>| vmap(thin)(x));
        let found = many.arrays(&[HostArray::new([all.len(), m, n], stacked).unwrap()]);
        for (at, a) in all.iter().enumerate() {
            let part = |x: &HostArray| {
                let len = x.len() / all.len();
                HostArray::new(x.shape()[1..].to_vec(), x.to_f64()[at * len..(at + 1) * len].to_vec()).unwrap()
            };
            let parts: Vec<HostArray> = found.iter().map(part).collect();
            let ratio = laws::svd(a, &parts[0], &parts[1], &parts[2]);
            assert!(ratio < THRESHOLD, "{} {m} x {n}: {ratio}", kinds[at]);
            let alone = Program::new(thin).arrays(std::slice::from_ref(a));
            assert!(laws::values(&parts[1], &alone[1]) < 30.0);
        }
    }
}

#[test]
fn derivatives_are_those_of_differences() {
    for (m, n) in [(4, 4), (7, 4), (3, 6)] {
        check_derivatives(thin, &[random(7, m, n)], false, 1e-7);
        check_derivatives(values, &[random(8, m, n)], false, 1e-8);
    }
    check_derivatives(thin, &[random(9, 14, 12)], false, 1e-6);
    check_derivatives(full, &[random(9, 5, 5)], false, 1e-7);
}

/// The derivative of the sum of the singular values at the identity, where all are equal: that of the trace.
#[test]
fn values_have_a_derivative_where_vectors_have_none() {
    let slope = Program::new(|x: Vec<Tensor>| vec![grad(|a: Tensor| svdvals(&a).sum())(x[0].clone())]);
    let identity = Matrix::from_fn(12, 12, |i, j| f64::from(u8::from(i == j)));
    let found = matrix(&slope.arrays(&[host(&identity, DType::F64)])[0]);
    assert!(found.minus(&identity).max_abs() < 1e-13);
}

#[test]
fn the_full_derivative_is_refused_where_there_is_none() {
    let lowered = tandem_compile::jit(|a: Tensor| grad(|a: Tensor| svd_full(&a).0.sum())(a))
        .lower(&HostArray::new([3, 2], vec![1.0; 6]).unwrap());
    let message = lowered.err().unwrap().to_string();
    assert!(message.contains("use svd"), "{message}");
}
