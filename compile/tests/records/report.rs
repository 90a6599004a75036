//! Running a check over all records, and saying in one message everything that failed.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use tandem_compile::ops::Kind;

use crate::programs::{graph, shown};
use crate::record::{Case, Record};

/// How many failures of one record are printed.
const SHOWN: usize = 4;

/// What failed in one record: the position of the case (`None`: not a matter of one case), and what was wrong.
pub type Failures = Vec<(Option<usize>, String)>;

/// Runs `check` on every record, and panics with all that failed.
pub fn each_record(check: impl Fn(&Record) -> Failures) {
    let only: Option<Vec<String>> =
        std::env::var("RECORDS").ok().map(|names| names.split(',').map(str::to_string).collect());
    let mut failed = 0;
    let mut message = String::new();
    for &kind in Kind::ALL {
        if only.as_ref().is_some_and(|only| !only.iter().any(|name| name == kind.name())) {
            continue;
        }
        let record = match attempt(|| Ok(crate::record(kind))) {
            Ok(record) if record.kind == kind => record,
            Ok(record) => {
                message += &format!("\n{kind}: its record says that it is one of {}\n", record.kind);
                failed += 1;
                continue;
            }
            Err(error) => {
                message += &format!("\n{kind}: no record: {error}\n");
                failed += 1;
                continue;
            }
        };
        let failures = attempt(|| Ok(check(&record))).unwrap_or_else(|error| vec![(None, error)]);
        failed += failures.len();
        message += &text(&record, &failures);
    }
    assert!(failed == 0, "{failed} failures\n{message}");
}

/// Runs `check` on every case of a record.
pub fn each_case(record: &Record, check: impl Fn(&Case) -> Result<(), String>) -> Failures {
    let failures = record.cases.iter().enumerate();
    failures.filter_map(|(at, case)| attempt(|| check(case)).err().map(|error| (Some(at), error))).collect()
}

thread_local! {
    /// While a panic is to become an error: the words and the line of the last one.
    static CAUGHT: RefCell<Option<String>> = const { RefCell::new(None) };
    static CATCHING: Cell<bool> = const { Cell::new(false) };
}

/// Keeps what a panic says instead of printing it, on threads that are catching.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| match CATCHING.get() {
            true => CAUGHT.set(Some(info.to_string())),
            false => print(info),
        }));
    });
}

/// `f`, with a panic as an error.
pub fn attempt<T>(f: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    listen();
    let outer = CATCHING.replace(true);
    let result = catch_unwind(AssertUnwindSafe(f));
    CATCHING.set(outer);
    result.unwrap_or_else(|_| Err(CAUGHT.take().unwrap_or_default()))
}

fn text(record: &Record, failures: &Failures) -> String {
    let mut message = String::new();
    let mut programs = String::new();
    for (at, error) in failures.iter().take(SHOWN) {
        let case = at.and_then(|at| record.cases.get(at));
        let label = case.map_or("", |case| case.label.as_str());
        message += &format!("\n{} {label}: {error}\n", record.kind);
        if let Some(case) = case.filter(|_| programs.is_empty()) {
            programs = attempt(|| graph(case).map(|graph| shown(&graph))).unwrap_or_default();
            message += &programs;
        }
    }
    if failures.len() > SHOWN {
        message += &format!("\n{}: and {} more\n", record.kind, failures.len() - SHOWN);
    }
    message
}
