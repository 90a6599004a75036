//! The baselines: which codes they keep, their gradients, and that the trainer trains them all.

use tandem_algos::sae::coder::{Allocation, Weights};
use tandem_algos::sae::{
    Coder, FeatureChoice, FeatureChoiceSae, Model, MpSae, MutualChoice, MutualChoiceSae, Relu, ReluSae, TopK, TopKSae,
    Trainer,
};
use tandem_compile::pjrt::Device;
use tandem_compile::{HostArray, Tensor, trace, value_and_grad};
use tandem_verify::rng::{normal, uniform};

fn run<const N: usize>(f: impl Fn(Vec<Tensor>) -> [Tensor; N], inputs: &[HostArray]) -> [HostArray; N] {
    let types: Vec<_> = inputs.iter().map(HostArray::ty).collect();
    let device = Device::cpu().unwrap();
    let graph = trace(|inputs: Vec<Tensor>| f(inputs), &types).unwrap();
    graph.compile(&device).unwrap().run(&device, inputs).unwrap().try_into().unwrap()
}

/// Marks the `count` largest of the numbers at these places, of equal ones the first.
fn mark(values: &[f64], places: impl Iterator<Item = usize>, count: usize, marks: &mut [bool]) {
    let mut places: Vec<usize> = places.collect();
    places.sort_by(|&i, &j| values[j].total_cmp(&values[i]));
    places.into_iter().take(count).for_each(|i| marks[i] = true);
}

#[test]
fn allocations_keep_exactly_the_largest_and_of_equals_the_first() {
    let (b, p, k) = (7, 9, 3);
    // Whole numbers from 0 to 3: ties everywhere.
    let values: Vec<f64> = uniform(3, b * p).into_iter().map(|u| (4.0 * u).floor()).collect();
    let a = HostArray::new([b, p], values.clone()).unwrap();
    let [topk, feature, mutual, relu] = run(
        |a| {
            let a = &a[0];
            [TopK { k }.kept(a), FeatureChoice { k }.kept(a), MutualChoice { k }.kept(a), Relu { l1: 0.1 }.kept(a)]
        },
        &[a],
    );
    let mut expected = vec![vec![false; b * p]; 3];
    (0..b).for_each(|i| mark(&values, i * p..(i + 1) * p, k, &mut expected[0]));
    // 7 samples with 3 codes each are 21 codes, 2.33 per feature: 2.
    (0..p).for_each(|j| mark(&values, (0..b).map(|i| i * p + j), 2, &mut expected[1]));
    mark(&values, 0..b * p, b * k, &mut expected[2]);
    for (found, expected) in [topk, feature, mutual].iter().zip(&expected) {
        assert_eq!(found.values::<bool>().unwrap(), expected);
    }
    let positive: Vec<bool> = values.iter().map(|&x| x > 0.0).collect();
    assert_eq!(relu.values::<bool>().unwrap(), positive);
}

#[test]
fn features_pick_so_many_samples_that_these_get_k_on_average() {
    let picks = |b, p, k| FeatureChoice { k }.picks(b, p);
    assert_eq!([picks(64, 64, 8), picks(64, 512, 8), picks(64, 4096, 8), picks(4, 2, 8)], [8, 1, 1, 4]);
}

/// The loss and its gradient against central differences, away from the kinks.
fn slopes<A: Allocation>(coder: &Coder<A>) {
    let (b, d, p) = (5, 4, 6);
    let arrays = [normal(1, b * d), normal(2, p * d), normal(3, d), normal(4, p * d), normal(5, p)];
    let shapes = [vec![b, d], vec![p, d], vec![d], vec![p, d], vec![p]];
    let inputs: Vec<HostArray> =
        arrays.into_iter().zip(shapes).map(|(values, shape)| HostArray::new(shape, values).unwrap()).collect();
    let weights = |t: &[Tensor]| {
        let [dictionary, bias, encoder, offset] = [1, 2, 3, 4].map(|i: usize| t[i].clone());
        Weights { dictionary, bias, encoder, offset }
    };
    let [dictionary, bias, encoder, offset] = run(
        |t| {
            let loss = |w: Weights| coder.loss(&w, &t[0]).0;
            let (_, g) = value_and_grad(loss)(weights(&t));
            [g.dictionary, g.bias, g.encoder, g.offset]
        },
        &inputs,
    );
    // One program for all differences: the loss.
    let types: Vec<_> = inputs.iter().map(HostArray::ty).collect();
    let device = Device::cpu().unwrap();
    let graph = trace(|t: Vec<Tensor>| coder.loss(&weights(&t), &t[0]).0, &types).unwrap();
    let program = graph.compile(&device).unwrap();
    for (input, gradient) in [(1, dictionary), (2, bias), (3, encoder), (4, offset)] {
        for (at, slope) in gradient.to_f64().into_iter().enumerate() {
            let moved = |h: f64| {
                let mut inputs = inputs.clone();
                inputs[input].values_mut::<f64>().unwrap()[at] += h;
                program.run(&device, &inputs).unwrap()[0].to_f64()[0]
            };
            let found = (moved(1e-6) - moved(-1e-6)) / 2e-6;
            assert!((found - slope).abs() < 1e-7, "input {input}, element {at}: {found}, not {slope}");
        }
    }
}

#[test]
fn gradients_are_those_of_central_differences() {
    slopes(&ReluSae::new(6, 0.3));
    slopes(&TopKSae::new(6, 2));
    slopes(&FeatureChoiceSae::new(6, 2));
    slopes(&MutualChoiceSae::new(6, 2));
}

/// Samples of three of sixteen unit atoms in eight dimensions.
fn planted(n: usize) -> HostArray {
    let (atoms, chance, sizes) = (normal(21, 16 * 8), uniform(22, n * 3), uniform(23, n * 3));
    let norm = |j: usize| atoms[j * 8..(j + 1) * 8].iter().map(|x| x * x).sum::<f64>().sqrt();
    HostArray::from_fn([n, 8], |at| {
        let one = |l: usize| {
            let (i, j) = (at / 8 * 3 + l, (16.0 * chance[at / 8 * 3 + l]) as usize);
            (0.5 + sizes[i]) * atoms[j * 8 + at % 8] / norm(j)
        };
        (one(0) + one(1) + one(2)) as f32
    })
}

/// The loss of the first and of the last epoch.
fn trained(model: &impl Model) -> (f64, f64) {
    let x = planted(512);
    let trainer = Trainer::new(30).lr(0.01).batch(32);
    let [dictionary, loss, status] = run(
        |x| {
            let (trained, loss) = trainer.train(model, &x[0]);
            [trained.dictionary, loss, trained.status]
        },
        &[x],
    );
    assert_eq!(status.to_f64(), [0.0]);
    let atoms = dictionary.to_f64();
    assert!(atoms.chunks(8).all(|atom| (atom.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-5));
    let loss = loss.to_f64();
    (loss[0], loss[29])
}

#[test]
fn the_trainer_trains_every_model() {
    let results = [
        ("mp", trained(&MpSae::new(24, 3))),
        ("relu", trained(&ReluSae::new(24, 0.05))),
        ("topk", trained(&TopKSae::new(24, 3))),
        ("feature choice", trained(&FeatureChoiceSae::new(24, 3))),
        ("mutual choice", trained(&MutualChoiceSae::new(24, 3))),
    ];
    println!("{results:?}");
    for (name, (first, last)) in results {
        assert!(last < 0.5 * first, "{name}: from {first} to {last}");
    }
}
