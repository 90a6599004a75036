//! Where plugins are looked for.
//!
//! In this order, the first that is there being taken:
//! 1. `PJRT_NAMES_AND_LIBRARY_PATHS=name:path,name:path`, the variable that JAX reads;
//! 2. `TPU_LIBRARY_PATH`, for `tpu`;
//! 3. the active Python environment (`VIRTUAL_ENV`, `CONDA_PREFIX`, else that of the first `python3` on `PATH`), where
//!    pip puts the published plugins; Python itself is not run;
//! 4. the install folder: `plugins/NAME` in `TANDEM_HOME`, else in `tandem` in `XDG_DATA_HOME`, else in
//!    `~/.local/share/tandem`, with the wheel of the plugin unpacked in it.
//!
//! `PJRT_PLUGIN_LIBRARY_PATH` names one plugin without saying for what device. It therefore serves whoever asks for no
//! device in particular (see [`Environment::default_device`]), and nobody who asks for one by name.

mod python;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use crate::error::{Error, Result};

const NAMES_AND_PATHS: &str = "PJRT_NAMES_AND_LIBRARY_PATHS";
const TPU_PATH: &str = "TPU_LIBRARY_PATH";
const DEFAULT_PATH: &str = "PJRT_PLUGIN_LIBRARY_PATH";
const DEFAULT_DEVICE: &str = "TANDEM_DEVICE";

/// A device that plugins are published for.
struct Published {
    name: &'static str,
    /// What others call it.
    aliases: &'static [&'static str],
    /// The package on PyPI.
    package: &'static str,
    /// The shared library in it.
    library: &'static str,
}

impl Published {
    fn is_called(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }
}

const PUBLISHED: [Published; 3] = [
    Published {
        name: "cpu",
        aliases: &["xla_cpu"],
        package: "xla-cpu-pjrt",
        library: "xla_plugins/xla_cpu_pjrt/xla_cpu_pjrt.so",
    },
    Published {
        name: "cuda",
        aliases: &["xla_cuda13", "cuda13"],
        package: "jax-cuda13-pjrt",
        library: "jax_plugins/xla_cuda13/xla_cuda_plugin.so",
    },
    Published { name: "tpu", aliases: &["libtpu"], package: "libtpu", library: "libtpu/libtpu.so" },
];

/// A plugin's shared library, and how it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The device's name.
    pub name: String,
    /// The shared library.
    pub path: PathBuf,
    /// Where it was found.
    pub place: Place,
}

/// A place where plugins are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// An environment variable.
    Variable(&'static str),
    /// A folder of Python packages.
    Python(PathBuf),
    /// The install folder.
    Installed(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Variable(name) => f.write_str(name),
            Place::Python(folder) => write!(f, "the Python packages in {}", folder.display()),
            Place::Installed(folder) => write!(f, "{}", folder.display()),
        }
    }
}

/// The environment variables that decide where plugins are looked for: the process's own, or others for a test.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, OsString>,
}

