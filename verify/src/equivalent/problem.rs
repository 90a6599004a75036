//! Random problems of users' own: small numbers from which the inputs are made.

use std::fmt::Debug;

use tandem_compile::{DType, HostArray};

use crate::strategy::{ArrayCase, MatrixCase};

/// One problem: what a strategy draws, what is printed where it fails, and what makes the inputs. One value per input, or
/// tuples of them.
pub trait Problem: Clone + Debug + 'static {
    /// The inputs, in the precision under test (f32 or f64).
    fn arrays(&self, dtype: DType) -> Vec<HostArray>;
}

impl Problem for MatrixCase {
    fn arrays(&self, dtype: DType) -> Vec<HostArray> {
        vec![self.matrix(dtype)]
    }
}

impl Problem for ArrayCase {
    fn arrays(&self, dtype: DType) -> Vec<HostArray> {
        vec![self.array(dtype)]
    }
}

/// As it is where it holds no floating-point numbers, else rounded.
impl Problem for HostArray {
    fn arrays(&self, dtype: DType) -> Vec<HostArray> {
        let rounded = if self.dtype().is_float() { self.cast(dtype).ok() } else { None };
        vec![rounded.unwrap_or_else(|| self.clone())]
    }
}

macro_rules! tuples {
    ($(($($part:ident),+);)*) => {$(
        impl<$($part: Problem),+> Problem for ($($part,)+) {
            #[expect(non_snake_case, reason = "a value is named after its type")]
            fn arrays(&self, dtype: DType) -> Vec<HostArray> {
                let ($($part,)+) = self;
                [$($part.arrays(dtype)),+].into_iter().flatten().collect()
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
