//! Which of the two ways to the correlations is cheaper.

use super::{Method, Pursuit};

/// How the correlations of the residuals with all atoms are computed.
///
/// In products' flops, for `batch` signals:
///
/// - *residual*: 2 p d batch per step, and for each of the dictionary's p d numbers what it takes to read it anew at every
///   step: [`Route::READ`] for one signal, [`Route::REARRANGED`] for more, where the CPU's product rearranges it first;
/// - *gram*: 2 p^2 d once for D D', 2 p d batch once for the first correlations, and then per signal a row of p numbers for
///   every atom that moves: mp moves one per step, omp and gp all n that step n has, k (k + 1) / 2 in all. A number of such a
///   row, which is looked up and added, counts as [`Route::LOOKED_UP`] flops of a product.
///
/// `auto` takes the smaller sum. The constants are fitted to what `bench/pursuit.py` measures of both routes
/// (docs/benchmarks.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Route {
    /// The cheaper one by the count above.
    #[default]
    Auto,
    /// By rows of the atoms' Gram matrix.
    Gram,
    /// By the product of the residuals with the dictionary.
    Residual,
}

impl Route {
    /// The names that users write.
    pub const NAMES: [(&'static str, Route); 3] =
        [("auto", Route::Auto), ("gram", Route::Gram), ("residual", Route::Residual)];

    /// The most atoms whose Gram matrix has positions that fit an i32.
    pub const MOST_ATOMS: usize = 46_340;

    /// What one looked up and added number counts, in flops of a matrix product.
    pub const LOOKED_UP: f64 = 6.0;

    /// What reading one number of the dictionary counts in a product with one signal.
    pub const READ: f64 = 16.0;

    /// The same in a product with more of them.
    pub const REARRANGED: f64 = 128.0;
}

impl Pursuit {
    /// Whether `batch` signals of `d` numbers and `p` atoms go by the Gram route.
    pub fn by_gram(&self, batch: usize, d: usize, p: usize) -> bool {
        match self.route {
            Route::Gram => true,
            Route::Residual => false,
            Route::Auto => p <= Route::MOST_ATOMS && self.gram_cost(batch, d, p) < self.residual_cost(batch, d, p),
        }
    }

    /// The flops of the residual route, with those that reading the dictionary counts.
    pub fn residual_cost(&self, batch: usize, d: usize, p: usize) -> f64 {
        let read = if batch > 1 { Route::REARRANGED } else { Route::READ };
        p as f64 * d as f64 * self.k as f64 * (2.0 * batch as f64 + read)
    }

    /// The flops of the Gram route, of which those of a lookup count more.
    pub fn gram_cost(&self, batch: usize, d: usize, p: usize) -> f64 {
        let (batch, d, p, k) = (batch as f64, d as f64, p as f64, self.k as f64);
        let rows = match self.method {
            Method::Mp => k,
            Method::Omp | Method::Gp => k * (k + 1.0) / 2.0,
        };
        2.0 * p * d * (p + batch) + Route::LOOKED_UP * batch * p * rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_signal_does_not_pay_for_a_gram_matrix_and_many_long_ones_do() {
        assert!(!Pursuit::mp(50).by_gram(1, 512, 2048));
        assert!(Pursuit::mp(50).by_gram(4, 512, 2048));
        assert!(Pursuit::mp(50).by_gram(4096, 512, 2048));
        assert!(!Pursuit::omp(64).by_gram(4096, 64, 256));
        assert!(Pursuit::mp(1).route(Route::Gram).by_gram(1, 1, 1));
        assert!(!Pursuit::mp(50).route(Route::Residual).by_gram(4096, 512, 2048));
        assert!(!Pursuit::mp(50).by_gram(1 << 20, 512, Route::MOST_ATOMS + 1));
    }
}
