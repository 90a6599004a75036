//! The layers as traced functions.

use tandem_compile::{Conv, Padding, Tensor, checkpoint, concatenate, number, ones, scan, stack, tree, zeros};
use tandem_linalg::eigvalsh;
use tandem_linalg::scale::power_of_two;
use tandem_linalg::spectral::svt;
use tandem_verify::status::Status;

use super::{GroupWeights, Shrinkage};

/// L and S, `[N, 2, H, W, T]` each.
#[derive(Debug, Clone)]
pub struct Parts {
    /// L.
    pub low: Tensor,
    /// S.
    pub sparse: Tensor,
}
tree!(Parts { low, sparse });

/// The traced outputs of [`separate`].
#[derive(Debug, Clone)]
pub struct Separated {
    /// L, `[N, 2, H, W, T]`.
    pub low: Tensor,
    /// S, `[N, 2, H, W, T]`.
    pub sparse: Tensor,
    /// The bits of [`Status`], i32.
    pub status: Tensor,
}

impl Separated {
    /// The outputs in the order in which they are listed to users, the status last.
    pub fn into_vec(self) -> Vec<Tensor> {
        vec![self.low, self.sparse, self.status]
    }
}

/// One layer. kernels: `[6, 2, height, width, time]`; thresholds: `[2]`; unit: what the movies have been divided by, `[N]`.
#[track_caller]
pub fn layer(shrinkage: Shrinkage, d: &Tensor, parts: &Parts, weights: &GroupWeights, unit: &Tensor) -> Parts {
    let channels = concatenate(&[&parts.low, &parts.sparse, d], 1);
    let mixed = channels.conv(&real_kernel(&weights.kernels), Conv { padding: Padding::Same, ..Conv::default() });
    let (low, sparse) = (mixed.slice(1, 0, 2), mixed.slice(1, 2, 4));
    let (a, b) = (weights.thresholds.at_index(0, 0), weights.thresholds.at_index(0, 1));
    match shrinkage {
        Shrinkage::Relative { low: most, sparse: share } => {
            let x = real_form(&low);
            let tau = largest_singular_value(&x) * (a.logistic() * most);
            let squares = row_squares(&sparse);
            let mean = squares.mean_axes([1, 2]).reshape([d.dim(0), 1, 1]);
            let shorter = 1.0 - mean * (b.logistic() * share) / or_one(&squares);
            Parts { low: thresholded(&x, &tau, &low), sparse: sparse * over_rows(&shorter.maximum(0.0)) }
        }
        Shrinkage::Proximal => {
            let tau = a.maximum(0.0) / unit;
            let low = thresholded(&real_form(&low), &tau, &low);
            Parts { low, sparse: shorter_by(&sparse, &(b.maximum(0.0) / unit)) }
        }
    }
}

/// Every row of S shorter by `by` (`[N]`), those that are shorter than that gone.
#[track_caller]
pub(super) fn shorter_by(sparse: &Tensor, by: &Tensor) -> Tensor {
    let length = or_one(&row_squares(sparse)).sqrt();
    let factor = 1.0 - by.reshape([by.dim(0), 1, 1]) / length;
    sparse * over_rows(&factor.maximum(0.0))
}

/// SVT of the Casorati matrix of every movie by tau (`[N]`).
#[track_caller]
pub(super) fn svt_of_movies(x: &Tensor, tau: &Tensor) -> Tensor {
    thresholded(&real_form(x), tau, x)
}

fn thresholded(form: &Tensor, tau: &Tensor, like: &Tensor) -> Tensor {
    let t = like.dim(4);
    // The first block column holds A and B.
    svt(form, tau).slice(2, 0, t).reshape(like.shape())
}

/// The matrices (A -B; B A), `[N, 2 H W, 2 T]`, of movies A + iB.
fn real_form(x: &Tensor) -> Tensor {
    let (n, pixels, t) = (x.dim(0), x.dim(2) * x.dim(3), x.dim(4));
    let part = |i: usize| x.slice(1, i, i + 1).reshape([n, pixels, t]);
    let (a, b) = (part(0), part(1));
    let left = concatenate(&[&a, &b], 1);
    let right = concatenate(&[&-b, &a], 1);
    concatenate(&[&left, &right], 2)
}

/// The largest singular value of each, `[N]`: the root of the largest eigenvalue of the smaller Gram matrix, to rounding
/// (the smaller ones would not be). Its derivative at zero is taken to be 0.
fn largest_singular_value(x: &Tensor) -> Tensor {
    let turned = x.transpose([0, 2, 1]);
    let gram = if x.dim(1) >= x.dim(2) { turned.matmul(x) } else { x.matmul(&turned) };
    let largest = eigvalsh(&gram).at_index(1, -1);
    let something = largest.gt(0.0);
    // NaN stays.
    let root = something.select(&largest, number(1.0, largest.dtype())).sqrt();
    largest.le(0.0).select(0.0, something.select(root, largest))
}

