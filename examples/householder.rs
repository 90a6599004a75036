//! A decoder with ten equally strong, orthogonal directions: an autoencoder of digits is trained, the projection from
//! its code is replaced by the nearest Householder projector, and the network is tuned for 1 % of the original steps;
//! beside it the same steps without the constraint (the claim of Song et al., ICCV 2023, in small).
//!
//! `cargo run --release --example householder`

use ndarray::Array2;
use tandem::algos::Adam;
use tandem::algos::householder::{Layer, Projector};
use tandem::files::FileRef;
use tandem::linalg::svdvals;
use tandem::prelude::*;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/digits.npz");
const CODE: usize = 10;
const HIDDEN: usize = 128;
const STEPS: usize = 20_000;
const TUNING: usize = STEPS / 100;
/// Of 1797 digits 1437 are learned from, the others judge.
const TRAIN: usize = 1437;
const BATCH: usize = 64;

/// All of the network but the projection A `[HIDDEN, CODE]` from the code.
#[derive(Clone)]
struct Rest {
    encode: [Tensor; 4],
    bias: Tensor,
    decode: [Tensor; 2],
}
tree!(Rest { encode, bias, decode });

/// relu(A z + b), and from there the pixels; `project` is z -> A z for many codes.
fn decoded(rest: &Rest, project: impl Fn(&Tensor) -> Tensor, code: &Tensor) -> Tensor {
    (project(code) + &rest.bias).maximum(0.0).dot(&rest.decode[0]) + &rest.decode[1]
}

fn encoded(rest: &Rest, x: &Tensor) -> Tensor {
    let [w1, b1, w2, b2] = &rest.encode;
    (x.dot(w1) + b1).maximum(0.0).dot(w2) + b2
}

/// The mean squared error of a pixel.
fn loss(rest: &Rest, project: impl Fn(&Tensor) -> Tensor, x: &Tensor) -> Tensor {
    (decoded(rest, project, &encoded(rest, x)) - x).square().mean()
}

/// A kind of projection: its parameters, and A z.
type Project<A> = fn(&A, &Tensor) -> Tensor;

/// Adam with a learning rate of 0.002, on minibatches drawn from `seed`.
fn train<A: Tree + Clone>(start: (A, Rest), project: Project<A>, steps: usize, seed: u64, x: &Tensor) -> (A, Rest) {
    let nothing = tree_map(&start, |w| w * 0.0);
    let state = (start, nothing.clone(), nothing);
    fori_loop(0, steps as i32, state, |t, (w, m, v)| {
        let rows =
            random::integers(random::fold_in(random::key(seed), &t.convert(DType::U32)), [BATCH], 0, TRAIN as i32);
        let batch = x.take(&rows, 0);
        let g = grad(|(a, rest): (A, Rest)| loss(&rest, |z| project(&a, z), &batch))(w.clone());
        Adam::default().step(&scalar(2e-3f32), &(t + 1), (&w, &m, &v), &g)
    })
    .0
}

fn weights(seed: u64, n: usize, m: usize) -> Tensor {
    random::normal(random::key(seed), [n, m], DType::F32) * (2.0 / n as f64).sqrt()
}

fn start() -> (Tensor, Rest) {
    let zero = |n: usize| zeros([n], DType::F32);
    let encode = [weights(1, 64, HIDDEN), zero(HIDDEN), weights(2, HIDDEN, CODE), zero(CODE)];
    (weights(3, HIDDEN, CODE), Rest { encode, bias: zero(HIDDEN), decode: [weights(4, HIDDEN, 64), zero(64)] })
}

/// Of the network as trained, with A replaced, and tuned with and without the constraint: the losses on what was
/// learned from and on the rest, `[4, 2]`, and the singular values of A, `[4, CODE]`; then |D D' - I| of the
/// constrained directions D.
fn experiment(images: Tensor) -> (Tensor, Tensor, Tensor) {
    let order = random::permutation(random::key(5), 1797);
    let x = (images.convert(DType::F32) / 16.0).take(&order, 0);
    let (seen, held) = (x.slice(0, 0, TRAIN), x.slice(0, TRAIN, 1797));
    let dense: Project<Tensor> = |a, z| z.contract(a, 1, 1);
    let constrained: Project<Layer> = |layer, z| layer.forward(z);

    let (a, rest) = train(start(), dense, STEPS, 6, &seen);
    // The mean strength goes into what follows, of which relu keeps positive multiples: relu(c P z + b) = c relu(P z +
    // b / c).
    let strength = svdvals(&a).mean();
    let (scaled, turned) = (&a / &strength, rest.clone());
    let [decode, offset] = turned.decode;
    let turned = Rest { bias: turned.bias / &strength, decode: [decode * &strength, offset], ..turned };
    let layer = Layer::from(Projector::new(CODE).trace(&scaled));
    let replaced = layer.weight();

    let (tuned, tuned_rest) = train((layer, turned.clone()), constrained, TUNING, 7, &seen);
    let (free, free_rest) = train((replaced.clone(), turned.clone()), dense, TUNING, 7, &seen);
    let directions = tuned.directions();
    let off = (directions.contract(&directions, 1, 1) - eye(CODE, DType::F32)).abs().max();
    let networks = [(a, rest), (replaced, turned), (tuned.weight(), tuned_rest), (free, free_rest)];
    let losses = networks.each_ref().map(|(a, rest)| {
        let of = |x: &Tensor| loss(rest, |z| dense(a, z), x);
        stack(&[&of(&seen), &of(&held)], 0)
    });
    let sigma = networks.each_ref().map(|(a, _)| svdvals(a));
    (stack(&losses.each_ref(), 0), stack(&sigma.each_ref(), 0), off)
}

fn main() -> tandem::Result<()> {
    let images = FileRef::parse(&format!("{DATA}:images"))?.read()?;
    let (losses, sigma, off): (Array2<f32>, Array2<f32>, f32) = jit(experiment).call(&images)?;
    println!("64 pixels -> {CODE} numbers -> 64 pixels; {STEPS} steps, then {TUNING}; losses per pixel");
    println!("                       learned from   held out   singular values of the projection");
    for (i, name) in ["trained", "replaced", "tuned, constrained", "tuned, free"].into_iter().enumerate() {
        let (seen, held, first, last) = (losses[[i, 0]], losses[[i, 1]], sigma[[i, 0]], sigma[[i, CODE - 1]]);
        println!("{name:20} {seen:14.5} {held:10.5}   {first:.6} to {last:.6}");
    }
    let change = |i: usize| 100.0 * (losses[[i, 1]] / losses[[0, 1]] - 1.0);
    println!("held-out loss against the trained network's: constrained {:+.1} %, free {:+.1} %", change(2), change(3));
    println!("|D D' - I| of the constrained network's directions D: {off:.1e}");
    Ok(())
}
