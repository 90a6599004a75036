//! Modular addition: a transformer that has grokked a + b mod p.

use std::time::Instant;

use tandem::algos::Adam;
use tandem::algos::interaction::{Basis, Lib, accuracy};
use tandem::prelude::*;

use crate::report::{Measure, Report, measured, print};
use crate::transformer::{Sizes, Weights, all_pairs};

/// What is trained.
pub struct Task {
    pub p: usize,
    /// The share of the pairs that is learned from.
    pub fraction: f64,
    /// Steps of full-batch AdamW.
    pub steps: usize,
    pub seed: u64,
}

/// A chunk of steps is one program.
const CHUNK: usize = 200;
const LAYERS: [&str; 4] = ["before attention", "before the MLP", "before the unembedding", "output"];

impl Task {
    /// Groks within minutes on two cores.
    pub fn small() -> Self {
        Self { p: 23, fraction: 0.7, steps: 12000, seed: 0 }
    }

    fn sizes(&self) -> Sizes {
        match self.p {
            p if p < 60 => Sizes { p, width: 64, heads: 4, hidden: 128 },
            p => Sizes::of(p),
        }
    }
}

/// Weights, the means of the gradients and of their squares, and the steps so far.
type State = (Weights, Weights, Weights, Tensor);

/// The mean cross-entropy of pairs `[n, 2]` and their sums `[n]`.
fn loss(weights: &Weights, pairs: &Tensor, sums: &Tensor, heads: usize) -> Tensor {
    let logits = weights.output(pairs, heads);
    let right = sums.one_hot(logits.dim(1), logits.dtype());
    -(logits.log_softmax(1) * right).sum_axes([1]).mean()
}

/// A step of AdamW (Loshchilov and Hutter 2019): rate 0.001, decay of the weights 1, of the means 0.9 and 0.98.
fn step((w, m, v, t): State, pairs: &Tensor, sums: &Tensor, heads: usize) -> State {
    let g = grad(|w: Weights| loss(&w, pairs, sums, heads))(w.clone());
    let t = t + 1.0;
    let adam = Adam { square: 0.98, decay: 1.0, ..Adam::default() };
    let (w, m, v) = adam.step(&number(1e-3, DType::F32), &t, (&w, &m, &v), &g);
    (w, m, v, t)
}

fn right(weights: &Weights, pairs: &Tensor, sums: &Tensor, heads: usize) -> Tensor {
    weights.output(pairs, heads).argmax(1).eq(sums).convert(DType::F32).mean()
}

/// The weights after training, as they are on the host.
fn trained(task: &Task) -> tandem::Result<Vec<HostArray>> {
    let Sizes { p, heads, .. } = task.sizes();
    let count = (task.fraction * (p * p) as f64) as usize;
    let (pairs, sums) = all_pairs(p);
    let sizes = task.sizes();
    let seed = task.seed;
    let start = jit(move |zero: Tensor| {
        let weights = tree_map(&Weights::start(&sizes, seed, DType::F32), |w| w + &zero);
        let nothing = tree_map(&weights, |w| w * 0.0);
        (weights, nothing.clone(), nothing, zero)
    });
    let chunk = jit(move |(state, (pairs, sums)): (State, (Tensor, Tensor))| {
        let order = random::permutation(random::key(1000 + seed), p * p);
        let (known, unknown) = (order.slice(0, 0, count), order.slice(0, count, p * p));
        let of = |rows: &Tensor| (pairs.take(rows, 0), sums.take(rows, 0));
        let ((x, y), (held_x, held_y)) = (of(&known), of(&unknown));
        let state = fori_loop(0, CHUNK as i32, state, |_, state| step(state, &x, &y, heads));
        let numbers = (loss(&state.0, &x, &y, heads), right(&state.0, &held_x, &held_y, heads));
        (state, numbers)
    });
    let mut state: Vec<HostArray> = start.call(0f32)?;
    let begin = Instant::now();
    for done in (CHUNK..=task.steps).step_by(CHUNK) {
        let arguments: Vec<HostArray> = state.iter().cloned().chain([pairs.clone(), sums.clone()]).collect();
        let mut results: Vec<HostArray> = chunk.call(&arguments[..])?;
        let numbers = results.split_off(state.len());
        state = results;
        let (loss, right) = (numbers[0].to_f64()[0], numbers[1].to_f64()[0]);
        if done % (5 * CHUNK) == 0 || done + CHUNK > task.steps {
            let seconds = begin.elapsed().as_secs_f64();
            println!("step {done:5}  loss {loss:.6}  unseen pairs right {:.2} %  {seconds:.0} s", 100.0 * right);
        }
    }
    state.truncate(sizes.shapes().len());
    Ok(state)
}

/// Trains, and compares the bases.
pub fn run(task: &Task) -> tandem::Result<()> {
    let Sizes { p, width, heads, hidden } = task.sizes();
    println!("a + b mod {p}: width {width}, {heads} heads, {hidden} hidden units, {} of the pairs", task.fraction);
    let weights = trained(task)?;
    let (pairs, sums) = all_pairs(p);
    let mut reports = Vec::new();
    for (name, basis) in [("LIB", Basis::Local), ("PCA", Basis::Pca)] {
        let lib = Lib::new().basis(basis).threshold(1e-15);
        let program = jit(move |(weights, (pairs, sums)): (Weights, (Tensor, Tensor))| {
            let weights = tree_map(&weights, |w| w.convert(DType::F64));
            let measure = Measure { score: &accuracy, drops: &[1e-3], edges: true };
            let targets = sums.convert(DType::F64);
            measured(&lib, &weights.sections(heads), &weights.input(&pairs), &targets, &measure)
        });
        let begin = Instant::now();
        let arguments: Vec<HostArray> = weights.iter().cloned().chain([pairs.clone(), sums.clone()]).collect();
        let results: Vec<HostArray> = program.call(&arguments[..])?;
        let report = Report::new(&results)?;
        println!(
            "{name}: {:.2} % of all pairs right; basis and ablations in {:.1} s",
            100.0 * report.score,
            begin.elapsed().as_secs_f64()
        );
        report.draw(&format!("modular-addition-{p}-{}", name.to_lowercase()), &LAYERS)?;
        reports.push((name, report));
    }
    print(&LAYERS, &reports);
    Ok(())
}
