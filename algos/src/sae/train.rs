//! The trainer that all SAEs share: an epoch is one program, its minibatches a `scan` on the device.

use tandem_compile::{DType, Tensor, Tree, fori_loop, number, ones, random, scan, tree_map2, vjp, zeros};
use tandem_linalg::scale::{max_abs, power_of_two, sum_of_squares};
use tandem_verify::status::Status;

use super::pursuit::unit_rows;
use crate::Adam;

/// A sparse autoencoder as something to be trained: a dictionary of p atoms, a bias, and what else it learns.
///
/// Samples come scaled: the root of the mean of their squared norms is in [1, 2).
pub trait Model {
    /// What is learned.
    type Weights: Tree + Clone;

    /// The number of atoms p.
    fn atoms(&self) -> usize;

    /// The weights to start from, for a dictionary `[p, d]` of unit rows and a bias `[d]`.
    fn start(&self, dictionary: Tensor, bias: Tensor) -> Self::Weights;

    /// The loss of a minibatch `[b, d]`, and how often it used each atom, i32 `[p]`.
    fn loss(&self, weights: &Self::Weights, x: &Tensor) -> (Tensor, Tensor);

    /// What the reconstruction of `[b, d]` leaves, `[b, d]`.
    fn residual(&self, weights: &Self::Weights, x: &Tensor) -> Tensor;

    /// The weights with the atoms that `which` (bool `[p, 1]`) marks replaced by those of `atoms` (`[p, d]`), and with
    /// what belongs to them as good as new. Adam's means are treated alike, with atoms of zeros.
    fn replaced(&self, weights: &Self::Weights, which: &Tensor, atoms: &Tensor) -> Self::Weights;

    /// The dictionary, rows of norm 1, and the bias.
    fn learned(&self, weights: &Self::Weights) -> (Tensor, Tensor);
}

/// How an SAE is trained; a builder.
///
/// Minimised is the model's loss over shuffled minibatches by Adam (decays 0.9 and 0.999, epsilon 1e-8) with a constant
/// rate. The data are scaled by a power of two meanwhile, so that the root of the mean of the squared norms is in [1, 2):
/// the rate means the same for any unit of the data, and scaling them by a power of two changes no bit of the dictionary.
///
/// The dictionary starts as normalised uniform numbers, the bias as the data's mean. Every epoch's order is
/// [`random::permutation`] of its own key; the `n mod batch` last samples of the order sit the epoch out.
///
/// **Revival**: an atom that no sample of an epoch used is dead. At the start of the next epoch the j-th dead atom becomes
/// the normalised residual of that sample of the first minibatch which has the j-th largest residual, with Adam's means
/// cleared; those beyond the minibatch's size wait. Nothing is revived after the last epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct Trainer {
    /// The number of passes over the data.
    pub epochs: usize,
    /// The samples per step; all of them where there are fewer.
    pub batch: usize,
    /// The learning rate.
    pub lr: f64,
    /// What start and orders are drawn from.
    pub seed: u64,
    /// Whether dead atoms are revived.
    pub revive: bool,
}

impl Trainer {
    /// `epochs` passes, with the defaults: minibatches of 64, a rate of 0.001, seed 0, revival.
    pub fn new(epochs: usize) -> Self {
        Self { epochs, batch: 64, lr: 1e-3, seed: 0, revive: true }
    }

    /// Sets the samples per step.
    pub fn batch(self, batch: usize) -> Self {
        Self { batch, ..self }
    }

    /// Sets the learning rate.
    pub fn lr(self, lr: f64) -> Self {
        Self { lr, ..self }
    }

    /// Sets the seed.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Sets whether dead atoms are revived.
    pub fn revive(self, revive: bool) -> Self {
        Self { revive, ..self }
    }

