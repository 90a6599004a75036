//! How a network is trained: an epoch is one program, its minibatches a `scan` on the device.

use tandem_compile::random::{self, fold_in, permutation, split, uniform};
use tandem_compile::{DType, Tensor, Tree, fori_loop, number, scalar, scan, tree_map, vjp, zeros};
use tandem_linalg::scale::max_abs;
use tandem_verify::status::Status;

use super::{Network, loss};
use crate::Adam;
use crate::rpca::clips::Clips;

/// The power by which the learning rate falls.
const FALL: f64 = 0.9;

/// What is drawn from which key.
#[derive(Clone, Copy)]
enum Draw {
    Start,
    Order,
    Crop,
    Clips,
}

/// How a network is trained; a builder.
///
/// Minimised is [`loss`] over shuffled minibatches by [`Adam`] with the rate `lr (1 - step / steps)^0.9`. The running
/// moments follow the batches. The authors train 800 epochs (400 and 200 on other data) of minibatches of 8 with a rate of 1e-4; the
/// defaults here are those of small networks on small frames.
///
/// Everything follows from the seed: two trainings give the same bits, and one that goes on from an earlier one's [`State`]
/// gives those of one that was never interrupted.
#[derive(Debug, Clone, PartialEq)]
pub struct Trainer {
    /// The number of passes over the data.
    pub epochs: usize,
    /// The epochs over which the rate falls to 0, where they are more than `epochs`: a training that will go on later falls as
    /// if it had been in one piece.
    pub schedule: usize,
    /// The frames per step; all of them where there are fewer.
    pub batch: usize,
    /// The learning rate of the first step.
    pub lr: f64,
    /// What start, order, crops and clips are drawn from.
    pub seed: u64,
    /// Rows and columns of the part of the frames that a step sees, at a place drawn for the step; `None` is the whole.
    pub crop: Option<[usize; 2]>,
}

impl Trainer {
    /// `epochs` passes, with the defaults: minibatches of 8, a rate of 0.001, seed 0, whole frames.
    pub fn new(epochs: usize) -> Self {
        Self { epochs, schedule: 0, batch: 8, lr: 1e-3, seed: 0, crop: None }
    }

    /// Sets the epochs over which the rate falls, where they are more than those of the training.
    pub fn schedule(self, schedule: usize) -> Self {
        Self { schedule, ..self }
    }

    /// Sets the frames per step.
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

    /// Sets what a step sees of the frames.
    pub fn crop(self, height: usize, width: usize) -> Self {
        Self { crop: Some([height, width]), ..self }
    }

    /// Checks the parameters against frames of shape `[n, h, w]`.
    ///
    /// # Errors
    /// What is out of range, and what the range is.
    pub fn check(&self, shape: &[usize]) -> Result<(), String> {
        let &[n, h, w] = shape else {
            return Err(format!("frames must be [n, h, w], got shape {shape:?}"));
        };
        if n == 0 || h == 0 || w == 0 {
            return Err(format!("there are no frames, their shape is {shape:?}; all sizes must be at least 1"));
        }
        if self.batch == 0 {
            return Err("batch = 0: a minibatch has at least 1 frame".into());
        }
        if !(self.lr > 0.0 && self.lr.is_finite()) {
            return Err(format!("lr = {}: the learning rate must be a number above 0", self.lr));
        }
        if let Some([ch, cw]) = self.crop.filter(|&[ch, cw]| ch == 0 || cw == 0 || ch > h || cw > w) {
            return Err(format!("a crop of {ch} x {cw}: it must be from 1 x 1 to the frames' {h} x {w}"));
        }
        let limit = i32::MAX as usize;
        let steps = self.epochs.max(self.schedule).saturating_mul(n / self.batch.min(n));
        for (name, value) in [("the number of frames", n), ("the number of steps", steps)] {
            if value > limit {
                return Err(format!("{name} is {value}; at most {limit} is supported"));
            }
        }
        Ok(())
    }
}

/// Where the frames come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// The same in every epoch.
    Given {
        /// The frames, `[n, h, w]`.
        frames: Tensor,
        /// Their masks, 0 or 1, `[n, h, w]`.
        masks: Tensor,
    },
    /// New clips for every epoch.
    Drawn {
        /// What draws them.
        clips: Clips,
        /// How many per epoch.
        count: usize,
        /// In which precision.
        dtype: DType,
    },
}

