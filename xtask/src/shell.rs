//! Running other programs from the project's root.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The project's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_path_buf()
}

/// The folder that cargo builds into.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// The command line that `cargo build --release` makes.
pub fn tandem() -> PathBuf {
    target().join("release").join("tandem")
}

/// A program to be run in the project's root.
pub fn program(name: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(arguments).current_dir(root());
    command
}

/// Cargo, the one that runs this.
pub fn cargo(arguments: &[&str]) -> Command {
    program(std::env::var_os("CARGO").unwrap_or("cargo".into()), arguments)
}

/// Runs a command, its output going where ours goes; true when it succeeds.
pub fn succeeds(mut command: Command) -> bool {
    match command.status() {
        Ok(status) => status.success(),
        Err(e) => {
            eprintln!("error: {} cannot be run: {e}", command.get_program().to_string_lossy());
            false
        }
    }
}

/// True when a command succeeds, whatever it says.
pub fn quietly(mut command: Command) -> bool {
    command.output().is_ok_and(|done| done.status.success())
}

/// Builds the command line and the examples.
pub fn build() -> bool {
    println!("building (the first time some minutes: about 120 crates from crates.io)");
    succeeds(cargo(&["build", "--release", "--package", "tandem", "--bins", "--examples"]))
}

/// Installs the CPU plugin unless it is there; `plugins install` itself says what it downloads.
pub fn plugin() -> bool {
    succeeds(program(tandem(), &["plugins", "install", "cpu", "--yes"]))
}
