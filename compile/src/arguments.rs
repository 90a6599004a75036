//! What a compiled function may be called with, and what it may return to: the numerical types of Rust.

use faer::{Mat, MatRef};
use ndarray::{ArrayBase, ArrayViewD, Data, Dimension, IxDyn};

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

impl<T: Element> Strided for ArrayViewD<'_, T> {
    fn ty(&self) -> TensorType {
        TensorType::new(T::DTYPE, self.shape())
    }

    fn upload(&self, device: &Device) -> Result<Buffer> {
        // SAFETY: the view is alive, and its shape and strides describe memory that it may read.
        unsafe { device.upload_strided(self.as_ptr(), self.shape(), self.strides()) }
    }
}

impl<T: Element> Strided for MatRef<'_, T> {
    fn ty(&self) -> TensorType {
        TensorType::new(T::DTYPE, [self.nrows(), self.ncols()])
    }

    fn upload(&self, device: &Device) -> Result<Buffer> {
        // SAFETY: as above.
        unsafe {
            device.upload_strided(self.as_ptr(), &[self.nrows(), self.ncols()], &[self.row_stride(), self.col_stride()])
        }
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

impl<'a, T: Element> Takes<'a> for &'a [T] {
    fn input(self) -> Input<'a> {
        Input::Strided(Box::new(ndarray::ArrayView1::from(self).into_dyn()))
    }
}

impl<'a, T: Element> Takes<'a> for &'a Vec<T> {
    fn input(self) -> Input<'a> {
        self.as_slice().input()
    }
}

impl<'a, S: Data<Elem: Element>, D: Dimension> Takes<'a> for &'a ArrayBase<S, D> {
    fn input(self) -> Input<'a> {
        Input::Strided(Box::new(self.view().into_dyn()))
    }
}

impl<'a, T: Element> Takes<'a> for &'a Mat<T> {
    fn input(self) -> Input<'a> {
        Input::Strided(Box::new(self.as_ref()))
    }
}

impl<'a, T: Element> Takes<'a> for MatRef<'a, T> {
    fn input(self) -> Input<'a> {
        Input::Strided(Box::new(self))
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

/// The arguments of a call: one value, or a tuple of values, or a slice of host arrays or buffers.
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

/// An array of any number of axes, flat in row-major order.
impl<T: Element> Returns for Vec<T> {
    fn from_buffer(buffer: Buffer) -> Result<Self> {
        buffer.to_host()?.into_values()
    }
}

impl<T: Element, D: Dimension> Returns for ndarray::Array<T, D> {
    fn from_buffer(buffer: Buffer) -> Result<Self> {
        let ty = buffer.ty().clone();
        let values = buffer.to_host()?.into_values::<T>()?;
        let array = ndarray::Array::from_shape_vec(IxDyn(&ty.shape), values)
            .map_err(|e| Error::Host(format!("{ty} cannot become an array: {e}")))?;
        let wanted = D::NDIM.unwrap_or(ty.ndim());
        array
            .into_dimensionality()
            .map_err(|_| Error::Host(format!("the result {ty} has {} axes, the caller's array {wanted}", ty.ndim())))
    }
}

impl<T: Element> Returns for Mat<T> {
    fn from_buffer(buffer: Buffer) -> Result<Self> {
        let ty = buffer.ty().clone();
        let &[rows, cols] = ty.shape.as_slice() else {
            return Err(Error::Host(format!("the result {ty} is no matrix")));
        };
        let values = buffer.to_host()?.into_values::<T>()?;
        Ok(Mat::from_fn(rows, cols, |i, j| values[i * cols + j]))
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
        impl<'a, $($name: Takes<'a>),*> Arguments<'a> for ($($name,)*) {
            fn inputs(self) -> Vec<Input<'a>> {
                let ($($value,)*) = self;
                vec![$($value.input()),*]
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
