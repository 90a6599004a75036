//! The algorithms, each at a size that n sets.

use tandem_algos::snmf::{Init, Snmf};
use tandem_compile::{DType, Graph, Result, Tensor, TensorType, trace};

/// The program of an algorithm.
pub fn graph(name: &str, n: usize, dtype: DType) -> Option<Result<Graph>> {
    let &(_, program) = ALGORITHMS.iter().find(|(known, _)| *known == name)?;
    Some(program(n, dtype))
}

/// The program for a size and a dtype.
type Program = fn(usize, DType) -> Result<Graph>;

/// By name.
pub const ALGORITHMS: &[(&str, Program)] = &[("snmf", |n, dtype| {
    let snmf = Snmf::new(n / 8).sparsity(0.1).init(Init::Kmeans).stop_after(5, 1e-3);
    trace(|a: Tensor| snmf.trace(&a, None).into_vec(), &[TensorType::new(dtype, [2 * n, n])])
})];
