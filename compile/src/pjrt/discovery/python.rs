//! The folders of the active Python environment that pip installs packages into, found without running Python.

use std::path::{Path, PathBuf};

use super::Environment;

/// Every folder of packages, the environment's own first, then the user's (`~/.local`).
pub(super) fn package_folders(environment: &Environment) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    let user = environment.home().map(|home| home.join(".local"));
    for prefix in prefixes(environment).into_iter().chain(user) {
        for folder in packages_under(&prefix) {
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
    }
    folders
}

/// The roots of the active installation: the folder above the `bin` that `python3` is in.
fn prefixes(environment: &Environment) -> Vec<PathBuf> {
    if let Some(prefix) = environment.path("VIRTUAL_ENV").or_else(|| environment.path("CONDA_PREFIX")) {
        return vec![prefix];
    }
    let Some(python) = first_python(environment) else { return Vec::new() };
    if let Some(prefix) = pyenv_prefix(environment, &python) {
        return vec![prefix];
    }
    // A virtual environment's python3 is a link to the real one, and its packages are beside the link.
    let mut prefixes: Vec<PathBuf> = Vec::new();
    for python in [Some(python.clone()), python.canonicalize().ok()].into_iter().flatten() {
        if let Some(prefix) = python.parent().and_then(Path::parent) {
            // Debian's pip installs beside the system's Python, into /usr/local.
            if prefix == Path::new("/usr") {
                prefixes.push("/usr/local".into());
            }
            prefixes.push(prefix.to_path_buf());
        }
    }
    prefixes
}

fn first_python(environment: &Environment) -> Option<PathBuf> {
    let path = environment.path("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("python3")).find(|python| python.is_file())
}

/// pyenv's `shims/python3` is a script that chooses among `versions/*`: by a variable, else by the file `version`.
fn pyenv_prefix(environment: &Environment, python: &Path) -> Option<PathBuf> {
    let shims = python.parent().filter(|folder| folder.ends_with("shims"))?;
    let root = shims.parent()?;
    let version = match environment.path("PYENV_VERSION") {
        Some(version) => version,
        None => std::fs::read_to_string(root.join("version")).ok()?.lines().next()?.trim().into(),
    };
    Some(root.join("versions").join(version))
}

/// `lib/python3.*/site-packages` and its variants, the newest Python first.
fn packages_under(prefix: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<(u32, PathBuf)> = Vec::new();
    for entry in ["lib", "lib64"].iter().filter_map(|lib| prefix.join(lib).read_dir().ok()).flatten().flatten() {
        let name = entry.file_name();
        let Some(version) = name.to_str().and_then(|name| name.strip_prefix("python3")) else { continue };
        let minor = version.strip_prefix('.').and_then(|minor| minor.parse().ok()).unwrap_or(0);
        for packages in ["site-packages", "dist-packages"] {
            let folder = entry.path().join(packages);
            if folder.is_dir() {
                folders.push((minor, folder));
            }
        }
    }
    folders.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    folders.into_iter().map(|(_, folder)| folder).collect()
}
