//! Windows of an array at positions computed by the program: what gather and scatter have in common.

use std::ops::Range;

use crate::dtype::DType;
use crate::eval::{ravel, unravel};
use crate::graph::TensorType;
use crate::host::{HostArray, HostData};
use crate::ops::constant::constant;
use crate::ops::shape::shifted;
use crate::ops::{check_axes, join};
use crate::stablehlo::{Emitter, Operand, signature};
use crate::trace::Tensor;

/// How an array, the windows in it and their positions belong together. There are three arrays: the one that the
/// windows lie in, the array of all windows side by side (what gather returns, what scatter is given), and the
/// positions (integers), whose last axis holds one start per entry of `start_axes`, and whose other axes count the
/// windows. In brackets the names in StableHLO's gather and scatter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Windows {
    /// The axes of the windows' array that run inside of a window, in increasing order. Its other axes are the
    /// positions' axes but the last. (`offset_dims`, `update_window_dims`)
    pub window_axes: Vec<usize>,
    /// The axes of the array along which a window is one wide and which it lacks, in increasing order.
    /// (`collapsed_slice_dims`, `inserted_window_dims`)
    pub dropped_axes: Vec<usize>,
    /// The axes of the array that count separate problems, in increasing order; windows lack them too.
    /// (`operand_batching_dims`, `input_batching_dims`)
    pub batch_axes: Vec<usize>,
    /// The axes of the positions that count the same problems. (`start_indices_batching_dims`,
    /// `scatter_indices_batching_dims`)
    pub index_batch_axes: Vec<usize>,
    /// Which axis of the array each entry of the positions' last axis belongs to; the windows start at 0 along the
    /// others. (`start_index_map`, `scatter_dims_to_operand_dims`)
    pub start_axes: Vec<usize>,
}

/// Where an element of the windows' array comes from.
pub(crate) struct Place {
    /// The row-major number of its window's positions, of which there are `start_axes.len()` each.
    pub window: usize,
    /// How far it lies from the start of its window, along every axis of the array; for `batch_axes`, the position.
    pub offset: Vec<usize>,
}

impl Windows {
    /// Windows that are like the array itself, each at one vector of starts, one per axis.
    pub(crate) fn plain(ndim: usize) -> Self {
        Self { window_axes: (0..ndim).collect(), start_axes: (0..ndim).collect(), ..Self::default() }
    }

    /// The axes of an array of `ndim` that its windows have, in order.
    pub(crate) fn kept_axes(&self, ndim: usize) -> Vec<usize> {
        (0..ndim).filter(|axis| !self.dropped_axes.contains(axis) && !self.batch_axes.contains(axis)).collect()
    }

    /// Checks the axes against the array and the positions.
    pub(crate) fn check(&self, x: &TensorType, indices: &TensorType) -> Result<(), String> {
        check_axes(x, &[&*self.dropped_axes, &self.batch_axes].concat())?;
        check_axes(x, &[&*self.start_axes, &self.batch_axes].concat())?;
        check_axes(indices, &self.index_batch_axes)?;
        let sorted = [&self.window_axes, &self.dropped_axes, &self.batch_axes].iter().all(|axes| axes.is_sorted());
        if !sorted {
            return Err("axes inside of windows, dropped axes and batch axes must be in increasing order".into());
        }
        if !indices.dtype.is_integer() || indices.shape.last() != Some(&self.start_axes.len()) {
            let count = self.start_axes.len();
            return Err(format!("integer positions with a last axis of {count} starts expected, got {indices}"));
        }
        let sizes = |ty: &TensorType, axes: &[usize]| axes.iter().map(|&axis| ty.shape[axis]).collect::<Vec<_>>();
        let paired = sizes(x, &self.batch_axes) == sizes(indices, &self.index_batch_axes)
            && !self.index_batch_axes.contains(&(indices.ndim() - 1));
        match paired {
            true => Ok(()),
            false => Err(format!("the batch axes of {x} and of the positions {indices} do not belong together")),
        }
    }

    /// The shape of the windows' array, for windows of these sizes along `kept_axes`.
    pub(crate) fn shape(&self, indices: &TensorType, kept_sizes: &[usize]) -> Result<Vec<usize>, String> {
        let mut counts = indices.shape[..indices.ndim() - 1].iter();
        let ndim = counts.len() + kept_sizes.len();
        let mut sizes = kept_sizes.iter();
        let axis_size = |axis: usize| if self.window_axes.contains(&axis) { sizes.next() } else { counts.next() };
        let shape: Option<Vec<usize>> = (0..ndim).map(axis_size).map(|size| size.copied()).collect();
        shape
            .filter(|_| self.window_axes.len() == kept_sizes.len() && self.window_axes.is_sorted_by(|a, b| a < b))
            .ok_or(format!(
                "[{}] given as the axes inside of windows: {} different axes expected, each below {ndim}",
                join(&self.window_axes),
                kept_sizes.len()
            ))
    }

    /// The axes of the windows' array, of `ndim` in all, that count the windows.
    pub(crate) fn count_axes(&self, ndim: usize) -> Vec<usize> {
        (0..ndim).filter(|axis| !self.window_axes.contains(axis)).collect()
    }

    /// Where the element at row-major position `at` of the windows' array (of `shape`) lies in an array of `ndim`.
    pub(crate) fn place(&self, at: usize, shape: &[usize], ndim: usize) -> Place {
        let position = unravel(at, shape);
        let counts = self.count_axes(shape.len());
        let part = |axes: &[usize]| axes.iter().map(|&axis| position[axis]).collect::<Vec<_>>();
        let sizes: Vec<usize> = counts.iter().map(|&axis| shape[axis]).collect();
        let mut offset = vec![0; ndim];
        self.kept_axes(ndim).iter().zip(part(&self.window_axes)).for_each(|(&axis, i)| offset[axis] = i);
        self.batch_axes.iter().zip(&self.index_batch_axes).for_each(|(&axis, &i)| offset[axis] = position[counts[i]]);
        Place { window: ravel(&part(&counts), &sizes), offset }
    }

