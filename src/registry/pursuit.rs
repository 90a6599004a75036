//! The pursuits, as the registry knows them.

use tandem_algos::pursuit::subject::PursuitSubject;
use tandem_algos::pursuit::{Method, Pursuit, Route, Selection, reference};
use tandem_compile::{DType, HostArray, Tensor, TensorType};
use tandem_verify::{Backend, Certificate, Options, check};

use super::{Algorithm, Elements, Example, Input, Kind, Output, Parameter, Problem, Settings, arrays, required};

/// `mp`, `omp` or `gp`.
pub struct Pursue(pub Method);

impl Algorithm for Pursue {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn about(&self) -> &'static str {
        match self.0 {
            Method::Mp => "matching pursuit: sparse codes x ~ codes dictionary, one atom's code per step",
            Method::Omp => "orthogonal matching pursuit: sparse codes, by least squares on the chosen atoms",
            Method::Gp => "gradient pursuit: sparse codes, along the gradient on the chosen atoms",
        }
    }

    fn inputs(&self) -> &'static [Input] {
        &[
            Input {
                name: "x",
                shape: "[batch, d]",
                elements: Elements::Real,
                optional: false,
                about: "signals, in rows",
            },
            Input {
                name: "dictionary",
                shape: "[p, d]",
                elements: Elements::Real,
                optional: false,
                about: "atoms, in rows, of any norms",
            },
        ]
    }

    fn outputs(&self) -> &'static [Output] {
        &[
            Output {
                name: "codes",
                shape: "[batch, p]",
                elements: Elements::Real,
                about: "how much of each atom each signal is, in the scale of the given atoms",
            },
            Output {
                name: "support",
                shape: "[batch, k]",
                elements: Elements::Index,
                about: "the atom that each step chose; -1 after the stop",
            },
            Output {
                name: "residual_norms",
                shape: "[batch, k + 1]",
                elements: Elements::Real,
                about: "the residual's norm before the first step and after each; the last one repeated after the stop",
            },
            Output { name: "count", shape: "[batch]", elements: Elements::Index, about: "steps taken" },
        ]
    }

    fn parameters(&self) -> &'static [Parameter] {
        const SELECTIONS: &[&str] = &[Selection::NAMES[0].0, Selection::NAMES[1].0, Selection::NAMES[2].0];
        const ROUTES: &[&str] = &[Route::NAMES[0].0, Route::NAMES[1].0, Route::NAMES[2].0];
        &[
            Parameter { name: "k", kind: Kind::Integer, default: None, about: "the largest number of steps" },
            Parameter {
                name: "tol",
                kind: Kind::Number,
                default: Some("0"),
                about: "residual norm, relative to the signal's, at which a signal is done, in [0, 1)",
            },
            Parameter {
                name: "selection",
                kind: Kind::Choice(SELECTIONS),
                default: Some("abs"),
                about: "the best correlation: of largest magnitude, largest, or largest while positive (codes >= 0)",
            },
            Parameter {
                name: "route",
                kind: Kind::Choice(ROUTES),
                default: Some("auto"),
                about: "correlations by rows of the Gram matrix, by products with the residual, or the cheaper of these",
            },
        ]
    }

    fn example(&self) -> Example {
        Example { settings: &["k=8"], inputs: &[("x", &[256, 64]), ("dictionary", &[512, 64])] }
    }

    fn problem(&self, settings: &Settings, inputs: &[Option<TensorType>]) -> Result<Box<dyn Problem>, String> {
        let (x, dictionary) = (required(inputs, 0, "x")?, required(inputs, 1, "dictionary")?);
        let selection = Selection::NAMES.iter().find(|(name, _)| *name == settings.choice("selection"));
        let route = Route::NAMES.iter().find(|(name, _)| *name == settings.choice("route"));
        let pursuit = Pursuit {
            method: self.0,
            k: settings.size("k"),
            tol: settings.number("tol"),
            selection: selection.map_or(Selection::Abs, |&(_, selection)| selection),
            route: route.map_or(Route::Auto, |&(_, route)| route),
        };
        pursuit.check(&x.shape, &dictionary.shape)?;
        Ok(Box::new(PursueProblem { pursuit, x: x.clone(), dictionary: dictionary.clone() }))
    }

    fn check(&self, backend: Option<&dyn Backend>, options: &Options) -> Certificate {
        check(&PursuitSubject(self.0), backend, options)
    }
}

struct PursueProblem {
    pursuit: Pursuit,
    x: TensorType,
    dictionary: TensorType,
}

impl Problem for PursueProblem {
    fn bytes(&self) -> f64 {
        let (batch, d, p) = (self.x.shape[0], self.x.shape[1], self.dictionary.shape[0]);
        let gram = if self.pursuit.by_gram(batch, d, p) { (p * p) as f64 } else { 0.0 };
        let (batch, d, p, k) = (batch as f64, d as f64, p as f64, self.pursuit.k as f64);
        let square = if self.pursuit.method == Method::Omp { k * k * batch } else { 0.0 };
        // Outputs count on the device and on the host.
        let reals = 4.0 * batch * d + 3.0 * p * d + 4.0 * batch * p + 4.0 * k * batch + gram + square;
        reals * self.x.dtype.size() as f64 + 3.0 * k * batch * DType::I32.size() as f64
    }

    fn trace(&self, inputs: &[Option<Tensor>]) -> Vec<Tensor> {
        match inputs {
            [Some(x), Some(dictionary)] => self.pursuit.trace(x, dictionary).into_vec(),
            _ => Vec::new(),
        }
    }

    fn reference(&self, inputs: &[Option<HostArray>]) -> Vec<HostArray> {
        let [Some(x), Some(dictionary)] = inputs else {
            return Vec::new();
        };
        let u = x.dtype().unit_roundoff();
        match x.dtype() {
            DType::F64 => arrays(reference::pursue::<f64>(&self.pursuit, x, dictionary, u), |x| x),
            _ => arrays(reference::pursue::<f32>(&self.pursuit, x, dictionary, u), |x| x),
        }
    }
}
