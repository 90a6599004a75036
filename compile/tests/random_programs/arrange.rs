//! Other shapes, other orders, parts and wholes, constants.

use tandem_compile::{DType, TensorType, concatenate, eye, full, iota, stack};

use crate::elementwise::{is_integer, is_number};
use crate::program::Step;
use crate::writer::{LARGEST, Value, Writer, emit};

/// A value with at least `ndim` axes.
fn with_axes(w: &Writer, selector: u16, ndim: usize) -> Option<Value> {
    w.pick(selector, |ty| ty.ndim() >= ndim)
}

/// An order of `ndim` axes.
fn order(s: &Step, ndim: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..ndim).collect();
    (1..ndim).rev().for_each(|i| order.swap(i, s.more(i, i + 1)));
    order
}

pub fn reshape(w: &Writer, s: &Step) -> Option<()> {
    let a = with_axes(w, s.operands[0], 0)?;
    let (bound, ndim) = (a.bound, a.ndim());
    let axis = s.below(1, ndim);
    match s.below(0, 6) {
        0 => emit!(w, bound; [a] a.flatten()),
        1 if ndim < 4 => {
            let axis = s.below(1, ndim + 1);
            emit!(w, bound; [a, axis] a.expand_dims(axis))
        }
        2 if ndim > 0 && a.shape()[axis] == 1 => emit!(w, bound; [a, axis] a.squeeze(axis)),
        3 if ndim >= 2 => {
            let shape = order(s, ndim).into_iter().map(|axis| a.shape()[axis]).collect::<Vec<_>>();
            emit!(w, bound; [a, shape] a.reshape(shape))
        }
        4 if ndim >= 2 => {
            let (at, mut shape) = (s.below(1, ndim - 1), a.shape().to_vec());
            shape[at] *= shape.remove(at + 1);
            emit!(w, bound; [a, shape] a.reshape(shape))
        }
        _ => {
            let shape = vec![a.ty().len()];
            emit!(w, bound; [a, shape] a.reshape(shape))
        }
    };
    Some(())
}

pub fn transpose(w: &Writer, s: &Step) -> Option<()> {
    let a = with_axes(w, s.operands[0], 2)?;
    let (from, to) = (s.below(1, a.ndim()), s.below(2, a.ndim()));
    let order = order(s, a.ndim());
    match s.below(0, 3) {
        0 => emit!(w, a.bound; [a, from, to] a.move_axis(from, to)),
        _ => emit!(w, a.bound; [a, order] a.transpose(order)),
    };
    Some(())
}

pub fn broadcast(w: &Writer, s: &Step) -> Option<()> {
    let a = w.pick(s.operands[0], |ty| ty.ndim() < 4 && ty.len() * 3 <= LARGEST)?;
    let size = [2, 3, 1, 0, 3, 2][s.below(0, 6)];
    let at = s.below(1, a.ndim() + 1);
    let mut shape = a.shape().to_vec();
    match s.below(2, 3) {
        0 => {
            shape.insert(0, size);
            emit!(w, a.bound; [a, shape] a.broadcast_to(shape));
        }
        _ => {
            shape.insert(at, size);
            let axes: Vec<usize> = (0..a.ndim()).map(|axis| axis + usize::from(axis >= at)).collect();
            emit!(w, a.bound; [a, shape, axes] a.broadcast_in_dim(shape, axes));
        }
    }
    Some(())
}

pub fn slice(w: &Writer, s: &Step) -> Option<()> {
    let a = w.pick(s.operands[0], |ty| ty.ndim() >= 1 && !ty.is_empty())?;
    let axis = s.below(0, a.ndim());
    let start = s.below(1, a.shape()[axis]);
    let limit = start + s.below(2, a.shape()[axis] - start + 1);
    let position = start as i64;
    let starts: Vec<usize> = (0..a.ndim()).map(|axis| s.more(axis, a.shape()[axis])).collect();
    let limits = a.shape().to_vec();
    let strides: Vec<usize> = (0..a.ndim()).map(|axis| 1 + s.more(axis + 9, 3)).collect();
    match s.below(3, 5) {
        0 | 1 => emit!(w, a.bound; [a, axis, start, limit] a.slice(axis, start, limit)),
        2 => emit!(w, a.bound; [a, axis, position] a.at_index(axis, position)),
        3 => emit!(w, a.bound; [a, starts, limits, strides] a.slice_strided(starts, limits, strides)),
        _ => emit!(w, a.bound; [a] a.reverse([0])),
    };
    Some(())
}

