//! The singular value decomposition of a bidiagonal matrix by divide and conquer, static in its shapes.
//!
//! M. Gu and S. Eisenstat, "A divide-and-conquer algorithm for the bidiagonal SVD", SIAM J. Matrix Anal. Appl. 16, 1995. The
//! blocks of the tree have one column more than rows. Row k and column k are slot k: a block of slots has its rows but for
//! the last slot's, which is the row that couples it with its right neighbour. So left vectors, right vectors and values all
//! are arrays of one square shape: in the last slot of a block stand, on the right, the vector that the block takes to zero,
//! and on the left the unit vector of the coupling row, which becomes the new pole 0 when the two are merged.

use tandem_compile::{
    DType, HostArray, Tensor, concatenate, constant, eye, fori_loop, iota, ones, refuse, sort_by_key, zeros,
};

use super::merge::{Forest, Spans, merge};

/// Blocks of at most this many slots are put together from single slots in one loop over the levels, in containers that
/// have all blocks of a level side by side.
const CONTAINER: usize = 128;

/// How many of those are put together in a second loop, if there are more. Above, every level has a body of its own.
const GROWTH: usize = 4;

/// What a bidiagonal matrix is taken apart to.
pub(crate) struct Factors {
    /// `[n]`, decreasing.
    pub values: Tensor,
    /// `[n, n]`, a left singular vector as a row.
    pub left: Tensor,
    /// `[n, n]`, a right singular vector as a row.
    pub right: Tensor,
}

/// The decomposition of the upper bidiagonal matrix with this diagonal `[n]` and these elements above it, `[n]`, of which
/// the last is zero; n >= 1.
#[track_caller]
pub(crate) fn bidiagonal_svd(diagonal: &Tensor, above: &Tensor) -> Factors {
    let n = diagonal.dim(0);
    let forest = grown(diagonal, above, true);
    let (values, order) = sorted(&forest, n);
    let slots = forest.values.dim(1);
    let vectors = forest.vectors[0].reshape([2, slots, slots]).slice(1, 0, n).transpose([0, 2, 1]).take(&order, 1);
    Factors { values, left: vectors.at_index(0, 1), right: vectors.at_index(0, 0) }
}

/// The singular values alone, decreasing: without the products of vectors.
#[track_caller]
pub(crate) fn bidiagonal_svdvals(diagonal: &Tensor, above: &Tensor) -> Tensor {
    sorted(&grown(diagonal, above, false), diagonal.dim(0)).0
}

/// The whole tree as one block, `[1, slots]`.
fn grown(diagonal: &Tensor, above: &Tensor, vectors: bool) -> Forest {
    let n = diagonal.dim(0);
    let dtype = diagonal.dtype();
    let levels = (0..).find(|&levels| (n + 1).div_ceil(1 << levels) <= CONTAINER).unwrap_or(0);
    let (blocks, size) = (1 << levels, (n + 1).div_ceil(1 << levels));
    // Further rows have a diagonal element above all singular values, and no other: they come out first.
    let norm = diagonal.abs().max() + above.abs().max();
    let norm = norm.eq(0.0).select(1.0, &norm);
    let more = blocks * size - n;
    let pads = (&norm * 1.01).broadcast_to([more]);
    let alpha = concatenate(&[diagonal, &pads], 0);
    let beta = above.pad(0.0, &[(0, more as i64, 0)]);
    let tolerance = norm * (16.0 * dtype.unit_roundoff());

    let slots = blocks * size;
    let one = ones([slots, 1], dtype);
    let vectors = if vectors { vec![ones([2, slots, 1, 1], dtype)] } else { Vec::new() };
    let single = Forest { values: zeros([slots, 1], dtype), first: one.clone(), last: one, vectors };
    let rows = Rows { alpha, beta, tolerance };
    let mut forest = rows.shared_levels(&single, size);
    if blocks > GROWTH {
        forest = rows.shared_levels(&forest, GROWTH);
    }
    while forest.values.dim(0) > 1 {
        forest = rows.level(&forest);
    }
    forest
}

/// The rows of the bidiagonal matrix.
struct Rows {
    /// `[slots]`: the diagonal.
    alpha: Tensor,
    /// `[slots]`: the elements above it.
    beta: Tensor,
    /// What may be neglected, a scalar.
    tolerance: Tensor,
}

