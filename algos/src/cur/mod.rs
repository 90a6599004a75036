//! CUR decomposition: A ~ C U R, where C holds columns of A itself and R rows of A itself.
//!
//! A is `[m, n]`; C = A(:, q) `[m, c]`, R = A(p, :) `[r, n]`, and the core U is `[c, r]`. What is kept are actual
//! columns and rows (neurons and tokens, genes and patients), which can be named, are sparse where A is, and cost
//! nothing to store. The singular values of A are s_1 >= s_2 >= ...; no rank-k matrix is nearer to A than s_{k+1} in
//! the 2-norm.
//!
//! **Selection** ([`Select`]). From the leading singular vectors, columns from the right ones and rows from the left
//! ones:
//!
//! - DEIM (Sorensen and Embree, "A DEIM induced CUR factorization", SIAM J. Sci. Comput. 38, 2016): LU with partial
//!   pivoting of V_k, whose pivots are the indices. Nested: the first indices are those of a smaller k.
//! - Q-DEIM (Drmac and Gugercin, SIAM J. Sci. Comput. 38, 2016): QR with column pivoting of V_k'.
//! - leverage scores (Mahoney and Drineas, "CUR matrix decompositions for improved data analysis", PNAS 106, 2009): l_j
//!   = sum over i of V_ji^2 / k, the largest ones, or a sample without replacement by them (the largest of log l_j +
//!   Gumbel noise).
//! - maxvol (Goreinov and Tyrtyshnikov, 2001): swaps, from DEIM's indices on, until no entry of V_k V_k(q, :)^-1 is
//!   larger than [`Select::DOMINANCE`].
//!
//! From A itself: QR with column pivoting of A and then of C'; LU with partial pivoting of a random sketch and then of
//! C (Dong and Martinsson, "Simpler is better", arXiv 2104.05877); a uniform sample.
//!
//! **Core** ([`Core`]). Optimal: U = C+ A R+, for which C U R = P_C A P_R is the nearest to A of all C X R in the
//! Frobenius norm. It is evaluated by orthonormal bases of C and R, so that the error does not see how large U is. With
//! any indices (p, q) for which U_k(p, :) and V_k(q, :) are not singular, ||A - C U R||_2 <= (||U_k(p, :)^-1|| +
//! ||V_k(q, :)^-1||) s_{k+1}. Cross: U = A(p, q)^-1, which needs C and R alone and gives back those rows and columns
//! exactly, but can be arbitrarily bad where A(p, q) is ill-conditioned. Stabilised cross: singular values of A(p, q)
//! up to `epsilon` times the largest are discarded first (Park and Nakatsukasa, arXiv 2405.06375); more rows than
//! columns help it further.
//!
//! Cost: a thin singular value decomposition, 4 to 8 times m n min(m, n) flops, for what is selected from vectors; 4 m
//! n k for pivoted QR; 2 m n k for the sketch; then 2 m n k for the optimal core and as much for the error. Peak memory
//! is some four copies of A and what the singular value decomposition works in; docs/benchmarks.md has a measured one.
//!
//! Degenerate inputs: A = 0 gives the first indices, U = 0 and error 0 ([`Status::DEGENERATE`]). Where A has fewer than
//! k singular values above max(m, n) eps s_1, the remaining indices are the lowest unselected ones and pseudoinverses
//! take the place of inverses ([`Status::RANK_DEFICIENT`]); of equal columns the first is chosen and the other is not,
//! as long as others are left. Ties go to the lowest index. Equal singular values s_k = s_{k+1} leave the vectors, and
//! so the indices, to rounding; the bounds hold all the same. There is no derivative: indices are discrete.
//!
//! [`Status::DEGENERATE`]: tandem_verify::status::Status::DEGENERATE
//! [`Status::RANK_DEFICIENT`]: tandem_verify::status::Status::RANK_DEFICIENT

pub mod cr;
pub mod graph;
pub mod interpolative;
pub mod laws;
pub mod nystrom;
pub mod reference;
pub mod sparse;
pub mod subject;

pub use graph::Factors;

/// How rows and columns are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Select {
    /// The discrete empirical interpolation method, on singular vectors.
    #[default]
    Deim,
    /// QR with column pivoting of the singular vectors' transpose.
    Qdeim,
    /// QR with column pivoting of A for the columns, and of C' for the rows.
    Qr,
    /// LU with partial pivoting of a random sketch for the columns, and of C for the rows.
    Lu,
    /// The largest leverage scores.
    Leverage,
    /// A sample without replacement, by leverage scores.
    LeverageSampled,
    /// A uniform sample without replacement.
    Uniform,
    /// A submatrix of singular vectors of locally largest volume.
    Maxvol,
}

