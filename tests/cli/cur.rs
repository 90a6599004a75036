//! `tandem run cur`: names, shapes and numbers, and what is refused.

use serde_json::json;
use tandem::compile::HostArray;

use crate::tool::Folder;

const FILES: [&str; 8] =
    ["c.npy", "col_index.npy", "core_norm.npy", "r.npy", "relative_error.npy", "row_index.npy", "run.json", "u.npy"];

/// A folder with Hilbert's matrix, `[30, 20]`.
fn hilbert() -> Folder {
    let folder = Folder::new();
    folder.array("a.npy", &HostArray::from_fn([30, 20], |at| 1.0 / (at / 20 + at % 20 + 1) as f64));
    folder
}

#[test]
fn deim_chooses_the_published_rows_and_columns_on_either_side() {
    let folder = hilbert();
    for device in ["cpu", "reference"] {
        let run = format!("run cur --input a=a.npy --set k=6 --dtype f64 --device {device} --out {device} --json");
        let record = folder.tandem(&run).exits(0).json();
        assert_eq!((&record["algorithm"], &record["status"]), (&json!("cur"), &json!([])));
        assert_eq!(folder.names(device), FILES);
        let output = |name: &str| folder.read(&format!("{device}/{name}.npy"));
        assert_eq!(output("row_index").values::<i32>().unwrap(), [0, 3, 15, 1, 29, 6]);
        assert_eq!(output("col_index").values::<i32>().unwrap(), [0, 3, 16, 1, 8, 2]);
        assert_eq!((output("c").shape(), output("u").shape()), (&[30, 6][..], &[6, 6][..]));
        assert_eq!((output("r").shape(), output("relative_error").shape()), (&[6, 20][..], &[][..]));
        let error = output("relative_error").to_f64()[0];
        assert!(error > 1e-6 && error < 1e-4, "{error:e}");
    }
}

#[test]
fn every_selection_and_core_runs_with_rows_and_columns_of_their_own_number() {
    let folder = hilbert();
    let selections = ["deim", "qdeim", "qr", "lu", "leverage", "leverage-sampled", "uniform", "maxvol"];
    for (i, select) in selections.into_iter().enumerate() {
        let core = ["optimal", "cross", "stabilised"][i % 3];
        let set = format!("--set rows=4 --set cols=3 --set select={select} --set core={core} --set seed=7");
        let errors = ["cpu", "reference"].map(|device| {
            let out = format!("{select}-{device}");
            let run = format!("run cur --input a=a.npy {set} --dtype f64 --device {device} --out {out}");
            folder.tandem(&run).exits(0);
            assert_eq!(folder.read(&format!("{out}/r.npy")).shape(), [4, 20]);
            assert_eq!(folder.read(&format!("{out}/c.npy")).shape(), [30, 3]);
            (folder.numbers(&format!("{out}/row_index.npy")), folder.numbers(&format!("{out}/relative_error.npy"))[0])
        });
        assert_eq!(errors[0].0, errors[1].0, "{select}");
        assert!((errors[0].1 - errors[1].1).abs() <= 1e-9, "{select}: {errors:?}");
    }
}

#[test]
fn what_is_missing_or_too_large_is_refused() {
    let folder = hilbert();
    let refused = |set: &str, says: &str| {
        folder.tandem(&format!("run cur --input a=a.npy {set} --out out")).refused(says);
        assert_eq!(folder.names(""), ["a.npy"]);
    };
    refused("", "set k, or rows and cols");
    refused("--set rows=3", "cols = 0");
    refused("--set k=21", "at most min(m, n) = 20 of a [30, 20]");
    refused("--set k=3 --set select=best", "one of deim, qdeim, qr, lu, leverage, leverage-sampled, uniform, maxvol");
    refused("--set k=3 --set core=inverse", "one of optimal, cross, stabilised");
}

#[test]
fn zero_and_lower_rank_are_said_and_finite() {
    let folder = Folder::new();
    folder.array("zero.npy", &HostArray::from_fn([5, 4], |_| 0.0));
    folder.array("one.npy", &HostArray::from_fn([5, 4], |at| ((at / 4 + 1) * (at % 4 + 1)) as f64));
    for device in ["cpu", "reference"] {
        let zero = format!("run cur --input a=zero.npy --set k=2 --device {device} --out {device}-zero --json");
        let record = folder.tandem(&zero).exits(0).json();
        assert_eq!(record["status"], json!(["RANK_DEFICIENT", "DEGENERATE"]));
        assert_eq!(folder.numbers(&format!("{device}-zero/row_index.npy")), [0.0, 1.0]);
        let one = format!("run cur --input a=one.npy --set k=2 --device {device} --out {device}-one --json");
        assert_eq!(folder.tandem(&one).exits(0).json()["status"], json!(["RANK_DEFICIENT"]));
        assert!(folder.numbers(&format!("{device}-one/relative_error.npy"))[0] < 1e-6);
    }
}
