//! Semi-NMF as a traced program: one `while` on the device.
//!
//! Inside, F is held as its transpose `ft` `[k, d]` and G as its transpose `y` `[k, n]`, so that every product reads
//! its operands row by row. A is scaled by a power of two so that squares stay in range, and every row of the start
//! by one of its own; both are undone exactly at the end.

use tandem_compile::{
    DType, Tensor, concatenate, constant, fori_loop, full, iota, number, optimization_barrier, random, refuse, scalar,
    while_loop, zeros,
};
use tandem_compile::{HostArray, Tree};
use tandem_linalg::gram::{cholesky, inverse_of_transpose};
use tandem_linalg::scale::{max_abs, power_of_two, sum_of_squares};
use tandem_linalg::select::largest;

use super::{Init, Snmf};
use tandem_verify::status::Status;

/// The traced outputs of [`Snmf::trace`].
#[derive(Debug, Clone)]
pub struct Factors {
    /// Z, `[d, k]`, of the best iterate.
    pub z: Tensor,
    /// Y >= 0, `[k, n]`, of the best iterate.
    pub y: Tensor,
    /// J after each iteration, `[iters]`; the last value repeated after an early stop.
    pub loss: Tensor,
    /// The number of iterations run, i32.
    pub iterations: Tensor,
    /// The samples that use each feature most, i32 `[k, top]`; -1 where there are fewer than `top` samples.
    pub top_index: Tensor,
    /// The bits of [`Status`], i32.
    pub status: Tensor,
}

impl Factors {
    /// The outputs in the order in which they are listed to users, the status last.
    pub fn into_vec(self) -> Vec<Tensor> {
        vec![self.z, self.y, self.loss, self.iterations, self.top_index, self.status]
    }
}

/// What the loop carries.
#[derive(Clone)]
struct State {
    it: Tensor,
    y: Tensor,
    best_ft: Tensor,
    best_y: Tensor,
    best: Tensor,
    /// The loss that the next one must beat by `tol` to count as an improvement.
    bar: Tensor,
    stale: Tensor,
    history: Tensor,
    deficient: Tensor,
}

impl Tree for State {
    fn collect(&self, leaves: &mut Vec<Tensor>) {
        let State { it, y, best_ft, best_y, best, bar, stale, history, deficient } = self;
        leaves.extend([it, y, best_ft, best_y, best, bar, stale, history, deficient].map(Tensor::clone));
    }

    fn build(leaves: &mut dyn Iterator<Item = Tensor>) -> Option<Self> {
        let [it, y, best_ft, best_y, best, bar, stale, history, deficient] = Tree::build(leaves)?;
        Some(State { it, y, best_ft, best_y, best, bar, stale, history, deficient })
    }
}

impl Snmf {
    /// Traces the factorization of `a` (`[d, n]`, f32 or f64), from `y0` (`[k, n]`, >= 0) or from the start that
    /// [`init`](Snmf::init) names.
    ///
    /// [`Init::Svd`] is computed on the host (see [`super::start`]) and must be given as `y0`; without it the trace is
    /// an error. The parameters must have passed [`Snmf::check`].
    #[track_caller]
    pub fn trace(&self, a: &Tensor, y0: Option<&Tensor>) -> Factors {
        let dtype = a.dtype();
        let most = max_abs(a);
        let unit = power_of_two(&most);
        let scaled = a / &unit;
        let start = match y0 {
            Some(y0) => y0.clone(),
            None => self.start(&scaled),
        };
        let row_unit = power_of_two(&start.max_axes([1]));
        let last = self.iterate(&scaled, &(&start / column(&row_unit)));

        // Where every loss was NaN there is no best iterate, and none is made up.
        let nan = number(f64::NAN, dtype);
        let found = last.best.is_finite() | scalar(self.iters == 0);
        let z = (&last.best_ft / column(&row_unit)).t() * &unit;
        let y = &last.best_y * column(&row_unit);
        let loss = self.history(&last) * &unit * &unit;
        let mut finite = most.is_finite();
        if let Some(y0) = y0 {
            finite = finite & max_abs(y0).is_finite();
        }
        let sound = max_abs(&z).is_finite() & max_abs(&y).is_finite() & loss.is_finite().all();
        let stopped = last.stale.ge(self.patience as i32) | scalar(self.patience == 0 || self.iters == 0);
        let status = Status::traced(
            &finite,
            &[
                (Status::NOT_CONVERGED, &!stopped),
                (Status::RANK_DEFICIENT, &last.deficient),
                (Status::DEGENERATE, &most.eq(0.0)),
                (Status::BREAKDOWN, &!sound),
            ],
        );
        Factors {
            z: (&finite & &found).select(z, &nan),
            loss: finite.select(loss, &nan),
            iterations: finite.select(&last.it, 0),
            top_index: finite.select(self.top_index(&y), -1),
            y: (&finite & &found).select(y, &nan),
            status,
        }
    }

