//! Buffers: arrays in a device's memory. How they get there and back is in [`transfer`](super::transfer).

use std::ffi::c_int;
use std::fmt;

use super::api::list;
use super::client::Client;
use super::event::Event;
use super::raw::{self, buffer_type};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::TensorType;

/// An array in a device's memory, freed when dropped.
///
/// Its contents may still be on their way: an error of the computation that makes them shows when it is read or
/// [waited](Self::wait) for.
pub struct Buffer {
    pub(super) handle: Handle,
    pub(super) ty: TensorType,
}

/// A plugin's buffer, destroyed when dropped.
pub(super) struct Handle {
    pub client: &'static Client,
    pub raw: *mut raw::Buffer,
}

// SAFETY: a PJRT buffer may be used from any thread, by PJRT's contract.
unsafe impl Send for Handle {}
// SAFETY: as above; what changes it, donation and destruction, takes it by value.
unsafe impl Sync for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the buffer is ours and not used again; work on the device that uses it keeps its memory.
        unsafe { self.client.api().destroy(raw::BufferDestroy { buffer: self.raw, ..raw::BufferDestroy::new() }) }
    }
}

impl Buffer {
    /// Takes over a buffer of the plugin's, and asks for its type.
    pub(super) fn new(handle: Handle) -> Result<Self> {
        let api = handle.client.api();
        let mut element = raw::BufferElementType { buffer: handle.raw, ..raw::BufferElementType::new() };
        let mut size = raw::BufferDimensions { buffer: handle.raw, ..raw::BufferDimensions::new() };
        // SAFETY: the buffer is alive, and owns the list of dimensions.
        let dims = unsafe {
            api.call(&mut element)?;
            api.call(&mut size)?;
            list(size.dims, size.num_dims)
        };
        let shape: Vec<usize> = dims.iter().map(|&size| size as usize).collect();
        let ty = TensorType::new(dtype(element.element_type)?, shape);
        Ok(Self { handle, ty })
    }

    /// Element type and shape.
    pub fn ty(&self) -> &TensorType {
        &self.ty
    }

    /// True when the contents are there, or their computation has failed.
    ///
    /// # Errors
    /// When the plugin cannot tell.
    pub fn ready(&self) -> Result<bool> {
        self.event()?.is_ready()
    }

    /// Blocks until the contents are there.
    ///
    /// # Errors
    /// When their computation failed.
    pub fn wait(&self) -> Result<()> {
        self.event()?.wait()
    }

    fn event(&self) -> Result<Event<'static>> {
        let api = self.handle.client.api();
        let mut args = raw::BufferReadyEvent { buffer: self.handle.raw, ..raw::BufferReadyEvent::new() };
        // SAFETY: the buffer is alive; the event is ours to destroy.
        unsafe {
            api.call(&mut args)?;
            Ok(Event::new(api, args.event))
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} on {})", self.ty, self.handle.client.platform)
    }
}

/// The C API's number for an element type.
pub(super) fn element_type(dtype: DType) -> c_int {
    match dtype {
        DType::F64 => buffer_type::F64,
        DType::F32 => buffer_type::F32,
        DType::F16 => buffer_type::F16,
        DType::BF16 => buffer_type::BF16,
        DType::I64 => buffer_type::S64,
        DType::I32 => buffer_type::S32,
        DType::U32 => buffer_type::U32,
        DType::Bool => buffer_type::PRED,
    }
}

fn dtype(number: c_int) -> Result<DType> {
    DType::ALL.into_iter().find(|&dtype| element_type(dtype) == number).ok_or_else(|| {
        let known = DType::ALL.map(DType::name).join(", ");
        Error::Host(format!(
            "a result has elements of PJRT type {number}; convert them in the program to one of {known}"
        ))
    })
}
