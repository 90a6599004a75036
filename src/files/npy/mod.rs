//! `.npy`: one array, as numpy.save writes it.

mod header;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use tandem_compile::{HostArray, HostData, Result};

use super::elements::byte_length;
use super::{Reason, io_reason, refuse};
use header::{Header, MAGIC};

/// Reads an array from `reader`, which holds `length` bytes in all. Nothing is allocated for the elements before
/// `length` has been found to be what the shape needs.
pub(super) fn read(reader: &mut impl Read, length: u64) -> Result<HostArray, Reason> {
    let (Header { code, layout, shape }, header_length) = Header::read(reader)?;
    let size = code.size();
    let expected = byte_length(&shape, size).ok_or_else(|| {
        format!("the .npy header claims the shape {shape:?}, more than any memory holds: it is damaged")
    })?;
    let found = length.checked_sub(header_length).ok_or_else(header::cut_short)?;
    if found != expected as u64 {
        let verdict = if found < expected as u64 { "it was cut short" } else { "something follows the array" };
        return Err(format!(
            "an array of shape {shape:?} has {expected} bytes, the file has {found} for it: {verdict}"
        ));
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(expected).map_err(|_| format!("no memory for the {expected} bytes of this array"))?;
    // One byte more than is wanted, so that an archive's reader reaches its end and compares the checksum.
    let got = reader.take(expected as u64 + 1).read_to_end(&mut bytes).map_err(|e| io_reason(&e))?;
    if got != expected {
        return Err(format!("an array of shape {shape:?} has {expected} bytes, {got} came: the file is damaged"));
    }
    code.decode(shape, &bytes, layout).map_err(|e| e.to_string())
}

/// Writes `array` to `path` as numpy.save would: version 1, little-endian, row-major. bf16, which numpy lacks, is
/// written as float32, without loss.
///
/// # Errors
/// When the file cannot be written, in one line; a file of which only a part could be written is removed.
pub fn write_npy(path: &Path, array: &HostArray) -> Result<()> {
    let file = File::create(path).map_err(|e| refuse(path, io_reason(&e)))?;
    let mut writer = BufWriter::new(file);
    write(&mut writer, array).and_then(|()| writer.flush()).map_err(|e| {
        // Only what this call created is removed, and the write's error is the one to tell.
        let _ = std::fs::remove_file(path);
        refuse(path, io_reason(&e))
    })
}

/// The array as the bytes of a `.npy` file.
pub(super) fn write(writer: &mut impl Write, array: &HostArray) -> io::Result<()> {
    writer.write_all(&header_bytes(descr(array.data()), array.shape())?)?;
    match array.data() {
        HostData::Bool(v) => v.iter().try_for_each(|&x| writer.write_all(&[u8::from(x)])),
        HostData::F16(v) => v.iter().try_for_each(|x| writer.write_all(&x.to_le_bytes())),
        HostData::BF16(v) => v.iter().try_for_each(|x| writer.write_all(&x.to_f32().to_le_bytes())),
        HostData::F32(v) => v.iter().try_for_each(|x| writer.write_all(&x.to_le_bytes())),
        HostData::F64(v) => v.iter().try_for_each(|x| writer.write_all(&x.to_le_bytes())),
        HostData::I32(v) => v.iter().try_for_each(|x| writer.write_all(&x.to_le_bytes())),
        HostData::I64(v) => v.iter().try_for_each(|x| writer.write_all(&x.to_le_bytes())),
        HostData::U32(v) => v.iter().try_for_each(|x| writer.write_all(&x.to_le_bytes())),
    }
}

fn descr(data: &HostData) -> &'static str {
    match data {
        HostData::Bool(_) => "|b1",
        HostData::F16(_) => "<f2",
        HostData::BF16(_) | HostData::F32(_) => "<f4",
        HostData::F64(_) => "<f8",
        HostData::I32(_) => "<i4",
        HostData::I64(_) => "<i8",
        HostData::U32(_) => "<u4",
    }
}

