//! What the theory says of interaction bases, on networks other than those of `tandem run lib`: with positions, linear ones,
//! smooth ones.

use tandem_algos::interaction::{
    Ablation, Basis, Edges, Interaction, Lib, Mlp, Section, Sources, accuracy, with_constant,
};
use tandem_compile::{DType, Graph, HostArray, Tensor, iota, jacrev, jit, map, scalar, trace, vmap};
use tandem_linalg::eigvalsh;
use tandem_verify::rng::normal;

fn array(seed: u64, shape: &[usize], scale: f64) -> HostArray {
    let values = normal(seed, shape.iter().product());
    HostArray::from_fn(shape, |at| values[at] * scale)
}

#[track_caller]
fn close(x: &[f64], y: &[f64], tolerance: f64) {
    let most = x.iter().chain(y).fold(0.0, |most: f64, x| most.max(x.abs()));
    let off = x.iter().zip(y).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
    assert!(x.len() == y.len() && off <= tolerance * most, "{off:e} of {most:e}: {x:?} and {y:?}");
}

/// A section that mixes positions: `[n, 3, 4]` to `[n, 2, width]`.
fn mixing(width: usize) -> impl Fn(&Tensor, &Tensor) -> Tensor {
    move |f: &Tensor, w: &Tensor| {
        let first = f.at_index(1, 0) * f.at_index(1, 2).tanh();
        let second = f.at_index(1, 1) + f.at_index(1, 2).square();
        let rows = |x: &Tensor| x.dot(w).tanh().reshape([x.dim(0), 1, width]);
        tandem_compile::concatenate(&[&rows(&first), &rows(&second)], 1)
    }
}

/// A section that gives no activations is an error in words, and so is one that refused something itself.
#[test]
fn sections_without_activations_are_refused() {
    let summed = |f: &Tensor| f.sum();
    let mistaken = |f: &Tensor| f.dot(f);
    let refused = |section: fn(&Tensor) -> Tensor, reason: &str| {
        let sections: Vec<Section> = vec![Box::new(section)];
        let types = [tandem_compile::TensorType::new(DType::F64, [5, 3])];
        let error = trace(|x: Tensor| Lib::new().trace(&sections, &x).into_vec(), &types).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    };
    refused(summed, "activations [batch, positions..., d] expected of every section, got f64[]");
    refused(mistaken, "contracting sizes differ");
}

/// The eigenvalues of E[J'J] by forward and by reverse mode are those of Jacobians that are written out.
#[test]
fn mean_gram_matrix_is_that_of_the_jacobians() {
    // 12 inputs: reverse mode for 2 x 2 outputs, forward mode for 2 x 9.
    for width in [2, 9] {
        let (x, w) = (array(1, &[23, 3, 4], 1.0), array(2, &[4, width], 0.5));
        let lib = Lib::new().basis(Basis::Jacobian).threshold(0.0).batch(5);
        let program = jit(move |(x, w): (Tensor, Tensor)| {
            let section = mixing(width);
            let (w, inner) = (&w, &section);
            let sections: Vec<Section> = vec![Box::new(move |f: &Tensor| inner(f, w))];
            let found = lib.trace(&sections, &x).layers.remove(0).lambda;
            // [n, 2, width, 3, 4]
            let one = |f: Tensor| section(&f.expand_dims(0), w).squeeze(0);
            let jacobians = vmap(jacrev(one))(x.clone()).move_axis(3, 1).reshape([23 * 3 * 2 * width, 4]);
            let expected = eigvalsh(&(jacobians.contract(&jacobians, 0, 0) / (23.0 * 3.0))).reverse([0]);
            (found, expected)
        });
        let (found, expected): (Vec<f64>, Vec<f64>) = program.call((&x, &w)).unwrap();
        close(&found, &expected, 1e-13);
    }
}

/// M by random sources, as eigenvalues of the Jacobian's Gram matrix.
fn by_sources(sources: Sources, width: usize) -> Vec<f64> {
    let lib = Lib::new().basis(Basis::Jacobian).threshold(0.0).batch(16).sources(sources);
    let program = jit(move |(x, w): (Tensor, Tensor)| {
        let (w, inner) = (&w, &mixing(width));
        let sections: Vec<Section> = vec![Box::new(move |f: &Tensor| inner(f, w))];
        lib.trace(&sections, &x).layers.remove(0).lambda
    });
    program.call((&array(1, &[64, 3, 4], 1.0), &array(2, &[4, width], 0.5))).unwrap()
}

