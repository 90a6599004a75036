//! `tandem devices` and `tandem doctor`: what programs can run on, and whether they do.
//!
//! A plugin without its hardware may take long, or end the process: each is opened in a process of its own, with a
//! time limit.

use std::process::Command;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use tandem_compile::pjrt::{Device, Environment, install_folder};
use tandem_compile::{HostArray, Tensor, jit};

use super::{Failure, apart, output, run};

const LIMIT: Duration = Duration::from_secs(30);

/// What `tandem devices` takes.
#[derive(Debug, Args)]
pub struct Devices {
    /// Prints a JSON array
    #[arg(long)]
    json: bool,
}

impl Devices {
    /// Runs the command.
    pub fn run(self) -> Result<(), Failure> {
        let found = found();
        if self.json {
            output::say(&serde_json::to_string_pretty(&found).unwrap_or_default());
            return Ok(());
        }
        let text = |device: &Value, key: &str| device[key].as_str().unwrap_or("").to_owned();
        let mut rows = vec![["device", "usable", "hardware", "version", "plugin"].map(String::from).to_vec()];
        for device in &found {
            let usable = if device["usable"] == true { "yes".into() } else { format!("no: {}", text(device, "error")) };
            let version = device["versions"]["pjrt"].as_str().map_or(String::new(), |v| format!("PJRT {v}"));
            rows.push(vec![text(device, "name"), usable, text(device, "hardware"), version, text(device, "plugin")]);
        }
        output::say(&output::table(&rows));
        Ok(())
    }
}

/// The reference, then every plugin's device; the first of a name is the one that the name means.
fn found() -> Vec<Value> {
    let reference = json!({
        "name": "reference", "usable": true, "platform": "faer", "hardware": "cpu", "plugin": null, "error": null,
        "versions": run::versions(None),
    });
    let plugins = Environment::current().plugins().into_iter().map(|plugin| {
        let path = plugin.path.display().to_string();
        let mut device = match apart::answer(&["probe", path.as_str()], LIMIT) {
            Ok(device) => device,
            Err(e) => json!({ "usable": false, "platform": null, "hardware": null, "versions": {}, "error": e }),
        };
        device["name"] = json!(plugin.name);
        device["plugin"] = json!(path);
        device
    });
    std::iter::once(reference).chain(plugins).collect()
}

/// What the hidden `tandem probe` takes.
#[derive(Debug, Args)]
pub struct Probe {
    path: String,
}

impl Probe {
    /// Runs the command.
    pub fn run(self) -> Result<(), Failure> {
        let description = match Device::open(&self.path).and_then(|device| works(&device).map(|()| device)) {
            Ok(device) => json!({
                "usable": true, "platform": device.platform(), "hardware": device.kind(), "error": null,
                "versions": run::versions(Some(&device)),
            }),
            Err(e) => json!({
                "usable": false, "platform": null, "hardware": null, "versions": {},
                "error": output::one_line(&e.to_string()),
            }),
        };
        output::say(&description.to_string());
        Ok(())
    }
}

/// Runs a program whose answer is known.
fn works(device: &Device) -> tandem_compile::Result<()> {
    let a = HostArray::new([2, 2], vec![1.0, 2.0, 3.0, 4.0])?;
    let square: Vec<f64> = jit(|a: Tensor| a.dot(&a)).on(device).call(&a)?;
    match square == [7.0, 10.0, 15.0, 22.0] {
        true => Ok(()),
        false => Err(tandem_compile::Error::Plugin(format!("a matrix product came out wrong: {square:?}"))),
    }
}

/// What `tandem doctor` takes.
#[derive(Debug, Args)]
pub struct Doctor {}

impl Doctor {
    /// Runs the command: succeeds when programs run on the CPU.
    pub fn run(self) -> Result<(), Failure> {
        let mut rows = vec![
            vec!["tandem".to_owned(), env!("CARGO_PKG_VERSION").into()],
            vec!["system".into(), format!("{} {}, {}", std::env::consts::OS, std::env::consts::ARCH, system_note())],
        ];
        rows.push(vec!["python3 with pip".into(), pip()]);
        rows.push(vec!["install folder".into(), install_folder("cpu").display().to_string()]);
        let devices = found();
        for device in &devices {
            let name = device["name"].as_str().unwrap_or("");
            let state = match device["error"].as_str() {
                None => format!("works: {}", device["hardware"].as_str().unwrap_or("")),
                Some(error) => format!("does not work: {error}"),
            };
            rows.push(vec![format!("device {name}"), state]);
        }
        output::say(&output::table(&rows));
        match devices.iter().any(|device| device["name"] == "cpu" && device["usable"] == true) {
            true => Ok(()),
            false => Err(Failure::Computed(match Device::cpu() {
                Err(e) => output::one_line(&e.to_string()),
                Ok(_) => "the CPU's plugin opens but does not work; `tandem plugins install cpu` reinstalls it".into(),
            })),
        }
    }
}

fn system_note() -> &'static str {
    let linux = cfg!(target_os = "linux");
    match linux && cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
        true => "plugins exist (glibc 2.27 or newer)",
        false => "no plugins exist for it; --device reference works",
    }
}

fn pip() -> String {
    match Command::new("python3").args(["-m", "pip", "--version"]).output() {
        Ok(answer) if answer.status.success() => {
            let said = String::from_utf8_lossy(&answer.stdout);
            said.split(" from ").next().unwrap_or("pip").trim().to_owned()
        }
        Ok(_) => "python3 is there, pip is missing: apt install python3-pip".into(),
        Err(_) => "missing: apt install python3 python3-pip".into(),
    }
}
