//! Products and convolutions of random geometry, in the interpreter: their derivatives against differences, which are
//! exact for bilinear functions, their transposes against the derivatives, and their batches against a loop.

use tandem_compile::ops::convolution::{ConvAxes, Convolution};
use tandem_compile::ops::dot::{DotGeneral, Precision};
use tandem_compile::{HostArray, Tensor, TensorType, jvp, trace, vjp, vmap_axes};

/// A linear congruential generator.
struct Stream(u64);

impl Stream {
    /// From `low` up to and with `high`.
    fn between(&mut self, low: usize, high: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        low + (self.0 >> 33) as usize % (high - low + 1)
    }

    fn array(&mut self, shape: &[usize]) -> HostArray {
        HostArray::from_fn(shape, |_| self.between(0, 1 << 20) as f64 / f64::from(1 << 19) - 1.0)
    }

    fn permutation(&mut self, len: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..len).collect();
        (1..len).for_each(|i| order.swap(i, self.between(0, i)));
        order
    }

    /// A size that is zero at times.
    fn size(&mut self, high: usize) -> usize {
        let least = usize::from(self.between(0, 15) > 0);
        self.between(least, high)
    }

    fn axes(&mut self, spatial: usize) -> ConvAxes {
        let order = self.permutation(spatial + 2);
        ConvAxes { outer: order[0], feature: order[1], spatial: order[2..].to_vec() }
    }

    fn steps(&mut self, spatial: usize) -> Vec<usize> {
        (0..spatial).map(|_| self.between(1, 3)).collect()
    }
}

/// A function of two arrays of these shapes.
struct Bilinear<F> {
    what: String,
    f: F,
    shapes: [Vec<usize>; 2],
}

impl<F: Fn(&Tensor, &Tensor) -> Tensor> Bilinear<F> {
    fn run(&self, arguments: &[&HostArray], f: impl Fn(&[Tensor]) -> Vec<Tensor>) -> Vec<HostArray> {
        let types: Vec<TensorType> = arguments.iter().map(|x| x.ty()).collect();
        let graph = trace(|x: Vec<Tensor>| f(&x), &types).unwrap_or_else(|error| panic!("{}: {error}", self.what));
        graph.check().unwrap_or_else(|error| panic!("{}: {error}", self.what));
        graph.eval(&arguments.iter().map(|&x| x.clone()).collect::<Vec<_>>()).unwrap()
    }

    fn value(&self, x: &HostArray, y: &HostArray) -> HostArray {
        self.run(&[x, y], |t| vec![(self.f)(&t[0], &t[1])]).remove(0)
    }

    fn check(&self, stream: &mut Stream) {
        let [x, y, dx, dy] = [0, 1, 0, 1].map(|i: usize| stream.array(&self.shapes[i]));
        let ct = stream.array(self.value(&x, &y).shape());
        let apply = |(x, y): (Tensor, Tensor)| (self.f)(&x, &y);
        let pair = |x: &Tensor, y: &Tensor| (x.clone(), y.clone());
        let found = self.run(&[&x, &y, &dx, &dy, &ct], |t| {
            let push = jvp(apply, pair(&t[0], &t[1]), pair(&t[2], &t[3])).1;
            let back = vjp(apply, pair(&t[0], &t[1])).1(t[4].clone());
            vec![push, back.0, back.1]
        });
        let (up, down) = (
            self.value(&moved(&x, &dx, 0.5), &moved(&y, &dy, 0.5)),
            self.value(&moved(&x, &dx, -0.5), &moved(&y, &dy, -0.5)),
        );
        self.near("the derivative", &found[0].to_f64(), &moved(&up, &down, -1.0).to_f64());
        self.near("the transpose", &[inner(&found[1], &dx) + inner(&found[2], &dy)], &[inner(&found[0], &ct)]);
        for (mapped, size) in [([true, false], 2), ([false, true], 3), ([true, true], 2), ([true, true], 0)] {
            self.check_batch(stream, mapped, size);
        }
    }