    /// Checks the parameters against data of shape `[n, d]`.
    ///
    /// # Errors
    /// What is out of range, and what the range is.
    pub fn check(&self, shape: &[usize]) -> Result<(), String> {
        let &[n, d] = shape else {
            return Err(format!("x must be a matrix [n, d] with samples in its rows, got shape {shape:?}"));
        };
        if n == 0 || d == 0 {
            return Err(format!("x is empty, its shape is [{n}, {d}]; both sizes must be at least 1"));
        }
        if self.batch == 0 {
            return Err("batch = 0: a minibatch has at least 1 sample".into());
        }
        if !(self.lr > 0.0 && self.lr.is_finite()) {
            return Err(format!("lr = {}: the learning rate must be a number above 0", self.lr));
        }
        let limit = i32::MAX as usize;
        let steps = self.epochs.saturating_mul(n / self.batch.min(n));
        for (name, value) in [("the number of samples", n), ("epochs", self.epochs), ("the number of steps", steps)] {
            if value > limit {
                return Err(format!("{name} is {value}; at most {limit} is supported"));
            }
        }
        Ok(())
    }
}

/// A training under way, in the units of the scaled data.
#[derive(Debug, Clone)]
pub struct State<W> {
    /// What is learned.
    pub weights: W,
    /// Adam's means of the gradients.
    pub m: W,
    /// Adam's means of their squares.
    pub v: W,
    /// Steps so far, i32.
    pub steps: Tensor,
    /// Epochs so far, i32.
    pub epoch: Tensor,
    /// How often the last epoch used each atom, i32 `[p]`; 1 before the first.
    pub uses: Tensor,
}

impl<W: Tree> Tree for State<W> {
    fn collect(&self, leaves: &mut Vec<Tensor>) {
        let State { weights, m, v, steps, epoch, uses } = self;
        [weights, m, v].into_iter().for_each(|tree| tree.collect(leaves));
        leaves.extend([steps, epoch, uses].map(Tensor::clone));
    }

    fn build(leaves: &mut dyn Iterator<Item = Tensor>) -> Option<Self> {
        let [weights, m, v] = Tree::build(leaves)?;
        let [steps, epoch, uses] = Tree::build(leaves)?;
        Some(State { weights, m, v, steps, epoch, uses })
    }
}

/// The traced outputs of a training.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The atoms, rows of norm 1, `[p, d]`.
    pub dictionary: Tensor,
    /// The bias, `[d]`.
    pub bias: Tensor,
    /// The bits of [`Status`], i32.
    pub status: Tensor,
}

impl Trainer {
    /// Traces the state before the first epoch, for data `x` (`[n, d]`, f32 or f64).
    #[track_caller]
    pub fn start<M: Model>(&self, model: &M, x: &Tensor) -> State<M::Weights> {
        let (n, d, p) = (x.dim(0), x.dim(1), model.atoms());
        let x = x / unit(x);
        let key = random::fold_in(random::key(self.seed), &number(0.0, DType::I32));
        let numbers = random::uniform(key, [p, d], x.dtype()) * 2.0 - 1.0;
        let weights = model.start(unit_rows(&numbers), x.sum_axes([0]) / n as f64);
        let nothing = tree_map2(&weights, &weights, |w, _| zeros(w.shape(), w.dtype()));
        let zero = number(0.0, DType::I32);
        State { m: nothing.clone(), v: nothing, weights, steps: zero.clone(), epoch: zero, uses: ones([p], DType::I32) }
    }

    /// Traces one epoch: the next state, and the mean over the minibatches of their losses before each step.
    #[track_caller]
    pub fn epoch<M: Model>(&self, model: &M, x: &Tensor, state: State<M::Weights>) -> (State<M::Weights>, Tensor) {
        let n = x.dim(0);
        let batch = self.batch.min(n);
        let count = n / batch;
        let (unit, finite) = (unit(x), max_abs(x).is_finite());
        let x = &(x / &unit);
        let order = random::permutation(random::fold_in(random::key(self.seed), &(&state.epoch + 1)), n);
        let rows = order.slice(0, 0, count * batch).reshape([count, batch]);
        let state = match self.revive {
            true => revived(model, &x.take(&rows.at_index(0, 0), 0), state),
            false => state,
        };
        let begun = State { uses: zeros([model.atoms()], DType::I32), epoch: state.epoch + 1, ..state };
        let (state, losses) = scan(begun, rows, |state, rows| self.step(model, &x.take(&rows, 0), state));
        let loss = losses.mean() * &unit * &unit;
        (state, finite.select(loss, number(f64::NAN, x.dtype())))
    }