#[test]
fn random_sources_have_the_right_mean_and_less_spread_the_more_there_are() {
    let exact = by_sources(Sources::default(), 2);
    let error = |positions: Option<usize>, coordinates: Option<usize>, seed: u64| {
        let found = by_sources(Sources { positions, coordinates, seed }, 2);
        // The trace is linear in M: its mean over seeds is the exact one.
        found.iter().sum::<f64>() / exact.iter().sum::<f64>() - 1.0
    };
    let spread = |count: usize| {
        let errors: Vec<f64> = (0..12).map(|seed| error(None, Some(count), seed)).collect();
        let mean = errors.iter().sum::<f64>() / 12.0;
        let root = (errors.iter().map(|e| e * e).sum::<f64>() / 12.0).sqrt();
        // 12 draws: a mean beyond three of its standard deviations would be a bias.
        assert!(mean.abs() < 3.0 * root / 12f64.sqrt() && root > 1e-4, "{mean} {root}");
        root
    };
    let (few, many) = (spread(1), spread(3));
    // Three times the sources have 1 / sqrt(3) of the spread.
    assert!(many < 0.95 * few, "{few} {many}");
    assert!(error(Some(2), Some(2), 7).abs() < 0.2);
    // One coordinate: a sign, whose square is 1.
    let one = by_sources(Sources::default(), 1);
    close(&by_sources(Sources { positions: None, coordinates: Some(1), seed: 3 }, 1), &one, 1e-13);
}

const WIDTHS: [usize; 4] = [8, 10, 6, 5];

/// The bases of a deep linear network, with B inserted at layer 1 and undone after it: lambda and f^ of every layer.
fn linear_layers(lib: Lib, b: &HostArray, back: &HostArray) -> Vec<(Vec<f64>, Vec<f64>)> {
    let program = jit(move |(x, b, back, w): (Tensor, Tensor, Tensor, [Tensor; 3])| {
        let through = |w: Tensor| -> Section<'static> { Box::new(move |f: &Tensor| f.contract(&w, 1, 1)) };
        let maps = [b.t().dot(&w[0]), w[1].dot(&back.t()), w[2].clone()];
        let sections: Vec<Section> = maps.iter().cloned().map(through).collect();
        let Interaction { layers, .. } = lib.trace(&sections, &x);
        let mut f = x;
        let mut results = Vec::new();
        for (layer, section) in layers.iter().zip(&sections) {
            results.extend([layer.lambda.slice(0, 0, 5), f.dot(&layer.c).slice(1, 0, 5)]);
            f = section(&f);
        }
        results
    });
    let w: Vec<HostArray> =
        (0..3).map(|l| array(900 + l as u64, &[WIDTHS[l + 1], WIDTHS[l]], 1.0 / (WIDTHS[l] as f64).sqrt())).collect();
    let x = array(910, &[100, 8], 1.0);
    let results: Vec<HostArray> = program.call((&x, b, back, (&w[0], &w[1], &w[2]))).unwrap();
    results.chunks_exact(2).map(|pair| (pair[0].to_f64(), pair[1].to_f64())).collect()
}

/// f B instead of f at a layer, and the section after it adapted: the same f^ up to signs. The local and the global basis of a
/// linear network are the same.
#[test]
fn bases_do_not_see_how_a_layer_is_written_down() {
    let identity = HostArray::from_fn([10, 10], |at| f64::from(u8::from(at / 10 == at % 10)));
    let b = array(77, &[10, 10], 1.0);
    let inverse: HostArray = jit(|b: Tensor| tandem_linalg::inv(&b)).call(&b).unwrap();
    let plain = linear_layers(Lib::new().center(false), &identity, &identity);
    for basis in [Basis::Local, Basis::Global] {
        let other = linear_layers(Lib::new().center(false).basis(basis), &b, &inverse);
        for ((lambda, hat), (expected, same)) in other.iter().zip(&plain) {
            close(lambda, expected, 1e-11);
            close(&up_to_sign(hat), &up_to_sign(same), 1e-8);
        }
    }
}

fn up_to_sign(hat: &[f64]) -> Vec<f64> {
    let largest =
        |j: usize| hat.iter().skip(j).step_by(5).fold(0.0, |m: f64, x| if x.abs() > m.abs() { *x } else { m });
    let signs: Vec<f64> = (0..5).map(|j| largest(j).signum()).collect();
    hat.iter().enumerate().map(|(at, x)| x * signs[at % 5]).collect()
}

