//! The interpolative decomposition on faer: the farthest columns one after the other, then X = C+ A by singular values.

use faer::Mat;
use tandem_compile::HostArray;
use tandem_verify::status::Status;
use tandem_verify::{Outcome, Output, Real, Values};

use super::OUTPUTS;
use crate::cur::reference::middle::{Spectrum, norm};
use crate::cur::reference::selection::farthest;
use crate::cur::reference::{columns, largest, matrix, power_of_two, row_major};

/// The decomposition of `a` with k columns, with decisions made as in arithmetic of unit roundoff `u`.
pub(super) fn decompose<R: Real>(k: usize, a: &HostArray, u: f64) -> Outcome<R> {
    let (m, n) = (a.shape()[0], a.shape()[1]);
    if a.first_nonfinite().is_some() {
        let nan = |len: usize| Values::Real(vec![R::from_f64(f64::NAN); len]);
        let values = [Values::Index(vec![-1; k]), nan(m * k), nan(k * n), nan(1)];
        return outcome([m, n, k], values, Status::NONFINITE_INPUT, Vec::new());
    }
    let a = matrix::<R>(a);
    let most = largest(a.as_ref());
    let unit = power_of_two(most);
    let scaled = Mat::from_fn(m, n, |i, j| a[(i, j)] / unit);
    let mut decisions = Vec::new();
    let (chosen, missing) = farthest(&scaled, k, m.max(n) as f64 * 2.0 * u, u, &mut decisions);
    let spectrum = Spectrum::of(&columns(&scaled, &chosen), 0.0, u, &mut decisions);
    let middle = spectrum.u.transpose() * &scaled;
    let x = spectrum.divided() * &middle;
    let size = norm(scaled.as_ref());
    let left = norm((&scaled - &spectrum.u * &middle).as_ref());
    let error = if size == R::zero() { size } else { left / size };
    let status = Status::default()
        .with(Status::RANK_DEFICIENT, missing || spectrum.deficient)
        .with(Status::DEGENERATE, most == R::zero());
    let values = [
        Values::Index(chosen.iter().map(|&i| i as i32).collect()),
        Values::Real(row_major(columns(&a, &chosen).as_ref())),
        Values::Real(row_major(x.as_ref())),
        Values::Real(vec![error]),
    ];
    outcome([m, n, k], values, status, decisions)
}

fn outcome<R>(
    [m, n, k]: [usize; 3],
    values: [Values<R>; 4],
    status: Status,
    decisions: Vec<tandem_verify::Decision>,
) -> Outcome<R> {
    let shapes = [vec![k], vec![m, k], vec![k, n], vec![]];
    let output = |((&name, shape), values): ((&&'static str, Vec<usize>), Values<R>)| {
        // The error is a difference of numbers of the size of 1.
        let scale = if name == "relative_error" { 1.0 } else { 0.0 };
        Output { name, shape, values, scale, free: false }
    };
    let outputs = OUTPUTS.iter().zip(shapes).zip(values).map(output).collect();
    Outcome { outputs, status: status.0, decisions }
}