impl Select {
    /// The names that users write.
    pub const NAMES: [(&'static str, Select); 8] = [
        ("deim", Select::Deim),
        ("qdeim", Select::Qdeim),
        ("qr", Select::Qr),
        ("lu", Select::Lu),
        ("leverage", Select::Leverage),
        ("leverage-sampled", Select::LeverageSampled),
        ("uniform", Select::Uniform),
        ("maxvol", Select::Maxvol),
    ];

    /// What no entry of V V(q, :)^-1 exceeds when maxvol stops.
    pub const DOMINANCE: f64 = 1.05;
    /// Maxvol makes at most this number of swaps per index.
    pub const SWAPS: usize = 8;

    /// Whether the selection reads singular vectors.
    pub fn reads_vectors(self) -> bool {
        !matches!(self, Select::Qr | Select::Lu | Select::Uniform)
    }
}

/// What stands between C and R.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Core {
    /// U = C+ A R+, the best in the Frobenius norm.
    #[default]
    Optimal,
    /// U = A(p, q)^-1, the pseudoinverse where that is singular.
    Cross,
    /// The pseudoinverse of A(p, q) without its small singular values.
    Stabilised,
}

impl Core {
    /// The names that users write.
    pub const NAMES: [(&'static str, Core); 3] =
        [("optimal", Core::Optimal), ("cross", Core::Cross), ("stabilised", Core::Stabilised)];
}

/// The problem's parameters; a builder.
///
/// ```
/// use ndarray::{Array1, array};
/// use tandem_algos::cur::{Core, Cur, Select};
/// use tandem_compile::{Tensor, jit};
///
/// // The columns are 1, 2 and 3 times the first, but for one entry.
/// let a = array![[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 2.0, 9.0]];
/// let cur = Cur::new(2).select(Select::Qdeim).core(Core::Cross);
/// cur.check(&[3, 3]).unwrap();
/// let error = jit(|a: Tensor| cur.trace(&a).relative_error);
/// assert!(error.call::<f64>(&a)? < 1e-14);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Cur {
    /// The number of rows, r.
    pub rows: usize,
    /// The number of columns, c.
    pub cols: usize,
    /// How they are chosen.
    pub select: Select,
    /// What stands between them.
    pub core: Core,
    /// The seed of samples and sketches.
    pub seed: u64,
    /// The singular values of A(p, q), relative to the largest, up to which the stabilised core discards them;
    /// `None` is the square root of the precision's eps.
    pub epsilon: Option<f64>,
}

impl Cur {
    /// `k` rows and `k` columns by DEIM, with the optimal core and seed 0.
    pub fn new(k: usize) -> Self {
        Self { rows: k, cols: k, select: Select::Deim, core: Core::Optimal, seed: 0, epsilon: None }
    }

    /// Sets the number of rows.
    pub fn rows(self, rows: usize) -> Self {
        Self { rows, ..self }
    }

    /// Sets the number of columns.
    pub fn cols(self, cols: usize) -> Self {
        Self { cols, ..self }
    }

    /// Sets how rows and columns are chosen.
    pub fn select(self, select: Select) -> Self {
        Self { select, ..self }
    }

    /// Sets what stands between them.
    pub fn core(self, core: Core) -> Self {
        Self { core, ..self }
    }

    /// Sets the seed of samples and sketches.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Sets up to which singular values of A(p, q), relative to the largest, the stabilised core discards them.
    pub fn epsilon(self, epsilon: f64) -> Self {
        Self { epsilon: Some(epsilon), ..self }
    }

    /// The rank that leverage scores are taken of: the smaller of the two numbers.
    pub fn rank(&self) -> usize {
        self.rows.min(self.cols)
    }

    /// Checks the parameters against a matrix of shape `[m, n]`.
    ///
    /// # Errors
    /// Which parameter is out of range, and what the range is.
    pub fn check(&self, shape: &[usize]) -> Result<(), String> {
        let &[m, n] = shape else {
            return Err(format!("a must be a matrix [m, n], got shape {shape:?}"));
        };
        if m == 0 || n == 0 {
            return Err(format!("a is empty, its shape is [{m}, {n}]; both sizes must be at least 1"));
        }
        for (name, value) in [("rows", self.rows), ("cols", self.cols)] {
            if value == 0 {
                return Err(format!("{name} = 0: at least 1 must be chosen; set k, or rows and cols"));
            }
            if value > m.min(n) {
                return Err(format!(
                    "{name} = {value}: at most min(m, n) = {} of a [{m}, {n}] can be chosen",
                    m.min(n)
                ));
            }
        }
        if let Some(epsilon) = self.epsilon.filter(|epsilon| !(*epsilon >= 0.0 && *epsilon < 1.0)) {
            return Err(format!(
                "epsilon = {epsilon}: a fraction of the largest singular value, in [0, 1), is expected"
            ));
        }
        match m.max(n) <= i32::MAX as usize {
            true => Ok(()),
            false => Err(format!("a has shape [{m}, {n}]: at most {} rows or columns are supported", i32::MAX)),
        }
    }
}
