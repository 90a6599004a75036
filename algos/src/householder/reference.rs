//! Both on faer, from the definitions: reflections one by one, and the singular value decomposition with a QR
//! factorization.

use faer::Mat;
use tandem_compile::HostArray;
use tandem_verify::status::Status;
use tandem_verify::{Decision, Outcome, Output, Real, Values};

use super::HouseholderQ;
use super::projector::Projector;
use super::subject::{PRODUCT_OUTPUTS, PROJECTOR_OUTPUTS};

/// The first columns of Q(V), from `v` (`[d, k]`): column by column of the identity through H(v_k), ..., H(v_1).
pub fn product<R: Real>(product: &HouseholderQ, v: &HostArray) -> Outcome<R> {
    let d = v.shape()[0];
    let cols = product.width(d);
    let nothing = v.first_nonfinite().is_some();
    let vectors: Mat<R> = matrix(v);
    let (q, zero) = if nothing {
        (Mat::from_fn(d, cols, |_, _| R::from_f64(f64::NAN)), false)
    } else {
        let mut q = Mat::from_fn(d, cols, |i, j| if i == j { R::one() } else { R::zero() });
        let mut zero = false;
        for j in (0..vectors.ncols()).rev() {
            let vector: Vec<R> = (0..d).map(|i| vectors[(i, j)]).collect();
            zero |= !reflect(&vector, 0, &mut q);
        }
        (q, zero)
    };
    let status = match nothing {
        true => Status::NONFINITE_INPUT,
        false => Status::default().with(Status::DEGENERATE, zero),
    };
    let outputs = vec![output(PRODUCT_OUTPUTS[0], vec![d, cols], row_major(&q), false)];
    Outcome { outputs, status: status.0, decisions: Vec::new() }
}

/// X <- H(v) X for v, whose first element stands in row `first`; false where v is zero and nothing happens.
fn reflect<R: Real>(vector: &[R], first: usize, x: &mut Mat<R>) -> bool {
    let largest = vector.iter().fold(R::zero(), |m, v| m.max(v.abs()));
    if largest == R::zero() {
        return false;
    }
    let unit: Vec<R> = vector.iter().map(|&v| v / largest).collect();
    let squares = unit.iter().fold(R::zero(), |sum, &v| sum + v * v);
    for j in 0..x.ncols() {
        let inner = unit.iter().enumerate().fold(R::zero(), |sum, (i, &v)| sum + v * x[(first + i, j)]);
        let factor = (inner + inner) / squares;
        for (i, &v) in unit.iter().enumerate() {
            x[(first + i, j)] = x[(first + i, j)] - factor * v;
        }
    }
    true
}

/// The projector nearest to `w` (`[m, n]`), its reflectors and distance, with decisions as in arithmetic of unit
/// roundoff `u`.
pub fn nearest<R: Real>(projector: &Projector, w: &HostArray, u: f64) -> Outcome<R> {
    let (m, n, rank) = (w.shape()[0], w.shape()[1], projector.rank);
    let w: Option<Mat<R>> = w.first_nonfinite().is_none().then(|| matrix(w));
    let Some((w, svd)) = w.and_then(|w| Some((w.clone(), Svd::of(&w)?))) else {
        let nan = |len: usize| vec![R::from_f64(f64::NAN); len];
        let sizes = [m * rank, n * rank, rank, m * n, rank * n, 1];
        return outcome(m, n, rank, sizes.map(nan), Status::NONFINITE_INPUT, Vec::new(), 0.0);
    };
    let zero = svd.sigma[0] == R::zero();
    let identity = |d: usize| Mat::from_fn(d, rank, |i, j| if i == j { R::one() } else { R::zero() });
    let (left, right) = if zero { (identity(m), identity(n)) } else { svd.canonical(rank) };
    let p = &left * right.transpose();
    let ((u_vectors, u_signs), (v_vectors, v_signs)) = (reflectors(left), reflectors(right.clone()));
    let s: Vec<R> = u_signs.iter().zip(&v_signs).map(|(&a, &b)| a * b).collect();
    let directions = Mat::from_fn(rank, n, |i, j| right[(j, i)] * v_signs[i]);
    let (distance, size) = (norm(&(&w - &p)), norm(&w).to_f64());
    let (deficient, decisions) = svd.decisions(rank, m.max(n), u);
    let status = Status::default().with(Status::RANK_DEFICIENT, deficient).with(Status::DEGENERATE, zero);
    let values =
        [row_major(&u_vectors), row_major(&v_vectors), s, row_major(&p), row_major(&directions), vec![distance]];
    outcome(m, n, rank, values, status, decisions, size + (rank as f64).sqrt())
}

