//! One level of divide and conquer: the eigensystems of two halves become that of the whole.
//!
//! T = diag(T1, T2) + |e| u u' with u = (0 .. 0, 1, sgn e, 0 .. 0). In the basis of the halves' eigenvectors that is
//! diag(d) + rho z z' (J. Cuppen, Numer. Math. 36, 1981). Static shapes leave no room for the textbook's deflation, a scan of
//! rotations whose result has fewer columns. Here the entries with a tiny z are masked and sorted to the end, and each
//! group of close poles is reflected at once, so that one member carries the group's whole z and the others have none.

use tandem_compile::{DType, Tensor, concatenate, cond, eye, iota, sort_by_keys, zeros};

use super::secular::{Roots, Secular, Variable, column, row};

/// Containers of m entries each, which hold one or several eigensystems side by side.
#[derive(Clone)]
pub(super) struct Systems {
    /// `[batch, m]`: eigenvalues, in any order.
    pub values: Tensor,
    /// `[batch, m]`: of every eigenvector, the component at the first index of its system.
    pub first: Tensor,
    /// `[batch, m]`: the component at the last index.
    pub last: Tensor,
    /// The eigenvectors `[batch, m, m]`, one per column, block diagonal; nothing where only values are wanted.
    pub vectors: Vec<Tensor>,
}

tandem_compile::tree!(Systems { values, first, last, vectors });

/// Which systems of a container are joined, and by what.
pub(super) struct Joints {
    /// `[m]`, i32: the number of the joint that an entry belongs to; `None` where the container is one.
    pub number: Option<Tensor>,
    /// `[m]`, bool: whether the entry belongs to the left of the two systems.
    pub left: Tensor,
    /// `[m]`, bool: whether it belongs to the last one: the right one, or one that has none beside it.
    pub right: Tensor,
    /// `[batch, m]` or `[batch, 1]`: the off-diagonal element e between the two; 0 where there is no right one.
    pub coupling: Tensor,
}

/// diag(d) + rho z z', sorted: in every joint first the entries that take part, increasing.
struct RankOne {
    d: Tensor,
    z: Tensor,
    /// Whether the entry takes part; z is 0 elsewhere.
    active: Tensor,
    /// Where the entry stood before, i32.
    from: Tensor,
}

/// Householder reflections I - beta v v', one for every group of neighbours.
struct Reflections {
    v: Tensor,
    beta: Tensor,
    /// The number of the entry's group, i32.
    group: Tensor,
}

/// Joins two systems each, all at once.
pub(super) fn merge(systems: &Systems, joints: &Joints) -> Systems {
    let (b, m) = (systems.values.dim(0), systems.values.dim(1));
    let e = joints.coupling.broadcast_to([b, m]);
    let first = e.lt(0.0).select(-&systems.first, &systems.first);
    let z = joints.left.select(&systems.last, first) * 0.5f64.sqrt();
    let rho = e.abs() * 2.0;
    let norm = systems.values.abs().maximum(&rho * z.abs()).max_axes([1]);
    let tolerance = (norm * (16.0 * z.dtype().unit_roundoff())).expand_dims(1);

    let update = Update { joints, rho: &rho, tolerance: &tolerance };
    let sorted = update.sorted(&systems.values, &z);
    let alone = update.alone(&sorted);
    let grouped = !alone.all();
    let positions = iota([b, m], 1, DType::I32);
    let (sorted, reflections, before) = {
        let (d, z, active, from, v, beta, group) = cond(
            &grouped,
            || {
                let (d, z, r) = reflect(&sorted, &alone);
                let again = update.sorted(&d, &z);
                (again.d, again.z, again.active, again.from, r.v, r.beta, r.group)
            },
            || {
                let none = zeros([b, m], z.dtype());
                let (d, z, active) = (sorted.d.clone(), sorted.z.clone(), sorted.active.clone());
                (d, z, active, positions.clone(), none.clone(), none, positions.clone())
            },
        );
        (RankOne { d, z, active, from }, Reflections { v, beta, group }, sorted.from)
    };

    let (values, basis) = update.solve(&sorted);
    let basis = cond(
        &grouped,
        || unsorted(&reflections.apply(&unsorted(&basis, &sorted.from)), &before),
        || unsorted(&basis, &before.take_along(&sorted.from, 1)),
    );
    systems.turned(values, &basis, joints)
}

/// What a level's joints have in common.
struct Update<'a> {
    joints: &'a Joints,
    rho: &'a Tensor,
    tolerance: &'a Tensor,
}

