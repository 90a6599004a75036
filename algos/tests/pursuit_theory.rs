//! What theory says of the pursuits beyond a single result: exact recovery, rates, kinship with each other.

use tandem_algos::pursuit::{Method, Pursuit, Route, Selection};
use tandem_compile::pjrt::{Device, Executable};
use tandem_compile::{DType, HostArray, Tensor, TensorType, trace};
use tandem_verify::Matrix;
use tandem_verify::rng::{normal, uniform};

struct Program {
    device: Device,
    executable: Executable,
}

struct Coded {
    codes: Matrix,
    support: Vec<Vec<usize>>,
    norms: Matrix,
    status: i32,
}

impl Program {
    fn new(pursuit: &Pursuit, [batch, d, p]: [usize; 3]) -> Self {
        let device = Device::cpu().unwrap();
        let types = [TensorType::new(DType::F64, [batch, d]), TensorType::new(DType::F64, [p, d])];
        let graph = trace(|(x, d): (Tensor, Tensor)| pursuit.trace(&x, &d).into_vec(), &types).unwrap();
        Self { executable: graph.compile(&device).unwrap(), device }
    }

    fn run(&self, x: &Matrix, atoms: &Matrix) -> Coded {
        let inputs = [x, atoms].map(|m| HostArray::new([m.rows, m.cols], m.values.clone()).unwrap());
        let results = self.executable.run(&self.device, &inputs).unwrap();
        let chosen = results[1].values::<i32>().unwrap();
        let k = results[1].shape()[1];
        let row = |b: usize| chosen[b * k..(b + 1) * k].iter().filter_map(|&j| usize::try_from(j).ok()).collect();
        Coded {
            codes: Matrix::from_array(&results[0]).unwrap(),
            support: (0..x.rows).map(row).collect(),
            norms: Matrix::from_array(&results[2]).unwrap(),
            status: results[4].values::<i32>().unwrap()[0],
        }
    }
}

fn pursue(pursuit: &Pursuit, x: &Matrix, atoms: &Matrix) -> Coded {
    Program::new(pursuit, [x.rows, x.cols, atoms.rows]).run(x, atoms)
}

fn gaussian(seed: u64, rows: usize, cols: usize) -> Matrix {
    Matrix { rows, cols, values: normal(seed, rows * cols) }
}

