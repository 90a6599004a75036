//! What theory says of the layers of learned robust PCA: what they do not see, their derivatives, and that they can be
//! learned.

use faer::Mat;
use ndarray::{Array1, Array2};
use tandem_algos::rpca::lrpca::train::Stage;
use tandem_algos::rpca::lrpca::{Factors, Lrpca, Parameters, Preset, Trainer, Weights, graph, reference};
use tandem_compile::pjrt::Device;
use tandem_compile::{DType, HostArray, Tensor, TensorType, full, grad, jit, jvp, random, scalar, trace, vjp};
use tandem_linalg::spectral::truncate;
use tandem_verify::rng::{normal, uniform};

const U: f64 = f64::EPSILON / 2.0;

fn device() -> Device {
    Device::cpu().unwrap()
}

fn random_matrix(seed: u64, rows: usize, cols: usize) -> Array2<f64> {
    Array2::from_shape_vec((rows, cols), normal(seed, rows * cols)).unwrap()
}

fn largest(x: &Array2<f64>) -> f64 {
    x.iter().fold(0.0, |most, x| f64::max(most, x.abs()))
}

/// Of rank `rank`, with outliers at one place in ten.
fn problem(rows: usize, cols: usize, rank: usize) -> Array2<f64> {
    let low = random_matrix(1, rows, rank).dot(&random_matrix(2, rank, cols));
    let (chance, value) = (uniform(3, rows * cols), uniform(4, rows * cols));
    let outlier = |at: usize| if chance[at] < 0.1 { 10.0 * (value[at] - 0.5) } else { 0.0 };
    Array2::from_shape_fn((rows, cols), |(i, j)| low[[i, j]] + outlier(i * cols + j))
}

fn faer(x: &Array2<f64>) -> Mat<f64> {
    Mat::from_fn(x.nrows(), x.ncols(), |i, j| x[[i, j]])
}

fn ndarray(x: &Mat<f64>) -> Array2<f64> {
    Array2::from_shape_fn((x.nrows(), x.ncols()), |(i, j)| x[(i, j)])
}

#[test]
fn layers_see_the_product_of_the_factors_alone() {
    let (m, rank) = (problem(13, 9, 3), 3);
    let (left, right) = (random_matrix(5, 13, rank), random_matrix(6, 9, rank));
    // A has the condition 12; (L A)(R A^-T)' = L R'.
    let a = faer(&ndarray::array![[2.0, 1.0, 0.0], [0.0, 1.0, -1.0], [0.5, 0.0, 3.0]]);
    let inverse = {
        use faer::linalg::solvers::DenseSolveCore;
        a.partial_piv_lu().inverse()
    };
    let (turned_left, turned_right) = (left.dot(&ndarray(&a)), right.dot(&ndarray(&inverse).t()));
    let run = jit(|(m, left, right): (Tensor, Tensor, Tensor)| {
        let (zeta, eta) = (m.sum() * 0.0 + 1.5, m.sum() * 0.0 + 0.7);
        let mut factors = Factors { left, right };
        for _ in 0..3 {
            factors = graph::layer(&m, &factors, &zeta, &eta);
        }
        factors.left.contract(&factors.right, 1, 1)
    })
    .on(&device());
    let one: Array2<f64> = run.call((&m, &left, &right)).unwrap();
    let other: Array2<f64> = run.call((&m, &turned_left, &turned_right)).unwrap();
    assert!(largest(&(&one - &other)) < 1e-11 * largest(&one), "{:e}", largest(&(&one - &other)));
    let by_reference = |left: &Array2<f64>, right: &Array2<f64>| {
        let mut pair = reference::Pair { left: faer(left), right: faer(right) };
        for _ in 0..3 {
            pair = reference::layer(&faer(&m), &pair, 1.5, 0.7, U);
        }
        ndarray(&pair.product())
    };
    let (own, turned) = (by_reference(&left, &right), by_reference(&turned_left, &turned_right));
    assert!(largest(&(&own - &turned)) < 1e-11 * largest(&own));
    assert!(largest(&(&own - &one)) < 1e-11 * largest(&own));
}

