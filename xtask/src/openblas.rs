//! LAPACK from the system's OpenBLAS, for the package that judges by it.

use std::process::Command;

use crate::shell::{cargo, program, quietly, succeeds};

/// The package that links it.
pub const JUDGE: &str = "tandem-lapack-judge";

const HELP: &str = "\
error: the linker finds no OpenBLAS, and it cannot be installed from here. Install it by hand:
    Debian, Ubuntu    apt install libopenblas-dev
    Fedora            dnf install openblas-devel
    Arch              pacman -S openblas
or name the folder that holds libopenblas.so in OPENBLAS_LIB";

/// Runs the judge's tests, installing the library first where it is missing. Without it the part fails: a judge that does
/// not sit is no acquittal.
pub fn judge() -> bool {
    if links() || (install() && links()) {
        return succeeds(cargo(&["test", "--release", "--package", JUDGE, "--no-fail-fast"]));
    }
    eprintln!("{HELP}");
    false
}

/// Whether the linker finds the library.
fn links() -> bool {
    let folder = std::env::var("OPENBLAS_LIB").map(|folder| format!("-L{folder}"));
    let mut linker = program("cc", &["-shared", "-o", "/dev/null", "-x", "c", "/dev/null"]);
    linker.args(folder).arg("-lopenblas");
    quietly(linker)
}

/// Installs it with apt, as root or through a sudo that asks for no password.
fn install() -> bool {
    let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.trim_ascii() == b"0");
    if !root && !quietly(program("sudo", &["-n", "true"])) {
        return false;
    }
    let apt = |arguments: &[&str]| {
        let mut command = if root { program("apt-get", &[]) } else { program("sudo", &["-n", "apt-get"]) };
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        succeeds(command)
    };
    let package = ["install", "--yes", "--no-install-recommends", "libopenblas-dev"];
    println!("installing libopenblas-dev with apt (about 13 MB, 106 MB unpacked)");
    // The list of packages may be missing or out of date.
    apt(&package) || (apt(&["update"]) && apt(&package))
}
