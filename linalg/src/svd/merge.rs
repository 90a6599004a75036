//! Two neighbouring blocks of a bidiagonal matrix and the row between them: one step of divide and conquer.
//!
//! With the two blocks' decompositions the merged block is the matrix M whose first row is z and whose other rows are the
//! diagonal of the blocks' singular values d, where d_1 = 0 belongs to the row between them. Its singular values s are the
//! roots of 1 + sum_j z_j^2 / (d_j^2 - s^2) = 0. Static shapes leave no room for the textbook's deflation, a scan of rotations:
//! here entries with a tiny z are masked and sorted to the end, and each group of close values d is reflected at once, so
//! that one member carries the group's whole z and the others have none.
//!
//! *Slots* are the places of entries in the tree (see [`super::tree`]); *sorted* arrays have the entries of every block in increasing
//! order of d, the row between first and those that do not take part last.

use tandem_compile::{
    DType, DotGeneral, Tensor, concatenate, cond, iota, ones, optimization_barrier, scalar, sort_by_key, sort_by_keys,
    stack, tree, zeros,
};

use crate::eigh::secular::{Secular, Variable, column, row};

/// Blocks side by side in arrays of m slots.
#[derive(Clone)]
pub(crate) struct Forest {
    /// `[batch, m]`: the singular values; that of the last slot of a block is without meaning.
    pub values: Tensor,
    /// `[batch, m]`: of every right vector the element in its block's first slot.
    pub first: Tensor,
    /// `[batch, m]`: the element in its block's last slot.
    pub last: Tensor,
    /// `[2, batch', m', m']`: the right and the left vectors as columns, block diagonal; nothing where only values are
    /// wanted.
    pub vectors: Vec<Tensor>,
}
tree!(Forest { values, first, last, vectors });

/// Where the blocks lie that are merged, all `[m]`, i32.
pub(crate) struct Spans {
    /// The first slot of the merged block.
    pub first: Tensor,
    /// The last slot of the left one of the two; where it is `last`, the block is a single slot and stays.
    pub middle: Tensor,
    /// The last slot of the merged block.
    pub last: Tensor,
    /// Whether there is one block in an array, of which the vectors are still those of the two halves,
    /// `[2, 2 batch, m / 2, m / 2]`.
    pub whole: bool,
}

impl Spans {
    /// One block of m slots from two halves.
    pub(crate) fn halves(m: usize) -> Self {
        let all = |slot: usize| scalar(slot as i32).broadcast_to([m]);
        Self { first: all(0), middle: all(m / 2 - 1), last: all(m - 1), whole: true }
    }

    fn place(&self) -> Tensor {
        iota(self.last.shape(), 0, DType::I32)
    }

    /// The slot of the vector that the merged block takes to zero.
    fn null(&self) -> Tensor {
        self.place().eq(&self.last)
    }

    /// The slot of the row between the two blocks.
    fn between(&self) -> Tensor {
        self.place().eq(&self.middle) & !self.null()
    }

    /// The slots of the left block.
    fn left(&self) -> Tensor {
        self.place().le(&self.middle)
    }

    /// Blocks of one slot.
    fn single(&self) -> Tensor {
        self.middle.eq(&self.last)
    }

    fn equation(&self) -> Option<Tensor> {
        (!self.whole).then(|| self.last.clone())
    }

    /// Of entries `[.., m, m]`, whether row and column are of one block.
    fn within(&self, mask: Tensor) -> Tensor {
        match self.whole {
            true => mask,
            false => mask & self.last.expand_dims(1).eq(self.last.expand_dims(0)),
        }
    }

    /// Arrays `[batch, m]` sorted within every block by the first of them; stable.
    fn sort(&self, arrays: &[&Tensor]) -> Vec<Tensor> {
        match self.whole {
            true => sort_by_key(arrays, 1, false),
            false => {
                let block = self.last.broadcast_to(arrays[0].shape());
                sort_by_keys(&[&[&block], arrays].concat(), 2, 1, false).split_off(1)
            }
        }
    }
}

/// One level: every pair of neighbouring blocks with the row between them, which has `alpha` at its left slot and `beta`
/// right of it (both `[batch, m]`). What is below `tolerance` (a scalar) is neglected.
#[track_caller]
pub(crate) fn merge(forest: &Forest, alpha: &Tensor, beta: &Tensor, tolerance: &Tensor, spans: &Spans) -> Forest {
    let sides = if forest.vectors.is_empty() { 1 } else { 2 };
    let level = Level { spans, tolerance, sides };
    let arrow = level.arrow(forest, alpha, beta);
    let (sorted, groups) = level.reflected(&level.sorted(&arrow));
    let solved = level.solve(&level.bounded(sorted));
    let basis = level.reflected_back(&level.vectors(&solved, &arrow), &groups, &arrow);
    forest.turned(solved.values, &basis, spans)
}

