//! `cargo xtask targets`: every algorithm (`tandem aot`), and what the registry does not hold (`algos/examples/targets`: functions of
//! linear algebra, variants, gradients), compiled for hardware that is not there.

use std::process::{Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::shell::{build, cargo, program, succeeds, tandem, target};

/// A compiler that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(600);

const USAGE: &str = "cargo xtask targets [tpu-v5e] [cuda-h200] [cuda-a100] [--n N]";

/// The targets with the devices whose plugins compile for them; the last is compiled for only when it is named.
const TARGETS: [(&str, &str); 3] = [("tpu-v5e", "tpu"), ("cuda-h200", "cuda"), ("cuda-a100", "cuda")];

pub fn run(arguments: &[&str]) -> ExitCode {
    let (targets, n) = match arguments {
        [targets @ .., "--n", n] if n.parse::<usize>().is_ok() => (targets, *n),
        targets => (targets, "64"),
    };
    let device = |target: &str| TARGETS.iter().find(|(name, _)| *name == target).map(|&(_, device)| device);
    if let Some(other) = targets.iter().find(|target| device(target).is_none()) {
        eprintln!("error: `{other}` is not understood: {USAGE}");
        return ExitCode::from(2);
    }
    let targets = if targets.is_empty() { &["tpu-v5e", "cuda-h200"] } else { targets };
    let made = ["build", "--release", "--package", "tandem-algos", "--example", "targets"];
    let mut good = build() && succeeds(cargo(&made));
    if !good {
        return ExitCode::FAILURE;
    }
    for device in targets.iter().filter_map(|target| device(target)) {
        if !succeeds(program(tandem(), &["plugins", "install", device, "--yes"])) {
            return ExitCode::FAILURE;
        }
    }
    let mut algorithms = program(tandem(), &["aot"]);
    algorithms.args(targets.iter().flat_map(|target| ["--target", *target]));
    good &= succeeds(algorithms);
    println!("seconds to compile in f32 and in f64, n = {n}");
    let registered = lines(program(tandem(), &["list"]));
    // An algorithm's first line is its name and what it is; the others are indented.
    let registered: Vec<&str> = registered.iter().filter_map(|line| Some(line.split_once(": ")?.0)).collect();
    let functions: Vec<String> = lines(example()).into_iter().filter(|name| !registered.contains(&&**name)).collect();
    good &= !functions.is_empty() && !registered.is_empty();
    for target in targets {
        for function in &functions {
            let seconds = ["f32", "f64"].map(|dtype| compile(target, function, n, dtype));
            good &= seconds.iter().all(Result::is_ok);
            let [f32, f64] = seconds.map(|outcome| outcome.unwrap_or_else(|reason| format!("FAILED: {reason}")));
            println!("{target:9} {function:24} {f32:>6} {f64:>6}");
        }
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn example() -> Command {
    Command::new(target().join("release").join("examples").join("targets"))
}

/// What a command prints, by lines.
fn lines(mut command: Command) -> Vec<String> {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).lines().map(str::to_owned).collect()
}

/// Compiles in a process of its own, for a plugin may end it: the seconds that it took, or the last that it said.
fn compile(target: &str, function: &str, n: &str, dtype: &str) -> Result<String, String> {
    let mut child = example()
        .args([target, function, n, dtype])
        // Else libtpu asks the network which machine this is.
        .env("TPU_SKIP_MDS_QUERY", "1")
        // And lets one process at a time have it, though a compiler needs no TPU.
        .env("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")
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
