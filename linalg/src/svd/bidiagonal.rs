//! Reduction to bidiagonal form by reflections from both sides, blocked, and the way back.
//!
//! J. Dongarra, D. Sorensen and S. Hammarling, "Block reduction of matrices to condensed forms for eigenvalue computations",
//! J. Comput. Appl. Math. 27, 1989 (LAPACK's labrd). A panel's reflections are kept as a correction of low rank, and the
//! matrix is read only twice per column, once for each side.

use tandem_compile::{DType, DotGeneral, Tensor, concatenate, fori_loop, iota, number, scalar, zeros};

use crate::qr::wy::triangular_factor;

/// Columns in a panel.
const WIDTH: usize = 32;

/// A stage works on a matrix of fixed size, and from half of its columns on a new stage on the rest: static shapes do not
/// shrink otherwise. A rest of at most this many columns is one stage.
const SMALLEST_STAGE: usize = 128;

/// A = Q B P' with an upper bidiagonal B.
pub(crate) struct Bidiagonal {
    /// `[n]`: the diagonal of B.
    pub diagonal: Tensor,
    /// `[n]`: the elements above the diagonal; the last one is zero.
    pub above: Tensor,
    /// Q, whose reflections have m elements.
    pub left: Reflections,
    /// P, whose reflections have n elements.
    pub right: Reflections,
}

/// A product of reflections I - tau v v', first ones first.
pub(crate) struct Reflections {
    size: usize,
    stages: Vec<Stage>,
}

/// The reflections of one stage, which act on the elements from `first` on.
struct Stage {
    first: usize,
    /// `[panels, width, size - first]`, a reflection's vector as a row.
    vectors: Tensor,
    /// `[panels, width]`
    taus: Tensor,
}

/// The width of a panel for n columns in all.
fn panel_width(n: usize) -> usize {
    if n <= 4 * WIDTH { n.div_ceil(4).next_power_of_two().min(WIDTH) } else { WIDTH }
}

/// Q B P' = a. a: `[m, n]`, m >= n >= 1, whose squares are in range.
#[track_caller]
pub(crate) fn bidiagonalize(a: &Tensor) -> Bidiagonal {
    let (m, n) = (a.dim(0), a.dim(1));
    let width = panel_width(n);
    // Zero columns get reflections that are the identity.
    let more = n.next_multiple_of(width) - n;
    let mut rest = a.pad(0.0, &[(0, more as i64, 0), (0, more as i64, 0)]);
    let mut first = 0;
    let (mut diagonal, mut above, mut left, mut right) = (vec![], vec![], vec![], vec![]);
    loop {
        let columns = rest.dim(1);
        let half = columns / 2 / width * width;
        let done = if columns <= SMALLEST_STAGE || half == 0 { columns } else { half };
        let stage = reduce(&rest, done, width);
        diagonal.push(stage.diagonal);
        above.push(stage.above);
        left.push(Stage { first, vectors: stage.left, taus: stage.left_taus });
        right.push(Stage { first, vectors: stage.right, taus: stage.right_taus });
        if done == columns {
            break;
        }
        rest = stage.rest.slice(0, done, rest.dim(0)).slice(1, done, columns);
        first += done;
    }
    let joined = |parts: &[Tensor]| concatenate(&parts.iter().collect::<Vec<_>>(), 0).slice(0, 0, n);
    Bidiagonal {
        diagonal: joined(&diagonal),
        above: joined(&above),
        left: Reflections { size: m + more, stages: left },
        right: Reflections { size: n + more, stages: right },
    }
}

/// What is known after some columns of a matrix.
struct Reduced {
    rest: Tensor,
    diagonal: Tensor,
    above: Tensor,
    left: Tensor,
    left_taus: Tensor,
    right: Tensor,
    right_taus: Tensor,
}

/// The first `columns` columns and rows of `a` reduced, in panels of `width`.
fn reduce(a: &Tensor, columns: usize, width: usize) -> Reduced {
    let (m, n) = (a.dim(0), a.dim(1));
    let panels = columns / width;
    let dtype = a.dtype();
    let zero = scalar(0i32);
    let vectors = |size: usize| zeros([panels, width, size], dtype);
    let numbers = || [(); 4].map(|()| zeros([panels, width], dtype));
    let init = (a.clone(), vectors(m), vectors(n), numbers());
    let (rest, left, right, numbers) = fori_loop(0, panels as i32, init, |panel, (a, left, right, numbers)| {
        let first = &panel * scalar(width as i32);
        let done = reduce_panel(&a, &first, width);
        let rest = &a - done.rows.contract(&done.columns, 0, 0);
        let kept = |all: &Tensor, one: &Tensor, from: usize| {
            let one = one.slice(0, from, from + width).reshape([1, width, one.dim(1)]);
            all.dynamic_update_slice(&one, &[&panel, &zero, &zero])
        };
        let (left, right) = (kept(&left, &done.rows, 0), kept(&right, &done.columns, width));
        let mut found = done.numbers.iter();
        let numbers = numbers.map(|all| match found.next() {
            Some(one) => all.dynamic_update_slice(&one.reshape([1, width]), &[&panel, &zero]),
            None => all,
        });
        (rest, left, right, numbers)
    });
    let [diagonal, above, left_taus, right_taus] = numbers;
    let (diagonal, above) = (diagonal.flatten(), above.flatten());
    Reduced { rest, diagonal, above, left, left_taus, right, right_taus }
}

