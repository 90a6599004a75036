//! What theory says of CUR beyond a single result: what the best subset reaches, equivariances, monotonicity, samples.

use faer::Mat;
use faer::linalg::solvers::Solve;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tandem_algos::cur::cr::Cr;
use tandem_algos::cur::{Core, Cur, Select, reference};
use tandem_compile::pjrt::{Device, Executable};
use tandem_compile::{Graph, HostArray, Tensor, trace};
use tandem_linalg::sparse::Sparse;
use tandem_verify::Outcome;
use tandem_verify::rng::{normal, uniform};
use tandem_verify::status::Status;

const F64: f64 = f64::EPSILON / 2.0;

fn gaussian(seed: u64, m: usize, n: usize) -> HostArray {
    HostArray::new([m, n], normal(seed, m * n)).unwrap()
}

/// Gaussian with singular values that fall by a tenth each.
fn falling(seed: u64, m: usize, n: usize) -> HostArray {
    let (x, y) = (normal(2 * seed, m * n), normal(2 * seed + 1, n * n));
    let entry = |i: usize, j: usize| (0..n).map(|l| x[i * n + l] * 0.3f64.powi(l as i32) * y[l * n + j]).sum::<f64>();
    HostArray::from_fn([m, n], |at| entry(at / n, at % n))
}

fn mat(a: &HostArray) -> Mat<f64> {
    let (values, n) = (a.to_f64(), a.shape()[1]);
    Mat::from_fn(a.shape()[0], n, |i, j| values[i * n + j])
}

fn singular_values(a: &Mat<f64>) -> Vec<f64> {
    let svd = a.thin_svd().unwrap();
    (0..a.nrows().min(a.ncols())).map(|i| svd.S()[i]).collect()
}

fn tail(s: &[f64], k: usize) -> f64 {
    s.iter().skip(k).map(|s| s * s).sum::<f64>().sqrt()
}

fn graph(cur: &Cur, a: &HostArray) -> Graph {
    trace(|a: Tensor| cur.trace(&a).into_vec(), &[a.ty()]).unwrap()
}

struct Program {
    device: Device,
    executable: Executable,
}

impl Program {
    fn of(cur: &Cur, a: &HostArray) -> Self {
        let device = Device::cpu().unwrap();
        let executable = graph(cur, a).compile(&device).unwrap();
        Self { device, executable }
    }

    fn run(&self, a: &HostArray) -> Vec<HostArray> {
        self.executable.run(&self.device, std::slice::from_ref(a)).unwrap()
    }

    fn indices(&self, a: &HostArray) -> [Vec<i32>; 2] {
        let out = self.run(a);
        [0, 1].map(|i| out[i].values::<i32>().unwrap().to_vec())
    }
}

fn pairs(n: usize) -> impl Iterator<Item = [usize; 2]> {
    (0..n).flat_map(move |i| (i + 1..n).map(move |j| [i, j]))
}

