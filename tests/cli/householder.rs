//! `tandem run householder-q` and `householder-projector`: names, shapes and numbers, and what is refused.

use serde_json::json;
use tandem::compile::HostArray;

use crate::tool::Folder;

/// Row-major `[rows, cols]` matrices.
fn product(a: &[f64], b: &[f64], inner: usize) -> Vec<f64> {
    let (rows, cols) = (a.len() / inner, b.len() / inner);
    let element = |at: usize| (0..inner).map(|l| a[at / cols * inner + l] * b[l * cols + at % cols]).sum();
    (0..rows * cols).map(element).collect()
}

fn transposed(a: &[f64], cols: usize) -> Vec<f64> {
    let rows = a.len() / cols;
    (0..a.len()).map(|at| a[at % rows * cols + at / rows]).collect()
}

fn farthest(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).fold(0.0, |m, (x, y)| f64::max(m, (x - y).abs()))
}

fn identity(n: usize) -> Vec<f64> {
    (0..n * n).map(|at| f64::from(u8::from(at / n == at % n))).collect()
}

/// The first `cols` columns of H(v_1) ... H(v_k), for V with k columns; zero columns are the identity.
fn reflected(v: &[f64], k: usize, cols: usize) -> Vec<f64> {
    let d = v.len() / k;
    let mut q: Vec<f64> = (0..d * cols).map(|at| f64::from(u8::from(at / cols == at % cols))).collect();
    for j in (0..k).rev() {
        let column: Vec<f64> = (0..d).map(|i| v[i * k + j]).collect();
        let squares: f64 = column.iter().map(|x| x * x).sum();
        if squares == 0.0 {
            continue;
        }
        let inner = product(&column, &q, d);
        for at in 0..q.len() {
            q[at] -= 2.0 / squares * column[at / cols] * inner[at % cols];
        }
    }
    q
}

#[test]
fn q_is_the_product_by_every_form_on_either_side() {
    let folder = Folder::new();
    let v: Vec<f64> = (0..42).map(|at| ((at * 7 % 11) as f64) - 4.5).collect();
    folder.array("v.npy", &HostArray::new([7, 6], v.clone()).unwrap());
    for form in ["auto", "sequential", "accumulated", "compact", "blocked", "tree"] {
        for (device, cols) in [("cpu", 0), ("reference", 3)] {
            let out = format!("{form}-{device}");
            let run = format!("run householder-q --input v=v.npy --set cols={cols} --set form={form} --dtype f64");
            let record = folder.tandem(&format!("{run} --device {device} --out {out} --json")).exits(0).json();
            assert_eq!((&record["algorithm"], &record["status"]), (&json!("householder-q"), &json!([])));
            assert_eq!(folder.names(&out), ["q.npy", "run.json"]);
            let q = folder.read(&format!("{out}/q.npy"));
            let cols = if cols == 0 { 7 } else { cols };
            assert_eq!(q.shape(), [7, cols]);
            assert!(farthest(&q.to_f64(), &reflected(&v, 6, cols)) < 1e-14, "{form} {device}");
        }
    }
}

#[test]
fn no_reflection_and_a_zero_one_are_the_identity() {
    let folder = Folder::new();
    folder.array("none.npy", &HostArray::new([4, 0], Vec::<f64>::new()).unwrap());
    folder.array("zero.npy", &HostArray::from_fn([4, 2], |_| 0.0));
    for device in ["cpu", "reference"] {
        for (file, status) in [("none", json!([])), ("zero", json!(["DEGENERATE"]))] {
            let out = format!("{file}-{device}");
            let run = format!("run householder-q --input v={file}.npy --device {device} --out {out} --json");
            assert_eq!(folder.tandem(&run).exits(0).json()["status"], status);
            assert_eq!(folder.numbers(&format!("{out}/q.npy")), identity(4));
        }
    }
}