pub fn reverse(w: &Writer, s: &Step) -> Option<()> {
    let a = with_axes(w, s.operands[0], 1)?;
    let axes: Vec<usize> = (0..a.ndim()).filter(|&axis| s.more(axis, 2) == 0).collect();
    emit!(w, a.bound; [a, axes] a.reverse(axes));
    Some(())
}

pub fn pad(w: &Writer, s: &Step) -> Option<()> {
    let a = w.pick(s.operands[0], |ty| ty.ndim() >= 1 && ty.len() <= 60 && ty.ndim() <= 3)?;
    let width = |axis: usize| {
        // What is cut off is not more than there is.
        let size = a.shape()[axis] as i64;
        let low = s.more(axis, 4) as i64 - 1;
        let low = low.max(-size);
        let high = (s.more(axis + 5, 4) as i64 - 1).max(-(size + low));
        (low, high, [0, 0, 1][s.more(axis + 7, 3)])
    };
    let widths: Vec<(i64, i64, usize)> = (0..a.ndim()).map(width).collect();
    let filler = w.pick(s.operands[1], |ty| ty.dtype == a.ty().dtype && ty.ndim() == 0);
    match filler.filter(|_| s.below(0, 2) == 0) {
        Some(b) => emit!(w, a.bound.max(b.bound); [a, b, widths] a.pad(&b, &widths)),
        None if is_number(a.ty()) => emit!(w, a.bound; [a, widths] a.pad(0, &widths)),
        None => return None,
    };
    Some(())
}

pub fn join(w: &Writer, s: &Step) -> Option<()> {
    let a = w.pick(s.operands[0], |ty| ty.len() * 2 <= LARGEST)?;
    let bound = |b: &Value| a.bound.max(b.bound);
    if a.ndim() == 0 || (s.below(0, 3) == 0 && a.ndim() < 4) {
        let b = w.pick(s.operands[1], |ty| ty == a.ty())?;
        let axis = s.below(1, a.ndim() + 1);
        emit!(w, bound(&b); [a, b, axis] stack(&[&a, &b], axis));
        return Some(());
    }
    let axis = s.below(1, a.ndim());
    let fits = |ty: &TensorType| {
        let same = |other| other == axis || ty.shape[other] == a.shape()[other];
        ty.dtype == a.ty().dtype && ty.ndim() == a.ndim() && (0..a.ndim()).all(same) && ty.len() * 2 <= LARGEST
    };
    let b = w.pick(s.operands[1], fits)?;
    match s.below(2, 4) {
        0 if a.ty().len() * 2 + b.ty().len() <= LARGEST => {
            emit!(w, bound(&b); [a, b, axis] concatenate(&[&a, &b, &a], axis))
        }
        _ => emit!(w, bound(&b); [a, b, axis] concatenate(&[&a, &b], axis)),
    };
    Some(())
}

pub fn pattern(w: &Writer, s: &Step) -> Option<()> {
    let k = s.below(1, 4) as i32 - 2;
    if s.below(0, 4) == 0 {
        let a = w.pick(s.operands[0], |ty| is_integer(ty) && ty.ndim() < 4 && ty.len() * 3 <= LARGEST)?;
        let dtype = w.dtype([DType::F32, DType::F64, DType::I32][s.below(2, 3)]);
        emit!(w, 1.0; [a, dtype] a.one_hot(3, dtype));
        return Some(());
    }
    let a = w.pick(s.operands[0], |ty| is_number(ty) && ty.ndim() >= 2)?;
    match s.below(2, 3) {
        0 => emit!(w, a.bound; [a, k] a.tril(k)),
        1 => emit!(w, a.bound; [a, k] a.triu(k)),
        _ => {
            let b =
                w.pick(s.operands[1], |ty| is_number(ty) && matches!(*ty.shape, [m] if m <= 5) || ty.ndim() == 2)?;
            if !is_number(b.ty()) {
                return None;
            }
            emit!(w, b.bound; [b] b.diag())
        }
    };
    Some(())
}

/// Numbers from nowhere.
pub fn constants(w: &Writer, s: &Step) -> Option<()> {
    let dtype = w.dtype([DType::F32, DType::F64, DType::I32, DType::U32][s.below(0, 4)]);
    let shape: Vec<usize> = (0..s.below(1, 4)).map(|axis| [2, 3, 1, 5][s.more(axis, 4)]).collect();
    match s.below(2, 3) {
        0 if !shape.is_empty() => {
            let axis = s.below(3, shape.len());
            emit!(w, 5.0; [shape, axis, dtype] iota(shape, axis, dtype))
        }
        1 => emit!(w, 1.0; [dtype] eye(3, dtype)),
        _ => {
            let x = s.below(3, 4) as f64;
            emit!(w, 4.0; [shape, x, dtype] full(shape, x, dtype))
        }
    };
    Some(())
}
