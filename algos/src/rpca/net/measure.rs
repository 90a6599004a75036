//! How far each stage gets: whether backgrounds have low rank and targets are few.

use tandem_compile::{DType, Tensor};

/// The mean over the frames of the singular values of max(B, 0), largest first: `[stages, min(h, w)]` for every stage's
/// background `[stages, n, h, w]` or `[stages, n, 1, h, w]`.
///
/// ```
/// use tandem_algos::rpca::net::low_rankness;
/// use tandem_compile::{HostArray, Tensor, jit};
///
/// // One stage, one frame: a row of ones and a negative row that does not count.
/// let b = HostArray::new([1, 1, 2, 4], vec![1.0, 1.0, 1.0, 1.0, -3.0, -3.0, -3.0, -3.0])?;
/// let values: HostArray = jit(|b: Tensor| low_rankness(&b)).call(&b)?;
/// assert!((values.to_f64()[0] - 2.0).abs() < 1e-12 && values.to_f64()[1].abs() < 1e-12);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn low_rankness(backgrounds: &Tensor) -> Tensor {
    let planes = planes(backgrounds);
    let positive = planes.le(0.0).select(0.0, &planes);
    tandem_linalg::svdvals(&positive).mean_axes([1])
}

/// The share of pixels with T > 0, over all frames: `[stages]` for every stage's target `[stages, n, h, w]` or
/// `[stages, n, 1, h, w]`.
#[track_caller]
pub fn sparsity(targets: &Tensor) -> Tensor {
    let planes = planes(targets);
    // Counted in whole numbers: f32 would lose some beyond 2^24.
    let count: usize = planes.shape()[1..].iter().product();
    let found = planes.gt(0.0).convert(DType::I32).sum_axes([1, 2, 3]);
    found.convert(planes.dtype()) / count as f64
}

/// `[stages, n, h, w]`, without an axis of one channel.
fn planes(x: &Tensor) -> Tensor {
    if x.ndim() == 5 { x.squeeze(2) } else { x.clone() }
}
