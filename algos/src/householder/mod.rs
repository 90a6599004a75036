//! Products of Householder reflections, and matrices that stay orthogonal while they are trained.
//!
//! H(v) = I - 2 v v' / (v'v) mirrors at the plane with normal v: symmetric, orthogonal, of determinant -1, the same for
//! every multiple of v. For V = [v_1 ... v_k], `[d, k]`, **Q(V) = H(v_1) H(v_2) ... H(v_k)**, the first column
//! leftmost, as in LAPACK's `orgqr` (but V is any matrix: no ones on a diagonal, no zeros above it). H(0) is the
//! identity, and Q(V) of no columns is I. Every orthogonal `[d, d]` matrix is a product of at most d reflections
//! (Cartan and Dieudonne), of determinant (-1)^k if of exactly k.
//!
//! [`householder_q`] is Q(V) or its first columns, [`householder_apply`] is Q(V) X or Q(V)'X without Q(V); [`Form`]
//! says by which arrangement of the same products, and which is the cheapest. All have one derivative, that of the
//! compact form, which keeps d k + d r + k^2 + k r numbers, where a loop that is differentiated step by step keeps d r
//! k. It is right in both modes and to every order.
//!
//! A plain gradient step lengthens v (gradients are perpendicular to it) and turns it; Q(V) is orthogonal to rounding
//! after it as before, with nothing projected back. That is the [`Layer`]: W = Q(U) S Q(V)', of rank N, all of whose
//! singular values are 1 (Song, Zhang, Sebe and Wang, "Householder Projector for Unsupervised Latent Semantics
//! Discovery", ICCV 2023). [`Projector`] makes it from a matrix: the nearest one. The paper's public code copies
//! LAPACK's raw `geqrf` output into the reflectors; this does not.
//!
//! Accuracy: |Q'Q - I| and |Q - product| stay below 50 u sqrt(k) for vectors in general position; of many nearly parallel
//! ones the compact form loses a few times that, and the sequential one does not. k > d reflections are legal and
//! redundant. NaN or infinity in an input makes every output NaN.

mod compact;
mod forms;
pub mod laws;
mod layer;
mod product;
pub mod projector;
pub mod reference;
pub mod subject;

use tandem_compile::{DType, Tensor, custom_jvp, jvp, number, refuse};
use tandem_linalg::over_leading;

use compact::Operand;
pub use layer::Layer;
pub use product::{HouseholderQ, Reflected};
pub use projector::{Nearest, Projector, distance};

/// How the product of k reflections with a matrix `[d, r]` is arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// One reflection after the other: the fewest operations, k steps of rank one.
    Sequential,
    /// Q = I - W V', W column by column (the accumulated WY form).
    Accumulated,
    /// Q = I - V T V' (the compact WY form, T by the UT transform): products of matrices alone.
    Compact,
    /// Blocks of so many reflections, compact each, one after the other (FastH).
    Blocked(usize),
    /// Q = I - W V', W by merging neighbours.
    Tree,
}

