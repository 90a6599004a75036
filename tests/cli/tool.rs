//! A folder to run the program in, and what the program answers.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tandem::compile::HostArray;
use tandem::files::{FileRef, write_npy};

/// What the program said.
#[derive(Debug)]
pub struct Answer {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Answer {
    /// Asserts the exit code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    /// Asserts that the input was refused: exit code 2, nothing on stdout, one line on stderr that contains `says`.
    #[track_caller]
    pub fn refused(self, says: &str) {
        let answer = self.exits(2);
        assert_eq!(answer.out, "", "{answer:?}");
        assert!(answer.err.lines().count() == 1 && answer.err.ends_with('\n'), "{answer:?}");
        assert!(answer.err.starts_with("error: ") && answer.err.contains(says), "no `{says}` in {answer:?}");
    }

    /// Stdout, which is JSON and nothing else.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e} in {self:?}"))
    }
}

/// A folder that the program is started in, so that relative paths name files in it.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder with `a.npy`, `[6, 9]` in f64: whole numbers from -5 to 5, which every signed type holds, and no two
    /// columns alike.
    pub fn with_a() -> Self {
        let folder = Self::new();
        folder.array("a.npy", &HostArray::from_fn([6, 9], a));
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn array(&self, name: &str, array: &HostArray) {
        write_npy(&self.path(name), array).unwrap();
    }

    pub fn bytes(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    /// The array in a `.npy` file.
    #[track_caller]
    pub fn read(&self, name: &str) -> HostArray {
        FileRef::parse(self.path(name).to_str().unwrap()).unwrap().read().unwrap()
    }

    /// The numbers in a `.npy` file.
    #[track_caller]
    pub fn numbers(&self, name: &str) -> Vec<f64> {
        self.read(name).to_f64()
    }

    /// The names in a folder, hidden ones included, sorted.
    #[track_caller]
    pub fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(folder)).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Runs the program with arguments that white space separates.
    pub fn tandem(&self, arguments: &str) -> Answer {
        self.start(self.command().args(arguments.split_whitespace()))
    }

    /// Runs the program with arguments that may hold anything.
    pub fn tandem_with<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Answer {
        self.start(self.command().args(arguments))
    }

    /// The program, to be started in the folder.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
        command.current_dir(self.0.path()).stdin(std::process::Stdio::null());
        command
    }

    /// The program where no plugin and no other program can be found, `home` being its own folder.
    pub fn bare_command(&self, home: &Path) -> Command {
        let mut command = self.command();
        command.env_clear().env("PATH", "/nowhere").env("TANDEM_HOME", home);
        command
    }

    pub fn start(&self, command: &mut Command) -> Answer {
        let output = command.output().unwrap();
        let answer = Answer {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        };
        assert!(!answer.err.contains("panicked"), "{answer:?}");
        answer
    }
}

/// The elements of the `a` of [`Folder::with_a`].
pub fn a(at: usize) -> f64 {
    (at * at * at % 11) as f64 - 5.0
}

/// The bytes of a `.npy` file whose elements are `data`.
pub fn npy(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
    header += &" ".repeat(64 - (header.len() + 11) % 64);
    header.push('\n');
    let length = u16::try_from(header.len()).unwrap();
    [b"\x93NUMPY\x01\x00", &length.to_le_bytes()[..], header.as_bytes(), data].concat()
}

/// The largest difference of two arrays' elements.
#[track_caller]
pub fn distance(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |most: f64, d| if most.is_nan() || d <= most { most } else { d })
}
