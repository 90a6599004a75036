//! Convolution: sums of products over a window that moves, in any number of dimensions.

use std::panic::Location;

use crate::dtype::DType;
use crate::graph::{Graph, TensorType};
use crate::host::HostArray;
use crate::ops::dot::{Precision, bilinear_jvp};
use crate::ops::{Cost, Kind, Primitive, Role, Tangent, check_axes, join, not_linear, types};
use crate::stablehlo::{Emitter, Operand, array_i64, names, signature};
use crate::trace::{Tensor, bind1, fail, void};

mod batch;
mod eval;
mod lowering;
mod transpose;

/// Which axis of an array is what in a convolution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConvAxes {
    /// Of an input or a result, the axis along the independent problems; of a kernel, that of the result's features.
    pub outer: usize,
    /// The axis of the features; of a kernel, of the input's features.
    pub feature: usize,
    /// The axes that the window moves along.
    pub spatial: Vec<usize>,
}

impl ConvAxes {
    /// The order of the methods on [`Tensor`]: `[N, C, spatial...]`, and `[O, I, spatial...]` for a kernel.
    pub fn standard(spatial: usize) -> Self {
        Self { outer: 0, feature: 1, spatial: (2..spatial + 2).collect() }
    }

    /// All of them: outer, feature, spatial.
    fn order(&self) -> Vec<usize> {
        [&[self.outer, self.feature], self.spatial.as_slice()].concat()
    }

    /// The sizes of `shape` in that order.
    fn sizes(&self, shape: &[usize]) -> Vec<usize> {
        self.order().into_iter().map(|axis| shape[axis]).collect()
    }

    /// The shape of an array with these axes, from the sizes in standard order.
    fn shape(&self, sizes: &[usize]) -> Vec<usize> {
        let mut shape = vec![0; sizes.len()];
        self.order().into_iter().zip(sizes).for_each(|(axis, &size)| shape[axis] = size);
        shape
    }

    /// With the outer axis and the features exchanged.
    fn exchanged(&self) -> Self {
        Self { outer: self.feature, feature: self.outer, spatial: self.spatial.clone() }
    }

    /// As MLIR writes it: the letters of the outer axis and of the features, and the numbers of the spatial ones.
    fn mlir(&self, outer: &str, feature: &str) -> String {
        let mut text = vec![String::new(); self.spatial.len() + 2];
        text[self.outer] = outer.into();
        text[self.feature] = feature.into();
        self.spatial.iter().enumerate().for_each(|(i, &axis)| text[axis] = i.to_string());
        format!("[{}]", text.join(", "))
    }
}

/// The general convolution. Per spatial axis, with input `x`, kernel `w` and result `y`,
/// `y[o] = sum over k of x[i] w[k]` where `i * lhs_dilation = o * stride + k * rhs_dilation - low`, and `x` is zero
/// outside; the kernel is not turned round. Over the features it is a matrix product: `C` input features, in
/// `feature_groups` groups of which each makes its share of the `O` output features.
#[derive(Debug, Clone)]
pub struct Convolution {
    /// The axes of the input.
    pub lhs_axes: ConvAxes,
    /// The axes of the kernel.
    pub rhs_axes: ConvAxes,
    /// The axes of the result.
    pub out_axes: ConvAxes,
    /// How far the window moves from one result to the next, per spatial axis.
    pub strides: Vec<usize>,
    /// How many zeros stand before and after the (dilated) input, per spatial axis; where negative, how many
    /// elements are cut off.
    pub padding: Vec<(i64, i64)>,
    /// The distance between neighbours of the input, with zeros in between.
    pub lhs_dilation: Vec<usize>,
    /// The distance between neighbours of the kernel.
    pub rhs_dilation: Vec<usize>,
    /// Groups of features that do not mix: a kernel has `C / feature_groups` input features.
    pub feature_groups: usize,
    /// Groups of problems that have each their own share of the output features; the result has
    /// `N / batch_groups` problems.
    pub batch_groups: usize,
    /// How exactly.
    pub precision: Precision,
}

impl Primitive for Convolution {
    fn kind(&self) -> Kind {
        Kind::Convolution
    }

