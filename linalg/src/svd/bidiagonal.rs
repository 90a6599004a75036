//! Reduction to bidiagonal form by reflections from both sides, blocked, and the way back.
//!
//! J. Dongarra, D. Sorensen and S. Hammarling, "Block reduction of matrices to condensed forms for eigenvalue computations",
//! J. Comput. Appl. Math. 27, 1989 (LAPACK's labrd). A panel's reflections are kept as a correction of low rank, and the
//! matrix is read only twice per column, once for each side.

use tandem_compile::{DType, DotGeneral, Tensor, concatenate, fori_loop, iota, number, scalar, stack, zeros};

/// Columns in a panel.
const WIDTH: usize = 32;

/// A stage works on a matrix of fixed size, and from half of its columns on a new stage on the rest: static shapes do not
/// shrink otherwise. A rest of at most this many columns is one stage.
const SMALLEST_STAGE: usize = 256;

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
    let (mut numbers, mut left, mut right) = (vec![], vec![], vec![]);
    loop {
        let columns = rest.dim(1);
        let half = columns / 2 / width * width;
        let done = if columns <= SMALLEST_STAGE || half == 0 { columns } else { half };
        let stage = reduce(&rest, done, width);
        let all = stage.numbers;
        let taus = |at: i64| all.at_index(0, at).reshape([done / width, width]);
        left.push(Stage { first, vectors: stage.left, taus: taus(2) });
        right.push(Stage { first, vectors: stage.right, taus: taus(3) });
        numbers.push(all);
        if done == columns {
            break;
        }
        rest = stage.rest.slice(0, done, rest.dim(0)).slice(1, done, columns);
        first += done;
    }
    let numbers = concatenate(&numbers.iter().collect::<Vec<_>>(), 1).slice(1, 0, n);
    Bidiagonal {
        diagonal: numbers.at_index(0, 0),
        above: numbers.at_index(0, 1),
        left: Reflections { size: m + more, stages: left },
        right: Reflections { size: n + more, stages: right },
    }
}

/// What is known after some columns of a matrix.
struct Reduced {
    rest: Tensor,
    /// `[4, columns]`: the diagonal, the elements above it, the left taus, the right taus.
    numbers: Tensor,
    /// `[panels, width, m]` and `[panels, width, n]`: the reflections' vectors.
    left: Tensor,
    right: Tensor,
}

/// The first `columns` columns and rows of `a` reduced, in panels of `width`.
fn reduce(a: &Tensor, columns: usize, width: usize) -> Reduced {
    let (m, n) = (a.dim(0), a.dim(1));
    let panels = columns / width;
    let dtype = a.dtype();
    let zero = scalar(0i32);
    let vectors = |size: usize| zeros([panels, width, size], dtype);
    let init = (a.clone(), zeros([4, columns], dtype), vectors(m), vectors(n));
    let (rest, numbers, left, right) = fori_loop(0, panels as i32, init, |panel, (a, numbers, left, right)| {
        let first = &panel * scalar(width as i32);
        let done = reduce_panel(&a, &first, width);
        let rest = &a - done.rows.contract(&done.columns, 0, 0);
        let kept = |all: &Tensor, one: &Tensor, from: i64| {
            let one = one.reshape([1, width, 2, one.dim(1)]).at_index(2, from);
            all.dynamic_update_slice(&one, &[&panel, &zero, &zero])
        };
        let numbers = numbers.dynamic_update_slice(&done.numbers, &[&zero, &first]);
        (rest, numbers, kept(&left, &done.rows, 0), kept(&right, &done.columns, 1))
    });
    Reduced { rest, numbers, left, right }
}

/// A panel's reflections, and what is left to do to the matrix: A - rows' columns.
struct Panel {
    /// `[2 width, m]`: of every column the left reflection's vector v, and x.
    rows: Tensor,
    /// `[2 width, n]`: of every column y, and the right reflection's vector u.
    columns: Tensor,
    /// `[4, width]`
    numbers: Tensor,
}

