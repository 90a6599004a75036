//! `cargo xtask fuzz`: random programs in large numbers, compiled against interpreted, derivatives against each other.

use std::process::ExitCode;

use crate::shell::{cargo, plugin, succeeds};

const USAGE: &str = "cargo xtask fuzz [--programs N] [--seed S] [--from N]";

pub fn run(arguments: &[&str]) -> ExitCode {
    let (mut programs, mut seed, mut from) = ("10000", "1", "0");
    for pair in arguments.chunks(2) {
        match pair {
            ["--programs", n] if n.parse::<u64>().is_ok() => programs = n,
            ["--seed", n] if n.parse::<u64>().is_ok() => seed = n,
            ["--from", n] if n.parse::<u64>().is_ok() => from = n,
            _ => {
                eprintln!("error: `{}` is not understood: {USAGE}", pair.join(" "));
                return ExitCode::from(2);
            }
        }
    }
    let mut test = cargo(&["test", "--release", "--package", "tandem-compile", "--test", "random_programs"]);
    test.args(["--", "--nocapture"]).env("TANDEM_PROGRAMS", programs).env("TANDEM_SEED", seed).env("TANDEM_FROM", from);
    match plugin() && succeeds(test) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
