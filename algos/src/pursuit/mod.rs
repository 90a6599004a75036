//! Sparse codes by greedy pursuit: x ~ z D with few entries of z in use, one more per step.
//!
//! The rows of the dictionary D `[p, d]` are atoms, the rows of x `[batch, d]` signals, and every signal is coded on its own.
//! Inside, atoms have norm 1 (each is divided by max(norm, tiny)) and a signal is divided by a power of two near its largest
//! entry, so that nothing depends on anybody's units; codes are given back in the scale of the given atoms. With the residual
//! r = x - z D of a signal, from z = 0 on, a step is
//!
//! 1. *select*: the atom j whose correlation <d_j, r> is the best: the largest magnitude (`abs`), the largest (`signed`), or
//!    the largest if that is positive (`relu`); of equal ones the lowest j;
//! 2. *move* ([`Method`]): with S the atoms chosen so far, j among them,
//!    - **mp**, matching pursuit (Mallat and Zhang, "Matching pursuits with time-frequency dictionaries", IEEE TSP 41,
//!      1993): z_j += <d_j, r>;
//!    - **omp**, orthogonal matching pursuit (Pati, Rezaiifar and Krishnaprasad, Asilomar 1993): z_S becomes the least squares
//!      solution, so that r is orthogonal to S, and no atom is chosen twice;
//!    - **gp**, gradient pursuit (Blumensath and Davies, "Gradient pursuits", IEEE TSP 56, 2008): z_S += a g with g = D_S r
//!      and the a that makes |r| least along it, a = <r, c> / |c|^2 for c = g D_S.
//!
//! With `relu` the codes are not negative: omp solves non-negative least squares on S; gp leaves out what would make an entry
//! of 0 negative, and stops where the first entry reaches 0, which then is 0.
//!
//! A signal is done when |r| <= max(tol, 16 u) |x| (u is the rounding unit), when no correlation is left (`relu`: no positive
//! one), after k steps, or when omp would take an atom that depends on those it has: one whose pivot, the squared distance of
//! d_j from the span of S, is at most 8 k u; that one is refused ([`Status::RANK_DEFICIENT`]). With `relu` S is there the atoms
//! in use, z > 0.
//!
//! Outputs: `codes` `[batch, p]`; `support` i32 `[batch, k]`, what every step chose (mp and gp may choose again), -1 after the
//! stop; `residual_norms` `[batch, k + 1]`, |r| before the first step and after each, the last one repeated; `count` i32
//! `[batch]`, the steps taken. |r| is that of a residual which is itself carried along, not a recursion on squares, so that it
//! is right down to u |x|.
//!
//! Two routes ([`Route`]) give the same numbers up to rounding. *Residual* computes all correlations r D' at every step, one
//! matrix product. *Gram* forms D D' once and corrects the correlations by the rows of it that belong to the atoms that moved.
//! See [`Route`] for their cost and for when `auto` takes which. Neither holds an array `[batch, p, k]`; beyond inputs and
//! outputs the memory is a few `[batch, p]`, a few `[batch, d]`, `[k, k, batch]` for omp, and `[p, p]` for the Gram route.
//!
//! Orthogonalisation in omp is the progressive Cholesky factorization of Batch-OMP (Rubinstein, Zibulevsky and Elad, Technion
//! CS-2008-08), kept as the inverse of the factor: with L L' = D_S D_S', row n of L^-1 holds the weights of the atoms in the
//! direction q_n in which the residual moves. Each step projects the residual itself on q_n, and at the end the codes are
//! corrected once by the residual (Bjorck's corrected seminormal equations), so that the condition of S enters once and not
//! squared.
//!
//! Degenerate inputs: x = 0 gives z = 0 in no steps, and with a dictionary of zeros that is all there is
//! ([`Status::DEGENERATE`]). An atom of zeros is never chosen. Of equal atoms the first is chosen. k may exceed d and p. A signal
//! that holds NaN or infinity gets NaN, -1 and 0 steps, and no other signal does ([`Status::NONFINITE_INPUT`]); a dictionary that
//! does spoils all. With tol > 0, a signal that ends above it sets [`Status::NOT_CONVERGED`].
//!
//! [`Status::DEGENERATE`]: tandem_verify::status::Status::DEGENERATE
//! [`Status::NONFINITE_INPUT`]: tandem_verify::status::Status::NONFINITE_INPUT
//! [`Status::NOT_CONVERGED`]: tandem_verify::status::Status::NOT_CONVERGED
//! [`Status::RANK_DEFICIENT`]: tandem_verify::status::Status::RANK_DEFICIENT

pub mod graph;
pub mod laws;
pub mod reference;
mod replay;
mod route;
pub mod subject;

pub use graph::Codes;
pub use route::Route;

/// How the codes move once an atom is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Matching pursuit: the chosen atom's code alone.
    Mp,
    /// Orthogonal matching pursuit: all chosen atoms, to the least squares solution.
    Omp,
    /// Gradient pursuit: all chosen atoms, along the gradient.
    Gp,
}

