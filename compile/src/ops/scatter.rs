//! Writing windows at positions computed by the program.

use std::panic::Location;

use half::{bf16, f16};

use crate::dtype::{DType, Element};
use crate::eval::ravel;
use crate::graph::{Graph, TensorType};
use crate::host::{HostArray, each_dtype};
use crate::ops::binary::Operator;
use crate::ops::constant::iota;
use crate::ops::gather::{Gather, check_positions, slices, with_start_axis};
use crate::ops::join::spread;
use crate::ops::windows::{Windows, integers, with_signed_positions};
use crate::ops::{Cost, Kind, Primitive, Role, Tangent, again, not_linear, types};
use crate::stablehlo::{Emitter, Operand, names, signature, tensor};
use crate::trace::{Tensor, bind1, fail, void};
use crate::transform::{instantiate, zeros};

/// What becomes of an element and an update of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Combiner {
    /// The update.
    Set,
    /// Their sum.
    Add,
    /// The larger, NaN if either is.
    Max,
    /// The smaller, NaN if either is.
    Min,
}

/// The first operand with windows of it, at the positions that the second gives, combined with the third. A window
/// that would leave the array is dropped.
///
/// Where several updates meet in one element, all of them are combined, in an order that is the device's own: sums
/// may differ in their last digits, and which of several `Set` updates stays is not defined.
///
/// The derivative of `Max` and `Min` is shared equally among those that are tied for an element: the element itself
/// and every update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scatter {
    /// How array, positions and windows belong together.
    pub windows: Windows,
    /// How an update changes an element.
    pub combine: Combiner,
    /// Whether no two updates meet in one element; the result is not defined where they do.
    pub unique: bool,
}

impl Primitive for Scatter {
    fn kind(&self) -> Kind {
        Kind::Scatter
    }

    fn attributes(&self) -> String {
        let unique = if self.unique { "unique, " } else { "" };
        format!("{:?}, {unique}{}", self.combine, self.windows.attributes()).to_lowercase()
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        let [x, indices, updates] = inputs else {
            return Err(format!("an array, positions and updates expected, got {} operands", inputs.len()));
        };
        if x.dtype != updates.dtype {
            return Err(format!("dtypes differ, {x} and {updates}; convert one of them"));
        }
        if x.dtype == DType::Bool && self.combine != Combiner::Set {
            return Err(format!("defined for numbers, got {}", types(inputs)));
        }
        self.windows.check(x, indices)?;
        let own = updates.shape.iter().enumerate().filter(|(axis, _)| self.windows.window_axes.contains(axis));
        let kept_sizes: Vec<usize> = own.map(|(_, &size)| size).collect();
        let kept = self.windows.kept_axes(x.ndim());
        let fits = kept_sizes.len() == kept.len()
            && kept_sizes.iter().zip(&kept).all(|(&size, &axis)| size <= x.shape[axis])
            && updates.shape == self.windows.shape(indices, &kept_sizes)?;
        match fits {
            true => Ok(vec![x.clone()]),
            false => Err(format!("updates {updates} do not fit positions {indices} and {x}")),
        }
    }

    fn eval(&self, inputs: &[&HostArray], _: &[TensorType]) -> Vec<HostArray> {
        let (x, starts, updates) = (inputs[0], integers(inputs[1]), inputs[2]);
        let targets: Vec<Option<usize>> =
            (0..updates.len()).map(|at| self.target(at, x.shape(), &starts, updates.shape())).collect();
        vec![each_dtype!(x.data(), values => self.combined(values, updates, &targets, x.shape()))]
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let fields = [
            "update_window_dims",
            "inserted_window_dims",
            "input_batching_dims",
            "scatter_indices_batching_dims",
            "scatter_dims_to_operand_dims",
        ];
        let mut inputs = with_signed_positions(emitter, inputs, 1..2);
        if inputs[1].ty.dtype == inputs[0].ty.dtype {
            inputs[1].name = apart(emitter, &inputs[1]);
        }
        let windows = self.windows.stablehlo(fields, &inputs[1].ty);
        let element = inputs[0].ty.with_shape([]);
        let ty = tensor(&element);
        let (old, update) = (emitter.fresh(), emitter.fresh());
        let header = format!("^bb0({old}: {ty}, {update}: {ty}):");
        let region = emitter.block(&header, |e| {
            let mut op = |name: &str| e.op(&format!("stablehlo.{name} {old}, {update} : {ty}"));
            let new = match self.combine {
                Combiner::Set => update.clone(),
                Combiner::Add => op("add"),
                Combiner::Max => op("maximum"),
                Combiner::Min => op("minimum"),
            };
            (vec![new], vec![element])
        });
        vec![emitter.op(&format!(
            "\"stablehlo.scatter\"({}) <{{scatter_dimension_numbers = #stablehlo.scatter<{windows}>, \
             indices_are_sorted = false, unique_indices = {}}}> ({region}) : {}",
            names(&inputs),
            self.unique,
            signature(&inputs, outputs),
        ))]
    }