/// The columns of `a` from `first` on, `width` of them, and the rows of the same numbers.
///
/// What is not yet known of rows and columns is zero, so that every product takes all of them. The newest v and y are taken into account
/// apart: the compiler would put the update of an array into each product that reads it, element by element.
fn reduce_panel(a: &Tensor, first: &Tensor, width: usize) -> Panel {
    let (m, n) = (a.dim(0), a.dim(1));
    let dtype = a.dtype();
    let zero = scalar(0i32);
    let init = (zeros([2 * width, m], dtype), zeros([2 * width, n], dtype), zeros([4, width], dtype));
    let (rows, columns, numbers) = fori_loop(0, width as i32, init, |j, (rows, columns, numbers)| {
        let at = first + &j;
        // The present matrix is A - rows' columns.
        let left = reflection(&(a.index(1, &at) - columns.index(1, &at).dot(&rows)), &at);
        let v = &left.vector;
        let y = v.dot(a) - rows.dot(v).dot(&columns);
        let y = after(n, &at).select(y * &left.tau, 0.0);
        // v is 1 at `at`.
        let right = reflection(&(a.index(0, &at) - rows.index(1, &at).dot(&columns) - &y), &(&at + 1));
        let u = &right.vector;
        let x = a.dot(u) - columns.dot(u).dot(&rows) - v * y.dot(u);
        let x = after(m, &at).select(x * &right.tau, 0.0);
        let place = &j * 2;
        let rows = rows.dynamic_update_slice(&stack(&[v, &x], 0), &[&place, &zero]);
        let columns = columns.dynamic_update_slice(&stack(&[&y, u], 0), &[&place, &zero]);
        let found = stack(&[&left.beta, &right.beta, &left.tau, &right.tau], 0);
        (rows, columns, numbers.dynamic_update_slice(&found.expand_dims(1), &[&zero, &j]))
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

/// LAPACK's larfg on the elements of x from `at` on, those too small for their squares counting as zero: the matrix has
/// been scaled to largest elements about 1. At an end that is not there, the identity.
///
/// Where the matrix has equal singular values x may be nothing but rounding errors, and the compiler may compute its elements
/// anew, with other rounding, wherever they are read. So alpha is taken from the array that is squared, and tau is
/// 2 / v'v of the v that is used: the reflection is orthogonal whatever x is.
fn reflection(x: &Tensor, at: &Tensor) -> Reflection {
    let dtype = x.dtype();
    let place = iota(x.shape(), 0, DType::I32);
    let here = place.eq(at);
    let rest = place.ge(at).select(x, 0.0);
    let alpha = rest.dot(&here.convert(dtype));
    let squares = rest.dot(&rest);
    let negligible = number(if dtype == DType::F64 { 1e-276 } else { 3e-24 }, dtype);
    let flat = squares.le(negligible);
    let norm = squares.sqrt();
    let beta = alpha.lt(0.0).select(&norm, -&norm);
    let divisor = flat.select(f64::INFINITY, &alpha - &beta);
    let vector = here.select(1.0, rest / divisor);
    let tau = flat.select(0.0, 2.0 / flat.select(1.0, vector.dot(&vector)));
    Reflection { vector, tau, beta: flat.select(alpha, beta) }
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
        let factors = triangles(&self.vectors.dot_general(&self.vectors, pairs), &self.taus);
        fori_loop(0, panels as i32, z.clone(), |done, z| {
            let panel = scalar(panels as i32 - 1) - done;
            let (vectors, factor) = (self.vectors.index(0, &panel), factors.index(0, &panel));
            &z - z.contract(&vectors, 1, 1).contract(&factor, 1, 1).dot(&vectors)
        })
    }
}

/// The upper triangular T of every panel at once, column by column (LAPACK's larft).
///
/// gram: `[panels, width, width]`, V V'; taus: `[panels, width]`.
fn triangles(gram: &Tensor, taus: &Tensor) -> Tensor {
    let shape = gram.shape();
    let place = iota([shape[1]], 0, DType::I32);
    let zero = scalar(0i32);
    fori_loop(0, shape[1] as i32, zeros(shape, gram.dtype()), |j, t| {
        let tau = taus.index(1, &j).expand_dims(1);
        let above = place.lt(&j).select(gram.index(2, &j), 0.0);
        // A product with every panel's vector; as a sum it is one kernel.
        let moved = (&t * above.expand_dims(1)).sum_axes([2]);
        let column = place.eq(&j).select(&tau, -&tau * moved);
        t.dynamic_update_slice(&column.expand_dims(2), &[&zero, &zero, &j])
    })
}
