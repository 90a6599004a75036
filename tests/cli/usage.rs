//! Words that the command line does not know: exit code 2 and one line.

use crate::tool::Folder;

#[test]
fn commands_that_are_missing_or_unknown_are_refused() {
    let folder = Folder::with_a();
    folder.tandem("").refused("a command is missing");
    folder.tandem("plugins").refused("a command is missing");
    folder.tandem("factorize").refused("factorize");
    folder.tandem("plugins remove cpu").refused("remove");
    folder.tandem("plugins install").refused("<NAME>");
    folder.tandem("plugins install gpu").refused("cpu, cuda and tpu");
    folder.tandem("list --yaml").refused("--yaml");
    folder.tandem("list snmf").refused("snmf");
    folder.tandem("run").refused("required");
    folder.tandem("run snmf --input a=a.npy --set k=2").refused("--out <DIR>");
    folder.tandem_with(&["run", "snmf", "--input", "a=a.npy", "--set", "k=2", "--out", ""]).refused("--out <DIR>");
    assert_eq!(folder.names(""), ["a.npy"]);
}

#[test]
fn an_unknown_algorithm_is_refused_everywhere_with_the_known_ones() {
    let folder = Folder::new();
    folder.tandem("run nmf --out out").refused("known are snmf, snmf-transform");
    folder.tandem("compare nmf").refused("known are snmf, snmf-transform");
    folder.tandem("compare snmf nmf").refused("known are snmf, snmf-transform");
    folder.tandem("export nmf --out out.mlir").refused("known are snmf, snmf-transform");
    assert!(folder.names("").is_empty());
}

#[test]
fn whatever_is_in_an_argument_the_error_is_one_line() {
    let folder = Folder::new();
    for text in ["a\nb", "a\r\n\n\nb", "\u{1b}[31m", "é=ü", "=", "k=\n", ""] {
        folder.tandem_with(&["run", text, "--out", "out"]).refused("");
        folder.tandem_with(&["run", "snmf", "--set", text, "--out", "out"]).refused("");
        folder.tandem_with(&["run", "snmf", "--set", "k=2", "--input", text, "--out", "out"]).refused("");
        let input = format!("a={text}.npy");
        folder.tandem_with(&["run", "snmf", "--set", "k=2", "--input", &input, "--out", "out"]).refused("");
        folder.tandem_with(&[text]).refused("");
    }
    assert!(folder.names("").is_empty());
}

#[cfg(unix)]
#[test]
fn an_argument_that_is_no_text_is_refused() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let folder = Folder::new();
    let bad = OsStr::from_bytes(b"a=\xff.npy");
    folder.tandem_with(&[OsStr::new("run"), OsStr::new("snmf"), OsStr::new("--input"), bad]).refused("UTF-8");
}

#[test]
fn help_and_version_are_answers_on_stdout() {
    let folder = Folder::new();
    for arguments in ["--help", "run --help", "compare --help", "export --help", "plugins --help", "--version"] {
        let answer = folder.tandem(arguments).exits(0);
        assert!(!answer.out.is_empty() && answer.err.is_empty(), "{answer:?}");
    }
    let version = folder.tandem("--version").exits(0).out;
    assert_eq!(version, format!("tandem {}\n", env!("CARGO_PKG_VERSION")));
}
