//! Two neighbouring blocks of a bidiagonal matrix and the row between them: one step of divide and conquer.
//!
//! With the two blocks' decompositions the merged block is the matrix M whose first row is z and whose other rows are the
//! diagonal of the blocks' singular values d, where d_1 = 0 belongs to the row between them. Its singular values are the roots
//! of 1 + sum_j z_j^2 / (d_j^2 - x^2) = 0. Before the equation is solved M is deflated: a tiny z_j leaves d_j as it is, and
//! of values d_j that are close to each other one reflection makes all z_j but one zero.
//!
//! Names: entry or slot as in [`super::tree`]; *sorted* arrays have the entries of every block in increasing order of d, those that do
//! not take part behind.

use tandem_compile::{DType, DotGeneral, Tensor, concatenate, cond, iota, scalar, sort_by_keys, tree, zeros};

use crate::eigh::secular::{Secular, Variable, column, row};

/// Blocks side by side in arrays of m slots.
#[derive(Clone)]
pub(crate) struct Forest {
    /// `[batch, m]`: the singular values; those of the last slot of a block are without meaning.
    pub values: Tensor,
    /// `[batch', m', m']`: the left vectors as columns.
    pub left: Tensor,
    /// `[batch', m', m']`: the right vectors as columns.
    pub right: Tensor,
}
tree!(Forest { values, left, right });

/// Where the blocks lie that are merged.
pub(crate) enum Geometry {
    /// Many blocks in an array; `[m]`, i32: of every slot the first slot of its merged block, the last slot of the left one
    /// of the two, and the last slot of all. A block whose last slot is its first stays alone.
    Masked { first: Tensor, middle: Tensor, last: Tensor },
    /// The two halves of the array; vectors are those of the halves, `[2 batch, m / 2, m / 2]`.
    Halves,
}

/// The slots of a level, all `[m]`.
struct Slots {
    first: Tensor,
    middle: Tensor,
    last: Tensor,
    /// bool: the slot of the vector that its merged block takes to zero.
    null: Tensor,
    /// bool: the slot of the row between two blocks.
    between: Tensor,
    /// bool: one of the left block's slots.
    lower: Tensor,
    /// The number of the block for secular equations; `None` where there is only one.
    equation: Option<Tensor>,
}

impl Geometry {
    fn slots(&self, m: usize) -> Slots {
        let place = iota([m], 0, DType::I32);
        let (first, middle, last) = match self {
            Geometry::Masked { first, middle, last } => (first.clone(), middle.clone(), last.clone()),
            Geometry::Halves => {
                let all = |slot: usize| scalar(slot as i32).broadcast_to([m]);
                (all(0), all(m / 2 - 1), all(m - 1))
            }
        };
        let null = place.eq(&last);
        let equation = match self {
            Geometry::Masked { .. } => Some(last.clone()),
            Geometry::Halves => None,
        };
        let between = place.eq(&middle) & !&null;
        Slots { null, between, lower: place.le(&middle), first, middle, last, equation }
    }

    /// The row of the right vectors that borders on the row between the blocks, `[batch, m]`.
    fn border(&self, slots: &Slots, right: &Tensor) -> Tensor {
        match self {
            Geometry::Masked { .. } => {
                let (batch, m) = (right.dim(0), right.dim(1));
                let at = slots.lower.select(&slots.middle, &slots.middle + 1);
                right.take_along(&at.broadcast_to([batch, 1, m]), 1).reshape([batch, m])
            }
            Geometry::Halves => {
                let (batch, h) = (right.dim(0) / 2, right.dim(1));
                let halves = right.reshape([batch, 2, h, h]);
                let lower = halves.slice(1, 0, 1).slice(2, h - 1, h).reshape([batch, h]);
                let upper = halves.slice(1, 1, 2).slice(2, 0, 1).reshape([batch, h]);
                concatenate(&[&lower, &upper], 1)
            }
        }
    }

    /// Block diagonal vectors times `x`, `[batch, m, m]`.
    fn product(&self, vectors: &Tensor, x: &Tensor) -> Tensor {
        let shape = x.shape().to_vec();
        let (groups, h) = (vectors.dim(0), vectors.dim(1));
        batched_product(vectors, &x.reshape([groups, h, shape[2]])).reshape(shape)
    }
}