    #[track_caller]
    fn start(&self, a: &Tensor) -> Tensor {
        match self.init {
            Init::Random => random_start(self.k, a.dim(1), self.seed, a.dtype()),
            Init::Kmeans => kmeans_start(a, self.k, self.seed),
            Init::Svd => refuse("the svd start is computed on the host: pass snmf::start_input(a, k) as y0"),
        }
    }

    fn iterate(&self, a: &Tensor, y: &Tensor) -> State {
        let dtype = a.dtype();
        // The first step makes its own least-squares partner of the start.
        let (ft, deficient) = match self.iters {
            0 => least_squares(a, y),
            _ => (zeros([self.k, a.dim(0)], dtype), scalar(false)),
        };
        let infinity = number(f64::INFINITY, dtype);
        let init = State {
            it: scalar(0i32),
            y: y.clone(),
            best_ft: ft,
            best_y: y.clone(),
            best: infinity.clone(),
            bar: infinity,
            stale: scalar(0i32),
            history: zeros([self.iters], dtype),
            deficient,
        };
        if self.iters == 0 {
            return init;
        }
        while_loop(
            init,
            |s| match self.patience {
                0 => s.it.lt(self.iters as i32),
                patience => s.it.lt(self.iters as i32) & s.stale.lt(patience as i32),
            },
            |s| self.step(a, s),
        )
    }

    fn step(&self, a: &Tensor, s: State) -> State {
        let (ft, deficient) = least_squares(a, &s.y);
        let ft = self.winners(&ft);
        let y = multiply(a, &ft, &s.y);
        let loss = squared_error(a, &ft, &y);
        let better = loss.lt(&s.best);
        let improved = loss.lt(&s.bar * (1.0 - self.tol));
        State {
            best_ft: better.select(&ft, &s.best_ft),
            best_y: better.select(&y, &s.best_y),
            best: better.select(&loss, &s.best),
            bar: improved.select(&loss, &s.bar),
            stale: improved.select(scalar(0i32), &s.stale + 1),
            history: s.history.dynamic_update_slice(&loss.reshape([1]), &[&s.it]),
            deficient: s.deficient | deficient,
            it: s.it + 1,
            y,
        }
    }

    /// Only the largest entries of each column of F stay.
    fn winners(&self, ft: &Tensor) -> Tensor {
        let d = ft.dim(1);
        match self.kept(d) {
            m if m == d => ft.clone(),
            m => largest(ft, m).select(ft, 0.0),
        }
    }

    /// The losses so far, the last one repeated.
    fn history(&self, last: &State) -> Tensor {
        if self.iters == 0 {
            return last.history.clone();
        }
        let final_loss = last.history.index(0, &(&last.it - 1));
        iota([self.iters], 0, DType::I32).lt(&last.it).select(&last.history, &final_loss)
    }

    fn top_index(&self, y: &Tensor) -> Tensor {
        let (k, n) = (y.dim(0), y.dim(1));
        let count = self.top.min(n);
        // A few passes over y are cheaper than sorting its rows; many are not.
        let order = if count <= 32 { leaders(y, count) } else { y.argsort(1, true).slice(1, 0, count) };
        match self.top - count {
            0 => order,
            missing => concatenate(&[&order, &full([k, missing], -1.0, DType::I32)], 1),
        }
    }
}

