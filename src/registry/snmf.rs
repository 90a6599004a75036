//! Semi-NMF and its transform, as the registry knows them.

use tandem_algos::snmf::subject::SnmfSubject;
use tandem_algos::snmf::transform::TransformSubject;
use tandem_algos::snmf::{Init, Snmf, Transform as Parameters, reference, start_input};
use tandem_compile::{DType, HostArray, Tensor, TensorType};
use tandem_verify::{Backend, Certificate, Options, check};

use super::{Algorithm, Elements, Example, Input, Kind, Output, Parameter, Problem, Settings, arrays, required};

/// `snmf`.
pub struct Factorize;

impl Algorithm for Factorize {
    fn name(&self) -> &'static str {
        "snmf"
    }

    fn about(&self) -> &'static str {
        "semi-nonnegative matrix factorization: a = z y with y >= 0"
    }

    fn inputs(&self) -> &'static [Input] {
        &[
            Input {
                name: "a",
                shape: "[d, n]",
                elements: Elements::Real,
                optional: false,
                about: "the data; columns are samples",
            },
            Input {
                name: "y0",
                shape: "[k, n]",
                elements: Elements::Real,
                optional: true,
                about: "the start, >= 0, instead of init's",
            },
        ]
    }

    fn outputs(&self) -> &'static [Output] {
        &[
            Output {
                name: "z",
                shape: "[d, k]",
                elements: Elements::Real,
                about: "the features, of the iterate with the smallest loss",
            },
            Output {
                name: "y",
                shape: "[k, n]",
                elements: Elements::Real,
                about: "how much of each feature each sample uses, >= 0",
            },
            Output {
                name: "loss",
                shape: "[iters]",
                elements: Elements::Real,
                about: "squared Frobenius error after each iteration; the last value repeated after an early stop",
            },
            Output { name: "iterations", shape: "[]", elements: Elements::Index, about: "iterations run" },
            Output {
                name: "top_index",
                shape: "[k, top]",
                elements: Elements::Index,
                about: "the samples that use each feature most; -1 where there are fewer than top",
            },
        ]
    }

    fn parameters(&self) -> &'static [Parameter] {
        const INITS: &[&str] = &[Init::NAMES[0].0, Init::NAMES[1].0, Init::NAMES[2].0];
        &[
            Parameter { name: "k", kind: Kind::Integer, default: None, about: "number of features, at least 1" },
            Parameter {
                name: "iters",
                kind: Kind::Integer,
                default: Some("200"),
                about: "iteration limit; 0 gives the start and its least-squares partner",
            },
            Parameter {
                name: "sparsity",
                kind: Kind::Number,
                default: Some("1"),
                about: "fraction of entries kept per column of z, in (0, 1]",
            },
            Parameter {
                name: "init",
                kind: Kind::Choice(INITS),
                default: Some("random"),
                about: "where the iteration starts",
            },
            Parameter {
                name: "seed",
                kind: Kind::Integer,
                default: Some("0"),
                about: "seed of the random and the k-means start",
            },
            Parameter {
                name: "tol",
                kind: Kind::Number,
                default: Some("0"),
                about: "relative improvement of the loss below which an iteration counts as none, in [0, 1)",
            },
            Parameter {
                name: "patience",
                kind: Kind::Integer,
                default: Some("0"),
                about: "iterations without improvement before an early stop; 0 never stops early",
            },
            Parameter { name: "top", kind: Kind::Integer, default: Some("10"), about: "samples named per feature" },
        ]
    }

    fn example(&self) -> Example {
        Example {
            settings: &["k=8", "sparsity=0.1", "init=kmeans", "patience=5", "tol=0.001"],
            inputs: &[("a", &[128, 64])],
        }
    }

    fn problem(&self, settings: &Settings, inputs: &[Option<TensorType>]) -> Result<Box<dyn Problem>, String> {
        let a = required(inputs, 0, "a")?;
        let init = Init::NAMES.iter().find(|(name, _)| *name == settings.choice("init"));
        let snmf = Snmf {
            k: settings.size("k"),
            iters: settings.size("iters"),
            sparsity: settings.number("sparsity"),
            init: init.map_or(Init::Random, |&(_, init)| init),
            seed: settings.integer("seed"),
            tol: settings.number("tol"),
            patience: settings.size("patience"),
            top: settings.size("top"),
        };
        snmf.check(&a.shape)?;
        if let Some(y0) = inputs.get(1).and_then(Option::as_ref) {
            let expected = [snmf.k, a.shape[1]];
            if y0.shape != expected {
                return Err(format!("y0 has shape {:?}, expected [k, n] = {expected:?}", y0.shape));
            }
        }
        Ok(Box::new(FactorizeProblem { snmf, a: a.clone() }))
    }

    fn check(&self, backend: Option<&dyn Backend>, options: &Options) -> Certificate {
        check(&SnmfSubject, backend, options)
    }
}

struct FactorizeProblem {
    snmf: Snmf,
    a: TensorType,
}

impl Problem for FactorizeProblem {
    fn bytes(&self) -> f64 {
        let (d, n) = (self.a.shape[0] as f64, self.a.shape[1] as f64);
        let Snmf { k, iters, top, .. } = self.snmf;
        let k = k as f64;
        // Outputs count on the device and on the host.
        let reals = 3.0 * d * n + 5.0 * k * (d + n) + 2.0 * k * k + 2.0 * iters as f64;
        reals * self.a.dtype.size() as f64 + 2.0 * k * top as f64 * DType::I32.size() as f64
    }