/// The derivatives of <Y, X+> by everything that a layer takes: on the device, by the reference's rules, and by differences.
#[test]
fn a_layers_gradients_are_those_of_the_adjoint_and_of_differences() {
    let (rows, cols, rank) = (11, 8, 2);
    let (m, y) = (problem(rows, cols, rank), random_matrix(9, rows, cols));
    let (left, right) = (random_matrix(5, rows, rank), random_matrix(6, cols, rank));
    let (zeta, eta) = (0.8, 0.6);
    let gap = &m - &left.dot(&right.t());
    assert!(gap.iter().all(|x| (x.abs() - zeta).abs() > 1e-4), "an entry lies at the threshold");
    type Arguments = (Tensor, Factors, Tensor, Tensor);
    let value = |y: &Tensor, (m, factors, zeta, eta): Arguments| {
        let next = graph::layer(&m, &factors, &zeta, &eta);
        (next.left.contract(&next.right, 1, 1) * y).sum()
    };
    let run = jit(|(y, arguments): (Tensor, Arguments)| {
        (value(&y, arguments.clone()), grad(|arguments| value(&y, arguments))(arguments))
    })
    .on(&device());
    type Found = (f64, Array2<f64>, Array2<f64>, Array2<f64>, f64, f64);
    let at = |m: &Array2<f64>, left: &Array2<f64>, right: &Array2<f64>, zeta: f64, eta: f64| -> Found {
        run.call((&y, (m, (left, right), zeta, eta))).unwrap()
    };
    let (_, by_m, by_left, by_right, by_zeta, by_eta) = at(&m, &left, &right, zeta, eta);
    let pair = reference::Pair { left: faer(&left), right: faer(&right) };
    let known = reference::gradients(&faer(&y), &faer(&m), &pair, zeta, eta, U);
    for (found, known) in [(&by_m, &known.m), (&by_left, &known.factors.left), (&by_right, &known.factors.right)] {
        assert!(largest(&(found - &ndarray(known))) < 1e-11 * largest(found).max(1.0));
    }
    assert!((by_zeta - known.zeta).abs() < 1e-11 * known.zeta.abs());
    assert!((by_eta - known.eta).abs() < 1e-11 * known.eta.abs());
    let h = 1e-6;
    let moved = |x: &Array2<f64>, at: (usize, usize), h: f64| {
        let mut x = x.clone();
        x[at] += h;
        x
    };
    let check = |slope: f64, up: f64, down: f64| {
        let difference = (up - down) / (2.0 * h);
        assert!((slope - difference).abs() < 1e-7 * slope.abs().max(1.0), "{slope} by differences {difference}");
    };
    for (index, &slope) in by_m.indexed_iter() {
        let value = |h| at(&moved(&m, index, h), &left, &right, zeta, eta).0;
        check(slope, value(h), value(-h));
    }
    for (index, &slope) in by_left.indexed_iter() {
        let value = |h| at(&m, &moved(&left, index, h), &right, zeta, eta).0;
        check(slope, value(h), value(-h));
    }
    for (index, &slope) in by_right.indexed_iter() {
        let value = |h| at(&m, &left, &moved(&right, index, h), zeta, eta).0;
        check(slope, value(h), value(-h));
    }
    let value = |dz, de| at(&m, &left, &right, zeta + dz, eta + de).0;
    check(by_zeta, value(h, 0.0), value(-h, 0.0));
    check(by_eta, value(0.0, h), value(0.0, -h));
}

/// The derivative of the start is that of the projection on matrices of rank r, whichever way the factors are chosen; wide,
/// tall and square.
#[test]
fn the_start_moves_as_the_projection_does() {
    let device = device();
    for (rows, cols, rank) in [(9, 5, 2), (5, 9, 2), (6, 6, 3), (6, 4, 4)] {
        let run = jit(|(a, da): (Tensor, Tensor)| {
            let product = |a: Tensor| {
                let Factors { left, right } = graph::leading(&a, rank);
                left.contract(&right, 1, 1)
            };
            let (x, dx) = jvp(product, a.clone(), da.clone());
            let (y, dy) = jvp(|a: Tensor| truncate(&a, rank), a.clone(), da.clone());
            let (_, back) = vjp(product, a);
            (x - y, dx - &dy, (back(da.clone()) * &da).sum(), (da * dy).sum())
        })
        .on(&device);
        let (a, da) = (random_matrix(21, rows, cols), random_matrix(22, rows, cols));
        let (x, dx, back, forth): (Array2<f64>, Array2<f64>, f64, f64) = run.call((&a, &da)).unwrap();
        assert!(largest(&x) < 1e-13 && largest(&dx) < 1e-12, "{:e} {:e}", largest(&x), largest(&dx));
        assert!((back - forth).abs() < 1e-11 * forth.abs());
    }
}

