//! Sums and extremes in windows that move over an array.

use std::panic::Location;

use crate::eval::{ravel, unravel};
use crate::graph::{Graph, TensorType};
use crate::host::HostArray;
use crate::ops::arg_window::ArgWindow;
use crate::ops::combine::Combine;
use crate::ops::{Cost, Kind, Primitive, Role, Tangent, again, constant_jvp, join, linear_jvp, not_linear};
use crate::stablehlo::{Emitter, Operand, array_i64, signature};
use crate::trace::{Tensor, bind1};
use crate::transform::zeros;

/// Where the windows are. Every list has one entry per axis.
///
/// ```
/// use tandem_compile::{Tensor, jit};
/// use tandem_compile::ops::reduce_window::Window;
///
/// // Windows of every second of three elements.
/// let window = Window { dilation: vec![2], ..Window::new([2], [1], [(0, 0)]) };
/// let sums = jit(move |x: Tensor| x.window_sums(window.clone()));
/// let y: Vec<f64> = sums.call(&[1.0, 2.0, 3.0, 4.0][..])?;
/// assert_eq!(y, [4.0, 6.0]);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// How many elements a window holds, at least 1.
    pub sizes: Vec<usize>,
    /// From one window to the next, at least 1.
    pub strides: Vec<usize>,
    /// From one element of a window to the next, at least 1.
    pub dilation: Vec<usize>,
    /// From one element of the array to the next, at least 1: more than 1 puts holes between them.
    pub base_dilation: Vec<usize>,
    /// Holes before the first and after the last element, behind which no window reaches; a negative number leaves
    /// elements out.
    pub padding: Vec<(i64, i64)>,
}

impl Window {
    /// Windows of `sizes` that are `strides` apart, with `padding` before and after each axis. Holes count for nothing.
    pub fn new(
        sizes: impl Into<Vec<usize>>,
        strides: impl Into<Vec<usize>>,
        padding: impl Into<Vec<(i64, i64)>>,
    ) -> Self {
        let (sizes, strides, padding) = (sizes.into(), strides.into(), padding.into());
        Self { dilation: vec![1; sizes.len()], base_dilation: vec![1; sizes.len()], sizes, strides, padding }
    }

    /// Every element is a window.
    pub(crate) fn trivial(ndim: usize) -> Self {
        Self::new(vec![1; ndim], vec![1; ndim], vec![(0, 0); ndim])
    }

    /// The shape of the windows' positions in `x`, or what is wrong.
    pub(crate) fn count(&self, x: &TensorType) -> Result<Vec<usize>, String> {
        let steps = [&self.sizes, &self.strides, &self.dilation, &self.base_dilation];
        if steps.iter().any(|list| list.len() != x.ndim()) || self.padding.len() != x.ndim() {
            return Err(format!("one entry per axis expected for {x}, got {}", self.text()));
        }
        let limit = i32::MAX as usize;
        if steps.iter().any(|list| list.iter().any(|&n| n == 0 || n > limit)) {
            return Err(format!("sizes, strides and dilations between 1 and {limit} expected, got {}", self.text()));
        }
        let bounds = -(limit as i64)..=limit as i64;
        if self.padding.iter().any(|(low, high)| !bounds.contains(low) || !bounds.contains(high)) {
            return Err(format!("padding of at most {limit} expected, got {}", self.text()));
        }
        Ok((0..x.ndim()).map(|axis| self.count_along(axis, x.shape[axis])).collect())
    }

    /// How many windows there are along an axis of `len` elements.
    fn count_along(&self, axis: usize, len: usize) -> usize {
        let (low, high) = self.padding[axis];
        let room = self.spaced(axis, len) + low + high - self.extent(axis);
        if room < 0 { 0 } else { room as usize / self.strides[axis] + 1 }
    }

    /// The length of an axis of `len` elements with its holes.
    fn spaced(&self, axis: usize, len: usize) -> i64 {
        if len == 0 { 0 } else { (len as i64 - 1) * self.base_dilation[axis] as i64 + 1 }
    }

    /// The length of a window with its holes.
    fn extent(&self, axis: usize) -> i64 {
        (self.sizes[axis] as i64 - 1) * self.dilation[axis] as i64 + 1
    }

