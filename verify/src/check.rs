//! The driver: many random cases of one computation, each on the device, on the reference and on the oracle.

use std::cell::RefCell;
use std::fmt::Debug;
use std::time::Instant;

use faer::fx128;
use proptest::strategy::BoxedStrategy;
use proptest::test_runner::{Config, FailurePersistence, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use tandem_compile::{DType, Graph, HostArray, TensorType};

use crate::agreement::{Comparison, Ratio, compare};
use crate::backend::Backend;
use crate::bits::{Batch, permutes, repeats};
use crate::certificate::{Certificate, LawCount};
use crate::counterexample::counterexample;
use crate::law::{Law, Rerun, Trial, Verdict};
use crate::outcome::Outcome;
use crate::real::Real;
use crate::tally::{Judged, Tally};

/// A computation that exists twice, with what is needed to compare its two forms.
pub trait Subject {
    /// The parameters of one case: small numbers, from which the inputs are made.
    type Case: Clone + Debug + 'static;

    /// The name on the certificate.
    fn name(&self) -> &'static str;

    /// How many yardsticks the device may be from the oracle.
    fn factor(&self) -> f64;

    /// The names of the outputs that are compared; the graph's results are these and then the status.
    fn outputs(&self) -> &'static [&'static str];

    /// Random cases.
    fn strategy(&self) -> BoxedStrategy<Self::Case>;

    /// Deliberate ties and degenerate inputs, by name: judged by the laws alone.
    fn special(&self) -> Vec<(&'static str, Self::Case)>;

    /// The inputs of a case, in the precision under test.
    fn inputs(&self, case: &Self::Case, dtype: DType) -> Vec<HostArray>;

    /// The traced program of a case for inputs of the given types.
    ///
    /// # Errors
    /// Whatever tracing reports.
    fn graph(&self, case: &Self::Case, inputs: &[TensorType]) -> tandem_compile::Result<Graph>;

    /// The reference, computed in `R`, making its decisions as a computation with unit roundoff `u` does.
    fn reference<R: Real>(&self, case: &Self::Case, inputs: &[HostArray], u: f64) -> Outcome<R>;

    /// What must hold whatever the rounding.
    fn laws(&self) -> Vec<Law<Self::Case>>;

    /// How much the inputs' errors are magnified by the problem itself, where that has a number: errors are drawn against it.
    fn condition(&self, _: &Self::Case, _: &[HostArray]) -> Option<f64> {
        None
    }

    /// The axes along which inputs and outputs are a batch of independent problems, where they are.
    fn batch(&self) -> Option<Batch> {
        None
    }
}

/// How much is checked.
#[derive(Debug, Clone)]
pub struct Options {
    /// The precision under test: f32 or f64.
    pub dtype: DType,
    /// The number of random cases.
    pub cases: u32,
    /// The seed of the random cases.
    pub seed: u64,
    /// Where failing cases are kept and replayed from, if anywhere.
    pub regressions: Option<&'static str>,
}

/// The share of ties among the random cases above which a strategy proves too little.
pub const MOST_TIES: f64 = 0.02;

/// Whether so many ties speak for a share above [`MOST_TIES`]: more than two standard deviations beyond it, since a few
/// cases can hold a few ties by chance.
fn too_many_ties(ties: u32, cases: u32) -> bool {
    let expected = MOST_TIES * f64::from(cases);
    f64::from(ties) > expected + 2.0 * expected.sqrt()
}

/// Checks `subject` on `backend`, or the reference against its own oracle where there is none.
pub fn check<S: Subject>(subject: &S, backend: Option<&dyn Backend>, options: &Options) -> Certificate {
    let session = Session::new(subject, backend, options);
    let start = Instant::now();
    let special = subject.special().into_iter().find_map(|(name, case)| {
        let reason = session.judge(&case, true).err()?;
        Some(Failure { name: format!("{name}: {case:?}"), reason, case: Some(case) })
    });
    let failure = special.or_else(|| session.random_cases());
    session.certificate(failure, start)
}

/// What has failed, and for which case, if it is one.
struct Failure<C> {
    name: String,
    reason: String,
    case: Option<C>,
}

/// Checks one case, such as somebody's data: everything that is checked of a random one.
pub fn check_case<S: Subject>(subject: &S, backend: Option<&dyn Backend>, dtype: DType, case: &S::Case) -> Certificate {
    let options = Options { dtype, cases: 1, seed: 0, regressions: None };
    let session = Session::new(subject, backend, &options);
    let start = Instant::now();
    let failed = session.judge(case, false).err();
    let failure = failed.map(|reason| Failure { name: format!("{case:?}"), reason, case: Some(case.clone()) });
    session.certificate(failure, start)
}

struct Session<'a, S: Subject> {
    subject: &'a S,
    backend: Option<&'a dyn Backend>,
    options: &'a Options,
    laws: Vec<Law<S::Case>>,
    tally: RefCell<Tally>,
}

