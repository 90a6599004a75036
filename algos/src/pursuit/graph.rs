//! The pursuits as traced programs: one `while` on the device, whose trips are steps of all signals at once.
//!
//! What is large, residuals `[batch, d]` and correlations `[batch, p]`, is a matrix product or one pass per step. What is small,
//! one number per signal and chosen atom, is held as `[k, batch]`: a step writes one contiguous row, and sums over the atoms run
//! along the processor's vectors. Signals that have stopped are carried on unchanged until the last one stops.

mod gp;
mod mp;
mod nonnegative;
mod omp;

use tandem_compile::{DType, Tensor, fori_loop, full, iota, number, scalar, tree, while_loop, zeros};
use tandem_linalg::scale::power_of_two;
use tandem_verify::status::Status;

use super::{Method, Pursuit, Selection};

/// The traced outputs of [`Pursuit::trace`].
#[derive(Debug, Clone)]
pub struct Codes {
    /// z, `[batch, p]`, in the scale of the given atoms.
    pub codes: Tensor,
    /// The atom that each step chose, i32 `[batch, k]`; -1 after the stop.
    pub support: Tensor,
    /// The residual's norm before the first step and after each, `[batch, k + 1]`; the last one repeated after the stop.
    pub residual_norms: Tensor,
    /// The steps taken, i32 `[batch]`.
    pub count: Tensor,
    /// The bits of [`Status`], i32.
    pub status: Tensor,
}

impl Codes {
    /// The outputs in the order in which they are listed to users, the status last.
    pub fn into_vec(self) -> Vec<Tensor> {
        vec![self.codes, self.support, self.residual_norms, self.count, self.status]
    }
}

/// What all steps read.
struct Problem<'a> {
    pursuit: &'a Pursuit,
    /// The signals in their units, `[batch, d]`; zeros for those that are not finite.
    signals: Tensor,
    /// Atoms of norm 1, or zeros, `[p, d]`.
    atoms: Tensor,
    /// Which atoms are not zero, `[p]`.
    live: Tensor,
    /// The atoms' products `[p, p]`, on the Gram route.
    gram: Option<Tensor>,
    /// The residual norms at which signals are done, `[batch]`.
    goal: Tensor,
}

/// What the loop carries.
#[derive(Clone)]
struct State {
    /// The steps so far.
    n: Tensor,
    /// Which signals go on, `[batch]`.
    going: Tensor,
    /// `[batch, d]`.
    residual: Tensor,
    /// Their correlations with all atoms, `[batch, p]`: on the Gram route alone.
    correlations: Vec<Tensor>,
    /// What each step chose, `[k, batch]`; -1 where it chose nothing.
    support: Tensor,
    /// Codes of the unit atoms, `[k, batch]`: what step n adds to the code of the atom that it chose.
    weights: Tensor,
    /// `[k + 1, batch]`.
    norms: Tensor,
    /// `[batch]`.
    count: Tensor,
    /// Whether an atom was refused.
    refused: Tensor,
    /// What the method itself carries.
    own: Vec<Tensor>,
}
tree!(State { n, going, residual, correlations, support, weights, norms, count, refused, own });

/// What a step has chosen.
struct Choice {
    /// The atoms' positions, `[batch]`.
    at: Tensor,
    /// All correlations, `[batch, p]`.
    correlations: Tensor,
    /// Which signals have an atom to move along, `[batch]`.
    moves: Tensor,
}

impl Pursuit {
    /// Traces the codes of signals `x` (`[batch, d]`, f32 or f64) in the atoms that are the rows of `dictionary` (`[p, d]`).
    /// The parameters must have passed [`Pursuit::check`].
    #[track_caller]
    pub fn trace(&self, x: &Tensor, dictionary: &Tensor) -> Codes {
        let (dtype, batch, p) = (x.dtype(), x.dim(0), dictionary.dim(0));
        let largest = x.abs().max_axes([1]);
        let finite = largest.is_finite();
        let unit = power_of_two(&largest);
        let Atoms { atoms, live, norms: sizes, units, finite: sound } = unit_atoms(dictionary);
        let usable = &finite & &sound;
        let signals = column(&usable).select(x / column(&unit), 0.0);
        let first_norm = row_norms(&signals);
        let problem = Problem {
            pursuit: self,
            gram: self.by_gram(batch, x.dim(1), p).then(|| atoms.contract(&atoms, 1, 1)),
            signals,
            atoms,
            live,
            goal: &first_norm * self.goal(dtype.unit_roundoff()),
        };
        let last = problem.run(&first_norm);

        let codes = spread(&last.support, &last.weights, p) / row(&sizes) * column(&unit) / row(&units);
        let final_norm = last.norms.index(0, &last.n);
        let taken = iota([self.k + 1, batch], 0, DType::I32).le(&last.n);
        let norms = taken.select(&last.norms, row(&final_norm)) * row(&unit);
        let open = &usable & final_norm.gt(&problem.goal);
        let zero = (&finite & first_norm.eq(0.0)).any() | !problem.live.any();
        let broken = &usable & !(codes.abs().max_axes([1]).is_finite() & norms.max_axes([0]).is_finite());
        let status = Status::traced(
            &sound,
            &[
                (Status::NONFINITE_INPUT, &!finite.all()),
                (Status::NOT_CONVERGED, &(open.any() & scalar(self.tol > 0.0))),
                (Status::RANK_DEFICIENT, &last.refused),
                (Status::DEGENERATE, &zero),
                (Status::BREAKDOWN, &broken.any()),
            ],
        );
        let nan = number(f64::NAN, dtype);
        Codes {
            codes: column(&usable).select(codes, &nan),
            support: last.support.t(),
            residual_norms: column(&usable).select(norms.t(), &nan),
            count: last.count,
            status,
        }
    }
}

