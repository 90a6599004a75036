//! `tandem run` of the factorizations and solvers: names, shapes and numbers as in numpy and scipy.

use serde_json::json;
use tandem::compile::{DType, HostArray};
use tandem::linalg::laws;

use crate::tool::Folder;

/// A folder with `a.npy` and `b.npy`, whose numbers are neither special nor random.
fn folder(m: usize, n: usize) -> (Folder, HostArray) {
    let folder = Folder::new();
    let a = HostArray::from_fn([m, n], |i| ((i * i + 3 * i) % 17) as f64 - 7.5);
    folder.array("a.npy", &a);
    folder.array("b.npy", &HostArray::from_fn([m, 2], |i| (i % 5) as f64 - 1.0));
    (folder, a)
}

/// The outputs of a run in f64 with that lowering.
fn run(folder: &Folder, operation: &str, lowering: &str, names: &[&str]) -> Vec<HostArray> {
    let b = if matches!(operation, "solve" | "lstsq") { "--input b=b.npy" } else { "" };
    let out = format!("{operation}-{lowering}");
    let set = format!("--set lowering={lowering} --dtype f64 --json --out {out}");
    let answer = folder.tandem(&format!("run {operation} --input a=a.npy {b} {set}")).exits(0);
    let record = answer.json();
    assert_eq!(record["algorithm"], operation);
    assert_eq!(record["lowering"], if lowering == "auto" { "native" } else { lowering });
    assert_eq!(record["status"], json!([]));
    let mut files: Vec<String> = names.iter().map(|name| format!("{name}.npy")).collect();
    files.push("run.json".into());
    files.sort();
    assert_eq!(folder.names(&out), files);
    names.iter().map(|name| folder.read(&format!("{out}/{name}.npy"))).collect()
}

const LOWERINGS: [&str; 3] = ["portable", "native", "auto"];

#[test]
fn rectangular_matrices_are_factored_by_both_lowerings() {
    for (m, n) in [(7, 4), (3, 6)] {
        let (folder, a) = folder(m, n);
        for lowering in LOWERINGS {
            let f = run(&folder, "qr", lowering, &["q", "r"]);
            assert!(laws::qr(&a, &f[0], &f[1]) < 30.0);
            assert_eq!((f[0].shape(), f[1].shape()), (&[m, m.min(n)][..], &[m.min(n), n][..]));
            let f = run(&folder, "lu", lowering, &["p", "l", "u"]);
            assert!(laws::lu(&a, &f[0], &f[1], &f[2]) < 30.0);
            assert_eq!(f[0].shape(), [m, m]);
            let f = run(&folder, "svd", lowering, &["u", "s", "vh"]);
            assert!(laws::svd(&a, &f[0], &f[1], &f[2]) < 30.0);
            assert_eq!(f[2].shape(), [m.min(n), n]);
            let f = run(&folder, "polar", lowering, &["u", "p"]);
            assert!(laws::polar(&a, &f[0], &f[1]) < 30.0);
            assert_eq!((f[0].shape(), f[1].shape()), (&[m, n][..], &[n, n][..]));
            let f = run(&folder, "pinv", lowering, &["pinv"]);
            assert!(laws::pinv(&a, &f[0]) < 30.0);
            let f = run(&folder, "lstsq", lowering, &["x"]);
            let b = folder.read("b.npy");
            assert!(laws::lstsq(&a, &f[0], &b) < 30.0);
            assert_eq!(f[0].shape(), [n, 2]);
        }
    }
}

