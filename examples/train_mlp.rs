//! A small neural network that learns to read handwritten digits: 64 -> 256 -> 10, Adam, 20 epochs. An epoch is one
//! program, its minibatches a `scan` on the device.
//!
//! `cargo run --release --example train_mlp`; with a file's name after `--` the program is written there as StableHLO.

use tandem::algos::Adam;
use tandem::files::FileRef;
use tandem::prelude::*;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/digits.npz");
/// Of 1797 digits 1437 are learned from, in minibatches of 64; the others judge.
const TRAIN: usize = 1437;
const BATCH: usize = 64;

#[derive(Clone)]
struct Mlp {
    w1: Tensor,
    b1: Tensor,
    w2: Tensor,
    b2: Tensor,
}
tree!(Mlp { w1, b1, w2, b2 });

/// The weights, Adam's two moments, and the number of steps so far.
type State = (Mlp, Mlp, Mlp, Tensor);

fn start() -> State {
    let weights = |seed, n: usize, m| random::normal(random::key(seed), [n, m], DType::F32) * (2.0 / n as f64).sqrt();
    let (b1, b2) = (zeros([256], DType::F32), zeros([10], DType::F32));
    let mlp = Mlp { w1: weights(1, 64, 256), b1, w2: weights(2, 256, 10), b2 };
    let nothing = tree_map(&mlp, |w| w * 0.0);
    (mlp, nothing.clone(), nothing, scalar(0f32))
}

fn logits(mlp: &Mlp, x: &Tensor) -> Tensor {
    (x.dot(&mlp.w1) + &mlp.b1).maximum(0.0).dot(&mlp.w2) + &mlp.b2
}

/// The mean cross-entropy of `[n, 64]` images and their labels `[n]`.
fn loss(mlp: &Mlp, x: &Tensor, labels: &Tensor) -> Tensor {
    -(logits(mlp, x).log_softmax(1) * labels.one_hot(10, DType::F32)).sum_axes([1]).mean()
}

/// One step of Adam, with a learning rate of 0.004.
fn step((mlp, m, v, t): State, x: &Tensor, labels: &Tensor) -> (State, Tensor) {
    let (value, g) = value_and_grad(|mlp: Mlp| loss(&mlp, x, labels))(mlp.clone());
    let t = t + 1.0;
    let (mlp, m, v) = Adam::default().step(&scalar(4e-3f32), &t, (&mlp, &m, &v), &g);
    ((mlp, m, v, t), value)
}

/// All of the training: the mean loss of every epoch, and the share of the held-out digits that is read right after it.
fn train((images, labels): (Tensor, Tensor)) -> (Tensor, Tensor) {
    // The file is ordered by writer: shuffled, so that every writer is learned from and judged by.
    let order = random::permutation(random::key(3), 1797);
    let (images, labels) = ((images.convert(DType::F32) / 16.0).take(&order, 0), labels.take(&order, 0));
    let (x, y) = (images.slice(0, 0, TRAIN), labels.slice(0, 0, TRAIN));
    let (held_x, held_y) = (images.slice(0, TRAIN, 1797), labels.slice(0, TRAIN, 1797));
    let epoch = |state, epoch: Tensor| {
        let order = random::permutation(random::fold_in(random::key(4), &epoch), TRAIN);
        let batches = order.slice(0, 0, TRAIN / BATCH * BATCH).reshape([TRAIN / BATCH, BATCH]);
        let (state, losses) = scan(state, batches, |state, rows| step(state, &x.take(&rows, 0), &y.take(&rows, 0)));
        let right = logits(&state.0, &held_x).argmax(1).eq(&held_y).convert(DType::F32).mean();
        (state, (losses.mean(), right))
    };
    scan(start(), iota([20], 0, DType::U32), epoch).1
}

fn main() -> tandem::Result<()> {
    let images = FileRef::parse(&format!("{DATA}:images"))?.read()?;
    let labels = FileRef::parse(&format!("{DATA}:labels"))?.read()?;
    let train = jit(train);
    if let Some(file) = std::env::args().nth(1) {
        let module = train.lower((&images, &labels))?.stablehlo();
        std::fs::write(&file, module).map_err(|e| tandem::Error::Host(format!("{file}: {e}")))?;
    }
    let (losses, right): (Vec<f32>, Vec<f32>) = train.call((&images, &labels))?;
    for (epoch, (loss, right)) in losses.iter().zip(&right).enumerate() {
        println!("epoch {:2}  loss {loss:.4}  held-out accuracy {:.2} %", epoch + 1, 100.0 * right);
    }
    Ok(())
}
