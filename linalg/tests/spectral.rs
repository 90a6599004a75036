//! Functions of singular values: their laws over the gallery, batches, bad and empty matrices, derivatives also where singular
//! values are equal.

mod judge;

use judge::{LIMIT, Program, assert_all_nan, check_derivatives, host, identity, matrix, random, ratio};
use tandem_compile::{DType, HostArray, Lowering, Tensor, TensorType, jvp, trace, vjp, vmap};
use tandem_linalg::spectral::{Route, apply, svt, thresholded, truncate, truncated};
use tandem_linalg::svdvals;
use tandem_verify::{Matrix, gallery};

/// Thresholding at a share of the largest singular value.
fn shrunk(x: &Tensor) -> Tensor {
    svt(x, &(svdvals(x).at_index(0, 0) * 0.3))
}

fn number_of(x: f64, dtype: DType) -> HostArray {
    HostArray::scalar(x).cast(dtype).unwrap()
}

/// The largest difference of two lists, relative to `scale` in units of n times the rounding.
fn apart(x: &Matrix, y: &[f64], scale: f64, dtype: DType) -> f64 {
    let far = x.values.iter().zip(y).map(|(x, y)| (x - y).abs());
    let far = far.fold(0.0, |most: f64, e| if e.is_nan() { f64::INFINITY } else { most.max(e) });
    if far == 0.0 { 0.0 } else { far / (x.rows as f64 * scale * 2.0 * dtype.unit_roundoff()) }
}

#[test]
fn singular_values_become_what_the_function_says() {
    let parts = |x: Vec<Tensor>| {
        let s = svdvals(&x[0]);
        let (low, high) = (truncate(&x[0], 2), shrunk(&x[0]));
        vec![svdvals(&low), svdvals(&high), svdvals(&(&x[0] - &high)), svdvals(&(&x[0] - &low)), s]
    };
    for lowering in [Lowering::Portable, Lowering::Native] {
        let program = Program::lowered(parts, lowering);
        for (dtype, m, n) in [(DType::F64, 9, 6), (DType::F64, 6, 9), (DType::F32, 7, 7)] {
            for (kind, a) in gallery::matrices(m, n, dtype) {
                let found = program.run(std::slice::from_ref(&a));
                let s = &found[4].values;
                let (tau, scale) = (s[0] * 0.3, if s[0] == 0.0 { 1.0 } else { s[0] });
                let map =
                    |f: &dyn Fn(usize, f64) -> f64| s.iter().enumerate().map(|(i, s)| f(i, *s)).collect::<Vec<_>>();
                let wanted = [
                    map(&|i, s| if i < 2 { s } else { 0.0 }),
                    map(&|_, s| (s - tau).max(0.0)),
                    map(&|_, s| s.min(tau)),
                    s.iter().skip(2).copied().chain([0.0; 2]).collect(),
                ];
                for (which, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
                    let ratio = apart(found, wanted, scale, dtype);
                    assert!(ratio < LIMIT, "{which} of {}, {dtype} {m} x {n}, {lowering:?}: {ratio}", kind.name);
                }
            }
        }
    }
}

/// Distances do not grow, and tau = 0 changes nothing.
#[test]
fn thresholding_is_not_expansive() {
    let program = Program::new(|x: Vec<Tensor>| {
        let tau = x[2].reshape([]);
        vec![svt(&x[0], &tau) - svt(&x[1], &tau), svt(&x[0], &(&tau * 0.0)) - &x[0]]
    });
    for seed in 0..20 {
        let (x, y) = (random(seed, 6, 4), random(100 + seed, 6, 4));
        let tau = Matrix { rows: 1, cols: 1, values: vec![0.1 * seed as f64] };
        let found = program.run(&[&x, &y, &tau].map(|x| host(x, DType::F64)));
        let (after, before) = (found[0].squared_norm().sqrt(), x.minus(&y).squared_norm().sqrt());
        assert!(after <= before * (1.0 + 1e-13), "{after} beside {before}");
        assert!(ratio(&found[1], 1.0, 6, DType::F64) < LIMIT);
    }
}

