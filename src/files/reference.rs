//! What a command line calls a file: path, key and transposition in one word.

use std::fmt;
use std::path::{Path, PathBuf};

use tandem_compile::{Error, HostArray, Result};

use super::{listed, npy, npz, one_line, open, refuse, safetensors};

/// An array in a file (`A.npy`, `A.npz:KEY`, `A.safetensors:TENSOR`), or a whole set of them (`A.safetensors`).
///
/// `^T` at the end transposes a matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRef {
    path: PathBuf,
    kind: Kind,
    key: Option<String>,
    transposed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Npy,
    Npz,
    SafeTensors,
}

impl FileRef {
    /// Takes `text` apart without looking at the file. The key begins after the last `.npz:` or `.safetensors:`,
    /// so that a folder's name may hold a colon.
    ///
    /// # Errors
    /// When the extension is none of the three that are read, or a colon is not followed by a key.
    pub fn parse(text: &str) -> Result<Self> {
        let (name, transposed) = match text.strip_suffix("^T") {
            Some(name) => (name, true),
            None => (text, false),
        };
        for (extension, kind) in [(".npz", Kind::Npz), (".safetensors", Kind::SafeTensors)] {
            if let Some((path, key)) = split_key(name, extension) {
                if key.is_empty() {
                    return Err(Error::Host(one_line(&format!(
                        "{text}: the name of an array is missing after the `:`"
                    ))));
                }
                return Ok(Self { path: path.into(), kind, key: Some(key.into()), transposed });
            }
        }
        let kind = kind_of(name).ok_or_else(|| unknown_kind(text, name))?;
        Ok(Self { path: name.into(), kind, key: None, transposed })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The array's name in the file, where one is given.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// True where `^T` stands at the end.
    pub fn is_transposed(&self) -> bool {
        self.transposed
    }

    /// A lower estimate of the memory that reading takes, in bytes: an array's file and the array made of it, or an
    /// archive that is read as a whole. 0 where the file does not tell.
    pub fn bytes(&self) -> f64 {
        let length = std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len()) as f64;
        match self.kind {
            Kind::Npy => 2.0 * length,
            Kind::SafeTensors => length,
            Kind::Npz => 0.0,
        }
    }

    /// Reads the one array that is named. An archive named without a key must hold exactly one.
    ///
    /// bool, float16, float32, float64, int32, int64 and uint32 keep their type, smaller integers become i32;
    /// `.safetensors` may also hold bf16. Both orders of bytes and of axes are read; the result is row-major.
    ///
    /// # Errors
    /// One line with the file's name: it is missing, no file of its kind, cut short or of another length than its
    /// shape, of an element type that is not read, without the array (the names it has are listed), or transposed
    /// and no matrix.
    pub fn read(&self) -> Result<HostArray> {
        let array = match (self.kind, &self.key) {
            (Kind::Npy, _) => {
                let (mut file, length) = open(&self.path)?;
                npy::read(&mut file, length).map_err(|reason| refuse(&self.path, reason))?
            }
            (Kind::Npz, key) => npz::Archive::open(&self.path)?.read(key.as_deref())?,
            (Kind::SafeTensors, key) => safetensors::read(&self.path, key.as_deref())?,
        };
        match self.transposed {
            true => array.transposed().map_err(|e| Error::Host(one_line(&format!("{self}: {e}")))),
            false => Ok(array),
        }
    }

    /// Reads every array of an archive named without a key, sorted by name: the weights of a model. A file with a
    /// single array, or one that is named, gives a set of one.
    ///
    /// # Errors
    /// As for [`read`](Self::read); and for `^T`, which needs one matrix.
    pub fn read_set(&self) -> Result<Vec<(String, HostArray)>> {
        if let (None, Kind::Npz | Kind::SafeTensors, true) = (&self.key, self.kind, self.transposed) {
            return Err(refuse(&self.path, "`^T` transposes one matrix; name it after a `:`"));
        }
        match (self.kind, &self.key) {
            (Kind::Npz, None) => npz::Archive::open(&self.path)?.read_all(),
            (Kind::SafeTensors, None) => safetensors::read_all(&self.path),
            (_, key) => {
                let stem = || self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                Ok(vec![(key.clone().unwrap_or_else(stem), self.read()?)])
            }
        }
    }
}

