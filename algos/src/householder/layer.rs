//! A linear layer that stays a Householder projector while it is trained.

use tandem_compile::{DType, Tensor, ones, random, refuse, stop_gradient, tree};

use super::{Nearest, householder_apply, householder_q};

/// W = Q(U)[:, :N] diag(s) Q(V)[:, :N]', `[m, n]`: N orthonormal directions of the input go to N orthonormal directions
/// of the output, all equally strong. A [`Tree`](tandem_compile::Tree): gradients reach U and V, and s stays what it
/// is.
///
/// ```
/// use tandem_algos::householder::Layer;
/// use tandem_compile::{DType, Tensor, grad, jit, zeros};
///
/// let step = jit(|x: Tensor| {
///     let layer = Layer::random((1, 2), [5, 4], 3, x.dtype());
///     let g = grad(|layer: Layer| (layer.forward(&x) - 1.0).square().sum())(layer.clone());
///     Layer { u: &layer.u - &g.u * 0.1, v: &layer.v - &g.v * 0.1, ..layer }.directions()
/// });
/// let d: ndarray::Array2<f64> = step.call(&ndarray::Array2::<f64>::ones((6, 4)))?;
/// assert!((d.dot(&d.t()) - ndarray::Array2::<f64>::eye(3)).iter().all(|e| e.abs() < 1e-14));
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Layer {
    /// The reflectors of U, `[m, N]`.
    pub u: Tensor,
    /// The reflectors of V, `[n, N]`.
    pub v: Tensor,
    /// The diagonal of S, `[N]`, of ones and minus ones; not trained.
    pub s: Tensor,
}
tree!(Layer { u, v, s });

impl From<Nearest> for Layer {
    fn from(nearest: Nearest) -> Self {
        Self { u: nearest.u_vectors, v: nearest.v_vectors, s: nearest.s }
    }
}

impl Layer {
    /// Random directions of both sides for weights `[m, n]` of rank `rank`, from two seeds.
    #[track_caller]
    pub fn random(seeds: (u64, u64), [m, n]: [usize; 2], rank: usize, dtype: DType) -> Self {
        let vectors = |seed, d: usize| random::normal(random::key(seed), [d, rank], dtype);
        Self { u: vectors(seeds.0, m), v: vectors(seeds.1, n), s: ones([rank], dtype) }
    }

    /// N.
    pub fn rank(&self) -> usize {
        self.s.dim(0)
    }

    /// W, `[m, n]`.
    #[track_caller]
    pub fn weight(&self) -> Tensor {
        (householder_q(&self.u, self.rank()) * stop_gradient(&self.s).expand_dims(0)).dot(&self.directions())
    }

    /// The directions of the input that W keeps, `[N, n]`, orthonormal rows.
    #[track_caller]
    pub fn directions(&self) -> Tensor {
        householder_q(&self.v, self.rank()).t()
    }

    /// x W' for x `[batch, n]`, without forming W: `[batch, m]`.
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let rank = self.rank();
        // The first N rows of Q(V)'x', then Q(U) on them: nothing of size m n.
        let along = householder_apply(&self.v, &x.t(), true).slice(0, 0, rank);
        let signed = along * stop_gradient(&self.s).expand_dims(1);
        let more = self.u.dim(0) as i64 - rank as i64;
        if more < 0 {
            return refuse(format!("Layer: rank {rank} for u {}; a projector's rank is at most its rows", self.u.ty()));
        }
        householder_apply(&self.u, &signed.pad(0.0, &[(0, more, 0), (0, 0, 0)]), false).t()
    }

    /// The inputs moved along a direction: x + alpha v_i for x `[batch, n]`, i an i32 scalar, alpha a scalar or
    /// `[batch, 1]`.
    #[track_caller]
    pub fn traverse(&self, x: &Tensor, direction: &Tensor, alpha: &Tensor) -> Tensor {
        x + self.directions().index(0, direction).expand_dims(0) * alpha
    }
}
