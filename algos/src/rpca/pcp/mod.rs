//! Principal component pursuit: M = L + S, by the convex problem
//!
//!   minimize ||L||_* + lambda ||S||_1   subject to   L + S = M,
//!
//! ||L||_* the sum of the singular values and ||S||_1 that of the magnitudes of all elements (Candes, Li, Ma and Wright, "Robust
//! principal component analysis?", J. ACM 58, 2011). With lambda = 1 / sqrt(max(m, n)) it recovers an L of low rank whose singular
//! vectors are spread out, and an S with few elements at random places, exactly.
//!
//! Two methods, both by the augmented Lagrangian with a multiplier Y and a penalty mu; soft_t moves every element by t towards
//! zero, SVT_t every singular value:
//!
//! - **inexact ALM** (Lin, Chen and Ma, arXiv 1009.5055): S = soft_(lambda / mu)(M - L + Y / mu), L = SVT_(1 / mu)(M - S + Y / mu),
//!   Y += mu (M - L - S), mu grows by 1.5 from 1.25 / ||M||_2. About 20 iterations. What it stops at obeys L + S = M to the
//!   tolerance, and is optimal in practice where the problem is easy; near the boundary of what can be recovered it is not.
//! - **ADMM** (Candes et al., algorithm 1): L = SVT_(1 / mu)(M - S + Y / mu), S = soft_(lambda / mu)(M - L + Y / mu), the same Y, with
//!   mu = m n / (4 ||M||_1) throughout. About 50 iterations to 1e-7. It stops when M - L - S and the change of S are both small:
//!   the first alone holds at points that are not optimal.
//!
//! An iteration costs a thresholding of singular values ([`tandem_linalg::spectral::thresholded`]: through the eigenvectors of the
//! smaller Gram matrix, or a singular value decomposition) and a few passes over M. How far a result is from the optimum is told
//! by a feasible point of the dual problem, maximize <Y, M> subject to ||Y||_2 <= 1 and |Y_ij| <= lambda: see [`certificate()`].
//!
//! Missing elements: with a mask (1 = observed, 0 = missing), the constraint and ||S||_1 are those of the observed elements.
//! Missing ones are not read, S is zero there, and L fills them in.
//!
//! Degenerate inputs: M = 0 gives L = S = 0 after no iteration ([`Status::DEGENERATE`]). A matrix of one row or column is sparse, the
//! identity is sparse, a constant matrix is of low rank; for a single number both are optimal. Where the iteration limit comes first,
//! [`Status::NOT_CONVERGED`].
//!
//! [`Status::DEGENERATE`]: tandem_verify::status::Status::DEGENERATE
//! [`Status::NOT_CONVERGED`]: tandem_verify::status::Status::NOT_CONVERGED

pub mod certificate;
pub mod graph;
pub mod laws;
pub mod reference;
pub mod step;
pub mod subject;
pub mod unrolled;

use tandem_compile::DType;
use tandem_linalg::spectral::Route;

pub use certificate::{Certificate, certificate};
pub use graph::{Separation, Start};
pub use step::{AdmmState, IalmState, admm_step, ialm_step, soft};
pub use unrolled::{Layers, Schedule, Unrolled};

/// The method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Solver {
    /// Inexact augmented Lagrangian with a growing penalty.
    #[default]
    Ialm,
    /// The alternating direction method of multipliers, with a fixed penalty.
    Admm,
}