/// y = (f a)^2 has the gradient 2 a f a where the data are and half of that on the way there.
#[test]
fn edges_of_a_square_by_every_rule() {
    let (x, a) = (array(5, &[40, 3], 1.0), array(6, &[3, 1], 1.0));
    let edges = |rule: Edges| -> Vec<f64> {
        let lib = Lib::new().basis(Basis::Neuron).edges(rule).batch(16);
        let program = jit(move |(x, a): (Tensor, Tensor)| {
            let a = &a;
            let sections: Vec<Section> = vec![Box::new(move |f: &Tensor| f.dot(a).square())];
            lib.trace(&sections, &x).layers.remove(0).edges
        });
        program.call((&x, &a)).unwrap()
    };
    let (x, a) = (x.to_f64(), a.to_f64());
    let expected = |j: usize, factor: f64| {
        let one = |n: usize| factor * a[j] * x[3 * n + j] * (0..3).map(|i| x[3 * n + i] * a[i]).sum::<f64>();
        (0..40).map(|n| one(n).powi(2)).sum::<f64>() / 40.0
    };
    let by = |factor| [0, 1, 2].map(|j| expected(j, factor));
    close(&edges(Edges::Gradient), &by(2.0), 1e-13);
    // The derivative is linear along the way.
    for rule in [Edges::GaussLegendre(0), Edges::GaussLegendre(4), Edges::Trapezoidal(0), Edges::Trapezoidal(6)] {
        close(&edges(rule), &by(1.0), 1e-13);
    }
}

/// Arguments of a network 5 -> 7 -> 4 with targets that are its own answers.
fn classifier() -> Vec<HostArray> {
    let target = HostArray::from_fn([60], |i| (i * i % 4) as f64);
    let network = [array(21, &[7, 5], 0.6), array(22, &[7], 0.3), array(23, &[4, 7], 0.5), array(24, &[4], 0.1)];
    [vec![array(20, &[60, 5], 1.0), target], network.to_vec()].concat()
}

#[test]
fn ablations_keep_what_they_say_and_bisection_finds_the_smallest() {
    let lib = Lib::new().batch(32);
    let program = jit(move |inputs: Vec<Tensor>| {
        let mlp = Mlp::new(vec![(inputs[2].clone(), inputs[3].clone()), (inputs[4].clone(), inputs[5].clone())]);
        let (sections, x) = (mlp.sections(), with_constant(&inputs[0]));
        let layers = lib.trace(&sections, &x).layers;
        // The network's own answers are right.
        let targets = mlp.output(&inputs[0]).argmax(1).convert(x.dtype());
        let ablation =
            Ablation { sections: &sections, x: &x, targets: &targets, score: &accuracy, batch: 32, constant: true };
        let distance = |y: &Tensor, target: &Tensor| (y - target).square().sum_axes([1]);
        let output = mlp.output(&inputs[0]);
        let change = Ablation { targets: &output, score: &distance, ..ablation };
        let count = |n: i32| scalar(n);
        let mut results = vec![ablation.score()];
        for l in 0..2 {
            let (node, next) = (&layers[l], layers.get(l + 1));
            let (r, d) = (node.edges.dim(0), node.edges.dim(1) - 1);
            results.extend([
                change.without_nodes(l, node, &count(0)),
                change.with_edges(l, node, next, &count((r * d) as i32)),
                ablation.nodes_needed(l, node, 0.1),
                ablation.edges_needed(l, node, next, 0.1),
                node.rank.clone(),
            ]);
            let counts = |most: usize| iota([most + 1], 0, DType::I32);
            results.push(map(counts(d + 1), |n| ablation.without_nodes(l, node, &(&node.rank - n))));
            results.push(map(counts(r * d), |n: Tensor| ablation.with_edges(l, node, next, &n)));
        }
        results
    });
    let inputs = classifier();
    let results: Vec<HostArray> = program.call(&inputs[..]).unwrap();
    let number = |at: usize| results[at].to_f64()[0];
    assert_eq!(number(0), 1.0);
    for l in 0..2 {
        let at = 1 + 7 * l;
        assert_eq!(number(at), 0.0, "without ablated nodes the output is the same bit by bit");
        assert!(number(at + 1) < 1e-20, "{}", number(at + 1));
        for (needed, scores) in [(at + 2, at + 5), (at + 3, at + 6)] {
            let (needed, scores) = (number(needed) as usize, results[scores].to_f64());
            // Bisection stops at a count that suffices while one less does not; where scores grow it is the smallest.
            assert!(scores[needed] >= 0.9 && (needed == 0 || scores[needed - 1] < 0.9), "{needed} of {scores:?}");
        }
        assert!(number(at + 2) <= number(at + 4));
    }
}

