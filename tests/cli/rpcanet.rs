//! `tandem run rpcanet`: weights that say which network they are, and what is refused.

use serde_json::json;
use tandem::algos::rpca::net::{Model, RpcaNet, RpcaNetPlusPlus};
use tandem::compile::{DType, HostArray};
use tandem::files::{Content, write_all};
use tandem::verify::rng::{normal, uniform};

use crate::tool::{Folder, distance};

fn plain() -> Model {
    Model::Plain(RpcaNet::new(2, 2))
}

fn plus_plus() -> Model {
    Model::PlusPlus(RpcaNetPlusPlus::new(2, 4))
}

fn arrays(model: &Model) -> Vec<HostArray> {
    let array = |(i, (name, shape)): (usize, (String, Vec<usize>))| {
        let values = normal(i as u64, shape.iter().product());
        HostArray::from_fn(shape, |at| match name.rsplit_once('.').map(|(_, part)| part) {
            Some("running_var") => 1.0 + values[at].powi(2),
            _ => 0.2 * values[at],
        })
    };
    model.names().into_iter().enumerate().map(array).collect()
}

/// A folder with frames, and weights of both networks as the authors name them.
fn folder() -> Folder {
    let folder = Folder::new();
    let frames = uniform(7, 3 * 8 * 6);
    folder.array("frames.npy", &HostArray::from_fn([3, 8, 6], |at| frames[at]));
    for (name, model) in [("plain", plain()), ("plus_plus", plus_plus())] {
        set(&folder, name, model.to_state(&arrays(&model)));
    }
    folder
}

/// Writes arrays as `NAME.safetensors`.
fn set(folder: &Folder, name: &str, arrays: Vec<(String, HostArray)>) {
    let arrays = arrays.into_iter().map(|(name, array)| (name, array.cast(DType::F64).unwrap())).collect();
    write_all(&folder.path(""), &[(format!("{name}.safetensors"), Content::Tensors(arrays))]).unwrap();
}

const FRAMES: &str = "--input frames=frames.npy";

#[test]
fn device_and_reference_separate_alike_and_masks_are_masks() {
    let folder = folder();
    for net in ["plain", "plus_plus"] {
        let run = format!("run rpcanet {FRAMES} weights={net}.safetensors --dtype f64 --json");
        for device in ["cpu", "reference"] {
            let record = folder.tandem(&format!("{run} --device {device} --out {net}-{device}")).exits(0).json();
            assert_eq!((&record["algorithm"], &record["status"]), (&json!("rpcanet"), &json!([])));
            assert_eq!(record["shapes"]["frames"], json!([3, 8, 6]));
            assert_eq!(record["shapes"]["weights:sparse.epsilon"], json!([2, 1]));
            assert_eq!(record["outputs"]["mask"], json!("i32[3,8,6]"));
            let files = ["background.npy", "image.npy", "mask.npy", "run.json"];
            assert_eq!(folder.names(&format!("{net}-{device}")), files);
        }
        for name in ["background", "image", "mask"] {
            let numbers = |device: &str| folder.numbers(&format!("{net}-{device}/{name}.npy"));
            assert!(distance(&numbers("cpu"), &numbers("reference")) < 1e-10, "{net} {name}");
        }
        let mask = folder.numbers(&format!("{net}-cpu/mask.npy"));
        assert!(mask.iter().all(|&m| m == 0.0 || m == 1.0) && mask.contains(&0.0) && mask.contains(&1.0), "{mask:?}");
    }
}

/// Stacked arrays and arrays of each stage are the same network.
#[test]
fn weights_may_be_stacked() {
    let folder = folder();
    let model = plus_plus();
    let names = model.names().into_iter().map(|(name, _)| name);
    set(&folder, "stacked", names.zip(arrays(&model)).collect());
    for name in ["stacked", "plus_plus"] {
        folder.tandem(&format!("run rpcanet {FRAMES} weights={name}.safetensors --out {name}")).exits(0);
    }
    for output in ["background", "image", "mask"] {
        assert_eq!(folder.read(&format!("stacked/{output}.npy")), folder.read(&format!("plus_plus/{output}.npy")));
    }
}

#[test]
fn a_bad_frame_is_refused_or_spoils_itself_alone() {
    let folder = folder();
    let mut frames = folder.read("frames.npy");
    frames.values_mut::<f64>().unwrap()[50] = f64::NAN;
    folder.array("bad.npy", &frames);
    let run = "run rpcanet --input frames=bad.npy weights=plain.safetensors --out bad";
    folder.tandem(run).refused("the element [1, 0, 2] is NaN");
    let answer = folder.tandem(&format!("{run} --allow-nonfinite")).exits(1);
    assert!(answer.err.contains("NaN or infinity in background, image"), "{answer:?}");
    folder.tandem(&format!("run rpcanet {FRAMES} weights=plain.safetensors --out good")).exits(0);
    for output in ["background", "image", "mask"] {
        let (bad, good) = (folder.numbers(&format!("bad/{output}.npy")), folder.numbers(&format!("good/{output}.npy")));
        for frame in [0, 2] {
            assert_eq!(bad[frame * 48..(frame + 1) * 48], good[frame * 48..(frame + 1) * 48], "{output}");
        }
        assert!(bad[48..96].iter().all(|x| x.is_nan() || *x == -1.0), "{output}");
    }
}

#[test]
fn a_program_of_frames_and_weights_is_exported() {
    let folder = folder();
    let types = "--input frames=f32[5,16,16] --input weights=plus_plus.safetensors";
    folder.tandem(&format!("export rpcanet {types} --out net.mlir")).exits(0);
    let text = folder.text("net.mlir");
    let results = "(tensor<5x16x16xf32>, tensor<5x16x16xi32>, tensor<5x16x16xf32>)";
    assert!(text.contains(results) && text.contains("tensor<2x4x4x17x17xf32>"), "{}", &text[..600]);
}

#[test]
fn what_is_no_network_is_refused() {
    let folder = folder();
    folder.array("flat.npy", &HostArray::from_fn([8, 6], |at| at as f64));
    let mut state = plain().to_state(&arrays(&plain()));
    state.remove(5);
    set(&folder, "short", state);
    set(&folder, "other", vec![("a".into(), HostArray::scalar(1.0))]);
    let mut bad = plain().to_state(&arrays(&plain()));
    bad[1].1 = HostArray::from_fn([2], |_| f64::INFINITY);
    set(&folder, "bad", bad);
    let before = folder.names("");
    let refused = |arguments: &str, says: &str| {
        folder.tandem(&format!("run rpcanet --out out {arguments}")).refused(says);
        assert_eq!(folder.names(""), before);
    };
    refused(FRAMES, "the input weights is missing");
    refused("--input weights=plain.safetensors", "the input frames is missing");
    refused(&format!("{FRAMES} weights=other.safetensors"), "the weights of RPCANet or RPCANet++ expected");
    refused(&format!("{FRAMES} weights=short.safetensors"), "is missing");
    refused(&format!("{FRAMES} weights=bad.safetensors"), "input weights:lowrank.convs.0.bias: the file: the element");
    refused(&format!("{FRAMES} weights=none.safetensors"), "no such file");
    refused(&format!("{FRAMES} weights=plain"), "an input is a file");
    refused(&format!("{FRAMES} weights=plain.safetensors weights=plain.safetensors"), "given twice");
    refused("--input frames=flat.npy weights=plain.safetensors", "frames must be [n, h, w]");
    refused(&format!("{FRAMES} weights=plain.safetensors --set stages=2"), "stages");
}
