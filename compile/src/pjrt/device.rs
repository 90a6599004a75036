//! Devices: where programs run and buffers live.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::client::Client;
use super::discovery::{Environment, is_path};
use super::plugin::Plugin;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::host::HostArray;
use crate::native::Lowering;

/// Hardware that a plugin serves: its first device. Cheap to clone, and usable from any thread.
#[derive(Clone)]
pub struct Device {
    name: Arc<str>,
    client: &'static Client,
    lowering: Lowering,
}

impl Device {
    /// The device that `TANDEM_DEVICE` names (a name or a plugin's path), else that of the plugin that
    /// `PJRT_PLUGIN_LIBRARY_PATH` names, else the CPU.
    ///
    /// # Errors
    /// As for [`named`](Self::named).
    #[expect(clippy::should_implement_trait, reason = "it can fail, which Default cannot")]
    pub fn default() -> Result<Self> {
        Self::named(&Environment::current().default_device())
    }

    /// The CPU, through XLA's plugin for it.
    ///
    /// # Errors
    /// As for [`named`](Self::named).
    pub fn cpu() -> Result<Self> {
        Self::named("cpu")
    }

    /// The device called `name`: `cpu`, `cuda`, `tpu`, a name in `PJRT_NAMES_AND_LIBRARY_PATHS`, or the path of a
    /// plugin. See [`Environment`] for where its plugin is looked for.
    ///
    /// # Errors
    /// When no plugin is found, or as for [`open`](Self::open).
    pub fn named(name: &str) -> Result<Self> {
        if is_path(name) {
            return Self::open(name);
        }
        let found = Environment::current().locate(name)?;
        Self::of(name, Client::of(Plugin::open(&found.path)?)?)
    }

    /// The device that the plugin at `path` serves; it is named after its platform.
    ///
    /// # Errors
    /// When the file is not a plugin that can be opened, or its hardware is not there.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let client = Client::of(Plugin::open(path)?)?;
        Self::of(&client.platform, client)
    }

    fn of(name: &str, client: &'static Client) -> Result<Self> {
        let native = if client.takes_kernels() { Lowering::Native } else { Lowering::Portable };
        let device = Self { name: name.into(), client, lowering: native };
        match std::env::var("TANDEM_LOWERING") {
            Ok(wanted) => match Lowering::NAMES.iter().find(|(name, _)| *name == wanted) {
                Some(&(_, lowering)) => device.with_lowering(lowering),
                None => Err(Error::Plugin(format!("TANDEM_LOWERING is portable or native, it is \"{wanted}\""))),
            },
            Err(_) => Ok(device),
        }
    }

    /// How graphs are lowered for this device: native where it has kernels of its own, unless `TANDEM_LOWERING` or
    /// [`with_lowering`](Self::with_lowering) says otherwise.
    pub fn lowering(&self) -> Lowering {
        self.lowering
    }

    /// The same device with another lowering.
    ///
    /// # Errors
    /// When native kernels are asked of a device that has none.
    pub fn with_lowering(&self, lowering: Lowering) -> Result<Self> {
        if lowering == Lowering::Native && !self.client.takes_kernels() {
            return Err(Error::Plugin(format!(
                "there are no native kernels for {} ({}); choose the portable lowering",
                self.name(),
                self.plugin().path().display()
            )));
        }
        Ok(Self { lowering, ..self.clone() })
    }

    /// The name that the device was asked for by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the plugin calls its platform: `cpu`, `cuda`, `tpu`.
    pub fn platform(&self) -> &str {
        &self.client.platform
    }

    /// The plugin's words on the version of its platform.
    pub fn platform_version(&self) -> &str {
        &self.client.platform_version
    }

    /// The hardware: `cpu`, `NVIDIA H200`, `TPU v5 lite`.
    pub fn kind(&self) -> &str {
        &self.client.kind
    }

    /// The plugin that serves the device.
    pub fn plugin(&self) -> &'static Plugin {
        self.client.plugin
    }

    /// Whether arithmetic on the device takes subnormal numbers of `dtype` (f32 or f64) for zeros, as a program tells that
    /// adds half of the smallest normal number to itself.
    ///
    /// # Errors
    /// Whatever compiling and running report.
    pub fn flushes_subnormals(&self, dtype: DType) -> Result<bool> {
        let (ty, half) = match dtype {
            DType::F64 => ("tensor<f64>", HostArray::scalar(f64::MIN_POSITIVE / 2.0)),
            _ => ("tensor<f32>", HostArray::scalar(f32::MIN_POSITIVE / 2.0)),
        };
        let program = self.compile(&format!(
            "func.func @main(%x: {ty}) -> {ty} {{
               %y = stablehlo.add %x, %x : {ty}
               return %y : {ty}
             }}"
        ))?;
        let sum = program.run(self, &[half])?;
        Ok(sum.iter().all(|sum| sum.to_f64() == [0.0]))
    }

    pub(crate) fn client(&self) -> &'static Client {
        self.client
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Device({}: {}, {})", self.name, self.platform(), self.plugin().path().display())
    }
}

/// The same hardware through the same plugin, by whatever name.
impl PartialEq for Device {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.client, other.client)
    }
}

impl Eq for Device {}