/// Through the start and all layers: every threshold, every step, and the matrix along a direction.
#[test]
fn gradients_of_the_whole_are_those_of_differences() {
    let (rows, cols, rank, layers) = (12, 9, 2, 4);
    let (m, dm) = (problem(rows, cols, rank), random_matrix(31, rows, cols));
    let zeta = Array1::from_shape_fn(layers + 1, |t| 3.0 * 0.6f64.powi(t as i32));
    let eta = Array1::from_vec(vec![0.9, 0.7, 0.5, 0.6]);
    type Arguments = (Tensor, Weights);
    let value = |(m, weights): Arguments| {
        let Factors { left, right } = graph::unrolled(&m, rank, &weights);
        left.contract(&right, 1, 1).sin().sum()
    };
    let run = jit(|(arguments, dm): (Arguments, Tensor)| {
        let slopes = grad(value)(arguments.clone());
        let nothing = Weights { zeta: &arguments.1.zeta * 0.0, eta: &arguments.1.eta * 0.0 };
        let (y, along) = jvp(value, arguments, (dm.clone(), nothing));
        (y, along, (&slopes.0 * dm).sum(), slopes.1)
    })
    .on(&device());
    type Found = (f64, f64, f64, Array1<f64>, Array1<f64>);
    let at = |m: &Array2<f64>, zeta: &Array1<f64>, eta: &Array1<f64>| -> Found {
        run.call(((m, (zeta, eta)), &dm)).unwrap()
    };
    let (_, forward, backward, by_zeta, by_eta) = at(&m, &zeta, &eta);
    assert!((forward - backward).abs() < 1e-11 * forward.abs());
    let h = 1e-6;
    let check = |slope: f64, up: f64, down: f64| {
        let difference = (up - down) / (2.0 * h);
        assert!((slope - difference).abs() < 1e-7 * slope.abs().max(1.0), "{slope} by differences {difference}");
    };
    let moved = |x: &Array1<f64>, at: usize, h: f64| {
        let mut x = x.clone();
        x[at] += h;
        x
    };
    for t in 0..=layers {
        let value = |h| at(&m, &moved(&zeta, t, h), &eta).0;
        check(by_zeta[t], value(h), value(-h));
    }
    for t in 0..layers {
        let value = |h| at(&m, &zeta, &moved(&eta, t, h)).0;
        check(by_eta[t], value(h), value(-h));
    }
    let value = |h: f64| at(&(&m + &(&dm * h)), &zeta, &eta).0;
    check(backward, value(h), value(-h));
}

#[test]
fn a_turned_or_permuted_matrix_is_separated_alike() {
    let device = device();
    let separated = |m: &Array2<f64>| -> (Array2<f64>, Array2<f64>) {
        let lrpca = Lrpca::new(2).threshold_scale(40.0);
        jit(|m: Tensor| {
            let found = lrpca.trace(&m);
            (found.l, found.s)
        })
        .on(&device)
        .call(m)
        .unwrap()
    };
    let m = problem(40, 30, 2);
    let (l, s) = separated(&m);
    let turned = |x: &Array2<f64>| x.t().to_owned();
    let (lt, st) = separated(&turned(&m));
    assert!(largest(&(turned(&lt) - &l)) < 1e-10 && largest(&(turned(&st) - &s)) < 1e-10);
    // Rows and columns in another order, every third with the other sign.
    let sign = |i: usize| if i.is_multiple_of(3) { -1.0 } else { 1.0 };
    let moved = |x: &Array2<f64>| {
        Array2::from_shape_fn(x.dim(), |(i, j)| sign(i) * sign(j + 1) * x[[(7 * i + 3) % 40, (11 * j + 5) % 30]])
    };
    let (lm, sm) = separated(&moved(&m));
    assert!(largest(&(moved(&l) - lm)) < 1e-10 && largest(&(moved(&s) - sm)) < 1e-10);
}

