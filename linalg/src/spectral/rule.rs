//! The derivative of Y = U h(S) V'.
//!
//! With P = U'dX V, split into its symmetric half P+ and its skew half P-,
//!
//!   dY = U (G+ o P+ + G- o P-) V' + (I - UU') dX V (h/S) V' + U (h/S) U'dX (I - VV') + U dh V',
//!   G+_ij = (h_i - h_j) / (s_i - s_j),    G-_ij = (h_i + h_j) / (s_i + s_j),
//!
//! where dh is what the parameter moves. G+ and G- are symmetric, so the map from dX to dY is its own transpose.

use tandem_compile::{DType, Tensor, iota, jvp, number, ones};

/// Which function of the singular values.
pub(super) trait Profile: Clone + Send + Sync + 'static {
    /// h(s), `[k]`.
    fn values(&self, s: &Tensor, parameter: &Tensor) -> Tensor;

    /// How many of the k singular values, the first ones, may have an h that is not zero, whatever they are.
    fn kept(&self, k: usize) -> usize {
        k
    }

    /// G+, `[k, k]`, for a matrix whose longer side is `size`.
    fn quotients(&self, s: &Tensor, h: &Tensor, parameter: &Tensor, size: usize) -> Tensor;

    /// dh, `[k]`, of a tangent of the parameter.
    fn moved(&self, s: &Tensor, parameter: &Tensor, tangent: &Tensor) -> Tensor;
}

/// max(s - tau, 0).
#[derive(Clone)]
pub(super) struct Shrink;

impl Profile for Shrink {
    fn values(&self, s: &Tensor, tau: &Tensor) -> Tensor {
        // NaN in tau is neither below nor above, and passes.
        s.le(tau).select(0.0, s - tau)
    }

    fn quotients(&self, s: &Tensor, h: &Tensor, tau: &Tensor, _: usize) -> Tensor {
        // Of two on different sides of tau one is larger than the other.
        across_a_step(&s.gt(tau), s, h, None)
    }

    fn moved(&self, s: &Tensor, tau: &Tensor, tangent: &Tensor) -> Tensor {
        -(s.gt(tau).convert(s.dtype()) * tangent)
    }
}

/// The first r singular values, and zeros.
#[derive(Clone)]
pub(super) struct Truncate(pub usize);

impl Profile for Truncate {
    fn values(&self, s: &Tensor, _: &Tensor) -> Tensor {
        self.first(s).select(s, 0.0)
    }

    fn kept(&self, k: usize) -> usize {
        self.0.min(k)
    }

    fn quotients(&self, s: &Tensor, h: &Tensor, _: &Tensor, size: usize) -> Tensor {
        let smallest = if s.dtype() == DType::F64 { f64::MIN_POSITIVE } else { f32::MIN_POSITIVE.into() };
        let least = s.at_index(0, 0) * (8.0 * size as f64 * s.dtype().unit_roundoff()) + smallest;
        across_a_step(&self.first(s), s, h, Some(&least))
    }

    fn moved(&self, s: &Tensor, _: &Tensor, _: &Tensor) -> Tensor {
        s * 0.0
    }
}

impl Truncate {
    fn first(&self, s: &Tensor) -> Tensor {
        iota([s.dim(0)], 0, DType::I32).lt(self.0 as i32)
    }
}

/// A smooth function.
#[derive(Clone)]
pub(super) struct Smooth<H>(pub H);

impl<H: Fn(&Tensor, &Tensor) -> Tensor + Clone + Send + Sync + 'static> Profile for Smooth<H> {
    fn values(&self, s: &Tensor, parameter: &Tensor) -> Tensor {
        (self.0)(s, parameter)
    }

    fn quotients(&self, s: &Tensor, h: &Tensor, parameter: &Tensor, _: usize) -> Tensor {
        let slopes = jvp(|s: Tensor| (self.0)(&s, parameter), s.clone(), ones([s.dim(0)], s.dtype())).1;
        let mean = (slopes.expand_dims(1) + slopes.expand_dims(0)) * 0.5;
        let difference = |x: &Tensor| x.expand_dims(1) - x.expand_dims(0);
        // The mean of the slopes is off by the square of the difference, the quotient by rounding over it.
        let near = difference(s).abs().le(s.at_index(0, 0) * s.dtype().unit_roundoff().cbrt());
        near.select(mean, difference(h) / near.select(number(1.0, s.dtype()), difference(s)))
    }

    fn moved(&self, s: &Tensor, parameter: &Tensor, tangent: &Tensor) -> Tensor {
        jvp(|parameter: Tensor| (self.0)(s, &parameter), parameter.clone(), tangent.clone()).1
    }
}

/// G+ of a function that is s plus a constant where `on` holds, for the larger singular values, and 0 elsewhere: 1, 0, and where two
/// differ in that h by s, no difference of s counting as less than `least`.
fn across_a_step(on: &Tensor, s: &Tensor, h: &Tensor, least: Option<&Tensor>) -> Tensor {
    let (down, across) = (on.expand_dims(1), on.expand_dims(0));
    let size = |x: &Tensor| (x.expand_dims(1) - x.expand_dims(0)).abs();
    let (differ, same) = (&down ^ &across, &down & &across);
    let run = match least {
        Some(least) => size(s).lt(least).select(least, size(s)),
        None => size(s),
    };
    let quotient = size(h) / differ.select(run, 1.0);
    differ.select(quotient, same.convert(s.dtype()))
}

/// x / y, and 0 where y is.
fn or_zero(x: &Tensor, y: &Tensor) -> Tensor {
    let nothing = y.eq(0.0);
    nothing.select(0.0, x / nothing.select(number(1.0, y.dtype()), y))
}

pub(super) fn spectral_rule(
    profile: &impl Profile,
    (u, s, vh): (&Tensor, &Tensor, &Tensor),
    parameter: &Tensor,
    dx: &Tensor,
    dparameter: &Tensor,
) -> Tensor {
    let (m, n) = (dx.dim(0), dx.dim(1));
    let h = profile.values(s, parameter);
    let even = profile.quotients(s, &h, parameter, m.max(n));
    let sums = |x: &Tensor| x.expand_dims(1) + x.expand_dims(0);
    let skew = or_zero(&sums(&h), &sums(s));
    let weights = or_zero(&h, s);
    let dxv = dx.contract(vh, 1, 1);
    let p = u.contract(&dxv, 0, 0);
    let turned = p.t();
    let inner = (even * (&p + &turned) + skew * (&p - &turned)) * 0.5;
    let own = (u * profile.moved(s, parameter, dparameter).expand_dims(0)).dot(vh);
    // What lies beside the range of U (m > n) or V (m < n); P's part of it is taken away inside.
    let moved = if m > n {
        let weights = weights.expand_dims(0);
        (u.dot(&(inner - &p * &weights)) + dxv * weights).dot(vh)
    } else if m < n {
        let weights = weights.expand_dims(1);
        u.dot(&((inner - &p * &weights).dot(vh) + u.contract(dx, 0, 0) * weights))
    } else {
        u.dot(&inner).dot(vh)
    };
    moved + own
}
