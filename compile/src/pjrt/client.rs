//! The plugin's client: its connection to the hardware, made once per process and plugin.

use std::sync::{Mutex, PoisonError};

use super::api::{Api, list, text};
use super::ffi;
use super::plugin::Plugin;
use super::raw::{self, named_value};
use crate::error::{Error, Result};
use crate::native::Handler;

static CLIENTS: Mutex<Vec<&'static Client>> = Mutex::new(Vec::new());

/// A client and the device of it that programs run on. It lives as long as the process, so that buffers and
/// executables need not keep it alive.
pub(crate) struct Client {
    pub plugin: &'static Plugin,
    pub raw: *mut raw::Client,
    /// The first device of those that this process can use.
    pub device: *mut raw::Device,
    pub platform: String,
    pub platform_version: String,
    pub kind: String,
    /// The native kernels that the plugin knows of by now.
    kernels: Mutex<Vec<&'static str>>,
}

// SAFETY: a PJRT client and its devices may be used from any thread, by PJRT's contract; the rest is plain data.
unsafe impl Send for Client {}
// SAFETY: as above.
unsafe impl Sync for Client {}

impl Client {
    /// The client of `plugin`, created the first time.
    pub fn of(plugin: &'static Plugin) -> Result<&'static Self> {
        // Held while creating: a second client would take the hardware twice.
        let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.iter().find(|client| std::ptr::eq(client.plugin, plugin)) {
            return Ok(client);
        }
        let client: &'static Self = Box::leak(Box::new(Self::create(plugin)?));
        clients.push(client);
        Ok(client)
    }

    pub fn api(&self) -> &'static Api {
        self.plugin.api()
    }

    /// Whether programs of this plugin can call native kernels: it is XLA's for the CPU, with its interface for them.
    pub fn takes_kernels(&self) -> bool {
        self.platform == "cpu" && ffi::Extension::of(self.api()).is_some()
    }

    /// Makes a kernel known to the plugin, once.
    pub fn register(&self, kernel: Handler) -> Result<()> {
        let mut known = self.kernels.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(&kernel.name()) {
            return Ok(());
        }
        match ffi::Extension::of(self.api()).filter(|_| self.takes_kernels()) {
            Some(extension) => extension.register(self.api(), kernel)?,
            None => {
                let path = self.plugin.path().display();
                return Err(Error::Plugin(format!(
                    "the plugin {path} takes no native kernels ({}); choose the portable lowering",
                    kernel.name()
                )));
            }
        }
        known.push(kernel.name());
        Ok(())
    }

    fn create(plugin: &'static Plugin) -> Result<Self> {
        let api = plugin.api();
        let raw = create(plugin)?;
        let device = first_device(plugin, raw)?;
        let (platform, platform_version, kind) =
            (platform(api, raw)?, platform_version(api, raw)?, device_kind(api, device)?);
        Ok(Self { plugin, raw, device, platform, platform_version, kind, kernels: Mutex::default() })
    }
}

/// Sets how many threads CPU programs use, for every device that is opened from now on; `PJRT_NPROC` in the environment
/// of the process does the same. Other hardware is not concerned.
///
/// # Errors
/// When a device is open already, for its threads are running; or when `threads` is 0.
pub fn limit_threads(threads: usize) -> Result<()> {
    let clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
    if threads == 0 {
        return Err(Error::Plugin("programs need at least one thread; 0 were asked for".to_owned()));
    }
    if !clients.is_empty() {
        return Err(Error::Plugin(
            "a device is open, and its threads are running; limit them before the first device is opened".to_owned(),
        ));
    }
    // SAFETY: Rust's own readers of the environment share a lock with this call, and plugins read the variable while a
    // client is created, which the lock held here keeps from happening now. What remains is C code of the program's
    // own that calls getenv in another thread at this very moment; setting the variable beforehand avoids even that.
    unsafe { std::env::set_var("PJRT_NPROC", threads.to_string()) }
    Ok(())
}

fn create(plugin: &Plugin) -> Result<*mut raw::Client> {
    // XLA's client for the CPU plays four devices unless told, and has at least as many threads whatever the limit:
    // only a client of one device heeds it. Without a limit nothing is asked for, as JAX does, so that the same program
    // is cut into the same pieces and gives the same bits. Other plugins refuse options that they do not know.
    let file = plugin.path().file_name().unwrap_or_default().to_string_lossy();
    let name = "cpu_device_count";
    let one_device = raw::NamedValue {
        name: name.as_ptr().cast(),
        name_size: name.len(),
        kind: named_value::INT64,
        value: raw::Value { int64: 1 },
        value_size: 1,
        ..raw::NamedValue::new()
    };
    let mut args = raw::ClientCreate::new();
    if file.contains("cpu") && std::env::var_os("PJRT_NPROC").is_some() {
        (args.create_options, args.num_options) = (&raw const one_device, 1);
    }
    // SAFETY: the option outlives the call, and there are no callbacks; the function fills in the client.
    unsafe { plugin.api().call(&mut args)? };
    Ok(args.client)
}

fn first_device(plugin: &Plugin, client: *mut raw::Client) -> Result<*mut raw::Device> {
    let mut args = raw::ClientAddressableDevices { client, ..raw::ClientAddressableDevices::new() };
    // SAFETY: the client is alive, and its list of devices lives as long.
    let devices = unsafe {
        plugin.api().call(&mut args)?;
        list(args.devices, args.num_devices)
    };
    devices.first().copied().ok_or_else(|| {
        let path = plugin.path().display();
        Error::Plugin(format!("the plugin {path} finds no device on this machine; check its drivers"))
    })
}

fn platform(api: &Api, client: *mut raw::Client) -> Result<String> {
    let mut args = raw::ClientPlatformName { client, ..raw::ClientPlatformName::new() };
    // SAFETY: the client is alive, and owns the text.
    unsafe {
        api.call(&mut args)?;
        Ok(text(args.platform_name, args.platform_name_size))
    }
}

fn platform_version(api: &Api, client: *mut raw::Client) -> Result<String> {
    let mut args = raw::ClientPlatformVersion { client, ..raw::ClientPlatformVersion::new() };
    // SAFETY: the client is alive, and owns the text.
    unsafe {
        api.call(&mut args)?;
        Ok(text(args.platform_version, args.platform_version_size))
    }
}

fn device_kind(api: &Api, device: *mut raw::Device) -> Result<String> {
    let mut args = raw::DeviceGetDescription { device, ..raw::DeviceGetDescription::new() };
    // SAFETY: the device lives as long as its client, its description and the text in it too.
    unsafe {
        api.call(&mut args)?;
        let mut kind = raw::DeviceDescriptionKind {
            device_description: args.device_description,
            ..raw::DeviceDescriptionKind::new()
        };
        api.call(&mut kind)?;
        Ok(text(kind.device_kind, kind.device_kind_size))
    }
}
