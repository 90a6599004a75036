//! `list`, `devices`, `plugins` and `doctor`.

use std::path::Path;

use serde_json::{Value, json};
use tandem::compile::pjrt::relative_library;
use tandem::install::plan;

use crate::tool::Folder;

#[test]
fn list_names_every_input_output_and_parameter() {
    let folder = Folder::new();
    let list = folder.tandem("list --json").exits(0).json();
    let names = |value: &Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|x| x["name"].as_str().unwrap().to_owned()).collect()
    };
    let linear = ["qr", "lu", "cholesky", "eigh", "svd", "polar", "pinv", "lstsq", "solve"];
    let algorithms = [
        "snmf",
        "snmf-transform",
        "mp",
        "omp",
        "gp",
        "mpsae-train",
        "cur",
        "cur-search",
        "householder-q",
        "householder-projector",
        "lib",
        "pcp",
        "accaltproj",
        "lrpca",
        "rpcanet",
        "rpcanet-train",
    ];
    assert_eq!(names(&list), [&algorithms[..], &linear].concat());
    assert_eq!(names(&list[0]["inputs"]), ["a", "y0"]);
    assert_eq!(names(&list[0]["outputs"]), ["z", "y", "loss", "iterations", "top_index"]);
    let defaults: Vec<(String, Value)> = names(&list[0]["parameters"])
        .into_iter()
        .zip(list[0]["parameters"].as_array().unwrap())
        .map(|(name, parameter)| (name, parameter["default"].clone()))
        .collect();
    let expected = [
        ("k", Value::Null),
        ("iters", json!(200)),
        ("sparsity", json!(1.0)),
        ("init", json!("random")),
        ("seed", json!(0)),
        ("tol", json!(0.0)),
        ("patience", json!(0)),
        ("top", json!(10)),
    ];
    assert_eq!(defaults, expected.map(|(name, value)| (name.to_owned(), value)));

    let text = folder.tandem("list").exits(0).out;
    for algorithm in list.as_array().unwrap() {
        for part in ["inputs", "outputs", "parameters"] {
            for name in names(&algorithm[part]) {
                assert!(text.contains(&format!("  {name} ")), "{name} in {text}");
            }
        }
    }
}

#[test]
fn devices_are_the_reference_and_every_plugin() {
    let folder = Folder::new();
    let answer = folder.tandem("devices --json").exits(0);
    assert_eq!(answer.err, "");
    let devices = answer.json();
    let find = |name: &str| devices.as_array().unwrap().iter().find(|device| device["name"] == name).unwrap();
    assert_eq!(find("reference")["usable"], true);
    assert_eq!((&find("cpu")["usable"], &find("cpu")["hardware"]), (&json!(true), &json!("cpu")));
    let text = folder.tandem("devices").exits(0).out;
    assert!(text.starts_with("device ") && text.contains("\nreference  yes"), "{text}");

    let plugin = find("cpu")["plugin"].as_str().unwrap();
    let text = folder.tandem("plugins list").exits(0).out;
    assert!(text.lines().any(|line| line.starts_with("cpu ") && line.ends_with(plugin)), "{text}");
}

#[test]
fn a_plugin_that_does_not_work_is_a_device_that_is_not_usable() {
    let folder = Folder::with_a();
    let named = format!("broken:{}", folder.path("a.npy").display());
    let mut command = folder.bare_command(&folder.path("home"));
    let answer = folder.start(command.env("PJRT_NAMES_AND_LIBRARY_PATHS", named).args(["devices", "--json"])).exits(0);
    let devices = answer.json();
    assert_eq!(devices.as_array().unwrap().len(), 2);
    assert_eq!((&devices[1]["name"], &devices[1]["usable"]), (&json!("broken"), &json!(false)));
    assert!(devices[1]["error"].as_str().unwrap().contains("not a shared library"), "{devices}");
}

#[test]
fn doctor_says_that_programs_run() {
    let answer = Folder::new().tandem("doctor").exits(0);
    assert_eq!(answer.err, "");
    assert!(answer.out.lines().any(|line| line.starts_with("device cpu ") && line.contains("works")), "{answer:?}");
}

#[test]
fn without_a_plugin_every_command_says_how_to_get_one_and_the_reference_works() {
    let folder = Folder::with_a();
    let tandem = |arguments: &str| {
        let mut command = folder.bare_command(&folder.path("home"));
        folder.start(command.args(arguments.split(' ')))
    };
    let fix = "tandem plugins install cpu";
    tandem("run snmf --input a=a.npy --set k=2 --out out").refused(fix);
    tandem("compare snmf --cases 1").refused(fix);
    let doctor = tandem("doctor").exits(1);
    assert!(doctor.err.lines().count() == 1 && doctor.err.contains(fix), "{doctor:?}");
    assert!(doctor.out.contains("apt install python3"), "{doctor:?}");
    assert!(tandem("plugins list").exits(0).out.contains(fix));
    assert_eq!(tandem("devices --json").exits(0).json().as_array().unwrap().len(), 1);
    assert_eq!(folder.names(""), ["a.npy"]);
    tandem("run snmf --input a=a.npy --set k=2 --set iters=1 --out out --device reference").exits(0);
    tandem("export snmf --input a=a.npy --set k=2 --out a.mlir").exits(0);
}

#[test]
fn installing_what_is_there_needs_neither_network_nor_python() {
    let folder = Folder::new();
    let home = folder.path("home");
    let plugin = home.join("plugins/cpu");
    let library = plugin.join(relative_library("cpu").unwrap());
    std::fs::create_dir_all(library.parent().unwrap()).unwrap();
    std::fs::write(&library, "").unwrap();
    let packages = plan("cpu").unwrap().packages.into_iter();
    let packages: Vec<Value> =
        packages.map(|p| json!({ "package": p.name, "version": p.version, "sha256": p.sha256 })).collect();
    let marker = json!({ "plugin": "cpu", "packages": packages });
    std::fs::write(plugin.join("installed.json"), marker.to_string()).unwrap();
    for arguments in [&["plugins", "install", "cpu", "--yes"][..], &["plugins", "install", "cpu"]] {
        let answer = folder.start(folder.bare_command(&home).args(arguments)).exits(0);
        assert_eq!((answer.out, answer.err), (format!("cpu is there: {}\n", library.display()), String::new()));
    }
}

#[test]
fn installing_asks_first_and_says_what_is_missing() {
    let folder = Folder::new();
    let install = |arguments: &[&str]| {
        let answer = folder.start(folder.bare_command(Path::new("home")).args(["plugins", "install"]).args(arguments));
        let answer = answer.exits(2);
        assert!(answer.out.contains("MB to download"), "{answer:?}");
        assert_eq!(answer.err.lines().count(), 1);
        answer.err
    };
    assert!(install(&["cpu"]).contains("--yes"));
    assert!(install(&["cpu", "--yes"]).contains("apt install python3"));
    assert!(!folder.path("home/plugins/cpu").exists());
}

#[cfg(unix)]
#[test]
fn a_reader_that_has_gone_away_is_no_error() {
    let folder = Folder::new();
    for arguments in ["list", "list --json", "--help", "plugins list", "devices"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = folder.command();
        let child = command.args(arguments.split(' ')).stdout(writer).stderr(std::process::Stdio::piped());
        let output = child.spawn().unwrap().wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{arguments}: {output:?}");
    }
}
