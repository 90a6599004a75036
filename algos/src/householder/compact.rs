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
    let unit = power_of_two(&stop_gradient(&v.abs().max_axes([0])));
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

/// Z with S Z = B (S'Z = B where `transpose`), and S^-1.
fn solve(s: &Tensor, b: &Tensor, transpose: bool) -> (Tensor, Tensor) {
    type Pair = (Tensor, Tensor);
    let by = move |t: &Tensor, b: &Tensor| if transpose { t.contract(b, 0, 0) } else { t.dot(b) };
    let solved = kernel(
        None,
        move |(s, b): Pair| {
            let t = upper_inverse(&s);
            (by(&t, &b), t)
        },
        move |_: &Pair, (z, t): &Pair, (ds, db): &Pair| {
            let dz = by(t, &(db - by(ds, z)));
            (dz, -t.dot(ds).dot(t))
        },
    );
    solved((s.clone(), b.clone()))
}

/// The diagonal blocks that are inverted together, by comparatively many small products.
const LEAF: usize = 32;

/// The inverse of upper triangular matrices, `[k, k]`.
///
/// [S1, G; 0, S2]^-1 = [T1, -T1 G T2; 0, T2]: neighbouring blocks are joined, all pairs of a level at once, until one
/// is left. The padding is an identity.
pub(super) fn upper_inverse(s: &Tensor) -> Tensor {
    let k = s.dim(0);
    let leaf = k.next_power_of_two().min(LEAF);
    let size = leaf * k.div_ceil(leaf).next_power_of_two();
    let more = (size - k) as i64;
    let (_, diagonal) = triangle(&[size, size]);
    let missing = diagonal & iota([size, size], 0, DType::I32).ge(k as i32);
    let s = missing.select(1.0, s.pad(0.0, &[(0, more, 0), (0, more, 0)]));
    let mut t = leaves(&blocks(&s, leaf, 1, 0));
    while t.dim(0) > 1 {
        t = joined(&t, &blocks(&s, t.dim(1), 2, 1));
    }
    t.reshape([size, size]).slice(0, 0, k).slice(1, 0, k)
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
