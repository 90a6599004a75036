//! Robust principal component analysis, as the registry knows it: principal component pursuit and alternating projections.

use tandem_algos::rpca::altproj::subject::AltProjSubject;
use tandem_algos::rpca::altproj::{AccAltProj, reference as projections};
use tandem_algos::rpca::pcp::subject::PcpSubject;
use tandem_algos::rpca::pcp::{Pcp, Solver, certificate, reference};
use tandem_compile::{DType, HostArray, Tensor, TensorType, number};
use tandem_verify::{Backend, Certificate, Options, check};

use super::{Algorithm, Elements, Example, Input, Kind, Output, Parameter, Problem, Settings, arrays, required};

/// `pcp`.
pub struct Pursuit;

/// `accaltproj`.
pub struct Projections;

const M: Input = Input {
    name: "m",
    shape: "[m, n]",
    elements: Elements::Real,
    optional: false,
    about: "the sum of a matrix of low rank and a sparse one",
};
const MASK: Input = Input {
    name: "mask",
    shape: "[m, n]",
    elements: Elements::Real,
    optional: true,
    about: "1 where an element of m is observed, 0 where it is missing and not read",
};
const L: Output = Output {
    name: "l",
    shape: "[m, n]",
    elements: Elements::Real,
    about: "the part of low rank, missing elements filled in",
};
const S: Output = Output {
    name: "s",
    shape: "[m, n]",
    elements: Elements::Real,
    about: "the sparse part, zero where an element is missing",
};
const ITERATIONS: Output =
    Output { name: "iterations", shape: "[]", elements: Elements::Index, about: "iterations run" };

impl Algorithm for Pursuit {
    fn name(&self) -> &'static str {
        "pcp"
    }

    fn about(&self) -> &'static str {
        "principal component pursuit: m = l + s with the smallest |l|_* + lambda |s|_1"
    }

    fn inputs(&self) -> &'static [Input] {
        &[M, MASK]
    }

    fn outputs(&self) -> &'static [Output] {
        const {
            &[
                L,
                S,
                Output { name: "rank", shape: "[]", elements: Elements::Index, about: "the rank of l" },
                ITERATIONS,
                Output {
                    name: "residual",
                    shape: "[]",
                    elements: Elements::Real,
                    about: "|m - l - s| / |m| in the Frobenius norm, at the last iteration",
                },
                Output {
                    name: "gap",
                    shape: "[]",
                    elements: Elements::Real,
                    about: "by solver=admm: how far the objective is at most above the smallest, relative to it",
                },
            ]
        }
    }

    fn parameters(&self) -> &'static [Parameter] {
        const SOLVERS: &[&str] = &[Solver::NAMES[0].0, Solver::NAMES[1].0];
        &[
            Parameter {
                name: "solver",
                kind: Kind::Choice(SOLVERS),
                default: Some("ialm"),
                about: "inexact augmented Lagrangian, or ADMM, which is slower and certifies its result",
            },
            Parameter {
                name: "lambda",
                kind: Kind::Number,
                default: Some("0"),
                about: "weight of the sparse part; 0 is 1 / sqrt(max(m, n))",
            },
            Parameter {
                name: "tol",
                kind: Kind::Number,
                default: Some("0"),
                about: "residual at which it stops, below 1; 0 is 1e-7 in f64 and 1e-6 in f32",
            },
            Parameter {
                name: "max_iters",
                kind: Kind::Integer,
                default: Some("1000"),
                about: "iteration limit, at least 1",
            },
        ]
    }

    fn example(&self) -> Example {
        Example { settings: &[], inputs: &[("m", &[128, 64])] }
    }

    fn problem(&self, settings: &Settings, inputs: &[Option<TensorType>]) -> Result<Box<dyn Problem>, String> {
        let m = required(inputs, 0, "m")?;
        let mask = inputs.get(1).and_then(Option::as_ref);
        let solver = Solver::NAMES.iter().find(|(name, _)| *name == settings.choice("solver"));
        let set = |name: &str| Some(settings.number(name)).filter(|&x| x != 0.0);
        let pcp = Pcp {
            solver: solver.map_or(Solver::Ialm, |&(_, solver)| solver),
            lambda: set("lambda"),
            tol: set("tol"),
            max_iters: settings.size("max_iters"),
            ..Pcp::new()
        };
        pcp.check(&m.shape, mask.map(|mask| &mask.shape[..]))?;
        Ok(Box::new(PursuitProblem { pcp, m: m.clone() }))
    }

    fn check(&self, backend: Option<&dyn Backend>, options: &Options) -> Certificate {
        check(&PcpSubject, backend, options)
    }
}

struct PursuitProblem {
    pcp: Pcp,
    m: TensorType,
}

