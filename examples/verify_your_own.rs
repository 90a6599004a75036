//! A function of one's own, guaranteed: ridge regression as a traced program beside the same mathematics in plain Rust, and a
//! mistake that does not get through. The claim stands in a `#[test]` of one's own crate as it stands here (docs/verify.md).
//!
//! `cargo run --release --example verify_your_own`

use tandem::linalg;
use tandem::prelude::*;
use tandem::verify::strategy::well_conditioned;
use tandem::verify::strategy::{MatrixCase, matrices};
use tandem::verify::{Array, Certificate, Real, equivalent, reference};

/// What follows the squares of x in what is made small: |A x - b|^2 + LAMBDA |x|^2.
const LAMBDA: f64 = 0.5;

/// (A'A + LAMBDA I)^-1 A'b by Cholesky's factorization, for any device.
fn ridge(a: &Tensor, b: &Tensor) -> Tensor {
    let gram = a.t().dot(a) + eye(a.dim(1), a.dtype()) * LAMBDA;
    linalg::cholesky_solve(&gram, &a.t().dot(b))
}

/// The same by Gauss's elimination, in any precision. Nothing is shared with the traced function, least of all a mistake.
fn elimination<R: Real>(a: &Array<R>, b: &Array<R>) -> faer::Mat<R> {
    let (a, b) = (a.matrix(), b.matrix());
    let n = a.ncols();
    let dot =
        |i: usize, x: &faer::Mat<R>, j: usize| (0..a.nrows()).fold(R::zero(), |sum, k| sum + a[(k, i)] * x[(k, j)]);
    let shift = |i: usize, j: usize| if i == j { R::from_f64(LAMBDA) } else { R::zero() };
    let mut gram = faer::Mat::from_fn(n, n, |i, j| dot(i, &a, j) + shift(i, j));
    let mut x = faer::Mat::from_fn(n, b.ncols(), |i, j| dot(i, &b, j));
    for pivot in 0..n {
        for row in (0..n).filter(|&row| row != pivot) {
            let times = gram[(row, pivot)] / gram[(pivot, pivot)];
            (0..n).for_each(|j| gram[(row, j)] = gram[(row, j)] - times * gram[(pivot, j)]);
            (0..b.ncols()).for_each(|j| x[(row, j)] = x[(row, j)] - times * x[(pivot, j)]);
        }
    }
    faer::Mat::from_fn(n, b.ncols(), |i, j| x[(i, j)] / gram[(i, i)])
}

/// A of a few shapes, and one or two right-hand sides with as many rows.
fn problems() -> impl proptest::strategy::Strategy<Value = (MatrixCase, MatrixCase)> {
    use proptest::prelude::*;
    let shapes = prop::sample::select(vec![(1, 1), (5, 3), (8, 8), (12, 5)]);
    (well_conditioned(1..2, 1..2), matrices(1, 1, 0, 0), shapes, 1..3usize).prop_map(|(a, b, (rows, cols), sides)| {
        let a = MatrixCase { rows, cols, rank: rows.min(cols), ..a };
        (a, MatrixCase { rows, cols: sides, rank: rows.min(sides), ..b })
    })
}

fn main() -> tandem::Result<()> {
    let device = Device::default()?;
    let claim = |traced: fn((Tensor, Tensor)) -> Tensor| {
        equivalent(traced, reference!(elimination(a, b) -> x), problems()).on(&device).forgetful()
    };

    // In a test: claim(..).check(), which panics where it is wrong.
    for Certificate { dtype, cases, agreed, outputs, .. } in claim(|(a, b)| ridge(&a, &b)).certificates()? {
        let worst = outputs.first().map_or(0.0, |x| x.worst_ratio);
        println!("ridge in {dtype}: {cases} problems, agreed: {agreed}, worst ratio {worst:.2} of 16");
        assert!(agreed);
    }

    // LAMBDA where its square root belongs: right for LAMBDA = 1 and nearly right for small ones.
    let wrong = |(a, b): (Tensor, Tensor)| {
        let stacked = concatenate(&[&a, &(eye(a.dim(1), a.dtype()) * LAMBDA)], 0);
        let zeros = zeros([a.dim(1), b.dim(1)], b.dtype());
        linalg::lstsq(&stacked, &concatenate(&[&b, &zeros], 0), None)
    };
    for certificate in claim(wrong).certificates()? {
        let found = certificate.counterexample.expect("a wrong program is found out");
        println!("\nwith a mistake, in {}:\n{}\nfor {}", certificate.dtype, found.reason, found.case);
    }
    Ok(())
}
