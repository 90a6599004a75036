//! What a traced function may take and return: a tensor, or tuples, arrays and vectors of such.

use std::panic::Location;

use crate::trace::{Tensor, fail, leaves};
use crate::transform::rebuilt;

/// A structure of tensors that can be taken apart and put together again.
pub trait Tree: Sized {
    /// Appends the tensors in order.
    fn collect(&self, leaves: &mut Vec<Tensor>);

    /// Puts the structure together from its tensors; `None` when they are too few.
    fn build(leaves: &mut dyn Iterator<Item = Tensor>) -> Option<Self>;

    /// Puts the structure of self together again from other tensors. It differs from [`build`](Self::build) where
    /// the type does not say how many tensors there are, as in a vector; every structure around such a one has to
    /// pass the call on to its parts.
    fn rebuild(&self, leaves: &mut dyn Iterator<Item = Tensor>) -> Option<Self> {
        Self::build(leaves)
    }
}

impl Tree for Tensor {
    fn collect(&self, leaves: &mut Vec<Tensor>) {
        leaves.push(self.clone());
    }

    fn build(leaves: &mut dyn Iterator<Item = Tensor>) -> Option<Self> {
        leaves.next()
    }
}

/// A vector is put together from all tensors that are left: as an argument it stands last.
impl<T: Tree> Tree for Vec<T> {
    fn collect(&self, leaves: &mut Vec<Tensor>) {
        self.iter().for_each(|item| item.collect(leaves));
    }

    fn build(leaves: &mut dyn Iterator<Item = Tensor>) -> Option<Self> {
        let mut leaves = leaves.collect::<Vec<Tensor>>().into_iter();
        let mut items = Vec::new();
        while leaves.len() > 0 {
            let before = leaves.len();
            items.push(T::build(&mut leaves)?);
            // Of what holds no tensor, nobody knows how many there are.
            if leaves.len() == before {
                return None;
            }
        }
        Some(items)
    }

    fn rebuild(&self, leaves: &mut dyn Iterator<Item = Tensor>) -> Option<Self> {
        self.iter().map(|item| item.rebuild(leaves)).collect()
    }
}

impl<T: Tree, const N: usize> Tree for [T; N] {
    fn collect(&self, leaves: &mut Vec<Tensor>) {
        self.iter().for_each(|item| item.collect(leaves));
    }

    fn build(leaves: &mut dyn Iterator<Item = Tensor>) -> Option<Self> {
        let items: Option<Vec<T>> = (0..N).map(|_| T::build(leaves)).collect();
        items?.try_into().ok()
    }

    fn rebuild(&self, leaves: &mut dyn Iterator<Item = Tensor>) -> Option<Self> {
        let items: Option<Vec<T>> = self.iter().map(|item| item.rebuild(leaves)).collect();
        items?.try_into().ok()
    }
}

macro_rules! tuples {
    ($(($($name:ident $index:tt),*))*) => {$(
        impl<$($name: Tree),*> Tree for ($($name,)*) {
            #[allow(unused_variables, reason = "the empty tuple has no leaves")]
            fn collect(&self, leaves: &mut Vec<Tensor>) {
                $(self.$index.collect(leaves);)*
            }

            #[allow(unused_variables, reason = "the empty tuple has no leaves")]
            fn build(leaves: &mut dyn Iterator<Item = Tensor>) -> Option<Self> {
                Some(($($name::build(leaves)?,)*))
            }

            #[allow(unused_variables, reason = "the empty tuple has no leaves")]
            fn rebuild(&self, leaves: &mut dyn Iterator<Item = Tensor>) -> Option<Self> {
                Some(($(self.$index.rebuild(leaves)?,)*))
            }
        }
    )*};
}

tuples! {
    ()
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9)
}

/// The same structure with every tensor replaced.
pub fn tree_map<T: Tree + Clone>(tree: &T, f: impl FnMut(&Tensor) -> Tensor) -> T {
    rebuilt(tree, leaves(tree).iter().map(f).collect())
}

/// The structure of `first` with what `f` makes of the tensors at the same place in both. Trees with different numbers
/// of tensors (vectors of different lengths) are an error of the trace.
#[track_caller]
pub fn tree_map2<T: Tree + Clone>(first: &T, second: &T, mut f: impl FnMut(&Tensor, &Tensor) -> Tensor) -> T {
    let (x, y) = (leaves(first), leaves(second));
    if x.len() != y.len() {
        fail(Location::caller(), format!("tree_map2: the trees have {} and {} tensors", x.len(), y.len()));
        return first.clone();
    }
    rebuilt(first, x.iter().zip(&y).map(|(x, y)| f(x, y)).collect())
}

/// Makes a struct of tensors (or of other trees) something that traced functions take and return: one line after its
/// definition, naming its fields in order.
///
/// ```
/// use tandem_compile::{Tensor, grad, jit, tree};
///
/// #[derive(Clone)]
/// struct Line {
///     slope: Tensor,
///     offset: Tensor,
/// }
/// tree!(Line { slope, offset });
///
/// let loss = |line: Line| (line.slope * 2.0 + line.offset - 3.0).square();
/// let (slope, offset): (f64, f64) = jit(grad(loss)).call((0.0, 0.0))?;
/// assert_eq!((slope, offset), (-12.0, -6.0));
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[macro_export]
macro_rules! tree {
    ($name:ident { $($field:ident),* $(,)? }) => {
        impl $crate::Tree for $name {
            fn collect(&self, leaves: &mut ::std::vec::Vec<$crate::Tensor>) {
                $($crate::Tree::collect(&self.$field, leaves);)*
            }

            fn build(leaves: &mut dyn ::std::iter::Iterator<Item = $crate::Tensor>) -> ::std::option::Option<Self> {
                ::std::option::Option::Some(Self { $($field: $crate::Tree::build(leaves)?),* })
            }

            fn rebuild(
                &self,
                leaves: &mut dyn ::std::iter::Iterator<Item = $crate::Tensor>,
            ) -> ::std::option::Option<Self> {
                ::std::option::Option::Some(Self { $($field: $crate::Tree::rebuild(&self.$field, leaves)?),* })
            }
        }
    };
}
