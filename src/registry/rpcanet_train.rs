//! The training of RPCANet and RPCANet++, as the registry knows it.

use std::sync::LazyLock;

use tandem_algos::rpca::clips::Clips;
use tandem_algos::rpca::net::subject::BatchSubject;
use tandem_algos::rpca::net::{Leaf, Model, Network, RpcaNet, RpcaNetPlusPlus, Source, StateOf, Trained, Trainer};
use tandem_compile::{HostArray, Tensor, TensorType, Tree};
use tandem_verify::{Backend, Certificate, Options, check};

use super::{
    Algorithm, Elements, Example, Input, Kind, Output, Parameter, Part, Problem, Settings, Stages, graph, part,
};

/// `rpcanet-train`.
pub struct Train;

/// The networks by the word that chooses them.
const KINDS: &[&str] = &["plusplus", "plain"];

/// The same expression for the network inside.
macro_rules! of {
    ($model:expr, $net:ident => $value:expr) => {
        match $model {
            Model::Plain($net) => $value,
            Model::PlusPlus($net) => $value,
        }
    };
}

/// The state's arrays of either kind: their names do not depend on the network's size.
static PLAIN: LazyLock<Vec<&'static str>> = LazyLock::new(|| state_of(&RpcaNet::new(1, 4)));
static PLUS_PLUS: LazyLock<Vec<&'static str>> = LazyLock::new(|| state_of(&RpcaNetPlusPlus::new(1, 4)));

fn state_of(net: &impl Network) -> Vec<&'static str> {
    let named = |prefix: &'static str, leaves: Vec<Leaf>| {
        leaves.into_iter().map(move |leaf| &*Box::leak(format!("{prefix}{}", leaf.name).into_boxed_str()))
    };
    let weights = named("", net.weights_of_stage()).chain(named("", net.moments_of_stage()));
    let means = ["mean.", "square."].into_iter().flat_map(|prefix| named(prefix, net.weights_of_stage()));
    weights.chain(means).chain(["steps", "epoch"]).collect()
}

impl Algorithm for Train {
    fn name(&self) -> &'static str {
        "rpcanet-train"
    }

    fn about(&self) -> &'static str {
        "trains RPCANet++ or RPCANet to find small targets in frames, on given ones or on clips made on the fly"
    }

    fn inputs(&self) -> &'static [Input] {
        const fn given(name: &'static str, about: &'static str) -> Input {
            Input { name, shape: "[n, h, w]", elements: Elements::Real, optional: true, about }
        }
        const {
            &[
                given("frames", "the frames, from 0 to 1, instead of clips made on the fly"),
                given("masks", "their masks: 1 where a target is, else 0"),
            ]
        }
    }

    fn outputs(&self) -> &'static [Output] {
        &[
            Output {
                name: "weights",
                shape: "decos.K.NAME",
                elements: Elements::Tensors,
                about: "weights and running moments of stage K, named and laid out as in the authors' PyTorch code",
            },
            Output {
                name: "loss",
                shape: "[epochs]",
                elements: Elements::Real,
                about: "soft IoU loss + 0.01 mean squared reconstruction error, over each epoch, before each step",
            },
        ]
    }

    fn parameters(&self) -> &'static [Parameter] {
        const fn set(name: &'static str, kind: Kind, default: &'static str, about: &'static str) -> Parameter {
            Parameter { name, kind, default: Some(default), about }
        }
        const {
            &[
                set("kind", Kind::Choice(KINDS), "plusplus", "the network: RPCANet++ or RPCANet"),
                set("stages", Kind::Integer, "3", "its stages, at least 1"),
                set("channels", Kind::Integer, "8", "its channels, at least 4 (plain: 1)"),
                set("epochs", Kind::Integer, "40", "passes over the data; a checkpoint is written after each"),
                set("clips", Kind::Integer, "8", "clips that are made anew for every epoch, where no frames are given"),
                set("length", Kind::Integer, "20", "frames of a clip"),
                set("height", Kind::Integer, "48", "rows of a clip's frames, at least 8"),
                set("width", Kind::Integer, "64", "columns of a clip's frames, at least 8"),
                set("batch", Kind::Integer, "8", "frames per step of Adam; all where there are fewer"),
                set(
                    "crop",
                    Kind::Integer,
                    "0",
                    "rows and columns of the part of the frames that a step sees; 0 is all",
                ),
                set("lr", Kind::Number, "0.001", "learning rate of the first step"),
                set(
                    "schedule",
                    Kind::Integer,
                    "40",
                    "epochs over which the rate falls to 0, as (1 - step / steps)^0.9, where they are more than epochs",
                ),
                set("seed", Kind::Integer, "0", "seed of start, order, crops and clips"),
            ]
        }
    }

    fn example(&self) -> Example {
        Example { settings: &["epochs=2", "clips=2", "length=8"], inputs: &[] }
    }

    fn problem(&self, settings: &Settings, inputs: &[Option<TensorType>]) -> Result<Box<dyn Problem>, String> {
        let (stages, channels) = (settings.size("stages"), settings.size("channels"));
        let net = match settings.choice("kind") {
            "plain" => Model::Plain(RpcaNet::new(stages, channels)),
            _ => Model::PlusPlus(RpcaNetPlusPlus::new(stages, channels)),
        };
        net.check()?;
        let data = data(settings, inputs)?;
        let crop = settings.size("crop");
        let trainer = Trainer {
            epochs: settings.size("epochs"),
            schedule: settings.size("schedule"),
            batch: settings.size("batch"),
            lr: settings.number("lr"),
            seed: settings.integer("seed"),
            crop: (crop > 0).then_some([crop, crop]),
        };
        trainer.check(&data.shape())?;
        Ok(Box::new(TrainProblem { net, trainer, data, precision: settings.precision() }))
    }

    fn check(&self, backend: Option<&dyn Backend>, options: &Options) -> Certificate {
        check(&BatchSubject, backend, options)
    }
}

