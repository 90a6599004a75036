//! The program that a trace leaves behind: a small SSA graph of typed tensors, printable and checkable.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::dtype::DType;
use crate::ops::{Cost, Primitive};

/// The element type and shape of a tensor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TensorType {
    /// Element type.
    pub dtype: DType,
    /// Size of every axis; empty for a scalar.
    pub shape: Vec<usize>,
}

impl TensorType {
    /// A type from its parts.
    pub fn new(dtype: DType, shape: impl Into<Vec<usize>>) -> Self {
        Self { dtype, shape: shape.into() }
    }

    /// The type of a single number.
    pub fn scalar(dtype: DType) -> Self {
        Self::new(dtype, [])
    }

    /// The number of axes.
    pub fn ndim(&self) -> usize {
        self.shape.len()
    }

    /// The number of elements; the largest `usize` where there are more.
    pub fn len(&self) -> usize {
        self.shape.iter().fold(1, |len, &size| len.saturating_mul(size))
    }

    /// True when some axis has size 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same element type with another shape.
    pub fn with_shape(&self, shape: impl Into<Vec<usize>>) -> Self {
        Self::new(self.dtype, shape)
    }

    /// The same shape with another element type.
    pub fn with_dtype(&self, dtype: DType) -> Self {
        Self::new(dtype, self.shape.clone())
    }
}

impl fmt::Display for TensorType {
    /// `f32[8,4]`, and `f32[]` for a scalar.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[", self.dtype)?;
        for (axis, size) in self.shape.iter().enumerate() {
            if axis > 0 {
                f.write_str(",")?;
            }
            write!(f, "{size}")?;
        }
        f.write_str("]")
    }
}

/// A value of a graph: a parameter, or an output of one of its nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(u32);

impl ValueId {
    /// The position of the value among all values of its graph.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One operation: a primitive applied to values, and where in the user's code it was written.
#[derive(Debug, Clone)]
pub struct Node {
    /// What is computed.
    pub op: Arc<dyn Primitive>,
    /// What it is computed from.
    pub inputs: Vec<ValueId>,
    /// The values it defines.
    pub outputs: Vec<ValueId>,
    /// The line of Rust that wrote the operation.
    pub location: &'static Location<'static>,
}

/// A pure function of tensors in SSA form: every value is defined once, before it is used.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    types: Vec<TensorType>,
    params: Vec<ValueId>,
    nodes: Vec<Node>,
    results: Vec<ValueId>,
}

impl Graph {
    /// The values that stand for the function's arguments.
    pub fn params(&self) -> &[ValueId] {
        &self.params
    }

    /// The operations, each after those it depends on.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The values that the function returns.
    pub fn results(&self) -> &[ValueId] {
        &self.results
    }

    /// The type of `value`.
    pub fn ty(&self, value: ValueId) -> &TensorType {
        &self.types[value.index()]
    }

    /// The number of values, parameters included.
    pub fn value_count(&self) -> usize {
        self.types.len()
    }

    /// The types of the arguments.
    pub fn param_types(&self) -> Vec<TensorType> {
        self.params.iter().map(|&p| self.ty(p).clone()).collect()
    }

    /// The types of the results.
    pub fn result_types(&self) -> Vec<TensorType> {
        self.results.iter().map(|&r| self.ty(r).clone()).collect()
    }

    /// The same function with only the first `count` of its results.
    pub fn with_leading_results(mut self, count: usize) -> Self {
        self.results.truncate(count);
        self
    }

    /// The work of one execution: the sum over the operations.
    pub fn cost(&self) -> Cost {
        let types = |values: &[ValueId]| values.iter().map(|&v| self.ty(v).clone()).collect::<Vec<_>>();
        let cost = |node: &Node| node.op.cost(&types(&node.inputs), &types(&node.outputs));
        self.nodes.iter().map(cost).fold(Cost::default(), |sum, cost| sum + cost)
    }

    /// The same graph with only those operations whose position is kept; nothing that is left may need the others.
    pub(crate) fn with_nodes(&self, keep: impl Fn(usize) -> bool) -> Self {
        let kept = self.nodes.iter().enumerate().filter(|(at, _)| keep(*at));
        Self {
            nodes: kept.map(|(_, node)| node.clone()).collect(),
            types: self.types.clone(),
            params: self.params.clone(),
            results: self.results.clone(),
        }
    }

