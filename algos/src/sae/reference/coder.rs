//! The SAEs with an encoder of one product on faer, their gradient by hand.
//!
//! With u = x - b, a = relu(u E' + o), z those of a that are kept, e = u - z W, and n samples, the loss is
//! (|e|^2 + l1 sum z) / n. Its slope by a code that is kept and positive is s = (l1 - 2 <e, w>) / n, and 0 by any other; by an
//! atom -2 z' e / n, less its part along the atom, over the atom's norm; by E it is s' u, by o the sum of s, by b minus the sum
//! of 2 e / n and of s E.

use faer::Mat;
use tandem_compile::HostArray;
use tandem_verify::{Decision, Outcome, Output, Real, Values};

use super::{dot, largest, matrix, norm, normalised, row, row_major, through_norm};
use crate::sae::baselines::{Baseline, OUTPUTS};

/// The codes of `x` (`[n, d]`), the loss, and its gradient by dictionary (`[p, d]`), bias (`[d]`), encoder (`[p, d]`) and offset
/// (`[p]`), in this order the inputs.
pub fn explain<R: Real>(baseline: &Baseline, inputs: &[HostArray]) -> Outcome<R> {
    let vector = |array: &HostArray| array.to_f64().into_iter().map(R::from_f64).collect::<Vec<R>>();
    let (x, raw, encoder) = (matrix::<R>(&inputs[0]), matrix::<R>(&inputs[1]), matrix::<R>(&inputs[3]));
    let (bias, offset) = (vector(&inputs[2]), vector(&inputs[4]));
    let (w, norms) = normalised(&raw);
    let (n, d, p) = (x.nrows(), x.ncols(), raw.nrows());
    let u = Mat::from_fn(n, d, |i, at| x[(i, at)] - bias[at]);
    let before = Mat::from_fn(n, p, |i, j| dot(&row(&u, i), &row(&encoder, j)) + offset[j]);
    let sizes = Sizes::of(&u, &encoder, &offset, &norms, baseline);
    let (kept, decisions) = kept(baseline, &before, sizes.code);
    let z = Mat::from_fn(n, p, |i, j| if kept[i * p + j] { before[(i, j)] } else { R::zero() });
    let e = Mat::from_fn(n, d, |i, at| (0..p).fold(u[(i, at)], |left, j| left - z[(i, j)] * w[(j, at)]));

    let (count, two) = (R::from_f64(n as f64), R::from_f64(2.0));
    let price = R::from_f64(baseline.price());
    let s = Mat::from_fn(n, p, |i, j| match z[(i, j)] > R::zero() {
        true => (price - two * dot(&row(&e, i), &row(&w, j))) / count,
        false => R::zero(),
    });
    let sum = |terms: &dyn Fn(usize) -> R, len: usize| (0..len).fold(R::zero(), |sum, i| sum + terms(i));
    let square = sum(&|i| dot(&row(&e, i), &row(&e, i)), n);
    let codes = sum(&|i| sum(&|j| z[(i, j)], p), n);
    let by_atom: Vec<R> = (0..p)
        .flat_map(|j| {
            let by_unit: Vec<R> = (0..d).map(|at| -sum(&|i| z[(i, j)] * e[(i, at)], n) * two / count).collect();
            through_norm(&row(&w, j), &by_unit, norms[j])
        })
        .collect();
    let by_bias = (0..d).map(|at| -sum(&|i| two * e[(i, at)] / count + sum(&|j| s[(i, j)] * encoder[(j, at)], p), n));
    let by_encoder = Mat::from_fn(p, d, |j, at| sum(&|i| s[(i, j)] * u[(i, at)], n));
    let by_offset = (0..p).map(|j| sum(&|i| s[(i, j)], n));
    let entries = [
        (vec![n, p], row_major(&z), sizes.code),
        (vec![], vec![(square + price * codes) / count], sizes.error * sizes.error + baseline.price() * sizes.codes),
        (vec![p, d], by_atom, 2.0 * sizes.code * sizes.error * sizes.inverse_norm),
        (vec![d], by_bias.collect(), 2.0 * sizes.error + p as f64 * sizes.slope * sizes.encoder),
        (vec![p, d], row_major(&by_encoder), sizes.slope * sizes.signal),
        (vec![p], by_offset.collect(), sizes.slope),
    ];
    let named = OUTPUTS.iter().zip(entries);
    let outputs = named
        .map(|(&name, (shape, values, scale))| Output { name, shape, values: Values::Real(values), scale, free: false })
        .collect();
    Outcome { outputs, status: 0, decisions }
}