/// What all steps of a level need.
struct Level<'a> {
    spans: &'a Spans,
    tolerance: &'a Tensor,
    /// Right vectors, or right and left ones.
    sides: usize,
}

/// M in the order of slots.
struct Arrow {
    d: Tensor,
    z: Tensor,
    /// `[batch, m]`: the rotation of the two blocks' null vectors to the one in the direction of z_1 and the merged null
    /// vector.
    cosine: Tensor,
    sine: Tensor,
}

/// M, sorted.
struct Sorted {
    d: Tensor,
    /// Zero where an entry does not take part.
    z: Tensor,
    active: Tensor,
    /// The slot of every entry, i32.
    slot: Tensor,
}

/// The reflections I - v v' of groups of close values, in the order of slots; all `[batch, m]`.
struct Groups {
    /// A bool scalar: whether there is any group.
    any: Tensor,
    /// Zero where an entry stands alone. A group at the pole 0 is reflected on the right only, because the row of its pole
    /// is z itself.
    left: Tensor,
    right: Tensor,
    /// The number of the group.
    number: Tensor,
}

/// The singular values of M, sorted, and what its vectors are made from.
struct Solved {
    values: Tensor,
    /// The z that belongs to the computed values exactly.
    z: Tensor,
    origin: Tensor,
    mu: Tensor,
    sorted: Sorted,
}

