//! What the theory says of RPCANet and RPCANet++: gradients of every layer, what a contrast is, how far a stage sees, what
//! the first stage leaves alone, and how weights go to files and back.

use tandem_algos::rpca::net::{
    Mode, Model, Network, RpcaNet, RpcaNetPlusPlus, Start, contrast, loss, low_rankness, reference, sparsity,
};
use tandem_compile::pjrt::Device;
use tandem_compile::{DType, HostArray, Tensor, TensorType, Tree, grad, jit, ones, random, trace};
use tandem_verify::rng::{normal, uniform};

fn plain(stages: usize, channels: usize) -> Model {
    Model::Plain(RpcaNet::new(stages, channels))
}

fn plus_plus(stages: usize, channels: usize) -> Model {
    Model::PlusPlus(RpcaNetPlusPlus::new(stages, channels))
}

/// Arrays of a network of the size that training begins with, but none of them 0 or 1 by custom.
fn arrays(model: &Model, seed: u64) -> Vec<HostArray> {
    let array = |(i, (name, shape)): (usize, (String, Vec<usize>))| {
        let values = normal(1000 * seed + i as u64, shape.iter().product());
        let fans = if let &[_, out, into, h, w] = shape.as_slice() { (out + into) * h * w } else { 1 };
        HostArray::from_fn(shape.clone(), |at| match () {
            () if shape.len() == 5 => values[at] * (2.0 / fans as f64).sqrt(),
            () if name.ends_with("running_var") => 0.5 + values[at].abs(),
            () if name.ends_with(".weight") => 1.0 + 0.2 * values[at],
            () if name.ends_with("epsilon") => 0.1 + 0.01 * values[at],
            () => 0.1 * values[at],
        })
    };
    model.names().into_iter().enumerate().map(array).collect()
}

fn frames(shape: &[usize]) -> HostArray {
    let values = uniform(77, shape.iter().product());
    HostArray::from_fn(shape, |at| values[at])
}

fn masks(shape: &[usize]) -> HostArray {
    let values = uniform(78, shape.iter().product());
    HostArray::from_fn(shape, |at| f64::from(u8::from(values[at] < 0.3)))
}

fn run<O: Tree>(program: impl FnOnce(Vec<Tensor>) -> O, inputs: &[HostArray]) -> Vec<Vec<f64>> {
    let types: Vec<TensorType> = inputs.iter().map(HostArray::ty).collect();
    let device = Device::cpu().unwrap();
    let results = trace(program, &types).unwrap().compile(&device).unwrap().run(&device, inputs).unwrap();
    results.iter().map(HostArray::to_f64).collect()
}

fn largest(x: &[f64]) -> f64 {
    x.iter().fold(0.0, |most, x| most.max(x.abs()))
}

fn apart(x: &[f64], y: &[f64]) -> f64 {
    assert_eq!(x.len(), y.len());
    x.iter().zip(y).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max)
}

/// The slope of `value` in one element of one of the inputs.
fn slope(inputs: &[HostArray], input: usize, at: usize, value: impl Fn(&[HostArray]) -> f64) -> f64 {
    let moved = |h: f64| {
        let mut inputs = inputs.to_vec();
        inputs[input].values_mut::<f64>().unwrap()[at] += h;
        value(&inputs)
    };
    (moved(1e-6) - moved(-1e-6)) / 2e-6
}

