//! What must hold of a factorization whatever the rounding: LAPACK's normalised ratios.
//!
//! Each law takes host arrays of two axes, computes in f64 on faer, and returns one number: the worst of its ratios, in
//! units of the rounding of the dtype of `a` (LAPACK's `DLAMCH('Epsilon')`, 2^-53 or 2^-24). A backward stable method has
//! ratios of order 1 at any size; LAPACK's own tests fail above [`THRESHOLD`]. A number that is not finite, a shape that
//! does not fit and a broken structure (a triangle that is none, singular values out of order) are infinity, so that
//! `ratio <= THRESHOLD` is the whole test. Empty matrices have ratio 0.
//!
//! Matrices are first scaled by powers of two, which is exact, so the laws hold near overflow and underflow too. Among subnormal
//! numbers the unit is their spacing: nothing finer can be written down there.
//!
//! ```
//! use tandem_compile::HostArray;
//! use tandem_linalg::laws;
//!
//! let a = HostArray::new([2, 2], vec![4.0, 2.0, 2.0, 5.0])?;
//! let l = HostArray::new([2, 2], vec![2.0, 0.0, 1.0, 2.0])?;
//! assert!(laws::cholesky(&a, &l) <= laws::THRESHOLD);
//! let wrong = HostArray::new([2, 2], vec![2.0, 0.0, 1.0, 2.0 + 1e-12])?;
//! assert!(laws::cholesky(&a, &wrong) > laws::THRESHOLD);
//! # Ok::<(), tandem_compile::Error>(())
//! ```
//!
//! The ratios are those of LAPACK's TESTING directory (Blackford and Dongarra, LAPACK Working Note 41, sections 6 and 7):
//! DQRT01, DQPT01, DGET01, DPOT01, DSYT01, DSYT21, DBDT01, DORT01, DGET02, DGET03, DQRT17.

mod dense;
mod factors;
mod solutions;
mod spectra;

pub use factors::{cholesky, ldl, lu, orthonormal_columns, qr, qr_pivoted};
pub use solutions::{inv, lstsq, minimum_norm, null_space, pinv, solve};
pub use spectra::{eigh, polar, svd, values};

/// What no ratio may exceed: LAPACK's threshold.
pub const THRESHOLD: f64 = 30.0;

#[cfg(test)]
mod tests;
