//! Derivatives in the interpreter: against differences and complex steps, transposes against them, and second ones.

use num_complex::Complex64;
use tandem_compile::ops::Kind;
use tandem_compile::{DType, Graph, HostArray, Tensor, TensorType, jvp, vjp};

use crate::arrays::{inner, largest, moved};
use crate::programs::{eval, graph, lines_are_the_users, traced};
use crate::record::{Case, Derivative, Holomorphic, Record};
use crate::report::{Failures, each_case};
use crate::values::{Class, arguments, directions};

/// The step of central differences. They are exact for quadratic functions, so that it need only be so small that
/// no kink lies within it, and as large as that allows: rounding errors are divided by it.
const STEP: f64 = 1.0 / 16384.0;
/// Of the largest numbers involved: about 2e-16 / STEP, for sums of many terms.
const DIFFERENCE: f64 = 1e-9;
/// The step for differences of gradients, which are not exact: small beside the distance to any pole.
const GRADIENT_STEP: f64 = 1.0 / 1048576.0;
/// Of the largest numbers involved: the square of that step beside a distance of 0.002, and 2e-16 / GRADIENT_STEP
/// for sums of many terms.
const GRADIENT_DIFFERENCE: f64 = 1e-6;
/// Of the largest numbers involved: a complex step rounds as the function itself does, over some hundred operations.
const COMPLEX: f64 = 1e-11;
/// Of the sum of the absolute terms of an inner product: rounding alone, over some thousand terms.
const INNER: f64 = 1e-11;

/// A case as a function of its floats, with what else it takes held fixed.
pub struct Smooth<'a> {
    pub case: &'a Case,
    /// The types of all its arguments.
    pub types: Vec<TensorType>,
    /// Which of them are floats.
    pub floats: Vec<usize>,
    /// The types of the results that are floats, and their positions.
    pub results: Vec<TensorType>,
    pub positions: Vec<usize>,
}

impl<'a> Smooth<'a> {
    /// `None` where there is nothing to differentiate.
    pub fn new(case: &'a Case) -> Result<Option<Self>, String> {
        if matches!(case.derivative, Derivative::None) {
            return Ok(None);
        }
        let graph = graph(case)?;
        let (types, all) = (graph.param_types(), graph.result_types());
        let floats = |types: &[TensorType]| (0..types.len()).filter(|&i| types[i].dtype.is_float()).collect::<Vec<_>>();
        let positions = floats(&all);
        let results = positions.iter().map(|&i| all[i].clone()).collect();
        let smooth = Self { case, floats: floats(&types), types, results, positions };
        match smooth.floats.is_empty() || smooth.positions.is_empty() {
            true => Err("it says how to differentiate it, but there are no floats".into()),
            false => Ok(Some(smooth)),
        }
    }

