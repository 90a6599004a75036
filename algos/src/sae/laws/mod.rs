//! What must hold of the matching-pursuit SAE, whatever the rounding.

use tandem_compile::{DType, HostArray};
use tandem_verify::status::Status;
use tandem_verify::{Law, Matrix, Outcome, Trial, Verdict};

use super::subject::{Case, OUTPUTS};
use super::{MpSae, Selection};

mod baseline;
mod training;

pub use baseline::of_a_baseline;
pub use training::of_a_training;

type Judged = Result<Verdict, String>;

/// The laws of an encoding with its loss and gradient.
pub fn of_a_step() -> Vec<Law<Case>> {
    vec![
        Law { name: "nonfinite_inputs_poison_what_depends_on_them", judge: nonfinite_inputs_poison },
        Law { name: "outputs_of_finite_inputs_are_finite", judge: outputs_of_finite_inputs_are_finite },
        Law { name: "every_step_takes_the_best_atom", judge: every_step_takes_the_best_atom },
        Law { name: "pursuit_stops_for_good", judge: pursuit_stops_for_good },
        Law { name: "reconstruction_is_that_of_the_codes", judge: reconstruction_is_that_of_the_codes },
        Law { name: "energy_is_that_of_codes_and_residual", judge: energy_is_that_of_codes_and_residual },
        Law { name: "loss_is_that_of_the_reconstruction", judge: loss_is_that_of_the_reconstruction },
        Law { name: "gradient_of_an_atom_is_orthogonal_to_it", judge: gradient_of_an_atom_is_orthogonal_to_it },
        Law { name: "unused_atoms_have_no_gradient", judge: unused_atoms_have_no_gradient },
        Law { name: "gradient_by_x_is_orthogonal_to_the_first_atom", judge: gradient_by_x_is_orthogonal },
        Law { name: "bias_has_the_opposite_gradient", judge: bias_has_the_opposite_gradient },
        Law { name: "scaling_the_data_by_powers_of_two_is_exact", judge: scaling_the_data_is_exact },
        Law { name: "scaling_the_atoms_by_powers_of_two_is_exact", judge: scaling_the_atoms_is_exact },
        Law { name: "fewer_steps_are_the_first_ones", judge: fewer_steps_are_the_first_ones },
        Law { name: "samples_are_independent", judge: samples_are_independent },
    ]
}

fn matrix(array: &HostArray) -> Result<Matrix, String> {
    Matrix::from_array(array).ok_or_else(|| format!("{} is no matrix", array.ty()))
}

/// A problem and its result in f64, the atoms with norm 1.
struct Parts {
    /// x - bias.
    signals: Matrix,
    x: Matrix,
    atoms: Matrix,
    values: Matrix,
    support: Vec<i32>,
    reconstruction: Matrix,
    dictionary_gradient: Matrix,
    x_gradient: Matrix,
    loss: f64,
    sae: MpSae,
    u: f64,
}

impl Parts {
    /// `None` where NaN or infinity went in.
    fn of(trial: &Trial<Case>) -> Result<Option<Self>, String> {
        if !trial.finite() {
            return Ok(None);
        }
        let (x, raw) = (matrix(&trial.inputs[0])?, matrix(&trial.inputs[1])?);
        let bias = trial.inputs[2].to_f64();
        let norms: Vec<f64> = (0..raw.rows).map(|j| length(row(&raw, j))).collect();
        let unit = |j: usize, at: usize| if norms[j] == 0.0 { 0.0 } else { raw.at(j, at) / norms[j] };
        let out = |name: &str, rows, cols| Matrix { rows, cols, values: trial.outcome.reals(name) };
        let (n, d, p, k) = (x.rows, x.cols, raw.rows, trial.case.sae.k);
        Ok(Some(Parts {
            signals: Matrix::from_fn(n, d, |i, at| x.at(i, at) - bias[at]),
            atoms: Matrix::from_fn(p, d, unit),
            values: out("values", n, k),
            support: trial.outcome.indices("support"),
            reconstruction: out("reconstruction", n, d),
            dictionary_gradient: out("dictionary_gradient", p, d),
            x_gradient: out("x_gradient", n, d),
            loss: trial.outcome.reals("loss").first().copied().unwrap_or(f64::NAN),
            sae: trial.case.sae,
            u: trial.u(),
            x,
        }))
    }

