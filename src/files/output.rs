//! A set of result files that appears as a whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Component, Path, PathBuf};

use tandem_compile::{Error, HostArray, Result};
use tempfile::TempDir;

use super::checkpoint::serialized;
use super::{io_reason, npy, refuse};

/// What a file holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// An array, written as `.npy`.
    Npy(HostArray),
    /// Arrays by name, f32, f64 or i32, written as `.safetensors`.
    Tensors(Vec<(String, HostArray)>),
    /// Text, written as it is.
    Text(String),
}

impl Content {
    /// The ending of the name of a file that holds it.
    pub fn extension(&self) -> &'static str {
        match self {
            Content::Npy(_) => "npy",
            Content::Tensors(_) => "safetensors",
            Content::Text(_) => "txt",
        }
    }

    /// Whether there is neither NaN nor infinity in it.
    pub fn is_finite(&self) -> bool {
        match self {
            Content::Npy(array) => array.first_nonfinite().is_none(),
            Content::Tensors(set) => set.iter().all(|(_, array)| array.first_nonfinite().is_none()),
            Content::Text(_) => true,
        }
    }
}

/// Writes every `(name, content)` into the folder `dir`, which is created with its parents where it is missing.
///
/// All or nothing: the files are written into a hidden folder on the same file system and moved into place after the
/// last one has been written. When a step fails, files of an earlier run are as they were and nothing new remains.
///
/// # Errors
/// When `dir` is a file or not writable, a name is no plain file name or stands twice, or the disk is full.
pub fn write_all(dir: &Path, files: &[(String, Content)]) -> Result<()> {
    check_names(files)?;
    match fs::metadata(dir) {
        Ok(metadata) if metadata.is_dir() => write_into(dir, files),
        Ok(_) => Err(not_a_folder(dir)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => write_new(dir, files),
        Err(e) => Err(refuse(dir, io_reason(&e))),
    }
}

/// Finds out whether [`write_all`] could write into `dir`, before an expensive computation. Leaves nothing behind.
///
/// # Errors
/// When `dir`, or the nearest of its parents that exists, is a file or not writable.
pub fn check_writable(dir: &Path) -> Result<()> {
    let mut existing = dir;
    loop {
        match fs::metadata(or_current(existing)) {
            Ok(metadata) if metadata.is_dir() => {
                return stage_in(existing).map(drop).map_err(|e| refuse_folder(dir, &e));
            }
            Ok(_) => return Err(not_a_folder(existing)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => match existing.parent() {
                Some(parent) => existing = parent,
                None => return Err(refuse_folder(dir, &e)),
            },
            Err(e) => return Err(refuse_folder(dir, &e)),
        }
    }
}

/// Writes one text file, as a whole or not at all, into a folder that is created where it is missing.
///
/// # Errors
/// As for [`write_all`].
pub fn write_text(path: &Path, text: String) -> Result<()> {
    let (folder, name) = place(path)?;
    write_all(folder, &[(name, Content::Text(text))])
}

/// Finds out whether [`write_text`] could write to `path`, before an expensive computation. Leaves nothing behind.
///
/// # Errors
/// When `path` names no file, something that is no file stands there, or as for [`check_writable`].
pub fn check_text(path: &Path) -> Result<()> {
    let (folder, name) = place(path)?;
    check_writable(folder)?;
    replaces(&folder.join(name)).map(drop).map_err(|e| refuse(path, io_reason(&e)))
}

/// The folder of a file and its name in there.
fn place(path: &Path) -> Result<(&Path, String)> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| refuse(path, "this names no file; give FOLDER/NAME or NAME"))?;
    Ok((or_current(path.parent().unwrap_or(Path::new(""))), name.to_owned()))
}

/// Whether a file at `target` would be replaced; an error where something stands that is no file (a folder, a device).
fn replaces(target: &Path) -> io::Result<bool> {
    match (fs::symlink_metadata(target), fs::metadata(target)) {
        (Err(_), _) => Ok(false),
        (_, Ok(metadata)) if metadata.is_dir() => {
            Err(io::Error::other("a folder stands where a file is to be written"))
        }
        (_, Ok(metadata)) if !metadata.is_file() => {
            Err(io::Error::other("this is no regular file, and results are files; give another name"))
        }
        _ => Ok(true),
    }
}

/// `dir` does not exist: the whole of it is prepared beside its place.
fn write_new(dir: &Path, files: &[(String, Content)]) -> Result<()> {
    let parent = dir.parent().unwrap_or(Path::new(""));
    let created = first_missing(parent);
    let written = fs::create_dir_all(or_current(parent)).map_err(|e| refuse_folder(dir, &e)).and_then(|()| {
        let stage = stage_in(parent).map_err(|e| refuse_folder(dir, &e))?;
        let new = fill(&stage, dir, files)?;
        fs::rename(new, dir).map_err(|e| refuse_folder(dir, &e))
    });
    if let (Err(_), Some(created)) = (&written, created) {
        remove_empty(&created, parent);
    }
    written
}