/// Some k columns leave at most sqrt(k + 1) of what the SVD leaves, some cross at most k + 1 of it, and the cross of
/// the largest volume at most (k + 1) s_{k+1} in any entry. What is chosen here is not better than the best, and near
/// to it.
#[test]
fn the_best_subset_is_as_good_as_theory_says_and_ours_is_near_to_it() {
    for seed in 0..20 {
        let array = gaussian(seed, 5, 6);
        let a = mat(&array);
        let s = singular_values(&a);
        let left = |q: [usize; 2]| {
            let basis = Mat::from_fn(5, 2, |i, j| a[(i, q[j])]).qr().compute_thin_Q();
            (&a - &basis * (basis.transpose() * &a)).norm_l2()
        };
        let columns = pairs(6).map(left).fold(f64::INFINITY, f64::min);
        assert!(columns <= 3f64.sqrt() * tail(&s, 2) * (1.0 + 1e-12));
        let crosses = pairs(5).flat_map(|p| pairs(6).map(move |q| (p, q)));
        let crosses: Vec<(f64, f64, f64)> = crosses
            .map(|(p, q)| {
                let inner = Mat::from_fn(2, 2, |i, j| a[(p[i], q[j])]);
                let volume = (inner[(0, 0)] * inner[(1, 1)] - inner[(0, 1)] * inner[(1, 0)]).abs();
                let r = Mat::from_fn(2, 6, |i, j| a[(p[i], j)]);
                let residual = &a - Mat::from_fn(5, 2, |i, j| a[(i, q[j])]) * inner.partial_piv_lu().solve(&r);
                (residual.norm_l2(), volume, residual.norm_max())
            })
            .collect();
        let best = crosses.iter().map(|x| x.0).fold(f64::INFINITY, f64::min);
        assert!(best <= 3.0 * tail(&s, 2) * (1.0 + 1e-12));
        let dominant = crosses.iter().max_by(|x, y| x.1.total_cmp(&y.1)).unwrap();
        assert!(dominant.2 <= 3.0 * s[2] * (1.0 + 1e-12));
        for (_, select) in Select::NAMES {
            let error = |core| {
                let out = reference::decompose::<f64>(&Cur::new(2).select(select).core(core).seed(seed), &array, F64);
                out.reals("relative_error")[0] * a.norm_l2()
            };
            assert!(error(Core::Cross) >= best * (1.0 - 1e-9), "{select:?}");
            assert!(
                error(Core::Optimal) >= columns * (1.0 - 1e-9) && error(Core::Optimal) <= error(Core::Cross) + 1e-9
            );
        }
    }
}

/// Whether every decision was far from a tie.
fn clear(outcome: &Outcome<f64>) -> bool {
    outcome.decisions.iter().all(|decision| decision.margin > 1e-7)
}

fn turned(a: &HostArray) -> HostArray {
    let (m, n, values) = (a.shape()[0], a.shape()[1], a.to_f64());
    HostArray::from_fn([n, m], |at| values[at % m * n + at / m])
}

fn shuffled(a: &HostArray) -> HostArray {
    let (m, n, values) = (a.shape()[0], a.shape()[1], a.to_f64());
    HostArray::from_fn([m, n], |at| values[(5 * (at / n) + 3) % m * n + at % n])
}

/// Transposition exchanges rows and columns; moving the rows moves their indices. One program over many matrices.
#[test]
fn selections_are_equivariant() {
    for select in [Select::Deim, Select::Qdeim, Select::Leverage, Select::Maxvol] {
        let cur = Cur::new(3).select(select);
        let (tall, wide) = (Program::of(&cur, &falling(0, 9, 6)), Program::of(&cur, &falling(0, 6, 9)));
        let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
        let result = runner.run(&(1..1_000_000u64), |seed| {
            let a = falling(seed, 9, 6);
            prop_assume!(clear(&reference::decompose(&cur, &a, F64)));
            let [rows, cols] = tall.indices(&a);
            let [turned_rows, turned_cols] = wide.indices(&turned(&a));
            prop_assert_eq!((&rows, &cols), (&turned_cols, &turned_rows));
            let [moved_rows, moved_cols] = tall.indices(&shuffled(&a));
            let back: Vec<i32> = moved_rows.iter().map(|i| (5 * i + 3) % 9).collect();
            // Which of them swaps first depends on the order; the volume does not.
            if select != Select::Maxvol {
                prop_assert_eq!((rows, &cols), (back, &moved_cols));
            }
            Ok(())
        });
        result.unwrap_or_else(|e| panic!("{select:?}: {e}"));
    }
}

/// DEIM is nested, and so are the columns of pivoted QR: a larger k has the indices of a smaller one, and the error is
/// not larger.
#[test]
fn more_columns_are_never_worse() {
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let strategy = (1..1_000_000u64, any::<bool>());
    let result = runner.run(&strategy, |(seed, qr)| {
        let a = falling(seed, 10, 7);
        let select = if qr { Select::Qr } else { Select::Deim };
        let mut last = (f64::INFINITY, Vec::new());
        for k in 1..=7 {
            let out = reference::decompose::<f64>(&Cur::new(k).select(select), &a, F64);
            let (error, cols) = (out.reals("relative_error")[0], out.indices("col_index"));
            prop_assert!(cols.starts_with(&last.1), "{:?} does not begin with {:?}", cols, last.1);
            // Rows of pivoted QR come from C, which changes with k: only DEIM's are nested as well.
            prop_assert!(qr || error <= last.0 + 1e-12);
            last = (error, cols);
        }
        prop_assert!(last.0 < 1e-11);
        Ok(())
    });
    result.unwrap_or_else(|e| panic!("{e}"));
}