/// Gradients against central differences of the reference, for two elements of the frames and of every array.
fn gradients_are_slopes(model: Model) {
    let shape = [3, 1, 6, 5];
    let masks = masks(&shape);
    let inputs: Vec<HostArray> = [frames(&shape)].into_iter().chain(arrays(&model, 1)).collect();
    let known = masks.clone();
    let program = move |inputs: Vec<Tensor>| {
        let masks = tandem_compile::constant(&known);
        let value = |inputs: Vec<Tensor>| {
            let (output, _) = model.train(&inputs[0], &inputs[1..]);
            loss(&output, &inputs[0], &masks)
        };
        grad(value)(inputs)
    };
    let gradients = run(program, &inputs);
    let value = |inputs: &[HostArray]| {
        let found = reference::forward::<f64>(&model, Mode::Train, &inputs[0], &inputs[1..]);
        reference::loss(&found, &inputs[0], &masks)
    };
    let names: Vec<String> = ["frames".to_owned()].into_iter().chain(model.names().into_iter().map(|n| n.0)).collect();
    for (input, gradient) in gradients.iter().enumerate() {
        let (name, len) = (&names[input], gradient.len());
        if name.contains(".running_") {
            assert_eq!(largest(gradient), 0.0, "{name} has no part in training");
            continue;
        }
        // One of the first stage and one of the last.
        for at in [(7 * input + 3) % len.div_ceil(2), len - 1 - (5 * input + 2) % len.div_ceil(2)] {
            let expected = slope(&inputs, input, at, value);
            let off = (gradient[at] - expected).abs();
            assert!(off <= 1e-7 * (1.0 + largest(gradient)), "{name}[{at}]: {}, not {expected}", gradient[at]);
        }
    }
}

#[test]
fn gradients_of_rpcanet_are_those_of_central_differences() {
    gradients_are_slopes(plain(2, 3));
}

#[test]
fn gradients_of_rpcanet_plus_plus_are_those_of_central_differences() {
    gradients_are_slopes(plus_plus(2, 4));
}

/// Of a network at work, by the frames.
#[test]
fn gradients_pass_through_running_moments() {
    for model in [plain(1, 2), plus_plus(2, 4)] {
        let shape = [1, 1, 5, 4];
        let inputs: Vec<HostArray> = [frames(&shape)].into_iter().chain(arrays(&model, 2)).collect();
        let program = |inputs: Vec<Tensor>| {
            let arrays = inputs[1..].to_vec();
            let value = |frames: Tensor| {
                let found = model.separate(&frames.squeeze(1), &arrays);
                found.target.square().sum() + found.image.sum() - found.background.square().sum()
            };
            grad(value)(inputs[0].clone())
        };
        let gradient = run(program, &inputs).remove(0);
        let value = |inputs: &[HostArray]| {
            let found = reference::forward::<f64>(&model, Mode::Eval, &inputs[0], &inputs[1..]);
            let squares = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>();
            squares(found.target()) + found.image.iter().sum::<f64>() - squares(found.background())
        };
        for (at, &found) in gradient.iter().enumerate() {
            let expected = slope(&inputs, 0, at, value);
            assert!((found - expected).abs() <= 1e-7 * (1.0 + largest(&gradient)), "[{at}]: {found}, not {expected}");
        }
    }
}

/// Reverse mode that computes a stage again gives what reverse mode that keeps it gives.
#[test]
fn rematerialised_gradients_are_the_same() {
    let net = RpcaNetPlusPlus::new(2, 4);
    let shape = [2, 1, 6, 5];
    let inputs: Vec<HostArray> =
        [frames(&shape), masks(&shape)].into_iter().chain(arrays(&plus_plus(2, 4), 3)).collect();
    let gradient = |remat: bool| {
        let program = move |inputs: Vec<Tensor>| {
            let (frames, masks, arrays) = (inputs[0].clone(), inputs[1].clone(), inputs[2..].to_vec());
            let value = |arrays: Vec<Tensor>| {
                let (output, _) = Model::PlusPlus(net.remat(remat)).train(&frames, &arrays);
                loss(&output, &frames, &masks)
            };
            grad(value)(arrays)
        };
        run(program, &inputs)
    };
    for (x, y) in gradient(true).iter().zip(gradient(false)) {
        assert!(apart(x, &y) <= 1e-13 * (1.0 + largest(x)), "{:e}", apart(x, &y));
    }
}