    fn attributes(&self) -> String {
        let padding: Vec<String> = self.padding.iter().map(|(low, high)| format!("{low}:{high}")).collect();
        let mut text = format!("{}, strides [{}], padding [{}]", self.layout(), join(&self.strides), join(&padding));
        for (name, dilation) in [("lhs", &self.lhs_dilation), ("rhs", &self.rhs_dilation)] {
            if dilation.iter().any(|&d| d != 1) {
                text += &format!(", {name} dilation [{}]", join(dilation));
            }
        }
        for (name, groups) in [("feature", self.feature_groups), ("batch", self.batch_groups)] {
            if groups != 1 {
                text += &format!(", {groups} {name} groups");
            }
        }
        if self.precision != Precision::Highest {
            text += &format!(", precision {}", self.precision);
        }
        text
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        let (lhs, rhs) = super::two(inputs)?;
        if lhs.dtype != rhs.dtype {
            return Err(format!("dtypes differ, {lhs} and {rhs}; convert one of them"));
        }
        if lhs.dtype == DType::Bool {
            return Err(format!("defined for numbers, got {}", types(inputs)));
        }
        self.check_window(lhs.ndim())?;
        for (ty, axes) in [(lhs, &self.lhs_axes), (rhs, &self.rhs_axes), (lhs, &self.out_axes)] {
            if ty.ndim() != axes.spatial.len() + 2 || axes.spatial.len() != self.strides.len() {
                return Err(format!("{} spatial axes and two more expected, got {ty}", self.strides.len()));
            }
            check_axes(ty, &axes.order())?;
        }
        let (x, w) = (self.lhs_axes.sizes(&lhs.shape), self.rhs_axes.sizes(&rhs.shape));
        self.check_groups([x[0], x[1]], [w[0], w[1]]).map_err(|message| format!("{message}, in {}", types(inputs)))?;
        let mut sizes = vec![x[0] / self.batch_groups, w[0]];
        for axis in 0..self.strides.len() {
            sizes.push(self.out_size(axis, x[axis + 2], w[axis + 2])?);
        }
        Ok(vec![lhs.with_shape(self.out_axes.shape(&sizes))])
    }

    fn eval(&self, inputs: &[&HostArray], outputs: &[TensorType]) -> Vec<HostArray> {
        vec![eval::convolution(self, inputs, &outputs[0])]
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        // A window or an input of nothing: StableHLO wants a window, and XLA reads the sum of nothing in several ways.
        if outputs[0].is_empty() || inputs.iter().any(|x| x.ty.is_empty()) {
            return vec![emitter.constant(&HostArray::zeros(&outputs[0]))];
        }
        if let Some((cropped, lhs)) = lowering::cropped(self, emitter, &inputs[0]) {
            return cropped.stablehlo(emitter, &[lhs, inputs[1].clone()], outputs);
        }
        if let Some(operands) = lowering::widened(self, emitter, &inputs[0], &inputs[1]) {
            return self.stablehlo(emitter, &operands, outputs);
        }
        let spatial = self.strides.len();
        let padding: Vec<String> = self.padding.iter().map(|(low, high)| format!("[{low}, {high}]")).collect();
        let reversal =
            if spatial == 0 { "array<i1>".into() } else { format!("array<i1: {}>", join(&vec![false; spatial])) };
        vec![emitter.op(&format!(
            "\"stablehlo.convolution\"({}) <{{window_strides = {}, padding = dense<{}> : tensor<{spatial}x2xi64>, \
             lhs_dilation = {}, rhs_dilation = {}, window_reversal = {reversal}, \
             dimension_numbers = #stablehlo.conv<{}>, feature_group_count = {} : i64, batch_group_count = {} : i64, \
             precision_config = [#stablehlo<precision {p}>, #stablehlo<precision {p}>]}}> : {}",
            names(inputs),
            array_i64(&self.strides),
            if spatial == 0 { String::new() } else { format!("[{}]", join(&padding)) },
            array_i64(&self.lhs_dilation),
            array_i64(&self.rhs_dilation),
            self.layout(),
            self.feature_groups,
            self.batch_groups,
            signature(inputs, outputs),
            p = self.precision,
        ))]
    }

    fn jvp(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        bilinear_jvp(self, primals, tangents)
    }

