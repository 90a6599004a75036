//! The local interaction basis, as the registry knows it.

use std::sync::LazyLock;

use tandem_algos::interaction::subject::{LibSubject, MOST_LAYERS, PARTS, names, program};
use tandem_algos::interaction::{Edges, Lib, Mlp, reference};
use tandem_compile::{DType, HostArray, Tensor, TensorType};
use tandem_verify::{Backend, Certificate, Options, check};

use super::{
    Algorithm, Elements, Example, Input, Kind, Output, Parameter, Problem, Settings, Signature, arrays, required,
};

/// `lib`.
pub struct Interact;

/// The intervals of `edges=gauss-legendre`: more than a ReLU network needs, in which the integral is the derivative.
const INTERVALS: usize = 4;

/// x, w0, b0, w1, b1, ...
static INPUTS: LazyLock<Vec<Input>> = LazyLock::new(|| {
    let input = |name, shape, about| Input { name, shape, elements: Elements::Real, optional: false, about };
    let layer = |l: usize| {
        let name = |part: &str| &*Box::leak(format!("{part}{l}").into_boxed_str());
        let (w, b) = match l {
            0 => ("weights of the first layer; w1, b1, w2, b2, ... of further layers may follow", "its biases"),
            _ => ("weights of a further layer", "its biases"),
        };
        [input(name("w"), "[out, in]", w), input(name("b"), "[out]", b)]
    };
    let x = input("x", "[n, d0]", "inputs of the network, in rows, without the constant coordinate");
    [x].into_iter().chain((0..MOST_LAYERS).flat_map(layer)).collect()
});

/// c0, c0_pinv, lambda0, edges0, rank0, c1, ...
static OUTPUTS: LazyLock<Vec<Output>> = LazyLock::new(|| {
    let known = |part: &str| match part {
        "c" => (
            "[d + 1, d + 1]",
            "the basis of the layer's d coordinates and the constant: f c; zero after the kept columns",
        ),
        "c_pinv" => ("[d + 1, d + 1]", "its pseudoinverse: back to the layer's coordinates"),
        "lambda" => {
            ("[d + 1]", "how much the next layer depends on each direction, decreasing; the constant one first")
        }
        "edges" => ("[next, d + 1]", "the size of the edge to each direction of the next layer, or to each output"),
        _ => ("[]", "kept directions, the constant one included"),
    };
    let all = names(MOST_LAYERS).iter().zip(PARTS.iter().cycle());
    all.map(|(&name, part)| {
        let (shape, about) = known(part);
        let elements = if *part == "rank" { Elements::Index } else { Elements::Real };
        Output { name, shape, elements, about }
    })
    .collect()
});

impl Algorithm for Interact {
    fn name(&self) -> &'static str {
        "lib"
    }

    fn about(&self) -> &'static str {
        "local interaction basis of a ReLU network: coordinates in which its layers interact through few edges"
    }

    fn inputs(&self) -> &'static [Input] {
        &INPUTS[..3]
    }

    fn outputs(&self) -> &'static [Output] {
        &OUTPUTS[..PARTS.len()]
    }

    fn signature(&self, given: &[&str]) -> Signature {
        let is_given = |l: &usize| INPUTS[1 + 2 * l..3 + 2 * l].iter().any(|input| given.contains(&input.name));
        let layers = (0..MOST_LAYERS).rev().find(is_given).map_or(1, |last| last + 1);
        Signature { inputs: &INPUTS[..1 + 2 * layers], outputs: &OUTPUTS[..PARTS.len() * layers] }
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[
            Parameter {
                name: "threshold",
                kind: Kind::Number,
                default: Some("0"),
                about: "share of the largest eigenvalue of their spectrum up to which others count as zero, in [0, 1); 0 for \
                        1e-10 in f64 and 1e-5 in f32",
            },
            Parameter {
                name: "center",
                kind: Kind::Choice(&["true", "false"]),
                default: Some("true"),
                about: "whether every coordinate's mean is subtracted, which makes the constant a direction apart",
            },
            Parameter {
                name: "edges",
                kind: Kind::Choice(&["gradient", "gauss-legendre"]),
                default: Some("gradient"),
                about: "edges by the derivative where the data are, or by its integral from zero to there",
            },
        ]
    }

    fn example(&self) -> Example {
        // A network 64 -> 64 -> 32 and 512 inputs.
        Example {
            settings: &[],
            inputs: &[("x", &[512, 64]), ("w0", &[64, 64]), ("b0", &[64]), ("w1", &[32, 64]), ("b1", &[32])],
        }
    }

    fn problem(&self, settings: &Settings, inputs: &[Option<TensorType>]) -> Result<Box<dyn Problem>, String> {
        let given = inputs.iter().enumerate().map(|(at, _)| required(inputs, at, INPUTS[at].name));
        let types: Vec<TensorType> = given.map(|ty| ty.cloned()).collect::<Result<_, _>>()?;
        let Some((x, weights)) = types.split_first() else { return Err("the input x is missing".into()) };
        let layers: Vec<(&[usize], &[usize])> =
            weights.chunks_exact(2).map(|pair| (&pair[0].shape[..], &pair[1].shape[..])).collect();
        Mlp::check(&x.shape, &layers)?;
        let edges = match settings.choice("edges") {
            "gauss-legendre" => Edges::GaussLegendre(INTERVALS),
            _ => Edges::Gradient,
        };
        let threshold = settings.number("threshold");
        let lib = Lib { threshold: Some(threshold).filter(|t| *t != 0.0), ..Lib::new() };
        let lib = lib.center(settings.choice("center") == "true").edges(edges);
        lib.check(x.shape[0])?;
        Ok(Box::new(InteractProblem { lib, types }))
    }

    fn check(&self, backend: Option<&dyn Backend>, options: &Options) -> Certificate {
        check(&LibSubject, backend, options)
    }
}

struct InteractProblem {
    lib: Lib,
    types: Vec<TensorType>,
}

impl Problem for InteractProblem {
    fn bytes(&self) -> f64 {
        let (x, weights) = (&self.types[0], &self.types[1..]);
        let samples = x.shape[0].min(self.lib.batch) as f64;
        let nodes = self.lib.edges.nodes().len() as f64;
        // Per node layer: C, C+ and edges, here and there, two Gram matrices with their eigenvectors, and a batch of the
        // Jacobian's columns.
        let layer = |w: &TensorType| {
            let (next, own) = (w.shape[0] as f64 + 1.0, w.shape[1] as f64 + 1.0);
            10.0 * own * own + 2.0 * own * next + samples * (own + next) * nodes + samples * next * own.min(next)
        };
        let layers: f64 = weights.iter().step_by(2).map(layer).sum();
        let read: usize = self.types.iter().map(TensorType::len).sum();
        (2.0 * read as f64 + layers) * x.dtype.size() as f64
    }

    fn trace(&self, inputs: &[Option<Tensor>]) -> Vec<Tensor> {
        let inputs: Vec<Tensor> = inputs.iter().flatten().cloned().collect();
        if inputs.is_empty() { Vec::new() } else { program(&self.lib, &inputs) }
    }

    fn reference(&self, inputs: &[Option<HostArray>]) -> Vec<HostArray> {
        let inputs: Vec<HostArray> = inputs.iter().flatten().cloned().collect();
        let Some(x) = inputs.first() else {
            return Vec::new();
        };
        let u = x.dtype().unit_roundoff();
        match x.dtype() {
            DType::F64 => arrays(reference::interaction::<f64>(&self.lib, &inputs, u), |x| x),
            _ => arrays(reference::interaction::<f32>(&self.lib, &inputs, u), |x| x),
        }
    }
}
