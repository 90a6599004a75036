//! Learned robust PCA, as the registry knows it.

use tandem_algos::rpca::lrpca::subject::LrpcaSubject;
use tandem_algos::rpca::lrpca::{Lrpca, Preset, reference};
use tandem_compile::{DType, HostArray, Tensor, TensorType};
use tandem_verify::{Backend, Certificate, Options, check};

use super::{Algorithm, Elements, Example, Input, Kind, Output, Parameter, Problem, Settings, arrays, required};

/// `lrpca`.
pub struct Separate;

impl Algorithm for Separate {
    fn name(&self) -> &'static str {
        "lrpca"
    }

    fn about(&self) -> &'static str {
        "learned robust pca: m ~ l + s, l of rank r and s sparse, by layers with published thresholds and steps"
    }

    fn inputs(&self) -> &'static [Input] {
        &[Input {
            name: "m",
            shape: "[m, n]",
            elements: Elements::Real,
            optional: false,
            about: "the matrix, in the unit of the thresholds: l = u v', columns of u and v of length about 1",
        }]
    }

    fn outputs(&self) -> &'static [Output] {
        &[
            Output { name: "l", shape: "[m, n]", elements: Elements::Real, about: "the matrix of rank r" },
            Output {
                name: "s",
                shape: "[m, n]",
                elements: Elements::Real,
                about: "the sparse one: m - l, made smaller by the last threshold",
            },
            Output { name: "iterations", shape: "[]", elements: Elements::Index, about: "the number of layers run" },
        ]
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PRESETS: &[&str] = &[Preset::NAMES[0].0, Preset::NAMES[1].0, Preset::NAMES[2].0];
        const fn set(name: &'static str, kind: Kind, default: Option<&'static str>, about: &'static str) -> Parameter {
            Parameter { name, kind, default, about }
        }
        const {
            &[
                set("rank", Kind::Integer, None, "the rank of l, from 1 to min(m, n)"),
                set(
                    "preset",
                    Kind::Choice(PRESETS),
                    Some("0.1"),
                    "published thresholds and steps, by the share of outliers that they were learned with",
                ),
                set(
                    "threshold_scale",
                    Kind::Number,
                    Some("1"),
                    "what the thresholds are multiplied by: the ratio of the unit of m to theirs",
                ),
                set(
                    "layers",
                    Kind::Integer,
                    Some("16"),
                    "the number of layers; beyond 16 the thresholds fall geometrically",
                ),
            ]
        }
    }

    fn example(&self) -> Example {
        Example { settings: &["rank=8"], inputs: &[("m", &[128, 64])] }
    }

    fn problem(&self, settings: &Settings, inputs: &[Option<TensorType>]) -> Result<Box<dyn Problem>, String> {
        let m = required(inputs, 0, "m")?;
        let word = settings.choice("preset");
        let preset =
            Preset::NAMES.iter().find(|(name, _)| *name == word).map_or(Preset::default(), |&(_, preset)| preset);
        let layers = settings.size("layers");
        if layers > MOST_LAYERS {
            return Err(format!("layers = {layers}: at most {MOST_LAYERS} are supported"));
        }
        let lrpca = Lrpca::new(settings.size("rank"))
            .preset(preset)
            .threshold_scale(settings.number("threshold_scale"))
            .layers(layers);
        lrpca.check(&m.shape)?;
        Ok(Box::new(LrpcaProblem { lrpca, m: m.clone() }))
    }

    fn check(&self, backend: Option<&dyn Backend>, options: &Options) -> Certificate {
        check(&LrpcaSubject, backend, options)
    }
}

/// By then every threshold has vanished.
const MOST_LAYERS: usize = 100_000;

struct LrpcaProblem {
    lrpca: Lrpca,
    m: TensorType,
}

impl Problem for LrpcaProblem {
    fn bytes(&self) -> f64 {
        let (m, n) = (self.m.shape[0] as f64, self.m.shape[1] as f64);
        let rank = self.lrpca.rank as f64;
        // M, L and S here and there, what is thresholded, the singular vectors, and the factors with their slopes.
        (7.0 * m * n + (m + n) * m.min(n) + 6.0 * (m + n) * rank) * self.m.dtype.size() as f64
    }

    fn trace(&self, inputs: &[Option<Tensor>]) -> Vec<Tensor> {
        match inputs {
            [Some(m), ..] => self.lrpca.trace(m).into_vec(),
            _ => Vec::new(),
        }
    }

    fn reference(&self, inputs: &[Option<HostArray>]) -> Vec<HostArray> {
        let Some(Some(m)) = inputs.first() else {
            return Vec::new();
        };
        let parameters = self.lrpca.resolved([self.m.shape[0], self.m.shape[1]]);
        let (rank, u) = (self.lrpca.rank, m.dtype().unit_roundoff());
        match m.dtype() {
            DType::F64 => {
                let [zeta, eta] = [&parameters.zeta, &parameters.eta].map(|x| HostArray::from_fn([x.len()], |i| x[i]));
                arrays(reference::separate::<f64>(rank, m, &zeta, &eta, u), |x| x)
            }
            _ => {
                let single = |x: &Vec<f64>| HostArray::from_fn([x.len()], |i| x[i] as f32);
                let [zeta, eta] = [&parameters.zeta, &parameters.eta].map(single);
                arrays(reference::separate::<f32>(rank, m, &zeta, &eta, u), |x| x)
            }
        }
    }
}
