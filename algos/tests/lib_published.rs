//! The local interaction basis gives the numbers that an independent implementation in NumPy gave on networks that anybody can
//! make again.

use tandem_algos::interaction::subject::program;
use tandem_algos::interaction::{Edges, Lib, reference};
use tandem_compile::pjrt::Device;
use tandem_compile::{HostArray, Tensor, TensorType, trace};
use tandem_verify::Outcome;
use tandem_verify::rng::normal;

/// x, w0, b0, w1, b1, ... of a network of these widths, weights `[out, in]`.
fn network(
    x: HostArray,
    widths: &[usize],
    weight: impl Fn(usize, usize) -> Vec<f64>,
    bias: impl Fn(usize, usize) -> Vec<f64>,
) -> Vec<HostArray> {
    let mut inputs = vec![x];
    for (l, pair) in widths.windows(2).enumerate() {
        let (into, out) = (pair[0], pair[1]);
        inputs.push(HostArray::new([out, into], weight(l, out * into)).unwrap());
        inputs.push(HostArray::new([out], bias(l, out)).unwrap());
    }
    inputs
}

/// 6 -> 12 -> 9 -> 4 with 400 samples.
fn relu_network() -> Vec<HostArray> {
    let widths = [6, 12, 9, 4];
    let scaled = |values: Vec<f64>, by: f64| values.into_iter().map(|x| x * by).collect();
    network(
        HostArray::new([400, 6], normal(940, 2400)).unwrap(),
        &widths,
        |l, len| scaled(normal(920 + l as u64, len), (2.0 / widths[l] as f64).sqrt()),
        |l, len| scaled(normal(930 + l as u64, len), 0.3),
    )
}

fn on_the_device(lib: &Lib, inputs: &[HostArray]) -> Vec<HostArray> {
    let device = Device::cpu().unwrap();
    let types: Vec<TensorType> = inputs.iter().map(HostArray::ty).collect();
    let graph = trace(|inputs: Vec<Tensor>| program(lib, &inputs), &types).unwrap();
    graph.compile(&device).unwrap().run(&device, inputs).unwrap()
}

/// By reference and device: lambda of the kept directions, and the sum of the edges, layer by layer.
fn by_both(lib: &Lib, inputs: &[HostArray]) -> Vec<Vec<(Vec<f64>, f64)>> {
    let layers = (inputs.len() - 1) / 2;
    let told: Outcome<f64> = reference::interaction(lib, inputs, f64::EPSILON / 2.0);
    let arrays = on_the_device(lib, inputs);
    let found = |lambda: Vec<f64>, edges: Vec<f64>, rank: i32| {
        assert!(lambda[rank as usize..].iter().all(|&x| x == 0.0));
        (lambda[..rank as usize].to_vec(), edges.iter().sum())
    };
    let of_reference = |l: usize| {
        let rank = told.indices(&format!("rank{l}"))[0];
        found(told.reals(&format!("lambda{l}")), told.reals(&format!("edges{l}")), rank)
    };
    let of_device = |l: usize| {
        let rank = arrays[5 * l + 4].values::<i32>().unwrap()[0];
        found(arrays[5 * l + 2].to_f64(), arrays[5 * l + 3].to_f64(), rank)
    };
    assert_eq!((told.status, arrays[5 * layers].values::<i32>().unwrap()[0]), (0, 0));
    vec![(0..layers).map(of_reference).collect(), (0..layers).map(of_device).collect()]
}

#[track_caller]
fn is_published(lib: &Lib, expected: [(&[f64], f64); 3]) {
    for layers in by_both(lib, &relu_network()) {
        for ((lambda, edges), (published, sum)) in layers.iter().zip(expected) {
            assert_eq!(lambda.len(), published.len(), "{lambda:?}");
            for (x, y) in lambda.iter().zip(published) {
                assert!((x - y).abs() < 6e-7, "{lambda:?} instead of {published:?}");
            }
            assert!((edges - sum).abs() < 6e-7, "{edges} instead of {sum}");
        }
    }
}

const UNCENTERED: [(&[f64], f64); 3] = [
    (&[2.887141, 2.29037, 0.905402, 0.566885, 0.283096, 0.277614, 0.031634], 8.298898),
    (&[6.419659, 1.761961, 0.666803, 0.247712, 0.114719, 0.06685, 0.028934, 0.009704, 0.002858, 0.001747], 9.532654),
    (&[8.647209, 0.700564, 0.514862, 0.051949], 9.914584),
];

const CENTERED: [(&[f64], f64); 3] = [
    (&[10.523234, 2.746039, 1.285911, 0.904831, 0.56501, 0.282735, 0.0317], 16.352407),
    (&[8.827015, 2.135616, 1.111428, 0.64016, 0.244103, 0.070452, 0.049272, 0.012892, 0.002934, 0.001898], 13.305734),
    (&[7.32318, 1.407229, 0.693614, 0.465785, 0.024775], 9.914584),
];