/// With thresholds that fall forever the error falls to rounding: from the first threshold of each preset on, for its own share
/// of outliers, by 0.9 per layer, with steps of 0.6.
#[test]
fn a_recurrent_network_of_many_layers_goes_down_to_rounding() {
    let (n, rank) = (200, 3);
    let device = device();
    let run = jit(|(m, low, first): (Tensor, Tensor, Weights)| {
        let number = |x: f64| full([], x, m.dtype());
        let weights = first.recurrent(320, &number(0.9), &number(0.6));
        graph::errors(&m, &low, rank, &weights)
    })
    .on(&device);
    for (at, (_, preset)) in Preset::NAMES.into_iter().enumerate() {
        let trainer = Trainer::new([n, n], rank, 0).share(preset.share());
        let problem = jit(|seed: Tensor| trainer.problem(&random::fold_in(random::key(7), &seed), DType::F64));
        let (m, low): (Array2<f64>, Array2<f64>) = problem.on(&device).call(at as i32).unwrap();
        let Parameters { zeta, eta, .. } = Lrpca::new(rank).preset(preset).resolved([n, n]);
        let errors: Array1<f64> = run.call((&m, &low, (&zeta[..1], &eta[..0]))).unwrap();
        assert!(errors[320] < 1e-12, "{preset:?}: {errors}");
    }
}

#[test]
fn the_recurrent_end_has_the_parameters_numbers_and_derivatives() {
    let parameters = Parameters { zeta: vec![4.0, 2.0, 1.0], eta: vec![0.9, 0.6], size: 10.0, rank: 2 };
    let longer = parameters.clone().recurrent(5, 0.5);
    assert_eq!(longer.zeta, [4.0, 2.0, 1.0, 0.5, 0.25, 0.125]);
    assert_eq!(longer.eta, [0.9, 0.6, 0.6, 0.6, 0.6]);
    assert_eq!(parameters.clone().recurrent(1, 0.5).zeta, [4.0, 2.0]);
    let value = |(ratio, step): (Tensor, Tensor)| {
        let all = Weights::constant(&parameters, DType::F64).recurrent(3, &ratio, &step);
        ((&all.zeta * &all.zeta).sum() + all.eta.sin().sum(), all)
    };
    let run = jit(|x: (Tensor, Tensor)| (value(x.clone()).1, grad(|x| value(x).0)(x))).on(&device());
    let (zeta, eta, by_ratio, by_step): (Vec<f64>, Vec<f64>, f64, f64) = run.call((0.5, 0.6)).unwrap();
    assert_eq!((&zeta, &eta), (&longer.zeta, &longer.eta));
    // sum of r^2t over t = 1, 2, 3, and sin three times.
    assert!((by_ratio - (2.0 * 0.5 + 4.0 * 0.5f64.powi(3) + 6.0 * 0.5f64.powi(5))).abs() < 1e-14);
    assert!((by_step - 3.0 * 0.6f64.cos()).abs() < 1e-14);
}

