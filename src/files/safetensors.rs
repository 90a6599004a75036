//! `.safetensors`: named tensors behind a JSON header, little-endian and row-major.

use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView};
use tandem_compile::{HostArray, Result};

use super::elements::{Code, Layout, READ, byte_length};
use super::reference::only;
use super::{Reason, io_reason, listed, open, refuse};

/// The tensor of that name, or the only one.
pub(super) fn read(path: &Path, name: Option<&str>) -> Result<HostArray> {
    with_tensors(path, |tensors| {
        let mut names: Vec<String> = tensors.names().into_iter().map(String::from).collect();
        names.sort();
        let name = match name {
            Some(name) => name,
            None => only(&names, path, "tensor")?,
        };
        match tensors.tensor(name) {
            Ok(tensor) => array(name, &tensor).map_err(|reason| refuse(path, reason)),
            Err(_) => Err(refuse(path, format!("the file has no tensor `{name}`; it has {}", listed(&names)))),
        }
    })
}

/// Every tensor, sorted by name.
pub(super) fn read_all(path: &Path) -> Result<Vec<(String, HostArray)>> {
    with_tensors(path, |tensors| {
        let mut all = tensors.tensors();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        let read = |(name, tensor): (String, TensorView<'_>)| {
            let array = array(&name, &tensor).map_err(|reason| refuse(path, reason))?;
            Ok((name, array))
        };
        all.into_iter().map(read).collect()
    })
}

fn with_tensors<T>(path: &Path, read: impl FnOnce(&SafeTensors<'_>) -> Result<T>) -> Result<T> {
    open(path)?;
    let bytes = std::fs::read(path).map_err(|e| refuse(path, io_reason(&e)))?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| refuse(path, broken(&e)))?;
    read(&tensors)
}

fn broken(error: &SafeTensorError) -> Reason {
    match error {
        // The crate refuses the whole file for one element type that it does not know, complex numbers for instance.
        SafeTensorError::InvalidHeaderDeserialization(e) if e.to_string().contains("unknown variant") => {
            format!("a tensor has an element type that is not read ({e})")
        }
        _ => format!("this is no .safetensors file, or one that was cut short ({error})"),
    }
}

