//! CUR, as the registry knows it.

use tandem_algos::cur::subject::CurSubject;
use tandem_algos::cur::{Core, Cur, Select, reference};
use tandem_compile::{DType, HostArray, Tensor, TensorType};
use tandem_verify::{Backend, Certificate, Options, check};

use super::{Algorithm, Elements, Example, Input, Kind, Output, Parameter, Problem, Settings, arrays, required};

/// `cur`.
pub struct Decompose;

const fn real(name: &'static str, shape: &'static str, about: &'static str) -> Output {
    Output { name, shape, elements: Elements::Real, about }
}

const fn index(name: &'static str, shape: &'static str, about: &'static str) -> Output {
    Output { name, shape, elements: Elements::Index, about }
}

const fn count(name: &'static str, default: &'static str, about: &'static str) -> Parameter {
    Parameter { name, kind: Kind::Integer, default: Some(default), about }
}

impl Algorithm for Decompose {
    fn name(&self) -> &'static str {
        "cur"
    }

    fn about(&self) -> &'static str {
        "CUR decomposition: a ~ c u r with c some of its columns and r some of its rows"
    }

    fn inputs(&self) -> &'static [Input] {
        &[Input { name: "a", shape: "[m, n]", elements: Elements::Real, optional: false, about: "the matrix" }]
    }

    fn outputs(&self) -> &'static [Output] {
        const {
            &[
                index("row_index", "[rows]", "the chosen rows, in the order of their selection"),
                index("col_index", "[cols]", "the chosen columns, in the order of their selection"),
                real("c", "[m, cols]", "the chosen columns of a"),
                real("u", "[cols, rows]", "the core"),
                real("r", "[rows, n]", "the chosen rows of a"),
                real("relative_error", "[]", "|a - c u r| / |a| in the Frobenius norm"),
                real("core_norm", "[]", "the largest singular value of u: how much it amplifies errors"),
            ]
        }
    }

    fn parameters(&self) -> &'static [Parameter] {
        const SELECT: &[&str] = &[
            Select::NAMES[0].0,
            Select::NAMES[1].0,
            Select::NAMES[2].0,
            Select::NAMES[3].0,
            Select::NAMES[4].0,
            Select::NAMES[5].0,
            Select::NAMES[6].0,
            Select::NAMES[7].0,
        ];
        const CORE: &[&str] = &[Core::NAMES[0].0, Core::NAMES[1].0, Core::NAMES[2].0];
        const {
            &[
                count("k", "0", "number of rows and of columns, at least 1, unless rows and cols say it"),
                count("rows", "0", "number of rows; 0 is k"),
                count("cols", "0", "number of columns; 0 is k"),
                Parameter {
                    name: "select",
                    kind: Kind::Choice(SELECT),
                    default: Some("deim"),
                    about: "how rows and columns are chosen",
                },
                Parameter {
                    name: "core",
                    kind: Kind::Choice(CORE),
                    default: Some("optimal"),
                    about: "what stands between them: the best in the Frobenius norm, the inverse of the submatrix, or that \
                            without its small singular values",
                },
                count("seed", "0", "seed of lu, leverage-sampled and uniform"),
            ]
        }
    }

    fn example(&self) -> Example {
        Example { settings: &["k=8"], inputs: &[("a", &[128, 64])] }
    }

    fn problem(&self, settings: &Settings, inputs: &[Option<TensorType>]) -> Result<Box<dyn Problem>, String> {
        let a = required(inputs, 0, "a")?;
        let [k, rows, cols] = ["k", "rows", "cols"].map(|name| settings.size(name));
        let or_k = |value: usize| if value == 0 { k } else { value };
        let named = |word: &str| Select::NAMES.iter().find(|(name, _)| *name == word).map(|&(_, select)| select);
        let core = Core::NAMES.iter().find(|(name, _)| *name == settings.choice("core")).map(|&(_, core)| core);
        let cur = Cur::new(k)
            .rows(or_k(rows))
            .cols(or_k(cols))
            .select(named(settings.choice("select")).unwrap_or_default())
            .core(core.unwrap_or_default())
            .seed(settings.integer("seed"));
        cur.check(&a.shape)?;
        Ok(Box::new(DecomposeProblem { cur, a: a.clone() }))
    }

    fn check(&self, backend: Option<&dyn Backend>, options: &Options) -> Certificate {
        check(&CurSubject, backend, options)
    }
}

struct DecomposeProblem {
    cur: Cur,
    a: TensorType,
}

impl Problem for DecomposeProblem {
    fn bytes(&self) -> f64 {
        let (m, n) = (self.a.shape[0] as f64, self.a.shape[1] as f64);
        let (r, c) = (self.cur.rows as f64, self.cur.cols as f64);
        // A, its scaled form and what is near to it; the singular vectors where they are read; outputs here and there.
        let vectors = if self.cur.select.reads_vectors() { (m + n) * m.min(n) } else { m * n };
        (3.0 * m * n + vectors + 4.0 * (m * c + n * r + r * c)) * self.a.dtype.size() as f64
    }

    fn trace(&self, inputs: &[Option<Tensor>]) -> Vec<Tensor> {
        match inputs {
            [Some(a), ..] => self.cur.trace(a).into_vec(),
            _ => Vec::new(),
        }
    }

    fn reference(&self, inputs: &[Option<HostArray>]) -> Vec<HostArray> {
        let Some(Some(a)) = inputs.first() else {
            return Vec::new();
        };
        let u = a.dtype().unit_roundoff();
        match a.dtype() {
            DType::F64 => arrays(reference::decompose::<f64>(&self.cur, a, u), |x| x),
            _ => arrays(reference::decompose::<f32>(&self.cur, a, u), |x| x),
        }
    }
}
