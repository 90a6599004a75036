//! The command line: `tandem run`, `compare`, `export` and what stands around them.
//!
//! Exit codes: 0 all is well; 1 computed, but failed (NaN or infinity in an output, a disagreement); 2 bad usage or
//! input, nothing written. An error is one line on stderr. With `--json` stdout holds JSON alone.

mod aot;
mod apart;
mod compare;
mod devices;
mod export;
mod inputs;
mod list;
mod output;
mod plugins;
mod run;
mod stages;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};
use tandem_compile::pjrt::{Device, limit_threads};
use tandem_compile::{DType, Lowering};

/// Numerical algorithms compiled by XLA, and proved to agree with a CPU reference
#[derive(Debug, Parser)]
#[command(name = "tandem", version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The devices that programs can run on
    Devices(devices::Devices),
    /// Every algorithm: inputs, outputs, parameters with defaults
    List(list::List),
    /// Runs an algorithm on files
    Run(run::Run),
    /// Compares algorithms on a device with their references, on random problems
    Compare(compare::Compare),
    /// Compiles algorithms for hardware that is not there: what they would cost on it
    Aot(aot::Aot),
    /// Writes an algorithm's program: traced, as StableHLO, or optimized
    Export(export::Export),
    /// Installs and lists PJRT plugins
    #[command(subcommand)]
    Plugins(plugins::Plugins),
    /// Checks everything that running programs needs
    Doctor(devices::Doctor),
    /// Opens one device and describes it: what `devices` runs in a process of its own
    #[command(hide = true)]
    Probe(devices::Probe),
    /// Compiles one algorithm for one target: what `aot` runs in a process of its own
    #[command(hide = true)]
    AotOne(aot::One),
}

/// Where and how programs run.
#[derive(Debug, Clone, Args)]
struct Place {
    /// `cpu`, `reference` (faer, no XLA), `cuda`, `tpu`, another plugin's name, or a plugin's path
    #[arg(long, value_name = "DEV", default_value = "cpu")]
    device: String,
    /// Threads that the CPU computes with
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

impl Place {
    /// The device with that lowering, or its own.
    fn open_as(&self, lowering: Option<Lowering>) -> Result<Option<Device>, Failure> {
        match (self.open()?, lowering) {
            (Some(device), Some(lowering)) => device.with_lowering(lowering).map(Some).map_err(Failure::usage),
            (device, _) => Ok(device),
        }
    }

    /// The device, `None` for the reference.
    fn open(&self) -> Result<Option<Device>, Failure> {
        if let Some(threads) = self.threads {
            limit_threads(threads).map_err(Failure::usage)?;
        }
        match self.device.as_str() {
            "reference" => Ok(None),
            name => Device::named(name).map(Some).map_err(Failure::usage),
        }
    }
}

/// A precision that programs compute in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Precision {
    F32,
    F64,
}

impl Precision {
    fn dtype(self) -> DType {
        match self {
            Precision::F32 => DType::F32,
            Precision::F64 => DType::F64,
        }
    }
}

/// A file or folder that is written.
type Target = PathBuf;

/// Why a command did not succeed.
#[derive(Debug)]
enum Failure {
    /// Exit code 2: one line, nothing written.
    Usage(String),
    /// Exit code 1: everything written, the failure described.
    Computed(String),
}

impl Failure {
    fn usage(reason: impl std::fmt::Display) -> Self {
        Self::Usage(output::one_line(&reason.to_string()))
    }
}

/// Runs the command line `arguments` (the program's name first).
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(spelled_out(arguments)) {
        Ok(cli) => cli,
        Err(e) => return misused(&e),
    };
    let result = match cli.command {
        Command::Devices(command) => command.run(),
        Command::List(command) => command.run(),
        Command::Run(command) => command.run(),
        Command::Compare(command) => command.run(),
        Command::Aot(command) => command.run(),
        Command::AotOne(command) => command.run(),
        Command::Export(command) => command.run(),
        Command::Plugins(command) => command.run(),
        Command::Doctor(command) => command.run(),
        Command::Probe(command) => command.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Computed(reason)) => {
            output::complain(&reason);
            ExitCode::from(1)
        }
        Err(Failure::Usage(reason)) => {
            output::complain(&reason);
            ExitCode::from(2)
        }
    }
}

/// `--input a=x b=y` as `--input a=x --input b=y`, and `--set` likewise: what has a `=` and follows such a value is one more.
fn spelled_out(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let (mut flag, mut due) = (None::<OsString>, false);
    let mut spelled = Vec::new();
    for argument in arguments {
        let text = argument.to_string_lossy();
        if matches!(&*text, "--input" | "--set") {
            (flag, due) = (Some(argument.clone()), true);
        } else if due {
            due = false;
        } else if text.contains('=') && !text.starts_with('-') {
            spelled.extend(flag.clone());
        } else {
            flag = None;
        }
        spelled.push(argument);
    }
    spelled
}

/// Help and version go to stdout; anything else is one line, without the usage text that clap appends.
fn misused(error: &clap::Error) -> ExitCode {
    let text = error.to_string();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        output::say(&text);
        return ExitCode::SUCCESS;
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        output::complain("a command is missing; --help in its place lists them");
        return ExitCode::from(2);
    }
    let said = text.split("\n\nUsage:").next().unwrap_or(&text);
    let said = said.split("\n\nFor more information").next().unwrap_or(said);
    output::complain(&output::one_line(said.trim_start_matches("error: ")));
    ExitCode::from(2)
}
