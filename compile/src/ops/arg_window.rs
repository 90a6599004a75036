//! The positions of extremes in windows.

use std::panic::Location;

use crate::dtype::DType;
use crate::eval::unravel;
use crate::graph::{Graph, TensorType};
use crate::host::HostArray;
use crate::ops::arg_reduce::{choose, extreme, first_extreme};
use crate::ops::reduce_window::Window;
use crate::ops::{Cost, Kind, Primitive, Role, Tangent, again, constant_jvp, join, not_linear};
use crate::stablehlo::{Emitter, Operand, tensor};
use crate::trace::{Tensor, bind1};

/// The row-major position (i32) in the array of the extreme of every window, the first of equals, NaN before all
/// others; -1 where a window holds no element.
#[derive(Debug, Clone)]
pub struct ArgWindow {
    /// Whether the largest is looked for, else the smallest.
    pub largest: bool,
    /// Where the windows are.
    pub window: Window,
    /// How many leading axes the position leaves out, as they stand for different problems.
    pub leading: usize,
}

impl Primitive for ArgWindow {
    fn kind(&self) -> Kind {
        Kind::ArgWindow
    }

    fn attributes(&self) -> String {
        let leading = if self.leading == 0 { String::new() } else { format!(", behind {} axes", self.leading) };
        format!("{}, {}{leading}", if self.largest { "largest" } else { "smallest" }, self.window.text())
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        let x = super::one(inputs)?;
        extreme(self.largest).check(x)?;
        let counted = x.shape.get(self.leading..).ok_or(format!("{x} has not {} leading axes", self.leading))?;
        if TensorType::new(DType::I32, counted).len() > i32::MAX as usize {
            return Err(format!("{x} has more elements than an i32 can count"));
        }
        Ok(vec![TensorType::new(DType::I32, self.window.count(x)?)])
    }

    fn eval(&self, inputs: &[&HostArray], outputs: &[TensorType]) -> Vec<HostArray> {
        let (from, to) = (inputs[0].shape(), &outputs[0].shape);
        let problem: usize = from[self.leading..].iter().product();
        let position = |i| {
            let members = self.window.members(from, &unravel(i, to));
            first_extreme(inputs[0], self.largest, &members).map_or(-1, |at| (at % problem) as i32)
        };
        vec![HostArray::from_fn(to.clone(), position)]
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let (x, out) = (&inputs[0], &outputs[0]);
        if out.ndim() == 0 {
            return vec![emitter.constant(&HostArray::scalar(0i32))];
        }
        let dtype = x.ty.dtype;
        let positions = Operand { name: self.positions(emitter, &x.ty), ty: x.ty.with_dtype(DType::I32) };
        let worst = emitter.constant(&extreme(self.largest).identity(dtype));
        // Behind all positions, so that an element as bad as padding still wins.
        let last = emitter.constant(&HostArray::scalar(i32::MAX));
        let (a, i, b, j) = (emitter.fresh(), emitter.fresh(), emitter.fresh(), emitter.fresh());
        let (value, position) = (tensor(&TensorType::scalar(dtype)), "tensor<i32>");
        let header = format!("^bb0({a}: {value}, {i}: {position}, {b}: {value}, {j}: {position}):");
        let region = emitter.block(&header, |e| choose(e, dtype, self.largest, (&a, &i), (&b, &j)));
        let inputs = [x.clone(), positions];
        let types = [out.with_dtype(dtype), out.clone()];
        let found = self.window.stablehlo(emitter, &inputs, &[worst, last.clone()], &region, &types);
        let (all, truth) = (tensor(out), tensor(&out.with_dtype(DType::Bool)));
        let lasts = emitter.op(&format!("stablehlo.broadcast_in_dim {last}, dims = [] : ({position}) -> {all}"));
        let none = emitter.constant(&HostArray::scalar(-1i32));
        let nones = emitter.op(&format!("stablehlo.broadcast_in_dim {none}, dims = [] : ({position}) -> {all}"));
        let empty =
            emitter.op(&format!("stablehlo.compare EQ, {}, {lasts}, SIGNED : ({all}, {all}) -> {truth}", found[1]));
        vec![emitter.op(&format!("stablehlo.select {empty}, {nones}, {} : {truth}, {all}", found[1]))]
    }

    fn jvp(&self, primals: &[Tensor], _: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        constant_jvp(self, primals)
    }

    fn transpose(&self, inputs: &[Role], _: &[Tangent]) -> Vec<Tangent> {
        not_linear(self, inputs)
    }

    fn batch(&self, inputs: &[Tensor], _: &[bool], _: usize) -> Vec<Tensor> {
        again(&Self { largest: self.largest, window: self.window.behind(1), leading: self.leading + 1 }, inputs)
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        Cost::flops(outputs[0].len() * self.window.sizes.iter().product::<usize>(), inputs, outputs)
    }
}

impl ArgWindow {
    /// Writes the position of every element of `x` among those of its problem.
    fn positions(&self, emitter: &mut Emitter, x: &TensorType) -> String {
        let problem = TensorType::new(DType::I32, &x.shape[self.leading..]);
        let (flat, shaped) = (tensor(&problem.with_shape([problem.len()])), tensor(&problem));
        let iota = emitter.op(&format!("stablehlo.iota dim = 0 : {flat}"));
        let shaped_iota = emitter.op(&format!("stablehlo.reshape {iota} : ({flat}) -> {shaped}"));
        let axes: Vec<usize> = (self.leading..x.ndim()).collect();
        let all = tensor(&x.with_dtype(DType::I32));
        let axes = join(&axes);
        emitter.op(&format!("stablehlo.broadcast_in_dim {shaped_iota}, dims = [{axes}] : ({shaped}) -> {all}"))
    }
}

impl Tensor {
    /// The row-major position (i32) in the array of the largest element of every window, the first of equals, that of
    /// the first NaN if there is one; -1 where a window holds no element.
    #[track_caller]
    pub fn window_argmax(&self, window: Window) -> Tensor {
        bind1(ArgWindow { largest: true, window, leading: 0 }, &[self], Location::caller())
    }

    /// The row-major position (i32) in the array of the smallest element of every window, the first of equals, that of
    /// the first NaN if there is one; -1 where a window holds no element.
    #[track_caller]
    pub fn window_argmin(&self, window: Window) -> Tensor {
        bind1(ArgWindow { largest: false, window, leading: 0 }, &[self], Location::caller())
    }
}
