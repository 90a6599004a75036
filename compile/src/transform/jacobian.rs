//! Whole matrices of derivatives.

use std::panic::Location;

use crate::ops::constant::eye;
use crate::trace::{Tensor, at, fail};
use crate::transform::grad::{grad, vjp_at};
use crate::transform::jvp::{jvp, jvp_at};
use crate::transform::vmap::mapped;

/// The Jacobian of a function of one array, by forward mode: cheap where there are few inputs. The result has the
/// output's axes, then the input's: entry `[i.., j..]` is the derivative of output `i` by input `j`.
///
/// ```
/// use tandem_compile::{Tensor, jacfwd, jit};
///
/// let j: Vec<f64> = jit(jacfwd(|x: Tensor| x.square())).call(&[1.0, 2.0][..])?;
/// assert_eq!(j, [2.0, 0.0, 0.0, 4.0]);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn jacfwd(f: impl Fn(Tensor) -> Tensor) -> impl Fn(Tensor) -> Tensor {
    let location = Location::caller();
    move |x| {
        if !differentiable("jacfwd", &x, location) {
            return x;
        }
        let push = |dx| jvp_at(&f, x.clone(), dx, location).1;
        let columns = mapped(push, at(Some(location), || basis(&x)), &[Some(0)], &[], location);
        // From [inputs, outputs..] to [outputs.., inputs..].
        let order: Vec<usize> = (1..columns.ndim()).chain([0]).collect();
        let shape = [columns.shape().get(1..).unwrap_or_default(), x.shape()].concat();
        at(Some(location), || columns.transpose(order).reshape(shape))
    }
}

/// The Jacobian of a function of one array, by reverse mode: cheap where there are few outputs. See [`jacfwd`].
#[track_caller]
pub fn jacrev(f: impl Fn(Tensor) -> Tensor) -> impl Fn(Tensor) -> Tensor {
    let location = Location::caller();
    move |x| {
        if !differentiable("jacrev", &x, location) {
            return x;
        }
        let (y, back) = vjp_at(&f, &x, location);
        if !differentiable("jacrev", &y, location) {
            return y;
        }
        let pull = |ct| at(Some(location), || back.pull(&[Some(ct)]).swap_remove(0));
        let rows = mapped(pull, at(Some(location), || basis(&y)), &[Some(0)], &[], location);
        at(Some(location), || rows.reshape([y.shape(), x.shape()].concat()))
    }
}

/// The matrix of second derivatives of a function with one number as its result: forward mode over reverse mode. The
/// result has the argument's axes twice.
#[track_caller]
pub fn hessian(f: impl Fn(Tensor) -> Tensor) -> impl Fn(Tensor) -> Tensor {
    jacfwd(grad(f))
}

/// The Hessian at `x` times `v`, without the Hessian: forward mode over reverse mode, about as dear as two gradients.
#[track_caller]
pub fn hvp<I: crate::tree::Tree + Clone>(f: impl Fn(I) -> Tensor, x: I, v: I) -> I {
    jvp(grad(f), x, v).1
}

fn differentiable(name: &str, x: &Tensor, location: &'static Location<'static>) -> bool {
    let float = x.dtype().is_float();
    if !float {
        fail(location, format!("{name}: floating-point numbers expected, got {}", x.ty()));
    }
    float
}

/// Every unit array of `x`'s shape, along a new first axis.
fn basis(x: &Tensor) -> Tensor {
    let len = x.ty().len();
    eye(len, x.dtype()).reshape([&[len], x.shape()].concat())
}