    fn check_batch(&self, stream: &mut Stream, mapped: [bool; 2], size: usize) {
        let [x, y] = [0, 1].map(|i| {
            let shape = &self.shapes[i];
            stream.array(&if mapped[i] { [&[size], shape.as_slice()].concat() } else { shape.clone() })
        });
        let axes = mapped.map(|mapped| mapped.then_some(0));
        let apply = |(x, y): (Tensor, Tensor)| (self.f)(&x, &y);
        let found = self.run(&[&x, &y], |t| vec![vmap_axes(apply, axes, [0])((t[0].clone(), t[1].clone()))]).remove(0);
        let part = |x: &HostArray, mapped: bool, at: usize| match mapped {
            true => {
                let values = x.to_f64();
                let len = values.len() / size;
                HostArray::from_fn(&x.shape()[1..], |i| values[at * len + i])
            }
            false => x.clone(),
        };
        let single: Vec<f64> =
            (0..size).flat_map(|at| self.value(&part(&x, mapped[0], at), &part(&y, mapped[1], at)).to_f64()).collect();
        self.near("the batch", &found.to_f64(), &single);
    }

    fn near(&self, name: &str, found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len(), "{name} of {}", self.what);
        for (x, y) in found.iter().zip(expected) {
            assert!((x - y).abs() < 1e-10, "{name} of {}: {x} instead of {y}", self.what);
        }
    }
}

fn moved(x: &HostArray, dx: &HostArray, step: f64) -> HostArray {
    let (x, dx, shape) = (x.to_f64(), dx.to_f64(), x.shape());
    HostArray::from_fn(shape, |i| x[i] + step * dx[i])
}

fn inner(x: &HostArray, y: &HostArray) -> f64 {
    x.to_f64().iter().zip(y.to_f64()).map(|(x, y)| x * y).sum()
}

#[test]
fn products_of_any_axes_are_bilinear_in_every_mode() {
    let mut stream = Stream(3);
    for _ in 0..150 {
        let [batch, contracting, lhs_free, rhs_free] = [(); 4].map(|()| stream.between(0, 2));
        let common: Vec<usize> = (0..batch + contracting).map(|_| stream.size(4)).collect();
        let mut side = |free: usize| {
            let order = stream.permutation(common.len() + free);
            let mut shape = vec![0; order.len()];
            order.iter().enumerate().for_each(|(i, &axis)| {
                shape[axis] = common.get(i).copied().unwrap_or_else(|| stream.size(3));
            });
            (order, shape)
        };
        let ((lhs, x), (rhs, y)) = (side(lhs_free), side(rhs_free));
        let op = DotGeneral {
            lhs_batch: lhs[..batch].to_vec(),
            rhs_batch: rhs[..batch].to_vec(),
            lhs_contracting: lhs[batch..common.len()].to_vec(),
            rhs_contracting: rhs[batch..common.len()].to_vec(),
            precision: Precision::Highest,
        };
        let what = format!("{op:?} of {x:?} and {y:?}");
        Bilinear { what, f: |x: &Tensor, y: &Tensor| x.dot_general(y, op.clone()), shapes: [x, y] }.check(&mut stream);
    }
}

#[test]
fn convolutions_of_any_geometry_are_bilinear_in_every_mode() {
    let mut stream = Stream(7);
    for _ in 0..300 {
        let spatial = stream.between(0, 3);
        let (feature_groups, batch_groups) = [(1, 1), (1, 2), (2, 1), (3, 1), (1, 3)][stream.between(0, 4)];
        let op = Convolution {
            lhs_axes: stream.axes(spatial),
            rhs_axes: stream.axes(spatial),
            out_axes: stream.axes(spatial),
            strides: stream.steps(spatial),
            padding: (0..spatial).map(|_| (stream.between(0, 5) as i64 - 2, stream.between(0, 5) as i64 - 2)).collect(),
            lhs_dilation: stream.steps(spatial),
            rhs_dilation: stream.steps(spatial),
            feature_groups,
            batch_groups,
            precision: Precision::Highest,
        };
        let features = stream.between(1, 2);
        let x = [batch_groups * stream.between(1, 2), feature_groups * features];
        let w = [feature_groups * batch_groups * stream.between(1, 2), features];
        let x = placed(&op.lhs_axes, x, || stream.size(6));
        let w = placed(&op.rhs_axes, w, || stream.size(4));
        let what = format!("{op:?} of {x:?} and {w:?}");
        Bilinear { what, f: |x: &Tensor, w: &Tensor| x.convolution(w, op.clone()), shapes: [x, w] }.check(&mut stream);
    }
}

fn placed(axes: &ConvAxes, [outer, feature]: [usize; 2], mut size: impl FnMut() -> usize) -> Vec<usize> {
    let mut shape = vec![0; axes.spatial.len() + 2];
    shape[axes.outer] = outer;
    shape[axes.feature] = feature;
    axes.spatial.iter().for_each(|&axis| shape[axis] = size());
    shape
}
