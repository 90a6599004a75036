//! Padding: an array inside a larger one that is filled with one number.

use std::panic::Location;

use crate::eval::{ravel, unravel};
use crate::graph::{Graph, TensorType};
use crate::host::HostArray;
use crate::ops::binary::Operator;
use crate::ops::constant::{number, scalar};
use crate::ops::join::{chained, spread};
use crate::ops::{Cost, Kind, Primitive, Role, Tangent, again, join, types};
use crate::stablehlo::{Emitter, Operand, names, signature};
use crate::trace::{Tensor, bind1};
use crate::transform::instantiate;

/// The first operand surrounded by, and interspersed with, the second (a scalar); negative widths cut off.
#[derive(Debug, Clone)]
pub struct Pad(pub Vec<Width>);

/// What padding does along one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Width {
    /// How much comes before the first element; what is cut off there, where negative.
    pub low: i64,
    /// How much comes after the last element; what is cut off there, where negative.
    pub high: i64,
    /// How much comes between every two neighbours.
    pub interior: usize,
}

impl Width {
    /// The size of an axis once its neighbours have been moved apart.
    fn dilated(self, size: usize) -> i128 {
        match size {
            0 => 0,
            _ => (size as i128 - 1) * (self.interior as i128 + 1) + 1,
        }
    }

    /// The size of the padded axis, unless more is cut off than there is.
    fn padded(self, size: usize) -> Option<usize> {
        usize::try_from(self.dilated(size) + i128::from(self.low) + i128::from(self.high)).ok()
    }

    /// The same, with nothing cut off.
    fn uncut(self) -> Self {
        Self { low: self.low.max(0), high: self.high.max(0), ..self }
    }

    /// The element of an axis of `size` that stands at position `at` of the padded one, if one does.
    fn source(self, at: usize, size: usize) -> Option<usize> {
        let (from, step) = (at as i128 - i128::from(self.low), self.interior as i128 + 1);
        let element = usize::try_from(from.div_euclid(step)).ok()?;
        (from % step == 0 && element < size).then_some(element)
    }
}

impl Primitive for Pad {
    fn kind(&self) -> Kind {
        Kind::Pad
    }

    fn attributes(&self) -> String {
        let width = |w: &Width| match w.interior {
            0 => format!("{}:{}", w.low, w.high),
            interior => format!("{}:{}:{interior}", w.low, w.high),
        };
        self.0.iter().map(width).collect::<Vec<_>>().join(", ")
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        let (x, value) = super::two(inputs)?;
        if *value != TensorType::scalar(x.dtype) {
            return Err(format!("one number of the array's dtype expected to pad with, got {}", types(inputs)));
        }
        if self.0.len() != x.ndim() {
            return Err(format!("{} widths given for {x}, which has {} axes", self.0.len(), x.ndim()));
        }
        let size = |(axis, (width, &size)): (usize, (&Width, &usize))| {
            width.padded(size).ok_or(format!("more is cut off axis {axis} of {x} than there is: {width:?}"))
        };
        let shape: Vec<usize> = self.0.iter().zip(&x.shape).enumerate().map(size).collect::<Result<_, _>>()?;
        Ok(vec![x.with_shape(shape)])
    }

    fn eval(&self, inputs: &[&HostArray], outputs: &[TensorType]) -> Vec<HostArray> {
        let (x, shape) = (inputs[0], &outputs[0].shape);
        let source = |at| {
            let position = unravel(at, shape);
            let own = |(axis, &i): (usize, &usize)| self.0[axis].source(i, x.shape()[axis]);
            match position.iter().enumerate().map(own).collect::<Option<Vec<usize>>>() {
                Some(own) => ravel(&own, x.shape()),
                None => x.len(),
            }
        };
        vec![chained(inputs).pick(shape, source)]
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        // What is cut off is so by an operation of its own: XLA folds a padding that does both into a window in the wrong order.
        let sizes = &inputs[0].ty.shape;
        let list = |width: &dyn Fn(&Width, usize) -> i64| -> Vec<i64> {
            self.0.iter().zip(sizes).map(|(w, &size)| width(w, size)).collect()
        };
        let (low, high) = (list(&|w, _| w.low.max(0)), list(&|w, _| w.high.max(0)));
        let interior = list(&|w, size| if size > 1 { w.interior as i64 } else { 0 });
        let whole: Vec<usize> =
            self.0.iter().zip(sizes).map(|(w, &size)| w.uncut().padded(size).unwrap_or(0)).collect();
        let whole = Operand { name: String::new(), ty: outputs[0].with_shape(whole) };
        let types = signature(inputs, std::slice::from_ref(&whole.ty));
        let widths = format!("low = [{}], high = [{}], interior = [{}]", join(&low), join(&high), join(&interior));
        let padded = emitter.op(&format!("stablehlo.pad {}, {widths} : {types}", names(inputs)));
        if whole.ty == outputs[0] {
            return vec![padded];
        }
        let start = |w: &Width| (-w.low).max(0) as usize;
        let ranges: Vec<String> =
            self.0.iter().zip(&outputs[0].shape).map(|(w, size)| format!("{}:{}", start(w), start(w) + size)).collect();
        let types = signature(&[whole], outputs);
        vec![emitter.op(&format!("stablehlo.slice {padded} [{}] : {types}", ranges.join(", ")))]
    }

