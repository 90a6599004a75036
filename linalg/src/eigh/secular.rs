//! The secular equation 1 + sum_j w_j / (p_j - x) = 0, all roots at once: the heart of divide and conquer, for eigenvalues
//! and for singular values alike.
//!
//! Root i lies between pole i and pole i + 1, the last one within sum w beyond the last pole. Every root is kept as the
//! distance `mu` from the nearer of its two poles and is found to full *relative* accuracy there; so are then all its
//! distances from all poles, and eigenvectors formed from them are orthogonal without higher precision (R.-C. Li, "Solving
//! secular equations stably and efficiently", LAPACK Working Note 89; M. Gu and S. Eisenstat, SIAM J. Matrix Anal. Appl. 16,
//! 1995). The iteration is Li's middle way inside a bracket that only shrinks.

use tandem_compile::{DType, Tensor, concatenate, full, iota, number, optimization_barrier, scalar, while_loop};

/// The trips after which the iteration stops whatever it has: hard matrices take up to 33.
const TRIPS: i32 = 60;

/// What the unknown of the equation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variable {
    /// x is an eigenvalue, its poles are the d_j themselves.
    Eigenvalue,
    /// x is the square of a singular value, its poles are the d_j^2, d_j >= 0. No d_j^2 is ever formed.
    SquaredSingularValue,
}

impl Variable {
    /// The pole of `d` less the pole of `e`, accurate to a few units in its last place.
    pub(crate) fn difference(self, d: &Tensor, e: &Tensor) -> Tensor {
        match self {
            Variable::Eigenvalue => d - e,
            Variable::SquaredSingularValue => (d - e) * (d + e),
        }
    }
}

/// Secular equations, one for every row of `[batch, m]` arrays, or several per row, side by side.
pub(crate) struct Secular {
    /// What the unknown is.
    pub variable: Variable,
    /// `[batch, m]`: what the poles are made of, increasing among the active ones of an equation.
    pub d: Tensor,
    /// `[batch, m]`: w_j >= 0; 0 where not active.
    pub weights: Tensor,
    /// `[batch, m]`, bool: the poles that take part, the first ones of every equation.
    pub active: Tensor,
    /// `[m]`, i32: the number of the equation that an entry belongs to, increasing; `None`: one equation per row.
    pub equation: Option<Tensor>,
}

/// The roots of secular equations, each beside one of its two poles.
pub(crate) struct Roots {
    /// `[batch, m]`: the d of the pole that the root is measured from.
    pub origin: Tensor,
    /// `[batch, m]`: the root less that pole, to full relative accuracy. Without meaning where not active.
    pub mu: Tensor,
}

/// What is known of every root before the iteration.
struct Start {
    /// The distance between the root's two poles.
    gap: Tensor,
    /// Whether the origin is the pole on the left.
    left: Tensor,
    /// Whether the root is the last of its equation.
    last: Tensor,
    origin: Tensor,
    x: Tensor,
    low: Tensor,
    high: Tensor,
}

/// The value of the equation at an estimate of every root, poles left and right of the root apart. Derivatives are
/// multiplied by |x|: the squares of tiny distances would overflow.
struct Value {
    psi: Tensor,
    phi: Tensor,
    psi_slope: Tensor,
    phi_slope: Tensor,
}

impl Secular {
    /// All roots: root i belongs to entry i.
    pub(crate) fn roots(&self) -> Roots {
        let start = self.start();
        let dtype = self.d.dtype();
        let never = full(self.d.shape(), f64::INFINITY, dtype);
        let init = (scalar(0i32), start.x.clone(), start.low.clone(), start.high.clone(), never, !&self.active);
        let open = |(trip, .., done): (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)| trip.lt(TRIPS) & (!done).any();
        let (_, mu, ..) = while_loop(init, open, |(trip, x, low, high, before, done)| {
            let value = self.value(&start, &x);
            let f = value.psi.clone() + &value.phi + 1.0;
            let negative = f.lt(0.0);
            let (low, high) = (negative.select(&x, &low), negative.select(&high, &x));
            let next = &x + x.abs() * start.step(&value, &f, &x);
            // What leaves the bracket (NaN does) or stops to gain bisects.
            let inside = next.gt(&low) & next.lt(&high);
            let slow = (&trip % 3).eq(2) & f.abs().gt(before.abs() * 0.5);
            let next = (inside & !slow).select(&next, start.bisect(&low, &high));
            let done = done | value.converged(&f) | narrow(&low, &high);
            (trip + 1, done.select(&x, &next), low, high, f, done)
        });
        Roots { origin: start.origin, mu }
    }