/// The reflectors and signs hang on the signs of the singular vectors and, of close singular values, on their basis:
/// the laws judge them.
fn outcome<R>(
    m: usize,
    n: usize,
    rank: usize,
    values: [Vec<R>; 6],
    status: Status,
    decisions: Vec<Decision>,
    size: f64,
) -> Outcome<R> {
    let shapes = [vec![m, rank], vec![n, rank], vec![rank], vec![m, n], vec![rank, n], vec![]];
    let free = [true, true, true, false, true, false];
    let outputs = PROJECTOR_OUTPUTS.iter().zip(shapes).zip(values).zip(free).map(|(((name, shape), values), free)| {
        let scale = if *name == "distance" { size } else { 0.0 };
        Output { scale, ..output(name, shape, values, free) }
    });
    Outcome { outputs: outputs.collect(), status: status.0, decisions }
}

fn output<R>(name: &'static str, shape: Vec<usize>, values: Vec<R>, free: bool) -> Output<R> {
    Output { name, shape, values: Values::Real(values), scale: 0.0, free }
}

struct Svd<R> {
    u: Mat<R>,
    sigma: Vec<R>,
    v: Mat<R>,
}

impl<R: Real> Svd<R> {
    fn of(w: &Mat<R>) -> Option<Self> {
        let largest = largest(w);
        let unit = if largest == R::zero() { R::one() } else { largest };
        let svd = Mat::from_fn(w.nrows(), w.ncols(), |i, j| w[(i, j)] / unit).thin_svd().ok()?;
        let sigma = (0..w.nrows().min(w.ncols())).map(|i| svd.S()[i] * unit).collect();
        Some(Self { u: svd.U().to_owned(), sigma, v: svd.V().to_owned() })
    }

    /// The first singular vectors, those on the left with their largest element positive.
    fn canonical(&self, rank: usize) -> (Mat<R>, Mat<R>) {
        let sign = |j: usize| {
            let first_largest = (0..self.u.nrows())
                .reduce(|best, i| if self.u[(i, j)].abs() > self.u[(best, j)].abs() { i } else { best });
            first_largest.map_or(R::one(), |i| if self.u[(i, j)] < R::zero() { -R::one() } else { R::one() })
        };
        let signed = |x: &Mat<R>| Mat::from_fn(x.nrows(), rank, |i, j| x[(i, j)] * sign(j));
        (signed(&self.u), signed(&self.v))
    }

    /// Whether fewer singular values than `rank` are above rounding, and what that and the projector hang on.
    fn decisions(&self, rank: usize, size: usize, u: f64) -> (bool, Vec<Decision>) {
        let sigma: Vec<f64> = self.sigma.iter().map(|s| s.to_f64()).collect();
        let limit = 2.0 * u * size as f64 * sigma[0];
        let deficient = !(sigma[rank - 1] > limit);
        let margin = |gap: f64| if sigma[0] == 0.0 { 1.0 } else { gap.abs() / sigma[0] };
        let mut decisions =
            vec![Decision { kind: "rank", margin: margin(sigma[rank - 1] - limit), choice: u64::from(deficient) }];
        // Which vectors belong to the N largest values; where all do, only their being zero matters.
        let next = sigma.get(rank).copied().unwrap_or(0.0);
        decisions.push(Decision { kind: "gap", margin: margin(sigma[rank - 1] - next), choice: 0 });
        (deficient, decisions)
    }
}

