//! The proof has teeth: a program with a planted mistake is refused, with a small counterexample that is kept.

use proptest::prelude::*;
use proptest::strategy::BoxedStrategy;
use tandem_compile::pjrt::Device;
use tandem_compile::{DType, Graph, HostArray, Result, Tensor, TensorType, number, trace};
use tandem_verify::strategy::{MatrixCase, matrices};
use tandem_verify::{
    Certificate, Compiled, Decision, Law, Options, Outcome, Output, Real, Subject, Trial, Values, Verdict, check,
};

/// What is wrong with the program.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mistake {
    None,
    /// A relative error of 1e-4 in matrices of more than three columns.
    Inaccurate,
    /// NaN where the first element is negative.
    Poisoned,
    /// The result has an axis too many.
    Misshapen,
    /// Every decision is a tie.
    Undecided,
    /// The law does not hold.
    Lawless,
}

/// The sums of the columns of a matrix, as a program with or without a mistake.
struct Sums(Mistake);

impl Subject for Sums {
    type Case = MatrixCase;

    fn name(&self) -> &'static str {
        "sums"
    }

    fn factor(&self) -> f64 {
        4.0
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["sums"]
    }

    fn strategy(&self) -> BoxedStrategy<MatrixCase> {
        matrices(6, 6, 2, 10).boxed()
    }

    fn special(&self) -> Vec<(&'static str, MatrixCase)> {
        vec![("one by one", MatrixCase { seed: 1, rows: 1, cols: 1, rank: 1, decades: 0, exponent: 0 })]
    }

    fn inputs(&self, case: &MatrixCase, dtype: DType) -> Vec<HostArray> {
        vec![case.matrix(dtype)]
    }

    fn graph(&self, _: &MatrixCase, inputs: &[TensorType]) -> Result<Graph> {
        let program = |a: Tensor| {
            let sums = a.sum_axes([0]);
            let first = a.slice(0, 0, 1).slice(1, 0, 1).reshape([]);
            match self.0 {
                Mistake::Inaccurate if a.dim(1) > 3 => sums * 1.0001,
                Mistake::Poisoned => first.lt(0.0).select(number(f64::NAN, a.dtype()), sums),
                Mistake::Misshapen => sums.reshape([1, a.dim(1)]),
                _ => sums,
            }
        };
        trace(program, inputs)
    }

    fn reference<R: Real>(&self, case: &MatrixCase, inputs: &[HostArray], _: f64) -> Outcome<R> {
        let values = inputs[0].to_f64();
        let sum = |j: usize| (0..case.rows).fold(R::zero(), |sum, i| sum + R::from_f64(values[i * case.cols + j]));
        let largest = values.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        let margin = if self.0 == Mistake::Undecided { 0.0 } else { 1.0 };
        Outcome {
            outputs: vec![Output {
                name: "sums",
                shape: vec![case.cols],
                values: Values::Real((0..case.cols).map(sum).collect()),
                scale: largest * case.rows as f64,
                free: false,
            }],
            status: 0,
            decisions: vec![Decision { kind: "step", margin, choice: 0 }],
        }
    }

    fn laws(&self) -> Vec<Law<MatrixCase>> {
        let judge = match self.0 {
            Mistake::Lawless => |_: &Trial<MatrixCase>| Ok(Verdict::of(false, || "by design".into())),
            _ => |_: &Trial<MatrixCase>| Ok(Verdict::Holds),
        };
        vec![Law { name: "the_law", judge }]
    }
}

fn certificate(mistake: Mistake, dtype: DType, regressions: Option<&'static str>) -> Certificate {
    let device = Device::cpu().unwrap();
    let options = Options { dtype, cases: 40, seed: 3, regressions };
    check(&Sums(mistake), Some(&Compiled::on(&device)), &options)
}

fn refused(mistake: Mistake, dtype: DType) -> (String, String) {
    let certificate = certificate(mistake, dtype, None);
    assert!(!certificate.agreed, "{mistake:?} was not found");
    let found = certificate.counterexample.unwrap();
    (found.case, found.reason)
}

#[test]
fn the_right_program_agrees() {
    for dtype in [DType::F32, DType::F64] {
        let certificate = certificate(Mistake::None, dtype, None);
        assert!(certificate.agreed, "{:?}", certificate.counterexample);
        assert_eq!((certificate.cases, certificate.special_cases, certificate.ties), (40, 1, 0));
        assert_eq!(certificate.outputs[0].cases, 40);
        // Each of the 41 cases is judged on the device and on the reference.
        assert_eq!(certificate.laws_held(), 82);
    }
}

#[test]
fn an_inaccurate_program_is_refused_with_the_smallest_case() {
    for dtype in [DType::F32, DType::F64] {
        let (case, reason) = refused(Mistake::Inaccurate, dtype);
        // Shrinking cannot go below the four columns that the mistake needs, and gets there.
        assert!(case.contains("rows: 1, cols: 4, rank: 1, decades: 0, exponent: 0"), "{case}");
        assert!(reason.starts_with("sums[") && reason.contains("times the yardstick"), "{reason}");
    }
}

#[test]
fn nan_a_wrong_shape_and_a_broken_law_are_refused() {
    let (_, reason) = refused(Mistake::Poisoned, DType::F32);
    assert!(reason.contains("is NaN"), "{reason}");
    let (_, reason) = refused(Mistake::Misshapen, DType::F64);
    assert!(reason.contains("shape"), "{reason}");
    let (_, reason) = refused(Mistake::Lawless, DType::F64);
    assert!(reason.contains("the law the_law is broken: by design"), "{reason}");
}

#[test]
fn a_strategy_of_ties_proves_nothing_and_is_refused() {
    let (case, reason) = refused(Mistake::Undecided, DType::F64);
    assert_eq!((case.as_str(), reason.as_str()), ("the strategy", "40 of 40 cases are ties"));
}

#[test]
fn a_failing_case_is_kept_and_tried_first_the_next_time() {
    let folder = std::env::temp_dir().join(format!("tandem-teeth-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file: &'static str = folder.join("kept.txt").display().to_string().leak();
    assert!(!certificate(Mistake::Inaccurate, DType::F64, Some(file)).agreed);
    let kept = std::fs::read_to_string(file).unwrap();
    assert!(kept.lines().any(|line| line.starts_with("cc ")), "{kept}");
    let again = certificate(Mistake::Inaccurate, DType::F64, Some(file));
    // The kept case comes before any random one, so nothing else was counted.
    assert!(!again.agreed && again.cases == 1, "{} cases", again.cases);
    std::fs::remove_dir_all(folder).unwrap();
}