impl Form {
    /// The names that users write, with the usual width of a block.
    pub const NAMES: [(&'static str, Form); 5] = [
        ("sequential", Form::Sequential),
        ("accumulated", Form::Accumulated),
        ("compact", Form::Compact),
        ("blocked", Form::Blocked(Form::WIDTH)),
        ("tree", Form::Tree),
    ];

    /// The usual width of a block.
    pub const WIDTH: usize = 64;

    /// What a step that waits for the one before it costs, in operations: to launch a kernel or a product takes about
    /// as long.
    const STEP: f64 = 1e6;

    /// How much longer an operation of a product with one vector takes than one of a product of matrices: it waits for
    /// memory.
    const VECTOR: f64 = 8.0;

    /// What it costs, in operations, to read and write an element of memory once more: each block of the blocked form does
    /// so with X, and each level of the tree with W, three times.
    const PASS: f64 = 150.0;

    /// What Q X or Q'X costs for V `[d, k]` and X `[d, r]`, in operations of products of matrices.
    ///
    /// Products of matrices count their multiplications and additions; those with one vector count eight times, every
    /// step that must wait for the one before it counts a million, and a pass over memory 150 for an element.
    ///
    /// | | operations | steps |
    /// |---|---|---|
    /// | sequential | 8 * 4 d k r | 2 k |
    /// | accumulated | 8 * 4 d k^2 + 4 d k r | 3 k + 2 |
    /// | compact | 2 d k^2 + k^3 + 2 k^2 r + 4 d k r | 2 log2 k + 4 |
    /// | blocked, width b | 2 d k b + k b^2 + 2 k b r + 4 d k r + 3 * 150 d r k / b | 4 k / b + 2 log2 b |
    /// | tree | 2 d k^2 + 4 d k r + 3 * 150 d k log2 k | 3 log2 k + 3 |
    pub fn cost(self, d: usize, k: usize, r: usize) -> f64 {
        let [d, k, r] = [d, k, r].map(|size| size as f64);
        let applied = 4.0 * d * k * r;
        let levels = |k: f64| k.max(1.0).log2().ceil();
        let (operations, steps) = match self {
            Form::Sequential => (Self::VECTOR * applied, 2.0 * k),
            Form::Accumulated => (Self::VECTOR * 4.0 * d * k * k + applied, 3.0 * k + 2.0),
            Form::Compact => (2.0 * d * k * k + k.powi(3) + 2.0 * k * k * r + applied, 2.0 * levels(k) + 4.0),
            Form::Blocked(width) => {
                let b = (width as f64).min(k).max(1.0);
                let count = (k / b).ceil();
                let passes = 3.0 * Self::PASS * d * r * count;
                (2.0 * d * k * b + k * b * b + 2.0 * k * b * r + applied + passes, 4.0 * count + 2.0 * levels(b))
            }
            Form::Tree => {
                let passes = 3.0 * Self::PASS * d * k * levels(k);
                (2.0 * d * k * k + applied + passes, 3.0 * levels(k) + 3.0)
            }
        };
        operations + Self::STEP * steps
    }

    /// The form of the smallest [`cost`](Self::cost), the first of [`NAMES`](Self::NAMES) among equals.
    ///
    /// ```
    /// use tandem_algos::householder::Form;
    ///
    /// assert_eq!(Form::cheapest(1024, 2, 1), Form::Sequential);
    /// assert_eq!(Form::cheapest(1024, 64, 64), Form::Compact);
    /// assert_eq!(Form::cheapest(1024, 1024, 1024), Form::Compact);
    /// assert_eq!(Form::cheapest(512, 512, 32), Form::Blocked(Form::WIDTH));
    /// ```
    pub fn cheapest(d: usize, k: usize, r: usize) -> Form {
        let forms = Self::NAMES.map(|(_, form)| form);
        forms
            .into_iter()
            .reduce(|best, form| if form.cost(d, k, r) < best.cost(d, k, r) { form } else { best })
            .unwrap_or(Form::Compact)
    }

    /// [`householder_q`] by this form.
    #[track_caller]
    pub fn q(self, v: &Tensor, cols: usize) -> Tensor {
        if !is_matrix("householder_q", v) {
            return v.clone();
        }
        let leading = &v.shape()[..v.ndim() - 2];
        let d = v.dim(leading.len());
        if cols > d {
            return refuse(format!(
                "householder_q: Q of {} is [{d}, {d}]; {cols} columns asked for, at most {d}",
                v.ty()
            ));
        }
        over_leading(leading, v.clone(), |v| self.q_of_one(&v, cols))
    }

    /// [`householder_apply`] by this form.
    #[track_caller]
    pub fn apply(self, v: &Tensor, x: &Tensor, transpose: bool) -> Tensor {
        if !is_matrix("householder_apply", v) || !is_matrix("householder_apply", x) {
            return x.clone();
        }
        let leading = &v.shape()[..v.ndim() - 2];
        let rows = leading.len() + 1;
        let fits = v.ndim() == x.ndim() && v.shape()[..rows] == x.shape()[..rows] && v.dtype() == x.dtype();
        if !fits {
            let (v, x) = (v.ty(), x.ty());
            return refuse(format!(
                "householder_apply: V [..., d, k] and X [..., d, r] of one dtype expected, got {v} and {x}"
            ));
        }
        over_leading(leading, (v.clone(), x.clone()), |(v, x)| self.apply_to_one(&v, &x, transpose))
    }

    fn q_of_one(self, v: &Tensor, cols: usize) -> Tensor {
        let empty = v.dim(1) == 0 || cols == 0;
        let q = match self {
            _ if empty => return Operand::Columns(cols).matrix(v.dim(0), v.dtype()),
            Form::Compact => self.forward(v, &Operand::Columns(cols), false),
            _ => {
                let of = move |form: Form, v: &Tensor| form.forward(v, &Operand::Columns(cols), false);
                custom_jvp(
                    move |v: Tensor| of(self, &v),
                    move |v: Tensor, dv: Tensor| jvp(|v: Tensor| of(Form::Compact, &v), v, dv),
                )(v.clone())
            }
        };
        or_nan(&all_finite(v), &q)
    }

    fn apply_to_one(self, v: &Tensor, x: &Tensor, transpose: bool) -> Tensor {
        type Pair = (Tensor, Tensor);
        let of = move |form: Form, (v, x): Pair| form.forward(&v, &Operand::Given(x), transpose);
        let pair = (v.clone(), x.clone());
        let y = match self {
            _ if v.dim(1) == 0 || x.dim(1) == 0 => return or_nan(&all_finite(x), x),
            Form::Compact => of(self, pair),
            _ => custom_jvp(
                move |x: Pair| of(self, x),
                move |x: Pair, dx: Pair| jvp(|x: Pair| of(Form::Compact, x), x, dx),
            )(pair),
        };
        or_nan(&(all_finite(v) & all_finite(x)), &y)
    }

    /// Q X or Q'X of one problem, k >= 1.
    fn forward(self, v: &Tensor, x: &Operand, transpose: bool) -> Tensor {
        let v = compact::scaled(v);
        match self {
            Form::Sequential => forms::sequential(&v, x, transpose),
            Form::Accumulated => forms::accumulated(&v, x, transpose),
            Form::Compact => compact::apply(&v, x, transpose),
            Form::Blocked(width) => forms::blocked(&v, x, transpose, width),
            Form::Tree => forms::tree(&v, x, transpose),
        }
    }
}

/// The first `cols` columns of Q(V) = H(v_1) ... H(v_k), `[..., d, cols]`, orthonormal; all d of them are Q(V).
///
/// v: `[..., d, k]`, f32 or f64, any k; a zero column's reflection is the identity and has a zero gradient. In the
/// compact form, whose derivative reuses what it has computed; [`Form::q`] takes another. The `[d, d]` matrix is never
/// formed for fewer columns.
///
/// NaN or infinity in a problem's V makes its Q NaN.
///
/// ```
/// use ndarray::{Array2, array};
/// use tandem_algos::householder::householder_q;
/// use tandem_compile::{Tensor, jit};
///
/// let q: Array2<f64> = jit(|v: Tensor| householder_q(&v, 2)).call(&array![[1.0], [1.0]])?;
/// assert!((&q - &array![[0.0, -1.0], [-1.0, 0.0]]).iter().all(|e| e.abs() < 1e-15));
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn householder_q(v: &Tensor, cols: usize) -> Tensor {
    Form::Compact.q(v, cols)
}

/// Q(V) X, or Q(V)'X where `transpose`, without forming Q(V): `[..., d, r]`.
///
/// v: `[..., d, k]`; x: `[..., d, r]` with the same leading axes and dtype, f32 or f64. In the compact form, as
/// [`householder_q`]; [`Form::apply`] takes another.
///
/// ```
/// use ndarray::{Array2, array};
/// use tandem_algos::householder::householder_apply;
/// use tandem_compile::{Tensor, jit};
///
/// let mirror = jit(|(v, x): (Tensor, Tensor)| householder_apply(&v, &x, false));
/// let x: Array2<f64> = mirror.call((&array![[0.0], [2.0]], &array![[3.0], [4.0]]))?;
/// assert_eq!(x, array![[3.0], [-4.0]]);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn householder_apply(v: &Tensor, x: &Tensor, transpose: bool) -> Tensor {
    Form::Compact.apply(v, x, transpose)
}

/// Whether `a` is a matrix of floats, or many of one size; otherwise the trace is refused at the caller's line.
#[track_caller]
fn is_matrix(name: &str, a: &Tensor) -> bool {
    let fits = a.ndim() >= 2 && matches!(a.dtype(), DType::F32 | DType::F64);
    if !fits {
        refuse(format!("{name}: a matrix [..., m, n] of f32 or f64 expected, got {}; convert or reshape it", a.ty()));
    }
    fits
}

fn all_finite(x: &Tensor) -> Tensor {
    x.is_finite().all()
}

/// `x` where the scalar `good` is true, NaN everywhere where it is not.
fn or_nan(good: &Tensor, x: &Tensor) -> Tensor {
    good.select(x, number(f64::NAN, x.dtype()))
}
