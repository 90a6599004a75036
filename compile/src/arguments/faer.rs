//! Matrices, columns and rows of faer: columns and rows are arrays of one axis.

use faer::{Col, ColRef, Mat, MatRef, Row, RowRef};

use super::{Input, Returns, Strided, Takes};
use crate::dtype::Element;
use crate::error::{Error, Result};
use crate::graph::TensorType;
use crate::pjrt::{Buffer, Device};

impl<T: Element> Strided for MatRef<'_, T> {
    fn ty(&self) -> TensorType {
        TensorType::new(T::DTYPE, [self.nrows(), self.ncols()])
    }

    fn upload(&self, device: &Device) -> Result<Buffer> {
        let (shape, strides) = ([self.nrows(), self.ncols()], [self.row_stride(), self.col_stride()]);
        // SAFETY: the view is alive, and its shape and strides describe memory that it may read.
        unsafe { device.upload_strided(self.as_ptr(), &shape, &strides) }
    }
}

impl<T: Element> Strided for ColRef<'_, T> {
    fn ty(&self) -> TensorType {
        TensorType::new(T::DTYPE, [self.nrows()])
    }

    fn upload(&self, device: &Device) -> Result<Buffer> {
        // SAFETY: as for a matrix.
        unsafe { device.upload_strided(self.as_ptr(), &[self.nrows()], &[self.row_stride()]) }
    }
}

macro_rules! takes {
    ($($owned:ident, $view:ident => |$value:ident| $strided:expr);* $(;)?) => {$(
        impl<'a, T: Element> Takes<'a> for $view<'a, T> {
            fn input(self) -> Input<'a> {
                let $value = self;
                Input::Strided(Box::new($strided))
            }
        }

        impl<'a, T: Element> Takes<'a> for &'a $owned<T> {
            fn input(self) -> Input<'a> {
                self.as_ref().input()
            }
        }
    )*};
}

takes! {
    Mat, MatRef => |view| view;
    Col, ColRef => |view| view;
    Row, RowRef => |view| view.transpose();
}

impl<T: Element> Returns for Mat<T> {
    fn from_buffer(buffer: Buffer) -> Result<Self> {
        let ty = buffer.ty().clone();
        let &[rows, cols] = ty.shape.as_slice() else {
            return Err(Error::Host(format!("the result {ty} is no matrix")));
        };
        let values = buffer.to_host()?.into_values::<T>()?;
        Ok(Mat::from_fn(rows, cols, |i, j| values[i * cols + j]))
    }
}

macro_rules! vectors {
    ($($vector:ident),*) => {$(
        impl<T: Element> Returns for $vector<T> {
            fn from_buffer(buffer: Buffer) -> Result<Self> {
                let ty = buffer.ty().clone();
                let values = buffer.to_host()?.into_values::<T>()?;
                match ty.ndim() {
                    1 => Ok($vector::from_fn(values.len(), |i| values[i])),
                    _ => Err(Error::Host(format!("the result {ty} is no vector"))),
                }
            }
        }
    )*};
}

vectors!(Col, Row);
