//! `cargo xtask targets`: every operation of linear algebra compiled for hardware that is not there.

use std::process::{Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::shell::{build, cargo, program, succeeds, tandem, target};

const OPERATIONS: [&str; 9] = ["qr", "lu", "cholesky", "eigh", "svd", "polar", "pinv", "lstsq", "solve"];
/// A compiler that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(600);

const USAGE: &str = "cargo xtask targets [tpu] [cuda] [--n N]";

pub fn run(arguments: &[&str]) -> ExitCode {
    let (targets, n) = match arguments {
        [targets @ .., "--n", n] if n.parse::<usize>().is_ok() => (targets, *n),
        targets => (targets, "64"),
    };
    if let Some(other) = targets.iter().find(|target| !matches!(**target, "tpu" | "cuda")) {
        eprintln!("error: `{other}` is not understood: {USAGE}");
        return ExitCode::from(2);
    }
    let targets = if targets.is_empty() { &["tpu", "cuda"] } else { targets };
    let example = ["build", "--release", "--package", "tandem-linalg", "--example", "targets"];
    let mut good = build() && succeeds(cargo(&example));
    for target in targets.iter().filter(|_| good) {
        if !succeeds(program(tandem(), &["plugins", "install", target, "--yes"])) {
            return ExitCode::FAILURE;
        }
    }
    println!("seconds to compile, n = {n}");
    for (name, operation, dtype) in all(targets) {
        let outcome = compile(name, operation, n, dtype);
        good &= outcome.is_ok();
        match outcome {
            Ok(seconds) => println!("{name:5} {operation:9} {dtype} {seconds}"),
            Err(reason) => println!("{name:5} {operation:9} {dtype} FAILED: {reason}"),
        }
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn all<'a>(targets: &'a [&'a str]) -> impl Iterator<Item = (&'a str, &'static str, &'static str)> {
    let dtypes = |target, operation| ["f32", "f64"].into_iter().map(move |dtype| (target, operation, dtype));
    targets.iter().flat_map(move |&target| OPERATIONS.into_iter().flat_map(move |operation| dtypes(target, operation)))
}

/// Compiles in a process of its own, for a plugin may end it: the seconds that it took, or the last that it said.
fn compile(name: &str, operation: &str, n: &str, dtype: &str) -> Result<String, String> {
    let example = target().join("release").join("examples").join("targets");
    let mut child = Command::new(example)
        .args([name, operation, n, dtype])
        // Else libtpu asks the network which machine this is.
        .env("TPU_SKIP_MDS_QUERY", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let start = Instant::now();
    while child.try_wait().map_err(|error| error.to_string())?.is_none() {
        if start.elapsed() > LIMIT {
            let _ = child.kill();
            return Err(format!("no answer in {} s", LIMIT.as_secs()));
        }
        sleep(Duration::from_millis(100));
    }
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    let last = |text: &[u8]| String::from_utf8_lossy(text).trim().lines().last().unwrap_or_default().to_owned();
    match output.status.success() {
        true => Ok(last(&output.stdout)),
        false => Err(format!("{}: {}", output.status, last(&output.stderr))),
    }
}
