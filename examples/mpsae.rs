//! Which sparse autoencoder finds the atoms of hierarchical data? The matching-pursuit SAE against those with an encoder of
//! one product.
//!
//! `cargo run --release --example mpsae`; what it prints stands in `docs/sae.md`.
//!
//! The data: a tree of three levels with 6, 18 and 54 atoms, every atom with three children. The levels span orthogonal
//! subspaces of 16 dimensions each; within a level every two atoms have about the same cosine. A sample is a path from the
//! top: one atom per level, by coefficients drawn independently around 1, 0.7 and 0.5 times, plus noise.
//!
//! An atom is found where one learned atom, matched to no other, has a cosine above 0.9 with it.

use tandem::algos::sae::{FeatureChoiceSae, Model, MpSae, MutualChoiceSae, ReluSae, TopKSae, Trainer};
use tandem::prelude::*;
use tandem::verify::rng::{normal, uniform};

const LEVELS: [usize; 3] = [6, 18, 54];
const SIZES: [f64; 3] = [1.0, 0.7, 0.5];
/// The dimensions of a level's subspace.
const SPAN: usize = 16;
const D: usize = LEVELS.len() * SPAN;
const ATOMS: usize = LEVELS[0] + LEVELS[1] + LEVELS[2];
const SAMPLES: usize = 4096;
const NOISE: f64 = 0.02;
const EPOCHS: usize = 240;
const COSINES: [f64; 3] = [0.0, 0.3, 0.6];
const SEEDS: u64 = 3;
const RATES: [f64; 2] = [1e-3, 1e-2];
const PRICES: [f64; 3] = [0.03, 0.1, 0.3];

/// True atoms, `[ATOMS, D]`, and samples, `[SAMPLES, D]`.
struct Data {
    atoms: Vec<Vec<f64>>,
    samples: HostArray,
}

