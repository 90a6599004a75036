//! What theory says of CORONA's layers: the complex threshold, the iteration that they are unrolled from, their derivatives, and
//! that they can be trained.

use ndarray::{Array1, ArrayD};
use tandem_algos::rpca::corona::{
    Corona, Group, GroupWeights, Parts, Shrinkage, State, Teacher, Trainer, graph, reference,
};
use tandem_compile::pjrt::Device;
use tandem_compile::{DType, HostArray, Tensor, grad, jit, random, scalar, stack};
use tandem_linalg::svdvals;
use tandem_verify::rng::{normal, uniform};

fn device() -> Device {
    Device::cpu().unwrap()
}

fn movie(seed: u64, shape: [usize; 5]) -> HostArray {
    HostArray::new(shape, normal(seed, shape.iter().product())).unwrap()
}

fn farthest(x: &[f64], y: &[f64]) -> f64 {
    assert_eq!(x.len(), y.len());
    x.iter().zip(y).fold(0.0, |most, (x, y)| f64::max(most, (x - y).abs()))
}

fn proximal(groups: &[Group]) -> Corona {
    Corona::new().groups(groups.to_vec()).shrinkage(Shrinkage::Proximal)
}

/// K layers with the teacher's weights are K steps of its iteration: on the device, by the reference, and across.
#[test]
fn unrolled_is_iterated() {
    let d = movie(1, [1, 2, 4, 3, 5]);
    let network = proximal(&[Group { layers: 2, kernel: [5, 3, 1] }, Group { layers: 4, kernel: [1, 1, 3] }]);
    let teacher = Teacher::new(5.0, 2.6).steps(6).accelerated(false);
    let run = jit(|d: Tensor| {
        let unrolled = network.trace(&d, &teacher.weights(&network, d.dtype()));
        let iterated = teacher.trace(&d);
        (unrolled.low.flatten(), unrolled.sparse.flatten(), iterated.low.flatten(), iterated.sparse.flatten())
    })
    .on(&device());
    let (low, sparse, steps_low, steps_sparse): (Vec<f64>, Vec<f64>, Vec<f64>, Vec<f64>) = run.call(&d).unwrap();
    assert!(farthest(&low, &steps_low) < 1e-13 && farthest(&sparse, &steps_sparse) < 1e-13);
    let [known_low, known_sparse] = reference::teach::<f64>(&teacher, &d);
    assert!(farthest(&low, &known_low) < 1e-13 && farthest(&sparse, &known_sparse) < 1e-13);
    // Something is thresholded, and something is left.
    assert!(low.iter().any(|x| x.abs() > 0.1) && sparse.iter().any(|x| x.abs() > 0.1) && sparse.contains(&0.0));
}

/// |D - L - S|^2 / 2 + lambda_1 ||L||_* + lambda_2 sum |rows of S|.
fn objective(teacher: &Teacher, d: &Tensor, parts: &Parts) -> Tensor {
    let [_, _, h, w, t] = *d.shape() else { return scalar(f64::NAN) };
    let part = |i: usize| parts.low.slice(1, i, i + 1).reshape([h * w, t]);
    let rows = tandem_compile::concatenate(&[&part(0), &part(1)], 0);
    let other = tandem_compile::concatenate(&[&-part(1), &part(0)], 0);
    // The real form has every singular value twice.
    let nuclear = svdvals(&tandem_compile::concatenate(&[&rows, &other], 1)).sum() * 0.5;
    let lengths = parts.sparse.square().sum_axes([1, 4]).sqrt().sum();
    (d - &parts.low - &parts.sparse).square().sum() * 0.5 + nuclear * teacher.low + lengths * teacher.sparse
}

#[test]
fn steps_lower_the_objective_and_acceleration_lowers_it_more() {
    let d = movie(2, [1, 2, 5, 4, 6]);
    let teacher = Teacher::new(3.0, 1.5);
    let run = jit(|d: Tensor| {
        let after = |steps: usize, accelerated: bool| {
            let teacher = teacher.steps(steps).accelerated(accelerated);
            objective(&teacher, &d, &teacher.trace(&d))
        };
        let plain = [0, 1, 2, 3, 10, 30].map(|steps| after(steps, false));
        (stack(&plain.each_ref(), 0), after(30, true), after(300, true))
    })
    .on(&device());
    let (plain, fast, least): (Vec<f64>, f64, f64) = run.call(&d).unwrap();
    assert!(plain.windows(2).all(|pair| pair[1] < pair[0]), "{plain:?}");
    assert!(fast <= plain[5] && least <= fast && least > 0.0, "{plain:?} {fast} {least}");
    assert!(fast - least < 0.1 * (plain[4] - least), "{plain:?} {fast} {least}");
}

