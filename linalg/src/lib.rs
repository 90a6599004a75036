//! Linear algebra as traced functions of `[..., m, n]` tensors in f32 and f64: factorizations, solvers, sparse products, with
//! their derivatives. Each is a graph over StableHLO alone, which runs on any plugin; the large ones are kernels on faer as
//! well, which the CPU calls instead (`docs/linalg.md`). [`laws`] says what makes a result right.

mod batch;
mod cholesky;
mod eigh;
mod expm;
pub mod gram;
mod iterative;
mod jacobi;
pub mod laws;
mod ldl;
mod lstsq;
mod lu;
mod native;
mod norm;
mod operand;
pub mod operation;
mod panel;
mod polar;
mod qr;
mod randomized;
pub mod scale;
pub mod select;
mod solve;
pub mod sparse;
pub mod spectral;
mod svd;
mod triangular;

pub use batch::over_leading;
pub use cholesky::cholesky;
pub use eigh::{eigh, eigvalsh};
pub use expm::expm;
pub use iterative::{cg, lanczos, power_iteration};
pub use ldl::ldl;
pub use lstsq::{cond, lstsq, matrix_rank, null_space, orth, pinv};
pub use lu::{lu, lu_pivoted};
pub use norm::{Norm, matrix_norm, vector_norm};
pub use polar::polar;
pub use qr::{householder_product, qr, qr_full, qr_pivoted, qr_raw};
pub use randomized::{range_finder, rsvd};
pub use solve::{cholesky_solve, det, inv, slogdet, solve};
pub use svd::{svd, svd_full, svdvals};
pub use triangular::solve_triangular;
