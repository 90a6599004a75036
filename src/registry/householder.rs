//! Products of reflections and the nearest projector, as the registry knows them.

use tandem_algos::householder::subject::{ProductSubject, ProjectorSubject};
use tandem_algos::householder::{Form, HouseholderQ, Projector, reference};
use tandem_compile::{DType, HostArray, Tensor, TensorType};
use tandem_verify::{Backend, Certificate, Options, check};

use super::{Algorithm, Elements, Example, Input, Kind, Output, Parameter, Problem, Settings, arrays, required};

/// `householder-q`.
pub struct Product;

/// `householder-projector`.
pub struct Nearest;

const fn real(name: &'static str, shape: &'static str, about: &'static str) -> Output {
    Output { name, shape, elements: Elements::Real, about }
}

impl Algorithm for Product {
    fn name(&self) -> &'static str {
        "householder-q"
    }

    fn about(&self) -> &'static str {
        "the orthogonal matrix of a product of reflections: q = h(v_1) ... h(v_k), h(v) = i - 2 v v' / v'v"
    }

    fn inputs(&self) -> &'static [Input] {
        &[Input {
            name: "v",
            shape: "[d, k]",
            elements: Elements::Real,
            optional: false,
            about: "the vectors, in columns, the first leftmost in the product; a zero one is the identity",
        }]
    }

    fn outputs(&self) -> &'static [Output] {
        const { &[real("q", "[d, cols]", "orthonormal columns, the first ones of the product")] }
    }

    fn parameters(&self) -> &'static [Parameter] {
        const FORMS: &[&str] =
            &["auto", Form::NAMES[0].0, Form::NAMES[1].0, Form::NAMES[2].0, Form::NAMES[3].0, Form::NAMES[4].0];
        &[
            Parameter {
                name: "cols",
                kind: Kind::Integer,
                default: Some("0"),
                about: "how many columns of the product, at most d; 0 is d",
            },
            Parameter {
                name: "form",
                kind: Kind::Choice(FORMS),
                default: Some("auto"),
                about: "how the product is arranged; auto takes what costs the least",
            },
        ]
    }

    fn example(&self) -> Example {
        Example { settings: &["cols=64"], inputs: &[("v", &[128, 64])] }
    }

    fn problem(&self, settings: &Settings, inputs: &[Option<TensorType>]) -> Result<Box<dyn Problem>, String> {
        let v = required(inputs, 0, "v")?;
        let word = settings.choice("form");
        let form = Form::NAMES.iter().find(|(name, _)| *name == word).map(|&(_, form)| form);
        let product = HouseholderQ { cols: settings.size("cols"), form };
        product.check(&v.shape)?;
        Ok(Box::new(ProductProblem { product, v: v.clone() }))
    }

    fn check(&self, backend: Option<&dyn Backend>, options: &Options) -> Certificate {
        check(&ProductSubject, backend, options)
    }
}

struct ProductProblem {
    product: HouseholderQ,
    v: TensorType,
}

impl Problem for ProductProblem {
    fn bytes(&self) -> f64 {
        let (d, k) = (self.v.shape[0] as f64, self.v.shape[1] as f64);
        let cols = self.product.width(self.v.shape[0]) as f64;
        // V and Q here and there; V once more, scaled, and what stands between them.
        (4.0 * d * k + 3.0 * d * cols) * self.v.dtype.size() as f64
    }

    fn trace(&self, inputs: &[Option<Tensor>]) -> Vec<Tensor> {
        match inputs {
            [Some(v), ..] => self.product.trace(v).into_vec(),
            _ => Vec::new(),
        }
    }

    fn reference(&self, inputs: &[Option<HostArray>]) -> Vec<HostArray> {
        match inputs.first() {
            Some(Some(v)) if v.dtype() == DType::F64 => arrays(reference::product::<f64>(&self.product, v), |x| x),
            Some(Some(v)) => arrays(reference::product::<f32>(&self.product, v), |x| x),
            _ => Vec::new(),
        }
    }
}

impl Algorithm for Nearest {
    fn name(&self) -> &'static str {
        "householder-projector"
    }

    fn about(&self) -> &'static str {
        "the partial isometry nearest to w, q(u) s q(v)': directions that are orthogonal and equally strong"
    }

    fn inputs(&self) -> &'static [Input] {
        &[Input { name: "w", shape: "[m, n]", elements: Elements::Real, optional: false, about: "the matrix" }]
    }

    fn outputs(&self) -> &'static [Output] {
        const {
            &[
                real("u_vectors", "[m, rank]", "the reflectors of q(u), in columns; a zero one is the identity"),
                real("v_vectors", "[n, rank]", "the reflectors of q(v)"),
                real("s", "[rank]", "the signs on the diagonal of s: 1 or -1"),
                real("projector", "[m, n]", "q(u) s q(v)', whose rank singular values are 1"),
                real(
                    "directions",
                    "[rank, n]",
                    "the first columns of q(v), as rows: what the projector does not send to zero",
                ),
                real("distance", "[]", "|w - projector| in the Frobenius norm"),
            ]
        }
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter {
            name: "rank",
            kind: Kind::Integer,
            default: None,
            about: "number of directions, from 1 to min(m, n)",
        }]
    }

    fn example(&self) -> Example {
        Example { settings: &["rank=8"], inputs: &[("w", &[128, 64])] }
    }

    fn problem(&self, settings: &Settings, inputs: &[Option<TensorType>]) -> Result<Box<dyn Problem>, String> {
        let w = required(inputs, 0, "w")?;
        let projector = Projector::new(settings.size("rank"));
        projector.check(&w.shape)?;
        Ok(Box::new(NearestProblem { projector, w: w.clone() }))
    }

    fn check(&self, backend: Option<&dyn Backend>, options: &Options) -> Certificate {
        check(&ProjectorSubject, backend, options)
    }
}

struct NearestProblem {
    projector: Projector,
    w: TensorType,
}

impl Problem for NearestProblem {
    fn bytes(&self) -> f64 {
        let (m, n) = (self.w.shape[0] as f64, self.w.shape[1] as f64);
        let rank = self.projector.rank as f64;
        // W and P here and there, the singular vectors, and the outputs of rank N.
        (5.0 * m * n + (m + n) * m.min(n) + 6.0 * (m + n) * rank) * self.w.dtype.size() as f64
    }

    fn trace(&self, inputs: &[Option<Tensor>]) -> Vec<Tensor> {
        match inputs {
            [Some(w), ..] => self.projector.trace(w).into_vec(),
            _ => Vec::new(),
        }
    }

    fn reference(&self, inputs: &[Option<HostArray>]) -> Vec<HostArray> {
        let Some(Some(w)) = inputs.first() else {
            return Vec::new();
        };
        let u = w.dtype().unit_roundoff();
        match w.dtype() {
            DType::F64 => arrays(reference::nearest::<f64>(&self.projector, w, u), |x| x),
            _ => arrays(reference::nearest::<f32>(&self.projector, w, u), |x| x),
        }
    }
}