#[test]
fn training_lowers_the_error_and_gives_the_same_bits_again() {
    let device = device();
    let trainer = Trainer::new([40, 25], 2, 1).steps(20, 30, 30).seed(3);
    let grow = jit(|weights: Weights| trainer.grown(&weights)).on(&device);
    let trainer = &trainer;
    let stages: Vec<_> = trainer
        .stages()
        .into_iter()
        .map(|stage| (stage, jit(move |(w, taken): (Weights, Tensor)| trainer.stage(stage, w, &taken)).on(&device)))
        .collect();
    let learned = || {
        let start = jit(|(): ()| trainer.start(DType::F32)).on(&device);
        let (mut zeta, mut eta): (HostArray, HostArray) = start.call(()).unwrap();
        let (mut taken, mut losses) = (0i32, Vec::new());
        for (stage, run) in &stages {
            if stage.layers > eta.len() {
                (zeta, eta) = grow.call((&zeta, &eta)).unwrap();
            }
            let loss: Vec<f32>;
            (zeta, eta, loss) = run.call(((&zeta, &eta), taken)).unwrap();
            taken += stage.steps as i32;
            losses.push(loss);
        }
        (zeta.into_values::<f32>().unwrap(), eta.into_values::<f32>().unwrap(), losses)
    };
    let (zeta, eta, losses) = learned();
    assert_eq!((zeta.len(), eta.len(), losses.len()), (2, 1, 4));
    assert!(zeta.iter().all(|z| *z > 0.0 && z.is_finite()) && eta.iter().all(|e| e.is_finite()));
    let mean = |x: &[f32]| x.iter().sum::<f32>() / x.len() as f32;
    // A trained start is better than at first, and a layer makes it better still.
    assert!(mean(&losses[1][20..]) < mean(&losses[0][..10]), "{losses:?}");
    assert!(mean(&losses[3]) < mean(&losses[1]), "{losses:?}");
    let again = learned();
    let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<u32>>();
    assert_eq!((bits(&zeta), bits(&eta)), (bits(&again.0), bits(&again.1)));
    assert_eq!(losses, again.2);
}

#[test]
fn a_threshold_that_would_be_negative_stays() {
    let device = device();
    let trainer = Trainer::new([20, 20], 2, 1).rates(1e9, 0.0);
    let stage = Stage { layers: 1, alone: true, steps: 1 };
    let run = jit(|weights: Weights| {
        let problem = trainer.problem(&random::fold_in(random::key(0), &scalar(0i32)), DType::F64);
        let slope = grad(|weights: Weights| {
            let Factors { left, right } = graph::unrolled(&problem.m, 2, &weights);
            (left.contract(&right, 1, 1) - &problem.low).norm()
        })(weights.clone());
        (slope.zeta, trainer.stage(stage, weights, &scalar(0i32)).0.zeta)
    })
    .on(&device);
    let mut signs = [false; 2];
    for last in [0.005, 0.01, 0.02, 0.03, 0.04, 0.05] {
        let (slope, after): (Vec<f64>, Vec<f64>) = run.call((&[0.2, last][..], &[1.0][..])).unwrap();
        assert_eq!(after[0], 0.2);
        // Down the slope, below zero where it is positive.
        assert_eq!(after[1] == last, slope[1] >= 0.0, "{slope:?}: {last} becomes {}", after[1]);
        signs[usize::from(slope[1] > 0.0)] = true;
    }
    assert_eq!(signs, [true, true], "no slope of either sign");
}

#[test]
fn what_does_not_fit_is_refused_in_a_line() {
    let refused = |lrpca: Lrpca, shape: &[usize], says: &str| {
        let error = lrpca.check(shape).unwrap_err();
        assert!(error.contains(says) && !error.contains('\n'), "{error}");
    };
    refused(Lrpca::new(0), &[4, 3], "rank = 0: from 1 to min(m, n) = 3");
    refused(Lrpca::new(4), &[4, 3], "rank = 4: from 1 to min(m, n) = 3");
    refused(Lrpca::new(1), &[4], "a matrix [m, n]");
    refused(Lrpca::new(1), &[4, 0], "is empty");
    refused(Lrpca::new(1).threshold_scale(-1.0), &[4, 3], "threshold_scale = -1");
    refused(Lrpca::new(1).threshold_scale(f64::NAN), &[4, 3], "threshold_scale = NaN");
    let odd = Parameters { zeta: vec![1.0], eta: vec![0.5], size: 1.0, rank: 1 };
    refused(Lrpca::new(1).parameters(odd), &[4, 3], "1 thresholds and 1 steps");
    assert!(Trainer::new([4, 3], 4, 1).check().unwrap_err().contains("rank = 4"));
    assert!(Trainer::new([4, 3], 1, 1).share(2.0).check().unwrap_err().contains("share = 2"));
    let none = Lrpca::new(1).layers(0);
    let graph = trace(|m: Tensor| none.trace(&m).into_vec(), &[TensorType::new(DType::F32, [4, 3])]);
    assert!(none.check(&[4, 3]).is_ok() && graph.is_ok());
}
