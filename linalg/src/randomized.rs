//! Decompositions by random projections: a few products with the matrix instead of its reduction.
//!
//! N. Halko, P.-G. Martinsson and J. Tropp, "Finding structure with randomness", SIAM Review 53, 2011: algorithms 4.4
//! and 5.1.

use tandem_compile::random::{self, Key};
use tandem_compile::{Tensor, fori_loop, refuse};

use crate::batch::{leading, over_leading};
use crate::operand::is_matrix;
use crate::qr::qr;
use crate::svd::svd;

/// Q `[..., m, size]` with orthonormal columns that nearly span what A does to its largest singular vectors: ||A - Q
/// Q'A|| is about the first singular value that is left out.
///
/// key: of random numbers, see [`random::key`], which are the same for all matrices of a batch; a: `[..., m, n]`, f32
/// or f64; size: at most min(m, n), some five to ten more than the singular values that are wanted. Each of the
/// `power_iterations` costs two products with A, and makes what singular values beyond `size` add smaller by (s_j /
/// s_size)^2: two of them where the singular values decay slowly. NaN everywhere where the matrix is not finite.
///
/// ```
/// use ndarray::{Array2, array};
/// use tandem_compile::{Tensor, jit, random};
///
/// let range = jit(|a: Tensor| tandem_linalg::range_finder(random::key(1), &a, 1, 1));
/// let q: Array2<f64> = range.call(&array![[3.0, 6.0], [4.0, 8.0]])?;
/// assert!((q[[0, 0]].abs() - 0.6).abs() < 1e-14 && (q[[1, 0]].abs() - 0.8).abs() < 1e-14);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn range_finder(key: impl Key, a: &Tensor, size: usize, power_iterations: usize) -> Tensor {
    if !is_matrix("range_finder", a) {
        return a.clone();
    }
    let axes = a.ndim() - 2;
    let (m, n) = (a.dim(axes), a.dim(axes + 1));
    if size > m.min(n) {
        return refuse(format!("range_finder: at most {} columns expected of {}, got {size}", m.min(n), a.ty()));
    }
    let sketch = a.contract(&random::normal(key, [n, size], a.dtype()), axes + 1, 0);
    over_leading(&leading(a), (a.clone(), sketch), |(a, sketch)| {
        let rounds = power_iterations as i32;
        fori_loop(0, rounds, qr(&sketch).0, |_, q| qr(&a.dot(&qr(&a.contract(&q, 0, 0)).0)).0)
    })
}

/// The largest `rank` singular values and vectors, nearly: u `[..., m, rank]`, s `[..., rank]`, vh `[..., rank, n]`, as
/// [`svd`] has them, of Q Q'A for the Q of [`range_finder`] with `rank + oversampling` columns (at most min(m, n),
/// where it is exact).
///
/// key, a, power_iterations: as in [`range_finder`]; rank: at most min(m, n); oversampling: five to ten. The error
/// is near the first singular value that is left out. NaN everywhere where the matrix is not finite.
///
/// ```
/// use ndarray::{Array1, Array2, array};
/// use tandem_compile::{Tensor, jit, random};
///
/// let one = jit(|a: Tensor| tandem_linalg::rsvd(random::key(1), &a, 1, 1, 2));
/// let (_, s, _): (Array2<f64>, Array1<f64>, Array2<f64>) = one.call(&array![[3.0, 6.0], [4.0, 8.0]])?;
/// assert!((s[0] - 125f64.sqrt()).abs() < 1e-13);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn rsvd(
    key: impl Key,
    a: &Tensor,
    rank: usize,
    oversampling: usize,
    power_iterations: usize,
) -> (Tensor, Tensor, Tensor) {
    if !is_matrix("rsvd", a) {
        return (a.clone(), a.clone(), a.clone());
    }
    let axes = a.ndim() - 2;
    let most = a.dim(axes).min(a.dim(axes + 1));
    if rank > most {
        let nothing = refuse(format!("rsvd: a rank of at most {most} expected of {}, got {rank}", a.ty()));
        return (nothing.clone(), nothing.clone(), nothing);
    }
    let q = range_finder(key, a, rank.saturating_add(oversampling).min(most), power_iterations);
    over_leading(&leading(a), (a.clone(), q), |(a, q)| {
        let (u, s, vh) = svd(&q.contract(&a, 0, 0));
        (q.dot(&u.slice(1, 0, rank)), s.slice(0, 0, rank), vh.slice(0, 0, rank))
    })
}