#[test]
fn batches_empty_and_bad_matrices() {
    let (good, other) = (random(1, 4, 3), random(2, 4, 3));
    let mut values = [good.values.clone(), other.values.clone(), good.values.clone()].concat();
    values[29] = f64::NAN;
    let x = HostArray::new([3, 1, 4, 3], values).unwrap();
    let tau = HostArray::new([3, 1], vec![0.5, 1.0, 0.5]).unwrap();
    let program = Program::new(|x: Vec<Tensor>| vec![svt(&x[0], &x[1]), truncate(&x[0], 1), truncate(&x[0], 0)]);
    let all = program.arrays(&[x.clone(), tau]);
    for (at, (a, tau)) in [(&good, 0.5), (&other, 1.0)].into_iter().enumerate() {
        let alone = program.arrays(&[host(a, DType::F64), number_of(tau, DType::F64)]);
        for (all, alone) in all.iter().zip(&alone) {
            let part = &all.to_f64()[12 * at..][..12];
            assert!(part.iter().zip(alone.to_f64()).all(|(x, y)| (x - y).abs() < 1e-13), "problem {at}");
        }
    }
    assert!(all.iter().all(|y| y.to_f64()[24..].iter().all(|x| x.is_nan())));
    // One threshold for all of them.
    let one = Program::new(|x: Vec<Tensor>| vec![svt(&x[0], &x[1]) - vmap(|a: Tensor| svt(&a, &x[1]))(x[0].clone())]);
    let found = one.arrays(&[x, number_of(0.5, DType::F64)]);
    assert!(found[0].to_f64()[..24].iter().all(|x| x.abs() < 1e-13));
    for shape in [[0, 0], [0, 3], [3, 0]] {
        let empty = HostArray::new(shape, Vec::<f64>::new()).unwrap();
        assert!(program.arrays(&[empty, number_of(1.0, DType::F64)]).iter().all(|y| y.shape() == shape));
    }
    let bad =
        |x: f64, tau: f64| program.arrays(&[HostArray::new([1, 2], vec![x, 1.0]).unwrap(), number_of(tau, DType::F64)]);
    assert_all_nan(&bad(f64::INFINITY, 0.5), "infinity");
    assert_all_nan(&bad(1.0, f64::NAN)[..1], "NaN as the threshold");
    let below = bad(1.0, -1.0);
    assert!(below[0].to_f64().iter().all(|x| (x - 1.0).abs() < 1e-14), "a threshold below zero is zero");
}

#[test]
fn what_does_not_fit_is_refused() {
    let of = |f: fn(&Tensor, &Tensor) -> Tensor, tau: TensorType| {
        let a = TensorType::new(DType::F64, [2, 2]);
        trace(|(x, tau): (Tensor, Tensor)| f(&x, &tau), &[a, tau]).unwrap_err().to_string()
    };
    let message = of(svt, TensorType::new(DType::F64, [3]));
    assert!(message.contains("spectral::svt: tau is a number of f64[2,2]'s dtype"), "{message}");
    let message = of(svt, TensorType::new(DType::F32, []));
    assert!(message.contains("got f32[]"), "{message}");
    let message = of(|_, x| truncate(x, 1), TensorType::new(DType::F64, []));
    assert!(message.contains("spectral::truncate: a matrix"), "{message}");
}

fn cut(x: Vec<Tensor>) -> Vec<Tensor> {
    vec![svt(&x[0], &x[1].reshape([]))]
}

fn moved(f: fn(Vec<Tensor>) -> Vec<Tensor>) -> impl Fn(Vec<Tensor>) -> Vec<Tensor> {
    move |x| {
        let count = x.len() / 2;
        jvp(f, x[..count].to_vec(), x[count..].to_vec()).1
    }
}

#[test]
fn derivatives_are_those_of_differences() {
    let smooth = |x: Vec<Tensor>| {
        let wiener = |s: &Tensor, noise: &Tensor| s * s.square() / (s.square() + noise);
        vec![apply(&x[0], &x[1].reshape([]), wiener)]
    };
    let tau = Matrix { rows: 1, cols: 1, values: vec![1.0] };
    for (m, n) in [(4, 4), (5, 3), (3, 5)] {
        let inputs = [random(2, m, n), tau.clone()];
        check_derivatives(cut, &inputs, false, 1e-7);
        check_derivatives(smooth, &inputs, false, 1e-7);
        check_derivatives(
            |x| vec![truncate(&x[0], 2), truncated(&x[0], 2).1.reshape([1, 1])],
            &inputs[..1],
            false,
            1e-7,
        );
    }
    // A derivative of the derivative, where singular values differ.
    let twice = [random(2, 4, 3), tau.clone(), random(3, 4, 3), tau];
    check_derivatives(moved(cut), &twice, false, 1e-6);
}

