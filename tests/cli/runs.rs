//! `tandem run` on sound input.

use serde_json::{Value, json};
use tandem::compile::{DType, HostArray};

use crate::tool::{Folder, distance};

const FILES: [&str; 6] = ["iterations.npy", "loss.npy", "run.json", "top_index.npy", "y.npy", "z.npy"];

/// `[d, k]` with the sizes that the letters have.
fn sizes(shape: &str, sizes: &Value) -> Vec<usize> {
    let names = shape.trim_matches(['[', ']']).split(", ").filter(|name| !name.is_empty());
    names.map(|name| sizes[name].as_u64().unwrap() as usize).collect()
}

#[test]
fn outputs_are_what_list_says_and_run_json_tells_all() {
    let folder = Folder::with_a();
    let run = "run snmf --input a=a.npy --set k=2 --set iters=5 --set top=4 --dtype f64 --out new/out --json";
    let answer = folder.tandem(run).exits(0);
    assert_eq!(answer.err, "");
    assert_eq!(answer.out, folder.text("new/out/run.json"));
    assert_eq!(folder.names("new/out"), FILES);
    assert_eq!(folder.names("new"), ["out"]);
    assert_eq!(folder.names(""), ["a.npy", "new"]);

    let record = answer.json();
    let known = json!({ "d": 6, "n": 9, "k": 2, "iters": 5, "top": 4 });
    let list = folder.tandem("list --json").exits(0).json();
    for output in list[0]["outputs"].as_array().unwrap() {
        let name = output["name"].as_str().unwrap();
        let array = folder.read(&format!("new/out/{name}.npy"));
        let dtype = if output["dtype"] == "real" { DType::F64 } else { DType::I32 };
        assert_eq!((array.dtype(), array.shape()), (dtype, &sizes(output["shape"].as_str().unwrap(), &known)[..]));
        assert_eq!(record["shapes"][name], json!(array.shape()), "{name}");
        assert_eq!(record["outputs"][name], array.ty().to_string());
    }
    assert_eq!(record["shapes"]["a"], json!([6, 9]));
    assert_eq!(record["inputs"], json!({ "a": "f64[6,9]" }));
    for (key, value) in [("algorithm", "snmf"), ("device", "cpu"), ("dtype", "f64")] {
        assert_eq!(record[key], value);
    }
    let parameters = json!({
        "k": 2, "iters": 5, "sparsity": 1.0, "init": "random", "seed": 0, "tol": 0.0, "patience": 0, "top": 4,
    });
    assert_eq!(record["parameters"], parameters);
    assert_eq!(record["status"], json!([]));
    assert_eq!(record["versions"]["tandem"], env!("CARGO_PKG_VERSION"));
    assert!(record["versions"]["pjrt"].is_string());
    for time in ["trace_ms", "compile_ms", "run_ms"] {
        assert!(record[time].as_f64().unwrap() > 0.0, "{time}");
    }
}

#[test]
fn the_device_and_the_reference_agree_from_every_start() {
    let folder = Folder::with_a();
    for init in ["random", "svd", "kmeans"] {
        let run = format!("run snmf --input a=a.npy --set k=3 --set iters=6 --set init={init} --dtype f64");
        folder.tandem(&format!("{run} --out device")).exits(0);
        folder.tandem(&format!("{run} --out reference --device reference")).exits(0);
        for output in ["z", "y", "loss", "iterations", "top_index"] {
            let [device, reference] = ["device", "reference"].map(|dir| folder.numbers(&format!("{dir}/{output}.npy")));
            assert!(distance(&device, &reference) < 1e-9, "{init}: {output} {device:?} {reference:?}");
        }
        assert!(folder.numbers("device/y.npy").iter().all(|&y| y >= 0.0));
    }
}

#[test]
fn no_iterations_give_the_start_and_its_least_squares_partner() {
    let folder = Folder::with_a();
    let start: Vec<f64> = (0..18).map(|at| (at % 5) as f64 + 0.25).collect();
    folder.array("y0.npy", &HostArray::new([2, 9], start.clone()).unwrap());
    let run = "run snmf --input a=a.npy --input y0=y0.npy --set k=2 --set iters=0 --dtype f64 --out out";
    let answer = folder.tandem(run).exits(0);
    assert!(answer.out.starts_with("snmf: 6 files in out"), "{answer:?}");
    assert_eq!(folder.numbers("out/y.npy"), start);
    assert_eq!(folder.read("out/loss.npy").shape(), [0]);
    assert_eq!(folder.numbers("out/iterations.npy"), [0.0]);
    // The residual of a least-squares solution is orthogonal to the rows of y.
    let (a, z) = (folder.numbers("a.npy"), folder.numbers("out/z.npy"));
    for row in 0..6 {
        let residual = |j: usize| a[row * 9 + j] - z[row * 2] * start[j] - z[row * 2 + 1] * start[9 + j];
        for feature in 0..2 {
            let product: f64 = (0..9).map(|j| residual(j) * start[feature * 9 + j]).sum();
            assert!(product.abs() < 1e-10, "{product}");
        }
    }
}

