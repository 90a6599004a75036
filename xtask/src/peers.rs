//! The outside implementations: Python packages in a folder of the build, pinned in `tests/peers/requirements.txt`.

use std::path::PathBuf;
use std::process::Command;

use crate::shell::{cargo, program, quietly, root, succeeds, tandem, target};

const REQUIREMENTS: &str = "tests/peers/requirements.txt";

fn folder() -> PathBuf {
    target().join("peers")
}

/// Installs the packages unless they are there.
pub fn install() -> bool {
    let wanted = std::fs::read_to_string(root().join(REQUIREMENTS)).unwrap_or_default();
    let stamp = folder().join("installed.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return true;
    }
    let packages: Vec<&str> = wanted.lines().collect();
    println!("downloading {} through pip (about 200 MB) into {}", packages.join(", "), folder().display());
    let _ = std::fs::remove_dir_all(folder());
    let into = folder().display().to_string();
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", &into, "-r", REQUIREMENTS];
    succeeds(program("python3", &pip)) && std::fs::write(stamp, wanted).is_ok()
}

/// A Python script of `tests/peers` or `bench` with the packages.
pub fn python(arguments: &[&str]) -> Command {
    let mut command = program("python3", arguments);
    let scripts = root().join("tests/peers");
    let paths = std::env::join_paths([folder(), scripts]).unwrap_or_default();
    command.env("PYTHONPATH", paths).env("TANDEM", tandem()).env("TF_CPP_MIN_LOG_LEVEL", "3");
    command
}

/// Writes the functions of the example `referee` with their derivatives, and has JAX judge them.
pub fn referee() -> bool {
    let folder = target().join("referee").display().to_string();
    let example = ["run", "--release", "--quiet", "--package", "tandem-compile", "--example", "referee", "--", &folder];
    succeeds(cargo(&example)) && succeeds(python(&["tests/peers/transforms.py", &folder]))
}

/// Whether there is a Python that can install packages.
pub fn available() -> bool {
    quietly(program("python3", &["-m", "pip", "--version"]))
}
