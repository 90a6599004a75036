//! The basis of the modular-addition network with random weights: what the benchmark times.

use std::io::{BufRead, Write};
use std::time::Instant;

use tandem::Error;
use tandem::algos::interaction::Lib;
use tandem::compile::Lowering;
use tandem::prelude::*;
use tandem::verify::rng::normal;

use crate::transformer::{Sizes, Weights, all_pairs};

/// From weights in f64 and pairs to status, and lambda, edges and rank of every layer.
fn interaction(heads: usize, weights: &Weights, pairs: &Tensor) -> Vec<Tensor> {
    let found = Lib::new().trace(&weights.sections(heads), &weights.input(pairs));
    let parts = found.layers.into_iter().flat_map(|layer| [layer.lambda, layer.edges, layer.rank]);
    parts.chain([found.status]).collect()
}

/// Weights as `Weights::start` scales them, from streams that any language can make.
fn arguments(p: usize) -> Vec<HostArray> {
    let sizes = Sizes::of(p);
    let weight = |(at, shape): (usize, &Vec<usize>)| {
        let scale = if at < 2 { sizes.width } else { shape[0] } as f64;
        let values = normal(500 + at as u64, shape.iter().product());
        HostArray::from_fn(shape.clone(), |i| values[i] / scale.sqrt())
    };
    let weights: Vec<HostArray> = sizes.shapes().iter().enumerate().map(weight).collect();
    weights.into_iter().chain([all_pairs(p).0]).collect()
}

fn graph(p: usize) -> tandem::Result<Graph> {
    let types: Vec<TensorType> = arguments(p).iter().map(HostArray::ty).collect();
    trace(|(weights, pairs): (Weights, Tensor)| interaction(Sizes::of(p).heads, &weights, &pairs), &types)
}

/// Writes the program as StableHLO.
pub fn export(p: usize, file: &str) -> tandem::Result<()> {
    std::fs::write(file, graph(p)?.stablehlo()).map_err(|e| Error::Host(format!("{file}: {e}")))
}

/// Answers every line on stdin with the milliseconds of one run with native kernels, arguments and results on the device;
/// before, with those that compiling took, and lambda of the first layer.
pub fn time(p: usize) -> tandem::Result<()> {
    let device = Device::cpu()?.with_lowering(Lowering::Native)?;
    let begin = Instant::now();
    let program = graph(p)?.compile(&device)?;
    let compile = begin.elapsed().as_secs_f64() * 1e3;
    let arguments: Vec<Buffer> = arguments(p).iter().map(|array| device.upload(array)).collect::<Result<_, _>>()?;
    arguments.iter().try_for_each(Buffer::wait)?;
    let run = || -> tandem::Result<(f64, Vec<Buffer>)> {
        let begin = Instant::now();
        let results = program.execute(&arguments)?;
        results.iter().try_for_each(Buffer::wait)?;
        Ok((begin.elapsed().as_secs_f64() * 1e3, results))
    };
    let lambda: Vec<String> = run()?.1[0].to_host()?.to_f64().iter().map(f64::to_string).collect();
    println!("{compile} {}", lambda.join(" "));
    for _ in std::io::stdin().lock().lines() {
        println!("{}", run()?.0);
        // Who reads has gone where this fails.
        let _ = std::io::stdout().flush();
    }
    Ok(())
}
