//! CUR gives the numbers that an independent implementation in NumPy gave on inputs that anybody can make again.

use faer::Mat;
use tandem_algos::cur::{Core, Cur, Select, reference};
use tandem_compile::pjrt::Device;
use tandem_compile::{HostArray, Tensor, trace};
use tandem_verify::rng::{normal, uniform};

const F64: f64 = f64::EPSILON / 2.0;

/// What is compared of a decomposition.
struct Found {
    rows: Vec<i32>,
    cols: Vec<i32>,
    /// A - C U R.
    residual: Mat<f64>,
    relative_error: f64,
}

impl Found {
    fn of(a: &HostArray, rows: &[i32], cols: &[i32], [c, u, r]: [Vec<f64>; 3], error: f64) -> Self {
        let (m, n) = (a.shape()[0], a.shape()[1]);
        let matrix = |values: &[f64], cols: usize| Mat::from_fn(values.len() / cols, cols, |i, j| values[i * cols + j]);
        let fitted = matrix(&c, cols.len()) * (matrix(&u, rows.len()) * matrix(&r, n));
        let a = a.to_f64();
        let residual = Mat::from_fn(m, n, |i, j| a[i * n + j] - fitted[(i, j)]);
        Self { rows: rows.to_vec(), cols: cols.to_vec(), residual, relative_error: error }
    }

    fn spectral(&self) -> f64 {
        self.residual.thin_svd().unwrap().S()[0]
    }
}

fn on_device(cur: &Cur, a: &HostArray) -> Found {
    let device = Device::cpu().unwrap();
    let graph = trace(|a: Tensor| cur.trace(&a).into_vec(), &[a.ty()]).unwrap();
    let out = graph.compile(&device).unwrap().run(&device, std::slice::from_ref(a)).unwrap();
    let [rows, cols] = [0, 1].map(|i| out[i].values::<i32>().unwrap());
    Found::of(a, rows, cols, [2, 3, 4].map(|i| out[i].to_f64()), out[5].to_f64()[0])
}

fn by_reference(cur: &Cur, a: &HostArray) -> Found {
    let out = reference::decompose::<f64>(cur, a, F64);
    let factors = ["c", "u", "r"].map(|name| out.reals(name));
    Found::of(a, &out.indices("row_index"), &out.indices("col_index"), factors, out.reals("relative_error")[0])
}

fn both(cur: &Cur, a: &HostArray) -> [Found; 2] {
    [on_device(cur, a), by_reference(cur, a)]
}

struct Spectrum {
    u: Mat<f64>,
    s: Vec<f64>,
    v: Mat<f64>,
}

fn spectrum(a: &HostArray) -> Spectrum {
    let (m, n, values) = (a.shape()[0], a.shape()[1], a.to_f64());
    let svd = Mat::from_fn(m, n, |i, j| values[i * n + j]).thin_svd().unwrap();
    let s = (0..m.min(n)).map(|i| svd.S()[i]).collect();
    Spectrum { u: svd.U().to_owned(), s, v: svd.V().to_owned() }
}

/// ||V(at, 0..k)^-1||.
fn growth(v: &Mat<f64>, at: &[i32]) -> f64 {
    let k = at.len();
    let inner = Mat::from_fn(k, k, |i, j| v[(at[i] as usize, j)]);
    1.0 / inner.thin_svd().unwrap().S()[k - 1]
}

#[track_caller]
fn near(found: f64, expected: f64, digits: f64) {
    assert!((found / expected - 1.0).abs() < digits, "{found:e} instead of {expected:e}");
}

fn matrix(m: usize, n: usize, element: impl Fn(f64, f64) -> f64) -> HostArray {
    HostArray::from_fn([m, n], |at| element((at / n + 1) as f64, (at % n + 1) as f64))
}

fn hilbert() -> HostArray {
    matrix(30, 20, |i, j| 1.0 / (i + j - 1.0))
}

/// k, s_{k+1}, ||A - C U R||_2, growth of rows and columns.
const HILBERT: [(usize, f64, f64, f64, f64); 6] = [
    (1, 5.255055e-1, 7.996818e-1, 1.5986, 1.5901),
    (2, 8.852757e-2, 1.586004e-1, 3.6912, 3.4845),
    (3, 1.161092e-2, 1.488292e-2, 4.6596, 3.5928),
    (4, 1.267989e-3, 2.738702e-3, 4.6883, 3.5016),
    (5, 1.182099e-4, 2.276790e-4, 4.8144, 2.7772),
    (6, 9.527779e-6, 2.317618e-5, 3.4371, 3.7063),
];

#[test]
fn deim_of_hilberts_matrix_is_the_published_one() {
    let a = hilbert();
    let Spectrum { u, s, v } = spectrum(&a);
    for (k, next, error, left, right) in HILBERT {
        near(s[k], next, 1e-6);
        for found in both(&Cur::new(k), &a) {
            assert_eq!(found.rows, [0, 3, 15, 1, 29, 6][..k]);
            assert_eq!(found.cols, [0, 3, 16, 1, 8, 2][..k]);
            near(found.spectral(), error, 1e-6);
            near(growth(&u, &found.rows), left, 5e-5);
            near(growth(&v, &found.cols), right, 5e-5);
            assert!(found.spectral() <= (left + right) * next * 1.0001);
        }
    }
}

