//! `cargo xtask bench`: speed, always beside a peer in the same run.

use std::process::ExitCode;

use crate::peers;
use crate::shell::{build, cargo, plugin, succeeds};

pub fn run() -> ExitCode {
    let ready = build() && plugin() && peers::install();
    let done = ready
        && succeeds(cargo(&["bench", "--package", "tandem-compile", "--bench", "dispatch"]))
        && succeeds(cargo(&["bench", "--package", "tandem-compile", "--bench", "tracing"]))
        && ["bench/snmf.py", "bench/train_mlp.py", "bench/pursuit.py", "bench/lib.py"]
            .iter()
            .all(|script| ["plugin", "jaxlib"].iter().all(|platform| succeeds(peers::python(&[script, platform]))))
        && succeeds(cargo(&["build", "--release", "--package", "tandem-algos", "--example", "reflections"]))
        && ["plugin", "jaxlib"].iter().all(|platform| succeeds(peers::python(&["bench/householder.py", platform])))
        && succeeds(cargo(&["build", "--release", "--package", "tandem-algos", "--example", "rpcanet_step"]))
        && ["plugin", "jaxlib"].iter().all(|platform| succeeds(peers::python(&["bench/rpcanet.py", platform])))
        && succeeds(cargo(&["build", "--release", "--package", "tandem-linalg", "--example", "stopwatch"]))
        && succeeds(peers::python(&["bench/linalg.py"]))
        && succeeds(peers::python(&["bench/cur.py"]))
        && succeeds(cargo(&["build", "--release", "--package", "tandem-algos", "--example", "separations"]))
        && ["plugin", "jaxlib"].iter().all(|platform| succeeds(peers::python(&["bench/rpca.py", platform])));
    if done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
