//! The product of the reduction's reflections with a matrix: blocks I - V'TV (compact WY), last panel first.

use tandem_compile::{DType, Tensor, concatenate, fori_loop, iota, number, scalar, zeros};

use super::tridiagonal::Stage;

/// Q x. x: `[size, k]`, with as many rows as the reflections are long.
pub(super) fn turned_back(stages: &[Stage], x: &Tensor) -> Tensor {
    stages.iter().rev().fold(x.clone(), |x, stage| {
        let rows = x.dim(0);
        let trailing = apply(stage, &x.slice(0, stage.offset, rows));
        concatenate(&[&x.slice(0, 0, stage.offset), &trailing], 0)
    })
}

fn apply(stage: &Stage, x: &Tensor) -> Tensor {
    let panels = stage.tau.dim(0);
    let triangles = triangles(stage);
    fori_loop(0, panels as i32, x.clone(), |trip, x| {
        let panel = number(panels as f64 - 1.0, DType::I32) - trip;
        let (v, t) = (stage.vectors.index(0, &panel), triangles.index(0, &panel));
        &x - v.contract(&t.dot(&v.dot(&x)), 0, 0)
    })
}

/// The upper triangular T of every panel, all panels at once, column by column (LAPACK's `larft`).
fn triangles(stage: &Stage) -> Tensor {
    let (panels, width) = (stage.tau.dim(0), stage.tau.dim(1));
    let gram = stage.vectors.matmul(&stage.vectors.transpose([0, 2, 1]));
    let position = iota([width], 0, DType::I32);
    let none = zeros([panels, width, width], gram.dtype());
    fori_loop(0, width as i32, none, |j, t| {
        let tau = stage.tau.index(1, &j).expand_dims(1);
        let above = position.lt(&j).select(gram.index(2, &j), 0.0);
        let product = t.matmul(&above.expand_dims(2)).squeeze(2);
        let column = position.eq(&j).select(&tau, -&tau * product);
        t.dynamic_update_slice(&column.expand_dims(2), &[&scalar(0i32), &scalar(0i32), &j])
    })
}
