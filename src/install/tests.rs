//! Installation from wheels made here, without a network.

use std::io::{Cursor, Write};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;

const LIBRARY: &str = "plugins/x/x.so";

/// A wheel of these files; those that end in `.bin` may be executed.
fn wheel_of(files: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        let mode = if name.ends_with(".bin") { 0o755 } else { 0o644 };
        zip.start_file(*name, SimpleFileOptions::default().unix_permissions(mode)).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A plan for these wheels with their true checksums, and the download that gives them.
fn source(wheels: Vec<Vec<u8>>) -> (Plan, impl Fn(&Plan, &Path) -> Result<Vec<PathBuf>>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w");
    let package = |(i, bytes): (usize, &Vec<u8>)| {
        fs::write(&path, bytes).unwrap();
        Package { name: format!("p{i}"), version: "1".into(), sha256: wheel::sha256(&path).unwrap() }
    };
    let packages = wheels.iter().enumerate().map(package).collect();
    let plan = Plan { name: "cpu", packages, download_mb: 1, installed_mb: 2, licence_note: "none" };
    let fetch = move |_: &Plan, folder: &Path| {
        let put = |(i, bytes): (usize, &Vec<u8>)| {
            let path = folder.join(format!("{i}.whl"));
            fs::write(&path, bytes).unwrap();
            path
        };
        Ok(wheels.iter().enumerate().map(put).collect())
    };
    (plan, fetch)
}

fn no_network(_: &Plan, _: &Path) -> Result<Vec<PathBuf>> {
    panic!("the network was touched")
}

fn names(dir: &Path) -> Vec<String> {
    fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn sha256_is_the_published_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("abc");
    fs::write(&path, "abc").unwrap();
    let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(wheel::sha256(&path).unwrap(), expected);
}

#[test]
fn all_wheels_come_into_one_folder_and_the_second_time_nothing_is_fetched() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("plugins/cpu");
    let (plan, fetch) = source(vec![wheel_of(&[(LIBRARY, "lib")]), wheel_of(&[("nvidia/bin/ptxas.bin", "run")])]);
    let fetched = install_with(&plan, &folder, Path::new(LIBRARY), fetch).unwrap();
    assert_eq!(fetched, Installed::Fetched(folder.join(LIBRARY)));
    assert_eq!(fs::read_to_string(fetched.library()).unwrap(), "lib");
    assert_eq!(names(&root.path().join("plugins")), ["cpu"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |name: &str| fs::metadata(folder.join(name)).unwrap().permissions().mode();
        assert_ne!(mode("nvidia/bin/ptxas.bin") & 0o100, 0);
        assert_eq!(mode(LIBRARY) & 0o111, 0);
    }
    let again = install_with(&plan, &folder, Path::new(LIBRARY), no_network).unwrap();
    assert_eq!(again, Installed::AlreadyThere(folder.join(LIBRARY)));
}

#[test]
fn another_version_or_a_folder_without_its_marker_is_replaced() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("cpu");
    fs::create_dir_all(folder.join("plugins/x")).unwrap();
    fs::write(folder.join(LIBRARY), "half").unwrap();
    for content in ["one", "two"] {
        let (plan, fetch) = source(vec![wheel_of(&[(LIBRARY, content)])]);
        assert_eq!(installed(&plan, &folder, Path::new(LIBRARY)), None);
        let fetched = install_with(&plan, &folder, Path::new(LIBRARY), fetch).unwrap();
        assert_eq!(fs::read_to_string(fetched.library()).unwrap(), content);
    }
    let (plan, _) = source(vec![wheel_of(&[(LIBRARY, "two")])]);
    assert!(installed(&plan, &folder, Path::new(LIBRARY)).is_some());
    fs::remove_file(folder.join(LIBRARY)).unwrap();
    assert_eq!(installed(&plan, &folder, Path::new(LIBRARY)), None);
    assert_eq!(names(root.path()), ["cpu"]);
}

#[test]
fn a_wheel_that_is_not_the_pinned_one_installs_nothing() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("cpu");
    let (mut plan, fetch) = source(vec![wheel_of(&[(LIBRARY, "lib")]), wheel_of(&[("other", "")])]);
    let (found, expected) = (plan.packages[1].sha256.clone(), "0".repeat(64));
    plan.packages[1].sha256 = expected.clone();
    let error = install_with(&plan, &folder, Path::new(LIBRARY), fetch).unwrap_err().to_string();
    assert!(error.contains(&found) && error.contains(&expected) && error.contains("p1"), "{error}");
    assert!(names(root.path()).is_empty());
}

#[test]
fn a_name_that_leads_out_of_the_folder_is_refused() {
    for name in ["../../evil", "/evil", "a/../../../evil"] {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("cpu");
        let (plan, fetch) = source(vec![wheel_of(&[(LIBRARY, "lib"), (name, "evil")])]);
        let result = install_with(&plan, &folder, Path::new(LIBRARY), fetch);
        // A leading slash may be taken off instead, which keeps the file inside.
        match result {
            Err(error) => assert!(error.to_string().contains("leads out of its folder"), "{error}"),
            Ok(_) => assert!(folder.join("evil").is_file()),
        }
        assert!(!root.path().join("evil").exists() && !Path::new("/evil").exists());
    }
}

#[test]
fn wheels_that_are_no_wheels_or_lack_the_library_install_nothing() {
    for bytes in [b"not a zip".to_vec(), wheel_of(&[("other.so", "")]), Vec::new()] {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("cpu");
        let (plan, fetch) = source(vec![bytes]);
        let error = install_with(&plan, &folder, Path::new(LIBRARY), fetch).unwrap_err().to_string();
        assert_eq!(error.lines().count(), 1);
        assert!(names(root.path()).is_empty());
    }
}

#[test]
fn a_failed_download_leaves_what_was_there() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("cpu");
    let (plan, fetch) = source(vec![wheel_of(&[(LIBRARY, "lib")])]);
    install_with(&plan, &folder, Path::new(LIBRARY), fetch).unwrap();
    let (newer, _) = source(vec![wheel_of(&[(LIBRARY, "newer")])]);
    let refused = |_: &Plan, _: &Path| Err(Error::Plugin("no network".into()));
    assert!(install_with(&newer, &folder, Path::new(LIBRARY), refused).is_err());
    assert!(installed(&plan, &folder, Path::new(LIBRARY)).is_some());
    assert_eq!(names(root.path()), ["cpu"]);
}
