//! The tree of divide and conquer over a symmetric tridiagonal matrix.
//!
//! It is torn into single elements at once; the levels then join pairs. Small levels share one loop body on containers of
//! fixed size, in which the joints are masks that depend on the level; above them every level is a body of its own. A
//! doubling of n so costs at most one body more to compile.

use tandem_compile::{DType, Tensor, concatenate, eye, fori_loop, iota, number, ones, sort_by_key, zeros};

use super::merge::{Joints, Systems, merge};

/// The largest container of the first shared body; where there are several, they are larger than half of this. With 32, n =
/// 512 ran as long, and the tree took 40% more to compile.
const SMALL: usize = 64;
/// How many of those make a container of the second.
const GROWTH: usize = 4;

/// A symmetric tridiagonal matrix after tearing.
struct Torn {
    /// `[size]`: what the tearing left of the diagonal.
    d: Tensor,
    /// `[size]`: the element between an index and the next; 0 for the last.
    e: Tensor,
    /// `container 2^levels`: n, padded.
    size: usize,
    /// The size of the small containers.
    container: usize,
}

/// Eigenvalues in increasing order `[n]` and, if wanted, eigenvectors `[n, n]`, one per column.
///
/// d: `[n]`, the diagonal; e: `[n - 1]`, the elements beside it; all finite.
pub(super) fn tridiagonal_eigh(d: &Tensor, e: &Tensor, vectors: bool) -> (Tensor, Option<Tensor>) {
    let (n, torn) = (d.dim(0), tear(d, e));
    let (mut systems, mut height) = (torn.leaves(vectors), 1);
    for container in [torn.container, (torn.container * GROWTH).min(torn.size)] {
        if height < container {
            systems = torn.shared_levels(&systems, height, container);
            height = container;
        }
    }
    while height < torn.size {
        systems = torn.level(&systems, height);
        height *= 2;
    }
    let order = sort_by_key(&[&systems.values.flatten(), &iota([torn.size], 0, DType::I32)], 0, false);
    let picked = order[1].slice(0, 0, n);
    let vectors = systems.vectors.first().map(|v| v.at_index(0, 0).slice(0, 0, n).take(&picked, 1));
    (order[0].slice(0, 0, n), vectors)
}

/// The sizes of the small containers and of all of them together.
fn sizes(n: usize) -> (usize, usize) {
    let mut count = 1;
    while n.div_ceil(count) > SMALL {
        count *= 2;
    }
    let container = n.div_ceil(count);
    (container, container * count)
}

/// Takes the couplings out: T = diag(d - |e| on both sides) + sum |e| u u'. Padding stands beyond every eigenvalue, so that
/// it sorts last, and is coupled to nothing.
fn tear(d: &Tensor, e: &Tensor) -> Torn {
    let (n, dtype) = (d.dim(0), d.dtype());
    let (container, size) = sizes(n);
    let one = zeros([1], dtype);
    let bound = d.abs().max() + concatenate(&[e, &one], 0).abs().max() * 2.0;
    let beyond = bound.eq(0.0).select(number(1.0, dtype), bound * 1.01);
    let d = concatenate(&[d, &beyond.broadcast_to([size - n])], 0);
    let e = concatenate(&[e, &zeros([size - n + 1], dtype)], 0);
    let taken = e.abs();
    let d = d - &taken - concatenate(&[&one, &taken.slice(0, 0, size - 1)], 0);
    Torn { d, e, size, container }
}

impl Torn {
    /// Every index a system of its own.
    fn leaves(&self, vectors: bool) -> Systems {
        let unit = ones([self.size, 1], self.d.dtype());
        let vectors = if vectors { vec![unit.expand_dims(2)] } else { Vec::new() };
        Systems { values: self.d.expand_dims(1), first: unit.clone(), last: unit, vectors }
    }

    /// All levels from systems of `height` to systems of `m`, in one loop.
    fn shared_levels(&self, systems: &Systems, height: usize, m: usize) -> Systems {
        let b = self.size / m;
        let packed = Systems {
            values: systems.values.reshape([b, m]),
            first: systems.first.reshape([b, m]),
            last: systems.last.reshape([b, m]),
            vectors: systems.vectors.iter().map(|v| block_diagonal(v, b, m)).collect(),
        };
        let e = self.e.reshape([b, m]);
        let position = iota([m], 0, DType::I32);
        let levels = (m.div_ceil(height)).next_power_of_two().trailing_zeros();
        let (joined, _) =
            fori_loop(0, levels as i32, (packed, number(height as f64, DType::I32)), |_, (systems, h)| {
                let pair = &h * 2;
                let joint = &position / &pair;
                let cut = &joint * &pair + &h;
                // The last joint of a container may lack its right half.
                let whole = cut.lt(m as i32);
                let coupling = whole.select(e.take(&(&cut - 1), 1), 0.0);
                let left = position.lt(&cut);
                let right = !(&left & whole);
                (merge(&systems, &Joints { number: Some(joint), left, right, coupling }), pair)
            });
        joined
    }

    /// One level: neighbours of `height` become systems of twice that.
    fn level(&self, systems: &Systems, height: usize) -> Systems {
        let (b, m) = (self.size / (2 * height), 2 * height);
        let paired = Systems {
            values: systems.values.reshape([b, m]),
            first: systems.first.reshape([b, m]),
            last: systems.last.reshape([b, m]),
            vectors: systems.vectors.clone(),
        };
        let left = iota([m], 0, DType::I32).lt(height as i32);
        let coupling = self.e.reshape([b, m]).slice(1, height - 1, height);
        let right = !&left;
        merge(&paired, &Joints { number: None, left, right, coupling })
    }
}

/// `[b r, h, h]` to `[b, m, m]` with m = r h: the blocks along the diagonals of the containers.
fn block_diagonal(blocks: &Tensor, b: usize, m: usize) -> Tensor {
    let h = blocks.dim(1);
    let r = m / h;
    let apart = eye(r, blocks.dtype()).reshape([1, r, 1, r, 1]);
    (blocks.reshape([b, r, h, 1, h]) * apart).reshape([b, m, m])
}