impl<'a, S: Subject> Session<'a, S> {
    fn new(subject: &'a S, backend: Option<&'a dyn Backend>, options: &'a Options) -> Self {
        let laws = subject.laws();
        let counts = laws.iter().map(|law| LawCount { name: law.name.into(), ..LawCount::default() }).collect();
        Self { subject, backend, options, laws, tally: RefCell::new(Tally { laws: counts, ..Tally::default() }) }
    }

    fn random_cases(&self) -> Option<Failure<S::Case>> {
        let persistence = self.options.regressions.map(|path| {
            let direct = proptest::test_runner::FileFailurePersistence::Direct(path);
            Box::new(direct) as Box<dyn FailurePersistence>
        });
        let config = Config {
            cases: self.options.cases,
            failure_persistence: persistence,
            max_shrink_iters: 256,
            ..Config::default()
        };
        let mut seed = [0u8; 32];
        seed[..8].copy_from_slice(&self.options.seed.to_le_bytes());
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
        let result = runner.run(&self.subject.strategy(), |case| self.judge(&case, false).map_err(TestCaseError::fail));
        match result {
            Ok(()) => None,
            Err(TestError::Fail(reason, case)) => {
                Some(Failure { name: format!("{case:?}"), reason: reason.message().into(), case: Some(case) })
            }
            Err(TestError::Abort(reason)) => {
                Some(Failure { name: "no case".into(), reason: reason.message().into(), case: None })
            }
        }
    }

    fn judge(&self, case: &S::Case, special: bool) -> Result<(), String> {
        let result = match self.options.dtype {
            DType::F64 => self.judge_in::<f64, fx128>(case, special),
            _ => self.judge_in::<f32, f64>(case, special),
        };
        if result.is_err() {
            self.tally.borrow_mut().failed = true;
        }
        result
    }

    fn judge_in<R: Real, O: Real>(&self, case: &S::Case, special: bool) -> Result<(), String> {
        let start = Instant::now();
        let inputs = self.subject.inputs(case, self.options.dtype);
        let device = self.device::<R>(case, &inputs)?;
        let read = self.as_read(&inputs)?;
        let reference = self.subject.reference::<R>(case, &inputs, R::UNIT_ROUNDOFF);
        if special {
            self.count(|tally| tally.special += 1);
        } else {
            let oracle = self.subject.reference::<O>(case, &read, R::UNIT_ROUNDOFF);
            let of_read = (read != inputs).then(|| self.subject.reference::<R>(case, &read, R::UNIT_ROUNDOFF));
            let own = of_read.as_ref().unwrap_or(&reference);
            let ratios = self.compare(&device, own, &oracle, R::UNIT_ROUNDOFF);
            let judged = Judged {
                size: inputs.iter().map(HostArray::len).sum(),
                condition: self.subject.condition(case, &inputs),
                tie: matches!(ratios, Ok(None)),
                ratios: ratios.as_ref().ok().and_then(Option::as_deref),
            };
            self.count(|tally| tally.case(&judged, case));
            self.within(&ratios?.unwrap_or_default())?;
            self.bits(case, &inputs)?;
        }
        self.obey(case, &read, &device, &|case, inputs| self.device::<R>(case, inputs))
            .map_err(|e| format!("on the device, {e}"))?;
        let rerun = |case: &S::Case, inputs: &[HostArray]| {
            Ok(self.subject.reference::<R>(case, inputs, R::UNIT_ROUNDOFF).to_f64())
        };
        self.obey(case, &inputs, &reference.to_f64(), &rerun).map_err(|e| format!("on the reference, {e}"))?;
        if !special {
            self.count(|tally| tally.took(start.elapsed().as_secs_f64(), case));
        }
        Ok(())
    }

    /// Looks whether the device repeats itself, in the first cases.
    fn bits(&self, case: &S::Case, inputs: &[HostArray]) -> Result<(), String> {
        let Some(backend) = self.backend.filter(|_| self.tally.borrow().looks_at_bits()) else {
            return Ok(());
        };
        let types: Vec<TensorType> = inputs.iter().map(HostArray::ty).collect();
        let graph = self.subject.graph(case, &types).map_err(|e| e.to_string())?;
        let repeated = repeats(backend, &graph, inputs)?;
        let permuted = self.subject.batch().map(|batch| permutes(backend, &graph, inputs, &batch)).transpose()?;
        self.count(|tally| tally.bits(repeated, permuted));
        Ok(())
    }

