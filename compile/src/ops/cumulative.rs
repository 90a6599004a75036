//! Running sums, products and extremes along an axis.

use std::panic::Location;

use crate::concatenate;
use crate::graph::{Graph, TensorType};
use crate::host::HostArray;
use crate::ops::combine::Combine;
use crate::ops::expand::tangents_through;
use crate::ops::reduce::{kept, offsets};
use crate::ops::reduce_window::Window;
use crate::ops::slice::Slice;
use crate::ops::{Cost, Kind, Primitive, Role, Tangent, again, check_axis, linear_jvp, not_linear};
use crate::stablehlo::{Emitter, Operand};
use crate::trace::{Tensor, bind1};

/// Every element combined with those before it along one axis.
#[derive(Debug, Clone, Copy)]
pub struct Cumulative {
    /// By what: numbers' [`Sum`](Combine::Sum), [`Product`](Combine::Product), [`Max`](Combine::Max) or
    /// [`Min`](Combine::Min).
    pub combine: Combine,
    /// The axis that is run along.
    pub axis: usize,
    /// From the end: every element is combined with those after it.
    pub reverse: bool,
}

impl Cumulative {
    /// The same function in operations with derivatives, log2 of the length deep: sums of neighbouring pairs, their
    /// running sums, and from those what lies between.
    fn expanded(&self, x: &Tensor) -> Tensor {
        match self.reverse {
            true => self.scanned(&x.reverse([self.axis])).reverse([self.axis]),
            false => self.scanned(x),
        }
    }

    fn scanned(&self, x: &Tensor) -> Tensor {
        let len = x.shape()[self.axis];
        if len < 2 {
            return x.clone();
        }
        let pairs = self.two(&self.every_second(x, 0, len - 1), &self.every_second(x, 1, len));
        let odd = self.scanned(&pairs);
        let first = x.slice(self.axis, 0, 1);
        if len == 2 {
            return concatenate(&[&first, &odd], self.axis);
        }
        let before = odd.slice(self.axis, 0, (len - 1) / 2);
        let even = concatenate(&[&first, &self.two(&before, &self.every_second(x, 2, len))], self.axis);
        self.interleaved(&even, &odd)
    }

    fn two(&self, x: &Tensor, y: &Tensor) -> Tensor {
        match self.combine {
            Combine::Product => x * y,
            Combine::Max => x.maximum(y),
            Combine::Min => x.minimum(y),
            _ => x + y,
        }
    }

    fn every_second(&self, x: &Tensor, start: usize, limit: usize) -> Tensor {
        let mut slice = Slice { start: vec![0; x.ndim()], limit: x.shape().to_vec(), stride: vec![1; x.ndim()] };
        (slice.start[self.axis], slice.limit[self.axis], slice.stride[self.axis]) = (start, limit, 2);
        bind1(slice, &[x], Location::caller())
    }

    /// One of each in turn; `even` may have one more.
    fn interleaved(&self, even: &Tensor, odd: &Tensor) -> Tensor {
        let (axis, pairs, len) = (self.axis, odd.shape()[self.axis], even.shape()[self.axis]);
        let mut apart = odd.shape().to_vec();
        apart.insert(axis + 1, 1);
        let mut together = odd.shape().to_vec();
        together[axis] *= 2;
        let column = |x: &Tensor| x.slice(axis, 0, pairs).reshape(apart.clone());
        let paired = concatenate(&[&column(even), &column(odd)], axis + 1).reshape(together);
        match len > pairs {
            true => concatenate(&[&paired, &even.slice(axis, pairs, len)], axis),
            false => paired,
        }
    }

    /// The windows that end (or begin) at every element.
    fn window(&self, shape: &[usize]) -> Window {
        let mut window = Window::trivial(shape.len());
        let len = shape[self.axis];
        window.sizes[self.axis] = len;
        let others = len as i64 - 1;
        window.padding[self.axis] = if self.reverse { (0, others) } else { (others, 0) };
        window
    }
}

impl Primitive for Cumulative {
    fn kind(&self) -> Kind {
        match self.combine {
            Combine::Sum => Kind::CumulativeSum,
            Combine::Product => Kind::CumulativeProduct,
            // Of truth values `any` would be the running maximum, `all` the minimum; the type rule accepts neither.
            Combine::Max | Combine::Any => Kind::CumulativeMax,
            Combine::Min | Combine::All => Kind::CumulativeMin,
        }
    }

