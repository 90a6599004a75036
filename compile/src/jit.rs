//! `jit`: a Rust function, traced and compiled once per input signature, called with host arrays or buffers.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::arguments::{Arguments, Input, Results};
use crate::error::Result;
use crate::graph::{Graph, TensorType};
use crate::native::Lowering;
use crate::pjrt::{Buffer, Device, Executable};
use crate::stablehlo::{Module, module};
use crate::trace::trace;
use crate::tree::Tree;

/// A function over tensors that runs compiled. Made by [`jit`].
pub struct Jit<F, I, O> {
    f: F,
    device: OnceLock<Device>,
    executables: Mutex<HashMap<Signature, Arc<Mutex<Option<Executable>>>>>,
    compilations: AtomicUsize,
    types: PhantomData<fn(I) -> O>,
}

/// The arguments' types, and which of them are given up.
type Signature = Vec<(TensorType, bool)>;

/// Makes a traced function callable: at the first call with arguments of certain types it is traced and compiled for
/// the device, and from then on the compiled program runs.
///
/// ```
/// use tandem_compile::{Tensor, jit};
///
/// let hypotenuse = jit(|(a, b): (Tensor, Tensor)| (a.square() + b.square()).sqrt());
/// let c: Vec<f64> = hypotenuse.call((&[3.0, 5.0][..], &[4.0, 12.0][..]))?;
/// assert_eq!(c, [5.0, 13.0]);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
pub fn jit<I: Tree, O: Tree, F: Fn(I) -> O>(f: F) -> Jit<F, I, O> {
    Jit {
        f,
        device: OnceLock::new(),
        executables: Mutex::default(),
        compilations: AtomicUsize::new(0),
        types: PhantomData,
    }
}

impl<I: Tree, O: Tree, F: Fn(I) -> O> Jit<F, I, O> {
    /// Runs on `device` instead of [`Device::default`].
    pub fn on(self, device: &Device) -> Self {
        Self { device: OnceLock::from(device.clone()), executables: Mutex::default(), ..self }
    }

    /// Runs the function. `arguments` is one argument or a tuple, nested or not: references to arrays of ndarray, matrices
    /// and vectors of faer and nalgebra, sparse matrices of sprs, slices, [`HostArray`](crate::HostArray)s, numbers, or
    /// [`Buffer`]s, which are lent by reference and given up by value. (What is of another crate needs the feature of its
    /// name.) Whatever lies in memory is copied once, to the device, in any order of memory.
    /// What comes back is what the caller's type asks for: host arrays, or buffers that stay on the device.
    ///
    /// # Errors
    /// What tracing, compiling or running reports, or results that the caller's type cannot hold.
    #[track_caller]
    pub fn call<'a, R: Results>(&self, arguments: impl Arguments<'a>) -> Result<R> {
        let inputs = arguments.inputs();
        let executable = self.executable(&inputs)?;
        let device = self.device()?;
        let placed: Vec<_> = inputs.into_iter().map(|input| input.place(device)).collect::<Result<_>>()?;
        R::from_buffers(executable.execute(placed)?)
    }

    /// Traces the function for these arguments and lowers it, without running it.
    ///
    /// # Errors
    /// The first ill-typed operation.
    #[track_caller]
    pub fn lower<'a>(&self, arguments: impl Arguments<'a>) -> Result<Lowered> {
        let signature = signature(&arguments.inputs());
        self.trace(&signature)
    }

    /// How many programs have been compiled so far: one per signature.
    pub fn compilations(&self) -> usize {
        self.compilations.load(Ordering::Relaxed)
    }

    #[track_caller]
    fn trace(&self, signature: &Signature) -> Result<Lowered> {
        let types: Vec<TensorType> = signature.iter().map(|(ty, _)| ty.clone()).collect();
        let donated = signature.iter().map(|&(_, donated)| donated).collect();
        Ok(Lowered { graph: trace(&self.f, &types)?, donated })
    }

    fn device(&self) -> Result<&Device> {
        if let Some(device) = self.device.get() {
            return Ok(device);
        }
        // Two threads may both look for it; they find the same.
        let device = Device::default()?;
        Ok(self.device.get_or_init(|| device))
    }

    #[track_caller]
    fn executable(&self, inputs: &[Input<'_>]) -> Result<Executable> {
        let signature = signature(inputs);
        let place = {
            let mut executables = self.executables.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(executables.entry(signature.clone()).or_default())
        };
        // Held while compiling, so that threads that call at the same time compile once; other signatures go on.
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(executable) = place.as_ref() {
            return Ok(executable.clone());
        }
        let device = self.device()?;
        let executable = device.compile_module(&self.trace(&signature)?.module(device.lowering()))?;
        self.compilations.fetch_add(1, Ordering::Relaxed);
        Ok(place.insert(executable).clone())
    }
}

fn signature(inputs: &[Input<'_>]) -> Signature {
    inputs.iter().map(|input| (input.ty(), matches!(input, Input::Donated(_)))).collect()
}

/// A traced function on its way to the compiler.
#[derive(Debug, Clone)]
pub struct Lowered {
    graph: Graph,
    donated: Vec<bool>,
}

impl Lowered {
    /// The traced graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The text of the portable module: what a device with [`Lowering::Portable`] is given.
    pub fn stablehlo(&self) -> String {
        self.module(Lowering::Portable).text
    }

    /// The module that a device with that lowering is given.
    pub fn module(&self, lowering: Lowering) -> Module {
        module(&self.graph, "main", &self.donated, lowering)
    }
}

impl Graph {
    /// Compiles the graph for `device`, lowered as the device says ([`Device::lowering`]).
    ///
    /// # Errors
    /// What the plugin reports.
    pub fn compile(&self, device: &Device) -> Result<Executable> {
        device.compile_module(&module(self, "main", &[], device.lowering()))
    }

    /// The graph as the text of a portable StableHLO module.
    pub fn stablehlo(&self) -> String {
        module(self, "main", &[], Lowering::Portable).text
    }
}

impl Executable {
    /// Uploads the arguments to `device`, runs, and reads all results back.
    ///
    /// # Errors
    /// What the plugin reports.
    pub fn run(&self, device: &Device, arguments: &[crate::HostArray]) -> Result<Vec<crate::HostArray>> {
        let buffers: Vec<Buffer> = arguments.iter().map(|a| device.upload(a)).collect::<Result<_>>()?;
        self.execute(&buffers)?.iter().map(Buffer::to_host).collect()
    }
}
