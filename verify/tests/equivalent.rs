//! Functions of users' own: right ones pass, wrong ones fail in words that say where and by how much.

use std::panic::{AssertUnwindSafe, catch_unwind};

use faer::Mat;
use tandem_compile::pjrt::Device;
use tandem_compile::{DType, Tensor};
use tandem_verify::strategy::{MatrixCase, uniform, well_conditioned};
use tandem_verify::{Array, Equivalent, Real, Trial, Verdict, equivalent, reference};

/// The softmax of every row, in the textbook's form.
fn softmax<R: Real>(x: &Array<R>) -> Mat<R> {
    let n = x.shape()[1];
    let rows: Vec<Vec<R>> = x.values().chunks(n).map(exponentials).collect();
    Mat::from_fn(rows.len(), n, |i, j| rows[i][j] / rows[i].iter().fold(R::zero(), |sum, &e| sum + e))
}

/// e^x by its series, after halving x seven times.
fn exponentials<R: Real>(row: &[R]) -> Vec<R> {
    let exp = |x: R| {
        let small = x / R::from_f64(128.0);
        let one = R::from_f64(1.0);
        let series = (1..24).rev().fold(one, |sum, k| one + sum * small / R::from_f64(f64::from(k)));
        (0..7).fold(series, |e, _| e * e)
    };
    row.iter().map(|&x| exp(x)).collect()
}

/// Column sums, the position of the largest, and the sum of all.
fn sums<R: Real>(a: &Array<R>) -> (Vec<R>, i32, R) {
    let n = a.shape()[1];
    let column = |j: usize| a.values().iter().skip(j).step_by(n).fold(R::zero(), |sum, &x| sum + x);
    let sums: Vec<R> = (0..n).map(column).collect();
    let largest = (0..n).fold(0, |best, j| if sums[j] > sums[best] { j } else { best });
    let total = sums.iter().fold(R::zero(), |sum, &x| sum + x);
    (sums, largest as i32, total)
}

fn traced_softmax(x: Tensor) -> Tensor {
    let e = (&x - x.max_axes([1]).reshape([x.dim(0), 1])).exp();
    &e / e.sum_axes([1]).reshape([x.dim(0), 1])
}

/// The message with which a claim fails.
fn complaint<I, O, F, R, P>(claim: Equivalent<I, O, F, R, P>) -> String
where
    I: tandem_compile::Tree,
    O: tandem_compile::Tree,
    F: Fn(I) -> O,
    R: tandem_verify::Reference,
    P: tandem_verify::Problem,
{
    let failed = catch_unwind(AssertUnwindSafe(|| claim.forgetful().check())).expect_err("the claim is wrong");
    failed.downcast_ref::<String>().expect("a message").clone()
}

#[test]
fn a_right_function_passes_in_both_precisions() {
    let device = Device::cpu().unwrap();
    let claim = equivalent(traced_softmax, reference!(softmax(x) -> p), uniform([3, 5], -4.0..4.0)).on(&device);
    let certificates = claim.cases(40).certificates().unwrap();
    assert_eq!(certificates.iter().map(|c| &*c.dtype).collect::<Vec<_>>(), ["f32", "f64"]);
    for c in certificates {
        assert!(c.agreed, "{:?}", c.counterexample);
        assert_eq!((c.cases, c.records.len(), c.outputs[0].cases, c.times.programs), (40, 40, 40, 1));
        assert_eq!((c.bits.repeated.cases, c.bits.repeated.same, c.bits.permuted), (8, 8, None));
        assert!(c.outputs[0].name == "p" && c.worst_ratio() > 0.0 && c.worst_ratio() < 16.0);
    }
}

#[test]
fn several_results_of_different_kinds_are_compared_by_name() {
    let traced = |a: Tensor| {
        let sums = a.sum_axes([0]);
        (sums.clone(), sums.argmax(0), sums.sum_axes([0]))
    };
    equivalent(traced, reference!(sums(a) -> column, largest, total), well_conditioned(2..5, 2..5))
        .cases(20)
        .law("the_columns_add_up", |trial: &Trial<MatrixCase>| {
            let total = trial.outcome.reals("column").iter().sum::<f64>();
            Ok(Verdict::of((total - trial.outcome.reals("total")[0]).abs() < 1e-3, || format!("they make {total}")))
        })
        .check();
}

