//! Parts at computed positions, read and written.

use tandem_compile::TensorType;

use crate::elementwise::{is_integer, is_number};
use crate::program::Step;
use crate::writer::{LARGEST, Writer, emit};

pub fn take(w: &Writer, s: &Step) -> Option<()> {
    let a = w.pick(s.operands[0], |ty| ty.ndim() >= 1 && !ty.is_empty())?;
    let axis = s.below(0, a.ndim());
    let rest = a.ty().len() / a.shape()[axis];
    let fits = |ty: &TensorType| is_integer(ty) && ty.ndim() + a.ndim() <= 5 && ty.len() * rest <= LARGEST;
    let b = w.pick(s.operands[1], fits)?;
    emit!(w, a.bound; [a, b, axis] a.take(&b, axis));
    Some(())
}

pub fn take_along(w: &Writer, s: &Step) -> Option<()> {
    let a = w.pick(s.operands[0], |ty| ty.ndim() >= 1 && !ty.is_empty())?;
    let axis = s.below(0, a.ndim());
    let fits = |ty: &TensorType| {
        let same = |other: usize| other == axis || ty.shape[other] == a.shape()[other];
        is_integer(ty) && ty.ndim() == a.ndim() && (0..a.ndim()).all(same)
    };
    match w.pick(s.operands[1], fits) {
        Some(b) => emit!(w, a.bound; [a, b, axis] a.take_along(&b, axis)),
        None => emit!(w, a.bound; [a, axis] a.take_along(&a.argsort(axis, false), axis)),
    };
    Some(())
}

pub fn scatter(w: &Writer, s: &Step) -> Option<()> {
    let a = w.pick(s.operands[0], |ty| is_number(ty) && ty.ndim() >= 1)?;
    let axis = s.below(0, a.ndim());
    let b = w.pick(s.operands[1], |ty| is_integer(ty) && ty.ndim() <= 2 && ty.len() <= 15)?;
    let shape = [&a.shape()[..axis], b.shape(), &a.shape()[axis + 1..]].concat();
    let fits = |ty: &TensorType| {
        let aligned = shape.iter().rev().zip(ty.shape.iter().rev());
        ty.dtype == a.ty().dtype && ty.ndim() <= shape.len() && aligned.into_iter().all(|(n, m)| n == m || *m == 1)
    };
    let c = w.pick(s.operands[2], fits)?;
    let bound = a.bound.max(c.bound);
    match s.below(1, 4) {
        0 | 1 => emit!(w, a.bound + c.bound * 15.0; [a, b, c, axis] a.scatter_add(&b, &c, axis)),
        2 => emit!(w, bound; [a, b, c, axis] a.scatter_max(&b, &c, axis)),
        _ => emit!(w, bound; [a, b, c, axis] a.scatter_min(&b, &c, axis)),
    };
    Some(())
}

/// Where no two updates are of one slice.
pub fn scatter_set(w: &Writer, s: &Step) -> Option<()> {
    let a = w.pick(s.operands[0], |ty| ty.ndim() >= 1)?;
    let axis = s.below(0, a.ndim());
    let b = w.pick(s.operands[1], |ty| *ty == a.ty().with_shape(a.shape()))?;
    let key = w.pick(s.operands[2], |ty| is_number(ty) && *ty.shape == [a.shape()[axis]])?;
    emit!(w, a.bound.max(b.bound); [a, b, key, axis] a.scatter_set(&key.argsort(0, false), &b, axis));
    Some(())
}

pub fn dynamic(w: &Writer, s: &Step) -> Option<()> {
    let a = w.pick(s.operands[0], |ty| ty.ndim() >= 1 && ty.ndim() <= 3)?;
    let i = w.pick(s.operands[1], |ty| is_integer(ty) && ty.ndim() == 0);
    let i = match i {
        Some(i) => i,
        None => {
            let b = w.pick(s.operands[1], is_number)?;
            emit!(w, 0.0; [b] b.gt(0).convert(tandem_compile::DType::I32).sum())
        }
    };
    let axis = s.below(1, a.ndim());
    if s.below(0, 3) == 0 && a.shape()[axis] > 0 {
        emit!(w, a.bound; [a, i, axis] a.index(axis, &i));
        return Some(());
    }
    if s.below(0, 3) == 1 {
        let fits = |ty: &TensorType| {
            let inside = ty.shape.iter().zip(a.shape()).all(|(n, m)| n <= m);
            ty.dtype == a.ty().dtype && ty.ndim() == a.ndim() && inside && ty != a.ty()
        };
        let b = w.pick(s.operands[2], fits)?;
        let bound = a.bound.max(b.bound);
        match a.ndim() {
            1 => emit!(w, bound; [a, b, i] a.dynamic_update_slice(&b, &[&i])),
            2 => emit!(w, bound; [a, b, i] a.dynamic_update_slice(&b, &[&i, &(&i + 1)])),
            _ => emit!(w, bound; [a, b, i] a.dynamic_update_slice(&b, &[&i, &(&i - 1), &i])),
        };
        return Some(());
    }
    let sizes: Vec<usize> = a.shape().iter().enumerate().map(|(axis, &size)| s.more(axis, size + 1)).collect();
    match a.ndim() {
        1 => emit!(w, a.bound; [a, i, sizes] a.dynamic_slice(&[&i], sizes)),
        2 => emit!(w, a.bound; [a, i, sizes] a.dynamic_slice(&[&i, &(&i - 1)], sizes)),
        _ => emit!(w, a.bound; [a, i, sizes] a.dynamic_slice(&[&i, &(&i + 1), &i], sizes)),
    };
    Some(())
}
