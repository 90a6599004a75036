//! The plugin's extension for native kernels, after `pjrt_c_api_ffi_extension.h`.

use std::ffi::{c_char, c_int, c_void};
use std::mem::offset_of;

use super::api::Api;
use super::raw;
use crate::error::Result;
use crate::native::{Function, Handler};

/// `PJRT_Extension_Type_FFI`.
const FFI: c_int = 5;
/// What XLA calls the CPU where kernels are registered.
const HOST: &str = "Host";

/// The head that all extensions have.
#[repr(C)]
struct Base {
    struct_size: usize,
    kind: c_int,
    next: *const Base,
}

#[repr(C)]
pub(super) struct Extension {
    base: Base,
    register_type: *const c_void,
    add_user_data: *const c_void,
    /// Not in the first versions of the extension; `struct_size` tells.
    register_handler: Option<unsafe extern "C" fn(*mut RegisterHandler) -> *mut raw::Error>,
}

#[repr(C)]
struct RegisterHandler {
    struct_size: usize,
    target_name: *const c_char,
    target_name_size: usize,
    handler: Function,
    platform_name: *const c_char,
    platform_name_size: usize,
    traits: u32,
}

impl Extension {
    /// The extension of a plugin that has it whole.
    pub fn of(api: &Api) -> Option<&'static Self> {
        let mut extension = api.extensions().cast::<Base>();
        // SAFETY: the plugin's extensions are a list that lives as long as the process; each says how large it is.
        unsafe {
            while let Some(base) = extension.as_ref() {
                let whole = base.struct_size >= offset_of!(Extension, register_handler) + size_of::<*const c_void>();
                if base.kind == FFI && whole {
                    let found = &*extension.cast::<Self>();
                    return found.register_handler.is_some().then_some(found);
                }
                extension = base.next;
            }
        }
        None
    }

    /// Makes a kernel known by its name.
    pub fn register(&self, api: &Api, kernel: Handler) -> Result<()> {
        let mut arguments = RegisterHandler {
            struct_size: offset_of!(RegisterHandler, traits) + size_of::<u32>(),
            target_name: kernel.name().as_ptr().cast(),
            target_name_size: kernel.name().len(),
            handler: kernel.function(),
            platform_name: HOST.as_ptr().cast(),
            platform_name_size: HOST.len(),
            traits: 0,
        };
        let Some(register) = self.register_handler else { return Ok(()) };
        // SAFETY: the names outlive the call, and the handler lives as long as the process.
        let error = unsafe { register(&mut arguments) };
        // SAFETY: what the call returned is an error of this plugin's, or null.
        unsafe { api.checked("PJRT_FFI_Register_Handler", error) }
    }
}
