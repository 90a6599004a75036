//! `tandem run rpcanet-train`: weights in one file, and runs that go on.

use std::time::{Duration, Instant};

use serde_json::json;
use tandem::compile::{DType, HostArray};
use tandem::files::FileRef;
use tandem::verify::rng::uniform;

use crate::tool::Folder;

const FILES: [&str; 4] = ["checkpoint.safetensors", "loss.npy", "run.json", "weights.safetensors"];
/// On clips made on the fly.
const DRAWN: &str = "run rpcanet-train --set stages=2 --set channels=4 --set clips=2 --set length=4 --set height=12 --set width=16 \
                     --set batch=4 --set seed=3";
/// On given frames.
const GIVEN: &str = "run rpcanet-train --input frames=frames.npy masks=masks.npy --set kind=plain --set stages=1 --set channels=2 \
                     --set batch=3";

/// A folder with 7 frames of 8 x 9, and masks of a bright spot in each.
fn folder() -> Folder {
    let folder = Folder::new();
    let noise = uniform(5, 7 * 72);
    let marked = |at: usize| at % 72 / 9 == 2 + at / 72 % 4 && (3..5).contains(&(at % 9));
    folder.array("frames.npy", &HostArray::from_fn([7, 8, 9], |at| noise[at] / 2.0 + f64::from(marked(at)) / 2.0));
    folder.array("masks.npy", &HostArray::from_fn([7, 8, 9], |at| f64::from(marked(at))));
    folder
}

/// The tensors that a run has written, by name.
fn weights(folder: &Folder, run: &str) -> Vec<(String, HostArray)> {
    let path = folder.path(&format!("{run}/weights.safetensors"));
    FileRef::parse(path.to_str().unwrap()).unwrap().read_set().unwrap()
}

/// The bytes of the outputs in a folder.
fn bytes(folder: &Folder, name: &str) -> Vec<Vec<u8>> {
    FILES[1..]
        .iter()
        .filter(|f| **f != "run.json")
        .map(|f| std::fs::read(folder.path(&format!("{name}/{f}"))).unwrap())
        .collect()
}

#[test]
fn a_training_on_clips_writes_the_weights_of_every_stage_into_one_file() {
    let folder = folder();
    let answer = folder.tandem(&format!("{DRAWN} --set epochs=2 --out out --json")).exits(0);
    assert_eq!(folder.names("out"), FILES);
    assert_eq!(folder.read("out/loss.npy").shape(), [2]);
    let set = weights(&folder, "out");
    let of = |name: &str| set.iter().find(|(own, _)| own == name).map(|(_, array)| array.ty().to_string());
    assert_eq!(of("decos.0.lowrank.conv1_C.0.weight").as_deref(), Some("f32[4,1,3,3]"));
    assert_eq!(of("decos.1.sparse.contrast.2.conv.weight").as_deref(), Some("f32[4,4,17,17]"));
    assert_eq!(of("decos.1.merge.mapping.10.running_var").as_deref(), Some("f32[4]"));
    let record = answer.json();
    assert_eq!(record["outputs"]["weights:decos.1.sparse.epsilon"], json!("f32[1]"));
    assert_eq!(record["outputs"]["loss"], json!("f32[2]"));
    // In f64 it computes and writes f64.
    folder.tandem(&format!("{GIVEN} --set epochs=1 --dtype f64 --out double")).exits(0);
    assert!(weights(&folder, "double").iter().all(|(_, array)| array.dtype() == DType::F64));
    assert_eq!(folder.read("double/loss.npy").dtype(), DType::F64);
}

#[test]
fn a_run_that_goes_on_is_bit_for_bit_the_run_that_was_never_interrupted() {
    let folder = folder();
    for (name, train) in [("drawn", DRAWN), ("given", GIVEN)] {
        folder.tandem(&format!("{train} --set epochs=4 --out whole-{name}")).exits(0);
        folder.tandem(&format!("{train} --set epochs=1 --out part-{name}")).exits(0);
        assert_ne!(bytes(&folder, &format!("whole-{name}")), bytes(&folder, &format!("part-{name}")));
        let rest = folder.tandem(&format!("{train} --set epochs=4 --out rest-{name} --resume part-{name}")).exits(0);
        assert_eq!(rest.err, "going on after 1 epochs\n");
        assert_eq!(bytes(&folder, &format!("whole-{name}")), bytes(&folder, &format!("rest-{name}")));
    }
    let other = format!("{DRAWN} --set epochs=4 --out new --resume part-drawn").replace("seed=3", "seed=4");
    folder.tandem(&other).refused("the run began with seed = 3, now it is 4; only epochs may differ");
}

#[test]
fn a_run_that_was_killed_goes_on_from_its_last_checkpoint() {
    let folder = folder();
    let train = format!("{GIVEN} --set epochs=300");
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
    folder.tandem(&format!("{train} --out killed --resume killed")).exits(0);
    assert_eq!(bytes(&folder, "whole"), bytes(&folder, "killed"));
}

#[test]
fn the_interpreter_trains_as_the_device_does() {
    let folder = folder();
    for device in ["cpu", "reference"] {
        folder.tandem(&format!("{GIVEN} --set epochs=2 --dtype f64 --device {device} --out {device}")).exits(0);
    }
    for ((name, ours), (_, theirs)) in weights(&folder, "cpu").iter().zip(&weights(&folder, "reference")) {
        let far = crate::tool::distance(&ours.to_f64(), &theirs.to_f64());
        assert!(far < 1e-7, "{name}: {far}");
    }
}

#[test]
fn poisoned_frames_come_out_as_nan() {
    let folder = folder();
    folder.array("frames.npy", &HostArray::from_fn([7, 8, 9], |at| if at == 99 { f64::NAN } else { 0.5 }));
    folder.tandem(&format!("{GIVEN} --set epochs=1 --out out")).refused("the element [1, 3, 0] is NaN");
    let answer = folder.tandem(&format!("{GIVEN} --set epochs=1 --allow-nonfinite --out out")).exits(1);
    assert!(answer.err.contains("status: NONFINITE_INPUT"), "{answer:?}");
    assert!(weights(&folder, "out").iter().all(|(_, array)| array.to_f64().iter().all(|x| x.is_nan())));
    assert!(folder.numbers("out/loss.npy").iter().all(|x| x.is_nan()));
}

#[test]
fn what_cannot_be_trained_is_refused() {
    let folder = folder();
    let refused = |arguments: &str, says: &str| {
        folder.tandem(&format!("run rpcanet-train --out out {arguments}")).refused(says);
        assert!(!folder.path("out").exists());
    };
    refused("--set stages=0", "stages = 0: it must be from 1 to");
    refused("--set channels=3", "channels = 3: it must be from 4 to");
    refused("--set clips=0", "clips = 0: without clips and without frames");
    refused("--set height=4", "at least 1 frame of 8 x 8 is needed");
    refused("--set batch=0", "batch = 0: a minibatch has at least 1 frame");
    refused("--set crop=60", "a crop of 60 x 60: it must be from 1 x 1 to the frames' 48 x 64");
    refused("--set kind=other", "kind must be one of");
    refused("--input frames=frames.npy", "the input masks is missing");
    refused("--input masks=masks.npy", "the input frames is missing");
    folder.array("short.npy", &HostArray::from_fn([6, 8, 9], |_| 0.0));
    refused("--input frames=frames.npy masks=short.npy", "frames have shape [7, 8, 9] and masks [6, 8, 9]");
    refused("--input frames=frames.npy masks=frames.npy", "masks hold 0 and 1");
}