    fn check(&self, inputs: &[Option<HostArray>]) -> Result<(), String> {
        match inputs.get(1).and_then(Option::as_ref).and_then(first_negative) {
            Some((at, value)) => Err(format!("y0 must be >= 0, its element {at} (row-major) is {value}")),
            None => Ok(()),
        }
    }

    fn prepare(&self, mut inputs: Vec<Option<HostArray>>) -> Vec<Option<HostArray>> {
        if let ([Some(a), y0 @ None], Init::Svd) = (inputs.as_mut_slice(), self.snmf.init) {
            *y0 = Some(start_input(a, self.snmf.k));
        }
        inputs
    }

    fn needs_host(&self, inputs: &[Option<TensorType>]) -> Option<String> {
        let given = matches!(inputs.get(1), Some(Some(_)));
        (self.snmf.init == Init::Svd && !given).then(|| {
            "init=svd is computed on the host, before the program: run with --set iters=0 to get y, and export with \
             --input y0=y.npy"
                .into()
        })
    }

    fn trace(&self, inputs: &[Option<Tensor>]) -> Vec<Tensor> {
        match inputs {
            [Some(a), y0, ..] => self.snmf.trace(a, y0.as_ref()).into_vec(),
            [Some(a)] => self.snmf.trace(a, None).into_vec(),
            _ => Vec::new(),
        }
    }

    fn reference(&self, inputs: &[Option<HostArray>]) -> Vec<HostArray> {
        let Some(Some(a)) = inputs.first() else {
            return Vec::new();
        };
        let y0 = inputs.get(1).and_then(Option::as_ref);
        let u = a.dtype().unit_roundoff();
        match a.dtype() {
            DType::F64 => arrays(reference::factorize::<f64>(&self.snmf, a, y0, u), |x| x),
            _ => arrays(reference::factorize::<f32>(&self.snmf, a, y0, u), |x| x),
        }
    }
}

/// `snmf-transform`.
pub struct Transform;

impl Algorithm for Transform {
    fn name(&self) -> &'static str {
        "snmf-transform"
    }

    fn about(&self) -> &'static str {
        "how much new samples use known features: y >= 0 in a = z y with z fixed"
    }

    fn inputs(&self) -> &'static [Input] {
        &[
            Input {
                name: "a",
                shape: "[d, n]",
                elements: Elements::Real,
                optional: false,
                about: "the new samples, in columns",
            },
            Input { name: "z", shape: "[d, k]", elements: Elements::Real, optional: false, about: "the features" },
        ]
    }

    fn outputs(&self) -> &'static [Output] {
        &[
            Output {
                name: "y",
                shape: "[k, n]",
                elements: Elements::Real,
                about: "how much of each feature each sample uses, >= 0",
            },
            Output {
                name: "loss",
                shape: "[iters]",
                elements: Elements::Real,
                about: "squared Frobenius error after each iteration",
            },
        ]
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter {
            name: "iters",
            kind: Kind::Integer,
            default: Some("200"),
            about: "number of iterations, from a start of equal uses",
        }]
    }

    fn example(&self) -> Example {
        Example { settings: &[], inputs: &[("a", &[128, 64]), ("z", &[128, 8])] }
    }

    fn problem(&self, settings: &Settings, inputs: &[Option<TensorType>]) -> Result<Box<dyn Problem>, String> {
        let (a, z) = (required(inputs, 0, "a")?, required(inputs, 1, "z")?);
        let parameters = Parameters { iters: settings.size("iters") };
        parameters.check(&a.shape, &z.shape)?;
        Ok(Box::new(TransformProblem { parameters, a: a.clone(), z: z.clone() }))
    }

    fn check(&self, backend: Option<&dyn Backend>, options: &Options) -> Certificate {
        check(&TransformSubject, backend, options)
    }
}

struct TransformProblem {
    parameters: Parameters,
    a: TensorType,
    z: TensorType,
}

impl Problem for TransformProblem {
    fn bytes(&self) -> f64 {
        let (d, n, k) = (self.a.shape[0] as f64, self.a.shape[1] as f64, self.z.shape[1] as f64);
        // Outputs count on the device and on the host.
        let reals = 3.0 * d * n + 5.0 * k * n + 2.0 * k * d + k * k + 2.0 * self.parameters.iters as f64;
        reals * self.a.dtype.size() as f64
    }

    fn trace(&self, inputs: &[Option<Tensor>]) -> Vec<Tensor> {
        match inputs {
            [Some(a), Some(z)] => self.parameters.trace(a, z).into_vec(),
            _ => Vec::new(),
        }
    }

    fn reference(&self, inputs: &[Option<HostArray>]) -> Vec<HostArray> {
        match inputs {
            [Some(a), Some(z)] if a.dtype() == DType::F64 => {
                arrays(reference::transform::<f64>(&self.parameters, a, z), |x| x)
            }
            [Some(a), Some(z)] => arrays(reference::transform::<f32>(&self.parameters, a, z), |x| x),
            _ => Vec::new(),
        }
    }
}

fn first_negative(array: &HostArray) -> Option<(usize, f64)> {
    array.to_f64().into_iter().enumerate().find(|(_, x)| *x < 0.0)
}