    /// The row-major positions in an array of `shape` of the elements in the window at `position`.
    pub(crate) fn members(&self, shape: &[usize], position: &[usize]) -> Vec<usize> {
        let along = |axis: usize, i: usize| -> Option<usize> {
            let start = position[axis] as i64 * self.strides[axis] as i64 - self.padding[axis].0;
            let at = usize::try_from(start + i as i64 * self.dilation[axis] as i64).ok()?;
            let element = at / self.base_dilation[axis];
            (at.is_multiple_of(self.base_dilation[axis]) && element < shape[axis]).then_some(element)
        };
        let element = |i| -> Option<usize> {
            let inside = unravel(i, &self.sizes);
            let place: Option<Vec<usize>> = inside.iter().enumerate().map(|(axis, &i)| along(axis, i)).collect();
            Some(ravel(&place?, shape))
        };
        (0..self.sizes.iter().product()).filter_map(element).collect()
    }

    /// The windows with `leading` further axes in front, along which nothing is combined.
    pub(crate) fn behind(&self, leading: usize) -> Self {
        fn join<T: Clone>(front: T, leading: usize, back: &[T]) -> Vec<T> {
            [&vec![front; leading], back].concat()
        }
        Self {
            sizes: join(1, leading, &self.sizes),
            strides: join(1, leading, &self.strides),
            dilation: join(1, leading, &self.dilation),
            base_dilation: join(1, leading, &self.base_dilation),
            padding: join((0, 0), leading, &self.padding),
        }
    }

    /// Windows over the windows of an array of `shape`: at every element those windows that hold it. Strides and holes
    /// exchange their parts, and the padding is what makes the counts agree.
    fn transposed(&self, shape: &[usize]) -> Self {
        let padding = |(axis, &len): (usize, &usize)| {
            let low = self.extent(axis) - 1 - self.padding[axis].0;
            let windows = (self.count_along(axis, len) as i64 - 1) * self.strides[axis] as i64 + 1;
            (low, self.spaced(axis, len) + self.extent(axis) - 1 - windows - low)
        };
        Self {
            strides: self.base_dilation.clone(),
            base_dilation: self.strides.clone(),
            padding: shape.iter().enumerate().map(padding).collect(),
            ..self.clone()
        }
    }

    /// What printed graphs show: the defaults are left out.
    pub(crate) fn text(&self) -> String {
        let list = |name: &str, list: &[usize]| match list.iter().all(|&n| n == 1) {
            true => String::new(),
            false => format!(", {name} [{}]", join(list)),
        };
        let pairs: Vec<String> = self.padding.iter().map(|(low, high)| format!("({low}, {high})")).collect();
        let padding = match self.padding.iter().all(|&pair| pair == (0, 0)) {
            true => String::new(),
            false => format!(", padding [{}]", pairs.join(", ")),
        };
        format!(
            "sizes [{}]{}{}{}{padding}",
            join(&self.sizes),
            list("strides", &self.strides),
            list("dilation", &self.dilation),
            list("base dilation", &self.base_dilation),
        )
    }

    /// Writes the reduction of every window by `region`.
    pub(crate) fn stablehlo(
        &self,
        emitter: &mut Emitter,
        inputs: &[Operand],
        inits: &[String],
        region: &str,
        outputs: &[TensorType],
    ) -> Vec<String> {
        let names: Vec<&str> = inputs.iter().map(|x| x.name.as_str()).chain(inits.iter().map(String::as_str)).collect();
        let scalars = inputs
            .iter()
            .zip(inits)
            .map(|(x, init)| Operand { name: init.clone(), ty: TensorType::scalar(x.ty.dtype) });
        let operands: Vec<Operand> = inputs.iter().cloned().chain(scalars).collect();
        let pairs: Vec<String> = self.padding.iter().map(|(low, high)| format!("[{low}, {high}]")).collect();
        emitter.ops(
            outputs.len(),
            &format!(
                "\"stablehlo.reduce_window\"({}) <{{window_dimensions = {}, window_strides = {}, \
                 base_dilations = {}, window_dilations = {}, padding = dense<[{}]> : tensor<{}x2xi64>}}> ({region}) : {}",
                names.join(", "),
                array_i64(&self.sizes),
                array_i64(&self.strides),
                array_i64(&self.base_dilation),
                array_i64(&self.dilation),
                pairs.join(", "),
                self.padding.len(),
                signature(&operands, outputs),
            ),
        )
    }
}

/// Combines the elements in every window.
#[derive(Debug, Clone)]
pub struct ReduceWindow {
    /// By what: numbers' [`Sum`](Combine::Sum), [`Max`](Combine::Max) or [`Min`](Combine::Min).
    pub combine: Combine,
    /// Where the windows are.
    pub window: Window,
}

