//! placeholder
use crate::dtype::DType;
use std::fmt;
/// The element type and shape of a tensor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TensorType {
    /// Element type.
    pub dtype: DType,
    /// Size of every axis.
    pub shape: Vec<usize>,
}
impl TensorType {
    /// A type from its parts.
    pub fn new(dtype: DType, shape: impl Into<Vec<usize>>) -> Self {
        Self { dtype, shape: shape.into() }
    }
    /// The number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }
}
impl fmt::Display for TensorType {
    /// `f32[8,4]`, and `f32[]` for a scalar.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[", self.dtype)?;
        for (axis, size) in self.shape.iter().enumerate() {
            if axis > 0 { f.write_str(",")?; }
            write!(f, "{size}")?;
        }
        f.write_str("]")
    }
}