/// A dictionary made ready.
struct Atoms {
    /// Atoms of norm 1, or zeros, `[p, d]`.
    atoms: Tensor,
    /// Which atoms are not zero, `[p]`.
    live: Tensor,
    /// The norms of the atoms in units of `units`, `[p]`; 1 for atoms of zeros.
    norms: Tensor,
    /// Powers of two near the atoms' largest entries, `[p]`.
    units: Tensor,
    /// Whether the whole dictionary is finite.
    finite: Tensor,
}

fn unit_atoms(dictionary: &Tensor) -> Atoms {
    let largest = dictionary.abs().max_axes([1]);
    let finite = largest.is_finite().all();
    let tiny = if dictionary.dtype() == DType::F64 { f64::MIN_POSITIVE } else { f64::from(f32::MIN_POSITIVE) };
    let live = largest.ge(tiny) & &finite;
    // At most the inverse of the smallest normal number, for a product by the inverse, which the compiler does twice rather
    // than hold the scaled dictionary: a quotient it would not.
    let units = power_of_two(&largest).minimum(1.0 / tiny);
    let scaled = column(&live).select(dictionary * column(&(number(1.0, dictionary.dtype()) / &units)), 0.0);
    let norms = live.select(row_norms(&scaled), 1.0);
    Atoms { atoms: scaled / column(&norms), live, norms, units, finite }
}

impl Problem<'_> {
    fn run(&self, first_norm: &Tensor) -> State {
        let (k, batch, dtype) = (self.pursuit.k, self.signals.dim(0), self.signals.dtype());
        let norms = zeros([k + 1, batch], dtype);
        let start = State {
            n: scalar(0i32),
            going: first_norm.gt(&self.goal),
            residual: self.signals.clone(),
            correlations: self.gram.iter().map(|_| self.signals.contract(&self.atoms, 1, 1)).collect(),
            support: full([k, batch], -1.0, DType::I32),
            weights: zeros([k, batch], dtype),
            norms: norms.dynamic_update_slice(&row(first_norm), &[&scalar(0i32), &scalar(0i32)]),
            count: zeros([batch], DType::I32),
            refused: scalar(false),
            own: self.own_start(),
        };
        if k == 0 {
            return start;
        }
        let last = while_loop(start, |s| s.n.lt(k as i32) & s.going.any(), |s| self.step(s));
        match (self.pursuit.method, self.pursuit.selection) {
            (Method::Omp, Selection::Relu) => self.refine_nonnegative(last),
            (Method::Omp, _) => self.refine(last),
            _ => last,
        }
    }

    /// What the method itself carries, before the first step.
    fn own_start(&self) -> Vec<Tensor> {
        match (self.pursuit.method, self.pursuit.selection) {
            (Method::Mp, _) => Vec::new(),
            (Method::Gp, _) => self.gradient_start(),
            (Method::Omp, Selection::Relu) => self.nonnegative_start(),
            (Method::Omp, _) => self.orthogonal_start(),
        }
    }

    fn step(&self, s: State) -> State {
        let choice = self.choose(&s);
        let next = match (self.pursuit.method, self.pursuit.selection) {
            (Method::Mp, _) => self.matching_move(s, choice),
            (Method::Gp, _) => self.gradient_move(s, choice),
            (Method::Omp, Selection::Relu) => self.nonnegative_move(s, choice),
            (Method::Omp, _) => self.orthogonal_move(s, choice),
        };
        let norm = row_norms(&next.residual);
        let n = &next.n + 1;
        State {
            count: &next.count + next.going.convert(DType::I32),
            going: &next.going & norm.gt(&self.goal),
            norms: next.norms.dynamic_update_slice(&row(&norm), &[&n, &scalar(0i32)]),
            n,
            ..next
        }
    }

    /// The best atom of each signal among those that may be chosen.
    fn choose(&self, s: &State) -> Choice {
        let batch = s.residual.dim(0);
        let correlations = match s.correlations.first() {
            Some(correlations) => correlations.clone(),
            None => s.residual.contract(&self.atoms, 1, 1),
        };
        let mut score = match self.pursuit.selection {
            Selection::Abs => correlations.abs(),
            Selection::Signed | Selection::Relu => correlations.clone(),
        };
        if self.pursuit.method == Method::Omp {
            score = s.own[0].select(&score, f64::NEG_INFINITY);
        }
        // Of atoms of zeros the score is 0, which is no move; it must not hide negative ones.
        if self.pursuit.selection == Selection::Signed {
            score = row(&self.live).select(&score, f64::NEG_INFINITY);
        }
        let at = score.argmax(1);
        let best = score.take_along(&column(&at), 1).reshape([batch]);
        let some = match self.pursuit.selection {
            Selection::Abs | Selection::Relu => best.gt(0.0),
            Selection::Signed => best.is_finite() & best.ne(0.0),
        };
        Choice { moves: &s.going & some, at, correlations }
    }
}