    /// Traces the result of a state.
    #[track_caller]
    pub fn finish<M: Model>(&self, model: &M, x: &Tensor, state: &State<M::Weights>) -> Trained {
        let (dictionary, bias) = model.learned(&state.weights);
        let bias = bias * unit(x);
        let most = max_abs(x);
        let (finite, nan) = (most.is_finite(), number(f64::NAN, x.dtype()));
        let broken = !(dictionary.is_finite().all() & bias.is_finite().all());
        let status = Status::traced(&finite, &[(Status::DEGENERATE, &most.eq(0.0)), (Status::BREAKDOWN, &broken)]);
        Trained { dictionary: finite.select(dictionary, &nan), bias: finite.select(bias, &nan), status }
    }

    /// Traces the whole training as one program: the result, and the loss of every epoch, `[epochs]`.
    #[track_caller]
    pub fn train<M: Model>(&self, model: &M, x: &Tensor) -> (Trained, Tensor) {
        let losses = zeros([self.epochs], x.dtype());
        let mut last = (self.start(model, x), losses);
        if self.epochs > 0 {
            last = fori_loop(0, self.epochs as i32, last, |i, (state, losses)| {
                let (state, loss) = self.epoch(model, x, state);
                (state, losses.dynamic_update_slice(&loss.reshape([1]), &[&i]))
            });
        }
        (self.finish(model, x, &last.0), last.1)
    }

    fn step<M: Model>(&self, model: &M, x: &Tensor, state: State<M::Weights>) -> (State<M::Weights>, Tensor) {
        let State { weights, m, v, steps, epoch, uses } = state;
        let ((loss, now), back) = vjp(|weights: M::Weights| model.loss(&weights, x), weights.clone());
        let gradient = back((number(1.0, x.dtype()), zeros(now.shape(), now.dtype())));
        let steps = steps + 1;
        let (weights, m, v) = Adam::default().step(&number(self.lr, x.dtype()), &steps, (&weights, &m, &v), &gradient);
        (State { weights, m, v, steps, epoch, uses: uses + now }, loss)
    }
}

/// The power of two by which data are divided: the root of the mean of the squared norms of what is left is in [1, 2).
#[track_caller]
pub fn unit(x: &Tensor) -> Tensor {
    let most = power_of_two(&max_abs(x));
    let mean = sum_of_squares(&(x / &most)) / x.dim(0) as f64;
    most * power_of_two(&mean.sqrt())
}

/// Dead atoms replaced by what the samples `x` leave unexplained, the largest first.
fn revived<M: Model>(model: &M, x: &Tensor, state: State<M::Weights>) -> State<M::Weights> {
    let b = x.dim(0) as i32;
    let residual = model.residual(&state.weights, x);
    let sizes = residual.square().sum_axes([1]);
    let order = sizes.argsort(0, true);
    let dead = state.uses.eq(0);
    let rank = dead.convert(DType::I32).cumsum(0) - 1;
    let sample = order.take(&rank.clamp(0, b - 1), 0);
    let which = (dead & rank.lt(b) & sizes.take(&sample, 0).gt(0.0)).expand_dims(1);
    let atoms = unit_rows(&residual.take(&sample, 0));
    let nothing = zeros(atoms.shape(), atoms.dtype());
    State {
        weights: model.replaced(&state.weights, &which, &atoms),
        m: model.replaced(&state.m, &which, &nothing),
        v: model.replaced(&state.v, &which, &nothing),
        ..state
    }
}
