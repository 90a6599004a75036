//! The matching-pursuit SAE on faer, one signal at a time, its gradient by hand.
//!
//! With unit atoms, r_k = P_k ... P_1 (x - b), P_t = I - w_t w_t'. So the cotangent of r_{t-1} is P_t that of r_t, and that
//! of w_t is -(w_t' r_{t-1}) g - (w_t' g) r_{t-1}, g being the cotangent of r_t; for the loss it begins as 2 r_k / n. Every
//! residual is kept. A norm that is divided out takes away the part along the atom.

pub mod coder;
mod draw;
pub mod train;

use faer::Mat;
use tandem_compile::HostArray;
use tandem_verify::status::Status;
use tandem_verify::{Decision, Outcome, Output, Real, Values};

use super::subject::OUTPUTS;
use super::{MpSae, Selection};

/// The pursuit of one signal.
pub struct Pursuit<R> {
    /// The atoms taken, at most k.
    pub support: Vec<usize>,
    /// Their coefficients.
    pub values: Vec<R>,
    /// What is left before the first and after every one of them.
    pub residuals: Vec<Vec<R>>,
}

impl<R: Real> Pursuit<R> {
    /// What is left at the end.
    pub fn residual(&self) -> &[R] {
        self.residuals.last().map_or(&[], Vec::as_slice)
    }
}

/// At most `sae.k` steps for the signal `r`, on the unit atoms that are the rows of `w`.
pub fn pursue<R: Real>(sae: &MpSae, w: &Mat<R>, r: Vec<R>, decisions: &mut Vec<Decision>) -> Pursuit<R> {
    let size = norm(&r);
    let mut found = Pursuit { support: Vec::new(), values: Vec::new(), residuals: vec![r] };
    for _ in 0..sae.k {
        let r = found.residual().to_vec();
        let correlations: Vec<R> = (0..w.nrows()).map(|j| dot(&row(w, j), &r)).collect();
        let rank = |c: R| if sae.selection == Selection::Abs { c.abs() } else { c };
        let mut best = 0;
        for j in 1..correlations.len() {
            if rank(correlations[j]) > rank(correlations[best]) {
                best = j;
            }
        }
        let c = correlations[best];
        let stops = c == R::zero() || (sae.selection == Selection::Relu && !(c > R::zero()));
        let others = (0..correlations.len()).filter(|&j| j != best).map(|j| rank(c) - rank(correlations[j]));
        let gap = others.fold(None, |least: Option<R>, gap| Some(least.map_or(gap, |l| if gap < l { gap } else { l })));
        let margin = margin(sae.selection, c, gap, stops, size);
        decisions.push(Decision { kind: "selection", margin, choice: if stops { u64::MAX } else { best as u64 } });
        if stops {
            break;
        }
        let atom = row(w, best);
        found.residuals.push(r.iter().zip(&atom).map(|(&r, &a)| r - c * a).collect());
        found.support.push(best);
        found.values.push(c);
    }
    found
}

/// How far a selection was from another one, relative to the signal's size.
fn margin<R: Real>(selection: Selection, c: R, gap: Option<R>, stops: bool, size: R) -> f64 {
    if size == R::zero() {
        return 0.0;
    }
    let relative = |x: R| (x / size).to_f64().abs();
    let gap = gap.map_or(1.0, relative);
    match selection {
        Selection::Relu if stops => relative(c),
        Selection::Relu => gap.min(relative(c)),
        Selection::Abs | Selection::Signed => gap,
    }
}

/// The codes of `x` (`[b, d]`), the loss, and its gradient by dictionary (`[p, d]`, rows of any norm), bias (`[d]`) and x.
pub fn explain<R: Real>(sae: &MpSae, x: &HostArray, dictionary: &HostArray, bias: &HostArray) -> Outcome<R> {
    let shapes = (x.shape()[0], sae.k, x.shape()[1]);
    let mut parts = Parts::nan(shapes, dictionary.shape()[0]);
    let weights_are_finite = dictionary.first_nonfinite().or(bias.first_nonfinite()).is_none();
    if !weights_are_finite {
        return parts.outcome(shapes, Status::NONFINITE_INPUT, Vec::new(), Scales::default());
    }
    let (x, raw) = (matrix::<R>(x), matrix::<R>(dictionary));
    let bias: Vec<R> = bias.to_f64().into_iter().map(R::from_f64).collect();
    let (w, norms) = normalised(&raw);
    let finite: Vec<bool> = (0..x.nrows()).map(|i| row(&x, i).iter().all(|x| x.to_f64().is_finite())).collect();
    let mut decisions = Vec::new();
    let mut pursuits = Vec::new();
    for i in (0..x.nrows()).filter(|&i| finite[i]) {
        let signal: Vec<R> = row(&x, i).iter().zip(&bias).map(|(&x, &b)| x - b).collect();
        // In units of its own, so that its squares stay in range.
        let unit = power_of_two(largest(&signal));
        let pursuit = pursue(sae, &w, signal.iter().map(|&r| r / unit).collect(), &mut decisions);
        parts.set_codes(i, &pursuit, unit, &row(&x, i), sae.k);
        pursuits.push((i, unit, pursuit));
    }
    if finite.contains(&false) {
        return parts.outcome(shapes, Status::NONFINITE_INPUT, decisions, Scales::default());
    }
    parts.set_gradient(&w, &norms, &pursuits);
    let zero_atom = norms.iter().any(|norm| norm.is_none());
    let zero_signal = pursuits.iter().any(|(_, _, p)| p.residuals[0].iter().all(|&r| r == R::zero()));
    let scales = Scales::of(&pursuits, &norms, largest(&row_major(&x)));
    let status = Status::default()
        .with(Status::DEGENERATE, zero_atom || zero_signal)
        .with(Status::BREAKDOWN, !parts.all_finite());
    parts.outcome(shapes, status, decisions, scales)
}

