//! `equivalent(traced, reference, strategy).on(&device).check()`: a function of one's own, guaranteed in a `#[test]`.
//!
//! ```
//! use tandem_compile::Tensor;
//! use tandem_verify::strategy::uniform;
//! use tandem_verify::{Array, Real, equivalent, reference};
//!
//! /// The means of the rows.
//! fn means<R: Real>(a: &Array<R>) -> Vec<R> {
//!     let n = a.shape()[1];
//!     let sum = |row: &[R]| row.iter().fold(R::zero(), |sum, &x| sum + x);
//!     a.values().chunks(n).map(|row| sum(row) / R::from_f64(n as f64)).collect()
//! }
//!
//! // In a #[test]:
//! equivalent(|a: Tensor| a.mean_axes([1]), reference!(means(a) -> mean), uniform([7, 5], -1.0..1.0)).check();
//! ```

mod problem;
mod reference;

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::path::{Path, PathBuf};

use proptest::strategy::{BoxedStrategy, Strategy};
use tandem_compile::pjrt::Device;
use tandem_compile::{DType, Error, Graph, HostArray, Result, TensorType, Tree, trace};

use crate::backend::Compiled;
use crate::certificate::Certificate;
use crate::check::{Options, Subject, check};
use crate::law::{Law, Trial, Verdict};
use crate::outcome::{Outcome, Output};
use crate::real::Real;

pub use problem::Problem;
pub use reference::{Array, Part, Parts, Reference};

/// A claim that is about to be checked; made by [`equivalent`].
pub struct Equivalent<I, O, F, R, P: Problem> {
    traced: F,
    reference: R,
    strategy: BoxedStrategy<P>,
    special: Vec<(&'static str, P)>,
    laws: Vec<Law<P>>,
    factor: f64,
    cases: u32,
    seed: u64,
    dtypes: Vec<DType>,
    device: Option<Device>,
    kept: Kept,
    location: &'static Location<'static>,
    /// Whether names, inputs and results have been counted.
    counted: Cell<bool>,
    types: PhantomData<fn(I) -> O>,
}

/// Where failing cases are kept.
enum Kept {
    /// In the folder `regressions` beside the test.
    Beside,
    At(PathBuf),
    Nowhere,
}

/// Claims that the traced function `traced` computes what `reference` does, on the problems of `strategy`.
///
/// Checked are 64 random problems in f32 and in f64 on [`Device::default`], by the rule of the crate: the reference runs in the device's
/// precision and in the next higher one, and the device may be 16 times as far from the latter as the former is (but 8 rounding
/// units of the output's largest number at least). Positions must be equal. The methods change all of this.
///
/// Every shape that the strategy draws is a program to compile: few shapes make a fast test.
#[track_caller]
pub fn equivalent<I, O, F, R, S>(traced: F, reference: R, strategy: S) -> Equivalent<I, O, F, R, S::Value>
where
    I: Tree,
    O: Tree,
    F: Fn(I) -> O,
    R: Reference,
    S: Strategy + 'static,
    S::Value: Problem,
{
    Equivalent {
        traced,
        reference,
        strategy: strategy.boxed(),
        special: Vec::new(),
        laws: Vec::new(),
        factor: 16.0,
        cases: 64,
        seed: 0,
        dtypes: vec![DType::F32, DType::F64],
        device: None,
        kept: Kept::Beside,
        location: Location::caller(),
        counted: Cell::new(false),
        types: PhantomData,
    }
}

impl<I: Tree, O: Tree, F: Fn(I) -> O, R: Reference, P: Problem> Equivalent<I, O, F, R, P> {
    /// On this device.
    pub fn on(self, device: &Device) -> Self {
        Self { device: Some(device.clone()), ..self }
    }

    /// In this precision alone, f32 or f64.
    pub fn dtype(self, dtype: DType) -> Self {
        Self { dtypes: vec![dtype], ..self }
    }

    /// So many random problems.
    pub fn cases(self, cases: u32) -> Self {
        Self { cases, ..self }
    }

    /// Other random problems.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// The multiple of the reference's own error that the device may be off.
    pub fn factor(self, factor: f64) -> Self {
        Self { factor, ..self }
    }

    /// What must hold whatever the rounding, of the device's result and of the reference's.
    pub fn law(mut self, name: &'static str, judge: fn(&Trial<P>) -> Result<Verdict, String>) -> Self {
        self.laws.push(Law { name, judge });
        self
    }

    /// A degenerate problem, which the laws alone judge.
    pub fn special(mut self, name: &'static str, problem: P) -> Self {
        self.special.push((name, problem));
        self
    }

    /// Keeps failing problems in this file and replays them first, instead of in the folder `regressions` beside the test.
    pub fn regressions(self, file: impl Into<PathBuf>) -> Self {
        Self { kept: Kept::At(file.into()), ..self }
    }

    /// Keeps no failing problem.
    pub fn forgetful(self) -> Self {
        Self { kept: Kept::Nowhere, ..self }
    }

    /// Checks the claim.
    ///
    /// # Panics
    /// When it is wrong, with the smallest problem that shows it: the output, the position, the numbers of device, reference and
    /// oracle, how far off is allowed, and the program. When there is no device.
    #[track_caller]
    pub fn check(self) {
        let certificates = self.certificates().unwrap_or_else(|error| panic!("{}: {error}", self.reference.name()));
        for certificate in certificates {
            assert!(certificate.agreed, "{}", Report { certificate: &certificate, location: self.location });
        }
    }

