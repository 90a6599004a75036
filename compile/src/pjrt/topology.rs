//! Compiling for hardware that is not there: a plugin that knows its hardware's topology needs none of it to compile.

use std::ffi::c_char;

use super::discovery::Environment;
use super::executable::COMPILE_OPTIONS;
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
    /// What stands for a kind of device where there is none: four TPU v5e for `tpu`, an H200 for `cuda` (`h200.txt` is the card
    /// as XLA describes it). libtpu asks the network which machine this is unless `TPU_SKIP_MDS_QUERY` is 1.
    ///
    /// # Errors
    /// When there is no plugin of that name, or it cannot describe this.
    pub fn typical(device: &str) -> Result<Self> {
        let plugin = Plugin::open(Environment::current().locate(device)?.path)?;
        match device {
            "tpu" => Self::new(plugin, "v5e:2x2", &[]),
            _ => Self::new(plugin, "", &[("topology", "1x1x1"), ("target_config", include_str!("h200.txt"))]),
        }
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

    /// Compiles a StableHLO module for this hardware, to see that it can be.
    ///
    /// # Errors
    /// When the module is malformed or the compiler refuses it, in its words.
    pub fn compile(&self, stablehlo: &str) -> Result<()> {
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
        let executable = raw::ExecutableDestroy { executable: args.executable, ..raw::ExecutableDestroy::new() };
        // SAFETY: the executable is ours and not used again.
        unsafe { self.plugin.api().destroy(executable) };
        Ok(())
    }
}

impl Drop for Topology {
    fn drop(&mut self) {
        let args = raw::TopologyDestroy { topology: self.raw, ..raw::TopologyDestroy::new() };
        // SAFETY: the topology is ours and not used again.
        unsafe { self.plugin.api().destroy(args) }
    }
}
