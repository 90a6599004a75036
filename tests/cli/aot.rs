//! `tandem aot`: programs for hardware that is not there.

use serde_json::Value;
use tandem::compile::pjrt::Environment;
use tandem::registry::algorithms;

use crate::tool::Folder;

/// What a record has, in order.
const KEYS: [&str; 15] = [
    "algorithm",
    "dtype",
    "target",
    "parameters",
    "inputs",
    "flops",
    "bytes_accessed",
    "peak_memory",
    "code_size",
    "trace_seconds",
    "compile_seconds",
    "counted_by",
    "roofline_seconds",
    "bound",
    "error",
];

/// Whether the plugin of `device` is there; says aloud that the test is not run where it is not.
fn there(device: &str, test: &str) -> bool {
    let found = Environment::current().locate(device).is_ok();
    if !found {
        eprintln!("NOT RUN: {test}: the plugin is missing: tandem plugins install {device}");
    }
    found
}

/// Compiles a small algorithm in both precisions and checks both records.
fn compiles(target: &str) {
    let answer = Folder::new().tandem(&format!("aot snmf-transform --target {target} --json")).exits(0);
    let records = answer.json();
    let records = records.as_array().unwrap();
    assert_eq!(records.len(), 2, "{answer:?}");
    for (record, dtype) in records.iter().zip(["f32", "f64"]) {
        assert_eq!(record.as_object().unwrap().keys().collect::<Vec<_>>(), KEYS);
        for (key, value) in [("algorithm", "snmf-transform"), ("dtype", dtype), ("target", target)] {
            assert_eq!(record[key], value, "{record}");
        }
        assert_eq!(record["inputs"]["z"], format!("{dtype}[128,8]"), "{record}");
        assert_eq!((&record["parameters"]["iters"], &record["error"]), (&Value::from(200), &Value::Null), "{record}");
        let counted_by = if target == "tpu-v5e" { "compiler" } else { "graph" };
        assert_eq!(record["counted_by"], counted_by, "{record}");
        for key in KEYS[5..13].iter().filter(|key| **key != "counted_by") {
            assert!(record[key].as_f64().is_some_and(|x| x > 0.0), "{key} in {record}");
        }
        assert!(matches!(record["bound"].as_str(), Some("arithmetic" | "memory")), "{record}");
        // A, Z and Y have to be in memory at once.
        let elements = (128 * 64 + 128 * 8 + 8 * 64) as f64;
        let bytes = elements * if dtype == "f64" { 8.0 } else { 4.0 };
        assert!(record["peak_memory"].as_f64().unwrap() >= bytes, "{record}");
    }
    let bytes = |at: usize| records[at]["bytes_accessed"].as_f64().unwrap();
    assert!(bytes(1) > 1.5 * bytes(0), "f64 moves twice the bytes of f32: {} and {}", bytes(1), bytes(0));
}

#[test]
fn a_program_compiles_for_a_tpu_v5e_without_one() {
    if there("tpu", "a program for a TPU v5e") {
        compiles("tpu-v5e");
    }
}

#[test]
fn a_program_compiles_for_an_h200_without_one() {
    if there("cuda", "a program for an H200") {
        compiles("cuda-h200");
    }
}

#[test]
fn a_program_compiles_for_an_a100_without_one() {
    if there("cuda", "a program for an A100") {
        compiles("cuda-a100");
    }
}

#[test]
fn a_table_says_what_its_numbers_are() {
    if !there("tpu", "the table of one program") {
        return;
    }
    let answer = Folder::new().tandem("aot cholesky --target tpu-v5e --dtype f32").exits(0);
    let lines: Vec<&str> = answer.out.lines().collect();
    assert!(lines[0].starts_with("algorithm  dtype  target"), "{answer:?}");
    assert!(lines[1].starts_with("cholesky   f32    tpu-v5e"), "{answer:?}");
    assert!(answer.out.contains("a loop's body counts once") && answer.out.contains("819 GB/s"), "{answer:?}");
}

#[test]
fn a_program_that_cannot_be_compiled_is_a_failure_with_its_reason() {
    if !there("tpu", "a compiler that takes too long") {
        return;
    }
    // No compiler is done in a second, for the plugin alone takes longer to load.
    let answer = Folder::new().tandem("aot svd --target tpu-v5e --dtype f64 --limit 1 --json").exits(1);
    let record = &answer.json()[0];
    assert_eq!(record["error"], "no answer in 1 s");
    assert_eq!(record.as_object().unwrap().keys().collect::<Vec<_>>(), KEYS);
    assert!(answer.err.starts_with("error: svd in f64 for tpu-v5e: no answer in 1 s"), "{answer:?}");
}

#[test]
fn what_cannot_be_compiled_at_all_is_refused() {
    let folder = Folder::new();
    folder.tandem("aot snmf").refused("--target");
    folder.tandem("aot snmf --target tpu").refused("tpu-v5e, cuda-h200, cuda-a100");
    folder.tandem("aot nothing --target tpu-v5e").refused("there is no algorithm nothing");
    folder.tandem("aot --target tpu-v5e --set k=3").refused("name it");
    folder.tandem("aot snmf --target tpu-v5e --set q=3").refused("no such parameter");
    let home = folder.path("home");
    let answer = folder.start(folder.bare_command(&home).args(["aot", "snmf", "--target", "cuda-a100"]));
    answer.refused("tandem plugins install cuda");
}

#[test]
fn list_shows_a_representative_run_of_every_algorithm() {
    let list = Folder::new().tandem("list --json").exits(0).json();
    assert_eq!(list.as_array().unwrap().len(), algorithms().len());
    for algorithm in list.as_array().unwrap() {
        let example = &algorithm["example"];
        assert!(example["settings"].is_array() && example["inputs"].is_object(), "{algorithm}");
        let given = example["inputs"].as_object().unwrap();
        let required = algorithm["inputs"].as_array().unwrap().iter().filter(|input| input["optional"] == false);
        for input in required {
            assert!(given.contains_key(input["name"].as_str().unwrap()), "{algorithm}");
        }
    }
}
