//! Systems with a triangular matrix, by blocked substitution.

use tandem_compile::{Tensor, fori_loop, kernel, number, refuse, scalar, zeros};

use crate::batch::{leading, over_leading};
use crate::operand::{all_finite, is_square, or_nan};

/// Rows that are solved for together.
const BLOCK: usize = 32;

/// Which half of a matrix is a triangular matrix, and how it stands in the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Triangle {
    pub lower: bool,
    pub transpose: bool,
    pub unit_diagonal: bool,
}

/// X with T X = B, where T is the matrix `t` or its transpose; by substitution, which is linear in `b` also as a graph: its
/// loops have a fixed number of trips, so that reverse mode passes through.
///
/// t: `[n, n]`, of which one triangle is read; b: `[n, r]`.
///
/// A loop over blocks of rows: what the solved rows contribute is one product; inside of a block a loop over its rows.
/// Unlike products with the inverses of the diagonal blocks (XLA's expansion of `stablehlo.triangular_solve`) this is backward
/// stable whatever the blocks' condition.
#[track_caller]
pub(crate) fn substitute(t: &Tensor, b: &Tensor, how: Triangle) -> Tensor {
    let (n, r) = (b.dim(0), b.dim(1));
    if n == 0 || r == 0 {
        return b.clone();
    }
    let block = n.next_power_of_two().min(BLOCK);
    let padded = n.next_multiple_of(block);
    let more = (padded - n) as i64;
    let t = if how.transpose { triangle(t, how).t() } else { triangle(t, how) };
    let diagonal = if how.unit_diagonal { number(1.0, t.dtype()).broadcast_to([n]) } else { t.diag() };
    let t = t.pad(0.0, &[(0, more, 0), (0, more, 0)]);
    let diagonal = diagonal.pad(1.0, &[(0, more, 0)]);
    let b = b.pad(0.0, &[(0, more, 0), (0, 0, 0)]);
    let forward = how.lower != how.transpose;
    let zero = scalar(0i32);
    let turn = |i: Tensor, count: usize| if forward { i } else { scalar(count as i32 - 1) - i };
    let x = fori_loop(0, (padded / block) as i32, zeros([padded, r], b.dtype()), |i, x| {
        let first = turn(i, padded / block) * scalar(block as i32);
        let rows = t.dynamic_slice(&[&first, &zero], [block, padded]);
        // Rows of X that are not solved yet are zeros.
        let rest = b.dynamic_slice(&[&first, &zero], [block, r]) - rows.dot(&x);
        let own = rows.dynamic_slice(&[&zero, &first], [block, block]);
        let pivots = diagonal.dynamic_slice(&[&first], [block]);
        let solved = fori_loop(0, block as i32, zeros([block, r], b.dtype()), |j, y| {
            let j = turn(j, block);
            let row = (rest.index(0, &j) - own.index(0, &j).dot(&y)) / pivots.index(0, &j);
            y.dynamic_update_slice(&row.reshape([1, r]), &[&j, &zero])
        });
        x.dynamic_update_slice(&solved, &[&first, &zero])
    });
    x.slice(0, 0, n)
}

/// The strict triangle that is read, and the diagonal unless it counts as ones; zeros elsewhere.
#[track_caller]
fn triangle(t: &Tensor, how: Triangle) -> Tensor {
    let off = i32::from(how.unit_diagonal);
    if how.lower { t.tril(-off) } else { t.triu(off) }
}

/// [`substitute`], with NaN everywhere where something that is read is not finite.
#[track_caller]
pub(crate) fn solve_triangular_portable(t: &Tensor, b: &Tensor, how: Triangle) -> Tensor {
    let good = all_finite(&triangle(t, how)) & all_finite(b);
    or_nan(&good, &substitute(t, b, how))
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
    let leading = leading(a);
    let (n, axes) = (a.dim(leading.len()), leading.len());
    let vector = b.ndim() == axes + 1;
    let fits = vector || b.ndim() == axes + 2;
    if !fits || b.dtype() != a.dtype() || b.shape()[..axes] != leading[..] || b.dim(axes) != n {
        return refuse(format!(
            "solve_triangular: with a matrix {} a right-hand side [..., {n}] or [..., {n}, r] of its dtype and its leading \
             axes expected, got {}",
            a.ty(),
            b.ty()
        ));
    }
    let how = Triangle { lower, transpose, unit_diagonal };
    let columns = b.reshape([&b.shape()[..=axes], &[if vector { 1 } else { b.dim(axes + 1) }]].concat());
    type System = (Tensor, Tensor);
    let solved = kernel(
        None,
        move |(a, b): System| solve_triangular_portable(&a, &b, how),
        move |(a, b): &System, x: &Tensor, (da, db): &System| solve_triangular_rule((a, b), x, (da, db), how),
    );
    over_leading(&leading, (a.clone(), columns), solved).reshape(b.shape())
}
