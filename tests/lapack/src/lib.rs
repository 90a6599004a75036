//! Factorizations by LAPACK, by faer and by tandem, all with the same signature, so that the same laws can judge all three
//! and each can judge the others.
//!
//! It needs the system's OpenBLAS to link (`apt install libopenblas-dev`), so it is a package of its own that no plain
//! `cargo build` touches; `cargo xtask test` runs it.

mod by_faer;
mod by_lapack;
mod by_tandem;

use tandem_compile::HostArray;

pub use by_faer::FAER;
pub use by_lapack::LAPACK;
pub use by_tandem::{NATIVE, PORTABLE};

/// A function of one matrix with N arrays as its result; `None` where it says that it cannot, a singular matrix for one.
pub type Factorize<const N: usize> = fn(&HostArray) -> Option<[HostArray; N]>;

/// A solution of a matrix and right-hand sides; `None` where it says that it cannot.
pub type Solve = fn(&HostArray, &HostArray) -> Option<HostArray>;

/// One that factorizes, f32 and f64. What is `None` it does not offer.
#[derive(Clone, Copy)]
pub struct Contestant {
    /// What it is called in messages.
    pub name: &'static str,
    /// Q `[m, k]` and R `[k, n]`, reduced.
    pub qr: Option<Factorize<2>>,
    /// P `[m, m]`, L and U.
    pub lu: Option<Factorize<3>>,
    /// The lower factor.
    pub cholesky: Option<Factorize<1>>,
    /// Eigenvalues and eigenvectors.
    pub eigh: Option<Factorize<2>>,
    /// U, the singular values, and V', thin.
    pub svd: Option<Factorize<3>>,
    /// Of square systems.
    pub solve: Option<Solve>,
    /// Of least squares problems.
    pub lstsq: Option<Solve>,
}
