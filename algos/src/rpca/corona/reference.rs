//! The layers on faer, by their definition: complex arithmetic written out, convolutions as sums over taps, thresholds by
//! the eigenvalues of the Hermitian Gram matrix.

use faer::{Mat, Side};
use tandem_compile::HostArray;
use tandem_verify::status::Status;
use tandem_verify::{Outcome, Output, Real, Values};

use super::subject::OUTPUTS;
use super::{Corona, Shrinkage, Teacher};

/// A movie A + iB as a Casorati matrix, `[H W, T]`.
#[derive(Debug, Clone)]
pub struct Movie<R: Real> {
    re: Mat<R>,
    im: Mat<R>,
    /// H and W.
    size: [usize; 2],
}

/// A complex kernel: its sizes, and real and imaginary part by tap.
struct Kernel<R> {
    size: [usize; 3],
    re: Vec<R>,
    im: Vec<R>,
}

impl<R: Real> Movie<R> {
    fn zeros(size: [usize; 2], frames: usize) -> Self {
        let zeros = || Mat::zeros(size[0] * size[1], frames);
        Self { re: zeros(), im: zeros(), size }
    }

    /// The first of `[1, 2, H, W, T]`, divided by `unit`.
    fn read(array: &HostArray, unit: f64) -> Self {
        let (values, shape) = (array.to_f64(), array.shape());
        let (pixels, frames) = (shape[2] * shape[3], shape[4]);
        let part = |part: usize| {
            Mat::from_fn(pixels, frames, |i, t| {
                R::from_f64(values[(part * pixels + i) * frames + t]) / R::from_f64(unit)
            })
        };
        Self { re: part(0), im: part(1), size: [shape[2], shape[3]] }
    }

    fn row_major(&self, unit: f64) -> Vec<R> {
        let all = |x: &Mat<R>| -> Vec<R> {
            (0..x.nrows()).flat_map(|i| (0..x.ncols()).map(move |t| x[(i, t)] * R::from_f64(unit))).collect()
        };
        [all(&self.re), all(&self.im)].concat()
    }

    fn plus(&self, other: &Self, factor: R) -> Self {
        let sum = |x: &Mat<R>, y: &Mat<R>| Mat::from_fn(x.nrows(), x.ncols(), |i, t| x[(i, t)] + factor * y[(i, t)]);
        Self { re: sum(&self.re, &other.re), im: sum(&self.im, &other.im), size: self.size }
    }

    /// The correlation with a kernel, of the same size, zeros around the movie.
    fn through(&self, kernel: &Kernel<R>) -> Self {
        let ([h, w], frames) = (self.size, self.re.ncols());
        let mut found = Self::zeros(self.size, frames);
        for tap in 0..kernel.re.len() {
            let [_, kw, kt] = kernel.size;
            let place = [tap / (kw * kt), tap / kt % kw, tap % kt];
            let (a, b) = (kernel.re[tap], kernel.im[tap]);
            let shifted = |at: [usize; 3]| {
                let moved = |axis: usize| (at[axis] + place[axis]).checked_sub(kernel.size[axis] / 2);
                let (y, x, t) = (moved(0)?, moved(1)?, moved(2)?);
                (y < h && x < w && t < frames).then_some((y * w + x, t))
            };
            for (y, x, t) in (0..h).flat_map(|y| (0..w).flat_map(move |x| (0..frames).map(move |t| (y, x, t)))) {
                if let Some(from) = shifted([y, x, t]) {
                    let (re, im) = (self.re[from], self.im[from]);
                    let to = (y * w + x, t);
                    found.re[to] = found.re[to] + a * re - b * im;
                    found.im[to] = found.im[to] + b * re + a * im;
                }
            }
        }
        found
    }

