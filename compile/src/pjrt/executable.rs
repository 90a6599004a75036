//! Executables: compiled programs, ready to run.

use std::ffi::c_char;
use std::fmt;
use std::sync::Arc;

use super::buffer::{Buffer, Handle};
use super::client::Client;
use super::device::Device;
use super::raw;
use super::signature::parameters;
use crate::error::{Error, Result};
use crate::graph::TensorType;
use crate::stablehlo::Module;

/// A `CompileOptionsProto` in protobuf's encoding.
///
/// `executable_build_options { device_ordinal: -1, num_replicas: 1, num_partitions: 1 }`: the default device, one copy
/// of the program on it. `env_option_overrides`: both `fast_min_max` off, as JAX has them; by default XLA's maximum
/// and minimum may lose a NaN.
pub(super) const COMPILE_OPTIONS: &[u8] = b"\
    \x1a\x0f\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x20\x01\x28\x01\
    \x3a\x21\x0a\x1bxla_cpu_enable_fast_min_max\x12\x02\x10\x00\
    \x3a\x21\x0a\x1bxla_gpu_enable_fast_min_max\x12\x02\x10\x00";

/// The options above, and the order to write the compiler's stages as text into `folder`.
fn dump_options(folder: &str) -> Vec<u8> {
    // Protobuf writes the length of a field in groups of seven bits.
    let field = |tag: u8, content: &[u8]| {
        let len = content.len();
        let size = if len < 128 { vec![len as u8] } else { vec![len as u8 | 128, (len >> 7) as u8] };
        [&[tag], size.as_slice(), content].concat()
    };
    let option = |name: &str, value: &[u8]| field(0x3a, &[field(0x0a, name.as_bytes()), field(0x12, value)].concat());
    let to = option("xla_dump_to", &field(0x0a, folder.as_bytes()));
    let as_text = option("xla_dump_hlo_as_text", &[0x10, 1]);
    [COMPILE_OPTIONS, &to, &as_text].concat()
}

/// A program compiled for a device. Cheap to clone, and may run in several threads at once.
#[derive(Clone)]
pub struct Executable {
    loaded: Arc<Loaded>,
}

struct Loaded {
    client: &'static Client,
    raw: *mut raw::LoadedExecutable,
    outputs: usize,
    /// What the program takes, if its text says so in a form that we read; else the plugin checks alone.
    parameters: Option<Vec<TensorType>>,
}

// SAFETY: a PJRT executable may be used from any thread, by PJRT's contract.
unsafe impl Send for Loaded {}
// SAFETY: as above.
unsafe impl Sync for Loaded {}

impl Drop for Loaded {
    fn drop(&mut self) {
        let args = raw::LoadedExecutableDestroy { executable: self.raw, ..raw::LoadedExecutableDestroy::new() };
        // SAFETY: the executable is ours and not used again; a run still under way keeps what it needs.
        unsafe { self.client.api().destroy(args) }
    }
}

/// An argument of a program: lent, or given up.
#[derive(Debug)]
pub enum Argument<'a> {
    /// The buffer stays as it is.
    Borrowed(&'a Buffer),
    /// The program may write a result into the buffer's memory, where its text marks the parameter with
    /// `jax.buffer_donor` or `tf.aliasing_output`.
    Donated(Buffer),
}

impl Argument<'_> {
    fn buffer(&self) -> &Buffer {
        match self {
            Argument::Borrowed(buffer) => buffer,
            Argument::Donated(buffer) => buffer,
        }
    }
}

impl<'a> From<&'a Buffer> for Argument<'a> {
    fn from(buffer: &'a Buffer) -> Self {
        Argument::Borrowed(buffer)
    }
}

impl From<Buffer> for Argument<'_> {
    fn from(buffer: Buffer) -> Self {
        Argument::Donated(buffer)
    }
}

impl Device {
    /// Compiles a StableHLO module, given as text; its function `main` is the program.
    ///
    /// A result whose order in memory the text changes by `mhlo.layout_mode` is read right by
    /// [`Buffer::to_host`], and is no argument for another program.
    ///
    /// # Errors
    /// When the module is malformed or the plugin cannot compile it, in the plugin's words.
    pub fn compile(&self, stablehlo: &str) -> Result<Executable> {
        self.compile_with(stablehlo, COMPILE_OPTIONS)
    }

    /// Compiles a module that may call native kernels, which are registered with the plugin first.
    ///
    /// # Errors
    /// As [`compile`](Self::compile); or that the plugin takes no kernels.
    pub fn compile_module(&self, module: &Module) -> Result<Executable> {
        module.kernels.iter().try_for_each(|kernel| self.client().register(*kernel))?;
        self.compile(&module.text)
    }

    /// What XLA makes of a StableHLO module for this device: its HLO after all optimizations, as text.
    ///
    /// # Errors
    /// As [`compile`](Self::compile); or that the plugin writes no such text, or writes it elsewhere.
    pub fn optimized(&self, stablehlo: &str) -> Result<String> {
        let folder = tempfile::tempdir().map_err(|e| Error::Host(format!("no temporary folder: {e}")))?;
        let dump = dump_options(&folder.path().display().to_string());
        self.compile_with(stablehlo, &dump)?;
        let absent = || Error::Host("the plugin wrote no optimized program as text".into());
        let files = std::fs::read_dir(folder.path()).map_err(|_| absent())?;
        let is_it = |path: &std::path::PathBuf| path.to_string_lossy().ends_with("after_optimizations.txt");
        let file = files.flatten().map(|entry| entry.path()).find(is_it).ok_or_else(absent)?;
        std::fs::read_to_string(file).map_err(|_| absent())
    }

