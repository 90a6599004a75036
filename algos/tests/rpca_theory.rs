//! What theory says of robust PCA beyond a single result: layers that are iterations, derivatives, the distance to the optimum
//! that never grows, recovery with missing elements, warm starts, many problems at once.

mod separation;

use separation::{Problem, Program, integer};
use tandem_algos::rpca::altproj::{AccAltProj, AltProj, reference as projections};
use tandem_algos::rpca::pcp::{AdmmState, Pcp, Schedule, Solver, Start, admm_step, ialm_step, reference, soft};
use tandem_compile::{DType, HostArray, Tensor, grad, jvp, number, stack, vmap, zeros};
use tandem_linalg::spectral::Route;
use tandem_verify::Matrix;
use tandem_verify::rng::{normal, uniform};

fn array(m: &Matrix) -> HostArray {
    HostArray::new([m.rows, m.cols], m.values.clone()).unwrap()
}

fn matrix(x: &HostArray) -> Matrix {
    Matrix::from_array(x).unwrap()
}

/// Rank 2 with outliers, `[m, n]`, and a mask that hides a fifth.
fn problem(seed: u64, m: usize, n: usize) -> (Matrix, Matrix, Matrix) {
    let factor = |seed: u64, rows: usize| Matrix { rows, cols: 2, values: normal(seed, rows * 2) };
    let l = factor(seed, m).dot(&factor(seed + 1, n).t());
    let (chance, seen) = (uniform(seed + 2, m * n), uniform(seed + 3, m * n));
    let whole = Matrix::from_fn(m, n, |i, j| l.at(i, j) + if chance[i * n + j] < 0.04 { 7.0 } else { 0.0 });
    let mask = Matrix::from_fn(m, n, |i, j| f64::from(u8::from(seen[i * n + j] >= 0.2)));
    (l, whole, mask)
}

fn distance(x: &Matrix, y: &Matrix) -> f64 {
    (x.minus(y).squared_norm() / y.squared_norm()).sqrt()
}

/// K layers with the classical parameters are K iterations.
#[test]
fn layers_are_iterations() {
    let (_, m, mask) = problem(1, 9, 7);
    for solver in [Solver::Ialm, Solver::Admm] {
        for layers in [1, 4, 11] {
            let pcp = Pcp::new().solver(solver).tol(0.0).max_iters(layers);
            let program = Program::new(|x: Vec<Tensor>| {
                let net = pcp.unrolled(layers);
                let plain = (pcp.trace(&x[0], None), net.trace(&x[0], None, &net.classical(&x[0], None)));
                let seen = Some(&x[1]);
                let masked = (pcp.trace(&x[0], seen), net.trace(&x[0], seen, &net.classical(&x[0], seen)));
                let differences = [plain, masked].map(|(a, b)| vec![a.l - b.l, a.s - b.s, a.y - b.y, a.iterations]);
                differences.concat()
            });
            let found = program.run(&[array(&m), array(&mask)]);
            for part in [0, 4] {
                assert_eq!(integer(&found[part + 3]), layers as i32);
                for (at, scale) in [m.max_abs(), m.max_abs(), 1.0].into_iter().enumerate() {
                    let far = matrix(&found[part + at]).max_abs();
                    // The iteration computes in units of the data.
                    assert!(far <= 1e-13 * scale, "{solver:?}, {layers} layers, {part}, {at}: {far:e}");
                }
            }
        }
    }
}

