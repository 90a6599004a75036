//! Sparse products: sprs's up to rounding, for any shape and pattern, and their derivatives' own consistency.

use ndarray::{Array1, Array2};
use sprs::{CsMat, TriMat};
use tandem_compile::pjrt::Device;
use tandem_compile::{Jit, Tensor, Tree, jit, jvp, vjp};
use tandem_linalg::sparse::{Sparse, spmm, spmv};
use tandem_verify::rng::{normal, word};

/// Rows, columns, entries.
const SHAPES: [(usize, usize, usize); 8] =
    [(7, 5, 12), (1, 1, 1), (1, 1, 3), (6, 1, 3), (1, 6, 3), (4, 9, 0), (0, 3, 0), (30, 20, 200)];

fn on_cpu<I: Tree, O: Tree, F: Fn(I) -> O>(f: F) -> Jit<F, I, O> {
    jit(f).on(&Device::cpu().unwrap())
}

/// nnz entries at random places, some of them the same place, and rows without any.
fn entries(seed: u64, m: usize, n: usize, nnz: usize) -> TriMat<f64> {
    let place = |i: usize, size: usize| (word(seed, i as u64) % size.max(1) as u64) as usize;
    let mut a = TriMat::new((m, n));
    for (i, value) in normal(seed, nnz).into_iter().enumerate() {
        a.add_triplet(place(2 * i, m.div_ceil(2)), place(2 * i + 1, n), value);
    }
    a
}

fn close<'a>(x: impl IntoIterator<Item = &'a f64>, y: impl IntoIterator<Item = &'a f64>) {
    let (x, y): (Vec<_>, Vec<_>) = (x.into_iter().collect(), y.into_iter().collect());
    assert_eq!(x.len(), y.len());
    x.iter().zip(&y).for_each(|(x, y)| assert!((*x - *y).abs() <= 1e-13 * (1.0 + y.abs()), "{x:e} {y:e}"));
}

#[test]
fn products_are_those_of_sprs_whatever_the_storage() {
    let f = on_cpu(|(a, x, y, b): (Sparse, Tensor, Tensor, Tensor)| {
        (a.to_dense(), spmv(&a, &x), spmv(&a.t(), &y), spmm(&a, &b), a.t().to_dense())
    });
    for (m, n, nnz) in SHAPES {
        let triplets = entries(1, m, n, nnz);
        let (csr, csc): (CsMat<f64>, CsMat<f64>) = (triplets.to_csr(), triplets.to_csc());
        let (x, y) = (Array1::from(normal(2, n)), Array1::from(normal(3, m)));
        let b = Array2::from_shape_vec((n, 3), normal(4, 3 * n)).unwrap();
        type Found = (Array2<f64>, Array1<f64>, Array1<f64>, Array2<f64>, Array2<f64>);
        let judge = |(dense, ax, aty, ab, turned): Found| {
            close(&dense, &csr.to_dense());
            close(&turned, csr.to_dense().t());
            close(&ax, &(&csr * &x));
            close(&aty, &(&csr.transpose_view().to_csr() * &y));
            close(&ab, &(&csr * &b));
        };
        judge(f.call((&triplets, &x, &y, &b)).unwrap());
        judge(f.call((&csr, &x, &y, &b)).unwrap());
        judge(f.call((&csc, &x, &y, &b)).unwrap());
        judge(f.call((&csc.view(), &x, &y, &b)).unwrap());
    }
}

#[test]
fn rows_from_starts_are_those_of_the_entries() {
    let f = on_cpu(|(values, inner, starts, extent): (Tensor, Tensor, Tensor, Tensor)| {
        let (m, n) = (extent.dim(0), extent.dim(1));
        let turned = Sparse::csc(&values, &inner, &starts, [n, m]).to_dense();
        (Sparse::csr(&values, &inner, &starts, [m, n]).to_dense(), turned)
    });
    for (m, n, nnz) in SHAPES {
        let a: CsMat<f64> = entries(5, m, n, nnz).to_csr();
        let [inner, starts] = [a.indices(), a.indptr().as_slice().unwrap()]
            .map(|list| list.iter().map(|&i| i as i32).collect::<Vec<_>>());
        let extent = Array2::<i32>::zeros((m, n));
        let (found, turned): (Array2<f64>, Array2<f64>) = f.call((a.data(), &inner, &starts, &extent)).unwrap();
        assert_eq!((found, turned), (a.to_dense(), a.to_dense().reversed_axes()));
    }
}