impl Level<'_> {
    fn arrow(&self, forest: &Forest, alpha: &Tensor, beta: &Tensor) -> Arrow {
        let spans = self.spans;
        let coupling = spans.left().select(alpha.take(&spans.middle, 1), beta.take(&spans.middle, 1));
        let edge = spans.left().select(&forest.last, &forest.first);
        let z = spans.single().select(0.0, coupling * edge);
        let (below, above) = (z.take(&spans.middle, 1), z.take(&spans.last, 1));
        let norm = (below.square() + above.square()).sqrt();
        // Below the tolerance neither null vector has a part in z, and any rotation will do.
        let none = norm.le(self.tolerance);
        let divisor = none.select(1.0, &norm);
        let (cosine, sine) = (none.select(1.0, below / &divisor), none.select(0.0, above / divisor));
        let z = spans.between().select(&norm, spans.null().select(0.0, z));
        let d = (spans.between() | spans.null()).select(0.0, &forest.values);
        Arrow { d, z, cosine, sine }
    }

    /// What has a tiny z behind.
    fn sorted(&self, arrow: &Arrow) -> Sorted {
        let between = self.spans.between();
        let tiny = arrow.z.abs().le(self.tolerance) & !&between | self.spans.null();
        let key = between.select(-1.0, tiny.select(f64::INFINITY, &arrow.d));
        self.by(&key, &arrow.d, &arrow.z, &iota(arrow.d.shape(), 1, DType::I32))
    }

    fn by(&self, key: &Tensor, d: &Tensor, z: &Tensor, slot: &Tensor) -> Sorted {
        let [key, d, z, slot] = four(self.spans.sort(&[key, d, z, slot]));
        let active = key.lt(f64::INFINITY);
        Sorted { d, z: active.select(z, 0.0), active, slot }
    }

    /// The first entry of every block: the row between, if there is one.
    fn heads(&self) -> Tensor {
        self.spans.place().eq(&self.spans.first)
    }

    /// Every group of close values reflected so that only its first entry keeps a z, and sorted again.
    fn reflected(&self, sorted: &Sorted) -> (Sorted, Groups) {
        let d = &sorted.d;
        let m = d.dim(1);
        let before = concatenate(&[&d.slice(1, 0, 1), &d.slice(1, 0, m - 1)], 1);
        let begins = self.heads() | (d - before).gt(self.tolerance) | !&sorted.active;
        let any = !begins.all();
        let alone = || {
            let zero = zeros(d.shape(), d.dtype());
            let Sorted { d, z, active, slot } = sorted;
            ([d.clone(), z.clone(), zero.clone(), zero.clone(), zero], active.clone(), slot.clone())
        };
        let ([d, z, left, right, number], active, slot) = cond(&any, || self.grouped(sorted, &begins), alone);
        (Sorted { d, z, active, slot }, Groups { any, left, right, number })
    }

    /// d and z after the reflections; their vectors left and right and the groups' numbers, in the order of slots; what is active and
    /// the slots. What becomes of the diagonal outside of itself is at most the group's spread, and neglected.
    fn grouped(&self, sorted: &Sorted, begins: &Tensor) -> ([Tensor; 5], Tensor, Tensor) {
        let (z, d) = (&sorted.z, &sorted.d);
        let (dtype, m) = (d.dtype(), d.dim(1));
        let place = iota([m], 0, DType::I32);
        // Sums over groups are products with the matrix of what is in one group.
        let before = place.expand_dims(1).le(place.expand_dims(0)).convert(dtype);
        let number = begins.convert(dtype).dot(&before);
        let same = column(&number).eq(row(&number)).convert(dtype);
        let of_group = |rows: &[&Tensor]| {
            let rows: Vec<Tensor> = rows.iter().map(|x| row(x)).collect();
            product(&concatenate(&rows.iter().collect::<Vec<_>>(), 1), &same)
        };
        let closes = concatenate(&[&begins.slice(1, 1, m), &begins.slice(1, 0, 1)], 1) | place.eq(m as i32 - 1);
        let alone = begins & closes;
        let own = |x: &Tensor| begins.select(x, 0.0);
        let head = self.heads();
        let sums = of_group(&[&z.square(), &own(&z.abs()), &own(d), &head.select(number.sign(), 0.0)]);
        let [squares, first_z, first_d, at_zero] = [0, 1, 2, 3].map(|at| sums.at_index(1, at));
        let norm = squares.sqrt();
        let signed = z.lt(0.0).select(-&norm, &norm);
        // The reflection's vector z + signed e_1, of which the square is 2 (norm^2 + |z_1| norm), to a square of 2.
        let length = (&squares + first_z * &norm).sqrt();
        let right = alone.select(0.0, begins.select(z + &signed, z) / alone.select(1.0, length));
        let left = at_zero.gt(0.0).select(0.0, &right);
        // The diagonal of HDH, by differences to the first d.
        let offset = d - first_d;
        let weights = left.square();
        let moved = of_group(&[&(&weights * &offset)]).at_index(1, 0) - offset * 2.0;
        let d = d + weights * moved;
        let z = alone.select(z, begins.select(-signed, 0.0));
        let tiny = z.abs().le(self.tolerance) & !&head | !&sorted.active;
        let key = tiny.select(f64::INFINITY, head.select(-1.0, &d));
        let again = self.by(&key, &d, &z, &sorted.slot);
        let [_, left, right, number] = four(sort_by_key(&[&sorted.slot, &left, &right, &number], 1, false));
        ([again.d, again.z, left, right, number], again.active, again.slot)
    }

    /// With a z_1 no smaller than the tolerance, unless it stands alone: then it is deflated too.
    fn bounded(&self, sorted: Sorted) -> Sorted {
        let Sorted { d, z, active, slot } = sorted;
        let m = d.dim(1);
        let ahead = concatenate(&[&active.slice(1, 1, m), &active.slice(1, 0, 1)], 1);
        let followed = ahead & self.spans.place().ne(&self.spans.last);
        let small = z.abs().le(self.tolerance) & self.heads();
        let active = active & (followed | !&small);
        let least = z.lt(0.0).select(-self.tolerance, self.tolerance);
        let z = active.select(small.select(least, z), 0.0);
        Sorted { d, z, active, slot }
    }

    fn solve(&self, sorted: &Sorted) -> Solved {
        let Sorted { d, z, active, slot } = sorted;
        let secular = Secular {
            variable: Variable::SquaredSingularValue,
            d: d.clone(),
            weights: z.square(),
            active: active.clone(),
            equation: self.spans.equation(),
        };
        let roots = secular.roots();
        let z = secular.consistent(&roots, z);
        let (mu, origin) = (roots.mu, roots.origin);
        let beyond = &mu / (&origin + (origin.square() + &mu).maximum(0.0).sqrt());
        let values = origin.eq(0.0).select(mu.abs().sqrt(), &origin + beyond);
        let values = active.select(values, d);
        let sorted = Sorted { d: d.clone(), z: z.clone(), active: active.clone(), slot: slot.clone() };
        Solved { values, z, origin, mu, sorted }
    }

    /// Something for the right and for the left, where both are wanted: `[sides, ...]`.
    fn sides(&self, right: &Tensor, left: &Tensor) -> Tensor {
        stack(&[right, left][..self.sides], 0)
    }

    /// The right and left vectors of M, `[sides, batch, m, m]`: x_j = z_j / (d_j^2 - s^2), and y_j = d_j x_j, -1 for the row
    /// between, each times a factor that keeps squares in range; unit vectors where an entry does not take part. The columns
    /// are sorted, the rows are slots: only `[batch, m]` arrays have to be moved for that. Right vectors are turned from z_1
    /// and the merged null vector to those of the two blocks.
    fn vectors(&self, solved: &Solved, arrow: &Arrow) -> Tensor {
        let spans = self.spans;
        let (between, null) = (spans.between(), spans.null());
        let Sorted { d, active, slot, .. } = &solved.sorted;
        let place = iota(d.shape(), 1, DType::I32);
        let sorted = sort_by_key(&[slot, d, &solved.z, &active.select(&place, !&place)], 1, false);
        let [_, d, z, position] = four(sorted);
        // Both null vectors have a part of z_1.
        let of_between = |x: &Tensor| null.select(x.take(&spans.middle, 1), x);
        let part = of_between(&position).ge(0);
        let position = position.lt(0).select(!&position, &position);

        let distance = row(&solved.mu) - Variable::SquaredSingularValue.difference(&column(&d), &row(&solved.origin));
        let quotient = row(&solved.mu) / distance.eq(0.0).select(1.0, &distance);
        let quotient = optimization_barrier(&spans.within(column(&part) & row(active)).select(quotient, 0.0));
        let turned = between.select(&arrow.cosine, null.select(&arrow.sine, 1.0));
        let rows = self.sides(&(of_between(&z) * turned), &(d * z));
        let value = active.select(&solved.values, 1.0);
        let columns = self.sides(&ones(value.shape(), value.dtype()), &(1.0 / &value));
        // The row between has d = 0, and for it the quotient is mu / s^2.
        let shape = [self.sides, 1, spans.last.dim(0), 1];
        let special = iota(shape, 0, DType::I32).eq(1) & between.reshape([shape[2], 1]);
        let factor = special.select(row(&value), rows.expand_dims(3) * columns.expand_dims(2));
        let x = optimization_barrier(&(quotient * factor));
        let inverse = 1.0 / active.select(x.square().sum_axes([2]).sqrt(), 1.0);

        let own = column(&position).eq(row(&place)).convert(x.dtype());
        let turned = between.select(-&arrow.sine, null.select(&arrow.cosine, 0.0));
        let of_null = spans.within(null.expand_dims(0).broadcast_to([shape[2], shape[2]]));
        let right = iota(shape, 0, DType::I32).eq(0) & of_null;
        row(active).select(x * inverse.expand_dims(2), right.select(column(&turned), own))
    }

    /// The groups' reflections applied to right and left vectors, whose rows are slots.
    fn reflected_back(&self, x: &Tensor, groups: &Groups, arrow: &Arrow) -> Tensor {
        let spans = self.spans;
        let reflect = || {
            // The right vectors are turned already: so is v.
            let (between, null) = (spans.between(), spans.null());
            let of_between = |x: &Tensor| null.select(x.take(&spans.middle, 1), x);
            let turned = between.select(&arrow.cosine, null.select(&arrow.sine, 1.0));
            let v = self.sides(&(of_between(&groups.right) * turned), &groups.left);
            let number = of_between(&groups.number);
            let same = column(&number).eq(row(&number));
            x - product(&same.select(v.expand_dims(3) * v.expand_dims(2), 0.0), x)
        };
        cond(&groups.any, reflect, || x.clone())
    }
}

