//! What a run that goes in stages has so far, in one file that is replaced as a whole.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tandem_compile::{DType, Error, HostArray, HostData, Result};

use super::output::{refuse_folder, stage_in};
use super::{io_reason, npy, open, refuse, safetensors as tensors};

/// The name of the file in a run's folder.
pub const CHECKPOINT: &str = "checkpoint.safetensors";

/// The key of the run's description in the file's metadata.
const RUN: &str = "run";

/// What a run has so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// What the run is: whoever continues it compares this with what it was asked for.
    pub run: Value,
    /// The arrays by name: f32, f64 or i32.
    pub arrays: Vec<(String, HostArray)>,
}

impl Checkpoint {
    /// Writes the checkpoint into the folder `dir`, which is created where it is missing: at any time the file there is
    /// the last checkpoint or this one, also when the process or the machine ends in between.
    ///
    /// # Errors
    /// When the folder is not writable, the disk is full, or an array is of a type that no checkpoint holds.
    pub fn write(&self, dir: &Path) -> Result<()> {
        let path = dir.join(CHECKPOINT);
        let bytes = self.bytes().map_err(|reason| refuse(&path, reason))?;
        fs::create_dir_all(dir).map_err(|e| refuse_folder(dir, &e))?;
        let stage = stage_in(dir).map_err(|e| refuse_folder(dir, &e))?;
        let new = stage.path().join(CHECKPOINT);
        let written = File::create(&new).and_then(|mut file| {
            file.write_all(&bytes)?;
            // Else the machine may have the new name before the new contents.
            file.sync_all()
        });
        written.and_then(|()| fs::rename(&new, &path)).map_err(|e| refuse(&path, io_reason(&e)))
    }

    /// Reads the checkpoint in the folder `dir`.
    ///
    /// # Errors
    /// When there is none, or the file is no checkpoint.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(CHECKPOINT);
        if !path.exists() {
            return Err(refuse(dir, format!("there is no {CHECKPOINT}: name the folder that the run wrote into")));
        }
        open(&path)?;
        let bytes = fs::read(&path).map_err(|e| refuse(&path, io_reason(&e)))?;
        let about = SafeTensors::read_metadata(&bytes).ok().and_then(|(_, about)| about.metadata().clone());
        let run = about.as_ref().and_then(|about| about.get(RUN)).and_then(|text| serde_json::from_str(text).ok());
        let run = run.ok_or_else(|| refuse(&path, "this is no checkpoint, or one that was cut short"))?;
        Ok(Self { run, arrays: tensors::read_all(&path)? })
    }

    /// The array of that name.
    pub fn array(&self, name: &str) -> Option<&HostArray> {
        self.arrays.iter().find(|(own, _)| own == name).map(|(_, array)| array)
    }

    fn bytes(&self) -> std::result::Result<Vec<u8>, String> {
        serialized(&self.arrays, Some(HashMap::from([(RUN.to_owned(), self.run.to_string())])))
    }
}

/// The bytes of a `.safetensors` file of these arrays, f32, f64 or i32.
pub(super) fn serialized(
    arrays: &[(String, HostArray)],
    about: Option<HashMap<String, String>>,
) -> std::result::Result<Vec<u8>, String> {
    let data: Vec<Vec<u8>> =
        arrays.iter().map(|(_, array)| little_endian(array)).collect::<Result<_>>().map_err(|e| e.to_string())?;
    let views = arrays.iter().zip(&data).map(|((name, array), data)| {
        let dtype = match array.dtype() {
            DType::F64 => Dtype::F64,
            DType::F32 => Dtype::F32,
            _ => Dtype::I32,
        };
        Ok((name, TensorView::new(dtype, array.shape().to_vec(), data).map_err(|e| e.to_string())?))
    });
    let views: Vec<_> = views.collect::<std::result::Result<_, String>>()?;
    safetensors::serialize(views, about).map_err(|e| e.to_string())
}

fn little_endian(array: &HostArray) -> Result<Vec<u8>> {
    Ok(match array.data() {
        HostData::F64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        HostData::F32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        HostData::I32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        _ => return Err(Error::Host(format!("a file of tensors holds f32, f64 and i32, not {}", array.dtype()))),
    })
}

/// What tells these arrays from others: the SHA-256 of their types and elements, in hexadecimal.
pub fn fingerprint<'a>(arrays: impl IntoIterator<Item = &'a HostArray>) -> String {
    struct Hash(Sha256);
    impl Write for Hash {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut hash = Hash(Sha256::new());
    for array in arrays {
        // In memory, nothing can fail.
        let _ = npy::write(&mut hash, array);
    }
    hash.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checkpoint(value: f64) -> Checkpoint {
        let arrays = [
            ("a", HostArray::new([2, 1], vec![value, f64::MIN_POSITIVE]).unwrap()),
            ("b", HostArray::scalar(-3i32)),
            ("c", HostArray::new([0], Vec::<f32>::new()).unwrap()),
        ];
        let arrays = arrays.into_iter().map(|(name, array)| (name.to_owned(), array)).collect();
        Checkpoint { run: json!({ "algorithm": "x", "settings": { "lr": 0.1 } }), arrays }
    }

    #[test]
    fn what_is_written_is_read_and_replaces_what_was_there() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("new/run");
        for value in [1.0 / 3.0, -0.0] {
            checkpoint(value).write(&dir).unwrap();
            assert_eq!(Checkpoint::read(&dir).unwrap(), checkpoint(value));
        }
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
        assert_eq!(checkpoint(1.0).array("b"), Some(&HostArray::scalar(-3i32)));
        assert_eq!(checkpoint(1.0).array("d"), None);
    }

    #[test]
    fn what_is_no_checkpoint_is_refused_in_one_line() {
        let root = tempfile::tempdir().unwrap();
        let error = || Checkpoint::read(root.path()).unwrap_err().to_string();
        assert!(error().contains("there is no checkpoint.safetensors"), "{}", error());
        checkpoint(1.0).write(root.path()).unwrap();
        let path = root.path().join(CHECKPOINT);
        let whole = fs::read(&path).unwrap();
        for cut in [0, 4, 20, whole.len() - 1] {
            fs::write(&path, &whole[..cut]).unwrap();
            assert!(!error().contains('\n'), "{}", error());
        }
        let other = safetensors::serialize(Vec::<(String, TensorView<'_>)>::new(), None).unwrap();
        fs::write(&path, other).unwrap();
        assert!(error().contains("this is no checkpoint"), "{}", error());
    }

    #[test]
    fn other_elements_and_other_shapes_have_other_fingerprints() {
        let print = |shape: &[usize], values: Vec<f64>| fingerprint([&HostArray::new(shape, values).unwrap()]);
        let own = print(&[2], vec![1.0, 2.0]);
        assert_eq!(own.len(), 64);
        assert_eq!(own, print(&[2], vec![1.0, 2.0]));
        assert_ne!(own, print(&[1, 2], vec![1.0, 2.0]));
        assert_ne!(own, print(&[2], vec![1.0, 2.5]));
    }
}
