//! What must hold of the SAEs with an encoder of one product, whatever the rounding.

use tandem_verify::{Law, Matrix, Trial, Verdict};

use super::{Judged, dot, length, matrix, row};
use crate::sae::baselines::{Baseline, Case};
use crate::sae::feature_choice::FeatureChoice;

/// The laws of codes, loss and gradient of a baseline.
pub fn of_a_baseline() -> Vec<Law<Case>> {
    vec![
        Law { name: "codes_are_not_negative_and_no_more_than_allowed", judge: codes_are_no_more_than_allowed },
        Law { name: "codes_are_those_of_the_encoder", judge: codes_are_those_of_the_encoder },
        Law { name: "no_larger_code_is_left_out", judge: no_larger_code_is_left_out },
        Law { name: "loss_is_that_of_the_codes", judge: loss_is_that_of_the_codes },
        Law { name: "unused_atoms_have_no_gradient", judge: unused_atoms_have_no_gradient },
        Law { name: "gradient_of_an_atom_is_orthogonal_to_it", judge: gradient_of_an_atom_is_orthogonal_to_it },
    ]
}

/// A problem and its result in f64.
struct Parts {
    /// x - bias.
    signals: Matrix,
    /// Atoms of norm 1, or zeros.
    atoms: Matrix,
    norms: Vec<f64>,
    /// (x - bias) E' + offset.
    before: Matrix,
    codes: Matrix,
    dictionary_gradient: Matrix,
    /// What rounding may do to a code, and to the square of what is left of a sample.
    slack: (f64, f64),
}

impl Parts {
    fn of(trial: &Trial<Case>) -> Result<Self, String> {
        let Case { n, d, p, .. } = *trial.case;
        let (x, raw, encoder) = (matrix(&trial.inputs[0])?, matrix(&trial.inputs[1])?, matrix(&trial.inputs[3])?);
        let (bias, offset) = (trial.inputs[2].to_f64(), trial.inputs[4].to_f64());
        let norms: Vec<f64> = (0..p).map(|j| length(row(&raw, j))).collect();
        let out = |name: &str, rows, cols| Matrix { rows, cols, values: trial.outcome.reals(name) };
        let signals = Matrix::from_fn(n, d, |i, at| x.at(i, at) - bias[at]);
        let codes = out("codes", n, p);
        let longest = |m: &Matrix| (0..m.rows).map(|i| length(row(m, i))).fold(0.0, f64::max);
        let u = 8.0 * (d + p + 4) as f64 * trial.u();
        let size = (longest(&signals) + length(&bias)) * longest(&encoder) + length(&offset);
        let left = longest(&signals) + codes.values.iter().fold(0.0, |sum, z| sum + z.abs());
        Ok(Self {
            before: Matrix::from_fn(n, p, |i, j| dot(row(&signals, i), row(&encoder, j)) + offset[j]),
            atoms: Matrix::from_fn(p, d, |j, at| if norms[j] == 0.0 { 0.0 } else { raw.at(j, at) / norms[j] }),
            dictionary_gradient: out("dictionary_gradient", p, d),
            slack: (u * size, u * left * left),
            signals,
            norms,
            codes,
        })
    }
}

fn codes_are_no_more_than_allowed(trial: &Trial<Case>) -> Judged {
    let Parts { codes, .. } = Parts::of(trial)?;
    let used = |i: usize, j: usize| usize::from(codes.at(i, j) > 0.0);
    let (n, p) = (codes.rows, codes.cols);
    let of_sample = (0..n).map(|i| (0..p).map(|j| used(i, j)).sum::<usize>());
    let fits = match trial.case.baseline {
        Baseline::Relu { .. } => true,
        Baseline::TopK { k } => of_sample.max() <= Some(k),
        Baseline::FeatureChoice { k } => {
            let picks = FeatureChoice { k }.picks(n, p);
            (0..p).all(|j| (0..n).map(|i| used(i, j)).sum::<usize>() <= picks)
        }
        Baseline::MutualChoice { k } => of_sample.sum::<usize>() <= n * k,
    };
    let negative = codes.values.iter().any(|z| !(*z >= 0.0));
    Ok(Verdict::of(fits && !negative, || format!("codes {:?}", codes.values)))
}

