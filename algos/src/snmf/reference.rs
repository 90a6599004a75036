//! Semi-NMF on faer, from the mathematics in [`super`]: F is `[d, k]`, G is `[n, k]`, as the papers write them.

use faer::Mat;
use faer::linalg::solvers::Solve;
use tandem_compile::HostArray;
use tandem_verify::{Decision, Outcome, Output, Real, Values};

use super::subject::OUTPUTS;
use super::transform::{self, Transform};
use super::{Init, Snmf, start};
use tandem_verify::status::Status;

/// The factorization of `a` (`[d, n]`) from `y0` (`[k, n]`) or the start that the parameters name, with decisions made
/// as in arithmetic of unit roundoff `u` (see [`Snmf::check`] for the parameters' ranges).
pub fn factorize<R: Real>(snmf: &Snmf, a: &HostArray, y0: Option<&HostArray>, u: f64) -> Outcome<R> {
    let nonfinite = a.first_nonfinite().is_some() || y0.is_some_and(|y0| y0.first_nonfinite().is_some());
    if nonfinite {
        return nothing(snmf, a.shape()[0], a.shape()[1]);
    }
    let a = matrix::<R>(a);
    // Scaled so that squares stay in range.
    let unit = power_of_two(largest(&a));
    let a = Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)] / unit);
    let mut decisions = Vec::new();
    let g = match y0 {
        Some(y0) => matrix::<R>(y0).transpose().to_owned(),
        None => match snmf.init {
            Init::Random => start::random(snmf.k, a.ncols(), snmf.seed),
            Init::Kmeans => kmeans(&a, snmf.k, snmf.seed, &mut decisions),
            Init::Svd => start::svd(&a, snmf.k),
        },
    };
    Run { snmf, a: &a, unit, u, decisions, deficient: false }.run(g)
}

/// What a NaN or an infinity among the inputs gives.
fn nothing<R: Real>(snmf: &Snmf, d: usize, n: usize) -> Outcome<R> {
    let nan = |shape: &[usize]| (shape.to_vec(), Values::Real(vec![R::from_f64(f64::NAN); shape.iter().product()]));
    outcome(
        [
            nan(&[d, snmf.k]),
            nan(&[snmf.k, n]),
            nan(&[snmf.iters]),
            (vec![], Values::Index(vec![0])),
            (vec![snmf.k, snmf.top], Values::Index(vec![-1; snmf.k * snmf.top])),
        ],
        Status::NONFINITE_INPUT,
        Vec::new(),
        0.0,
    )
}

fn outcome<R>(
    values: [(Vec<usize>, Values<R>); 5],
    status: Status,
    decisions: Vec<Decision>,
    squared_norm: f64,
) -> Outcome<R> {
    let outputs = OUTPUTS
        .iter()
        .zip(values)
        .map(|(&name, (shape, values))| {
            let scale = if name == "loss" { squared_norm } else { 0.0 };
            Output { name, shape, values, scale, free: false }
        })
        .collect();
    Outcome { outputs, status: status.0, decisions }
}

struct Run<'a, R: Real> {
    snmf: &'a Snmf,
    /// A in units of `unit`.
    a: &'a Mat<R>,
    unit: R,
    u: f64,
    decisions: Vec<Decision>,
    deficient: bool,
}

