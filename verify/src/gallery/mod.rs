//! Matrices on which factorizations go wrong: the test types of LAPACK and the classical examples, as data.
//!
//! Every [`Kind`] makes a matrix for a shape, the same numbers on every machine and in every run (up to the last bit of
//! the platform's logarithm and cosine). Random orthogonal factors are products of reflections (Stewart 1980), as in
//! LAPACK's generator DLATMS, and not the output of a factorization under test.
//!
//! ```
//! use tandem_compile::DType;
//! use tandem_verify::gallery;
//!
//! for kind in gallery::KINDS.iter().filter(|kind| kind.definite) {
//!     let Some(a) = kind.array(10, 10, DType::F32) else { continue };
//!     assert_eq!(a.shape(), [10, 10]);
//! }
//! let wilkinson = gallery::named("Wilkinson").and_then(|kind| kind.array(21, 21, DType::F64));
//! assert_eq!(wilkinson.map(|w| w.to_f64()[0]), Some(10.0));
//! ```
//!
//! Sources: LAPACK Working Note 41 (Blackford, Dongarra, section 6 and the generator DLATMS of Demmel and McKenney, Working
//! Note 9); N. J. Higham, "The Test Matrix Toolbox for MATLAB", 1995; G. W. Stewart, "The efficient generation of random
//! orthogonal matrices", SIAM J. Numer. Anal. 17, 1980.

mod general;
mod random;
mod spectra;
mod symmetric;

use tandem_compile::{DType, HostArray};

use crate::matrix::Matrix;

/// A type of matrix.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// What it is called in messages.
    pub name: &'static str,
    /// Equal to its transpose, bit by bit, in every shape in which it exists (which are square ones).
    pub symmetric: bool,
    /// Positive definite also after rounding to f32, by a margin that lets Cholesky's method succeed.
    pub definite: bool,
    recipe: Recipe,
    /// The whole matrix is multiplied by this power of ten.
    decade: i32,
}

#[derive(Debug, Clone, Copy)]
enum Recipe {
    /// By formula; `None` where the shape does not exist.
    Formula(fn(usize, usize) -> Option<Matrix>),
    /// U S V' with random orthogonal U and V, and with these singular values for a number of them.
    Singular(fn(usize) -> Vec<f64>),
    /// Q W Q' with a random orthogonal Q and these eigenvalues.
    Eigen(fn(usize) -> Vec<f64>),
}