/// `dir` exists, perhaps with files of an earlier run.
fn write_into(dir: &Path, files: &[(String, Content)]) -> Result<()> {
    let stage = stage_in(dir).map_err(|e| refuse_folder(dir, &e))?;
    let new = fill(&stage, dir, files)?;
    let old = stage.path().join("old");
    fs::create_dir(&old).map_err(|e| refuse_folder(dir, &e))?;
    let mut moves = Moves { dir, new: &new, old: &old, done: Vec::new() };
    let failed = files.iter().find_map(|(name, _)| Some((name, moves.make(name).err()?)));
    let Some((name, error)) = failed else { return Ok(()) };
    let reason = refuse(&dir.join(name), io_reason(&error));
    match moves.undo() {
        Ok(()) => Err(reason),
        Err(_) => {
            let kept = stage.keep();
            Err(Error::Host(format!("{reason}; the files of the earlier run are in {}", kept.join("old").display())))
        }
    }
}

/// Moves of files from `new` into `dir`, with what they replace kept in `old`.
struct Moves<'a> {
    dir: &'a Path,
    new: &'a Path,
    old: &'a Path,
    /// The names moved so far, and whether each replaced a file.
    done: Vec<(&'a str, bool)>,
}

impl<'a> Moves<'a> {
    fn make(&mut self, name: &'a str) -> io::Result<()> {
        let target = self.dir.join(name);
        let replaces = replaces(&target)?;
        if replaces {
            fs::rename(&target, self.old.join(name))?;
            // From here on undoing must bring it back, whether or not the next step succeeds.
            self.done.push((name, true));
        }
        fs::rename(self.new.join(name), &target)?;
        if !replaces {
            self.done.push((name, false));
        }
        Ok(())
    }

    fn undo(&self) -> io::Result<()> {
        for &(name, replaced) in self.done.iter().rev() {
            match replaced {
                true => fs::rename(self.old.join(name), self.dir.join(name))?,
                false => fs::remove_file(self.dir.join(name))?,
            }
        }
        Ok(())
    }
}

/// A hidden folder that vanishes when it is dropped.
pub(super) fn stage_in(folder: &Path) -> io::Result<TempDir> {
    tempfile::Builder::new().prefix(".tandem-").tempdir_in(or_current(folder))
}

/// Writes every file into the folder `new` of `stage`.
fn fill(stage: &TempDir, dir: &Path, files: &[(String, Content)]) -> Result<PathBuf> {
    let new = stage.path().join("new");
    fs::create_dir(&new).map_err(|e| refuse_folder(dir, &e))?;
    for (name, content) in files {
        put(&new.join(name), content).map_err(|e| refuse(&dir.join(name), io_reason(&e)))?;
    }
    Ok(new)
}

fn put(path: &Path, content: &Content) -> io::Result<()> {
    let mut writer = BufWriter::new(File::create(path)?);
    match content {
        Content::Npy(array) => npy::write(&mut writer, array)?,
        Content::Tensors(set) => writer.write_all(&serialized(set, None).map_err(io::Error::other)?)?,
        Content::Text(text) => writer.write_all(text.as_bytes())?,
    }
    writer.flush()
}

fn check_names(files: &[(String, Content)]) -> Result<()> {
    for (i, (name, _)) in files.iter().enumerate() {
        let mut components = Path::new(name).components();
        let plain = matches!((components.next(), components.next()), (Some(Component::Normal(only)), None) if only == name.as_str());
        if !plain {
            return Err(Error::Host(format!("an output is a plain file name, not {name:?}")));
        }
        if files[..i].iter().any(|(other, _)| other == name) {
            return Err(Error::Host(format!("two outputs are called {name:?}")));
        }
    }
    Ok(())
}

/// The topmost folder that making `folder` would create.
fn first_missing(folder: &Path) -> Option<PathBuf> {
    let missing = |folder: &&Path| !folder.as_os_str().is_empty() && fs::symlink_metadata(folder).is_err();
    folder.ancestors().take_while(missing).last().map(Path::to_path_buf)
}

/// Removes the empty folders from `innermost` up to `topmost`.
fn remove_empty(topmost: &Path, innermost: &Path) {
    for folder in innermost.ancestors().take_while(|folder| folder.starts_with(topmost)) {
        if fs::remove_dir(folder).is_err() {
            return;
        }
    }
}

