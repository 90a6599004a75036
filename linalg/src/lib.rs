//! Pieces of linear algebra as traced graphs over StableHLO alone, so that they run on any plugin. The tests judge them by
//! faer, by sorting and by arithmetic.

pub mod cholesky;
pub mod scale;
pub mod select;
