//! The basis of one layer.

use faer::{Mat, Side};
use tandem_verify::{Decision, Real};

use super::exceeds;
use super::network::{Network, Switches};
use crate::interaction::Lib;
use crate::interaction::moments::CONSTANT_WITHIN;

/// A layer's basis at full width, zero after the kept directions.
pub struct Basis<R> {
    /// C: f^ = f C.
    pub c: Mat<R>,
    /// C+.
    pub c_plus: Mat<R>,
    /// L.
    pub lambda: Vec<R>,
    /// The kept directions.
    pub rank: usize,
    /// What is dropped: columns that give a coordinate, and the rows that give it back.
    pub dropped: Vec<(Vec<R>, Vec<R>)>,
    /// The largest eigenvalue of M over the smallest difference of two that are kept.
    pub condition: f64,
}

/// Kept directions: a column that gives the whitened coordinate, and the row that gives it back. Dropped ones likewise,
/// not whitened.
struct Whitened<R> {
    columns: Vec<Vec<R>>,
    rows: Vec<Vec<R>>,
    dropped: Vec<(Vec<R>, Vec<R>)>,
}

impl<R: Real> Basis<R> {
    /// The basis of layer `l` with activations `f`, for the next layer's C (`None`: as it is).
    pub fn new(
        lib: &Lib,
        network: &Network<R>,
        l: usize,
        f: &Mat<R>,
        next: Option<&Mat<R>>,
        u: f64,
        decisions: &mut Vec<Decision>,
    ) -> Self {
        let threshold = lib.threshold.unwrap_or(if u < 1e-10 { 1e-10 } else { 1e-5 });
        let whitened = match lib.center {
            true => centered(f, threshold, u, decisions),
            false => uncentered(f, threshold, decisions),
        };
        let m = jacobian_gram(network, l, f, next, &whitened);
        Self::rotated(lib, f.ncols(), &whitened, &m, threshold, decisions)
    }

    fn rotated(
        lib: &Lib,
        width: usize,
        whitened: &Whitened<R>,
        m: &Mat<R>,
        threshold: f64,
        decisions: &mut Vec<Decision>,
    ) -> Self {
        let (apart, n) = (usize::from(lib.center), m.nrows());
        let mut basis = Self {
            c: Mat::zeros(width, width),
            c_plus: Mat::zeros(width, width),
            lambda: vec![R::zero(); width],
            rank: 0,
            dropped: whitened.dropped.clone(),
            condition: 1.0,
        };
        if apart == 1 {
            basis.keep(m[(0, 0)], &whitened.columns[0], &whitened.rows[0]);
        }
        let inner = Mat::from_fn(n - apart, n - apart, |i, j| m[(i + apart, j + apart)]);
        let (values, vectors) = eigen(&inner);
        let largest = values.first().copied().unwrap_or(R::zero());
        let mut kept = Vec::new();
        for (k, &value) in values.iter().enumerate() {
            let mix = |parts: &[Vec<R>]| -> Vec<R> {
                let sum = |at: usize| (0..n - apart).fold(R::zero(), |s, i| s + vectors[(i, k)] * parts[i + apart][at]);
                (0..width).map(sum).collect()
            };
            let (column, row) = (mix(&whitened.columns), mix(&whitened.rows));
            if exceeds("jacobians", value, largest * R::from_f64(threshold), largest, decisions) {
                basis.keep(value, &column, &row);
                kept.push(value.to_f64());
            } else {
                basis.dropped.push((column, row));
            }
        }
        let gap = kept.windows(2).map(|pair| pair[0] - pair[1]).fold(f64::INFINITY, f64::min);
        basis.condition = (largest.to_f64() / gap).clamp(1.0, 1e12);
        basis
    }

    fn keep(&mut self, value: R, column: &[R], row: &[R]) {
        let at = self.rank;
        let root = value.sqrt();
        // The sign that makes the entry of largest magnitude positive.
        let mut leading = R::zero();
        for &x in column {
            if x.abs() > leading.abs() {
                leading = x;
            }
        }
        let sign = if leading < R::zero() { -R::one() } else { R::one() };
        if value > R::zero() {
            for i in 0..column.len() {
                self.c[(i, at)] = column[i] * root * sign;
                self.c_plus[(at, i)] = row[i] / root * sign;
            }
        }
        self.lambda[at] = value;
        self.rank += 1;
    }
}

/// Eigenvalues, decreasing, and eigenvectors of a symmetric matrix.
fn eigen<R: Real>(a: &Mat<R>) -> (Vec<R>, Mat<R>) {
    let n = a.nrows();
    let nan = || (vec![R::from_f64(f64::NAN); n], Mat::zeros(n, n));
    if n == 0 {
        return nan();
    }
    match a.self_adjoint_eigen(Side::Lower) {
        Ok(found) => {
            let values = (0..n).map(|i| found.S()[n - 1 - i]).collect();
            (values, Mat::from_fn(n, n, |i, j| found.U()[(i, n - 1 - j)]))
        }
        Err(_) => nan(),
    }
}

/// The largest power of two up to x > 0; 1 of zero.
fn power_of_two<R: Real>(x: R) -> R {
    match f64::from_bits(x.to_f64().to_bits() & 0x7ff0_0000_0000_0000) {
        power if power > 0.0 && power.is_finite() => R::from_f64(power),
        _ => R::one(),
    }
}