/// The gradient by the data, the penalties and the weights against differences, in f64; and that it stays finite where all
/// singular values are equal.
#[test]
fn gradients_of_layers_are_those_of_differences() {
    let (truth, m, _) = problem(5, 6, 5);
    for solver in [Solver::Ialm, Solver::Admm] {
        let net = Pcp::new().solver(solver).route(Route::Svd).unrolled(4);
        let loss = |truth: &Tensor, m: &Tensor, schedule: &Schedule| {
            let found = net.trace(m, None, schedule);
            (found.l - truth).square().sum() + found.s.square().sum() * 0.5
        };
        let schedule = |m: &Tensor, mu: &Tensor, lambda: &Tensor| {
            let classical = net.classical(m, None);
            Schedule { mu: classical.mu * mu, lambda: classical.lambda * lambda }
        };
        let value = Program::new(|x: Vec<Tensor>| vec![loss(&x[0], &x[1], &schedule(&x[1], &x[2], &x[3]))]);
        let slopes = Program::new(|x: Vec<Tensor>| {
            let truth = x[0].clone();
            let f = move |(m, mu, lambda): (Tensor, Tensor, Tensor)| loss(&truth, &m, &schedule(&m, &mu, &lambda));
            let (m, mu, lambda) = grad(f)((x[1].clone(), x[2].clone(), x[3].clone()));
            vec![m, mu, lambda]
        });
        let factors =
            |seed: u64| HostArray::new([4], uniform(seed, 4).iter().map(|x| 0.8 + 0.4 * x).collect()).unwrap();
        let inputs = [array(&truth), array(&m), factors(8), factors(9)];
        let found = slopes.run(&inputs);
        for (which, slope) in found.iter().enumerate() {
            let direction = normal(20 + which as u64, slope.len());
            let moved = |t: f64| {
                let mut inputs = inputs.clone();
                let values = inputs[which + 1].to_f64();
                let shape = inputs[which + 1].shape().to_vec();
                inputs[which + 1] = HostArray::from_fn(shape, |i| values[i] + t * direction[i]);
                value.run(&inputs)[0].to_f64()[0]
            };
            let step = 1e-6;
            let difference = (moved(step) - moved(-step)) / (2.0 * step);
            let along: f64 = slope.to_f64().iter().zip(&direction).map(|(g, d)| g * d).sum();
            let far = (along - difference).abs() / (1.0 + difference.abs());
            assert!(far < 1e-6, "{solver:?}, argument {which}: {along} by the gradient, {difference} by differences");
        }
        let equal =
            [array(&truth), array(&Matrix::from_fn(6, 5, |i, j| f64::from(u8::from(i == j)))), factors(8), factors(9)];
        assert!(slopes.run(&equal).iter().all(|slope| slope.first_nonfinite().is_none()), "{solver:?}");
    }
}

/// One step of each method in forward mode against differences.
#[test]
fn steps_are_differentiable() {
    let (_, m, _) = problem(9, 5, 6);
    let state =
        [3, 4].map(|seed| Matrix { rows: 5, cols: 6, values: normal(seed, 30).iter().map(|x| 0.1 * x).collect() });
    let step = |x: &[Tensor]| {
        let (weight, mu) = (number(0.4, DType::F64), number(0.9, DType::F64));
        let start = AdmmState { s: x[1].clone(), y: x[2].clone() };
        let (admm, l) = admm_step(&x[0], &weight, &start, &mu, Route::Auto);
        let start = tandem_algos::rpca::pcp::IalmState { l: x[1].clone(), y: x[2].clone() };
        let (ialm, s) = ialm_step(&x[0], &weight, &start, &mu, Route::Auto);
        stack(&[&l, &admm.s, &admm.y, &ialm.l, &s, &ialm.y], 0)
    };
    let value = Program::new(|x: Vec<Tensor>| vec![step(&x)]);
    let slope = Program::new(|x: Vec<Tensor>| vec![jvp(|x: Vec<Tensor>| step(&x), x[..3].to_vec(), x[3..].to_vec()).1]);
    let point = [&m, &state[0], &state[1]].map(array);
    let direction: Vec<HostArray> = (0..3).map(|at| HostArray::new([5, 6], normal(30 + at, 30)).unwrap()).collect();
    let moved = |t: f64| {
        let at = |(x, d): (&HostArray, &HostArray)| {
            let (x, d) = (x.to_f64(), d.to_f64());
            HostArray::from_fn([5, 6], |i| x[i] + t * d[i])
        };
        let inputs: Vec<HostArray> = point.iter().zip(&direction).map(at).collect();
        value.run(&inputs)[0].to_f64()
    };
    let found = slope.run(&[point.to_vec(), direction.clone()].concat())[0].to_f64();
    let (ahead, behind) = (moved(1e-6), moved(-1e-6));
    for (i, found) in found.iter().enumerate() {
        let difference = (ahead[i] - behind[i]) / 2e-6;
        assert!((found - difference).abs() < 1e-7 * (1.0 + difference.abs()), "{i}: {found} and {difference}");
    }
}

