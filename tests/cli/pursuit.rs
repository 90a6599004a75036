//! `tandem run|compare|export mp|omp|gp`.

use serde_json::{Value, json};
use tandem::compile::{DType, HostArray};

use crate::tool::{Folder, distance};

const METHODS: [&str; 3] = ["mp", "omp", "gp"];
const OUTPUTS: [&str; 4] = ["codes", "support", "residual_norms", "count"];

/// A folder with `x.npy`, three signals of five numbers, and `d.npy`, eight atoms of different norms.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.array("x.npy", &HostArray::from_fn([3, 5], |at| ((at * at + 3 * at) % 17) as f64 - 7.5));
    folder.array("d.npy", &HostArray::from_fn([8, 5], |at| ((7 * at * at + at) % 23) as f64 - 10.0 + at as f64 / 40.0));
    folder
}

const RUN: &str = "--input x=x.npy --input dictionary=d.npy";

#[test]
fn every_method_runs_by_every_route_and_the_reference_agrees() {
    let folder = folder();
    for method in METHODS {
        for selection in ["abs", "signed", "relu"] {
            let run = format!("run {method} {RUN} --set k=4 --set selection={selection} --dtype f64 --out");
            folder.tandem(&format!("{run} reference --device reference")).exits(0);
            for route in ["auto", "gram", "residual"] {
                let answer = folder.tandem(&format!("{run} {route} --set route={route} --json")).exits(0);
                assert_eq!(
                    answer.json()["parameters"],
                    json!({"k": 4, "tol": 0.0, "selection": selection, "route": route})
                );
                for output in OUTPUTS {
                    let [device, reference] =
                        [route, "reference"].map(|dir| folder.numbers(&format!("{dir}/{output}.npy")));
                    let apart = distance(&device, &reference);
                    assert!(apart < 1e-12, "{method} {selection} {route} {output}: {device:?} {reference:?}");
                }
            }
        }
    }
    assert_eq!(folder.names("auto"), ["codes.npy", "count.npy", "residual_norms.npy", "run.json", "support.npy"]);
}

#[test]
fn codes_of_one_step_are_a_projection() {
    let folder = folder();
    let (x, d) = (folder.numbers("x.npy"), folder.numbers("d.npy"));
    let dot = |b: usize, j: usize| (0..5).map(|i| x[b * 5 + i] * d[j * 5 + i]).sum::<f64>();
    let square = |j: usize| (0..5).map(|i| d[j * 5 + i].powi(2)).sum::<f64>();
    for method in METHODS {
        folder.tandem(&format!("run {method} {RUN} --set k=1 --dtype f64 --out {method}")).exits(0);
        let (codes, support) =
            (folder.numbers(&format!("{method}/codes.npy")), folder.read(&format!("{method}/support.npy")));
        assert_eq!((support.dtype(), support.shape()), (DType::I32, &[3, 1][..]));
        for (b, j) in support.to_f64().into_iter().map(|j| j as usize).enumerate() {
            let best = (0..8).map(|j| dot(b, j).abs() / square(j).sqrt()).fold(0.0, f64::max);
            assert!((dot(b, j).abs() / square(j).sqrt() - best).abs() < 1e-12);
            let expected: Vec<f64> = (0..8).map(|i| if i == j { dot(b, j) / square(j) } else { 0.0 }).collect();
            assert!(distance(&codes[b * 8..(b + 1) * 8], &expected) < 1e-14, "{method}: {codes:?}");
        }
    }
}

#[test]
fn a_tolerance_stops_signals_one_by_one() {
    let folder = folder();
    for device in ["cpu", "reference"] {
        let run =
            format!("run omp {RUN} --set k=5 --set tol=0.5 --dtype f64 --strict --device {device} --out {device}");
        let answer = folder.tandem(&run).exits(0);
        assert_eq!(answer.err, "");
        let (norms, count) =
            (folder.numbers(&format!("{device}/residual_norms.npy")), folder.numbers(&format!("{device}/count.npy")));
        let support = folder.numbers(&format!("{device}/support.npy"));
        for (b, count) in count.iter().map(|&count| count as usize).enumerate() {
            let (norms, support) = (&norms[b * 6..(b + 1) * 6], &support[b * 5..(b + 1) * 5]);
            assert!(norms[count] <= 0.5 * norms[0] && norms[count - 1] > 0.5 * norms[0], "{norms:?}");
            assert!(norms[count..].iter().all(|norm| *norm == norms[count]));
            assert!(support[..count].iter().all(|&j| j >= 0.0) && support[count..].iter().all(|&j| j == -1.0));
        }
    }
    // One step is too few for one of them.
    let answer = folder.tandem(&format!("run mp {RUN} --set k=1 --set tol=0.01 --out mp --strict")).exits(1);
    assert!(answer.err.contains("NOT_CONVERGED"), "{answer:?}");
}

