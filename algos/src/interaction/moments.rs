//! The data, batch by batch on the device, and the moments of the activations of every node layer.

use tandem_compile::{DType, Tensor, Tree, concatenate, iota, number, scan, zeros};
use tandem_linalg::scale::power_of_two;

use super::Section;
use super::section::{per_sample, positions, rows};

/// Samples in batches of equal size; those that fill up the last one weigh nothing.
pub(super) struct Batches {
    /// `[batches, batch, ...]`
    x: Tensor,
    /// 1, or 0 for what fills up, `[batches, batch]`.
    weight: Tensor,
    /// The number of samples.
    pub samples: usize,
}

impl Batches {
    pub fn new(x: &Tensor, batch: usize) -> Self {
        let samples = x.dim(0);
        let batch = batch.clamp(1, samples.max(1));
        let count = samples.div_ceil(batch);
        // Repeated samples: zeros could be what no section was made for.
        let missing = count * batch - samples;
        let all = if missing == 0 { x.clone() } else { concatenate(&[x, &x.slice(0, 0, missing)], 0) };
        let mut shape = vec![count, batch];
        shape.extend(&x.shape()[1..]);
        let weight = iota([count * batch], 0, DType::I32).lt(samples as i32).convert(x.dtype());
        Self { x: all.reshape(shape), weight: weight.reshape([count, batch]), samples }
    }

    /// The first batch, for its shape.
    pub fn first(&self) -> Tensor {
        self.x.at_index(0, 0)
    }

    /// The batch of that number.
    pub fn at(&self, number: &Tensor) -> Tensor {
        self.x.index(0, number)
    }

    /// What `step(sum, number of the batch, batch, weights)` makes of `init` over all batches.
    #[track_caller]
    pub fn fold<T: Tree + Clone>(&self, init: T, step: impl FnOnce(T, Tensor, Tensor, Tensor) -> T) -> T {
        let slices = (iota([self.x.dim(0)], 0, DType::I32), self.x.clone(), self.weight.clone());
        scan(init, slices, |sum, (at, x, weight)| (step(sum, at, x, weight), ())).0
    }
}

/// The activations of every node layer before each section, for a batch of the first one's.
fn activations(sections: &[Section<'_>], x: Tensor) -> Vec<Tensor> {
    let mut all = vec![x];
    for section in sections {
        let next = section(&all[all.len() - 1]);
        all.push(next);
    }
    all
}

/// A coordinate whose standard deviation is within so many rounding units of its largest value is a constant.
pub(super) const CONSTANT_WITHIN: f64 = 512.0;

/// The first two moments of a node layer.
#[derive(Debug, Clone)]
pub(super) struct Moments {
    /// The mean of every coordinate, `[d]`.
    pub mean: Tensor,
    /// The power of two by which activations are divided.
    pub unit: Tensor,
    /// E[(f - mean)'(f - mean)] / unit^2, `[d, d]`, with zeros where a coordinate is constant; of uncentered activations
    /// without the mean.
    pub gram: Tensor,
    /// Whether the last coordinate is 1 everywhere.
    pub has_constant: Tensor,
}

/// The moments of all node layers before a section, centered or not, and of the `output` too where it is wanted: as it is,
/// for it has no constant coordinate.
pub(super) fn moments(batches: &Batches, sections: &[Section<'_>], center: bool, output: bool) -> Vec<Moments> {
    let taken = if output { sections } else { &sections[..sections.len() - 1] };
    let centered = |l: usize| center && l < sections.len();
    let first = first_moments(batches, taken, &centered);
    let center = |(l, first): (usize, &First)| match centered(l) {
        true => first.mean.clone(),
        false => zeros(first.mean.shape(), first.mean.dtype()),
    };
    let centers: Vec<Tensor> = first.iter().enumerate().map(center).collect();
    let nothing: Vec<Tensor> = centers.iter().map(|c| zeros([c.dim(0), c.dim(0)], c.dtype())).collect();
    let grams = batches.fold(nothing, |sums, _, x, weight| {
        let layers = activations(taken, x);
        let each = sums.iter().zip(layers).zip(centers.iter().zip(&first));
        each.map(|((sum, f), (center, first))| {
            let f = rows(&((f.clone() - center) / &first.unit * per_sample(&weight, f.ndim())));
            sum + f.contract(&f, 0, 0)
        })
        .collect()
    });
    let scaled = |(l, ((first, gram), mean)): (usize, ((First, Tensor), Tensor))| {
        let gram = gram / first.count;
        let gram = if centered(l) { varying(&gram, &(&first.most / &first.unit)) } else { gram };
        Moments { gram, mean, unit: first.unit, has_constant: first.has_constant }
    };
    first.into_iter().zip(grams).zip(centers).enumerate().map(scaled).collect()
}

/// The Gram matrix without what rounding leaves of coordinates that are constant, whose largest values are `most`.
fn varying(gram: &Tensor, most: &Tensor) -> Tensor {
    let d = gram.dim(0);
    let varies = gram.diag().sqrt().gt(most * (CONSTANT_WITHIN * gram.dtype().unit_roundoff()));
    (varies.reshape([1, d]) & varies.reshape([d, 1])).select(gram, 0.0)
}

struct First {
    mean: Tensor,
    /// The largest magnitude of every coordinate, `[d]`.
    most: Tensor,
    unit: Tensor,
    has_constant: Tensor,
    /// Samples times positions.
    count: f64,
}

fn first_moments(batches: &Batches, sections: &[Section<'_>], centered: &dyn Fn(usize) -> bool) -> Vec<First> {
    // One batch beside the loop tells the shapes; nothing of it is computed.
    let like = activations(sections, batches.first());
    let start = |f: &Tensor| {
        let (_, width) = positions(f);
        (zeros([width], f.dtype()), zeros([width], f.dtype()), number(0.0, f.dtype()))
    };
    let init: Vec<(Tensor, Tensor, Tensor)> = like.iter().map(start).collect();
    let sums = batches.fold(init, |sums, _, x, weight| {
        let layers = activations(sections, x);
        let each = sums.into_iter().zip(layers);
        each.map(|((sum, most, off), f)| {
            let width = positions(&f).1;
            let last = rows(&f).slice(1, width - 1, width);
            let sum = sum + rows(&(&f * per_sample(&weight, f.ndim()))).sum_axes([0]);
            (sum, most.maximum(rows(&f).abs().max_axes([0])), off.maximum((last - 1.0).abs().max()))
        })
        .collect()
    });
    let finished = |(l, ((sum, most, off), f)): (usize, ((Tensor, Tensor, Tensor), &Tensor))| {
        let count = (batches.samples * positions(f).0) as f64;
        let slack = 64.0 * f.dtype().unit_roundoff();
        // Where it is apart, the constant coordinate has no part in the unit.
        let others = most.dim(0) - usize::from(centered(l) && most.dim(0) > 1);
        let unit = power_of_two(&most.slice(0, 0, others).max());
        First { mean: sum / count, unit, most, has_constant: off.le(slack), count }
    };
    sums.into_iter().zip(&like).enumerate().map(finished).collect()
}
