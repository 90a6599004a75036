//! The order of the search, in folders made for the purpose.

use std::fs;

use tempfile::TempDir;

use super::*;

/// An empty file at `path`, its folders made.
fn touch(path: PathBuf) -> PathBuf {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "").unwrap();
    path
}

fn environment(variables: &[(&str, String)]) -> Environment {
    Environment::new(variables.iter().map(|(name, value)| (*name, value.as_str())))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn variables_come_before_python_and_python_before_the_install_folder() {
    let root = TempDir::new().unwrap();
    let root = root.path();
    let library = relative_library("cpu").unwrap();
    let named = touch(root.join("named.so"));
    let python = touch(root.join("venv/lib/python3.12/site-packages").join(library));
    let installed = touch(root.join("home/.local/share/tandem/plugins/cpu").join(library));
    let mut variables = vec![
        ("HOME", shown(&root.join("home"))),
        ("VIRTUAL_ENV", shown(&root.join("venv"))),
        (NAMES_AND_PATHS, format!("other:/x.so,cpu:{}", shown(&named))),
        (DEFAULT_PATH, shown(&touch(root.join("default.so")))),
    ];
    let path = |variables: &[(&str, String)]| environment(variables).locate("cpu").unwrap().path;
    assert_eq!(path(&variables), named);
    variables.remove(2);
    assert_eq!(path(&variables), python);
    variables.remove(1);
    assert_eq!(path(&variables), installed);
}

#[test]
fn other_tools_names_for_a_device_are_understood() {
    let root = TempDir::new().unwrap();
    let plugin = touch(root.path().join("p.so"));
    for (device, alias) in [("cpu", "xla_cpu"), ("cuda", "cuda13"), ("cuda", "xla_cuda13"), ("tpu", "libtpu")] {
        let environment = environment(&[(NAMES_AND_PATHS, format!("{alias}:{}", shown(&plugin)))]);
        assert_eq!(environment.locate(device).unwrap().path, plugin);
        assert_eq!(environment.locate(alias).unwrap().path, plugin);
    }
    let tpu = environment(&[(TPU_PATH, shown(&plugin))]).locate("tpu").unwrap();
    assert_eq!((tpu.path, tpu.place.to_string()), (plugin, TPU_PATH.to_owned()));
}

#[test]
fn a_variable_that_names_a_missing_file_is_an_error_and_not_passed_over() {
    let environment = environment(&[(NAMES_AND_PATHS, "cpu:/not/there.so".to_owned())]);
    let error = environment.locate("cpu").unwrap_err().to_string();
    assert!(error.starts_with("PJRT_NAMES_AND_LIBRARY_PATHS names /not/there.so"), "{error}");
}

#[test]
fn the_default_device_is_the_named_one_then_the_unnamed_plugin_then_the_cpu() {
    assert_eq!(Environment::default().default_device(), "cpu");
    let plugin = (DEFAULT_PATH, "/p.so".to_owned());
    assert_eq!(environment(std::slice::from_ref(&plugin)).default_device(), "/p.so");
    assert_eq!(environment(&[plugin, (DEFAULT_DEVICE, "tpu".to_owned())]).default_device(), "tpu");
    assert_eq!(environment(&[(DEFAULT_DEVICE, String::new())]).default_device(), "cpu");
    assert!(is_path(&environment(&[(DEFAULT_PATH, "plugin".to_owned())]).default_device()));
}

#[test]
fn the_first_python_on_the_path_is_the_active_one() {
    let root = TempDir::new().unwrap();
    let root = root.path();
    let library = relative_library("tpu").unwrap();
    touch(root.join("system/bin/python3"));
    touch(root.join("system/lib/python3/dist-packages").join(library));
    let old = touch(root.join("system/lib/python3.9/site-packages").join(library));
    let new = touch(root.join("system/lib/python3.11/site-packages").join(library));
    let path = format!("{}:{}", shown(&root.join("nothing")), shown(&root.join("system/bin")));
    let environment = environment(&[("PATH", path)]);
    assert_eq!(environment.locate("tpu").unwrap().path, new);
    assert_eq!(environment.plugins()[1].path, old);
}

#[test]
fn pyenv_is_seen_through() {
    let root = TempDir::new().unwrap();
    let root = root.path();
    let library = relative_library("cpu").unwrap();
    touch(root.join("shims/python3"));
    fs::write(root.join("version"), "3.12.1\n").unwrap();
    let plugin = touch(root.join("versions/3.12.1/lib/python3.12/site-packages").join(library));
    let path = ("PATH", shown(&root.join("shims")));
    assert_eq!(environment(std::slice::from_ref(&path)).locate("cpu").unwrap().path, plugin);
    assert!(environment(&[path, ("PYENV_VERSION", "3.11.0".to_owned())]).locate("cpu").is_err());
}

#[test]
fn the_install_folder_follows_its_variables() {
    let home = ("HOME", "/h".to_owned());
    let data = ("XDG_DATA_HOME", "/d".to_owned());
    let own = ("TANDEM_HOME", "/t".to_owned());
    let folder = |variables: &[(&str, String)]| environment(variables).install_folder("cpu");
    assert_eq!(folder(std::slice::from_ref(&home)), Path::new("/h/.local/share/tandem/plugins/cpu"));
    assert_eq!(folder(&[home.clone(), data.clone()]), Path::new("/d/tandem/plugins/cpu"));
    assert_eq!(folder(&[home, data, own]), Path::new("/t/plugins/cpu"));
}

#[test]
fn what_is_not_found_is_said_in_one_line_with_what_to_do() {
    let environment = environment(&[("HOME", "/h".to_owned())]);
    let cpu = environment.locate("cpu").unwrap_err().to_string();
    assert!(!cpu.contains('\n') && cpu.starts_with("no PJRT plugin for \"cpu\" was found"), "{cpu}");
    if prebuilt_for_this_platform() {
        assert!(cpu.contains("/h/.local/share/tandem/plugins/cpu"), "{cpu}");
        assert!(cpu.contains("run `tandem plugins install cpu`"), "{cpu}");
    }
    let other = environment.locate("fpga").unwrap_err().to_string();
    assert!(other.contains("known devices are cpu, cuda, tpu"), "{other}");
}
