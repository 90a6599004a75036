//! Leading axes: many problems of one shape, which functions of one problem are mapped over.

use tandem_compile::native::Handler;
use tandem_compile::{Tensor, Tree, kernel, tree_map, vmap};

/// The factors of the matrices `a`, `[..., m, n]`: by `native` on devices that have it, elsewhere by `portable`, a function of
/// one matrix; with the derivative `rule`, from one matrix, its factors and its tangent to theirs.
#[track_caller]
pub(crate) fn factors<O: Tree + Clone + Send + Sync + 'static>(
    a: &Tensor,
    native: Option<Handler>,
    portable: impl Fn(&Tensor) -> O,
    rule: impl Fn(&Tensor, &O, &Tensor) -> O + Send + Sync + 'static,
) -> O {
    over_leading(&leading(a), a.clone(), kernel(native, |a: Tensor| portable(&a), rule))
}

/// `f`, a function of single problems, of arrays that have the axes `leading` before those of one problem: what maps a
/// function of matrices over `[..., m, n]`.
#[track_caller]
pub fn over_leading<I: Tree + Clone, O: Tree + Clone>(leading: &[usize], x: I, f: impl Fn(I) -> O) -> O {
    if leading.is_empty() {
        return f(x);
    }
    let count = leading.len();
    // One axis of problems, however many axes they come along.
    let problems: usize = leading.iter().product();
    let flat = tree_map(&x, |x: &Tensor| x.reshape([&[problems], &x.shape()[count..]].concat()));
    let found = vmap(f)(flat);
    tree_map(&found, |y: &Tensor| y.reshape([leading, &y.shape()[1..]].concat()))
}

/// The axes of `a` before its last two.
pub(crate) fn leading(a: &Tensor) -> Vec<usize> {
    a.shape()[..a.ndim() - 2].to_vec()
}