/// A constant leaves nothing further than half a kernel from the border, and something near it.
#[test]
fn contrast_of_a_constant_is_zero_inside() {
    let (size, c) = (24, 3);
    let kernel = HostArray::new([c, c, 17, 17], normal(5, c * c * 289)).unwrap();
    let program = |inputs: Vec<Tensor>| {
        let kernel = &inputs[0];
        contrast(&(ones([1, size, size, c], DType::F64) * 0.7), kernel, &ones([1, c], DType::F64))
    };
    let found = run(program, &[kernel]).remove(0);
    let inside = |at: usize| (8..size - 8).contains(&at);
    let (mut within, mut outside) = (0.0f64, 0.0f64);
    for (at, value) in found.iter().enumerate() {
        let (row, column) = (at / c / size, at / c % size);
        let most = if inside(row) && inside(column) { &mut within } else { &mut outside };
        *most = most.max(value.abs());
    }
    assert!(within < 1e-12 && outside > 1.0, "{within:e} {outside}");
}

/// Two windows on one picture give the same where both see the same: one stage sees 18 pixels far, or 30.
#[test]
fn stages_do_not_know_where_they_are() {
    for (model, size, radius) in [(plain(1, 3), 52, 18), (plus_plus(1, 4), 76, 30)] {
        let mut arrays = arrays(&model, 4);
        // Attention looks at the whole window: without the scale of its last batch norm it is a constant.
        for ((name, _), array) in model.names().iter().zip(&mut arrays) {
            if name.ends_with("avg_channel.5.weight") {
                array.values_mut::<f64>().unwrap().fill(0.0);
            }
        }
        let wide = size + 6;
        let canvas = uniform(79, wide * wide);
        let corners = [[1, 5], [4, 3]];
        let windows = HostArray::from_fn([2, size, size], |at| {
            let [top, left] = corners[at / (size * size)];
            canvas[(top + at / size % size) * wide + left + at % size]
        });
        let inputs: Vec<HostArray> = [windows].into_iter().chain(arrays).collect();
        let found = run(|inputs: Vec<Tensor>| model.separate(&inputs[0], &inputs[1..]).into_vec(), &inputs);
        let mut compared = 0;
        for (output, reach) in [(0, if model.is_plus_plus() { 7 } else { 5 }), (1, radius - 5), (3, radius)] {
            let scale = largest(&found[output]);
            let seen = |window: usize, row: usize, column: usize| {
                let [top, left] = corners[window];
                let (r, s) = (row.checked_sub(top)?, column.checked_sub(left)?);
                let fits = |at: usize| (reach..size - reach).contains(&at);
                (fits(r) && fits(s)).then(|| found[output][(window * size + r) * size + s])
            };
            for at in 0..wide * wide {
                if let (Some(x), Some(y)) = (seen(0, at / wide, at % wide), seen(1, at / wide, at % wide)) {
                    assert!((x - y).abs() <= 1e-12 * (1.0 + scale), "output {output} at {at}: {x} and {y}");
                    compared += 1;
                }
            }
        }
        assert!(compared > 500, "{compared} pixels say too little");
    }
}

/// The first stage has no memory: what the memory's gates do with one, and the gate that forgets it, have no effect.
#[test]
fn the_first_stage_leaves_the_memory_alone() {
    let model = plus_plus(1, 4);
    let own = arrays(&model, 6);
    let forgets = |name: &str| {
        ["xf", "hf", "hi", "ho", "hj"].iter().any(|gate| name.starts_with(&format!("lowrank.ConvLSTM.conv_{gate}.")))
    };
    let mut other = own.clone();
    let mut changed = 0;
    for ((name, _), array) in model.names().iter().zip(&mut other).filter(|((name, _), _)| forgets(name)) {
        assert!(name.contains("ConvLSTM"));
        array.values_mut::<f64>().unwrap().iter_mut().for_each(|x| *x = 2.0 * *x - 0.3);
        changed += array.len();
    }
    assert_eq!(changed, 5 * (4 * 4 * 9 + 4));
    let outputs = |arrays: &[HostArray]| {
        let inputs: Vec<HostArray> = [frames(&[2, 6, 5])].into_iter().chain(arrays.iter().cloned()).collect();
        run(|inputs: Vec<Tensor>| model.separate(&inputs[0], &inputs[1..]).into_vec(), &inputs)
    };
    assert_eq!(outputs(&own), outputs(&other));
}

