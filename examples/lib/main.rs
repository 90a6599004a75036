//! Where does the local interaction basis find fewer edges than principal components? The experiments of its paper
//! (arXiv 2405.10928): a transformer that adds modulo p, a network that reads digits, a layer of a language model.
//!
//! `cargo run --release --example lib` runs the first with a small p, in minutes; what it prints stands in `docs/lib.md`.
//! `-- modular-addition [P] [FRACTION] [STEPS] [SEED]`, `-- digits` and `-- language-model` run one of them;
//! `-- time P` and `-- export P FILE` are what `bench/lib.py` asks for. Graphs go to `target/lib`.

mod digits;
mod language;
mod modular;
mod report;
mod timing;
mod transformer;

use tandem::Error;

fn main() -> tandem::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let number = |at: usize, default: f64| match words.get(at) {
        None => Ok(default),
        Some(word) => word.parse::<f64>().map_err(|_| Error::Host(format!("a number expected, got {word}"))),
    };
    match words.first().copied() {
        None | Some("modular-addition") => {
            let small = modular::Task::small();
            modular::run(&modular::Task {
                p: number(1, small.p as f64)? as usize,
                fraction: number(2, small.fraction)?,
                steps: number(3, small.steps as f64)? as usize,
                seed: number(4, small.seed as f64)? as u64,
            })
        }
        Some("digits") => digits::run(),
        Some("language-model") => language::run(),
        Some("time") => timing::time(number(1, 113.0)? as usize),
        Some("export") => timing::export(number(1, 113.0)? as usize, words.get(2).copied().unwrap_or("lib.mlir")),
        Some(other) => Err(Error::Host(format!(
            "{other}: expected modular-addition [P] [FRACTION] [STEPS] [SEED], digits, language-model, time P or export P FILE"
        ))),
    }
}
