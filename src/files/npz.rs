//! `.npz`: a zip archive of `.npy` files, stored or deflated.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use tandem_compile::{HostArray, Result};
use zip::ZipArchive;
use zip::result::ZipError;

use super::reference::only;
use super::{Reason, io_reason, listed, npy, open, refuse};

/// An opened archive.
pub(super) struct Archive {
    path: PathBuf,
    zip: ZipArchive<BufReader<File>>,
    keys: Vec<String>,
}

impl Archive {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let (file, _) = open(path)?;
        let zip = ZipArchive::new(BufReader::new(file)).map_err(|e| refuse(path, zip_reason(&e)))?;
        let keys = zip.file_names().filter_map(|name| name.strip_suffix(".npy")).map(String::from).collect();
        Ok(Self { path: path.into(), zip, keys })
    }

    /// The array of that name, or the only one.
    pub(super) fn read(&mut self, key: Option<&str>) -> Result<HostArray> {
        let key = match key {
            Some(key) => key.strip_suffix(".npy").filter(|stem| self.has(stem)).unwrap_or(key).to_string(),
            None => only(&self.keys, &self.path, "array")?.to_string(),
        };
        if !self.has(&key) {
            let message = format!("the archive has no array `{key}`; it has {}", listed(&self.keys));
            return Err(refuse(&self.path, message));
        }
        self.entry(&key).map_err(|reason| refuse(&self.path, format!("array `{key}`: {reason}")))
    }

    /// Every array, sorted by name.
    pub(super) fn read_all(mut self) -> Result<Vec<(String, HostArray)>> {
        let mut keys = self.keys.clone();
        keys.sort();
        keys.into_iter().map(|key| Ok((key.clone(), self.read(Some(&key))?))).collect()
    }

    fn has(&self, key: &str) -> bool {
        self.keys.iter().any(|k| k == key)
    }

    fn entry(&mut self, key: &str) -> Result<HostArray, Reason> {
        let mut entry = self.zip.by_name(&format!("{key}.npy")).map_err(|e| zip_reason(&e))?;
        let length = entry.size();
        npy::read(&mut entry, length)
    }
}

fn zip_reason(error: &ZipError) -> Reason {
    match error {
        ZipError::Io(error) => io_reason(error),
        ZipError::UnsupportedArchive(what) => {
            format!("{what} is not supported; numpy.savez and numpy.savez_compressed write what is")
        }
        _ => "this is no .npz archive, or a damaged one; numpy.savez writes a whole one".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, ZipWriter};

    use super::*;
    use crate::files::FileRef;

    fn archive(arrays: &[(&str, HostArray)], method: CompressionMethod) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (key, array) in arrays {
            zip.start_file(format!("{key}.npy"), SimpleFileOptions::default().compression_method(method)).unwrap();
            let mut bytes = Vec::new();
            npy::write(&mut bytes, array).unwrap();
            zip.write_all(&bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn read(bytes: &[u8], suffix: &str) -> Result<HostArray> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npz");
        std::fs::write(&path, bytes).unwrap();
        FileRef::parse(&format!("{}{suffix}", path.display())).unwrap().read()
    }

    fn matrix() -> HostArray {
        HostArray::new([2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap()
    }

    #[test]
    fn stored_and_deflated_archives_give_the_same_array() {
        for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
            let bytes = archive(&[("n", HostArray::scalar(3i64)), ("x", matrix())], method);
            assert_eq!(read(&bytes, ":x").unwrap(), matrix());
            assert_eq!(read(&bytes, ":x^T").unwrap(), matrix().transposed().unwrap());
            assert_eq!(read(&bytes, ":x.npy").unwrap(), matrix());
        }
    }

    #[test]
    fn only_an_archive_of_one_array_needs_no_key() {
        let one = archive(&[("x", matrix())], CompressionMethod::Stored);
        assert_eq!(read(&one, "").unwrap(), matrix());
        let two = archive(&[("x", matrix()), ("y", matrix())], CompressionMethod::Stored);
        let error = read(&two, "").unwrap_err().to_string();
        assert!(error.ends_with("name one after a `:`, out of x, y"), "{error}");
        assert!(read(&archive(&[], CompressionMethod::Stored), "").unwrap_err().to_string().contains("no array"));
    }

    #[test]
    fn a_missing_key_lists_at_most_ten_that_are_there() {
        let names: Vec<String> = (0..12).map(|i| format!("k{i}")).collect();
        let arrays: Vec<_> = names.iter().map(|n| (n.as_str(), HostArray::scalar(0i32))).collect();
        let error = read(&archive(&arrays, CompressionMethod::Stored), ":z").unwrap_err().to_string();
        assert!(error.contains("no array `z`; it has k0, k1,") && error.ends_with("k9 and 2 more"), "{error}");
    }

    #[test]
    fn every_truncation_is_an_error_of_one_line() {
        for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
            let bytes = archive(&[("x", matrix())], method);
            for cut in 0..bytes.len() {
                let error = read(&bytes[..cut], ":x").unwrap_err().to_string();
                assert!(!error.contains('\n'), "{error}");
            }
        }
    }

    #[test]
    fn a_flipped_byte_never_panics_and_never_changes_the_elements() {
        let bytes = archive(&[("x", matrix())], CompressionMethod::Deflated);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0xff;
            if let Ok(array) = read(&damaged, ":x") {
                assert_eq!(array, matrix());
            }
        }
    }
}