fn unit(x: Vec<f64>) -> Vec<f64> {
    let norm = dot(&x, &x).sqrt();
    x.into_iter().map(|x| x / norm).collect()
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// Atoms whose cosines within a level are about `cosine`, and samples of them.
fn draw(cosine: f64, seed: u64) -> Data {
    let stream = |which: u64, len: usize| normal(1000 * seed + which, len);
    let mut atoms = Vec::new();
    for (level, &count) in LEVELS.iter().enumerate() {
        let common = unit(stream(level as u64, SPAN));
        let own = stream(10 + level as u64, count * SPAN);
        for own in own.chunks(SPAN) {
            // What is common and what is own are orthogonal: the cosine of two atoms is that of their common parts, plus
            // the chance cosine of their own.
            let along = dot(own, &common);
            let own = unit(own.iter().zip(&common).map(|(o, c)| o - along * c).collect());
            let mut atom = vec![0.0; D];
            for at in 0..SPAN {
                atom[level * SPAN + at] = cosine.sqrt() * common[at] + (1.0 - cosine).sqrt() * own[at];
            }
            atoms.push(atom);
        }
    }
    let (leaves, chance) = (uniform(1000 * seed + 20, SAMPLES), uniform(1000 * seed + 21, 3 * SAMPLES));
    let noise = stream(22, SAMPLES * D);
    let samples = HostArray::from_fn([SAMPLES, D], |at| {
        let (i, axis) = (at / D, at % D);
        let leaf = (leaves[i] * LEVELS[2] as f64) as usize;
        let path = [leaf / 9, LEVELS[0] + leaf / 3, LEVELS[0] + LEVELS[1] + leaf];
        let level = axis / SPAN;
        let coefficient = SIZES[level] * (0.5 + chance[3 * i + level]);
        (coefficient * atoms[path[level]][axis] + NOISE * noise[at]) as f32
    });
    Data { atoms, samples }
}

/// The share of every level's atoms that are found: pairs are matched by falling cosine, each atom once.
fn found(truth: &[Vec<f64>], learned: &[f64]) -> [f64; 3] {
    let learned: Vec<&[f64]> = learned.chunks(D).collect();
    let pair = |i: usize, j: usize| (dot(&truth[i], learned[j]).abs(), i, j);
    let mut pairs: Vec<(f64, usize, usize)> =
        (0..truth.len()).flat_map(|i| (0..learned.len()).map(move |j| (i, j))).map(|(i, j)| pair(i, j)).collect();
    pairs.sort_by(|x, y| y.0.total_cmp(&x.0));
    let (mut true_taken, mut learned_taken) = (vec![false; truth.len()], vec![false; learned.len()]);
    let mut hits = [0usize; 3];
    for (cosine, i, j) in pairs {
        if cosine <= 0.9 {
            break;
        }
        if !true_taken[i] && !learned_taken[j] {
            (true_taken[i], learned_taken[j]) = (true, true);
            let level = if i < LEVELS[0] { 0 } else { 1 + usize::from(i >= LEVELS[0] + LEVELS[1]) };
            hits[level] += 1;
        }
    }
    [0, 1, 2].map(|level: usize| hits[level] as f64 / LEVELS[level] as f64)
}

/// Per cosine and seed: the shares found, and the last epoch's loss relative to the data's mean square.
type Results = Vec<Vec<([f64; 3], f64)>>;

/// Trains the model on all data by one compiled program.
fn results(device: &Device, model: &impl Model, rate: f64, data: &[Vec<Data>]) -> tandem::Result<Results> {
    let trainer = Trainer::new(EPOCHS).batch(128).lr(rate);
    let train = jit(|x: Tensor| {
        let (trained, loss) = trainer.train(model, &x);
        (trained.dictionary, loss.at_index(0, -1) / (x.square().sum() / SAMPLES as f64))
    })
    .on(device);
    let one = |data: &Data| {
        let (learned, loss): (Vec<f32>, f32) = train.call(&data.samples)?;
        let learned: Vec<f64> = learned.into_iter().map(f64::from).collect();
        Ok((found(&data.atoms, &learned), f64::from(loss)))
    };
    data.iter().map(|seeds| seeds.iter().map(one).collect()).collect()
}

fn mean(x: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = x.len() as f64;
    x.sum::<f64>() / count
}

/// The share of all atoms that were found, over the seeds.
fn whole(seeds: &[([f64; 3], f64)]) -> f64 {
    let atoms = |shares: &[f64; 3]| shares.iter().zip(LEVELS).map(|(share, count)| share * count as f64).sum::<f64>();
    mean(seeds.iter().map(|(shares, _)| atoms(shares) / ATOMS as f64))
}

fn row(name: &str, settings: &str, seeds: &[([f64; 3], f64)]) {
    let level = |level: usize| {
        let shares = || seeds.iter().map(|(shares, _)| 100.0 * shares[level]);
        let (least, most) = (shares().fold(f64::MAX, f64::min), shares().fold(0.0, f64::max));
        format!("{:.0} ({least:.0} to {most:.0})", mean(shares()))
    };
    let loss = 100.0 * mean(seeds.iter().map(|(_, loss)| *loss));
    println!(
        "| {name} | {settings} | {} | {} | {} | {:.0} | {loss:.1} |",
        level(0),
        level(1),
        level(2),
        100.0 * whole(seeds)
    );
}

fn main() -> tandem::Result<()> {
    let device = Device::default()?;
    let data: Vec<Vec<Data>> =
        COSINES.iter().map(|&cosine| (0..SEEDS).map(|seed| draw(cosine, seed + 1)).collect()).collect();
    let k = LEVELS.len();
    let mut methods: Vec<(&str, Vec<(String, Results)>)> = Vec::new();
    for rate in RATES {
        let mut add = |name: &'static str, settings: String, results: Results| match methods
            .iter_mut()
            .find(|(known, _)| *known == name)
        {
            Some((_, runs)) => runs.push((settings, results)),
            None => methods.push((name, vec![(settings, results)])),
        };
        let plain = format!("lr {rate}");
        add("MP", plain.clone(), results(&device, &MpSae::new(ATOMS, k), rate, &data)?);
        for price in PRICES {
            let settings = format!("lr {rate}, l1 {price}");
            add("ReLU", settings, results(&device, &ReluSae::new(ATOMS, price), rate, &data)?);
        }
        add("TopK", plain.clone(), results(&device, &TopKSae::new(ATOMS, k), rate, &data)?);
        add("feature choice", plain.clone(), results(&device, &FeatureChoiceSae::new(ATOMS, k), rate, &data)?);
        add("mutual choice", plain, results(&device, &MutualChoiceSae::new(ATOMS, k), rate, &data)?);
    }
    println!("| SAE | settings | level 1 found, % | level 2 | level 3 | all | loss, % |");
    println!("|---|---|---|---|---|---|---|");
    for (at, cosine) in COSINES.iter().enumerate() {
        println!("| **cosine {cosine}** | | | | | | |");
        for (name, runs) in &methods {
            // Of several settings the one that finds most, for every method alike.
            let best = runs.iter().max_by(|x, y| whole(&x.1[at]).total_cmp(&whole(&y.1[at])));
            if let Some((settings, results)) = best {
                row(name, settings, &results[at]);
            }
        }
    }
    Ok(())
}