    /// The same graph with only those parameters whose position is kept; nothing may need the others.
    pub(crate) fn with_params(mut self, keep: impl Fn(usize) -> bool) -> Self {
        let mut at = 0;
        self.params.retain(|_| {
            at += 1;
            keep(at - 1)
        });
        self
    }

    /// The same graph with other values of its own as results.
    pub(crate) fn with_results(mut self, results: Vec<ValueId>) -> Self {
        self.results = results;
        self
    }

    pub(crate) fn add_param(&mut self, ty: TensorType) -> ValueId {
        let value = self.add_value(ty);
        self.params.push(value);
        value
    }

    pub(crate) fn add_node(
        &mut self,
        op: Arc<dyn Primitive>,
        inputs: Vec<ValueId>,
        output_types: Vec<TensorType>,
        location: &'static Location<'static>,
    ) -> Vec<ValueId> {
        let outputs: Vec<ValueId> = output_types.into_iter().map(|ty| self.add_value(ty)).collect();
        self.nodes.push(Node { op, inputs, outputs: outputs.clone(), location });
        outputs
    }

    pub(crate) fn set_results(&mut self, results: Vec<ValueId>) {
        self.results = results;
    }

    fn add_value(&mut self, ty: TensorType) -> ValueId {
        let value = ValueId(self.types.len() as u32);
        self.types.push(ty);
        value
    }

    /// Checks that the graph is well formed: every value defined once and before its use, and every node's
    /// outputs of the types that its primitive's own rule infers; subgraphs included.
    ///
    /// # Errors
    /// The first violation, in words.
    pub fn check(&self) -> Result<(), String> {
        let mut defined = vec![false; self.types.len()];
        for &param in &self.params {
            define(&mut defined, param)?;
        }
        for node in &self.nodes {
            self.check_node(node, &defined)?;
            for &output in &node.outputs {
                define(&mut defined, output)?;
            }
        }
        match self.results.iter().find(|r| !defined[r.index()]) {
            Some(result) => Err(format!("the result %{} is never defined", result.index())),
            None => Ok(()),
        }
    }

    fn check_node(&self, node: &Node, defined: &[bool]) -> Result<(), String> {
        let name = node.op.kind();
        if let Some(input) = node.inputs.iter().find(|i| !defined[i.index()]) {
            return Err(format!("{name} uses %{} before it is defined", input.index()));
        }
        for graph in node.op.subgraphs() {
            graph.check().map_err(|e| format!("in {name}: {e}"))?;
        }
        let inputs: Vec<TensorType> = node.inputs.iter().map(|&i| self.ty(i).clone()).collect();
        let expected = node.op.infer(&inputs).map_err(|e| format!("{name}: {e}"))?;
        let found: Vec<TensorType> = node.outputs.iter().map(|&o| self.ty(o).clone()).collect();
        match expected == found {
            true => Ok(()),
            false => Err(format!("{name} gives {}, but its outputs are {}", list(&expected), list(&found))),
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        let indent = "  ".repeat(depth);
        let params = self.params.iter().map(|p| format!("%{}: {}", p.index(), self.ty(*p))).collect::<Vec<_>>();
        writeln!(f, "({}) -> ({}) {{", params.join(", "), list(&self.result_types()))?;
        for node in &self.nodes {
            let outputs = node.outputs.iter().map(|o| format!("%{}: {}", o.index(), self.ty(*o))).collect::<Vec<_>>();
            write!(f, "{indent}  {} = {}", outputs.join(", "), node.op.kind())?;
            let attributes = node.op.attributes();
            if !attributes.is_empty() {
                write!(f, "[{attributes}]")?;
            }
            for (i, input) in node.inputs.iter().enumerate() {
                write!(f, "{}%{}", if i == 0 { " " } else { ", " }, input.index())?;
            }
            writeln!(f, "  // {}:{}", node.location.file(), node.location.line())?;
            for graph in node.op.subgraphs() {
                write!(f, "{indent}    ")?;
                graph.write(f, depth + 2)?;
            }
        }
        let results = self.results.iter().map(|r| format!("%{}", r.index())).collect::<Vec<_>>();
        writeln!(f, "{indent}  return {}", results.join(", "))?;
        writeln!(f, "{indent}}}")
    }
}

fn define(defined: &mut [bool], value: ValueId) -> Result<(), String> {
    match std::mem::replace(&mut defined[value.index()], true) {
        true => Err(format!("%{} is defined twice", value.index())),
        false => Ok(()),
    }
}

fn list(types: &[TensorType]) -> String {
    types.iter().map(TensorType::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("graph ")?;
        self.write(f, 0)
    }
}
