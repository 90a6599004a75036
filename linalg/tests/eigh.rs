//! The symmetric eigensolver: LAPACK's ratios over the gallery, eigenvalues against faer in double-double precision,
//! derivatives against differences.

use faer::{Mat, Side, fx128};
use tandem_compile::pjrt::Device;
use tandem_compile::{DType, HostArray, Jit, Lowering, Results, Tensor, Tree, grad, jit, jvp, vmap};
use tandem_linalg::laws;
use tandem_linalg::{eigh, eigvalsh};
use tandem_verify::rng::normal;
use tandem_verify::{Matrix, gallery};

fn compiled<I: Tree, O: Tree, F: Fn(I) -> O>(f: F) -> Jit<F, I, O> {
    jit(f).on(&Device::cpu().unwrap().with_lowering(Lowering::Portable).unwrap())
}

/// The largest ratio so far, and whose it is. What is not a number is the worst of all.
fn keep(worst: &mut (f64, &'static str), ratio: f64, name: &'static str) {
    if !(ratio <= worst.0) {
        *worst = (ratio, name);
    }
}

/// faer's eigenvalues in double-double precision, rounded; of the matrix that the device was given.
fn reference(a: &HostArray) -> HostArray {
    let a = Matrix::from_array(a).unwrap();
    let scale = if a.max_abs() == 0.0 { 1.0 } else { a.max_abs() };
    let exact = Mat::from_fn(a.rows, a.rows, |i, j| fx128::from(a.at(i, j)) / fx128::from(scale));
    let values = exact.self_adjoint_eigenvalues(Side::Lower).unwrap();
    HostArray::new([a.rows], values.iter().map(|w| (w.0 + w.1) * scale).collect::<Vec<f64>>()).unwrap()
}

/// The largest error of the eigenvalues / (the largest of them * ulp), as LAPACK's DCHKST counts: its ulp is twice the eps of
/// the laws.
fn off(w: &HostArray, known: &HostArray) -> f64 {
    laws::values(w, known) / 2.0
}

/// Every symmetric matrix of the gallery of one size, through one program.
fn judge(n: usize, dtype: DType) {
    judge_some(n, dtype, |_| true);
}

fn judge_some(n: usize, dtype: DType, wanted: impl Fn(&str) -> bool) {
    let f = compiled(|a: Tensor| eigh(&a));
    let (mut law, mut values) = ((0.0, ""), (0.0, ""));
    for (kind, a) in gallery::matrices(n, n, dtype).filter(|(kind, _)| kind.symmetric && wanted(kind.name)) {
        let (w, v): (HostArray, HostArray) = f.call(&a).unwrap();
        keep(&mut law, laws::eigh(&a, &w, &v), kind.name);
        keep(&mut values, off(&w, &reference(&a)), kind.name);
    }
    println!("n = {n} {}: worst ratio {law:.1?}, eigenvalues {values:.1?}", dtype.name());
    assert!(law.0 <= laws::THRESHOLD, "n = {n} {}: {law:?}", dtype.name());
    assert!(values.0 <= laws::THRESHOLD, "n = {n} {}: {values:?}", dtype.name());
}

#[test]
fn small_matrices_have_small_ratios() {
    for n in [0, 1, 2, 3, 5] {
        judge(n, DType::F64);
    }
    judge(2, DType::F32);
}

#[test]
fn one_container_has_small_ratios() {
    judge(31, DType::F64);
    judge(31, DType::F32);
    judge(64, DType::F64);
}

/// Two containers of 50, joined in the second shared body.
#[test]
fn two_containers_have_small_ratios() {
    judge(100, DType::F64);
    judge(100, DType::F32);
}

/// Eight containers of 33 with padding, a level of its own above them, two stages of the reduction.
#[test]
fn every_part_has_small_ratios() {
    let names = [
        "symmetric random",
        "symmetric, repeated",
        "symmetric, graded to 1e-14",
        "glued Wilkinson, 1e-8",
        "symmetric ones",
    ];
    judge_some(260, DType::F64, |name| names.contains(&name));
}

#[test]
fn values_alone_are_as_accurate() {
    let f = compiled(|a: Tensor| eigvalsh(&a));
    let mut worst = (0.0, "");
    for (kind, a) in gallery::matrices(21, 21, DType::F64).filter(|(kind, _)| kind.symmetric) {
        let w: HostArray = f.call(&a).unwrap();
        let ratio = off(&w, &reference(&a));
        keep(&mut worst, ratio, kind.name);
        // Wilkinson's W21+, whose largest eigenvalues agree to all digits.
        assert!(kind.name != "Wilkinson" || ratio <= 10.0, "W21+: {ratio}");
    }
    println!("eigvalsh: worst {worst:.1?}");
    assert!(worst.0 <= laws::THRESHOLD, "{worst:?}");
}

fn call<R: Results>(f: impl Fn(Tensor) -> (Tensor, Tensor), a: &HostArray) -> R {
    compiled(f).call(a).unwrap()
}

fn host(shape: &[usize], values: Vec<f64>) -> HostArray {
    HostArray::new(shape.to_vec(), values).unwrap()
}

fn symmetric(seed: u64, n: usize) -> Vec<f64> {
    let g = Matrix { rows: n, cols: n, values: normal(seed, n * n) };
    Matrix::from_fn(n, n, |i, j| g.at(i, j) + g.at(j, i)).values
}

#[test]
fn only_the_lower_triangle_is_read_and_nothing_bad_in_it_passes() {
    let f = compiled(|a: Tensor| {
        let (w, v) = eigh(&a);
        (w, v, eigvalsh(&a))
    });
    let run = |values: &[f64]| -> [Vec<f64>; 3] {
        let (w, v, alone): (HostArray, HostArray, Vec<f64>) = f.call(&host(&[5, 5], values.to_vec())).unwrap();
        [w.to_f64(), v.to_f64(), alone]
    };
    let a = symmetric(1, 5);
    let expected = run(&a);
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut above = a.clone();
        above[3] = bad;
        assert_eq!(run(&above), expected);
        for at in [0, 5, 15, 24] {
            let mut within = a.clone();
            within[at] = bad;
            assert!(run(&within).iter().flatten().all(|x| x.is_nan()), "{bad} at {at}");
        }
    }
}

