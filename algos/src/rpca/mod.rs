//! Robust principal component analysis: a matrix as the sum of one of low rank and a sparse one, by convex and non-convex
//! iterations, by iterations whose parameters are learned, and by networks unrolled from them.

pub mod altproj;
pub mod clips;
pub mod corona;
pub mod data;
pub mod lrpca;
mod matrix;
pub mod metrics;
pub mod net;
pub mod pcp;
