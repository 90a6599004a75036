//! The two eigenproblems of a layer, at full static width: columns of directions that are dropped are zero.

use tandem_compile::{DType, Tensor, concatenate, eye, number, ones, zeros};
use tandem_linalg::eigh;

use super::moments::Moments;

/// Directions in which the activations have a mean square of 1, up to those that are dropped.
#[derive(Debug, Clone)]
pub(super) struct Whitening {
    /// R = Y U D^-1/2, `[d, d]`; zero columns after the kept ones.
    pub r: Tensor,
    /// R+ = D^1/2 U' Y^-1, `[d, d]`.
    pub r_plus: Tensor,
    /// D, `[d]`, the constant direction first and then decreasing; 0 where dropped.
    pub spectrum: Tensor,
    /// What f R R+ lacks of f is f times this: exactly 0 where nothing is dropped.
    pub lost: Tensor,
    /// Whether the first direction is the constant one, apart from all others.
    pub constant: bool,
}

impl Whitening {
    /// From the moments of activations whose last coordinate is constant where they are `centered`.
    pub fn new(moments: &Moments, threshold: f64, centered: bool) -> Self {
        match centered {
            true => Self::centered(moments, threshold),
            false => {
                let (d, u, kept) = spectrum(&moments.gram, threshold);
                let root = kept.select(d.sqrt() * &moments.unit, 1.0);
                let (r, r_plus) = scaled(&u, &kept, &root);
                let spectrum = kept.select(root.square(), 0.0);
                Self { r, r_plus, spectrum, lost: dropped(&u, &kept), constant: false }
            }
        }
    }

    /// The constant coordinate has no part in the eigenproblem: after centering it is zero there.
    fn centered(moments: &Moments, threshold: f64) -> Self {
        let (width, dtype) = (moments.mean.dim(0), moments.mean.dtype());
        let inner = width - 1;
        let block = moments.gram.slice(0, 0, inner).slice(1, 0, inner);
        let (d, u, kept) = spectrum(&block, threshold);
        let root = kept.select(d.sqrt() * &moments.unit, 1.0);
        let (r, r_plus) = scaled(&u, &kept, &root);
        let lost = dropped(&u, &kept);
        let mean = moments.mean.slice(0, 0, inner).reshape([1, inner]);
        let (one, column) = (ones([1, 1], dtype), zeros([inner, 1], dtype));
        let below = concatenate(&[&one, &-mean.dot(&r)], 1);
        let above = concatenate(&[&mean, &one], 1);
        Self {
            r: concatenate(&[&concatenate(&[&column, &r], 1), &below], 0),
            r_plus: concatenate(&[&above, &concatenate(&[&r_plus, &column], 1)], 0),
            lost: concatenate(&[&concatenate(&[&lost, &-mean.dot(&lost)], 0), &zeros([width, 1], dtype)], 1),
            spectrum: concatenate(&[&one.reshape([1]), &kept.select(root.square(), 0.0)], 0),
            constant: true,
        }
    }

    /// Y U and U' Y^-1 of the kept directions: principal components.
    pub fn components(&self) -> Coordinates {
        let kept = self.spectrum.gt(0.0);
        let root = kept.select(self.spectrum.sqrt(), 1.0);
        let d = root.dim(0);
        Coordinates {
            c: &self.r * root.reshape([1, d]),
            c_plus: &self.r_plus / root.reshape([d, 1]),
            weight: self.spectrum.clone(),
            kept,
            lost: self.lost.clone(),
        }
    }
}

/// A basis before its signs are chosen.
#[derive(Debug, Clone)]
pub(super) struct Coordinates {
    /// C, `[d, d]`.
    pub c: Tensor,
    /// C+, `[d, d]`.
    pub c_plus: Tensor,
    /// L, `[d]`.
    pub weight: Tensor,
    /// Which directions are kept, the first ones, `[d]`.
    pub kept: Tensor,
    /// What f C C+ lacks of f is f times this: exactly 0 where nothing is dropped.
    pub lost: Tensor,
}

