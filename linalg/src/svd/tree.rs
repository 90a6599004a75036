//! The singular value decomposition of a bidiagonal matrix by divide and conquer, static in its shapes.
//!
//! M. Gu and S. Eisenstat, "A divide-and-conquer algorithm for the bidiagonal SVD", SIAM J. Matrix Anal. Appl. 16, 1995. The
//! blocks of the tree have one column more than rows. Row k and column k are slot k: a block of slots has its rows but for
//! the last slot's, which is the row that couples it with its right neighbour. So left vectors, right vectors and values all
//! are arrays of one square shape: in the last slot of a block stand, on the right, the vector that the block takes to zero,
//! and on the left the unit vector of the coupling row, which becomes the new pole 0 when the two are merged.

use tandem_compile::{DType, HostArray, Tensor, concatenate, constant, eye, fori_loop, full, iota, sort_by_key};

use super::merge::{Forest, Geometry, merge};

/// Blocks of at most this many slots are put together from single slots in one loop over the levels, in arrays that have
/// all blocks of a level side by side. Above, every level has a body of its own.
const CONTAINER: usize = 128;

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
    let dtype = diagonal.dtype();
    let levels = (0..).find(|&levels| (n + 1).div_ceil(1 << levels) <= CONTAINER).unwrap_or(0);
    let size = (n + 1).div_ceil(1 << levels);
    let slots = size << levels;
    // Further rows have a diagonal element above all singular values, and no other: they come out first.
    let norm = diagonal.abs().max() + above.abs().max();
    let norm = norm.eq(0.0).select(1.0, &norm);
    let more = slots - n;
    let pads = (&norm * 1.01).broadcast_to([more]);
    let alpha = concatenate(&[diagonal, &pads], 0).reshape([1 << levels, size]);
    let beta = above.pad(0.0, &[(0, more as i64, 0)]).reshape([1 << levels, size]);
    let tolerance = norm * (16.0 * dtype.unit_roundoff());

    let identity = eye(size, dtype).broadcast_to([1 << levels, size, size]);
    let values = full([1 << levels, size], 0.0, dtype);
    let mut forest = Forest { values, left: identity.clone(), right: identity };
    let tables = halvings(size);
    let count = tables.len();
    if count > 0 {
        let table = |pick: fn(&Spans) -> &Vec<i32>| {
            let numbers = tables.iter().flat_map(|spans| pick(spans).clone()).collect::<Vec<i32>>();
            HostArray::new([count, size], numbers).map(|host| constant(&host))
        };
        if let (Ok(first), Ok(middle), Ok(last)) = (table(|s| &s.first), table(|s| &s.middle), table(|s| &s.last)) {
            forest = fori_loop(0, count as i32, forest, |level, forest| {
                let [first, middle, last] = [&first, &middle, &last].map(|table| table.index(0, &level));
                merge(&forest, &alpha, &beta, &tolerance, &Geometry::Masked { first, middle, last })
            });
        }
    }
    for _ in 0..levels {
        let (blocks, size) = (forest.values.dim(0) / 2, forest.values.dim(1) * 2);
        let [values, alpha, beta] = [&forest.values, &alpha, &beta].map(|x| x.reshape([blocks, size]));
        forest = merge(&Forest { values, ..forest }, &alpha, &beta, &tolerance, &Geometry::Halves);
    }
    sorted(&forest, n)
}

/// Without the further rows and the last slot, by decreasing value.
fn sorted(forest: &Forest, n: usize) -> Factors {
    let slots = forest.values.dim(1);
    let place = iota([slots], 0, DType::I32);
    let values = place.eq(slots as i32 - 1).select(-1.0, forest.values.reshape([slots]));
    let sorted = sort_by_key(&[&values, &place], 0, true);
    let kept = |x: &Tensor| x.slice(0, slots - 1 - n, slots - 1);
    let order = kept(&sorted[1]);
    let vectors = |x: &Tensor| x.reshape([slots, slots]).slice(0, 0, n).t().take(&order, 0);
    Factors { values: kept(&sorted[0]), left: vectors(&forest.left), right: vectors(&forest.right) }
}

/// Of every slot of a level: the first slot of its merged block, the last slot of the block's left half, its own last slot.
struct Spans {
    first: Vec<i32>,
    middle: Vec<i32>,
    last: Vec<i32>,
}

/// The levels that put `size` slots together from single ones, the lowest first.
fn halvings(size: usize) -> Vec<Spans> {
    let mut levels = Vec::new();
    let mut blocks = vec![(0, size)];
    while blocks.iter().any(|(first, end)| end - first > 1) {
        let middle = |first: usize, end: usize| first + (end - first).div_ceil(2);
        let spread = |pick: &dyn Fn(usize, usize) -> usize| {
            blocks.iter().flat_map(|&(first, end)| vec![pick(first, end) as i32; end - first]).collect()
        };
        levels.push(Spans {
            first: spread(&|first, _| first),
            middle: spread(&|first, end| middle(first, end) - 1),
            last: spread(&|_, end| end - 1),
        });
        let split = |&(first, end): &(usize, usize)| match end - first {
            1 => vec![(first, end)],
            _ => vec![(first, middle(first, end)), (middle(first, end), end)],
        };
        blocks = blocks.iter().flat_map(split).collect();
    }
    levels.reverse();
    levels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_halved_down_to_single_slots() {
        let levels = halvings(5);
        let middles: Vec<_> = levels.iter().map(|spans| spans.middle.clone()).collect();
        assert_eq!(middles, [vec![0, 0, 2, 3, 4], vec![1, 1, 1, 3, 3], vec![2; 5]]);
        assert_eq!(levels[0].last, [1, 1, 2, 3, 4]);
        assert_eq!(levels[1].first, [0, 0, 0, 3, 3]);
        assert!(halvings(1).is_empty());
    }
}
