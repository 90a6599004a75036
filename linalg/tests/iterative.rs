//! Iterative methods: systems that are solved to what was asked for, Lanczos' relation and orthogonality over the gallery, dominant
//! eigenvalues, ends of every kind.

mod judge;

use judge::{Program, Worst, assert_all_nan, check_derivatives, host, matrix, random};
use tandem_compile::{DType, HostArray, Tensor, eye, jit, vmap};
use tandem_linalg::{cg, lanczos, laws, power_iteration};
use tandem_verify::{Matrix, gallery};

fn vector(seed: u64, n: usize, dtype: DType) -> HostArray {
    HostArray::new([n], random(seed, n, 1).values).unwrap().cast(dtype).unwrap()
}

fn gradients(x: Vec<Tensor>) -> Vec<Tensor> {
    let tol = if x[1].dtype() == DType::F64 { 1e-12 } else { 1e-4 };
    let (solution, iterations, residual) = cg(|v| x[0].dot(v), &x[1], tol, 100);
    vec![solution, iterations, residual]
}

fn tridiagonal(steps: usize) -> impl Fn(Vec<Tensor>) -> Vec<Tensor> {
    move |x| {
        let (diagonal, beside, q) = lanczos(|v| x[0].dot(v), &x[1], steps);
        vec![diagonal, beside, q]
    }
}

#[test]
fn definite_systems_are_solved() {
    let program = Program::new(gradients);
    for dtype in [DType::F64, DType::F32] {
        let b = vector(1, 20, dtype);
        for name in ["definite, condition 100", "definite identity", "1-2-1", "definite, 1e150", "definite, 1e-18"] {
            let Some(a) = gallery::named(name).unwrap().array(20, 20, dtype) else { continue };
            let found = program.arrays(&[a.clone(), b.clone()]);
            let residual = found[2].to_f64()[0];
            assert!(residual < if dtype == DType::F64 { 1e-11 } else { 1e-3 }, "{name} {dtype}: {residual:e}");
            assert!((1.0..=100.0).contains(&found[1].to_f64()[0]));
            let x = matrix(&found[0]);
            let (a, b) = (matrix(&a), matrix(&b));
            let left = b.minus(&a.dot(&x)).max_abs();
            // The residual is computed in the same dtype: beside it stands the rounding of b and of A x.
            let length = b.values.iter().map(|b| b * b).sum::<f64>().sqrt();
            let rounding = 20.0 * dtype.unit_roundoff() * (judge::norm1(&a) * x.max_abs() + b.max_abs());
            assert!(left <= residual * length + rounding, "{name} {dtype}: {left:e} beside {residual:e}");
        }
    }
}

#[test]
fn gradients_end() {
    let program = Program::new(gradients);
    let of = |d: [f64; 3], b: [f64; 3]| {
        let a = Matrix::from_fn(3, 3, |i, j| if i == j { d[i] } else { 0.0 });
        program.arrays(&[host(&a, DType::F64), HostArray::new([3], b.to_vec()).unwrap()])
    };
    let zero = of([1.0, 2.0, 3.0], [0.0; 3]);
    assert_eq!((zero[0].to_f64(), zero[1].to_f64(), zero[2].to_f64()), (vec![0.0; 3], vec![0.0], vec![0.0]));
    let indefinite = of([1.0, -2.0, 1.0], [0.0, 1.0, 0.0]);
    assert_eq!((indefinite[1].to_f64(), indefinite[2].to_f64()), (vec![0.0], vec![1.0]));
    let bad = of([1.0, f64::NAN, 1.0], [1.0, 1.0, 1.0]);
    assert_all_nan(&[bad[0].clone(), bad[2].clone()], "NaN in the matrix");
    let bad = of([1.0, 1.0, 1.0], [1.0, f64::INFINITY, 1.0]);
    assert_all_nan(&[bad[0].clone(), bad[2].clone()], "infinity in b");
    let refused =
        jit(|a: Tensor| cg(|v| v.clone(), &a, 1e-6, 5).0).lower(&HostArray::new([2, 2], vec![1.0; 4]).unwrap());
    assert!(refused.err().unwrap().to_string().contains("a vector [n]"));
    // Problems of a batch end at different times.
    let mapped = Program::new(|x: Vec<Tensor>| vmap(gradients)(x));
    let a = [1.0, 0.0, 0.0, 1.0, 3.0, 1.0, 1.0, 2.0].to_vec();
    let found = mapped
        .arrays(&[HostArray::new([2, 2, 2], a).unwrap(), HostArray::new([2, 2], vec![1.0, 2.0, 4.0, 3.0]).unwrap()]);
    assert_eq!(found[1].to_f64(), [1.0, 2.0]);
    assert!(found[0].to_f64().iter().zip([1.0, 2.0, 1.0, 1.0]).all(|(x, y)| (x - y).abs() < 1e-12));
}

