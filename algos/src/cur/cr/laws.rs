//! What must hold of every column-row approximation, whatever the rounding.

use tandem_verify::{Law, Matrix, Trial, Verdict};

use super::Case;

type Judged = Result<Verdict, String>;

/// The laws by name.
pub fn laws() -> Vec<Law<Case>> {
    vec![
        Law::poison(),
        Law { name: "product_is_the_sum_of_the_weighted_terms", judge: product_is_the_sum_of_the_weighted_terms },
        Law { name: "chosen_terms_are_the_largest", judge: chosen_terms_are_the_largest },
        Law { name: "weights_are_inverse_to_the_sizes", judge: weights_are_inverse_to_the_sizes },
        Law { name: "all_terms_make_the_product", judge: all_terms_make_the_product },
    ]
}

/// A, B in units of their largest entries, the sizes of the terms, and what was chosen.
struct Parts {
    a: Matrix,
    b: Matrix,
    units: f64,
    sizes: Vec<f64>,
    index: Vec<usize>,
    weight: Vec<f64>,
}

impl Parts {
    fn of(trial: &Trial<Case>) -> Option<Self> {
        if trial.inputs.iter().any(|input| input.first_nonfinite().is_some()) {
            return None;
        }
        let unit = |m: &Matrix| if m.max_abs() == 0.0 { 1.0 } else { m.max_abs() };
        let (a, b) = (Matrix::from_array(&trial.inputs[0])?, Matrix::from_array(&trial.inputs[1])?);
        let units = unit(&a) * unit(&b);
        let a = Matrix::from_fn(a.rows, a.cols, |i, j| a.at(i, j) / unit(&a));
        let b = Matrix::from_fn(b.rows, b.cols, |i, j| b.at(i, j) / unit(&b));
        let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
        let size = |t: usize| norm(&mut (0..a.rows).map(|i| a.at(i, t))) * norm(&mut (0..b.cols).map(|j| b.at(t, j)));
        let sizes = (0..a.cols).map(size).collect();
        let index = trial.outcome.indices("index").iter().map(|&t| t as usize).collect();
        Some(Self { sizes, units, index, weight: trial.outcome.reals("weight"), a, b })
    }
}

fn product_is_the_sum_of_the_weighted_terms(trial: &Trial<Case>) -> Judged {
    let Some(Parts { a, b, units, sizes, index, weight }) = Parts::of(trial) else {
        return Ok(Verdict::Idle);
    };
    if index.iter().any(|&t| t >= a.cols) {
        return Ok(Verdict::Broken(format!("{index:?}")));
    }
    let chosen = Matrix::from_fn(a.rows, index.len(), |i, j| a.at(i, index[j]) * weight[j]);
    let sum = chosen.dot(&Matrix::from_fn(index.len(), b.cols, |i, j| b.at(index[i], j)));
    let found = Matrix { rows: a.rows, cols: b.cols, values: trial.outcome.reals("product") };
    let found = Matrix::from_fn(a.rows, b.cols, |i, j| found.at(i, j) / units);
    let size: f64 = index.iter().zip(&weight).map(|(&t, w)| sizes[t] * w).sum();
    let (gap, allowed) = (found.minus(&sum).max_abs(), 8.0 * (index.len() + 8) as f64 * trial.u() * size);
    Ok(Verdict::of(gap <= allowed, || format!("the product is {gap:e} off its terms; {allowed:e} is allowed")))
}

fn chosen_terms_are_the_largest(trial: &Trial<Case>) -> Judged {
    let Some(Parts { sizes, index, weight, .. }) = Parts::of(trial).filter(|_| !trial.case.cr.sampled) else {
        return Ok(Verdict::Idle);
    };
    let slack = 64.0 * trial.u() * sizes.iter().copied().fold(0.0, f64::max);
    let falls = index.windows(2).all(|pair| sizes[pair[0]] >= sizes[pair[1]] - slack);
    let least = index.iter().map(|&t| sizes[t]).fold(f64::INFINITY, f64::min);
    let left = (0..sizes.len()).filter(|t| !index.contains(t)).map(|t| sizes[t]).fold(0.0, f64::max);
    let distinct = index.iter().enumerate().all(|(i, t)| !index[..i].contains(t));
    let holds = falls && distinct && left <= least + slack && weight.iter().all(|&w| w == 1.0);
    Ok(Verdict::of(holds, || format!("{index:?} of {sizes:?}, weights {weight:?}")))
}

/// 1 / (count p_t) for draws with probability p_t.
fn weights_are_inverse_to_the_sizes(trial: &Trial<Case>) -> Judged {
    let Some(Parts { sizes, index, weight, .. }) = Parts::of(trial).filter(|_| trial.case.cr.sampled) else {
        return Ok(Verdict::Idle);
    };
    let whole: f64 = sizes.iter().sum();
    if whole == 0.0 {
        return Ok(Verdict::of(weight.iter().all(|&w| w == 1.0), || format!("{weight:?}")));
    }
    let slack = 8.0 * (sizes.len() + 8) as f64 * trial.u();
    let right =
        index.iter().zip(&weight).all(|(&t, w)| (w * sizes[t] * index.len() as f64 / whole - 1.0).abs() <= slack);
    Ok(Verdict::of(right, || format!("terms {index:?} of {sizes:?} have weights {weight:?}")))
}

fn all_terms_make_the_product(trial: &Trial<Case>) -> Judged {
    let all = !trial.case.cr.sampled && trial.case.cr.count == trial.case.a.cols;
    let Some(Parts { a, b, units, sizes, .. }) = Parts::of(trial).filter(|_| all) else {
        return Ok(Verdict::Idle);
    };
    let found = Matrix { rows: a.rows, cols: b.cols, values: trial.outcome.reals("product") };
    let found = Matrix::from_fn(a.rows, b.cols, |i, j| found.at(i, j) / units);
    let gap = found.minus(&a.dot(&b)).max_abs();
    let allowed = 8.0 * (a.cols + 8) as f64 * trial.u() * sizes.iter().sum::<f64>();
    Ok(Verdict::of(gap <= allowed, || format!("all terms are {gap:e} off the product; {allowed:e} is allowed")))
}
