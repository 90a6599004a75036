//! Search with an expensive score, as the registry knows it.

use tandem_algos::retrieval::subject::SearchSubject;
use tandem_algos::retrieval::{Search, reference};
use tandem_compile::{DType, HostArray, Tensor, TensorType};
use tandem_verify::{Backend, Certificate, Options, check};

use super::{Algorithm, Elements, Example, Input, Kind, Output, Parameter, Problem, Settings, arrays, required};

/// `cur-search`.
pub struct CurSearch;

impl Algorithm for CurSearch {
    fn name(&self) -> &'static str {
        "cur-search"
    }

    fn about(&self) -> &'static str {
        "the best items of new queries from few scores: rows completed by a CUR decomposition (ANNCUR)"
    }

    fn inputs(&self) -> &'static [Input] {
        &[
            Input {
                name: "anchor_rows",
                shape: "[p, items]",
                elements: Elements::Real,
                optional: false,
                about: "scores of the anchor queries against all items",
            },
            Input {
                name: "item_index",
                shape: "[q]",
                elements: Elements::Index,
                optional: false,
                about: "the anchor items, positions from 0 and none twice",
            },
            Input {
                name: "query_scores",
                shape: "[queries, q]",
                elements: Elements::Real,
                optional: false,
                about: "scores of the new queries against the anchor items, in the order of item_index",
            },
        ]
    }

    fn outputs(&self) -> &'static [Output] {
        &[
            Output {
                name: "scores",
                shape: "[queries, items]",
                elements: Elements::Real,
                about: "the completed scores against all items",
            },
            Output {
                name: "top_index",
                shape: "[queries, topk]",
                elements: Elements::Index,
                about: "the items of the largest completed scores, the largest first, of equals the first item",
            },
            Output {
                name: "top_score",
                shape: "[queries, topk]",
                elements: Elements::Real,
                about: "their completed scores",
            },
        ]
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[
            Parameter {
                name: "topk",
                kind: Kind::Integer,
                default: None,
                about: "number of items to name per query, between 1 and all",
            },
            Parameter {
                name: "rcond",
                kind: Kind::Number,
                default: Some("0"),
                about: "share of the largest singular value of anchor_rows[:, item_index] up to which others count as \
                        zero, in [0, 1); 0 for max(p, q) eps",
            },
        ]
    }

    fn example(&self) -> Example {
        Example {
            settings: &["topk=10"],
            inputs: &[("anchor_rows", &[64, 512]), ("item_index", &[32]), ("query_scores", &[64, 32])],
        }
    }

    fn problem(&self, settings: &Settings, inputs: &[Option<TensorType>]) -> Result<Box<dyn Problem>, String> {
        let rows = required(inputs, 0, "anchor_rows")?;
        let index = required(inputs, 1, "item_index")?;
        let known = required(inputs, 2, "query_scores")?;
        let search = Search::new(settings.size("topk")).rcond(settings.number("rcond"));
        search.check(&rows.shape, &index.shape, &known.shape)?;
        Ok(Box::new(SearchProblem { search, rows: rows.clone(), known: known.clone() }))
    }

    fn check(&self, backend: Option<&dyn Backend>, options: &Options) -> Certificate {
        check(&SearchSubject, backend, options)
    }
}

struct SearchProblem {
    search: Search,
    rows: TensorType,
    known: TensorType,
}

impl Problem for SearchProblem {
    fn bytes(&self) -> f64 {
        let (p, items) = (self.rows.shape[0] as f64, self.rows.shape[1] as f64);
        let (queries, q) = (self.known.shape[0] as f64, self.known.shape[1] as f64);
        // The anchor rows, as they come and scaled, E and the scores; outputs count on the device and on the host.
        let reals = 2.0 * p * items + q * items + 2.0 * queries * items + 3.0 * p * q + queries * q;
        let best = 2.0 * queries * self.search.topk as f64;
        (reals + best) * self.rows.dtype.size() as f64 + best * DType::I32.size() as f64
    }

    fn check(&self, inputs: &[Option<HostArray>]) -> Result<(), String> {
        match inputs.get(1).and_then(Option::as_ref).map(HostArray::values::<i32>) {
            Some(Ok(index)) => Search::check_anchors(index, self.rows.shape[1]),
            _ => Ok(()),
        }
    }

    fn trace(&self, inputs: &[Option<Tensor>]) -> Vec<Tensor> {
        match inputs {
            [Some(rows), Some(index), Some(known)] => self.search.trace(rows, index, known).into_vec(),
            _ => Vec::new(),
        }
    }

    fn reference(&self, inputs: &[Option<HostArray>]) -> Vec<HostArray> {
        let [Some(rows), Some(index), Some(known)] = inputs else {
            return Vec::new();
        };
        let u = rows.dtype().unit_roundoff();
        match rows.dtype() {
            DType::F64 => arrays(reference::find::<f64>(&self.search, rows, index, known, u), |x| x),
            _ => arrays(reference::find::<f32>(&self.search, rows, index, known, u), |x| x),
        }
    }
}
