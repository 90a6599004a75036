//! What must hold of the local interaction basis of a ReLU network, whatever the rounding.

mod parts;
mod reruns;

use tandem_verify::status::Status;
use tandem_verify::{Law, Matrix, Trial, Verdict};

use super::subject::{Case, names};
use parts::{Layer, Parts};

type Judged = Result<Verdict, String>;

/// All of them.
pub fn laws() -> Vec<Law<Case>> {
    vec![
        Law::poison(),
        Law { name: "outputs_of_finite_inputs_are_finite", judge: outputs_of_finite_inputs_are_finite },
        Law { name: "lambda_decreases_to_zero_and_edges_are_not_negative", judge: lambda_and_edges },
        Law { name: "what_is_dropped_is_zero", judge: what_is_dropped_is_zero },
        Law { name: "signs_are_canonical", judge: signs_are_canonical },
        Law { name: "pseudoinverse_is_a_left_inverse", judge: pseudoinverse_is_a_left_inverse },
        Law { name: "whole_basis_is_inverted", judge: whole_basis_is_inverted },
        Law { name: "second_moments_are_lambda", judge: second_moments_are_lambda },
        Law { name: "constant_direction_is_constant_and_others_have_no_mean", judge: constant_direction },
        Law { name: "jacobians_are_white", judge: jacobians_are_white },
        Law { name: "edges_of_a_linear_section_sum_to_lambda", judge: edges_of_a_linear_section },
        Law { name: "edges_are_those_of_the_bases", judge: edges_are_those_of_the_bases },
        Law { name: "degenerate_is_said_of_a_constant_alone", judge: degenerate_is_said },
        Law { name: "order_of_samples_does_not_matter", judge: reruns::order_of_samples },
        Law { name: "scaling_inputs_and_first_weights_is_exact", judge: reruns::scaling_is_exact },
        Law { name: "hidden_units_may_be_permuted_and_rescaled", judge: reruns::hidden_units },
    ]
}

fn outputs_of_finite_inputs_are_finite(trial: &Trial<Case>) -> Judged {
    if !trial.finite() {
        return Ok(Verdict::Idle);
    }
    let layers = trial.case.widths.len() - 1;
    let sound = names(layers).iter().all(|name| trial.outcome.reals(name).iter().all(|x| x.is_finite()));
    let flagged = Status(trial.outcome.status).has(Status::BREAKDOWN);
    Ok(Verdict::of(sound && !flagged, || format!("{:?}", trial.outcome)))
}

/// A law of every node layer.
fn each(trial: &Trial<Case>, judge: impl Fn(&Parts, usize, &Layer) -> Option<String>) -> Judged {
    each_where(trial, |_, _, _| true, judge)
}

/// A law of those node layers that it concerns.
fn each_where(
    trial: &Trial<Case>,
    concerns: impl Fn(&Parts, usize, &Layer) -> bool,
    judge: impl Fn(&Parts, usize, &Layer) -> Option<String>,
) -> Judged {
    let Some(parts) = Parts::of(trial)? else { return Ok(Verdict::Idle) };
    let mut verdict = Verdict::Idle;
    for (l, layer) in parts.layers.iter().enumerate().filter(|(l, layer)| concerns(&parts, *l, layer)) {
        if let Some(reason) = judge(&parts, l, layer) {
            return Ok(Verdict::Broken(format!("layer {l}: {reason}")));
        }
        verdict = Verdict::Holds;
    }
    Ok(verdict)
}

fn lambda_and_edges(trial: &Trial<Case>) -> Judged {
    each(trial, |parts, _, layer| {
        let free = &layer.lambda[parts.apart.min(layer.rank)..layer.rank];
        let ordered = free.windows(2).all(|pair| pair[0] >= pair[1]) && layer.lambda.iter().all(|&x| x >= 0.0);
        let positive = free.iter().all(|&x| x > 0.0) && layer.edges.values.iter().all(|&e| e >= 0.0);
        (!(ordered && positive)).then(|| format!("lambda {:?}, edges {:?}", layer.lambda, layer.edges))
    })
}