impl ReduceWindow {
    /// The tangents of the extremes: those of the elements that win, 0 where a window holds no element.
    fn extreme_tangent(&self, x: &Tensor, dx: &Tensor) -> Tangent {
        if x.ty().is_empty() {
            return None;
        }
        let op = ArgWindow { largest: self.combine == Combine::Max, window: self.window.clone(), leading: 0 };
        let winner = bind1(op, &[x], Location::caller());
        let (shape, count) = (winner.shape().to_vec(), winner.ty().len());
        let taken = dx.reshape([x.ty().len()]).take(&winner.reshape([count]), 0).reshape(shape);
        Some(winner.ge(0).select(&taken, zeros(taken.ty())))
    }
}

impl Primitive for ReduceWindow {
    fn kind(&self) -> Kind {
        match self.combine {
            // The type rule accepts no product and no truth values.
            Combine::Sum | Combine::Product => Kind::WindowSum,
            Combine::Max | Combine::Any => Kind::WindowMax,
            Combine::Min | Combine::All => Kind::WindowMin,
        }
    }

    fn attributes(&self) -> String {
        self.window.text()
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        let x = super::one(inputs)?;
        if !matches!(self.combine, Combine::Sum | Combine::Max | Combine::Min) {
            return Err("sum, max or min expected".into());
        }
        self.combine.check(x)?;
        Ok(vec![x.with_shape(self.window.count(x)?)])
    }

    fn eval(&self, inputs: &[&HostArray], outputs: &[TensorType]) -> Vec<HostArray> {
        let (from, to) = (inputs[0].shape(), &outputs[0].shape);
        vec![self.combine.groups(inputs[0], to, |i| self.window.members(from, &unravel(i, to)))]
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        if outputs[0].ndim() == 0 {
            return vec![inputs[0].name.clone()];
        }
        let (init, region) = self.combine.region(emitter, &inputs[0]);
        self.window.stablehlo(emitter, inputs, &[init], &region, outputs)
    }

    fn jvp(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        match &tangents[0] {
            _ if self.combine == Combine::Sum => linear_jvp(self, primals, tangents),
            Some(dx) => (again(self, primals), vec![self.extreme_tangent(&primals[0], dx)]),
            None => constant_jvp(self, primals),
        }
    }

    fn transpose(&self, inputs: &[Role], cotangents: &[Tangent]) -> Vec<Tangent> {
        if self.combine != Combine::Sum {
            return not_linear(self, inputs);
        }
        let x = inputs[0].ty();
        let Some(ct) = &cotangents[0] else { return vec![None] };
        if x.is_empty() || ct.ty().is_empty() {
            return vec![None];
        }
        let op = Self { combine: Combine::Sum, window: self.window.transposed(&x.shape) };
        vec![Some(bind1(op, &[ct], Location::caller()))]
    }

    fn batch(&self, inputs: &[Tensor], _: &[bool], _: usize) -> Vec<Tensor> {
        again(&Self { combine: self.combine, window: self.window.behind(1) }, inputs)
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        Cost::flops(outputs[0].len() * self.window.sizes.iter().product::<usize>(), inputs, outputs)
    }
}

macro_rules! methods {
    ($($(#[$doc:meta])* $simple:ident, $general:ident => $combine:ident),* $(,)?) => {
        impl Tensor {$(
            $(#[$doc])*
            /// The windows hold `sizes` elements and are `strides` apart; `padding` puts places before and after each
            /// axis, which count for nothing. One entry per axis each.
            #[track_caller]
            pub fn $simple(
                &self,
                sizes: impl Into<Vec<usize>>,
                strides: impl Into<Vec<usize>>,
                padding: impl Into<Vec<(i64, i64)>>,
            ) -> Tensor {
                self.$general(Window::new(sizes, strides, padding))
            }

            $(#[$doc])*
            /// With all that a [`Window`] can say.
            #[track_caller]
            pub fn $general(&self, window: Window) -> Tensor {
                bind1(ReduceWindow { combine: Combine::$combine, window }, &[self], Location::caller())
            }
        )*}
    };
}

methods! {
    /// The sum of the elements in every window.
    window_sum, window_sums => Sum,
    /// The largest element in every window, NaN if it holds one; -inf where it holds none. The derivative is that of
    /// the first (row-major) of those that tie.
    window_max, window_maxima => Max,
    /// The smallest element in every window, NaN if it holds one; +inf where it holds none. The derivative is that of
    /// the first (row-major) of those that tie.
    window_min, window_minima => Min,
}
