//! The network: forward, and its Jacobian at a point.

use faer::Mat;
use tandem_compile::HostArray;
use tandem_verify::{Decision, Real};

use super::matrix;

/// The affine maps with the constant folded in: `[out + 1, in + 1]`, the last one `[out, in + 1]`.
pub struct Network<R> {
    maps: Vec<Mat<R>>,
    /// Whether there is a ReLU after each map but the last.
    rectified: bool,
}

impl<R: Real> Network<R> {
    /// From x, w0, b0, w1, b1, ...
    pub fn new(inputs: &[HostArray], rectified: bool) -> Self {
        let count = (inputs.len() - 1) / 2;
        let map = |l: usize| {
            let (w, b) = (matrix::<R>(&inputs[1 + 2 * l]), inputs[2 + 2 * l].to_f64());
            let (out, into) = (w.nrows(), w.ncols());
            Mat::from_fn(out + usize::from(l + 1 < count), into + 1, |i, j| match (i < out, j < into) {
                (true, true) => w[(i, j)],
                (true, false) => R::from_f64(b[i]),
                (false, true) => R::zero(),
                (false, false) => R::one(),
            })
        };
        Self { maps: (0..count).map(map).collect(), rectified }
    }

    /// The node layers before every map: samples in rows, the constant last.
    pub fn activations(&self, x: &Mat<R>, decisions: &mut Vec<Decision>) -> Vec<Mat<R>> {
        let constant = |j: usize| j == x.ncols();
        let first = Mat::from_fn(x.nrows(), x.ncols() + 1, |n, j| if constant(j) { R::one() } else { x[(n, j)] });
        let mut all = vec![first];
        for l in 0..self.maps.len() - 1 {
            let last = &all[l];
            let mut next = Mat::zeros(x.nrows(), self.width_after(l));
            let mut switches = Switches::default();
            for n in 0..x.nrows() {
                let f: Vec<R> = (0..last.ncols()).map(|j| last[(n, j)]).collect();
                for i in 0..next.ncols() {
                    let z = self.unit(l, i, &f, &mut switches);
                    next[(n, i)] = if z > R::zero() || !self.rectified { z } else { R::zero() };
                }
            }
            decisions.push(switches.decision());
            all.push(next);
        }
        all
    }

    /// The coordinates of the layer after map `l`.
    pub fn width_after(&self, l: usize) -> usize {
        self.maps[l].nrows()
    }

    fn unit(&self, l: usize, i: usize, f: &[R], switches: &mut Switches) -> R {
        let terms: Vec<R> = f.iter().enumerate().map(|(j, &f)| self.maps[l][(i, j)] * f).collect();
        let z = terms.iter().fold(R::zero(), |sum, &t| sum + t);
        let size = terms.iter().fold(R::zero(), |sum, t| sum + t.abs());
        switches.note(z, size);
        z
    }

    /// The Jacobian of section `l` at `f`, `[out, in]`, with the constants as coordinates like the others.
    pub fn jacobian(&self, l: usize, f: &[R], switches: &mut Switches) -> Mat<R> {
        let map = &self.maps[l];
        if l + 1 == self.maps.len() || !self.rectified {
            return map.clone();
        }
        let open: Vec<bool> = (0..map.nrows()).map(|i| self.unit(l, i, f, switches) > R::zero()).collect();
        Mat::from_fn(map.nrows(), map.ncols(), |i, j| if open[i] { map[(i, j)] } else { R::zero() })
    }
}

/// Which units are open, over many samples, and how close the closest was to switching.
pub struct Switches {
    margin: f64,
    hash: u64,
}

impl Default for Switches {
    fn default() -> Self {
        Self { margin: 1.0, hash: 0xcbf2_9ce4_8422_2325 }
    }
}

impl Switches {
    fn note<R: Real>(&mut self, z: R, size: R) {
        // Of zeros alone the sum is exact.
        if size > R::zero() {
            self.margin = self.margin.min((z.abs() / size).to_f64());
        }
        self.hash = (self.hash ^ u64::from(z > R::zero())).wrapping_mul(0x100_0000_01b3);
    }

    /// The step as a whole.
    pub fn decision(&self) -> Decision {
        Decision { kind: "relu", margin: self.margin, choice: self.hash }
    }
}