fn row(m: &Matrix, i: usize) -> &[f64] {
    &m.values[i * m.cols..(i + 1) * m.cols]
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// The rows divided by their norms.
fn normalized(m: &Matrix) -> Matrix {
    let norms: Vec<f64> = (0..m.rows).map(|i| dot(row(m, i), row(m, i)).sqrt()).collect();
    Matrix::from_fn(m.rows, m.cols, |i, j| m.at(i, j) / norms[i])
}

/// An orthogonal matrix: the product of a few reflections.
fn orthogonal(seed: u64, n: usize) -> Matrix {
    let mut q = Matrix::from_fn(n, n, |i, j| f64::from(u8::from(i == j)));
    for round in 0..3 {
        let v = normal(seed + round, n);
        let norm = dot(&v, &v);
        let h = Matrix::from_fn(n, n, |i, j| f64::from(u8::from(i == j)) - 2.0 * v[i] * v[j] / norm);
        q = q.dot(&h);
    }
    q
}

/// The positions of `of` in a random order.
fn shuffled(seed: u64, of: usize) -> Vec<usize> {
    let keys = uniform(seed, of);
    let mut order: Vec<usize> = (0..of).collect();
    order.sort_by(|&i, &j| keys[i].total_cmp(&keys[j]));
    order
}

const N: usize = 64;
const BATCH: usize = 500;
/// Coherence 1/8: every k below (1 + 8) / 2 is found whatever the codes.
const GUARANTEED: usize = 4;

/// Two orthonormal bases whose vectors have products of 1/8, turned, shuffled, and scaled by factors of both signs.
fn incoherent(seed: u64) -> Matrix {
    let walsh = |i: usize, j: usize| if (i & j).count_ones().is_multiple_of(2) { 0.125 } else { -0.125 };
    let spike = |i: usize, j: usize| f64::from(u8::from(i == j));
    let plain = Matrix::from_fn(2 * N, N, |j, i| if j < N { spike(i, j) } else { walsh(i, j - N) });
    let (order, sizes) = (shuffled(seed, 2 * N), normal(seed + 1, 2 * N));
    let turned = plain.dot(&orthogonal(seed + 2, N));
    Matrix::from_fn(2 * N, N, |j, i| turned.at(order[j], i) * (sizes[j] + 2.0 * sizes[j].signum()))
}

/// Signals that are 1 to 4 atoms with codes of sizes from 0.01 to 100: the signals, the atoms and their codes.
fn sparse(seed: u64, atoms: &Matrix) -> (Matrix, Vec<Vec<usize>>, Matrix) {
    let sets: Vec<Vec<usize>> =
        (0..BATCH).map(|b| shuffled(seed + 10 + b as u64, atoms.rows)[..1 + b % GUARANTEED].to_vec()).collect();
    let (codes, decades) = (normal(seed + 3, BATCH * GUARANTEED), uniform(seed + 4, BATCH * GUARANTEED));
    let mut z = Matrix::from_fn(BATCH, atoms.rows, |_, _| 0.0);
    for (b, set) in sets.iter().enumerate() {
        for (n, &j) in set.iter().enumerate() {
            let at = b * GUARANTEED + n;
            z.values[b * atoms.rows + j] = (codes[at] + codes[at].signum()) * 10f64.powf(4.0 * decades[at] - 2.0);
        }
    }
    (z.dot(atoms), sets, z)
}

/// Tropp, "Greed is good" (2004): with k < (1 + 1/mu) / 2 atoms in a signal omp finds them all in k steps, and mp never chooses
/// another. 10,000 signals each.
#[test]
fn fewer_atoms_than_coherence_allows_are_recovered() {
    let size = [BATCH, N, 2 * N];
    let omp = [Route::Gram, Route::Residual]
        .map(|route| Program::new(&Pursuit::omp(GUARANTEED).tol(1e-12).route(route), size));
    let mp = Program::new(&Pursuit::mp(12), size);
    let mut signals = 0;
    for dictionary in 0..20 {
        let seed = 1_000_000 + 10_000 * dictionary;
        let atoms = incoherent(seed);
        let (x, sets, z) = sparse(seed, &atoms);
        let found = omp[dictionary as usize % 2].run(&x, &atoms);
        let mp = mp.run(&x, &atoms);
        for (b, set) in sets.iter().enumerate() {
            let (mut chosen, mut expected) = (found.support[b].clone(), set.clone());
            chosen.sort_unstable();
            expected.sort_unstable();
            assert_eq!(chosen, expected, "dictionary {dictionary}, signal {b}");
            let scale = row(&z, b).iter().fold(0.0, |m: f64, z| m.max(z.abs()));
            let off = row(&found.codes, b).iter().zip(row(&z, b)).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
            assert!(off < 1e-12 * scale, "dictionary {dictionary}, signal {b}: {off:e}");
            // Once only rounding is left, so are the correlations.
            let norms = row(&mp.norms, b);
            let real = norms.iter().take_while(|&&norm| norm > 1e-10 * norms[0]).count();
            assert!(mp.support[b].iter().take(real).all(|j| set.contains(j)), "{:?} {set:?}", mp.support[b]);
            signals += 1;
        }
    }
    assert_eq!(signals, 10_000);
}

/// In an orthonormal basis every pursuit keeps the k largest coefficients.
#[test]
fn in_an_orthonormal_basis_all_are_thresholding() {
    let (x, atoms, k) = (gaussian(1, 40, 24), orthogonal(2, 24), 7);
    let coefficients = x.dot(&atoms.t());
    for method in [Method::Mp, Method::Omp, Method::Gp] {
        for selection in [Selection::Abs, Selection::Relu] {
            let found = pursue(&Pursuit::new(method, k).selection(selection), &x, &atoms);
            for b in 0..x.rows {
                let size = |j: usize| match selection {
                    Selection::Relu => coefficients.at(b, j),
                    _ => coefficients.at(b, j).abs(),
                };
                let mut order: Vec<usize> = (0..24).filter(|&j| size(j) > 0.0).collect();
                order.sort_by(|&i, &j| size(j).total_cmp(&size(i)));
                order.truncate(k);
                // After the last positive coefficient there is rounding to choose from.
                assert_eq!(found.support[b][..order.len()], order, "{method:?} {selection:?}");
                for j in 0..24 {
                    let expected = if order.contains(&j) { coefficients.at(b, j) } else { 0.0 };
                    assert!((found.codes.at(b, j) - expected).abs() < 1e-13, "{method:?}");
                }
            }
        }
    }
}

/// max c^2 >= |D r|^2 / p >= lambda_min |r|^2 / p.
#[test]
fn matching_pursuit_converges_at_its_rate() {
    let (x, atoms) = (gaussian(3, 10, 8), normalized(&gaussian(4, 40, 8)));
    let frame = atoms.t().dot(&atoms);
    let frame = faer::Mat::<f64>::from_fn(8, 8, |i, j| frame.at(i, j));
    let least = frame.self_adjoint_eigenvalues(faer::Side::Lower).unwrap()[0];
    assert!(least > 1.0);
    for route in [Route::Gram, Route::Residual] {
        let norms = pursue(&Pursuit::mp(60).route(route), &x, &atoms).norms;
        for b in 0..x.rows {
            for pair in row(&norms, b).windows(2) {
                let bound = (1.0 - least / 40.0) * pair[0].powi(2);
                assert!(pair[1].powi(2) <= bound + 1e-12 * norms.at(b, 0).powi(2), "{pair:?}, rate {least}");
            }
        }
    }
}

#[test]
fn rotating_signals_and_atoms_leaves_the_codes() {
    let (x, atoms, q) = (gaussian(5, 6, 16), gaussian(6, 40, 16), orthogonal(7, 16));
    for method in [Method::Mp, Method::Omp, Method::Gp] {
        let program = Program::new(&Pursuit::new(method, 6), [6, 16, 40]);
        let (plain, turned) = (program.run(&x, &atoms), program.run(&x.dot(&q), &atoms.dot(&q)));
        assert_eq!(plain.support, turned.support);
        assert!(plain.codes.minus(&turned.codes).max_abs() < 1e-12);
    }
}

#[test]
fn the_methods_agree_on_the_first_atom_and_least_squares_is_the_least() {
    let (x, atoms) = (gaussian(8, 30, 20), gaussian(9, 50, 20));
    let [mp, omp, gp] =
        [Method::Mp, Method::Omp, Method::Gp].map(|method| pursue(&Pursuit::new(method, 5), &x, &atoms));
    let mut compared = 0;
    for b in 0..x.rows {
        assert_eq!((mp.support[b][0], gp.support[b][0]), (omp.support[b][0], omp.support[b][0]));
        for steps in 1..=5 {
            for other in [&mp, &gp] {
                if other.support[b][..steps] == omp.support[b][..steps] {
                    assert!(omp.norms.at(b, steps) <= other.norms.at(b, steps) * (1.0 + 1e-13));
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 100, "{compared}");
}

/// The residual of non-negative omp is the least over all subsets of its support whose least squares codes are positive.
#[test]
fn nonnegative_codes_are_the_best_on_their_support() {
    const K: usize = 6;
    let (x, atoms) = (gaussian(10, 60, 10), normalized(&gaussian(11, 30, 10)));
    for route in [Route::Gram, Route::Residual] {
        let found = pursue(&Pursuit::omp(K).selection(Selection::Relu).route(route), &x, &atoms);
        let mut idle = 0;
        for b in 0..x.rows {
            let support = &found.support[b];
            let subsets = 1..1usize << support.len();
            let best = subsets
                .filter_map(|subset| {
                    let set: Vec<usize> =
                        (0..support.len()).filter(|n| subset >> n & 1 == 1).map(|n| support[n]).collect();
                    let a = faer::Mat::<f64>::from_fn(10, set.len(), |i, n| atoms.at(set[n], i));
                    let z = solved(&a, row(&x, b));
                    let left =
                        |i: usize| x.at(b, i) - set.iter().zip(&z).map(|(&j, z)| z * atoms.at(j, i)).sum::<f64>();
                    z.iter().all(|&z| z > 0.0).then(|| (0..10).map(|i| left(i).powi(2)).sum::<f64>().sqrt())
                })
                .fold(f64::INFINITY, f64::min);
            let last = found.norms.at(b, K);
            assert!((last - best).abs() < 1e-12, "signal {b}: {last} instead of {best}");
            idle += support.iter().filter(|&&j| found.codes.at(b, j) == 0.0).count();
        }
        assert!(idle > 0, "the problem is too easy to prove anything");
    }
}

/// Least squares by the normal equations: the atoms are few and far from dependent.
fn solved(a: &faer::Mat<f64>, x: &[f64]) -> Vec<f64> {
    use faer::linalg::solvers::Solve;
    let x = faer::Mat::<f64>::from_fn(x.len(), 1, |i, _| x[i]);
    let z = (a.transpose() * a).partial_piv_lu().solve(a.transpose() * x);
    (0..a.ncols()).map(|j| z[(j, 0)]).collect()
}

/// Two cases that scikit-learn 1.9 gets wrong without a Gram matrix: it drops an atom for a small first correlation, and drops
/// everything for small numbers.
#[test]
fn small_correlations_and_small_numbers_are_not_dropped() {
    let atoms = Matrix { rows: 2, cols: 2, values: vec![0.3f64.cos(), 0.3f64.sin(), 0.0, 1.0] };
    for scale in [1.0, 1e-8, 1e8] {
        let x = Matrix { rows: 1, cols: 2, values: vec![scale, 0.0] };
        for route in [Route::Gram, Route::Residual] {
            let found = pursue(&Pursuit::omp(2).route(route), &x, &atoms);
            assert_eq!(found.support[0], [0, 1]);
            assert!(found.norms.at(0, 2) < 1e-15 * scale);
            assert!((found.codes.at(0, 0) * 0.3f64.cos() / scale - 1.0).abs() < 1e-14);
        }
    }
}

/// After as many steps as there are dimensions nothing is left, and omp takes no atom of the span.
#[test]
fn more_steps_than_dimensions_end_in_the_span() {
    let (x, atoms) = (gaussian(12, 20, 5), gaussian(13, 12, 5));
    for route in [Route::Gram, Route::Residual] {
        let found = pursue(&Pursuit::omp(9).route(route), &x, &atoms);
        for b in 0..x.rows {
            assert_eq!(found.support[b].len(), 5);
            assert!(found.norms.at(b, 9) < 1e-13 * found.norms.at(b, 0));
        }
        // Either rounding alone was left, or what is left was refused an atom.
        assert_eq!(found.status & !4, 0);
        let goes_on = pursue(&Pursuit::mp(9).route(route), &x, &atoms);
        assert!(goes_on.support.iter().all(|support| support.len() == 9));
    }
}

/// Atoms in a plane, signals out of it: the third atom depends on the two before it, and its signal stops.
#[test]
fn an_atom_in_the_span_is_refused() {
    let plane = gaussian(14, 6, 3);
    let atoms = Matrix::from_fn(6, 3, |j, i| if i == 2 { 0.0 } else { plane.at(j, i) }).dot(&orthogonal(15, 3));
    let x = gaussian(16, 8, 3);
    for route in [Route::Gram, Route::Residual] {
        let found = pursue(&Pursuit::omp(3).route(route), &x, &atoms);
        assert!(found.support.iter().all(|support| support.len() == 2));
        assert_eq!(found.status, 4);
    }
}

#[test]
fn both_routes_choose_the_same_atoms() {
    let (x, atoms) = (gaussian(17, 50, 32), gaussian(18, 80, 32));
    for method in [Method::Mp, Method::Omp, Method::Gp] {
        for selection in [Selection::Abs, Selection::Signed, Selection::Relu] {
            let pursuit = Pursuit::new(method, 12).selection(selection);
            let [gram, residual] =
                [Route::Gram, Route::Residual].map(|route| pursue(&pursuit.clone().route(route), &x, &atoms));
            assert_eq!(gram.support, residual.support, "{method:?} {selection:?}");
            assert!(gram.codes.minus(&residual.codes).max_abs() < 1e-12);
        }
    }
}