#[test]
fn a_batch_is_decomposed_as_its_members_are() {
    // Among them one with groups and one without, which take different branches alone.
    let names = ["symmetric, repeated", "Wilkinson", "symmetric zero", "symmetric random, 1e150"];
    let members = names.map(|name| gallery::named(name).unwrap().matrix(6, 6).unwrap().values);
    let batch = host(&[names.len(), 6, 6], members.concat());
    let (w, v): (HostArray, HostArray) = call(vmap(|a: Tensor| eigh(&a)), &batch);
    let alone = compiled(|a: Tensor| eigh(&a));
    for (i, member) in members.iter().enumerate() {
        let a = host(&[6, 6], member.clone());
        let (own, _): (HostArray, HostArray) = alone.call(&a).unwrap();
        let wi = host(&[6], w.to_f64()[6 * i..6 * (i + 1)].to_vec());
        let vi = host(&[6, 6], v.to_f64()[36 * i..36 * (i + 1)].to_vec());
        assert!(laws::eigh(&a, &wi, &vi) <= laws::THRESHOLD, "{}", names[i]);
        assert!(off(&wi, &own) <= 4.0, "{}", names[i]);
    }
}

/// What does not depend on the signs of the eigenvectors: w and the squares of v.
fn invariant(a: Tensor) -> (Tensor, Tensor) {
    let (w, v) = eigh(&a);
    (w, v.square())
}

