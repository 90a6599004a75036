//! `tandem plugins`: PJRT plugins, fetched through pip into a folder of the tool's own.

use std::io::{IsTerminal, Write};
use std::path::Path;

use clap::{Args, Subcommand};
use tandem_compile::pjrt::{Environment, install_folder, relative_library};

use super::{Failure, output};
use crate::install::{Installed, Plan, install, installed, plan};

/// What `tandem plugins` does.
#[derive(Debug, Subcommand)]
pub enum Plugins {
    /// Installs the plugin for a kind of hardware
    Install(Install),
    /// The plugins on this machine, in the order in which they are looked for
    List,
}

/// What `tandem plugins install` takes.
#[derive(Debug, Args)]
pub struct Install {
    /// cpu, cuda or tpu
    name: String,
    /// Downloads without asking
    #[arg(long)]
    yes: bool,
}

impl Plugins {
    /// Runs the command.
    pub fn run(self) -> Result<(), Failure> {
        match self {
            Plugins::Install(command) => command.run(),
            Plugins::List => {
                list();
                Ok(())
            }
        }
    }
}

impl Install {
    fn run(self) -> Result<(), Failure> {
        let plan = plan(&self.name).map_err(Failure::usage)?;
        let folder = install_folder(&self.name);
        let library = Path::new(relative_library(&self.name).unwrap_or_default());
        if let Some(found) = installed(&plan, &folder, library) {
            output::say(&format!("{} is there: {}", self.name, found.display()));
            return Ok(());
        }
        // A plugin that another tool brought, or that a variable names, serves as well.
        if let Ok(found) = Environment::current().locate(&self.name) {
            output::say(&format!("{} is there: {} ({})", self.name, found.path.display(), found.place));
            return Ok(());
        }
        output::say(&describe(&plan, &folder));
        if !self.yes && !confirmed() {
            return Err(Failure::usage("nothing installed; pass --yes to install without being asked"));
        }
        let spinner = output::spinner("downloading");
        let done = install(&plan, &folder, library).map_err(Failure::usage)?;
        spinner.finish_and_clear();
        let path = done.library().display();
        output::say(&match &done {
            Installed::AlreadyThere(_) => format!("{} is there: {path}", self.name),
            Installed::Fetched(_) => format!("{} is installed: {path}", self.name),
        });
        Ok(())
    }
}

fn describe(plan: &Plan, folder: &Path) -> String {
    let packages: Vec<String> = plan.packages.iter().map(|p| format!("{} {}", p.name, p.version)).collect();
    format!(
        "{} needs {} from the Python package index: {} MB to download, {} MB in {} ({})",
        plan.name,
        packages.join(", "),
        plan.download_mb,
        plan.installed_mb,
        folder.display(),
        plan.licence_note
    )
}

/// Asks on a terminal; elsewhere nobody could answer.
fn confirmed() -> bool {
    if !std::io::stdin().is_terminal() {
        return false;
    }
    let _ = write!(std::io::stderr(), "Download and install? [y/N] ");
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

fn list() {
    let found = Environment::current().plugins();
    if found.is_empty() {
        output::say("no plugin was found; `tandem plugins install cpu` installs the one for the CPU");
        return;
    }
    let mut rows = vec![["name", "found in", "library"].map(String::from).to_vec()];
    for plugin in found {
        rows.push(vec![plugin.name, plugin.place.to_string(), plugin.path.display().to_string()]);
    }
    output::say(&output::table(&rows));
}