fn array(name: &str, tensor: &TensorView<'_>) -> Result<HostArray, Reason> {
    let code = match tensor.dtype() {
        Dtype::BOOL => Code::Bool,
        Dtype::I8 => Code::I8,
        Dtype::U8 => Code::U8,
        Dtype::I16 => Code::I16,
        Dtype::U16 => Code::U16,
        Dtype::I32 => Code::I32,
        Dtype::U32 => Code::U32,
        Dtype::I64 => Code::I64,
        Dtype::F16 => Code::F16,
        Dtype::BF16 => Code::BF16,
        Dtype::F32 => Code::F32,
        Dtype::F64 => Code::F64,
        other => return Err(format!("tensor `{name}` has elements of type {other:?}; read are bfloat16, {READ}")),
    };
    let shape = tensor.shape().to_vec();
    if byte_length(&shape, code.size()) != Some(tensor.data().len()) {
        return Err(format!("tensor `{name}` has an impossible shape {shape:?}"));
    }
    code.decode(shape, tensor.data(), Layout::default()).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::FileRef;
    use half::{bf16, f16};

    /// A file written by hand: `(name, dtype, shape, bytes)`.
    fn file(tensors: &[(&str, &str, &str, &[u8])]) -> Vec<u8> {
        let (mut entries, mut data) = (Vec::new(), Vec::new());
        for (name, dtype, shape, bytes) in tensors {
            let (from, to) = (data.len(), data.len() + bytes.len());
            entries.push(format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{from},{to}]}}"#));
            data.extend_from_slice(bytes);
        }
        with_header(&format!("{{{}}}", entries.join(",")), &data)
    }

    fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
    }

    fn read_as<T>(bytes: &[u8], suffix: &str, read: impl FnOnce(&FileRef) -> Result<T>) -> Result<T> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.safetensors");
        std::fs::write(&path, bytes).unwrap();
        read(&FileRef::parse(&format!("{}{suffix}", path.display())).unwrap())
    }

    #[test]
    fn every_element_type_is_read_and_small_integers_widen() {
        let set = file(&[
            ("bf", "BF16", "[1]", &bf16::from_f32(-2.5).to_le_bytes()),
            ("bool", "BOOL", "[2]", &[1, 0]),
            ("f16", "F16", "[]", &f16::from_f32(0.5).to_le_bytes()),
            ("f32", "F32", "[1,1]", &1.5f32.to_le_bytes()),
            ("f64", "F64", "[1]", &2.5f64.to_le_bytes()),
            ("i32", "I32", "[1]", &(-7i32).to_le_bytes()),
            ("i64", "I64", "[1]", &i64::MIN.to_le_bytes()),
            ("none", "F32", "[0,3]", &[]),
            ("u32", "U32", "[1]", &u32::MAX.to_le_bytes()),
            ("u8", "U8", "[2]", &[0, 255]),
        ]);
        let set = read_as(&set, "", FileRef::read_set).unwrap();
        let expected = [
            ("bf", HostArray::new([1], vec![bf16::from_f32(-2.5)])),
            ("bool", HostArray::new([2], vec![true, false])),
            ("f16", Ok(HostArray::scalar(f16::from_f32(0.5)))),
            ("f32", HostArray::new([1, 1], vec![1.5f32])),
            ("f64", HostArray::new([1], vec![2.5f64])),
            ("i32", HostArray::new([1], vec![-7i32])),
            ("i64", HostArray::new([1], vec![i64::MIN])),
            ("none", HostArray::new([0, 3], Vec::<f32>::new())),
            ("u32", HostArray::new([1], vec![u32::MAX])),
            ("u8", HostArray::new([2], vec![0, 255i32])),
        ];
        assert_eq!(set, expected.map(|(name, array)| (name.to_string(), array.unwrap())));
    }

    #[test]
    fn a_tensor_is_found_by_name_or_the_names_are_listed() {
        let set = file(&[("a", "I32", "[1]", &[1, 0, 0, 0]), ("b", "U64", "[1]", &[0; 8])]);
        assert_eq!(read_as(&set, ":a", FileRef::read).unwrap(), HostArray::new([1], vec![1i32]).unwrap());
        let error = |suffix| read_as(&set, suffix, FileRef::read).unwrap_err().to_string();
        assert!(error(":c").ends_with("no tensor `c`; it has a, b"), "{}", error(":c"));
        assert!(error("").ends_with("out of a, b"), "{}", error(""));
        assert!(error(":b").contains("U64"), "{}", error(":b"));
        assert!(read_as(&set, "^T", FileRef::read_set).is_err());
        let complex = file(&[("z", "C64", "[1]", &[0; 8])]);
        assert!(read_as(&complex, ":z", FileRef::read).unwrap_err().to_string().contains("not read"));
    }

    #[test]
    fn every_truncation_is_an_error_of_one_line() {
        let set = file(&[("a", "F32", "[2]", &[0; 8])]);
        for cut in 0..set.len() {
            let error = read_as(&set[..cut], ":a", FileRef::read).unwrap_err().to_string();
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn a_lying_header_is_refused() {
        let huge = r#"{"a":{"dtype":"F32","shape":[1099511627776,1099511627776],"data_offsets":[0,4]}}"#;
        let hidden = r#"{"a":{"dtype":"F32","shape":[0,1099511627776,1099511627776],"data_offsets":[0,0]}}"#;
        for bytes in [with_header(huge, &[0; 4]), with_header(hidden, &[]), vec![0xff; 64], b"a,b\n1,2\n".to_vec()] {
            assert!(read_as(&bytes, ":a", FileRef::read).is_err());
        }
    }
}
