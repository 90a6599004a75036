//! Alternating projections: M = L + S with rank(L) <= r, by projecting M - S onto the matrices of that rank and cutting M - L at a
//! threshold that falls, in turns. Not convex; faster than principal component pursuit where the rank is known, and able to
//! take more outliers per row and column.
//!
//! hard_z keeps the elements above z in magnitude and makes the others zero; P_j is the nearest matrix of rank j.
//!
//! - **AltProj** (Netrapalli, Niranjan, Sanghavi, Anandkumar and Jain, "Non-convex robust PCA", NIPS 2014): from S = hard_(b s_1(M))(M), in
//!   stages j = 1 ... r and steps t = 0, 1, ... L = P_j(M - S), S = hard_z(M - L), z = b (s_(j+1) + 2^-t s_j), with the singular
//!   values of M - S. A stage ends at ||M - L - S||_F <= tol ||M||_F or after its limit; what is left for the next ones ends it all where
//!   b s_(j+1) <= tol ||M||_F / (2 max(m, n)), which leaves a residual below tol / 2. A singular value decomposition per step.
//! - **AccAltProj** (Cai, Cai and Wei, "Accelerated alternating projections for robust PCA", JMLR 20, 2019): M - S is first projected onto the
//!   tangent space at L = U S V', a matrix of rank 2 r: two QR factorizations of r columns and a decomposition of a 2 r x 2 r
//!   matrix per step, and a few products with r columns. z = b (s_(r+1) + g^t s_1), with the singular values of the projection.
//!
//! b = 1 / (2 (m n)^(1/4)), which of a square matrix is 1 / (2 sqrt(n)). Both are local: where a first threshold takes too much or
//! too little they end at something else, and an L of lower rank than r makes the rest of U and V arbitrary
//! ([`Status::RANK_DEFICIENT`]). M = 0 gives L = S = 0 after no iteration ([`Status::DEGENERATE`]).
//!
//! [`Status::RANK_DEFICIENT`]: tandem_verify::status::Status::RANK_DEFICIENT
//! [`Status::DEGENERATE`]: tandem_verify::status::Status::DEGENERATE

pub mod graph;
pub mod laws;
pub mod reference;
pub mod subject;

pub use graph::{Split, hard};

/// Accelerated alternating projections; a builder.
///
/// ```
/// use ndarray::Array2;
/// use tandem_algos::rpca::altproj::AccAltProj;
/// use tandem_compile::{Tensor, jit};
///
/// let m = Array2::from_shape_fn((20, 20), |(i, j)| 1.0 + j as f64 / 20.0 + if (i, j) == (2, 3) { 9.0 } else { 0.0 });
/// let split = jit(|m: Tensor| AccAltProj::new(1).trace(&m).s);
/// let s: Array2<f64> = split.call(&m)?;
/// assert!((s[[2, 3]] - 9.0).abs() < 1e-3 && s.iter().filter(|&&s| s != 0.0).count() == 1);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AccAltProj {
    /// r, from 1 to min(m, n).
    pub rank: usize,
    /// b; `None` is 1 / (2 (m n)^(1/4)).
    pub beta: Option<f64>,
    /// How many times b the first threshold is, of s_1(M).
    pub first: f64,
    /// g, in (0, 1).
    pub gamma: f64,
    /// Where to stop: ||M - L - S||_F <= tol ||M||_F; 0 never stops.
    pub tol: f64,
    /// The iteration limit, at least 1.
    pub max_iters: usize,
    /// Rows of U and V are kept at most sqrt(trim r / m) and sqrt(trim r / n) long, which keeps L from taking an outlier for a
    /// direction; at least 1.
    pub trim: Option<f64>,
}

/// Alternating projections; a builder.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AltProj {
    /// r, from 1 to min(m, n).
    pub rank: usize,
    /// b; `None` is 1 / (2 (m n)^(1/4)).
    pub beta: Option<f64>,
    /// Where a stage ends: ||M - L - S||_F <= tol ||M||_F; 0 ends none.
    pub tol: f64,
    /// The steps of a stage, at least 1.
    pub stage_iters: usize,
}

fn beta(beta: Option<f64>, m: usize, n: usize) -> f64 {
    beta.unwrap_or(0.5 / (m as f64 * n as f64).powf(0.25))
}

