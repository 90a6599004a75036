//! What the tests of factorizations share: hard matrices, LAPACK's ratios, derivatives against differences.
#![allow(dead_code)]

use tandem_compile::pjrt::Device;
use tandem_compile::{DType, HostArray, Jit, Lowering, Tensor, jit, jvp, vjp};
use tandem_verify::Matrix;
use tandem_verify::rng::normal;

/// LAPACK's limit for normalised ratios.
pub const LIMIT: f64 = 30.0;

/// A function of matrices, compiled once per shape.
pub struct Program<F>(Jit<F, Vec<Tensor>, Vec<Tensor>>);

impl<F: Fn(Vec<Tensor>) -> Vec<Tensor>> Program<F> {
    pub fn new(f: F) -> Self {
        Self::lowered(f, Lowering::Portable)
    }

    pub fn lowered(f: F, lowering: Lowering) -> Self {
        Self(jit(f).on(&Device::cpu().unwrap().with_lowering(lowering).unwrap()))
    }

    pub fn arrays(&self, inputs: &[HostArray]) -> Vec<HostArray> {
        self.0.call(inputs).unwrap()
    }

    pub fn run(&self, inputs: &[HostArray]) -> Vec<Matrix> {
        self.arrays(inputs).iter().map(matrix).collect()
    }
}

/// A matrix, or a vector as a column.
pub fn matrix(x: &HostArray) -> Matrix {
    let (rows, cols) = match *x.shape() {
        [rows, cols] => (rows, cols),
        _ => (x.len(), 1),
    };
    Matrix { rows, cols, values: x.to_f64() }
}

pub fn host(m: &Matrix, dtype: DType) -> HostArray {
    HostArray::new([m.rows, m.cols], m.values.clone()).unwrap().cast(dtype).unwrap()
}

pub fn random(seed: u64, rows: usize, cols: usize) -> Matrix {
    Matrix { rows, cols, values: normal(seed, rows * cols) }
}

pub fn identity(n: usize) -> Matrix {
    Matrix::from_fn(n, n, |i, j| f64::from(u8::from(i == j)))
}

/// The largest sum of magnitudes in a column.
pub fn norm1(m: &Matrix) -> f64 {
    (0..m.cols).map(|j| (0..m.rows).map(|i| m.at(i, j).abs()).sum()).fold(0.0, f64::max)
}

/// |error| / (n |scale| eps) in the 1-norm, 0 where there is no error, infinite where it is NaN.
pub fn ratio(error: &Matrix, scale: f64, n: usize, dtype: DType) -> f64 {
    let error = if error.values.iter().any(|x| x.is_nan()) { f64::INFINITY } else { norm1(error) };
    if error == 0.0 { 0.0 } else { error / (n as f64 * scale * 2.0 * dtype.unit_roundoff()) }
}

/// How far the columns of q are from orthonormal.
pub fn orthogonality(q: &Matrix, dtype: DType) -> f64 {
    ratio(&q.t().dot(q).minus(&identity(q.cols)), 1.0, q.rows, dtype)
}

/// How large and how small numbers may be: near overflow and underflow of squares.
pub fn extreme(dtype: DType) -> f64 {
    if dtype == DType::F64 { 1e150 } else { 1e18 }
}

/// Hard matrices of one shape, named.
pub fn hard(m: usize, n: usize, dtype: DType) -> Vec<(&'static str, Matrix)> {
    let g = random(1 + (m * 1000 + n) as u64, m, n);
    let make = |f: &dyn Fn(usize, usize) -> f64| Matrix::from_fn(m, n, f);
    let tiny = |at: usize, of: usize| 10f64.powf(-14.0 * at as f64 / of.max(1) as f64);
    let one = |yes: bool| f64::from(u8::from(yes));
    let (c, s) = (1.2f64.cos(), 1.2f64.sin());
    let thin = (random(5, m, 2), random(6, 2, n));
    let kind = |name, x: Matrix| (name, matrix(&host(&x, dtype)));
    vec![
        kind("random", g.clone()),
        kind("zero", make(&|_, _| 0.0)),
        kind("identity", make(&|i, j| one(i == j))),
        kind("ones", make(&|_, _| 1.0)),
        kind("rank two", thin.0.dot(&thin.1)),
        kind("repeated columns", make(&|i, j| g.at(i, j / 2))),
        kind("graded columns", make(&|i, j| g.at(i, j) * tiny(j, n))),
        kind("graded columns, rising", make(&|i, j| g.at(i, j) * tiny(n - j, n))),
        kind("graded rows", make(&|i, j| g.at(i, j) * tiny(i, m))),
        kind("graded rows, rising", make(&|i, j| g.at(i, j) * tiny(m - i, m))),
        kind("upper triangular", make(&|i, j| if i <= j { g.at(i, j) } else { 0.0 })),
        kind("lower triangular", make(&|i, j| if i >= j { g.at(i, j) } else { 0.0 })),
        kind("diagonal with zeros", make(&|i, j| if i == j { (i % 3) as f64 } else { 0.0 })),
        kind("Hilbert", make(&|i, j| 1.0 / (i + j + 1) as f64)),
        kind(
            "Kahan",
            make(&|i, j| {
                s.powi(i as i32)
                    * if i == j {
                        1.0
                    } else if i < j {
                        -c
                    } else {
                        0.0
                    }
            }),
        ),
        kind("Frank", make(&|i, j| if i <= j + 1 { (m.max(n) - i.max(j)) as f64 } else { 0.0 })),
        kind(
            "growth",
            make(&|i, j| {
                if j + 1 == n || i == j {
                    1.0
                } else if i > j {
                    -1.0
                } else {
                    0.0
                }
            }),
        ),
        kind("shift", make(&|i, j| one((j + 1) % n.max(1) == i))),
        kind("small whole numbers", make(&|i, j| ((i * 7 + j * 5) % 4) as f64 - 1.0)),
        kind("near overflow", make(&|i, j| g.at(i, j) * extreme(dtype))),
        kind("near underflow", make(&|i, j| g.at(i, j) / extreme(dtype))),
        kind("tiny rows", make(&|i, j| g.at(i, j) / if i > 2 { extreme(dtype) } else { 1.0 })),
    ]
}