/// All kinds: first those of any shape, then the symmetric ones.
pub static KINDS: &[Kind] = &[
    // Any shape.
    formula("random", general::random),
    formula("diagonal", general::diagonal),
    formula("upper triangular", general::upper_triangular),
    formula("lower triangular", general::lower_triangular),
    singular("condition 100, arithmetic", spectra::arithmetic),
    singular("one large singular value", spectra::one_large),
    singular("one small singular value", spectra::one_small),
    singular("graded to 1e-14", spectra::graded),
    singular("graded to 1e-30", spectra::steep),
    singular("clustered", spectra::clusters),
    singular("repeated", spectra::repeated),
    singular("half of the singular values zero", spectra::half_zero),
    singular("orthogonal", spectra::all_one),
    singular("rank one", spectra::rank_one),
    formula("rank deficient product", general::low_rank),
    formula("equal columns", general::equal_columns),
    formula("zero row and column", general::zero_row_and_column),
    formula("last column zero", general::last_column_zero),
    formula("graded rows", general::graded_rows),
    formula("graded columns", general::graded_columns),
    formula("Hilbert", general::hilbert),
    formula("Kahan", general::kahan),
    formula("Frank", general::frank),
    formula("Vandermonde", general::vandermonde),
    formula("Jordan-like", general::jordan),
    formula("nilpotent shift", general::shift),
    formula("all ones above the diagonal", general::ones_above),
    formula("zero", general::zero),
    formula("identity", general::identity),
    formula("permutation", general::permutation),
    formula("ones", general::ones),
    times(150, formula("random, 1e150", general::random)),
    times(18, formula("random, 1e18", general::random)),
    times(-150, formula("random, 1e-150", general::random)),
    times(-18, formula("random, 1e-18", general::random)),
    times(150, singular("graded to 1e-14, 1e150", spectra::graded)),
    times(18, singular("graded to 1e-14, 1e18", spectra::graded)),
    // Symmetric.
    eigen("symmetric random", spectra::normal),
    eigen("symmetric, graded to 1e-14", spectra::graded_signs),
    eigen("symmetric, clustered", spectra::clusters_signs),
    eigen("symmetric, all within 1e-15", spectra::one_cluster),
    eigen("symmetric, plus and minus one", spectra::plus_minus),
    eigen("symmetric, repeated", spectra::repeated),
    eigen("symmetric, half zero", spectra::half_zero),
    eigen("symmetric, rank one", spectra::rank_one),
    eigen("symmetric, rank 7", spectra::rank_seven),
    eigen("symmetric, one large", spectra::one_large),
    eigen("symmetric, one small", spectra::one_small),
    symmetric("Wilkinson", symmetric::wilkinson),
    symmetric("glued Wilkinson, 1e-8", symmetric::glued_wilkinson_loose),
    symmetric("glued Wilkinson, 1e-14", symmetric::glued_wilkinson_tight),
    symmetric("symmetric diagonal", symmetric::diagonal),
    symmetric("symmetric zero", symmetric::zero),
    symmetric("symmetric ones", symmetric::ones),
    symmetric("symmetric permutation", symmetric::exchange),
    symmetric("symmetric Hilbert", symmetric::hilbert),
    symmetric("identity and rank one", symmetric::identity_and_ones),
    symmetric("tridiagonal, graded", symmetric::graded_tridiagonal),
    symmetric("one huge entry", symmetric::arrow),
    times(150, eigen("symmetric random, 1e150", spectra::normal)),
    times(18, eigen("symmetric random, 1e18", spectra::normal)),
    times(-150, eigen("symmetric random, 1e-150", spectra::normal)),
    times(-18, eigen("symmetric random, 1e-18", spectra::normal)),
    // Positive definite.
    definite(eigen("definite, condition 100", spectra::arithmetic)),
    definite(eigen("definite, condition 1e4", spectra::mild)),
    definite(symmetric("definite identity", symmetric::identity)),
    definite(symmetric("definite diagonal", symmetric::positive_diagonal)),
    definite(symmetric("1-2-1", symmetric::second_difference)),
    definite(symmetric("Lehmer", symmetric::lehmer)),
    definite(symmetric("definite, graded by rows and columns", symmetric::scaled)),
    definite(times(150, eigen("definite, 1e150", spectra::arithmetic))),
    definite(times(18, eigen("definite, 1e18", spectra::arithmetic))),
    definite(times(-150, eigen("definite, 1e-150", spectra::arithmetic))),
    definite(times(-18, eigen("definite, 1e-18", spectra::arithmetic))),
];

/// Kinds with subnormal numbers, in f32 or in f64, which many devices read as zeros.
pub static SUBNORMAL: &[Kind] = &[
    formula("random with subnormal entries", general::subnormal_entries),
    times(-40, formula("random, 1e-40", general::random)),
    times(-310, formula("random, 1e-310", general::random)),
    definite(times(-40, symmetric("1-2-1, 1e-40", symmetric::second_difference))),
    definite(times(-310, symmetric("1-2-1, 1e-310", symmetric::second_difference))),
];

/// Shapes around the boring ones: empty, single, tall, wide, odd, a power of two and beside one.
pub const SHAPES: &[(usize, usize)] =
    &[(0, 0), (0, 3), (3, 0), (1, 1), (1, 5), (5, 1), (2, 2), (3, 2), (7, 7), (21, 21), (33, 16), (12, 40), (63, 63)];

