//! Algorithms as one call: from an array on the host to a struct of arrays.

mod cur;
mod lrpca;

pub use cur::Skeleton;
pub use lrpca::{Learn, Learned, LearnedSeparation};

use ndarray::{Array1, Array2, ArrayView2};
use tandem_algos::snmf::{Init, Snmf, start_input};
use tandem_compile::pjrt::Device;
use tandem_compile::{Element, Error, HostArray, Result, Tensor, trace};
use tandem_verify::status::Status;

/// Z, Y and how they came about; see [`Snmf`].
#[derive(Debug, Clone)]
pub struct Factorization<T> {
    /// The features, `[d, k]`.
    pub z: Array2<T>,
    /// How much of each feature each sample uses, `[k, n]`, >= 0.
    pub y: Array2<T>,
    /// The squared Frobenius error after each iteration, `[iters]`.
    pub loss: Array1<T>,
    /// The number of iterations run.
    pub iterations: usize,
    /// The samples that use each feature most, `[k, top]`; -1 where there are fewer.
    pub top_index: Array2<i32>,
    /// What the algorithm says about the result.
    pub status: Status,
}

/// Fits a model to data on a device.
pub trait Fit {
    /// What comes out, in the element type of the data.
    type Fitted<T: Element>;

    /// Fits to `a` (f32 or f64; `[d, n]` with samples in columns where the algorithm knows samples) on `device`.
    ///
    /// ```
    /// use tandem::prelude::*;
    ///
    /// # fn main() -> tandem::Result<()> {
    /// let a = ndarray::Array2::from_shape_fn((6, 9), |(i, j)| ((i * j) % 5) as f64);
    /// let f = Snmf::new(2).iters(50).fit(&Device::default()?, a.view())?;
    /// assert!(f.y.iter().all(|&y| y >= 0.0));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Parameters out of range, or what the device reports.
    fn fit<T: Element>(&self, device: &Device, a: ArrayView2<'_, T>) -> Result<Self::Fitted<T>>;
}

impl Fit for Snmf {
    type Fitted<T: Element> = Factorization<T>;

    fn fit<T: Element>(&self, device: &Device, a: ArrayView2<'_, T>) -> Result<Factorization<T>> {
        let a = HostArray::new(a.shape(), a.iter().copied().collect::<Vec<T>>())?;
        self.check(a.shape()).map_err(Error::Host)?;
        let mut inputs = vec![a];
        if self.init == Init::Svd {
            inputs.push(start_input(&inputs[0], self.k));
        }
        let types: Vec<_> = inputs.iter().map(HostArray::ty).collect();
        let graph = trace(|inputs: Vec<Tensor>| self.trace(&inputs[0], inputs.get(1)).into_vec(), &types)?;
        let results = graph.compile(device)?.run(device, &inputs)?;
        let [z, y, loss, iterations, top_index, status] = <[HostArray; 6]>::try_from(results)
            .map_err(|results| Error::Host(format!("the program returned {} results", results.len())))?;
        Ok(Factorization {
            z: matrix(z)?,
            y: matrix(y)?,
            loss: Array1::from_vec(loss.into_values()?),
            iterations: iterations.values::<i32>()?[0] as usize,
            top_index: matrix(top_index)?,
            status: Status(status.values::<i32>()?[0]),
        })
    }
}

fn matrix<T: Element>(array: HostArray) -> Result<Array2<T>> {
    let (rows, cols) = (array.shape()[0], array.shape()[1]);
    Array2::from_shape_vec((rows, cols), array.into_values()?).map_err(|e| Error::Host(e.to_string()))
}
