//! What must hold of products of reflections and of projectors, whatever the rounding.

pub mod product;
pub mod projector;

use tandem_compile::{DType, HostArray};
use tandem_verify::{Matrix, Outcome, Verdict};

type Judged = Result<Verdict, String>;

/// The output `name` as a matrix.
fn output(outcome: &Outcome<f64>, name: &str) -> Result<Matrix, String> {
    let output = outcome.output(name).ok_or(format!("there is no output {name}"))?;
    let (rows, cols) = match *output.shape.as_slice() {
        [rows, cols] => (rows, cols),
        [cols] => (1, cols),
        _ => return Err(format!("{name} has shape {:?}", output.shape)),
    };
    Ok(Matrix { rows, cols, values: outcome.reals(name) })
}

fn matrix(array: &HostArray) -> Result<Matrix, String> {
    Matrix::from_array(array).ok_or("the input is no matrix".into())
}

fn identity(rows: usize, cols: usize) -> Matrix {
    Matrix::from_fn(rows, cols, |i, j| f64::from(u8::from(i == j)))
}

/// The first columns of H(v_1) ... H(v_k), by the definition.
pub(super) fn reflected(v: &Matrix, cols: usize) -> Matrix {
    let mut q = identity(v.rows, cols);
    for l in (0..v.cols).rev() {
        let largest = (0..v.rows).fold(0f64, |m, i| m.max(v.at(i, l).abs()));
        if largest == 0.0 {
            continue;
        }
        let unit: Vec<f64> = (0..v.rows).map(|i| v.at(i, l) / largest).collect();
        let squares: f64 = unit.iter().map(|x| x * x).sum();
        let inner: Vec<f64> = (0..cols).map(|j| (0..v.rows).map(|i| unit[i] * q.at(i, j)).sum()).collect();
        q = Matrix::from_fn(v.rows, cols, |i, j| q.at(i, j) - 2.0 / squares * unit[i] * inner[j]);
    }
    q
}

/// Broken where `found` exceeds `allowed` or is NaN.
fn within(found: f64, allowed: f64, what: &str) -> Verdict {
    Verdict::of(found <= allowed, || format!("{what} is {found:e}; {allowed:e} is allowed"))
}

/// The array with every number multiplied by `factor` of its position, rounded to its dtype.
fn times(array: &HostArray, factor: impl Fn(usize) -> f64) -> HostArray {
    let values = array.to_f64();
    match array.dtype() {
        DType::F64 => HostArray::from_fn(array.shape(), |at| values[at] * factor(at)),
        _ => HostArray::from_fn(array.shape(), |at| (values[at] * factor(at)) as f32),
    }
}
