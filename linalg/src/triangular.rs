//! Systems with a triangular matrix, by blocked substitution.

use tandem_compile::{Tensor, fori_loop, kernel, number, scalar, while_loop, zeros};

use crate::batch::{leading, over_leading};
use crate::operand::{all_finite, is_square, or_nan};
use crate::solve::right_hand_sides;

/// How many rows are solved for together, on every level down to one.
const BLOCKS: &[usize] = &[32, 1];
/// The same for many right-hand sides: a block of 32 rows is out of the fastest cache.
const BLOCKS_OF_MANY: &[usize] = &[32, 8, 1];
/// From how many right-hand sides on.
const MANY: usize = 256;
/// Rows of the solution that contribute together.
const STRIP: usize = 128;

/// Which half of a matrix is a triangular matrix, and how it stands in the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Triangle {
    pub lower: bool,
    pub transpose: bool,
    pub unit_diagonal: bool,
}

impl Triangle {
    /// Whether the first row is solved for first.
    fn forward(self) -> bool {
        self.lower != self.transpose
    }
}

/// X with T X = B, where T is the matrix `t` or its transpose; by substitution, which is linear in `b` also as a graph: its
/// loops have a fixed number of trips, so that reverse mode passes through.
///
/// t: `[n, n]`, of which one triangle is read; b: `[n, r]`.
#[track_caller]
pub(crate) fn substitute(t: &Tensor, b: &Tensor, how: Triangle) -> Tensor {
    blocked(t, b, how, &|rows, x, _| rows.dot(x))
}

/// From a block's rows of T, X so far with zeros where it is not solved, and the block's first row: what T X has there so far.
type Contribution<'a> = dyn Fn(&Tensor, &Tensor, &Tensor) -> Tensor + 'a;

/// A loop over blocks of rows: what the solved rows contribute is one product; a block is a system of the same kind, cut into
/// smaller blocks, down to single rows.
///
/// Unlike products with the inverses of the diagonal blocks (XLA's expansion of `stablehlo.triangular_solve`) this is backward stable whatever
/// the blocks' condition.
#[track_caller]
fn blocked(t: &Tensor, b: &Tensor, how: Triangle, contribution: &Contribution<'_>) -> Tensor {
    let (n, r) = (b.dim(0), b.dim(1));
    if n == 0 || r == 0 {
        return b.clone();
    }
    let blocks = if r < MANY { BLOCKS } else { BLOCKS_OF_MANY };
    let block = n.next_power_of_two().min(blocks[0]);
    let padded = n.next_multiple_of(if n <= 2 * STRIP { block } else { STRIP });
    let more = (padded - n) as i64;
    let t = if how.transpose { triangle(t, how).t() } else { triangle(t, how) };
    let diagonal = if how.unit_diagonal { number(1.0, t.dtype()).broadcast_to([n]) } else { t.diag() };
    let system = System {
        t: t.pad(0.0, &[(0, more, 0), (0, more, 0)]),
        diagonal: diagonal.pad(1.0, &[(0, more, 0)]),
        b: b.pad(0.0, &[(0, more, 0), (0, 0, 0)]),
    };
    let smaller: Vec<usize> = blocks.iter().copied().filter(|&size| size < block).collect();
    system.solve(block, &smaller, how.forward(), contribution).slice(0, 0, n)
}

/// A triangular matrix with zeros in its other half, its diagonal, and a right-hand side.
struct System {
    t: Tensor,
    diagonal: Tensor,
    b: Tensor,
}

impl System {
    /// By blocks of `block` rows (of which there is a whole number), each by blocks of the `smaller` sizes.
    #[track_caller]
    fn solve(&self, block: usize, smaller: &[usize], forward: bool, contribution: &Contribution<'_>) -> Tensor {
        let (n, r) = (self.b.dim(0), self.b.dim(1));
        let count = n / block;
        let zero = scalar(0i32);
        fori_loop(0, count as i32, zeros([n, r], self.b.dtype()), |i, x| {
            let i = if forward { i } else { scalar(count as i32 - 1) - i };
            let first = i * scalar(block as i32);
            let rows = self.t.dynamic_slice(&[&first, &zero], [block, n]);
            let b = self.b.dynamic_slice(&[&first, &zero], [block, r]) - contribution(&rows, &x, &first);
            let diagonal = self.diagonal.dynamic_slice(&[&first], [block]);
            let solved = match smaller.split_first() {
                None => b / diagonal.reshape([1, 1]),
                Some((&size, smaller)) => {
                    let t = rows.dynamic_slice(&[&zero, &first], [block, block]);
                    System { t, diagonal, b }.solve(size, smaller, forward, &|rows, x, _| rows.dot(x))
                }
            };
            x.dynamic_update_slice(&solved, &[&first, &zero])
        })
    }
}

