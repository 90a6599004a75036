//! Problems of separation that anybody can make again, and programs for them.
#![allow(dead_code)]

use tandem_compile::pjrt::Device;
use tandem_compile::{DType, HostArray, Jit, Tensor, jit};
use tandem_verify::Matrix;
use tandem_verify::rng::{normal, uniform};

/// M = L0 + S0, `[n, n]`.
pub struct Problem {
    pub l: Matrix,
    pub s: Matrix,
}

impl Problem {
    /// L0 of rank r with elements of variance r / n^2, S0 of `card` elements +-1.
    pub fn new(n: usize, r: usize, card: usize, seed: u64) -> Self {
        let factor = |seed: u64| {
            let values = normal(seed, n * r).into_iter().map(|x| x / (n as f64).sqrt()).collect();
            Matrix { rows: n, cols: r, values }
        };
        let l = factor(100 + seed).dot(&factor(200 + seed).t());
        let mut s = Matrix::from_fn(n, n, |_, _| 0.0);
        let signs = uniform(400 + seed, card);
        for (at, sign) in support(300 + seed, n * n, card).into_iter().zip(signs) {
            s.values[at] = if sign >= 0.5 { 1.0 } else { -1.0 };
        }
        Self { l, s }
    }

    /// A product of normal factors, and outliers of the mean magnitude's size on a share of the elements.
    pub fn with_outliers(n: usize, r: usize, share: f64) -> Self {
        let left = Matrix { rows: n, cols: r, values: normal(901, n * r) };
        let right = Matrix { rows: r, cols: n, values: normal(902, r * n) };
        let l = left.dot(&right);
        let mean = l.values.iter().map(|x| x.abs()).sum::<f64>() / (n * n) as f64;
        let card = (share * (n * n) as f64) as usize;
        let mut s = Matrix::from_fn(n, n, |_, _| 0.0);
        for (at, x) in support(903, n * n, card).into_iter().zip(uniform(904, card)) {
            s.values[at] = mean * (2.0 * x - 1.0);
        }
        Self { l, s }
    }

    /// L0 + S0.
    pub fn m(&self, dtype: DType) -> HostArray {
        let n = self.l.rows;
        let m = HostArray::from_fn([n, n], |i| self.l.values[i] + self.s.values[i]);
        m.cast(dtype).unwrap()
    }

    /// ||L - L0||_F / ||L0||_F.
    pub fn error(&self, l: &[f64]) -> f64 {
        let l = Matrix { rows: self.l.rows, cols: self.l.cols, values: l.to_vec() };
        (l.minus(&self.l).squared_norm() / self.l.squared_norm()).sqrt()
    }

    /// Whether S is zero where S0 is, and nowhere else.
    pub fn has_support_of(&self, s: &[f64]) -> bool {
        s.iter().zip(&self.s.values).all(|(s, truth)| (*s != 0.0) == (*truth != 0.0))
    }
}

/// The places of the smallest of the seed's uniform numbers.
pub fn support(seed: u64, len: usize, count: usize) -> Vec<usize> {
    let values = uniform(seed, len);
    let mut order: Vec<usize> = (0..len).collect();
    order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    order.truncate(count);
    order
}

/// A program of arrays on the CPU.
pub struct Program<F>(Jit<F, Vec<Tensor>, Vec<Tensor>>);

impl<F: Fn(Vec<Tensor>) -> Vec<Tensor>> Program<F> {
    pub fn new(f: F) -> Self {
        Self(jit(f).on(&Device::cpu().unwrap()))
    }

    pub fn run(&self, inputs: &[HostArray]) -> Vec<HostArray> {
        self.0.call(inputs).unwrap()
    }
}

pub fn integer(x: &HostArray) -> i32 {
    x.values::<i32>().unwrap()[0]
}
