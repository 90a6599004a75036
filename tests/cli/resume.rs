//! `tandem run mpsae-train`, and `--resume`: runs in stages, interrupted and continued.

use std::time::{Duration, Instant};

use tandem::compile::HostArray;
use tandem::verify::rng::normal;

use crate::tool::{Folder, distance};

const OUTPUTS: [&str; 3] = ["dictionary.npy", "bias.npy", "loss.npy"];
const FILES: [&str; 5] = ["bias.npy", "checkpoint.safetensors", "dictionary.npy", "loss.npy", "run.json"];
const TRAIN: &str =
    "run mpsae-train --input x=x.npy --set atoms=14 --set k=2 --set batch=16 --set lr=0.01 --set seed=3";

/// A folder with 50 samples of 6 numbers.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.array("x.npy", &HostArray::new([50, 6], normal(5, 50 * 6)).unwrap());
    folder
}

/// The bytes of the outputs in a folder.
fn bytes(folder: &Folder, name: &str) -> Vec<Vec<u8>> {
    OUTPUTS.map(|file| std::fs::read(folder.path(&format!("{name}/{file}"))).unwrap()).to_vec()
}

#[test]
fn a_training_gives_unit_atoms_and_a_falling_loss_on_device_and_reference_alike() {
    let folder = folder();
    for device in ["cpu", "reference"] {
        let train = format!("{TRAIN} --set epochs=6 --dtype f64 --device {device} --out {device}");
        assert_eq!(folder.tandem(&train).exits(0).err, "");
        assert_eq!(folder.names(device), FILES);
        let shapes = OUTPUTS.map(|file| folder.read(&format!("{device}/{file}")).shape().to_vec());
        assert_eq!(shapes, [vec![14, 6], vec![6], vec![6]]);
        let dictionary = folder.numbers(&format!("{device}/dictionary.npy"));
        assert!(dictionary.chunks(6).all(|a| (a.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-14));
        let loss = folder.numbers(&format!("{device}/loss.npy"));
        assert!(loss[5] < loss[0], "{loss:?}");
    }
    for file in OUTPUTS {
        let [device, reference] = ["cpu", "reference"].map(|dir| folder.numbers(&format!("{dir}/{file}")));
        assert!(distance(&device, &reference) < 1e-10, "{file}: {device:?} {reference:?}");
    }
}

#[test]
fn a_run_that_goes_on_is_bit_for_bit_the_run_that_was_never_interrupted() {
    let folder = folder();
    for device in ["cpu", "reference"] {
        let train = format!("{TRAIN} --device {device}");
        folder.tandem(&format!("{train} --set epochs=7 --out whole-{device}")).exits(0);
        folder.tandem(&format!("{train} --set epochs=3 --out first-{device}")).exits(0);
        let rest = folder.tandem(&format!("{train} --set epochs=7 --out rest-{device} --resume first-{device}"));
        assert_eq!(rest.exits(0).err, "going on after 3 epochs\n");
        assert_eq!(bytes(&folder, &format!("whole-{device}")), bytes(&folder, &format!("rest-{device}")));
        // Into the folder itself, in two steps, the last of which has nothing left to do.
        for epochs in [5, 7, 7] {
            let own = format!("{train} --set epochs={epochs} --out first-{device} --resume first-{device}");
            folder.tandem(&own).exits(0);
        }
        assert_eq!(bytes(&folder, &format!("whole-{device}")), bytes(&folder, &format!("first-{device}")));
        assert_eq!(folder.names(&format!("first-{device}")), FILES);
    }
}

#[test]
fn a_run_that_was_killed_goes_on_from_its_last_checkpoint() {
    let folder = folder();
    let train = format!("{TRAIN} --set epochs=400");
    folder.tandem(&format!("{train} --out whole")).exits(0);
    let mut child = folder
        .command()
        .args(format!("{train} --out killed").split_whitespace())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while !folder.path("killed/checkpoint.safetensors").exists() {
        assert!(begun.elapsed() < Duration::from_secs(120), "no checkpoint appears");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!folder.path("killed/loss.npy").exists(), "the run was over before it was killed");
    let answer = folder.tandem(&format!("{train} --out killed --resume killed")).exits(0);
    assert!(answer.err.starts_with("going on after "), "{answer:?}");
    assert_eq!(bytes(&folder, "whole"), bytes(&folder, "killed"));
}

#[test]
fn what_is_no_continuation_is_refused() {
    let folder = folder();
    folder.tandem(&format!("{TRAIN} --set epochs=2 --device reference --out out")).exits(0);
    let refused = |arguments: &str, says: &str| {
        folder.tandem(&format!("{arguments} --device reference --out new --resume out")).refused(says);
        assert!(!folder.path("new").exists());
    };
    refused("run snmf --input a=x.npy --set k=2", "snmf runs in one piece and leaves no checkpoint");
    refused(&format!("{TRAIN} --set epochs=1"), "the run has done 2 epochs already; --set epochs to at least that");
    let other = TRAIN.replace("lr=0.01", "lr=0.02");
    refused(&other, "the run began with lr = 0.01, now it is 0.02; only epochs may differ");
    refused(&format!("{TRAIN} --dtype f64"), "the run began with inputs [\"f32[50,6]\"]");
    folder.array("y.npy", &HostArray::from_fn([50, 6], |at| at as f64));
    refused(&TRAIN.replace("x=x.npy", "x=y.npy"), "other numbers than those that the run began with");
    folder.tandem(&format!("{TRAIN} --out new --resume nowhere")).refused("there is no checkpoint.safetensors");
    folder.bytes("out/checkpoint.safetensors", b"damaged");
    refused(TRAIN, "this is no checkpoint, or one that was cut short");
}

#[test]
fn parameters_that_train_nothing_are_refused() {
    let folder = folder();
    let refused = |settings: &str, says: &str| {
        folder.tandem(&format!("run mpsae-train --input x=x.npy --out out {settings}")).refused(says);
        assert!(!folder.path("out").exists());
    };
    refused("--set k=2", "the parameter atoms must be set");
    refused("--set atoms=4", "the parameter k must be set");
    refused("--set atoms=0 --set k=1", "atoms = 0: it must be from 1 to");
    refused("--set atoms=4 --set k=0", "k = 0: without a step");
    refused("--set atoms=4 --set k=1 --set batch=0", "batch = 0: a minibatch has at least 1 sample");
    refused("--set atoms=4 --set k=1 --set lr=0", "lr = 0: the learning rate must be a number above 0");
    refused("--set atoms=4 --set k=1 --set lr=-1", "lr = -1");
}

#[test]
fn poisoned_data_come_out_as_nan_and_no_epoch_as_the_start() {
    let folder = folder();
    folder.array("n.npy", &HostArray::from_fn([4, 3], |at| if at == 5 { f64::NAN } else { at as f64 }));
    for device in ["cpu", "reference"] {
        let run =
            format!("run mpsae-train --input x=n.npy --set atoms=5 --set k=1 --allow-nonfinite --device {device}");
        let answer = folder.tandem(&format!("{run} --set epochs=2 --out {device}")).exits(1);
        assert!(answer.err.contains("status: NONFINITE_INPUT"), "{answer:?}");
        assert!(OUTPUTS.iter().all(|f| folder.numbers(&format!("{device}/{f}")).iter().all(|x| x.is_nan())));
        folder.tandem(&format!("{TRAIN} --set epochs=0 --device {device} --out start-{device}")).exits(0);
        assert_eq!(folder.read(&format!("start-{device}/loss.npy")).shape(), [0]);
    }
    let [device, reference] = ["cpu", "reference"].map(|d| folder.numbers(&format!("start-{d}/dictionary.npy")));
    assert!(distance(&device, &reference) < 1e-6);
}