    /// Why there is no reverse mode, where there is none.
    pub fn irreversible(&self) -> Option<&'static str> {
        match &self.case.derivative {
            Derivative::ForwardOnly(_, why) => Some(why),
            _ => None,
        }
    }

    /// Whether everything in it is f64, so that rounding is far below what a wrong derivative shows.
    fn is_double(&self) -> bool {
        let double = |ty: &TensorType| ty.dtype == DType::F64;
        self.floats.iter().all(|&i| double(&self.types[i])) && self.results.iter().all(double)
    }

    pub fn float_types(&self) -> Vec<TensorType> {
        self.floats.iter().map(|&i| self.types[i].clone()).collect()
    }

    fn primals(&self, all: &[Tensor]) -> Vec<Tensor> {
        self.floats.iter().map(|&i| all[i].clone()).collect()
    }

    fn apply(&self, all: &[Tensor], floats: Vec<Tensor>) -> Vec<Tensor> {
        let mut x = all.to_vec();
        self.floats.iter().zip(floats).for_each(|(&i, float)| x[i] = float);
        let y = (self.case.f)(&x);
        self.positions.iter().map(|&i| y[i].clone()).collect()
    }

    /// The derivative along `dx`.
    fn jvp(&self, all: &[Tensor], x: Vec<Tensor>, dx: Vec<Tensor>) -> Vec<Tensor> {
        jvp(|x: Vec<Tensor>| self.apply(all, x), x, dx).1
    }

    /// The cotangents of the arguments.
    fn vjp(&self, all: &[Tensor], x: Vec<Tensor>, ct: Vec<Tensor>) -> Vec<Tensor> {
        vjp(|x: Vec<Tensor>| self.apply(all, x), x).1(ct)
    }

    /// From all arguments and tangents of the floats: the results' tangents.
    pub fn push(&self, x: &[Tensor]) -> Vec<Tensor> {
        let (all, dx) = x.split_at(self.types.len());
        self.jvp(all, self.primals(all), dx.to_vec())
    }

    /// From all arguments and cotangents of the float results: the cotangents of the float arguments.
    pub fn pull(&self, x: &[Tensor]) -> Vec<Tensor> {
        let (all, ct) = x.split_at(self.types.len());
        self.vjp(all, self.primals(all), ct.to_vec())
    }

    /// From all arguments, tangents and cotangents: how the gradient of <ct, f> changes along the tangents, forward
    /// over reverse.
    fn push_of_pull(&self, x: &[Tensor]) -> Vec<Tensor> {
        let (all, rest) = x.split_at(self.types.len());
        let (dx, ct) = rest.split_at(self.floats.len());
        jvp(|x: Vec<Tensor>| self.vjp(all, x, ct.to_vec()), self.primals(all), dx.to_vec()).1
    }

    /// The same, reverse over forward.
    fn pull_of_push(&self, x: &[Tensor]) -> Vec<Tensor> {
        let (all, rest) = x.split_at(self.types.len());
        let (dx, ct) = rest.split_at(self.floats.len());
        vjp(|x: Vec<Tensor>| self.jvp(all, x, dx.to_vec()), self.primals(all)).1(ct.to_vec())
    }

    pub fn traced(&self, more: &[TensorType], f: impl Fn(&[Tensor]) -> Vec<Tensor>) -> Result<Graph, String> {
        let graph = traced(&[self.types.as_slice(), more].concat(), f)?;
        graph.check()?;
        lines_are_the_users(&graph)?;
        Ok(graph)
    }

    /// All arguments after a step of the floats.
    fn moved(&self, x: &[HostArray], direction: &[HostArray], step: f64) -> Vec<HostArray> {
        let mut x = x.to_vec();
        self.floats.iter().zip(direction).for_each(|(&i, d)| x[i] = moved(&x[i], d, step));
        x
    }

    fn tangents(&self, kind: Kind, salt: &str) -> Vec<HostArray> {
        directions(kind, self.case, &self.float_types(), salt)
    }

    fn cotangents(&self, kind: Kind, salt: &str) -> Vec<HostArray> {
        directions(kind, self.case, &self.results, salt)
    }
}

/// Runs `check` on every case that has a derivative and is in f64.
fn each_double(record: &Record, check: impl Fn(&Smooth, &[HostArray]) -> Result<(), String>) -> Failures {
    each_case(record, |case| match Smooth::new(case)?.filter(Smooth::is_double) {
        Some(smooth) => check(&smooth, &arguments(record.kind, case, Class::Ordinary, "")),
        None => Ok(()),
    })
}

