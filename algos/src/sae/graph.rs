//! The matching-pursuit SAE as traced programs: encoding, loss and gradient.

use tandem_compile::{DType, Tensor, fori_loop, iota, number, scalar, stop_gradient, tree, vjp, zeros};
use tandem_linalg::scale::{max_abs, power_of_two};
use tandem_verify::status::Status;

use super::pursuit::{Steps, pursue, unit_rows};
use super::{Model, MpSae};

/// What is learned.
#[derive(Debug, Clone)]
pub struct Weights {
    /// The atoms before they are normalised, `[p, d]`.
    pub dictionary: Tensor,
    /// The bias, `[d]`.
    pub bias: Tensor,
}
tree!(Weights { dictionary, bias });

/// The traced outputs of [`MpSae::encode`].
#[derive(Debug, Clone)]
pub struct Encoded {
    /// The coefficient of every step, `[b, k]`; 0 after a pursuit has stopped.
    pub values: Tensor,
    /// The atom of every step, i32 `[b, k]`; -1 after a pursuit has stopped. An atom may stand there repeatedly.
    pub support: Tensor,
    /// The bias and the sum of the atoms by their coefficients, `[b, d]`.
    pub reconstruction: Tensor,
    /// The bits of [`Status`], i32.
    pub status: Tensor,
}

impl Encoded {
    /// The codes as an array `[b, atoms]`: coefficients of one atom are added up.
    ///
    /// Made step by step: no more than `[b, atoms]` numbers exist at once.
    #[track_caller]
    pub fn codes(&self, atoms: usize) -> Tensor {
        let (b, k) = (self.values.dim(0), self.values.dim(1));
        let none = zeros([b, atoms], self.values.dtype());
        if k == 0 {
            return none;
        }
        let position = iota([b, atoms], 1, DType::I32);
        let codes = fori_loop(0, k as i32, none, |t, codes| {
            let chosen = position.eq(self.support.index(1, &t).expand_dims(1));
            codes + chosen.select(self.values.index(1, &t).expand_dims(1), 0.0)
        });
        // A poisoned row names no atom.
        let poisoned = self.values.is_nan().any_axes([1]).expand_dims(1);
        poisoned.select(number(f64::NAN, codes.dtype()), codes)
    }
}

/// The traced outputs of [`MpSae::explain`].
#[derive(Debug, Clone)]
pub struct Explained {
    /// The encoding.
    pub encoded: Encoded,
    /// The mean of |x - reconstruction|^2 over the samples.
    pub loss: Tensor,
    /// Its gradient by the dictionary as it was given (not normalised), `[p, d]`.
    pub dictionary_gradient: Tensor,
    /// Its gradient by the bias, `[d]`.
    pub bias_gradient: Tensor,
    /// Its gradient by the samples, `[b, d]`.
    pub x_gradient: Tensor,
}

impl Explained {
    /// The outputs in the order in which the subject lists them, the status last.
    pub fn into_vec(self) -> Vec<Tensor> {
        let Encoded { values, support, reconstruction, status } = self.encoded;
        let gradients = [self.dictionary_gradient, self.bias_gradient, self.x_gradient];
        [vec![values, support, reconstruction, self.loss], gradients.to_vec(), vec![status]].concat()
    }
}

impl MpSae {
    /// Traces the codes of samples `x` (`[b, d]`) on a dictionary `[p, d]` (rows are atoms of any norm) with a bias
    /// `[d]`; f32 or f64.
    #[track_caller]
    pub fn encode(&self, x: &Tensor, dictionary: &Tensor, bias: &Tensor) -> Encoded {
        let weights = Weights { dictionary: dictionary.clone(), bias: bias.clone() };
        self.encoded(x, &weights, &self.pursue(&weights, x))
    }

