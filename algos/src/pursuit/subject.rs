//! The pursuits as something to be verified: their random problems, their ties and degenerate inputs.

use std::fmt;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::BoxedStrategy;
use tandem_compile::{DType, Graph, HostArray, Result, Tensor, TensorType, trace};
use tandem_verify::rng::{normal, uniform};
use tandem_verify::{Batch, Law, Outcome, Real, Subject};

use super::{Method, Pursuit, Route, Selection, laws, reference};

/// The outputs in the order in which users know them.
pub const OUTPUTS: [&str; 4] = ["codes", "support", "residual_norms", "count"];

/// A problem: the data and the parameters.
#[derive(Debug, Clone)]
pub struct Case {
    /// Signals and atoms.
    pub data: Data,
    /// The parameters.
    pub pursuit: Pursuit,
}

/// Where signals and atoms come from.
#[derive(Clone)]
pub enum Data {
    /// Random numbers, and what is done to them.
    Random(Draw, Twist),
    /// Somebody's signals `[batch, d]` and dictionary `[p, d]`.
    Given(Arc<HostArray>, Arc<HostArray>),
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Data::Random(draw, Twist::None) => write!(f, "{draw:?}"),
            Data::Random(draw, twist) => write!(f, "{twist:?} {draw:?}"),
            Data::Given(x, dictionary) => write!(f, "x {}, dictionary {}", x.ty(), dictionary.ty()),
        }
    }
}

/// Normal signals, and normal atoms of norms that differ by up to a factor of 16.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Draw {
    /// Stream of the random numbers.
    pub seed: u64,
    /// The number of signals.
    pub batch: usize,
    /// Their length.
    pub d: usize,
    /// The number of atoms.
    pub p: usize,
    /// The signals are multiplied by two to this power, the atoms by two to half of it.
    pub exponent: i32,
}

/// How a special case departs from random data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twist {
    /// Nothing.
    None,
    /// The first signal is 0.
    ZeroSignal,
    /// All signals are 0.
    ZeroSignals,
    /// The first and the third atom are 0.
    ZeroAtom,
    /// All atoms are 0.
    ZeroAtoms,
    /// Every atom comes twice.
    EqualAtoms,
    /// Every atom comes with its negative.
    OppositeAtoms,
    /// Numbers rounded to -1, 0 or 1: many ties.
    Ternary,
    /// An entry of the first signal is NaN.
    NanSignal,
    /// An entry of the first signal is infinite.
    InfiniteSignal,
    /// An entry of an atom is NaN.
    NanAtom,
    /// All numbers are 1.
    Constant,
    /// Signals are small multiples of one atom or the sum of two.
    InSpan,
    /// Atoms of norms from 1e-8 to 1e8.
    Graded,
    /// Atoms are the negatives of the signals, over and over.
    AllNegative,
    /// Atoms are multiples of unit vectors, one after the other.
    Orthogonal,
}

/// One of the pursuits and its reference.
#[derive(Debug, Clone, Copy)]
pub struct PursuitSubject(pub Method);

/// Sizes (batch, d, p) and parameters of the random cases: few, for each is compiled.
///
/// There are more atoms than dimensions, so that there is a positive correlation that is more than what rounding leaves of
/// the last atom's.
fn programs(method: Method) -> Vec<((usize, usize, usize), Pursuit)> {
    let program =
        |size, k, selection, route, tol| (size, Pursuit::new(method, k).selection(selection).route(route).tol(tol));
    vec![
        program((3, 12, 30), 4, Selection::Abs, Route::Residual, 0.0),
        program((3, 12, 30), 4, Selection::Relu, Route::Gram, 0.0),
        program((2, 16, 40), 6, Selection::Abs, Route::Gram, 0.0),
        program((2, 16, 40), 6, Selection::Relu, Route::Residual, 0.0),
        program((1, 7, 40), 3, Selection::Signed, Route::Residual, 0.0),
        program((1, 7, 40), 3, Selection::Abs, Route::Gram, 0.4),
        program((5, 9, 24), 4, Selection::Signed, Route::Gram, 0.0),
        program((5, 9, 24), 4, Selection::Relu, Route::Residual, 0.4),
    ]
}