impl Rows {
    /// As many blocks as `growth` says become one, in one loop over the levels.
    fn shared_levels(&self, forest: &Forest, growth: usize) -> Forest {
        let height = forest.values.dim(1);
        let containers = forest.values.dim(0) / growth;
        let side_by_side = |x: &Tensor| x.reshape([containers, growth * height]);
        let packed = Forest {
            values: side_by_side(&forest.values),
            first: side_by_side(&forest.first),
            last: side_by_side(&forest.last),
            vectors: forest.vectors.iter().map(|x| block_diagonal(x, growth)).collect(),
        };
        let (alpha, beta) = (side_by_side(&self.alpha), side_by_side(&self.beta));
        let levels = Levels::of(growth, height);
        fori_loop(0, levels.count as i32, packed, |level, forest| {
            let [first, middle, last] = [&levels.first, &levels.middle, &levels.last].map(|x| x.index(0, &level));
            merge(&forest, &alpha, &beta, &self.tolerance, &Spans { first, middle, last, whole: false })
        })
    }

    /// Every two blocks become one.
    fn level(&self, forest: &Forest) -> Forest {
        let (blocks, size) = (forest.values.dim(0) / 2, forest.values.dim(1) * 2);
        let pair = |x: &Tensor| x.reshape([blocks, size]);
        let [values, first, last] = [&forest.values, &forest.first, &forest.last].map(pair);
        let paired = Forest { values, first, last, vectors: forest.vectors.clone() };
        merge(&paired, &pair(&self.alpha), &pair(&self.beta), &self.tolerance, &Spans::halves(size))
    }
}

/// `[2, blocks, h, h]` to `[2, containers, growth h, growth h]`: the blocks along the diagonals of the containers.
fn block_diagonal(x: &Tensor, growth: usize) -> Tensor {
    let (h, containers) = (x.dim(2), x.dim(1) / growth);
    let apart = eye(growth, x.dtype()).reshape([1, 1, growth, 1, growth, 1]);
    let size = growth * h;
    (x.reshape([2, containers, growth, h, 1, h]) * apart).reshape([2, containers, size, size])
}

/// The values without those of further rows and the last slot, decreasing, and their places.
fn sorted(forest: &Forest, n: usize) -> (Tensor, Tensor) {
    let slots = forest.values.dim(1);
    let place = iota([slots], 0, DType::I32);
    let values = place.eq(slots as i32 - 1).select(-1.0, forest.values.reshape([slots]));
    let sorted = sort_by_key(&[&values, &place], 0, true);
    let kept = |x: &Tensor| x.slice(0, slots - 1 - n, slots - 1);
    (kept(&sorted[0]), kept(&sorted[1]))
}

/// The levels that put `units` of `height` slots together, the lowest first: `[count, units height]`, i32, as [`Spans`] has
/// them.
struct Levels {
    count: usize,
    first: Tensor,
    middle: Tensor,
    last: Tensor,
}

impl Levels {
    fn of(units: usize, height: usize) -> Self {
        let levels = blocks(units);
        let table = |pick: fn(usize, usize) -> usize, before: usize| {
            let block = |&(first, end): &(usize, usize)| {
                vec![(pick(first, end) * height - before) as i32; (end - first) * height]
            };
            let rows: Vec<i32> = levels.iter().flatten().flat_map(block).collect();
            let table = HostArray::new([levels.len(), units * height], rows);
            table.map_or_else(|e| refuse(e.to_string()), |table| constant(&table))
        };
        Self {
            count: levels.len(),
            first: table(|first, _| first, 0),
            middle: table(middle, 1),
            last: table(|_, end| end, 1),
        }
    }
}

/// Where the right one of two halves begins; of a single slot, its end.
fn middle(first: usize, end: usize) -> usize {
    first + (end - first).div_ceil(2)
}

/// The blocks of every level, from pairs of slots up to the whole, as their first slots and their ends.
fn blocks(size: usize) -> Vec<Vec<(usize, usize)>> {
    let mut levels = Vec::new();
    let mut blocks = vec![(0, size)];
    while blocks.iter().any(|(first, end)| end - first > 1) {
        let split = |&(first, end): &(usize, usize)| match end - first {
            1 => vec![(first, end)],
            _ => vec![(first, middle(first, end)), (middle(first, end), end)],
        };
        let next = blocks.iter().flat_map(split).collect();
        levels.push(std::mem::replace(&mut blocks, next));
    }
    levels.reverse();
    levels
}

#[cfg(test)]
mod tests {
    use super::blocks;

    #[test]
    fn slots_are_halved_down_to_single_ones() {
        assert_eq!(blocks(5), [vec![(0, 2), (2, 3), (3, 4), (4, 5)], vec![(0, 3), (3, 5)], vec![(0, 5)]]);
        assert!(blocks(1).is_empty());
    }
}
