//! The training of the matching-pursuit SAE on faer, sample by sample: what [`Trainer`] says, from its words.

use faer::Mat;
use tandem_compile::HostArray;
use tandem_verify::status::Status;
use tandem_verify::{Decision, Outcome, Output, Real, Values};

use super::{
    dot, draw, gradient, largest, matrix, norm, normalised, power_of_two, pursue, row, row_major, through_norm,
};
use crate::sae::subject::TRAINED;
use crate::sae::{MpSae, Trainer};

/// A training under way, as [`State`](crate::sae::State) has it.
#[derive(Debug, Clone)]
pub struct State<R> {
    /// Dictionary (its rows are atoms of any norm) and bias, `[p + 1, d]`: the bias is the last row.
    pub weights: Mat<R>,
    /// Adam's means of the gradients.
    pub m: Mat<R>,
    /// Adam's means of their squares.
    pub v: Mat<R>,
    /// Steps so far.
    pub steps: i32,
    /// Epochs so far.
    pub epoch: i32,
    /// How often the last epoch used each atom.
    pub uses: Vec<i32>,
}

/// A training of an SAE on data.
pub struct Training<'a, R> {
    sae: &'a MpSae,
    trainer: &'a Trainer,
    /// The samples in units of `unit`, `[n, d]`.
    x: Mat<R>,
    unit: R,
    decisions: Vec<Decision>,
}

impl<'a, R: Real> Training<'a, R> {
    /// The training on `x` (`[n, d]`, all finite).
    pub fn new(sae: &'a MpSae, trainer: &'a Trainer, x: &HostArray) -> Self {
        let x = matrix::<R>(x);
        let most = power_of_two(largest(&row_major(&x)));
        let squares = (0..x.nrows()).map(|i| {
            let scaled: Vec<R> = row(&x, i).iter().map(|&x| x / most).collect();
            dot(&scaled, &scaled)
        });
        let mean = squares.fold(R::zero(), |sum, s| sum + s) / R::from_f64(x.nrows() as f64);
        let root = mean.sqrt();
        let own = power_of_two(root);
        let mantissa = (root / own).to_f64();
        // Beside a power of two, rounding decides which one the data are divided by.
        let margin = (mantissa - 1.0).min(2.0 - mantissa).max(0.0);
        let decisions = vec![Decision { kind: "unit", margin, choice: own.to_f64().to_bits() }];
        let unit = most * own;
        let x = Mat::from_fn(x.nrows(), x.ncols(), |i, j| x[(i, j)] / unit);
        Self { sae, trainer, x, unit, decisions }
    }

    /// The state before the first epoch.
    pub fn start(&self) -> State<R> {
        let (n, d, p) = (self.x.nrows(), self.x.ncols(), self.sae.atoms);
        let numbers = draw::uniform(draw::folded(draw::key(self.trainer.seed), 0), p * d);
        let raw = Mat::from_fn(p, d, |j, at| R::from_f64(2.0 * numbers[j * d + at] - 1.0));
        let (atoms, _) = normalised(&raw);
        let mean = |at: usize| (0..n).fold(R::zero(), |sum, i| sum + self.x[(i, at)]) / R::from_f64(n as f64);
        let weights = Mat::from_fn(p + 1, d, |j, at| if j < p { atoms[(j, at)] } else { mean(at) });
        let nothing = Mat::<R>::zeros(p + 1, d);
        State { weights, m: nothing.clone(), v: nothing, steps: 0, epoch: 0, uses: vec![1; p] }
    }

    /// One epoch; its loss.
    pub fn epoch(&mut self, state: &mut State<R>) -> R {
        let n = self.x.nrows();
        let batch = self.trainer.batch.min(n);
        let key = draw::folded(draw::key(self.trainer.seed), state.epoch as u32 + 1);
        let order = draw::permutation(key, n);
        let batches: Vec<&[usize]> = order.chunks_exact(batch).collect();
        if self.trainer.revive {
            self.revive(state, batches[0]);
        }
        state.uses.fill(0);
        state.epoch += 1;
        let mut sum = R::zero();
        for samples in &batches {
            sum = sum + self.step(state, samples);
        }
        sum / R::from_f64(batches.len() as f64) * self.unit * self.unit
    }

