//! Fetching PJRT plugins: pip downloads the wheels, their sha256 is compared with a pin, and only then are they
//! unpacked into a folder of this program's own. Nothing is added to a Python environment, and nothing happens
//! without being asked for: [`plan`] says beforehand what would come, and how much.

mod pins;
mod pip;
mod wheel;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tandem_compile::{Error, Result};

pub use pins::{Package, Plan, plan};
pub use pip::download;

/// Says which packages a folder holds. Written last, so that a folder with it is whole.
const MARKER: &str = "installed.json";

/// What [`install`] did. Both hold the path of the plugin's library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Installed {
    /// The very same packages were there already; the network was not touched.
    AlreadyThere(PathBuf),
    /// The packages were downloaded, checked and unpacked.
    Fetched(PathBuf),
}

impl Installed {
    /// The plugin's library.
    pub fn library(&self) -> &Path {
        match self {
            Installed::AlreadyThere(path) | Installed::Fetched(path) => path,
        }
    }
}

/// The library of the plugin, if `folder` holds exactly what `plan` asks for. `library` is its path in the folder.
pub fn installed(plan: &Plan, folder: &Path, library: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(folder.join(MARKER)).ok()?;
    let found: Value = serde_json::from_str(&text).ok()?;
    let path = folder.join(library);
    (found == marker(plan) && path.is_file()).then_some(path)
}

/// Makes sure that `folder` holds the plugin of `plan`, whose library is at `library` inside it, through pip.
///
/// An older content of `folder` is replaced as a whole; after an error it is as it was.
///
/// # Errors
/// One line with what to do: python3 or pip is missing, pip fails, a wheel is not the pinned one, the disk is full or
/// the folder not writable.
pub fn install(plan: &Plan, folder: &Path, library: &Path) -> Result<Installed> {
    install_with(plan, folder, library, download)
}

/// [`install`] with another source of wheels: `fetch` is given an empty folder and returns one wheel for each package
/// of the plan, in its order.
///
/// # Errors
/// Those of [`install`], and of `fetch`.
pub fn install_with(
    plan: &Plan,
    folder: &Path,
    library: &Path,
    fetch: impl FnOnce(&Plan, &Path) -> Result<Vec<PathBuf>>,
) -> Result<Installed> {
    if let Some(path) = installed(plan, folder, library) {
        return Ok(Installed::AlreadyThere(path));
    }
    let parent = folder.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(|e| wheel::failed(parent, &e))?;
    let stage =
        tempfile::Builder::new().prefix(".tandem-").tempdir_in(parent).map_err(|e| wheel::failed(parent, &e))?;
    let make = |name: &str| {
        let path = stage.path().join(name);
        fs::create_dir(&path).map(|()| path.clone()).map_err(|e| wheel::failed(&path, &e))
    };
    let (wheels, new) = (make("wheels")?, make("new")?);
    unpack_all(plan, &fetch(plan, &wheels)?, &new)?;
    if !new.join(library).is_file() {
        return Err(Error::Plugin(format!(
            "the wheels of `{}` hold no {}: nothing was installed",
            plan.name,
            library.display()
        )));
    }
    let marker_path = new.join(MARKER);
    fs::write(&marker_path, format!("{:#}\n", marker(plan))).map_err(|e| wheel::failed(&marker_path, &e))?;
    replace(folder, &new, &stage.path().join("old")).map_err(|e| wheel::failed(folder, &e))?;
    Ok(Installed::Fetched(folder.join(library)))
}

/// Checks every wheel before it unpacks the first.
fn unpack_all(plan: &Plan, wheels: &[PathBuf], new: &Path) -> Result<()> {
    if wheels.len() != plan.packages.len() {
        let message =
            format!("{} wheels came for the {} packages of `{}`", wheels.len(), plan.packages.len(), plan.name);
        return Err(Error::Plugin(message));
    }
    plan.packages.iter().zip(wheels).try_for_each(|(package, path)| wheel::check(path, package))?;
    wheels.iter().try_for_each(|path| wheel::unpack(path, new))
}

/// Moves `new` to `folder`, and what stood there to `old`.
fn replace(folder: &Path, new: &Path, old: &Path) -> io::Result<()> {
    let replaces = fs::symlink_metadata(folder).is_ok();
    if replaces {
        fs::rename(folder, old)?;
    }
    fs::rename(new, folder).inspect_err(|_| {
        if replaces {
            // The first error is the one to tell, whether or not the way back succeeds.
            let _ = fs::rename(old, folder);
        }
    })
}

fn marker(plan: &Plan) -> Value {
    let packages = plan.packages.iter();
    let packages: Vec<Value> =
        packages.map(|p| json!({ "package": p.name, "version": p.version, "sha256": p.sha256 })).collect();
    json!({ "plugin": plan.name, "packages": packages })
}

#[cfg(test)]
mod tests;
