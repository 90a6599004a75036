//! RPCANet and RPCANet++ give the numbers that an independent implementation in NumPy gave on weights and frames that
//! anybody can make again.

use std::collections::HashMap;

use tandem_algos::rpca::net::{Mode, Model, RpcaNet, RpcaNetPlusPlus, mean_square, reference, soft_iou};
use tandem_compile::pjrt::Device;
use tandem_compile::{DType, HostArray, Tensor, TensorType, trace};
use tandem_verify::rng::{normal, uniform};

const FRAMES: [usize; 4] = [2, 1, 24, 24];
const CHANNELS: usize = 8;
const STAGES: usize = 3;

/// A convolution as it is created: its name, what comes out and goes in, its size.
type Made = (&'static str, usize, usize, usize);

/// B, T and D: the sum of all elements, the Frobenius norm, and the element [0, 0, 5, 7].
type Golden = [[f64; 3]; 3];

const C: usize = CHANNELS;

fn stack(name: &str, steps: &[usize]) -> Vec<(String, [usize; 3])> {
    let last = steps.len() - 1;
    let size = |i: usize| [if i == last { 1 } else { C }, if i == 0 { 1 } else { C }, 3];
    steps.iter().enumerate().map(|(i, at)| (format!("{name}.{at}"), size(i))).collect()
}

fn one_by_one(made: &[Made]) -> Vec<(String, [usize; 3])> {
    made.iter().map(|&(name, out, into, size)| (name.to_owned(), [out, into, size])).collect()
}

/// The convolutions of a stage in the order of their creation.
fn creation(plus_plus: bool) -> Vec<(String, [usize; 3])> {
    let background = match plus_plus {
        false => stack("lowrank.convs", &[0, 3, 6, 9, 12]),
        true => one_by_one(&[
            ("lowrank.conv1_C.0", C, 1, 3),
            ("lowrank.RB_1.conv1", C, C, 3),
            ("lowrank.RB_1.conv2", C, C, 3),
            ("lowrank.RB_2.conv1", C, C, 3),
            ("lowrank.RB_2.conv2", C, C, 3),
            ("lowrank.convC_1", 1, C, 3),
            ("lowrank.ConvLSTM.conv_xf", C, C, 3),
            ("lowrank.ConvLSTM.conv_xi", C, C, 3),
            ("lowrank.ConvLSTM.conv_xo", C, C, 3),
            ("lowrank.ConvLSTM.conv_xj", C, C, 3),
            ("lowrank.ConvLSTM.conv_hf", C, C, 3),
            ("lowrank.ConvLSTM.conv_hi", C, C, 3),
            ("lowrank.ConvLSTM.conv_ho", C, C, 3),
            ("lowrank.ConvLSTM.conv_hj", C, C, 3),
        ]),
    };
    let target = stack("sparse.convs", &[0, 2, 4, 6, 8, 10, 12, 14]);
    let prior = match plus_plus {
        false => Vec::new(),
        true => one_by_one(&[
            ("sparse.contrast.0", C, 1, 3),
            ("sparse.contrast.2.conv", C, C, 17),
            ("sparse.contrast.2.attn.avg_channel.1", C / 4, C, 1),
            ("sparse.contrast.2.attn.avg_channel.4", C, C / 4, 1),
            ("sparse.contrast.5", 1, C, 3),
        ]),
    };
    [background, target, prior, stack("merge.mapping", &[0, 3, 6, 9, 12])].concat()
}

/// The network's arrays: every convolution takes two seeds, one after the other, of which W's second is not used.
fn arrays(model: &Model, first_seed: u64) -> Vec<HostArray> {
    let mut made: HashMap<String, Vec<f64>> = HashMap::new();
    let mut seed = first_seed;
    for k in 0..STAGES {
        for (name, [out, into, size]) in creation(model.is_plus_plus()) {
            let scale = (2.0 / ((into + out) * size * size) as f64).sqrt();
            let kernel = normal(seed, out * into * size * size).into_iter().map(|x| x * scale).collect();
            made.insert(format!("decos.{k}.{name}.weight"), kernel);
            let bias = normal(seed + 1, out).into_iter().map(|x| 0.01 * x).collect();
            made.insert(format!("decos.{k}.{name}.bias"), bias);
            seed += 2;
        }
    }
    let leaf = |k: usize, name: &str, len: usize| match made.get(&format!("decos.{k}.{name}")) {
        Some(values) => values.clone(),
        None if name.ends_with("epsilon") => vec![0.01],
        None if name.ends_with(".weight") || name.ends_with("running_var") => vec![1.0; len],
        None => vec![0.0; len],
    };
    let stacked = |(name, shape): (String, Vec<usize>)| {
        let len = shape[1..].iter().product();
        HostArray::new(shape, (0..STAGES).flat_map(|k| leaf(k, &name, len)).collect()).unwrap()
    };
    model.names().into_iter().map(stacked).collect()
}

fn frames() -> HostArray {
    HostArray::new(FRAMES, uniform(2001, 2 * 24 * 24)).unwrap()
}

fn masks() -> HostArray {
    let values = uniform(2002, 2 * 24 * 24);
    HostArray::from_fn(FRAMES, |at| f64::from(u8::from(values[at] < 0.05)))
}

fn plain() -> Model {
    Model::Plain(RpcaNet::new(STAGES, CHANNELS))
}

fn plus_plus() -> Model {
    Model::PlusPlus(RpcaNetPlusPlus::new(STAGES, CHANNELS))
}

/// The model, its first seed, and what comes out in eval and in train mode.
fn published() -> [(Model, u64, Golden, Golden); 2] {
    [
        (
            plain(),
            3000,
            [
                [-2.293481895e+01, 2.286725877, 6.022741446e-02],
                [4.426534339e+01, 4.582413877, -1.207852849e-01],
                [-2.352831676e+01, 7.640648956e-01, -1.746948709e-02],
            ],
            [
                [-7.542966575e+02, 7.179039696e+01, -4.063879254],
                [1.761889640e+02, 1.203510196e+02, 4.927133885],
                [-4.236119278e+02, 3.201405631e+01, -9.658828683e-01],
            ],
        ),
        (
            plus_plus(),
            4000,
            [
                [-6.242903338e+01, 2.940477432, -1.614403501e-02],
                [1.555659320e+02, 6.555817586, 4.770930891e-02],
                [-1.888785676e+01, 6.407906978e-01, -1.972915582e-02],
            ],
            [
                [-8.218588841e+02, 3.557103867e+01, -2.272240747e-01],
                [1.192247028e+03, 4.843867384e+01, 9.409591233e-01],
                [-4.664523363e+02, 2.883878383e+01, -1.269029054e-02],
            ],
        ),
    ]
}

/// Of the RPCANet++ batch.
const SOFT_IOU: f64 = 0.9521360472;
const MEAN_SQUARE: f64 = 1.4555431216;

/// The published numbers have ten digits. In f32, 1e-5 of what each is computed from: a sum of large terms of both signs, or one
/// element of an array, may be small itself.
fn judge(found: &[Vec<f64>; 3], golden: &Golden, dtype: DType, what: &str) {
    for (values, expected) in found.iter().zip(golden) {
        let norm = values.iter().map(|x| x * x).sum::<f64>().sqrt();
        let found = [values.iter().sum(), norm, values[5 * 24 + 7]];
        let largest = values.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        let scales = [values.iter().map(|x| x.abs()).sum(), norm, largest];
        for ((found, &expected), scale) in found.into_iter().zip(expected).zip(scales) {
            let room = if dtype == DType::F64 { 5.1e-10 * expected.abs() } else { 1e-5 * scale };
            assert!((found - expected).abs() <= room, "{what}: {found:e}, not {expected:e}");
        }
    }
}

/// Background, target and image of a network on the device, and softIoU and mean square.
fn device(model: Model, mode: Mode, dtype: DType, seed: u64) -> ([Vec<f64>; 3], [f64; 2]) {
    let inputs: Vec<HostArray> =
        [frames(), masks()].into_iter().chain(arrays(&model, seed)).map(|array| array.cast(dtype).unwrap()).collect();
    let types: Vec<TensorType> = inputs.iter().map(HostArray::ty).collect();
    let program = |inputs: Vec<Tensor>| {
        let (frames, masks, arrays) = (&inputs[0], &inputs[1], &inputs[2..]);
        let [background, target, image] = match mode {
            Mode::Eval => {
                let found = model.separate(&frames.squeeze(1), arrays);
                [found.background, found.target, found.image]
            }
            Mode::Train => {
                let (output, _) = model.train(frames, arrays);
                [output.background, output.target, output.image]
            }
        };
        let shaped = |x: &Tensor| x.reshape(FRAMES);
        let losses = [soft_iou(&shaped(&target), masks), mean_square(&shaped(&image), frames)];
        (background, target, image, losses)
    };
    let graph = trace(program, &types).unwrap();
    let device = Device::cpu().unwrap();
    let results = graph.compile(&device).unwrap().run(&device, &inputs).unwrap();
    let reals: Vec<Vec<f64>> = results.iter().map(HostArray::to_f64).collect();
    ([reals[0].clone(), reals[1].clone(), reals[2].clone()], [reals[3][0], reals[4][0]])
}

#[test]
fn the_reference_gives_the_published_numbers() {
    for (model, seed, eval, train) in published() {
        let arrays = arrays(&model, seed);
        for (mode, golden) in [(Mode::Eval, eval), (Mode::Train, train)] {
            let found = reference::forward::<f64>(&model, mode, &frames(), &arrays);
            let parts = [found.background().to_vec(), found.target().to_vec(), found.image.clone()];
            judge(&parts, &golden, DType::F64, &format!("{model:?} {mode:?}"));
            if model.is_plus_plus() && mode == Mode::Train {
                let iou = reference::soft_iou(found.target(), &masks().to_f64(), 2);
                let square = reference::mean_square(&found.image, &frames().to_f64());
                assert!((iou - SOFT_IOU).abs() < 5.1e-11 && (square - MEAN_SQUARE).abs() < 5.1e-11, "{iou} {square}");
                let loss = reference::loss(&found, &frames(), &masks());
                assert!((loss - SOFT_IOU - 0.01 * MEAN_SQUARE).abs() < 1e-10);
            }
        }
    }
}

#[test]
fn the_device_gives_the_published_numbers() {
    for (model, seed, eval, train) in published() {
        for (mode, golden) in [(Mode::Eval, eval), (Mode::Train, train)] {
            for dtype in [DType::F64, DType::F32] {
                let (parts, [iou, square]) = device(model, mode, dtype, seed);
                judge(&parts, &golden, dtype, &format!("{model:?} {mode:?} {dtype}"));
                if model.is_plus_plus() && mode == Mode::Train {
                    let limit = if dtype == DType::F64 { 5.1e-11 } else { 1e-5 };
                    let off = (iou - SOFT_IOU).abs().max((square - MEAN_SQUARE).abs());
                    assert!(off < limit, "{dtype}: {iou} {square}");
                }
            }
        }
    }
}

#[test]
fn the_published_sizes_have_the_published_numbers_of_parameters() {
    use tandem_algos::rpca::net::Network;
    assert_eq!(RpcaNet::new(6, 32).parameters(), 679_896);
    for (stages, parameters) in [(3, 1_480_791), (6, 2_961_582), (9, 4_442_373)] {
        let net = RpcaNetPlusPlus::new(stages, 32);
        assert_eq!(net.parameters(), parameters);
        // The authors count the layers that run: the first stage leaves five convolutions of its memory alone.
        let unused = 5 * (32 * 32 * 9 + 32);
        assert_eq!(unused, 46_240);
    }
}