    /// Traces the codes, the loss and its gradient, with the selections held fixed.
    #[track_caller]
    pub fn explain(&self, x: &Tensor, dictionary: &Tensor, bias: &Tensor) -> Explained {
        let weights = Weights { dictionary: dictionary.clone(), bias: bias.clone() };
        let trial = |(x, weights): (Tensor, Weights)| {
            let steps = self.pursue(&weights, &x);
            (mean_square(&steps.residual), steps)
        };
        let ((loss, steps), back) = vjp(trial, (x.clone(), weights.clone()));
        let no_steps = Steps {
            index: zeros(steps.index.shape(), DType::I32),
            value: zeros(steps.value.shape(), x.dtype()),
            residual: zeros(x.shape(), x.dtype()),
        };
        let (x_gradient, gradient) = back((number(1.0, x.dtype()), no_steps));
        let encoded = self.encoded(x, &weights, &steps);
        let finite = sound(&weights) & max_abs(x).is_finite();
        let nan = number(f64::NAN, x.dtype());
        let or_nan = |y: &Tensor| finite.select(y, &nan);
        let status = with_breakdown(&finite, &encoded.status, &[&loss, &gradient.dictionary, &x_gradient]);
        Explained {
            encoded: Encoded { status, ..encoded },
            loss: or_nan(&loss),
            dictionary_gradient: or_nan(&gradient.dictionary),
            bias_gradient: or_nan(&gradient.bias),
            x_gradient: or_nan(&x_gradient),
        }
    }

    /// The pursuit of `x - bias`, each signal scaled by a power of two of its own meanwhile.
    fn pursue(&self, weights: &Weights, x: &Tensor) -> Steps {
        let r = x - &weights.bias;
        let unit = stop_gradient(&power_of_two(&r.abs().max_axes([1])));
        let column = unit.expand_dims(1);
        let steps = pursue(&unit_rows(&weights.dictionary), &(r / &column), self.k, self.selection);
        Steps { value: steps.value * &unit, residual: steps.residual * column, index: steps.index }
    }

    fn encoded(&self, x: &Tensor, weights: &Weights, steps: &Steps) -> Encoded {
        let whole = sound(weights);
        let rows = x.abs().max_axes([1]).is_finite() & &whole;
        let each = rows.expand_dims(1);
        let nan = number(f64::NAN, x.dtype());
        let (values, reconstruction) = (steps.value.t(), x - &steps.residual);
        let zero_signal = (x - &weights.bias).eq(0.0).all_axes([1]).any();
        let zero_atom = weights.dictionary.eq(0.0).all_axes([1]).any();
        let broken = !(values.is_finite().all() & reconstruction.is_finite().all());
        let status = Status::traced(
            &rows.all(),
            &[(Status::DEGENERATE, &(zero_signal | zero_atom)), (Status::BREAKDOWN, &broken)],
        );
        Encoded {
            values: each.select(values, &nan),
            support: each.select(steps.index.t(), -1),
            reconstruction: each.select(reconstruction, &nan),
            status,
        }
    }
}

/// The mean over the rows of the sum of the squares.
pub(super) fn mean_square(residual: &Tensor) -> Tensor {
    residual.square().sum_axes([1]).sum() / residual.dim(0) as f64
}

fn sound(weights: &Weights) -> Tensor {
    max_abs(&weights.dictionary).is_finite() & weights.bias.abs().max().is_finite()
}

/// The status with [`Status::BREAKDOWN`] where one of the results of finite inputs is not finite.
fn with_breakdown(finite: &Tensor, status: &Tensor, results: &[&Tensor]) -> Tensor {
    let sound = results.iter().fold(scalar(true), |sound, x| sound & x.is_finite().all());
    let broken = (finite & !sound).convert(DType::I32) * Status::BREAKDOWN.0;
    status | broken
}

impl Model for MpSae {
    type Weights = Weights;

    fn atoms(&self) -> usize {
        self.atoms
    }

    fn start(&self, dictionary: Tensor, bias: Tensor) -> Weights {
        Weights { dictionary, bias }
    }

    fn loss(&self, weights: &Weights, x: &Tensor) -> (Tensor, Tensor) {
        let steps = self.pursue(weights, x);
        let uses = zeros([self.atoms], DType::I32).scatter_add(&steps.index.flatten(), 1, 0);
        (mean_square(&steps.residual), uses)
    }

    fn residual(&self, weights: &Weights, x: &Tensor) -> Tensor {
        self.pursue(weights, x).residual
    }

    fn replaced(&self, weights: &Weights, which: &Tensor, atoms: &Tensor) -> Weights {
        Weights { dictionary: which.select(atoms, &weights.dictionary), bias: weights.bias.clone() }
    }

    fn learned(&self, weights: &Weights) -> (Tensor, Tensor) {
        (unit_rows(&weights.dictionary), weights.bias.clone())
    }
}
