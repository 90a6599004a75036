//! Cholesky factorization and triangular substitution.

use num_complex::Complex64;
use tandem_compile::ops::Kind;
use tandem_compile::ops::factor::TriangularSolve;
use tandem_compile::{DType, TensorType};

use crate::record::{Argument, Budget, Case, Derivative, Record, Refusal, Values};

const DTYPES: [DType; 2] = [DType::F64, DType::F32];

fn size(shape: &[usize]) -> usize {
    shape.last().copied().unwrap_or(1)
}

/// The lower factors of matrices, of which the lower half is read, without a conjugate.
fn factors(a: &[Complex64], n: usize) -> Vec<Complex64> {
    let zero = Complex64::new(0.0, 0.0);
    let mut l = vec![zero; a.len()];
    for (l, a) in l.chunks_mut((n * n).max(1)).zip(a.chunks((n * n).max(1))) {
        for j in 0..n {
            for i in j..n {
                let rest = a[i * n + j] - (0..j).map(|k| l[i * n + k] * l[j * n + k]).sum::<Complex64>();
                l[i * n + j] = if i == j { rest.sqrt() } else { rest / l[j * n + j] };
            }
        }
    }
    l
}

pub fn cholesky() -> Record {
    let shapes: [&[usize]; 7] = [&[1, 1], &[0, 0], &[3, 3], &[2, 5, 5], &[0, 3, 3], &[2, 1, 1, 1], &[37, 37]];
    let mut cases = Vec::new();
    for dtype in DTYPES {
        for shape in shapes {
            let n = size(shape);
            cases.push(Case {
                label: TensorType::new(dtype, shape).to_string(),
                f: Box::new(|x| vec![x[0].cholesky()]),
                arguments: vec![Argument { ty: TensorType::new(dtype, shape), values: Values::PositiveDefinite }],
                budget: Budget::OfLargest(4.0 + n as f64, "sums of n products, in blocks on the device"),
                derivative: Derivative::Complex(Box::new(move |x| vec![factors(&x[0], n)])),
            });
        }
        cases.extend(given(dtype));
    }
    let refuse = |dtype, shape: &[usize], message| Refusal {
        f: Box::new(|x| drop(x[0].cholesky())),
        arguments: vec![TensorType::new(dtype, shape)],
        message,
    };
    let refusals = vec![
        refuse(DType::F32, &[2, 3], "cholesky: square matrices of f64 or f32 expected, got f32[2,3]"),
        refuse(DType::F16, &[3, 3], "cholesky: square matrices of f64 or f32 expected, got f16[3,3]"),
        refuse(DType::I32, &[3, 3], "got i32[3,3]"),
        refuse(DType::F64, &[3], "got f64[3]"),
    ];
    Record { kind: Kind::Cholesky, cases, refusals }
}

/// Matrices that are not positive definite, and an upper half that is not to be read.
fn given(dtype: DType) -> Vec<Case> {
    let case = |label: &str, shape: &[usize], values: &[f64]| Case {
        label: format!("{dtype}, {label}"),
        f: Box::new(|x| vec![x[0].cholesky()]),
        arguments: vec![Argument { ty: TensorType::new(dtype, shape), values: Values::Given(values.to_vec()) }],
        budget: Budget::OfLargest(4.0, "three roundings per element"),
        derivative: Derivative::None,
    };
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    vec![
        case("indefinite beside definite", &[2, 2, 2], &[1.0, 2.0, 2.0, 1.0, 4.0, 2.0, 2.0, 5.0]),
        case("NaN in the lower half", &[2, 2], &[1.0, 0.5, nan, 1.0]),
        case("NaN in the upper half", &[2, 2], &[1.0, nan, 0.5, 1.0]),
        case("infinity in the upper half", &[2, 2], &[1.0, inf, 0.5, 1.0]),
        case("zero", &[3, 3], &[0.0]),
        case("numbers", &[5, 1, 1], &[0.0, -1.0, nan, -0.0, 4.0]),
    ]
}

/// Which element of the triangle stands at (i, j), of those that are read.
fn element(t: &[Complex64], n: usize, solve: TriangularSolve, i: usize, j: usize) -> Complex64 {
    let (i, j) = if solve.transpose { (j, i) } else { (i, j) };
    let inside = if solve.lower { i >= j } else { i <= j };
    match (i == j && solve.unit_diagonal, inside) {
        (true, _) => Complex64::new(1.0, 0.0),
        (_, true) => t[i * n + j],
        (_, false) => Complex64::new(0.0, 0.0),
    }
}

/// Gaussian elimination without pivots, one right-hand side after the other: it does not know which half is zero.
fn eliminated(t: &[Complex64], n: usize, solve: TriangularSolve, b: Vec<Complex64>) -> Vec<Complex64> {
    let at = |i: usize, j: usize| if solve.left { element(t, n, solve, i, j) } else { element(t, n, solve, j, i) };
    let mut rows: Vec<Vec<Complex64>> = (0..n).map(|i| (0..n).map(|j| at(i, j)).chain([b[i]]).collect()).collect();
    for pivot in 0..n {
        let row = rows[pivot].clone();
        for (i, other) in rows.iter_mut().enumerate().filter(|(i, _)| *i != pivot) {
            debug_assert_ne!(i, pivot);
            let factor = other[pivot] / row[pivot];
            other.iter_mut().zip(&row).for_each(|(x, y)| *x -= factor * y);
        }
    }
    (0..n).map(|i| rows[i][n] / rows[i][i]).collect()
}