pub fn forward(record: &Record) -> Failures {
    each_double(record, |smooth, x| {
        let dx = smooth.tangents(record.kind, "tangent");
        let push = smooth.traced(&smooth.float_types(), |x| smooth.push(x))?;
        let found = eval(&push, &[x, &dx].concat())?;
        let values = eval(&graph(smooth.case)?, x)?;
        let derivative = match &smooth.case.derivative {
            Derivative::ForwardOnly(derivative, _) => derivative.as_ref(),
            other => other,
        };
        let (expected, tolerance, terms) = match derivative {
            Derivative::Quadratic => (differences(smooth, x, &dx)?, DIFFERENCE, terms(smooth, x)),
            Derivative::Complex(f) => (complex_steps(smooth, f, x, &dx, &values)?, COMPLEX, 0.0),
            Derivative::None | Derivative::ForwardOnly(..) => return Ok(()),
        };
        for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let scale = expected.iter().fold(terms, |m, d| m.max(d.abs())).max(largest(&values[smooth.positions[at]]));
            let wrong = |i: &usize| !((found.to_f64()[*i] - expected[*i]).abs() <= tolerance * scale);
            if let Some(i) = (0..found.len()).find(wrong) {
                let (found, expected) = (found.to_f64()[i], expected[i]);
                return Err(format!(
                    "the tangent of result {at} is {found:e} at element {i}, expected {expected:e} (to {tolerance:e} of {scale:e})"
                ));
            }
        }
        Ok(())
    })
}

/// The sum of the arguments' absolute values: what a sum that cancels rounds by.
fn terms(smooth: &Smooth, x: &[HostArray]) -> f64 {
    smooth.floats.iter().flat_map(|&i| x[i].to_f64()).map(f64::abs).sum()
}

/// (f(x + h dx) - f(x - h dx)) / 2h.
fn differences(smooth: &Smooth, x: &[HostArray], dx: &[HostArray]) -> Result<Vec<Vec<f64>>, String> {
    let graph = graph(smooth.case)?;
    let at = |step: f64| eval(&graph, &smooth.moved(x, dx, step));
    let (up, down) = (at(STEP)?, at(-STEP)?);
    let slopes =
        |i: &usize| up[*i].to_f64().iter().zip(down[*i].to_f64()).map(|(up, down)| slope(*up, down, STEP)).collect();
    Ok(smooth.positions.iter().map(slopes).collect())
}

/// The central difference of two values; 0 for the same infinity twice.
fn slope(up: f64, down: f64, step: f64) -> f64 {
    if up == down { 0.0 } else { (up - down) / (2.0 * step) }
}

/// The imaginary parts of f(x + i h dx), divided by h, for an h that vanishes beside every real part. Also checks
/// the real parts: the two functions must be the same.
fn complex_steps(
    smooth: &Smooth,
    f: &Holomorphic,
    x: &[HostArray],
    dx: &[HostArray],
    values: &[HostArray],
) -> Result<Vec<Vec<f64>>, String> {
    const TINY: f64 = 1e-20;
    let mut z: Vec<Vec<Complex64>> =
        x.iter().map(|x| x.to_f64().into_iter().map(|re| Complex64::new(re, 0.0)).collect()).collect();
    for (&i, dx) in smooth.floats.iter().zip(dx) {
        z[i].iter_mut().zip(dx.to_f64()).for_each(|(z, dx)| z.im = TINY * dx);
    }
    let found = f(&z);
    let mut slopes = Vec::new();
    for &i in &smooth.positions {
        let (value, scale) = (values[i].to_f64(), largest(&values[i]));
        let z = found.get(i).filter(|z| z.len() == value.len());
        let z = z.ok_or(format!("the complex function gives no result {i} of {} elements", value.len()))?;
        let same = |at: usize| z[at].re == value[at] || (z[at].re - value[at]).abs() <= COMPLEX * scale;
        if let Some(at) = (0..z.len()).find(|&at| !same(at)) {
            let (z, y) = (z[at], value[at]);
            return Err(format!(
                "the complex function is {z:e} at element {at} of result {i}, the interpreter's {y:e}"
            ));
        }
        slopes.push(z.iter().map(|z| z.im / TINY).collect());
    }
    Ok(slopes)
}

