//! A network and its basis in f64, as laws need them.

use faer::{Mat, Side};
use tandem_compile::HostArray;
use tandem_verify::{Matrix, Trial};

use crate::interaction::subject::Case;

/// A node layer and its basis.
#[derive(Debug)]
pub struct Layer {
    /// The activations, the constant last, `[n, d]`.
    pub f: Matrix,
    /// The largest magnitude of every coordinate.
    pub largest: Vec<f64>,
    pub c: Matrix,
    pub c_plus: Matrix,
    pub lambda: Vec<f64>,
    pub edges: Matrix,
    pub rank: usize,
    /// The largest mean square of a direction over the smallest that counts: by so much whitening enlarges errors.
    pub spread: f64,
}

impl Layer {
    /// The size of coordinate i, 1 of one that is always 0.
    pub fn unit(&self, i: usize) -> f64 {
        if self.largest[i] > 0.0 { self.largest[i] } else { 1.0 }
    }

    /// |C| |C+| with the coordinates in units of their size.
    pub fn condition(&self) -> f64 {
        let scaled = |m: &Matrix, by: &dyn Fn(usize) -> f64| {
            (0..m.values.len()).map(|at| (m.values[at] * by(at / m.cols)).powi(2)).sum::<f64>().sqrt()
        };
        scaled(&self.c, &|i| self.unit(i)) * scaled(&self.c_plus.t(), &|i| 1.0 / self.unit(i))
    }
}

/// All of them, with the network's maps.
pub struct Parts {
    pub layers: Vec<Layer>,
    /// How many directions are apart: 1 with centering, else 0.
    pub apart: usize,
    pub u: f64,
    /// `[out + 1, in + 1]` with the constant folded in, the last one `[out, in + 1]`.
    maps: Vec<Matrix>,
}

impl Parts {
    /// `None` where NaN or infinity went in.
    pub fn of(trial: &Trial<Case>) -> Result<Option<Self>, String> {
        if !trial.finite() {
            return Ok(None);
        }
        let count = trial.case.widths.len() - 1;
        let maps: Vec<Matrix> = (0..count).map(|l| folded(trial.inputs, l)).collect::<Result<_, _>>()?;
        let x = matrix(&trial.inputs[0])?;
        let mut f = Matrix::from_fn(x.rows, x.cols + 1, |i, j| if j < x.cols { x.at(i, j) } else { 1.0 });
        let mut layers = Vec::new();
        for (l, map) in maps.iter().enumerate() {
            let (d, next) = (f.cols, map.rows);
            let after = f.dot(&map.t());
            let out = |name: &str, rows, cols| Matrix { rows, cols, values: trial.outcome.reals(name) };
            let lambda = trial.outcome.reals(&format!("lambda{l}"));
            let rank = trial.outcome.indices(&format!("rank{l}")).first().copied().unwrap_or(0);
            let largest = (0..d).map(|j| (0..f.rows).map(|i| f.at(i, j).abs()).fold(0.0, f64::max)).collect();
            let threshold = trial.case.lib.limit(trial.dtype);
            layers.push(Layer {
                spread: spread(&f, trial.case.lib.center, threshold),
                largest,
                c: out(&format!("c{l}"), d, d),
                c_plus: out(&format!("c{l}_pinv"), d, d),
                edges: out(&format!("edges{l}"), next, d),
                rank: usize::try_from(rank).map_err(|_| format!("rank{l} is {rank}"))?.min(d),
                lambda,
                f,
            });
            f = Matrix::from_fn(after.rows, after.cols, |i, j| after.at(i, j).max(0.0));
        }
        Ok(Some(Parts { layers, apart: usize::from(trial.case.lib.center), u: trial.u(), maps }))
    }

    /// What rounding may do to a number of size 1 that is computed from a layer: its widths' arithmetic.
    pub fn slack(&self, layer: &Layer) -> f64 {
        64.0 * (layer.c.rows + layer.edges.rows) as f64 * self.u
    }

    /// Whether no unit of section `l` is within rounding of switching at these points.
    pub fn switches_are_clear(&self, l: usize, f: &Matrix) -> bool {
        let map = &self.maps[l];
        l + 1 == self.maps.len()
            || (0..f.rows).all(|n| {
                (0..map.rows).all(|i| {
                    let terms = (0..map.cols).map(|j| map.at(i, j) * f.at(n, j));
                    let (z, size) = terms.fold((0.0, 0.0), |(z, size): (f64, f64), t| (z + t, size + t.abs()));
                    size == 0.0 || z.abs() > 4096.0 * self.u * size
                })
            })
    }

    /// The Jacobian of section `l` at `f` to the next layer's coordinates, `[next, own]`.
    pub fn turned(&self, l: usize, f: &[f64]) -> Matrix {
        let map = &self.maps[l];
        if l + 1 == self.maps.len() {
            return map.clone();
        }
        let open: Vec<bool> =
            (0..map.rows).map(|i| (0..map.cols).map(|j| map.at(i, j) * f[j]).sum::<f64>() > 0.0).collect();
        let jacobian = Matrix::from_fn(map.rows, map.cols, |i, j| if open[i] { map.at(i, j) } else { 0.0 });
        self.layers[l + 1].c.t().dot(&jacobian)
    }
}

fn matrix(array: &HostArray) -> Result<Matrix, String> {
    Matrix::from_array(array).ok_or_else(|| format!("{} is no matrix", array.ty()))
}

/// Weights and biases of layer `l` as one map of activations with a constant last.
fn folded(inputs: &[HostArray], l: usize) -> Result<Matrix, String> {
    let (w, b) = (matrix(&inputs[1 + 2 * l])?, inputs[2 + 2 * l].to_f64());
    let rows = w.rows + usize::from(3 + 2 * l < inputs.len());
    Ok(Matrix::from_fn(rows, w.cols + 1, |i, j| match (i < w.rows, j < w.cols) {
        (true, true) => w.at(i, j),
        (true, false) => b[i],
        (false, last) => f64::from(u8::from(!last)),
    }))
}

/// The largest over the smallest kept eigenvalue of the Gram matrix, centered or not; 1 where there is none.
fn spread(f: &Matrix, center: bool, threshold: f64) -> f64 {
    let width = f.cols - usize::from(center);
    let n = f.rows as f64;
    let mean = |j: usize| if center { (0..f.rows).map(|i| f.at(i, j)).sum::<f64>() / n } else { 0.0 };
    let means: Vec<f64> = (0..width).map(mean).collect();
    let entry =
        |i: usize, j: usize| (0..f.rows).map(|k| (f.at(k, i) - means[i]) * (f.at(k, j) - means[j])).sum::<f64>();
    let gram = Mat::from_fn(width, width, |i, j| entry(i, j) / n);
    let Ok(eigen) = gram.self_adjoint_eigen(Side::Lower) else { return f64::INFINITY };
    let largest = eigen.S()[width - 1];
    let kept = (0..width).map(|i| eigen.S()[i]).find(|&d| d > 0.5 * threshold * largest);
    kept.map_or(1.0, |smallest| largest / smallest)
}