/// The parent of a bare name is the current folder.
fn or_current(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

fn not_a_folder(path: &Path) -> Error {
    refuse(path, "this is a file, and results go into a folder; give another name")
}

pub(super) fn refuse_folder(dir: &Path, error: &io::Error) -> Error {
    refuse(dir, format!("results cannot be written here: {}", io_reason(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, text: &str) -> (String, Content) {
        (name.into(), Content::Text(text.into()))
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_set_appears_in_a_new_folder_and_replaces_an_older_one() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("a/b");
        let array = HostArray::new([2], vec![1.5, 2.5]).unwrap();
        write_all(&dir, &[("x.npy".into(), Content::Npy(array.clone())), text("n.txt", "one")]).unwrap();
        assert_eq!(names(&dir), ["n.txt", "x.npy"]);
        let read = crate::files::FileRef::parse(&dir.join("x.npy").display().to_string()).unwrap().read();
        assert_eq!(read.unwrap(), array);
        write_all(&dir, &[text("n.txt", "two"), text("m.txt", "")]).unwrap();
        assert_eq!(names(&dir), ["m.txt", "n.txt", "x.npy"]);
        assert_eq!(fs::read_to_string(dir.join("n.txt")).unwrap(), "two");
        assert_eq!(names(root.path()), ["a"]);
    }

    #[test]
    fn a_new_folder_is_as_open_as_any_other() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("plain")).unwrap();
        write_all(&root.path().join("new"), &[text("a", "")]).unwrap();
        let mode = |name| fs::metadata(root.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode("plain"), mode("new"));
    }

    #[test]
    fn a_failure_in_the_middle_leaves_the_earlier_run_as_it_was() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path();
        fs::write(dir.join("b.txt"), "old").unwrap();
        // A folder in the place of the last file makes the last move fail, after two have been made.
        fs::create_dir(dir.join("c.txt")).unwrap();
        let error = write_all(dir, &[text("a.txt", "new"), text("b.txt", "new"), text("c.txt", "new")]).unwrap_err();
        assert!(error.to_string().contains("c.txt: a folder stands"), "{error}");
        assert_eq!(names(dir), ["b.txt", "c.txt"]);
        assert_eq!(fs::read_to_string(dir.join("b.txt")).unwrap(), "old");
    }

    #[test]
    fn a_text_file_is_written_as_open_as_any_other_and_never_over_a_folder_or_a_device() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        let (plain, path) = (root.path().join("plain"), root.path().join("a/text"));
        fs::write(&plain, "").unwrap();
        check_text(&path).unwrap();
        assert_eq!(names(root.path()), ["plain"]);
        write_text(&path, "one".into()).unwrap();
        write_text(&path, "two".into()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&plain), mode(&path));
        for (bad, reason) in [(root.path(), "a folder stands"), (Path::new("/dev/null"), "no regular file")] {
            for result in [check_text(bad), write_text(bad, String::new())] {
                assert!(result.unwrap_err().to_string().contains(reason), "{}", bad.display());
            }
        }
        assert!(check_text(Path::new("..")).unwrap_err().to_string().contains("names no file"));
    }

    #[test]
    fn a_name_that_leaves_the_folder_or_stands_twice_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("out");
        for name in ["", ".", "..", "../x", "a/b", "/x", "a/"] {
            assert!(write_all(&dir, &[text(name, "")]).is_err(), "{name}");
        }
        assert!(write_all(&dir, &[text("x", ""), text("x", "")]).unwrap_err().to_string().contains("two outputs"));
        assert!(!dir.exists());
    }

    #[test]
    fn a_file_in_the_way_is_told_before_and_after_the_computation() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        fs::write(&file, "kept").unwrap();
        for dir in [file.clone(), file.join("out"), file.join("a/b")] {
            for error in [check_writable(&dir).unwrap_err(), write_all(&dir, &[text("a", "")]).unwrap_err()] {
                assert!(!error.to_string().contains('\n'), "{error}");
            }
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
    }

    #[test]
    fn a_failure_removes_the_folders_it_created() {
        let root = tempfile::tempdir().unwrap();
        let long = "x".repeat(300);
        assert!(write_all(&root.path().join("a/b/c"), &[text(&long, "")]).is_err());
        assert!(names(root.path()).is_empty());
    }

    #[test]
    fn checking_leaves_nothing_behind() {
        let root = tempfile::tempdir().unwrap();
        check_writable(root.path()).unwrap();
        check_writable(&root.path().join("a/b")).unwrap();
        assert!(names(root.path()).is_empty());
        #[cfg(target_os = "linux")]
        assert!(check_writable(Path::new("/proc/nothing/here")).is_err());
    }
}
