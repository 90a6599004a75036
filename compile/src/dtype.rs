//! Element types, and the Rust types that carry them on the host.

use std::fmt;

use half::{bf16, f16};

/// The type of a tensor's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DType {
    /// IEEE double precision.
    F64,
    /// IEEE single precision.
    F32,
    /// IEEE half precision: storage and conversions.
    F16,
    /// The upper half of an f32: storage and conversions.
    BF16,
    /// Signed 64-bit integer.
    I64,
    /// Signed 32-bit integer.
    I32,
    /// Unsigned 32-bit integer.
    U32,
    /// Truth value, one byte on the host.
    Bool,
}

impl DType {
    /// Every element type.
    pub const ALL: [DType; 8] =
        [DType::F64, DType::F32, DType::F16, DType::BF16, DType::I64, DType::I32, DType::U32, DType::Bool];

    /// The name used in printed graphs and messages: `f32`, `i64`, `bool`.
    pub fn name(self) -> &'static str {
        match self {
            DType::F64 => "f64",
            DType::F32 => "f32",
            DType::F16 => "f16",
            DType::BF16 => "bf16",
            DType::I64 => "i64",
            DType::I32 => "i32",
            DType::U32 => "u32",
            DType::Bool => "bool",
        }
    }

    /// The element type that [`name`](Self::name) writes as `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dtype| dtype.name() == name)
    }

    /// The element type's name in MLIR: `ui32` for [`U32`](Self::U32), `i1` for [`Bool`](Self::Bool).
    pub fn mlir(self) -> &'static str {
        match self {
            DType::U32 => "ui32",
            DType::Bool => "i1",
            other => other.name(),
        }
    }

    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            DType::F64 | DType::I64 => 8,
            DType::F32 | DType::I32 | DType::U32 => 4,
            DType::F16 | DType::BF16 => 2,
            DType::Bool => 1,
        }
    }

    /// True for f64, f32, f16 and bf16.
    pub fn is_float(self) -> bool {
        matches!(self, DType::F64 | DType::F32 | DType::F16 | DType::BF16)
    }

    /// True for i64, i32 and u32.
    pub fn is_integer(self) -> bool {
        matches!(self, DType::I64 | DType::I32 | DType::U32)
    }

    /// The integer type of the same width, where there is one: what `bitcast` turns a float into.
    pub fn bits_type(self) -> Option<DType> {
        match self {
            DType::F64 | DType::I64 => Some(DType::I64),
            DType::F32 | DType::I32 | DType::U32 => Some(DType::I32),
            DType::F16 | DType::BF16 | DType::Bool => None,
        }
    }

    /// The unit roundoff of a float type (half the distance from 1 to the next number), else 0.
    pub fn unit_roundoff(self) -> f64 {
        match self {
            DType::F64 => f64::EPSILON / 2.0,
            DType::F32 => f64::from(f32::EPSILON) / 2.0,
            DType::F16 => f16::EPSILON.to_f64() / 2.0,
            DType::BF16 => bf16::EPSILON.to_f64() / 2.0,
            _ => 0.0,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A Rust type that holds one element of a tensor.
pub trait Element: Copy + Default + PartialEq + fmt::Debug + Send + Sync + 'static + sealed::Storage {
    /// The element type on the device.
    const DTYPE: DType;
}

pub(crate) mod sealed {
    use crate::host::HostData;

    /// How an element's vectors move in and out of [`HostData`].
    pub trait Storage: Sized {
        fn wrap(values: Vec<Self>) -> HostData;
        fn unwrap(data: HostData) -> Option<Vec<Self>>;
        fn slice(data: &HostData) -> Option<&[Self]>;
        fn slice_mut(data: &mut HostData) -> Option<&mut [Self]>;
    }
}

macro_rules! elements {
    ($($rust:ty => $variant:ident),*) => {$(
        impl Element for $rust {
            const DTYPE: DType = DType::$variant;
        }
        impl sealed::Storage for $rust {
            fn wrap(values: Vec<Self>) -> crate::host::HostData {
                crate::host::HostData::$variant(values)
            }
            fn unwrap(data: crate::host::HostData) -> Option<Vec<Self>> {
                match data {
                    crate::host::HostData::$variant(values) => Some(values),
                    _ => None,
                }
            }
            fn slice(data: &crate::host::HostData) -> Option<&[Self]> {
                match data {
                    crate::host::HostData::$variant(values) => Some(values),
                    _ => None,
                }
            }
            fn slice_mut(data: &mut crate::host::HostData) -> Option<&mut [Self]> {
                match data {
                    crate::host::HostData::$variant(values) => Some(values),
                    _ => None,
                }
            }
        }
    )*};
}

elements!(f64 => F64, f32 => F32, f16 => F16, bf16 => BF16, i64 => I64, i32 => I32, u32 => U32, bool => Bool);
