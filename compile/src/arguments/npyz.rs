//! `.npy` files by npyz, of either order and byte order.

use std::io;

use half::f16;
use npyz::{AutoSerialize, Deserialize, NpyFile, Order, TypeChar, WriterBuilder};

use crate::dtype::Element;
use crate::error::{Error, Result};
use crate::host::{HostArray, HostData};

/// The file's array; 8 and 16 bit integers become i32.
impl<R: io::Read> TryFrom<NpyFile<R>> for HostArray {
    type Error = Error;

    fn try_from(file: NpyFile<R>) -> Result<Self> {
        let descr = file.dtype();
        let npyz::DType::Plain(ty) = &descr else {
            return Err(Error::Host(format!("a .npy file of records ({}) is no array of numbers", descr.descr())));
        };
        match (ty.type_char(), ty.size_field()) {
            (TypeChar::Float, 8) => read(file, |x: f64| x),
            (TypeChar::Float, 4) => read(file, |x: f32| x),
            (TypeChar::Float, 2) => read(file, |x: f16| x),
            (TypeChar::Int, 8) => read(file, |x: i64| x),
            (TypeChar::Int, 4) => read(file, |x: i32| x),
            (TypeChar::Int, 2) => read(file, |x: i16| i32::from(x)),
            (TypeChar::Int, 1) => read(file, |x: i8| i32::from(x)),
            (TypeChar::Uint, 4) => read(file, |x: u32| x),
            (TypeChar::Uint, 2) => read(file, |x: u16| i32::from(x)),
            (TypeChar::Uint, 1) => read(file, |x: u8| i32::from(x)),
            (TypeChar::Bool, 1) => read(file, |x: bool| x),
            _ => Err(Error::Host(format!("a .npy file has elements of type {}, which no device takes", descr.descr()))),
        }
    }
}

fn read<F: Deserialize, T: Element>(file: NpyFile<impl io::Read>, convert: fn(F) -> T) -> Result<HostArray> {
    let shape: Vec<usize> = file.shape().iter().map(|&size| size as usize).collect();
    let order = file.order();
    let values = file.into_vec::<F>().map_err(|e| Error::Host(format!("a .npy file cannot be read: {e}")))?;
    let values: Vec<T> = values.into_iter().map(convert).collect();
    match order {
        Order::C => HostArray::new(shape, values),
        Order::Fortran => {
            let sources = reversed(&shape);
            HostArray::new(shape, sources.into_iter().map(|at| values[at]).collect())
        }
    }
}

/// Where each element, in row-major order, stands in column-major order.
fn reversed(shape: &[usize]) -> Vec<usize> {
    let place = |mut index: usize| {
        let (mut position, mut step) = (0, shape.iter().product::<usize>());
        for &size in shape.iter().rev() {
            step /= size;
            position += index % size * step;
            index /= size;
        }
        position
    };
    (0..shape.iter().product()).map(place).collect()
}

impl HostArray {
    /// Writes the array as numpy.save would: little-endian, row-major. bf16, which numpy lacks, is written as f32.
    ///
    /// # Errors
    /// What the writer reports.
    pub fn write_npy(&self, writer: impl io::Write) -> io::Result<()> {
        match self.data() {
            HostData::F64(v) => write(writer, self.shape(), v.iter().copied()),
            HostData::F32(v) => write(writer, self.shape(), v.iter().copied()),
            HostData::F16(v) => write(writer, self.shape(), v.iter().copied()),
            HostData::BF16(v) => write(writer, self.shape(), v.iter().map(|x| x.to_f32())),
            HostData::I64(v) => write(writer, self.shape(), v.iter().copied()),
            HostData::I32(v) => write(writer, self.shape(), v.iter().copied()),
            HostData::U32(v) => write(writer, self.shape(), v.iter().copied()),
            HostData::Bool(v) => write(writer, self.shape(), v.iter().copied()),
        }
    }
}

fn write<T: AutoSerialize>(
    writer: impl io::Write,
    shape: &[usize],
    values: impl IntoIterator<Item = T>,
) -> io::Result<()> {
    let shape: Vec<u64> = shape.iter().map(|&size| size as u64).collect();
    let mut npy = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(writer).begin_nd()?;
    npy.extend(values)?;
    npy.finish()
}