#[test]
fn patience_stops_early_and_the_last_loss_is_repeated() {
    let folder = Folder::with_a();
    let run = "run snmf --input a=a.npy --set k=2 --set iters=50 --set patience=2 --set tol=0.9 --out";
    for device in ["cpu", "reference"] {
        let answer = folder.tandem(&format!("{run} {device} --device {device} --strict")).exits(0);
        assert_eq!(answer.err, "");
        let iterations = folder.numbers(&format!("{device}/iterations.npy"))[0] as usize;
        assert!((2..50).contains(&iterations), "{iterations}");
        let loss = folder.numbers(&format!("{device}/loss.npy"));
        assert!(loss[iterations..].iter().all(|x| *x == loss[iterations - 1]), "{loss:?}");
    }
}

#[test]
fn more_samples_asked_for_than_there_are_end_in_minus_one() {
    let folder = Folder::with_a();
    let run = "run snmf --input a=a.npy --set k=1 --set iters=2 --set top=12 --out";
    for device in ["cpu", "reference"] {
        folder.tandem(&format!("{run} {device} --device {device}")).exits(0);
        let mut top = folder.numbers(&format!("{device}/top_index.npy"));
        assert_eq!(top[9..], [-1.0; 3]);
        top.truncate(9);
        top.sort_by(f64::total_cmp);
        assert_eq!(top, (0..9).map(f64::from).collect::<Vec<_>>());
    }
}

#[test]
fn sparsity_keeps_its_fraction_of_each_column() {
    let folder = Folder::with_a();
    let run = "run snmf --input a=a.npy --set k=2 --set iters=3 --set sparsity=0.5 --out out";
    folder.tandem(run).exits(0);
    let z = folder.numbers("out/z.npy");
    for feature in 0..2 {
        assert!(z.iter().skip(feature).step_by(2).filter(|x| **x != 0.0).count() <= 3, "{z:?}");
    }
}

#[test]
fn a_second_run_into_the_same_folder_replaces_the_first_and_keeps_what_else_is_there() {
    let folder = Folder::with_a();
    let run = "run snmf --input a=a.npy --device reference --set iters=2 --out out --set";
    folder.tandem(&format!("{run} k=2")).exits(0);
    assert_eq!(folder.names("out"), FILES);
    folder.tandem(&format!("{run} k=3")).exits(0);
    assert_eq!(folder.names("out"), FILES);
    assert_eq!(folder.read("out/z.npy").shape(), [6, 3]);
    let record: Value = serde_json::from_str(&folder.text("out/run.json")).unwrap();
    assert_eq!((&record["device"], &record["parameters"]["k"]), (&json!("reference"), &json!(3)));
    folder.bytes("out/notes.txt", b"mine");
    folder.tandem(&format!("{run} k=1")).exits(0);
    assert_eq!(folder.text("out/notes.txt"), "mine");
}

#[test]
fn the_transform_finds_the_uses_of_known_features() {
    let folder = Folder::new();
    folder.array("z.npy", &HostArray::from_fn([4, 2], |at| [1.0, 0.0, 0.0, 2.0, 1.0, 1.0, -1.0, 0.0][at]));
    let uses = [1.0, 0.5, 2.0, 3.0, 1.0, 0.25];
    let z = folder.numbers("z.npy");
    let a = |at: usize| z[at / 3 * 2] * uses[at % 3] + z[at / 3 * 2 + 1] * uses[3 + at % 3];
    folder.array("a.npy", &HostArray::from_fn([4, 3], a));
    let run = "run snmf-transform --input a=a.npy --input z=z.npy --dtype f64 --set iters=400 --threads 1 --out out";
    folder.tandem(run).exits(0);
    assert_eq!(folder.names("out"), ["loss.npy", "run.json", "y.npy"]);
    assert!(distance(&folder.numbers("out/y.npy"), &uses) < 1e-6, "{:?}", folder.numbers("out/y.npy"));
    let loss = folder.numbers("out/loss.npy");
    assert!(loss.len() == 400 && loss[399] < 1e-12 * loss[0].max(1.0), "{loss:?}");
    folder.array("z.npy", &HostArray::from_fn([3, 2], |_| 1.0));
    folder.tandem("run snmf-transform --input a=a.npy --input z=z.npy --out new").refused("z has 3 rows and a has 4");
}
