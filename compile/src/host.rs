//! Arrays on the host: what goes into a program and what comes out, with the dtype known at run time.

use half::{bf16, f16};

use crate::dtype::{DType, Element};
use crate::error::{Error, Result};
use crate::graph::TensorType;

/// A dense row-major array in host memory.
#[derive(Debug, Clone, PartialEq)]
pub struct HostArray {
    shape: Vec<usize>,
    data: HostData,
}

/// The elements of a [`HostArray`], one variant per [`DType`].
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the variants are those of DType")]
pub enum HostData {
    F64(Vec<f64>),
    F32(Vec<f32>),
    F16(Vec<f16>),
    BF16(Vec<bf16>),
    I64(Vec<i64>),
    I32(Vec<i32>),
    U32(Vec<u32>),
    Bool(Vec<bool>),
}

/// Evaluates one expression with `$values` bound to the vector of whichever element type `$data` has.
macro_rules! each_dtype {
    ($data:expr, $values:ident => $body:expr) => {
        match $data {
            $crate::host::HostData::F64($values) => $body,
            $crate::host::HostData::F32($values) => $body,
            $crate::host::HostData::F16($values) => $body,
            $crate::host::HostData::BF16($values) => $body,
            $crate::host::HostData::I64($values) => $body,
            $crate::host::HostData::I32($values) => $body,
            $crate::host::HostData::U32($values) => $body,
            $crate::host::HostData::Bool($values) => $body,
        }
    };
}

pub(crate) use each_dtype;

impl HostArray {
    /// An array of `shape` from its elements in row-major order.
    ///
    /// # Errors
    /// When the number of elements is not the product of `shape`.
    pub fn new<T: Element>(shape: impl Into<Vec<usize>>, values: Vec<T>) -> Result<Self> {
        let shape = shape.into();
        let ty = TensorType::new(T::DTYPE, shape);
        if values.len() != ty.len() {
            return Err(Error::Host(format!(
                "an array of shape {:?} has {} elements, but {} were given",
                ty.shape,
                ty.len(),
                values.len()
            )));
        }
        Ok(Self { shape: ty.shape, data: T::wrap(values) })
    }

    /// An array of `shape` from its elements, of which there are as many as it needs.
    pub(crate) fn from_data(shape: impl Into<Vec<usize>>, data: HostData) -> Self {
        Self { shape: shape.into(), data }
    }

    /// A single number.
    pub fn scalar<T: Element>(value: T) -> Self {
        Self { shape: Vec::new(), data: T::wrap(vec![value]) }
    }

    /// `shape` filled by `element`, which is given the row-major position.
    pub fn from_fn<T: Element>(shape: impl Into<Vec<usize>>, element: impl FnMut(usize) -> T) -> Self {
        let shape = shape.into();
        let values = (0..shape.iter().product()).map(element).collect();
        Self { shape, data: T::wrap(values) }
    }

    /// An array of zeros (`false` for bool).
    pub fn zeros(ty: &TensorType) -> Self {
        fn fill<T: Element>(ty: &TensorType) -> HostData {
            T::wrap(vec![T::default(); ty.len()])
        }
        let data = match ty.dtype {
            DType::F64 => fill::<f64>(ty),
            DType::F32 => fill::<f32>(ty),
            DType::F16 => fill::<f16>(ty),
            DType::BF16 => fill::<bf16>(ty),
            DType::I64 => fill::<i64>(ty),
            DType::I32 => fill::<i32>(ty),
            DType::U32 => fill::<u32>(ty),
            DType::Bool => fill::<bool>(ty),
        };
        Self { shape: ty.shape.clone(), data }
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        match &self.data {
            HostData::F64(_) => DType::F64,
            HostData::F32(_) => DType::F32,
            HostData::F16(_) => DType::F16,
            HostData::BF16(_) => DType::BF16,
            HostData::I64(_) => DType::I64,
            HostData::I32(_) => DType::I32,
            HostData::U32(_) => DType::U32,
            HostData::Bool(_) => DType::Bool,
        }
    }

    /// The size of every axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// True when some axis has size 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Element type and shape.
    pub fn ty(&self) -> TensorType {
        TensorType::new(self.dtype(), self.shape.clone())
    }

    /// The elements, one variant per element type.
    pub fn data(&self) -> &HostData {
        &self.data
    }

