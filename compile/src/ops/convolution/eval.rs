//! Convolution on the host: the sum as its definition writes it.

use super::{ConvAxes, Convolution};
use crate::eval::unravel;
use crate::graph::TensorType;
use crate::host::HostArray;
use crate::ops::wide::Wide;

pub(super) fn convolution(op: &Convolution, inputs: &[&HostArray], out: &TensorType) -> HostArray {
    let [lhs, rhs] = inputs else { return HostArray::zeros(out) };
    let geometry = Geometry::new(op, lhs.shape(), rhs.shape(), &out.shape);
    let values = match (Wide::from(lhs), Wide::from(rhs)) {
        (Wide::Float(x), Wide::Float(w)) => Wide::Float(geometry.run(out.len(), |sum, i, k| sum + x[i] * w[k])),
        (x, w) => {
            let (x, w) = (x.integers(), w.integers());
            Wide::Integer(geometry.run(out.len(), |sum: i64, i, k| sum.wrapping_add(x[i].wrapping_mul(w[k]))))
        }
    };
    values.narrow(out)
}

/// An array's sizes and strides in standard order.
struct Layout {
    sizes: Vec<usize>,
    strides: Vec<usize>,
}

impl Layout {
    fn new(axes: &ConvAxes, shape: &[usize]) -> Self {
        let stride = |axis: usize| shape[axis + 1..].iter().product();
        Self { sizes: axes.sizes(shape), strides: axes.order().into_iter().map(stride).collect() }
    }
}

struct Geometry<'a> {
    op: &'a Convolution,
    lhs: Layout,
    rhs: Layout,
    out: Layout,
}

impl<'a> Geometry<'a> {
    fn new(op: &'a Convolution, lhs: &[usize], rhs: &[usize], out: &[usize]) -> Self {
        let (lhs, rhs) = (Layout::new(&op.lhs_axes, lhs), Layout::new(&op.rhs_axes, rhs));
        Self { op, lhs, rhs, out: Layout::new(&op.out_axes, out) }
    }

    /// The results in row-major order: `add` continues a sum by the product of the input and the kernel at two
    /// row-major positions.
    fn run<T: Copy + Default>(&self, len: usize, add: impl Fn(T, usize, usize) -> T) -> Vec<T> {
        let mut results = vec![T::default(); len];
        for at in 0..len {
            let place = unravel(at, &self.out.sizes);
            let to: usize = place.iter().zip(&self.out.strides).map(|(i, stride)| i * stride).sum();
            results[to] = self.one(&place, &add);
        }
        results
    }

    fn one<T: Copy + Default>(&self, place: &[usize], add: impl Fn(T, usize, usize) -> T) -> T {
        let (op, window) = (self.op, &self.rhs.sizes[2..]);
        let per_group = self.rhs.sizes[0] / (op.feature_groups * op.batch_groups);
        let group = place[1] / per_group;
        let problem = if op.batch_groups > 1 { group * self.out.sizes[0] + place[0] } else { place[0] };
        let first = if op.feature_groups > 1 { group * self.rhs.sizes[1] } else { 0 };
        let mut sum = T::default();
        for at in 0..window.iter().product() {
            let k = unravel(at, window);
            let Some(inside) = self.source(&place[2..], &k) else { continue };
            let tap: usize = k.iter().zip(&self.rhs.strides[2..]).map(|(k, stride)| k * stride).sum();
            for feature in 0..self.rhs.sizes[1] {
                let i = problem * self.lhs.strides[0] + (first + feature) * self.lhs.strides[1] + inside;
                let w = place[1] * self.rhs.strides[0] + feature * self.rhs.strides[1] + tap;
                sum = add(sum, i, w);
            }
        }
        sum
    }

    /// Where the input lies that element `k` of the kernel meets at `place`; `None` outside and between its elements.
    fn source(&self, place: &[usize], k: &[usize]) -> Option<usize> {
        let mut source = 0;
        for (axis, (&place, &k)) in place.iter().zip(k).enumerate() {
            let at = (place * self.op.strides[axis] + k * self.op.rhs_dilation[axis]) as i64 - self.op.padding[axis].0;
            let (step, size) = (self.op.lhs_dilation[axis] as i64, self.lhs.sizes[axis + 2] as i64);
            if at < 0 || at % step != 0 || at / step >= size {
                return None;
            }
            source += (at / step) as usize * self.lhs.strides[axis + 2];
        }
        Some(source)
    }
}
