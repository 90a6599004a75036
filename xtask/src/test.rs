//! `cargo xtask test`: everything that CI runs, each part by name.
//!
//! A part that needs what could not be downloaded is NOT RUN, and the command exits with 3: not a failure, and not a
//! success either.

use std::process::ExitCode;

use crate::shell::{build, cargo, plugin, quietly, succeeds};
use crate::{demo, openblas, peers};

#[derive(Clone, Copy, PartialEq)]
enum Outcome {
    Passed,
    Failed,
    NotRun(&'static str),
}

struct Parts(Vec<(&'static str, Outcome)>);

impl Parts {
    /// Runs a part unless what it needs is absent.
    fn run(&mut self, name: &'static str, absent: Option<&'static str>, part: impl FnOnce() -> bool) {
        println!("\n== {name}");
        let outcome = match absent {
            Some(reason) => Outcome::NotRun(reason),
            None if part() => Outcome::Passed,
            None => Outcome::Failed,
        };
        self.0.push((name, outcome));
    }

    fn count(&self, which: impl Fn(Outcome) -> bool) -> usize {
        self.0.iter().filter(|(_, outcome)| which(*outcome)).count()
    }

    fn report(&self) -> ExitCode {
        println!();
        for (name, outcome) in &self.0 {
            match outcome {
                Outcome::Passed => println!("passed   {name}"),
                Outcome::Failed => println!("FAILED   {name}"),
                Outcome::NotRun(reason) => println!("NOT RUN  {name}: {reason}"),
            }
        }
        let passed = self.count(|o| o == Outcome::Passed);
        let failed = self.count(|o| o == Outcome::Failed);
        let absent = self.count(|o| matches!(o, Outcome::NotRun(_)));
        println!("parts: {passed} passed, {failed} failed, {absent} skipped");
        match (failed, absent) {
            (0, 0) => ExitCode::SUCCESS,
            (0, _) => ExitCode::from(3),
            _ => ExitCode::FAILURE,
        }
    }
}

pub fn run() -> ExitCode {
    let mut parts = Parts(Vec::new());
    let tool = |arguments: &[&str], reason| (!quietly(cargo(arguments))).then_some(reason);
    let no_rustfmt = tool(&["fmt", "--version"], "rustfmt is missing: rustup component add rustfmt");
    let no_clippy = tool(&["clippy", "--version"], "clippy is missing: rustup component add clippy");

    parts.run("format", no_rustfmt, || succeeds(cargo(&["fmt", "--all", "--check"])));
    parts.run("build", None, build);
    let no_plugin = (!plugin()).then_some("the CPU plugin could not be installed");
    parts.run("tests", no_plugin, || {
        // The judge by LAPACK needs a system library and has a part of its own.
        let all = ["test", "--release", "--workspace", "--exclude", openblas::JUDGE, "--no-fail-fast"];
        succeeds(cargo(&all))
    });
    parts.run("LAPACK as a third judge", no_plugin, openblas::judge);
    parts.run("lints", no_clippy, || {
        succeeds(cargo(&["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"]))
    });
    parts.run("documentation", None, || {
        let mut doc = cargo(&["doc", "--release", "--workspace", "--no-deps", "--quiet"]);
        doc.env("RUSTDOCFLAGS", "-D warnings");
        succeeds(doc)
    });

    let no_peers = match peers::available() {
        true => (!peers::install()).then_some("the Python packages could not be installed"),
        false => Some("python3 with pip is missing: apt install python3 python3-pip"),
    };
    let absent = no_plugin.or(no_peers);
    parts.run("semi-NMF against numpy", absent, || succeeds(peers::python(&["tests/peers/snmf_numpy.py"])));
    parts.run("matching pursuit against scikit-learn", absent, || {
        succeeds(peers::python(&["tests/peers/pursuit_sklearn.py"]))
    });
    parts.run("CUR search against numpy", absent, || succeeds(peers::python(&["tests/peers/retrieval_numpy.py"])));
    parts.run("exported programs in JAX's client, same plugin", absent, || {
        succeeds(peers::python(&["tests/peers/jax_client.py", "plugin"]))
    });
    parts.run("exported programs in JAX's client, jaxlib's XLA", absent, || {
        succeeds(peers::python(&["tests/peers/jax_client.py", "jaxlib"]))
    });
    parts.run("functions and derivatives against JAX", no_peers, peers::referee);
    parts.run("demo", no_plugin, demo::examples);
    parts.report()
}