    fn transpose(&self, inputs: &[Role], cotangents: &[Tangent]) -> Vec<Tangent> {
        match (inputs, cotangents) {
            ([Role::Linear(lhs), Role::Known(rhs)], [Some(ct)]) => vec![self.transpose_lhs(lhs, rhs, ct), None],
            ([Role::Known(lhs), Role::Linear(rhs)], [Some(ct)]) => vec![None, self.transpose_rhs(lhs, rhs, ct)],
            _ => not_linear(self, inputs),
        }
    }

    fn batch(&self, inputs: &[Tensor], batched: &[bool], size: usize) -> Vec<Tensor> {
        vec![self.spread(inputs, batched, size)]
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        // Every result is a sum over the window and the input features of its group.
        let kernel = self.rhs_axes.sizes(&inputs[1].shape);
        Cost::flops(2 * outputs[0].len() * kernel[1..].iter().product::<usize>(), inputs, outputs)
    }
}

impl Convolution {
    fn layout(&self) -> String {
        let (lhs, rhs) = (self.lhs_axes.mlir("b", "f"), self.rhs_axes.mlir("o", "i"));
        format!("{lhs}x{rhs}->{}", self.out_axes.mlir("b", "f"))
    }

    fn check_window(&self, ndim: usize) -> Result<(), String> {
        let spatial = self.strides.len();
        let lengths = [self.padding.len(), self.lhs_dilation.len(), self.rhs_dilation.len()];
        if lengths != [spatial; 3] {
            return Err(format!(
                "{spatial} strides, {} paddings, {} and {} dilations given for {} spatial axes",
                lengths[0],
                lengths[1],
                lengths[2],
                ndim.saturating_sub(2)
            ));
        }
        match self.strides.iter().chain(&self.lhs_dilation).chain(&self.rhs_dilation).all(|&step| step > 0) {
            true => Ok(()),
            false => Err("strides and dilations are at least 1".into()),
        }
    }

    /// Checks `[N, C]` of the input against `[O, I]` of the kernel.
    fn check_groups(&self, [n, c]: [usize; 2], [o, i]: [usize; 2]) -> Result<(), String> {
        let (features, batches) = (self.feature_groups, self.batch_groups);
        match () {
            () if features == 0 || batches == 0 || features > 1 && batches > 1 => {
                Err(format!("{features} feature groups and {batches} batch groups: one of them must be 1"))
            }
            () if i.checked_mul(features) != Some(c) => {
                Err(format!("{c} input features, but a kernel of {features} groups of {i}"))
            }
            () if o % (features * batches) != 0 => {
                Err(format!("{o} output features do not divide into {} groups", features * batches))
            }
            () if n % batches != 0 => Err(format!("{n} problems do not divide into {batches} groups")),
            () => Ok(()),
        }
    }

    /// How many places the window has along a spatial axis with `n` inputs and `k` elements of the kernel.
    fn out_size(&self, axis: usize, n: usize, k: usize) -> Result<usize, String> {
        let (low, high) = self.padding[axis];
        let window = dilated(k, self.rhs_dilation[axis]);
        let room = dilated(n, self.lhs_dilation[axis]) + i128::from(low) + i128::from(high);
        if room <= 0 || window > room {
            return Ok(0);
        }
        usize::try_from((room - window) / self.strides[axis] as i128 + 1).map_err(|_| "the result is too large".into())
    }
}

/// From the first to one past the last of `n` elements that are `step` apart.
fn dilated(n: usize, step: usize) -> i128 {
    if n == 0 { 0 } else { (n as i128 - 1) * step as i128 + 1 }
}

/// What surrounds the input of a convolution.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Padding {
    /// Nothing: the window stays inside.
    #[default]
    Valid,
    /// Zeros, so that the result has `ceil(size / stride)` places along every spatial axis, where `size` is that of
    /// the (dilated) input; where their number is odd, the last one stands behind.
    Same,
    /// So many zeros before and after, per spatial axis; where negative, so many elements are cut off.
    Explicit(Vec<(i64, i64)>),
}

