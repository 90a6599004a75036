//! Compiles one function for hardware that is not there: `targets tpu|cuda FUNCTION N f32|f64`. Prints the seconds it took;
//! `targets` alone lists the functions.
//!
//! `cargo xtask targets` runs it for every function, in a process of its own, for libtpu ends the process where it cannot go on.

mod algorithms;
mod linear;

use std::time::Instant;

use tandem_compile::pjrt::Topology;
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
    let graph = linear::graph(name, n, dtype).or_else(|| algorithms::graph(name, n, dtype));
    let graph = graph.unwrap_or_else(|| Err(unknown(name)))?;
    let topology = Topology::typical(target)?;
    let start = Instant::now();
    topology.compile(&graph.stablehlo())?;
    println!("{:.1}", start.elapsed().as_secs_f64());
    Ok(())
}
