//! The training of the matching-pursuit SAE, as the registry knows it.

use tandem_algos::sae::reference::train::{self as reference, Training};
use tandem_algos::sae::subject::TrainSubject;
use tandem_algos::sae::{MpSae, Selection, State, Trained, Trainer, Weights};
use tandem_compile::{DType, Element, HostArray, Tensor, TensorType, Tree};
use tandem_verify::{Backend, Certificate, Options, Real, check};

use super::{
    Algorithm, Elements, Example, Input, Kind, Output, Parameter, Part, Problem, Settings, Stages, arrays, required,
};

/// `mpsae-train`.
pub struct Train;

impl Algorithm for Train {
    fn name(&self) -> &'static str {
        "mpsae-train"
    }

    fn about(&self) -> &'static str {
        "matching-pursuit sparse autoencoder: x = bias + a few atoms, learned by Adam"
    }

    fn inputs(&self) -> &'static [Input] {
        &[Input {
            name: "x",
            shape: "[n, d]",
            elements: Elements::Real,
            optional: false,
            about: "the data; rows are samples",
        }]
    }

    fn outputs(&self) -> &'static [Output] {
        &[
            Output {
                name: "dictionary",
                shape: "[atoms, d]",
                elements: Elements::Real,
                about: "the atoms, rows of norm 1: what mp takes as its dictionary, for x - bias",
            },
            Output { name: "bias", shape: "[d]", elements: Elements::Real, about: "what is subtracted from x first" },
            Output {
                name: "loss",
                shape: "[epochs]",
                elements: Elements::Real,
                about: "mean squared norm of what k steps leave of a sample, over each epoch, before each step",
            },
        ]
    }

    fn parameters(&self) -> &'static [Parameter] {
        const SELECTIONS: &[&str] = &[Selection::NAMES[0].0, Selection::NAMES[1].0, Selection::NAMES[2].0];
        const fn set(name: &'static str, kind: Kind, default: Option<&'static str>, about: &'static str) -> Parameter {
            Parameter { name, kind, default, about }
        }
        const {
            &[
                set("atoms", Kind::Integer, None, "number of atoms, at least 1"),
                set("k", Kind::Integer, None, "steps of matching pursuit per sample, at least 1"),
                set("epochs", Kind::Integer, Some("10"), "passes over the data; a checkpoint is written after each"),
                set("batch", Kind::Integer, Some("64"), "samples per step of Adam; all where there are fewer"),
                set("lr", Kind::Number, Some("0.001"), "learning rate, for any unit of the data"),
                set("seed", Kind::Integer, Some("0"), "seed of the start and of the order of the samples"),
                set("selection", Kind::Choice(SELECTIONS), Some("relu"), "which atom a step takes"),
                set(
                    "revive",
                    Kind::Choice(&["yes", "no"]),
                    Some("yes"),
                    "whether atoms unused in an epoch are replaced",
                ),
            ]
        }
    }

    fn example(&self) -> Example {
        Example { settings: &["atoms=512", "k=8", "epochs=2"], inputs: &[("x", &[256, 64])] }
    }

    fn problem(&self, settings: &Settings, inputs: &[Option<TensorType>]) -> Result<Box<dyn Problem>, String> {
        let x = required(inputs, 0, "x")?;
        let selection = Selection::NAMES.iter().find(|(name, _)| *name == settings.choice("selection"));
        let sae = MpSae {
            atoms: settings.size("atoms"),
            k: settings.size("k"),
            selection: selection.map_or(Selection::Relu, |&(_, selection)| selection),
        };
        let trainer = Trainer {
            epochs: settings.size("epochs"),
            batch: settings.size("batch"),
            lr: settings.number("lr"),
            seed: settings.integer("seed"),
            revive: settings.choice("revive") == "yes",
        };
        trainer.check(&x.shape)?;
        sae.check(x.shape[1])?;
        if sae.k == 0 {
            return Err("k = 0: without a step of matching pursuit there is nothing to learn".into());
        }
        Ok(Box::new(TrainProblem { sae, trainer, x: x.clone() }))
    }

    fn check(&self, backend: Option<&dyn Backend>, options: &Options) -> Certificate {
        check(&TrainSubject, backend, options)
    }
}

struct TrainProblem {
    sae: MpSae,
    trainer: Trainer,
    x: TensorType,
}

impl Problem for TrainProblem {
    fn bytes(&self) -> f64 {
        let (n, d, p) = (self.x.shape[0] as f64, self.x.shape[1] as f64, self.sae.atoms as f64);
        let batch = self.trainer.batch.min(self.x.shape[0]) as f64;
        // Weights, both means, gradient and the means' next values on the device; state and checkpoint on the host.
        let reals = 3.0 * n * d + 12.0 * p * d + batch * (2.0 * p + 4.0 * d + 2.0 * self.sae.k as f64);
        reals * self.x.dtype.size() as f64
    }

    fn stages(&self) -> Option<&dyn Stages> {
        Some(self)
    }

    fn trace(&self, inputs: &[Option<Tensor>]) -> Vec<Tensor> {
        match inputs {
            [Some(x)] => {
                let (Trained { dictionary, bias, status }, loss) = self.trainer.train(&self.sae, x);
                vec![dictionary, bias, loss, status]
            }
            _ => Vec::new(),
        }
    }