    fn compile_with(&self, stablehlo: &str, options: &[u8]) -> Result<Executable> {
        let client = self.client();
        let program = raw::Program::mlir(stablehlo);
        let mut args = raw::ClientCompile {
            client: client.raw,
            program: &raw const program,
            compile_options: options.as_ptr().cast::<c_char>(),
            compile_options_size: options.len(),
            ..raw::ClientCompile::new()
        };
        // SAFETY: the client lives as long as the process; program and options outlive the call.
        unsafe { client.api().call(&mut args)? };
        // Owned before anything else can fail, so that it is destroyed then.
        let mut loaded = Loaded { client, raw: args.executable, outputs: 0, parameters: parameters(stablehlo) };
        loaded.outputs = loaded.count_outputs()?;
        Ok(Executable { loaded: Arc::new(loaded) })
    }
}

impl Executable {
    /// Starts the program and returns its results, which may still be on their way.
    ///
    /// # Errors
    /// When the arguments are not those that the program takes or live on another device, or when the plugin refuses
    /// to start it. An error of the computation shows when a result is read or waited for.
    pub fn execute<'a>(&self, arguments: impl IntoIterator<Item: Into<Argument<'a>>>) -> Result<Vec<Buffer>> {
        let arguments: Vec<Argument<'a>> = arguments.into_iter().map(Into::into).collect();
        self.loaded.check(&arguments)?;
        self.loaded.execute(&arguments)
    }

    /// The number of results.
    pub fn num_outputs(&self) -> usize {
        self.loaded.outputs
    }
}

impl Loaded {
    fn count_outputs(&self) -> Result<usize> {
        let api = self.client.api();
        let mut get = raw::LoadedExecutableGetExecutable {
            loaded_executable: self.raw,
            ..raw::LoadedExecutableGetExecutable::new()
        };
        // SAFETY: the loaded executable is alive; the executable got from it is destroyed here.
        unsafe {
            api.call(&mut get)?;
            let executable = get.executable;
            let mut count = raw::ExecutableNumOutputs { executable, ..raw::ExecutableNumOutputs::new() };
            let counted = api.call(&mut count);
            api.destroy(raw::ExecutableDestroy { executable, ..raw::ExecutableDestroy::new() });
            counted.map(|()| count.num_outputs)
        }
    }

    fn check(&self, arguments: &[Argument<'_>]) -> Result<()> {
        if arguments.iter().any(|argument| !std::ptr::eq(argument.buffer().handle.client, self.client)) {
            return Err(Error::Host(
                "an argument lives on another device than the program; upload it there".to_owned(),
            ));
        }
        let Some(parameters) = &self.parameters else { return Ok(()) };
        if parameters.len() != arguments.len() {
            let (takes, given) = (parameters.len(), arguments.len());
            return Err(Error::Host(format!("the program takes {takes} arguments, not {given}")));
        }
        for (i, (argument, parameter)) in arguments.iter().zip(parameters).enumerate() {
            let given = argument.buffer().ty();
            if given != parameter {
                return Err(Error::Host(format!("argument {i} of the program is {parameter}, and {given} was given")));
            }
        }
        Ok(())
    }

    fn execute(&self, arguments: &[Argument<'_>]) -> Result<Vec<Buffer>> {
        let inputs: Vec<*mut raw::Buffer> = arguments.iter().map(|argument| argument.buffer().handle.raw).collect();
        let kept: Vec<i64> = (0..)
            .zip(arguments)
            .filter(|(_, argument)| matches!(argument, Argument::Borrowed(_)))
            .map(|(i, _)| i)
            .collect();
        let mut outputs: Vec<*mut raw::Buffer> = vec![std::ptr::null_mut(); self.outputs];
        let (input_list, output_list) = (inputs.as_ptr(), outputs.as_mut_ptr());
        let mut options = raw::ExecuteOptions {
            non_donatable_input_indices: kept.as_ptr(),
            num_non_donatable_input_indices: kept.len(),
            ..raw::ExecuteOptions::new()
        };
        let mut args = raw::LoadedExecutableExecute {
            executable: self.raw,
            options: &raw mut options,
            argument_lists: &raw const input_list,
            num_devices: 1,
            num_args: inputs.len(),
            output_lists: &raw const output_list,
            ..raw::LoadedExecutableExecute::new()
        };
        // SAFETY: executable and buffers are alive; the lists outlive the call, one device long, and the list of
        // outputs is as long as the executable said. No completion event is asked for: the outputs carry their own.
        unsafe { self.client.api().call(&mut args)? };
        // All are owned before the first is asked for its type, so that none leaks when that fails.
        let outputs: Vec<Handle> = outputs.into_iter().map(|raw| Handle { client: self.client, raw }).collect();
        outputs.into_iter().map(Buffer::new).collect()
    }
}

impl fmt::Debug for Executable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Executable({} outputs on {})", self.loaded.outputs, self.loaded.client.platform)
    }
}