impl Method {
    /// The names that users write.
    pub const NAMES: [(&'static str, Method); 3] = [("mp", Method::Mp), ("omp", Method::Omp), ("gp", Method::Gp)];

    /// The name that users write.
    pub fn name(self) -> &'static str {
        match self {
            Method::Mp => Self::NAMES[0].0,
            Method::Omp => Self::NAMES[1].0,
            Method::Gp => Self::NAMES[2].0,
        }
    }
}

/// Which correlation is the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Selection {
    /// The largest magnitude.
    #[default]
    Abs,
    /// The largest number, even where all are negative.
    Signed,
    /// The largest number while it is positive; codes are not negative.
    Relu,
}

impl Selection {
    /// The names that users write.
    pub const NAMES: [(&'static str, Selection); 3] =
        [("abs", Selection::Abs), ("signed", Selection::Signed), ("relu", Selection::Relu)];
}

/// The problem's parameters; a builder.
///
/// ```
/// use tandem_algos::pursuit::{Codes, Pursuit, Selection};
/// use tandem_compile::pjrt::Device;
/// use tandem_compile::{Tensor, jit};
///
/// // 3 e_1 - e_3 in the standard basis, and what half of its first entry leaves.
/// let omp = Pursuit::omp(2).selection(Selection::Abs);
/// let encode = jit(move |(x, d): (Tensor, Tensor)| {
///     let Codes { codes, residual_norms, .. } = omp.trace(&x, &d);
///     (codes, residual_norms)
/// });
/// let (x, d) = (ndarray::array![[3.0, 0.0, -1.0]], ndarray::Array2::<f64>::eye(3));
/// let (codes, norms): (ndarray::Array2<f64>, ndarray::Array2<f64>) = encode.on(&Device::cpu()?).call((&x, &d))?;
/// assert_eq!(codes, x);
/// assert_eq!(norms, ndarray::array![[10f64.sqrt(), 1.0, 0.0]]);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Pursuit {
    /// How the codes move.
    pub method: Method,
    /// The largest number of steps.
    pub k: usize,
    /// The residual's norm, relative to the signal's, at which a signal is done; in [0, 1).
    pub tol: f64,
    /// Which correlation is the best.
    pub selection: Selection,
    /// How the correlations are computed.
    pub route: Route,
}

impl Pursuit {
    /// Matching pursuit of `k` steps, with the defaults: no tolerance, selection by magnitude, the cheaper route.
    pub fn mp(k: usize) -> Self {
        Self::new(Method::Mp, k)
    }

    /// Orthogonal matching pursuit of `k` steps, with the same defaults.
    pub fn omp(k: usize) -> Self {
        Self::new(Method::Omp, k)
    }

    /// Gradient pursuit of `k` steps, with the same defaults.
    pub fn gp(k: usize) -> Self {
        Self::new(Method::Gp, k)
    }

    /// `k` steps of a method, with the same defaults.
    pub fn new(method: Method, k: usize) -> Self {
        Self { method, k, tol: 0.0, selection: Selection::Abs, route: Route::Auto }
    }

    /// Sets the relative residual norm at which a signal is done.
    pub fn tol(self, tol: f64) -> Self {
        Self { tol, ..self }
    }

    /// Sets which correlation is the best.
    pub fn selection(self, selection: Selection) -> Self {
        Self { selection, ..self }
    }

    /// Sets how the correlations are computed.
    pub fn route(self, route: Route) -> Self {
        Self { route, ..self }
    }

    /// The relative residual norm at which a signal is done, in arithmetic of unit roundoff `u`.
    pub fn goal(&self, u: f64) -> f64 {
        self.tol.max(16.0 * u)
    }

    /// The squared distance of a unit atom from the span of the others at which omp refuses it.
    pub fn least_pivot(&self, u: f64) -> f64 {
        8.0 * self.k as f64 * u
    }

    /// Checks the parameters, and that signals of shape `x` and a dictionary of that shape fit together.
    ///
    /// # Errors
    /// What is out of range or does not fit, in one line.
    pub fn check(&self, x: &[usize], dictionary: &[usize]) -> Result<(), String> {
        let &[batch, d] = x else {
            return Err(format!("x must be a matrix [batch, d] with signals in its rows, got shape {x:?}"));
        };
        let &[p, width] = dictionary else {
            return Err(format!("dictionary must be a matrix [p, d] with atoms in its rows, got shape {dictionary:?}"));
        };
        if batch == 0 || d == 0 || p == 0 {
            return Err(format!("x is {x:?} and dictionary {dictionary:?}; every size must be at least 1"));
        }
        if width != d {
            return Err(format!("the atoms have {width} entries and the signals {d}; they must have the same"));
        }
        if !(self.tol >= 0.0 && self.tol < 1.0) {
            return Err(format!("tol = {}: the relative residual norm must be in [0, 1)", self.tol));
        }
        let limit = i32::MAX as usize;
        for (name, value) in [("batch", batch), ("d", d), ("p", p), ("k", self.k)] {
            if value >= limit {
                return Err(format!("{name} = {value}: less than {limit} is supported"));
            }
        }
        if self.route == Route::Gram && p > Route::MOST_ATOMS {
            let most = Route::MOST_ATOMS;
            return Err(format!(
                "route = gram with p = {p} atoms: at most {most} are supported, take route = residual"
            ));
        }
        Ok(())
    }
}
