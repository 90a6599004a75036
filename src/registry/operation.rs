//! The factorizations and solvers, as the registry knows them.

use tandem_compile::{DType, HostArray, Lowering, Tensor, TensorType};
use tandem_linalg::operation::{Operation, OperationSubject};
use tandem_verify::{Backend, Certificate, Options, check};

use super::{Algorithm, Elements, Example, Input, Kind, Output, Parameter, Problem, Settings, arrays, required};

/// An operation of linear algebra.
pub struct Linear(pub Operation);

const A: Input =
    Input { name: "a", shape: "[m, n]", elements: Elements::Real, optional: false, about: "the matrix, of any shape" };
const SQUARE: Input =
    Input { name: "a", shape: "[n, n]", elements: Elements::Real, optional: false, about: "a square matrix" };
const SYMMETRIC: Input = Input {
    name: "a",
    shape: "[n, n]",
    elements: Elements::Real,
    optional: false,
    about: "a symmetric matrix, of which the lower triangle is read",
};
const B: Input = Input {
    name: "b",
    shape: "[m, ...]",
    elements: Elements::Real,
    optional: false,
    about: "the right-hand side [m], or several in columns [m, r]",
};

const fn output(name: &'static str, shape: &'static str, about: &'static str) -> Output {
    Output { name, shape, elements: Elements::Real, about }
}

impl Algorithm for Linear {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn about(&self) -> &'static str {
        match self.0 {
            Operation::Qr => "reduced QR factorization: a = q r",
            Operation::Lu => "LU factorization with partial pivoting: a = p l u",
            Operation::Cholesky => "Cholesky factorization of a positive definite matrix: a = l l'",
            Operation::Eigh => "eigenvalues and eigenvectors of a symmetric matrix: a v = v diag(w)",
            Operation::Svd => "thin singular value decomposition: a = u diag(s) vh",
            Operation::Polar => "polar decomposition: a = u p with p symmetric positive semidefinite",
            Operation::Pinv => "the pseudoinverse, with singular values up to max(m, n) eps of the largest as zero",
            Operation::Lstsq => "least squares: the x of smallest norm that makes |a x - b| smallest",
            Operation::Solve => "linear system: the x with a x = b",
        }
    }

    fn inputs(&self) -> &'static [Input] {
        match self.0 {
            Operation::Qr | Operation::Lu | Operation::Svd | Operation::Polar | Operation::Pinv => &[A],
            Operation::Cholesky | Operation::Eigh => &[SYMMETRIC],
            Operation::Lstsq => &[A, B],
            Operation::Solve => &[SQUARE, B],
        }
    }

    fn outputs(&self) -> &'static [Output] {
        match self.0 {
            Operation::Qr => {
                const {
                    &[
                        output("q", "[m, k]", "orthonormal columns; k = min(m, n)"),
                        output("r", "[k, n]", "upper triangular"),
                    ]
                }
            }
            Operation::Lu => {
                const {
                    &[
                        output("p", "[m, m]", "a permutation matrix"),
                        output("l", "[m, k]", "lower triangular with ones on its diagonal; k = min(m, n)"),
                        output("u", "[k, n]", "upper triangular"),
                    ]
                }
            }
            Operation::Cholesky => const { &[output("l", "[n, n]", "lower triangular")] },
            Operation::Eigh => {
                const {
                    &[
                        output("w", "[n]", "the eigenvalues, increasing"),
                        output("v", "[n, n]", "orthonormal eigenvectors, in columns"),
                    ]
                }
            }
            Operation::Svd => {
                const {
                    &[
                        output("u", "[m, k]", "left singular vectors, in columns; k = min(m, n)"),
                        output("s", "[k]", "the singular values, decreasing"),
                        output("vh", "[k, n]", "right singular vectors, in rows"),
                    ]
                }
            }
            Operation::Polar => {
                const {
                    &[
                        output("u", "[m, n]", "orthonormal columns (rows where m < n)"),
                        output("p", "[n, n]", "symmetric positive semidefinite"),
                    ]
                }
            }
            Operation::Pinv => const { &[output("pinv", "[n, m]", "the pseudoinverse")] },
            Operation::Lstsq | Operation::Solve => const { &[output("x", "[n, ...]", "the solution, shaped as b")] },
        }
    }

    fn parameters(&self) -> &'static [Parameter] {
        const WORDS: &[&str] = &["auto", Lowering::NAMES[0].0, Lowering::NAMES[1].0];
        &[Parameter {
            name: "lowering",
            kind: Kind::Choice(WORDS),
            default: Some("auto"),
            about: "how a device computes it: by StableHLO alone (portable), by kernels of the platform's own (native), or \
                    by those where there are any (auto)",
        }]
    }

    fn example(&self) -> Example {
        let inputs: &[(&str, &[usize])] = match self.0 {
            Operation::Lstsq => &[("a", &[128, 64]), ("b", &[128, 2])],
            Operation::Solve => &[("a", &[64, 64]), ("b", &[64, 2])],
            operation if operation.is_square() => &[("a", &[64, 64])],
            _ => &[("a", &[128, 64])],
        };
        Example { settings: &[], inputs }
    }

    fn problem(&self, settings: &Settings, inputs: &[Option<TensorType>]) -> Result<Box<dyn Problem>, String> {
        let a = required(inputs, 0, "a")?;
        let b = if self.0.takes_b() { Some(required(inputs, 1, "b")?) } else { None };
        self.0.check(&a.shape, b.map(|b| &b.shape[..]))?;
        let word = settings.choice("lowering");
        let lowering = Lowering::NAMES.iter().find(|(name, _)| *name == word).map(|&(_, lowering)| lowering);
        Ok(Box::new(LinearProblem { operation: self.0, lowering, a: a.clone(), b: b.cloned() }))
    }

    fn check(&self, backend: Option<&dyn Backend>, options: &Options) -> Certificate {
        check(&OperationSubject(self.0), backend, options)
    }
}

struct LinearProblem {
    operation: Operation,
    lowering: Option<Lowering>,
    a: TensorType,
    b: Option<TensorType>,
}

impl Problem for LinearProblem {
    fn bytes(&self) -> f64 {
        let (m, n) = (self.a.shape[0] as f64, self.a.shape[1] as f64);
        let b = self.b.as_ref().map_or(0.0, |b| b.len() as f64);
        let square = if self.operation == Operation::Lu { m * m } else { 0.0 };
        // Factors and what they are computed in count on the device and on the host.
        (8.0 * m * n + 2.0 * m.min(n) * m.min(n) + 2.0 * square + 4.0 * b) * self.a.dtype.size() as f64
    }

    fn lowering(&self) -> Option<Lowering> {
        self.lowering
    }

    fn trace(&self, inputs: &[Option<Tensor>]) -> Vec<Tensor> {
        match inputs {
            [Some(a)] => self.operation.trace(a, None),
            [Some(a), b] => self.operation.trace(a, b.as_ref()),
            _ => Vec::new(),
        }
    }

    fn reference(&self, inputs: &[Option<HostArray>]) -> Vec<HostArray> {
        let Some(Some(a)) = inputs.first() else {
            return Vec::new();
        };
        let b = inputs.get(1).and_then(Option::as_ref);
        let u = a.dtype().unit_roundoff();
        match a.dtype() {
            DType::F64 => arrays(self.operation.reference::<f64>(a, b, u), |x| x),
            _ => arrays(self.operation.reference::<f32>(a, b, u), |x| x),
        }
    }
}
