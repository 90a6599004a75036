//! CUR as something to be verified: its random problems, its ties and degenerate inputs.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::BoxedStrategy;
use tandem_compile::{DType, Graph, HostArray, Result, Tensor, TensorType, trace};
use tandem_verify::strategy::{MatrixCase, matrices};
use tandem_verify::{Law, Outcome, Real, Subject};

use super::{Core, Cur, Select, laws, reference};

/// The outputs in the order in which users know them.
pub const OUTPUTS: [&str; 7] = ["row_index", "col_index", "c", "u", "r", "relative_error", "core_norm"];

/// A problem: the matrix and the parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// A random matrix.
    pub matrix: MatrixCase,
    /// What is done to it before it is used.
    pub twist: Twist,
    /// The parameters.
    pub cur: Cur,
}

/// How a special case departs from random data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twist {
    /// Nothing.
    None,
    /// A = 0.
    Zero,
    /// Entries rounded to -1, 0 or 1 times the scale: many ties.
    Ternary,
    /// The first row and the first column are zero.
    ZeroLines,
    /// Every second column is the one before it, and so are the rows.
    Twins,
    /// Row i is multiplied by 10^8, 1 or 10^-8 in turn.
    GradedRows,
    /// The same with the columns.
    GradedColumns,
    /// One entry is NaN.
    Nan,
    /// One entry is infinite.
    Infinite,
    /// All entries are 1.
    Constant,
    /// Ones on the diagonal: all singular values are equal.
    Identity,
}

/// CUR and its reference.
#[derive(Debug, Clone, Copy)]
pub struct CurSubject;

/// The size of most cases, and how many rows and columns are chosen.
const SIZE: (usize, usize) = (11, 8);
const K: usize = 3;

/// Sizes and parameters of the random cases: few, for each is compiled.
fn programs() -> Vec<(usize, usize, Cur)> {
    let (m, n) = SIZE;
    let selections = Select::NAMES.into_iter().map(|(_, select)| (m, n, Cur::new(K).select(select)));
    let others = [
        (n, m, Cur::new(4).select(Select::Qdeim).core(Core::Cross)),
        (m, n, Cur::new(K).rows(5).core(Core::Stabilised)),
    ];
    selections.chain(others).collect()
}

impl Subject for CurSubject {
    type Case = Case;

    fn name(&self) -> &'static str {
        "cur"
    }

    fn factor(&self) -> f64 {
        32.0
    }

    fn outputs(&self) -> &'static [&'static str] {
        &OUTPUTS
    }

    fn strategy(&self) -> BoxedStrategy<Case> {
        (matrices(12, 12, 1, 20), select(programs()))
            .prop_map(|(mut matrix, (rows, cols, cur))| {
                (matrix.rows, matrix.cols) = (rows, cols);
                // Where the rank is less than what is asked for, what is compared is not determined.
                matrix.rank = matrix.rank.clamp(cur.rows.max(cur.cols), rows.min(cols));
                Case { matrix, twist: Twist::None, cur }
            })
            .boxed()
    }

    fn special(&self) -> Vec<(&'static str, Case)> {
        let (rows, cols) = SIZE;
        let matrix = MatrixCase { seed: 5, rows, cols, rank: 8, decades: 1, exponent: 0 };
        let cur = Cur::new(K);
        let case = |matrix: MatrixCase, twist, cur: &Cur| Case { matrix, twist, cur: cur.clone() };
        let sized = |rows, cols| MatrixCase { rows, cols, rank: 1, ..matrix };
        let low = MatrixCase { rank: 2, ..matrix };
        let mut cases = vec![
            ("ties", case(matrix, Twist::Ternary, &cur)),
            ("zero row and column", case(matrix, Twist::ZeroLines, &cur)),
            ("twins", case(matrix, Twist::Twins, &cur)),
            ("graded rows", case(matrix, Twist::GradedRows, &cur)),
            ("graded columns", case(matrix, Twist::GradedColumns, &cur)),
            ("NaN", case(matrix, Twist::Nan, &cur)),
            ("infinity", case(matrix, Twist::Infinite, &cur)),
            ("constant", case(matrix, Twist::Constant, &cur)),
            ("identity", case(matrix, Twist::Identity, &cur)),
            ("large numbers", case(MatrixCase { exponent: 110, ..matrix }, Twist::None, &cur)),
            ("small numbers", case(MatrixCase { exponent: -60, ..matrix }, Twist::None, &cur)),
            ("all that there are", case(matrix, Twist::None, &Cur::new(8))),
            ("one", case(matrix, Twist::None, &Cur::new(1))),
            ("one by one", case(sized(1, 1), Twist::None, &Cur::new(1))),
            ("one row", case(sized(1, 9), Twist::None, &Cur::new(1))),
            ("one column", case(sized(9, 1), Twist::None, &Cur::new(1))),
            ("cross of twins", case(matrix, Twist::Twins, &Cur::new(5).core(Core::Cross))),
        ];
        for (name, select) in Select::NAMES {
            let cur = cur.clone().select(select);
            cases.push((name, case(low, Twist::None, &cur)));
            cases.push((name, case(matrix, Twist::Zero, &cur)));
        }
        cases
    }

    fn inputs(&self, case: &Case, dtype: DType) -> Vec<HostArray> {
        let a = case.array();
        // The cases stay inside of f32's range: the conversion only rounds.
        vec![a.cast(dtype).unwrap_or(a)]
    }

    fn graph(&self, case: &Case, inputs: &[TensorType]) -> Result<Graph> {
        trace(|a: Tensor| case.cur.trace(&a).into_vec(), inputs)
    }

    fn reference<R: Real>(&self, case: &Case, inputs: &[HostArray], u: f64) -> Outcome<R> {
        reference::decompose(&case.cur, &inputs[0], u)
    }

    fn laws(&self) -> Vec<Law<Case>> {
        laws::laws()
    }
}

impl Case {
    fn array(&self) -> HostArray {
        let a = self.matrix.matrix(DType::F64).to_f64();
        let (rows, cols) = (self.matrix.rows, self.matrix.cols);
        let scale = 2f64.powi(self.matrix.exponent);
        let grade = |at: usize| [1e8, 1.0, 1e-8][at % 3];
        HostArray::from_fn([rows, cols], |at| {
            let (i, j) = (at / cols, at % cols);
            match self.twist {
                Twist::Zero => 0.0,
                Twist::Ternary => (a[at] / scale).clamp(-1.0, 1.0).round() * scale,
                Twist::ZeroLines if i == 0 || j == 0 => 0.0,
                Twist::Twins => a[i / 2 * 2 * cols + j / 2 * 2],
                Twist::GradedRows => a[at] * grade(i),
                Twist::GradedColumns => a[at] * grade(j),
                Twist::Nan if at == 1 % (rows * cols) => f64::NAN,
                Twist::Infinite if at == 1 % (rows * cols) => f64::INFINITY,
                Twist::Constant => 1.0,
                Twist::Identity => f64::from(u8::from(i == j)),
                Twist::None | Twist::ZeroLines | Twist::Nan | Twist::Infinite => a[at],
            }
        })
    }
}