/// A panel's reflections, and what is left to do to the matrix: A - rows' columns.
struct Panel {
    /// `[2 width, m]`: the left reflections' vectors v_j, then x_j.
    rows: Tensor,
    /// `[2 width, n]`: y_j, then the right reflections' vectors u_j.
    columns: Tensor,
    /// The diagonal, the elements above it, the left taus, the right taus.
    numbers: [Tensor; 4],
}

/// The columns of `a` from `first` on, `width` of them, and the rows of the same numbers.
fn reduce_panel(a: &Tensor, first: &Tensor, width: usize) -> Panel {
    let (m, n) = (a.dim(0), a.dim(1));
    let dtype = a.dtype();
    let zero = scalar(0i32);
    let init = (zeros([2 * width, m], dtype), zeros([2 * width, n], dtype), [(); 4].map(|()| zeros([width], dtype)));
    let (rows, columns, numbers) = fori_loop(0, width as i32, init, |j, (rows, columns, numbers)| {
        let at = first + &j;
        let next = &at + 1;
        let second = &j + width as i32;
        // The present matrix is A - rows' columns.
        let column = a.index(1, &at) - columns.index(1, &at).dot(&rows);
        let left = reflection(&column, &at);
        let y = left.vector.dot(a) - rows.dot(&left.vector).dot(&columns);
        let y = after(n, &at).select(y * &left.tau, 0.0);
        let rows = rows.dynamic_update_slice(&left.vector.reshape([1, m]), &[&j, &zero]);
        let columns = columns.dynamic_update_slice(&y.reshape([1, n]), &[&j, &zero]);
        let row = a.index(0, &at) - rows.index(1, &at).dot(&columns);
        let right = reflection(&row, &next);
        let x = a.dot(&right.vector) - columns.dot(&right.vector).dot(&rows);
        let x = after(m, &at).select(x * &right.tau, 0.0);
        let rows = rows.dynamic_update_slice(&x.reshape([1, m]), &[&second, &zero]);
        let columns = columns.dynamic_update_slice(&right.vector.reshape([1, n]), &[&second, &zero]);
        let mut found = [left.beta, right.beta, left.tau, right.tau].into_iter();
        let numbers = numbers.map(|all| match found.next() {
            Some(one) => all.dynamic_update_slice(&one.reshape([1]), &[&j]),
            None => all,
        });
        (rows, columns, numbers)
    });
    Panel { rows, columns, numbers }
}

/// The entries after `at`.
fn after(size: usize, at: &Tensor) -> Tensor {
    iota([size], 0, DType::I32).gt(at)
}

/// I - tau v v', which takes x to beta at `at` and zeros after it.
struct Reflection {
    vector: Tensor,
    tau: Tensor,
    beta: Tensor,
}

/// LAPACK's larfg on the elements of x from `at` on. A tail too small for its squares counts as zero: the matrix has been
/// scaled to largest elements about 1. At an end that is not there, the identity.
fn reflection(x: &Tensor, at: &Tensor) -> Reflection {
    let dtype = x.dtype();
    let place = iota(x.shape(), 0, DType::I32);
    let (here, tail) = (place.eq(at), place.gt(at));
    let alpha = here.select(x, 0.0).sum();
    let squares = tail.select(x.square(), 0.0).sum();
    let negligible = number(if dtype == DType::F64 { 1e-276 } else { 3e-24 }, dtype);
    let flat = squares.le(negligible);
    let norm = (alpha.square() + &squares).sqrt();
    let signed = alpha.lt(0.0).select(&norm, -&norm);
    let beta = flat.select(&alpha, &signed);
    let tau = flat.select(0.0, (&beta - &alpha) / flat.select(1.0, &signed));
    let divisor = flat.select(f64::INFINITY, &alpha - &beta);
    let vector = tail.select(x / divisor, here.convert(dtype));
    Reflection { vector, tau, beta }
}

impl Reflections {
    /// The product applied to vectors of which each is a row of `z`, `[k, l]`; those are shorter by what was padded, and
    /// further elements zero. Result: `[k, size]`.
    #[track_caller]
    pub(crate) fn turn(&self, z: &Tensor) -> Tensor {
        let more = (self.size - z.dim(1)) as i64;
        let z = z.pad(0.0, &[(0, 0, 0), (0, more, 0)]);
        self.stages.iter().rev().fold(z, |z, stage| match stage.first {
            0 => stage.turn(&z),
            first => concatenate(&[&z.slice(1, 0, first), &stage.turn(&z.slice(1, first, self.size))], 1),
        })
    }
}

impl Stage {
    /// The last panel first: I - V T V' for every panel.
    fn turn(&self, z: &Tensor) -> Tensor {
        let panels = self.vectors.dim(0);
        let pairs = DotGeneral {
            lhs_contracting: vec![2],
            rhs_contracting: vec![2],
            lhs_batch: vec![0],
            rhs_batch: vec![0],
            ..DotGeneral::default()
        };
        let factors = triangular_factor(&self.vectors.dot_general(&self.vectors, pairs), &self.taus);
        fori_loop(0, panels as i32, z.clone(), |done, z| {
            let panel = scalar(panels as i32 - 1) - done;
            let (vectors, factor) = (self.vectors.index(0, &panel), factors.index(0, &panel));
            &z - z.contract(&vectors, 1, 1).contract(&factor, 1, 1).dot(&vectors)
        })
    }
}
