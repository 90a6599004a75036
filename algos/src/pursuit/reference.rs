//! The pursuits on faer, one signal after the other, from the mathematics in [`super`]: least squares by QR, every residual and
//! every correlation computed anew.

mod least_squares;

use faer::Mat;
use tandem_compile::{DType, HostArray};
use tandem_verify::status::Status;
use tandem_verify::{Decision, Outcome, Output, Real, Values};

use super::subject::OUTPUTS;
use super::{Method, Pursuit, Selection};
use least_squares::{least_squares, nonnegative_least_squares, squared_distance};

/// The codes of the rows of `x` (`[batch, d]`) in the atoms that are the rows of `dictionary` (`[p, d]`), with decisions made as
/// in arithmetic of unit roundoff `u` (see [`Pursuit::check`] for the parameters' ranges).
pub fn pursue<R: Real>(pursuit: &Pursuit, x: &HostArray, dictionary: &HostArray, u: f64) -> Outcome<R> {
    let (batch, d, p) = (x.shape()[0], x.shape()[1], dictionary.shape()[0]);
    let atoms = Atoms::<R>::of(dictionary);
    let sound = dictionary.first_nonfinite().is_none();
    let values = x.to_f64();
    let mut coded = Vec::with_capacity(batch);
    let mut decisions = Vec::new();
    for signal in values.chunks(d).take(batch) {
        let usable = sound && signal.iter().all(|x| x.is_finite());
        coded.push(usable.then(|| {
            let run = Run { pursuit, atoms: &atoms, u, decisions: &mut decisions };
            run.code(signal)
        }));
    }
    let mut status = Status::default();
    if sound {
        let any = |holds: fn(&Coded<R>) -> bool| coded.iter().flatten().any(holds);
        status = status
            .with(Status::NONFINITE_INPUT, x.first_nonfinite().is_some())
            .with(Status::NOT_CONVERGED, pursuit.tol > 0.0 && any(|c| c.open))
            .with(Status::RANK_DEFICIENT, any(|c| c.refused))
            .with(Status::DEGENERATE, any(|c| c.zero) || !atoms.live.contains(&true))
            .with(Status::BREAKDOWN, any(|c| c.codes.iter().chain(&c.norms).any(|x| !x.to_f64().is_finite())));
    } else {
        status = status.with(Status::NONFINITE_INPUT, true);
    }
    outcome(pursuit, coded, p, status, decisions)
}

fn outcome<R: Real>(
    pursuit: &Pursuit,
    coded: Vec<Option<Coded<R>>>,
    p: usize,
    status: Status,
    decisions: Vec<Decision>,
) -> Outcome<R> {
    let (batch, k) = (coded.len(), pursuit.k);
    let nan = |len: usize| vec![R::from_f64(f64::NAN); len];
    let (mut codes, mut support, mut norms, mut count) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for row in coded {
        match row {
            Some(row) => {
                count.push(row.steps.len() as i32);
                support.extend((0..k).map(|n| row.steps.get(n).map_or(-1, |&j| j as i32)));
                codes.extend(row.codes);
                norms.extend(row.norms);
            }
            None => {
                count.push(0);
                support.extend(vec![-1; k]);
                codes.extend(nan(p));
                norms.extend(nan(k + 1));
            }
        }
    }
    let [first, second, third, fourth] = OUTPUTS;
    let output = |name, shape: Vec<usize>, values| Output { name, shape, values, scale: 0.0, free: false };
    let outputs = vec![
        output(first, vec![batch, p], Values::Real(codes)),
        output(second, vec![batch, k], Values::Index(support)),
        output(third, vec![batch, k + 1], Values::Real(norms)),
        output(fourth, vec![batch], Values::Index(count)),
    ];
    Outcome { outputs, status: status.0, decisions }
}

/// The dictionary, made ready.
struct Atoms<R: Real> {
    /// Atoms of norm 1 in columns, `[d, p]`; zeros for atoms of zeros.
    unit: Mat<R>,
    /// Which atoms are not zero.
    live: Vec<bool>,
    /// Their norms in units of `units`.
    norms: Vec<R>,
    /// Powers of two near their largest entries.
    units: Vec<R>,
}

impl<R: Real> Atoms<R> {
    fn of(dictionary: &HostArray) -> Self {
        let (p, d) = (dictionary.shape()[0], dictionary.shape()[1]);
        let tiny = if dictionary.dtype() == DType::F64 { f64::MIN_POSITIVE } else { f64::from(f32::MIN_POSITIVE) };
        let values = dictionary.to_f64();
        let mut atoms = Self { unit: Mat::zeros(d, p), live: Vec::new(), norms: Vec::new(), units: Vec::new() };
        for (j, atom) in values.chunks(d).enumerate() {
            let largest = atom.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
            let live = largest >= tiny && atom.iter().all(|x| x.is_finite());
            let unit = if live { power_of_two::<R>(largest) } else { R::one() };
            let entry = |x: f64| if live { R::from_f64(x) / unit } else { R::zero() };
            let norm = atom.iter().fold(R::zero(), |sum, &x| sum + entry(x) * entry(x)).sqrt();
            let norm = if live { norm } else { R::one() };
            for (i, &x) in atom.iter().enumerate() {
                atoms.unit[(i, j)] = entry(x) / norm;
            }
            atoms.live.push(live);
            atoms.norms.push(norm);
            atoms.units.push(unit);
        }
        atoms
    }

