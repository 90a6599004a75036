//! Both as traced programs: one `while` on the device each. M is scaled by a power of two, exactly.

use tandem_compile::{DType, Tensor, concatenate, iota, number, scalar, tree, while_loop, zeros};
use tandem_linalg::scale::{max_abs, power_of_two, sum_of_squares};
use tandem_linalg::{qr, svd};
use tandem_verify::status::Status;

use super::{AccAltProj, AltProj};

/// The traced outputs.
#[derive(Debug, Clone)]
pub struct Split {
    /// L, `[m, n]`.
    pub l: Tensor,
    /// S, `[m, n]`, with exact zeros.
    pub s: Tensor,
    /// The number of iterations run, i32; of AltProj those of all stages.
    pub iterations: Tensor,
    /// ||M - L - S||_F / ||M||_F, a scalar.
    pub residual: Tensor,
    /// The bits of [`Status`], i32.
    pub status: Tensor,
}

impl Split {
    /// The outputs, the status last.
    pub fn into_vec(self) -> Vec<Tensor> {
        vec![self.l, self.s, self.iterations, self.residual, self.status]
    }
}

/// x where |x| > z, and 0 elsewhere; NaN passes. The derivative is that by x where |x| > z, and z has none.
#[track_caller]
pub fn hard(x: &Tensor, z: &Tensor) -> Tensor {
    x.abs().le(z).select(0.0, x)
}

/// M in units of its own, and what the programs need of it.
struct Scaled {
    m: Tensor,
    most: Tensor,
    unit: Tensor,
    /// ||M||_F, and 1 where that is zero.
    norm: Tensor,
}

impl Scaled {
    fn new(m: &Tensor) -> Self {
        let most = max_abs(m);
        let unit = power_of_two(&most);
        let m = m / &unit;
        let norm = sum_of_squares(&m).sqrt();
        Self { m, most, unit, norm: norm.eq(0.0).select(1.0, norm) }
    }

    /// The residual before the first iteration: of a zero matrix nothing is left.
    fn far(&self) -> Tensor {
        self.most.eq(0.0).select(0.0, number(f64::INFINITY, self.m.dtype()))
    }

    /// S for this L and threshold, and the residual.
    fn cut(&self, l: &Tensor, z: &Tensor) -> (Tensor, Tensor) {
        let rest = &self.m - l;
        let s = hard(&rest, z);
        let residual = sum_of_squares(&(rest - &s)).sqrt() / &self.norm;
        (s, residual)
    }

    fn finish(
        &self,
        (l, s): (&Tensor, &Tensor),
        it: &Tensor,
        residual: &Tensor,
        tol: f64,
        deficient: &Tensor,
    ) -> Split {
        let (finite, nan) = (self.most.is_finite(), number(f64::NAN, self.m.dtype()));
        let zero = self.most.eq(0.0);
        let (l, s) = (l * &self.unit, s * &self.unit);
        let sound = max_abs(&l).is_finite() & max_abs(&s).is_finite() & residual.is_finite();
        let conditions = [
            (Status::NOT_CONVERGED, &!residual.le(tol)),
            (Status::RANK_DEFICIENT, &(deficient & !&zero)),
            (Status::DEGENERATE, &zero),
            (Status::BREAKDOWN, &!sound),
        ];
        Split {
            status: Status::traced(&finite, &conditions),
            l: finite.select(l, &nan),
            s: finite.select(s, &nan),
            iterations: finite.select(it, 0),
            residual: finite.select(residual, &nan),
        }
    }
}

/// What the accelerated iteration carries.
#[derive(Clone)]
struct Tangent {
    it: Tensor,
    u: Tensor,
    sigma: Tensor,
    v: Tensor,
    l: Tensor,
    s: Tensor,
    /// g^t.
    fall: Tensor,
    residual: Tensor,
}
tree!(Tangent { it, u, sigma, v, l, s, fall, residual });

/// U diag(sigma) V'.
fn product(u: &Tensor, sigma: &Tensor, v: &Tensor) -> Tensor {
    (u * sigma.expand_dims(0)).contract(v, 1, 1)
}

impl AccAltProj {
    /// Traces the split of `m` (`[m, n]`, f32 or f64). The parameters must have passed [`AccAltProj::check`].
    #[track_caller]
    pub fn trace(&self, m: &Tensor) -> Split {
        let problem = Scaled::new(m);
        let last = while_loop(
            self.start(&problem),
            // NaN is not above the tolerance, and stops.
            |state| state.residual.gt(self.tol) & state.it.lt(self.max_iters as i32),
            |state| self.step(&problem, state),
        );
        let size = m.dim(0).max(m.dim(1)) as f64;
        let limit = last.sigma.at_index(0, 0) * (8.0 * size * m.dtype().unit_roundoff());
        let deficient = last.sigma.at_index(0, -1).le(limit);
        problem.finish((&last.l, &last.s), &last.it, &last.residual, self.tol, &deficient)
    }

    fn start(&self, problem: &Scaled) -> Tangent {
        let (m, r) = (&problem.m, self.rank);
        let b = self.weight(m.dim(0), m.dim(1));
        let top = svd(m).1.at_index(0, 0);
        let (u, sigma, vh) = svd(&(m - hard(m, &(top * (b * self.first)))));
        let (u, sigma, v) = (u.slice(1, 0, r), sigma.slice(0, 0, r), vh.slice(0, 0, r).t());
        let l = product(&u, &sigma, &v);
        let (s, _) = problem.cut(&l, &(sigma.at_index(0, 0) * b));
        let fall = number(self.gamma, m.dtype());
        Tangent { it: scalar(0i32), u, sigma, v, l, s, fall, residual: problem.far() }
    }

