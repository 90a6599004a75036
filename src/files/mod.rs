//! Arrays in files: `.npy`, `.npz` and `.safetensors` in, all-or-nothing sets of `.npy` and text files out.
//!
//! A [`FileRef`] is what a command line names: `A.npy`, `frames.npz:KEY`, `model.safetensors:TENSOR`, each with an
//! optional `^T`. Reading never trusts a header: the length of the file is compared with the shape before anything is
//! allocated, and every complaint is one line that names the file and says what would be right.

mod checkpoint;
mod elements;
mod npy;
mod npz;
mod output;
mod reference;
mod safetensors;

use std::fmt::Display;
use std::fs::File;
use std::io;
use std::path::Path;

use tandem_compile::{Error, Result};

pub use checkpoint::{CHECKPOINT, Checkpoint, fingerprint};
pub use npy::write_npy;
pub use output::{Content, check_text, check_writable, write_all, write_text};
pub use reference::FileRef;

/// Why a file is refused, without its name, which [`refuse`] puts in front.
type Reason = String;

/// An error about `path`, kept to one line whatever bytes the names in it hold.
fn refuse(path: &Path, reason: impl Display) -> Error {
    Error::Host(one_line(&format!("{}: {reason}", path.display())))
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The operating system's reason in plain words, without its error number.
pub(crate) fn io_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or folder".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        io::ErrorKind::StorageFull => "the disk is full".into(),
        io::ErrorKind::UnexpectedEof => "the file ends too early: it was cut short".into(),
        _ => match error.to_string().split_once(" (os error") {
            Some((words, _)) => words.to_lowercase(),
            None => error.to_string(),
        },
    }
}

/// Opens a regular file and says how long it is.
fn open(path: &Path) -> Result<(File, u64)> {
    let metadata = std::fs::metadata(path).map_err(|e| refuse(path, io_reason(&e)))?;
    if metadata.is_dir() {
        return Err(refuse(path, "this is a folder, not a file"));
    }
    if !metadata.is_file() {
        return Err(refuse(path, "this is not a regular file"));
    }
    if metadata.len() == 0 {
        return Err(refuse(path, "the file is empty"));
    }
    let file = File::open(path).map_err(|e| refuse(path, io_reason(&e)))?;
    Ok((file, metadata.len()))
}

/// "a, b, c", at most ten of them.
fn listed<S: AsRef<str>>(names: &[S]) -> String {
    const SHOWN: usize = 10;
    let shown: Vec<&str> = names.iter().take(SHOWN).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(SHOWN) {
        0 if names.is_empty() => "none".into(),
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