/// The product of a block's rows of T with X, without work on strips of X that are not solved.
#[track_caller]
fn solved_strips(rows: &Tensor, x: &Tensor, first: &Tensor, how: Triangle) -> Tensor {
    let (block, n, r) = (rows.dim(0), rows.dim(1), x.dim(1));
    if n <= 2 * STRIP {
        return rows.dot(x);
    }
    let (zero, size) = (scalar(0i32), scalar(STRIP as i32));
    // Forward from the first row up to this block, backward from the strip of this block to the last row.
    let (start, end) = match how.forward() {
        true => (zero.clone(), first.clone()),
        false => (first / &size * &size, scalar(n as i32)),
    };
    let (_, sum) = while_loop(
        (start, zeros([block, r], x.dtype())),
        |(at, _)| at.lt(&end),
        |(at, sum)| {
            let part = rows.dynamic_slice(&[&zero, &at], [block, STRIP]);
            let product = part.dot(&x.dynamic_slice(&[&at, &zero], [STRIP, r]));
            (at + &size, sum + product)
        },
    );
    sum
}

/// The strict triangle that is read, and the diagonal unless it counts as ones; zeros elsewhere.
#[track_caller]
fn triangle(t: &Tensor, how: Triangle) -> Tensor {
    let off = i32::from(how.unit_diagonal);
    if how.lower { t.tril(-off) } else { t.triu(off) }
}

/// The same, with NaN everywhere where something that is read is not finite.
#[track_caller]
pub(crate) fn solve_triangular_portable(t: &Tensor, b: &Tensor, how: Triangle) -> Tensor {
    let good = all_finite(&triangle(t, how)) & all_finite(b);
    or_nan(&good, &blocked(t, b, how, &|rows, x, first| solved_strips(rows, x, first, how)))
}

/// The tangent of X in T X = B: T dX = dB - dT X, for what is read of dT.
#[track_caller]
pub(crate) fn solve_triangular_rule(
    (t, _b): (&Tensor, &Tensor),
    x: &Tensor,
    (dt, db): (&Tensor, &Tensor),
    how: Triangle,
) -> Tensor {
    // The axis that T contracts with X.
    let columns = usize::from(!how.transpose);
    substitute(t, &(db - triangle(dt, how).contract(x, columns, 0)), how)
}

/// X with T X = B, where T is the triangular matrix `a`, or its transpose where `transpose` is true.
///
/// a: `[..., n, n]`, f32 or f64: its lower triangle where `lower`, else its upper one, is T; the other is not read, nor is the
/// diagonal where `unit_diagonal` says that it counts as ones. b: `[..., n, r]` or `[..., n]`, of the same dtype; so is X. Where a
/// diagonal element is zero there is no X: infinities or NaN. NaN or infinity in what is read makes everything NaN.
///
/// Golub and Van Loan, Matrix Computations, section 3.1 (block substitution).
///
/// ```
/// use ndarray::{Array1, array};
/// use tandem_compile::{Tensor, jit};
///
/// let solve = jit(|(a, b): (Tensor, Tensor)| tandem_linalg::solve_triangular(&a, &b, true, false, false));
/// let x: Array1<f64> = solve.call((&array![[2.0, 0.0], [1.0, 4.0]], &array![2.0, 9.0]))?;
/// assert_eq!(x, array![1.0, 2.0]);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn solve_triangular(a: &Tensor, b: &Tensor, lower: bool, transpose: bool, unit_diagonal: bool) -> Tensor {
    if !is_square("solve_triangular", a) {
        return b.clone();
    }
    let Some(columns) = right_hand_sides("solve_triangular", a, b) else { return b.clone() };
    let how = Triangle { lower, transpose, unit_diagonal };
    type System = (Tensor, Tensor);
    let solved = kernel(
        None,
        move |(a, b): System| solve_triangular_portable(&a, &b, how),
        move |(a, b): &System, x: &Tensor, (da, db): &System| solve_triangular_rule((a, b), x, (da, db), how),
    );
    over_leading(&leading(a), (a.clone(), columns), solved).reshape(b.shape())
}
