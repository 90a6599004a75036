//! What theory says of semi-NMF beyond a single result: equivariances, stationarity, kinship with NMF.

use tandem_algos::snmf::{Init, Snmf, start};
use tandem_compile::pjrt::Device;
use tandem_compile::{HostArray, Tensor, trace};
use tandem_verify::Matrix;
use tandem_verify::rng::{normal, uniform};

struct Fitted {
    z: Matrix,
    y: Matrix,
    loss: Vec<f64>,
}

fn fit(snmf: &Snmf, a: &Matrix, y0: &Matrix) -> Fitted {
    let device = Device::cpu().unwrap();
    let inputs = [a, y0].map(|m| HostArray::new([m.rows, m.cols], m.values.clone()).unwrap());
    let types = [inputs[0].ty(), inputs[1].ty()];
    let graph = trace(|(a, y0): (Tensor, Tensor)| snmf.trace(&a, Some(&y0)).into_vec(), &types).unwrap();
    let results = graph.compile(&device).unwrap().run(&device, &inputs).unwrap();
    let matrix = |at: usize| Matrix::from_array(&results[at]).unwrap();
    Fitted { z: matrix(0), y: matrix(1), loss: results[2].to_f64() }
}

fn gaussian(seed: u64, rows: usize, cols: usize) -> Matrix {
    Matrix { rows, cols, values: normal(seed, rows * cols) }
}

fn positive(seed: u64, rows: usize, cols: usize) -> Matrix {
    Matrix { rows, cols, values: uniform(seed, rows * cols).into_iter().map(|x| x.max(1e-3)).collect() }
}

/// An orthogonal matrix: the product of a few reflections.
fn orthogonal(seed: u64, n: usize) -> Matrix {
    let mut q = Matrix::from_fn(n, n, |i, j| f64::from(u8::from(i == j)));
    for round in 0..3 {
        let v = normal(seed + round, n);
        let norm: f64 = v.iter().map(|x| x * x).sum();
        let h = Matrix::from_fn(n, n, |i, j| f64::from(u8::from(i == j)) - 2.0 * v[i] * v[j] / norm);
        q = q.dot(&h);
    }
    q
}

fn close(x: &Matrix, y: &Matrix, tolerance: f64) {
    let gap = x.minus(y).max_abs() / y.max_abs();
    assert!(gap < tolerance, "{gap:e}");
}

#[test]
fn rotating_the_rows_rotates_the_features_and_leaves_the_uses() {
    let (a, y0, q) = (gaussian(1, 12, 20), positive(2, 4, 20), orthogonal(3, 12));
    let snmf = Snmf::new(4).iters(10);
    let (plain, rotated) = (fit(&snmf, &a, &y0), fit(&snmf, &q.dot(&a), &y0));
    close(&rotated.z, &q.dot(&plain.z), 1e-11);
    close(&rotated.y, &plain.y, 1e-11);
}

#[test]
fn permuting_samples_permutes_their_uses() {
    let (a, y0) = (gaussian(4, 9, 16), positive(5, 3, 16));
    let shuffled = |m: &Matrix| Matrix::from_fn(m.rows, m.cols, |i, j| m.at(i, (5 * j + 3) % m.cols));
    let snmf = Snmf::new(3).iters(10);
    let (plain, other) = (fit(&snmf, &a, &y0), fit(&snmf, &shuffled(&a), &shuffled(&y0)));
    close(&other.y, &shuffled(&plain.y), 1e-11);
    close(&other.z, &plain.z, 1e-11);
}

#[test]
fn permuting_features_of_the_start_permutes_the_features() {
    let (a, y0) = (gaussian(6, 9, 16), positive(7, 5, 16));
    let turned = |m: &Matrix| Matrix::from_fn(m.rows, m.cols, |i, j| m.at((i + 2) % m.rows, j));
    let snmf = Snmf::new(5).iters(10);
    let (plain, other) = (fit(&snmf, &a, &y0), fit(&snmf, &a, &turned(&y0)));
    close(&other.y, &turned(&plain.y), 1e-11);
    close(&other.z.t(), &turned(&plain.z.t()), 1e-11);
}

/// At a minimum the gradient 2 (G Q - P) vanishes where G is positive and is not negative where G is zero.
#[test]
fn many_iterations_end_where_the_conditions_of_a_minimum_hold() {
    // A planted factorization and noise: on mere noise convergence is too slow for the test's digits.
    let noise = gaussian(16, 6, 10);
    let planted = gaussian(8, 6, 2).dot(&positive(17, 2, 10));
    let a = Matrix::from_fn(6, 10, |i, j| planted.at(i, j) + 0.05 * noise.at(i, j));
    let y0 = positive(9, 2, 10);
    let Fitted { z, y, loss } = fit(&Snmf::new(2).iters(20_000), &a, &y0);
    let gradient = z.t().dot(&z).dot(&y).minus(&z.t().dot(&a));
    let scale = z.t().dot(&a).max_abs();
    for i in 0..y.rows {
        for j in 0..y.cols {
            let (g, use_) = (gradient.at(i, j) / scale, y.at(i, j) / y.max_abs());
            assert!((g * use_).abs() < 1e-6, "gradient {g:e} where y is {use_:e}");
            assert!(g > -1e-6, "y[{i}, {j}] should grow: gradient {g:e}");
        }
    }
    assert!(loss[19_999] <= loss[10]);
}

