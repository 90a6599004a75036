//! Means, norms and what is built on them.

use std::panic::Location;

use crate::dtype::DType;
use crate::ops::constant::number;
use crate::trace::{Tensor, fail};

impl Tensor {
    /// The mean along `axes`, which vanish; NaN of nothing.
    #[track_caller]
    pub fn mean_axes(&self, axes: impl Into<Vec<usize>>) -> Tensor {
        let axes = axes.into();
        match self.dtype() {
            DType::F64 | DType::F32 => {
                let count = self.count(&axes);
                self.sum_axes(axes) / count
            }
            // Neither the sum nor the number of elements may fit into a narrow type.
            DType::F16 | DType::BF16 => self.convert(DType::F32).mean_axes(axes).convert(self.dtype()),
            _ => {
                let message = format!("mean: floating-point numbers expected, got {}; convert them", self.ty());
                fail(Location::caller(), message);
                self.clone()
            }
        }
    }

    /// The mean of all elements; NaN of nothing.
    #[track_caller]
    pub fn mean(&self) -> Tensor {
        self.mean_axes(self.axes())
    }

    /// The mean squared distance from the mean along `axes`, which vanish: divided by the number of elements n, as
    /// numpy does, not by n - 1.
    #[track_caller]
    pub fn var_axes(&self, axes: impl Into<Vec<usize>>) -> Tensor {
        let axes = axes.into();
        if matches!(self.dtype(), DType::F16 | DType::BF16) {
            return self.convert(DType::F32).var_axes(axes).convert(self.dtype());
        }
        let mean = self.mean_axes(axes.clone());
        (self - mean.keep_axes(self, &axes)).square().mean_axes(axes)
    }

    /// The mean squared distance of all elements from their mean.
    #[track_caller]
    pub fn var(&self) -> Tensor {
        self.var_axes(self.axes())
    }

    /// The root of the variance along `axes`, which vanish.
    #[track_caller]
    pub fn std_axes(&self, axes: impl Into<Vec<usize>>) -> Tensor {
        self.var_axes(axes).sqrt()
    }

    /// The root of the variance of all elements.
    #[track_caller]
    pub fn std(&self) -> Tensor {
        self.var().sqrt()
    }

    /// The Euclidean norm along `axes`, which vanish. Squares are summed as they are: elements beyond the root of the
    /// type's largest number overflow. The derivative at 0 is NaN.
    #[track_caller]
    pub fn norm_axes(&self, axes: impl Into<Vec<usize>>) -> Tensor {
        self.square().sum_axes(axes).sqrt()
    }

    /// The Euclidean (Frobenius) norm of all elements. See [`norm_axes`](Self::norm_axes).
    #[track_caller]
    pub fn norm(&self) -> Tensor {
        self.norm_axes(self.axes())
    }

    /// log(sum(exp(x))) along `axes`, which vanish, without overflow; -inf of nothing.
    #[track_caller]
    pub fn logsumexp_axes(&self, axes: impl Into<Vec<usize>>) -> Tensor {
        let axes = axes.into();
        let shift = self.finite_max(&axes);
        (self - shift.keep_axes(self, &axes)).exp().sum_axes(axes).log() + shift
    }

    /// log(sum(exp(x))) of all elements, without overflow.
    #[track_caller]
    pub fn logsumexp(&self) -> Tensor {
        self.logsumexp_axes(self.axes())
    }

    /// exp(x) over its sum along `axis`, without overflow.
    #[track_caller]
    pub fn softmax(&self, axis: usize) -> Tensor {
        let exp = (self - self.finite_max(&[axis]).keep_axes(self, &[axis])).exp();
        let sum = exp.sum_axes([axis]);
        &exp / sum.keep_axes(&exp, &[axis])
    }

    /// The logarithm of [`softmax`](Self::softmax), exact also where that underflows.
    #[track_caller]
    pub fn log_softmax(&self, axis: usize) -> Tensor {
        let shifted = self - self.finite_max(&[axis]).keep_axes(self, &[axis]);
        let log_sum = shifted.exp().sum_axes([axis]).log();
        &shifted - log_sum.keep_axes(&shifted, &[axis])
    }

    /// The middle one of the sorted elements along `axis`, which vanishes; the mean of the middle two where their
    /// number is even; NaN where there is one, and of nothing.
    #[track_caller]
    pub fn median(&self, axis: usize) -> Tensor {
        let size = self.dim(axis);
        if size == 0 || axis >= self.ndim() || !self.dtype().is_float() {
            fail(
                Location::caller(),
                format!("median: a nonempty axis of floats expected, got axis {axis} of {}", self.ty()),
            );
            return self.clone();
        }
        let sorted = self.sort(axis);
        let middle = sorted.slice(axis, (size - 1) / 2, size / 2 + 1).mean_axes([axis]);
        // NaN sorts last.
        let last = sorted.slice(axis, size - 1, size).sum_axes([axis]);
        last.is_nan().select(&last, &middle)
    }

    /// A tensor that was reduced along `axes` of `like`, repeated along them again.
    #[track_caller]
    fn keep_axes(&self, like: &Tensor, axes: &[usize]) -> Tensor {
        let rest: Vec<usize> = (0..like.ndim()).filter(|axis| !axes.contains(axis)).collect();
        self.broadcast_in_dim(like.shape(), rest)
    }

    /// The largest element along `axes`, for shifting: a constant for every derivative, and 0 where it is not finite,
    /// since inf - inf would be NaN.
    #[track_caller]
    fn finite_max(&self, axes: &[usize]) -> Tensor {
        let max = crate::stop_gradient(self).max_axes(axes);
        max.is_finite().select(&max, 0.0)
    }

    fn axes(&self) -> Vec<usize> {
        (0..self.ndim()).collect()
    }

    /// How many elements stand along `axes`, as a number of self's dtype.
    #[track_caller]
    fn count(&self, axes: &[usize]) -> Tensor {
        let sizes = axes.iter().filter_map(|&axis| self.shape().get(axis));
        number(sizes.map(|&size| size as f64).product(), self.dtype())
    }
}