    fn device<R: Real>(&self, case: &S::Case, inputs: &[HostArray]) -> Result<Outcome<f64>, String> {
        let Some(backend) = self.backend else {
            return Ok(self.subject.reference::<R>(case, inputs, R::UNIT_ROUNDOFF).to_f64());
        };
        let types: Vec<TensorType> = inputs.iter().map(HostArray::ty).collect();
        let graph = self.subject.graph(case, &types).map_err(|e| e.to_string())?;
        let mut results = backend.run(&graph, inputs)?;
        if self.flushes(inputs)? {
            results.iter_mut().for_each(|result| *result = result.flushed());
        }
        Ok(Outcome::from_arrays(self.subject.outputs(), &results))
    }

    /// The inputs as the device reads them: without their subnormal numbers where it takes those for zeros.
    fn as_read(&self, inputs: &[HostArray]) -> Result<Vec<HostArray>, String> {
        let flushes = self.flushes(inputs)?;
        Ok(inputs.iter().map(|input| if flushes { input.flushed() } else { input.clone() }).collect())
    }

    /// Whether there are subnormal numbers that the device takes for zeros, and may so return.
    fn flushes(&self, inputs: &[HostArray]) -> Result<bool, String> {
        match self.backend {
            Some(backend) if inputs.iter().any(|input| input.subnormals() > 0) => {
                backend.flushes_subnormals(self.options.dtype)
            }
            _ => Ok(false),
        }
    }

    fn compare<R: Real, O: Real>(
        &self,
        device: &Outcome<f64>,
        reference: &Outcome<R>,
        oracle: &Outcome<O>,
        u: f64,
    ) -> Result<Option<Vec<Ratio>>, String> {
        match compare(device, reference, oracle, u, self.subject.factor()) {
            Comparison::Tie => Ok(None),
            Comparison::Different(message) => Err(message),
            Comparison::Ratios(ratios) => Ok(Some(ratios)),
        }
    }

    /// Whether every output is as near to the oracle as is allowed.
    fn within(&self, ratios: &[Ratio]) -> Result<(), String> {
        let factor = self.subject.factor();
        // Not `>`: NaN is too far as well.
        let Some(ratio) = ratios.iter().find(|ratio| !(ratio.ratio <= factor)) else { return Ok(()) };
        let Ratio { output, at, device, reference, oracle, error, ratio, yardstick } = ratio;
        Err(format!(
            "{output}{at:?} is {device:e} on the device, {reference:e} by the reference and {oracle:e} by the oracle: an error of \
             {error:.2e}, {ratio:.1} times the yardstick {yardstick:.2e}; allowed is {factor}"
        ))
    }

    fn obey(
        &self,
        case: &S::Case,
        inputs: &[HostArray],
        outcome: &Outcome<f64>,
        rerun: Rerun<'_, S::Case>,
    ) -> Result<(), String> {
        let trial = Trial { case, inputs, outcome, dtype: self.options.dtype, rerun };
        for (i, law) in self.laws.iter().enumerate() {
            let verdict = (law.judge)(&trial).map_err(|e| format!("the law {} could not be judged: {e}", law.name))?;
            self.count(|tally| tally.laws[i].count(&verdict));
            if let Verdict::Broken(how) = verdict {
                return Err(format!("the law {} is broken: {how}", law.name));
            }
        }
        Ok(())
    }

    fn count(&self, add: impl FnOnce(&mut Tally)) {
        let mut tally = self.tally.borrow_mut();
        if !tally.failed {
            add(&mut tally);
        }
    }

    fn certificate(self, failure: Option<Failure<S::Case>>, start: Instant) -> Certificate {
        let mut tally = self.tally.into_inner();
        let failure = failure.or_else(|| {
            let (ties, cases) = (tally.ties, tally.cases);
            let reason = format!("{ties} of {cases} cases are ties");
            too_many_ties(ties, cases).then(|| Failure { name: "the strategy".into(), reason, case: None })
        });
        let (device, versions, (programs, compile_seconds)) = match self.backend {
            Some(backend) => (backend.name(), backend.versions(), backend.compiled()),
            None => ("reference".into(), Vec::new(), (0, 0.0)),
        };
        tally.times.seconds = start.elapsed().as_secs_f64();
        (tally.times.programs, tally.times.compile_seconds) = (programs, compile_seconds);
        let dtype = self.options.dtype;
        let counterexample = failure.map(|Failure { name, reason, case }| {
            counterexample(self.subject, case.as_ref(), dtype, &device, name, reason)
        });
        Certificate {
            schema: Certificate::SCHEMA,
            algorithm: self.subject.name().into(),
            dtype: dtype.name().into(),
            device,
            versions: versions.into_iter().collect(),
            seed: self.options.seed,
            cases: tally.cases,
            special_cases: tally.special,
            ties: tally.ties,
            factor: self.subject.factor(),
            outputs: tally.outputs,
            laws: tally.laws,
            bits: tally.bits,
            records: tally.records,
            worst: tally.worst,
            agreed: counterexample.is_none(),
            counterexample,
            times: tally.times,
        }
    }
}
