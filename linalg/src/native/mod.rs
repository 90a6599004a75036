//! The factorizations on the CPU by faer: what programs call there instead of running the graphs.
//!
//! Each kernel takes problems `[..., m, n]`, row-major, and gives what the graph of the same name gives: the same shapes, the
//! same triangles read, NaN everywhere where what is read is not finite.

mod layout;
mod problems;

mod cholesky;
mod eigh;
mod lu;
mod qr;
mod svd;
mod threshold;

use faer::traits::RealField;
use tandem_compile::Element;
use tandem_compile::native::Handler;

/// The numbers that kernels are for: f32 and f64.
pub(crate) trait Number:
    RealField + Element + std::ops::Mul<Output = Self> + std::ops::Div<Output = Self>
{
    /// Neither NaN nor infinite.
    fn is_number(self) -> bool;

    /// Zero for a subnormal number.
    fn flushed(self) -> Self;

    /// The number in f64, which holds it.
    fn wide(self) -> f64;

    /// 2^exponent, rounded where it is out of range.
    fn power_of_two(exponent: i32) -> Self;
}

impl Number for f32 {
    fn is_number(self) -> bool {
        self.is_finite()
    }

    fn flushed(self) -> Self {
        if self.is_subnormal() { 0.0 } else { self }
    }

    fn wide(self) -> f64 {
        self.into()
    }

    fn power_of_two(exponent: i32) -> Self {
        f32::powi(2.0, exponent)
    }
}

impl Number for f64 {
    fn is_number(self) -> bool {
        self.is_finite()
    }

    fn flushed(self) -> Self {
        if self.is_subnormal() { 0.0 } else { self }
    }

    fn wide(self) -> f64 {
        self
    }

    fn power_of_two(exponent: i32) -> Self {
        f64::powi(2.0, exponent)
    }
}

/// Runs a generic function for the element type of the call's first argument.
macro_rules! by_dtype {
    ($call:expr, $function:ident $(::<$($constant:tt),*>)?) => {
        match $call.argument_type(0).dtype {
            tandem_compile::DType::F32 => $function::<f32 $($(, $constant)*)?>($call),
            _ => $function::<f64 $($(, $constant)*)?>($call),
        }
    };
}
pub(crate) use by_dtype;

/// The kernel of [`crate::cholesky()`].
pub(crate) const CHOLESKY: Handler = Handler::of::<cholesky::Cholesky>();
/// The kernel of [`crate::lu_pivoted`].
pub(crate) const LU: Handler = Handler::of::<lu::Lu>();
/// The kernel of [`crate::qr()`].
pub(crate) const QR: Handler = Handler::of::<qr::Qr<false>>();
/// The kernel of [`crate::qr_full`].
pub(crate) const QR_FULL: Handler = Handler::of::<qr::Qr<true>>();
/// The kernel of [`crate::eigh()`].
pub(crate) const EIGH: Handler = Handler::of::<eigh::Eigh>();
/// The kernel of [`crate::eigvalsh`].
pub(crate) const EIGVALSH: Handler = Handler::of::<eigh::Eigvalsh>();
/// The kernel of [`crate::svd()`].
pub(crate) const SVD: Handler = Handler::of::<svd::Svd<false>>();
/// The kernel of [`crate::svd_full`].
pub(crate) const SVD_FULL: Handler = Handler::of::<svd::Svd<true>>();
/// The kernel of [`crate::svdvals`].
pub(crate) const SVDVALS: Handler = Handler::of::<svd::Svdvals>();
/// The kernels of [`crate::spectral::thresholded`], by its route.
pub(crate) const THRESHOLD: Handler = Handler::of::<threshold::Threshold<0>>();
/// By the Gram matrix.
pub(crate) const THRESHOLD_BY_GRAM: Handler = Handler::of::<threshold::Threshold<1>>();
/// By the singular value decomposition.
pub(crate) const THRESHOLD_BY_SVD: Handler = Handler::of::<threshold::Threshold<2>>();
