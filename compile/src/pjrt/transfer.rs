//! Copies between host and device.

use std::ffi::c_void;

use super::api::list;
use super::buffer::{Buffer, Handle, element_type};
use super::device::Device;
use super::event::Event;
use super::raw;
use crate::dtype::{DType, Element};
use crate::error::{Error, Result};
use crate::graph::TensorType;
use crate::host::HostArray;

impl Device {
    /// Copies an array to the device.
    ///
    /// # Errors
    /// When the plugin reports one, such as a full memory.
    pub fn upload(&self, array: &HostArray) -> Result<Buffer> {
        // SAFETY: the array's elements are dense and row-major, and of its dtype.
        unsafe { self.upload_from(array.as_ptr(), array.dtype(), array.shape(), &[]) }
    }

    /// Copies row-major elements to the device as an array of `shape`.
    ///
    /// # Errors
    /// When the number of elements is not the product of `shape`, or as for [`upload`](Self::upload).
    pub fn upload_slice<T: Element>(&self, elements: &[T], shape: &[usize]) -> Result<Buffer> {
        let len = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
        if len != Some(elements.len()) {
            return Err(Error::Host(format!(
                "{} elements do not make an array of shape {shape:?}; give as many as the product of its sizes",
                elements.len()
            )));
        }
        // SAFETY: the slice has as many elements as the shape asks for.
        unsafe { self.upload_from(elements.as_ptr().cast(), T::DTYPE, shape, &[]) }
    }

    /// Copies an array that lies in memory in any regular order, such as a column-major matrix, to the device.
    /// `first` is the element at the origin; a step along axis `i` moves by `strides[i]` elements, back if negative.
    ///
    /// # Errors
    /// When `shape` and `strides` differ in length, or as for [`upload`](Self::upload).
    ///
    /// # Safety
    /// Every element that `shape` and `strides` reach from `first` can be read and is initialised.
    pub unsafe fn upload_strided<T: Element>(
        &self,
        first: *const T,
        shape: &[usize],
        strides: &[isize],
    ) -> Result<Buffer> {
        if shape.len() != strides.len() {
            return Err(Error::Host(format!("shape {shape:?} and strides {strides:?} are not of the same length")));
        }
        let size = size_of::<T>() as i64;
        let byte_strides: Vec<i64> = strides.iter().map(|&stride| (stride as i64).wrapping_mul(size)).collect();
        // SAFETY: the caller vouches for the elements.
        unsafe { self.upload_from(first.cast(), T::DTYPE, shape, &byte_strides) }
    }

    /// # Safety
    /// `data` points to initialised elements of `dtype`, dense and row-major where `byte_strides` is empty.
    unsafe fn upload_from(
        &self,
        data: *const c_void,
        dtype: DType,
        shape: &[usize],
        byte_strides: &[i64],
    ) -> Result<Buffer> {
        let client = self.client();
        let dims = dims(shape)?;
        let mut args = raw::BufferFromHostBuffer {
            client: client.raw,
            data,
            element_type: element_type(dtype),
            dims: dims.as_ptr(),
            num_dims: dims.len(),
            byte_strides: if byte_strides.is_empty() { std::ptr::null() } else { byte_strides.as_ptr() },
            num_byte_strides: byte_strides.len(),
            host_buffer_semantics: raw::IMMUTABLE_ONLY_DURING_CALL,
            device: client.device,
            ..raw::BufferFromHostBuffer::new()
        };
        // SAFETY: client and device live as long as the process; the lists outlive the call, and so does the data,
        // which by the semantics asked for is not read after it.
        let (handle, done) = unsafe {
            client.api().call(&mut args)?;
            (Handle { client, raw: args.buffer }, Event::new(client.api(), args.done_with_host_buffer))
        };
        // Ready already with these semantics; a plugin that takes longer is waited for.
        done.wait()?;
        Ok(Buffer { handle, ty: TensorType::new(dtype, shape) })
    }
}