/// SVT of sigma u v^H is (sigma - tau) u v^H.
#[test]
fn a_complex_matrix_of_rank_one_is_thresholded() {
    let (u, v) = (normal(3, 12), normal(4, 8));
    let entry = |i: usize, t: usize| {
        let ((a, b), (c, e)) = ((u[2 * i], u[2 * i + 1]), (v[2 * t], v[2 * t + 1]));
        // u times the conjugate of v.
        (a * c + b * e, b * c - a * e)
    };
    let length = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
    let sigma = length(&u) * length(&v);
    let d = HostArray::from_fn([1, 2, 2, 3, 4], |at| {
        let (re, im) = entry(at / 4 % 6, at % 4);
        if at < 24 { re } else { im }
    });
    // The first step halves D, and thresholds by half of lambda.
    let teacher = Teacher::new(sigma / 2.0, 1e9).steps(1);
    let low: Vec<f64> = jit(|d: Tensor| teacher.trace(&d).low.flatten()).on(&device()).call(&d).unwrap();
    let expected: Vec<f64> = d.to_f64().iter().map(|x| x / 4.0).collect();
    assert!(farthest(&low, &expected) < 1e-14);
}

fn weights_of(network: &Corona, seed: u64) -> Vec<HostArray> {
    let of = |(at, group): (usize, &Group)| {
        let [h, w, t] = group.kernel;
        let kernels = [group.layers, 6, 2, h, w, t];
        let taps = h * w * t;
        let noise = normal(seed + 10 * at as u64, kernels.iter().product());
        let chance = uniform(seed + 10 * at as u64 + 1, 2 * group.layers);
        let kernels = HostArray::from_fn(kernels, |i| 0.1 * noise[i] + if i % taps == taps / 2 { 0.4 } else { 0.0 });
        [kernels, HostArray::from_fn([group.layers, 2], |i| chance[i] - 0.3)]
    };
    network.groups.iter().enumerate().flat_map(of).collect()
}

/// By every number of every layer, and by the movie along a direction; for both shrinkages, kernels of two sizes, more pixels
/// than frames and fewer.
#[test]
fn gradients_are_those_of_differences() {
    let device = device();
    let groups = [Group { layers: 1, kernel: [3, 1, 1] }, Group { layers: 2, kernel: [1, 1, 3] }];
    let relative = Corona::new().groups(groups.to_vec());
    for (network, shape) in [(relative, [2, 2, 3, 2, 3]), (proximal(&groups), [1, 2, 2, 1, 4])] {
        let value = |(d, weights): (Tensor, Vec<GroupWeights>)| {
            let Parts { low, sparse } = network.trace(&d, &weights);
            low.sin().sum() + (sparse * 2.0).cos().sum()
        };
        let run = jit(|x: (Tensor, Vec<GroupWeights>)| (value(x.clone()), grad(value)(x))).on(&device);
        let of = |inputs: &[HostArray]| -> Vec<Vec<f64>> {
            let found: Vec<HostArray> = run.call(inputs).unwrap();
            found.iter().map(HostArray::to_f64).collect()
        };
        let mut inputs = vec![movie(5, shape)];
        inputs.extend(weights_of(&network, 20));
        let slopes = of(&inputs).split_off(1);
        let h = 1e-6;
        for (input, slope) in slopes.iter().enumerate() {
            // The movie's numbers one in five, the weights all.
            let stride = if input == 0 { 5 } else { 1 };
            for at in (0..slope.len()).step_by(stride) {
                let moved = |h: f64| {
                    let mut all = inputs.clone();
                    all[input].values_mut::<f64>().unwrap()[at] += h;
                    of(&all)[0][0]
                };
                let (slope, difference) = (slope[at], (moved(h) - moved(-h)) / (2.0 * h));
                assert!(
                    (slope - difference).abs() < 1e-7 * slope.abs().max(1.0),
                    "{:?}, input {input} at {at}: {slope} by differences {difference}",
                    network.shrinkage
                );
            }
        }
    }
}