/// The golden numbers of singular value thresholding, made with numpy in f64.
#[test]
fn published_numbers_of_thresholding() {
    let (x, dx) = (random(1001, 7, 5), random(1002, 7, 5));
    for (dtype, tolerance) in [(DType::F64, 1e-11), (DType::F32, 1e-5)] {
        let program = Program::new(|x: Vec<Tensor>| {
            let tau = x[2].reshape([]);
            let (y, dy) = jvp(|a: Tensor| svt(&a, &tau), x[0].clone(), x[1].clone());
            vec![svdvals(&x[0]), y, dy]
        });
        let one = Matrix { rows: 1, cols: 1, values: vec![1.0] };
        let found = program.run(&[&x, &dx, &one].map(|a| host(a, dtype)));
        let close = |found: f64, wanted: f64| {
            assert!((found - wanted).abs() <= tolerance * wanted.abs() + 1e-9, "{found} and {wanted}");
        };
        let s = [4.080971820, 2.458951087, 2.195400082, 1.053283440, 0.467988629];
        found[0].values.iter().zip(s).for_each(|(found, wanted)| close(*found, wanted));
        close(found[1].squared_norm().sqrt(), 3.612858441022);
        close(found[1].at(0, 0), 0.258835673445);
        close(found[2].squared_norm().sqrt(), 5.006572490610);
        close(found[2].at(0, 0), 0.282354826375);
    }
}

/// diag(3, 3, 2, 2) by differences, and by the formulas that hold where no singular value is at the threshold.
#[test]
fn equal_singular_values_do_no_harm() {
    let x = Matrix::from_fn(4, 4, |i, j| if i == j { [3.0, 3.0, 2.0, 2.0][i] } else { 0.0 });
    for tau in [1.0, 2.5] {
        let tau = Matrix { rows: 1, cols: 1, values: vec![tau] };
        check_derivatives(cut, &[x.clone(), tau], false, 1e-8);
    }
    // Of the cube of the singular values, X X'X, the derivative has a closed form.
    let cube = |x: Tensor| apply(&x, &(x.sum() * 0.0), |s, nothing| s * s.square() + nothing);
    let program = Program::new(move |x: Vec<Tensor>| {
        let (a, da) = (&x[0], &x[1]);
        let forward = jvp(cube, a.clone(), da.clone()).1;
        let backward = vjp(cube, a.clone()).1(da.clone());
        let exact = da.dot(&a.t()).dot(a) + a.dot(&da.t()).dot(a) + a.dot(&a.t()).dot(da);
        vec![&forward - &exact, &backward - &exact]
    });
    for a in [x.clone(), identity(4), random(4, 4, 4)] {
        let found = program.run(&[&a, &random(3, 4, 4)].map(|a| host(a, DType::F64)));
        assert!(found.iter().all(|x| x.max_abs() < 1e-8), "{} {}", found[0].max_abs(), found[1].max_abs());
    }
}

/// Where the last kept singular value equals the first dropped one the derivative is large but finite, and the gap says so.
#[test]
fn truncation_at_equal_singular_values_is_finite_and_flagged() {
    let program = Program::new(|x: Vec<Tensor>| {
        let ((y, gap), (dy, _)) = jvp(|a: Tensor| truncated(&a, 2), x[0].clone(), x[1].clone());
        vec![y, gap, dy]
    });
    let of = |diagonal: [f64; 4]| {
        let x = Matrix::from_fn(4, 4, |i, j| if i == j { diagonal[i] } else { 0.0 });
        program.arrays(&[&x, &random(5, 4, 4)].map(|a| host(a, DType::F64))).iter().map(matrix).collect::<Vec<_>>()
    };
    let tie = of([3.0, 2.0, 2.0, 1.0]);
    assert!(tie.iter().all(|x| x.max_abs().is_finite()));
    assert!(tie[1].values[0] < 1e-15 && tie[2].max_abs() > 1e10);
    assert!((tie[0].squared_norm() - 13.0).abs() < 1e-13);
    let clear = of([3.0, 3.0, 2.0, 2.0]);
    assert!((clear[1].values[0] - 1.0 / 3.0).abs() < 1e-15 && clear[2].max_abs() < 20.0);
    let zero = of([0.0; 4]);
    assert!(zero[1].values[0] == 1.0 && zero[2].max_abs().is_finite());
}

