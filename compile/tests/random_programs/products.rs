//! Products, convolutions, factors.

#![expect(clippy::redundant_field_names, reason = "the printed program names every field")]

use tandem_compile::ops::convolution::{Conv, Padding};
use tandem_compile::ops::dot::DotGeneral;
use tandem_compile::ops::factor::TriangularSolve;
use tandem_compile::{DType, TensorType, einsum, kron};

use crate::elementwise::{is_float, is_number};
use crate::program::Step;
use crate::writer::{LARGEST, Writer, emit};

fn len(shape: &[usize]) -> usize {
    shape.iter().product()
}

pub fn dot(w: &Writer, s: &Step) -> Option<()> {
    let a = w.pick(s.operands[0], |ty| is_number(ty) && ty.ndim() >= 1)?;
    let axis = s.below(0, a.ndim());
    let size = a.shape()[axis];
    let small = |ty: &TensorType| len(a.shape()) * ty.len() <= LARGEST * size.max(1) * size.max(1);
    let fits = |ty: &TensorType| ty.dtype == a.ty().dtype && ty.shape.contains(&size) && small(ty);
    let b = w.pick(s.operands[1], |ty| fits(ty) && a.ndim() + ty.ndim() <= 6)?;
    let axes: Vec<usize> = (0..b.ndim()).filter(|&axis| b.shape()[axis] == size).collect();
    let other = axes[s.below(1, axes.len())];
    emit!(w, a.bound * b.bound * size.max(1) as f64; [a, b, axis, other] a.contract(&b, axis, other));
    Some(())
}

pub fn matmul(w: &Writer, s: &Step) -> Option<()> {
    let a = w.pick(s.operands[0], |ty| is_number(ty) && ty.ndim() >= 2)?;
    let n = a.ndim();
    let (rows, inner) = (a.shape()[n - 2], a.shape()[n - 1]);
    let bound = |b: f64, size: usize| a.bound * b * size.max(1) as f64;
    match s.below(0, 4) {
        // The same leading axes: each matrix with its own transpose.
        0 if len(a.shape()) * rows <= LARGEST => {
            let mut order: Vec<usize> = (0..n).collect();
            order.swap(n - 2, n - 1);
            emit!(w, bound(a.bound, inner); [a, order] a.matmul(&a.transpose(order)))
        }
        1 if is_float(a.ty()) && len(a.shape()) * rows <= LARGEST => {
            let batch: Vec<usize> = (0..n - 2).collect();
            let contracting = vec![n - 1];
            emit!(w, bound(a.bound, inner); [a, batch, contracting] a.dot_general(&a.sin(), DotGeneral {
                lhs_batch: batch.to_vec(),
                rhs_batch: batch.to_vec(),
                lhs_contracting: contracting.to_vec(),
                rhs_contracting: contracting.to_vec(),
                ..DotGeneral::default()
            }))
        }
        _ => {
            let fits = |ty: &TensorType| {
                ty.dtype == a.ty().dtype && ty.ndim() <= 2 && ty.shape.first() == Some(&inner) && ty.len() <= 25
            };
            let b = w.pick(s.operands[1], fits)?;
            emit!(w, bound(b.bound, inner); [a, b] a.matmul(&b))
        }
    };
    Some(())
}

pub fn outer(w: &Writer, s: &Step) -> Option<()> {
    let ndim = 1 + s.below(0, 2);
    let a = w.pick(s.operands[0], |ty| is_number(ty) && ty.ndim() == ndim && ty.len() <= 25)?;
    let b = w.pick(s.operands[1], |ty| {
        ty.dtype == a.ty().dtype && ty.ndim() == ndim && ty.len() * a.ty().len() <= LARGEST
    })?;
    let bound = a.bound * b.bound;
    match ndim {
        1 => emit!(w, bound; [a, b] a.outer(&b)),
        _ if s.below(1, 2) == 0 => emit!(w, bound * 25.0; [a, b] einsum("ij,kl->ikl", &[&a, &b])),
        _ => emit!(w, bound; [a, b] kron(&a, &b)),
    };
    Some(())
}

pub fn convolution(w: &Writer, s: &Step) -> Option<()> {
    let a = w.pick(s.operands[0], |ty| is_float(ty) && (2..=4).contains(&ty.ndim()) && ty.len() <= 60)?;
    let spatial = a.ndim() - 2;
    // A kernel that fits: of as many input features.
    let fits = |ty: &TensorType| {
        ty.dtype == a.ty().dtype && ty.ndim() == a.ndim() && ty.shape[1] == a.shape()[1] && ty.len() <= 60
    };
    let b = w.pick(s.operands[1], fits)?;
    let padding: Vec<(i64, i64)> =
        (0..spatial).map(|axis| (b.shape()[axis + 2] as i64, s.more(axis, 3) as i64)).collect();
    let strides: Vec<usize> = (0..spatial).map(|axis| 1 + s.more(axis + 3, 2)).collect();
    let dilation: Vec<usize> = (0..spatial).map(|axis| 1 + s.more(axis + 6, 2)).collect();
    let bound = a.bound * b.bound * len(&b.shape()[1..]).max(1) as f64;
    match s.below(0, 3) {
        0 => emit!(w, bound; [a, b, padding, strides] a.conv(&b, Conv {
            padding: Padding::Explicit(padding.to_vec()), strides: strides.to_vec(), ..Conv::default()
        })),
        1 => emit!(w, bound; [a, b, padding, dilation] a.conv(&b, Conv {
            padding: Padding::Explicit(padding.to_vec()), lhs_dilation: dilation.to_vec(), ..Conv::default()
        })),
        _ => emit!(w, bound; [a, b] a.conv(&b, Conv { padding: Padding::Same, ..Conv::default() })),
    };
    Some(())
}

/// Of matrices that are well conditioned: `a a' + 2 I`, `tril(a) + 3 I`.
pub fn factor(w: &Writer, s: &Step) -> Option<()> {
    let square = |ty: &TensorType| {
        matches!(*ty.shape, [.., m, n] if m == n && m > 0) && ty.ndim() <= 3 && is_float(ty) && ty.len() <= 75
    };
    let a = w.pick(s.operands[0], square)?;
    let (n, dtype): (usize, DType) = (a.shape()[a.ndim() - 1], a.ty().dtype);
    let mut order: Vec<usize> = (0..a.ndim()).collect();
    order.swap(a.ndim() - 2, a.ndim() - 1);
    if s.below(0, 2) == 0 {
        let a = emit!(w, 1.0; [a] a.sin());
        let spd = emit!(w, 7.0; [a, order, n, dtype]
            a.matmul(&a.transpose(order)) + tandem_compile::eye(n, dtype) * 2.0);
        emit!(w, 3.0; [spd] spd.cholesky());
        return Some(());
    }
    let b = w.pick(s.operands[1], |ty| ty.dtype == dtype && ty.shape == a.shape())?;
    let (left, lower, transpose, unit) =
        (s.below(1, 2) == 0, s.below(2, 2) == 0, s.below(3, 2) == 0, s.more(1, 2) == 0);
    let t = emit!(w, 4.0; [a, n, dtype] a.sin() * 0.5 + tandem_compile::eye(n, dtype) * 3.0);
    emit!(w, b.bound * 8.0; [t, b, left, lower, transpose, unit] t.triangular_solve(&b, TriangularSolve {
        left: left, lower: lower, transpose: transpose, unit_diagonal: unit
    }));
    Some(())
}
