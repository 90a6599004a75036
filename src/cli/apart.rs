//! What could hang or end the process runs in another one: this program again, with a hidden command and a time limit.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::output;

/// The JSON that this program prints when it is started with `arguments`.
///
/// # Errors
/// When it gives none within `limit`: how it ended, and the last that it said.
pub fn answer<S: AsRef<std::ffi::OsStr>>(arguments: &[S], limit: Duration) -> Result<Value, String> {
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    // Files take any amount of a plugin's messages while nobody reads; a pipe would stop it.
    let (answer, said) = (file()?, file()?);
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(answer.try_clone().map_err(|e| e.to_string())?)
        .stderr(said.try_clone().map_err(|e| e.to_string())?)
        .spawn()
        .map_err(|e| e.to_string())?;
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
            break status;
        }
        if start.elapsed() > limit {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("no answer in {} s", limit.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    serde_json::from_str(&content(answer)?).map_err(|_| {
        let said = content(said).unwrap_or_default();
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("");
        format!("the plugin ended the process ({status}) {}", output::one_line(last))
    })
}

/// A file without a name.
fn file() -> Result<File, String> {
    tempfile::tempfile().map_err(|e| format!("no temporary file can be made: {e}"))
}

/// What another process has written into the file.
fn content(mut file: File) -> Result<String, String> {
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).map_err(|e| e.to_string())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
