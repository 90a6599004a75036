//! The mean Gram matrix of a section's Jacobian, without an array that holds the Jacobian of all samples.
//!
//! Reverse mode takes a row of the Jacobian for every sample of a batch per pass: d' positions' passes, or as many as there
//! are random sources, with one array of activations' size alive. Forward mode takes a column per pass, d positions of them;
//! the columns of one input position meet in a product, so they are alive together: batch positions' d' d numbers. The mode
//! with fewer passes is taken, reverse mode of equals ([`forward_is_cheaper`]).

use tandem_compile::{DType, Tensor, fori_loop, iota, linearize, map, number, random, vjp, zeros};

use super::Sources;
use super::moments::Batches;
use super::section::{per_sample, positions, rows};

/// Whether the Jacobian from `inputs` to `outputs` numbers (or random combinations of these) takes fewer passes by columns
/// than by rows.
pub fn forward_is_cheaper(inputs: usize, outputs: usize) -> bool {
    inputs < outputs
}

impl Sources {
    /// The passes of reverse mode for outputs of so many positions and coordinates.
    pub fn passes(&self, positions: usize, coordinates: usize) -> usize {
        self.positions.unwrap_or(positions) * self.coordinates.unwrap_or(coordinates)
    }

    /// By what the sum over the sources is divided.
    fn count(&self) -> f64 {
        (self.positions.unwrap_or(1) * self.coordinates.unwrap_or(1)) as f64
    }

    /// The `pass`-th cotangent of outputs `[batch, positions, coordinates]` of batch number `at`.
    fn cotangent(&self, pass: &Tensor, at: &Tensor, [b, t, r]: [usize; 3], dtype: DType) -> Tensor {
        let count = number(self.coordinates.unwrap_or(r) as f64, DType::I32);
        let (position, coordinate) = (pass / &count, pass % &count);
        let part = |random: bool, which: &Tensor, size: usize, stream: u64| match random {
            true => {
                let key = random::fold_in(random::fold_in(random::key(self.seed ^ stream << 32), at), which);
                random::uniform(key, [b, size], dtype).lt(0.5).select(number(-1.0, dtype), 1.0)
            }
            false => iota([1, size], 1, DType::I32).eq(which).convert(dtype).broadcast_to([b, size]),
        };
        let over = part(self.positions.is_some(), &position, t, 1);
        let within = part(self.coordinates.is_some(), &coordinate, r, 2);
        over.reshape([b, t, 1]) * within.reshape([b, 1, r])
    }
}

/// M = E[(J B')'(J B')], `[n, n]`: of the mean over samples and input positions, summed over output positions.
///
/// `activations` makes the layer's activations of a batch of inputs, `section` maps them to the next layer's coordinates,
/// and `b` is `[n, d]`, the directions in which the section is differentiated, as rows.
#[track_caller]
pub(super) fn mean_gram(
    batches: &Batches,
    activations: impl Fn(Tensor) -> Tensor,
    section: impl Fn(&Tensor) -> Tensor,
    b: &Tensor,
    sources: &Sources,
) -> Tensor {
    let n = b.dim(0);
    let mut places = 1;
    let sum = batches.fold(zeros([n, n], b.dtype()), |sum, at, x, weight| {
        let f = activations(x);
        let (s, d) = positions(&f);
        places = s;
        // What it gives is traced for its shape and left out of the program.
        let (t, r) = positions(&section(&f));
        let passes = sources.passes(t, r);
        match forward_is_cheaper(s * d, passes) {
            true => sum + by_columns(&f, &section, b, &weight),
            false => sum + by_rows(&f, &section, b, &weight, &at, passes, sources),
        }
    });
    sum / (batches.samples * places) as f64
}

/// The sum over a batch, row by row of the Jacobian.
fn by_rows(
    f: &Tensor,
    section: impl Fn(&Tensor) -> Tensor,
    b: &Tensor,
    weight: &Tensor,
    at: &Tensor,
    passes: usize,
    sources: &Sources,
) -> Tensor {
    let n = b.dim(0);
    let (y, back) = vjp(|f: Tensor| section(&f), f.clone());
    let (t, r) = positions(&y);
    let shape = [f.dim(0), t, r];
    let sum = fori_loop(0, passes as i32, zeros([n, n], f.dtype()), |pass, sum| {
        let source = sources.cotangent(&pass, at, shape, f.dtype()) * per_sample(weight, 3);
        let turned = rows(&back(source.reshape(y.shape()))).contract(b, 1, 1);
        sum + turned.contract(&turned, 0, 0)
    });
    sum / sources.count()
}

/// The sum over a batch, column by column, for one input position after the other.
fn by_columns(f: &Tensor, section: impl Fn(&Tensor) -> Tensor, b: &Tensor, weight: &Tensor) -> Tensor {
    let n = b.dim(0);
    let (s, d) = positions(f);
    let (_, forward) = linearize(|f: Tensor| section(&f), f.clone());
    fori_loop(0, s as i32, zeros([n, n], f.dtype()), |at, sum| {
        let here = iota([1, s, 1], 1, DType::I32).eq(&at).convert(f.dtype()) * per_sample(weight, 3);
        let columns = map(b.clone(), |direction: Tensor| {
            let tangent = &here * direction.reshape([1, 1, d]);
            forward(tangent.reshape(f.shape())).flatten()
        });
        sum + columns.contract(&columns, 1, 1)
    })
}