impl Subject for PursuitSubject {
    type Case = Case;

    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn factor(&self) -> f64 {
        16.0
    }

    fn outputs(&self) -> &'static [&'static str] {
        &OUTPUTS
    }

    fn strategy(&self) -> BoxedStrategy<Case> {
        let method = self.0;
        (0..1u64 << 32, prop::sample::select(programs(method)), -40..=40i32)
            .prop_map(|(seed, ((batch, d, p), pursuit), exponent)| Case {
                data: Data::Random(Draw { seed, batch, d, p, exponent }, Twist::None),
                pursuit,
            })
            .boxed()
    }

    fn special(&self) -> Vec<(&'static str, Case)> {
        let draw = Draw { seed: 5, batch: 3, d: 12, p: 30, exponent: 0 };
        let plain = Pursuit::new(self.0, 4).route(Route::Residual);
        let relu = Pursuit::new(self.0, 4).route(Route::Gram).selection(Selection::Relu);
        let case = |draw, twist, pursuit: &Pursuit| Case { data: Data::Random(draw, twist), pursuit: pursuit.clone() };
        let mut cases = Vec::new();
        let twists = [
            ("a zero signal", Twist::ZeroSignal),
            ("zero signals", Twist::ZeroSignals),
            ("zero atoms among others", Twist::ZeroAtom),
            ("zero atoms", Twist::ZeroAtoms),
            ("equal atoms", Twist::EqualAtoms),
            ("opposite atoms", Twist::OppositeAtoms),
            ("ties", Twist::Ternary),
            ("NaN in a signal", Twist::NanSignal),
            ("infinity in a signal", Twist::InfiniteSignal),
            ("NaN in an atom", Twist::NanAtom),
            ("constant", Twist::Constant),
            ("signals in the span of two atoms", Twist::InSpan),
            ("atoms of very different norms", Twist::Graded),
            ("negative correlations only", Twist::AllNegative),
            ("orthogonal atoms", Twist::Orthogonal),
        ];
        for (name, twist) in twists {
            cases.extend([(name, case(draw, twist, &plain)), (name, case(draw, twist, &relu))]);
        }
        let sized = |batch, d, p| Draw { batch, d, p, ..draw };
        let with = |k| Pursuit { k, ..plain.clone() };
        let signed = plain.clone().selection(Selection::Signed);
        cases.extend([
            ("negative correlations only, signed", case(draw, Twist::AllNegative, &signed)),
            ("zero atoms among negative correlations", case(draw, Twist::ZeroAtom, &signed)),
            ("large numbers", case(Draw { exponent: 60, ..draw }, Twist::None, &plain)),
            ("small numbers", case(Draw { exponent: -60, ..draw }, Twist::None, &relu)),
            ("no steps", case(draw, Twist::None, &with(0))),
            ("one step", case(draw, Twist::None, &with(1))),
            ("more steps than dimensions", case(sized(2, 4, 9), Twist::None, &with(7))),
            ("more steps than dimensions, by rows of the Gram matrix", {
                case(sized(2, 4, 9), Twist::None, &with(7).route(Route::Gram))
            }),
            ("more steps than dimensions, not negative", {
                case(sized(2, 4, 9), Twist::None, &with(7).selection(Selection::Relu))
            }),
            ("more steps than atoms", case(sized(2, 9, 3), Twist::None, &with(6))),
            ("one by one", case(sized(1, 1, 1), Twist::None, &with(3))),
            ("one atom", case(sized(3, 5, 1), Twist::None, &with(2))),
            ("signals of one number", case(sized(3, 1, 6), Twist::None, &with(2))),
            ("many steps", case(sized(2, 20, 30), Twist::None, &with(40).route(Route::Auto))),
            ("a loose tolerance", case(draw, Twist::None, &plain.clone().tol(0.7))),
        ]);
        cases
    }

    fn inputs(&self, case: &Case, dtype: DType) -> Vec<HostArray> {
        let (x, dictionary) = match &case.data {
            Data::Random(draw, twist) => drawn(draw, *twist),
            Data::Given(x, dictionary) => (HostArray::clone(x), HostArray::clone(dictionary)),
        };
        // The random cases stay far inside of f32's range: the conversion only rounds.
        [x, dictionary].map(|array| array.cast(dtype).unwrap_or(array)).to_vec()
    }

    fn graph(&self, case: &Case, inputs: &[TensorType]) -> Result<Graph> {
        trace(|(x, dictionary): (Tensor, Tensor)| case.pursuit.trace(&x, &dictionary).into_vec(), inputs)
    }

    fn reference<R: Real>(&self, case: &Case, inputs: &[HostArray], u: f64) -> Outcome<R> {
        reference::pursue(&case.pursuit, &inputs[0], &inputs[1], u)
    }

    fn laws(&self) -> Vec<Law<Case>> {
        laws::laws()
    }

    fn batch(&self) -> Option<Batch> {
        Some(Batch { input: 0, axis: 0, outputs: &[Some(0); OUTPUTS.len()] })
    }
}