#[test]
fn relu_network_uncentered() {
    is_published(&Lib::new().center(false).threshold(1e-12).batch(150), UNCENTERED);
}

#[test]
fn relu_network_centered() {
    is_published(&Lib::new().threshold(1e-12).batch(150), CENTERED);
}

/// With its bias folded in, a ReLU section doubles with its input: the integral is the derivative at its end.
#[test]
fn relu_network_with_integrated_gradients() {
    is_published(&Lib::new().threshold(1e-12).edges(Edges::GaussLegendre(3)), CENTERED);
}

/// 8 -> 10 -> 6 -> 5 without nonlinearity and bias: every layer has the output's principal components and nothing else.
#[test]
fn deep_linear_network() {
    let lambda = [18.164436, 5.224803, 0.552855, 0.270874, 0.000997];
    for (found, edges) in linear::on_the_device().into_iter().chain(linear::by_the_reference()) {
        let off = found.iter().zip(lambda).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
        assert!(found.len() == 5 && off < 6e-7, "{found:?}");
        if let Some(edges) = edges {
            let width = found.len();
            assert_eq!(edges.len(), width * width);
            for (at, edge) in edges.iter().enumerate() {
                let (i, j) = (at / width, at % width);
                let expected = if i == j { found[i] } else { 0.0 };
                assert!((edge - expected).abs() < 3e-11, "edge {i}, {j} is {edge}");
            }
        }
    }
}

mod linear {
    use tandem_algos::interaction::{Interaction, Lib, Section, reference};
    use tandem_compile::{HostArray, Tensor, jit};
    use tandem_verify::rng::normal;

    const WIDTHS: [usize; 4] = [8, 10, 6, 5];

    /// Lambda of a layer's kept directions and, but for the last layer, the edges between those.
    type Kept = (Vec<f64>, Option<Vec<f64>>);

    fn kept(l: usize, lambda: &[f64], edges: &[f64], rank: usize) -> Kept {
        let width = lambda.len();
        let own = (0..rank).flat_map(|i| edges[i * width..i * width + rank].to_vec()).collect();
        (lambda[..rank].to_vec(), (l < 2).then_some(own))
    }

    fn samples() -> HostArray {
        let spread = [3.0, 2.0, 1.5, 1.0, 0.7, 0.5, 0.3, 0.1];
        let x = normal(910, 3200);
        HostArray::from_fn([400, 8], |at| x[at] * spread[at % 8])
    }

    fn weight(l: usize) -> HostArray {
        let w = normal(900 + l as u64, WIDTHS[l] * WIDTHS[l + 1]);
        HostArray::from_fn([WIDTHS[l + 1], WIDTHS[l]], |at| w[at] / (WIDTHS[l] as f64).sqrt())
    }

    /// Which has a constant coordinate everywhere; nothing depends on it.
    pub fn by_the_reference() -> Vec<Kept> {
        let no_bias = |l: usize| HostArray::from_fn([WIDTHS[l + 1]], |_| 0.0);
        let inputs: Vec<HostArray> =
            [samples()].into_iter().chain((0..3).flat_map(|l| [weight(l), no_bias(l)])).collect();
        let lib = Lib::new().center(false).threshold(1e-12);
        let told = reference::interaction_of::<f64>(&lib, &inputs, false, f64::EPSILON / 2.0);
        let part = |name: &str, l: usize| told.reals(&format!("{name}{l}"));
        let rank = |l: usize| told.indices(&format!("rank{l}"))[0] as usize;
        (0..3).map(|l| kept(l, &part("lambda", l), &part("edges", l), rank(l))).collect()
    }

    pub fn on_the_device() -> Vec<Kept> {
        let lib = Lib::new().center(false).threshold(1e-12);
        let program = jit(|(x, w): (Tensor, [Tensor; 3])| {
            let section = |w: &Tensor| -> Section<'static> {
                let w = w.clone();
                Box::new(move |f: &Tensor| f.contract(&w, 1, 1))
            };
            let sections: Vec<Section> = w.iter().map(section).collect();
            let Interaction { status, layers } = lib.trace(&sections, &x);
            let parts = layers.into_iter().flat_map(|layer| [layer.lambda, layer.edges, layer.rank]);
            [vec![status], parts.collect()].concat()
        });
        let (x, w) = (samples(), [0, 1, 2].map(weight));
        let found: Vec<HostArray> = program.call((&x, (&w[0], &w[1], &w[2]))).unwrap();
        let each = found[1..].chunks_exact(3).enumerate();
        let rank = |rank: &HostArray| rank.values::<i32>().unwrap()[0] as usize;
        each.map(|(l, parts)| kept(l, &parts[0].to_f64(), &parts[1].to_f64(), rank(&parts[2]))).collect()
    }
}