impl Update<'_> {
    /// The entries whose z counts first, by d.
    fn sorted(&self, d: &Tensor, z: &Tensor) -> RankOne {
        let tiny = (self.rho * z.abs()).le(self.tolerance);
        let key = tiny.select(f64::INFINITY, d);
        let positions = iota(d.shape(), 1, DType::I32);
        let joint = self.joints.number.as_ref().map(|number| number.broadcast_to(d.shape()));
        let arrays: Vec<&Tensor> = joint.iter().chain([&key, d, z, &positions]).collect();
        let keys = arrays.len() - 3;
        let mut sorted = sort_by_keys(&arrays, keys, 1, false).split_off(keys - 1);
        let (from, z, d) = (sorted.swap_remove(3), sorted.swap_remove(2), sorted.swap_remove(1));
        let active = sorted.swap_remove(0).lt(f64::INFINITY);
        RankOne { z: active.select(z, 0.0), d, active, from }
    }

    /// Whether an entry is too far from the one before it to be in one group with it.
    fn alone(&self, sorted: &RankOne) -> Tensor {
        let m = sorted.d.dim(1);
        let far = (&sorted.d - before(&sorted.d)).gt(self.tolerance);
        let position = iota([m], 0, DType::I32);
        let opens = match &self.joints.number {
            Some(number) => {
                position.eq(0) | number.ne(concatenate(&[&number.slice(0, 0, 1), &number.slice(0, 0, m - 1)], 0))
            }
            None => position.eq(0),
        };
        far | opens | !&sorted.active
    }

    /// The eigenvalues, and the eigenvectors in the basis of the sorted entries.
    fn solve(&self, sorted: &RankOne) -> (Tensor, Tensor) {
        let (z, active) = (&sorted.z, &sorted.active);
        let secular = Secular {
            variable: Variable::Eigenvalue,
            d: sorted.d.clone(),
            weights: self.rho * z.square(),
            active: active.clone(),
            equation: self.joints.number.clone(),
        };
        let roots = secular.roots();
        let values = active.select(&roots.origin + &roots.mu, &sorted.d);
        (values, vectors(&secular, &roots, z))
    }
}

/// The unit eigenvectors z_j / (root_i - d_j), from the z that belongs to the computed roots; the axes where an entry takes
/// no part.
fn vectors(secular: &Secular, roots: &Roots, z: &Tensor) -> Tensor {
    let distance = secular.distances(roots);
    let entries = column(&secular.consistent(roots, z)) / distance.eq(0.0).select(1.0, &distance);
    let entries = secular.support().select(entries, 0.0);
    let largest = entries.abs().max_axes([1]);
    let entries = entries / row(&largest.eq(0.0).select(1.0, &largest));
    let norm = entries.square().sum_axes([1]).sqrt();
    let unit = entries / row(&norm.eq(0.0).select(1.0, &norm));
    row(&secular.active).select(unit, secular.diagonal().convert(z.dtype()))
}

/// The first member of every group gets the norm of the group's z, the others none; and what the reflection makes of the
/// diagonal. What it puts beside the diagonal is no larger than the spread of the group, and is dropped.
fn reflect(sorted: &RankOne, opens: &Tensor) -> (Tensor, Tensor, Reflections) {
    let (d, z) = (&sorted.d, &sorted.z);
    let (b, m) = (d.dim(0), d.dim(1));
    let group = opens.convert(DType::I32).cumsum(1);
    let same = column(&group).eq(row(&group));
    let over = |x: &Tensor| same.select(column(x), 0.0).sum_axes([1]);
    let closes = concatenate(&[&opens.slice(1, 1, m), &zeros([b, 1], DType::I32).eq(0)], 1);
    let single = opens & closes;
    let norm = over(&z.square()).sqrt();
    let signed = z.lt(0.0).select(-&norm, &norm);
    let v = single.select(0.0, opens.select(z + &signed, z));
    let square = over(&v.square());
    let beta = square.eq(0.0).select(0.0, 2.0 / square.eq(0.0).select(1.0, &square));
    let z = single.select(z, opens.select(-signed, 0.0));
    let reflections = Reflections { v, beta, group };
    let change = reflections.matrix().square() * (column(d) - row(d));
    (d + change.sum_axes([1]), z, reflections)
}

impl Reflections {
    /// `[batch, m, m]`: all of them, which is symmetric.
    fn matrix(&self) -> Tensor {
        let same = column(&self.group).eq(row(&self.group));
        let product = column(&self.v) * row(&(&self.beta * &self.v));
        eye(self.v.dim(1), self.v.dtype()) - same.select(product, 0.0)
    }

    fn apply(&self, x: &Tensor) -> Tensor {
        self.matrix().matmul(x)
    }
}

impl Systems {
    /// The joined systems, from the eigenvectors in the basis of those of the halves.
    fn turned(&self, values: Tensor, basis: &Tensor, joints: &Joints) -> Systems {
        let m = values.dim(1);
        let ends =
            concatenate(&[&row(&joints.left.select(&self.first, 0.0)), &row(&joints.right.select(&self.last, 0.0))], 1)
                .matmul(basis);
        let whole = joints.number.is_none();
        let turn = |q: &Tensor| match whole {
            // The halves are still apart: `[2 batch, m / 2, m / 2]`.
            true => q.matmul(&basis.reshape([q.dim(0), m / 2, m])).reshape(basis.shape()),
            false => q.matmul(basis),
        };
        let vectors = self.vectors.iter().map(turn).collect();
        Systems { values, first: ends.at_index(1, 0), last: ends.at_index(1, 1), vectors }
    }
}

/// Rows put back to where a sort took them from: row i of every matrix becomes row `from[i]`.
fn unsorted(x: &Tensor, from: &Tensor) -> Tensor {
    let (b, m) = (x.dim(0), x.dim(1));
    let place = (from + iota([b, m], 0, DType::I32) * m as i32).flatten();
    let back = zeros([b * m], DType::I32).scatter_set(&place, iota([b * m], 0, DType::I32), 0);
    x.reshape([b * m, m]).take(&back, 0).reshape([b, m, m])
}

/// Every entry's predecessor in its row; the first one stays.
fn before(x: &Tensor) -> Tensor {
    let m = x.dim(1);
    concatenate(&[&x.slice(1, 0, 1), &x.slice(1, 0, m - 1)], 1)
}
