//! What a compiled function may be called with, and what it may return to: the numerical types of Rust.

#[cfg(feature = "faer")]
mod faer;
#[cfg(feature = "nalgebra")]
mod nalgebra;
#[cfg(feature = "ndarray")]
mod ndarray;
#[cfg(feature = "npyz")]
mod npyz;
#[cfg(feature = "safetensors")]
mod safetensors;
#[cfg(feature = "sprs")]
mod sprs;

use crate::dtype::Element;
use crate::error::{Error, Result};
use crate::graph::TensorType;
use crate::host::HostArray;
use crate::pjrt::{Argument, Buffer, Device};

/// One argument, not yet on the device.
pub enum Input<'a> {
    /// A buffer that stays as it is.
    Borrowed(&'a Buffer),
    /// A buffer whose memory the program may reuse.
    Donated(Buffer),
    /// An array in host memory.
    Host(&'a HostArray),
    /// A number.
    Owned(HostArray),
    /// An array in somebody else's memory, in any order.
    Strided(Box<dyn Strided + 'a>),
}

/// An array in host memory with steps of its own, as ndarray and faer have them.
pub trait Strided {
    /// Element type and shape.
    fn ty(&self) -> TensorType;

    /// Copies the array to the device.
    ///
    /// # Errors
    /// What the plugin reports.
    fn upload(&self, device: &Device) -> Result<Buffer>;
}

impl<'a> Input<'a> {
    pub(crate) fn ty(&self) -> TensorType {
        match self {
            Input::Borrowed(buffer) => buffer.ty().clone(),
            Input::Donated(buffer) => buffer.ty().clone(),
            Input::Host(array) => array.ty(),
            Input::Owned(array) => array.ty(),
            Input::Strided(view) => view.ty(),
        }
    }

    pub(crate) fn place(self, device: &Device) -> Result<Argument<'a>> {
        Ok(match self {
            Input::Borrowed(buffer) => Argument::Borrowed(buffer),
            Input::Donated(buffer) => Argument::Donated(buffer),
            // An upload of this call's own: nobody else sees the buffer, but its memory is not marked for reuse.
            Input::Host(array) => Argument::Donated(device.upload(array)?),
            Input::Owned(array) => Argument::Donated(device.upload(&array)?),
            Input::Strided(view) => Argument::Donated(view.upload(device)?),
        })
    }
}

/// A value that a compiled function takes.
pub trait Takes<'a> {
    /// The value on its way to the device.
    fn input(self) -> Input<'a>;
}

impl<'a> Takes<'a> for &'a Buffer {
    fn input(self) -> Input<'a> {
        Input::Borrowed(self)
    }
}

impl<'a> Takes<'a> for Buffer {
    fn input(self) -> Input<'a> {
        Input::Donated(self)
    }
}

impl<'a> Takes<'a> for &'a HostArray {
    fn input(self) -> Input<'a> {
        Input::Host(self)
    }
}

impl<T: Element> Strided for &[T] {
    fn ty(&self) -> TensorType {
        TensorType::new(T::DTYPE, [self.len()])
    }

    fn upload(&self, device: &Device) -> Result<Buffer> {
        device.upload_slice(self, &[self.len()])
    }
}

impl<'a, T: Element> Takes<'a> for &'a [T] {
    fn input(self) -> Input<'a> {
        Input::Strided(Box::new(self))
    }
}

impl<'a, T: Element, const N: usize> Takes<'a> for &'a [T; N] {
    fn input(self) -> Input<'a> {
        self.as_slice().input()
    }
}

impl<'a, T: Element> Takes<'a> for &'a Vec<T> {
    fn input(self) -> Input<'a> {
        self.as_slice().input()
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl<'a> Takes<'a> for $number {
            fn input(self) -> Input<'a> {
                Input::Owned(HostArray::scalar(self))
            }
        }
    )*};
}

numbers!(f64, f32, i64, i32, u32, bool);

/// The arguments of a call: one value, a sparse matrix, a slice of host arrays or buffers, or a tuple of such.
pub trait Arguments<'a> {
    /// The arguments in order.
    fn inputs(self) -> Vec<Input<'a>>;
}

impl<'a, T: Takes<'a>> Arguments<'a> for T {
    fn inputs(self) -> Vec<Input<'a>> {
        vec![self.input()]
    }
}

/// No arguments, for a function of `()`.
impl<'a> Arguments<'a> for () {
    fn inputs(self) -> Vec<Input<'a>> {
        Vec::new()
    }
}

