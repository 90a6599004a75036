//! Eigenvalues and eigenvectors of symmetric matrices by divide and conquer.

#[allow(dead_code, reason = "the merges that use it follow")]
pub(crate) mod secular;
