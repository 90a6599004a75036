//! From many to one, running totals, windows, order.

use tandem_compile::ops::reduce_window::Window;
use tandem_compile::{TensorType, sort_by_key};

use crate::elementwise::{is_bool, is_float, is_number};
use crate::program::Step;
use crate::writer::{Value, Writer, emit};

/// Some of the axes, at least one where there is one.
fn some_axes(s: &Step, ndim: usize) -> Vec<usize> {
    let axes: Vec<usize> = (0..ndim).filter(|&axis| s.more(axis, 2) == 0).collect();
    if axes.is_empty() { (0..ndim.min(1)).collect() } else { axes }
}

fn count(a: &Value, axes: &[usize]) -> f64 {
    axes.iter().map(|&axis| a.shape()[axis] as f64).product()
}

/// Products of many are kept near 1.
fn of_product(bound: f64, count: f64) -> f64 {
    bound.max(1.0).powf(count).min(1e300)
}

pub fn reduce(w: &Writer, s: &Step) -> Option<()> {
    let a = w.pick(s.operands[0], is_number)?;
    let axes = some_axes(s, a.ndim());
    let (b, n) = (a.bound, count(&a, &axes));
    let empty = n == 0.0;
    let bounded = if empty { f64::INFINITY } else { b };
    match s.below(0, 8) {
        0 | 1 => emit!(w, b * n.max(1.0); [a, axes] a.sum_axes(axes)),
        2 => emit!(w, b * a.ty().len() as f64; [a] a.sum()),
        3 if of_product(b, n) < 1e30 => emit!(w, of_product(b, n); [a, axes] a.product_axes(axes)),
        4 | 3 => emit!(w, bounded; [a, axes] a.max_axes(axes)),
        5 => emit!(w, bounded; [a, axes] a.min_axes(axes)),
        6 => emit!(w, if a.ty().is_empty() { f64::INFINITY } else { b }; [a] a.max()),
        _ if is_float(a.ty()) => emit!(w, bounded; [a, axes] a.reduce(f64::NEG_INFINITY, axes, |x, y| x.maximum(&y))),
        _ => return None,
    };
    Some(())
}

pub fn reduce_truth(w: &Writer, s: &Step) -> Option<()> {
    let a = w.pick(s.operands[0], is_bool)?;
    let axes = some_axes(s, a.ndim());
    match s.below(0, 3) {
        0 => emit!(w, 0.0; [a, axes] a.any_axes(axes)),
        1 => emit!(w, 0.0; [a, axes] a.all_axes(axes)),
        _ => emit!(w, 0.0; [a] a.any()),
    };
    Some(())
}

pub fn statistics(w: &Writer, s: &Step) -> Option<()> {
    let a = w.pick(s.operands[0], |ty| is_float(ty) && ty.ndim() >= 1)?;
    let axes = some_axes(s, a.ndim());
    let axis = s.below(1, a.ndim());
    let b = a.bound;
    match s.below(0, 9) {
        0 => emit!(w, b; [a, axes] a.mean_axes(axes)),
        1 => emit!(w, b * b; [a, axes] a.var_axes(axes)),
        2 => emit!(w, b; [a, axes] (a.var_axes(axes) + 0.1).sqrt()),
        3 => emit!(w, b * 20.0; [a, axes] a.norm_axes(axes)),
        4 => emit!(w, b + 7.0; [a, axes] a.logsumexp_axes(axes)),
        5 => emit!(w, 1.0; [a, axis] a.softmax(axis)),
        6 => emit!(w, 2.0 * b + 7.0; [a, axis] a.log_softmax(axis)),
        7 if a.shape()[axis] > 0 => emit!(w, b; [a, axis] a.median(axis)),
        _ => emit!(w, b; [a, axes] a.std_axes(axes)),
    };
    Some(())
}

