//! The Householder projector that is nearest to a given matrix.

use tandem_compile::{DType, Tensor, iota, number};
use tandem_linalg::scale::{max_abs, power_of_two};
use tandem_linalg::{qr_raw, svd};
use tandem_verify::status::Status;

use super::compact::identity;
use super::householder_q;

/// The nearest matrix W = Q(U) S Q(V)' of rank N to a given one; a builder.
///
/// Of A = sum_i s_i u_i v_i' it is the partial isometry P = sum_{i <= N} u_i v_i': all its N singular values are 1, and
/// no other matrix of that kind is closer to A. |A - P|^2 = sum_{i <= N} (s_i - 1)^2 + sum_{i > N} s_i^2; with N =
/// min(m, n), P is the polar factor. The signs of the QR factorizations that turn u_1 ... u_N and v_1 ... v_N into
/// reflectors stand in S.
///
/// Cost: a singular value decomposition, and 4 (m + n) N^2 operations. P is not determined where s_N = s_{N+1} (no
/// status says so) or s_N = 0 ([`Status::RANK_DEFICIENT`]): then it is that of the decomposition that was computed. A = 0 gives `[I; 0]`
/// ([`Status::DEGENERATE`]).
///
/// ```
/// use tandem_algos::householder::Projector;
///
/// assert!(Projector::new(10).check(&[512, 64]).is_ok());
/// assert!(Projector::new(65).check(&[512, 64]).is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Projector {
    /// N, from 1 to min(m, n).
    pub rank: usize,
}

/// The traced outputs of [`Projector::trace`].
#[derive(Debug, Clone)]
pub struct Nearest {
    /// The reflectors of Q(U), `[m, N]`: zeros above the diagonal and ones on it, or a zero column, which is the
    /// identity.
    pub u_vectors: Tensor,
    /// The reflectors of Q(V), `[n, N]`, likewise.
    pub v_vectors: Tensor,
    /// The diagonal of S, `[N]`: 1 or -1.
    pub s: Tensor,
    /// P, `[m, n]`.
    pub projector: Tensor,
    /// The first N columns of Q(V), as rows, `[N, n]`: orthonormal, and what P does not send to zero.
    pub directions: Tensor,
    /// |A - P| in the Frobenius norm, a scalar.
    pub distance: Tensor,
    /// The bits of [`Status`], i32.
    pub status: Tensor,
}

impl Nearest {
    /// The outputs in the order in which they are listed to users, the status last.
    pub fn into_vec(self) -> Vec<Tensor> {
        let Nearest { u_vectors, v_vectors, s, projector, directions, distance, status } = self;
        vec![u_vectors, v_vectors, s, projector, directions, distance, status]
    }
}

impl Projector {
    /// Of rank N.
    pub fn new(rank: usize) -> Self {
        Self { rank }
    }

    /// Checks the rank against a matrix of shape `[m, n]`.
    ///
    /// # Errors
    /// What is out of range, in one line.
    pub fn check(&self, shape: &[usize]) -> Result<(), String> {
        let &[m, n] = shape else {
            return Err(format!("w must be a matrix [m, n], got shape {shape:?}"));
        };
        let (rank, most) = (self.rank, m.min(n));
        if most == 0 {
            return Err(format!("w is empty, its shape is [{m}, {n}]; both sizes must be at least 1"));
        }
        match (1..=most).contains(&rank) {
            true => Ok(()),
            false => Err(format!("rank = {rank}: from 1 to min(m, n) = {most} for w [{m}, {n}]")),
        }
    }

    /// Traces the projector nearest to `w` (`[m, n]`, f32 or f64). The rank must have passed [`Projector::check`].
    #[track_caller]
    pub fn trace(&self, w: &Tensor) -> Nearest {
        let (m, n, dtype) = (w.dim(0), w.dim(1), w.dtype());
        let most = max_abs(w);
        let (finite, zero) = (most.is_finite(), most.eq(0.0));
        let (left, sigma, right) = self.singular_vectors(w);
        let of = |vectors: Tensor, d: usize| reflectors(&zero.select(identity(d, self.rank, dtype), vectors));
        let ((u_vectors, left_signs), (v_vectors, right_signs)) = (of(left, m), of(right, n));
        let s = left_signs * right_signs;
        let directions = householder_q(&v_vectors, self.rank).t();
        let projector = (householder_q(&u_vectors, self.rank) * s.expand_dims(0)).dot(&directions);
        let distance = distance(&sigma, self.rank);
        let smallest = sigma.at_index(0, self.rank as i64 - 1);
        let limit = sigma.at_index(0, 0) * (2.0 * dtype.unit_roundoff() * m.max(n) as f64);
        let deficient = smallest.le(limit);
        let nan = number(f64::NAN, dtype);
        let poisoned = |x: Tensor| finite.select(x, &nan);
        Nearest {
            u_vectors: poisoned(u_vectors),
            v_vectors: poisoned(v_vectors),
            s: poisoned(s),
            projector: poisoned(projector),
            directions: poisoned(directions),
            distance: poisoned(distance),
            status: Status::traced(&finite, &[(Status::RANK_DEFICIENT, &deficient), (Status::DEGENERATE, &zero)]),
        }
    }

    /// The first N singular vectors, `[m, N]` and `[n, N]`, and all singular values. Of every left vector the element
    /// of the largest magnitude, of equal ones the first, is positive.
    fn singular_vectors(&self, w: &Tensor) -> (Tensor, Tensor, Tensor) {
        let (u, sigma, vh) = svd(w);
        let (left, right) = (u.slice(1, 0, self.rank), vh.slice(0, 0, self.rank).t());
        let at = left.abs().argmax(0).reshape([1, self.rank]);
        let sign = left.take_along(&at, 0).lt(0.0).select(-1.0, number(1.0, w.dtype()).broadcast_to([1, self.rank]));
        (left * &sign, sigma, right * sign)
    }
}

/// The reflectors V `[d, r]` and signs `[r]` of orthonormal columns `[d, r]`: they are Q(V)'s first columns times the
/// signs.
///
/// LAPACK's: its R is diagonal because the columns are orthonormal, and of ones up to sign.
fn reflectors(columns: &Tensor) -> (Tensor, Tensor) {
    let (d, r) = (columns.dim(0), columns.dim(1));
    let (h, taus) = qr_raw(columns);
    // Ones on the diagonal, and nothing at all where the reflection is the identity.
    let unit = h.tril(-1) + identity(d, r, columns.dtype());
    let vectors = taus.eq(0.0).reshape([1, r]).select(0.0, unit);
    let signs = h.diag().lt(0.0).select(-1.0, number(1.0, columns.dtype()).broadcast_to([r]));
    (vectors, signs)
}

/// |A - P| for A with the singular values `sigma` (`[k]`, decreasing) and P the nearest partial isometry of rank N:
/// sqrt(sum_{i <= N} (s_i - 1)^2 + sum_{i > N} s_i^2). With N = k the distance to the polar factor.
///
/// ```
/// use ndarray::array;
/// use tandem_algos::householder::distance;
/// use tandem_compile::{Tensor, jit};
///
/// let far: f64 = jit(|sigma: Tensor| distance(&sigma, 1)).call(&array![4.0, 4.0])?;
/// assert_eq!(far, 5.0);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn distance(sigma: &Tensor, rank: usize) -> Tensor {
    let kept = iota(sigma.shape(), 0, DType::I32).lt(rank as i32);
    let off = kept.select(sigma - 1.0, sigma);
    let unit = power_of_two(&off.abs().max());
    (off / &unit).square().sum().sqrt() * unit
}