    /// <d_j, r>.
    fn product(&self, j: usize, r: &[R]) -> R {
        r.iter().enumerate().fold(R::zero(), |sum, (i, &r)| sum + self.unit[(i, j)] * r)
    }

    /// The atoms of that set in columns.
    fn of_set(&self, set: &[usize]) -> Mat<R> {
        Mat::from_fn(self.unit.nrows(), set.len(), |i, n| self.unit[(i, set[n])])
    }
}

/// A coded signal.
struct Coded<R> {
    codes: Vec<R>,
    steps: Vec<usize>,
    norms: Vec<R>,
    /// Whether the residual stayed above the goal.
    open: bool,
    refused: bool,
    zero: bool,
}

struct Run<'a, R: Real> {
    pursuit: &'a Pursuit,
    atoms: &'a Atoms<R>,
    u: f64,
    decisions: &'a mut Vec<Decision>,
}

impl<R: Real> Run<'_, R> {
    fn code(mut self, signal: &[f64]) -> Coded<R> {
        let unit = power_of_two::<R>(signal.iter().fold(0.0, |m: f64, x| m.max(x.abs())));
        let x: Vec<R> = signal.iter().map(|&x| R::from_f64(x) / unit).collect();
        let size = norm(&x);
        let goal = size * R::from_f64(self.pursuit.goal(self.u));
        let mut z = vec![R::zero(); self.atoms.live.len()];
        let (mut r, mut norms, mut steps, mut refused) = (x.clone(), vec![size], Vec::new(), false);
        let mut open = size > R::zero();
        while open && steps.len() < self.pursuit.k {
            let Some(j) = self.select(&r, &steps, size) else {
                break;
            };
            let moved = match self.pursuit.method {
                Method::Mp => self.match_atom(j, &mut z, &mut r),
                Method::Omp => self.orthogonal(j, &steps, &x, &mut z, &mut r, size),
                Method::Gp => self.gradient(j, &steps, &mut z, &mut r, size),
            };
            refused |= !moved;
            if !moved {
                break;
            }
            steps.push(j);
            let left = norm(&r);
            norms.push(left);
            open = left > goal;
            let margin = ((left - goal) / size).to_f64().abs();
            self.decide("goal", margin, u64::from(open));
        }
        let last = norms[norms.len() - 1];
        norms.resize(self.pursuit.k + 1, last);
        let Atoms { norms: sizes, units, .. } = self.atoms;
        let given = |(j, z): (usize, R)| z / sizes[j] * unit / units[j];
        Coded {
            codes: z.into_iter().enumerate().map(given).collect(),
            steps,
            norms: norms.into_iter().map(|norm| norm * unit).collect(),
            open,
            refused,
            zero: size == R::zero(),
        }
    }

    fn decide(&mut self, kind: &'static str, margin: f64, choice: u64) {
        self.decisions.push(Decision { kind, margin: margin.min(1.0), choice });
    }

    /// The atom of the best correlation, the first of equals; none where there is nothing to gain.
    fn select(&mut self, r: &[R], steps: &[usize], size: R) -> Option<usize> {
        let score = |j: usize| match self.pursuit.selection {
            Selection::Abs => self.atoms.product(j, r).abs(),
            Selection::Signed | Selection::Relu => self.atoms.product(j, r),
        };
        let allowed = |j: &usize| self.atoms.live[*j] && !(self.pursuit.method == Method::Omp && steps.contains(j));
        let scores: Vec<(usize, R)> = (0..self.atoms.live.len()).filter(allowed).map(|j| (j, score(j))).collect();
        let &(best, top) = scores.iter().reduce(|best, other| if other.1 > best.1 { other } else { best })?;
        let next = scores.iter().filter(|(j, _)| *j != best).map(|&(_, score)| score);
        let next = next.reduce(|next, score| if score > next { score } else { next });
        let gap = next.map_or(1.0, |next| ((top - next) / size).to_f64());
        self.decide("atom", gap, best as u64);
        let gains = match self.pursuit.selection {
            Selection::Abs | Selection::Relu => top > R::zero(),
            Selection::Signed => top != R::zero(),
        };
        self.decide("gain", (top / size).to_f64().abs(), u64::from(gains));
        gains.then_some(best)
    }

    /// z_j += <d_j, r>.
    fn match_atom(&self, j: usize, z: &mut [R], r: &mut [R]) -> bool {
        let c = self.atoms.product(j, r);
        z[j] = z[j] + c;
        r.iter_mut().enumerate().for_each(|(i, r)| *r = *r - c * self.atoms.unit[(i, j)]);
        true
    }

    /// z_S becomes the least squares solution; false where the atom depends on the others.
    fn orthogonal(&mut self, j: usize, steps: &[usize], x: &[R], z: &mut [R], r: &mut [R], size: R) -> bool {
        let relu = self.pursuit.selection == Selection::Relu;
        // With non-negative codes those of 0 do not bind the new atom.
        let spanning: Vec<usize> = steps.iter().copied().filter(|&m| !relu || z[m] > R::zero()).collect();
        let least = self.pursuit.least_pivot(self.u);
        let distance = squared_distance(&self.atoms.of_set(&spanning), &self.atoms.of_set(&[j])).to_f64();
        self.decide("pivot", (distance - least).abs(), u64::from(distance > least));
        if !(distance > least) {
            return false;
        }
        let set = [steps, &[j]].concat();
        let a = self.atoms.of_set(&set);
        let solution = match relu {
            false => least_squares(&a, x),
            true => {
                let start: Vec<bool> = set.iter().map(|&m| z[m] > R::zero()).collect();
                let slack = size * R::from_f64(least);
                let (solution, margin) = nonnegative_least_squares(&a, x, start, slack);
                let used = solution.iter().fold(1u64, |bits, &z| bits.wrapping_mul(2) + u64::from(z > R::zero()));
                self.decide("in use", (margin / size).to_f64(), used);
                solution
            }
        };
        set.iter().zip(&solution).for_each(|(&m, &code)| z[m] = code);
        for (i, r) in r.iter_mut().enumerate() {
            *r = (0..set.len()).fold(x[i], |left, n| left - solution[n] * a[(i, n)]);
        }
        true
    }

    /// z_S += a g along g = D_S r to where |r| is least, or where the first code reaches 0 if codes may not be negative.
    fn gradient(&mut self, j: usize, steps: &[usize], z: &mut [R], r: &mut [R], size: R) -> bool {
        let mut set = Vec::new();
        for &m in steps.iter().chain(&[j]) {
            if !set.contains(&m) {
                set.push(m);
            }
        }
        let relu = self.pursuit.selection == Selection::Relu;
        let mut g: Vec<(usize, R)> = set.iter().map(|&m| (m, self.atoms.product(m, r))).collect();
        if relu {
            for (m, g) in g.iter_mut().filter(|(m, _)| z[*m] == R::zero()) {
                if *m != j {
                    let margin = (*g / size).to_f64().abs();
                    self.decisions.push(Decision { kind: "left out", margin, choice: u64::from(*g > R::zero()) });
                }
                *g = g.max(R::zero());
            }
        }
        let c: Vec<R> =
            (0..r.len()).map(|i| g.iter().fold(R::zero(), |c, &(m, g)| c + g * self.atoms.unit[(i, m)])).collect();
        let product = r.iter().zip(&c).fold(R::zero(), |sum, (&r, &c)| sum + r * c);
        let full = product / c.iter().fold(R::zero(), |sum, &c| sum + c * c);
        let room = |&(m, g): &(usize, R)| (g < R::zero()).then(|| (m, z[m] / -g));
        let rooms: Vec<(usize, R)> = g.iter().filter_map(room).filter(|_| relu).collect();
        let nearest = rooms.iter().copied().reduce(|first, other| if other.1 < first.1 { other } else { first });
        let blocked = nearest.filter(|(_, room)| *room <= full);
        // Decided also where no code gets smaller: whether one does, as the last atom's, may be rounding's choice.
        if relu {
            let margin = nearest.map_or(1.0, |(_, room)| ((room - full) / full).to_f64().abs());
            self.decide("room", margin, blocked.map_or(u64::MAX, |(m, _)| m as u64));
        }
        let a = blocked.map_or(full, |(_, room)| room);
        for &(m, g) in &g {
            let stops = rooms.iter().any(|&(other, room)| other == m && room <= a);
            z[m] = if stops { R::zero() } else { z[m] + a * g };
        }
        r.iter_mut().zip(&c).for_each(|(r, &c)| *r = *r - a * c);
        true
    }
}

fn norm<R: Real>(x: &[R]) -> R {
    x.iter().fold(R::zero(), |sum, &x| sum + x * x).sqrt()
}

/// The largest power of two that is at most x > 0, 1 for 0 and subnormal numbers: a unit that divides exactly.
fn power_of_two<R: Real>(x: f64) -> R {
    match f64::from_bits(x.to_bits() & 0x7ff0_0000_0000_0000) {
        power if power > 0.0 && power.is_finite() => R::from_f64(power),
        _ => R::one(),
    }
}