impl Buffer {
    /// Copies the array to the host, once it is computed.
    ///
    /// # Errors
    /// When the computation of the buffer failed, or the transfer.
    pub fn to_host(&self) -> Result<HostArray> {
        if self.ty.dtype == DType::Bool {
            // A device's truth value may be any byte but zero, a Rust bool is 0 or 1: so not straight into bools.
            let mut bytes = vec![0u8; self.ty.len()];
            // SAFETY: as many bytes as elements.
            unsafe { self.read(bytes.as_mut_ptr())? };
            return HostArray::new(self.ty.shape.clone(), bytes.into_iter().map(|byte| byte != 0).collect());
        }
        let mut array = HostArray::zeros(&self.ty);
        // SAFETY: the array has the buffer's type, and any bits are a value of it, for it is not bool.
        unsafe { self.read(array.as_mut_ptr().cast())? };
        Ok(array)
    }

    /// Copies the elements to `destination` in row-major order, however the device lays them out.
    ///
    /// # Safety
    /// As many bytes as the buffer's type has can be written at `destination`.
    unsafe fn read(&self, destination: *mut u8) -> Result<()> {
        let size = self.ty.dtype.size();
        let bytes = self.ty.len() * size;
        if bytes == 0 {
            return self.wait();
        }
        // Some plugins ignore the order that they are asked for and copy in the device's: so that is what is asked
        // for, and what remains is done here.
        let order = self.minor_to_major();
        if is_row_major(&order) {
            // SAFETY: the caller vouches for the destination.
            return unsafe { self.read_in_order(destination, bytes, &order) };
        }
        let mut elements = vec![0u8; bytes];
        // SAFETY: there are as many bytes as needed, there and at the caller's destination.
        let destination = unsafe {
            self.read_in_order(elements.as_mut_ptr(), bytes, &order)?;
            std::slice::from_raw_parts_mut(destination, bytes)
        };
        let sources = row_major_positions(&self.ty.shape, &order);
        for (element, source) in destination.chunks_exact_mut(size).zip(sources) {
            element.copy_from_slice(&elements[source * size..][..size]);
        }
        Ok(())
    }

    /// # Safety
    /// `bytes` bytes can be written at `destination`, and they are what the buffer holds.
    unsafe fn read_in_order(&self, destination: *mut u8, bytes: usize, order: &[i64]) -> Result<()> {
        // SAFETY: passed on to the caller.
        unsafe { if self.is_on_cpu() { self.copy(destination, bytes) } else { self.fetch(destination, bytes, order) } }
    }

    /// Copies straight from the device's memory, which is the host's: a transfer by the plugin takes 20 us more.
    ///
    /// # Safety
    /// As for [`read_in_order`](Self::read_in_order); the device's memory is the host's.
    unsafe fn copy(&self, destination: *mut u8, bytes: usize) -> Result<()> {
        self.wait()?;
        let (api, buffer) = (self.handle.client.api(), self.handle.raw);
        let mut args = raw::BufferPointer { buffer, ..raw::BufferPointer::new() };
        // SAFETY: the buffer is alive and computed, and cannot be donated while it is borrowed; the hold keeps the
        // plugin from moving it.
        unsafe {
            api.call(&mut raw::BufferHold { buffer, ..raw::BufferHold::new() })?;
            let located = api.call(&mut args);
            if located.is_ok() {
                std::ptr::copy_nonoverlapping(args.pointer.cast(), destination, bytes);
            }
            api.destroy(raw::BufferRelease { buffer, ..raw::BufferRelease::new() });
            located
        }
    }

