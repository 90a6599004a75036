//! Semi-NMF gives the numbers that an independent implementation in NumPy gave on inputs that anybody can make again.

use tandem_algos::snmf::{Snmf, reference, start};
use tandem_compile::pjrt::Device;
use tandem_compile::{DType, HostArray, Tensor, trace};
use tandem_verify::rng::{normal, uniform};

const D: usize = 60;
const N: usize = 200;
const K: usize = 8;

/// A = Z Y + noise with a sparse Y >= 0, `[60, 200]`, of rank 8.
fn planted() -> HostArray {
    let z = normal(11, D * K);
    let (sizes, chance) = (normal(12, N * K), uniform(13, N * K));
    let y: Vec<f64> = sizes.iter().zip(&chance).map(|(x, &u)| if u < 0.4 { x.abs() } else { 0.0 }).collect();
    let noise = normal(14, D * N);
    HostArray::from_fn([D, N], |at| {
        let (i, j) = (at / N, at % N);
        (0..K).map(|l| z[i * K + l] * y[j * K + l]).sum::<f64>() + 0.01 * noise[at]
    })
}

/// The start of the published numbers, as Y = G'.
fn published_start() -> HostArray {
    let g = uniform(15, N * K);
    HostArray::from_fn([K, N], |at| g[(at % N) * K + at / N].max(1e-6))
}

/// J / |A|^2 after 1, 10, 100, 500, 1000 and 2000 iterations.
const LOSSES: [(usize, f64); 6] = [
    (1, 5.281598e-01),
    (10, 7.540532e-02),
    (100, 2.688035e-04),
    (500, 3.691524e-05),
    (1000, 3.018715e-05),
    (2000, 2.936310e-05),
];
/// The part of |A|^2 outside of its 8 largest singular values: no factorization of rank 8 is better.
const BOUND: f64 = 2.8777773e-05;

fn device_losses(snmf: &Snmf, a: &HostArray, y0: &HostArray) -> Vec<f64> {
    let device = Device::cpu().unwrap();
    let graph = trace(|(a, y0): (Tensor, Tensor)| snmf.trace(&a, Some(&y0)).into_vec(), &[a.ty(), y0.ty()]).unwrap();
    let results = graph.compile(&device).unwrap().run(&device, &[a.clone(), y0.clone()]).unwrap();
    results[2].to_f64()
}

fn squared_norm(a: &HostArray) -> f64 {
    a.to_f64().iter().map(|x| x * x).sum()
}

fn agree(losses: &[f64], norm: f64, digits: f64) {
    for (iterations, expected) in LOSSES {
        let found = losses[iterations - 1] / norm;
        // The published numbers have seven digits; late ones carry the growth of the iteration's rounding.
        assert!((found / expected - 1.0).abs() < digits, "after {iterations}: {found:e} instead of {expected:e}");
        assert!(found > BOUND);
    }
}

#[test]
fn losses_of_the_planted_problem_are_the_published_ones_in_f64() {
    let (a, y0) = (planted(), published_start());
    let snmf = Snmf::new(K).iters(2000);
    agree(&device_losses(&snmf, &a, &y0), squared_norm(&a), 2e-6);
    agree(&reference::factorize::<f64>(&snmf, &a, Some(&y0), 1.2e-16).reals("loss"), squared_norm(&a), 2e-6);
}

#[test]
fn losses_of_the_planted_problem_are_the_published_ones_in_f32() {
    let (a, y0) = (planted().cast(DType::F32).unwrap(), published_start().cast(DType::F32).unwrap());
    let losses = device_losses(&Snmf::new(K).iters(2000), &a, &y0);
    agree(&losses, squared_norm(&a), 1e-3);
}

/// The 5 x 7 example after Ding, Li and Jordan, from the clusters {1..3}, {4..7} lifted by 0.2.
#[test]
fn the_toy_example_reaches_the_best_approximation_of_its_rank() {
    let x = [
        [1.3, 1.8, 4.8, 7.1, 5.0, 5.2, 8.0],
        [1.5, 6.9, 3.9, -5.5, -8.5, -3.9, -5.5],
        [6.5, 1.6, 8.2, -7.2, -8.7, -7.9, -5.2],
        [3.8, 8.3, 4.7, 6.4, 7.5, 3.2, 7.4],
        [-7.3, -1.8, -2.1, 2.7, 6.8, 4.8, 6.2],
    ];
    let a = HostArray::from_fn([5, 7], |at| x[at / 7][at % 7]);
    let y0 = HostArray::from_fn([2, 7], |at| if (at % 7 >= 3) == (at / 7 == 1) { 1.2 } else { 0.2 });
    let losses = device_losses(&Snmf::new(2).iters(4000), &a, &y0);
    let error = |iterations: usize| (losses[iterations - 1] / squared_norm(&a)).sqrt();
    for (iterations, expected) in [(1, 0.29903595), (10, 0.27096993), (50, 0.26550588), (100, 0.26537675)] {
        assert!((error(iterations) - expected).abs() < 1e-8, "after {iterations}: {}", error(iterations));
    }
    assert!((error(4000) - 0.26535651).abs() < 1e-8, "{}", error(4000));
}

/// The closed form explains A at least as well as its best approximation of rank k - 1: the published squared errors.
#[test]
fn the_svd_start_is_no_worse_than_one_rank_less() {
    let a = planted();
    let values = a.to_f64();
    let matrix = faer::Mat::from_fn(D, N, |i, j| values[i * N + j]);
    for (k, one_less, bound) in
        [(2, 2.35449974e4, 1.76792543e4), (4, 1.31702107e4, 9.73468768e3), (8, 1.96848102e3, 1.01634904)]
    {
        let g = start::svd(&matrix, k);
        assert!((0..k).all(|i| (0..N).all(|j| g[(j, i)] > 0.0)));
        let y0 = HostArray::from_fn([k, N], |at| g[(at % N, at / N)]);
        let losses = device_losses(&Snmf::new(k).iters(500), &a, &y0);
        let partner = reference::factorize::<f64>(&Snmf::new(k).iters(0), &a, Some(&y0), 1.2e-16);
        let (z, y) = (partner.reals("z"), partner.reals("y"));
        let entry = |at: usize| (0..k).map(|l| z[at / N * k + l] * y[l * N + at % N]).sum::<f64>();
        let error: f64 = (0..D * N).map(|at| (values[at] - entry(at)).powi(2)).sum();
        // The span of the start's rows holds the k - 1 leading singular vectors, and one direction more.
        assert!(error <= one_less * (1.0 + 1e-8) && error > bound, "k = {k}: {error}, at most {one_less}");
        assert!(losses[0] <= error && losses[499] < losses[0] && losses[499] >= bound * (1.0 - 1e-8));
    }
}