/// The positions of the `count` largest entries of each row of y >= 0, in order, of equal ones the first.
fn leaders(y: &Tensor, count: usize) -> Tensor {
    let (k, n) = (y.dim(0), y.dim(1));
    if count == 0 {
        return zeros([k, 0], DType::I32);
    }
    let position = iota([k, n], 1, DType::I32);
    let start = (y.clone(), zeros([count, k], DType::I32));
    let (_, leaders) = fori_loop(0, count as i32, start, |rank, (rest, leaders)| {
        let at = rest.argmax(1);
        let rest = position.eq(column(&at)).select(-1.0, &rest);
        (rest, leaders.dynamic_update_slice(&at.reshape([1, k]), &[&rank, &scalar(0i32)]))
    });
    leaders.t()
}

/// `[k]` as `[k, 1]`, to act on rows.
pub(super) fn column(x: &Tensor) -> Tensor {
    x.reshape([x.dim(0), 1])
}

/// Step 1: F' with F = A G (G'G)^-1, and whether G'G was singular.
///
/// G'G is brought to a diagonal in [1, 4) by powers of two first, so that what counts as singular does not depend on
/// how the columns of G are scaled. Where it is singular, a ridge of relative size k u is added, four times as much
/// each time that rounding still leaves a pivot without a root. A loop that is hardly ever entered: a conditional
/// would cost 5 % of the whole iteration on the CPU, where it keeps the products beside it from running meanwhile.
fn least_squares(a: &Tensor, y: &Tensor) -> (Tensor, Tensor) {
    let k = y.dim(0);
    let u = y.dtype().unit_roundoff();
    let gram = y.contract(y, 1, 1);
    let unit = power_of_two(&diagonal(&gram).sqrt()).reshape([1, k]);
    let gram = &gram / column(&unit.reshape([k])) / &unit;
    let own = diagonal(&gram);
    let factor = cholesky(&gram);
    let inverse = inverse_of_transpose(&(&factor * &unit));
    // Negated, so that NaN counts as singular.
    let singular = !diagonal(&factor).square().gt(own.max() * (k as f64 * u)).all();
    // A start of zeros has no size of its own.
    let ridge = own.max().eq(0.0).select(1.0, own.sum() * u);
    let start = ((inverse.t(), inverse), ridge, singular.clone());
    let ((left, right), ..) = while_loop(
        start,
        |(_, _, again)| again,
        |(_, ridge, _)| {
            let factor = cholesky(&(&gram + identity_mask(k).select(&ridge, 0.0)));
            let inverse = inverse_of_transpose(&(&factor * &unit));
            // A ridge as large as the diagonal itself always suffices, unless there is NaN.
            let again = !diagonal(&factor).gt(0.0).all() & ridge.lt(own.max());
            // Tied to what the loop carries: the compiler would compute it before the loop, every time.
            let (y, _) = optimization_barrier(&(y.clone(), inverse.clone()));
            ((twins(&y).contract(&inverse, 1, 1), inverse), ridge * 4.0, again)
        },
    );
    (left.dot(&right.dot(&y.contract(a, 1, 1))), singular)
}

/// The averaging matrix of equal rows of y: what the ridge would leave to rounding, equal columns of G get equal
/// columns of F. A row of its own is kept.
fn twins(y: &Tensor) -> Tensor {
    let k = y.dim(0);
    let position = iota([k], 0, DType::I32);
    // One row against all others per trip: k^2 n comparisons, without a [k, k, n] array.
    let equal = fori_loop(0, k as i32, zeros([k, k], y.dtype()), |i, equal| {
        let row = y.index(0, &i).reshape([1, y.dim(1)]);
        let same = y.eq(&row).all_axes([1]) | position.eq(&i);
        equal.dynamic_update_slice(&same.convert(y.dtype()).reshape([1, k]), &[&i, &scalar(0i32)])
    });
    &equal / column(&equal.sum_axes([1]))
}