#[test]
fn nan_that_is_let_in_poisons_its_own_signal_alone() {
    let folder = folder();
    folder.array("n.npy", &HostArray::from_fn([3, 5], |at| if at == 7 { f64::NAN } else { at as f64 - 6.0 }));
    folder.tandem("run omp --input x=n.npy --input dictionary=d.npy --set k=2 --out out").refused("[1, 2] is NaN");
    for (method, device) in [("mp", "cpu"), ("omp", "cpu"), ("gp", "cpu"), ("omp", "reference")] {
        let run = format!("run {method} --input x=n.npy --input dictionary=d.npy --set k=2 --allow-nonfinite");
        let answer = folder.tandem(&format!("{run} --device {device} --out out --json")).exits(1);
        assert_eq!(answer.json()["status"], json!(["NONFINITE_INPUT"]));
        let finite = |name: &str, width: usize| -> Vec<bool> {
            let values = folder.numbers(&format!("out/{name}.npy"));
            values.chunks(width).map(|row| row.iter().all(|x| x.is_finite())).collect()
        };
        assert_eq!(finite("codes", 8), [true, false, true]);
        assert_eq!(finite("residual_norms", 3), [true, false, true]);
        assert_eq!(folder.numbers("out/count.npy"), [2.0, 0.0, 2.0]);
        assert_eq!(folder.numbers("out/support.npy")[2..4], [-1.0, -1.0]);
    }
}

#[test]
fn dependent_atoms_and_zero_signals_are_said() {
    let folder = Folder::new();
    folder.array("x.npy", &HostArray::from_fn([2, 3], |at| [1.0, 2.0, 3.0, 0.0, 0.0, 0.0][at]));
    // A plane's atoms: the third coordinate stays, and a third atom of the plane is refused.
    folder.array("d.npy", &HostArray::from_fn([3, 3], |at| [1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.3, 1.0, 0.0][at]));
    for device in ["cpu", "reference"] {
        let answer = folder.tandem(&format!("run omp {RUN} --set k=3 --device {device} --out {device}")).exits(0);
        assert!(answer.err.contains("DEGENERATE"), "{answer:?}");
        let record: Value = serde_json::from_str(&folder.text(&format!("{device}/run.json"))).unwrap();
        assert!(record["status"].as_array().unwrap().contains(&json!("DEGENERATE")));
        assert_eq!(folder.numbers(&format!("{device}/count.npy")), [2.0, 0.0]);
        let norms = folder.numbers(&format!("{device}/residual_norms.npy"));
        assert!((norms[3] - 3.0).abs() < 1e-5 && norms[4..] == [0.0; 4], "{norms:?}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let folder = folder();
    folder.array("wide.npy", &HostArray::from_fn([4, 6], |at| at as f64));
    folder.array("empty.npy", &HostArray::from_fn([0, 5], |_| 0.0));
    folder.array("vector.npy", &HostArray::from_fn([5], |_| 1.0));
    for method in METHODS {
        let refused =
            |arguments: &str, says: &str| folder.tandem(&format!("run {method} --out out {arguments}")).refused(says);
        refused(RUN, "k must be set");
        refused(&format!("{RUN} --set k=-1"), "k must be a whole number");
        refused(&format!("{RUN} --set k=2 --set tol=1"), "tol = 1: the relative residual norm must be in [0, 1)");
        refused(&format!("{RUN} --set k=2 --set tol=-0.5"), "must be in [0, 1)");
        refused(&format!("{RUN} --set k=2 --set selection=best"), "one of abs, signed, relu");
        refused(&format!("{RUN} --set k=2 --set route=fast"), "one of auto, gram, residual");
        refused(&format!("{RUN} --set k=4000000000"), "less than 2147483647 is supported");
        refused("--input x=x.npy --set k=2", "the input dictionary is missing");
        let with = |x: &str, d: &str| format!("--input x={x}.npy --input dictionary={d}.npy --set k=2");
        refused(&with("x", "wide"), "the atoms have 6 entries and the signals 5");
        refused(&with("vector", "d"), "x must be a matrix [batch, d]");
        refused(&with("x", "vector"), "dictionary must be a matrix [p, d]");
        refused(&with("x", "empty"), "every size must be at least 1");
    }
    assert_eq!(folder.names(""), ["d.npy", "empty.npy", "vector.npy", "wide.npy", "x.npy"]);
}

#[test]
fn no_steps_leave_the_signals_as_they_are() {
    let folder = folder();
    for device in ["cpu", "reference"] {
        folder.tandem(&format!("run omp {RUN} --set k=0 --device {device} --out {device}")).exits(0);
        assert!(folder.numbers(&format!("{device}/codes.npy")).iter().all(|&z| z == 0.0));
        assert_eq!(folder.read(&format!("{device}/support.npy")).shape(), [3, 0]);
        assert_eq!(folder.read(&format!("{device}/residual_norms.npy")).shape(), [3, 1]);
    }
}

#[test]
fn programs_are_exported_and_compared() {
    let folder = Folder::new();
    for method in METHODS {
        let export = format!("export {method} --input x=f32[7,5] --input dictionary=f32[9,5] --set k=3 --out a.mlir");
        folder.tandem(&export).exits(0);
        let text = folder.text("a.mlir");
        let results = "tensor<7x9xf32>, tensor<7x3xi32>, tensor<7x4xf32>, tensor<7xi32>";
        let signature = format!("@main(%arg0: tensor<7x5xf32>, %arg1: tensor<9x5xf32>) -> ({results})");
        assert!(text.contains(&signature), "{}", &text[..400]);
        assert!(!text.contains("custom_call"));
    }
    let answer = folder.tandem("compare omp --cases 2 --dtype f64 --device reference").exits(0);
    assert!(answer.out.contains("omp") && answer.out.trim_end().ends_with("agrees"), "{answer:?}");
}