pub fn running(w: &Writer, s: &Step) -> Option<()> {
    let a = w.pick(s.operands[0], |ty| is_number(ty) && ty.ndim() >= 1)?;
    let axis = s.below(1, a.ndim());
    let (b, n) = (a.bound, a.shape()[axis] as f64);
    match s.below(0, 8) {
        0 => emit!(w, b * n; [a, axis] a.cumsum(axis)),
        1 => emit!(w, b * n; [a, axis] a.cumsum_reverse(axis)),
        2 if of_product(b, n) < 1e30 => emit!(w, of_product(b, n); [a, axis] a.cumprod(axis)),
        3 if of_product(b, n) < 1e30 => emit!(w, of_product(b, n); [a, axis] a.cumprod_reverse(axis)),
        2 | 4 => emit!(w, b; [a, axis] a.cummax(axis)),
        3 | 5 => emit!(w, b; [a, axis] a.cummin(axis)),
        6 => emit!(w, b; [a, axis] a.cummax_reverse(axis)),
        _ => emit!(w, b; [a, axis] a.cummin_reverse(axis)),
    };
    Some(())
}

pub fn positions(w: &Writer, s: &Step) -> Option<()> {
    let a = w.pick(s.operands[0], |ty| is_number(ty) && ty.ndim() >= 1)?;
    let axis = s.below(1, a.ndim());
    let whole = a.shape()[axis] > 0;
    match s.below(0, 4) {
        0 if whole => emit!(w, 0.0; [a, axis] a.argmax(axis)),
        1 if whole => emit!(w, 0.0; [a, axis] a.argmin(axis)),
        2 => emit!(w, 0.0; [a, axis] a.argsort(axis, false)),
        _ => emit!(w, 0.0; [a, axis] a.argsort(axis, true)),
    };
    Some(())
}

pub fn order(w: &Writer, s: &Step) -> Option<()> {
    let a = w.pick(s.operands[0], |ty| is_number(ty) && ty.ndim() >= 1)?;
    let axis = s.below(1, a.ndim());
    let last = a.shape()[a.ndim() - 1];
    let bound = a.bound;
    match s.below(0, 4) {
        0 => emit!(w, bound; [a, axis] a.sort(axis)),
        1 if is_float(a.ty()) && last > 0 => {
            let k = 1 + s.below(2, last);
            emit!(w, bound; [a, k] a.top_k(k).0)
        }
        2 if is_float(a.ty()) && last > 0 => {
            let k = 1 + s.below(2, last);
            emit!(w, bound; [a, k] a.top_k(k).1)
        }
        _ => {
            let b = w.pick(s.operands[1], |ty: &TensorType| ty.shape == a.shape())?;
            let down = s.below(2, 2) == 0;
            emit!(w, b.bound; [a, b, axis, down] sort_by_key(&[&a, &b], axis, down).swap_remove(1))
        }
    };
    Some(())
}

pub fn windows(w: &Writer, s: &Step) -> Option<()> {
    let a = w.pick(s.operands[0], |ty| is_number(ty) && ty.ndim() >= 1 && ty.len() <= 60)?;
    let ndim = a.ndim();
    let sizes: Vec<usize> = (0..ndim).map(|axis| 1 + s.more(axis, 3)).collect();
    let strides: Vec<usize> = (0..ndim).map(|axis| 1 + s.more(axis + 5, 2)).collect();
    // With at least as much before and after as a window holds but one, no window is without an element.
    let padding: Vec<(i64, i64)> =
        sizes.iter().enumerate().map(|(axis, &size)| (s.more(axis + 9, size) as i64, size as i64 - 1)).collect();
    let (b, n) = (a.bound, sizes.iter().product::<usize>() as f64);
    let extreme = if a.ty().is_empty() { f64::INFINITY } else { b };
    match s.below(0, 5) {
        0 => emit!(w, b * n; [a, sizes, strides, padding] a.window_sum(sizes, strides, padding)),
        1 => emit!(w, extreme; [a, sizes, strides, padding] a.window_max(sizes, strides, padding)),
        2 => emit!(w, extreme; [a, sizes, strides, padding] a.window_min(sizes, strides, padding)),
        3 => emit!(w, b * n; [a, sizes, strides, padding]
            a.window_sums(Window { dilation: vec![2; sizes.len()], ..Window::new(sizes.clone(), strides, padding) })),
        _ => emit!(w, 0.0; [a, sizes, strides, padding] a.window_argmax(Window::new(sizes, strides, padding))),
    };
    Some(())
}