/// Forward and reverse, with respect to the matrix and to b, of one problem and of many.
#[test]
fn solutions_have_derivatives() {
    let solved = |a: &Tensor, b: &Tensor| {
        let a = a.dot(&a.t()) + eye(5, a.dtype());
        cg(|v| a.dot(v), &b.reshape([5]), 1e-15, 50).0
    };
    check_derivatives(|x| vec![solved(&x[0], &x[1])], &[random(3, 5, 5), random(4, 5, 1)], false, 1e-6);
    let many = move |x: Vec<Tensor>| {
        let stack = x[1].reshape([3, 5]);
        vec![vmap(|b: Tensor| solved(&x[0], &b))(stack)]
    };
    check_derivatives(many, &[random(3, 5, 5), random(4, 15, 1)], false, 1e-6);
}

/// A Q = Q T + beta q e', of which the columns but the last one are compared, and the last one's length.
#[test]
fn lanczos_relation_holds_over_the_gallery() {
    let mut worst = Worst::new();
    for steps in [12, 5] {
        let program = Program::new(tridiagonal(steps));
        for dtype in [DType::F64, DType::F32] {
            for (kind, a) in gallery::matrices(12, 12, dtype).filter(|(kind, _)| kind.symmetric || kind.definite) {
                let what = || format!("{} {dtype}, {steps} steps", kind.name);
                let found = program.arrays(&[a.clone(), vector(2, 12, dtype)]);
                worst.check(laws::orthonormal_columns(&found[2]), what);
                let (d, e, q) = (found[0].to_f64(), found[1].to_f64(), matrix(&found[2]));
                let t = Matrix::from_fn(steps, steps, |i, j| match i.abs_diff(j) {
                    0 => d[i],
                    1 => e[i.min(j)],
                    _ => 0.0,
                });
                let a = matrix(&a);
                let left = a.dot(&q).minus(&q.dot(&t));
                let inside = Matrix::from_fn(12, steps - 1, |i, j| left.at(i, j));
                worst.check(judge::ratio(&inside, judge::norm1(&a), 12, dtype), what);
                let size = a.max_abs();
                let last = (0..12).map(|i| (left.at(i, steps - 1) / size.max(1e-300)).powi(2)).sum::<f64>().sqrt();
                assert!((last - e[steps - 1] / size.max(1e-300)).abs() < 500.0 * dtype.unit_roundoff(), "{}", what());
            }
        }
    }
}

#[test]
fn lanczos_edges_and_derivatives() {
    let program = Program::new(tridiagonal(1));
    let one = program.arrays(&[host(&random(1, 3, 3), DType::F64), vector(1, 3, DType::F64)]);
    assert_eq!(one[2].shape(), [3, 1]);
    let mut bad = random(1, 3, 3);
    bad.values[4] = f64::NAN;
    assert_all_nan(&program.arrays(&[host(&bad, DType::F64), vector(1, 3, DType::F64)]), "NaN");
    let zero = HostArray::new([3], vec![0.0; 3]).unwrap();
    assert_all_nan(&program.arrays(&[host(&random(1, 3, 3), DType::F64), zero]), "start zero");
    let refused = jit(|v: Tensor| lanczos(|v| v.clone(), &v, 4).0).lower(&vector(1, 3, DType::F64));
    assert!(refused.err().unwrap().to_string().contains("from 1 to 3 steps"));
    let symmetric = |x: Vec<Tensor>| {
        let a = &x[0] + x[0].t();
        tridiagonal(3)(vec![a, x[1].reshape([5])])
    };
    check_derivatives(symmetric, &[random(1, 5, 5), random(2, 5, 1)], false, 1e-6);
}

#[test]
fn the_dominant_eigenvalue_is_found() {
    let program = Program::new(|x: Vec<Tensor>| {
        let (value, vector, iterations, residual) = power_iteration(|v| x[0].dot(v), &x[1], 1e-13, 2000);
        vec![value, vector, iterations, residual]
    });
    for scale in [1.0, 1e150, 1e-150] {
        let d = [1.0, -5.0, 3.0, 0.0, 2.0].map(|x| x * scale);
        let a = Matrix::from_fn(5, 5, |i, j| if i == j { d[i] } else { 0.0 });
        let found = program.arrays(&[host(&a, DType::F64), vector(3, 5, DType::F64)]);
        assert!((found[0].to_f64()[0] / scale + 5.0).abs() < 1e-12);
        assert!((found[1].to_f64()[1].abs() - 1.0).abs() < 1e-12);
        assert!(found[2].to_f64()[0] < 100.0 && found[3].to_f64()[0] <= 1e-12 * scale);
    }
    let zero = Matrix::from_fn(5, 5, |_, _| 0.0);
    let found = program.arrays(&[host(&zero, DType::F64), vector(3, 5, DType::F64)]);
    assert_eq!((found[0].to_f64()[0], found[2].to_f64()[0]), (0.0, 0.0));
    let bad = Matrix::from_fn(5, 5, |i, _| if i == 2 { f64::NAN } else { 1.0 });
    let found = program.arrays(&[host(&bad, DType::F64), vector(3, 5, DType::F64)]);
    assert_all_nan(&[found[0].clone(), found[1].clone(), found[3].clone()], "NaN");
}