    fn jvp(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        let (x, indices, updates) = (&primals[0], &primals[1], &primals[2]);
        let outputs = again(self, primals);
        let (dx, du) = (tangents[0].as_ref(), tangents[2].as_ref());
        let (dx, du) = match self.combine {
            Combiner::Add => (dx.cloned(), du.cloned()),
            Combiner::Set if self.unique => {
                let [dx, du] = [(dx, x), (du, updates)].map(|(d, like)| instantiate(d.cloned(), like.ty()));
                return (outputs, vec![Some(self.of(&dx, indices, &du))]);
            }
            Combiner::Set => {
                let (untouched, last) = self.survivors(x, indices, updates);
                (dx.map(|dx| untouched.select(dx, 0.0)), du.map(|du| last.select(du, 0.0)))
            }
            Combiner::Max | Combiner::Min => {
                let (own, theirs) = self.shares(x, indices, updates, &outputs[0]);
                (dx.map(|dx| dx * own), du.map(|du| du * theirs))
            }
        };
        let tangent = match (dx, du) {
            (dx, Some(du)) => Some(self.adding().of(&instantiate(dx, x.ty()), indices, &du)),
            (dx, None) => dx,
        };
        (outputs, vec![tangent])
    }

    fn transpose(&self, inputs: &[Role], cotangents: &[Tangent]) -> Vec<Tangent> {
        let linear = self.combine == Combiner::Add || (self.combine == Combiner::Set && self.unique);
        let Some(indices) = inputs[1].known().filter(|_| linear) else { return not_linear(self, inputs) };
        let Some(ct) = &cotangents[0] else { return vec![None; 3] };
        let (x, updates) = (inputs[0].ty(), inputs[2].ty());
        let operand = || match self.combine {
            Combiner::Set => self.of(ct, indices, &zeros(updates)),
            _ => ct.clone(),
        };
        let update = || self.read(ct, x, indices, updates);
        vec![inputs[0].is_linear().then(operand), None, inputs[2].is_linear().then(update)]
    }

    fn batch(&self, inputs: &[Tensor], batched: &[bool], size: usize) -> Vec<Tensor> {
        let (x, updates) = (spread(&inputs[0], batched[0], size), spread(&inputs[2], batched[2], size));
        let windows = if batched[1] { self.windows.paired() } else { self.windows.beside() };
        again(&Self { windows, ..self.clone() }, &[x, inputs[1].clone(), updates])
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        match self.combine {
            Combiner::Set => Cost::moving(inputs, outputs),
            _ => Cost::flops(inputs[2].len(), inputs, outputs),
        }
    }
}

impl Scatter {
    fn of(&self, x: &Tensor, indices: &Tensor, updates: &Tensor) -> Tensor {
        bind1(self.clone(), &[x, indices, updates], Location::caller())
    }

    fn adding(&self) -> Self {
        Self { combine: Combiner::Add, ..self.clone() }
    }

    /// The windows that it writes, as a gather.
    fn gather(&self, x: &TensorType, updates: &TensorType) -> Gather {
        Gather { windows: self.windows.clone(), sizes: self.sizes(&x.shape, &updates.shape) }
    }

    /// The size of a window along every axis of the array.
    fn sizes(&self, x: &[usize], updates: &[usize]) -> Vec<usize> {
        let mut sizes = vec![1; x.len()];
        let own = self.windows.window_axes.iter().map(|&axis| updates[axis]);
        self.windows.kept_axes(x.len()).into_iter().zip(own).for_each(|(axis, size)| sizes[axis] = size);
        sizes
    }