    /// The elements in row-major order.
    ///
    /// # Errors
    /// When the elements are not of type `T`.
    pub fn values<T: Element>(&self) -> Result<&[T]> {
        T::slice(&self.data).ok_or_else(|| wrong_dtype(T::DTYPE, self.dtype()))
    }

    /// The elements in row-major order, to be written.
    ///
    /// # Errors
    /// When the elements are not of type `T`.
    pub fn values_mut<T: Element>(&mut self) -> Result<&mut [T]> {
        let dtype = self.dtype();
        T::slice_mut(&mut self.data).ok_or_else(|| wrong_dtype(T::DTYPE, dtype))
    }

    /// The elements as a vector, without a copy.
    ///
    /// # Errors
    /// When the elements are not of type `T`.
    pub fn into_values<T: Element>(self) -> Result<Vec<T>> {
        let dtype = self.dtype();
        T::unwrap(self.data).ok_or_else(|| wrong_dtype(T::DTYPE, dtype))
    }

    /// Every element as f64: exact for all element types but large i64.
    pub fn to_f64(&self) -> Vec<f64> {
        match &self.data {
            HostData::F64(v) => v.clone(),
            HostData::F32(v) => v.iter().map(|&x| f64::from(x)).collect(),
            HostData::F16(v) => v.iter().map(|x| x.to_f64()).collect(),
            HostData::BF16(v) => v.iter().map(|x| x.to_f64()).collect(),
            HostData::I64(v) => v.iter().map(|&x| x as f64).collect(),
            HostData::I32(v) => v.iter().map(|&x| f64::from(x)).collect(),
            HostData::U32(v) => v.iter().map(|&x| f64::from(x)).collect(),
            HostData::Bool(v) => v.iter().map(|&x| f64::from(u8::from(x))).collect(),
        }
    }

    /// The same numbers in another element type, rounded to nearest.
    ///
    /// # Errors
    /// When a finite number overflows the target, or a number that is no integer (NaN included) becomes an
    /// integer or a truth value.
    pub fn cast(&self, dtype: DType) -> Result<Self> {
        if dtype == self.dtype() {
            return Ok(self.clone());
        }
        let data = match (&self.data, dtype) {
            (HostData::I64(v), DType::I32) => integers(v.iter().map(|&x| i128::from(x)), dtype, |x| x as i32)?,
            (HostData::I64(v), DType::U32) => integers(v.iter().map(|&x| i128::from(x)), dtype, |x| x as u32)?,
            (_, DType::I64) => integers(whole(&self.to_f64(), dtype)?, dtype, |x| x as i64)?,
            (_, DType::I32) => integers(whole(&self.to_f64(), dtype)?, dtype, |x| x as i32)?,
            (_, DType::U32) => integers(whole(&self.to_f64(), dtype)?, dtype, |x| x as u32)?,
            (_, DType::Bool) => integers(whole(&self.to_f64(), dtype)?, dtype, |x| x != 0)?,
            (_, DType::F64) => HostData::F64(self.to_f64()),
            (_, DType::F32) => floats(&self.to_f64(), dtype, |x| x as f32, |x| x.is_finite())?,
            (_, DType::F16) => floats(&self.to_f64(), dtype, |x| f16::from_f32(to_odd(x)), |x| x.is_finite())?,
            (_, DType::BF16) => floats(&self.to_f64(), dtype, |x| bf16::from_f32(to_odd(x)), |x| x.is_finite())?,
        };
        Ok(Self { shape: self.shape.clone(), data })
    }

    /// The element at a row-major position, as Rust prints it.
    pub(crate) fn element_text(&self, position: usize) -> String {
        each_dtype!(&self.data, v => format!("{:?}", v[position]))
    }

    /// The matrix with its two axes exchanged.
    ///
    /// # Errors
    /// When the array has not exactly two axes.
    pub fn transposed(&self) -> Result<Self> {
        let &[rows, cols] = self.shape() else {
            return Err(Error::Host(format!("only a matrix can be transposed, this array has shape {:?}", self.shape)));
        };
        fn swap<T: Element>(values: &[T], rows: usize, cols: usize) -> HostData {
            T::wrap((0..rows * cols).map(|i| values[(i % rows) * cols + i / rows]).collect())
        }
        Ok(Self { shape: vec![cols, rows], data: each_dtype!(&self.data, v => swap(v, rows, cols)) })
    }