fn largest<R: Real>(values: impl Iterator<Item = R>) -> R {
    values.fold(R::zero(), |most, x| most.max(x.abs()))
}

/// The constant direction, and those of the deviations from the mean.
fn centered<R: Real>(f: &Mat<R>, threshold: f64, u: f64, decisions: &mut Vec<Decision>) -> Whitened<R> {
    let (samples, inner) = (f.nrows(), f.ncols() - 1);
    let count = R::from_f64(samples as f64);
    let mean: Vec<R> = (0..inner).map(|j| (0..samples).fold(R::zero(), |s, n| s + f[(n, j)]) / count).collect();
    let unit = power_of_two(largest((0..samples).flat_map(|n| (0..inner).map(move |j| f[(n, j)]))));
    let mut deviation = Mat::from_fn(samples, inner, |n, j| (f[(n, j)] - mean[j]) / unit);
    for j in 0..inner {
        let most = largest((0..samples).map(|n| f[(n, j)])) / unit;
        let square = (0..samples).fold(R::zero(), |s, n| s + deviation[(n, j)] * deviation[(n, j)]) / count;
        let least = most * R::from_f64(CONSTANT_WITHIN * u);
        if !exceeds("constant", square.sqrt(), least, most, decisions) {
            (0..samples).for_each(|n| deviation[(n, j)] = R::zero());
        }
    }
    let constant_row: Vec<R> = mean.iter().copied().chain([R::one()]).collect();
    let constant_column = (0..=inner).map(|j| if j == inner { R::one() } else { R::zero() }).collect();
    let mut whitened = Whitened { columns: vec![constant_column], rows: vec![constant_row], dropped: Vec::new() };
    for (d, direction, is_kept) in directions(&deviation, threshold, decisions) {
        let root = if is_kept { d.sqrt() * unit } else { R::one() };
        let at_mean = direction.iter().zip(&mean).fold(R::zero(), |s, (&v, &m)| s + v * m);
        let column = direction.iter().map(|&v| v / root).chain([-at_mean / root]).collect();
        let row = direction.iter().map(|&v| v * root).chain([R::zero()]).collect();
        whitened.add(column, row, is_kept);
    }
    whitened
}

fn uncentered<R: Real>(f: &Mat<R>, threshold: f64, decisions: &mut Vec<Decision>) -> Whitened<R> {
    let width = f.ncols();
    let unit = power_of_two(largest((0..f.nrows()).flat_map(|n| (0..width).map(move |j| f[(n, j)]))));
    let scaled = Mat::from_fn(f.nrows(), width, |n, j| f[(n, j)] / unit);
    let mut whitened = Whitened { columns: Vec::new(), rows: Vec::new(), dropped: Vec::new() };
    for (d, direction, is_kept) in directions(&scaled, threshold, decisions) {
        let root = if is_kept { d.sqrt() * unit } else { R::one() };
        let column = direction.iter().map(|&v| v / root).collect();
        whitened.add(column, direction.iter().map(|&v| v * root).collect(), is_kept);
    }
    whitened
}

impl<R> Whitened<R> {
    fn add(&mut self, column: Vec<R>, row: Vec<R>, is_kept: bool) {
        if is_kept {
            self.columns.push(column);
            self.rows.push(row);
        } else {
            self.dropped.push((column, row));
        }
    }
}

/// The mean squares along the eigenvectors of the Gram matrix of the rows, these, and whether they are kept.
fn directions<R: Real>(rows: &Mat<R>, threshold: f64, decisions: &mut Vec<Decision>) -> Vec<(R, Vec<R>, bool)> {
    let gram = rows.transpose() * rows;
    let count = R::from_f64(rows.nrows() as f64);
    let gram = Mat::from_fn(gram.nrows(), gram.ncols(), |i, j| gram[(i, j)] / count);
    let (values, vectors) = eigen(&gram);
    let largest = values.first().copied().unwrap_or(R::zero());
    let bound = largest * R::from_f64(threshold);
    let direction = |k: usize| -> Vec<R> { (0..gram.nrows()).map(|j| vectors[(j, k)]).collect() };
    let each = values.into_iter().enumerate();
    each.map(|(k, d)| (d, direction(k), exceeds("activations", d, bound, largest, decisions))).collect()
}

/// M in whitened coordinates, sample by sample.
fn jacobian_gram<R: Real>(
    network: &Network<R>,
    l: usize,
    f: &Mat<R>,
    next: Option<&Mat<R>>,
    whitened: &Whitened<R>,
) -> Mat<R> {
    let n = whitened.rows.len();
    let back = Mat::from_fn(f.ncols(), n, |i, k| whitened.rows[k][i]);
    let count = R::from_f64(f.nrows() as f64);
    let mut m = Mat::<R>::zeros(n, n);
    for sample in 0..f.nrows() {
        let point: Vec<R> = (0..f.ncols()).map(|j| f[(sample, j)]).collect();
        // The forward pass has reported these switches.
        let jacobian = network.jacobian(l, &point, &mut Switches::default());
        let turned = next.map_or_else(|| jacobian.clone(), |c| c.transpose() * &jacobian) * &back;
        m += turned.transpose() * &turned;
    }
    Mat::from_fn(n, n, |i, j| m[(i, j)] / count)
}