#[test]
fn a_sparse_matrix_comes_back_as_one() {
    let double = on_cpu(|a: Sparse| a.with_values(&(&a.values * 2.0)));
    for (m, n, nnz) in SHAPES {
        let a = entries(6, m, n, nnz);
        let twice: CsMat<f64> = double.call(&a).unwrap();
        let expected: CsMat<f64> = a.to_csr();
        assert_eq!(twice, expected.map(|x| 2.0 * x));
        let back: CsMat<f64> = on_cpu(|a: Sparse| a.t()).call(&expected.to_csc()).unwrap();
        assert_eq!(back, expected.transpose_view().to_csr());
    }
    let wrong = on_cpu(|a: Sparse| Sparse { rows: &a.rows + 100, ..a });
    let error = wrong.call::<CsMat<f64>>(&entries(6, 2, 2, 1)).unwrap_err().to_string();
    assert_eq!(error, "an entry of a sparse matrix is at 100, outside of 0..2");
}

/// <J t, c> = <t, J' c> for tangents of entries and operand, and J t is the exact derivative of a bilinear function.
#[test]
fn forward_and_reverse_derivatives_are_adjoint() {
    for transposed in [false, true] {
        let f = on_cpu(move |(a, x, dv, dx, ct): (Sparse, Tensor, Tensor, Tensor, Tensor)| {
            let product = |(v, x): (Tensor, Tensor)| {
                let a = a.with_values(&v);
                if transposed { a.t().dot(&x) } else { a.dot(&x) }
            };
            let at = (a.values.clone(), x.clone());
            let (_, dy) = jvp(product, at.clone(), (dv.clone(), dx.clone()));
            let (tv, tx) = vjp(product, at).1(ct.clone());
            let by_hand = product((dv.clone(), x)) + product((a.values.clone(), dx.clone()));
            ((&dy * ct).sum(), (tv * dv).sum() + (tx * dx).sum(), (dy - by_hand).abs().sum())
        });
        for (m, n, nnz) in SHAPES {
            let a = entries(7, m, n, nnz);
            let (rows, columns) = if transposed { (n, m) } else { (m, n) };
            let matrix = |seed, rows| Array2::from_shape_vec((rows, 2), normal(seed, 2 * rows)).unwrap();
            let (x, dx, ct) = (matrix(8, columns), matrix(9, columns), matrix(10, rows));
            let (forward, reverse, error): (f64, f64, f64) = f.call((&a, &x, &normal(11, nnz), &dx, &ct)).unwrap();
            assert!((forward - reverse).abs() <= 1e-12 * (1.0 + forward.abs()), "{forward:e} {reverse:e}");
            assert!(error <= 1e-12, "{error:e}");
            assert!(nnz < 10 || forward.abs() > 1e-3);
        }
    }
}

#[test]
fn operands_that_do_not_fit_are_errors_of_the_trace() {
    let a = entries(12, 3, 4, 5);
    let f = on_cpu(|(a, x): (Sparse, Tensor)| a.dot(&x));
    let error = f.call::<Vec<f64>>((&a, &vec![1.0; 3])).unwrap_err().to_string();
    assert!(error.ends_with("spmv: the matrix is f64[3,4], so f64[4] expected, got f64[3]"), "{error}");
    assert!(error.starts_with(file!()), "{error}");
    let error = f.call::<Vec<f64>>((&a, &vec![1f32; 4])).unwrap_err().to_string();
    assert!(error.ends_with("got f32[4]"), "{error}");
    let error = f.call::<Vec<f64>>((&vec![1.0], &vec![0], &vec![0, 1], &vec![0], &vec![1.0])).unwrap_err().to_string();
    assert!(error.contains("[m, n, 0]"), "{error}");
}
