//! ReLU networks, biases folded in.

use tandem_compile::{Tensor, concatenate, scalar};

use super::graph::Interaction;
use super::section::{through, with_constant};
use super::{Lib, Section};

/// A network of affine maps with a ReLU after each but the last: what `tandem run lib` takes.
#[derive(Debug, Clone)]
pub struct Mlp {
    /// The weights `[out, in]` and biases `[out]` of every layer.
    pub layers: Vec<(Tensor, Tensor)>,
}

/// max(x, 0) with the derivative 0 at 0.
#[track_caller]
pub fn relu(x: &Tensor) -> Tensor {
    x.gt(0.0).select(x, 0.0)
}

impl Mlp {
    /// The network of these weights `[out, in]` and biases `[out]`.
    pub fn new(layers: Vec<(Tensor, Tensor)>) -> Self {
        Self { layers }
    }

    /// The sections of activations with a constant last coordinate; the output has none.
    pub fn sections(&self) -> Vec<Section<'static>> {
        let last = self.layers.len().saturating_sub(1);
        let section = |(at, (w, b)): (usize, &(Tensor, Tensor))| -> Section<'static> {
            let (w, b) = (w.clone(), b.clone());
            Box::new(move |f: &Tensor| {
                let axis = f.ndim() - 1;
                let width = f.dim(axis) - 1;
                let constant = f.slice(axis, width, width + 1);
                // The bias is a weight of the constant coordinate: it has a derivative by it.
                let z = f.slice(axis, 0, width).contract(&w, axis, 1) + &constant * &b;
                match at == last {
                    true => z,
                    false => concatenate(&[&relu(&z), &constant], axis),
                }
            })
        };
        self.layers.iter().enumerate().map(section).collect()
    }

    /// Traces the interaction basis for inputs `x` (`[n, in]`, without the constant coordinate). NaN or infinity in a
    /// weight goes everywhere as one in `x` does.
    #[track_caller]
    pub fn interaction(&self, lib: &Lib, x: &Tensor) -> Interaction {
        let all = |sound: Tensor, x: &Tensor| sound & x.is_finite().all();
        let sound = self.layers.iter().fold(scalar(true), |sound, (w, b)| all(all(sound, w), b));
        lib.trace_if(&sound, &self.sections(), &with_constant(x))
    }

    /// Traces the output for inputs `x` (`[n, in]`).
    #[track_caller]
    pub fn output(&self, x: &Tensor) -> Tensor {
        through(&self.sections(), with_constant(x))
    }

    /// Checks the shapes of `x` and of the weights and biases, `[out, in]` and `[out]`, layer by layer.
    ///
    /// # Errors
    /// What does not fit together, in one line.
    pub fn check(x: &[usize], layers: &[(&[usize], &[usize])]) -> Result<(), String> {
        let &[n, width] = x else {
            return Err(format!("x must be a matrix [n, d0] with samples in its rows, got shape {x:?}"));
        };
        if n == 0 || width == 0 {
            return Err(format!("x is empty, its shape is [{n}, {width}]; both sizes must be at least 1"));
        }
        let mut width = width;
        for (l, &(w, b)) in layers.iter().enumerate() {
            let &[out, into] = w else {
                return Err(format!("w{l} must be a matrix [out, in], got shape {w:?}"));
            };
            if into != width {
                let from = if l == 0 { "x has".to_owned() } else { format!("w{} gives", l - 1) };
                return Err(format!(
                    "w{l} has shape {w:?} and takes {into} coordinates, {from} {width}; expected [out, in]"
                ));
            }
            if out == 0 {
                return Err(format!("w{l} is empty, its shape is {w:?}"));
            }
            if b != [out] {
                return Err(format!("b{l} has shape {b:?}, expected [{out}], the first size of w{l}"));
            }
            width = out;
        }
        match layers.is_empty() {
            true => Err("a network has at least one layer: w0 and b0".into()),
            false => Ok(()),
        }
    }
}
