//! Both as something to be verified: random problems, and degenerate ones.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::BoxedStrategy;
use tandem_compile::{DType, Graph, HostArray, Result, Tensor, TensorType, trace};
use tandem_verify::strategy::{MatrixCase, matrices};
use tandem_verify::{Law, Outcome, Real, Subject};

use super::projector::Projector;
use super::{Form, HouseholderQ, laws, reference};

/// The outputs of `householder-q` in the order in which users know them.
pub const PRODUCT_OUTPUTS: [&str; 1] = ["q"];
/// The outputs of `householder-projector` in the order in which users know them.
pub const PROJECTOR_OUTPUTS: [&str; 6] = ["u_vectors", "v_vectors", "s", "projector", "directions", "distance"];

/// How a special case departs from random data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twist {
    /// Nothing.
    None,
    /// All zero.
    Zero,
    /// The first column is zero.
    ZeroColumn,
    /// Every second column is the one before it.
    Twins,
    /// Ones on the diagonal.
    Identity,
    /// All entries are 1.
    Constant,
    /// Entries rounded to -1, 0 or 1 times the scale.
    Ternary,
    /// Column j is multiplied by 10^8, 1 or 10^-8 in turn.
    GradedColumns,
    /// Row i likewise.
    GradedRows,
    /// One entry is NaN.
    Nan,
    /// One entry is infinite.
    Infinite,
}

/// The numbers of a case.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Data {
    /// A random matrix.
    pub matrix: MatrixCase,
    /// What is done to it before it is used.
    pub twist: Twist,
}

impl Data {
    fn array(&self, dtype: DType) -> HostArray {
        let (rows, cols) = (self.matrix.rows, self.matrix.cols);
        let a = self.matrix.matrix(DType::F64).to_f64();
        let scale = 2f64.powi(self.matrix.exponent);
        let grade = |at: usize| [1e8, 1.0, 1e-8][at % 3];
        let array = HostArray::from_fn([rows, cols], |at| {
            let (i, j) = (at / cols, at % cols);
            match self.twist {
                Twist::Zero => 0.0,
                Twist::ZeroColumn if j == 0 => 0.0,
                Twist::Twins => a[i * cols + j / 2 * 2],
                Twist::Identity => f64::from(u8::from(i == j)),
                Twist::Constant => 1.0,
                Twist::Ternary => (a[at] / scale).clamp(-1.0, 1.0).round() * scale,
                Twist::GradedColumns => a[at] * grade(j),
                Twist::GradedRows => a[at] * grade(i),
                Twist::Nan if at == 1 % (rows * cols) => f64::NAN,
                Twist::Infinite if at == 1 % (rows * cols) => f64::INFINITY,
                Twist::None | Twist::ZeroColumn | Twist::Nan | Twist::Infinite => a[at],
            }
        });
        // The cases stay inside of f32's range: the conversion only rounds.
        array.cast(dtype).unwrap_or(array)
    }
}

/// A problem of `householder-q`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProductCase {
    /// V, `[d, k]`.
    pub data: Data,
    /// The parameters.
    pub product: HouseholderQ,
}

/// `householder-q` and its reference.
#[derive(Debug, Clone, Copy)]
pub struct ProductSubject;

/// d, k and parameters of the random cases: few, for each is compiled.
fn products() -> Vec<(usize, usize, HouseholderQ)> {
    let q = HouseholderQ::new();
    vec![
        (9, 9, q.form(Form::Compact)),
        (40, 37, q.form(Form::Compact).cols(11)),
        (14, 6, q.form(Form::Sequential).cols(6)),
        (11, 7, q.form(Form::Accumulated)),
        (16, 13, q.form(Form::Blocked(4)).cols(9)),
        (8, 11, q.form(Form::Tree)),
        (12, 5, q),
    ]
}

impl Subject for ProductSubject {
    type Case = ProductCase;