#[test]
fn square_matrices_are_solved_and_decomposed_by_both_lowerings() {
    let (folder, a) = folder(5, 5);
    for lowering in LOWERINGS {
        let x = run(&folder, "solve", lowering, &["x"]);
        assert!(laws::solve(&a, &x[0], &folder.read("b.npy")) < 30.0);
    }
    // Symmetric and definite in its lower triangle, which alone is read.
    let full = |i: usize, j: usize| if i == j { 6.0 } else { 1.0 / (1 + i + j) as f64 };
    let symmetric = HostArray::from_fn([5, 5], |at| full(at / 5, at % 5));
    let lower = HostArray::from_fn([5, 5], |at| if at / 5 >= at % 5 { full(at / 5, at % 5) } else { f64::NAN });
    folder.array("a.npy", &HostArray::from_fn([5, 5], |at| if at / 5 >= at % 5 { full(at / 5, at % 5) } else { 99.0 }));
    for lowering in LOWERINGS {
        let f = run(&folder, "eigh", lowering, &["w", "v"]);
        assert!(laws::eigh(&symmetric, &f[0], &f[1]) < 30.0);
        let f = run(&folder, "cholesky", lowering, &["l"]);
        assert!(laws::cholesky(&symmetric, &f[0]) < 30.0);
    }
    folder.array("a.npy", &lower);
    let run = "run eigh --input a=a.npy --dtype f64 --allow-nonfinite --out lower";
    folder.tandem(run).exits(0);
}

#[test]
fn the_reference_gives_the_same() {
    let (folder, a) = folder(5, 4);
    for (operation, names) in [("qr", &["q", "r"][..]), ("lu", &["p", "l", "u"]), ("pinv", &["pinv"])] {
        let line = format!("run {operation} --input a=a.npy --dtype f64 --device reference --out {operation}");
        folder.tandem(&line).exits(0);
        let f: Vec<HostArray> = names.iter().map(|name| folder.read(&format!("{operation}/{name}.npy"))).collect();
        let ratio = match operation {
            "qr" => laws::qr(&a, &f[0], &f[1]),
            "lu" => laws::lu(&a, &f[0], &f[1], &f[2]),
            _ => laws::pinv(&a, &f[0]),
        };
        assert!(ratio < 30.0, "{operation}: {ratio}");
    }
}

#[test]
fn what_cannot_be_done_is_nan_and_said() {
    let folder = Folder::new();
    folder.array("a.npy", &HostArray::from_fn([2, 2], |i| [1.0, 2.0, 2.0, 4.0][i]));
    folder.array("b.npy", &HostArray::from_fn([2], |_| 1.0));
    folder.array("indefinite.npy", &HostArray::from_fn([2, 2], |i| [1.0, 2.0, 2.0, 1.0][i]));
    for device in ["cpu", "reference"] {
        let place = format!("--dtype f64 --device {device} --out");
        let answer = folder.tandem(&format!("run solve --input a=a.npy --input b=b.npy {place} s-{device}")).exits(1);
        assert!(answer.err.contains("BREAKDOWN"), "{answer:?}");
        assert!(folder.read(&format!("s-{device}/x.npy")).to_f64().iter().all(|x| x.is_nan()));
        let answer = folder.tandem(&format!("run cholesky --input a=indefinite.npy {place} c-{device}")).exits(1);
        assert!(answer.err.contains("BREAKDOWN"), "{answer:?}");
        assert!(folder.read(&format!("c-{device}/l.npy")).to_f64().iter().all(|x| x.is_nan()));
    }
    // Rank one: the least squares solution of smallest norm is there all the same.
    folder.tandem("run lstsq --input a=a.npy --input b=b.npy --dtype f64 --out l").exits(0);
    let x = folder.read("l/x.npy").to_f64();
    assert!((x[0] - 0.12).abs() < 1e-14 && (x[1] - 0.24).abs() < 1e-14, "{x:?}");
}

#[test]
fn bad_numbers_are_refused_or_poison_what_is_computed() {
    let folder = Folder::new();
    folder.array("a.npy", &HostArray::from_fn([3, 2], |i| if i == 3 { f64::NAN } else { i as f64 }));
    folder.tandem("run svd --input a=a.npy --out out").refused("the element [1, 1] is NaN");
    for device in ["cpu", "reference"] {
        let run = format!("run svd --input a=a.npy --allow-nonfinite --device {device} --out {device}");
        let answer = folder.tandem(&run).exits(1);
        assert!(answer.err.contains("NONFINITE_INPUT"), "{answer:?}");
        assert!(folder.read(&format!("{device}/s.npy")).to_f64().iter().all(|x| x.is_nan()));
    }
}