/// More rows than columns keep the stabilised cross from the instability of the square one.
#[test]
fn oversampling_tames_the_cross_core() {
    let a = HostArray::from_fn([30, 20], |at| {
        let (i, j) = ((at / 20 + 1) as f64 / 30.0, (at % 20 + 1) as f64 / 20.0);
        (-(i - j).powi(2) / 0.02).exp()
    });
    let error = |cur: Cur| reference::decompose::<f64>(&cur, &a, F64).reals("relative_error")[0];
    let square = error(Cur::new(2).core(Core::Cross));
    let more = error(Cur::new(2).rows(6).core(Core::Stabilised));
    assert!(square > 100.0 && more < 2.0, "{square} {more}");
}

/// The first of a sample is column j with probability l_j.
#[test]
fn samples_follow_the_leverage_scores() {
    let a = falling(7, 9, 6);
    let v = mat(&a).thin_svd().unwrap().V().to_owned();
    let draws = 3000;
    let mut counts = [0f64; 6];
    for seed in 0..draws {
        let out = reference::decompose::<f64>(&Cur::new(2).select(Select::LeverageSampled).seed(seed), &a, F64);
        counts[out.indices("col_index")[0] as usize] += 1.0;
    }
    for (j, count) in counts.into_iter().enumerate() {
        let score = (v[(j, 0)].powi(2) + v[(j, 1)].powi(2)) / 2.0;
        let expected = score * draws as f64;
        assert!((count - expected).abs() < 5.0 * (expected + 1.0).sqrt(), "column {j}: {count} of {expected}");
    }
}

/// Sampling with c = 4 k columns and rows: an error of at most (2 + 1/2) that of the SVD, nearly always.
#[test]
fn leverage_samples_are_near_the_best_nearly_always() {
    let a = falling(11, 40, 30);
    let best = tail(&singular_values(&mat(&a)), 2) / mat(&a).norm_l2();
    let cur = |seed| Cur::new(8).select(Select::LeverageSampled).seed(seed);
    let near = (0..200)
        .filter(|&seed| reference::decompose::<f64>(&cur(seed), &a, F64).reals("relative_error")[0] <= 2.5 * best);
    assert!(near.count() >= 190);
}

/// The mean over many samples is the product, its mean squared distance the published one.
#[test]
fn the_column_row_sample_is_right_in_expectation() {
    let (a, b) = (gaussian(1, 4, 7), gaussian(2, 7, 3));
    let product = mat(&a) * mat(&b);
    let sizes: f64 = (0..7).map(|t| mat(&a).subcols(t, 1).norm_l2() * mat(&b).subrows(t, 1).norm_l2()).sum();
    let (rounds, count) = (600, 5);
    let (mut mean, mut spread) = (Mat::<f64>::zeros(4, 3), 0.0);
    for seed in 0..rounds {
        let cr = Cr { count, sampled: true, seed };
        let graph = trace(|(a, b): (Tensor, Tensor)| cr.trace(&a, &b).into_vec(), &[a.ty(), b.ty()]).unwrap();
        let found = mat(&graph.eval(&[a.clone(), b.clone()]).unwrap()[2]);
        spread += (&found - &product).squared_norm_l2() / rounds as f64;
        mean += &found * faer::Scale(1.0 / rounds as f64);
    }
    let expected = (sizes.powi(2) - product.squared_norm_l2()) / count as f64;
    assert!((spread / expected - 1.0).abs() < 0.15, "{spread} {expected}");
    assert!((&mean - &product).norm_l2() < 4.0 * (expected / rounds as f64).sqrt());
}

fn sparse(seed: u64, m: usize, n: usize) -> (sprs::CsMat<f64>, HostArray) {
    let (values, chance) = (normal(seed, m * n), uniform(seed + 1, m * n));
    let dense: Vec<f64> = values.iter().zip(chance).map(|(x, u)| if u < 0.3 { *x } else { 0.0 }).collect();
    let mut triplets = sprs::TriMat::new((m, n));
    for (at, &x) in dense.iter().enumerate().filter(|(_, x)| **x != 0.0) {
        triplets.add_triplet(at / n, at % n, x);
    }
    (triplets.to_csr(), HostArray::new([m, n], dense).unwrap())
}

