//! Learning thresholds and steps layer by layer, on random problems drawn on the device.

use tandem_compile::{DType, Tensor, concatenate, full, iota, number, random, scan, tree, value_and_grad, zeros};

use super::graph::{Factors, Weights, layer, unrolled};
use super::{Lrpca, Parameters};

/// How parameters are learned; a builder.
///
/// Layer after layer, the start being the first: a new layer gets `shrink` times the threshold before it and the step
/// `eta`, is trained alone for some steps, and then together with all layers before it. A step draws a new problem and goes
/// down the gradient of |X_T - X*|, the Frobenius norm, of the layers that there are: a threshold by the factor
/// 1 - `zeta_rate` times its slope (one that would become negative stays as it is), a step by `eta_rate` times its
/// slope.
///
/// A problem: X* = U V' with U `[m, r]` and V `[n, r]` of independent normal numbers over (m n)^{1/4}, and at every place,
/// with probability `share`, an outlier that is uniform between -1 and 1 times the mean of |X*|. (The published training
/// code draws V with the number of rows of U; it runs on square matrices alone.)
///
/// The same seed gives the same bits on one device with one number of threads.
///
/// ```
/// use tandem_algos::rpca::lrpca::Trainer;
///
/// let trainer = Trainer::new([200, 100], 3, 8);
/// trainer.check()?;
/// // Each of the 9 thresholds has its stages, of 500 and 1000 steps, later 500.
/// assert_eq!(trainer.stages().len(), 18);
/// assert_eq!(trainer.stages().iter().map(|stage| stage.steps).sum::<usize>(), 9 * 500 + 7 * 1000 + 2 * 500);
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Trainer {
    /// The shape of the problems, `[m, n]`.
    pub shape: [usize; 2],
    /// Their rank, and that of the factors.
    pub rank: usize,
    /// The number of layers after the start, T.
    pub layers: usize,
    /// The probability of an outlier.
    pub share: f64,
    /// The steps of a new layer alone.
    pub alone: usize,
    /// The steps of all layers together, up to layer [`Trainer::EARLY`].
    pub together: usize,
    /// The same for later layers.
    pub later: usize,
    /// The start's threshold at first.
    pub zeta: f64,
    /// A new layer's step.
    pub eta: f64,
    /// A new layer's threshold, relative to that of the layer before it.
    pub shrink: f64,
    /// The learning rate of thresholds, relative to each.
    pub zeta_rate: f64,
    /// The learning rate of steps.
    pub eta_rate: f64,
    /// What problems are drawn from.
    pub seed: u64,
}

/// A part of a training: so many steps, of the last layer alone or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// The number of layers that there are.
    pub layers: usize,
    /// Whether the last one is trained alone.
    pub alone: bool,
    /// How many steps.
    pub steps: usize,
}

/// A random problem.
#[derive(Debug, Clone)]
pub struct Problem {
    /// M = X* + S*, `[m, n]`.
    pub m: Tensor,
    /// X*, `[m, n]`.
    pub low: Tensor,
}
tree!(Problem { m, low });

impl Trainer {
    /// Up to this layer all layers are trained together for longer.
    pub const EARLY: usize = 6;

    /// The published schedule for `[m, n]` problems of rank `rank` with a tenth of outliers, seed 0. The first threshold,
    /// 0.001 for a `[1000, 1000]` of rank 5, is carried over to the size, and so is the learning rate of thresholds, whose
    /// slopes grow with the size.
    pub fn new(shape: [usize; 2], rank: usize, layers: usize) -> Self {
        let size = (shape[0] as f64 * shape[1] as f64).sqrt();
        Self {
            shape,
            rank,
            layers,
            share: 0.1,
            alone: 500,
            together: 1000,
            later: 500,
            zeta: 1e-3 * (1000.0 / size) * (rank as f64 / 5.0),
            eta: 0.5,
            shrink: 0.1,
            zeta_rate: 0.2 / size,
            eta_rate: 0.1,
            seed: 0,
        }
    }

    /// Sets the probability of an outlier.
    pub fn share(self, share: f64) -> Self {
        Self { share, ..self }
    }

    /// Sets the steps of a layer alone and those of all together, for early and for later layers.
    pub fn steps(self, alone: usize, together: usize, later: usize) -> Self {
        Self { alone, together, later, ..self }
    }

    /// Sets the learning rates, of thresholds relative to each.
    pub fn rates(self, zeta_rate: f64, eta_rate: f64) -> Self {
        Self { zeta_rate, eta_rate, ..self }
    }

    /// Sets the seed.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Checks the parameters.
    ///
    /// # Errors
    /// What is out of range, and what the range is, in one line.
    pub fn check(&self) -> Result<(), String> {
        Lrpca::new(self.rank).check(&self.shape)?;
        if !(0.0..=1.0).contains(&self.share) {
            return Err(format!("share = {}: the probability of an outlier is from 0 to 1", self.share));
        }
        let numbers = [
            ("zeta", self.zeta),
            ("eta", self.eta),
            ("shrink", self.shrink),
            ("zeta_rate", self.zeta_rate),
            ("eta_rate", self.eta_rate),
        ];
        if let Some((name, value)) = numbers.into_iter().find(|(_, value)| !(*value >= 0.0 && value.is_finite())) {
            return Err(format!("{name} = {value}: a number from 0 on is expected"));
        }
        let longest = self.alone.max(self.together).max(self.later);
        match longest.saturating_mul(2).saturating_mul(self.layers.saturating_add(1)) <= i32::MAX as usize {
            true => Ok(()),
            false => Err(format!("the training has more than {} steps; ask for fewer", i32::MAX)),
        }
    }