/// Where the frames come from.
enum Data {
    /// From the inputs, of this shape.
    Given(Vec<usize>),
    /// So many clips of a generator for every epoch.
    Drawn(Clips, usize),
}

impl Data {
    /// The shape of an epoch's frames.
    fn shape(&self) -> Vec<usize> {
        match self {
            Data::Given(shape) => shape.clone(),
            Data::Drawn(clips, count) => vec![count.saturating_mul(clips.frames), clips.height, clips.width],
        }
    }
}

fn data(settings: &Settings, inputs: &[Option<TensorType>]) -> Result<Data, String> {
    let [frames, masks] = [0, 1].map(|at| inputs.get(at).and_then(Option::as_ref));
    match (frames, masks) {
        (Some(frames), Some(masks)) if frames.shape == masks.shape => Ok(Data::Given(frames.shape.clone())),
        (Some(frames), Some(masks)) => {
            Err(format!("frames have shape {:?} and masks {:?}; both must be [n, h, w]", frames.shape, masks.shape))
        }
        (None, None) => {
            let [length, height, width] = ["length", "height", "width"].map(|name| settings.size(name));
            let (clips, count) = (Clips::new(length, height, width), settings.size("clips"));
            clips.check()?;
            match count {
                0 => Err("clips = 0: without clips and without frames there is nothing to learn from".into()),
                _ => Ok(Data::Drawn(clips, count)),
            }
        }
        (Some(_), None) => Err("the input masks is missing: frames are learned from with their masks".into()),
        (None, Some(_)) => Err("the input frames is missing: masks say where the targets of frames are".into()),
    }
}

struct TrainProblem {
    net: Model,
    trainer: Trainer,
    data: Data,
    precision: tandem_compile::DType,
}

impl TrainProblem {
    /// How many of a part's arguments are inputs.
    fn given(&self) -> usize {
        if matches!(self.data, Data::Given(_)) { 2 } else { 0 }
    }

    fn source(&self, inputs: &[Tensor]) -> Option<Source> {
        match (&self.data, inputs) {
            (Data::Given(_), [frames, masks, ..]) => {
                Some(Source::Given { frames: frames.clone(), masks: masks.clone() })
            }
            (Data::Given(_), _) => None,
            (&Data::Drawn(clips, count), _) => Some(Source::Drawn { clips, count, dtype: self.precision }),
        }
    }

    fn part<N: Network>(&self, net: &N, part: Part, source: &Source, rest: &[Tensor]) -> Vec<Tensor> {
        let mut results = Vec::new();
        match (part, StateOf::<N>::build(&mut rest.iter().cloned())) {
            (Part::Start, _) => self.trainer.start(net, self.precision).collect(&mut results),
            (Part::Stage, Some(state)) => {
                let (state, loss) = self.trainer.epoch(net, source, state);
                state.collect(&mut results);
                results.push(loss);
            }
            (Part::Finish, Some(state)) => {
                let trained = self.trainer.finish::<N>(source, &state);
                let status = trained.status.clone();
                results.extend(unstacked(net, &trained));
                results.extend(rest[self.state().len()..].iter().cloned());
                results.push(status);
            }
            (_, None) => {}
        }
        results
    }
}

