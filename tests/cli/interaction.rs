//! `tandem run lib`: names, shapes and numbers of any number of layers, and what is refused.

use serde_json::json;
use tandem::compile::HostArray;
use tandem::verify::rng::normal;

use crate::tool::{Folder, distance};

/// A folder with a network 6 -> 12 -> 9 -> 4 and 400 inputs.
fn network() -> Folder {
    let folder = Folder::new();
    let array = |shape: [usize; 2], seed: u64, scale: f64| {
        let values = normal(seed, shape[0] * shape[1]);
        HostArray::from_fn(shape, |at| values[at] * scale)
    };
    folder.array("x.npy", &array([400, 6], 940, 1.0));
    for (l, (out, into)) in [(12, 6), (9, 12), (4, 9)].into_iter().enumerate() {
        folder.array(&format!("w{l}.npy"), &array([out, into], 920 + l as u64, (2.0 / into as f64).sqrt()));
        let bias = normal(930 + l as u64, out);
        folder.array(&format!("b{l}.npy"), &HostArray::from_fn([out], |i| 0.3 * bias[i]));
    }
    folder
}

const INPUTS: &str = "--input x=x.npy w0=w0.npy b0=b0.npy w1=w1.npy b1=b1.npy w2=w2.npy b2=b2.npy";

#[test]
fn the_published_numbers_come_out_on_either_side() {
    let folder = network();
    for device in ["cpu", "reference"] {
        let run = format!("run lib {INPUTS} --dtype f64 --device {device} --out {device} --json");
        let record = folder.tandem(&run).exits(0).json();
        assert_eq!((&record["algorithm"], &record["status"]), (&json!("lib"), &json!([])));
        assert_eq!(record["parameters"], json!({ "threshold": 0.0, "center": "true", "edges": "gradient" }));
        assert_eq!(record["shapes"]["w2"], json!([4, 9]));
        let mut files: Vec<String> = (0..3)
            .flat_map(|l| ["c", "lambda", "edges", "rank"].map(|part| format!("{part}{l}.npy")))
            .chain((0..3).map(|l| format!("c{l}_pinv.npy")))
            .chain(["run.json".into()])
            .collect();
        files.sort();
        assert_eq!(folder.names(device), files);
        let array = |name: &str| folder.read(&format!("{device}/{name}.npy"));
        for (l, (width, next)) in [(7, 13), (13, 10), (10, 4)].into_iter().enumerate() {
            assert_eq!(array(&format!("c{l}")).shape(), [width, width]);
            assert_eq!(array(&format!("c{l}_pinv")).shape(), [width, width]);
            assert_eq!(array(&format!("lambda{l}")).shape(), [width]);
            assert_eq!(array(&format!("edges{l}")).shape(), [next, width]);
        }
        let ranks: Vec<f64> = (0..3).map(|l| array(&format!("rank{l}")).to_f64()[0]).collect();
        assert_eq!(ranks, [7.0, 10.0, 5.0]);
        let lambda = array("lambda2").to_f64();
        let published = [7.32318, 1.407229, 0.693614, 0.465785, 0.024775, 0.0, 0.0, 0.0, 0.0, 0.0];
        assert!(distance(&lambda, &published) < 6e-7, "{lambda:?}");
        let edges: f64 = array("edges0").to_f64().iter().sum();
        assert!((edges - 16.352407).abs() < 6e-7, "{edges}");
    }
}

#[test]
fn one_layer_uncentered_and_integrated() {
    let folder = network();
    let run = "run lib --input x=x.npy w0=w0.npy b0=b0.npy --set center=false --set edges=gauss-legendre --dtype f64";
    folder.tandem(&format!("{run} --out cpu")).exits(0);
    folder.tandem(&format!("{run} --device reference --out reference")).exits(0);
    let part = |device: &str, name: &str| folder.numbers(&format!("{device}/{name}.npy"));
    for name in ["lambda0", "edges0", "c0", "c0_pinv"] {
        assert!(distance(&part("cpu", name), &part("reference", name)) < 1e-9, "{name}");
    }
    assert_eq!(folder.read("cpu/edges0.npy").shape(), [12, 7]);
}

#[test]
fn a_program_of_any_number_of_layers_is_exported() {
    let folder = Folder::new();
    let types = "--input x=f64[50,3] --input w0=f64[5,3] --input b0=f64[5] --input w1=f64[2,5] --input b1=f64[2]";
    folder.tandem(&format!("export lib {types} --dtype f64 --out a.mlir")).exits(0);
    let text = folder.text("a.mlir");
    let results = "tensor<4x4xf64>, tensor<4x4xf64>, tensor<4xf64>, tensor<6x4xf64>, tensor<i32>, tensor<6x6xf64>";
    assert!(text.contains(results) && !text.contains("custom_call"), "{}", &text[..600]);
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let folder = network();
    let before = folder.names("");
    let refused = |arguments: &str, says: &str| {
        folder.tandem(&format!("run lib --out out {arguments}")).refused(says);
        assert_eq!(folder.names(""), before);
    };
    refused("--input w0=w0.npy --input b0=b0.npy", "the input x is missing");
    refused("--input x=x.npy --input w0=w0.npy", "the input b0 is missing");
    refused("--input x=x.npy w0=w0.npy b0=b0.npy w2=w2.npy b2=b2.npy", "the input w1 is missing");
    refused("--input x=x.npy w0=w0.npy b0=b0.npy bias=b0.npy", "lib has no such input; it has x, w0, b0");
    refused("--input x=x.npy w0=w1.npy b0=b1.npy", "w0 has shape [9, 12] and takes 12 coordinates, x has 6");
    refused("--input x=x.npy w0=w0.npy b0=b0.npy w1=w2.npy b1=b2.npy", "takes 9 coordinates, w0 gives 12");
    refused("--input x=x.npy w0=w0.npy b0=b1.npy", "b0 has shape [9], expected [12]");
    refused("--input x=x.npy w0=b0.npy b0=b0.npy", "w0 must be a matrix [out, in]");
    refused("--input x=b0.npy w0=w0.npy b0=b0.npy", "x must be a matrix [n, d0]");
    refused(&format!("{INPUTS} --set threshold=1"), "must be in [0, 1)");
    refused(&format!("{INPUTS} --set center=yes"), "one of true, false");
    refused(&format!("{INPUTS} --set edges=squared"), "one of gradient, gauss-legendre");
}

#[test]
fn degenerate_networks_are_said_and_finite() {
    let folder = Folder::new();
    folder.array("x.npy", &HostArray::from_fn([9, 2], |at| (at / 2 * (at % 2 + 1)) as f64));
    folder.array("same.npy", &HostArray::from_fn([9, 2], |at| 0.1 + (at % 2) as f64));
    folder.array("w.npy", &HostArray::from_fn([3, 2], |at| at as f64 - 2.0));
    folder.array("zero.npy", &HostArray::from_fn([3, 2], |_| 0.0));
    folder.array("b.npy", &HostArray::from_fn([3], |i| i as f64));
    for device in ["cpu", "reference"] {
        for (x, w) in [("same", "w"), ("x", "zero")] {
            let inputs = format!("--input x={x}.npy w0={w}.npy b0=b.npy");
            let run = format!("run lib {inputs} --device {device} --out {device}-{x} --json");
            assert_eq!(folder.tandem(&run).exits(0).json()["status"], json!(["DEGENERATE"]));
            assert_eq!(folder.numbers(&format!("{device}-{x}/rank0.npy")), [1.0]);
        }
    }
}
