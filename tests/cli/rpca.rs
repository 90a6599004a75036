//! `tandem run pcp` and `accaltproj`: names, shapes and numbers, and what is refused.

use serde_json::json;
use tandem::compile::HostArray;

use crate::tool::Folder;

/// Rank 1, with 50 at (2, 3) and (7, 1).
fn element(at: usize) -> f64 {
    let (i, j) = (at / 12, at % 12);
    (1.0 + i as f64 / 10.0) * (2.0 - j as f64 / 12.0) + if (i, j) == (2, 3) || (i, j) == (7, 1) { 50.0 } else { 0.0 }
}

fn folder() -> Folder {
    let folder = Folder::new();
    folder.array("m.npy", &HostArray::from_fn([10, 12], element));
    folder
}

#[test]
fn outliers_are_found_on_either_side() {
    let folder = folder();
    for device in ["cpu", "reference"] {
        for solver in ["ialm", "admm"] {
            let out = format!("{device}-{solver}");
            let set = format!("--set solver={solver} --dtype f64 --device {device}");
            let record = folder.tandem(&format!("run pcp --input m=m.npy {set} --out {out} --json")).exits(0).json();
            assert_eq!((&record["algorithm"], &record["status"]), (&json!("pcp"), &json!([])));
            let names: &[&str] = match solver {
                "admm" => &["gap.npy", "iterations.npy", "l.npy", "rank.npy", "residual.npy", "run.json", "s.npy"],
                _ => &["iterations.npy", "l.npy", "rank.npy", "residual.npy", "run.json", "s.npy"],
            };
            assert_eq!(folder.names(&out), names);
            let get = |name: &str| folder.read(&format!("{out}/{name}.npy"));
            assert_eq!(
                (get("l").shape(), get("s").shape(), get("rank").shape()),
                (&[10, 12][..], &[10, 12][..], &[][..])
            );
            assert_eq!(get("rank").values::<i32>().unwrap(), [1]);
            assert!(get("residual").to_f64()[0] <= 1e-7 && get("iterations").values::<i32>().unwrap()[0] > 5);
            let s = get("s").to_f64();
            assert!((s[27] - 50.0).abs() < 1e-4 && (s[85] - 50.0).abs() < 1e-4, "{} {}", s[27], s[85]);
            assert_eq!(s.iter().filter(|x| x.abs() > 1e-4).count(), 2);
            if solver == "admm" {
                assert!(get("gap").to_f64()[0].abs() < 1e-5);
            }
        }
    }
}

#[test]
fn missing_elements_are_not_read_and_filled_in() {
    let folder = folder();
    let missing = |at: usize| at == 27 || at == 40 || at == 111;
    folder.array("mask.npy", &HostArray::from_fn([10, 12], |at| if missing(at) { 0.0 } else { 1.0 }));
    let hidden = |at: usize| if missing(at) { f64::NAN } else { element(at) };
    folder.array("hidden.npy", &HostArray::from_fn([10, 12], hidden));
    for device in ["cpu", "reference"] {
        let run = format!("run pcp --input m=hidden.npy mask=mask.npy --allow-nonfinite --dtype f64 --device {device}");
        folder.tandem(&format!("{run} --out {device}")).exits(0);
        let (l, s) = (folder.numbers(&format!("{device}/l.npy")), folder.numbers(&format!("{device}/s.npy")));
        for at in [27, 40, 111] {
            let truth = element(at) - if at == 27 { 50.0 } else { 0.0 };
            assert!((l[at] - truth).abs() < 1e-3 && s[at] == 0.0, "{device}: l[{at}] is {}, not {truth}", l[at]);
        }
        assert!((s[85] - 50.0).abs() < 1e-4);
    }
    folder.array("half.npy", &HostArray::from_fn([10, 12], |at| if at == 13 { 0.5 } else { 1.0 }));
    let half = "run pcp --input m=m.npy mask=half.npy --out out";
    folder.tandem(half).refused("mask[1, 1] is 0.5: 1 says that the element is observed, 0 that it is missing");
}

#[test]
fn accelerated_projections_find_the_outliers() {
    let folder = folder();
    for device in ["cpu", "reference"] {
        let run = format!("run accaltproj --input m=m.npy --set rank=1 --dtype f64 --device {device} --out {device}");
        folder.tandem(&run).exits(0);
        assert_eq!(folder.names(device), ["iterations.npy", "l.npy", "run.json", "s.npy"]);
        let s = folder.numbers(&format!("{device}/s.npy"));
        assert!((s[27] - 50.0).abs() < 1e-2 && (s[85] - 50.0).abs() < 1e-2, "{} {}", s[27], s[85]);
        assert_eq!(s.iter().filter(|x| x.abs() > 1.0).count(), 2);
    }
}

#[test]
fn zero_is_said() {
    let folder = Folder::new();
    folder.array("zero.npy", &HostArray::from_fn([3, 4], |_| 0.0));
    for device in ["cpu", "reference"] {
        for run in ["pcp", "pcp --set solver=admm", "accaltproj --set rank=2"] {
            let out = format!("{device}-{}", run.len());
            let run = format!("run {run} --input m=zero.npy --device {device} --out {out} --json");
            assert_eq!(folder.tandem(&run).exits(0).json()["status"], json!(["DEGENERATE"]));
            assert!(
                ["l", "s"].iter().all(|name| folder.numbers(&format!("{out}/{name}.npy")).iter().all(|&x| x == 0.0))
            );
            assert_eq!(folder.read(&format!("{out}/iterations.npy")).values::<i32>().unwrap(), [0]);
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let folder = folder();
    folder.array("row.npy", &HostArray::from_fn([1, 12], |_| 1.0));
    let refused = |run: &str, says: &str| folder.tandem(&format!("run {run} --out out")).refused(says);
    refused("pcp --input m=m.npy --set solver=apg", "one of ialm, admm");
    refused(
        "pcp --input m=m.npy --set lambda=-1",
        "lambda = -1: the weight of the sparse part must be a positive number",
    );
    refused("pcp --input m=m.npy --set tol=2", "tol = 2: the relative residual must be in [0, 1)");
    refused("pcp --input m=m.npy --set max_iters=0", "max_iters = 0: from 1 to");
    refused("pcp --input m=m.npy mask=row.npy", "mask has shape [1, 12], m [10, 12]");
    refused("accaltproj --input m=m.npy", "rank");
    refused("accaltproj --input m=m.npy --set rank=11", "has a rank from 1 to 10");
    assert_eq!(folder.names(""), ["m.npy", "row.npy"]);
}

#[test]
fn both_are_exported() {
    let folder = Folder::new();
    let results = |inputs: &str, run: &str| {
        folder.tandem(&format!("export {run} --input {inputs} --out p.mlir")).exits(0);
        let text = folder.text("p.mlir");
        assert!(!text.contains("custom_call"));
        let from = text.find("@main(").unwrap();
        text[from..].lines().next().unwrap().to_owned()
    };
    let whole = "tensor<5x4xf32>, tensor<5x4xf32>";
    let line = results("m=f32[5,4] mask=f32[5,4]", "pcp");
    assert!(line.contains(&format!("-> ({whole}, tensor<i32>, tensor<i32>, tensor<f32>)")), "{line}");
    let line = results("m=f32[5,4]", "pcp --set solver=admm");
    assert!(line.contains(&format!("-> ({whole}, tensor<i32>, tensor<i32>, tensor<f32>, tensor<f32>)")), "{line}");
    let line = results("m=f32[5,4]", "accaltproj --set rank=2");
    assert!(line.contains(&format!("-> ({whole}, tensor<i32>)")), "{line}");
}