    fn step(&self, problem: &Scaled, state: Tangent) -> Tangent {
        let (m, r) = (&problem.m, self.rank);
        let (u, v) = match self.trim {
            Some(trim) => trimmed(&state, trim),
            None => (state.u, state.v),
        };
        let z = m - &state.s;
        // What Z has along V and U, and beside them.
        let (along_v, along_u) = (z.dot(&v), z.contract(&u, 0, 0));
        let core = u.contract(&along_v, 0, 0);
        let (q1, r1) = qr(&(along_u - v.contract(&core, 1, 1)));
        let (q2, r2) = qr(&(along_v - u.dot(&core)));
        let top = concatenate(&[&core, &r1.t()], 1);
        let bottom = concatenate(&[&r2, &zeros([r, r], m.dtype())], 1);
        let (left, sigma, right) = svd(&concatenate(&[&top, &bottom], 0));
        let u = concatenate(&[&u, &q2], 1).dot(&left.slice(1, 0, r));
        let v = concatenate(&[&v, &q1], 1).contract(&right.slice(0, 0, r), 1, 1);
        let kept = sigma.slice(0, 0, r);
        let l = product(&u, &kept, &v);
        let next = sigma.at_index(0, r as i64) + &state.fall * sigma.at_index(0, 0);
        let (s, residual) = problem.cut(&l, &(next * self.weight(m.dim(0), m.dim(1))));
        Tangent { it: state.it + 1, u, sigma: kept, v, l, s, fall: state.fall * self.gamma, residual }
    }
}

/// U and V with rows that are no longer than the incoherence lets them, orthonormal again.
fn trimmed(state: &Tangent, trim: f64) -> (Tensor, Tensor) {
    let r = state.sigma.dim(0);
    let short = |x: &Tensor| {
        let most = (trim * r as f64 / x.dim(0) as f64).sqrt();
        let length = x.square().sum_axes([1]).sqrt();
        let factor = length.gt(most).select(most / &length, 1.0);
        qr(&(x * factor.expand_dims(1)))
    };
    let ((q1, r1), (q2, r2)) = (short(&state.u), short(&state.v));
    let (left, _, right) = svd(&(r1 * state.sigma.expand_dims(0)).contract(&r2, 1, 1));
    (q1.dot(&left), q2.contract(&right, 1, 1))
}

/// What the iteration in stages carries.
#[derive(Clone)]
struct Stage {
    it: Tensor,
    /// The rank of the stage, from 1.
    j: Tensor,
    /// The steps that the stage has done, and 2 to the minus that.
    t: Tensor,
    half: Tensor,
    l: Tensor,
    s: Tensor,
    residual: Tensor,
    /// Whether the last stage that is needed has ended.
    done: Tensor,
    /// Whether the last kept singular value was rounding.
    deficient: Tensor,
}
tree!(Stage { it, j, t, half, l, s, residual, done, deficient });

impl AltProj {
    /// Traces the split of `m` (`[m, n]`, f32 or f64). The parameters must have passed [`AltProj::check`].
    #[track_caller]
    pub fn trace(&self, m: &Tensor) -> Split {
        let problem = Scaled::new(m);
        let m = &problem.m;
        let top = svd(m).1.at_index(0, 0);
        let init = Stage {
            it: scalar(0i32),
            j: scalar(1i32),
            t: scalar(0i32),
            half: number(1.0, m.dtype()),
            l: zeros(m.shape(), m.dtype()),
            s: hard(m, &(top * self.weight(m.dim(0), m.dim(1)))),
            residual: problem.far(),
            done: problem.most.eq(0.0) | !problem.most.is_finite(),
            deficient: scalar(false),
        };
        let last = while_loop(init, |state| !state.done, |state| self.step(&problem, state));
        problem.finish((&last.l, &last.s), &last.it, &last.residual, self.tol, &last.deficient)
    }

    fn step(&self, problem: &Scaled, state: Stage) -> Stage {
        let m = &problem.m;
        let (rows, cols) = (m.dim(0), m.dim(1));
        let (b, size) = (self.weight(rows, cols), rows.max(cols) as f64);
        let (u, sigma, vh) = svd(&(m - &state.s));
        let k = sigma.dim(0);
        let position = iota([k], 0, DType::I32);
        let l = (u * position.lt(&state.j).select(&sigma, 0.0).expand_dims(0)).dot(&vh);
        let at = |place: &Tensor| position.eq(place).select(&sigma, 0.0).sum();
        let (own, next) = (at(&(&state.j - 1)), at(&state.j));
        let (s, residual) = problem.cut(&l, &((&next + &state.half * &own) * b));
        let ended = residual.le(self.tol) | state.t.ge(self.stage_iters as i32 - 1);
        // What the further stages could still take away from the residual, and whether there are any.
        let little = (next * b).le(&problem.norm * (self.tol / (2.0 * size)));
        let done = (&ended & (state.j.ge(self.rank as i32) | little)) | residual.is_nan();
        let limit = sigma.at_index(0, 0) * (8.0 * size * m.dtype().unit_roundoff());
        Stage {
            it: state.it + 1,
            j: ended.select(&state.j + 1, &state.j),
            t: ended.select(scalar(0i32), &state.t + 1),
            half: ended.select(1.0, &state.half * 0.5),
            deficient: own.le(limit),
            l,
            s,
            residual,
            done,
        }
    }
}
