//! The elements of arrays in files, and how their bytes become a [`HostArray`].

use half::{bf16, f16};
use tandem_compile::{Element, HostArray, Result};

/// The dtypes that are read, for error messages.
pub(super) const READ: &str = "bool, int8 to int64, uint8 to uint32, float16, float32 and float64";

/// An element type as files have it; those that arrays here lack are widened without loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    Bool,
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    F16,
    BF16,
    F32,
    F64,
}

/// How the elements lie in the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// The most significant byte comes first.
    pub(super) big_endian: bool,
    /// The first axis runs fastest.
    pub(super) fortran: bool,
}

impl Code {
    /// Bytes of one element.
    pub(super) fn size(self) -> usize {
        match self {
            Code::Bool | Code::I8 | Code::U8 => 1,
            Code::I16 | Code::U16 | Code::F16 | Code::BF16 => 2,
            Code::I32 | Code::U32 | Code::F32 => 4,
            Code::I64 | Code::F64 => 8,
        }
    }

    /// The array whose elements `bytes` holds; 8- and 16-bit integers become i32.
    pub(super) fn decode(self, shape: Vec<usize>, bytes: &[u8], layout: Layout) -> Result<HostArray> {
        match self {
            Code::Bool => array(shape, bytes, layout, |[b]: [u8; 1]| b != 0),
            Code::I8 => array(shape, bytes, layout, |b| i32::from(i8::from_le_bytes(b))),
            Code::U8 => array(shape, bytes, layout, |b| i32::from(u8::from_le_bytes(b))),
            Code::I16 => array(shape, bytes, layout, |b| i32::from(i16::from_le_bytes(b))),
            Code::U16 => array(shape, bytes, layout, |b| i32::from(u16::from_le_bytes(b))),
            Code::I32 => array(shape, bytes, layout, i32::from_le_bytes),
            Code::U32 => array(shape, bytes, layout, u32::from_le_bytes),
            Code::I64 => array(shape, bytes, layout, i64::from_le_bytes),
            Code::F16 => array(shape, bytes, layout, f16::from_le_bytes),
            Code::BF16 => array(shape, bytes, layout, bf16::from_le_bytes),
            Code::F32 => array(shape, bytes, layout, f32::from_le_bytes),
            Code::F64 => array(shape, bytes, layout, f64::from_le_bytes),
        }
    }
}

/// Bytes of an array of `shape`, or None where no memory could ever hold it.
///
/// An axis of size 0 counts as 1 in the check, so that no product of a part of the shape overflows either.
pub(super) fn byte_length(shape: &[usize], size: usize) -> Option<usize> {
    let bytes = shape.iter().try_fold(size, |product, &axis| product.checked_mul(axis.max(1)))?;
    let bytes = isize::try_from(bytes).ok()?.unsigned_abs();
    Some(if shape.contains(&0) { 0 } else { bytes })
}

fn array<const N: usize, T: Element>(
    shape: Vec<usize>,
    bytes: &[u8],
    layout: Layout,
    little_endian: impl Fn([u8; N]) -> T,
) -> Result<HostArray> {
    let (elements, _) = bytes.as_chunks::<N>();
    let read = |&element: &[u8; N]| {
        let mut element = element;
        if layout.big_endian {
            element.reverse();
        }
        little_endian(element)
    };
    let values: Vec<T> = elements.iter().map(read).collect();
    let values = if layout.fortran { row_major(values, &shape) } else { values };
    HostArray::new(shape, values)
}

/// Column-major values in row-major order.
fn row_major<T: Copy>(values: Vec<T>, shape: &[usize]) -> Vec<T> {
    if shape.len() < 2 || values.is_empty() {
        return values;
    }
    let strides: Vec<usize> = (0..shape.len()).map(|axis| shape[..axis].iter().product()).collect();
    let mut index = vec![0; shape.len()];
    let mut position = 0;
    let mut sorted = Vec::with_capacity(values.len());
    for _ in 0..values.len() {
        sorted.push(values[position]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            position += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            position -= strides[axis] * shape[axis];
            index[axis] = 0;
        }
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_an_impossible_shape_is_refused_whatever_zeros_it_hides() {
        assert_eq!(byte_length(&[3, 4], 8), Some(96));
        assert_eq!(byte_length(&[], 8), Some(8));
        assert_eq!(byte_length(&[5, 0], 8), Some(0));
        assert_eq!(byte_length(&[1 << 40, 1 << 40], 1), None);
        assert_eq!(byte_length(&[1 << 40, 1 << 40, 0], 1), None);
        assert_eq!(byte_length(&[1 << 60], 8), None);
    }

    #[test]
    fn fortran_order_is_undone_in_any_number_of_axes() {
        let shape = [2, 3, 4];
        let column_major: Vec<usize> = (0..24).map(|p| (p % 2) * 12 + (p / 2 % 3) * 4 + p / 6).collect();
        assert_eq!(row_major(column_major, &shape), (0..24).collect::<Vec<_>>());
    }
}
