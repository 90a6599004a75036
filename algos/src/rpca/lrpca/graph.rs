//! The layers as traced functions.

use tandem_compile::{DType, HostArray, Tensor, checkpoint, concatenate, constant, eye, kernel, number, scan, tree};
use tandem_linalg::scale::{max_abs, power_of_two};
use tandem_linalg::{cholesky_solve, svd};
use tandem_verify::status::Status;

use super::{Parameters, RIDGE};

/// Thresholds and steps as tensors, which a gradient reaches.
#[derive(Debug, Clone)]
pub struct Weights {
    /// zeta_0, ..., zeta_T, `[T + 1]`, in the units of the matrix; below 0 they count as 0.
    pub zeta: Tensor,
    /// eta_1, ..., eta_T, `[T]`.
    pub eta: Tensor,
}
tree!(Weights { zeta, eta });

/// X = L R'.
#[derive(Debug, Clone)]
pub struct Factors {
    /// L, `[m, r]`.
    pub left: Tensor,
    /// R, `[n, r]`.
    pub right: Tensor,
}
tree!(Factors { left, right });

/// The traced outputs of [`separate`].
#[derive(Debug, Clone)]
pub struct Separated {
    /// X of the last layer, `[m, n]`, of rank r at most.
    pub l: Tensor,
    /// soft_{zeta_T}(M - X) for it, `[m, n]`: l + s is M up to zeta_T.
    pub s: Tensor,
    /// The number of layers, i32; 0 of a zero matrix.
    pub iterations: Tensor,
    /// The bits of [`Status`], i32.
    pub status: Tensor,
}

impl Separated {
    /// The outputs in the order in which they are listed to users, the status last.
    pub fn into_vec(self) -> Vec<Tensor> {
        vec![self.l, self.s, self.iterations, self.status]
    }
}

impl Weights {
    /// Parameters as constants.
    #[track_caller]
    pub fn constant(parameters: &Parameters, dtype: DType) -> Self {
        let vector = |x: &[f64]| match dtype {
            DType::F64 => constant(&HostArray::from_fn([x.len()], |i| x[i])),
            _ => constant(&HostArray::from_fn([x.len()], |i| x[i] as f32)),
        };
        Self { zeta: vector(&parameters.zeta), eta: vector(&parameters.eta) }
    }

    /// The number of layers, T.
    pub fn layers(&self) -> usize {
        self.eta.dim(0)
    }

    /// These layers and then `further` ones, in each of which the threshold falls by `ratio` and the step is `step` (both
    /// `[]`, and both may be learned): the recurrent end of [`Parameters::recurrent`].
    #[track_caller]
    pub fn recurrent(&self, further: usize, ratio: &Tensor, step: &Tensor) -> Self {
        if further == 0 {
            return self.clone();
        }
        let powers = ratio.broadcast_to([further]).cumprod(0);
        let zeta = self.zeta.at_index(0, -1) * powers;
        Self {
            zeta: concatenate(&[&self.zeta, &zeta], 0),
            eta: concatenate(&[&self.eta, &step.broadcast_to([further])], 0),
        }
    }
}

/// x - soft_zeta(x): x where |x| <= zeta, and zeta with its sign elsewhere. The derivative of the soft threshold at
/// |x| = zeta is 0.
fn clipped(x: &Tensor, zeta: &Tensor) -> Tensor {
    x.abs().gt(zeta).select(x.sign() * zeta, x)
}

/// soft_zeta(x).
fn soft(x: &Tensor, zeta: &Tensor) -> Tensor {
    x - clipped(x, zeta)
}