/// Keeps the worst ratio of a test and says where it was.
pub struct Worst(f64, String);

impl Worst {
    pub fn new() -> Self {
        Self(0.0, String::new())
    }

    pub fn check(&mut self, ratio: f64, what: impl Fn() -> String) {
        assert!(ratio < LIMIT, "{}: ratio {ratio:.3e}", what());
        if ratio > self.0 {
            (self.0, self.1) = (ratio, what());
        }
    }
}

impl Drop for Worst {
    fn drop(&mut self) {
        println!("worst ratio {:.3}: {}", self.0, self.1);
    }
}

/// Asserts that everything in every output is NaN.
pub fn assert_all_nan(outputs: &[HostArray], what: &str) {
    for (at, x) in outputs.iter().enumerate().filter(|(_, x)| x.dtype().is_float()) {
        assert!(x.to_f64().iter().all(|x| x.is_nan()), "{what}: output {at} is not NaN everywhere");
    }
}

/// Forward derivatives against central differences, and reverse ones against forward ones, in f64.
pub fn check_derivatives(f: impl Fn(Vec<Tensor>) -> Vec<Tensor>, inputs: &[Matrix], vectors: bool, tolerance: f64) {
    let shape = |x: &Matrix| if vectors && x.cols == 1 { vec![x.rows] } else { vec![x.rows, x.cols] };
    let array = |x: &Matrix| HostArray::new(shape(x), x.values.clone()).unwrap();
    let count = inputs.len();
    let moves: Vec<Matrix> = inputs.iter().enumerate().map(|(i, x)| random(90 + i as u64, x.rows, x.cols)).collect();
    let at = |t: f64| -> Vec<HostArray> {
        let moved = |(x, v): (&Matrix, &Matrix)| Matrix::from_fn(x.rows, x.cols, |i, j| x.at(i, j) + t * v.at(i, j));
        inputs.iter().zip(&moves).map(moved).map(|x| array(&x)).collect()
    };
    let value = Program::new(&f);
    let step = 1e-5;
    let [ahead, behind] = [step, -step].map(|t| value.run(&at(t)));
    let both = [at(0.0), moves.iter().map(array).collect()].concat();
    let forward = Program::new(|x: Vec<Tensor>| jvp(&f, x[..count].to_vec(), x[count..].to_vec()).1).arrays(&both);
    for (i, (dy, (plus, minus))) in forward.iter().zip(ahead.iter().zip(&behind)).enumerate() {
        let difference = plus.minus(minus);
        let found = matrix(dy);
        let scale = 1.0 + found.max_abs();
        let far = difference.values.iter().zip(&found.values).map(|(d, v)| (d / (2.0 * step) - v).abs());
        let error = far.fold(0.0, |most: f64, e| if e.is_nan() { f64::INFINITY } else { most.max(e) });
        assert!(error <= tolerance * scale, "tangent {i} is off by {error:e} beside {scale:e}");
    }
    let weights: Vec<HostArray> = forward
        .iter()
        .enumerate()
        .map(|(i, dy)| HostArray::new(dy.shape().to_vec(), normal(70 + i as u64, dy.len())).unwrap())
        .collect();
    let back = Program::new(|x: Vec<Tensor>| vjp(&f, x[..count].to_vec()).1(x[count..].to_vec()));
    let backward = back.arrays(&[at(0.0), weights.clone()].concat());
    let inner = |x: &[HostArray], y: &[HostArray]| -> (f64, f64) {
        let terms = x
            .iter()
            .zip(y)
            .flat_map(|(x, y)| x.to_f64().into_iter().zip(y.to_f64()).map(|(x, y)| x * y).collect::<Vec<_>>());
        terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs()))
    };
    let (there, size) = inner(&weights, &forward);
    let (here, _) = inner(&backward, &moves.iter().map(array).collect::<Vec<_>>());
    assert!((there - here).abs() <= 1e-10 * size.max(1.0), "reverse gives {here}, forward {there}");
}
