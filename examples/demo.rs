//! The main job of every algorithm on the real data in `examples/data`, on a device and on the reference: how well the
//! two agree, which laws hold, what it costs.
//!
//! `cargo xtask demo` runs it; `cargo run --release --example demo` does too where a plugin is installed.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use tandem::algos::snmf::subject::{Case, Data, SnmfSubject};
use tandem::files::FileRef;
use tandem::prelude::*;
use tandem::verify::{Certificate, Compiled, Subject, check_case};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data");

fn main() -> tandem::Result<ExitCode> {
    let device = Device::default()?;
    let activations = FileRef::parse(&format!("{DATA}/mlp_activations.npy^T"))?.read()?.cast(DType::F32)?;
    let case = Case { data: Data::Given(Arc::new(activations)), snmf: Snmf::new(100).iters(100) };
    let (row, agreed) = job(&SnmfSubject, &case, "k 100, 100 iterations", &device)?;
    let header = ["algorithm", "problem", "device", "error ratio", "laws", "compile", "run", "reference", "agree"];
    print_table(&[header.map(String::from), row]);
    println!(
        "\nerror ratio: the device's distance from the f64 reference over the f32 reference's own distance from it,"
    );
    println!(
        "at the worst output; at most {} is allowed. Laws: judged on the device and on the reference.",
        SnmfSubject.factor()
    );
    Ok(if agreed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One algorithm on one problem in f32: a row of the table, and whether the two agree.
fn job<S: Subject>(
    subject: &S,
    case: &S::Case,
    parameters: &str,
    device: &Device,
) -> tandem::Result<([String; 9], bool)> {
    let inputs = subject.inputs(case, DType::F32);
    let types: Vec<TensorType> = inputs.iter().map(HostArray::ty).collect();
    let graph = subject.graph(case, &types)?;
    let (executable, compile) = timed(|| graph.compile(device));
    let (executable, buffers) = (executable?, upload(device, &inputs)?);
    let (results, run) =
        timed(|| -> tandem::Result<()> { executable.execute(&buffers)?.iter().try_for_each(Buffer::wait) });
    results?;
    let (_, reference) = timed(|| subject.reference::<f32>(case, &inputs, DType::F32.unit_roundoff()));
    let certificate = check_case(subject, Some(&Compiled::on(device)), DType::F32, case);
    if let Some(found) = &certificate.counterexample {
        eprintln!("{}: {}", subject.name(), found.reason);
    }
    let shapes: Vec<String> = types.iter().map(TensorType::to_string).collect();
    let row = [
        subject.name().into(),
        format!("{}, {parameters}", shapes.join(", ")),
        device.name().into(),
        format!("{:.2}", certificate.worst_ratio()),
        laws(&certificate),
        format!("{compile:.0} ms"),
        format!("{run:.0} ms"),
        format!("{reference:.0} ms"),
        if certificate.agreed { "yes".into() } else { "NO".into() },
    ];
    Ok((row, certificate.agreed))
}

fn upload(device: &Device, inputs: &[HostArray]) -> tandem::Result<Vec<Buffer>> {
    let buffers: Vec<Buffer> = inputs.iter().map(|input| device.upload(input)).collect::<tandem::Result<_>>()?;
    buffers.iter().try_for_each(Buffer::wait)?;
    Ok(buffers)
}

fn timed<T>(f: impl FnOnce() -> T) -> (T, f64) {
    let start = Instant::now();
    let value = f();
    (value, start.elapsed().as_secs_f64() * 1e3)
}

fn laws(certificate: &Certificate) -> String {
    let broken: u32 = certificate.laws.iter().map(|law| law.broken).sum();
    format!("{} held, {broken} broken", certificate.laws_held())
}

fn print_table(rows: &[[String; 9]]) {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    for row in rows {
        let cells: Vec<String> = row.iter().enumerate().map(|(i, cell)| format!("{cell:w$}", w = width(i))).collect();
        println!("{}", cells.join("  ").trim_end());
    }
}