/// The factors U Sigma^{1/2} and V Sigma^{1/2} of the best approximation of `a` (`[m, n]`, f32 or f64) of rank `rank`.
///
/// Singular values up to 2 max(m, n) u of the largest count as zero, and so do their columns.
///
/// The derivative is that of the product, not of singular vectors: dX is the derivative of the projection on matrices of
/// rank r, and of all tangents (dL, dR) with dL R' + L dR' = dX that one is taken which keeps L'dL and R'dR apart by the
/// least, dL = (I - P_L / 2) dX R (R'R)^-1. What depends on X alone has the right derivative, whatever the factors, and a
/// finite one also where singular values are equal, but for sigma_r = sigma_{r+1}: differences of those two that are
/// below 8 max(m, n) u sigma_1 count as that much.
#[track_caller]
pub fn leading(a: &Tensor, rank: usize) -> Factors {
    type Parts = (Tensor, Tensor, Tensor, Tensor);
    let (u, s, vh) = svd(a);
    let factors = kernel(
        None,
        move |(a, u, s, vh): Parts| {
            let root = roots(&s, rank, a.shape()).expand_dims(0);
            Factors { left: u.slice(1, 0, rank) * &root, right: vh.slice(0, 0, rank).t() * root }
        },
        move |(a, u, s, vh): &Parts, _: &Factors, (da, ..): &Parts| {
            let root = roots(s, rank, a.shape()).expand_dims(0);
            let kept = root.gt(0.0);
            let inverse = kept.select(1.0 / kept.select(&root, 1.0), 0.0);
            let (left, right) = moved((u, s, vh), da, rank);
            Factors { left: left * &inverse, right: right * inverse }
        },
    );
    factors((a.clone(), u, s, vh))
}

/// The roots of the first singular values, `[r]`; 0 of those that rounding may have made.
fn roots(s: &Tensor, rank: usize, shape: &[usize]) -> Tensor {
    let size = shape[0].max(shape[1]) as f64;
    let floor = s.at_index(0, 0) * (2.0 * size * s.dtype().unit_roundoff());
    let first = s.slice(0, 0, rank);
    // Not `gt`: NaN stays.
    first.le(floor).select(0.0, first).sqrt()
}

/// (I - U_r U_r' / 2) dX V_r and (I - V_r V_r' / 2) dX' U_r for the tangent dX of the best approximation of rank r.
///
/// With P = U'dA V_r and Q = V'dA'U_r: dX V_r = dA V_r + U_rest D, D_ij = s_i (s_i P_ij + s_j Q_ij) / (s_j^2 - s_i^2)
/// for i > r >= j, and the same for dX' with P and Q exchanged.
fn moved((u, s, vh): (&Tensor, &Tensor, &Tensor), da: &Tensor, rank: usize) -> (Tensor, Tensor) {
    let (k, size) = (s.dim(0), da.dim(0).max(da.dim(1)) as f64);
    let v = vh.t();
    let (first, first_v) = (u.slice(1, 0, rank), v.slice(1, 0, rank));
    let (dav, dau) = (da.dot(&first_v), da.contract(&first, 0, 0));
    let (p, q) = (u.contract(&dav, 0, 0), v.contract(&dau, 0, 0));
    let half = |x: &Tensor, vectors: &Tensor, inner: &Tensor| x - vectors.dot(&inner.slice(0, 0, rank)) * 0.5;
    let (mut left, mut right) = (half(&dav, &first, &p), half(&dau, &first_v, &q));
    if k > rank {
        let rest = |x: &Tensor, axis: usize| x.slice(axis, rank, k);
        let (below, above) = (rest(s, 0).expand_dims(1), s.slice(0, 0, rank).expand_dims(0));
        let smallest = if s.dtype() == DType::F64 { f64::MIN_POSITIVE } else { f32::MIN_POSITIVE.into() };
        let least = s.at_index(0, 0) * (8.0 * size * s.dtype().unit_roundoff()) + smallest;
        let gap = &above - &below;
        let gap = gap.lt(&least).select(&least, gap);
        // In two factors, each of the size of 1: squares of small singular values would underflow.
        let (own, other) = (&below / &gap * (&below / (&above + &below)), &below / gap * (&above / (&above + &below)));
        let (p, q) = (rest(&p, 0), rest(&q, 0));
        left = left + rest(u, 1).dot(&(&own * &p + &other * &q));
        right = right + rest(&v, 1).dot(&(own * q + other * p));
    }
    (left, right)
}

/// The factors that the layers start from: those of M - soft_{zeta_0}(M).
///
/// m: `[m, n]`, f32 or f64; zeta: `[]`.
#[track_caller]
pub fn start(m: &Tensor, rank: usize, zeta: &Tensor) -> Factors {
    leading(&clipped(m, &zeta.maximum(0.0)), rank)
}

/// One layer: the factors after a step of size `eta` (`[]`) on what the threshold `zeta` (`[]`) leaves.
#[track_caller]
pub fn layer(m: &Tensor, factors: &Factors, zeta: &Tensor, eta: &Tensor) -> Factors {
    let Factors { left, right } = factors;
    // E = X + S - M.
    let e = clipped(&(left.contract(right, 1, 1) - m), &zeta.maximum(0.0));
    Factors {
        left: left - eta * divided(&e.dot(right), right),
        right: right - eta * divided(&e.contract(left, 0, 0), left),
    }
}

