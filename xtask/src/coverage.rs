//! `cargo xtask coverage`: how many lines of the primitives and the transforms their tests reach.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::shell::{cargo, plugin, program, succeeds, target};

/// The folders that are measured, and the least share of their lines that tests must reach.
const MEASURED: [&str; 2] = ["compile/src/ops/", "compile/src/transform/"];
const LEAST: f64 = 95.0;

pub fn run() -> ExitCode {
    let Some(tools) = tools() else {
        eprintln!("error: llvm-profdata and llvm-cov are missing: rustup component add llvm-tools");
        return ExitCode::from(3);
    };
    let folder = target().join("coverage");
    match plugin() && tests(&folder) && report(&tools, &folder) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Where the toolchain keeps LLVM's programs.
fn tools() -> Option<PathBuf> {
    let print = Command::new("rustc").args(["--print", "target-libdir"]).output().ok()?;
    let libraries = PathBuf::from(String::from_utf8(print.stdout).ok()?.trim());
    let folder = libraries.parent()?.join("bin");
    folder.join("llvm-cov").exists().then_some(folder)
}

/// Runs the tests of `compile`, instrumented, in a build folder of their own.
fn tests(folder: &Path) -> bool {
    let _ = std::fs::remove_dir_all(folder.join("profiles"));
    let mut test = cargo(&["test", "--release", "--package", "tandem-compile", "--tests", "--no-fail-fast"]);
    test.env("RUSTFLAGS", "-C instrument-coverage").env("CARGO_TARGET_DIR", folder);
    test.env("LLVM_PROFILE_FILE", folder.join("profiles/%p-%m.profraw"));
    succeeds(test)
}

/// Merges what the tests left behind, prints the lines reached per file, and says whether they are enough.
fn report(tools: &Path, folder: &Path) -> bool {
    let merged = folder.join("merged.profdata");
    let mut merge = program(tools.join("llvm-profdata"), &["merge", "--sparse", "--output"]);
    merge.arg(&merged).args(files(&folder.join("profiles"), "profraw"));
    let mut export = program(tools.join("llvm-cov"), &["export", "--summary-only", "--format=text"]);
    export.arg("--instr-profile").arg(&merged);
    for binary in files(&folder.join("release/deps"), "") {
        export.arg("--object").arg(binary);
    }
    if !succeeds(merge) {
        return false;
    }
    let Some(summary) = export.output().ok().and_then(|output| serde_json::from_slice(&output.stdout).ok()) else {
        eprintln!("error: llvm-cov gave no summary");
        return false;
    };
    enough(&summary)
}

fn enough(summary: &serde_json::Value) -> bool {
    let (mut reached, mut all) = (0, 0);
    for file in summary["data"][0]["files"].as_array().into_iter().flatten() {
        let name = file["filename"].as_str().unwrap_or_default();
        let Some(start) = MEASURED.iter().find_map(|folder| name.find(folder)) else { continue };
        let lines = |key: &str| file["summary"]["lines"][key].as_u64().unwrap_or(0);
        println!(
            "{:6.2} %  {:4} of {:4} lines  {}",
            share(lines("covered"), lines("count")),
            lines("covered"),
            lines("count"),
            &name[start..]
        );
        (reached, all) = (reached + lines("covered"), all + lines("count"));
    }
    println!("{:6.2} %  {reached} of {all} lines; at least {LEAST} % are asked for", share(reached, all));
    share(reached, all) >= LEAST
}

fn share(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

/// The files of a folder with an extension (none: programs).
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let wanted = |path: &PathBuf| path.is_file() && path.extension().unwrap_or_default() == extension;
    entries.filter(wanted).collect()
}
