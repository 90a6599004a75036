//! Native kernels: Rust functions that compiled programs call where the platform's compiler has nothing as fast.
//!
//! A [`kernel`](crate::kernel) is a function with a graph of its own, which runs everywhere, and a [`HostKernel`] beside
//! it, which the CPU calls through XLA's foreign function interface. [`Lowering`] says which of the two a program gets.

mod frame;
pub(crate) mod product;

use std::fmt;
use std::marker::PhantomData;

use crate::dtype::{DType, Element};
use crate::graph::TensorType;
use frame::{Array, List};

pub(crate) use frame::Function;

/// Which lowering a program gets where there are two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Lowering {
    /// StableHLO operations alone: the same program on every platform, and what is verified.
    #[default]
    Portable,
    /// Kernels of the platform's own, where there are any.
    Native,
}

impl Lowering {
    /// The names by which users choose.
    pub const NAMES: [(&'static str, Self); 2] = [("portable", Self::Portable), ("native", Self::Native)];
}

impl fmt::Display for Lowering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(_, lowering)| lowering == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

/// A function on host arrays that a compiled program on the CPU can call. Arguments and results are row-major; either
/// may be empty. Leading axes beyond those of one problem are many problems.
pub trait HostKernel: 'static {
    /// The name in the program, unique in the process.
    const NAME: &'static str;

    /// Computes the results from the arguments.
    ///
    /// # Errors
    /// What kept it from doing so: the program's execution reports it.
    fn run(call: &mut Call<'_>) -> Result<(), String>;
}

/// A kernel by name, as programs refer to it.
#[derive(Clone, Copy)]
pub struct Handler {
    name: &'static str,
    function: Function,
}

impl Handler {
    /// The handler that runs `K`.
    pub const fn of<K: HostKernel>() -> Self {
        Self { name: K::NAME, function: frame::handler::<K> }
    }

    /// The kernel's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn function(&self) -> Function {
        self.function
    }
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handler({})", self.name)
    }
}

/// One call of a kernel: its arguments and results.
pub struct Call<'a> {
    arguments: Vec<View>,
    results: Vec<View>,
    /// Which results have been handed out to be written.
    taken: Vec<bool>,
    frame: PhantomData<&'a Array>,
}

/// An array of a call.
struct View {
    ty: TensorType,
    data: *mut std::ffi::c_void,
}

impl<'a> Call<'a> {
    /// # Safety
    /// The lists are those of a frame, and outlive `'a`.
    unsafe fn new(arguments: &List, results: &List) -> Result<Self, String> {
        // SAFETY: passed on to the caller.
        let (arguments, results) = unsafe { (views(arguments)?, views(results)?) };
        let taken = vec![false; results.len()];
        Ok(Self { arguments, results, taken, frame: PhantomData })
    }

    /// The type of argument `at`.
    ///
    /// # Panics
    /// Where there are fewer.
    pub fn argument_type(&self, at: usize) -> &TensorType {
        &self.arguments[at].ty
    }

    /// The type of result `at`.
    ///
    /// # Panics
    /// Where there are fewer.
    pub fn result_type(&self, at: usize) -> &TensorType {
        &self.results[at].ty
    }

    /// The elements of argument `at`.
    ///
    /// # Errors
    /// Where there are fewer arguments, or its elements are others.
    pub fn argument<T: Element>(&self, at: usize) -> Result<&'a [T], String> {
        let view = checked::<T>(&self.arguments, at)?;
        // SAFETY: XLA's buffers hold what their types say, are aligned for it, and outlive the call.
        Ok(unsafe { elements(view.data, view.ty.len()) })
    }

    /// The elements of result `at`, to be written; they are handed out once.
    ///
    /// # Errors
    /// Where there are fewer results, its elements are others, or they have been handed out.
    pub fn result<T: Element>(&mut self, at: usize) -> Result<&'a mut [T], String> {
        let view = checked::<T>(&self.results, at)?;
        if std::mem::replace(&mut self.taken[at], true) {
            return Err(format!("result {at} asked for twice"));
        }
        // SAFETY: as in `argument`; no result overlaps another array, and nobody else writes this one.
        Ok(unsafe { elements_mut(view.data, view.ty.len()) })
    }
}

/// How many threads are worth so many multiplications: one, or as many as there are (`PJRT_NPROC`, as for the plugin, or
/// the machine's).
pub fn parallelism(multiplications: usize) -> faer::Par {
    const FEWEST: usize = 1 << 18;
    let threads = || std::env::var("PJRT_NPROC").ok().and_then(|count| count.parse().ok()).unwrap_or(0);
    match multiplications < FEWEST || threads() == 1 {
        true => faer::Par::Seq,
        false => faer::Par::rayon(threads()),
    }
}

fn checked<T: Element>(views: &[View], at: usize) -> Result<&View, String> {
    let view = views.get(at).ok_or_else(|| format!("array {at} of {} asked for", views.len()))?;
    match view.ty.dtype == T::DTYPE {
        true => Ok(view),
        false => Err(format!("{} expected, got {}", T::DTYPE, view.ty)),
    }
}

unsafe fn views(list: &List) -> Result<Vec<View>, String> {
    // SAFETY: the list holds `size` pointers to arrays, each with `ndim` sizes.
    unsafe {
        (0..list.size as usize)
            .map(|at| {
                let array = &**list.arrays.add(at);
                let sizes = (0..array.ndim as usize).map(|axis| *array.shape.add(axis) as usize);
                let ty = TensorType::new(dtype(array.dtype)?, sizes.collect::<Vec<_>>());
                Ok(View { ty, data: array.data })
            })
            .collect()
    }
}

/// The element type of that number in `xla_data.proto`.
fn dtype(number: std::ffi::c_int) -> Result<DType, String> {
    match number {
        1 => Ok(DType::Bool),
        4 => Ok(DType::I32),
        5 => Ok(DType::I64),
        8 => Ok(DType::U32),
        11 => Ok(DType::F32),
        12 => Ok(DType::F64),
        other => Err(format!("kernels take f32, f64, i32, i64, u32 and bool, not XLA's element type {other}")),
    }
}

unsafe fn elements<'a, T>(data: *const std::ffi::c_void, len: usize) -> &'a [T] {
    // SAFETY: passed on to the caller; nothing is read where there is nothing.
    if len == 0 { &[] } else { unsafe { std::slice::from_raw_parts(data.cast(), len) } }
}

unsafe fn elements_mut<'a, T>(data: *mut std::ffi::c_void, len: usize) -> &'a mut [T] {
    // SAFETY: as above.
    if len == 0 { &mut [] } else { unsafe { std::slice::from_raw_parts_mut(data.cast(), len) } }
}
