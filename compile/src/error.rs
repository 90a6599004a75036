//! What can go wrong between a traced function and its result, in words a user can act on.

use std::panic::Location;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A traced function is ill-typed; `location` is the caller's line that wrote the operation.
    #[error("{location}: {message}")]
    Trace {
        /// `file:line` of the user's code.
        location: String,
        /// The operation, what it expected and what came.
        message: String,
    },
    /// A host value does not fit: its shape or dtype, or its number of elements.
    #[error("{0}")]
    Host(String),
    /// A plugin cannot be found, opened, or lacks a function.
    #[error("{0}")]
    Plugin(String),
    /// The plugin itself reported an error.
    #[error("{call}: {message} ({code})")]
    Runtime {
        /// The PJRT function that failed.
        call: &'static str,
        /// The plugin's error code, by name.
        code: &'static str,
        /// The plugin's own words.
        message: String,
    },
}

impl Error {
    /// An ill-typed operation at `location`.
    pub(crate) fn trace(location: &Location<'_>, message: impl Into<String>) -> Self {
        Self::Trace { location: format!("{}:{}", location.file(), location.line()), message: message.into() }
    }
}