/// ADMM comes no farther from the optimum in any step: ||S - S*||^2 + ||Y - Y*||^2 / mu^2 never grows.
#[test]
fn distance_of_admm_to_the_optimum_never_grows() {
    let problem = Problem::new(60, 3, 180, 0);
    let m = problem.m(DType::F64);
    let pcp = Pcp::new().solver(Solver::Admm);
    let lambda = pcp.weight(60, 60);
    let mu = 900.0 / m.to_f64().iter().map(|x| x.abs()).sum::<f64>();
    let step = Program::new(|x: Vec<Tensor>| {
        let (weight, mu) = (number(lambda, DType::F64), number(mu, DType::F64));
        let start = AdmmState { s: x[1].clone(), y: x[2].clone() };
        let (state, _) = admm_step(&x[0], &weight, &start, &mu, Route::Auto);
        vec![state.s, state.y]
    });
    let nothing = HostArray::from_fn([60, 60], |_| 0.0);
    let mut path = vec![[nothing.clone(), nothing]];
    for _ in 0..400 {
        let [s, y] = path.last().unwrap().clone();
        let found = step.run(&[m.clone(), s, y]);
        path.push([found[0].clone(), found[1].clone()]);
    }
    let [s, y] = path.last().unwrap().clone().map(|x| matrix(&x));
    let potential = |at: &[HostArray; 2]| {
        matrix(&at[0]).minus(&s).squared_norm() + matrix(&at[1]).minus(&y).squared_norm() / mu.powi(2)
    };
    let values: Vec<f64> = path[..200].iter().map(potential).collect();
    assert!(values[0] > 1.0 && values[199] < 1e-12 * values[0], "{:e} {:e}", values[0], values[199]);
    for pair in values.windows(2) {
        assert!(pair[1] <= pair[0] * (1.0 + 1e-12) + 1e-24 * values[0], "{:e} after {:e}", pair[1], pair[0]);
    }
}

/// A fifth missing and 3 % outliers: the part of low rank comes back, on the device and by the reference, also from a matrix that has
/// NaN where nothing is observed.
#[test]
fn missing_elements_are_completed() {
    let problem = Problem::new(100, 4, 300, 3);
    let (m, chance) = (problem.m(DType::F64).to_f64(), uniform(5, 10_000));
    let mask = HostArray::from_fn([100, 100], |at| f64::from(u8::from(chance[at] >= 0.2)));
    let hidden = HostArray::from_fn([100, 100], |at| if chance[at] < 0.2 { f64::NAN } else { m[at] });
    for solver in [Solver::Ialm, Solver::Admm] {
        let pcp = Pcp::new().solver(solver);
        let program = Program::new(|x: Vec<Tensor>| {
            let found = pcp.trace(&x[0], Some(&x[1]));
            vec![found.l, found.s, found.status]
        });
        let found = program.run(&[hidden.clone(), mask.clone()]);
        let outcome = reference::separate::<f64>(&pcp, &hidden, Some(&mask));
        assert_eq!((integer(&found[2]), outcome.status), (0, 0));
        for l in [found[0].to_f64(), outcome.reals("l")] {
            assert!(problem.error(&l) < 1e-4, "{solver:?}: {:e}", problem.error(&l));
        }
        let s = found[1].to_f64();
        assert!((0..10_000).all(|at| chance[at] >= 0.2 || s[at] == 0.0));
    }
}

/// From the result of a problem, one whose part of low rank has grown by a thousandth takes fewer iterations than from nothing, with
/// the same end.
#[test]
fn a_warm_start_is_a_shorter_way() {
    let problem = Problem::new(60, 3, 180, 0);
    let next = HostArray::from_fn([60, 60], |at| 1.001 * problem.l.values[at] + problem.s.values[at]);
    let pcp = Pcp::new().solver(Solver::Admm);
    let program = Program::new(|x: Vec<Tensor>| {
        let cold = pcp.trace(&x[1], None);
        let warm = pcp.trace_from(&x[1], None, &Start::from(pcp.trace(&x[0], None)));
        vec![cold.l - warm.l, cold.iterations, warm.iterations, warm.status]
    });
    let found = program.run(&[problem.m(DType::F64), next]);
    let (cold, warm) = (integer(&found[1]), integer(&found[2]));
    assert!(warm < cold && integer(&found[3]) == 0, "{warm} iterations from the earlier result, {cold} from nothing");
    assert!(matrix(&found[0]).max_abs() < 1e-5, "{:e}", matrix(&found[0]).max_abs());
}