#[test]
fn empty_matrices_follow_numpy() {
    let folder = Folder::new();
    folder.array("a.npy", &HostArray::from_fn([3, 0], |_| 0.0));
    for device in ["cpu", "reference"] {
        for (operation, shapes) in [
            ("qr", vec![("q", vec![3, 0]), ("r", vec![0, 0])]),
            ("svd", vec![("u", vec![3, 0]), ("s", vec![0]), ("vh", vec![0, 0])]),
            ("pinv", vec![("pinv", vec![0, 3])]),
        ] {
            let out = format!("{operation}-{device}");
            folder.tandem(&format!("run {operation} --input a=a.npy --device {device} --out {out}")).exits(0);
            for (name, shape) in shapes {
                let array = folder.read(&format!("{out}/{name}.npy"));
                assert_eq!((array.dtype(), array.shape()), (DType::F32, &shape[..]), "{operation} {name}");
            }
        }
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let (folder, _) = folder(4, 3);
    folder.tandem("run eigh --input a=a.npy --out o").refused("a must be square for eigh, it has shape [4, 3]");
    folder.array("c.npy", &HostArray::from_fn([5], |_| 1.0));
    folder.tandem("run lstsq --input a=a.npy --input b=c.npy --out o").refused("b must be [m] or [m, r] with m = 4");
    folder.tandem("run svd --input a=c.npy --out o").refused("a must be a matrix [m, n]");
    folder.tandem("run svd --input a=a.npy --set lowering=fast --out o").refused("one of auto, portable, native");
    folder.tandem("run solve --input a=a.npy --out o").refused("b");
}

/// The device says which numbers it takes for zeros; the reference takes none.
#[test]
fn subnormal_numbers_are_counted_where_they_are_read_as_zeros() {
    let folder = Folder::new();
    folder.array("a.npy", &HostArray::from_fn([2, 2], |i| [3e-310, 1e-310, 1e-310, 2e-310][i]));
    for lowering in LOWERINGS {
        let set = format!("--set lowering={lowering} --dtype f64 --json --out {lowering}");
        let answer = folder.tandem(&format!("run svd --input a=a.npy {set}")).exits(0);
        assert_eq!(answer.json()["subnormals_read_as_zero"], json!({ "a": 4 }));
        assert!(answer.err.contains("a: the device reads its 4 subnormal numbers as zeros"), "{}", answer.err);
        assert_eq!(folder.read(&format!("{lowering}/s.npy")).to_f64(), [0.0, 0.0]);
    }
    let answer = folder.tandem("run svd --input a=a.npy --dtype f64 --json --device reference --out r").exits(0);
    assert_eq!(answer.json()["subnormals_read_as_zero"], json!({}));
    let s = folder.read("r/s.npy").to_f64();
    assert!((s[0] / 3.618_033_988_75e-310 - 1.0).abs() < 1e-12, "{s:?}");
}

/// One flag may name several files, and several parameters.
#[test]
fn a_flag_takes_more_than_one_value() {
    let (folder, _) = folder(5, 3);
    let run = |flags: &str, out: &str| {
        folder.tandem(&format!("run lstsq {flags} --device reference --dtype f64 --out {out}")).exits(0);
        folder.read(&format!("{out}/x.npy"))
    };
    assert_eq!(run("--input a=a.npy b=b.npy", "one"), run("--input a=a.npy --input b=b.npy", "two"));
    folder.tandem("run snmf --input a=a.npy --set k=2 iters=3 --device reference --out three").exits(0);
    folder.tandem("run lstsq --input a=a.npy --out four b=b.npy").refused("b=b.npy");
}
