//! Arrays of ndarray, in any order of memory.

use ndarray::{ArrayBase, ArrayView, ArrayViewD, Data, Dimension, IxDyn};

use super::{Input, Returns, Strided, Takes};
use crate::dtype::Element;
use crate::error::{Error, Result};
use crate::graph::TensorType;
use crate::pjrt::{Buffer, Device};

impl<T: Element> Strided for ArrayViewD<'_, T> {
    fn ty(&self) -> TensorType {
        TensorType::new(T::DTYPE, self.shape())
    }

    fn upload(&self, device: &Device) -> Result<Buffer> {
        // SAFETY: the view is alive, and its shape and strides describe memory that it may read.
        unsafe { device.upload_strided(self.as_ptr(), self.shape(), self.strides()) }
    }
}

impl<'a, S: Data<Elem: Element>, D: Dimension> Takes<'a> for &'a ArrayBase<S, D> {
    fn input(self) -> Input<'a> {
        Input::Strided(Box::new(self.view().into_dyn()))
    }
}

impl<'a, T: Element, D: Dimension> Takes<'a> for ArrayView<'a, T, D> {
    fn input(self) -> Input<'a> {
        Input::Strided(Box::new(self.into_dyn()))
    }
}

impl<T: Element, D: Dimension> Returns for ndarray::Array<T, D> {
    fn from_buffer(buffer: Buffer) -> Result<Self> {
        let ty = buffer.ty().clone();
        let values = buffer.to_host()?.into_values::<T>()?;
        let array = ndarray::Array::from_shape_vec(IxDyn(&ty.shape), values)
            .map_err(|e| Error::Host(format!("{ty} cannot become an array: {e}")))?;
        let wanted = D::NDIM.unwrap_or(ty.ndim());
        array
            .into_dimensionality()
            .map_err(|_| Error::Host(format!("the result {ty} has {} axes, the caller's array {wanted}", ty.ndim())))
    }
}
