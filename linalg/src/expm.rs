//! The exponential of matrices.

use tandem_compile::{DType, Tensor, cond, eye, fori_loop, jvp, number, stop_gradient, while_loop};

use crate::batch::factors;
use crate::operand::{all_finite, is_square, or_nan};
use crate::scale::power_of_two;
use crate::solve::solve;

/// How often is squared at most: enough for a 1-norm of 10^10.
const SQUARINGS: i32 = 32;

/// A diagonal Padé approximant of e^x: its numerator's coefficients, and the 1-norm up to which it is accurate to
/// rounding.
struct Approximant {
    coefficients: &'static [f64],
    norm: f64,
}

/// For f64 (Higham 2005, table 2.3).
const THIRTEEN: Approximant = Approximant {
    coefficients: &[
        64764752532480000.0,
        32382376266240000.0,
        7771770303897600.0,
        1187353796428800.0,
        129060195264000.0,
        10559470521600.0,
        670442572800.0,
        33522128640.0,
        1323241920.0,
        40840800.0,
        960960.0,
        16380.0,
        182.0,
        1.0,
    ],
    norm: 5.371920351148152,
};

/// For f32, as in Eigen and JAX.
const SEVEN: Approximant = Approximant {
    coefficients: &[17297280.0, 8648640.0, 1995840.0, 277200.0, 25200.0, 1512.0, 56.0, 1.0],
    norm: 3.92572478313866,
};

/// The exponential I + A + A A / 2 + ..., `[..., n, n]`.
///
/// a: `[..., n, n]`, f32 or f64. NaN everywhere where the matrix is not finite, or its 1-norm is above 10^10. The
/// derivative goes through the same approximant and squarings, the bounded number of them.
///
/// Scaling and squaring: N. J. Higham, "The scaling and squaring method for the matrix exponential revisited", SIAM J.
/// Matrix Anal. Appl. 26, 2005, with the approximant of degree 13 in f64, 7 in f32.
///
/// ```
/// use ndarray::{Array2, array};
/// use tandem_compile::{Tensor, jit};
///
/// let x: Array2<f64> = jit(|a: Tensor| tandem_linalg::expm(&a)).call(&array![[0.0, 30.0], [0.0, 0.0]])?;
/// assert!((&x - &array![[1.0, 30.0], [0.0, 1.0]]).iter().all(|e| e.abs() < 1e-13));
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn expm(a: &Tensor) -> Tensor {
    if !is_square("expm", a) || a.shape().contains(&0) {
        return a.clone();
    }
    factors(
        a,
        None,
        |a| exponential(a, as_often_as_needed),
        |a, _, da| jvp(|a: Tensor| exponential(&a, within_the_bound), a.clone(), da.clone()).1,
    )
}

/// `squared`: from X and a power of two to that power of X.
fn exponential(a: &Tensor, squared: impl Fn(Tensor, Tensor) -> Tensor) -> Tensor {
    let approximant = if a.dtype() == DType::F64 { THIRTEEN } else { SEVEN };
    let norm = stop_gradient(&a.abs().sum_axes([0]).max()) / approximant.norm;
    let good = all_finite(a) & norm.le(2f64.powi(SQUARINGS));
    let below = power_of_two(&norm.maximum(1.0));
    let power = norm.gt(&below).select(&below * 2.0, &below);
    let power = good.select(&power, number(1.0, a.dtype()));
    or_nan(&good, &squared(approximant.at(&(a / &power)), power))
}

impl Approximant {
    /// (V - U)^-1 (V + U), with U the odd and V the even part of the numerator.
    fn at(&self, a: &Tensor) -> Tensor {
        let b = self.coefficients;
        let one = eye(a.dim(0), a.dtype());
        let a2 = a.dot(a);
        let a4 = a2.dot(&a2);
        let a6 = a4.dot(&a2);
        let low = |first: usize| &a6 * b[first + 6] + &a4 * b[first + 4] + &a2 * b[first + 2] + &one * b[first];
        let high = |first: usize| a6.dot(&(&a6 * b[first + 12] + &a4 * b[first + 10] + &a2 * b[first + 8]));
        let (odd, even) = if b.len() > 8 { (low(1) + high(1), low(0) + high(0)) } else { (low(1), low(0)) };
        let odd = a.dot(&odd);
        solve(&(&even - &odd), &(even + odd))
    }
}

fn as_often_as_needed(x: Tensor, power: Tensor) -> Tensor {
    while_loop((x, power), |(_, power)| power.gt(1.0), |(x, power)| (x.dot(&x), power * 0.5)).0
}

/// The same by a loop of a fixed number of trips, through which reverse mode goes.
fn within_the_bound(x: Tensor, power: Tensor) -> Tensor {
    let squared = fori_loop(0, SQUARINGS, (x, power), |_, (x, power)| {
        let more = power.gt(1.0);
        (cond(&more, || x.dot(&x), || x.clone()), (power * 0.5).maximum(1.0))
    });
    squared.0
}
