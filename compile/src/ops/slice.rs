//! A part of an array, at places known when the program is traced.

use std::panic::Location;

use crate::eval::{ravel, unravel};
use crate::graph::{Graph, TensorType};
use crate::host::HostArray;
use crate::ops::{Cost, Kind, Primitive, Role, Tangent, check_axis, linear_jvp};
use crate::stablehlo::{Emitter, Operand, signature};
use crate::trace::{Tensor, bind1, fail, void};

/// Every `stride`-th element from `start` up to (not including) `limit`, per axis.
#[derive(Debug, Clone)]
pub struct Slice {
    /// First position per axis.
    pub start: Vec<usize>,
    /// One past the last position per axis.
    pub limit: Vec<usize>,
    /// Step per axis, at least 1.
    pub stride: Vec<usize>,
}

impl Primitive for Slice {
    fn kind(&self) -> Kind {
        Kind::Slice
    }

    fn attributes(&self) -> String {
        self.ranges().join(", ")
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        let x = super::one(inputs)?;
        let lengths = [self.start.len(), self.limit.len(), self.stride.len()];
        if lengths != [x.ndim(); 3] {
            return Err(format!("{} ranges given for {x}", self.start.len()));
        }
        for (axis, &size) in x.shape.iter().enumerate() {
            if self.start[axis] > self.limit[axis] || self.limit[axis] > size || self.stride[axis] == 0 {
                return Err(format!("{} lies outside axis {axis} of {x}", self.ranges()[axis]));
            }
        }
        let shape: Vec<usize> =
            (0..x.ndim()).map(|axis| (self.limit[axis] - self.start[axis]).div_ceil(self.stride[axis])).collect();
        Ok(vec![x.with_shape(shape)])
    }

    fn eval(&self, inputs: &[&HostArray], outputs: &[TensorType]) -> Vec<HostArray> {
        let (x, shape) = (inputs[0], &outputs[0].shape);
        let source = |at| {
            let position = unravel(at, shape);
            let own = position.iter().enumerate().map(|(axis, i)| self.start[axis] + i * self.stride[axis]);
            ravel(&own.collect::<Vec<_>>(), x.shape())
        };
        vec![x.pick(shape, source)]
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let ranges = self.ranges().join(", ");
        vec![emitter.op(&format!("stablehlo.slice {} [{ranges}] : {}", inputs[0].name, signature(inputs, outputs)))]
    }

    fn jvp(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        linear_jvp(self, primals, tangents)
    }

    fn transpose(&self, inputs: &[Role], cotangents: &[Tangent]) -> Vec<Tangent> {
        let x = inputs[0].ty();
        let width = |axis: usize| {
            let (start, limit, stride) = (self.start[axis], self.limit[axis], self.stride[axis]);
            let taken = (limit - start).div_ceil(stride);
            let end = if taken == 0 { start } else { start + (taken - 1) * stride + 1 };
            (start as i64, (x.shape[axis] - end) as i64, stride - 1)
        };
        let widths: Vec<(i64, i64, usize)> = (0..x.ndim()).map(width).collect();
        vec![cotangents[0].as_ref().map(|ct| ct.pad(0.0, &widths))]
    }

    fn batch(&self, inputs: &[Tensor], _: &[bool], size: usize) -> Vec<Tensor> {
        let front = |first: usize, rest: &[usize]| [&[first], rest].concat();
        let (start, limit, stride) = (front(0, &self.start), front(size, &self.limit), front(1, &self.stride));
        vec![inputs[0].slice_strided(start, limit, stride)]
    }

    fn cost(&self, _: &[TensorType], outputs: &[TensorType]) -> Cost {
        // What is left out is not read.
        Cost::moving(outputs, outputs)
    }
}

impl Slice {
    fn ranges(&self) -> Vec<String> {
        let bounds = self.start.iter().zip(&self.limit).zip(&self.stride);
        bounds
            .map(|((start, limit), stride)| match stride {
                1 => format!("{start}:{limit}"),
                _ => format!("{start}:{limit}:{stride}"),
            })
            .collect()
    }
}

impl Tensor {
    /// The positions `start..limit` of one axis.
    #[track_caller]
    pub fn slice(&self, axis: usize, start: usize, limit: usize) -> Tensor {
        let mut slice =
            Slice { start: vec![0; self.ndim()], limit: self.shape().to_vec(), stride: vec![1; self.ndim()] };
        if axis < self.ndim() {
            (slice.start[axis], slice.limit[axis]) = (start, limit);
        } else {
            fail(Location::caller(), format!("slice: axis {axis} does not exist in {}", self.ty()));
        }
        bind1(slice, &[self], Location::caller())
    }

    /// Every `strides[i]`-th position from `starts[i]` up to, not including, `limits[i]`, for every axis `i`; strides
    /// are at least 1.
    #[track_caller]
    pub fn slice_strided(
        &self,
        starts: impl Into<Vec<usize>>,
        limits: impl Into<Vec<usize>>,
        strides: impl Into<Vec<usize>>,
    ) -> Tensor {
        let slice = Slice { start: starts.into(), limit: limits.into(), stride: strides.into() };
        bind1(slice, &[self], Location::caller())
    }

    /// The slice at one position of `axis`, without that axis; a negative position counts from the end, -1 being the
    /// last. (For a position that the program computes, see [`index`](Self::index).)
    #[track_caller]
    pub fn at_index(&self, axis: usize, position: i64) -> Tensor {
        let message = match check_axis(self.ty(), axis).map(|()| self.shape()[axis] as i64) {
            Ok(size) if (-size..size).contains(&position) => {
                let at = position.rem_euclid(size) as usize;
                return self.slice(axis, at, at + 1).squeeze(axis);
            }
            Ok(size) => {
                format!("position {position} does not exist on axis {axis} of {}, whose size is {size}", self.ty())
            }
            Err(message) => message,
        };
        fail(Location::caller(), format!("at_index: {message}"));
        void(self.ty().clone())
    }

    /// The array cut along `axis` into `parts` of equal size.
    #[track_caller]
    pub fn split(&self, axis: usize, parts: usize) -> Vec<Tensor> {
        let message = match check_axis(self.ty(), axis).map(|()| self.shape()[axis]) {
            Ok(size) if parts > 0 && size % parts == 0 => {
                let width = size / parts;
                let mut pieces = Vec::new();
                for part in 0..parts {
                    pieces.push(self.slice(axis, part * width, (part + 1) * width));
                }
                return pieces;
            }
            Ok(size) => format!("axis {axis} of {} has size {size}, which is no multiple of {parts} parts", self.ty()),
            Err(message) => message,
        };
        fail(Location::caller(), format!("split: {message}"));
        vec![void(self.ty().clone()); parts.min(self.ty().len().max(1))]
    }
}
