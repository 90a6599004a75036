//! References of users' own: a plain function over arrays, generic over the precision.

use faer::Mat;
use tandem_compile::HostArray;

use crate::outcome::Values;
use crate::real::Real;

/// An array of the numbers that a reference computes in, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Array<R> {
    shape: Vec<usize>,
    values: Vec<R>,
}

impl<R: Real> Array<R> {
    /// An array from its elements by row-major position.
    pub fn from_fn(shape: impl Into<Vec<usize>>, element: impl FnMut(usize) -> R) -> Self {
        let shape = shape.into();
        let values = (0..shape.iter().product()).map(element).collect();
        Self { shape, values }
    }

    /// The numbers of a host array, exactly.
    pub fn from_host(array: &HostArray) -> Self {
        let values = array.to_f64();
        Self::from_fn(array.shape(), |at| R::from_f64(values[at]))
    }

    /// The size of every axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements, row-major.
    pub fn values(&self) -> &[R] {
        &self.values
    }

    /// The array as a matrix: of two axes as it is, of one axis as a column, of none as one element; of more axes with the last
    /// one as columns.
    pub fn matrix(&self) -> Mat<R> {
        let (rows, cols) = match self.shape.as_slice() {
            [] => (1, 1),
            &[n] => (n, 1),
            [.., cols] => (self.values.len() / (*cols).max(1), *cols),
        };
        Mat::from_fn(rows, cols, |i, j| self.values[i * cols + j])
    }

    /// Every element changed.
    pub fn map(&self, f: impl Fn(R) -> R) -> Self {
        Self { shape: self.shape.clone(), values: self.values.iter().map(|&x| f(x)).collect() }
    }
}

/// One result of a reference.
#[derive(Debug, Clone, PartialEq)]
pub struct Part<R> {
    /// The size of every axis.
    pub shape: Vec<usize>,
    /// The elements, row-major.
    pub values: Values<R>,
}

/// What a reference may return: an [`Array`], a matrix of faer, a vector, a number, positions as i32, or a tuple of these.
pub trait Parts<R> {
    /// The results, in order.
    fn parts(self) -> Vec<Part<R>>;
}

impl<R> Parts<R> for Array<R> {
    fn parts(self) -> Vec<Part<R>> {
        vec![Part { shape: self.shape, values: Values::Real(self.values) }]
    }
}

impl<R: Real> Parts<R> for Mat<R> {
    fn parts(self) -> Vec<Part<R>> {
        let (rows, cols) = (self.nrows(), self.ncols());
        let values = (0..rows * cols).map(|at| self[(at / cols, at % cols)]).collect();
        vec![Part { shape: vec![rows, cols], values: Values::Real(values) }]
    }
}

impl<R: Real> Parts<R> for Vec<R> {
    fn parts(self) -> Vec<Part<R>> {
        vec![Part { shape: vec![self.len()], values: Values::Real(self) }]
    }
}

impl<R: Real> Parts<R> for R {
    fn parts(self) -> Vec<Part<R>> {
        vec![Part { shape: Vec::new(), values: Values::Real(vec![self]) }]
    }
}

impl<R: Real> Parts<R> for Vec<i32> {
    fn parts(self) -> Vec<Part<R>> {
        vec![Part { shape: vec![self.len()], values: Values::Index(self) }]
    }
}

impl<R: Real> Parts<R> for i32 {
    fn parts(self) -> Vec<Part<R>> {
        vec![Part { shape: Vec::new(), values: Values::Index(vec![self]) }]
    }
}

macro_rules! tuples {
    ($(($($part:ident),+);)*) => {$(
        impl<R, $($part: Parts<R>),+> Parts<R> for ($($part,)+) {
            #[expect(non_snake_case, reason = "a value is named after its type")]
            fn parts(self) -> Vec<Part<R>> {
                let ($($part,)+) = self;
                [$($part.parts()),+].into_iter().flatten().collect()
            }
        }
    )*};
}

tuples! {
    (A, B);
    (A, B, C);
    (A, B, C, D);
    (A, B, C, D, E);
}

/// A reference: [`reference!`](crate::reference) makes one of a function.
pub trait Reference {
    /// The name in messages.
    fn name(&self) -> &'static str;

    /// The names of what it takes.
    fn inputs(&self) -> &'static [&'static str];

    /// The names of what it gives.
    fn outputs(&self) -> &'static [&'static str];

    /// The results for as many inputs as have names, computed in `R`.
    fn compute<R: Real>(&self, inputs: &[Array<R>]) -> Vec<Part<R>>;
}

/// The reference that a function is: `reference!(ridge_on_faer(a, b) -> x)` of
/// `fn ridge_on_faer<R: Real>(a: &Array<R>, b: &Array<R>) -> Mat<R>`, with the names that messages use. A function of several results
/// returns a tuple: `reference!(thin_qr(a) -> q, r)`.
#[macro_export]
macro_rules! reference {
    ($function:ident($($input:ident),+ $(,)?) -> $($output:ident),+ $(,)?) => {{
        struct Function;
        impl $crate::Reference for Function {
            fn name(&self) -> &'static str {
                stringify!($function)
            }

            fn inputs(&self) -> &'static [&'static str] {
                &[$(stringify!($input)),+]
            }

            fn outputs(&self) -> &'static [&'static str] {
                &[$(stringify!($output)),+]
            }

            fn compute<R: $crate::Real>(&self, inputs: &[$crate::Array<R>]) -> Vec<$crate::Part<R>> {
                match inputs {
                    [$($input),+] => $crate::Parts::<R>::parts($function::<R>($($input),+)),
                    _ => Vec::new(),
                }
            }
        }
        Function
    }};
}