type Answer = (Vec<i32>, Vec<i32>, ndarray::Array2<f64>, ndarray::Array2<f64>, ndarray::Array2<f64>, f64, f64, i32);

fn of_sparse(cur: &Cur, a: &sprs::CsMat<f64>) -> Answer {
    let device = Device::cpu().unwrap();
    let program = tandem_compile::jit(|a: Sparse| {
        let f = cur.trace_sparse(&a);
        (f.row_index, f.col_index, f.c, f.u, f.r, f.relative_error, f.core_norm, f.status)
    });
    program.on(&device).call(a).unwrap()
}

/// On small matrices the randomised decomposition is exact, and the sparse program gives what the dense reference
/// gives.
#[test]
fn sparse_matrices_give_what_dense_ones_give() {
    let (csr, a) = sparse(5, 14, 10);
    for (cur, csc) in
        [(Cur::new(3), false), (Cur::new(4).core(Core::Cross), true), (Cur::new(3).select(Select::Uniform), false)]
    {
        let out = reference::decompose::<f64>(&cur, &a, F64);
        let (rows, cols, c, u, r, error, norm, status) =
            if csc { of_sparse(&cur, &csr.to_csc()) } else { of_sparse(&cur, &csr) };
        assert_eq!((rows, cols, status), (out.indices("row_index"), out.indices("col_index"), 0));
        let near = |found: &ndarray::Array2<f64>, name: &str| {
            let expected = out.reals(name);
            let scale = expected.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
            assert!(found.iter().zip(&expected).all(|(x, y)| (x - y).abs() <= 1e-11 * scale), "{name}");
        };
        near(&c, "c");
        near(&r, "r");
        near(&u, "u");
        assert!((error - out.reals("relative_error")[0]).abs() < 1e-10);
        assert!((norm / out.reals("core_norm")[0] - 1.0).abs() < 1e-10);
    }
}

/// From sketches the choices are others than from A itself; the errors are near to the best all the same.
#[test]
fn sparse_selections_are_near_the_best() {
    let (csr, dense) = sparse(9, 40, 30);
    let size = mat(&dense).norm_l2();
    let best = tail(&singular_values(&mat(&dense)), 6) / size;
    for (_, select) in Select::NAMES {
        let (rows, cols, c, u, r, error, _, status) = of_sparse(&Cur::new(6).select(select).seed(1), &csr);
        assert_eq!(status & !Status::NOT_CONVERGED.0, 0, "{select:?}");
        let distinct = |at: &[i32]| at.iter().enumerate().all(|(i, x)| !at[..i].contains(x));
        assert!(distinct(&rows) && distinct(&cols));
        let fitted = c.dot(&u).dot(&r);
        let dense = ndarray::Array2::from_shape_vec((40, 30), dense.to_f64()).unwrap();
        let found = (dense - fitted).iter().map(|x| x * x).sum::<f64>().sqrt() / size;
        assert!((found - error).abs() < 1e-8, "{select:?}: {found} {error}");
        assert!(error >= best && error < 2.0 * best, "{select:?}: {error} {best}");
    }
}

#[test]
fn a_sparse_matrix_without_entries_or_with_nan_says_so() {
    let empty = sprs::CsMat::<f64>::zero((5, 4));
    let (rows, cols, .., error, norm, status) = of_sparse(&Cur::new(2), &empty);
    assert_eq!((rows, cols, error, norm), (vec![0, 1], vec![0, 1], 0.0, 0.0));
    assert_eq!(status, Status::DEGENERATE.0 | Status::RANK_DEFICIENT.0);
    let bad = sparse(5, 6, 5).0.map(|_| f64::NAN);
    let (rows, .., error, _, status) = of_sparse(&Cur::new(2), &bad);
    assert_eq!((rows, status), (vec![-1, -1], Status::NONFINITE_INPUT.0));
    assert!(error.is_nan());
}
