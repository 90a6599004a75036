//! `cargo xtask targets`: every function of linear algebra and every algorithm compiled for hardware that is not there.

use std::process::{Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::shell::{build, cargo, program, succeeds, tandem, target};

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
    let example = ["build", "--release", "--package", "tandem-algos", "--example", "targets"];
    let mut good = build() && succeeds(cargo(&example));
    for target in targets.iter().filter(|_| good) {
        if !succeeds(program(tandem(), &["plugins", "install", target, "--yes"])) {
            return ExitCode::FAILURE;
        }
    }
    println!("seconds to compile in f32 and in f64, n = {n}");
    let functions = functions();
    good &= !functions.is_empty();
    for target in targets {
        for function in &functions {
            let seconds = ["f32", "f64"].map(|dtype| compile(target, function, n, dtype));
            good &= seconds.iter().all(Result::is_ok);
            let [f32, f64] = seconds.map(|outcome| outcome.unwrap_or_else(|reason| format!("FAILED: {reason}")));
            println!("{target:5} {function:20} {f32:>6} {f64:>6}");
        }
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn example() -> Command {
    Command::new(target().join("release").join("examples").join("targets"))
}

/// The names of all functions.
fn functions() -> Vec<String> {
    let listed =
        example().output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    listed.lines().map(str::to_owned).collect()
}

/// Compiles in a process of its own, for a plugin may end it: the seconds that it took, or the last that it said.
fn compile(target: &str, function: &str, n: &str, dtype: &str) -> Result<String, String> {
    let mut child = example()
        .args([target, function, n, dtype])
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
