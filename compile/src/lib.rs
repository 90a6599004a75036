//! Traced graphs in the manner of JAX: a function over [`Tensor`]s is traced into a [`Graph`], lowered to
//! StableHLO, compiled through the PJRT C API and run on whatever device a plugin serves.

mod approx_eq;
mod arguments;
pub mod dtype;
pub mod error;
mod eval;
pub mod graph;
pub mod host;
mod jit;
pub mod native;
mod numpy;
pub mod ops;
pub mod pjrt;
pub mod random;
pub mod stablehlo;
mod trace;
pub mod transform;
mod tree;

pub use arguments::{Arguments, Input, Results, Returns, Strided, Takes};
pub use dtype::{DType, Element};
pub use error::{Error, Result};
pub use graph::{Graph, TensorType};
pub use host::{HostArray, HostData};
pub use jit::{Jit, Lowered, jit};
pub use native::Lowering;
pub use numpy::{einsum, kron, where_};
pub use ops::binary::Operator;
pub use ops::constant::{constant, eye, full, iota, number, ones, scalar, zeros};
pub use ops::control::{
    checkpoint, cond, custom_jvp, custom_vjp, fori_loop, kernel, linear_solve, map, optimization_barrier, scan,
    scan_reversed, stop_gradient, switch, while_loop,
};
pub use ops::convolution::{Conv, Padding};
pub use ops::dot::{DotGeneral, Precision};
pub use ops::factor::TriangularSolve;
pub use ops::join::{concatenate, stack};
pub use ops::reduce_window::Window;
pub use ops::sort::{sort_by_key, sort_by_keys};
pub use trace::{Tensor, refuse, trace};
pub use transform::{grad, hessian, hvp, jacfwd, jacrev, jvp, linearize, value_and_grad, vjp, vmap, vmap_axes};
pub use tree::{Tree, tree_map, tree_map2};
