//! Singular value thresholding by the cheaper of two ways, with the number of singular values that are left.

use tandem_compile::{DType, Tensor, cond, kernel, number, zeros};

use super::rule::{Shrink, spectral_rule};
use super::{is_parameter, width};
use crate::batch::{leading, over_leading};
use crate::eigh::eigh;
use crate::native;
use crate::operand::{all_finite, is_matrix, or_nan};
use crate::scale::{max_abs, power_of_two, sum_of_squares};
use crate::svd::svd;

/// What a thresholding is computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Route {
    /// [`Route::Gram`] where tau^2 >= 8 u ||X||_F^2 (tau above 7e-4 of the norm in f32, above 3e-8 in f64), else [`Route::Svd`].
    #[default]
    Auto,
    /// The eigenvectors of the smaller of X'X and XX'. Rounding moves a squared singular value by a few u s_1^2, so that those
    /// below sqrt(u) s_1 are noise: harmless where the threshold is above it, for the noise is cut and what is kept is exact to a
    /// few u (s_1 / s_i)^2.
    Gram,
    /// The singular value decomposition: exact to a few u s_1 for every threshold, at about twice the time.
    Svd,
}

impl Route {
    /// The names by which users choose.
    pub const NAMES: [(&'static str, Self); 3] = [("auto", Self::Auto), ("gram", Self::Gram), ("svd", Self::Svd)];

    /// 8 u: the least tau^2 / ||X||_F^2 for which the Gram matrix serves.
    pub(crate) fn least(dtype: DType) -> f64 {
        8.0 * dtype.unit_roundoff()
    }
}

/// [`svt`](super::svt) by a route, and how many singular values are above tau, `[...]` (i32): -1 where the result is NaN.
///
/// x, tau and the derivative as in [`svt`](super::svt). On the CPU this is one kernel, which forms only those singular vectors
/// whose values are above tau: the fewer there are, the faster.
///
/// ```
/// use ndarray::{Array2, array};
/// use tandem_compile::{Tensor, jit};
/// use tandem_linalg::spectral::{Route, thresholded};
///
/// let f = jit(|(x, tau): (Tensor, Tensor)| thresholded(&x, &tau, Route::Auto));
/// let (y, rank): (Array2<f64>, i32) = f.call((&array![[3.0, 0.0], [0.0, -1.0]], 1.5))?;
/// assert!((&y - &array![[1.5, 0.0], [0.0, 0.0]]).iter().all(|e| e.abs() < 1e-15));
/// assert_eq!(rank, 1);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn thresholded(x: &Tensor, tau: &Tensor, route: Route) -> (Tensor, Tensor) {
    let name = "spectral::thresholded";
    if !is_matrix(name, x) || !is_parameter(name, "tau", x, tau) {
        return (x.clone(), x.clone());
    }
    let leading = leading(x);
    if width(x) == 0 {
        return (x.clone(), zeros(leading, DType::I32));
    }
    let tau = tau.lt(0.0).select(0.0, tau).broadcast_to(leading.clone());
    let (y, count) = over_leading(&leading, (x.clone(), tau), |parts| one(parts, route));
    let known = count.is_finite();
    (y, known.select(&count, -1.0).convert(DType::I32))
}

/// The result and the count, as a number of the matrix's dtype.
fn one(parts: (Tensor, Tensor), route: Route) -> (Tensor, Tensor) {
    let native = match route {
        Route::Auto => native::THRESHOLD,
        Route::Gram => native::THRESHOLD_BY_GRAM,
        Route::Svd => native::THRESHOLD_BY_SVD,
    };
    let f = kernel(
        Some(native),
        move |(x, tau): (Tensor, Tensor)| portable(&x, &tau, route),
        |(x, tau): &(Tensor, Tensor), _: &(Tensor, Tensor), (dx, dtau): &(Tensor, Tensor)| {
            let (u, s, vh) = svd(x);
            (spectral_rule(&Shrink, (&u, &s, &vh), tau, dx, dtau), zeros([], x.dtype()))
        },
    );
    f(parts)
}

fn portable(x: &Tensor, tau: &Tensor, route: Route) -> (Tensor, Tensor) {
    // Squares stay in range; exact, and given back at the end.
    let unit = power_of_two(&max_abs(x));
    let good = all_finite(x) & !tau.is_nan();
    let (x, tau) = (x / &unit, tau / &unit);
    let (y, count) = match route {
        Route::Gram => by_gram(&x, &tau),
        Route::Svd => by_svd(&x, &tau),
        Route::Auto => {
            let clear = tau.square().ge(sum_of_squares(&x) * Route::least(x.dtype()));
            cond(&clear, || by_gram(&x, &tau), || by_svd(&x, &tau))
        }
    };
    (or_nan(&good, &(y * unit)), or_nan(&good, &count))
}

/// X V diag(1 - tau / s) V', V the eigenvectors of X'X, or the same from the left where X has fewer rows than columns.
fn by_gram(x: &Tensor, tau: &Tensor) -> (Tensor, Tensor) {
    let (m, n) = (x.dim(0), x.dim(1));
    let inner = if m < n { 1 } else { 0 };
    let (w, v) = eigh(&x.contract(x, inner, inner));
    let s = w.lt(0.0).select(0.0, &w).sqrt();
    let above = s.gt(tau);
    let weights = above.select(1.0 - tau / above.select(&s, number(1.0, s.dtype())), 0.0);
    let shrink = (&v * weights.expand_dims(0)).contract(&v, 1, 1);
    let y = if m < n { shrink.dot(x) } else { x.dot(&shrink) };
    (y, above.convert(x.dtype()).sum())
}

fn by_svd(x: &Tensor, tau: &Tensor) -> (Tensor, Tensor) {
    let (u, s, vh) = svd(x);
    let above = s.gt(tau);
    let y = (u * above.select(&s - tau, 0.0).expand_dims(0)).dot(&vh);
    (y, above.convert(x.dtype()).sum())
}