/// The sizes of what the outputs are summed from.
struct Sizes {
    signal: f64,
    encoder: f64,
    /// One code, and all codes of a sample.
    code: f64,
    codes: f64,
    error: f64,
    slope: f64,
    inverse_norm: f64,
}

impl Sizes {
    fn of<R: Real>(u: &Mat<R>, e: &Mat<R>, offset: &[R], norms: &[Option<R>], baseline: &Baseline) -> Self {
        let rows = |m: &Mat<R>| (0..m.nrows()).map(|i| norm(&row(m, i)).to_f64()).fold(0.0, f64::max);
        let (signal, encoder) = (rows(u), rows(e));
        let code = signal * encoder + largest(offset).to_f64();
        let codes = code * baseline.most_codes(u.nrows(), e.nrows()) as f64;
        let error = signal + codes;
        let inverse = norms.iter().flatten().map(|norm| 1.0 / norm.to_f64()).fold(1.0, f64::max);
        Sizes { signal, encoder, code, codes, error, slope: 2.0 * error + baseline.price(), inverse_norm: inverse }
    }
}

/// Which positive codes are kept, `[n, p]`, and how close that was.
fn kept<R: Real>(baseline: &Baseline, before: &Mat<R>, size: f64) -> (Vec<bool>, Vec<Decision>) {
    let (n, p) = (before.nrows(), before.ncols());
    let all: Vec<R> = row_major(before);
    let relative = |x: R| if size > 0.0 { x.abs().to_f64() / size } else { 0.0 };
    let positive: Vec<bool> = all.iter().map(|&a| a > R::zero()).collect();
    let nearest = all.iter().map(|&a| relative(a)).fold(1.0, f64::min);
    let mut decisions = vec![Decision { kind: "positive", margin: nearest, choice: pattern(&positive) }];
    let groups: Vec<Vec<usize>> = match baseline {
        Baseline::Relu { .. } => return (positive, decisions),
        Baseline::TopK { .. } => (0..n).map(|i| (i * p..(i + 1) * p).collect()).collect(),
        Baseline::FeatureChoice { .. } => (0..p).map(|j| (0..n).map(|i| i * p + j).collect()).collect(),
        Baseline::MutualChoice { .. } => vec![(0..n * p).collect()],
    };
    let mut kept = vec![false; n * p];
    for mut group in groups {
        let most = match *baseline {
            // n k / p, rounded half up.
            Baseline::FeatureChoice { k } => ((n * k) as f64 / p as f64 + 0.5).floor().clamp(1.0, n as f64) as usize,
            Baseline::MutualChoice { k } => n * k,
            Baseline::Relu { .. } | Baseline::TopK { .. } => baseline.most_codes(n, p),
        };
        group.retain(|&at| positive[at]);
        // Stable: of equal ones the first.
        group.sort_by(|&i, &j| all[j].partial_cmp(&all[i]).unwrap_or(std::cmp::Ordering::Equal));
        if group.len() > most {
            let margin = relative(all[group[most - 1]] - all[group[most]]);
            let mut marks = vec![false; n * p];
            group[..most].iter().for_each(|&at| marks[at] = true);
            decisions.push(Decision { kind: "kept", margin, choice: pattern(&marks) });
        }
        group.into_iter().take(most).for_each(|at| kept[at] = true);
    }
    (kept, decisions)
}

/// A number that tells the marks from others.
fn pattern(marks: &[bool]) -> u64 {
    marks.iter().fold(0, |hash: u64, &mark| hash.wrapping_mul(31).wrapping_add(u64::from(mark) + 1))
}
