//! Semi-nonnegative matrix factorization: A ~ Z Y with Z free and Y >= 0.
//!
//! A is `[d, n]`, its columns are samples (tokens, pixels); Z is `[d, k]`, its columns are features; Y is `[k, n]`,
//! how much of each feature each sample uses. The papers write F for Z and G for Y'. Minimised is
//! J(F, G) = |A - F G'|^2 (squared Frobenius norm) over F free and G >= 0.
//!
//! One iteration (Ding, Li and Jordan, "Convex and semi-nonnegative matrix factorizations", IEEE TPAMI 32, 2010,
//! eqs. 5 and 8), with X+ = (|X| + X)/2 and X- = (|X| - X)/2:
//!
//! 1. F <- A G (G'G)^-1, the least-squares partner of G;
//! 2. where a sparsity below 1 is asked for, only the largest entries of each column of F stay ("winner take all",
//!    Shafran et al. 2025);
//! 3. with P = A'F and Q = F'F: G <- G o sqrt((P+ + G Q-) / (P- + G Q+)).
//!
//! Without sparsity J never increases. With it J may go up and down, and the iterate of the smallest J is kept.
//!
//! Cost: 6 d n k flops and one pass over a `[d, n]` residual per iteration. It fails to explain A well when a start
//! has zeros (they stay: the update is multiplicative) or k is below what the data needs; convergence is sublinear.
//!
//! Degenerate inputs: A = 0 gives Z = 0, J = 0 and keeps the start ([`Status::DEGENERATE`]). Where G'G is singular
//! (k > n, equal or vanished columns of G) a ridge of relative size k u is added and equal columns of G get equal
//! columns of F ([`Status::RANK_DEFICIENT`]). 0/0 in the update keeps the entry.
//!
//! [`Status::DEGENERATE`]: tandem_verify::status::Status::DEGENERATE
//! [`Status::RANK_DEFICIENT`]: tandem_verify::status::Status::RANK_DEFICIENT

pub mod graph;
pub mod laws;
pub mod reference;
pub mod start;
pub mod subject;
pub mod transform;

pub use graph::Factors;
pub use transform::Transform;

/// Where the iteration starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Init {
    /// Uniform numbers in `[2^-20, 1)` from the seed: the same on every device and in every precision.
    #[default]
    Random,
    /// The closed form of Gillis and Kumar (arXiv 1410.7220, algorithm 2) from the truncated SVD, which explains A as
    /// well as its best approximation of rank k - 1, lifted off zero by a thousandth of its mean. Computed on the host.
    Svd,
    /// The clusters of 15 rounds of Lloyd's k-means, as an indicator plus 0.2 (Ding et al., section 3.1).
    Kmeans,
}

impl Init {
    /// The names that users write.
    pub const NAMES: [(&'static str, Init); 3] =
        [("random", Init::Random), ("svd", Init::Svd), ("kmeans", Init::Kmeans)];

    /// The rounds of k-means.
    pub(crate) const LLOYD_ROUNDS: usize = 15;
    /// What is added to the indicator of the clusters.
    pub(crate) const INDICATOR_LIFT: f64 = 0.2;
    /// The smallest entry of a random start: a zero would stay zero. A power of two, so that it is the same number in
    /// every precision.
    pub(crate) const SMALLEST: f64 = 1.0 / (1 << 20) as f64;
}

/// The problem's parameters; a builder.
///
/// ```
/// use tandem_algos::snmf::{Init, Snmf};
///
/// let snmf = Snmf::new(100).iters(500).sparsity(0.01).init(Init::Kmeans).seed(7);
/// assert_eq!(snmf.kept(1536), 16);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Snmf {
    /// The number of features, at least 1.
    pub k: usize,
    /// The iteration limit; 0 returns the start and its least-squares partner.
    pub iters: usize,
    /// The fraction of entries that stay in each column of Z, in (0, 1].
    pub sparsity: f64,
    /// Where the iteration starts, unless a start is given.
    pub init: Init,
    /// The seed of the random and the k-means start.
    pub seed: u64,
    /// The relative improvement of J below which an iteration counts as none.
    pub tol: f64,
    /// The number of iterations without improvement after which the iteration stops; 0 never stops early.
    pub patience: usize,
    /// How many samples are named per feature.
    pub top: usize,
}

impl Snmf {
    /// `k` features, with the defaults: 200 iterations, no sparsity, a random start from seed 0, no early stop, 10
    /// samples named per feature.
    pub fn new(k: usize) -> Self {
        Self { k, iters: 200, sparsity: 1.0, init: Init::Random, seed: 0, tol: 0.0, patience: 0, top: 10 }
    }