fn batched_product(x: &Tensor, y: &Tensor) -> Tensor {
    let pairs = DotGeneral {
        lhs_contracting: vec![2],
        rhs_contracting: vec![1],
        lhs_batch: vec![0],
        rhs_batch: vec![0],
        ..DotGeneral::default()
    };
    x.dot_general(y, pairs)
}

/// One level: every pair of neighbouring blocks with the row between them, which has `alpha` at its left slot and `beta`
/// right of it (both `[batch, m]`). What is below `tolerance` (a scalar) is neglected.
#[track_caller]
pub(crate) fn merge(forest: &Forest, alpha: &Tensor, beta: &Tensor, tolerance: &Tensor, geometry: &Geometry) -> Forest {
    let slots = geometry.slots(forest.values.dim(1));
    let arrow = Arrow::of(forest, alpha, beta, geometry, &slots);
    let sorted = arrow.sorted(&slots, tolerance);
    let (reflected, groups) = sorted.reflected(&slots, tolerance);
    let deflated = reflected.deflated(&slots, tolerance);
    let Vectors { values, left, right } = deflated.solve(&slots, &groups);
    Forest {
        values,
        left: geometry.product(&forest.left, &left),
        right: geometry.product(&forest.right, &arrow.turned(&slots, &right)),
    }
}

/// M in the order of slots.
struct Arrow {
    d: Tensor,
    z: Tensor,
    /// `[batch, m]`: the rotation that splits the two blocks' null vectors in the direction of z_1 and the merged block's
    /// own null vector.
    cosine: Tensor,
    sine: Tensor,
}

impl Arrow {
    fn of(forest: &Forest, alpha: &Tensor, beta: &Tensor, geometry: &Geometry, slots: &Slots) -> Self {
        let coupling = slots.lower.select(alpha.take(&slots.middle, 1), beta.take(&slots.middle, 1));
        let row = coupling * geometry.border(slots, &forest.right);
        let (below, above) = (row.take(&slots.middle, 1), row.take(&slots.last, 1));
        let norm = (below.square() + above.square()).sqrt();
        let none = norm.eq(0.0);
        let divisor = none.select(1.0, &norm);
        let (cosine, sine) = (none.select(1.0, below / &divisor), above / divisor);
        let z = slots.between.select(&norm, slots.null.select(0.0, row));
        let d = (&slots.between | &slots.null).select(0.0, &forest.values);
        Self { d, z, cosine, sine }
    }

    /// Sorted by d: the row between the blocks first, what has a tiny z behind.
    fn sorted(&self, slots: &Slots, tolerance: &Tensor) -> Sorted {
        let tiny = self.z.abs().le(tolerance) & !&slots.between | &slots.null;
        let key = slots.between.select(-1.0, tiny.select(f64::INFINITY, &self.d));
        let order = order(&key, slots);
        let active = !tiny.take_along(&order, 1);
        let z = active.select(self.z.take_along(&order, 1), 0.0);
        Sorted { d: self.d.take_along(&order, 1), z, active, position: inverse(&order) }
    }

    /// Right vectors of M with their rows turned from z_1 and the merged null vector to the two blocks' null vectors.
    fn turned(&self, slots: &Slots, x: &Tensor) -> Tensor {
        let (batch, m) = (x.dim(0), x.dim(2));
        let pick = |slot: &Tensor| x.take_along(&slot.broadcast_to([batch, 1, m]), 1);
        let place = iota([m, 1], 0, DType::I32);
        let (c, s) = (row(&self.cosine), row(&self.sine));
        let (one, null) = (pick(&slots.middle), pick(&slots.last));
        let alone = slots.middle.eq(&slots.last);
        let middle = place.eq(&slots.middle) & !&alone;
        let last = place.eq(&slots.last) & !alone;
        let (below, above) = (&c * &one - &s * &null, s * one + c * null);
        middle.select(below, last.select(above, x))
    }
}

/// The order that sorts every block by `key`; stable.
fn order(key: &Tensor, slots: &Slots) -> Tensor {
    let shape = key.shape();
    let place = iota(shape, 1, DType::I32);
    sort_by_keys(&[&slots.last.broadcast_to(shape), key, &place], 2, 1, false).swap_remove(2)
}