    /// What stands in `ct` (like `x`) where the updates go; zero for those that are dropped.
    fn read(&self, ct: &Tensor, x: &TensorType, indices: &Tensor, updates: &TensorType) -> Tensor {
        if x.is_empty() {
            return zeros(updates);
        }
        let gather = self.gather(x, updates);
        let counts = self.windows.count_axes(updates.ndim());
        let fits = self.windows.fits(indices, &x.shape, &gather.sizes).broadcast_in_dim(&*updates.shape, counts);
        fits.select(gather.of(ct, indices), 0.0)
    }

    /// For `Set`: which elements no update reaches, and which updates are still there in the end. Numbering them and
    /// writing the numbers tells, as long as the device orders updates the same way each time.
    fn survivors(&self, x: &Tensor, indices: &Tensor, updates: &Tensor) -> (Tensor, Tensor) {
        if x.ty().is_empty() {
            return (x.eq(x), updates.ne(updates));
        }
        let count = updates.ty().len();
        let dtype = if i32::try_from(count).is_ok() { DType::I32 } else { DType::I64 };
        let numbers = (iota([count], 0, dtype) + 1).reshape(updates.shape());
        let written = self.of(&zeros(&x.ty().with_dtype(dtype)), indices, &numbers);
        let found = self.gather(x.ty(), updates.ty()).of(&written, indices);
        (written.eq(0), found.eq(&numbers))
    }

    /// For `Max` and `Min`: the derivative of the result by the array, and by the updates.
    fn shares(&self, x: &Tensor, indices: &Tensor, updates: &Tensor, y: &Tensor) -> (Tensor, Tensor) {
        let dtype = x.dtype();
        if x.ty().is_empty() {
            return (zeros(x.ty()), zeros(updates.ty()));
        }
        let gather = self.gather(x.ty(), updates.ty());
        let own = x.eq(y).convert(dtype);
        let theirs = updates.eq(gather.of(y, indices)).convert(dtype);
        // Where the result is NaN, nothing equals it.
        let tied = self.adding().of(&own, indices, &theirs).maximum(1.0);
        (own / &tied, theirs / gather.of(&tied, indices))
    }

    /// The row-major position of the element of an array of `shape` that the update at `at` goes to, unless its
    /// window leaves the array.
    fn target(&self, at: usize, shape: &[usize], starts: &[i64], updates: &[usize]) -> Option<usize> {
        let place = self.windows.place(at, updates, shape.len());
        let sizes = self.sizes(shape, updates);
        let mut position = place.offset;
        let count = self.windows.start_axes.len();
        for (&axis, &start) in self.windows.start_axes.iter().zip(&starts[place.window * count..]) {
            let start = usize::try_from(start).ok().filter(|start| start.saturating_add(sizes[axis]) <= shape[axis])?;
            position[axis] += start;
        }
        Some(ravel(&position, shape))
    }

    fn combined<T: Combined>(
        &self,
        values: &[T],
        updates: &HostArray,
        targets: &[Option<usize>],
        shape: &[usize],
    ) -> HostArray {
        let mut values = values.to_vec();
        for (&target, &update) in targets.iter().zip(updates.values::<T>().unwrap_or_default()) {
            let Some(at) = target else { continue };
            values[at] = match self.combine {
                Combiner::Set => update,
                Combiner::Add => values[at].sum(update),
                Combiner::Max => values[at].larger(update),
                Combiner::Min => values[at].smaller(update),
            };
        }
        HostArray::from_fn(shape, |at| values[at])
    }
}

/// The arithmetic that combines elements.
trait Combined: Element {
    fn sum(self, other: Self) -> Self;
    fn larger(self, other: Self) -> Self;
    fn smaller(self, other: Self) -> Self;
}

macro_rules! combined {
    (floats $($float:ty),*) => {$(
        impl Combined for $float {
            fn sum(self, other: Self) -> Self {
                self + other
            }

            fn larger(self, other: Self) -> Self {
                match self.partial_cmp(&other) {
                    None => Self::NAN,
                    Some(std::cmp::Ordering::Equal) => if self.is_sign_positive() { self } else { other },
                    Some(order) => if order.is_gt() { self } else { other },
                }
            }

            fn smaller(self, other: Self) -> Self {
                -(-self).larger(-other)
            }
        }
    )*};
    (ordered $($ordered:ty, $sum:expr);*) => {$(
        impl Combined for $ordered {
            fn sum(self, other: Self) -> Self {
                $sum(self, other)
            }

            fn larger(self, other: Self) -> Self {
                self.max(other)
            }

            fn smaller(self, other: Self) -> Self {
                self.min(other)
            }
        }
    )*};
}

