//! Reverse mode: `vjp`, and `grad` on top of it.

use std::panic::Location;

use crate::ops::Tangent;
use crate::ops::constant::number;
use crate::trace::{Region, Tensor, at, fail, leaves};
use crate::transform::{capture, instantiate, linear_half, rebuilt, same_types};
use crate::tree::Tree;

/// The value of `f` at `primals`, and the transpose of its derivative there: a function from cotangents of the outputs
/// to cotangents of the inputs. Integers and truth values have cotangents of zero.
///
/// ```
/// use tandem_compile::{Tensor, jit, vjp};
///
/// let back = jit(|(x, ct): (Tensor, Tensor)| vjp(|x: Tensor| x.square(), x).1(ct));
/// let ct: Vec<f64> = back.call((&[1.0, 2.0][..], &[1.0, 10.0][..]))?;
/// assert_eq!(ct, [2.0, 40.0]);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn vjp<I: Tree + Clone, O: Tree + Clone>(f: impl FnOnce(I) -> O, primals: I) -> (O, impl Fn(O) -> I) {
    let location = Location::caller();
    let (outputs, back) = vjp_at(f, &primals, location);
    let like = outputs.clone();
    let pullback = move |cotangents: O| {
        let found = leaves(&cotangents);
        match same_types("vjp: cotangents", &leaves(&like), &found, location) {
            true => {
                rebuilt(&primals, at(Some(location), || back.pull(&found.into_iter().map(Some).collect::<Vec<_>>())))
            }
            false => primals.clone(),
        }
    };
    (outputs, pullback)
}

/// The linear half of a function at a point, to be transposed.
pub(super) struct Pullback {
    primals: Vec<Tensor>,
    /// The half itself, and which outputs it gives a tangent; `None` after an error.
    linear: Option<(Region, Vec<bool>)>,
}

impl Pullback {
    /// The cotangents of the primals from those of the outputs.
    pub(super) fn pull(&self, cotangents: &[Tangent]) -> Vec<Tensor> {
        let Some((linear, mask)) = &self.linear else { return self.primals.clone() };
        let live: Vec<Tangent> =
            cotangents.iter().zip(mask).filter(|(_, mask)| **mask).map(|(ct, _)| ct.clone()).collect();
        let mut found = linear.pull(&live).into_iter();
        let cotangent =
            |x: &Tensor| instantiate(if x.dtype().is_float() { found.next().flatten() } else { None }, x.ty());
        self.primals.iter().map(cotangent).collect()
    }
}

/// [`vjp`] at a given line, with the pullback on leaves.
pub(super) fn vjp_at<I: Tree + Clone, O: Tree + Clone>(
    f: impl FnOnce(I) -> O,
    primals: &I,
    location: &'static Location<'static>,
) -> (O, Pullback) {
    let primals_flat = leaves(primals);
    let (like, captured) = capture(f, primals, location);
    let halves = captured.and_then(|(graph, x)| {
        let active: Vec<bool> = (0..x.len()).map(|i| i < primals_flat.len()).collect();
        linear_half(&graph, &x, &active, location)
    });
    match halves {
        Some((y, linear, mask)) => {
            (rebuilt(&like, y), Pullback { primals: primals_flat, linear: Some((linear, mask)) })
        }
        None => (like, Pullback { primals: primals_flat, linear: None }),
    }
}

/// The gradient of a function with one number as its result: of the same structure as the argument.
///
/// ```
/// use tandem_compile::{Tensor, grad, jit};
///
/// let loss = |(a, x): (Tensor, Tensor)| a.dot(&x).square().sum();
/// let (da, dx): (Vec<f64>, Vec<f64>) = jit(grad(loss)).call((&[1.0, 2.0][..], &[3.0, 1.0][..]))?;
/// assert_eq!((da, dx), (vec![30.0, 10.0], vec![10.0, 20.0]));
/// # Ok::<(), tandem_compile::Error>(())
/// ```
///
/// The argument holds floating-point numbers alone; what else the function needs, a closure captures:
/// `grad(|weights| loss(weights, &labels))`.
#[track_caller]
pub fn grad<I: Tree + Clone>(f: impl Fn(I) -> Tensor) -> impl Fn(I) -> I {
    let location = Location::caller();
    move |x| value_and_grad_at("grad", &f, x, location).1
}

/// The value of a function with one number as its result, and its gradient. See [`grad`].
#[track_caller]
pub fn value_and_grad<I: Tree + Clone>(f: impl Fn(I) -> Tensor) -> impl Fn(I) -> (Tensor, I) {
    let location = Location::caller();
    move |x| value_and_grad_at("value_and_grad", &f, x, location)
}

fn value_and_grad_at<I: Tree + Clone>(
    name: &str,
    f: impl Fn(I) -> Tensor,
    x: I,
    location: &'static Location<'static>,
) -> (Tensor, I) {
    if let Some((at, other)) = leaves(&x).iter().enumerate().find(|(_, t)| !t.dtype().is_float()) {
        let message = format!(
            "{name}: floating-point arguments expected, argument {at} is {}; capture it in a closure instead: \
             {name}(|x| f(x, &it))",
            other.ty()
        );
        fail(location, message);
    }
    let (y, back) = vjp_at(f, &x, location);
    if y.ndim() != 0 || !y.dtype().is_float() {
        fail(location, format!("{name}: the function must return one floating-point number, it returns {}", y.ty()));
        return (y, x);
    }
    let dx = at(Some(location), || back.pull(&[Some(number(1.0, y.dtype()))]));
    (y, rebuilt(&x, dx))
}