/// Step 3: G' after the multiplicative update.
pub(super) fn multiply(a: &Tensor, ft: &Tensor, y: &Tensor) -> Tensor {
    let p = ft.dot(a);
    let q = ft.contract(ft, 1, 1);
    let numerator = positive(&p) + positive(&-&q).dot(y);
    let denominator = positive(&-&p) + positive(&q).dot(y);
    // The roots are taken first: their quotient stays in range where numerator / denominator would not.
    let smallest = if a.dtype() == DType::F64 { f64::MIN_POSITIVE } else { f64::from(f32::MIN_POSITIVE) };
    let factor = numerator.sqrt() / denominator.maximum(smallest).sqrt();
    let both_zero = numerator.eq(0.0) & denominator.eq(0.0);
    y * both_zero.select(1.0, factor)
}

fn positive(x: &Tensor) -> Tensor {
    x.maximum(0.0)
}

/// J = |A - F G'|^2.
pub(super) fn squared_error(a: &Tensor, ft: &Tensor, y: &Tensor) -> Tensor {
    sum_of_squares(&(a - ft.contract(y, 0, 0)))
}

fn diagonal(x: &Tensor) -> Tensor {
    identity_mask(x.dim(0)).select(x, 0.0).sum_axes([0])
}

fn identity_mask(n: usize) -> Tensor {
    iota([n, n], 0, DType::I32).eq(iota([n, n], 1, DType::I32))
}

fn random_start(k: usize, n: usize, seed: u64, dtype: DType) -> Tensor {
    random::uniform(random::key(seed), [k, n], dtype).maximum(Init::SMALLEST)
}

/// The indicator of the clusters of A's columns, lifted off zero.
fn kmeans_start(a: &Tensor, k: usize, seed: u64) -> Tensor {
    let n = a.dim(1);
    // Distances do not see a common offset, but their expansion into squares would lose its digits to it.
    let a = &(a - column(&(a.sum_axes([1]) / n as f64)));
    let order = random::permutation(random::key(seed), n);
    let wrapped = constant(&HostArray::from_fn([k], |j| (j % n) as i32));
    let centres = a.take(&order.take(&wrapped, 0), 1);
    let squares = a.square().sum_axes([0]);
    let centres = fori_loop(0, Init::LLOYD_ROUNDS as i32, centres, |_, centres| {
        let distances = distances(a, &squares, &centres);
        let members = members(&distances);
        let sizes = members.sum_axes([1]);
        let means = a.contract(&members, 1, 1) / sizes.maximum(1.0).reshape([1, k]);
        // The j-th empty cluster moves to the j-th farthest sample.
        let empty = sizes.eq(0.0);
        let farthest = distances.min_axes([0]).argsort(0, true);
        let rank = running_count(&empty).minimum(n as i32) - 1;
        let strays = a.take(&farthest.take(&rank, 0), 1);
        empty.reshape([1, k]).select(strays, means)
    });
    members(&distances(a, &squares, &centres)) + Init::INDICATOR_LIFT
}

/// `[k, n]`: the squared distance of every centre to every sample.
fn distances(a: &Tensor, squares: &Tensor, centres: &Tensor) -> Tensor {
    let own = centres.square().sum_axes([0]);
    (column(&own) + squares.reshape([1, squares.dim(0)])) - centres.contract(a, 0, 0) * 2.0
}

/// `[k, n]`: 1 where the sample's nearest centre is this one, the first of equals.
fn members(distances: &Tensor) -> Tensor {
    let nearest = distances.argmin(0).reshape([1, distances.dim(1)]);
    iota(distances.shape(), 0, DType::I32).eq(nearest).convert(distances.dtype())
}

/// How many are true up to and including each position, i32.
fn running_count(mask: &Tensor) -> Tensor {
    let k = mask.dim(0);
    let up_to = iota([k, k], 1, DType::I32).le(iota([k, k], 0, DType::I32));
    (up_to & mask.reshape([1, k])).convert(DType::I32).sum_axes([1])
}