    fn reference(&self, inputs: &[Option<HostArray>]) -> Vec<HostArray> {
        match inputs {
            [Some(x)] if x.dtype() == DType::F64 => arrays(reference::train::<f64>(&self.sae, &self.trainer, x), |x| x),
            [Some(x)] => arrays(reference::train::<f32>(&self.sae, &self.trainer, x), |x| x),
            _ => Vec::new(),
        }
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
        &[
            "dictionary_weights",
            "bias_weights",
            "dictionary_mean",
            "bias_mean",
            "dictionary_square",
            "bias_square",
            "steps",
            "epoch",
            "uses",
        ]
    }

    fn trace(&self, part: Part, arguments: &[Tensor]) -> Vec<Tensor> {
        let Some((x, rest)) = arguments.split_first() else { return Vec::new() };
        let state = || State::<Weights>::build(&mut rest.iter().cloned());
        let mut results = Vec::new();
        match (part, state()) {
            (Part::Start, _) => self.trainer.start(&self.sae, x).collect(&mut results),
            (Part::Stage, Some(state)) => {
                let (state, loss) = self.trainer.epoch(&self.sae, x, state);
                state.collect(&mut results);
                results.push(loss);
            }
            (Part::Finish, Some(state)) => {
                let Trained { dictionary, bias, status } = self.trainer.finish(&self.sae, x, &state);
                results.extend([vec![dictionary, bias], rest[self.state().len()..].to_vec(), vec![status]].concat());
            }
            (_, None) => {}
        }
        results
    }

    fn reference(&self, part: Part, arguments: &[HostArray]) -> Vec<HostArray> {
        match arguments.first().map(HostArray::dtype) {
            Some(DType::F64) => self.by_reference::<f64>(part, arguments),
            Some(_) => self.by_reference::<f32>(part, arguments),
            None => Vec::new(),
        }
    }
}

impl TrainProblem {
    fn by_reference<R: Real + Element>(&self, part: Part, arguments: &[HostArray]) -> Vec<HostArray> {
        let (x, rest) = (&arguments[0], &arguments[1..]);
        if x.first_nonfinite().is_some() {
            return self.poisoned::<R>(part, x, rest);
        }
        let mut training = Training::<R>::new(&self.sae, &self.trainer, x);
        match part {
            Part::Start => self.to_arrays(&training.start()),
            Part::Stage => {
                let mut state = self.state_of(rest);
                let loss = training.epoch(&mut state);
                [self.to_arrays(&state), vec![HostArray::scalar(loss)]].concat()
            }
            Part::Finish => {
                let (dictionary, bias) = training.finish(&self.state_of(rest));
                let status = reference::status(x, &dictionary, &bias);
                let (p, d) = (self.sae.atoms, x.shape()[1]);
                let losses = rest[self.state().len()..].iter().cloned();
                let array = |shape: Vec<usize>, values: Vec<R>| HostArray::from_fn(shape, |i| values[i]);
                [array(vec![p, d], dictionary), array(vec![d], bias)]
                    .into_iter()
                    .chain(losses)
                    .chain([HostArray::scalar(status.0)])
                    .collect()
            }
        }
    }

    /// Every part's results where the data hold NaN or infinity: stages that go on, and outputs of NaN.
    fn poisoned<R: Real + Element>(&self, part: Part, x: &HostArray, rest: &[HostArray]) -> Vec<HostArray> {
        let nan = |shape: &[usize]| HostArray::from_fn(shape, |_| R::from_f64(f64::NAN));
        let (p, d) = (self.sae.atoms, x.shape()[1]);
        match part {
            Part::Start => self.to_arrays(&reference::State::<R> {
                weights: faer::Mat::zeros(p + 1, d),
                m: faer::Mat::zeros(p + 1, d),
                v: faer::Mat::zeros(p + 1, d),
                steps: 0,
                epoch: 0,
                uses: vec![1; p],
            }),
            Part::Stage => [rest, &[nan(&[])]].concat(),
            Part::Finish => arrays(reference::train::<R>(&self.sae, &self.trainer, x), |x| x),
        }
    }

    /// The reference's state from the device's arrays.
    fn state_of<R: Real>(&self, arrays: &[HostArray]) -> reference::State<R> {
        let p = self.sae.atoms;
        let numbers: Vec<Vec<f64>> = arrays.iter().map(HostArray::to_f64).collect();
        let d = numbers[1].len();
        let joined = |at: usize| {
            faer::Mat::from_fn(p + 1, d, |i, j| {
                R::from_f64(if i < p { numbers[at][i * d + j] } else { numbers[at + 1][j] })
            })
        };
        let whole = |at: usize| numbers[at].iter().map(|&x| x as i32).collect::<Vec<_>>();
        reference::State {
            weights: joined(0),
            m: joined(2),
            v: joined(4),
            steps: whole(6)[0],
            epoch: whole(7)[0],
            uses: whole(8),
        }
    }

    /// The reference's state as the device's arrays.
    fn to_arrays<R: Real + Element>(&self, state: &reference::State<R>) -> Vec<HostArray> {
        let p = self.sae.atoms;
        let parts = [&state.weights, &state.m, &state.v].into_iter().flat_map(|m| {
            let d = m.ncols();
            let atoms = HostArray::from_fn([p, d], |at| m[(at / d, at % d)]);
            [atoms, HostArray::from_fn([d], |at| m[(p, at)])]
        });
        let counts = [HostArray::scalar(state.steps), HostArray::scalar(state.epoch)];
        let uses = HostArray::from_fn([p], |j| state.uses[j]);
        parts.chain(counts).chain([uses]).collect()
    }
}
