//! Edges: the Jacobian in hat coordinates, along the way from zero to f^.

use faer::{Mat, Side};
use tandem_verify::{Decision, Real};

use super::basis::Basis;
use super::network::{Network, Switches};
use crate::interaction::{Edges, Lib};

/// The edges from layer `l` with activations `f` to the next one, `[next, own]`.
pub fn edges<R: Real>(
    lib: &Lib,
    network: &Network<R>,
    l: usize,
    f: &Mat<R>,
    own: &Basis<R>,
    next: Option<&Basis<R>>,
    decisions: &mut Vec<Decision>,
) -> Mat<R> {
    let (outputs, width) = (network.width_after(l), f.ncols());
    let count = R::from_f64(f.nrows() as f64);
    let nodes = nodes::<R>(&lib.edges);
    let mut sum = Mat::<R>::zeros(outputs, width);
    let mut switches = Switches::default();
    for sample in 0..f.nrows() {
        let point: Vec<R> = (0..width).map(|j| f[(sample, j)]).collect();
        let hat: Vec<R> = (0..width).map(|j| dot(&point, |i| own.c[(i, j)])).collect();
        let seen = projected(&point, own);
        let mut mean = Mat::<R>::zeros(outputs, width);
        for &(a, weight) in &nodes {
            let at: Vec<R> = seen.iter().map(|&x| x * a).collect();
            let jacobian = network.jacobian(l, &at, &mut switches);
            let turned = next.map_or_else(|| jacobian.clone(), |next| next.c.transpose() * &jacobian);
            let in_hat = turned * own.c_plus.transpose();
            mean = Mat::from_fn(outputs, width, |i, j| mean[(i, j)] + in_hat[(i, j)] * weight);
        }
        for i in 0..outputs {
            for j in 0..width {
                let along = mean[(i, j)] * hat[j];
                sum[(i, j)] = sum[(i, j)] + along * along;
            }
        }
    }
    decisions.push(switches.decision());
    Mat::from_fn(outputs, width, |i, j| sum[(i, j)] / count)
}

fn dot<R: Real>(x: &[R], y: impl Fn(usize) -> R) -> R {
    x.iter().enumerate().fold(R::zero(), |sum, (i, &x)| sum + x * y(i))
}

/// f C C+: what is left of f without its parts along the dropped directions.
fn projected<R: Real>(f: &[R], own: &Basis<R>) -> Vec<R> {
    let mut left = f.to_vec();
    for (column, row) in &own.dropped {
        let part = dot(f, |i| column[i]);
        left.iter_mut().zip(row).for_each(|(left, &row)| *left = *left - part * row);
    }
    left
}

/// Points of [0, 1] and their weights.
fn nodes<R: Real>(rule: &Edges) -> Vec<(R, R)> {
    let number = |x: f64| R::from_f64(x);
    match *rule {
        Edges::Gradient => vec![(R::one(), R::one())],
        Edges::GaussLegendre(n) => gauss_legendre(n + 1),
        Edges::Trapezoidal(0) => vec![(number(0.5), R::one())],
        Edges::Trapezoidal(n) => {
            let margin = number(1e-3) / number((n + 1) as f64);
            let step = (R::one() - margin - margin) / number(n as f64);
            let weight = |i: usize| number(if i == 0 || i == n { 0.5 } else { 1.0 }) / number(n as f64);
            (0..=n).map(|i| (margin + step * number(i as f64), weight(i))).collect()
        }
    }
}

/// The nodes are the eigenvalues of the Jacobi matrix, and the weights the squares of the eigenvectors' first entries (Golub
/// and Welsch, "Calculation of Gauss quadrature rules", Math. Comp. 23, 1969).
fn gauss_legendre<R: Real>(count: usize) -> Vec<(R, R)> {
    let beside = |k: usize| {
        let k = R::from_f64(k as f64);
        k / (R::from_f64(4.0) * k * k - R::one()).sqrt()
    };
    let jacobi = Mat::from_fn(count, count, |i, j| if i.abs_diff(j) == 1 { beside(i.max(j)) } else { R::zero() });
    let half = R::from_f64(0.5);
    match jacobi.self_adjoint_eigen(Side::Lower) {
        Ok(found) => {
            let first = |i: usize| found.U()[(0, i)];
            (0..count).map(|i| ((found.S()[i] + R::one()) * half, first(i) * first(i))).collect()
        }
        Err(_) => Vec::new(),
    }
}