#[test]
fn backgrounds_and_targets_are_measured() {
    let (backgrounds, targets) = (normal(8, 2 * 3 * 5 * 4), normal(9, 2 * 3 * 5 * 4));
    let shape = [2, 3, 1, 5, 4];
    let inputs =
        [HostArray::new(shape, backgrounds.clone()), HostArray::new(shape, targets.clone())].map(Result::unwrap);
    let found = run(|inputs: Vec<Tensor>| [low_rankness(&inputs[0]), sparsity(&inputs[1])], &inputs);
    for stage in 0..2 {
        let mut expected = [0.0; 4];
        for frame in 0..3 {
            let plane = faer::Mat::from_fn(5, 4, |r, s| backgrounds[((stage * 3 + frame) * 5 + r) * 4 + s].max(0.0));
            let values = plane.singular_values().unwrap();
            expected.iter_mut().zip(values).for_each(|(sum, value)| *sum += value / 3.0);
        }
        assert!(apart(&found[0][4 * stage..4 * stage + 4], &expected) < 1e-13);
        let positive = targets[stage * 60..(stage + 1) * 60].iter().filter(|&&t| t > 0.0).count();
        assert_eq!(found[1][stage], positive as f64 / 60.0);
    }
}

/// Kernels are normal of the variance that Glorot gives, biases uniform, the rest constant; every stage its own numbers.
#[test]
fn networks_start_as_their_leaves_say() {
    let net = RpcaNetPlusPlus::new(2, 32);
    let start = |seed: u64| -> Vec<HostArray> {
        let program = jit(move |_: Tensor| {
            let mut leaves = Vec::new();
            net.init(random::key(seed), DType::F32).collect(&mut leaves);
            net.moments(DType::F32).collect(&mut leaves);
            leaves
        });
        program.call(0.0f32).unwrap()
    };
    let (arrays, again, other) = (start(3), start(3), start(4));
    assert_eq!(arrays, again);
    let leaves = [net.weights_of_stage(), net.moments_of_stage()].concat();
    assert_eq!(arrays.len(), leaves.len());
    for (i, (array, leaf)) in arrays.iter().zip(&leaves).enumerate() {
        assert_eq!(array.shape(), [&[2], leaf.shape.as_slice()].concat(), "{}", leaf.name);
        let values = array.to_f64();
        let (first, second) = values.split_at(values.len() / 2);
        let deviation = (values.iter().map(|x| x * x).sum::<f64>() / values.len() as f64).sqrt();
        let (expected, drawn) = match leaf.start {
            Start::Constant(value) => (f64::from(value as f32), false),
            Start::Normal(deviation) => (deviation, true),
            Start::Uniform(bound) => (bound / 3f64.sqrt(), true),
        };
        if !drawn {
            assert!(values.iter().all(|&x| x == expected), "{}", leaf.name);
            continue;
        }
        assert!(first != second && values != other[i].to_f64(), "{}", leaf.name);
        // Of N numbers the deviation is known up to about 1 / sqrt(2 N) of itself.
        let room = 5.0 / (2.0 * values.len() as f64).sqrt();
        assert!((deviation / expected - 1.0).abs() < room, "{}: {deviation}, not {expected}", leaf.name);
        if let Start::Uniform(bound) = leaf.start {
            assert!(largest(&values) <= bound * (1.0 + 1e-6), "{}", leaf.name);
        }
    }
}

#[test]
fn weights_go_to_names_and_back() {
    for model in [plain(3, 2), plus_plus(2, 5)] {
        let own: Vec<HostArray> = arrays(&model, 9).into_iter().map(|array| array.cast(DType::F32).unwrap()).collect();
        let state = model.to_state(&own);
        assert_eq!(state.len(), model.stages() * model.leaves().len());
        let epsilon = state.iter().find(|(name, _)| name == "decos.1.sparse.epsilon").unwrap();
        assert_eq!(epsilon.1.shape(), [1]);
        // PyTorch's order is another, and it counts batches.
        let mut shuffled: Vec<(String, HostArray)> = state.iter().rev().cloned().collect();
        shuffled.push(("decos.0.merge.mapping.1.num_batches_tracked".into(), HostArray::scalar(7i64)));
        assert_eq!(Model::from_state(&shuffled).unwrap(), (model, own.clone()));
        let stacked: Vec<(String, HostArray)> =
            model.names().into_iter().map(|(name, _)| name).zip(own.iter().cloned()).collect();
        assert_eq!(Model::from_state(&stacked).unwrap(), (model, own.clone()));
        let types: Vec<TensorType> = own.iter().map(HostArray::ty).collect();
        assert_eq!(Model::of_arrays(&types), Ok(model));
    }
}