impl Source {
    /// The number of frames of an epoch.
    pub fn len(&self) -> usize {
        match self {
            Source::Given { frames, .. } => frames.dim(0),
            Source::Drawn { clips, count, .. } => count * clips.frames,
        }
    }

    /// Whether an epoch has no frames.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn dtype(&self) -> DType {
        match self {
            Source::Given { frames, .. } => frames.dtype(),
            Source::Drawn { dtype, .. } => *dtype,
        }
    }

    /// Whether all numbers are finite, bool.
    fn is_finite(&self) -> Tensor {
        match self {
            Source::Given { frames, masks } => max_abs(frames).is_finite() & max_abs(masks).is_finite(),
            Source::Drawn { .. } => scalar(true),
        }
    }

    /// Frames and masks of an epoch, `[n, h, w]`; `key` is that of the training's clips.
    fn draw(&self, key: &Tensor, epoch: &Tensor) -> (Tensor, Tensor) {
        match self {
            Source::Given { frames, masks } => (frames.clone(), masks.clone()),
            Source::Drawn { clips, count, dtype } => {
                let clip = clips.draw_many(fold_in(key, epoch), *count, *dtype);
                let flat = |x: &Tensor| x.reshape([count * clips.frames, clips.height, clips.width]);
                (flat(&clip.frames), flat(&clip.masks))
            }
        }
    }
}

/// A training under way.
#[derive(Debug, Clone)]
pub struct State<W, R> {
    /// What is learned.
    pub weights: W,
    /// The running moments.
    pub running: R,
    /// Adam's means of the gradients.
    pub m: W,
    /// Adam's means of their squares.
    pub v: W,
    /// Steps so far, i32.
    pub steps: Tensor,
    /// Epochs so far, i32.
    pub epoch: Tensor,
}

impl<W: Tree, R: Tree> Tree for State<W, R> {
    fn collect(&self, leaves: &mut Vec<Tensor>) {
        let State { weights, running, m, v, steps, epoch } = self;
        weights.collect(leaves);
        running.collect(leaves);
        [m, v].into_iter().for_each(|tree| tree.collect(leaves));
        leaves.extend([steps, epoch].map(Tensor::clone));
    }

    fn build(leaves: &mut dyn Iterator<Item = Tensor>) -> Option<Self> {
        let (weights, running) = Tree::build(leaves)?;
        let [m, v] = Tree::build(leaves)?;
        let [steps, epoch] = Tree::build(leaves)?;
        Some(State { weights, running, m, v, steps, epoch })
    }
}

/// The state of the training of a network.
pub type StateOf<N> = State<<N as Network>::Weights, <N as Network>::Running>;

/// The traced outputs of a training.
#[derive(Debug, Clone)]
pub struct Trained<W, R> {
    /// What was learned.
    pub weights: W,
    /// The running moments.
    pub running: R,
    /// The bits of [`Status`], i32.
    pub status: Tensor,
}

impl Trainer {
    /// Traces the state before the first epoch.
    #[track_caller]
    pub fn start<N: Network>(&self, net: &N, dtype: DType) -> StateOf<N> {
        let weights = net.init(self.key(Draw::Start), dtype);
        let nothing = tree_map(&weights, |w| zeros(w.shape(), w.dtype()));
        let zero = number(0.0, DType::I32);
        let (m, v) = (nothing.clone(), nothing);
        State { weights, running: net.moments(dtype), m, v, steps: zero.clone(), epoch: zero }
    }