    /// Root i less pole j, as `[batch, j, i]`.
    pub(crate) fn distances(&self, roots: &Roots) -> Tensor {
        row(&roots.mu) - self.variable.difference(&column(&self.d), &row(&roots.origin))
    }

    /// The z of the modified problem that has exactly the computed roots (Gu and Eisenstat, Loewner's formula), up to one
    /// factor per equation; with the signs of `z`, 0 where not active.
    pub(crate) fn consistent(&self, roots: &Roots, z: &Tensor) -> Tensor {
        // Roots on the major axis here, because the product is over them.
        let (d, active) = (row(&self.d), self.pairs(true));
        let distance = column(&roots.mu) - self.variable.difference(&d, &column(&roots.origin));
        let own = self.diagonal();
        let apart = self.variable.difference(&column(&self.d), &d);
        let ratio = active.select(distance / (own | apart.eq(0.0)).select(1.0, &apart), 1.0);
        let size = ratio.product_axes([1]).abs().sqrt();
        self.active.select(z.lt(0.0).select(-&size, &size), 0.0)
    }

    /// `[batch, m, m]` (or one that broadcasts), bool: both entries are active and of one equation. With
    /// `roots_first`, the rows are the roots and every pole counts as active.
    fn pairs(&self, roots_first: bool) -> Tensor {
        let active = column(&self.active);
        let active = if roots_first { active } else { active & row(&self.active) };
        self.within(active)
    }

    /// `[batch, pole, root]`, bool: where the vectors of the modified problem have entries.
    pub(crate) fn support(&self) -> Tensor {
        self.pairs(false)
    }

    /// `[1, m, m]`, bool: the diagonal.
    pub(crate) fn diagonal(&self) -> Tensor {
        let m = self.d.dim(1);
        iota([1, m, m], 1, DType::I32).eq(iota([1, m, m], 2, DType::I32))
    }

    fn within(&self, mask: Tensor) -> Tensor {
        match &self.equation {
            Some(number) => mask & number.expand_dims(1).eq(number.expand_dims(0)),
            None => mask,
        }
    }

    /// Whether the next entry is an active one of the same equation.
    fn followed(&self) -> Tensor {
        let m = self.d.dim(1);
        let followed = shifted(&self.active) & iota([1, m], 1, DType::I32).lt(m as i32 - 1);
        match &self.equation {
            Some(number) => followed & number.expand_dims(0).eq(shifted(&number.expand_dims(0))),
            None => followed,
        }
    }

    /// The pole less `origin`, `[batch, pole, root]`; far away where a pole does not take part.
    fn poles(&self, origin: &Tensor) -> Tensor {
        let far = if self.d.dtype() == DType::F64 { 1e30 } else { 1e18 };
        self.within(column(&self.active)).select(self.variable.difference(&column(&self.d), &row(origin)), far)
    }

    /// Which of its poles a root is measured from, by the sign in the middle; and the root of what the equation is with
    /// all but the two poles taken as constant.
    fn start(&self) -> Start {
        let (d, w, active) = (&self.d, &self.weights, &self.active);
        let followed = self.followed();
        let last = active & !&followed;
        let total = self.within(column(active)).select(column(w), 0.0).sum_axes([1]);
        let next_weight = followed.select(shifted(w), 0.0);
        let gap = last.select(total, self.variable.difference(&shifted(d), d));
        let gap = active.select(gap, 1.0);
        let half = &gap * 0.5;
        let middle = (column(w) / (self.poles(d) - row(&half))).sum_axes([1]) + 1.0;
        let left = middle.ge(0.0) | &last | !active;
        let origin = left.select(d, shifted(d));
        let c = &middle + (w - &next_weight) / &half;
        let both = w + &next_weight;
        let a = left.select(&c * &gap + &both, both - &c * &gap);
        let b = left.select(w * &gap, -(next_weight * &gap));
        let x = quadratic(&a, &b, &c);
        let beyond = &last & middle.lt(0.0);
        let unit = 2.0 * d.dtype().unit_roundoff();
        let low = left.select(beyond.select(&half, 0.0), -&half);
        let high = left.select(beyond.select(&gap * (1.0 + 8.0 * unit), &half), 0.0);
        let mut start = Start { gap, left, last, origin, x, low, high };
        let inside = start.x.gt(&start.low) & start.x.lt(&start.high);
        start.x = inside.select(&start.x, start.bisect(&start.low, &start.high));
        start
    }

