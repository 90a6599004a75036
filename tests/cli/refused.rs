//! `tandem run` on bad input: exit code 2, one line, nothing written.

use tandem::compile::HostArray;

use crate::tool::{Folder, npy};

/// Runs snmf in the folder with these arguments beside `--out out`, which must be refused.
#[track_caller]
fn refused(folder: &Folder, arguments: &str, says: &str) {
    let before = folder.names("");
    folder.tandem(&format!("run snmf --out out {arguments}")).refused(says);
    assert_eq!(folder.names(""), before);
}

/// A run that would be all right but for these arguments.
#[track_caller]
fn refused_setting(arguments: &str, says: &str) {
    refused(&Folder::with_a(), &format!("--input a=a.npy {arguments}"), says);
}

/// A run with `bytes` as the file of `a`.
#[track_caller]
fn refused_file(bytes: &[u8], says: &str) {
    let folder = Folder::new();
    folder.bytes("a.npy", bytes);
    refused(&folder, "--input a=a.npy --set k=2", says);
}

/// A run with `array` as `a`.
#[track_caller]
fn refused_array(array: &HostArray, says: &str) {
    let folder = Folder::new();
    folder.array("a.npy", array);
    refused(&folder, "--input a=a.npy --set k=2", says);
}

#[test]
fn nan_and_infinity_are_refused_where_they_stand() {
    for (bad, name) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf"), (f64::NEG_INFINITY, "-inf")] {
        let array = HostArray::from_fn([2, 3], |at| if at == 5 { bad } else { 1.0 });
        refused_array(&array, &format!("[1, 2] is {name}; clean the data, or pass --allow-nonfinite"));
    }
}

#[test]
fn a_number_that_overflows_the_precision_is_refused_and_runs_in_the_higher_one() {
    let folder = Folder::new();
    folder.array("a.npy", &HostArray::from_fn([2, 3], |at| if at == 4 { 1e300 } else { 1e299 }));
    refused(&folder, "--input a=a.npy --set k=1", "overflows f32");
    refused(&folder, "--input a=a.npy --set k=1 --allow-nonfinite", "overflows f32");
    // The squared error of such numbers has no place in f64 either, unless there is none.
    folder.tandem("run snmf --out out --input a=a.npy --set k=1 --set iters=0 --dtype f64 --device reference").exits(0);
}

#[test]
fn what_is_no_matrix_or_an_empty_one_is_refused() {
    for shape in [vec![], vec![3], vec![2, 3, 4]] {
        refused_array(
            &HostArray::from_fn(shape.clone(), |_| 1.0),
            &format!("matrix [d, n] with samples in its columns, got shape {shape:?}"),
        );
    }
    for shape in [[0, 5], [5, 0]] {
        refused_array(&HostArray::from_fn(shape, |_| 1.0), "a is empty");
    }
}

#[test]
fn a_file_that_is_no_npy_is_refused() {
    refused_file(b"1.5,2.5\n3.5,4.5\n", "this is a text file");
    refused_file(b"", "the file is empty");
    refused_file(b"PK\x03\x04 and so on", "X.npz:KEY");
    refused_file(&[0xff; 100], "no .npy file");
    refused_file(&npy("<c16", false, "(1, 1)", &[0; 16]), "complex numbers");
    refused_file(&npy("|O", false, "(1, 1)", &[0; 16]), "Python objects");
}

#[test]
fn a_truncated_npy_is_refused_wherever_it_ends() {
    let whole = npy("<f8", false, "(2, 3)", &[0; 48]);
    for cut in [1, 7, 9, 40, whole.len() - 48, whole.len() - 1] {
        refused_file(&whole[..cut], "cut short");
    }
    refused_file(&[&whole[..], &[0]].concat(), "something follows");
}

#[test]
fn a_file_that_is_not_there_or_is_named_like_none_that_is_read_is_refused() {
    let folder = Folder::with_a();
    for (name, says) in [
        ("b.npy", "b.npy: no such file"),
        ("b.csv", "X.npz:KEY"),
        ("", "X.npz:KEY"),
        (".", "X.npz:KEY"),
        ("a.npy:key", "one array"),
        ("b.npz:key", "no such file"),
        ("b.safetensors:w", "no such file"),
    ] {
        refused(&folder, &format!("--set k=2 --input a={name}"), says);
    }
}

#[test]
fn a_k_that_is_no_count_of_features_is_refused() {
    for text in ["k=two", "k=-1", "k=1.5", "k=", "k=1e3", "k=99999999999999999999999"] {
        refused_setting(&format!("--set {text}"), "k must be a whole number");
    }
    refused_setting("--set k=0", "k = 0: the number of features must be at least 1");
    refused_setting("--set k", "expected KEY=VALUE");
    refused_setting("", "k must be set");
}