impl Solver {
    /// The names that users write.
    pub const NAMES: [(&'static str, Solver); 2] = [("ialm", Solver::Ialm), ("admm", Solver::Admm)];
}

/// The problem's parameters; a builder.
///
/// ```
/// use ndarray::{Array2, array};
/// use tandem_algos::rpca::pcp::Pcp;
/// use tandem_compile::{Tensor, jit};
///
/// // Equal rows, and one element that does not fit.
/// let m = Array2::from_shape_fn((8, 8), |(i, j)| 1.0 + j as f64 + if (i, j) == (2, 3) { 9.0 } else { 0.0 });
/// let separate = jit(|m: Tensor| {
///     let found = Pcp::new().trace(&m, None);
///     (found.l, found.s, found.rank)
/// });
/// let (l, s, rank): (Array2<f64>, Array2<f64>, i32) = separate.call(&m)?;
/// assert!((s[[2, 3]] - 9.0).abs() < 1e-5 && (l[[2, 3]] - 4.0).abs() < 1e-5);
/// assert_eq!(rank, 1);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pcp {
    /// The method.
    pub solver: Solver,
    /// The weight of the sparse part; `None` is 1 / sqrt(max(m, n)).
    pub lambda: Option<f64>,
    /// Where to stop: ||M - L - S||_F <= tol ||M||_F, by ADMM also the change of S. `None` is 1e-7 in f64 and 1e-6 in f32; 0 never stops.
    pub tol: Option<f64>,
    /// The iteration limit, at least 1.
    pub max_iters: usize,
    /// What the first penalty is multiplied by.
    pub penalty: f64,
    /// What the penalty grows by in each iteration of inexact ALM, up to 1e7 times the first.
    pub growth: f64,
    /// How singular values are thresholded.
    pub route: Route,
}

impl Default for Pcp {
    fn default() -> Self {
        Self::new()
    }
}

impl Pcp {
    /// Inexact ALM with the defaults: lambda = 1 / sqrt(max(m, n)), at most 1000 iterations.
    pub fn new() -> Self {
        Self {
            solver: Solver::Ialm,
            lambda: None,
            tol: None,
            max_iters: 1000,
            penalty: 1.0,
            growth: 1.5,
            route: Route::Auto,
        }
    }

    /// Sets the method.
    pub fn solver(self, solver: Solver) -> Self {
        Self { solver, ..self }
    }

    /// Sets the weight of the sparse part.
    pub fn lambda(self, lambda: f64) -> Self {
        Self { lambda: Some(lambda), ..self }
    }

    /// Sets where to stop.
    pub fn tol(self, tol: f64) -> Self {
        Self { tol: Some(tol), ..self }
    }

    /// Sets the iteration limit.
    pub fn max_iters(self, max_iters: usize) -> Self {
        Self { max_iters, ..self }
    }

    /// Multiplies the first penalty.
    pub fn penalty(self, penalty: f64) -> Self {
        Self { penalty, ..self }
    }

    /// Sets the growth of the penalty of inexact ALM.
    pub fn growth(self, growth: f64) -> Self {
        Self { growth, ..self }
    }

    /// Sets how singular values are thresholded.
    pub fn route(self, route: Route) -> Self {
        Self { route, ..self }
    }

    /// The weight for a matrix of this size: of the larger one, and not of the number of rows, so that the transposed matrix has
    /// the same.
    pub fn weight(&self, m: usize, n: usize) -> f64 {
        self.lambda.unwrap_or(1.0 / (m.max(n) as f64).sqrt())
    }

    /// The relative residual at which an iteration in this precision stops.
    pub fn tolerance(&self, dtype: DType) -> f64 {
        self.tol.unwrap_or(if dtype == DType::F64 { 1e-7 } else { 1e-6 })
    }

    /// Checks the parameters against a matrix `[m, n]`, and a mask if there is one.
    ///
    /// # Errors
    /// Which parameter is out of range, and what the range is.
    pub fn check(&self, m: &[usize], mask: Option<&[usize]>) -> Result<(), String> {
        let &[rows, cols] = m else {
            return Err(format!("m must be a matrix [m, n], got shape {m:?}"));
        };
        if rows == 0 || cols == 0 {
            return Err(format!("m is empty, its shape is [{rows}, {cols}]; both sizes must be at least 1"));
        }
        if let Some(mask) = mask.filter(|&mask| mask != m) {
            return Err(format!("mask has shape {mask:?}, m [{rows}, {cols}]: one number per element is expected"));
        }
        self.check_parameters()
    }

    fn check_parameters(&self) -> Result<(), String> {
        let positive = |x: f64| x > 0.0 && x.is_finite();
        if let Some(lambda) = self.lambda.filter(|&lambda| !positive(lambda)) {
            return Err(format!("lambda = {lambda}: the weight of the sparse part must be a positive number"));
        }
        if let Some(tol) = self.tol.filter(|tol| !(0.0..1.0).contains(tol)) {
            return Err(format!("tol = {tol}: the relative residual must be in [0, 1)"));
        }
        if self.max_iters == 0 || self.max_iters > i32::MAX as usize {
            return Err(format!("max_iters = {}: from 1 to {} iterations are possible", self.max_iters, i32::MAX));
        }
        if !positive(self.penalty) {
            return Err(format!("penalty = {}: the factor of the first penalty must be positive", self.penalty));
        }
        if !(self.growth >= 1.0 && self.growth.is_finite()) {
            return Err(format!("growth = {}: the penalty must grow by at least 1", self.growth));
        }
        Ok(())
    }
}
