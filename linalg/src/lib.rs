//! Decompositions as traced graphs over StableHLO alone, so that they run on any plugin, each beside its faer
//! reference and its laws.

pub mod cholesky;
pub mod scale;
pub mod select;
