//! Reading and writing at positions computed by the program: dynamic slices and gathered rows.

use std::panic::Location;

use crate::graph::{Graph, TensorType};
use crate::ops::{Primitive, check_axis, join, types};
use crate::stablehlo::{Emitter, Operand, array_i64, names, signature};
use crate::trace::{Tensor, bind1, fail, void};

/// A window of fixed size at a computed position; a start that would leave the array is moved inside.
#[derive(Debug, Clone)]
pub struct DynamicSlice(pub Vec<usize>);

impl Primitive for DynamicSlice {
    fn name(&self) -> &'static str {
        "dynamic_slice"
    }

    fn attributes(&self) -> String {
        format!("sizes [{}]", join(&self.0))
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        let (x, starts) = inputs.split_first().ok_or("an operand and its starts expected")?;
        check_starts(x, starts)?;
        match self.0.len() == x.ndim() && self.0.iter().zip(&x.shape).all(|(size, whole)| size <= whole) {
            true => Ok(vec![x.with_shape(self.0.clone())]),
            false => Err(format!("a window of [{}] does not fit into {x}", join(&self.0))),
        }
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let sizes = join(&self.0);
        let types = signature(inputs, outputs);
        vec![emitter.op(&format!("stablehlo.dynamic_slice {}, sizes = [{sizes}] : {types}", names(inputs)))]
    }
}

/// The array with a window at a computed position replaced; a start that would leave the array is moved inside.
#[derive(Debug, Clone, Copy)]
pub struct DynamicUpdateSlice;

impl Primitive for DynamicUpdateSlice {
    fn name(&self) -> &'static str {
        "dynamic_update_slice"
    }

    fn attributes(&self) -> String {
        String::new()
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        let [x, update, starts @ ..] = inputs else {
            return Err("an operand, an update and its starts expected".into());
        };
        check_starts(x, starts)?;
        let fits = update.dtype == x.dtype
            && update.ndim() == x.ndim()
            && update.shape.iter().zip(&x.shape).all(|(size, whole)| size <= whole);
        if fits { Ok(vec![x.clone()]) } else { Err(format!("an update {update} does not fit into {x}")) }
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let types = signature(inputs, outputs);
        vec![emitter.op(&format!("stablehlo.dynamic_update_slice {} : {types}", names(inputs)))]
    }
}

fn check_starts(x: &TensorType, starts: &[TensorType]) -> Result<(), String> {
    if starts.len() != x.ndim() {
        return Err(format!("{} starts given for {x}", starts.len()));
    }
    match starts.iter().all(|s| *s == starts[0] && s.ndim() == 0 && s.dtype.is_integer()) {
        true => Ok(()),
        false => Err(format!("starts must be integer scalars of one dtype, got {}", types(starts))),
    }
}

/// Whole slices picked along one axis by computed positions: `out[i, ...] = x[indices[i], ...]` for axis 0.
/// A position outside the axis is moved to its nearest end.
#[derive(Debug, Clone, Copy)]
pub struct Take(pub usize);

impl Primitive for Take {
    fn name(&self) -> &'static str {
        "take"
    }

    fn attributes(&self) -> String {
        format!("axis {}", self.0)
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        let (x, indices) = super::two(inputs)?;
        check_axis(x, self.0)?;
        if indices.ndim() != 1 || !indices.dtype.is_integer() {
            return Err(format!("a vector of integers expected as positions, got {indices}"));
        }
        if x.shape[self.0] == 0 && !indices.is_empty() {
            return Err(format!("axis {} of {x} is empty, nothing can be taken", self.0));
        }
        let mut shape = x.shape.clone();
        shape[self.0] = indices.len();
        Ok(vec![x.with_shape(shape)])
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let x = &inputs[0].ty;
        let offset: Vec<usize> = (0..x.ndim()).filter(|&axis| axis != self.0).collect();
        let mut sizes = x.shape.clone();
        // An empty axis, of which nothing is taken, does not have even one.
        sizes[self.0] = x.shape[self.0].min(1);
        vec![emitter.op(&format!(
            "\"stablehlo.gather\"({}) <{{dimension_numbers = #stablehlo.gather<offset_dims = [{}], \
             collapsed_slice_dims = [{axis}], start_index_map = [{axis}], index_vector_dim = 1>, \
             slice_sizes = {}, indices_are_sorted = false}}> : {}",
            names(inputs),
            join(&offset),
            array_i64(&sizes),
            signature(inputs, outputs),
            axis = self.0,
        ))]
    }
}

impl Tensor {
    /// The window of `sizes` that begins at `starts` (integer scalars, one per axis); moved inside where it would
    /// leave the array.
    #[track_caller]
    pub fn dynamic_slice(&self, starts: &[&Tensor], sizes: impl Into<Vec<usize>>) -> Tensor {
        bind1(DynamicSlice(sizes.into()), &[&[self], starts].concat(), Location::caller())
    }

    /// The array with the window at `starts` (integer scalars, one per axis) replaced by `update`; moved inside
    /// where it would leave the array.
    #[track_caller]
    pub fn dynamic_update_slice(&self, update: &Tensor, starts: &[&Tensor]) -> Tensor {
        bind1(DynamicUpdateSlice, &[&[self, update], starts].concat(), Location::caller())
    }

    /// The one-element-wide slice at a computed position of `axis`, without that axis.
    #[track_caller]
    pub fn index(&self, axis: usize, position: &Tensor) -> Tensor {
        if let Err(message) = check_axis(self.ty(), axis) {
            fail(Location::caller(), format!("index: {message}"));
            return void(self.ty().clone());
        }
        let zero = crate::ops::constant::number(0.0, position.dtype());
        let mut starts = vec![&zero; self.ndim()];
        let mut shape = self.shape().to_vec();
        starts[axis] = position;
        shape[axis] = 1;
        let window = self.dynamic_slice(&starts, shape.clone());
        shape.remove(axis);
        window.reshape(shape)
    }

    /// Whole slices picked along `axis`: `out[i, ...] = self[indices[i], ...]` for axis 0. `indices` is a vector of
    /// integers; a position outside the axis is moved to its nearest end.
    #[track_caller]
    pub fn take(&self, indices: &Tensor, axis: usize) -> Tensor {
        bind1(Take(axis), &[self, indices], Location::caller())
    }
}
