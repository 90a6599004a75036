//! XLA's foreign function interface: the structs of its C header `xla/ffi/api/c_api.h` (major version 0) that a handler
//! reads, and the one function through which XLA calls every kernel.

use std::ffi::{CString, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Call, HostKernel};

/// What tells the plugin which version of the interface a handler speaks.
const METADATA: c_int = 1;
/// The stage in which a handler computes; in the others it has nothing to do.
const EXECUTE: c_int = 3;
/// `XLA_FFI_Error_Code_INTERNAL`.
const INTERNAL: c_int = 13;

/// What XLA calls.
pub(crate) type Function = unsafe extern "C" fn(*mut Frame) -> *mut c_void;

#[repr(C)]
struct Extension {
    struct_size: usize,
    kind: c_int,
    next: *mut Extension,
}

#[repr(C)]
struct MetadataExtension {
    base: Extension,
    metadata: *mut Metadata,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Version {
    struct_size: usize,
    extension_start: *mut c_void,
    major: c_int,
    minor: c_int,
}

#[repr(C)]
struct Metadata {
    struct_size: usize,
    version: Version,
    traits: u32,
}

#[repr(C)]
struct ErrorCreate {
    struct_size: usize,
    extension_start: *mut c_void,
    message: *const c_char,
    code: c_int,
}

/// The beginning of the plugin's table; what follows is not needed.
#[repr(C)]
struct Api {
    struct_size: usize,
    extension_start: *mut c_void,
    version: Version,
    internal: *const c_void,
    error_create: unsafe extern "C" fn(*mut ErrorCreate) -> *mut c_void,
}

/// The arguments, or the results: pointers to [`Array`]s.
#[repr(C)]
pub(super) struct List {
    struct_size: usize,
    extension_start: *mut c_void,
    pub(super) size: i64,
    types: *const c_int,
    pub(super) arrays: *const *const Array,
}

#[repr(C)]
pub(super) struct Array {
    struct_size: usize,
    extension_start: *mut c_void,
    pub(super) dtype: c_int,
    pub(super) data: *mut c_void,
    pub(super) ndim: i64,
    pub(super) shape: *const i64,
}

/// What a handler gets; the attributes that follow are not read.
#[repr(C)]
pub(crate) struct Frame {
    struct_size: usize,
    extension_start: *mut Extension,
    api: *const Api,
    context: *mut c_void,
    stage: c_int,
    arguments: List,
    results: List,
}

/// The handler of kernel `K`.
///
/// # Safety
/// XLA calls it, with a frame that is what the header says.
pub(super) unsafe extern "C" fn handler<K: HostKernel>(frame: *mut Frame) -> *mut c_void {
    // SAFETY: the frame and all that it points to are valid during the call.
    unsafe {
        let frame = &*frame;
        if answered(frame) || frame.stage != EXECUTE {
            return std::ptr::null_mut();
        }
        // A panic must not unwind into C++.
        let run = || K::run(&mut Call::new(&frame.arguments, &frame.results)?);
        let outcome = catch_unwind(AssertUnwindSafe(run))
            .unwrap_or_else(|_| Err("it panicked; its message is on stderr".to_owned()));
        match outcome {
            Ok(()) => std::ptr::null_mut(),
            Err(message) => error(frame, &format!("{}: {message}", K::NAME)),
        }
    }
}

/// Whether the call is a question for the handler's version, which is answered then: whichever the plugin speaks, for the
/// fields that are read here have been there from the first one on.
unsafe fn answered(frame: &Frame) -> bool {
    let extension = frame.extension_start;
    // SAFETY: a metadata extension carries a struct to be filled in.
    unsafe {
        if extension.is_null() || (*extension).kind != METADATA {
            return false;
        }
        let metadata = (*extension.cast::<MetadataExtension>()).metadata;
        let (major, minor) = match frame.api.is_null() {
            true => (0, 1),
            false => ((*frame.api).version.major, (*frame.api).version.minor),
        };
        (*metadata).version.major = major;
        (*metadata).version.minor = minor;
        (*metadata).traits = 0;
    }
    true
}

unsafe fn error(frame: &Frame, message: &str) -> *mut c_void {
    let message = CString::new(message.replace('\0', " ")).unwrap_or_default();
    let mut arguments = ErrorCreate {
        struct_size: std::mem::offset_of!(ErrorCreate, code) + size_of::<c_int>(),
        extension_start: std::ptr::null_mut(),
        message: message.as_ptr(),
        code: INTERNAL,
    };
    // SAFETY: the plugin's table lives as long as the process, and copies the message.
    unsafe { ((*frame.api).error_create)(&mut arguments) }
}