#[test]
fn weights_that_are_none_are_refused_in_words() {
    let model = plain(2, 3);
    let state = model.to_state(&arrays(&model, 1));
    let refused = |state: &[(String, HostArray)], says: &str| {
        let error = Model::from_state(state).unwrap_err();
        assert!(error.contains(says) && !error.contains('\n'), "no `{says}` in {error}");
    };
    refused(&[], "the weights of RPCANet or RPCANet++ expected");
    refused(&state[1..], "decos.0.lowrank.convs.0.weight");
    let without = |name: &str| state.iter().filter(|(own, _)| own != name).cloned().collect::<Vec<_>>();
    refused(&without("decos.1.sparse.epsilon"), "the array decos.1.sparse.epsilon is missing");
    refused(&without("decos.0.merge.mapping.4.running_var"), "decos.0.merge.mapping.4.running_var is missing");
    let further = |name: &str| [state.clone(), vec![(name.to_owned(), HostArray::scalar(1.0))]].concat();
    refused(&further("decos.0.head.weight"), "decos.0.head.weight belongs to no network");
    refused(&further("decos.2.sparse.epsilon"), "is missing");
    let mut wrong = state.clone();
    wrong[3].1 = HostArray::scalar(1.0);
    refused(&wrong, "has shape []");
    let mut whole = state;
    whole[1].1 = HostArray::from_fn([3], |i| i as i32);
    refused(&whole, "floating-point numbers expected");

    let types: Vec<TensorType> = arrays(&model, 1).iter().map(HostArray::ty).collect();
    let refused = |types: &[TensorType], says: &str| {
        let error = Model::of_arrays(types).unwrap_err();
        assert!(error.contains(says), "no `{says}` in {error}");
    };
    refused(&[], "got nothing");
    refused(&types[..5], "5 arrays given; RPCANet has 69");
    let mut wrong = types;
    wrong[4] = TensorType::new(DType::F32, [2, 3]);
    refused(&wrong, "expected f64[2,3,3,3,3]");
}

#[test]
fn what_is_no_frame_or_no_network_is_refused() {
    assert!(RpcaNet::new(0, 4).check().unwrap_err().contains("stages = 0"));
    assert!(RpcaNet::new(2, 1).check().is_ok());
    assert!(RpcaNetPlusPlus::new(2, 3).check().unwrap_err().contains("channels = 3: it must be from 4"));
    let model = plain(1, 2);
    let types = |frames: &[usize]| -> Vec<TensorType> {
        let frames = TensorType::new(DType::F64, frames);
        [frames].into_iter().chain(arrays(&model, 1).iter().map(HostArray::ty)).collect()
    };
    let separate = |inputs: Vec<Tensor>| model.separate(&inputs[0], &inputs[1..]).into_vec();
    let error = trace(separate, &types(&[5, 5])).unwrap_err().to_string();
    assert!(error.contains("frames [n, h, w] expected, got f64[5,5]"), "{error}");
    let train = |inputs: Vec<Tensor>| model.train(&inputs[0], &inputs[1..]).0.target;
    let error = trace(train, &types(&[2, 3, 5, 5])).unwrap_err().to_string();
    assert!(error.contains("frames [n, 1, h, w]"), "{error}");
    let too_few = |inputs: Vec<Tensor>| model.separate(&inputs[0], &inputs[2..]).into_vec();
    let error = trace(too_few, &types(&[1, 5, 5])).unwrap_err().to_string();
    assert!(error.contains("68 arrays given, the network has 69"), "{error}");
}