    fn attributes(&self) -> String {
        format!("axis {}{}", self.axis, if self.reverse { ", reverse" } else { "" })
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        let x = super::one(inputs)?;
        check_axis(x, self.axis)?;
        match self.combine {
            Combine::Any | Combine::All => Err("sum, product, max or min expected".into()),
            combine => combine.check(x).map(|()| vec![x.clone()]),
        }
    }

    fn eval(&self, inputs: &[&HostArray], _: &[TensorType]) -> Vec<HostArray> {
        let shape = inputs[0].shape();
        let mut steps = offsets(shape, &[self.axis]);
        if self.reverse {
            steps.reverse();
        }
        let starts = offsets(shape, &kept(shape.len(), &[self.axis]));
        let lines = starts.iter().map(|start| steps.iter().map(|step| start + step).collect());
        vec![self.combine.running(inputs[0], lines)]
    }

    /// Windows as long as the axis, which the compiler knows for what they are. Against log2(n) shifted additions and
    /// the tree of `expanded`, in f32 on two shared cores: a million elements take 2.1, 52 and 2.5 ms
    /// (and 0.1, 0.2 and 0.5 s to compile), a thousand 0.03, 0.03 and 0.02 ms; [1000, 1000] along the last axis 2.4, 13
    /// and 3.5 ms, along the first 2.9, 16 and 1.5 ms. The tree's lead along the first axis (up to 2.7 times) is not
    /// worth four times the compilation.
    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        if inputs[0].ty.shape[self.axis] == 0 {
            return vec![inputs[0].name.clone()];
        }
        let (init, region) = self.combine.region(emitter, &inputs[0]);
        self.window(&inputs[0].ty.shape).stablehlo(emitter, inputs, &[init], &region, outputs)
    }

    fn jvp(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        if self.combine == Combine::Sum {
            return linear_jvp(self, primals, tangents);
        }
        let tangents = tangents_through(primals, tangents, |x| vec![self.expanded(&x[0])]);
        (again(self, primals), tangents)
    }

    fn transpose(&self, inputs: &[Role], cotangents: &[Tangent]) -> Vec<Tangent> {
        if self.combine != Combine::Sum {
            return not_linear(self, inputs);
        }
        let back = Self { reverse: !self.reverse, ..*self };
        vec![cotangents[0].as_ref().map(|ct| bind1(back, &[ct], Location::caller()))]
    }

    fn batch(&self, inputs: &[Tensor], _: &[bool], _: usize) -> Vec<Tensor> {
        again(&Self { axis: self.axis + 1, ..*self }, inputs)
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        Cost::flops(inputs[0].len(), inputs, outputs)
    }
}

macro_rules! methods {
    ($($(#[$doc:meta])* $forward:ident, $backward:ident => $combine:ident),* $(,)?) => {
        impl Tensor {$(
            $(#[$doc])*
            /// Of every element with those before it along `axis`; the shape stays.
            #[track_caller]
            pub fn $forward(&self, axis: usize) -> Tensor {
                bind1(Cumulative { combine: Combine::$combine, axis, reverse: false }, &[self], Location::caller())
            }

            $(#[$doc])*
            /// Of every element with those after it along `axis`; the shape stays.
            #[track_caller]
            pub fn $backward(&self, axis: usize) -> Tensor {
                bind1(Cumulative { combine: Combine::$combine, axis, reverse: true }, &[self], Location::caller())
            }
        )*}
    };
}

methods! {
    /// The running sum.
    cumsum, cumsum_reverse => Sum,
    /// The running product. Its derivative is right where elements are zero.
    cumprod, cumprod_reverse => Product,
    /// The running maximum: NaN from the first NaN on, and either zero where zeros of both signs are the largest.
    /// Elements that tie share its derivative.
    cummax, cummax_reverse => Max,
    /// The running minimum: NaN from the first NaN on, and either zero where zeros of both signs are the smallest.
    /// Elements that tie share its derivative.
    cummin, cummin_reverse => Min,
}
