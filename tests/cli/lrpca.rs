//! `tandem run lrpca`: names, shapes and numbers, and what is refused.

use serde_json::json;
use tandem::compile::HostArray;
use tandem::verify::rng::{normal, uniform};

use crate::tool::Folder;

const SIZE: [usize; 2] = [400, 250];

/// X* of rank 5 in the unit of the published thresholds times `unit`, and M with outliers at one place in ten.
fn problem(unit: f64) -> (Vec<f64>, Vec<f64>) {
    let [m, n] = SIZE;
    let (u, v) = (normal(1, m * 5), normal(2, n * 5));
    let scale = unit / ((m * n) as f64).sqrt();
    let low: Vec<f64> =
        (0..m * n).map(|at| (0..5).map(|l| u[at / n * 5 + l] * v[at % n * 5 + l] * scale).sum()).collect();
    let mean = low.iter().map(|x: &f64| x.abs()).sum::<f64>() / low.len() as f64;
    let (chance, value) = (uniform(3, m * n), uniform(4, m * n));
    let m = (0..m * n)
        .map(|at| if chance[at] < 0.1 { low[at] + mean * (2.0 * value[at] - 1.0) } else { low[at] })
        .collect();
    (low, m)
}

/// |x - y| / |y|.
fn error(x: &[f64], y: &[f64]) -> f64 {
    let squares = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>();
    (squares(&mut x.iter().zip(y).map(|(x, y)| x - y)) / squares(&mut y.iter().copied())).sqrt()
}

#[test]
fn low_rank_and_outliers_come_apart_in_any_unit() {
    let folder = Folder::new();
    let mut results = Vec::new();
    for (device, unit) in [("cpu", 1.0), ("reference", 1.0), ("cpu", 1024.0)] {
        let (low, m) = problem(unit);
        folder.array("m.npy", &HostArray::new(SIZE, m.clone()).unwrap());
        let out = format!("{device}-{unit}");
        let run = "run lrpca --input m=m.npy --set rank=5 --set layers=20 --dtype f64";
        let set = format!("--set threshold_scale={unit} --device {device} --out {out} --json");
        let record = folder.tandem(&format!("{run} {set}")).exits(0).json();
        assert_eq!((&record["algorithm"], &record["status"]), (&json!("lrpca"), &json!([])));
        assert_eq!(folder.names(&out), ["iterations.npy", "l.npy", "run.json", "s.npy"]);
        let [l, s] = ["l", "s"].map(|name| folder.read(&format!("{out}/{name}.npy")));
        assert_eq!((l.shape(), s.shape()), (&SIZE[..], &SIZE[..]));
        assert_eq!(folder.read(&format!("{out}/iterations.npy")).values::<i32>().unwrap(), [20]);
        let (l, s) = (l.to_f64(), s.to_f64());
        assert!(error(&l, &low) < 1e-3, "{:e}", error(&l, &low));
        let sum: Vec<f64> = l.iter().zip(&s).map(|(l, s)| l + s).collect();
        // Up to the last threshold, in every entry.
        assert!(error(&sum, &m) < 1e-5);
        results.push((l, s));
    }
    assert!(error(&results[0].0, &results[1].0) < 1e-10);
    let back = |x: &[f64]| x.iter().map(|x| x / 1024.0).collect::<Vec<f64>>();
    assert_eq!((&results[0].0, &results[0].1), (&back(&results[2].0), &back(&results[2].1)));
}

#[test]
fn zero_and_lower_rank_are_said() {
    let folder = Folder::new();
    folder.array("zero.npy", &HostArray::from_fn([3, 4], |_| 0.0));
    folder.array("one.npy", &HostArray::from_fn([3, 4], |at| ((at / 4 + 1) * (at % 4 + 1)) as f64));
    for device in ["cpu", "reference"] {
        for (file, status, iterations) in
            [("zero", json!(["RANK_DEFICIENT", "DEGENERATE"]), 0), ("one", json!(["RANK_DEFICIENT"]), 16)]
        {
            let out = format!("{device}-{file}");
            let set = "--set rank=2 --set threshold_scale=1e6 --dtype f64";
            let run = format!("run lrpca --input m={file}.npy {set} --device {device} --out {out} --json");
            assert_eq!(folder.tandem(&run).exits(0).json()["status"], status);
            assert_eq!(folder.read(&format!("{out}/iterations.npy")).values::<i32>().unwrap(), [iterations]);
            let (m, l) = (folder.numbers(&format!("{file}.npy")), folder.numbers(&format!("{out}/l.npy")));
            assert!(m.iter().zip(&l).all(|(m, l)| (m - l).abs() < 1e-13));
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let folder = Folder::with_a();
    let run = "run lrpca --input m=a.npy --out out";
    folder.tandem(run).refused("rank");
    folder.tandem(&format!("{run} --set rank=7")).refused("from 1 to min(m, n) = 6");
    folder.tandem(&format!("{run} --set rank=2 --set preset=0.15")).refused("one of 0.1, 0.2, 0.3");
    folder.tandem(&format!("{run} --set rank=2 --set threshold_scale=-1")).refused("threshold_scale = -1");
    folder.tandem(&format!("{run} --set rank=2 --set layers=1000000")).refused("at most 100000");
    assert_eq!(folder.names(""), ["a.npy"]);
}

#[test]
fn it_is_compared_and_exported() {
    let folder = Folder::new();
    let compare = "compare lrpca --cases 2 --dtype f64 --device reference";
    assert!(folder.tandem(compare).exits(0).out.trim_end().ends_with("agrees"));
    folder.tandem("export lrpca --input m=f32[8,5] --set rank=2 --set preset=0.3 --out l.mlir").exits(0);
    let text = folder.text("l.mlir");
    assert!(
        text.contains("@main(%arg0: tensor<8x5xf32>) -> (tensor<8x5xf32>, tensor<8x5xf32>, tensor<i32>"),
        "{}",
        &text[..400]
    );
    assert!(!text.contains("custom_call"));
}