    /// With one more first axis on the array and its windows: the same positions for several arrays.
    pub(crate) fn beside(&self) -> Self {
        Self {
            window_axes: [vec![0], shifted(&self.window_axes)].concat(),
            dropped_axes: shifted(&self.dropped_axes),
            batch_axes: shifted(&self.batch_axes),
            index_batch_axes: self.index_batch_axes.clone(),
            start_axes: shifted(&self.start_axes),
        }
    }

    /// With one more first axis on the positions and the windows: more windows of one array.
    pub(crate) fn counted(&self) -> Self {
        Self {
            window_axes: shifted(&self.window_axes),
            index_batch_axes: shifted(&self.index_batch_axes),
            ..self.clone()
        }
    }

    /// With one more first axis on the array, the positions and the windows: several separate problems.
    pub(crate) fn paired(&self) -> Self {
        Self {
            window_axes: shifted(&self.window_axes),
            dropped_axes: shifted(&self.dropped_axes),
            batch_axes: [vec![0], shifted(&self.batch_axes)].concat(),
            index_batch_axes: [vec![0], shifted(&self.index_batch_axes)].concat(),
            start_axes: shifted(&self.start_axes),
        }
    }

    /// Positions moved inside, so that no window of `sizes` leaves an array of `shape`.
    pub(crate) fn inside(&self, indices: &Tensor, shape: &[usize], sizes: &[usize]) -> Tensor {
        match self.start_axes.is_empty() {
            true => indices.clone(),
            false => indices.minimum(self.last_starts(indices, shape, sizes)).maximum(0),
        }
    }

    /// Which windows of `sizes` lie inside an array of `shape` altogether, as bool, without the positions' last axis.
    pub(crate) fn fits(&self, indices: &Tensor, shape: &[usize], sizes: &[usize]) -> Tensor {
        let last = self.last_starts(indices, shape, sizes);
        (indices.ge(0) & indices.le(last)).all_axes([indices.ndim() - 1])
    }

    /// The largest start inside the array, for every entry of the positions' last axis.
    fn last_starts(&self, indices: &Tensor, shape: &[usize], sizes: &[usize]) -> Tensor {
        let last = |i: usize| shape[self.start_axes[i]].saturating_sub(sizes[self.start_axes[i]]);
        let count = [self.start_axes.len()];
        // Positions of a type too narrow for the array do not reach its end.
        constant(&match indices.dtype() {
            DType::I32 => HostArray::from_fn(count, |i| i32::try_from(last(i)).unwrap_or(i32::MAX)),
            DType::U32 => HostArray::from_fn(count, |i| u32::try_from(last(i)).unwrap_or(u32::MAX)),
            _ => HostArray::from_fn(count, |i| i64::try_from(last(i)).unwrap_or(i64::MAX)),
        })
    }

    /// What printed graphs show: only what there is.
    pub(crate) fn attributes(&self) -> String {
        let named = [
            ("window axes", &self.window_axes),
            ("dropped", &self.dropped_axes),
            ("batch", &self.batch_axes),
            ("index batch", &self.index_batch_axes),
            ("starts", &self.start_axes),
        ];
        let shown = named.iter().filter(|(_, axes)| !axes.is_empty());
        shown.map(|(name, axes)| format!("{name} [{}]", join(axes))).collect::<Vec<_>>().join(", ")
    }

    /// StableHLO's attribute, whose entries have other `names` for gather and scatter, in the order of the fields.
    pub(crate) fn stablehlo(&self, names: [&str; 5], indices: &TensorType) -> String {
        let lists = [&self.window_axes, &self.dropped_axes, &self.batch_axes, &self.index_batch_axes, &self.start_axes];
        let entry =
            |(name, axes): (&str, &Vec<usize>)| (!axes.is_empty()).then(|| format!("{name} = [{}], ", join(axes)));
        let entries: String = names.into_iter().zip(lists).filter_map(entry).collect();
        format!("{entries}index_vector_dim = {}", indices.ndim() - 1)
    }
}

/// Operands of which those from `first` on are positions, with positions in u32 widened: XLA's compiler takes the upper half of
/// their constants for negative numbers.
pub(crate) fn with_signed_positions(
    emitter: &mut Emitter,
    operands: &[Operand],
    positions: Range<usize>,
) -> Vec<Operand> {
    let mut operands = operands.to_vec();
    for operand in operands[positions].iter_mut().filter(|operand| operand.ty.dtype == DType::U32) {
        let wide = TensorType::new(DType::I64, operand.ty.shape.clone());
        let types = signature(std::slice::from_ref(operand), std::slice::from_ref(&wide));
        let name = emitter.op(&format!("stablehlo.convert {} : {types}", operand.name));
        *operand = Operand { name, ty: wide };
    }
    operands
}

/// Positions as i64, whatever their type.
pub(crate) fn integers(positions: &HostArray) -> Vec<i64> {
    match positions.data() {
        HostData::I64(v) => v.clone(),
        HostData::I32(v) => v.iter().map(|&i| i.into()).collect(),
        HostData::U32(v) => v.iter().map(|&i| i.into()).collect(),
        // The type rules let no others through.
        _ => vec![0; positions.len()],
    }
}
