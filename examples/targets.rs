//! Compiles an algorithm of the registry for hardware that is not there:
//! `targets tpu|cuda ALGORITHM f32|f64 INPUT=SIZES... PARAMETER=VALUE...`, sizes as `100,800`. Prints the seconds it took.
//!
//! TPU v5e and H200, as their plugins know them (`tandem plugins install tpu|cuda`). libtpu asks the network which machine this
//! is unless `TPU_SKIP_MDS_QUERY=1`.
//!
//! `cargo run --release --example targets -- tpu cur-search f32 anchor_rows=100,800 item_index=50 query_scores=60,50 topk=10`

use std::time::Instant;

use tandem::compile::pjrt::{Environment, Plugin, Topology};
use tandem::prelude::*;
use tandem::registry::{Settings, find, graph};

fn main() -> tandem::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [target, algorithm, dtype, rest @ ..] = words.as_slice() else {
        return Err(tandem::Error::Host("targets tpu|cuda ALGORITHM f32|f64 INPUT=SIZES... PARAMETER=VALUE...".into()));
    };
    let unknown = |what: &str| tandem::Error::Host(format!("{what} is not understood"));
    let algorithm = find(algorithm).ok_or_else(|| unknown(algorithm))?;
    let real = DType::from_name(dtype).ok_or_else(|| unknown(dtype))?;
    let is_input = |word: &&String| algorithm.inputs().iter().any(|input| word.split('=').next() == Some(input.name));
    let (inputs, settings): (Vec<&String>, Vec<&String>) = rest.iter().partition(is_input);
    let settings: Vec<String> = settings.into_iter().cloned().collect();
    let settings = Settings::parse(algorithm.parameters(), &settings).map_err(tandem::Error::Host)?;
    let mut types = Vec::new();
    for input in algorithm.inputs() {
        let given = inputs.iter().filter_map(|word| word.split_once('=')).find(|(name, _)| *name == input.name);
        let Some((_, sizes)) = given else {
            types.push(None);
            continue;
        };
        let shape: Result<Vec<usize>, _> = sizes.split(',').map(str::parse).collect();
        types.push(Some(TensorType::new(input.elements.dtype(real), shape.map_err(|_| unknown(sizes))?)));
    }
    let problem = algorithm.problem(&settings, &types).map_err(tandem::Error::Host)?;
    let graph = graph(&*problem, &types)?;
    let topology = described(target)?;
    let start = Instant::now();
    topology.compile(&graph.stablehlo())?;
    println!("{:.1}", start.elapsed().as_secs_f64());
    Ok(())
}

fn described(target: &str) -> tandem::Result<Topology> {
    let plugin = Plugin::open(Environment::current().locate(target)?.path)?;
    match target {
        "tpu" => Topology::new(plugin, "v5e:2x2", &[]),
        _ => {
            let card = include_str!("../linalg/examples/targets/h200.txt");
            Topology::new(plugin, "", &[("topology", "1x1x1"), ("target_config", card)])
        }
    }
}