#[test]
fn qdeim_of_hilberts_matrix_is_the_published_one() {
    let a = hilbert();
    let next = spectrum(&a).s[6];
    for found in both(&Cur::new(6).select(Select::Qdeim), &a) {
        assert_eq!(found.rows, [0, 1, 2, 5, 29, 13]);
        assert_eq!(found.cols, [0, 1, 2, 19, 5, 11]);
        near(found.spectral() / next, 1.737, 5e-4);
    }
}

#[test]
fn deim_of_the_logarithms_is_the_published_one() {
    let a = matrix(30, 20, |i, j| (1.0 + i / (j + 0.5)).ln());
    let s = spectrum(&a).s;
    for (k, ratio) in [(1, 1.820), (2, 1.497), (3, 3.104), (4, 1.341), (5, 2.999)] {
        for found in both(&Cur::new(k), &a) {
            assert_eq!(found.rows, [29, 5, 1, 16, 0][..k]);
            assert_eq!(found.cols, [0, 7, 2, 19, 1][..k]);
            near(found.spectral() / s[k], ratio, 5e-4);
        }
    }
}

/// The canonical instability: with two rows and columns the cross core is a thousand times worse than the optimal one.
#[test]
fn the_cross_core_of_the_exponential_kernel_is_as_bad_as_published() {
    let a = matrix(30, 20, |i, j| (-(i / 30.0 - j / 20.0).powi(2) / 0.02).exp());
    let s = spectrum(&a).s;
    for (k, optimal, cross) in [(2, 1.182, 1160.0), (8, 1.774, 17.3)] {
        for found in both(&Cur::new(k), &a) {
            if k == 2 {
                assert_eq!((&found.rows[..], &found.cols[..]), (&[15, 6][..], &[9, 15][..]));
            }
            near(found.spectral() / s[k], optimal, 5e-4);
        }
        for found in both(&Cur::new(k).core(Core::Cross), &a) {
            near(found.spectral() / s[k], cross, 4e-3);
        }
    }
    // Discarding the small singular value of the submatrix is what the stabilised core is for.
    for found in both(&Cur::new(2).core(Core::Stabilised).epsilon(0.1), &a) {
        assert!(found.spectral() < 10.0 * s[2], "{:e}", found.spectral() / s[2]);
    }
}

#[test]
fn deim_of_low_rank_and_noise_is_the_published_one() {
    let (left, right, noise) = (normal(21, 50 * 6), normal(22, 6 * 40), normal(23, 50 * 40));
    let weights = [10.0, 5.0, 2.0, 1.0, 0.5, 0.2];
    let a = HostArray::from_fn([50, 40], |at| {
        let (i, j) = (at / 40, at % 40);
        (0..6).map(|l| left[i * 6 + l] * weights[l] * right[l * 40 + j]).sum::<f64>() + 1e-3 * noise[at]
    });
    let Spectrum { u, s, v } = spectrum(&a);
    for found in both(&Cur::new(6), &a) {
        assert_eq!(found.rows, [35, 15, 49, 29, 20, 3]);
        assert_eq!(found.cols, [17, 25, 37, 32, 7, 0]);
        near(found.spectral() / s[6], 3.416, 5e-4);
        near(growth(&u, &found.rows) + growth(&v, &found.cols), 10.75, 5e-4);
    }
}

/// The positions of the `count` smallest numbers of a stream, in increasing order of the numbers.
fn support(seed: u64, len: usize, count: usize) -> Vec<usize> {
    let numbers = uniform(seed, len);
    let mut order: Vec<usize> = (0..len).collect();
    order.sort_by(|&i, &j| numbers[i].total_cmp(&numbers[j]));
    order.truncate(count);
    order
}

/// Fifty sparse terms with falling weights, `[3000, 300]`, after Sorensen and Embree's example.
fn sparse_sum() -> HostArray {
    let mut a = vec![0.0; 3000 * 300];
    for j in 1..=50u64 {
        let weight = if j <= 10 { 2.0 } else { 1.0 } / j as f64;
        let (x, y) = (uniform(13000 + j, 75), uniform(16000 + j, 8));
        for (row, x) in support(3000 + j, 3000, 75).into_iter().zip(x) {
            for (&col, y) in support(6000 + j, 300, 8).iter().zip(&y) {
                a[row * 300 + col] += weight * x * y;
            }
        }
    }
    HostArray::new([3000, 300], a).unwrap()
}

#[test]
fn deim_and_leverage_of_the_sparse_sum_are_as_published() {
    let a = sparse_sum();
    let s = spectrum(&a).s;
    let mut worst: f64 = 0.0;
    for (k, ratio) in [(5, 1.046), (10, 1.039), (15, 1.143), (20, 1.261), (25, 1.402), (30, 1.426)] {
        let found = on_device(&Cur::new(k), &a);
        near(found.spectral() / s[k], ratio, 5e-4);
        let scores = on_device(&Cur::new(k).select(Select::Leverage), &a).spectral() / s[k];
        assert!((1.38..14.2).contains(&scores), "k = {k}: {scores}");
        assert!(scores > ratio - 5e-4, "k = {k}: {scores}");
        worst = worst.max(scores);
    }
    // Leverage scores: between 1.39 and 14.1 times the next singular value.
    near(worst, 14.1, 4e-3);
    let found = by_reference(&Cur::new(10), &a);
    near(found.spectral() / s[10], 1.039, 5e-4);
    near(found.relative_error, on_device(&Cur::new(10), &a).relative_error, 1e-10);
}