#[test]
fn the_projector_is_made_of_its_reflectors_and_nearest() {
    let folder = Folder::new();
    let w: Vec<f64> = (0..54).map(|at| ((at * at * 5 + at * 3) % 17) as f64 / 4.0 - 2.0).collect();
    folder.array("w.npy", &HostArray::new([9, 6], w.clone()).unwrap());
    let files =
        ["directions.npy", "distance.npy", "projector.npy", "run.json", "s.npy", "u_vectors.npy", "v_vectors.npy"];
    let distances = ["cpu", "reference"].map(|device| {
        let run = format!("run householder-projector --input w=w.npy --set rank=3 --dtype f64 --device {device}");
        let record = folder.tandem(&format!("{run} --out {device} --json")).exits(0).json();
        assert_eq!((&record["algorithm"], &record["status"]), (&json!("householder-projector"), &json!([])));
        assert_eq!(folder.names(device), files);
        let get = |name: &str| folder.read(&format!("{device}/{name}.npy"));
        let shapes = [("u_vectors", vec![9, 3]), ("v_vectors", vec![6, 3]), ("s", vec![3]), ("projector", vec![9, 6])];
        for (name, shape) in shapes.into_iter().chain([("directions", vec![3, 6]), ("distance", vec![])]) {
            assert_eq!(get(name).shape(), shape, "{name}");
        }
        let [u, v, s, p, directions] =
            ["u_vectors", "v_vectors", "s", "projector", "directions"].map(|name| get(name).to_f64());
        assert!(s.iter().all(|x| x.abs() == 1.0));
        assert!(farthest(&transposed(&reflected(&v, 3, 3), 3), &directions) < 1e-14);
        let left: Vec<f64> = reflected(&u, 3, 3).iter().enumerate().map(|(at, x)| x * s[at % 3]).collect();
        assert!(farthest(&product(&left, &directions, 3), &p) < 1e-14);
        assert!(farthest(&product(&directions, &transposed(&directions, 6), 6), &identity(3)) < 1e-14);
        let squared: f64 = w.iter().zip(&p).map(|(a, b)| (a - b) * (a - b)).sum();
        let distance = get("distance").to_f64()[0];
        assert!((distance - squared.sqrt()).abs() < 1e-13 * distance);
        (distance, p)
    });
    assert!((distances[0].0 / distances[1].0 - 1.0).abs() < 1e-13);
    assert!(farthest(&distances[0].1, &distances[1].1) < 1e-12);
}

#[test]
fn zero_and_lower_rank_are_said() {
    let folder = Folder::new();
    folder.array("zero.npy", &HostArray::from_fn([3, 4], |_| 0.0));
    folder.array("one.npy", &HostArray::from_fn([3, 4], |at| ((at / 4 + 1) * (at % 4 + 1)) as f64));
    for device in ["cpu", "reference"] {
        let run = |file: &str| {
            let out = format!("{device}-{file}");
            let run = format!("run householder-projector --input w={file}.npy --set rank=2 --device {device}");
            let status = folder.tandem(&format!("{run} --out {out} --json")).exits(0).json()["status"].clone();
            (status, folder.numbers(&format!("{out}/projector.npy")))
        };
        let (status, p) = run("zero");
        assert_eq!(status, json!(["RANK_DEFICIENT", "DEGENERATE"]));
        assert_eq!(p, [1., 0., 0., 0., 0., 1., 0., 0., 0., 0., 0., 0.]);
        let (status, p) = run("one");
        assert_eq!(status, json!(["RANK_DEFICIENT"]));
        assert!((p.iter().map(|x| x * x).sum::<f64>() - 2.0).abs() < 1e-5);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let folder = Folder::with_a();
    let q = "run householder-q --input v=a.npy --out out --set";
    folder.tandem(&format!("{q} cols=7")).refused("cols = 7: Q is [6, 6] for v [6, 9], so at most 6");
    folder.tandem(&format!("{q} form=fast")).refused("one of auto, sequential, accumulated, compact, blocked, tree");
    let projector = "run householder-projector --input w=a.npy --out out";
    folder.tandem(projector).refused("rank");
    folder.tandem(&format!("{projector} --set rank=0")).refused("from 1 to min(m, n) = 6");
    folder.tandem(&format!("{projector} --set rank=7")).refused("from 1 to min(m, n) = 6");
    assert_eq!(folder.names(""), ["a.npy"]);
}

#[test]
fn both_are_compared_and_exported() {
    let folder = Folder::new();
    for name in ["householder-q", "householder-projector"] {
        let compare = format!("compare {name} --cases 2 --dtype f64 --device reference");
        assert!(folder.tandem(&compare).exits(0).out.trim_end().ends_with("agrees"));
    }
    folder.tandem("export householder-q --input v=f32[8,3] --set cols=2 --out q.mlir").exits(0);
    assert!(folder.text("q.mlir").contains("@main(%arg0: tensor<8x3xf32>) -> (tensor<8x2xf32>)"));
    folder.tandem("export householder-projector --input w=f32[5,4] --set rank=2 --out p.mlir").exits(0);
    let text = folder.text("p.mlir");
    let results = "tensor<5x2xf32>, tensor<4x2xf32>, tensor<2xf32>, tensor<5x4xf32>, tensor<2x4xf32>, tensor<f32>";
    assert!(text.contains(&format!("@main(%arg0: tensor<5x4xf32>) -> ({results})")), "{}", &text[..400]);
    assert!(!text.contains("custom_call"));
}
