//! The download, through the user's own pip: it knows the mirror, the proxy and the cache, this program does not.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tandem_compile::{Error, Result};

use super::pins::{Package, Plan};

/// Only libraries are taken out of the wheels, so that one Python version serves every user; the pins are for it.
const PYTHON_VERSION: &str = "3.12";

/// Fetches the wheels of `plan` into `folder`, in the plan's order.
///
/// # Errors
/// When python3 or pip is missing, or pip fails; the message says what to do.
pub fn download(plan: &Plan, folder: &Path) -> Result<Vec<PathBuf>> {
    run("python3", plan, folder)
}

fn run(python: &str, plan: &Plan, folder: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new(python)
        .args([
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--only-binary=:all:",
            "--no-input",
            "--disable-pip-version-check",
        ])
        .args(["--progress-bar", "off", "--python-version", PYTHON_VERSION, "-d"])
        .arg(folder)
        .args(plan.packages.iter().map(|package| format!("{}=={}", package.name, package.version)))
        .output()
        .map_err(|e| cannot_start(python, &e))?;
    if !output.status.success() {
        return Err(Error::Plugin(failure(plan, &output)));
    }
    plan.packages.iter().map(|package| find(package, folder)).collect()
}

fn cannot_start(python: &str, error: &io::Error) -> Error {
    Error::Plugin(match error.kind() {
        io::ErrorKind::NotFound => {
            format!("{python} is not installed, and its pip does the download: `apt install python3 python3-pip`")
        }
        _ => format!("{python} could not be started: {error}"),
    })
}

/// One line on why pip failed, with what to do where that is known.
fn failure(plan: &Plan, output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    if stderr.contains("No module named pip") {
        return "python3 has no pip, which does the download: `apt install python3-pip` (or `python3 -m ensurepip`)"
            .into();
    }
    if stderr.contains("No space left on device") {
        return format!(
            "the disk is full: the plugin `{}` needs {} MB for the download and {} MB for the files",
            plan.name, plan.download_mb, plan.installed_mb
        );
    }
    let line = last_line(&stderr);
    // Without a network pip ends with "No matching distribution" too, so that is looked for last.
    let unreachable = ["onnection", "Temporary failure", "timed out", "ProxyError", "SSLError"];
    let advice = if unreachable.iter().any(|sign| stderr.contains(sign)) {
        "; is the network reachable? `python3 -m pip config list` shows which package index pip uses"
    } else if stderr.contains("No matching distribution") {
        "; the package index that pip uses offers no such wheel for this machine (needed: Linux, glibc 2.27 or newer, 2.31 \
         for the TPU); `--device reference` works everywhere"
    } else {
        ""
    };
    format!("pip could not download the plugin `{}`: {line}{advice}", plan.name)
}

/// The last line of pip's that says what went wrong: an ERROR line if there is one.
fn last_line(stderr: &str) -> String {
    let lines = || stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let told = lines().rfind(|line| line.starts_with("ERROR:"));
    let line = told.or_else(|| lines().rfind(|line| !line.starts_with("WARNING:") && !line.starts_with("[notice]")));
    let text = line.unwrap_or("it gave no reason").trim_start_matches("ERROR:").trim();
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}

/// The wheel of `package` among the files that pip left.
fn find(package: &Package, folder: &Path) -> Result<PathBuf> {
    let prefix = format!("{}-{}-", package.name.replace('-', "_"), package.version);
    let wheels = fs::read_dir(folder).map_err(|e| Error::Plugin(format!("{}: {e}", folder.display())))?;
    let is_wheel = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        name.starts_with(&prefix) && name.ends_with(".whl")
    };
    wheels.filter_map(|entry| Some(entry.ok()?.path())).find(is_wheel).ok_or_else(|| {
        Error::Plugin(format!("pip reported success, but left no wheel of {} {}", package.name, package.version))
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;
    use crate::install::pins::plan_for;

    fn cpu() -> Plan {
        plan_for("cpu", "linux", "x86_64").unwrap()
    }

    fn failed(stderr: &str) -> String {
        let output = Output { status: ExitStatus::from_raw(256), stdout: Vec::new(), stderr: stderr.into() };
        failure(&cpu(), &output)
    }

    #[test]
    fn a_missing_python_or_pip_says_what_to_install() {
        let dir = tempfile::tempdir().unwrap();
        let error = run("no-such-python3", &cpu(), dir.path()).unwrap_err().to_string();
        assert!(error.contains("apt install python3 python3-pip"), "{error}");
        assert!(failed("/usr/bin/python3: No module named pip\n").contains("apt install python3-pip"));
    }

    #[test]
    fn pip_s_own_reason_is_one_line_with_advice() {
        let none = failed(
            "ERROR: Could not find a version\nERROR: No matching distribution found for x==1\n\n[notice] A new release\n",
        );
        assert!(none.contains(": No matching distribution found for x==1; the package index"), "{none}");
        assert!(failed("ERROR: Could not install: [Errno 28] No space left on device\n").contains("disk is full"));
        let network = failed("WARNING: Retrying: Connection refused\nERROR: No matching distribution found for x\n");
        assert!(network.contains("found for x; is the network"), "{network}");
        for stderr in ["", "\n\n", "Traceback\n  File x\nKeyError: 'a'\n"] {
            assert_eq!(failed(stderr).lines().count(), 1);
        }
    }

    #[test]
    fn a_wheel_is_found_under_the_name_that_wheels_have() {
        let dir = tempfile::tempdir().unwrap();
        let package = Package { name: "a-b".into(), version: "1.0".into(), sha256: String::new() };
        assert!(find(&package, dir.path()).unwrap_err().to_string().contains("left no wheel of a-b 1.0"));
        let wheel = dir.path().join("a_b-1.0-py3-none-any.whl");
        fs::write(&wheel, "").unwrap();
        fs::write(dir.path().join("a_b-1.0.1-py3-none-any.whl"), "").unwrap();
        assert_eq!(find(&package, dir.path()).unwrap(), wheel);
    }
}
