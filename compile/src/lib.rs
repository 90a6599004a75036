//! Traced graphs in the manner of JAX: a function over [`Tensor`]s is traced into a [`Graph`], lowered to
//! StableHLO, compiled through the PJRT C API and run on whatever device a plugin serves.

mod approx_eq;
mod arguments;
pub mod dtype;
pub mod error;
pub mod graph;
pub mod host;
mod jit;
pub mod ops;
pub mod pjrt;
pub mod random;
pub mod stablehlo;
mod trace;
mod tree;

pub use arguments::{Arguments, Input, Results, Returns, Strided, Takes};
pub use dtype::{DType, Element};
pub use error::{Error, Result};
pub use graph::{Graph, TensorType};
pub use host::{HostArray, HostData};
pub use jit::{Jit, Lowered, jit};
pub use ops::binary::Operator;
pub use ops::constant::{constant, eye, full, iota, number, ones, scalar, zeros};
pub use ops::control::{cond, fori_loop, optimization_barrier, while_loop};
pub use ops::shape::concatenate;
pub use ops::sort::sort_by_key;
pub use trace::{Tensor, refuse, trace};
pub use tree::Tree;