/// How [`Tensor::conv`] moves its kernel. A list that is empty stands for ones.
///
/// ```
/// use tandem_compile::ops::convolution::{Conv, Padding};
///
/// let halved = Conv { strides: vec![2, 2], padding: Padding::Same, ..Conv::default() };
/// # let _ = halved;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conv {
    /// How far the window moves from one result to the next, per spatial axis.
    pub strides: Vec<usize>,
    /// What surrounds the input.
    pub padding: Padding,
    /// The distance between neighbours of the input, with zeros in between: a step of 2 is what undoes a stride of 2.
    pub lhs_dilation: Vec<usize>,
    /// The distance between neighbours of the kernel.
    pub rhs_dilation: Vec<usize>,
    /// Groups of features that do not mix. As many as input features: each is convolved on its own.
    pub groups: usize,
}

impl Default for Conv {
    fn default() -> Self {
        let (strides, lhs_dilation, rhs_dilation) = (Vec::new(), Vec::new(), Vec::new());
        Self { strides, padding: Padding::Valid, lhs_dilation, rhs_dilation, groups: 1 }
    }
}

impl Conv {
    /// The general form, for an input and a kernel of these shapes.
    fn general(self, lhs: &[usize], rhs: &[usize]) -> Convolution {
        let spatial = lhs.len().saturating_sub(2);
        let given = |steps: Vec<usize>| if steps.is_empty() { vec![1; spatial] } else { steps };
        let axes = ConvAxes::standard(spatial);
        let mut op = Convolution {
            lhs_axes: axes.clone(),
            rhs_axes: axes.clone(),
            out_axes: axes,
            strides: given(self.strides),
            padding: vec![(0, 0); spatial],
            lhs_dilation: given(self.lhs_dilation),
            rhs_dilation: given(self.rhs_dilation),
            feature_groups: self.groups,
            batch_groups: 1,
            precision: Precision::Highest,
        };
        match self.padding {
            Padding::Valid => {}
            Padding::Explicit(padding) => op.padding = padding,
            Padding::Same => op.pad_same(lhs, rhs),
        }
        op
    }
}

impl Convolution {
    fn pad_same(&mut self, lhs: &[usize], rhs: &[usize]) {
        // Sizes that are missing or impossible steps are refused by the type rule afterwards.
        let steps = self.strides.iter().zip(&self.lhs_dilation).zip(&self.rhs_dilation);
        let sizes = lhs.iter().zip(rhs).skip(2);
        for ((padding, ((&stride, &spread), &step)), (&n, &k)) in self.padding.iter_mut().zip(steps).zip(sizes) {
            let size = dilated(n, spread);
            let places = size.div_euclid((stride as i128).max(1)) + i128::from(size % (stride as i128).max(1) > 0);
            let total = ((places - 1) * stride as i128 + dilated(k, step) - size).max(0) as i64;
            *padding = (total / 2, total - total / 2);
        }
    }
}

impl Tensor {
    /// The convolution of an input `[N, C, spatial...]` with a kernel `[O, C / groups, spatial...]`, in full
    /// precision: `[N, O, spatial...]`. The kernel is not turned round (mathematics calls it a correlation).
    ///
    /// ```
    /// use tandem_compile::ops::convolution::{Conv, Padding};
    /// use tandem_compile::{Tensor, jit};
    ///
    /// let blurred = jit(|x: Tensor| {
    ///     let kernel = tandem_compile::ones([1, 1, 3], x.dtype());
    ///     x.reshape([1, 1, 4]).conv(&kernel, Conv { padding: Padding::Same, ..Conv::default() }).reshape([4])
    /// });
    /// let y: Vec<f64> = blurred.call(&[1.0, 2.0, 3.0, 4.0][..])?;
    /// assert_eq!(y, [3.0, 6.0, 9.0, 7.0]);
    /// # Ok::<(), tandem_compile::Error>(())
    /// ```
    #[track_caller]
    pub fn conv(&self, kernel: &Tensor, conv: Conv) -> Tensor {
        let location = Location::caller();
        if self.ndim() < 2 {
            fail(location, format!("convolution: axes [N, C, spatial...] expected, got {}", self.ty()));
            return void(self.ty().clone());
        }
        bind1(conv.general(self.shape(), kernel.shape()), &[self, kernel], location)
    }

    /// The general convolution; see [`Convolution`].
    #[track_caller]
    pub fn convolution(&self, kernel: &Tensor, convolution: Convolution) -> Tensor {
        bind1(convolution, &[self, kernel], Location::caller())
    }
}