/// The kind of this name, of [`KINDS`] or [`SUBNORMAL`].
pub fn named(name: &str) -> Option<&'static Kind> {
    KINDS.iter().chain(SUBNORMAL).find(|kind| kind.name == name)
}

/// Every kind that exists for a shape and a dtype, with its matrix.
pub fn matrices(m: usize, n: usize, dtype: DType) -> impl Iterator<Item = (&'static Kind, HostArray)> {
    KINDS.iter().filter_map(move |kind| Some((kind, kind.array(m, n, dtype)?)))
}

impl Kind {
    /// The matrix, row-major, rounded to `dtype` (f32 or f64). `None` where this kind does not exist for the shape, or its
    /// numbers are out of the dtype's range (1e150 and 1e-150 in f32). Those of 1e-40 in f32 and of 1e-310 in f64 are subnormal.
    pub fn array(&self, m: usize, n: usize, dtype: DType) -> Option<HostArray> {
        if dtype != DType::F64 && !(-40..=30).contains(&self.decade) {
            return None;
        }
        HostArray::new([m, n], self.matrix(m, n)?.values).ok()?.cast(dtype).ok()
    }

    /// The matrix in f64. `None` where this kind does not exist for the shape.
    pub fn matrix(&self, m: usize, n: usize) -> Option<Matrix> {
        let mut a = match self.recipe {
            Recipe::Formula(make) => make(m, n)?,
            Recipe::Singular(values) => random::with_singular_values(self.seed(), m, n, &values(m.min(n))),
            Recipe::Eigen(_) if m != n => return None,
            Recipe::Eigen(values) => random::with_eigenvalues(self.seed(), &values(n)),
        };
        if self.symmetric && m != n {
            return None;
        }
        let scale = self.scale();
        a.values.iter_mut().for_each(|x| *x *= scale);
        Some(a)
    }

    /// What the matrix was made from: its singular values, decreasing, or of a symmetric one its eigenvalues, increasing.
    /// Those of the matrix itself differ by its rounding, some units of the largest. `None` where they are not prescribed.
    pub fn prescribed(&self, m: usize, n: usize) -> Option<Vec<f64>> {
        let (mut values, sign) = match self.recipe {
            Recipe::Formula(_) => return None,
            Recipe::Singular(values) => (values(m.min(n)), -1.0),
            Recipe::Eigen(values) => (values(n), 1.0),
        };
        values.iter_mut().for_each(|x| *x *= self.scale());
        values.sort_by(|x, y| (sign * x).total_cmp(&(sign * y)));
        Some(values)
    }

    fn scale(&self) -> f64 {
        // In two steps: the inverse of the smallest is out of range.
        let half = self.decade / 2;
        10f64.powi(half) * 10f64.powi(self.decade - half)
    }

    fn seed(&self) -> u64 {
        random::seed(self.name)
    }
}

const fn kind(name: &'static str, symmetric: bool, recipe: Recipe) -> Kind {
    Kind { name, symmetric, definite: false, recipe, decade: 0 }
}

const fn formula(name: &'static str, make: fn(usize, usize) -> Option<Matrix>) -> Kind {
    kind(name, false, Recipe::Formula(make))
}

const fn symmetric(name: &'static str, make: fn(usize, usize) -> Option<Matrix>) -> Kind {
    kind(name, true, Recipe::Formula(make))
}

const fn singular(name: &'static str, values: fn(usize) -> Vec<f64>) -> Kind {
    kind(name, false, Recipe::Singular(values))
}

const fn eigen(name: &'static str, values: fn(usize) -> Vec<f64>) -> Kind {
    kind(name, true, Recipe::Eigen(values))
}

const fn times(decade: i32, kind: Kind) -> Kind {
    Kind { decade, ..kind }
}

const fn definite(kind: Kind) -> Kind {
    Kind { definite: true, ..kind }
}

#[cfg(test)]
mod tests;
