//! Wheels: their checksum, and what is in them.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::Path;

use sha2::{Digest, Sha256};
use tandem_compile::{Error, Result};
use zip::ZipArchive;

use super::pins::Package;
use crate::files::io_reason;

/// Compares the sha256 of the file `wheel` with the pin.
pub(super) fn check(wheel: &Path, package: &Package) -> Result<()> {
    let found = sha256(wheel).map_err(|e| failed(wheel, &e))?;
    if found == package.sha256 {
        return Ok(());
    }
    Err(Error::Plugin(format!(
        "the wheel of {} {} has sha256 {found}, expected {}: nothing was installed; the package index that pip uses \
         gave another file than the one this program was tested with",
        package.name, package.version, package.sha256
    )))
}

/// The sha256 of a file in hexadecimal.
pub(super) fn sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => digest.update(&buffer[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Unpacks `wheel` into `folder`. A name that leads out of the folder is refused, a link is never made.
pub(super) fn unpack(wheel: &Path, folder: &Path) -> Result<()> {
    let file = File::open(wheel).map_err(|e| failed(wheel, &e))?;
    let mut zip = ZipArchive::new(BufReader::new(file)).map_err(|e| failed(wheel, &e.into()))?;
    for i in 0..zip.len() {
        let mut entry = zip.by_index(i).map_err(|e| failed(wheel, &e.into()))?;
        let inside = entry.enclosed_name().filter(|_| !entry.is_symlink()).ok_or_else(|| {
            let name = entry.name().escape_default();
            Error::Plugin(format!(
                "the wheel {} holds `{name}`, which leads out of its folder: refused",
                wheel.display()
            ))
        })?;
        let target = folder.join(inside);
        write(&mut entry, &target).map_err(|e| failed(&target, &e))?;
    }
    Ok(())
}

fn write<R: Read>(entry: &mut zip::read::ZipFile<'_, R>, target: &Path) -> io::Result<()> {
    if entry.is_dir() {
        return fs::create_dir_all(target);
    }
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut file = File::create(target)?;
    io::copy(entry, &mut file)?;
    // CUDA's packages hold programs that the plugin starts (ptxas).
    #[cfg(unix)]
    if entry.unix_mode().is_some_and(|mode| mode & 0o111 != 0) {
        use std::os::unix::fs::PermissionsExt;
        let mode = file.metadata()?.permissions().mode();
        file.set_permissions(fs::Permissions::from_mode(mode | (mode & 0o444) >> 2))?;
    }
    Ok(())
}

/// An error of the file system about `path`, in one line, with the fix where there is one.
pub(super) fn failed(path: &Path, error: &io::Error) -> Error {
    let path = path.display();
    Error::Plugin(match error.kind() {
        io::ErrorKind::StorageFull => {
            format!("{path}: the disk is full; make room, or set TANDEM_HOME to a folder on another disk")
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            format!("{path}: not writable; set TANDEM_HOME to a folder of yours")
        }
        _ => format!("{path}: {}", io_reason(error)),
    })
}