    /// An array of `shape` whose element `i` (row-major) is the element of self at the row-major position `source(i)`.
    pub(crate) fn pick(&self, shape: &[usize], source: impl Fn(usize) -> usize) -> Self {
        fn gather<T: Element>(values: &[T], len: usize, source: impl Fn(usize) -> usize) -> HostData {
            T::wrap((0..len).map(|i| values[source(i)]).collect())
        }
        let len = shape.iter().product();
        Self { shape: shape.to_vec(), data: each_dtype!(&self.data, v => gather(v, len, source)) }
    }

    /// Overwrites the elements from the row-major position `start` on by those of another array of the same dtype.
    pub(crate) fn copy_from(&mut self, start: usize, source: &Self) {
        fn copy<T: Element>(values: &mut [T], start: usize, source: &HostArray) {
            if let Some(source) = T::slice(&source.data) {
                values[start..start + source.len()].copy_from_slice(source);
            }
        }
        each_dtype!(&mut self.data, v => copy(v, start, source));
    }

    /// The array of type `ty` with one element from each of `scalars`, which are of its element type.
    pub(crate) fn stacked(scalars: &[Self], ty: &TensorType) -> Self {
        fn gather<T: Element>(mut out: HostArray, scalars: &[HostArray]) -> HostArray {
            if let Some(values) = T::slice_mut(&mut out.data) {
                let first = |scalar: &HostArray| T::slice(&scalar.data).and_then(|v| v.first().copied());
                values.iter_mut().zip(scalars.iter().filter_map(first)).for_each(|(to, x)| *to = x);
            }
            out
        }
        match ty.dtype {
            DType::F64 => gather::<f64>(Self::zeros(ty), scalars),
            DType::F32 => gather::<f32>(Self::zeros(ty), scalars),
            DType::F16 => gather::<f16>(Self::zeros(ty), scalars),
            DType::BF16 => gather::<bf16>(Self::zeros(ty), scalars),
            DType::I64 => gather::<i64>(Self::zeros(ty), scalars),
            DType::I32 => gather::<i32>(Self::zeros(ty), scalars),
            DType::U32 => gather::<u32>(Self::zeros(ty), scalars),
            DType::Bool => gather::<bool>(Self::zeros(ty), scalars),
        }
    }

    /// The position of the first NaN or infinity, if there is one.
    pub fn first_nonfinite(&self) -> Option<usize> {
        match &self.data {
            HostData::F64(v) => v.iter().position(|x| !x.is_finite()),
            HostData::F32(v) => v.iter().position(|x| !x.is_finite()),
            HostData::F16(v) => v.iter().position(|x| !x.is_finite()),
            HostData::BF16(v) => v.iter().position(|x| !x.is_finite()),
            _ => None,
        }
    }

    /// How many subnormal numbers there are: those that many devices take for zeros.
    pub fn subnormals(&self) -> usize {
        match &self.data {
            HostData::F64(v) => v.iter().filter(|x| x.is_subnormal()).count(),
            HostData::F32(v) => v.iter().filter(|x| x.is_subnormal()).count(),
            _ => 0,
        }
    }

    /// The array with zeros of the same sign for its subnormal numbers (f32 and f64; others as they are).
    pub fn flushed(&self) -> Self {
        let mut flushed = self.clone();
        match &mut flushed.data {
            HostData::F64(v) => v.iter_mut().filter(|x| x.is_subnormal()).for_each(|x| *x = 0f64.copysign(*x)),
            HostData::F32(v) => v.iter_mut().filter(|x| x.is_subnormal()).for_each(|x| *x = 0f32.copysign(*x)),
            _ => {}
        }
        flushed
    }

    /// The address of the first element.
    pub(crate) fn as_ptr(&self) -> *const std::ffi::c_void {
        each_dtype!(&self.data, v => v.as_ptr().cast())
    }

    /// The elements as bytes, to be filled by a plugin.
    pub(crate) fn as_mut_ptr(&mut self) -> *mut std::ffi::c_void {
        each_dtype!(&mut self.data, v => v.as_mut_ptr().cast())
    }
}

fn wrong_dtype(wanted: DType, found: DType) -> Error {
    Error::Host(format!("the array holds {found}, not {wanted}; convert it with `cast`"))
}

