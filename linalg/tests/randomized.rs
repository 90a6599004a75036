//! Random projections: exact where the rank is, near the best approximation where it is not, the same in every run.

mod judge;

use judge::{Program, assert_all_nan, check_derivatives, host, matrix, random};
use tandem_compile::{DType, HostArray, Lowering, Tensor, jit, random::key};
use tandem_linalg::{laws, range_finder, rsvd};
use tandem_verify::{Matrix, gallery};

fn five(x: Vec<Tensor>) -> Vec<Tensor> {
    let (u, s, vh) = rsvd(key(3), &x[0], 5, 3, 2);
    vec![range_finder(key(3), &x[0], 8, 1), u, s, vh]
}

/// The norm of a difference, by its Frobenius norm, which is no smaller.
fn length(a: &Matrix) -> f64 {
    a.values.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn rebuilt(u: &Matrix, s: &Matrix, vh: &Matrix) -> Matrix {
    let scaled = Matrix::from_fn(u.rows, u.cols, |i, j| u.at(i, j) * s.values[j]);
    scaled.dot(vh)
}

#[test]
fn ranges_and_singular_values_are_near_the_best() {
    for lowering in [Lowering::Portable, Lowering::Native] {
        let program = Program::lowered(five, lowering);
        for dtype in [DType::F64, DType::F32] {
            for (kind, a) in gallery::matrices(30, 20, dtype) {
                let what = format!("{} {dtype} {lowering:?}", kind.name);
                let found = program.arrays(std::slice::from_ref(&a));
                assert!(
                    laws::orthonormal_columns(&found[0]) < 30.0 && laws::orthonormal_columns(&found[1]) < 30.0,
                    "{what}"
                );
                let size = matrix(&a).max_abs();
                if !(1e-20..1e20).contains(&size) {
                    continue;
                }
                let [q, u, s, vh] = [0, 1, 2, 3].map(|i| matrix(&found[i]));
                let a = matrix(&a);
                let faer = faer::Mat::from_fn(30, 20, |i, j| a.at(i, j)).singular_values().unwrap();
                let beyond = |k: usize| faer[k..].iter().map(|s| s * s).sum::<f64>().sqrt();
                let noise = 100.0 * dtype.unit_roundoff() * faer[0];
                let left = length(&a.minus(&q.dot(&q.t().dot(&a))));
                assert!(left <= 2.0 * beyond(5) + noise, "{what}: range leaves {left:e} of {:e}", beyond(5));
                let error = length(&a.minus(&rebuilt(&u, &s, &vh)));
                assert!(error <= 1.5 * beyond(5) + noise, "{what}: {error:e} beside {:e}", beyond(5));
                // Singular values of a projection are no larger than the matrix's.
                assert!((0..5).all(|i| s.values[i] <= faer[i] + noise), "{what}");
            }
        }
    }
}

#[test]
fn batches_bad_matrices_and_shapes() {
    let program = Program::new(five);
    let mut values = random(2, 24, 9).values;
    let one = program.arrays(&[HostArray::new([12, 9], values[..108].to_vec()).unwrap()]);
    values[150] = f64::NAN;
    let found = program.arrays(&[HostArray::new([2, 12, 9], values).unwrap()]);
    assert_eq!((found[1].shape(), found[3].shape()), (&[2, 12, 5][..], &[2, 5, 9][..]));
    for (all, one) in found.iter().zip(&one) {
        let (first, second) = (&all.to_f64()[..one.len()], &all.to_f64()[one.len()..]);
        assert!(first.iter().zip(one.to_f64()).all(|(x, y)| (x - y).abs() < 1e-12));
        assert_all_nan(&[HostArray::new([second.len()], second.to_vec()).unwrap()], "second");
    }
    let a = HostArray::new([3, 2], vec![1.0; 6]).unwrap();
    let refused = jit(|a: Tensor| rsvd(key(1), &a, 3, 5, 0)).lower(&a).err().unwrap().to_string();
    assert!(refused.contains("a rank of at most 2"), "{refused}");
    // With as many columns as there are, it is the svd; of an empty matrix it is empty.
    let all = Program::new(|x: Vec<Tensor>| {
        let k = x[0].dim(1).min(x[0].dim(0));
        let (u, s, vh) = rsvd(key(1), &x[0], k, 10, 1);
        vec![u, s, vh]
    });
    let (a, empty) = (host(&random(4, 7, 4), DType::F64), HostArray::new([0, 3], Vec::<f64>::new()).unwrap());
    let found = all.arrays(std::slice::from_ref(&a));
    assert!(laws::svd(&a, &found[0], &found[1], &found[2]) < 30.0);
    assert_eq!(all.arrays(&[empty])[2].shape(), [0, 3]);
}

#[test]
fn derivatives_are_those_of_differences() {
    let values = |x: Vec<Tensor>| vec![rsvd(key(5), &x[0], 2, 1, 1).1];
    check_derivatives(values, &[random(1, 6, 4)], false, 1e-6);
    let projection = |x: Vec<Tensor>| {
        let q = range_finder(key(5), &x[0], 2, 1);
        vec![q.dot(&q.t())]
    };
    check_derivatives(projection, &[random(1, 6, 4)], false, 1e-6);
}