/// Everything before the elements, padded to a multiple of 64 bytes so that these are aligned in a mapped file.
fn header_bytes(descr: &str, shape: &[usize]) -> io::Result<Vec<u8>> {
    const PREFIX: usize = 10;
    let mut axes = String::new();
    for (i, axis) in shape.iter().enumerate() {
        let comma = if i + 1 < shape.len() || i == 0 { "," } else { "" };
        let space = if i > 0 { " " } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(axes, "{space}{axis}{comma}");
    }
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({axes}), }}");
    let padding = (PREFIX + text.len() + 1).next_multiple_of(64) - (PREFIX + text.len() + 1);
    text.extend(std::iter::repeat_n(' ', padding));
    text.push('\n');
    let length = u16::try_from(text.len()).map_err(|_| io::Error::other("the array has too many axes for .npy"))?;
    Ok([MAGIC, &[1, 0][..], &length.to_le_bytes(), text.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};
    use tandem_compile::{DType, Element};

    use super::*;
    use crate::files::FileRef;

    fn bytes_of(array: &HostArray) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, array).unwrap();
        bytes
    }

    fn read_bytes(bytes: &[u8]) -> Result<HostArray, Reason> {
        read(&mut &bytes[..], bytes.len() as u64)
    }

    /// A file of version `version` with any header and any data.
    fn file(version: u8, descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let text = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
        let length = match version {
            1 => (text.len() as u16).to_le_bytes().to_vec(),
            _ => (text.len() as u32).to_le_bytes().to_vec(),
        };
        [MAGIC, &[version, 0][..], &length, text.as_bytes(), data].concat()
    }

    fn every_dtype() -> Vec<HostArray> {
        fn array<T: Element>(values: [T; 2]) -> HostArray {
            HostArray::new([2, 1], values.to_vec()).unwrap()
        }
        vec![
            array([true, false]),
            array([f16::from_f32(0.1), f16::NEG_INFINITY]),
            array([f32::MIN_POSITIVE, f32::MAX]),
            array([f64::EPSILON, -0.0]),
            array([i32::MIN, i32::MAX]),
            array([i64::MIN, i64::MAX]),
            array([0, u32::MAX]),
        ]
    }

    #[test]
    fn what_is_written_reads_back_bit_for_bit() {
        for array in every_dtype() {
            assert_eq!(read_bytes(&bytes_of(&array)).unwrap(), array);
        }
        let bf = HostArray::new([2], vec![bf16::from_f32(1.5), bf16::MAX]).unwrap();
        assert_eq!(read_bytes(&bytes_of(&bf)).unwrap(), bf.cast(DType::F32).unwrap());
    }

    #[test]
    fn every_shape_is_written_as_numpy_reads_it() {
        for shape in [vec![], vec![0], vec![7], vec![0, 3], vec![3, 0], vec![2, 3], vec![2, 1, 3, 1]] {
            let array = HostArray::from_fn(shape.clone(), |i| i as f64);
            let bytes = bytes_of(&array);
            assert_eq!((bytes.len() - 8 * array.len()) % 64, 0);
            let theirs = npyz::NpyFile::new(&bytes[..]).unwrap();
            assert_eq!(theirs.shape(), shape.iter().map(|&n| n as u64).collect::<Vec<_>>());
            assert_eq!(theirs.into_vec::<f64>().unwrap(), array.values::<f64>().unwrap());
            assert_eq!(read_bytes(&bytes).unwrap(), array);
        }
    }

    #[test]
    fn fortran_order_and_big_endian_bytes_are_undone() {
        let data: Vec<u8> = [1i32, 4, 2, 5, 3, 6].iter().flat_map(|x| x.to_be_bytes()).collect();
        let expected = HostArray::new([2, 3], vec![1, 2, 3, 4, 5, 6]).unwrap();
        for version in [1, 2, 3] {
            assert_eq!(read_bytes(&file(version, ">i4", "True", "(2, 3)", &data)).unwrap(), expected);
        }
    }

    #[test]
    fn small_integers_become_i32_and_any_nonzero_byte_is_true() {
        let read = |descr, data: &[u8]| read_bytes(&file(1, descr, "False", "(2,)", data)).unwrap();
        assert_eq!(read("|u1", &[0, 255]), HostArray::new([2], vec![0, 255]).unwrap());
        assert_eq!(read("|i1", &[0, 255]), HostArray::new([2], vec![0, -1]).unwrap());
        assert_eq!(read(">u2", &[0, 1, 1, 0]), HostArray::new([2], vec![1, 256]).unwrap());
        assert_eq!(read("|b1", &[0, 2]), HostArray::new([2], vec![false, true]).unwrap());
    }

    #[test]
    fn every_truncation_and_every_extra_byte_is_an_error() {
        let mut bytes = bytes_of(&HostArray::new([3], vec![1.0, 2.0, 3.0]).unwrap());
        for cut in 0..bytes.len() {
            let error = read_bytes(&bytes[..cut]).unwrap_err();
            assert!(error.contains("cut short"), "{cut}: {error}");
        }
        bytes.push(0);
        assert!(read_bytes(&bytes).unwrap_err().contains("something follows the array"));
    }

    #[test]
    fn a_length_that_the_reader_does_not_hold_is_an_error() {
        let bytes = bytes_of(&HostArray::scalar(1.0));
        assert!(read(&mut &bytes[..bytes.len() - 1], bytes.len() as u64).is_err());
        assert!(read(&mut &[&bytes[..], &[0]].concat()[..], bytes.len() as u64).is_err());
    }

    #[test]
    fn an_absurd_shape_allocates_nothing() {
        let huge = "(1099511627776, 1099511627776)";
        for (shape, words) in [(huge, "more than any memory"), ("(1099511627776,)", "cut short")] {
            let error = read_bytes(&file(1, "<f8", "False", shape, &[0; 8])).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        let hidden = "(1099511627776, 1099511627776, 0)";
        assert!(read_bytes(&file(1, "<f8", "False", hidden, &[])).is_err());
        let long_header = [MAGIC, &[2, 0][..], &u32::MAX.to_le_bytes()].concat();
        assert!(read_bytes(&long_header).unwrap_err().contains("damaged"));
    }

    #[test]
    fn files_of_another_kind_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npy");
        let error = || FileRef::parse(&path.display().to_string()).unwrap().read().unwrap_err().to_string();
        assert!(error().ends_with("a.npy: no such file or folder"), "{}", error());
        for (content, words) in [
            (&b"1,2\n3,4\n"[..], "text file"),
            (b"PK\x03\x04aaaa", "X.npz:KEY"),
            (b"\x89HDF\r\n\x1a\n", "no .npy file"),
            (b"", "empty"),
            (b"hi", "text file"),
        ] {
            std::fs::write(&path, content).unwrap();
            assert!(error().contains(words) && !error().contains('\n'), "{}", error());
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(error().contains("a folder"), "{}", error());
    }

    #[test]
    fn only_a_matrix_is_transposed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npy");
        let file = FileRef::parse(&format!("{}^T", path.display())).unwrap();
        write_npy(&path, &HostArray::new([2, 1], vec![1, 2]).unwrap()).unwrap();
        assert_eq!(file.read().unwrap(), HostArray::new([1, 2], vec![1, 2]).unwrap());
        write_npy(&path, &HostArray::new([2], vec![1, 2]).unwrap()).unwrap();
        assert!(file.read().unwrap_err().to_string().contains("only a matrix"));
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("missing/a.npy");
        let error = write_npy(&path, &HostArray::scalar(1.0)).unwrap_err().to_string();
        assert!(error.ends_with("a.npy: no such file or folder"), "{error}");
    }
}
