//! The published problem of matching pursuit: a signal and atoms that anybody can make again, and what an independent
//! implementation in NumPy found in twelve steps by magnitude.

use tandem_compile::HostArray;
use tandem_verify::rng::normal;

pub const D: usize = 32;
pub const P: usize = 96;
pub const K: usize = 12;

/// The signal, `[1, 32]`.
pub fn signal() -> HostArray {
    HostArray::new([1, D], normal(72, D)).unwrap()
}

/// 96 normal atoms, divided by their norms, `[96, 32]`.
pub fn atoms() -> HostArray {
    let values = normal(71, D * P);
    let norm = |j: usize| (0..D).map(|i| values[i * P + j].powi(2)).sum::<f64>().sqrt();
    let norms: Vec<f64> = (0..P).map(norm).collect();
    HostArray::from_fn([P, D], |at| values[at % D * P + at / D] / norms[at / D])
}

pub const SELECTIONS: [i32; K] = [87, 83, 80, 70, 67, 50, 2, 25, 44, 69, 49, 24];
pub const COEFFICIENTS: [f64; K] = [
    2.151035044,
    2.098031519,
    -1.711565226,
    1.590983402,
    -1.505277347,
    -1.13934541,
    -1.056953504,
    1.063555291,
    -1.020284727,
    0.800335779,
    0.870201922,
    0.670508594,
];

/// The squared norm of what twelve steps leave.
pub const LOSS: f64 = 4.474830245778;
