//! Edges between the coordinates of two layers.

use tandem_compile::{DType, HostArray, Tensor, constant, iota, linearize, map, vjp, zeros};

use super::Edges;
use super::jacobian::forward_is_cheaper;
use super::moments::Batches;
use super::rotation::Coordinates;
use super::section::{per_sample, positions, rows};

/// The edges from a layer's coordinates to the next one's, `[d', d]`.
///
/// `section` maps activations to the next layer's coordinates. It is differentiated at a f C C+, a being the nodes of the
/// integral.
#[track_caller]
pub(super) fn edges(
    batches: &Batches,
    activations: impl Fn(Tensor) -> Tensor,
    section: impl Fn(&Tensor) -> Tensor,
    own: &Coordinates,
    rule: &Edges,
    width: usize,
) -> Tensor {
    let (d, dtype) = (own.c.dim(0), own.c.dtype());
    let mut places = 1;
    let sum = batches.fold(zeros([width, d], dtype), |sum, _, x, weight| {
        let f = activations(x);
        let path = Path::new(&f, own, &weight, rule);
        places = path.places;
        let (t, r) = positions(&section(&path.points));
        match forward_is_cheaper(d, r * t + 1) {
            true => sum + path.by_columns(&section, own),
            false => sum + path.by_rows(&section, own, [t, r]),
        }
    });
    sum / (batches.samples * places) as f64
}

/// A batch on its way from zero: the points where the section is differentiated.
struct Path {
    /// f^, 0 for samples without weight, `[batch, positions, d]`.
    hat: Tensor,
    /// a f C C+ for every node a, one after the other along the first axis.
    points: Tensor,
    /// The weight of every node, `[nodes]`.
    weights: Tensor,
    nodes: usize,
    batch: usize,
    places: usize,
}

impl Path {
    fn new(f: &Tensor, own: &Coordinates, weight: &Tensor, rule: &Edges) -> Self {
        let nodes = rule.nodes();
        let (batch, dtype) = (f.dim(0), f.dtype());
        let (places, d) = positions(f);
        let kept = f - rows(f).dot(&own.lost).reshape(f.shape());
        let list = |values: Vec<f64>| constant(&HostArray::from_fn([values.len()], |i| values[i])).convert(dtype);
        let (at, weights) = nodes.iter().copied().unzip();
        let (at, weights): (Tensor, Tensor) = (list(at), list(weights));
        let mut shape = vec![nodes.len()];
        shape.extend(f.shape());
        let along = at.reshape([&[nodes.len()][..], &vec![1; f.ndim()]].concat());
        let points = kept.expand_dims(0) * along;
        shape.remove(0);
        shape[0] *= nodes.len();
        let hat = rows(f).dot(&own.c).reshape([batch, places, d]) * per_sample(weight, 3);
        Self { hat, points: points.reshape(shape), weights, nodes: nodes.len(), batch, places }
    }

    /// The same for every node, along the first axis.
    fn at_all_nodes(&self, x: &Tensor) -> Tensor {
        let mut shape = vec![self.nodes];
        shape.extend(x.shape());
        let all = x.expand_dims(0).broadcast_to(shape.clone());
        shape.remove(0);
        shape[0] *= self.nodes;
        all.reshape(shape)
    }

    /// The mean over the nodes of `[nodes batch, ...]` as `[batch, rest]`.
    fn integrated(&self, x: &Tensor) -> Tensor {
        let rest = x.ty().len() / (self.nodes * self.batch);
        let x = x.reshape([self.nodes, self.batch * rest]);
        self.weights.dot(&x).reshape([self.batch, rest])
    }

    /// A column of the edges per pass of forward mode, along f^_j C+_j.
    fn by_columns(&self, section: impl Fn(&Tensor) -> Tensor, own: &Coordinates) -> Tensor {
        let d = own.c.dim(0);
        let (y, forward) = linearize(|f: Tensor| section(&f), self.points.clone());
        let r = positions(&y).1;
        let column = |(direction, size): (Tensor, Tensor)| {
            let tangent = size.expand_dims(2) * direction.reshape([1, 1, d]);
            let pushed = forward(self.at_all_nodes(&tangent).reshape(self.points.shape()));
            self.integrated(&pushed).square().reshape([self.batch * positions(&y).0, r]).sum_axes([0])
        };
        map((own.c_plus.clone(), self.hat.move_axis(2, 0)), column).t()
    }

    /// A row of the edges per pass of reverse mode, summed over the output's positions.
    fn by_rows(&self, section: impl Fn(&Tensor) -> Tensor, own: &Coordinates, [t, r]: [usize; 2]) -> Tensor {
        let (d, dtype) = (own.c.dim(0), own.c.dtype());
        let (y, back) = vjp(|f: Tensor| section(&f), self.points.clone());
        let row = |pass: Tensor| {
            let one = iota([t * r], 0, DType::I32).eq(&pass).convert(dtype);
            let cotangent = one.reshape([1, t * r]).broadcast_to([self.nodes * self.batch, t * r]);
            let pulled = self.integrated(&back(cotangent.reshape(y.shape())));
            let turned = pulled.reshape([self.batch * self.places, d]).contract(&own.c_plus, 1, 1);
            let along = (turned.reshape([self.batch, self.places, d]) * &self.hat).sum_axes([1]);
            along.square().sum_axes([0])
        };
        map(iota([t * r], 0, DType::I32), row).reshape([t, r, d]).sum_axes([0])
    }
}