impl AccAltProj {
    /// The defaults of the authors' program: a first threshold of 4 b s_1, g = 0.7, tol = 1e-5, at most 100 iterations, no trimming.
    pub fn new(rank: usize) -> Self {
        Self { rank, beta: None, first: 4.0, gamma: 0.7, tol: 1e-5, max_iters: 100, trim: None }
    }

    /// Sets b.
    pub fn beta(self, beta: f64) -> Self {
        Self { beta: Some(beta), ..self }
    }

    /// Sets how fast the threshold falls.
    pub fn gamma(self, gamma: f64) -> Self {
        Self { gamma, ..self }
    }

    /// Sets where to stop.
    pub fn tol(self, tol: f64) -> Self {
        Self { tol, ..self }
    }

    /// Sets the iteration limit.
    pub fn max_iters(self, max_iters: usize) -> Self {
        Self { max_iters, ..self }
    }

    /// Bounds the rows of U and V.
    pub fn trim(self, trim: f64) -> Self {
        Self { trim: Some(trim), ..self }
    }

    /// b for a matrix of this size.
    pub fn weight(&self, m: usize, n: usize) -> f64 {
        beta(self.beta, m, n)
    }

    /// Checks the parameters against a matrix `[m, n]`.
    ///
    /// # Errors
    /// Which parameter is out of range, and what the range is.
    pub fn check(&self, m: &[usize]) -> Result<(), String> {
        check(m, self.rank, self.beta, self.tol, ("max_iters", self.max_iters))?;
        if !(self.gamma > 0.0 && self.gamma < 1.0) {
            return Err(format!("gamma = {}: the threshold must fall by a factor in (0, 1)", self.gamma));
        }
        if !(self.first > 0.0 && self.first.is_finite()) {
            return Err(format!("first = {}: the first threshold must be positive", self.first));
        }
        match self.trim {
            Some(trim) if !(trim >= 1.0 && trim.is_finite()) => {
                Err(format!("trim = {trim}: the incoherence is at least 1"))
            }
            _ => Ok(()),
        }
    }
}

impl AltProj {
    /// tol = 1e-5, at most 30 steps in a stage.
    pub fn new(rank: usize) -> Self {
        Self { rank, beta: None, tol: 1e-5, stage_iters: 30 }
    }

    /// Sets b.
    pub fn beta(self, beta: f64) -> Self {
        Self { beta: Some(beta), ..self }
    }

    /// Sets where a stage ends.
    pub fn tol(self, tol: f64) -> Self {
        Self { tol, ..self }
    }

    /// Sets the steps of a stage.
    pub fn stage_iters(self, stage_iters: usize) -> Self {
        Self { stage_iters, ..self }
    }

    /// b for a matrix of this size.
    pub fn weight(&self, m: usize, n: usize) -> f64 {
        beta(self.beta, m, n)
    }

    /// Checks the parameters against a matrix `[m, n]`.
    ///
    /// # Errors
    /// Which parameter is out of range, and what the range is.
    pub fn check(&self, m: &[usize]) -> Result<(), String> {
        check(m, self.rank, self.beta, self.tol, ("stage_iters", self.stage_iters))
    }
}

fn check(m: &[usize], rank: usize, beta: Option<f64>, tol: f64, (limit, steps): (&str, usize)) -> Result<(), String> {
    let &[rows, cols] = m else {
        return Err(format!("m must be a matrix [m, n], got shape {m:?}"));
    };
    if rows == 0 || cols == 0 {
        return Err(format!("m is empty, its shape is [{rows}, {cols}]; both sizes must be at least 1"));
    }
    if rank == 0 || rank > rows.min(cols) {
        let most = rows.min(cols);
        return Err(format!("rank = {rank}: the low-rank part of m [{rows}, {cols}] has a rank from 1 to {most}"));
    }
    if let Some(beta) = beta.filter(|&beta| !(beta > 0.0 && beta.is_finite())) {
        return Err(format!("beta = {beta}: the factor of the thresholds must be a positive number"));
    }
    if !(0.0..1.0).contains(&tol) {
        return Err(format!("tol = {tol}: the relative residual must be in [0, 1)"));
    }
    // All stages together are counted in i32.
    if steps == 0 || steps.saturating_mul(rank) > i32::MAX as usize {
        return Err(format!("{limit} = {steps}: at least 1, and no more than {} in all", i32::MAX));
    }
    Ok(())
}