/// The sizes that the outputs are computed from.
#[derive(Default)]
struct Scales {
    x: f64,
    signal: f64,
    mean_square: f64,
    smallest_inverse: f64,
}

impl Scales {
    fn of<R: Real>(pursuits: &[(usize, R, Pursuit<R>)], norms: &[Option<R>], x: R) -> Self {
        let sizes: Vec<f64> = pursuits.iter().map(|(_, unit, p)| (norm(&p.residuals[0]) * *unit).to_f64()).collect();
        let largest_norm = norms.iter().flatten().map(|norm| norm.to_f64()).fold(0.0, f64::max);
        Scales {
            x: x.to_f64(),
            signal: sizes.iter().copied().fold(0.0, f64::max),
            mean_square: sizes.iter().map(|s| s * s).sum::<f64>() / sizes.len() as f64,
            smallest_inverse: if largest_norm > 0.0 { 1.0 / largest_norm } else { 0.0 },
        }
    }
}

/// The outputs under construction, row-major.
struct Parts<R> {
    values: Vec<R>,
    support: Vec<i32>,
    reconstruction: Vec<R>,
    loss: R,
    dictionary: Vec<R>,
    bias: Vec<R>,
    x: Vec<R>,
    atoms: usize,
}

impl<R: Real> Parts<R> {
    fn nan((b, k, d): (usize, usize, usize), p: usize) -> Self {
        let nan = |len: usize| vec![R::from_f64(f64::NAN); len];
        Parts {
            values: nan(b * k),
            support: vec![-1; b * k],
            reconstruction: nan(b * d),
            loss: R::from_f64(f64::NAN),
            dictionary: nan(p * d),
            bias: nan(d),
            x: nan(b * d),
            atoms: p,
        }
    }

    fn set_codes(&mut self, i: usize, pursuit: &Pursuit<R>, unit: R, x: &[R], k: usize) {
        for t in 0..k {
            self.values[i * k + t] = pursuit.values.get(t).map_or(R::zero(), |&c| c * unit);
            self.support[i * k + t] = pursuit.support.get(t).map_or(-1, |&j| j as i32);
        }
        let d = x.len();
        for (at, (&x, &r)) in x.iter().zip(pursuit.residual()).enumerate() {
            self.reconstruction[i * d + at] = x - r * unit;
        }
    }

    fn set_gradient(&mut self, w: &Mat<R>, norms: &[Option<R>], pursuits: &[(usize, R, Pursuit<R>)]) {
        let d = w.ncols();
        let count = R::from_f64(pursuits.len() as f64);
        let mut by_atom = Mat::<R>::zeros(norms.len(), d);
        self.bias.fill(R::zero());
        self.loss = R::zero();
        for (i, unit, pursuit) in pursuits {
            self.loss = self.loss + dot(pursuit.residual(), pursuit.residual()) * *unit * *unit / count;
            // In units of the signal: by x the gradient is in units of it, by an atom in their square.
            let signal = gradient(w, pursuit, R::from_f64(2.0) / count, *unit * *unit, &mut by_atom);
            for (at, &g) in signal.iter().enumerate() {
                self.x[i * d + at] = g * *unit;
                self.bias[at] = self.bias[at] - g * *unit;
            }
        }
        for (j, &norm) in norms.iter().enumerate() {
            let chained = through_norm(&row(w, j), &row(&by_atom, j), norm);
            self.dictionary[j * d..(j + 1) * d].copy_from_slice(&chained);
        }
    }