    /// Sets the iteration limit.
    pub fn iters(self, iters: usize) -> Self {
        Self { iters, ..self }
    }

    /// Sets the fraction of entries that stay in each column of Z.
    pub fn sparsity(self, sparsity: f64) -> Self {
        Self { sparsity, ..self }
    }

    /// Sets the start.
    pub fn init(self, init: Init) -> Self {
        Self { init, ..self }
    }

    /// Sets the seed of the random and the k-means start.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Stops after `patience` iterations none of which improved J by more than `tol`, relatively.
    pub fn stop_after(self, patience: usize, tol: f64) -> Self {
        Self { patience, tol, ..self }
    }

    /// Sets how many samples are named per feature.
    pub fn top(self, top: usize) -> Self {
        Self { top, ..self }
    }

    /// The number of entries that stay in each column of a Z with `d` rows: `max(1, ceil(sparsity d))`, with room
    /// for the rounding of the product.
    pub fn kept(&self, d: usize) -> usize {
        ((self.sparsity * d as f64 - 1e-9).ceil() as usize).clamp(1, d.max(1))
    }

    /// Checks the parameters against a matrix of shape `[d, n]`.
    ///
    /// # Errors
    /// Which parameter is out of range, and what the range is.
    pub fn check(&self, shape: &[usize]) -> Result<(), String> {
        let &[d, n] = shape else {
            return Err(format!("a must be a matrix [d, n] with samples in its columns, got shape {shape:?}"));
        };
        if d == 0 || n == 0 {
            return Err(format!("a is empty, its shape is [{d}, {n}]; both sizes must be at least 1"));
        }
        if self.k == 0 {
            return Err("k = 0: the number of features must be at least 1".into());
        }
        if !(self.sparsity > 0.0 && self.sparsity <= 1.0) {
            return Err(format!("sparsity = {}: the fraction of kept entries must be in (0, 1]", self.sparsity));
        }
        if !(self.tol >= 0.0 && self.tol < 1.0) {
            return Err(format!("tol = {}: the relative improvement must be in [0, 1)", self.tol));
        }
        let limit = i32::MAX as usize;
        let sizes = [("the number of rows d", d), ("the number of columns n", n), ("k", self.k), ("iters", self.iters)];
        for (name, value) in sizes.into_iter().chain([("patience", self.patience), ("top", self.top)]) {
            if value > limit {
                return Err(format!("{name} = {value}: at most {limit} is supported"));
            }
        }
        if self.k.saturating_mul(n) > u32::MAX as usize {
            let k = self.k;
            return Err(format!("k n = {k} x {n}: a start of at most 2^32 - 1 numbers is supported"));
        }
        Ok(())
    }
}

/// The start of [`Init::Svd`] for `a` (`[d, n]`, f32 or f64), as the input `y0` (`[k, n]`, the dtype of `a`), computed
/// by faer in f64.
pub fn start_input(a: &tandem_compile::HostArray, k: usize) -> tandem_compile::HostArray {
    use tandem_compile::{DType, HostArray};
    let (values, n) = (a.to_f64(), a.shape()[1]);
    let matrix = faer::Mat::<f64>::from_fn(a.shape()[0], n, |i, j| values[i * n + j]);
    let g = start::svd(&matrix, k);
    match a.dtype() {
        DType::F64 => HostArray::from_fn([k, n], |i| g[(i % n, i / n)]),
        _ => HostArray::from_fn([k, n], |i| g[(i % n, i / n)] as f32),
    }
}
