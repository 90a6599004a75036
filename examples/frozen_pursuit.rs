//! How much of an SAE's error is its encoder's? A TopK SAE is trained on the MLP activations of a small language model; then
//! its dictionary is frozen, and its codes are replaced by those that matching pursuit and gradient pursuit find, with the
//! same number of atoms per token.
//!
//! `cargo run --release --example frozen_pursuit`; what it prints stands in `docs/sae.md`.

use tandem::algos::sae::pursuit::unrolled;
use tandem::algos::sae::{Model, Selection, State, TopKSae, Trainer, coder};
use tandem::files::FileRef;
use tandem::prelude::*;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/mlp_activations.npy");
/// Of 1711 tokens 1411 are learned from; the others judge.
const TRAIN: usize = 1411;
const ATOMS: usize = 1024;
const EPOCHS: usize = 20;

/// What `k` steps of gradient pursuit (Blumensath and Davies 2008) leave of the signals `r` (`[b, d]`) on unit atoms `w`: a
/// step adds the atom with the largest correlation, and then moves all codes so far along the gradient, as far as is best.
/// With `positive`, atoms are chosen and codes kept >= 0.
fn gradient_pursuit(w: &Tensor, r: &Tensor, k: usize, positive: bool) -> Tensor {
    let (b, p) = (r.dim(0), w.dim(0));
    let position = iota([b, p], 1, DType::I32);
    let start = (r.clone(), zeros([b, p], r.dtype()), zeros([b, p], r.dtype()));
    let (_, codes, _) = fori_loop(0, k as i32, start, |_, (rest, codes, support)| {
        let correlation = rest.contract(w, 1, 1);
        let rank = if positive { correlation.clone() } else { correlation.abs() };
        let free = support.eq(0.0).select(rank, f64::NEG_INFINITY);
        let chosen = position.eq(free.argmax(1).expand_dims(1));
        let support = chosen.select(1.0, support);
        let direction = &correlation * &support;
        let change = direction.dot(w);
        let length = change.square().sum_axes([1]);
        let step = (&rest * &change).sum_axes([1]) / length.maximum(1e-30);
        let codes = codes + step.expand_dims(1) * direction;
        let codes = if positive { codes.maximum(0.0) } else { codes };
        (r - codes.dot(w), codes, support)
    });
    r - codes.dot(w)
}

/// The share of the variance that a residual is, in percent.
fn unexplained(residual: &Tensor, x: &Tensor, mean: &Tensor) -> Tensor {
    residual.square().sum() / (x - mean).square().sum() * 100.0
}

fn main() -> tandem::Result<()> {
    let x = FileRef::parse(DATA)?.read()?.cast(DType::F32)?;
    let n = x.shape()[0];
    let device = Device::default()?;
    let split = |x: &Tensor| {
        let x = x.take(&random::permutation(random::key(1), n), 0);
        (x.slice(0, 0, TRAIN), x.slice(0, TRAIN, n))
    };
    println!("| k | tokens | SAE's codes | MP | GP | MP, codes >= 0 | GP, codes >= 0 |");
    println!("|---|---|---|---|---|---|---|");
    for k in [16] {
        let sae = TopKSae::new(ATOMS, k);
        let trainer = Trainer::new(EPOCHS).batch(64).lr(2e-3);
        // One program trains an epoch; the state stays on the device.
        let start = jit(|x: Tensor| trainer.start(&sae, &split(&x).0)).on(&device);
        let epoch =
            jit(|(x, state): (Tensor, State<coder::Weights>)| trainer.epoch(&sae, &split(&x).0, state)).on(&device);
        let x_there = device.upload(&x)?;
        let mut state: Vec<Buffer> = start.call(&x_there)?;
        for _ in 0..EPOCHS {
            let mut arguments = vec![device.upload(&x)?];
            arguments.append(&mut state);
            state = epoch.call(arguments.as_slice())?;
            state.pop();
        }
        let judge = jit(|(x, state): (Tensor, State<coder::Weights>)| {
            let (train, held) = split(&x);
            // The state's weights are in units of the scaled training data.
            let unit = tandem::algos::sae::train::unit(&train);
            let mean = train.mean_axes([0]) / &unit;
            let (w, bias) = sae.learned(&state.weights);
            [train, held].map(|x| {
                let x = x / &unit;
                let r = &x - &bias;
                let left = [
                    sae.residual(&state.weights, &x),
                    unrolled(&w, &r, k, Selection::Abs).residual,
                    gradient_pursuit(&w, &r, k, false),
                    unrolled(&w, &r, k, Selection::Relu).residual,
                    gradient_pursuit(&w, &r, k, true),
                ];
                left.map(|left| unexplained(&left, &x, &mean))
            })
        })
        .on(&device);
        let mut arguments = vec![device.upload(&x)?];
        arguments.append(&mut state);
        let shares: Vec<HostArray> = judge.call(arguments.as_slice())?;
        let shares: Vec<String> = shares.iter().map(|share| format!("{:.2}", share.to_f64()[0])).collect();
        for (tokens, shares) in ["seen", "held out"].iter().zip(shares.chunks(5)) {
            println!("| {k} | {tokens} | {} |", shares.join(" | "));
        }
    }
    Ok(())
}
