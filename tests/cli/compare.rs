//! `tandem compare` with few cases.

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
    assert_eq!(text["schema"], 1);
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
    }
    assert_eq!(folder.names(""), ["file"]);
}