    /// The steps of a sample: atom and coefficient.
    fn steps(&self, i: usize) -> impl DoubleEndedIterator<Item = (Option<usize>, f64)> + '_ {
        let k = self.values.cols;
        (0..k).map(move |t| (usize::try_from(self.support[i * k + t]).ok(), self.values.at(i, t)))
    }

    /// What rounding may do to a number of the size of sample i: the arithmetic of k steps, and x - bias, which is
    /// rounded on the scale of x.
    fn slack(&self, i: usize) -> f64 {
        let size = length(row(&self.signals, i)) + length(row(&self.x, i));
        16.0 * (self.sae.k + self.x.cols + 4) as f64 * self.u * size
    }
}

fn row(m: &Matrix, i: usize) -> &[f64] {
    &m.values[i * m.cols..(i + 1) * m.cols]
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

fn length(x: &[f64]) -> f64 {
    dot(x, x).sqrt()
}

fn nonfinite_inputs_poison(trial: &Trial<Case>) -> Judged {
    if trial.finite() {
        return Ok(Verdict::Idle);
    }
    let (n, k, d) = (trial.case.n, trial.case.sae.k, trial.case.d);
    let weights = trial.inputs[1..].iter().all(|input| input.first_nonfinite().is_none());
    let x = trial.inputs[0].to_f64();
    let support = trial.outcome.indices("support");
    let (values, reconstruction) = (trial.outcome.reals("values"), trial.outcome.reals("reconstruction"));
    let rows_are_right = (0..n).all(|i| {
        let sound = weights && x[i * d..(i + 1) * d].iter().all(|x| x.is_finite());
        let nan = |v: &[f64], width: usize| v[i * width..(i + 1) * width].iter().all(|x| x.is_nan() != sound);
        nan(&values, k) && nan(&reconstruction, d) && (sound || support[i * k..(i + 1) * k].iter().all(|&j| j == -1))
    });
    let poisoned = OUTPUTS[3..].iter().all(|name| trial.outcome.reals(name).iter().all(|x| x.is_nan()));
    let flagged = Status(trial.outcome.status) == Status::NONFINITE_INPUT;
    Ok(Verdict::of(rows_are_right && poisoned && flagged, || format!("{:?}", trial.outcome)))
}

fn outputs_of_finite_inputs_are_finite(trial: &Trial<Case>) -> Judged {
    if !trial.finite() {
        return Ok(Verdict::Idle);
    }
    let sound = OUTPUTS.iter().all(|name| trial.outcome.reals(name).iter().all(|x| x.is_finite()));
    let flagged = Status(trial.outcome.status).has(Status::BREAKDOWN);
    Ok(Verdict::of(sound && !flagged, || format!("{:?}", trial.outcome)))
}

/// Follows the steps in f64, and finds each the best up to rounding.
fn every_step_takes_the_best_atom(trial: &Trial<Case>) -> Judged {
    let Some(parts) = Parts::of(trial)? else { return Ok(Verdict::Idle) };
    let rank = |c: f64| if parts.sae.selection == Selection::Abs { c.abs() } else { c };
    for i in 0..parts.signals.rows {
        let slack = parts.slack(i);
        let mut r = row(&parts.signals, i).to_vec();
        for (t, (atom, value)) in parts.steps(i).enumerate() {
            let most = (0..parts.atoms.rows).map(|j| rank(dot(row(&parts.atoms, j), &r))).fold(f64::MIN, f64::max);
            let own = match atom {
                Some(j) => dot(row(&parts.atoms, j), &r),
                None => 0.0,
            };
            let relu_stop = atom.is_none() && parts.sae.selection == Selection::Relu;
            let best = if relu_stop { most <= slack } else { rank(own) >= most - slack };
            if !best || (own - value).abs() > slack {
                return Ok(Verdict::Broken(format!(
                    "step {t} of sample {i} takes {atom:?} by {value:e}, whose correlation is {own:e}; the best is {most:e}"
                )));
            }
            if let Some(j) = atom {
                r.iter_mut().zip(row(&parts.atoms, j)).for_each(|(r, a)| *r -= value * a);
            }
        }
    }
    Ok(Verdict::Holds)
}

fn pursuit_stops_for_good(trial: &Trial<Case>) -> Judged {
    let Some(parts) = Parts::of(trial)? else { return Ok(Verdict::Idle) };
    let relu = parts.sae.selection == Selection::Relu;
    let right = (0..parts.signals.rows).all(|i| {
        let steps: Vec<_> = parts.steps(i).collect();
        let stop = steps.iter().position(|(atom, _)| atom.is_none()).unwrap_or(steps.len());
        let before = steps[..stop].iter().all(|(_, c)| *c != 0.0 && (!relu || *c > 0.0));
        before && steps[stop..].iter().all(|(atom, c)| atom.is_none() && *c == 0.0)
    });
    Ok(Verdict::of(right, || format!("support {:?}, values {:?}", parts.support, parts.values.values)))
}

fn reconstruction_is_that_of_the_codes(trial: &Trial<Case>) -> Judged {
    let Some(parts) = Parts::of(trial)? else { return Ok(Verdict::Idle) };
    let bias = trial.inputs[2].to_f64();
    for i in 0..parts.signals.rows {
        let mut sum = bias.clone();
        for (atom, value) in parts.steps(i) {
            if let Some(j) = atom {
                sum.iter_mut().zip(row(&parts.atoms, j)).for_each(|(sum, a)| *sum += value * a);
            }
        }
        let found = row(&parts.reconstruction, i);
        let gap = found.iter().zip(&sum).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
        let slack = parts.slack(i) + 16.0 * parts.u * length(&bias);
        if !(gap <= slack) {
            return Ok(Verdict::Broken(format!("sample {i}: bias and codes make {sum:?}, found {found:?}")));
        }
    }
    Ok(Verdict::Holds)
}

/// What the reconstruction of sample i leaves.
fn residual(parts: &Parts, i: usize) -> Vec<f64> {
    row(&parts.x, i).iter().zip(row(&parts.reconstruction, i)).map(|(x, y)| x - y).collect()
}

fn energy_is_that_of_codes_and_residual(trial: &Trial<Case>) -> Judged {
    let Some(parts) = Parts::of(trial)? else { return Ok(Verdict::Idle) };
    for i in 0..parts.signals.rows {
        let signal = row(&parts.signals, i);
        let rest = residual(&parts, i);
        let codes: f64 = parts.steps(i).map(|(_, c)| c * c).sum();
        let (whole, found) = (dot(signal, signal), codes + dot(&rest, &rest));
        if !((whole - found).abs() <= 4.0 * parts.slack(i) * length(signal)) {
            return Ok(Verdict::Broken(format!("sample {i}: |x - bias|^2 is {whole:e}, the parts' {found:e}")));
        }
    }
    Ok(Verdict::Holds)
}

fn loss_is_that_of_the_reconstruction(trial: &Trial<Case>) -> Judged {
    let Some(parts) = Parts::of(trial)? else { return Ok(Verdict::Idle) };
    let n = parts.signals.rows;
    let each = |i: usize| {
        let rest = residual(&parts, i);
        dot(&rest, &rest)
    };
    let found = (0..n).map(each).sum::<f64>() / n as f64;
    let slack: f64 = (0..n).map(|i| 4.0 * parts.slack(i) * length(row(&parts.signals, i))).sum();
    Ok(Verdict::of((found - parts.loss).abs() <= slack, || {
        format!("the mean square is {found:e}, the loss {:e}; a difference of {slack:e} is allowed", parts.loss)
    }))
}

/// The norm of an atom does not matter.
fn gradient_of_an_atom_is_orthogonal_to_it(trial: &Trial<Case>) -> Judged {
    let Some(parts) = Parts::of(trial)? else { return Ok(Verdict::Idle) };
    let raw = matrix(&trial.inputs[1])?;
    let size: f64 = (0..parts.signals.rows).map(|i| parts.slack(i) * length(row(&parts.signals, i))).sum();
    for j in 0..parts.atoms.rows {
        let found = dot(row(&parts.atoms, j), row(&parts.dictionary_gradient, j));
        let norm = length(row(&raw, j));
        if norm > 0.0 && !(found.abs() * norm <= 4.0 * size) {
            return Ok(Verdict::Broken(format!("the gradient of atom {j} has {found:e} along the atom")));
        }
    }
    Ok(Verdict::Holds)
}

fn unused_atoms_have_no_gradient(trial: &Trial<Case>) -> Judged {
    let Some(parts) = Parts::of(trial)? else { return Ok(Verdict::Idle) };
    let unused = |j: &usize| !parts.support.contains(&(*j as i32));
    let wrong = (0..parts.atoms.rows).filter(unused).find(|&j| length(row(&parts.dictionary_gradient, j)) != 0.0);
    Ok(Verdict::of(wrong.is_none(), || format!("the atom {wrong:?} is not used and has a gradient")))
}

fn gradient_by_x_is_orthogonal(trial: &Trial<Case>) -> Judged {
    let Some(parts) = Parts::of(trial)? else { return Ok(Verdict::Idle) };
    for i in 0..parts.signals.rows {
        let Some((Some(first), _)) = parts.steps(i).next() else { continue };
        let found = dot(row(&parts.atoms, first), row(&parts.x_gradient, i));
        if !(found.abs() <= 2.0 * parts.slack(i)) {
            return Ok(Verdict::Broken(format!("the gradient by sample {i} has {found:e} along its first atom")));
        }
    }
    Ok(Verdict::Holds)
}

fn bias_has_the_opposite_gradient(trial: &Trial<Case>) -> Judged {
    let Some(parts) = Parts::of(trial)? else { return Ok(Verdict::Idle) };
    let bias = trial.outcome.reals("bias_gradient");
    let size: f64 = (0..parts.signals.rows).map(|i| length(row(&parts.x_gradient, i))).sum();
    let gap = |at: usize| (bias[at] + (0..parts.signals.rows).map(|i| parts.x_gradient.at(i, at)).sum::<f64>()).abs();
    let worst = (0..bias.len()).map(gap).fold(0.0, f64::max);
    let slack = 16.0 * parts.u * size;
    Ok(Verdict::of(worst <= slack, || format!("the gradients by bias and x differ by {worst:e}")))
}

/// The array with every number multiplied by a power of two.
fn scaled(array: &HostArray, factor: impl Fn(usize) -> f64) -> HostArray {
    let values = array.to_f64();
    match array.dtype() {
        DType::F64 => HostArray::from_fn(array.shape(), |i| values[i] * factor(i)),
        _ => HostArray::from_fn(array.shape(), |i| (values[i] * factor(i)) as f32),
    }
}

/// Whether each output is the other's times its factor, bit by bit.
fn times(before: &Outcome<f64>, after: &Outcome<f64>, factors: &[(&str, f64)]) -> Result<(), String> {
    for &(name, factor) in factors {
        let (x, y) = (before.reals(name), after.reals(name));
        if x.len() != y.len() || !x.iter().zip(&y).all(|(x, y)| x * factor == *y) {
            return Err(format!("{name} is {x:?} and becomes {y:?}, not {factor} times as much"));
        }
    }
    match before.indices("support") == after.indices("support") {
        true => Ok(()),
        false => Err("the support changes".into()),
    }
}

/// Beyond, squares leave f32's range.
fn moderate(trial: &Trial<Case>) -> bool {
    trial.finite() && trial.case.exponent.abs() <= 40
}

fn scaling_the_data_is_exact(trial: &Trial<Case>) -> Judged {
    if !moderate(trial) {
        return Ok(Verdict::Idle);
    }
    let by = |array| scaled(array, |_| 8.0);
    let inputs = [by(&trial.inputs[0]), trial.inputs[1].clone(), by(&trial.inputs[2])];
    let other = (trial.rerun)(trial.case, &inputs)?;
    let linear = ["values", "reconstruction", "bias_gradient", "x_gradient"].map(|name| (name, 8.0));
    let factors = [&linear[..], &[("loss", 64.0), ("dictionary_gradient", 64.0)]].concat();
    Ok(times(trial.outcome, &other, &factors).map_or_else(Verdict::Broken, |()| Verdict::Holds))
}

fn scaling_the_atoms_is_exact(trial: &Trial<Case>) -> Judged {
    if !moderate(trial) {
        return Ok(Verdict::Idle);
    }
    let d = trial.case.d;
    let unit = |j: usize| 2f64.powi(j as i32 % 3 * 5 - 5);
    let atoms = scaled(&trial.inputs[1], |i| unit(i / d));
    let other = (trial.rerun)(trial.case, &[trial.inputs[0].clone(), atoms, trial.inputs[2].clone()])?;
    let same = ["values", "reconstruction", "loss", "bias_gradient", "x_gradient"].map(|name| (name, 1.0));
    if let Err(reason) = times(trial.outcome, &other, &same) {
        return Ok(Verdict::Broken(reason));
    }
    // The derivative by a zero atom is taken of another function.
    let zero = |j: usize| trial.inputs[1].to_f64()[j * d..(j + 1) * d].iter().all(|&x| x == 0.0);
    let (before, after) = (trial.outcome.reals("dictionary_gradient"), other.reals("dictionary_gradient"));
    let exact = (0..before.len()).all(|i| zero(i / d) || before[i] / unit(i / d) == after[i]);
    Ok(Verdict::of(exact, || "scaling an atom does not scale its gradient inversely".into()))
}

fn fewer_steps_are_the_first_ones(trial: &Trial<Case>) -> Judged {
    let k = trial.case.sae.k;
    // A second program for each of these: some cases suffice.
    if !trial.finite() || k < 2 || trial.case.seed % 4 != 3 {
        return Ok(Verdict::Idle);
    }
    let fewer = Case { sae: trial.case.sae.k(k - 1), ..trial.case.clone() };
    let other = (trial.rerun)(&fewer, trial.inputs)?;
    let (values, support) = (trial.outcome.reals("values"), trial.outcome.indices("support"));
    let (first, first_support) = (other.reals("values"), other.indices("support"));
    let same = (0..trial.case.n).all(|i| {
        (0..k - 1).all(|t| {
            let (whole, part) = (i * k + t, i * (k - 1) + t);
            values[whole] == first[part] && support[whole] == first_support[part]
        })
    });
    Ok(Verdict::of(same, || format!("{k} steps are {values:?}, one less {first:?}")))
}

fn samples_are_independent(trial: &Trial<Case>) -> Judged {
    let Some(parts) = Parts::of(trial)? else { return Ok(Verdict::Idle) };
    // Where two atoms are equally good, rounding decides, and it may differ by place.
    if trial.case.seed % 4 != 2 || trial.case.n < 2 {
        return Ok(Verdict::Idle);
    }
    let (n, d) = (trial.case.n, trial.case.d);
    let values = trial.inputs[0].to_f64();
    let turned = HostArray::from_fn([n, d], |i| values[(n - 1 - i / d) * d + i % d]);
    let turned = turned.cast(trial.dtype).map_err(|e| e.to_string())?;
    let other = (trial.rerun)(trial.case, &[turned, trial.inputs[1].clone(), trial.inputs[2].clone()])?;
    let k = trial.case.sae.k;
    let (support, codes) = (other.indices("support"), other.reals("values"));
    let same = (0..n).all(|i| {
        let there = n - 1 - i;
        (0..k).all(|t| {
            parts.support[i * k + t] == support[there * k + t]
                && (parts.values.at(i, t) - codes[there * k + t]).abs() <= parts.slack(i)
        })
    });
    Ok(Verdict::of(same, || format!("in the opposite order the codes are {codes:?}")))
}