fn solved(x: &[Vec<Complex64>], n: usize, vectors: usize, solve: TriangularSolve) -> Vec<Complex64> {
    let mut out = x[1].clone();
    if out.is_empty() {
        return out;
    }
    for (t, b) in x[0].chunks(n * n).zip(out.chunks_mut(n * vectors)) {
        for vector in 0..vectors {
            let at = |i: usize| if solve.left { i * vectors + vector } else { vector * n + i };
            let found = eliminated(t, n, solve, (0..n).map(|i| b[at(i)]).collect());
            found.into_iter().enumerate().for_each(|(i, x)| b[at(i)] = x);
        }
    }
    out
}

fn solves() -> Vec<TriangularSolve> {
    (0..16)
        .map(|bits| TriangularSolve {
            left: bits & 1 > 0,
            lower: bits & 2 > 0,
            transpose: bits & 4 > 0,
            unit_diagonal: bits & 8 > 0,
        })
        .collect()
}

pub fn triangular_solve() -> Record {
    let mut cases = Vec::new();
    for dtype in DTYPES {
        for solve in solves() {
            cases.push(substitution(dtype, &[], 3, 2, solve));
            cases.push(substitution(dtype, &[2], 5, 3, solve));
        }
        let solve = TriangularSolve { left: true, lower: true, transpose: false, unit_diagonal: false };
        for (batch, n, vectors) in
            [(&[][..], 0, 2), (&[], 3, 0), (&[], 1, 1), (&[2, 0], 3, 2), (&[2, 2], 2, 1), (&[], 29, 5)]
        {
            cases.push(substitution(dtype, batch, n, vectors, solve));
            cases.push(substitution(dtype, batch, n, vectors, TriangularSolve { left: false, ..solve }));
        }
        cases.push(unread(dtype, solve));
    }
    Record { kind: Kind::TriangularSolve, cases, refusals: solve_refusals() }
}

fn substitution(dtype: DType, batch: &[usize], n: usize, vectors: usize, solve: TriangularSolve) -> Case {
    let t = TensorType::new(dtype, [batch, &[n, n]].concat());
    let sides = if solve.left { [n, vectors] } else { [vectors, n] };
    let b = TensorType::new(dtype, [batch, &sides].concat());
    // Below a diagonal of ones large elements would make the solution grow with every step.
    let values = if solve.unit_diagonal { Values::Between(-0.4, 0.4) } else { Values::PositiveDefinite };
    Case {
        label: format!("{t}, {b}, {solve:?}"),
        f: Box::new(move |x| vec![x[0].triangular_solve(&x[1], solve)]),
        arguments: vec![Argument { ty: t, values }, Argument { ty: b, values: Values::Between(-3.0, 3.0) }],
        budget: Budget::OfLargest(
            8.0 + 2.0 * n as f64,
            "sums of n products; the device inverts blocks of the diagonal",
        ),
        derivative: Derivative::Complex(Box::new(move |x| vec![solved(x, n, vectors, solve)])),
    }
}

/// NaN above the diagonal, and on it where it counts as ones.
fn unread(dtype: DType, solve: TriangularSolve) -> Case {
    let solve = TriangularSolve { unit_diagonal: true, ..solve };
    let given = |shape: [usize; 2], values: &[f64]| Argument {
        ty: TensorType::new(dtype, shape),
        values: Values::Given(values.to_vec()),
    };
    let nan = f64::NAN;
    Case {
        label: format!("{dtype}, NaN where nothing is read"),
        f: Box::new(move |x| vec![x[0].triangular_solve(&x[1], solve)]),
        arguments: vec![
            given([3, 3], &[nan, nan, nan, 0.5, nan, nan, -0.25, 0.5, nan]),
            given([3, 2], &[1.0, 2.0, 3.0, -1.0, 0.5, 0.0]),
        ],
        budget: Budget::OfLargest(4.0, "two roundings per element"),
        derivative: Derivative::None,
    }
}

fn solve_refusals() -> Vec<Refusal> {
    let refuse = |t: (DType, &[usize]), b: (DType, &[usize]), message| Refusal {
        f: Box::new(|x| {
            let solve = TriangularSolve { left: true, lower: true, transpose: false, unit_diagonal: false };
            drop(x[0].triangular_solve(&x[1], solve));
        }),
        arguments: vec![TensorType::new(t.0, t.1), TensorType::new(b.0, b.1)],
        message,
    };
    use DType::{BF16, F32, F64};
    vec![
        refuse(
            (F32, &[2, 3]),
            (F32, &[2, 1]),
            "triangular_solve: square matrices of f64 or f32 expected, got f32[2,3]",
        ),
        refuse((BF16, &[2, 2]), (BF16, &[2, 1]), "got bf16[2,2]"),
        refuse((F32, &[3, 3]), (F32, &[2, 1]), "sizes do not fit, f32[3,3] and f32[2,1]"),
        refuse((F32, &[3, 3]), (F64, &[3, 1]), "sizes do not fit, f32[3,3] and f64[3,1]"),
        refuse((F32, &[2, 3, 3]), (F32, &[3, 1]), "sizes do not fit"),
    ]
}
