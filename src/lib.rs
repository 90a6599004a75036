//! Numerical algorithms written once as traced graphs, compiled by XLA for CPU, GPU and TPU, and proved to agree with
//! an independent CPU reference.
//!
//! ```
//! use tandem::prelude::*;
//!
//! /// Kepler's equation E - e sin E = M by Newton's method, for many mean anomalies at once.
//! fn kepler(mean: &Tensor, eccentricity: f64) -> Tensor {
//!     fori_loop(0, 8, mean.clone(), |_, e| {
//!         let residual = &e - e.sin() * eccentricity - mean;
//!         e.clone() - residual / (1.0 - e.cos() * eccentricity)
//!     })
//! }
//!
//! fn main() -> tandem::Result<()> {
//!     let device = Device::default()?;
//!     let solve = jit(|m: Tensor| kepler(&m, 0.1)).on(&device);
//!     let anomalies = ndarray::array![0.5, 1.0, 2.0];
//!     let e: ndarray::Array1<f64> = solve.call(&anomalies)?;
//!     assert!((e[1] - 0.1 * e[1].sin() - 1.0).abs() < 1e-15);
//!     println!("{}", solve.lower(&anomalies)?.stablehlo());
//!     Ok(())
//! }
//! ```
//!
//! The layers, each a crate of its own: [`compile`] traces, lowers and runs; [`verify`] says what agreement means;
//! [`linalg`] and [`algos`] hold the algorithms, each as a graph and as a reference; this crate holds the registry of
//! them all, the files they read and write, and the command line.

pub mod cli;
pub mod code;
pub mod files;
pub mod fit;
pub mod install;
pub mod registry;
pub mod report;
pub mod retrieve;

pub use tandem_algos as algos;
pub use tandem_compile as compile;
pub use tandem_compile::{Error, Result};
pub use tandem_linalg as linalg;
pub use tandem_verify as verify;

/// What most programs need.
pub mod prelude {
    pub use crate::code::{Encode, SparseCodes};
    pub use crate::fit::{Factorization, Fit, Learn, Learned, LearnedSeparation, Skeleton};
    pub use crate::retrieve::Retriever;
    pub use tandem_algos::cur::{Core, Cur, Select};
    pub use tandem_algos::householder::{Projector, householder_apply, householder_q};
    pub use tandem_algos::pursuit::{Pursuit, Route, Selection};
    pub use tandem_algos::retrieval::{Plan, Scored, Search, uniform_anchors};
    pub use tandem_algos::rpca::altproj::{AccAltProj, AltProj};
    pub use tandem_algos::rpca::lrpca::{self, Lrpca};
    pub use tandem_algos::rpca::pcp::{Pcp, Solver};
    pub use tandem_algos::snmf::{Init, Snmf};
    pub use tandem_compile::pjrt::{Buffer, Device};
    pub use tandem_compile::{
        Conv, DType, DotGeneral, Graph, HostArray, Padding, Precision, Tensor, TensorType, Tree, TriangularSolve,
        Window, checkpoint, concatenate, cond, constant, custom_jvp, custom_vjp, einsum, eye, fori_loop, full, grad,
        hessian, hvp, iota, jacfwd, jacrev, jit, jvp, kron, linearize, number, ones, optimization_barrier, random,
        scalar, scan, scan_reversed, sort_by_key, stack, stop_gradient, switch, trace, tree, tree_map, tree_map2,
        value_and_grad, vjp, vmap, vmap_axes, where_, while_loop, zeros,
    };
    pub use tandem_verify::status::Status;
}

/// The code in the README, tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

/// The code in docs/verify.md, tested.
#[cfg(doctest)]
#[doc = include_str!("../docs/verify.md")]
pub struct VerifyPage;