    /// Eigenvalues and vectors of the Hermitian Y'Y in real form, (P -Q; Q P): each twice.
    fn gram(&self) -> (Vec<R>, Mat<R>) {
        let (a, b) = (&self.re, &self.im);
        let p = a.transpose() * a + b.transpose() * b;
        let q = a.transpose() * b - b.transpose() * a;
        let t = p.nrows();
        let form = Mat::from_fn(2 * t, 2 * t, |i, j| match (i < t, j < t) {
            (true, true) => p[(i, j)],
            (false, false) => p[(i - t, j - t)],
            (true, false) => -q[(i, j - t)],
            (false, true) => q[(i - t, j)],
        });
        match form.self_adjoint_eigen(Side::Lower) {
            Ok(eigen) => ((0..2 * t).map(|i| eigen.S()[i]).collect(), eigen.U().to_owned()),
            Err(_) => (vec![R::from_f64(f64::NAN); 2 * t], Mat::zeros(2 * t, 2 * t)),
        }
    }

    /// SVT by a threshold that may depend on the largest singular value.
    fn thresholded(&self, tau: impl Fn(R) -> R) -> Self {
        let (values, vectors) = self.gram();
        let sigma: Vec<R> = values.into_iter().map(|x| x.max(R::zero()).sqrt()).collect();
        let tau = tau(sigma.iter().fold(R::zero(), |most, &s| most.max(s)));
        let factor = |s: R| if s > tau { (s - tau) / s } else { R::zero() };
        let t = self.re.ncols();
        let weighted = Mat::from_fn(2 * t, 2 * t, |i, j| vectors[(i, j)] * factor(sigma[j]));
        let form = weighted * vectors.transpose();
        let (fr, fi) = (Mat::from_fn(t, t, |i, j| form[(i, j)]), Mat::from_fn(t, t, |i, j| form[(i + t, j)]));
        let re = &self.re * &fr - &self.im * &fi;
        let im = &self.re * &fi + &self.im * &fr;
        Self { re, im, size: self.size }
    }

    /// Every pixel's course times a factor of its squared length and of their mean.
    fn shrunk(&self, factor: impl Fn(R, R) -> R) -> Self {
        let pixels = self.re.nrows();
        let square = |i: usize| {
            (0..self.re.ncols())
                .fold(R::zero(), |sum, t| sum + self.re[(i, t)] * self.re[(i, t)] + self.im[(i, t)] * self.im[(i, t)])
        };
        let squares: Vec<R> = (0..pixels).map(square).collect();
        let mean = squares.iter().fold(R::zero(), |sum, &x| sum + x) / R::from_f64(pixels as f64);
        let factors: Vec<R> =
            squares.iter().map(|&q| if q == R::zero() { R::zero() } else { factor(q, mean).max(R::zero()) }).collect();
        let times = |x: &Mat<R>| Mat::from_fn(pixels, x.ncols(), |i, t| x[(i, t)] * factors[i]);
        Self { re: times(&self.re), im: times(&self.im), size: self.size }
    }
}

/// 1 / (1 + exp(-x)), by the exponential's series on x / 2^k.
fn sigmoid<R: Real>(x: R) -> R {
    let halvings = 12;
    let small = x / R::from_f64(f64::from(1 << halvings));
    let mut term = R::one();
    let mut sum = R::one();
    for i in 1..16 {
        term = term * small / R::from_f64(f64::from(i));
        sum = sum + term;
    }
    for _ in 0..halvings {
        sum = sum * sum;
    }
    sum / (sum + R::one())
}

