//! `cargo xtask demo`: from a fresh clone to a real factorization.

use std::process::ExitCode;

use crate::shell::{build, plugin, program, succeeds, target};

pub fn run() -> ExitCode {
    let done = build() && plugin() && examples();
    if done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What the demo shows.
pub fn examples() -> bool {
    ["snmf", "clip", "demo"].iter().all(|name| {
        println!();
        succeeds(program(target().join("release/examples").join(name), &[]))
    })
}
