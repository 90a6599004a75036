//! One training step of a network, to be measured: `rpcanet_step plusplus|plain STAGES CHANNELS BATCH H W FILE` writes the program
//! to FILE as StableHLO, f32, and prints its arguments, one per line: what it is, its name and its shape.
//!
//! The program takes weights, running moments, Adam's two means, the steps and epochs so far (i32), frames `[batch, h, w]` and
//! their masks; it gives all but the last two as they are after the step, and the loss before it. The rate is 0.001.

use tandem_algos::rpca::net::{Network, RpcaNet, RpcaNetPlusPlus, StateOf, Trainer};
use tandem_compile::{DType, Error, Graph, Result, Tensor, TensorType, Tree, number, trace};

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let usage = || Error::Host("rpcanet_step plusplus|plain STAGES CHANNELS BATCH H W FILE".into());
    let [kind, sizes @ .., file] = words.as_slice() else { return Err(usage()) };
    let sizes: Vec<usize> = sizes.iter().filter_map(|word| word.parse().ok()).collect();
    let [stages, channels, batch, h, w] = *sizes.as_slice() else { return Err(usage()) };
    let graph = match kind.as_str() {
        "plusplus" => step(&RpcaNetPlusPlus::new(stages, channels), [batch, h, w]),
        "plain" => step(&RpcaNet::new(stages, channels), [batch, h, w]),
        _ => return Err(usage()),
    }?;
    std::fs::write(file, graph.stablehlo()).map_err(|e| Error::Host(format!("{file}: {e}")))
}

fn step<N: Network>(net: &N, frames: [usize; 3]) -> Result<Graph> {
    net.check().map_err(Error::Host)?;
    let parts =
        [("weight", net.names()), ("moment", net.moment_names()), ("mean", net.names()), ("square", net.names())];
    let mut types = Vec::new();
    for (part, names) in parts {
        for (name, shape) in names {
            println!("{part} {name} {shape:?}");
            types.push(TensorType::new(DType::F32, shape));
        }
    }
    types.extend([DType::I32; 2].map(TensorType::scalar));
    types.extend([(); 2].map(|()| TensorType::new(DType::F32, frames)));
    let program = |arguments: Vec<Tensor>| {
        let mut results = Vec::new();
        let [state @ .., frames, masks] = arguments.as_slice() else { return results };
        let Some(state) = StateOf::<N>::build(&mut state.iter().cloned()) else { return results };
        let (state, loss) = Trainer::new(1).step(net, &number(1e-3, DType::F32), frames, masks, state);
        state.collect(&mut results);
        results.push(loss);
        results
    };
    trace(program, &types)
}