impl State {
    /// The support with the atoms that this step moves to.
    fn with(&self, at: &Tensor, moves: &Tensor) -> Tensor {
        put(&self.support, &moves.select(at, -1), &self.n)
    }
}

/// `[batch]`: the norms of the rows of a matrix.
fn row_norms(x: &Tensor) -> Tensor {
    x.square().sum_axes([1]).sqrt()
}

/// `[batch]`: the products of the rows of two matrices.
fn row_products(x: &Tensor, y: &Tensor) -> Tensor {
    (x * y).sum_axes([1])
}

/// `[n]` as `[n, 1]`, to act on rows.
fn column(x: &Tensor) -> Tensor {
    x.reshape([x.dim(0), 1])
}

/// `[n]` as `[1, n]`, to act on columns.
fn row(x: &Tensor) -> Tensor {
    x.reshape([1, x.dim(0)])
}

/// `x` with row `n` replaced.
fn put(x: &Tensor, values: &Tensor, n: &Tensor) -> Tensor {
    x.dynamic_update_slice(&row(values), &[n, &scalar(0i32)])
}

/// Rows looked up together: the sum is read and written once for so many of them.
const TOGETHER: usize = 4;

/// `start` `[batch, c]` plus, for every signal, rows of `table` (`[p, c]`): those that `support` (`[k, batch]`) names, times
/// `weights` (`[k, batch]`), of which those from `used` on are zero.
///
/// One pass over `start` for every [`TOGETHER`] rows, so that no `[batch, k, c]` is formed.
fn accumulate(start: Tensor, table: &Tensor, support: &Tensor, weights: &Tensor, used: &Tensor) -> Tensor {
    let (k, batch) = (support.dim(0), support.dim(1));
    let together = TOGETHER.min(k);
    let more = (k.next_multiple_of(together) - k) as i64;
    let support = support.pad(0, &[(0, more, 0), (0, 0, 0)]);
    let weights = weights.pad(0.0, &[(0, more, 0), (0, 0, 0)]);
    let (_, sum) = while_loop(
        (scalar(0i32), start),
        |(m, _)| m.lt(used),
        |(m, mut sum)| {
            let zero = scalar(0i32);
            let at = support.dynamic_slice(&[&m, &zero], [together, batch]);
            let by = weights.dynamic_slice(&[&m, &zero], [together, batch]);
            for i in 0..together {
                let position = at.at_index(0, i as i64);
                sum = sum + column(&by.at_index(0, i as i64)) * table.take(&position, 0);
            }
            (m + together as i32, sum)
        },
    );
    sum
}

/// `[k, batch]`: the products of the rows of `y` (`[batch, d]`) with the rows of `table` that `support` names, up to `used`;
/// zeros from there on.
fn products(table: &Tensor, support: &Tensor, y: &Tensor, used: &Tensor) -> Tensor {
    let start = (scalar(0i32), zeros(support.shape(), y.dtype()));
    let (_, found) = while_loop(
        start,
        |(m, _)| m.lt(used),
        |(m, found)| {
            let product = row_products(&table.take(&support.index(0, &m), 0), y);
            (&m + 1, put(&found, &product, &m))
        },
    );
    found
}

/// `[k, batch]`: the elements of the rows of `x` (`[batch, p]`) that `support` names, 0 where it names none.
fn looked_up(x: &Tensor, support: &Tensor) -> Tensor {
    support.ge(0).select(x.take_along(&support.t(), 1).t(), 0.0)
}

/// `[batch, p]`: every weight added where its support is.
fn spread(support: &Tensor, weights: &Tensor, p: usize) -> Tensor {
    let (k, batch) = (support.dim(0), support.dim(1));
    let nothing = zeros([batch, p], weights.dtype());
    if k == 0 {
        return nothing;
    }
    let position = iota([batch, p], 1, DType::I32);
    fori_loop(0, k as i32, nothing, |n, codes| {
        let here = position.eq(column(&support.index(0, &n)));
        codes + here.select(column(&weights.index(0, &n)), 0.0)
    })
}