fn floats<T: Element>(values: &[f64], dtype: DType, round: fn(f64) -> T, finite: fn(T) -> bool) -> Result<HostData> {
    let rounded: Vec<T> = values.iter().map(|&x| round(x)).collect();
    match values.iter().zip(&rounded).find(|&(x, &y)| x.is_finite() && !finite(y)) {
        Some((x, _)) => Err(Error::Host(format!("{x:e} overflows {dtype}"))),
        None => Ok(T::wrap(rounded)),
    }
}

/// Rounds to odd: a number that f32 does not hold becomes its neighbour with the last bit set, so that rounding once
/// more, to fewer bits, sees on which side of a tie it was. (`f16::from_f64` and `bf16::from_f64` lose that.)
pub(crate) fn to_odd(x: f64) -> f32 {
    let y = x as f32;
    if x.is_nan() || f64::from(y) == x {
        return y;
    }
    let toward_zero = y.to_bits() - u32::from(f64::from(y).abs() > x.abs());
    f32::from_bits(toward_zero | 1)
}

fn whole(values: &[f64], dtype: DType) -> Result<impl Iterator<Item = i128> + '_> {
    match values.iter().find(|x| x.fract() != 0.0 || !x.is_finite()) {
        Some(x) => Err(Error::Host(format!("{x} is not a whole number and cannot become {dtype}"))),
        None => Ok(values.iter().map(|&x| x as i128)),
    }
}

fn integers<T: Element>(values: impl Iterator<Item = i128>, dtype: DType, convert: fn(i128) -> T) -> Result<HostData> {
    let range = match dtype {
        DType::I64 => i128::from(i64::MIN)..=i128::from(i64::MAX),
        DType::I32 => i128::from(i32::MIN)..=i128::from(i32::MAX),
        DType::U32 => 0..=i128::from(u32::MAX),
        _ => 0..=1,
    };
    values
        .map(|x| match range.contains(&x) {
            true => Ok(convert(x)),
            false => Err(Error::Host(format!("{x} overflows {dtype}"))),
        })
        .collect::<Result<Vec<T>>>()
        .map(T::wrap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finite_number_that_overflows_is_refused_and_infinity_passes() {
        let big = HostArray::new([2], vec![1e300, 1.0]).unwrap();
        assert_eq!(big.cast(DType::F32).unwrap_err().to_string(), "1e300 overflows f32");
        let inf = HostArray::scalar(f64::INFINITY).cast(DType::F32).unwrap();
        assert_eq!(inf.values::<f32>().unwrap(), [f32::INFINITY]);
    }

    #[test]
    fn a_number_beside_a_tie_of_a_narrow_type_is_rounded_once() {
        let above = |tie: f64| HostArray::new([2], vec![tie, tie + 2f64.powi(-40)]).unwrap();
        let half = above(1.0 + 2f64.powi(-11)).cast(DType::F16).unwrap();
        assert_eq!(half.to_f64(), [1.0, 1.0 + 2f64.powi(-10)]);
        let brain = above(1.0 + 2f64.powi(-8)).cast(DType::BF16).unwrap();
        assert_eq!(brain.to_f64(), [1.0, 1.0 + 2f64.powi(-7)]);
        let tiny = HostArray::new([3], vec![-1e-300, 65520.0 - 1e-9, f64::NEG_INFINITY]).unwrap();
        assert_eq!(tiny.cast(DType::F16).unwrap().to_f64(), [0.0, 65504.0, f64::NEG_INFINITY]);
        assert!(HostArray::scalar(65520.0).cast(DType::F16).is_err());
    }

    #[test]
    fn only_whole_numbers_in_range_become_integers() {
        assert!(HostArray::scalar(1.5).cast(DType::I32).is_err());
        assert!(HostArray::scalar(f64::NAN).cast(DType::I32).is_err());
        assert!(HostArray::scalar(i64::MAX).cast(DType::I32).is_err());
        assert!(HostArray::scalar(-1i64).cast(DType::U32).is_err());
        assert!(HostArray::scalar(2i32).cast(DType::Bool).is_err());
        assert_eq!(HostArray::scalar(7.0).cast(DType::I32).unwrap(), HostArray::scalar(7i32));
    }

    #[test]
    fn transposing_exchanges_the_axes() {
        let a = HostArray::new([2, 3], vec![1, 2, 3, 4, 5, 6]).unwrap();
        assert_eq!(a.transposed().unwrap(), HostArray::new([3, 2], vec![1, 4, 2, 5, 3, 6]).unwrap());
        assert!(HostArray::scalar(1i32).transposed().is_err());
    }
}
