//! The down-projection of a language model's MLP, 1536 activations to 384 numbers of the residual stream.

use tandem::algos::interaction::{Basis, Lib, Section, with_constant};
use tandem::files::FileRef;
use tandem::prelude::*;

use crate::report::{Measure, Report, measured};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data");
/// The share of the output's variance that may be lost.
const DROPS: [f64; 2] = [0.1, 0.01];

fn read(name: &str) -> tandem::Result<HostArray> {
    FileRef::parse(&format!("{DATA}/{name}"))?.read()?.cast(DType::F64)
}

/// Compares the bases, with the output as it is and in its principal components.
pub fn run() -> tandem::Result<()> {
    let x = read("mlp_activations.npy")?;
    let w = read("mlp_weights_layer3.safetensors:W_out")?;
    let b = read("mlp_weights_layer3.safetensors:b_out")?;
    println!("down-projection of layer 3, 1711 tokens");
    println!("| basis | output | directions | nodes for 90 % | nodes for 99 % | edges with 90 % | edges with 99 % |");
    println!("|---|---|---|---|---|---|---|");
    for (output, rotate) in [("as it is", false), ("principal components", true)] {
        for (name, basis) in [("LIB", Basis::Local), ("PCA", Basis::Pca), ("neurons", Basis::Neuron)] {
            let lib = Lib::new().basis(basis).rotate_output(rotate);
            let program = jit(move |(x, w, b): (Tensor, Tensor, Tensor)| measured_layer(&lib, &x, &w, &b));
            let results: Vec<HostArray> = program.call((&x, &w, &b))?;
            let report = Report::new(&results)?;
            let nodes = report.nodes(0);
            let edges = [0.9, 0.99].map(|share| report.edges_with(0, share));
            let rank = report.counts(0)[0];
            println!("| {name} | {output} | {rank} | {} | {} | {} | {} |", nodes[0], nodes[1], edges[0], edges[1]);
        }
    }
    Ok(())
}

/// The score is the share of the output's variance that is kept, less 1.
fn measured_layer(lib: &Lib, x: &Tensor, w: &Tensor, b: &Tensor) -> Vec<Tensor> {
    let width = x.dim(1);
    let section = |f: &Tensor| f.slice(1, 0, width).dot(w) + f.slice(1, width, width + 1) * b;
    let sections: Vec<Section> = vec![Box::new(section)];
    let f = with_constant(x);
    let targets = sections[0](&f);
    let variance = targets.var_axes([0]).sum();
    let score = |y: &Tensor, target: &Tensor| -((y - target).square().sum_axes([1]) / &variance);
    measured(lib, &sections, &f, &targets, &Measure { score: &score, drops: &DROPS, edges: false })
}