fn what_is_dropped_is_zero(trial: &Trial<Case>) -> Judged {
    each(trial, |_, _, layer| {
        let (d, r) = (layer.c.rows, layer.rank);
        let dropped = r..d;
        let zero = |m: &Matrix| m.values.iter().all(|&x| x == 0.0);
        let columns = |m: &Matrix| Matrix::from_fn(m.rows, d - r, |i, j| m.at(i, dropped.start + j));
        let good = r <= d
            && zero(&columns(&layer.c))
            && zero(&columns(&layer.c_plus.t()))
            && zero(&columns(&layer.edges))
            && layer.lambda[r..].iter().all(|&x| x == 0.0);
        (!good).then(|| format!("rank {r}, {layer:?}"))
    })
}

fn signs_are_canonical(trial: &Trial<Case>) -> Judged {
    each(trial, |parts, _, layer| {
        let negative = (0..layer.rank).find(|&j| {
            let column: Vec<f64> = (0..layer.c.rows).map(|i| layer.c.at(i, j)).collect();
            let most = column.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
            let positive = column.iter().copied().fold(0.0, f64::max);
            // Of entries that differ by rounding either may have been the largest.
            positive < most * (1.0 - 16.0 * parts.u)
        });
        negative.map(|j| format!("column {j} of {:?}", layer.c))
    })
}

/// The largest deviation of a matrix from the identity among the first `r`, from row and column `from` on.
fn off_identity(m: &Matrix, from: usize, r: usize) -> f64 {
    let entries = (from..r).flat_map(|i| (from..r).map(move |j| (i, j)));
    entries.map(|(i, j)| (m.at(i, j) - f64::from(u8::from(i == j))).abs()).fold(0.0, f64::max)
}

fn pseudoinverse_is_a_left_inverse(trial: &Trial<Case>) -> Judged {
    each(trial, |parts, _, layer| {
        let product = layer.c_plus.dot(&layer.c);
        // A constant direction on which nothing depends has neither column nor row.
        let from = usize::from(parts.apart == 1 && layer.lambda[0] == 0.0);
        let slack = parts.slack(layer) * layer.condition();
        let off = off_identity(&product, from, layer.rank);
        (!(off <= slack)).then(|| format!("C+ C is off the identity by {off:e}, allowed is {slack:e}"))
    })
}

fn whole_basis_is_inverted(trial: &Trial<Case>) -> Judged {
    let whole = |parts: &Parts, _: usize, layer: &Layer| {
        layer.rank == layer.c.rows && !(parts.apart == 1 && layer.lambda[0] == 0.0)
    };
    each_where(trial, whole, |parts, _, layer| {
        let d = layer.c.rows;
        let slack = parts.slack(layer) * layer.condition() * layer.spread;
        let product = layer.c.dot(&layer.c_plus);
        // In units of the coordinates.
        let own = Matrix::from_fn(d, d, |i, j| product.at(i, j) * layer.unit(i) / layer.unit(j));
        let off = off_identity(&own, 0, d);
        (!(off <= slack)).then(|| format!("C C+ is off the identity by {off:e}, allowed is {slack:e}"))
    })
}

fn second_moments_are_lambda(trial: &Trial<Case>) -> Judged {
    each(trial, |parts, _, layer| {
        let hat = layer.f.dot(&layer.c);
        let moments = hat.t().dot(&hat);
        let n = layer.f.rows as f64;
        let slack = parts.slack(layer) * layer.spread;
        for i in parts.apart..layer.rank {
            for j in parts.apart..layer.rank {
                let size = (layer.lambda[i] * layer.lambda[j]).sqrt();
                let expected = if i == j { layer.lambda[i] } else { 0.0 };
                let off = (moments.at(i, j) / n - expected).abs() / size;
                if !(off <= slack) {
                    return Some(format!("E[f^' f^] at {i}, {j} is off by {off:e} of its size, allowed is {slack:e}"));
                }
            }
        }
        None
    })
}