    /// The stages in their order: for every layer, the start being layer 0, alone and together.
    pub fn stages(&self) -> Vec<Stage> {
        let of = |layers: usize| {
            let together = if layers > Self::EARLY { self.later } else { self.together };
            [Stage { layers, alone: true, steps: self.alone }, Stage { layers, alone: false, steps: together }]
        };
        (0..=self.layers).flat_map(of).collect()
    }

    /// Traces the problem of a key.
    #[track_caller]
    pub fn problem(&self, key: &Tensor, dtype: DType) -> Problem {
        let [m, n] = self.shape;
        let unit = (m as f64 * n as f64).sqrt().sqrt();
        let keys = random::split(key, 4);
        let key = |i: i64| keys.at_index(0, i);
        let normal = |i: i64, rows: usize| random::normal(key(i), [rows, self.rank], dtype) / unit;
        let low = normal(0, m).contract(&normal(1, n), 1, 1);
        let hit = random::uniform(key(2), [m, n], dtype).lt(self.share);
        let values = (random::uniform(key(3), [m, n], dtype) * 2.0 - 1.0) * low.abs().mean();
        Problem { m: &low + hit.select(values, 0.0), low }
    }

    /// The weights before the first stage: the start's threshold alone.
    #[track_caller]
    pub fn start(&self, dtype: DType) -> Weights {
        Weights { zeta: full([1], self.zeta, dtype), eta: zeros([0], dtype) }
    }

    /// The weights with one more layer.
    #[track_caller]
    pub fn grown(&self, weights: &Weights) -> Weights {
        let zeta = weights.zeta.at_index(0, -1).reshape([1]) * self.shrink;
        let eta = full([1], self.eta, zeta.dtype());
        Weights { zeta: concatenate(&[&weights.zeta, &zeta], 0), eta: concatenate(&[&weights.eta, &eta], 0) }
    }

    /// Traces a stage: the weights after it, and the loss before every step, `[steps]`. `taken` (i32, `[]`) counts the steps of the
    /// stages before it; with the seed it says which problems are drawn. `weights` has the stage's number of layers.
    #[track_caller]
    pub fn stage(&self, stage: Stage, weights: Weights, taken: &Tensor) -> (Weights, Tensor) {
        let dtype = weights.zeta.dtype();
        if stage.steps == 0 {
            return (weights, zeros([0], dtype));
        }
        scan(weights, iota([stage.steps], 0, DType::I32), |weights, step| {
            let problem = self.problem(&random::fold_in(random::key(self.seed), &(step + taken)), dtype);
            match stage.alone {
                true => self.step_of_the_last(&problem, weights),
                false => self.step_of_all(&problem, weights),
            }
        })
    }

    fn step_of_all(&self, problem: &Problem, weights: Weights) -> (Weights, Tensor) {
        let loss = |weights: Weights| distance(&unrolled(&problem.m, self.rank, &weights), problem);
        let (loss, slope) = value_and_grad(loss)(weights.clone());
        (Weights { zeta: self.threshold(&weights.zeta, &slope.zeta), eta: self.step(&weights.eta, &slope.eta) }, loss)
    }

    /// The layers before the last one are not differentiated.
    fn step_of_the_last(&self, problem: &Problem, weights: Weights) -> (Weights, Tensor) {
        let count = weights.layers();
        let last = weights.zeta.at_index(0, -1);
        if count == 0 {
            return self.step_of_all(problem, weights);
        }
        let before = Weights { zeta: weights.zeta.slice(0, 0, count), eta: weights.eta.slice(0, 0, count - 1) };
        let factors = unrolled(&problem.m, self.rank, &before);
        let loss = |(zeta, eta): (Tensor, Tensor)| distance(&layer(&problem.m, &factors, &zeta, &eta), problem);
        let step = weights.eta.at_index(0, -1);
        let (loss, (by_zeta, by_eta)) = value_and_grad(loss)((last.clone(), step.clone()));
        let (last, step) = (self.threshold(&last, &by_zeta), self.step(&step, &by_eta));
        let weights = Weights {
            zeta: concatenate(&[&before.zeta, &last.reshape([1])], 0),
            eta: concatenate(&[&before.eta, &step.reshape([1])], 0),
        };
        (weights, loss)
    }

    /// A slope that is not finite, of a problem whose start has no derivative, counts for nothing.
    fn threshold(&self, zeta: &Tensor, slope: &Tensor) -> Tensor {
        let factor = 1.0 - slope * self.zeta_rate;
        (factor.gt(0.0) & factor.is_finite()).select(zeta * factor, zeta)
    }

    fn step(&self, eta: &Tensor, slope: &Tensor) -> Tensor {
        slope.is_finite().select(eta - slope * self.eta_rate, eta)
    }

    /// The learned weights as parameters that carry over to other sizes.
    pub fn parameters(&self, zeta: Vec<f64>, eta: Vec<f64>) -> Parameters {
        let size = (self.shape[0] as f64 * self.shape[1] as f64).sqrt();
        Parameters { zeta, eta, size, rank: self.rank }
    }
}

/// |L R' - X*|.
fn distance(factors: &Factors, problem: &Problem) -> Tensor {
    let square = (factors.left.contract(&factors.right, 1, 1) - &problem.low).square().sum();
    // Of the root of zero there is no derivative.
    square.gt(0.0).select(&square, number(1.0, square.dtype())).sqrt() * square.gt(0.0).convert(square.dtype())
}
