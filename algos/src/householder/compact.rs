//! The compact WY form, Q = I - V T V': products, and one triangular matrix inverted by halves. Its derivative is the
//! derivative of every form.
//!
//! With S = triu(V'V, 1) + diag(|v_j|^2 / 2), upper triangular, T is S^-1 (the "UT transform": Joffrain, Low,
//! Quintana-Orti, van de Geijn and Van Zee, "Accumulating Householder transformations, revisited", ACM TOMS 32, 2006).
//! No element of T for unit vectors exceeds 4: column j holds what the j-th vector, reflected, has along the others.

use tandem_compile::{DType, Tensor, concatenate, iota, kernel, scalar, stop_gradient, zeros};
use tandem_linalg::scale::power_of_two;

/// What the reflections act on.
pub(super) enum Operand {
    /// The first columns of the identity, so many: Q X is the thin Q.
    Columns(usize),
    /// A matrix `[d, r]`.
    Given(Tensor),
}

impl Operand {
    /// The matrix itself, `[d, r]`.
    pub fn matrix(&self, d: usize, dtype: DType) -> Tensor {
        match self {
            Operand::Columns(r) => identity(d, *r, dtype),
            Operand::Given(x) => x.clone(),
        }
    }

    /// V'X for V `[d, k]`.
    fn seen_by(&self, v: &Tensor) -> Tensor {
        match self {
            Operand::Columns(r) => v.slice(0, 0, *r).t(),
            Operand::Given(x) => v.contract(x, 0, 0),
        }
    }
}

/// The first `r` columns of the identity, `[d, r]`; the whole of it is never formed.
pub(super) fn identity(d: usize, r: usize, dtype: DType) -> Tensor {
    iota([d, r], 0, DType::I32).eq(iota([d, r], 1, DType::I32)).convert(dtype)
}

/// V with every column divided by a power of two, so that its largest magnitude is in [1, 2): exact, and squares stay
/// in range.
///
/// Q(V diag(c)) = Q(V) for every c, so that c counts as a constant in every derivative.
pub(super) fn scaled(v: &Tensor) -> Tensor {
    let constant = stop_gradient(v);
    // Two reductions, and no array of magnitudes that is written and read again.
    let largest = constant.max_axes([0]).maximum(-constant.min_axes([0]));
    let unit = power_of_two(&largest);
    v / unit.reshape([1, v.dim(1)])
}

/// Q X, or Q'X where `transpose`.
///
/// v: `[d, k]`, scaled, k >= 1. Kept for the derivative: V, X, S^-1 and Z = S^-1 V'X, which is d k + d r + k^2 + k r
/// numbers.
pub(super) fn apply(v: &Tensor, x: &Operand, transpose: bool) -> Tensor {
    let (z, _) = solve(&half_gram(v), &x.seen_by(v), transpose);
    x.matrix(v.dim(0), v.dtype()) - v.dot(&z)
}

/// Whether an element of a matrix of this shape, `[..., n, n]`, is above the diagonal, and on it.
fn triangle(shape: &[usize]) -> (Tensor, Tensor) {
    let (row, column) = (shape.len() - 2, shape.len() - 1);
    let (i, j) = (iota(shape, row, DType::I32), iota(shape, column, DType::I32));
    (i.lt(&j), i.eq(&j))
}

/// S of V `[d, k]`; where a column is zero its diagonal element is 1, which makes its reflection the identity.
///
/// The derivative needs one product in either mode, V'dV, where that of V'V has two.
pub(super) fn half_gram(v: &Tensor) -> Tensor {
    let of = |v: Tensor| {
        let gram = v.contract(&v, 0, 0);
        let (above, diagonal) = triangle(gram.shape());
        let half = gram.eq(0.0).select(1.0, &gram * 0.5);
        above.select(&gram, diagonal.select(half, 0.0))
    };
    let rule = |v: &Tensor, _: &Tensor, dv: &Tensor| {
        let p = v.contract(dv, 0, 0);
        let (above, diagonal) = triangle(p.shape());
        above.select(&p + p.t(), diagonal.select(&p, 0.0))
    };
    kernel(None, of, rule)(v.clone())
}

/// Z with S Z = B (S'Z = B where `transpose`), and the inverses of the diagonal blocks of S by which it was found.
fn solve(s: &Tensor, b: &Tensor, transpose: bool) -> (Tensor, Tensor) {
    type Pair = (Tensor, Tensor);
    let solved = kernel(
        None,
        move |(s, b): Pair| {
            let t = block_inverses(&s, WHOLE);
            (substituted(&s, &t, &b, transpose), t)
        },
        move |(s, _): &Pair, (z, t): &Pair, (ds, db): &Pair| {
            let dz = substituted(s, t, &(db - times(ds, z, transpose)), transpose);
            let own = blocks(&padded(ds, t.dim(0) * t.dim(1)), t.dim(1), 1, 0);
            (dz, -t.matmul(&own).matmul(t))
        },
    );
    solved((s.clone(), b.clone()))
}

/// T B, or T'B.
fn times(t: &Tensor, b: &Tensor, transpose: bool) -> Tensor {
    if transpose { t.contract(b, 0, 0) } else { t.dot(b) }
}

