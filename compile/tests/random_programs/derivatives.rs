//! Derivatives of a program: reverse mode against forward mode, one after the other, and on the device.

use tandem_compile::{DType, Graph, HostArray, Tensor, TensorType, constant, grad, jvp};

use crate::checks::{Compiled, Subject, about, eval, traced};
use crate::judge::{Tally, Yardstick};
use crate::noise::Noise;
use crate::steps::apply;
use crate::values::arrays;

/// How far the points are apart that differences are taken of.
const STEP: f64 = 3e-5;

impl Subject<'_> {
    /// Which inputs are floats.
    pub fn floats(&self) -> Vec<usize> {
        (0..self.program.inputs.len()).filter(|&at| self.program.inputs[at].dtype.is_float()).collect()
    }

    /// One number of the program: its float results times weights, added up.
    fn objective(&self, inputs: &[Tensor]) -> Option<Tensor> {
        let results = apply(self.program, inputs).results;
        let smooth = results.iter().enumerate().filter(|&(at, _)| self.smooth[at]);
        smooth.fold(None, |sum, (at, y)| {
            let weights = arrays(&[y.ty().clone()], at as u64 + 99, false).swap_remove(0);
            let term = (y * constant(&weights)).convert(DType::F64).sum();
            Some(sum.map_or(term.clone(), |sum: Tensor| sum + &term))
        })
    }

    /// The objective as a function of the float inputs alone.
    fn of_floats<'a>(&'a self, all: &'a [Tensor], floats: &'a [usize]) -> impl Fn(Vec<Tensor>) -> Tensor + 'a {
        move |x: Vec<Tensor>| {
            let mut inputs = all.to_vec();
            floats.iter().zip(x).for_each(|(&at, x)| inputs[at] = x);
            self.objective(&inputs).unwrap_or_else(|| inputs[floats[0]].convert(DType::F64).sum())
        }
    }

    /// The derivative along a direction: of the objective, whose inputs are followed by the direction.
    fn along(&self, floats: &[usize]) -> Result<Graph, String> {
        traced(&self.with_directions(floats), |mut x| {
            let directions = x.split_off(self.program.inputs.len());
            vec![jvp(self.of_floats(&x, floats), chosen(&x, floats), directions).1]
        })
    }

    pub fn gradient(&self, floats: &[usize]) -> Result<Graph, String> {
        traced(&self.program.inputs, |x| self.gradient_of(&x, floats))
    }

    pub fn gradient_of(&self, x: &[Tensor], floats: &[usize]) -> Vec<Tensor> {
        grad(self.of_floats(x, floats))(chosen(x, floats))
    }

    /// The second derivative along a direction, forward mode over reverse mode.
    fn forward_over_reverse(&self, floats: &[usize]) -> Result<Graph, String> {
        traced(&self.with_directions(floats), |mut x| {
            let directions = x.split_off(self.program.inputs.len());
            jvp(grad(self.of_floats(&x, floats)), chosen(&x, floats), directions).1
        })
    }

    /// The second derivative along a direction, reverse mode over forward mode.
    fn reverse_over_forward(&self, floats: &[usize]) -> Result<Graph, String> {
        traced(&self.with_directions(floats), |mut x| {
            let directions = x.split_off(self.program.inputs.len());
            let slope = |own: Vec<Tensor>| jvp(self.of_floats(&x, floats), own, directions.clone()).1;
            grad(slope)(chosen(&x, floats))
        })
    }

    /// The types of the inputs, then of a direction.
    fn with_directions(&self, floats: &[usize]) -> Vec<TensorType> {
        self.program.inputs.iter().cloned().chain(chosen(&self.program.inputs, floats)).collect()
    }

    pub fn derivatives(&self) -> Result<Tally, String> {
        let floats = self.floats();
        if floats.is_empty() || !self.smooth.contains(&true) {
            return Ok(Tally::default());
        }
        let along = self.along(&floats).map_err(|error| format!("jvp: {error}"))?;
        let directions = arrays(&chosen(&self.program.inputs, &floats), self.program.seed ^ 0x55, false);
        let arguments = self.arguments(0);
        let all = [arguments.as_slice(), &directions].concat();
        let mut tally = about("jvp against differences", &along, self.differences(&floats, &along, &all))?;
        let compiled = self.compiled == Compiled::Derivatives;
        if self.whiles > 0 {
            if compiled {
                tally += self.compared("jvp, device against interpreter", &along, &all)?;
            }
            return Ok(tally);
        }
        let gradient = self.gradient(&floats).map_err(|error| format!("grad: {error}"))?;
        tally += about("grad against jvp", &gradient, self.inner(&gradient, &arguments, &along, &directions))?;
        let forward = self.forward_over_reverse(&floats).map_err(|error| format!("jvp of grad: {error}"))?;
        let reverse = self.reverse_over_forward(&floats).map_err(|error| format!("grad of jvp: {error}"))?;
        tally += about("jvp of grad against grad of jvp", &forward, self.second(&forward, &reverse, &all))?;
        if compiled {
            tally += self.compared("grad, device against interpreter", &gradient, &arguments)?;
        }
        Ok(tally)
    }

    /// The slope from two points nearby, where all numbers are f64 and the function is smooth in sight.
    fn differences(&self, floats: &[usize], along: &Graph, all: &[HostArray]) -> Result<Tally, String> {
        let unclear = Ok(Tally { judged: 0, skipped: 1 });
        if !self.program.is_wide() || self.program.ties {
            return Ok(Tally::default());
        }
        let objective = traced(&self.program.inputs, |x| vec![self.of_floats(&x, floats)(chosen(&x, floats))])?;
        let (arguments, directions) = all.split_at(self.program.inputs.len());
        let value = |step: f64| -> Result<f64, String> {
            let mut moved = arguments.to_vec();
            for (&at, direction) in floats.iter().zip(directions) {
                let (x, v) = (arguments[at].to_f64(), direction.to_f64());
                moved[at] = HostArray::from_fn(arguments[at].shape(), |i| x[i] + step * v[i]);
            }
            Ok(eval(&objective, &moved)?[0].to_f64()[0])
        };
        let slope = |from: f64, to: f64| -> Result<f64, String> { Ok((value(to)? - value(from)?) / (to - from)) };
        let found = eval(along, all)?[0].to_f64()[0];
        let (wide, narrow) = (slope(-STEP, STEP)?, slope(-STEP / 3.0, STEP / 3.0)?);
        let (left, right) = (slope(-STEP, 0.0)?, slope(0.0, STEP)?);
        let size = wide.abs().max(narrow.abs()).max(1e-2);
        let smooth = (wide - narrow).abs() <= 1e-5 * size && (left - right).abs() <= 1e-2 * size;
        if !smooth || !found.is_finite() {
            return unclear;
        }
        match (found - narrow).abs() <= 1e-4 * size {
            true => Ok(Tally { judged: 1, skipped: 0 }),
            false => Err(format!("jvp is {found:e}, the difference {narrow:e} (left {left:e}, right {right:e})")),
        }
    }

    /// The gradient times the direction is the derivative along it.
    fn inner(
        &self,
        gradient: &Graph,
        arguments: &[HostArray],
        along: &Graph,
        directions: &[HostArray],
    ) -> Result<Tally, String> {
        let all = [arguments, directions].concat();
        let product = |gradient: &[HostArray]| -> f64 {
            let products = |(g, v): (&HostArray, &HostArray)| -> f64 {
                g.to_f64().iter().zip(v.to_f64()).map(|(g, v)| g * v).sum()
            };
            gradient.iter().zip(directions).map(products).sum()
        };
        let slope = |results: &[HostArray]| results[0].to_f64()[0];
        let (g, d) = (product(&eval(gradient, arguments)?), slope(&eval(along, &all)?));
        let unclear = Ok(Tally { judged: 0, skipped: 1 });
        let (mut spread, mut size) = (0.0f64, g.abs().max(d.abs()));
        for run in 0..12 {
            let other_g = product(&Noise::new(run, 4.0).eval(gradient, arguments));
            let other_d = slope(&Noise::new(run + 50, 4.0).eval(along, &all));
            let distance = (g - other_g).abs() + (d - other_d).abs();
            if distance.is_nan() {
                return unclear;
            }
            spread = spread.max(distance);
            size = size.max(other_g.abs()).max(other_d.abs());
        }
        let allowed = 16.0 * spread + 64.0 * self.epsilon() * size;
        if allowed > 0.05 * size.max(1e-3) {
            return unclear;
        }
        match (g - d).abs() <= allowed {
            true => Ok(Tally { judged: 1, skipped: 0 }),
            false => Err(format!("gradient times direction is {g:e}, jvp along it {d:e}, within {allowed:.1e}")),
        }
    }

    /// Two ways to the same vector.
    fn second(&self, forward: &Graph, reverse: &Graph, all: &[HostArray]) -> Result<Tally, String> {
        let mut yardstick = Yardstick::new(forward, all, 8, 4.0)?;
        yardstick.add(&Yardstick::new(reverse, all, 8, 4.0)?);
        let found = eval(reverse, all)?;
        // Zero times infinity on one way need not be on the other.
        for (spread, found) in yardstick.spread.iter_mut().zip(&found) {
            spread.iter_mut().zip(found.to_f64()).filter(|(_, x)| !x.is_finite()).for_each(|(s, _)| *s = f64::NAN);
        }
        yardstick.judge(&found)
    }

    /// That of the least exact float in the program.
    fn epsilon(&self) -> f64 {
        let single = self.graph.nodes().iter().flat_map(|n| &n.outputs).any(|&v| self.graph.ty(v).dtype == DType::F32);
        if single { f64::from(f32::EPSILON) } else { f64::EPSILON }
    }
}

/// The entries at some positions.
fn chosen<T: Clone>(all: &[T], positions: &[usize]) -> Vec<T> {
    positions.iter().map(|&at| all[at].clone()).collect()
}