impl<R: Real> Run<'_, R> {
    fn run(mut self, mut g: Mat<R>) -> Outcome<R> {
        let mut f = self.least_squares(&g);
        let mut best = (f.clone(), g.clone());
        let mut losses: Vec<R> = Vec::new();
        // Options, not infinities: products with a double-double infinity are NaN.
        let (mut least, mut bar, mut stale): (Option<R>, Option<R>, usize) = (None, None, 0);
        let norm = squared_norm(self.a).to_f64();
        while losses.len() < self.snmf.iters && (self.snmf.patience == 0 || stale < self.snmf.patience) {
            if !losses.is_empty() {
                f = self.least_squares(&g);
            }
            self.keep_winners(&mut f);
            update(self.a, &f, &mut g);
            let loss = squared_norm(&(self.a - &f * g.transpose()));
            let number = !loss.to_f64().is_nan();
            if least.map_or(number, |least| self.decide(loss, least, norm)) {
                (least, best) = (Some(loss), (f.clone(), g.clone()));
            }
            let target = bar.map(|bar| bar * R::from_f64(1.0 - self.snmf.tol));
            let improved = match target {
                Some(target) if self.snmf.patience > 0 => self.decide(loss, target, norm),
                Some(target) => loss < target,
                None => number,
            };
            (bar, stale) = if improved { (Some(loss), 0) } else { (bar, stale + 1) };
            losses.push(loss);
        }
        if !losses.is_empty() && least.is_none() {
            best.0.fill(R::from_f64(f64::NAN));
            best.1.fill(R::from_f64(f64::NAN));
        }
        let stopped = self.snmf.patience == 0 || self.snmf.iters == 0 || stale >= self.snmf.patience;
        self.finish(best, losses, norm, stopped)
    }

    /// `loss < target`, with how close that was on the scale of |A|^2.
    fn decide(&mut self, loss: R, target: R, norm: f64) -> bool {
        let less = loss < target;
        let gap = (loss.to_f64() - target.to_f64()).abs();
        let margin = if gap == 0.0 || norm == 0.0 { 0.0 } else { (gap / norm).min(1.0) };
        self.decisions.push(Decision { kind: "loss", margin, choice: u64::from(less) });
        less
    }

    /// F = A G (G'G)^-1.
    fn least_squares(&mut self, g: &Mat<R>) -> Mat<R> {
        let k = g.ncols();
        let norms: Vec<R> = (0..k).map(|j| power_of_two(squared_norm(&g.subcols(j, 1).to_owned()).sqrt())).collect();
        let unit = Mat::from_fn(g.nrows(), k, |i, j| g[(i, j)] / norms[j]);
        let mut gram = unit.transpose() * &unit;
        let rhs = self.a * &unit;
        let largest = (0..k).map(|j| gram[(j, j)]).fold(R::zero(), R::max);
        let smallest_pivot = smallest_pivot(&gram);
        let threshold = largest * R::from_f64(k as f64 * self.u);
        let singular = !(smallest_pivot > threshold);
        let margin = ((smallest_pivot - threshold) / largest).to_f64().abs();
        self.decisions.push(Decision { kind: "rank", margin, choice: u64::from(singular) });
        if singular {
            self.deficient = true;
            let trace = (0..k).map(|j| gram[(j, j)]).fold(R::zero(), |sum, x| sum + x);
            let ridge = if trace == R::zero() { R::one() } else { trace * R::from_f64(self.u) };
            for j in 0..k {
                gram[(j, j)] = gram[(j, j)] + ridge;
            }
        }
        // (G'G) F' = (A G)', solved through a factorization with pivoting, which needs no definiteness.
        let solution = gram.partial_piv_lu().solve(rhs.transpose());
        let f = Mat::from_fn(rhs.nrows(), k, |i, j| solution[(j, i)] / norms[j]);
        if singular { average_equals(&f, g) } else { f }
    }

    /// Keeps the largest entries of each column, of equal ones the first.
    fn keep_winners(&mut self, f: &mut Mat<R>) {
        let d = f.nrows();
        let kept = self.snmf.kept(d);
        if kept == d {
            return;
        }
        for j in 0..f.ncols() {
            let mut order: Vec<usize> = (0..d).collect();
            order.sort_by(|&p, &q| descending(f[(p, j)].abs(), f[(q, j)].abs()));
            let (last, next) = (f[(order[kept - 1], j)].abs(), f[(order[kept], j)].abs());
            let top = f[(order[0], j)].abs();
            let margin = if top > R::zero() { ((last - next) / top).to_f64() } else { 1.0 };
            order[..kept].sort_unstable();
            let choice = order[..kept].iter().fold(0u64, |hash, &i| hash.wrapping_mul(31).wrapping_add(i as u64 + 1));
            self.decisions.push(Decision { kind: "winners", margin, choice });
            for &i in &order[kept..] {
                f[(i, j)] = R::zero();
            }
        }
    }

    fn finish(self, (f, g): (Mat<R>, Mat<R>), mut losses: Vec<R>, norm: f64, stopped: bool) -> Outcome<R> {
        let Run { snmf, unit, mut decisions, deficient, .. } = self;
        let iterations = losses.len();
        let f = Mat::from_fn(f.nrows(), f.ncols(), |i, j| f[(i, j)] * unit);
        losses.iter_mut().for_each(|loss| *loss = *loss * unit * unit);
        let last = losses.last().copied().unwrap_or(R::zero());
        losses.resize(snmf.iters, last);
        let top_index = top_users(&g, snmf.top, &mut decisions);
        let finite = |m: &Mat<R>| (0..m.ncols()).all(|j| (0..m.nrows()).all(|i| m[(i, j)].to_f64().is_finite()));
        let sound = finite(&f) && finite(&g) && losses.iter().all(|x| x.to_f64().is_finite());
        let status = Status::default()
            .with(Status::NOT_CONVERGED, !stopped)
            .with(Status::RANK_DEFICIENT, deficient)
            .with(Status::DEGENERATE, norm == 0.0)
            .with(Status::BREAKDOWN, !sound);
        outcome(
            [
                (vec![f.nrows(), f.ncols()], Values::Real(row_major(&f))),
                (vec![g.ncols(), g.nrows()], Values::Real(row_major(&g.transpose().to_owned()))),
                (vec![snmf.iters], Values::Real(losses)),
                (vec![], Values::Index(vec![iterations as i32])),
                (vec![snmf.k, snmf.top], Values::Index(top_index)),
            ],
            status,
            decisions,
            norm * unit.to_f64() * unit.to_f64(),
        )
    }
}