/// The squared lengths of the rows, `[N, H, W]`.
fn row_squares(x: &Tensor) -> Tensor {
    x.square().sum_axes([1, 4])
}

/// 1 instead of 0: of what is zero, any multiple is.
fn or_one(x: &Tensor) -> Tensor {
    x.eq(0.0).select(1.0, x)
}

/// `[N, H, W]` as `[N, 1, H, W, 1]`.
fn over_rows(x: &Tensor) -> Tensor {
    x.reshape([x.dim(0), 1, x.dim(1), x.dim(2), 1])
}

/// The six complex kernels as one real kernel `[4, 6, height, width, time]`, from the parts of L, S and D to those of what becomes
/// L and S: A + iB takes (x, y) to (A x - B y, B x + A y).
fn real_kernel(kernels: &Tensor) -> Tensor {
    let taps = &kernels.shape()[2..];
    // From L, S and D: P_5, P_3, P_1 to L; P_4, P_6, P_2 to S.
    let places = [5, 3, 1, 4, 6, 2].map(|p| kernels.slice(0, p - 1, p));
    let ordered = concatenate(&places.each_ref(), 0).reshape([&[2, 3, 2], taps].concat());
    let part = |i: usize| ordered.at_index(2, i as i64);
    let (a, b) = (part(0), part(1));
    // [to, from, part of the result, part of the input, taps].
    let rows = [stack(&[&a, &-&b], 2), stack(&[&b, &a], 2)];
    let blocks = stack(&rows.each_ref(), 1);
    // From [to, part of the result, from, part of the input, taps].
    blocks.reshape([&[4, 6], taps].concat())
}

/// All layers, from L = S = 0; a `scan` per group, whose reverse mode keeps L and S of every layer and computes the rest
/// again. unit: what the movies have been divided by, `[N]`.
#[track_caller]
pub(super) fn layers(shrinkage: Shrinkage, d: &Tensor, weights: &[GroupWeights], unit: &Tensor) -> Parts {
    let nothing = || zeros(d.shape(), d.dtype());
    let mut parts = Parts { low: nothing(), sparse: nothing() };
    for group in weights {
        let one = checkpoint(|(parts, weights): (Parts, GroupWeights)| layer(shrinkage, d, &parts, &weights, unit));
        parts = scan(parts, group.clone(), |parts, weights| (one((parts, weights)), ())).0;
    }
    parts
}

/// The layers on movies in their own units.
#[track_caller]
pub fn unrolled(shrinkage: Shrinkage, d: &Tensor, weights: &[GroupWeights]) -> Parts {
    layers(shrinkage, d, weights, &ones([d.dim(0)], d.dtype()))
}

/// The separation of the movies `d` (`[N, 2, H, W, T]`, f32 or f64) with its status. Every movie is divided by a power of two near
/// its largest number meanwhile. NaN or infinity in a movie makes both of its parts NaN, and no other's; in the weights, all.
#[track_caller]
pub fn separate(shrinkage: Shrinkage, d: &Tensor, weights: &[GroupWeights]) -> Separated {
    let n = d.dim(0);
    let most = d.abs().max_axes([1, 2, 3, 4]);
    let sound = |w: &GroupWeights| w.kernels.is_finite().all() & w.thresholds.is_finite().all();
    let finite = weights.iter().fold(most.is_finite(), |finite, w| {
        let sound = sound(w).broadcast_to([n]);
        finite & sound
    });
    let unit = power_of_two(&most);
    let wide = |x: &Tensor| x.reshape([n, 1, 1, 1, 1]);
    let shape = d.shape();
    let spread = |x: &Tensor| wide(x).broadcast_to(shape);
    let scaled = spread(&finite).select(d / wide(&unit), 0.0);
    let Parts { low, sparse } = layers(shrinkage, &scaled, weights, &unit);
    let broken = !(low.is_finite().all() & sparse.is_finite().all());
    let zero = most.eq(0.0).any();
    let status = Status::traced(&finite.all(), &[(Status::DEGENERATE, &zero), (Status::BREAKDOWN, &broken)]);
    let nan = number(f64::NAN, d.dtype());
    let back = |x: Tensor| spread(&finite).select(x * wide(&unit), &nan);
    Separated { low: back(low), sparse: back(sparse), status }
}
