//! Reading and writing one window at a position computed by the program.

use std::panic::Location;

use crate::dtype::DType;
use crate::eval::{ravel, unravel};
use crate::graph::{Graph, TensorType};
use crate::host::HostArray;
use crate::ops::constant::number;
use crate::ops::gather::Gather;
use crate::ops::join::{chained, concatenate, spread};
use crate::ops::scatter::{Combiner, Scatter};
use crate::ops::windows::{Windows, integers, with_signed_positions};
use crate::ops::{Cost, Kind, Primitive, Role, Tangent, again, check_axis, join, types};
use crate::stablehlo::{Emitter, Operand, names, signature};
use crate::trace::{Tensor, bind1, fail, void};
use crate::transform::{instantiate, zeros};

/// A window of fixed size at a computed position; a start that would leave the array is moved inside.
#[derive(Debug, Clone)]
pub struct DynamicSlice(pub Vec<usize>);

impl Primitive for DynamicSlice {
    fn kind(&self) -> Kind {
        Kind::DynamicSlice
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

    fn eval(&self, inputs: &[&HostArray], _: &[TensorType]) -> Vec<HostArray> {
        let x = inputs[0];
        let starts = inside(&inputs[1..], x.shape(), &self.0);
        let source = |at| {
            let position = unravel(at, &self.0);
            ravel(&position.iter().zip(&starts).map(|(i, start)| i + start).collect::<Vec<_>>(), x.shape())
        };
        vec![x.pick(&self.0, source)]
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let sizes = join(&self.0);
        let mut inputs = with_signed_positions(emitter, inputs, 1..inputs.len());
        inputs[0] = emitter.apart(&inputs[0]);
        let types = signature(&inputs, outputs);
        let window = emitter.op(&format!("stablehlo.dynamic_slice {}, sizes = [{sizes}] : {types}", names(&inputs)));
        emitter.is_window(&window);
        vec![window]
    }

    fn jvp(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        let slice = |dx: &Tensor| dx.dynamic_slice(&primals[1..].iter().collect::<Vec<_>>(), &*self.0);
        (again(self, primals), vec![tangents[0].as_ref().map(slice)])
    }

    fn transpose(&self, inputs: &[Role], cotangents: &[Tangent]) -> Vec<Tangent> {
        let starts: Vec<&Tensor> = inputs[1..].iter().filter_map(Role::known).collect();
        let written = |ct: &Tensor| zeros(inputs[0].ty()).dynamic_update_slice(ct, &starts);
        let mut cotangents = vec![cotangents[0].as_ref().map(written)];
        cotangents.resize(inputs.len(), None);
        cotangents
    }

    fn batch(&self, inputs: &[Tensor], batched: &[bool], size: usize) -> Vec<Tensor> {
        let (x, starts) = (&inputs[0], &inputs[1..]);
        if batched[1..].iter().any(|&batched| batched) {
            let gather = Gather { windows: Windows::plain(starts.len()), sizes: self.0.clone() };
            return gather.batch(&[x.clone(), vectors(starts, &batched[1..], size)], &[batched[0], true], size);
        }
        let starts = with_front(starts);
        vec![x.dynamic_slice(&starts.iter().collect::<Vec<_>>(), [&[size], &*self.0].concat())]
    }

    fn cost(&self, _: &[TensorType], outputs: &[TensorType]) -> Cost {
        // What is left out is not read.
        Cost::moving(outputs, outputs)
    }
}

/// The array with a window at a computed position replaced; a start that would leave the array is moved inside.
#[derive(Debug, Clone, Copy)]
pub struct DynamicUpdateSlice;

impl Primitive for DynamicUpdateSlice {
    fn kind(&self) -> Kind {
        Kind::DynamicUpdateSlice
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

    fn eval(&self, inputs: &[&HostArray], _: &[TensorType]) -> Vec<HostArray> {
        let (x, update) = (inputs[0], inputs[1]);
        let starts = inside(&inputs[2..], x.shape(), update.shape());
        let source = |at| {
            let position = unravel(at, x.shape());
            let own = position.iter().zip(&starts).zip(update.shape());
            let own = own.map(|((i, start), size)| i.checked_sub(*start).filter(|i| i < size));
            own.collect::<Option<Vec<_>>>().map_or(at, |own| x.len() + ravel(&own, update.shape()))
        };
        vec![chained(&[x, update]).pick(x.shape(), source)]
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let inputs = with_signed_positions(emitter, inputs, 2..inputs.len());
        let types = signature(&inputs, outputs);
        vec![emitter.op(&format!("stablehlo.dynamic_update_slice {} : {types}", names(&inputs)))]
    }

    fn jvp(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        let [dx, du] = [0, 1].map(|i: usize| instantiate(tangents[i].clone(), primals[i].ty()));
        let written = dx.dynamic_update_slice(&du, &primals[2..].iter().collect::<Vec<_>>());
        (again(self, primals), vec![Some(written)])
    }

    fn transpose(&self, inputs: &[Role], cotangents: &[Tangent]) -> Vec<Tangent> {
        let starts: Vec<&Tensor> = inputs[2..].iter().filter_map(Role::known).collect();
        let update = inputs[1].ty();
        let covered = |ct: &Tensor| ct.dynamic_update_slice(&zeros(update), &starts);
        let taken = |ct: &Tensor| ct.dynamic_slice(&starts, &*update.shape);
        let cotangent = |which: usize| cotangents[0].as_ref().filter(|_| inputs[which].is_linear());
        let mut cotangents = vec![cotangent(0).map(covered), cotangent(1).map(taken)];
        cotangents.resize(inputs.len(), None);
        cotangents
    }

    fn batch(&self, inputs: &[Tensor], batched: &[bool], size: usize) -> Vec<Tensor> {
        let (x, update) = (spread(&inputs[0], batched[0], size), spread(&inputs[1], batched[1], size));
        let starts = &inputs[2..];
        if batched[2..].iter().any(|&batched| batched) {
            let windows = Windows::plain(starts.len());
            let indices = vectors(starts, &batched[2..], size);
            // Scatter drops what lies outside, which here is moved inside.
            let indices = windows.inside(&indices, &x.shape()[1..], &update.shape()[1..]);
            let scatter = Scatter { windows, combine: Combiner::Set, unique: true };
            return scatter.batch(&[x, indices, update], &[true; 3], size);
        }
        vec![x.dynamic_update_slice(&update, &with_front(starts).iter().collect::<Vec<_>>())]
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        Cost::moving(&inputs[..2], outputs)
    }
}

/// Starts moved inside, so that a window of `sizes` does not leave an array of `shape`.
fn inside(starts: &[&HostArray], shape: &[usize], sizes: &[usize]) -> Vec<usize> {
    let last = shape.iter().zip(sizes).map(|(whole, size)| (whole - size) as i64);
    starts.iter().zip(last).map(|(start, last)| integers(start)[0].clamp(0, last) as usize).collect()
}

/// Starts for one more first axis, of which all is meant.
fn with_front(starts: &[Tensor]) -> Vec<Tensor> {
    let dtype = starts.first().map_or(DType::I32, Tensor::dtype);
    [&[number(0.0, dtype)], starts].concat()
}

/// One vector of starts for each of `size` problems.
fn vectors(starts: &[Tensor], batched: &[bool], size: usize) -> Tensor {
    let columns: Vec<Tensor> =
        starts.iter().zip(batched).map(|(start, &batched)| spread(start, batched, size).reshape([size, 1])).collect();
    concatenate(&columns.iter().collect::<Vec<_>>(), 1)
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
        let zero = number(0.0, position.dtype());
        let mut starts = vec![&zero; self.ndim()];
        let mut shape = self.shape().to_vec();
        starts[axis] = position;
        shape[axis] = 1;
        let window = self.dynamic_slice(&starts, shape.clone());
        shape.remove(axis);
        window.reshape(shape)
    }
}