fn codes_are_those_of_the_encoder(trial: &Trial<Case>) -> Judged {
    let Parts { codes, before, slack, .. } = Parts::of(trial)?;
    let off = codes.values.iter().zip(&before.values).filter(|(z, _)| **z > 0.0).map(|(z, a)| (z - a).abs());
    let worst = off.fold(0.0, f64::max);
    Ok(Verdict::of(worst <= slack.0, || format!("a code is off by {worst:e}; {:e} is allowed", slack.0)))
}

/// Of codes that compete, none that is left out is larger than one that is kept; and where there is room, all are kept.
fn no_larger_code_is_left_out(trial: &Trial<Case>) -> Judged {
    let Parts { codes, before, slack, .. } = Parts::of(trial)?;
    let (n, p) = (codes.rows, codes.cols);
    let (groups, room): (Vec<Vec<usize>>, usize) = match trial.case.baseline {
        Baseline::Relu { .. } => (vec![(0..n * p).collect()], n * p),
        Baseline::TopK { k } => ((0..n).map(|i| (i * p..(i + 1) * p).collect()).collect(), k),
        Baseline::FeatureChoice { k } => {
            let columns = (0..p).map(|j| (0..n).map(|i| i * p + j).collect());
            (columns.collect(), FeatureChoice { k }.picks(n, p))
        }
        Baseline::MutualChoice { k } => (vec![(0..n * p).collect()], n * k),
    };
    for group in groups {
        let (kept, out): (Vec<usize>, Vec<usize>) = group.into_iter().partition(|&at| codes.values[at] > 0.0);
        let best_out = out.iter().map(|&at| before.values[at]).fold(f64::NEG_INFINITY, f64::max);
        let full = kept.len() >= room.min(kept.len() + out.len());
        let least = if full { kept.iter().map(|&at| before.values[at]).fold(f64::INFINITY, f64::min) } else { 0.0 };
        if best_out > least + 2.0 * slack.0 {
            return Ok(Verdict::Broken(format!("{best_out:e} is left out, {least:e} would do")));
        }
    }
    Ok(Verdict::Holds)
}

fn loss_is_that_of_the_codes(trial: &Trial<Case>) -> Judged {
    let Parts { signals, atoms, codes, slack, .. } = Parts::of(trial)?;
    let left = |i: usize| {
        let decoded = |at: usize| (0..atoms.rows).map(|j| codes.at(i, j) * atoms.at(j, at)).sum::<f64>();
        (0..signals.cols).map(|at| (signals.at(i, at) - decoded(at)).powi(2)).sum::<f64>()
    };
    let n = signals.rows as f64;
    let price = trial.case.baseline.price() * codes.values.iter().sum::<f64>() / n;
    let expected = (0..signals.rows).map(left).sum::<f64>() / n + price;
    let found = trial.outcome.reals("loss").first().copied().unwrap_or(f64::NAN);
    let allowed = slack.1 + 16.0 * trial.u() * (signals.cols + codes.cols) as f64 * price;
    Ok(Verdict::of((found - expected).abs() <= allowed, || format!("loss {found:e}, {expected:e} by the codes")))
}

fn unused_atoms_have_no_gradient(trial: &Trial<Case>) -> Judged {
    let Parts { codes, dictionary_gradient, .. } = Parts::of(trial)?;
    let d = dictionary_gradient.cols;
    let unused = |j: &usize| (0..codes.rows).all(|i| codes.at(i, *j) == 0.0);
    let (by_encoder, by_offset) = (trial.outcome.reals("encoder_gradient"), trial.outcome.reals("offset_gradient"));
    let none = |j: usize| {
        row(&dictionary_gradient, j).iter().chain(&by_encoder[j * d..(j + 1) * d]).all(|g| *g == 0.0)
            && by_offset[j] == 0.0
    };
    let stray = (0..codes.cols).filter(unused).find(|&j| !none(j));
    Ok(Verdict::of(stray.is_none(), || format!("atom {stray:?} is unused and has a gradient")))
}

fn gradient_of_an_atom_is_orthogonal_to_it(trial: &Trial<Case>) -> Judged {
    let Parts { atoms, norms, dictionary_gradient, slack, .. } = Parts::of(trial)?;
    // An atom of zeros has norm 0, and is none.
    let along = |j: usize| dot(row(&atoms, j), row(&dictionary_gradient, j)).abs() * norms[j];
    let worst = (0..atoms.rows).map(along).fold(0.0, f64::max);
    Ok(Verdict::of(worst <= 2.0 * slack.1, || format!("{worst:e} along an atom; {:e} is allowed", 2.0 * slack.1)))
}
