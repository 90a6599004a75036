//! Tensors of safetensors files: little-endian and row-major, as device and host have them.

use std::borrow::Cow;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorView, View};

use crate::dtype::{DType, Element};
use crate::error::{Error, Result};
use crate::host::{HostArray, HostData, each_dtype};
use crate::pjrt::{Buffer, Device};

impl Device {
    /// Copies a tensor of a safetensors file to the device, straight from the file's memory where it is aligned for its
    /// elements. 8 and 16 bit integers are not: [`HostArray::try_from`] widens them.
    ///
    /// # Errors
    /// When the tensor's element type is none of [`DType`]'s, or as for [`upload`](Self::upload).
    pub fn upload_tensor(&self, tensor: &TensorView<'_>) -> Result<Buffer> {
        match tensor.dtype() {
            Dtype::F64 => self.upload_elements::<f64>(tensor),
            Dtype::F32 => self.upload_elements::<f32>(tensor),
            Dtype::F16 => self.upload_elements::<f16>(tensor),
            Dtype::BF16 => self.upload_elements::<bf16>(tensor),
            Dtype::I64 => self.upload_elements::<i64>(tensor),
            Dtype::I32 => self.upload_elements::<i32>(tensor),
            Dtype::U32 => self.upload_elements::<u32>(tensor),
            _ => self.upload(&HostArray::try_from(tensor)?),
        }
    }

    /// For element types of which any bits are a value.
    fn upload_elements<T: Element>(&self, tensor: &TensorView<'_>) -> Result<Buffer> {
        // SAFETY: any bits are a value of `T`: one of the numbers above.
        let (before, elements, after) = unsafe { tensor.data().align_to::<T>() };
        match before.is_empty() && after.is_empty() && cfg!(target_endian = "little") {
            true => self.upload_slice(elements, tensor.shape()),
            false => self.upload(&HostArray::try_from(tensor)?),
        }
    }
}

/// The tensor's elements; those of 8 and 16 bit integers as i32.
impl TryFrom<&TensorView<'_>> for HostArray {
    type Error = Error;

    fn try_from(tensor: &TensorView<'_>) -> Result<Self> {
        let (shape, bytes) = (tensor.shape(), tensor.data());
        match tensor.dtype() {
            Dtype::F64 => elements(shape, bytes, f64::from_le_bytes),
            Dtype::F32 => elements(shape, bytes, f32::from_le_bytes),
            Dtype::F16 => elements(shape, bytes, f16::from_le_bytes),
            Dtype::BF16 => elements(shape, bytes, bf16::from_le_bytes),
            Dtype::I64 => elements(shape, bytes, i64::from_le_bytes),
            Dtype::I32 => elements(shape, bytes, i32::from_le_bytes),
            Dtype::U32 => elements(shape, bytes, u32::from_le_bytes),
            Dtype::I16 => elements(shape, bytes, |b| i32::from(i16::from_le_bytes(b))),
            Dtype::U16 => elements(shape, bytes, |b| i32::from(u16::from_le_bytes(b))),
            Dtype::I8 => elements(shape, bytes, |b| i32::from(i8::from_le_bytes(b))),
            Dtype::U8 => elements(shape, bytes, |[b]: [u8; 1]| i32::from(b)),
            Dtype::BOOL => elements(shape, bytes, |[b]: [u8; 1]| b != 0),
            other => Err(Error::Host(format!("a tensor has elements of type {other:?}, which no device takes"))),
        }
    }
}

fn elements<T: Element, const N: usize>(shape: &[usize], bytes: &[u8], read: fn([u8; N]) -> T) -> Result<HostArray> {
    let (chunks, _) = bytes.as_chunks::<N>();
    HostArray::new(shape, chunks.iter().map(|&chunk| read(chunk)).collect())
}

/// What `safetensors::serialize` writes, without a copy where the machine is little-endian.
impl View for &HostArray {
    fn dtype(&self) -> Dtype {
        match HostArray::dtype(self) {
            DType::F64 => Dtype::F64,
            DType::F32 => Dtype::F32,
            DType::F16 => Dtype::F16,
            DType::BF16 => Dtype::BF16,
            DType::I64 => Dtype::I64,
            DType::I32 => Dtype::I32,
            DType::U32 => Dtype::U32,
            DType::Bool => Dtype::BOOL,
        }
    }

    fn shape(&self) -> &[usize] {
        HostArray::shape(self)
    }

    fn data(&self) -> Cow<'_, [u8]> {
        if cfg!(target_endian = "little") {
            // SAFETY: as many bytes as the elements have, none of them padding; a bool is a byte 0 or 1.
            return Cow::Borrowed(unsafe { std::slice::from_raw_parts(self.as_ptr().cast(), self.data_len()) });
        }
        Cow::Owned(match HostArray::data(self) {
            HostData::Bool(v) => v.iter().map(|&x| u8::from(x)).collect(),
            HostData::F64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            HostData::F32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            HostData::F16(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            HostData::BF16(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            HostData::I64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            HostData::I32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            HostData::U32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        })
    }

    fn data_len(&self) -> usize {
        each_dtype!(HostArray::data(self), values => size_of_val(values.as_slice()))
    }
}