/// NaN in a movie reaches its own parts alone, and the others are what they are without it.
#[test]
fn movies_are_independent() {
    let network = Corona::new().groups(vec![Group { layers: 2, kernel: [3, 3, 1] }]);
    let weights = weights_of(&network, 30);
    let run = jit(|(d, weights): (Tensor, Vec<GroupWeights>)| {
        let found = graph::separate(network.shrinkage, &d, &weights);
        (found.low, found.sparse, found.status)
    })
    .on(&device());
    let all = |d: HostArray| -> (Vec<f64>, Vec<f64>, i32) {
        let inputs = [&[d], weights.as_slice()].concat();
        let found: Vec<HostArray> = run.call(&inputs[..]).unwrap();
        (found[0].to_f64(), found[1].to_f64(), found[2].values::<i32>().unwrap()[0])
    };
    let good = movie(8, [3, 2, 3, 4, 2]);
    let mut bad = good.clone();
    let size = good.len() / 3;
    bad.values_mut::<f64>().unwrap()[size + 5] = f64::NAN;
    let ((low, sparse, status), (found_low, found_sparse, found_status)) = (all(good), all(bad));
    assert_eq!((status, found_status), (0, 1));
    for (known, found) in [(low, found_low), (sparse, found_sparse)] {
        assert!(found[size..2 * size].iter().all(|x| x.is_nan()) && known.iter().all(|x| x.is_finite()));
        assert!(
            farthest(&known[..size], &found[..size]) < 1e-14
                && farthest(&known[2 * size..], &found[2 * size..]) < 1e-14
        );
    }
}

/// Movies of rank 1 and a few pixels that light up; a few dozen steps halve the loss, the same bits each time.
#[test]
fn training_lowers_the_loss_and_gives_the_same_bits_again() {
    let device = device();
    let network = Corona::new().groups(vec![Group { layers: 3, kernel: [3, 3, 1] }]);
    let trainer = Trainer { rate: 1e-2, ..Trainer::default() };
    let (count, n, h, w, t) = (40, 4, 4, 4, 6);
    let run = jit(|seed: Tensor| {
        let key = random::fold_in(random::key(1), &seed);
        let keys = random::split(&key, 5);
        let key = |i: i64| keys.at_index(0, i);
        let normal = |i: i64, shape: [usize; 6]| random::normal(key(i), shape, DType::F32);
        // (a + ib)(c), with a course in time that all pixels share.
        let low = normal(0, [count, n, 2, h, w, 1]) * normal(1, [count, n, 1, 1, 1, t]);
        let lit = random::uniform(key(2), [count, n, 1, h, w, 1], DType::F32).lt(0.1);
        let sparse = lit.convert(DType::F32) * normal(3, [count, n, 2, h, w, t]) * 2.0;
        let (d, parts) = (&low + &sparse, Parts { low, sparse });
        let state = trainer.start(network.start(&key(4), DType::F32));
        let (state, losses): (State, Tensor) = trainer.pass(&network, state, &d, &parts);
        (losses, state.weights[0][0].kernels.clone(), state.weights[0][0].thresholds.clone())
    })
    .on(&device);
    let of = |seed: i32| -> (Array1<f32>, ArrayD<f32>, Vec<f32>) { run.call(seed).unwrap() };
    let (losses, kernels, thresholds) = of(3);
    let mean = |from: usize, to: usize| losses.slice(ndarray::s![from..to]).mean().unwrap();
    assert!(mean(35, 40) < 0.6 * mean(0, 5), "{losses}");
    assert!(thresholds.iter().all(|x| x.abs() > 1e-3), "{thresholds:?}");
    let again = of(3);
    assert_eq!((&losses, &kernels, &thresholds), (&again.0, &again.1, &again.2));
    assert_ne!(kernels, of(4).1);
}

#[test]
fn what_does_not_fit_is_refused_in_a_line() {
    let refused = |network: Corona, shape: &[usize], says: &str| {
        let error = network.check(shape).unwrap_err();
        assert!(error.contains(says) && !error.contains('\n'), "{error}");
    };
    refused(Corona::new(), &[2, 8, 8, 4], "[N, 2, H, W, T]");
    refused(Corona::new(), &[1, 1, 8, 8, 4], "real and imaginary");
    refused(Corona::new(), &[1, 2, 8, 0, 4], "are empty");
    refused(Corona::new().groups(vec![Group { layers: 1, kernel: [2, 3, 1] }]), &[1, 2, 8, 8, 4], "odd sizes");
    refused(
        Corona::new().groups(vec![Group { layers: 0, kernel: [3, 3, 1] }]),
        &[1, 2, 8, 8, 4],
        "a group of 0 layers",
    );
    refused(
        Corona::new().shrinkage(Shrinkage::Relative { low: -0.4, sparse: 1.8 }),
        &[1, 2, 8, 8, 4],
        "shrinkage by -0.4 and 1.8",
    );
    assert_eq!(Corona::default().layers(), 10);
}
