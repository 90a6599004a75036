//! Everything that linalg has, of a square matrix and two right-hand sides.

use tandem_compile::{DType, Graph, Result, Tensor, TensorType, iota, random, trace};
use tandem_linalg::sparse::{Sparse, spmm, spmv};
use tandem_linalg::{self as linalg, Norm};

/// A function of `a` and `b`.
type Function = fn(&Tensor, &Tensor) -> Vec<Tensor>;

/// The program of a function for matrices of n rows.
pub fn graph(name: &str, n: usize, dtype: DType) -> Option<Result<Graph>> {
    let types = [TensorType::new(dtype, [n, n]), TensorType::new(dtype, [n, 2])];
    let &(_, function) = FUNCTIONS.iter().find(|(known, _)| *known == name)?;
    Some(trace(|(a, b): (Tensor, Tensor)| function(&a, &b), &types))
}

/// By name; `a` is `[n, n]` and `b` is `[n, 2]`.
pub const FUNCTIONS: &[(&str, Function)] = &[
    ("qr", |a, _| <[_; 2]>::from(linalg::qr(a)).into()),
    ("qr_full", |_, b| <[_; 2]>::from(linalg::qr_full(b)).into()),
    ("qr_pivoted", |a, _| <[_; 3]>::from(linalg::qr_pivoted(a)).into()),
    ("householder_product", |a, _| {
        let (h, taus) = linalg::qr_raw(a);
        vec![linalg::householder_product(&h, &taus)]
    }),
    ("lu", |a, _| <[_; 3]>::from(linalg::lu(a)).into()),
    ("cholesky", |a, _| vec![linalg::cholesky(a)]),
    ("ldl", |a, _| <[_; 3]>::from(linalg::ldl(a)).into()),
    ("eigh", |a, _| <[_; 2]>::from(linalg::eigh(a)).into()),
    ("eigvalsh", |a, _| vec![linalg::eigvalsh(a)]),
    ("svd", |a, _| <[_; 3]>::from(linalg::svd(a)).into()),
    ("svd_full", |_, b| <[_; 3]>::from(linalg::svd_full(b)).into()),
    ("svdvals", |a, _| vec![linalg::svdvals(a)]),
    ("polar", |a, _| <[_; 2]>::from(linalg::polar(a)).into()),
    ("pinv", |a, _| vec![linalg::pinv(a, None)]),
    ("lstsq", |a, b| vec![linalg::lstsq(a, b, None)]),
    ("solve", |a, b| vec![linalg::solve(a, b)]),
    ("cholesky_solve", |a, b| vec![linalg::cholesky_solve(a, b)]),
    ("solve_triangular", |a, b| vec![linalg::solve_triangular(a, b, true, false, false)]),
    ("inv", |a, _| vec![linalg::inv(a)]),
    ("det", |a, _| vec![linalg::det(a)]),
    ("slogdet", |a, _| <[_; 2]>::from(linalg::slogdet(a)).into()),
    ("matrix_rank", |a, _| vec![linalg::matrix_rank(a, None)]),
    ("null_space", |a, _| <[_; 2]>::from(linalg::null_space(a, None)).into()),
    ("orth", |a, _| <[_; 2]>::from(linalg::orth(a, None)).into()),
    ("cond", |a, _| vec![linalg::cond(a)]),
    ("expm", |a, _| vec![linalg::expm(a)]),
    ("norm", |a, _| {
        [Norm::Frobenius, Norm::One, Norm::Two, Norm::Nuclear].map(|ord| linalg::matrix_norm(a, ord)).into()
    }),
    ("range_finder", |a, _| vec![linalg::range_finder(random::key(0), a, 8, 1)]),
    ("rsvd", |a, _| <[_; 3]>::from(linalg::rsvd(random::key(0), a, 8, 8, 1)).into()),
    ("cg", |a, b| <[_; 3]>::from(linalg::cg(|x| a.dot(x), &first(b), 1e-6, 100)).into()),
    ("lanczos", |a, b| <[_; 3]>::from(linalg::lanczos(|x| a.dot(x), &first(b), 10)).into()),
    ("power_iteration", |a, b| <[_; 4]>::from(linalg::power_iteration(|x| a.dot(x), &first(b), 1e-6, 100)).into()),
    ("spmv", |_, b| vec![spmv(&bidiagonal(b), &first(b)), spmv(&bidiagonal(b).t(), &first(b))]),
    ("spmm", |_, b| vec![spmm(&bidiagonal(b), b), spmm(&bidiagonal(b).t(), b)]),
];

fn first(b: &Tensor) -> Tensor {
    b.slice(1, 0, 1).reshape([b.dim(0)])
}

/// Sparse, with two numbers in each row.
fn bidiagonal(b: &Tensor) -> Sparse {
    let n = b.dim(0);
    let rows = iota([n, 2], 0, DType::I32);
    let columns = (&rows + iota([n, 2], 1, DType::I32)).minimum(n as i32 - 1);
    Sparse::coo(&b.reshape([2 * n]), &rows.reshape([2 * n]), &columns.reshape([2 * n]), [n, n])
}
