//! What users of numpy expect to find, written in primitives.

mod einsum;
mod matrices;
mod statistics;

pub use einsum::einsum;
pub use matrices::{kron, where_};
