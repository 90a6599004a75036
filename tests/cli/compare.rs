//! `tandem compare` with few cases.

use serde_json::{Value, json};

use crate::tool::Folder;

#[test]
fn a_comparison_is_a_table_and_a_certificate() {
    let folder = Folder::new();
    let compare = "compare snmf-transform --cases 2 --dtype f32 --seed 5 --certificate new/c.json";
    let answer = folder.tandem(compare).exits(0);
    assert_eq!(answer.err, "");
    let lines: Vec<&str> = answer.out.lines().collect();
    assert_eq!(lines.len(), 2, "{answer:?}");
    assert!(lines[0].starts_with("algorithm "), "{answer:?}");
    assert!(lines[1].starts_with("snmf-transform  f32 ") && lines[1].ends_with("agrees"), "{answer:?}");

    assert_eq!(folder.names("new"), ["c.json"]);
    let text: serde_json::Value = serde_json::from_str(&folder.text("new/c.json")).unwrap();
    let certificate = &text["certificates"][0];
    assert_eq!((&text["schema"], &certificate["schema"]), (&json!(2), &json!(2)));
    for (key, value) in [("algorithm", "snmf-transform"), ("dtype", "f32"), ("device", "cpu")] {
        assert_eq!(certificate[key], value);
    }
    assert_eq!((certificate["cases"].as_u64(), certificate["seed"].as_u64()), (Some(2), Some(5)));
    assert_eq!((certificate["agreed"].as_bool(), certificate["counterexample"].is_null()), (Some(true), true));
    assert_eq!(certificate["versions"]["tandem"], env!("CARGO_PKG_VERSION"));
    let outputs = certificate["outputs"].as_array().unwrap();
    assert_eq!(outputs.iter().map(|output| &output["name"]).collect::<Vec<_>>(), ["y", "loss"]);
    assert!(outputs.iter().all(|output| output["worst_ratio"].as_f64() <= certificate["factor"].as_f64()));
    let laws = certificate["laws"].as_array().unwrap();
    assert!(!laws.is_empty() && laws.iter().all(|law| law["broken"] == 0), "{certificate}");
    let records = certificate["records"].as_array().unwrap();
    assert_eq!((records.len(), certificate["worst"].as_array().unwrap().len()), (2, 2));
    assert!(records.iter().all(|record| record["size"].as_u64() > Some(0)), "{certificate}");
    assert_eq!(certificate["bits"]["repeated"], json!({ "cases": 2, "same": 2 }));
    assert_eq!(certificate["bits"]["permuted"]["cases"], 2);
    let times = &text["times"][0];
    assert_eq!((&times["algorithm"], times["cases"].as_array().map(Vec::len)), (&json!("snmf-transform"), Some(2)));
    assert!(times["compile_seconds"].as_f64() < times["seconds"].as_f64(), "{times}");
}

#[test]
fn a_certificate_comes_out_the_same_again_but_for_its_times() {
    let folder = Folder::new();
    let compare = |file: &str, seed: u64| {
        let command = format!("compare solve --dtype f32 --cases 6 --seed {seed} --certificate {file}");
        folder.tandem(&command).exits(0);
        let mut text: Value = serde_json::from_str(&folder.text(file)).unwrap();
        let times = text.as_object_mut().unwrap().remove("times");
        assert_eq!(times.unwrap().as_array().map(Vec::len), Some(1));
        serde_json::to_string_pretty(&text).unwrap()
    };
    let first = compare("a.json", 3);
    assert_eq!(first, compare("b.json", 3));
    assert_ne!(first, compare("c.json", 4));
    // Whatever is not the same stands in the file's last part.
    let before_times = |file: &str| folder.text(file).split("\n  \"times\": [").next().unwrap().to_owned();
    assert_eq!(before_times("a.json"), before_times("b.json"));
}

#[test]
fn a_report_is_one_page_that_needs_nothing_else() {
    let folder = Folder::new();
    folder.tandem("compare solve --cases 12 --dtype f32 --report new/report.html").exits(0);
    assert_eq!(folder.names("new"), ["report.html"]);
    let page = folder.text("new/report.html");
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    for part in ["<script", "src=", "http:", "https:", "@import", "url(", "NaN"] {
        assert!(!page.contains(part), "{part} in the page");
    }
    for part in
        ["width=device-width", "condition number", "lapack ratio is below thirty", "Nearest to disagreement", "agrees"]
    {
        assert!(page.contains(part), "no {part} in the page");
    }
    assert_eq!(page.matches("<circle").count(), 12);
    // Every element that is opened is closed.
    for name in
        ["table", "tr", "td", "div", "details", "figure", "svg", "text", "title", "p", "h2", "h3", "html", "body"]
    {
        let opened = page.matches(&format!("<{name}>")).count() + page.matches(&format!("<{name} ")).count();
        assert_eq!(opened, page.matches(&format!("</{name}>")).count(), "{name}");
    }
}

#[test]
fn the_reference_alone_is_compared_with_its_oracle() {
    let answer = Folder::new().tandem("compare snmf-transform --cases 2 --device reference").exits(0);
    assert_eq!(answer.out.lines().filter(|line| line.contains("reference") && line.ends_with("agrees")).count(), 2);
}

#[test]
fn what_cannot_be_compared_or_recorded_is_refused_at_once() {
    let folder = Folder::new();
    folder.bytes("file", b"kept");
    folder.tandem("compare snmf --cases 0").refused("1..=");
    folder.tandem("compare snmf --cases few").refused("--cases");
    folder.tandem("compare snmf --seed -1").refused("-1");
    folder.tandem("compare snmf --dtype f16").refused("f32, f64");
    folder.tandem("compare snmf --device nowhere").refused("known devices");
    for (path, says) in [
        ("file/c.json", "file: this is a file"),
        ("/proc/c.json", "/proc: results cannot be written here"),
        ("/dev/null", "no regular file"),
        (".", "names no file"),
    ] {
        folder.tandem(&format!("compare --cases 1000000 --certificate {path}")).refused(says);
        folder.tandem(&format!("compare --cases 1000000 --report {path}")).refused(says);
    }
    assert_eq!(folder.names(""), ["file"]);
}