impl Coordinates {
    /// From a whitening and M.
    pub fn new(whitening: &Whitening, m: &Tensor, threshold: f64) -> Self {
        let (v, l, kept) = match whitening.constant {
            true => apart(m, threshold),
            false => {
                let (l, v, kept) = spectrum(m, threshold);
                (v, l, kept)
            }
        };
        let d = l.dim(0);
        let whole = l.gt(0.0) & &kept;
        let root = whole.select(l.sqrt(), 1.0);
        let own = whole.reshape([1, d]).select(&v, 0.0);
        let dropped = kept.reshape([1, d]).select(0.0, &v);
        Self {
            c: whitening.r.dot(&(&own * root.reshape([1, d]))),
            c_plus: (own.t() / root.reshape([d, 1])).dot(&whitening.r_plus),
            weight: kept.select(l, 0.0),
            kept,
            lost: &whitening.lost + whitening.r.dot(&dropped).dot(&dropped.t().dot(&whitening.r_plus)),
        }
    }

    /// Eigenvectors of M alone, of activations as they are.
    pub fn unwhitened(m: &Tensor, threshold: f64) -> Self {
        let d = m.dim(0);
        let (l, v, kept) = spectrum(m, threshold);
        let (c, lost) = (kept.reshape([1, d]).select(&v, 0.0), dropped(&v, &kept));
        Self { c_plus: c.t(), c, weight: kept.select(l, 0.0), kept, lost }
    }

    /// The coordinates as they are, with these mean squares.
    pub fn neurons(weight: Tensor) -> Self {
        let (d, dtype) = (weight.dim(0), weight.dtype());
        let identity = eye(d, dtype);
        let kept = ones([d], dtype).gt(0.0);
        Self { c: identity.clone(), c_plus: identity, weight, kept, lost: zeros([d, d], dtype) }
    }

    /// The same with the entry of largest magnitude (the first of equals) of every column of C positive.
    pub fn with_canonical_signs(self) -> Self {
        let d = self.weight.dim(0);
        let at = self.c.abs().argmax(0).reshape([1, d]);
        let leading = self.c.take_along(&at, 0);
        let sign = leading.lt(0.0).select(number(-1.0, self.c.dtype()), 1.0);
        Self { c: &self.c * &sign, c_plus: &self.c_plus * sign.reshape([d, 1]), ..self }
    }

    /// How many directions are kept, i32.
    pub fn rank(&self) -> Tensor {
        self.kept.convert(DType::I32).sum()
    }
}

/// Eigenvalues `[n]`, decreasing, eigenvectors `[n, n]`, and which eigenvalues are above `threshold` times the first.
fn spectrum(a: &Tensor, threshold: f64) -> (Tensor, Tensor, Tensor) {
    let n = a.dim(0);
    if n == 0 {
        let none = zeros([0], a.dtype());
        return (none.clone(), a.clone(), none.gt(0.0));
    }
    let (w, v) = eigh(&((a + a.t()) * 0.5));
    let (w, v) = (w.reverse([0]), v.reverse([1]));
    let kept = w.gt(w.at_index(0, 0) * threshold) & w.gt(0.0);
    (w, v, kept)
}

/// The projector on the columns that are not kept.
fn dropped(u: &Tensor, kept: &Tensor) -> Tensor {
    let others = kept.reshape([1, kept.dim(0)]).select(0.0, u);
    others.contract(&others, 1, 1)
}

/// The kept columns divided by `root`, and as rows multiplied by it.
fn scaled(u: &Tensor, kept: &Tensor, root: &Tensor) -> (Tensor, Tensor) {
    let n = root.dim(0);
    let own = kept.reshape([1, n]).select(u, 0.0);
    (&own / root.reshape([1, n]), own.t() * root.reshape([n, 1]))
}

/// Eigenvectors and eigenvalues of M with the first direction by itself, which is always kept.
fn apart(m: &Tensor, threshold: f64) -> (Tensor, Tensor, Tensor) {
    let (n, dtype) = (m.dim(0), m.dtype());
    let (l, v, kept) = spectrum(&m.slice(0, 1, n).slice(1, 1, n), threshold);
    let (one, row, column) = (ones([1, 1], dtype), zeros([1, n - 1], dtype), zeros([n - 1, 1], dtype));
    let v = concatenate(&[&concatenate(&[&one, &row], 1), &concatenate(&[&column, &v], 1)], 0);
    let first = m.slice(0, 0, 1).slice(1, 0, 1).reshape([1]);
    let yes = ones([1], dtype).gt(0.0);
    (v, concatenate(&[&first, &l], 0), concatenate(&[&yes, &kept], 0))
}
