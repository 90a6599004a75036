//! Learns the thresholds and steps of robust PCA here, and compares what they are worth with the published ones and with
//! the classical iterations, layer by layer.
//!
//! `cargo run --release --example lrpca`; what it prints stands in `docs/lrpca.md`.
//!
//! All run on the same 20 problems that no training has seen: X* of rank 3 in 100 x 100, and outliers at one place in ten. The
//! classical iteration is that of alternating projections with AccAltProj's thresholds: a hard threshold that falls with the
//! singular values, and the best approximation of rank r.

use std::time::Instant;

use tandem::algos::rpca::lrpca::{Lrpca, Parameters, Trainer, Weights, graph};
use tandem::linalg::svd;
use tandem::prelude::*;

const SIZE: usize = 100;
const RANK: usize = 3;
const LAYERS: usize = 8;
const PROBLEMS: i32 = 20;

/// The mean over the problems of log10 |X_t - X*| / |X*|, after the start and after each layer.
fn measured(
    device: &Device,
    trainer: &Trainer,
    errors: impl Fn(&Tensor, &Tensor) -> Tensor,
) -> tandem::Result<Vec<f32>> {
    let run = jit(|_: Tensor| {
        let nothing = zeros([LAYERS + 1], DType::F32);
        fori_loop(0, PROBLEMS, nothing, |i, sum| {
            // A key that no training draws from.
            let problem = trainer.problem(&random::fold_in(random::key(1 << 40), &i), DType::F32);
            sum + errors(&problem.m, &problem.low).log() * (1.0 / (f64::from(PROBLEMS) * 10f64.ln()))
        })
    });
    run.on(device).call(0.0f32)
}

fn of_parameters(device: &Device, trainer: &Trainer, parameters: &Parameters) -> tandem::Result<Vec<f32>> {
    measured(device, trainer, |m, low| graph::errors(m, low, RANK, &Weights::constant(parameters, DType::F32)))
}

/// beta = 1 / (2 sqrt(n)), gamma = 0.7: S = hard_z(M - X) with z = beta (s_{r+1} + gamma^t s_1) of M - S before, X the best
/// approximation of M - S of rank r.
fn alternating(m: &Tensor, low: &Tensor) -> Tensor {
    let beta = 0.5 / (SIZE as f64).sqrt();
    let hard = |x: &Tensor, z: &Tensor| x.abs().gt(z).select(x, 0.0);
    let best = |x: &Tensor| {
        let (u, s, vh) = svd(x);
        let first = (u.slice(1, 0, RANK) * s.slice(0, 0, RANK).expand_dims(0)).dot(&vh.slice(0, 0, RANK));
        (first, s.at_index(0, RANK as i64), s.at_index(0, 0))
    };
    let error = |x: &Tensor| (x - low).norm() / low.norm();
    let (_, _, largest) = best(m);
    let (x, _, largest) = best(&(m - hard(m, &(largest * (4.0 * beta)))));
    let (start, threshold) = (error(&x).reshape([1]), largest * beta);
    let powers = full([LAYERS], 0.7, m.dtype()).cumprod(0);
    let (_, errors) = scan((x, threshold), powers, |(x, threshold), power| {
        let (x, next, largest) = best(&(m - hard(&(m - x), &threshold)));
        let error = error(&x);
        ((x, (next + power * largest) * beta), error)
    });
    concatenate(&[&start, &errors], 0)
}

fn main() -> tandem::Result<()> {
    let device = Device::default()?;
    let trainer = Trainer::new([SIZE, SIZE], RANK, LAYERS).steps(200, 400, 200);
    let started = Instant::now();
    let learned = trainer.learn(&device, DType::F32, |stage, losses| {
        let last = &losses[losses.len() - losses.len().min(50)..];
        let mean = last.iter().sum::<f64>() / last.len() as f64;
        eprintln!("stage {stage:2}: |X - X*| {mean:.2e} over the last {} steps", last.len());
    })?;
    let steps: usize = trainer.stages().iter().map(|stage| stage.steps).sum();
    println!(
        "{steps} steps on {SIZE} x {SIZE}, rank {RANK}, {LAYERS} layers: {:.0} s",
        started.elapsed().as_secs_f64()
    );

    let published = Lrpca::new(RANK).resolved([SIZE, SIZE]);
    let published =
        Parameters { zeta: published.zeta[..=LAYERS].to_vec(), eta: published.eta[..LAYERS].to_vec(), ..published };
    let untrained = Parameters {
        zeta: (0..=LAYERS).map(|t| trainer.zeta * trainer.shrink.powi(t as i32)).collect(),
        eta: vec![trainer.eta; LAYERS],
        ..published.clone()
    };
    let here = of_parameters(&device, &trainer, &learned.parameters)?;
    let published_errors = of_parameters(&device, &trainer, &published)?;
    let before = of_parameters(&device, &trainer, &untrained)?;
    let classical = measured(&device, &trainer, alternating)?;
    println!("layer   learned here      zeta       eta   published   untrained   alternating");
    for t in 0..=LAYERS {
        let power = |x: f32| 10f64.powf(f64::from(x));
        let eta = if t == 0 { "        ".into() } else { format!("{:8.4}", learned.parameters.eta[t - 1]) };
        println!(
            "{t:5}   {:12.2e}  {:.2e}  {eta}   {:9.2e}   {:9.2e}   {:11.2e}",
            power(here[t]),
            learned.parameters.zeta[t],
            power(published_errors[t]),
            power(before[t]),
            power(classical[t])
        );
    }
    Ok(())
}