#[test]
fn a_wrong_function_is_refused_in_words_that_say_where_and_by_how_much() {
    // The sum of the row without its last element.
    let wrong = |x: Tensor| {
        let e = (&x - x.max_axes([1]).reshape([x.dim(0), 1])).exp();
        let most = e.slice(1, 0, e.dim(1) - 1);
        &e / most.sum_axes([1]).reshape([x.dim(0), 1])
    };
    let said = complaint(equivalent(wrong, reference!(softmax(x) -> p), uniform([2, 3], -1.0..1.0)).dtype(DType::F32));
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].contains("tests/equivalent.rs:") && lines[0].contains("softmax does, in f32 on cpu"), "{said}");
    for part in [" on the device, ", " by the reference and ", " by the oracle: an error of ", "; allowed is 16"] {
        assert!(lines[1].contains(part), "no `{part}` in {said}");
    }
    // The output and the position, one index per axis.
    let position = lines[1].strip_prefix("p[").and_then(|rest| rest.split(']').next()).unwrap_or_default();
    assert_eq!(position.split(", ").filter(|index| index.parse::<usize>().is_ok()).count(), 2, "{said}");
    // The smallest problem, its numbers and its program.
    assert!(lines[2].starts_with("for ArrayCase { seed: 0, "), "{said}");
    assert!(lines[3].starts_with("input 0: HostArray::new::<f32>([2, 3], vec!["), "{said}");
    assert!(said.contains("its program:\nmodule @main") && said.contains("stablehlo.divide"), "{said}");
}

#[test]
fn a_wrong_position_and_a_broken_law_are_refused() {
    let traced = |a: Tensor| {
        let sums = a.sum_axes([0]);
        (sums.clone(), sums.argmin(0), sums.sum_axes([0]))
    };
    let claim = || equivalent(traced, reference!(sums(a) -> column, largest, total), well_conditioned(2..3, 3..4));
    let said = complaint(claim().dtype(DType::F64));
    assert!(said.contains("largest[] is ") && said.contains("positions must be equal"), "{said}");

    let right = |a: Tensor| {
        let sums = a.sum_axes([0]);
        (sums.clone(), sums.argmax(0), sums.sum_axes([0]))
    };
    let claim = equivalent(right, reference!(sums(a) -> column, largest, total), well_conditioned(2..3, 3..4));
    let said = complaint(claim.law("never", |_: &Trial<MatrixCase>| Ok(Verdict::of(false, || "by design".into()))));
    assert!(said.contains("on the device, the law never is broken: by design"), "{said}");
}

#[test]
fn names_that_do_not_fit_are_refused_and_not_passed_over() {
    let two = |(a, b): (Tensor, Tensor)| a.sum_axes([0]) + b.sum_axes([0]);
    let pairs = (uniform([2, 3], 0.0..1.0), uniform([2, 3], 0.0..1.0));
    let said = complaint(equivalent(two, reference!(softmax(x) -> p), pairs));
    assert!(said.contains("the strategy makes 2 arrays, and the reference softmax takes (x)"), "{said}");
    let one = |a: Tensor| a.sum_axes([0]);
    let said = complaint(equivalent(one, reference!(sums(a) -> column), uniform([2, 3], 0.0..1.0)));
    assert!(said.contains("gives 1 results, the reference sums 3, named are column"), "{said}");
}

#[test]
fn a_failing_problem_is_kept_beside_the_test_unless_said_otherwise() {
    let folder = std::env::temp_dir().join(format!("tandem-equivalent-{}", std::process::id()));
    let file = folder.join("kept.txt");
    let wrong = |x: Tensor| x.exp();
    let claim = || equivalent(wrong, reference!(softmax(x) -> p), uniform([2, 3], -1.0..1.0)).dtype(DType::F32);
    let first = claim().regressions(&file).certificates().unwrap();
    assert!(!first[0].agreed);
    assert!(std::fs::read_to_string(&file).unwrap().lines().any(|line| line.starts_with("cc ")));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_counterexample_is_a_program_in_rust_and_in_stablehlo() {
    let wrong = |x: Tensor| x.exp();
    let claim =
        equivalent(wrong, reference!(softmax(x) -> p), uniform([2, 3], -1.0..1.0)).dtype(DType::F64).forgetful();
    let certificate = claim.certificates().unwrap().remove(0);
    let found = certificate.counterexample.unwrap();
    let (rust, stablehlo) = (found.rust.unwrap(), found.stablehlo.unwrap());
    assert!(rust.contains("HostArray::new::<f64>([2, 3], vec![") && rust.contains("Device::named(\"cpu\")"), "{rust}");
    // The numbers in it give the counterexample again.
    let numbers = rust.split("vec![").nth(1).and_then(|rest| rest.split(']').next()).unwrap();
    let numbers: Vec<f64> = numbers.split(", ").map(|x| x.parse().unwrap()).collect();
    let device = Device::cpu().unwrap();
    let input = tandem_compile::HostArray::new([2, 3], numbers.clone()).unwrap();
    let results = device.compile(&stablehlo).unwrap().run(&device, &[input]).unwrap();
    let exp = results[0].to_f64();
    assert!(numbers.iter().zip(&exp).all(|(x, e)| (x.exp() - e).abs() < 1e-14), "{rust}");
}
