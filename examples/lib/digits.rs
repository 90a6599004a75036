//! An MLP that reads digits, 64 -> 100 -> 100 -> 10, in place of the paper's on CIFAR-10.

use tandem::algos::Adam;
use tandem::algos::interaction::{Basis, Lib, Mlp, accuracy, with_constant};
use tandem::files::FileRef;
use tandem::prelude::*;

use crate::report::{Measure, Report, measured, print};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/digits.npz");
const WIDTHS: [usize; 4] = [64, 100, 100, 10];
const TRAIN: usize = 1437;
const BATCH: usize = 64;
const EPOCHS: usize = 40;
const LAYERS: [&str; 4] = ["pixels", "first hidden layer", "second hidden layer", "output"];

/// Weights `[out, in]` and biases of three layers.
type Layers = [(Tensor, Tensor); 3];
type State = (Layers, Layers, Layers, Tensor);

fn start() -> State {
    let layer = |l: usize| {
        let shape = [WIDTHS[l + 1], WIDTHS[l]];
        let w = random::normal(random::key(l as u64 + 1), shape, DType::F32) * (2.0 / WIDTHS[l] as f64).sqrt();
        (w, zeros([WIDTHS[l + 1]], DType::F32))
    };
    let layers = [0, 1, 2].map(layer);
    let nothing = tree_map(&layers, |w| w * 0.0);
    (layers, nothing.clone(), nothing, number(0.0, DType::F32))
}

fn loss(layers: &Layers, x: &Tensor, labels: &Tensor) -> Tensor {
    let logits = Mlp::new(layers.to_vec()).output(x);
    -(logits.log_softmax(1) * labels.one_hot(10, DType::F32)).sum_axes([1]).mean()
}

/// A step of Adam with a rate of 0.002.
fn step((w, m, v, t): State, x: &Tensor, labels: &Tensor) -> State {
    let g = grad(|layers: Layers| loss(&layers, x, labels))(w.clone());
    let t = t + 1.0;
    let (w, m, v) = Adam::default().step(&number(2e-3, DType::F32), &t, (&w, &m, &v), &g);
    (w, m, v, t)
}

/// The trained layers, and the share of the digits that is read right: of those that were learned from and of the others.
fn train((images, labels): (Tensor, Tensor)) -> (Layers, Tensor, Tensor) {
    // The file is ordered by writer.
    let order = random::permutation(random::key(3), 1797);
    let (images, labels) = (images.take(&order, 0), labels.take(&order, 0));
    let (x, y) = (images.slice(0, 0, TRAIN), labels.slice(0, 0, TRAIN));
    let epoch = |at: Tensor, state: State| {
        let order = random::permutation(random::fold_in(random::key(4), &at), TRAIN);
        let batches = order.slice(0, 0, TRAIN / BATCH * BATCH).reshape([TRAIN / BATCH, BATCH]);
        scan(state, batches, |state, rows| (step(state, &x.take(&rows, 0), &y.take(&rows, 0)), ())).0
    };
    let layers = fori_loop(0, EPOCHS as i32, start(), epoch).0;
    let right = |x: &Tensor, y: &Tensor| Mlp::new(layers.to_vec()).output(x).argmax(1).eq(y).convert(DType::F32).mean();
    let held = right(&images.slice(0, TRAIN, 1797), &labels.slice(0, TRAIN, 1797));
    let known = right(&x, &y);
    (layers, known, held)
}

/// Trains, and compares the bases.
pub fn run() -> tandem::Result<()> {
    let images = FileRef::parse(&format!("{DATA}:images"))?.read()?.to_f64();
    let images = HostArray::from_fn([1797, 64], |at| images[at] as f32 / 16.0);
    let labels = FileRef::parse(&format!("{DATA}:labels"))?.read()?.cast(DType::I32)?;
    let mut weights: Vec<HostArray> = jit(train).call((&images, &labels))?;
    let right = weights.split_off(6);
    let percent = |array: &HostArray| 100.0 * array.to_f64()[0];
    println!(
        "digits, 64 -> 100 -> 100 -> 10: {:.2} % right, {:.2} % of unseen ones",
        percent(&right[0]),
        percent(&right[1])
    );
    let mut reports = Vec::new();
    for (name, basis) in [("LIB", Basis::Local), ("PCA", Basis::Pca), ("Jacobian", Basis::Jacobian)] {
        let lib = Lib::new().basis(basis).threshold(1e-12);
        let program = jit(move |(layers, (images, labels)): (Layers, (Tensor, Tensor))| {
            let layers = tree_map(&layers, |w| w.convert(DType::F64));
            let (x, labels) = (with_constant(&images.convert(DType::F64)), labels.convert(DType::F64));
            let measure = Measure { score: &accuracy, drops: &[1e-3], edges: true };
            measured(&lib, &Mlp::new(layers.to_vec()).sections(), &x, &labels, &measure)
        });
        let arguments: Vec<HostArray> = weights.iter().cloned().chain([images.clone(), labels.clone()]).collect();
        let results: Vec<HostArray> = program.call(&arguments[..])?;
        let report = Report::new(&results)?;
        report.draw(&format!("digits-{}", name.to_lowercase()), &LAYERS)?;
        reports.push((name, report));
    }
    print(&LAYERS, &reports);
    Ok(())
}