impl Problem for PursuitProblem {
    fn bytes(&self) -> f64 {
        let (m, n) = (self.m.shape[0] as f64, self.m.shape[1] as f64);
        // M, L and S here and there, Y, what an iteration needs; the Gram matrix and its vectors.
        (12.0 * m * n + 4.0 * m.min(n).powi(2)) * self.m.dtype.size() as f64
    }

    fn check(&self, inputs: &[Option<HostArray>]) -> Result<(), String> {
        let Some(Some(mask)) = inputs.get(1) else {
            return Ok(());
        };
        match mask.to_f64().into_iter().enumerate().find(|(_, x)| *x != 0.0 && *x != 1.0) {
            Some((at, x)) => {
                let (row, column) = (at / self.m.shape[1], at % self.m.shape[1]);
                Err(format!("mask[{row}, {column}] is {x}: 1 says that the element is observed, 0 that it is missing"))
            }
            None => Ok(()),
        }
    }

    fn trace(&self, inputs: &[Option<Tensor>]) -> Vec<Tensor> {
        let [Some(m), rest @ ..] = inputs else {
            return Vec::new();
        };
        let mask = rest.first().and_then(Option::as_ref);
        let found = self.pcp.trace(m, mask);
        let gap = (self.pcp.solver == Solver::Admm).then(|| {
            let lambda = number(self.pcp.weight(m.dim(0), m.dim(1)), m.dtype());
            certificate(m, mask, &found.l, &found.y, &lambda).gap
        });
        let mut outputs = found.into_vec();
        let status = outputs.pop();
        outputs.into_iter().chain(gap).chain(status).collect()
    }

    fn reference(&self, inputs: &[Option<HostArray>]) -> Vec<HostArray> {
        let [Some(m), rest @ ..] = inputs else {
            return Vec::new();
        };
        let mask = rest.first().and_then(Option::as_ref);
        let mut outputs = match m.dtype() {
            DType::F64 => arrays(reference::separate::<f64>(&self.pcp, m, mask), |x| x),
            _ => arrays(reference::separate::<f32>(&self.pcp, m, mask), |x| x),
        };
        // Those that users are given stand before the multiplier, the gap last.
        let status = outputs.pop();
        outputs.truncate(if self.pcp.solver == Solver::Admm { 6 } else { 5 });
        outputs.into_iter().chain(status).collect()
    }
}

impl Algorithm for Projections {
    fn name(&self) -> &'static str {
        "accaltproj"
    }

    fn about(&self) -> &'static str {
        "accelerated alternating projections: m = l + s with an l of the rank that is given"
    }

    fn inputs(&self) -> &'static [Input] {
        &[M]
    }

    fn outputs(&self) -> &'static [Output] {
        const { &[Output { about: "the part of low rank", ..L }, Output { about: "the sparse part", ..S }, ITERATIONS] }
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter { name: "rank", kind: Kind::Integer, default: None, about: "the rank of l, from 1 to min(m, n)" }]
    }

    fn example(&self) -> Example {
        Example { settings: &["rank=8"], inputs: &[("m", &[128, 64])] }
    }

    fn problem(&self, settings: &Settings, inputs: &[Option<TensorType>]) -> Result<Box<dyn Problem>, String> {
        let m = required(inputs, 0, "m")?;
        let projections = AccAltProj::new(settings.size("rank"));
        projections.check(&m.shape)?;
        Ok(Box::new(ProjectionsProblem { projections, m: m.clone() }))
    }

    fn check(&self, backend: Option<&dyn Backend>, options: &Options) -> Certificate {
        check(&AltProjSubject, backend, options)
    }
}

struct ProjectionsProblem {
    projections: AccAltProj,
    m: TensorType,
}

impl Problem for ProjectionsProblem {
    fn bytes(&self) -> f64 {
        let (m, n) = (self.m.shape[0] as f64, self.m.shape[1] as f64);
        // M, L and S here and there, what an iteration needs, and the decomposition that it starts from.
        (10.0 * m * n + 2.0 * (m + n) * m.min(n)) * self.m.dtype.size() as f64
    }

    fn trace(&self, inputs: &[Option<Tensor>]) -> Vec<Tensor> {
        let [Some(m), ..] = inputs else {
            return Vec::new();
        };
        let found = self.projections.trace(m);
        vec![found.l, found.s, found.iterations, found.status]
    }

    fn reference(&self, inputs: &[Option<HostArray>]) -> Vec<HostArray> {
        let Some(Some(m)) = inputs.first() else {
            return Vec::new();
        };
        let u = m.dtype().unit_roundoff();
        let mut outputs = match m.dtype() {
            DType::F64 => arrays(projections::accelerated::<f64>(&self.projections, m, u), |x| x),
            _ => arrays(projections::accelerated::<f32>(&self.projections, m, u), |x| x),
        };
        // The residual is not among what users are given.
        let status = outputs.pop();
        outputs.truncate(3);
        outputs.into_iter().chain(status).collect()
    }
}