/// Where A and all F are non-negative, P- = Q- = 0 and the update is that of NMF with a square root.
#[test]
fn on_nonnegative_factors_the_update_is_that_of_nmf() {
    // One feature: F = A g / g'g >= 0 for A >= 0.
    let (a, y0) = (positive(10, 7, 11), positive(11, 1, 11));
    let found = fit(&Snmf::new(1).iters(1), &a, &y0);
    let norm: f64 = y0.values.iter().map(|x| x * x).sum();
    let f = Matrix::from_fn(7, 1, |i, _| (0..11).map(|j| a.at(i, j) * y0.at(0, j)).sum::<f64>() / norm);
    let q: f64 = f.values.iter().map(|x| x * x).sum();
    let expected = Matrix::from_fn(1, 11, |_, j| {
        let p: f64 = (0..7).map(|i| a.at(i, j) * f.at(i, 0)).sum();
        y0.at(0, j) * (p / (q * y0.at(0, j))).sqrt()
    });
    close(&found.y, &expected, 1e-13);
}

/// With sparsity the loss goes up and down; what is returned is its smallest value's iterate.
#[test]
fn the_best_iterate_is_returned_when_the_loss_rises_again() {
    let a = gaussian(12, 20, 30);
    let Fitted { z, y, loss } = fit(&Snmf::new(4).iters(60).sparsity(0.1), &a, &positive(13, 4, 30));
    let best = loss.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(loss.windows(2).any(|pair| pair[1] > pair[0]), "the problem is too easy to prove anything");
    let error = a.minus(&z.dot(&y)).squared_norm();
    assert!((error / best - 1.0).abs() < 1e-12);
    for j in 0..4 {
        assert_eq!((0..20).filter(|&i| z.at(i, j) != 0.0).count(), 2);
    }
}

/// Centres that start in different clusters end there: each feature is used by one cluster alone.
#[test]
fn the_kmeans_start_marks_separated_clusters() {
    let noise = normal(14, 6 * 30);
    let a = Matrix::from_fn(6, 30, |i, j| if i == j % 3 { 10.0 } else { 0.0 } + 0.1 * noise[i * 30 + j]);
    let device = Device::cpu().unwrap();
    let input = HostArray::new([6, 30], a.values.clone()).unwrap();
    let apart = |seed: &u64| {
        let order = start::permutation(*seed, 30);
        let clusters = [order[0] % 3, order[1] % 3, order[2] % 3];
        clusters.contains(&0) && clusters.contains(&1) && clusters.contains(&2)
    };
    for seed in (0..100).filter(apart).take(3) {
        let snmf = Snmf::new(3).iters(0).init(Init::Kmeans).seed(seed);
        let graph = trace(|a: Tensor| snmf.trace(&a, None).into_vec(), &[input.ty()]).unwrap();
        let results = graph.compile(&device).unwrap().run(&device, std::slice::from_ref(&input)).unwrap();
        let y = Matrix::from_array(&results[1]).unwrap();
        let owner = |j: usize| -> usize { (0..3).find(|&i| y.at(i, j) == 1.2).unwrap() };
        for j in 0..30 {
            assert_eq!(owner(j), owner(j % 3), "seed {seed}, sample {j}");
            assert_eq!((0..3).filter(|&i| y.at(i, j) == 0.2).count(), 2);
        }
        assert!(owner(0) != owner(1) && owner(1) != owner(2) && owner(0) != owner(2), "seed {seed}");
    }
    assert!((0..100).filter(apart).count() >= 3);
}

#[test]
fn an_svd_start_without_its_input_is_an_error_that_says_what_to_do() {
    let a = tandem_compile::TensorType::new(tandem_compile::DType::F64, [4, 5]);
    let line = line!() + 1;
    let error = trace(|a: Tensor| Snmf::new(2).init(Init::Svd).trace(&a, None).into_vec(), &[a]).unwrap_err();
    let expected =
        format!("{}:{line}: the svd start is computed on the host: pass snmf::start_input(a, k) as y0", file!());
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_start_of_zeros_explains_nothing_and_says_so() {
    let a = gaussian(18, 5, 7);
    for iters in [0, 4] {
        let Fitted { z, y, loss } = fit(&Snmf::new(3).iters(iters), &a, &Matrix::from_fn(3, 7, |_, _| 0.0));
        assert_eq!((z.max_abs(), y.max_abs()), (0.0, 0.0));
        assert!(loss.iter().all(|loss| (loss / a.squared_norm() - 1.0).abs() < 1e-14));
    }
}