    /// Traces one epoch: the next state, and the mean over the minibatches of their losses before each step.
    ///
    /// The `n mod batch` last frames of the epoch's order sit it out.
    #[track_caller]
    pub fn epoch<N: Network>(&self, net: &N, source: &Source, state: StateOf<N>) -> (StateOf<N>, Tensor) {
        let n = source.len();
        let batch = self.batch.min(n);
        let count = n / batch;
        let total = (self.epochs.max(self.schedule).max(1) * count) as f64;
        let epoch = &state.epoch + 1;
        let (frames, masks) = source.draw(&self.key(Draw::Clips), &epoch);
        let order = permutation(fold_in(self.key(Draw::Order), &epoch), n);
        let rows = order.slice(0, 0, count * batch).reshape([count, batch]);
        let crop = self.key(Draw::Crop);
        let (state, losses) = scan(State { epoch, ..state }, rows, |state: StateOf<N>, rows| {
            let corner = fold_in(&crop, &state.steps);
            let [frames, masks] = self.seen(&corner, [&frames, &masks].map(|x| x.take(&rows, 0)));
            let rate = (1.0 - state.steps.convert(frames.dtype()) / total).maximum(0.0).pow(FALL) * self.lr;
            self.step(net, &rate, &frames, &masks, state)
        });
        let nan = number(f64::NAN, losses.dtype());
        (state, source.is_finite().select(losses.mean(), nan))
    }

    /// Traces one step of Adam on a minibatch `[b, h, w]`, by the rate of that step: the next state, and the loss before it.
    #[track_caller]
    pub fn step<N: Network>(
        &self,
        net: &N,
        rate: &Tensor,
        frames: &Tensor,
        masks: &Tensor,
        state: StateOf<N>,
    ) -> (StateOf<N>, Tensor) {
        let State { weights, running, m, v, steps, epoch } = state;
        let [frames, masks] = [frames, masks].map(|x| x.expand_dims(1));
        let forward = |weights: N::Weights| {
            let (output, running) = net.train(&weights, &running, &frames);
            (loss(&output, &frames, &masks), running)
        };
        let ((loss, moved), back) = vjp(forward, weights.clone());
        let gradient = back((number(1.0, loss.dtype()), tree_map(&moved, |r| zeros(r.shape(), r.dtype()))));
        let steps = steps + 1;
        let (weights, m, v) = Adam::default().step(rate, &steps, (&weights, &m, &v), &gradient);
        (State { weights, running: moved, m, v, steps, epoch }, loss)
    }

    /// Traces the result of a state: NaN where the data hold NaN or infinity.
    #[track_caller]
    pub fn finish<N: Network>(&self, source: &Source, state: &StateOf<N>) -> Trained<N::Weights, N::Running> {
        let (mut leaves, finite) = (Vec::new(), source.is_finite());
        state.weights.collect(&mut leaves);
        let broken = leaves.iter().map(|w| !w.is_finite().all()).reduce(|a, b| a | b);
        let broken = broken.unwrap_or_else(|| scalar(false));
        let status = Status::traced(&finite, &[(Status::BREAKDOWN, &broken)]);
        let kept = |x: &Tensor| finite.select(x, f64::NAN);
        Trained { weights: tree_map(&state.weights, kept), running: tree_map(&state.running, kept), status }
    }

    /// Traces the whole training as one program: the result, and the loss of every epoch, `[epochs]`.
    #[track_caller]
    pub fn train<N: Network>(&self, net: &N, source: &Source) -> (Trained<N::Weights, N::Running>, Tensor) {
        let dtype = source.dtype();
        let mut last = (self.start(net, dtype), zeros([self.epochs], dtype));
        if self.epochs > 0 {
            last = fori_loop(0, self.epochs as i32, last, |i, (state, losses)| {
                let (state, loss) = self.epoch(net, source, state);
                (state, losses.dynamic_update_slice(&loss.reshape([1]), &[&i]))
            });
        }
        (self.finish::<N>(source, &last.0), last.1)
    }

    fn key(&self, draw: Draw) -> Tensor {
        split(random::key(self.seed), 4).at_index(0, draw as i64)
    }

    /// What a step sees of its frames and masks.
    fn seen(&self, key: &Tensor, both: [Tensor; 2]) -> [Tensor; 2] {
        let Some([height, width]) = self.crop else { return both };
        let (n, h, w) = (both[0].dim(0), both[0].dim(1), both[0].dim(2));
        let chance = uniform(key, [2], DType::F32);
        let corner = |which: i64, room: usize| {
            (chance.at_index(0, which) * (room + 1) as f64).convert(DType::I32).minimum(room as i32)
        };
        let (top, left) = (corner(0, h - height), corner(1, w - width));
        let zero = number(0.0, DType::I32);
        both.map(|x| x.dynamic_slice(&[&zero, &top, &left], [n, height, width]))
    }
}