/// The arrays of every stage, as the authors' code has them.
fn unstacked<N: Network>(net: &N, trained: &Trained<N::Weights, N::Running>) -> Vec<Tensor> {
    let mut leaves = Vec::new();
    trained.weights.collect(&mut leaves);
    trained.running.collect(&mut leaves);
    let stage = |k: usize| leaves.iter().map(move |leaf| leaf.at_index(0, k as i64)).collect::<Vec<_>>();
    (0..net.stages()).flat_map(stage).collect()
}

impl Problem for TrainProblem {
    fn bytes(&self) -> f64 {
        let shape = self.data.shape();
        let [h, w] = self.trainer.crop.unwrap_or([shape[1], shape[2]]);
        let pixels = self.trainer.batch.min(shape[0]) as f64 * (h * w) as f64;
        let parameters = of!(&self.net, net => net.parameters());
        // Weights, both means, gradient and the next values; about 20 layers of a stage kept for the way back; the frames.
        let kept = pixels * (20 * self.net.stages() * self.net.channels()) as f64;
        let frames = 3.0 * shape.iter().map(|&size| size as f64).product::<f64>();
        (8.0 * parameters as f64 + kept + frames) * self.precision.size() as f64
    }

    fn check(&self, inputs: &[Option<HostArray>]) -> Result<(), String> {
        let masks = inputs.get(1).and_then(Option::as_ref).map(HostArray::to_f64).unwrap_or_default();
        match masks.iter().position(|&x| x != 0.0 && x != 1.0 && x.is_finite()) {
            Some(at) => Err(format!("masks hold 0 and 1, their element {at} (row-major) is {}", masks[at])),
            None => Ok(()),
        }
    }

    fn stages(&self) -> Option<&dyn Stages> {
        Some(self)
    }

    fn tensors(&self) -> Vec<String> {
        let leaves = self.net.leaves();
        let of_stage = |k: usize| leaves.iter().map(move |leaf| format!("decos.{k}.{}", leaf.name)).collect::<Vec<_>>();
        (0..self.net.stages()).flat_map(of_stage).collect()
    }

    fn trace(&self, inputs: &[Option<Tensor>]) -> Vec<Tensor> {
        let inputs: Vec<Tensor> = inputs.iter().flatten().cloned().collect();
        let Some(source) = self.source(&inputs) else { return Vec::new() };
        of!(&self.net, net => {
            let (trained, loss) = self.trainer.train(net, &source);
            let status = trained.status.clone();
            unstacked(net, &trained).into_iter().chain([loss, status]).collect()
        })
    }

    /// The program itself, interpreted: what is independent of it is the reference of the forward pass, and differences of
    /// that one.
    fn reference(&self, inputs: &[Option<HostArray>]) -> Vec<HostArray> {
        let types: Vec<Option<TensorType>> = inputs.iter().map(|x| x.as_ref().map(HostArray::ty)).collect();
        let arguments: Vec<HostArray> = inputs.iter().flatten().cloned().collect();
        graph(self, &types).and_then(|graph| graph.eval(&arguments)).unwrap_or_default()
    }
}

impl Stages for TrainProblem {
    fn count(&self) -> usize {
        self.trainer.epochs
    }

    fn counted_by(&self) -> &'static str {
        "epochs"
    }

    fn state(&self) -> &'static [&'static str] {
        match self.net {
            Model::Plain(_) => &PLAIN,
            Model::PlusPlus(_) => &PLUS_PLUS,
        }
    }

    fn trace(&self, part: Part, arguments: &[Tensor]) -> Vec<Tensor> {
        let (inputs, rest) = arguments.split_at(self.given().min(arguments.len()));
        let Some(source) = self.source(inputs) else { return Vec::new() };
        of!(&self.net, net => self.part(net, part, &source, rest))
    }

    fn reference(&self, which: Part, arguments: &[HostArray]) -> Vec<HostArray> {
        let types: Vec<TensorType> = arguments.iter().map(HostArray::ty).collect();
        part(self, which, &types).and_then(|graph| graph.eval(arguments)).unwrap_or_default()
    }
}
