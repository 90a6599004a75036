//! Pieces of linear algebra as traced graphs over StableHLO alone, so that they run on any plugin. The tests judge them by
//! faer, by sorting and by arithmetic.

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
mod svd;
mod triangular;

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