    /// Checks the claim and says what came out, one certificate per precision.
    ///
    /// # Errors
    /// When there is no device.
    pub fn certificates(&self) -> Result<Vec<Certificate>> {
        let device = match &self.device {
            Some(device) => device.clone(),
            None => Device::default()?,
        };
        let check = |&dtype: &DType| {
            let regressions = self.file(dtype).map(|path| &*path.display().to_string().leak());
            let options = Options { dtype, cases: self.cases, seed: self.seed, regressions };
            check(self, Some(&Compiled::on(&device)), &options)
        };
        Ok(self.dtypes.iter().map(check).collect())
    }

    /// The file that keeps failing problems.
    fn file(&self, dtype: DType) -> Option<PathBuf> {
        match &self.kept {
            Kept::Nowhere => None,
            Kept::At(path) => Some(path.clone()),
            Kept::Beside => {
                let source = Path::new(self.location.file());
                // The compiler names files from the workspace's root, which is the package's folder or one above it.
                let package = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR")?);
                let root = package.ancestors().find(|folder| folder.join(source).is_file())?;
                let stem = source.file_stem()?.to_string_lossy();
                let file = format!("{stem}-{}-{dtype}.txt", self.reference.name());
                Some(root.join(source.parent()?).join("regressions").join(file))
            }
        }
    }

    /// Whether inputs and results are as many as their names.
    fn fits(&self, problem: &P, graph: &Graph) -> std::result::Result<(), String> {
        let arrays = problem.arrays(DType::F64);
        let (inputs, outputs, name) = (self.reference.inputs(), self.reference.outputs(), self.reference.name());
        let listed = |names: &[&str]| names.join(", ");
        if arrays.len() != inputs.len() {
            let (made, takes) = (arrays.len(), listed(inputs));
            return Err(format!("the strategy makes {made} arrays, and the reference {name} takes ({takes})"));
        }
        let arrays: Vec<Array<f64>> = arrays.iter().map(Array::from_host).collect();
        let (own, traced) = (self.reference.compute(&arrays).len(), graph.results().len());
        if own != outputs.len() || traced != outputs.len() {
            let outputs = listed(outputs);
            return Err(format!(
                "the traced function gives {traced} results, the reference {name} {own}, named are {outputs}"
            ));
        }
        Ok(())
    }
}

impl<I: Tree, O: Tree, F: Fn(I) -> O, R: Reference, P: Problem> Subject for Equivalent<I, O, F, R, P> {
    type Case = P;

    fn name(&self) -> &'static str {
        self.reference.name()
    }

    fn factor(&self) -> f64 {
        self.factor
    }

    fn outputs(&self) -> &'static [&'static str] {
        self.reference.outputs()
    }

    fn strategy(&self) -> BoxedStrategy<P> {
        self.strategy.clone()
    }

    fn special(&self) -> Vec<(&'static str, P)> {
        self.special.clone()
    }

    fn inputs(&self, problem: &P, dtype: DType) -> Vec<HostArray> {
        problem.arrays(dtype)
    }

    fn graph(&self, problem: &P, inputs: &[TensorType]) -> Result<Graph> {
        let graph = trace(&self.traced, inputs)?;
        if !self.counted.get() {
            self.fits(problem, &graph).map_err(Error::Host)?;
            self.counted.set(true);
        }
        Ok(graph)
    }

    fn reference<N: Real>(&self, _: &P, inputs: &[HostArray], _: f64) -> Outcome<N> {
        let inputs: Vec<Array<N>> = inputs.iter().map(Array::from_host).collect();
        let parts = self.reference.compute(&inputs);
        let named = self.reference.outputs().iter().zip(parts);
        let output = |(&name, Part { shape, values }): (&&'static str, Part<N>)| Output {
            name,
            shape,
            values,
            scale: 0.0,
            free: false,
        };
        Outcome { outputs: named.map(output).collect(), status: 0, decisions: Vec::new() }
    }

    fn laws(&self) -> Vec<Law<P>> {
        self.laws.iter().map(|law| Law { name: law.name, judge: law.judge }).collect()
    }
}

/// A failed claim in words.
struct Report<'a> {
    certificate: &'a Certificate,
    location: &'static Location<'static>,
}

/// The most lines of a program in a message.
const MOST_LINES: usize = 60;

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Certificate { algorithm, dtype, device, counterexample, .. } = self.certificate;
        let Some(found) = counterexample else { return Ok(()) };
        writeln!(
            f,
            "the program at {} does not compute what {algorithm} does, in {dtype} on {device}:",
            self.location
        )?;
        writeln!(f, "{}", found.reason)?;
        writeln!(f, "for {}", found.case)?;
        let lines = found.rust.as_deref().unwrap_or_default().lines();
        for (at, line) in
            lines.map(str::trim).filter(|line| line.starts_with("HostArray::") && line.len() < 500).enumerate()
        {
            writeln!(f, "input {at}: {}", line.trim_end_matches(','))?;
        }
        match found.stablehlo.as_deref() {
            Some(program) if program.lines().count() <= MOST_LINES => write!(f, "its program:\n{program}"),
            _ => Ok(()),
        }
    }
}