/// After an error there may be fewer.
fn four(x: Vec<Tensor>) -> [Tensor; 4] {
    x.try_into().unwrap_or_else(|x: Vec<Tensor>| [0; 4].map(|_| x[0].clone()))
}

/// Products of many matrices: `[..., k, l] [..., l, m]`.
fn product(x: &Tensor, y: &Tensor) -> Tensor {
    let leading: Vec<usize> = (0..x.ndim() - 2).collect();
    let pairs = DotGeneral {
        lhs_contracting: vec![x.ndim() - 1],
        rhs_contracting: vec![x.ndim() - 2],
        lhs_batch: leading.clone(),
        rhs_batch: leading,
        ..DotGeneral::default()
    };
    x.dot_general(y, pairs)
}

impl Forest {
    /// The merged blocks, from the right and left vectors in the basis of those of the blocks, `[sides, batch, m, m]`.
    fn turned(&self, values: Tensor, basis: &Tensor, spans: &Spans) -> Self {
        let (b, m) = (values.dim(0), values.dim(1));
        let first = spans.left().select(&self.first, 0.0);
        let last = (!spans.left() | spans.single()).select(&self.last, 0.0);
        let ends = stack(&[&first, &last], 1).broadcast_to([basis.dim(0), b, 2, m]);
        let ends = product(&ends, basis).at_index(0, 0);
        let turn = |vectors: &Tensor| {
            // Of a whole block the halves are still apart.
            let (groups, h) = (vectors.dim(1), vectors.dim(2));
            product(vectors, &basis.reshape([2, groups, h, m])).reshape(basis.shape())
        };
        let vectors = self.vectors.iter().map(turn).collect();
        Self { values, first: ends.at_index(1, 0), last: ends.at_index(1, 1), vectors }
    }
}