impl<'a> Arguments<'a> for &'a [HostArray] {
    fn inputs(self) -> Vec<Input<'a>> {
        self.iter().map(Takes::input).collect()
    }
}

impl<'a> Arguments<'a> for &'a [Buffer] {
    fn inputs(self) -> Vec<Input<'a>> {
        self.iter().map(Takes::input).collect()
    }
}

/// A value that a compiled function returns to.
pub trait Returns: Sized {
    /// Reads the value back, or takes the buffer as it is.
    ///
    /// # Errors
    /// When the buffer's dtype or number of axes is another, or its computation failed.
    fn from_buffer(buffer: Buffer) -> Result<Self>;
}

impl Returns for Buffer {
    fn from_buffer(buffer: Buffer) -> Result<Self> {
        Ok(buffer)
    }
}

impl Returns for HostArray {
    fn from_buffer(buffer: Buffer) -> Result<Self> {
        buffer.to_host()
    }
}

/// An array of one axis.
impl<T: Element, const N: usize> Returns for [T; N] {
    fn from_buffer(buffer: Buffer) -> Result<Self> {
        let ty = buffer.ty().clone();
        let values: Vec<T> = buffer.to_host()?.into_values()?;
        let wrong = || Error::Host(format!("the result {ty} is no {}[{N}]", T::DTYPE));
        if ty.ndim() == 1 { values.try_into().map_err(|_| wrong()) } else { Err(wrong()) }
    }
}

/// An array of any number of axes, flat in row-major order.
impl<T: Element> Returns for Vec<T> {
    fn from_buffer(buffer: Buffer) -> Result<Self> {
        buffer.to_host()?.into_values()
    }
}

macro_rules! number_results {
    ($($number:ty),*) => {$(
        impl Returns for $number {
            fn from_buffer(buffer: Buffer) -> Result<Self> {
                let ty = buffer.ty().clone();
                let values = buffer.to_host()?.into_values::<$number>()?;
                match values.as_slice() {
                    &[value] if ty.ndim() == 0 => Ok(value),
                    _ => Err(Error::Host(format!("the result {ty} is no single {}", <$number as Element>::DTYPE))),
                }
            }
        }
    )*};
}

number_results!(f64, f32, i64, i32, u32, bool);

/// The results of a call: one value, a tuple of values, or all of them in a vector.
pub trait Results: Sized {
    /// Takes the results in order.
    ///
    /// # Errors
    /// When their number or types are others.
    fn from_buffers(buffers: Vec<Buffer>) -> Result<Self>;
}

impl<T: Returns> Results for T {
    fn from_buffers(buffers: Vec<Buffer>) -> Result<Self> {
        let [buffer] = expect(buffers)?;
        T::from_buffer(buffer)
    }
}

impl Results for Vec<HostArray> {
    fn from_buffers(buffers: Vec<Buffer>) -> Result<Self> {
        buffers.iter().map(Buffer::to_host).collect()
    }
}

impl Results for Vec<Buffer> {
    fn from_buffers(buffers: Vec<Buffer>) -> Result<Self> {
        Ok(buffers)
    }
}

fn expect<const N: usize>(buffers: Vec<Buffer>) -> Result<[Buffer; N]> {
    let count = buffers.len();
    buffers
        .try_into()
        .map_err(|_| Error::Host(format!("the function returns {count} results, the caller asks for {N}")))
}

macro_rules! tuples {
    ($(($count:literal $($name:ident $value:ident),*))*) => {$(
        impl<'a, $($name: Arguments<'a>),*> Arguments<'a> for ($($name,)*) {
            fn inputs(self) -> Vec<Input<'a>> {
                let ($($value,)*) = self;
                let mut inputs = Vec::new();
                $(inputs.extend($value.inputs());)*
                inputs
            }
        }

        impl<$($name: Returns),*> Results for ($($name,)*) {
            fn from_buffers(buffers: Vec<Buffer>) -> Result<Self> {
                let [$($value),*] = expect::<$count>(buffers)?;
                Ok(($($name::from_buffer($value)?,)*))
            }
        }
    )*};
}

tuples! {
    (1 A a)
    (2 A a, B b)
    (3 A a, B b, C c)
    (4 A a, B b, C c, D d)
    (5 A a, B b, C c, D d, E e)
    (6 A a, B b, C c, D d, E e, F f)
    (7 A a, B b, C c, D d, E e, F f, G g)
    (8 A a, B b, C c, D d, E e, F f, G g, H h)
}