#[test]
fn batches_do_not_matter() {
    let inputs = classifier();
    let found = |batch: usize| -> Vec<HostArray> {
        let lib = Lib::new().batch(batch);
        let program = jit(move |inputs: Vec<Tensor>| {
            let mlp = Mlp::new(vec![(inputs[2].clone(), inputs[3].clone()), (inputs[4].clone(), inputs[5].clone())]);
            mlp.interaction(&lib, &inputs[0]).into_vec()
        });
        program.call(&inputs[..]).unwrap()
    };
    let (whole, parts) = (found(60), found(7));
    for at in [0, 1, 2, 3, 5, 6, 7, 8] {
        close(&whole[at].to_f64(), &parts[at].to_f64(), 1e-11);
    }
}

#[test]
fn principal_components_are_baselines_and_may_turn_the_output() {
    let inputs = classifier();
    let found = |lib: Lib| -> Vec<HostArray> {
        let program = jit(move |inputs: Vec<Tensor>| {
            let mlp = Mlp::new(vec![(inputs[2].clone(), inputs[3].clone()), (inputs[4].clone(), inputs[5].clone())]);
            let output = mlp.output(&inputs[0]);
            let moments = output.contract(&output, 0, 0) / output.dim(0) as f64;
            let found = mlp.interaction(&lib, &inputs[0]).into_vec();
            [found, vec![eigvalsh(&moments).reverse([0])]].concat()
        });
        program.call(&inputs[..]).unwrap()
    };
    let pca = found(Lib::new().basis(Basis::Pca));
    let (x, c, lambda) = (inputs[0].to_f64(), pca[0].to_f64(), pca[2].to_f64());
    for (j, lambda) in lambda.iter().enumerate().take(6).skip(1) {
        let hat = |n: usize| (0..6).map(|i| if i < 5 { x[5 * n + i] } else { 1.0 } * c[6 * i + j]).sum::<f64>();
        let (mean, square) = (0..60).fold((0.0, 0.0), |(m, s), n| (m + hat(n) / 60.0, s + hat(n).powi(2) / 60.0));
        assert!(mean.abs() < 1e-14 && (square - lambda).abs() < 1e-13, "{j}: {mean} {square} {lambda}");
    }
    let neurons = found(Lib::new().basis(Basis::Neuron));
    assert_eq!(neurons[0].to_f64(), HostArray::from_fn([6, 6], |at| f64::from(u8::from(at / 6 == at % 6))).to_f64());
    // The output's components are those of its moments.
    let turned = found(Lib::new().rotate_output(true));
    assert_eq!(turned.len(), 3 * 5 + 1 + 1);
    close(&turned[12].to_f64(), &turned[16].to_f64(), 1e-13);
    assert_eq!(turned[13].shape(), [0, 4]);
}

/// Elements of the largest array of a program.
fn largest(graph: &Graph) -> usize {
    let own = graph.nodes().iter().flat_map(|node| node.outputs.iter().map(|&output| graph.ty(output).len()));
    let inner = graph.nodes().iter().flat_map(|node| node.op.subgraphs().into_iter().map(largest).collect::<Vec<_>>());
    own.chain(inner).max().unwrap_or(0)
}

#[test]
fn no_array_holds_the_jacobian_of_all_samples() {
    let (n, d) = (4096, 24);
    let shapes = [vec![n, d], vec![d, d], vec![d], vec![d, d], vec![d]];
    let types: Vec<_> = shapes.map(|s| tandem_compile::TensorType::new(DType::F64, s)).to_vec();
    for edges in [Edges::Gradient, Edges::GaussLegendre(2)] {
        let lib = Lib::new().batch(64).edges(edges);
        let program = |inputs: Vec<Tensor>| {
            let mlp = Mlp::new(vec![(inputs[1].clone(), inputs[2].clone()), (inputs[3].clone(), inputs[4].clone())]);
            mlp.interaction(&lib, &inputs[0]).into_vec()
        };
        let most = largest(&trace(program, &types).unwrap().without_dead_code());
        // The data themselves are the largest, with their constant.
        assert!(most <= n * (d + 1), "{most}");
    }
}
