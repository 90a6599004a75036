//! `tandem compare`: algorithms on a device against their references, on random problems.

use clap::Args;
use serde_json::{Value, json};
use tandem_verify::{Backend, Certificate, Compiled, Options};

use super::{Failure, Place, Precision, Target, inputs, output};
use crate::files::{check_text, write_text};
use crate::registry::algorithms;
use crate::report::page;

/// What `tandem compare` takes.
#[derive(Debug, Args)]
pub struct Compare {
    /// The algorithms; all of them when none is named
    algorithms: Vec<String>,
    #[command(flatten)]
    place: Place,
    /// One precision instead of both
    #[arg(long, value_enum)]
    dtype: Option<Precision>,
    /// Random problems per algorithm and precision
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    cases: u32,
    /// The seed of the random problems
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// A JSON file with everything that was found
    #[arg(long, value_name = "FILE.json")]
    certificate: Option<Target>,
    /// The same as one HTML page, with charts, the slowest and worst cases, and a failure's programs
    #[arg(long, value_name = "FILE.html")]
    report: Option<Target>,
}

impl Compare {
    /// Runs the command.
    pub fn run(self) -> Result<(), Failure> {
        let chosen = match self.algorithms.as_slice() {
            [] => algorithms().to_vec(),
            names => names.iter().map(|name| inputs::algorithm(name)).collect::<Result<_, _>>()?,
        };
        let dtypes = match self.dtype {
            Some(one) => vec![one.dtype()],
            None => vec![Precision::F32.dtype(), Precision::F64.dtype()],
        };
        for path in self.certificate.iter().chain(&self.report) {
            check_text(path).map_err(Failure::usage)?;
        }
        let device = self.place.open()?;
        let mut certificates = Vec::new();
        for algorithm in chosen {
            for &dtype in &dtypes {
                let spinner = output::spinner(&format!("{} in {dtype}", algorithm.name()));
                let options = Options { dtype, cases: self.cases, seed: self.seed, regressions: None };
                // One for each: programs are shared by cases, not by algorithms.
                let backend = device.as_ref().map(Compiled::on);
                let backend = backend.as_ref().map(|backend| backend as &dyn Backend);
                let mut certificate = algorithm.check(backend, &options);
                certificate.versions.insert("tandem".into(), env!("CARGO_PKG_VERSION").into());
                certificates.push(certificate);
                spinner.finish_and_clear();
            }
        }
        if let Some(path) = &self.certificate {
            write_text(path, json(&certificates)).map_err(Failure::usage)?;
        }
        if let Some(path) = &self.report {
            write_text(path, page(&certificates)).map_err(Failure::usage)?;
        }
        output::say(&table(&certificates));
        verdict(&certificates)
    }
}

fn table(certificates: &[Certificate]) -> String {
    let header =
        ["algorithm", "dtype", "device", "cases", "worst ratio", "allowed", "laws", "ties", "seconds", "verdict"];
    let mut rows = vec![header.map(String::from).to_vec()];
    for c in certificates {
        rows.push(vec![
            c.algorithm.clone(),
            c.dtype.clone(),
            c.device.clone(),
            format!("{}+{}", c.cases, c.special_cases),
            format!("{:.2}", c.worst_ratio()),
            c.factor.to_string(),
            format!("{} held", c.laws_held()),
            c.ties.to_string(),
            format!("{:.1}", c.times.seconds),
            if c.agreed { "agrees".into() } else { "DISAGREES".to_owned() },
        ]);
    }
    output::table(&rows)
}

fn verdict(certificates: &[Certificate]) -> Result<(), Failure> {
    let found: Vec<String> = certificates
        .iter()
        .filter_map(|c| {
            let found = c.counterexample.as_ref()?;
            Some(format!("{} in {}: {} for {}", c.algorithm, c.dtype, found.reason, found.case))
        })
        .collect();
    if found.is_empty() { Ok(()) } else { Err(Failure::Computed(output::one_line(&found.join("; ")))) }
}

/// The certificates, which the seed determines, and apart from them the times, which nothing does.
fn json(certificates: &[Certificate]) -> String {
    let times: Vec<Value> = certificates
        .iter()
        .map(|c| {
            let mut times = json!({ "algorithm": c.algorithm, "dtype": c.dtype });
            if let (Value::Object(times), Value::Object(more)) = (&mut times, json!(c.times)) {
                times.extend(more);
            }
            times
        })
        .collect();
    let value = json!({ "schema": Certificate::SCHEMA, "certificates": certificates, "times": times });
    serde_json::to_string_pretty(&value).unwrap_or_default() + "\n"
}
