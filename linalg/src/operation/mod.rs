//! The operations that programs outside call by name: each as a graph with a status, as a reference on faer, and as
//! something to be verified.

mod graph;
mod reference;
mod subject;

pub use subject::{Case, OperationSubject};

/// An operation of linear algebra on one matrix, or on a matrix and a right-hand side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A = Q R, reduced.
    Qr,
    /// A = P L U.
    Lu,
    /// A = L L' of a symmetric positive definite matrix.
    Cholesky,
    /// A V = V diag(w) of a symmetric matrix.
    Eigh,
    /// A = U diag(s) V', thin.
    Svd,
    /// A = U P with P symmetric positive semidefinite.
    Polar,
    /// The pseudoinverse.
    Pinv,
    /// The x of smallest norm among those that make |A x - b| smallest.
    Lstsq,
    /// The x with A x = b.
    Solve,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 9] =
        [Self::Qr, Self::Lu, Self::Cholesky, Self::Eigh, Self::Svd, Self::Polar, Self::Pinv, Self::Lstsq, Self::Solve];

    /// The name, numpy's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Qr => "qr",
            Self::Lu => "lu",
            Self::Cholesky => "cholesky",
            Self::Eigh => "eigh",
            Self::Svd => "svd",
            Self::Polar => "polar",
            Self::Pinv => "pinv",
            Self::Lstsq => "lstsq",
            Self::Solve => "solve",
        }
    }

    /// The outputs' names, numpy's and scipy's.
    pub fn outputs(self) -> &'static [&'static str] {
        match self {
            Self::Qr => &["q", "r"],
            Self::Lu => &["p", "l", "u"],
            Self::Cholesky => &["l"],
            Self::Eigh => &["w", "v"],
            Self::Svd => &["u", "s", "vh"],
            Self::Polar => &["u", "p"],
            Self::Pinv => &["pinv"],
            Self::Lstsq | Self::Solve => &["x"],
        }
    }

    /// Whether there is a right-hand side.
    pub fn takes_b(self) -> bool {
        matches!(self, Self::Lstsq | Self::Solve)
    }

    /// Whether the matrix has to be square.
    pub fn is_square(self) -> bool {
        matches!(self, Self::Cholesky | Self::Eigh | Self::Solve)
    }

    /// Whether only the lower triangle is read.
    pub fn reads_lower(self) -> bool {
        matches!(self, Self::Cholesky | Self::Eigh)
    }

    /// Checks the shapes of A `[m, n]` and b `[m]` or `[m, r]`.
    ///
    /// # Errors
    /// What is expected and what came, in one line.
    pub fn check(self, a: &[usize], b: Option<&[usize]>) -> Result<(), String> {
        let &[m, n] = a else {
            return Err(format!("a must be a matrix [m, n], it has shape {a:?}"));
        };
        if self.is_square() && m != n {
            return Err(format!("a must be square for {}, it has shape {a:?}", self.name()));
        }
        match b {
            Some(&([rows] | [rows, _])) if rows == m => Ok(()),
            Some(b) => Err(format!("b must be [m] or [m, r] with m = {m}, the rows of a; it has shape {b:?}")),
            None => Ok(()),
        }
    }
}
