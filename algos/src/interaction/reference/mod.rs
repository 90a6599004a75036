//! The local interaction basis of a ReLU network on faer, sample by sample, every Jacobian written out.
//!
//! A layer's affine map is one matrix of a further row and column for the constant. At a sample its Jacobian is that matrix
//! with the rows of idle units zeroed.

mod basis;
mod network;
mod paths;

use faer::Mat;
use tandem_compile::HostArray;
use tandem_verify::status::Status;
use tandem_verify::{Decision, Outcome, Output, Real, Values};

use super::Lib;
use super::subject::names;
use basis::Basis;
use network::Network;

/// The basis of the network with these weights and biases (`[out, in]`, `[out]`, ...) for inputs `x` (`[n, in]`), with
/// decisions made as in arithmetic of unit roundoff `u`. The parameters and shapes must have passed their checks.
/// Of the local interaction basis over every row, the output as it is: `basis`, `sources` and `rotate_output` are not read.
pub fn interaction<R: Real>(lib: &Lib, inputs: &[HostArray], u: f64) -> Outcome<R> {
    interaction_of(lib, inputs, true, u)
}

/// [`interaction`] of a network that is `rectified`, or else linear.
pub fn interaction_of<R: Real>(lib: &Lib, inputs: &[HostArray], rectified: bool, u: f64) -> Outcome<R> {
    let layers = (inputs.len() - 1) / 2;
    if inputs.iter().any(|input| input.first_nonfinite().is_some()) {
        return poisoned(inputs, layers);
    }
    let mut decisions = Vec::new();
    let network = Network::<R>::new(inputs, rectified);
    let node_layers = network.activations(&matrix(&inputs[0]), &mut decisions);
    let mut bases: Vec<Basis<R>> = Vec::new();
    for l in (0..layers).rev() {
        let next = bases.last().map(|next| &next.c);
        let basis = Basis::new(lib, &network, l, &node_layers[l], next, u, &mut decisions);
        bases.push(basis);
    }
    bases.reverse();
    let edges: Vec<Mat<R>> = (0..layers)
        .map(|l| paths::edges(lib, &network, l, &node_layers[l], &bases[l], bases.get(l + 1), &mut decisions))
        .collect();
    finished(lib, bases, edges, decisions)
}

fn finished<R: Real>(lib: &Lib, bases: Vec<Basis<R>>, edges: Vec<Mat<R>>, decisions: Vec<Decision>) -> Outcome<R> {
    let only_constant = bases.iter().any(|basis| basis.rank <= usize::from(lib.center));
    let conditions: Vec<f64> = bases.iter().map(|basis| basis.condition).chain([1.0]).collect();
    let mut values = Vec::new();
    for (l, (basis, edges)) in bases.iter().zip(&edges).enumerate() {
        let most = row_major(edges).iter().fold(0.0, |most: f64, e| most.max(e.to_f64()));
        // Eigenvectors turn by so much more than eigenvalues move; edges turn with those of both layers.
        let scale = most * conditions[l].max(conditions[l + 1]);
        values.extend([
            Given::free(&basis.c),
            Given::free(&basis.c_plus),
            Given {
                shape: vec![basis.lambda.len()],
                values: Values::Real(basis.lambda.clone()),
                scale: 0.0,
                free: false,
            },
            Given { scale, free: false, ..Given::free(edges) },
            Given { shape: vec![], values: Values::Index(vec![basis.rank as i32]), scale: 0.0, free: false },
        ]);
    }
    let finite = values.iter().all(|given| match &given.values {
        Values::Real(values) => values.iter().all(|x| x.to_f64().is_finite()),
        Values::Index(_) => true,
    });
    let status = Status::default().with(Status::DEGENERATE, only_constant).with(Status::BREAKDOWN, !finite);
    outcome(values, status, decisions)
}

/// An output without its name.
struct Given<R> {
    shape: Vec<usize>,
    values: Values<R>,
    scale: f64,
    free: bool,
}

impl<R: Real> Given<R> {
    /// A basis is defined up to signs, and within equal eigenvalues up to a rotation.
    fn free(m: &Mat<R>) -> Self {
        Self { shape: vec![m.nrows(), m.ncols()], values: Values::Real(row_major(m)), scale: 0.0, free: true }
    }
}

fn poisoned<R: Real>(inputs: &[HostArray], layers: usize) -> Outcome<R> {
    let nan = |rows: usize, cols: usize| {
        let values = Values::Real(vec![R::from_f64(f64::NAN); rows * cols]);
        Given { shape: vec![rows, cols], values, scale: 0.0, free: false }
    };
    let mut values = Vec::new();
    for l in 0..layers {
        let width = inputs[1 + 2 * l].shape()[1] + 1;
        let next = inputs[1 + 2 * l].shape()[0] + usize::from(l + 1 < layers);
        let lambda = Given { shape: vec![width], ..nan(width, 1) };
        let rank = Given { shape: vec![], values: Values::Index(vec![0]), scale: 0.0, free: false };
        values.extend([nan(width, width), nan(width, width), lambda, nan(next, width), rank]);
    }
    outcome(values, Status::NONFINITE_INPUT, Vec::new())
}

fn outcome<R>(values: Vec<Given<R>>, status: Status, decisions: Vec<Decision>) -> Outcome<R> {
    let named = names(values.len() / 5).iter().zip(values);
    let outputs =
        named.map(|(&name, Given { shape, values, scale, free })| Output { name, shape, values, scale, free });
    Outcome { outputs: outputs.collect(), status: status.0, decisions }
}

/// A quantity against a bound, both on the scale of `scale`: whether it is larger, and how clearly.
fn exceeds<R: Real>(kind: &'static str, quantity: R, bound: R, scale: R, decisions: &mut Vec<Decision>) -> bool {
    let choice = quantity > bound;
    // Of nothing but zeros nothing is in doubt.
    let margin = if scale > R::zero() { ((quantity - bound).abs() / scale).to_f64() } else { 1.0 };
    decisions.push(Decision { kind, margin, choice: u64::from(choice) });
    choice
}

fn matrix<R: Real>(a: &HostArray) -> Mat<R> {
    let (values, cols) = (a.to_f64(), a.shape()[1]);
    Mat::from_fn(a.shape()[0], cols, |i, j| R::from_f64(values[i * cols + j]))
}

fn row_major<R: Real>(m: &Mat<R>) -> Vec<R> {
    (0..m.nrows()).flat_map(|i| (0..m.ncols()).map(move |j| m[(i, j)])).collect()
}