/// G_ij <- G_ij sqrt((P+ + G Q-)_ij / (P- + G Q+)_ij).
fn update<R: Real>(a: &Mat<R>, f: &Mat<R>, g: &mut Mat<R>) {
    let p = a.transpose() * f;
    let q = f.transpose() * f;
    let part = |x: R| if x > R::zero() { x } else { R::zero() };
    let positive = Mat::from_fn(q.nrows(), q.ncols(), |i, j| part(q[(i, j)]));
    let negative = Mat::from_fn(q.nrows(), q.ncols(), |i, j| part(-q[(i, j)]));
    let (with_positive, with_negative) = (&*g * &positive, &*g * &negative);
    for j in 0..g.ncols() {
        for i in 0..g.nrows() {
            let up = part(p[(i, j)]) + with_negative[(i, j)];
            let down = part(-p[(i, j)]) + with_positive[(i, j)];
            // A zero stays one, and 0/0 keeps the entry.
            if g[(i, j)] == R::zero() || (up == R::zero() && down == R::zero()) {
                continue;
            }
            g[(i, j)] = g[(i, j)] * (up / down.max(R::min_positive())).sqrt();
        }
    }
}

/// The uses Y of fixed features `z` (`[d, k]`) by the samples `a` (`[d, n]`), from equal uses in units of the data.
pub fn transform<R: Real>(transform: &Transform, a: &HostArray, z: &HostArray) -> Outcome<R> {
    let (n, k, iters) = (a.shape()[1], z.shape()[1], transform.iters);
    if a.first_nonfinite().or(z.first_nonfinite()).is_some() {
        let nan = |len: usize| Values::Real(vec![R::from_f64(f64::NAN); len]);
        return uses((n, k, iters), nan(k * n), nan(iters), Status::NONFINITE_INPUT, 0.0);
    }
    let (a, f) = (matrix::<R>(a), matrix::<R>(z));
    let unit = power_of_two(largest(&a));
    let feature_units: Vec<R> = (0..k).map(|j| power_of_two(largest(&f.subcols(j, 1).to_owned()))).collect();
    let a = Mat::from_fn(a.nrows(), n, |i, j| a[(i, j)] / unit);
    let f = Mat::from_fn(f.nrows(), k, |i, j| f[(i, j)] / feature_units[j]);
    let mut g = Mat::from_fn(n, k, |_, _| R::one());
    let mut losses = Vec::with_capacity(iters);
    for _ in 0..iters {
        update(&a, &f, &mut g);
        losses.push(squared_norm(&(&a - &f * g.transpose())) * unit * unit);
    }
    let y: Vec<R> =
        (0..k).flat_map(|j| (0..n).map(move |i| (i, j))).map(|at| g[at] * unit / feature_units[at.1]).collect();
    let sound = y.iter().chain(&losses).all(|x| x.to_f64().is_finite());
    let degenerate = squared_norm(&a) == R::zero() || squared_norm(&f) == R::zero();
    let status = Status::default().with(Status::DEGENERATE, degenerate).with(Status::BREAKDOWN, !sound);
    let norm = (squared_norm(&a) * unit * unit).to_f64();
    uses((n, k, iters), Values::Real(y), Values::Real(losses), status, norm)
}