    fn all_finite(&self) -> bool {
        let all = [&self.values, &self.reconstruction, &self.dictionary, &self.bias, &self.x];
        all.iter().all(|v| v.iter().all(|x| x.to_f64().is_finite())) && self.loss.to_f64().is_finite()
    }

    fn outcome(
        self,
        (b, k, d): (usize, usize, usize),
        status: Status,
        decisions: Vec<Decision>,
        scales: Scales,
    ) -> Outcome<R> {
        let slope = scales.signal / b as f64;
        let by_atom = scales.mean_square * scales.smallest_inverse;
        let entries = [
            (vec![b, k], Values::Real(self.values), scales.signal),
            (vec![b, k], Values::Index(self.support), 0.0),
            (vec![b, d], Values::Real(self.reconstruction), scales.x),
            (vec![], Values::Real(vec![self.loss]), scales.mean_square),
            (vec![self.atoms, d], Values::Real(self.dictionary), by_atom),
            (vec![d], Values::Real(self.bias), scales.signal),
            (vec![b, d], Values::Real(self.x), slope),
        ];
        let outputs = OUTPUTS
            .iter()
            .zip(entries)
            .map(|(&name, (shape, values, scale))| Output { name, shape, values, scale, free: false })
            .collect();
        Outcome { outputs, status: status.0, decisions }
    }
}

/// The cotangent of the signal, for a loss of `weight` / 2 |r_k|^2; those of the atoms, times `size`, are added to
/// `by_atom`.
pub fn gradient<R: Real>(w: &Mat<R>, pursuit: &Pursuit<R>, weight: R, size: R, by_atom: &mut Mat<R>) -> Vec<R> {
    let mut g: Vec<R> = pursuit.residual().iter().map(|&r| weight * r).collect();
    for (t, &j) in pursuit.support.iter().enumerate().rev() {
        let (atom, before) = (row(w, j), &pursuit.residuals[t]);
        let (with_residual, with_g) = (dot(&atom, before), dot(&atom, &g));
        for at in 0..g.len() {
            by_atom[(j, at)] = by_atom[(j, at)] - (with_residual * g[at] + with_g * before[at]) * size;
        }
        g.iter_mut().zip(&atom).for_each(|(g, &a)| *g = *g - with_g * a);
    }
    g
}

/// The cotangent of d from that of w = d / |d|; d = 0 stays itself.
pub fn through_norm<R: Real>(w: &[R], ct: &[R], norm: Option<R>) -> Vec<R> {
    match norm {
        None => ct.to_vec(),
        Some(norm) => {
            let along = dot(w, ct);
            w.iter().zip(ct).map(|(&w, &ct)| (ct - along * w) / norm).collect()
        }
    }
}

/// The rows divided by their norms, and these; a row of zeros has none.
pub fn normalised<R: Real>(d: &Mat<R>) -> (Mat<R>, Vec<Option<R>>) {
    let norms: Vec<Option<R>> = (0..d.nrows())
        .map(|j| {
            let entries = row(d, j);
            let unit = power_of_two(largest(&entries));
            let scaled: Vec<R> = entries.iter().map(|&x| x / unit).collect();
            Some(norm(&scaled) * unit).filter(|&norm| norm > R::zero())
        })
        .collect();
    let w = Mat::from_fn(d.nrows(), d.ncols(), |j, at| norms[j].map_or(d[(j, at)], |norm| d[(j, at)] / norm));
    (w, norms)
}

pub(super) fn row<R: Real>(m: &Mat<R>, i: usize) -> Vec<R> {
    (0..m.ncols()).map(|j| m[(i, j)]).collect()
}

pub(super) fn dot<R: Real>(x: &[R], y: &[R]) -> R {
    x.iter().zip(y).fold(R::zero(), |sum, (&x, &y)| sum + x * y)
}

pub(super) fn norm<R: Real>(x: &[R]) -> R {
    dot(x, x).sqrt()
}

pub(super) fn largest<R: Real>(x: &[R]) -> R {
    x.iter().fold(R::zero(), |most, x| most.max(x.abs()))
}

/// The largest power of two that is at most x > 0, 1 for 0 and subnormal numbers.
pub(super) fn power_of_two<R: Real>(x: R) -> R {
    match f64::from_bits(x.to_f64().to_bits() & 0x7ff0_0000_0000_0000) {
        power if power > 0.0 && power.is_finite() => R::from_f64(power),
        _ => R::one(),
    }
}

pub(super) fn matrix<R: Real>(a: &HostArray) -> Mat<R> {
    let (values, cols) = (a.to_f64(), a.shape()[1]);
    Mat::from_fn(a.shape()[0], cols, |i, j| R::from_f64(values[i * cols + j]))
}

pub(super) fn row_major<R: Real>(m: &Mat<R>) -> Vec<R> {
    (0..m.nrows()).flat_map(|i| row(m, i)).collect()
}
