//! Reading windows at positions computed by the program.

use std::panic::Location;

use crate::eval::ravel;
use crate::graph::{Graph, TensorType};
use crate::host::HostArray;
use crate::ops::scatter::{Combiner, Scatter};
use crate::ops::windows::{Windows, integers, with_signed_positions};
use crate::ops::{Cost, Kind, Primitive, Role, Tangent, again, check_axis, join};
use crate::stablehlo::{Emitter, Operand, array_i64, names, signature};
use crate::trace::{Tensor, bind1, fail, void};
use crate::transform::zeros;

/// Windows of the first operand at the positions that the second gives; a position from which the window would leave
/// the array is moved inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gather {
    /// How array, positions and windows belong together.
    pub windows: Windows,
    /// The size of a window along every axis of the array: at most 1 for axes that the windows lack.
    pub sizes: Vec<usize>,
}

impl Primitive for Gather {
    fn kind(&self) -> Kind {
        Kind::Gather
    }

    fn attributes(&self) -> String {
        format!("sizes [{}], {}", join(&self.sizes), self.windows.attributes())
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        let (x, indices) = super::two(inputs)?;
        self.windows.check(x, indices)?;
        if self.sizes.len() != x.ndim() || self.sizes.iter().zip(&x.shape).any(|(size, whole)| size > whole) {
            return Err(format!("windows of [{}] do not fit into {x}", join(&self.sizes)));
        }
        let kept = self.windows.kept_axes(x.ndim());
        let mut lacking = (0..x.ndim()).filter(|axis| !kept.contains(axis));
        if let Some(axis) = lacking.find(|&axis| self.sizes[axis] > 1) {
            return Err(format!("windows of [{}] lack axis {axis}, where their size is not 1", join(&self.sizes)));
        }
        let kept_sizes: Vec<usize> = kept.iter().map(|&axis| self.sizes[axis]).collect();
        let y = x.with_shape(self.windows.shape(indices, &kept_sizes)?);
        match x.is_empty() && !y.is_empty() {
            true => Err(format!("{x} is empty, nothing can be taken")),
            false => Ok(vec![y]),
        }
    }

    fn eval(&self, inputs: &[&HostArray], outputs: &[TensorType]) -> Vec<HostArray> {
        let (x, starts, shape) = (inputs[0], integers(inputs[1]), &outputs[0].shape);
        let count = self.windows.start_axes.len();
        let source = |at| {
            let place = self.windows.place(at, shape, x.shape().len());
            let mut position = place.offset;
            for (&axis, start) in self.windows.start_axes.iter().zip(&starts[place.window * count..]) {
                position[axis] += (*start).clamp(0, (x.shape()[axis] - self.sizes[axis]) as i64) as usize;
            }
            ravel(&position, x.shape())
        };
        vec![x.pick(shape, source)]
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let fields = [
            "offset_dims",
            "collapsed_slice_dims",
            "operand_batching_dims",
            "start_indices_batching_dims",
            "start_index_map",
        ];
        let mut inputs = with_signed_positions(emitter, inputs, 1..2);
        // A single window is one at a computed position.
        let single = inputs[1].ty.len() <= inputs[0].ty.ndim();
        if single {
            inputs[0] = emitter.apart(&inputs[0]);
        }
        let windows = emitter.op(&format!(
            "\"stablehlo.gather\"({}) <{{dimension_numbers = #stablehlo.gather<{}>, slice_sizes = {}, \
             indices_are_sorted = false}}> : {}",
            names(&inputs),
            self.windows.stablehlo(fields, &inputs[1].ty),
            array_i64(&self.sizes),
            signature(&inputs, outputs),
        ));
        if single {
            emitter.is_window(&windows);
        }
        vec![windows]
    }

    fn jvp(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        let tangent = tangents[0].as_ref().map(|dx| self.of(dx, &primals[1]));
        (again(self, primals), vec![tangent])
    }

    fn transpose(&self, inputs: &[Role], cotangents: &[Tangent]) -> Vec<Tangent> {
        let cotangent = cotangents[0].as_ref().zip(inputs[1].known()).map(|(ct, indices)| {
            let x = inputs[0].ty();
            // Scatter drops what lies outside, gather moves it inside.
            let inside = self.windows.inside(indices, &x.shape, &self.sizes);
            let scatter = Scatter { windows: self.windows.clone(), combine: Combiner::Add, unique: false };
            bind1(scatter, &[&zeros(x), &inside, ct], Location::caller())
        });
        vec![cotangent, None]
    }

    fn batch(&self, inputs: &[Tensor], batched: &[bool], size: usize) -> Vec<Tensor> {
        let wide = |first: usize| [&[first], &*self.sizes].concat();
        let (windows, sizes) = match batched {
            [true, false] => (self.windows.beside(), wide(size)),
            [false, _] => (self.windows.counted(), self.sizes.clone()),
            _ => (self.windows.paired(), wide(size.min(1))),
        };
        again(&Self { windows, sizes }, inputs)
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        // What is left out is not read.
        Cost::moving(&[outputs[0].clone(), inputs[1].clone()], outputs)
    }
}