combined!(floats f64, f32, f16, bf16);
combined!(ordered i64, i64::wrapping_add; i32, i32::wrapping_add; u32, u32::wrapping_add; bool, |x, y| x | y);

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident => $combine:ident),* $(,)?) => {
        /// The same positions in memory of their own, all that are before the beginning as -1: where positions are the array itself,
/// XLA's CPU reads them from what it is writing.
fn apart(emitter: &mut Emitter, positions: &Operand) -> String {
    let scalar = TensorType::scalar(positions.ty.dtype);
    let before = match scalar.dtype {
        DType::I64 => HostArray::scalar(-1i64),
        _ => HostArray::scalar(-1i32),
    };
    let before = Operand { name: emitter.constant(&before), ty: scalar };
    let before = emitter.spread(&before, &positions.ty);
    emitter.op(&format!("stablehlo.maximum {}, {before} : {}", positions.name, tensor(&positions.ty)))
}

impl Tensor {$(
            $(#[$doc])*
            ///
            /// `indices` holds integers, in any shape; `updates` has the shape that [`take`](Self::take) gives for
            /// them, or one that broadcasts to it. An update whose position lies outside the axis is dropped, a
            /// negative position among them.
            #[track_caller]
            pub fn $name(&self, indices: &Tensor, updates: impl Operator, axis: usize) -> Tensor {
                let location = Location::caller();
                let updates = updates.tensor(self);
                match along(self, indices, &updates, axis) {
                    Ok((windows, shape)) => {
                        let scatter = Scatter { windows, combine: Combiner::$combine, unique: false };
                        let updates = updates.broadcast_to(shape);
                        bind1(scatter, &[self, &with_start_axis(indices), &updates], location)
                    }
                    Err(message) => {
                        fail(location, format!("{}: {message}", stringify!($name)));
                        void(self.ty().clone())
                    }
                }
            }
        )*}
    };
}

/// How slices at positions of one axis are written, and the shape of the updates.
fn along(x: &Tensor, indices: &Tensor, updates: &Tensor, axis: usize) -> Result<(Windows, Vec<usize>), String> {
    check_positions(x.ty(), indices.ty(), axis)?;
    let shape = [&x.shape()[..axis], indices.shape(), &x.shape()[axis + 1..]].concat();
    let aligned = shape.iter().rev().zip(updates.shape().iter().rev());
    let fits = updates.ndim() <= shape.len() && aligned.into_iter().all(|(size, own)| own == size || *own == 1);
    match fits && updates.dtype() == x.dtype() {
        true => Ok((slices(x.ty(), indices.ndim(), axis), shape)),
        false => Err(format!("updates that fit {} expected, got {}", x.ty().with_shape(shape), updates.ty())),
    }
}

impl Tensor {
    /// Windows written at computed positions in full generality: see [`Scatter`]. `indices` holds integers, with one
    /// start per entry of `start_axes` along its last axis.
    #[track_caller]
    pub fn scatter(&self, indices: &Tensor, updates: &Tensor, scatter: Scatter) -> Tensor {
        bind1(scatter, &[self, indices, updates], Location::caller())
    }
}

methods! {
    /// The array with `updates` added to the slices at computed positions of `axis`; several updates of one slice are
    /// all added. For axis 0 and a vector of positions: `self[indices[i], ...] += updates[i, ...]` for every `i`.
    scatter_add => Add,
    /// The array with the slices at computed positions of `axis` replaced by `updates`. For axis 0 and a vector of
    /// positions: `self[indices[i], ...] = updates[i, ...]` for every `i`; which of several updates of one slice
    /// stays is left to the device.
    scatter_set => Set,
    /// The array with the slices at computed positions of `axis` replaced by `updates` where those are larger. For
    /// axis 0 and a vector of positions: `self[indices[i], ...] = max(self[indices[i], ...], updates[i, ...])`.
    scatter_max => Max,
    /// The array with the slices at computed positions of `axis` replaced by `updates` where those are smaller. For
    /// axis 0 and a vector of positions: `self[indices[i], ...] = min(self[indices[i], ...], updates[i, ...])`.
    scatter_min => Min,
}
