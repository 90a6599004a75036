//! Learned robust PCA as one call, and its training as another.

use ndarray::{Array2, ArrayView2};
use tandem_algos::rpca::lrpca::{Lrpca, Parameters, Trainer, Weights};
use tandem_compile::pjrt::Device;
use tandem_compile::{DType, Element, Error, HostArray, Result, Tensor, jit, trace};
use tandem_verify::status::Status;

use super::{Fit, matrix};

/// M ~ L + S; see [`Lrpca`].
#[derive(Debug, Clone)]
pub struct LearnedSeparation<T> {
    /// The matrix of low rank, `[m, n]`.
    pub l: Array2<T>,
    /// The sparse one, `[m, n]`.
    pub s: Array2<T>,
    /// The number of layers run.
    pub iterations: usize,
    /// What the algorithm says about the result.
    pub status: Status,
}

/// ```
/// use tandem::prelude::*;
///
/// # fn main() -> tandem::Result<()> {
/// // Rank 1, and one outlier; entries are about 5 times those that the thresholds were learned on.
/// let mut m = ndarray::Array2::from_shape_fn((60, 60), |(i, j)| (1.0 + (i % 3) as f64) * (2.0 - (j % 2) as f64) / 60.0);
/// m[[3, 7]] += 0.5;
/// let f = Lrpca::new(1).threshold_scale(5.0).fit(&Device::default()?, m.view())?;
/// assert!((f.s[[3, 7]] - 0.5).abs() < 1e-4);
/// # Ok(())
/// # }
/// ```
impl Fit for Lrpca {
    type Fitted<T: Element> = LearnedSeparation<T>;

    fn fit<T: Element>(&self, device: &Device, a: ArrayView2<'_, T>) -> Result<LearnedSeparation<T>> {
        let m = HostArray::new(a.shape(), a.iter().copied().collect::<Vec<T>>())?;
        self.check(m.shape()).map_err(Error::Host)?;
        if let Some(at) = m.first_nonfinite() {
            return Err(Error::Host(format!("element {at} (row-major) of m is NaN or infinite; clean the data")));
        }
        let graph = trace(|m: Tensor| self.trace(&m).into_vec(), &[m.ty()])?;
        let results = graph.compile(device)?.run(device, &[m])?;
        let [l, s, iterations, status] = <[HostArray; 4]>::try_from(results)
            .map_err(|results| Error::Host(format!("the program returned {} results", results.len())))?;
        Ok(LearnedSeparation {
            l: matrix(l)?,
            s: matrix(s)?,
            iterations: iterations.values::<i32>()?[0] as usize,
            status: Status(status.values::<i32>()?[0]),
        })
    }
}

/// What a training gives.
#[derive(Debug, Clone)]
pub struct Learned {
    /// Thresholds and steps, which carry over to other sizes.
    pub parameters: Parameters,
    /// |X_T - X*| before every step, stage by stage ([`Trainer::stages`]).
    pub losses: Vec<Vec<f64>>,
}

/// Learns parameters on a device.
pub trait Learn {
    /// Runs the whole training on `device`, in f32 or f64; `watch` is called after every stage with its number and its losses.
    ///
    /// ```
    /// use tandem::prelude::*;
    ///
    /// # fn main() -> tandem::Result<()> {
    /// let trainer = lrpca::Trainer::new([30, 30], 2, 1).steps(5, 5, 5);
    /// let learned = trainer.learn(&Device::default()?, DType::F32, |_, _| ())?;
    /// assert_eq!((learned.parameters.layers(), learned.losses.len()), (1, 4));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Parameters out of range, or what the device reports.
    fn learn(&self, device: &Device, dtype: DType, watch: impl FnMut(usize, &[f64])) -> Result<Learned>;
}

impl Learn for Trainer {
    fn learn(&self, device: &Device, dtype: DType, mut watch: impl FnMut(usize, &[f64])) -> Result<Learned> {
        self.check().map_err(Error::Host)?;
        if !matches!(dtype, DType::F32 | DType::F64) {
            return Err(Error::Host(format!("training in {dtype}: f32 or f64 is expected")));
        }
        let (mut zeta, mut eta): (HostArray, HostArray) = jit(|()| self.start(dtype)).on(device).call(())?;
        let (mut losses, mut taken) = (Vec::new(), 0i32);
        for (number, stage) in self.stages().into_iter().enumerate() {
            if stage.layers > eta.len() {
                (zeta, eta) = jit(|weights: Weights| self.grown(&weights)).on(device).call((&zeta, &eta))?;
            }
            let run = jit(|(weights, taken): (Weights, Tensor)| self.stage(stage, weights, &taken)).on(device);
            let loss: HostArray;
            (zeta, eta, loss) = run.call(((&zeta, &eta), taken))?;
            taken += stage.steps as i32;
            losses.push(loss.to_f64());
            watch(number, &losses[number]);
        }
        Ok(Learned { parameters: self.parameters(zeta.to_f64(), eta.to_f64()), losses })
    }
}
