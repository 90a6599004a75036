//! A result taken apart: what the laws speak of.

use tandem_compile::HostArray;
use tandem_verify::Outcome;

use crate::pursuit::replay::{Replay, dot, replay};
use crate::pursuit::subject::Case;

/// A signal with its outputs.
pub(super) struct Signal {
    pub x: Vec<f64>,
    pub finite: bool,
    pub codes: Vec<f64>,
    pub support: Vec<i32>,
    pub norms: Vec<f64>,
    pub count: usize,
}

/// A case's numbers, in f64.
pub(super) struct Parts {
    /// Atoms of norm 1, or zeros.
    pub atoms: Vec<Vec<f64>>,
    /// The norms of the given atoms.
    pub sizes: Vec<f64>,
    pub signals: Vec<Signal>,
    /// Whether the dictionary is finite.
    pub sound: bool,
}

impl Parts {
    pub fn of(inputs: &[HostArray], outcome: &Outcome<f64>, k: usize) -> Result<Self, String> {
        let [x, dictionary] = inputs else {
            return Err("two inputs expected".into());
        };
        let (d, p) = (x.shape()[1], dictionary.shape()[0]);
        let count = outcome.indices("count");
        let (codes, norms) = (outcome.reals("codes"), outcome.reals("residual_norms"));
        let support = outcome.indices("support");
        let rows = |len: usize, width: usize| (len == count.len() * width).then_some(()).ok_or("a shape is wrong");
        rows(codes.len(), p)?;
        rows(support.len(), k)?;
        rows(norms.len(), k + 1)?;
        let values = x.to_f64();
        let signal = |b: usize| Signal {
            x: values[b * d..(b + 1) * d].to_vec(),
            finite: values[b * d..(b + 1) * d].iter().all(|x| x.is_finite()),
            codes: codes[b * p..(b + 1) * p].to_vec(),
            support: support[b * k..(b + 1) * k].to_vec(),
            norms: norms[b * (k + 1)..(b + 1) * (k + 1)].to_vec(),
            count: count[b].max(0) as usize,
        };
        let signals = (0..count.len()).map(signal).collect();
        let given = dictionary.to_f64();
        // By the largest entry first: squares of the smallest numbers would vanish.
        let size = |atom: &[f64]| {
            let largest = atom.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
            if largest > 0.0 { largest * atom.iter().map(|x| (x / largest).powi(2)).sum::<f64>().sqrt() } else { 0.0 }
        };
        let sizes: Vec<f64> = given.chunks(d).map(size).collect();
        let unit = |(atom, &size): (&[f64], &f64)| {
            atom.iter().map(|x| if size > 0.0 { x / size } else { 0.0 }).collect::<Vec<f64>>()
        };
        let atoms = given.chunks(d).zip(&sizes).map(unit).collect();
        Ok(Self { atoms, sizes, signals, sound: dictionary.first_nonfinite().is_none() })
    }

    /// The signals that are coded.
    pub fn coded(&self) -> impl Iterator<Item = &Signal> {
        self.signals.iter().filter(|signal| signal.finite && self.sound)
    }

    /// x - z D.
    pub fn left(&self, signal: &Signal) -> Vec<f64> {
        let mut left = signal.x.clone();
        for ((atom, size), code) in self.atoms.iter().zip(&self.sizes).zip(&signal.codes).filter(|(_, z)| **z != 0.0) {
            left.iter_mut().zip(atom).for_each(|(left, a)| *left -= code * size * a);
        }
        left
    }

    /// The sum of the magnitudes of the codes of unit atoms, and the signal's norm: what rounding is relative to.
    pub fn scale(&self, signal: &Signal) -> f64 {
        let codes: f64 = signal.codes.iter().zip(&self.sizes).map(|(code, size)| (code * size).abs()).sum();
        codes + norm(&signal.x)
    }
}

impl Signal {
    pub fn steps(&self) -> Vec<usize> {
        self.support[..self.count.min(self.support.len())].iter().map(|&j| j.max(0) as usize).collect()
    }

    pub fn replay(&self, case: &Case, parts: &Parts) -> Option<Replay> {
        replay(&case.pursuit, &parts.atoms, &self.x, &self.steps()).filter(|run| run.distance > 0.0)
    }
}

/// The Euclidean norm.
pub(super) fn norm(x: &[f64]) -> f64 {
    dot(x, x).sqrt()
}
