//! Random programs of many operations: the compiler against the interpreter, the derivatives against each other, many
//! problems at once against each alone. What disagrees is printed as the smallest program that still does.
//!
//! `TANDEM_PROGRAMS` sets how many programs are drawn, `TANDEM_SEED` from which seed; `cargo xtask fuzz` sets both.
//! With `TANDEM_COMPILED=n` only one in n is compiled, and the others are left to the interpreter, which is fast. With
//! `TANDEM_FROM=n` the first n programs of each part are drawn and not checked: where a run goes on after a mend.

mod arrange;
mod checks;
mod control;
mod coverage;
mod derivatives;
mod elementwise;
mod findings;
mod index;
mod judge;
mod noise;
mod products;
mod program;
mod reductions;
mod stacks;
mod steps;
mod values;
mod writer;

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::Path;
use std::time::Instant;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::judge::Tally;
use crate::program::{Program, programs};

/// As many parts as there are tests, which run at the same time.
const PARTS: u64 = 4;

/// How many programs an ordinary run draws.
const PROGRAMS: u64 = 240;

fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} must be a number, it is {text}")),
        Err(_) => default,
    }
}

#[derive(Default)]
struct Stats {
    programs: u64,
    /// Programs of which nothing could be judged.
    unjudged: u64,
    tally: Tally,
}

impl Stats {
    fn add(&mut self, tally: Tally) {
        self.programs += 1;
        self.unjudged += u64::from(tally.judged == 0 && tally.skipped > 0);
        self.tally += tally;
    }

    fn progress(&self, part: u64, start: Instant) {
        if self.programs.is_multiple_of(250) {
            println!("part {part}: {} programs in {:.0} s", self.programs, start.elapsed().as_secs_f64());
        }
    }
}

/// The share of programs of which nothing could be judged, and of elements, may not grow unnoticed.
fn enough_is_judged(stats: &Stats) {
    let elements = (stats.tally.judged + stats.tally.skipped) as f64;
    let (programs, elements) =
        (stats.unjudged as f64 / stats.programs.max(1) as f64, stats.tally.skipped as f64 / elements.max(1.0));
    println!(
        "{} programs, of {:.1} % nothing could be judged; {} results, {:.1} % skipped",
        stats.programs,
        100.0 * programs,
        stats.tally.judged + stats.tally.skipped,
        100.0 * elements
    );
    assert!(programs < 0.1 && elements < 0.3, "too much is skipped");
}

fn part(at: u64) {
    let count = number("TANDEM_PROGRAMS", PROGRAMS).div_ceil(PARTS);
    let (every, from) = (number("TANDEM_COMPILED", 1), number("TANDEM_FROM", 0));
    let drawn = Cell::new(0);
    let seed = number("TANDEM_SEED", 1) * PARTS + at;
    let config = Config {
        cases: u32::try_from(count).unwrap_or(u32::MAX),
        failure_persistence: None,
        max_shrink_iters: 4000,
        max_shrink_time: 180_000,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let stats = RefCell::new(Stats::default());
    let failed = RefCell::new(None::<String>);
    let start = Instant::now();
    // Should the compiler take the process with it, the program that did it is there.
    let current =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("random_program_{}_{at}.txt", std::process::id()));
    let found = runner.run(&programs(), |program| {
        drawn.set(drawn.get() + 1);
        if drawn.get() <= from {
            return Ok(());
        }
        fs::write(&current, format!("{}\n{program:?}\n", checks::text(&program)))
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        let before = failed.borrow().clone();
        match (checks::check(&program, every), before) {
            (Ok(tally), None) => {
                stats.borrow_mut().add(tally);
                stats.borrow().progress(at, start);
                Ok(())
            }
            (Err(error), before) if before.as_ref().is_none_or(|before| *before == what(&error)) => {
                failed.replace(Some(what(&error)));
                Err(TestCaseError::fail(error))
            }
            // A smaller program that fails in another way is another failure.
            _ => Ok(()),
        }
    });
    match found {
        Ok(()) => {
            enough_is_judged(&stats.borrow());
            let _ = fs::remove_file(&current);
        }
        Err(TestError::Fail(reason, program)) => {
            let (reason, program) = with_one_result(reason.to_string(), program, every);
            let text = checks::text(&program);
            panic!("part {at}, after {} programs: {text}\n{program:?}\n{reason}", stats.borrow().programs)
        }
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

/// What failed, without the numbers.
fn what(error: &str) -> String {
    error.split(':').next().unwrap_or_default().to_owned()
}

/// The same failure of a program with only one of its results, if there is such a one.
fn with_one_result(reason: String, program: Program, every: u64) -> (String, Program) {
    for only in 0..20 {
        let smaller = Program { only: Some(only), ..program.clone() };
        match checks::check(&smaller, every) {
            Err(error) if what(&error) == what(&reason) => return (error, smaller),
            _ => {}
        }
    }
    (reason, program)
}

#[test]
fn part_0() {
    part(0);
}

#[test]
fn part_1() {
    part(1);
}

#[test]
fn part_2() {
    part(2);
}

#[test]
fn part_3() {
    part(3);
}