pub fn transpose(record: &Record) -> Failures {
    each_double(record, |smooth, x| {
        if let Some(why) = smooth.irreversible() {
            return refused(smooth, why);
        }
        let push = smooth.traced(&smooth.float_types(), |x| smooth.push(x))?;
        let pull = smooth.traced(&smooth.results, |x| smooth.pull(x))?;
        for draw in ["first", "second"] {
            let (dx, ct) = (smooth.tangents(record.kind, draw), smooth.cotangents(record.kind, draw));
            let dy = eval(&push, &[x, &dx].concat())?;
            let back = eval(&pull, &[x, &ct].concat())?;
            equal("<ct, jvp(dx)>", inner(&ct, &dy), "<vjp(ct), dx>", inner(&back, &dx))?;
        }
        Ok(())
    })
}

fn refused(smooth: &Smooth, why: &str) -> Result<(), String> {
    match smooth.traced(&smooth.results, |x| smooth.pull(x)) {
        Err(error) if error.contains(why) => Ok(()),
        Err(error) => Err(format!("reverse mode refuses with other words than \"{why}\": {error}")),
        Ok(_) => Err("reverse mode is not refused".into()),
    }
}

pub fn second(record: &Record) -> Failures {
    each_double(record, |smooth, x| {
        if smooth.irreversible().is_some() {
            return Ok(());
        }
        let types = [smooth.float_types(), smooth.results.clone()].concat();
        let over_reverse = smooth.traced(&types, |x| smooth.push_of_pull(x))?;
        let over_forward = smooth.traced(&types, |x| smooth.pull_of_push(x))?;
        let (u, v) = (smooth.tangents(record.kind, "u"), smooth.tangents(record.kind, "v"));
        let ct = smooth.cotangents(record.kind, "second");
        let along = |graph: &Graph, d: &[HostArray]| eval(graph, &[x, d, &ct].concat());
        let (by_u, by_v) = (along(&over_reverse, &u)?, along(&over_reverse, &v)?);
        equal("the second derivative along u and v", inner(&by_u, &v), "that along v and u", inner(&by_v, &u))?;
        let reverse = along(&over_forward, &u)?;
        equal("forward over reverse", inner(&by_u, &v), "reverse over forward", inner(&reverse, &v))?;
        gradient_changes(smooth, x, &u, &ct, &by_u)
    })
}

/// Forward over reverse mode along `u` against the difference of two gradients: this tells wrong derivatives of what
/// a derivative is made of.
fn gradient_changes(
    smooth: &Smooth,
    x: &[HostArray],
    u: &[HostArray],
    ct: &[HostArray],
    found: &[HostArray],
) -> Result<(), String> {
    let pull = smooth.traced(&smooth.results, |x| smooth.pull(x))?;
    let at = |step: f64| eval(&pull, &[&smooth.moved(x, u, step), ct].concat());
    let (up, down) = (at(GRADIENT_STEP)?, at(-GRADIENT_STEP)?);
    let scale = up.iter().chain(found).map(largest).fold(0.0, f64::max);
    for (at, found) in found.iter().enumerate() {
        let (up, down) = (up[at].to_f64(), down[at].to_f64());
        for (i, found) in found.to_f64().into_iter().enumerate() {
            let expected = slope(up[i], down[i], GRADIENT_STEP);
            if !((found - expected).abs() <= GRADIENT_DIFFERENCE * scale) {
                return Err(format!(
                    "the derivative of the gradient by float {at} is {found:e} at element {i}, by differences \
                     {expected:e} (to {GRADIENT_DIFFERENCE:e} of {scale:e})"
                ));
            }
        }
    }
    Ok(())
}

/// Two inner products with the sums of their absolute terms.
fn equal(x: &str, (left, left_terms): (f64, f64), y: &str, (right, right_terms): (f64, f64)) -> Result<(), String> {
    match (left - right).abs() <= INNER * (left_terms + right_terms) {
        true => Ok(()),
        false => Err(format!("{x} is {left:e}, {y} is {right:e}")),
    }
}
