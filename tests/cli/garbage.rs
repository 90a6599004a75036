//! Whatever the bytes and the words: an answer, never a panic.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use crate::tool::{Folder, npy};

/// Runs the test on the same values every time.
fn always<S: Strategy>(cases: u32, strategy: S, test: impl Fn(&Folder, S::Value) -> Option<i32>) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let folder = Folder::with_a();
    let outcome = runner.run(&strategy, |value| {
        let code = test(&folder, value);
        prop_assert!(matches!(code, Some(0..=2)), "exit code {code:?}");
        Ok(())
    });
    if let Err(TestError::Fail(reason, value)) = outcome {
        panic!("{reason} for {value:?}");
    }
}

/// The exit code of a quick run on `bytes` in a file of that name.
fn run_on(folder: &Folder, name: &str, bytes: &[u8]) -> Option<i32> {
    folder.bytes(name, bytes);
    let input = if name.ends_with(".npz") { format!("{name}:w") } else { name.to_owned() };
    let run = "run snmf --device reference --set k=1 --set iters=1 --out out";
    folder.tandem(&format!("{run} --input a={input}")).code
}

/// A `.safetensors` file of one matrix.
fn safetensors() -> Vec<u8> {
    let header = br#"{"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#;
    [&(header.len() as u64).to_le_bytes(), &header[..], &[0; 24]].concat()
}

/// A `.npz` archive of one matrix.
fn npz() -> Vec<u8> {
    use std::io::Write;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("w.npy", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(&npy("<f4", false, "(2, 3)", &[0; 24])).unwrap();
    zip.finish().unwrap().into_inner()
}

/// Files of a kind, and noise that may begin like one.
fn files() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let kinds = [("g.npy", npy("<f4", false, "(2, 3)", &[0; 24])), ("g.npz", npz()), ("g.safetensors", safetensors())];
    let noise = prop::collection::vec(any::<u8>(), 0..200);
    let damage = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4);
    (prop::sample::select(kinds.to_vec()), noise, damage, any::<prop::sample::Index>(), 0..3).prop_map(
        |((name, mut bytes), noise, damage, cut, how)| {
            match how {
                0 => bytes = noise,
                1 => {
                    bytes.truncate(cut.index(bytes.len()));
                    bytes.extend(noise);
                }
                _ => damage.into_iter().for_each(|(at, byte)| {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }),
            }
            (name, bytes)
        },
    )
}

/// Words that the program knows, none of which downloads anything or computes for long, and words that it does not.
fn words() -> impl Strategy<Value = Vec<String>> {
    let known = prop::sample::select(vec![
        "run",
        "export",
        "list",
        "plugins",
        "snmf",
        "snmf-transform",
        "--json",
        "--set",
        "k=1",
        "iters=1",
        "top=3",
        "--input",
        "a=a.npy",
        "a=f32[6,9]",
        "y0=a.npy",
        "a=a.npy^T",
        "--out",
        "out",
        "--device",
        "reference",
        "--dtype",
        "f64",
        "--strict",
        "--allow-nonfinite",
        "--threads",
        "1",
        "--",
        "=",
        "-h",
        "--version",
    ]);
    let unknown = "[^\0/]{0,8}";
    prop::collection::vec(prop_oneof![4 => known.prop_map(String::from), 1 => unknown], 0..12)
}

#[test]
fn no_file_makes_the_program_panic() {
    always(96, files(), |folder, (name, bytes)| run_on(folder, name, &bytes));
}

#[test]
fn no_words_make_the_program_panic() {
    always(64, words(), |folder, words| folder.tandem_with(&words).code);
}

#[test]
fn no_setting_makes_the_program_panic() {
    let value = prop_oneof!["[^\0]{0,6}", "-?[0-9]{0,11}", "-?[0-9]{0,3}(\\.[0-9]{0,3})?(e-?[0-9]{1,3})?"];
    let name = prop::sample::select(vec!["k", "sparsity", "init", "seed", "tol", "patience"]);
    always(64, (name, value), |folder, (name, value)| {
        let run = "run snmf --device reference --input a=a.npy --out out --set iters=1 --set top=1 --set";
        let mut words: Vec<String> = run.split(' ').map(String::from).collect();
        words.push(format!("{name}={value}"));
        if name != "k" {
            words.extend(["--set".into(), "k=2".into()]);
        }
        folder.tandem_with(&words).code
    });
}