    fn name(&self) -> &'static str {
        "householder-q"
    }

    fn factor(&self) -> f64 {
        16.0
    }

    fn outputs(&self) -> &'static [&'static str] {
        &PRODUCT_OUTPUTS
    }

    fn strategy(&self) -> BoxedStrategy<ProductCase> {
        (matrices(12, 12, 3, 40), select(products()))
            .prop_map(|(mut matrix, (rows, cols, product))| {
                (matrix.rows, matrix.cols) = (rows, cols);
                matrix.rank = matrix.rank.clamp(1, rows.min(cols));
                ProductCase { data: Data { matrix, twist: Twist::None }, product }
            })
            .boxed()
    }

    fn special(&self) -> Vec<(&'static str, ProductCase)> {
        let matrix = MatrixCase { seed: 5, rows: 9, cols: 6, rank: 6, decades: 0, exponent: 0 };
        let q = HouseholderQ::new().form(Form::Compact);
        let case = |matrix, twist, product| ProductCase { data: Data { matrix, twist }, product };
        let sized = |rows, cols| MatrixCase { rows, cols, rank: 1, ..matrix };
        let mut cases = vec![
            ("NaN", case(matrix, Twist::Nan, q)),
            ("infinity", case(matrix, Twist::Infinite, q)),
            ("unit vectors", case(matrix, Twist::Identity, q)),
            ("constant", case(matrix, Twist::Constant, q)),
            ("ternary", case(matrix, Twist::Ternary, q)),
            ("graded columns", case(matrix, Twist::GradedColumns, q)),
            ("graded rows", case(matrix, Twist::GradedRows, q)),
            ("near overflow", case(MatrixCase { exponent: 120, ..matrix }, Twist::None, q)),
            ("near underflow", case(MatrixCase { exponent: -110, ..matrix }, Twist::None, q)),
            ("in one dimension", case(sized(1, 1), Twist::None, q)),
            ("many in one dimension", case(sized(1, 5), Twist::None, q)),
            ("one reflection", case(sized(9, 1), Twist::None, q)),
            ("one column", case(matrix, Twist::None, q.cols(1))),
        ];
        for (name, form) in Form::NAMES {
            let q = q.form(if name == "blocked" { Form::Blocked(4) } else { form });
            cases.push((name, case(matrix, Twist::Zero, q)));
            cases.push((name, case(matrix, Twist::ZeroColumn, q)));
            cases.push((name, case(matrix, Twist::Twins, q)));
        }
        cases
    }

    fn inputs(&self, case: &ProductCase, dtype: DType) -> Vec<HostArray> {
        vec![case.data.array(dtype)]
    }

    fn graph(&self, case: &ProductCase, inputs: &[TensorType]) -> Result<Graph> {
        trace(|v: Tensor| case.product.trace(&v).into_vec(), inputs)
    }

    fn reference<R: Real>(&self, case: &ProductCase, inputs: &[HostArray], _: f64) -> Outcome<R> {
        reference::product(&case.product, &inputs[0])
    }

    fn laws(&self) -> Vec<Law<ProductCase>> {
        laws::product::laws()
    }
}

/// A problem of `householder-projector`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProjectorCase {
    /// W, `[m, n]`.
    pub data: Data,
    /// The parameters.
    pub projector: Projector,
}

/// `householder-projector` and its reference.
#[derive(Debug, Clone, Copy)]
pub struct ProjectorSubject;

/// m, n and N of the random cases: few, for each is compiled.
const PROJECTORS: [(usize, usize, usize); 4] = [(9, 6, 3), (9, 6, 6), (5, 7, 2), (6, 6, 6)];

impl Subject for ProjectorSubject {
    type Case = ProjectorCase;

    fn name(&self) -> &'static str {
        "householder-projector"
    }

    fn factor(&self) -> f64 {
        32.0
    }

    fn outputs(&self) -> &'static [&'static str] {
        &PROJECTOR_OUTPUTS
    }

    fn strategy(&self) -> BoxedStrategy<ProjectorCase> {
        (matrices(12, 12, 1, 20), select(PROJECTORS.to_vec()))
            .prop_map(|(mut matrix, (rows, cols, rank))| {
                (matrix.rows, matrix.cols) = (rows, cols);
                // Of a matrix of lower rank the projector is not determined.
                matrix.rank = matrix.rank.clamp(rank, rows.min(cols));
                ProjectorCase { data: Data { matrix, twist: Twist::None }, projector: Projector::new(rank) }
            })
            .boxed()
    }

    fn special(&self) -> Vec<(&'static str, ProjectorCase)> {
        let matrix = MatrixCase { seed: 7, rows: 9, cols: 6, rank: 6, decades: 1, exponent: 0 };
        let case =
            |matrix, twist, rank| ProjectorCase { data: Data { matrix, twist }, projector: Projector::new(rank) };
        let sized = |rows, cols| MatrixCase { rows, cols, rank: 1, ..matrix };
        let low = MatrixCase { rank: 2, ..matrix };
        vec![
            ("NaN", case(matrix, Twist::Nan, 3)),
            ("infinity", case(matrix, Twist::Infinite, 3)),
            ("zero", case(matrix, Twist::Zero, 3)),
            ("equal singular values", case(matrix, Twist::Identity, 3)),
            ("an isometry already", case(matrix, Twist::Identity, 6)),
            ("constant", case(matrix, Twist::Constant, 3)),
            ("twins", case(matrix, Twist::Twins, 3)),
            ("lower rank", case(low, Twist::None, 3)),
            ("ternary", case(matrix, Twist::Ternary, 3)),
            ("zero column", case(matrix, Twist::ZeroColumn, 6)),
            ("graded columns", case(matrix, Twist::GradedColumns, 3)),
            ("large numbers", case(MatrixCase { exponent: 110, ..matrix }, Twist::None, 3)),
            ("small numbers", case(MatrixCase { exponent: -110, ..matrix }, Twist::None, 3)),
            ("one by one", case(sized(1, 1), Twist::None, 1)),
            ("one column", case(sized(3, 1), Twist::None, 1)),
        ]
    }

    fn inputs(&self, case: &ProjectorCase, dtype: DType) -> Vec<HostArray> {
        vec![case.data.array(dtype)]
    }

    fn graph(&self, case: &ProjectorCase, inputs: &[TensorType]) -> Result<Graph> {
        trace(|w: Tensor| case.projector.trace(&w).into_vec(), inputs)
    }

    fn reference<R: Real>(&self, case: &ProjectorCase, inputs: &[HostArray], u: f64) -> Outcome<R> {
        reference::nearest(&case.projector, &inputs[0], u)
    }

    fn laws(&self) -> Vec<Law<ProjectorCase>> {
        laws::projector::laws()
    }
}