impl Environment {
    /// The process's own environment.
    pub fn current() -> Self {
        Self::new(std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))))
    }

    /// An environment of these variables; empty values count as unset.
    pub fn new(variables: impl IntoIterator<Item = (impl Into<String>, impl Into<OsString>)>) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self { variables: variables.filter(|(_, value)| !value.is_empty()).collect() }
    }

    /// The device of whoever names none: `TANDEM_DEVICE` (a name or a plugin's path), else the path in
    /// `PJRT_PLUGIN_LIBRARY_PATH`, else `cpu`.
    pub fn default_device(&self) -> String {
        if let Some(name) = self.text(DEFAULT_DEVICE) {
            return name;
        }
        match self.path(DEFAULT_PATH) {
            // With a separator, so that it is read as a path.
            Some(path) => Path::new(".").join(path).to_string_lossy().into_owned(),
            None => "cpu".to_owned(),
        }
    }

    /// The plugin for the device called `name`.
    ///
    /// # Errors
    /// When there is none, or when a variable names one that is not there.
    pub fn locate(&self, name: &str) -> Result<Found> {
        let candidates = self.candidates(name);
        for candidate in &candidates {
            if candidate.path.is_file() {
                return Ok(candidate.clone());
            }
            if let Place::Variable(variable) = candidate.place {
                let path = candidate.path.display();
                return Err(Error::Plugin(format!(
                    "{variable} names {path} as the PJRT plugin for {name:?}, but there is no such file; correct or \
                     unset the variable"
                )));
            }
        }
        Err(self.not_found(name, &candidates))
    }

    /// Every plugin that is there, in the order in which they are looked for; of several with the same name, the
    /// first is the one in use. That of `PJRT_PLUGIN_LIBRARY_PATH` is called `default`.
    pub fn plugins(&self) -> Vec<Found> {
        let mut names: Vec<String> = PUBLISHED.iter().map(|published| published.name.to_owned()).collect();
        for (name, _) in self.named_paths() {
            if published(&name).is_none() && !names.contains(&name) {
                names.push(name);
            }
        }
        let default = self.path(DEFAULT_PATH).map(|path| Found {
            name: "default".to_owned(),
            path,
            place: Place::Variable(DEFAULT_PATH),
        });
        let named = names.iter().flat_map(|name| self.candidates(name));
        default.into_iter().chain(named).filter(|found| found.path.is_file()).collect()
    }

    /// The folder that a plugin for the device called `name` is installed in.
    pub fn install_folder(&self, name: &str) -> PathBuf {
        let root = self
            .path("TANDEM_HOME")
            .or_else(|| self.path("XDG_DATA_HOME").map(|data| data.join("tandem")))
            .unwrap_or_else(|| self.home().unwrap_or_default().join(".local/share/tandem"));
        root.join("plugins").join(name)
    }

    pub(super) fn path(&self, variable: &str) -> Option<PathBuf> {
        self.variables.get(variable).map(PathBuf::from)
    }

    pub(super) fn home(&self) -> Option<PathBuf> {
        self.path("HOME")
    }

    fn text(&self, variable: &str) -> Option<String> {
        self.variables.get(variable).map(|value| value.to_string_lossy().into_owned())
    }

    /// The pairs of `PJRT_NAMES_AND_LIBRARY_PATHS`.
    fn named_paths(&self) -> Vec<(String, PathBuf)> {
        let pairs = self.text(NAMES_AND_PATHS).unwrap_or_default();
        let pairs = pairs.split(',').filter_map(|pair| pair.split_once(':'));
        pairs.map(|(name, path)| (name.trim().to_owned(), PathBuf::from(path.trim()))).collect()
    }

    /// Every place where the plugin for `name` could be, in order, whether it is there or not.
    fn candidates(&self, name: &str) -> Vec<Found> {
        let found = |path, place| Found { name: name.to_owned(), path, place };
        let published = published(name);
        let answers =
            |other: &str| other == name || published.is_some_and(|p| p.name == other || p.aliases.contains(&other));
        let mut candidates: Vec<Found> = self
            .named_paths()
            .into_iter()
            .filter(|(other, _)| answers(other))
            .map(|(_, path)| found(path, Place::Variable(NAMES_AND_PATHS)))
            .collect();
        let Some(published) = published else { return candidates };
        if published.name == "tpu" {
            candidates.extend(self.path(TPU_PATH).map(|path| found(path, Place::Variable(TPU_PATH))));
        }
        for folder in python::package_folders(self) {
            candidates.push(found(folder.join(published.library), Place::Python(folder)));
        }
        let folder = self.install_folder(published.name);
        candidates.push(found(folder.join(published.library), Place::Installed(folder)));
        candidates
    }

    fn not_found(&self, name: &str, candidates: &[Found]) -> Error {
        let Some(published) = published(name) else {
            let known = PUBLISHED.map(|published| published.name).join(", ");
            return Error::Plugin(format!(
                "no PJRT plugin for {name:?} was found; known devices are {known}, and others are named by \
                 {NAMES_AND_PATHS}={name}:/path/to/plugin.so"
            ));
        };
        if !prebuilt_for_this_platform() {
            return Error::Plugin(format!(
                "no PJRT plugin for {name:?} was found, and prebuilt ones exist for Linux on x86-64 and aarch64 (glibc \
                 2.27 or newer) only; `--device reference` runs everywhere, and {NAMES_AND_PATHS}={name}:/path names \
                 a plugin of your own"
            ));
        }
        let places = candidates.iter().map(|candidate| candidate.place.to_string());
        let places: Vec<String> = std::iter::once(NAMES_AND_PATHS.to_owned()).chain(places).collect();
        Error::Plugin(format!(
            "no PJRT plugin for {name:?} was found (looked in {}); run `tandem plugins install {}` or `pip install \
             {}`, or name one by {NAMES_AND_PATHS}={name}:/path/to/plugin.so",
            places.join(", "),
            published.name,
            published.package
        ))
    }
}

/// The folder that a plugin for the device called `name` is installed in, in the process's own environment.
pub fn install_folder(name: &str) -> PathBuf {
    Environment::current().install_folder(name)
}

/// The shared library of the published plugin for `name`, relative to the folder that its wheel is unpacked in.
pub fn relative_library(name: &str) -> Option<&'static str> {
    published(name).map(|published| published.library)
}

/// True when a device's name is the path of a plugin instead.
pub(crate) fn is_path(name: &str) -> bool {
    name.contains(['/', MAIN_SEPARATOR]) || [".so", ".dylib", ".dll"].iter().any(|ending| name.ends_with(ending))
}

fn published(name: &str) -> Option<&'static Published> {
    PUBLISHED.iter().find(|published| published.is_called(name))
}

fn prebuilt_for_this_platform() -> bool {
    cfg!(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))
}
