//! Sparse codes as one call: from arrays on the host to a struct of arrays.

use ndarray::{Array1, Array2, ArrayView2};
use tandem_algos::pursuit::Pursuit;
use tandem_compile::pjrt::Device;
use tandem_compile::{Element, Error, HostArray, Result, Tensor, trace};
use tandem_verify::status::Status;

/// The codes of signals and how they came about; see [`Pursuit`].
#[derive(Debug, Clone)]
pub struct SparseCodes<T> {
    /// How much of each atom each signal is, `[batch, p]`.
    pub codes: Array2<T>,
    /// The atom that each step chose, `[batch, k]`; -1 after the stop.
    pub support: Array2<i32>,
    /// The residual's norm before the first step and after each, `[batch, k + 1]`.
    pub residual_norms: Array2<T>,
    /// The steps taken, `[batch]`.
    pub count: Array1<i32>,
    /// What the algorithm says about the result.
    pub status: Status,
}

/// Codes signals in the atoms of a dictionary, on a device.
pub trait Encode {
    /// Codes the rows of `x` (`[batch, d]`, f32 or f64) in the rows of `dictionary` (`[p, d]`) on `device`.
    ///
    /// ```
    /// use tandem::prelude::*;
    ///
    /// # fn main() -> tandem::Result<()> {
    /// // The second signal is the sum of both atoms.
    /// let dictionary = ndarray::array![[2.0, 0.0, 0.0], [1.0, 1.0, 0.0]];
    /// let x = ndarray::array![[4.0, 0.0, 0.0], [3.0, 1.0, 0.0]];
    /// let f = Pursuit::omp(2).fit(&Device::default()?, &x, &dictionary)?;
    /// assert_eq!(f.count, ndarray::array![1, 2]);
    /// assert!((&f.codes - ndarray::array![[2.0, 0.0], [1.0, 1.0]]).iter().all(|e: &f64| e.abs() < 1e-14));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Parameters out of range, arrays that do not fit together, or what the device reports.
    fn fit<'a, T: Element>(
        &self,
        device: &Device,
        x: impl Into<ArrayView2<'a, T>>,
        dictionary: impl Into<ArrayView2<'a, T>>,
    ) -> Result<SparseCodes<T>>;
}

impl Encode for Pursuit {
    fn fit<'a, T: Element>(
        &self,
        device: &Device,
        x: impl Into<ArrayView2<'a, T>>,
        dictionary: impl Into<ArrayView2<'a, T>>,
    ) -> Result<SparseCodes<T>> {
        let array = |a: ArrayView2<'_, T>| HostArray::new(a.shape(), a.iter().copied().collect::<Vec<T>>());
        let inputs = [array(x.into())?, array(dictionary.into())?];
        self.check(inputs[0].shape(), inputs[1].shape()).map_err(Error::Host)?;
        let types = [inputs[0].ty(), inputs[1].ty()];
        let graph = trace(|(x, dictionary): (Tensor, Tensor)| self.trace(&x, &dictionary).into_vec(), &types)?;
        let results = graph.compile(device)?.run(device, &inputs)?;
        let [codes, support, residual_norms, count, status] = <[HostArray; 5]>::try_from(results)
            .map_err(|results| Error::Host(format!("the program returned {} results", results.len())))?;
        Ok(SparseCodes {
            codes: matrix(codes)?,
            support: matrix(support)?,
            residual_norms: matrix(residual_norms)?,
            count: Array1::from_vec(count.into_values()?),
            status: Status(status.values::<i32>()?[0]),
        })
    }
}

fn matrix<T: Element>(array: HostArray) -> Result<Array2<T>> {
    let (rows, cols) = (array.shape()[0], array.shape()[1]);
    Array2::from_shape_vec((rows, cols), array.into_values()?).map_err(|e| Error::Host(e.to_string()))
}

#[cfg(feature = "sprs")]
impl<T: Element> SparseCodes<T> {
    /// The codes as a sparse matrix `[batch, p]` by rows, of the entries that are not zero. Needs the feature `sprs`.
    ///
    /// ```
    /// use tandem::prelude::*;
    ///
    /// # fn main() -> tandem::Result<()> {
    /// let (x, dictionary) = (ndarray::array![[0.0, 3.0, 0.0], [5.0, 0.0, -2.0]], ndarray::Array2::<f64>::eye(3));
    /// let codes = Pursuit::omp(2).fit(&Device::default()?, &x, &dictionary)?.to_csr();
    /// assert_eq!((codes.indices(), codes.data()), (&[1, 0, 2][..], &[3.0, 5.0, -2.0][..]));
    /// assert_eq!(codes.indptr().raw_storage(), [0, 1, 3]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn to_csr(&self) -> sprs::CsMat<T> {
        let (mut starts, mut positions, mut values) = (vec![0], Vec::new(), Vec::new());
        for (codes, support) in self.codes.rows().into_iter().zip(self.support.rows()) {
            // What was never chosen is zero.
            let mut chosen: Vec<usize> = support.iter().filter_map(|&j| usize::try_from(j).ok()).collect();
            chosen.sort_unstable();
            chosen.dedup();
            for j in chosen.into_iter().filter(|&j| codes[j] != T::default()) {
                positions.push(j);
                values.push(codes[j]);
            }
            starts.push(positions.len());
        }
        sprs::CsMat::new(self.codes.dim(), starts, positions, values)
    }
}