/// The position to which an order moves every entry.
fn inverse(order: &Tensor) -> Tensor {
    let (batch, m) = (order.dim(0), order.dim(1));
    let start = iota([batch, m], 0, DType::I32) * m as i32;
    let flat = zeros([batch * m], DType::I32);
    let place = iota([batch, m], 1, DType::I32);
    flat.scatter_set(&(order + start).flatten(), place.flatten(), 0).reshape([batch, m])
}

/// Whether an entry is the first of its block.
fn heads(slots: &Slots) -> Tensor {
    iota(slots.first.shape(), 0, DType::I32).eq(&slots.first)
}

/// M with sorted entries.
struct Sorted {
    d: Tensor,
    z: Tensor,
    /// Whether an entry takes part.
    active: Tensor,
    /// Where every slot's entry is now.
    position: Tensor,
}

/// The reflections I - beta v v' of groups of close values, in the order of slots; all `[batch, m]`.
struct Groups {
    /// A bool scalar: whether there is any group.
    any: Tensor,
    v: Tensor,
    /// On the right. Zero where an entry stands alone.
    beta: Tensor,
    /// On the left: a group at the pole 0 has none there, because the row of its pole is z itself.
    left_beta: Tensor,
    /// The number of the group.
    number: Tensor,
}

impl Sorted {
    /// Every group of close values reflected so that only its first entry keeps a z. What becomes of the diagonal outside
    /// of itself is at most the group's spread, and neglected.
    fn reflected(&self, slots: &Slots, tolerance: &Tensor) -> (Sorted, Groups) {
        let (batch, m) = (self.d.dim(0), self.d.dim(1));
        let before = concatenate(&[&self.d.slice(1, 0, 1), &self.d.slice(1, 0, m - 1)], 1);
        let begins = heads(slots) | (&self.d - before).gt(tolerance) | !&self.active;
        let any = (!&begins).any();
        let place = iota([batch, m], 1, DType::I32);
        let alone = || {
            let zero = zeros([batch, m], self.d.dtype());
            (self.z.clone(), self.d.clone(), zero.clone(), zero.clone(), zero, place.clone())
        };
        let (z, d, v, beta, left_beta, number) = cond(&any, || self.groups(&begins, slots), alone);
        let slotted = |x: &Tensor| x.take_along(&self.position, 1);
        let groups = Groups {
            any,
            v: slotted(&v),
            beta: slotted(&beta),
            left_beta: slotted(&left_beta),
            number: slotted(&number),
        };
        (Sorted { d, z, active: self.active.clone(), position: self.position.clone() }, groups)
    }

    /// z and d after the reflections, and v, beta, left beta and the groups' numbers.
    fn groups(&self, begins: &Tensor, slots: &Slots) -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor) {
        let (z, d) = (&self.z, &self.d);
        let place = iota(z.shape(), 1, DType::I32);
        // The number of a group is the position of its first entry.
        let number = begins.select(&place, 0).cummax(1);
        let same = column(&number).eq(row(&number));
        let of_group = |x: &Tensor| same.select(row(x), 0.0).sum_axes([2]);
        let single = of_group(&zeros(z.shape(), z.dtype()).eq(0.0).convert(z.dtype())).eq(1.0);
        let norm = of_group(&z.square()).sqrt();
        let signed = z.lt(0.0).select(-&norm, &norm);
        let v = begins.select(z + &signed, z);
        let squares = of_group(&v.square());
        let none = single | squares.eq(0.0);
        let beta = none.select(0.0, 2.0 / none.select(1.0, &squares));
        let left_beta = number.eq(&slots.first).select(0.0, &beta);
        let reflected = begins.select(-signed, 0.0);
        // The diagonal of HDH, as a difference to d.
        let h = row(&(&left_beta * &v)) * column(&v);
        let h = same.select(column(&place).eq(row(&place)).convert(z.dtype()) - h, 0.0);
        let moved = (h.square() * (column(d) - row(d))).sum_axes([1]);
        let at_zero = !none.clone() & number.eq(&slots.first) & begins;
        let d_reflected = at_zero.select(0.0, none.select(d, d + moved));
        (none.select(z, reflected), d_reflected, v, beta, left_beta, number)
    }

    /// Sorted again, without the entries whose z is tiny now. z_1 is at least the tolerance, unless it stands alone.
    fn deflated(&self, slots: &Slots, tolerance: &Tensor) -> Sorted {
        let head = heads(slots);
        let active = &self.active & (self.z.abs().gt(tolerance) | &head);
        let key = (&head & &active).select(-1.0, active.select(&self.d, f64::INFINITY));
        let order = order(&key, slots);
        let [d, z] = [&self.d, &self.z].map(|x| x.take_along(&order, 1));
        let active = active.take_along(&order, 1);
        let m = d.dim(1);
        let place = iota([m], 0, DType::I32);
        let ahead = active.slice(1, 1, m).pad(false_like(&active), &[(0, 0, 0), (0, 1, 0)]);
        let followed = ahead & place.ne(&slots.last);
        let small = z.abs().le(tolerance) & head;
        let active = active & (followed | !&small);
        let least = z.lt(0.0).select(-tolerance, tolerance);
        let z = active.select(small.select(least, z), 0.0);
        Sorted { d, z, active, position: inverse(&order).take_along(&self.position, 1) }
    }
}