    /// What is left of a sample, and its pursuit.
    fn pursuit(&mut self, w: &Mat<R>, bias: &[R], sample: usize) -> (super::Pursuit<R>, R) {
        let signal: Vec<R> = row(&self.x, sample).iter().zip(bias).map(|(&x, &b)| x - b).collect();
        let unit = power_of_two(largest(&signal));
        let scaled = signal.iter().map(|&r| r / unit).collect();
        (pursue(self.sae, w, scaled, &mut self.decisions), unit)
    }

    /// One step of Adam; the loss before it.
    fn step(&mut self, state: &mut State<R>, samples: &[usize]) -> R {
        let (p, d) = (self.sae.atoms, self.x.ncols());
        let (w, norms) = atoms(&state.weights);
        let bias = row(&state.weights, p);
        let count = R::from_f64(samples.len() as f64);
        let mut by_atom = Mat::<R>::zeros(p, d);
        let mut slopes = Mat::<R>::zeros(p + 1, d);
        let mut loss = R::zero();
        for &sample in samples {
            let (pursuit, unit) = self.pursuit(&w, &bias, sample);
            pursuit.support.iter().for_each(|&j| state.uses[j] += 1);
            loss = loss + dot(pursuit.residual(), pursuit.residual()) * unit * unit / count;
            let signal = gradient(&w, &pursuit, R::from_f64(2.0) / count, unit * unit, &mut by_atom);
            for (at, &g) in signal.iter().enumerate() {
                slopes[(p, at)] = slopes[(p, at)] - g * unit;
            }
        }
        for j in 0..p {
            for (at, &g) in through_norm(&row(&w, j), &row(&by_atom, j), norms[j]).iter().enumerate() {
                slopes[(j, at)] = g;
            }
        }
        adam(self.trainer.lr, state, &slopes);
        loss
    }

    /// The j-th atom that the last epoch did not use becomes what is left of the sample with the j-th largest residual.
    fn revive(&mut self, state: &mut State<R>, samples: &[usize]) {
        let p = self.sae.atoms;
        let (w, _) = atoms(&state.weights);
        let bias = row(&state.weights, p);
        let mut left: Vec<(R, Vec<R>)> = Vec::new();
        // Where no atom is dead, what is left does not matter, and no selection is a decision.
        let dead: Vec<usize> = (0..p).filter(|&j| state.uses[j] == 0).collect();
        if dead.is_empty() {
            return;
        }
        for &sample in samples {
            let (pursuit, unit) = self.pursuit(&w, &bias, sample);
            let residual: Vec<R> = pursuit.residual().iter().map(|&r| r * unit).collect();
            left.push((dot(&residual, &residual), residual));
        }
        let mut order: Vec<usize> = (0..left.len()).collect();
        order.sort_by(|&i, &j| left[j].0.partial_cmp(&left[i].0).unwrap_or(std::cmp::Ordering::Equal));
        let most = left[order[0]].0;
        for (rank, (&j, &sample)) in dead.iter().zip(&order).enumerate() {
            let next = order.get(rank + 1).map_or(R::zero(), |&next| left[next].0);
            let margin = if most > R::zero() { ((left[sample].0 - next) / most).to_f64() } else { 1.0 };
            self.decisions.push(Decision { kind: "revival", margin, choice: sample as u64 });
            if !(left[sample].0 > R::zero()) {
                continue;
            }
            let (atom, _) = normalised(&Mat::from_fn(1, w.ncols(), |_, at| left[sample].1[at]));
            for at in 0..w.ncols() {
                state.weights[(j, at)] = atom[(0, at)];
                (state.m[(j, at)], state.v[(j, at)]) = (R::zero(), R::zero());
            }
        }
    }

