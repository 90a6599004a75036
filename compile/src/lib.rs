//! Traced graphs in the manner of JAX: a function over [`Tensor`]s is traced into a [`Graph`], lowered to
//! StableHLO, compiled through the PJRT C API and run on whatever device a plugin serves.

pub mod dtype;
pub mod error;
pub mod graph;
pub mod host;
pub mod pjrt;

pub use dtype::{DType, Element};
pub use error::{Error, Result};
pub use graph::TensorType;
pub use host::{HostArray, HostData};
