//! Training RPCANet and RPCANet++: gradients, determinism, and that it learns.

use tandem_algos::rpca::clips::Clips;
use tandem_algos::rpca::net::{Network, RpcaNet, RpcaNetPlusPlus, Source, StateOf, Trainer, loss};
use tandem_compile::pjrt::Device;
use tandem_compile::{DType, HostArray, Tensor, Tree, grad, jit, random};
use tandem_verify::rng::{normal, uniform};

fn leaves(tree: &impl Tree) -> Vec<Tensor> {
    let mut leaves = Vec::new();
    tree.collect(&mut leaves);
    leaves
}

fn built<T: Tree>(leaves: &[Tensor]) -> T {
    T::build(&mut leaves.iter().cloned()).unwrap()
}

/// Every kind of weight, stacked over the stages, against central differences along a direction of its own.
fn gradients_are_those_of_differences<N: Network>(net: &N) {
    let device = Device::cpu().unwrap();
    let shape = [3, 1, 9, 10];
    let numbers = |seed| uniform(seed, shape.iter().product());
    let (frames, masks) = (numbers(1), numbers(2));
    let given = [HostArray::from_fn(shape, |i| frames[i]), HostArray::from_fn(shape, |i| f64::from(masks[i] < 0.1))];

    let value = |frames: &Tensor, masks: &Tensor, weights: &N::Weights| {
        let (output, _) = net.train(weights, &net.moments(DType::F64), frames);
        loss(&output, frames, masks)
    };
    let values = jit(|(x, t, w): (Tensor, Tensor, Vec<Tensor>)| value(&x, &t, &built(&w))).on(&device);
    let slopes = jit(|(x, t, w): (Tensor, Tensor, Vec<Tensor>)| {
        leaves(&grad(|weights: N::Weights| value(&x, &t, &weights))(built(&w)))
    })
    .on(&device);
    let start = jit(|_: ()| leaves(&net.init(random::key(5), DType::F64))).on(&device);

    let weights: Vec<HostArray> = start.call(()).unwrap();
    let with = |weights: &[HostArray]| [&given, weights].concat();
    let gradient: Vec<HostArray> = slopes.call(&with(&weights)[..]).unwrap();
    assert_eq!(gradient.len(), net.names().len());
    for (at, (name, shape)) in net.names().iter().enumerate() {
        assert_eq!(gradient[at].shape(), &shape[..], "{name}");
        let direction = normal(100 + at as u64, gradient[at].len());
        let length = direction.iter().map(|x| x * x).sum::<f64>().sqrt();
        let along: f64 = gradient[at].to_f64().iter().zip(&direction).map(|(g, d)| g * d / length).sum();
        let own = weights[at].to_f64();
        let moved = |by: f64| -> f64 {
            let mut weights = weights.clone();
            weights[at] = HostArray::from_fn(shape.clone(), |i| own[i] + by * direction[i] / length);
            values.call(&with(&weights)[..]).unwrap()
        };
        let step = 1e-6;
        let difference = (moved(step) - moved(-step)) / (2.0 * step);
        assert!((along - difference).abs() < 1e-9 + 1e-6 * along.abs(), "{name}: {along:e} and {difference:e}");
    }
}

#[test]
fn gradients_of_rpcanet_are_those_of_differences() {
    gradients_are_those_of_differences(&RpcaNet::new(2, 3));
}

#[test]
fn gradients_of_rpcanet_plus_plus_are_those_of_differences() {
    gradients_are_those_of_differences(&RpcaNetPlusPlus::new(2, 4));
}