impl fmt::Display for FileRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(key) = &self.key {
            write!(f, ":{key}")?;
        }
        f.write_str(if self.transposed { "^T" } else { "" })
    }
}

/// `dir/a.npz:key` as `dir/a.npz` and `key`.
fn split_key<'a>(name: &'a str, extension: &str) -> Option<(&'a str, &'a str)> {
    let at = name.to_ascii_lowercase().rfind(&format!("{extension}:"))? + extension.len();
    let (path, key) = (&name[..at], &name[at + 1..]);
    // `runs.npz:old/a.npy` is a file in a folder, not a key.
    (kind_of(key).is_none() || !key.contains('/')).then_some((path, key))
}

fn kind_of(name: &str) -> Option<Kind> {
    match Path::new(name).extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "npy" => Some(Kind::Npy),
        "npz" => Some(Kind::Npz),
        "safetensors" => Some(Kind::SafeTensors),
        _ => None,
    }
}

fn unknown_kind(text: &str, name: &str) -> Error {
    let message = match name.to_ascii_lowercase().contains(".npy:") {
        true => format!("{text}: a .npy file holds one array and takes no `:KEY`"),
        false => {
            format!("{text}: an input is a file X.npy, X.npz:KEY or X.safetensors:TENSOR (numpy.save writes .npy)")
        }
    };
    Error::Host(one_line(&message))
}

/// The only name of `names`, or a complaint that lists them.
pub(super) fn only<'a>(names: &'a [String], path: &Path, what: &str) -> Result<&'a str> {
    match names {
        [name] => Ok(name),
        [] => Err(refuse(path, format!("the file holds no {what}"))),
        _ => Err(refuse(
            path,
            format!("the file holds {} {what}s; name one after a `:`, out of {}", names.len(), listed(names)),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, Option<String>, bool) {
        let file = FileRef::parse(text).unwrap();
        (file.path.display().to_string(), file.key, file.transposed)
    }

    #[test]
    fn a_reference_is_a_path_a_key_and_a_transposition() {
        assert_eq!(parts("a.npy"), ("a.npy".into(), None, false));
        assert_eq!(parts("a.npy^T"), ("a.npy".into(), None, true));
        assert_eq!(parts("d/a.npz:frames^T"), ("d/a.npz".into(), Some("frames".into()), true));
        assert_eq!(parts("m.safetensors:h.0.w"), ("m.safetensors".into(), Some("h.0.w".into()), false));
        assert_eq!(parts("m.safetensors"), ("m.safetensors".into(), None, false));
        assert_eq!(parts("A.NPZ:k"), ("A.NPZ".into(), Some("k".into()), false));
    }

    #[test]
    fn a_colon_in_a_folder_or_in_a_key_does_not_split() {
        assert_eq!(parts("C:x/b.npy"), ("C:x/b.npy".into(), None, false));
        assert_eq!(parts("a:b/c.npz:k:0"), ("a:b/c.npz".into(), Some("k:0".into()), false));
        assert_eq!(parts("a.npz:b/c.npz:k"), ("a.npz:b/c.npz".into(), Some("k".into()), false));
        assert_eq!(parts("a.npz:old/c.npy"), ("a.npz:old/c.npy".into(), None, false));
        assert_eq!(parts("m.safetensors:a/w"), ("m.safetensors".into(), Some("a/w".into()), false));
    }

    #[test]
    fn a_reference_written_out_parses_to_itself() {
        for text in ["a.npy", "a.npz:k^T", "w.safetensors:x", "w.safetensors"] {
            assert_eq!(FileRef::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_reference_is_told_what_would_be() {
        for text in ["a.csv", "", "a", "^T", "a.npy:k", "a.npz:", "é", "dir.npy/"] {
            let result = FileRef::parse(text).map(|f| f.read());
            assert!(matches!(result, Err(_) | Ok(Err(_))), "{text}");
        }
        let error = FileRef::parse("a.csv").unwrap_err().to_string();
        assert!(error.starts_with("a.csv: ") && error.contains("X.npz:KEY"), "{error}");
        assert!(FileRef::parse("a.npy:k").unwrap_err().to_string().contains("one array"));
    }
}
