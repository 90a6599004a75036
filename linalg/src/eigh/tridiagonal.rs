//! Householder reduction of a symmetric matrix to tridiagonal form, blocked (LAPACK's `latrd`).
//!
//! Of a panel's columns only what the reflections need is updated; the rest of the matrix follows once per panel, in one
//! matrix product. The full square is stored, so that a column is a row of memory. Since shapes are static, a loop over all
//! panels works on the full size to the end; after half of the columns it is therefore begun anew on the trailing quarter.

use tandem_compile::{DType, Tensor, concatenate, fori_loop, iota, scalar, zeros};

/// Up to this size halving gains less time than it takes to compile: at n = 512, two stages more (a limit of 96) save 5% and
/// compile twice as long.
const STAGE: usize = 256;

/// The reflections of one stage, by panels.
pub(super) struct Stage {
    /// How many rows of the whole matrix come before the stage's.
    pub offset: usize,
    /// `[panels, width, m]`: the vectors v of I - tau v v', a row each.
    pub vectors: Tensor,
    /// `[panels, width]`.
    pub tau: Tensor,
}

/// A = Q T Q' with Q the product of the stages' reflections.
pub(super) struct Tridiagonal {
    /// `[n]`: the diagonal of T.
    pub diagonal: Tensor,
    /// `[n - 1]`: the elements beside it.
    pub beside: Tensor,
    /// In the order in which they were made.
    pub stages: Vec<Stage>,
}

/// How many columns make a panel.
fn width(n: usize) -> usize {
    (n / 2).clamp(4, 32)
}

/// n rounded up to whole panels: the size that the reflections have.
pub(super) fn padded(n: usize) -> usize {
    n.next_multiple_of(width(n))
}

/// a: `[n, n]`, symmetric, its largest element about 1.
pub(super) fn tridiagonal(a: &Tensor) -> Tridiagonal {
    let n = a.dim(0);
    let (width, size) = (width(n), padded(n));
    let margin = (0, (size - n) as i64, 0);
    let mut rest = a.pad(0.0, &[margin, margin]);
    let (mut stages, mut diagonal, mut beside, mut offset) = (Vec::new(), Vec::new(), Vec::new(), 0);
    while offset < size {
        let m = size - offset;
        let half = m / 2 / width * width;
        let columns = if m <= STAGE || half == 0 { m } else { half };
        let (trailing, reduced) = reduce(&rest, columns / width, width);
        diagonal.push(reduced.diagonal.slice(0, 0, columns));
        beside.push(reduced.beside.slice(0, 0, columns));
        stages.push(Stage { offset, vectors: reduced.vectors, tau: reduced.tau });
        rest = trailing.slice(0, columns, m).slice(1, columns, m);
        offset += columns;
    }
    let joined =
        |parts: &[Tensor], length: usize| concatenate(&parts.iter().collect::<Vec<_>>(), 0).slice(0, 0, length);
    Tridiagonal { diagonal: joined(&diagonal, n), beside: joined(&beside, n - 1), stages }
}

/// What the reduction has found so far.
#[derive(Clone)]
struct Reduced {
    diagonal: Tensor,
    beside: Tensor,
    vectors: Tensor,
    tau: Tensor,
}

tandem_compile::tree!(Reduced { diagonal, beside, vectors, tau });

/// The first `panels * width` columns; the matrix with its trailing part updated.
fn reduce(a: &Tensor, panels: usize, width: usize) -> (Tensor, Reduced) {
    let (m, dtype) = (a.dim(0), a.dtype());
    let none = Reduced {
        diagonal: zeros([m], dtype),
        beside: zeros([m], dtype),
        vectors: zeros([panels, width, m], dtype),
        tau: zeros([panels, width], dtype),
    };
    fori_loop(0, panels as i32, (a.clone(), none), |panel, (a, mut reduced)| {
        let begin = (zeros([2 * width, m], dtype), zeros([width], dtype), reduced.diagonal, reduced.beside);
        let (vw, tau, diagonal, beside) = fori_loop(0, width as i32, begin, |j, (vw, tau, diagonal, beside)| {
            let c = &panel * width as i32 + &j;
            let column = eliminate(&a, &vw, &c);
            let vw = set(&vw, &column.v, &j);
            (
                set(&vw, &column.w, &(&j + width as i32)),
                set(&tau, &column.tau, &j),
                set(&diagonal, &column.diagonal, &c),
                set(&beside, &column.beside, &c),
            )
        });
        reduced = Reduced {
            diagonal,
            beside,
            vectors: set(&reduced.vectors, &vw.slice(0, 0, width), &panel),
            tau: set(&reduced.tau, &tau, &panel),
        };
        (a - vw.contract(&swapped(&vw), 0, 0), reduced)
    })
}

/// One column's reflection and what it gives.
struct Eliminated {
    v: Tensor,
    w: Tensor,
    tau: Tensor,
    diagonal: Tensor,
    beside: Tensor,
}

/// Makes column c zero below its subdiagonal.
///
/// vw: `[2 width, m]`, the panel's v and then its w so far, so that the matrix at this point is A - V'W - W'V.
fn eliminate(a: &Tensor, vw: &Tensor, c: &Tensor) -> Eliminated {
    let position = iota([a.dim(0)], 0, DType::I32);
    let column = a.index(0, c) - swapped(&vw.index(1, c)).dot(vw);
    let next = c + 1;
    let alpha = column.index(0, &next);
    let tail = position.gt(&next).select(&column, 0.0);
    let square = tail.dot(&tail);
    let zero = square.le(negligible(a.dtype()));
    let norm = (alpha.square() + &square).sqrt();
    let beta = zero.select(&alpha, alpha.gt(0.0).select(-&norm, &norm));
    let tau = zero.select(0.0, (&beta - &alpha) / zero.select(1.0, &beta));
    let v = position.eq(&next).select(1.0, zero.select(0.0, &tail) / zero.select(1.0, &alpha - &beta));
    let product = a.dot(&v) - swapped(&vw.dot(&v)).dot(vw);
    let y = position.gt(c).select(product, 0.0) * &tau;
    let w = &y - (&tau * y.dot(&v) * 0.5) * &v;
    Eliminated { diagonal: column.index(0, c), beside: beta, v, w, tau }
}

/// A square below which a column counts as zero: far below the rounding errors of a matrix of norm 1, and far enough above
/// the underflow threshold that the squares of what is not zero are accurate.
fn negligible(dtype: DType) -> f64 {
    let tiny = if dtype == DType::F64 { f64::MIN_POSITIVE } else { f64::from(f32::MIN_POSITIVE) };
    tiny / dtype.unit_roundoff().powi(2)
}

/// The second half of the first axis before the first half.
fn swapped(x: &Tensor) -> Tensor {
    let half = x.dim(0) / 2;
    concatenate(&[&x.slice(0, half, 2 * half), &x.slice(0, 0, half)], 0)
}

/// `x` with slice i of its first axis replaced.
fn set(x: &Tensor, slice: &Tensor, i: &Tensor) -> Tensor {
    let zero = scalar(0i32);
    let starts: Vec<&Tensor> = std::iter::once(i).chain((1..x.ndim()).map(|_| &zero)).collect();
    x.dynamic_update_slice(&slice.expand_dims(0), &starts)
}