/// A training on clips, compiled: the state after so many epochs, and their losses.
fn training<'a, N: Network>(
    net: &'a N,
    trainer: &'a Trainer,
    clips: Clips,
) -> impl Fn(usize) -> (Vec<HostArray>, Vec<f32>) + use<'a, N> {
    let device = Device::cpu().unwrap();
    let source = Source::Drawn { clips, count: 3, dtype: DType::F32 };
    let start = jit(move |_: ()| leaves(&trainer.start(net, DType::F32))).on(&device);
    let epoch = jit(move |state: Vec<Tensor>| {
        let (state, loss) = trainer.epoch(net, &source, built::<StateOf<N>>(&state));
        [leaves(&state), vec![loss]].concat()
    })
    .on(&device);
    move |epochs| {
        let mut state: Vec<HostArray> = start.call(()).unwrap();
        let mut losses = Vec::new();
        for _ in 0..epochs {
            state = epoch.call(&state[..]).unwrap();
            losses.push(state.pop().unwrap().values::<f32>().unwrap()[0]);
        }
        (state, losses)
    }
}

#[test]
fn the_same_seed_gives_the_same_bits_and_another_one_others() {
    let net = RpcaNetPlusPlus::new(2, 4);
    let trainer = Trainer::new(2).batch(4).crop(12, 12).seed(7);
    let train = training(&net, &trainer, Clips::new(4, 16, 20));
    let first = train(2);
    assert_eq!(first, train(2));
    assert!(first.0.iter().all(|x| x.first_nonfinite().is_none()));
    let other = trainer.clone().seed(8);
    assert_ne!(train(0).0, training(&net, &other, Clips::new(4, 16, 20))(0).0);
}

#[test]
fn training_lowers_the_loss() {
    let trainer = Trainer::new(20).batch(6).lr(5e-3);
    let (_, losses) = training(&RpcaNet::new(2, 4), &trainer, Clips::new(8, 16, 20))(20);
    let mean = |x: &[f32]| x.iter().sum::<f32>() / x.len() as f32;
    let (early, late) = (mean(&losses[..4]), mean(&losses[16..]));
    assert!(late < 0.8 * early, "{losses:?}");
}

#[test]
fn a_training_in_one_program_is_that_of_its_epochs() {
    let device = Device::cpu().unwrap();
    let net = RpcaNet::new(1, 3);
    let trainer = Trainer::new(3).batch(4).seed(2);
    let clips = Clips::new(4, 12, 12);
    let source = Source::Drawn { clips, count: 3, dtype: DType::F32 };
    let whole = jit(|_: ()| {
        let (trained, losses) = trainer.train(&net, &source);
        [leaves(&trained.weights), leaves(&trained.running), vec![losses, trained.status]].concat()
    })
    .on(&device);
    let mut results: Vec<HostArray> = whole.call(()).unwrap();
    let (status, losses) = (results.pop().unwrap(), results.pop().unwrap());
    assert_eq!(status.values::<i32>().unwrap(), [0]);
    let (state, by_epoch) = training(&net, &trainer, clips)(3);
    for (ours, theirs) in results.iter().zip(&state) {
        let far = ours.to_f64().iter().zip(theirs.to_f64()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(far < 1e-4, "{far}");
    }
    let far = losses.to_f64().iter().zip(&by_epoch).map(|(a, b)| (a - f64::from(*b)).abs()).fold(0.0, f64::max);
    assert!(far < 1e-4, "{losses:?} {by_epoch:?}");
}

#[test]
fn parameters_out_of_range_are_refused() {
    let refused = |trainer: Trainer, shape: &[usize]| trainer.check(shape).unwrap_err();
    let shape = [5, 10, 12];
    assert!(Trainer::new(1).check(&shape).is_ok());
    assert!(refused(Trainer::new(1), &[5, 10]).contains("[n, h, w]"));
    assert!(refused(Trainer::new(1), &[0, 10, 12]).contains("no frames"));
    assert!(refused(Trainer::new(1).batch(0), &shape).contains("batch = 0"));
    assert!(refused(Trainer::new(1).lr(f64::NAN), &shape).contains("lr = NaN"));
    assert!(refused(Trainer::new(1).crop(11, 4), &shape).contains("crop of 11 x 4"));
    assert!(refused(Trainer::new(usize::MAX), &shape).contains("the number of steps"));
    assert!(Clips::new(0, 8, 8).check().is_err() && Clips::new(1, 7, 8).check().is_err());
    assert!(Clips::new(1, 8, 8).noise(-1.0).check().is_err() && Clips::new(1, 8, 8).check().is_ok());
}