/// Signals and atoms of a case.
fn drawn(draw: &Draw, twist: Twist) -> (HostArray, HostArray) {
    let Draw { seed, batch, d, p, exponent } = *draw;
    let (up, half) = (2f64.powi(exponent), 2f64.powi(exponent / 2));
    let sizes = uniform(seed.wrapping_mul(3), p);
    let mut x = normal(seed.wrapping_mul(3).wrapping_add(1), batch * d);
    let mut atoms = normal(seed.wrapping_mul(3).wrapping_add(2), p * d);
    atoms.iter_mut().enumerate().for_each(|(at, a)| *a *= 16f64.powf(sizes[at / d] - 0.5));
    let copies = |atoms: &[f64], sign: f64| -> Vec<f64> {
        (0..p * d).map(|at| atoms[at / d / 2 * d + at % d] * if at / d % 2 == 1 { sign } else { 1.0 }).collect()
    };
    match twist {
        Twist::None => {}
        Twist::ZeroSignal => x[..d].fill(0.0),
        Twist::ZeroSignals => x.fill(0.0),
        Twist::ZeroAtom => [0, 2].into_iter().filter(|&j| j < p).for_each(|j| atoms[j * d..(j + 1) * d].fill(0.0)),
        Twist::ZeroAtoms => atoms.fill(0.0),
        Twist::EqualAtoms => atoms = copies(&atoms, 1.0),
        Twist::OppositeAtoms => atoms = copies(&atoms, -1.0),
        Twist::Ternary => x.iter_mut().chain(&mut atoms).for_each(|x| *x = x.clamp(-1.0, 1.0).round()),
        Twist::NanSignal => x[d / 2] = f64::NAN,
        Twist::InfiniteSignal => x[d / 2] = f64::INFINITY,
        Twist::NanAtom => atoms[d / 2] = f64::NAN,
        Twist::Constant => x.iter_mut().chain(&mut atoms).for_each(|x| *x = 1.0),
        Twist::InSpan => {
            let sum = |b: usize, i: usize| atoms[i] + b as f64 * atoms[(b % p) * d + i];
            x = (0..batch * d).map(|at| sum(at / d, at % d)).collect();
        }
        Twist::Graded => {
            let size = |j: usize| 10f64.powf(16.0 * j as f64 / p as f64 - 8.0);
            atoms.iter_mut().enumerate().for_each(|(at, a)| *a *= size(at / d));
        }
        Twist::AllNegative => atoms = (0..p * d).map(|at| -x[at / d % batch * d + at % d].abs()).collect(),
        Twist::Orthogonal => {
            atoms = (0..p * d).map(|at| if at / d % d == at % d { 1.0 + sizes[at / d] } else { 0.0 }).collect();
        }
    }
    if twist == Twist::AllNegative {
        x.iter_mut().for_each(|x| *x = x.abs());
    }
    (HostArray::from_fn([batch, d], |at| x[at] * up), HostArray::from_fn([p, d], |at| atoms[at] * half))
}