#[test]
fn parameters_out_of_range_are_refused() {
    for value in ["0", "1.5", "-0.5"] {
        refused_setting(&format!("--set k=2 --set sparsity={value}"), "must be in (0, 1]");
    }
    for value in ["nan", "inf", "half"] {
        refused_setting(&format!("--set k=2 --set sparsity={value}"), "sparsity must be a number");
    }
    refused_setting("--set k=2 --set tol=1", "must be in [0, 1)");
    refused_setting("--set k=2 --set init=ones", "init must be one of random, svd, kmeans");
    refused_setting("--set k=2 --set iters=-5", "iters must be a whole number");
}

#[test]
fn unknown_and_repeated_keys_and_inputs_are_refused() {
    refused_setting("--set k=2 --set rank=3", "known are k, iters, sparsity");
    refused_setting("--set k=2 --set K=2", "no such parameter");
    refused_setting("--set k=2 --set k=2", "set twice");
    refused_setting("--set k=2 --input b=a.npy", "no such input; it has a, y0");
    refused_setting("--set k=2 --input a=a.npy", "given twice");
    refused_setting("--set k=2 --input a", "expected NAME=FILE");
    refused(&Folder::with_a(), "--set k=2", "the input a is missing");
}

#[test]
fn a_start_that_does_not_fit_is_refused() {
    let folder = Folder::with_a();
    folder.array("wide.npy", &HostArray::from_fn([2, 8], |_| 1.0));
    folder.array("negative.npy", &HostArray::from_fn([2, 9], |at| if at == 11 { -0.5 } else { 1.0 }));
    refused(&folder, "--input a=a.npy --set k=2 --input y0=wide.npy", "expected [k, n] = [2, 9]");
    refused(&folder, "--input a=a.npy --set k=3 --input y0=negative.npy", "expected [k, n] = [3, 9]");
    refused(&folder, "--input a=a.npy --set k=2 --input y0=negative.npy", "y0 must be >= 0");
}

#[test]
fn memory_that_would_not_suffice_is_refused_before_it_is_taken() {
    for size in ["k=4000000000", "k=2 --set iters=4000000000", "k=2 --set top=4000000000"] {
        refused_setting(&format!("--set {size}"), "at most 2147483647 is supported");
    }
    for size in ["k=400000000", "k=100000 --set top=2000000000"] {
        refused_setting(&format!("--set {size}"), "GiB of memory");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_larger_than_the_memory_is_refused_before_it_is_read() {
    let folder = Folder::new();
    folder.bytes("a.npy", &npy("<f4", false, "(1000000, 1000000)", &[]));
    let file = std::fs::OpenOptions::new().append(true).open(folder.path("a.npy")).unwrap();
    let header = file.metadata().unwrap().len();
    // A file with a hole: it takes no room on the disk. Not every file system has holes.
    if file.set_len(header + 4_000_000_000_000).is_ok() {
        refused(&folder, "--input a=a.npy --set k=2", "GiB of memory");
    }
}

#[test]
fn a_device_that_is_none_is_refused() {
    refused_setting("--set k=2 --device nowhere", "known devices are cpu, cuda, tpu");
    refused_setting("--set k=2 --device ./nowhere.so", "check the path");
    refused_setting("--set k=2 --device ./a.npy", "not a shared library");
    refused_setting("--set k=2 --threads 0", "at least one thread");
    refused_setting("--set k=2 --threads many", "--threads");
    refused_setting("--set k=2 --threads 0 --device reference", "at least one thread");
}

#[test]
fn a_precision_that_is_not_computed_in_is_refused() {
    for dtype in ["f16", "i32", "F32", "double"] {
        refused_setting(&format!("--set k=2 --dtype {dtype}"), "f32, f64");
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_before_anything_is_computed() {
    let folder = Folder::with_a();
    folder.bytes("file", b"kept");
    for out in ["file", "file/out", "file/x/y", "/dev/null", "/proc/nothing"] {
        folder.tandem(&format!("run snmf --input a=a.npy --set k=2 --out {out}")).refused(out);
        assert_eq!(folder.text("file"), "kept");
        assert_eq!(folder.names(""), ["a.npy", "file"]);
    }
}

#[test]
fn a_refused_run_leaves_the_outputs_of_an_earlier_one_as_they_were() {
    let folder = Folder::with_a();
    let run = "run snmf --device reference --input a=a.npy --out out --set iters=3";
    folder.tandem(&format!("{run} --set k=2")).exits(0);
    let before = (folder.names("out"), folder.text("out/run.json"), folder.numbers("out/z.npy"));
    folder.tandem(&format!("{run} --set k=0")).refused("k = 0");
    assert_eq!((folder.names("out"), folder.text("out/run.json"), folder.numbers("out/z.npy")), before);
}
