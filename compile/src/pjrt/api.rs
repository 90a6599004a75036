//! A plugin's function table: every call into a plugin goes through [`Api::call`].

use std::ffi::{c_char, c_int, c_void};
use std::path::{Path, PathBuf};

use super::raw::{self, Call};
use crate::error::{Error, Result};

/// The function table that `GetPjrtApi` returned, with the path it came from for messages.
pub(crate) struct Api {
    table: *const raw::Table,
    path: PathBuf,
}

// SAFETY: the table is constant data of a library that is never unloaded.
unsafe impl Send for Api {}
// SAFETY: as above; the functions in it are thread-safe by PJRT's contract.
unsafe impl Sync for Api {}

impl Api {
    /// # Safety
    /// `table` is what `GetPjrtApi` of the library at `path` returned, not null, and the library stays loaded.
    pub unsafe fn new(table: *const raw::Table, path: PathBuf) -> Self {
        Self { table, path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Major and minor version of the C API that the plugin was compiled with.
    pub fn version(&self) -> (i32, i32) {
        // SAFETY: the table lives as long as the process, and has carried its version since the first release.
        let version = unsafe { &(*self.table).version };
        (version.major, version.minor)
    }

    /// Calls the function that `args` belongs to; an error that it returns becomes ours.
    ///
    /// # Safety
    /// Every pointer in `args` is null or valid for what the function does with it.
    pub unsafe fn call<A: Call>(&self, args: &mut A) -> Result<()> {
        // SAFETY: the table's function at A::INDEX takes A, by the contract of `Call`.
        let function = unsafe { self.function::<A, *mut raw::Error>()? };
        // SAFETY: the caller vouches for the pointers.
        unsafe { self.checked(A::NAME, function(args)) }
    }

    /// What the plugin's function `name` returned, as a result.
    ///
    /// # Safety
    /// `error` is null or an error of this plugin's, given away.
    pub unsafe fn checked(&self, name: &'static str, error: *mut raw::Error) -> Result<()> {
        if error.is_null() { Ok(()) } else { Err(self.error(name, error)) }
    }

    /// The first of the plugin's extensions, or null.
    pub fn extensions(&self) -> *const c_void {
        // SAFETY: the table lives as long as the process, and has had extensions since the first release.
        unsafe { (*self.table).extension_start }
    }

    /// Calls a destructor; what it reports is of no use to anyone.
    ///
    /// # Safety
    /// As for [`call`](Self::call), and the object is not used again.
    pub unsafe fn destroy<A: Call>(&self, mut args: A) {
        // SAFETY: passed on to the caller.
        let _ = unsafe { self.call(&mut args) };
    }

    /// The function that takes `A`.
    ///
    /// # Safety
    /// `R` is what that function returns.
    unsafe fn function<A: Call, R>(&self) -> Result<unsafe extern "C" fn(*mut A) -> R> {
        let offset = size_of::<raw::Table>() + A::INDEX * size_of::<*const c_void>();
        // SAFETY: the field is read only if it lies inside the size that the plugin gave for its table.
        let function = unsafe {
            if (*self.table).struct_size < offset + size_of::<*const c_void>() {
                return Err(self.lacks(A::NAME));
            }
            self.table.cast::<u8>().add(offset).cast::<Option<unsafe extern "C" fn(*mut A) -> R>>().read()
        };
        function.ok_or_else(|| self.lacks(A::NAME))
    }

    #[cold]
    fn lacks(&self, function: &str) -> Error {
        let (major, minor) = self.version();
        let path = self.path.display();
        Error::Plugin(format!(
            "this plugin (PJRT {major}.{minor}, {path}) lacks {function}; install a newer release of it"
        ))
    }

    /// Takes over an error of the plugin's.
    #[cold]
    fn error(&self, call: &'static str, error: *mut raw::Error) -> Error {
        let code = self.error_code(error);
        let message = self.error_message(error);
        // SAFETY: PJRT_Error_Destroy takes this struct and returns nothing; the error is ours and not used again.
        unsafe {
            if let Ok(destroy) = self.function::<raw::ErrorDestroy, ()>() {
                destroy(&mut raw::ErrorDestroy { error, ..raw::ErrorDestroy::new() });
            }
        }
        Error::Runtime { call, code: code_name(code), message }
    }

    fn error_code(&self, error: *const raw::Error) -> c_int {
        let mut args = raw::ErrorGetCode { error, ..raw::ErrorGetCode::new() };
        // SAFETY: PJRT_Error_GetCode takes this struct and returns an error pointer; should it fail, that small error
        // is leaked rather than asked for its own code.
        unsafe {
            match self.function::<raw::ErrorGetCode, *mut raw::Error>() {
                Ok(get) if get(&mut args).is_null() => args.code,
                _ => UNKNOWN,
            }
        }
    }

    fn error_message(&self, error: *const raw::Error) -> String {
        let mut args = raw::ErrorMessage { error, ..raw::ErrorMessage::new() };
        // SAFETY: PJRT_Error_Message takes this struct and returns nothing; the text it points to lives as long as
        // the error does.
        unsafe {
            match self.function::<raw::ErrorMessage, ()>() {
                Ok(message) => {
                    message(&mut args);
                    text(args.message, args.message_size).trim_end().to_owned()
                }
                Err(_) => "the plugin gives no message".to_owned(),
            }
        }
    }
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (major, minor) = self.version();
        write!(f, "PJRT {major}.{minor} ({})", self.path.display())
    }
}

/// A plugin's string, copied.
///
/// # Safety
/// `size` bytes can be read at `start`, or `start` is null.
pub(crate) unsafe fn text(start: *const c_char, size: usize) -> String {
    // SAFETY: the caller vouches for the bytes.
    String::from_utf8_lossy(unsafe { list(start.cast::<u8>(), size) }).into_owned()
}

/// A plugin's array as a slice; null is an empty one.
///
/// # Safety
/// `len` values can be read at `start` for as long as `'a`, or `start` is null.
pub(crate) unsafe fn list<'a, T>(start: *const T, len: usize) -> &'a [T] {
    if start.is_null() || len == 0 {
        return &[];
    }
    // SAFETY: not null, and the caller vouches for the values.
    unsafe { std::slice::from_raw_parts(start, len) }
}

const UNKNOWN: c_int = 2;

/// The name of an absl status code.
fn code_name(code: c_int) -> &'static str {
    match code {
        1 => "CANCELLED",
        3 => "INVALID_ARGUMENT",
        4 => "DEADLINE_EXCEEDED",
        5 => "NOT_FOUND",
        6 => "ALREADY_EXISTS",
        7 => "PERMISSION_DENIED",
        8 => "RESOURCE_EXHAUSTED",
        9 => "FAILED_PRECONDITION",
        10 => "ABORTED",
        11 => "OUT_OF_RANGE",
        12 => "UNIMPLEMENTED",
        13 => "INTERNAL",
        14 => "UNAVAILABLE",
        15 => "DATA_LOSS",
        16 => "UNAUTHENTICATED",
        _ => "UNKNOWN",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table that ends after its first function, as an old plugin's would.
    #[repr(C)]
    struct Short {
        head: raw::Table,
        functions: [*const c_void; 4],
    }

    #[test]
    fn a_function_beyond_the_end_of_the_table_or_null_is_reported_as_lacking() {
        let version = raw::Version { struct_size: 24, extension_start: std::ptr::null_mut(), major: 0, minor: 40 };
        let head = raw::Table { struct_size: 48, extension_start: std::ptr::null_mut(), version };
        let table =
            Short { head, functions: [std::ptr::null(), std::ptr::dangling(), std::ptr::null(), std::ptr::null()] };
        // SAFETY: the table outlives `api`, and none of its functions is called.
        let api = unsafe { Api::new(&raw const table.head, "/old/plugin.so".into()) };
        let null = unsafe { api.call(&mut raw::ErrorDestroy::new()) }.unwrap_err();
        assert_eq!(
            null.to_string(),
            "this plugin (PJRT 0.40, /old/plugin.so) lacks PJRT_Error_Destroy; install a newer release of it"
        );
        // Not null, but past the size that the table declares.
        let past = unsafe { api.call(&mut raw::ErrorMessage::new()) }.unwrap_err();
        assert!(past.to_string().contains("lacks PJRT_Error_Message"));
    }
}
