//! `cargo xtask bench`: speed, always beside a peer in the same run.

use std::process::ExitCode;

use crate::peers;
use crate::shell::{build, cargo, plugin, succeeds};

pub fn run() -> ExitCode {
    let ready = build() && plugin() && peers::install();
    let done = ready
        && succeeds(cargo(&["bench", "--package", "tandem-compile", "--bench", "dispatch"]))
        && ["plugin", "jaxlib"].iter().all(|platform| succeeds(peers::python(&["bench/snmf.py", platform])));
    if done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