fn uses<R>(
    (n, k, iters): (usize, usize, usize),
    y: Values<R>,
    loss: Values<R>,
    status: Status,
    norm: f64,
) -> Outcome<R> {
    let [y_name, loss_name] = transform::OUTPUTS;
    let outputs = vec![
        Output { name: y_name, shape: vec![k, n], values: y, scale: 0.0, free: false },
        Output { name: loss_name, shape: vec![iters], values: loss, scale: norm, free: false },
    ];
    Outcome { outputs, status: status.0, decisions: Vec::new() }
}

/// Per feature the samples in order of decreasing use, -1 where there are none left.
fn top_users<R: Real>(g: &Mat<R>, top: usize, decisions: &mut Vec<Decision>) -> Vec<i32> {
    let mut leaders = Vec::with_capacity(g.ncols() * top);
    for j in 0..g.ncols() {
        let mut order: Vec<usize> = (0..g.nrows()).collect();
        order.sort_by(|&p, &q| descending(g[(p, j)], g[(q, j)]));
        let uses: Vec<R> = order.iter().map(|&i| g[(i, j)]).collect();
        decisions.extend(gaps("top_index", &uses, &order).take(top));
        leaders.extend((0..top).map(|rank| order.get(rank).map_or(-1, |&i| i as i32)));
    }
    leaders
}

/// The decisions of an order: each value before the next, relative to the largest. Equal values are no decision, the
/// lower index stands first.
fn gaps<R: Real>(kind: &'static str, sorted: &[R], order: &[usize]) -> impl Iterator<Item = Decision> {
    let largest = sorted.first().map_or(R::one(), |x| x.abs());
    sorted.windows(2).zip(order).map(move |(pair, &choice)| {
        let gap = ((pair[0] - pair[1]) / largest).to_f64();
        let margin = if pair[0] == pair[1] { 1.0 } else { gap };
        Decision { kind, margin, choice: choice as u64 }
    })
}

/// The smallest pivot of Cholesky's factorization; NaN or negative where it fails.
fn smallest_pivot<R: Real>(gram: &Mat<R>) -> R {
    let mut schur = gram.clone();
    let mut smallest = R::infinity();
    for j in 0..schur.nrows() {
        let pivot = schur[(j, j)];
        if !(pivot >= smallest) {
            smallest = pivot;
        }
        if !(pivot > R::zero()) {
            break;
        }
        for col in j + 1..schur.ncols() {
            let factor = schur[(j, col)] / pivot;
            for row in j + 1..schur.nrows() {
                schur[(row, col)] = schur[(row, col)] - schur[(row, j)] * factor;
            }
        }
    }
    smallest
}

/// Equal columns of G get the mean of their columns of F.
fn average_equals<R: Real>(f: &Mat<R>, g: &Mat<R>) -> Mat<R> {
    let equal = |i: usize, j: usize| (0..g.nrows()).all(|row| g[(row, i)] == g[(row, j)]);
    let classes: Vec<Vec<usize>> =
        (0..g.ncols()).map(|j| (0..g.ncols()).filter(|&i| i == j || equal(i, j)).collect()).collect();
    Mat::from_fn(f.nrows(), f.ncols(), |row, j| {
        let sum = classes[j].iter().fold(R::zero(), |sum, &i| sum + f[(row, i)]);
        sum / R::from_f64(classes[j].len() as f64)
    })
}