fn constant_direction(trial: &Trial<Case>) -> Judged {
    let centered = |parts: &Parts, _: usize, _: &Layer| parts.apart > 0;
    each_where(trial, centered, |parts, _, layer| {
        let (hat, n) = (layer.f.dot(&layer.c), layer.f.rows);
        let first = layer.lambda[0].sqrt();
        let still = (0..n).all(|i| (hat.at(i, 0).abs() - first).abs() <= 16.0 * parts.u * first);
        if !still {
            return Some(format!("the first direction is not {first:e} everywhere"));
        }
        for j in 1..layer.rank {
            let mean = (0..n).map(|i| hat.at(i, j)).sum::<f64>() / n as f64;
            // What is subtracted is of the size of the activations.
            let size = (0..layer.c.rows).map(|i| (layer.c.at(i, j) * layer.largest[i]).abs()).sum::<f64>();
            let slack = 4.0 * parts.slack(layer) * size;
            if !(mean.abs() <= slack) {
                return Some(format!("direction {j} has the mean {mean:e}, allowed is {slack:e}"));
            }
        }
        None
    })
}

fn jacobians_are_white(trial: &Trial<Case>) -> Judged {
    let clear =
        |parts: &Parts, l: usize, layer: &Layer| layer.rank > parts.apart && parts.switches_are_clear(l, &layer.f);
    each_where(trial, clear, |parts, l, layer| {
        let mut sum = Matrix::from_fn(layer.c.rows, layer.c.rows, |_, _| 0.0);
        for n in 0..layer.f.rows {
            let turned = parts.turned(l, row(&layer.f, n)).dot(&layer.c_plus.t());
            let square = turned.t().dot(&turned);
            sum.values.iter_mut().zip(&square.values).for_each(|(sum, x)| *sum += x / layer.f.rows as f64);
        }
        let (first, last) = (layer.lambda[parts.apart], layer.lambda[layer.rank - 1]);
        let slack = parts.slack(layer) * layer.spread * (first / last);
        let off = off_identity(&sum, parts.apart, layer.rank);
        (!(off <= slack)).then(|| format!("E[J^' J^] is off the identity by {off:e}, allowed is {slack:e}"))
    })
}

fn edges_of_a_linear_section(trial: &Trial<Case>) -> Judged {
    let last = |parts: &Parts, l: usize, _: &Layer| l + 1 == parts.layers.len();
    each_where(trial, last, |parts, _, layer| {
        let largest = layer.lambda.iter().copied().fold(0.0, f64::max);
        let slack = parts.slack(layer) * layer.spread * largest;
        let off = (0..layer.rank)
            .map(|j| ((0..layer.edges.rows).map(|i| layer.edges.at(i, j)).sum::<f64>() - layer.lambda[j]).abs())
            .fold(0.0, f64::max);
        (!(off <= slack)).then(|| format!("the edges' sums are off lambda by {off:e}, allowed is {slack:e}"))
    })
}

fn edges_are_those_of_the_bases(trial: &Trial<Case>) -> Judged {
    let seen = |layer: &Layer| match layer.rank == layer.c.rows {
        true => layer.f.clone(),
        false => layer.f.dot(&layer.c).dot(&layer.c_plus),
    };
    let clear = |parts: &Parts, l: usize, layer: &Layer| parts.switches_are_clear(l, &seen(layer));
    each_where(trial, clear, |parts, l, layer| {
        let (hat, seen) = (layer.f.dot(&layer.c), seen(layer));
        let mut sum = Matrix::from_fn(layer.edges.rows, layer.edges.cols, |_, _| 0.0);
        for n in 0..seen.rows {
            // Along a f^ no unit switches: the constant shrinks with the rest.
            let turned = parts.turned(l, row(&seen, n)).dot(&layer.c_plus.t());
            for (at, x) in turned.values.iter().enumerate() {
                sum.values[at] += (x * hat.at(n, at % turned.cols)).powi(2) / seen.rows as f64;
            }
        }
        let off = sum.minus(&layer.edges).max_abs();
        let slack = parts.slack(layer) * layer.spread * sum.max_abs();
        (!(off <= slack)).then(|| format!("edges are off by {off:e}, allowed is {slack:e}"))
    })
}

fn degenerate_is_said(trial: &Trial<Case>) -> Judged {
    let Some(parts) = Parts::of(trial)? else { return Ok(Verdict::Idle) };
    let only_constant = parts.layers.iter().any(|layer| layer.rank <= parts.apart);
    let said = Status(trial.outcome.status).has(Status::DEGENERATE);
    Ok(Verdict::of(only_constant == said, || format!("status {}", Status(trial.outcome.status))))
}

fn row(m: &Matrix, i: usize) -> &[f64] {
    &m.values[i * m.cols..(i + 1) * m.cols]
}
