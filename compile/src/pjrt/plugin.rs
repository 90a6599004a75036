//! Opening a plugin: a shared library that exports `GetPjrtApi`.
//!
//! A plugin is opened once per process and never closed: its thread pools and static objects do not survive `dlclose`.

use std::fs::File;
use std::io::Read;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use libloading::Library;

use super::api::{Api, list, text};
use super::raw::{self, named_value};
use crate::error::{Error, Result};

/// The major version of the C API that [`raw`] describes.
const MAJOR: i32 = 0;

static OPENED: Mutex<Vec<&'static Plugin>> = Mutex::new(Vec::new());

/// A PJRT plugin, opened once per process.
#[derive(Debug)]
pub struct Plugin {
    api: Api,
    attributes: Vec<(String, String)>,
}

impl Plugin {
    /// Opens the plugin at `path`; the second time, the same one is returned.
    ///
    /// # Errors
    /// When there is no such file, when it is not a PJRT plugin that can be loaded on this machine, when it speaks
    /// another major version of the C API, or when its own initialisation fails.
    pub fn open(path: impl AsRef<Path>) -> Result<&'static Self> {
        let path = existing(path.as_ref())?;
        // Held while loading, so that two threads do not initialise the same plugin.
        let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plugin) = opened.iter().find(|plugin| plugin.path() == path) {
            return Ok(plugin);
        }
        quieten();
        let table = load(&path)?;
        // SAFETY: `load` returns the table of a library that stays loaded.
        let api = unsafe { Api::new(table, path) };
        check_version(&api)?;
        // SAFETY: the struct has no pointers.
        unsafe { api.call(&mut raw::PluginInitialize::new())? };
        let attributes = attributes(&api)?;
        let plugin: &'static Self = Box::leak(Box::new(Self { api, attributes }));
        opened.push(plugin);
        Ok(plugin)
    }

    /// The shared library's path, absolute and without symbolic links.
    pub fn path(&self) -> &Path {
        self.api.path()
    }

    /// Major and minor version of the PJRT C API that the plugin speaks.
    pub fn api_version(&self) -> (i32, i32) {
        self.api.version()
    }

    /// What the plugin says of itself, such as `stablehlo_current_version = 1.12.1`.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The attribute called `name`.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    pub(crate) fn api(&self) -> &Api {
        &self.api
    }
}

fn existing(path: &Path) -> Result<PathBuf> {
    let path = path.canonicalize().map_err(|error| {
        Error::Plugin(format!("cannot open the PJRT plugin {}: {error}; check the path", path.display()))
    })?;
    if path.is_dir() {
        let path = path.display();
        return Err(Error::Plugin(format!("{path} is a folder; give the path of the plugin's shared library in it")));
    }
    Ok(path)
}

/// XLA logs harmless compiler events at error level; its variable for silencing them is set unless the user set it.
fn quieten() {
    const VARIABLE: &str = "TF_CPP_MIN_LOG_LEVEL";
    if std::env::var_os(VARIABLE).is_none() {
        // SAFETY: Rust's own readers of the environment share a lock with this call. C code of another thread that
        // calls getenv at this very moment could see it half done; this runs once, just before the first plugin is
        // loaded, and only where the variable is unset. Setting it before the program starts avoids even that.
        unsafe { std::env::set_var(VARIABLE, "3") }
    }
}

fn load(path: &Path) -> Result<*const raw::Table> {
    type GetPjrtApi = unsafe extern "C" fn() -> *const raw::Table;
    let shown = path.display();
    if cfg!(target_os = "linux") && !is_elf(path) {
        return Err(Error::Plugin(format!("{shown} is not a shared library; give the path of a PJRT plugin")));
    }
    // SAFETY: loading runs the library's initialisers, which is what whoever names a plugin asks for.
    let library = unsafe { Library::new(path) }.map_err(|error| {
        Error::Plugin(format!(
            "{shown} cannot be loaded; it has to be built for this machine, and the libraries that it uses installed: \
             {error}"
        ))
    })?;
    let library = ManuallyDrop::new(library);
    // SAFETY: the symbol's type is the one that the PJRT header gives it.
    let get = unsafe { library.get::<GetPjrtApi>(b"GetPjrtApi\0") }.map_err(|_| {
        Error::Plugin(format!("{shown} is not a PJRT plugin: it is a shared library, but has no function GetPjrtApi"))
    })?;
    // SAFETY: as above.
    let table = unsafe { get() };
    if table.is_null() {
        return Err(Error::Plugin(format!("{shown} gave no PJRT function table; reinstall the plugin")));
    }
    Ok(table)
}

fn is_elf(path: &Path) -> bool {
    let mut magic = [0; 4];
    File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *b"\x7fELF"
}

fn check_version(api: &Api) -> Result<()> {
    let (major, minor) = api.version();
    if major == MAJOR {
        return Ok(());
    }
    let path = api.path().display();
    Err(Error::Plugin(format!(
        "{path} speaks PJRT {major}.{minor}, and this version of Tandem speaks PJRT {MAJOR}; install a plugin of \
         that version"
    )))
}

fn attributes(api: &Api) -> Result<Vec<(String, String)>> {
    let mut args = raw::PluginAttributes::new();
    // SAFETY: the function writes to the struct alone; the attributes live as long as the process, and each one's
    // value is what its kind says.
    unsafe {
        api.call(&mut args)?;
        let values = list(args.attributes, args.num_attributes);
        Ok(values.iter().map(|value| (text(value.name, value.name_size), show(value))).collect())
    }
}

/// An attribute's value as text; a list's elements are joined by dots, for they are versions.
///
/// # Safety
/// `value` comes from a plugin, whole.
unsafe fn show(value: &raw::NamedValue) -> String {
    // SAFETY: the kind tells which arm of the union was written.
    unsafe {
        match value.kind {
            named_value::STRING => text(value.value.string, value.value_size),
            named_value::INT64 => value.value.int64.to_string(),
            named_value::INT64_LIST => {
                let numbers: Vec<_> =
                    list(value.value.int64_list, value.value_size).iter().map(i64::to_string).collect();
                numbers.join(".")
            }
            named_value::FLOAT => value.value.float.to_string(),
            named_value::BOOL => value.value.bool.to_string(),
            _ => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ptr::null_mut;

    use super::*;

    #[test]
    fn another_major_version_is_refused() {
        let version = raw::Version { struct_size: 24, extension_start: null_mut(), major: 1, minor: 2 };
        let table = raw::Table { struct_size: 40, extension_start: null_mut(), version };
        // SAFETY: the table outlives `api`.
        let api = unsafe { Api::new(&raw const table, "/new.so".into()) };
        let error = check_version(&api).unwrap_err().to_string();
        assert!(error.starts_with("/new.so speaks PJRT 1.2, and this version of Tandem speaks PJRT 0"), "{error}");
    }
}
