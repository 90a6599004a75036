//! Matrices of nalgebra. What has one column by its type (`DVector`, `SVector`) is an array of one axis, everything else
//! one of two.

use nalgebra::{ArrayStorage, Const, Dim, Matrix, RawStorage, Scalar, VecStorage};

use super::{Input, Returns, Strided, Takes};
use crate::dtype::Element;
use crate::error::{Error, Result};
use crate::graph::TensorType;
use crate::pjrt::{Buffer, Device};

struct View<'a, T, R, C, S>(&'a Matrix<T, R, C, S>);

/// Whether the type says that there is one column.
fn is_vector<C: Dim>() -> bool {
    C::try_to_usize() == Some(1)
}

/// What belongs to the axes that the array has.
fn axes<C: Dim, A: Copy>(rows: A, columns: A) -> Vec<A> {
    if is_vector::<C>() { vec![rows] } else { vec![rows, columns] }
}

impl<T: Element + Scalar, R: Dim, C: Dim, S: RawStorage<T, R, C>> Strided for View<'_, T, R, C, S> {
    fn ty(&self) -> TensorType {
        TensorType::new(T::DTYPE, axes::<C, _>(self.0.nrows(), self.0.ncols()))
    }

    fn upload(&self, device: &Device) -> Result<Buffer> {
        let (down, right) = self.0.strides();
        let strides = axes::<C, _>(down as isize, right as isize);
        // SAFETY: the matrix is alive, and its shape and strides describe its own memory.
        unsafe { device.upload_strided(self.0.as_ptr(), &self.ty().shape, &strides) }
    }
}

impl<'a, T: Element + Scalar, R: Dim, C: Dim, S: RawStorage<T, R, C>> Takes<'a> for &'a Matrix<T, R, C, S> {
    fn input(self) -> Input<'a> {
        Input::Strided(Box::new(View(self)))
    }
}

/// Rows and columns of a result, as far as the types allow, and its elements column by column.
fn columns<T: Element, R: Dim, C: Dim>(buffer: &Buffer) -> Result<(usize, usize, Vec<T>)> {
    let ty = buffer.ty();
    let size = match *ty.shape.as_slice() {
        [rows] if is_vector::<C>() => Some((rows, 1)),
        [rows, columns] if !is_vector::<C>() => Some((rows, columns)),
        _ => None,
    };
    let allowed = |wanted: Option<usize>, found: usize| wanted.is_none_or(|wanted| wanted == found);
    let fits = |&(m, n): &(usize, usize)| allowed(R::try_to_usize(), m) && allowed(C::try_to_usize(), n);
    let (m, n) = size.filter(fits).ok_or_else(|| {
        let named = |size: Option<usize>| size.map_or("any".into(), |size| size.to_string());
        let wanted = axes::<C, _>(R::try_to_usize(), C::try_to_usize()).into_iter().map(named).collect::<Vec<_>>();
        Error::Host(format!("the result {ty} does not fit the caller's matrix, [{}]", wanted.join(", ")))
    })?;
    let values = buffer.to_host()?.into_values::<T>()?;
    Ok((m, n, (0..m * n).map(|at| values[at % m * n + at / m]).collect()))
}

impl<T: Element + Scalar, R: Dim, C: Dim> Returns for Matrix<T, R, C, VecStorage<T, R, C>>
where
    VecStorage<T, R, C>: RawStorage<T, R, C>,
{
    fn from_buffer(buffer: Buffer) -> Result<Self> {
        let (m, n, values) = columns::<T, R, C>(&buffer)?;
        Ok(Matrix::from_data(VecStorage::new(R::from_usize(m), C::from_usize(n), values)))
    }
}

impl<T: Element + Scalar, const M: usize, const N: usize> Returns
    for Matrix<T, Const<M>, Const<N>, ArrayStorage<T, M, N>>
{
    fn from_buffer(buffer: Buffer) -> Result<Self> {
        let (_, _, values) = columns::<T, Const<M>, Const<N>>(&buffer)?;
        let mut data = [[T::default(); M]; N];
        data.as_flattened_mut().copy_from_slice(&values);
        Ok(Matrix::from_data(ArrayStorage(data)))
    }
}