    /// The unit atoms and the bias in units of the data, row-major.
    pub fn finish(&self, state: &State<R>) -> (Vec<R>, Vec<R>) {
        let (w, _) = atoms(&state.weights);
        let bias = row(&state.weights, self.sae.atoms).iter().map(|&b| b * self.unit).collect();
        (row_major(&w), bias)
    }
}

fn atoms<R: Real>(weights: &Mat<R>) -> (Mat<R>, Vec<Option<R>>) {
    normalised(&Mat::from_fn(weights.nrows() - 1, weights.ncols(), |j, at| weights[(j, at)]))
}

fn adam<R: Real>(lr: f64, state: &mut State<R>, g: &Mat<R>) {
    let real = R::from_f64;
    state.steps += 1;
    // The weights of the means are numbers of the schedule: f64 holds them well enough for any R.
    let weight = |beta: f64| real(-(f64::from(state.steps) * beta.ln()).exp_m1());
    let (first, second) = (weight(0.9), weight(0.999));
    for j in 0..g.nrows() {
        for at in 0..g.ncols() {
            let (g, m, v) = (g[(j, at)], state.m[(j, at)], state.v[(j, at)]);
            let m = m * real(0.9) + g * real(1.0 - 0.9);
            let v = v * real(0.999) + g * g * real(1.0 - 0.999);
            let change = m / first * real(lr) / ((v / second).sqrt() + real(1e-8));
            (state.m[(j, at)], state.v[(j, at)]) = (m, v);
            state.weights[(j, at)] = state.weights[(j, at)] - change;
        }
    }
}

/// The whole training: dictionary, bias and the loss of every epoch.
pub fn train<R: Real>(sae: &MpSae, trainer: &Trainer, x: &HostArray) -> Outcome<R> {
    let (p, d) = (sae.atoms, x.shape()[1]);
    let nan = |len: usize| vec![R::from_f64(f64::NAN); len];
    if x.first_nonfinite().is_some() {
        let parts = [nan(p * d), nan(d), nan(trainer.epochs)];
        return outcome((p, d), parts, Status::NONFINITE_INPUT, Vec::new(), 0.0);
    }
    let mut training = Training::<R>::new(sae, trainer, x);
    let mut state = training.start();
    let losses: Vec<R> = (0..trainer.epochs).map(|_| training.epoch(&mut state)).collect();
    let (dictionary, bias) = training.finish(&state);
    let status = status(x, &dictionary, &bias);
    let size = training.unit.to_f64()
        * (0..training.x.nrows()).map(|i| norm(&row(&training.x, i)).to_f64()).fold(0.0, f64::max);
    outcome((p, d), [dictionary, bias, losses], status, training.decisions, size)
}

/// The status of a training on finite data.
pub fn status<R: Real>(x: &HostArray, dictionary: &[R], bias: &[R]) -> Status {
    let sound = dictionary.iter().chain(bias).all(|x| x.to_f64().is_finite());
    let zero = x.to_f64().iter().all(|&x| x == 0.0);
    Status::default().with(Status::DEGENERATE, zero).with(Status::BREAKDOWN, !sound)
}

fn outcome<R>(
    (p, d): (usize, usize),
    [dictionary, bias, losses]: [Vec<R>; 3],
    status: Status,
    decisions: Vec<Decision>,
    size: f64,
) -> Outcome<R> {
    let shapes = [vec![p, d], vec![d], vec![losses.len()]];
    let scales = [1.0, size, size * size];
    let outputs = TRAINED
        .iter()
        .zip([dictionary, bias, losses])
        .zip(shapes.into_iter().zip(scales))
        .map(|((&name, values), (shape, scale))| Output {
            name,
            shape,
            values: Values::Real(values),
            scale,
            free: false,
        })
        .collect();
    Outcome { outputs, status: status.0, decisions }
}