fn false_like(x: &Tensor) -> Tensor {
    zeros([], x.dtype())
}

/// The singular values and vectors of M: rows in the order of slots, columns sorted.
struct Vectors {
    values: Tensor,
    left: Tensor,
    right: Tensor,
}

impl Sorted {
    fn solve(&self, slots: &Slots, groups: &Groups) -> Vectors {
        let (d, active) = (&self.d, &self.active);
        let equation = slots.equation.clone();
        let variable = Variable::SquaredSingularValue;
        let secular = Secular { variable, d: d.clone(), weights: self.z.square(), active: active.clone(), equation };
        let roots = secular.roots();
        let z = secular.consistent(&roots, &self.z);
        let (mu, origin) = (&roots.mu, &roots.origin);
        let beyond = mu / (origin + (origin.square() + mu).maximum(0.0).sqrt());
        let value = origin.eq(0.0).select(mu.abs().sqrt(), origin + beyond);
        let value = active.select(value, d);

        // The vectors x = z_j / (d_j^2 - s^2) and y = d_j x_j, -1 for the row between, times a factor that keeps their squares
        // in range. Their rows in the order of slots: only vectors have to be moved for that.
        let slotted = |x: &Tensor| x.take_along(&self.position, 1);
        let first = heads(slots) & active;
        let [d_row, z_row, active_row, first_row] = [d, &z, active, &first].map(|x| column(&slotted(x)));
        let distance = row(mu) - variable.difference(&d_row, &row(origin));
        let support = active_row & row(active);
        let support = match &secular.equation {
            Some(number) => support & number.expand_dims(1).eq(number.expand_dims(0)),
            None => support,
        };
        let quotient = row(mu) / support.select(distance, 1.0);
        let right = support.select(z_row * &quotient, 0.0);
        let scale = active.select(1.0 / active.select(&value, 1.0), 0.0);
        let left = first_row.select(row(mu), d_row * &right) * row(&scale);
        let left = support.select(left, 0.0);
        let place = iota(d.shape(), 1, DType::I32);
        let same = column(&self.position).eq(row(&place));
        let normal = |x: &Tensor| {
            let norm = x.square().sum_axes([1]).sqrt();
            let inverse = 1.0 / active.select(norm, 1.0);
            row(active).select(x * row(&inverse), same.convert(x.dtype()))
        };
        let (left, right) = groups.back(&normal(&left), &normal(&right));
        Vectors { values: value, left, right }
    }
}

impl Groups {
    /// The reflections applied to left and right vectors.
    fn back(&self, left: &Tensor, right: &Tensor) -> (Tensor, Tensor) {
        let reflect = || {
            let same = column(&self.number).eq(row(&self.number));
            let pairs = same.select(column(&self.v) * row(&self.v), 0.0);
            let turned = |x: &Tensor, beta: &Tensor| x - batched_product(&(column(beta) * &pairs), x);
            (turned(left, &self.left_beta), turned(right, &self.beta))
        };
        cond(&self.any, reflect, || (left.clone(), right.clone()))
    }
}
