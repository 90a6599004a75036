//! The reference interpreter: a graph run in plain Rust, one primitive's `eval` rule after the other. It shares nothing
//! with XLA, and so it tells whether a wrong number is the compiler's or the graph's.

use crate::error::{Error, Result};
use crate::graph::{Graph, TensorType};
use crate::host::HostArray;

impl Graph {
    /// Runs the graph on the host.
    ///
    /// # Errors
    /// When the arguments are not of the types that the graph takes.
    ///
    /// ```
    /// use tandem_compile::{HostArray, Tensor, TensorType, DType, trace};
    ///
    /// let graph = trace(|x: Tensor| x.square().sum(), &[TensorType::new(DType::F64, [2])])?;
    /// let results = graph.eval(&[HostArray::new([2], vec![3.0, 4.0])?])?;
    /// assert_eq!(results[0].values::<f64>()?, [25.0]);
    /// # Ok::<(), tandem_compile::Error>(())
    /// ```
    pub fn eval(&self, arguments: &[HostArray]) -> Result<Vec<HostArray>> {
        let found: Vec<TensorType> = arguments.iter().map(HostArray::ty).collect();
        if found != self.param_types() {
            let (wanted, found) = (list(&self.param_types()), list(&found));
            return Err(Error::Host(format!("the graph takes ({wanted}), the arguments are ({found})")));
        }
        Ok(self.interpret(&arguments.iter().collect::<Vec<_>>()))
    }

    /// [`eval`](Self::eval) for arguments that are known to fit.
    pub(crate) fn interpret(&self, arguments: &[&HostArray]) -> Vec<HostArray> {
        let mut values: Vec<Option<HostArray>> = vec![None; self.value_count()];
        for (param, &argument) in self.params().iter().zip(arguments) {
            values[param.index()] = Some(argument.clone());
        }
        let last_use = self.last_uses();
        for (at, node) in self.nodes().iter().enumerate() {
            let inputs: Vec<&HostArray> = node.inputs.iter().filter_map(|i| values[i.index()].as_ref()).collect();
            let types: Vec<TensorType> = node.outputs.iter().map(|&o| self.ty(o).clone()).collect();
            let outputs = node.op.eval(&inputs, &types);
            for (output, value) in node.outputs.iter().zip(outputs) {
                values[output.index()] = Some(value);
            }
            for input in node.inputs.iter().filter(|i| last_use[i.index()] == Some(at)) {
                values[input.index()] = None;
            }
        }
        self.results().iter().filter_map(|r| values[r.index()].clone()).collect()
    }

    /// The node after which a value is not needed any more; `None` for results and for what is never used.
    fn last_uses(&self) -> Vec<Option<usize>> {
        let mut last = vec![None; self.value_count()];
        for (at, node) in self.nodes().iter().enumerate() {
            node.inputs.iter().for_each(|input| last[input.index()] = Some(at));
        }
        self.results().iter().for_each(|result| last[result.index()] = None);
        last
    }
}

/// The position along every axis of the element at row-major position `at`.
pub(crate) fn unravel(mut at: usize, shape: &[usize]) -> Vec<usize> {
    let mut position = vec![0; shape.len()];
    for (axis, &size) in shape.iter().enumerate().rev() {
        position[axis] = at % size;
        at /= size;
    }
    position
}

/// The row-major position of the element at `position`.
pub(crate) fn ravel(position: &[usize], shape: &[usize]) -> usize {
    position.iter().zip(shape).fold(0, |at, (&i, &size)| at * size + i)
}

fn list(types: &[TensorType]) -> String {
    types.iter().map(TensorType::to_string).collect::<Vec<_>>().join(", ")
}
