//! The project's own commands. `cargo xtask` lists them.

mod bench;
mod coverage;
mod demo;
mod fuzz;
mod openblas;
mod peers;
mod shell;
mod targets;
mod test;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask demo     builds everything, fetches XLA's CPU plugin, factorizes real neural activations with XLA and with
                     faer, and prints how well the two agree
cargo xtask test     everything that CI runs: format, lints, tests, documentation, outside implementations, demo
cargo xtask bench    speed side by side with JAX on the same plugin and on jaxlib's own XLA
cargo xtask coverage which share of the primitives' and transforms' lines the tests reach (needs rustup's llvm-tools)
cargo xtask lapack   the judge by LAPACK alone, with the system's OpenBLAS (installed with apt where it is missing)
cargo xtask fuzz     random programs, compiled against interpreted: [--programs N] (10000) [--seed S] (1)
                     [--from N] (0: of each quarter, the first that is checked)
cargo xtask targets  every algorithm and function compiled for hardware that need not be there: [tpu-v5e] [cuda-h200]
                     [cuda-a100] (the first two where none is named) [--n N]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["demo"] => demo::run(),
        ["test"] => test::run(),
        ["bench"] => bench::run(),
        ["coverage"] => coverage::run(),
        ["lapack"] => match openblas::judge() {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        },
        ["fuzz", arguments @ ..] => fuzz::run(arguments),
        ["targets", arguments @ ..] => targets::run(arguments),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        other => {
            eprintln!("error: there is no command `{}`\n\n{USAGE}", other.join(" "));
            ExitCode::from(2)
        }
    }
}