/// S^-1 B, or S'^-1 B, from the inverses of one or of two diagonal blocks of S, `[blocks, w, w]`: with two, Z2 = T2 B2 and
/// Z1 = T1 (B1 - G Z2), which is a quarter less than T B.
fn substituted(s: &Tensor, t: &Tensor, b: &Tensor, transpose: bool) -> Tensor {
    let (k, w) = (s.dim(0), t.dim(1));
    let rest = k - w.min(k);
    let inverse = |at: usize, size: usize| t.index(0, &scalar(at as i32)).slice(0, 0, size).slice(1, 0, size);
    if rest == 0 {
        return times(&inverse(0, k), b, transpose);
    }
    let between = s.slice(0, 0, w).slice(1, w, k);
    let (b1, b2) = (b.slice(0, 0, w), b.slice(0, w, k));
    let (t1, t2) = (inverse(0, w), inverse(1, rest));
    let (z1, z2) = if transpose {
        let z1 = times(&t1, &b1, true);
        let z2 = times(&t2, &(b2 - times(&between, &z1, true)), true);
        (z1, z2)
    } else {
        let z2 = t2.dot(&b2);
        (t1.dot(&(b1 - between.dot(&z2))), z2)
    };
    concatenate(&[&z1, &z2], 0)
}

/// The diagonal blocks that are inverted together, by comparatively many small products.
const LEAF: usize = 32;

/// The largest matrix whose whole inverse is formed to solve with it; of a larger one, those of its two halves.
const WHOLE: usize = 64;

/// The inverse of an upper triangular matrix `[k, k]`.
pub(super) fn upper_inverse(s: &Tensor) -> Tensor {
    let k = s.dim(0);
    let t = block_inverses(s, usize::MAX);
    t.reshape([t.dim(1), t.dim(1)]).slice(0, 0, k).slice(1, 0, k)
}

/// The inverses of the diagonal blocks of an upper triangular matrix `[k, k]`: of one, or of two where k is more than
/// `whole`. Their size is a power of two, or such a multiple of it; beyond k they are identities.
///
/// [S1, G; 0, S2]^-1 = [T1, -T1 G T2; 0, T2]: neighbouring blocks are joined, all pairs of a level at once.
fn block_inverses(s: &Tensor, whole: usize) -> Tensor {
    let k = s.dim(0);
    let leaf = k.next_power_of_two().min(LEAF);
    let s = padded(s, leaf * k.div_ceil(leaf).next_power_of_two());
    let missing = triangle(s.shape()).1 & iota(s.shape().to_vec(), 0, DType::I32).ge(k as i32);
    let s = missing.select(1.0, s);
    let mut t = leaves(&blocks(&s, leaf, 1, 0));
    let left = if k > whole { 2 } else { 1 };
    while t.dim(0) > left {
        t = joined(&t, &blocks(&s, t.dim(1), 2, 1));
    }
    t
}

/// S with zeros up to `[size, size]`.
fn padded(s: &Tensor, size: usize) -> Tensor {
    let more = (size - s.dim(0)) as i64;
    s.pad(0.0, &[(0, more, 0), (0, more, 0)])
}

/// Of a matrix in square blocks of `width`: the blocks (0, shift), (step, step + shift), (2 step, 2 step + shift), ...
/// as `[count, width, width]`.
fn blocks(s: &Tensor, width: usize, step: usize, shift: usize) -> Tensor {
    let count = s.dim(0) / (width * step);
    let shape = [count, step, width, count, step, width];
    let parts = s.reshape(shape).slice(1, 0, 1).slice(4, shift, shift + 1).reshape([count, width, count, width]);
    if count == 1 {
        return parts.reshape([1, width, width]);
    }
    let shape = parts.shape().to_vec();
    let own = iota(shape.clone(), 0, DType::I32).eq(iota(shape, 2, DType::I32));
    own.select(parts, 0.0).sum_axes([2])
}

/// The inverses of upper triangular blocks `[p, b, b]`, b a power of two: by the same joining, with masks for shapes.
fn leaves(s: &Tensor) -> Tensor {
    let shape = s.shape().to_vec();
    let (i, j) = (iota(shape.clone(), 1, DType::I32), iota(shape.clone(), 2, DType::I32));
    let diagonal = i.eq(&j);
    let own = diagonal.select(s, 0.0).sum_axes([2]).broadcast_in_dim(shape.clone(), [0, 1]);
    let start = diagonal.select(1.0 / own, 0.0);
    (0..shape[2].ilog2()).fold(start, |t, level| {
        let (block_i, block_j) = (i.shift_right(level as i32), j.shift_right(level as i32));
        let neighbours = (&block_i & scalar(1i32)).eq(0) & block_j.eq(&block_i + 1);
        let between = neighbours.select(s, 0.0);
        if level == 0 {
            // The blocks are single numbers: no product of matrices is needed.
            let column = t.sum_axes([2]).broadcast_in_dim(shape.clone(), [0, 1]);
            let row = t.sum_axes([1]).broadcast_in_dim(shape.clone(), [0, 2]);
            return &t - column * between * row;
        }
        &t - t.matmul(&between).matmul(&t)
    })
}

/// `[p, b, b]` inverses and the p / 2 blocks between them: `[p / 2, 2 b, 2 b]`.
fn joined(t: &Tensor, between: &Tensor) -> Tensor {
    let (pairs, width) = (t.dim(0) / 2, t.dim(1));
    let halves = t.reshape([pairs, 2, width, width]);
    let half = |at: usize| halves.slice(1, at, at + 1).reshape([pairs, width, width]);
    let (first, second) = (half(0), half(1));
    let corner = -first.matmul(between).matmul(&second);
    let nothing = zeros(first.shape(), t.dtype());
    let (top, bottom) = (concatenate(&[&first, &corner], 2), concatenate(&[&nothing, &second], 2));
    concatenate(&[&top, &bottom], 1)
}