/// Lloyd's k-means on the columns of A; the indicator of its clusters, lifted.
fn kmeans<R: Real>(a: &Mat<R>, k: usize, seed: u64, decisions: &mut Vec<Decision>) -> Mat<R> {
    let (d, n) = (a.nrows(), a.ncols());
    let order = start::permutation(seed, n);
    let mut centres = Mat::from_fn(d, k, |i, j| a[(i, order[j % n])]);
    for _ in 0..Init::LLOYD_ROUNDS {
        let (labels, nearest) = assign(a, &centres, decisions);
        let mut farthest: Vec<usize> = (0..n).collect();
        farthest.sort_by(|&p, &q| descending(nearest[p], nearest[q]));
        let empty = (0..k).filter(|j| !labels.contains(j)).count();
        let distances: Vec<R> = farthest.iter().map(|&i| nearest[i]).collect();
        decisions.extend(gaps("strays", &distances, &farthest).take(empty));
        let mut strays = farthest.into_iter();
        let mut last_stray = 0;
        for j in 0..k {
            let members: Vec<usize> = (0..n).filter(|&i| labels[i] == j).collect();
            if members.is_empty() {
                last_stray = strays.next().unwrap_or(last_stray);
            }
            for i in 0..d {
                centres[(i, j)] = match members.len() {
                    0 => a[(i, last_stray)],
                    size => members.iter().fold(R::zero(), |sum, &s| sum + a[(i, s)]) / R::from_f64(size as f64),
                };
            }
        }
    }
    let (labels, _) = assign(a, &centres, decisions);
    let lift = R::from_f64(Init::INDICATOR_LIFT);
    Mat::from_fn(n, k, |i, j| if labels[i] == j { R::one() + lift } else { lift })
}

/// Each sample's nearest centre, the first of equals, and its squared distance.
fn assign<R: Real>(a: &Mat<R>, centres: &Mat<R>, decisions: &mut Vec<Decision>) -> (Vec<usize>, Vec<R>) {
    let spread = spread(a);
    (0..a.ncols())
        .map(|sample| {
            let distance = |j: usize| {
                (0..a.nrows()).fold(R::zero(), |sum, i| {
                    let gap = a[(i, sample)] - centres[(i, j)];
                    sum + gap * gap
                })
            };
            let distances: Vec<R> = (0..centres.ncols()).map(distance).collect();
            let mut order: Vec<usize> = (0..distances.len()).collect();
            order.sort_by(|&p, &q| descending(distances[q], distances[p]).then(p.cmp(&q)));
            let (first, second) = (order[0], order.get(1).copied());
            let margin = match second {
                Some(second) if spread > R::zero() => {
                    ((distances[second] - distances[first]) / spread).to_f64().min(1.0)
                }
                _ => 1.0,
            };
            decisions.push(Decision { kind: "nearest", margin, choice: first as u64 });
            (first, distances[first])
        })
        .unzip()
}

/// The largest squared distance of a sample from the mean.
fn spread<R: Real>(a: &Mat<R>) -> R {
    let (d, n) = (a.nrows(), a.ncols());
    let mean = |i: usize| (0..n).fold(R::zero(), |sum, j| sum + a[(i, j)]) / R::from_f64(n as f64);
    let means: Vec<R> = (0..d).map(mean).collect();
    let square = |j: usize| (0..d).fold(R::zero(), |sum, i| sum + (a[(i, j)] - means[i]) * (a[(i, j)] - means[i]));
    (0..n).map(square).fold(R::zero(), R::max)
}

fn descending<R: Real>(x: R, y: R) -> std::cmp::Ordering {
    y.partial_cmp(&x).unwrap_or(std::cmp::Ordering::Equal)
}

/// The largest power of two that is at most x > 0, 1 for 0 and subnormal numbers: a unit that divides exactly.
fn power_of_two<R: Real>(x: R) -> R {
    let exponent = x.to_f64().to_bits() & 0x7ff0_0000_0000_0000;
    match f64::from_bits(exponent) {
        power if power > 0.0 && power.is_finite() => R::from_f64(power),
        _ => R::one(),
    }
}

fn largest<R: Real>(m: &Mat<R>) -> R {
    (0..m.ncols()).flat_map(|j| (0..m.nrows()).map(move |i| (i, j))).fold(R::zero(), |most, at| most.max(m[at].abs()))
}

fn squared_norm<R: Real>(m: &Mat<R>) -> R {
    let column = |j: usize| (0..m.nrows()).fold(R::zero(), |sum, i| sum + m[(i, j)] * m[(i, j)]);
    (0..m.ncols()).fold(R::zero(), |sum, j| sum + column(j))
}

fn matrix<R: Real>(a: &HostArray) -> Mat<R> {
    let values = a.to_f64();
    let (rows, cols) = (a.shape()[0], a.shape()[1]);
    Mat::from_fn(rows, cols, |i, j| R::from_f64(values[i * cols + j]))
}

fn row_major<R: Real>(m: &Mat<R>) -> Vec<R> {
    (0..m.nrows()).flat_map(|i| (0..m.ncols()).map(move |j| m[(i, j)])).collect()
}