#[test]
fn derivatives_are_those_of_differences() {
    let n = 4;
    let (a, da) = (symmetric(2, n), normal(3, n * n));
    let both = compiled(|(a, da): (Tensor, Tensor)| {
        let (_, (dw, dv)) = jvp(invariant, a.clone(), da.clone());
        let (_, alone) = jvp(|a: Tensor| eigvalsh(&a), a.clone(), da.clone());
        // Of the sum of w_i i and of v_ij^2 (i - j): reverse mode, paired with the same direction.
        let scalar = |a: Tensor| {
            let (w, v) = invariant(a);
            weigh(&w.reshape([1, n])) + weigh(&v)
        };
        let once = (grad(scalar)(a.clone()) * &da).sum();
        // Twice: reverse mode of forward mode.
        let twice = (grad(|a: Tensor| (grad(scalar)(a) * &da).sum())(a.clone()) * &da).sum();
        (dw, dv, alone, once, twice)
    });
    let at = |t: f64| host(&[n, n], a.iter().zip(&da).map(|(x, d)| x + t * d).collect());
    type Found = (Vec<f64>, HostArray, Vec<f64>, f64, f64);
    let (dw, dv, alone, once, twice): Found = both.call((&at(0.0), &host(&[n, n], da.clone()))).unwrap();
    let f = compiled(invariant);
    let value = |t: f64| -> (Vec<f64>, Vec<f64>) {
        let (w, v): (Vec<f64>, HostArray) = f.call(&at(t)).unwrap();
        (w, v.to_f64())
    };
    let step = 1e-4;
    let ((w_up, v_up), (w, v), (w_down, v_down)) = (value(step), value(0.0), value(-step));
    let slope =
        |up: &[f64], down: &[f64]| -> Vec<f64> { up.iter().zip(down).map(|(x, y)| (x - y) / (2.0 * step)).collect() };
    let near = |x: &[f64], y: &[f64], off: f64| {
        x.len() == y.len() && x.iter().zip(y).all(|(x, y)| (x - y).abs() <= off * (1.0 + y.abs()))
    };
    assert!(near(&dw, &slope(&w_up, &w_down), 1e-6), "{dw:?}");
    assert!(near(&alone, &dw, 1e-13), "{alone:?}");
    assert!(near(&dv.to_f64(), &slope(&v_up, &v_down), 1e-6), "{dv:?}");
    let total = |w: &[f64], v: &[f64]| {
        let weight = |k: usize| (k / n) as f64 - (k % n) as f64;
        let of_v: f64 = v.iter().enumerate().map(|(k, x)| x * weight(k)).sum();
        of_v + w.iter().enumerate().map(|(k, x)| x * weight(k)).sum::<f64>()
    };
    let (up, middle, down) = (total(&w_up, &v_up), total(&w, &v), total(&w_down, &v_down));
    assert!(near(&[once], &[(up - down) / (2.0 * step)], 1e-6), "{once}");
    assert!(near(&[twice], &[(up - 2.0 * middle + down) / (step * step)], 1e-5), "{twice}");
}

/// sum x_ij (i - j).
fn weigh(x: &Tensor) -> Tensor {
    let number = |axis| tandem_compile::iota(x.shape(), axis, x.dtype());
    (x * (number(0) - number(1))).sum()
}

#[test]
fn eigenvalues_have_a_gradient_where_they_are_equal() {
    let f =
        compiled(|a: Tensor| (grad(|a: Tensor| eigh(&a).0.sum())(a.clone()), grad(|a: Tensor| eigvalsh(&a).sum())(a)));
    let identity: Vec<f64> = (0..9).map(|k| if k % 4 == 0 { 1.0 } else { 0.0 }).collect();
    let (through, alone): (HostArray, HostArray) = f.call(&host(&[3, 3], identity.clone())).unwrap();
    assert_eq!((through.to_f64(), alone.to_f64()), (identity.clone(), identity));
}

/// However often it is differentiated, the matrix is decomposed once.
#[test]
fn derivatives_do_not_decompose_again() {
    let a = host(&[6, 6], symmetric(4, 6));
    let loops = |text: String| text.matches("stablehlo.while").count();
    let plain = jit(invariant).lower(&a).unwrap().stablehlo();
    let scalar = |a: Tensor| {
        let (w, v) = invariant(a);
        w.sum() + v.square().sum()
    };
    let twice = jit(grad(move |a: Tensor| grad(scalar)(a).sum())).lower(&a).unwrap().stablehlo();
    assert_eq!(loops(twice), loops(plain));
}

#[test]
fn what_is_no_square_matrix_is_refused() {
    for (shape, name) in [(vec![2, 3], "f64[2,3]"), (vec![4], "f64[4]")] {
        let a = host(&shape, vec![0.0; shape.iter().product()]);
        for message in [
            jit(|a: Tensor| eigh(&a)).lower(&a).unwrap_err().to_string(),
            jit(|a: Tensor| eigvalsh(&a)).lower(&a).unwrap_err().to_string(),
        ] {
            assert!(message.contains("expected, got") && message.contains(name), "{message}");
            assert!(message.contains("eigh.rs"), "the caller's line: {message}");
        }
    }
}
