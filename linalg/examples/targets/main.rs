//! Compiles one function for hardware that is not there: `targets tpu|cuda FUNCTION N f32|f64`. Prints the seconds it took;
//! `targets` alone lists the functions.
//!
//! TPU v5e and H200, as their plugins know them (`h200.txt` is the card as XLA describes it). `cargo xtask targets` runs it for
//! every function, in a process of its own, for libtpu ends the process where it cannot go on.

mod functions;

use std::time::Instant;

use tandem_compile::pjrt::{Environment, Plugin, Topology};
use tandem_compile::{DType, Error, Result, Tensor, TensorType, trace};

use functions::FUNCTIONS;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [target, name, n, dtype] = words.as_slice() else {
        FUNCTIONS.iter().for_each(|(name, _)| println!("{name}"));
        return Ok(());
    };
    let unknown = |what: &str| Error::Host(format!("there is no {what}"));
    let &(_, function) = FUNCTIONS.iter().find(|(known, _)| known == name).ok_or_else(|| unknown(name))?;
    let n: usize = n.parse().map_err(|_| unknown(n))?;
    let dtype = if dtype == "f64" { DType::F64 } else { DType::F32 };
    let types = [TensorType::new(dtype, [n, n]), TensorType::new(dtype, [n, 2])];
    let graph = trace(|(a, b): (Tensor, Tensor)| function(&a, &b), &types)?;
    let topology = described(target)?;
    let start = Instant::now();
    topology.compile(&graph.stablehlo())?;
    println!("{:.1}", start.elapsed().as_secs_f64());
    Ok(())
}

fn described(target: &str) -> Result<Topology> {
    let plugin = Plugin::open(Environment::current().locate(target)?.path)?;
    match target {
        "tpu" => Topology::new(plugin, "v5e:2x2", &[]),
        _ => Topology::new(plugin, "", &[("topology", "1x1x1"), ("target_config", include_str!("h200.txt"))]),
    }
}