/// Many problems in one program, each with its own number of iterations.
#[test]
fn a_batch_is_its_problems() {
    let inputs: Vec<Matrix> = [51, 52, 53].iter().map(|&seed| problem(seed, 12, 10).1).collect();
    let zero = Matrix::from_fn(12, 10, |_, _| 0.0);
    let all = [&inputs[0], &zero, &inputs[1], &inputs[2]].map(|m| m.values.clone()).concat();
    let all = HostArray::new([4, 12, 10], all).unwrap();
    for solver in [Solver::Ialm, Solver::Admm] {
        let pcp = Pcp::new().solver(solver).tol(1e-5);
        let f = move |m: Tensor| {
            let found = pcp.trace(&m, None);
            (found.l, found.iterations, found.status)
        };
        let batch = Program::new(|x: Vec<Tensor>| {
            let (l, iterations, status) = vmap(f)(x[0].clone());
            vec![l, iterations, status]
        });
        let one = Program::new(|x: Vec<Tensor>| {
            let (l, iterations, status) = f(x[0].clone());
            vec![l, iterations, status]
        });
        let found = batch.run(std::slice::from_ref(&all));
        for (at, m) in [&inputs[0], &zero, &inputs[1], &inputs[2]].into_iter().enumerate() {
            let alone = one.run(&[array(m)]);
            let l = &found[0].to_f64()[120 * at..][..120];
            let far = l.iter().zip(alone[0].to_f64()).fold(0.0, |most: f64, (x, y)| most.max((x - y).abs()));
            assert!(far < 1e-11, "{solver:?}, {at}: {far:e}");
            for part in [1, 2] {
                assert_eq!(found[part].values::<i32>().unwrap()[at], integer(&alone[part]), "{solver:?}, {at}");
            }
        }
    }
}

/// Exact: thresholding elements commutes with negation and scaling by powers of two, does not expand, and has the derivative that
/// is zero up to the threshold.
#[test]
fn thresholding_of_elements_is_exact() {
    let values: Vec<f64> = normal(61, 200).into_iter().chain([1.5, -1.5, 0.0, -0.0]).collect();
    let x = HostArray::new([204], values.clone()).unwrap();
    let program = Program::new(|x: Vec<Tensor>| {
        let t = number(1.5, DType::F64);
        let slope = jvp(|a: Tensor| soft(&a, &t), x[0].clone(), x[0].clone() * 0.0 + 1.0).1;
        let larger = soft(&(&x[0] * 4.0), &(&t * 4.0));
        vec![soft(&x[0], &t), -soft(&-&x[0], &t), larger, slope]
    });
    let found: Vec<Vec<f64>> = program.run(&[x]).iter().map(HostArray::to_f64).collect();
    for (i, &x) in values.iter().enumerate() {
        let wanted = x.signum() * (x.abs() - 1.5).max(0.0);
        assert_eq!(found[0][i], wanted);
        assert_eq!((found[1][i], found[2][i]), (wanted, 4.0 * wanted));
        assert_eq!(found[3][i], f64::from(u8::from(x.abs() > 1.5)));
    }
}

/// Stages recover what the tangent spaces do; and trimming keeps a matrix whose singular vectors are spread out as it is.
#[test]
fn projections_recover_and_trimming_does_no_harm() {
    let problem = Problem::with_outliers(100, 3, 0.1);
    let m = problem.m(DType::F64);
    let program = Program::new(|x: Vec<Tensor>| {
        let splits =
            [AltProj::new(3).trace(&x[0]), AccAltProj::new(3).trace(&x[0]), AccAltProj::new(3).trim(4.0).trace(&x[0])];
        splits.into_iter().flat_map(|split| [split.l, split.status]).collect()
    });
    let found = program.run(std::slice::from_ref(&m));
    for (which, split) in found.chunks(2).enumerate() {
        assert_eq!(integer(&split[1]), 0, "{which}");
        assert!(problem.error(&split[0].to_f64()) < 1e-4, "{which}: {:e}", problem.error(&split[0].to_f64()));
    }
    let outcomes = [
        projections::staged::<f64>(&AltProj::new(3), &m, 1.2e-16),
        projections::accelerated::<f64>(&AccAltProj::new(3).trim(4.0), &m, 1.2e-16),
    ];
    for (outcome, at) in outcomes.iter().zip([0, 4]) {
        let (l, own) = (Matrix { values: outcome.reals("l"), ..problem.l.clone() }, matrix(&found[at]));
        assert!(distance(&own, &l) < 1e-9, "{:e}", distance(&own, &l));
    }
}

/// Where nothing is asked for, the defaults are those of theory: the larger size, so that M' gives L' and S'.
#[test]
fn a_wide_matrix_is_separated_as_its_transpose() {
    let (_, m, _) = problem(71, 12, 30);
    let program = Program::new(|x: Vec<Tensor>| {
        let pcp = Pcp::new();
        let (found, turned) = (pcp.trace(&x[0], None), pcp.trace(&x[0].t(), None));
        let nothing = zeros([], DType::F64);
        vec![
            found.l - turned.l.t(),
            found.s - turned.s.t(),
            (found.iterations - turned.iterations).convert(DType::F64) + nothing,
        ]
    });
    let found = program.run(&[array(&m)]);
    assert!(matrix(&found[0]).max_abs() < 1e-10 && matrix(&found[1]).max_abs() < 1e-10);
    assert_eq!(found[2].to_f64(), [0.0]);
}
