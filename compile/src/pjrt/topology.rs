//! Compiling for hardware that is not there: a plugin that knows its hardware's topology needs none of it to compile.

use std::ffi::c_char;

use super::api::{Api, list, text};
use super::discovery::Environment;
use super::executable::COMPILE_OPTIONS;
use super::hardware::Hardware;
use super::plugin::Plugin;
use super::raw::{self, named_value};
use crate::error::Result;

/// Hardware by its description. It is kept by the plugin as long as this value lives.
#[derive(Debug)]
pub struct Topology {
    plugin: &'static Plugin,
    raw: *mut raw::TopologyDescription,
}

impl Topology {
    /// The hardware as its plugin describes it; the cards of `h200.txt` and `a100.txt` are those that XLA itself describes. libtpu asks
    /// the network which machine this is unless `TPU_SKIP_MDS_QUERY` is 1.
    ///
    /// # Errors
    /// When there is no plugin for it, or it cannot describe this.
    pub fn of(hardware: Hardware) -> Result<Self> {
        let plugin = Plugin::open(Environment::current().locate(hardware.device())?.path)?;
        let (name, options) = hardware.topology();
        Self::new(plugin, name, &options)
    }

    /// The hardware that `plugin` knows by `name`, such as `v5e:2x2` for TPUs, with options of the plugin's own: for CUDA
    /// `topology` and `target_config`, and an empty name.
    ///
    /// # Errors
    /// When the plugin knows no such hardware, or cannot describe any.
    pub fn new(plugin: &'static Plugin, name: &str, options: &[(&str, &str)]) -> Result<Self> {
        let named = |&(name, value): &(&str, &str)| raw::NamedValue {
            name: name.as_ptr().cast(),
            name_size: name.len(),
            kind: named_value::STRING,
            value: raw::Value { string: value.as_ptr().cast() },
            value_size: value.len(),
            ..raw::NamedValue::new()
        };
        let options: Vec<raw::NamedValue> = options.iter().map(named).collect();
        let mut args = raw::TopologyCreate {
            topology_name: name.as_ptr().cast(),
            topology_name_size: name.len(),
            create_options: options.as_ptr(),
            num_options: options.len(),
            ..raw::TopologyCreate::new()
        };
        // SAFETY: the name and the options outlive the call.
        unsafe { plugin.api().call(&mut args)? };
        Ok(Self { plugin, raw: args.topology })
    }

    /// Compiles a StableHLO module for this hardware: what the compiler then knows of the program.
    ///
    /// # Errors
    /// When the module is malformed or the compiler refuses it, in its words.
    pub fn compile(&self, stablehlo: &str) -> Result<Analysis> {
        let program = raw::Program::mlir(stablehlo);
        let mut args = raw::Compile {
            topology: self.raw,
            program: &raw const program,
            compile_options: COMPILE_OPTIONS.as_ptr().cast::<c_char>(),
            compile_options_size: COMPILE_OPTIONS.len(),
            ..raw::Compile::new()
        };
        // SAFETY: the topology is alive; program and options outlive the call.
        unsafe { self.plugin.api().call(&mut args)? };
        let executable = Compiled { api: self.plugin.api(), raw: args.executable };
        Ok(executable.analysis())
    }
}

/// What a compiler says of a program that it has made; `None` where it does not say. The TPU's says all; CUDA's counts no
/// operations.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Analysis {
    /// Arithmetic operations, the body of a loop counted once.
    pub flops: Option<f64>,
    /// Bytes read and written, the body of a loop counted once.
    pub bytes_accessed: Option<f64>,
    /// Bytes of memory at the fullest moment, arguments and results included.
    pub peak_memory: Option<u64>,
    /// Bytes of code; of the whole executable as it is stored (with compressed code) where the plugin does not tell them apart.
    pub code: Option<u64>,
}

/// An executable that cannot run here.
struct Compiled<'a> {
    api: &'a Api,
    raw: *mut raw::Executable,
}

impl Compiled<'_> {
    fn analysis(&self) -> Analysis {
        let memory = self.memory();
        // A plugin that knows no peak says 0; what lives at some time is then no less than this.
        let peak = memory.as_ref().map(|m| match m.peak {
            0 => m.argument + m.output + m.temp - m.alias,
            peak => peak,
        });
        let code =
            memory.map(|m| m.generated_code).filter(|&code| code > 0).or_else(|| self.code()).or_else(|| self.stored());
        let [flops, bytes_accessed] = self.cost();
        let size = |bytes: i64| u64::try_from(bytes).ok();
        Analysis { flops, bytes_accessed, peak_memory: peak.and_then(size), code: code.and_then(size) }
    }

    fn memory(&self) -> Option<raw::ExecutableMemory> {
        let mut args = raw::ExecutableMemory { executable: self.raw, ..raw::ExecutableMemory::new() };
        // SAFETY: the executable is alive.
        unsafe { self.api.call(&mut args) }.ok().map(|()| args)
    }

    fn code(&self) -> Option<i64> {
        let mut args = raw::ExecutableCodeSize { executable: self.raw, ..raw::ExecutableCodeSize::new() };
        // SAFETY: the executable is alive.
        unsafe { self.api.call(&mut args) }.ok().map(|()| args.size_in_bytes).filter(|&size| size > 0)
    }

    /// The size of the executable as it is stored.
    fn stored(&self) -> Option<i64> {
        let mut args = raw::ExecutableSerialize { executable: self.raw, ..raw::ExecutableSerialize::new() };
        // SAFETY: the executable is alive, and what is written is given back once.
        unsafe {
            self.api.call(&mut args).ok()?;
            if let Some(delete) = args.deleter {
                delete(args.owner);
            }
        }
        i64::try_from(args.size).ok()
    }

    /// Flops and bytes accessed.
    fn cost(&self) -> [Option<f64>; 2] {
        let mut args = raw::ExecutableCost { executable: self.raw, ..raw::ExecutableCost::new() };
        // SAFETY: the executable is alive.
        if unsafe { self.api.call(&mut args) }.is_err() {
            return [None; 2];
        }
        // SAFETY: the properties live as long as the executable, and a number's kind says which arm of the union it is.
        let properties = unsafe { list(args.properties, args.num_properties) };
        ["flops", "bytes accessed"].map(|wanted| {
            // SAFETY: a property's name lives as long as the property.
            let property = properties.iter().find(|p| unsafe { text(p.name, p.name_size) } == wanted)?;
            let value = match property.kind {
                // SAFETY: as above.
                named_value::FLOAT => f64::from(unsafe { property.value.float }),
                // SAFETY: as above.
                named_value::INT64 => unsafe { property.value.int64 as f64 },
                _ => return None,
            };
            // Less than nothing is how XLA says that it does not know.
            Some(value).filter(|value| *value >= 0.0)
        })
    }
}

impl Drop for Compiled<'_> {
    fn drop(&mut self) {
        let args = raw::ExecutableDestroy { executable: self.raw, ..raw::ExecutableDestroy::new() };
        // SAFETY: the executable is ours and not used again.
        unsafe { self.api.destroy(args) }
    }
}

impl Drop for Topology {
    fn drop(&mut self) {
        let args = raw::TopologyDestroy { topology: self.raw, ..raw::TopologyDestroy::new() };
        // SAFETY: the topology is ours and not used again.
        unsafe { self.plugin.api().destroy(args) }
    }
}