    /// Has the plugin copy the elements, in the order `minor_to_major`.
    ///
    /// # Safety
    /// As for [`read_in_order`](Self::read_in_order).
    unsafe fn fetch(&self, destination: *mut u8, bytes: usize, minor_to_major: &[i64]) -> Result<()> {
        let tiled = raw::TiledLayout {
            minor_to_major: minor_to_major.as_ptr(),
            minor_to_major_size: minor_to_major.len(),
            ..raw::TiledLayout::new()
        };
        let mut layout = raw::MemoryLayout { tiled, kind: raw::TILED, ..raw::MemoryLayout::new() };
        let mut args = raw::BufferToHostBuffer {
            src: self.handle.raw,
            host_layout: &raw mut layout,
            dst: destination.cast(),
            dst_size: bytes,
            ..raw::BufferToHostBuffer::new()
        };
        let api = self.handle.client.api();
        // SAFETY: the buffer is alive, the layout outlives the call, and the destination the copy, which is waited for.
        unsafe {
            api.call(&mut args)?;
            Event::new(api, args.event).wait()
        }
    }

    /// The axes from the one whose neighbours are adjacent in the device's memory to the outermost; row-major where the
    /// plugin does not say.
    fn minor_to_major(&self) -> Vec<i64> {
        let ndim = self.ty.shape.len();
        let mut args = raw::BufferGetMemoryLayout { buffer: self.handle.raw, ..raw::BufferGetMemoryLayout::new() };
        // SAFETY: the buffer is alive and owns the list.
        let order = unsafe {
            let told = self.handle.client.api().call(&mut args).is_ok() && args.layout.kind == raw::TILED;
            if told { list(args.layout.tiled.minor_to_major, args.layout.tiled.minor_to_major_size) } else { &[] }
        };
        let axes = 0..ndim as i64;
        if order.len() == ndim && axes.clone().all(|axis| order.contains(&axis)) {
            order.to_vec()
        } else {
            axes.rev().collect()
        }
    }

    fn is_on_cpu(&self) -> bool {
        let mut args = raw::BufferIsOnCpu { buffer: self.handle.raw, ..raw::BufferIsOnCpu::new() };
        // SAFETY: the buffer is alive.
        unsafe { self.handle.client.api().call(&mut args).is_ok() && args.is_on_cpu }
    }
}

fn is_row_major(minor_to_major: &[i64]) -> bool {
    minor_to_major.iter().rev().copied().eq(0..minor_to_major.len() as i64)
}

/// Where each element, in row-major order, stands among elements laid out `minor_to_major`, a permutation of the axes.
fn row_major_positions(shape: &[usize], minor_to_major: &[i64]) -> impl Iterator<Item = usize> {
    let mut strides = vec![0; shape.len()];
    let mut len = 1;
    for &axis in minor_to_major {
        strides[axis as usize] = len;
        len *= shape[axis as usize];
    }
    (0..len).map(move |mut index| {
        let mut position = 0;
        for (size, stride) in shape.iter().zip(&strides).rev() {
            position += index % size * stride;
            index /= size;
        }
        position
    })
}

fn dims(shape: &[usize]) -> Result<Vec<i64>> {
    let long = |size| Error::Host(format!("an axis of size {size} is longer than any memory"));
    shape.iter().map(|&size| i64::try_from(size).map_err(|_| long(size))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_follow_the_order_of_the_axes() {
        let positions = |shape: &[usize], order: &[i64]| row_major_positions(shape, order).collect::<Vec<_>>();
        assert_eq!(positions(&[2, 3], &[1, 0]), [0, 1, 2, 3, 4, 5]);
        assert_eq!(positions(&[2, 3], &[0, 1]), [0, 2, 4, 1, 3, 5]);
        assert_eq!(positions(&[2, 2, 2], &[2, 0, 1]), [0, 1, 4, 5, 2, 3, 6, 7]);
        assert_eq!(positions(&[], &[]), [0]);
    }

    #[test]
    fn only_the_reversed_axes_are_row_major() {
        assert!(is_row_major(&[]) && is_row_major(&[0]) && is_row_major(&[2, 1, 0]));
        assert!(!is_row_major(&[0, 1]) && !is_row_major(&[2, 0, 1]));
    }
}
