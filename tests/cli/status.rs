//! What a run says about its own result, and the exit code that this gives.

use serde_json::{Value, json};
use tandem::compile::HostArray;

use crate::tool::Folder;

fn status(folder: &Folder, dir: &str) -> Value {
    serde_json::from_str::<Value>(&folder.text(&format!("{dir}/run.json"))).unwrap()["status"].clone()
}

#[test]
fn nan_that_is_let_in_poisons_every_output_and_everything_is_written() {
    for bad in [f64::NAN, f64::INFINITY] {
        let folder = Folder::new();
        folder.array("a.npy", &HostArray::from_fn([4, 5], |at| if at == 7 { bad } else { 1.0 + at as f64 }));
        for device in ["cpu", "reference"] {
            let run = "run snmf --input a=a.npy --set k=2 --set iters=3 --allow-nonfinite --json";
            let answer = folder.tandem(&format!("{run} --device {device} --out {device}")).exits(1);
            assert_eq!(answer.json()["status"], json!(["NONFINITE_INPUT"]));
            assert!(answer.err.contains("status: NONFINITE_INPUT\n"), "{answer:?}");
            assert!(answer.err.contains("NaN or infinity in z, y, loss"), "{answer:?}");
            assert_eq!(answer.err.lines().count(), 2);
            let output = |name: &str| folder.numbers(&format!("{device}/{name}.npy"));
            assert_eq!(status(&folder, device), json!(["NONFINITE_INPUT"]));
            for name in ["z", "y", "loss"] {
                assert!(output(name).iter().all(|x| x.is_nan()), "{device} {name}");
            }
            assert!(output("top_index").iter().all(|&at| at == -1.0), "{device}");
            assert_eq!(output("iterations"), [0.0], "{device}");
        }
    }
}

#[test]
fn the_iteration_limit_is_a_failure_where_that_is_asked_for() {
    let folder = Folder::with_a();
    let run = "run snmf --input a=a.npy --set k=2 --set iters=3 --set patience=2";
    for device in ["cpu", "reference"] {
        let answer = folder.tandem(&format!("{run} --device {device} --out {device}")).exits(0);
        assert_eq!(answer.err, "status: NOT_CONVERGED\n");
        assert_eq!(status(&folder, device), json!(["NOT_CONVERGED"]));
    }
    let answer = folder.tandem(&format!("{run} --device reference --out strict --strict")).exits(1);
    assert!(answer.err.contains("the iteration limit came before convergence"), "{answer:?}");
    assert_eq!(folder.names("strict"), folder.names("cpu"));
}

#[test]
fn zero_data_is_degenerate_and_finite() {
    let folder = Folder::new();
    folder.array("a.npy", &HostArray::from_fn([3, 4], |_| 0.0));
    for device in ["cpu", "reference"] {
        let run = "run snmf --input a=a.npy --set k=2 --set iters=3 --out";
        let answer = folder.tandem(&format!("{run} {device} --device {device}")).exits(0);
        assert!(answer.err.starts_with("status: ") && answer.err.contains("DEGENERATE"), "{answer:?}");
        assert!(status(&folder, device).as_array().unwrap().contains(&json!("DEGENERATE")));
        assert!(folder.numbers(&format!("{device}/z.npy")).iter().all(|&z| z == 0.0));
    }
}

#[test]
fn more_features_than_samples_are_rank_deficient_and_finite() {
    let folder = Folder::new();
    folder.array("a.npy", &HostArray::from_fn([3, 2], |at| at as f64 - 2.0));
    let run = "run snmf --input a=a.npy --set k=4 --set iters=3 --out out --device reference";
    let answer = folder.tandem(run).exits(0);
    assert!(answer.err.contains("RANK_DEFICIENT"), "{answer:?}");
}
