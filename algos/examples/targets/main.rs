//! Compiles one function for hardware that is not there: `targets tpu-v5e|cuda-h200|cuda-a100 FUNCTION N f32|f64`. Prints the
//! seconds it took; `targets` alone lists the functions. FUNCTION may be a file of StableHLO, `FILE.mlir`, for which N and the
//! dtype say nothing.
//!
//! `cargo xtask targets` runs it for every function, in a process of its own, for libtpu ends the process where it cannot go on.

mod algorithms;
mod linear;

use std::time::Instant;

use tandem_compile::pjrt::{Hardware, Topology};
use tandem_compile::{DType, Error, Result};

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [target, name, n, dtype] = words.as_slice() else {
        let linear = linear::FUNCTIONS.iter().map(|(name, _)| name);
        linear.chain(algorithms::ALGORITHMS.iter().map(|(name, _)| name)).for_each(|name| println!("{name}"));
        return Ok(());
    };
    let unknown = |what: &str| Error::Host(format!("there is no {what}"));
    let n: usize = n.parse().map_err(|_| unknown(n))?;
    let dtype = if dtype == "f64" { DType::F64 } else { DType::F32 };
    let hardware = match target.as_str() {
        "tpu" => Some(Hardware::TpuV5e),
        "cuda" => Some(Hardware::CudaH200),
        name => Hardware::named(name),
    };
    let topology = Topology::of(hardware.ok_or_else(|| unknown(target))?)?;
    let text = match name.ends_with(".mlir") {
        true => std::fs::read_to_string(name).map_err(|error| Error::Host(format!("{name}: {error}")))?,
        false => {
            let graph = linear::graph(name, n, dtype).or_else(|| algorithms::graph(name, n, dtype));
            graph.unwrap_or_else(|| Err(unknown(name)))?.stablehlo()
        }
    };
    let start = Instant::now();
    topology.compile(&text)?;
    println!("{:.1}", start.elapsed().as_secs_f64());
    Ok(())
}