/// Householder's QR factorization of orthonormal columns, of which R is diag(signs): the reflectors and the signs.
fn reflectors<R: Real>(mut x: Mat<R>) -> (Mat<R>, Vec<R>) {
    let (d, r) = (x.nrows(), x.ncols());
    let mut vectors = Mat::<R>::zeros(d, r);
    let mut signs = Vec::new();
    for j in 0..r {
        let column: Vec<R> = (j..d).map(|i| x[(i, j)]).collect();
        let tail = column[1..].iter().fold(R::zero(), |m, v| m.max(v.abs()));
        if tail > R::zero() {
            let length = column.iter().fold(R::zero(), |sum, &v| sum + v * v).sqrt();
            let first = if column[0] < R::zero() { column[0] - length } else { column[0] + length };
            let vector: Vec<R> =
                column.iter().enumerate().map(|(i, &v)| if i == 0 { R::one() } else { v / first }).collect();
            reflect(&vector, j, &mut x);
            vector.iter().enumerate().for_each(|(i, &v)| vectors[(j + i, j)] = v);
        }
        signs.push(if x[(j, j)] < R::zero() { -R::one() } else { R::one() });
    }
    (vectors, signs)
}

fn largest<R: Real>(x: &Mat<R>) -> R {
    (0..x.ncols()).flat_map(|j| (0..x.nrows()).map(move |i| (i, j))).fold(R::zero(), |m, at| m.max(x[at].abs()))
}

/// The Frobenius norm.
fn norm<R: Real>(x: &Mat<R>) -> R {
    let unit = largest(x);
    if unit == R::zero() {
        return unit;
    }
    let squares = (0..x.ncols()).flat_map(|j| (0..x.nrows()).map(move |i| (i, j))).fold(R::zero(), |sum, at| {
        let element = x[at] / unit;
        sum + element * element
    });
    squares.sqrt() * unit
}

fn matrix<R: Real>(array: &HostArray) -> Mat<R> {
    let (values, cols) = (array.to_f64(), array.shape()[1]);
    Mat::from_fn(array.shape()[0], cols, |i, j| R::from_f64(values[i * cols + j]))
}

fn row_major<R: Real>(x: &Mat<R>) -> Vec<R> {
    (0..x.nrows()).flat_map(|i| (0..x.ncols()).map(move |j| x[(i, j)])).collect()
}

/// The gradient by V `[d, k]` (row-major) of sum(Q(V)[:, :cols] o M) for M `[d, cols]`, by the rule for one reflection:
/// with Y = H(v) X, G the gradient by Y, and c = v'v it is -(2 / c) [G X'v + X G'v] + (4 / c^2) (v'X G'v) v. What a
/// reflection was applied to is found by reflecting once more.
pub fn gradient<R: Real>(v: &HostArray, m: &HostArray) -> Vec<R> {
    let (v, mut g): (Mat<R>, Mat<R>) = (matrix(v), matrix(m));
    let (d, k, cols) = (v.nrows(), v.ncols(), g.ncols());
    let column = |j: usize| -> Vec<R> { (0..d).map(|i| v[(i, j)]).collect() };
    let mut x = Mat::from_fn(d, cols, |i, j| if i == j { R::one() } else { R::zero() });
    (0..k).rev().for_each(|j| {
        reflect(&column(j), 0, &mut x);
    });
    let mut found = Mat::<R>::zeros(d, k);
    for j in 0..k {
        let vector = column(j);
        let squares = vector.iter().fold(R::zero(), |sum, &v| sum + v * v);
        if !reflect(&vector, 0, &mut x) {
            continue;
        }
        let along = |m: &Mat<R>| -> Vec<R> {
            (0..cols).map(|c| (0..d).fold(R::zero(), |sum, i| sum + m[(i, c)] * vector[i])).collect()
        };
        let (xv, gv) = (along(&x), along(&g));
        let inner = xv.iter().zip(&gv).fold(R::zero(), |sum, (&a, &b)| sum + a * b);
        let two = R::from_f64(2.0) / squares;
        for i in 0..d {
            let products = (0..cols).fold(R::zero(), |sum, c| sum + g[(i, c)] * xv[c] + x[(i, c)] * gv[c]);
            found[(i, j)] = two * two * inner * vector[i] - two * products;
        }
        reflect(&vector, 0, &mut g);
    }
    row_major(&found)
}