/// L and S of the movie in `inputs[0]` (`[1, 2, H, W, T]`), with the kernels and thresholds of the network's groups in the
/// others.
pub fn separate<R: Real>(network: &Corona, inputs: &[HostArray]) -> Outcome<R> {
    let shape = inputs[0].shape();
    if inputs.iter().any(|input| input.first_nonfinite().is_some()) {
        let nan = || vec![R::from_f64(f64::NAN); inputs[0].len()];
        return outcome(shape, [nan(), nan()], Status::NONFINITE_INPUT, 0.0);
    }
    let most = inputs[0].to_f64().into_iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    let unit = match f64::from_bits(most.to_bits() & 0x7ff0_0000_0000_0000) {
        power if power > 0.0 => power,
        _ => 1.0,
    };
    let d = Movie::<R>::read(&inputs[0], unit);
    let mut parts = [Movie::zeros(d.size, d.re.ncols()), Movie::zeros(d.size, d.re.ncols())];
    for (group, weights) in network.groups.iter().zip(inputs[1..].chunks(2)) {
        let (kernels, thresholds) = (weights[0].to_f64(), weights[1].to_f64());
        let taps: usize = group.kernel.iter().product();
        for layer in 0..group.layers {
            let kernel = |p: usize| {
                let part = |part: usize| {
                    let from = ((layer * 6 + p - 1) * 2 + part) * taps;
                    kernels[from..from + taps].iter().map(|&x| R::from_f64(x)).collect()
                };
                Kernel { size: group.kernel, re: part(0), im: part(1) }
            };
            let [l, s] = &parts;
            let mixed = |from: [(&Movie<R>, usize); 3]| {
                let [x, y, z] = from.map(|(movie, p)| movie.through(&kernel(p)));
                x.plus(&y, R::one()).plus(&z, R::one())
            };
            let low = mixed([(l, 5), (s, 3), (&d, 1)]);
            let sparse = mixed([(s, 6), (l, 4), (&d, 2)]);
            let [a, b] = [0, 1].map(|i| R::from_f64(thresholds[2 * layer + i]));
            parts = match network.shrinkage {
                Shrinkage::Relative { low: most, sparse: share } => {
                    let (tau, share) = (sigmoid(a) * R::from_f64(most), sigmoid(b) * R::from_f64(share));
                    [low.thresholded(|s| tau * s), sparse.shrunk(|q, mean| R::one() - share * mean / q)]
                }
                Shrinkage::Proximal => {
                    let [a, b] = [a, b].map(|x| x.max(R::zero()) / R::from_f64(unit));
                    [low.thresholded(|_| a), sparse.shrunk(|q, _| R::one() - b / q.sqrt())]
                }
            };
        }
    }
    let values = [0, 1].map(|i| parts[i].row_major(unit));
    let sound = values.iter().flatten().all(|x| x.to_f64().is_finite());
    let status = Status::default().with(Status::DEGENERATE, most == 0.0).with(Status::BREAKDOWN, !sound);
    outcome(shape, values, status, most)
}

/// L and S after the teacher's steps on one movie (`[1, 2, H, W, T]`), row-major.
pub fn teach<R: Real>(teacher: &Teacher, d: &HostArray) -> [Vec<R>; 2] {
    let d = Movie::<R>::read(d, 1.0);
    let nothing = || Movie::zeros(d.size, d.re.ncols());
    let (mut now, mut ahead, mut weight) = ([nothing(), nothing()], [nothing(), nothing()], R::one());
    let half = R::from_f64(0.5);
    let (tau, shorter) = (R::from_f64(teacher.low / 2.0), R::from_f64(teacher.sparse / 2.0));
    for _ in 0..teacher.steps {
        let left = d.plus(&ahead[0], -R::one()).plus(&ahead[1], -R::one());
        let next = [
            ahead[0].plus(&left, half).thresholded(|_| tau),
            ahead[1].plus(&left, half).shrunk(|q, _| R::one() - shorter / q.sqrt()),
        ];
        let grown = (R::one() + (R::one() + R::from_f64(4.0) * weight * weight).sqrt()) * half;
        let momentum = if teacher.accelerated { (weight - R::one()) / grown } else { R::zero() };
        let further = |i: usize| next[i].plus(&next[i].plus(&now[i], -R::one()), momentum);
        ahead = [further(0), further(1)];
        (now, weight) = (next, grown);
    }
    now.map(|movie| movie.row_major(1.0))
}

fn outcome<R>(shape: &[usize], [low, sparse]: [Vec<R>; 2], status: Status, scale: f64) -> Outcome<R> {
    let output =
        |name, values| Output { name, shape: shape.to_vec(), values: Values::Real(values), scale, free: false };
    Outcome { outputs: vec![output(OUTPUTS[0], low), output(OUTPUTS[1], sparse)], status: status.0, decisions: vec![] }
}
