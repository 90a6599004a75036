//! CUR as one call.

use ndarray::{Array2, ArrayView2};
use tandem_algos::cur::Cur;
use tandem_compile::pjrt::Device;
use tandem_compile::{Element, Error, HostArray, Result, Tensor, trace};
use tandem_verify::status::Status;

use super::{Fit, matrix};

/// A ~ C U R; see [`Cur`].
#[derive(Debug, Clone)]
pub struct Skeleton<T> {
    /// The chosen rows, in the order of their selection.
    pub row_index: Vec<usize>,
    /// The chosen columns, in the order of their selection.
    pub col_index: Vec<usize>,
    /// The chosen columns of A, `[m, c]`.
    pub c: Array2<T>,
    /// The core, `[c, r]`.
    pub u: Array2<T>,
    /// The chosen rows of A, `[r, n]`.
    pub r: Array2<T>,
    /// |A - C U R| / |A| in the Frobenius norm.
    pub relative_error: T,
    /// The largest singular value of U.
    pub core_norm: T,
    /// What the algorithm says about the result.
    pub status: Status,
}

/// ```
/// use tandem::prelude::*;
///
/// # fn main() -> tandem::Result<()> {
/// // A matrix of rank 2 is made of any two independent rows and columns.
/// let a = ndarray::Array2::from_shape_fn((6, 9), |(i, j)| (i + 2 * j) as f64);
/// let f = Cur::new(2).fit(&Device::default()?, a.view())?;
/// assert!(f.relative_error < 1e-13);
/// assert_eq!(f.c.column(0), a.column(f.col_index[0]));
/// # Ok(())
/// # }
/// ```
impl Fit for Cur {
    type Fitted<T: Element> = Skeleton<T>;

    fn fit<T: Element>(&self, device: &Device, a: ArrayView2<'_, T>) -> Result<Skeleton<T>> {
        let a = HostArray::new(a.shape(), a.iter().copied().collect::<Vec<T>>())?;
        self.check(a.shape()).map_err(Error::Host)?;
        if let Some(at) = a.first_nonfinite() {
            return Err(Error::Host(format!("element {at} (row-major) of a is NaN or infinite; clean the data")));
        }
        let graph = trace(|a: Tensor| self.trace(&a).into_vec(), &[a.ty()])?;
        let results = graph.compile(device)?.run(device, &[a])?;
        let [rows, cols, c, u, r, error, norm, status] = <[HostArray; 8]>::try_from(results)
            .map_err(|results| Error::Host(format!("the program returned {} results", results.len())))?;
        Ok(Skeleton {
            row_index: positions(&rows)?,
            col_index: positions(&cols)?,
            c: matrix(c)?,
            u: matrix(u)?,
            r: matrix(r)?,
            relative_error: error.values::<T>()?[0],
            core_norm: norm.values::<T>()?[0],
            status: Status(status.values::<i32>()?[0]),
        })
    }
}

fn positions(index: &HostArray) -> Result<Vec<usize>> {
    Ok(index.values::<i32>()?.iter().map(|&i| i as usize).collect())
}