    fn value(&self, start: &Start, x: &Tensor) -> Value {
        let m = self.d.dim(1);
        // One division for the four sums, kept from being repeated in each of them. The poles are on the major axis,
        // where a sum runs along the processor's vectors.
        let inverse = optimization_barrier(&(1.0 / (self.poles(&start.origin) - row(x))));
        let before = iota([1, m, m], 1, DType::I32).le(iota([1, m, m], 2, DType::I32));
        let term = column(&self.weights) * &inverse;
        let slope = &term * &(row(&x.abs()) * &inverse);
        let sums = |x: &Tensor| (before.select(x, 0.0).sum_axes([1]), before.select(0.0, x).sum_axes([1]));
        let ((psi, phi), (psi_slope, phi_slope)) = (sums(&term), sums(&slope));
        Value { psi, phi, psi_slope, phi_slope }
    }
}

impl Value {
    /// Whether f is no larger than the rounding errors in it.
    fn converged(&self, f: &Tensor) -> Tensor {
        let unit = 2.0 * f.dtype().unit_roundoff();
        let bound = (&self.phi - &self.psi) * 4.0 + 1.0 + (&self.psi_slope + &self.phi_slope).abs();
        f.abs().le(bound * unit)
    }
}

impl Start {
    /// The middle way's step, in units of |x|: from the two poles next to the root, each with a weight that matches the
    /// slope on its side; the last root has one such pole.
    fn step(&self, value: &Value, f: &Tensor, x: &Tensor) -> Tensor {
        let size = x.abs();
        let near = (self.left.select(0.0, -&self.gap) - x) / &size;
        let next = (self.left.select(&self.gap, 0.0) - x) / &size;
        let (product, slope) = (&near * &next, &value.psi_slope + &value.phi_slope);
        let one_sided = f - &near * &value.psi_slope;
        let c = &one_sided - &next * &value.phi_slope;
        let a = (&near + &next) * f - &product * slope;
        let between = quadratic(&a, &(product * f), &c);
        let beyond = &near + &value.psi_slope * near.square() / one_sided.le(0.0).select(1.0, &one_sided);
        self.last.select(beyond, between)
    }

    /// The middle of the bracket, or its geometric mean where its ends are of different orders.
    fn bisect(&self, low: &Tensor, high: &Tensor) -> Tensor {
        let dtype = low.dtype();
        let (unit, tiny) = (2.0 * dtype.unit_roundoff(), smallest_normal(dtype));
        let (low, high) = (low.abs(), high.abs());
        let large = low.maximum(&high);
        let small = low.minimum(&high).maximum((&large * (unit * unit / 100.0)).maximum(number(tiny, dtype)));
        let geometric = small.sqrt() * large.sqrt();
        let middle = (&small * 16.0).lt(&large).select(geometric, (&small + &large) * 0.5);
        self.left.select(&middle, -&middle)
    }
}

fn smallest_normal(dtype: DType) -> f64 {
    if dtype == DType::F64 { f64::MIN_POSITIVE } else { f64::from(f32::MIN_POSITIVE) }
}

/// Whether the bracket has no number in it that is worth another trip.
fn narrow(low: &Tensor, high: &Tensor) -> Tensor {
    let unit = 2.0 * low.dtype().unit_roundoff();
    (high - low).le(low.abs().minimum(high.abs()) * (2.0 * unit))
}

/// The root of c x^2 - a x + b = 0 that the secular iterations want, without cancellation.
fn quadratic(a: &Tensor, b: &Tensor, c: &Tensor) -> Tensor {
    let root = (a.square() - b * c * 4.0).abs().sqrt();
    let (sum, twice) = (a + &root, c * 2.0);
    let stable = b * 2.0 / sum.eq(0.0).select(1.0, &sum);
    let plain = (a - &root) / twice.eq(0.0).select(1.0, &twice);
    a.gt(0.0).select(stable, plain)
}

/// Every entry's successor in its row; the last one stays.
fn shifted(x: &Tensor) -> Tensor {
    let m = x.dim(1);
    concatenate(&[&x.slice(1, 1, m), &x.slice(1, m - 1, m)], 1)
}

/// As poles: constant along a row.
pub(crate) fn column(x: &Tensor) -> Tensor {
    x.expand_dims(2)
}

/// As roots: constant along a column.
pub(crate) fn row(x: &Tensor) -> Tensor {
    x.expand_dims(1)
}