impl Gather {
    /// The windows of `x`.
    pub(crate) fn of(&self, x: &Tensor, indices: &Tensor) -> Tensor {
        bind1(self.clone(), &[x, indices], Location::caller())
    }
}

/// The windows that are whole slices at positions of one axis, in place of which the positions' axes stand; the
/// positions have `ndim` axes, without the one for the start.
pub(crate) fn slices(x: &TensorType, ndim: usize, axis: usize) -> Windows {
    let others = (0..axis).chain(axis + ndim..x.ndim() - 1 + ndim);
    Windows { window_axes: others.collect(), dropped_axes: vec![axis], start_axes: vec![axis], ..Windows::default() }
}

/// Positions with the last axis that gather and scatter want.
#[track_caller]
pub(crate) fn with_start_axis(indices: &Tensor) -> Tensor {
    indices.expand_dims(indices.ndim())
}

/// Checks what is picked along `axis` by `indices`.
pub(crate) fn check_positions(x: &TensorType, indices: &TensorType, axis: usize) -> Result<(), String> {
    check_axis(x, axis)?;
    match indices.dtype.is_integer() {
        true => Ok(()),
        false => Err(format!("integers expected as positions, got {indices}")),
    }
}

impl Tensor {
    /// Windows at computed positions in full generality: see [`Gather`]. `indices` holds integers, with one start per
    /// entry of `start_axes` along its last axis. Most uses are a [`take`](Self::take) or a
    /// [`take_along`](Self::take_along).
    #[track_caller]
    pub fn gather(&self, indices: &Tensor, gather: Gather) -> Tensor {
        bind1(gather, &[self, indices], Location::caller())
    }

    /// Slices picked along `axis` by computed positions: `out[i, ...] = self[indices[i], ...]` for axis 0 and a vector
    /// of integers. For positions of any shape, their axes stand in the place of `axis`. A position outside the axis
    /// is moved to its nearest end; negative ones do not count from the end.
    #[track_caller]
    pub fn take(&self, indices: &Tensor, axis: usize) -> Tensor {
        let checked =
            check_positions(self.ty(), indices.ty(), axis).and_then(|()| not_from_nothing(self, indices, axis));
        if let Err(message) = checked {
            fail(Location::caller(), format!("take: {message}"));
            return void(self.ty().clone());
        }
        let mut sizes = self.shape().to_vec();
        // An empty axis, of which nothing is taken, does not have even one.
        sizes[axis] = sizes[axis].min(1);
        let gather = Gather { windows: slices(self.ty(), indices.ndim(), axis), sizes };
        bind1(gather, &[self, &with_start_axis(indices)], Location::caller())
    }

    /// Elements picked along `axis`, separately for every position of the other axes:
    /// `out[i, j] = self[indices[i, j], j]` for axis 0 of a matrix, as sorting along an axis needs. `indices` has the
    /// shape of self, with any size of `axis`. A position outside the axis is moved to its nearest end.
    #[track_caller]
    pub fn take_along(&self, indices: &Tensor, axis: usize) -> Tensor {
        let checked = check_positions(self.ty(), indices.ty(), axis)
            .and_then(|()| beside(self, indices, axis))
            .and_then(|()| not_from_nothing(self, indices, axis));
        if let Err(message) = checked {
            fail(Location::caller(), format!("take_along: {message}"));
            return void(self.ty().clone());
        }
        let others: Vec<usize> = (0..self.ndim()).filter(|&other| other != axis).collect();
        let windows = Windows {
            dropped_axes: vec![axis],
            batch_axes: others.clone(),
            index_batch_axes: others,
            start_axes: vec![axis],
            ..Windows::default()
        };
        let sizes = self.shape().iter().map(|&size| size.min(1)).collect();
        bind1(Gather { windows, sizes }, &[self, &with_start_axis(indices)], Location::caller())
    }
}

fn beside(x: &Tensor, indices: &Tensor, axis: usize) -> Result<(), String> {
    let mut wanted = x.shape().to_vec();
    wanted[axis] = indices.shape().get(axis).copied().unwrap_or(0);
    match indices.shape() == wanted {
        true => Ok(()),
        false => Err(format!("positions {} do not have the shape of {} but for axis {axis}", indices.ty(), x.ty())),
    }
}

fn not_from_nothing(x: &Tensor, indices: &Tensor, axis: usize) -> Result<(), String> {
    match x.shape()[axis] == 0 && !indices.ty().is_empty() {
        true => Err(format!("axis {axis} of {} is empty, nothing can be taken", x.ty())),
        false => Ok(()),
    }
}