/// B (F'F)^-1.
fn divided(b: &Tensor, f: &Tensor) -> Tensor {
    let gram = f.contract(f, 0, 0);
    let trace = gram.trace();
    // Zero columns, of all of which the trace may be, stay zero.
    let ridge = trace.gt(0.0).select(&trace * (RIDGE * f.dtype().unit_roundoff()), 1.0);
    cholesky_solve(&(gram + ridge * eye(f.dim(1), f.dtype())), &b.t()).t()
}

/// All layers: the factors after the last. `weights` has T thresholds and T steps, without that of the start.
///
/// One `scan`; its reverse mode keeps the factors of every layer and computes the rest again.
#[track_caller]
pub fn layers(m: &Tensor, start: Factors, zeta: &Tensor, eta: &Tensor) -> Factors {
    if eta.dim(0) == 0 {
        return start;
    }
    let one = checkpoint(|(factors, zeta, eta): (Factors, Tensor, Tensor)| layer(m, &factors, &zeta, &eta));
    scan(start, (zeta.clone(), eta.clone()), |factors, (zeta, eta)| (one((factors, zeta, eta)), ())).0
}

/// The start and all layers: the factors of X_T, differentiable in `m` and the weights.
///
/// m: `[m, n]`, f32 or f64, in the units of the weights; no scaling, no status: see [`separate`].
#[track_caller]
pub fn unrolled(m: &Tensor, rank: usize, weights: &Weights) -> Factors {
    let first = start(m, rank, &weights.zeta.at_index(0, 0));
    layers(m, first, &weights.zeta.slice(0, 1, weights.layers() + 1), &weights.eta)
}

/// |X_t - X*| / |X*| after the start and after each layer, `[T + 1]`, for a known `truth` X* (`[m, n]`).
#[track_caller]
pub fn errors(m: &Tensor, truth: &Tensor, rank: usize, weights: &Weights) -> Tensor {
    let size = truth.norm();
    let error = |f: &Factors| (f.left.contract(&f.right, 1, 1) - truth).norm() / &size;
    let first = start(m, rank, &weights.zeta.at_index(0, 0));
    let at_start = error(&first).reshape([1]);
    if weights.layers() == 0 {
        return at_start;
    }
    let each = (weights.zeta.slice(0, 1, weights.layers() + 1), weights.eta.clone());
    let (_, rest) = scan(first, each, |factors, (zeta, eta)| {
        let next = layer(m, &factors, &zeta, &eta);
        let error = error(&next);
        (next, error)
    });
    concatenate(&[&at_start, &rest], 0)
}

/// The separation of `m` (`[m, n]`, f32 or f64) with its status. Matrix and thresholds are divided by a power of two near
/// the largest entry meanwhile, so that scaling both by a power of two scales the outputs, bit by bit.
#[track_caller]
pub fn separate(m: &Tensor, rank: usize, weights: &Weights) -> Separated {
    let (dtype, count) = (m.dtype(), weights.layers());
    let most = max_abs(m);
    let finite = most.is_finite() & weights.zeta.is_finite().all() & weights.eta.is_finite().all();
    let zero = most.eq(0.0);
    let unit = power_of_two(&most);
    let scaled = finite.select(m / &unit, 0.0);
    let zeta = &weights.zeta / &unit;
    let first = start(&scaled, rank, &zeta.at_index(0, 0));
    let deficient = first.left.eq(0.0).all_axes([0]).any();
    let found = layers(&scaled, first, &zeta.slice(0, 1, count + 1), &weights.eta);
    let l = found.left.contract(&found.right, 1, 1);
    let s = soft(&(scaled - &l), &zeta.at_index(0, -1).maximum(0.0));
    let broken = !max_abs(&l).is_finite();
    let status = Status::traced(
        &finite,
        &[(Status::RANK_DEFICIENT, &deficient), (Status::DEGENERATE, &zero), (Status::BREAKDOWN, &broken)],
    );
    let nan = number(f64::NAN, dtype);
    let iterations = (finite.clone() & !zero).select(number(count as f64, DType::I32), 0);
    Separated { l: finite.select(l * &unit, &nan), s: finite.select(s * unit, nan), iterations, status }
}
