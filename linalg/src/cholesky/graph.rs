//! Blocked Cholesky factorization as a graph.
//!
//! Golub and Van Loan, Matrix Computations, section 4.2 (block left-looking form), for U = L', whose rows lie in memory side by
//! side: what the rows above contribute to a block of rows is one product; inside of the block a loop over its rows.

use tandem_compile::{DType, Tensor, fori_loop, iota, number, scalar, while_loop, zeros};

use crate::operand::{all_finite, or_nan};

/// Rows that are factored together.
const BLOCK: usize = 32;
/// Rows above a block that contribute together.
const STRIP: usize = 128;

/// L with L L' = A, of which the lower triangle is read; NaN everywhere where A is not positive definite or not finite.
#[track_caller]
pub(crate) fn cholesky_portable(a: &Tensor) -> Tensor {
    let n = a.dim(0);
    if n == 0 {
        return a.clone();
    }
    let block = n.next_power_of_two().min(BLOCK);
    let padded = n.next_multiple_of(if n <= 2 * STRIP { block } else { STRIP });
    let more = (padded - n) as i64;
    // Beyond n the identity, whose factor is the identity.
    let identity = iota([padded], 0, DType::I32).ge(n as i32).convert(a.dtype()).diag();
    let upper = a.t().triu(0).pad(0.0, &[(0, more, 0), (0, more, 0)]) + identity;
    let zero = scalar(0i32);
    let u = fori_loop(0, (padded / block) as i32, zeros([padded, padded], a.dtype()), |i, u| {
        let first = i * scalar(block as i32);
        let rest = upper.dynamic_slice(&[&first, &zero], [block, padded]) - contribution(&u, &first, block);
        u.dynamic_update_slice(&factor_rows(&rest, &first), &[&first, &zero])
    });
    let u = u.slice(0, 0, n).slice(1, 0, n);
    // A pivot that was not positive has left NaN on the diagonal, its own and later ones, an infinite one infinity.
    let pivots = u.diag();
    let good = all_finite(&pivots) & pivots.gt(0.0).all();
    or_nan(&good, &u.t())
}

/// U'U's rows `first..first + block`, from the rows of U above them; those from `first` on are zeros.
#[track_caller]
fn contribution(u: &Tensor, first: &Tensor, block: usize) -> Tensor {
    let n = u.dim(0);
    let zero = scalar(0i32);
    if n <= 2 * STRIP {
        return u.dynamic_slice(&[&zero, first], [n, block]).contract(u, 0, 0);
    }
    let size = scalar(STRIP as i32);
    let (_, sum) = while_loop(
        (zero.clone(), zeros([block, n], u.dtype())),
        |(above, _)| above.lt(first),
        |(above, sum)| {
            let columns = u.dynamic_slice(&[&above, first], [STRIP, block]);
            let rows = u.dynamic_slice(&[&above, &zero], [STRIP, n]);
            (above + &size, sum + columns.contract(&rows, 0, 0))
        },
    );
    sum
}

/// The rows of U from those of A less what the rows above contribute: `[block, n]`, both.
#[track_caller]
fn factor_rows(rest: &Tensor, first: &Tensor) -> Tensor {
    let (block, n) = (rest.dim(0), rest.dim(1));
    let position = iota([n], 0, DType::I32);
    let zero = scalar(0i32);
    fori_loop(0, block as i32, zeros([block, n], rest.dtype()), |j, u| {
        let at = first + &j;
        let row = rest.index(0, &j) - u.index(1, &at).dot(&u);
        let pivot = row.index(0, &at);
        // Zero is not positive definite either.
        let root = pivot.gt(0.0).select(&pivot, number(f64::NAN, rest.dtype())).sqrt();
        let row = position.ge(&at).select(row / root, 0.0);
        u.dynamic_update_slice(&row.reshape([1, n]), &[&j, &zero])
    })
}