    fn jvp(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        let dx: Vec<Tensor> = primals.iter().zip(tangents).map(|(x, dx)| instantiate(dx.clone(), x.ty())).collect();
        (again(self, primals), again(self, &dx).into_iter().map(Some).collect())
    }

    fn transpose(&self, inputs: &[Role], cotangents: &[Tangent]) -> Vec<Tangent> {
        let x = inputs[0].ty();
        let operand = |ct: &Tensor| self.undone(ct, &x.shape);
        let value = |ct: &Tensor| self.padding(&x.shape).select(ct, 0.0).sum();
        let cotangent = |which: usize| cotangents[0].as_ref().filter(|_| inputs[which].is_linear());
        vec![cotangent(0).map(operand), cotangent(1).map(value)]
    }

    fn batch(&self, inputs: &[Tensor], batched: &[bool], size: usize) -> Vec<Tensor> {
        let (x, value) = (spread(&inputs[0], batched[0], size), &inputs[1]);
        let wide = Self([&[Width { low: 0, high: 0, interior: 0 }], &*self.0].concat());
        if !batched[1] {
            return again(&wide, &[x, value.clone()]);
        }
        // One value per problem: padded with anything, and then the padding replaced.
        let zero = number(0.0, value.dtype());
        let padded = bind1(wide, &[&x, &zero], Location::caller());
        let mask = self.padding(&x.shape()[1..]).broadcast_to(padded.shape());
        vec![mask.select(value.broadcast_in_dim(padded.shape(), [0]), padded)]
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        Cost::moving(inputs, outputs)
    }
}

impl Pad {
    /// What stands where the elements of an array of `shape` were put; zero for those that were cut off.
    fn undone(&self, padded: &Tensor, shape: &[usize]) -> Tensor {
        let back: Vec<(i64, i64, usize)> = self.0.iter().map(|w| (-w.low, -w.high, 0)).collect();
        let limits: Vec<usize> = self.0.iter().zip(shape).map(|(w, &size)| w.dilated(size) as usize).collect();
        let strides: Vec<usize> = self.0.iter().map(|w| w.interior + 1).collect();
        padded.pad(0.0, &back).slice_strided(vec![0; shape.len()], limits, strides)
    }

    /// Where the padded array holds padding, as bool.
    fn padding(&self, shape: &[usize]) -> Tensor {
        let inside = scalar(false).broadcast_to(shape);
        bind1(self.clone(), &[&inside, &scalar(true)], Location::caller())
    }
}

impl Tensor {
    /// The array surrounded by, and interspersed with, `value` (a number or a scalar tensor). `widths` says for every
    /// axis how much comes before the first element, after the last, and between every two neighbours:
    /// `[1, 2].pad(0, &[(1, 2, 3)])` is `[0, 1, 0, 0, 0, 2, 0, 0]`. Where a width before or after is negative, so much
    /// is cut off there instead, once the neighbours have been moved apart.
    #[track_caller]
    pub fn pad(&self, value: impl Operator, widths: &[(i64, i64, usize)]) -> Tensor {
        let width = |&(low, high, interior): &(i64, i64, usize)| Width { low, high, interior };
        let pad = Pad(widths.iter().map(width).collect());
        bind1(pad, &[self, &value.tensor(self)], Location::caller())
    }
}