/// By every route and lowering, narrow, wide and large enough for the blocked kernel: the result of [`svt`], and the count of what
/// is above the threshold.
#[test]
fn every_route_thresholds_alike() {
    for lowering in [Lowering::Portable, Lowering::Native] {
        for (dtype, m, n) in [(DType::F64, 9, 6), (DType::F32, 6, 9), (DType::F64, 90, 70), (DType::F64, 70, 90)] {
            if lowering == Lowering::Portable && m > 9 {
                continue;
            }
            let program = Program::lowered(
                |x: Vec<Tensor>| {
                    let routes = Route::NAMES.map(|(_, route)| thresholded(&x[0], &x[1], route));
                    let found = routes.into_iter().flat_map(|(y, rank)| [y, rank]);
                    found.chain([svt(&x[0], &x[1]), svdvals(&x[0])]).collect()
                },
                lowering,
            );
            let (left, right) = (random(11, m, 4), random(12, 4, n));
            let x = left.dot(&right).minus(&Matrix::from_fn(m, n, |i, j| 1e-3 * random(13, m, n).at(i, j)));
            for share in [0.0, 0.05, 0.4, 2.0] {
                let top = 4.0 * ((m * n) as f64).sqrt();
                let tau = top * share;
                let found = program.arrays(&[host(&x, dtype), number_of(tau, dtype)]);
                let (wanted, s) = (matrix(&found[6]), matrix(&found[7]));
                let tau = number_of(tau, dtype).to_f64()[0];
                let count = s.values.iter().filter(|&&s| s > tau).count() as i32;
                for (which, parts) in found[..6].chunks(2).enumerate() {
                    let far = matrix(&parts[0]).minus(&wanted).max_abs() / (1.0 + wanted.max_abs());
                    let limit = 200.0 * dtype.unit_roundoff() * (1.0 + if share == 0.05 { 20.0 } else { 1.0 });
                    let what = format!("route {which}, {lowering:?}, {dtype} {m} x {n}, {share}");
                    // Of threshold zero the Gram matrix sees the small ones as noise.
                    let small = share == 0.0 && which == 1;
                    assert!(far <= if small { 2e-3 } else { limit }, "{what}: {far:e}");
                    assert!(small || parts[1].values::<i32>().unwrap() == [count], "{what}: {:?}, {count}", parts[1]);
                }
            }
        }
    }
}

#[test]
fn thresholds_of_many_and_of_bad_matrices() {
    let values = [random(1, 4, 3).values, vec![f64::NAN; 12], vec![0.0; 12]].concat();
    let x = HostArray::new([3, 4, 3], values).unwrap();
    let tau = HostArray::new([3], vec![0.5; 3]).unwrap();
    for lowering in [Lowering::Portable, Lowering::Native] {
        let f = |x: Vec<Tensor>| {
            let (y, rank) = thresholded(&x[0], &x[1], Route::Auto);
            vec![&y - svt(&x[0], &x[1]), y, rank]
        };
        let found = Program::lowered(f, lowering).arrays(&[x.clone(), tau.clone()]);
        let (far, y) = (found[0].to_f64(), found[1].to_f64());
        assert!(far[..12].iter().all(|x| x.abs() < 1e-13), "{lowering:?}: {far:?}");
        assert!(y[12..24].iter().all(|x| x.is_nan()) && y[24..].iter().all(|&x| x == 0.0), "{lowering:?}: {y:?}");
        let ranks = found[2].values::<i32>().unwrap();
        assert!(ranks[0] >= 1 && ranks[1..] == [-1, 0], "{lowering:?}: {ranks:?}");
    }
    check_derivatives(
        |x| vec![thresholded(&x[0], &x[1].reshape([]), Route::Auto).0],
        &[random(2, 5, 3), Matrix { rows: 1, cols: 1, values: vec![1.0] }],
        false,
        1e-7,
    );
}
